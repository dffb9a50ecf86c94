"""The event log: what customers did, encoded once, sorted once, and everything later starts from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit._frame import Clock, Labels, readonly
from crmkit._kernels import grouping as _g
from crmkit._kernels import orders as _o
from crmkit.errors import ColumnError, DataError, OptionError
from crmkit.results import Shown

__all__ = ["EventLog", "events"]

Floats = npt.NDArray[np.float64]
Ticks = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

REFUNDS = ("error", "subtract", "drop")
MISSING = ("error", "drop")
ROWS = 1 << 18  # rows in one piece of work
CUSTOMERS = 1 << 16  # customers in one piece of work
BUCKETS = 512  # buckets of customers: each is a stream to write, and small enough for the cache
BUCKETS_AT_ONCE = 32  # in one piece of work
DEFAULTS = {"customer": "customer_id", "time": "timestamp", "amount": "amount", "item": "item_id"}
SHARED = "order ids used by several customers, kept apart"
SHORT_ROWS = "refund rows larger than the purchases they could come off"
SHORT = "amount of refunds that came off no purchase"
GONE = "orders refunded in full"
NO_FLOATS = readonly(np.empty(0, np.float64))


class ColumnNames(TypedDict, total=False):
    """The keywords that name columns wherever a frame may stand for a log."""

    customer: str
    time: str | None
    amount: str | None
    order: str | None
    item: str | None
    quantity: str | None
    kind: str | None
    refunds: str
    missing: str


class Span(NamedTuple):
    """First and last event of a log, as pandas Timestamps in its zone."""

    start: Any
    end: Any


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The rows of the log, customer by customer, in time order within each; refunds included."""

    start: Ticks  # n_customers + 1 offsets
    time: Ticks  # ticks of the wall clock
    instant: Ticks  # ticks in UTC; the same array where times have no zone
    amount: Floats | None
    order: Codes  # index into the orders; -1 where the row is a refund, or its order was refunded in full
    order_code: Codes | None
    item: Codes | None
    quantity: Floats | None
    kind: Codes | None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Orders:
    """The purchases of the log, customer by customer, in time order within each; refunds taken off."""

    start: Ticks  # n_customers + 1 offsets; a customer with refunds alone has none
    time: Ticks
    instant: Ticks
    amount: Floats | None


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class EventLog(Shown):
    """What customers did and when, encoded and sorted; made by `events` and never changed.

    Attributes
    ----------
    dropped : mapping of str to number
        What did not become a purchase, and why.
    columns : mapping of str to str
        The columns the log was read from.
    """

    labels: Labels
    items: Labels | None
    order_labels: Labels | None
    kinds: Labels | None
    lines: Lines
    orders: Orders
    clock: Clock
    columns: Mapping[str, str | None]
    refunds: str
    missing: str
    n_missing: int  # rows left out for want of an id
    n_refunds_dropped: int  # rows left out as refunds
    dropped: Mapping[str, float]

    @property
    def n_customers(self) -> int:
        """How many customers have a row in the log."""
        return len(self.labels)

    @property
    def customers(self) -> Any:
        """The ids of the customers with at least one purchase, in order, as they came."""
        return self.labels.take(np.flatnonzero(np.diff(self.orders.start)))

    @property
    def span(self) -> Span:
        """The first and the last event, refunds included."""
        self.require("time")
        first, last = int(self.lines.instant.argmin()), int(self.lines.instant.argmax())
        return Span(self.clock.in_zone(self.lines.instant[first]), self.clock.in_zone(self.lines.instant[last]))

    def until(self, when: Any) -> EventLog:
        """Return the log as it was known just before `when`: events at that moment or later do not exist yet.

        A date is its first moment, so ``until("2011-07-01")`` holds all of June, and ``between("2011-07-01", …)`` goes on
        from there. Refunds that come later are not yet known: an order they take back stands in full. Rows that were left
        out when the file was read stay counted in `dropped`, whenever they were.
        """
        self.require("time")
        return self._select(self.lines.instant < self.clock.instant(when, keyword="when"), f"before {when}")

    def between(self, start: Any, end: Any) -> EventLog:
        """Return the events from `start` on and before `end`.

        A refund counts against purchases in between alone: one that names an order from before takes nothing off the others.
        """
        self.require("time")
        first, last = self.clock.instant(start, keyword="start"), self.clock.instant(end, keyword="end")
        if first >= last:
            msg = f"start={start!r} is not before end={end!r}"
            raise OptionError(msg)
        inside = (self.lines.instant >= first) & (self.lines.instant < last)
        return self._side(inside, f"from {start} to before {end}")

    def append(self, new_events: Any) -> EventLog:
        """Return the log of all rows so far and those of `new_events`, a frame with the same columns.

        The result equals `events` on the two frames put one below the other, to the bit. Old ids are not encoded again nor old
        rows sorted: beside what the new rows take, the old ones are copied.
        Only ids that do not sort, such as numbers among text, may come in another order: that of their first appearance here.
        """
        new = _read(_frame.read(new_events), self.columns, self.missing, may_be_empty=True)
        if self.refunds == "error":
            _refuse_refunds(new, self.columns)  # here, where rows still count as in the new frame
        from crmkit._append import joined, spliced  # it stands on this module

        grown = spliced(self, new)
        return _assemble(joined(self, new), self.columns, self.refunds, self.missing) if grown is None else grown

    def require(self, *names: str) -> None:
        """Raise unless the log was built with these columns."""
        for name in names:
            if self.columns.get(name) is None:
                default = DEFAULTS.get(name, "no column")
                msg = f"the log has no {name} ({default} by default): name its column with {name}= when you build it"
                raise ColumnError(msg)

    def __len__(self) -> int:
        return int(self.lines.time.size)

    # nothing in a log can change, so that a copy is the log; read-only mappings do not travel, and arrays arrive writable
    def __deepcopy__(self, memo: Any) -> EventLog:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return _restored, ({**fields, "columns": dict(self.columns), "dropped": dict(self.dropped)},)

    def __repr__(self) -> str:
        purchases = self.orders.time.size
        span = f", {self.span.start} to {self.span.end}" if self.columns.get("time") is not None else ""
        lines = [f"EventLog: {len(self):,} events, {purchases:,} purchases, {self.n_customers:,} customers{span}"]
        lines += [f"  {reason}: {count:,.10g}" for reason, count in self.dropped.items()]
        return "\n".join(lines)

    def _select(self, keep: npt.NDArray[np.bool_], words: str) -> EventLog:
        if not keep.any():
            msg = f"no event lies {words}; the log runs from {self.span.start} to {self.span.end}"
            raise DataError(msg)
        customer = np.repeat(np.arange(self.n_customers, dtype=np.int32), np.diff(self.lines.start))
        rows = np.flatnonzero(keep)
        return self._of_rows(rows, *self.labels.used(customer[rows]))

    def _side(self, inside: npt.NDArray[np.bool_], words: str) -> EventLog:
        """Return the events of one side, without refunds that name an order of the other: they take nothing off this one's."""
        lines = self.lines
        if lines.order_code is not None and lines.amount is not None and (lines.amount < 0).any():
            assert self.order_labels is not None
            bought = lines.amount >= 0
            customer = np.repeat(np.arange(self.n_customers, dtype=np.int64), np.diff(lines.start))
            order = customer * len(self.order_labels) + lines.order_code
            elsewhere = np.setdiff1d(order[bought & ~inside], order[bought & inside])
            inside = inside & (bought | ~np.isin(order, elsewhere))
        return self._select(inside, words)

    def _of_rows(self, rows: npt.NDArray[np.intp], codes: Codes, labels: Labels) -> EventLog:
        """Assemble some of the rows anew, under these customers."""
        lines = self.lines
        time = lines.time[rows]
        selected = _Raw(
            customer=codes,
            labels=labels,
            time=time,
            instant=time if lines.time is lines.instant else lines.instant[rows],
            clock=self.clock,
            amount=_taken(lines.amount, rows),
            order=_used_or_none(lines.order_code, rows, self.order_labels),
            item=_used_or_none(lines.item, rows, self.items),
            kind=_used_or_none(lines.kind, rows, self.kinds),
            quantity=_taken(lines.quantity, rows),
            n_missing=self.n_missing,
            n_refunds_dropped=self.n_refunds_dropped,
        )
        return _assemble(selected, self.columns, self.refunds, self.missing)


def events(
    frame: Any,
    /,
    *,
    customer: str = "customer_id",
    time: str | None = "timestamp",
    amount: str | None = "amount",
    order: str | None = None,
    item: str | None = "item_id",
    quantity: str | None = None,
    kind: str | None = None,
    refunds: str = "error",
    missing: str = "error",
) -> EventLog:
    """Read a frame of purchases into the log that every other function starts from.

    Parameters
    ----------
    frame : DataFrame
        One row per order, or per order line: pandas, polars or pyarrow. It is not changed.
    customer : str, default "customer_id"
        Column of customer ids: integers, strings, categories, anything hashable.
    time : str or None, default "timestamp"
        Column of dates or times, with or without a zone; text is read if it is ISO 8601. Calendar days follow the wall clock
        of the column's zone. None for functions that need no time.
    amount : str or None, default "amount"
        Column of amounts in one currency. Zero is a purchase, negative is a refund. None for functions that need no amounts.
    order : str, optional
        Column of order ids: rows of a customer with one value are one order, dated by its first purchase row. Without it,
        rows of a customer with one timestamp are.
    item : str or None, default "item_id"
        Column of item ids; without a column of the default name the log has no items.
    quantity : str, optional
        Column of quantities.
    kind : str, optional
        Column that says what kind of event a row is.
    refunds : {"error", "subtract", "drop"}, default "error"
        What to do with negative amounts: refuse them; take them off purchases; or leave their rows out.
    missing : {"error", "drop"}, default "error"
        What to do with rows without a customer, order or item id.

    Returns
    -------
    EventLog
        The encoded log. Its `dropped` says what was left out and why.

    Raises
    ------
    ColumnError
        A named column is not in the frame, or is there twice.
    DataError
        An id is missing, a time cannot be read, an amount is missing, infinite or (by default) negative, or no row is left.
    OptionError
        `refunds` or `missing` is not one of its values.

    Notes
    -----
    With ``refunds="subtract"`` a refund comes off the order with the same id, and no further; a refund without such an order
    comes off the customer's latest purchases not after it, one after another. No order falls below zero: what could not be
    taken is reported in `dropped`. An order refunded in full is no purchase. One id used by two customers makes two orders.

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "ann", "bob"],
    ...         "timestamp": pd.to_datetime(["2024-01-05", "2024-01-07", "2024-02-01", "2024-02-03"]),
    ...         "amount": [20.0, 35.0, 15.0, -35.0],
    ...     }
    ... )
    >>> crm.events(orders, refunds="subtract")
    EventLog: 4 events, 2 purchases, 2 customers, 2024-01-05 00:00:00 to 2024-02-03 00:00:00
      refund rows subtracted: 1
      orders refunded in full: 1
    """
    _options.choice("refunds", refunds, REFUNDS)
    _options.choice("missing", missing, MISSING)
    table = _frame.read(frame)
    if item == "item_id" and item not in table.columns:
        item = None
    columns = {
        "customer": customer,
        "time": time,
        "amount": amount,
        "order": order,
        "item": item,
        "quantity": quantity,
        "kind": kind,
    }
    return _assemble(_read(table, columns, missing), columns, refunds, missing)


def as_log(log: Any, /, **columns: Unpack[ColumnNames]) -> EventLog:
    """Return a log as it is, or read a frame with the given column keywords into one."""
    if isinstance(log, EventLog):
        if columns:
            msg = f"a log knows its columns; drop {sorted(columns)}, or pass the frame"
            raise OptionError(msg)
        return log
    # items cost as much to encode as customers do: functions that want them ask for them
    if "item" not in columns:
        columns["item"] = None
    return events(log, **columns)


def of_persons(log: EventLog, person: npt.NDArray[np.integer[Any]]) -> EventLog:
    """Return the log with customers put together: `person` has, for each of them, the code of the one who stands for all."""
    customer = np.repeat(np.asarray(person, dtype=np.int32), np.diff(log.lines.start))
    return log._of_rows(np.arange(len(log)), *log.labels.used(customer))


# ── building a log ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Raw:
    """Checked and encoded rows in file order; a row with customer code -1 is left out."""

    customer: Codes
    labels: Labels
    time: Ticks
    instant: Ticks
    clock: Clock
    amount: Floats | None
    order: tuple[Codes, Labels] | None
    item: tuple[Codes, Labels] | None
    kind: tuple[Codes, Labels] | None
    quantity: Floats | None
    n_missing: int
    n_refunds_dropped: int = 0


def _read(table: _frame.Frame, columns: Mapping[str, str | None], missing: str, *, may_be_empty: bool = False) -> _Raw:
    if len(table) == 0:
        msg = "the frame has no rows"
        raise DataError(msg)
    encoded = {
        name: _frame.ids(table, columns[name], keyword=name, missing=missing)
        for name in ("customer", "order", "item", "kind")
        if name == "customer" or columns[name] is not None
    }
    customer, labels = encoded["customer"].codes, encoded["customer"].labels
    out = np.zeros(0, np.bool_)
    n_missing = 0
    if missing == "drop":
        out = customer < 0
        for name in ("order", "item"):
            if name in encoded:
                out |= encoded[name].codes < 0
        n_missing = int(out.sum())
        if n_missing == len(table) and not may_be_empty:
            msg = f"no row is left: all {n_missing:,} lack a customer, order or item id"
            raise DataError(msg)
    ignore = out if n_missing else None
    if columns["time"] is None:
        wall = instant = readonly(np.zeros(len(table), np.int64))
        clock = Clock("s", None)
    else:
        read = _frame.times(table, columns["time"], keyword="time", ignore=ignore)
        wall, instant, clock = read.wall, read.instant, read.clock

    def number(name: str) -> Floats | None:
        return None if columns[name] is None else _frame.numbers(table, columns[name], keyword=name, ignore=ignore)

    def codes(name: str) -> tuple[Codes, Labels] | None:
        if name not in encoded:
            return None
        ids = encoded[name]
        return (ids.codes, ids.labels) if ignore is None else ids.labels.used(np.where(out, np.int32(-1), ids.codes))

    amount, quantity = number("amount"), number("quantity")
    if ignore is not None:
        customer, labels = labels.used(np.where(out, np.int32(-1), customer))
    return _Raw(customer, labels, wall, instant, clock, amount, codes("order"), codes("item"), codes("kind"), quantity, n_missing)


def _assemble(raw: _Raw, columns: Mapping[str, str | None], refunds: str, missing: str) -> EventLog:
    """Sort the rows by customer and time, make orders of them, settle refunds."""
    if refunds == "error":
        _refuse_refunds(raw, columns)
    raw = _settled(raw, refunds)
    if len(raw.labels) == 0:
        msg = f"no purchase is left: all {raw.n_refunds_dropped:,} rows are refunds"
        raise DataError(msg)
    _refuse_overflow(columns, raw.amount)
    known = _Known.of(raw, columns, refunds, missing)
    lines = _sorted_lines(raw, raw.customer, len(raw.labels))
    # the columns in file order have done their work; orders need the room
    del raw
    return known.log(lines, _orders)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What a log is besides its rows."""

    labels: Labels
    items: Labels | None
    order_labels: Labels | None
    kinds: Labels | None
    clock: Clock
    columns: Mapping[str, str | None]
    refunds: str
    missing: str
    n_missing: int
    n_refunds_dropped: int

    @classmethod
    def of(cls, raw: _Raw, columns: Mapping[str, str | None], refunds: str, missing: str) -> _Known:
        items, orders, kinds = ((column[1] if column else None) for column in (raw.item, raw.order, raw.kind))
        return cls(raw.labels, items, orders, kinds, raw.clock, columns, refunds, missing, raw.n_missing, raw.n_refunds_dropped)

    def log(self, lines: Lines, orders_of: Callable[..., tuple[Codes, Orders]]) -> EventLog:
        """Make orders of the sorted lines, and the log of both."""
        dropped: dict[str, float] = {"rows without an id": self.n_missing} if self.n_missing else {}
        if self.n_refunds_dropped:
            dropped["refund rows dropped"] = self.n_refunds_dropped
        n_refunds = 0 if lines.amount is None or lines.amount.min() >= 0 else int((lines.amount < 0).sum())
        if n_refunds:
            dropped["refund rows subtracted"] = n_refunds
        n_codes = len(self.order_labels) if self.order_labels else 0
        order_of, orders = orders_of(lines, n_codes, dropped, has_refunds=n_refunds > 0)
        fields: dict[str, Any] = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields |= {"columns": MappingProxyType(dict(self.columns)), "dropped": MappingProxyType(dropped)}
        return EventLog(lines=dataclasses.replace(lines, order=order_of), orders=orders, **fields)


def _settled(raw: _Raw, refunds: str) -> _Raw:
    """Leave refunds out where they are to be dropped, and count them."""
    rows = _refund_rows(raw) if refunds == "drop" else np.zeros(0, np.bool_)
    n = int(rows.sum())
    return dataclasses.replace(_without(raw, rows), n_refunds_dropped=raw.n_refunds_dropped + n) if n else raw


def _refund_rows(raw: _Raw) -> npt.NDArray[np.bool_]:
    if raw.amount is None or raw.amount.size == 0 or raw.amount.min() >= 0:
        return np.zeros(0, np.bool_)
    return np.asarray((raw.amount < 0) & (raw.customer >= 0))


def _refuse_refunds(raw: _Raw, columns: Mapping[str, str | None]) -> None:
    refund_rows = _refund_rows(raw)
    if raw.amount is not None and refund_rows.any():
        count, row = _frame.first_place(refund_rows)
        msg = (
            f"column {columns['amount']!r}: {count:,} negative, the first in row {row} ({raw.amount[row]:g});"
            ' pass refunds="subtract" to take refunds off purchases, or refunds="drop" to leave their rows out'
        )
        raise DataError(msg)


def _refuse_overflow(columns: Mapping[str, str | None], *amounts: Floats | None) -> None:
    """Whatever is added up later, no sum of amounts may become infinite."""
    there = [amount for amount in amounts if amount is not None and amount.size]
    largest = max((max(float(amount.max()), -float(amount.min())) for amount in there), default=0.0)
    if largest * sum(amount.size for amount in there) > np.finfo(np.float64).max:
        msg = f"column {columns['amount']!r}: amounts as large as {largest:g} add up beyond what can be counted; check its unit"
        raise DataError(msg)


def _without(raw: _Raw, rows: npt.NDArray[np.bool_]) -> _Raw:
    """Leave rows out, and every id that no other row has."""

    def left(codes: Codes, labels: Labels) -> tuple[Codes, Labels]:
        return labels.used(np.where(rows, np.int32(-1), codes))

    customer, labels = left(raw.customer, raw.labels)
    order, item, kind = (known and left(*known) for known in (raw.order, raw.item, raw.kind))
    return dataclasses.replace(raw, customer=customer, labels=labels, order=order, item=item, kind=kind)


def _restored(fields: dict[str, Any]) -> EventLog:
    """Build the log that was pickled: its arrays read-only, and one array where it was one array for two columns."""
    known: dict[int, Any] = {}

    def fixed(columns: Any) -> Any:
        arrays = {field.name: getattr(columns, field.name) for field in dataclasses.fields(columns)}
        views = {name: array if array is None else known.setdefault(id(array), readonly(array)) for name, array in arrays.items()}
        return type(columns)(**views)

    fields = {**fields, "lines": fixed(fields["lines"]), "orders": fixed(fields["orders"])}
    return EventLog(**{**fields, **{name: MappingProxyType(fields[name]) for name in ("columns", "dropped")}})


def _sorted_lines(raw: _Raw, customer: Codes, n_labels: int) -> Lines:
    """Bring every column into the order of customer and time; to which order a line belongs is not known yet."""
    buckets = _Buckets.deal(customer, n_labels)
    start, instant, places = buckets.sort(raw.instant)
    if raw.order is not None:
        _o.sort_moments_by_code(start, instant, buckets.dealt(raw.order[0]), places)
    places = readonly(places)
    return Lines(
        start=start,
        time=instant if raw.time is raw.instant else buckets.arranged(raw.time, places),
        instant=instant,
        amount=buckets.arranged(raw.amount, places),
        order=np.empty(0, np.int32),
        order_code=buckets.arranged(raw.order[0], places) if raw.order else None,
        item=buckets.arranged(raw.item[0], places) if raw.item else None,
        quantity=buckets.arranged(raw.quantity, places),
        kind=buckets.arranged(raw.kind[0], places) if raw.kind else None,
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Buckets:
    """Rows dealt into buckets of neighbouring labels: what is then done within a bucket stays in the cache."""

    codes: Codes  # label of each row, in file order; -1 for a row that is left out
    n_labels: int
    shift: int  # a bucket is 2**shift labels
    start: Ticks  # where each bucket starts
    slots: Ticks  # where each piece of the file starts in each bucket

    @classmethod
    def deal(cls, codes: Codes, n_labels: int) -> _Buckets:
        shift = max(0, (n_labels - 1).bit_length() - BUCKETS.bit_length() + 1)
        n_buckets = ((n_labels - 1) >> shift) + 1
        codes, pieces = readonly(codes), _threads.chunks(codes.size, ROWS)
        counts = np.zeros((len(pieces), n_buckets), np.int64)
        _threads.run(lambda k: _g.count_buckets(codes, shift, *pieces[k], counts[k]), range(len(pieces)))
        start = np.concatenate([[0], np.cumsum(counts.sum(axis=0))])
        slots = start[:-1] + np.cumsum(counts, axis=0) - counts
        return cls(codes, n_labels, shift, readonly(start), readonly(slots))

    def dealt(self, values: npt.NDArray[Any]) -> Any:
        """Return a column in bucket order."""
        values, out = readonly(values), np.empty(int(self.start[-1]), values.dtype)
        pieces = _threads.chunks(values.size, ROWS)
        _threads.run(lambda k: _g.deal(self.codes, self.shift, *pieces[k], self.slots[k], values, out), range(len(pieces)))
        return readonly(out)

    def sort(self, instant: Ticks) -> tuple[Ticks, Ticks, Codes]:
        """Return each label's offsets, the instants in the order of label and time, and where in bucket order they stood."""
        codes, moments = self.dealt(self.codes), self.dealt(instant)
        n = moments.size
        start, sorted_moments, places = np.empty(self.n_labels + 1, np.int64), np.empty(n, np.int64), np.empty(n, np.int32)
        start[-1] = n
        pieces = _threads.chunks(self.start.size - 1, BUCKETS_AT_ONCE)
        _threads.run(
            lambda piece: _g.sort_buckets(codes, moments, self.start, self.shift, *piece, start, sorted_moments, places), pieces
        )
        return readonly(start), readonly(sorted_moments), places

    def arranged(self, values: npt.NDArray[Any] | None, places: Codes) -> Any:
        """Return a column in the order of label and time."""
        if values is None:
            return None
        dealt = self.dealt(values)
        out = np.empty(places.size, dealt.dtype)
        _threads.run(lambda piece: _g.gather(dealt, places, *piece, out), _threads.chunks(places.size, ROWS))
        return readonly(out)


def _orders(lines: Lines, n_codes: int, dropped: dict[str, float], *, has_refunds: bool) -> tuple[Codes, Orders]:
    if lines.order_code is None and not has_refunds:
        return _orders_by_moment(lines)

    start, instant, n = lines.start, lines.instant, lines.instant.size
    order_of, order_start = np.empty(n, np.int32), np.empty(start.size, np.int64)
    first_line = np.empty(n, np.int32)
    signs = lines.amount if has_refunds and lines.amount is not None else NO_FLOATS
    if lines.order_code is None:
        n_orders = _o.orders_by_moment(start, instant, signs, order_of, order_start, first_line)
    else:
        n_orders, n_shared = _o.orders_by_code(start, signs, lines.order_code, n_codes, order_of, order_start, first_line)
        if n_shared:
            dropped[SHARED] = int(n_shared)
    first_line = first_line[:n_orders].copy()
    amount = None
    if lines.amount is not None:
        amount = np.zeros(n_orders, np.float64)
        _o.total_orders(lines.amount, order_of, amount)
    if has_refunds and amount is not None and lines.amount is not None:
        total, amount = readonly(amount), amount.copy()
        named = lines.order_code is not None
        n_short, short = _o.subtract_refunds(
            start, order_start, instant, first_line, lines.amount, order_of, named, total, amount
        )
        if n_short:
            dropped[SHORT_ROWS] = int(n_short)
            dropped[SHORT] = float(short)
        kept_start, kept = np.empty_like(order_start), np.empty(n_orders, np.int32)
        n_kept, n_gone = _o.drop_refunded(order_start, total, amount, lines.amount, order_of, kept_start, kept)
        if n_gone:
            dropped[GONE] = int(n_gone)
        kept = kept[:n_kept]
        order_start, first_line, amount = kept_start, first_line[kept], amount[kept]
    time = readonly(lines.time[first_line])
    orders = Orders(
        start=readonly(order_start),
        time=time,
        instant=time if lines.time is lines.instant else readonly(instant[first_line]),
        amount=None if amount is None else readonly(amount),
    )
    return readonly(order_of), orders


def _orders_by_moment(lines: Lines) -> tuple[Codes, Orders]:
    """Merge the lines of a moment where no order has an id and nothing was refunded: the common case, in two passes."""
    start, n = lines.start, lines.instant.size
    pieces = _threads.chunks(start.size - 1, CUSTOMERS)
    n_orders = np.empty(start.size - 1, np.int64)
    _threads.run(lambda piece: _o.count_moments(start, lines.instant, *piece, n_orders), pieces)
    order_start = readonly(np.concatenate([[0], np.cumsum(n_orders)]))
    m = int(order_start[-1])
    if m == n:
        # every line is an order of its own: one copy of the columns serves both
        return readonly(np.arange(n, dtype=np.int32)), Orders(start, lines.time, lines.instant, lines.amount)
    naive = lines.time is lines.instant
    order_of, time, instant = np.empty(n, np.int32), np.empty(m, np.int64), np.empty(0 if naive else m, np.int64)
    amount, total = NO_FLOATS if lines.amount is None else lines.amount, np.empty(0 if lines.amount is None else m)
    columns = (start, lines.time, lines.instant, amount, order_start)
    _threads.run(lambda piece: _o.merge_moments(*columns, *piece, order_of, time, instant, total), pieces)
    time = readonly(time)
    orders = Orders(
        start=order_start,
        time=time,
        instant=time if naive else readonly(instant),
        amount=None if lines.amount is None else readonly(total),
    )
    return readonly(order_of), orders


def _used_or_none(codes: Codes | None, rows: npt.NDArray[np.intp], labels: Labels | None) -> tuple[Codes, Labels] | None:
    return None if codes is None or labels is None else labels.used(codes[rows])


def _taken(values: Floats | None, rows: npt.NDArray[np.intp]) -> Floats | None:
    return None if values is None else values[rows]
