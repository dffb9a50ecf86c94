"""Simulated customers: random numbers by their definition, counts and characters by closed forms, tables that can be read."""

import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises

import crmkit as crm
from crmkit import clv
from crmkit._kernels import chance as _c
from crmkit._kernels import futures as _k
from crmkit.errors import DataError, FitError, OptionError
from naive import futures as naive

PLAIN = not hasattr(_k.counts, "py_func")
N = 300 if PLAIN else 20_000


def fitted(kind, **parameters):
    return kind(
        **parameters, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, unit="W",
        columns=("frequency", "recency", "T"), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip


BG = fitted(clv.BgNbd, r=0.8, alpha=6.0, a=0.9, b=2.5)
MBG = fitted(clv.MbgNbd, r=0.8, alpha=6.0, a=0.9, b=2.5)
PARETO = fitted(clv.ParetoNbd, r=0.8, alpha=6.0, s=0.7, beta=12.0)
BB = fitted(clv.BgBb, alpha=1.2, beta=0.75, gamma=0.66, delta=2.8)
SPEND = clv.GammaGamma(
    p=6.25, q=3.74, v=15.44, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True,
    columns=("frequency", "monetary_value"), gradient_norm=0.0, condition=1.0, diagnosis="given",
)  # fmt: skip
MODELS = [BG, MBG, PARETO, BB]
every_model = pytest.mark.parametrize("model", MODELS, ids=[model.TITLE for model in MODELS])


def table(model, n, history=None):
    x, t_x, T = history or ((2.0, 4.0, 6.0) if model is BB else (3.0, 20.0, 38.0))
    return pd.DataFrame({"frequency": np.full(n, x), "recency": t_x, "T": T, "unit": "W"})


# ── random numbers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_streams_are_those_of_their_definition():
    state = np.empty(1, np.uint64)
    for place in [(1, 2, 3, 4), (2**64 - 1, 1 << 60, 7, 999), (0, 0, 0, 0)]:
        _c.open_stream(np.uint64(place[0]), *place[1:], state)
        expected = naive.stream(*place)
        assert [_c.uniform(state) for _ in range(20)] == [next(expected) for _ in range(20)]


@pytest.mark.parametrize("shape", [0.01, 0.3, 1.0, 4.5, 300.0])
def test_gamma_variates_follow_their_distribution(shape):
    from scipy import stats

    state = np.empty(1, np.uint64)
    _c.open_stream(np.uint64(3), 0, 0, 0, state)
    logs = [_c.log_gamma_variate(shape, state) for _ in range(N // 4)]
    assert stats.kstest(logs, stats.loggamma(shape).cdf).pvalue > 1e-4
    plain = [_c.gamma(shape, state) for _ in range(N // 4)]
    assert stats.kstest(plain, stats.gamma(shape).cdf).pvalue > 1e-4


@pytest.mark.parametrize(("a", "b"), [(0.02, 3.0), (0.8, 2.4), (50.0, 0.5), (1e-5, 1e3)])
def test_beta_variates_follow_their_distribution(a, b):
    from scipy import stats

    state = np.empty(1, np.uint64)
    _c.open_stream(np.uint64(4), 0, 0, 0, state)
    drawn = np.array([_c.beta(a, b, state) for _ in range(N // 4)])
    assert ((drawn >= 0.0) & (drawn <= 1.0)).all()
    assert abs(drawn.mean() - a / (a + b)) < 5 * math.sqrt(a * b / (a + b) ** 2 / (a + b + 1) / drawn.size) + 1e-300
    if a > 0.01:  # else nearly all are too small for the machine
        assert stats.kstest(drawn, stats.beta(a, b).cdf).pvalue > 1e-4


# ── counts ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("m", "tau"), [(0.3, 0.5), (5.0, 3.0), (40.0, 20.0), (2000.0, 0.3)])
def test_counts_are_inverted_from_the_chance_they_are_given(m, tau):
    numbers = np.array([[m], [1.0], [1e-12], [1e12], [1.0], [0.0]])
    for u in (1e-9, 0.1, 0.5, 0.9, 0.999999):
        expected = naive.negative_binomial_inverse(m, tau, u)
        assert _k.count_one(_k.AT_A_PURCHASE, numbers, 0, tau, u, 0.5, 0.5) == expected


def test_counts_of_customers_too_busy_for_small_numbers():
    """Where P(0) underflows, counts come outwards from the mode: their distribution is that of the formula."""
    from scipy import stats

    m, tau = 3000.0, 0.4
    numbers = np.array([[m], [1.0], [1e-12], [1e12], [1.0], [0.0]])
    grid = (np.arange(2000) + 0.5) / 2000
    drawn = np.array([_k.count_one(_k.AT_A_PURCHASE, numbers, 0, tau, u, 0.5, 0.5) for u in grid])
    exact = stats.nbinom(m, 1 / (1 + tau))
    assert drawn.mean() == approx(exact.mean(), rel=1e-3)
    assert drawn.std() == approx(exact.std(), rel=1e-2)
    for k in (1150, 1200, 1250):
        assert (drawn <= k).mean() == approx(exact.cdf(k), abs=3e-3)  # not in their order, so off by a few steps of the grid


@pytest.mark.parametrize(("m", "A", "a", "k"), [(0.4, 2.0, 0.0, 1), (3.0, 5.0, 0.9, 1), (3.0, 5.0, 0.9, 3)])
def test_counts_of_ages_are_drawn_by_rate_and_dropout(m, A, a, k):
    """Where purchases are too many to be added up one by one: the same distribution, in no time."""
    t, late, n = 1e6, 2.5, N // 2
    numbers = np.array([[m], [A], [max(a, 1e-9)], [late], [float(k)], [0.0]])
    random = np.random.default_rng(7)
    counts = np.array([_k.count_one(_k.AT_A_PURCHASE, numbers, 0, t, *chances) for chances in random.random((n, 3))])
    rate = random.gamma(m, 1 / A, n)
    stays = 1 + np.floor(np.log(random.random(n)) / np.log1p(-random.beta(max(a, 1e-9), late, n).clip(1e-300, 1 - 1e-16)))
    expected = np.minimum(np.floor(random.poisson(rate * t) / k), stays)
    for quantile in (0.1, 0.3, 0.5, 0.8, 0.95):
        at = np.quantile(expected, quantile)
        assert (counts <= at).mean() == approx((expected <= at).mean(), abs=4.5 * math.sqrt(0.5 / n))


@every_model
@pytest.mark.parametrize("history", [None, (0.0, 0.0, 6.0), (6.0, 6.0, 6.0)])
def test_counts_and_paths_have_the_distribution_of_the_closed_form(model, history):
    n, t = N, 10.0
    rows = table(model, 1, history)
    x, t_x, T = (rows[name].to_numpy(float) for name in ("frequency", "recency", "T"))
    kind, numbers = model._future(x, t_x, T)
    alive = model._alive(x, t_x, T)
    chances = model.purchase_distribution(5, t, x[0], t_x[0], T[0])
    random = np.random.default_rng(1)
    counts = np.empty((n, 1), np.int32)
    none = np.zeros(1, np.int64)
    for i, drawn in enumerate(random.random((n, 4))):
        _k.counts(kind, numbers, alive, none, t, drawn, np.uint64(0), 0, 0, counts[i])
    shop = clv.simulate(model, table(model, n, history), horizon=t)
    error = 4.5 * math.sqrt(0.25 / n)
    for found in (counts[:, 0], shop.truth["purchases"].to_numpy()):
        assert [(found == k).mean() for k in range(6)] == approx(chances[:6], abs=error)
    assert shop.truth["alive_before"].mean() == approx(float(alive[0]), abs=error)
    assert shop.truth["alive"].mean() == approx(model.p_alive(x[0], t_x[0], T[0], t), abs=error)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_regular_buyers_are_followed_phase_by_phase(k):
    """Counts and paths of customers whose every k-th event is a purchase, against numpy's own story."""
    n, m, A, a, late, silence, t = N // 4, 4.5, 20.0, 0.9, 5.5, 6.0, 15.0
    random = np.random.default_rng(8)
    expected = np.array([naive.geometric_future(m, A, a, late, k, silence, t, random) for _ in range(n)])
    numbers = np.ascontiguousarray(np.repeat([[m], [A], [a], [late], [float(k)], [silence]], n, axis=1))
    one = np.ones(n)
    counts = np.array([_k.count_one(0, numbers, 0, t, *chances) for chances in random.random((n, 3))])
    bought, here = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    _k.histories(
        0, numbers, one, t * one, np.uint64(1), 0, n, bought, np.empty(n), np.empty(n), here, here.copy(),
        np.empty(0, np.int64), np.empty(0),
    )  # fmt: skip
    spread = math.sqrt(2 * expected.var() / n)
    assert abs(counts.mean() - expected.mean()) < 4.5 * spread
    assert abs(bought.mean() - expected.mean()) < 4.5 * spread
    for n_purchases in range(4):
        share = (expected == n_purchases).mean()
        assert (counts == n_purchases).mean() == approx(share, abs=4.5 * math.sqrt(0.5 / n))
        assert (bought == n_purchases).mean() == approx(share, abs=4.5 * math.sqrt(0.5 / n))


# ── what is true of the customers ────────────────────────────────────────────────────────────────────────────────────────


@every_model
def test_characters_of_new_customers_are_those_of_the_model(model):
    n = 3 * N
    truth = clv.simulate(model, horizon=0, n_customers=n).truth
    rate, leaving = truth.columns[:2]
    shapes = {
        "purchase_rate": lambda: model.r / model.alpha,
        "dropout": lambda: model.a / (model.a + model.b),
        "leaving_rate": lambda: model.s / model.beta,
        "purchase_chance": lambda: model.alpha / (model.alpha + model.beta),
        "leaving_chance": lambda: model.gamma / (model.gamma + model.delta),
    }
    for name in (rate, leaving):
        assert abs(truth[name].mean() - shapes[name]()) < 4.5 * truth[name].std() / math.sqrt(n), name


@every_model
def test_characters_given_a_history_average_to_those_of_all(model):
    """Customers with a history, alive or gone, have the rates of those among all customers who came to this history."""
    n = 10 * N
    T = 4.0 if model is BB else 5.0
    everyone = clv.simulate(model, horizon=T, n_customers=n)
    last = everyone.transactions.groupby("customer_id")["time"].max()
    truth = everyone.truth
    chosen = truth["purchases"].eq(1) & last.between(2.0, 2.0 if model is BB else 2.4)
    history = (1.0, 2.0 if model is BB else 2.2, T)
    again = clv.simulate(model, table(model, n // 10, history), horizon=0).truth
    assert again["alive_before"].mean() == approx(truth["alive"][chosen].mean(), abs=0.02 if not PLAIN else 0.15)
    for alive in (True, False):
        one, two = truth[chosen & (truth["alive"] == alive)], again[again["alive_before"] == alive]
        for name in truth.columns[:2]:
            error = math.sqrt(one[name].var() / len(one) + two[name].var() / len(two))
            assert abs(one[name].mean() - two[name].mean()) < 5 * error + 0.01 * two[name].mean(), (name, alive)


@every_model
def test_new_customers_buy_what_is_expected_of_them(model):
    t = 12.0
    shop = clv.simulate(model, horizon=t, n_customers=N)
    expected = model.expected_purchases(t)
    assert abs(shop.truth["purchases"].mean() - expected) < 4.5 * shop.truth["purchases"].std() / math.sqrt(N)
    assert len(shop.transactions) == N + shop.truth["purchases"].sum()
    assert shop.transactions["time"].is_monotonic_increasing
    assert shop.transactions["time"].between(0.0, t).all()
    bought = shop.transactions.groupby("customer_id").size() - 1
    assert (bought.reindex(shop.truth.index) == shop.truth["purchases"]).all()


def test_amounts_are_those_of_the_spend_model():
    shop = clv.simulate(BG, horizon="26W", n_customers=N, spend=SPEND)
    amounts = shop.transactions["amount"]
    assert (amounts > 0).all()
    mean = SPEND.p * SPEND.v / (SPEND.q - 1)
    assert abs(shop.truth["expected_spend"].mean() - mean) < 5 * shop.truth["expected_spend"].std() / math.sqrt(N)
    own = amounts.groupby(shop.transactions["customer_id"]).mean()
    assert np.corrcoef(own, shop.truth["expected_spend"].reindex(own.index))[0, 1] > 0.5


def test_amounts_of_known_customers_follow_their_past():
    rows = table(BG, 2 * N, (6.0, 30.0, 38.0)).assign(monetary_value=np.repeat([10.0, 90.0], N))
    truth = clv.simulate(BG, rows, horizon=5, spend=SPEND).truth
    for half, mean in ((slice(None, N), 10.0), (slice(N, None), 90.0)):
        found = truth["expected_spend"].iloc[half]
        assert abs(found.mean() - SPEND.expected_spend(6, mean)) < 5 * found.std() / math.sqrt(N)


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_simulation_can_be_read_back_and_fitted():
    """The purchases enter as any others, and lead back to the parameters they were made from."""
    n = 300 if PLAIN else 3000
    shop = clv.simulate(BG, horizon="2Y", n_customers=n, joining="1Y", spend=SPEND)
    log = crm.events(shop.transactions)
    summary = clv.summarize(log, end="2025-12-30")
    assert len(summary) == n
    assert summary["frequency"].sum() <= shop.truth["purchases"].sum()  # purchases of one day count once
    if not PLAIN:
        model = clv.fit_bg_nbd(summary)
        assert abs(math.log(model.r / model.alpha / (BG.r / BG.alpha))) < 0.15
        assert abs(math.log(model.a / (model.a + model.b) / (BG.a / (BG.a + BG.b)))) < 0.25


def test_given_customers_go_on_the_day_after_observation():
    first = clv.simulate(BG, horizon="39W", n_customers=60).transactions
    summary = clv.summarize(first, amount=None, end="2024-09-30")
    later = clv.simulate(BG, summary, horizon="10W")
    assert later.transactions["timestamp"].between("2024-10-01", "2024-12-10").all()
    assert later.truth.index.tolist() == summary.index.tolist()
    assert set(later.transactions["customer_id"]) <= set(summary.index)
    whole = pd.concat([first, later.transactions])
    split = clv.split(whole, amount=None, calibration_end="2024-09-30", end="2024-12-09")
    assert split.new.empty
    assert split.known["holdout_frequency"].sum() <= len(later.transactions)
    assert split.known["frequency"].tolist() == summary["frequency"].tolist()


@every_model
def test_the_same_seed_tells_the_same_story(model):
    one, two = (clv.simulate(model, horizon=9, n_customers=100, rng=5, n_threads=n) for n in (1, 2))
    assert one.transactions.equals(two.transactions)
    assert one.truth.equals(two.truth)
    assert not one.transactions.equals(clv.simulate(model, horizon=9, n_customers=100, rng=6).transactions)
    # who comes first does not depend on how many follow
    more = clv.simulate(model, horizon=9, n_customers=200, rng=5)
    assert (more.truth["purchases"].to_numpy()[:100] == one.truth["purchases"].to_numpy()).all()


def test_threads_share_many_customers(monkeypatch):
    from crmkit.clv import _simulate

    monkeypatch.setattr(_simulate, "_CUSTOMERS", 7)
    one, two = (clv.simulate(BG, horizon=9, n_customers=50, n_threads=n) for n in (1, 2))
    assert one.transactions.equals(two.transactions)


def test_other_frames_keep_their_kind_and_ids():
    pl = pytest.importorskip("polars")
    rows = table(BG, 20).assign(customer=[f"c{i:02d}" for i in range(20)])
    frame = pl.DataFrame(rows[["customer", "frequency", "recency", "T"]].to_dict("list"))
    found = clv.simulate(BG, frame, horizon=26)
    assert isinstance(found.transactions, pl.DataFrame)
    assert found.transactions.columns == ["customer_id", "time"]
    assert found.truth["customer_id"].to_list() == frame["customer"].to_list()
    nameless = clv.simulate(BG, frame.drop("customer"), horizon=26)
    assert nameless.truth["customer_id"].to_list() == list(range(20))
    assert (nameless.truth["purchases"] == found.truth["purchases"]).all()


def test_what_cannot_be_simulated():
    with raises(FitError, match="GammaGamma has no simulate"):
        clv.simulate(SPEND, horizon=9)
    with raises(OptionError, match="fitted model first"):
        clv.simulate("BG/NBD", horizon=9)
    with raises(OptionError, match="joining='60W' is longer"):
        clv.simulate(BG, horizon="52W", joining="60W")
    with raises(OptionError, match="joining=-1"):
        clv.simulate(BG, horizon="52W", joining=-1)
    with raises(OptionError, match="same opportunities"):
        clv.simulate(BB, horizon=8, joining=2)
    with raises(OptionError, match="whole number of opportunities"):
        clv.simulate(BB, horizon=8.5)
    with raises(OptionError, match="n_customers"):
        clv.simulate(BG, horizon=8, n_customers=0)
    with raises(FitError, match="BgNbd has no expected_spend"):
        clv.simulate(BG, horizon=8, spend=BG)
    with raises(DataError, match="index holds 2 customers twice"):
        clv.simulate(BG, table(BG, 3).set_axis(["a", "a", "a"]), horizon=8)
    nameless = fitted(clv.BgNbd, r=1.0, alpha=2.0, a=1.0, b=2.0)
    object.__setattr__(nameless, "unit", None)
    assert clv.simulate(nameless, horizon=5, n_customers=3).transactions.columns.tolist() == ["customer_id", "time"]
    with raises(FitError, match="knows its unit"):
        clv.simulate(nameless, horizon=5, start="2024-01-01")
    with raises(OptionError, match="start="):
        clv.simulate(BG, horizon=5, start="soon")


def test_it_says_what_it_holds():
    assert repr(clv.simulate(BG, horizon=0, n_customers=12)) == "Simulation: 12 customers, 12 purchases"
