"""What was passed to a report, as its parts take it: the log, contacts, answers, an experiment, each in pandas."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from crmkit import _events, _frame
from crmkit._report.asked import Contacts, Survey, Trial, columns_of
from crmkit.errors import OptionError

if TYPE_CHECKING:
    from crmkit._events import ColumnNames, EventLog

__all__ = ["contacts_of", "from_export", "in_pandas", "survey_of", "trial_of", "with_items"]

# usual names of columns of contacts -> what they hold
FIELDS = {
    **dict.fromkeys(("name", "fullname", "firstname", "givenname", "lastname", "surname", "familyname"), "name"),
    **dict.fromkeys(("email", "emailaddress", "mail"), "email"),
    **dict.fromkeys(("phone", "phonenumber", "mobile", "telephone"), "phone"),
    **dict.fromkeys(("dateofbirth", "birthdate", "birthday", "dob"), "date"),
    **dict.fromkeys(("street", "address", "address1", "streetaddress"), "address"),
    **dict.fromkeys(("postcode", "postalcode", "zip", "zipcode"), "id"),
    "city": "text",
}


def with_items(log: Any, columns: ColumnNames) -> ColumnNames:
    """Read items where the frame has a column of the usual name."""
    if "item" not in columns and not isinstance(log, _events.EventLog) and "item_id" in _frame.read(log).columns:
        return {**columns, "item": "item_id"}
    return columns


def from_export(export: Any, preset: str, columns: ColumnNames, **reading: Any) -> tuple[Any, Any]:
    """Read the purchases of an export, whatever frame it came in."""
    from crmkit._report import presets

    named = sorted(set(columns) - {"refunds", "missing"})
    if named or isinstance(export, _events.EventLog):
        msg = f"preset={preset!r} names the columns of an export; pass the frame" + (f" without {named[0]}=" if named else "")
        raise OptionError(msg)
    frame = columns_of(export, list(_frame.read(export).columns))
    purchases = presets.prepare(frame, preset, **reading)
    item = presets.COLUMNS["item"] if presets.COLUMNS["item"] in purchases.frame else None
    options: dict[str, Any] = {"refunds": "subtract", **columns}
    return _events.events(purchases.frame, **{**presets.COLUMNS, "item": item, **options}), purchases.notes


def in_pandas(log: EventLog) -> EventLog:
    """Return the log with its ids as plain pandas indexes, so that every table of the report is indexed by them."""

    def plain(labels: Any) -> Any:
        if labels is None:
            return None
        index: Any = labels.as_index()
        if hasattr(index, "categories"):
            index = index.categories.take(index.codes)
        return _frame.Labels(index, "pandas")

    return dataclasses.replace(
        log, labels=plain(log.labels), items=plain(log.items), order_labels=plain(log.order_labels), kinds=plain(log.kinds)
    )


def contacts_of(contacts: Any, fields: Any, contact: str | None, customer: str) -> Contacts | None:
    if contacts is None:
        _refuse({"fields": fields, "contact": contact}, "contacts")
        return None
    frame = _frame.read(contacts)
    if fields is None:
        fields = {name: FIELDS[plain] for name in frame.columns if (plain := re.sub(r"[\W_]", "", str(name).lower())) in FIELDS}
    if not fields:
        msg = "fields= is empty: say what the columns of the contacts hold, such as {'first_name': 'name', 'email': 'email'}"
        raise OptionError(msg)
    id_column = contact
    if contact is None and (frame.kind != "pandas" or customer in frame.columns):
        id_column = customer
    if id_column is None:
        return Contacts(frame.native, dict(fields))
    # every column of a field comes along, whatever frame it came in
    records = columns_of(contacts, [id_column, *fields])
    return Contacts(records.set_index(id_column), dict(fields))


def survey_of(survey: Any, score: str, by: Any, wave: Any, weight: Any, drivers: Any, customer: str) -> Survey | None:
    if survey is None:
        _refuse({"by": by, "wave": wave, "weight": weight, "drivers": drivers}, "survey")
        return None
    drivers = (drivers,) if isinstance(drivers, str) else tuple(drivers)
    wanted = [score, *(name for name in (by, wave, weight) if name is not None), *drivers]
    wanted += [customer] if customer in _frame.read(survey).columns else []
    return Survey(columns_of(survey, wanted), score, by, wave, weight, drivers)


def trial_of(experiment: Any, outcome: Any, arm: str, control: Any, before: Any, features: Any) -> Trial | None:
    if experiment is None:
        _refuse({"outcome": outcome, "before": before, "features": features}, "experiment")
        return None
    outcomes = (outcome,) if isinstance(outcome, str) else tuple(outcome)
    if not outcomes:
        msg = "an experiment needs outcome=, the columns that its arms are compared by"
        raise OptionError(msg)
    features = (features,) if isinstance(features, str) else tuple(features)
    wanted = [arm, *outcomes, *([before] if before is not None else []), *features]
    return Trial(columns_of(experiment, wanted), outcomes, arm, control, before, features)


def _refuse(options: dict[str, Any], frame: str) -> None:
    stray = [name for name, value in options.items() if value]
    if stray:
        msg = f"{stray[0]}= describes {frame}; pass {frame}="
        raise OptionError(msg)
