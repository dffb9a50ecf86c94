"""Recommendations from the frame to the list: the definition, what must not matter, and what is refused."""

from __future__ import annotations

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
from crmkit import recommend
from crmkit.errors import ColumnError, DataError, LimitError, OptionError
from naive import recommend as naive

ASKED = ["list", "numpy", "index", "series", "polars", "arrow", "iterator"]
BASKETS = {"customer": "basket", "item": "item", "time": None, "amount": None}

# the first example waits for the compiler
unhurried = settings(deadline=None, max_examples=60)
lines = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), min_size=1, max_size=50)


def baskets(pairs):
    return pd.DataFrame({"basket": [customer for customer, _ in pairs], "item": [f"i{item}" for _, item in pairs]})


def seen(frame, **options):
    return recommend.interactions(frame, **{**BASKETS, **options})


def dense(interactions):
    out = np.zeros((len(interactions.customers), len(interactions.items)))
    rows = interactions.by_customer
    for customer in range(len(rows)):
        entries = slice(rows.start[customer], rows.start[customer + 1])
        out[customer, rows.index[entries]] = rows.value[entries]
    return out


def counted(frame):
    """Customers x items, counted from the frame, ids ascending."""
    customers, row = np.unique(frame["basket"].to_numpy(), return_inverse=True)
    items, column = np.unique(frame["item"].to_numpy().astype(str), return_inverse=True)
    return customers, items, naive.table(row, column, np.ones(len(frame)), len(customers), len(items))


def listed(top):
    """The rows of a result as tuples."""
    return list(zip(*(top[name].tolist() for name in top.columns), strict=True))


def expected_lists(frame, k, n_neighbours, shrinkage=0.0, *, exclude=True, only=None):
    customers, items, weights = counted(frame)
    nearest = naive.neighbours(weights, n_neighbours, shrinkage)
    out = []
    for customer, row in zip(customers, weights, strict=True):
        if only is None or customer in only:
            top = naive.top_items(weights, row, k, n_neighbours, exclude=exclude, nearest=nearest)
            out += [(int(customer), items[item], rank, score, source) for rank, (item, score, source) in enumerate(top, 1)]
    return out


def simulated(n_customers=30, n_items=12, n_lines=150, seed=0):
    rng = np.random.default_rng(seed)
    items = np.minimum(rng.geometric(0.25, n_lines), n_items)
    frame = pd.DataFrame({"basket": rng.integers(0, n_customers, n_lines), "item": [f"i{item:02d}" for item in items]})
    frame["timestamp"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 200, n_lines), unit="D")
    return frame


# ── the definition ────────────────────────────────────────────────────────────────────────────────────────────────────


@unhurried
@given(
    pairs=lines,
    k=st.integers(1, 12),
    n_neighbours=st.integers(1, 12),
    shrinkage=st.sampled_from([0.0, 3.0]),
    exclude=st.booleans(),
)
def test_lists_are_the_definition_ties_included(pairs, k, n_neighbours, shrinkage, exclude):
    frame = baskets(pairs)
    model = recommend.fit_item_knn(seen(frame), k=n_neighbours, shrinkage=shrinkage)
    got = recommend.top_items(model, k=k, exclude="bought" if exclude else "nothing")
    assert listed(got) == expected_lists(frame, k, n_neighbours, shrinkage, exclude=exclude)


@unhurried
@given(
    pairs=lines,
    measure=st.sampled_from(["cosine", "bm25", "tfidf", "jaccard", "lift", "conditional"]),
    shrinkage=st.sampled_from([0.0, 3.0]),
)
def test_every_measure_is_its_formula(pairs, measure, shrinkage):
    frame = baskets(pairs)
    model = recommend.fit_item_knn(seen(frame), k=20, measure=measure, shrinkage=shrinkage)
    _, items, weights = counted(frame)
    got = np.zeros((len(items), len(items)))
    got[np.repeat(np.arange(len(items)), np.diff(model.neighbours.start)), model.neighbours.index] = model.neighbours.value
    np.testing.assert_allclose(got, naive.similarity(weights, shrinkage, measure), rtol=1e-6)


@pytest.fixture(scope="module")
def groceries(data_file):
    return pd.read_csv(data_file("groceries.csv.gz")).rename(columns={"basket_id": "basket"})


def test_groceries_are_recommended_as_defined(groceries):
    model = recommend.fit_item_knn(seen(groceries), k=20)
    _, items, weights = counted(groceries)
    nearest = naive.neighbours(weights, 20)
    start = model.neighbours.start
    for item in range(len(items)):
        row = slice(start[item], start[item + 1])
        assert list(zip(model.neighbours.index[row], model.neighbours.value[row], strict=True)) == nearest[item]
    some = groceries["basket"].unique()[::17]
    got = listed(recommend.top_items(model, some, k=10))
    assert got == expected_lists(groceries, 10, 20, only=set(some))
    assert len(got) == 10 * len(some)


def held_out(pairs, share=0.2, seed=42):
    """Train and test by user: a random fifth, rounded down, of the sorted items of each is held out."""
    rng = np.random.default_rng(seed)
    for user, items in pairs.sort_values(["user_id", "item_id"]).groupby("user_id")["item_id"]:
        out = np.zeros(len(items), bool)
        out[rng.permutation(len(items))[: int(share * len(items))]] = True
        yield user, items.to_numpy()[~out], items.to_numpy()[out]


def recall_and_ndcg(tops, truths, k=20, depth=100):
    """Mean recall@k over min(k, n) and NDCG@depth with the ideal cut at depth."""
    discount = 1 / np.log2(np.arange(2, depth + 2))
    recall, ndcg = [], []
    for user, truth in truths.items():
        hit = np.isin(tops[user], truth)
        recall.append(hit[:k].sum() / min(k, len(truth)))
        ndcg.append((hit * discount[: len(hit)]).sum() / discount[: len(truth)].sum())
    return np.mean(recall), np.mean(ndcg)


def test_movielens_is_recalled_as_well_as_by_others(data_file):
    """Others, an item being its own neighbour: cosine with 20, recall@20 .3164, NDCG@100 .3737; BM25 with 100, .3421, .4024."""
    pairs = pd.read_parquet(data_file("ml1m_pairs.parquet"))
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        pytest.skip("250 million products are too many without compilation")
    parts = list(held_out(pairs))
    train = pd.DataFrame(
        {
            "basket": np.repeat([user for user, _, _ in parts], [len(items) for _, items, _ in parts]),
            "item": np.concatenate([items for _, items, _ in parts]),
        }
    )
    truths = {user: truth for user, _, truth in parts if len(truth)}
    assert (len(train), sum(map(len, truths.values()))) == (802_553, 197_656)
    figures = [("cosine", 19, (0.3164, 0.3737)), ("cosine", 20, (0.3159, 0.3739)), ("bm25", 99, (0.3438, 0.4027))]
    for measure, k, expected in figures:
        top = recommend.top_items(recommend.fit_item_knn(seen(train), k=k, measure=measure), k=100)
        tops = {user: items.to_numpy() for user, items in top.groupby("customer_id")["item_id"]}
        assert recall_and_ndcg(tops, truths) == pytest.approx(expected, abs=1e-4)


def test_a_recent_purchase_weighs_more():
    frame = pd.DataFrame(
        {
            "basket": [1, 1, 1, 2],
            "item": ["a", "a", "b", "b"],
            "timestamp": pd.to_datetime(["2024-01-01", "2024-01-31", "2024-01-11", "2024-01-31"]),
        }
    )
    options = {"time": "timestamp", "half_life": "10D"}
    assert dense(seen(frame, **options)) == pytest.approx(np.array([[1.125, 0.25], [0.0, 1.0]]))
    assert dense(seen(frame, **options, weight="once")) == pytest.approx(np.array([[1.0, 0.25], [0.0, 1.0]]))
    assert dense(seen(frame, time="timestamp", half_life=10)) == pytest.approx(dense(seen(frame, **options)))
    assert seen(frame, **options).end == pd.Timestamp("2024-01-31")
    assert dense(seen(frame)).tolist() == [[2.0, 1.0], [0.0, 1.0]]
    assert dense(seen(frame, weight="once")).tolist() == [[1.0, 1.0], [0.0, 1.0]]


def test_weights_are_lines_quantities_or_amounts():
    frame = pd.DataFrame(
        {
            "basket": [1, 1, 1, 2, 2],
            "item": ["a", "a", "b", "b", "a"],
            "timestamp": pd.to_datetime(["2024-01-01", "2024-01-31", "2024-01-11", "2024-01-31", "2024-01-31"]),
            "price": [5.0, 7.5, 0.0, 2.0, -1.0],
            "pieces": [1, 2, 3, 4, -1],
        }
    )
    options = {"time": "timestamp", "amount": "price", "quantity": "pieces", "refunds": "drop"}
    smallest = np.finfo(np.float32).tiny
    assert dense(seen(frame, **options)).tolist() == [[2.0, 1.0], [0.0, 1.0]]
    assert dense(seen(frame, **options, weight="quantity")).tolist() == [[3.0, 3.0], [0.0, 4.0]]
    assert dense(seen(frame, **options, weight="amount")).tolist() == [[12.5, smallest], [0.0, 2.0]]
    decayed = seen(frame, **options, weight="amount", half_life="10D")
    assert dense(decayed) == pytest.approx(np.array([[5.0 / 8 + 7.5, 0.0], [0.0, 2.0]]), abs=1e-6)
    assert "weight     amount, half of it after 10 days" in repr(decayed)
    log = crm.events(frame, customer="basket", item="item", **options)
    np.testing.assert_array_equal(dense(recommend.interactions(log, weight="quantity")), [[3.0, 3.0], [0.0, 4.0]])


def test_weights_that_cannot_be_are_refused():
    frame = simulated().assign(pieces=1.0, price=2.0)
    for weight in ("quantity", "amount"):
        with pytest.raises(ColumnError, match=f"the log has no {weight}"):
            seen(frame, weight=weight)
    frame.loc[[3, 5], "pieces"] = -1.0
    with pytest.raises(DataError, match="column 'pieces': 2 purchases have a negative quantity"):
        seen(frame, weight="quantity", quantity="pieces")
    with pytest.raises(DataError, match="more than 1e15"):
        seen(frame.assign(price=1e16), weight="amount", amount="price")


def test_weights_of_the_amount_do_not_depend_on_the_order_of_the_rows():
    frame = simulated().assign(price=np.random.default_rng(3).gamma(2.0, 5.0, 150))
    options = {"weight": "amount", "amount": "price", "time": "timestamp"}
    expected = seen(frame, **options)
    for seed in range(3):
        got = seen(frame.sample(frac=1, random_state=seed), **options)
        np.testing.assert_array_equal(got.by_customer.value, expected.by_customer.value)


def test_bought_long_ago_is_still_bought():
    frame = simulated()
    model = recommend.fit_item_knn(seen(frame, time="timestamp", half_life="1h"))
    assert (model.interactions.by_customer.value > 0).all()
    top = recommend.top_items(model, k=50)
    bought = set(zip(frame["basket"], frame["item"], strict=True))
    assert not bought & set(zip(top["customer_id"], top["item_id"], strict=True))
    assert np.isfinite(top["score"]).all()
    assert (top["score"] > 0).all()


def test_a_refund_is_no_interaction():
    frame = pd.DataFrame(
        {
            "basket": [1, 1, 1, 2, 3],
            "item": ["a", "b", "b", "a", "c"],
            "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-01", "2024-01-05"]),
            "amount": [5.0, 7.0, -7.0, 5.0, -1.0],
        }
    )
    got = seen(frame, time="timestamp", amount="amount", refunds="subtract")
    assert got.customers.values.tolist() == [1, 2]  # 3 has returned something, and bought nothing
    assert got.items.values.tolist() == ["a"]  # what was refunded in full was not bought
    assert dense(got).tolist() == [[1.0], [1.0]]
    dropped = seen(frame, time="timestamp", amount="amount", refunds="drop")
    assert dense(dropped).tolist() == [[1.0, 1.0], [1.0, 0.0]]
    with pytest.raises(DataError, match="2 negative"):
        seen(frame, time="timestamp", amount="amount")
    with pytest.raises(DataError, match="refunds alone"):
        seen(frame.iloc[[4]], time="timestamp", amount="amount", refunds="subtract")


def test_a_log_and_its_frame_say_the_same():
    frame = simulated()
    log = crm.events(frame, customer="basket", item="item", amount=None)
    for options in ({}, {"half_life": "30D"}, {"weight": "once"}):
        got, expected = recommend.interactions(log, **options), seen(frame, time="timestamp", **options)
        np.testing.assert_array_equal(dense(got), dense(expected))


# ── what must not matter ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", [{}, {"half_life": "20D"}, {"half_life": 20.0, "weight": "once"}], ids=str)
def test_the_order_of_the_rows_does_not_matter(options):
    frame = simulated()
    expected = recommend.top_items(recommend.fit_item_knn(seen(frame, time="timestamp", **options), k=4))
    for seed in range(3):
        mixed = frame.sample(frac=1, random_state=seed)
        got = recommend.top_items(recommend.fit_item_knn(seen(mixed, time="timestamp", **options), k=4))
        pd.testing.assert_frame_equal(got, expected, check_exact=True)


def test_new_names_in_the_same_order_change_nothing_else():
    frame = simulated()
    renamed = frame.assign(basket=frame["basket"] * 7 - 100, item="x" + frame["item"])
    expected = recommend.top_items(recommend.fit_item_knn(seen(frame), k=4))
    got = recommend.top_items(recommend.fit_item_knn(seen(renamed), k=4))
    assert listed(got) == [(c * 7 - 100, f"x{i}", *rest) for c, i, *rest in listed(expected)]


def test_new_names_in_another_order_keep_every_similarity():
    frame = simulated()
    new_item = dict(zip(sorted(frame["item"].unique()), np.random.default_rng(1).permutation(100), strict=False))
    renamed = frame.assign(basket=-frame["basket"], item=[str(new_item[item]) for item in frame["item"]])

    def similarities(frame):
        model = recommend.fit_item_knn(seen(frame), k=100)
        near, names = model.neighbours, model.interactions.items.values
        one = np.repeat(np.arange(len(near)), np.diff(near.start))
        return {(names[a], names[b]): s for a, b, s in zip(one, near.index, near.value.tolist(), strict=True)}

    before, after = similarities(frame), similarities(renamed)
    assert after == {(str(new_item[a]), str(new_item[b])): s for (a, b), s in before.items()}
    assert before == {(b, a): s for (a, b), s in before.items()}


@pytest.mark.parametrize("history", [False, True], ids=["fit", "history"])
def test_the_number_of_threads_does_not_matter(monkeypatch, history):
    monkeypatch.setattr(importlib.import_module("crmkit.recommend.item_knn"), "PIECE", 3)
    monkeypatch.setattr(importlib.import_module("crmkit.recommend._top_items"), "PIECE", 4)
    table = seen(simulated(), time="timestamp", half_life="20D")
    later = {"history": simulated(seed=1)} if history else {}
    answers = []
    for n_threads in (1, 2, 3):
        model = recommend.fit_item_knn(table, k=4, shrinkage=1.0, n_threads=n_threads)
        answers.append((model, recommend.top_items(model, n_threads=n_threads, **later)))
    for model, top in answers[1:]:
        for name in ("start", "index", "value"):
            np.testing.assert_array_equal(getattr(model.neighbours, name), getattr(answers[0][0].neighbours, name))
        pd.testing.assert_frame_equal(top, answers[0][1], check_exact=True)
    monkeypatch.undo()
    whole = recommend.top_items(recommend.fit_item_knn(table, k=4, shrinkage=1.0), **later)
    pd.testing.assert_frame_equal(whole, answers[0][1], check_exact=True)


def test_a_customer_gets_the_same_list_alone_as_among_others():
    model = recommend.fit_item_knn(seen(simulated()), k=4)
    every = recommend.top_items(model, k=3)
    who = every["customer_id"].unique()
    alone = pd.concat([recommend.top_items(model, [customer], k=3) for customer in who], ignore_index=True)
    assert listed(alone) == listed(every)
    turned = recommend.top_items(model, who[::-1], k=3)
    assert listed(turned) == [row for customer in who[::-1] for row in listed(every[every["customer_id"] == customer])]


def test_a_history_seen_at_the_fit_gives_the_list_of_the_fit():
    frame = simulated()
    model = recommend.fit_item_knn(seen(frame, time="timestamp", half_life="30D"), k=4)
    expected = recommend.top_items(model)
    some = frame[frame["basket"] % 3 == 0]
    of_some = [row for row in listed(expected) if row[0] % 3 == 0]
    assert listed(recommend.top_items(model, history=frame)) == listed(expected)
    assert listed(recommend.top_items(model, history=some)) == of_some
    log = crm.events(some, customer="basket", item="item", amount=None)
    assert listed(recommend.top_items(model, history=log)) == of_some
    stranger = recommend.top_items(model, history=some.assign(basket=some["basket"] + 1000))
    assert [(c - 1000, *rest) for c, *rest in listed(stranger)] == of_some


@pytest.mark.parametrize("kind", ["pandas", "categories", "polars", "pyarrow", "tuples", "days"])
def test_ids_come_back_as_they_were(kind):
    frame = simulated()[["basket", "item"]].assign(basket=lambda f: f["basket"].astype("int16"))
    if kind == "categories":
        frame = frame.astype({"item": pd.CategoricalDtype(["unused", *sorted(frame["item"].unique())])})
    if kind == "tuples":
        frame["basket"] = [("shop", int(basket)) for basket in frame["basket"]]
    if kind == "days":
        frame["basket"] = pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.to_timedelta(frame["basket"], unit="D")
    given = {"polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}.get(kind, lambda f: f)(frame)
    model = recommend.fit_item_knn(seen(given), k=4)
    top = recommend.top_items(model)
    assert type(top) is type(given)
    if kind == "pyarrow":
        assert top.schema.field("customer_id").type == given.schema.field("basket").type
        assert top.schema.field("item_id").type == given.schema.field("item").type
        return
    assert top["customer_id"].dtype == given["basket"].dtype
    assert top["item_id"].dtype == given["item"].dtype
    some = given["basket"][:1]
    again = recommend.top_items(model, some)
    assert again["customer_id"].dtype == given["basket"].dtype
    assert set(again["customer_id"].to_list()) == set(some.to_list())


def test_the_input_is_not_changed():
    frame = simulated()
    before = frame.copy()
    recommend.top_items(recommend.fit_item_knn(seen(frame)), history=frame)
    pd.testing.assert_frame_equal(frame, before)


# ── edges ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_row_leaves_nothing_to_recommend_but_to_strangers():
    model = recommend.fit_item_knn(seen(baskets([(1, 1)])))
    top = recommend.top_items(model)
    assert len(top) == 0
    assert list(top.columns) == ["customer_id", "item_id", "rank", "score", "source"]
    assert listed(recommend.top_items(model, [2])) == [(2, "i1", 1, 1.0, "popularity")]
    assert listed(recommend.top_items(model, exclude="nothing")) == [(1, "i1", 1, 1.0, "popularity")]


def test_an_item_bought_by_nobody_else_is_never_a_neighbour():
    model = recommend.fit_item_knn(seen(baskets([(1, 1), (1, 2), (2, 1), (2, 2), (3, 9), (4, 1)])))
    assert np.diff(model.neighbours.start).tolist() == [1, 1, 0]
    top = listed(recommend.top_items(model))
    assert [row for row in top if row[0] == 4] == [(4, "i2", 1, pytest.approx(np.sqrt(2 / 3)), "item_knn")]
    # customer 3 knows only that item: popularity answers, without what was bought
    assert [row for row in top if row[0] == 3] == [(3, "i1", 1, 3.0, "popularity"), (3, "i2", 2, 2.0, "popularity")]


def test_no_customer_is_given_more_than_the_catalogue():
    frame = baskets([(1, 1), (1, 2), (2, 2), (2, 3), (3, 1)])
    model = recommend.fit_item_knn(seen(frame), k=1000)
    for exclude, most in (("bought", 2), ("nothing", 3)):
        top = recommend.top_items(model, k=10**9, exclude=exclude)
        assert top.groupby("customer_id").size().max() <= most
        assert not top.duplicated(["customer_id", "item_id"]).any()
        assert np.isfinite(top["score"]).all()


def test_a_stranger_gets_the_most_popular_items_and_the_row_says_so():
    model = recommend.fit_item_knn(seen(baskets([(1, 1), (1, 2), (2, 2), (2, 3), (3, 1)])))
    got = listed(recommend.top_items(model, [77], k=2))
    assert got == [(77, "i1", 1, 2.0, "popularity"), (77, "i2", 2, 2.0, "popularity")]


def test_unknown_items_in_a_history_say_nothing():
    model = recommend.fit_item_knn(seen(baskets([(1, 1), (1, 2), (2, 2), (2, 3), (3, 1)])))
    only = recommend.top_items(model, history=baskets([(8, 55)]), k=1)
    assert listed(only) == [(8, "i1", 1, 2.0, "popularity")]
    mixed = recommend.top_items(model, history=baskets([(8, 55), (8, 3)]))
    assert listed(mixed) == listed(recommend.top_items(model, history=baskets([(8, 3)])))


def test_a_later_history_replaces_the_taste_but_not_what_was_bought():
    model = recommend.fit_item_knn(seen(baskets([(1, 1), (1, 2), (2, 2), (2, 3), (3, 1)])))
    got = recommend.top_items(model, [3, 1, 9], history=baskets([(3, 2)]))
    rows = listed(got)
    # i1, bought by customer 3 before, is as near to i2 as i3 is
    assert [row[:2] for row in rows if row[0] == 3] == [(3, "i3")]
    assert [row for row in rows if row[0] == 1] == listed(recommend.top_items(model, [1]))
    assert {row[4] for row in rows if row[0] == 9} == {"popularity"}
    both = recommend.top_items(model, [3], history=baskets([(3, 2)]), exclude="nothing")
    assert both["item_id"].tolist() == ["i3", "i1"]


def test_nobody_asked_for_is_an_empty_table():
    model = recommend.fit_item_knn(seen(simulated()))
    nobody, everybody = recommend.top_items(model, []), recommend.top_items(model)
    assert len(nobody) == 0
    assert nobody.dtypes.to_dict() == everybody.dtypes.to_dict()


def test_results_print_what_they_are():
    model = recommend.fit_item_knn(seen(simulated(), time="timestamp", half_life="30D"), k=4)
    assert "half of it after 30 days" in repr(model.interactions)
    assert "items      12, of which 12 have a neighbour" in repr(model)
    with pytest.raises(ValueError, match="read-only"):
        model.neighbours.value[0] = 2.0


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weight": "twice"}, "weight='twice'"),
        ({"half_life": 0}, "half_life=0"),
        ({"half_life": "-3D"}, "half_life='-3D'"),
        ({"half_life": float("nan")}, "half_life=nan"),
        ({"half_life": True}, "half_life=True"),
        ({"half_life": "1M"}, "half_life='1M'"),
    ],
    ids=str,
)
def test_interactions_refuse_wrong_options(options, words):
    with pytest.raises(OptionError, match=words):
        seen(simulated(), time="timestamp", **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 0}, "k=0"),
        ({"k": 2.5}, "k=2.5"),
        ({"k": True}, "k=True"),
        ({"measure": "taste"}, "measure='taste'"),
        ({"shrinkage": -1}, "shrinkage=-1"),
        ({"shrinkage": float("nan")}, "shrinkage=nan"),
        ({"shrinkage": "much"}, "shrinkage='much'"),
        ({"n_threads": 0}, "n_threads=0"),
    ],
    ids=str,
)
def test_fits_refuse_wrong_options(options, words):
    with pytest.raises(OptionError, match=words):
        recommend.fit_item_knn(seen(simulated()), **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 0}, "k=0"),
        ({"exclude": "some"}, "exclude='some'"),
        ({"customers": 3}, "not a single id"),
        ({"customers": "3"}, "not a single id"),
        ({"customers": {3, 4}}, "no order"),
        ({"customers": pd.DataFrame({"basket": [3]})}, "frame"),
    ],
    ids=str,
)
def test_lists_refuse_wrong_options(options, words):
    model = recommend.fit_item_knn(seen(simulated()))
    with pytest.raises(OptionError, match=words):
        recommend.top_items(model, **options)


def test_wrong_things_in_place_of_data_are_refused():
    frame = simulated()
    with pytest.raises(OptionError, match=r"recommend\.interactions"):
        recommend.fit_item_knn(frame)
    with pytest.raises(OptionError, match="fitted recommender"):
        recommend.top_items(frame)
    with pytest.raises(DataError, match="no rows"):
        seen(frame.iloc[:0])
    with pytest.raises(ColumnError, match="item"):
        recommend.interactions(frame, customer="basket", amount=None)
    with pytest.raises(ColumnError, match="item"):
        recommend.interactions(crm.events(frame, customer="basket", amount=None))
    with pytest.raises(ColumnError, match="time"):
        seen(frame, half_life="30D")
    with pytest.raises(OptionError, match="log knows its columns"):
        recommend.interactions(crm.events(frame, customer="basket", item="item", amount=None), item="item")


def test_ids_that_cannot_be_meant_are_refused_without_naming_them():
    model = recommend.fit_item_knn(seen(simulated()))
    with pytest.raises(DataError, match="2 of 3 ids are there more than once"):
        recommend.top_items(model, [1, 2, 1])
    with pytest.raises(DataError, match="missing"):
        recommend.top_items(model, [1, None])
    with pytest.raises(DataError, match="customer ids are text, those known here numbers"):
        recommend.top_items(model, ["1", "2"])
    with pytest.raises(DataError, match="item ids are numbers, those known here text"):
        recommend.top_items(model, history=pd.DataFrame({"basket": [1], "item": [1]}))
    with pytest.raises(DataError, match="customer ids are Timestamp values, those known here numbers"):
        recommend.top_items(model, pd.to_datetime(["2024-01-01"]))
    with pytest.raises(DataError, match="customer ids are text, those known here numbers"):
        recommend.top_items(model, history=pd.DataFrame({"basket": ["1"], "item": ["i01"]}))
    with pytest.raises(DataError, match="one type"):
        recommend.top_items(recommend.fit_item_knn(seen(pl.from_pandas(simulated()))), [1, "2"])


def test_ids_of_several_types_are_ids_too():
    frame = baskets([(1, 1), (1, 2), (2, 2), (2, 3), (3, 1)])
    frame["basket"] = frame["basket"].map({1: 1, 2: "two", 3: (3, 3)}).astype(object)
    model = recommend.fit_item_knn(seen(frame))
    assert set(recommend.top_items(model, ["two", 1])["source"]) == {"item_knn"}
    assert set(recommend.top_items(model, ["three"])["source"]) == {"popularity"}


@pytest.mark.parametrize("asked", [list, np.array, pd.Index, pd.Series, pl.Series, pa.array, iter], ids=ASKED)
@pytest.mark.parametrize("given", [lambda f: f, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "arrow"])
@pytest.mark.parametrize("ids", [int, str], ids=["numbers", "text"])
def test_customers_may_be_asked_for_in_any_column(ids, given, asked):
    frame = simulated()
    frame["basket"] = frame["basket"].map(ids)
    model = recommend.fit_item_knn(seen(given(frame)))
    expected = recommend.top_items(recommend.fit_item_knn(seen(frame)), [ids(3), ids(77), ids(5)])
    got = recommend.top_items(model, asked([ids(3), ids(77), ids(5)]))
    assert type(got) is type(given(frame))
    for name in expected.columns:
        values = got[name].to_pylist() if isinstance(got, pa.Table) else list(got[name])
        assert values == expected[name].tolist()


def test_lists_beyond_any_memory_are_refused_before_they_are_made(monkeypatch):
    model = recommend.fit_item_knn(seen(simulated()))
    monkeypatch.setattr(importlib.import_module("crmkit.recommend._interactions"), "MOST_ROWS", 100)
    with pytest.raises(LimitError, match=r"12 items with up to 11 neighbours.*132.*100"):
        recommend.fit_item_knn(model.interactions)
    with pytest.raises(LimitError, match=r"30 customers with up to 4 items.*120.*100"):
        recommend.top_items(model, k=4)
    assert len(recommend.top_items(model, [1, 2], k=12)) > 0


def test_a_history_weighed_otherwise_is_refused():
    frame = simulated()
    model = recommend.fit_item_knn(seen(frame))
    with pytest.raises(OptionError, match="make both alike"):
        recommend.top_items(model, history=seen(frame, weight="once"))
    assert listed(recommend.top_items(model, history=seen(frame))) == listed(recommend.top_items(model))
    decayed = recommend.fit_item_knn(seen(frame, time="timestamp", half_life="1D"))
    with pytest.raises(DataError, match="100 half-lives"):
        recommend.top_items(decayed, history=frame.assign(timestamp=pd.Timestamp("2026-01-01")))
