"""Frames that are not collected: polars lazy frames, DuckDB relations and Spark frames, worked on by their own engine."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crmkit._frame._time import Clock
from crmkit.errors import ColumnError, DataError

__all__ = ["Lazy", "expressions", "is_lazy", "read_lazy"]

ENGINES = ("polars", "duckdb", "pyspark", "pyspark[connect]")


def expressions() -> Any:
    """Return the language in which work is handed to an engine: narwhals, which only this package imports."""
    import narwhals.stable.v2 as nw

    return nw


def is_lazy(data: Any) -> bool:
    """Whether `data` is a frame whose rows have not been collected."""
    if isinstance(data, pd.DataFrame):
        return False
    nw = expressions()
    return isinstance(nw.from_native(data, pass_through=True), nw.LazyFrame)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Lazy:
    """A lazy frame behind one face: its columns and their types are known, its rows are not."""

    rows: Any  # a narwhals LazyFrame
    engine: str
    types: Mapping[str, Any]

    def has(self, column: Any, keyword: str) -> None:
        """Raise unless `column` is there."""
        if column is None:
            msg = f"{keyword}=None, but this function needs the column"
            raise ColumnError(msg)
        if column not in self.types:
            raise ColumnError.missing(column, self.types, keyword=keyword)

    def id(self, column: Any, keyword: str) -> Any:
        """Return the expression of a column of ids."""
        self.has(column, keyword)
        kind = self.types[column]
        if kind.is_float() or kind.is_nested():
            msg = f"column {column!r} holds {kind}, which cannot be compared exactly; cast ids to whole numbers or text"
            raise DataError(msg)
        return expressions().col(column)

    def number(self, column: Any, keyword: str) -> Any:
        """Return the expression of a column of numbers, as 64-bit floats."""
        self.has(column, keyword)
        if not self.types[column].is_numeric():
            msg = f"column {column!r} holds {self.types[column]}, not numbers; cast it first"
            raise DataError(msg)
        nw = expressions()
        return nw.col(column).cast(nw.Float64)

    def day(self, column: Any, keyword: str) -> tuple[Any, Clock]:
        """Return the expression of the calendar day of a column of times, counted from 1970, and the clock it follows."""
        self.has(column, keyword)
        nw = expressions()
        kind = self.types[column]
        if not isinstance(kind, (nw.Date, nw.Datetime)):
            msg = f"column {column!r} holds {kind}, not times; cast it to a date or a timestamp first"
            raise DataError(msg)
        clock = Clock(kind.time_unit, kind.time_zone) if isinstance(kind, nw.Datetime) else Clock("s", None)
        # engines agree on the parts of a date, and on little else
        years = nw.col(column).dt.year().cast(nw.Int64) - 1
        leap = years // 4 - years // 100 + years // 400
        day = 365 * years + leap + nw.col(column).dt.ordinal_day().cast(nw.Int64)
        return day - EPOCH, clock

    def small(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        """Return a small table of whole numbers and times in the same engine, ready to be joined."""
        nw, native = expressions(), self.rows.to_native()
        if self.engine == "polars":
            import polars as pl

            table: Any = pl.LazyFrame({name: list(values) for name, values in columns.items()})
        elif self.engine == "duckdb":
            # a relation joins those of its own connection alone: the table grows out of a count that reads nothing
            lists = ", ".join(f"unnest({_sql_list(values)}) AS {name}" for name, values in columns.items())
            table = native.limit(0).aggregate("count(*) AS n").project(lists)
        else:
            kinds = ", ".join(f"{name} {_spark_type(values)}" for name, values in columns.items())
            table = native.sparkSession.createDataFrame(list(zip(*columns.values(), strict=True)), kinds)
        return nw.from_native(table)


EPOCH = dt.date(1970, 1, 1).toordinal()


def read_lazy(data: Any) -> Lazy:
    """Recognise `data` as a lazy frame of an engine that is known to give the same answers."""
    nw = expressions()
    rows = nw.from_native(data)
    engine = str(rows.implementation.value)
    if engine not in ENGINES:
        msg = f"{engine} frames are not known here; pass a polars lazy frame, a DuckDB relation or a Spark frame, or collect it"
        raise DataError(msg)
    return Lazy(rows, engine, dict(rows.collect_schema()))


def _sql_list(values: Sequence[Any]) -> str:
    if values and isinstance(values[0], dt.datetime):
        return "[" + ", ".join(f"'{value.isoformat(sep=' ')}'" for value in values) + "]::TIMESTAMP[]"
    return "[" + ", ".join(str(int(value)) for value in values) + "]::BIGINT[]"


def _spark_type(values: Sequence[Any]) -> str:
    return "timestamp_ntz" if values and isinstance(values[0], dt.datetime) else "long"
