"""Hazards per period: against the panel written out, against Cox, what is refused, recovery."""

import json
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit import survival
from crmkit.errors import DataError, FitError, LimitError, OptionError
from naive import survival as naive


def simulated(n=400, seed=0):
    """Months until one leaves, more likely at the begin and with a monthly plan."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"spend": rng.normal(0, 1, n), "plan": rng.choice(["month", "year"], n)})
    month = np.arange(1, 25)
    odds = (
        np.where(month <= 6, -1.5, -2.5)[None, :] + (0.6 * frame["spend"] - 0.9 * (frame["plan"] == "year")).to_numpy()[:, None]
    )
    goes = rng.random((n, 24)) < 1 / (1 + np.exp(-odds))
    life = np.where(goes.any(axis=1), goes.argmax(axis=1) + 1, 99)
    seen = rng.integers(4, 25, n)
    return frame.assign(duration=np.minimum(life, seen), event=(life <= seen).astype(int))


# ── the panel ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def spells(draw):
    n = draw(st.integers(1, 12))
    width = draw(st.sampled_from([1.0, 2.0, 0.5]))
    begun = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    more = draw(st.lists(st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 3.75]), min_size=n, max_size=n))
    event = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    start = np.array(begun) * width
    frame = pd.DataFrame({"duration": start + np.array(more) * width, "event": event, "entry": start})
    return frame.assign(plan=draw(st.lists(st.sampled_from("ab"), min_size=n, max_size=n)), who=np.arange(n)[::-1]), width


@given(spells())
@settings(max_examples=40)
def test_the_panel_has_a_row_for_every_period_at_risk(drawn):
    frame, width = drawn
    expected = naive.periods(frame["duration"].tolist(), frame["event"].tolist(), frame["entry"].tolist(), width)
    options = {"entry": "entry", "width": width, "features": ["plan"], "customer": "who"}
    if not expected:
        with pytest.raises(DataError, match="saw a period"):
            survival.hazard_panel(frame, **options)
        return
    panel = survival.hazard_panel(frame, **options)
    assert panel.columns.tolist() == ["who", "period", "event", "plan"]
    found = list(zip(len(frame) - 1 - panel["who"], panel["period"], panel["event"], strict=True))
    assert found == expected
    assert panel["plan"].tolist() == [frame["plan"][row] for row, _, _ in expected]
    few = survival.hazard_panel(frame, entry="entry", width=width, features=["plan"], collapse=True)
    counted = panel.groupby(["period", "event", "plan"]).size().rename("weight").reset_index()
    pd.testing.assert_frame_equal(few, counted.astype({"weight": float}), check_dtype=False)


def test_features_come_back_as_they_were():
    frame = simulated(20).assign(plan=lambda f: f["plan"].astype("category"), level=pd.array([1, 2] * 10, "Int64"))
    panel = survival.hazard_panel(frame)
    assert panel["plan"].dtype == frame["plan"].dtype
    assert panel["level"].dtype == "Int64"
    assert panel["spend"].dtype == "float64"
    other = survival.hazard_panel(pl.from_pandas(frame).with_row_index("id"), customer="id")
    assert other.columns == ["id", "period", "event", *(name for name in frame if name not in ("duration", "event"))]
    assert other["event"].sum() == frame["event"].sum()
    weighted = survival.hazard_panel(frame.assign(w=2.0), weight="w", collapse=True)
    assert weighted["weight"].sum() == 2 * len(panel)
    assert survival.hazard_panel(frame[["duration", "event"]]).columns.tolist() == ["period", "event"]


# ── the fit ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def log_likelihood(panel, model, coefficients, levels):
    """The binomial likelihood of the rows of a panel."""
    x = np.column_stack([panel["spend"], panel["plan"] == "year"]) - model.means
    stretch = np.searchsorted(model.stretch_end, panel["period"])
    eta = levels[stretch] + x @ coefficients
    p = 1 / (1 + np.exp(-eta)) if model.link == "logit" else 1 - np.exp(-np.exp(eta))
    return float(np.log(np.where(panel["event"] == 1, p, 1 - p)).sum())


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_the_fit_is_the_regression_of_the_panel(link):
    frame = simulated()
    model = survival.fit_hazard(frame, link=link, stretches=4)
    panel = survival.hazard_panel(frame)
    h = model.stretch_hazard
    levels = np.log(h / (1 - h)) if link == "logit" else np.log(-np.log1p(-h))
    best = log_likelihood(panel, model, model.coefficients, levels)
    assert model.log_likelihood == pytest.approx(best, abs=1e-9)
    theta = np.concatenate([levels, model.coefficients])
    curvature = np.empty((theta.size, theta.size))

    def value(t):
        return log_likelihood(panel, model, t[levels.size :], t[: levels.size])

    step = 1e-3
    for i, up in enumerate(np.eye(theta.size) * step):
        assert abs(value(theta + up) - value(theta - up)) / (2 * step) < 2e-3
        for j, side in enumerate(np.eye(theta.size) * step):
            four = value(theta + up + side) - value(theta + up - side) - value(theta - up + side) + value(theta - up - side)
            curvature[i, j] = -four / (4 * step**2)
    covariance = np.linalg.inv(curvature)[levels.size :, levels.size :]
    np.testing.assert_allclose(model.covariance, covariance, rtol=1e-3)


def test_stretches_share_out_the_events():
    frame = simulated(1000)
    model = survival.fit_hazard(frame, stretches=5)
    assert model.stretch_end.size <= 5
    assert model.stretch_end[-1] == frame["duration"].max() == model.observed_until
    ended = np.searchsorted(model.stretch_end, frame.loc[frame["event"] == 1, "duration"])
    assert np.bincount(ended).min() > 0.1 * len(ended)
    one = survival.fit_hazard(frame, stretches=1)
    panel = survival.hazard_panel(frame)
    assert one.stretch_end.tolist() == [24]
    assert one.null_log_likelihood == pytest.approx(
        sum(n * math.log(n / len(panel)) for n in panel["event"].value_counts()), rel=1e-12
    )


def test_periods_that_everybody_left_in_belong_to_a_stretch():
    frame = pd.DataFrame({"x": [0, 1, 0, 1, 0, 1, 1, 0], "duration": [1, 1, 2, 2, 3, 3, 3, 3], "event": [1, 0, 0, 1, 1, 1, 1, 1]})
    model = survival.fit_hazard(frame, penalty=1.0)
    assert (model.stretch_hazard < 1).all()
    assert model.converged


def test_cloglog_is_cox_in_grouped_time():
    rng = np.random.default_rng(8)
    n = 1500
    x = rng.normal(size=n)
    life, seen = rng.exponential(8 * np.exp(-0.5 * x)), rng.integers(2, 20, n)
    frame = pd.DataFrame({"x": x, "duration": np.where(life <= seen, life, seen), "event": life <= seen})
    grouped = survival.fit_hazard(frame, link="cloglog", stretches=12)
    cox = survival.fit_cox(frame)
    assert grouped.coefficients == pytest.approx(cox.coefficients, abs=0.03)
    assert grouped.survival(6, {"x": 1.0}) == pytest.approx(cox.survival(6, {"x": 1.0}), abs=0.02)
    assert "hazard_ratio" in grouped.effects()
    assert "odds_ratio" in survival.fit_hazard(frame).effects()


def test_the_unit_of_time_and_of_the_features_does_not_matter():
    frame = simulated()
    one = survival.fit_hazard(frame)
    two = survival.fit_hazard(frame.assign(duration=frame["duration"] * 30.0, spend=frame["spend"] * 1e6), width=30.0)
    assert two.log_likelihood == pytest.approx(one.log_likelihood)
    np.testing.assert_allclose(two.coefficients * [1e6, 1], one.coefficients, rtol=1e-6)
    values = {"spend": 0.5, "plan": "month"}
    scaled = {"spend": 0.5e6, "plan": "month"}
    assert two.survival(75.0, scaled) == pytest.approx(one.survival(2.5, values))


def test_a_weight_is_so_many_rows():
    rng = np.random.default_rng(2)
    frame = simulated(100).assign(w=rng.integers(1, 4, 100))
    rows = frame.loc[frame.index.repeat(frame["w"])].drop(columns="w")
    one, two = survival.fit_hazard(frame, weight="w"), survival.fit_hazard(rows)
    np.testing.assert_allclose(one.coefficients, two.coefficients, rtol=1e-9)
    np.testing.assert_allclose(one.covariance, two.covariance, rtol=1e-9)
    np.testing.assert_allclose(one.stretch_hazard, two.stretch_hazard, rtol=1e-9)


def test_a_customer_may_come_in_several_rows():
    """Features that change over time: the same customer, cut where they change."""
    frame = simulated(200)
    early = frame.assign(entry=0, event=frame["event"] * (frame["duration"] <= 3), duration=frame["duration"].clip(upper=3))
    late = frame[frame["duration"] > 3].assign(entry=3)
    cut = pd.concat([early, late])
    one = survival.fit_hazard(frame, features=["spend", "plan"], stretches=3)
    two = survival.fit_hazard(cut, features=["spend", "plan"], entry="entry", stretches=3)
    np.testing.assert_allclose(two.coefficients, one.coefficients, rtol=1e-7)


def test_a_model_goes_through_json_and_prints():
    model = survival.fit_hazard(simulated(), link="cloglog")
    again = survival.HazardModel.from_dict(json.loads(json.dumps(model.to_dict())))
    assert repr(again) == repr(model)
    values = {"spend": [0.0, 1.0], "plan": "year"}
    np.testing.assert_array_equal(again.survival(9, values), model.survival(9, values))
    assert "against: plan 'month'" in repr(model)
    assert model.effects()["term"].tolist() == ["spend", "plan=year"]


def test_survival_is_the_product_of_the_periods():
    model = survival.fit_hazard(simulated(), stretches=3)
    values = {"spend": 0.3, "plan": "year"}
    h = model.stretch_hazard
    odds = h / (1 - h) * math.exp(model.log_ratio(values))
    stays = 1 / (1 + odds)
    stretch = np.searchsorted(model.stretch_end, np.arange(1, 25))
    shares = np.cumprod(stays[stretch])
    np.testing.assert_allclose(model.survival(np.arange(1, 25), values), shares)
    assert model.survival(7, values, survived=4) == pytest.approx(shares[6] / shares[3])
    # inside a period the hazard is even
    assert model.survival(2.5, values) == pytest.approx(math.sqrt(shares[1] * shares[2]))
    with pytest.raises(OptionError, match="nothing is known beyond time 24"):
        model.survival(25, values)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_separation_is_named_and_a_penalty_keeps_it_finite():
    frame = simulated().assign(safe=lambda f: (f["event"] == 0) & (f["spend"] < 0))
    with pytest.raises(FitError, match=r"'safe'.*penalty=1"):
        survival.fit_hazard(frame)
    assert survival.fit_hazard(frame, penalty=1.0).converged
    with pytest.raises(FitError, match=r"cannot tell.*'spend', 'twice'"):
        survival.fit_hazard(simulated().assign(twice=lambda f: f["spend"] * 2))


def test_bad_calls_are_named():
    frame = simulated(50)
    with pytest.raises(DataError, match="1 events at time 0, the first in row 2"):
        survival.fit_hazard(frame.assign(duration=[3, 3, 0, *[3] * 47], event=1))
    with pytest.raises(DataError, match="'begun': 1 inside a period of 1, the first in row 1"):
        survival.hazard_panel(frame.assign(begun=[0, 0.5] + [0] * 48), entry="begun")
    with pytest.raises(DataError, match="more than 100,000 periods"):
        survival.fit_hazard(frame, width=1e-6)
    with pytest.raises(FitError, match="no row ended"):
        survival.fit_hazard(frame.assign(event=0))
    with pytest.raises(FitError, match="everybody left in the first"):
        survival.fit_hazard(frame.assign(event=1, duration=1))
    with pytest.raises(OptionError, match="width"):
        survival.fit_hazard(frame, width=0)
    with pytest.raises(OptionError, match="link"):
        survival.fit_hazard(frame, link="probit")
    with pytest.raises(OptionError, match="stretches"):
        survival.fit_hazard(frame, stretches=0)
    with pytest.raises(OptionError, match="'period'"):
        survival.hazard_panel(frame.assign(period=1))
    with pytest.raises(OptionError, match="'who'"):
        survival.hazard_panel(frame.assign(who=1).rename(columns={"plan": "event2"}), features=["who"], customer="who")


def test_a_panel_too_large_is_refused_before_it_is_made(monkeypatch):
    from crmkit.survival import _panel

    monkeypatch.setattr(_panel, "MOST_ROWS", 100)
    with pytest.raises(LimitError, match="more than 100"):
        survival.hazard_panel(simulated(50))


# ── recovery ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def coverage(sets):
    truth, inside, found = np.array([0.6, -0.9]), np.zeros(2), np.zeros((sets, 2))
    for seed in range(sets):
        model = survival.fit_hazard(simulated(seed=seed), stretches=6)
        found[seed] = model.coefficients
        inside += np.abs(model.coefficients - truth) <= 1.959964 * np.array(list(model.standard_errors.values()))
    return inside / sets, found.mean(axis=0) - truth


def test_a_few_sets_find_the_truth():
    inside, bias = coverage(10)
    assert (inside >= 0.6).all()
    assert (np.abs(bias) < 0.15).all()


@pytest.mark.recovery
def test_intervals_hold_the_truth_at_their_level():
    inside, bias = coverage(1000)
    assert ((inside >= 0.93) & (inside <= 0.97)).all(), inside
    # maximum likelihood is biased away from 0 by some hundredths of a coefficient at 400 customers
    assert (np.abs(bias) < 0.03).all(), bias
