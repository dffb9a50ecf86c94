"""sBG and BdW: the literature's digits on its two cohorts, derivatives, the truth of simulated contracts."""

import dataclasses
import json
import math

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises, warns

from crmkit import clv
from crmkit._kernels import contracts as kernel
from crmkit.errors import DataError, DataWarning, FitError, OptionError
from crmkit.results import Model

# per cent still under contract after 0, 1, ... years: Fader & Hardie (2007)
HIGH_END = [100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1, 46.8, 44.5, 42.7, 40.9, 39.4]
REGULAR = [100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1, 22.3, 20.7, 19.4, 18.3, 17.3]


def cohort(survival, years):
    """1,000 contracts of one cohort, watched for some years."""
    kept = 10 * np.array(survival[: years + 1])
    rows = [(year, 1, kept[year - 1] - kept[year]) for year in range(1, years + 1)]
    return pd.DataFrame([*rows, (years, 0, kept[years])], columns=["age", "lost", "n"])


@pytest.fixture(scope="module")
def high_end():
    return clv.fit_sbg(cohort(HIGH_END, 7), weight="n")


def test_sbg_estimates_of_the_literature(high_end):
    assert (high_end.alpha, high_end.beta) == approx((0.6681, 3.8061), abs=6e-5)
    assert high_end.log_likelihood == approx(-1611.158, abs=6e-4)
    assert high_end.n == 1000
    regular = clv.fit_sbg(cohort(REGULAR, 7), weight="n")
    assert (regular.alpha, regular.beta) == approx((0.7041, 1.1820), abs=6e-5)
    assert regular.log_likelihood == approx(-1680.265, abs=6e-4)


@pytest.mark.parametrize(
    ("survival", "years", "estimates", "log_likelihood"),
    [
        (HIGH_END, 7, (0.2143, 1.4266, 1.7236), -1605.314),
        (HIGH_END, 4, (0.25934, 1.72256, 1.58435), -1222.749),
        (REGULAR, 7, (0.4556, 0.7793, 1.2835), -1679.603),
    ],
)
def test_bdw_estimates_of_the_literature(survival, years, estimates, log_likelihood):
    model = clv.fit_bdw(cohort(survival, years), weight="n")
    assert (model.alpha, model.beta, model.c) == approx(estimates, abs=6e-5)
    assert model.log_likelihood == approx(log_likelihood, abs=6e-4)
    assert model.gradient_norm < 1e-8


@pytest.mark.parametrize(
    ("fit", "survival", "projected"),
    [
        (clv.fit_sbg, HIGH_END, [46.04, 43.58, 41.42, 39.51, 37.80]),
        (clv.fit_sbg, REGULAR, [22.01, 20.44, 19.12, 17.99, 17.00]),
        (clv.fit_bdw, HIGH_END, [46.78, 44.83, 43.16, 41.69, 40.39]),
        (clv.fit_bdw, REGULAR, [22.34, 20.89, 19.68, 18.64, 17.73]),
    ],
)
def test_projected_survival_of_the_literature(fit, survival, projected):
    model = fit(cohort(survival, 7), weight="n")
    assert (100 * model.survival(np.arange(8, 13))).tolist() == approx(projected, abs=6e-3)


def test_retention_and_discounted_renewals_of_the_literature(high_end):
    expected = [0.8507, 0.8780, 0.8968, 0.9106, 0.9212, 0.9295, 0.9362]
    assert high_end.retention(np.arange(1, 8)) == approx(expected, abs=6e-5)
    # at the exact estimate, and at the rounded one of the paper
    assert high_end.discounted_renewals([1, 2, 3, 4, 5], discount=0.1) == approx(
        [5.4145, 5.9014, 6.2939, 6.6199, 6.8967], abs=6e-5
    )
    rounded = model_of(clv.Sbg, alpha=0.668, beta=3.806)
    found = rounded.discounted_renewals([1, 2, 3, 4, 5], discount=0.1)
    assert found == approx([5.4149, 5.9018, 6.2943, 6.6203, 6.8971], abs=6e-5)


def model_of(kind, **parameters):
    return kind(
        **parameters, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, columns=("age", "lost"),
        gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip


# ── the definition, by the slow road ─────────────────────────────────────────────────────────────────────────────────────

PARAMETERS = [(0.67, 3.8, 1.0), (0.2, 1.4, 1.7), (1e-3, 50.0, 0.4), (1e4, 3e4, 1.0), (5.0, 1e-2, 2.5)]


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_likelihood_and_survival_against_fifty_digits(parameters):
    ages, lost, weight = np.array([0.0, 1, 1, 4, 9, 30]), np.array([0, 1, 0, 1, 0, 1], bool), np.arange(1.0, 7.0)
    with mp.workdps(50):
        alpha, beta, c = (mp.mpf(value) for value in parameters)

        def survival(t):
            return mp.beta(alpha, beta + mp.mpf(t) ** c) / mp.beta(alpha, beta)

        terms = [survival(a - 1) - survival(a) if gone else survival(a) for a, gone in zip(ages, lost, strict=True)]
        expected = float(mp.fsum(w * mp.log(term) for w, term in zip(weight, terms, strict=True)))
        kept = [float(survival(t)) for t in (0, 1, 7, 100)]
        later = float(survival(12) / survival(5))
    value, gradient, hessian = kernel.log_likelihood(*parameters, ages, lost, weight, np.empty((0, 3)))
    assert value == approx(expected, rel=1e-10)
    model = model_of(clv.Bdw, **dict(zip(("alpha", "beta", "c"), parameters, strict=True)))
    assert model.survival([0, 1, 7, 100]) == approx(kept, rel=1e-11)
    assert model.survival(7, 5) == approx(later, rel=1e-11)
    theta = np.log(parameters)
    for i in range(3):
        step = np.zeros(3)
        step[i] = 1e-5
        up, down = (kernel.log_likelihood(*np.exp(theta + sign * step), ages, lost, weight, np.empty((0, 3))) for sign in (1, -1))
        assert gradient[i] == approx((up[0] - down[0]) / 2e-5, rel=1e-5, abs=1e-4)
        assert hessian[i] == approx((up[1] - down[1]) / 2e-5, rel=1e-5, abs=1e-4)


def test_discounted_renewals_are_the_hypergeometric_function():
    model = model_of(clv.Sbg, alpha=0.9, beta=2.2)
    with mp.workdps(30):
        a, b, n = mp.mpf(0.9), mp.mpf(2.2), 3
        expected = (b + n - 1) / (a + b + n - 1) * mp.hyp2f1(1, b + n, a + b + n, 1 / mp.mpf(1.05))
    assert model.discounted_renewals(3, discount=0.05) == approx(float(expected), rel=1e-11)


# ── what must not matter, recovery, identification ───────────────────────────────────────────────────────────────────────


def test_rows_weights_and_their_order_do_not_matter():
    grouped = cohort(REGULAR, 7).assign(n=lambda frame: frame["n"].round().astype(int))
    single = grouped.loc[grouped.index.repeat(grouped["n"]), ["age", "lost"]].sample(frac=1, random_state=1)
    for fit in (clv.fit_sbg, clv.fit_bdw):
        assert fit(single.astype({"lost": bool})).to_dict() == fit(grouped, weight="n").to_dict()


@pytest.mark.parametrize(("fit", "truth"), [(clv.fit_sbg, (0.9, 2.5, 1.0)), (clv.fit_bdw, (0.6, 1.5, 1.4))])
def test_estimates_find_the_truth_at_the_nominal_rate(fit, truth):
    """200 books of 2,000 contracts of mixed age: the truth is inside the 95 % interval of the logs in 91 to 99 % of them."""
    n_sets = 200 if hasattr(kernel.log_likelihood, "py_func") else 3
    rng = np.random.default_rng(15)
    alpha, beta, c = truth
    names = ("alpha", "beta", "c")[: 2 if fit is clv.fit_sbg else 3]
    inside = dict.fromkeys(names, 0)
    for _ in range(n_sets):
        theta, watched = rng.beta(alpha, beta, 2000), rng.integers(3, 13, 2000)
        # P(age > t) = (1 - theta)^(t^c)
        ends = np.ceil((np.log(rng.random(2000)) / np.log1p(-theta)) ** (1 / c)).clip(1, 1e6)
        table = pd.DataFrame({"age": np.minimum(ends, watched), "lost": ends <= watched})
        fitted = fit(table)
        assert fitted.converged
        for name, value in zip(names, truth, strict=False):
            estimate = getattr(fitted, name)
            inside[name] += abs(math.log(estimate / value)) < 1.96 * fitted.standard_errors[name] / estimate
    if n_sets == 200:
        assert {name: count for name, count in inside.items() if not 182 <= count <= 198} == {}


def test_what_cannot_be_fitted_or_asked(high_end):
    good = pd.DataFrame({"age": [1, 2, 3], "lost": [1, 1, 0]})
    with raises(FitError, match="none of the 3 rows was lost"):
        clv.fit_sbg(good.assign(lost=0))
    with raises(DataError, match=r"'age' is 0 although the contract was lost in 1 row, the first is row 0"):
        clv.fit_bdw(good.assign(age=[0, 2, 3]))
    with raises(DataError, match="no rows"):
        clv.fit_sbg(good.iloc[:0])
    with warns(DataWarning, match="sBG: .*all contracts are alike|weakly identified"):
        clv.fit_sbg(pd.DataFrame({"age": [1, 1], "lost": [1, 0], "n": [30, 70]}), weight="n")
    with raises(OptionError, match="discount=0"):
        high_end.discounted_renewals(1, discount=0)
    with raises(OptionError, match="whole numbers from 1 to 1,000,000,000"):
        high_end.retention(0)
    with raises(OptionError, match="whole numbers from 0 to 1,000,000,000"):
        high_end.survival(1.5)


def test_ages_beyond_the_machine_are_refused_rather_than_given_a_nan():
    given = {"log_likelihood": 0.0, "standard_errors": {}, "n": 1.0, "converged": True, "columns": (), "gradient_norm": 0.0}
    model = clv.Bdw(alpha=1.0, beta=2.0, c=50.0, **given, condition=1.0, diagnosis="given")
    assert model.survival(2) == approx(2.0 / (2.0 + 2.0**50), rel=1e-12)
    for ask in (lambda: model.survival(1e9), lambda: model.retention(1e9), lambda: model.discounted_renewals(1e9, discount=0.1)):
        with raises(FitError, match="beyond the numbers of the machine"):
            ask()
    with raises(OptionError, match="whole numbers from 0"):
        model.survival(1e12)


def test_models_survive_json(high_end):
    again = Model.from_dict(json.loads(json.dumps(high_end.to_dict(), allow_nan=False)))
    assert type(again) is clv.Sbg
    assert again.survival(9) == high_end.survival(9)
    assert "alpha" in repr(again)


# ── intervals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def lost_by(rng, alpha, beta, c, n, age):
    """Contracts from the story: each customer leaves at a renewal by their own chance, which changes with age by c."""
    chance = rng.beta(alpha, beta, n)
    ages, lost = np.full(n, age), np.zeros(n, bool)
    for t in range(1, age + 1):
        # (1 - theta) ** (t ** c) survive t renewals
        leaves = rng.random(n) > (1.0 - chance) ** (t**c - (t - 1) ** c)
        new = leaves & ~lost
        ages[new], lost[new] = t, True
    return pd.DataFrame({"age": ages, "lost": lost})


@pytest.mark.parametrize(("fit", "c"), [(clv.fit_sbg, 1.0), (clv.fit_bdw, 1.4)])
def test_intervals_cover_the_truth_at_their_level(fit, c):
    """150 cohorts of 800 contracts: the true survival and retention lie in their 90 % intervals."""
    n_sets = 150 if hasattr(kernel.log_likelihood, "py_func") else 2
    rng = np.random.default_rng(5)
    true = fit(lost_by(rng, 0.8, 2.0, c, 400, 6))
    true = dataclasses.replace(true, alpha=0.8, beta=2.0, **({"c": c} if c != 1.0 else {}))
    truth = [true.survival(12), true.retention(3), true.discounted_renewals(2, discount=0.1)]
    inside = np.zeros(3)
    for _ in range(n_sets):
        model = fit(lost_by(rng, 0.8, 2.0, c, 800, 6))
        ends = [
            model.survival_interval(12, level=0.9),
            model.retention_interval(3, level=0.9),
            model.discounted_renewals_interval(2, discount=0.1, level=0.9),
        ]
        inside += [low <= value <= high for value, (low, high) in zip(truth, ends, strict=True)]
    if n_sets == 150:
        assert (inside >= 124).all(), inside  # exact binomial, 1 in 1,000
        assert (inside <= 146).all(), inside


def test_intervals_hold_the_value_have_its_shape_and_no_length_at_0():
    model = clv.fit_sbg(lost_by(np.random.default_rng(1), 0.8, 2.0, 1.0, 300, 5))
    low, high = model.survival_interval([0, 1, 5, 30])
    value = model.survival([0, 1, 5, 30])
    assert (low[0], high[0]) == (1.0, 1.0)
    assert ((low <= value) & (value <= high)).all()
    assert ((low > 0.0) & (high[:] <= 1.0)).all()
    wide = model.retention_interval(2, level=0.99)
    narrow = model.retention_interval(2, level=0.5)
    assert wide[0] < narrow[0] < model.retention(2) < narrow[1] < wide[1]
    with raises(OptionError, match="level"):
        model.retention_interval(2, level=95)


def test_a_model_without_errors_has_no_interval():
    with raises(FitError, match="no interval"):
        dataclasses.replace(
            clv.fit_sbg(lost_by(np.random.default_rng(1), 0.8, 2.0, 1.0, 300, 5)), covariance=()
        ).retention_interval(1)
