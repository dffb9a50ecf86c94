"""Purchases to customers: encoding and sorting the log, and summarizing it, against group-bys on the same columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import OURS, PEERS, Aim, Call, Step

TITLE = "Event log and RFM summary"
ABOUT = """\
`events` checks, encodes and sorts the purchases once; `summarize` is `rfm.summarize` on the log that is then ready. The
peers group the same columns by customer: number of rows, last time, sum of amounts. lifetimes computes the four numbers
of its models. Rows come in no order; a customer has 13.5 rows on average, few have most."""

SIZES: dict[str, dict[str, Any]] = {
    f"{millions}M rows, {ids} ids": {"rows": millions * 1_000_000, "ids": ids}
    for millions in (1, 5)
    for ids in ("integer", "string", "categorical")
}
SMALL = {"rows": 2_000}


def write(folder: Path, *, rows: int, ids: str) -> int:
    """Write the purchases to parquet, ids as wanted; return the bytes of the three columns."""
    import pandas as pd
    import pyarrow as pa

    rng = np.random.default_rng(20)
    n_customers = max(1, round(rows / 13.5))
    # eight digits with gaps, as customer numbers are
    known = rng.choice(np.arange(10_000_000, 10_000_000 + 50 * n_customers), size=n_customers, replace=False)
    weight = rng.gamma(0.7, size=n_customers)
    who = rng.choice(n_customers, size=rows, p=weight / weight.sum())
    seconds = rng.integers(0, 2 * 365 * 86_400, size=rows)
    frame = pd.DataFrame(
        {
            "customer_id": known[who],
            "timestamp": np.datetime64("2023-01-01", "us") + seconds.astype("timedelta64[s]"),
            "amount": np.round(rng.lognormal(3.0, 1.0, size=rows), 2),
        }
    )
    if ids != "integer":
        frame["customer_id"] = pd.Series(np.char.add("C", known.astype(str))[who], dtype="str")
    if ids == "categorical":
        frame["customer_id"] = frame["customer_id"].astype("category")
    frame.to_parquet(folder / "purchases.parquet", index=False)
    return int(pa.Table.from_pandas(frame, preserve_index=False).nbytes)


def crmkit(folder: Path) -> dict[str, Step]:
    """Time the log, and the summary of a ready one."""
    import pandas as pd

    import crmkit as crm

    frame = pd.read_parquet(folder / "purchases.parquet")
    return {"events": lambda: crm.events(frame), "summarize": (lambda: crm.events(frame), crm.rfm.summarize)}


def polars(folder: Path) -> dict[str, Call]:
    """Time polars' eager group-by."""
    import polars as pl

    frame = pl.read_parquet(folder / "purchases.parquet")
    wanted = [pl.len(), pl.col("timestamp").max(), pl.col("amount").sum()]
    return {"group_by": lambda: frame.group_by("customer_id").agg(*wanted)}


def pandas(folder: Path) -> dict[str, Call]:
    """Time pandas' group-by."""
    import pandas as pd

    frame = pd.read_parquet(folder / "purchases.parquet")
    wanted = {"frequency": ("amount", "size"), "last": ("timestamp", "max"), "monetary": ("amount", "sum")}
    return {"group-by": lambda: frame.groupby("customer_id", observed=True).agg(**wanted)}


def lifetimes(folder: Path) -> dict[str, Call]:
    """Time the summary that lifetimes makes of the same purchases."""
    import pandas as pd
    from lifetimes.utils import summary_data_from_transaction_data

    frame = pd.read_parquet(folder / "purchases.parquet")
    if isinstance(frame["customer_id"].dtype, pd.CategoricalDtype):
        return {}  # it would build every combination of customer and day
    return {"summary": lambda: summary_data_from_transaction_data(frame, "customer_id", "timestamp", monetary_value_col="amount")}


LIBRARIES = {
    "crmkit": (OURS, crmkit),
    "polars": (OURS, polars),
    "pandas": (OURS, pandas),
    "lifetimes": (PEERS, lifetimes),
}


def aims(size: str) -> list[Aim]:
    """Compare the log with polars, both steps with the others."""
    both = ("crmkit", "events+summarize")
    ids = size.split()[2]
    return [
        Aim(
            "events / polars group_by",
            ("crmkit", "events"),
            ("polars", "group_by"),
            {"integer": 1.5, "string": 2.0}.get(ids),
        ),
        Aim("rfm.summarize / polars group_by", ("crmkit", "summarize"), ("polars", "group_by"), 0.1),
        Aim("both / pandas group-by", both, ("pandas", "group-by"), 1.0 if ids == "categorical" else None),
        Aim("both / lifetimes", both, ("lifetimes", "summary"), round(1 / 15, 3)),
        Aim("extra memory of events / input columns", ("crmkit", "events"), None, 2.0, kind="memory"),
    ]
