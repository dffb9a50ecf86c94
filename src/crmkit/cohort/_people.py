"""Whom to follow, from when on, and in which group."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import cohort as _k
from crmkit.errors import DataError, OptionError

if TYPE_CHECKING:
    from crmkit._events import EventLog

__all__ = ["Attribute", "Events", "in_wall_order", "read_attribute", "start_days"]

Integers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Events:
    """What counts as activity: times of the wall clock, ascending per customer, and amounts where they are asked for."""

    start: Integers
    time: Integers
    amount: npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One value per customer: a frame of columns ``id`` and ``value``, and where each id stands in it."""

    keyword: str
    frame: _frame.Frame
    ids: _frame.Ids

    def rows_of(self, wanted: Any) -> Integers:
        """Return the row of each customer in `wanted`; all must be there."""
        codes = self.ids.labels.codes_of(wanted, what="customer")
        unknown = int((codes < 0).sum())
        if unknown:
            msg = f"{self.keyword}: {unknown:,} of {codes.size:,} customers have no value in it; give one for each"
            raise DataError(msg)
        row = np.empty(len(self.ids.labels), np.int64)
        row[self.ids.codes] = np.arange(row.size)
        found: Integers = row[codes]
        return found

    def groups(self) -> _frame.Ids:
        """Read the values as names of groups."""
        groups = _frame.ids(self.frame, "value", missing="drop")
        gone = groups.codes < 0
        if gone.any():
            count, row = _frame.first_place(gone)
            msg = f"{self.keyword}: {count:,} customers have a missing value, the first in row {row}; name it, such as 'unknown'"
            raise DataError(msg)
        return groups

    def days(self) -> Integers:
        """Read the values as dates: days since 1970 on their own wall clock."""
        times = _frame.times(self.frame, "value", keyword=self.keyword)
        days: Integers = times.wall // times.clock.ticks_per_day
        return days


def read_attribute(given: Any, keyword: str) -> Attribute:
    """Read a Series indexed by customer, a mapping, or a frame of customer ids and values."""
    if isinstance(given, Mapping):
        columns: dict[str, Any] = {"id": list(given), "value": list(given.values())}
        frame = _frame.read(_frame.table(columns))
    elif _frame.is_frame(given):
        table = _frame.read(given)
        if len(table.columns) != 2:
            msg = f"{keyword}: a frame has two columns, customer ids and values; this one has {table.columns}"
            raise OptionError(msg)
        names = table.columns
        frame = _frame.read(_frame.table({"id": table.column(names[0]), "value": table.column(names[1])}, kind=table.kind))
    elif hasattr(given, "index") and hasattr(given, "array") and getattr(given.index, "nlevels", 2) == 1:
        frame = _frame.read(_frame.table({"id": given.index.array, "value": given.array}))
    else:
        msg = (
            f"{keyword}= takes one value per customer: a Series indexed by customer id, a mapping, or a frame of the two;"
            f" got {type(given).__name__}"
        )
        raise OptionError(msg)
    if len(frame) == 0:
        msg = f"{keyword}: it has no rows"
        raise DataError(msg)
    ids = _frame.ids(frame, "id", keyword=keyword)
    again = int((np.bincount(ids.codes) > 1).sum())
    if again:
        msg = f"{keyword}: {again:,} customers are there more than once; give each one value"
        raise DataError(msg)
    return Attribute(keyword, frame, ids)


def in_wall_order(log: EventLog, activity: str, *, amounts: bool) -> Events:
    """Return purchases, or all events, in the order of the wall clock where that differs from the order of time by a day."""
    source = log.orders if activity == "purchases" else log.lines
    start, time = source.start, source.time
    amount = source.amount if amounts and source.amount is not None else _frame.readonly(np.empty(0, np.float64))
    if time is not source.instant and time.size:
        # clocks that go back across midnight show yesterday once more
        back = np.flatnonzero(time[1:] < time[:-1])
        inside = np.ones(time.size + 1, np.bool_)
        inside[start] = False
        day = log.clock.ticks_per_day
        back = back[inside[back + 1]]
        if (time[back + 1] // day != time[back] // day).any():
            order = np.lexsort((time, np.repeat(np.arange(start.size - 1), np.diff(start))))
            time = _frame.readonly(time[order])
            amount = _frame.readonly(amount[order]) if amount.size else amount
    return Events(start, time, amount)


def start_days(events: Events, ticks_per_day: int) -> tuple[Integers, Integers]:
    """Return the customers who did something, and the day of the first thing each did."""
    nothing = np.iinfo(np.int64).max
    first = np.empty(events.start.size - 1, np.int64)
    _k.first_times(events.start, events.time, nothing, first)
    who = np.flatnonzero(first != nothing)
    return who, first[who] // ticks_per_day
