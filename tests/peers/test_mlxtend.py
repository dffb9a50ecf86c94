"""Itemsets and rules beside mlxtend; run by ``nox -s peers``, in whose environment it works."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("mlxtend", reason="mlxtend works in the environment of `nox -s peers`", exc_type=ImportError)

from mlxtend.frequent_patterns import association_rules, fpgrowth

from crmkit import basket

# its own calls of pandas and numpy are dated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::RuntimeWarning")

SAME_NAMES = ("support", "confidence", "lift", "leverage", "conviction", "jaccard", "certainty", "kulczynski")
OTHER_NAMES = {
    "zhang": "zhangs_metric",
    "antecedent_support": "antecedent support",
    "consequent_support": "consequent support",
}


@pytest.fixture(scope="module")
def groceries(data_file):
    return pd.read_csv(data_file("groceries.csv.gz"))


@pytest.mark.parametrize(("min_support", "n_sets", "n_rules"), [(0.001, 13_492, 5_829), (0.01, 333, 15)])
def test_groceries_have_the_same_itemsets_and_rules_on_every_shared_measure(groceries, min_support, n_sets, n_rules):
    ours = basket.frequent_itemsets(groceries, min_support=min_support, customer="basket_id", item="item", time=None, amount=None)
    wide = pd.crosstab(groceries["basket_id"], groceries["item"]) > 0
    theirs = fpgrowth(wide, min_support=min_support, use_colnames=True)
    assert len(ours) == len(theirs) == n_sets
    support = {tuple(sorted(items)): support for items, support in zip(theirs["itemsets"], theirs["support"], strict=True)}
    np.testing.assert_allclose(ours["support"], [support[items] for items in ours["items"]], rtol=1e-12)

    more = ["jaccard", "certainty", "kulczynski", "antecedent_support", "consequent_support"]
    rules = basket.rules(ours, min_confidence=0.5, measures=more)
    others = association_rules(theirs, metric="confidence", min_threshold=0.5)
    assert len(rules) == len(others) == n_rules
    for side in ("antecedent", "consequent"):
        others[side] = [tuple(sorted(items)) for items in others[f"{side}s"]]
    both = rules.merge(others, on=["antecedent", "consequent"], suffixes=("", "_theirs"), validate="one_to_one")
    assert len(both) == n_rules
    for name in SAME_NAMES:
        np.testing.assert_allclose(both[name], both[f"{name}_theirs"], rtol=1e-9, err_msg=name)
    for name, theirs in OTHER_NAMES.items():
        np.testing.assert_allclose(both[name], both[theirs], rtol=1e-9, err_msg=name)
