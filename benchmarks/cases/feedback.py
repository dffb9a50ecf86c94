"""Scores of many segments, weighted scores, and the bootstrap, against what numpy does without thinking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import OURS, Aim, Call

TITLE = "Net Promoter Score"
ABOUT = """\
A million answers in 100,000 segments: `nps(by=)` gives every score with its interval; `weighted` does so with weights;
`score` by Tango's interval. `bootstrap` is the interval of the whole from 2,000 resamples, drawn as counts. numpy resamples
rows, as textbooks do, a hundred times only: 2,000 would take twenty times as long, so a ratio of 0.2 is a hundred times
faster for as many resamples. pandas groups and computes the plain normal interval."""

SIZES: dict[str, dict[str, Any]] = {"1M answers, 100k segments": {"rows": 1_000_000, "segments": 100_000}}
SMALL = {"rows": 2_000, "segments": 200}
FEW, MANY = 100, 2_000


def write(folder: Path, *, rows: int, segments: int) -> int:
    """Write the answers to parquet; return the bytes of the three columns."""
    import pandas as pd

    rng = np.random.default_rng(20)
    frame = pd.DataFrame(
        {
            "score": rng.choice(11, size=rows, p=[0.02, 0.01, 0.02, 0.02, 0.03, 0.08, 0.10, 0.14, 0.20, 0.18, 0.20]),
            "segment": rng.integers(0, segments, size=rows),
            "weight": rng.gamma(4.0, 0.25, size=rows) + 0.1,
        }
    )
    frame.to_parquet(folder / "answers.parquet", index=False)
    return int(frame.memory_usage(index=False).sum())


def crmkit(folder: Path) -> dict[str, Call]:
    """Time scores by segment, weighted, by the score interval, and the bootstrap of the whole."""
    import pandas as pd

    from crmkit import feedback

    frame = pd.read_parquet(folder / "answers.parquet")
    return {
        "nps by segment": lambda: feedback.nps(frame, by="segment"),
        "weighted by segment": lambda: feedback.nps(frame, by="segment", weight="weight"),
        "score by segment": lambda: feedback.nps(frame, by="segment", method="score"),
        "bootstrap": lambda: feedback.nps(frame, method="bootstrap", replicates=MANY),
    }


def numpy(folder: Path) -> dict[str, Call]:
    """Time a bootstrap of rows."""
    import pandas as pd

    scores = pd.read_parquet(folder / "answers.parquet")["score"].to_numpy()

    def bootstrap() -> object:
        rng = np.random.default_rng(0)
        worth = (scores >= 9).astype(np.float64) - (scores <= 6)
        found = [worth[rng.integers(0, worth.size, worth.size)].mean() for _ in range(FEW)]
        return np.quantile(found, [0.025, 0.975])

    return {f"bootstrap of rows, {FEW}": bootstrap}


def pandas(folder: Path) -> dict[str, Call]:
    """Time a group-by of what each answer counts, with the plain normal interval."""
    import pandas as pd

    frame = pd.read_parquet(folder / "answers.parquet")

    def plain() -> object:
        worth = (frame["score"] >= 9).astype(float) - (frame["score"] <= 6)
        table = worth.groupby(frame["segment"]).agg(["mean", "std", "size"])
        margin = 1.96 * table["std"] / np.sqrt(table["size"])
        return table.assign(low=table["mean"] - margin, high=table["mean"] + margin)

    return {"group-by": plain}


LIBRARIES = {"crmkit": (OURS, crmkit), "numpy": (OURS, numpy), "pandas": (OURS, pandas)}


def aims(size: str) -> list[Aim]:
    """Compare the bootstrap with that of rows, and the segments with a group-by."""
    return [
        Aim(
            f"bootstrap, {MANY:,} resamples / of rows, {FEW}",
            ("crmkit", "bootstrap"),
            ("numpy", f"bootstrap of rows, {FEW}"),
            MANY / FEW / 100,  # a hundred times faster for as many resamples
        ),
        Aim("nps by segment / pandas group-by", ("crmkit", "nps by segment"), ("pandas", "group-by"), 1.0),
        Aim("weighted by segment / pandas group-by", ("crmkit", "weighted by segment"), ("pandas", "group-by")),
    ]
