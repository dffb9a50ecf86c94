"""Weighted least squares by alternation: one side's factors from the other's, row by row, and the best items by them.

A row's factors x minimise ``sum_p (c_p - 2 c_p t_p + w_p t_p**2) + x'Gx + penalty x'x`` with ``t_p = x'y_p`` over the
entries p of the row, c their weights, and G the Gram matrix of the other side, times the weight of what was not
observed. They are found by conjugate gradients on a copy of the factors y_p that stays in the processor's cache.
Factors are single precision, and a multiple of 16 of them, the last of which may be zeros.

Where a loop writes, compiled code asks first whether what it reads lies close behind, and if so takes another road, with sums in
another order. Arrays that are written to in such loops therefore lie in one buffer, far apart from each other and from all else:
which road is taken must not depend on where memory happened to be free.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel, summing_kernel
from crmkit._kernels.top_k import best_first, offer

__all__ = ["gram", "solve", "sums", "top_factors"]

APART = 1024  # numbers between two arrays: more than the widest unrolled loop takes at once


@summing_kernel
def gram(factors: npt.NDArray[np.float32], first: int, last: int) -> npt.NDArray[np.float64]:
    """Sum the outer products of rows `first` to `last`, 256 of them at a time in single precision."""
    d = factors.shape[1]
    total = np.zeros((d, d), np.float64)
    part = np.empty(d * d + 2 * APART, np.float32)[APART : APART + d * d].reshape((d, d))
    for block in range(first, last, 256):
        part[:] = np.float32(0.0)
        end = min(block + 256, last)
        p = block
        while p + 4 <= end:
            y0, y1, y2, y3 = factors[p], factors[p + 1], factors[p + 2], factors[p + 3]
            for g in range(d):
                v0, v1, v2, v3 = y0[g], y1[g], y2[g], y3[g]
                row = part[g]
                for f in range(d):
                    row[f] += (v0 * y0[f] + v1 * y1[f]) + (v2 * y2[f] + v3 * y3[f])
            p += 4
        while p < end:
            y0 = factors[p]
            for g in range(d):
                v0 = y0[g]
                row = part[g]
                for f in range(d):
                    row[f] += v0 * y0[f]
            p += 1
        for g in range(d):
            for f in range(d):
                total[g, f] += part[g, f]
    return total


@summing_kernel
def _dots(rows: npt.NDArray[np.float32], n: int, x: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> None:
    """Add to `out` the products of each of the first `n` rows with `x`."""
    p = 0
    while p + 4 <= n:
        y0, y1, y2, y3 = rows[p], rows[p + 1], rows[p + 2], rows[p + 3]
        t0 = t1 = t2 = t3 = np.float32(0.0)
        for f in range(x.size):
            v = x[f]
            t0 += y0[f] * v
            t1 += y1[f] * v
            t2 += y2[f] * v
            t3 += y3[f] * v
        out[p] += t0
        out[p + 1] += t1
        out[p + 2] += t2
        out[p + 3] += t3
        p += 4
    while p < n:
        y0 = rows[p]
        t0 = np.float32(0.0)
        for f in range(x.size):
            t0 += y0[f] * x[f]
        out[p] += t0
        p += 1


@summing_kernel
def _add_rows(rows: npt.NDArray[np.float32], n: int, t: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> None:
    """Add to `out` the first `n` rows, each times its `t`."""
    p = 0
    while p + 4 <= n:
        y0, y1, y2, y3 = rows[p], rows[p + 1], rows[p + 2], rows[p + 3]
        t0, t1, t2, t3 = t[p], t[p + 1], t[p + 2], t[p + 3]
        for f in range(out.size):
            out[f] += (t0 * y0[f] + t1 * y1[f]) + (t2 * y2[f] + t3 * y3[f])
        p += 4
    while p < n:
        y0, t0 = rows[p], t[p]
        for f in range(out.size):
            out[f] += t0 * y0[f]
        p += 1


@summing_kernel
def _add_hessian(
    rows: npt.NDArray[np.float32],
    n: int,
    weight: npt.NDArray[np.float32],
    x: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> None:
    """Add to `out` the first `n` rows, each times its weight and its product with `x`: both passes in one."""
    p = 0
    while p + 4 <= n:
        y0, y1, y2, y3 = rows[p], rows[p + 1], rows[p + 2], rows[p + 3]
        t0 = t1 = t2 = t3 = np.float32(0.0)
        for f in range(x.size):
            v = x[f]
            t0 += y0[f] * v
            t1 += y1[f] * v
            t2 += y2[f] * v
            t3 += y3[f] * v
        t0 *= weight[p]
        t1 *= weight[p + 1]
        t2 *= weight[p + 2]
        t3 *= weight[p + 3]
        for f in range(x.size):
            out[f] += (t0 * y0[f] + t1 * y1[f]) + (t2 * y2[f] + t3 * y3[f])
        p += 4
    while p < n:
        y0 = rows[p]
        t0 = np.float32(0.0)
        for f in range(x.size):
            t0 += y0[f] * x[f]
        t0 *= weight[p]
        for f in range(x.size):
            out[f] += t0 * y0[f]
        p += 1


@summing_kernel
def _gather(
    other: npt.NDArray[np.float32],
    index: npt.NDArray[np.int32],
    value: npt.NDArray[np.float32],
    removed: np.float32,
    x: npt.NDArray[np.float32],
    rows: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> float:
    """Copy the factors of the entries `index` to `rows`, and what their squares weigh to `weight`; return their loss at `x`.

    The rows are added to `out`, each times half the fall of its loss as its product with `x` grows: while they are at hand.
    """
    n, d = index.size, x.size
    lost = 0.0
    p = 0
    while p + 4 <= n:
        for q in range(p, p + 4):
            source, copy = other[index[q]], rows[q]
            for f in range(d):
                copy[f] = source[f]
            weight[q] = value[q] - removed
        y0, y1, y2, y3 = rows[p], rows[p + 1], rows[p + 2], rows[p + 3]
        t0 = t1 = t2 = t3 = np.float32(0.0)
        for f in range(d):
            v = x[f]
            t0 += y0[f] * v
            t1 += y1[f] * v
            t2 += y2[f] * v
            t3 += y3[f] * v
        c0, c1, c2, c3 = value[p], value[p + 1], value[p + 2], value[p + 3]
        u0 = c0 - weight[p] * t0
        u1 = c1 - weight[p + 1] * t1
        u2 = c2 - weight[p + 2] * t2
        u3 = c3 - weight[p + 3] * t3
        lost += ((c0 - t0 * (u0 + c0)) + (c1 - t1 * (u1 + c1))) + ((c2 - t2 * (u2 + c2)) + (c3 - t3 * (u3 + c3)))
        for f in range(d):
            out[f] += (u0 * y0[f] + u1 * y1[f]) + (u2 * y2[f] + u3 * y3[f])
        p += 4
    while p < n:
        source, y0 = other[index[p]], rows[p]
        t0 = np.float32(0.0)
        for f in range(d):
            y0[f] = source[f]
            t0 += source[f] * x[f]
        weight[p] = value[p] - removed
        u0 = value[p] - weight[p] * t0
        lost += value[p] - t0 * (u0 + value[p])
        for f in range(d):
            out[f] += u0 * y0[f]
        p += 1
    return lost


@summing_kernel
def _inner(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> np.float32:
    total = np.float32(0.0)
    for f in range(a.size):
        total += a[f] * b[f]
    return total


@summing_kernel
def solve(
    start: npt.NDArray[np.int64],
    index: npt.NDArray[np.int32],
    value: npt.NDArray[np.float32],
    other: npt.NDArray[np.float32],
    mine: npt.NDArray[np.float32],
    gram: npt.NDArray[np.float32],
    penalty: npt.NDArray[np.float32],
    removed: float,
    block: int,
    steps: int,
    tolerance: float,
    first: int,
    last: int,
    out: npt.NDArray[np.float32],
) -> float:
    """Improve the factors of rows `first` to `last` from `mine` on, write them to `out`, and return their part of the loss.

    Entries weigh their `value`, less `removed` where they are squared. `block` factors at a time are changed, a divisor
    of their number, by up to `steps` conjugate gradients each, fewer once the squared gradient is at most `tolerance`
    times what it was.
    """
    d = other.shape[1]
    n_blocks = d // block
    longest = 0
    for r in range(first, last):
        longest = max(longest, start[r + 1] - start[r])
    several = longest if n_blocks > 1 else 0
    sizes = (longest * d, several * block, n_blocks * block * block, longest, several, several)
    work = np.empty(sum(sizes) + 3 * d + 4 * block + 14 * APART, np.float32)
    at = APART
    rows = work[at : at + sizes[0]].reshape((longest, d))
    at += sizes[0] + APART
    part = work[at : at + sizes[1]].reshape((several, block))
    at += sizes[1] + APART
    gram_part = work[at : at + sizes[2]].reshape((n_blocks, block, block))
    at += sizes[2] + APART
    weight = work[at : at + longest]
    at += longest + APART
    moved = work[at : at + several]
    at += several + APART
    pull = work[at : at + several]
    at += several + APART
    x = work[at : at + d]
    at += d + APART
    fall = work[at : at + d]
    at += d + APART
    pushed = work[at : at + d]
    at += d + APART
    residual = work[at : at + block]
    at += block + APART
    change = work[at : at + block]
    at += block + APART
    direction = work[at : at + block]
    at += block + APART
    product = work[at : at + block]
    for b in range(n_blocks):
        for g in range(block):
            for f in range(block):
                gram_part[b, g, f] = gram[b * block + g, b * block + f]
    lost = 0.0
    for r in range(first, last):
        from_, to = start[r], start[r + 1]
        n = to - from_
        scale = penalty[r]
        for f in range(d):
            x[f] = mine[r, f]
            fall[f] = np.float32(0.0)
            pushed[f] = scale * x[f]
        lost += _gather(other, index[from_:to], value[from_:to], np.float32(removed), x, rows, weight, fall)
        _add_rows(gram, d, x, pushed)
        lost += np.float64(_inner(pushed, x))
        if n_blocks > 1:
            for p in range(n):
                moved[p] = np.float32(0.0)

        for b in range(n_blocks):
            low = b * block
            for f in range(block):
                residual[f] = fall[low + f] - pushed[low + f]
                change[f] = np.float32(0.0)
            if n_blocks > 1:
                for p in range(n):
                    for f in range(block):
                        part[p, f] = rows[p, low + f]
                    pull[p] = -weight[p] * moved[p]
                if b > 0:
                    _add_rows(part, n, pull, residual)
            own = part if n_blocks > 1 else rows
            for f in range(block):
                direction[f] = residual[f]
            square = _inner(residual, residual)
            goal = np.float32(tolerance) * square
            for _ in range(steps):
                if square <= goal:
                    break
                for f in range(block):
                    product[f] = scale * direction[f]
                _add_rows(gram_part[b], block, direction, product)
                _add_hessian(own, n, weight, direction, product)
                curvature = _inner(direction, product)
                if not curvature > np.float32(0.0):
                    break
                length = square / curvature
                lost -= np.float64(length) * square
                for f in range(block):
                    change[f] += length * direction[f]
                    residual[f] -= length * product[f]
                following = _inner(residual, residual)
                ratio = following / square
                for f in range(block):
                    direction[f] = residual[f] + ratio * direction[f]
                square = following
            for f in range(block):
                x[low + f] += change[f]
            if b + 1 < n_blocks:
                _dots(own, n, change, moved)
                _add_rows(gram[low : low + block], block, change, pushed)
                for f in range(block):
                    pushed[low + f] += scale * change[f]
        for f in range(d):
            out[r, f] = x[f]
    return lost


@kernel
def sums(
    start: npt.NDArray[np.int64],
    index: npt.NDArray[np.int32],
    value: npt.NDArray[np.float32],
    other: npt.NDArray[np.float32],
    first: int,
    last: int,
    out: npt.NDArray[np.float64],
) -> None:
    """Write to `out` the sums of the factors of the entries of rows `first` to `last`, each times its value."""
    for r in range(first, last):
        total = out[r]
        total[:] = 0.0
        for p in range(start[r], start[r + 1]):
            y, c = other[index[p]], np.float64(value[p])
            for f in range(total.size):
                total[f] += c * y[f]


@summing_kernel
def _score_four(
    x: npt.NDArray[np.float32], by_factor: npt.NDArray[np.float32], low: int, high: int, out: npt.NDArray[np.float32]
) -> None:
    """Write to `out` the products of four rows of factors with the items `low` to `high`: always by the same instructions."""
    s0, s1, s2, s3 = out[0, low:high], out[1, low:high], out[2, low:high], out[3, low:high]
    for j in range(high - low):
        s0[j] = np.float32(0.0)
        s1[j] = np.float32(0.0)
        s2[j] = np.float32(0.0)
        s3[j] = np.float32(0.0)
    for f in range(0, x.shape[1], 4):
        y0, y1 = by_factor[f, low:high], by_factor[f + 1, low:high]
        y2, y3 = by_factor[f + 2, low:high], by_factor[f + 3, low:high]
        a0, a1, a2, a3 = x[0, f], x[0, f + 1], x[0, f + 2], x[0, f + 3]
        b0, b1, b2, b3 = x[1, f], x[1, f + 1], x[1, f + 2], x[1, f + 3]
        c0, c1, c2, c3 = x[2, f], x[2, f + 1], x[2, f + 2], x[2, f + 3]
        d0, d1, d2, d3 = x[3, f], x[3, f + 1], x[3, f + 2], x[3, f + 3]
        for j in range(high - low):
            s0[j] += (a0 * y0[j] + a1 * y1[j]) + (a2 * y2[j] + a3 * y3[j])
            s1[j] += (b0 * y0[j] + b1 * y1[j]) + (b2 * y2[j] + b3 * y3[j])
            s2[j] += (c0 * y0[j] + c1 * y1[j]) + (c2 * y2[j] + c3 * y3[j])
            s3[j] += (d0 * y0[j] + d1 * y1[j]) + (d2 * y2[j] + d3 * y3[j])


@kernel
def top_factors(
    factors: npt.NDArray[np.float32],
    by_factor: npt.NDArray[np.float32],
    rank: npt.NDArray[np.int32],
    order: npt.NDArray[np.int32],
    excluded_start: npt.NDArray[np.int64],
    excluded_item: npt.NDArray[np.int32],
    k: int,
    customers: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return the `k` best items of each of `customers` by the product of their factors, one row each, with the items'.

    `by_factor` has a row per factor and the items by `rank`, padded with zeros to a multiple of 16. A customer without
    factors other than 0 gets nothing; items in `excluded` are left out. The answer is compressed rows.
    """
    n_items, padded = rank.size, by_factor.shape[1]
    x = np.zeros((4, factors.shape[1]), np.float32)
    score = np.empty(4 * padded + 2 * APART, np.float32)[APART : APART + 4 * padded].reshape((4, padded))
    best = np.empty(k, np.float64)
    best_rank = np.empty(k, np.int32)
    found_start = np.zeros(customers.size + 1, np.int64)
    found_item = np.empty(customers.size * k, np.int32)
    found_score = np.empty(customers.size * k, np.float64)
    kept = 0
    for c in range(0, customers.size, 4):
        four = min(4, customers.size - c)
        x[:] = np.float32(0.0)
        for i in range(four):
            x[i] = factors[c + i]
        for low in range(0, padded, 256):
            _score_four(x, by_factor, low, min(low + 256, padded), score)
        for i in range(four):
            own = score[i]
            for p in range(excluded_start[customers[c + i]], excluded_start[customers[c + i] + 1]):
                own[rank[excluded_item[p]]] = -np.inf
            known = False
            for f in range(x.shape[1]):
                known |= x[i, f] != np.float32(0.0)
            size = 0
            low = 0 if known else n_items
            # items come by rank: of equal scores the one kept is the one to keep
            while low < n_items and size < k:
                if own[low] > -np.inf:
                    size = offer(best, best_rank, size, np.float64(own[low]), low)
                low += 1
            while low < n_items:
                high = min(low + 64, n_items)
                floor = np.float32(best[0])
                above = 0
                for j in range(low, high):
                    above += own[j] > floor
                if above > 0:
                    for j in range(low, high):
                        if own[j] > floor:
                            size = offer(best, best_rank, size, np.float64(own[j]), j)
                            floor = np.float32(best[0])
                low = high
            best_first(best, best_rank, size)
            for p in range(size):
                found_item[kept] = order[best_rank[p]]
                found_score[kept] = best[p]
                kept += 1
            found_start[c + i + 1] = kept
    return found_start, found_item[:kept].copy(), found_score[:kept].copy()
