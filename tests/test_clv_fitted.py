"""What every fitted model carries: covariances of its log parameters, and errors that agree with them."""

import json
import math

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from pytest import approx, warns

from crmkit import clv
from crmkit._kernels import bg_nbd as kernel
from crmkit.clv._newton import Optimum
from crmkit.errors import DataWarning
from crmkit.results import Model
from naive import clv as naive


def customers(n=150, seed=5):
    rng = np.random.default_rng(seed)
    rows = naive.simulate_bg_nbd(rng, 0.9, 6.0, 0.9, 2.5, rng.integers(20, 60, n).astype(float))
    table = pd.DataFrame(rows, columns=["frequency", "recency", "T"])
    rate = rng.gamma(4.0, 1.0 / 15.0, n)
    spent = [rng.gamma(6.0, 1.0 / nu, int(x)).mean() if x else 0.0 for nu, x in zip(rate, table["frequency"], strict=True)]
    return table.assign(monetary_value=spent)


def opportunities(seed=6):
    rng = np.random.default_rng(seed)
    rows = naive.simulate_bg_bb(rng, 1.2, 0.75, 0.66, 2.8, np.full(300, 6))
    return pd.DataFrame(rows, columns=["frequency", "recency", "T", "after"])


def contracts():
    return pd.DataFrame({"age": [1, 2, 3, 4, 5, 5], "lost": [1, 1, 1, 1, 1, 0], "n": [131, 126, 90, 60, 51, 542]})


FITS = {
    "bg_nbd": lambda **options: clv.fit_bg_nbd(customers(), **options),
    "mbg_nbd": lambda **options: clv.fit_mbg_nbd(customers(), **options),
    "pareto_nbd": lambda **options: clv.fit_pareto_nbd(customers(), **options),
    "bg_bb": lambda **options: clv.fit_bg_bb(opportunities(), **options),
    "gamma_gamma": lambda **options: clv.fit_gamma_gamma(customers(), **options),
    "sbg": lambda **options: clv.fit_sbg(contracts(), weight="n", **options),
    "bdw": lambda **options: clv.fit_bdw(contracts(), weight="n", **options),
}


# a row by itself: its log-likelihood as a function of the logs of the parameters, in units of the table
BY_ROW = {
    "bg_nbd": lambda theta, row: naive.bg_nbd_log_likelihood(*np.exp(theta), *row[["frequency", "recency", "T"]]),
    "mbg_nbd": lambda theta, row: naive.mbg_nbd_log_likelihood(*np.exp(theta), *row[["frequency", "recency", "T"]]),
    "pareto_nbd": lambda theta, row: naive.pareto_nbd_log_likelihood(*np.exp(theta), *row[["frequency", "recency", "T"]], 40),
    "bg_bb": lambda theta, row: mp.log(
        mp.fsum(naive.bg_bb_ways(*np.exp(theta), *row[["frequency", "recency", "T"]].astype(int)))
    ),
    "gamma_gamma": lambda theta, row: naive.gamma_gamma_log_likelihood(*np.exp(theta), *row[["frequency", "monetary_value"]]),
    "sbg": lambda theta, row: contract(*np.exp(theta), 1.0, *row[["age", "lost"]]),
    "bdw": lambda theta, row: contract(*np.exp(theta), *row[["age", "lost"]]),
}
FRAMES = {"bg_bb": opportunities, "sbg": contracts, "bdw": contracts}


def contract(alpha, beta, c, age, lost):
    def survival(t):
        return mp.beta(alpha, beta + mp.mpf(t) ** c) / mp.beta(alpha, beta) if t else mp.mpf(1)

    return mp.log(survival(age - 1) - survival(age) if lost else survival(age))


@pytest.mark.parametrize("name", FITS)
def test_robust_errors_are_the_sandwich_of_the_rows_own_gradients(name):
    if not hasattr(kernel.log_likelihood, "py_func") and name in ("bg_nbd", "mbg_nbd", "pareto_nbd"):
        pytest.skip("two fits and their sums in many digits: where kernels are compiled")
    plain, robust = FITS[name](), FITS[name](robust=True)
    assert (plain.robust, robust.robust) == (False, True)
    assert [getattr(robust, parameter) for parameter in robust.PARAMETERS] == [getattr(plain, p) for p in plain.PARAMETERS]
    table = FRAMES.get(name, customers)()
    if name == "gamma_gamma":
        table = table[table["frequency"] > 0]
    rows = table.value_counts().reset_index() if name == "bg_bb" else table.assign(count=table.get("n", 1))
    theta = np.log([getattr(plain, parameter) for parameter in plain.PARAMETERS])
    meat = np.zeros((theta.size, theta.size))
    for _, row in rows.iterrows():
        score = np.zeros(theta.size)
        for j in range(theta.size):
            step = np.where(np.arange(theta.size) == j, 1e-6, 0.0)
            score[j] = float(BY_ROW[name](theta + step, row) - BY_ROW[name](theta - step, row)) / 2e-6
        meat += float(row["count"]) * np.outer(score, score)
    bread = np.array(plain.covariance)
    assert np.array(robust.covariance) == approx(bread @ meat @ bread, rel=1e-5, abs=1e-9)
    for j, parameter in enumerate(robust.PARAMETERS):
        assert robust.standard_errors[parameter] == approx(math.exp(theta[j]) * math.sqrt(robust.covariance[j][j]), rel=1e-12)


def test_robust_errors_hold_where_the_model_does_not():
    """Two kinds of buyers instead of a gamma: the spread of alpha over 120 shops is the sandwich's, not the information's."""
    if not hasattr(kernel.log_likelihood, "py_func"):
        pytest.skip("hundreds of fits: where kernels are compiled")
    rng = np.random.default_rng(1)
    found, information, sandwich = [], [], []
    for _ in range(120):
        rows = []
        for end in rng.uniform(30, 60, 300):
            rate, leaves = rng.choice([0.02, 0.6], p=[0.7, 0.3]), rng.choice([0.02, 0.5])
            x, last, now = 0, 0.0, rng.exponential(1 / rate)
            while now <= end:
                x, last = x + 1, now
                now = math.inf if rng.random() < leaves else now + rng.exponential(1 / rate)
            rows.append((x, last, end))
        table = pd.DataFrame(rows, columns=["frequency", "recency", "T"])
        model, robust = clv.fit_bg_nbd(table), clv.fit_bg_nbd(table, robust=True)
        found.append(math.log(model.alpha))
        information.append(math.sqrt(model.covariance[1][1]))
        sandwich.append(math.sqrt(robust.covariance[1][1]))
    # the standard deviation of 120 values has a standard error of 6.5 %
    assert np.mean(sandwich) == approx(np.std(found), rel=0.15)
    assert np.mean(information) > 1.25 * np.std(found)


@pytest.mark.parametrize("name", FITS)
def test_errors_are_the_roots_of_the_variances_and_survive_json(name):
    model = FITS[name]()
    covariance = np.array(model.covariance)
    assert covariance.shape == (len(model.PARAMETERS), len(model.PARAMETERS))
    assert (covariance == covariance.T).all()
    assert np.linalg.eigvalsh(covariance).min() > 0.0
    for j, parameter in enumerate(model.PARAMETERS):
        expected = getattr(model, parameter) * math.sqrt(covariance[j, j])
        assert model.standard_errors[parameter] == approx(expected, rel=1e-14)
    again = Model.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert again.covariance == model.covariance


def test_the_covariance_is_the_inverse_of_the_information():
    information = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 2.0]])
    found = Optimum(np.zeros(3), 0.0, np.zeros(3), -information, 1, True).covariance
    assert found == approx(np.linalg.inv(information), rel=1e-12)


def test_a_free_direction_has_infinite_variances_and_survives_json():
    flat = np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 4.0]])  # the first two grow together for free
    found = Optimum(np.zeros(3), 0.0, np.zeros(3), -flat, 1, True).covariance
    assert found.tolist() == [[math.inf, 0.0, 0.0], [0.0, math.inf, 0.0], [0.0, 0.0, 0.25]]
    buyers = [(3, 18.0, 20.0), (5, 29.0, 30.0), (2, 24.0, 25.0), (0, 0.0, 22.0), (9, 30.0, 30.0), (4, 27, 28)]
    with warns(DataWarning, match="boundary"):
        model = clv.fit_bg_nbd(pd.DataFrame(buyers, columns=["frequency", "recency", "T"]))
    assert model.covariance[2][2] == math.inf
    assert Model.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False))).covariance == model.covariance
