"""Jaro-Winkler on pairs of positions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "Jaro-Winkler similarity"
ABOUT = """\
The similarity of random pairs of simulated surnames (8 letters) and of e-mail addresses (25), without and with a least
similarity of 0.88 below which any answer will do. One thread each. crmkit has its strings encoded and takes positions,
rapidfuzz (`cpdist`) takes two lists of strings, DuckDB sums over a table of two columns of strings: laying those out is not
timed anywhere."""

SIZES = {"500,000 pairs": {"n_pairs": 500_000}, "5,000,000 pairs": {"n_pairs": 5_000_000}}
SMALL = {"n_pairs": 2_000}
COLUMNS = {"names": "last_name", "emails": "email"}
CUT = 0.88


def write(folder: Path, *, n_pairs: int) -> int:
    """Write distinct strings and random pairs of their positions; return the bytes of the pairs."""
    import pandas as pd

    from crmkit import datasets

    records = datasets.make_records(n_records=20_000, rng=1).records
    rng = np.random.default_rng(2)
    size = 0
    for name, column in COLUMNS.items():
        # drawn from the records: common names come often
        codes, values = pd.factorize(records[column].dropna().str.lower())
        pd.DataFrame({"value": values.astype(object)}).to_parquet(folder / f"{name}.parquet", index=False)
        pairs = pd.DataFrame({side: rng.choice(codes, n_pairs).astype(np.int32) for side in ("left", "right")})
        pairs.to_parquet(folder / f"{name}_pairs.parquet", index=False)
        size += int(pairs.memory_usage(index=False).sum())
    return size


def read(folder: Path, name: str) -> tuple[list[str], Any, Any]:
    """Return distinct strings, and positions of both sides of the pairs."""
    import pandas as pd

    values = pd.read_parquet(folder / f"{name}.parquet")["value"].tolist()
    pairs = pd.read_parquet(folder / f"{name}_pairs.parquet")
    left, right = (np.ascontiguousarray(pairs[side].to_numpy()) for side in ("left", "right"))
    return values, left, right


def crmkit(folder: Path) -> dict[str, Call]:
    """Time crmkit's kernel, through the function its comparisons use."""
    from crmkit._frame import readonly
    from crmkit.dedupe.strings import encode, similarities

    steps: dict[str, Call] = {}
    for name in COLUMNS:
        values, left, right = read(folder, name)
        given = encode(values), readonly(left), readonly(right)
        steps[name] = partial(similarities, *given)
        steps[f"{name} .88"] = partial(similarities, *given, CUT)
    return steps


def rapidfuzz(folder: Path) -> dict[str, Call]:
    """Time rapidfuzz on one thread."""
    from rapidfuzz.distance import JaroWinkler
    from rapidfuzz.process import cpdist

    steps: dict[str, Call] = {}
    for name in COLUMNS:
        values, left, right = read(folder, name)
        given = [[values[code] for code in side.tolist()] for side in (left, right)]
        steps[name] = partial(cpdist, *given, scorer=JaroWinkler.similarity, dtype=np.float64, workers=1)
        steps[f"{name} .88"] = partial(
            cpdist, *given, scorer=JaroWinkler.similarity, dtype=np.float64, workers=1, score_cutoff=CUT
        )
    return steps


def duckdb(folder: Path) -> dict[str, Call]:
    """Time DuckDB on one thread."""
    import duckdb as engine

    connection = engine.connect()
    connection.execute("SET threads = 1")
    steps: dict[str, Call] = {}
    for name in COLUMNS:
        connection.execute(f"CREATE TABLE {name}_values AS SELECT * FROM '{folder / name}.parquet'")
        connection.execute(
            f"CREATE TABLE {name} AS SELECT a.value AS s, b.value AS t FROM '{folder / name}_pairs.parquet' AS p "
            f"JOIN {name}_values AS a ON a.rowid = p.left JOIN {name}_values AS b ON b.rowid = p.right"
        )
        steps[name] = partial(connection.execute, f"SELECT sum(jaro_winkler_similarity(s, t)) FROM {name}")
        steps[f"{name} .88"] = partial(connection.execute, f"SELECT sum(jaro_winkler_similarity(s, t, {CUT})) FROM {name}")
    return steps


LIBRARIES = {"crmkit": (OURS, crmkit), "rapidfuzz": (PEERS, rapidfuzz), "duckdb": (PEERS, duckdb)}


def aims(size: str) -> list[Aim]:
    """Compare each column with each peer."""
    wanted = {
        ("names", "rapidfuzz"): 1 / 2,
        ("names", "duckdb"): 1 / 1.5,
        ("emails", "rapidfuzz"): 1.0,
        ("emails .88", "duckdb"): 1.0,
    }
    return [
        Aim(f"crmkit / {peer}, {step}", ("crmkit", step), (peer, step), wanted.get((step, peer)))
        for name in COLUMNS
        for step in (name, f"{name} .88")
        for peer in ("rapidfuzz", "duckdb")
    ]
