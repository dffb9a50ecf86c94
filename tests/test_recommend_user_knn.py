"""Customers alike, from the definition: whom they listen to, what they buy again, and what must not matter."""

from __future__ import annotations

import importlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_recommend_items import baskets, counted, listed, seen, simulated

from crmkit import recommend
from crmkit.errors import OptionError
from naive import recommend as naive

lines = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), min_size=1, max_size=50)


@settings(deadline=None, max_examples=60)
@given(
    pairs=lines,
    k=st.integers(1, 8),
    asymmetry=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    locality=st.sampled_from([1.0, 2.5]),
    exclude=st.booleans(),
)
def test_scores_are_the_definition(pairs, k, asymmetry, locality, exclude):
    frame = baskets(pairs)
    model = recommend.fit_user_knn(seen(frame), k=k, asymmetry=asymmetry, locality=locality)
    top = recommend.top_items(model, k=20, exclude="bought" if exclude else "nothing")
    customers, items, weights = counted(frame)
    for customer, row in zip(customers, weights, strict=True):
        scores = naive.alike(weights, row, k, asymmetry, locality) * np.where(exclude & (row > 0), 0.0, 1.0)
        mine = top[(top["customer_id"] == customer) & (top["source"] == "user_knn")]
        assert dict(zip(mine["item_id"], mine["score"], strict=True)) == pytest.approx(
            {items[item]: scores[item] for item in np.flatnonzero(scores)}
        )
        assert (np.diff(mine["score"]) <= 0).all()


def test_equal_scores_come_by_buyers_then_by_id():
    frame = baskets([(1, 1), (2, 1), (2, 2), (3, 1), (3, 3), (4, 3), (5, 0), (5, 1)])
    top = recommend.top_items(recommend.fit_user_knn(seen(frame), locality=1.0), [1])
    assert top["item_id"].tolist() == ["i3", "i0", "i2"]
    assert len(set(top["score"])) == 1


def test_who_bought_the_same_is_no_neighbour():
    frame = baskets([(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (3, 3)])
    one = recommend.top_items(recommend.fit_user_knn(seen(frame), k=1), [1])
    assert listed(one)[0][:3] == (1, "i3", 1)


def test_neither_rows_nor_threads_nor_history_nor_company_matter(monkeypatch):
    frame = simulated()
    options = {"time": "timestamp", "half_life": "40D"}
    model = recommend.fit_user_knn(seen(frame, **options), k=5)
    expected = recommend.top_items(model, exclude="nothing")
    mixed = recommend.fit_user_knn(seen(frame.sample(frac=1, random_state=1), **options), k=5)
    monkeypatch.setattr(importlib.import_module("crmkit.recommend._top_items"), "PIECE", 4)
    for n_threads in (1, 2, 3):
        again = recommend.top_items(mixed, exclude="nothing", n_threads=n_threads)
        pd.testing.assert_frame_equal(again, expected, check_exact=True)
    assert listed(recommend.top_items(model, exclude="nothing", history=frame)) == listed(expected)
    stranger = recommend.top_items(model, exclude="nothing", history=frame.assign(basket=frame["basket"] + 1000))
    assert [(c - 1000, *rest) for c, *rest in listed(stranger)] == listed(expected)
    who = expected["customer_id"].unique()
    alone = pd.concat([recommend.top_items(model, [customer], exclude="nothing") for customer in who], ignore_index=True)
    assert listed(alone) == listed(expected)


def test_nobody_alike_is_answered_by_popularity():
    model = recommend.fit_user_knn(seen(baskets([(1, 1), (2, 2), (3, 2)])))
    assert listed(recommend.top_items(model, [1, 9], k=1)) == [(1, "i2", 1, 2.0, "popularity"), (9, "i2", 1, 2.0, "popularity")]


def test_what_cannot_be_fitted_is_refused():
    table = seen(simulated())
    for options in ({"k": 0}, {"asymmetry": -0.1}, {"asymmetry": 1.1}, {"locality": 0.0}, {"locality": np.inf}):
        with pytest.raises(OptionError, match=next(iter(options))):
            recommend.fit_user_knn(table, **options)
    with pytest.raises(OptionError, match=r"expected what recommend\.interactions returns"):
        recommend.fit_user_knn(simulated())
    assert "locality   3" in repr(recommend.fit_user_knn(table))
