"""Prediction intervals: against the exact distribution where parameters are known, and what must not matter."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises

from crmkit import clv
from crmkit._kernels import futures as _k
from crmkit.clv._draws import Ranks, models_around
from crmkit.clv._purchase import PurchaseModel
from crmkit.errors import ColumnError, DataError, DataWarning, FitError, OptionError

PLAIN = not hasattr(_k.counts, "py_func")


def fitted(kind, **parameters):
    given = {
        "log_likelihood": 0.0, "standard_errors": {}, "n": 1.0, "converged": True, "unit": "W",
        "columns": ("frequency", "recency", "T"), "gradient_norm": 0.0, "condition": 1.0, "diagnosis": "well identified",
    }  # fmt: skip
    if kind is clv.GammaGamma:
        del given["unit"]
    return kind(**{**given, **parameters})


def around(model, error):
    """The model with independent errors of its log parameters."""
    size = len(model.PARAMETERS)
    return dataclasses.replace(model, covariance=tuple(map(tuple, (error**2 * np.eye(size)).tolist())))


BG = fitted(clv.BgNbd, r=0.8, alpha=6.0, a=0.9, b=2.5)
MBG = fitted(clv.MbgNbd, r=0.8, alpha=6.0, a=0.9, b=2.5)
PARETO = fitted(clv.ParetoNbd, r=0.8, alpha=6.0, s=0.7, beta=12.0)
BB = fitted(clv.BgBb, alpha=1.2, beta=0.75, gamma=0.66, delta=2.8)
SPEND = fitted(clv.GammaGamma, p=6.25, q=3.74, v=15.44)
MODELS = [BG, MBG, PARETO, BB]
every_model = pytest.mark.parametrize("model", MODELS, ids=[model.TITLE for model in MODELS])


def rows(model):
    weeks = [(0, 0.0, 39.0), (1, 3.0, 38.0), (7, 35.0, 38.0), (26, 30.0, 31.0), (0, 0.0, 0.0), (2, 10.0, 20.0), (2, 10.0, 20.0)]
    years = [(0, 0, 6), (2, 4, 6), (6, 6, 6), (1, 6, 6), (0, 0, 0), (3, 5, 6), (3, 5, 6)]
    frame = pd.DataFrame(years if model is BB else weeks, columns=["frequency", "recency", "T"], index=list("abcdefg"))
    return frame.assign(unit="W", monetary_value=np.where(frame["frequency"] > 0, 20.0 + 5.0 * frame["frequency"], 0.0))


@every_model
def test_known_parameters_give_the_quantiles_of_the_exact_distribution(model):
    table, draws = rows(model), 199 if PLAIN else 4999
    found = clv.prediction_interval(model, table, horizon=10, level=0.8, draws=draws)
    assert "known" in found.note
    expected = clv.expected_purchases(model, table, horizon=10)
    assert found.customers["purchases"].tolist() == expected.tolist()
    exact = clv.purchase_distribution(model, table, horizon=10, up_to=200).to_numpy()[:, :-1].cumsum(axis=1)
    slack = 4 * math.sqrt(0.09 / draws)
    for side, share in (("purchases_low", 0.1), ("purchases_high", 0.9)):
        for at, quantile in zip(exact, found.customers[side].astype(int), strict=True):
            assert at[quantile] >= share - slack
            assert quantile == 0 or at[quantile - 1] <= share + slack
    # a total of customers independent of each other: its mean and spread are known
    n = np.arange(201)
    chances = clv.purchase_distribution(model, table, horizon=10, up_to=200).to_numpy()[:, :-1]
    variance = (chances @ n**2 - (chances @ n) ** 2).sum()
    assert found.purchases.value == approx(expected.sum())
    assert found.purchases.se == approx(math.sqrt(variance), rel=0.3 if PLAIN else 0.06)
    assert found.purchases.ci_low <= expected.sum() <= found.purchases.ci_high
    assert (found.purchases.n, found.purchases.level, found.draws, found.horizon) == (7, 0.8, draws, 10.0)


def test_the_interval_of_a_large_base_is_what_the_parameters_leave_open():
    """Of many alike customers chance averages out: the total moves with the parameters alone, by the delta method."""
    model = around(BG, 0.02)
    n = 200 if PLAIN else 20_000
    table = pd.DataFrame({"frequency": np.full(n, 2), "recency": 25.0, "T": 38.0, "unit": "W"})
    found = clv.prediction_interval(model, table, horizon=39, level=0.8, draws=199 if PLAIN else 999)
    slopes = []
    for name in model.PARAMETERS:
        up, down = (
            dataclasses.replace(model, **{name: getattr(model, name) * math.exp(step)}).expected_purchases(39.0, 2, 25.0, 38.0)
            for step in (1e-4, -1e-4)
        )
        slopes.append((up - down) / 2e-4)
    chances = BG.purchase_distribution(100, 39.0, 2, 25.0, 38.0)[:-1]
    k = np.arange(chances.size)
    within = n * (chances @ k**2 - (chances @ k) ** 2)
    assert found.purchases.se == approx(math.sqrt(within + (n * 0.02) ** 2 * np.dot(slopes, slopes)), rel=0.3 if PLAIN else 0.1)
    assert found.note == ""


def test_ranks_hold_the_next_draw_as_often_as_they_say():
    for draws, level in [(1000, 0.8), (199, 0.9), (99, 0.98), (39, 0.95)]:
        ranks = Ranks.of(draws, level)
        assert (ranks.high - ranks.low) / (draws + 1) >= level - 1e-12
        assert (ranks.high - ranks.low) / (draws + 1) < level + 2.01 / (draws + 1)
    low, high = Ranks.of(99, 0.9).bounds(np.arange(99)[::-1].reshape(99, 1))
    assert (low[0], high[0]) == (4, 94)


@every_model
def test_neither_order_nor_company_nor_threads_matter(model, monkeypatch):
    from crmkit.clv import _intervals

    model, table = around(model, 0.1), rows(model)
    ask = {"horizon": 10, "level": 0.9, "draws": 99, "spend": around(SPEND, 0.05)}
    found = clv.prediction_interval(model, table, **ask)
    assert found.customers.loc["f"].tolist() == found.customers.loc["g"].tolist()
    back = clv.prediction_interval(model, table.iloc[::-1], **ask)
    assert back.customers.iloc[::-1].equals(found.customers)
    assert back.purchases == found.purchases
    assert back.value.ci_low == approx(found.value.ci_low, rel=1e-12)
    alone = clv.prediction_interval(model, table.loc[["c"]], **ask)
    assert alone.customers.loc["c"].tolist() == found.customers.loc["c"].tolist()
    monkeypatch.setattr(_intervals, "_CELLS", 200)  # two histories a piece
    pieces = [clv.prediction_interval(model, table, **ask, n_threads=n) for n in (1, 2)]
    assert pieces[0].customers.equals(pieces[1].customers)
    assert pieces[0].customers.equals(found.customers)
    assert pieces[0].purchases == pieces[1].purchases == found.purchases
    assert pieces[0].value == pieces[1].value


def test_the_unit_of_time_does_not_matter():
    """A base told in weeks and in days has the same intervals, and rates that differ by seven."""
    summary = clv.summarize(clv.simulate(BG, horizon="52W", n_customers=150).transactions, amount=None)
    days = summary.assign(recency=7 * summary["recency"], T=7 * summary["T"], unit="D")
    one, two = clv.fit_bg_nbd(summary, penalty=1e-3), clv.fit_bg_nbd(days, penalty=1e-3)
    assert two.alpha == approx(7 * one.alpha, rel=1e-8)
    weeks, same = (clv.prediction_interval(m, s, horizon="26W", draws=99) for m, s in ((one, summary), (two, days)))
    assert same.customers["purchases"].to_numpy() == approx(weeks.customers["purchases"].to_numpy(), rel=1e-8)
    ends = ["purchases_low", "purchases_high"]
    assert (same.customers[ends] == weeks.customers[ends]).all(axis=None)
    assert (same.purchases.ci_low, same.purchases.ci_high) == (weeks.purchases.ci_low, weeks.purchases.ci_high)


def test_money_has_intervals_of_its_own():
    table, draws = rows(BG), 199 if PLAIN else 3999
    found = clv.prediction_interval(BG, table, horizon="39W", level=0.8, spend=SPEND, draws=draws)
    assert found.customers.columns.tolist() == [
        "purchases", "purchases_low", "purchases_high", "value", "value_low", "value_high",
    ]  # fmt: skip
    mean = clv.expected_purchases(BG, table, horizon="39W") * clv.expected_spend(SPEND, table)
    assert found.customers["value"].to_numpy() == approx(mean.to_numpy())
    assert found.value.value == approx(mean.sum())
    assert found.value.ci_low < mean.sum() < found.value.ci_high
    # nothing bought is nothing spent, and the other way round
    nothing = found.customers["purchases_high"] == 0
    assert (found.customers["value_high"][nothing] == 0).all()
    assert (found.customers["value_low"] <= found.customers["value_high"]).all()
    # of one customer sure to buy often, the money is nearly the count times the own mean
    busy = pd.DataFrame({"frequency": [400], "recency": [100.0], "T": [100.0], "monetary_value": [50.0], "unit": "W"})
    sure = dataclasses.replace(BG, a=1e-9)
    one = clv.prediction_interval(sure, busy, horizon=10, level=0.8, spend=SPEND, draws=draws)
    counts = one.customers[["purchases_low", "purchases", "purchases_high"]].iloc[0]
    worth = one.customers[["value_low", "value", "value_high"]].iloc[0]
    assert (worth.to_numpy() / counts.to_numpy()) == approx(SPEND.expected_spend(400, 50.0), rel=0.06)


def test_higher_levels_are_wider_and_the_seed_decides():
    table, model = rows(BG), around(BG, 0.1)
    narrow, wide = (clv.prediction_interval(model, table, horizon=20, level=level, draws=399) for level in (0.5, 0.99))
    assert (wide.customers["purchases_high"] >= narrow.customers["purchases_high"]).all()
    assert wide.purchases.ci_low < narrow.purchases.ci_low < narrow.purchases.ci_high < wide.purchases.ci_high
    again = clv.prediction_interval(model, table, horizon=20, level=0.99, draws=399, rng=np.random.default_rng(0))
    assert again.purchases == wide.purchases
    assert clv.prediction_interval(model, table, horizon=20, level=0.99, draws=399, rng=1).purchases != wide.purchases


def test_no_time_no_purchases():
    found = clv.prediction_interval(BG, rows(BG), horizon=0, draws=99)
    assert found.purchases.ci_high == 0
    assert (found.customers == 0).all(axis=None)


def test_parameters_are_drawn_around_the_estimate():
    covariance = np.array([[0.04, 0.03, 0, 0], [0.03, 0.09, 0, 0], [0, 0, 0.01, -0.005], [0, 0, -0.005, 0.02]])
    model = dataclasses.replace(BG, covariance=tuple(map(tuple, covariance.tolist())))
    drawn, note = models_around(model, 5000, np.random.default_rng(2))
    theta = np.log([[getattr(one, name) for name in model.PARAMETERS] for one in drawn])
    assert theta.mean(axis=0) == approx(np.log([0.8, 6.0, 0.9, 2.5]), abs=0.02)
    assert np.cov(theta.T) == approx(covariance, abs=4e-3)
    assert note == ""


def test_a_ridge_is_said_and_bounded():
    free = np.diag([0.01, 0.02, np.inf, np.inf])
    ridge = dataclasses.replace(
        BG, covariance=tuple(map(tuple, free.tolist())), diagnosis="ridge: a and b grow together, only a / (a + b) is identified"
    )
    with pytest.warns(DataWarning, match="a, b stay where they are.*penalty"):
        found = clv.prediction_interval(ridge, rows(BG), horizon=20, draws=99)
    assert "ridge: a and b grow together" in found.note
    assert "ridge: a and b grow together" in repr(found)
    wide = dataclasses.replace(BG, covariance=tuple(map(tuple, np.diag([0.01, 0.02, 400.0, 400.0]).tolist())))
    with pytest.warns(DataWarning, match="along what is nearly free"):
        found = clv.prediction_interval(wide, rows(BG), horizon=20, draws=99)
    assert np.isfinite(found.purchases.ci_high)


def test_an_empty_table_has_nobody_in_it():
    found = clv.prediction_interval(BG, rows(BG).iloc[:0], horizon=20, draws=99)
    assert len(found.customers) == 0
    assert (found.purchases.value, found.purchases.ci_high, found.purchases.n) == (0.0, 0.0, 0)


def test_what_cannot_be_told():
    table = rows(BG)
    with raises(FitError, match="GammaGamma has no prediction_interval"):
        clv.prediction_interval(SPEND, table, horizon=9)
    with raises(OptionError, match=r"draws=30 are too few for level=0.95: take at least 39"):
        clv.prediction_interval(BG, table, horizon=9, draws=30)
    with raises(OptionError, match="level"):
        clv.prediction_interval(BG, table, horizon=9, level=95)
    with raises(OptionError, match="horizon="):
        clv.prediction_interval(BG, table, horizon=-1)
    with raises(OptionError, match="whole number of opportunities"):
        clv.prediction_interval(BB, rows(BB), horizon=2.5)
    with raises(ColumnError, match="recency"):
        clv.prediction_interval(BG, table.drop(columns="recency"), horizon=9)
    with raises(DataError, match="fitted in 'W'"):
        clv.prediction_interval(BG, table.assign(unit="D"), horizon=9)
    with raises(FitError, match="BgNbd has no expected_spend"):
        clv.prediction_interval(BG, table, horizon=9, spend=BG)
    with raises(FitError, match="infinite"):
        clv.prediction_interval(BG, table, horizon=9, spend=fitted(clv.GammaGamma, p=6.25, q=0.9, v=15.44))


# ── whether they hold ────────────────────────────────────────────────────────────────────────────────────────────────────


def histories(model, n, seed, horizon=26.0):
    """Customers who joined over half a year, watched for a year (BG/BB: six opportunities), with what they did afterwards."""
    watched, later = (6.0, 5.0) if model is BB else (52.0, horizon)
    shop = clv.simulate(model, horizon=watched + later, n_customers=n, joining=0.0 if model is BB else 26.0, rng=seed)
    joined = shop.truth["joined"].to_numpy()
    bought = shop.transactions.sort_values(["customer_id", "time"])
    customer = np.searchsorted(shop.truth.index, bought["customer_id"])
    time = bought["time"].to_numpy() - joined[customer]
    first = np.flatnonzero(np.diff(customer, prepend=-1))
    repeat = np.ones(customer.size, bool)
    repeat[first] = False
    known = bought["time"].to_numpy() <= watched
    x = np.bincount(customer[repeat & known], minlength=n)
    t_x = np.zeros(n)
    np.maximum.at(t_x, customer[repeat & known], time[repeat & known])
    return pd.DataFrame(
        {
            "frequency": x,
            "recency": t_x,
            "T": watched - joined,
            "unit": "W",
            "holdout_frequency": np.bincount(customer[~known], minlength=n),
            "holdout_T": later,
        }
    )


FITS = {"BG/NBD": clv.fit_bg_nbd, "MBG/NBD": clv.fit_mbg_nbd, "Pareto/NBD": clv.fit_pareto_nbd, "BG/BB": clv.fit_bg_bb}


def coverage(model, sets, n, draws):
    """How often 80 % intervals hold the base total and the customers, over as many sets; one randomised PIT of each set."""
    random = np.random.default_rng(99)
    base, each, pit = [], [], []
    for seed in range(sets):
        table = histories(model, n, seed)
        estimate = FITS[model.TITLE](table)
        found = clv.prediction_interval(estimate, table, horizon=table["holdout_T"].iloc[0], level=0.8, draws=draws, rng=seed)
        actual = table["holdout_frequency"]
        base.append(found.purchases.ci_low <= actual.sum() <= found.purchases.ci_high)
        each.append(actual.between(found.customers["purchases_low"], found.customers["purchases_high"]).mean())
        row = int(random.integers(n))
        history = table.iloc[row][["frequency", "recency", "T"]].astype(float)
        chances = estimate.purchase_distribution(int(actual[row]), table["holdout_T"].iloc[0], *history)
        pit.append(chances[: actual[row]].sum() + random.random() * chances[actual[row]])
    return np.mean(base), np.mean(each), np.array(pit)


@pytest.mark.skipif(PLAIN, reason="hundreds of simulated bases need compiled kernels")
def test_intervals_hold_as_often_as_they_say():
    from scipy import stats

    base, each, pit = coverage(BG, 60, 500, 199)
    assert 0.62 <= base <= 0.96  # what an exact 80 % leaves, at 1 in 1,000
    assert each >= 0.8
    assert stats.kstest(pit, "uniform").pvalue > 1e-3


def test_a_model_whose_futures_cannot_be_drawn_says_so():
    class Silent(clv.ParetoNbd):
        _future = PurchaseModel._future

    silent = Silent(**{field.name: getattr(PARETO, field.name) for field in dataclasses.fields(PARETO)})
    customers = pd.DataFrame({"frequency": [2], "recency": [20.0], "T": [38.0]})
    assert clv.p_alive(silent, customers).between(0, 1).all()
    for ask in (lambda: clv.prediction_interval(silent, customers, horizon=9), lambda: clv.simulate(silent, horizon=9)):
        with raises(FitError, match="futures of a Pareto/NBD cannot be drawn"):
            ask()


@pytest.mark.recovery
@pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")  # one base in thousands leaves a and b open
@every_model
def test_intervals_hold_at_their_level(model):
    """2,000 bases: 80 % intervals of the total hold in 77.5-82.5 %, of the customers in 80 % or more.

    Of 1,000 customers each; 4,000 with BG/BB, whose log parameters are not yet normal after six opportunities of 1,000: there the
    intervals of the total hold in 84 %.
    """
    from scipy import stats

    base, each, pit = coverage(model, 2000, 4000 if model is BB else 1000, 99 if model is BB else 399)
    print(f"\n{model.TITLE}: base {base:.4f}, customers {each:.4f}, PIT p-value {stats.kstest(pit, 'uniform').pvalue:.3f}")
    assert 0.775 <= base <= 0.825
    assert each >= 0.8
    assert stats.kstest(pit, "uniform").pvalue > 0.01 / len(MODELS)
