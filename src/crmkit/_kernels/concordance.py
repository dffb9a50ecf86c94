"""Pairs of rows of which one is known to last longer: whether the score tells which."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@kernel
def put(tree: Floats, place: int, value: float) -> None:
    """Add at a place, 0 the first, of a tree of partial sums."""
    i = place + 1
    while i < tree.size:
        tree[i] += value
        i += i & -i


@kernel
def upto(tree: Floats, place: int) -> float:
    """Sum from the first place up to and including this one."""
    total = 0.0
    i = place + 1
    while i > 0:
        total += tree[i]
        i -= i & -i
    return total


@kernel
def sums(tree: Floats, values: Floats) -> None:
    """Fill a tree with values for each place at once."""
    tree[0] = 0.0
    tree[1:] = values
    for i in range(1, tree.size):
        parent = i + (i & -i)
        if parent < tree.size:
            tree[parent] += tree[i]


@kernel
def pairs(score: Floats, order: Longs, ended: Longs, begun: Longs, weight: Floats, agree: Floats, pairs_of: Floats) -> None:
    """Each row's comparable pairs, and of them those in which the higher score ended first, ties of the score by half.

    `order` sorts the rows by score, upwards. `ended` is the time in order: 2 k for an event at the k-th distinct time, 2 k + 1
    for a row censored at it, so that of a pair the lower had its event first. `begun` is 2 k + 1 for a row that came under
    observation at the k-th time or before the next, −1 from the start; empty if all are.
    """
    n = order.size
    cells = 0
    for i in range(n):
        cells = max(cells, ended[i] + 1)
    late = begun.size > 0
    # how many end, have an event, and enter at each place
    at, event_at, entry_at = np.zeros(cells), np.zeros(cells), np.zeros(cells)
    for i in range(n):
        at[ended[i]] += weight[i]
        if ended[i] % 2 == 0:
            event_at[ended[i]] += weight[i]
        if late and begun[i] >= 0:
            entry_at[begun[i]] += weight[i]
    later, earlier, entered = 0.0, 0.0, 0.0
    after, before = np.empty(cells), np.empty(cells)
    for c in range(cells - 1, -1, -1):
        after[c] = later - entered
        later += at[c]
        entered += entry_at[c]
    for c in range(cells):
        before[c] = earlier
        earlier += event_at[c]
    for i in range(n):
        pairs_of[i] = before[ended[i]]
        if late and begun[i] >= 0:
            pairs_of[i] -= before[begun[i]]
        if ended[i] % 2 == 0:
            pairs_of[i] += after[ended[i]]
    # in the order of the score, side by side in memory
    s, e, b, w = np.empty(n), np.empty(n, np.int64), np.empty(begun.size, np.int64), np.empty(n)
    for i in range(n):
        row = order[i]
        s[i], e[i], w[i] = score[row], ended[row], weight[row]
        if late:
            b[i] = begun[row]
    # upwards from no row: what is put in stands at or below; events are taken out from all: what is left stands above
    lives, entries, above = np.zeros(cells + 1), np.zeros(cells + 1), np.empty(cells + 1)
    sums(above, event_at)
    everybody, come = 0.0, 0.0
    i = 0
    while i < n:
        j = i
        while j < n and s[j] == s[i]:
            j += 1
        # twice, before and after the rows of this score change sides: half of each counts ties by half
        for side in range(2):
            for k in range(i, j):
                higher = upto(above, e[k] - 1)
                if late and b[k] >= 0:
                    higher -= upto(above, b[k])
                if e[k] % 2 == 0:
                    higher += everybody - upto(lives, e[k])
                    if late:
                        higher -= come - upto(entries, e[k])
                agree[order[k]] += 0.5 * higher
            if side == 1:
                break
            for k in range(i, j):
                put(lives, e[k], w[k])
                everybody += w[k]
                if e[k] % 2 == 0:
                    put(above, e[k], -w[k])
                if late and b[k] >= 0:
                    put(entries, b[k], w[k])
                    come += w[k]
        i = j
