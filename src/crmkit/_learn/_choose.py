"""Which kind of model to use: candidates compared on the same rows left out, and the scores of the one chosen."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from crmkit._learn._blend import blend
from crmkit._learn._boosting import LARGE, SMALL, STEP, Boosting, fit_boosting, grow, looked_at
from crmkit._learn._calibrate import Calibration, choose_calibration
from crmkit._learn._folds import Fold
from crmkit._learn._logistic import Logistic, fit_logistic, losses, probability

__all__ = ["BLEND", "KINDS", "Choice", "Matrix", "auc", "choose", "fit_kind", "proper_scores"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

KINDS = ("logistic", "boosting", "large_boosting")
BLEND = "blend"
SETTINGS = {"boosting": SMALL, "large_boosting": LARGE}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Rows to learn from: a column per term, which of them are indicators, which trees read, and what came to pass."""

    X: Floats
    indicator: Bools
    tree_columns: Bools
    y: Bools


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The kind chosen, with its calibration, how it scored, and how the others did."""

    kind: str
    trees: Mapping[str, int]  # of each kind that is to be fitted
    weights: Mapping[str, float]  # of each kind in a blend, and its intercept
    calibration: Calibration
    metrics: Mapping[str, float]
    candidates: Mapping[str, Mapping[str, float]]


def fit_kind(kind: str, rows: Matrix, *, iterations: int, seed: int, n_threads: int | None) -> Logistic | Boosting:
    """Fit one kind of model on all rows."""
    if kind == "logistic":
        return fit_logistic(rows.X, rows.indicator, rows.y)
    return fit_boosting(rows.X, rows.y, rows.tree_columns, SETTINGS[kind], iterations=iterations, seed=seed, n_threads=n_threads)


def choose(
    rows: Matrix,
    folds: Sequence[Fold],
    kinds: Sequence[str],
    *,
    methods: Sequence[str],
    in_time: bool,
    base_rate: float | None,
    seed: int,
    n_threads: int | None,
) -> Choice:
    """Fit every kind on every fold, and take the one with the least mean log loss on the rows left out.

    Each kind is judged as it would be used: calibrated, each fold by the others. A blend of several is taken unless it is
    worse beyond doubt; for a logistic regression, which can be read, only where it is better. Folds where either part holds
    one class only are left out; the metric "folds" says how many were scored.
    """
    y = rows.y
    folds = [fold for fold in folds if all(0 < int(y[part].sum()) < part.size for part in fold)]
    found: dict[str, tuple[list[Floats], int]] = {}
    if folds:
        found = _left_out(rows, folds, kinds, seed=seed, n_threads=n_threads)
    known = [y[now] for _, now in folds]
    candidates: dict[str, dict[str, float]] = {}
    calibrated: dict[str, tuple[Calibration, list[Floats]]] = {}
    for kind, (scores, trees) in found.items():
        # a line keeps the contributions of a logistic regression additive, a staircase does not
        allowed = [method for method in methods if kind != "logistic" or method != "isotonic"] or ["none"]
        tested, rng = list(zip(scores, known, strict=True)), np.random.default_rng(seed)
        calibrated[kind] = choose_calibration(tested, allowed, in_time=in_time, rng=rng)
        candidates[kind] = _judged(calibrated[kind][1], known)
        if trees:
            candidates[kind]["trees"] = trees
    overall: dict[str, float] = {"folds": len(folds), "base_rate": float(y.mean()) if base_rate is None else base_rate}
    if not folds:
        return Choice(kinds[0], {kinds[0]: int(SMALL["max_iter"])}, {}, Calibration("none"), overall, candidates)
    # a tie goes to the plainer one, which comes first
    kind = min(candidates, key=lambda name: candidates[name]["log_loss"])
    (calibration, final), weights = calibrated[kind], {}
    if len(found) > 1:
        stacked = [
            (np.column_stack(columns), labels) for *columns, labels in zip(*[z for z, _ in found.values()], known, strict=True)
        ]
        beta, blended = blend(stacked, in_time=in_time, rng=np.random.default_rng(seed))
        candidates[BLEND] = _judged(blended, known)
        saved = np.concatenate(
            [losses(labels, a) - losses(labels, b) for a, b, labels in zip(final, blended, known, strict=True)]
        )
        chance = float(saved.std()) / math.sqrt(saved.size)
        # coefficients that can be read are given up for more than chance explains; one boosting is preferred to several, which
        # err less on the whole, where it is better beyond doubt
        if saved.mean() > (chance if kind == "logistic" else -2.0 * chance):
            kind, calibration, final = BLEND, Calibration("none"), blended
            weights = dict(zip(("intercept", *found), map(float, beta), strict=True))
    used = [name for name in found if name == kind or weights.get(name, 0.0) > 0.0]
    each = [
        _scores(y[now], z, float(y[past].mean()), base_rate, float(y.mean())) for (past, now), z in zip(folds, final, strict=True)
    ]
    for name in each[0]:
        values = np.array([one[name] for one in each])
        overall[name] = float(values.mean())
        if values.size > 1 and not name.startswith("base_"):
            overall[f"{name}_sd"] = float(values.std(ddof=1))
    return Choice(kind, {name: found[name][1] for name in used}, weights, calibration, overall, candidates)


def _left_out(
    rows: Matrix, folds: Sequence[Fold], kinds: Sequence[str], *, seed: int, n_threads: int | None
) -> dict[str, tuple[list[Floats], int]]:
    """Give each kind's log odds of the rows left out of each fold, and how many trees gave them."""
    X, y = rows.X, rows.y
    found: dict[str, tuple[list[Floats], int]] = {}
    if "logistic" in kinds:
        fitted = [fit_logistic(X[past], rows.indicator, y[past]).log_odds(X[now]) for past, now in folds]
        found["logistic"] = (fitted, 0)
    boostings = [kind for kind in kinds if kind in SETTINGS]
    known = [y[now] for _, now in folds]

    def looks_at(kind: str, past: npt.NDArray[np.int64], now: npt.NDArray[np.int64]) -> Floats:
        if kind == "boosting":
            trees = int(SMALL["max_iter"])
            small = fit_boosting(X[past], y[past], rows.tree_columns, SMALL, iterations=trees, seed=seed, n_threads=n_threads)
            return small.log_odds(X[now])[None, :]
        return grow(X[past], y[past], rows.tree_columns, X[now], SETTINGS[kind], known=y[now], seed=seed, n_threads=n_threads)

    for kind in boostings:
        # one after the other: scikit-learn swaps the warning filters of the process while it fits, which threads would garble
        looks = [looks_at(kind, past, now) for past, now in folds]
        loss = [_loss_after(looks, known, i) for i in range(max(look.shape[0] for look in looks))]
        best = int(np.argmin(loss))
        trees = int(SMALL["max_iter"]) if kind == "boosting" else (best + 1) * STEP
        found[kind] = ([look[min(best, look.shape[0] - 1)] for look in looks], trees)
    return found


def _judged(scores: Sequence[Floats], known: Sequence[Bools]) -> dict[str, float]:
    each = [
        {"log_loss": float(losses(y, z).mean()), "brier": float(np.square(probability(z) - y).mean()), "auc": auc(y, z)}
        for z, y in zip(scores, known, strict=True)
    ]
    return {name: float(np.mean([one[name] for one in each])) for name in each[0]}


def _loss_after(looks: Sequence[Floats], known: Sequence[Bools], i: int) -> float:
    """Give the mean loss at one look; where a fold stopped before, more trees are taken to change nothing."""
    each = [looked_at(y, look[min(i, look.shape[0] - 1)]) for y, look in zip(known, looks, strict=True)]
    return float(np.mean(each))


def _scores(y: Bools, log_odds: Floats, learnt: float, base_rate: float | None, in_sample: float) -> dict[str, float]:
    """Score the rows of one fold beside the base rate; where the sample was drawn by label, as in the population."""
    base = np.full(y.size, _logit(learnt))
    weight = np.ones(y.size)
    if base_rate is not None:
        shift = _logit(base_rate) - _logit(in_sample)
        log_odds, base = log_odds + shift, base + shift
        weight = np.where(y, base_rate / in_sample, (1.0 - base_rate) / (1.0 - in_sample))
    return {
        "auc": auc(y, log_odds),
        **proper_scores("", y, log_odds, weight),
        **proper_scores("base_", y, base, weight),
    }


def proper_scores(prefix: str, y: Bools, log_odds: Floats, weight: Floats) -> dict[str, float]:
    """Return the mean log loss and Brier score."""
    total = float(weight.sum())
    return {
        f"{prefix}log_loss": float(weight @ losses(y, log_odds)) / total,
        f"{prefix}brier": float(weight @ np.square(probability(log_odds) - y)) / total,
    }


def auc(y: Bools, score: Floats) -> float:
    """Share of pairs of one row of either class that the score orders rightly, ties by half."""
    from scipy.stats import rankdata

    n_true = int(y.sum())
    ranks = float(rankdata(score)[y].sum())
    return (ranks - n_true * (n_true + 1) / 2) / (n_true * (y.size - n_true))


def _logit(share: float) -> float:
    return math.log(share / (1.0 - share))
