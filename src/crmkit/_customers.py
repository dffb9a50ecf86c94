"""The customer table: one row per person with what every topic knows, and what each column is, in which unit, from where."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options, churn, clv, feedback, recommend, rfm
from crmkit.cohort._periods import PERIODS, Calendar
from crmkit.errors import ColumnError, DataError, DataWarning, FitError, OptionError
from crmkit.feedback._answers import read_scores
from crmkit.results import Frozen, confidence_level, html_table

if TYPE_CHECKING:
    from crmkit._events import ColumnNames, EventLog

__all__ = ["Customers", "customers"]

Integers = npt.NDArray[np.int64]

CUTOFFS = 3  # at most so many past moments teach what churn looks like
DESCRIPTION = ("column", "unit", "source", "meaning")
ANSWERS = ("promoter", "passive", "detractor", "no answer")
BOUGHT_BEFORE = "bought before"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Customers(Frozen):
    """What is known and expected of each customer; it prints its columns, never a customer.

    Attributes
    ----------
    table : DataFrame
        One row per customer with a purchase, in the order of the ids, indexed by id in pandas.
    columns : DataFrame
        One row per column of `table`: ``column``, ``unit``, ``source`` (the function that computes it) and ``meaning``.
    left_out : mapping of str to str
        The parts that are not in the table, and why.
    models : mapping of str to model
        The fitted models behind the columns: ``purchases``, ``spend``, ``churn`` and ``next_item``, as far as there are any.
    as_of : str
        The day it looks back from, which is that of the last event, and forward from.
    """

    table: Any
    columns: Any
    left_out: Mapping[str, str]
    models: Mapping[str, Any]
    as_of: str

    def _described(self) -> list[tuple[str, str, str, str]]:
        frame = _frame.read(self.columns)
        lists = (_frame.as_pandas(frame.column(name), frame.kind).tolist() for name in DESCRIPTION)
        return list(zip(*lists, strict=True))

    def _title(self) -> str:
        return f"{len(_frame.read(self.table)):,} customers as of {self.as_of}"

    def _notes(self) -> list[str]:
        """Say which models are behind the columns, how well they were determined, and what is missing."""
        notes = []
        for part, model in self.models.items():
            stopped = "" if getattr(model, "converged", True) else "not converged"
            words = [getattr(model, "TITLE", "") or type(model).__name__, stopped, getattr(model, "diagnosis", "")]
            notes.append(f"model of {part.replace('_', ' ')}: {', '.join(word for word in words if word)}")
        return [*notes, *(f"left out: {part}: {reason}" for part, reason in self.left_out.items())]

    def __repr__(self) -> str:
        rows = self._described()
        wide, units = (max(len(row[k]) for row in rows) for k in (0, 1))
        lines = [f"Customers: {self._title()}, {len(rows)} columns"]
        lines += [f"  {name:<{wide}}  {unit:<{units}}  {source}" for name, unit, source, _ in rows]
        return "\n".join([*lines, *(f"  {note}" for note in self._notes())])

    def _repr_html_(self) -> str:
        return html_table(self._described(), head=DESCRIPTION, caption=self._title(), notes=self._notes())


def customers(
    log: Any,
    /,
    *,
    survey: Any = None,
    score: str = "score",
    survey_time: str | None = "timestamp",
    contacts: Any = None,
    period: str = "M",
    horizon: str = "52W",
    value_horizon: str | None = None,
    annual_discount: float = 0.10,
    margin: float = 1.0,
    level: float | None = 0.95,
    churn_horizon: str | None = "90D",
    rng: Any = 0,
    n_threads: int | None = None,
    **columns: Unpack[ColumnNames],
) -> Customers:
    r"""Bring together what every topic knows of each customer: one row per person, each column with its unit and source.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases with times; a frame takes the column keywords of `crmkit.events`. Amounts and items fill more columns.
    survey : DataFrame, optional
        One row per answer from 0 to 10, with the customer column of the log.
    score : str, default "score"
        Column of the answers.
    survey_time : str or None, default "timestamp"
        Column of the moments of the answers, of which the latest counts; without a column of the default name, and with
        None, a person answers once.
    contacts : DataFrame, optional
        One row per contact record, with the customer column of the log, to count them.
    period : {"D", "W", "M", "Q", "Y"}, default "M"
        Calendar period of the first purchase that makes a cohort.
    horizon : str, default "52W"
        How far ahead purchases and revenue are expected.
    value_horizon : str, optional
        How far ahead the residual lifetime value looks. Default: without end, which needs a positive discount.
    annual_discount : float, default 0.10
        Yearly rate at which money to come is discounted in the lifetime value.
    margin : float, default 1.0
        Share of the amounts that is profit, in the lifetime value.
    level : float or None, default 0.95
        Level of the prediction intervals; None leaves them out, which is much faster on many customers.
    churn_horizon : str or None, default "90D"
        So long a time without a purchase from now on is churn; None leaves its probability out.
    rng : int, Generator or None, default 0
        Seed of the intervals and of the churn model; None for fresh entropy.
    n_threads : int, optional
        Threads; the answer does not depend on it.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    Customers
        ``table``, and in ``columns`` what each of its columns is. By part:

        - ``first_order``, ``last_order``, ``orders``, ``recency_days``, ``cohort`` (first day of the period of the first order);
        - with amounts, ``revenue`` and, where refunds are subtracted, ``refunds``; ``r``, ``f``, ``m`` and ``segment``;
        - ``p_alive``, ``expected_purchases``, ``purchases_low``, ``purchases_high``;
        - with amounts, ``expected_spend`` per purchase day, ``expected_revenue``, ``revenue_low``, ``revenue_high``, and
          ``value_current``, ``value_residual``, ``value_total``;
        - ``churn_probability``;
        - with items, ``next_item`` and ``next_item_source``;
        - with a survey, ``answers``, ``last_score`` (missing without an answer) and ``last_answer``;
        - with contacts, ``contact_records``.

    Raises
    ------
    ColumnError
        A column is missing, or the log has no times.
    DataError
        The events, the answers or the contacts cannot be read, or nobody bought.
    OptionError
        An option is not usable, or the customer column is named like a column of the table.

    Warns
    -----
    DataWarning
        What the functions themselves warn of, such as scores that ties leave to nobody. Or a part could not be determined
        from the purchases, such as a model of spend from too few of them: it is left out, and `left_out` says why. Parts for
        which there is no column are left out without a warning. Or answers and contacts belong to nobody who bought.

    Notes
    -----
    Nothing here is computed in another way than by the function named in ``columns``, with its defaults: BG/NBD and
    Gamma-Gamma on weeks, scores at fifths, the churn model on a panel of up to three past cutoffs, one horizon apart, and
    the nearest neighbours of items for what is bought next. Where another model suits the purchases better, call the
    functions one by one.

    The table looks back from the last event: pass ``log.until("2024-07-01")`` for what was known then.

    Gamma-Gamma knows positive amounts only. Customers whose repeat purchases were all free are expected to spend what the
    population does, as those without a repeat purchase are.

    Who has bought every item gets the one they are likeliest to buy again, with the source "bought before".

    Examples
    --------
    >>> import crmkit as crm
    >>> shop = crm.datasets.make_transactions(n_customers=300, weeks=208)
    >>> found = crm.customers(shop.transactions, order="order_id", churn_horizon=None, level=None)
    >>> found.table[["orders", "segment", "p_alive"]].shape
    (300, 3)
    >>> found.columns.set_index("column").loc["p_alive", "source"]
    'clv.p_alive'
    """
    _options.choice("period", period, PERIODS)
    _options.days("horizon", horizon)
    for keyword, length in (("value_horizon", value_horizon), ("churn_horizon", churn_horizon)):
        if length is not None:
            _options.days(keyword, length)
    discount = _options.number("annual_discount", annual_discount, low=0.0)
    if value_horizon is None:
        _options.number("annual_discount (without value_horizon)", discount, low=0.0, ends=False)
    share = _options.number("margin", margin, low=0.0)
    _options.generator(rng)
    if level is not None:
        confidence_level(level)
    log = _read(log, columns)
    log.require("time")
    bought = np.flatnonzero(np.diff(log.orders.start))
    if bought.size == 0:
        msg = "the log holds refunds and no purchase: there are no customers to tell of"
        raise DataError(msg)
    numbered, as_of = _numbered(log), log.clock.date(int(log.lines.time.max()) // log.clock.ticks_per_day)

    # first what can be wrong, then what takes time
    unknown: list[str] = []
    said = [] if survey is None else _answers(log, bought, survey, score, survey_time, unknown)
    said += [] if contacts is None else _contacts(log, bought, contacts, unknown)
    found = _Found()
    found.add(_orders(log, bought, period, as_of))
    found.part("revenue and segments", lambda: _segments(numbered, bought, as_of))
    found.part("purchases to come", lambda: _purchases(numbered, found, horizon, as_of))
    found.part("spend", lambda: _spend(numbered, found))
    if level is not None and "purchases" in found.models:
        found.part("intervals", lambda: _intervals(found, horizon, level, rng, n_threads))
    found.part("value", lambda: _value(log, found, value_horizon, discount, share, as_of, n_threads))
    if churn_horizon is not None:
        found.part("churn", lambda: _churn(numbered, found, churn_horizon, rng, n_threads))
    found.part("next item", lambda: _next_item(log, numbered, bought, found, n_threads))
    found.add(said)
    _warn(found.troubles, unknown)
    return _assembled(log, bought, found, as_of)


class _Column(NamedTuple):
    """A column of the table, and what is said of it."""

    name: str
    values: Any
    unit: str
    source: str
    meaning: str


class _Found:
    """The columns as they are put together, the models they need of each other, and what could not be had."""

    def __init__(self) -> None:
        self.columns: list[_Column] = []
        self.models: dict[str, Any] = {}
        self.left_out: dict[str, str] = {}
        self.troubles: list[str] = []
        self.summary: Any = None  # of clv, on which purchases are predicted
        self.free: Any = None  # whose repeat purchases were all free

    def add(self, columns: Iterable[_Column]) -> None:
        self.columns += columns

    def part(self, name: str, work: Callable[[], list[_Column]]) -> None:
        """Add the columns of a part, or keep the reason why it has none."""
        try:
            self.add(work())
        except ColumnError as error:  # nothing to work on is no trouble
            self.left_out[name] = str(error)
        except (DataError, FitError) as error:
            self.left_out[name] = str(error)
            self.troubles.append(name)


def _read(frame: Any, columns: ColumnNames) -> EventLog:
    """Read a frame into a log, with items where there are any."""
    return _events.as_log(frame, **columns) if isinstance(frame, _events.EventLog) else _events.events(frame, **columns)


def _numbered(log: EventLog) -> EventLog:
    """Return the log with customers and items numbered from 0: whatever frame it came from, tables are pandas and line up."""

    def numbers(labels: Any) -> Any:
        return None if labels is None else _frame.ids(_frame.table({"id": np.arange(len(labels))}), "id").labels

    names = {name: ("item_id" if name == "item" else "customer_id") for name in ("customer", "item") if log.columns.get(name)}
    return dataclasses.replace(
        log,
        labels=numbers(log.labels),
        items=numbers(log.items),
        kinds=None,
        columns=MappingProxyType({**log.columns, **names, "kind": None}),
    )


# ── what was bought ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _orders(log: EventLog, bought: Integers, period: str, as_of: str) -> list[_Column]:
    orders, day = log.orders, log.clock.ticks_per_day
    first, last = orders.start[bought], orders.start[bought + 1] - 1
    began, ended = orders.time[first] // day, orders.time[last] // day
    today = int(log.lines.time.max()) // day
    months = Calendar.spanning(period, int(began.min()), today)
    zone = log.clock.zone or "no zone"
    every = {"D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}[period]
    group = f"first day of the {every} of the first purchase"
    return [
        _Column("first_order", _frame.Moments(orders.instant[first], log.clock), f"time ({zone})", "events", "first purchase"),
        _Column("last_order", _frame.Moments(orders.instant[last], log.clock), f"time ({zone})", "events", "last purchase"),
        _Column("orders", last - first + 1, "orders", "rfm.summarize", "purchases so far, those refunded in full left out"),
        _Column("recency_days", today - ended, "days", "rfm.summarize", f"from the last purchase to {as_of}, by dates"),
        _Column("cohort", months.labels(months.number(began)), "date", "cohort.retention", group),
    ]  # fmt: skip


def _segments(log: EventLog, bought: Integers, as_of: str) -> list[_Column]:
    summary = rfm.summarize(log)
    revenue = "amounts of all purchases, refunds taken off"
    columns = [_Column("revenue", _array(summary["monetary"]), "currency", "rfm.summarize", revenue)]
    if log.refunds == "subtract" and log.lines.amount is not None:
        lines = np.maximum(-log.lines.amount, 0.0)
        # a last 0 so that customers whose lines end the log have an end, too
        refunded = np.add.reduceat(np.append(lines, 0.0), log.lines.start[:-1])[bought]
        columns.append(_Column("refunds", refunded, "currency", "events", "amounts that were asked back"))
    scores = rfm.score(summary)
    words = {"r": "how recently", "f": "how often", "m": "for how much"}
    columns += [
        _Column(name, _array(scores[name]), "score 1 to 5", "rfm.score", f"{words[name]} they bought as of {as_of}; 5 is best")
        for name in words
    ]
    named = rfm.segment(scores)
    categories = _frame.Categories(named.cat.codes.to_numpy(), list(named.cat.categories))
    return [*columns, _Column("segment", categories, "name", "rfm.segment", "what the three scores together are called")]


# ── what is to come ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _purchases(log: EventLog, found: _Found, horizon: str, as_of: str) -> list[_Column]:
    summary = clv.summarize(log, unit="W")
    model = clv.fit_bg_nbd(summary)
    found.summary, found.models["purchases"] = summary, model
    ahead = f"days with a purchase in the {horizon} after {as_of}"
    return [
        _Column("p_alive", _array(clv.p_alive(model, summary)), "probability", "clv.p_alive", f"still a customer on {as_of}"),
        _Column(
            "expected_purchases",
            _array(clv.expected_purchases(model, summary, horizon=horizon)),
            "purchase days",
            "clv.expected_purchases",
            f"expected {ahead}",
        ),
    ]


def _spend(log: EventLog, found: _Found) -> list[_Column]:
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
        _Column("expected_spend", each, "currency per purchase day", "clv.expected_spend", "expected amount of a purchase day"),
        _Column(
            "expected_revenue",
            days * each,
            "currency",
            "clv.expected_purchases, clv.expected_spend",
            "expected purchase days times expected spend, not discounted",
        ),
    ]


def _intervals(found: _Found, horizon: str, level: float, rng: Any, n_threads: int | None) -> list[_Column]:
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
                columns.append(_Column(f"{name}_{end}", values, unit, source, meaning))
    return columns


def _value(
    log: EventLog, found: _Found, horizon: str | None, discount: float, margin: float, as_of: str, n_threads: int | None
) -> list[_Column]:
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
        _Column("value_current", current, "currency", source, f"worth of what was bought so far, {terms}"),
        _Column(
            "value_residual",
            residual,
            "currency",
            source,
            f"worth of what is still to come after {as_of}, {far}, {terms}, discounted by {discount:g} a year",
        ),
        _Column("value_total", current + residual, "currency", source, "current and residual value together"),
    ]


def _churn(log: EventLog, found: _Found, horizon: str, rng: Any, n_threads: int | None) -> list[_Column]:
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
    return [_Column("churn_probability", _array(churn.predict(model, today)), "probability", "churn.predict", meaning)]


def _next_item(log: EventLog, numbered: EventLog, bought: Integers, found: _Found, n_threads: int | None) -> list[_Column]:
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
        _Column("next_item", _frame.Labelled(items, item[bought]), "item", where, "likeliest next item not bought before"),
        _Column("next_item_source", _frame.Categories(source[bought], names), "name", where, "what recommends it"),
    ]


# ── what they say ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _answers(log: EventLog, bought: Integers, survey: Any, score: str, time: str | None, unknown: list[str]) -> list[_Column]:
    frame, name = _frame.read(survey), str(log.columns["customer"])
    if time == "timestamp" and time not in frame.columns:
        time = None
    # refuses what cannot be read, and answers that nobody could call the latest
    feedback.nps(survey, score=score, customer=name, time=time, repeats="error" if time is None else "latest")
    scores = read_scores(frame, score, np.ones(len(frame), np.bool_))
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
        _Column("answers", count, "answers", "survey", "answers given"),
        _Column("last_score", latest, "score 0 to 10", "survey", "latest answer; missing where there is none"),
        _Column("last_answer", _frame.Categories(kind, ANSWERS), "name", "feedback.nps", "what the latest answer counts as"),
    ]


def _contacts(log: EventLog, bought: Integers, contacts: Any, unknown: list[str]) -> list[_Column]:
    code = _codes(log, bought, _frame.read(contacts), str(log.columns["customer"]), "contact records", unknown)
    count = np.bincount(code[code >= 0], minlength=log.n_customers)[bought]
    return [_Column("contact_records", count, "records", "contacts", "contact records of this person")]


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


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _warn(troubles: list[str], unknown: list[str]) -> None:
    said = []
    if troubles:
        said.append(f"the purchases do not determine {', '.join(troubles)}: left out of the table, see left_out for the reasons")
    if unknown:
        said.append(f"{' and '.join(unknown)} belong to nobody who bought, and are not in the table")
    for what in said:
        warnings.warn(
            f"{what}. Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).", DataWarning, stacklevel=3
        )


def _assembled(log: EventLog, bought: Integers, found: _Found, as_of: str) -> Customers:
    name = str(log.columns["customer"])
    values = {column.name: column.values for column in found.columns}
    if name in values:
        msg = f"customer={name!r} is named like a column of the table; rename it"
        raise OptionError(msg)
    said = {word: [getattr(column, word if word != "column" else "name") for column in found.columns] for word in DESCRIPTION}
    return Customers(
        _frame.per_label(log.labels, bought, values, name=name, attrs={"as_of": as_of}),
        _frame.table(said, kind=log.labels.kind),
        MappingProxyType(found.left_out),
        MappingProxyType(found.models),
        as_of,
    )


def _array(column: Any) -> Any:
    return column.to_numpy()
