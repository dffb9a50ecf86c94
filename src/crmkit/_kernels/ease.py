"""Dense item-by-item weights: the products they are solved from, and customers scored by their rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.top_k import best_first, offer

__all__ = ["from_inverse", "gram", "top_dense"]


@kernel
def gram(
    item_start: npt.NDArray[np.int64],
    item_customer: npt.NDArray[np.int32],
    item_weight: npt.NDArray[np.float32],
    customer_start: npt.NDArray[np.int64],
    customer_item: npt.NDArray[np.int32],
    customer_weight: npt.NDArray[np.float32],
    penalty: float,
    first: int,
    last: int,
    out: npt.NDArray[np.float64],
) -> None:
    """Write rows `first` to `last` of the products of all items, `penalty` added on the diagonal, into `out`."""
    for i in range(first, last):
        row = out[i]
        row[:] = 0.0
        for p in range(item_start[i], item_start[i + 1]):
            weight = np.float64(item_weight[p])
            customer = item_customer[p]
            for q in range(customer_start[customer], customer_start[customer + 1]):
                row[customer_item[q]] += weight * customer_weight[q]
        row[i] += penalty


@kernel
def from_inverse(inverse: npt.NDArray[np.float64], first: int, last: int, out: npt.NDArray[np.float32]) -> None:
    """Write rows `first` to `last` of the weights; of the symmetric `inverse` the lower triangle is read alone."""
    n = inverse.shape[0]
    for i in range(first, last):
        for j in range(n):
            entry = inverse[i, j] if j <= i else inverse[j, i]
            out[i, j] = -entry / inverse[j, j]
        out[i, i] = 0.0


@kernel
def top_dense(
    customer_start: npt.NDArray[np.int64],
    customer_item: npt.NDArray[np.int32],
    customer_weight: npt.NDArray[np.float32],
    table: npt.NDArray[np.float32],
    rank: npt.NDArray[np.int32],
    order: npt.NDArray[np.int32],
    excluded_start: npt.NDArray[np.int64],
    excluded_item: npt.NDArray[np.int32],
    k: int,
    customers: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return the `k` best items of each of `customers` by the weighted sum of the rows of what they bought.

    Scores above zero count alone, and items in `excluded` are left out. The answer is compressed rows.
    """
    n_items = table.shape[0]
    total = np.zeros(n_items, np.float64)
    best = np.empty(k, np.float64)
    best_rank = np.empty(k, np.int32)
    found_start = np.zeros(customers.size + 1, np.int64)
    found_item = np.empty(customers.size * k, np.int32)
    found_score = np.empty(customers.size * k, np.float64)
    kept = 0
    for c in range(customers.size):
        from_, to = customer_start[customers[c]], customer_start[customers[c] + 1]
        total[:] = 0.0
        p = from_
        # four rows at a time: the sum is read and written a quarter as often
        while p + 4 <= to:
            w0, w1 = np.float64(customer_weight[p]), np.float64(customer_weight[p + 1])
            w2, w3 = np.float64(customer_weight[p + 2]), np.float64(customer_weight[p + 3])
            row0, row1 = table[customer_item[p]], table[customer_item[p + 1]]
            row2, row3 = table[customer_item[p + 2]], table[customer_item[p + 3]]
            for j in range(n_items):
                total[j] += (w0 * row0[j] + w1 * row1[j]) + (w2 * row2[j] + w3 * row3[j])
            p += 4
        while p < to:
            weight = np.float64(customer_weight[p])
            row0 = table[customer_item[p]]
            for j in range(n_items):
                total[j] += weight * row0[j]
            p += 1
        for p in range(excluded_start[customers[c]], excluded_start[customers[c] + 1]):
            total[excluded_item[p]] = 0.0

        size = 0
        floor = 0.0
        for j in range(n_items):
            if total[j] > 0.0 and total[j] >= floor:
                size = offer(best, best_rank, size, total[j], rank[j])
                if size == k:
                    floor = best[0]
        best_first(best, best_rank, size)
        for p in range(size):
            found_item[kept] = order[best_rank[p]]
            found_score[kept] = best[p]
            kept += 1
        found_start[c + 1] = kept
    return found_start, found_item[:kept].copy(), found_score[:kept].copy()
