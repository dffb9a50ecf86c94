"""A ranking of rows by score, with ties as groups: how many of either class stand at each distinct score."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@kernel
def merge(ones: Floats, zeros: Floats) -> tuple[Floats, Longs, Longs]:
    """Distinct scores, highest first, and how many of either class have each; both inputs ascend."""
    score = np.empty(ones.size + zeros.size, np.float64)
    t = np.empty(score.size, np.int64)
    f = np.empty(score.size, np.int64)
    i, j, m = ones.size - 1, zeros.size - 1, 0
    while i >= 0 or j >= 0:
        if j < 0 or (i >= 0 and ones[i] >= zeros[j]):
            here = ones[i]
        else:
            here = zeros[j]
        t[m], f[m] = 0, 0
        while i >= 0 and ones[i] == here:
            t[m] += 1
            i -= 1
        while j >= 0 and zeros[j] == here:
            f[m] += 1
            j -= 1
        # −0 and 0 are one score: which of them came first must not show
        score[m] = here + 0.0
        m += 1
    return score[:m].copy(), t[:m].copy(), f[:m].copy()


@kernel
def placements(t: Longs, f: Longs) -> tuple[Floats, Floats]:
    """Share of class 0 below a row of class 1 at each score, and of class 1 above a row of class 0; ties count by half."""
    n1, n0 = t.sum(), f.sum()
    of_ones = np.empty(t.size, np.float64)
    of_zeros = np.empty(t.size, np.float64)
    above1, above0 = 0, 0
    for g in range(t.size):
        of_ones[g] = (n0 - above0 - 0.5 * f[g]) / n0
        of_zeros[g] = (above1 + 0.5 * t[g]) / n1
        above1 += t[g]
        above0 += f[g]
    return of_ones, of_zeros


@kernel
def precision_influence(t: Longs, f: Longs) -> tuple[float, Floats, Floats]:
    """Average precision, and by how much one more row at each score would move it: of class 1, of class 0."""
    n1, n = t.sum(), t.sum() + f.sum()
    of_ones = np.empty(t.size, np.float64)
    of_zeros = np.empty(t.size, np.float64)
    above1, above = 0, 0
    total = 0.0
    for g in range(t.size):
        above1 += t[g]
        above += t[g] + f[g]
        of_ones[g] = above1 / above
        total += t[g] * of_ones[g]
    value = total / n1
    # a row raises the counts at its own and at every lower score
    gain, loss = 0.0, 0.0
    for g in range(t.size - 1, -1, -1):
        square = float(above) * float(above)
        gain += t[g] * ((above - above1) / square)
        loss += t[g] * (above1 / square)
        above1 -= t[g]
        above -= t[g] + f[g]
        of_ones[g] = (of_ones[g] + gain - value) * n / n1
        of_zeros[g] = -loss * n / n1
    return value, of_ones, of_zeros


@kernel
def hull(t: Longs, f: Longs) -> Longs:
    """Groups that end the segments of the convex hull of the ROC curve, best first; the last group is always one."""
    # the stack holds corners; between two of them the share of class 1 falls strictly from segment to segment
    corner = np.empty(t.size, np.int64)
    ones = np.empty(t.size + 1, np.int64)
    zeros = np.empty(t.size + 1, np.int64)
    ones[0], zeros[0] = 0, 0
    m, above1, above0 = 0, 0, 0
    for g in range(t.size):
        above1 += t[g]
        above0 += f[g]
        # counts below 2^31 multiply without overflow
        while m > 0 and (above1 - ones[m]) * (zeros[m] - zeros[m - 1]) >= (ones[m] - ones[m - 1]) * (above0 - zeros[m]):
            m -= 1
        m += 1
        corner[m - 1] = g
        ones[m], zeros[m] = above1, above0
    return corner[:m].copy()


@kernel
def areas(t: Longs, f: Longs) -> tuple[float, float, float, float, float, float, float, float]:
    """AUC and the spread of placements of either class, average precision and that of its influence, and where KS is found.

    Returned are the area, the sums of squared distances of both classes' placements from it, the average precision, the sum of
    squared influences, the largest distance of the two classes' shares, and these shares there.
    """
    n1, n0 = 0, 0
    for g in range(t.size):
        n1 += t[g]
        n0 += f[g]
    n = n1 + n0
    above1, above0 = 0, 0
    area, precision = 0.0, 0.0
    distance, caught, lost = -1.0, 0.0, 0.0
    for g in range(t.size):
        area += t[g] * ((n0 - above0 - 0.5 * f[g]) / n0)
        above1 += t[g]
        above0 += f[g]
        precision += t[g] * (above1 / (above1 + above0))
        one, zero = above1 / n1, above0 / n0
        if abs(one - zero) > distance:
            distance, caught, lost = abs(one - zero), one, zero
    area /= n1
    precision /= n1
    ones, zeros, influence = 0.0, 0.0, 0.0
    gain, loss = 0.0, 0.0
    # from the lowest score up: a row raises the counts at its own and at every lower score
    for g in range(t.size - 1, -1, -1):
        above = above1 + above0
        square = float(above) * float(above)
        gain += t[g] * (above0 / square)
        loss += t[g] * (above1 / square)
        of_one = (above1 / above + gain - precision) * n / n1
        of_zero = -loss * n / n1
        influence += t[g] * of_one * of_one + f[g] * of_zero * of_zero
        above1 -= t[g]
        above0 -= f[g]
        away = (n0 - above0 - 0.5 * f[g]) / n0 - area
        ones += t[g] * away * away
        away = (above1 + 0.5 * t[g]) / n1 - area
        zeros += f[g] * away * away
    return area, ones, zeros, precision, influence, distance, caught, lost


@kernel
def squares(p: Floats, t: Longs, f: Longs) -> tuple[float, float]:
    """Mean of (p - y)² over the rows, and its variance."""
    n, total = 0, 0.0
    for g in range(p.size):
        n += t[g] + f[g]
        total += t[g] * (1.0 - p[g]) ** 2 + f[g] * p[g] ** 2
    mean, spread = total / n, 0.0
    for g in range(p.size):
        spread += t[g] * ((1.0 - p[g]) ** 2 - mean) ** 2 + f[g] * (p[g] ** 2 - mean) ** 2
    return mean, spread / n


@kernel
def segments(t: Longs, f: Longs, ends: Longs) -> tuple[Longs, Longs]:
    """Rows of either class in each piece that ends with a group of `ends`."""
    ones = np.zeros(ends.size, np.int64)
    zeros = np.zeros(ends.size, np.int64)
    g = 0
    for k in range(ends.size):
        while g <= ends[k]:
            ones[k] += t[g]
            zeros[k] += f[g]
            g += 1
    return ones, zeros


@kernel
def bins(p: Floats, t: Longs, f: Longs, n: int, m: int, counts: Longs, sums: Floats) -> int:
    """Sort the rows into `m` bins of equally many, lowest `p` first; groups stay together. Returns how many bins have rows.

    `counts` becomes rows and ones per bin, `sums` the sum of p, of p (1 - p), and the least and largest p.
    """
    k, last, below = -1, -1, 0
    for g in range(p.size - 1, -1, -1):
        rows = t[g] + f[g]
        # the middle of the rows that share a probability decides on their bin
        here = min((2 * below + rows) * m // (2 * n), m - 1)
        below += rows
        if here != last:
            k += 1
            last = here
            counts[k, 0], counts[k, 1] = 0, 0
            sums[k, 0], sums[k, 1], sums[k, 2] = 0.0, 0.0, p[g]
        counts[k, 0] += rows
        counts[k, 1] += t[g]
        sums[k, 0] += rows * p[g]
        sums[k, 1] += rows * p[g] * (1.0 - p[g])
        sums[k, 3] = p[g]
    return k + 1


@kernel
def log_odds(p: Floats, t: Longs, f: Longs, sure: float, gap: float) -> tuple[Floats, Longs, Longs, float]:
    """Log odds of the probabilities, ascending, with ones and rows at each; and the sum of (y - p - gap)²."""
    n = p.size
    x = np.empty(n, np.float64)
    ones = np.empty(n, np.int64)
    rows = np.empty(n, np.int64)
    square = 0.0
    for g in range(n):
        i = n - 1 - g
        held = min(max(p[i], sure), 1.0 - sure)
        x[g] = math.log(held / (1.0 - held))
        ones[g], rows[g] = t[i], t[i] + f[i]
        square += t[i] * (1.0 - p[i] - gap) ** 2 + f[i] * (p[i] + gap) ** 2
    return x, ones, rows, square


@kernel
def coarse(z: Floats, t: Longs, rows: Longs, m: int) -> tuple[Floats, Longs, Longs]:
    """Merge neighbours into about `m` points with the mean of their z."""
    width = max(1, z.size // m)
    size = (z.size + width - 1) // width
    out = np.empty(size, np.float64)
    ones = np.zeros(size, np.int64)
    total = np.zeros(size, np.int64)
    for k in range(size):
        mean = 0.0
        for i in range(k * width, min((k + 1) * width, z.size)):
            mean += rows[i] * z[i]
            ones[k] += t[i]
            total[k] += rows[i]
        out[k] = mean / total[k]
    return out, ones, total


@kernel
def line(z: Floats, t: Longs, rows: Longs, a: float, b: float, out: Floats) -> None:
    """Logistic regression of `t` ones among `rows` on a + b z: its loss, the loss's slopes downhill, the information."""
    loss, slope_a, slope_b, aa, ab, bb = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(z.size):
        fitted = a + b * z[i]
        # one exponential, of a number that cannot overflow, serves the loss and the share
        e = math.exp(-abs(fitted))
        share = 1.0 / (1.0 + e) if fitted >= 0.0 else e / (1.0 + e)
        loss += rows[i] * (max(fitted, 0.0) + math.log1p(e)) - t[i] * fitted
        residual = t[i] - rows[i] * share
        slope_a += residual
        slope_b += residual * z[i]
        weight = rows[i] * share * (1.0 - share)
        aa += weight
        ab += weight * z[i]
        bb += weight * z[i] * z[i]
    out[0], out[1], out[2], out[3], out[4], out[5] = loss, slope_a, slope_b, aa, ab, bb
