"""Several shares of one whole at once: intervals that hold together, all of them at their level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crmkit.errors import DataError
from crmkit.intervals import _counts
from crmkit.intervals._counts import Floats
from crmkit.intervals._one import wilson_ends
from crmkit.results import confidence_level, critical_value

__all__ = ["goodman", "sison_glaz"]

MOST = 1_000_000  # in a category, up to which fourth moments keep digits


def goodman(counts: Any, /, *, level: float = 0.95) -> tuple[Any, Any]:
    r"""Give intervals for the shares of all categories that hold at the same time.

    Parameters
    ----------
    counts : array of int
        How many are in each category, along the last axis: one survey question, or a table with one in each row.
    level : float, default 0.95
        Confidence that all intervals of one row hold together, between 0 and 1.

    Returns
    -------
    tuple of two arrays
        Lower and upper ends, as shares, in the shape of `counts`.

    Raises
    ------
    DataError
        A count is missing, infinite, negative or not whole, a row is empty, or there are fewer than two categories.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    Wilson's interval for each of the :math:`k` shares, at the level :math:`1 - \alpha/k`.

    References
    ----------
    Goodman (1965), On simultaneous confidence intervals for multinomial proportions, Technometrics 7(2).

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.goodman([362, 176, 462])
    >>> low.round(4), high.round(4)
    (array([0.3265, 0.149 , 0.4246]), array([0.3991, 0.2066, 0.4999]))
    """
    x, total = _rows(counts)
    z = critical_value(1.0 - (1.0 - confidence_level(level)) / x.shape[-1])
    low, high = wilson_ends(x, np.broadcast_to(total, x.shape), z)
    return low, high


def sison_glaz(counts: Any, /, *, level: float = 0.95) -> tuple[Any, Any]:
    r"""Give intervals of one width for the shares of all categories that hold at the same time; for seven or more of them.

    Parameters
    ----------
    counts : array of int
        How many are in each category, along the last axis: one survey question, or a table with one in each row.
    level : float, default 0.95
        Confidence that all intervals of one row hold together, between 0 and 1.

    Returns
    -------
    tuple of two arrays
        Lower and upper ends, as shares, in the shape of `counts`, cut off at 0 and 1.

    Raises
    ------
    DataError
        A count is missing, infinite, negative, not whole or above a million, a row is empty, or there are fewer than two
        categories.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    With the probability :math:`\nu(c)` that no count differs from its expectation by more than :math:`c`, the largest
    :math:`c` with :math:`\nu(c) < 1 - \alpha` and :math:`\delta` the linear way on to :math:`1 - \alpha`, the intervals go from
    :math:`p - c/n` to :math:`p + (c + 2\delta)/n`. Multinomial counts are independent Poisson counts given their sum, so
    :math:`\nu` follows from truncated Poisson variables; the probability of their sum is approximated by an Edgeworth expansion.

    References
    ----------
    Sison and Glaz (1995), Simultaneous confidence intervals and sample size determination for multinomial proportions, JASA
    90(429).

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.sison_glaz([56, 72, 73, 59, 62, 87, 58])
    >>> round(float(low[0]), 4), round(float(high[0]), 4)
    (0.0792, 0.1644)
    """
    x, total = _rows(counts)
    _counts.refuse(x > MOST, x, "counts", f"above {MOST:,}", "the moments of the expansion cancel there: use goodman")
    level = confidence_level(level)
    low, high = np.empty(x.shape), np.empty(x.shape)
    for place in np.ndindex(x.shape[:-1]):
        n = float(total[place][0])
        c, delta = _half_width(x[place], n, level)
        share = x[place] / n
        low[place], high[place] = np.maximum(share - c / n, 0.0), np.minimum(share + (c + 2.0 * delta) / n, 1.0)
    return low, high


def _rows(counts: Any) -> tuple[Floats, Floats]:
    x = _counts.whole(counts, "counts")
    if x.ndim == 0 or x.shape[-1] < 2:
        msg = f"counts has shape {x.shape}: pass the counts of at least two categories, along the last axis"
        raise DataError(msg)
    total = x.sum(axis=-1, keepdims=True)
    _counts.refuse(total == 0, total, "the sum of counts", "zero", "without an observation there is no share: leave these out")
    return x, total


def _half_width(x: Floats, n: float, level: float) -> tuple[int, float]:
    """Largest c whose probability is below `level`, and the part of a step from there."""
    below, above = 0, int(n)  # the whole range has probability 1
    if _within(x, n, 0) >= level:
        return 0, 0.0
    while above - below > 1:
        middle = (below + above) // 2
        if _within(x, n, middle) < level:
            below = middle
        else:
            above = middle
    first, second = _within(x, n, below), _within(x, n, above)
    return below, min(max((level - first) / (second - first), 0.0), 1.0)


def _within(x: Floats, n: float, c: int) -> float:
    """Probability that all counts stay within c of `x`, if `x` is what is expected."""
    from scipy.special import gammaln, pdtr

    rate, low, high = x, np.maximum(x - c, 0.0), x + c

    def at_most(k: Floats) -> Floats:
        return np.where(k >= 0.0, pdtr(np.maximum(k, 0.0), rate), 0.0)

    inside = at_most(high) - at_most(low - 1.0)
    # factorial moments of the truncated variables: those of the untruncated, times the probability of a shifted range
    factorial = [rate**order * (at_most(high - order) - at_most(low - 1.0 - order)) / inside for order in range(1, 5)]
    m1, m2, m3, m4 = factorial
    mean = m1
    second = m2 + m1
    third = m3 + 3.0 * m2 + m1
    fourth = m4 + 6.0 * m3 + 7.0 * m2 + m1
    variance = second - mean**2
    skew = third - 3.0 * mean * second + 2.0 * mean**3
    excess = fourth - 4.0 * mean * third + 6.0 * mean**2 * second - 3.0 * mean**4 - 3.0 * variance**2
    spread = variance.sum()
    if spread <= 0.0:
        # c = 0, or nothing can vary: one table alone lies within
        log_all = (x[x > 0] * np.log(x[x > 0]) - x[x > 0] - gammaln(x[x > 0] + 1.0)).sum()
        return float(np.exp(log_all - _log_poisson_at_its_mean(n)))
    t = (n - mean.sum()) / np.sqrt(spread)
    g1, g2 = skew.sum() / spread**1.5, excess.sum() / spread**2
    edgeworth = (
        1.0
        + g1 * (t**3 - 3.0 * t) / 6.0
        + g2 * (t**4 - 6.0 * t**2 + 3.0) / 24.0
        + g1**2 * (t**6 - 15.0 * t**4 + 45.0 * t**2 - 15.0) / 72.0
    )
    density = np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi * spread) * edgeworth
    return float(np.prod(inside) * density / np.exp(_log_poisson_at_its_mean(n)))


def _log_poisson_at_its_mean(n: float) -> float:
    """Log of P(N = n) of a Poisson N with mean n: the terms of its formula are as large as n, and cancel."""
    from scipy.special import gammaln

    if n > 1e4:
        return -0.5 * math.log(2.0 * math.pi * n) - 1.0 / (12.0 * n)
    return float(n * math.log(n) - n - gammaln(n + 1.0))
