"""Means by segment and arm with their standard errors, and what one arm's mean says beside another's."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit.experiment._trial import Trial

__all__ = ["Cells", "cells_of", "in_units", "mover_ratio", "student_ends", "two_sided", "welch_df"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

EPSILON = float(np.finfo(np.float64).eps)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Per segment (rows) and arm (columns): units, the sums that the mean is the ratio of, and its standard error."""

    n: Floats  # units that were assigned: rows, or clusters
    top: Floats
    bottom: Floats
    se: Floats  # NaN where a cell has fewer than two units
    shown: Floats | None = None  # units to tell of, where `n` stands for degrees of freedom

    @property
    def mean(self) -> Floats:
        """Return the means, NaN where there is nothing to divide by."""
        return divided(self.top, self.bottom)


def cells_of(trial: Trial, top: Floats, bottom: Floats | None) -> Cells:
    r"""Return the ratio of sums in each cell, with the delta method's standard error.

    A mean is the ratio of the sum to the number of rows. With residuals :math:`d_i = y_i - R x_i` of the units, the variance of
    :math:`R = \sum y / \sum x` is :math:`\frac{n}{n - 1} \sum d_i^2 / (\sum x)^2`: for single rows the usual one of a mean.
    """
    shape = (trial.n_segments, len(trial.labels))
    cell = trial.cells
    top, unit_top = in_units(top)
    bottom, unit_bottom = (None, 1.0) if bottom is None else in_units(bottom)
    if trial.cluster is not None:
        # a unit is what one cluster has in one cell: clusters may reach over segments, never over arms
        clusters = int(trial.cluster.max()) + 1
        key, unit = np.unique(cell * clusters + trial.cluster, return_inverse=True)
        bottom = _summed(unit, bottom, key.size)
        top = _summed(unit, top, key.size)
        cell = key // clusters
    n, sums = _summed(cell, None, shape[0] * shape[1]), _summed(cell, top, shape[0] * shape[1])
    size = _summed(cell, top * top, n.size)
    beneath = n if bottom is None else _summed(cell, bottom, n.size)
    mean = divided(sums, beneath)
    with np.errstate(invalid="ignore"):
        residual = top - (mean[cell] if bottom is None else mean[cell] * bottom)
        squares = _summed(cell, residual * residual, n.size)
        # what rounding leaves of values that are all the same is no spread
        squares[squares <= (top.size + 8.0) ** 2 * EPSILON**2 * size] = 0.0
        se = np.sqrt(divided(squares * divided(n, n - 1.0), beneath * beneath))
    se = np.where(n > 1.0, se, np.nan)
    parts = (n, sums * unit_top, beneath * unit_bottom, se * (unit_top / unit_bottom))
    return Cells(*(part.reshape(shape) for part in parts))


def in_units(values: Floats) -> tuple[Floats, float]:
    """Return values whose squares neither overflow nor vanish, and the power of two they are counted in."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0.0 or 1e-60 < largest < 1e60:
        return values, 1.0
    unit = math.ldexp(1.0, math.frexp(largest)[1] - 1)
    return values / unit, unit


def _summed(codes: Codes, values: Floats | None, size: int) -> Floats:
    """Return the sum of `values` by code; without them, how many there are."""
    return np.bincount(codes, weights=values, minlength=size).astype(np.float64)


def divided(top: Floats, bottom: Floats) -> Floats:
    """Return the quotient, NaN where there is nothing to divide by."""
    out: Floats = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0.0)
    return out


def two_sided(statistic: Any, df: Any = None) -> Floats:
    """Return the two-sided p-value of a normal statistic, or of Student's with `df` degrees of freedom."""
    from scipy.special import ndtr, stdtr

    size = -np.abs(statistic)
    p: Floats = np.minimum(2.0 * (ndtr(size) if df is None else stdtr(df, size)), 1.0)
    return p


def student_ends(df: Any, level: float) -> Floats:
    """Return the quantile of Student's distribution that a two-sided interval reaches to."""
    from scipy.special import stdtrit

    quantile: Floats = -stdtrit(df, (1.0 - level) / 2.0)
    return quantile


def mover_ratio(m1: Floats, low1: Floats, high1: Floats, m2: Floats, low2: Floats, high2: Floats) -> tuple[Floats, Floats]:
    """Combine the intervals of two means into one for their ratio; Fieller's, where both intervals are symmetric.

    Without bounds where the second mean is not told apart from zero.
    """
    # each in units of its own interval, so that no product overflows or vanishes
    unit1, unit2 = (np.where(size > 0.0, size, 1.0) for size in (_largest(low1, high1), _largest(low2, high2)))
    m1, low1, high1 = m1 / unit1, low1 / unit1, high1 / unit1
    m2, low2, high2 = m2 / unit2, low2 / unit2, high2 / unit2
    product = m1 * m2
    below = high2 * (2.0 * m2 - high2)
    above = low2 * (2.0 * m2 - low2)
    with np.errstate(invalid="ignore"):
        left = np.sqrt(np.maximum(product**2 - low1 * (2.0 * m1 - low1) * below, 0.0))
        right = np.sqrt(np.maximum(product**2 - high1 * (2.0 * m1 - high1) * above, 0.0))
        certain = (low2 > 0.0) | (high2 < 0.0)
        # a denominator below zero turns the interval round
        ends = divided(product - left, below), divided(product + right, above)
    low, high = (end * (unit1 / unit2) for end in (np.minimum(*ends), np.maximum(*ends)))
    return np.where(certain, low, -np.inf), np.where(certain, high, np.inf)


def welch_df(se1: Floats, n1: Floats, se2: Floats, n2: Floats) -> Floats:
    """Return Welch and Satterthwaite's degrees of freedom; of shares of the variance, whose fourth powers cannot overflow."""
    spread = np.hypot(se1, se2)
    with np.errstate(invalid="ignore", divide="ignore"):
        share1, share2 = (se1 / spread) ** 2, (se2 / spread) ** 2
        df: Floats = 1.0 / (share1**2 / (n1 - 1.0) + share2**2 / (n2 - 1.0))
    return df


def _largest(low: Floats, high: Floats) -> Floats:
    largest: Floats = np.maximum(np.abs(low), np.abs(high))
    return largest
