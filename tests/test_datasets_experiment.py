"""The simulated campaign: the same bits, effects that are there, and effects that are not."""

import numpy as np
import pandas as pd
import pytest

from crmkit import datasets, experiment
from crmkit.errors import OptionError


def test_the_same_seed_gives_the_same_bits():
    one, two = datasets.make_experiment(n_customers=500), datasets.make_experiment(n_customers=500)
    pd.testing.assert_frame_equal(one.customers, two.customers)
    assert not one.customers.equals(datasets.make_experiment(n_customers=500, rng=1).customers)


def test_the_effects_are_those_of_the_truth():
    campaign = datasets.make_experiment(n_customers=200_000, rng=3)
    rates = experiment.compare_rates(campaign.customers, outcome="visited").table.set_index("arm")
    spend = experiment.compare_means(campaign.customers, outcome="spend").table.set_index("arm")
    for arm in ("letter", "voucher"):
        for table, name in ((rates, "visited"), (spend, "spend")):
            row = table.loc[arm]
            assert abs(row["value"] - campaign.truth[f"{name}_{arm}"].mean()) < 4 * row["se"]


def test_what_was_spent_before_explains_some_of_what_is_spent_after():
    customers = datasets.make_experiment(n_customers=20_000).customers
    found = experiment.cuped(customers, outcome="spend", covariate="spend_before")
    assert found.variance_ratio < 0.97
    assert min(found.balance.values()) > 1e-3


def test_an_arm_that_does_nothing():
    campaign = datasets.make_experiment(n_customers=1000, arms={"nothing": (0, 0)}, shares={"control": 9, "nothing": 1})
    assert (campaign.truth["visited_nothing"] == 0).all()
    assert campaign.customers["arm"].eq("control").mean() == pytest.approx(0.9, abs=0.03)
    assert "control" in repr(campaign)


@pytest.mark.parametrize(
    "options",
    [
        {"n_customers": 3},
        {"arms": {}},
        {"arms": {"a": 1}},
        {"arms": {"control": (0, 0)}},
        {"shares": {"control": 1}},
        {"visits": 1},
    ],
    ids=str,
)
def test_arguments_that_cannot_be_used(options):
    with pytest.raises(OptionError):
        datasets.make_experiment(**options)


def test_nothing_is_missing():
    campaign = datasets.make_experiment(n_customers=300)
    assert not campaign.customers.isna().any().any()
    assert np.isfinite(campaign.truth.to_numpy()).all()
