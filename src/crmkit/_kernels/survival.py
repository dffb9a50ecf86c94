"""Sums over event times that arrays alone cannot write without losing digits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@kernel
def cumulative_hazard(at_risk: Longs, events: Longs) -> tuple[Floats, Floats]:
    """Nelson and Aalen's hazard and its variance, events at one time each after the other: 1/n, 1/(n − 1) and so on."""
    hazard = np.empty(at_risk.size, np.float64)
    variance = np.empty(at_risk.size, np.float64)
    h, v = 0.0, 0.0
    for i in range(at_risk.size):
        for k in range(events[i]):
            step = 1.0 / (at_risk[i] - k)
            h += step
            v += step * step
        hazard[i], variance[i] = h, v
    return hazard, variance
