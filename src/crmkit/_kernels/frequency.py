"""What customers bought before and what everybody buys, in one list."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.top_k import best_first, offer

__all__ = ["moments", "top_frequent"]


@kernel
def moments(
    start: npt.NDArray[np.int64],
    index: npt.NDArray[np.int32],
    row: npt.NDArray[np.int32],
    column: npt.NDArray[np.int32],
    time: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the latest time of each cell of a sparse table that has all the cells given, and the mean gap between its times.

    The times of a cell ascend; equal ones are one moment, and a cell with a single moment has a gap of 0.
    """
    last = np.full(index.size, np.iinfo(np.int64).min, np.int64)
    first = np.zeros(index.size, np.int64)
    n = np.zeros(index.size, np.int32)
    for p in range(row.size):
        low, high = start[row[p]], start[row[p] + 1]
        while high - low > 1:
            middle = (low + high) // 2
            if index[middle] <= column[p]:
                low = middle
            else:
                high = middle
        if n[low] == 0:
            first[low] = time[p]
        if time[p] > last[low]:
            last[low] = time[p]
            n[low] += 1
    gap = np.zeros(index.size, np.float64)
    for c in range(index.size):
        if n[c] > 1:
            gap[c] = (last[c] - first[c]) / (n[c] - 1)
    return last, gap


@kernel
def top_frequent(
    customer_start: npt.NDArray[np.int64],
    customer_item: npt.NDArray[np.int32],
    customer_weight: npt.NDArray[np.float32],
    share: npt.NDArray[np.float64],
    popular: npt.NDArray[np.int32],
    rank: npt.NDArray[np.int32],
    order: npt.NDArray[np.int32],
    excluded_start: npt.NDArray[np.int64],
    excluded_item: npt.NDArray[np.int32],
    k: int,
    customers: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return the `k` best items of each of `customers` by own weight plus `share`; `popular` has the items by share.

    Of items not bought before only the first `k` of `popular` can be among the best. The answer is compressed rows.
    """
    settled_for = np.full(share.size, -1, np.int64)  # excluded, or offered already
    best = np.empty(k, np.float64)
    best_rank = np.empty(k, np.int32)
    found_start = np.zeros(customers.size + 1, np.int64)
    found_item = np.empty(customers.size * k, np.int32)
    found_score = np.empty(customers.size * k, np.float64)
    kept = 0
    for c in range(customers.size):
        customer = customers[c]
        for p in range(excluded_start[customer], excluded_start[customer + 1]):
            settled_for[excluded_item[p]] = c
        size = 0
        for p in range(customer_start[customer], customer_start[customer + 1]):
            i = customer_item[p]
            if settled_for[i] != c:
                settled_for[i] = c
                size = offer(best, best_rank, size, np.float64(customer_weight[p]) + share[i], rank[i])
        offered = 0
        for p in range(popular.size):
            if offered == k:
                break
            i = popular[p]
            if settled_for[i] != c:
                size = offer(best, best_rank, size, share[i], rank[i])
                offered += 1
        best_first(best, best_rank, size)
        for p in range(size):
            found_item[kept] = order[best_rank[p]]
            found_score[kept] = best[p]
            kept += 1
        found_start[c + 1] = kept
    return found_start, found_item[:kept].copy(), found_score[:kept].copy()
