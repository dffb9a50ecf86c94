"""How long customers stay, where many have not left yet: survival curves, what makes hazards differ, who leaves next."""

from crmkit.survival._compare import LogRank, logrank
from crmkit.survival._curve import curve
from crmkit.survival._panel import hazard_panel
from crmkit.survival._predict import predict
from crmkit.survival._summary import quantile, restricted_mean
from crmkit.survival.cox import CoxModel, fit_cox
from crmkit.survival.hazard import HazardModel, fit_hazard

__all__ = [
    "CoxModel",
    "HazardModel",
    "LogRank",
    "curve",
    "fit_cox",
    "fit_hazard",
    "hazard_panel",
    "logrank",
    "predict",
    "quantile",
    "restricted_mean",
]
