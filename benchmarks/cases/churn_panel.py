"""Panels: what was known of every customer at each of many cutoffs, and who then stopped buying."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.harness import OURS, Aim, Call

TITLE = "Churn panels"
ABOUT = """\
Features and labels at twelve monthly cutoffs from raw purchases: `churn.panel` from the frame, which it reads and sorts first,
and from a log that is there. polars filters and aggregates at each cutoff: recency, tenure, orders and amounts in 30, 90 and 365
days and in all, and whether a purchase lies in the 90 days after. crmkit gives the spread of the gaps, means and trends too. The
labels are the same."""

SIZES: dict[str, dict[str, int]] = {
    "500,000 events": {"events": 500_000, "customers": 40_000},
    "5,000,000 events": {"events": 5_000_000, "customers": 400_000},
}
SMALL = {"events": 2_000, "customers": 200}
DAYS = 730
WINDOWS = (30, 90, 365)
HORIZON = 90
CUTOFFS = tuple(np.datetime64("2023-10-01") + np.arange(12) * np.timedelta64(30, "D"))


def write(folder: Path, *, events: int, customers: int) -> int:
    """Write purchases of customers who differ in how often they buy; return the bytes of the columns."""
    import pandas as pd

    rng = np.random.default_rng(5)
    rate = rng.gamma(0.8, 1.0, customers)
    minutes = rng.integers(0, DAYS * 1440, events)
    frame = pd.DataFrame(
        {
            "customer_id": rng.choice(customers, events, p=rate / rate.sum()) + 10_000,
            "timestamp": np.datetime64("2023-01-01", "us") + minutes.astype("timedelta64[m]"),
            "amount": rng.gamma(2.0, 20.0, events).round(2),
        }
    )
    frame.to_parquet(folder / "purchases.parquet", index=False)
    return int(frame.memory_usage(index=False).sum())


def crmkit(folder: Path) -> dict[str, Call]:
    """Time the panel from the frame, and from the log."""
    import pandas as pd

    import crmkit as crm

    purchases = pd.read_parquet(folder / "purchases.parquet")
    log = crm.events(purchases)
    cutoffs = [pd.Timestamp(cutoff) for cutoff in CUTOFFS]
    return {
        "panel": lambda: crm.churn.panel(purchases, cutoffs=cutoffs, horizon=f"{HORIZON}D"),
        "panel of a log": lambda: crm.churn.panel(log, cutoffs=cutoffs, horizon=f"{HORIZON}D"),
    }


def polars(folder: Path) -> dict[str, Call]:
    """Time the same by one aggregation per cutoff."""
    import polars as pl

    purchases = pl.read_parquet(folder / "purchases.parquet")
    time = pl.col("timestamp")

    def at(cutoff: np.datetime64) -> pl.DataFrame:
        here = pl.lit(cutoff.astype("datetime64[us]").item()).cast(pl.Datetime("us"))
        inside = {days: time >= here - pl.duration(days=days) for days in WINDOWS}
        known = purchases.filter(time < here).group_by("customer_id")
        features = known.agg(
            (here - time.max()).alias("recency"),
            (here - time.min()).alias("tenure"),
            *(within.sum().alias(f"orders_{days}") for days, within in inside.items()),
            *(pl.col("amount").filter(within).sum().alias(f"amount_{days}") for days, within in inside.items()),
            pl.len().alias("orders"),
            pl.col("amount").sum(),
        )
        later = purchases.filter((time >= here) & (time < here + pl.duration(days=HORIZON)))
        back = later.select(pl.col("customer_id").unique(), churned=pl.lit(value=False))
        return features.join(back, on="customer_id", how="left").with_columns(
            pl.col("churned").fill_null(value=True), cutoff=here
        )

    return {"panel": lambda: pl.concat([at(cutoff) for cutoff in CUTOFFS]).sort("customer_id", "cutoff")}


LIBRARIES = {"crmkit": (OURS, crmkit), "polars": (OURS, polars)}


def aims(size: str) -> list[Aim]:
    """Compare the panels."""
    return [
        Aim("panel from the frame / polars", ("crmkit", "panel"), ("polars", "panel"), at_most=0.5),
        Aim("panel from a log / polars", ("crmkit", "panel of a log"), ("polars", "panel")),
    ]
