"""Which contacts are the same person, and what that changes in the log."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _events, dedupe
from crmkit._report.asked import Lacking
from crmkit._report.ids import comparable
from crmkit._report.page import Column, table
from crmkit._report.words import INTERVAL, count, note, people, percent, section, span, truth
from crmkit.errors import DataError, FitError, LimitError

if TYPE_CHECKING:
    from crmkit._events import EventLog
    from crmkit._report.asked import Asked, Contacts
    from crmkit._report.page import Markup

__all__ = ["Persons", "code", "find", "merge", "tell"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Persons:
    """The records put together, and the customers of the log that turned out to be one."""

    found: dedupe.Deduplication | Lacking
    customers: int  # in the log
    strangers: int  # of them without a record
    persons: int
    person: npt.NDArray[np.int64]  # by customer code: the code of the customer who stands for the person
    once: tuple[int, int]  # customers with a single order, before and after
    ids: Any  # the customers as they were


def merge(log: EventLog, contacts: Contacts) -> tuple[EventLog, Persons]:
    """Find who is the same person, and return the log with one customer per person: the first of the ids stands for all.

    Raises
    ------
    DataError
        No customer of the log has a record.
    """
    ids = log.labels.as_index()
    place = comparable(contacts.records.index, ids).get_indexer(ids)
    if (place < 0).all():
        msg = (
            f"contacts: none of the {len(ids):,} customers of the log is among the {len(contacts.records):,} records;"
            " index the records by the ids of the log, or name their column with contact="
        )
        raise DataError(msg)
    everybody = np.arange(len(ids))
    found: dedupe.Deduplication | Lacking
    try:
        found = dedupe.deduplicate(contacts.records, fields=contacts.fields)
    except (FitError, LimitError) as error:
        found, person = Lacking(str(error).rstrip(".")), everybody
    else:
        cluster = np.append(found.clusters.to_numpy(), -1)[place]
        # a customer without a record is a person of their own
        cluster = np.where(place < 0, cluster.max() + 1 + everybody, cluster)
        _, first, back = np.unique(cluster, return_index=True, return_inverse=True)
        person = first[back]
    merged = _events.of_persons(log, person)
    once = tuple(int((np.diff(each.orders.start) == 1).sum()) for each in (log, merged))
    return merged, Persons(found, len(ids), int((place < 0).sum()), merged.n_customers, person, once, ids)  # type: ignore[arg-type]


def find(_: Asked, found: dict[str, Any]) -> Any:
    """Return what was found before the log could be used."""
    persons = found["contacts"]
    return persons.found if isinstance(persons.found, Lacking) else persons


def tell(found: Persons, asked: Asked) -> Markup:
    """Say how many records are one person, how sure that is, and what changes."""
    result = found.found
    assert isinstance(result, dedupe.Deduplication)
    assert asked.contacts is not None
    report, quality = result.report, result.quality
    reading = (
        f"{count(report['rows'])} contact records are {people(report['clusters'], 'person')}:"
        f" {people(report['duplicates'], 'record')} repeat somebody. The {people(found.customers)} of the log are"
        f" {people(found.persons, 'person')}, and everything below counts persons."
    )
    rows: list[tuple[str, str, str, str]] = []
    for name, estimate, meaning in (
        ("Precision", quality.precision, "of the pairs taken for one person, this share is"),
        ("Recall", quality.recall, "of the true pairs among those compared, this share was found"),
        ("Blocking recall", quality.blocking_recall, "of all true pairs, this share was compared at all"),
    ):
        rows.append((name, percent(estimate.value), span(estimate, percent), meaning))
    columns = [Column("", "label"), Column("Estimate"), Column(INTERVAL), Column("Meaning", "words")]
    pieces: list[Any] = [table("How good the pairs are, by the model's own account", columns, rows)]
    before, after = found.once
    changes = [
        ("Customers", count(found.customers), count(found.persons)),
        ("with a single order", count(before), count(after)),
        ("Purchases", count(asked.as_given.orders.time.size), count(asked.log.orders.time.size)),
        ("Records of the largest person", "", count(report["largest_cluster"])),
    ]
    pieces.append(
        table("What putting records together changes", [Column("", "label"), Column("Ids"), Column("Persons")], changes)
    )
    if asked.truth is not None and asked.truth.store is not None:
        checked = dedupe.evaluate_clusters(result.clusters, asked.truth.store.people)
        pieces.append(
            truth(
                f"Of the pairs found {percent(checked.precision.value)} are true, and {percent(checked.recall.value)} of the true"
                f" pairs were found. There are {people(asked.truth.store.people.nunique(), 'person')} behind these records,"
                f" {people(checked.n_clusters, 'person')} were told apart."
            )
        )
    if found.strangers:
        pieces.append(note(f"{people(found.strangers)} of the log have no record, and are taken for persons of their own."))
    if quality.diagnosis:
        pieces.append(note(f"{quality.diagnosis}."))
    return section(
        "contacts",
        "Who is who",
        reading,
        *pieces,
        limits="The quality is estimated by the model from its own probabilities, without a labelled pair: check some pairs near"
        " the threshold by hand before records are merged for good. A person is called by the first of their ids in the log.",
    )


def code(_: Persons, asked: Asked) -> str:
    """Return the lines that find the persons."""
    assert asked.contacts is not None
    customer = asked.as_given.columns["customer"]
    return (
        f"people = crm.dedupe.deduplicate(contacts, fields={asked.contacts.fields!r})\n"
        f"bought = people.clusters[people.clusters.index.isin(orders[{customer!r}])]\n"
        "person = bought.index.to_series().groupby(bought.to_numpy()).transform('min')\n"
        f"orders = orders.assign(**{{{customer!r}: orders[{customer!r}].map(person).fillna(orders[{customer!r}])}})\n"
        "# and the log again, of persons:\n"
    )
