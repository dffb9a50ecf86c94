"""Numbers in words, tables and pictures: each section says how to read it, and what it does not say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import __version__, rfm
from crmkit._report.facts import HORIZON_WEEKS
from crmkit._report.page import Column, Markup, element, figure, join, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crmkit._events import EventLog
    from crmkit._report.facts import Answers, Holdout, Segments, Value
    from crmkit.results import Estimate

__all__ = ["data", "feedback", "page", "provenance", "segments", "value"]

TOP = 20
PERCENT = "\u00a0%"
FEW = 30  # answers below which a group's interval says more than its score

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


def page(
    title: str,
    log: EventLog,
    found: Segments,
    ranked: Value | str,
    told: Answers | None,
    parts: list[Markup],
    *,
    as_of: str,
    skip: Markup,
) -> Markup:
    """Put the sections below a heading with the numbers that come first."""
    tiles = [
        ("Customers", _count(len(found.summary)), "with a purchase"),
        ("Purchases", _count(log.orders.time.size), "orders, refunds taken off" if log.refunds == "subtract" else "orders"),
        ("Revenue", _money(found.summary["monetary"].sum()), "in the currency of the file"),
    ]
    if not isinstance(ranked, str):
        total = ranked.table["purchases"].sum()
        tiles.append(("Purchases expected", _count(total), f"in the next {HORIZON_WEEKS:.0f} weeks, from these customers"))
    if told is not None:
        tiles.append(("Net Promoter Score", _signed(told.overall.value, 0), f"95{PERCENT} interval {_span(told.overall)}"))
    shown = [
        element("div", element("dt", name), element("dd", number, *([element("small", small)] if small else [])))
        for name, number, small in tiles
    ]
    links = [("data", "Data"), ("segments", "Segments"), ("value", "Value")]
    links += [("feedback", "Feedback")] if told is not None else []
    links.append(("provenance", "How it was made"))
    items = [element("li", element("a", name, href=f"#{to}")) for to, name in links]
    header = element(
        "header",
        element("h1", title),
        element("p", f"{log.span.start:%Y-%m-%d} to {as_of}, looking back from the last event.", class_="lead"),
        element("dl", *shown, class_="tiles"),
        element("nav", element("ul", *items), aria_label="Sections"),
    )
    foot = element("footer", element("p", f"Written by crmkit {__version__}. Nothing in this page is loaded from elsewhere."))
    return join([skip, header, element("main", *parts, id="report"), foot])


def data(log: EventLog) -> Markup:
    """Say what was read, what it spans, what was left out."""
    orders, n_days = log.orders.time.size, (log.span.end.normalize() - log.span.start.normalize()).days + 1
    rows: list[tuple[str, str]] = [
        ("Rows read", _count(rows_read(log))),
        ("Rows used", _count(len(log))),
        ("Customers with a purchase", _count(int((np.diff(log.orders.start) > 0).sum()))),
        ("Purchases (orders)", _count(orders)),
        ("First event", f"{log.span.start:%Y-%m-%d %H:%M}"),
        ("Last event", f"{log.span.end:%Y-%m-%d %H:%M}" + (f" ({log.clock.zone})" if log.clock.zone else "")),
        ("Length", f"{n_days:,} days"),
    ]
    if log.items is not None:
        rows.append(("Different items", _count(len(log.items))))
    silent = log.n_customers - int((np.diff(log.orders.start) > 0).sum())
    if silent:
        rows.append(("Customers with refunds alone", _count(silent)))
    if log.dropped:
        left_out: Any = table("What did not become a purchase, and why", [Column("Reason", "fact"), Column("Number")],
                              [(reason.capitalize(), f"{number:,.10g}") for reason, number in log.dropped.items()])  # fmt: skip
    else:
        left_out = element("p", "Nothing was left out.")
    assert log.orders.amount is not None
    free = int((log.orders.amount == 0).sum())
    reading = f"{_count(orders)} purchases of {_count(len(log.customers))} customers over {n_days:,} days."
    limits = "Rows with one order id are one purchase." if log.columns["order"] else (
        "Rows of a customer with one time stamp are one purchase, for want of an order column."
    )  # fmt: skip
    if free:
        limits += f" {_count(free)} purchases have an amount of zero; they count as purchases."
    return _section(
        "data", "What the data hold", reading, table("The events", [Column("", "fact"), Column("")], rows), left_out,
        limits=limits,
    )  # fmt: skip


def rows_read(log: EventLog) -> int:
    """Count the rows the frame had."""
    return len(log) + log.n_missing + int(log.dropped.get("refund rows dropped", 0))


def segments(found: Segments) -> Markup:
    """Say who bought lately, often and much."""
    from crmkit import plot

    rows: list[Any] = list(found.table.itertuples())
    money = sum(row.revenue for row in rows)
    shares = {row.Index: _percent(row.customers / len(found.summary)) for row in rows}
    money_shares = {row.Index: _percent(row.revenue / money) if money > 0 else "–" for row in rows}
    body = [
        (
            row.Index,
            MEANING.get(row.Index, ""),
            _count(row.customers),
            shares[row.Index],
            _money(row.revenue),
            money_shares[row.Index],
            f"{row.recency_days:,.0f}",
            f"{row.frequency:.1f}",
            _money(row.monetary),
        )
        for row in rows
    ]
    numbers = (
        "Customers",
        "of all",
        "Revenue",
        "of all",
        "Days since last order (median)",
        "Orders (mean)",
        "Revenue each (mean)",
    )
    best = max(rows, key=lambda row: row.revenue).Index
    reading = f"{best}, {shares[best]} of the customers, brought {money_shares[best]} of the revenue."
    slipping = [row for row in rows if row.Index in ("At Risk", "Can't Lose Them")]
    if slipping:
        reading += (
            f" {_people(sum(row.customers for row in slipping))} who used to buy often have gone silent"
            f" (At Risk, Can't Lose Them); they brought {_money(sum(row.revenue for row in slipping))}."
        )
    picture = _canvas(0.42 * len(rows) + 1.3)
    plot.rfm_segments(found.of_customer.cat.remove_unused_categories(), found.summary, ax=picture.axes[0])
    words = "; ".join(f"{name}: {share} of customers, {money_shares[name]} of revenue" for name, share in shares.items())
    nobody = element("p", f"Nobody is in {', '.join(found.empty)}.") if found.empty else ""
    return _section(
        "segments",
        "Who the customers are",
        reading,
        figure(picture, "segments", "Customers and revenue by segment.", f"Bar chart. {words}."),
        table(
            "Segments by recency and frequency",
            [Column("Segment", "label"), Column("Meaning", "words"), *map(Column, numbers)],
            body,
        ),
        nobody,
        limits="Recency, frequency and revenue are cut at the fifths of these customers: a segment says how a customer compares"
        " with the others here, not whether they will buy again. Where many customers share a value, such as a single order,"
        " some scores are given to nobody.",
    )


def value(ranked: Value | str, *, simulated: bool) -> Markup:
    """Say what customers are likely to be worth, and how far that can be trusted."""
    from crmkit import plot

    if isinstance(ranked, str):
        return _section("value", "What they are likely to be worth", "No ranking: the purchases do not determine a model.",
                        element("p", ranked, class_="note"))  # fmt: skip
    rows, weeks = ranked.table, f"{HORIZON_WEEKS:.0f} weeks"
    measure = "value" if ranked.spend is not None else "purchases"
    order = np.argsort(-rows[measure].to_numpy(), kind="stable")[:TOP]
    # one column, one number of digits
    amount = "{:,.2f}".format if rows[measure].iloc[order].max() < 100 else "{:,.0f}".format
    columns: list[tuple[str, str, Any]] = [
        ("Repeat purchases", "frequency", _count),
        ("Weeks since last", "since", lambda number: f"{number:,.1f}"),
        ("Mean repeat order", "monetary_value", _money),
        ("P(still a customer)", "p_alive", _percent),
        (f"Expected purchases, {weeks}", "purchases", lambda number: f"{number:,.1f}"),
    ]
    if ranked.spend is not None:
        columns += [("Expected per purchase", "spend", _money), (f"Expected value, {weeks}", "value", amount)]
    if simulated:
        purchases = ("True expected purchases", "true_purchases", "{:,.1f}".format)
        columns.append(purchases if ranked.spend is None else ("True expected value", "true_value", amount))
    shown = rows.assign(since=rows["T"] - rows["recency"]).iloc[order]
    body = [
        (place, label, *(write(row[name]) for _, name, write in columns))
        for place, (label, row) in enumerate(shown.iterrows(), start=1)
    ]
    titles = [Column("Rank"), Column("Customer", "label"), *(Column(name) for name, _, _ in columns)]
    pieces: list[Any] = []
    if ranked.spend is not None:
        total = rows["value"].sum()
        tenth = max(1, round(0.1 * len(rows)))
        best = np.sort(rows["value"].to_numpy())[::-1][:tenth].sum()
        reading = (
            f"In the next {weeks} these customers are expected to spend {_money(total)} in {_count(rows['purchases'].sum())}"
            f" purchases; the best tenth of them {_percent(best / total)} of it."
        )
        picture = _canvas(3.6)
        plot.clv_value(rows["value"], truth=rows["true_value"] if simulated else None, ax=picture.axes[0])
        alt = f"Line chart. The best tenth of the customers hold {_percent(best / total)} of the expected value."
        pieces.append(figure(picture, "value", "How expected value is spread over customers.", alt))
    else:
        reading = (
            f"In the next {weeks} these customers are expected to make {_count(rows['purchases'].sum())} purchases."
            " They are ranked by purchases, because spend could not be modelled."
        )
        pieces.append(element("p", ranked.spend_reason, class_="note"))
    if simulated:
        pieces.append(_beside_the_truth(ranked))
    pieces.append(table(f"The {min(TOP, len(rows))} most valuable customers", titles, body))
    pieces += [element("h3", "Would it have been right?"), *_tried(ranked)]
    limits = (
        "An expectation, not a promise: single customers buy more or less than expected by chance, and often by much. Value is"
        " not discounted and no cost is taken off. Purchases on one day are one purchase. The models hold rates and spend to stay"
        " as they are: seasons, campaigns and price changes are not in them, and new customers are not counted."
    )
    if ranked.n_free:
        limits += f" {_people(ranked.n_free)} with free repeat purchases alone: the average customer's spend is assumed."
    return _section("value", "What they are likely to be worth", reading, *pieces, limits=limits)


def _beside_the_truth(ranked: Value) -> Markup:
    rows = ranked.table
    total, truth = rows["purchases"].sum(), rows["true_purchases"].sum()
    words = (
        f"These purchases are simulated, so the truth is known: {_count(total)} purchases are expected, and"
        f" {_count(truth)} follow from the customers' true rates ({_off(total, truth)})."
    )
    if ranked.spend is not None:
        tenth = max(1, round(0.1 * len(rows)))
        best = rows["value"].nlargest(tenth).index
        real = rows.loc[best, "true_value"].sum() / rows["true_value"].sum()
        words += f" The tenth ranked best by the model truly holds {_percent(real)} of the value."
    words += " A true value of 0 is a customer who has left, which no purchase file shows."
    return element("p", words)


def _tried(ranked: Value) -> list[Markup]:
    """Show the forecast of the last quarter, in a sentence and a picture."""
    from crmkit import plot

    model = ranked.buying
    health = "The search converged." if model.converged else "The search stopped short: take these numbers with care."
    fit = element("p", f"The fit of purchases: {model.diagnosis}. {health}")
    if ranked.spend is not None:
        fit = join([fit, element("p", f"The fit of spend: {ranked.spend.diagnosis}."
                                 + ("" if ranked.spend.converged else " The search stopped short."))])  # fmt: skip
    if ranked.holdout is None:
        return [element("p", f"No purchases were held out: {ranked.holdout_reason}."), fit]
    held: Holdout = ranked.holdout
    expected, happened = held.expected.sum(), held.actual.sum()
    words = (
        f"With the purchases before {held.first_day} alone, the model expected {_count(expected)} purchase days of the"
        f" {_count(held.expected.size)} customers known by then in the {held.days} days that followed; there were"
        f" {_count(happened)} ({_off(expected, happened)})."
    )
    picture = _canvas(3.2)
    plot.clv_calibration(held.expected, held.actual, ax=picture.axes[0])
    alt = f"Bar chart of purchases per customer by tenths of expected purchases. {words}"
    return [
        element("p", words),
        figure(picture, "calibration", f"Purchase days per customer from {held.first_day} on.", alt),
        fit,
    ]


def feedback(told: Answers) -> Markup:
    """Say what customers say, with intervals."""
    from crmkit import plot

    promoters, passives, detractors = told.counts
    overall = told.overall
    reading = (
        f"The Net Promoter Score is {_signed(overall.value)}, with a 95{PERCENT} interval from {_span(overall)}:"
        f" {_count(promoters)} promoters (9 or 10), {_count(passives)} passives and {_count(detractors)} detractors (0 to 6)"
        f" among {_count(overall.n)} answers."
    )
    pieces: list[Any] = []
    groups = [
        (told.by_segment, "Segment", "by RFM segment of the customer", "answers-by-segment"),
        (told.by_column, str(told.by), f"by {told.by}, a column of the survey", "answers-by-column"),
    ]
    for rows, what, words, name in groups:
        if rows is None:
            continue
        pieces.append(element("h3", f"The score {words}"))
        picture = _canvas(0.5 * len(rows) + 0.9)
        plot.feedback_nps(rows, overall=overall, ax=picture.axes[0])
        groups_in_words, body = [], []
        row: Any
        for row in rows.itertuples():
            interval = f"{_signed(row.ci_low)} to {_signed(row.ci_high)}"
            counts = [_count(number) for number in (row.n, row.promoters, row.passives, row.detractors)]
            groups_in_words.append(f"{row.Index}: {_signed(row.value)} ({interval})")
            body.append((row.Index, _signed(row.value), interval, *counts))
        caption = f"Score {words}, with 95{PERCENT} intervals; the dashed line is all answers."
        pieces.append(figure(picture, name, caption, "; ".join(groups_in_words)))
        titles = [*map(Column, ("Score", f"95{PERCENT} interval", "Answers", "Promoters", "Passives", "Detractors"))]
        pieces.append(table(f"Net Promoter Score {words}", [Column(what, "label"), *titles], body))
    if told.n_unmatched:
        lost = f"{_count(told.n_unmatched)} answers come from nobody with a purchase in this file: they count in no segment."
        pieces.append(element("p", lost))
    limits = (
        "The score speaks for those who answered; who does not answer may think otherwise. Intervals that overlap much are no"
        " evidence of a difference, and of many groups some differ by chance."
    )
    if any(rows is not None and (rows["n"] < FEW).any() for rows, *_ in groups):
        limits += f" Groups with fewer than {FEW} answers say little: read the interval, not the score."
    return _section("feedback", "What they say", reading, *pieces, limits=limits)


def provenance(log: EventLog, ranked: Value | str, told: Answers | None, *, as_of: str, notes: tuple[str, ...]) -> Markup:
    """List everything needed to make the report again."""
    named = ", ".join(f"{name}: {column}" for name, column in log.columns.items() if column is not None)
    rows: list[tuple[str, str]] = [
        ("crmkit", __version__),
        ("As of", f"{as_of}, the day of the last event"),
        ("Columns", named),
        ("Missing ids", "refused" if log.missing == "error" else "rows left out"),
        ("Refunds", {"error": "refused", "subtract": "taken off purchases", "drop": "rows left out"}[log.refunds]),
        ("Rows left out", _count(rows_read(log) - len(log))),
        ("Segments", "quantiles at fifths, map of crmkit.rfm.SEGMENTS"),
    ]
    pieces: list[Any] = []
    if not isinstance(ranked, str):
        rows.append(("Purchases", "BG/NBD by maximum likelihood, in weeks; purchases of one day are one"))
        rows.append(("Horizon", f"{HORIZON_WEEKS:.0f} weeks"))
        models: list[Any] = [ranked.buying, *([ranked.spend] if ranked.spend is not None else [])]
        if ranked.spend is not None:
            rows.append(("Spend", "Gamma-Gamma by maximum likelihood, on the means of repeat purchase days"))
        body = [
            (f"{model.TITLE} {name}", f"{getattr(model, name):.5g}", _finite(model.standard_errors[name]))
            for model in models
            for name in model.PARAMETERS
        ]
        titles = [Column("Parameter", "fact"), Column("Estimate"), Column("Standard error")]
        pieces.append(table("Parameters of the models", titles, body))
    if told is not None:
        rows.append(("Score", f"Net Promoter Score, interval {told.overall.method}, level {told.overall.level:g}"))
    if notes:
        pieces += [element("h3", "Notes of the functions"), element("ul", *(element("li", note) for note in notes))]
    reading = "The same file and settings give the same page, byte by byte."
    settings = table("Settings", [Column("", "fact"), Column("", "fact")], rows)
    return _section("provenance", "How it was made", reading, settings, *pieces)


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _section(name: str, title: str, reading: str, *pieces: Any, limits: str = "") -> Markup:
    closing = [element("p", element("strong", "Limits. "), limits, class_="limits")] if limits else []
    return element("section", element("h2", title), element("p", reading, class_="reading"), *pieces, *closing, id=name)


def _canvas(height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        from crmkit.errors import MissingExtraError

        msg = "the report draws its pictures with matplotlib, which is not installed: python -m pip install matplotlib"
        raise MissingExtraError(msg) from error
    picture = Figure(figsize=(5.6, height), layout="constrained")
    picture.subplots()
    return picture


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _people(number: float) -> str:
    return f"{number:,.0f} customer" + ("" if number == 1 else "s")


def _money(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:,.2f}"


def _percent(share: float) -> str:
    if 0 < share < 0.0005:
        return f"< 0.1{PERCENT}"
    return f"{100 * share:.1f}{PERCENT}" if 0 < share < 0.1 else f"{100 * share:.0f}{PERCENT}"


def _span(estimate: Estimate) -> str:
    return f"{_signed(estimate.ci_low, 0)} to {_signed(estimate.ci_high, 0)}"


def _signed(number: float, digits: int = 1) -> str:
    text = f"{number:+.{digits}f}".replace("-", "−")
    return text[1:] if float(text[1:]) == 0.0 else text


def _off(expected: float, happened: float) -> str:
    if happened == 0:
        return "none happened"
    off = expected / happened - 1.0
    return f"{abs(100 * off):.1f}{PERCENT} too {'many' if off > 0 else 'few'} expected"


def _finite(error: float) -> str:
    return f"{error:.3g}" if math.isfinite(error) else "not identified"
