"""Measuring scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.harness import OURS, Aim, Call

TITLE = "Metrics of scores"
ABOUT = """\
`metrics.ranking_report` (areas with intervals, Gini, KS, Brier score with its parts, calibration with its slope, gains at
six depths) beside the calls of scikit-learn for the points alone: `roc_auc_score`, `average_precision_score`, `roc_curve`,
`brier_score_loss`, `calibration_curve` and a logistic regression for the slope. Scores are all different."""

SIZES: dict[str, dict[str, int]] = {"100,000 rows": {"rows": 100_000}, "1,000,000 rows": {"rows": 1_000_000}}
SMALL = {"rows": 1_000}


def write(folder: Path, *, rows: int) -> int:
    """Write calibrated probabilities and what came to pass; return the bytes of the two columns."""
    import pandas as pd

    rng = np.random.default_rng(3)
    p = rng.beta(1.0, 4.0, rows)
    frame = pd.DataFrame({"y": rng.random(rows) < p, "p": p})
    frame.to_parquet(folder / "scores.parquet", index=False)
    return int(frame.memory_usage(index=False).sum())


def crmkit(folder: Path) -> dict[str, Call]:
    """Time the report, and single measures."""
    import pandas as pd

    from crmkit import metrics

    scores = pd.read_parquet(folder / "scores.parquet")
    y, p = scores["y"], scores["p"]
    return {
        "ranking_report": lambda: metrics.ranking_report(y, p),
        "auc": lambda: metrics.auc(y, p),
        "average_precision": lambda: metrics.average_precision(y, p),
        "empc": lambda: metrics.empc(y, p),
    }


def scikit_learn(folder: Path) -> dict[str, Call]:
    """Time the calls that give the same points."""
    import pandas as pd
    from scipy.special import logit
    from sklearn.calibration import calibration_curve
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve

    scores = pd.read_parquet(folder / "scores.parquet")
    y, p = scores["y"].to_numpy(), scores["p"].to_numpy()

    def slope() -> object:
        x = logit(np.clip(p, 1e-6, 1 - 1e-6))[:, None]
        return LogisticRegression(C=np.inf, solver="newton-cholesky").fit(x, y)

    return {
        "roc_auc_score": lambda: roc_auc_score(y, p),
        "average_precision_score": lambda: average_precision_score(y, p),
        "roc_curve": lambda: roc_curve(y, p),
        "brier_score_loss": lambda: brier_score_loss(y, p),
        "calibration_curve": lambda: calibration_curve(y, p, n_bins=10, strategy="quantile"),
        "slope": slope,
    }


LIBRARIES = {"crmkit": (OURS, crmkit), "scikit-learn": (OURS, scikit_learn)}


def aims(size: str) -> list[Aim]:
    """Compare the report with the calls it replaces."""
    replaced = "roc_auc_score+average_precision_score+roc_curve+brier_score_loss+calibration_curve+slope"
    return [
        Aim("report / the six calls", ("crmkit", "ranking_report"), ("scikit-learn", replaced)),
        Aim("AUC with interval / roc_auc_score", ("crmkit", "auc"), ("scikit-learn", "roc_auc_score")),
    ]
