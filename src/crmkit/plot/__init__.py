"""Pictures of results: a table goes in, matplotlib Axes come out, with units and numbers of cases in the picture."""

from crmkit.plot.churn import churn_calibration, churn_gains
from crmkit.plot.clv import clv_calibration, clv_value
from crmkit.plot.cohort import cohort_heatmap, cohort_retention
from crmkit.plot.feedback import feedback_change, feedback_distribution, feedback_drivers, feedback_nps, feedback_trend
from crmkit.plot.rfm import rfm_distributions, rfm_heatmap, rfm_lorenz, rfm_map, rfm_segments, rfm_transitions
from crmkit.plot.targeting import targeting_profit

__all__ = [
    "churn_calibration",
    "churn_gains",
    "clv_calibration",
    "clv_value",
    "cohort_heatmap",
    "cohort_retention",
    "feedback_change",
    "feedback_distribution",
    "feedback_drivers",
    "feedback_nps",
    "feedback_trend",
    "rfm_distributions",
    "rfm_heatmap",
    "rfm_lorenz",
    "rfm_map",
    "rfm_segments",
    "rfm_transitions",
    "targeting_profit",
]
