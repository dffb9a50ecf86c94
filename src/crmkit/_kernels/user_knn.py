"""Customers alike: the nearest customers of each customer by what they bought, and the items these buy.

Shared items are counted through the buyers of each item, into one counter per customer that is emptied again: memory is
one row, never customers x customers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.top_k import best_first, offer

__all__ = ["top_alike"]


@kernel
def top_alike(
    history_start: npt.NDArray[np.int64],
    history_item: npt.NDArray[np.int32],
    history_share: npt.NDArray[np.float32],
    item_start: npt.NDArray[np.int64],
    item_customer: npt.NDArray[np.int32],
    customer_start: npt.NDArray[np.int64],
    customer_item: npt.NDArray[np.int32],
    customer_share: npt.NDArray[np.float32],
    asymmetry: float,
    locality: float,
    n_neighbours: int,
    rank: npt.NDArray[np.int32],
    order: npt.NDArray[np.int32],
    excluded_start: npt.NDArray[np.int64],
    excluded_item: npt.NDArray[np.int32],
    k: int,
    customers: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return the `k` best items of each of `customers`: own share plus those of the nearest customers, by similarity.

    The similarity of u and v is ``n_uv / (n_u**asymmetry * n_v**(1 - asymmetry))``, it counts to the power `locality`. Those
    who bought exactly the same are no neighbours. Of equally similar customers the first comes first. The answer is
    compressed rows.
    """
    n_items, n_customers = item_start.size - 1, customer_start.size - 1
    shared = np.zeros(n_customers, np.int32)
    touched = np.empty(n_customers, np.int32)
    near = np.empty(n_neighbours, np.float64)
    near_customer = np.empty(n_neighbours, np.int32)
    total = np.zeros(n_items, np.float64)
    best = np.empty(k, np.float64)
    best_rank = np.empty(k, np.int32)
    found_start = np.zeros(customers.size + 1, np.int64)
    found_item = np.empty(customers.size * k, np.int32)
    found_score = np.empty(customers.size * k, np.float64)
    kept = 0
    for c in range(customers.size):
        from_, to = history_start[customers[c]], history_start[customers[c] + 1]
        own = to - from_
        met = 0
        for p in range(from_, to):
            i = history_item[p]
            total[i] += history_share[p]
            for q in range(item_start[i], item_start[i + 1]):
                v = item_customer[q]
                if shared[v] == 0:
                    touched[met] = v
                    met += 1
                shared[v] += 1

        size = 0
        scale = np.float64(own) ** asymmetry
        for t in range(met):
            v = touched[t]
            other = customer_start[v + 1] - customer_start[v]
            if not (shared[v] == own and other == own):
                similarity = shared[v] / (scale * np.float64(other) ** (1.0 - asymmetry))
                size = offer(near, near_customer, size, similarity, v)
            shared[v] = 0
        best_first(near, near_customer, size)
        for t in range(size):
            weight = near[t] ** locality
            v = near_customer[t]
            for q in range(customer_start[v], customer_start[v + 1]):
                total[customer_item[q]] += weight * customer_share[q]

        for p in range(excluded_start[customers[c]], excluded_start[customers[c] + 1]):
            total[excluded_item[p]] = 0.0
        size = 0
        for i in range(n_items):
            if total[i] > 0.0:
                size = offer(best, best_rank, size, total[i], rank[i])
                total[i] = 0.0
        best_first(best, best_rank, size)
        for p in range(size):
            found_item[kept] = order[best_rank[p]]
            found_score[kept] = best[p]
            kept += 1
        found_start[c + 1] = kept
    return found_start, found_item[:kept].copy(), found_score[:kept].copy()
