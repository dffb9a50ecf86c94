"""Whom to contact: what a campaign is worth by how many it reaches, and which customers should get which offer."""

from crmkit.targeting._backtest import Backtest, backtest
from crmkit.targeting._choose import Choice, choose
from crmkit.targeting._profit_curve import Campaign, ProfitCurve, profit_curve
from crmkit.targeting._retention import RetentionValue, retention_value

__all__ = [
    "Backtest",
    "Campaign",
    "Choice",
    "ProfitCurve",
    "RetentionValue",
    "backtest",
    "choose",
    "profit_curve",
    "retention_value",
]
