"""What is to come: staying, counts, next purchases, discounted purchases and value, for every model that counts purchases."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises

from crmkit import clv
from crmkit.errors import ColumnError, DataError, FitError, OptionError
from naive import clv as naive


def fitted(kind, **parameters):
    """A model with given parameters, as a service would rebuild it."""
    return kind(
        **parameters, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, unit="W",
        columns=("frequency", "recency", "T"), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip


BG = fitted(clv.BgNbd, r=0.24259, alpha=4.41359, a=0.79293, b=2.42594)
MBG = fitted(clv.MbgNbd, r=0.52484, alpha=6.18309, a=0.89136, b=1.61400)
PARETO = fitted(clv.ParetoNbd, r=0.55328, alpha=10.5777, s=0.60624, beta=11.6687)
MODELS = [BG, MBG, PARETO]
NAMES = ["BG/NBD", "MBG/NBD", "Pareto/NBD"]
every_model = pytest.mark.parametrize("model", MODELS, ids=NAMES)
HISTORIES = [(0, 0.0, 0.0), (0, 0.0, 38.0), (1, 3.0, 38.0), (7, 35.0, 38.0), (26, 30.0, 31.0)]


# ── the definition, by the slow road ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("early", [0, 1])
@pytest.mark.parametrize("a", [1e-4, 0.8, 1.0, 30.0])
@pytest.mark.parametrize("b", [1e-3, 2.4, 300.0])
def test_geometric_dropout_against_fifty_digits(a, b, early):
    """Ten digits from a tenth of a nanosecond's worth of time to ten thousand periods, from one purchase to thousands."""
    model = fitted(clv.MbgNbd if early else clv.BgNbd, r=0.25, alpha=4.4, a=a, b=b)
    for x, t in [(0, 1e-9), (0, 52.0), (3, 20.0), (3, 1e4), (60, 52.0), (2000, 100.0), (20_000, 1.0)]:
        t_x, T = (38.9 if x else 0.0), 39.0
        given = (0.25 + x, 4.4 + T, a, b + x + early)
        alive = naive.mbg_nbd_p_alive if early else naive.bg_nbd_p_alive
        here = alive(0.25, 4.4, a, b, x, t_x, T)
        stays = here * naive.geometric_stays(*given, t)
        assert model.p_alive(x, t_x, T, t) == approx(float(stays), rel=1e-11), (x, t)


@pytest.mark.parametrize(
    ("rate", "t", "a"),
    [
        *itertools.product([0.0, 0.0018], [52.0], [1e-3, 0.8, 1.0, 30.0]),
        *itertools.product([0.02, 3.0], [math.inf], [1e-3, 1.0, 30.0]),
        (0.0018, math.inf, 0.8),
    ],
)
def test_discounted_purchases_of_geometric_dropout_against_the_integral(rate, t, a):
    model = fitted(clv.BgNbd, r=0.25, alpha=4.4, a=a, b=2.4)
    for x in (0, 7, 60):
        t_x, T = (38.9 if x else 0.0), 39.0
        expected = naive.geometric_purchases(0.25 + x, 4.4 + T, a, 2.4 + x, t, rate)
        expected *= naive.bg_nbd_p_alive(0.25, 4.4, a, 2.4, x, t_x, T)
        assert model.discounted_purchases(rate, x, t_x, T, t=t) == approx(float(expected), rel=1e-10), x


@pytest.mark.parametrize("a", [1e-3, 0.8, 30.0])
@pytest.mark.parametrize("x", [0, 7, 60])
@pytest.mark.parametrize("t", [1e-6, 10.0, 52.0, 500.0])
def test_counts_of_geometric_dropout_against_sixty_digits(a, x, t):
    model = fitted(clv.BgNbd, r=0.25, alpha=4.4, a=a, b=2.4)
    t_x, T = (38.9 if x else 0.0), 39.0
    expected = naive.geometric_counts(20, 0.25 + x, 4.4 + T, a, 2.4 + x, t)
    alive = naive.bg_nbd_p_alive(0.25, 4.4, a, 2.4, x, t_x, T)
    expected = [chance * alive for chance in expected]
    expected[0] += 1 - alive
    found = model.purchase_distribution(20, t, x, t_x, T)
    # what is left over is known to the rounding of the whole where nearly all purchases would exceed the largest count
    assert found == approx([float(chance) for chance in expected], rel=1e-11, abs=1e-15)


def test_bg_nbd_counts_of_new_customers_have_their_published_digits():
    model = fitted(clv.BgNbd, r=0.243, alpha=4.414, a=0.793, b=2.426)
    assert model.purchase_distribution(10, 2.0)[10] == approx(1.0786896e-7, rel=1e-7)
    assert model.purchase_distribution(0, 39.0)[0] == approx(0.57378635, abs=5e-9)
    expected = [0.0019995214, 0.0015170236, 0.001163315, 0.0009003148, 0.0007023638, 0.0005517902, 0.0004361913, 0.0003467171]
    assert model.purchase_distribution(20, 30.0)[11:19] == approx(expected, abs=5e-11)
    assert model.purchase_distribution(20, 30.0)[19:21] == approx([0.0002769613, 0.000222226], abs=5e-11)


PARETO_S = [0.02, 0.6, 1.0, 1.0 + 1e-9, 3.0, 200.0]


@pytest.mark.parametrize("s", PARETO_S)
@pytest.mark.parametrize("beta", [1e-3, 11.7, 1e8])
@pytest.mark.parametrize(
    ("rate", "t"), [(0.0, 1e-9), (0.0, 52.0), (0.0, 1e4), (0.0018, 52.0), (0.0018, math.inf), (3.0, math.inf)]
)
def test_discounted_purchases_of_pareto_nbd_against_thirty_digits(s, beta, rate, t):
    model = fitted(clv.ParetoNbd, r=0.55, alpha=10.6, s=s, beta=beta)
    T = 39.0
    expected = float(naive.pareto_purchases(0.55, 10.6 + T, s, beta + T, t, rate) * model.p_alive(0, 0.0, T))
    if rate == 0.0:
        assert model.expected_purchases(t, 0, 0.0, T) == approx(expected, rel=1e-12)
    assert model.discounted_purchases(rate, 0, 0.0, T, t=t) == approx(expected, rel=1e-12)


@pytest.mark.parametrize(("s", "x", "t"), [(0.02, 0, 10.0), (0.6, 7, 500.0), (0.6, 60, 10.0), (0.6, 0, 1e-6), (30.0, 60, 500.0)])
def test_counts_of_pareto_nbd_against_thirty_digits(s, x, t):
    model = fitted(clv.ParetoNbd, r=0.55, alpha=10.6, s=s, beta=11.7)
    t_x, T = (38.9 if x else 0.0), 39.0
    expected = naive.pareto_counts(12, 0.55 + x, 10.6 + T, s, 11.7 + T, t)
    alive = model.p_alive(x, t_x, T)
    expected = [float(chance) * alive for chance in expected]
    expected[0] += 1 - alive
    assert model.purchase_distribution(12, t, x, t_x, T) == approx(expected, rel=1e-10, abs=1e-15)


@pytest.mark.parametrize(
    "given", [(0.55, 49.6, 0.6, 50.7), (7.5, 1e-3, 2.0, 1e4), (0.01, 1e4, 0.02, 1e-2), (300.0, 40.0, 1.0, 40.0)]
)
def test_the_chance_of_another_purchase_in_pareto_nbd(given):
    m, A, s, B = given
    model = fitted(clv.ParetoNbd, r=m, alpha=A, s=s, beta=B)
    assert model.p_again() == approx(float(naive.pareto_again(*given)), rel=1e-11)


def test_pareto_nbd_discounted_purchases_of_the_literature():
    """At the parameters of "RFM and CLV" (2005), discounted at 0.0027 a week, that is by 15 % a year."""
    model = fitted(clv.ParetoNbd, r=0.5629966, alpha=12.559037, s=0.4081095, beta=10.5148048)
    found = [
        model.discounted_purchases(0.0027, x, t_x, 77.86)
        for x, t_x in [(7, 35), (7, 50), (7, 70), (7, 77), (0, 0), (1, 35), (1, 70), (3, 35), (15, 35), (15, 70)]
    ]
    expected = [1.8642, 9.5181, 17.5248, 18.4273, 0.3648, 2.4693, 3.6711, 3.8449, 0.0496, 35.0696]
    assert found == approx(expected, abs=6e-5)


def test_the_value_of_the_cdnow_cohort_of_the_literature(cdnow_sample):
    """78 weeks, a margin of 30 %, 0.0027 a week: half of the customers never came back, and are worth a twentieth of all."""
    summary = clv.summarize(cdnow_sample, end="1998-06-30")
    model = fitted(clv.ParetoNbd, r=0.5629966, alpha=12.559037, s=0.4081095, beta=10.5148048)
    spend = clv.GammaGamma(
        p=4.683, q=4.190, v=24.391, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True,
        columns=("frequency", "monetary_value"), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip
    x, t_x, T = (summary[name].to_numpy(float) for name in ("frequency", "recency", "T"))
    to_come = model.discounted_purchases(0.0027, x, t_x, T)
    value = 0.3 * to_come * spend.expected_spend(x, summary["monetary_value"].to_numpy())
    once = x == 0
    assert once.sum() == 1218
    assert to_come.mean() == approx(4.0001, abs=6e-5)
    assert to_come[once].mean() == approx(0.4081, abs=6e-5)
    assert value[once].mean() == approx(4.385, abs=2e-3)  # the spend model to the digits printed
    assert value.mean() == approx(44.05, abs=0.01)
    assert value[once].sum() / value.sum() == approx(0.0514, abs=6e-5)
    assert 23_570 * value.mean() == approx(1.04e6, rel=5e-3)


# ── what holds for every model ───────────────────────────────────────────────────────────────────────────────────────────


@every_model
@pytest.mark.parametrize("history", HISTORIES)
def test_chances_add_up_and_their_mean_is_the_expectation(model, history):
    chances = model.purchase_distribution(800, 39.0, *history)
    assert chances.shape == (802,)
    assert (chances >= 0).all()
    assert chances.sum() == approx(1.0, abs=1e-12)
    assert chances[:-1] @ np.arange(801) == approx(model.expected_purchases(39.0, *history), rel=1e-9)


@every_model
@pytest.mark.parametrize("history", HISTORIES)
def test_more_than_n_is_what_is_left(model, history):
    few, many = (model.purchase_distribution(n, 39.0, *history) for n in (3, 60))
    assert few[:4] == approx(many[:4], rel=1e-13)
    assert few[4] == approx(many[4:].sum(), rel=1e-11)


@every_model
@pytest.mark.parametrize("history", HISTORIES)
def test_discounted_purchases_agree_with_expected_purchases(model, history):
    undiscounted = model.discounted_purchases(0.0, *history, t=39.0)
    assert undiscounted == approx(model.expected_purchases(39.0, *history), rel=1e-12)
    # by parts: the discounted count is a mean of undiscounted ones over an exponential horizon
    rate = 0.02
    nodes, weights = np.polynomial.legendre.leggauss(60)
    total, edges = 0.0, [0.0, 1.0, 10.0, 50.0, 200.0, 600.0, 2000.0]
    for low, high in itertools.pairwise(edges):
        u = 0.5 * (high - low) * (nodes + 1) + low
        counts = model.expected_purchases(u, *history)
        total += 0.5 * (high - low) * float(weights @ (rate * np.exp(-rate * u) * counts))
    assert model.discounted_purchases(rate, *history) == approx(total, rel=1e-9)


@every_model
def test_staying_falls_with_time_and_composes(model):
    chances = model.p_alive(3, 20.0, 30.0, [0.0, 1.0, 10.0, 100.0, 1e4])
    assert chances[0] == model.p_alive(3, 20.0, 30.0)
    assert (np.diff(chances) < 0).all()
    assert 0 <= chances[-1] < 0.6
    # from T to 10 weeks later and on from there, had nothing been bought or learned
    assert (chances[1:] < chances[0]).all()


@every_model
def test_the_next_purchase_is_as_probable_as_its_quantile_says(model):
    """For one who stays: without dropout in between, counts of zero are what the quantile leaves."""
    for q in (0.0, 0.1, 0.5, 0.99):
        t = model.next_purchase(q, 3, 20.0, 30.0)
        m, A = model.r + 3, model.alpha + 30.0
        assert (A / (A + t)) ** m == approx(1 - q)
    again = model.p_again(3, 20.0, 30.0)
    none_ever = model.purchase_distribution(0, 1e12, 3, 20.0, 30.0)[0]
    assert again == approx(1 - none_ever, abs=1e-9)


@every_model
def test_a_new_customer_is_one_without_history(model):
    assert model.discounted_purchases(0.002) == model.discounted_purchases(0.002, 0, 0, 0)
    assert (model.purchase_distribution(4, 9.0) == model.purchase_distribution(4, 9.0, 0, 0, 0)).all()
    assert model.next_purchase(0.5) == model.next_purchase(0.5, 0, 0, 0)
    assert model.p_again() == model.p_again(0, 0, 0)


@every_model
def test_the_batch_and_the_threads_do_not_matter(model):
    x, t_x, T = (np.array(column) for column in zip(*HISTORIES, strict=True))
    together = model.discounted_purchases(0.002, x, t_x, T, n_threads=2)
    assert together.tolist() == [model.discounted_purchases(0.002, *history) for history in HISTORIES]
    square = model.purchase_distribution(4, [[1.0], [2.0]], x, t_x, T)
    assert square.shape == (2, 5, 6)
    assert (square[1, 3] == model.purchase_distribution(4, 2.0, *HISTORIES[3])).all()


@every_model
def test_questions_without_an_answer_are_refused(model):
    with raises(OptionError, match="horizon t must be zero or more, and finite"):
        model.discounted_purchases(0.0)
    with raises(OptionError, match="rate=-1"):
        model.discounted_purchases(-1)
    with raises(OptionError, match="below 1"):
        model.next_purchase(1.0)
    with raises(OptionError, match="together"):
        model.p_again(3)


# ── simulated futures ────────────────────────────────────────────────────────────────────────────────────────────────────


@every_model
def test_simulated_customers_do_what_is_expected_of_them(model):
    """Customers drawn from the story of the model: what they do after T is what was expected at T, within four errors."""
    n = 300 if is_plain_python() else 20_000
    rng = np.random.default_rng(5)
    r, alpha = 0.8, 6.0
    T, t = 30.0, 26.0
    if model is PARETO:
        model = fitted(clv.ParetoNbd, r=r, alpha=alpha, s=1.5, beta=40.0)
        rows = naive.simulate_pareto_nbd(rng, r, alpha, 1.5, 40.0, np.full(n, T), later=t)
    else:
        model = fitted(type(model), r=r, alpha=alpha, a=model.a, b=model.b)
        rows = naive.simulate_bg_nbd(rng, r, alpha, model.a, model.b, np.full(n, T), model.EARLY > 0, later=t)
    x, t_x, future = (np.array(column, dtype=float) for column in zip(*[(row[0], row[1], row[3]) for row in rows], strict=True))
    expected = model.expected_purchases(t, x, t_x, T)
    error = (future - expected).std() / math.sqrt(n)
    assert abs((future - expected).mean()) < 4 * error
    chances = model.purchase_distribution(3, t, x, t_x, T)
    for k in range(4):
        happened = future == k
        assert abs(happened.mean() - chances[:, k].mean()) < 4 * math.sqrt(0.25 / n)


def is_plain_python():
    from crmkit._kernels import bg_nbd

    return not hasattr(bg_nbd.log_likelihood, "py_func")


# ── by frame ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def table():
    frame = pd.DataFrame(HISTORIES, columns=["frequency", "recency", "T"], index=list("abcde"))
    return frame.assign(monetary_value=[0.0, 0, 12, 30, 8], first_value=[5.0, 9, 20, 0, 14], unit="W")


SPEND = clv.GammaGamma(
    p=6.25, q=3.74, v=15.44, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True,
    columns=("frequency", "monetary_value"), gradient_norm=0.0, condition=1.0, diagnosis="given",
)  # fmt: skip


@every_model
def test_frames_give_what_arrays_give(model, table):
    history = [table[name].to_numpy(float) for name in ("frequency", "recency", "T")]
    counts = clv.purchase_distribution(model, table, horizon="26W", up_to=3)
    assert counts.columns.tolist() == ["p_0", "p_1", "p_2", "p_3", "p_more"]
    assert counts.index.tolist() == list("abcde")
    assert (counts.to_numpy() == model.purchase_distribution(3, 26.0, *history)).all()
    due = clv.next_purchase(model, table, quantiles=[0.5, 0.975])
    assert due.columns.tolist() == ["p_again", "q50", "q97.5"]
    assert (due["q97.5"].to_numpy() == model.next_purchase(0.975, *history)).all()
    assert (due["p_again"].to_numpy() == model.p_again(*history)).all()
    rate = math.log(1.1) * 7 / 365.25
    discounted = clv.discounted_purchases(model, table)
    assert discounted.to_numpy() == approx(model.discounted_purchases(rate, *history), rel=1e-13)
    assert clv.p_alive(model, table, horizon="1Y").to_numpy() == approx(model.p_alive(*history, 365.25 / 7), rel=1e-13)


@every_model
def test_new_customers_need_no_table(model):
    assert clv.discounted_purchases(model) == approx(model.discounted_purchases(math.log(1.1) * 7 / 365.25), rel=1e-13)
    assert list(clv.purchase_distribution(model, horizon=4, up_to=1)) == ["p_0", "p_1", "p_more"]
    assert clv.next_purchase(model)["q50"] == model.next_purchase(0.5)


def test_lifetime_value_is_what_came_and_what_is_to_come(table):
    value = clv.lifetime_value(BG, SPEND, table, margin=0.3)
    assert value.columns.tolist() == ["current", "residual", "total"]
    bought = table["first_value"] + table["frequency"] * table["monetary_value"]
    assert value["current"].tolist() == approx((0.3 * bought).tolist())
    residual = 0.3 * clv.discounted_purchases(BG, table) * clv.expected_spend(SPEND, table)
    assert value["residual"].tolist() == approx(residual.tolist())
    assert value["total"].tolist() == approx((0.3 * bought + residual).tolist())
    year = clv.lifetime_value(BG, SPEND, table, margin=0.3, horizon="1Y", annual_discount=0.0)
    purchases = clv.expected_purchases(BG, table, horizon="1Y") * clv.expected_spend(SPEND, table)
    assert year["residual"].tolist() == approx((0.3 * purchases).tolist())


def test_value_does_not_depend_on_the_unit_of_time(table):
    days = table.assign(recency=7 * table["recency"], T=7 * table["T"], unit="D")
    model = fitted(clv.BgNbd, r=BG.r, alpha=7 * BG.alpha, a=BG.a, b=BG.b)
    object.__setattr__(model, "unit", "D")
    expected = clv.lifetime_value(BG, SPEND, table).to_numpy()
    assert clv.lifetime_value(model, SPEND, days).to_numpy() == approx(expected, rel=1e-12)


def test_values_that_cannot_be_told(table):
    with raises(ColumnError, match=r"no column 'first_value'.*clv.summarize gives it"):
        clv.lifetime_value(BG, SPEND, table.drop(columns="first_value"))
    with raises(OptionError, match="need annual_discount above 0"):
        clv.lifetime_value(BG, SPEND, table, annual_discount=0)
    with raises(OptionError, match="margin=-1"):
        clv.lifetime_value(BG, SPEND, table, margin=-1)
    with raises(FitError, match="GammaGamma has no discounted_purchases"):
        clv.lifetime_value(SPEND, BG, table)
    with raises(DataError, match="fitted in 'W'"):
        clv.lifetime_value(BG, SPEND, table.assign(unit="D"))
    nameless = fitted(clv.BgNbd, r=1.0, alpha=2.0, a=1.0, b=2.0)
    object.__setattr__(nameless, "unit", None)
    with raises(FitError, match="annual_discount needs a model that knows its unit"):
        clv.discounted_purchases(nameless, table.drop(columns="unit"))
    with raises(OptionError, match="quantiles="):
        clv.next_purchase(BG, table, quantiles=[0.5, 1.0])
    with raises(OptionError, match="quantiles="):
        clv.next_purchase(BG, table, quantiles="median")
    with raises(OptionError, match="up_to=-1"):
        clv.purchase_distribution(BG, table, horizon=4, up_to=-1)
