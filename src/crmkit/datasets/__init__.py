"""Simulated data with known truth: the same seed gives the same bits."""

from crmkit.datasets.experiment import Experiment, make_experiment
from crmkit.datasets.interactions import Purchases, make_interactions
from crmkit.datasets.records import Records, make_records
from crmkit.datasets.store import Store, make_store
from crmkit.datasets.subscriptions import Subscriptions, make_subscriptions
from crmkit.datasets.survey import Survey, make_survey
from crmkit.datasets.transactions import Transactions, make_transactions

__all__ = [
    "Experiment",
    "Purchases",
    "Records",
    "Store",
    "Subscriptions",
    "Survey",
    "Transactions",
    "make_experiment",
    "make_interactions",
    "make_records",
    "make_store",
    "make_subscriptions",
    "make_survey",
    "make_transactions",
]
