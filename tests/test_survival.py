"""Survival curves and the log-rank test: published numbers, definitions by the slow road, coverage, what is refused."""

import importlib.metadata
import math
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit as crm
from crmkit import survival
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError
from naive import survival as naive


def at(curve, times, column="survival"):
    """The curve at given times: the last step not after each."""
    steps = [curve.loc[curve["time"] <= time, column] for time in times]
    return [1.0 if step.empty else float(step.iloc[-1]) for step in steps]


def median(curve):
    return curve.loc[curve["survival"] <= 0.5, "time"].min()


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


@pytest.fixture(scope="module")
def telco(data_file):
    frame = pd.read_csv(data_file("telco_ibm.csv.gz"))
    return frame.assign(left=frame["Churn"] == "Yes")


@pytest.fixture(scope="module")
def waltons():
    try:
        files = importlib.metadata.files("lifelines") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the wheel of lifelines is not installed; its data are")
    place = next(file for file in files if file.name == "waltons_dataset.csv").locate()
    return pd.read_csv(str(place))


# ── published numbers ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_remission_under_6_mp():
    curve = survival.curve(GEHAN[GEHAN["group"] == "6-MP"])
    steps = curve[curve["events"] > 0]
    assert steps["time"].tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert steps["survival"].round(4).tolist() == [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert steps["at_risk"].tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert steps["ci_low"].round(3).tolist() == [0.620, 0.563, 0.503, 0.432, 0.368, 0.268, 0.188]
    assert steps["ci_high"].round(3).tolist() == [0.952, 0.923, 0.889, 0.849, 0.805, 0.747, 0.680]


def test_remission_differs():
    test = survival.logrank(GEHAN)
    assert round(test.statistic, 2) == 16.79
    assert test.degrees_of_freedom == 1
    assert test.groups["expected"].round(2).tolist() == [19.25, 10.75]
    assert test.groups["events"].tolist() == [9, 21]


def test_telco_curve(telco):
    curve = survival.curve(telco, duration="tenure", event="left")
    found = at(curve, [1, 6, 12, 24, 48, 72])
    assert found == pytest.approx([0.945961, 0.884826, 0.843200, 0.788736, 0.708840, 0.592790], abs=6e-7)
    assert math.isnan(median(curve))
    assert curve["at_risk"].iloc[0] == len(telco)  # eleven of them with tenure 0


def test_telco_by_contract(telco):
    curves = survival.curve(telco, duration="tenure", event="left", by="Contract")
    by = dict(list(curves.groupby("Contract")))
    assert at(by["Month-to-month"], [12, 24, 60]) == pytest.approx([0.7031, 0.5859, 0.2972], abs=6e-5)
    assert at(by["One year"], [12, 24, 60]) == pytest.approx([0.9908, 0.9783, 0.8318], abs=6e-5)
    assert at(by["Two year"], [12, 24, 60]) == pytest.approx([1.0, 1.0, 0.9862], abs=6e-5)
    assert median(by["Month-to-month"]) == 35


def test_waltons(waltons):
    names = {"duration": "T", "event": "E"}
    curve = survival.curve(waltons, **names)
    assert at(curve, [20, 56, 60]) == pytest.approx([0.91365031, 0.42990265, 0.31152366], abs=6e-9)
    by = {name: median(part) for name, part in survival.curve(waltons, by="group", **names).groupby("group")}
    assert (median(curve), by) == (56, {"control": 58, "miR-137": 26})
    hazard = survival.curve(waltons, method="nelson_aalen", **names)
    assert at(hazard, [20, 56], "cumulative_hazard") == pytest.approx([0.09001652, 0.84009368], abs=6e-9)
    assert survival.logrank(waltons, by="group", **names).statistic == pytest.approx(122.24912557, abs=6e-9)


# ── definitions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def lives(draw, entry=False, most=30):
    n = draw(st.integers(1, most))
    unit = draw(st.sampled_from([1.0, 0.37]))  # whole times are counted, others sorted
    begun = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n)) if entry else [0] * n
    lasted = draw(st.lists(st.integers(int(entry), 10), min_size=n, max_size=n))
    event = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    group = draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n))
    start = np.array(begun) * unit
    end = np.maximum((np.array(begun) + np.array(lasted)) * unit, start + (unit if entry else 0.0))
    return pd.DataFrame({"duration": end, "event": event, "entry": start, "group": group})


def quietly(function, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return function(*args, **options)


@given(lives(), st.booleans())
def test_kaplan_meier_is_the_product_over_times(frame, late):
    entry = "entry" if late and (frame["entry"] < frame["duration"]).all() else None
    curve = quietly(survival.curve, frame, entry=entry)
    columns = [frame["duration"].tolist(), frame["event"].tolist(), frame["entry"].tolist() if entry else None]
    expected = naive.kaplan_meier(*columns)
    assert curve["time"].tolist() == [time for time, _, _ in expected]
    assert list(curve[["time", "at_risk", "events", "censored"]].itertuples(index=False, name=None)) == list(
        naive.counts(*columns)
    )
    np.testing.assert_allclose(curve["survival"], [value for _, value, _ in expected], rtol=1e-12, atol=1e-15)
    for row, (_, _, ends) in zip(curve.itertuples(), expected, strict=True):
        assert 0 <= row.ci_low <= row.survival <= row.ci_high <= 1
        if ends:
            assert (row.ci_low, row.ci_high) == pytest.approx(ends, abs=1e-12)


@given(lives(entry=True))
def test_late_entries_are_at_risk_from_then_on(frame):
    curve = quietly(survival.curve, frame, entry="entry")
    columns = (frame["duration"].tolist(), frame["event"].tolist(), frame["entry"].tolist())
    assert list(curve[["time", "at_risk", "events", "censored"]].itertuples(index=False, name=None)) == list(
        naive.counts(*columns)
    )
    np.testing.assert_allclose(curve["survival"], [value for _, value, _ in naive.kaplan_meier(*columns)], atol=1e-15)


@given(lives())
def test_nelson_aalen_is_the_sum_over_events(frame):
    curve = survival.curve(frame, method="nelson_aalen")
    for row, (_, hazard, variance) in zip(
        curve.itertuples(), naive.nelson_aalen(frame["duration"].tolist(), frame["event"].tolist()), strict=True
    ):
        assert row.cumulative_hazard == pytest.approx(hazard, rel=1e-12)
        assert row.ci_low <= row.cumulative_hazard <= row.ci_high
        if hazard:
            assert row.ci_high == pytest.approx(hazard * math.exp(1.959963984540054 * math.sqrt(variance) / hazard))


@given(lives(most=20))
@settings(max_examples=60)
def test_logrank_is_observed_less_expected(frame):
    expected = naive.logrank(*(frame[name].tolist() for name in ("duration", "event", "group")))
    if expected is None or frame["group"].nunique() < 2 or not frame["event"].any():
        with pytest.raises(DataError, match=r"one group only|no event"):
            survival.logrank(frame)
        return
    test = survival.logrank(frame)
    assert test.statistic == pytest.approx(expected, rel=1e-8, abs=1e-10)
    assert test.groups["expected"].sum() == pytest.approx(frame["event"].sum())
    assert 0 <= test.p_value <= 1


# ── what must not matter ─────────────────────────────────────────────────────────────────────────────────────────────────


@given(lives(), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_the_rows_changes_nothing(frame, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    pd.testing.assert_frame_equal(survival.curve(frame.iloc[order], by="group"), survival.curve(frame, by="group"))


@given(lives())
@settings(max_examples=40)
def test_a_group_has_the_curve_it_has_alone(frame):
    together = survival.curve(frame, by="group")
    for name, part in frame.groupby("group"):
        alone = survival.curve(part)
        pd.testing.assert_frame_equal(together[together["group"] == name].drop(columns="group").reset_index(drop=True), alone)


@given(lives(), st.integers(-3, 3))
@settings(max_examples=40)
def test_the_unit_of_time_changes_times_only(frame, power):
    scaled = survival.curve(frame.assign(duration=frame["duration"] * 2.0**power))
    pd.testing.assert_frame_equal(scaled.assign(time=scaled["time"] / 2.0**power), survival.curve(frame))


def test_counted_and_sorted_times_agree():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"duration": rng.integers(0, 50, 300), "event": rng.random(300) < 0.5})
    far = survival.curve(frame.assign(duration=frame["duration"] * 1e6))
    pd.testing.assert_frame_equal(far.assign(time=far["time"] / 1e6), survival.curve(frame))


@pytest.mark.parametrize("native", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "pyarrow"])
def test_frames_of_any_kind_come_back_as_they_went_in(native):
    curve = survival.curve(native(GEHAN), by="group")
    assert type(curve) is type(native(GEHAN))
    pd.testing.assert_frame_equal(curve.to_pandas(), survival.curve(GEHAN, by="group"), check_dtype=False)
    groups = survival.logrank(native(GEHAN)).groups
    assert type(groups) is type(curve)


# ── intervals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def coverage(sets):
    """How often intervals of exponential lives hold the truth, at three times."""
    rng = np.random.default_rng(2)
    times, inside = np.array([0.3, 0.8, 1.5]), np.zeros(3)
    for _ in range(sets):
        life, seen = rng.exponential(1.0, 80), rng.uniform(0.0, 4.0, 80)
        curve = survival.curve(pd.DataFrame({"duration": np.minimum(life, seen), "event": life <= seen}))
        place = np.searchsorted(curve["time"], times, side="right") - 1
        low, high = (curve[name].to_numpy()[place] for name in ("ci_low", "ci_high"))
        inside += (low <= np.exp(-times)) & (np.exp(-times) <= high)
    return inside / sets


def test_a_few_intervals_hold_the_truth():
    assert (coverage(60) >= 0.86).all()


@pytest.mark.recovery
def test_intervals_hold_the_truth_at_their_level():
    inside = coverage(1000)
    assert ((inside >= 0.93) & (inside <= 0.97)).all(), inside


@pytest.mark.recovery
def test_the_test_rejects_equal_groups_at_its_level():
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(1000):
        life, seen = rng.exponential(1.0, 90), rng.uniform(0.0, 3.0, 90)
        frame = pd.DataFrame({"duration": np.minimum(life, seen), "event": life <= seen, "group": np.arange(90) % 3})
        rejected += survival.logrank(frame).p_value < 0.05
    assert 0.035 <= rejected / 1000 <= 0.065


def test_before_the_first_event_the_lower_end_is_that_of_a_share():
    curve = survival.curve(pd.DataFrame({"duration": [1, 2, 3, 4], "event": [0, 0, 1, 0]}))
    assert curve["survival"].tolist()[:2] == [1.0, 1.0]
    assert curve["ci_high"].tolist()[:2] == [1.0, 1.0]
    assert curve["ci_low"].tolist()[:2] == [crm.intervals.wilson(4, 4)[0], crm.intervals.wilson(3, 3)[0]]


def test_when_nobody_is_left_the_upper_end_stays():
    curve = survival.curve(pd.DataFrame({"duration": [1, 2, 3], "event": 1}))
    assert curve["survival"].iloc[-1] == curve["ci_low"].iloc[-1] == 0.0
    assert curve["ci_high"].iloc[-1] == curve["ci_high"].iloc[-2] < 1
    alone = survival.curve(pd.DataFrame({"duration": [0.0], "event": [1]}))
    assert alone[["survival", "ci_low", "ci_high"]].to_numpy().tolist() == [[0.0, 0.0, 1.0]]


# ── what is refused, and what is said ────────────────────────────────────────────────────────────────────────────────────


def test_a_curve_that_drops_to_0_too_early_says_so():
    frame = pd.DataFrame({"duration": [2, 9, 9], "event": [1, 1, 0], "entry": [1, 4, 5]})
    with pytest.warns(DataWarning, match="drops to 0 while others come"):
        assert (survival.curve(frame, entry="entry")["survival"] == 0).all()
    with pytest.warns(DataWarning, match="of 1 of 2 groups"):
        survival.curve(frame.assign(group=[1, 1, 2]), entry="entry", by="group")


@pytest.mark.parametrize(
    ("change", "options", "match"),
    [
        ({"duration": [-1, 2]}, {}, "'duration': 1 negative.*row 0"),
        ({"event": [1, 2]}, {}, "'event'.*neither 0 nor 1.*row 1"),
        ({"entry": [0, 2]}, {"entry": "entry"}, "'entry': 1 not before 'duration', the first in row 1"),
        ({"group": [None, "a"]}, {"by": "group"}, "'group': 1 missing"),
    ],
    ids=["negative", "event", "entry", "group"],
)
def test_bad_rows_are_named(change, options, match):
    frame = pd.DataFrame({"duration": [1, 2], "event": [1, 0]}).assign(**change)
    with pytest.raises(DataError, match=match):
        survival.curve(frame, **options)


def test_what_cannot_be_estimated_is_refused():
    with pytest.raises(DataError, match="no rows"):
        survival.curve(GEHAN.iloc[:0])
    with pytest.raises(DataError, match="one group only"):
        survival.logrank(GEHAN.iloc[:21])
    with pytest.raises(DataError, match="no event"):
        survival.logrank(GEHAN.assign(event=0))
    with pytest.raises(ColumnError, match="tenure"):
        survival.curve(GEHAN, duration="tenure")
    with pytest.raises(OptionError, match="method"):
        survival.curve(GEHAN, method="weibull")
    with pytest.raises(OptionError, match="level"):
        survival.curve(GEHAN, level=95)
