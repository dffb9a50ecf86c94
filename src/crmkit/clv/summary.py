"""From purchases to the table that purchase models are fitted on, and to its distinct rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from crmkit import _events, _frame, _options, _threads
from crmkit._kernels import clv_summary as _k
from crmkit._lazy_events import refuse_keywords
from crmkit.clv._lazy import compress_lazily, summarize_lazily
from crmkit.clv._rows import Histories, read_histories, read_unit, read_weight
from crmkit.clv._units import days_in, unit_name
from crmkit.errors import DataError, OptionError

if TYPE_CHECKING:
    from crmkit._events import ColumnNames, EventLog

__all__ = ["Split", "compress", "split", "summarize"]

_CUSTOMERS = 1 << 16  # in one piece of work
_NO_AMOUNTS = _frame.readonly(np.empty(0, np.float64))


def summarize(
    log: Any, /, *, unit: Any = "W", grain: str = "D", end: Any = None, logs: bool = False, **columns: Unpack[ColumnNames]
) -> Any:
    """Tell for each customer how often they came back, over what time, and for how much.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`, ``amount=None`` where there are no amounts. A lazy frame
        of polars, DuckDB or Spark is summarised by its engine, and the answer is lazy too.
    unit : {"D", "W", "Y"} or float, default "W"
        Unit of the times: days, weeks of 7 days, years of 365.25 days, or a number of days. Months differ in length.
    grain : {"D"}, default "D"
        Purchases of one calendar day are one purchase.
    end : date-like, optional
        Last day of observation, included: purchases on that day count, later ones are not seen, and customers whose first
        purchase is later are absent. Default: the day of the log's last event.
    logs : bool, default False
        Add what tells regular buyers (`fit_bg_cnbd`) and the spread of a customer's amounts (`fit_gamma_gamma`): ``log_gaps``,
        the sum of the natural logs of the times between purchase days, and ``log_spend``, of the amounts of repeat purchase days.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    DataFrame
        One row per customer, in the order of the ids, indexed by id in pandas: ``frequency`` (purchase days after the first),
        ``recency`` (first purchase to last) and ``T`` (first purchase to `end`), exact fractions of `unit`;
        ``monetary_value`` (mean over the repeat purchase days, 0 where there is none) and ``first_value`` (of the first
        purchase day), both absent without amounts; ``log_gaps`` and ``log_spend`` on request; and the constant ``unit``. In
        pandas ``attrs["end"]`` names the last day.

    Raises
    ------
    ColumnError
        A column is missing, or the log has no times.
    DataError
        Nobody bought by `end`; a repeat purchase day with logs has no amount above zero; or the events cannot be read (see
        `crmkit.events`).
    OptionError
        `unit`, `grain` or `end` is not usable.

    Notes
    -----
    Days are calendar days of the wall clock of the column's zone, and times are differences of dates: ``recency`` of two
    purchases at 23:59 and 00:01 is one day. A customer who first bought on `end` has T = 0, and tells a fit nothing.

    Refunds are taken off wherever they were made, after `end` too: an order that was sent back later is no purchase. Where that
    must not be known, pass ``log.until(...)``.

    Lazy frames give rows in no particular order, equal to 12 digits, and errors with counts, not places: one query checks them at
    once, all else runs when the answer is asked for. There ``refunds="subtract"`` needs ``order=``.

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
                 frequency  recency    T  monetary_value  first_value unit
    customer_id
    ann                  2      5.0  6.0            20.0         20.0    W
    bob                  0      0.0  5.0             0.0         35.0    W
    """
    name = unit_name(unit)
    _options.choice("grain", grain, ("D",))
    if _frame.is_lazy(log):
        refuse_keywords("clv.summarize", {"logs": logs or None})
        return summarize_lazily(log, name, end, columns)
    log = _events.as_log(log, **columns)
    log.require("time")
    last_day = day_of(log, end, "end")
    statistics = _statistics(log, last_day)
    bought = np.flatnonzero(statistics["T"] >= 0)
    if bought.size == 0:
        msg = f"no purchase lies on or before {_date(log, last_day)}"
        raise DataError(msg)
    if logs:
        statistics |= _log_sums(log, last_day, days_in(name))
    return _table(log, bought, statistics, name, last_day)


class Split(NamedTuple):
    """A log cut in two in time: what was known, and what came of it.

    Attributes
    ----------
    known : DataFrame
        Customers who bought in the calibration period: its summary, and what they bought in the holdout.
    new : DataFrame
        Customers whose first purchase lies in the holdout: their summary at its end.
    """

    known: Any
    new: Any

    # a tuple would print its tables, and the customers with them
    def __repr__(self) -> str:
        known, new = _frame.read(self.known), _frame.read(self.new)
        return (
            f"Split: {len(known):,} customers known, {len(new):,} new in the holdout; known: {', '.join(map(str, known.columns))}"
        )


def split(
    log: Any,
    /,
    *,
    calibration_end: Any,
    end: Any = None,
    unit: Any = "W",
    grain: str = "D",
    logs: bool = False,
    **columns: Unpack[ColumnNames],
) -> Split:
    """Cut purchases in two in time, to fit on the first part and to check against the second.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`, ``amount=None`` where there are no amounts.
    calibration_end : date-like
        Last day of the first part, included.
    end : date-like, optional
        Last day of the holdout, included; later purchases are not seen. Default: the day of the log's last event.
    unit : {"D", "W", "Y"} or float, default "W"
        Unit of the times, as in `summarize`.
    grain : {"D"}, default "D"
        Purchases of one calendar day are one purchase.
    logs : bool, default False
        Add ``log_gaps`` and ``log_spend`` to the first part, as in `summarize`.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    Split
        ``known``: the table of ``summarize(log, end=calibration_end)``, with ``holdout_frequency`` (purchase days in the
        holdout), ``holdout_monetary_value`` (mean over them, 0 where there is none; absent without amounts), ``holdout_T``, the
        length of the holdout in `unit`, and ``previous_frequency`` (repeat purchase days in the period of that length before
        it). ``new``: the customers whose first purchase lies in the holdout, as `summarize`
        gives them at `end`; it may have no rows. Nobody is lost: the two together are those of ``summarize(log, end=end)``.

    Raises
    ------
    ColumnError
        A column is missing, or the log has no times.
    DataError
        Nobody bought by `calibration_end`, or the events cannot be read (see `crmkit.events`).
    OptionError
        `unit`, `grain`, `calibration_end` or `end` is not usable, or the holdout has no day.

    Notes
    -----
    Refunds are taken off wherever they were made: one in the holdout lowers the calibration order it belongs to. Where that must
    not be known, give ``log.until(...)`` to `summarize`.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "ann", "ann", "eve"],
    ...         "timestamp": pd.to_datetime(["2024-01-01", "2024-01-08", "2024-01-15", "2024-02-05", "2024-02-09"]),
    ...         "amount": [20.0, 35.0, 15.0, 25.0, 12.0],
    ...     }
    ... )
    >>> known, new = clv.split(orders, calibration_end="2024-01-22", end="2024-02-12")
    >>> known[["frequency", "T", "holdout_frequency", "holdout_T"]]
                 frequency    T  holdout_frequency  holdout_T
    customer_id
    ann                  1  3.0                  1        3.0
    bob                  0  2.0                  0        3.0
    >>> new.index.tolist()
    ['eve']
    """
    name = unit_name(unit)
    _options.choice("grain", grain, ("D",))
    log = _events.as_log(log, **columns)
    log.require("time")
    cut, last_day = day_of(log, calibration_end, "calibration_end"), day_of(log, end, "end")
    if last_day <= cut:
        msg = f"calibration_end={calibration_end!r} leaves no day for the holdout, which ends with {_date(log, last_day)}"
        raise OptionError(msg)
    before, whole = _statistics(log, cut), _statistics(log, last_day)
    bought = np.flatnonzero(before["T"] >= 0)
    if bought.size == 0:
        msg = f"no purchase lies on or before {_date(log, cut)}"
        raise DataError(msg)
    if logs:
        before |= _log_sums(log, cut, days_in(name))
    orders, n = log.orders, log.n_customers
    start, time, amount = _by_day(log)
    days, earlier, spend = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    length, ticks = last_day - cut, log.clock.ticks_per_day

    def count(piece: tuple[int, int]) -> None:
        # the second call writes over the spend of the first
        _k.count_later(start, time, amount, ticks, cut - length, cut, *piece, earlier, spend)
        _k.count_later(start, time, amount, ticks, cut, last_day, *piece, days, spend)

    _threads.run(count, _threads.chunks(n, _CUSTOMERS))
    # the first purchase is no repeat
    earlier -= (before["T"] >= 0) & (before["T"] < length)
    later: dict[str, Any] = {"holdout_frequency": days[bought]}
    if orders.amount is not None:
        later["holdout_monetary_value"] = spend[bought]
    later["holdout_T"] = np.full(bought.size, length / days_in(name))
    later["previous_frequency"] = earlier[bought]
    new = np.flatnonzero((before["T"] < 0) & (whole["T"] >= 0))
    return Split(_table(log, bought, before, name, cut, later), _table(log, new, whole, name, last_day))


def compress(summary: Any, /, *, weight: str | None = None) -> Any:
    """Reduce a customer table to its distinct purchase histories and how many customers have each.

    Parameters
    ----------
    summary : DataFrame
        ``frequency``, ``recency`` and ``T``, as `summarize` returns them; a column ``unit`` is kept. Of a lazy frame the engine
        counts them, unchecked and in no particular order; the fit that takes them, collected, checks them.
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
    if _frame.is_lazy(summary):
        return compress_lazily(summary, weight)
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


def day_of(log: EventLog, moment: Any, keyword: str) -> int:
    """Return the number of a calendar day of the log's wall clock; by default that of the last event."""
    if moment is None:
        return int(log.lines.time.max()) // log.clock.ticks_per_day
    return log.clock.day(moment, keyword=keyword)


def _date(log: EventLog, day: int) -> str:
    return log.clock.date(day)


def _by_day(log: EventLog) -> tuple[Any, Any, Any]:
    """Return offsets, times and amounts (or none) of the orders, the days of each customer ascending."""
    orders = log.orders
    time, amount = orders.time, _NO_AMOUNTS if orders.amount is None else orders.amount
    order = _frame.wall_order(orders.start, time, orders.instant, log.clock)
    if order is not None:
        time, amount = _frame.readonly(time[order]), _frame.readonly(amount[order]) if amount.size else amount
    return orders.start, time, amount


def _statistics(log: EventLog, last_day: int) -> dict[str, Any]:
    """Compute the statistics of every customer in days; T is -1 where there is no purchase by `last_day`."""
    (start, time, amount), n = _by_day(log), log.n_customers
    repeats, recency, age = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    spend, first = np.empty(n), np.empty(n)
    _threads.run(
        lambda piece: _k.summarize(
            start, time, amount, log.clock.ticks_per_day, last_day, *piece, repeats, recency, age, spend, first
        ),
        _threads.chunks(n, _CUSTOMERS),
    )
    found: dict[str, Any] = {"frequency": repeats, "recency": recency, "T": age}
    if log.orders.amount is not None:
        found |= {"monetary_value": spend, "first_value": first}
    return found


def _log_sums(log: EventLog, last_day: int, length: float) -> dict[str, Any]:
    """Compute the sums of logs of every customer, of times in units of `length` days."""
    (start, time, amount), n = _by_day(log), log.n_customers
    gaps, spend = np.empty(n), np.empty(n)
    _threads.run(
        lambda piece: _k.log_sums(start, time, amount, log.clock.ticks_per_day, last_day, length, *piece, gaps, spend),
        _threads.chunks(n, _CUSTOMERS),
    )
    if log.orders.amount is None:
        return {"log_gaps": gaps}
    none = np.isinf(spend)
    if none.any():
        msg = (
            f"{int(none.sum()):,} customers have a repeat purchase day without an amount above zero, whose log there is not:"
            " leave free orders out of the events, or give amount=None for log_gaps alone"
        )
        raise DataError(msg)
    return {"log_gaps": gaps, "log_spend": spend}


def _table(log: EventLog, rows: Any, statistics: dict[str, Any], unit: str, last_day: int, more: Any = None) -> Any:
    if rows.size < log.n_customers:
        statistics = {name: values[rows] for name, values in statistics.items()}
    length = days_in(unit)
    columns = {name: values / length if name in ("recency", "T") else values for name, values in statistics.items()}
    columns |= {"unit": _constant(unit, rows.size), **(more or {})}
    return _frame.per_label(log.labels, rows, columns, name=str(log.columns["customer"]), attrs={"end": _date(log, last_day)})


def _constant(name: str, n: int) -> Any:
    return _frame.Categories(np.zeros(n, np.int8), [name])
