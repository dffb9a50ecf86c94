"""Up, down or unchanged: intervals for the share of ups less the share of downs, of which the NPS is one.

Promoters are the ups, detractors the downs: a Net Promoter Score is a difference of paired shares, and everything that
medical statistics knows about those holds for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crmkit import _options
from crmkit._kernels import score_intervals as _k
from crmkit.errors import OptionError
from crmkit.intervals import _counts
from crmkit.intervals._counts import Floats
from crmkit.results import confidence_level, critical_value

__all__ = ["adjusted_wald", "dirichlet", "tango"]

NODES = 32  # of the quadrature: ends are good to 1e-6


def tango(b: Any, c: Any, n: Any, /, *, level: float = 0.95) -> tuple[Any, Any]:
    r"""Give the score interval for a difference of paired shares, such as promoters less detractors.

    Parameters
    ----------
    b, c : int or array of int
        How many went up and how many down: pairs that count +1 and −1, or promoters and detractors.
    n : int or array of int
        All pairs, those that did not change included; shapes broadcast.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    tuple of two floats or two arrays
        Lower and upper end of :math:`(b - c)/n`, within −1 and 1. Ups and downs that change places give the mirror image,
        to the bit.

    Raises
    ------
    DataError
        A count is missing, infinite, negative or not whole, `n` is zero, or ``b + c`` is larger than `n`.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    The interval of all :math:`\Delta` with :math:`|b - c - n\Delta| \le z \sqrt{n(2q + \Delta(1 - \Delta))}`, where :math:`q` is
    the most likely share of downs if :math:`\Delta` is true, in closed form.

    References
    ----------
    Tango (1998), Equivalence test and confidence interval for the difference in proportions for the paired-sample design,
    Statistics in Medicine 17(8).

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.tango(9, 3, 32)
    >>> round(low, 3), round(high, 3)
    (-0.027, 0.39)
    """
    up, down, of = _counts.paired(b, c, n)
    return _counts.out(*tango_ends(up, down, of, critical_value(level)))


def adjusted_wald(
    b: Any, c: Any, n: Any, /, *, level: float = 0.95, pseudo: Sequence[float] = (0.75, 1.5, 0.75)
) -> tuple[Any, Any]:
    r"""Give the plain interval for a difference of paired shares after a few pairs were added: good in small samples too.

    Parameters
    ----------
    b, c : int or array of int
        How many went up and how many down: pairs that count +1 and −1, or promoters and detractors.
    n : int or array of int
        All pairs, those that did not change included; shapes broadcast.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.
    pseudo : three floats, default (0.75, 1.5, 0.75)
        Ups, unchanged and downs that are added: (½, 1, ½) is that of Agresti and Min, (1, 0, 1) of Bonett and Price, (0, 0, 0)
        the textbook interval.

    Returns
    -------
    tuple of two floats or two arrays
        Lower and upper end of :math:`(b - c)/n`, cut off at −1 and 1.

    Raises
    ------
    DataError
        A count is missing, infinite, negative or not whole, `n` is zero, or ``b + c`` is larger than `n`.
    OptionError
        `level` is not between 0 and 1, or `pseudo` is not three numbers of zero or more.

    Notes
    -----
    With the shares :math:`p, d` after the addition, :math:`p - d \pm z\sqrt{(p + d - (p - d)^2)/n}`. Of two or three pairs, or at
    a low level, the difference as it was seen can lie outside.

    References
    ----------
    Agresti and Min (2005), Simple improved confidence intervals for comparing matched proportions, Statistics in Medicine 24(5).
    Bonett and Price (2012), Adjusted Wald confidence interval for a difference of binomial proportions based on paired data,
    Journal of Educational and Behavioral Statistics 37(4).
    Rocks (2016), Interval estimation for the "Net Promoter Score", The American Statistician 70(4).

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.adjusted_wald(462, 362, 1000)
    >>> round(low, 4), round(high, 4)
    (0.0439, 0.1555)
    """
    up, down, of = _counts.paired(b, c, n)
    centre, se = adjusted_moments(up, down, of, pseudo_counts(pseudo))
    margin = critical_value(level) * se
    return _counts.out(np.asarray(np.maximum(centre - margin, -1.0)), np.asarray(np.minimum(centre + margin, 1.0)))


def dirichlet(b: Any, c: Any, n: Any, /, *, level: float = 0.95, prior: float = 1.0) -> tuple[Any, Any]:
    r"""Give the Bayesian interval for a difference of paired shares, with as much probability left out on either side.

    Parameters
    ----------
    b, c : int or array of int
        How many went up and how many down: pairs that count +1 and −1, or promoters and detractors.
    n : int or array of int
        All pairs, those that did not change included; shapes broadcast.
    level : float, default 0.95
        Probability of the interval, between 0 and 1.
    prior : float, default 1
        Parameter of the Dirichlet prior for each of the three shares, above 0: 1 makes all shares equally likely beforehand, ½
        is the prior of Jeffreys.

    Returns
    -------
    tuple of two floats or two arrays
        Lower and upper end of the difference.

    Raises
    ------
    DataError
        A count is missing, infinite, negative or not whole, `n` is zero, or ``b + c`` is larger than `n`.
    OptionError
        `level` is not between 0 and 1, or `prior` is not above 0.

    Notes
    -----
    No random numbers: given the share of those who went up or down at all, which is beta distributed, the share of ups among
    them is an independent beta variable, so that the distribution function is one integral over the first. It is taken by
    quadrature, once for each distinct row of counts.

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.dirichlet(462, 362, 1000)
    >>> round(low, 4), round(high, 4)
    (0.0437, 0.1553)
    """
    up, down, of = _counts.paired(b, c, n)
    prior = _options.number("prior", prior, low=0.0, ends=False)
    return _counts.out(*dirichlet_ends(up, down, of, confidence_level(level), prior))


# ── on arrays of counts that need not be whole ───────────────────────────────────────────────────────────────────────────


def pseudo_counts(pseudo: Any) -> tuple[float, float, float]:
    """Check the observations to be added."""
    try:
        up, same, down = (_options.number("pseudo", value, low=0.0) for value in pseudo)
    except (TypeError, ValueError) as error:
        msg = f"pseudo={pseudo!r} is not three numbers of zero or more: ups, unchanged, downs"
        raise OptionError(msg) from error
    return up, same, down


def adjusted_moments(up: Floats, down: Floats, of: Floats, pseudo: tuple[float, float, float]) -> tuple[Floats, Floats]:
    """Centre and standard error after the addition of `pseudo`."""
    n = of + sum(pseudo)
    p, d = (up + pseudo[0]) / n, (down + pseudo[2]) / n
    centre = p - d
    # from squares, not as p + d - (p - d)²: that difference may fall a rounding below zero
    variance = p * (1.0 - centre) ** 2 + d * (1.0 + centre) ** 2 + (of - up - down + pseudo[1]) / n * centre**2
    return centre, np.sqrt(variance / n)


def tango_ends(up: Floats, down: Floats, of: Floats, z: float | Floats) -> tuple[Floats, Floats]:
    """Return the ends of the score interval; `z` may differ from row to row."""
    shape = up.shape
    critical = np.broadcast_to(np.asarray(z, dtype=np.float64), shape)
    b, c, n, q = (np.ascontiguousarray(a, dtype=np.float64).ravel() for a in (up, down, of, critical))
    low, minus_high = np.empty(b.size), np.empty(b.size)
    _k.tango_low(b, c, n, q, low)
    _k.tango_low(c, b, n, q, minus_high)
    return low.reshape(shape), -minus_high.reshape(shape)


def dirichlet_ends(up: Floats, down: Floats, of: Floats, level: float, prior: float) -> tuple[Floats, Floats]:
    """Return the ends of the posterior interval, computed once for each distinct row."""
    shape = up.shape
    rows = np.column_stack([np.ravel(up), np.ravel(of - up - down), np.ravel(down)]) + prior
    distinct, of_row = np.unique(rows, axis=0, return_inverse=True)
    of_row = np.ravel(of_row)
    tail = (1.0 - level) / 2.0
    low, high = np.empty(len(distinct)), np.empty(len(distinct))
    for start in range(0, len(distinct), 4096):  # so that nodes × rows stay small
        a, m, d = distinct[start : start + 4096].T
        low[start : start + 4096] = _posterior_quantile(a, m, d, tail)
        high[start : start + 4096] = -_posterior_quantile(d, m, a, tail)
    return low[of_row].reshape(shape), high[of_row].reshape(shape)


def _posterior_quantile(a: Floats, m: Floats, d: Floats, tail: float) -> Floats:
    """Lower quantile of p − d under Dirichlet(a, m, d)."""
    from scipy.special import betainc, betaincinv

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    # the substitution u = 3v² − 2v³ gathers nodes at both ends, where quantiles of s are steep
    v = (nodes + 1.0) / 2.0
    u, weights = np.clip(v * v * (3.0 - 2.0 * v), 0.0, 1.0), weights / 2.0 * 6.0 * v * (1.0 - v)
    total = a + m + d
    mean = (a - d) / total
    margin = critical_value(1.0 - 2.0 * tail) * np.sqrt(((a + d) / total - mean**2) / (total + 1.0))
    at = np.clip(mean - margin, -0.999, 0.999)
    left, right = np.full(a.size, -1.0), np.ones(a.size)
    f_left, f_right = np.full(a.size, -tail), np.full(a.size, 1.0 - tail)
    todo = np.arange(a.size)
    for step in range(240):
        t, n_moving = at[todo], (a + d)[todo]
        # only those who moved more than |t| can differ by more: the integral starts there, where the integrand has a kink
        least = betainc(n_moving, m[todo], np.abs(t))
        moving = betaincinv(n_moving[:, None], m[todo, None], least[:, None] + (1.0 - least)[:, None] * u)
        ratio = np.clip(t[:, None] / np.maximum(moving, np.finfo(float).tiny), -1.0, 1.0)
        inner = betainc(a[todo, None], d[todo, None], (1.0 + ratio) / 2.0) @ weights
        gap = np.where(t > 0.0, least, 0.0) + (1.0 - least) * inner - tail
        below, above = todo[gap < 0.0], todo[gap >= 0.0]
        left[below], f_left[below] = at[below], gap[gap < 0.0]
        right[above], f_right[above] = at[above], gap[gap >= 0.0]
        # Illinois: the value at the end that stays is halved, so that both ends come in
        f_right[below] *= 0.5
        f_left[above] *= 0.5
        todo = todo[(np.abs(gap) > 1e-10) & (right[todo] - left[todo] > 1e-12)]
        if todo.size == 0:
            break
        secant = right[todo] - f_right[todo] * (right[todo] - left[todo]) / (f_right[todo] - f_left[todo])
        at[todo] = 0.5 * (left[todo] + right[todo]) if step % 4 == 3 else secant
    return at
