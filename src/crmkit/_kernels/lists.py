"""Lists of recommendations after the scores: what may not be on them, and which of the good ones go together.

Lists are compressed rows, best first: the list of row r is ``item[start[r]:start[r + 1]]``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["barred", "chosen"]


@kernel
def barred(
    start: npt.NDArray[np.int64],
    index: npt.NDArray[np.int32],
    denied: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Add the `denied` items to each of `rows` of a sparse table, and leave all its other rows empty."""
    found_start = np.zeros(start.size, np.int64)
    for c in range(rows.size):
        found_start[rows[c] + 1] = start[rows[c] + 1] - start[rows[c]] + denied.size
    for r in range(start.size - 1):
        found_start[r + 1] += found_start[r]
    found = np.empty(found_start[-1], np.int32)
    for c in range(rows.size):
        row = rows[c]
        place = found_start[row]
        for p in range(start[row], start[row + 1]):
            found[place] = index[p]
            place += 1
        for p in range(denied.size):
            found[place] = denied[p]
            place += 1
    return found_start, found


@kernel
def chosen(
    start: npt.NDArray[np.int64],
    item: npt.NDArray[np.int32],
    score: npt.NDArray[np.float64],
    category: npt.NDArray[np.int32],
    n_categories: int,
    most: int,
    near_start: npt.NDArray[np.int64],
    near_item: npt.NDArray[np.int32],
    near_similarity: npt.NDArray[np.float32],
    diversity: float,
    pool: int,
    k: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Choose up to `k` places of each list: at most `most` of one category (-1: none), similar ones held back.

    Of the first `pool` places the next one chosen has the highest ``(1 - diversity) * score - diversity * similarity``: the
    score scaled to 0 ... 1 over the pool, the largest similarity to an item chosen before, the better place among equals.
    Once the pool is used up, the places behind it follow in their order.
    """
    n_lists = start.size - 1
    found_start = np.zeros(n_lists + 1, np.int64)
    found = np.empty(n_lists * k, np.int64)
    used = np.zeros(max(n_categories, 1), np.int64)
    used_for = np.full(max(n_categories, 1), -1, np.int64)
    likeness = np.zeros(near_start.size - 1, np.float64)
    liked_for = np.full(near_start.size - 1, -1, np.int64)
    taken = np.zeros(pool, np.bool_)
    kept = 0
    for r in range(n_lists):
        size = start[r + 1] - start[r]
        inside = min(size, pool) if diversity > 0.0 else 0
        taken[:inside] = False
        low, high = np.inf, -np.inf
        for p in range(inside):
            low = min(low, score[start[r] + p])
            high = max(high, score[start[r] + p])
        width = high - low
        behind = inside
        n = 0
        while n < k:
            best, best_value = -1, -np.inf
            for p in range(inside):
                i = item[start[r] + p]
                c = category[i]
                if taken[p] or (c >= 0 and used_for[c] == r and used[c] >= most):
                    continue
                scaled = (score[start[r] + p] - low) / width if width > 0.0 else 1.0
                value = (1.0 - diversity) * scaled
                if liked_for[i] == r:
                    value -= diversity * likeness[i]
                if value > best_value:
                    best, best_value = p, value
            if best >= 0:
                taken[best] = True
            else:
                while behind < size:
                    c = category[item[start[r] + behind]]
                    if c < 0 or used_for[c] != r or used[c] < most:
                        break
                    behind += 1
                if behind == size:
                    break
                best = behind
                behind += 1
            i = item[start[r] + best]
            c = category[i]
            if c >= 0:
                if used_for[c] != r:
                    used_for[c], used[c] = r, 0
                used[c] += 1
            found[kept] = start[r] + best
            kept += 1
            n += 1
            if inside > 0:
                for q in range(near_start[i], near_start[i + 1]):
                    j = near_item[q]
                    if liked_for[j] != r:
                        liked_for[j], likeness[j] = r, 0.0
                    likeness[j] = max(likeness[j], np.float64(near_similarity[q]))
        found_start[r + 1] = kept
    return found_start, found[:kept].copy()
