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
def pairs(score: Floats, ended: Longs, begun: Longs, event: Bools, weight: Floats, agree: Floats, pairs_of: Floats) -> None:
    """Add to each row's comparable pairs, and to those in which the higher score ended first, ties of the score by half.

    Rows ascend by `score`. `ended` is the time in order: 2 k for an event at the k-th distinct time, 2 k + 1 for a row censored
    at it, so that of a pair the lower had its event first. `begun` is 2 k + 1 for a row that came under observation at the k-th
    time or before the next, −1 from the start; empty if all are.
    """
    n = score.size
    cells = 0
    for i in range(n):
        cells = max(cells, ended[i] + 1)
    late = begun.size > 0
    lives = np.zeros(cells + 1, np.float64)
    entries = np.zeros(cells + 1, np.float64)
    events = np.zeros(cells + 1, np.float64)
    everybody, entered = 0.0, 0.0
    i = 0
    # upwards: the others of a pair whose event comes first here; those at or below its score agree
    while i < n:
        j = i
        while j < n and score[j] == score[i]:
            if event[j]:
                below = everybody - upto(lives, ended[j])
                if late:
                    below -= entered - upto(entries, ended[j])
                agree[j] += 0.5 * below
            j += 1
        for k in range(i, j):
            put(lives, ended[k], weight[k])
            everybody += weight[k]
            if late and begun[k] >= 0:
                put(entries, begun[k], weight[k])
                entered += weight[k]
        for k in range(i, j):
            if event[k]:
                below = everybody - upto(lives, ended[k])
                if late:
                    below -= entered - upto(entries, ended[k])
                agree[k] += 0.5 * below
        i = j
    for k in range(n):
        if event[k]:
            others = everybody - upto(lives, ended[k])
            if late:
                others -= entered - upto(entries, ended[k])
            pairs_of[k] += others
    # downwards: those whose event came before this row's end; those at or above its score agree
    i = n - 1
    while i >= 0:
        j = i
        while j >= 0 and score[j] == score[i]:
            earlier = upto(events, ended[j] - 1)
            if late and begun[j] >= 0:
                earlier -= upto(events, begun[j])
            agree[j] += 0.5 * earlier
            j -= 1
        for k in range(j + 1, i + 1):
            if event[k]:
                put(events, ended[k], weight[k])
        for k in range(j + 1, i + 1):
            earlier = upto(events, ended[k] - 1)
            if late and begun[k] >= 0:
                earlier -= upto(events, begun[k])
            agree[k] += 0.5 * earlier
        i = j
    for k in range(n):
        earlier = upto(events, ended[k] - 1)
        if late and begun[k] >= 0:
            earlier -= upto(events, begun[k])
        pairs_of[k] += earlier
