"""Who is about to stop buying: features of the past, labels of what came after, probabilities of what comes next."""

from crmkit.churn._audit import audit
from crmkit.churn._drift import Drift, drift
from crmkit.churn._drivers import drivers
from crmkit.churn._fit import fit
from crmkit.churn._model import ChurnModel, predict
from crmkit.churn._panel import panel
from crmkit.churn._window import Window, suggest_window

__all__ = ["ChurnModel", "Drift", "Window", "audit", "drift", "drivers", "fit", "panel", "predict", "suggest_window"]
