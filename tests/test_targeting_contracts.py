"""From contracts to the list of customers to call, held against hazards that are known: every step of the line at once."""

import pandas as pd
import pytest
from pytest import approx

import crmkit as crm

COLUMNS = {
    "start": "start",
    "end": "end",
    "carry": ["plan", "payment", "price"],
    "customer": "customer_id",
    "as_of": "2024-12-30",
}


@pytest.fixture(scope="module")
def business():
    return crm.datasets.make_subscriptions(n_customers=2_500, rejoin=0.0, uses_per_week=0.0, rng=3)


@pytest.fixture(scope="module")
def foretold(business):
    """Probabilities to end within 90 days of today, of the contracts that run, beside the true ones."""
    contracts = business.contracts.drop(columns="reason")
    past = crm.churn.panel(contracts, cutoffs=["2023-10-01", "2024-02-01", "2024-06-01", "2024-10-01"], horizon="90D", **COLUMNS)
    today = crm.churn.panel(contracts, cutoffs=["2024-12-31"], horizon=None, **COLUMNS)
    p = crm.churn.predict(crm.churn.fit(past, features=["tenure_days", *COLUMNS["carry"]], model="logistic"), today)
    running = business.truth[~business.truth["ended"]].set_index("customer_id")
    true = running["p_voluntary"] + running["p_involuntary"]
    return p, true.reindex(p.index.get_level_values("customer_id")).set_axis(p.index), today


def test_every_running_contract_has_a_probability_and_no_other(business, foretold):
    p, true, _ = foretold
    running = business.truth.loc[~business.truth["ended"], "customer_id"]
    assert set(p.index.get_level_values("customer_id")) == set(running)
    assert true.notna().all()


def test_probabilities_are_right_on_the_whole_and_for_each_plan(foretold):
    p, true, today = foretold
    assert p.mean() == approx(true.mean(), rel=0.12)
    found = pd.DataFrame({"p": p, "true": true}).groupby(today["plan"].astype(str)).mean()
    assert found["p"].tolist() == approx(found["true"].tolist(), rel=0.3)
    assert found["p"].idxmax() == found["true"].idxmax() == "monthly"


def test_the_customers_chosen_are_worth_choosing(foretold):
    p, true, today = foretold
    economy = {"value": 12 * today["price"], "cost": 1.0, "offer_cost": 5.0, "accept": 0.3}
    choice = crm.targeting.choose(p, budget=300.0, **economy)
    picked = choice.customers["contact"].to_numpy()

    def earns(chance):
        return chance * (0.3 * (economy["value"] - 5) - 1) - (1 - chance) * 6

    # nobody told the model of engagement: even so, what is expected of those chosen is near what is true
    assert earns(true)[picked].sum() == approx(choice.expected_profit, rel=0.5)
    assert earns(true)[picked].mean() > earns(true).mean() + 2
    perfect = crm.targeting.choose(true, budget=300.0, **economy)
    assert earns(true)[picked].sum() < perfect.expected_profit
