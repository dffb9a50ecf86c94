"""Numbers from a column: float64, contiguous, read-only, every one of them finite."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmkit._frame._read import as_pandas, first_place, read
from crmkit.errors import DataError

LARGEST = 1e75  # sums of fourth powers still fit a float; no measure of a customer is that large
CONVERT = "convert it first (pandas.to_numeric shows what does not parse; pandas.read_csv takes decimal=',')"
LARGEST_COUNT = 2.0**53  # beyond it floats skip whole numbers


def numbers(
    frame: Any,
    column: Any,
    *,
    keyword: str | None = None,
    nonnegative: bool = False,
    positive: bool = False,
    whole: bool = False,
    moderate: bool = False,
    ignore: npt.NDArray[np.bool_] | None = None,
    cure: str = "fill or drop them before the call",
) -> npt.NDArray[np.float64]:
    """Read `column` as finite numbers, or say how many rows are not, where the first is, and what to do.

    Rows flagged in `ignore` are read as zero, whatever they hold. `cure` says what to do about missing ones. `moderate` is for
    sums of squares and products, which no number so large may bring to infinity.
    """
    frame = read(frame)
    series = as_pandas(frame.column(column, keyword=keyword), frame.kind)
    values = _to_float(series, column, ignore)
    if ignore is not None:
        values = np.where(ignore, 0.0, values)
    finite = np.isfinite(values)
    if not finite.all():
        missing = np.isnan(values)
        if missing.any():
            count, row = first_place(missing)
            msg = f"column {column!r}: {count:,} missing, the first in row {row}; {cure}"
            raise DataError(msg)
        count, row = first_place(~finite)
        msg = f"column {column!r}: {count:,} infinite, the first in row {row} ({values[row]}); replace or drop them"
        raise DataError(msg)
    most = LARGEST_COUNT if whole else LARGEST
    if (whole or moderate) and values.size and (values.max() > most or values.min() < -most):
        beyond = np.abs(values) > most
        _refuse(beyond, values, column, f"beyond {most:.4g}", "look for a filler, or a wrong unit")
    if positive:
        _refuse(values <= 0, values, column, "not positive", "they must be above zero")
    if nonnegative:
        _refuse(values < 0, values, column, "negative", "they must be zero or more")
    if whole:
        _refuse(values != np.floor(values), values, column, "not whole", "they are counts: round or recompute them")
    return readonly(values)


def flags(frame: Any, column: Any, *, keyword: str | None = None) -> npt.NDArray[np.bool_]:
    """Read `column` as true or false: booleans, or numbers that are all 0 or 1."""
    frame = read(frame)
    series = as_pandas(frame.column(column, keyword=keyword), frame.kind)
    if pd.api.types.is_bool_dtype(series.dtype) and not series.isna().any():
        return readonly(series.to_numpy(dtype=np.bool_))
    values = numbers(frame, column, keyword=keyword)
    _refuse((values != 0) & (values != 1), values, column, "neither 0 nor 1", "recode the column as true and false")
    return readonly(values == 1)


def readonly(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a contiguous view that nobody can write to: one layout, one compiled kernel."""
    view = np.ascontiguousarray(values).view()
    view.flags.writeable = False
    return view


def _refuse(bad: npt.NDArray[np.bool_], values: npt.NDArray[np.float64], column: Any, what: str, cure: str) -> None:
    if bad.any():
        count, row = first_place(bad)
        msg = f"column {column!r}: {count:,} {what}, the first in row {row} ({values[row]:g}); {cure}"
        raise DataError(msg)


def _to_float(series: pd.Series, column: Any, ignore: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.float64]:
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        # a scale stored as categories ("ratings 0 to 10") is numbers if its categories are
        return _to_float(series.astype(dtype.categories.dtype if not series.isna().any() else "object"), column, ignore)
    if pd.api.types.is_object_dtype(dtype):
        return _objects_to_float(series.to_numpy() if ignore is None else np.where(ignore, 0, series.to_numpy()), column)
    if not isinstance(dtype, np.dtype) and series.isna().all():
        return np.full(len(series), np.nan)
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_complex_dtype(dtype) or not pd.api.types.is_numeric_dtype(dtype):
        msg = f"column {column!r} holds {dtype}, not numbers; {CONVERT}"
        raise DataError(msg)
    if isinstance(dtype, np.dtype):
        return series.to_numpy().astype(np.float64, copy=False)
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _objects_to_float(values: npt.NDArray[Any], column: Any) -> npt.NDArray[np.float64]:
    """Numbers in an object column: Decimals and mixtures of int and float are numbers, text is not."""
    number = np.fromiter((_is_number(value) for value in values), dtype=np.bool_, count=len(values))
    missing = np.zeros(len(values), np.bool_)
    missing[~number] = pd.isna(values[~number])
    if not (number | missing).all():
        count, row = first_place(~(number | missing))
        msg = f"column {column!r}: {count:,} not numbers, the first in row {row} (a {type(values[row]).__name__}); {CONVERT}"
        raise DataError(msg)
    return np.array([np.nan if gone else _float(v) for v, gone in zip(values, missing, strict=True)], dtype=np.float64)


def _is_number(value: object) -> bool:
    # numpy counts lengths of time among the integers, and float() drops the imaginary part of its complex numbers
    known = isinstance(value, (int, float, Decimal, np.integer, np.floating))
    return known and not isinstance(value, (bool, np.timedelta64))


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond 1.8e308 is as good as infinite, and refused as that
        return math.inf
    except ValueError:  # a Decimal that signals instead of being NaN
        return math.nan
