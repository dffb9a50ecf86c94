"""Record linkage on arrays: matches and non-matches as a mixture, connected components."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crmkit._jit import kernel

__all__ = ["components", "expectation_maximisation", "sum_evidence"]


@kernel
def expectation_maximisation(
    patterns: NDArray[np.int8],
    counts: NDArray[np.float64],
    judged: NDArray[np.float64],
    blocks: NDArray[np.int64],
    used: NDArray[np.bool_],
    teaches: NDArray[np.bool_],
    tied: NDArray[np.bool_],
    sizes: NDArray[np.int64],
    tables: NDArray[np.float64],
    u_start: NDArray[np.float64],
    share_start: NDArray[np.float64],
    pseudo: NDArray[np.float64],
    u_pseudo: NDArray[np.float64],
    learn_u: bool,
    classes: NDArray[np.bool_],
    tolerance: float,
    least_gain: float,
    max_iterations: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float, float, int]:
    """Fit a mixture of up to four classes of pairs to patterns of agreement by the EM algorithm.

    The classes are 0 matches, 1 matches who moved, 2 people who live together, 3 others; ``classes`` says which there are.
    A row is a pattern of agreement inside a block, `counts` times; a level of -1 is missing and says nothing. Of these pairs
    ``judged[0]`` are known to be in class 0 or 1, ``judged[1]`` in class 2 or 3. Block b uses field
    f only where ``used[b, f]``, and learns from it what classes 0 to 2 agree on only where ``teaches[b, f]``. These classes have
    one row of ``tables`` for all blocks, class 1 that of class 0 for fields that are `tied`; class 3 has a u per block. Every
    block has its shares of the classes. `pseudo` and `u_pseudo` are pairs per level added to what is seen. Where u is known,
    the best level of a field is never weaker evidence than silence (m >= u there). Returns tables, u, shares, log-likelihood,
    last change and steps.
    """
    n_patterns, n_fields = patterns.shape
    n_blocks = share_start.shape[0]
    known, u, share = tables.copy(), u_start.copy(), share_start.copy()
    log_known, log_u, log_share = np.zeros(known.shape), np.zeros(u.shape), np.zeros(share.shape)
    in_block, n_classes = np.zeros(n_blocks), 0
    for c in range(4):
        n_classes += classes[c]
    for p in range(n_patterns):
        in_block[blocks[p]] += counts[p]
    odds = np.zeros(4)
    change, steps, likelihood, before = np.inf, 0, 0.0, -np.inf

    while True:
        for f in range(n_fields):
            for g in range(sizes[f]):
                for c in range(3):
                    log_known[c, f, g] = np.log(known[0 if c == 1 and tied[f] else c, f, g])
                for b in range(n_blocks):
                    log_u[b, f, g] = np.log(u[b, f, g])
        for b in range(n_blocks):
            for c in range(4):
                log_share[b, c] = np.log(share[b, c]) if classes[c] else -np.inf
        sums, u_sum, members = pseudo.copy(), u_pseudo.copy(), np.zeros((n_blocks, 4))
        likelihood = 0.0
        for p in range(n_patterns):
            b = blocks[p]
            for c in range(4):
                odds[c] = log_share[b, c]
            for f in range(n_fields):
                g = patterns[p, f]
                if used[b, f] and g >= 0:
                    for c in range(3):
                        odds[c] += log_known[c, f, g]
                    odds[3] += log_u[b, f, g]
            high = max(odds[0], odds[1], odds[2], odds[3])
            total = 0.0
            for c in range(4):
                odds[c] = np.exp(odds[c] - high)
                total += odds[c]
            free = counts[p] - judged[0, p] - judged[1, p]
            likelihood += free * (high + np.log(total))
            for side in range(2):
                known_here, inside = judged[side, p], odds[2 * side] + odds[2 * side + 1]
                # where every class of a side has underflowed, its plain one takes what is known
                likelihood += known_here * (high + np.log(max(inside, 1e-300)))
                for c in range(2 * side, 2 * side + 2):
                    share_of_known = odds[c] / inside if inside > 0 else (1.0 if c == 3 * side else 0.0)
                    odds[c] = odds[c] / total * free + share_of_known * known_here
                    members[b, c] += odds[c]
            for f in range(n_fields):
                g = patterns[p, f]
                if used[b, f] and g >= 0:
                    if teaches[b, f]:
                        sums[0, f, g] += odds[0]
                        sums[0 if tied[f] else 1, f, g] += odds[1]
                        sums[2, f, g] += odds[2]
                    u_sum[b, f, g] += odds[3]
        # where the likelihood stands still, what still moves is known to no pair
        gain, before = likelihood - before, likelihood
        if steps >= max_iterations or change <= tolerance or (steps > 1 and abs(gain) <= least_gain):
            break
        steps += 1

        change = 0.0
        for f in range(n_fields):
            top = sizes[f] - 1
            for c in range(3):
                _normalise(sums[c, f], sizes[f])
            if learn_u:
                for b in range(n_blocks):
                    _normalise(u_sum[b, f], sizes[f])
                    for g in range(sizes[f]):
                        change = max(change, abs(u_sum[b, f, g] - u[b, f, g]))
                        u[b, f, g] = u_sum[b, f, g]
            else:
                for b in range(n_blocks):
                    if sums[0, f, top] < u[b, f, top]:
                        # the constrained maximum: the bound itself, the other levels in their old proportions
                        rest = (1.0 - u[b, f, top]) / (1.0 - sums[0, f, top])
                        for g in range(top):
                            sums[0, f, g] *= rest
                        sums[0, f, top] = u[b, f, top]
            for c in range(3):
                if classes[c]:
                    for g in range(sizes[f]):
                        change = max(change, abs(sums[c, f, g] - known[c, f, g]))
                        known[c, f, g] = sums[c, f, g]
        for b in range(n_blocks):
            # half a pair of each kind more than were seen: no share ever reaches 0
            for c in range(4):
                if classes[c]:
                    new = (members[b, c] + 0.5) / (in_block[b] + 0.5 * n_classes)
                    change = max(change, abs(new - share[b, c]))
                    share[b, c] = new
    return known, u, share, likelihood, change, steps


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
def sum_evidence(
    of_pair: NDArray[np.int32],
    evidence: NDArray[np.float64],
    full: NDArray[np.bool_],
    values: NDArray[np.int32],
    tables: NDArray[np.float64],
    starts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Log2 odds of pairs: the evidence of their pattern in four classes, and how rare the values are they agree on in full.

    ``evidence[:, p]`` are log2 probabilities of pattern p as a match, a match who moved, people who live together, others. Where
    ``full[p, f]``, column ``starts[f] + values[f, k]`` of `tables` is added to the last three for pair k.
    """
    out = np.empty(of_pair.size)
    for k in range(of_pair.size):
        p = of_pair[k]
        match, moved, kin, other = evidence[0, p], evidence[1, p], evidence[2, p], evidence[3, p]
        for f in range(full.shape[1]):
            if full[p, f]:
                place = starts[f] + values[f, k]
                moved += tables[0, place]
                kin += tables[1, place]
                other += tables[2, place]
        out[k] = _add(match, moved) - _add(kin, other)
    return out


@kernel
def _add(a: float, b: float) -> float:
    """log2(2**a + 2**b)."""
    high, low = max(a, b), min(a, b)
    return high if low == -np.inf else high + np.log2(1.0 + 2.0 ** (low - high))


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
