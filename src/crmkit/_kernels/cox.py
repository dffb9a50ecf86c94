"""Cox's partial likelihood: sums over risk sets, one pass from the longest time to the shortest.

Rows come sorted by stratum, and in it by time, the longest first. `group` holds where each distinct time begins, and its end.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# a difference of sums this small beside what was taken away is summed anew from its rows
LOST = 1e-7


@kernel
def standardise(columns: Floats, middle: Floats, scale: Floats, out: Floats) -> None:
    """Put columns, given as rows, side by side, centred and scaled."""
    for i in range(columns.shape[1]):
        for k in range(middle.size):
            out[i, k] = (columns[k, i] - middle[k]) / scale[k]


@kernel
def fitted(X: Floats, beta: Floats, out: Floats) -> float:
    """Linear predictor of each row, and its largest value."""
    top = -np.inf
    for i in range(X.shape[0]):
        total = 0.0
        for k in range(beta.size):
            total += X[i, k] * beta[k]
        out[i] = total
        top = max(top, total)
    return top


@kernel
def risk_of(eta: Floats, top: float, weight: Floats, out: Floats) -> None:
    """Weight times relative hazard, the largest of which is its weight."""
    for i in range(eta.size):
        out[i] = weight[i] * math.exp(eta[i] - top)


@kernel
def add(X: Floats, i: int, u: float, zeroth: Floats, first: Floats, second: Floats) -> None:
    """Add a row to the sums of risk, of risk times x and of risk times x x' (lower triangle by rows)."""
    zeroth[0] += u
    c = 0
    for k in range(first.size):
        v = u * X[i, k]
        first[k] += v
        if second.size:
            for j in range(k + 1):
                second[c] += v * X[i, j]
                c += 1


@kernel
def steps(d: float, efron: bool, risk: float, tied: float, out: Floats) -> None:
    """Sums over events at one time, taken one after the other: of log(r), 1/r, f/r, 1/r², f/r², f²/r².

    `f` is the share of the tied events already taken; with weights that are no whole numbers the last step is a part of one.
    """
    out[:] = 0.0
    if not efron or d <= 1.0:
        out[0], out[1], out[3] = d * math.log(risk), d / risk, d / (risk * risk)
        return
    taken = 0.0
    while taken < d:
        part = min(1.0, d - taken)
        f = taken / d
        left = risk - f * tied
        a = part / left
        out[0] += part * math.log(left)
        out[1] += a
        out[2] += a * f
        out[3] += a / left
        out[4] += a * f / left
        out[5] += a * f * f / left
        taken += 1.0


@kernel
def sweep(
    X: Floats,
    weight: Floats,
    event: Bools,
    group: Longs,
    first_row: Longs,
    last_row: Longs,
    time: Floats,
    leaving: Longs,
    entry: Floats,
    beta: Floats,
    efron: bool,
    gradient: Floats,
    information: Floats,
    hazard: Floats,
    tied_hazard: Floats,
    mean: Floats,
    drift: Floats,
    tied_drift: Floats,
) -> float:
    """Log partial likelihood; its gradient and the information; and at each time with events what residuals are made of.

    These are `hazard` (jump of the cumulative hazard at x = 0) and `tied_hazard` (the part of it that tied events escape); `mean`
    (of x over the risk set, averaged over the events); `drift` and `tied_drift` (mean times jump, and the part of it that tied
    events escape). `information`, and the last two, are not filled where they have length 0.
    """
    n, p = X.shape
    size = information.shape[0] * (p + 1) // 2
    eta = np.empty(n, np.float64)
    top = fitted(X, beta, eta)
    u = np.empty(n, np.float64)
    risk_of(eta, top, weight, u)
    r0, r1, r2 = np.zeros(1), np.zeros(p), np.zeros(size)
    e0, e1, e2 = np.zeros(1), np.zeros(p), np.zeros(size)
    total = np.zeros(size)
    s = np.empty(6, np.float64)
    value, peak = 0.0, 0.0
    gone = 0
    gradient[:] = 0.0
    for g in range(group.size - 1):
        if first_row[g] == group[g]:
            r0[:], r1[:], r2[:] = 0.0, 0.0, 0.0
            peak, gone = 0.0, first_row[g]
        e0[:], e1[:], e2[:] = 0.0, 0.0, 0.0
        d = 0.0
        for i in range(group[g], group[g + 1]):
            if event[i]:
                add(X, i, u[i], e0, e1, e2)
                d += weight[i]
                value += weight[i] * (eta[i] - top)
                for k in range(p):
                    gradient[k] += weight[i] * X[i, k]
            else:
                add(X, i, u[i], r0, r1, r2)
        if d == 0.0:
            continue
        r0[0] += e0[0]
        for k in range(p):
            r1[k] += e1[k]
        for c in range(size):
            r2[c] += e2[c]
        if leaving.size:
            # who came under observation at this time or later is not at risk at it
            peak = max(peak, r0[0])
            while gone < last_row[g] and entry[leaving[gone]] >= time[g]:
                add(X, leaving[gone], -u[leaving[gone]], r0, r1, r2)
                gone += 1
            if r0[0] < LOST * peak:
                r0[:], r1[:], r2[:] = 0.0, 0.0, 0.0
                for i in range(first_row[g], group[g + 1]):
                    if entry[i] < time[g]:
                        add(X, i, u[i], r0, r1, r2)
                peak = r0[0]
        steps(d, efron, r0[0], e0[0], s)
        value -= s[0]
        c = 0
        for k in range(p):
            gradient[k] -= s[1] * r1[k] - s[2] * e1[k]
            if size:
                for j in range(k + 1):
                    squares = s[3] * r1[k] * r1[j] - s[4] * (r1[k] * e1[j] + e1[k] * r1[j]) + s[5] * e1[k] * e1[j]
                    total[c] += s[1] * r2[c] - s[2] * e2[c] - squares
                    c += 1
        hazard[g] = s[1] * math.exp(-top)
        tied_hazard[g] = s[2] * math.exp(-top)
        for k in range(p):
            mean[g, k] = (s[1] * r1[k] - s[2] * e1[k]) / d
        if drift.size:
            for k in range(p):
                drift[g, k] = (s[3] * r1[k] - s[4] * e1[k]) * math.exp(-top)
                tied_drift[g, k] = (s[4] * r1[k] - s[5] * e1[k]) * math.exp(-top)
    if size:
        c = 0
        for k in range(p):
            for j in range(k + 1):
                information[k, j] = information[j, k] = total[c]
                c += 1
    return value


@kernel
def score_residuals(
    X: Floats,
    event: Bools,
    group: Longs,
    first_row: Longs,
    time: Floats,
    entry: Floats,
    beta: Floats,
    hazard: Floats,
    tied_hazard: Floats,
    mean: Floats,
    drift: Floats,
    tied_drift: Floats,
    out: Floats,
) -> None:
    """Each row's part of the gradient, as if it were one row: (x − mean) at its event, less what its time at risk expected."""
    p = X.shape[1]
    n_groups = group.size - 1
    since = np.zeros(n_groups + 1, np.float64)
    drifted = np.zeros((n_groups + 1, p), np.float64)
    # sums over this time and all shorter ones of the stratum
    for g in range(n_groups - 1, -1, -1):
        last = g == n_groups - 1 or first_row[g + 1] == group[g + 1]
        since[g] = hazard[g] + (0.0 if last else since[g + 1])
        for k in range(p):
            drifted[g, k] = drift[g, k] + (0.0 if last else drifted[g + 1, k])
    end = n_groups  # first group of the next stratum
    for g in range(n_groups - 1, -1, -1):
        if g < n_groups - 1 and first_row[g + 1] == group[g + 1]:
            end = g + 1
        for i in range(group[g], group[g + 1]):
            total = 0.0
            for k in range(p):
                total += X[i, k] * beta[k]
            ratio = math.exp(total)
            # the first group whose time is not above the entry: what came up to then was before this row's time
            before = end
            if entry.size:
                low, high = g, end
                while low < high:
                    middle = (low + high) // 2
                    if time[middle] > entry[i]:
                        low = middle + 1
                    else:
                        high = middle
                before = low
            a = since[g] - (since[before] if before < end else 0.0)
            if event[i]:
                a -= tied_hazard[g]
            for k in range(p):
                b = drifted[g, k] - (drifted[before, k] if before < end else 0.0)
                if event[i]:
                    b -= tied_drift[g, k]
                out[i, k] = ratio * (b - a * X[i, k])
                if event[i]:
                    out[i, k] += X[i, k] - mean[g, k]


@kernel
def leads(score: Floats, event: Bools, group: Longs, first_row: Longs) -> bool:
    """Whether every event has the highest score of all at risk: the likelihood then rises for ever along the score."""
    highest = -np.inf
    slack = 0.0
    for i in range(score.size):
        slack = max(slack, abs(score[i]))
    slack *= 1e-9
    for g in range(group.size - 1):
        if first_row[g] == group[g]:
            highest = -np.inf
        for i in range(group[g], group[g + 1]):
            highest = max(highest, score[i])
        for i in range(group[g], group[g + 1]):
            if event[i] and score[i] < highest - slack:
                return False
    return True
