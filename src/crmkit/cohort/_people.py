"""One value per customer: the date from which they are followed, or the group they are in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.errors import DataError, OptionError

__all__ = ["Attribute", "read_attribute"]

Integers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One value per customer: a frame of columns ``id`` and ``value``, and where each id stands in it."""

    keyword: str
    frame: _frame.Frame
    ids: _frame.Ids

    def rows_of(self, wanted: Any) -> Integers:
        """Return the row of each customer in `wanted`; all must be there."""
        codes = self.ids.labels.codes_of(wanted, what="customer")
        unknown = int((codes < 0).sum())
        if unknown:
            msg = f"{self.keyword}: {unknown:,} of {codes.size:,} customers have no value in it; give one for each"
            raise DataError(msg)
        row = np.empty(len(self.ids.labels), np.int64)
        row[self.ids.codes] = np.arange(row.size)
        found: Integers = row[codes]
        return found

    def groups(self) -> _frame.Ids:
        """Read the values as names of groups."""
        groups = _frame.ids(self.frame, "value", missing="drop")
        gone = groups.codes < 0
        if gone.any():
            count, row = _frame.first_place(gone)
            msg = f"{self.keyword}: {count:,} customers have a missing value, the first in row {row}; name it, such as 'unknown'"
            raise DataError(msg)
        return groups

    def days(self) -> Integers:
        """Read the values as dates: days since 1970 on their own wall clock."""
        times = _frame.times(self.frame, "value", keyword=self.keyword)
        days: Integers = times.wall // times.clock.ticks_per_day
        return days


def read_attribute(given: Any, keyword: str) -> Attribute:
    """Read a Series indexed by customer, a mapping, or a frame of customer ids and values."""
    if isinstance(given, Mapping):
        columns: dict[str, Any] = {"id": list(given), "value": list(given.values())}
        frame = _frame.read(_frame.table(columns))
    elif _frame.is_frame(given):
        table = _frame.read(given)
        if len(table.columns) != 2:
            msg = f"{keyword}: a frame has two columns, customer ids and values; this one has {table.columns}"
            raise OptionError(msg)
        names = table.columns
        frame = _frame.read(_frame.table({"id": table.column(names[0]), "value": table.column(names[1])}, kind=table.kind))
    elif hasattr(given, "index") and hasattr(given, "array") and getattr(given.index, "nlevels", 2) == 1:
        frame = _frame.read(_frame.table({"id": given.index.array, "value": given.array}))
    else:
        msg = (
            f"{keyword}= takes one value per customer: a Series indexed by customer id, a mapping, or a frame of the two;"
            f" got {type(given).__name__}"
        )
        raise OptionError(msg)
    if len(frame) == 0:
        msg = f"{keyword}: it has no rows"
        raise DataError(msg)
    ids = _frame.ids(frame, "id", keyword=keyword)
    again = int((np.bincount(ids.codes) > 1).sum())
    if again:
        msg = f"{keyword}: {again:,} customers are there more than once; give each one value"
        raise DataError(msg)
    return Attribute(keyword, frame, ids)
