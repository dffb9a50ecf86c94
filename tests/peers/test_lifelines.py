"""Survival beside lifelines; run by ``nox -s peers``, in whose environment it works."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("lifelines", reason="lifelines works in the environment of `nox -s peers`", exc_type=ImportError)

from lifelines import AalenJohansenFitter, CoxPHFitter, KaplanMeierFitter, NelsonAalenFitter
from lifelines.datasets import load_rossi, load_waltons
from lifelines.statistics import multivariate_logrank_test, proportional_hazard_test
from lifelines.utils import concordance_index, median_survival_times, restricted_mean_survival_time

from crmkit import survival
from crmkit.survival._risk import RiskSets

# its own calls of pandas and numpy are dated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::RuntimeWarning")

NAMES = {"duration": "week", "event": "arrest"}


@pytest.fixture(scope="module")
def rossi():
    return load_rossi()


@pytest.fixture(scope="module")
def untied(rossi):
    """The same without ties, with late entries, groups and weights."""
    rng = np.random.default_rng(0)
    week = rossi["week"] + 0.5 * rng.random(len(rossi))
    late = np.minimum(0.9 * week, 20 * rng.random(len(rossi)))
    return rossi.assign(week=week, late=late, who=np.arange(len(rossi)) // 4, count=1 + np.arange(len(rossi)) % 3)


def features(rossi):
    return [name for name in rossi if name not in ("week", "arrest", "late", "who", "count")]


def errors(model):
    return list(model.standard_errors.values())


def test_curves_agree():
    frame = load_waltons()
    names = {"duration": "T", "event": "E"}
    for group, part in frame.groupby("group"):
        theirs = KaplanMeierFitter().fit(part["T"], part["E"])
        ours = survival.curve(part, **names)
        np.testing.assert_allclose(ours["survival"], theirs.survival_function_.iloc[1:, 0], rtol=1e-9)
        ends = theirs.confidence_interval_survival_function_.iloc[1:]
        inside = (ours["survival"] > 0) & (ours["survival"] < 1)
        np.testing.assert_allclose(ours.loc[inside, "ci_low"], ends.loc[inside.to_numpy()].iloc[:, 0], rtol=1e-9)
        np.testing.assert_allclose(ours.loc[inside, "ci_high"], ends.loc[inside.to_numpy()].iloc[:, 1], rtol=1e-9)
        found = survival.quantile(ours).iloc[0]
        low, high = median_survival_times(theirs.confidence_interval_).iloc[0]
        assert (found["value"], found["ci_low"], found["ci_high"]) == (theirs.median_survival_time_, low, high), group
        mean = survival.restricted_mean(ours, horizon=50)["value"].iloc[0]
        assert mean == pytest.approx(restricted_mean_survival_time(theirs, t=50))
    hazard = NelsonAalenFitter(nelson_aalen_smoothing=True).fit(frame["T"], frame["E"]).cumulative_hazard_.iloc[1:, 0]
    np.testing.assert_allclose(survival.curve(frame, method="nelson_aalen", **names)["cumulative_hazard"], hazard, rtol=1e-9)
    theirs = multivariate_logrank_test(frame["T"], frame["group"], frame["E"]).test_statistic
    assert survival.logrank(frame, by="group", **names).statistic == pytest.approx(theirs)


def test_late_entries_agree(untied):
    theirs = KaplanMeierFitter().fit(untied["week"], untied["arrest"], entry=untied["late"]).survival_function_.iloc[:, 0]
    ours = survival.curve(untied, entry="late", **NAMES)
    np.testing.assert_allclose(ours["survival"], theirs.reindex(ours["time"]), rtol=1e-9)


def test_incidences_agree(untied):
    cause = np.where(untied["arrest"] == 1, 1 + untied["race"], 0)
    ours = survival.curve(untied.assign(cause=cause), cause="cause", **NAMES)
    for code in (1, 2):
        theirs = AalenJohansenFitter(calculate_variance=False).fit(untied["week"], cause, event_of_interest=code)
        part = ours[ours["cause"] == code]
        np.testing.assert_allclose(part["incidence"], theirs.cumulative_density_.iloc[:, 0].reindex(part["time"]), rtol=1e-9)


def test_cox_agrees(rossi):
    theirs = CoxPHFitter().fit(rossi, "week", "arrest")
    ours = survival.fit_cox(rossi, **NAMES)
    np.testing.assert_allclose(ours.coefficients, theirs.params_, rtol=1e-7)
    np.testing.assert_allclose(errors(ours), theirs.standard_errors_, rtol=1e-7)
    assert ours.log_likelihood == pytest.approx(theirs.log_likelihood_, abs=1e-9)
    assert ours.likelihood_ratio()[0] == pytest.approx(theirs.log_likelihood_ratio_test().test_statistic)
    assert ours.concordance == pytest.approx(theirs.concordance_index_)
    np.testing.assert_allclose(ours.effects()["p_value"], theirs.summary["p"], rtol=1e-6)


def test_the_test_of_proportional_hazards_agrees(rossi, monkeypatch):
    """Theirs takes Kaplan and Meier's curve at each time, R's and ours just before it."""
    curve = survival.curve(rossi, **NAMES).set_index("time")["survival"]
    monkeypatch.setattr(RiskSets, "kaplan_meier", lambda sets: curve.loc[sets.time].to_numpy())
    theirs = proportional_hazard_test(CoxPHFitter().fit(rossi, "week", "arrest"), rossi, time_transform="km").summary
    ours = survival.fit_cox(rossi, **NAMES).proportionality
    for term in theirs.index:
        assert ours[term][0] == pytest.approx(theirs.loc[term, "test_statistic"], rel=1e-6)
        assert ours[term][2] == pytest.approx(theirs.loc[term, "p"], rel=1e-6)


def test_cox_by_strata_late_and_in_clusters_agrees(untied):
    names = features(untied)
    rows = untied[[*names, "week", "arrest"]]
    theirs = CoxPHFitter().fit(rows, "week", "arrest", strata=["wexp"])
    ours = survival.fit_cox(rows, strata="wexp", **NAMES)
    np.testing.assert_allclose(ours.coefficients, theirs.params_, rtol=1e-6)
    assert ours.concordance == pytest.approx(theirs.concordance_index_)
    theirs = CoxPHFitter().fit(rows.assign(late=untied["late"]), "week", "arrest", entry_col="late")
    ours = survival.fit_cox(untied, features=names, entry="late", **NAMES)
    np.testing.assert_allclose(ours.coefficients, theirs.params_, rtol=1e-6)
    np.testing.assert_allclose(errors(ours), theirs.standard_errors_, rtol=1e-6)
    robust = CoxPHFitter().fit(rows, "week", "arrest", robust=True).standard_errors_
    np.testing.assert_allclose(errors(survival.fit_cox(rows, robust=True, **NAMES)), robust, rtol=1e-5)
    cluster = CoxPHFitter().fit(rows.assign(who=untied["who"]), "week", "arrest", cluster_col="who").standard_errors_
    np.testing.assert_allclose(errors(survival.fit_cox(untied, features=names, cluster="who", **NAMES)), cluster, rtol=1e-5)


def test_predictions_given_the_time_so_far_agree(rossi):
    theirs = CoxPHFitter().fit(rossi, "week", "arrest")
    ours = survival.fit_cox(rossi, ties="breslow", **NAMES)
    active = rossi.head(40).assign(week=20.0)
    stays = theirs.predict_survival_function(active, times=[10], conditional_after=active["week"]).iloc[0]
    p = survival.predict(ours, active, horizon=10)
    # Efron's coefficients on Breslow's baseline against Breslow's on Breslow's
    np.testing.assert_allclose(p, 1 - stays, rtol=0.01)


def test_concordance_agrees_where_scores_tie():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.integers(0, 4, 200), "duration": rng.integers(1, 9, 200), "event": rng.integers(0, 2, 200)})
    model = survival.fit_cox(frame)
    score = model.log_ratio({"x": frame["x"].to_numpy()})
    assert model.concordance == pytest.approx(concordance_index(frame["duration"], -score, frame["event"]))
