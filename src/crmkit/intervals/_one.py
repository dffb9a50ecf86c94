"""One share: four intervals for the probability behind successes among observations."""

from __future__ import annotations

from typing import Any

import numpy as np

from crmkit.intervals import _counts
from crmkit.intervals._counts import Floats
from crmkit.results import confidence_level, critical_value

__all__ = ["agresti_coull", "clopper_pearson", "jeffreys", "wilson"]


def wilson(successes: Any, n: Any, level: float = 0.95, *, continuity: bool = False) -> tuple[Any, Any]:
    r"""Give the interval for a share of successes: sensible for small n, and never outside 0 to 1.

    Parameters
    ----------
    successes : int or array of int
        How many of the `n` were successes.
    n : int or array of int
        How many were observed, at least 1; shapes broadcast.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.
    continuity : bool, default False
        Correct for continuity: the interval is then wider, and covers at least at its level nearly everywhere.

    Returns
    -------
    tuple of two floats or two arrays
        Lower and upper end, as shares; floats where both counts are single numbers. The lower end is exactly 0 where there
        is no success, the upper exactly 1 where there is no failure.

    Raises
    ------
    DataError
        A count is missing, infinite, negative or not whole, `n` is zero, or there are more successes than observations.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    With :math:`z` the normal quantile and :math:`s = z\sqrt{x(n-x)/n + z^2/4}`, the ends are the roots of
    :math:`(n + z^2)\pi^2 - (2x + z^2)\pi + x^2/n = 0`, written as :math:`(x^2/n) / (x + z^2/2 + s)` for the lower one and its
    mirror image for the upper: this form loses no digits near 0 and 1.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158).
    Newcombe (1998), Two-sided confidence intervals for the single proportion, Statistics in Medicine 17(8).

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.wilson(81, 263)
    >>> round(low, 4), round(high, 4)
    (0.2553, 0.3662)
    >>> low, high = intervals.wilson([0, 15], [20, 148])
    >>> low.round(4), high.round(4)
    (array([0.    , 0.0624]), array([0.1611, 0.1605]))
    """
    x, of = _counts.shares(successes, n)
    z = critical_value(level)
    if not continuity:
        return _counts.out(*wilson_ends(x, of, z))
    low = _corrected(x, of, z)
    return _counts.out(low, 1.0 - _corrected(of - x, of, z))


def clopper_pearson(successes: Any, n: Any, /, *, level: float = 0.95) -> tuple[Any, Any]:
    r"""Give the interval for a share that never covers less than at its level, at the price of being wide.

    Parameters
    ----------
    successes : int or array of int
        How many of the `n` were successes.
    n : int or array of int
        How many were observed, at least 1; shapes broadcast.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    tuple of two floats or two arrays
        Lower and upper end, as shares.

    Raises
    ------
    DataError
        A count is missing, infinite, negative or not whole, `n` is zero, or there are more successes than observations.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    The ends are the shares at which `successes` or more, or as many or fewer, have probability :math:`\alpha/2`: quantiles of
    Beta(x, n − x + 1) and Beta(x + 1, n − x).

    References
    ----------
    Clopper and Pearson (1934), The use of confidence or fiducial limits, Biometrika 26(4).

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.clopper_pearson(81, 263)
    >>> round(low, 4), round(high, 4)
    (0.2527, 0.3676)
    """
    x, of = _counts.shares(successes, n)
    return _counts.out(*clopper_pearson_ends(x, of, (1.0 - confidence_level(level)) / 2.0))


def jeffreys(successes: Any, n: Any, /, *, level: float = 0.95) -> tuple[Any, Any]:
    r"""Give the Bayesian interval for a share under the prior of Jeffreys, with as much probability left out on either side.

    Parameters
    ----------
    successes : int or array of int
        How many of the `n` were successes.
    n : int or array of int
        How many were observed, at least 1; shapes broadcast.
    level : float, default 0.95
        Probability of the interval, between 0 and 1.

    Returns
    -------
    tuple of two floats or two arrays
        Lower and upper end, as shares; 0 where there is no success, 1 where there is no failure.

    Raises
    ------
    DataError
        A count is missing, infinite, negative or not whole, `n` is zero, or there are more successes than observations.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    Quantiles of Beta(x + ½, n − x + ½). Without the exact 0 and 1 at the borders, coverage would fall to zero near them.

    References
    ----------
    Brown, Cai and DasGupta (2001), Interval estimation for a binomial proportion, Statistical Science 16(2).

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.jeffreys(1, 29)
    >>> round(low, 4), round(high, 4)
    (0.0037, 0.1501)
    """
    x, of = _counts.shares(successes, n)
    return _counts.out(*jeffreys_ends(x, of, (1.0 - confidence_level(level)) / 2.0))


def agresti_coull(successes: Any, n: Any, /, *, level: float = 0.95) -> tuple[Any, Any]:
    r"""Give the plain interval for a share after two successes and two failures were added: easily computed by hand.

    Parameters
    ----------
    successes : int or array of int
        How many of the `n` were successes.
    n : int or array of int
        How many were observed, at least 1; shapes broadcast.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    tuple of two floats or two arrays
        Lower and upper end, as shares, cut off at 0 and 1.

    Raises
    ------
    DataError
        A count is missing, infinite, negative or not whole, `n` is zero, or there are more successes than observations.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    :math:`z^2/2` successes and as many failures are added (nearly two at 95 %), which moves the centre to that of the Wilson
    interval; the interval contains that one.

    References
    ----------
    Agresti and Coull (1998), Approximate is better than "exact" for interval estimation of binomial proportions, The American
    Statistician 52(2).

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.agresti_coull(81, 263)
    >>> round(low, 4), round(high, 4)
    (0.2552, 0.3662)
    """
    x, of = _counts.shares(successes, n)
    return _counts.out(*agresti_coull_ends(x, of, critical_value(level)))


# ── for counts that need not be whole ────────────────────────────────────────────────────────────────────────────────────


def wilson_ends(x: Floats, of: Floats, z: Any) -> tuple[Floats, Floats]:
    """Wilson's ends for counts that need not be whole; `z` may be an array too."""
    z2 = z * z
    spread = z * np.sqrt(x * (of - x) / of + z2 / 4.0)
    low = x * x / of / (x + z2 / 2.0 + spread)
    missed = of - x
    high = 1.0 - missed * missed / of / (missed + z2 / 2.0 + spread)
    # near 0 a difference from 1 has few digits left
    high = np.where(x < 0.01 * of, (x + z2 / 2.0 + spread) / (of + z2), high)
    return np.asarray(low), np.asarray(high)


def clopper_pearson_ends(x: Floats, of: Floats, tail: float) -> tuple[Floats, Floats]:
    """Return the ends that leave `tail` out on either side whatever the share."""
    return _beta_low(x, of - x + 1.0, tail, x == 0), 1.0 - _beta_low(of - x, x + 1.0, tail, x == of)


def jeffreys_ends(x: Floats, of: Floats, tail: float) -> tuple[Floats, Floats]:
    """Return quantiles of the posterior, 0 and 1 where there is no success or no failure."""
    missed = of - x
    return _beta_low(x + 0.5, missed + 0.5, tail, x == 0), 1.0 - _beta_low(missed + 0.5, x + 0.5, tail, missed == 0)


def agresti_coull_ends(x: Floats, of: Floats, z: float) -> tuple[Floats, Floats]:
    """Return the plain ends after the addition, cut off at 0 and 1."""
    more = of + z * z
    share = (x + z * z / 2.0) / more
    margin = z * np.sqrt(share * (1.0 - share) / more)
    return np.asarray(np.maximum(share - margin, 0.0)), np.asarray(np.minimum(share + margin, 1.0))


def _corrected(x: Floats, of: Floats, z: float) -> Floats:
    """Lower end with continuity correction."""
    z2 = z * z
    inside = z2 - 2.0 - 1.0 / of + 4.0 * (x / of) * (of - x + 1.0)
    low = (2.0 * x + z2 - 1.0 - z * np.sqrt(np.maximum(inside, 0.0))) / (2.0 * (of + z2))
    return np.asarray(np.where(x == 0, 0.0, np.maximum(low, 0.0)))


def _beta_low(a: Floats, b: Floats, tail: float, at_zero: Any) -> Floats:
    """Lower quantile of a beta distribution, 0 where asked."""
    from scipy.special import betaincinv

    return np.asarray(np.where(at_zero, 0.0, betaincinv(np.where(at_zero, 1.0, a), b, tail)))
