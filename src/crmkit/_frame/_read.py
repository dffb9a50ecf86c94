"""What a frame is to crmkit: pandas, polars or pyarrow, its columns by name, its rows in order."""

from __future__ import annotations

import dataclasses
import decimal
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from crmkit.errors import ColumnError, DataError

KINDS = ("pandas", "polars", "pyarrow")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A user's frame behind one face; nothing is copied."""

    native: Any
    kind: str

    @property
    def columns(self) -> list[Any]:
        """The column names as they stand, duplicates included."""
        return list(self.native.column_names if self.kind == "pyarrow" else self.native.columns)

    def __len__(self) -> int:
        return int(self.native.num_rows) if self.kind == "pyarrow" else len(self.native)

    def column(self, name: Any, *, keyword: str | None = None) -> Any:
        """Return the native column `name`, which must be there exactly once."""
        if not isinstance(name, str) and keyword is not None and name is None:
            msg = f"{keyword}=None, but this function needs the column"
            raise ColumnError(msg)
        # a list or an array is no name, though pandas would take it for several
        times = self.columns.count(name) if isinstance(name, Hashable) else 0
        if times == 0:
            raise ColumnError.missing(name, self.columns, keyword=keyword)
        if times > 1:
            msg = f"column {name!r} is in the frame {times} times; rename or drop the copies"
            raise ColumnError(msg)
        column = self.native.column(name) if self.kind == "pyarrow" else self.native[name]
        return plain(column, self.kind, name)


def read(data: Any) -> Frame:
    """Recognise `data` as one of the frames crmkit works on, or say what to pass."""
    if isinstance(data, Frame):
        return data
    if isinstance(data, pd.DataFrame):
        return Frame(data, "pandas")
    import narwhals.stable.v2 as nw

    frame = nw.from_native(data, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        msg = f"the frame is lazy ({type(data).__module__}.{type(data).__name__}); collect it first"
        raise DataError(msg)
    if not isinstance(frame, nw.DataFrame) or frame.implementation.value not in KINDS:
        msg = f"expected a pandas, polars or pyarrow frame, got {type(data).__module__}.{type(data).__name__}"
        raise DataError(msg)
    return Frame(frame.to_native(), str(frame.implementation.value))


def plain(column: Any, kind: str, name: Any) -> Any:
    """Bring the few types that pandas and Arrow cannot work on yet to ones that hold the same values."""
    if kind == "polars":
        if str(column.dtype) in ("Int128", "UInt128"):
            msg = f"column {name!r} holds {column.dtype}; cast it to Int64, or ids to String"
            raise DataError(msg)
        return column
    if kind == "pandas" and not isinstance(column.dtype, pd.ArrowDtype):
        if column.dtype == object:
            _refuse_signals(column, name)
        return column
    import pyarrow as pa
    import pyarrow.compute as pc

    stored = column.dtype.pyarrow_dtype if kind == "pandas" else column.type
    wanted = {"string_view": pa.large_string(), "binary_view": pa.large_binary(), "halffloat": pa.float32()}.get(str(stored))
    encoded = pa.types.is_run_end_encoded(stored)
    if wanted is None and not encoded:
        return column
    array = column.array.__arrow_array__() if kind == "pandas" else column
    array = pc.run_end_decode(array) if encoded else array.cast(wanted)
    return pd.Series(pd.arrays.ArrowExtensionArray(array), index=column.index) if kind == "pandas" else array


def _refuse_signals(column: pd.Series, name: Any) -> None:
    """Refuse Decimals that raise when they are looked at: pandas cannot even tell that they are missing."""
    try:
        pd.isna(column)
    except decimal.InvalidOperation as error:
        count, row = first_place(np.array([isinstance(value, decimal.Decimal) and value.is_snan() for value in column]))
        msg = f"column {name!r}: {count:,} missing (signalling NaN of decimal), the first in row {row}; fill or drop them"
        raise DataError(msg) from error


def as_pandas(column: Any, kind: str) -> Any:
    """Show a native column as a pandas Series, Arrow-backed where that avoids a copy; its index means nothing."""
    if kind == "pandas":
        return column
    if kind == "polars":
        # through Arrow where it is installed: it keeps nulls, zones and decimals
        return column.to_pandas(use_pyarrow_extension_array=_has_pyarrow())
    return column.to_pandas(types_mapper=pd.ArrowDtype)


def _has_pyarrow() -> bool:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True


def is_numbered(frame: Frame) -> bool:
    """Whether the index of a pandas frame is the number of the row, and no id."""
    return frame.kind == "pandas" and isinstance(frame.native.index, pd.RangeIndex) and frame.native.index.name is None


def first_place(bad: Any) -> tuple[int, int]:
    """How many rows are flagged, and the first of them."""
    return int(bad.sum()), int(bad.argmax())


def rows_are(n: int) -> str:
    """Return "1 row is" or "n rows are"."""
    return "1 row is" if n == 1 else f"{n:,} rows are"
