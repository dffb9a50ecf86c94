"""Results as frames of the kind that came in."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmkit._frame._ids import Ids, Labelled, Labels, ids
from crmkit._frame._numbers import readonly
from crmkit._frame._read import Frame, read
from crmkit._frame._time import Clock
from crmkit.errors import DataError, OptionError


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Ticks of UTC, written out as the frame's own type of times, in the zone of the clock."""

    instant: npt.NDArray[np.int64]
    clock: Clock


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """Codes into a short list of names, written out as the frame's own categorical type."""

    codes: npt.NDArray[np.integer[Any]]
    names: Sequence[str]


def rows_like(frame: Any, columns: Mapping[str, Any], *, used: Collection[Any] = ()) -> Any:
    """Return `columns` on the same rows: with the index of a pandas frame, else behind the id in the first column.

    `used` are the columns the function read: if the first column is one of them, the frame has no id to keep.
    """
    frame = read(frame)
    if frame.kind == "pandas":
        return _pandas(columns, index=frame.native.index)
    first = frame.columns[0] if frame.columns else None
    if first is None or first in used or first in columns:
        return table(columns, kind=frame.kind)
    return table({first: frame.column(first), **columns}, kind=frame.kind)


def series_like(frame: Any, name: str, values: Any, *, used: Collection[Any] = ()) -> Any:
    """Return one column on the same rows: a Series with the index of a pandas frame, else a frame as `rows_like` makes it."""
    frame = read(frame)
    if frame.kind == "pandas":
        return pd.Series(_pandas_column(values), index=frame.native.index, name=name)
    return rows_like(frame, {name: values}, used=used)


def per_label(
    labels: Labels,
    codes: npt.NDArray[np.integer[Any]],
    columns: Mapping[str, Any],
    *,
    name: str,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """Return one row per id: indexed by the id in pandas, elsewhere with the id as the first column."""
    if labels.kind == "pandas":
        every = codes.size == len(labels) and bool((codes == np.arange(codes.size)).all())
        index = labels.values if every else labels.take(codes)
        frame = _pandas(columns, index=index.rename(name))
        frame.attrs.update(attrs or {})
        return frame
    return table(columns, keys={name: Labelled(labels, codes)}, kind=labels.kind)


def table(columns: Mapping[str, Any], *, keys: Mapping[Any, Any] | None = None, kind: str = "pandas") -> Any:
    """Build a new frame from arrays, labelled codes and categories.

    `keys` are columns in front whose names the user chose: one named like a column of the result would be lost, and is refused.
    """
    if keys is not None:
        taken = [name for name in keys if name in columns]
        if taken:
            msg = f"column {taken[0]!r} is named like a column of the result, which would take its place; rename it"
            raise OptionError(msg)
        columns = {**keys, **columns}
    if kind == "pandas":
        return _pandas(columns, index=None)
    if kind == "polars":
        import polars as pl

        return pl.DataFrame({name: _polars_column(name, values) for name, values in columns.items()})
    import pyarrow as pa

    return pa.table({name: _arrow_column(values) for name, values in columns.items()})


def listed(values: Any, like: Labels, *, keyword: str) -> Ids:
    """Encode ids that somebody wrote down, as a list or a column, each of them once."""
    single = isinstance(values, (str, bytes)) or not isinstance(values, Iterable)
    if single or isinstance(values, (set, frozenset)) or is_frame(values):
        msg = f"{keyword}= is a list or a column of ids: not a single id, nor a set, which has no order, nor a whole frame"
        raise OptionError(msg)
    native = hasattr(values, "dtype") or hasattr(values, "type")
    column: Any = values if native else list(values)
    if like.kind == "pandas" and hasattr(column, "to_pandas"):
        column = column.to_pandas()
    if len(column) == 0:
        return Ids(readonly(np.empty(0, np.int32)), like)
    try:
        frame = table({keyword: column}, kind=like.kind)
    except (TypeError, ValueError) as error:
        msg = f"{keyword}= cannot be read as one column of ids ({type(error).__name__}: they must be of one type)"
        raise DataError(msg) from error
    encoded = ids(frame, keyword)
    again = np.flatnonzero(np.bincount(encoded.codes)[encoded.codes] > 1)
    if again.size:
        msg = f"{keyword}: {again.size:,} of {encoded.codes.size:,} ids are there more than once; pass each of them once"
        raise DataError(msg)
    return encoded


def is_frame(data: Any) -> bool:
    """Whether `data` is one of the frames crmkit reads."""
    try:
        read(data)
    except ValueError:
        return False
    return True


def _pandas(columns: Mapping[str, Any], *, index: Any) -> pd.DataFrame:
    # copy=False: the arrays are fresh, and one copy of a million rows is one too many
    return pd.DataFrame({name: _pandas_column(values) for name, values in columns.items()}, index=index, copy=False)


def _pandas_column(values: Any) -> Any:
    if isinstance(values, Labelled):
        taken = values.labels.take(values.codes)
        if values.labels.kind != "pandas":
            return taken.to_pandas()
        # of objects an index: from an array, pandas would make text, which not all of them are
        return taken if taken.dtype == object else taken.array
    if isinstance(values, Moments):
        return _datetimes(values)
    if isinstance(values, Categories):
        return pd.Categorical.from_codes(values.codes, categories=pd.Index(list(values.names)), ordered=False)
    return values


def _polars_column(name: str, values: Any) -> Any:
    import polars as pl

    if isinstance(values, Labelled):
        taken = values.labels.take(values.codes)
        return (pl.Series(taken) if values.labels.kind != "polars" else taken).alias(name)
    if isinstance(values, Moments):
        utc = pl.Series(name, _naive(values, {"s": "ms"}))  # polars has no seconds
        zone = values.clock.zone
        if zone is None:
            return utc
        # polars knows zones by name only: where the clock has an offset and no name, the moments are told in UTC
        return utc.dt.replace_time_zone("UTC").dt.convert_time_zone("UTC" if zone[0] in "+-" else zone)
    if isinstance(values, Categories):
        names = list(values.names)
        return pl.Series(name, [names[code] for code in values.codes], dtype=pl.Enum(names))
    return values.alias(name) if isinstance(values, pl.Series) else pl.Series(name, values)


def _arrow_column(values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, Labelled):
        taken = values.labels.take(values.codes)
        return taken if values.labels.kind == "pyarrow" else pa.array(taken)
    if isinstance(values, Moments):
        return pa.array(values.instant, pa.int64()).cast(pa.timestamp(values.clock.unit, values.clock.zone))
    if isinstance(values, Categories):
        return pa.DictionaryArray.from_arrays(pa.array(values.codes, pa.int32()), pa.array(list(values.names)))
    return values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values)


def _naive(moments: Moments, coarse: Mapping[str, str]) -> npt.NDArray[np.datetime64]:
    """Ticks as numpy's times; a unit that the frame lacks becomes the next finer one."""
    unit = moments.clock.unit
    return moments.instant.astype(f"datetime64[{unit}]").astype(f"datetime64[{coarse.get(unit, unit)}]")


def _datetimes(moments: Moments) -> Any:
    naive = pd.DatetimeIndex(_naive(moments, {}))
    zone = moments.clock.zone
    return (naive if zone is None else naive.tz_localize("UTC").tz_convert(zone)).array


__all__ = ["Categories", "Frame", "Moments", "is_frame", "listed", "per_label", "rows_like", "series_like", "table"]
