"""How a log grows: new rows are sorted among themselves, and put between the old ones."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _threads
from crmkit._events import (
    CUSTOMERS,
    GONE,
    NO_FLOATS,
    SHARED,
    SHORT_ROWS,
    Codes,
    EventLog,
    Lines,
    Orders,
    Ticks,
    _orders,
)
from crmkit._events import _Known as Known
from crmkit._events import _Raw as Raw
from crmkit._events import _refuse_overflow as refuse_overflow
from crmkit._events import _settled as settled
from crmkit._events import _sorted_lines as sorted_lines
from crmkit._frame import Clock, Labels, readonly
from crmkit._kernels import splice as _s
from crmkit.errors import DataError

__all__ = ["joined", "spliced"]

SPLICES = 16  # pieces in which new rows are put between old ones
NO_CODES = readonly(np.empty(0, np.int32))


def spliced(log: EventLog, new: Raw) -> EventLog | None:
    """Sort the new rows alone and put them between the old ones; None where old rows need more than to be copied."""
    new = settled(new, log.refunds)
    old = log.lines
    if new.clock != log.clock or len(new.labels) == 0 or (new.time is new.instant) != (old.time is old.instant):
        return None
    labels, of_old, of_new = log.labels.merge(new.labels)

    def united(known: Labels | None, added: tuple[Codes, Labels] | None) -> tuple[Labels | None, Codes, Codes]:
        return (None, NO_CODES, NO_CODES) if known is None or added is None else known.merge(added[1])

    orders = united(log.order_labels, new.order)
    # sorted rows stay sorted where their ids keep their order
    if not all((np.diff(codes) > 0).all() for codes in (of_old, of_new, *orders[1:])):
        return None
    refuse_overflow(log.columns, old.amount, new.amount)
    added = sorted_lines(new, new.customer, len(new.labels))
    first_later = np.zeros(len(labels) + 1, np.int64)
    first_later[of_old + 1] = 1
    start = np.zeros(len(labels) + 1, np.int64)
    start[of_old + 1] += np.diff(old.start)
    start[of_new + 1] += np.diff(added.start)
    start, first_later = readonly(np.cumsum(start)), readonly(np.cumsum(first_later))
    place = np.empty(added.instant.size, np.int64)
    old_order, new_order = (NO_CODES if codes is None else codes for codes in (old.order_code, added.order_code))
    of_new, of_old_order, of_new_order = (readonly(codes) for codes in (of_new, *orders[1:]))
    rows = (old.start, old.instant, old_order, added.start, added.instant, new_order)
    arguments: Any = (*rows, of_new, of_old_order, of_new_order, first_later, place)
    _s.find_places(*arguments)
    place, pieces = readonly(place), _threads.chunks(place.size, -(-place.size // SPLICES))

    def column(before: Any, behind: Any, renamed: tuple[Codes, Codes] | None = None) -> Any:
        if before is None or behind is None:
            return None
        out = np.empty(before.size + behind.size, before.dtype)
        # code -1, an unknown kind, reads the last place
        of_before, of_behind = (
            [readonly(np.append(codes, np.int32(-1))) for codes in renamed] if renamed else (NO_CODES, NO_CODES)
        )
        if renamed and of_before[-2:-1].tolist() != [of_before.size - 2]:
            _threads.run(lambda piece: _s.splice_codes(before, behind, of_before, of_behind, place, *piece, out), pieces)
        else:
            # the last old id has kept its number, so that all have: most often, new orders come after the old ones
            behind = readonly(of_behind[behind]) if renamed else behind
            _threads.run(lambda piece: _s.splice(before, behind, place, *piece, out), pieces)
        return readonly(out)

    items, kinds = united(log.items, new.item), united(log.kinds, new.kind)
    instant = column(old.instant, added.instant)
    lines = Lines(
        start=start,
        time=instant if old.time is old.instant else column(old.time, added.time),
        instant=instant,
        amount=column(old.amount, added.amount),
        order=np.empty(0, np.int32),
        order_code=column(old.order_code, added.order_code, orders[1:]),
        item=column(old.item, added.item, items[1:]),
        quantity=column(old.quantity, added.quantity),
        kind=column(old.kind, added.kind, kinds[1:]),
    )
    known = Known(
        labels=labels,
        items=items[0],
        order_labels=orders[0],
        kinds=kinds[0],
        clock=log.clock,
        columns=log.columns,
        refunds=log.refunds,
        missing=log.missing,
        n_missing=log.n_missing + new.n_missing,
        n_refunds_dropped=log.n_refunds_dropped + new.n_refunds_dropped,
    )
    make = functools.partial(_orders_of_some, log, added, (of_old, of_new), orders[1:])
    return known.log(lines, make)


def _orders_of_some(
    log: EventLog,
    added: Lines,
    customers: tuple[Codes, Codes],
    codes: tuple[Codes, Codes],
    lines: Lines,
    n_codes: int,
    dropped: dict[str, float],
    *,
    has_refunds: bool,
) -> tuple[Codes, Orders]:
    """Make the orders of customers with a new row; those of the others are copied."""
    # lines of one moment are merged as fast as copied; a sum over customers comes out the same in their order alone
    if (lines.order_code is None and not has_refunds) or log.dropped.get(SHORT_ROWS):
        return _orders(lines, n_codes, dropped, has_refunds=has_refunds)
    of_old, touched = customers
    found: dict[str, float] = {}
    some = _of_customers(lines, touched)
    order_of_some, orders_of_some = _orders(some, n_codes, found, has_refunds=has_refunds)
    shared = log.dropped.get(SHARED, 0) + _newly_shared(log.lines, added, lines, codes, n_codes, has_refunds=has_refunds)
    gone = found.get(GONE, 0) + log.dropped.get(GONE, 0)
    if log.dropped.get(GONE):
        before: dict[str, float] = {}
        again = np.flatnonzero(np.isin(of_old, touched, assume_unique=True))
        _orders(_of_customers(log.lines, again), len(log.order_labels or ()), before, has_refunds=True)
        gone -= before.get(GONE, 0)
    dropped |= {SHARED: shared} if shared else {}
    dropped |= {reason: count for reason, count in found.items() if reason not in (SHARED, GONE)}
    dropped |= {GONE: gone} if gone else {}

    counts = np.zeros(lines.start.size, np.int64)
    source = np.empty(lines.start.size - 1, np.int32)
    counts[of_old + 1], source[of_old] = np.diff(log.orders.start), np.arange(of_old.size)
    # customers with new rows are told by numbers below zero
    counts[touched + 1], source[touched] = np.diff(orders_of_some.start), -1 - np.arange(touched.size)
    start, source = readonly(np.cumsum(counts)), readonly(source)
    n, naive = int(start[-1]), lines.time is lines.instant

    def of(orders: Orders) -> tuple[Any, ...]:
        instant = np.empty(0, np.int64) if naive else orders.instant
        return orders.start, orders.time, readonly(instant), NO_FLOATS if orders.amount is None else orders.amount

    order_of, time = np.empty(lines.instant.size, np.int32), np.empty(n, np.int64)
    instant, amount = np.empty(0 if naive else n, np.int64), np.empty(0 if lines.amount is None else n)
    sides = (log.lines.start, log.lines.order, *of(log.orders), some.start, order_of_some, *of(orders_of_some))
    out = (order_of, time, instant, amount)

    def copy(piece: Any) -> None:
        arguments: Any = (source, lines.start, start, *sides, *piece, *out)
        _s.copy_orders(*arguments)

    _threads.run(copy, _threads.chunks(source.size, CUSTOMERS))
    time = readonly(time)
    return readonly(order_of), Orders(
        start=start,
        time=time,
        instant=time if naive else readonly(instant),
        amount=None if lines.amount is None else readonly(amount),
    )


def _of_customers(lines: Lines, customers: npt.NDArray[np.integer[Any]]) -> Lines:
    """Return what orders are made of, for some of the customers."""
    length = lines.start[customers + 1] - lines.start[customers]
    start = readonly(np.concatenate([[0], np.cumsum(length)]))
    rows = np.arange(int(start[-1])) + np.repeat(lines.start[customers] - start[:-1], length)

    def taken(column: Any) -> Any:
        return None if column is None else readonly(column[rows])

    time = taken(lines.time)
    return dataclasses.replace(
        lines,
        start=start,
        time=time,
        instant=time if lines.time is lines.instant else taken(lines.instant),
        amount=taken(lines.amount),
        order_code=taken(lines.order_code),
        item=None,
        quantity=None,
        kind=None,
    )


def _newly_shared(old: Lines, added: Lines, lines: Lines, codes: tuple[Codes, Codes], n_codes: int, *, has_refunds: bool) -> int:
    """Count the order ids that several customers use now and did not before: among those of the new rows alone."""
    if added.order_code is None or lines.order_code is None or old.order_code is None:
        return 0
    of_old, of_new = (readonly(numbers) for numbers in codes)
    here = np.unique(of_new[added.order_code])
    slot = np.full(n_codes, -1, np.int32)
    slot[here] = np.arange(here.size)
    known = np.zeros(n_codes, np.bool_)
    known[of_old] = True

    def shared(rows: Lines, numbers: Codes) -> int:
        amount = rows.amount if has_refunds and rows.amount is not None else NO_FLOATS
        arguments: Any = (rows.start, amount, rows.order_code, readonly(slot[numbers]), here.size)
        return int(_s.count_shared(*arguments))

    if not known[here].any():
        return shared(added, of_new)
    return shared(lines, np.arange(n_codes, dtype=np.int32)) - shared(old, of_old)


def joined(log: EventLog, new: Raw) -> Raw:
    """Put new rows behind the log's: its rows are sorted, which a stable sort of all of them keeps."""
    if log.clock.zone != new.clock.zone:
        msg = f"the new events are in zone {new.clock.zone}, the log in {log.clock.zone}; convert the new times first"
        raise DataError(msg)
    coarse, fine = sorted((log.clock, new.clock), key=lambda clock: clock.ticks_per_day)
    unit = fine.unit
    clock = Clock(unit, log.clock.zone)
    lines = log.lines

    def scaled(ticks: Ticks, old: Clock) -> Ticks:
        scale = clock.ticks_per_day // old.ticks_per_day
        if scale > 1 and ticks.size and max(abs(int(ticks.min())), abs(int(ticks.max()))) > np.iinfo(np.int64).max // scale:
            msg = (
                f"the log counts time in {log.clock.unit}, the new events in {new.clock.unit}, and {unit} cannot count to the"
                f" first or last of these times; build the log, and append, with times in {coarse.unit!r} (.dt.as_unit)"
            )
            raise DataError(msg)
        return ticks * scale

    # a row that is left out may have no time: it takes the first moment there is
    there = np.asarray(new.customer >= 0)
    new_time = scaled(np.where(there, new.time, 0), new.clock)
    customer = np.repeat(np.arange(log.n_customers, dtype=np.int32), np.diff(lines.start))

    def united(old_codes: Codes, old: Labels, new_codes: Codes, added: Labels) -> tuple[Codes, Labels]:
        labels, of_old, of_new = old.merge(added)
        # code -1, an unknown kind or a row that is left out, reads the last place
        of_old, of_new = np.append(of_old, np.int32(-1)), np.append(of_new, np.int32(-1))
        return np.concatenate([of_old[old_codes], of_new[new_codes]]), labels

    def optional(old_codes: Codes | None, old: Labels | None, added: tuple[Codes, Labels] | None) -> tuple[Codes, Labels] | None:
        return None if old_codes is None or old is None or added is None else united(old_codes, old, *added)

    def both(old: npt.NDArray[Any] | None, added: npt.NDArray[Any] | None) -> Any:
        return None if old is None or added is None else np.concatenate([old, added])

    codes, labels = united(customer, log.labels, new.customer, new.labels)
    time = np.concatenate([scaled(lines.time, log.clock), new_time])
    naive = lines.time is lines.instant
    new_instant = new_time if naive else scaled(np.where(there, new.instant, 0), new.clock)
    return Raw(
        customer=codes,
        labels=labels,
        time=time,
        instant=time if naive else np.concatenate([scaled(lines.instant, log.clock), new_instant]),
        clock=clock,
        amount=both(lines.amount, new.amount),
        order=optional(lines.order_code, log.order_labels, new.order),
        item=optional(lines.item, log.items, new.item),
        kind=optional(lines.kind, log.kinds, new.kind),
        quantity=both(lines.quantity, new.quantity),
        n_missing=log.n_missing + new.n_missing,
        n_refunds_dropped=log.n_refunds_dropped,
    )
