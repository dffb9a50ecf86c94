"""BG/NBD: the literature's digits on CDNOW, 50-digit arithmetic elsewhere, and what must not matter or must be refused."""

import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises, warns

import crmkit
from crmkit import clv
from crmkit._kernels import bg_nbd as kernel
from crmkit.clv._rows import Histories
from crmkit.errors import ColumnError, ConvergenceWarning, DataError, DataWarning, FitError, OptionError
from crmkit.results import Model
from naive import clv as naive

PUBLISHED = {"r": 0.24259, "alpha": 4.41359, "a": 0.79293, "b": 2.42594}
PUBLISHED_ERRORS = {"r": 0.01256, "alpha": 0.37822, "a": 0.1857, "b": 0.7054}


@pytest.fixture(scope="module")
def cdnow(cdnow_sample):
    return clv.summarize(cdnow_sample, unit="W", end="1997-09-30")


@pytest.fixture(scope="module")
def model(cdnow):
    return clv.fit_bg_nbd(clv.compress(cdnow), weight="weight")


def bg_nbd(r, alpha, a, b):
    """A model with given parameters, as a service would rebuild it."""
    return clv.BgNbd(
        r=r, alpha=alpha, a=a, b=b, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, unit="W",
        columns=("frequency", "recency", "T"), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip


def histories(*rows):
    return pd.DataFrame(rows, columns=["frequency", "recency", "T"])


def log_likelihood(theta, rows):
    return kernel.log_likelihood(
        *np.exp(theta), 0.0, 1.0, rows.counts, rows.which, rows.t_x, rows.T, rows.weight, np.empty((0, 4))
    )


# ── published numbers ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_cdnow_has_the_counts_of_the_literature(cdnow):
    assert (len(cdnow), cdnow["frequency"].sum(), len(clv.compress(cdnow))) == (2357, 2457, 1016)


def test_cdnow_estimates(model):
    for name, value in PUBLISHED.items():
        # printed to five digits after the point; estimates of other optimisers differ in the last
        assert getattr(model, name) == approx(value, abs=4e-5), name
        assert model.standard_errors[name] == approx(PUBLISHED_ERRORS[name], abs=6e-5), name
    assert model.log_likelihood == approx(-9582.4292, abs=1e-4)
    assert model.converged
    assert model.gradient_norm < 1e-8
    assert model.diagnosis == "well identified"
    assert (model.n, model.unit, model.columns) == (2357, "W", ("frequency", "recency", "T"))


def test_cdnow_predictions(model):
    assert model.expected_purchases(39, 2, 30.43, 38.86) == approx(1.226, abs=5e-4)
    assert model.p_alive(2, 30.43, 38.86) == approx(0.7266, abs=5e-5)
    assert model.expected_purchases(52) == approx(1.444012, abs=5e-6)
    # the figures printed for this customer are of the exact days
    assert model.expected_purchases(52, 26, 216 / 7, 31) == approx(25.75734, abs=5e-4)
    assert model.p_alive(26, 216 / 7, 31) == approx(0.96885, abs=5e-6)


def test_the_frequency_paradox(model):
    """Whoever bought more often and then fell silent for as long is the likelier to have left."""
    expected = [0.34748, 0.042837, 0.004159, 0.000358]
    assert model.expected_purchases(52, [10, 15, 20, 25], 20, 39) == approx(expected, rel=2e-3)


def test_cdnow_holdout_by_frequency(cdnow, model):
    group = cdnow["frequency"].clip(upper=7)
    purchases = clv.expected_purchases(model, cdnow, horizon="39W")
    expected = [0.2251, 0.5231, 1.0441, 1.5203, 2.1639, 2.6538, 3.5040, 6.1572]
    assert group.value_counts().sort_index().tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
    assert purchases.groupby(group).mean().tolist() == approx(expected, abs=6e-5)
    assert purchases.sum() == approx(1653.41, abs=0.005)
    assert clv.p_alive(model, cdnow).sum() == approx(1917.28, abs=0.005)


def test_log_likelihood_at_given_parameters(cdnow):
    theta = np.log([0.5, 6.0, 1.2, 3.3])
    rows = clv.compress(cdnow)
    rows = Histories.collapse(*(rows[name].to_numpy(float) for name in ("frequency", "recency", "T", "weight")))
    assert log_likelihood(theta, rows)[0] == approx(-9783.4443, abs=1e-4)


@pytest.mark.parametrize(("x", "t_x", "expected"), [(0, 0.0, -0.59947382), (200, 38.0, 100.79569)])
def test_log_likelihood_of_one_customer(x, t_x, expected):
    rows = Histories.collapse(np.array([float(x)]), np.array([t_x]), np.array([40.0]))
    assert log_likelihood(np.log([0.25, 4.0, 0.8, 2.5]), rows)[0] == approx(expected, rel=1e-7)


# ── the definition, by the slow road ─────────────────────────────────────────────────────────────────────────────────────

PARAMETERS = [(0.243, 4.414, 0.793, 2.426), (3.0, 0.01, 1.0, 0.05), (1e-3, 100.0, 20.0, 1e4), (40.0, 40.0, 1e-4, 3.0)]
CUSTOMERS = [(0, 0.0, 0.0), (0, 0.0, 39.0), (1, 1 / 7, 39.0), (1, 39.0, 39.0), (26, 30.9, 31.0), (500, 5.0, 38.0)]


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("customer", CUSTOMERS)
def test_the_likelihood_is_the_one_of_the_paper(parameters, customer):
    rows = Histories.collapse(*(np.array([float(value)]) for value in customer))
    expected = float(naive.bg_nbd_log_likelihood(*np.exp(np.log(parameters)), *customer))
    assert log_likelihood(np.log(parameters), rows)[0] == approx(expected, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_derivatives_are_those_of_the_likelihood(parameters):
    import mpmath as mp

    rows = Histories.collapse(*np.array(CUSTOMERS).T, weight=np.arange(1.0, 7.0))
    theta = np.log(parameters)
    _, gradient, hessian = log_likelihood(theta, rows)

    def value(*logs):
        with mp.workdps(60):
            total = mp.mpf(0)
            for (x, t_x, T), w in zip(CUSTOMERS, range(1, 7), strict=True):
                r, alpha, a, b = (mp.exp(each) for each in logs)
                ratio = mp.beta(a, b + x) / mp.beta(a, b) * mp.rf(r, x) * (alpha / (alpha + mp.mpf(T))) ** r
                alive = ratio / (alpha + mp.mpf(T)) ** x
                gone = 0
                if x:
                    gone = a / (b + x - 1) * alive * ((alpha + mp.mpf(T)) / (alpha + mp.mpf(t_x))) ** (r + x)
                total += w * mp.log(alive + gone)
            return total

    def shifted(*steps):
        return value(*(mp.mpf(each) + step for each, step in zip(theta, steps, strict=True)))

    h = mp.mpf(10) ** -15
    unit = np.eye(4, dtype=int)
    with mp.workdps(60):
        for i in range(4):
            slope = (shifted(*(h * unit[i])) - shifted(*(-h * unit[i]))) / (2 * h)
            assert gradient[i] == approx(float(slope), rel=1e-10, abs=1e-10)
            for j in range(i + 1):
                corners = [s * t * shifted(*(h * (s * unit[i] + t * unit[j]))) for s in (1, -1) for t in (1, -1)]
                bend = sum(corners) / (4 * h * h)
                assert hessian[i, j] == hessian[j, i] == approx(float(bend), rel=1e-9, abs=1e-9), (i, j)


@pytest.mark.parametrize("a", [1e-6, 0.05, 0.79, 1.0, 1.5, 3.0, 20.0])
@pytest.mark.parametrize("b", [1e-4, 2.4, 1e5])
def test_expected_purchases_against_fifty_digits(a, b):
    model = bg_nbd(0.243, 4.4, a, b)
    # horizons of 1e-9 to 1e4 times alpha + T
    for x, t in [(0, 44e-9), (0, 44.0), (1, 4.4), (1, 44e4), (26, 44.0), (60, 44e4)]:
        expected = naive.bg_nbd_purchases_if_alive(0.243, 4.4, a, b, t, x, 39.6)
        expected *= naive.bg_nbd_p_alive(0.243, 4.4, a, b, x, 39.0, 39.6)
        assert model.expected_purchases(t, x, 39.0 if x else 0.0, 39.6) == approx(float(expected), rel=1e-12), (x, t)


def test_a_narrow_and_a_wide_dropout_distribution():
    """Both ends of the optimiser's ridges: dropout the same for all, and all or nothing."""
    narrow, wide = bg_nbd(0.243, 4.4, 1e9, 3e9), bg_nbd(0.243, 4.4, 1e-7, 3e-7)
    # with dropout p for everyone the mean over p is the integrand at p
    m, tau, p = 0.243 + 3, 52 / (4.4 + 30), 0.25
    alike = -math.expm1(-m * math.log1p(p * tau)) / p
    assert narrow.expected_purchases(52, 3, 30, 30) == approx(alike * narrow.p_alive(3, 30, 30), rel=1e-7)
    # who comes back never leaves
    assert wide.expected_purchases(52, 3, 30, 30) == approx(m * tau, rel=1e-6)


@pytest.mark.parametrize(("x", "t_x", "T"), [(2000, 30.0, 30.1), (5000, 364.9, 365.0), (20_000, 38.99, 39.0)])
@pytest.mark.parametrize("a", [0.3, 1.0, 2.5])
def test_very_frequent_buyers_get_finite_answers(a, x, t_x, T):
    model = bg_nbd(0.243, 4.4, a, 2.4)
    expected = naive.bg_nbd_purchases_by_quadrature(0.243, 4.4, a, 2.4, 20.0, x, T)
    expected *= naive.bg_nbd_p_alive(0.243, 4.4, a, 2.4, x, t_x, T)
    assert model.expected_purchases(20.0, x, t_x, T) == approx(float(expected), rel=1e-10)


def test_a_silent_frequent_buyer_is_gone():
    model = bg_nbd(*PUBLISHED.values())
    assert model.p_alive(500, 5, 38) == 0.0  # 1e-332: below the smallest number there is
    assert model.expected_purchases(39, 500, 38, 38) > 100
    assert 0 <= model.expected_purchases(39, 5000, 300, 365) < 1e-100


# ── what must not matter ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(7)
    T = rng.integers(20, 60, 120).astype(float)
    table = pd.DataFrame(naive.simulate_bg_nbd(rng, 0.8, 6.0, 0.9, 2.5, T), columns=["frequency", "recency", "T"])
    # on a grid, so that rows repeat
    table["recency"] = np.where(table["frequency"] > 0, np.ceil(table["recency"]), 0.0)
    return table


def test_the_order_of_rows_does_not_matter(shop):
    weighted = shop.assign(n=np.linspace(0.1, 3.0, len(shop)))
    mixed = weighted.sample(frac=1, random_state=3)
    assert clv.fit_bg_nbd(weighted, weight="n").to_dict() == clv.fit_bg_nbd(mixed, weight="n").to_dict()


def test_a_weight_of_three_is_three_rows(shop):
    repeated = clv.fit_bg_nbd(pd.concat([shop] * 3))
    weighted = clv.fit_bg_nbd(shop.assign(n=3), weight="n")
    assert repeated.to_dict() == weighted.to_dict()
    assert repeated.n == 3 * len(shop)
    assert repeated.r == approx(clv.fit_bg_nbd(shop).r, rel=1e-9)


@pytest.mark.parametrize("factor", [1 / 7, 52.0, 604_800.0])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_the_unit_of_time_changes_rates_and_nothing_else(shop, factor, penalty):
    scaled = shop.assign(recency=shop["recency"] * factor, T=shop["T"] * factor)
    one, other = clv.fit_bg_nbd(shop, penalty=penalty), clv.fit_bg_nbd(scaled, penalty=penalty)
    assert (other.r, other.alpha, other.a, other.b) == approx((one.r, one.alpha * factor, one.a, one.b), rel=1e-7)
    assert other.standard_errors["alpha"] == approx(one.standard_errors["alpha"] * factor, rel=1e-6)
    jacobian = shop["frequency"].sum() * math.log(factor)
    assert other.log_likelihood == approx(one.log_likelihood - jacobian, abs=1e-8)
    ahead = other.expected_purchases(10 * factor, 3, 20 * factor, 30 * factor)
    assert ahead == approx(one.expected_purchases(10, 3, 20, 30), rel=1e-7)


def test_predictions_do_not_depend_on_the_batch_nor_on_threads(shop):
    model = clv.fit_bg_nbd(shop)
    columns = [shop[name].to_numpy() for name in ("frequency", "recency", "T")]
    together = model.expected_purchases(26, *columns, n_threads=1)
    alone = [model.expected_purchases(26, *row) for row in zip(*columns, strict=True)]
    assert together.tolist() == alone
    many = [np.resize(column, 40_000) for column in columns]
    assert (model.expected_purchases(26, *many, n_threads=4) == np.resize(together, 40_000)).all()


def test_integer_nullable_and_categorical_columns_are_numbers_too(shop):
    plain = clv.fit_bg_nbd(shop)
    assert clv.fit_bg_nbd(shop.astype({"frequency": "Int64", "recency": "Float32"})).to_dict() == plain.to_dict()
    assert clv.fit_bg_nbd(shop.assign(unit="W")).unit == "W"
    assert clv.fit_bg_nbd(shop.assign(unit=7)).unit == "W"
    assert clv.fit_bg_nbd(shop, unit=10).unit == "10D"


def test_expected_purchases_grow_with_the_horizon_and_alive_falls_with_silence(model):
    ahead = model.expected_purchases([0, 1, 10, 100, 1e4], 3, 20, 30)
    assert ahead[0] == 0
    assert (np.diff(ahead) > 0).all()
    assert (np.diff(model.p_alive(3, 20, [20, 21, 40, 400])) < 0).all()
    assert model.p_alive(0, 0, 400) == 1.0


# ── recovery ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_estimates_find_the_truth_at_the_nominal_rate():
    """300 shops of 400 customers: the truth is inside the 95 % interval of the logs in 92 to 98 % of them."""
    truth = {"r": 0.8, "alpha": 6.0, "a": 0.8, "b": 2.5}
    n_sets, customers = (300, 400) if hasattr(kernel.log_likelihood, "py_func") else (4, 100)
    rng = np.random.default_rng(11)
    inside = dict.fromkeys(truth, 0)
    for _ in range(n_sets):
        T = rng.uniform(30.0, 70.0, customers)
        fitted = clv.fit_bg_nbd(histories(*naive.simulate_bg_nbd(rng, *truth.values(), T)))
        assert fitted.converged
        for name, value in truth.items():
            estimate = getattr(fitted, name)
            error = fitted.standard_errors[name] / estimate
            inside[name] += abs(math.log(estimate / value)) < 1.96 * error
    if n_sets == 300:
        assert {name: count for name, count in inside.items() if not 276 <= count <= 297} == {}


# ── identification ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cohort_that_never_came_back_is_refused():
    with raises(FitError, match=r"not identified: none of the 3 rows has a repeat purchase"):
        clv.fit_bg_nbd(histories((0, 0, 10), (0, 0, 20), (0, 0, 30)))


def test_thirty_customers_of_cdnow_return_with_their_ridge_named(wheel_file):
    """No data error, no exception: the likelihood has its supremum at infinity, and the model says so."""
    few = pd.read_csv(wheel_file("lifetimes", "cdnow_customers_summary.csv")).sample(30, random_state=0)
    with warns(DataWarning, match="only a / \\(a \\+ b\\) is identified"):
        model = clv.fit_bg_nbd(few)
    assert model.converged
    assert model.diagnosis.startswith("ridge: a and b grow together")
    assert model.condition > 1e6
    assert math.isfinite(clv.expected_purchases(model, few, horizon=39).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tamed = clv.fit_bg_nbd(few, penalty=0.1)
    assert max(tamed.a, tamed.b, tamed.r) < 100
    assert tamed.log_likelihood < model.log_likelihood


BUYERS = [(3, 18.0, 20.0), (5, 29.0, 30.0), (2, 24.0, 25.0), (0, 0.0, 22.0), (9, 30.0, 30.0), (1, 17.0, 19.0), (4, 27, 28)]


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (BUYERS, "boundary: a / (a + b) tends to 0"),
        ([(1, 0.1, 30.0), (1, 0.2, 30.0), (0, 0.0, 30.0), (1, 0.1, 25.0), (0, 0.0, 20.0)], "boundary: a / (a + b) tends to 1"),
        ([(5, 50.0, 50.0), (5, 49.0, 50.0), (6, 60.0, 61.0), (4, 40.0, 40.0)], "ridge: r and alpha grow together"),
    ],
)
def test_boundaries_are_named(rows, named):
    with warns(DataWarning, match="boundary|ridge"):
        model = clv.fit_bg_nbd(histories(*rows))
    assert named in model.diagnosis
    assert model.converged
    assert math.isfinite(model.expected_purchases(10, 3, 18.0, 20.0))
    json.dumps(model.to_dict(), allow_nan=False)


def test_customers_who_leave_at_once_or_never_are_named():
    """Half buy on and on, half are never seen after one repeat: dropout of 0 or 1, nothing between."""
    loyal = [(20 + i, 60.0, 60.0) for i in range(30)]
    lost = [(1, 0.2 + 0.01 * i, 60.0) for i in range(30)]
    with warns(DataWarning, match="ridge: a and b shrink together"):
        clv.fit_bg_nbd(histories(*loyal, *lost))


def test_one_customer_of_20_000_purchases_does_not_break_the_fit_but_is_named(cdnow):
    outlier = histories((20_000, 38.0, 39.0)).assign(unit="W")
    with warns(DataWarning, match=r"row 2357 \(20,000 repeat purchases\) alone moves the estimates by \d\d\.\d standard errors"):
        model = clv.fit_bg_nbd(pd.concat([cdnow, outlier]))
    assert model.converged
    assert model.diagnosis == "well identified"


@pytest.mark.parametrize(("fit", "r", "without"), [(clv.fit_bg_nbd, 0.212, "0.2426"), (clv.fit_pareto_nbd, 0.385, "0.5533")])
def test_one_heavy_buyer_is_named_with_what_the_estimates_would_be_without(cdnow, fit, r, without):
    """500 purchases in 38 weeks, where the others made 29 at most."""
    rows = pd.concat([cdnow.iloc[:1000], histories((500, 38.0, 39.0)).assign(unit="W"), cdnow.iloc[1000:]])
    with warns(DataWarning, match=r"row 1000 \(500 repeat purchases\) alone moves .* without it alpha would be") as caught:
        model = fit(rows)
    # kernels that run as plain Python warn of hashes that wrap around, too
    assert next(one for one in caught if one.category is DataWarning).filename == __file__
    assert model.r == approx(r, abs=5e-4)
    assert model.influence > 3
    assert fit(cdnow).influence < 1
    assert fit(cdnow).r == approx(float(without), abs=5e-5)


def test_a_search_that_stops_short_says_so(shop, monkeypatch):
    from crmkit.clv import _fitted as module

    monkeypatch.setattr(module, "maximise", lambda *args, **kw: newton(*args, **kw, steps=1))
    from crmkit.clv._newton import maximise as newton

    with warns(ConvergenceWarning, match="stopped after 1 steps with a gradient of"):
        model = clv.fit_bg_nbd(shop)
    assert not model.converged


def test_customers_of_the_last_day_tell_nothing(shop):
    with_new = pd.concat([shop, histories((0, 0.0, 0.0))])
    # twice the mean T enters the search, not the estimate
    assert clv.fit_bg_nbd(with_new).r == approx(clv.fit_bg_nbd(shop).r, rel=1e-8)


# ── what must be refused ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((2, 30, 20), r"'recency' exceeds 'T' in 1 row, the first is row 2 \(30 > 20\)"),
        ((2, 0, 20), r"'recency' is 0 although there are repeat purchases in 1 row, the first is row 2 \(2\)"),
        ((0, 5, 20), r"'recency' is above 0 although there is no repeat purchase"),
        ((1.5, 5, 20), r"'frequency'.*1 not whole.*row 2 \(1.5\)"),
        ((-1, 5, 20), r"'frequency'.*1 negative.*row 2"),
        ((1, -5, 20), r"'recency'.*1 negative.*row 2"),
        ((1, 5, np.nan), r"'T'.*1 missing.*row 2"),
        ((1, 5, np.inf), r"'T'.*1 infinite.*row 2"),
    ],
)
def test_rows_that_are_no_history_are_refused_with_their_place(row, message):
    with raises(DataError, match=message):
        clv.fit_bg_nbd(histories((1, 3, 9), (0, 0, 9), row))


def test_tables_and_options_that_cannot_be_used():
    good = histories((1, 3, 9), (0, 0, 9))
    with raises(ColumnError, match="recency"):
        clv.fit_bg_nbd(good.drop(columns="recency"))
    with raises(DataError, match="no rows"):
        clv.fit_bg_nbd(good.iloc[:0])
    with raises(OptionError, match="penalty=-1"):
        clv.fit_bg_nbd(good, penalty=-1)
    with raises(ColumnError, match="'w'"):
        clv.fit_bg_nbd(good, weight="w")
    with raises(DataError, match=r"'w'.*1 not positive"):
        clv.fit_bg_nbd(good.assign(w=[1, 0]), weight="w")
    with raises(DataError, match="one unit of time in all rows"):
        clv.fit_bg_nbd(good.assign(unit=["W", "D"]))
    with raises(DataError, match=r"column 'unit'.*months differ"):
        clv.fit_bg_nbd(good.assign(unit="M"))
    with raises(DataError, match="drop one of the two"):
        clv.fit_bg_nbd(good.assign(unit="W"), unit="D")


def test_array_methods_refuse_what_frames_refuse(model):
    with raises(DataError, match="'recency' exceeds 'T'"):
        model.p_alive(2, 30, 20)
    with raises(DataError, match="not finite"):
        model.p_alive(1, 3, [np.nan, 4])
    with raises(DataError, match="not whole"):
        model.expected_purchases(3, 1.5, 3, 4)
    with raises(DataError, match="numbers"):
        model.p_alive("often", 3, 4)
    with raises(DataError, match="one shape"):
        model.p_alive([1, 2], [3, 4, 5], 9)
    with raises(OptionError, match="together"):
        model.expected_purchases(3, 1)
    with raises(OptionError, match="horizon"):
        model.expected_purchases(-1)
    # errstate: uncompiled, the kernel computes with numpy scalars, which warn on the way to infinity
    with np.errstate(all="ignore"), raises(FitError, match="beyond the numbers"):
        bg_nbd(1e300, 1e-300, 1.0, 1.0).expected_purchases(1e300)


# ── the model as a value ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_survives_json(model):
    text = json.dumps(model.to_dict(), allow_nan=False)
    again = Model.from_dict(json.loads(text))
    assert type(again) is clv.BgNbd
    assert again.to_dict() == model.to_dict()
    assert again.expected_purchases(39, 2, 30.43, 38.86) == model.expected_purchases(39, 2, 30.43, 38.86)


def test_a_model_prints_its_estimates(model):
    assert "alpha" in repr(model)
    assert "0.2425" in repr(model)
    assert crmkit.errors.CrmkitError not in type(model).__mro__
