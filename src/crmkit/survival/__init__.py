"""How long customers stay, where many have not left yet: survival curves and what tells them apart."""

from crmkit.survival._compare import LogRank, logrank
from crmkit.survival._curve import curve
from crmkit.survival.cox import CoxModel, fit_cox

__all__ = ["CoxModel", "LogRank", "curve", "fit_cox", "logrank"]
