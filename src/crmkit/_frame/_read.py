"""What a frame is to crmkit: pandas, polars or pyarrow, its columns by name, its rows in order."""

from __future__ import annotations

import dataclasses
from typing import Any

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
        times = self.columns.count(name)
        if times == 0:
            raise ColumnError.missing(name, self.columns, keyword=keyword)
        if times > 1:
            msg = f"column {name!r} is in the frame {times} times; rename or drop the copies"
            raise ColumnError(msg)
        return self.native.column(name) if self.kind == "pyarrow" else self.native[name]


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


def first_place(bad: Any) -> tuple[int, int]:
    """How many rows are flagged, and the first of them."""
    return int(bad.sum()), int(bad.argmax())


def rows_are(n: int) -> str:
    """Return "1 row is" or "n rows are"."""
    return "1 row is" if n == 1 else f"{n:,} rows are"
