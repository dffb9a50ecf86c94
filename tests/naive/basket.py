"""Itemsets and rules from their definition: all subsets of all baskets."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations


def frequent_itemsets(baskets, min_support, max_len=None):
    """Every set of items in a share of at least `min_support` of the baskets: {sorted tuple: count}."""
    counts = {}
    for basket in baskets:
        for size in range(1, min(len(basket), max_len or len(basket)) + 1):
            for found in combinations(sorted(basket), size):
                counts[found] = counts.get(found, 0) + 1
    return {found: count for found, count in counts.items() if count / len(baskets) >= min_support}


def closed(sets):
    return {s for s, count in sets.items() if not any(set(s) < set(t) and count == sets[t] for t in sets)}


def maximal(sets):
    return {s for s in sets if not any(set(s) < set(t) for t in sets)}


def rules(baskets, sets, min_confidence, max_consequent=None):
    """{(antecedent, consequent): measures}, counted anew from the baskets, in exact fractions where they are rational."""
    found, n = {}, len(baskets)
    for whole in sets:
        for size in range(1, len(whole)):
            for left in combinations(whole, size):
                right = tuple(item for item in whole if item not in left)
                x, y, both = (sum(set(part) <= basket for basket in baskets) for part in (left, right, whole))
                if both / x < min_confidence or len(right) > (max_consequent or len(right)):
                    continue
                p, px, py = Fraction(both, n), Fraction(x, n), Fraction(y, n)
                spread = max(p * (1 - px), px * (py - p))
                found[left, right] = {
                    "support": p,
                    "confidence": p / px,
                    "lift": p / px / py,
                    "leverage": p - px * py,
                    "conviction": 1 if py == 1 else math.inf if p == px else (1 - py) / (1 - p / px),
                    "zhang": (p - px * py) / spread if spread else 0,
                    "p_value": fisher(both, x, y, n),
                    "antecedent_support": px,
                    "consequent_support": py,
                    "jaccard": p / (px + py - p),
                    "certainty": (p / px - py) / (1 - py) if py < 1 else 0,
                    "kulczynski": (p / px + p / py) / 2,
                    "imbalance": abs(px - py) / (px + py - p),
                }
    return found


def fisher(both, x, y, n):
    """Probability that a random x of n share `both` or more with a given y of n."""
    ways = sum(math.comb(y, k) * math.comb(n - y, x - k) for k in range(both, min(x, y) + 1))
    return Fraction(ways, math.comb(n, x))
