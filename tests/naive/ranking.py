"""Metrics of a ranking from their definitions: pairs, thresholds and orders of ties, one at a time."""

import itertools
import math
from fractions import Fraction

import numpy as np


def auc(y, p):
    """Share of pairs in the right order, ties by half."""
    ones = [s for s, label in zip(p, y, strict=True) if label]
    zeros = [s for s, label in zip(p, y, strict=True) if not label]
    won = sum(Fraction(2 * int(a > b) + int(a == b), 2) for a in ones for b in zeros)
    return float(won / (len(ones) * len(zeros)))


def delong_variance(y, p, q=None):
    """Variance of the AUC of `p`, or of its difference from that of `q`, by placements."""

    def placements(scores):
        ones = [s for s, label in zip(scores, y, strict=True) if label]
        zeros = [s for s, label in zip(scores, y, strict=True) if not label]
        psi = np.array([[(a > b) + (a == b) / 2 for b in zeros] for a in ones])
        return psi.mean(axis=1), psi.mean(axis=0)

    v, w = placements(p)
    if q is not None:
        other_v, other_w = placements(q)
        v, w = v - other_v, w - other_w
    return v.var(ddof=1) / v.size + w.var(ddof=1) / w.size


def average_precision(y, p, weight=None):
    """Precision at every threshold times the recall it adds; rows may have weights, so that one can be moved a little."""
    weight = np.ones(len(y)) if weight is None else weight
    total = (weight * y).sum()
    value, before = 0.0, 0.0
    for threshold in sorted(set(p), reverse=True):
        above = np.asarray(p) >= threshold
        hits = (weight * y * above).sum()
        value += (hits - before) / total * hits / (weight * above).sum()
        before = hits
    return value


def hits_at(y, p, k):
    """Expected ones among the top `k` rows over all orders of the rows that keep the scores descending."""
    rows = range(len(y))
    found = [
        sum(y[i] for i in order[:k])
        for order in itertools.permutations(rows)
        if all(p[a] >= p[b] for a, b in itertools.pairwise(order))
    ]
    return sum(found) / len(found)


def ks(y, p):
    """Largest distance between the two empirical distribution functions."""
    y, p = np.asarray(y, bool), np.asarray(p)
    return max(abs((p[y] >= s).mean() - (p[~y] >= s).mean()) for s in set(p))


def maximum_profit(y, p, gamma, value, d, f):
    """Best profit per customer over all thresholds, contacting nobody included."""
    y, p = np.asarray(y, bool), np.asarray(p)
    best = 0.0
    for threshold in set(p):
        ones, zeros = (y & (p >= threshold)).sum(), (~y & (p >= threshold)).sum()
        best = max(best, ((gamma * (value - d) - f) * ones - (d + f) * zeros) / y.size)
    return best


def expected_maximum_profit(y, p, a, b, value, d, f, points=20_000):
    """Integrate the maximum profit over the beta distribution by the midpoint rule."""
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    gamma = (np.arange(points) + 0.5) / points
    density = np.exp((a - 1) * np.log(gamma) + (b - 1) * np.log1p(-gamma) - log_beta)
    y, p = np.asarray(y, bool), np.asarray(p)
    best = np.zeros(points)
    for threshold in set(p):
        ones, zeros = (y & (p >= threshold)).sum(), (~y & (p >= threshold)).sum()
        best = np.maximum(best, ((gamma * (value - d) - f) * ones - (d + f) * zeros) / y.size)
    return float((best * density).mean())


def isotonic(y, p):
    """Isotonic regression of `y` on `p` by its min-max formula, one value per row."""
    scores = sorted(set(p))
    ones = [sum(bool(label) for label, s in zip(y, p, strict=True) if s == score) for score in scores]
    rows = [sum(s == score for s in p) for score in scores]
    m = len(scores)
    fitted = {
        scores[i]: max(min(sum(ones[a : b + 1]) / sum(rows[a : b + 1]) for b in range(i, m)) for a in range(i + 1))
        for i in range(m)
    }
    return np.array([fitted[s] for s in p])
