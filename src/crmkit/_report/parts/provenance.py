"""How the report was made: with what, from what, and the lines of code that give its numbers again."""

from __future__ import annotations

import importlib.metadata
import math
from typing import TYPE_CHECKING, Any

from crmkit import __version__
from crmkit._report.asked import Lacking
from crmkit._report.page import Column, element, join, table
from crmkit._report.parts.health import rows_read
from crmkit._report.words import code, count, facts_table, money, percent, section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmkit._report.asked import Asked
    from crmkit._report.page import Markup

__all__ = ["tell"]

LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "numba", "narwhals")


def tell(
    asked: Asked, found: Mapping[str, Any], listing: str, *, as_of: str, notes: tuple[str, ...], absent: list[str]
) -> Markup:
    """List everything needed to make the report again."""
    log, costs = asked.as_given, asked.costs
    named = ", ".join(f"{name}: {column}" for name, column in log.columns.items() if column is not None)
    rows: list[tuple[str, Any]] = [
        ("crmkit", __version__),
        ("Libraries", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)),
        ("As of", f"{as_of}, the day of the last event"),
        ("Columns", named),
        ("Missing ids", "refused" if log.missing == "error" else "rows left out"),
        ("Refunds", {"error": "refused", "subtract": "taken off purchases", "drop": "rows left out"}[log.refunds]),
        ("Rows left out", count(rows_read(log) - len(log))),
        ("Segments", "quantiles at fifths, map of crmkit.rfm.SEGMENTS"),
        ("Horizon of value", asked.horizon),
        ("Discount", f"{percent(asked.annual_discount)} a year"),
        ("Margin", percent(costs.margin)),
        (
            "Campaign",
            f"{money(costs.contact_cost)} a contact, {money(costs.offer_cost)} an offer taken, {percent(costs.accept)} kept",
        ),
        ("Budget", "no limit" if costs.budget is None else money(costs.budget)),
        ("Random numbers", "seed 0 everywhere"),
    ]
    pieces: list[Any] = []
    value = found.get("value")
    if value is not None and not isinstance(value, Lacking):
        rows.append(("Purchases", f"{value.name} by maximum likelihood, in weeks; purchases of one day are one"))
        models: list[Any] = [value.buying]
        if not isinstance(value.spend, Lacking):
            rows.append(("Spend", "Gamma-Gamma by maximum likelihood, on the means of repeat purchase days"))
            models.append(value.spend)
        body = [
            (f"{model.TITLE} {name}", f"{getattr(model, name):.5g}", _finite(model.standard_errors[name]))
            for model in models
            for name in model.PARAMETERS
        ]
        titles = [Column("Parameter", "fact"), Column("Estimate"), Column("Standard error")]
        pieces.append(table("Parameters of the models", titles, body))
    answers = found.get("feedback")
    if answers is not None and not isinstance(answers, Lacking):
        rows.append(("Score", f"Net Promoter Score, interval {answers.overall.method}, level {answers.overall.level:g}"))
    if absent:
        pieces.append(element("p", f"Not in this report: {'; '.join(absent)}."))
    if notes:
        pieces += [element("h3", "Notes of the functions"), element("ul", *(element("li", note) for note in notes))]
    lines = element(
        "details",
        element("summary", "The lines of code that give these numbers again"),
        element("p", "With the frames that were passed: orders, and where they were given contacts, survey and experiment."),
        code(listing),
    )
    reading = "The same file, settings and versions give the same page, byte by byte."
    settings = facts_table("Settings", rows)
    return section("provenance", "How it was made", reading, settings, join(pieces), lines)


def _finite(error: float) -> str:
    return f"{error:.3g}" if math.isfinite(error) else "not identified"
