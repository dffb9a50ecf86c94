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
