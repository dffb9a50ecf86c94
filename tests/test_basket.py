"""Itemsets and rules: the definition, what must not matter, what is refused, and that the intervals mean what they say."""

from __future__ import annotations

import ast
import importlib
import os

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit as crm
from crmkit import basket, intervals
from crmkit._kernels import hypergeometric as _h
from crmkit.errors import ColumnError, DataError, LimitError, OptionError
from naive import basket as naive

BASKETS = {"customer": "basket", "item": "item", "time": None, "amount": None}
MEASURES = ("support", "confidence", "lift", "leverage", "conviction", "zhang", "p_value")
MORE = ("antecedent_support", "consequent_support", "jaccard", "certainty", "kulczynski", "imbalance")
interpreted = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"

unhurried = settings(deadline=None, max_examples=60)
contents = st.lists(st.frozensets(st.sampled_from("abcdefg"), min_size=1), min_size=1, max_size=14)


def lines(baskets):
    return pd.DataFrame([(n, item) for n, items in enumerate(baskets) for item in sorted(items)], columns=["basket", "item"])


def mined(frame, min_support, **options):
    return basket.frequent_itemsets(frame, min_support=min_support, **{**BASKETS, **options})


def simulated(n=400, n_items=12, seed=0):
    """Baskets in which some items come together more often than others."""
    rng = np.random.default_rng(seed)
    held = rng.random((n, n_items)) < rng.beta(2, 5, n_items)
    held[:, 1] |= held[:, 0] & (rng.random(n) < 0.5)
    held[~held.any(axis=1), 0] = True
    row, item = np.nonzero(held)
    return pd.DataFrame({"basket": row, "item": [f"i{i:02d}" for i in item]})


@pytest.fixture(scope="module")
def groceries(data_file):
    return pd.read_csv(data_file("groceries.csv.gz")).rename(columns={"basket_id": "basket"})


# ── the definition ────────────────────────────────────────────────────────────────────────────────────────────────────


@unhurried
@given(
    baskets=contents, min_support=st.sampled_from([0.01, 0.1, 0.25, 1 / 3, 0.5, 1.0]), max_len=st.sampled_from([None, 1, 2, 3])
)
def test_itemsets_are_those_of_the_definition(baskets, min_support, max_len):
    got = mined(lines(baskets), min_support, max_len=max_len)
    expected = naive.frequent_itemsets(baskets, min_support, max_len)
    assert dict(zip(got["items"], got["count"], strict=True)) == expected
    assert len(got) == len(expected)
    assert (got["support"] == got["count"] / len(baskets)).all()
    assert set(got.loc[got["closed"], "items"]) == naive.closed(expected)
    assert set(got.loc[got["maximal"], "items"]) == naive.maximal(expected)
    keys = [(len(items), -count, items) for items, count in zip(got["items"], got["count"], strict=True)]
    assert keys == sorted(keys)


@unhurried
@given(
    baskets=contents,
    min_support=st.sampled_from([0.01, 0.2]),
    min_confidence=st.sampled_from([0.0, 0.5, 2 / 3, 1.0]),
    max_consequent=st.sampled_from([None, 1, 2]),
)
def test_rules_are_those_of_the_definition(baskets, min_support, min_confidence, max_consequent):
    baskets = [frozenset(sorted(items)[:5]) for items in baskets]
    sets = mined(lines(baskets), min_support)
    got = basket.rules(sets, min_confidence=min_confidence, max_consequent=max_consequent, measures=MORE)
    expected = naive.rules(baskets, naive.frequent_itemsets(baskets, min_support), min_confidence, max_consequent)
    assert set(zip(got["antecedent"], got["consequent"], strict=True)) == set(expected)
    assert len(got) == len(expected)
    for row in got.itertuples(index=False):
        truth = expected[row.antecedent, row.consequent]
        for name in (*MEASURES, *MORE):
            assert getattr(row, name) == pytest.approx(float(truth[name]), rel=1e-9, abs=1e-12), name
        assert 0 < row.ci_low <= row.lift * (1 + 1e-12)
        assert row.lift <= row.ci_high * (1 + 1e-12)
    keys = list(zip(-got["confidence"], -got["support"], map(len, got["antecedent"]), got["antecedent"], strict=True))
    assert keys == sorted(keys)


@pytest.mark.skipif(interpreted, reason="ten thousand baskets are many without compilation")
def test_groceries_have_the_itemsets_and_rules_that_others_count(groceries):
    """arules: 5,668 rules with one consequent; with more in the consequent 5,829."""
    sets = mined(groceries, 0.001)
    assert np.bincount(sets["items"].map(len))[1:].tolist() == [157, 2981, 6831, 3137, 376, 10]
    assert (sets["items"].iloc[0], sets["count"].iloc[0]) == (("whole milk",), 2513)
    assert len(basket.rules(sets, min_confidence=0.5)) == 5829
    assert len(basket.rules(sets, min_confidence=0.5, max_consequent=1)) == 5668
    fewer = mined(groceries, 0.01)
    assert np.bincount(fewer["items"].map(len))[1:].tolist() == [88, 213, 32]
    assert len(basket.rules(fewer, min_confidence=0.5)) == 15
    # the counts of the closed sets give all others
    closed = [(set(items), count) for items, count in zip(fewer["items"], fewer["count"], strict=True)]
    for items, count in zip(sets["items"][:3000:97], sets["count"][:3000:97], strict=True):
        if count / 9835 >= 0.01:
            assert count == max(c for s, c in closed if set(items) <= s)


def test_measures_of_a_rule_by_hand():
    """10 baskets, 4 with x, 5 with y, 3 with both."""
    baskets = [{"x", "y"}] * 3 + [{"x"}] + [{"y"}] * 2 + [{"z"}] * 4
    got = basket.rules(mined(lines(baskets), 0.1), min_confidence=0.7)
    assert list(zip(got["antecedent"], got["consequent"], strict=True)) == [(("x",), ("y",))]
    rule = got.iloc[0]
    assert rule["support"] == pytest.approx(0.3)
    assert rule["confidence"] == pytest.approx(0.75)
    assert rule["lift"] == pytest.approx(1.5)
    assert rule["leverage"] == pytest.approx(0.1)
    assert rule["conviction"] == pytest.approx(2.0)
    assert rule["zhang"] == pytest.approx(0.1 / max(0.3 * 0.6, 0.4 * 0.2))
    assert rule["p_value"] == pytest.approx((5 * 10 + 5) / 210)
    margin = np.exp(1.959964 * np.sqrt(1 / 3 - 1 / 4 - 1 / 5 + 2 / 10))
    assert (rule["ci_low"], rule["ci_high"]) == pytest.approx((1.5 / margin, 1.5 * margin))


def test_an_exact_rule_has_an_infinite_conviction_and_one_about_everybody_says_nothing():
    sets = mined(lines([{"a", "b", "c"}, {"b", "c"}, {"c"}]), 0.3)
    rules = basket.rules(sets, min_confidence=1.0)
    rules = {(row["antecedent"], row["consequent"]): row for _, row in rules.iterrows()}
    assert rules[("a",), ("b",)]["conviction"] == np.inf
    everybody = rules[("b",), ("c",)]
    assert everybody[["lift", "leverage", "conviction", "zhang", "p_value", "ci_low", "ci_high"]].tolist() == [
        1,
        0,
        1,
        0,
        1,
        1,
        1,
    ]


@pytest.mark.skipif(interpreted, reason="the tables are large")
def test_fishers_tail_is_that_of_scipy():
    from scipy.stats import hypergeom

    rng = np.random.default_rng(3)
    n = 100_000
    x, y = rng.integers(1, n, 400), rng.integers(1, n, 400)
    x[:200], y[:200] = rng.integers(1, 500, 200), rng.integers(1, 2000, 200)
    both = np.clip(
        hypergeom.rvs(n, x, y, random_state=rng) + rng.integers(-3, 12, 400), np.maximum(0, x + y - n), np.minimum(x, y)
    )
    got = _h.upper_tails(both, x, y, n)
    assert got == pytest.approx(hypergeom.sf(both - 1, n, x, y), rel=1e-6, abs=1e-12)


def test_the_chi_squared_tail_is_that_of_the_table():
    from scipy.stats import chi2_contingency

    sets = mined(simulated(), 0.05)
    n = round(sets["count"].iloc[0] / sets["support"].iloc[0])
    rules = basket.rules(sets, min_confidence=0.0, test="chi2", measures=["antecedent_support", "consequent_support"])
    for row in rules.iloc[::7].itertuples():
        both, x, y = (round(share * n) for share in (row.support, row.antecedent_support, row.consequent_support))
        two_sided = chi2_contingency([[both, x - both], [y - both, n - x - y + both]], correction=False).pvalue
        assert row.p_value == pytest.approx(two_sided / 2 if row.lift >= 1 else 1 - two_sided / 2, rel=1e-9)
    exact = basket.rules(sets, min_confidence=0.0)
    assert np.abs(exact["p_value"] - rules["p_value"]).max() < 0.1
    everywhere = basket.rules(mined(lines([{"a", "b"}, {"b"}]), 0.1), min_confidence=0.0, test="chi2")
    assert everywhere["p_value"].tolist() == [1.0, 1.0]


def test_an_order_is_a_basket_and_an_item_counts_once_in_it():
    frame = pd.DataFrame(
        {
            "customer_id": ["ann"] * 5 + ["bob"] * 3,
            "order_id": [1, 1, 1, 2, 2, 3, 3, 4],
            "item_id": ["a", "a", "b", "a", "c", "a", "b", "c"],
            "timestamp": pd.Timestamp("2024-01-01"),
            "amount": [1.0] * 7 + [-1.0],
        }
    )
    got = basket.frequent_itemsets(frame, min_support=0.5, order="order_id", refunds="subtract")
    assert dict(zip(got["items"], got["count"], strict=True)) == {("a",): 3, ("b",): 2, ("a", "b"): 2}  # of 3: 4 is a refund
    log = crm.events(frame, order="order_id", refunds="subtract")
    pd.testing.assert_frame_equal(basket.frequent_itemsets(log, min_support=0.5), got)
    # without order ids, what is bought at one moment is one order
    moments = basket.frequent_itemsets(frame[frame["amount"] > 0], min_support=0.9)
    assert dict(zip(moments["items"], moments["count"], strict=True)) == {("a",): 2, ("b",): 2, ("a", "b"): 2}


# ── the intervals, and the adjustment ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(interpreted, reason="two thousand samples are many without compilation")
@pytest.mark.parametrize(("p", "px", "py"), [(0.06, 0.2, 0.3), (0.12, 0.2, 0.3), (0.03, 0.2, 0.3)], ids=["1", "2", "0.5"])
def test_the_interval_of_the_lift_covers_at_its_level(p, px, py):
    rng, n = np.random.default_rng(5), 1000
    draws = rng.multinomial(n, [p, px - p, py - p, 1 - px - py + p], size=2000)
    # every sample has items of its own, so that one call answers for all
    items = [items for i in range(len(draws)) for items in (((i, "x"),), ((i, "y"),), ((i, "x"), (i, "y")))]
    counts = np.column_stack([draws[:, 0] + draws[:, 1], draws[:, 0] + draws[:, 2], draws[:, 0]]).ravel()
    rules = basket.rules(pd.DataFrame({"items": items, "support": counts / n, "count": counts}), min_confidence=0.0)
    truth = p / (px * py)
    assert len(rules) == 4000
    assert 0.935 <= ((rules["ci_low"] <= truth) & (truth <= rules["ci_high"])).mean() <= 0.965


def test_p_values_are_adjusted_as_intervals_does():
    sets = mined(simulated(), 0.05)
    raw = basket.rules(sets, min_confidence=0.3)
    for method in ("holm", "bh"):
        adjusted = basket.rules(sets, min_confidence=0.3, adjust=method)
        np.testing.assert_allclose(adjusted["p_value"], intervals.adjust_pvalues(raw["p_value"], method=method), rtol=1e-12)
    narrow = basket.rules(sets, min_confidence=0.3, level=0.5)
    assert (narrow["ci_low"] > raw["ci_low"]).all()
    assert (narrow["ci_high"] < raw["ci_high"]).all()


# ── what must not matter ──────────────────────────────────────────────────────────────────────────────────────────────


def test_neither_the_order_of_rows_nor_threads_nor_pieces_matter(monkeypatch):
    frame = simulated(60 if interpreted else 400)
    expected = mined(frame, 0.05)
    rules = basket.rules(expected, min_confidence=0.3)
    pd.testing.assert_frame_equal(mined(frame.sample(frac=1, random_state=1), 0.05), expected)
    pd.testing.assert_frame_equal(mined(pd.concat([frame, frame]), 0.05), expected)
    shuffled = basket.rules(expected.sample(frac=1, random_state=2), min_confidence=0.3)
    pd.testing.assert_frame_equal(shuffled, rules)
    for piece in (1, 5):
        monkeypatch.setattr(importlib.import_module("crmkit.basket._itemsets"), "PIECE", piece)
        for n_threads in (1, 2, 3):
            pd.testing.assert_frame_equal(mined(frame, 0.05, n_threads=n_threads), expected)


def test_other_names_in_the_same_order_change_nothing_else():
    frame = simulated(60)
    renamed = frame.assign(basket=-frame["basket"], item=frame["item"].str[1:].astype(int) * 10)
    sets, other = mined(frame, 0.1), mined(renamed, 0.1)
    assert [tuple(int(item[1:]) * 10 for item in items) for items in sets["items"]] == other["items"].tolist()
    assert all(type(item) is int for items in other["items"] for item in items)
    pd.testing.assert_frame_equal(sets.drop(columns="items"), other.drop(columns="items"))


def test_support_falls_as_sets_grow_and_less_support_finds_more():
    sets = mined(simulated(100), 0.05)
    count = dict(zip(sets["items"], sets["count"], strict=True))
    for items, n in count.items():
        assert all(count[items[:i] + items[i + 1 :]] >= n for i in range(len(items)) if len(items) > 1)
    assert set(mined(simulated(100), 0.1)["items"]) < set(count)


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "categories", "tuples", "mixed", "days"])
def test_every_kind_of_frame_and_id_gives_the_same_rules(kind):
    frame = simulated(80)
    expected = basket.rules(mined(frame, 0.1), min_confidence=0.3)
    if kind == "categories":
        frame["item"] = pd.Categorical(frame["item"], categories=["unused", *sorted(set(frame["item"]))])
    if kind == "tuples":
        frame["item"] = [("shelf", item) for item in frame["item"]]
    if kind == "mixed":
        frame["item"] = [int(item[1:]) if item < "i05" else item for item in frame["item"]]
    if kind == "days":
        frame["item"] = pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.to_timedelta(
            frame["item"].str[1:].astype(int), unit="D"
        )
    given = {"polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}.get(kind, lambda f: f)(frame)
    sets = mined(given, 0.1)
    got = basket.rules(sets, min_confidence=0.3)
    assert type(sets) is type(got) is type(given)
    if kind in ("polars", "pyarrow"):
        back = got.to_pandas()
        assert [tuple(items) for items in back["antecedent"]] == expected["antecedent"].tolist()
        for name in (*MEASURES, "ci_low", "ci_high"):
            np.testing.assert_array_equal(back[name], expected[name])
        nothing = basket.rules(sets, min_confidence=1.0), mined(given, 1.0)
        assert [frame.schema for frame in nothing] == [got.schema, sets.schema]
        assert len(nothing[0]) == len(nothing[1]) == 0
        return
    for name in (*MEASURES, "ci_low", "ci_high"):
        np.testing.assert_allclose(np.sort(got[name]), np.sort(expected[name]), rtol=1e-12)
    if kind == "tuples":
        assert got["antecedent"].iloc[0][0] == ("shelf", expected["antecedent"].iloc[0][0])
    if kind == "days":
        assert got["antecedent"].iloc[0][0].tz is not None


def test_no_set_and_no_rule_are_frames_without_rows():
    sets = mined(simulated(60), 1.0)
    assert len(sets) == 0
    assert sets.dtypes.astype(str).tolist() == ["object", "float64", "int64", "bool", "bool"]
    rules = basket.rules(sets, min_confidence=0.5)
    assert len(rules) == 0
    assert rules.dtypes.astype(str).tolist() == ["object"] * 2 + ["float64"] * 9
    assert len(basket.rules(sets, min_confidence=0.5, adjust="holm")) == 0


def test_sets_survive_a_text_file(tmp_path):
    sets = mined(simulated(60), 0.1)
    sets.to_csv(tmp_path / "sets.csv", index=False)
    again = pd.read_csv(tmp_path / "sets.csv", converters={"items": ast.literal_eval})
    pd.testing.assert_frame_equal(basket.rules(again, min_confidence=0.3), basket.rules(sets, min_confidence=0.3))


# ── what is refused ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_support": 0.0}, "min_support=0.0"),
        ({"min_support": 1.5}, "min_support=1.5"),
        ({"min_support": "many"}, "min_support='many'"),
        ({"min_support": 0.1, "max_len": 0}, "max_len=0"),
        ({"min_support": 0.1, "max_rows": 1.5}, "max_rows=1.5"),
        ({"min_support": 0.1, "n_threads": 0}, "n_threads=0"),
    ],
)
def test_options_outside_what_is_accepted_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        basket.frequent_itemsets(simulated(20), **options, **BASKETS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_confidence": -0.1}, "min_confidence=-0.1"),
        ({"min_confidence": 50}, "min_confidence=50"),
        ({"min_confidence": 0.5, "max_consequent": 0}, "max_consequent=0"),
        ({"min_confidence": 0.5, "adjust": "tukey"}, "adjust='tukey'"),
        ({"min_confidence": 0.5, "level": 95}, "level=95"),
        ({"min_confidence": 0.5, "test": "t"}, "test='t'"),
        ({"min_confidence": 0.5, "measures": ["lift"]}, "measures='lift'"),
        ({"min_confidence": 0.5, "max_rows": 0}, "max_rows=0"),
    ],
)
def test_options_of_rules_outside_what_is_accepted_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        basket.rules(mined(simulated(20), 0.5), **options)


def test_too_many_sets_are_refused_before_they_are_made():
    wide = lines([set(range(60))] * 3)  # 2 to the 60 sets
    with pytest.raises(LimitError, match=r"more than 1,000 sets are in at least 3 of 3 baskets.*min_support=1"):
        mined(wide, 1.0, max_rows=1_000)
    assert len(mined(wide, 1.0, max_len=2)) == 60 + 60 * 59 / 2
    sets = mined(simulated(60), 0.1)
    assert len(mined(simulated(60), 0.1, max_rows=len(sets))) == len(sets)
    with pytest.raises(LimitError, match=f"more than {len(sets) - 1:,} sets"):
        mined(simulated(60), 0.1, max_rows=len(sets) - 1)


def test_too_many_rules_are_refused():
    sets = mined(simulated(60), 0.1)
    n = len(basket.rules(sets, min_confidence=0.2))
    assert len(basket.rules(sets, min_confidence=0.2, max_rows=n)) == n
    with pytest.raises(LimitError, match=f"more than {n - 1} rules"):
        basket.rules(sets, min_confidence=0.2, max_rows=n - 1)
    long = pd.DataFrame({"items": [tuple(range(40))], "support": [0.5], "count": [2]})
    with pytest.raises(LimitError, match="up to 40 items"):
        basket.rules(long, min_confidence=0.5)


def test_sets_without_their_parts_are_refused():
    sets = mined(lines([{"a", "b", "c"}] * 3 + [{"a"}]), 0.5)
    with pytest.raises(DataError, match="a part of the set in row 0 is not in the frame"):
        basket.rules(sets[sets["items"].map(len) > 1], min_confidence=0.5)
    with pytest.raises(DataError, match="a part of the set in row"):
        basket.rules(sets.drop(index=2), min_confidence=0.5)  # consequents are looked for too
    assert len(basket.rules(mined(lines([{"a", "b", "c"}] * 3), 0.5, max_len=2), min_confidence=0.5)) == 6


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["('a',)", "('b',)"], "row 0 holds a str, not a tuple"),
        ([("a",), 3], "row 1 holds a int"),
        ([("a",), ()], "the set in row 1 is empty"),
        ([("a",), ("b", "b")], "the set in row 1 holds an item twice"),
        ([("a",), ("a",)], "the set in row 1 is there for a second time"),
        ([("a",), ("b", None)], "missing ids"),
    ],
)
def test_items_that_are_no_sets_are_refused(items, message):
    sets = pd.DataFrame({"items": items, "support": [0.5, 0.5], "count": [2, 2]})
    with pytest.raises(DataError, match=message):
        basket.rules(sets, min_confidence=0.5)


def test_support_and_count_must_speak_of_the_same_baskets():
    sets = pd.DataFrame({"items": [("a",), ("b",)], "support": [0.5, 0.25], "count": [2, 2]})
    with pytest.raises(DataError, match=r"4 by the first row.*row 1"):
        basket.rules(sets, min_confidence=0.5)
    with pytest.raises(DataError, match="a count exceeds"):
        basket.rules(sets.assign(support=[2.0, 2.0]), min_confidence=0.5)


def test_a_log_without_items_and_one_of_refunds_alone_are_refused():
    frame = simulated(20).assign(amount=-1.0)
    with pytest.raises(ColumnError, match="the log has no item"):
        basket.frequent_itemsets(crm.events(frame, customer="basket", time=None, amount=None), min_support=0.1)
    with pytest.raises(DataError, match="there are no baskets"):
        mined(frame, 0.1, amount="amount", refunds="subtract")
    with pytest.raises(OptionError, match="a log knows its columns"):
        basket.frequent_itemsets(crm.events(frame, **BASKETS), min_support=0.1, item="item")
