"""A linear model of every item by all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.cases import als
from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "Recommendations by EASE"
ABOUT = """\
All weights of items on items, with penalty 500, and the 100 best items by them for every user, on the same pairs as in the case
of alternating least squares. numpy is the few lines of the paper: an inverse in double precision, a product of tables for all
users, and a partial sort."""

SIZES = als.SIZES
SMALL = als.SMALL
write = als.write
K, PENALTY = 100, 500.0


def crmkit(folder: Path) -> dict[str, Call]:
    """Time crmkit's fit and lists, with ids in and out."""
    import pandas as pd

    from crmkit import recommend

    pairs = pd.read_parquet(folder / "pairs.parquet")
    seen = recommend.interactions(pairs, customer="user_id", item="item_id", time=None, amount=None)
    model = recommend.fit_ease(seen, penalty=PENALTY)
    return {
        "fit": lambda: recommend.fit_ease(seen, penalty=PENALTY),
        "recommend": lambda: recommend.top_items(model, k=K),
    }


def numpy(folder: Path) -> dict[str, Call]:
    """Time the form that papers print."""
    seen = als.matrix(folder)
    dense = seen.toarray()

    def fit() -> np.ndarray:
        gram = (seen.T @ seen).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += PENALTY
        inverse = np.linalg.inv(gram)
        weights: np.ndarray = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        return weights

    weights = fit().astype(np.float32)

    def recommend() -> np.ndarray:
        score = seen @ weights
        score[dense > 0] = -np.inf
        best = np.argpartition(-score, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(score, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1)

    return {"fit": fit, "recommend": recommend}


LIBRARIES = {"crmkit": (OURS, crmkit), "numpy": (PEERS, numpy)}


def aims(size: str) -> list[Aim]:
    """Compare the fits, and the lists of everybody."""
    return [
        Aim("crmkit / numpy, fit", ("crmkit", "fit"), ("numpy", "fit"), 1 / 1.5),
        Aim("crmkit / numpy, recommend", ("crmkit", "recommend"), ("numpy", "recommend"), 1.0),
    ]
