"""Who comes back: customers who started together, followed period by period; and how many are lost in each."""

from crmkit.cohort._churn import churn_rate
from crmkit.cohort._retention import retention
from crmkit.cohort._views import average, triangle

__all__ = ["average", "churn_rate", "retention", "triangle"]
