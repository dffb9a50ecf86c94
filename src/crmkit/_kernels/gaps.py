"""Who comes back after a silence: the survival of gaps from each length on, with customers as clusters."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


@kernel
def lasting(
    times: Integers, events: Integers, at_risk: Integers, lengths: Integers, closed: Bools, customer: Codes, n_customers: int
) -> tuple[Floats, Floats]:
    """Log of the share of silences that outlast `times[k - 1]` and then never end, and its variance over customers.

    `times` are the lengths at which gaps closed, ascending, with how many closed there and how many were at least as long;
    `lengths` are all gaps, descending, those beyond the last time cut off there as open.
    """
    n = times.size
    log_share = np.zeros(n, np.float64)
    variance = np.zeros(n, np.float64)
    hazard = np.zeros(n + 1, np.float64)  # sum of d / (n (n - d)) before each time
    for k in range(n):
        hazard[k + 1] = hazard[k] + events[k] / (at_risk[k] * (at_risk[k] - events[k]))
    # each customer's influence on the log share is that of their gaps so far: the sum of b, less their number times the hazard
    total = np.zeros(n_customers, np.float64)
    count = np.zeros(n_customers, np.float64)
    bb, bm, mm = 0.0, 0.0, 0.0
    last, i, later = 0.0, 0, n - 1
    for k in range(n - 1, -1, -1):
        while i < lengths.size and lengths[i] >= times[k]:
            while later > 0 and times[later] > lengths[i]:
                later -= 1
            b = hazard[later + 1]
            if closed[i]:
                b -= 1.0 / (at_risk[later] - events[later])
            c = customer[i]
            bb += 2.0 * total[c] * b + b * b
            bm += total[c] + b * count[c] + b
            mm += 2.0 * count[c] + 1.0
            total[c] += b
            count[c] += 1.0
            i += 1
        last += math.log1p(-events[k] / at_risk[k])
        log_share[k] = last
        a = hazard[k]
        variance[k] = max(bb - 2.0 * a * bm + a * a * mm, 0.0)
    return log_share, variance
