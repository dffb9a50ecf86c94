"""What to expect of customers: who is still there, how often they will buy, and when next."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crmkit import _frame, _options
from crmkit.clv._ask import capability, of_rows, same_unit
from crmkit.clv._rows import COLUMNS, read_histories
from crmkit.clv._units import horizon_in
from crmkit.errors import OptionError
from crmkit.results import Model

__all__ = ["expected_purchases", "next_purchase", "p_alive", "purchase_distribution"]


def p_alive(model: Model, summary: Any, /, *, horizon: Any = 0.0) -> Any:
    """Tell how probable it is that each customer is still one at the end of observation, or some time later.

    Parameters
    ----------
    model : Model
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
    capability(model, "p_alive")
    ahead = horizon_in(horizon, getattr(model, "unit", None))
    frame = _frame.read(summary)
    same_unit(model, frame)
    return _frame.series_like(frame, "p_alive", of_rows(model, "p_alive", frame)(*read_histories(frame), ahead), used=COLUMNS)


def expected_purchases(model: Model, summary: Any = None, /, *, horizon: Any, n_threads: int | None = None) -> Any:
    """Tell how many purchases to expect of each customer in the time that follows.

    Parameters
    ----------
    model : Model
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
    answer = capability(model, "expected_purchases")
    ahead = horizon_in(horizon, getattr(model, "unit", None))
    if summary is None:
        return answer(ahead)
    frame = _frame.read(summary)
    same_unit(model, frame)
    answer = of_rows(model, "expected_purchases", frame)
    return _frame.series_like(
        frame, "expected_purchases", answer(ahead, *read_histories(frame), n_threads=n_threads), used=COLUMNS
    )


def purchase_distribution(model: Model, summary: Any = None, /, *, horizon: Any, up_to: int = 10) -> Any:
    """Tell how probable it is that each customer makes 0, 1, 2, ... purchases in the time that follows.

    Parameters
    ----------
    model : Model
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
    LimitError
        There would be more than 500 million probabilities, 4 GB; the work takes up to three times as much.

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
    answer = capability(model, "purchase_distribution")
    most = _options.whole("up_to", up_to, low=0, high=1000)
    ahead = horizon_in(horizon, getattr(model, "unit", None))
    names = [*(f"p_{k}" for k in range(most + 1)), "p_more"]
    if summary is None:
        return {name: float(p) for name, p in zip(names, answer(most, ahead), strict=True)}
    frame = _frame.read(summary)
    same_unit(model, frame)
    chances = of_rows(model, "purchase_distribution", frame)(most, ahead, *read_histories(frame))
    columns = {name: np.ascontiguousarray(chances[:, k]) for k, name in enumerate(names)}
    return _frame.rows_like(frame, columns, used=COLUMNS)


def next_purchase(model: Model, summary: Any = None, /, *, quantiles: Any = (0.5,)) -> Any:
    """Tell when the next purchase is due, and how probable it is that there will be one at all.

    Parameters
    ----------
    model : Model
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
    capability(model, "next_purchase")
    levels = _quantiles(quantiles)
    frame = None if summary is None else _frame.read(summary)
    if frame is not None:
        same_unit(model, frame)
    history = () if frame is None else read_histories(frame)
    answer, again = (
        of_rows(model, name, frame) if frame is not None else getattr(model, name) for name in ("next_purchase", "p_again")
    )
    columns = {"p_again": again(*history), **{f"q{100.0 * q:.10g}": answer(q, *history) for q in levels}}
    return columns if frame is None else _frame.rows_like(frame, columns, used=COLUMNS)


def _quantiles(given: Any) -> list[float]:
    try:
        levels = [float(q) for q in np.atleast_1d(np.asarray(given, dtype=np.float64))]
    except (TypeError, ValueError):
        levels = [math.nan]
    if not levels or not all(0.0 <= q < 1.0 for q in levels):
        msg = f"quantiles={given!r}: expected probabilities from 0 to below 1, such as [0.1, 0.5, 0.9]"
        raise OptionError(msg)
    return levels
