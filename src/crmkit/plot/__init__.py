"""Pictures of results: a table goes in, matplotlib Axes come out, with units and numbers of cases in the picture."""

from crmkit.plot.clv import clv_calibration, clv_value
from crmkit.plot.feedback import feedback_nps
from crmkit.plot.rfm import rfm_segments

__all__ = ["clv_calibration", "clv_value", "feedback_nps", "rfm_segments"]
