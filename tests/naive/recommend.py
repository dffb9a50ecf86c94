"""Item neighbourhoods from their definition, on a dense table of customers x items."""

from __future__ import annotations

import math

import numpy as np


def table(rows, columns, values, n_rows, n_columns):
    """Add up the values of each cell."""
    dense = np.zeros((n_rows, n_columns))
    for row, column, value in zip(rows, columns, values, strict=True):
        dense[row, column] += value
    return dense


def similarity(weights, shrinkage=0.0, measure="cosine"):
    """Similarity of every pair of columns, damped where few customers share the pair; the diagonal is no similarity."""
    bought = (weights > 0).astype(float)
    shared, buyers, n = bought.T @ bought, bought.sum(axis=0), len(weights)
    information = np.log((weights.shape[1] + 1) / np.maximum(bought.sum(axis=1, keepdims=True), 1))
    if measure == "tfidf":
        weights = np.sqrt(weights) * information
    if measure == "bm25":
        length = weights.sum(axis=0)
        weights = weights * 2.2 / (1.2 * (0.25 + 0.75 * length / length.mean()) + weights) * information
    dot = weights.T @ weights
    square = np.diag(dot)
    similar = np.zeros(dot.shape)
    pairs = shared > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        first = {
            "cosine": dot / np.sqrt(np.outer(square, square)),
            "tfidf": dot / np.sqrt(np.outer(square, square)),
            "bm25": dot,
            "jaccard": shared / (buyers[:, None] + buyers - shared),
            "lift": shared * n / np.outer(buyers, buyers),
            "conditional": shared / buyers[:, None],
        }[measure]
    similar[pairs] = first[pairs] * (shared[pairs] / (shared[pairs] + shrinkage))
    np.fill_diagonal(similar, 0.0)
    return similar.astype(np.float32).astype(float)


def best(scores, buyers, k):
    """Items with a positive score: score descending, then number of buyers descending, then position."""
    return sorted(np.flatnonzero(scores > 0), key=lambda item: (-scores[item], -buyers[item], item))[:k]


def neighbours(weights, k, shrinkage=0.0):
    """The `k` nearest items of every item, with their similarities."""
    similar, buyers = similarity(weights, shrinkage), np.count_nonzero(weights, axis=0)
    return [[(int(j), similar[i, j]) for j in best(similar[i], buyers, k)] for i in range(weights.shape[1])]


def scores(row, nearest):
    """Weight times similarity, summed without rounding over the bought items that have the item as a neighbour."""
    terms = [[] for _ in nearest]
    for bought, weight in enumerate(row):
        for item, similar in nearest[bought] if weight else ():
            terms[item].append(weight * similar)
    return np.array([math.fsum(term) for term in terms])


def top_items(weights, row, k, n_neighbours, shrinkage=0.0, *, exclude=True, nearest=None):
    """The list of one customer with this `row` of weights: (item, score, source) from the best."""
    buyers = np.count_nonzero(weights, axis=0)
    nearest = neighbours(weights, n_neighbours, shrinkage) if nearest is None else nearest
    allowed = np.where(row > 0, 0.0, 1.0) if exclude else np.ones(len(row))
    score, source = scores(row, nearest) * allowed, "item_knn"
    if not score.any():
        score, source = buyers * allowed, "popularity"
    return [(int(item), float(score[item]), source) for item in best(score, buyers, k)]


def popular(scores, buyers):
    """All items: score descending, then number of buyers descending, then position."""
    return sorted(range(len(scores)), key=lambda item: (-scores[item], -buyers[item], item))


def frequent(row, share, buyers, k, excluded=()):
    """The list of one customer by own weight plus the share of all customers: (item, score) from the best."""
    scores = np.float64(np.float32(row)) + share
    return [(item, float(scores[item])) for item in popular(scores, buyers) if item not in excluded][:k]


def ease(weights, penalty):
    """Item by item, the ridge regression of what was bought of it on all other items."""
    n = weights.shape[1]
    out = np.zeros((n, n))
    for j in range(n):
        others = np.delete(weights, j, axis=1)
        solved = np.linalg.solve(others.T @ others + penalty * np.eye(n - 1), others.T @ weights[:, j])
        out[np.arange(n) != j, j] = solved
    return out


def listed(scores, popular, excluded, k, *, category=None, most=None, alike=None, diversity=0.0):
    """One list from all scores, {item: score}: [(item, score, popularity answered)], chosen as `top_items` says."""
    full = [(item, score, False) for item, score in scores.items() if item not in excluded]
    if not full:
        full = [(item, score, True) for item, score in popular.items() if item not in excluded]
    if most is None and not diversity:
        return full[:k]
    pool = full[: 5 * k] if diversity else []
    rest, out = full[len(pool) :], []
    low, high = (min(s for _, s, _ in pool), max(s for _, s, _ in pool)) if pool else (0, 0)
    while len(out) < k:
        full_up = {c for c in (category or {}).values() if sum((category or {}).get(i) == c for i, _, _ in out) >= (most or 1e9)}
        free = [row for row in pool if (category or {}).get(row[0]) not in full_up or (category or {}).get(row[0]) is None]
        if free:
            best = max(
                free,
                key=lambda row: (
                    (1 - diversity) * ((row[1] - low) / (high - low) if high > low else 1.0)
                    - diversity * max((alike.get((i, row[0]), 0.0) for i, _, _ in out), default=0.0)
                ),
            )
            pool.remove(best)
        else:
            rest = [row for row in rest if (category or {}).get(row[0]) not in full_up or (category or {}).get(row[0]) is None]
            if not rest:
                break
            best = rest.pop(0)
        out.append(best)
    return out


def marks(top, truth, k):
    """Metrics of one list, best first, against a set of items, from their definitions."""
    hit = [item in truth for item in top[:k]]
    n, short = len(truth), min(k, len(truth))
    discounted = sum(1 / math.log2(rank + 1) for rank, good in enumerate(hit, 1) if good)
    precisions = sum(sum(hit[:rank]) / rank for rank, good in enumerate(hit, 1) if good)
    return {
        "precision": sum(hit) / k,
        "recall": sum(hit) / n,
        "recall_min": sum(hit) / short,
        "ndcg": discounted / sum(1 / math.log2(rank + 1) for rank in range(1, short + 1)),
        "ndcg_full": discounted / sum(1 / math.log2(rank + 1) for rank in range(1, n + 1)),
        "map": precisions / short,
        "map_full": precisions / n,
        "mrr": max((1 / rank for rank, good in enumerate(hit, 1) if good), default=0.0),
        "hit_rate": float(any(hit)),
    }


def looks(top, customers_of, n_customers, k):
    """Novelty and diversity of one list; None where it has no item, or no pair of items."""
    top = top[:k]
    surprise = [-math.log2(len(customers_of[item]) / n_customers) for item in top]
    unlike = [
        1 - len(customers_of[a] & customers_of[b]) / len(customers_of[a] | customers_of[b])
        for n, a in enumerate(top)
        for b in top[:n]
    ]
    return (np.mean(surprise) if surprise else None), (np.mean(unlike) if unlike else None)


def gini(times):
    """Half the mean absolute difference over the mean, from all pairs."""
    times = np.asarray(times, float)
    return np.abs(np.subtract.outer(times, times)).mean() / (2 * times.mean())


def als_loss(weights, x, y, w0, penalties, *, added):
    """What alternating least squares minimise, over all pairs; penalties of customers and of items."""
    score = x @ y.T
    bought = weights > 0
    unobserved = np.ones_like(weights) if added else ~bought
    loss = (weights * (1 - score) ** 2)[bought].sum() + w0 * (unobserved * score**2).sum()
    return loss + penalties[0] @ (x**2).sum(axis=1) + penalties[1] @ (y**2).sum(axis=1)


def als_penalties(weights, w0, penalty, exponent):
    """Penalties of customers and of items: with any exponent, they sum to what they do with 1."""
    mass = [weights.sum(axis=axis) + w0 * weights.shape[axis] for axis in (1, 0)]
    scale = penalty * sum(side.sum() for side in mass) / sum((side**exponent).sum() for side in mass)
    return [scale * side**exponent for side in mass]


def ridge(weights, y, w0, penalties, *, added):
    """Factors of each row of `weights`, given those of the columns."""
    out = []
    for row, penalty in zip(weights, penalties, strict=True):
        total = np.where(row > 0, row + (w0 if added else 0.0), w0)
        out.append(np.linalg.solve(y.T @ (total[:, None] * y) + penalty * np.eye(y.shape[1]), y.T @ row))
    return np.array(out)


def alike(weights, row, k, asymmetry, locality):
    """Score of every item for a customer with this `row`, from own purchases and those of the `k` nearest customers."""
    shares = (weights / weights.max(axis=1, keepdims=True)).astype(np.float32).astype(float)
    own = (row / row.max()).astype(np.float32).astype(float) if row.any() else row.astype(float)
    near = []
    for customer, other in enumerate(weights):
        shared = np.count_nonzero((row > 0) & (other > 0))
        if shared and ((row > 0) != (other > 0)).any():
            sizes = np.count_nonzero(row) ** asymmetry * np.count_nonzero(other) ** (1.0 - asymmetry)
            near.append((-shared / sizes, customer))
    return own + sum(((-s) ** locality * shares[customer] for s, customer in sorted(near)[:k]), np.zeros(len(row)))
