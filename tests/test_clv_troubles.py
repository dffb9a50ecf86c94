"""What users of such models ran into: each trouble has an answer here, or words that name it."""

import dataclasses
import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises, warns
from scipy import stats

from crmkit import clv
from crmkit._kernels import bg_nbd as kernel
from crmkit._kernels.counts import negative_binomial
from crmkit.errors import DataError, DataWarning, FitError

COMPILED = hasattr(kernel.log_likelihood, "py_func")
HISTORY = ["frequency", "recency", "T"]
REST = {"log_likelihood": 0.0, "standard_errors": {}, "n": 1.0, "converged": True, "columns": (), "gradient_norm": 0.0}
REST |= {"condition": 1.0, "diagnosis": "given", "unit": "W"}
CDNOW = {
    "bg": clv.BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, **REST),
    "mbg": clv.MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614, **REST),
    "cnbd": clv.BgCnbd(r=0.525, alpha=3.0, a=0.891, b=1.614, k=2, modified=True, profile=(), **REST),
    "pareto": clv.ParetoNbd(r=0.553, alpha=10.578, s=0.606, beta=11.669, **REST),
}


@pytest.mark.parametrize("name", CDNOW)
@pytest.mark.parametrize("history", [(2000, 38.0, 38.5), (5000, 364.0, 365.0), (500, 5.0, 38.0), (2000, 1e-3, 1e4)])
def test_frequent_buyers_overflow_nothing(name, history):
    """Gamma functions of thousands, and 2F1 beside them, gave NaN from 2,000 purchases on."""
    model = CDNOW[name]
    alive, ahead = model.p_alive(*history), model.expected_purchases(39, *history)
    assert 0.0 <= alive <= 1.0
    assert 0.0 <= ahead <= 39.0 * 1.1 * history[0] / history[1]
    assert 0.0 <= model.discounted_purchases(0.1, *history, t=39) <= ahead + 1e-300


@pytest.mark.parametrize("tau", [9e3, 2e4, 1e8])
def test_counts_in_a_time_without_end_are_told_at_once(tau):
    """Their tail has billions of terms."""
    chances = np.empty(32)
    negative_binomial(0.01, tau, chances)
    assert chances[-1] == approx(stats.nbinom.sf(30, 0.01, 1.0 / (1.0 + tau)), rel=1e-9)
    assert chances.sum() == approx(1.0, rel=1e-13)


@pytest.mark.parametrize("name", ["bg", "mbg", "cnbd"])
def test_chances_of_few_purchases_do_not_depend_on_how_many_are_told_apart(name):
    """Where nearly everybody leaves early, nobody survives a thousand purchases: the chance is too small for the machine."""
    model = dataclasses.replace(CDNOW[name], a=6e4, b=4e4)
    few, many = (model.purchase_distribution(n, 10.0, 3, 5.0, 6.0) for n in (20, 1000))
    np.testing.assert_allclose(many[:20], few[:20], rtol=1e-12)
    assert many.sum() == approx(1.0, rel=1e-12)
    assert many[1:20] @ np.arange(1, 20) == approx(model.expected_purchases(10.0, 3, 5.0, 6.0), rel=1e-6)


@pytest.mark.parametrize(("s", "beta"), [(64.0, 7721.0), (200.0, 1e5), (3.0, 10.0), (1.0, 7.0), (0.02, 1e-3)])
def test_discounting_without_end_is_finite_for_all_rates_of_leaving(s, beta):
    """Large beta gave infinity, whole s a pole."""
    model = clv.ParetoNbd(r=0.55, alpha=10.58, s=s, beta=beta, **REST)
    endless = model.discounted_purchases(0.0027, 7, 70.0, 78.0)
    # with this rate nothing beyond 14,000 weeks counts
    assert endless == approx(model.discounted_purchases(0.0027, 7, 70.0, 78.0, t=14_000.0), rel=1e-9)
    assert 0.0 < endless < 7.55 / 88.58 / 0.0027


def test_value_is_never_negative_whatever_the_tail_of_spend():
    """q below 1 made expected spend negative, down to minus half a million."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"frequency": rng.geometric(0.6, 500), "monetary_value": rng.lognormal(3.0, 2.5, 500)})
    with warns(DataWarning, match="the mean spend of the population is infinite"):
        model = clv.fit_gamma_gamma(table)
    assert model.q < 1.0
    assert model.population_mean == math.inf
    known = table[model.p * table["frequency"] + model.q > 1.0]
    assert (clv.expected_spend(model, known) > 0.0).all()
    with raises(FitError, match="the expected spend is infinite"):
        model.expected_spend(0, 0.0)


def test_customers_without_repeats_get_the_mean_of_all():
    model = clv.GammaGamma(p=6.25, q=3.74, v=15.44, **{name: value for name, value in REST.items() if name != "unit"})
    assert model.expected_spend(0, 0.0) == approx(6.25 * 15.44 / 2.74)
    assert model.expected_spend(0, 99.0) == model.expected_spend(0, 0.0)


def test_a_model_is_a_few_numbers_however_many_customers():
    """Other models carry the data they saw, or need dill."""
    rng = np.random.default_rng(1)
    n = 20_000 if COMPILED else 200
    x = rng.poisson(2.0, n).astype(float)
    T = rng.integers(20, 60, n).astype(float)
    table = pd.DataFrame({"frequency": x, "recency": np.where(x > 0, np.ceil(T * rng.random(n)), 0.0), "T": T})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        text = json.dumps(clv.fit_bg_nbd(table).to_dict(), allow_nan=False)
    assert len(text) < 3_000


@pytest.mark.parametrize("kind", ["Int64", "Float64", "int32", "float32"])
def test_every_kind_of_number_scores_alike_under_its_own_index(kind):
    """Nullable integers raised, and an index of one's own gave NaN."""
    table = pd.DataFrame({"frequency": [2, 0, 5], "recency": [30, 0, 20], "T": [38, 30, 39]}, index=["c", "a", "b"])
    plain = clv.expected_purchases(CDNOW["bg"], table, horizon=39)
    found = clv.expected_purchases(CDNOW["bg"], table.astype(kind), horizon=39)
    assert found.index.tolist() == ["c", "a", "b"]
    assert found.tolist() == plain.tolist()
    assert not found.isna().any()


def test_opportunities_that_are_none_are_refused_before_they_fit_nonsense():
    with raises(DataError, match="'frequency' exceeds 'recency'"):
        clv.fit_bg_bb(pd.DataFrame({"frequency": [3, 1], "recency": [2, 1], "T": [6, 6]}))
    with raises(DataError, match="'T' is not whole"):
        clv.fit_bg_bb(pd.DataFrame({"frequency": [1, 1], "recency": [2, 1], "T": [6.5, 6]}))


def test_the_same_call_gives_the_same_model_to_the_bit():
    """Random starts gave another fourth digit on every call."""
    rng = np.random.default_rng(4)
    x = rng.poisson(1.5, 120).astype(float)
    T = rng.integers(20, 60, 120).astype(float)
    table = pd.DataFrame({"frequency": x, "recency": np.where(x > 0, np.ceil(T * rng.random(120)), 0.0), "T": T})
    for fit in (clv.fit_bg_nbd, clv.fit_pareto_nbd):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            assert fit(table, penalty=0.01).to_dict() == fit(table, penalty=0.01).to_dict()


def test_invoices_of_a_year_fit_with_their_ridge_named(data_file):
    """Other fits of these invoices take a minute, or stop where they were; the optimum lies at infinity."""
    orders = pd.read_parquet(data_file("online_retail_ii_invoices.parquet")).query("gross > 0")
    table = clv.summarize(orders, amount=None, unit="W", end="2010-12-31")
    with warns(DataWarning, match="only s / beta is identified"):
        model = clv.fit_pareto_nbd(table)
    assert model.converged
    assert model.log_likelihood == approx(-40465.491, abs=1e-3)
    assert model.influence < 3.0
    assert clv.fit_bg_nbd(table).influence < 3.0
    assert np.isfinite(clv.expected_purchases(model, table, horizon="26W")).all()


def test_donors_have_nobody_who_decides(data_file):
    donors = pd.read_csv(data_file("donations_bgbb.csv")).rename(columns={"periods": "T"})
    assert clv.fit_bg_bb(donors, weight="weights").influence < 1.0
