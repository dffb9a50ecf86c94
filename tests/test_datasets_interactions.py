"""Simulated baskets: the same bits for the same seed, and habits, tastes and chances that the lines bear out."""

import numpy as np
import pandas as pd
import pytest

from crmkit import datasets
from crmkit.errors import DataError, OptionError


@pytest.fixture(scope="module")
def shop():
    return datasets.make_interactions(n_customers=2000, rng=1)


def test_the_same_seed_gives_the_same_bits():
    first, again, other = (datasets.make_interactions(n_customers=40, rng=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first.lines, again.lines)
    pd.testing.assert_frame_equal(first.customers, again.customers)
    pd.testing.assert_frame_equal(first.items, again.items)
    assert not first.customers["habit"].equals(other.customers["habit"])
    one, two = (datasets.make_interactions(n_customers=5, rng=None) for _ in range(2))
    assert not one.customers.equals(two.customers)


def test_lines_are_ordered_by_time_and_orders_belong_to_one_customer_at_one_time(shop):
    lines = shop.lines
    assert list(lines.columns) == ["customer_id", "timestamp", "order_id", "item_id", "quantity", "amount"]
    assert lines["timestamp"].is_monotonic_increasing
    assert lines["order_id"].is_monotonic_increasing
    assert len(lines[["order_id", "customer_id", "timestamp"]].drop_duplicates()) == lines["order_id"].nunique()
    assert not lines.duplicated(["order_id", "item_id"]).any()
    assert set(lines["customer_id"]) == set(shop.customers.index)
    start = pd.Timestamp("2023-01-02")
    assert start <= lines["timestamp"].min() <= lines["timestamp"].max() < start + pd.Timedelta("365D")
    price = shop.items["price"].reindex(lines["item_id"]).to_numpy()
    np.testing.assert_allclose(lines["amount"], price * lines["quantity"], atol=1e-9)
    assert (shop.items["price"] > 0).all()


def test_numbers_of_orders_and_items_have_the_means_asked_for(shop):
    orders = shop.lines.groupby("customer_id")["order_id"].nunique()
    assert orders.mean() == pytest.approx(9.0, rel=0.06)
    taken = shop.lines.groupby("order_id")["quantity"].sum()
    assert taken.mean() == pytest.approx(4.0, rel=0.02)
    assert shop.customers.filter(like="taste_").sum(axis=1).to_numpy() == pytest.approx(1.0)


def test_the_first_items_are_as_popular_as_the_truth_says():
    shop = datasets.make_interactions(n_customers=4000, n_items=30, orders=0, focus=0.0, rng=2)
    taken = shop.lines.groupby("item_id")["quantity"].sum().reindex(shop.items.index, fill_value=0)
    expected = shop.items["popularity"] * taken.sum()
    statistic = ((taken - expected) ** 2 / expected).sum()
    assert statistic < 60  # 29 degrees of freedom: exceeded once in 1,500


def test_tastes_are_followed():
    shop = datasets.make_interactions(n_customers=300, n_items=80, orders=40, habit=0.0, focus=1.0, n_tastes=4, rng=3)
    taste = shop.items["taste"].reindex(shop.lines["item_id"]).to_numpy()
    counts = shop.lines.assign(taste=taste).pivot_table(index="customer_id", columns="taste", values="quantity", aggfunc="sum")
    shares = counts.fillna(0.0).div(counts.sum(axis=1), axis=0).to_numpy()
    truth = shop.customers.filter(like="taste_").to_numpy()
    assert np.abs(shares - truth).mean() < 0.03


def test_habits_are_the_share_of_items_bought_before():
    # so many items that one is hardly met twice by chance
    shop = datasets.make_interactions(n_customers=400, n_items=20_000, orders=30, tail=0.0, focus=0.0, habit=0.5, rng=4)
    lines = shop.lines
    first = lines.groupby(["customer_id", "item_id"])["order_id"].transform("min")
    later = lines["order_id"] > lines.groupby("customer_id")["order_id"].transform("min")
    old = (
        lines.assign(old=(lines["order_id"] > first) * lines["quantity"])[later].groupby("customer_id")[["old", "quantity"]].sum()
    )
    share = old["old"] / old["quantity"]
    heavy = old["quantity"] > 100
    truth = shop.customers["habit"]
    assert np.abs(share[heavy] - truth[heavy.index][heavy]).mean() < 0.05
    assert truth.mean() == pytest.approx(0.5, abs=0.03)


def test_chances_are_habit_and_taste():
    shop = datasets.make_interactions(n_customers=60, n_items=40, rng=5)
    chances = shop.chances("C00003")
    assert chances.sum() == pytest.approx(1.0)
    assert chances.is_monotonic_decreasing
    row, mine = shop.customers.loc["C00003"], shop.lines[shop.lines["customer_id"] == "C00003"]
    item = chances.index[0]
    facts = shop.items.loc[item]
    same = shop.items.loc[shop.items["taste"] == facts["taste"], "popularity"].sum()
    new = 0.1 * facts["popularity"] + 0.9 * row[f"taste_{int(facts['taste'])}"] * facts["popularity"] / same
    old = mine.loc[mine["item_id"] == item, "quantity"].sum() / mine["quantity"].sum()
    assert chances.iloc[0] == pytest.approx(row["habit"] * old + (1 - row["habit"]) * new)
    with pytest.raises(DataError, match="not among those simulated"):
        shop.chances("nobody")
    assert "60 customers" in repr(shop)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_customers": 0}, "n_customers=0"),
        ({"n_items": 2.5}, r"n_items=2\.5"),
        ({"days": 0}, "days=0"),
        ({"orders": -1}, "orders=-1"),
        ({"items_per_order": 0.5}, r"items_per_order=0\.5"),
        ({"habit": 1}, "habit=1"),
        ({"habit": 1.5}, r"habit=1\.5"),
        ({"tail": -1}, "tail=-1"),
        ({"focus": 2}, "focus=2"),
        ({"n_tastes": 0}, "n_tastes=0"),
        ({"n_tastes": 9, "n_items": 8}, "n_tastes=9 are more than n_items=8"),
        ({"start": 5}, "start=5"),
        ({"rng": "x"}, "rng='x'"),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_named(options, words):
    with pytest.raises(OptionError, match=words):
        datasets.make_interactions(**options)
