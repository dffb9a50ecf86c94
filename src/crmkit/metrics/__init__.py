"""How good scores and probabilities are: ranking, calibration and profit, each with its uncertainty."""

from crmkit.metrics._probabilities import Brier, Calibration, brier, calibration
from crmkit.metrics._profit import Profit, empc, mpc
from crmkit.metrics._ranks import Difference, auc, average_precision, difference, gains
from crmkit.metrics._report import RankingReport, ranking_report

__all__ = [
    "Brier",
    "Calibration",
    "Difference",
    "Profit",
    "RankingReport",
    "auc",
    "average_precision",
    "brier",
    "calibration",
    "difference",
    "empc",
    "gains",
    "mpc",
    "ranking_report",
]
