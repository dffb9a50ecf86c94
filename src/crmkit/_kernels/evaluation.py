"""How lists of recommendations met what was bought: one pass over lists and truths, and what the lists are like.

Lists and truths are compressed rows, one per customer; lists are best first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["METRICS", "marks", "unlikeness"]

METRICS = ("precision", "recall", "recall_min", "ndcg", "ndcg_full", "map", "map_full", "mrr", "hit_rate")


@kernel
def marks(
    list_start: npt.NDArray[np.int64],
    list_item: npt.NDArray[np.int32],
    truth_start: npt.NDArray[np.int64],
    truth_item: npt.NDArray[np.int32],
    n_items: int,
    ks: npt.NDArray[np.int64],
    first: int,
    last: int,
    out: npt.NDArray[np.float64],
) -> None:
    """Write the metrics of customers `first` to `last` at each of `ks`, ascending, into ``out[customer, k]``.

    Items of lists that nobody bought have code -1. A customer without truth has marks of 0, which mean nothing.
    """
    wanted_by = np.full(max(n_items, 1), -1, np.int64)
    longest = 1
    for c in range(first, last):
        longest = max(longest, truth_start[c + 1] - truth_start[c])
    longest = max(longest, ks[-1])
    gain = np.empty(longest, np.float64)
    ideal = np.empty(longest + 1, np.float64)
    ideal[0] = 0.0
    for r in range(longest):
        gain[r] = 1.0 / np.log2(r + 2.0)
        ideal[r + 1] = ideal[r] + gain[r]
    for c in range(first, last):
        n = truth_start[c + 1] - truth_start[c]
        out[c] = 0.0
        if n == 0:
            continue
        for p in range(truth_start[c], truth_start[c + 1]):
            wanted_by[truth_item[p]] = c
        hits, first_hit, discounted, precisions = 0, 0, 0.0, 0.0
        rank = 0
        size = list_start[c + 1] - list_start[c]
        for q in range(ks.size):
            k = ks[q]
            while rank < min(k, size):
                i = list_item[list_start[c] + rank]
                if i >= 0 and wanted_by[i] == c:
                    hits += 1
                    if hits == 1:
                        first_hit = rank + 1
                    discounted += gain[rank]
                    precisions += hits / (rank + 1.0)
                rank += 1
            short = min(k, n)
            out[c, q, 0] = hits / k
            out[c, q, 1] = hits / n
            out[c, q, 2] = hits / short
            out[c, q, 3] = discounted / ideal[short]
            out[c, q, 4] = discounted / ideal[n]
            out[c, q, 5] = precisions / short
            out[c, q, 6] = precisions / n
            out[c, q, 7] = 1.0 / first_hit if first_hit > 0 else 0.0
            out[c, q, 8] = 1.0 if hits > 0 else 0.0


@kernel
def unlikeness(
    list_start: npt.NDArray[np.int64],
    list_item: npt.NDArray[np.int32],
    item_start: npt.NDArray[np.int64],
    item_customer: npt.NDArray[np.int32],
    customer_start: npt.NDArray[np.int64],
    customer_item: npt.NDArray[np.int32],
    ks: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Sum over all pairs within the first k items of each list the share of the customers of either who bought one alone.

    `ks` ascend. Item by item, so that what two items share is counted once for all lists, and no pair is ever stored.
    """
    n_lists, n_items = list_start.size - 1, item_start.size - 1
    # where each item stands on lists
    first = np.zeros(n_items + 1, np.int64)
    for p in range(list_item.size):
        first[list_item[p] + 1] += 1
    for i in range(n_items):
        first[i + 1] += first[i]
    place = first[:-1].copy()
    on_list = np.empty(list_item.size, np.int32)
    at = np.empty(list_item.size, np.int64)
    for c in range(n_lists):
        for p in range(list_start[c], list_start[c + 1]):
            i = list_item[p]
            on_list[place[i]] = c
            at[place[i]] = p - list_start[c]
            place[i] += 1

    shared = np.zeros(n_items, np.int64)
    out = np.zeros((n_lists, ks.size), np.float64)
    for i in range(n_items):
        if first[i] == first[i + 1]:
            continue
        for q in range(item_start[i], item_start[i + 1]):
            customer = item_customer[q]
            for r in range(customer_start[customer], customer_start[customer + 1]):
                shared[customer_item[r]] += 1
        own = item_start[i + 1] - item_start[i]
        for p in range(first[i], first[i + 1]):
            c, rank = on_list[p], at[p]
            # with each item that stands before it: every pair once, where the list first holds both
            level = 0
            while level < ks.size and ks[level] <= rank:
                level += 1
            if level < ks.size:
                total = 0.0
                for r in range(list_start[c], list_start[c] + rank):
                    j = list_item[r]
                    total += 1.0 - shared[j] / (own + item_start[j + 1] - item_start[j] - shared[j])
                out[c, level] += total
        for q in range(item_start[i], item_start[i + 1]):
            customer = item_customer[q]
            for r in range(customer_start[customer], customer_start[customer + 1]):
                shared[customer_item[r]] = 0
    for c in range(n_lists):
        for level in range(1, ks.size):
            out[c, level] += out[c, level - 1]
    return out
