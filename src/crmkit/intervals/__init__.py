"""Confidence intervals from counts: how far the truth may be from what was observed."""

from crmkit.intervals._many import goodman, sison_glaz
from crmkit.intervals._one import agresti_coull, clopper_pearson, jeffreys, wilson
from crmkit.intervals._paired import adjusted_wald, dirichlet, tango
from crmkit.intervals._pvalues import adjust_pvalues
from crmkit.intervals._resample import bootstrap
from crmkit.intervals._two import agresti_caffo, miettinen_nurminen, newcombe

__all__ = [
    "adjust_pvalues",
    "adjusted_wald",
    "agresti_caffo",
    "agresti_coull",
    "bootstrap",
    "clopper_pearson",
    "dirichlet",
    "goodman",
    "jeffreys",
    "miettinen_nurminen",
    "newcombe",
    "sison_glaz",
    "tango",
    "wilson",
]
