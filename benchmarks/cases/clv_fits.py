"""Fitting the Pareto/NBD model, and what a fit costs by distinct rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.cases.bg_nbd import simulate
from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "Pareto/NBD fit, and fits by distinct rows"
ABOUT = """\
`clv.fit_pareto_nbd` beside `ParetoNBDFitter.fit` of lifetimes on the invoices of Online Retail II up to 2010-12-31 (where the
environment variable CRMKIT_DATA names the folder that holds them), in days; the time of lifetimes varies with its random starts,
none of which reaches the optimum, a ridge; and `clv.fit_bg_nbd` alone on 1,000,000 customers whose times
are rounded so that 1,000, 10,000 or all of them differ: a fit costs what the distinct rows cost."""

SIZES: dict[str, dict[str, int | None]] = {
    "Online Retail II": {"customers": None, "days": 1},
    "1,000,000 customers, days": {"customers": 1_000_000, "days": 1},
    "1,000,000 customers, weeks": {"customers": 1_000_000, "days": 7},
    "1,000,000 customers, 4 weeks": {"customers": 1_000_000, "days": 28},
}
SMALL = {"customers": 1_000, "days": 7}


def write(folder: Path, *, customers: int | None, days: int) -> int:
    """Write frequency, recency and T, in days for the invoices, else in weeks; return the bytes of the three columns."""
    import os

    import pandas as pd

    if customers is None:
        from crmkit import clv

        source = Path(os.environ.get("CRMKIT_DATA", "../shared/data")) / "online_retail_ii_invoices.parquet"
        orders = pd.read_parquet(source).query("gross > 0")
        frame = clv.summarize(orders, amount=None, unit="D", end="2010-12-31").reset_index()[["frequency", "recency", "T"]]
    else:
        grid, made = days / 7.0, simulate(customers, np.random.default_rng(7))
        T = np.ceil(made["T"] / grid) * grid
        recency = np.where(made["frequency"] > 0, np.ceil(made["recency"] / grid) * grid, 0.0)
        frame = pd.DataFrame({"frequency": made["frequency"], "recency": np.minimum(recency, T), "T": T})
    frame.to_parquet(folder / "summary.parquet", index=False)
    return int(frame.memory_usage(index=False).sum())


def crmkit(folder: Path) -> dict[str, Call]:
    """Time crmkit's fits."""
    import pandas as pd

    from crmkit import clv

    summary = pd.read_parquet(folder / "summary.parquet")
    calls: dict[str, Call] = {"fit_bg_nbd": lambda: clv.fit_bg_nbd(summary)}
    if len(summary) < 100_000:
        calls["fit_pareto_nbd"] = lambda: clv.fit_pareto_nbd(summary)
    return calls


def lifetimes(folder: Path) -> dict[str, Call]:
    """Time the fit of lifetimes."""
    import pandas as pd
    from lifetimes import ParetoNBDFitter

    summary = pd.read_parquet(folder / "summary.parquet")
    columns = [summary[name] for name in ("frequency", "recency", "T")]
    return {"ParetoNBDFitter": lambda: ParetoNBDFitter().fit(*columns)} if len(summary) < 100_000 else {}


LIBRARIES = {"crmkit": (OURS, crmkit), "lifetimes": (PEERS, lifetimes)}


def aims(size: str) -> list[Aim]:
    """Compare the two fits."""
    if size != "Online Retail II":
        return []
    return [Aim("crmkit / lifetimes", ("crmkit", "fit_pareto_nbd"), ("lifetimes", "ParetoNBDFitter"), 1 / 30)]
