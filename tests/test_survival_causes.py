"""Several ways to leave, weights, other scales, medians and means: definitions by the slow road, what is refused."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit import survival
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError
from naive import survival as naive

Z = 1.959963984540054


@st.composite
def lives(draw, most=25):
    n = draw(st.integers(1, most))

    def listed(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    begun = np.array(listed(st.integers(0, 4)))
    frame = pd.DataFrame({"entry": begun, "duration": begun + listed(st.integers(1, 6)), "event": listed(st.integers(0, 1))})
    frame = frame.assign(cause=listed(st.sampled_from(["card", "notice"])), w=listed(st.integers(1, 3)))
    unit = draw(st.sampled_from([1.0, 0.37]))  # whole times are counted, others sorted
    return frame.assign(duration=frame["duration"] * unit, entry=frame["entry"] * unit)


def quietly(function, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return function(*args, **options)


# ── causes ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(lives())
@settings(max_examples=40)
def test_incidence_is_the_sum_of_its_steps(frame):
    if not frame["event"].any():
        with pytest.raises(DataError, match="no cause to tell apart"):
            survival.curve(frame, cause="cause")
        return
    table = survival.curve(frame, cause="cause")
    assert table.columns.tolist() == ["cause", "time", "incidence", "ci_low", "ci_high", "at_risk", "events", "censored"]
    columns = [frame[name].tolist() for name in ("duration", "event", "cause")]
    for cause, part in table.groupby("cause"):
        expected = naive.incidence(*columns, cause)
        assert part["time"].tolist() == [time for time, _, _ in expected]
        np.testing.assert_allclose(part["incidence"], [value for _, value, _ in expected], rtol=1e-12, atol=1e-15)
        for row, (_, value, variance) in zip(part.itertuples(), expected, strict=True):
            assert 0 <= row.ci_low <= row.incidence + 1e-12
            assert row.incidence <= row.ci_high + 1e-12 <= 1 + 2e-12
            if 0 < value < 1 - 1e-9:
                middle = math.log(-math.log(1 - value))
                spread = Z * math.sqrt(max(variance, 0.0)) / abs((1 - value) * math.log(1 - value))
                ends = [1 - math.exp(-math.exp(middle + sign * spread)) for sign in (-1, 1)]
                assert (row.ci_low, row.ci_high) == pytest.approx(ends, abs=1e-9)


@given(lives())
@settings(max_examples=30)
def test_causes_and_those_who_remain_add_up_to_one(frame):
    if not frame["event"].any():
        return
    table = quietly(survival.curve, frame, cause="cause", entry="entry", weight="w")
    whole = quietly(survival.curve, frame, entry="entry", weight="w")
    total = table.groupby("time")["incidence"].sum()
    np.testing.assert_allclose(total.to_numpy() + whole["survival"].to_numpy(), 1.0, rtol=1e-12)
    assert table.groupby("time")["events"].sum().tolist() == whole["events"].tolist()


@pytest.mark.parametrize("interval", ["log_log", "log", "plain"])
def test_with_one_cause_it_is_one_minus_kaplan_meier(interval):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"duration": rng.integers(1, 9, 60), "event": rng.integers(0, 2, 60), "cause": "notice"})
    table, whole = survival.curve(frame, cause="cause", interval=interval), survival.curve(frame, interval=interval)
    for name, other in (("incidence", "survival"), ("ci_low", "ci_high"), ("ci_high", "ci_low")):
        np.testing.assert_allclose(table[name], 1 - whole[other], atol=1e-12)


def test_the_cause_of_what_did_not_happen_does_not_matter():
    frame = pd.DataFrame({"duration": [1, 2, 3, 4], "event": [1, 0, 1, 0], "cause": ["card", None, "notice", "never"]})
    table = survival.curve(frame, cause="cause")
    assert table["cause"].unique().tolist() == ["card", "notice"]
    assert table["incidence"].tolist() == [0.25, 0.25, 0.25, 0.25, 0.0, 0.0, 0.375, 0.375]
    with pytest.raises(DataError, match="'cause': 1 missing where the event happened, the first in row 2"):
        survival.curve(frame.assign(cause=["card", None, None, "x"]), cause="cause")
    with pytest.raises(OptionError, match="nelson_aalen"):
        survival.curve(frame, cause="cause", method="nelson_aalen")


def test_causes_come_by_group():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"duration": rng.integers(1, 6, 80), "event": 1, "cause": rng.choice([7, 8], 80), "plan": ["a", "b"] * 40}
    )
    table = survival.curve(frame, cause="cause", by="plan")
    assert table.columns[:3].tolist() == ["plan", "cause", "time"]
    assert table["cause"].dtype == frame["cause"].dtype
    for plan, part in frame.groupby("plan"):
        alone = survival.curve(part, cause="cause")
        pd.testing.assert_frame_equal(table[table["plan"] == plan].drop(columns="plan").reset_index(drop=True), alone)


def incidence_coverage(sets):
    """Two exponential hazards, 0.06 and 0.04, seen for 5 to 25."""
    times, inside = np.array([3.0, 8.0, 15.0]), np.zeros((2, 3))
    for seed in range(sets):
        rng = np.random.default_rng(seed)
        life, seen = rng.exponential(10, 150), rng.uniform(5, 25, 150)
        cause = np.where(rng.random(150) < 0.6, "a", "b")
        frame = pd.DataFrame({"duration": np.minimum(life, seen), "event": life <= seen, "cause": cause})
        table = survival.curve(frame, cause="cause")
        for place, (name, rate) in enumerate((("a", 0.06), ("b", 0.04))):
            part = table[table["cause"] == name]
            at = np.searchsorted(part["time"], times, side="right") - 1
            truth = rate / 0.1 * -np.expm1(-0.1 * times)
            inside[place] += (part["ci_low"].to_numpy()[at] <= truth) & (truth <= part["ci_high"].to_numpy()[at])
    return inside / sets


def test_a_few_intervals_of_incidence_hold_the_truth():
    assert (incidence_coverage(30) >= 0.8).all()


@pytest.mark.recovery
def test_intervals_of_incidence_hold_the_truth_at_their_level():
    inside = incidence_coverage(1000)
    assert ((inside >= 0.93) & (inside <= 0.97)).all(), inside


# ── weights and scales ───────────────────────────────────────────────────────────────────────────────────────────────────


@given(lives(), st.sampled_from(["kaplan_meier", "nelson_aalen"]), st.booleans())
@settings(max_examples=40)
def test_a_weight_is_so_many_rows(frame, method, late):
    rows = frame.loc[frame.index.repeat(frame["w"])]
    options = {"method": method, "entry": "entry" if late else None}
    pd.testing.assert_frame_equal(quietly(survival.curve, frame, weight="w", **options), quietly(survival.curve, rows, **options))


def test_weights_are_whole():
    frame = pd.DataFrame({"duration": [1, 2], "event": 1, "w": [1.5, 2.0]})
    with pytest.raises(DataError, match="'w': 1 not whole"):
        survival.curve(frame, weight="w")


@given(lives())
@settings(max_examples=40)
def test_greenwood_is_symmetric_where_there_is_room(frame):
    plain = survival.curve(frame, interval="plain")
    other = survival.curve(frame, interval="log")
    variance = 0.0
    for row, logs in zip(plain.itertuples(), other.itertuples(), strict=True):
        if row.survival in (0.0, 1.0):
            continue
        variance = sum(d / (n * (n - d)) for time, n, d, _ in naive.counts(frame["duration"], frame["event"]) if time <= row.time)
        se = row.survival * math.sqrt(variance)
        assert row.ci_low == pytest.approx(max(row.survival - Z * se, 0.0))
        assert row.ci_high == pytest.approx(min(row.survival + Z * se, 1.0))
        assert logs.ci_high == pytest.approx(min(row.survival * math.exp(Z * math.sqrt(variance)), 1.0))


def test_a_hazard_has_a_plain_interval_too():
    frame = pd.DataFrame({"duration": [1, 2, 3, 4], "event": [0, 1, 1, 0]})
    table = survival.curve(frame, method="nelson_aalen", interval="plain")
    (_, _, _), (_, hazard, variance), *_ = naive.nelson_aalen([1, 2, 3, 4], [0, 1, 1, 0])
    assert table["ci_high"].iloc[1] == pytest.approx(hazard + Z * math.sqrt(variance))
    assert table["ci_low"].iloc[1] == 0.0
    with pytest.raises(OptionError, match="interval"):
        survival.curve(frame, interval="arcsine")


# ── one number ───────────────────────────────────────────────────────────────────────────────────────────────────────────

# the trial of Freireich et al. (1963): weeks in remission under 6-MP and under placebo
GEHAN = pd.DataFrame(
    {
        "duration": [
            *(6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35),
            *(1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23),
        ],
        "event": [1] * 9 + [0] * 12 + [1] * 21,
        "group": ["6-MP"] * 21 + ["placebo"] * 21,
    }
)


def test_median_remission():
    """As in Klein and Moeschberger, and in every package: 23 weeks under 6-MP, 8 under placebo."""
    table = survival.quantile(survival.curve(GEHAN, by="group"))
    assert table.columns.tolist() == ["group", "q", "value", "ci_low", "ci_high"]
    assert table["value"].tolist() == [23.0, 8.0]
    assert table["ci_low"].tolist() == [13.0, 4.0]
    assert table["ci_high"].tolist() == [math.inf, 11.0]
    log = survival.quantile(survival.curve(GEHAN, by="group", interval="log"))
    # intervals on the log scale: 16 to infinity, and 4 to 12
    assert log["ci_low"].tolist() == [16.0, 4.0]
    assert log["ci_high"].tolist() == [math.inf, 12.0]


def test_a_share_that_is_met_exactly_is_reached():
    curve = survival.curve(pd.DataFrame({"duration": range(1, 11), "event": 1}))
    for tenths in range(1, 10):
        assert survival.quantile(curve, q=tenths / 10)["value"].iloc[0] == tenths
    with pytest.raises(OptionError, match="q"):
        survival.quantile(curve, q=1)
    loyal = survival.curve(GEHAN.assign(event=0), by="group")
    with pytest.warns(DataWarning, match="2 of 2 groups do not come down to 0.5"):
        assert survival.quantile(loyal)["value"].tolist() == [math.inf, math.inf]


@given(lives(), st.floats(0.5, 3.0))
@settings(max_examples=40)
def test_the_restricted_mean_is_the_area(frame, horizon):
    curve = survival.curve(frame)
    if horizon > frame["duration"].max() and curve["survival"].iloc[-1] > 0:
        with pytest.raises(DataError, match="nothing is known beyond"):
            survival.restricted_mean(curve, horizon=horizon)
        return
    found = survival.restricted_mean(curve, horizon=horizon).iloc[0]
    area, se = naive.restricted_mean(frame["duration"].tolist(), frame["event"].tolist(), horizon)
    assert found["value"] == pytest.approx(area)
    assert found["se"] == pytest.approx(se, abs=1e-12)
    assert 0 <= found["ci_low"] <= found["value"] <= found["ci_high"] <= horizon


def test_without_censoring_the_mean_is_the_mean():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"duration": rng.exponential(5, 200), "event": 1})
    found = survival.restricted_mean(survival.curve(frame), horizon=1e6).iloc[0]
    assert found["value"] == pytest.approx(frame["duration"].mean())
    assert found["se"] == pytest.approx(frame["duration"].std(ddof=0) / math.sqrt(200))


def test_groups_are_compared_up_to_the_same_time():
    curve = survival.curve(GEHAN, by="group")
    found = survival.restricted_mean(curve)
    assert found["horizon"].tolist() == [35.0, 35.0]  # nobody is left under placebo after 23 weeks
    assert found["value"].round(3).tolist() == [23.287, 8.667]
    assert survival.restricted_mean(curve, horizon=23).loc[1, "value"] == found.loc[1, "value"]


def test_tables_that_are_no_curve_are_refused():
    hazard = survival.curve(GEHAN, method="nelson_aalen")
    for function in (survival.quantile, survival.restricted_mean):
        with pytest.raises(ColumnError, match="no column 'survival'"):
            function(hazard)
        with pytest.raises(DataError, match="no rows"):
            function(survival.curve(GEHAN).iloc[:0])
        with pytest.raises(DataError, match="do not ascend"):
            function(survival.curve(GEHAN).iloc[::-1])
    with pytest.raises(OptionError, match="horizon"):
        survival.restricted_mean(survival.curve(GEHAN), horizon=0)
    with pytest.raises(DataError, match="all times are 0"):
        survival.restricted_mean(survival.curve(GEHAN.assign(duration=0)))
