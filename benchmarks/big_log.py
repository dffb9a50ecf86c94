"""Fifty million transactions on disk, summarised by DuckDB, fitted and scored in a process that stays under 2 GiB.

``python benchmarks/big_log.py folder`` writes the parquet files into an empty folder, reads them back, and deletes them. It needs
duckdb, which no other benchmark does: ``nox -s engines`` has it, and runs a small log through the same steps (``--rows 200000``).
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import crmkit as crm

GIB = 1024**3
ROWS_PER_FILE = 5_000_000
PURCHASES_PER_CUSTOMER = 12.5
DAYS = 730


def write(folder: Path, rows: int) -> None:
    """Write purchases in the order in which they happen, file by file: customers come, buy at their rate, and drop out."""
    rng = np.random.default_rng(7)
    files = max(1, round(rows / ROWS_PER_FILE))
    customers = round(rows / PURCHASES_PER_CUSTOMER)
    # rows are dealt to customers in proportion to rate × time alive, which is what Poisson purchases look like from outside
    born = rng.uniform(0, DAYS, customers)
    alive = np.minimum(rng.exponential(250.0, customers), DAYS - born)
    weight = rng.gamma(0.8, 1.0, customers) * alive
    bounds = np.cumsum(weight / weight.sum())
    for number in range(files):
        n = rows // files
        who = np.minimum(np.searchsorted(bounds, rng.random(n)), customers - 1)
        when = born[who] + alive[who] * rng.random(n)
        table = pa.table(
            {
                "customer_id": who.astype(np.int64),
                "timestamp": pa.array((when * 86_400_000_000).astype(np.int64) + 1_640_995_200_000_000).cast(pa.timestamp("us")),
                "amount": np.round(rng.gamma(2.0, 15.0, n), 2),
            }
        )
        pq.write_table(table, folder / f"purchases-{number:02d}.parquet", compression="zstd")


def run(folder: Path, memory: str) -> None:
    """Summarise, fit and score; print what each step took."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{memory}'")
    connection.execute(f"SET temp_directory = '{folder / 'spill'}'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET threads = 2")
    purchases = connection.read_parquet(str(folder / "*.parquet"))
    ((rows,),) = purchases.aggregate("count(*)").fetchall()
    print(f"{rows:,} purchases, {sum(f.stat().st_size for f in folder.glob('*.parquet')) / GIB:.2f} GiB of parquet")

    clock = time.perf_counter()

    def told(step: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
        print(f"{step:<58} {now - clock:6.1f} s, peak of the process {peak:.2f} GiB")
        clock = now

    # the summary is wanted twice, for the fit and for the scores: one row per customer, kept by the engine
    crm.clv.summarize(purchases).create("summary")
    summary = connection.table("summary")
    told("clv.summarize, kept as a table of DuckDB")
    distinct = crm.clv.compress(summary).to_arrow_table()
    ((customers,),) = summary.aggregate("count(*)").fetchall()
    told(f"clv.compress: {customers:,} customers, {distinct.num_rows:,} distinct histories")
    model = crm.clv.fit_bg_nbd(distinct, weight="weight")
    told("clv.fit_bg_nbd of the distinct histories")
    batches: Any = summary.select("customer_id, frequency, recency, T, unit").to_arrow_reader(100_000)
    total, scored = 0.0, 0
    for batch in crm.score_batches(partial(crm.clv.expected_purchases, model, horizon="13W"), batches):
        total, scored = total + float(np.sum(batch.column(1).to_numpy())), scored + batch.num_rows
    told(f"score_batches: expected purchases of {scored:,} customers")
    assert scored == customers
    print(model)
    print(f"expected purchases in 13 weeks: {total:,.0f}")


def main() -> None:
    """Write in one process, measure in another, whose memory tells of the steps alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--memory", default="1100MB", help="memory_limit of DuckDB; Python, crmkit and Arrow come on top")
    parser.add_argument("--most", type=float, default=2.0, help="GiB the process may take")
    parser.add_argument("--step", choices=["write", "run", "all"], default="all", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step == "all":
        given.folder.mkdir(parents=True)
        try:
            for step in ("write", "run"):
                subprocess.run([sys.executable, __file__, *sys.argv[1:], "--step", step], check=True)
        finally:
            shutil.rmtree(given.folder)
    elif given.step == "write":
        write(given.folder, given.rows)
    else:
        run(given.folder, given.memory)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
        if peak > given.most:
            sys.exit(f"the process took {peak:.2f} GiB, more than {given.most} GiB")


if __name__ == "__main__":
    main()
