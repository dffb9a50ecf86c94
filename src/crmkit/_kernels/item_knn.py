"""Item neighbourhoods: the nearest items of each item, and customers scored by the neighbours of what they bought.

Both are Gustavson products: one dense accumulator over the items, filled from sparse rows and emptied again, so memory
is one row and never items x items. Weights and similarities are float32 and positive, their products are summed in
float64: a sum of like terms is then exact, and ties stay ties whatever the order of the terms. An accumulator of 0
means untouched.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.top_k import best_first, offer

__all__ = ["most_popular", "neighbours", "top_neighbours"]


COSINE, JACCARD, LIFT, CONDITIONAL = 0, 1, 2, 3


@kernel
def _similarity(dot: float, square: float, other: float, n: int, measure: int) -> float:
    """Turn a product of two items into a similarity; of weights that are 1, the squares are the numbers of customers."""
    if measure == JACCARD:
        return dot / (square + other - dot)
    if measure == LIFT:
        return dot * n / (square * other)
    if measure == CONDITIONAL:
        return dot / square
    return dot / float(np.sqrt(square * other))


@kernel
def neighbours(
    item_start: npt.NDArray[np.int64],
    item_customer: npt.NDArray[np.int32],
    item_weight: npt.NDArray[np.float32],
    customer_start: npt.NDArray[np.int64],
    customer_item: npt.NDArray[np.int32],
    customer_weight: npt.NDArray[np.float32],
    squares: npt.NDArray[np.float64],
    rank: npt.NDArray[np.int32],
    order: npt.NDArray[np.int32],
    k: int,
    shrinkage: float,
    measure: int,
    first: int,
    last: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Find the `k` items nearest to each of items `first` to `last`, by `measure` times ``n / (n + shrinkage)``.

    Weights are positive. `rank` breaks ties, `order` is its inverse; an item is not its own neighbour. The answer is
    compressed rows.
    """
    n_items, n_customers = item_start.size - 1, customer_start.size - 1
    dot = np.zeros(n_items, np.float64)
    shared = np.zeros(n_items if shrinkage > 0.0 else 0, np.int32)
    best = np.empty(k, np.float64)
    best_rank = np.empty(k, np.int32)
    found_start = np.zeros(last - first + 1, np.int64)
    found_item = np.empty((last - first) * k, np.int32)
    found_similarity = np.empty((last - first) * k, np.float32)
    inverse = np.zeros(n_items, np.float64)
    for j in range(n_items):
        if squares[j] > 0.0:
            inverse[j] = 1.0 / np.sqrt(squares[j])
    kept = 0

    for i in range(first, last):
        work = 0
        for p in range(item_start[i], item_start[i + 1]):
            customer = item_customer[p]
            weight = np.float64(item_weight[p])
            from_, to = customer_start[customer], customer_start[customer + 1]
            work += to - from_
            for q in range(from_, to):
                dot[customer_item[q]] += weight * customer_weight[q]
            if shrinkage > 0.0:
                for q in range(from_, to):
                    shared[customer_item[q]] += 1
        dot[i] = 0.0
        if shrinkage > 0.0:
            shared[i] = 0

        # a full row is read along the items; a thin one is met again through its customers, who reach all it touched
        size = 0
        floor = 0.0
        if work >= n_items:
            for j in range(n_items):
                if dot[j] > 0.0:
                    # a product instead of the root and the quotient: almost all candidates fail, and here cheaply
                    if measure != COSINE or dot[j] * inverse[i] * inverse[j] >= floor:
                        similarity = _similarity(dot[j], squares[i], squares[j], n_customers, measure)
                        if shrinkage > 0.0:
                            similarity *= shared[j] / (shared[j] + shrinkage)
                        size = offer(best, best_rank, size, np.float64(np.float32(similarity)), rank[j])
                        if size == k:
                            floor = best[0] * (1.0 - 1e-6)
                    dot[j] = 0.0
                    if shrinkage > 0.0:
                        shared[j] = 0
        else:
            for p in range(item_start[i], item_start[i + 1]):
                customer = item_customer[p]
                for q in range(customer_start[customer], customer_start[customer + 1]):
                    j = customer_item[q]
                    if dot[j] > 0.0:
                        similarity = _similarity(dot[j], squares[i], squares[j], n_customers, measure)
                        if shrinkage > 0.0:
                            similarity *= shared[j] / (shared[j] + shrinkage)
                            shared[j] = 0
                        size = offer(best, best_rank, size, np.float64(np.float32(similarity)), rank[j])
                        dot[j] = 0.0

        best_first(best, best_rank, size)
        for p in range(size):
            # decayed weights can make a similarity too small for float32: no neighbour then
            if best[p] > 0.0:
                found_item[kept] = order[best_rank[p]]
                found_similarity[kept] = best[p]
                kept += 1
        found_start[i - first + 1] = kept
    return found_start, found_item[:kept].copy(), found_similarity[:kept].copy()


@kernel
def top_neighbours(
    customer_start: npt.NDArray[np.int64],
    customer_item: npt.NDArray[np.int32],
    customer_weight: npt.NDArray[np.float32],
    near_start: npt.NDArray[np.int64],
    near_item: npt.NDArray[np.int32],
    near_similarity: npt.NDArray[np.float32],
    rank: npt.NDArray[np.int32],
    order: npt.NDArray[np.int32],
    excluded_start: npt.NDArray[np.int64],
    excluded_item: npt.NDArray[np.int32],
    k: int,
    customers: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return the `k` best items of each of `customers`: weight times similarity, summed over the items they bought.

    A customer's items in `excluded`, which has the rows of the customers, are left out. The answer is compressed rows.
    """
    n_items = near_start.size - 1
    total = np.zeros(n_items, np.float64)
    best = np.empty(k, np.float64)
    best_rank = np.empty(k, np.int32)
    found_start = np.zeros(customers.size + 1, np.int64)
    found_item = np.empty(customers.size * k, np.int32)
    found_score = np.empty(customers.size * k, np.float64)
    kept = 0

    for c in range(customers.size):
        from_, to = customer_start[customers[c]], customer_start[customers[c] + 1]
        work = 0
        for p in range(from_, to):
            i = customer_item[p]
            weight = np.float64(customer_weight[p])
            work += near_start[i + 1] - near_start[i]
            for q in range(near_start[i], near_start[i + 1]):
                total[near_item[q]] += weight * near_similarity[q]
        for p in range(excluded_start[customers[c]], excluded_start[customers[c] + 1]):
            total[excluded_item[p]] = 0.0

        size = 0
        if work >= n_items:
            for j in range(n_items):
                if total[j] > 0.0:
                    size = offer(best, best_rank, size, total[j], rank[j])
                    total[j] = 0.0
        else:
            for p in range(from_, to):
                i = customer_item[p]
                for q in range(near_start[i], near_start[i + 1]):
                    j = near_item[q]
                    if total[j] > 0.0:
                        size = offer(best, best_rank, size, total[j], rank[j])
                        total[j] = 0.0

        best_first(best, best_rank, size)
        for p in range(size):
            found_item[kept] = order[best_rank[p]]
            found_score[kept] = best[p]
            kept += 1
        found_start[c + 1] = kept
    return found_start, found_item[:kept].copy(), found_score[:kept].copy()


@kernel
def most_popular(
    order: npt.NDArray[np.int32],
    excluded_start: npt.NDArray[np.int64],
    excluded_item: npt.NDArray[np.int32],
    k: int,
    customers: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return the first `k` of `order` that are not excluded, for each of `customers` (-1: nobody known)."""
    skipped_for = np.full(order.size, -1, np.int64)
    found_start = np.zeros(customers.size + 1, np.int64)
    found_item = np.empty(customers.size * k, np.int32)
    kept = 0
    for c in range(customers.size):
        customer = customers[c]
        if customer >= 0:
            for p in range(excluded_start[customer], excluded_start[customer + 1]):
                skipped_for[excluded_item[p]] = c
        size = 0
        for p in range(order.size):
            if size == k:
                break
            if skipped_for[order[p]] != c:
                found_item[kept] = order[p]
                kept += 1
                size += 1
        found_start[c + 1] = kept
    return found_start, found_item[:kept].copy()
