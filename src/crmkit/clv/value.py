"""What customers are worth: purchases to come counted at today's value, what is spent on each, and both together."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from crmkit import _frame, _options
from crmkit.clv._ask import capability, discounting, of_rows, same_unit
from crmkit.clv._rows import COLUMNS, read_histories
from crmkit.clv.gamma_gamma import COLUMNS as SPEND_COLUMNS
from crmkit.clv.gamma_gamma import read_spends
from crmkit.errors import ColumnError
from crmkit.results import Model

__all__ = ["discounted_purchases", "expected_spend", "lifetime_value"]


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
    model : Model
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
    answer = capability(model, "discounted_purchases")
    rate, ahead = discounting(model, annual_discount, horizon)
    if summary is None:
        return answer(rate, t=ahead)
    frame = _frame.read(summary)
    same_unit(model, frame)
    out = of_rows(model, "discounted_purchases", frame)(rate, *read_histories(frame), t=ahead, n_threads=n_threads)
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
    model : Model
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
    capability(model, "discounted_purchases")
    capability(spend, "expected_spend")
    share = _options.number("margin", margin, low=0.0)
    frame = _frame.read(summary)
    if "first_value" not in frame.columns:
        msg = (
            f"no column 'first_value'; the frame has {[str(name) for name in frame.columns]}. It holds the amount of each"
            " customer's first purchase, and clv.summarize gives it; without it, multiply clv.discounted_purchases by"
            " clv.expected_spend for what is to come"
        )
        raise ColumnError(msg)
    first = _frame.numbers(frame, "first_value", nonnegative=True, moderate=True)
    count, mean = read_spends(frame)
    rate, ahead = discounting(model, annual_discount, horizon)
    same_unit(model, frame)
    buying, paying = of_rows(model, "discounted_purchases", frame), cast(Any, spend)
    to_come = buying(rate, *read_histories(frame), t=ahead, n_threads=n_threads)
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
    answer = capability(model, "expected_spend")
    if summary is None:
        return answer()
    frame = _frame.read(summary)
    return _frame.series_like(frame, "expected_spend", answer(*read_spends(frame)), used=SPEND_COLUMNS)
