"""Sums over event times that arrays alone cannot write without losing digits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


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


@kernel
def incidence(at_risk: Longs, events: Longs, of_cause: Longs) -> tuple[Floats, Floats]:
    """Aalen and Johansen's cumulative incidence of one cause, and its variance.

    At each time the events are multinomial; the variance of survival, that of the incidence and their covariance are carried
    from time to time by the delta method, so that nothing is subtracted.
    """
    value = np.empty(at_risk.size, np.float64)
    variance = np.empty(at_risk.size, np.float64)
    s, f = 1.0, 0.0
    ss, sf, ff = 0.0, 0.0, 0.0
    for i in range(at_risk.size):
        n = float(at_risk[i])
        h, k = events[i] / n, of_cause[i] / n
        stays = (n - events[i]) / n
        ff = ff + 2.0 * k * sf + k * k * ss + s * s * k * (1.0 - k) / n
        sf = stays * (sf + k * ss) - s * s * k * stays / n
        ss = stays * stays * ss + s * s * h * stays / n
        f += s * k
        s *= stays
        value[i], variance[i] = f, ff
    return value, variance


@kernel
def tally(duration: Floats, event: Bools, events: Longs, censored: Longs) -> bool:
    """Count ends at whole times; false, with the counts of no use, as soon as a time is not whole."""
    for i in range(duration.size):
        cell = int(duration[i])
        if cell != duration[i]:
            return False
        if event[i]:
            events[cell] += 1
        else:
            censored[cell] += 1
    return True
