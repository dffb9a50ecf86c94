"""What a report is asked for, and how its parts are run: one that cannot be done says why, and the rest stands."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crmkit import _frame
from crmkit.errors import CrmkitWarning, DataError, FitError, LimitError

if TYPE_CHECKING:
    import pandas as pd

    from crmkit._events import EventLog
    from crmkit._report.page import Markup
    from crmkit._report.truth import Truth

__all__ = [
    "Asked",
    "Contacts",
    "Costs",
    "Lacking",
    "Part",
    "Survey",
    "Trial",
    "attempt",
    "columns_of",
    "days_of",
    "draws_for",
    "quietly",
]

# what data may make impossible; an option out of range is the caller's, and is raised
CANNOT = (FitError, DataError, LimitError)
FUTURES, FEWEST_DRAWS, MOST_DRAWS = 20_000_000, 200, 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Costs:
    """What a campaign against churn costs and keeps, in the currency of the log."""

    margin: float
    contact_cost: float
    offer_cost: float
    accept: float
    budget: float | None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """Contact records, whose ids are those of the log's customers."""

    records: pd.DataFrame
    fields: dict[str, str]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Answers, and the columns that say more about them."""

    answers: pd.DataFrame
    score: str
    by: str | None
    wave: str | None
    weight: str | None
    drivers: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """An experiment: one row per unit, the arm it fell into and what came of it."""

    units: pd.DataFrame
    outcomes: tuple[str, ...]
    arm: str
    control: Any
    before: str | None
    features: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Everything the parts start from."""

    log: EventLog  # customers are persons, where contacts were given
    as_given: EventLog
    horizon: str
    annual_discount: float
    costs: Costs
    contacts: Contacts | None
    survey: Survey | None
    trial: Trial | None
    truth: Truth | None
    before: tuple[tuple[str, int], ...]  # what an export's preset left out or changed: words and a number
    preset: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Lacking:
    """Why a part cannot be done."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One section of the report: what is found, and how it is told; `find` sees what the parts before it found."""

    name: str
    link: str
    title: str
    find: Callable[[Asked, dict[str, Any]], Any]
    tell: Callable[[Any, Asked], Markup]
    code: Callable[[Any, Asked], str]
    wanted: Callable[[Asked], bool] = lambda _: True


def attempt(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what the function returns, or the reason why the data do not allow it."""
    try:
        return function(*arguments, **options)
    except CANNOT as error:
        return Lacking(str(error).rstrip("."))


def quietly(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Try a function, and do not report what it warns of: the result says it, or is not used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CrmkitWarning)
        return attempt(function, *arguments, **options)


def columns_of(frame: Any, columns: list[Any]) -> pd.DataFrame:
    """Return some columns as a pandas frame, whatever they came in; each must be there."""
    read = _frame.read(frame)
    named = list(dict.fromkeys(columns))
    found = {name: read.column(name) for name in named}
    if read.kind == "pandas":
        return read.native[named]  # type: ignore[no-any-return]
    listed = {name: getattr(column, "to_pylist" if read.kind == "pyarrow" else "to_list")() for name, column in found.items()}
    return _frame.table(listed)  # type: ignore[no-any-return]


def draws_for(customers: int) -> int:
    """Return how many futures of each customer to draw: fewer of many customers, whose sum varies less."""
    return max(min(FUTURES // customers, MOST_DRAWS), min(FEWEST_DRAWS, MOST_DRAWS))


def days_of(log: EventLog) -> tuple[int, int]:
    """Return the first and the last day of the log, counted on its clock."""
    ticks = log.clock.ticks_per_day
    return int(log.lines.time.min()) // ticks, int(log.lines.time.max()) // ticks
