"""Items like an item: the neighbours of a model, in order, and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from crmkit import recommend
from crmkit.errors import DataError, FitError, OptionError

BASKETS = {"customer": "basket", "item": "item", "time": None, "amount": None}


def simulated(n_customers=40, n_items=12, n_lines=200, seed=0):
    rng = np.random.default_rng(seed)
    items = np.minimum(rng.geometric(0.2, n_lines), n_items)
    return pd.DataFrame({"basket": rng.integers(0, n_customers, n_lines), "item": [f"i{item:02d}" for item in items]})


FRAME = simulated()
SEEN = recommend.interactions(FRAME, **BASKETS)
MODELS = {
    "item_knn": recommend.fit_item_knn(SEEN, k=5, measure="jaccard"),
    "ease": recommend.fit_ease(SEEN, penalty=3.0),
    "als": recommend.fit_als(SEEN, factors=4, sweeps=30, penalty=0.05),
}
ITEMS = SEEN.items.values.tolist()


def listed(top):
    return list(zip(*(top[name].tolist() for name in top.columns), strict=True))


def expected(name, item, k):
    i, buyers = ITEMS.index(item), SEEN.buyers
    if name == "ease":
        value = MODELS[name].weights[i].astype(float)
        found = np.flatnonzero(value > 0)
    elif name == "als":
        table = MODELS[name].item_factors.astype(float)
        table /= np.linalg.norm(table, axis=1, keepdims=True)
        value = table @ table[i]
        found = np.flatnonzero(np.arange(len(ITEMS)) != i)
    else:
        value, customers = np.zeros(len(ITEMS)), FRAME.groupby("item")["basket"].agg(set)
        for j, other in enumerate(ITEMS):
            both = len(customers[item] & customers[other])
            value[j] = np.float32(both / len(customers[item] | customers[other])) if j != i else 0.0
        found, k = np.flatnonzero(value), min(k, 5)
    order = sorted(found, key=lambda j: (-value[j], -buyers[j], j))[:k]
    return [(ITEMS[j], pytest.approx(value[j], rel=1e-6, abs=1e-9)) for j in order]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_items_are_those_most_alike(name):
    for k in (1, 4, 50):
        got = recommend.similar_items(MODELS[name], k=k)
        rows = {item: [] for item in ITEMS}
        for item, other, rank, similarity in listed(got):
            rows[item].append((other, similarity))
            assert rank == len(rows[item])
        assert got["item_id"].drop_duplicates().tolist() == [item for item in ITEMS if rows[item]]
        for item in ITEMS:
            assert rows[item] == expected(name, item, k)
            assert item not in [other for other, _ in rows[item]]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_an_item_has_the_same_others_alone_as_in_company(name):
    every = recommend.similar_items(MODELS[name], k=3, n_threads=1)
    asked = ITEMS[::-2]
    got = recommend.similar_items(MODELS[name], asked, k=3, n_threads=2)
    assert listed(got) == [row for item in asked for row in listed(every[every["item_id"] == item])]
    assert listed(recommend.similar_items(MODELS[name], asked[:1], k=3)) == listed(every[every["item_id"] == asked[0]])
    assert len(recommend.similar_items(MODELS[name], [])) == 0


def test_an_item_nobody_else_bought_is_like_no_other():
    frame = pd.DataFrame({"basket": [1, 1, 2, 3], "item": ["a", "b", "a", "alone"]})
    seen = recommend.interactions(frame, **BASKETS)
    for model in (recommend.fit_item_knn(seen), recommend.fit_ease(seen, penalty=1.0)):
        assert len(recommend.similar_items(model, ["alone"])) == 0


def test_other_frames_come_back_as_they_were():
    model = recommend.fit_item_knn(recommend.interactions(pl.from_pandas(FRAME), **BASKETS), k=5, measure="jaccard")
    got = recommend.similar_items(model, k=3)
    assert isinstance(got, pl.DataFrame)
    assert got.rows() == listed(recommend.similar_items(MODELS["item_knn"], k=3))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (("item_knn",), {"k": 0}, OptionError, "k=0"),
        (("item_knn", "i01"), {}, OptionError, "not a single id"),
        (("item_knn", ["i01", "i01"]), {}, DataError, "more than once"),
        (("item_knn", ["i01", "new"]), {}, DataError, "1 of 2 were never bought before the fit, the first at place 1"),
        (("item_knn", [1]), {}, DataError, "item ids are numbers"),
        (("item_knn",), {"n_threads": 0}, OptionError, "n_threads=0"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused(arguments, options, error, words):
    with pytest.raises(error, match=words):
        recommend.similar_items(MODELS[arguments[0]], *arguments[1:], **options)
    with pytest.raises(FitError, match="Popularity does not compare items"):
        recommend.similar_items(recommend.fit_popularity(SEEN))
    with pytest.raises(OptionError, match="fitted recommender"):
        recommend.similar_items(FRAME)
