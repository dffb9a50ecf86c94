"""The report itself: which numbers, in which order, and the page that holds them."""

from __future__ import annotations

import dataclasses
import html
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from crmkit import _events
from crmkit._report import facts, sections
from crmkit._report.page import document, element, escaped
from crmkit.errors import CrmkitWarning, FitError, OptionError

if TYPE_CHECKING:
    from crmkit._events import ColumnNames

__all__ = ["Report", "report"]


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
    """

    html: str
    title: str
    as_of: str
    notes: tuple[str, ...]

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
    survey: Any = None,
    score: str = "score",
    by: str | None = None,
    truth: Any = None,
    title: str = "Customer report",
    **columns: Unpack[ColumnNames],
) -> Report:
    """Put together who the customers are, what they are likely to be worth, and what they say, as one HTML page.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases with times and amounts; a frame takes the column keywords of `crmkit.events`.
    survey : DataFrame, optional
        One row per answer from 0 to 10. Where it has the customer column of the log, scores are also given by segment.
    score : str, default "score"
        Column of the answers.
    by : str, optional
        Column of the survey: scores are also given by its groups.
    truth : DataFrame, optional
        True rates of simulated customers, as `datasets.make_transactions` returns them, to be shown beside the estimates.
    title : str, default "Customer report"
        Title of the page.
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
        The events or the answers cannot be read.
    OptionError
        `title` is empty or not text.
    MissingExtraError
        matplotlib, which draws the pictures, is not installed.

    Notes
    -----
    The report looks back from the last event of the log, never from today: the same log gives the same page, byte by byte.

    Examples
    --------
    >>> import crmkit as crm
    >>> shop = crm.datasets.make_transactions(n_customers=200)
    >>> page = crm.report(shop.transactions, order="order_id")
    >>> page.as_of
    '2024-12-28'
    """
    given: object = title
    if not isinstance(given, str) or not given.strip():
        msg = f"title={title!r} is not the name of a report: pass words"
        raise OptionError(msg)
    log = _events.as_log(log, **columns)
    log.require("time", "amount")
    log = facts.in_pandas(log)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", CrmkitWarning)
        found = facts.segments(log)
        ranked: facts.Value | str
        try:
            ranked = facts.value(log, truth)
        except FitError as error:
            ranked = str(error)
        told = None
        if survey is not None:
            told = facts.answers(survey, score=score, by=by, customer=str(log.columns["customer"]), found=found)
    notes = tuple(dict.fromkeys(_note(warning.message) for warning in caught))

    as_of = f"{log.span.end:%Y-%m-%d}"
    parts = [sections.data(log), sections.segments(found), sections.value(ranked, simulated=truth is not None)]
    if told is not None:
        parts.append(sections.feedback(told))
    parts.append(sections.provenance(log, ranked, told, as_of=as_of, notes=notes))
    body = element("a", "Skip to the report", href="#report", class_="skip")
    body = sections.page(title, log, found, ranked, told, parts, as_of=as_of, skip=body)
    return Report(document(title, body), title, as_of, notes)


def _note(message: Warning | str) -> str:
    """Leave out how a program silences the warning: nobody reads the page in one."""
    return re.sub(r"[\s;.]*(Silence with|filter crmkit)\b.*$", "", str(message)) + "."
