"""(M)BG/CNBD-k: integrals over rates in many digits, the Poisson case, simulated regular buyers; no answer looks at the batch."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises

from crmkit import clv
from crmkit._kernels import bg_nbd as kernel
from crmkit.clv._rows import Histories
from crmkit.errors import DataError, FitError, OptionError
from crmkit.results import Model
from naive import clv as naive

TRUTH = {"r": 1.2, "alpha": 3.0, "a": 0.8, "b": 2.5}
HISTORY = ["frequency", "recency", "T"]


def cnbd(r, alpha, a, b, k, modified=True):
    """A model with given parameters, as a service would rebuild it."""
    return clv.BgCnbd(
        r=r, alpha=alpha, a=a, b=b, k=k, modified=modified, profile=(), log_likelihood=0.0, standard_errors={}, n=1.0,
        converged=True, unit="W", columns=("frequency", "recency", "T"), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(3)
    compiled = hasattr(kernel.log_likelihood, "py_func")
    rows = naive.simulate_cnbd(rng, *TRUTH.values(), 3, rng.uniform(30, 70, 1500 if compiled else 60), later=30.0)
    return pd.DataFrame(rows, columns=[*HISTORY, "log_gaps", "after"])


def log_likelihood(theta, early, k, table, scores=None):
    rows = Histories.collapse(*(np.ascontiguousarray(table[name], float) for name in HISTORY))
    none = np.empty((0, 4)) if scores is None else scores
    return kernel.log_likelihood(*np.exp(theta), early, float(k), rows.counts, rows.which, rows.t_x, rows.T, rows.weight, none)


CUSTOMERS = [(0, 0.0, 30.0), (1, 4.0, 30.0), (3, 21.0, 30.0), (6, 29.9, 30.0), (25, 29.0, 30.0), (2, 0.5, 40.0)]
SHAPES = [(1.2, 3.0, 0.8, 2.5, 1.0, 3), (0.4, 12.0, 1.0, 1.5, 0.0, 2), (5.0, 1.0, 0.2, 4.0, 1.0, 7)]


# ── the likelihood, and who is still there ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("customer", CUSTOMERS)
def test_likelihood_and_p_alive_are_the_integrals_over_rates(shape, customer):
    *parameters, early, k = shape
    alive, gone, common = naive.cnbd_ways(*shape, *customer)
    found = log_likelihood(np.log(parameters), early, k, pd.DataFrame([customer], columns=HISTORY))[0]
    assert found == approx(common + math.log(alive + gone), rel=1e-11, abs=1e-11)
    assert cnbd(*parameters, k, bool(early)).p_alive(*customer) == approx(float(alive / (alive + gone)), rel=1e-10)


@pytest.mark.parametrize(("early", "k"), [(1.0, 4), (0.0, 2)])
def test_gradient_and_hessian_are_those_of_the_likelihood(early, k):
    table = pd.DataFrame(CUSTOMERS, columns=HISTORY)
    theta = np.log([0.7, 5.0, 0.9, 1.8])
    scores = np.empty((len(table), 4))
    _, gradient, hessian = log_likelihood(theta, early, k, table, scores)
    assert scores.sum(axis=0) == approx(gradient, rel=1e-12)
    for j in range(4):
        step = np.where(np.arange(4) == j, 1e-5, 0.0)
        up, down = (log_likelihood(theta + sign * step, early, k, table) for sign in (1, -1))
        assert gradient[j] == approx((up[0] - down[0]) / 2e-5, rel=1e-7, abs=1e-8)
        assert hessian[j] == approx((up[1] - down[1]) / 2e-5, rel=1e-7, abs=1e-8)


# ── what is to come ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("customer", "t"), [((0, 0.0, 0.0), 20.0), ((3, 21.0, 30.0), 0.01), ((6, 29.9, 30.0), 39.0)])
def test_the_future_is_that_of_the_integral_over_rates(shape, customer, t):
    *parameters, early, k = shape
    model = cnbd(*parameters, k, bool(early))
    expected, stays, made = naive.cnbd_future(3, *parameters, early, k, t, *customer)
    alive = model.p_alive(*customer)
    assert model.expected_purchases(t, *customer) == approx(alive * float(expected), rel=1e-9)
    assert model.p_alive(*customer, t) == approx(alive * float(stays), rel=1e-10)
    chances = model.purchase_distribution(3, t, *customer)
    assert chances[1:4] == approx([alive * float(p) for p in made[1:]], rel=1e-9, abs=1e-15)
    assert chances.sum() == approx(1.0, abs=1e-13)
    wait = model.next_purchase(0.3, *customer)
    *_, (none, *_) = naive.cnbd_future(0, *parameters, early, k, wait, *customer)
    assert float(none) == approx(0.7, rel=1e-9)


@pytest.mark.parametrize(("k", "customer"), [(2, (3, 21.0, 30.0)), (6, (12, 29.0, 30.0)), (12, (40, 29.5, 30.0))])
def test_discounted_purchases_are_their_integral_by_parts(k, customer):
    """A discount's rate times the expectation of every horizon, which is smooth, instead of the density, which has waves."""
    model = cnbd(1.2, 3.0, 0.8, 2.5, k)
    rate, end = 0.03, 25.0
    nodes, weights = np.polynomial.legendre.leggauss(600)
    u = 0.5 * end * (nodes + 1.0)
    ahead = model.expected_purchases(u, *customer)
    expected = rate * 0.5 * end * (weights @ (np.exp(-rate * u) * ahead)) + math.exp(-rate * end) * model.expected_purchases(
        end, *customer
    )
    assert model.discounted_purchases(rate, *customer, t=end) == approx(expected, rel=1e-9)
    assert model.discounted_purchases(0.0, *customer, t=end) == approx(model.expected_purchases(end, *customer), rel=1e-11)
    endless = model.discounted_purchases(0.2, *customer)
    assert endless == approx(model.discounted_purchases(0.2, *customer, t=300.0), rel=1e-11)


def test_sums_over_events_hold_for_thousands_of_purchases():
    """20,000 purchases in step: the next ones come at the rate of the past, and the mean over events starts at its mode."""
    model = cnbd(1.2, 3.0, 1.0, 2.5, 12)
    # nearly nobody like this leaves: 39 more weeks bring (m / k) t / A purchases, less the few who do
    assert model.expected_purchases(1.0, 20_000, 999.9, 1000.0) == approx(20_000 / 1003.0, rel=0.01)
    assert model.purchase_distribution(40, 1.0, 20_000, 999.9, 1000.0).sum() == approx(1.0, abs=1e-12)
    with raises(FitError, match="beyond the numbers of the machine"):
        model.expected_purchases(1e12)


@pytest.mark.parametrize("modified", [True, False])
def test_k_of_1_is_the_poisson_model(shop, modified):
    table = shop.drop(columns="log_gaps") if modified else shop
    one, poisson = clv.fit_bg_cnbd(table, k=1, modified=modified), (clv.fit_mbg_nbd if modified else clv.fit_bg_nbd)(table)
    for name in (*one.PARAMETERS, "log_likelihood"):
        assert getattr(one, name) == approx(getattr(poisson, name), rel=1e-10), name
    rows = [table[name].to_numpy()[:50] for name in HISTORY]
    for t in (1e-6, 3.0, 39.0, 1e4) if len(shop) > 60 else (1e-6, 3.0):
        assert one.p_alive(*rows, t) == approx(poisson.p_alive(*rows, t), rel=1e-10)
        assert one.expected_purchases(t, *rows) == approx(poisson.expected_purchases(t, *rows), rel=1e-10)
        assert one.purchase_distribution(4, t, *rows) == approx(poisson.purchase_distribution(4, t, *rows), rel=1e-10, abs=1e-300)
    assert one.discounted_purchases(0.1, *rows, t=52) == approx(poisson.discounted_purchases(0.1, *rows, t=52), rel=1e-10)
    assert one.next_purchase([0.1], *[row[:1] for row in rows]) == approx(poisson.next_purchase([0.1], *[r[:1] for r in rows]))


def test_no_answer_depends_on_the_batch_nor_on_threads(shop):
    model = clv.fit_bg_cnbd(shop, k=3)
    columns = [np.resize(shop[name].to_numpy(), 5000 if len(shop) > 60 else 100) for name in HISTORY]
    together = model.expected_purchases(39, *columns, n_threads=2)
    alone = [model.expected_purchases(39, *row) for row in zip(*(column[:40] for column in columns), strict=True)]
    assert together[:40].tolist() == alone
    order = np.random.default_rng(0).permutation(together.size)
    assert (model.expected_purchases(39, *(column[order] for column in columns), n_threads=1) == together[order]).all()


def test_a_regular_buyer_is_missed_sooner_and_expected_later():
    random, regular = cnbd(20.0, 40.0, 0.5, 5.0, 1), cnbd(80.0, 40.0, 0.5, 5.0, 4)
    # both buy every two weeks on average
    assert regular.p_alive(10, 20.0, 26.0) < random.p_alive(10, 20.0, 26.0) - 0.2
    assert regular.expected_purchases(0.5, 10, 20.0, 20.0) < 0.1 * random.expected_purchases(0.5, 10, 20.0, 20.0)
    assert regular.expected_purchases(1.0, 10, 20.0, 21.5) > random.expected_purchases(1.0, 10, 20.0, 21.5)


# ── recovery ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_regular_buyers_are_found_with_their_k_and_predicted(shop):
    if len(shop) < 100:
        pytest.skip("1,500 customers: where kernels are compiled")
    told, guessed = clv.fit_bg_cnbd(shop), clv.fit_bg_cnbd(shop[HISTORY])
    assert told.k == 3
    assert guessed.k in (2, 3, 4, 5)  # the last purchase alone says less about the gaps
    assert len(told.profile) == 12
    assert told.log_likelihood == max(told.profile) == told.profile[2]
    for name, value in TRUTH.items():
        assert abs(math.log(getattr(told, name) / value)) < 2.6 * told.standard_errors[name] / getattr(told, name), name
    bought = shop["after"].sum()
    assert clv.expected_purchases(told, shop, horizon=30.0).sum() == approx(bought, rel=0.05)
    alone = clv.fit_bg_cnbd(shop, k=3)
    assert (alone.profile, alone.r) == ((), told.r)


@pytest.mark.parametrize("factor", [1 / 7, 604_800.0])
def test_the_unit_of_time_changes_rates_and_nothing_else(shop, factor):
    scaled = shop.assign(recency=shop["recency"] * factor, T=shop["T"] * factor)
    scaled["log_gaps"] += shop["frequency"] * math.log(factor)
    for columns in (HISTORY, [*HISTORY, "log_gaps"]):
        one, other = clv.fit_bg_cnbd(shop[columns]), clv.fit_bg_cnbd(scaled[columns])
        assert one.k == other.k
        assert (other.r, other.alpha / factor, other.a, other.b) == approx((one.r, one.alpha, one.a, one.b), rel=1e-6)
        moved = shop["frequency"].sum() * math.log(factor)
        assert np.array(other.profile) == approx(np.array(one.profile) - moved, abs=1e-6)
        assert other.expected_purchases(10 * factor, 3, 20 * factor, 30 * factor) == approx(
            one.expected_purchases(10, 3, 20, 30), rel=1e-7
        )


def test_weights_are_rows(shop):
    doubled = pd.concat([shop, shop])
    one, other = clv.fit_bg_cnbd(doubled, k=3), clv.fit_bg_cnbd(shop.assign(n=2), k=3, weight="n")
    assert one.log_likelihood == approx(other.log_likelihood, rel=1e-12)
    assert one.r == approx(other.r, rel=1e-9)


# ── what must be refused, and the model as a value ───────────────────────────────────────────────────────────────────────


def test_gaps_that_cannot_be_and_options_that_are_none(shop):
    with raises(DataError, match=r"'log_gaps' is more than gaps between purchases can give in [\d,]+ rows"):
        clv.fit_bg_cnbd(shop.assign(log_gaps=shop["log_gaps"] + 50.0))
    with raises(DataError, match=r"'log_gaps'.*1 missing.*row 3"):
        clv.fit_bg_cnbd(shop.assign(log_gaps=shop["log_gaps"].where(shop.index != 3)))
    for k in (0, 13, 2.0, True):
        with raises(OptionError, match="k="):
            clv.fit_bg_cnbd(shop, k=k)
    with raises(FitError, match="none of the 3 rows has a repeat purchase"):
        clv.fit_bg_cnbd(pd.DataFrame({"frequency": 0, "recency": 0.0, "T": [1.0, 2.0, 3.0]}))


def test_a_model_survives_json(shop):
    model = clv.fit_bg_cnbd(shop.head(200), penalty=0.1)
    again = Model.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert type(again) is clv.BgCnbd
    assert again.to_dict() == model.to_dict()
    assert again.expected_purchases(39, 2, 30.43, 38.86) == model.expected_purchases(39, 2, 30.43, 38.86)
