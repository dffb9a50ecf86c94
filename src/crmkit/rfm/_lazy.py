"""Recency, frequency and monetary value of a frame that is not collected."""

from __future__ import annotations

from typing import Any

from crmkit import _frame
from crmkit._lazy_events import lazy_events
from crmkit.errors import DataError

__all__ = ["summarize_lazily"]


def summarize_lazily(frame: Any, as_of: Any, monetary: str, columns: Any) -> Any:
    """Return the measures of each customer as a lazy frame of the same engine."""
    nw = _frame.expressions()
    log = lazy_events(frame, needs_amounts=True, **columns)
    last_day = log.day_of(as_of, "as_of")
    if last_day < log.first_purchase:
        msg = f"no purchase lies on or before {log.clock.date(last_day)}"
        raise DataError(msg)
    customers = (
        log.known_until(last_day)
        .orders()
        .group_by("customer")
        .agg(latest=nw.col("day").max(), orders=nw.len(), total=nw.col("amount").sum())
    )
    return log.written(
        customers,
        recency_days=(last_day - nw.col("latest")).cast(nw.Int64),
        frequency=nw.col("orders").cast(nw.Int64),
        monetary=nw.col("total") if monetary == "total" else nw.col("total") / nw.col("orders"),
    )
