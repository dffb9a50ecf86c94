"""From purchases to the table that purchase models are fitted on, and to its distinct rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from crmkit import _events, _frame, _options, _threads
from crmkit._kernels import clv_summary as _k
from crmkit.clv._rows import Histories, read_histories, read_unit, read_weight
from crmkit.clv._units import days_in, unit_name
from crmkit.errors import DataError

if TYPE_CHECKING:
    from crmkit._events import ColumnNames

__all__ = ["compress", "summarize"]

_CUSTOMERS = 1 << 16  # in one piece of work
_NO_AMOUNTS = _frame.readonly(np.empty(0, np.float64))


def summarize(log: Any, /, *, unit: Any = "W", grain: str = "D", end: Any = None, **columns: Unpack[ColumnNames]) -> Any:
    """Tell for each customer how often they came back, over what time, and for how much.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`, ``amount=None`` where there are no amounts.
    unit : {"D", "W", "Y"} or float, default "W"
        Unit of the times: days, weeks of 7 days, years of 365.25 days, or a number of days. Months differ in length.
    grain : {"D"}, default "D"
        Purchases of one calendar day are one purchase.
    end : date-like, optional
        Last day of observation, included: purchases on that day count, later ones are not seen, and customers whose first
        purchase is later are absent. Default: the day of the log's last event.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    DataFrame
        One row per customer, in the order of the ids, indexed by id in pandas: ``frequency`` (purchase days after the first),
        ``recency`` (first purchase to last) and ``T`` (first purchase to `end`), exact fractions of `unit`;
        ``monetary_value`` (mean over the repeat purchase days, 0 where there is none; absent without amounts), and the
        constant ``unit``. In pandas ``attrs["end"]`` names the last day.

    Raises
    ------
    ColumnError
        A column is missing, or the log has no times.
    DataError
        Nobody bought by `end`, or the events cannot be read (see `crmkit.events`).
    OptionError
        `unit`, `grain` or `end` is not usable.

    Notes
    -----
    Days are calendar days of the wall clock of the column's zone, and times are differences of dates: ``recency`` of two
    purchases at 23:59 and 00:01 is one day. A customer who first bought on `end` has T = 0, and tells a fit nothing.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2), 275-284.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "ann", "ann"],
    ...         "timestamp": pd.to_datetime(["2024-01-01", "2024-01-08", "2024-01-15", "2024-02-05"]),
    ...         "amount": [20.0, 35.0, 15.0, 25.0],
    ...     }
    ... )
    >>> clv.summarize(orders, end="2024-02-12")
                 frequency  recency    T  monetary_value unit
    customer_id
    ann                  2      5.0  6.0            20.0    W
    bob                  0      0.0  5.0             0.0    W
    """
    name = unit_name(unit)
    _options.choice("grain", grain, ("D",))
    log = _events.as_log(log, **columns)
    log.require("time")
    orders, clock = log.orders, log.clock
    moment = int(log.lines.time.max()) if end is None else clock.moment(end, keyword="end")
    last_day = moment // clock.ticks_per_day

    n = log.n_customers
    amount = _NO_AMOUNTS if orders.amount is None else orders.amount
    repeats, recency, age, spend = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    _threads.run(
        lambda piece: _k.summarize(
            orders.start, orders.time, amount, clock.ticks_per_day, last_day, *piece, repeats, recency, age, spend
        ),
        _threads.chunks(n, _CUSTOMERS),
    )
    bought = np.flatnonzero(age >= 0)
    day = f"{clock.stamp(last_day * clock.ticks_per_day):%Y-%m-%d}"
    if bought.size == 0:
        msg = f"no purchase lies on or before {day}"
        raise DataError(msg)
    if bought.size < n:
        repeats, recency, age, spend = repeats[bought], recency[bought], age[bought], spend[bought]
    length = days_in(name)
    statistics: dict[str, Any] = {"frequency": repeats, "recency": recency / length, "T": age / length}
    if orders.amount is not None:
        statistics["monetary_value"] = spend
    statistics["unit"] = _constant(name, bought.size)
    return _frame.per_label(log.labels, bought, statistics, name=str(log.columns["customer"]), attrs={"end": day})


def compress(summary: Any, /, *, weight: str | None = None) -> Any:
    """Reduce a customer table to its distinct purchase histories and how many customers have each.

    Parameters
    ----------
    summary : DataFrame
        ``frequency``, ``recency`` and ``T``, as `summarize` returns them; a column ``unit`` is kept.
    weight : str, optional
        Column with the number of customers that a row stands for already.

    Returns
    -------
    DataFrame
        Distinct ``frequency``, ``recency`` and ``T``, ascending, their ``weight``, and ``unit`` where it was there. Fitting it
        with ``weight="weight"`` gives what fitting all rows gives.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, or the column ``unit`` is not constant.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> clv.compress(pd.DataFrame({"frequency": [1, 0, 0], "recency": [3.0, 0, 0], "T": [9.0, 9, 9], "unit": "W"}))
       frequency  recency    T  weight unit
    0          0      0.0  9.0     2.0    W
    1          1      3.0  9.0     1.0    W
    """
    frame = _frame.read(summary)
    rows = Histories.collapse(*read_histories(frame), read_weight(frame, weight))
    columns: dict[str, Any] = {
        "frequency": rows.counts[rows.which].astype(np.int64),
        "recency": rows.t_x,
        "T": rows.T,
        "weight": rows.weight,
    }
    unit = read_unit(frame)
    if unit is not None:
        columns["unit"] = _constant(unit, rows.T.size)
    return _frame.table(columns, kind=frame.kind)


def _constant(name: str, n: int) -> Any:
    return _frame.Categories(np.zeros(n, np.int8), [name])
