"""Purchase histories as rows of numbers: whether they can be true, and which of them are equal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["are_possible", "distinct"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@kernel
def are_possible(x: Floats, t_x: Floats, T: Floats) -> bool:
    """Whether every row has 0 <= t_x <= T < inf, a whole x, and t_x = 0 exactly where x = 0."""
    for i in range(x.size):
        inside = 0.0 <= t_x[i] <= T[i] < np.inf and 0.0 <= x[i] < np.inf
        if not inside or x[i] != np.floor(x[i]) or (x[i] == 0.0) != (t_x[i] == 0.0):
            return False
    return True


@kernel
def distinct(u: Integers, v: Integers, w: Integers, first: Integers, which: Integers) -> int:
    """Number the distinct rows of (u, v, w) in the order they appear; `first` is where each appears. Return how many."""
    size = 16
    while size < 2 * u.size:
        size *= 2
    slots = np.full(size, -1, np.int64)
    n = 0
    for i in range(u.size):
        # the bits of a float sit high: fold them down before they are cut to the size of the table
        mixed = np.uint64(u[i]) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(v[i])
        mixed = mixed * np.uint64(0xBF58476D1CE4E5B9) ^ np.uint64(w[i])
        mixed = mixed ^ (mixed >> np.uint64(29))
        mixed = mixed * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(32))
        slot = np.int64(mixed & np.uint64(size - 1))
        while True:
            at = slots[slot]
            if at < 0:
                slots[slot] = n
                first[n], which[i] = i, n
                n += 1
                break
            row = first[at]
            if u[row] == u[i] and v[row] == v[i] and w[row] == w[i]:
                which[i] = at
                break
            slot = (slot + 1) & (size - 1)
    return n
