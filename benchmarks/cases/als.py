"""Hidden tastes by alternating least squares."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "Recommendations by alternating least squares"
ABOUT = """\
64 factors and 15 sweeps over all pairs of MovieLens 1M but a fifth of each user's, which are held out; then the 100 best items
for every user, without those they know. Without the file, purchases of the same size are simulated. crmkit and implicit take
their defaults, irspack a weight of 1 and a penalty of 0.01 for all. crmkit's lists are a frame with ids, the others' are numbers
of rows."""

SIZES: dict[str, dict[str, int]] = {"MovieLens 1M": {"n_users": 6040}}
SMALL = {"n_users": 300}
FACTORS, SWEEPS, K = 64, 15, 100


def simulate(rng: np.random.Generator, n_users: int) -> tuple[np.ndarray, np.ndarray]:
    """Simulate users of 133 items on average from 3,700, by popularity and by one of 20 tastes."""
    taste = rng.integers(0, 20, n_users)
    size = np.minimum(rng.lognormal(4.4, 1.0, n_users).astype(np.int64) + 16, 1_800)
    popularity = rng.permutation(1.0 / np.arange(10, 3_716))
    tilt = rng.lognormal(0, 1, (20, 3_706))
    users, items = [], []
    for user in range(n_users):
        share = popularity * tilt[taste[user]]
        items.append(rng.choice(3_706, size[user], replace=False, p=share / share.sum()))
        users.append(np.full(size[user], user))
    return np.concatenate(users), np.concatenate(items)


def write(folder: Path, *, n_users: int) -> int:
    """Write the pairs to learn from; return the bytes of their columns."""
    import pandas as pd

    file = Path(os.environ.get("CRMKIT_DATA", "../shared/data")) / "ml1m_pairs.parquet"
    rng = np.random.default_rng(42)
    if file.exists():
        pairs = pd.read_parquet(file).sort_values(["user_id", "item_id"], ignore_index=True)
        pairs = pairs[pairs["user_id"] < n_users + pairs["user_id"].min()]
    else:
        users, items = simulate(rng, n_users)
        pairs = pd.DataFrame({"user_id": users, "item_id": items})
    held = np.zeros(len(pairs), np.bool_)
    for places in pairs.groupby("user_id").indices.values():
        held[places[rng.permutation(len(places))[: int(0.2 * len(places))]]] = True
    pairs[~held].to_parquet(folder / "pairs.parquet", index=False)
    return int(pairs[~held].memory_usage(index=False).sum())


def crmkit(folder: Path) -> dict[str, Call]:
    """Time crmkit's fit and lists, with ids in and out."""
    import pandas as pd

    from crmkit import recommend

    pairs = pd.read_parquet(folder / "pairs.parquet")
    seen = recommend.interactions(pairs, customer="user_id", item="item_id", time=None, amount=None)

    def fit() -> recommend.Als:
        return recommend.fit_als(seen, factors=FACTORS, sweeps=SWEEPS)

    model = fit()
    return {"fit": fit, "recommend": lambda: recommend.top_items(model, k=K)}


def matrix(folder: Path) -> Any:
    """Return the pairs as peers take them, users in rows."""
    import pandas as pd
    from scipy.sparse import csr_matrix

    pairs = pd.read_parquet(folder / "pairs.parquet")
    users, items = (pd.factorize(pairs[name], sort=True)[0] for name in ("user_id", "item_id"))
    seen = csr_matrix((np.ones(len(pairs), np.float32), (users, items)))
    seen.sort_indices()
    return seen


def implicit(folder: Path) -> dict[str, Call]:
    """Time implicit's conjugate gradients, on all cores."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from implicit.als import AlternatingLeastSquares

    seen, users = matrix(folder), np.arange(matrix(folder).shape[0])

    def fit() -> Any:
        model = AlternatingLeastSquares(factors=FACTORS, iterations=SWEEPS, random_state=0)
        model.fit(seen, show_progress=False)
        return model

    model = fit()
    return {"fit": fit, "recommend": lambda: model.recommend(users, seen, N=K)}


def irspack(folder: Path) -> dict[str, Call]:
    """Time irspack's conjugate gradients, on all cores."""
    import contextlib
    import io

    from irspack import IALSRecommender
    from irspack.utils.id_mapping import retrieve_recommend_from_score

    seen, threads = matrix(folder), len(os.sched_getaffinity(0))
    users = np.arange(seen.shape[0])

    def fit() -> Any:
        options = {"alpha0": 1.0, "reg": 0.01, "nu": 0.0, "solver_type": "CG", "max_cg_steps": 3}
        model = IALSRecommender(seen, n_components=FACTORS, train_epochs=SWEEPS, n_threads=threads, **options)
        with contextlib.redirect_stdout(io.StringIO()):
            return model.learn()

    model = fit()

    def recommend() -> object:
        return retrieve_recommend_from_score(model.get_score_remove_seen(users), [], K, n_threads=threads)

    return {"fit": fit, "recommend": recommend}


LIBRARIES = {"crmkit": (OURS, crmkit), "implicit": (PEERS, implicit), "irspack": (PEERS, irspack)}


def aims(size: str) -> list[Aim]:
    """Compare the fits, and the lists of everybody."""
    return [
        Aim("crmkit / implicit, fit", ("crmkit", "fit"), ("implicit", "fit"), 1 / 1.5),
        Aim("crmkit / irspack, fit", ("crmkit", "fit"), ("irspack", "fit"), 1 / 1.2),
        Aim("crmkit / implicit, recommend", ("crmkit", "recommend"), ("implicit", "recommend"), 1 / 1.5),
        Aim("crmkit / irspack, recommend", ("crmkit", "recommend"), ("irspack", "recommend"), 1 / 1.5),
    ]
