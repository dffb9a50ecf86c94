"""The Net Promoter Score from its definition, answer by answer, and the coverage of an interval over every possible sample."""

from __future__ import annotations

import math


def worth(score):
    """Say what an answer counts: 1 for a promoter, -1 for a detractor."""
    return 1 if score >= 9 else -1 if score <= 6 else 0


def nps(scores, pseudo=(0.0, 0.0, 0.0), z=1.959963984540054):
    """Score and interval on -100 ... 100, from a weighted list of -1, 0 and 1."""
    worths = [worth(score) for score in scores]
    rows = [(w, 1.0) for w in worths] + list(zip((-1, 0, 1), pseudo, strict=True))
    n = sum(weight for _, weight in rows)
    mean = sum(w * weight for w, weight in rows) / n
    variance = sum(w * w * weight for w, weight in rows) / n - mean**2
    se = math.sqrt(max(variance, 0.0) / n)
    low, high = max(-1.0, mean - z * se), min(1.0, mean + z * se)
    return 100 * sum(worths) / len(worths), 100 * low, 100 * high, 100 * se


def outcomes(n):
    """All (detractors, passives, promoters) of n answers."""
    return [(d, n - d - p, p) for d in range(n + 1) for p in range(n + 1 - d)]


def probability(outcome, shares):
    """Multinomial probability of one outcome."""
    log = math.lgamma(sum(outcome) + 1)
    for count, share in zip(outcome, shares, strict=True):
        if count:
            log += count * math.log(share) - math.lgamma(count + 1)
    return math.exp(log)
