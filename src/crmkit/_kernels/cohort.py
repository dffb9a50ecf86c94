"""What customers did in each calendar period after their first, and when they were and were not customers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@kernel
def count_active(
    start: Integers,
    time: Integers,
    edges: Integers,
    period_of_day: Codes,
    ticks_per_day: int,
    first_day: int,
    customer: Integers,
    origin: Integers,
    row: Integers,
    slot_of_age: Codes,
    first: int,
    last: int,
    active: Integers,
) -> None:
    """Count each member `first` to `last` once in every slot of its row in which it did something.

    Period p holds the ticks from ``edges[p]`` to ``edges[p + 1]``. A member's age is the number of periods since `origin`;
    what was done before has no age. Slots of ages may be -1: not asked for. Times of a customer ascend.
    """
    for member in range(first, last):
        who = customer[member]
        if who < 0:
            continue
        done, upto = -1, edges[origin[member]]
        for i in range(start[who], start[who + 1]):
            # most often in the period of the one before: no division
            if time[i] < upto:
                continue
            period = period_of_day[time[i] // ticks_per_day - first_day]
            upto = edges[period + 1]
            slot = slot_of_age[period - origin[member]]
            if slot > done:
                done = slot
                active[row[member], slot] += 1


@kernel
def count_last_active(
    start: Integers,
    time: Integers,
    edges: Integers,
    period_of_day: Codes,
    ticks_per_day: int,
    first_day: int,
    customer: Integers,
    origin: Integers,
    row: Integers,
    first: int,
    last: int,
    active: Integers,
) -> None:
    """Count each member `first` to `last` at the age of the last thing it did, if that is not before its origin."""
    for member in range(first, last):
        who = customer[member]
        if who >= 0 and start[who + 1] > start[who]:
            latest = time[start[who + 1] - 1]
            if latest >= edges[origin[member]]:
                active[row[member], period_of_day[latest // ticks_per_day - first_day] - origin[member]] += 1


@kernel
def add_revenue(
    start: Integers,
    time: Integers,
    amount: Floats,
    edges: Integers,
    period_of_day: Codes,
    ticks_per_day: int,
    first_day: int,
    customer: Integers,
    origin: Integers,
    row: Integers,
    mode: int,
    first: int,
    last: int,
    active: Integers,
    base: Floats,
    base_squared: Floats,
    revenue: Floats,
    squared: Floats,
    crossed: Floats,
) -> None:
    """Add up revenue y of members `first` to `last` by row and age, its square, and its product with that at age 0, x.

    `mode` 0 takes y as it is; 1, no more of it than x; 2, the increase of everything up to that age and of its square.
    """
    for member in range(first, last):
        who = customer[member]
        if who < 0:
            continue
        r, i, end = row[member], start[who], start[who + 1]
        while i < end and time[i] < edges[origin[member]]:
            i += 1
        x, total = 0.0, 0.0
        while i < end:
            period = period_of_day[time[i] // ticks_per_day - first_day]
            y = amount[i]
            i += 1
            while i < end and time[i] < edges[period + 1]:
                y += amount[i]
                i += 1
            age = period - origin[member]
            active[r, age] += 1
            if age == 0:
                x = y
                base[r] += x
                base_squared[r] += x * x
            if mode == 2:
                revenue[r, age] += y
                squared[r, age] += y * (2.0 * total + y)
                total += y
            else:
                kept = min(y, x) if mode == 1 else y
                revenue[r, age] += kept
                squared[r, age] += kept * kept
                crossed[r, age] += kept * x


@kernel
def count_runs(
    start: Integers,
    begins: Codes,
    ends: Codes,
    group: Codes,
    first: int,
    last: int,
    new: Integers,
    resurrected: Integers,
    churned: Integers,
) -> None:
    """Count, by group and period, customers `first` to `last` who came, came back, and were gone.

    Each event makes its customer active at the close of the periods from ``begins[i]`` to ``ends[i]``, none if the second
    is smaller; begins ascend. Who is active until the close of period q is gone in q + 1, if there is such a period.
    """
    n_periods = churned.shape[1]
    for customer in range(first, last):
        known, until, g = False, -1, group[customer]
        for i in range(start[customer], start[customer + 1]):
            if ends[i] < begins[i]:
                continue
            if not known:
                new[g, begins[i]] += 1
                known = True
            elif begins[i] > until + 1:
                churned[g, until + 1] += 1
                resurrected[g, begins[i]] += 1
            until = max(until, ends[i])
        if known and until + 1 < n_periods:
            churned[g, until + 1] += 1


@kernel
def days_of(time: Integers, ticks_per_day: int, first: int, last: int, day: Codes) -> None:
    """Days since 1970 of the times from `first` to `last`."""
    for i in range(first, last):
        day[i] = time[i] // ticks_per_day


@kernel
def first_days(code: Codes, day: Codes, last_day: int, first: Codes) -> None:
    """Lower each customer's `first` to the earliest of their days that is not after `last_day`; rows in any order."""
    for i in range(code.size):
        if day[i] <= last_day and day[i] < first[code[i]]:
            first[code[i]] = day[i]


@kernel
def mark_periods(
    code: Codes,
    day: Codes,
    last_day: int,
    period_of_day: Codes,
    first_day: int,
    first: int,
    last: int,
    marks: npt.NDArray[np.uint64],
) -> None:
    """Set, for the rows from `first` to `last`, the bit of the period in the words of the customer; rows in any order.

    What comes before the first period, or after the last day that is known, has no period.
    """
    for i in range(first, last):
        if first_day <= day[i] <= last_day:
            period = np.int64(period_of_day[day[i] - first_day])
            marks[code[i], period >> 6] |= np.uint64(1) << np.uint64(period & 63)


@kernel
def count_marked(
    marks: npt.NDArray[np.uint64],
    customer: Integers,
    origin: Integers,
    row: Integers,
    slot_of_age: Codes,
    last_only: bool,
    first: int,
    last: int,
    active: Integers,
) -> None:
    """Count members `first` to `last` as `count_active` does, or as `count_last_active` does, from the periods marked."""
    n_periods, zero = slot_of_age.size, np.uint64(0)
    for member in range(first, last):
        who = customer[member]
        if who < 0:
            continue
        done, period = -1, origin[member]
        while period < n_periods:
            left = marks[who, period >> 6] >> np.uint64(period & 63)
            if left == zero:
                period = ((period >> 6) + 1) << 6
                continue
            if left & np.uint64(1) != zero:
                slot = slot_of_age[period - origin[member]]
                if slot > done:
                    done = slot
                    if not last_only:
                        active[row[member], slot] += 1
            period += 1
        if last_only and done >= 0:
            active[row[member], done] += 1
