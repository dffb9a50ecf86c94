"""Clusters from weighted links, best link first: what may join is decided by all pairs between two clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crmkit._jit import kernel

__all__ = ["best_links", "exclusive", "join_links", "vetoed_pairs"]

CONNECTED, COMPLETE, AVERAGE = 0, 1, 2


@kernel
def join_links(
    n: int,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    n_links: int,
    n_sure: int,
    starts: NDArray[np.int64],
    partners: NDArray[np.int32],
    known: NDArray[np.float64],
    size: NDArray[np.int64],
    threshold: float,
    method: int,
    vetoes: NDArray[np.int32],
    veto_of: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Return the root of every node after taking the first `n_links` links in order, each if its two clusters may join.

    The first `n_sure` of them are taken unless a veto forbids it. A node counts as `size` records.
    ``partners[starts[i]:starts[i + 1]]`` ascend: the nodes compared with i, with their probabilities `known`. Row v of `vetoes`
    holds a code per node, -1 for none; two nodes with different codes in all rows of one veto (`veto_of` numbers them from 0)
    never share a cluster. COMPLETE joins where every pair between reaches the threshold, AVERAGE where the mean of them, 0 for
    pairs never compared, reaches a half.
    """
    root, following, last = np.arange(n).astype(np.int32), np.full(n, np.int32(-1)), np.arange(n).astype(np.int32)
    for k in range(n_links):
        a, b = left[k], right[k]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        if a == b:
            continue
        if a > b:
            a, b = b, a
        allowed, total, between = True, 0.0, 0
        free = k < n_sure or method == CONNECTED
        if not free or vetoes.shape[0]:
            i = a
            while i >= 0 and allowed:
                j = b
                while j >= 0 and allowed:
                    if vetoes.shape[0] and _vetoed(i, j, vetoes, veto_of):
                        allowed = False
                    elif not free:
                        p = _known(i, j, starts, partners, known)
                        total += p * size[i] * size[j]
                        between += size[i] * size[j]
                        if method == COMPLETE and p < threshold:
                            allowed = False
                    j = following[j]
                i = following[i]
            if method == AVERAGE and not free and allowed and total < 0.5 * between:
                allowed = False
        if allowed:
            root[b] = a
            following[last[a]] = b
            last[a] = last[b]
    for i in range(n):
        # parents are never larger, so the parent of i knows its root already
        root[i] = root[root[i]]
    return root


@kernel
def _vetoed(i: int, j: int, vetoes: NDArray[np.int32], veto_of: NDArray[np.int32]) -> bool:
    row = 0
    while row < veto_of.size:
        against = True
        veto = veto_of[row]
        while row < veto_of.size and veto_of[row] == veto:
            a, b = vetoes[row, i], vetoes[row, j]
            if a < 0 or b < 0 or a == b:
                against = False
            row += 1
        if against:
            return True
    return False


@kernel
def vetoed_pairs(
    left: NDArray[np.int32], right: NDArray[np.int32], vetoes: NDArray[np.int32], veto_of: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Flag the pairs of nodes that a veto keeps apart."""
    out = np.zeros(left.size, dtype=np.bool_)
    for k in range(left.size):
        out[k] = _vetoed(left[k], right[k], vetoes, veto_of)
    return out


@kernel
def _known(i: int, j: int, starts: NDArray[np.int64], partners: NDArray[np.int32], known: NDArray[np.float64]) -> float:
    low, high = starts[i], starts[i + 1]
    while low < high:
        middle = (low + high) // 2
        if partners[middle] < j:
            low = middle + 1
        else:
            high = middle
    return known[low] if low < starts[i + 1] and partners[low] == j else 0.0


@kernel
def best_links(n: int, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Flag the links that are the first, of those in order, of either of their nodes; one may be of a node with itself."""
    taken, out = np.zeros(n, dtype=np.bool_), np.zeros(left.size, dtype=np.bool_)
    for k in range(left.size):
        out[k] = not taken[left[k]] or not taken[right[k]]
        taken[left[k]] = True
        taken[right[k]] = True
    return out


@kernel
def exclusive(
    n: int, left: NDArray[np.int32], right: NDArray[np.int32], weights: NDArray[np.float64], drop: bool
) -> NDArray[np.bool_]:
    """Flag the links taken, best first, when every node is taken at most once.

    With `drop`, of links with one weight that share a node none is taken, and a node with two such links takes no worse one.
    """
    taken, out = np.zeros(n, dtype=np.bool_), np.zeros(left.size, dtype=np.bool_)
    claims = np.zeros(n, dtype=np.int32)
    start = 0
    while start < left.size:
        stop = start
        while stop < left.size and weights[stop] == weights[start]:
            stop += 1
        if drop:
            for k in range(start, stop):
                if not taken[left[k]] and not taken[right[k]]:
                    claims[left[k]] += 1
                    claims[right[k]] += 1
        for k in range(start, stop):
            a, b = left[k], right[k]
            if not taken[a] and not taken[b] and (not drop or (claims[a] == 1 and claims[b] == 1)):
                out[k] = True
                if not drop:
                    taken[a] = True
                    taken[b] = True
        if drop:
            for k in range(start, stop):
                a, b = left[k], right[k]
                if out[k]:
                    taken[a] = True
                    taken[b] = True
                elif claims[a] > 1 or claims[b] > 1:
                    # a record with two equal partners has none that could be told from the other
                    taken[a] = taken[a] or claims[a] > 1
                    taken[b] = taken[b] or claims[b] > 1
            for k in range(start, stop):
                claims[left[k]] = 0
                claims[right[k]] = 0
        start = stop
    return out
