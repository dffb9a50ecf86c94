"""Retention and churn of a frame that is not collected: its engine counts, by a calendar that it joins."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np

from crmkit import _frame
from crmkit._lazy_events import LazyEvents, lazy_events
from crmkit.cohort._periods import Calendar
from crmkit.errors import DataError, LimitError
from crmkit.results import critical_value

__all__ = ["churn_rate_lazily", "retention_lazily"]


def retention_lazily(
    frame: Any,
    period: str,
    method: str,
    spans: Sequence[tuple[int, int]] | None,
    activity: str,
    as_of: Any,
    level: float,
    most_cells: int,
    columns: Any,
) -> Any:
    """Return the table of cohorts and periods as a lazy frame of the same engine."""
    nw = _frame.expressions()
    log, last_day = _known(frame, as_of, columns)
    days = log.rows if activity == "events" else log.purchases()
    first_day = log.first_day if activity == "events" else log.first_purchase
    calendar = Calendar.spanning(period, min(first_day, last_day), last_day)
    slots = [(age, age) for age in range(calendar.n)] if spans is None else [span for span in spans if span[0] < calendar.n]
    if calendar.n * max(len(slots), 1) > most_cells:
        msg = f"the table would have {calendar.n:,} × {len(slots):,} cells, more than {most_cells:,}; use longer periods"
        raise LimitError(msg)
    # the start of a customer has a slot too, shown or not: those who have it are the cohort
    hidden = 0 if slots and slots[0][0] == 0 else 1
    slots = [(0, 0)] * hidden + slots
    slot_of_age = {age: slot for slot, (low, high) in enumerate(slots) for age in range(low, min(high, calendar.n - 1) + 1)}

    active = _periods(log, days, calendar).with_columns(origin=nw.col("period").min().over("customer"))
    if method == "unbounded":
        active = active.group_by("customer", "origin").agg(nw.col("period").max())
    ages = log.frame.small({"age": list(slot_of_age), "slot": list(slot_of_age.values())})
    cells = (
        active.select("customer", "origin", age=nw.col("period") - nw.col("origin"))
        .join(ages, on="age", how="inner")
        .select("customer", "origin", "slot")
        .unique()
        .group_by("origin", "slot")
        .agg(active=nw.len())
    )
    grid = _opening(log, calendar, "origin", "cohort").join(
        log.frame.small(
            {"slot": range(len(slots)), "period": [low for low, _ in slots], "last_period": [high for _, high in slots]}
        ),
        how="cross",
    )
    table = grid.join(cells, on=["origin", "slot"], how="left").with_columns(active=nw.col("active").fill_null(0).cast(nw.Int64))
    if method == "unbounded":
        # active at an age or later
        table = table.with_columns(active=nw.col("active").cum_sum(reverse=True).over("origin", order_by="slot"))
    start = nw.when(nw.col("slot") == 0).then(nw.col("active")).otherwise(0)
    table = table.with_columns(n=start.sum().over("origin"))
    begun = nw.col("origin") + nw.col("period") < calendar.n
    table = table.filter((nw.col("n") > 0) & begun & (nw.col("slot") >= hidden))
    value = _share(nw.col("active"), nw.col("n"))
    low, high = _wilson(nw.col("active"), nw.col("n"), level)
    # a period is over if the next one begins by the day after the last that is known
    over = nw.col("origin") + nw.col("last_period") < int(calendar.number(last_day + 1))
    last = [] if spans is None else ["last_period"]
    answer = {"value": value, "ci_low": low, "ci_high": high, "mature": over}
    return table.sort("origin", "slot").select("cohort", "period", *last, "n", "active", **answer).to_native()


def churn_rate_lazily(frame: Any, period: str, inactivity: Any, as_of: Any, level: float, columns: Any) -> Any:
    """Return the table of periods, of customers lost, won and won back, as a lazy frame of the same engine."""
    nw = _frame.expressions()
    log, last_day = _known(frame, as_of, columns)
    calendar = Calendar.spanning(period, log.first_purchase, last_day)
    if calendar.n < 2:
        msg = f"the data lie in one period ({period}) only: nobody can be lost in it; use shorter periods, or a later as_of"
        raise DataError(msg)
    runs = _periods(log, log.purchases(), calendar, inactivity)
    before = nw.col("until").shift(1).over("customer", order_by="period")
    after = nw.col("period").shift(-1).over("customer", order_by="period")
    runs = runs.with_columns(before=before, after=after)
    gone = nw.col("until") + 1
    moves = (
        runs.select(
            "period",
            gone=gone,
            new=_flag(nw.col("before").is_null()),
            resurrected=_flag(nw.col("period") > nw.col("before") + 1),
            churned=_flag(nw.col("after").is_null() | (nw.col("after") > gone)),
        )
        .group_by("period", "gone")
        .agg(nw.col("new").sum(), nw.col("resurrected").sum(), nw.col("churned").sum())
        # who comes counts where the run begins, who is lost where it has ended
        .join(log.frame.small({"side": [0, 1]}), how="cross")
    )
    comes = nw.col("side") == 0
    moves = (
        moves.select(
            number=nw.when(comes).then(nw.col("period")).otherwise(nw.col("gone")),
            new=nw.when(comes).then(nw.col("new")).otherwise(0),
            resurrected=nw.when(comes).then(nw.col("resurrected")).otherwise(0),
            churned=nw.when(comes).then(0).otherwise(nw.col("churned")),
        )
        .group_by("number")
        .agg(nw.col("new").sum(), nw.col("resurrected").sum(), nw.col("churned").sum())
    )
    counts = ("new", "resurrected", "churned")
    table = _opening(log, calendar, "number", "period").join(moves, on="number", how="left")
    table = table.with_columns(*(nw.col(name).fill_null(0).cast(nw.Int64) for name in counts)).with_columns(
        change=nw.col("new") + nw.col("resurrected") - nw.col("churned"), everybody=nw.lit(0)
    )
    table = table.with_columns(
        active=nw.col("change").cum_sum().over("everybody", order_by="number"),
        ever=nw.col("new").cum_sum().over("everybody", order_by="number"),
    ).with_columns(n=nw.col("active") - nw.col("change"))
    # the first period of the table is the one after somebody first came
    table = table.filter(nw.col("ever") > nw.col("new")).sort("number")
    low, high = _wilson(nw.col("churned"), nw.col("n"), level)
    return table.select(
        "period",
        "n",
        (nw.col("n") - nw.col("churned")).alias("retained"),
        *("churned", "new", "resurrected", "active"),
        value=_share(nw.col("churned"), nw.col("n")),
        ci_low=low,
        ci_high=high,
        mature=nw.col("number") < int(calendar.number(last_day + 1)),
    ).to_native()


def _known(frame: Any, as_of: Any, columns: Any) -> tuple[LazyEvents, int]:
    log = lazy_events(frame, **columns)
    last_day = log.last_known_day(as_of)
    if last_day < log.first_purchase:
        msg = f"nobody bought anything by {log.clock.date(last_day)}"
        raise DataError(msg)
    return log.known_until(last_day), last_day


def _periods(log: LazyEvents, rows: Any, calendar: Calendar, inactivity: Any = None) -> Any:
    """Return one row per customer and period in which they did something, and the last at whose close they count for it."""
    nw = _frame.expressions()
    ends = calendar.of_day if inactivity is None else calendar.closes_reached(inactivity)
    days = range(calendar.first_day, calendar.last_day + 1)
    known = log.frame.small({"day": days, "period": calendar.of_day.tolist(), "until": ends.tolist()})
    return rows.join(known, on="day", how="inner").group_by("customer", "period").agg(nw.col("until").max())


def _opening(log: LazyEvents, calendar: Calendar, number: str, label: str) -> Any:
    """Return the first days of the periods, by number."""
    numbers = range(calendar.n)
    first = dt.datetime(1970, 1, 1)
    days = [first + dt.timedelta(days=int(day)) for day in calendar.opening(np.arange(calendar.n))]
    return log.frame.small({number: numbers, label: days})


def _flag(condition: Any) -> Any:
    return _frame.expressions().when(condition).then(1).otherwise(0)


def _share(x: Any, n: Any) -> Any:
    nw = _frame.expressions()
    return nw.when(n > 0).then(x / n)


def _wilson(x: Any, n: Any, level: float) -> tuple[Any, Any]:
    """Return Wilson's ends as `intervals.wilson` computes them; nothing where there is nobody."""
    nw, z = _frame.expressions(), critical_value(level)
    x, n = x.cast(nw.Float64), n.cast(nw.Float64)
    missed = n - x
    spread = z * (x * missed / n + z * z / 4.0).sqrt()
    low = x * x / n / (x + z * z / 2.0 + spread)
    high = 1.0 - missed * missed / n / (missed + z * z / 2.0 + spread)
    return nw.when(n > 0).then(low), nw.when(n > 0).then(high)
