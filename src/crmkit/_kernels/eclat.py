"""Frequent itemsets: baskets that hold a set of items, found by intersecting bit sets.

The lattice is walked depth first. Each first item has a small world of its own: the baskets it is in, numbered anew, so
that the others' bit sets are as short as that item is rare. Items are numbered by rising count, so that the rare ones,
whose worlds are small, have the many partners, and the common ones the few.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["mine", "standing"]


@kernel
def _ones(x: np.uint64) -> int:
    """Count the bits of a word; in this form compilers know it for the processor's own instruction."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int(np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56)))


@kernel
def _longer(values: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Return the array with room for at least `size`, its content kept."""
    grown = np.empty(max(size, 2 * values.size), values.dtype)
    grown[: values.size] = values
    return grown


@kernel
def standing(
    basket_start: npt.NDArray[np.int64], basket_item: npt.NDArray[np.int32], n_items: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the baskets of every item as compressed rows, and where in `basket_item` the item stands."""
    start = np.zeros(n_items + 1, np.int64)
    for q in range(basket_item.size):
        start[basket_item[q] + 1] += 1
    for i in range(n_items):
        start[i + 1] += start[i]
    place = start[:-1].copy()
    basket = np.empty(basket_item.size, np.int32)
    at = np.empty(basket_item.size, np.int64)
    for t in range(basket_start.size - 1):
        for q in range(basket_start[t], basket_start[t + 1]):
            i = basket_item[q]
            basket[place[i]] = t
            at[place[i]] = q
            place[i] += 1
    return start, basket, at


@kernel
def mine(
    basket_start: npt.NDArray[np.int64],
    basket_item: npt.NDArray[np.int32],
    item_start: npt.NDArray[np.int64],
    item_basket: npt.NDArray[np.int32],
    item_place: npt.NDArray[np.int64],
    code: npt.NDArray[np.int32],
    least: int,
    max_len: int,
    most: int,
    first: int,
    last: int,
    piece: int,
    found: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Find the sets in `least` baskets or more whose rarest item is one of `first` to `last`.

    Items of a basket ascend; `code` turns them into the codes that are returned, ascending in each set: set s is
    ``item[start[s]:start[s + 1]]``, in ``count[s]`` baskets. Each piece of work notes in ``found[piece]`` how many sets it
    has; all stop soon after they have more than `most` together.
    """
    n_items = item_start.size - 1
    longest = 0
    for t in range(basket_start.size - 1):
        longest = max(longest, basket_start[t + 1] - basket_start[t])
    max_len = min(max_len, longest)

    start = np.zeros(256, np.int64)
    count = np.empty(256, np.int64)
    item = np.empty(1024, np.int32)
    n_sets = 0

    pairs = np.zeros(n_items, np.int64)
    slot = np.full(n_items, -1, np.int64)
    touched = np.empty(n_items, np.int32)
    # the classes of the path that is walked lie one behind the other: members, their counts, their bit sets
    member = np.empty(64, np.int64)
    held = np.empty(64, np.int64)
    bits = np.empty(1024, np.uint64)
    high = np.zeros(longest + 2, np.int64)
    cursor = np.zeros(longest + 2, np.int64)
    path = np.empty(longest + 2, np.int32)

    for i in range(first, last):
        if found.sum() > most:
            break
        n_in = item_start[i + 1] - item_start[i]
        path[0] = i
        high[0] = cursor[0] = 0
        size = 0
        if max_len > 1:
            # the items behind the first one in its baskets; they ascend, so that they are those of a higher number
            work = 0
            for p in range(item_start[i], item_start[i + 1]):
                end = basket_start[item_basket[p] + 1]
                work += end - item_place[p]
                for q in range(item_place[p] + 1, end):
                    pairs[basket_item[q]] += 1
            if member.size < min(work, n_items):
                member = _longer(member, min(work, n_items))
                held = _longer(held, min(work, n_items))
            if work >= n_items - i:
                for j in range(i + 1, n_items):
                    if pairs[j] >= least:
                        slot[j] = size
                        member[size] = j
                        held[size] = pairs[j]
                        size += 1
                    pairs[j] = 0
            else:
                # few baskets and many items: those that were met are met again
                n_touched = 0
                for p in range(item_start[i], item_start[i + 1]):
                    for q in range(item_place[p] + 1, basket_start[item_basket[p] + 1]):
                        if pairs[basket_item[q]] >= least:
                            touched[n_touched] = basket_item[q]
                            n_touched += 1
                            held[n_touched - 1] = pairs[basket_item[q]]
                            pairs[basket_item[q]] = 0
                partners = np.argsort(touched[:n_touched])
                counts = held[:n_touched].copy()
                for p in range(n_touched):
                    j = touched[partners[p]]
                    slot[j] = size
                    member[size] = j
                    held[size] = counts[partners[p]]
                    size += 1
                for p in range(item_start[i], item_start[i + 1]):
                    for q in range(item_place[p] + 1, basket_start[item_basket[p] + 1]):
                        pairs[basket_item[q]] = 0
        words = (n_in + 63) >> 6
        if size > 1 and max_len > 2:
            if bits.size < size * words:
                bits = np.empty(max(size * words, 2 * bits.size), np.uint64)
            bits[: size * words] = np.uint64(0)
            for p in range(n_in):
                bit = np.uint64(1) << np.uint64(p & 63)
                entry = item_start[i] + p
                for q in range(item_place[entry] + 1, basket_start[item_basket[entry] + 1]):
                    s = slot[basket_item[q]]
                    if s >= 0:
                        bits[s * words + (p >> 6)] |= bit
        for p in range(size):
            slot[member[p]] = -1

        # depth 0 is the first item by itself
        depth, n_here = 0, n_in
        high[1], cursor[1] = size, 0
        while depth >= 0:
            # note the set that the path stands for
            if n_sets + 2 > start.size:
                start = _longer(start, n_sets + 2)
                count = _longer(count, n_sets + 2)
            end = start[n_sets]
            if end + depth + 1 > item.size:
                more = np.empty(2 * (end + depth + 1), np.int32)
                more[:end] = item[:end]
                item = more
            for d in range(depth + 1):
                c = code[path[d]]
                p = end + d
                while p > end and item[p - 1] > c:
                    item[p] = item[p - 1]
                    p -= 1
                item[p] = c
            count[n_sets] = n_here
            n_sets += 1
            start[n_sets] = end + depth + 1
            if n_sets > most:
                break

            # what can still follow the last item of the path, with all of it
            a = cursor[depth] - 1
            if depth > 0:
                top = high[depth]
                if depth + 1 < max_len:
                    for b in range(a + 1, high[depth]):
                        if (top + 1) * words > bits.size:
                            wider = np.empty(2 * (top + 1) * words, np.uint64)
                            wider[: top * words] = bits[: top * words]
                            bits = wider
                        total = 0
                        for w in range(words):
                            both = bits[a * words + w] & bits[b * words + w]
                            bits[top * words + w] = both
                            total += _ones(both)
                        if total >= least:
                            if top + 1 > member.size:
                                member = _longer(member, top + 1)
                                held = _longer(held, top + 1)
                            member[top] = member[b]
                            held[top] = total
                            top += 1
                high[depth + 1], cursor[depth + 1] = top, high[depth]
            depth += 1
            while depth > 0 and cursor[depth] == high[depth]:
                depth -= 1
            if depth == 0:
                break
            path[depth] = member[cursor[depth]]
            n_here = held[cursor[depth]]
            cursor[depth] += 1
        found[piece] = n_sets
    return start[: n_sets + 1].copy(), item[: start[n_sets]].copy(), count[:n_sets].copy()
