"""The customer table: one row per person with what every topic knows, and what each column is, in which unit, from where."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options
from crmkit._customers import parts
from crmkit.cohort._periods import PERIODS
from crmkit.errors import DataError, DataWarning, OptionError
from crmkit.results import Frozen, confidence_level, html_table

if TYPE_CHECKING:
    from crmkit._events import ColumnNames, EventLog

__all__ = ["Customers", "customers"]

Integers = npt.NDArray[np.int64]

DESCRIPTION = ("column", "unit", "source", "meaning")


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
    said = [] if survey is None else parts.answers(log, bought, survey, score, survey_time, unknown)
    said += [] if contacts is None else parts.contact_records(log, bought, contacts, unknown)
    found = parts.Found()
    found.add(parts.orders(log, bought, period, as_of))
    found.part("revenue and segments", lambda: parts.segments(numbered, bought, as_of))
    found.part("purchases to come", lambda: parts.purchases(numbered, found, horizon, as_of))
    found.part("spend", lambda: parts.spend(numbered, found))
    if level is not None and "purchases" in found.models:
        found.part("intervals", lambda: parts.intervals(found, horizon, level, rng, n_threads))
    found.part("value", lambda: parts.value(log, found, value_horizon, discount, share, as_of, n_threads))
    if churn_horizon is not None:
        found.part("churn", lambda: parts.churn_risk(numbered, found, churn_horizon, rng, n_threads))
    found.part("next item", lambda: parts.next_item(log, numbered, bought, found, n_threads))
    found.add(said)
    _warn(found.troubles, unknown)
    return _assembled(log, bought, found, as_of)


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


def _assembled(log: EventLog, bought: Integers, found: parts.Found, as_of: str) -> Customers:
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
