"""Who is about to stop buying: features of the past, labels of what came after, probabilities of what comes next."""

from crmkit.churn._panel import panel
from crmkit.churn.model import ChurnModel, fit, predict

__all__ = ["ChurnModel", "fit", "panel", "predict"]
