"""Itemsets beside the C code of pyfim; run by ``nox -s peers``, in whose environment it works."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("fim", reason="pyfim works in the environment of `nox -s peers`", exc_type=ImportError)

import fim

from crmkit import basket


def groceries(data_file):
    return pd.read_csv(data_file("groceries.csv.gz")).rename(columns={"basket_id": "basket"})


def online_retail(data_file):
    lines = pd.read_parquet(data_file("online_retail_ii_lines_2009_2010.parquet"))
    lines = lines[(lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)]
    return lines[["InvoiceNo", "StockCode"]].set_axis(["basket", "item"], axis=1).astype(str)


@pytest.mark.parametrize(
    ("read", "min_support", "n_sets"), [(groceries, 0.001, 13_492), (online_retail, 0.005, 8_073)], ids=["groceries", "shop"]
)
def test_the_same_sets_are_in_as_many_baskets(data_file, read, min_support, n_sets):
    lines = read(data_file).drop_duplicates()
    ours = basket.frequent_itemsets(lines, min_support=min_support, customer="basket", item="item", time=None, amount=None)
    baskets = [items.tolist() for _, items in lines.groupby("basket")["item"]]
    least = int(np.ceil(min_support * len(baskets)))
    theirs = {tuple(sorted(items)): count for items, count in fim.eclat(baskets, supp=-least, zmin=1, report="a")}
    assert len(ours) == len(theirs) == n_sets
    assert [theirs[items] for items in ours["items"]] == ours["count"].tolist()
    closed = {tuple(sorted(items)) for items, _ in fim.eclat(baskets, target="c", supp=-least, zmin=1, report="a")}
    maximal = {tuple(sorted(items)) for items, _ in fim.eclat(baskets, target="m", supp=-least, zmin=1, report="a")}
    assert set(ours.loc[ours["closed"], "items"]) == closed
    assert set(ours.loc[ours["maximal"], "items"]) == maximal
