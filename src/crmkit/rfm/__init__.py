"""Recency, frequency and monetary value: when customers last bought, how often, for how much, and what to call them."""

from crmkit.rfm._score import Thresholds, score, thresholds
from crmkit.rfm._segments import OTHERS, SEGMENTS, SEGMENTS_R, segment
from crmkit.rfm._summary import MEASURES as MEASURES
from crmkit.rfm._summary import summarize

__all__ = ["OTHERS", "SEGMENTS", "SEGMENTS_R", "Thresholds", "score", "segment", "summarize", "thresholds"]
