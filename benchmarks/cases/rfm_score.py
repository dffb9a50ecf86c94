"""Scores of customers from recency, frequency and monetary value, against quantile cuts on the same columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import OURS, Aim, Call

TITLE = "RFM scores"
ABOUT = """\
Three measures cut at their fifths into scores from 1 to 5, and the three digits as text. The peers cut with `qcut` and
concatenate; they stop where thresholds coincide, so the measures are drawn such that they do not. crmkit also looks for
scores that nobody gets."""

SIZES: dict[str, dict[str, Any]] = {"1M customers": {"customers": 1_000_000}}
SMALL = {"customers": 1_000}
ROUNDS = 11


def write(folder: Path, *, customers: int) -> int:
    """Write one row per customer; return the bytes of the three measures."""
    import pandas as pd

    rng = np.random.default_rng(6)
    frame = pd.DataFrame(
        {
            "customer_id": np.arange(customers),
            "recency_days": rng.integers(0, 730, customers),
            "frequency": rng.geometric(0.1, customers),
            "monetary": np.round(rng.lognormal(4.0, 1.0, customers), 2),
        }
    )
    frame.to_parquet(folder / "customers.parquet", index=False)
    return 3 * 8 * customers


def crmkit(folder: Path) -> dict[str, Call]:
    """Time the scores of a pandas frame and of a polars frame."""
    import pandas as pd
    import polars as pl

    import crmkit as crm

    frame = pd.read_parquet(folder / "customers.parquet").set_index("customer_id")
    other = pl.read_parquet(folder / "customers.parquet")
    return {"score": lambda: crm.rfm.score(frame), "score, polars frame": lambda: crm.rfm.score(other)}


def polars(folder: Path) -> dict[str, Call]:
    """Time qcut of polars."""
    import polars as pl

    frame = pl.read_parquet(folder / "customers.parquet")
    good = [str(score) for score in range(1, 6)]

    def recipe() -> object:
        scores = frame.with_columns(
            r=pl.col("recency_days").qcut(5, labels=good[::-1]),
            f=pl.col("frequency").qcut(5, labels=good),
            m=pl.col("monetary").qcut(5, labels=good),
        )
        return scores.with_columns(rfm=pl.concat_str("r", "f", "m"))

    return {"qcut": recipe}


def pandas(folder: Path) -> dict[str, Call]:
    """Time qcut of pandas."""
    import pandas as pd

    frame = pd.read_parquet(folder / "customers.parquet")

    def recipe() -> object:
        good = range(1, 6)
        r = pd.qcut(frame["recency_days"], 5, labels=good[::-1])
        f, m = (pd.qcut(frame[name], 5, labels=good) for name in ("frequency", "monetary"))
        return frame.assign(r=r, f=f, m=m, rfm=r.astype(str) + f.astype(str) + m.astype(str))

    return {"qcut": recipe}


LIBRARIES = {"crmkit": (OURS, crmkit), "polars": (OURS, polars), "pandas": (OURS, pandas)}


def aims(size: str) -> list[Aim]:
    """Compare with both cuts."""
    return [
        Aim("score / polars qcut", ("crmkit", "score"), ("polars", "qcut"), 1.0),
        Aim("score / pandas qcut", ("crmkit", "score"), ("pandas", "qcut")),
    ]
