"""What the data hold, and what in them could mislead everything that follows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import intervals
from crmkit._events import DEFAULTS
from crmkit._report.asked import days_of
from crmkit._report.page import Column, element, table
from crmkit._report.words import INTERVAL, count, facts_table, money, of_all, people, percent, section

if TYPE_CHECKING:
    from crmkit._events import EventLog
    from crmkit._report.asked import Asked
    from crmkit._report.page import Markup

__all__ = ["Health", "code", "find", "rows_read", "tell", "words_for_nothing"]

# what R, pandas, databases and spreadsheets write where there is nothing
WORDS = ("NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "None", "<NA>", "NaT")
ORDERS_EACH = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, None))
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
FAR = 3.0  # distances between the quartiles, on a scale of ratios


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Health:
    """What was read and what is odd about it."""

    days: int
    silent_days: int
    closed: tuple[str, ...]  # weekdays that never have an order
    longest_silence: tuple[str, int]  # from which day, how many days
    repeated: int  # lines that are there twice, to the last detail
    n_refunds: int
    refunded: float
    bought: float
    unmatched: float
    free: int
    quartiles: tuple[float, float, float]
    far: float  # the amount from which an order is far above the rest; infinite where quartiles are equal
    n_far: int
    far_share: float
    largest: float
    once: tuple[int, int, float, float]  # customers with one order, buyers, and the interval of the share
    orders_each: tuple[tuple[str, int], ...]
    mean_orders: float
    words: tuple[tuple[str, str, int], ...]
    whole_days: bool


def find(asked: Asked, _: dict[str, Any]) -> Health:
    """Look at the log as it was given."""
    log = asked.as_given
    amounts = log.orders.amount
    assert amounts is not None
    assert log.lines.amount is not None
    first, last = days_of(log)
    seen = np.unique(log.orders.time // log.clock.ticks_per_day)
    silent = np.setdiff1d(np.arange(first, last + 1), seen)
    bounds = np.concatenate([[first - 1], seen, [last + 1]])
    widest = int(np.argmax(np.diff(bounds)))
    # day 0 of the clock was a Thursday; a day of the week counts as closed after at least four of them
    weekdays = np.bincount((seen + 3) % 7, minlength=7)
    closed = tuple(WEEKDAYS[day] for day in range(7) if weekdays[day] == 0 and last - first >= 28)
    paid = amounts[amounts > 0]
    quartiles = tuple(float(q) for q in np.quantile(paid if paid.size else amounts, (0.25, 0.5, 0.75)))
    low, _middle, high = quartiles
    far = high * (high / low) ** FAR if low < high and low > 0 else np.inf
    each = np.diff(log.orders.start)
    each = each[each > 0]
    once, buyers = int((each == 1).sum()), each.size
    ends = intervals.wilson([once], [buyers])
    return Health(
        days=last - first + 1,
        silent_days=silent.size,
        closed=closed,
        longest_silence=(log.clock.date(int(bounds[widest]) + 1), int(np.diff(bounds)[widest]) - 1),
        repeated=_repeated(log),
        n_refunds=int(log.dropped.get("refund rows subtracted", 0) + log.dropped.get("refund rows dropped", 0)),
        refunded=float(-log.lines.amount[log.lines.amount < 0].sum()),
        bought=float(log.lines.amount[log.lines.amount > 0].sum()),
        unmatched=float(log.dropped.get("amount of refunds that came off no purchase", 0.0)),
        free=int((amounts == 0).sum()),
        quartiles=quartiles,  # type: ignore[arg-type]
        far=far,
        n_far=int((amounts > far).sum()),
        far_share=float(amounts[amounts > far].sum() / amounts.sum()) if amounts.sum() > 0 else 0.0,
        largest=float(amounts.max()),
        once=(once, buyers, float(ends[0][0]), float(ends[1][0])),
        orders_each=tuple(
            (_range(low, high), int(((each >= low) & (each <= (high or np.inf))).sum())) for low, high in ORDERS_EACH
        ),
        mean_orders=float(each.mean()),
        words=tuple(words_for_nothing(log)),
        whole_days=bool((log.lines.time % log.clock.ticks_per_day == 0).all()),
    )


def _range(low: int, high: int | None) -> str:
    return str(low) if low == high else (f"{low} to {high}" if high else f"{low} or more")


def _repeated(log: EventLog) -> int:
    """Count the lines that repeat another of the same customer, moment, order, item, amount and quantity."""
    lines = log.lines
    customer = np.repeat(np.arange(log.n_customers), np.diff(lines.start))
    columns: list[Any] = [lines.instant, customer]
    columns += [
        column for column in (lines.order_code, lines.item, lines.amount, lines.quantity, lines.kind) if column is not None
    ]
    order = np.lexsort(columns)
    same = np.ones(len(log) - 1, dtype=bool)
    for column in columns:
        same &= column[order][1:] == column[order][:-1]
    return int(same.sum())


def words_for_nothing(log: EventLog) -> list[tuple[str, str, int]]:
    """List the ids that are words programs write for a missing value: column, word, rows."""
    found = []
    lines = log.lines
    customer = np.repeat(np.arange(log.n_customers), np.diff(lines.start))
    for name, labels, codes in (
        ("customer", log.labels, customer),
        ("order", log.order_labels, lines.order_code),
        ("item", log.items, lines.item),
    ):
        if labels is None or codes is None:
            continue
        ids = labels.as_index()
        for word in WORDS if ids.dtype.kind not in "iufM" else ():
            place = np.flatnonzero(np.asarray(ids == word, dtype=bool))
            if place.size:
                rows = int(np.isin(codes, place).sum())
                found += [(str(log.columns[name]), word, rows)] if rows else []
    return found


def rows_read(log: EventLog) -> int:
    """Count the rows the frame had."""
    return len(log) + log.n_missing + int(log.dropped.get("refund rows dropped", 0))


def tell(found: Health, asked: Asked) -> Markup:
    """Say what was read, what it spans, what was left out, and what is odd."""
    log = asked.as_given
    orders, buyers = log.orders.time.size, found.once[1]
    zone = f" ({log.clock.zone})" if log.clock.zone else ""
    read: list[tuple[str, Any]] = [
        ("Rows read", count(rows_read(log))),
        ("Rows used", count(len(log))),
        ("Customers with a purchase", count(buyers)),
        ("Purchases (orders)", count(orders)),
        ("First event", f"{log.span.start:%Y-%m-%d %H:%M}{zone}"),
        ("Last event", f"{log.span.end:%Y-%m-%d %H:%M}{zone}"),
        ("Length", people(found.days, "day")),
    ]
    if log.items is not None:
        read.append(("Different items", count(len(log.items))))
    if log.n_customers > buyers:
        read.append(("Customers with refunds alone", count(log.n_customers - buyers)))
    checks = [(name, *said) for name, said in _checks(found, asked).items()]
    left_out: Any = element("p", "Nothing was left out.")
    if log.dropped or asked.before:
        left_out = _left_out(log, asked)
    reading = f"{count(orders)} purchases of {people(buyers)} over {people(found.days, 'day')}."
    alarms = [name.lower() for name, verdict, _ in checks if verdict == "look"]
    reading += f" Look at: {', '.join(alarms)}." if alarms else " Nothing odd was found."
    limits = (
        "Rows with one order id are one purchase."
        if log.columns["order"]
        else ("Rows of a customer with one time stamp are one purchase, for want of an order column.")
    )
    limits += " These checks see what is odd in the file, not what is wrong with it: amounts in two currencies, test orders or a"
    limits += " till that was not connected can pass all of them."
    each = [(orders_each, count(n), of_all(n, buyers)) for orders_each, n in found.orders_each if n]
    return section(
        "data",
        "What the data hold",
        reading,
        facts_table("The events", read),
        table("What was looked at", [Column("", "label"), Column("Verdict", "label"), Column("What was found", "words")], checks),
        table("Orders per customer", [Column("Orders", "label"), Column("Customers"), Column("of all")], each),
        left_out,
        limits=limits,
    )


def _left_out(log: EventLog, asked: Asked) -> Any:
    rows = [(reason.capitalize(), f"{number:,.10g}") for reason, number in log.dropped.items()]
    rows += [(f"{words[0].upper()}{words[1:]}", count(number)) for words, number in asked.before]
    return table("What did not become a purchase, and why", [Column("Reason", "fact"), Column("Number")], rows)


def _checks(found: Health, asked: Asked) -> dict[str, tuple[str, str]]:
    """Return by name whether to look at it, and what was found."""
    log = asked.as_given
    missing = log.n_missing
    ids = (
        f"{people(missing, 'row')} without an id left out ({of_all(missing, rows_read(log))} of all)."
        if missing
        else ("No row lacks an id.")
    )
    for column, word, rows in found.words:
        ids += (
            f" Column {column!r}: {word!r} stands in {people(rows, 'row')}, read as one id; if it means none, strangers are one."
        )
    silence = f"{count(found.silent_days)} of {count(found.days)} days have no order"
    if found.silent_days:
        day, length = found.longest_silence
        silence += f"; the longest silence is {people(length, 'day')} from {day}"
        silence += f". Never on {' or '.join(found.closed)}" if found.closed else ""
    refunds = "None." if log.refunds == "subtract" else "Negative amounts are refused: there are none."
    if found.n_refunds and log.refunds == "drop":
        refunds = f"{people(found.n_refunds, 'refund row')} left out: revenue is that before refunds."
    elif found.n_refunds:
        refunds = f"{people(found.n_refunds, 'refund row')}, {of_all(found.refunded, found.bought)} of what was bought."
        if found.unmatched:
            refunds += (
                f" {money(found.unmatched)} ({of_all(found.unmatched, found.refunded)} of it) came off no purchase in the file."
            )
    zone = (
        f"Days are those of {log.clock.zone}."
        if log.clock.zone
        else ("Times have no zone: days are those of the clock they were written on.")
    )
    if found.whole_days:
        zone = "Dates without a time of day: orders of one customer and day cannot be told apart without order ids."
    low, middle, high = found.quartiles
    outliers = f"Half of the orders lie between {money(low)} and {money(high)}, the middle one is {money(middle)}"
    outliers += f", the largest {money(found.largest)}."
    if found.n_far:
        outliers += (
            f" {people(found.n_far, 'order')} above {money(found.far)}, far above the rest, hold {percent(found.far_share)}"
            " of the"
            " revenue: mean spends lean on them."
        )
    once, buyers, low_end, high_end = found.once
    single = f"{percent(once / buyers)} of the customers ordered once ({INTERVAL} {percent(low_end)} to {percent(high_end)});"
    single += f" {found.mean_orders:.1f} orders each on average."
    n_repeated, repeat = found.repeated, "repeats" if found.repeated == 1 else "repeat"
    twice = "No line repeats another."
    if n_repeated:
        twice = f"{people(n_repeated, 'line')} {repeat} another to the last detail: they count in amounts twice."
    # a closed weekday explains its own days
    long_silence = found.longest_silence[1] >= 7 if found.days >= 28 else False
    return {
        "Ids": ("look" if found.words or missing > 0.01 * rows_read(log) else "fine", ids),
        "Gaps": ("look" if long_silence else "fine", silence + "."),
        "Refunds": ("look" if found.refunded > 0.2 * found.bought or found.unmatched > 0.1 * found.refunded else "fine", refunds),
        "Repeated lines": ("look" if n_repeated else "fine", twice),
        "Time zone": ("fine", zone),
        "Far-off amounts": ("look" if found.far_share > 0.1 else "fine", outliers),
        "Zero amounts": (
            "look" if found.free else "fine",
            f"{people(found.free, 'purchase')} for nothing; they count." if found.free else "No purchase for nothing.",
        ),
        "Single orders": ("fine", single),
    }


def code(_: Any, asked: Asked) -> str:
    """Return the lines that read the log."""
    log = asked.as_given
    if asked.preset is not None:
        return f"log = crm.report(orders, preset={asked.preset!r}).log\nlog.dropped"
    usual = {name: name_of for name, name_of in DEFAULTS.items() if name != "item"}
    named = "".join(f", {name}={column!r}" for name, column in log.columns.items() if column != usual.get(name))
    named += "".join(f", {name}={getattr(log, name)!r}" for name in ("refunds", "missing") if getattr(log, name) != "error")
    return f"log = crm.events(orders{named})\nlog.dropped"
