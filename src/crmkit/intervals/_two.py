"""Two independent shares: intervals for their difference, the first less the second."""

from __future__ import annotations

from typing import Any

import numpy as np

from crmkit import _options
from crmkit._kernels import score_intervals as _k
from crmkit.intervals import _counts
from crmkit.intervals._counts import Floats
from crmkit.intervals._one import wilson_ends
from crmkit.results import critical_value

__all__ = ["agresti_caffo", "miettinen_nurminen", "newcombe"]


def newcombe(x1: Any, n1: Any, x2: Any, n2: Any, /, *, level: float = 0.95) -> tuple[Any, Any]:
    r"""Give the interval for the difference of two shares that is made of the Wilson interval of each: good at any size.

    Parameters
    ----------
    x1, n1 : int or array of int
        Successes and observations in the first group; shapes broadcast.
    x2, n2 : int or array of int
        Successes and observations in the second group.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    tuple of two floats or two arrays
        Lower and upper end of :math:`p_1 - p_2`. Groups that change places give the mirror image, to the bit.

    Raises
    ------
    DataError
        A count is missing, infinite, negative or not whole, a group is empty, or has more successes than observations.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    With Wilson's ends :math:`l_i, u_i`, the lower end is
    :math:`p_1 - p_2 - \sqrt{(p_1 - l_1)^2 + (u_2 - p_2)^2}`, and the upper its mirror image (the paper's method 10).

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions, Statistics in Medicine 17(8).

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.newcombe(56, 70, 48, 80)
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    x1, n1, x2, n2 = _checked(x1, n1, x2, n2)
    z = critical_value(level)
    p1, p2 = x1 / n1, x2 / n2
    low1, high1 = wilson_ends(x1, n1, z)
    low2, high2 = wilson_ends(x2, n2, z)
    low = (p1 - p2) - np.hypot(p1 - low1, high2 - p2)
    high = (p1 - p2) + np.hypot(high1 - p1, p2 - low2)
    return _counts.out(np.maximum(low, -1.0), np.minimum(high, 1.0))


def miettinen_nurminen(
    x1: Any, n1: Any, x2: Any, n2: Any, /, *, level: float = 0.95, small_sample: bool = True
) -> tuple[Any, Any]:
    r"""Give the interval of all differences of two shares that the score test would not reject.

    Parameters
    ----------
    x1, n1 : int or array of int
        Successes and observations in the first group; shapes broadcast.
    x2, n2 : int or array of int
        Successes and observations in the second group.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.
    small_sample : bool, default True
        Multiply the variance by :math:`N/(N-1)`, as Miettinen and Nurminen do; False is the interval of Mee.

    Returns
    -------
    tuple of two floats or two arrays
        Lower and upper end of :math:`p_1 - p_2`. Groups that change places give the mirror image, to the bit.

    Raises
    ------
    DataError
        A count is missing, infinite, negative or not whole, a group is empty, or has more successes than observations.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    The variance at a difference :math:`\Delta` uses the most likely shares whose difference is :math:`\Delta`, the root of a
    cubic in closed form. The statistic falls in :math:`\Delta`, and its root is found to the last digits.

    References
    ----------
    Miettinen and Nurminen (1985), Comparative analysis of two rates, Statistics in Medicine 4(2).
    Mee (1984), Confidence bounds for the difference between two probabilities, Biometrics 40(4).

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.miettinen_nurminen(56, 70, 48, 80)
    >>> round(low, 4), round(high, 4)
    (0.0528, 0.3382)
    """
    x1, n1, x2, n2 = _checked(x1, n1, x2, n2)
    z, shape = critical_value(level), x1.shape
    x1, n1, x2, n2 = (np.ascontiguousarray(a).ravel() for a in (x1, n1, x2, n2))
    low, minus_high = np.empty(x1.size), np.empty(x1.size)
    _k.miettinen_nurminen_low(x1, n1, x2, n2, z, bool(small_sample), low)
    _k.miettinen_nurminen_low(x2, n2, x1, n1, z, bool(small_sample), minus_high)
    return _counts.out(low.reshape(shape), -minus_high.reshape(shape))


def agresti_caffo(x1: Any, n1: Any, x2: Any, n2: Any, /, *, level: float = 0.95, pseudo: float = 1.0) -> tuple[Any, Any]:
    r"""Give the plain interval for the difference of two shares after a success and a failure were added to each group.

    Parameters
    ----------
    x1, n1 : int or array of int
        Successes and observations in the first group; shapes broadcast.
    x2, n2 : int or array of int
        Successes and observations in the second group.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.
    pseudo : float, default 1
        Successes, and failures, added to each group; 0 is the textbook interval, which is too narrow in small samples.

    Returns
    -------
    tuple of two floats or two arrays
        Lower and upper end of :math:`p_1 - p_2`, cut off at −1 and 1. Groups that change places give the mirror image.

    Raises
    ------
    DataError
        A count is missing, infinite, negative or not whole, a group is empty, or has more successes than observations.
    OptionError
        `level` is not between 0 and 1, or `pseudo` is negative.

    Notes
    -----
    With the shares after the addition, :math:`p_1 - p_2 \pm z\sqrt{p_1(1-p_1)/n_1 + p_2(1-p_2)/n_2}`. In groups of a few, at a
    low level, the difference as it was seen can lie outside.

    References
    ----------
    Agresti and Caffo (2000), Simple and effective confidence intervals for proportions and differences of proportions, The
    American Statistician 54(4).

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.agresti_caffo(56, 70, 48, 80)
    >>> round(low, 4), round(high, 4)
    (0.0525, 0.3358)
    """
    x1, n1, x2, n2 = _checked(x1, n1, x2, n2)
    pseudo = _options.number("pseudo", pseudo, low=0.0)
    n1, n2 = n1 + 2.0 * pseudo, n2 + 2.0 * pseudo
    p1, p2 = (x1 + pseudo) / n1, (x2 + pseudo) / n2
    margin = critical_value(level) * np.sqrt(p1 * (1.0 - p1) / n1 + p2 * (1.0 - p2) / n2)
    return _counts.out(np.maximum((p1 - p2) - margin, -1.0), np.minimum((p1 - p2) + margin, 1.0))


def _checked(x1: Any, n1: Any, x2: Any, n2: Any) -> tuple[Floats, Floats, Floats, Floats]:
    first = _counts.shares(x1, n1, ("x1", "n1"))
    second = _counts.shares(x2, n2, ("x2", "n2"))
    names = dict(zip(("x1", "n1", "x2", "n2"), (*first, *second), strict=True))
    one, of_one, two, of_two = _counts.together(names)
    return one, of_one, two, of_two
