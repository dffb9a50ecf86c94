"""The table that purchase models are fitted on, and its distinct rows, of a frame that is not collected."""

from __future__ import annotations

from typing import Any

from crmkit import _frame
from crmkit._lazy_events import lazy_events
from crmkit.clv._units import days_in
from crmkit.errors import DataError

__all__ = ["compress_lazily", "summarize_lazily"]


def summarize_lazily(frame: Any, unit: str, end: Any, columns: Any) -> Any:
    """Return frequency, recency and T of each customer, and what they spent, as a lazy frame of the same engine."""
    nw = _frame.expressions()
    log = lazy_events(frame, **columns)
    last_day = log.day_of(end, "end")
    if last_day < log.first_purchase:
        msg = f"no purchase lies on or before {log.clock.date(last_day)}"
        raise DataError(msg)
    spent = {"spent": nw.col("amount").sum()} if log.has_amounts else {}
    days = log.purchases().filter(nw.col("day") <= last_day).group_by("customer", "day").agg(**spent)
    facts = {"first": nw.col("day").min(), "latest": nw.col("day").max(), "days": nw.len()}
    repeats = nw.col("days").cast(nw.Int64) - 1
    length = days_in(unit)
    measures = {
        "frequency": repeats,
        "recency": (nw.col("latest") - nw.col("first")).cast(nw.Float64) / length,
        "T": (last_day - nw.col("first")).cast(nw.Float64) / length,
    }
    if log.has_amounts:
        first_day = nw.col("day") == nw.col("day").min().over("customer")
        days = days.with_columns(
            opening=nw.when(first_day).then(nw.col("spent")).otherwise(0.0),
            later=nw.when(first_day).then(0.0).otherwise(nw.col("spent")),
        )
        facts |= {"opening": nw.col("opening").sum(), "later": nw.col("later").sum()}
        measures |= {
            "monetary_value": nw.when(repeats > 0).then(nw.col("later") / repeats).otherwise(0.0),
            "first_value": nw.col("opening"),
        }
    return log.written(days.group_by("customer").agg(**facts), **measures, unit=nw.lit(unit))


def compress_lazily(summary: Any, weight: str | None) -> Any:
    """Return the distinct histories of a lazy customer table and how many customers have each."""
    nw, table = _frame.expressions(), _frame.read_lazy(summary)
    for name in ("frequency", "recency", "T"):
        table.number(name, name)
    keys = ["frequency", "recency", "T", *(["unit"] if "unit" in table.types else [])]
    customers = nw.len() if weight is None else nw.col("customers").sum()
    counted = {} if weight is None else {"customers": table.number(weight, "weight")}
    distinct = table.rows.select(*keys, **counted).group_by(*keys).agg(weight=customers)
    return distinct.select(*keys[:3], nw.col("weight").cast(nw.Float64), *keys[3:]).to_native()
