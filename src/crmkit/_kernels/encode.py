"""Turning ids into small integers: the one expensive step of every analysis, done once.

Keys are 64-bit integers, mixed so that their leading bits spread evenly. Integer ids and strings of up to seven bytes have
keys of their own; longer strings are hashed, and the bytes decide where hashes meet. Work is cut by the leading bits of the
key, so that every piece owns its keys, its table stays in the cache, and no lock is needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

NO_ROW = -1
SHORT = 7  # bytes that fit into a key beside the length


@kernel
def mix(key: int | np.integer[Any]) -> np.uint64:
    """Spread the bits of a key (the finaliser of MurmurHash3): a bijection of 64-bit integers."""
    h = np.uint64(key)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    h ^= h >> np.uint64(33)
    return h


@kernel
def ones(word: np.uint64) -> np.int64:
    """Count the bits that are set in a 64-bit word; compilers know this sum as one instruction."""
    w = np.uint64(word)
    w -= (w >> np.uint64(1)) & np.uint64(0x5555555555555555)
    w = (w & np.uint64(0x3333333333333333)) + ((w >> np.uint64(2)) & np.uint64(0x3333333333333333))
    w = (w + (w >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((w * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def mark_present(values: Longs, valid: Bools, lowest: int, bits: Keys) -> None:
    """Set bit ``value - lowest`` for every value that is there."""
    for i in range(values.size):
        if valid.size == 0 or valid[i]:
            offset = values[i] - lowest
            bits[offset >> 6] |= np.uint64(1) << np.uint64(offset & 63)


@kernel
def count_before(bits: Keys, before: Codes) -> int:
    """Write how many bits are set before each word; return how many there are in all."""
    n = 0
    for word in range(bits.size):
        before[word] = n
        n += int(ones(bits[word]))
    return n


@kernel
def look_up(values: Longs, valid: Bools, lowest: int, bits: Keys, before: Codes, start: int, stop: int, codes: Codes) -> None:
    """Replace the values in rows ``start:stop`` by how many present values are smaller, a missing one by -1."""
    for i in range(start, stop):
        if valid.size and not valid[i]:
            codes[i] = -1
        else:
            offset = values[i] - lowest
            below = (np.uint64(1) << np.uint64(offset & 63)) - np.uint64(1)
            codes[i] = before[offset >> 6] + ones(bits[offset >> 6] & below)


@kernel
def mix_integers(values: Longs, start: int, stop: int, keys: Keys) -> None:
    """Write the keys of the integers ``start:stop``."""
    for i in range(start, stop):
        keys[i] = mix(values[i])


@kernel
def hash_strings(offsets: Longs, data: Bytes, valid: Bools, start: int, stop: int, keys: Keys) -> None:
    """Write the keys of the strings ``start:stop``.

    Up to seven bytes, the bytes and the length make the key. Longer ones are hashed, with a bit set that no length has: a
    short string never meets a long one.
    """
    for i in range(start, stop):
        if valid.size and not valid[i]:
            keys[i] = 0
            continue
        first, length = offsets[i], offsets[i + 1] - offsets[i]
        if length <= SHORT:
            key = np.uint64(0)
            for j in range(length):
                key |= np.uint64(data[first + j]) << np.uint64(56 - 8 * j)
            keys[i] = mix(key | np.uint64(length))
        else:
            key = np.uint64(0xCBF29CE484222325) ^ np.uint64(length)
            word, filled = np.uint64(0), 0
            for j in range(length):
                word |= np.uint64(data[first + j]) << np.uint64(8 * filled)
                filled += 1
                if filled == 8:
                    key = mix(key ^ word) + np.uint64(0x9E3779B97F4A7C15)
                    word, filled = np.uint64(0), 0
            if filled:
                key = mix(key ^ word) + np.uint64(0x9E3779B97F4A7C15)
            keys[i] = mix(key | np.uint64(0x80))


@kernel
def longer(values: npt.NDArray[Any], n: int, wanted: int) -> npt.NDArray[Any]:
    """Copy the first `n` of `values` into an array with room for at least `wanted`."""
    room = np.empty(max(wanted, 2 * values.size), values.dtype)
    room[:n] = values[:n]
    return room


@kernel
def encode_part(keys: Keys, valid: Bools, offsets: Longs, data: Bytes, part: int, shift: int, codes: Codes) -> Longs:
    """Number the distinct keys of one part from 0 by first appearance; return the rows of their first appearance.

    A key belongs to the part that its leading bits name (`shift` = 64: there is one part). With `offsets`, keys are of
    strings: those above seven bytes count as equal only if their bytes are. The bytes of the distinct strings are kept
    together, since looking them up where they stand in the column would miss the cache at every row.
    """
    capacity = 1 << 10
    mask = capacity - 1
    table = np.full(capacity, NO_ROW, np.int32)
    unique_keys = np.empty(capacity, np.uint64)
    first_rows = np.empty(capacity, np.int64)
    pool = np.empty(16 * capacity, np.uint8)
    pool_start = np.zeros(capacity + 1, np.int64)
    n = 0
    for i in range(keys.size):
        key = keys[i]
        if shift < 64 and np.int64(key >> np.uint64(shift)) != part:
            continue
        if valid.size and not valid[i]:
            continue
        begin, length = 0, 0
        if offsets.size:
            begin, length = offsets[i], offsets[i + 1] - offsets[i]
        slot = np.int64(key) & mask
        code = table[slot]
        while code != NO_ROW:
            if unique_keys[code] == key:
                if length <= SHORT:
                    break
                known = pool_start[code]
                same = pool_start[code + 1] - known == length
                k = 0
                while same and k < length:
                    same = pool[known + k] == data[begin + k]
                    k += 1
                if same:
                    break
            slot = (slot + 1) & mask
            code = table[slot]
        if code == NO_ROW:
            if 2 * n >= capacity:
                capacity *= 2
                mask = capacity - 1
                unique_keys, first_rows = longer(unique_keys, n, capacity), longer(first_rows, n, capacity)
                pool_start = longer(pool_start, n + 1, capacity + 1)
                table = np.full(capacity, NO_ROW, np.int32)
                for number in range(n):
                    slot = np.int64(unique_keys[number]) & mask
                    while table[slot] != NO_ROW:
                        slot = (slot + 1) & mask
                    table[slot] = number
                slot = np.int64(key) & mask
                while table[slot] != NO_ROW:
                    slot = (slot + 1) & mask
            code = np.int32(n)
            table[slot] = code
            unique_keys[n] = key
            first_rows[n] = i
            stored = length if length > SHORT else 0
            if pool_start[n] + stored > pool.size:
                pool = longer(pool, pool_start[n], pool_start[n] + stored)
            pool[pool_start[n] : pool_start[n] + stored] = data[begin : begin + stored]
            pool_start[n + 1] = pool_start[n] + stored
            n += 1
        codes[i] = code
    return first_rows[:n].copy()


@kernel
def recode(
    codes: Codes,
    keys: Keys,
    valid: Bools,
    shift: int,
    part_start: Longs,
    rank: Codes,
    start: int,
    stop: int,
) -> None:
    """Turn part-wise numbers into ranks over all parts, in place; missing rows become -1."""
    for i in range(start, stop):
        if valid.size and not valid[i]:
            codes[i] = -1
        else:
            part = np.int64(keys[i] >> np.uint64(shift)) if shift < 64 else 0
            codes[i] = rank[part_start[part] + codes[i]]


@kernel
def common_prefix(offsets: Longs, data: Bytes, rows: Longs) -> int:
    """Length in bytes of the prefix that all strings at `rows` share."""
    first = offsets[rows[0]]
    shared = int(offsets[rows[0] + 1] - first)
    for k in range(1, rows.size):
        begin = offsets[rows[k]]
        shared = min(shared, int(offsets[rows[k] + 1] - begin))
        j = 0
        while j < shared and data[begin + j] == data[first + j]:
            j += 1
        shared = j
    return shared


@kernel
def eight_bytes(offsets: Longs, data: Bytes, rows: Longs, depth: int) -> Keys:
    """Bytes `depth` to `depth + 8` of the strings at `rows` as sortable integers, zero behind the end."""
    keys = np.empty(rows.size, np.uint64)
    for k in range(rows.size):
        begin, end = offsets[rows[k]] + depth, offsets[rows[k] + 1]
        key = np.uint64(0)
        for j in range(min(8, max(0, end - begin))):
            key |= np.uint64(data[begin + j]) << np.uint64(56 - 8 * j)
        keys[k] = key
    return keys


@kernel
def first_rows(codes: Codes, rows: Longs) -> None:
    """Write the first row of every code."""
    rows[:] = NO_ROW
    for i in range(codes.size):
        if codes[i] >= 0 and rows[codes[i]] == NO_ROW:
            rows[codes[i]] = i
