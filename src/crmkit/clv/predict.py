"""What to expect of customers: one function per question, for every model that can answer it."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from crmkit import _frame, _options
from crmkit.clv._rows import COLUMNS, read_histories, read_unit
from crmkit.clv._units import days_in, horizon_in
from crmkit.clv.gamma_gamma import COLUMNS as SPEND_COLUMNS
from crmkit.clv.gamma_gamma import read_spends
from crmkit.errors import ColumnError, DataError, FitError, OptionError
from crmkit.results import Model

__all__ = [
    "discounted_purchases",
    "expected_purchases",
    "expected_spend",
    "lifetime_value",
    "next_purchase",
    "p_alive",
    "purchase_distribution",
]


def p_alive(model: Model, summary: Any, /, *, horizon: Any = 0.0) -> Any:
    """Tell how probable it is that each customer is still one at the end of observation, or some time later.

    Parameters
    ----------
    model : BgNbd
        A fitted purchase model.
    summary : DataFrame
        One row per customer with `frequency`, `recency` and `T` in the model's unit.
    horizon : float or str, default 0
        How long after `T`: a number in the model's unit, or a duration such as "90D", "39W" or "1Y".

    Returns
    -------
    Series or DataFrame
        Probabilities, `p_alive`, on the rows of `summary`.

    Raises
    ------
    FitError
        The model has no notion of leaving; the message lists what it can answer.
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, or is in another unit than the model.
    OptionError
        `horizon` is negative, or not a length of time.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> customers = pd.DataFrame(
    ...     {
    ...         "frequency": [0, 0, 0, 1, 1, 2, 3, 5],
    ...         "recency": [0.0, 0, 0, 4, 20, 9, 30, 22],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28],
    ...         "unit": "W",
    ...     }
    ... )
    >>> model = clv.fit_bg_nbd(customers, penalty=0.1)
    >>> bool((clv.p_alive(model, customers) > clv.p_alive(model, customers, horizon="1Y")).all())
    True
    """
    answer = _capability(model, "p_alive")
    ahead = horizon_in(horizon, getattr(model, "unit", None))
    frame = _frame.read(summary)
    _same_unit(model, frame)
    return _frame.series_like(frame, "p_alive", answer(*read_histories(frame), ahead), used=COLUMNS)


def expected_purchases(model: Model, summary: Any = None, /, *, horizon: Any, n_threads: int | None = None) -> Any:
    """Tell how many purchases to expect of each customer in the time that follows.

    Parameters
    ----------
    model : BgNbd
        A fitted purchase model.
    summary : DataFrame, optional
        One row per customer with `frequency`, `recency` and `T` in the model's unit. Without it: a new customer, counted from
        the first purchase, which is not included.
    horizon : float or str
        How far to look beyond `T`: a number in the model's unit, or a duration such as "90D", "39W" or "1Y".
    n_threads : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    Series or DataFrame, or float
        Expected purchases, `expected_purchases`, on the rows of `summary`; one number for a new customer.

    Raises
    ------
    FitError
        The model does not count purchases, or does not know its unit and `horizon` is a duration.
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, or is in another unit than the model.
    OptionError
        `horizon` is negative, or not a length of time.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> customers = pd.DataFrame(
    ...     {
    ...         "frequency": [0, 0, 0, 1, 1, 2, 3, 5],
    ...         "recency": [0.0, 0, 0, 4, 20, 9, 30, 22],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28],
    ...         "unit": "W",
    ...     }
    ... )
    >>> model = clv.fit_bg_nbd(customers, penalty=0.1)
    >>> weeks = clv.expected_purchases(model, customers, horizon="26W")
    >>> days = clv.expected_purchases(model, customers, horizon="182D")
    >>> bool((weeks == days).all())
    True
    """
    answer = _capability(model, "expected_purchases")
    ahead = horizon_in(horizon, getattr(model, "unit", None))
    if summary is None:
        return answer(ahead)
    frame = _frame.read(summary)
    _same_unit(model, frame)
    x, t_x, T = read_histories(frame)
    return _frame.series_like(frame, "expected_purchases", answer(ahead, x, t_x, T, n_threads=n_threads), used=COLUMNS)


def purchase_distribution(model: Model, summary: Any = None, /, *, horizon: Any, up_to: int = 10) -> Any:
    """Tell how probable it is that each customer makes 0, 1, 2, ... purchases in the time that follows.

    Parameters
    ----------
    model : BgNbd
        A fitted purchase model.
    summary : DataFrame, optional
        One row per customer with `frequency`, `recency` and `T` in the model's unit. Without it: a new customer, counted from
        the first purchase, which is not included.
    horizon : float or str
        How far to look beyond `T`: a number in the model's unit, or a duration such as "90D", "39W" or "1Y".
    up_to : int, default 10
        Largest number of purchases told apart, 0 to 1,000.

    Returns
    -------
    DataFrame or dict
        Probabilities `p_0`, `p_1`, ..., and `p_more` of more than `up_to`, on the rows of `summary`; they add up to 1 in each
        row. For a new customer a dict of the same names.

    Raises
    ------
    FitError
        The model does not count purchases, or does not know its unit and `horizon` is a duration.
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, or is in another unit than the model.
    OptionError
        `horizon` is negative or not a length of time, or `up_to` is not usable.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> customers = pd.DataFrame(
    ...     {
    ...         "frequency": [0, 0, 0, 1, 1, 2, 3, 5],
    ...         "recency": [0.0, 0, 0, 4, 20, 9, 30, 22],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28],
    ...         "unit": "W",
    ...     }
    ... )
    >>> model = clv.fit_bg_nbd(customers, penalty=0.1)
    >>> clv.purchase_distribution(model, customers, horizon="26W", up_to=2).columns.tolist()
    ['p_0', 'p_1', 'p_2', 'p_more']
    """
    answer = _capability(model, "purchase_distribution")
    most = _options.whole("up_to", up_to, low=0, high=1000)
    ahead = horizon_in(horizon, getattr(model, "unit", None))
    names = [*(f"p_{k}" for k in range(most + 1)), "p_more"]
    if summary is None:
        return {name: float(p) for name, p in zip(names, answer(most, ahead), strict=True)}
    frame = _frame.read(summary)
    _same_unit(model, frame)
    chances = answer(most, ahead, *read_histories(frame))
    columns = {name: np.ascontiguousarray(chances[:, k]) for k, name in enumerate(names)}
    return _frame.rows_like(frame, columns, used=COLUMNS)


def next_purchase(model: Model, summary: Any = None, /, *, quantiles: Any = (0.5,)) -> Any:
    """Tell when the next purchase is due, and how probable it is that there will be one at all.

    Parameters
    ----------
    model : BgNbd
        A fitted purchase model.
    summary : DataFrame, optional
        One row per customer with `frequency`, `recency` and `T` in the model's unit. Without it: a new customer, who has just
        made the first purchase.
    quantiles : float or sequence of float, default 0.5
        Probabilities from 0 to below 1; 0.5 is the median.

    Returns
    -------
    DataFrame or dict
        `p_again`, the probability of at least one more purchase, however late; and for each quantile, such as `q50`, the time
        after `T`, in the model's unit, by which a customer who stays has bought with that probability. On the rows of
        `summary`; for a new customer a dict of the same names.

    Raises
    ------
    FitError
        The model does not count purchases.
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, or is in another unit than the model.
    OptionError
        A quantile is not a probability below 1.

    Notes
    -----
    The times are those of a customer who does not leave first: a customer long silent has a long time and a small `p_again`.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> customers = pd.DataFrame(
    ...     {
    ...         "frequency": [0, 0, 0, 1, 1, 2, 3, 5],
    ...         "recency": [0.0, 0, 0, 4, 20, 9, 30, 22],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28],
    ...         "unit": "W",
    ...     }
    ... )
    >>> model = clv.fit_bg_nbd(customers, penalty=0.1)
    >>> clv.next_purchase(model, customers, quantiles=[0.1, 0.5]).columns.tolist()
    ['p_again', 'q10', 'q50']
    """
    answer = _capability(model, "next_purchase")
    levels = _quantiles(quantiles)
    frame = None if summary is None else _frame.read(summary)
    if frame is not None:
        _same_unit(model, frame)
    history = () if frame is None else read_histories(frame)
    again: Any = getattr(model, "p_again")  # noqa: B009
    columns = {"p_again": again(*history), **{f"q{100.0 * q:.10g}": answer(q, *history) for q in levels}}
    return columns if frame is None else _frame.rows_like(frame, columns, used=COLUMNS)


def discounted_purchases(
    model: Model,
    summary: Any = None,
    /,
    *,
    annual_discount: float = 0.10,
    horizon: Any = None,
    n_threads: int | None = None,
) -> Any:
    r"""Tell how many purchases of each customer are still to come, counting later ones for less.

    Parameters
    ----------
    model : BgNbd
        A fitted purchase model that knows its unit of time.
    summary : DataFrame, optional
        One row per customer with `frequency`, `recency` and `T` in the model's unit. Without it: a new customer; the first
        purchase is not counted.
    annual_discount : float, default 0.10
        A purchase made one year after `T` counts 1 / (1 + annual_discount), earlier and later ones in proportion.
    horizon : float or str, optional
        How far to look beyond `T`: a number in the model's unit, or a duration such as "90D", "52W" or "3Y". Default: without
        end, which needs a positive discount.
    n_threads : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    Series or DataFrame, or float
        Discounted expected purchases, `discounted_purchases`, on the rows of `summary`; one number for a new customer.

    Raises
    ------
    FitError
        The model does not count purchases, or does not know its unit of time.
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, or is in another unit than the model.
    OptionError
        `horizon` or `annual_discount` is not usable, or there is neither an end nor a discount.

    Notes
    -----
    With yearly discount d and years of 365.25 days, :math:`\int_0^h (1 + d)^{-u}\, dE[X(T, T + u)]`. Without end this is the
    discounted expected residual number of transactions (DERT) of Fader, Hardie & Lee (2005), here for every model.

    References
    ----------
    Fader, Hardie & Lee (2005), RFM and CLV: using iso-value curves for customer base analysis, Journal of Marketing Research
    42(4), 415-430.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> customers = pd.DataFrame(
    ...     {
    ...         "frequency": [0, 0, 0, 1, 1, 2, 3, 5],
    ...         "recency": [0.0, 0, 0, 4, 20, 9, 30, 22],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28],
    ...         "unit": "W",
    ...     }
    ... )
    >>> model = clv.fit_bg_nbd(customers, penalty=0.1)
    >>> year = clv.discounted_purchases(model, customers, horizon="1Y")
    >>> bool((year < clv.discounted_purchases(model, customers)).all())
    True
    """
    answer = _capability(model, "discounted_purchases")
    rate, ahead = _discounting(model, annual_discount, horizon)
    if summary is None:
        return answer(rate, t=ahead)
    frame = _frame.read(summary)
    _same_unit(model, frame)
    out = answer(rate, *read_histories(frame), t=ahead, n_threads=n_threads)
    return _frame.series_like(frame, "discounted_purchases", out, used=COLUMNS)


def lifetime_value(
    model: Model,
    spend: Model,
    summary: Any,
    /,
    *,
    horizon: Any = None,
    annual_discount: float = 0.10,
    margin: float = 1.0,
    n_threads: int | None = None,
) -> Any:
    r"""Tell what each customer has been worth so far, and what is still to come.

    Parameters
    ----------
    model : BgNbd
        A fitted purchase model that knows its unit of time.
    spend : GammaGamma
        A fitted spend model.
    summary : DataFrame
        One row per customer as `clv.summarize` gives it: `frequency`, `recency` and `T` in the model's unit, `monetary_value`
        and `first_value`, the amount of the first purchase day.
    horizon : float or str, optional
        How far to look beyond `T`: a number in the model's unit, or a duration such as "90D", "52W" or "3Y". Default: without
        end, which needs a positive discount.
    annual_discount : float, default 0.10
        Yearly rate at which money to come is discounted to `T`; money that has come is not compounded.
    margin : float, default 1.0
        Share of the amounts that is profit.
    n_threads : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    DataFrame
        In the currency of the amounts, on the rows of `summary`: `current` (margin times what was bought by `T`, the first
        purchase included), `residual` (margin times discounted purchases to come times expected spend), and `total`, their sum.

    Raises
    ------
    FitError
        `model` or `spend` cannot answer, or the expected spend is infinite (see `expected_spend`).
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, is in another unit than the model, or an amount is negative.
    OptionError
        `horizon`, `annual_discount` or `margin` is not usable.

    Notes
    -----
    The residual is :math:`\text{margin} \cdot E[Z] \cdot \int_0^h (1 + d)^{-u}\, dE[X(T, T + u)]`: how much customers spend
    per purchase is taken to be independent of how often they buy.

    References
    ----------
    Fader, Hardie & Lee (2005), RFM and CLV: using iso-value curves for customer base analysis, Journal of Marketing Research
    42(4), 415-430.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> customers = pd.DataFrame(
    ...     {
    ...         "frequency": [2, 1, 0, 4, 3, 1, 5, 2, 1, 6],
    ...         "recency": [20.0, 4, 0, 31, 18, 9, 30, 22, 2, 28],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28, 30, 33],
    ...         "first_value": [20.0, 15, 30, 12, 40, 25, 18, 22, 10, 30],
    ...         "monetary_value": [20.0, 35, 0, 12, 60, 18, 30, 44, 9, 25],
    ...         "unit": "W",
    ...     }
    ... )
    >>> model, spend = clv.fit_bg_nbd(customers, penalty=0.1), clv.fit_gamma_gamma(customers)
    >>> value = clv.lifetime_value(model, spend, customers, margin=0.5)
    >>> value["current"].tolist()
    [30.0, 25.0, 15.0, 30.0, 110.0, 21.5, 84.0, 55.0, 9.5, 90.0]
    >>> bool((value["residual"] > 0).all())
    True
    """
    _capability(model, "discounted_purchases")
    _capability(spend, "expected_spend")
    share = _options.number("margin", margin, low=0.0)
    frame = _frame.read(summary)
    if "first_value" not in frame.columns:
        msg = (
            f"no column 'first_value'; the frame has {[str(name) for name in frame.columns]}. It holds the amount of each"
            " customer's first purchase, and clv.summarize gives it; without it, multiply clv.discounted_purchases by"
            " clv.expected_spend for what is to come"
        )
        raise ColumnError(msg)
    first = _frame.numbers(frame, "first_value", nonnegative=True)
    count, mean = read_spends(frame)
    rate, ahead = _discounting(model, annual_discount, horizon)
    _same_unit(model, frame)
    buying, paying = cast(Any, model), cast(Any, spend)
    to_come = buying.discounted_purchases(rate, *read_histories(frame), t=ahead, n_threads=n_threads)
    current = share * (first + count * np.where(count > 0.0, mean, 0.0))
    residual = share * to_come * paying.expected_spend(count, mean)
    columns = {"current": current, "residual": residual, "total": current + residual}
    return _frame.rows_like(frame, columns, used=(*COLUMNS, *SPEND_COLUMNS, "first_value"))


def expected_spend(model: Model, summary: Any = None, /) -> Any:
    """Tell how much each customer is expected to spend per purchase.

    Parameters
    ----------
    model : GammaGamma
        A fitted spend model.
    summary : DataFrame, optional
        One row per customer with `frequency` and `monetary_value`; customers without repeat purchases are expected to spend
        what the population does. Without it: a new customer.

    Returns
    -------
    Series or DataFrame, or float
        Expected amount per purchase, `expected_spend`, on the rows of `summary`; one number for a new customer.

    Raises
    ------
    FitError
        The model knows no spend, or the expectation is infinite for some customers (q <= 1).
    ColumnError
        A column is missing.
    DataError
        A mean spend of a repeat customer is zero or negative.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> customers = pd.DataFrame(
    ...     {
    ...         "frequency": [2, 1, 0, 4, 3, 1, 5, 2, 1, 6],
    ...         "monetary_value": [20.0, 35.0, 0.0, 12.0, 60.0, 18.0, 30.0, 44.0, 9.0, 25.0],
    ...     }
    ... )
    >>> spend = clv.fit_gamma_gamma(customers)
    >>> bool((clv.expected_spend(spend, customers) > 0).all())
    True
    """
    answer = _capability(model, "expected_spend")
    if summary is None:
        return answer()
    frame = _frame.read(summary)
    return _frame.series_like(frame, "expected_spend", answer(*read_spends(frame)), used=SPEND_COLUMNS)


def _discounting(model: Model, annual_discount: Any, horizon: Any) -> tuple[float, float]:
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


def _quantiles(given: Any) -> list[float]:
    try:
        levels = [float(q) for q in np.atleast_1d(np.asarray(given, dtype=np.float64))]
    except (TypeError, ValueError):
        levels = [math.nan]
    if not levels or not all(0.0 <= q < 1.0 for q in levels):
        msg = f"quantiles={given!r}: expected probabilities from 0 to below 1, such as [0.1, 0.5, 0.9]"
        raise OptionError(msg)
    return levels


def _capability(model: Any, name: str) -> Any:
    if not isinstance(model, Model):
        msg = f"expected a fitted model first, such as clv.fit_bg_nbd returns, got {type(model).__name__}"
        raise OptionError(msg)
    can: tuple[str, ...] = getattr(model, "CAPABILITIES", ())
    if name not in can:
        msg = f"{type(model).__name__} has no {name}; it has {', '.join(can) or 'no predictions'}"
        raise FitError(msg)
    return getattr(model, name)


def _same_unit(model: Any, frame: Any) -> None:
    found, own = read_unit(frame), getattr(model, "unit", None)
    if found is not None and own is not None and found != own:
        msg = f"column 'unit' says {found!r}, the model was fitted in {own!r}; summarize with unit={own!r}"
        raise DataError(msg)
