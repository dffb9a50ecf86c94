"""The sufficient statistics of the purchase models, one pass over each customer's orders."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["count_later", "log_sums", "summarize"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@kernel
def summarize(
    start: Integers,
    time: Integers,
    amount: Floats,
    ticks_per_day: int,
    last_day: int,
    first_customer: int,
    last_customer: int,
    repeats: Integers,
    recency: Integers,
    age: Integers,
    spend: Floats,
    first_spend: Floats,
) -> None:
    """Repeat purchase days; days from first to last purchase and to `last_day`; mean spend of a repeat day, of the first day.

    Orders after day `last_day` do not exist; a customer without an order by then gets age -1. Orders of one day of the wall
    clock are one purchase. `amount` may be empty: then spend is not written.
    """
    for customer in range(first_customer, last_customer):
        n, first, latest, total, start_total = -1, last_day + 1, last_day + 1, 0.0, 0.0
        for i in range(start[customer], start[customer + 1]):
            # floor division: days before 1970 count downwards
            today = time[i] // ticks_per_day
            if today > last_day:
                break
            if n < 0:
                n, first, latest = 0, today, today
            elif today > latest:
                n, latest = n + 1, today
            if amount.size:
                if latest > first:
                    total += amount[i]
                else:
                    start_total += amount[i]
        repeats[customer], recency[customer], age[customer] = max(n, 0), latest - first, last_day - first
        if amount.size:
            spend[customer] = total / n if n > 0 else 0.0
            first_spend[customer] = start_total


@kernel
def log_sums(
    start: Integers,
    time: Integers,
    amount: Floats,
    ticks_per_day: int,
    last_day: int,
    length: float,
    first_customer: int,
    last_customer: int,
    gaps: Floats,
    spend: Floats,
) -> None:
    """Sums of the logs of the times between purchase days, in units of `length` days, and of the amounts of repeat days.

    A repeat day without an amount above zero makes the sum of its customer minus infinity.
    """
    for customer in range(first_customer, last_customer):
        n, latest, today_spent = -1, last_day + 1, 0.0
        gaps[customer] = 0.0
        if amount.size:
            spend[customer] = 0.0
        for i in range(start[customer], start[customer + 1]):
            today = time[i] // ticks_per_day
            if today > last_day:
                break
            if n < 0 or today > latest:
                if n >= 0:
                    gaps[customer] += math.log((today - latest) / length)
                if amount.size and n > 0:
                    spend[customer] += math.log(today_spent) if today_spent > 0.0 else -math.inf
                n, latest, today_spent = n + 1, today, 0.0
            if amount.size:
                today_spent += amount[i]
        if amount.size and n > 0:
            spend[customer] += math.log(today_spent) if today_spent > 0.0 else -math.inf


@kernel
def count_later(
    start: Integers,
    time: Integers,
    amount: Floats,
    ticks_per_day: int,
    after: int,
    last_day: int,
    first_customer: int,
    last_customer: int,
    days: Integers,
    spend: Floats,
) -> None:
    """Purchase days after day `after` up to `last_day`, and mean spend of such a day."""
    for customer in range(first_customer, last_customer):
        n, latest, total = 0, after, 0.0
        for i in range(start[customer], start[customer + 1]):
            today = time[i] // ticks_per_day
            if today > last_day:
                break
            if today > after:
                if today > latest:
                    n, latest = n + 1, today
                if amount.size:
                    total += amount[i]
        days[customer] = n
        if amount.size:
            spend[customer] = total / n if n > 0 else 0.0
