"""Sums down a ranking by score, the areas under its curves, and what each row adds to a rank-weighted effect."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["areas", "down", "ends", "rank_weighted"]

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
def areas(rows: Longs, hits: Longs, y_treated: Floats, y_control: Floats, qini: Floats, gain: Floats, out: Floats) -> None:
    """Write both curves; and the areas between the Qini curve and its chord, and the gain curve and its chord.

    The first two take an empty arm for zero. The last two draw a line through the first ranks, where an arm is still empty: the
    Qini curve's area again, and the sum of the gain curve over all ranks, straight between the distinct scores.
    """
    for k in range(4):
        out[k] = 0.0
    x, q, u = 0.0, 0.0, 0.0
    line_q, line_u, started = 0.0, 0.0, False
    for g in range(rows.size):
        n_t, n_c = hits[g], rows[g] - hits[g]
        here = float(rows[g])
        mean_t = y_treated[g] / n_t if n_t > 0 else 0.0
        mean_c = y_control[g] / n_c if n_c > 0 else 0.0
        qini[g] = y_treated[g] - (y_control[g] * n_t / n_c if n_c > 0 else 0.0)
        gain[g] = (mean_t - mean_c) * here
        out[0] += (here - x) * (q + qini[g]) / 2.0
        out[1] += (here - x) * (u + gain[g]) / 2.0
        x, q, u = here, qini[g], gain[g]
    # again with the line: nothing is drawn before the first score at which both arms are there
    x = 0.0
    for g in range(rows.size):
        n_t, n_c = hits[g], rows[g] - hits[g]
        here = float(rows[g])
        if n_t == 0 or n_c == 0:
            continue
        if started:
            out[2] += (here - x) * (line_q + qini[g]) / 2.0
            out[3] += (here - x) * (line_u + gain[g]) / 2.0 + (gain[g] - line_u) / 2.0
        else:
            # the lift itself is what is interpolated, so that the gain bends
            out[2] += here * qini[g] / 2.0
            lift, before, at = gain[g] / here, 0.0, 0.0
            for k in range(g + 1):
                value = lift * rows[k] / here * rows[k]
                out[3] += (rows[k] - at) * (before + value) / 2.0 + (value - before) / 2.0
                before, at = value, float(rows[k])
            started = True
        x, line_q, line_u = here, qini[g], gain[g]
    end = float(rows[rows.size - 1])
    out[0] -= end * q / 2.0
    out[1] -= end * u / 2.0
    out[2] -= end * q / 2.0


@kernel
def rank_weighted(rows: Longs, gamma: Floats, autoc: bool, influence: Floats) -> float:
    """Write the influence of each row on the mean of gamma times its weight, and return that mean; rows are in falling order.

    The weights are 1/2 less the share of rows as high or higher, or with `autoc` the log of one over that share less 1; a tie
    has the mean of its weights. One more row above moves those below it down: half of those of its own score.
    """
    n = gamma.size
    harmonic = 0.0
    if autoc:
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
                step = 1.0 / k
                passed += step
                inverse += step
            weight[g] = harmonic - heads / size - 1.0
            slope = -n * inverse / size
        else:
            weight[g] = (n - middle + 1.0) / n - (n + 1.0) / (2.0 * n)
            slope = -1.0
        summed = 0.0
        for place in range(start, end):
            summed += gamma[place]
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
            influence[place] = weight[g] * gamma[place] - value + pushed
            mean += influence[place]
        start = rows[g]
    mean /= n
    for place in range(n):
        influence[place] -= mean
    return value
