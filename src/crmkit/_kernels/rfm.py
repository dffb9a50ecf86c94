"""Recency, frequency and monetary value, one pass over each customer's orders."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@kernel
def summarize(
    start: Longs,
    time: Longs,
    amount: Floats,
    ticks_per_day: int,
    last_day: int,
    first_customer: int,
    last_customer: int,
    recency: Longs,
    frequency: Longs,
    total: Floats,
) -> None:
    """Days since the last order, number of orders and their sum, of the orders on or before day `last_day`.

    Days are whole days of the wall clock since 1970. A customer without an order by then gets frequency 0.
    """
    for customer in range(first_customer, last_customer):
        n, amounts, day = 0, 0.0, last_day
        for i in range(start[customer], start[customer + 1]):
            # floor division: days before 1970 count downwards
            today = time[i] // ticks_per_day
            if today > last_day:
                break
            n, amounts, day = n + 1, amounts + amount[i], today
        recency[customer], frequency[customer], total[customer] = last_day - day, n, amounts


@kernel
def score(
    recency: Floats,
    frequency: Floats,
    monetary: Floats,
    r_cuts: Floats,
    f_cuts: Floats,
    m_cuts: Floats,
    bins: int,
    closed_left: bool,
    first: int,
    last: int,
    r: Longs,
    f: Longs,
    m: Longs,
) -> None:
    """Scores 1 … `bins` of rows `first` to `last`: cut points below the value (or, closed on the left, not above it).

    `f_cuts` has one row, or one per score of recency; `m_cuts` one table, or one per scores of recency and frequency.
    """
    n_cuts = bins - 1
    by_r, by_f = f_cuts.shape[0] > 1, m_cuts.shape[1] > 1
    for i in range(first, last):
        below = 0
        for j in range(n_cuts):
            below += r_cuts[j] < recency[i] or (closed_left and r_cuts[j] == recency[i])
        r[i] = bins - below
        row = r[i] - 1 if by_r else 0
        below = 0
        for j in range(n_cuts):
            below += f_cuts[row, j] < frequency[i] or (closed_left and f_cuts[row, j] == frequency[i])
        f[i] = below + 1
        column = below if by_f else 0
        if m_cuts.shape[0] == 1:
            row = 0
        below = 0
        for j in range(n_cuts):
            below += m_cuts[row, column, j] < monetary[i] or (closed_left and m_cuts[row, column, j] == monetary[i])
        m[i] = below + 1


@kernel
def concentration(x: Floats, top: float, values: Floats, without: Floats) -> None:
    """Gini coefficient of ascending `x`, and the share of the sum that its largest `top` part holds; without each one too.

    `values` receives the two, `without` one row per left-out place with the two of all others. The sum must be positive,
    and stay so without any one value.
    """
    n = x.size
    total, weighted = 0.0, 0.0
    for i in range(n):
        total += x[i]
        weighted += (2 * i + 1 - n) * x[i]
    values[0] = weighted / (n * total)
    values[1] = _top(x, top * n, n) / total

    # the largest of the others: one cut for the places above it, one for those below
    m = n - 1
    whole = int(np.floor(top * m))
    part = top * m - whole
    highest = 0.0
    for i in range(n - whole, n):
        highest += x[i]
    below = 0.0
    for k in range(n):
        below += x[k]
        rest = total - x[k]
        # dropping x[k] moves every larger amount one rank down
        lower = weighted + rest - (2 * k + 1 - n) * x[k] - 2.0 * (total - below)
        without[k, 0] = lower / (m * rest)
        if k >= n - whole:
            held = highest - x[k] + x[n - whole - 1] + part * (x[n - whole - 2] if n - whole - 2 >= 0 else 0.0)
        elif k == n - whole - 1:
            held = highest + part * (x[k - 1] if k > 0 else 0.0)
        else:
            held = highest + part * x[n - whole - 1]
        without[k, 1] = held / rest


@kernel
def _top(x: Floats, count: float, n: int) -> float:
    """Sum of the largest `count` of ascending `x`, the last of them in part."""
    whole = int(np.floor(count))
    held = 0.0
    for i in range(n - whole, n):
        held += x[i]
    if whole < n:
        held += (count - whole) * x[n - whole - 1]
    return held
