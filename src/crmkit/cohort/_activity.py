"""What customers did, ready to be counted by cohort: from a log, or, where nothing need be sorted, from the rows as they are."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _threads
from crmkit._kernels import cohort as _k
from crmkit.cohort._periods import Calendar, known_until, last_known_day

if TYPE_CHECKING:
    from crmkit._events import ColumnNames, EventLog

__all__ = ["Activity", "Grid", "LogActivity", "activity_of", "in_wall_order"]

Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

CUSTOMERS = 1 << 16  # in one piece of work
ROWS = 1 << 20
MARKED_ROWS = 1 << 22  # in one piece of work: each has marks of its own
MOST_MARKS = 1 << 31  # customers times days: a quarter of a GB of bits, were every day a period
PLAIN = {"customer", "time", "amount", "item", "refunds", "missing"}  # columns that leave every row an event of its own


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The table to fill: for each member the customer, the period of their start, and the row; for each age the column."""

    calendar: Calendar
    shape: tuple[int, int]
    customer: Integers  # -1: did nothing
    origin: Integers
    row: Integers
    slot_of_age: Codes


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LogActivity:
    """Events of a log: times of the wall clock, ascending per customer, and amounts where they are asked for."""

    labels: _frame.Labels
    clock: _frame.Clock
    last_day: int
    start: Integers
    time: Integers
    amount: npt.NDArray[np.float64]

    def starts(self) -> tuple[Integers, Integers]:
        """Return the customers who did something, and the day of the first thing each did."""
        who = np.flatnonzero(np.diff(self.start))
        return who, self.time[self.start[who]] // self.clock.ticks_per_day

    def active(self, grid: Grid) -> Any:
        """Count the members of each row who did something at the ages of each column."""

        def work(piece: Any) -> Integers:
            table = np.zeros(grid.shape, np.int64)
            arguments: Any = (self.start, self.time, *self.of(grid), grid.slot_of_age, *piece, table)
            _k.count_active(*arguments)
            return table

        return added(_threads.run(work, _threads.chunks(grid.row.size, CUSTOMERS)))

    def last_active(self, grid: Grid) -> Any:
        """Count the members of each row whose last activity was at the age of each column."""

        def work(piece: Any) -> Integers:
            table = np.zeros(grid.shape, np.int64)
            arguments: Any = (self.start, self.time, *self.of(grid), *piece, table)
            _k.count_last_active(*arguments)
            return table

        return added(_threads.run(work, _threads.chunks(grid.row.size, CUSTOMERS)))

    def of(self, grid: Grid) -> tuple[Any, ...]:
        """Return what the kernels want to know of the calendar and the members."""
        calendar, per_day = grid.calendar, self.clock.ticks_per_day
        # a period may begin or end beyond what 64 bits of nanoseconds can count
        last = np.iinfo(np.int64).max
        beyond = np.abs(calendar.edges) > last // per_day
        edges = _frame.readonly(np.where(beyond, np.sign(calendar.edges) * last, calendar.edges * per_day))
        return edges, calendar.of_day, per_day, calendar.first_day, grid.customer, grid.origin, grid.row


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RowActivity:
    """Rows of a frame as they come: the customer and the day of each."""

    labels: _frame.Labels
    clock: _frame.Clock
    last_day: int
    code: Codes
    day: Codes

    def starts(self) -> tuple[Integers, Integers]:
        """Return the customers who did something, and the day of the first thing each did."""
        never = np.iinfo(np.int32).max
        first = np.full(len(self.labels), never, np.int32)
        _k.first_days(self.code, self.day, self.last_day, first)
        who = np.flatnonzero(first != never)
        return who, first[who].astype(np.int64)

    def active(self, grid: Grid) -> Any:
        """Count the members of each row who did something at the ages of each column."""
        return self._counted(grid, last_only=False)

    def last_active(self, grid: Grid) -> Any:
        """Count the members of each row whose last activity was at the age of each column."""
        return self._counted(grid, last_only=True)

    def _counted(self, grid: Grid, *, last_only: bool) -> Any:
        """Mark the periods of each customer in a few words of bits, then count those."""
        calendar, of_day = grid.calendar, grid.calendar.of_day

        def mark(piece: Any) -> Any:
            marks = np.zeros((len(self.labels), -(-calendar.n // 64)), np.uint64)
            arguments: Any = (self.code, self.day, self.last_day, of_day, calendar.first_day, *piece, marks)
            _k.mark_periods(*arguments)
            return marks

        first, *others = _threads.run(mark, _threads.chunks(self.code.size, MARKED_ROWS))
        for marks in others:
            np.bitwise_or(first, marks, out=first)
        every: Any = _frame.readonly(first)

        def count(piece: Any) -> Any:
            table = np.zeros(grid.shape, np.int64)
            arguments: Any = (every, grid.customer, grid.origin, grid.row, grid.slot_of_age, last_only, *piece, table)
            _k.count_marked(*arguments)
            return table

        return added(_threads.run(count, _threads.chunks(grid.row.size, CUSTOMERS)))


Activity = LogActivity | RowActivity


def activity_of(log: Any, activity: str, as_of: Any, columns: ColumnNames, *, amounts: bool) -> Activity:
    """Choose the cheaper way that gives the same counts: rows need no sorting where each of them is an event."""
    if not isinstance(log, _events.EventLog) and not amounts and set(columns) <= PLAIN:
        rows = _rows(log, as_of, columns)
        if rows is not None:
            return rows
    log = _events.as_log(log, **columns)
    log.require("time", *(["amount"] if amounts else []))
    log, last_day = known_until(log, as_of)
    return LogActivity(log.labels, log.clock, last_day, *in_wall_order(log, activity, amounts=amounts))


def _rows(frame: Any, as_of: Any, columns: ColumnNames) -> RowActivity | None:
    """Read the rows of a frame if each is an event whatever the order they are in; None if a log must tell."""
    table = _frame.read(frame)
    if columns.get("missing", "error") != "error" or columns.get("refunds", "error") not in _events.REFUNDS or len(table) == 0:
        return None
    ids = _frame.ids(table, columns.get("customer", "customer_id"), keyword="customer")
    time, amount = columns.get("time", "timestamp"), columns.get("amount", "amount")
    if time is None:
        return None
    times = _frame.times(table, time, keyword="time")
    if amount is not None and _frame.numbers(table, amount, keyword="amount").min() < 0:
        return None
    item = columns.get("item")
    if item is not None:
        _frame.ids(table, item, keyword="item")
    per_day = times.clock.ticks_per_day
    earliest, latest = int(times.wall.min()) // per_day, int(times.wall.max()) // per_day
    last_day = last_known_day(times.clock, as_of, earliest, latest)
    if max(abs(earliest), abs(latest), abs(last_day)) >= np.iinfo(np.int32).max:
        return None
    if len(ids.labels) * (last_day - earliest + 1) > MOST_MARKS:
        return None
    day = np.empty(times.wall.size, np.int32)
    _threads.run(lambda piece: _k.days_of(times.wall, per_day, *piece, day), _threads.chunks(day.size, ROWS))
    return RowActivity(ids.labels, times.clock, last_day, ids.codes, _frame.readonly(day))


def in_wall_order(log: EventLog, activity: str, *, amounts: bool) -> tuple[Integers, Integers, npt.NDArray[np.float64]]:
    """Return offsets, times and amounts of purchases or of all events, in the order of the wall clock."""
    source = log.orders if activity == "purchases" else log.lines
    start, time = source.start, source.time
    amount = source.amount if amounts and source.amount is not None else _frame.readonly(np.empty(0, np.float64))
    order = _frame.wall_order(start, time, source.instant, log.clock)
    if order is not None:
        time = _frame.readonly(time[order])
        amount = _frame.readonly(amount[order]) if amount.size else amount
    return start, time, amount


def added(tables: list[Any]) -> Any:
    """Add up tables in their order, into the first."""
    first, *others = tables
    for table in others:
        np.add(first, table, out=first)
    return first
