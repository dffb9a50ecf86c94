"""Simulated surveys: drivers, waves and unequal response bear out their truth."""

import numpy as np
import pandas as pd
import pytest

from crmkit import datasets, feedback
from crmkit.errors import OptionError


def test_unequal_response_is_repaired_by_weights():
    answers = datasets.make_survey(n_customers=40_000, response_rate={"Marketplace": 0.1, "Online": 0.2, "Shop": 0.6}, rng=2)
    base = answers.truth["customers"]
    truth = (answers.truth["nps"] * base).sum() / base.sum()
    weights = feedback.poststratify(answers.survey, by="segment", targets=base.to_dict())
    weighted = feedback.nps(answers.survey, weight=weights, level=0.999)
    assert weighted.ci_low <= truth <= weighted.ci_high
    assert abs(feedback.nps(answers.survey).value - truth) > 10


def test_drivers_go_with_the_score_as_closely_as_asked():
    strengths = {"service": 0.7, "price": 0.3, "parking": 0.0, "waiting": -0.4}
    survey = datasets.make_survey(n_customers=40_000, drivers=strengths).survey
    found = survey[list(strengths)].corrwith(survey["score"])
    assert found.to_numpy() == pytest.approx(list(strengths.values()), abs=0.05)
    assert sorted(survey["service"].unique()) == [1, 2, 3, 4, 5]
    ranked = feedback.key_drivers(survey, drivers=list(strengths), replicates=100).table.sort_values("importance")["driver"]
    assert ranked.tolist() == ["parking", "price", "waiting", "service"]


def test_waves_drift_as_their_truth_says():
    answers = datasets.make_survey(n_customers=20_000, waves=4, drift=5, rng=1)
    assert answers.truth.index.names == ["segment", "wave"]
    assert answers.truth["nps"].xs("Shop").tolist() == [48.0, 53.0, 58.0, 63.0]
    found = feedback.nps(answers.survey, by=["segment", "wave"], level=0.9999)
    truth = answers.truth.loc[found.index, "nps"]
    assert ((found["ci_low"] <= truth) & (truth <= found["ci_high"])).all()
    trend = feedback.trend(answers.survey, period="M", level=0.999)
    assert trend.slope.ci_low <= 5 <= trend.slope.ci_high
    assert len(trend.table) == 4
    by_wave = answers.survey.groupby("wave")["timestamp"].agg(["min", "max"])
    assert (by_wave["min"].dt.month == [1, 2, 3, 4]).all()
    once = datasets.make_survey(n_customers=500).survey
    assert list(once) == ["customer_id", "segment", "score"]
    pd.testing.assert_frame_equal(once, datasets.make_survey(n_customers=500, waves=1).survey)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"response_rate": {"Shop": 0.5}}, "give each of them a rate"),
        ({"drivers": {"score": 0.5}}, "columns already"),
        ({"drivers": {"price": 2}}, "drivers=2"),
        ({"waves": 0}, "waves=0"),
        ({"waves": 9, "drift": 40}, "past what its promoters"),
        ({"start": "soon"}, "start='soon'"),
    ],
)
def test_surveys_that_cannot_be_are_refused(options, words):
    with pytest.raises(OptionError, match=words):
        datasets.make_survey(**options)


def test_the_bits_are_those_of_the_seed():
    one, two = (datasets.make_survey(n_customers=300, waves=2, drivers={"a": 0.5}, rng=9).survey for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert np.isfinite(one["a"]).all()
