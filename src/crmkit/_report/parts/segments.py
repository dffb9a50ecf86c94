"""Who the customers are: recency, frequency and revenue, and how much of it a few of them bring."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, rfm
from crmkit._report.asked import Lacking, attempt
from crmkit._report.page import Column, element, figure, table
from crmkit._report.words import PERCENT, canvas, count, money, of_all, people, percent, section, span, truth

if TYPE_CHECKING:
    import pandas as pd

    from crmkit._report.asked import Asked
    from crmkit._report.page import Markup

__all__ = ["Segments", "code", "find", "tell"]

MEANING = {
    "Champions": "bought lately and often",
    "Loyal Customers": "buy often, not quite lately",
    "Potential Loyalists": "bought lately, a few times",
    "New Customers": "first order, very lately",
    "Promising": "first order, lately",
    "Need Attention": "middling in both",
    "About To Sleep": "few orders, a while ago",
    "Can't Lose Them": "bought very often, long silent",
    "At Risk": "bought often, long silent",
    "Hibernating": "few orders, long ago",
    rfm.OTHERS: "in no named segment",
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Customers by segment: `table` has one row per segment that has customers."""

    summary: pd.DataFrame
    of_customer: pd.Series
    table: pd.DataFrame
    empty: list[str]
    concentration: rfm.Concentration | Lacking


def find(asked: Asked, _: dict[str, Any]) -> Segments:
    """Score and segment the customers, and add up what each segment holds."""
    summary = rfm.summarize(asked.log)
    of_customer = rfm.segment(rfm.score(summary))
    codes = of_customer.cat.codes.to_numpy()
    names = list(of_customer.cat.categories)
    groups = {names[code]: summary.loc[codes == code] for code in np.unique(codes)}
    columns: dict[str, Any] = {
        "segment": list(groups),
        "customers": [len(group) for group in groups.values()],
        "revenue": [group["monetary"].sum() for group in groups.values()],
        "recency_days": [group["recency_days"].median() for group in groups.values()],
        "frequency": [group["frequency"].mean() for group in groups.values()],
        "monetary": [group["monetary"].mean() for group in groups.values()],
    }
    if asked.truth is not None:
        alive = asked.truth.of_customer["alive"]
        columns["alive"] = [alive.reindex(group.index).mean() for group in groups.values()]
    empty = [name for name in names if name not in groups and name != rfm.OTHERS]
    concentration = attempt(rfm.concentration, asked.log)
    return Segments(summary, of_customer, _frame.table(columns).set_index("segment"), empty, concentration)


def tell(found: Segments, asked: Asked) -> Markup:
    """Say who bought lately, often and much."""
    from crmkit import plot

    rows: list[Any] = list(found.table.itertuples())
    total = sum(row.revenue for row in rows)
    shares = {row.Index: percent(row.customers / len(found.summary)) for row in rows}
    money_shares = {row.Index: of_all(row.revenue, total) for row in rows}
    body = [
        (
            row.Index,
            MEANING.get(row.Index, ""),
            count(row.customers),
            shares[row.Index],
            money(row.revenue),
            money_shares[row.Index],
            f"{row.recency_days:,.0f}",
            f"{row.frequency:.1f}",
            money(row.monetary),
            *((percent(row.alive),) if asked.truth is not None else ()),
        )
        for row in rows
    ]
    titles = [
        "Customers",
        "of all",
        "Revenue",
        "of all",
        "Days since last order (median)",
        "Orders (mean)",
        "Revenue each (mean)",
    ]
    titles += ["Truly still customers"] if asked.truth is not None else []
    best = max(rows, key=lambda row: row.revenue).Index
    reading = f"{best}, {shares[best]} of the customers, brought {money_shares[best]} of the revenue."
    slipping = [row for row in rows if row.Index in ("At Risk", "Can't Lose Them")]
    if slipping:
        reading += (
            f" {people(sum(row.customers for row in slipping))} who used to buy often have gone silent"
            f" (At Risk, Can't Lose Them); they brought {money(sum(row.revenue for row in slipping))}."
        )
    picture = canvas(0.42 * len(rows) + 1.3)
    plot.rfm_segments(found.of_customer.cat.remove_unused_categories(), found.summary, ax=picture.axes[0])
    words = "; ".join(f"{name}: {share} of customers, {money_shares[name]} of revenue" for name, share in shares.items())
    pieces: list[Any] = [
        figure(picture, "segments", "Customers and revenue by segment.", f"Bar chart. {words}."),
        table(
            "Segments by recency and frequency",
            [Column("Segment", "label"), Column("Meaning", "words"), *map(Column, titles)],
            body,
        ),
    ]
    if found.empty:
        pieces.append(element("p", f"Nobody is in {', '.join(found.empty)}."))
    if asked.truth is not None:
        alive = asked.truth.of_customer["alive"].mean()
        pieces.append(truth(f"{percent(alive)} of these customers are still customers; a segment only guesses at who."))
    pieces += _concentration(found.concentration)
    return section(
        "segments",
        "Who the customers are",
        reading,
        *pieces,
        limits="Recency, frequency and revenue are cut at the fifths of these customers: a segment says how a customer compares"
        " with the others here, not whether they will buy again. Where many customers share a value, such as a single order,"
        " some scores are given to nobody.",
    )


def _concentration(found: rfm.Concentration | Lacking) -> list[Any]:
    from crmkit import plot

    if isinstance(found, Lacking):
        return [element("p", f"How unequal revenue is cannot be said: {found.reason}.")]
    words = (
        f"The best tenth of the customers brought {percent(found.top_share.value)} of the revenue (95{PERCENT} interval"
        f" {span(found.top_share, percent)}). The Gini coefficient, 0 if all were worth the same and near 1 if one held all, is"
        f" {found.gini.value:.2f} ({span(found.gini, '{:.2f}'.format)})."
    )
    picture = canvas(3.4)
    plot.rfm_lorenz(found, ax=picture.axes[0])
    return [
        element("h3", "How much a few of them bring"),
        element("p", words),
        figure(picture, "lorenz", "Share of revenue by share of customers.", f"Line chart. {words}"),
    ]


def code(_found: Segments, _: Asked) -> str:
    """Return the lines that find the segments."""
    return "summary = crm.rfm.summarize(log)\nsegments = crm.rfm.segment(crm.rfm.score(summary))\ncrm.rfm.concentration(log)"
