"""The linear model of every item by all others: its definition, published figures, and what is refused."""

from __future__ import annotations

import importlib
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_recommend_items import baskets, counted, held_out, listed, recall_and_ndcg, seen, simulated

from crmkit import recommend
from crmkit.errors import LimitError, OptionError
from naive import recommend as naive

lines = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), min_size=1, max_size=50)


@settings(deadline=None, max_examples=60)
@given(pairs=lines, penalty=st.sampled_from([0.5, 3.0, 100.0]))
def test_weights_are_those_of_a_regression_of_each_item_on_all_others(pairs, penalty):
    frame = baskets(pairs)
    model = recommend.fit_ease(seen(frame), penalty=penalty)
    _, _, weights = counted(frame)
    np.testing.assert_allclose(model.weights, naive.ease(weights, penalty), rtol=2e-6, atol=1e-8)
    assert (np.diag(model.weights) == 0).all()


@pytest.mark.parametrize("exclude", ["bought", "nothing"])
@pytest.mark.parametrize("k", [1, 3, 50])
def test_lists_are_the_best_sums_above_zero(k, exclude):
    frame = simulated()
    model = recommend.fit_ease(seen(frame), penalty=2.0)
    customers, items, weights = counted(frame)
    scores = weights @ model.weights.astype(float)
    if exclude == "bought":
        scores[weights > 0] = 0.0
    buyers = (weights > 0).sum(axis=0)
    top = recommend.top_items(model, k=k, exclude=exclude)
    for customer, row in zip(customers, scores, strict=True):
        rows = top[(top["customer_id"] == customer) & (top["source"] == "ease")]
        order = naive.best(row, buyers, k)
        assert rows["item_id"].tolist() == [items[item] for item in order]
        np.testing.assert_allclose(rows["score"], row[order], rtol=1e-12)


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="250 million products are too many")
def test_movielens_is_recalled_as_published(data_file):
    """The closed form by numpy, penalty 500: recall@20 .4099, NDCG@100 .4714."""
    parts = list(held_out(pd.read_parquet(data_file("ml1m_pairs.parquet"))))
    users, items = [user for user, _, _ in parts], [items for _, items, _ in parts]
    train = pd.DataFrame({"basket": np.repeat(users, [len(own) for own in items]), "item": np.concatenate(items)})
    model = recommend.fit_ease(seen(train), penalty=500.0)
    top = recommend.top_items(model, k=100)
    tops = {user: own.to_numpy() for user, own in top.groupby("customer_id")["item_id"]}
    truths = {user: truth for user, _, truth in parts if len(truth)}
    assert recall_and_ndcg(tops, truths) == pytest.approx((0.4099, 0.4714), abs=5e-4)


def test_neither_rows_nor_threads_nor_history_nor_company_matter(monkeypatch):
    frame = simulated()
    table = seen(frame, time="timestamp", half_life="40D")
    model = recommend.fit_ease(table, penalty=2.0)
    expected = recommend.top_items(model)
    mixed = recommend.fit_ease(seen(frame.sample(frac=1, random_state=1), time="timestamp", half_life="40D"), penalty=2.0)
    np.testing.assert_array_equal(mixed.weights, model.weights)
    assert listed(recommend.top_items(model, history=frame)) == listed(expected)
    who = expected["customer_id"].unique()
    alone = pd.concat([recommend.top_items(model, [customer]) for customer in who], ignore_index=True)
    assert listed(alone) == listed(expected)
    monkeypatch.setattr(importlib.import_module("crmkit.recommend.ease"), "PIECE", 3)
    monkeypatch.setattr(importlib.import_module("crmkit.recommend._top_items"), "PIECE", 4)
    for n_threads in (1, 2, 3):
        again = recommend.fit_ease(table, penalty=2.0, n_threads=n_threads)
        np.testing.assert_array_equal(again.weights, model.weights)
        pd.testing.assert_frame_equal(recommend.top_items(again, n_threads=n_threads), expected, check_exact=True)


def test_a_catalogue_of_one_item_has_nothing_to_say_but_that_it_is_popular():
    frame = baskets([(1, 1), (2, 1)])
    top = recommend.top_items(recommend.fit_ease(seen(frame)), [1, 9], exclude="nothing")
    assert listed(top) == [(1, "i1", 1, 2.0, "popularity"), (9, "i1", 1, 2.0, "popularity")]


def test_what_cannot_be_fitted_is_refused():
    table = seen(simulated())
    with pytest.raises(LimitError, match=r"12 items take 0\.0 GB, the limit is max_gb=1e-06; fit_item_knn needs no table"):
        recommend.fit_ease(table, max_gb=1e-6)
    for options in ({"penalty": 0.0}, {"penalty": -1.0}, {"penalty": np.inf}, {"max_gb": 0}, {"n_threads": 0}):
        with pytest.raises(OptionError, match=next(iter(options))):
            recommend.fit_ease(table, **options)
    with pytest.raises(OptionError, match=r"expected what recommend\.interactions returns"):
        recommend.fit_ease(simulated())
    assert "penalty    200" in repr(recommend.fit_ease(table))
