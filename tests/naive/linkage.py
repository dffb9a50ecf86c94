"""Record linkage by its definitions, slowly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations


def pairs_in_blocks(keys: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    """Pairs of rows that share a block under some rule; -1 shares with nobody."""
    return {(i, j) for i, j in combinations(range(len(keys[0])), 2) if any(rule[i] >= 0 and rule[i] == rule[j] for rule in keys)}


def pairs_of_rules(keys: Sequence[Sequence[int]], windows: dict[int, int]) -> set[tuple[int, int]]:
    """Pairs that some rule makes: rows of one block, or, for a rule with a window, rows at most so many places apart in order."""
    found = set()
    for number, rule in enumerate(keys):
        if number not in windows:
            found |= pairs_in_blocks([rule])
            continue
        order = sorted((i for i in range(len(rule)) if rule[i] >= 0), key=lambda i: (rule[i], i))
        for place, i in enumerate(order):
            found |= {(min(i, j), max(i, j)) for j in order[place + 1 : place + 1 + windows[number]]}
    return found


def match_weight(levels: Sequence[int], m: Sequence[Sequence[float]], u: Sequence[Sequence[float]], prior: float) -> float:
    """Log odds in bits that a pair is a match; a level of -1 is silent."""
    odds = prior / (1 - prior)
    for field, level in enumerate(levels):
        if level >= 0:
            odds *= m[field][level] / u[field][level]
    return math.log2(odds)


def components(n: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Flood fill from every node, smallest first."""
    number = [-1] * n
    found = 0
    for start in range(n):
        if number[start] >= 0:
            continue
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if number[node] < 0:
                number[node] = found
                waiting += [b if a == node else a for a, b in edges if node in (a, b)]
        found += 1
    return number
