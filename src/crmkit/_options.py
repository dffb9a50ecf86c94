"""Arguments that are not data: checked in one way everywhere, with messages in one voice."""

from __future__ import annotations

import datetime as dt
import math
import numbers
import re
from collections.abc import Iterable

import numpy as np

from crmkit.errors import OptionError

__all__ = ["choice", "days", "generator", "number", "whole"]

DAYS = {"Y": 365.25, "W": 7.0, "D": 1.0, "h": 1 / 24, "min": 1 / 1440, "s": 1 / 86_400}
DURATION = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]+)\s*")


def choice(keyword: str, given: object, accepted: Iterable[str]) -> str:
    """Return `given` if it is one of `accepted`."""
    accepted = tuple(accepted)
    if not isinstance(given, str) or given not in accepted:
        raise OptionError.choice(keyword, given, accepted)
    return given


def whole(keyword: str, given: object, *, low: int, high: int | None = None) -> int:
    """Return `given` as an int if it is a whole number from `low` to `high`; True and 2.0 are not."""
    if not isinstance(given, bool) and isinstance(given, numbers.Integral):
        value = int(given)
        if low <= value and (high is None or value <= high):
            return value
    upto = f"of at least {low}" if high is None else f"from {low} to {high}"
    msg = f"{keyword}={given!r} is not a whole number {upto}"
    raise OptionError(msg)


def number(keyword: str, given: object, *, low: float, high: float = math.inf, ends: bool = True) -> float:
    """Return `given` as a float if it is a finite number between `low` and `high`, the ends included unless said."""
    if not isinstance(given, bool) and isinstance(given, numbers.Real):
        value = _float(given)
        inside = low <= value <= high if ends else low < value < high
        if math.isfinite(value) and inside:
            return value
    if math.isfinite(high):
        upto = f"from {low:g} to {high:g}" if ends else f"between {low:g} and {high:g}"
    else:
        upto = f"of at least {low:g}" if ends else f"above {low:g}"
    msg = f"{keyword}={given!r} is not a number {upto}"
    raise OptionError(msg)


def days(keyword: str, given: object) -> float:
    """Return a positive length of time in days: a string such as "52W", "90D" or "36h", or a timedelta.

    A bare number has no unit, and months differ in length: both are refused.
    """
    if isinstance(given, dt.timedelta):
        length = given / dt.timedelta(days=1)
    elif isinstance(given, np.timedelta64):
        # months and years of numpy have no length in days; nor has a length without a unit
        fixed = np.datetime_data(given.dtype)[0] not in ("M", "Y", "generic")
        length = float(given / np.timedelta64(1, "D")) if fixed else math.nan
    else:
        parts = DURATION.fullmatch(given) if isinstance(given, str) else None
        length = float(parts[1]) * DAYS[parts[2]] if parts and parts[2] in DAYS else math.nan
    if not 0.0 < length < math.inf:
        months = "; months differ in length, so count days" if isinstance(given, str) and "m" in given.lower() else ""
        msg = f"{keyword}={given!r} is not a length of time such as '52W', '90D' or '36h'{months}"
        raise OptionError(msg)
    return length


def _float(given: numbers.Real) -> float:
    try:
        return float(given)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf


def generator(rng: object) -> np.random.Generator:
    """Return the random generator that `rng` asks for: a seed, a Generator as it is, or None for fresh entropy."""
    if rng is None or isinstance(rng, np.random.Generator):
        return np.random.default_rng(rng)
    if isinstance(rng, (np.random.RandomState, bool)):  # the old generator, and a slip
        msg = f"rng={rng!r} is not a seed, a numpy Generator, or None"
        raise OptionError(msg)
    try:
        return np.random.default_rng(rng)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        msg = f"rng={rng!r} is not a seed, a numpy Generator, or None"
        raise OptionError(msg) from error
