"""A table of itemsets in which subsets are looked up: which sets have equals above them, which rules they make.

Set s is ``item[start[s]:start[s + 1]]``, ascending. The key of a set is the exclusive or of random words of its items; sets
with one key are compared item by item, so answers are exact.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["largest", "rules", "slots"]

MISSING = -1  # a part of a set is not in the table
TOO_MANY = -2


@kernel
def _find(
    start: npt.NDArray[np.int64],
    item: npt.NDArray[np.int32],
    slot: npt.NDArray[np.int64],
    wanted: npt.NDArray[np.int32],
    size: int,
    key: np.uint64,
) -> int:
    """Return where in `slot` the set ``wanted[:size]`` is, or the free place it would have."""
    mask = np.uint64(slot.size - 1)
    place = int(np.int64(key & mask))
    while slot[place] >= 0:
        s = slot[place]
        if start[s + 1] - start[s] == size:
            p = 0
            while p < size and item[start[s] + p] == wanted[p]:
                p += 1
            if p == size:
                break
        place += 1
        if place == slot.size:
            place = 0
    return place


@kernel
def slots(
    start: npt.NDArray[np.int64], item: npt.NDArray[np.int32], word: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.int64], int]:
    """Build the table; return it and the first set that is there for a second time (-1: none)."""
    n = start.size - 1
    size = 8
    while size < 2 * n:
        size *= 2
    slot = np.full(size, -1, np.int64)
    for s in range(n):
        key = np.uint64(0)
        for p in range(start[s], start[s + 1]):
            key ^= word[item[p]]
        place = _find(start, item, slot, item[start[s] : start[s + 1]], start[s + 1] - start[s], key)
        if slot[place] >= 0:
            return slot, s
        slot[place] = s
    return slot, -1


@kernel
def largest(
    start: npt.NDArray[np.int64],
    item: npt.NDArray[np.int32],
    count: npt.NDArray[np.int64],
    word: npt.NDArray[np.uint64],
    slot: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which sets have no larger one with the same count above them, and which have no larger one at all."""
    n = start.size - 1
    closed = np.ones(n, np.bool_)
    maximal = np.ones(n, np.bool_)
    part = np.empty(item.size + 1, np.int32)
    for s in range(n):
        size = start[s + 1] - start[s]
        if size < 2:
            continue
        key = np.uint64(0)
        for p in range(start[s], start[s + 1]):
            key ^= word[item[p]]
        for left_out in range(size):
            q = 0
            for p in range(size):
                if p != left_out:
                    part[q] = item[start[s] + p]
                    q += 1
            below = slot[_find(start, item, slot, part, size - 1, key ^ word[item[start[s] + left_out]])]
            maximal[below] = False
            if count[below] == count[s]:
                closed[below] = False
    return closed, maximal


@kernel
def rules(
    start: npt.NDArray[np.int64],
    item: npt.NDArray[np.int32],
    count: npt.NDArray[np.int64],
    word: npt.NDArray[np.uint64],
    slot: npt.NDArray[np.int64],
    min_confidence: float,
    max_consequent: int,
    most: int,
) -> tuple[npt.NDArray[np.int64], int, int]:
    """Cut every set in two in all ways; keep those whose first part is followed often enough by the second.

    Returns rows of (set, antecedent, consequent), a status, and the set it is about.
    """
    found = np.empty((256, 3), np.int64)
    n_found = 0
    left = np.empty(64, np.int32)
    right = np.empty(64, np.int32)
    for s in range(start.size - 1):
        size = start[s + 1] - start[s]
        if size < 2:
            continue
        for mask in range(1, (1 << size) - 1):
            n_left, n_right = 0, 0
            key_left, key_right = np.uint64(0), np.uint64(0)
            for p in range(size):
                i = item[start[s] + p]
                if (mask >> p) & 1:
                    left[n_left] = i
                    n_left += 1
                    key_left ^= word[i]
                else:
                    if n_right == max_consequent:
                        n_right += 1
                        break
                    right[n_right] = i
                    n_right += 1
                    key_right ^= word[i]
            if n_right > max_consequent:
                continue
            x = slot[_find(start, item, slot, left, n_left, key_left)]
            if x < 0:
                return found[:0].copy(), MISSING, s
            if count[s] / count[x] < min_confidence:
                continue
            y = slot[_find(start, item, slot, right, n_right, key_right)]
            if y < 0:
                return found[:0].copy(), MISSING, s
            if n_found == most:
                return found[:0].copy(), TOO_MANY, s
            if n_found == found.shape[0]:
                more = np.empty((2 * n_found, 3), np.int64)
                more[:n_found] = found
                found = more
            found[n_found, 0] = s
            found[n_found, 1] = x
            found[n_found, 2] = y
            n_found += 1
    return found[:n_found].copy(), 0, -1
