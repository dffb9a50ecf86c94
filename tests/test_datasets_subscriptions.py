"""Simulated contracts: the same bits for the same seed, and hazards that the contracts bear out."""

import numba
import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises
from scipy.integrate import quad
from scipy.optimize import minimize

from crmkit import datasets
from crmkit.datasets.subscriptions import PAYMENTS, PLANS
from crmkit.errors import OptionError

START = pd.Timestamp("2023-01-01")
MANY = 3_000 if numba.config.DISABLE_JIT else 20_000


@pytest.fixture(scope="module")
def base():
    return datasets.make_subscriptions(n_customers=2_000, rng=1)


@pytest.fixture(scope="module")
def plain():
    """Many contracts without frailty and without use."""
    return datasets.make_subscriptions(n_customers=MANY, frailty=0.0, uses_per_week=0.0, rejoin=0.0, rng=2)


def test_the_same_seed_gives_the_same_bits():
    first, again, other = (datasets.make_subscriptions(n_customers=60, rng=seed) for seed in (0, 0, 1))
    for name in ("contracts", "events", "truth"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(again, name))
    assert not first.truth["engagement"].equals(other.truth["engagement"])


def test_contracts_lie_within_the_observation_and_do_not_overlap(base):
    contracts = base.contracts
    assert contracts["start"].is_monotonic_increasing
    assert contracts["start"].min() >= START
    assert (contracts["end"].isna() | (contracts["end"] <= START + pd.Timedelta(days=730))).all()
    assert (contracts["end"].isna() | (contracts["end"] > contracts["start"])).all()
    assert (contracts["end"].isna() == contracts["reason"].isna()).all()
    by_customer = contracts.sort_values(["customer_id", "start"])
    before = by_customer.groupby("customer_id")["end"].shift()
    again = by_customer["customer_id"].duplicated()
    assert (by_customer["start"][again] >= before[again]).all()
    assert again.sum() > 20  # some come back
    assert set(contracts["reason"].dropna()) == {"voluntary", "involuntary"}
    assert list(base.truth.index) == list(contracts["contract_id"])
    assert base.truth["ended"].to_numpy().tolist() == contracts["end"].notna().tolist()


def test_events_belong_to_a_contract_that_runs(base):
    events = base.events
    assert events["timestamp"].is_monotonic_increasing
    assert set(events["kind"]) == {"payment", "use", "support"}
    ends = base.contracts["end"].fillna(START + pd.Timedelta(days=730))
    held = np.zeros(len(events), bool)
    joined = events.reset_index().merge(base.contracts.assign(until=ends), on="customer_id")
    inside = (joined["timestamp"] >= joined["start"]) & (joined["timestamp"] < joined["until"])
    held[joined.loc[inside, "index"]] = True
    assert held.all()
    assert ((events["amount"] > 0) == (events["kind"] == "payment")).all()


def test_payments_are_one_for_each_month_begun(base):
    days = base.truth["duration"].to_numpy()
    paid = (base.events["kind"] == "payment").sum()
    assert paid == approx(np.ceil(days / (365.25 / 12)).sum(), rel=1e-3)


def test_those_engaged_use_more(base):
    use = base.events[base.events["kind"] == "use"].groupby("customer_id").size()
    by_customer = base.truth.groupby("customer_id").agg({"engagement": "first", "duration": "sum"})
    rate = use.reindex(by_customer.index, fill_value=0).sum() / by_customer["duration"].sum() * 7
    assert rate == approx(1.5, rel=0.15)
    expected = 1.5 / 7 * by_customer["duration"] * np.exp(0.5 * by_customer["engagement"] - 0.125)
    residual = use.reindex(by_customer.index, fill_value=0) - expected
    assert abs(residual.sum()) < 4 * np.sqrt(expected.sum())


def test_risks_are_what_the_parameters_say(plain):
    truth, contracts = plain.truth, plain.contracts.set_index("contract_id")
    ratio = contracts["plan"].map({name: row[2] for name, row in PLANS.items()})
    np.testing.assert_allclose(truth["risk"], ratio * np.exp(-0.6 * truth["engagement"]))
    rate = contracts["payment"].map({name: row[1] for name, row in PAYMENTS.items()})
    np.testing.assert_allclose(truth["failure_rate"], rate / 365.25)
    shares = contracts["plan"].value_counts(normalize=True)
    assert shares.to_dict() == approx({name: row[0] for name, row in PLANS.items()}, abs=0.03)


def test_the_likelihood_finds_the_truth(plain):
    """Weibull hazards to leave, constant hazards to fail: maximum likelihood lies within four standard errors."""
    t, left = plain.truth["duration"].to_numpy(), (plain.contracts["reason"] == "voluntary").to_numpy()
    z = plain.truth["engagement"].to_numpy()
    plan = plain.contracts["plan"].map({name: i for i, name in enumerate(PLANS)}).to_numpy()

    def loss(theta):
        log_scale, log_shape, beta, *ratios = theta
        k, s = np.exp(log_shape), np.exp(log_scale)
        log_risk = np.append(0.0, ratios)[plan] + beta * z
        return np.sum(np.exp(log_risk) * (t / s) ** k) - np.sum((log_risk + np.log(k / s) + (k - 1) * np.log(t / s))[left])

    found = minimize(loss, [6.0, 0.0, 0.0, 0.0, 0.0], method="BFGS")
    truth = np.array([np.log(500), np.log(0.8), -0.6, np.log(0.45), np.log(0.2)])
    assert np.all(np.abs(found.x - truth) < 4 * np.sqrt(np.diag(found.hess_inv)) + 1e-3)
    failed = (plain.contracts["reason"] == "involuntary").to_numpy()
    for name, (_, per_year) in PAYMENTS.items():
        mine = (plain.contracts["payment"] == name).to_numpy()
        expected = per_year / 365.25 * t[mine].sum()
        assert abs(failed[mine].sum() - expected) < 4 * np.sqrt(expected)


def test_probabilities_are_the_integrals_of_the_hazards(base):
    running = base.truth[~base.truth["ended"]].iloc[:25]
    k, s, h = 0.8, 500.0, 90.0
    for row in running.itertuples():

        def gone(t, row=row):
            return row.risk * k / s * (t / s) ** (k - 1)

        def stays(t, row=row):
            leaving = row.risk * ((t / s) ** k - (row.duration / s) ** k)
            return np.exp(-leaving - row.failure_rate * (t - row.duration))

        bounds = (row.duration, row.duration + h)
        assert row.p_voluntary == approx(quad(lambda t: gone(t) * stays(t), *bounds)[0], abs=1e-8)
        assert row.p_involuntary == approx(quad(lambda t, row=row: row.failure_rate * stays(t), *bounds)[0], abs=1e-8)
    assert (base.truth.loc[base.truth["ended"], ["p_voluntary", "p_involuntary"]] == 0).all().all()


@pytest.mark.parametrize("shape", [0.5, 1.0, 3.0])
def test_in_the_long_run_everybody_leaves(shape):
    base = datasets.make_subscriptions(
        n_customers=100, scale=200.0, shape=shape, horizon_days=20_000, payments={"card": (1.0, 0.0)}, engagement=-1.5
    )
    running = base.truth[~base.truth["ended"]]
    ahead = running["risk"] * (((running["duration"] + 20_000) / 200.0) ** shape - (running["duration"] / 200.0) ** shape)
    assert ahead.max() > 25
    np.testing.assert_allclose(running["p_voluntary"], -np.expm1(-ahead), rtol=1e-12)
    np.testing.assert_allclose(running["p_involuntary"], 0.0, atol=1e-12)


def test_a_longer_look_bears_the_probabilities_out():
    """The same seed cannot look on, so many contracts are compared with what was foretold of contracts alike."""
    base = datasets.make_subscriptions(n_customers=MANY, days=400, rejoin=0.0, uses_per_week=0.0, rng=4)
    running = base.truth[~base.truth["ended"]]
    rng = np.random.default_rng(5)
    k, s = 0.8, 500.0
    leaves = s * ((running["duration"] / s) ** k + rng.standard_exponential(len(running)) / running["risk"]) ** (1 / k)
    fails = running["duration"] + rng.standard_exponential(len(running)) / running["failure_rate"]
    within = running["duration"] + 90
    for column, first, second in (("p_voluntary", leaves, fails), ("p_involuntary", fails, leaves)):
        happened = ((first < second) & (first < within)).to_numpy()
        assert abs(happened.sum() - running[column].sum()) < 4 * np.sqrt(running[column].sum())


def test_simple_settings():
    one = datasets.make_subscriptions(n_customers=1, plans={"only": (1, 9, 1)}, payments={"free": (1, 0)}, rejoin=0.0)
    assert one.contracts["plan"].tolist() == ["only"]
    assert set(one.contracts["reason"].dropna()) <= {"voluntary"}
    always = datasets.make_subscriptions(n_customers=40, rejoin=1.0, scale=20.0, rng=None)
    assert len(always.contracts) > 60
    assert "contracts" in repr(always)
    assert always.parameters["scale"] == 20.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_customers": 0}, {"days": 0}, {"start": "soon"}, {"scale": -1}, {"shape": 0}, {"frailty": -1}, {"rejoin": 2},
        {"uses_per_week": -1}, {"horizon_days": 0}, {"engagement": np.inf}, {"rng": "x"}, {"plans": {}},
        {"plans": {"a": (0.5, 1, 1)}},
        {"plans": {"a": (1, 1, 0)}}, {"payments": {"a": (1,)}}, {"payments": 3}, {"payments": {"a": (1, -1)}},
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(wrong):
    with raises(OptionError, match=next(iter(wrong))):
        datasets.make_subscriptions(**wrong)
