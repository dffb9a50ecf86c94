"""What customers say of us, and how sure we can be."""

from crmkit.feedback._boxes import Satisfaction, ces, csat, top_box
from crmkit.feedback._nps import Score, nps
from crmkit.feedback._weights import Weights, effective_n

__all__ = ["Satisfaction", "Score", "Weights", "ces", "csat", "effective_n", "nps", "top_box"]
