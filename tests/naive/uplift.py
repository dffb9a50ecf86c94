"""Uplift curves row by row, as their definitions read."""

import itertools

import numpy as np


def qini_area(score, y, treated):
    """Area between the Qini curve and its chord, by walking down the distinct scores."""
    points = [(0, 0.0)]
    for cut in sorted(set(score), reverse=True):
        rows = [i for i, s in enumerate(score) if s >= cut]
        n_t = sum(treated[i] for i in rows)
        n_c = len(rows) - n_t
        y_t = sum(y[i] for i in rows if treated[i])
        y_c = sum(y[i] for i in rows if not treated[i])
        points.append((len(rows), y_t - (y_c * n_t / n_c if n_c else 0.0)))
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(points))
    return area - points[-1][0] * points[-1][1] / 2


def causalml_areas(score, y, treated):
    """Mean over all ranks of the curve drawn through ranks with both arms, over its end: Qini less chance, and AUUC."""
    order = np.argsort(-np.asarray(score), kind="stable")
    y, treated = np.asarray(y, float)[order], np.asarray(treated, bool)[order]
    n = len(y)
    at, curve, lift = [0], [0.0], [0.0]
    for k in range(1, n + 1):
        t, c = treated[:k], ~treated[:k]
        if t.any() and c.any():
            at.append(k)
            curve.append(y[:k][t].sum() - y[:k][c].sum() * t.sum() / c.sum())
            lift.append(y[:k][t].mean() - y[:k][c].mean())
    ranks = np.arange(n + 1)
    curve = np.interp(ranks, at, curve)
    gain = np.interp(ranks, at, lift) * ranks
    chance = np.linspace(0, curve[-1], n + 1)
    return (curve - chance).sum() / (n + 1) / abs(curve[-1]), gain.sum() / (n + 1) / abs(gain[-1])


def rank_weighted(score, gamma, weighting):
    """Mean over all shares of the effect among the top less the effect on all, times the share for "qini"; no ties."""
    order = np.argsort(-np.asarray(score), kind="stable")
    gamma = np.asarray(gamma)[order]
    n = len(gamma)
    tops = [gamma[:k].mean() - gamma.mean() for k in range(1, n + 1)]
    weights = [k / n if weighting == "qini" else 1.0 for k in range(1, n + 1)]
    return float(np.mean([w * t for w, t in zip(weights, tops, strict=True)]))
