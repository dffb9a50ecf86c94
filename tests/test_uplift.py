"""Uplift: areas under every library's name, errors that cover, learners that find what is there and admit what is not."""

import itertools
import json
import math
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmkit import uplift
from crmkit._kernels.falling import falling_order
from crmkit.errors import ColumnError, DataError, DataWarning, FitError, OptionError
from crmkit.results import Model
from crmkit.uplift._ranking import order_of, rate
from naive import uplift as naive

DATA = Path(os.environ.get("CRMKIT_DATA", "../shared/data"))
FEATURES = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]


@pytest.fixture(scope="module")
def hillstrom():
    path = DATA / "hillstrom.csv.gz"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    return pd.read_csv(path)


def campaign(n=3000, seed=1, *, effect=0.2, spend=False):
    """An experiment in which only the keen are moved; `tau` is the true effect."""
    rng = np.random.default_rng(seed)
    taste, age = rng.normal(size=n), rng.uniform(20, 70, n)
    town = rng.choice(["a", "b", "c"], n)
    treated = rng.random(n) < 0.5
    base = 0.15 + 0.1 * (town == "a")
    tau = effect * (taste > 0)
    if spend:
        y = rng.gamma(1.0, 1.0, n) * 40 * base + treated * tau * 10
        tau = tau * 10
    else:
        y = (rng.random(n) < base + treated * tau).astype(int)
    return pd.DataFrame({"mail": treated.astype(int), "y": y, "taste": taste, "age": age, "town": town, "tau": tau})


def small(seed, *, ties):
    rng = np.random.default_rng(seed)
    n = 40
    score = rng.integers(0, 6, n).astype(float) if ties else rng.permutation(n).astype(float)
    return score, rng.integers(0, 2, n), rng.integers(0, 2, n).astype(bool)


# ── order ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "score",
    [
        pytest.param(np.random.default_rng(0).normal(size=3000), id="floats"),
        pytest.param(np.random.default_rng(0).integers(-9, 9, 3000) / 2, id="ties"),
        pytest.param(np.array([0.0, -0.0, 5e-324, -5e-324, 1e308, -1e308, 0.0, -0.0]), id="edges"),
        pytest.param(np.ones(5), id="one"),
        pytest.param(np.empty(0), id="none"),
    ],
)
def test_rows_by_falling_score(score):
    order = np.empty(score.size, np.int32)
    falling_order(score.view(np.uint64), order)
    assert order.tolist() == np.argsort(-score, kind="stable").tolist()


# ── areas ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])
def test_areas_are_those_of_the_definitions(seed, ties):
    score, y, treated = small(seed, ties=ties)
    named = uplift.qini(y, score, treated).named
    assert named["area"] == pytest.approx(naive.qini_area(score, y, treated), rel=1e-10)
    benefit = np.where(treated, y, -y)
    best = naive.qini_area(benefit, y, treated)
    assert named["sklift_qini_auc"] == pytest.approx(named["area"] / best, rel=1e-10)
    if not ties:
        qini, auuc = naive.causalml_areas(score, y, treated)
        assert named["causalml_qini"] == pytest.approx(qini, rel=1e-10)
        assert named["causalml_auuc"] == pytest.approx(auuc, rel=1e-10)


@pytest.mark.parametrize("weighting", ["qini", "autoc"])
def test_rank_weighted_effects_are_those_of_the_definition(weighting):
    rng = np.random.default_rng(3)
    score, gamma = rng.permutation(50).astype(float), rng.normal(size=50)
    assert rate(order_of(score), gamma, weighting).value == pytest.approx(naive.rank_weighted(score, gamma, weighting), rel=1e-10)


@pytest.mark.parametrize("weighting", ["qini", "autoc"])
def test_ties_count_as_the_mean_over_their_orders(weighting):
    rng = np.random.default_rng(4)
    gamma = rng.normal(size=6)
    tied = np.array([3.0, 2.0, 2.0, 2.0, 1.0, 1.0])
    orders = [
        naive.rank_weighted([3.0, *middle, *last], gamma, weighting)
        for middle in itertools.permutations([2.2, 2.1, 2.0])
        for last in itertools.permutations([1.1, 1.0])
    ]
    assert rate(order_of(tied), gamma, weighting).value == pytest.approx(np.mean(orders), rel=1e-10)


def test_row_order_never_matters():
    score, y, treated = small(7, ties=True)
    order = np.random.default_rng(0).permutation(score.size)
    one, two = uplift.qini(y, score, treated), uplift.qini(y[order], score[order], treated[order])
    assert one.named == pytest.approx(two.named, rel=1e-12)
    assert one.qini.se == pytest.approx(two.qini.se, rel=1e-10)
    assert one.autoc.value == pytest.approx(two.autoc.value, rel=1e-10)


def test_a_constant_score_ranks_nothing():
    _, y, treated = small(8, ties=True)
    found = uplift.qini(y, np.ones(y.size), treated)
    assert found.qini.value == pytest.approx(0.0, abs=1e-15)
    assert found.autoc.value == pytest.approx(0.0, abs=1e-12)
    assert found.named["area"] == pytest.approx(0.0, abs=1e-9)


def test_the_true_effect_ranks_best():
    frame = campaign(20_000)
    best = uplift.qini(frame["y"], frame["tau"], frame["mail"]).qini
    noise = uplift.qini(frame["y"], np.random.default_rng(2).normal(size=len(frame)), frame["mail"]).qini
    assert best.ci_low > 0.015
    assert noise.ci_low < 0 < noise.ci_high
    assert best.ci_low < 0.025 < best.ci_high  # effect / 8: half of the customers have all of it


def test_conversions_between_names():
    score, y, treated = small(11, ties=False)
    # both arms among the first two ranks, so that no library draws a line through empty ones
    treated[np.argsort(-score)[:2]] = [True, False]
    found = uplift.qini(y, score, treated)
    last = found.curve["qini"].iloc[-1]
    assert found.named["causalml_qini"] == pytest.approx(found.named["area"] / ((y.size + 1) * abs(last)), rel=0.2)


def test_spend_is_an_outcome_too():
    frame = campaign(4000, spend=True)
    found = uplift.qini(frame["y"], frame["tau"], frame["mail"])
    assert found.qini.ci_low > 0
    assert "sklift_qini_auc" not in found.named


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, s, t: (y[:-1], s, t), "39 rows and score 40"),
        (lambda y, s, t: (y, np.where(s > 30, np.nan, s), t), "missing"),
        (lambda y, s, t: (y, s, np.ones(40, bool)), "one arm"),
        (lambda y, s, t: (y, s, np.arange(40)), "neither 0 nor 1"),
    ],
    ids=["lengths", "missing", "one arm", "no arm"],
)
def test_columns_that_cannot_be_used(change, message):
    score, y, treated = small(1, ties=False)
    with pytest.raises(DataError, match=message):
        uplift.qini(*change(y, score, treated))


# ── learners ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def frame():
    return campaign(3000)


@pytest.fixture(scope="module")
def model(frame):
    return uplift.fit(frame.drop(columns="tau"), treatment="mail", outcome="y")


def test_the_default_finds_who_is_moved(frame, model):
    assert model.p_value[0] < 0.01
    predicted = uplift.predict(model, frame)
    assert predicted.index.equals(frame.index)
    assert predicted[frame["taste"] > 0].mean() > predicted[frame["taste"] < 0].mean() + 0.1
    assert model.diagnosis == ""
    assert abs(model.effect[0] - 0.1) < 3 * model.effect_se[0]


@pytest.mark.parametrize("base", ["boosting", "linear"])
@pytest.mark.parametrize("learner", ["x", "t", "dr", "transformed"])
def test_every_learner_finds_it(frame, learner, base):
    scores = uplift.cross_fitted(frame.drop(columns="tau"), treatment="mail", outcome="y", learner=learner, base=base, folds=2)
    assert np.corrcoef(scores["uplift"], frame["tau"])[0, 1] > 0.4
    assert scores["propensity"].round(2).between(0.45, 0.55).all()


def test_nothing_to_find_is_said():
    frame = campaign(2000, effect=0.0).drop(columns="tau")
    with pytest.warns(DataWarning, match="no difference in the effect between customers is detectable"):
        model = uplift.fit(frame, treatment="mail", outcome="y", base="linear")
    assert "treat everybody or nobody" in repr(model)


def test_rows_in_any_order_make_the_same_model(frame):
    data = frame.drop(columns="tau")
    mixed = data.sample(frac=1.0, random_state=3)
    one, two = (uplift.fit(f, treatment="mail", outcome="y", folds=2) for f in (data, mixed))
    assert one.qini == two.qini
    pd.testing.assert_series_equal(uplift.predict(one, data), uplift.predict(two, data))


def test_a_model_survives_json_without_pickle(frame, model):
    pytest.importorskip("skops")
    again = Model.from_dict(json.loads(json.dumps(model.to_dict())))
    pd.testing.assert_series_equal(uplift.predict(again, frame), uplift.predict(model, frame))


def test_linear_models_survive_json(frame):
    model = uplift.fit(frame.drop(columns="tau"), treatment="mail", outcome="y", base="linear", folds=2)
    again = Model.from_dict(json.loads(json.dumps(model.to_dict())))
    pd.testing.assert_series_equal(uplift.predict(again, frame), uplift.predict(model, frame))


def test_several_arms_at_once():
    frame = campaign(3000, seed=4).drop(columns="tau")
    rng = np.random.default_rng(5)
    frame["arm"] = np.where(frame["mail"] == 1, "mail", rng.choice(["control", "call"], len(frame)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = uplift.fit(frame, treatment="arm", outcome="y", features=["taste", "age"], base="linear", folds=2)
    found = uplift.predict(model, frame)
    assert set(found.columns) == {"call", "mail"}
    assert found["mail"].std() > found["call"].std()
    scores = uplift.cross_fitted(frame, treatment="arm", outcome="y", features=["taste"], arm="mail", base="linear", folds=2)
    assert len(scores) == len(frame)
    with pytest.raises(OptionError, match="choose one with arm="):
        uplift.cross_fitted(frame, treatment="arm", outcome="y", features=["taste"])


def test_a_new_category_is_warned_of_and_scored_as_the_mean(frame, model):
    new = frame.drop(columns="tau").head(5).assign(town="z")
    with pytest.warns(DataWarning, match="category the model has not seen"):
        found = uplift.predict(model, new)
    each = np.column_stack([uplift.predict(model, new.assign(town=town)) for town in "abc"])
    assert found.to_numpy() == pytest.approx(each @ model.shares["town"], rel=1e-9)


def test_an_estimated_propensity_removes_what_the_features_hold():
    rng = np.random.default_rng(6)
    n = 6000
    taste = rng.normal(size=n)
    chance = 1 / (1 + np.exp(-taste))
    treated = rng.random(n) < chance
    y = taste + 0.5 * treated + rng.normal(size=n)
    data = pd.DataFrame({"mail": treated, "y": y, "taste": taste, "chance": chance})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        for propensity in ("estimate", "chance"):
            model = uplift.fit(
                data, treatment="mail", outcome="y", features=["taste"], propensity=propensity, base="linear", folds=2
            )
            assert model.effect[0] == pytest.approx(0.5, abs=4 * model.effect_se[0])


def test_fits_that_cannot_be(frame):
    data = frame.drop(columns="tau")
    with pytest.raises(FitError, match="is 1 in all"):
        uplift.fit(data.assign(y=1), treatment="mail", outcome="y")
    with pytest.raises(DataError, match="fewer than 50 rows"):
        uplift.fit(data.head(60), treatment="mail", outcome="y")
    with pytest.raises(ColumnError, match="nope"):
        uplift.fit(data, treatment="nope", outcome="y")
    with pytest.raises(FitError, match="no uplift model"):
        uplift.predict(None, data)


# ── evaluation and policies ──────────────────────────────────────────────────────────────────────────────────────────────


def test_scores_are_compared_in_pairs(frame):
    data = frame.assign(noise=np.random.default_rng(0).normal(size=len(frame)))
    found = uplift.evaluate(data, outcome="y", treatment="mail", score=["tau", "noise"])
    table = found.table.set_index("score")
    assert table.loc["tau", "p_value"] == pytest.approx(0.001)
    assert table.loc["noise", "p_value"] > 0.05
    assert table.loc["tau", "slope_low"] < 1 < table.loc["tau", "slope_high"]
    assert found.differences["ci_low"].iloc[0] > 0
    alone = uplift.qini(data["y"], data["tau"], data["mail"])
    assert table.loc["tau", "qini"] == pytest.approx(alone.qini.value, rel=1e-12)
    assert "treat everybody or nobody" in found.sentences[1]


def test_outcome_models_take_noise_out():
    data = campaign(4000, spend=True)
    mu0, mu1 = 6.0 + 4.0 * (data["town"] == "a"), 6.0 + 4.0 * (data["town"] == "a") + data["tau"]
    data = data.assign(mu0=mu0, mu1=mu1)
    plain = uplift.evaluate(data, outcome="y", treatment="mail", score="tau").table
    models = {"outcome_control": "mu0", "outcome_treated": "mu1"}
    robust = uplift.evaluate(data, outcome="y", treatment="mail", score="tau", **models).table
    assert robust["qini_se"].iloc[0] < plain["qini_se"].iloc[0]


def test_calibration_sees_the_effect_where_it_is(frame):
    found = uplift.evaluate(frame, outcome="y", treatment="mail", score="tau").calibration
    assert found["predicted"].tolist() == pytest.approx([0.2, 0.0])
    assert (found["ci_low"] <= found["predicted"]).all()
    assert (found["predicted"] <= found["ci_high"]).all()


def test_policies_are_worth_what_they_are(frame):
    data = frame.assign(keen=frame["taste"] > 0, nobody=False)
    found = uplift.policy_value(data, outcome="y", treatment="mail", policy=["keen", "nobody"], cost=0.1).set_index("policy")
    assert found.loc["nobody", "value"] == found.loc["treat none", "value"]
    assert found.loc["keen", "over_all_low"] > 0
    whole = data.loc[data["mail"] == 1, "y"].mean() - 0.1
    assert found.loc["treat all", "value"] == pytest.approx(whole, rel=1e-12)
    assert found.loc["treat none", "value"] == pytest.approx(data.loc[data["mail"] == 0, "y"].mean(), rel=1e-12)


def test_a_budget_walks_down_the_ranking(frame):
    found = uplift.policy_value(frame, outcome="y", treatment="mail", score="tau", at=[0.25, 0.5])
    assert found["share"].tolist() == pytest.approx([0.25, 0.5, 0.0, 1.0])
    # half of the keen, all of them: ties at the cut are treated in part
    assert found["over_none"].iloc[0] == pytest.approx(found["over_none"].iloc[1] / 2, rel=0.1)
    assert found["over_random"].iloc[1] > 0


def test_options_that_do_not_fit(frame):
    with pytest.raises(OptionError, match="give one of policy="):
        uplift.policy_value(frame, outcome="y", treatment="mail")
    with pytest.raises(OptionError, match="belong together"):
        uplift.evaluate(frame, outcome="y", treatment="mail", score="tau", outcome_control="age")


# ── Hillstrom ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_hillstrom_effects(hillstrom):
    for arm, effect in (("Mens E-Mail", 0.0765896), ("Womens E-Mail", 0.0452331)):
        part = hillstrom[hillstrom["segment"].isin([arm, "No E-Mail"])]
        found = uplift.qini(part["visit"], part["recency"], part["segment"] == arm)
        assert found.effect.value == pytest.approx(effect, abs=5e-8)


@pytest.mark.recovery
def test_hillstrom_women_are_told_apart_and_men_are_not(hillstrom):
    found = {}
    for arm in ("Womens E-Mail", "Mens E-Mail"):
        part = hillstrom[hillstrom["segment"].isin([arm, "No E-Mail"])].reset_index(drop=True)
        scores = uplift.cross_fitted(part, treatment="segment", outcome="visit", features=FEATURES, control="No E-Mail")
        data = part.join(scores).assign(response=scores["outcome_treated"], risk=-scores["outcome_control"])
        found[arm] = uplift.evaluate(
            data,
            outcome="visit",
            treatment="segment",
            control="No E-Mail",
            score=["uplift", "response", "risk"],
            outcome_control="outcome_control",
            outcome_treated="outcome_treated",
        )
        print(arm, found[arm].table.round(5).to_string(), found[arm].differences.round(5).to_string(), sep="\n")
    assert (found["Womens E-Mail"].differences["ci_low"] > 0).all()
    assert "no heterogeneity" in found["Mens E-Mail"].sentences[0]


# ── coverage ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def coverage(runs, n):
    """How often intervals hold the truth of a campaign in which taste moves the effect along a line."""
    rng = np.random.default_rng(12)
    hits = dict.fromkeys(("qini", "autoc", "policy", "over all"), 0)
    # y1 - y0 = 0.1 taste, taste normal: E[tau (1/2 - G)] = 0.1 cov(taste, Phi(taste)) = 0.1 / (2 sqrt(pi)); by number for autoc
    grid = (np.arange(200_000) + 0.5) / 200_000
    from scipy.special import ndtri

    autoc = 0.1 * float(np.mean(-np.log(grid) * -ndtri(grid)))
    truth = {"qini": 0.1 / (2 * math.sqrt(math.pi)), "autoc": autoc, "policy": 0.1 / math.sqrt(2 * math.pi)}
    truth["over all"] = truth["policy"]
    for _ in range(runs):
        taste, treated = rng.normal(size=n), rng.random(n) < 0.4
        y = rng.normal(size=n) + 0.5 * taste + 0.1 * taste * treated
        found = uplift.qini(y, taste, treated, propensity=0.4)
        hits["qini"] += found.qini.ci_low <= truth["qini"] <= found.qini.ci_high
        hits["autoc"] += found.autoc.ci_low <= truth["autoc"] <= found.autoc.ci_high
        data = pd.DataFrame({"y": y, "mail": treated, "keen": taste > 0})
        rule = uplift.policy_value(data, outcome="y", treatment="mail", policy="keen", propensity=0.4).iloc[0]
        hits["policy"] += rule["over_none_low"] <= 0.1 / math.sqrt(2 * math.pi) <= rule["over_none_high"]
        hits["over all"] += rule["over_all_low"] <= truth["over all"] <= rule["over_all_high"]
    return {name: count / runs for name, count in hits.items()}


def test_intervals_cover_in_a_few_sets():
    assert all(share >= 0.8 for share in coverage(40, 400).values())


@pytest.mark.recovery
def test_intervals_cover_at_their_level():
    found = coverage(1000, 5000)
    print(found)
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


@pytest.mark.recovery
def test_predicted_effects_have_the_right_size():
    slopes = []
    for seed in range(20):
        data = campaign(8000, seed=seed)
        model = uplift.fit(data.drop(columns="tau"), treatment="mail", outcome="y")
        new = campaign(20_000, seed=1000 + seed)
        predicted = uplift.predict(model, new)
        slopes.append(np.cov(new["tau"], predicted)[0, 1] / predicted.var())
    print(np.mean(slopes), np.min(slopes), np.max(slopes))
    assert 0.8 <= np.mean(slopes) <= 1.2
