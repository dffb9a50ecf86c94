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
    blocks: NDArray[np.int64],
    used: NDArray[np.bool_],
    sizes: NDArray[np.int64],
    m_start: NDArray[np.float64],
    u_start: NDArray[np.float64],
    prior_start: NDArray[np.float64],
    m_pseudo: NDArray[np.float64],
    u_pseudo: NDArray[np.float64],
    learn_u: bool,
    tolerance: float,
    max_iterations: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float, float, int]:
    """Fit one m, and a share of matches and a u per block; return them with log-likelihood, last change and steps.

    A row is a pattern of agreement inside a block, `counts` times; a level of -1 is missing and says nothing. Block b
    uses field f only where ``used[b, f]``. `m_pseudo` and `u_pseudo` are pairs per level added to what is seen. Where u
    is known, the best level of a field is never weaker evidence than silence (m >= u there).
    """
    n_patterns, n_fields = patterns.shape
    n_blocks, n_levels = prior_start.size, m_start.shape[1]
    m, u, prior = m_start.copy(), u_start.copy(), prior_start.copy()
    evidence = np.zeros((n_blocks, n_fields, n_levels))
    in_block = np.zeros(n_blocks)
    for p in range(n_patterns):
        in_block[blocks[p]] += counts[p]
    change, steps = np.inf, 0

    while steps < max_iterations and change > tolerance:
        steps += 1
        for b in range(n_blocks):
            for f in range(n_fields):
                for g in range(sizes[f]):
                    evidence[b, f, g] = np.log(m[f, g]) - np.log(u[b, f, g])

        m_sum, u_sum, matches = m_pseudo.copy(), u_pseudo.copy(), np.zeros(n_blocks)
        for p in range(n_patterns):
            b = blocks[p]
            odds = np.log(prior[b]) - np.log1p(-prior[b])
            for f in range(n_fields):
                if used[b, f] and patterns[p, f] >= 0:
                    odds += evidence[b, f, patterns[p, f]]
            match = counts[p] / (1.0 + np.exp(min(-odds, 700.0)))
            matches[b] += match
            for f in range(n_fields):
                if used[b, f] and patterns[p, f] >= 0:
                    m_sum[f, patterns[p, f]] += match
                    u_sum[b, f, patterns[p, f]] += counts[p] - match

        change = 0.0
        for f in range(n_fields):
            top = sizes[f] - 1
            _normalise(m_sum[f], sizes[f])
            if learn_u:
                for b in range(n_blocks):
                    _normalise(u_sum[b, f], sizes[f])
                    for g in range(sizes[f]):
                        change = max(change, abs(u_sum[b, f, g] - u[b, f, g]))
                        u[b, f, g] = u_sum[b, f, g]
            else:
                for b in range(n_blocks):
                    if m_sum[f, top] < u[b, f, top]:
                        # the constrained maximum: the bound itself, the other levels in their old proportions
                        rest = (1.0 - u[b, f, top]) / (1.0 - m_sum[f, top])
                        for g in range(top):
                            m_sum[f, g] *= rest
                        m_sum[f, top] = u[b, f, top]
            for g in range(sizes[f]):
                change = max(change, abs(m_sum[f, g] - m[f, g]))
                m[f, g] = m_sum[f, g]
        for b in range(n_blocks):
            # half a match and half a non-match more than were seen: the share never reaches 0 or 1
            share = (matches[b] + 0.5) / (in_block[b] + 1.0)
            change = max(change, abs(share - prior[b]))
            prior[b] = share

    likelihood = 0.0
    for p in range(n_patterns):
        b = blocks[p]
        match, other = np.log(prior[b]), np.log1p(-prior[b])
        for f in range(n_fields):
            if used[b, f] and patterns[p, f] >= 0:
                match += np.log(m[f, patterns[p, f]])
                other += np.log(u[b, f, patterns[p, f]])
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
