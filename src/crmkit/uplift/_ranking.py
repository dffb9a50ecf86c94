"""Rows by falling score, ties together: the sums that every curve and every area is read off."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crmkit._kernels import falling as _sort
from crmkit._kernels import uplift as _k

__all__ = ["Areas", "Order", "Ranking", "Rate", "order_of", "rank", "rank_cells", "rate", "rate_in_order"]

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
class Areas:
    """The Qini curve and the gain curve, and areas between each and its chord."""

    qini: Floats
    gain: Floats
    qini_area: float
    gain_area: float
    qini_line: float  # with a line through the first ranks, where an arm is still empty
    gain_sum: float  # of the gain over all ranks, with the same line through the lift


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Distinct scores, highest first: what is there down to the end of each."""

    rows: Longs
    treated: Longs
    y_treated: Floats
    y_control: Floats

    def areas(self) -> Areas:
        """Return both curves and the areas under them."""
        qini, gain, out = np.empty(self.rows.size), np.empty(self.rows.size), np.empty(4)
        _k.areas(self.rows, self.treated, self.y_treated, self.y_control, qini, gain, out)
        return Areas(qini, gain, *out.tolist())


def rank(order: Order, y: Floats, treated: Bools) -> Ranking:
    """Sum up to the end of every distinct score, so that the order of ties never matters."""
    m = order.ends.size
    hits, y_treated, y_control = np.empty(m, np.int64), np.empty(m), np.empty(m)
    _k.down(order.places, order.ends, y, treated, hits, y_treated, y_control)
    return Ranking(order.ends, hits, y_treated, y_control)


def rank_cells(score: Sequence[float], y: Floats, treated: Bools) -> Ranking:
    """Do the same for outcomes of 0 and 1 and one score for each of: control without, control with, treated without and with."""
    count = np.bincount(2 * treated + (y == 1.0), minlength=4)
    levels = sorted(set(score), reverse=True)
    within = [np.array([value >= level for value in score]) for level in levels]
    rows = np.array([count[cells].sum() for cells in within], np.int64)
    hits = np.array([count[2:][cells[2:]].sum() for cells in within], np.int64)
    gained = np.array([float(count[3]) * cells[3] for cells in within])
    had = np.array([float(count[1]) * cells[1] for cells in within])
    return Ranking(rows, hits, gained, had)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rate:
    """A rank-weighted average treatment effect and what each row adds to it, for its variance and for paired differences."""

    value: float
    influence: Floats  # its mean is zero

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
    found = rate_in_order(order.ends, effect[order.places], weighting)
    influence = np.empty(effect.size)
    influence[order.places] = found.influence
    return Rate(found.value, influence)


def rate_in_order(ends: Longs, effect: Floats, weighting: str) -> Rate:
    """Return the same from effects that are sorted already; influences stay sorted."""
    influence = np.empty(effect.size)
    value = _k.rank_weighted(ends, effect, weighting == "autoc", influence)
    return Rate(value, influence)
