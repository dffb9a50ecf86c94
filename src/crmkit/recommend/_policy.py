"""Who is asked for and what may not be recommended to them: the words of a caller as tables of codes."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options
from crmkit._kernels import sparse as _sparse
from crmkit.errors import ColumnError, OptionError
from crmkit.recommend._interactions import Interactions, Rows, from_log

__all__ = ["Asked", "asked", "categorised", "excluded_from", "folded_in", "item_codes", "pairs_of"]

Codes = npt.NDArray[np.int32]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Customers to recommend to: `row` is where each has a history in `rows`, empty where `known` is False."""

    who: _frame.Ids
    row: Codes
    known: npt.NDArray[np.bool_]
    rows: Rows
    seen: Interactions
    past: Interactions | None

    def rows_of(self, labels: _frame.Labels) -> Codes:
        """Return the rows of the customers behind `labels`, -1 for those who are not asked for."""
        of_label = np.full(len(self.who.labels) + 1, -1, np.int32)
        of_label[self.who.codes] = self.row
        of_label[-1] = -1
        return of_label[self.who.labels.codes_of(labels.values, what="customer")]


def asked(customers: Any, seen: Interactions, past: Interactions | None) -> Asked:
    """Find the histories: the rows of the fit, those of `past` below them, and an empty one for each unknown customer."""
    if customers is None:
        everybody = seen if past is None else past
        who = _frame.Ids(np.arange(len(everybody.customers), dtype=np.int32), everybody.customers)
    else:
        who = _frame.listed(customers, seen.customers, keyword="customers")
    row = seen.customers.codes_of(who.labels.values, what="customer")[who.codes].astype(np.int32)
    rows = seen.by_customer
    if past is not None:
        later = past.customers.codes_of(who.labels.values)[who.codes]
        row = np.where(later >= 0, later + np.int32(len(rows)), row).astype(np.int32)
        rows = stacked(rows, past.by_customer)
    known = row >= 0
    n_unknown = int(np.count_nonzero(~known))
    if n_unknown:
        row[~known] = np.arange(len(rows), len(rows) + n_unknown, dtype=np.int32)
        rows = lengthened(rows, n_unknown)
    return Asked(who, _frame.readonly(row), known, rows, seen, past)


def folded_in(history: Any, seen: Interactions) -> Interactions:
    """Read new purchases as the old ones were read, in the item codes of the model."""
    if isinstance(history, Interactions):
        past = history
        if (past.weight, past.half_life) != (seen.weight, seen.half_life):
            msg = (
                f"the history weighs purchases by weight={past.weight!r}, half_life={past.half_life!r},"
                f" the model by weight={seen.weight!r}, half_life={seen.half_life!r}; make both alike"
            )
            raise OptionError(msg)
    else:
        columns = cast(_events.ColumnNames, {} if isinstance(history, _events.EventLog) else seen.columns)
        past = from_log(_events.as_log(history, **columns), seen.weight, seen.half_life, seen.end)
    code = seen.items.codes_of(past.items.values, what="item")
    customer, item = owners(past.by_customer), code[past.by_customer.index]
    known = item >= 0
    ascending = np.flatnonzero(known)[np.lexsort((item[known], customer[known]))]
    rows = Rows(
        offsets(customer[ascending], len(past.customers)), item[ascending], past.by_customer.value[ascending].astype(np.float32)
    )

    def kept(values: Any) -> Any:
        return None if values is None else _frame.readonly(values[ascending])

    return dataclasses.replace(past, by_customer=rows, age=kept(past.age), gap=kept(past.gap))


def excluded_from(exclude: Any, of: Asked) -> Rows:
    """Return the items that are left out for each row of ``of.rows``, by the rule or the frame given."""
    if isinstance(exclude, str) and exclude == "nothing":
        return nothing(len(of.rows))
    if isinstance(exclude, str) and exclude == "bought":
        # what was bought is what the rows are, but for customers whose history was given anew
        return bought(of, None) if of.past is not None else marked(of.rows)
    if isinstance(exclude, (str, dt.timedelta, np.timedelta64)):
        try:
            days = _options.days("exclude", exclude)
        except OptionError as error:
            msg = (
                f'exclude={exclude!r} is neither "bought" nor "nothing", nor a length of time such as "90D",'
                " nor a frame of customers and items"
            )
            raise OptionError(msg) from error
        return bought(of, days)
    if _frame.is_frame(exclude):
        return table(*pairs_of(exclude, of, "exclude"), of)
    raise OptionError.choice("exclude", exclude, ("bought", "nothing"))


def bought(of: Asked, days: float | None) -> Rows:
    """Return what each row bought, at the fit or later; within `days` before the last event known if given."""
    seen, past = of.seen, of.past
    latest = [known.last for known in (seen, past) if known is not None]
    if days is not None and any(moment is None for moment in latest):
        msg = "exclude= within a time needs the times of purchases; name their column with time= when you make the interactions"
        raise ColumnError(msg)

    def recent(known: Interactions) -> npt.NDArray[np.bool_]:
        if days is None or known.age is None:
            return np.ones(known.by_customer.index.size, np.bool_)
        behind = max(_naive(moment) for moment in latest) - _naive(known.last)
        return np.asarray(known.age + behind / dt.timedelta(days=1) < days)

    customer, kept = owners(seen.by_customer), recent(seen)
    rows, items = [customer[kept]], [seen.by_customer.index[kept]]
    if past is not None:
        later, kept_later = owners(past.by_customer) + np.int32(len(seen.by_customer)), recent(past)
        rows.append(later[kept_later])
        items.append(past.by_customer.index[kept_later])
        # the rows of a history exclude what their customers bought before it
        of_history = np.full(len(seen.customers), -1, np.int32)
        code = seen.customers.codes_of(past.customers.values, what="customer")
        of_history[code[code >= 0]] = np.flatnonzero(code >= 0) + len(seen.by_customer)
        earlier = of_history[customer]
        both = kept & (earlier >= 0)
        rows.append(earlier[both])
        items.append(seen.by_customer.index[both])
    return table(np.concatenate(rows), np.concatenate(items), of)


def pairs_of(frame: Any, of: Asked, keyword: str) -> tuple[Codes, Codes]:
    """Read pairs of customer and item, named as in the interactions or as in results: rows and items that are known."""
    read = _frame.read(frame)

    def column(role: str, result: str) -> Any:
        own = of.seen.columns.get(role)
        return own if own in read.columns else result

    who = _frame.ids(read, column("customer", "customer_id"), keyword=keyword)
    what = _frame.ids(read, column("item", "item_id"), keyword=keyword)
    row = of.rows_of(who.labels)[who.codes]
    item = of.seen.items.codes_of(what.labels.values, what="item")[what.codes]
    both = (row >= 0) & (item >= 0)
    return row[both].astype(np.int32), item[both].astype(np.int32)


def item_codes(values: Any, seen: Interactions, keyword: str) -> Codes:
    """Read a list, a column or a set of item ids; ids that nobody bought have no code."""
    if _frame.is_frame(values):
        msg = f"{keyword}= is a list or a column of item ids, not a whole frame"
        raise OptionError(msg)
    listed = list(values) if isinstance(values, (set, frozenset)) else values
    if isinstance(listed, (str, bytes)) or not hasattr(listed, "__iter__"):
        msg = f"{keyword}= is a list or a column of item ids, not a single one"
        raise OptionError(msg)
    code = seen.items.codes_of(listed if hasattr(listed, "dtype") or hasattr(listed, "type") else list(listed), what="item")
    return np.unique(code[code >= 0]).astype(np.int32)


def categorised(categories: Any, seen: Interactions) -> tuple[Codes, int]:
    """Return the category of every item (-1: none) and how many there are, from a mapping, a Series or a frame of items."""
    if hasattr(categories, "to_dict") and not _frame.is_frame(categories):
        categories = categories.to_dict()  # a pandas Series, indexed by item
    if isinstance(categories, Mapping):
        columns = {"item_id": list(categories), "category": list(categories.values())}
        frame, name = _frame.read(_frame.table(columns)), "item_id"
    elif _frame.is_frame(categories):
        frame, own = _frame.read(categories), seen.columns.get("item")
        name = str(own) if own in frame.columns else "item_id"
    else:
        msg = "categories= maps item ids to categories: a dict, a pandas Series, or a frame with the columns item_id and category"
        raise OptionError(msg)
    item, of_item = _frame.ids(frame, name, keyword="categories"), _frame.ids(frame, "category", missing="drop")
    found = np.full(len(item.labels), -1, np.int32)
    found[item.codes] = of_item.codes
    if (found[item.codes] != of_item.codes).any():
        msg = "categories= puts an item into more than one category; name one for each"
        raise OptionError(msg)
    out = np.full(len(seen.items), -1, np.int32)
    code = seen.items.codes_of(item.labels.values, what="item")
    out[code[code >= 0]] = found[code >= 0]
    return _frame.readonly(out), len(of_item.labels)


# ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def owners(rows: Rows) -> Codes:
    """Return the row of every entry."""
    return np.repeat(np.arange(len(rows), dtype=np.int32), np.diff(rows.start))


def offsets(row: npt.NDArray[np.integer[Any]], n_rows: int) -> npt.NDArray[np.int64]:
    """Return where each row starts among entries sorted by row."""
    return np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))]).astype(np.int64)


def table(row: Codes, item: Codes, of: Asked) -> Rows:
    """Build a table with the rows that are asked for from pairs; one that is there twice counts once."""
    once = _frame.readonly(np.ones(row.size))
    start, index, _ = _sparse.from_coordinates(
        _frame.readonly(row), _frame.readonly(item), once, len(of.rows), len(of.seen.items)
    )
    return Rows(start, index, NO_VALUES)


def marked(rows: Rows) -> Rows:
    """Return where a table has entries."""
    return Rows(rows.start, rows.index, NO_VALUES)


def nothing(n_rows: int) -> Rows:
    """Return a table without entries."""
    return Rows(np.zeros(n_rows + 1, np.int64), np.empty(0, np.int32), NO_VALUES)


def both(one: Rows, other: Rows) -> Rows:
    """Return the entries of either of two tables with the same rows."""
    if other.index.size == 0:
        return one
    row = np.concatenate([owners(one), owners(other)])
    order = np.argsort(row, kind="stable")
    return Rows(one.start + other.start, np.concatenate([one.index, other.index])[order], NO_VALUES)


def lengthened(rows: Rows, n: int) -> Rows:
    """Add `n` empty rows."""
    return Rows(np.append(rows.start, np.full(n, rows.start[-1])), rows.index, rows.value)


def stacked(upper: Rows, lower: Rows) -> Rows:
    """Put one table below the other."""
    return Rows(
        np.concatenate([upper.start, lower.start[1:] + upper.start[-1]]),
        np.concatenate([upper.index, lower.index]),
        np.concatenate([upper.value, lower.value]),
    )


NO_VALUES = np.empty(0, np.float32)


def _naive(moment: Any) -> Any:
    return moment.tz_localize(None)
