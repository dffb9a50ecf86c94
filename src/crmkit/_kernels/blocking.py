"""Blocking on arrays: blocks as dense keys, their sizes, and the pairs inside them, each made once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crmkit._jit import kernel
from crmkit._kernels.encode import mix

__all__ = ["block_ends", "count_window", "dense_keys", "in_block", "join_codes", "min_hashes", "pairs_in_blocks"]

Codes = NDArray[np.int32]


@kernel
def join_codes(first: NDArray[np.int64], second: Codes, size: int) -> NDArray[np.int64]:
    """Make one key of two codes, the second below `size`; -1 where either is missing."""
    out = np.empty(first.size, dtype=np.int64)
    for i in range(first.size):
        out[i] = -1 if first[i] < 0 or second[i] < 0 else first[i] * size + second[i]
    return out


@kernel
def dense_keys(keys: NDArray[np.int64]) -> tuple[Codes, int]:
    """Number the distinct keys 0, 1, ... in the order of their first rows; -1 stays. Return how many there are."""
    there = 0
    for i in range(keys.size):
        there += keys[i] >= 0
    size = 16
    while size < 2 * there:
        size *= 2
    table, number = np.full(size, np.int64(-1)), np.zeros(size, dtype=np.int32)
    out, found, last = np.empty(keys.size, dtype=np.int32), 0, size - 1
    for i in range(keys.size):
        key = keys[i]
        if key < 0:
            out[i] = -1
            continue
        place = np.int64(mix(key) & np.uint64(last))
        while table[place] >= 0 and table[place] != key:
            place = (place + 1) & last
        if table[place] < 0:
            table[place] = key
            number[place] = found
            found += 1
        out[i] = number[place]
    return out, found


@kernel
def block_ends(keys: Codes, n_keys: int) -> tuple[Codes, Codes]:
    """List rows by key, ascending inside a block; return them, and for each place where its block ends."""
    starts = np.zeros(n_keys + 1, dtype=np.int64)
    for i in range(keys.size):
        if keys[i] >= 0:
            starts[keys[i] + 1] += 1
    for k in range(n_keys):
        starts[k + 1] += starts[k]
    there = starts[n_keys]
    order, ends, place = np.empty(there, dtype=np.int32), np.empty(there, dtype=np.int32), starts[:-1].copy()
    for i in range(keys.size):
        key = keys[i]
        if key >= 0:
            order[place[key]] = i
            ends[place[key]] = starts[key + 1]
            place[key] += 1
    return order, ends


@kernel
def count_window(order: Codes, ends: Codes, side: NDArray[np.int8], allowed: NDArray[np.bool_]) -> int:
    """Count the pairs of allowed sides between each place and its end."""
    n = 0
    for place in range(order.size):
        for other in range(place + 1, ends[place]):
            n += allowed[side[order[place]], side[order[other]]]
    return n


@kernel
def pairs_in_blocks(
    keys: NDArray[np.int32],
    windows: Codes,
    rule: int,
    order: Codes,
    ends: Codes,
    side: NDArray[np.int8],
    allowed: NDArray[np.bool_],
    start: int,
    stop: int,
    size: int,
) -> tuple[Codes, Codes]:
    """List the pairs that `rule` makes and no earlier rule does, for rows at ``start <= place < stop``, smaller row first.

    `keys` holds a block number per rule and row, -1 where the rule does not apply; rows of one number are a pair, or, where the
    rule has a window, rows whose numbers differ by no more. `order` lists rows by the key of `rule`; partners of the row at
    `place` stand before ``ends[place]``. A pair counts only where ``allowed`` says so for the sides of its rows. At most `size`
    pairs arise. An earlier rule needs no look-up table: it makes the two rows a pair, or it does not.
    """
    left, right = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    n = 0
    for place in range(start, stop):
        i = order[place]
        for other in range(place + 1, ends[place]):
            j = order[other]
            if not allowed[side[i], side[j]]:
                continue
            new = True
            for earlier in range(rule):
                a, b = keys[earlier, i], keys[earlier, j]
                if a >= 0 and b >= 0 and abs(a - b) <= windows[earlier]:
                    new = False
                    break
            if new:
                left[n] = min(i, j)
                right[n] = max(i, j)
                n += 1
    return left[:n].copy(), right[:n].copy()


@kernel
def in_block(keys: Codes, window: int, left: Codes, right: Codes, out: NDArray[np.int8]) -> None:
    """Set `out` to 1 for the pairs that a rule makes; leave the others."""
    for k in range(left.size):
        a, b = keys[left[k]], keys[right[k]]
        if a >= 0 and b >= 0 and abs(a - b) <= window:
            out[k] = 1


@kernel
def min_hashes(characters: NDArray[np.int32], offsets: NDArray[np.int64], q: int, n_hashes: int) -> NDArray[np.uint64]:
    """For each string the least hash of its runs of `q` characters, under `n_hashes` hash functions.

    The share of functions under which two strings have one least hash estimates the share of runs they have in common.
    """
    out = np.full((offsets.size - 1, n_hashes), ~np.uint64(0))
    for k in range(offsets.size - 1):
        for start in range(offsets[k], max(offsets[k + 1] - q, offsets[k]) + 1):
            key = np.uint64(0)
            for i in range(start, min(start + q, offsets[k + 1])):
                key = mix(key ^ np.uint64(characters[i] + 1))
            for h in range(n_hashes):
                out[k, h] = min(out[k, h], mix(key ^ (np.uint64(h + 1) * np.uint64(0x9E3779B97F4A7C15))))
    return out
