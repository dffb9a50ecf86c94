"""Mining itemsets from baskets."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "Frequent itemsets"
ABOUT = """\
All sets of items in a thousandth of the baskets, as a frame: `basket.frequent_itemsets` from order lines, and `fpgrowth` of
mlxtend from the table of baskets × items it needs, which is made beforehand. Groceries has 9,835 baskets and 169 items;
without the file, baskets like them are simulated."""

SIZES: dict[str, dict[str, float]] = {"Groceries": {"min_support": 0.001}}
SMALL = {"min_support": 0.01}


def simulate(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Simulate 9,835 baskets of 4.4 items from a catalogue with a long tail."""
    size = rng.geometric(1 / 4.4, 9835)
    popularity = 1.0 / np.arange(2, 171)
    item = rng.choice(169, size.sum(), p=popularity / popularity.sum())
    return {"basket_id": np.repeat(np.arange(size.size), size), "item": item}


def write(folder: Path, *, min_support: float) -> int:
    """Write the order lines; return the bytes of their columns."""
    import pandas as pd

    file = Path(os.environ.get("CRMKIT_DATA", "../shared/data")) / "groceries.csv.gz"
    lines = pd.read_csv(file) if file.exists() else pd.DataFrame(simulate(np.random.default_rng(7)))
    lines.assign(min_support=min_support).to_parquet(folder / "lines.parquet", index=False)
    return int(lines.memory_usage(index=False, deep=True).sum())


def crmkit(folder: Path) -> dict[str, Call]:
    """Time crmkit from the order lines, and its rules."""
    import pandas as pd

    from crmkit import basket

    lines = pd.read_parquet(folder / "lines.parquet")
    support = float(lines["min_support"].iloc[0])

    def mine() -> pd.DataFrame:
        found: pd.DataFrame = basket.frequent_itemsets(
            lines, min_support=support, customer="basket_id", item="item", time=None, amount=None
        )
        return found

    sets = mine()
    return {"frequent_itemsets": mine, "rules": lambda: basket.rules(sets, min_confidence=0.5)}


def mlxtend(folder: Path) -> dict[str, Call]:
    """Time mlxtend from the wide table, and its rules."""
    import pandas as pd
    from mlxtend.frequent_patterns import association_rules, fpgrowth  # type: ignore[import-not-found]

    lines = pd.read_parquet(folder / "lines.parquet")
    support = float(lines["min_support"].iloc[0])
    wide = pd.crosstab(lines["basket_id"], lines["item"]) > 0

    def mine() -> pd.DataFrame:
        found: pd.DataFrame = fpgrowth(wide, min_support=support, use_colnames=True)
        return found

    sets = mine()
    return {"fpgrowth": mine, "association_rules": lambda: association_rules(sets, metric="confidence", min_threshold=0.5)}


LIBRARIES = {"crmkit": (OURS, crmkit), "mlxtend": (PEERS, mlxtend)}


def aims(size: str) -> list[Aim]:
    """Compare the mining and the rules."""
    return [
        Aim("crmkit / mlxtend, itemsets", ("crmkit", "frequent_itemsets"), ("mlxtend", "fpgrowth"), 1 / 15),
        Aim("crmkit / mlxtend, rules", ("crmkit", "rules"), ("mlxtend", "association_rules"), 1.0),
    ]
