"""Mining itemsets from baskets."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "Frequent itemsets"
ABOUT = """\
All sets of items in a given share of the baskets, as a frame: `basket.frequent_itemsets` from order lines, and `fpgrowth` of
mlxtend from the table of baskets × items it needs, which is made beforehand. Groceries has 9,835 baskets and 169 items, of
which sets in a thousandth of the baskets are looked for; Online Retail II of 2009-2010 has 20,952 invoices and 4,251 items, and
the share is half a hundredth. Without the files, baskets like them are simulated. "mining" is the search alone, beside the C
code of pyfim: from an encoded log to arrays, and from lists of lists to a list."""

SIZES: dict[str, dict[str, float]] = {
    "Groceries": {"min_support": 0.001, "n_baskets": 9835, "n_items": 169, "mean_size": 4.4},
    "Online Retail": {"min_support": 0.005, "n_baskets": 20_952, "n_items": 4251, "mean_size": 24.4},
}
SMALL = {"min_support": 0.05, "n_baskets": 500, "n_items": 50, "mean_size": 4.4}
FILES = {169: "groceries.csv.gz", 4251: "online_retail_ii_lines_2009_2010.parquet"}


def simulate(n_baskets: int, n_items: int, mean_size: float) -> pd.DataFrame:
    """Simulate baskets from a catalogue with a long tail."""
    rng = np.random.default_rng(7)
    size = rng.geometric(1 / mean_size, n_baskets)
    popularity = 1.0 / np.arange(2, n_items + 2)
    item = rng.choice(n_items, size.sum(), p=popularity / popularity.sum())
    return pd.DataFrame({"basket_id": np.repeat(np.arange(size.size), size), "item": item.astype(str)})


def write(folder: Path, *, min_support: float, n_baskets: float, n_items: float, mean_size: float) -> int:
    """Write the order lines; return the bytes of their columns."""
    file = Path(os.environ.get("CRMKIT_DATA", "../shared/data")) / FILES.get(int(n_items), "none")
    if file.suffix == ".gz" and file.exists():
        lines = pd.read_csv(file)
    elif file.exists():
        lines = pd.read_parquet(file)
        lines = lines[(lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)]
        lines = lines[["InvoiceNo", "StockCode"]].set_axis(["basket_id", "item"], axis=1)
    else:
        lines = simulate(int(n_baskets), int(n_items), mean_size)
    lines.assign(min_support=min_support).to_parquet(folder / "lines.parquet", index=False)
    return int(lines.memory_usage(index=False, deep=True).sum())


def crmkit(folder: Path) -> dict[str, Call]:
    """Time crmkit from the order lines, the search alone, and its rules."""
    import crmkit
    from crmkit import basket
    from crmkit.basket import _itemsets

    lines = pd.read_parquet(folder / "lines.parquet")
    support = float(lines["min_support"].iloc[0])

    def mine() -> pd.DataFrame:
        found: pd.DataFrame = basket.frequent_itemsets(
            lines, min_support=support, customer="basket_id", item="item", time=None, amount=None
        )
        return found

    sets, log = mine(), crmkit.events(lines, customer="basket_id", item="item", time=None, amount=None)
    return {
        "frequent_itemsets": mine,
        "mining": lambda: _itemsets.mined(log, support, 2**31 - 1, 10**7, None),
        "rules": lambda: basket.rules(sets, min_confidence=0.5),
    }


def pyfim(folder: Path) -> dict[str, Call]:
    """Time the C code of pyfim from lists of items."""
    import fim

    lines = pd.read_parquet(folder / "lines.parquet").drop_duplicates(["basket_id", "item"])
    baskets = [items.tolist() for _, items in lines.groupby("basket_id")["item"]]
    least = int(np.ceil(float(lines["min_support"].iloc[0]) * len(baskets)))
    return {
        "eclat": lambda: fim.eclat(baskets, supp=-least, zmin=1, report="a"),
        "fpgrowth": lambda: fim.fpgrowth(baskets, supp=-least, zmin=1, report="a"),
    }


def mlxtend(folder: Path) -> dict[str, Call]:
    """Time mlxtend from the wide table, and its rules."""
    from mlxtend.frequent_patterns import association_rules, fpgrowth

    lines = pd.read_parquet(folder / "lines.parquet")
    support = float(lines["min_support"].iloc[0])
    wide = pd.crosstab(lines["basket_id"], lines["item"]) > 0

    def mine() -> pd.DataFrame:
        found: pd.DataFrame = fpgrowth(wide, min_support=support, use_colnames=True)
        return found

    sets = mine()
    return {"fpgrowth": mine, "association_rules": lambda: association_rules(sets, metric="confidence", min_threshold=0.5)}


LIBRARIES = {"crmkit": (OURS, crmkit), "pyfim": (PEERS, pyfim), "mlxtend": (PEERS, mlxtend)}


def aims(size: str) -> list[Aim]:
    """Compare the mining and the rules."""
    most = 1 / 15 if size == "Groceries" else 1 / 30
    return [
        Aim("crmkit / mlxtend, itemsets", ("crmkit", "frequent_itemsets"), ("mlxtend", "fpgrowth"), most),
        Aim("crmkit / pyfim, mining", ("crmkit", "mining"), ("pyfim", "eclat"), 1.0),
        Aim("crmkit / pyfim's other algorithm, mining", ("crmkit", "mining"), ("pyfim", "fpgrowth"), 1.0),
        Aim("crmkit / mlxtend, rules", ("crmkit", "rules"), ("mlxtend", "association_rules"), 1.0),
    ]
