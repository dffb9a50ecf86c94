"""The report itself: what is asked for, part by part, and the page that holds it."""

from __future__ import annotations

import dataclasses
import html
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

from crmkit import __version__, _events, _options
from crmkit._report import given
from crmkit._report.asked import Asked, Costs, Lacking, attempt
from crmkit._report.page import Markup, document, element, escaped, join
from crmkit._report.parts import PARTS, answers, provenance, trial
from crmkit._report.parts import contacts as _contacts
from crmkit._report.parts.health import words_for_nothing
from crmkit._report.truth import Truth
from crmkit._report.words import INTERVAL, canvas, count, money, note, people, section, signed, span
from crmkit.errors import CrmkitWarning, OptionError

if TYPE_CHECKING:
    from crmkit._events import ColumnNames, EventLog

__all__ = ["Report", "report"]

ABSENT = {
    "contacts": "who is who (pass contacts=)",
    "feedback": "what customers say (pass survey=)",
    "experiment": "what an experiment changed (pass experiment=)",
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Report:
    """A finished report.

    Attributes
    ----------
    html : str
        The page: style and pictures are in it, nothing is loaded from elsewhere.
    title : str
        Its title.
    as_of : str
        The day it looks back from.
    notes : tuple of str
        What the functions behind it warned of; the page lists them too.
    lacking : mapping of str to str
        The parts that could not be done, and why.
    code : str
        The lines that give the numbers of the page again.
    log : EventLog
        The log the page was made from: that of persons, where contacts were given.
    """

    html: str
    title: str
    as_of: str
    notes: tuple[str, ...]
    lacking: Mapping[str, str]
    code: str
    log: EventLog

    def save(self, path: Any = "crmkit-report.html") -> Path:
        """Write the page to `path` and return where it is."""
        target = Path(path)
        target.write_text(self.html, encoding="utf-8", newline="\n")
        return target.resolve()

    def __repr__(self) -> str:
        return f"Report: {self.title}, as of {self.as_of}, {len(self.html) / 1024:,.0f} kB; .save(path) writes it"

    def _repr_html_(self) -> str:
        # in a frame of its own: the styles of the page and of the notebook stay apart
        page = html.escape(self.html)
        return f'<iframe srcdoc="{page}" title="{escaped(self.title)}" style="width:100%;height:40rem;border:0"></iframe>'


def report(
    log: Any,
    /,
    *,
    contacts: Any = None,
    fields: Mapping[str, Any] | None = None,
    contact: str | None = None,
    survey: Any = None,
    score: str = "score",
    by: str | None = None,
    wave: str | None = None,
    weight: str | None = None,
    drivers: Sequence[str] = (),
    experiment: Any = None,
    outcome: str | Sequence[str] = (),
    arm: str = "arm",
    control: Any = None,
    before: str | None = None,
    features: Sequence[str] = (),
    horizon: str = "52W",
    annual_discount: float = 0.10,
    margin: float = 0.3,
    contact_cost: float = 1.0,
    offer_cost: float = 0.0,
    accept: float = 0.3,
    budget: float | None = None,
    preset: str | None = None,
    currency: str | None = None,
    zone: str | None = None,
    time_format: str | None = None,
    truth: Any = None,
    title: str = "Customer report",
    progress: bool = False,
    **columns: Unpack[ColumnNames],
) -> Report:
    """Put together who the customers are, what they are worth, who may leave and what they say, as one HTML page.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases with times and amounts; a frame takes the column keywords of `crmkit.events`. With items, what customers buy
        next and what is bought together is told as well.
    contacts : DataFrame, optional
        One row per contact record, whose ids are the customers of the log. Records of one person are found, and everything else
        then counts persons.
    fields : mapping, optional
        What each column of the contacts holds, as `crmkit.dedupe.deduplicate` takes it. Default: told by the usual names, such as
        first_name, email, postcode.
    contact : str, optional
        Column of the contacts that holds the ids. Default: the index in pandas, else a column named as the log's customers.
    survey : DataFrame, optional
        One row per answer from 0 to 10. Where it has the customer column of the log, scores are also given by segment.
    score : str, default "score"
        Column of the answers.
    by, wave, weight : str, optional
        Columns of the survey: groups to score, waves whose change is explained, weights of the answers.
    drivers : list of str, optional
        Columns of the survey whose part in the score is told.
    experiment : DataFrame, optional
        One row per unit of an experiment.
    outcome : str or list of str, optional
        Columns of the experiment that the arms are compared by.
    arm : str, default "arm"
        Column of the arms.
    control : optional
        The arm the others are compared with, as in `crmkit.experiment.compare_means`.
    before : str, optional
        Column of the experiment known before it began, which outcomes are adjusted for.
    features : list of str, optional
        Columns of the experiment known before it began, by which the effect is looked for unit by unit.
    horizon : str, default "52W"
        How far ahead customers are valued.
    annual_discount : float, default 0.10
        By how much what comes a year later counts less.
    margin : float, default 0.3
        Share of an amount that is profit.
    contact_cost, offer_cost : float, default 1 and 0
        What contacting a customer costs, and what the offer costs where it is taken.
    accept : float, default 0.3
        Share of those about to leave that a contact keeps.
    budget : float, optional
        What contacting customers may cost in all. Default: no limit.
    preset : {"shopify", "stripe", "erp"}, optional
        What export the frame is, in place of column keywords: Shopify's orders, Stripe's charges or payments, invoice lines of an
        ERP system. Orders that were cancelled or not paid and charges that failed are left out and counted.
    currency : str, optional
        The currency to take of an export that holds several.
    zone : str, optional
        Clock for an export whose times have offsets or are in UTC, such as "Europe/Berlin".
    time_format : str, optional
        How an export writes times, such as "%m/%d/%Y", where that cannot be told.
    truth : DataFrame or Store, optional
        What is true of simulated customers, to be shown beside the estimates: the truth of `datasets.make_transactions`, or all
        that `datasets.make_store` returns.
    title : str, default "Customer report"
        Title of the page.
    progress : bool, default False
        Write a line to standard error for each part that is done.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    Report
        With ``save(path)``; a notebook shows it.

    Raises
    ------
    ColumnError
        A column is missing, or the log has no times or amounts.
    DataError
        The events, the contacts, the answers or the experiment cannot be read.
    OptionError
        An option is not usable, or goes with a frame that is not there.
    MissingExtraError
        matplotlib, which draws the pictures, is not installed.

    Notes
    -----
    The report looks back from the last event of the log, never from today: the same log gives the same page, byte by byte. A part
    that the data do not allow says why, and the others stand; `lacking` lists them.

    Examples
    --------
    >>> import crmkit as crm
    >>> shop = crm.datasets.make_transactions(n_customers=200)
    >>> page = crm.report(shop.transactions, order="order_id")
    >>> page.as_of
    '2024-12-28'
    """
    named: object = title
    if not isinstance(named, str) or not named.strip():
        msg = f"title={title!r} is not the name of a report: pass words"
        raise OptionError(msg)
    costs = Costs(
        _options.number("margin", margin, low=0.0, high=1.0),
        _options.number("contact_cost", contact_cost, low=0.0),
        _options.number("offer_cost", offer_cost, low=0.0),
        _options.number("accept", accept, low=0.0, high=1.0),
        None if budget is None else _options.number("budget", budget, low=0.0),
    )
    left_out: tuple[tuple[str, int], ...] = ()
    if preset is not None:
        log, left_out = given.from_export(log, preset, columns, currency=currency, zone=zone, time_format=time_format)
    elif {currency, zone, time_format} != {None}:
        msg = "currency=, zone= and time_format= read an export; name it with preset="
        raise OptionError(msg)
    else:
        log = _events.as_log(log, **given.with_items(log, columns))
    log.require("time", "amount")
    log = given.in_pandas(log)
    customer = str(log.columns["customer"])
    asked_contacts = given.contacts_of(contacts, fields, contact, customer)
    asked_survey = given.survey_of(survey, score, by, wave, weight, drivers, customer)
    asked_trial = given.trial_of(experiment, outcome, arm, control, before, features)
    canvas(1.0)  # says at once where pictures cannot be drawn
    reached = _Progress(wanted=bool(progress))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", CrmkitWarning)
        if asked_survey is not None:
            answers.check(asked_survey)
        if asked_trial is not None:
            trial.check(asked_trial)
        found: dict[str, Any] = {}
        merged = log
        if asked_contacts is not None:
            merged, found["contacts"] = _contacts.merge(log, asked_contacts)
        known = None if truth is None else Truth.of(truth, merged.customers)
        asked = Asked(
            merged, log, horizon, annual_discount, costs, asked_contacts, asked_survey, asked_trial, known, left_out, preset
        )
        sections, listing, lacking = [], [], {}
        for part in PARTS:
            if not part.wanted(asked):
                continue
            result = attempt(part.find, asked, found)
            if isinstance(result, Lacking):
                lacking[part.name] = result.reason
                found.pop(part.name, None)
                sections.append(section(part.name, part.title, "This cannot be told from these data.", note(f"{result.reason}.")))
            else:
                found[part.name] = result
                sections.append(part.tell(result, asked))
                listing.append(f"# {part.title}\n{part.code(result, asked)}")
                if part.name == "contacts":
                    listing[-1] += listing[0].split("\n")[1]
            reached(part.title)
    notes = tuple(dict.fromkeys([*_notes(log), *(_note(warning.message) for warning in caught)]))
    as_of = f"{log.span.end:%Y-%m-%d}"
    lines = "import crmkit as crm\n\n" + "\n\n".join(listing) + "\n"
    absent = [ABSENT[part.name] for part in PARTS if not part.wanted(asked)]
    sections.append(provenance.tell(asked, found, lines, as_of=as_of, notes=notes, absent=absent))
    links = [(part.name, part.link) for part in PARTS if part.wanted(asked)] + [("provenance", "How it was made")]
    body = _page(title, asked, found, sections, links, as_of=as_of)
    return Report(document(title, body), title, as_of, notes, MappingProxyType(lacking), lines, merged)


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Progress:
    """A line on standard error for each part that is done."""

    def __init__(self, *, wanted: bool) -> None:
        self.wanted, self.since = wanted, time.perf_counter()

    def __call__(self, words: str) -> None:
        now = time.perf_counter()
        if self.wanted:
            import sys

            print(f"done     {words} ({now - self.since:.1f} s)", file=sys.stderr, flush=True)
        self.since = now


def _page(
    title: str, asked: Asked, found: dict[str, Any], sections: list[Markup], links: list[tuple[str, str]], *, as_of: str
) -> Markup:
    """Put the sections below a heading with the numbers that come first."""
    log = asked.log
    tiles = [
        ("Customers", count(len(log.customers)), "persons with a purchase" if asked.contacts else "with a purchase"),
        ("Purchases", count(log.orders.time.size), "orders, refunds taken off" if log.refunds == "subtract" else "orders"),
    ]
    assert log.orders.amount is not None
    tiles.append(("Revenue", money(log.orders.amount.sum()), "in the currency of the file"))
    value = found.get("value")
    if value is not None and value.value is not None:
        tiles.append(("Value to come", money(value.value.value), f"in {value.weeks:.0f} weeks; {span(value.value, money)}"))
    elif value is not None:
        tiles.append(
            ("Purchases to come", count(value.purchases.value), f"in {value.weeks:.0f} weeks; {span(value.purchases, count)}")
        )
    risk = found.get("risk")
    if risk is not None:
        tiles.append(
            (
                "To contact",
                count(risk.choice.contacted),
                f"of {people(risk.choice.n)} lately seen, expected to earn {money(risk.choice.expected_profit)}",
            )
        )
    told = found.get("feedback")
    if told is not None:
        tiles.append(("Net Promoter Score", signed(told.overall.value, 0), f"{INTERVAL} {span(told.overall)}"))
    shown = [element("div", element("dt", name), element("dd", number, element("small", small))) for name, number, small in tiles]
    items = [element("li", element("a", name, href=f"#{to}")) for to, name in links]
    header = element(
        "header",
        element("h1", title),
        element("p", f"{log.span.start:%Y-%m-%d} to {as_of}, looking back from the last event.", class_="lead"),
        element("dl", *shown, class_="tiles"),
        element("nav", element("ul", *items), aria_label="Sections"),
    )
    skip = element("a", "Skip to the report", href="#report", class_="skip")
    foot = element("footer", element("p", f"Written by crmkit {__version__}. Nothing in this page is loaded from elsewhere."))
    return join([skip, header, element("main", *sections, id="report"), foot])


def _notes(log: EventLog) -> list[str]:
    """Say where an id may stand for nobody: where a program wrote the word for a missing one, strangers become one."""
    return [
        f"column {column!r}: {word!r} stands in {people(rows, 'row')}, read as one id; empty the field if it means none."
        for column, word, rows in words_for_nothing(log)
    ]


def _note(message: Warning | str) -> str:
    """Leave out how a program silences the warning: nobody reads the page in one."""
    return re.sub(r"[\s;.]*(Silence with|filter crmkit)\b.*$", "", str(message)).rstrip(".") + "."
