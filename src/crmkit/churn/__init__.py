"""Who is about to stop buying: features of the past, labels of what came after, probabilities."""

from crmkit.churn._panel import panel

__all__ = ["panel"]
