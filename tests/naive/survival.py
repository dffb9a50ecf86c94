"""Survival estimates straight from their definitions: one time at a time, one row at a time."""

import math

import numpy as np


def counts(duration, event, entry=None):
    """Per distinct time: at risk, events, censored."""
    entry = [-1.0] * len(duration) if entry is None else entry
    rows = list(zip(entry, duration, event, strict=True))
    for time in sorted(set(duration)):
        at_risk = sum(begun < time <= ended for begun, ended, _ in rows)
        happened = sum(ended == time and bool(hit) for _, ended, hit in rows)
        yield time, at_risk, happened, sum(ended == time for _, ended, _ in rows) - happened


def kaplan_meier(duration, event, entry=None, z=1.959963984540054):
    """Survival with Greenwood's interval on the scale of log(−log S), None where it does not exist."""
    survival, variance, found = 1.0, 0.0, []
    for time, n, d, _ in counts(duration, event, entry):
        survival *= 1 - d / n
        variance = math.inf if n == d else variance + d / (n * (n - d))
        if 0 < survival < 1 and math.isfinite(variance):
            middle, spread = math.log(-math.log(survival)), z * math.sqrt(variance) / abs(math.log(survival))
            ends = tuple(math.exp(-math.exp(middle + sign * spread)) for sign in (1, -1))
        else:
            ends = None
        found.append((time, survival, ends))
    return found


def nelson_aalen(duration, event, entry=None):
    """Cumulative hazard and its variance."""
    hazard, variance, found = 0.0, 0.0, []
    for time, n, d, _ in counts(duration, event, entry):
        hazard += sum(1 / (n - k) for k in range(d))
        variance += sum(1 / (n - k) ** 2 for k in range(d))
        found.append((time, hazard, variance))
    return found


def logrank(duration, event, group, entry=None):
    """Chi-square by observed and expected events at each event time."""
    labels = sorted(set(group))
    entry = [-1.0] * len(duration) if entry is None else entry
    excess, covariance = np.zeros(len(labels)), np.zeros((len(labels), len(labels)))
    for time in sorted({t for t, hit in zip(duration, event, strict=True) if hit}):
        n = np.zeros(len(labels))
        d = np.zeros(len(labels))
        for begun, ended, hit, which in zip(entry, duration, event, group, strict=True):
            n[labels.index(which)] += begun < time <= ended
            d[labels.index(which)] += ended == time and bool(hit)
        total, happened = n.sum(), d.sum()
        excess += d - happened * n / total
        if total > 1:
            share = n / total
            covariance += happened * (total - happened) / (total - 1) * (np.diag(share) - np.outer(share, share))
    if np.linalg.matrix_rank(covariance, hermitian=True) == 0:
        return None
    return float(excess @ np.linalg.pinv(covariance, hermitian=True) @ excess)
