"""The whole retailer: frames that fit together, and one grammar from raw contacts to decision."""

import warnings

import numpy as np
import pandas as pd
import pytest

import crmkit as crm
from crmkit.errors import CrmkitWarning, OptionError


@pytest.fixture(scope="module")
def store():
    return crm.datasets.make_store(n_customers=300)


def test_the_same_seed_gives_the_same_bits(store):
    again = crm.datasets.make_store(n_customers=300)
    for name in ("contacts", "orders", "survey", "experiment", "truth"):
        pd.testing.assert_frame_equal(getattr(store, name), getattr(again, name))
    assert not store.orders.equals(crm.datasets.make_store(n_customers=300, rng=1).orders)
    assert "300 people" in repr(store)


def test_every_frame_speaks_of_the_same_people(store):
    assert set(store.people) == set(store.truth.index)
    assert store.people.index.equals(store.contacts.index)
    for frame in (store.orders, store.survey, store.experiment):
        assert set(frame["contact_id"]) <= set(store.contacts.index)
    # one person is reached by a campaign once
    assert not store.experiment["contact_id"].map(store.people).duplicated().any()
    assert store.truth["records"].sum() == len(store.contacts)


def test_refunds_are_of_lines_of_their_order(store):
    sold = store.orders[store.orders["amount"] > 0].set_index(["order_id", "item_id"])["amount"]
    back = store.orders[store.orders["amount"] < 0].set_index(["order_id", "item_id"])["amount"]
    assert len(back) > 5
    assert (sold.loc[back.index] == -back).all()
    assert store.orders["timestamp"].is_monotonic_increasing


def test_an_order_has_one_contact(store):
    assert len(store.orders[["order_id", "contact_id"]].drop_duplicates()) == store.orders["order_id"].nunique()


def test_weights_bring_the_segments_back():
    store = crm.datasets.make_store(n_customers=4000, rng=2)
    weighted, plain = (crm.feedback.nps(store.survey, **options) for options in ({"weight": "weight"}, {}))
    assert weighted.ci_low < store.parameters["nps"] < weighted.ci_high
    assert plain.ci_low > store.parameters["nps"]  # the segment that answers most is the happiest


def test_one_grammar_from_contacts_to_decision(store):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CrmkitWarning)
        people = crm.dedupe.deduplicate(store.contacts, fields=store.fields)
        orders = store.orders.assign(customer_id=store.orders.contact_id.map(people.clusters))
        log = crm.events(orders, order="order_id", refunds="subtract")
        assert len(crm.rfm.score(crm.rfm.summarize(log))) == log.n_customers
        s = crm.clv.summarize(log, unit="W")
        buying, spend = crm.clv.fit_bg_nbd(s), crm.clv.fit_gamma_gamma(s)
        value = crm.clv.lifetime_value(buying, spend, s, annual_discount=0.10)
        model = crm.churn.fit(crm.churn.panel(log, cutoffs=["2024-01-01", "2024-04-01"], horizon="90D"), model="logistic")
        today = crm.churn.panel(log, cutoffs=[log.span.end], horizon=None)
        offers = crm.targeting.choose(crm.churn.predict(model, today), value=value["residual"], cost=5.0, budget=10_000)
        recs = crm.recommend.top_items(crm.recommend.fit_als(crm.recommend.interactions(log)), k=5)
        score = crm.feedback.nps(store.survey, by="segment")
    assert len(offers.customers) == log.n_customers
    assert recs["rank"].max() == 5
    assert len(score) == 3
    assert np.isfinite(value.to_numpy()).all()


@pytest.mark.parametrize("options", [{"n_customers": 10}, {"weeks": 5}, {"duplicates": 1.5}, {"refunds": -1}], ids=str)
def test_arguments_that_cannot_be_used(options):
    with pytest.raises(OptionError):
        crm.datasets.make_store(**options)
