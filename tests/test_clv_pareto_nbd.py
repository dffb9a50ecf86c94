"""Pareto/NBD: the literature's digits on CDNOW, the definition in 80 digits, robustness, the truth of simulated shops."""

import json
import math

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises, warns

from crmkit import clv
from crmkit._kernels import pareto_nbd as kernel
from crmkit.clv._rows import Histories
from crmkit.errors import DataWarning, FitError
from crmkit.results import Model
from naive import clv as naive

PUBLISHED = {"r": 0.55328, "alpha": 10.5777, "s": 0.60624, "beta": 11.6687}
PUBLISHED_ERRORS = {"r": 0.0476264, "alpha": 0.8427222, "s": 0.1872594, "beta": 6.2105}


@pytest.fixture(scope="module")
def cdnow(cdnow_sample):
    return clv.summarize(cdnow_sample, unit="W", end="1997-09-30")


@pytest.fixture(scope="module")
def model(cdnow):
    return clv.fit_pareto_nbd(clv.compress(cdnow), weight="weight")


def pareto_nbd(r, alpha, s, beta):
    return clv.ParetoNbd(
        r=r, alpha=alpha, s=s, beta=beta, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, unit="W",
        columns=("frequency", "recency", "T"), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip


def rows_of(*customers, weight=None):
    return Histories.collapse(*np.array(customers, dtype=float).T, weight=weight)


def log_likelihood(parameters, rows):
    return kernel.log_likelihood(
        *map(float, parameters), rows.counts, rows.which, rows.t_x, rows.T, rows.weight, np.empty((0, 4))
    )


# ── published numbers ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_cdnow_estimates(model):
    for name, value in PUBLISHED.items():
        assert getattr(model, name) == approx(value, abs=6e-5 if value > 1 else 4e-6), name
        # another optimiser's numerical second derivatives: four digits
        assert model.standard_errors[name] == approx(PUBLISHED_ERRORS[name], rel=2e-4), name
    assert model.log_likelihood == approx(-9594.9762, abs=1e-4)
    assert model.gradient_norm < 1e-8
    assert model.diagnosis == "well identified"


def test_cdnow_estimates_over_78_weeks(cdnow_sample):
    model = clv.fit_pareto_nbd(clv.summarize(cdnow_sample, unit="W", end="1998-06-30"))
    assert (model.r, model.alpha, model.s, model.beta) == approx((0.56300, 12.5592, 0.40811, 10.5145), rel=1e-4)
    assert model.log_likelihood == approx(-17135.836, abs=1e-3)


def test_cdnow_discounted_purchases_and_value_of_all_customers(cdnow_sample):
    """The roll-up of Fader, Hardie & Lee (2005): customers who never came back hold 5 % of what is to come."""
    table = clv.summarize(cdnow_sample, unit="W", end="1998-06-30")
    x, t_x, T = (table[name].to_numpy(float) for name in ("frequency", "recency", "T"))
    to_come = pareto_nbd(0.5629966, 12.559037, 0.4081095, 10.5148048).discounted_purchases(0.0027, x, t_x, T)
    never = x == 0
    assert never.sum() == 1218
    assert (to_come.mean(), to_come[never].mean()) == approx((4.0001, 0.4081), abs=6e-5)
    spend = clv.fit_gamma_gamma(table[table["monetary_value"] > 0])
    z = table["monetary_value"].to_numpy()
    value = 0.3 * to_come * spend.expected_spend(np.where(z > 0, x, 0.0), z)
    assert value.mean() == approx(44.05, abs=0.006)
    assert value[never].mean() == approx(4.385, abs=2e-3)
    assert value[never].sum() / value.sum() == approx(0.0514, abs=6e-5)


def test_log_likelihood_at_given_parameters(cdnow):
    rows = Histories.collapse(*(cdnow[name].to_numpy(float) for name in ("frequency", "recency", "T")))
    assert log_likelihood((0.5, 8.0, 0.7, 10.0), rows)[0] == approx(-9611.3621, abs=1e-4)


def test_cdnow_predictions(cdnow, model):
    assert model.expected_purchases(52) == approx(1.47343, abs=6e-6)
    assert model.expected_purchases(52, 26, 216 / 7, 31) == approx(25.455, abs=1e-3)
    assert model.p_alive(26, 216 / 7, 31) == approx(0.997873, abs=2e-6)
    assert model.p_alive(0, 0, 39) == approx(0.2943, abs=5e-5)
    assert model.expected_purchases(39, 2, 30.43, 38.86) == approx(1.4551, abs=1e-4)
    assert model.p_alive(2, 30.43, 38.86) == approx(0.8691, abs=5e-5)
    assert clv.p_alive(model, cdnow).sum() == approx(1051.88, abs=0.005)


def test_the_frequency_paradox(model):
    expected = [0.70589, 0.14415, 0.02249, 0.00309]
    assert model.expected_purchases(52, [10, 15, 20, 25], 20, 39) == approx(expected, rel=1e-3, abs=6e-6)


def test_expected_purchases_of_new_customers():
    found = pareto_nbd(0.55, 10.56, 0.61, 11.64).expected_purchases(np.arange(1.0, 10.0))
    expected = [0.05077821, 0.09916088, 0.14542507, 0.18979930, 0.23247466, 0.27361274, 0.31335159, 0.35181024, 0.38909211]
    assert found == approx(expected, abs=6e-9)


def test_cdnow_holdout_by_frequency(cdnow_sample, model):
    known = clv.split(cdnow_sample, calibration_end="1997-09-30", end="1998-06-30").known
    purchases = clv.expected_purchases(model, known, horizon="39W")
    expected = [0.1384, 0.5995, 1.1958, 1.7138, 2.3983, 2.9072, 3.8186, 6.4031]
    assert purchases.groupby(known["frequency"].clip(upper=7)).mean().tolist() == approx(expected, abs=6e-5)
    assert purchases.sum() == approx(1665.51, abs=0.005)
    gap = purchases - known["holdout_frequency"]
    assert gap.abs().mean() == approx(0.7545, abs=6e-5)
    assert math.sqrt((gap**2).mean()) == approx(1.6028, abs=6e-5)


@pytest.mark.parametrize(
    ("parameters", "customers"),
    [
        (
            (0.5143, 2.8845, 0.2856, 14.1087),
            [(221, 103.42857, 103.57143), (254, 97.14286, 97.28571), (161, 94.71429, 98), (204, 98.57143, 99.42857)],
        ),
        ((10.465, 0.00798565, 3.0516, 2.82), [(40, 5, 6), (50, 1, 37), (50, 4, 37)]),
    ],
)
def test_points_where_other_implementations_broke(parameters, customers):
    model = pareto_nbd(*parameters)
    for customer in customers:
        expected = float(naive.pareto_nbd_p_alive(*parameters, *customer, digits=400))
        assert model.p_alive(*customer) == approx(expected, rel=1e-10)


def test_a_neighbour_of_a_point_that_overflows_elsewhere():
    model = pareto_nbd(0.55, 10.58, 0.61, 11.67)
    assert model.expected_purchases(10, [132, 133], 200, 200) == approx([6.2061, 6.2529], abs=5e-5)


# ── the definition, by the slow road ─────────────────────────────────────────────────────────────────────────────────────

CUSTOMERS = [(0, 0.0, 0.0), (0, 0.0, 39.0), (1, 1 / 7, 39.0), (2, 39.0 - 1e-9, 39.0), (2, 39.0, 39.0), (300, 5.0, 38.0)]


@pytest.mark.parametrize("alpha", [1e-4, 10.6, 1e8])
@pytest.mark.parametrize("beta", [1e-4, 11.7, 1e8])
@pytest.mark.parametrize("s", [1.0, 20.0])
def test_likelihood_and_p_alive_are_those_of_the_paper(alpha, beta, s):
    parameters = (0.55, alpha, s, beta)
    model = pareto_nbd(*parameters)
    for customer in [*CUSTOMERS, (3, 10.0, 1e4)]:
        digits = 120 if customer[0] < 100 else 300
        expected = float(naive.pareto_nbd_log_likelihood(*parameters, *customer, digits=digits))
        assert log_likelihood(parameters, rows_of(customer))[0] == approx(expected, rel=1e-11, abs=1e-12), customer
        alive = float(naive.pareto_nbd_p_alive(*parameters, *customer, digits=digits))
        assert model.p_alive(*customer) == approx(alive, rel=1e-10, abs=1e-300), customer


@pytest.mark.parametrize(("t_x", "T"), [(38.99, 39.0), (20.0, 39.0), (39.0 - 1e-9, 39.0)])
def test_a_buyer_of_20_000_purchases(t_x, T):
    parameters = (0.55, 10.6, 0.6, 11.7)
    # by the integral: the 2F1 of so many purchases is out of reach
    with mp.workdps(40):
        r, alpha, s, beta, m, u0, u1 = (mp.mpf(float(value)) for value in (*parameters, 20_000.55, t_x, T))
        scale = (alpha + u0) / m
        points = sorted({mp.mpf(0), *(min(scale * k, u1 - u0) for k in (1, 3, 10, 30, 100)), u1 - u0})
        odds = mp.quad(lambda v: (1 + v / (alpha + u0)) ** -m * (1 + v / (beta + u0)) ** (-s - 1), points)
        odds *= s / (beta + u1) * ((alpha + u1) / (alpha + u0)) ** m * ((beta + u1) / (beta + u0)) ** (s + 1)
        constant = mp.loggamma(m) - mp.loggamma(r) + r * mp.log(alpha) - m * mp.log(alpha + u1) - s * mp.log1p(u1 / beta)
        expected = constant + mp.log1p(odds)
    assert log_likelihood(parameters, rows_of((20_000, t_x, T)))[0] == approx(float(expected), rel=1e-12)
    assert pareto_nbd(*parameters).p_alive(20_000, t_x, T) == approx(float(1 / (1 + odds)), rel=1e-10)


@pytest.mark.parametrize("parameters", [(0.55, 10.6, 0.6, 11.7), (3.0, 0.01, 1.0, 500.0), (0.05, 300.0, 20.0, 2.0)])
def test_derivatives_are_those_of_the_likelihood(parameters):
    weight = np.arange(1.0, 6.0)
    customers = [*CUSTOMERS[1:5], (12, 20.0, 38.0)]
    theta = np.log(parameters)
    _, gradient, hessian = log_likelihood(np.exp(theta), rows_of(*customers, weight=weight))

    def value(*logs):
        total = mp.mpf(0)
        for (x, t_x, T), w in zip(customers, weight, strict=True):
            r, alpha, s, beta = (mp.exp(each) for each in logs)
            m = r + x
            high, low, other = (alpha, beta, s + 1) if alpha >= beta else (beta, alpha, m)

            def part(t, m=m, s=s, other=other, high=high, low=low):
                t = mp.mpf(float(t))
                return mp.hyp2f1(m + s, other, m + s + 1, (high - low) / (high + t)) * (high + t) ** -(m + s)

            both = (alpha + T) ** -m * (beta + T) ** -s + s / (m + s) * (part(t_x) - part(T))
            total += w * (mp.loggamma(m) - mp.loggamma(r) + r * mp.log(alpha) + s * mp.log(beta) + mp.log(both))
        return total

    unit = np.eye(4, dtype=int)
    with mp.workdps(70):
        h = mp.mpf(10) ** -15
        centre = [mp.mpf(each) for each in theta]

        def shifted(steps):
            return value(*(each + h * int(step) for each, step in zip(centre, steps, strict=True)))

        for i in range(4):
            slope = (shifted(unit[i]) - shifted(-unit[i])) / (2 * h)
            assert gradient[i] == approx(float(slope), rel=1e-10, abs=1e-10)
            for j in range(i + 1):
                corners = [a * b * shifted(a * unit[i] + b * unit[j]) for a in (1, -1) for b in (1, -1)]
                assert hessian[i, j] == hessian[j, i] == approx(float(sum(corners) / (4 * h * h)), rel=1e-8, abs=1e-9), (i, j)


# ── what must not matter, and what is not identified ─────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(8)
    T = rng.integers(20, 60, 150).astype(float)
    table = pd.DataFrame(naive.simulate_pareto_nbd(rng, 0.8, 6.0, 1.2, 30.0, T), columns=["frequency", "recency", "T"])
    table["recency"] = np.where(table["frequency"] > 0, np.ceil(table["recency"]), 0.0)
    return table


@pytest.mark.parametrize("factor", [1 / 7, 604_800.0])
def test_the_unit_of_time_changes_rates_and_nothing_else(shop, factor):
    one = clv.fit_pareto_nbd(shop, penalty=0.01)
    other = clv.fit_pareto_nbd(shop.assign(recency=shop["recency"] * factor, T=shop["T"] * factor), penalty=0.01)
    expected = (one.r, one.alpha * factor, one.s, one.beta * factor)
    assert (other.r, other.alpha, other.s, other.beta) == approx(expected, rel=1e-7)
    assert other.log_likelihood == approx(one.log_likelihood - shop["frequency"].sum() * math.log(factor), abs=1e-8)
    ahead = other.expected_purchases(10 * factor, 3, 20 * factor, 30 * factor)
    assert ahead == approx(one.expected_purchases(10, 3, 20, 30), rel=1e-9)


def test_the_order_of_rows_does_not_matter(shop):
    mixed = shop.sample(frac=1, random_state=3)
    assert clv.fit_pareto_nbd(shop, penalty=0.01).to_dict() == clv.fit_pareto_nbd(mixed, penalty=0.01).to_dict()


def test_online_retail_lies_on_a_ridge_and_says_so(data_file):
    """Everybody leaves at one rate there: a ridge on which other optimisers wander for a minute."""
    lines = pd.read_parquet(data_file("online_retail_ii_invoices.parquet"))
    lines = lines[lines["gross"] > 0].rename(columns={"gross": "amount"})
    table = clv.summarize(lines, end="2010-12-31")
    with warns(DataWarning, match="only s / beta is identified"):
        model = clv.fit_pareto_nbd(table)
    assert model.n == 4342
    assert model.converged
    # the limit itself: one rate of leaving for all
    assert model.log_likelihood > -40466
    assert clv.expected_purchases(model, table, horizon="52W").between(0, 400).all()


def test_what_is_not_identified_is_named():
    def table(*rows):
        return pd.DataFrame(rows, columns=["frequency", "recency", "T"])

    with raises(FitError, match="Pareto/NBD is not identified"):
        clv.fit_pareto_nbd(table((0, 0, 9), (0, 0, 8)))
    with warns(DataWarning, match="s / beta tends to 0"):
        clv.fit_pareto_nbd(table((3, 18, 20), (5, 29, 30), (2, 24, 25), (9, 30, 30), (14, 29.5, 30), (1, 20, 24)))


def test_estimates_find_the_truth_at_the_nominal_rate():
    """200 shops of 600 customers: the truth is inside the 95 % interval of the logs in 91 to 99 % of them."""
    truth = {"r": 0.9, "alpha": 6.0, "s": 1.0, "beta": 20.0}
    n_sets, customers = (200, 600) if hasattr(kernel.log_likelihood, "py_func") else (2, 60)
    rng = np.random.default_rng(13)
    inside = dict.fromkeys(truth, 0)
    for _ in range(n_sets):
        T = rng.uniform(30.0, 70.0, customers)
        rows = pd.DataFrame(naive.simulate_pareto_nbd(rng, *truth.values(), T), columns=["frequency", "recency", "T"])
        fitted = clv.fit_pareto_nbd(rows)
        assert fitted.converged
        for name, value in truth.items():
            estimate = getattr(fitted, name)
            inside[name] += abs(math.log(estimate / value)) < 1.96 * fitted.standard_errors[name] / estimate
    if n_sets == 200:
        assert {name: count for name, count in inside.items() if not 182 <= count <= 198} == {}


def test_a_model_survives_json(model):
    again = Model.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert type(again) is clv.ParetoNbd
    assert again.expected_purchases(39, 2, 30.43, 38.86) == model.expected_purchases(39, 2, 30.43, 38.86)
