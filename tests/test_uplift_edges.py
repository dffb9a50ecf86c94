"""Uplift at the edges: outcomes of unequal spread, scores of any size, rules with awkward names, models that travel."""

import json
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

from crmkit import uplift
from crmkit.errors import DataError, DataWarning, OptionError
from crmkit.results import Model
from crmkit.uplift._data import effect_scores
from crmkit.uplift._evaluate import permuted
from crmkit.uplift._ranking import order_of, rate


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    n = 400
    return pd.DataFrame(
        {
            "y": rng.integers(0, 2, n),
            "mail": rng.integers(0, 2, n),
            "score": rng.normal(size=n),
            "same": 1.0,
            "town": rng.choice(["a", "b"], n),
        }
    )


CAMPAIGN = {"outcome": "y", "treatment": "mail"}


# ── is there any heterogeneity? ──────────────────────────────────────────────────────────────────────────────────────────


def false_alarms(runs, n):
    """How often differences in effect are found where those who buy more also vary more, and nobody is moved."""
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(runs):
        score, treated = rng.normal(size=n), rng.random(n) < 0.5
        y = np.exp(score) * rng.gamma(1.0, 1.0, n)
        gamma = effect_scores(y, treated, np.full(n, treated.mean()))
        found += permuted(score, gamma, 199, rng) < 0.05
    return found / runs


def test_unequal_spread_is_no_difference_in_effect():
    # the area alone, without its standard error, finds something in one run of six
    assert false_alarms(150, 600) <= 0.1


@pytest.mark.recovery
def test_the_permutation_test_holds_its_level():
    found = false_alarms(1000, 2000)
    print(found)
    assert 0.03 <= found <= 0.07


def test_the_permutation_test_is_near_its_normal_limit(frame, monkeypatch):
    from crmkit.uplift import _evaluate

    dealt = uplift.evaluate(frame, **CAMPAIGN, score="score").table["p_value"].item()
    monkeypatch.setattr(_evaluate, "MOST_DRAWS", 0)
    limit = uplift.evaluate(frame, **CAMPAIGN, score="score").table["p_value"].item()
    assert dealt == pytest.approx(limit, abs=0.05)


@pytest.mark.parametrize("weighting", ["qini", "autoc"])
@pytest.mark.parametrize("ties", [False, True])
def test_standard_errors_are_those_of_the_jackknife(weighting, ties):
    rng = np.random.default_rng(2)
    n = 300
    score = rng.integers(0, 8, n).astype(float) if ties else rng.permutation(n).astype(float)
    gamma = score / score.max() + rng.normal(size=n) * (1.0 + score / score.max())
    found = rate(order_of(score), gamma, weighting)
    left = [rate(order_of(np.delete(score, i)), np.delete(gamma, i), weighting).value for i in range(n)]
    assert found.se == pytest.approx(math.sqrt((n - 1) * np.var(left)), rel=0.06)


# ── scores ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_constant_score_has_no_slope(frame):
    row = uplift.evaluate(frame, **CAMPAIGN, score="same").table.iloc[0]
    assert row[["slope", "slope_low", "slope_high"]].isna().all()
    assert row["p_value"] == 1.0


@pytest.mark.parametrize(("factor", "offset"), [(1e200, 0.0), (1e-200, 0.0), (1.0, 1e6)])
def test_the_slope_of_scores_of_any_size(frame, factor, offset):
    here, there = (
        uplift.evaluate(frame.assign(score=score), **CAMPAIGN, score="score").table.iloc[0]
        for score in (frame["score"], frame["score"] * factor + offset)
    )
    assert there["slope"] * factor == pytest.approx(here["slope"], rel=1e-6)
    assert there["slope_low"] * factor == pytest.approx(here["slope_low"], rel=1e-6)
    assert there["p_value"] == here["p_value"]


@pytest.mark.parametrize("unit", [1e150, 1e-150])
def test_outcomes_whose_squares_are_no_numbers_are_refused(frame, unit):
    data = frame.assign(y=frame["y"] * unit)
    for call in (
        lambda: uplift.evaluate(data, **CAMPAIGN, score="score"),
        lambda: uplift.policy_value(data, **CAMPAIGN, score="score"),
        lambda: uplift.qini(data["y"], data["score"], data["mail"]),
        lambda: uplift.fit(data, **CAMPAIGN, features=["score"], base="linear"),
    ):
        with pytest.raises(DataError, match="give it in units"):
            call()


def test_one_customer_alone_does_not_look_certain(frame):
    found = uplift.evaluate(frame.head(12), **CAMPAIGN, score="score", bins=11).calibration
    assert (found["ci_high"] - found["ci_low"] > 0.5).all()


# ── depths, shares and rules ─────────────────────────────────────────────────────────────────────────────────────────────


def test_depths_that_round_alike_are_told_apart(frame):
    names = uplift.evaluate(frame, **CAMPAIGN, score="score", at=[0.101, 0.104]).table.columns
    assert {"effect_at_10.1%", "effect_at_10.4%"} <= set(names)


def test_shares_that_round_alike_are_told_apart(frame):
    found = uplift.policy_value(frame, **CAMPAIGN, score="score", at=[0.0, 0.101, 0.104, 1.0]).set_index("policy")
    assert found.index[:4].tolist() == ["top 0% by score", "top 10.1% by score", "top 10.4% by score", "top 100% by score"]
    assert found.loc["top 0% by score", "value"] == found.loc["treat none", "value"]
    assert found.loc["top 100% by score", "value"] == pytest.approx(found.loc["treat all", "value"], rel=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"score": "score", "at": []},
        {"score": "score", "at": 0.3},
        {"score": "score", "at": ["x"]},
        {"score": "score", "at": [0.1, 0.1]},
        {"policy": []},
        {"policy": ["same", "same"]},
    ],
)
def test_rules_that_are_none(frame, options):
    with pytest.raises(OptionError):
        uplift.policy_value(frame, **CAMPAIGN, **options)


def test_a_rule_cannot_take_the_place_of_treating_everybody(frame):
    data = frame.assign(**{"treat all": frame["score"] > 0})
    with pytest.raises(OptionError, match="name the column otherwise"):
        uplift.policy_value(data, **CAMPAIGN, policy="treat all")


@pytest.mark.parametrize("options", [{"at": 0.1}, {"at": []}, {"score": None}, {"score": []}])
def test_evaluations_that_are_none(frame, options):
    with pytest.raises(OptionError):
        uplift.evaluate(frame, **{**CAMPAIGN, "score": "score", **options})


def test_a_rule_beside_chance_has_the_error_of_a_covariance(frame):
    # an effect of ten on everybody, known without noise: a rule at random gains nothing, and that is nearly certain
    rng = np.random.default_rng(3)
    data = frame.assign(y=10.0 * frame["mail"] + rng.normal(size=len(frame)), keen=rng.random(len(frame)) < 0.5)
    models = data.assign(mu0=0.0, mu1=10.0)
    row = uplift.policy_value(models, **CAMPAIGN, policy="keen", outcome_control="mu0", outcome_treated="mu1").iloc[0]
    assert row["over_random_low"] < 0 < row["over_random_high"]
    assert row["over_random_high"] - row["over_random_low"] < 0.3


# ── models that travel ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("base", ["linear", "boosting"])
@pytest.mark.parametrize("names", [[False, True], [0, 1, 2], [0.0, 1.0], ["control", "a", "b"]], ids=str)
def test_models_of_any_arms_travel_by_json_and_pickle(frame, base, names):
    pytest.importorskip("skops")
    mail = np.array(names, dtype=object if isinstance(names[0], str) else None)[np.arange(len(frame)) % len(names)]
    data = frame.drop(columns="same").assign(mail=mail)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = uplift.fit(data, **CAMPAIGN, base=base, folds=2)
    here = np.asarray(uplift.predict(model, data))
    for again in (Model.from_dict(json.loads(json.dumps(model.to_dict()))), pickle.loads(pickle.dumps(model))):
        assert again.arms == model.arms
        assert again.control == model.control
        assert np.array_equal(np.asarray(uplift.predict(again, data)), here)
    assert len(uplift.predict(model, data.head(0))) == 0
