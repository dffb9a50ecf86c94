"""Fitting the BG/NBD model."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np

from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "BG/NBD fit"
ABOUT = """\
The four parameters by maximum likelihood, from a summary that is ready: `clv.fit_bg_nbd`, standard errors included, and
`BetaGeoFitter.fit` of lifetimes. CDNOW is the sample of 2,357 customers that the literature uses; the others are
simulated."""

SIZES: dict[str, dict[str, int | None]] = {
    "CDNOW": {"customers": None},
    "10,000 customers": {"customers": 10_000},
    "100,000 customers": {"customers": 100_000},
    "1,000,000 customers": {"customers": 1_000_000},
}
SMALL = {"customers": 1_000}


def simulate(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Simulate customers observed for up to 78 weeks, from parameters like those of CDNOW; whole days, as data have."""
    r, alpha, a, b = 0.25, 4.5, 0.8, 2.5
    rate, quit_after = rng.gamma(r, 1 / alpha, n), rng.geometric(rng.beta(a, b, n))
    T = rng.integers(27 * 7, 78 * 7, n) / 7.0
    x, t_x = np.zeros(n), np.zeros(n)
    alive, clock = np.ones(n, bool), np.zeros(n)
    while alive.any():
        clock = clock + rng.exponential(1.0, n) / np.maximum(rate, 1e-12)
        alive &= (clock < T) & (x < quit_after)
        x, t_x = x + alive, np.where(alive, clock, t_x)
    return {"frequency": x, "recency": np.minimum(np.ceil(t_x * 7) / 7, T), "T": T}


def write(folder: Path, *, customers: int | None) -> int:
    """Write frequency, recency and T in weeks; return the bytes of the three columns."""
    import pandas as pd

    if customers is None:
        files = importlib.metadata.files("lifetimes") or []
        place = next(file for file in files if file.name == "cdnow_customers_summary.csv").locate()
        frame = pd.read_csv(str(place))[["frequency", "recency", "T"]]
    else:
        frame = pd.DataFrame(simulate(customers, np.random.default_rng(7)))
    frame.to_parquet(folder / "summary.parquet", index=False)
    return int(frame.memory_usage(index=False).sum())


def crmkit(folder: Path) -> dict[str, Call]:
    """Time crmkit's fit."""
    import pandas as pd

    from crmkit import clv

    summary = pd.read_parquet(folder / "summary.parquet")
    return {"fit_bg_nbd": lambda: clv.fit_bg_nbd(summary)}


def lifetimes(folder: Path) -> dict[str, Call]:
    """Time the fit of lifetimes."""
    import pandas as pd
    from lifetimes import BetaGeoFitter

    summary = pd.read_parquet(folder / "summary.parquet")
    columns = [summary[name] for name in ("frequency", "recency", "T")]
    return {"BetaGeoFitter": lambda: BetaGeoFitter().fit(*columns)}


LIBRARIES = {"crmkit": (OURS, crmkit), "lifetimes": (PEERS, lifetimes)}


def aims(size: str) -> list[Aim]:
    """Compare the two fits."""
    most = 1 / 20 if size.startswith("1,000,000") else 1.0
    return [Aim("crmkit / lifetimes", ("crmkit", "fit_bg_nbd"), ("lifetimes", "BetaGeoFitter"), most)]
