"""Uplift: whom a campaign changes, how well a score ranks them, and what a policy built on it is worth."""

from crmkit.uplift._evaluate import Evaluation, evaluate
from crmkit.uplift._fit import cross_fitted, fit, predict
from crmkit.uplift._model import UpliftModel
from crmkit.uplift._policy import policy_value
from crmkit.uplift._qini import Qini, qini

__all__ = ["Evaluation", "Qini", "UpliftModel", "cross_fitted", "evaluate", "fit", "policy_value", "predict", "qini"]
