"""What customers had done by each cutoff, and what came after it: purchases and contracts; one visit per customer."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


@kernel
def eligibility(
    start: Integers,
    instant: Integers,
    customer_of: Integers,
    cutoffs: Integers,
    since: Integers,
    mine: Bools,
    first: int,
    last: int,
    eligible: Bools,
) -> None:
    """Whether each of customers `first` to `last` has an order before each cutoff, the latest of them not before `since`.

    Customers are numbered `customer_of` in `eligible`; only cutoffs flagged in `mine` are filled. Cutoffs ascend.
    """
    for customer in range(first, last):
        lowest, highest = start[customer], start[customer + 1]
        who = customer_of[customer]
        head = lowest
        for j in range(cutoffs.size):
            if mine[j]:
                while head < highest and instant[head] < cutoffs[j]:
                    head += 1
                eligible[who, j] = head > lowest and instant[head - 1] >= since[j]


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
    gap_sd: Floats,
    orders: Integers,
    amounts: Floats,
) -> None:
    """Ticks since the last and the first order, spread of the gaps, orders and amounts per window and (last row) in all.

    `start`, `instant` and `amount` are the orders of customers `first` to `last`, numbered `customer_of` in the panel;
    only cutoffs flagged in `mine` are filled, `eligible` says which of them have a row. Cutoffs ascend. `amount` may be
    empty: then there are no amounts. The gap from the last order to the cutoff is one of the gaps.
    """
    n_windows = window_starts.shape[1]
    has_amount = amount.size == instant.size and amounts.shape[1] > 0
    begin = np.empty(n_windows, np.int64)
    for customer in range(first, last):
        lowest, highest = start[customer], start[customer + 1]
        who = customer_of[customer]
        row, head, total = first_row[who], lowest, 0.0
        mean, square = 0.0, 0.0  # of the gaps so far, and the sum of their squared distances from it
        begin[:] = lowest
        for j in range(cutoffs.size):
            if mine[j]:
                while head < highest and instant[head] < cutoffs[j]:
                    if has_amount:
                        total += amount[head]
                    if head > lowest:
                        away = (instant[head] - instant[head - 1]) - mean
                        mean += away / (head - lowest)
                        square += away * ((instant[head] - instant[head - 1]) - mean)
                    head += 1
            if not eligible[who, j]:
                continue
            if mine[j]:
                n = head - lowest
                recency[row] = cutoffs[j] - instant[head - 1]
                tenure[row] = cutoffs[j] - instant[lowest]
                away = recency[row] - mean
                gap_sd[row] = math.sqrt((square + away * away * (n - 1) / n) / n)
                orders[n_windows, row] = n
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
def kinds(
    start: Integers,
    instant: Integers,
    kind: Codes,
    cutoffs: Integers,
    window_starts: Integers,
    eligible: Bools,
    first_row: Integers,
    first: int,
    last: int,
    counts: Integers,
) -> None:
    """Events of each kind per window and (last row) in all, before each cutoff; `counts` is kinds × windows × rows of zeros."""
    n_windows = window_starts.shape[1]
    for customer in range(first, last):
        row, highest = first_row[customer], start[customer + 1]
        for j in range(cutoffs.size):
            if not eligible[customer, j]:
                continue
            for i in range(start[customer], highest):
                if instant[i] >= cutoffs[j]:
                    break
                if kind[i] >= 0:
                    counts[kind[i], n_windows, row] += 1
                    for w in range(n_windows):
                        if instant[i] >= window_starts[j, w]:
                            counts[kind[i], w, row] += 1
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


@kernel
def in_force(
    start: Integers, begins: Integers, ends: Integers, cutoffs: Integers, first: int, last: int, eligible: Bools
) -> None:
    """Whether each customer has a contract that began before the cutoff and ends at or after it, if ever."""
    for customer in range(first, last):
        for j in range(cutoffs.size):
            eligible[customer, j] = False
            for i in range(start[customer], start[customer + 1]):
                if begins[i] >= cutoffs[j]:
                    break
                if ends[i] >= cutoffs[j]:
                    eligible[customer, j] = True
                    break


@kernel
def contracts(
    start: Integers,
    begins: Integers,
    ends: Integers,
    cutoffs: Integers,
    label_ends: Integers,
    eligible: Bools,
    first_row: Integers,
    first: int,
    last: int,
    tenure: Integers,
    spell: Integers,
    contract: Integers,
    number: Integers,
    running: Integers,
    lapses: Integers,
    uncovered: Integers,
    latest: Integers,
    lapsed: Bools,
    gone: Bools,
) -> None:
    """History of each customer's contracts as known before each cutoff, and what the window after it did to their cover.

    Contracts of a customer ascend by `begins`. An end at or after the cutoff is not known before it. `latest` is the place
    of the contract in force that began last. `lapsed`: the cover ended in the window; `gone`: there is none when it ends.
    `label_ends` may be empty: then there are no labels.
    """
    for customer in range(first, last):
        lowest, highest = start[customer], start[customer + 1]
        row = first_row[customer]
        for j in range(cutoffs.size):
            if not eligible[customer, j]:
                continue
            cutoff = cutoffs[j]
            since, covered = begins[lowest], begins[lowest]
            n, here, breaks, open_days, newest = 0, 0, 0, 0, lowest
            until = cutoff
            for i in range(lowest, highest):
                if begins[i] >= cutoff:
                    break
                n += 1
                if begins[i] > covered:
                    breaks += 1
                    open_days += begins[i] - covered
                    since = begins[i]
                covered = max(covered, min(ends[i], cutoff))
                if ends[i] >= cutoff:
                    here += 1
                    newest = i
                    until = max(until, ends[i])
            tenure[row] = cutoff - begins[lowest]
            spell[row] = cutoff - since
            contract[row] = cutoff - begins[newest]
            number[row], running[row], lapses[row], uncovered[row], latest[row] = n, here, breaks, open_days, newest
            if label_ends.size > 0:
                at_end = until >= label_ends[j]
                for i in range(lowest, highest):
                    if begins[i] >= label_ends[j]:
                        break
                    # renewed by a contract that begins no later than the cover ends
                    if begins[i] <= until:
                        until = max(until, ends[i])
                    if ends[i] >= label_ends[j]:
                        at_end = True
                lapsed[row] = until < label_ends[j]
                gone[row] = not at_end
            row += 1
