"""One number per customer, from the columns of different tables: found by id, never by place where there are ids."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._frame import Ids
from crmkit.errors import DataError

__all__ = ["LARGEST", "Column", "for_each", "looked_up", "read"]

Floats = npt.NDArray[np.float64]

CUTOFF = "cutoff"
LARGEST = 1e100  # of an amount: squares and sums of it are still numbers


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A number for each customer, and who the customers are, if it says so."""

    values: Floats
    kind: str
    ids: Ids | None  # None: an array, whose rows have no names
    index: Any = None  # of a pandas Series
    frame: Any = None  # of the other kinds, the id in its first column

    @property
    def n(self) -> int:
        """How many customers."""
        return int(self.values.size)

    def rows(self, columns: Mapping[str, Any]) -> Any:
        """Return `columns` for the same customers in the same order."""
        if self.index is not None:
            return _frame.table(columns).set_axis(self.index)
        if self.frame is not None:
            return _frame.rows_like(self.frame, columns)
        return _frame.table(columns, kind=self.kind)

    def listed(self, which: Any = slice(None)) -> Any:
        """Return the ids as they came; positions, where there are none."""
        if self.ids is None:
            return np.arange(self.n)[which]
        return self.ids.labels.take(self.ids.codes[which])

    def ordered(self) -> npt.NDArray[np.int64]:
        """Return the rows in the order of the ids, so that nothing depends on the order they came in."""
        if self.ids is None:
            return np.arange(self.n)
        rows = np.empty(self.n, np.int64)
        rows[self.ids.codes] = np.arange(self.n)
        return rows


def read(given: Any, name: str) -> Column:
    """Read one number per customer: a Series indexed by id, a frame of the id and the number, or an array without ids."""
    index = getattr(given, "index", None)
    if isinstance(given, Mapping):
        given = _series(given, name)
        index = given.index
    if _frame.is_frame(given):
        frame = _frame.read(given)
        numbers = [column for column in frame.columns if column != CUTOFF][frame.kind != "pandas" :]
        if len(numbers) != 1 or (frame.kind != "pandas" and frame.columns[0] == CUTOFF):
            where = "indexed by the id" if frame.kind == "pandas" else "with the id in the first column"
            msg = f"{name}: a frame of the columns {frame.columns} does not say which number is meant; pass one column, {where}"
            raise DataError(msg)
        values = _frame.numbers(frame, numbers[0])
        if frame.kind != "pandas":
            return Column(values, frame.kind, _unique(_frame.ids(frame, frame.columns[0]), name), frame=frame)
        index = frame.native.index
        return Column(values, "pandas", _of_index(index, name), index=index)
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__"):
        msg = f"{name} is one number per customer: a Series indexed by id, an array or a list, not a {type(given).__name__}"
        raise DataError(msg)
    home = type(given).__module__.split(".")[0]
    kind = home if home in ("polars", "pyarrow") else "pandas"
    column: Any = given if hasattr(given, "dtype") or kind == "pyarrow" else np.asarray(given)
    if getattr(column, "ndim", 1) != 1:
        msg = f"{name} has {column.ndim} dimensions; pass one number per customer (for predict_proba of scikit-learn, column 1)"
        raise DataError(msg)
    named = index is not None and not callable(index)
    bare = column.array if named else column if len(column) else np.empty(0)
    values = _frame.numbers(_frame.table({name: bare}, kind=kind), name)
    return Column(values, kind, _of_index(index, name) if named else None, index=index if named else None)


def for_each(customers: Column, given: Any, name: str, *, low: float, high: float = LARGEST) -> Floats:
    """Return a number for each of `customers`: one for all, or looked up by id; an id without one is refused."""
    if isinstance(given, (int, float, np.number)):
        # one customer may be worth less than nothing, all of them may not
        return np.full(customers.n, _options.number(name, given, low=max(low, 0.0), high=high))
    other = given if isinstance(given, Column) else read(given, name)
    outside = (other.values < low) | (other.values > high)
    if outside.any():
        count, row = _frame.first_place(outside)
        msg = f"{name}: {count:,} not from {low:g} to {high:g}, the first in row {row} ({other.values[row]:g})"
        raise DataError(msg)
    return _aligned(customers, other, name)


def _aligned(customers: Column, other: Column, name: str) -> Floats:
    if customers.ids is None or other.ids is None:
        if customers.ids is not None and other.kind != "pandas":
            msg = f"{name} is a column without ids: pass it in a frame behind the id, so that each customer finds their own"
            raise DataError(msg)
        if customers.n != other.n:
            msg = f"p has {customers.n:,} customers and {name} {other.n:,}: without ids they must be the same in the same order"
            raise DataError(msg)
        return other.values
    if customers.index is not None and other.index is not None and customers.index.equals(other.index):
        return other.values
    return _found(customers.ids, other, name, "p")


def looked_up(index: Any, given: Any, name: str, of: str) -> Floats | None:
    """Look a number up for each customer of an index, who may be there several times; None where it has no ids."""
    other = read(given, name)
    if other.ids is None:
        return None
    return _found(_customers_of(index, of), other, name, of)


def _found(wanted: Ids, other: Column, name: str, of: str) -> Floats:
    """Give each customer the number that stands at their id."""
    assert other.ids is not None
    at = other.ids.labels.codes_of(wanted.labels.as_index(), what=of)
    unknown = (at < 0)[wanted.codes]
    if unknown.any():
        count, row = _frame.first_place(unknown)
        msg = (
            f"{name}: {count:,} of the {wanted.codes.size:,} customers of {of} have none, the first in row {row} of {of}; give"
            f" them one, or take them out of {of}"
        )
        raise DataError(msg)
    of_label = np.empty(other.n, np.float64)
    of_label[other.ids.codes] = other.values
    return of_label[at][wanted.codes]


def _of_index(index: Any, name: str) -> Ids:
    """Read who the customers are, each of them once."""
    return _unique(_customers_of(index, name), name, "of the index ")


def _customers_of(index: Any, name: str) -> Ids:
    """Read who the customers are; a panel's index has the cutoff beside them."""
    if index.nlevels > 1:
        levels = [level for level in index.names if level != CUTOFF]
        if len(levels) != 1 or index.nlevels != 2:
            msg = f"{name} is indexed by {list(index.names)}: the index must hold the customer, and no more than a cutoff beside"
            raise DataError(msg)
        index = index.get_level_values(1 - list(index.names).index(CUTOFF))
    return _frame.ids(_frame.table({"customer": index.array}), "customer")


def _unique(ids: Ids, name: str, where: str = "") -> Ids:
    if len(ids.labels) < ids.codes.size:
        first = np.zeros(ids.codes.size, np.bool_)
        first[np.unique(ids.codes, return_index=True)[1]] = True
        count, row = _frame.first_place(~first)
        msg = (
            f"{name}: {count:,} rows {where}are of a customer who is there before, the first in row {row}; pass one row per"
            " customer, and of several cutoffs one"
        )
        raise DataError(msg)
    return ids


def _series(given: Mapping[Any, Any], name: str) -> Any:
    frame = _frame.table({"customer": list(given), name: list(given.values())})
    return frame.set_index("customer")[name]
