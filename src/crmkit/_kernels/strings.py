"""Similarity of strings given as runs of dense character codes: one long array, and offsets where each string starts.

A pair is two string numbers. `alphabet` is the number of distinct characters: every code is below it, which makes the
table of a string's character positions an array, not a dictionary.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crmkit._jit import kernel

__all__ = ["jaro_winkler", "levenshtein"]

PREFIX_WEIGHT = 0.1
PREFIX_CAP = 4
BOOST_ABOVE = 0.7


@kernel
def jaro_winkler(
    characters: NDArray[np.int32],
    offsets: NDArray[np.int64],
    alphabet: int,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Jaro-Winkler similarity of each pair; two empty strings are equal, one empty has nothing in common."""
    out = np.empty(left.size, dtype=np.float64)
    table = np.zeros(max(alphabet, 1), dtype=np.uint64)
    for k in range(left.size):
        s_start, s_end = offsets[left[k]], offsets[left[k] + 1]
        t_start, t_end = offsets[right[k]], offsets[right[k] + 1]
        s, t = characters[s_start:s_end], characters[t_start:t_end]
        if s.size == 0 or t.size == 0:
            out[k] = 1.0 if s.size == t.size else 0.0
            continue
        reach = max(max(s.size, t.size) // 2 - 1, 0)
        if s.size <= 64 and t.size <= 64:
            common, moved = _common_bits(s, t, reach, table)
        else:
            common, moved = _common_arrays(s, t, reach)
        if common == 0:
            out[k] = 0.0
            continue
        # the order of these additions is part of the result: it keeps the last bit the same everywhere
        similarity = common / s.size
        similarity += common / t.size
        similarity += (common - moved // 2) / common
        similarity /= 3.0
        if similarity > BOOST_ABOVE:
            prefix = 0
            while prefix < min(s.size, t.size, PREFIX_CAP) and s[prefix] == t[prefix]:
                prefix += 1
            similarity = min(similarity + prefix * PREFIX_WEIGHT * (1.0 - similarity), 1.0)
        out[k] = similarity
    return out


@kernel
def _common_bits(s: NDArray[np.int32], t: NDArray[np.int32], reach: int, table: NDArray[np.uint64]) -> tuple[int, int]:
    """Count the characters in common within `reach`, and how many of them stand in another order; both up to 64 long.

    `table` is scratch of one word per character, all zero on entry and on return.
    """
    zero, one = np.uint64(0), np.uint64(1)
    for i in range(s.size):
        table[s[i]] |= one << np.uint64(i)

    # bit i of `window`: position i of s is within reach of position j of t
    window = ~zero if reach >= 63 else (one << np.uint64(reach + 1)) - one
    s_taken, t_taken = zero, zero
    common = 0
    for j in range(t.size):
        free = table[t[j]] & window & ~s_taken
        if free != zero:
            s_taken |= free & (~free + one)  # the lowest free position
            t_taken |= one << np.uint64(j)
            common += 1
        window = window << one
        if j < reach:
            window |= one

    moved = 0
    for j in range(t.size):
        if (t_taken >> np.uint64(j)) & one != zero:
            lowest = s_taken & (~s_taken + one)
            if table[t[j]] & lowest == zero:
                moved += 1
            s_taken ^= lowest

    for i in range(s.size):
        table[s[i]] = zero
    return common, moved


@kernel
def _common_arrays(s: NDArray[np.int32], t: NDArray[np.int32], reach: int) -> tuple[int, int]:
    """Do what `_common_bits` does for strings of any length."""
    s_taken, t_taken = np.zeros(s.size, dtype=np.bool_), np.zeros(t.size, dtype=np.bool_)
    common = 0
    for j in range(t.size):
        for i in range(max(j - reach, 0), min(j + reach + 1, s.size)):
            if not s_taken[i] and s[i] == t[j]:
                s_taken[i] = True
                t_taken[j] = True
                common += 1
                break

    moved, i = 0, 0
    for j in range(t.size):
        if t_taken[j]:
            while not s_taken[i]:
                i += 1
            if s[i] != t[j]:
                moved += 1
            i += 1
    return common, moved


@kernel
def levenshtein(
    characters: NDArray[np.int32],
    offsets: NDArray[np.int64],
    alphabet: int,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
) -> NDArray[np.int64]:
    """Least number of insertions, deletions and substitutions that turn one string of each pair into the other."""
    out = np.empty(left.size, dtype=np.int64)
    table = np.zeros(max(alphabet, 1), dtype=np.uint64)
    for k in range(left.size):
        s_start, s_end = offsets[left[k]], offsets[left[k] + 1]
        t_start, t_end = offsets[right[k]], offsets[right[k] + 1]
        s, t = characters[s_start:s_end], characters[t_start:t_end]
        if s.size > t.size:
            s, t = t, s
        if s.size == 0:
            out[k] = t.size
        elif s.size <= 63:
            out[k] = _edits_bits(s, t, table)
        else:
            out[k] = _edits_rows(s, t)
    return out


@kernel
def _edits_bits(s: NDArray[np.int32], t: NDArray[np.int32], table: NDArray[np.uint64]) -> int:
    """Edit distance by Myers' bit vectors (Hyyro's form): column j of the table as its vertical steps up and down.

    `s` has 1 to 63 characters: the one addition then never leaves 64 bits. `table` is zero on entry and on return.
    """
    zero, one = np.uint64(0), np.uint64(1)
    for i in range(s.size):
        table[s[i]] |= one << np.uint64(i)

    used = (one << np.uint64(s.size)) - one
    last = one << np.uint64(s.size - 1)
    up, down = used, zero
    edits = s.size
    for j in range(t.size):
        match = table[t[j]]
        diagonal = ((((match & up) + up) ^ up) | match | down) & used
        right_up = (down | ~(diagonal | up)) & used
        right_down = diagonal & up
        if right_up & last != zero:
            edits += 1
        if right_down & last != zero:
            edits -= 1
        right_up = ((right_up << one) | one) & used
        right_down = (right_down << one) & used
        up = (right_down | ~(diagonal | right_up)) & used
        down = right_up & diagonal

    for i in range(s.size):
        table[s[i]] = zero
    return edits


@kernel
def _edits_rows(s: NDArray[np.int32], t: NDArray[np.int32]) -> int:
    """Edit distance by the textbook recursion, one row at a time: any length."""
    row = np.arange(s.size + 1)
    for j in range(t.size):
        corner = row[0]
        row[0] = j + 1
        for i in range(s.size):
            replaced = corner + (0 if s[i] == t[j] else 1)
            corner = row[i + 1]
            row[i + 1] = min(replaced, corner + 1, row[i] + 1)
    return int(row[s.size])
