"""Similarity of strings given as runs of dense character codes: one long array, and offsets where each string starts.

A pair is two string numbers. `alphabet` is the number of distinct characters: every code is below it, which makes the
table of a string's character positions an array, not a dictionary.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crmkit._jit import kernel
from crmkit._kernels.encode import ones

__all__ = ["character_masks", "jaro_winkler", "levenshtein", "osa"]

Characters = NDArray[np.uint8] | NDArray[np.int32]

PREFIX_WEIGHT = 0.1
PREFIX_CAP = 4
BOOST_ABOVE = 0.7


@kernel
def character_masks(characters: Characters, offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """For each string the set of its characters, modulo 64, as bits."""
    masks = np.zeros(offsets.size - 1, dtype=np.uint64)
    for k in range(masks.size):
        for i in range(offsets[k], offsets[k + 1]):
            masks[k] |= np.uint64(1) << np.uint64(characters[i] & 63)
    return masks


@kernel
def jaro_winkler(
    characters: Characters,
    offsets: NDArray[np.int64],
    masks: NDArray[np.uint64],
    alphabet: int,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    cut: float,
) -> NDArray[np.float64]:
    """Jaro-Winkler similarity of each pair; two empty strings are equal, one empty has nothing in common.

    With `cut` above 0 a pair that cannot reach it, by lengths, prefix and sets of characters, is 0 without more work; a pair
    that reaches it is never lost.
    """
    out = np.empty(left.size, dtype=np.float64)
    table, heads = np.zeros(max(alphabet, 1), dtype=np.uint64), np.full(max(alphabet, 1), -1)
    for k in range(left.size):
        s_start, s_end = offsets[left[k]], offsets[left[k] + 1]
        t_start, t_end = offsets[right[k]], offsets[right[k] + 1]
        if s_start == s_end or t_start == t_end:
            out[k] = 1.0 if s_end - s_start == t_end - t_start else 0.0
            continue
        s, t = characters[s_start:s_end], characters[t_start:t_end]
        prefix = 0
        while prefix < min(s.size, t.size, PREFIX_CAP) and s[prefix] == t[prefix]:
            prefix += 1
        if cut > 0.0:
            s_only = int(ones(masks[left[k]] & ~masks[right[k]]))
            t_only = int(ones(masks[right[k]] & ~masks[left[k]]))
            if _at_most(s.size, t.size, s_only, t_only, prefix) < cut:
                out[k] = 0.0
                continue
        reach = max(max(s.size, t.size) // 2 - 1, 0)
        if s.size <= 64 and t.size <= 64:
            common, moved = _common_bits(s, t, reach, table)
        else:
            common, moved = _common_arrays(s, t, reach, heads)
        if common == 0:
            out[k] = 0.0
            continue
        # the order of these additions is part of the result: it keeps the last bit the same everywhere
        similarity = common / s.size
        similarity += common / t.size
        similarity += (common - moved // 2) / common
        similarity /= 3.0
        if similarity > BOOST_ABOVE:
            similarity = min(similarity + prefix * PREFIX_WEIGHT * (1.0 - similarity), 1.0)
        out[k] = similarity
    return out


@kernel
def _at_most(s_size: int, t_size: int, s_only: int, t_only: int, prefix: int) -> float:
    """Bound the similarity of two strings of a common prefix, of which so many different characters are in one only."""
    common = min(s_size - s_only, t_size - t_only)
    jaro = (common / s_size + common / t_size + 1.0) / 3.0
    # a hair above, since the sums of the measure itself are rounded
    return jaro + prefix * PREFIX_WEIGHT * (1.0 - jaro) + 1e-9


@kernel
def _common_bits(s: Characters, t: Characters, reach: int, table: NDArray[np.uint64]) -> tuple[int, int]:
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

    moved, j = 0, 0
    if common > 1:  # one character alone has no order
        while t_taken != zero:
            if t_taken & one != zero:
                lowest = s_taken & (~s_taken + one)
                if table[t[j]] & lowest == zero:
                    moved += 1
                s_taken ^= lowest
            t_taken >>= one
            j += 1

    for i in range(s.size):
        table[s[i]] = zero
    return common, moved


@kernel
def _common_arrays(s: Characters, t: Characters, reach: int, heads: NDArray[np.int64]) -> tuple[int, int]:
    """Do what `_common_bits` does for strings of any length, in steps that grow with the length.

    The first free place of a character within reach is taken; those before it are out of reach for good, so that a list of places
    per character is walked once. `heads` is scratch of one place per character, all -1 on entry and on return.
    """
    s_taken, t_taken = np.zeros(s.size, dtype=np.bool_), np.zeros(t.size, dtype=np.bool_)
    following = np.empty(s.size, dtype=np.int64)
    for back in range(s.size):
        i = s.size - 1 - back
        following[i] = heads[s[i]]
        heads[s[i]] = i
    common = 0
    for j in range(t.size):
        i = heads[t[j]]
        while 0 <= i < j - reach:
            i = following[i]
        if 0 <= i <= j + reach:
            s_taken[i] = True
            t_taken[j] = True
            common += 1
            i = following[i]
        heads[t[j]] = i
    for i in range(s.size):
        heads[s[i]] = -1

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
    characters: Characters,
    offsets: NDArray[np.int64],
    alphabet: int,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    most: int,
) -> NDArray[np.int64]:
    """Least number of insertions, deletions and substitutions that turn one string of each pair into the other.

    With `most` of 0 or more, what is above it may come out as any number above it.
    """
    out = np.empty(left.size, dtype=np.int64)
    table = np.zeros(max(alphabet, 1), dtype=np.uint64)
    for k in range(left.size):
        s_start, s_end = offsets[left[k]], offsets[left[k] + 1]
        t_start, t_end = offsets[right[k]], offsets[right[k] + 1]
        s, t = characters[s_start:s_end], characters[t_start:t_end]
        if s.size > t.size:
            s, t = t, s
        if s.size == 0 or 0 <= most < t.size - s.size:
            out[k] = t.size
        elif s.size <= 63:
            out[k] = _edits_bits(s, t, table)
        else:
            out[k] = _edits_rows(s, t, most if most >= 0 else t.size)
    return out


@kernel
def _edits_bits(s: Characters, t: Characters, table: NDArray[np.uint64]) -> int:
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
def _edits_rows(s: Characters, t: Characters, most: int) -> int:
    """Edit distance by the textbook recursion, one row at a time: any length.

    Cells more than `most` places off the diagonal cannot be on a way of so few edits; they stay above it.
    """
    row = np.arange(s.size + 1)
    row[most + 1 :] = s.size + t.size
    for j in range(t.size):
        low = max(j - most, 0)
        corner = row[low]
        row[low] = j + 1 if low == 0 else s.size + t.size
        for i in range(low, min(j + most + 1, s.size)):
            replaced = corner + (0 if s[i] == t[j] else 1)
            corner = row[i + 1]
            row[i + 1] = min(replaced, corner + 1, row[i] + 1)
    return int(row[s.size])


@kernel
def osa(
    characters: Characters,
    offsets: NDArray[np.int64],
    alphabet: int,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    most: int,
) -> NDArray[np.int64]:
    """Least number of edits of each pair, where two neighbours that changed places are one edit; `most` as in `levenshtein`."""
    out = np.empty(left.size, dtype=np.int64)
    table = np.zeros(max(alphabet, 1), dtype=np.uint64)
    for k in range(left.size):
        s_start, s_end = offsets[left[k]], offsets[left[k] + 1]
        t_start, t_end = offsets[right[k]], offsets[right[k] + 1]
        s, t = characters[s_start:s_end], characters[t_start:t_end]
        if s.size > t.size:
            s, t = t, s
        if s.size == 0 or 0 <= most < t.size - s.size:
            out[k] = t.size
        elif s.size <= 63:
            out[k] = _osa_bits(s, t, table)
        else:
            out[k] = _osa_rows(s, t, most if most >= 0 else t.size)
    return out


@kernel
def _osa_bits(s: Characters, t: Characters, table: NDArray[np.uint64]) -> int:
    """Do what `_edits_bits` does, with exchanged neighbours as diagonal steps (Hyyro's form)."""
    zero, one = np.uint64(0), np.uint64(1)
    for i in range(s.size):
        table[s[i]] |= one << np.uint64(i)

    used = (one << np.uint64(s.size)) - one
    last = one << np.uint64(s.size - 1)
    up, down, diagonal, before = used, zero, zero, zero
    edits = s.size
    for j in range(t.size):
        match = table[t[j]]
        exchanged = ((~diagonal & match) << one) & before
        diagonal = (((((match & up) + up) ^ up) | match | down) | exchanged) & used
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
        before = match

    for i in range(s.size):
        table[s[i]] = zero
    return edits


@kernel
def _osa_rows(s: Characters, t: Characters, most: int) -> int:
    """Distance by the textbook recursion over three rows: any length; `most` as in `_edits_rows`."""
    far = s.size + t.size
    before, row, after = np.full(s.size + 1, far), np.arange(s.size + 1), np.full(s.size + 1, far)
    row[most + 1 :] = far
    for j in range(t.size):
        low = max(j - most, 0)
        after[low] = j + 1 if low == 0 else far
        for i in range(low, min(j + most + 1, s.size)):
            best = min(row[i] + (0 if s[i] == t[j] else 1), row[i + 1] + 1, after[i] + 1)
            if i > 0 and j > 0 and s[i] == t[j - 1] and s[i - 1] == t[j]:
                best = min(best, before[i - 1] + 1)
            after[i + 1] = best
        before, row, after = row, after, before
    return int(row[s.size])
