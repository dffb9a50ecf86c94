"""Lists by rules: who may be recommended what, how many of a kind, and that rules change nothing else."""

from __future__ import annotations

import importlib

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit import recommend
from crmkit.errors import ColumnError, DataError, OptionError
from naive import recommend as naive

COLUMNS = {"customer": "basket", "item": "item", "amount": None}
FITS = {
    "item_knn": lambda table: recommend.fit_item_knn(table, k=4),
    "ease": lambda table: recommend.fit_ease(table, penalty=2.0),
    "frequency": recommend.fit_frequency,
    "popularity": recommend.fit_popularity,
}
unhurried = settings(deadline=None, max_examples=40)


def simulated(n_customers=25, n_items=12, n_lines=120, seed=0):
    rng = np.random.default_rng(seed)
    items = np.minimum(rng.geometric(0.2, n_lines), n_items)
    frame = pd.DataFrame({"basket": rng.integers(0, n_customers, n_lines), "item": [f"i{item:02d}" for item in items]})
    frame["timestamp"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 200, n_lines), unit="D")
    return frame


def seen(frame, **options):
    return recommend.interactions(frame, **{**COLUMNS, **options})


def listed(top):
    return list(zip(*(top[name].tolist() for name in top.columns), strict=True))


FRAME = simulated()
TABLE = seen(FRAME)
MODELS = {name: fit(TABLE) for name, fit in FITS.items()}
CUSTOMERS = [*sorted(FRAME["basket"].unique().tolist()), 900, 901]
ITEMS = sorted(FRAME["item"].unique())
CATEGORY = {item: "abc"[n % 3] for n, item in enumerate(ITEMS) if n % 5}
# every item the model has an answer for, and every item by popularity: what lists are chosen from
EVERY = {
    name: {
        customer: dict(zip(rows["item_id"], rows["score"], strict=True))
        for customer, rows in recommend.top_items(model, CUSTOMERS, k=99, exclude="nothing").groupby("customer_id")
        if customer < 900
    }
    for name, model in MODELS.items()
}
POPULAR = {
    name: dict(
        recommend.top_items(model, [900], k=99, exclude="nothing")[["item_id", "score"]].itertuples(index=False, name=None)
    )
    for name, model in MODELS.items()
}


def alike():
    near = recommend.fit_item_knn(TABLE, k=100, measure="jaccard").neighbours
    one = np.repeat(np.arange(len(near)), np.diff(near.start))
    return {(ITEMS[a], ITEMS[b]): float(s) for a, b, s in zip(one, near.index, near.value, strict=True)}


ALIKE = alike()


def expected(name, out, k, **options):
    rows = []
    for customer in CUSTOMERS:
        excluded = {item for c, item in out if c in (customer, None)}
        top = naive.listed(EVERY[name].get(customer, {}), POPULAR[name], excluded, k, alike=ALIKE, **options)
        source = {False: name, True: "popularity"}
        rows += [(customer, item, rank, score, source[filled]) for rank, (item, score, filled) in enumerate(top, 1)]
    return rows


def bought(days=1e9):
    age = (FRAME["timestamp"].max() - FRAME["timestamp"]) / pd.Timedelta("1D")
    return set(FRAME.loc[age < days, ["basket", "item"]].itertuples(index=False, name=None))


def pairs(chosen):
    return pd.DataFrame(chosen, columns=["customer_id", "item_id"])


# ── the definition ────────────────────────────────────────────────────────────────────────────────────────────────────

some_items = st.sets(st.sampled_from([*ITEMS, "new"]), max_size=9)
some_pairs = st.sets(st.tuples(st.sampled_from([*CUSTOMERS, 555]), st.sampled_from([*ITEMS, "new"])), max_size=40)


@unhurried
@given(
    name=st.sampled_from(sorted(MODELS)),
    k=st.integers(1, 12),
    exclude=st.sampled_from(["bought", "nothing", "60D", "pairs"]),
    named=some_pairs,
    allow=st.none() | some_items,
    deny=st.none() | some_items | some_pairs,
)
def test_lists_hold_what_the_rules_leave(name, k, exclude, named, allow, deny):
    out = {"bought": bought(), "nothing": set(), "60D": bought(60), "pairs": named}[exclude]
    if allow is not None:
        out = out | {(None, item) for item in set(ITEMS) - allow}
    denied = None if deny is None else deny
    if deny is not None and deny and isinstance(next(iter(deny)), tuple):
        out, denied = out | deny, pairs(sorted(deny, key=str))
    elif deny is not None:
        out = out | {(None, item) for item in deny}
    rule = pairs(sorted(named)) if exclude == "pairs" else exclude
    if (exclude == "pairs" and not named) or (isinstance(denied, pd.DataFrame) and not len(denied)):
        return
    got = recommend.top_items(MODELS[name], CUSTOMERS, k=k, exclude=rule, allow=allow, deny=denied)
    assert listed(got) == expected(name, out, k)


@unhurried
@given(
    name=st.sampled_from(sorted(MODELS)),
    k=st.integers(1, 8),
    exclude=st.sampled_from(["bought", "nothing"]),
    most=st.sampled_from([None, 1, 2]),
    diversity=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_lists_are_chosen_by_category_and_likeness_as_stated(name, k, exclude, most, diversity):
    options = {} if most is None else {"categories": CATEGORY, "per_category": most}
    got = recommend.top_items(MODELS[name], CUSTOMERS, k=k, exclude=exclude, diversity=diversity, **options)
    out = bought() if exclude == "bought" else set()
    want = expected(name, out, k, category=CATEGORY if most else None, most=most, diversity=diversity)
    assert listed(got) == want


def test_a_cap_digs_as_deep_as_it_must():
    """One category holds the 60 best items: the list goes on behind them."""
    n = 80
    frame = pd.DataFrame({"basket": np.repeat(np.arange(n), np.arange(n, 0, -1)), "timestamp": pd.Timestamp("2024-01-01")})
    frame["item"] = [f"i{item:02d}" for size in range(n, 0, -1) for item in range(size)]
    model = recommend.fit_popularity(seen(frame))
    categories = {f"i{item:02d}": "many" if item < 60 else "few" for item in range(n)}
    got = recommend.top_items(model, [n + 1], k=3, categories=categories, per_category=1, exclude="nothing")
    assert got["item_id"].tolist() == ["i00", "i60"]
    fed = recommend.top_items(model, [n + 1], k=3, categories=categories, per_category=2, exclude="nothing")
    assert fed["item_id"].tolist() == ["i00", "i01", "i60"]


def test_a_list_is_the_beginning_of_a_longer_one():
    for model in MODELS.values():
        longest = recommend.top_items(model, k=99)
        for k in (1, 3):
            shorter = recommend.top_items(model, k=k)
            assert listed(shorter) == listed(longest[longest["rank"] <= k])


# ── the past ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_within_days_counts_back_from_the_last_event_of_all():
    model = MODELS["frequency"]
    later = pd.DataFrame({"basket": [3, 77], "item": [ITEMS[0], ITEMS[1]], "timestamp": FRAME["timestamp"].max()})
    later["timestamp"] += pd.Timedelta("30D")
    got = recommend.top_items(model, history=later, exclude="40D", k=99)
    recent = FRAME[(FRAME["basket"] == 3) & (FRAME["timestamp"] > FRAME["timestamp"].max() - pd.Timedelta("10D"))]
    missing = set(ITEMS) - set(got.loc[got["customer_id"] == 3, "item_id"])
    assert missing == {ITEMS[0], *recent["item"]}
    assert set(ITEMS) - set(got.loc[got["customer_id"] == 77, "item_id"]) == {ITEMS[1]}
    timeless = recommend.fit_frequency(seen(FRAME, time=None))
    with pytest.raises(ColumnError, match="needs the times"):
        recommend.top_items(timeless, exclude="40D")


def test_popularity_of_late_may_answer_for_strangers():
    late = recommend.fit_popularity(TABLE, within="20D")
    got = recommend.top_items(MODELS["item_knn"], [900], fallback=late, k=4)
    want = recommend.top_items(late, [900], k=4)
    assert listed(got) == listed(want)
    assert (got["source"] == "popularity").all()
    known = recommend.top_items(MODELS["item_knn"], [1], fallback=late)
    assert listed(known) == listed(recommend.top_items(MODELS["item_knn"], [1]))
    with pytest.raises(OptionError, match="other interactions"):
        recommend.top_items(MODELS["item_knn"], fallback=recommend.fit_popularity(seen(FRAME.iloc[:20])))
    alike = recommend.fit_popularity(seen(FRAME), within="20D")
    assert listed(recommend.top_items(MODELS["item_knn"], [900], fallback=alike, k=4)) == listed(want)
    with pytest.raises(OptionError, match="fitted recommender"):
        recommend.top_items(MODELS["item_knn"], fallback="popularity")


def test_nobody_is_recommended_what_is_out_of_stock_not_even_strangers():
    stock = ITEMS[3:6]
    for model in MODELS.values():
        got = recommend.top_items(model, CUSTOMERS, allow=stock, exclude="nothing")
        assert set(got["item_id"]) <= set(stock)
        assert set(got["customer_id"]) == set(CUSTOMERS)
        assert len(recommend.top_items(model, CUSTOMERS, allow=["new"])) == 0
        both = recommend.top_items(model, CUSTOMERS, allow=stock, deny=[ITEMS[3]], exclude="nothing")
        assert set(both["item_id"]) <= set(stock[1:])


# ── what must not matter ──────────────────────────────────────────────────────────────────────────────────────────────

RULES = {
    "caps": {"categories": CATEGORY, "per_category": 1},
    "diversity": {"diversity": 0.4, "exclude": "nothing"},
    "stock": {"allow": ITEMS[2:9]},
    "pairs": {"deny": pairs([(1, ITEMS[0]), (900, ITEMS[1])]), "exclude": "30D"},
}


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("name", sorted(MODELS))
def test_neither_threads_nor_pieces_nor_company_matter(name, rule, monkeypatch):
    want = recommend.top_items(MODELS[name], CUSTOMERS, k=3, **RULES[rule])
    alone = [recommend.top_items(MODELS[name], [customer], k=3, **RULES[rule]) for customer in CUSTOMERS]
    assert [row for top in alone for row in listed(top)] == listed(want)
    monkeypatch.setattr(importlib.import_module("crmkit.recommend._top_items"), "PIECE", 4)
    for n_threads in (1, 2, 3):
        got = recommend.top_items(MODELS[name], CUSTOMERS, k=3, n_threads=n_threads, **RULES[rule])
        pd.testing.assert_frame_equal(got, want, check_exact=True)


@pytest.mark.parametrize("give", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "arrow"])
def test_rules_may_come_in_any_kind_of_frame(give):
    frame = pairs([(1, ITEMS[0]), (2, ITEMS[1])])
    categories = pd.DataFrame({"item_id": list(CATEGORY), "category": list(CATEGORY.values())})
    want = recommend.top_items(MODELS["ease"], k=4, deny=frame, categories=categories, per_category=1)
    assert listed(recommend.top_items(MODELS["ease"], k=4, deny=frame, categories=CATEGORY, per_category=1)) == listed(want)
    series = categories.set_index("item_id")["category"]
    assert listed(recommend.top_items(MODELS["ease"], k=4, deny=frame, categories=series, per_category=1)) == listed(want)
    model = recommend.fit_ease(recommend.interactions(give(FRAME), **COLUMNS), penalty=2.0)
    got = recommend.top_items(model, k=4, deny=give(frame), categories=give(categories), per_category=1)
    got = got.to_pandas() if hasattr(got, "to_pandas") else got
    assert [row[:4] for row in listed(got)] == [row[:4] for row in listed(want)]
    own = frame.rename(columns={"customer_id": "basket", "item_id": "item"})
    assert listed(recommend.top_items(MODELS["ease"], k=4, deny=own, categories=CATEGORY, per_category=1)) == listed(want)


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"exclude": "3M"}, OptionError, "exclude='3M'"),
        ({"exclude": 90}, OptionError, "exclude=90"),
        ({"exclude": pd.DataFrame({"customer_id": [1]})}, ColumnError, "item_id"),
        ({"exclude": pairs([(1, None)])}, DataError, "missing ids"),
        ({"exclude": pairs([("1", "i01")])}, DataError, "customer ids are text, those known here numbers"),
        ({"allow": "i01"}, OptionError, "allow="),
        ({"allow": 3}, OptionError, "allow="),
        ({"allow": pairs([(1, "i01")])}, OptionError, "not a whole frame"),
        ({"allow": [1, 2]}, DataError, "item ids are numbers, those known here text"),
        ({"deny": "i01"}, OptionError, "deny="),
        ({"per_category": 1}, OptionError, "both or neither"),
        ({"categories": CATEGORY}, OptionError, "both or neither"),
        ({"categories": CATEGORY, "per_category": 0}, OptionError, "per_category=0"),
        ({"categories": ["a"], "per_category": 1}, OptionError, "categories="),
        (
            {"categories": pd.DataFrame({"item_id": ["i01", "i01"], "category": ["a", "b"]}), "per_category": 1},
            OptionError,
            "more than one category",
        ),
        ({"diversity": 1.5}, OptionError, "diversity=1.5"),
        ({"diversity": float("nan")}, OptionError, "diversity=nan"),
    ],
    ids=str,
)
def test_rules_that_cannot_be_meant_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        recommend.top_items(MODELS["item_knn"], **options)
