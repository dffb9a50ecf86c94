"""Whom to contact: the best choice on small cases, bounds on large ones, and customers who find their own numbers."""

import time

import numba
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, raises

import crmkit as crm
import naive.targeting as naive
from crmkit import targeting
from crmkit._kernels import knapsack as _k
from crmkit.errors import DataError, OptionError


def economics(p, value, cost, offer_cost=0.0, accept=0.3):
    spent = cost + offer_cost * (p * accept + 1 - p)
    return p * accept * value - spent, spent


small = st.integers(0, 2**32 - 1)


def case(seed, n=6, k=2, ties=False):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    value = rng.integers(50, 400, n).astype(float)
    cost = rng.integers(1, 12, (n, k)).astype(float)
    accept = rng.uniform(0.05, 0.6, k)
    if ties:
        p, value, cost = np.full(n, 0.5), np.full(n, 100.0), np.tile(cost[:1], (n, 1))
    offers = {f"o{j}": {"cost": cost[:, j], "accept": float(accept[j])} for j in range(k)}
    gain = np.column_stack([economics(p, value, cost[:, j], accept=accept[j])[0] for j in range(k)])
    return p, value, offers, gain, cost


@given(seed=small, budget=st.floats(0, 40), capacity=st.integers(0, 6), ties=st.booleans())
@settings(max_examples=60)
def test_the_choice_keeps_the_limits_and_the_best_choice_lies_below_the_bound(seed, budget, capacity, ties):
    p, value, offers, gain, cost = case(seed, ties=ties)
    choice = targeting.choose(p, value=value, cost=0.0, offers=offers, budget=budget, capacity=capacity)
    best = naive.best_choice(gain, cost, budget, capacity)
    assert choice.expected_cost <= budget * (1 + 1e-9)
    assert choice.contacted <= capacity
    assert choice.expected_profit <= best + 1e-9 <= choice.upper_bound + 2e-9
    assert choice.gap == approx(choice.upper_bound - choice.expected_profit, abs=1e-9)
    # what is left on the table is less than a customer and their neighbour can bring
    assert choice.gap <= 2 * np.maximum(gain, 0).max() + 1e-9


@pytest.mark.parametrize(("seed", "budget", "capacity"), [(0, 30.0, 10), (1, 60.0, 40), (2, 5.0, 25), (3, 100.0, 12)])
def test_the_bound_is_that_of_the_linear_programme(seed, budget, capacity):
    """Offers in parts allowed, HiGHS finds the same optimum, and the same price of the budget."""
    from scipy.optimize import linprog

    p, value, offers, gain, cost = case(seed, n=40, k=3)
    choice = targeting.choose(p, value=value, cost=0.0, offers=offers, budget=budget, capacity=capacity)
    one_each = np.kron(np.eye(40), np.ones(3))
    rows = np.vstack([one_each, cost.ravel(), np.ones(120)])
    solved = linprog(-gain.ravel(), A_ub=rows, b_ub=[*np.ones(40), budget, capacity], bounds=(0, 1), method="highs")
    assert choice.upper_bound == approx(-solved.fun, rel=1e-9)
    assert choice.budget_price == approx(-solved.ineqlin.marginals[40], abs=1e-6)


def test_small_cases_are_mostly_solved_to_the_best_choice():
    best, found = [], []
    for seed in range(60):
        p, value, offers, gain, cost = case(seed)
        choice = targeting.choose(p, value=value, cost=0.0, offers=offers, budget=10.0, capacity=4)
        best.append(naive.best_choice(gain, cost, 10.0, 4))
        found.append(choice.expected_profit)
    assert np.mean(np.isclose(found, best)) > 0.8
    assert np.sum(found) > 0.97 * np.sum(best)


@given(seed=small, capacity=st.integers(0, 6))
@settings(max_examples=40)
def test_without_a_budget_the_choice_is_the_best(seed, capacity):
    p, value, offers, gain, cost = case(seed)
    choice = targeting.choose(p, value=value, cost=0.0, offers=offers, capacity=capacity)
    assert choice.expected_profit == approx(naive.best_choice(gain, cost, np.inf, capacity), abs=1e-9)
    assert choice.gap == approx(0.0, abs=1e-9)
    assert choice.budget_price == 0.0


@given(seed=small, contacts=st.integers(0, 8))
@settings(max_examples=40)
def test_where_every_contact_costs_the_same_the_choice_is_the_best(seed, contacts):
    rng = np.random.default_rng(seed)
    p, value = rng.random(8).round(1), rng.integers(10, 200, 8).astype(float)
    choice = targeting.choose(p, value=value, cost=0.1, budget=0.1 * contacts)
    gain, _ = economics(p, value, 0.1)
    assert choice.expected_profit == approx(np.sort(np.maximum(gain, 0))[::-1][:contacts].sum())


def test_the_gap_is_a_small_part_of_one_customer_among_many():
    rng = np.random.default_rng(0)
    n = 500 if numba.config.DISABLE_JIT else 20_000
    p, value = rng.beta(1, 4, n), rng.gamma(2, 100, n)
    offers = {
        "mail": {"cost": 0.5, "accept": 0.05},
        "call": {"cost": 6.0, "accept": 0.2},
        "gift": {"cost": 1.0, "offer_cost": 15.0},
    }
    choice = targeting.choose(p, value=value, cost=1.0, offers=offers, budget=0.4 * n, capacity=n // 3)
    gains = [economics(p, value, own["cost"], own.get("offer_cost", 0.0), own.get("accept", 0.3))[0] for own in offers.values()]
    assert 0 <= choice.gap < np.max(gains) / (10 if n > 1_000 else 1)
    assert choice.expected_cost > 0.9999 * 0.4 * n or choice.contacted == n // 3
    assert choice.everybody_profit <= choice.unlimited_profit
    assert choice.expected_profit < choice.unlimited_profit
    assert choice.offers["customers"].sum() == choice.contacted
    assert choice.offers["expected_profit"].sum() == approx(choice.expected_profit)


def test_prices_are_what_one_more_unit_adds():
    rng = np.random.default_rng(1)
    n = 2_000
    p, value, cost = rng.beta(1, 4, n), rng.gamma(2, 100, n), rng.uniform(1, 5, n)

    def profit(budget=None, capacity=None):
        return targeting.choose(p, value=value, cost=cost, budget=budget, capacity=capacity)

    here, there = profit(budget=1_000), profit(budget=1_050)
    assert (there.expected_profit - here.expected_profit) / 50 == approx(here.budget_price, rel=0.05)
    few, more = profit(capacity=100), profit(capacity=101)
    assert more.expected_profit - few.expected_profit == approx(few.capacity_price)
    assert profit(budget=1e9).budget_price == 0.0


def test_more_never_earns_less():
    p, value, offers, _, _ = case(3, n=40, k=3)
    bounds = [targeting.choose(p, value=value, cost=1.0, offers=offers, budget=b).upper_bound for b in range(0, 200, 10)]
    assert np.all(np.diff(bounds) >= -1e-9)


def test_nobody_is_contacted_at_a_loss():
    choice = targeting.choose([0.1, 0.2], value=10.0, cost=5.0)
    assert choice.contacted == 0
    assert choice.expected_profit == 0.0
    assert choice.everybody_profit < 0


def test_the_formula_is_that_of_the_profit_curve():
    rng = np.random.default_rng(2)
    p, value = rng.random(50), rng.gamma(2, 100, 50)
    terms = {"value": value, "offer_cost": 8.0, "accept": 0.25}
    choice = targeting.choose(p, cost=2.0, **terms)
    curve = targeting.profit_curve(np.arange(50) % 2, p, contact_cost=2.0, **terms)
    assert choice.expected_profit / 50 == approx(curve.chosen.expected)
    assert choice.contacted == curve.chosen.customers


def test_the_rule_of_calibrated_probabilities():
    """With one value for all, contact where p > (d + f) / (γ(V − d) + d): 0.16418 at the usual economics."""
    p = np.array([0.1641, 0.1643])
    choice = targeting.choose(p, value=200, cost=1, offer_cost=10, accept=0.3)
    assert choice.customers["contact"].tolist() == [False, True]


# ── who is who ───────────────────────────────────────────────────────────────────────────────────────────────────────────

P = pd.Series([0.9, 0.2, 0.6], index=pd.Index(["ann", "bob", "cid"], name="customer_id"))
VALUE = pd.Series({"dan": 7.0, "cid": 200.0, "bob": 900.0, "ann": 50.0})


def test_values_are_found_by_id_and_rows_come_back_as_they_went_in():
    for value in (VALUE, VALUE.to_dict(), VALUE.to_frame("residual"), VALUE.sample(frac=1, random_state=1)):
        choice = targeting.choose(P, value=value, cost=5.0)
        assert choice.customers["expected_profit"].tolist() == approx([8.5, 49.0, 31.0])
        assert choice.customers.index.equals(P.index)
    assert list(targeting.choose(P, value=VALUE, cost=5.0, capacity=1).ids) == ["bob"]


def test_a_panel_index_is_read_by_customer():
    panel = P.copy()
    panel.index = pd.MultiIndex.from_arrays([P.index, pd.to_datetime(["2024-01-01"] * 3)], names=["customer_id", "cutoff"])
    choice = targeting.choose(panel, value=VALUE, cost=5.0)
    assert choice.customers["expected_profit"].tolist() == approx([8.5, 49.0, 31.0])
    assert choice.customers.index.equals(panel.index)
    twice = pd.concat([panel, panel])
    with raises(DataError, match=r"p: 3 rows of the index.*first in row 3.*cutoffs one"):
        targeting.choose(twice, value=VALUE, cost=5.0)
    panel.index = panel.index.set_names(["a", "b"])
    with raises(DataError, match="indexed by"):
        targeting.choose(panel, value=VALUE, cost=5.0)


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_frames_hold_the_id_in_front(kind):
    p, value = ({"customer_id": list(s.index), "number": s.to_list()} for s in (P, VALUE))
    frame = pl.DataFrame if kind == "polars" else pa.table
    choice = targeting.choose(frame(p), value=frame(value), cost=5.0)
    rows = choice.customers.to_pandas()
    assert rows["customer_id"].tolist() == ["ann", "bob", "cid"]
    assert rows["expected_profit"].tolist() == approx([8.5, 49.0, 31.0])
    assert isinstance(choice.customers, type(frame(p)))
    column = frame(value)["number"]
    with raises(DataError, match="behind the id"):
        targeting.choose(frame(p), value=column, cost=5.0)
    bare = targeting.choose(frame(p)["number"], value=frame(value)["number"][:3], cost=5.0)
    assert bare.n == 3


def test_an_unmatched_id_is_refused_without_being_named():
    with raises(DataError, match=r"value: 1 of the 3 customers of p have none, the first in row 2") as said:
        targeting.choose(P, value=VALUE.drop("cid"), cost=5.0)
    assert "cid" not in str(said.value)
    with raises(DataError, match="the p ids are text, those known here numbers"):
        targeting.choose(P, value=VALUE.reset_index(drop=True), cost=5.0)
    with raises(DataError, match="value: 1 rows of the index are of a customer"):
        targeting.choose(P, value=pd.concat([VALUE, VALUE[:1]]), cost=5.0)
    with raises(DataError, match=r"p has 3 customers and value 2"):
        targeting.choose(P, value=[1.0, 2.0], cost=5.0)


def test_equal_customers_are_taken_by_id_whatever_the_order_of_the_rows():
    p = pd.Series(0.5, index=[f"c{i:02d}" for i in range(20)])
    shuffled = p.sample(frac=1, random_state=3)
    for limit in ({"capacity": 7}, {"budget": 7.0}, {"budget": 7.0, "capacity": 9}):
        one = targeting.choose(p, value=100.0, cost=1.0, **limit)
        two = targeting.choose(shuffled, value=100.0, cost=1.0, **limit)
        assert sorted(one.ids) == sorted(two.ids) == [f"c{i:02d}" for i in range(7)]
        assert one.expected_profit == two.expected_profit


def test_sums_are_the_same_to_the_bit_whatever_the_order_of_the_rows():
    rng = np.random.default_rng(4)
    p = pd.Series(rng.random(300), index=rng.permutation(300))
    value = pd.Series(rng.gamma(2, 100, 300), index=np.arange(300))
    one = targeting.choose(p, value=value, cost=3.0, budget=200)
    two = targeting.choose(p.sample(frac=1, random_state=5), value=value, cost=3.0, budget=200)
    assert (one.expected_profit, one.upper_bound, one.budget_price) == (two.expected_profit, two.upper_bound, two.budget_price)
    pd.testing.assert_frame_equal(one.customers, two.customers.loc[one.customers.index])


def test_the_line_of_the_grammar():
    log = crm.events(crm.datasets.make_transactions(n_customers=300).transactions, order="order_id")
    s = crm.clv.summarize(log)
    value = crm.clv.lifetime_value(crm.clv.fit_bg_nbd(s), crm.clv.fit_gamma_gamma(s), s)
    model = crm.churn.fit(crm.churn.panel(log, cutoffs=["2024-01-01", "2024-06-01"], horizon="90D"))
    today = crm.churn.panel(log, cutoffs=[log.span.end], horizon=None)
    offers = crm.targeting.choose(crm.churn.predict(model, today), value=value["residual"], cost=0.5, budget=40)
    assert offers.customers.index.equals(today.index)
    assert 0 < offers.contacted <= 80
    assert offers.expected_cost <= 40
    assert "customers contacted" in repr(offers)


def test_several_offers_are_named_and_none_is_no_offer():
    offers = {"call": {"cost": 5.0}, "mail": {"cost": 1.0, "accept": pd.Series({"ann": 0.1, "bob": 0.1, "cid": 0.29})}}
    choice = targeting.choose(P, value=VALUE, cost=0.0, offers=offers, capacity=2)
    assert choice.customers["offer"].tolist() == ["none", "call", "mail"]
    assert choice.offers["customers"].tolist() == [1, 1]
    assert "call" in repr(choice)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_numbers_out_of_range_are_refused_with_their_place():
    for wrong in (1.2, -0.1):
        with raises(DataError, match=r"p: 1 not from 0 to 1, the first in row 1"):
            targeting.choose([0.5, wrong], value=10.0, cost=1.0)
    with raises(DataError, match=r"cost: 1 not from 0 to 1e\+100, the first in row 1 \(-3\)"):
        targeting.choose([0.5, 0.4], value=10.0, cost=[1.0, -3.0])
    with raises(DataError, match=r"accept: 1 not from 0 to 1"):
        targeting.choose([0.5, 0.4], value=10.0, cost=1.0, accept=[0.3, 3.0])
    with raises(DataError, match=r"value.*1 missing.*row 1"):
        targeting.choose([0.5, 0.4], value=[10.0, np.nan], cost=1.0)
    with raises(DataError, match="no customers"):
        targeting.choose([], value=10.0, cost=1.0)
    with raises(DataError, match="dimensions"):
        targeting.choose(np.ones((2, 2)), value=10.0, cost=1.0)
    with raises(DataError, match="does not say which number"):
        targeting.choose(pd.DataFrame({"a": [0.1], "b": [0.2]}), value=10.0, cost=1.0)
    for wrong in ("text", 3.0):
        with raises(DataError, match="one number per customer"):
            targeting.choose(wrong, value=10.0, cost=1.0)


def test_options_out_of_range_are_refused():
    for wrong in (
        {"budget": -1},
        {"capacity": 1.5},
        {"capacity": -1},
        {"accept": 2.0},
        {"cost": -1.0},
        {"offer_cost": np.inf},
        {"value": 1e300},
        {"value": -1},
    ):
        with raises(OptionError, match=next(iter(wrong))):
            targeting.choose([0.5], **{"value": 10.0, "cost": 1.0, **wrong})
    with raises(OptionError, match="a term of offer 'call'"):
        targeting.choose([0.5], value=10.0, cost=1.0, offers={"call": {"price": 3.0}})
    for wrong in ({}, ["call"], {"call": 3.0}):
        with raises(OptionError, match="mapping of names to terms"):
            targeting.choose([0.5], value=10.0, cost=1.0, offers=wrong)
    with raises(OptionError, match="no offer"):
        targeting.choose([0.5], value=10.0, cost=1.0, offers={"none": {}})


def test_effects_may_be_negative_where_they_are_meant():
    choice = targeting.choose([-0.2, 0.3], value=100.0, cost=1.0, accept=1)
    assert choice.customers["contact"].tolist() == [False, True]
    assert choice.expected_profit == approx(29.0)
    with raises(DataError, match="uplift"):
        targeting.choose([-0.2, 0.3], value=100.0, cost=1.0)


# ── kernels and size ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(5))
def test_kernels_agree_with_their_twins(seed):
    rng = np.random.default_rng(seed)
    gain, cost = rng.integers(-3, 9, (12, 3)).astype(float), rng.integers(0, 5, (12, 3)).astype(float)
    for price in (0.0, 0.5, 1.0, 3.0):
        offer, worth, spent = np.empty(12, np.int32), np.empty(12), np.empty(12)
        _k.best_offers(gain, cost, price, offer, worth, spent)
        assert spent.tolist() == [cost[i, k] if k >= 0 else 0.0 for i, k in enumerate(offer)]
        assert list(zip(offer, worth, strict=True)) == naive.best_offers(gain, cost, price)
        for room, may_add in ((3.0, True), (0.0, True), (2.0, False)):
            better, rise = np.empty(12, np.int32), np.empty(12)
            _k.upgrades(gain, cost, offer, price, room, may_add, better, rise)
            assert list(zip(better, rise, strict=True)) == naive.upgrades(gain, cost, offer, price, room, may_add)
    assert _k.dearest(gain, cost) == naive.dearest(gain, cost)


def test_what_fits_is_taken_in_order():
    taken = np.zeros(4, np.bool_)
    left = _k.fill(np.array([3, 0, 1, 2]), np.array([2.0, 2.0, 1.0, 3.0]), 6.0, 2, np.array([True, True, True, False]), taken)
    assert taken.tolist() == [True, False, True, True]
    assert left == 0.0


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="kernels run as plain Python")
def test_a_million_customers_take_seconds():
    rng = np.random.default_rng(6)
    n = 1_000_000
    p = pd.Series(rng.beta(1, 4, n), index=np.arange(n))
    value = pd.Series(rng.gamma(2, 100, n), index=np.arange(n)[::-1])
    offers = {"mail": {"cost": 0.5, "accept": 0.05}, "call": {"cost": 6.0, "accept": 0.2}}
    targeting.choose(p[:100], value=value, cost=1.0, offers=offers, budget=10.0)
    started = time.perf_counter()
    choice = targeting.choose(p, value=value, cost=1.0, offers=offers, budget=500_000.0, capacity=300_000)
    assert time.perf_counter() - started < 60
    assert choice.gap < 10
