"""Confidence intervals from counts: how far the truth may be from what was observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit.errors import DataError
from crmkit.results import critical_value

__all__ = ["wilson"]

Floats = npt.NDArray[np.float64]


def wilson(successes: Any, n: Any, level: float = 0.95) -> tuple[Any, Any]:
    r"""Give the interval for a share of successes: sensible for small n, and never outside 0 to 1.

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
    single = np.ndim(successes) == 0 and np.ndim(n) == 0
    x, of = _shares(successes, n)
    z2 = critical_value(level) ** 2
    spread = np.sqrt(z2) * np.sqrt(x * (of - x) / of + z2 / 4.0)
    low = x * x / of / (x + z2 / 2.0 + spread)
    missed = of - x
    high = 1.0 - missed * missed / of / (missed + z2 / 2.0 + spread)
    return (float(low), float(high)) if single else (low, high)


def _shares(successes: Any, n: Any) -> tuple[Floats, Floats]:
    """Check that `successes` out of `n` is possible everywhere, and give both one shape."""
    x, of = _counts(successes, "successes"), _counts(n, "n")
    try:
        x, of = np.broadcast_arrays(x, of)
    except ValueError as error:
        msg = f"successes has shape {x.shape} and n has shape {of.shape}: they do not go together"
        raise DataError(msg) from error
    _refuse(of == 0, of, "n", "zero", "without an observation there is no share: leave these out")
    _refuse(x > of, x, "successes", "larger than n", "count successes among the n alone")
    return x, of


def _counts(values: Any, name: str) -> Floats:
    array = np.asarray(values)
    if array.dtype == object:  # nullable integers and None arrive as objects
        try:
            array = np.array([np.nan if value is None else float(value) for value in array.ravel()]).reshape(array.shape)
        except (TypeError, ValueError) as error:
            msg = f"{name} holds values that are not counts"
            raise DataError(msg) from error
    if array.dtype.kind not in "iuf":
        msg = f"{name} holds {array.dtype}, not counts; pass whole numbers"
        raise DataError(msg)
    counts = array.astype(np.float64)
    _refuse(~np.isfinite(counts), counts, name, "missing or infinite", "leave these out")
    _refuse(counts < 0, counts, name, "negative", "a count is zero or more")
    _refuse(counts != np.floor(counts), counts, name, "not whole", "pass counts, not shares")
    return counts


def _refuse(bad: npt.NDArray[np.bool_], values: Floats, name: str, what: str, cure: str) -> None:
    if not np.any(bad):
        return
    flat = np.ravel(bad)
    place = int(flat.argmax())
    value = np.ravel(values)[place]
    msg = (
        f"{name}={value:g} is {what}; {cure}"
        if flat.size == 1
        else f"{name}: {int(flat.sum()):,} {what}, the first at position {place} ({value:g}); {cure}"
    )
    raise DataError(msg)
