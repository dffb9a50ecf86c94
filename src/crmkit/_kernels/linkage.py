"""Record linkage on arrays: pairs inside blocks, matches and non-matches as a mixture, connected components."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crmkit._jit import kernel

__all__ = ["components", "expectation_maximisation", "pairs_in_blocks"]


@kernel
def pairs_in_blocks(
    keys: NDArray[np.int32],
    rule: int,
    order: NDArray[np.int32],
    ends: NDArray[np.int32],
    start: int,
    stop: int,
    size: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """List the pairs that `rule` puts in one block and no earlier rule does, for rows at ``start <= place < stop``.

    `keys` holds a block number per rule and row, -1 where the rule does not apply. `order` lists rows by the key of
    `rule`, ascending inside a block; the block of the row at `place` ends before ``ends[place]``. At most `size` pairs
    arise.
    An earlier rule needs no look-up table: its keys of the two rows are equal, or they are not.
    """
    left, right = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    n = 0
    for place in range(start, stop):
        i = order[place]
        for other in range(place + 1, ends[place]):
            j = order[other]
            new = True
            for earlier in range(rule):
                if keys[earlier, i] >= 0 and keys[earlier, i] == keys[earlier, j]:
                    new = False
                    break
            if new:
                left[n] = i
                right[n] = j
                n += 1
    return left[:n].copy(), right[:n].copy()


@kernel
def expectation_maximisation(
    patterns: NDArray[np.int8],
    counts: NDArray[np.float64],
    usable: NDArray[np.bool_],
    total: float,
    sizes: NDArray[np.int64],
    m_start: NDArray[np.float64],
    u_start: NDArray[np.float64],
    prior_start: float,
    m_pseudo: NDArray[np.float64],
    learn_u: bool,
    tolerance: float,
    max_iterations: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float, float, int]:
    """Fit m, u if asked, and the share of matches to patterns; return them, log-likelihood, last change and steps.

    A level of -1 is missing and says nothing. `total` counts all pairs there are: those without a pattern were never
    candidates and count as non-matches. Field f learns its m only from patterns where ``usable[:, f]``. `m_pseudo` are
    pseudo-counts of matches per level. The best level of a field is never weaker evidence than silence (m >= u there).
    """
    n_patterns, n_fields = patterns.shape
    n_levels = m_start.shape[1]
    m, u, prior = m_start.copy(), u_start.copy(), prior_start
    log_m, log_u = np.zeros((n_fields, n_levels)), np.zeros((n_fields, n_levels))
    change, likelihood, steps = np.inf, 0.0, 0

    while steps < max_iterations and change > tolerance:
        steps += 1
        for f in range(n_fields):
            for g in range(sizes[f]):
                log_m[f, g] = np.log(m[f, g])
                log_u[f, g] = np.log(u[f, g])

        m_sum, u_sum = m_pseudo.copy(), np.zeros((n_fields, n_levels))
        matches = 0.0
        for p in range(n_patterns):
            match, other = np.log(prior), np.log1p(-prior)
            for f in range(n_fields):
                g = patterns[p, f]
                if g >= 0:
                    match += log_m[f, g]
                    other += log_u[f, g]
            probability = 1.0 / (1.0 + np.exp(min(other - match, 700.0)))
            matches += counts[p] * probability
            for f in range(n_fields):
                g = patterns[p, f]
                if g >= 0:
                    if usable[p, f]:
                        m_sum[f, g] += counts[p] * probability
                    u_sum[f, g] += counts[p] * (1.0 - probability)

        change = 0.0
        for f in range(n_fields):
            top = sizes[f] - 1
            _normalise(m_sum[f], sizes[f])
            if learn_u:
                _normalise(u_sum[f], sizes[f])
                for g in range(sizes[f]):
                    change = max(change, abs(u_sum[f, g] - u[f, g]))
                    u[f, g] = u_sum[f, g]
            elif m_sum[f, top] < u[f, top]:
                # the constrained maximum: the bound itself, the other levels in their old proportions
                rest = (1.0 - u[f, top]) / (1.0 - m_sum[f, top])
                for g in range(top):
                    m_sum[f, g] *= rest
                m_sum[f, top] = u[f, top]
            for g in range(sizes[f]):
                change = max(change, abs(m_sum[f, g] - m[f, g]))
                m[f, g] = m_sum[f, g]
        # half a match and half a non-match more than were seen: the share never reaches 0 or 1
        updated = (matches + 0.5) / (total + 1.0)
        change = max(change, abs(updated - prior) / min(updated, 1.0 - updated))
        prior = updated

    for p in range(n_patterns):
        match, other = np.log(prior), np.log1p(-prior)
        for f in range(n_fields):
            g = patterns[p, f]
            if g >= 0:
                match += np.log(m[f, g])
                other += np.log(u[f, g])
        high = max(match, other)
        likelihood += counts[p] * (high + np.log(np.exp(match - high) + np.exp(other - high)))
    return m, u, prior, likelihood, change, steps


@kernel
def _normalise(sums: NDArray[np.float64], size: int) -> None:
    """Scale the first `size` sums to shares, none of them zero: an unseen level is rare, not impossible."""
    total = 0.0
    for g in range(size):
        sums[g] = max(sums[g], 1e-12)
        total += sums[g]
    for g in range(size):
        sums[g] /= total


@kernel
def components(n: int, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.int32]:
    """Number the connected components 0, 1, ... of n nodes in the order of their smallest node."""
    parent = np.arange(n).astype(np.int32)
    for k in range(left.size):
        a, b = left[k], right[k]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        # the smaller node is the root: the answer does not depend on the order of the edges
        if a < b:
            parent[b] = a
        elif b < a:
            parent[a] = b

    number = np.empty(n, dtype=np.int32)
    found = 0
    for i in range(n):
        # parents are never larger, so the parent of i has its number already
        if parent[i] == i:
            number[i] = found
            found += 1
        else:
            number[i] = number[parent[i]]
    return number
