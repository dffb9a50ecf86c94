"""What to expect of customers: one function per question, for every model that can answer it."""

from __future__ import annotations

from typing import Any

from crmkit import _frame
from crmkit.clv._rows import COLUMNS, read_histories, read_unit
from crmkit.clv._units import horizon_in
from crmkit.clv.gamma_gamma import COLUMNS as SPEND_COLUMNS
from crmkit.clv.gamma_gamma import read_spends
from crmkit.errors import DataError, FitError, OptionError
from crmkit.results import Model

__all__ = ["expected_purchases", "expected_spend", "p_alive"]


def p_alive(model: Model, summary: Any, /) -> Any:
    """Tell how probable it is that each customer is still one at the end of observation.

    Parameters
    ----------
    model : BgNbd
        A fitted purchase model.
    summary : DataFrame
        One row per customer with `frequency`, `recency` and `T` in the model's unit.

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
    >>> bool(clv.p_alive(model, customers).between(0, 1).all())
    True
    """
    answer = _capability(model, "p_alive")
    frame = _frame.read(summary)
    _same_unit(model, frame)
    return _frame.series_like(frame, "p_alive", answer(*read_histories(frame)), used=COLUMNS)


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
