"""Measuring rankings by effect, and comparing arms."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "Experiments and uplift"
ABOUT = """\
`uplift.qini` (both rank-weighted effects with their errors, the areas under every library's name, the curve) beside
scikit-uplift's `qini_auc_score` and `uplift_auc_score`, which give points alone; scores are all different.
`experiment.compare_means`: 1,000 segments × 2 arms × 10 metrics in one call."""

SIZES: dict[str, dict[str, int]] = {"1,000,000 rows": {"rows": 1_000_000}}
SMALL = {"rows": 5_000}


def write(folder: Path, *, rows: int) -> int:
    """Write an experiment with scores; return the bytes of what Qini reads."""
    import pandas as pd

    rng = np.random.default_rng(3)
    arm = rng.integers(0, 2, rows)
    score = rng.normal(size=rows)
    frame = pd.DataFrame({"y": (rng.random(rows) < 0.1 + 0.05 * arm * (score > 0)).astype(np.int64), "score": score, "arm": arm})
    size = int(frame.memory_usage(index=False).sum())
    frame["segment"] = rng.integers(0, 1000, rows)
    for k in range(10):
        frame[f"metric_{k}"] = rng.gamma(1.0, 10.0, rows)
    frame.to_parquet(folder / "experiment.parquet", index=False)
    return size


def crmkit(folder: Path) -> dict[str, Call]:
    """Time the areas, and many comparisons in one call."""
    import pandas as pd

    from crmkit import experiment, uplift

    frame = pd.read_parquet(folder / "experiment.parquet")
    y, score, arm = (frame[name].to_numpy() for name in ("y", "score", "arm"))
    metrics = [f"metric_{k}" for k in range(10)]
    return {
        "qini": lambda: uplift.qini(y, score, arm),
        "compare_means": lambda: experiment.compare_means(frame, outcome=metrics, by="segment"),
    }


def scikit_uplift(folder: Path) -> dict[str, Call]:
    """Time the two areas."""
    import pandas as pd
    from sklift.metrics import qini_auc_score, uplift_auc_score

    frame = pd.read_parquet(folder / "experiment.parquet")
    y, score, arm = (frame[name].to_numpy() for name in ("y", "score", "arm"))
    return {
        "qini_auc_score": lambda: qini_auc_score(y, score, arm),
        "uplift_auc_score": lambda: uplift_auc_score(y, score, arm),
    }


LIBRARIES = {"crmkit": (OURS, crmkit), "scikit-uplift": (PEERS, scikit_uplift)}


def aims(size: str) -> list[Aim]:
    """Compare everything about Qini with the point alone."""
    return [Aim("qini / qini_auc_score", ("crmkit", "qini"), ("scikit-uplift", "qini_auc_score"), at_most=1 / 5)]
