"""Rows by falling score, ties together: the sums that every curve and every area is read off."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crmkit._kernels import falling as _sort
from crmkit._kernels import uplift as _k

__all__ = ["Order", "Ranking", "Rate", "order_of", "rank", "rank_few", "rate"]

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Order:
    """Rows by falling score, and how many there are down to the end of each distinct one."""

    places: Rows
    ends: Longs


def order_of(score: Floats) -> Order:
    """Sort rows by falling score."""
    places, ends = np.empty(score.size, np.int32), np.empty(score.size, np.int64)
    _sort.falling_order(np.ascontiguousarray(score).view(np.uint64), places)
    m = _k.ends(places, score, ends)
    return Order(places, ends[:m])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Distinct scores, highest first: what is there down to the end of each."""

    rows: Longs
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


def rank(order: Order, y: Floats, treated: Bools) -> Ranking:
    """Sum up to the end of every distinct score, so that the order of ties never matters."""
    m = order.ends.size
    hits, y_treated, y_control = np.empty(m, np.int64), np.empty(m), np.empty(m)
    _k.down(order.places, order.ends, y, treated, hits, y_treated, y_control)
    return Ranking(order.ends, hits, y_treated, y_control)


def rank_few(score: Floats, y: Floats, treated: Bools) -> Ranking:
    """Do the same for scores that take a handful of values, without sorting."""
    levels = np.sort(np.unique(score))[::-1]
    parts = [(score >= level) for level in levels]
    rows = np.array([part.sum() for part in parts], np.int64)
    hits = np.array([(part & treated).sum() for part in parts], np.int64)
    gained = np.array([y[part & treated].sum() for part in parts])
    return Ranking(rows, hits, gained, np.array([y[part].sum() for part in parts]) - gained)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rate:
    """A rank-weighted average treatment effect and what each row adds to it, for its variance and for paired differences."""

    value: float
    influence: Floats  # in the order of the rows that came in; its mean is zero

    @property
    def se(self) -> float:
        """Return the standard error."""
        n = self.influence.size
        return float(np.sqrt(self.influence @ self.influence / (n * (n - 1.0)))) if n > 1 else float("nan")


def rate(order: Order, effect: Floats, weighting: str) -> Rate:
    r"""Return the rank-weighted average of unbiased effect scores: "qini" or "autoc".

    With G the share of rows that score as high or higher, "qini" is the mean of :math:`\Gamma (1/2 - G)` and "autoc" of
    :math:`\Gamma (-\ln G - 1)`, each with weights that sum to zero over the rows; ties share the mean of their weights. The
    influence of a row is its own term and what its presence does to the ranks of the others.
    """
    influence = np.empty(effect.size)
    value = _k.rank_weighted(order.places, order.ends, effect, weighting == "autoc", influence)
    return Rate(value, influence)
