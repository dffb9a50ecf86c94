"""The columns of the customer table, part by part: each computed by its topic, with its unit, its source and its meaning."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, churn, clv, feedback, recommend, rfm
from crmkit.cohort._periods import Calendar
from crmkit.errors import ColumnError, DataError, FitError
from crmkit.feedback._answers import DROP, read_scores

if TYPE_CHECKING:
    from crmkit._events import EventLog

__all__ = [
    "Column",
    "Found",
    "answers",
    "churn_risk",
    "contact_records",
    "intervals",
    "next_item",
    "orders",
    "purchases",
    "segments",
    "spend",
    "value",
]

Integers = npt.NDArray[np.int64]

CUTOFFS = 3  # at most so many past moments teach what churn looks like
ANSWERS = ("promoter", "passive", "detractor", "no answer")
BOUGHT_BEFORE = "bought before"


class Column(NamedTuple):
    """A column of the table, and what is said of it."""

    name: str
    values: Any
    unit: str
    source: str
    meaning: str


class Found:
    """The columns as they are put together, the models they need of each other, and what could not be had."""

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.models: dict[str, Any] = {}
        self.left_out: dict[str, str] = {}
        self.troubles: list[str] = []
        self.summary: Any = None  # of clv, on which purchases are predicted
        self.free: Any = None  # whose repeat purchases were all free

    def add(self, columns: Iterable[Column]) -> None:
        """Put columns behind those there are."""
        self.columns += columns

    def part(self, name: str, work: Callable[[], list[Column]]) -> None:
        """Add the columns of a part, or keep the reason why it has none."""
        try:
            self.add(work())
        except ColumnError as error:  # nothing to work on is no trouble
            self.left_out[name] = str(error)
        except (DataError, FitError) as error:
            self.left_out[name] = str(error)
            self.troubles.append(name)


# ── what was bought ──────────────────────────────────────────────────────────────────────────────────────────────────────


def orders(log: EventLog, bought: Integers, period: str, as_of: str) -> list[Column]:
    """Say when and how often everybody bought, and with whom they began."""
    orders, day = log.orders, log.clock.ticks_per_day
    first, last = orders.start[bought], orders.start[bought + 1] - 1
    began, ended = orders.time[first] // day, orders.time[last] // day
    today = int(log.lines.time.max()) // day
    months = Calendar.spanning(period, int(began.min()), today)
    zone = log.clock.zone or "no zone"
    every = {"D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}[period]
    group = f"first day of the {every} of the first purchase"
    return [
        Column("first_order", _frame.Moments(orders.instant[first], log.clock), f"time ({zone})", "events", "first purchase"),
        Column("last_order", _frame.Moments(orders.instant[last], log.clock), f"time ({zone})", "events", "last purchase"),
        Column("orders", last - first + 1, "orders", "rfm.summarize", "purchases so far, those refunded in full left out"),
        Column("recency_days", today - ended, "days", "rfm.summarize", f"from the last purchase to {as_of}, by dates"),
        Column("cohort", months.labels(months.number(began)), "date", "cohort.retention", group),
    ]  # fmt: skip


def segments(log: EventLog, bought: Integers, as_of: str) -> list[Column]:
    """Add up what was paid and asked back, and score it."""
    summary = rfm.summarize(log)
    revenue = "amounts of all purchases, refunds taken off"
    columns = [Column("revenue", _array(summary["monetary"]), "currency", "rfm.summarize", revenue)]
    if log.refunds == "subtract" and log.lines.amount is not None:
        lines = np.maximum(-log.lines.amount, 0.0)
        # a last 0 so that customers whose lines end the log have an end, too
        refunded = np.add.reduceat(np.append(lines, 0.0), log.lines.start[:-1])[bought]
        columns.append(Column("refunds", refunded, "currency", "events", "amounts that were asked back"))
    scores = rfm.score(summary)
    words = {"r": "how recently", "f": "how often", "m": "for how much"}
    columns += [
        Column(name, _array(scores[name]), "score 1 to 5", "rfm.score", f"{words[name]} they bought as of {as_of}; 5 is best")
        for name in words
    ]
    named = rfm.segment(scores)
    categories = _frame.Categories(named.cat.codes.to_numpy(), list(named.cat.categories))
    return [*columns, Column("segment", categories, "name", "rfm.segment", "what the three scores together are called")]


# ── what is to come ──────────────────────────────────────────────────────────────────────────────────────────────────────


def purchases(log: EventLog, found: Found, horizon: str, as_of: str) -> list[Column]:
    """Expect purchases of everybody from a BG/NBD model, which stays with `found`."""
    summary = clv.summarize(log, unit="W")
    model = clv.fit_bg_nbd(summary)
    found.summary, found.models["purchases"] = summary, model
    ahead = f"days with a purchase in the {horizon} after {as_of}"
    return [
        Column("p_alive", _array(clv.p_alive(model, summary)), "probability", "clv.p_alive", f"still a customer on {as_of}"),
        Column(
            "expected_purchases",
            _array(clv.expected_purchases(model, summary, horizon=horizon)),
            "purchase days",
            "clv.expected_purchases",
            f"expected {ahead}",
        ),
    ]


def spend(log: EventLog, found: Found) -> list[Column]:
    """Expect what a purchase day brings, from a Gamma-Gamma model, which stays with `found`."""
    log.require("amount")
    if found.summary is None:
        msg = "there is no model of purchases, which it goes with"
        raise FitError(msg)
    summary = found.summary
    free = (summary["frequency"] > 0) & (summary["monetary_value"] <= 0)
    model = clv.fit_gamma_gamma(summary.assign(frequency=summary["frequency"].where(~free, 0)))
    # a mean spend that is the population's leaves the expectation there
    found.summary = summary.assign(monetary_value=summary["monetary_value"].where(~free, clv.expected_spend(model)))
    each = _array(clv.expected_spend(model, found.summary))
    found.models["spend"], found.free = model, free.to_numpy()
    days = next(column.values for column in found.columns if column.name == "expected_purchases")
    return [
        Column("expected_spend", each, "currency per purchase day", "clv.expected_spend", "expected amount of a purchase day"),
        Column(
            "expected_revenue",
            days * each,
            "currency",
            "clv.expected_purchases, clv.expected_spend",
            "expected purchase days times expected spend, not discounted",
        ),
    ]


def intervals(found: Found, horizon: str, level: float, rng: Any, n_threads: int | None) -> list[Column]:
    """Give the bounds between which purchases, and revenue where there is a model of spend, will lie."""
    told = clv.prediction_interval(
        found.models["purchases"],
        found.summary,
        horizon=horizon,
        level=level,
        spend=found.models.get("spend"),
        rng=rng,
        n_threads=n_threads,
    ).customers
    source, columns = "clv.prediction_interval", []
    for measure, name, unit in (("purchases", "purchases", "purchase days"), ("value", "revenue", "currency")):
        for end, word in (("low", "lower"), ("high", "upper")):
            if f"{measure}_{end}" in told:
                values = _array(told[f"{measure}_{end}"])
                meaning = f"{word} end of the {100 * level:g} % prediction interval of {name} in these {horizon}"
                columns.append(Column(f"{name}_{end}", values, unit, source, meaning))
    return columns


def value(
    log: EventLog, found: Found, horizon: str | None, discount: float, margin: float, as_of: str, n_threads: int | None
) -> list[Column]:
    """Tell the worth of what was bought and of what is still to come."""
    log.require("amount")
    if "spend" not in found.models:
        msg = "there is no model of spend, which it needs"
        raise FitError(msg)
    worth = clv.lifetime_value(
        found.models["purchases"],
        found.models["spend"],
        found.summary,
        horizon=horizon,
        annual_discount=discount,
        margin=margin,
        n_threads=n_threads,
    )
    residual = _array(worth["residual"])
    # what was free has brought nothing, whatever is expected of the next time
    current = np.where(found.free, margin * _array(found.summary["first_value"]), _array(worth["current"]))
    terms = f"at a margin of {margin:g}"
    far = "without end" if horizon is None else f"over {horizon}"
    source = "clv.lifetime_value"
    return [
        Column("value_current", current, "currency", source, f"worth of what was bought so far, {terms}"),
        Column(
            "value_residual",
            residual,
            "currency",
            source,
            f"worth of what is still to come after {as_of}, {far}, {terms}, discounted by {discount:g} a year",
        ),
        Column("value_total", current + residual, "currency", source, "current and residual value together"),
    ]


def churn_risk(log: EventLog, found: Found, horizon: str, rng: Any, n_threads: int | None) -> list[Column]:
    """Learn from past cutoffs who stays away, and say how likely everybody is to do so from now on."""
    day = log.clock.ticks_per_day
    first, after = int(log.lines.time.min()) // day, int(log.lines.time.max()) // day + 1
    length = math.ceil(_options.days("churn_horizon", horizon))
    # each moment has a whole window behind it, and as much of a past
    days = [after - k * length for k in range(CUTOFFS, 0, -1) if after - (k + 1) * length >= first]
    if not days:
        msg = f"the log spans {after - first} days, less than two of {horizon}: one to look back on and one to see who stays away"
        raise DataError(msg)
    past = churn.panel(log, cutoffs=[log.clock.stamp(d * day) for d in days], horizon=horizon)
    model = churn.fit(past, rng=rng, n_threads=n_threads)
    today = churn.panel(log, cutoffs=[log.clock.stamp(after * day)], horizon=None)
    found.models["churn"] = model
    meaning = f"no purchase in the {horizon} after {log.clock.date(after - 1)}"
    return [Column("churn_probability", _array(churn.predict(model, today)), "probability", "churn.predict", meaning)]


def next_item(log: EventLog, numbered: EventLog, bought: Integers, found: Found, n_threads: int | None) -> list[Column]:
    """Find the likeliest next item of everybody, by the nearest neighbours of the items they have."""
    log.require("item")
    model = recommend.fit_item_knn(recommend.interactions(numbered), n_threads=n_threads)
    found.models["next_item"] = model
    names = ("item_knn", "popularity", BOUGHT_BEFORE)
    item, source = np.zeros(log.n_customers, np.int64), np.full(log.n_customers, -1, np.int8)
    for exclude in ("bought", "nothing"):
        waiting = bought[source[bought] < 0]
        if waiting.size == 0:
            break
        best = recommend.top_items(model, waiting, k=1, exclude=exclude, n_threads=n_threads)
        who = best["customer_id"].to_numpy()
        item[who] = best["item_id"].to_numpy()
        source[who] = [names.index(word) for word in best["source"]] if exclude == "bought" else names.index(BOUGHT_BEFORE)
    items: Any = log.items
    where = "recommend.top_items"
    return [
        Column("next_item", _frame.Labelled(items, item[bought]), "item", where, "likeliest next item not bought before"),
        Column("next_item_source", _frame.Categories(source[bought], names), "name", where, "what recommends it"),
    ]


# ── what they say ────────────────────────────────────────────────────────────────────────────────────────────────────────


def answers(log: EventLog, bought: Integers, survey: Any, score: str, time: str | None, unknown: list[str]) -> list[Column]:
    """Take the latest answer of everybody, and count all of them."""
    frame, name = _frame.read(survey), str(log.columns["customer"])
    if time == "timestamp" and time not in frame.columns:
        time = None
    # refuses what cannot be read, and answers that nobody could call the latest
    feedback.nps(survey, score=score, customer=name, time=time, repeats="error" if time is None else "latest")
    scores = read_scores(frame, score, np.ones(len(frame), np.bool_), DROP)
    code = _codes(log, bought, frame, name, "answers", unknown)
    moment = np.zeros(len(frame), np.int64) if time is None else _frame.times(frame, time, keyword="survey_time").instant
    order = np.lexsort((moment, code))
    order = order[code[order] >= 0]
    latest = np.full(log.n_customers, np.nan)
    latest[code[order]] = scores[order]  # of several, the last one stays
    count = np.bincount(code[order], minlength=log.n_customers)[bought]
    latest = latest[bought]
    kind = np.select([latest >= 9, latest >= 7, latest >= 0], [0, 1, 2], 3).astype(np.int8)
    return [
        Column("answers", count, "answers", "survey", "answers given"),
        Column("last_score", latest, "score 0 to 10", "survey", "latest answer; missing where there is none"),
        Column("last_answer", _frame.Categories(kind, ANSWERS), "name", "feedback.nps", "what the latest answer counts as"),
    ]


def contact_records(log: EventLog, bought: Integers, contacts: Any, unknown: list[str]) -> list[Column]:
    """Count the contact records of everybody."""
    code = _codes(log, bought, _frame.read(contacts), str(log.columns["customer"]), "contact records", unknown)
    count = np.bincount(code[code >= 0], minlength=log.n_customers)[bought]
    return [Column("contact_records", count, "records", "contacts", "contact records of this person")]


def _codes(log: EventLog, bought: Integers, frame: Any, name: str, what: str, unknown: list[str]) -> Any:
    """Return the number of the customer of each row, -1 for those who bought nothing, who are counted."""
    ids = _frame.ids(frame, name, keyword="customer")
    codes = log.labels.codes_of(ids.labels.as_index(), what=what)[ids.codes]
    among = np.zeros(log.n_customers + 1, np.bool_)
    among[bought] = True
    codes = np.where(among[codes], codes, -1)
    strangers = int((codes < 0).sum())
    if strangers:
        unknown.append(f"{strangers:,} of {codes.size:,} {what}")
    return codes


def _array(column: Any) -> Any:
    return column.to_numpy()
