"""Ids and moments as plain values that JSON keeps, and back with the type they had."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crmkit._frame._ids import Labels
from crmkit.errors import DataError

__all__ = ["labels_from_plain", "labels_to_plain", "moment_from_plain", "moment_to_plain"]

Plain = dict[str, Any]


def labels_to_plain(labels: Labels) -> Plain:
    """Return ids that are text, whole numbers, dates or categories of these as values for JSON."""
    write = {"pandas": _from_pandas, "polars": _from_polars, "pyarrow": _from_arrow}[labels.kind]
    return {"kind": labels.kind, **write(labels.values)}


def labels_from_plain(plain: Plain) -> Labels:
    """Rebuild the ids that `labels_to_plain` wrote."""
    read = {"pandas": _to_pandas, "polars": _to_polars, "pyarrow": _to_arrow}[plain["kind"]]
    return Labels(read(plain), plain["kind"])


def moment_to_plain(moment: pd.Timestamp) -> Plain:
    """Return a moment as values for JSON."""
    return {"moment": moment.isoformat(), "unit": moment.unit, "zone": None if moment.tz is None else str(moment.tz)}


def moment_from_plain(plain: Plain) -> pd.Timestamp:
    """Rebuild the moment that `moment_to_plain` wrote."""
    moment = pd.Timestamp(plain["moment"]).as_unit(plain["unit"])
    return moment if plain["zone"] is None else moment.tz_convert(plain["zone"])


# ── one pair per kind of frame ───────────────────────────────────────────────────────────────────────────────────────────


def _from_pandas(index: pd.Index) -> Plain:
    dtype = index.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes, categories = np.asarray(index.codes).tolist(), _from_pandas(dtype.categories)  # type: ignore[attr-defined]
        return {"dtype": "category", "codes": codes, "categories": categories, "ordered": bool(dtype.ordered)}
    if isinstance(index, pd.DatetimeIndex):
        return {
            "dtype": "datetime",
            "unit": index.unit,
            "zone": None if index.tz is None else str(index.tz),
            "values": index.asi8.tolist(),
        }
    values = index.tolist()
    _refuse_others(values, dtype)
    return {"dtype": str(dtype), "values": values}


def _to_pandas(plain: Plain) -> pd.Index:
    if plain["dtype"] == "category":
        dtype = pd.CategoricalDtype(_to_pandas(plain["categories"]), plain["ordered"])
        return pd.CategoricalIndex(pd.Categorical.from_codes(plain["codes"], dtype=dtype))
    if plain["dtype"] == "datetime":
        times = pd.DatetimeIndex(np.array(plain["values"], np.int64).view(f"M8[{plain['unit']}]"))
        return times if plain["zone"] is None else times.tz_localize("UTC").tz_convert(plain["zone"])
    if plain["dtype"] == "object":
        return pd.Index(np.array(plain["values"], dtype=object), dtype=object, tupleize_cols=False)
    return pd.Index(pd.array(plain["values"], dtype=plain["dtype"]))


def _from_polars(series: Any) -> Plain:
    import polars as pl

    dtype = series.dtype
    if dtype == pl.Enum:
        return {"dtype": "Enum", "categories": dtype.categories.to_list(), "values": series.to_list()}
    if dtype == pl.Categorical:
        return {"dtype": "Categorical", "values": series.to_list()}
    if dtype == pl.Datetime:
        return {"dtype": "Datetime", "unit": dtype.time_unit, "zone": dtype.time_zone, "values": series.to_physical().to_list()}
    if dtype == pl.Date:
        return {"dtype": "Date", "values": series.to_physical().to_list()}
    values = series.to_list()
    _refuse_others(values, dtype)
    return {"dtype": str(dtype), "values": values}


def _to_polars(plain: Plain) -> Any:
    import polars as pl

    values = plain["values"]
    if plain["dtype"] == "Enum":
        return pl.Series(values, dtype=pl.Enum(plain["categories"]))
    if plain["dtype"] == "Datetime":
        return pl.Series(values, dtype=pl.Int64).cast(pl.Datetime(plain["unit"], plain["zone"]))
    if plain["dtype"] == "Date":
        return pl.Series(values, dtype=pl.Int32).cast(pl.Date)
    return pl.Series(values, dtype=getattr(pl, plain["dtype"]))


def _from_arrow(array: Any) -> Plain:
    import pyarrow as pa

    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    kind = array.type
    if pa.types.is_dictionary(kind):
        return {
            "dtype": "dictionary",
            "index": str(kind.index_type),
            "ordered": kind.ordered,
            "codes": array.indices.to_pylist(),
            "categories": _from_arrow(array.dictionary),
        }
    if pa.types.is_timestamp(kind):
        return {"dtype": "timestamp", "unit": kind.unit, "zone": kind.tz, "values": array.cast(pa.int64()).to_pylist()}
    if pa.types.is_date32(kind):
        return {"dtype": "date32", "values": array.cast(pa.int32()).to_pylist()}
    values = array.to_pylist()
    _refuse_others(values, kind)
    return {"dtype": str(kind), "values": values}


def _to_arrow(plain: Plain) -> Any:
    import pyarrow as pa

    if plain["dtype"] == "dictionary":
        codes = pa.array(plain["codes"], pa.type_for_alias(plain["index"]))
        return pa.DictionaryArray.from_arrays(codes, _to_arrow(plain["categories"]), ordered=plain["ordered"])
    if plain["dtype"] == "timestamp":
        return pa.array(plain["values"], pa.int64()).cast(pa.timestamp(plain["unit"], plain["zone"]))
    if plain["dtype"] == "date32":
        return pa.array(plain["values"], pa.int32()).cast(pa.date32())
    return pa.array(plain["values"], pa.type_for_alias(plain["dtype"]))


def _refuse_others(values: list[Any], dtype: Any) -> None:
    """Say so where JSON would change an id: a tuple becomes a list, a decimal a float."""
    for value in values:
        if not isinstance(value, (str, int, float)):
            msg = f"ids of type {type(value).__name__} ({dtype}) cannot be written; make them text, whole numbers or dates"
            raise DataError(msg)
