"""Itemsets as arrays, and as the tuples that people read."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import itemsets as _k
from crmkit.errors import DataError

__all__ = ["MOST_ITEMS", "Sets", "read_sets", "tuples"]

MOST_ITEMS = 30  # of one set: its parts are 2 to that power
SEED = 20_000  # of the words that sets are looked up by; no answer depends on it


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """Distinct sets of item codes: set s is ``item[start[s]:start[s + 1]]``, ascending, in ``count[s]`` baskets."""

    labels: _frame.Labels
    start: npt.NDArray[np.int64]
    item: npt.NDArray[np.int32]
    count: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("start", "item", "count"):
            object.__setattr__(self, name, _frame.readonly(getattr(self, name)))

    @property
    def size(self) -> npt.NDArray[np.int64]:
        """Number of items in each set."""
        return np.diff(self.start)

    def words(self) -> npt.NDArray[np.uint64]:
        """Return a random word for each item."""
        return _frame.readonly(np.random.default_rng(SEED).integers(0, 2**64, max(len(self.labels), 1), np.uint64))

    def alphabetical(self) -> npt.NDArray[np.int64]:
        """Return the order of the sets by size, then item by item."""
        places = np.arange(self.start.size - 1)
        parts = []
        for size in np.unique(self.size):
            rows = places[self.size == size]
            columns = self.item[self.start[rows][:, None] + np.arange(size)]
            parts.append(rows[np.lexsort(columns.T[::-1])])
        return np.concatenate([*parts, places[:0]])


def tuples(sets: Sets, rows: npt.NDArray[np.integer[Any]], kind: str) -> Any:
    """Show the sets at `rows` as a column: tuples of plain Python values in pandas, lists elsewhere."""
    name = np.empty(len(sets.labels), object)
    for code, value in enumerate(sets.labels.as_index().tolist()):
        name[code] = value
    flat = name[sets.item].tolist()
    ends = sets.start.tolist()
    if kind != "pandas":
        shown: list[Any] = [flat[a:b] for a, b in itertools.pairwise(ends)]
        return [shown[row] for row in rows.tolist()]
    shown = [tuple(flat[a:b]) for a, b in itertools.pairwise(ends)]
    return np.fromiter((shown[row] for row in rows.tolist()), dtype=object, count=rows.size)


def read_sets(frame: _frame.Frame, count: npt.NDArray[np.int64]) -> Sets:
    """Read the column "items" of a frame of itemsets, each of which must be there once."""
    column = frame.column("items")
    values = column.to_pylist() if frame.kind == "pyarrow" else list(column)
    sizes, flat = np.empty(len(values), np.int64), []
    for row, value in enumerate(values):
        if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
            msg = f"column 'items': row {row} holds a {type(value).__name__}, not a tuple or list of items"
            raise DataError(msg + " (sets that went through a text file come back as text: read them with ast.literal_eval)")
        items = list(value)
        if not items:
            msg = f"column 'items': the set in row {row} is empty"
            raise DataError(msg)
        sizes[row] = len(items)
        flat += items
    encoded = _frame.ids(_frame.table({"items": flat}), "items")
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    row_of = np.repeat(np.arange(sizes.size), sizes)
    ascending = np.lexsort((encoded.codes, row_of))
    item = encoded.codes[ascending]
    again = np.flatnonzero((item[1:] == item[:-1]) & (row_of[1:] == row_of[:-1]))
    if again.size:
        msg = f"column 'items': the set in row {row_of[again[0]]} holds an item twice"
        raise DataError(msg)
    return Sets(encoded.labels, start, item, count)


def looked_up(sets: Sets) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return the words of the items and the table in which sets are found; a set that is there twice is refused."""
    words = sets.words()
    slot, again = _k.slots(sets.start, sets.item, words)
    if again >= 0:
        msg = f"column 'items': the set in row {again} is there for a second time; pass the itemsets of one call"
        raise DataError(msg)
    return words, _frame.readonly(slot)
