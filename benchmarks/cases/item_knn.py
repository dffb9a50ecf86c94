"""Item neighbourhoods."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import als
from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "Recommendations by item neighbourhoods"
ABOUT = """\
The 100 items nearest to each by BM25, and the 100 best items by them for every user, on the same pairs as in the case of
alternating least squares. Cosine with 20 neighbours beside it."""

SIZES = als.SIZES
SMALL = als.SMALL
write = als.write
K = 100


def crmkit(folder: Path) -> dict[str, Call]:
    """Time crmkit's fit and lists, with ids in and out."""
    import pandas as pd

    from crmkit import recommend

    pairs = pd.read_parquet(folder / "pairs.parquet")
    seen = recommend.interactions(pairs, customer="user_id", item="item_id", time=None, amount=None)
    model = recommend.fit_item_knn(seen, k=K, measure="bm25")
    return {
        "fit": lambda: recommend.fit_item_knn(seen, k=K, measure="bm25"),
        "recommend": lambda: recommend.top_items(model, k=K),
        "fit cosine": lambda: recommend.fit_item_knn(seen, k=20),
    }


def implicit(folder: Path) -> dict[str, Call]:
    """Time implicit on all cores; it counts an item among its own neighbours."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from implicit.nearest_neighbours import BM25Recommender, CosineRecommender

    seen = als.matrix(folder)
    users = np.arange(seen.shape[0])

    def fit(kind: Any, k: int) -> Any:
        model = kind(K=k + 1)
        model.fit(seen, show_progress=False)
        return model

    model = fit(BM25Recommender, K)
    return {
        "fit": lambda: fit(BM25Recommender, K),
        "recommend": lambda: model.recommend(users, seen, N=K),
        "fit cosine": lambda: fit(CosineRecommender, 20),
    }


LIBRARIES = {"crmkit": (OURS, crmkit), "implicit": (PEERS, implicit)}


def aims(size: str) -> list[Aim]:
    """Compare fit and lists together, and each."""
    return [
        Aim("crmkit / implicit, BM25 fit + recommend", ("crmkit", "fit+recommend"), ("implicit", "fit+recommend"), 1 / 1.5),
        Aim("crmkit / implicit, BM25 fit", ("crmkit", "fit"), ("implicit", "fit")),
        Aim("crmkit / implicit, recommend", ("crmkit", "recommend"), ("implicit", "recommend")),
        Aim("crmkit / implicit, cosine fit", ("crmkit", "fit cosine"), ("implicit", "fit cosine")),
    ]
