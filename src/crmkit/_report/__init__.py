"""The customer report: one self-contained HTML page from a purchase log and, where there is one, a survey."""

from crmkit._report.build import Report, report

__all__ = ["Report", "report"]
