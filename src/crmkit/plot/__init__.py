"""Pictures of results: a table goes in, matplotlib Axes come out, with units and numbers of cases in the picture."""

from crmkit.plot.basket import basket_rules
from crmkit.plot.churn import churn_calibration, churn_drivers, churn_gains, churn_window
from crmkit.plot.clv import clv_calibration, clv_tracking, clv_value, clv_value_histogram
from crmkit.plot.clv_model import clv_expectation, clv_heterogeneity, clv_p_alive
from crmkit.plot.cohort import cohort_heatmap, cohort_retention
from crmkit.plot.dedupe import dedupe_clusters, dedupe_scores, dedupe_waterfall, dedupe_weights
from crmkit.plot.experiment import experiment_effects, experiment_looks
from crmkit.plot.feedback import feedback_change, feedback_distribution, feedback_drivers, feedback_nps, feedback_trend
from crmkit.plot.recommend import recommend_coverage, recommend_metrics, recommend_neighbours
from crmkit.plot.rfm import rfm_distributions, rfm_heatmap, rfm_lorenz, rfm_map, rfm_segments, rfm_transitions
from crmkit.plot.survival import survival_curve, survival_hazard_ratios
from crmkit.plot.targeting import targeting_backtest, targeting_profit
from crmkit.plot.uplift import uplift_calibration, uplift_policy, uplift_qini

__all__ = [
    "basket_rules",
    "churn_calibration",
    "churn_drivers",
    "churn_gains",
    "churn_window",
    "clv_calibration",
    "clv_expectation",
    "clv_heterogeneity",
    "clv_p_alive",
    "clv_tracking",
    "clv_value",
    "clv_value_histogram",
    "cohort_heatmap",
    "cohort_retention",
    "dedupe_clusters",
    "dedupe_scores",
    "dedupe_waterfall",
    "dedupe_weights",
    "experiment_effects",
    "experiment_looks",
    "feedback_change",
    "feedback_distribution",
    "feedback_drivers",
    "feedback_nps",
    "feedback_trend",
    "recommend_coverage",
    "recommend_metrics",
    "recommend_neighbours",
    "rfm_distributions",
    "rfm_heatmap",
    "rfm_lorenz",
    "rfm_map",
    "rfm_segments",
    "rfm_transitions",
    "survival_curve",
    "survival_hazard_ratios",
    "targeting_backtest",
    "targeting_profit",
    "uplift_calibration",
    "uplift_policy",
    "uplift_qini",
]
