"""Sums down a ranking by score, and what each row adds to a rank-weighted effect; rows of one score together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["down", "ends", "rank_weighted"]

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


@kernel
def ends(order: Rows, score: Floats, rows: Longs) -> int:
    """Write how many rows there are down to the end of each distinct score; return how many scores that are."""
    m = 0
    for place in range(order.size):
        if place + 1 == order.size or score[order[place + 1]] != score[order[place]]:
            rows[m] = place + 1
            m += 1
    return m


@kernel
def down(order: Rows, rows: Longs, y: Floats, treated: Bools, hits: Longs, y_treated: Floats, y_control: Floats) -> None:
    """Write the treated rows and the outcomes of either arm down to the end of each distinct score."""
    count, place = 0, 0
    gained, had = 0.0, 0.0
    for g in range(rows.size):
        while place < rows[g]:
            i = order[place]
            if treated[i]:
                count += 1
                gained += y[i]
            else:
                had += y[i]
            place += 1
        hits[g], y_treated[g], y_control[g] = count, gained, had


@kernel
def rank_weighted(order: Rows, rows: Longs, gamma: Floats, autoc: bool, influence: Floats) -> float:
    """Write the influence of each row on the mean of gamma times its weight, and return that mean.

    The weights are 1/2 less the share of rows as high or higher, or with `autoc` the log of one over that share less 1; a tie
    has the mean of its weights. One more row above moves those below it down: half of those of its own score.
    """
    n = order.size
    harmonic = 0.0
    for k in range(1, n + 1):
        harmonic += 1.0 / k
    weight = np.empty(rows.size, np.float64)
    moved = np.empty(rows.size, np.float64)
    value, total, at_home = 0.0, 0.0, 0.0
    passed = 0.0  # 1 + 1/2 + ... down to the place before this one
    start = 0
    for g in range(rows.size):
        end = rows[g]
        size = end - start
        middle = 0.5 * (start + 1 + end)
        if autoc:
            heads, inverse = 0.0, 0.0
            for k in range(start + 1, end + 1):
                heads += passed
                passed += 1.0 / k
                inverse += n / k
            weight[g] = harmonic - heads / size - 1.0
            slope = -inverse / size
        else:
            weight[g] = (n - middle + 1.0) / n - (n + 1.0) / (2.0 * n)
            slope = -1.0
        summed = 0.0
        for place in range(start, end):
            summed += gamma[order[place]]
        value += weight[g] * summed
        moved[g] = slope * summed
        total += moved[g]
        at_home += moved[g] * middle / n
        start = end
    value /= n
    above, mean = 0.0, 0.0
    start = 0
    for g in range(rows.size):
        pushed = (total - above - 0.5 * moved[g] - at_home) / n
        above += moved[g]
        for place in range(start, rows[g]):
            i = order[place]
            influence[i] = weight[g] * gamma[i] - value + pushed
            mean += influence[i]
        start = rows[g]
    mean /= n
    for i in range(n):
        influence[i] -= mean
    return value
