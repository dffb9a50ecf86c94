"""Cluster numbers beside records: aligned by id where both have ids, else row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.errors import DataError

NAMES = ("cluster", "person", "household")


def cluster_codes(
    clusters: Any, frame: _frame.Frame, ids: _frame.Ids, id_column: str | None, *, what: str = "clusters"
) -> _frame.Ids:
    """Return the cluster of every record of `frame`, encoded; every record has one."""
    n = len(frame)
    values = clusters
    if _frame.is_frame(clusters):
        table = _frame.read(clusters)
        held = [name for name in NAMES if name in table.columns] or table.columns[-1:]
        values = table.column(held[0])
        keys = [name for name in table.columns if name != held[0]]
        if id_column is not None and id_column in keys:
            values = _by_id(values, table.column(id_column), ids, what, table.kind)
    elif hasattr(clusters, "iloc") and (id_column is not None or frame.kind == "pandas"):
        own = frame.native.index if id_column is None else None
        if own is None or not clusters.index.equals(own):
            values = _by_id(clusters, clusters.index, ids, what, "pandas")
    if len(values) != n:
        msg = f"{what} has {len(values):,} rows, the records {n:,}; pass one for every record"
        raise DataError(msg)
    return encoded(values, what)


def encoded(values: Any, what: str) -> _frame.Ids:
    """Encode a column of cluster numbers or names, none of them missing."""
    if _frame.is_frame(values):
        table = _frame.read(values)
        held = [name for name in NAMES if name in table.columns] or table.columns[-1:]
        values = table.column(held[0])
    if not hasattr(values, "__len__") or isinstance(values, (str, bytes)):
        msg = f"{what}: expected a column of cluster numbers, got {type(values).__name__}"
        raise DataError(msg)
    if type(values).__module__.startswith(("polars", "pyarrow")):
        kind = "polars" if type(values).__module__.startswith("polars") else "pyarrow"
        return _frame.ids(_frame.table({what: values}, kind=kind), what)
    return _frame.ids(_frame.table({what: values.array if hasattr(values, "iloc") else np.asarray(values)}), what)


def _by_id(values: Any, keys: Any, ids: _frame.Ids, what: str, kind: str) -> Any:
    """Bring values into the order of the records by their ids."""
    codes = ids.labels.codes_of(keys, what=what)
    place = np.full(len(ids.labels), -1, dtype=np.int64)
    known = codes >= 0
    place[codes[known]] = np.flatnonzero(known)
    if np.unique(codes[known]).size < known.sum():
        msg = f"{what}: a record id is there more than once"
        raise DataError(msg)
    missing = place[ids.codes] < 0
    if missing.any():
        count, row = _frame.first_place(missing)
        msg = f"{what}: {count:,} records have none, the first in row {row}; pass one for every record"
        raise DataError(msg)
    rows: npt.NDArray[np.int64] = place[ids.codes]
    if kind == "pandas":
        return values.iloc[rows] if hasattr(values, "iloc") else np.asarray(values)[rows]
    return values.gather(rows) if kind == "polars" else values.take(rows)
