"""Proportional hazards: published figures, the partial likelihood by the slow road, what must not matter, what is refused."""

import json
import math
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit import survival
from crmkit._kernels import cox as kernel
from crmkit.errors import ColumnError, ConvergenceWarning, DataError, DataWarning, FitError, OptionError
from crmkit.survival import _climb, _times
from crmkit.survival._risk import risk_sets
from naive import survival as naive

ROSSI = {"duration": "week", "event": "arrest"}
LEUKEMIA = {"duration": "t", "event": "status"}


@pytest.fixture(scope="module")
def rossi(wheel_file):
    return pd.read_csv(wheel_file("lifelines", "rossi.csv"))


def simulated(n=300, seed=0, months=True):
    """Lives with hazards that differ by two numbers and a plan, censored at random."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"spend": rng.normal(50, 10, n), "visits": rng.poisson(3, n), "plan": rng.choice(["a", "b", "c"], n)})
    rate = np.exp(0.03 * (frame["spend"] - 50) - 0.2 * frame["visits"] + 0.5 * (frame["plan"] == "b"))
    life, seen = rng.exponential(12 / rate), rng.uniform(2, 24, n)
    time = np.minimum(life, seen)
    return frame.assign(duration=np.ceil(time) if months else time, event=life <= seen)


def errors(model):
    return list(model.standard_errors.values())


# ── published figures ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rossi_by_efron(rossi):
    model = survival.fit_cox(rossi, **ROSSI)
    assert model.terms == ("fin", "age", "race", "wexp", "mar", "paro", "prio")
    printed = [-0.3794222, -0.0574377, 0.3138998, -0.1497957, -0.4337039, -0.0848711, 0.0914971]
    assert model.coefficients.round(7).tolist() == printed
    assert np.round(errors(model), 6).tolist() == [0.191379, 0.021999, 0.307993, 0.212224, 0.381868, 0.195757, 0.028649]
    assert round(model.log_likelihood, 7) == -658.7476594
    statistic, df, p = model.likelihood_ratio()
    assert (round(statistic, 5), df, round(p, 6)) == (33.26595, 7, 0.000024)
    assert round(-2 * model.log_likelihood + 2 * df, 4) == 1331.4953
    assert round(model.concordance, 7) == 0.6403292
    assert (model.n, model.n_events, model.converged) == (432, 114, True)


def test_rossi_by_breslow(rossi):
    model = survival.fit_cox(rossi, ties="breslow", **ROSSI)
    printed = [-0.3790219, -0.0572459, 0.3141298, -0.1511146, -0.4327826, -0.0849828, 0.0911115]
    assert model.coefficients.round(7).tolist() == printed


def test_rossi_survives(rossi):
    """The figures stand on Efron's coefficients and Breslow's baseline; ours takes ties in the baseline as in the fit."""
    model = survival.fit_cox(rossi, **ROSSI)
    risk = np.exp(model.log_ratio(rossi.to_dict("list")))
    jumps = {week: events / risk[rossi["week"] >= week].sum() for week, events in rossi.groupby("week")["arrest"].sum().items()}
    printed = {10: 0.964223, 26: 0.868213, 52: 0.715699}
    first = rossi.iloc[0].to_dict()
    for week, share in printed.items():
        hazard = sum(jump for time, jump in jumps.items() if time <= week)
        assert round(math.exp(-hazard * risk[0]), 6) == share
        assert model.survival(week, first) == pytest.approx(share, abs=1e-3)
    breslow = survival.fit_cox(rossi, ties="breslow", **ROSSI)
    assert breslow.survival([10, 26, 52], first) == pytest.approx(list(printed.values()), abs=4e-4)


def test_rossi_hazards_are_tested_for_proportionality(rossi):
    """Fox and Weisberg, Cox regression for survival data in R: the model of fin, age and prio."""
    found = survival.fit_cox(rossi, features=["fin", "age", "prio"], **ROSSI).proportionality
    printed = {"fin": (0.00507, 0.9433), "age": (6.54147, 0.0105), "prio": (0.77288, 0.3793), "all": (7.13046, 0.0679)}
    for term, (statistic, p) in printed.items():
        assert found[term][0] == pytest.approx(statistic, abs=6e-6)
        assert found[term][2] == pytest.approx(p, abs=6e-5)
    assert found["all"][1] == 3


def test_leukemia(wheel_file):
    model = survival.fit_cox(pd.read_csv(wheel_file("lifelines", "anderson.csv"), sep=r"\s+"), **LEUKEMIA)
    assert model.terms == ("sex", "logWBC", "Rx")
    # the figures come from a search that stopped 1e-8 from the maximum
    assert model.coefficients == pytest.approx([0.31467805, 1.68194240, 1.50359120], abs=1.5e-8)
    assert round(model.log_likelihood, 8) == -69.59048267


# ── the definition ───────────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def lives(draw, most=14):
    n = draw(st.integers(4, most))

    def whole(low, high):
        return np.array(draw(st.lists(st.integers(low, high), min_size=n, max_size=n)))

    begun = whole(0, 3)
    return pd.DataFrame(
        {
            "x": whole(-2, 2) + 0.25 * whole(0, 1),
            "z": whole(0, 4).astype(float),
            "event": whole(0, 1),
            "entry": begun,
            "duration": begun + whole(1, 5),
            "group": whole(0, 1).astype(str),
            "weight": whole(1, 3),
        }
    )


def fitted(frame, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return survival.fit_cox(frame, features=["x", "z"], penalty=0.5, **options)


@given(lives(), st.sampled_from(["efron", "breslow"]), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=40)
def test_it_maximises_the_partial_likelihood(frame, ties, late, split, weighted):
    """Value by the definition; and no small step in any direction gains."""
    options = {"entry": "entry"} if late else {}
    options |= {"strata": "group"} if split else {}
    options |= {"weight": "weight"} if weighted else {}
    if not frame["event"].any() or frame["x"].nunique() < 2 or frame["z"].nunique() < 2:
        return
    model = fitted(frame, ties=ties, **options)
    X = frame[["x", "z"]].to_numpy()
    columns = {key: frame[name].tolist() for key, name in options.items() if key != "strata"}
    columns |= {"stratum": frame["group"].tolist()} if split else {}

    def value(beta):
        return naive.cox(X, frame["duration"].tolist(), frame["event"].tolist(), beta, ties, **columns)

    assert model.log_likelihood == pytest.approx(value(model.coefficients), abs=1e-9)
    assert model.null_log_likelihood == pytest.approx(value(np.zeros(2)), abs=1e-9)
    w = frame["weight"].to_numpy() if weighted else np.ones(len(frame))
    spread = np.sqrt(np.average((X - np.average(X, axis=0, weights=w)) ** 2, axis=0, weights=w))

    def penalised(beta):
        return value(beta) - 0.25 * ((beta * spread) ** 2).sum()

    for k in range(2):
        step = np.zeros(2)
        step[k] = 1e-4
        slope = (penalised(model.coefficients + step) - penalised(model.coefficients - step)) / 2e-4
        assert abs(slope) < 1e-5
    assert 0.0 <= model.concordance <= 1.0 or math.isnan(model.concordance)
    share = naive.concordance(
        X @ model.coefficients.round(9), frame["duration"].tolist(), frame["event"].tolist(),
        columns.get("entry"), columns.get("stratum"),
    )  # fmt: skip
    if not weighted and np.unique((X @ model.coefficients).round(6)).size == np.unique(X, axis=0).shape[0]:
        assert model.concordance == pytest.approx(share, nan_ok=True)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("late", [False, True], ids=["from the start", "late"])
def test_the_information_is_the_curvature_and_the_sandwich_is_of_each_rows_gradient(ties, late):
    rng = np.random.default_rng(4)
    frame = simulated(60, seed=5).assign(entry=lambda f: np.floor(rng.random(60) * f["duration"]), who=rng.integers(0, 20, 60))
    options = {"features": ["spend", "visits"], "ties": ties, "entry": "entry" if late else None}
    model = survival.fit_cox(frame, **options)
    X = frame[["spend", "visits"]].to_numpy()
    columns = (frame["duration"].tolist(), frame["event"].tolist())
    entry = frame["entry"].tolist() if late else None

    def value(beta):
        return naive.cox(X, *columns, beta, ties, entry)

    step = np.array([1e-3, 1e-2])
    curvature = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            up, side = np.eye(2)[i] * step, np.eye(2)[j] * step
            b = model.coefficients
            four = value(b + up + side) - value(b + up - side) - value(b - up + side) + value(b - up - side)
            curvature[i, j] = -four / (4 * step[i] * step[j])
    np.testing.assert_allclose(np.linalg.inv(model.covariance), curvature, rtol=2e-4)
    residuals = naive.score_residuals(X, *columns, model.coefficients, ties, entry)
    np.testing.assert_allclose(residuals.sum(axis=0), 0.0, atol=1e-6)
    robust = survival.fit_cox(frame, robust=True, **options)
    np.testing.assert_allclose(robust.covariance, model.covariance @ (residuals.T @ residuals) @ model.covariance, rtol=1e-7)
    sums = pd.DataFrame(residuals).groupby(frame["who"]).sum().to_numpy()
    cluster = survival.fit_cox(frame, cluster="who", **options)
    np.testing.assert_allclose(cluster.covariance, model.covariance @ (sums.T @ sums) @ model.covariance, rtol=1e-7)
    assert (model.errors, robust.errors, cluster.errors) == ("model", "robust", "cluster")


def test_late_entry_is_not_lost_to_rounding():
    """One row with an enormous hazard leaves the risk set: what remains is summed anew."""
    lives = _times.Lives(
        duration=np.array([1.0, 2, 3, 4, 5, 90]),
        event=np.array([True, True, False, True, True, True]),
        entry=np.array([0.0, 0, 0, 1, 0, 80]),
        by=None,
        kind="pandas",
    )
    X = np.array([[0.0], [1], [0], [1], [0], [60]])
    sets = risk_sets(lives, None, None)
    gradient, hazard, tied, mean, none = np.empty(1), np.zeros(6), np.zeros(6), np.zeros((6, 1)), np.empty((0, 0))
    value = kernel.sweep(
        np.ascontiguousarray(X[sets.order]), sets.weight, sets.event, sets.group, sets.first_row, sets.last_row, sets.time,
        sets.leaving, sets.entry, np.ones(1), True, gradient, none, hazard, tied, mean, none, none,
    )  # fmt: skip
    columns = (X, lives.duration.tolist(), lives.event.tolist())
    assert value == pytest.approx(naive.cox(*columns, [1.0], "efron", lives.entry.tolist()), abs=1e-9)


def test_a_step_too_far_is_halved():
    """Newton's method runs away from the maximum of minus log cosh, unless its steps must gain."""

    def at(theta):
        x = float(theta[0])
        return -math.log(math.cosh(x)), np.array([-math.tanh(x)]), np.array([[1 / math.cosh(x) ** 2]])

    start = np.array([3.0])
    top = _climb.climb(at, start, at(start))
    assert top.theta[0] == pytest.approx(0.0, abs=1e-4)


def test_where_the_likelihood_is_flat_the_search_goes_along_what_is_not():
    def at(theta):
        return -0.5 * (float(theta[0]) - 1) ** 2, np.array([1 - float(theta[0]), 0.0]), np.diag([1.0, 0.0])

    start = np.zeros(2)
    assert _climb.climb(at, start, at(start)).theta.tolist() == [1.0, 0.0]


def test_a_search_that_cannot_gain_ends_where_it_is():
    def at(theta):
        return -float(np.abs(theta).max() > 0), np.ones(1), np.eye(1)

    assert _climb.climb(at, np.zeros(1), at(np.zeros(1))).iterations == 0


def test_the_baseline_is_the_hazard_at_the_means():
    frame = simulated()
    model = survival.fit_cox(frame)
    table = model.baseline()
    assert table.columns.tolist() == ["time", "cumulative_hazard", "survival"]
    average = {"spend": frame["spend"].mean(), "visits": frame["visits"].mean()}
    shares = frame["plan"].value_counts(normalize=True)
    effect = dict(zip(model.terms, model.coefficients, strict=True))
    # a customer of plan a is not average: less the mean effect of the others
    ratio = model.log_ratio({**average, "plan": "a"})
    assert ratio == pytest.approx(-shares["b"] * effect["plan=b"] - shares["c"] * effect["plan=c"])
    share = model.survival(12.5, {**average, "plan": "a"})
    at = table.loc[table["time"] <= 12.5, "cumulative_hazard"].iloc[-1]
    assert share == pytest.approx(math.exp(-at * math.exp(ratio)))
    late = model.survival([12.5, 20], {**average, "plan": "a"}, survived=6)
    assert late[0] == pytest.approx(share / model.survival(6, {**average, "plan": "a"}))


def test_strata_have_baselines_of_their_own():
    frame = simulated()
    model = survival.fit_cox(frame, strata="plan")
    assert model.strata == ("a", "b", "c")
    assert model.terms == ("spend", "visits")
    table = model.baseline()
    assert table.groupby("plan")["cumulative_hazard"].apply(lambda h: h.is_monotonic_increasing).all()
    shares = [model.survival(10, {"spend": 50, "visits": 3}, stratum=plan) for plan in "abc"]
    assert len(set(shares)) == 3
    with pytest.raises(OptionError, match="several baselines"):
        model.survival(10, {"spend": 50, "visits": 3})
    with pytest.raises(OptionError, match="stratum"):
        model.survival(10, {"spend": 50, "visits": 3}, stratum="d")


# ── what must not matter ─────────────────────────────────────────────────────────────────────────────────────────────────


def alike(one, two, exact=1e-9):
    np.testing.assert_allclose(one.coefficients, two.coefficients, rtol=exact)
    np.testing.assert_allclose(one.covariance, two.covariance, rtol=exact)
    assert one.log_likelihood == pytest.approx(two.log_likelihood, rel=1e-12)
    assert one.concordance == pytest.approx(two.concordance, rel=1e-12)
    assert one.concordance_se == pytest.approx(two.concordance_se, rel=1e-9)
    np.testing.assert_allclose(one.baseline_hazard, two.baseline_hazard, rtol=exact)
    assert one.proportionality.keys() == two.proportionality.keys()


def test_the_order_of_the_rows_changes_nothing():
    frame = simulated()
    alike(survival.fit_cox(frame.sample(frac=1, random_state=1), robust=True), survival.fit_cox(frame, robust=True))


@pytest.mark.parametrize("months", [True, False], ids=["months", "exact"])
def test_the_unit_of_time_changes_times_only(months):
    frame = simulated(months=months)
    days = survival.fit_cox(frame.assign(duration=frame["duration"] * 32.0))
    alike(days, survival.fit_cox(frame))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("errors", [{}, {"robust": True}, {"cluster": "who"}], ids=["model", "robust", "cluster"])
def test_a_weight_is_so_many_rows(ties, errors):
    rng = np.random.default_rng(6)
    frame = simulated(120).assign(w=rng.integers(1, 4, 120), who=rng.integers(0, 40, 120), entry=0.0)
    columns = ["spend", "visits", "plan"]
    rows = frame.loc[frame.index.repeat(frame["w"])].reset_index(drop=True)
    one = survival.fit_cox(frame, features=columns, weight="w", ties=ties, entry="entry", **errors)
    two = survival.fit_cox(rows, features=columns, ties=ties, entry="entry", **errors)
    alike(one, two)
    for term in one.proportionality:
        assert one.proportionality[term][0] == pytest.approx(two.proportionality[term][0])
    assert (one.n, one.n_events) == (two.n, two.n_events)


def test_weights_need_not_be_whole():
    frame = simulated(120).assign(w=np.linspace(0.2, 2.0, 120))
    one = survival.fit_cox(frame, features=["spend"], weight="w")
    near = survival.fit_cox(frame.assign(w=frame["w"] * (1 + 1e-9)), features=["spend"], weight="w")
    assert one.coefficients == pytest.approx(near.coefficients, rel=1e-6)


def test_the_units_of_the_features_do_not_matter():
    frame = simulated()
    model = survival.fit_cox(frame, features=["spend", "visits"])
    moved = survival.fit_cox(frame.assign(spend=1e9 + frame["spend"] * 1e3), features=["spend", "visits"])
    np.testing.assert_allclose(moved.coefficients * [1e3, 1], model.coefficients, rtol=1e-5)
    assert moved.log_likelihood == pytest.approx(model.log_likelihood, abs=1e-5)
    huge = survival.fit_cox(frame.assign(spend=frame["spend"] * 1e100), features=["spend", "visits"])
    assert huge.log_likelihood == pytest.approx(model.log_likelihood, rel=1e-12)


def test_rows_can_be_cut_in_time():
    """A customer as several rows with late entry is the same customer."""
    frame = simulated(100)
    whole = survival.fit_cox(frame.assign(entry=0.0), entry="entry", features=["spend", "visits"])
    early = frame[frame["duration"] > 3].assign(entry=3.0)
    first = frame.assign(entry=0.0, event=frame["event"] & (frame["duration"] <= 3), duration=frame["duration"].clip(upper=3))
    cut = survival.fit_cox(pd.concat([first, early]), entry="entry", features=["spend", "visits"])
    np.testing.assert_allclose(cut.coefficients, whole.coefficients, rtol=1e-8)
    customer = {"spend": 45.0, "visits": 2}
    np.testing.assert_allclose(cut.survival([2, 9, 20], customer), whole.survival([2, 9, 20], customer), rtol=1e-8)
    # a pair is counted with the stretch in which its earlier event was
    assert cut.concordance == pytest.approx(whole.concordance)


def test_frames_of_any_kind_give_the_same_model():
    frame = simulated(80)
    other = pl.from_pandas(frame.assign(id=range(80))[["id", *frame.columns]])
    alike(survival.fit_cox(other), survival.fit_cox(frame))


def test_the_reference_changes_names_and_signs_only():
    frame = simulated()
    one, two = survival.fit_cox(frame), survival.fit_cox(frame, reference={"plan": "b"})
    assert two.terms == ("spend", "visits", "plan=a", "plan=c")
    assert two.categories["plan"] == ("b", "a", "c")
    effect = {model: dict(zip(model.terms, model.coefficients, strict=True)) for model in (one, two)}
    assert effect[two]["plan=a"] == pytest.approx(-effect[one]["plan=b"])
    assert one.log_likelihood == pytest.approx(two.log_likelihood)
    assert "against: plan 'b'" in repr(two)


# ── results ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_goes_through_json():
    model = survival.fit_cox(simulated(), strata="plan")
    again = survival.CoxModel.from_dict(json.loads(json.dumps(model.to_dict())))
    alike(again, model, exact=1e-15)
    assert repr(again) == repr(model)
    values = {"spend": [40.0, 60.0], "visits": 2}
    np.testing.assert_array_equal(again.log_ratio(values), model.log_ratio(values))
    with pytest.raises(ValueError, match="read-only"):
        again.coefficients[0] = 0.0


def test_effects_are_a_table():
    model = survival.fit_cox(simulated())
    table = model.effects(level=0.9)
    assert table.columns.tolist() == ["term", "coefficient", "se", "z", "p_value", "hazard_ratio", "ci_low", "ci_high"]
    row = table.iloc[0]
    assert row["hazard_ratio"] == pytest.approx(math.exp(row["coefficient"]))
    assert row["ci_high"] == pytest.approx(math.exp(row["coefficient"] + 1.6448536 * row["se"]))
    assert row["z"] == pytest.approx(row["coefficient"] / row["se"])
    assert row["p_value"] == pytest.approx(math.erfc(abs(row["z"]) / math.sqrt(2)))


def test_values_are_checked():
    model = survival.fit_cox(simulated())
    with pytest.raises(ColumnError, match="visits"):
        model.log_ratio({"spend": 50, "plan": "a"})
    with pytest.raises(DataError, match="1 missing or infinite, the first in place 1"):
        model.log_ratio({"spend": [50, math.nan], "visits": 1, "plan": "a"})
    with pytest.raises(DataError, match="different lengths"):
        model.log_ratio({"spend": [50, 51], "visits": [1, 2, 3], "plan": "a"})
    with pytest.warns(DataWarning, match="1 of 1 rows .*hold a category"):
        unknown = model.log_ratio({"spend": 50, "visits": 1, "plan": "z"})
    means = dict(zip(model.terms, model.means, strict=True))
    effect = dict(zip(model.terms, model.coefficients, strict=True))
    expected = effect["spend"] * (50 - means["spend"]) + effect["visits"] * (1 - means["visits"])
    assert unknown == pytest.approx(expected)
    with pytest.raises(OptionError, match="nothing is known beyond time"):
        model.survival(1e6, {"spend": 50, "visits": 1, "plan": "a"})
    with pytest.raises(OptionError, match="not before survived"):
        model.survival(2, {"spend": 50, "visits": 1, "plan": "a"}, survived=3)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_infinite_coefficient_is_named_and_a_penalty_keeps_it_finite():
    frame = simulated()
    safe = frame.assign(safe=~frame["event"] & (frame["duration"] > 2))
    with pytest.raises(FitError, match=r"'safe' \(lowest\).*penalty=1"):
        survival.fit_cox(safe)
    model = survival.fit_cox(safe, penalty=1.0)
    assert model.converged
    assert -20 < dict(zip(model.terms, model.coefficients, strict=True))["safe"] < -2


def test_a_category_that_nobody_left_is_named():
    frame = simulated()
    gone = frame.assign(plan=np.where(~frame["event"] & (frame["visits"] > 4), "zz", frame["plan"]))
    with pytest.raises(FitError, match=r"'plan=zz' \(lowest\)"):
        survival.fit_cox(gone)


def test_a_separating_combination_is_named():
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, 60))
    frame = pd.DataFrame({"x": x, "z": z, "duration": np.argsort(np.argsort(-(x + z))) + 1, "event": 1})
    with pytest.raises(FitError, match="combination of 'x', 'z' orders all events"):
        survival.fit_cox(frame)


def test_telco_contracts_of_two_years_nearly_separate(data_file):
    frame = pd.read_csv(data_file("telco_ibm.csv.gz"))
    frame = frame.assign(left=frame["Churn"] == "Yes")[["tenure", "left", "Contract", "MonthlyCharges"]]
    model = survival.fit_cox(frame, duration="tenure", event="left")
    assert model.converged
    assert np.isfinite(model.coefficients).all()
    early = frame.assign(left=frame["left"] & (frame["tenure"] <= 12), tenure=frame["tenure"].clip(upper=12))
    with pytest.raises(FitError, match=r"'Contract=Two year' \(lowest\)"):
        survival.fit_cox(early, duration="tenure", event="left")


def test_terms_that_follow_from_each_other_are_named():
    frame = simulated()
    with pytest.raises(FitError, match=r"cannot tell.*'spend', 'twice'"):
        survival.fit_cox(frame.assign(twice=2 * frame["spend"]))
    with pytest.raises(FitError, match=r"cannot tell.*'flag'"):
        survival.fit_cox(frame.assign(flag=frame["plan"] == "b"), features=["spend", "flag"], strata="plan")
    assert survival.fit_cox(frame.assign(twice=2 * frame["spend"]), penalty=1.0).converged


def test_constant_features_are_left_out_aloud():
    frame = simulated().assign(country="NL", one=1)
    with pytest.warns(DataWarning, match=r"\['country', 'one'\]"):
        model = survival.fit_cox(frame)
    plain = survival.fit_cox(simulated())
    assert (model.dropped, model.terms, model.features) == (("country", "one"), plain.terms, plain.features)
    with pytest.raises(FitError, match="same in all rows"):
        survival.fit_cox(frame, features=["one", "country"])


def test_bad_calls_are_named():
    frame = simulated()
    with pytest.raises(FitError, match="no row ended"):
        survival.fit_cox(frame.assign(event=0))
    with pytest.raises(OptionError, match="ties"):
        survival.fit_cox(frame, ties="exact")
    with pytest.raises(OptionError, match="penalty"):
        survival.fit_cox(frame, penalty=-1)
    with pytest.raises(OptionError, match="another part"):
        survival.fit_cox(frame, features=["spend", "duration"])
    with pytest.raises(OptionError, match="more than once"):
        survival.fit_cox(frame, features=["spend", "spend"])
    with pytest.raises(OptionError, match="none of the categories"):
        survival.fit_cox(frame, reference={"plan": "z"})
    with pytest.raises(OptionError, match="no features of text"):
        survival.fit_cox(frame, reference={"spend": "z"})
    with pytest.raises(ColumnError, match="nothing for the hazard to depend on"):
        survival.fit_cox(frame[["duration", "event"]])
    with pytest.raises(DataError, match="'w': 1 not positive"):
        survival.fit_cox(frame.assign(w=[0] + [1] * 299), weight="w")
    with pytest.raises(DataError, match="'plan': 1 missing, the first in row 0"):
        survival.fit_cox(frame.assign(plan=[None, *frame["plan"][1:]]))
    with pytest.raises(DataError, match="look like numbers stored as text"):
        survival.fit_cox(frame.assign(plan=[str(i / 7) for i in range(300)]))
    with pytest.raises(DataError, match="ids and free text"):
        survival.fit_cox(frame.assign(plan=[f"c{i}" for i in range(300)]))
    with pytest.raises(DataError, match="datetime64"):
        survival.fit_cox(frame.assign(plan=pd.Timestamp("2024-01-01")))


def test_a_search_that_stops_says_so(monkeypatch):
    monkeypatch.setattr(_climb, "STEPS", 1)
    with pytest.warns(ConvergenceWarning, match="stopped after 1 steps"):
        model = survival.fit_cox(simulated())
    assert not model.converged


def test_one_time_for_all_events_has_nothing_to_change():
    frame = simulated(60).assign(duration=5.0)
    model = survival.fit_cox(frame, features=["spend"])
    assert model.proportionality["all"] == (0.0, 1.0, 1.0)


def test_without_comparable_pairs_there_is_no_concordance():
    frame = pd.DataFrame({"x": [1.0, 2, 3, 4], "duration": 5.0, "event": 1})
    model = survival.fit_cox(frame, penalty=1.0)
    assert math.isnan(model.concordance)


# ── recovery ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def coverage(sets, n=250):
    truth = np.array([0.5, -0.3, 0.7])
    inside, found = np.zeros(3), np.zeros((sets, 3))
    for seed in range(sets):
        rng = np.random.default_rng(seed)
        X = np.column_stack([rng.normal(size=n), rng.uniform(-1, 1, n), rng.random(n) < 0.4])
        life, seen = rng.weibull(1.5, n) * 10 * np.exp(-X @ truth / 1.5), rng.uniform(3, 20, n)
        frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(duration=np.minimum(life, seen), event=life <= seen)
        model = survival.fit_cox(frame)
        found[seed] = model.coefficients
        inside += np.abs(model.coefficients - truth) <= 1.959964 * np.array(errors(model))
    return inside / sets, found.mean(axis=0) - truth


def test_a_few_sets_find_the_truth():
    inside, bias = coverage(10)
    assert (inside >= 0.6).all()
    assert (np.abs(bias) < 0.2).all()


@pytest.mark.recovery
def test_intervals_hold_the_truth_at_their_level():
    inside, bias = coverage(1000)
    assert ((inside >= 0.93) & (inside <= 0.97)).all(), inside
    assert (np.abs(bias) < 0.02).all(), bias
