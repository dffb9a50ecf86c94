"""Records laid out for linkage: ids checked, fields encoded, rows in the order of their content."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _threads
from crmkit.dedupe import _copies
from crmkit.dedupe._levels import Level
from crmkit.dedupe._rules import Sides
from crmkit.dedupe.fields import Field, check_columns, encode_field
from crmkit.errors import DataError

Codes = npt.NDArray[np.int32]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Prepared:
    """One table of records, or two below each other.

    Rows stand in the order of their content, so that what is random or numbered follows the content: row `r` is row
    ``order[r]`` of the tables as they came, and row `i` as it came is row ``place[i]`` here. `beside` are columns that only
    rules look at; `copies` tells which rows are alike in these and in the fields, where anybody asked; `teachers` flags the rows
    that are learned from, where not all are.
    """

    frames: tuple[_frame.Frame, ...]
    ids: tuple[_frame.Ids, ...]
    id: str | None
    fields: list[Field]
    order: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    sides: Sides
    beside: list[Field]
    copies: _copies.Copies | None
    teachers: npt.NDArray[np.bool_] | None

    @property
    def n(self) -> int:
        """How many records there are."""
        return int(self.order.size)

    def labelled(self, rows: Codes, side: int = 0) -> _frame.Labelled:
        """Return the ids of rows, all of them of one table."""
        start = len(self.frames[0]) if side else 0
        ids = self.ids[side]
        return _frame.Labelled(ids.labels, ids.codes[self.order[rows] - start])

    def rows_of(self, values: Any, side: int, column: str) -> Codes:
        """Return the rows of ids somebody wrote down, which must be there."""
        ids = self.ids[side]
        if len(values) == 0:
            return np.empty(0, dtype=np.int32)
        codes = ids.labels.codes_of(values, what=column)
        unknown = codes < 0
        if unknown.any():
            count, row = _frame.first_place(unknown)
            msg = f"column {column!r}: {count:,} ids are not among the records, the first in row {row}; pass their records"
            raise DataError(msg)
        row_of = np.empty(len(ids.labels), dtype=np.int64)
        row_of[ids.codes] = np.arange(ids.codes.size)
        start = len(self.frames[0]) if side else 0
        return self.place[row_of[codes] + start].astype(np.int32)


def prepare(
    tables: Sequence[Any],
    wanted: Mapping[Any, tuple[str, tuple[Level, ...]]],
    id_column: str | None,
    *,
    within: tuple[bool, bool] = (False, False),
    beside: Sequence[str] = (),
    collapse: bool = False,
    n_threads: int | None = None,
) -> Prepared:
    """Read one or two tables of records; with `collapse` say which are alike."""
    frames = tuple(_frame.read(table) for table in tables)
    check_columns(frames, wanted)
    ids = tuple(record_ids(frame, id_column) for frame in frames)
    encoded = _threads.run(lambda column: encode_field(frames, column, *wanted[column]), list(wanted), n_threads=n_threads)
    encoded += [encode_field(frames, column, "text", ("exact",), keyword="blocking") for column in beside]
    sides = Sides.of(*map(len, frames), within=within)
    order = content_order(encoded, np.concatenate([one.codes for one in ids]), sides)
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    ordered, sides = [field.reordered(order) for field in encoded], sides.reordered(order)
    copies = _copies.find(ordered, sides) if collapse else None
    fields, rest = ordered[: len(wanted)], ordered[len(wanted) :]
    taught = _copies.teachers(fields, sides)
    return Prepared(frames, ids, id_column, fields, order, place, sides, rest, copies, taught)


def content_order(fields: Sequence[Field], ids: Codes, sides: Sides) -> npt.NDArray[np.int64]:
    """Order rows by their values, then their side, then their id."""
    n = ids.size
    key, width = np.zeros(n, dtype=np.int64), 1
    keys = []
    # as many codes to a key as it holds: sorting costs what the keys cost
    parts: list[tuple[npt.NDArray[Any], int]] = [(field.codes, field.n_values) for field in fields]
    for codes, size in [*parts, (sides.of_row, 2), (ids, int(ids.max(initial=0)) + 1)]:
        if width > (2**62) // (size + 2):
            keys.append(key)
            key, width = np.zeros(n, dtype=np.int64), 1
        key = key * (size + 1) + (codes.astype(np.int64) + 1)
        width *= size + 1
    keys.append(key)
    order = np.argsort(keys[0], kind="stable")
    return order if len(keys) == 1 else _refined(order, keys)


def _refined(order: npt.NDArray[np.int64], keys: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Sort the rows that tie on the first key by the other keys; few do."""
    first = keys[0][order]
    tied = np.zeros(order.size, dtype=np.bool_)
    same = first[1:] == first[:-1]
    tied[1:] |= same
    tied[:-1] |= same
    rows = order[tied]
    order[tied] = rows[np.lexsort([key[rows] for key in reversed(keys)])]
    return order


def record_ids(frame: _frame.Frame, column: str | None) -> _frame.Ids:
    """Encode the id of every record, which must be there and unique: a column, the pandas index, or the row number."""
    if column is not None:
        ids, place = _frame.ids(frame, column, keyword="id"), f"column {column!r}"
    elif frame.kind == "pandas":
        ids, place = _frame.encode(frame.native.index.to_series(), "pandas", "index"), "the index"
    else:
        rows = _frame.table({"row": np.arange(len(frame), dtype=np.int64)}, kind=frame.kind)
        ids, place = _frame.ids(rows, "row"), "the row number"
    missing = ids.codes < 0
    if missing.any():
        count, row = _frame.first_place(missing)
        msg = f"{place}: {count:,} missing record ids, the first in row {row}; give every record an id"
        raise DataError(msg)
    if len(ids.labels) < len(frame):
        first = np.zeros(len(frame), dtype=np.bool_)
        first[np.unique(ids.codes, return_index=True)[1]] = True
        count, row = _frame.first_place(~first)
        msg = (
            f"{place}: {count:,} records repeat the id of another, the first in row {row}; number them anew with "
            "reset_index(drop=True), or name a column of unique ids with id="
        )
        raise DataError(msg)
    return ids


def per_record(frame: _frame.Frame, column: str | None, ids: _frame.Ids, name: str, values: npt.NDArray[Any]) -> Any:
    """Return one value per record: a Series by record id in pandas, elsewhere a frame of id and value."""
    if frame.kind == "pandas" and column is None:
        return _frame.series_like(frame, name, values)
    key = column if column is not None else "row"
    per_id = _frame.table({name: values}, keys={key: _frame.Labelled(ids.labels, ids.codes)}, kind=frame.kind)
    return per_id.set_index(key)[name] if frame.kind == "pandas" else per_id
