"""Turning scores into probabilities that hold: a line or a staircase on the log odds, only where it helps on other rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit._kernels import ranking as _k
from crmkit._learn._logistic import losses, probability

__all__ = ["METHODS", "Calibration", "choose_calibration", "fit_calibration"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

METHODS = ("none", "sigmoid", "isotonic")
FEWEST = {"sigmoid": 50, "isotonic": 1_000}  # rows of the rarer class that it takes
STEPS = 50


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A rising function on the log odds: intercept + slope × log odds, or a line through knots, level beyond them."""

    method: str
    intercept: float = 0.0
    slope: float = 1.0
    at: Floats = dataclasses.field(default_factory=lambda: np.empty(0))
    value: Floats = dataclasses.field(default_factory=lambda: np.empty(0))

    def __call__(self, log_odds: Floats) -> Floats:
        """Give the calibrated log odds."""
        if self.method == "isotonic":
            return np.interp(log_odds, self.at, self.value)
        return log_odds if self.method == "none" else self.intercept + self.slope * log_odds

    def to_fields(self) -> dict[str, Any]:
        """Return what defines it."""
        fields: dict[str, Any] = {"method": self.method}
        if self.method == "sigmoid":
            fields |= {"intercept": self.intercept, "slope": self.slope}
        if self.method == "isotonic":
            fields |= {"at": self.at, "value": self.value}
        return fields

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Calibration:
        """Rebuild it from what `to_fields` returned."""
        return cls(**fields)


def fit_calibration(method: str, log_odds: Floats, y: Bools) -> Calibration:
    """Fit on rows that the model has not seen; where the data define none, the identity."""
    if method == "sigmoid":
        return _line(log_odds, y)
    if method == "isotonic":
        return _staircase(log_odds, y)
    return Calibration("none")


def choose_calibration(
    folds: Sequence[tuple[Floats, Bools]], methods: Sequence[str], *, in_time: bool, rng: np.random.Generator
) -> tuple[Calibration, list[Floats]]:
    """Choose by the log loss on rows that neither the model nor the calibration has seen; the plain score is preferred.

    `folds` are log odds and labels of the rows left out of each fit. Each fold is calibrated by the others, by the earlier
    ones where they are in the order of time. Returned are the one to use, fitted on all folds, and the folds as calibrated.
    """
    plain = [log_odds for log_odds, _ in folds]
    if len(folds) == 1 and in_time:
        # nothing later to test on: either half of the rows is tested by the other
        log_odds, y = folds[0]
        half = np.zeros(y.size, np.bool_)
        half[rng.permutation(y.size)[: y.size // 2]] = True
        parts = [(log_odds[half], y[half]), (log_odds[~half], y[~half])]
        method, _ = _best(parts, methods, in_time=False)
        calibrated = plain
    else:
        method, calibrated = _best(folds, methods, in_time=in_time)
    if method == "none":
        return Calibration("none"), plain
    together = np.concatenate(plain), np.concatenate([y for _, y in folds])
    return fit_calibration(method, *together), calibrated


def _best(folds: Sequence[tuple[Floats, Bools]], methods: Sequence[str], *, in_time: bool) -> tuple[str, list[Floats]]:
    plain = [log_odds for log_odds, _ in folds]
    found, best, gain = plain, "none", 0.0
    forced = "none" not in methods
    for method in methods:
        if method == "none":
            continue
        calibrated, differences = [], []
        for k, (log_odds, y) in enumerate(folds):
            others = [fold for j, fold in enumerate(folds) if (j < k if in_time else j != k)]
            known = np.concatenate([labels for _, labels in others]) if others else np.empty(0, np.bool_)
            if min(known.sum(), known.size - known.sum()) < (1 if forced else FEWEST[method]):
                calibrated.append(log_odds)
                continue
            after = fit_calibration(method, np.concatenate([scores for scores, _ in others]), known)(log_odds)
            calibrated.append(after)
            differences.append(losses(y, log_odds) - losses(y, after))
        if forced:
            return method, calibrated
        if not differences:
            continue
        saved = np.concatenate(differences)
        # a gain that chance explains is no gain
        if saved.mean() > gain and saved.mean() > saved.std() / math.sqrt(saved.size):
            found, best, gain = calibrated, method, float(saved.mean())
    return best, found


def _line(log_odds: Floats, y: Bools) -> Calibration:
    """Fit the log odds of what came to pass on those of the score, by Newton's method."""
    spread = float(log_odds.std())
    if spread == 0.0 or y.all() or not y.any() or _separated(log_odds, y):
        return Calibration("none")
    centre = float(log_odds.mean())
    z = (log_odds - centre) / spread
    beta = np.array([centre, spread])
    loss = float(losses(y, beta[0] + beta[1] * z).sum())
    for _ in range(STEPS):
        p = probability(beta[0] + beta[1] * z)
        weight = p * (1.0 - p)
        slopes = np.array([(y - p).sum(), ((y - p) * z).sum()])
        information = np.array([[weight.sum(), (weight * z).sum()], [(weight * z).sum(), (weight * z * z).sum()]])
        step = np.linalg.solve(information + 1e-9 * np.eye(2), slopes)
        after = float(losses(y, beta[0] + step[0] + (beta[1] + step[1]) * z).sum())
        while after > loss + 1e-9 and np.abs(step).max() > 1e-12:
            step /= 2.0
            after = float(losses(y, beta[0] + step[0] + (beta[1] + step[1]) * z).sum())
        beta, loss = beta + step, after
        if np.abs(step).max() < 1e-9:
            break
    slope = float(beta[1]) / spread
    if slope <= 0.0:  # a score that ranks the wrong way is not turned round in silence
        return Calibration("none")
    return Calibration("sigmoid", intercept=float(beta[0]) - slope * centre, slope=slope)


def _staircase(log_odds: Floats, y: Bools) -> Calibration:
    """Fit an isotonic regression, and lead a line through the middles of its steps."""
    order = np.argsort(log_odds, kind="stable")[::-1]
    score, place = np.unique(log_odds[order], return_inverse=True)
    t = np.bincount(place, weights=y[order], minlength=score.size)[::-1].astype(np.int64)
    rows = np.bincount(place, minlength=score.size)[::-1].astype(np.int64)
    ends = _k.hull(t, rows - t)
    ones = np.diff(np.cumsum(t)[ends], prepend=0)
    size = np.diff(np.cumsum(rows)[ends], prepend=0)
    middle = np.diff(np.cumsum(rows * score[::-1])[ends], prepend=0.0) / size
    # one row of the base rate in each step: nothing is ever certain
    rate = float(y.mean())
    share = np.maximum.accumulate(((ones + rate) / (size + 1.0))[::-1])
    at = np.maximum.accumulate(middle[::-1])
    if at.size < 2 or not 0.0 < rate < 1.0:
        return Calibration("none")
    return Calibration("isotonic", at=at, value=np.log(share) - np.log1p(-share))


def _separated(log_odds: Floats, y: Bools) -> bool:
    ones, zeros = log_odds[y], log_odds[~y]
    return bool(ones.min() >= zeros.max() or zeros.min() >= ones.max())
