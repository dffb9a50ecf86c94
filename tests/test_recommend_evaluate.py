"""Evaluation: every metric is its definition, repeat and new are told apart, and no model is judged by what it has seen."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit import recommend
from crmkit._kernels import evaluation as _k
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError
from naive import recommend as naive

COLUMNS = {"customer": "who", "time": "when", "item": "what", "amount": None}
METRICS = (*_k.METRICS, "novelty", "diversity")
interpreted = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"
FIT = {
    "knn": lambda seen: recommend.fit_item_knn(seen, k=4),
    "frequency": recommend.fit_frequency,
    "popular": recommend.fit_popularity,
}


def simulated(n_customers=25, n_items=14, n_lines=260, seed=0):
    rng = np.random.default_rng(seed)
    items = np.minimum(rng.geometric(0.15, n_lines), n_items)
    frame = pd.DataFrame({"who": rng.integers(0, n_customers, n_lines), "what": [f"i{item:02d}" for item in items]})
    frame["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n_lines), unit="D")
    return frame


FRAME = pd.concat(
    [
        simulated(),
        # a stranger, and an item nobody has met
        pd.DataFrame({"who": [99, 99, 3], "what": ["i01", "i02", "new"], "when": pd.Timestamp("2024-09-20")}),
    ],
    ignore_index=True,
)
SPLIT = recommend.split_by_time(FRAME, when="2024-08-01", **COLUMNS)
SEEN = recommend.interactions(SPLIT.train)
MODELS = {name: fit(SEEN) for name, fit in FIT.items()}


def expected(model, ks, everybody=False):
    """{(items, k, metric): {customer: value}} from the lists of top_items and the definitions."""
    past, future = FRAME[FRAME["when"] < "2024-08-01"], FRAME[FRAME["when"] >= "2024-08-01"]
    bought = past.groupby("who")["what"].agg(set).to_dict()
    customers_of = past.groupby("what")["who"].agg(set).to_dict()
    known_items = set(past["what"])
    out = {}
    for who, rows in future.groupby("who"):
        if who not in bought and not everybody:
            continue
        truth = set(rows["what"]) & known_items
        had = bought.get(who, set())
        for items, targets, exclude in (
            ("all", truth, "nothing"),
            ("repeat", truth & had, "nothing"),
            ("new", truth - had, "bought"),
        ):
            if not targets:
                continue
            top = recommend.top_items(model, [who], k=max(ks), exclude=exclude)["item_id"].tolist()
            for k in ks:
                found = naive.marks(top, targets, k)
                found["novelty"], found["diversity"] = naive.looks(top, customers_of, len(bought), k)
                for metric, value in found.items():
                    out.setdefault((items, k, metric), {})[who] = value
    return out


# ── the definition ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("customers", ["known", "all"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_metrics_are_their_definitions(name, customers):
    ks = [1, 3, 8, 40]
    got = recommend.evaluate(MODELS[name], SPLIT, k=ks, customers=customers, replicates=100)
    want = expected(MODELS[name], ks, everybody=customers == "all")
    table = got.metrics.set_index(["items", "k", "metric"])
    for key, values in want.items():
        held = [value for value in values.values() if value is not None]
        if not held:
            assert key not in table.index
            continue
        assert table.loc[key, "value"] == pytest.approx(np.mean(held), abs=1e-12), key
        assert table.loc[key, "n"] == len(held)
        one = got.customers(items=key[0], k=key[1])[key[2]]
        assert one.index.tolist() == sorted(values)
        assert one.tolist() == pytest.approx([np.nan if v is None else v for v in values.values()], nan_ok=True)
    assert len(table) == sum(any(v is not None for v in values.values()) for values in want.values())
    strangers = 0 if customers == "all" else 1
    assert dict(got.left_out) == {"customers without a history": strangers, "purchases of items nobody had bought": 1}


lists = st.lists(st.lists(st.integers(-1, 5), unique=True, max_size=6), min_size=1, max_size=4)
truths = st.lists(st.sets(st.integers(0, 5)), min_size=4, max_size=4)


@settings(deadline=None, max_examples=100)
@given(tops=lists, truth=truths, ks=st.sets(st.integers(1, 9), min_size=1, max_size=3))
def test_the_kernel_marks_every_list_by_the_definition(tops, truth, ks):
    tops = [[item for n, item in enumerate(top) if item >= 0 or n % 2] for top in tops]
    ks, truth = np.array(sorted(ks)), [sorted(one) for one in truth[: len(tops)]]

    def rows(parts):
        return np.concatenate([[0], np.cumsum([len(p) for p in parts])]), np.array([i for p in parts for i in p], np.int32)

    out = np.full((len(tops), ks.size, len(_k.METRICS)), np.nan)
    for first in range(len(tops)):
        _k.marks(*rows(tops), *rows(truth), 6, ks, first, first + 1, out)
    for c, top in enumerate(tops):
        for q, k in enumerate(ks):
            if truth[c]:
                assert out[c, q].tolist() == pytest.approx(list(naive.marks(top, set(truth[c]), int(k)).values()))
            else:
                assert (out[c, q] == 0).all()


def test_precision_divides_by_k_and_recall_by_what_there_was():
    """One item to foresee, two on the list: a precision of one half, whatever others call it."""
    frame = pd.DataFrame({"who": [1, 1, 2, 2], "what": ["a", "b", "a", "b"], "when": pd.Timestamp("2024-01-01")})
    later = pd.DataFrame({"who": [1, 2], "what": ["a", "a"], "when": pd.Timestamp("2024-02-01")})
    model = recommend.fit_popularity(recommend.interactions(frame, **COLUMNS))
    got = recommend.evaluate(model, later, k=2, items=["all"]).metrics.set_index("metric")["value"]
    with pytest.warns(DataWarning, match="1 of 1 lists of items to foresee are those of one customer"):
        alone = recommend.evaluate(model, later[:1], k=2, items=["all"]).metrics.set_index("metric")
    assert alone["value"].tolist() == got.tolist()
    # one customer says nothing about how much customers differ
    assert alone[["ci_low", "ci_high"]].isna().all(axis=None)
    assert got[["precision", "recall", "recall_min", "ndcg", "map", "mrr", "hit_rate"]].tolist() == [0.5, 1, 1, 1, 1, 1, 1]


def test_items_no_model_knows_are_left_out_or_missed():
    out, missed = (recommend.evaluate(MODELS["popular"], SPLIT, unknown_items=way) for way in ("leave_out", "count"))
    before = FRAME[FRAME["when"] < "2024-08-01"]
    bought = FRAME[(FRAME["when"] >= "2024-08-01") & (FRAME["who"] == 3)]["what"].nunique()
    assert "new" not in set(before["what"])
    one, other = (found.customers(items="all")["recall"][3] for found in (out, missed))
    assert other == pytest.approx(one * (bought - 1) / bought)
    assert missed.left_out["purchases of items nobody had bought"] == 0


@pytest.mark.parametrize("give", [lambda f: f, pl.from_pandas], ids=["pandas", "polars"])
def test_where_nobody_repeats_there_are_no_rows_about_repeats(give):
    past = pd.DataFrame({"who": [1, 1, 2, 2], "what": ["a", "b", "b", "c"], "when": pd.Timestamp("2024-01-01")})
    later = pd.DataFrame({"who": [1, 2], "what": ["c", "a"], "when": pd.Timestamp("2024-02-01")})
    model = recommend.fit_popularity(recommend.interactions(give(past), **COLUMNS))
    got = recommend.evaluate(model, give(later), k=2)
    assert set(got.metrics["items"]) == {"all", "new"}
    none = recommend.evaluate(model, give(later), k=2, items="repeat")
    assert len(none.metrics) == len(none.differences) == len(none.customers(items="repeat")) == 0
    # everything bought: no list has an item, and nothing is invented
    full = recommend.evaluate(model, give(past.assign(what=["c", "c", "a", "a"])), k=2, items="new")
    assert full.catalogue["coverage"].to_list() == [2 / 3]
    owners = recommend.fit_popularity(recommend.interactions(give(past.assign(what=["a", "b", "a", "b"])), **COLUMNS))
    with pytest.warns(DataWarning, match="one customer"):
        empty = recommend.evaluate(owners, give(past), k=2, items="new", unknown_items="count")
    assert empty.catalogue["coverage"].to_list() == [0.0]
    assert empty.catalogue["gini"].to_list() == [0.0]


def test_the_catalogue_is_what_lists_have_in_common():
    got = recommend.evaluate(MODELS["popular"], SPLIT, k=[2, 5], items="all", replicates=100).catalogue
    n_items = len(SEEN.items)
    assert got["coverage"].tolist() == [2 / n_items, 5 / n_items]
    times = np.zeros(n_items)
    times[:2] = 7
    assert got["gini"].tolist()[0] == pytest.approx(naive.gini(times))
    knn = recommend.evaluate(MODELS["knn"], SPLIT, k=3, items="new", replicates=100)
    known = sorted(set(FRAME.loc[FRAME["when"] >= "2024-08-01", "who"]) - {99})
    top = recommend.top_items(MODELS["knn"], known, k=3)
    times = top["item_id"].value_counts().reindex(SEEN.items.values, fill_value=0)
    assert knn.catalogue[["coverage", "gini"]].iloc[0].tolist() == pytest.approx([(times > 0).mean(), naive.gini(times)])
    assert knn.catalogue["n"].iloc[0] == len(known)


@pytest.mark.skipif(interpreted, reason="a million pairs are many without compilation")
def test_movielens_gives_the_numbers_of_others(data_file):
    """Others, an item being its own neighbour: cosine with 20, recall@20 over min(20, n) .3164, NDCG@100 .3737."""
    pairs = pd.read_parquet(data_file("ml1m_pairs.parquet")).sort_values(["user_id", "item_id"], ignore_index=True)
    rng, held = np.random.default_rng(42), np.zeros(len(pairs), bool)
    for places in pairs.groupby("user_id").indices.values():
        held[places[rng.permutation(len(places))[: int(0.2 * len(places))]]] = True
    names = {"customer": "user_id", "item": "item_id", "time": None, "amount": None}
    model = recommend.fit_item_knn(recommend.interactions(pairs[~held], **names), k=19)
    got = recommend.evaluate(model, pairs[held], k=[20, 100], items="new", replicates=100, unknown_items="count").metrics
    table = got.set_index(["metric", "k"]).sort_index()["value"]
    assert table["recall_min", 20] == pytest.approx(0.3164, abs=1e-4)
    assert table["ndcg", 100] == pytest.approx(0.3737, abs=1e-4)


@pytest.mark.skipif(interpreted, reason="half a million lines are many without compilation")
def test_in_a_real_shop_habits_foresee_best_and_know_nothing_new(data_file):
    lines = pd.read_parquet(data_file("online_retail_ii_lines_2009_2010.parquet"))
    sold = lines["CustomerID"].notna() & (lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)
    lines = lines[sold & lines["StockCode"].str.match(r"^\d{5}")].astype({"CustomerID": "int64"})
    columns = {"customer": "CustomerID", "time": "InvoiceDate", "item": "StockCode", "order": "InvoiceNo"}
    split = recommend.split_by_time(lines, when="2010-11-01", horizon="30D", amount=None, **columns)
    seen = recommend.interactions(split.train)
    models = {
        "frequency": recommend.fit_frequency(seen),
        "alike": recommend.fit_item_knn(seen, k=100, measure="bm25"),
        "als": recommend.fit_als(seen),
        "popular": recommend.fit_popularity(seen),
    }
    got = recommend.evaluate(models, split, replicates=200)
    table = got.metrics.astype({"items": str, "metric": str, "model": str})
    table = table.set_index(["items", "metric", "model"]).sort_index()["value"]
    everything, new = table["all", "ndcg"], table["new", "ndcg"]
    assert everything["frequency"] == pytest.approx(0.348, abs=0.002)
    assert everything["frequency"] == everything.max()
    apart = got.differences.query("items == 'all' and metric == 'ndcg'")
    assert (apart["ci_high"] < 0).all()
    assert new["frequency"] == new["popular"] == new.min()
    assert dict(got.left_out) == {"customers without a history": 326, "purchases of items nobody had bought": 540}


# ── intervals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_differences_are_paired_over_the_same_customers():
    got = recommend.evaluate(MODELS, SPLIT, k=3, replicates=400)
    one = got.customers(model="knn", items="all", k=3)["recall"]
    for name in ("frequency", "popular"):
        other = got.customers(model=name, items="all", k=3)["recall"]
        row = got.differences.query(f"model == {name!r} and items == 'all' and metric == 'recall'").iloc[0]
        assert row["value"] == pytest.approx((other - one).mean())
        se = (other - one).std() / np.sqrt(len(one))
        assert row["ci_high"] - row["ci_low"] == pytest.approx(2 * 1.96 * se, rel=0.25)
    assert set(got.differences["model"]) == {"frequency", "popular"}
    same = recommend.evaluate({"a": MODELS["knn"], "b": MODELS["knn"]}, SPLIT, k=3, replicates=100).differences
    assert (same[["value", "ci_low", "ci_high"]] == 0).all().all()
    assert len(recommend.evaluate(MODELS["knn"], SPLIT, replicates=100).differences) == 0


def test_intervals_hold_the_mean_and_widen_with_the_level():
    narrow, wide = (recommend.evaluate(MODELS, SPLIT, level=level).metrics for level in (0.5, 0.99))
    assert (narrow["value"] == wide["value"]).all()
    assert (wide["ci_low"] <= narrow["ci_low"] + 1e-12).all()
    assert (wide["ci_high"] >= narrow["ci_high"] - 1e-12).all()
    assert (wide["ci_low"] <= wide["value"] + 1e-12).all()
    assert (wide["ci_high"] >= wide["value"] - 1e-12).all()


def test_the_interval_of_a_mean_covers_at_its_level():
    """Customers drawn anew from a known population of recalls."""
    from crmkit.recommend import _evaluate

    rng, inside = np.random.default_rng(4), 0
    for _ in range(300):
        values = (rng.random((120, 1)) < 0.3) * rng.random((120, 1))
        _, _, drawn = _evaluate._resampled(values, 300, rng)
        low, high = np.percentile(drawn[:, 0], [2.5, 97.5])
        inside += low <= 0.15 <= high
    assert 0.91 <= inside / 300 <= 0.98


# ── what must not matter ──────────────────────────────────────────────────────────────────────────────────────────────


def test_neither_threads_nor_the_order_of_rows_matter():
    want = recommend.evaluate(MODELS, SPLIT, k=[2, 4], n_threads=1)
    for n_threads in (2, 3):
        got = recommend.evaluate(MODELS, SPLIT, k=[2, 4], n_threads=n_threads)
        pd.testing.assert_frame_equal(got.metrics, want.metrics, check_exact=True)
        pd.testing.assert_frame_equal(got.differences, want.differences, check_exact=True)
    mixed = recommend.split_by_time(FRAME.sample(frac=1, random_state=1), when="2024-08-01", **COLUMNS)
    models = {name: fit(recommend.interactions(mixed.train)) for name, fit in FIT.items()}
    got = recommend.evaluate(models, mixed, k=[2, 4])
    pd.testing.assert_frame_equal(got.metrics, want.metrics, check_exact=True)


def test_test_data_may_be_a_split_a_log_or_a_frame():
    want = recommend.evaluate(MODELS, SPLIT).metrics
    for test in (SPLIT.test, FRAME[FRAME["when"] >= "2024-08-01"], recommend.interactions(SPLIT.test)):
        pd.testing.assert_frame_equal(recommend.evaluate(MODELS, test).metrics, want)
    renamed = FRAME[FRAME["when"] >= "2024-08-01"].rename(columns={"who": "customer", "what": "sku"})
    got = recommend.evaluate(MODELS, renamed, customer="customer", item="sku", time="when", amount=None)
    pd.testing.assert_frame_equal(got.metrics, want)


def test_other_frames_give_the_same_numbers():
    split = recommend.split_by_time(pl.from_pandas(FRAME), when="2024-08-01", **COLUMNS)
    model = recommend.fit_item_knn(recommend.interactions(split.train), k=4)
    got, want = recommend.evaluate(model, split), recommend.evaluate(MODELS["knn"], SPLIT)
    assert isinstance(got.metrics, pl.DataFrame)
    assert got.metrics["value"].to_list() == want.metrics["value"].tolist()
    assert got.customers().columns[:2] == ["customer_id", "precision"]


def test_strangers_with_a_history_are_judged_by_it():
    split = recommend.split_customers(simulated(n_customers=40, n_lines=400), share=0.4, hold=0.4, **COLUMNS)
    model = recommend.fit_item_knn(recommend.interactions(split.train), k=5)
    got = recommend.evaluate(model, split, items="new", k=4)
    top = recommend.top_items(model, history=split.history, k=4)
    # an item of the history that the training lacks says nothing, and has nobody behind it
    tops = {who: rows.tolist() for who, rows in top.groupby("customer_id")["item_id"]}
    customer = np.repeat(np.arange(split.test.n_customers), np.diff(split.test.lines.start))
    truth = pd.Series(split.test.items.values[split.test.lines.item]).groupby(split.test.labels.values[customer]).agg(set)
    known = set(model.interactions.items.values)
    want = [naive.marks(tops[who], items & known, 4)["recall"] for who, items in truth.items() if items & known]
    assert got.metrics.query("metric == 'recall'")["value"].iloc[0] == pytest.approx(np.mean(want))
    assert got.left_out["customers without a history"] == 0


# ── leaks, and what is refused ────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_that_has_seen_the_test_is_refused():
    everything = recommend.fit_popularity(recommend.interactions(FRAME, **COLUMNS))
    with pytest.raises(DataError, match=r"popularity was fitted to events up to 2024.*it has seen the test"):
        recommend.evaluate(everything, SPLIT)
    split = recommend.split_customers(FRAME, hold=0.4, share=0.5, **COLUMNS)
    with pytest.raises(DataError, match=r"kept from the training|has seen the test"):
        recommend.evaluate(everything, split)
    timeless = FRAME.drop(columns="when")
    split = recommend.split_customers(timeless, hold=0.4, share=0.5, **{**COLUMNS, "time": None})
    model = recommend.fit_popularity(recommend.interactions(timeless, **{**COLUMNS, "time": None}))
    with pytest.raises(DataError, match="customers whom the split kept from the training"):
        recommend.evaluate({"all of it": model}, split)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"k": 0}, OptionError, "k=0"),
        ({"k": []}, OptionError, "empty"),
        ({"k": [3, 2.5]}, OptionError, r"k=2\.5"),
        ({"items": "old"}, OptionError, "items='old'"),
        ({"items": []}, OptionError, "empty"),
        ({"customers": "some"}, OptionError, "customers='some'"),
        ({"unknown_items": "drop"}, OptionError, "unknown_items='drop'"),
        ({"level": 95}, OptionError, "level=95"),
        ({"replicates": 10}, OptionError, "replicates=10"),
        ({"rng": "x"}, OptionError, "rng='x'"),
        ({"n_threads": 0}, OptionError, "n_threads=0"),
    ],
    ids=str,
)
def test_options_outside_what_is_accepted_are_named(options, error, words):
    with pytest.raises(error, match=words):
        recommend.evaluate(MODELS["knn"], SPLIT, **options)


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(OptionError, match="fitted recommender"):
        recommend.evaluate(FRAME, SPLIT)
    with pytest.raises(OptionError, match="no model"):
        recommend.evaluate({}, SPLIT)
    with pytest.raises(DataError, match="read alike"):
        recommend.evaluate({1: MODELS["knn"], "1": MODELS["popular"]}, SPLIT)
    with pytest.raises(ColumnError, match="item"):
        recommend.evaluate(MODELS["knn"], FRAME, customer="who", time="when", amount=None)
    with pytest.raises(DataError, match="customers without a history: 1"):
        recommend.evaluate(MODELS["knn"], FRAME[FRAME["who"] == 99])
    with pytest.raises(DataError, match="customer ids are text, those known here numbers"):
        recommend.evaluate(MODELS["knn"], FRAME.assign(who=FRAME["who"].astype(str)))
    got = recommend.evaluate(MODELS["knn"], SPLIT)
    with pytest.raises(OptionError, match=r"model='ease'.*there are model=\['item_knn'\]"):
        got.customers(model="ease")
    assert "customers without a history: 1" in repr(got)
