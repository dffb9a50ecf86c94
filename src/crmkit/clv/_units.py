"""Units of time: what a number of days is called, and how long a duration is in a model's unit."""

from __future__ import annotations

import math
import re
from typing import Any

from crmkit import _options
from crmkit.errors import FitError, OptionError

__all__ = ["days_in", "horizon_in", "unit_name"]

_DAYS = {"D": 1.0, "W": 7.0, "Y": 365.25}


def unit_name(unit: Any) -> str:
    """Return the name of a unit: "D", "W", "Y", or a number of days such as "10D"."""
    if isinstance(unit, str):
        if unit in _DAYS:
            return unit
        days = _days(unit)
        if days is None or not 0.0 < days < math.inf:
            hint = ": months differ in length" if unit.upper().startswith("M") else ""
            msg = f'unit={unit!r} is not a unit of time{hint}; use "D", "W" (7 days), "Y" (365.25 days) or a number of days'
            raise OptionError(msg)
    else:
        try:
            days = _options.number("unit", unit, low=0, ends=False)
        except OptionError as error:
            msg = f'unit={unit!r} is not a unit of time; use "D", "W" (7 days), "Y" (365.25 days) or a positive number of days'
            raise OptionError(msg) from error
    for name, length in _DAYS.items():
        if days == length:
            return name
    # repr gives the shortest digits that read back as the same number
    return f"{days!r}D".replace(".0D", "D")


def days_in(unit: str) -> float:
    """Return the length of a named unit in days."""
    days = _DAYS.get(unit)
    if days is None:
        days = _days(unit_name(unit))
    assert days is not None
    return days


def horizon_in(horizon: Any, unit: str | None) -> float:
    """Return `horizon`, a number in the model's unit or a duration such as "39W", as that number."""
    if isinstance(horizon, str):
        days = _days(horizon)
        if days is None:
            hint = "; months differ in length" if re.fullmatch(r"\s*[\d.]+\s*M\w*\s*", horizon) else ""
            msg = f'horizon={horizon!r} is not a duration such as "90D", "39W" or "1Y", nor a number in the model\'s unit{hint}'
            raise OptionError(msg)
        if unit is None:
            msg = (
                f"horizon={horizon!r} needs a model that knows its unit of time: fit it on the table of clv.summarize, or with"
                " unit=; a plain number is taken in the unit of the fitted columns"
            )
            raise FitError(msg)
        return days / days_in(unit)
    try:
        return _options.number("horizon", horizon, low=0)
    except OptionError as error:
        msg = f'horizon={horizon!r} is not a duration such as "39W", nor a number of zero or more in the model\'s unit'
        raise OptionError(msg) from error


def _days(text: str) -> float | None:
    try:
        return _options.days("unit", text)
    except OptionError:
        return None
