"""Gamma-Gamma: the literature's digits on CDNOW, the definition in 60 digits, heavy tails refused in words."""

import json
import math
import warnings

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises, warns

from crmkit import clv
from crmkit._kernels import gamma_gamma as kernel
from crmkit.errors import ColumnError, ConvergenceWarning, DataError, DataWarning, FitError
from crmkit.results import Model
from naive import clv as naive


@pytest.fixture(scope="module")
def cdnow(cdnow_sample):
    return clv.summarize(cdnow_sample, unit="W", end="1997-09-30")


def spends(*rows):
    return pd.DataFrame(rows, columns=["frequency", "monetary_value"])


def gamma_gamma(p, q, v):
    return clv.GammaGamma(
        p=p, q=q, v=v, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, columns=("frequency", "monetary_value"),
        gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip


def log_likelihood(theta, x, z, weight=None):
    x, z = np.array(x, float), np.array(z, float)
    return kernel.log_likelihood(
        *np.exp(theta), x, z, np.empty(0), np.ones(x.size) if weight is None else np.array(weight, float), np.empty((0, 3))
    )


# ── published numbers ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_cdnow_estimates_from_means_rounded_to_cents(wheel_file):
    """The table that note 025 is computed from."""
    table = pd.read_csv(wheel_file("lifetimes", "cdnow_customers_summary_with_transactions.csv"))
    table = table.rename(columns={"x": "frequency", "zbar": "monetary_value"})
    model = clv.fit_gamma_gamma(table)
    assert (model.p, model.q, model.v) == approx((6.2488, 3.7446, 15.4478), abs=6e-5)
    errors = [model.standard_errors[name] for name in "pqv"]
    assert errors == approx([1.19, 0.29, 4.16], abs=5e-3)
    assert model.log_likelihood == approx(-4055.9232, abs=1e-4)
    assert model.population_mean == approx(35.171, abs=1e-3)
    assert model.n == 946
    assert model.converged
    assert model.gradient_norm < 1e-8


def test_cdnow_estimates_from_transactions(cdnow):
    model = clv.fit_gamma_gamma(cdnow)
    assert (model.p, model.q, model.v) == approx((6.2496, 3.7442, 15.4435), abs=6e-5)
    assert model.log_likelihood == approx(-4055.9177, abs=1e-4)
    spend = clv.expected_spend(model, cdnow)
    assert spend.index.equals(cdnow.index)
    first = cdnow["frequency"].to_numpy() == 2
    assert spend[first & (cdnow["monetary_value"] == 22.345)].iloc[0] == approx(24.654, abs=5e-4)


def test_conditional_means_of_the_note():
    model = gamma_gamma(6.25, 3.74, 15.44)
    x, z = [2, 1, 0, 0, 0, 7, 1, 0, 2, 0], [22.35, 11.77, 0, 0, 0, 73.74, 11.77, 0, 25.55, 0]
    expected = [24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17]
    # the note's own estimates have more digits than it prints
    assert model.expected_spend(x, z) == approx(expected, rel=2e-3)


# ── the definition, by the slow road ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("parameters", [(6.25, 3.74, 15.44), (0.05, 0.5, 1e3), (1e4, 40.0, 1e-3), (30.0, 1e4, 2e4)])
@pytest.mark.parametrize(("x", "z"), [(1, 0.01), (2, 22.35), (300, 15.0)])
def test_the_likelihood_is_the_one_of_the_note(parameters, x, z):
    theta = np.log(parameters)
    expected = float(naive.gamma_gamma_log_likelihood(*np.exp(theta), x, z))
    assert log_likelihood(theta, [x], [z])[0] == approx(expected, rel=1e-12, abs=1e-11)


@pytest.mark.parametrize("parameters", [(6.25, 3.74, 15.44), (0.05, 0.5, 1e3), (1e3, 40.0, 1e-2)])
def test_derivatives_are_those_of_the_likelihood(parameters):
    x, z, w = [1, 2, 40], [3.0, 22.35, 80.0], [1, 2, 3]
    theta = np.log(parameters)
    _, gradient, hessian = log_likelihood(theta, x, z, w)

    def value(steps):
        p, q, v = (mp.exp(mp.mpf(each) + step) for each, step in zip(theta, steps, strict=True))
        total = mp.mpf(0)
        for count, mean, times in zip(x, map(mp.mpf, z), w, strict=True):
            f = mp.loggamma(p * count + q) - mp.loggamma(p * count) - mp.loggamma(q) + q * mp.log(v)
            f += (p * count - 1) * mp.log(mean) + p * count * mp.log(count) - (p * count + q) * mp.log(v + count * mean)
            total += times * f
        return total

    h, unit = mp.mpf(10) ** -15, np.eye(3, dtype=int)
    with mp.workdps(60):
        for i in range(3):
            slope = (value(h * unit[i]) - value(-h * unit[i])) / (2 * h)
            assert gradient[i] == approx(float(slope), rel=1e-10, abs=1e-10)
            for j in range(i + 1):
                corners = [s * t * value(h * (s * unit[i] + t * unit[j])) for s in (1, -1) for t in (1, -1)]
                assert hessian[i, j] == hessian[j, i] == approx(float(sum(corners) / (4 * h * h)), rel=1e-9, abs=1e-9)


# ── what must not matter ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(5)
    return simulated(rng, 600)


def simulated(rng, customers, p=6.0, q=4.0, v=15.0):
    x = rng.geometric(0.3, customers)
    return pd.DataFrame({"frequency": x, "monetary_value": rng.gamma(p * x) / x / (rng.gamma(q, size=customers) / v)})


def test_the_currency_changes_v_and_nothing_else(shop):
    one = clv.fit_gamma_gamma(shop)
    for rate in (1e-3, 100.0, 1e6):
        other = clv.fit_gamma_gamma(shop.assign(monetary_value=shop["monetary_value"] * rate))
        assert (other.p, other.q, other.v) == approx((one.p, one.q, one.v * rate), rel=1e-7)
        assert other.population_mean == approx(one.population_mean * rate, rel=1e-7)


def test_row_order_weights_and_customers_without_repeats_do_not_matter(shop):
    one = clv.fit_gamma_gamma(shop)
    mixed = pd.concat([shop, spends((0, 0.0), (0, 17.0))]).sample(frac=1, random_state=1)
    assert clv.fit_gamma_gamma(mixed).to_dict() == one.to_dict()
    repeated, weighted = clv.fit_gamma_gamma(pd.concat([shop] * 3)), clv.fit_gamma_gamma(shop.assign(n=3), weight="n")
    assert (repeated.p, repeated.n) == approx((weighted.p, weighted.n), rel=1e-9)
    assert weighted.p == approx(one.p, rel=1e-8)


def test_expected_spend_lies_between_the_customer_and_the_population(shop):
    model = clv.fit_gamma_gamma(shop)
    spend, own = clv.expected_spend(model, shop), shop["monetary_value"]
    low, high = np.minimum(own, model.population_mean), np.maximum(own, model.population_mean)
    assert ((spend >= low) & (spend <= high)).all()
    assert clv.expected_spend(model) == approx(model.population_mean)
    assert model.expected_spend(1_000_000, 80.0) == approx(80.0, rel=1e-4)


def test_estimates_find_the_truth_at_the_nominal_rate():
    """200 shops of 500 customers: q and the population mean, the two that are well identified, by their 95 % intervals."""
    n_sets, customers = (200, 500) if hasattr(kernel.log_likelihood, "py_func") else (4, 100)
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(n_sets):
        model = clv.fit_gamma_gamma(simulated(rng, customers))
        inside += abs(math.log(model.q / 4.0)) < 1.96 * model.standard_errors["q"] / model.q
    if n_sets == 200:
        assert 182 <= inside <= 198


def test_cdnow_estimates_over_78_weeks(cdnow_sample):
    table = clv.summarize(cdnow_sample, unit="W", end="1998-06-30")
    model = clv.fit_gamma_gamma(table[table["monetary_value"] > 0])
    assert (model.p, model.q, model.v, model.n) == approx((4.683, 4.190, 24.391, 1139), abs=7e-4)
    assert model.log_likelihood == approx(-4884.567, abs=1e-3)


# ── every amount instead of the mean ─────────────────────────────────────────────────────────────────────────────────────


def amounts_of(rng, customers, p=6.0, q=4.0, v=15.0):
    """Customers with all their amounts, from the story of the model."""
    rows = []
    for _ in range(customers):
        x, nu = rng.geometric(0.3), rng.gamma(q) / v
        z = rng.gamma(p, size=x) / nu
        rows.append((x, z.mean(), np.log(z).sum(), z))
    return pd.DataFrame(rows, columns=["frequency", "monetary_value", "log_spend", "amounts"])


def test_the_likelihood_of_every_amount_is_the_integral_over_rates():
    rng = np.random.default_rng(2)
    table = amounts_of(rng, 4)
    p, q, v = 2.5, 3.5, 8.0
    expected = 0.0
    for z in table["amounts"]:
        with naive.mp.workdps(40):
            rate = q / v  # the gamma density of each amount, then the mean over rates, in closed form
            product = naive.mp.fprod(naive.mp.mpf(float(a)) ** (p - 1) / naive.mp.gamma(p) for a in z)
            total = naive.mp.gamma(p * len(z) + q) / naive.mp.gamma(q) * naive.mp.mpf(v) ** q
            expected += float(naive.mp.log(product * total / (v + naive.mp.mpf(float(z.sum()))) ** (p * len(z) + q)))
            density = lambda nu, z=z: nu ** (p * len(z) + q - 1) * naive.mp.exp(-nu * (v + float(z.sum())))  # noqa: E731
            check = product * naive.mp.mpf(v) ** q / naive.mp.gamma(q) * naive.mp.quad(density, [0, rate, 4 * rate, 40 * rate])
            assert float(check / (product * total / (v + naive.mp.mpf(float(z.sum()))) ** (p * len(z) + q))) == approx(
                1, rel=1e-8
            )
    x, z = table["frequency"].to_numpy(float), table["monetary_value"].to_numpy(float)
    spread = x * np.log(z) - table["log_spend"].to_numpy(float)
    scores = np.empty((4, 3))

    def at(theta):
        return kernel.log_likelihood(*np.exp(theta), x, z, spread, np.ones(4), scores)

    theta = np.log([p, q, v])
    value, gradient, hessian = at(theta)
    assert value == approx(expected, rel=1e-12)
    assert scores.sum(axis=0) == approx(gradient, rel=1e-11)
    for j in range(3):
        step = np.where(np.arange(3) == j, 1e-5, 0.0)
        up, down = at(theta + step), at(theta - step)
        assert gradient[j] == approx((up[0] - down[0]) / 2e-5, rel=1e-7)
        assert hessian[j] == approx((up[1] - down[1]) / 2e-5, rel=1e-6, abs=1e-7)


def test_every_amount_takes_p_off_its_ridge():
    """60 shops: p is inside its interval as often as it should be, and known several times as well as from means."""
    compiled = hasattr(kernel.log_likelihood, "py_func")
    rng = np.random.default_rng(8)
    inside, better = 0, []
    for _ in range(60 if compiled else 3):
        table = amounts_of(rng, 300 if compiled else 80)
        model = clv.fit_gamma_gamma(table)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # means alone may leave p and v on their ridge
            of_means = clv.fit_gamma_gamma(table.drop(columns="log_spend"))
        assert model.diagnosis == "well identified"
        inside += abs(math.log(model.p / 6.0)) < 1.96 * model.standard_errors["p"] / model.p
        better.append(of_means.covariance[0][0] / model.covariance[0][0])
    assert model.columns == ("frequency", "monetary_value", "log_spend")
    assert np.median(better) > 9
    if compiled:
        assert 52 <= inside <= 60


def test_log_sums_of_a_log_are_those_of_its_purchase_days():
    orders = pd.DataFrame(
        {
            "customer_id": [1, 1, 1, 1, 2],
            "timestamp": pd.to_datetime(["2024-01-01", "2024-01-08", "2024-01-08", "2024-01-29", "2024-01-02"]),
            "amount": [5.0, 2.0, 4.0, 3.0, 0.0],
        }
    )
    table = clv.summarize(orders, unit="W", logs=True)
    assert table["log_gaps"].tolist() == approx([math.log(3.0), 0.0])
    assert table["log_spend"].tolist() == approx([math.log(18.0), 0.0])
    assert clv.split(orders, calibration_end="2024-01-20", logs=True).known["log_spend"].tolist() == approx([math.log(6.0), 0.0])
    assert "log_spend" not in clv.summarize(orders, amount=None, logs=True)
    with raises(DataError, match="1 customers have a repeat purchase day without an amount above zero"):
        clv.summarize(orders.assign(amount=[5.0, 0.0, 0.0, 3.0, 1.0]), logs=True)


def test_logs_that_no_amounts_can_have_are_refused(shop):
    with raises(DataError, match="'log_spend' is more than amounts with this mean can give"):
        clv.fit_gamma_gamma(shop.assign(log_spend=shop["frequency"] * np.log(shop["monetary_value"]) + 1.0))


def test_the_currency_changes_v_and_nothing_else_with_every_amount_too():
    table = amounts_of(np.random.default_rng(4), 120)
    one = clv.fit_gamma_gamma(table)
    other = clv.fit_gamma_gamma(
        table.assign(
            monetary_value=table["monetary_value"] * 100, log_spend=table["log_spend"] + table["frequency"] * math.log(100)
        )
    )
    assert (other.p, other.q, other.v) == approx((one.p, one.q, one.v * 100), rel=1e-8)
    assert other.log_likelihood == approx(one.log_likelihood - table["frequency"].sum() * math.log(100), rel=1e-10)


# ── a finite mean on request ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_finite_mean_changes_nothing_where_there_is_one(shop):
    free, kept = clv.fit_gamma_gamma(shop), clv.fit_gamma_gamma(shop, finite_mean=True)
    assert (kept.p, kept.q, kept.v) == approx((free.p, free.q, free.v), rel=1e-6)
    assert np.array(kept.covariance) == approx(np.array(free.covariance), rel=1e-4)
    robust, other = (clv.fit_gamma_gamma(shop, finite_mean=finite, robust=True) for finite in (True, False))
    assert np.array(robust.covariance) == approx(np.array(other.covariance), rel=1e-4)


def test_a_finite_mean_ends_on_its_boundary_where_the_data_have_none():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"frequency": rng.geometric(0.5, 500), "monetary_value": rng.lognormal(3.0, 2.5, 500)})
    with warns(DataWarning, match="boundary: q tends to 1"):
        model = clv.fit_gamma_gamma(table, finite_mean=True)
    assert 1.0 < model.q < 1.001
    assert model.converged
    spent = clv.expected_spend(model, table)
    assert (spent > 0).all()
    assert np.isfinite(spent).all()
    assert model.population_mean > 0


# ── heavy tails, and what the data do not tell ───────────────────────────────────────────────────────────────────────────


def test_a_tail_without_a_mean_is_named_and_never_gives_a_negative_value():
    rng = np.random.default_rng(0)
    x = rng.geometric(0.5, 500)
    table = pd.DataFrame({"frequency": x, "monetary_value": rng.lognormal(3.0, 2.5, 500)})
    with warns(DataWarning, match=r"heavy tail: q = 0\.\d+ is at most 1, the mean spend of the population is infinite"):
        model = clv.fit_gamma_gamma(table)
    assert model.q <= 1
    assert model.population_mean == math.inf
    with raises(FitError, match="infinite for 1 of 1 customers"):
        clv.expected_spend(model)
    with raises(FitError, match=r"infinite for \d+ of 501 customers: q = 0\.\d+ makes the tail"):
        clv.expected_spend(model, pd.concat([table, spends((0, 0.0))]))
    enough = table[model.p * table["frequency"] + model.q > 1]
    assert len(enough) > 0
    assert (clv.expected_spend(model, enough) > 0).all()


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([(5, 10.0), (4, 11.0), (6, 9.9), (5, 10.5), (3, 9.0), (9, 10.1)], "grow together"),
        ([(1, 1.0), (1, 10.0), (1, 100.0), (1, 30.0), (1, 5.0)], "identified"),
    ],
)
def test_what_is_not_determined_is_named(rows, named):
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = clv.fit_gamma_gamma(spends(*rows))
    assert named in model.diagnosis
    assert model.converged or any(issubclass(each.category, ConvergenceWarning) for each in caught)
    assert model.diagnosis.startswith("weakly") or caught
    json.dumps(model.to_dict(), allow_nan=False)


def test_a_search_that_stops_short_says_so(shop, monkeypatch):
    from crmkit.clv import _fitted as module
    from crmkit.clv._newton import maximise as newton

    monkeypatch.setattr(module, "maximise", lambda *args, **kw: newton(*args, **kw, steps=1))
    with warns(ConvergenceWarning, match="stopped after 1 steps"):
        assert not clv.fit_gamma_gamma(shop).converged


def test_too_little_to_tell_parameters_apart_is_refused():
    with raises(FitError, match="0 rows have repeat purchases"):
        clv.fit_gamma_gamma(spends((0, 0.0), (0, 0.0)))
    with raises(FitError, match="all mean spends are equal"):
        clv.fit_gamma_gamma(spends((2, 5.0), (3, 5.0)))


# ── what must be refused ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("amount", [0.0, -5.0])
def test_spend_that_is_not_positive_is_refused_with_count_and_cure(amount):
    table = spends((1, 10.0), (0, 0.0), (2, amount), (3, amount))
    with raises(DataError, match=r"'monetary_value' is not positive in 2 rows.*row 2 \(-?\d\).*Drop these rows.*refunds="):
        clv.fit_gamma_gamma(table)
    with raises(DataError, match="not positive in 2 rows"):
        clv.expected_spend(gamma_gamma(6, 4, 15), table)


def test_tables_that_cannot_be_read():
    with raises(ColumnError, match="monetary_value"):
        clv.fit_gamma_gamma(pd.DataFrame({"frequency": [1, 2]}))
    with raises(DataError, match=r"'monetary_value'.*1 missing"):
        clv.fit_gamma_gamma(spends((1, 10.0), (2, np.nan)))
    with raises(DataError, match=r"'frequency'.*1 not whole"):
        clv.fit_gamma_gamma(spends((1.5, 10.0), (2, 5.0)))
    with raises(DataError, match=r"'frequency' is no count in 1 rows"):
        gamma_gamma(6, 4, 15).expected_spend(-1, 4.0)


def test_a_model_survives_json(shop):
    model = clv.fit_gamma_gamma(shop)
    again = Model.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert type(again) is clv.GammaGamma
    assert again.expected_spend(2, 30.0) == model.expected_spend(2, 30.0)
