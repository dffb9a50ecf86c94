"""Arguments that are not data: checked in one way everywhere, with messages in one voice."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable

from crmkit.errors import OptionError

__all__ = ["choice", "number", "whole"]


def choice(keyword: str, given: object, accepted: Iterable[str]) -> str:
    """Return `given` if it is one of `accepted`."""
    accepted = tuple(accepted)
    if not isinstance(given, str) or given not in accepted:
        raise OptionError.choice(keyword, given, accepted)
    return given


def whole(keyword: str, given: object, *, low: int, high: int | None = None) -> int:
    """Return `given` as an int if it is a whole number from `low` to `high`; True and 2.0 are not."""
    if isinstance(given, numbers.Integral) and not isinstance(given, bool):
        value = int(given)
        if low <= value and (high is None or value <= high):
            return value
    upto = f"of at least {low}" if high is None else f"from {low} to {high}"
    msg = f"{keyword}={given!r} is not a whole number {upto}"
    raise OptionError(msg)


def number(keyword: str, given: object, *, low: float, high: float = math.inf, ends: bool = True) -> float:
    """Return `given` as a float if it is a finite number between `low` and `high`, the ends included unless said."""
    if isinstance(given, numbers.Real) and not isinstance(given, bool):
        value = float(given)
        inside = low <= value <= high if ends else low < value < high
        if math.isfinite(value) and inside:
            return value
    if math.isfinite(high):
        upto = f"from {low:g} to {high:g}" if ends else f"between {low:g} and {high:g}"
    else:
        upto = f"of at least {low:g}" if ends else f"above {low:g}"
    msg = f"{keyword}={given!r} is not a number {upto}"
    raise OptionError(msg)
