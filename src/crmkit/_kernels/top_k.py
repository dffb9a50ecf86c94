"""The k best of many candidates under a total order: score descending, then rank ascending.

The candidates kept so far are a heap whose root is the worst of them. Ranks are distinct, so the answer does not depend
on the order in which candidates are offered.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["best_first", "offer"]


@kernel
def _sink(scores: npt.NDArray[np.float64], ranks: npt.NDArray[np.int32], size: int, score: float, rank: int) -> None:
    """Put a candidate in the place of the root and let it sink below everything worse."""
    p = 0
    while True:
        child = 2 * p + 1
        if child >= size:
            break
        other = child + 1
        if other < size and (scores[other] < scores[child] or (scores[other] == scores[child] and ranks[other] > ranks[child])):
            child = other
        if scores[child] > score or (scores[child] == score and ranks[child] < rank):
            break
        scores[p] = scores[child]
        ranks[p] = ranks[child]
        p = child
    scores[p] = score
    ranks[p] = rank


@kernel
def offer(scores: npt.NDArray[np.float64], ranks: npt.NDArray[np.int32], size: int, score: float, rank: int) -> int:
    """Keep the candidate if it is among the ``scores.size`` best so far; return how many are kept."""
    if size == scores.size:
        if size > 0 and (score > scores[0] or (score == scores[0] and rank < ranks[0])):
            _sink(scores, ranks, size, score, rank)
        return size
    p = size
    while p > 0:
        parent = (p - 1) // 2
        if scores[parent] < score or (scores[parent] == score and ranks[parent] > rank):
            break
        scores[p] = scores[parent]
        ranks[p] = ranks[parent]
        p = parent
    scores[p] = score
    ranks[p] = rank
    return size + 1


@kernel
def best_first(scores: npt.NDArray[np.float64], ranks: npt.NDArray[np.int32], size: int) -> None:
    """Turn the heap into a list, best first."""
    for last in range(size - 1, 0, -1):
        worst_score, worst_rank = scores[0], ranks[0]
        _sink(scores, ranks, last, scores[last], ranks[last])
        scores[last] = worst_score
        ranks[last] = worst_rank
