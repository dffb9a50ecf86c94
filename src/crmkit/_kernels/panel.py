"""What customers had done by each cutoff, and whether they bought in the window after it; one visit per customer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@kernel
def features(
    start: Integers,
    instant: Integers,
    amount: Floats,
    customer_of: Integers,
    cutoffs: Integers,
    window_starts: Integers,
    mine: Bools,
    eligible: Bools,
    first_row: Integers,
    first: int,
    last: int,
    recency: Integers,
    tenure: Integers,
    orders: Integers,
    amounts: Floats,
) -> None:
    """Ticks since the last and the first order, and orders and amounts per window and (last row) in all, before each cutoff.

    `start`, `instant` and `amount` are the orders of customers `first` to `last`, numbered `customer_of` in the panel;
    only cutoffs flagged in `mine` are filled, `eligible` says which of them have a row. Cutoffs ascend. `amount` may be
    empty: then there are no amounts.
    """
    n_windows = window_starts.shape[1]
    has_amount = amount.size == instant.size and amounts.shape[1] > 0
    begin = np.empty(n_windows, np.int64)
    for customer in range(first, last):
        lowest, highest = start[customer], start[customer + 1]
        who = customer_of[customer]
        row, head, total = first_row[who], lowest, 0.0
        begin[:] = lowest
        for j in range(cutoffs.size):
            if not eligible[who, j]:
                continue
            if mine[j]:
                while head < highest and instant[head] < cutoffs[j]:
                    if has_amount:
                        total += amount[head]
                    head += 1
                recency[row] = cutoffs[j] - instant[head - 1]
                tenure[row] = cutoffs[j] - instant[lowest]
                orders[n_windows, row] = head - lowest
                if has_amount:
                    amounts[n_windows, row] = total
                for w in range(n_windows):
                    while begin[w] < head and instant[begin[w]] < window_starts[j, w]:
                        begin[w] += 1
                    # in the hour that a clock goes through twice, a later cutoff may have the earlier window
                    while begin[w] > lowest and instant[begin[w] - 1] >= window_starts[j, w]:
                        begin[w] -= 1
                    orders[w, row] = head - begin[w]
                    if has_amount:
                        # summed afresh: a difference of running sums keeps the rounding of everything before the window
                        inside = 0.0
                        for i in range(begin[w], head):
                            inside += amount[i]
                        amounts[w, row] = inside
            row += 1


@kernel
def bought_between(
    start: Integers,
    instant: Integers,
    customer_of: Integers,
    cutoffs: Integers,
    ends: Integers,
    mine: Bools,
    eligible: Bools,
    first_row: Integers,
    first: int,
    last: int,
    bought: Bools,
) -> None:
    """Whether each eligible customer has an order at or after the cutoff and before its end, for cutoffs flagged `mine`."""
    for customer in range(first, last):
        highest = start[customer + 1]
        who = customer_of[customer]
        row, head = first_row[who], start[customer]
        for j in range(cutoffs.size):
            if not eligible[who, j]:
                continue
            if mine[j]:
                while head < highest and instant[head] < cutoffs[j]:
                    head += 1
                bought[row] = head < highest and instant[head] < ends[j]
            row += 1
