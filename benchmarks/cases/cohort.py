"""Cohort tables from purchases: by calendar month, against the usual recipes on the same columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import OURS, Aim, Call, Step

TITLE = "Cohort table"
ABOUT = """\
How many customers of each month came back in each later month, from two columns: customer and time. The recipe of pandas
is the one found everywhere: months by `to_period`, a group-by for each customer's first, a group-by that counts distinct
customers, a pivot. That of polars is the same in its expressions. *Table* starts from the frame; *of a log* from an event
log that is ready. Rows come in no order, over two years; a customer has 13.5 rows on average."""

SIZES: dict[str, dict[str, Any]] = {
    f"{millions}M rows, {ids} ids": {"rows": millions * 1_000_000, "ids": ids}
    for millions in (1, 5)
    for ids in ("integer", "string")
}
SMALL = {"rows": 2_000}


def write(folder: Path, *, rows: int, ids: str) -> int:
    """Write customers and times to parquet; return the bytes of the two columns."""
    import pandas as pd
    import pyarrow as pa

    rng = np.random.default_rng(20)
    n_customers = max(1, round(rows / 13.5))
    known = rng.choice(np.arange(10_000_000, 10_000_000 + 50 * n_customers), size=n_customers, replace=False)
    weight = rng.gamma(0.7, size=n_customers)
    who = rng.choice(n_customers, size=rows, p=weight / weight.sum())
    seconds = rng.integers(0, 2 * 365 * 86_400, size=rows)
    frame = pd.DataFrame(
        {"customer_id": known[who], "timestamp": np.datetime64("2023-01-01", "us") + seconds.astype("timedelta64[s]")}
    )
    if ids == "string":
        frame["customer_id"] = pd.Series(np.char.add("C", known.astype(str))[who], dtype="str")
    frame.to_parquet(folder / "purchases.parquet", index=False)
    return int(pa.Table.from_pandas(frame, preserve_index=False).nbytes)


def crmkit(folder: Path) -> dict[str, Step]:
    """Time the table from the frame, and from a log."""
    import pandas as pd

    import crmkit as crm

    frame = pd.read_parquet(folder / "purchases.parquet")

    def wide(source: Any, **options: Any) -> object:
        return crm.cohort.triangle(crm.cohort.retention(source, **options), value="active", mature=False)

    return {
        "table": lambda: wide(frame, amount=None),
        "of a log": (lambda: crm.events(frame, amount=None), wide),
    }


def pandas(folder: Path) -> dict[str, Call]:
    """Time the recipe of pandas."""
    import pandas as pd

    frame = pd.read_parquet(folder / "purchases.parquet")

    def recipe() -> object:
        month = frame["timestamp"].dt.to_period("M")
        cohort = month.groupby(frame["customer_id"]).transform("min")
        age = month.astype("int64") - cohort.astype("int64")
        cells = pd.DataFrame({"cohort": cohort, "age": age, "customer_id": frame["customer_id"]})
        counts = cells.groupby(["cohort", "age"])["customer_id"].nunique().reset_index()
        return counts.pivot(index="cohort", columns="age", values="customer_id")  # noqa: PD010

    return {"recipe": recipe}


def polars(folder: Path) -> dict[str, Call]:
    """Time the recipe of polars."""
    import polars as pl

    frame = pl.read_parquet(folder / "purchases.parquet")
    month = 12 * pl.col("timestamp").dt.year() + pl.col("timestamp").dt.month()

    def recipe() -> object:
        first = frame.select("customer_id", month=month).with_columns(cohort=pl.col("month").min().over("customer_id"))
        cells = first.with_columns(age=pl.col("month") - pl.col("cohort"))
        counts = cells.group_by("cohort", "age").agg(pl.col("customer_id").n_unique())
        return counts.pivot("age", index="cohort", values="customer_id")  # noqa: PD010

    return {"recipe": recipe}


LIBRARIES = {"crmkit": (OURS, crmkit), "pandas": (OURS, pandas), "polars": (OURS, polars)}


def aims(size: str) -> list[Aim]:
    """Compare the table from the frame with the recipes."""
    at_most = 0.2 if size.startswith("5M") else None
    return [
        Aim("table / pandas recipe", ("crmkit", "table"), ("pandas", "recipe"), at_most),
        Aim("table / polars recipe", ("crmkit", "table"), ("polars", "recipe")),
    ]
