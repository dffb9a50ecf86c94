"""The order of rows by falling score: a stable radix sort, which reads every digit once instead of comparing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["falling_order"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]

BITS = 11
BUCKETS = 1 << BITS
PASSES = 6  # of 11 bits: all 64


@kernel
def falling_order(bits: Keys, order: Rows) -> None:
    """Write the rows by falling score; `bits` are those of the scores as float64, rows of one score keep their order."""
    n = bits.size
    if n == 0:
        return
    top = np.uint64(1) << np.uint64(63)
    keys, other = np.empty(n, np.uint64), np.empty(n, np.uint64)
    rows = np.empty(n, np.int32)
    counts = np.zeros((PASSES, BUCKETS), np.int64)
    mask = np.uint64(BUCKETS - 1)
    for i in range(n):
        key = bits[i]
        if key == top:  # minus zero and zero are one score
            key = np.uint64(0)
        # ascending bits of falling numbers: negative floats have theirs in falling order already
        if not key & top:
            key = ~(key | top)
        keys[i] = key
        order[i] = i
        for p in range(PASSES):
            counts[p, (key >> np.uint64(p * BITS)) & mask] += 1
    swaps = 0
    for p in range(PASSES):
        shift = np.uint64(p * BITS)
        # a digit that all rows share sorts nothing
        if counts[p, (keys[0] >> shift) & mask] == n:
            continue
        start = 0
        for b in range(BUCKETS):
            count = counts[p, b]
            counts[p, b] = start
            start += count
        source, into = (keys, other) if swaps % 2 == 0 else (other, keys)
        from_rows, to_rows = (order, rows) if swaps % 2 == 0 else (rows, order)
        for i in range(n):
            digit = (source[i] >> shift) & mask
            at = counts[p, digit]
            counts[p, digit] = at + 1
            into[at] = source[i]
            to_rows[at] = from_rows[i]
        swaps += 1
    if swaps % 2 == 1:
        for i in range(n):
            order[i] = rows[i]
