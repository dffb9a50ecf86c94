"""Forecasts against what happened: the literature's errors on CDNOW, scores by hand, forecasts without a model."""

import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises

from crmkit import clv
from crmkit.errors import ColumnError, DataError, FitError, OptionError
from naive import clv as naive


@pytest.fixture(scope="module")
def known(cdnow_sample):
    return clv.split(cdnow_sample, calibration_end="1997-09-30", end="1998-06-30").known


@pytest.fixture(scope="module")
def models(known):
    return [clv.fit_bg_nbd(known), clv.fit_mbg_nbd(known), clv.fit_pareto_nbd(known)]


@pytest.fixture(scope="module")
def shop():
    """Customers who do what a BG/NBD says, with the truth as the model."""
    n = 2000
    rng = np.random.default_rng(21)
    rows = naive.simulate_bg_nbd(rng, 0.8, 6.0, 0.9, 2.5, np.full(n, 30.0), later=26.0)
    table = pd.DataFrame(rows, columns=["frequency", "recency", "T", "holdout_frequency"]).assign(holdout_T=26.0)
    truth = clv.BgNbd(
        r=0.8, alpha=6.0, a=0.9, b=2.5, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, unit=None,
        columns=("frequency", "recency", "T"), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip
    return table, truth


@pytest.mark.parametrize(
    ("which", "mae", "rmse", "total"),
    [(0, 0.7855, 1.6080, 1653.41), (1, 0.7648, 1.6072, 1576.73), (2, 0.7545, 1.6028, 1665.51)],
)
def test_cdnow_errors_of_the_literature(known, models, which, mae, rmse, total):
    found = clv.evaluate(models[which], known)
    assert (found.n, found.actual, found.horizon) == (2357, 1882, 39.0)
    assert found.mae.value == approx(mae, abs=6e-5)
    assert found.rmse.value == approx(rmse, abs=6e-5)
    assert found.expected == approx(total, abs=0.005)
    assert found.bias.value == approx((total - 1882) / 2357, abs=1e-5)
    assert found.by_frequency["n"].tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
    actual = [0.2367, 0.6970, 1.3925, 1.5600, 2.5323, 2.9474, 3.8621, 6.3594]
    assert found.by_frequency["actual"].tolist() == approx(actual, abs=6e-5)


def test_models_of_cdnow_are_worth_more_than_no_model(known, models):
    table = clv.compare(models, known).set_index("model")
    assert table.index.tolist()[:3] == ["BG/NBD", "MBG/NBD", "Pareto/NBD"]
    assert table.index.tolist()[3:] == ["all at the mean rate", "each at the own rate", "as much as last period"]
    assert table["mae"].iloc[:3].max() < table["mae"].iloc[3:].min()
    assert table["rmse"].iloc[:3].max() < table["rmse"].iloc[3:].min()
    assert table["log_score"].iloc[:3].min() > table.loc["all at the mean rate", "log_score"]
    assert table["log_score"].iloc[4:].isna().all()
    assert (table["skill"].iloc[:3] > 2 * table["skill_se"].iloc[:3]).all()
    assert table["skill"].iloc[3:].max() == 0
    assert set(table["actual"]) == {1882.0}


def test_scores_by_hand():
    known = pd.DataFrame(
        {
            "frequency": [0, 2, 5],
            "recency": [0.0, 9, 22],
            "T": [39.0, 30, 28],
            "holdout_frequency": [0, 30, 1],
            "holdout_T": 26.0,
            "previous_frequency": [0, 1, 4],
        }
    )
    model = clv.fit_bg_nbd(known, penalty=0.5)
    history = [known[name].to_numpy(float) for name in ("frequency", "recency", "T")]
    expected, actual = model.expected_purchases(26.0, *history), np.array([0, 30, 1])
    found = clv.evaluate(model, known)
    chances = [math.log(model.purchase_distribution(40, 26.0, *row)[k]) for *row, k in zip(*history, actual, strict=True)]
    assert found.log_score.value == approx(np.mean(chances), rel=1e-11)
    assert found.mae.value == approx(np.abs(expected - actual).mean())
    assert found.mae.se == approx(np.abs(expected - actual).std(ddof=1) / math.sqrt(3))
    assert found.rmse.value == approx(math.sqrt(((expected - actual) ** 2).mean()))
    assert found.by_frequency["frequency"].tolist() == [0, 2, 5]
    assert found.by_decile["n"].tolist() == [1, 1, 1]
    assert "3 customers over 26" in repr(found)
    assert found.rival == "all at the mean rate"
    rival = np.full(3, 26.0 * 7 / 97)
    assert found.skill.value == approx(1 - ((expected - actual) ** 2).mean() / ((rival - actual) ** 2).mean())
    inside = clv.prediction_interval(model, known, horizon=26.0, level=0.8)
    assert found.coverage.value == approx(
        np.mean((inside.customers["purchases_low"] <= actual) & (actual <= inside.customers["purchases_high"]))
    )
    assert (found.interval.ci_low, found.interval.ci_high) == (inside.purchases.ci_low, inside.purchases.ci_high)
    assert found.pit["n"].sum() == 3
    assert found.by_decile["coverage"].mean() == approx(found.coverage.value)
    table = clv.compare({"mine": model}, known).set_index("model")
    assert table.loc["all at the mean rate", "expected"] == approx(3 * 26 * 7 / 97)
    assert table.loc["each at the own rate", "expected"] == approx(26 * (2 / 30 + 5 / 28))
    assert table.loc["as much as last period", "mae"] == approx((0 + 29 + 3) / 3)
    assert table.loc["mine", "mae"] == approx(found.mae.value)


def test_the_truth_has_no_bias_and_the_best_log_score(shop):
    table, truth = shop
    found = clv.evaluate(truth, table, level=0.999)
    assert found.bias.ci_low < 0 < found.bias.ci_high
    for change in ({"r": 1.6}, {"a": 0.2}, {"alpha": 12.0}):
        wrong = type(truth).from_dict({**truth.to_dict(), **change})
        assert clv.evaluate(wrong, table).log_score.value < found.log_score.value, change


def test_the_truth_is_calibrated_as_a_distribution(shop):
    table, truth = shop
    draws = 99 if is_plain_python() else 999
    found = clv.evaluate(truth, table, draws=draws)
    assert found.pit_p_value > 0.01
    assert found.pit["share"].between(0.07, 0.13).all()
    assert found.coverage.value >= 0.8
    assert found.coverage.ci_low < found.coverage.value < found.coverage.ci_high
    assert found.interval.ci_low < found.actual < found.interval.ci_high
    too_sure = type(truth).from_dict({**truth.to_dict(), "r": 80.0, "alpha": 600.0})
    narrow = clv.evaluate(too_sure, table, draws=draws)
    assert narrow.pit_p_value < 1e-6
    assert narrow.coverage.value < found.coverage.value
    without = clv.evaluate(truth, table, draws=0)
    assert (without.interval, without.coverage) == (None, None)
    assert "coverage" not in without.by_decile
    assert without.log_score == found.log_score


def test_a_model_that_is_not_worth_it_says_so():
    """Customers of one rate who never leave: what each bought in the past is chance, and the mean rate knows all there is."""
    random = np.random.default_rng(3)
    n, T, t = 2000, 30.0, 30.0
    x = random.poisson(2.0, n)
    table = pd.DataFrame(
        {
            "frequency": x,
            "recency": np.where(x > 0, T * random.beta(np.maximum(x, 1), 1), 0.0),
            "T": T,
            "holdout_frequency": random.poisson(2.0, n),
            "holdout_T": t,
        }
    )
    eager = clv.BgNbd(
        r=0.05, alpha=0.05 * T / 2, a=0.01, b=2.0, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, unit=None,
        columns=("frequency", "recency", "T"), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip
    found = clv.evaluate(eager, table, draws=0)
    assert found.skill.ci_high < 0
    assert "not worth it, next to 'all at the mean rate'" in repr(found)
    blind = clv.compare(eager, table).set_index("model").loc["all at the mean rate"]
    assert blind["log_score"] > found.log_score.value
    # the negative binomial of the mean rate is the Poisson that made the purchases, nearly
    entropy = np.mean([y * math.log(2.0) - 2.0 - math.lgamma(y + 1) for y in table["holdout_frequency"]])
    assert blind["log_score"] == approx(entropy, abs=0.02)


def test_an_impossible_holdout_has_a_finite_score(shop):
    table, truth = shop
    absurd = table.head(3).assign(holdout_frequency=[0, 1, 4000])
    assert clv.evaluate(truth, absurd, draws=0).log_score.value >= -745


def test_nothing_bought_before_or_after_is_no_trouble(shop):
    """Nobody bought and nobody will: every rival is right, and there is nothing to save."""
    _, truth = shop
    silent = pd.DataFrame({"frequency": 0, "recency": 0.0, "T": [9.0, 8.0], "holdout_frequency": 0, "holdout_T": 5.0})
    found = clv.evaluate(truth, silent, draws=99)
    assert found.skill.value == -math.inf
    assert "not worth it" in repr(found)
    table = clv.compare(truth, silent).set_index("model")
    assert table.loc["all at the mean rate", "log_score"] == 0


def test_what_cannot_be_evaluated(shop, known, models):
    table, truth = shop
    with raises(ColumnError, match="holdout_frequency"):
        clv.evaluate(truth, table.drop(columns="holdout_frequency"))
    with raises(DataError, match="'holdout_T' ranges from 1 to 26"):
        clv.evaluate(truth, table.head(2).assign(holdout_T=[1.0, 26.0]))
    with raises(DataError, match="no rows"):
        clv.evaluate(truth, table.iloc[:0])
    for function in (clv.evaluate, clv.compare):
        with raises(DataError, match="one row: how far errors differ between customers"):
            function(truth, table.iloc[:1])
    with raises(OptionError, match="got GammaGamma"):
        clv.evaluate(clv.fit_gamma_gamma(known), known)
    with raises(OptionError, match="level"):
        clv.evaluate(truth, table, level=95)
    with raises(DataError, match="fitted in 'W'"):
        clv.evaluate(models[0], known.assign(unit="D"))
    with raises(OptionError, match="draws"):
        clv.evaluate(truth, table, draws=-1)
    with raises(OptionError, match="too few for level"):
        clv.evaluate(truth, table, draws=5, coverage_level=0.9)
    with raises(OptionError, match="a mapping that gives each a name"):
        clv.compare([models[0], models[0]], known)
    with raises(OptionError, match="got str"):
        clv.compare(["BG/NBD"], known)


def is_plain_python():
    from crmkit._kernels import bg_nbd

    return not hasattr(bg_nbd.log_likelihood, "py_func")


# ── what intervals did in two shops of the literature: the figures of docs/explanation/clv_coverage.md ───────────────────


def test_intervals_of_cdnow_hold_for_customers_and_not_for_the_total(known, models):
    draws = {"draws": 199} if is_plain_python() else {}
    for model, each, low, high in zip(models, (0.927, 0.923, 0.882), (1526, 1457, 1523), (1778, 1707, 1852), strict=True):
        found = clv.evaluate(model, known, **draws)
        assert found.coverage.value == approx(each, abs=0.01)
        assert (found.interval.ci_low, found.interval.ci_high) == approx((low, high), rel=0.02)
        assert found.interval.ci_high < found.actual
        assert found.skill.ci_low > 0


@pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")
def test_models_of_online_retail_are_not_worth_it_and_say_so(data_file):
    """Customers of years count as new on the file's first day: the fit expects half as much again as was bought."""
    lines = pd.read_parquet(data_file("online_retail_ii_invoices.parquet"))
    lines = lines[lines["gross"] > 0].rename(columns={"gross": "amount"})
    known = clv.split(lines, calibration_end="2010-12-31").known
    model = clv.fit_bg_nbd(known)
    found = clv.evaluate(model, known)
    assert (found.n, found.horizon, found.actual) == (4342, 49.0, 11783)
    assert found.expected == approx(16471, abs=1)
    assert found.coverage.value == approx(0.901, abs=0.01)
    assert found.interval.ci_low == approx(16165, rel=0.01)
    assert found.skill.value < 0
    assert "not worth it" in repr(found)


# ── tracking ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_weekly_tracking_of_cdnow_is_that_of_the_literature(models, cdnow_sample):
    """Weeks 20 to 25, as published with R's BTYD, whose Pareto/NBD estimate is known to three digits."""
    weeks = clv.tracking(models, cdnow_sample, calibration_end="1997-09-30", end="1998-06-30")
    assert set(weeks.groupby("model").size()) == {78}
    assert weeks["holdout"].sum() == 3 * 39
    shown = weeks[weeks["period"].between(20, 25)].groupby("model")
    assert shown.get_group("BG/NBD")["actual"].tolist() == [73, 55, 70, 33, 56, 99]
    assert shown.get_group("BG/NBD")["cumulative_actual"].tolist() == [1359, 1414, 1484, 1517, 1573, 1672]
    expected = {
        "BG/NBD": ([76.865, 74.888, 73.046, 71.322, 69.704, 68.182], 1312.458, 1669.6),
        "Pareto/NBD": ([78.308, 76.419, 74.648, 72.983, 71.414, 69.933], 1308.856, 1674.253),
    }
    for name, (increments, first, last) in expected.items():
        found = shown.get_group(name)
        assert found["expected"].tolist() == approx(increments, rel=1e-4)
        assert found["cumulative_expected"].iloc[[0, -1]].tolist() == approx([first, last], rel=1e-4)
    assert weeks["end"].iloc[77] == pd.Timestamp("1998-06-30")
    assert weeks["cumulative_actual"].iloc[77] == 4339


def test_expected_repeat_purchases_at_the_end_of_each_part(models, known):
    bg, _, pareto = models
    for model, inside, after in ((bg, 2493.96, 4160.61), (pareto, 2524.93, 4270.04)):
        assert model.expected_purchases(known["T"].to_numpy()).sum() == approx(inside, abs=0.006)
        assert model.expected_purchases(known["T"].to_numpy() + 39.0).sum() == approx(after, abs=0.006)


def test_tracking_by_hand(shop):
    _, truth = shop
    truth = type(truth).from_dict({**truth.to_dict(), "unit": "W"})
    days = ["2024-01-01", "2024-01-01", "2024-01-03", "2024-01-09", "2024-01-10", "2024-01-17", "2024-01-20"]
    orders = pd.DataFrame({"customer_id": list("aaababc"), "timestamp": pd.to_datetime(days), "amount": 1.0})
    found = clv.tracking(truth, orders, calibration_end="2024-01-14")
    assert found["actual"].tolist() == [1, 1, 1]  # c joined later; two purchases of a day are one
    assert found["end"].dt.strftime("%m-%d").tolist() == ["01-07", "01-14", "01-20"]
    assert found["holdout"].tolist() == [False, False, True]
    joined = [0.0, 8.0]
    whole = [sum(truth.expected_purchases(max(e - j, 0.0) / 7) for j in joined) for e in (7.0, 14.0, 20.0)]
    assert found["cumulative_expected"].tolist() == approx(whole)
    assert found["expected"].tolist() == approx(np.diff(whole, prepend=0.0))
    days = clv.tracking({"mine": truth}, orders, period="1D")
    assert len(days) == 20
    assert days["actual"].sum() == 3
    assert set(days["model"]) == {"mine"}
    half = clv.tracking(truth, orders, calibration_end="2024-01-30", end="2024-01-10", period="14D")
    assert half["actual"].tolist() == [2]


def test_what_cannot_be_tracked(models, cdnow_sample, shop):
    with raises(FitError, match="BgNbd does not know its unit"):
        clv.tracking(shop[1], cdnow_sample)
    counted = clv.BgBb(
        alpha=1.0, beta=1.0, gamma=1.0, delta=1.0, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, unit="W",
        columns=(), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip
    with raises(FitError, match="counts opportunities"):
        clv.tracking(counted, cdnow_sample)
    with raises(FitError, match="does not count purchases"):
        clv.tracking(["BG/NBD"], cdnow_sample)
    with raises(OptionError, match="whole number of days"):
        clv.tracking(models[0], cdnow_sample, period="36h")
    with raises(DataError, match="no purchase lies on or before 1990-01-01"):
        clv.tracking(models[0], cdnow_sample, calibration_end="1990-01-01")
