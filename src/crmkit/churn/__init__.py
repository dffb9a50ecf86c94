"""Who is about to stop buying: features of the past, labels of what came after, probabilities of what comes next."""

from crmkit.churn._fit import fit
from crmkit.churn._model import ChurnModel, predict
from crmkit.churn._panel import panel

__all__ = ["ChurnModel", "fit", "panel", "predict"]
