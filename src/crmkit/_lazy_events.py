"""Events in a frame that is not collected: checked by one query, then orders and purchases as expressions of its engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crmkit import _frame, _options
from crmkit._events import MISSING, REFUNDS
from crmkit._frame import Clock
from crmkit._kernels.orders import ROUNDING
from crmkit.errors import DataError, OptionError

__all__ = ["LazyEvents", "lazy_events", "refuse_keywords"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LazyEvents:
    """Rows of ``customer``, ``moment`` and ``day``, with ``amount`` and ``order`` where they were named; and their bounds."""

    frame: _frame.Lazy
    rows: Any
    clock: Clock
    first_day: int
    last_day: int
    first_purchase: int
    customer: str
    has_amounts: bool
    has_orders: bool
    refunds: str

    def day_of(self, moment: Any, keyword: str) -> int:
        """Return the number of a calendar day of the wall clock; by default that of the last event."""
        return self.last_day if moment is None else self.clock.day(moment, keyword=keyword)

    def last_known_day(self, as_of: Any) -> int:
        """Return the day of `as_of`, by default that of the last event; it must not lie before the first."""
        day = self.day_of(as_of, "as_of")
        if day < self.first_day:
            msg = f"as_of={self.clock.date(day)} lies before the first event, which is on {self.clock.date(self.first_day)}"
            raise DataError(msg)
        return day

    def known_until(self, last_day: int) -> LazyEvents:
        """Return the events as they were known at the end of a day."""
        return dataclasses.replace(self, rows=self.rows.filter(_frame.expressions().col("day") <= last_day))

    def orders(self) -> Any:
        """Return one row per order: ``customer``, ``day`` of its first purchase row, and ``amount``, refunds taken off."""
        nw = _frame.expressions()
        amount = {"amount": nw.col("amount").sum()} if self.has_amounts else {}
        if not self.has_orders:
            return self.rows.group_by("customer", "moment").agg(day=nw.col("day").max(), **amount)
        if not self.has_amounts or self.refunds != "subtract":
            return self.rows.group_by("customer", "order").agg(day=nw.col("day").min(), **amount)
        bought = nw.col("amount") >= 0
        orders = (
            self.rows.with_columns(
                day=nw.when(bought).then(nw.col("day")),
                total=nw.when(bought).then(nw.col("amount")).otherwise(0.0),
                refund=nw.when(bought).then(0.0).otherwise(0.0 - nw.col("amount")),
            )
            .group_by("customer", "order")
            .agg(nw.col("day").min(), nw.col("total").sum(), nw.col("refund").sum())
        )
        astray = orders.select(n=_how_many(nw.col("day").is_null())).collect().item()
        if astray:
            msg = (
                f"{astray:,} order ids have refunds and no purchase: these come off earlier purchases, one after another, which"
                ' is no aggregation; leave these rows out, pass refunds="drop", or collect the frame'
            )
            raise DataError(msg)
        left = nw.col("total") - nw.col("refund")
        # what is refunded in full is no order any more, unless it cost nothing
        return orders.filter((left > ROUNDING * nw.col("total")) | (nw.col("total") <= 0)).select(
            "customer", "day", amount=nw.when(left > 0).then(left).otherwise(0.0)
        )

    def purchases(self) -> Any:
        """Return rows of ``customer``, ``day`` and ``amount`` that add up by day to what orders do: lines, where they serve."""
        return self.orders() if self.has_orders else self.rows

    def written(self, table: Any, **columns: Any) -> Any:
        """Return one row per customer in the engine's own kind of frame, the id in front under the name it had."""
        if self.customer in columns:
            msg = f"column {self.customer!r} is named like a column of the result, which would take its place; rename it"
            raise OptionError(msg)
        nw = _frame.expressions()
        return table.select(nw.col("customer").alias(self.customer), **columns).to_native()


def lazy_events(
    frame: Any,
    /,
    *,
    needs_amounts: bool = False,
    customer: str = "customer_id",
    time: str | None = "timestamp",
    amount: str | None = "amount",
    order: str | None = None,
    item: str | None = None,
    quantity: str | None = None,
    kind: str | None = None,
    refunds: str = "error",
    missing: str = "error",
) -> LazyEvents:
    """Read a lazy frame of purchases: one query counts what is missing or out of bounds, and finds the first and last day."""
    _options.choice("refunds", refunds, REFUNDS)
    _options.choice("missing", missing, MISSING)
    if refunds == "subtract" and order is None and amount is not None:
        msg = (
            'refunds="subtract" without order= follows each refund back through what its customer bought, which is no'
            ' aggregation: name the column of order ids with order=, pass refunds="drop", or collect the frame'
        )
        raise OptionError(msg)
    nw, lazy = _frame.expressions(), _frame.read_lazy(frame)
    if needs_amounts:
        lazy.has(amount, "amount")
    day, clock = lazy.day(time, "time")
    columns = {"customer": customer, "order": order, "item": item, "kind": kind, "amount": amount, "quantity": quantity}
    named = {name: column for name, column in columns.items() if name == "customer" or column is not None}
    ids = [name for name in ("customer", "order", "item", "kind") if name in named]
    numbers = [name for name in ("amount", "quantity") if name in named]
    picked = {name: lazy.id(named[name], name) for name in ids} | {name: lazy.number(named[name], name) for name in numbers}
    rows = lazy.rows.select(moment=nw.col(time), day=day, **picked)
    if missing == "drop":
        for name in ("customer", "order", "item"):
            rows = rows.filter(~nw.col(name).is_null()) if name in ids else rows

    counted = {"rows": nw.len()} | {f"{name} is missing": _how_many(nw.col(name).is_null()) for name in [*ids, "day"]}
    for name in numbers:
        counted[f"{name} is missing"] = _how_many(nw.col(name).is_null() | nw.col(name).is_nan())
        counted[f"{name} is infinite"] = _how_many(~nw.col(name).is_finite() & ~nw.col(name).is_nan())
    bought = nw.col("amount") >= 0 if amount is not None else ~nw.col("day").is_null()
    counted |= {
        "first day": nw.col("day").min(),
        "last day": nw.col("day").max(),
        "first purchase": nw.when(bought).then(nw.col("day")).min(),
        "last purchase": nw.when(bought).then(nw.col("day")).max(),
    }
    if amount is not None:
        counted |= {"refunds": _how_many(nw.col("amount") < 0), "largest": nw.col("amount").abs().max()}
    found = rows.select(**counted).collect().rows(named=True)[0]
    _refuse(found, {**named, "day": time}, ids if missing == "error" else [], numbers, refunds)
    left = "purchase" if refunds == "drop" else "day"
    if found[f"first {left}"] is None:
        msg = f"no purchase is left: all {found['rows']:,} rows are refunds"
        raise DataError(msg)
    if refunds == "drop" and amount is not None:
        rows = rows.filter(bought)
    return LazyEvents(
        frame=lazy,
        rows=rows,
        clock=clock,
        first_day=int(found[f"first {left}"]),
        last_day=int(found[f"last {left}"]),
        # where all are refunds, the day after the last: nobody has bought by then
        first_purchase=int(found["last day"]) + 1 if found["first purchase"] is None else int(found["first purchase"]),
        customer=customer,
        has_amounts=amount is not None,
        has_orders=order is not None,
        refunds=refunds,
    )


def refuse_keywords(function: str, given: Mapping[str, Any]) -> None:
    """Name the keywords that a lazy frame cannot serve, and the way out."""
    named = [name for name, value in given.items() if value is not None]
    if named:
        msg = f"{function} of a lazy frame takes no {', '.join(f'{name}=' for name in named)}: collect the frame first"
        raise OptionError(msg)


def _how_many(flag: Any) -> Any:
    nw = _frame.expressions()
    return nw.when(flag).then(1).otherwise(0).sum()


def _refuse(
    found: Mapping[str, Any], columns: Mapping[str, Any], ids: Sequence[str], numbers: Sequence[str], refunds: str
) -> None:
    """Raise what `events` would, with counts: an engine does not know the place of a row."""
    if not found["rows"]:
        msg = "the frame has no rows, or none with a customer, order and item id"
        raise DataError(msg)
    cures = dict.fromkeys(ids, 'name them, or pass missing="drop"') | {"day": "drop these rows before the call"}
    for name in (*ids, "day", *numbers):
        count = found[f"{name} is missing"]
        if count:
            what = {"day": "missing times"}.get(name, "missing ids" if name in ids else "missing")
            msg = f"column {columns[name]!r}: {count:,} {what}; {cures.get(name, 'fill or drop them before the call')}"
            raise DataError(msg)
    for name in numbers:
        if found[f"{name} is infinite"]:
            msg = f"column {columns[name]!r}: {found[f'{name} is infinite']:,} infinite; replace or drop them"
            raise DataError(msg)
    if refunds == "error" and found.get("refunds"):
        msg = (
            f'column {columns["amount"]!r}: {found["refunds"]:,} negative; pass refunds="subtract" with order= to take refunds'
            ' off purchases, or refunds="drop" to leave their rows out'
        )
        raise DataError(msg)
    if found.get("largest", 0.0) > np.finfo(np.float64).max / found["rows"]:
        msg = (
            f"column {columns['amount']!r}: amounts as large as {found['largest']:g} add up beyond what can be counted;"
            " check its unit"
        )
        raise DataError(msg)
