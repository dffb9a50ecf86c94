"""Experiments: were the arms as planned, did the campaign work, by how much, and how many customers does it take to tell."""

from crmkit.experiment._compare import compare_means, compare_rates
from crmkit.experiment._cuped import Cuped, cuped
from crmkit.experiment._power import Power, power
from crmkit.experiment._ratio import SampleRatio, sample_ratio
from crmkit.experiment._result import Comparison
from crmkit.experiment._sequential import boundaries, sequential
from crmkit.experiment._two_periods import difference_in_differences

__all__ = [
    "Comparison",
    "Cuped",
    "Power",
    "SampleRatio",
    "boundaries",
    "compare_means",
    "compare_rates",
    "cuped",
    "difference_in_differences",
    "power",
    "sample_ratio",
    "sequential",
]
