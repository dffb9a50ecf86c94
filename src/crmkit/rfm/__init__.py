"""Recency, frequency and monetary value: when customers last bought, how often, for how much, and what to call them."""

from crmkit.rfm._cluster import Clustering, KMeans, cluster
from crmkit.rfm._concentration import Concentration, concentration
from crmkit.rfm._profile import profile, transitions
from crmkit.rfm._score import Thresholds, score, thresholds
from crmkit.rfm._segments import OTHERS, SEGMENTS, SEGMENTS_R, segment
from crmkit.rfm._summary import MEASURES as MEASURES
from crmkit.rfm._summary import summarize

__all__ = [
    "OTHERS",
    "SEGMENTS",
    "SEGMENTS_R",
    "Clustering",
    "Concentration",
    "KMeans",
    "Thresholds",
    "cluster",
    "concentration",
    "profile",
    "score",
    "segment",
    "summarize",
    "thresholds",
    "transitions",
]
