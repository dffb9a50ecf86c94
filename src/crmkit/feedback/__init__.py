"""What customers say of us, and how sure we can be."""

from crmkit.feedback._boxes import Satisfaction, ces, csat, top_box
from crmkit.feedback._compare import Difference, Homogeneity, nps_difference, nps_homogeneity, nps_power, nps_sample_size
from crmkit.feedback._nps import Score, nps
from crmkit.feedback._weights import Weights, effective_n

__all__ = [
    "Difference",
    "Homogeneity",
    "Satisfaction",
    "Score",
    "Weights",
    "ces",
    "csat",
    "effective_n",
    "nps",
    "nps_difference",
    "nps_homogeneity",
    "nps_power",
    "nps_sample_size",
    "top_box",
]
