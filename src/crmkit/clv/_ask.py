"""What every question to a fitted model checks first: that it can answer, in the unit it is asked in."""

from __future__ import annotations

import math
from typing import Any

from crmkit import _options
from crmkit.clv._covariates import Grouped
from crmkit.clv._rows import read_unit
from crmkit.clv._units import days_in, horizon_in
from crmkit.errors import DataError, FitError, OptionError
from crmkit.results import Model

__all__ = ["capability", "discounting", "of_rows", "same_unit"]


def capability(model: Any, name: str) -> Any:
    """Return the method `name` of a model, or say what it has instead."""
    if not isinstance(model, Model):
        msg = f"expected a fitted model first, such as clv.fit_bg_nbd returns, got {type(model).__name__}"
        raise OptionError(msg)
    can: tuple[str, ...] = getattr(model, "CAPABILITIES", ())
    if name not in can:
        msg = f"{type(model).__name__} has no {name}; it has {', '.join(can) or 'no predictions'}"
        raise FitError(msg)
    return getattr(model, name)


def of_rows(model: Any, name: str, frame: Any) -> Any:
    """Return the method `name` for the rows of a table, from which it takes the model's covariates, if it has any."""
    return getattr(Grouped.on(model, frame) if getattr(model, "coefficients", None) else model, name)


def same_unit(model: Any, frame: Any) -> None:
    """Refuse a table whose column `unit` is not that of the model."""
    found, own = read_unit(frame), getattr(model, "unit", None)
    if found is not None and own is not None and found != own:
        msg = f"column 'unit' says {found!r}, the model was fitted in {own!r}; summarize with unit={own!r}"
        raise DataError(msg)


def discounting(model: Model, annual_discount: Any, horizon: Any) -> tuple[float, float]:
    """Return the continuous discount rate and the horizon in the unit of the model."""
    unit: str | None = getattr(model, "unit", None)
    discount = _options.number("annual_discount", annual_discount, low=0.0)
    if horizon is None and discount == 0.0:
        msg = "purchases without end (horizon=None) need annual_discount above 0; or give a horizon such as '3Y'"
        raise OptionError(msg)
    if unit is None:
        msg = (
            "annual_discount needs a model that knows its unit of time: fit it on the table of clv.summarize, or with unit=; the"
            " method model.discounted_purchases takes a rate in the unit of the fitted columns"
        )
        raise FitError(msg)
    ahead = math.inf if horizon is None else horizon_in(horizon, unit)
    return math.log1p(discount) * days_in(unit) / days_in("Y"), ahead
