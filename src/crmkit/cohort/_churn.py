"""How many customers each period loses, wins and wins back: from purchases, or from contracts."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options, _threads, intervals
from crmkit._kernels import cohort as _k
from crmkit._lazy_events import refuse_keywords
from crmkit.cohort._activity import in_wall_order
from crmkit.cohort._lazy import churn_rate_lazily
from crmkit.cohort._people import read_attribute
from crmkit.cohort._periods import PERIODS, Calendar, known_until
from crmkit.errors import DataError, DataWarning, OptionError
from crmkit.results import confidence_level

if TYPE_CHECKING:
    from crmkit._events import ColumnNames

__all__ = ["churn_rate"]

Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

CUSTOMERS = 1 << 16  # in one piece of work


def churn_rate(
    data: Any,
    /,
    *,
    period: str = "M",
    inactivity: Any = None,
    start: str | None = None,
    end: str | None = None,
    by: Any = None,
    as_of: Any = None,
    level: float = 0.95,
    **columns: Unpack[ColumnNames],
) -> Any:
    r"""Tell what share of its customers each period lost, and how many came, stayed and came back.

    Parameters
    ----------
    data : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events` (amounts are not needed: ``amount=None``). With
        `start` and `end`, a frame of contracts, one row each, in which a customer may have several. A lazy frame of purchases, of
        polars, DuckDB or Spark, is counted by its engine, and the table is lazy too.
    period : {"D", "W", "M", "Q", "Y"}, default "M"
        Calendar days, weeks from Monday on, months, quarters or years, by the wall clock of the column's zone.
    inactivity : str or timedelta, optional
        Purchases: whole days without one after which a customer is lost, such as "90D", at least as long as a period.
        Default: a customer is one in the calendar periods in which they buy.
    start, end : str, optional
        Contracts: columns of their first day, and of the first day without (missing: it runs on).
    by : Series, mapping or DataFrame, optional
        An attribute of each customer, within whose values the table is made: a Series indexed by customer id, or a frame
        of ids and values.
    as_of : date-like, optional
        The last day that is known, included. Default: the day of the last event; for contracts the last date in either
        column, so give it where contracts end in the future.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    **columns
        Column keywords of `crmkit.events`, where a frame is given; ``customer`` alone for contracts.

    Returns
    -------
    DataFrame
        One row per period after the first: ``period`` (its first day), ``n`` (customers at its start), ``retained`` and
        ``churned`` (of these, at its end), ``new`` and ``resurrected`` (at its end but not at its start: for the first time,
        or again), ``active`` (customers at its end), ``value`` (the churn rate), ``ci_low``, ``ci_high``, ``mature`` (whether
        the period is over). With `by`, the first column is ``by``. For contracts ``brief`` counts those that began and
        ended between two ends of periods; they are in no other column.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        The data cannot be read, a contract ends before it starts, or there is one period only.
    OptionError
        An option is not one of its values, `inactivity` is shorter than a period, or options contradict each other.

    Warns
    -----
    DataWarning
        A period starts without customers: its churn rate is undefined and missing.

    Notes
    -----
    The churn rate of a period is ``churned / n``, with Wilson's interval, and
    :math:`n = \mathrm{retained} + \mathrm{churned}`, :math:`\mathrm{active} = \mathrm{retained} + \mathrm{new} +
    \mathrm{resurrected}`, which is the next period's ``n``.

    With `inactivity` of :math:`w` days, a purchase on day :math:`d` makes a customer through the end of day
    :math:`d + w - 1`; without it, through the end of its calendar period, so that who skips a period is lost in it. A
    contract makes one through the end of the day before `end`: cancelled on the 31st, they are lost in that month.

    In a period that is not over, purchases of the rest of it are still missing, and churn is overstated.

    Lazy frames give the same table, and errors with counts, not places: one query checks them at once, all else runs when the
    answer is asked for. There ``refunds="subtract"`` needs ``order=``.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158).

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> contracts = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "cid", "bob"],
    ...         "start": pd.to_datetime(["2024-01-01", "2024-01-10", "2024-02-05", "2024-04-02"]),
    ...         "end": pd.to_datetime([None, "2024-02-20", None, None]),
    ...     }
    ... )
    >>> table = crm.cohort.churn_rate(contracts, start="start", end="end", as_of="2024-04-30")
    >>> table[["period", "n", "retained", "churned", "new", "resurrected", "active", "value"]]
          period  n  retained  churned  new  resurrected  active  value
    0 2024-02-01  2         1        1    1            0       2    0.5
    1 2024-03-01  2         2        0    0            0       2    0.0
    2 2024-04-01  2         2        0    0            1       3    0.0
    """
    _options.choice("period", period, PERIODS)
    level = confidence_level(level)
    if _frame.is_lazy(data):
        refuse_keywords("cohort.churn_rate", {"start": start, "end": end, "by": by})
        return churn_rate_lazily(data, period, inactivity, as_of, level, columns)
    if start is None and end is None:
        runs = _of_purchases(data, period, inactivity, as_of, columns)
    else:
        runs = _of_contracts(data, period, inactivity, start, end, as_of, columns)
    calendar, kind = runs.calendar, runs.labels.kind
    if calendar.n < 2:
        msg = f"the data lie in one period ({period}) only: nobody can be lost in it; use shorter periods, or a later as_of"
        raise DataError(msg)
    codes, names = _groups(runs, by)
    new, resurrected, churned, brief = (np.zeros((1 if names is None else len(names), calendar.n), np.int64) for _ in range(4))

    def count(piece: Any) -> list[Integers]:
        tables = [np.zeros_like(new) for _ in range(3)]
        _k.count_runs(runs.start, runs.begins, runs.ends, codes, *piece, *tables)
        return tables

    for tables in _threads.run(count, _threads.chunks(codes.size, CUSTOMERS)):
        for total, part in zip((new, resurrected, churned), tables, strict=True):
            np.add(total, part, out=total)
    active = np.cumsum(new + resurrected - churned, axis=1)
    short = np.flatnonzero(runs.ends < runs.begins)
    owner = np.repeat(codes, np.diff(runs.start))
    np.add.at(brief, (owner[short], runs.begins[short]), 1)

    # the first period has nobody at its start
    group, at = (place.ravel() for place in np.indices((new.shape[0], calendar.n - 1)))
    n = active[:, :-1].ravel()
    lost = churned[:, 1:].ravel()
    some = n > 0
    value, low, high = (np.full(n.size, np.nan) for _ in range(3))
    value[some] = lost[some] / n[some]
    low[some], high[some] = intervals.wilson(lost[some], n[some], level)
    table: dict[str, Any] = {} if names is None else {"by": _frame.Labelled(names, group)}
    table |= {
        "period": calendar.labels(at + 1),
        "n": n,
        "retained": n - lost,
        "churned": lost,
        "new": new[:, 1:].ravel(),
        "resurrected": resurrected[:, 1:].ravel(),
        "active": active[:, 1:].ravel(),
    }
    if start is not None:
        table["brief"] = brief[:, 1:].ravel()
    table |= {"value": value, "ci_low": low, "ci_high": high, "mature": calendar.opening(at + 2) <= calendar.last_day + 1}
    if not some.all():
        warnings.warn(
            f"{int((~some).sum()):,} of {n.size:,} periods start without customers: their churn rate is undefined, and missing."
            " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=2,
        )
    result = _frame.table(table, kind=kind)
    if kind == "pandas":
        result.attrs.update(period=period, as_of=str(np.datetime64(calendar.last_day, "D")), level=level)
    return result


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """For each customer, the periods at whose close each purchase or contract makes them one; begins ascend."""

    labels: _frame.Labels
    calendar: Calendar
    start: Integers
    begins: Codes
    ends: Codes


def _of_purchases(data: Any, period: str, inactivity: Any, as_of: Any, columns: Any) -> _Runs:
    log = _events.as_log(data, **columns)
    log.require("time")
    log, last_day = known_until(log, as_of)
    start, time, _ = in_wall_order(log, "purchases", amounts=False)
    if time.size == 0:
        msg = f"nobody bought anything by {log.clock.date(last_day)}"
        raise DataError(msg)
    day = time // log.clock.ticks_per_day
    calendar = Calendar.spanning(period, int(day.min()), last_day)
    begins_of_day = ends_of_day = calendar.of_day
    if inactivity is not None:
        ends_of_day = calendar.closes_reached(inactivity)
    place = day - calendar.first_day
    return _Runs(
        log.labels,
        calendar,
        start,
        _frame.readonly(begins_of_day[place]),
        _frame.readonly(ends_of_day[place]),
    )


def _of_contracts(data: Any, period: str, inactivity: Any, start: str | None, end: str | None, as_of: Any, columns: Any) -> _Runs:
    if start is None or end is None:
        msg = "contracts have both start= and end=, the columns of their dates (an end may be missing in a row)"
        raise OptionError(msg)
    if inactivity is not None:
        msg = "inactivity= is for purchases; contracts say themselves when they end"
        raise OptionError(msg)
    if set(columns) - {"customer"}:
        msg = f"contracts take customer=, start= and end=; drop {sorted(set(columns) - {'customer'})}"
        raise OptionError(msg)
    frame = _frame.read(data)
    if len(frame) == 0:
        msg = "the frame has no rows"
        raise DataError(msg)
    ids = _frame.ids(frame, columns.get("customer", "customer_id"), keyword="customer")
    starts = _frame.times(frame, start, keyword="start")
    begun = starts.wall // starts.clock.ticks_per_day
    running = _frame.ids(frame, end, keyword="end", missing="drop").codes < 0
    if running.all():
        ended = np.full(len(frame), np.iinfo(np.int64).max)
    else:
        ends = _frame.times(frame, end, keyword="end", ignore=running)
        ended = np.where(running, np.iinfo(np.int64).max, ends.wall // ends.clock.ticks_per_day)
    wrong = ended < begun
    if wrong.any():
        count, row = _frame.first_place(wrong)
        msg = f"column {end!r}: {count:,} before {start!r}, the first in row {row}; a contract ends on the day it starts or later"
        raise DataError(msg)
    if as_of is None:
        last_day = max(int(begun.max()), int(ended[~running].max(initial=begun.max())))
    else:
        last_day = starts.clock.day(as_of, keyword="as_of")
    known = np.flatnonzero(begun <= last_day)
    if known.size == 0:
        msg = f"no contract has started by {starts.clock.date(last_day)}"
        raise DataError(msg)
    calendar = Calendar.spanning(period, int(begun[known].min()), last_day)
    codes, labels = ids.labels.used(_frame.readonly(ids.codes[known]))
    begins = calendar.number(begun[known])
    closes = calendar.edges[1:] - 1
    # what is to end after the last day that is known runs on
    until = np.where(ended[known] > last_day, calendar.n - 1, np.searchsorted(closes, ended[known], side="left") - 1)
    order = np.lexsort((until, begins, codes))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(labels)))])
    return _Runs(
        labels,
        calendar,
        _frame.readonly(offsets),
        _frame.readonly(begins[order].astype(np.int32)),
        _frame.readonly(until[order].astype(np.int32)),
    )


def _groups(runs: _Runs, by: Any) -> tuple[Codes, _frame.Labels | None]:
    if by is None:
        return _frame.readonly(np.zeros(len(runs.labels), np.int32)), None
    attribute = read_attribute(by, "by")
    values = attribute.groups()
    return values.labels.used(_frame.readonly(values.codes[attribute.rows_of(runs.labels.as_index())]))
