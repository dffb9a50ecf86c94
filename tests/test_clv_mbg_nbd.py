"""MBG/NBD: the literature's digits on CDNOW, the definition in 60 digits, the truth of simulated shops."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises, warns

from crmkit import clv
from crmkit._kernels import bg_nbd as kernel
from crmkit.clv._rows import Histories
from crmkit.errors import DataWarning, FitError
from crmkit.results import Model
from naive import clv as naive

PUBLISHED = {"r": 0.52484, "alpha": 6.18309, "a": 0.89136, "b": 1.61400}
PUBLISHED_ERRORS = {"r": 0.0833, "alpha": 0.6956, "a": 0.1548, "b": 0.5375}


@pytest.fixture(scope="module")
def cdnow(cdnow_sample):
    return clv.summarize(cdnow_sample, unit="W", end="1997-09-30")


@pytest.fixture(scope="module")
def model(cdnow):
    return clv.fit_mbg_nbd(clv.compress(cdnow), weight="weight")


def mbg_nbd(r, alpha, a, b):
    return clv.MbgNbd(
        r=r, alpha=alpha, a=a, b=b, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, unit="W",
        columns=("frequency", "recency", "T"), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip


def log_likelihood(parameters, rows):
    return kernel.log_likelihood(*parameters, 1.0, 1.0, rows.counts, rows.which, rows.t_x, rows.T, rows.weight, np.empty((0, 4)))


def test_cdnow_estimates(model):
    for name, value in PUBLISHED.items():
        assert getattr(model, name) == approx(value, abs=4e-5), name
        assert model.standard_errors[name] == approx(PUBLISHED_ERRORS[name], abs=6e-5), name
    assert model.log_likelihood == approx(-9582.1357, abs=1e-4)
    assert model.gradient_norm < 1e-8
    assert model.diagnosis == "well identified"


def test_cdnow_predictions(cdnow, model):
    assert model.expected_purchases(39, 2, 30.43, 38.86) == approx(1.26267, abs=1e-4)
    assert model.p_alive(2, 30.43, 38.86) == approx(0.70613, abs=2e-5)
    assert model.expected_purchases(52, 26, 216 / 7, 31) == approx(23.998, abs=5e-4)
    assert model.p_alive(26, 216 / 7, 31) == approx(0.96548, abs=5e-6)
    assert model.expected_purchases(52) == approx(1.41888, abs=5e-6)
    assert clv.p_alive(model, cdnow).sum() == approx(1057.64, abs=0.005)


def test_cdnow_holdout_by_frequency(cdnow, model):
    purchases = clv.expected_purchases(model, cdnow, horizon="39W")
    expected = [0.1852, 0.5514, 1.0490, 1.4929, 2.1043, 2.5636, 3.3608, 5.8485]
    assert purchases.groupby(cdnow["frequency"].clip(upper=7)).mean().tolist() == approx(expected, abs=6e-5)
    assert purchases.sum() == approx(1576.73, abs=0.005)


@pytest.mark.parametrize(("x", "t_x", "expected"), [(0, 0.0, -0.41792826), (200, 38.0, 100.78691)])
def test_log_likelihood_of_one_customer(x, t_x, expected):
    rows = Histories.collapse(np.array([float(x)]), np.array([t_x]), np.array([40.0]))
    assert log_likelihood((0.25, 4.0, 0.8, 2.5), rows)[0] == approx(expected, rel=1e-7)


PARAMETERS = [(0.52, 6.2, 0.89, 1.6), (3.0, 0.01, 1.0, 0.05), (1e-3, 100.0, 20.0, 1e4), (40.0, 1e8, 1e-4, 3.0)]
CUSTOMERS = [(0, 0.0, 0.0), (0, 0.0, 39.0), (1, 1 / 7, 39.0), (1, 39.0, 39.0), (26, 30.9, 31.0), (500, 5.0, 38.0)]


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("customer", [*CUSTOMERS, (20_000, 39.0 - 1e-9, 39.0)])
def test_likelihood_and_p_alive_are_those_of_the_paper(parameters, customer):
    rows = Histories.collapse(*(np.array([float(value)]) for value in customer))
    expected = float(naive.mbg_nbd_log_likelihood(*parameters, *customer))
    assert log_likelihood(parameters, rows)[0] == approx(expected, rel=1e-12, abs=1e-13)
    alive = float(naive.mbg_nbd_p_alive(*parameters, *customer))
    assert mbg_nbd(*parameters).p_alive(*customer) == approx(alive, rel=1e-11)


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_derivatives_are_those_of_the_likelihood(parameters):
    """Central differences of the value and of the gradient: five digits, and no term forgotten."""
    rows = Histories.collapse(*np.array(CUSTOMERS).T, weight=np.arange(1.0, 7.0))
    theta = np.log(parameters)
    _, gradient, hessian = log_likelihood(parameters, rows)
    for i in range(4):
        step = np.zeros(4)
        step[i] = 1e-5
        up, down = (log_likelihood(np.exp(theta + sign * step), rows) for sign in (1, -1))
        assert gradient[i] == approx((up[0] - down[0]) / 2e-5, rel=1e-5, abs=1e-4)
        assert hessian[i] == approx((up[1] - down[1]) / 2e-5, rel=1e-5, abs=1e-4)


def test_who_never_came_back_may_have_left():
    model = mbg_nbd(*PUBLISHED.values())
    assert model.p_alive(0, 0, 0) == approx(PUBLISHED["b"] / (PUBLISHED["a"] + PUBLISHED["b"]))
    assert (np.diff(model.p_alive(0, 0, [0, 10, 100])) < 0).all()
    # a new customer is one with no history at all
    assert model.expected_purchases(52) == model.expected_purchases(52, 0, 0, 0)


@pytest.mark.parametrize("x", [0, 3, 2000])
@pytest.mark.parametrize("a", [0.3, 1.0, 2.5])
def test_expected_purchases_are_finite_for_everybody(x, a):
    parameters = (0.52, 6.2, a, 1.6)
    t_x, T = (38.9 if x else 0.0), 39.0
    if x < 100:
        expected = naive.geometric_purchases(0.52 + x, 6.2 + T, a, 2.6 + x, 20.0)
    else:
        expected = naive.bg_nbd_purchases_by_quadrature(0.52, 6.2, a, 2.6, 20.0, x, T)
    expected *= naive.mbg_nbd_p_alive(*parameters, x, t_x, T)
    assert mbg_nbd(*parameters).expected_purchases(20.0, x, t_x, T) == approx(float(expected), rel=1e-11)


def test_estimates_find_the_truth_at_the_nominal_rate():
    """200 shops of 500 customers: the truth is inside the 95 % interval of the logs in 91 to 99 % of them."""
    truth = {"r": 0.9, "alpha": 6.0, "a": 0.8, "b": 2.0}
    n_sets, customers = (200, 500) if hasattr(kernel.log_likelihood, "py_func") else (3, 80)
    rng = np.random.default_rng(12)
    inside = dict.fromkeys(truth, 0)
    for _ in range(n_sets):
        T = rng.uniform(30.0, 70.0, customers)
        rows = naive.simulate_bg_nbd(rng, *truth.values(), T, early=True)
        fitted = clv.fit_mbg_nbd(pd.DataFrame(rows, columns=["frequency", "recency", "T"]))
        assert fitted.converged
        for name, value in truth.items():
            estimate = getattr(fitted, name)
            inside[name] += abs(math.log(estimate / value)) < 1.96 * fitted.standard_errors[name] / estimate
    if n_sets == 200:
        assert {name: count for name, count in inside.items() if not 182 <= count <= 198} == {}


def test_what_is_not_identified_is_named():
    with raises(FitError, match="MBG/NBD is not identified"):
        clv.fit_mbg_nbd(pd.DataFrame({"frequency": [0, 0], "recency": [0, 0], "T": [9, 9]}))
    loyal = pd.DataFrame({"frequency": [3, 5, 2, 9], "recency": [18.0, 29, 24, 30], "T": [20.0, 30, 25, 30]})
    with warns(DataWarning, match="MBG/NBD: .*a / \\(a \\+ b\\) tends to 0"):
        clv.fit_mbg_nbd(loyal)


def test_a_model_survives_json(model):
    again = Model.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert type(again) is clv.MbgNbd
    assert again.expected_purchases(39, 2, 30.43, 38.86) == model.expected_purchases(39, 2, 30.43, 38.86)
