"""What customers say of us, and how sure we can be."""

from crmkit.feedback._boxes import Satisfaction, ces, csat, top_box
from crmkit.feedback._change import Change, EarnedGrowth, Trend, decompose_change, earned_growth, trend
from crmkit.feedback._compare import Difference, Homogeneity, nps_difference, nps_homogeneity, nps_power, nps_sample_size
from crmkit.feedback._drivers import Drivers, key_drivers
from crmkit.feedback._nps import Score, nps
from crmkit.feedback._rake import poststratify, rake
from crmkit.feedback._weights import Weights, effective_n

__all__ = [
    "Change",
    "Difference",
    "Drivers",
    "EarnedGrowth",
    "Homogeneity",
    "Satisfaction",
    "Score",
    "Trend",
    "Weights",
    "ces",
    "csat",
    "decompose_change",
    "earned_growth",
    "effective_n",
    "key_drivers",
    "nps",
    "nps_difference",
    "nps_homogeneity",
    "nps_power",
    "nps_sample_size",
    "poststratify",
    "rake",
    "top_box",
    "trend",
]
