"""Forecasts against what happened: the literature's errors on CDNOW, scores by hand, forecasts without a model."""

import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises

from crmkit import clv
from crmkit.errors import ColumnError, DataError, OptionError
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
    assert table["log_score"].iloc[:3].notna().all()
    assert table["log_score"].iloc[3:].isna().all()
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


def test_an_impossible_holdout_has_a_finite_score(shop):
    table, truth = shop
    absurd = table.head(3).assign(holdout_frequency=[0, 1, 4000])
    assert clv.evaluate(truth, absurd).log_score.value >= -745


def test_what_cannot_be_evaluated(shop, known, models):
    table, truth = shop
    with raises(ColumnError, match="holdout_frequency"):
        clv.evaluate(truth, table.drop(columns="holdout_frequency"))
    with raises(DataError, match="'holdout_T' ranges from 1 to 26"):
        clv.evaluate(truth, table.head(2).assign(holdout_T=[1.0, 26.0]))
    with raises(DataError, match="no rows"):
        clv.evaluate(truth, table.iloc[:0])
    with raises(OptionError, match="got GammaGamma"):
        clv.evaluate(clv.fit_gamma_gamma(known), known)
    with raises(OptionError, match="level"):
        clv.evaluate(truth, table, level=95)
    with raises(DataError, match="fitted in 'W'"):
        clv.evaluate(models[0], known.assign(unit="D"))
    with raises(OptionError, match="a mapping that gives each a name"):
        clv.compare([models[0], models[0]], known)
    with raises(OptionError, match="got str"):
        clv.compare(["BG/NBD"], known)
