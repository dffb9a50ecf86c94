"""Compressed sparse rows: built from coordinates by counting sort, turned around, summed up.

A matrix is three arrays: the entries of row r are ``index[start[r]:start[r + 1]]`` (columns, ascending) with `value`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["from_coordinates", "squared_norms", "transpose"]


@kernel
def from_coordinates(
    row: npt.NDArray[np.int32],
    column: npt.NDArray[np.int32],
    value: npt.NDArray[np.float64],
    n_rows: int,
    n_columns: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Sort entries by row and column and sum those of one cell, in the order in which they were given.

    Without any `value` all are 1. Places are 32 bits wide, as rows of frames are counted.
    """
    n = row.size
    # two stable counting sorts, the lesser key first
    place = np.zeros(n_columns + 1, np.int64)
    for p in range(n):
        place[column[p] + 1] += 1
    for c in range(n_columns):
        place[c + 1] += place[c]
    by_column = np.empty(n, np.int32)
    for p in range(n):
        c = column[p]
        by_column[place[c]] = p
        place[c] += 1

    first = np.zeros(n_rows + 1, np.int64)
    for p in range(n):
        first[row[p] + 1] += 1
    for r in range(n_rows):
        first[r + 1] += first[r]
    place = first.copy()
    index = np.empty(n, np.int32)
    summed = np.empty(n, np.float64)
    for q in range(n):
        p = by_column[q]
        r = row[p]
        index[place[r]] = column[p]
        summed[place[r]] = value[p] if value.size > 0 else 1.0
        place[r] += 1

    # entries of one cell are neighbours now: the kept ones move down over the others
    start = np.zeros(n_rows + 1, np.int64)
    kept = 0
    for r in range(n_rows):
        for p in range(first[r], first[r + 1]):
            if kept > start[r] and index[kept - 1] == index[p]:
                summed[kept - 1] += summed[p]
            else:
                index[kept] = index[p]
                summed[kept] = summed[p]
                kept += 1
        start[r + 1] = kept
    if kept == n:
        return start, index, summed
    return start, index[:kept].copy(), summed[:kept].copy()


@kernel
def transpose(
    start: npt.NDArray[np.int64],
    index: npt.NDArray[np.int32],
    value: npt.NDArray[np.float32],
    n_columns: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the same entries with columns as rows; one more counting sort, so the indices ascend again."""
    turned_start = np.zeros(n_columns + 1, np.int64)
    for p in range(index.size):
        turned_start[index[p] + 1] += 1
    for c in range(n_columns):
        turned_start[c + 1] += turned_start[c]
    place = turned_start.copy()
    turned_index = np.empty(index.size, np.int32)
    turned_value = np.empty(index.size, np.float32)
    for r in range(start.size - 1):
        for p in range(start[r], start[r + 1]):
            c = index[p]
            turned_index[place[c]] = r
            turned_value[place[c]] = value[p]
            place[c] += 1
    return turned_start, turned_index, turned_value


@kernel
def squared_norms(start: npt.NDArray[np.int64], value: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Sum the squares of each row, in float64: exact for counts."""
    squares = np.zeros(start.size - 1, np.float64)
    for r in range(start.size - 1):
        total = 0.0
        for p in range(start[r], start[r + 1]):
            x = np.float64(value[p])
            total += x * x
        squares[r] = total
    return squares
