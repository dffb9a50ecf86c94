"""BG/BB: the literature's digits on the donations, the definition in 50 digits, the truth of simulated donors."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises, warns

from crmkit import clv
from crmkit._kernels import bg_bb as kernel
from crmkit.clv._rows import Histories
from crmkit.errors import DataError, DataWarning, FitError, OptionError
from crmkit.results import Model
from naive import clv as naive

PUBLISHED = {"alpha": 1.20352, "beta": 0.74972, "gamma": 0.65672, "delta": 2.78344}
PUBLISHED_ERRORS = {"alpha": 0.0694, "beta": 0.0294, "gamma": 0.0510, "delta": 0.3208}
RATE = math.log(1.1)


@pytest.fixture(scope="module")
def donations(wheel_file):
    return pd.read_csv(wheel_file("lifetimes", "donations.csv")).rename(columns={"periods": "T"})


@pytest.fixture(scope="module")
def model(donations):
    return clv.fit_bg_bb(donations, weight="weights", unit="Y")


def bg_bb(alpha, beta, gamma, delta):
    return clv.BgBb(
        alpha=alpha, beta=beta, gamma=gamma, delta=delta, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, unit="Y",
        columns=("frequency", "recency", "T"), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip


def log_likelihood(parameters, *customers, weight=None):
    rows = Histories.collapse(*np.array(customers, dtype=float).T, weight=weight)
    return kernel.log_likelihood(
        *map(float, parameters), rows.counts, rows.which, rows.t_x, rows.T, rows.weight, np.empty((0, 4))
    )


# ── published numbers ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_donations_have_the_estimates_of_the_literature(model):
    for name, value in PUBLISHED.items():
        assert getattr(model, name) == approx(value, abs=1e-5), name
        assert model.standard_errors[name] == approx(PUBLISHED_ERRORS[name], abs=6e-5), name
    assert model.log_likelihood == approx(-33225.5813, abs=1e-4)
    assert model.n == 11104
    assert model.gradient_norm < 1e-8
    assert model.diagnosis == "well identified"


def test_donations_expected_of_donors(donations, model):
    assert model.expected_purchases(10) == approx(3.179829, abs=5e-7)
    assert model.expected_purchases(10, [0, 4], [0, 5], 6) == approx([0.1302181, 3.627968], abs=5e-7)
    assert donations["weights"] @ clv.expected_purchases(model, donations, horizon="5Y") == approx(12884.16, abs=0.005)


def test_donors_alive_now_and_next_year(model):
    history = ([0, 2, 6], [0, 4, 6], 6)
    assert model.p_alive(*history) == approx([0.116, 0.634, 1.0], abs=5e-4)
    assert model.p_alive(*history, 1) == approx([0.108, 0.590, 0.930], abs=5e-4)
    assert model.p_alive(6, 6, 6) == 1.0


def test_donations_discounted(model):
    """At 10 % a year."""
    assert model.discounted_purchases(RATE, 3, 4, 6) == approx(1.6293, abs=6e-5)
    expected = [1.8078, 2.6282, 3.4486, 4.2689, 5.0893, 5.9097]
    # printed for another optimiser's estimate
    assert model.discounted_purchases(RATE, [1, 2, 3, 4, 5, 6], 6, 6) == approx(expected, abs=3e-4)
    assert model.discounted_purchases(RATE, 0, 0, 6) == approx(0.1148, abs=6e-5)


def test_donors_by_number_of_donations(model):
    chances = 11104 * model.purchase_distribution(6, 6)
    assert chances[[0, 6]] == approx([3454.9, 1253.1], abs=0.05)


def test_donations_of_the_holdout_by_frequency(donations, model):
    purchases = donations["weights"] * clv.expected_purchases(model, donations, horizon=5)
    mean = purchases.groupby(donations["frequency"]).sum() / donations.groupby("frequency")["weights"].sum()
    # printed for another optimiser's estimate
    assert mean.tolist() == approx([0.0729, 0.3249, 0.7089, 1.3337, 2.0312, 2.7845, 3.7525], abs=2e-4)


def test_yearly_donations(donations, model):
    """Of all donors, from the first year on."""
    n = donations["weights"].sum()
    found = n * np.diff(model.expected_purchases(np.arange(12.0)))
    expected = [5535.833, 4717.059, 4147.621, 3724.665, 3395.888, 3131.647, 2913.778, 2730.482, 2573.731, 2437.854, 2318.727]
    assert found == approx(expected, rel=2e-4)


# ── the definition, by the slow road ─────────────────────────────────────────────────────────────────────────────────────

PARAMETERS = [(1.2, 0.75, 0.66, 2.8), (1e-4, 50.0, 1.0, 1e-3), (1e6, 3e6, 1e-3, 1e5), (30.0, 0.01, 20.0, 1.0)]
CUSTOMERS = [(0, 0, 0), (0, 0, 6), (1, 1, 6), (2, 5, 7), (6, 6, 6), (3, 30, 60), (52, 52, 400)]


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("customer", CUSTOMERS)
def test_likelihood_and_p_alive_are_those_of_the_paper(parameters, customer):
    import mpmath as mp

    ways = naive.bg_bb_ways(*parameters, *customer)
    with mp.workdps(50):
        expected, alive = float(mp.log(mp.fsum(ways))), float(ways[-1] / mp.fsum(ways))
    assert log_likelihood(parameters, customer)[0] == approx(expected, rel=1e-11, abs=1e-13)
    assert bg_bb(*parameters).p_alive(*customer) == approx(alive, rel=1e-11)


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("customer", CUSTOMERS[:6])
def test_the_future_is_that_of_the_definition(parameters, customer):
    stays, purchases, chances = naive.bg_bb_future(*parameters, customer[0], customer[2], 12)
    model = bg_bb(*parameters)
    alive = model.p_alive(*customer)
    assert model.p_alive(*customer, [0, 1, 12]) == approx([alive * float(stays[k]) for k in (0, 1, 12)], rel=1e-11)
    assert model.expected_purchases(12, *customer) == approx(alive * float(purchases), rel=1e-11)
    expected = [alive * float(chance) for chance in chances]
    expected[0] += 1 - alive
    found = model.purchase_distribution(12, 12, *customer)
    assert found[:-1] == approx(expected, rel=1e-11, abs=1e-15)
    assert found[-1] == 0.0
    few = model.purchase_distribution(4, 12, *customer)
    assert few == approx([*expected[:5], sum(expected[5:])], rel=1e-11, abs=1e-15)


def test_discounted_purchases_are_the_hypergeometric_series():
    import mpmath as mp

    for parameters in (PARAMETERS[0], PARAMETERS[3]):
        alpha, beta, gamma, delta = parameters
        for rate in (RATE, 3.0):
            with mp.workdps(30):
                a, b, c, d, w = (mp.mpf(float(value)) for value in (alpha, beta, gamma, delta + 6, math.exp(-rate)))
                expected = (a + 2) / (a + b + 6) * d / (c + d) * w * mp.hyp2f1(1, d + 1, c + d + 1, w)
            found = bg_bb(*parameters).discounted_purchases(rate, 2, 6, 6)
            assert found == approx(float(expected), rel=1e-10), (parameters, rate)


@pytest.mark.parametrize("parameters", PARAMETERS[:2])
def test_derivatives_are_those_of_the_likelihood(parameters):
    weight = np.arange(1.0, 7.0)
    theta = np.log(parameters)
    _, gradient, hessian = log_likelihood(np.exp(theta), *CUSTOMERS[:6], weight=weight)
    for i in range(4):
        step = np.zeros(4)
        step[i] = 1e-5
        up, down = (log_likelihood(np.exp(theta + sign * step), *CUSTOMERS[:6], weight=weight) for sign in (1, -1))
        assert gradient[i] == approx((up[0] - down[0]) / 2e-5, rel=1e-5, abs=1e-4)
        assert hessian[i] == approx((up[1] - down[1]) / 2e-5, rel=1e-5, abs=1e-4)


def test_estimates_find_the_truth_at_the_nominal_rate():
    """200 charities of 500 donors: the truth is inside the 95 % interval of the logs in 91 to 99 % of them."""
    truth = {"alpha": 1.2, "beta": 0.9, "gamma": 1.0, "delta": 4.0}
    n_sets, donors = (200, 500) if hasattr(kernel.log_likelihood, "py_func") else (2, 300)
    rng = np.random.default_rng(14)
    inside = dict.fromkeys(truth, 0)
    for _ in range(n_sets):
        rows = naive.simulate_bg_bb(rng, *truth.values(), rng.integers(6, 13, donors))
        fitted = clv.fit_bg_bb(pd.DataFrame(rows, columns=["frequency", "recency", "T", "later"]))
        assert fitted.converged
        for name, value in truth.items():
            estimate = getattr(fitted, name)
            inside[name] += abs(math.log(estimate / value)) < 1.96 * fitted.standard_errors[name] / estimate
    if n_sets == 200:
        assert {name: count for name, count in inside.items() if not 182 <= count <= 198} == {}


def test_simulated_donors_do_what_is_expected_of_them():
    n = 20_000 if hasattr(kernel.log_likelihood, "py_func") else 300
    model = bg_bb(1.2, 0.9, 1.0, 4.0)
    rows = np.array(naive.simulate_bg_bb(np.random.default_rng(6), 1.2, 0.9, 1.0, 4.0, np.full(n, 6), later=5), dtype=float)
    gap = rows[:, 3] - model.expected_purchases(5, *rows[:, :3].T)
    assert abs(gap.mean()) < 4 * gap.std() / math.sqrt(n)
    chances = model.purchase_distribution(5, 5, *rows[:, :3].T).mean(axis=0)
    for k in range(6):
        assert abs((rows[:, 3] == k).mean() - chances[k]) < 4 * math.sqrt(0.25 / n)


# ── what must be refused or named ────────────────────────────────────────────────────────────────────────────────────────


def test_rows_that_are_no_opportunities():
    def table(*rows):
        return pd.DataFrame(rows, columns=["frequency", "recency", "T"])

    with raises(DataError, match=r"'recency' is not whole in 1 row, the first is row 1 \(2.5\)"):
        clv.fit_bg_bb(table((1, 2, 6), (1, 2.5, 6)))
    with raises(DataError, match="'T' is not whole"):
        clv.fit_bg_bb(table((1, 2, 6.5)))
    with raises(DataError, match=r"'frequency' exceeds 'recency' in 1 row, the first is row 0 \(3 > 2\)"):
        clv.fit_bg_bb(table((3, 2, 6)))
    with raises(FitError, match="BG/BB is not identified"):
        clv.fit_bg_bb(table((0, 0, 6)))


def test_questions_without_an_answer(donations, model):
    with raises(OptionError, match="whole number of opportunities"):
        model.expected_purchases(2.5)
    with raises(DataError, match="'frequency' exceeds 'recency'"):
        model.p_alive(3, 2, 6)
    with raises(FitError, match="BgBb has no next_purchase; it has p_alive"):
        clv.next_purchase(model, donations)


def test_what_is_not_identified_is_named():
    loyal = pd.DataFrame({"frequency": [4, 5, 3, 6], "recency": 6, "T": 6})
    with warns(DataWarning, match="nobody seems to leave"):
        clv.fit_bg_bb(loyal)


def test_a_model_survives_json(model):
    again = Model.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert type(again) is clv.BgBb
    assert again.expected_purchases(5, 3, 4, 6) == model.expected_purchases(5, 3, 4, 6)
