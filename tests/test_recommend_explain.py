"""Reasons: what each purchase contributes sums to the score, and says what would be lost without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from crmkit import recommend
from crmkit.errors import DataError, FitError, OptionError

COLUMNS = {"customer": "who", "time": "when", "item": "what", "amount": None}


def simulated(n_customers=40, n_items=14, n_lines=300, seed=0):
    rng = np.random.default_rng(seed)
    items = np.minimum(rng.geometric(0.15, n_lines), n_items)
    frame = pd.DataFrame({"who": rng.integers(0, n_customers, n_lines), "what": [f"i{item:02d}" for item in items]})
    frame["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n_lines), unit="D")
    return frame


FRAME = simulated()
SEEN = recommend.interactions(FRAME, **COLUMNS)
MODELS = {
    "item_knn": recommend.fit_item_knn(SEEN, k=6),
    "ease": recommend.fit_ease(SEEN, penalty=3.0),
    "als": recommend.fit_als(SEEN, factors=4, sweeps=30, penalty=0.05),
    "als replaced": recommend.fit_als(SEEN, factors=4, sweeps=30, penalty=0.05, weighting="replaced", unobserved_weight=0.2),
    "als blocks": recommend.fit_als(SEEN, factors=20, sweeps=40, block=16, penalty=0.05),
}


def score_of(model, customer, item, **options):
    top = recommend.top_items(model, [customer], k=99, exclude="nothing", **options)
    top = top[top["source"] == model.SOURCE].set_index("item_id")["score"]
    return top.get(item, None)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_contributions_sum_to_the_score(name):
    model = MODELS[name]
    for customer in (0, 7):
        got = recommend.explain(model, customer, SEEN.items.values.tolist())
        bought = FRAME.loc[FRAME["who"] == customer, "what"].value_counts()
        for item, rows in got.groupby("item_id"):
            total = rows["contribution"].sum()
            assert rows["score"].tolist() == pytest.approx([total] * len(rows), rel=1e-9)
            shown = score_of(model, customer, item)
            if shown is not None:
                assert total == pytest.approx(shown, rel=1e-4 if "als" in name else 1e-9, abs=1e-5 if "als" in name else 1e-12)
            assert set(rows["because_id"]) <= set(bought.index)
            assert rows["weight"].tolist() == bought[rows["because_id"]].tolist()
            assert (rows["contribution"].abs().diff().dropna() <= 1e-12).all()


@pytest.mark.parametrize("name", ["item_knn", "ease"])
def test_a_contribution_is_what_the_score_loses_without_the_purchase(name):
    model, customer = MODELS[name], 7
    mine = FRAME[FRAME["who"] == customer]
    got = recommend.explain(model, customer)
    for row in got.itertuples():
        without = mine[mine["what"] != row.because_id].assign(who=1000)
        left = score_of(model, 1000, row.item_id, history=without)
        # only scores above zero are shown
        assert (left or 0.0) == pytest.approx(max(row.score - row.contribution, 0.0), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_best_items_are_explained_by_default(name):
    got = recommend.explain(MODELS[name], 3, k=4)
    top = recommend.top_items(MODELS[name], [3], k=4)
    assert got["item_id"].drop_duplicates().tolist() == top["item_id"].tolist()
    assert got.drop_duplicates("item_id")["score"].tolist() == pytest.approx(top["score"].tolist(), rel=1e-4)


def test_a_history_is_explained_as_the_fit_is():
    for model in MODELS.values():
        want = recommend.explain(model, 5)
        got = recommend.explain(model, 1005, history=FRAME[FRAME["who"] == 5].assign(who=1005))
        pd.testing.assert_frame_equal(got, want, rtol=1e-6)


def test_repeat_purchases_are_explained_by_habit():
    model = recommend.fit_frequency(SEEN)
    got = recommend.explain(model, 7, k=99).set_index("item_id")
    mine, end = FRAME[FRAME["who"] == 7], FRAME["when"].max()
    for item, rows in mine.groupby("what"):
        moments = rows["when"].drop_duplicates().sort_values()
        assert got.loc[item, "weight"] == len(rows)
        assert got.loc[item, "days_since"] == (end - moments.iloc[-1]).days
        gap = (moments.iloc[-1] - moments.iloc[0]).days / (len(moments) - 1) if len(moments) > 1 else np.nan
        assert got.loc[item, "usual_gap"] == pytest.approx(gap, nan_ok=True)
    never = got.loc[~got.index.isin(mine["what"])]
    assert (never["weight"] == 0).all()
    assert never[["days_since", "usual_gap"]].isna().all().all()
    assert (got["score"] == got["weight"] + got["popularity"]).all()
    top = recommend.top_items(model, [7], exclude="nothing", k=99)
    assert got.index.tolist() == top["item_id"].tolist()
    assert got["score"].tolist() == pytest.approx(top["score"].tolist())
    named = recommend.explain(model, 7, [mine["what"].iloc[0]])
    assert named["item_id"].tolist() == [mine["what"].iloc[0]]
    later = mine.assign(when=mine["when"] + pd.Timedelta("50D"), who=999)
    moved = recommend.explain(model, 999, k=99, history=later).set_index("item_id")
    pd.testing.assert_series_equal(moved["usual_gap"], got["usual_gap"])
    timeless = recommend.fit_frequency(recommend.interactions(FRAME, **{**COLUMNS, "time": None}))
    assert recommend.explain(timeless, 7)["days_since"].isna().all()


def test_other_ids_and_frames_are_explained_too():
    frame = FRAME.assign(who=[("shop", int(who)) for who in FRAME["who"]])
    got = recommend.explain(recommend.fit_item_knn(recommend.interactions(frame, **COLUMNS), k=6), ("shop", 7))
    pd.testing.assert_frame_equal(got, recommend.explain(MODELS["item_knn"], 7))
    polars = recommend.fit_item_knn(recommend.interactions(pl.from_pandas(FRAME), **COLUMNS), k=6)
    assert isinstance(recommend.explain(polars, 7), pl.DataFrame)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((7, "i01"), {}, OptionError, "not a single id"),
        ((7, ["new"]), {}, DataError, "never bought before the fit"),
        (([7, 8],), {}, OptionError, "one customer at a time"),
        ((777,), {}, DataError, "no history the model knows"),
        (("7",), {}, DataError, "customer ids are text"),
        ((7,), {"k": 0}, OptionError, "k=0"),
    ],
    ids=str,
)
def test_what_cannot_be_explained_is_refused(arguments, options, error, words):
    with pytest.raises(error, match=words):
        recommend.explain(MODELS["item_knn"], *arguments, **options)


def test_models_without_reasons_say_so():
    with pytest.raises(FitError, match="Popularity do not come from single purchases"):
        recommend.explain(recommend.fit_popularity(SEEN), 7)
    frame = pd.DataFrame({"who": [1, 1, 2, 3], "what": ["a", "b", "a", "alone"], "when": pd.Timestamp("2024-01-01")})
    model = recommend.fit_item_knn(recommend.interactions(frame, **COLUMNS))
    with pytest.raises(DataError, match="none of the customer's purchases speaks for another item"):
        recommend.explain(model, 3)
    assert len(recommend.explain(model, 3, ["a"])) == 0
