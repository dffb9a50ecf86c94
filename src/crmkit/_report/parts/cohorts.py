"""Who comes back: customers by the period of their first order."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from crmkit import cohort
from crmkit._report.asked import Lacking, days_of
from crmkit._report.page import Column, figure, table
from crmkit._report.words import INTERVAL, PERCENT, canvas, count, people, percent, section

if TYPE_CHECKING:
    import pandas as pd

    from crmkit._report.asked import Asked
    from crmkit._report.page import Markup

__all__ = ["Cohorts", "code", "find", "tell"]

NAMES = {"W": "week", "M": "month", "Q": "quarter", "Y": "year"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cohorts:
    """Retention by cohort, and the average of those that are over."""

    period: str
    table: pd.DataFrame
    average: pd.DataFrame


def find(asked: Asked, _: dict[str, Any]) -> Cohorts | Lacking:
    """Follow the cohorts in periods of which the log holds a handful."""
    first, last = days_of(asked.log)
    days = last - first + 1
    period = next((name for name, most in (("W", 100), ("M", 460), ("Q", 2000)) if days <= most), "Y")
    if days < 15:
        return Lacking(f"the log spans {days} days; retention needs at least two weeks to begin in and come back in")
    table = cohort.retention(asked.log, period=period)
    if not table["mature"].any() or table["period"].max() < 1:
        return Lacking(f"no cohort has a {NAMES[period]} after its first that is over")
    return Cohorts(period, table, cohort.average(table))


def tell(found: Cohorts, _: Asked) -> Markup:
    """Say what share comes back after how long."""
    from crmkit import plot

    name = NAMES[found.period]
    average = found.average
    rows: list[Any] = list(average.itertuples())
    later = [row for row in rows if row.period >= 1]
    reading = (
        f"No {name} after the first is over for any cohort."
        if not later
        else (
            f"Of the customers of a {name}, {percent(later[0].value)} buy in the next one (95{PERCENT} interval"
            f" {percent(later[0].ci_low)} to {percent(later[0].ci_high)})"
            + (
                f", and {percent(later[-1].value)} {people(later[-1].period, name)} after their first order."
                if len(later) > 1
                else "."
            )
        )
    )
    cohorts = found.table["cohort"].nunique()
    picture = canvas(0.28 * cohorts + 1.5, width=6.4)
    plot.cohort_heatmap(found.table, ax=picture.axes[0])
    told = "; ".join(f"{name} {row.period}: {percent(row.value)}" for row in rows)
    body = [
        (
            f"{row.period}",
            percent(row.value),
            f"{percent(row.ci_low)} to {percent(row.ci_high)}",
            count(row.active),
            count(row.n),
            count(row.cohorts),
        )
        for row in rows
    ]
    titles = ("Share that buys", INTERVAL, "Customers who buy", "of", "Cohorts")
    return section(
        "cohorts",
        "Who comes back",
        reading,
        figure(
            picture, "cohorts", f"Share of each {name}'s new customers who buy, by {name}s since.", f"Heatmap. On average {told}."
        ),
        table(
            f"Average of all cohorts by {name}s since the first order",
            [Column(f"{name.capitalize()}s since"), *map(Column, titles)],
            body,
        ),
        limits=f"Only {name}s that are over are counted, so the averages of later ones rest on older cohorts, which may differ"
        " from those of today. Who is not seen in one period may come in the next: absence is not departure.",
    )


def code(found: Cohorts, _: Asked) -> str:
    """Return the lines that follow the cohorts."""
    return f"cohorts = crm.cohort.retention(log, period={found.period!r})\ncrm.cohort.average(cohorts)"
