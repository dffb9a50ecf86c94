"""From lines to orders: which lines belong together, what an order is worth after refunds.

Lines are grouped by customer and ascend in time within each. A line with a negative amount is a refund.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

NONE = -1
ROUNDING = 1e-9  # share of an order below which what a refund leaves is a rounding error


@kernel
def count_moments(start: Longs, instant: Longs, first_customer: int, last_customer: int, n_orders: Longs) -> None:
    """Number of distinct moments of each customer."""
    for customer in range(first_customer, last_customer):
        n = 0
        for i in range(start[customer], start[customer + 1]):
            if i == start[customer] or instant[i] != instant[i - 1]:
                n += 1
        n_orders[customer] = n


@kernel
def merge_moments(
    start: Longs,
    time: Longs,
    instant: Longs,
    amount: Floats,
    order_start: Longs,
    first_customer: int,
    last_customer: int,
    order_of: Codes,
    order_time: Longs,
    order_instant: Longs,
    total: Floats,
) -> None:
    """Make one order of the lines of a customer at one moment, where no line is a refund.

    `amount`, with `total`, may be empty; so may `order_instant`, where the wall clock is UTC or nothing is known of zones.
    """
    for customer in range(first_customer, last_customer):
        order = order_start[customer] - 1
        for i in range(start[customer], start[customer + 1]):
            if i == start[customer] or instant[i] != instant[i - 1]:
                order += 1
                order_time[order] = time[i]
                if order_instant.size:
                    order_instant[order] = instant[i]
                if total.size:
                    total[order] = 0.0
            order_of[i] = order
            if total.size:
                total[order] += amount[i]


@kernel
def orders_by_moment(
    start: Longs,
    instant: Longs,
    amount: Floats,
    order_of: Codes,
    order_start: Longs,
    first_line: Codes,
) -> int:
    """Make one order of the lines of a customer at one moment; a moment with refunds only is none.

    Returns the number of orders.
    """
    n = 0
    for customer in range(start.size - 1):
        order_start[customer] = n
        i, end = start[customer], start[customer + 1]
        while i < end:
            last, purchase = i, NONE
            while last < end and instant[last] == instant[i]:
                if purchase == NONE and amount[last] >= 0:
                    purchase = last
                last += 1
            for k in range(i, last):
                order_of[k] = n if purchase != NONE else NONE
            if purchase != NONE:
                first_line[n] = purchase
                n += 1
            i = last
    order_start[start.size - 1] = n
    return n


@kernel
def orders_by_code(
    start: Longs,
    amount: Floats,
    code: Codes,
    n_codes: int,
    order_of: Codes,
    order_start: Longs,
    first_line: Codes,
) -> tuple[int, int]:
    """Make one order of the lines of a customer with one order code, dated by its first purchase line.

    Returns the number of orders and the number of codes that more than one customer uses (their orders stay apart).
    """
    owner = np.full(n_codes, NONE, np.int32)
    order_with = np.empty(n_codes, np.int32)
    shared = np.zeros(n_codes, np.bool_)
    n = 0
    for customer in range(start.size - 1):
        order_start[customer] = n
        for i in range(start[customer], start[customer + 1]):
            if amount.size and amount[i] < 0:
                continue
            c = code[i]
            if owner[c] != customer:
                if owner[c] != NONE:
                    shared[c] = True
                owner[c], order_with[c] = customer, n
                first_line[n] = i
                n += 1
            order_of[i] = order_with[c]
        for i in range(start[customer], start[customer + 1]):
            if amount.size and amount[i] < 0:
                order_of[i] = order_with[code[i]] if owner[code[i]] == customer else NONE
    order_start[start.size - 1] = n
    return n, shared.sum()


@kernel
def total_orders(amount: Floats, order_of: Codes, total: Floats) -> None:
    """Add up the purchase lines of each order."""
    for i in range(amount.size):
        if amount[i] >= 0:
            total[order_of[i]] += amount[i]


@kernel
def subtract_refunds(
    start: Longs,
    order_start: Longs,
    instant: Longs,
    first_line: Codes,
    amount: Floats,
    order_of: Codes,
    named: bool,
    total: Floats,
    net: Floats,
) -> tuple[int, float]:
    """Take refunds, in time order, off `net`; return the refund lines that found too little to take from, and by how much.

    A refund comes off its own order first. With `named` orders it stops there: the refund says which order it is about.
    Otherwise it goes on to the latest orders not after it. Orders that have something left wait on a stack: the latest is
    on top, and each is pushed and popped once.
    """
    widest = 0
    for customer in range(start.size - 1):
        widest = max(widest, order_start[customer + 1] - order_start[customer])
    stack = np.empty(widest, np.int64)
    n_short, short = 0, 0.0
    for customer in range(start.size - 1):
        depth, upcoming = 0, order_start[customer]
        for i in range(start[customer], start[customer + 1]):
            if amount[i] >= 0:
                continue
            left, own = -amount[i], order_of[i]
            if own != NONE:
                taken = min(left, net[own])
                net[own] -= taken
                left -= taken
            if own == NONE or not named:
                while upcoming < order_start[customer + 1] and instant[first_line[upcoming]] <= instant[i]:
                    stack[depth] = upcoming
                    depth += 1
                    upcoming += 1
                while left > 0 and depth > 0:
                    order = stack[depth - 1]
                    taken = min(left, net[order])
                    net[order] -= taken
                    left -= taken
                    if net[order] <= ROUNDING * total[order]:
                        depth -= 1
            if left > -ROUNDING * amount[i]:
                n_short += 1
                short += left
    return n_short, short


@kernel
def drop_refunded(
    order_start: Longs,
    total: Floats,
    net: Floats,
    amount: Floats,
    order_of: Codes,
    kept_start: Longs,
    kept: Codes,
) -> tuple[int, int]:
    """List the orders that refunds have not used up, renumber them in `order_of`; refund lines belong to no order.

    Returns the number of kept orders and the number refunded in full. An order that cost nothing was not refunded.
    """
    number = np.empty(total.size, np.int32)
    n = 0
    for customer in range(order_start.size - 1):
        kept_start[customer] = n
        for order in range(order_start[customer], order_start[customer + 1]):
            if net[order] < total[order] and net[order] <= ROUNDING * total[order]:
                number[order] = NONE
            else:
                number[order] = n
                kept[n] = order
                n += 1
    kept_start[order_start.size - 1] = n
    for i in range(order_of.size):
        if order_of[i] != NONE:
            order_of[i] = number[order_of[i]] if amount[i] >= 0 else NONE
    return n, total.size - n


@kernel
def sort_moments_by_code(start: Longs, instant: Longs, code: Codes, rows: Codes) -> None:
    """Within each customer, order the lines of one moment by order code, so that their order in the file does not matter."""
    for customer in range(start.size - 1):
        i, end = start[customer], start[customer + 1]
        while i < end:
            last = i + 1
            in_order = True
            while last < end and instant[last] == instant[i]:
                if code[rows[last]] < code[rows[last - 1]]:
                    in_order = False
                last += 1
            if not in_order:
                codes = np.empty(last - i, np.int64)
                for k in range(i, last):
                    codes[k - i] = code[rows[k]]
                rows[i:last] = rows[i:last][np.argsort(codes, kind="mergesort")]
            i = last
