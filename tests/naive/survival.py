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


def cox(X, duration, event, beta, ties, entry=None, stratum=None, weight=None):
    """Log partial likelihood, one denominator at a time; whole weights are rows repeated."""
    rows = repeated(X, duration, event, entry, stratum, weight)
    value = 0.0
    for which in {row[4] for row in rows}:
        inside = [row for row in rows if row[4] == which]
        for time in {row[1] for row in inside if row[2]}:
            at_risk = [row for row in inside if row[3] < time <= row[1]]
            died = [row for row in at_risk if row[1] == time and row[2]]
            risk, tied = (sum(math.exp(np.dot(row[0], beta)) for row in part) for part in (at_risk, died))
            value += sum(np.dot(row[0], beta) for row in died)
            for taken in range(len(died)):
                value -= math.log(risk - (taken / len(died) * tied if ties == "efron" else 0.0))
    return value


def repeated(X, duration, event, entry=None, stratum=None, weight=None):
    n = len(duration)
    entry = [-1.0] * n if entry is None else entry
    stratum = [0] * n if stratum is None else stratum
    weight = [1] * n if weight is None else weight
    rows = zip(X, duration, event, entry, stratum, strict=True)
    return [row for row, times in zip(rows, weight, strict=True) for _ in range(times)]


def score_residuals(X, duration, event, beta, ties, entry=None):
    """Each row's own part of the gradient: one event time, one tied event and one row at a time."""
    n, p = np.shape(X)
    entry = [-1.0] * n if entry is None else entry
    X, risk = np.asarray(X, float), np.exp(np.asarray(X, float) @ beta)
    out = np.zeros((n, p))
    for time in {t for t, hit in zip(duration, event, strict=True) if hit}:
        there = [i for i in range(n) if entry[i] < time <= duration[i]]
        died = [i for i in there if duration[i] == time and event[i]]
        for taken in range(len(died)):
            share = taken / len(died) if ties == "efron" else 0.0
            # those about to be taken count for less at each step
            w = {i: risk[i] * (1 - share if i in died else 1.0) for i in there}
            total = sum(w.values())
            mean = sum(w[i] * X[i] for i in there) / total
            for i in died:
                out[i] += (X[i] - mean) / len(died)
            for i in there:
                out[i] -= (X[i] - mean) * w[i] / total
    return out


def concordance(score, duration, event, entry=None, stratum=None):
    """Share of comparable pairs in which the higher score ended first."""
    n = len(duration)
    entry = [-1.0] * n if entry is None else entry
    stratum = [0] * n if stratum is None else stratum
    agree = pairs = 0.0
    for i in range(n):
        for j in range(n):
            later = duration[j] > duration[i] or (duration[j] == duration[i] and not event[j])
            if i != j and event[i] and later and entry[j] < duration[i] and stratum[i] == stratum[j]:
                pairs += 1
                agree += 1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0
    return agree / pairs if pairs else math.nan


def incidence(duration, event, cause, which, entry=None):
    """Cumulative incidence of one cause, and its variance by the textbook's three sums."""
    steps = []
    hits = [bool(hit) and kind == which for hit, kind in zip(event, cause, strict=True)]
    survival, total = 1.0, 0.0
    for time, n, d, _ in counts(duration, event, entry):
        k = sum(ended == time and hit for ended, hit in zip(duration, hits, strict=True))
        steps.append((time, n, d, k, survival, total + survival * k / n))
        total += survival * k / n
        survival *= 1 - d / n
    found = []
    for place, (time, *_, value) in enumerate(steps):
        variance = 0.0
        for _, n, d, k, before, so_far in steps[: place + 1]:
            if d < n:
                variance += (value - so_far) ** 2 * d / (n * (n - d))
            variance += before**2 * (n - k) * k / n**3 - 2 * (value - so_far) * before * k / n**2
        found.append((time, value, variance))
    return found


def periods(duration, event, entry, width):
    """(row, period, event) of every row and period at risk."""
    found = []
    for i, (ended, hit, begun) in enumerate(zip(duration, event, entry, strict=True)):
        for k in range(1, math.ceil(max(duration) / width) + 1):
            seen = k * width <= ended or (hit and (k - 1) * width < ended)
            if (k - 1) * width >= begun and seen:
                found.append((i, k, int(bool(hit) and (k - 1) * width < ended <= k * width)))
    return found


def restricted_mean(duration, event, horizon):
    """Area under Kaplan and Meier's curve, and its standard error by its sum."""
    steps = [(time, n, d) for time, n, d, _ in counts(duration, event) if time < horizon]
    share, last, pieces = 1.0, 0.0, []
    for time, n, d in steps:
        pieces.append((time - last) * share)
        share, last = share * (1 - d / n), time
    pieces.append((horizon - last) * share)
    variance = sum(sum(pieces[i + 1 :]) ** 2 * d / (n * (n - d)) for i, (_, n, d) in enumerate(steps) if d < n)
    return sum(pieces), math.sqrt(variance)
