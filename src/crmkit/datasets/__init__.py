"""Simulated data with known truth: the same seed gives the same bits."""

from crmkit.datasets.survey import Survey, make_survey
from crmkit.datasets.transactions import Transactions, make_transactions

__all__ = ["Survey", "Transactions", "make_survey", "make_transactions"]
