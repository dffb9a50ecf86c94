"""Hazards per period: binomial likelihood over the periods a row was at risk in, without writing those periods out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@kernel
def likelihood(
    X: Floats,
    begun: Longs,
    ended: Longs,
    event: Bools,
    weight: Floats,
    cut: Longs,
    theta: Floats,
    logit: bool,
    gradient: Floats,
    information: Floats,
) -> float:
    """Log-likelihood of `theta`, first one level per stretch of periods, then one coefficient per column; its derivatives.

    A row was at risk in the periods begun + 1 to ended, and had the event in the last of them or not at all; stretch q holds
    the periods above cut[q] up to and including cut[q + 1].
    """
    n, p = X.shape
    q_all = cut.size - 1
    gradient[:] = 0.0
    information[:] = 0.0
    value = 0.0
    for i in range(n):
        shared = 0.0
        for k in range(p):
            shared += X[i, k] * theta[q_all + k]
        pull, curve = 0.0, 0.0
        for q in range(q_all):
            first, last = max(begun[i], cut[q]), min(ended[i], cut[q + 1])
            if last <= first:
                continue
            m = float(last - first)
            y = 1.0 if event[i] and last == ended[i] else 0.0
            eta = theta[q] + shared
            if logit:
                e = math.exp(-abs(eta))
                share = 1.0 / (1.0 + e) if eta >= 0.0 else e / (1.0 + e)
                value += weight[i] * (y * eta - m * (max(eta, 0.0) + math.log1p(e)))
                slope = y - m * share
                bend = m * share * (1.0 - share)
            else:
                mu = math.exp(min(eta, 700.0))
                slope, bend = -(m - y) * mu, (m - y) * mu
                value -= weight[i] * (m - y) * mu
                if y > 0.0:
                    value += weight[i] * math.log(-math.expm1(-mu))
                    r = mu / math.expm1(mu)
                    slope += r
                    bend -= r * (1.0 - mu - r)
            slope *= weight[i]
            bend *= weight[i]
            gradient[q] += slope
            information[q, q] += bend
            for k in range(p):
                information[q_all + k, q] += bend * X[i, k]
            pull += slope
            curve += bend
        for k in range(p):
            gradient[q_all + k] += pull * X[i, k]
            v = curve * X[i, k]
            for j in range(k + 1):
                information[q_all + k, q_all + j] += v * X[i, j]
    for k in range(q_all + p):
        for j in range(k):
            information[j, k] = information[k, j]
    return value


@kernel
def stretches(begun: Longs, ended: Longs, event: Bools, weight: Floats, periods: int, at_risk: Floats, events: Floats) -> None:
    """Rows at risk in each period, and those whose event was in it."""
    change = np.zeros(periods + 1, np.float64)
    for i in range(begun.size):
        if ended[i] > begun[i]:
            change[begun[i]] += weight[i]
            change[ended[i]] -= weight[i]
            if event[i]:
                events[ended[i] - 1] += weight[i]
    total = 0.0
    for k in range(periods):
        total += change[k]
        at_risk[k] = total


@kernel
def written_out(begun: Longs, ended: Longs, event: Bools, row: Longs, period: Longs, happened: Bools) -> None:
    """One entry per row and period it was at risk in."""
    m = 0
    for i in range(begun.size):
        for k in range(begun[i], ended[i]):
            row[m], period[m] = i, k + 1
            happened[m] = event[i] and k + 1 == ended[i]
            m += 1
