"""Record batches of Arrow, the small change between engines, as tables and back."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["as_record_batch", "record_batch_as_table", "schema_of"]


def record_batch_as_table(batch: Any) -> Any:
    """Return a record batch as a table without copying; None for anything else."""
    pa = sys.modules.get("pyarrow")  # who passes a record batch has imported it
    return pa.Table.from_batches([batch]) if pa is not None and isinstance(batch, pa.RecordBatch) else None


def as_record_batch(table: Any) -> Any:
    """Return a table as one record batch, of the same schema if it has no rows; None for anything else."""
    import pyarrow as pa

    if not isinstance(table, pa.Table):
        return None
    columns = [column.combine_chunks() for column in table.columns]
    arrays = [pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column for column in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def schema_of(frame: Any) -> list[tuple[Any, str]]:
    """Return names and types of the columns of a frame of any kind, of a Series or an array."""
    if hasattr(frame, "schema"):
        schema = frame.schema
        names = schema.names() if callable(schema.names) else schema.names
        types = schema.types if hasattr(schema, "types") else schema.dtypes()
        return [(name, str(kind)) for name, kind in zip(names, types, strict=True)]
    if hasattr(frame, "columns"):
        return [(name, str(kind)) for name, kind in frame.dtypes.items()]
    return [(getattr(frame, "name", None), str(getattr(frame, "dtype", type(frame).__name__)))]
