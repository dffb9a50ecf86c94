"""Scores for more rows than fit into memory: batch by batch, wherever the batches come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from crmkit import _frame
from crmkit.errors import DataError, OptionError

__all__ = ["score_batches"]


def score_batches(score: Any, batches: Any, /) -> Iterator[Any]:
    """Score batches of rows one after another, each as it comes, with a function that answers row by row.

    Parameters
    ----------
    score : callable
        A function of one frame that returns one row for each of its rows, such as
        ``functools.partial(clv.p_alive, model)``; `clv.expected_purchases`, `churn.predict`, `uplift.predict` and their like.
    batches : iterable
        Record batches or tables of pyarrow, polars or pandas frames, all of the same columns. They are taken one at a time.

    Returns
    -------
    iterator
        What `score` returns for each batch, of the kind that came: a record batch for a record batch, with the id of its first
        column kept. A batch without rows gives one without rows, of the same columns.

    Raises
    ------
    DataError
        `score` gives another number of rows than it got, or other columns or types than in the batches before; or it cannot
        read a batch.
    OptionError
        `score` cannot be called, or `batches` is a single frame.

    See Also
    --------
    crmkit.clv.compress : Fits take distinct rows, which an engine can count.

    Notes
    -----
    Spark's ``mapInArrow``, the Arrow readers of DuckDB and ``iter_slices`` of polars deal in such batches; none of them is
    imported here. A model travels to the workers of Spark by pickling. Nothing is kept between batches, so that memory is that
    of one batch.

    Examples
    --------
    >>> from functools import partial
    >>> import pandas as pd
    >>> import pyarrow as pa
    >>> import crmkit as crm
    >>> lines = crm.datasets.make_transactions(n_customers=200, weeks=52, acquisition_weeks=20).transactions
    >>> table = crm.clv.summarize(lines)
    >>> model = crm.clv.fit_bg_nbd(table)
    >>> batches = pa.Table.from_pandas(table.reset_index()).to_batches(max_chunksize=80)
    >>> [batch.num_rows for batch in crm.score_batches(partial(crm.clv.p_alive, model), batches)]
    [80, 80, 40]
    """
    if not callable(score):
        msg = f"score is {type(score).__name__}, not a function; pass it first, such as partial(clv.p_alive, model)"
        raise OptionError(msg)
    single = _frame.is_frame(batches) or _frame.record_batch_as_table(batches) is not None
    if single or not isinstance(batches, Iterable):
        msg = f"batches is a single {type(batches).__name__}; pass an iterator or a list of frames"
        raise OptionError(msg)
    return _scored(score, batches)


def _scored(score: Callable[[Any], Any], batches: Iterable[Any]) -> Iterator[Any]:
    first: list[tuple[Any, str]] | None = None
    for number, batch in enumerate(batches):
        table = _frame.record_batch_as_table(batch)
        answer = score(batch if table is None else table)
        rows = len(batch)
        if not hasattr(answer, "__len__") or len(answer) != rows:
            got = f"{len(answer):,} rows" if hasattr(answer, "__len__") else type(answer).__name__
            msg = f"batch {number}: score returned {got} for {rows:,} rows; pass a function that answers row by row"
            raise DataError(msg)
        answer = answer if table is None else _frame.as_record_batch(answer)
        if answer is None:
            msg = f"batch {number}: score returned no pyarrow table for one, which a record batch is made of"
            raise DataError(msg)
        schema = _frame.schema_of(answer)
        if first is not None and schema != first:
            msg = f"batch {number}: score returned {schema}, for the first batch {first}; give all batches the same columns"
            raise DataError(msg)
        first = schema
        yield answer
