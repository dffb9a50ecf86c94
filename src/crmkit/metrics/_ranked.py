"""Labels and scores as they come in, and the one ranking that every metric is read off."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import ranking as _k
from crmkit.errors import DataError

__all__ = ["Ranked", "both_classes", "kind_of", "rank", "read", "read_scores", "several"]

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Distinct scores, highest first, with the rows of either class at each: all that a ranking knows, whatever the row order."""

    score: Floats
    t: Longs  # rows of class 1
    f: Longs  # rows of class 0
    ones: int
    zeros: int

    @property
    def n(self) -> int:
        """All rows."""
        return self.ones + self.zeros

    @property
    def rate(self) -> float:
        """Share of class 1."""
        return self.ones / self.n


def read(y: Any, p: Any, *, name: str = "p", probability: bool = False) -> tuple[Bools, Floats]:
    """Read what came to pass and one score per row, in the same order."""
    labels = _column(y, "y")
    happened = _frame.flags(labels, "y")
    if happened.size == 0:
        msg = "y has no rows, so there is nothing to measure"
        raise DataError(msg)
    return happened, read_scores(y, p, happened.size, name=name, probability=probability)


def read_scores(y: Any, p: Any, n: int, *, name: str, probability: bool) -> Floats:
    """Read one score per row of `y`."""
    scores: Floats = _frame.numbers(_column(p, name), name)
    if scores.size != n:
        msg = f"y has {n:,} rows and {name} {scores.size:,}: they must be of the same rows in the same order"
        raise DataError(msg)
    _refuse_other_index(y, p, name)
    if probability:
        outside = (scores < 0) | (scores > 1)
        if outside.any():
            count, row = _frame.first_place(outside)
            msg = (
                f"column {name!r}: {count:,} outside 0 to 1, the first in row {row} ({scores[row]:g}); pass probabilities,"
                " or use a measure of ranks alone (auc, average_precision, gains)"
            )
            raise DataError(msg)
    return scores


def both_classes(happened: Bools) -> None:
    """Refuse labels that are all the same."""
    ones = int(happened.sum())
    if ones in (0, happened.size):
        msg = f"y: all {happened.size:,} rows are {int(ones > 0)}; there is nothing to tell apart without rows of both kinds"
        raise DataError(msg)


def several(n: int) -> None:
    """Refuse a single row, around which a mean would have an interval without width."""
    if n == 1:
        msg = "y has one row, which shows no spread: there is no interval around it; pass two or more"
        raise DataError(msg)


def rank(happened: Bools, scores: Floats) -> Ranked:
    """Sort either class by itself, which needs no memory of rows, and merge."""
    ones, zeros = scores[happened], scores[~happened]
    return Ranked(*_k.merge(np.sort(ones), np.sort(zeros)), ones.size, zeros.size)


def kind_of(y: Any) -> str:
    """Return the kind of frame to answer with: that of the labels, pandas for arrays and lists."""
    home = type(y).__module__.split(".")[0]
    return home if home in ("polars", "pyarrow") else "pandas"


def _column(values: Any, name: str) -> Any:
    """Put one column, of whatever kind, into a frame where the edge can read it."""
    if _frame.is_frame(values) or isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        msg = f"{name} is one column: a Series, an array or a list with a value per row, not a {type(values).__name__}"
        raise DataError(msg)
    kind = kind_of(values)
    if kind != "pandas":
        return _frame.table({name: values}, kind=kind)
    column = values if hasattr(values, "dtype") else np.asarray(values)
    if getattr(column, "ndim", 1) != 1:
        msg = f"{name} has {column.ndim} dimensions; pass one value per row (for scikit-learn's predict_proba, column 1)"
        raise DataError(msg)
    return _frame.table({name: column if len(column) else np.empty(0)})


def _refuse_other_index(y: Any, p: Any, name: str) -> None:
    """Refuse two pandas Series of other rows: pairing them by position would be a wrong number without a word."""
    one: Any = getattr(y, "index", None)
    two: Any = getattr(p, "index", None)
    if hasattr(one, "equals") and hasattr(two, "equals") and not one.equals(two):
        msg = f"y and {name} have different indexes: align them first, as with {name}.reindex(y.index), or pass arrays"
        raise DataError(msg)
