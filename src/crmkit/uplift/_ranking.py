"""Rows by falling score, ties together: the sums that every curve and every area is read off."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

__all__ = ["Ranking", "Rate", "rank", "rate"]

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Distinct scores, highest first: what is there down to the end of each."""

    rows: Longs  # rows down to each distinct score
    treated: Longs
    y_treated: Floats
    y_control: Floats

    @property
    def n(self) -> int:
        """Return the number of rows."""
        return int(self.rows[-1])

    @property
    def control(self) -> Longs:
        """Return the rows of the control down to each distinct score."""
        return self.rows - self.treated

    @property
    def total_treated(self) -> int:
        """Return the treated rows."""
        return int(self.treated[-1])

    @property
    def total_control(self) -> int:
        """Return the rows of the control."""
        return self.n - self.total_treated


def rank(score: Floats, y: Floats, treated: Bools) -> Ranking:
    """Sort by falling score and sum up to the end of every distinct one, so that the order of ties never matters."""
    order = np.argsort(-score, kind="stable")
    ends = tie_ends(score[order])
    hit, outcome = treated[order], y[order]
    in_arm = np.where(hit, outcome, 0.0)
    return Ranking(ends + 1, np.cumsum(hit, dtype=np.int64)[ends], np.cumsum(in_arm)[ends], np.cumsum(outcome - in_arm)[ends])


def tie_ends(falling: Floats) -> Longs:
    """Return the last place of each distinct value in a sorted array."""
    return np.append(np.flatnonzero(np.diff(falling)), falling.size - 1)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rate:
    """A rank-weighted average treatment effect and what each row adds to it, for its variance and for paired differences."""

    value: float
    influence: Floats  # in the order of the rows that came in; its mean is zero

    @property
    def se(self) -> float:
        """Return the standard error."""
        n = self.influence.size
        return float(np.sqrt((self.influence**2).sum() / (n * (n - 1.0)))) if n > 1 else float("nan")


def rate(score: Floats, effect: Floats, weighting: str) -> Rate:
    r"""Return the rank-weighted average of unbiased effect scores: "qini" or "autoc".

    With G the share of rows that score as high or higher, "qini" is the mean of :math:`\Gamma (1/2 - G)` and "autoc" of
    :math:`\Gamma (-\ln G - 1)`, each with weights that sum to zero over the rows; ties share the mean of their weights. The
    influence of a row is its own term and what its presence does to the ranks of the others.
    """
    n = score.size
    order = np.argsort(-score, kind="stable")
    ends = tie_ends(score[order])
    size = np.diff(np.append(-1, ends))
    group = np.repeat(np.arange(ends.size), size)
    place = np.arange(1.0, n + 1.0)
    if weighting == "qini":
        raw = (n - place + 1.0) / n - (n + 1.0) / (2.0 * n)
        slope = np.full(n, -1.0)
    else:
        harmonic = np.cumsum(1.0 / place)
        raw = harmonic[-1] - np.append(0.0, harmonic[:-1]) - 1.0
        slope = -n / place
    weight = _tied(raw, group, size)
    gamma = effect[order]
    value = float((weight * gamma).mean())
    # derivative of the weights along the ranks, times what one more row above does to the rank of those below it
    share = _tied(place / n, group, size)
    moved = gamma * _tied(slope, group, size)
    below = np.cumsum(moved[::-1])[::-1]
    within = np.bincount(group, weights=moved, minlength=ends.size)
    # of the rows of its own tie a row moves half
    pushed = (below[ends - size + 1] - 0.5 * within)[group] / n
    influence = np.empty(n)
    influence[order] = weight * gamma - value + pushed - float((moved * share).mean())
    return Rate(value, influence - influence.mean())


def _tied(values: Floats, group: Longs, size: Longs) -> Floats:
    """Give every row of a tie the mean over it."""
    return (np.bincount(group, weights=values, minlength=size.size) / size)[group]
