"""New rows put between old ones, where both are sorted already: what it costs is a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@kernel
def find_places(
    old_start: Longs,
    old_instant: Longs,
    old_order: Codes,
    new_start: Longs,
    new_instant: Longs,
    new_order: Codes,
    of_new: Codes,
    of_old_order: Codes,
    of_new_order: Codes,
    first_later: Longs,
    place: Longs,
) -> None:
    """Write where each new row stands among all: behind the old rows of its customer at its moment or before.

    ``first_later[c]`` is the number of old customers before customer c of the union. Orders, if any, break ties of moments.
    """
    for customer in range(new_start.size - 1):
        old = first_later[of_new[customer]]
        there = first_later[of_new[customer] + 1] > old
        low = old_start[old]
        for i in range(new_start[customer], new_start[customer + 1]):
            if there:
                # rows of a customer ascend: the next one need not look further down
                high = old_start[old + 1]
                while low < high:
                    middle = (low + high) // 2
                    later = old_instant[middle] > new_instant[i]
                    if new_order.size and old_instant[middle] == new_instant[i]:
                        later = of_old_order[old_order[middle]] > of_new_order[new_order[i]]
                    if later:
                        high = middle
                    else:
                        low = middle + 1
            place[i] = low + i


@kernel
def splice(old: Any, new: Any, place: Longs, first: int, last: int, out: Any) -> None:
    """Copy the new rows from `first` to `last` to their places, and the old ones before each; behind the last new one all."""
    for i in range(first, last):
        begin = place[i - 1] + 1 if i > 0 else 0
        for k in range(begin, place[i]):
            out[k] = old[k - i]
        out[place[i]] = new[i]
    if last == place.size:
        begin = place[last - 1] + 1
        for k in range(begin, out.size):
            out[k] = old[k - last]


@kernel
def splice_codes(old: Codes, new: Codes, of_old: Codes, of_new: Codes, place: Longs, first: int, last: int, out: Codes) -> None:
    """Do as `splice`, and give every code its new number; the last number is that of code -1."""
    for i in range(first, last):
        begin = place[i - 1] + 1 if i > 0 else 0
        for k in range(begin, place[i]):
            out[k] = of_old[old[k - i]]
        out[place[i]] = of_new[new[i]]
    if last == place.size:
        begin = place[last - 1] + 1
        for k in range(begin, out.size):
            out[k] = of_old[old[k - last]]


@kernel
def search_strings(
    offsets: Longs, data: Bytes, new_offsets: Longs, new_data: Bytes, place: Longs, found: npt.NDArray[np.bool_]
) -> None:
    """Find each new string among sorted distinct ones: the place of the first that is not smaller, and whether it is the same."""
    n = offsets.size - 1
    for i in range(new_offsets.size - 1):
        begin, length = new_offsets[i], new_offsets[i + 1] - new_offsets[i]
        low, high = 0, n
        found[i] = False
        while low < high:
            middle = (low + high) // 2
            other, size = offsets[middle], offsets[middle + 1] - offsets[middle]
            k = 0
            while k < length and k < size and data[other + k] == new_data[begin + k]:
                k += 1
            if k == length and k == size:
                found[i] = True
                low = middle
                break
            smaller = k == size or (k < length and data[other + k] < new_data[begin + k])
            if smaller:
                low = middle + 1
            else:
                high = middle
        place[i] = low


@kernel
def copy_orders(
    source: Codes,
    line_start: Longs,
    order_start: Longs,
    old_line_start: Longs,
    old_order_of: Codes,
    old_start: Longs,
    old_time: Longs,
    old_instant: Longs,
    old_amount: Floats,
    new_line_start: Longs,
    new_order_of: Codes,
    new_start: Longs,
    new_time: Longs,
    new_instant: Longs,
    new_amount: Floats,
    first_customer: int,
    last_customer: int,
    order_of: Codes,
    time: Longs,
    instant: Longs,
    amount: Floats,
) -> None:
    """Put together the orders of old customers, numbered from 0 in `source`, and of others, numbered from -1 downwards."""
    for customer in range(first_customer, last_customer):
        s = source[customer]
        first, last, line, end = order_start[customer], order_start[customer + 1], line_start[customer], line_start[customer + 1]
        if s >= 0:
            from_line, from_order = old_line_start[s], old_start[s]
            for k in range(end - line):
                order = old_order_of[from_line + k]
                order_of[line + k] = order - from_order + first if order >= 0 else order
            for k in range(last - first):
                time[first + k] = old_time[from_order + k]
                if instant.size:
                    instant[first + k] = old_instant[from_order + k]
                if amount.size:
                    amount[first + k] = old_amount[from_order + k]
        else:
            s = -1 - s
            from_line, from_order = new_line_start[s], new_start[s]
            for k in range(end - line):
                order = new_order_of[from_line + k]
                order_of[line + k] = order - from_order + first if order >= 0 else order
            for k in range(last - first):
                time[first + k] = new_time[from_order + k]
                if instant.size:
                    instant[first + k] = new_instant[from_order + k]
                if amount.size:
                    amount[first + k] = new_amount[from_order + k]


@kernel
def count_shared(start: Longs, amount: Floats, code: Codes, slot: Codes, n_slots: int) -> int:
    """Count the slots of codes that purchase lines of several customers have; a code with slot -1 is not asked for."""
    user = np.full(n_slots, -1, np.int32)
    shared = np.zeros(n_slots, np.bool_)
    for customer in range(start.size - 1):
        for i in range(start[customer], start[customer + 1]):
            s = slot[code[i]]
            if s < 0 or (amount.size and amount[i] < 0):
                continue
            if user[s] != customer:
                if user[s] != -1:
                    shared[s] = True
                user[s] = customer
    return int(shared.sum())
