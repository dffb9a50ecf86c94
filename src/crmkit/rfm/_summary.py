"""From purchases to three numbers per customer: how recently, how often, for how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from crmkit import _events, _frame, _options
from crmkit.errors import DataError
from crmkit.rfm._lazy import summarize_lazily

if TYPE_CHECKING:
    from crmkit._events import ColumnNames

__all__ = ["MEASURES", "summarize"]

MEASURES = {"r": "recency_days", "f": "frequency", "m": "monetary"}
CUSTOMERS = 1 << 16  # in one piece of work


def summarize(log: Any, /, *, as_of: Any = None, monetary: str = "total", **columns: Unpack[ColumnNames]) -> Any:
    """Tell for each customer how recently, how often and for how much they bought.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`. A lazy frame of polars, DuckDB or Spark is summarised by
        its engine, and the answer is lazy too.
    as_of : date-like, optional
        The day to look back from, included: nothing later is seen, and customers who had not bought by then are absent.
        Default: the day of the log's last event.
    monetary : {"total", "mean"}, default "total"
        The sum of a customer's orders, or their mean.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    DataFrame
        One row per customer with at least one purchase, in the order of the ids, indexed by id in pandas:
        ``recency_days`` (whole days from the last order to `as_of`, by dates), ``frequency`` (orders), ``monetary``
        (in the currency of the amounts, refunds taken off). In pandas ``attrs["as_of"]`` names the day.

    Raises
    ------
    ColumnError
        A column is missing, or the log was built without times or amounts.
    DataError
        The events cannot be read, or no purchase lies on or before `as_of`.
    OptionError
        `as_of` is not a date, or `monetary` not one of its values.

    Notes
    -----
    Days are calendar days of the wall clock of the column's zone: an order at 23:59 is one day before one at 00:01. A refund
    that comes after `as_of` is not known yet: an order that it takes back stands in full.

    Lazy frames give rows in no particular order, equal to 12 digits, and errors with counts, not places: one query checks them at
    once, all else runs when the answer is asked for. There ``refunds="subtract"`` needs ``order=``.

    References
    ----------
    Hughes (1994), Strategic Database Marketing.

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "ann"],
    ...         "timestamp": pd.to_datetime(["2024-01-05", "2024-01-07", "2024-02-01"]),
    ...         "amount": [20.0, 35.0, 15.0],
    ...     }
    ... )
    >>> crm.rfm.summarize(orders, as_of="2024-02-10")
                 recency_days  frequency  monetary
    customer_id
    ann                     9          2      35.0
    bob                    34          1      35.0
    """
    from crmkit import _threads
    from crmkit._kernels import rfm as _k

    _options.choice("monetary", monetary, ("total", "mean"))
    if _frame.is_lazy(log):
        return summarize_lazily(log, as_of, monetary, columns)
    log = _events.as_log(log, **columns)
    log.require("time", "amount")
    clock = log.clock
    earliest, latest = (int(moment) // clock.ticks_per_day for moment in (log.lines.time.min(), log.lines.time.max()))
    last_day = latest if as_of is None else clock.day(as_of, keyword="as_of")
    # refunds, and lines of an order, that come later are not known yet; orders of one moment are all before or all after
    if earliest <= last_day < latest and (log.refunds == "subtract" or log.lines.order_code is not None):
        log = log.until(clock.date(last_day + 1))

    orders = log.orders
    time, amount = orders.time, orders.amount
    order = _frame.wall_order(orders.start, time, orders.instant, clock)
    if order is not None:
        time, amount = _frame.readonly(time[order]), _frame.readonly(amount[order])
    recency = np.empty(log.n_customers, np.int64)
    frequency = np.empty(log.n_customers, np.int64)
    total = np.empty(log.n_customers, np.float64)
    _threads.run(
        lambda piece: _k.summarize(orders.start, time, amount, clock.ticks_per_day, last_day, *piece, recency, frequency, total),
        _threads.chunks(log.n_customers, CUSTOMERS),
    )
    bought = np.flatnonzero(frequency)
    if bought.size == 0:
        msg = f"no purchase lies on or before {clock.date(last_day)}"
        raise DataError(msg)
    if bought.size < log.n_customers:
        recency, frequency, total = recency[bought], frequency[bought], total[bought]
    measures = {
        "recency_days": recency,
        "frequency": frequency,
        "monetary": total if monetary == "total" else total / frequency,
    }
    attrs = {"as_of": clock.date(last_day)}
    return _frame.per_label(log.labels, bought, measures, name=str(log.columns["customer"]), attrs=attrs)
