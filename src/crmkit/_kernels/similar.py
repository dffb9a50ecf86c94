"""The items most like others: the largest entries of rows of a table, and vectors in the same direction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.top_k import best_first, offer

__all__ = ["nearest_vectors", "top_of_rows"]


@kernel
def top_of_rows(
    table: npt.NDArray[np.float32],
    rank: npt.NDArray[np.int32],
    order: npt.NDArray[np.int32],
    k: int,
    rows: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return the columns of the `k` largest entries above zero of each of `rows`, as compressed rows."""
    best = np.empty(k, np.float64)
    best_rank = np.empty(k, np.int32)
    found_start = np.zeros(rows.size + 1, np.int64)
    found_item = np.empty(rows.size * k, np.int32)
    found_value = np.empty(rows.size * k, np.float64)
    kept = 0
    for r in range(rows.size):
        row = table[rows[r]]
        size = 0
        for j in range(row.size):
            if row[j] > 0.0 and j != rows[r]:
                size = offer(best, best_rank, size, np.float64(row[j]), rank[j])
        best_first(best, best_rank, size)
        for p in range(size):
            found_item[kept] = order[best_rank[p]]
            found_value[kept] = best[p]
            kept += 1
        found_start[r + 1] = kept
    return found_start, found_item[:kept].copy(), found_value[:kept].copy()


@kernel
def nearest_vectors(
    vectors: npt.NDArray[np.float32],
    rank: npt.NDArray[np.int32],
    order: npt.NDArray[np.int32],
    k: int,
    rows: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return the `k` vectors at the smallest angle to each of `rows` with its cosine, as compressed rows.

    Vectors without a direction are near nothing.
    """
    n, d = vectors.shape
    length = np.zeros(n, np.float64)
    for j in range(n):
        total = 0.0
        for f in range(d):
            total += np.float64(vectors[j, f]) * vectors[j, f]
        length[j] = np.sqrt(total)
    best = np.empty(k, np.float64)
    best_rank = np.empty(k, np.int32)
    found_start = np.zeros(rows.size + 1, np.int64)
    found_item = np.empty(rows.size * k, np.int32)
    found_value = np.empty(rows.size * k, np.float64)
    kept = 0
    for r in range(rows.size):
        i = rows[r]
        size = 0
        for j in range(n):
            if j != i and length[i] > 0.0 and length[j] > 0.0:
                dot = 0.0
                for f in range(d):
                    dot += np.float64(vectors[i, f]) * vectors[j, f]
                cosine = min(max(dot / (length[i] * length[j]), -1.0), 1.0)
                size = offer(best, best_rank, size, cosine, rank[j])
        best_first(best, best_rank, size)
        for p in range(size):
            found_item[kept] = order[best_rank[p]]
            found_value[kept] = best[p]
            kept += 1
        found_start[r + 1] = kept
    return found_start, found_item[:kept].copy(), found_value[:kept].copy()
