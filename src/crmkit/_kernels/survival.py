"""Sums over event times that arrays alone cannot write without losing digits."""

from __future__ import annotations

import math

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


@kernel
def ascending(ones: Floats, zeros: Floats) -> tuple[Floats, Longs, Longs]:
    """Distinct times, and how many events and censored rows end at each; both inputs ascend."""
    time = np.empty(ones.size + zeros.size, np.float64)
    events = np.empty(time.size, np.int64)
    censored = np.empty(time.size, np.int64)
    i, j, m = 0, 0, 0
    while i < ones.size or j < zeros.size:
        here = ones[i] if j == zeros.size or (i < ones.size and ones[i] <= zeros[j]) else zeros[j]
        d, c = 0, 0
        while i < ones.size and ones[i] == here:
            d += 1
            i += 1
        while j < zeros.size and zeros[j] == here:
            c += 1
            j += 1
        # −0 and 0 are one time: which of them came first must not show
        time[m], events[m], censored[m] = here + 0.0, d, c
        m += 1
    return time[:m], events[:m], censored[:m]


@kernel
def kaplan_meier(at_risk: Longs, events: Longs, z: float, scale: int, survival: Floats, low: Floats, high: Floats) -> int:
    """Survival with Greenwood's interval, symmetric on the scale of log(−log S) (0), of log S (1) or of S (2).

    Returns how many times come before the first event; there, the ends are not filled.
    """
    s, v = 1.0, 0.0
    down, up = 1.0, 1.0
    before = 0
    for i in range(at_risk.size):
        n, d = float(at_risk[i]), float(events[i])
        if d > 0.0:
            s *= (n - d) / n
            # where nobody is left, nothing is left to vary
            if n > d:
                v += d / (n * (n - d))
            if s <= 0.0:
                # the upper end stays that of the time before
                down = 0.0
            elif scale == 0:
                log = math.log(s)
                factor = math.exp(z * math.sqrt(v) / log)
                down, up = math.exp(log / factor), math.exp(log * factor)
            elif scale == 1:
                factor = math.exp(z * math.sqrt(v))
                down, up = s / factor, min(s * factor, 1.0)
            else:
                margin = z * math.sqrt(v)
                down, up = max(s * (1.0 - margin), 0.0), min(s * (1.0 + margin), 1.0)
        if s == 1.0:
            before += 1
        survival[i], low[i], high[i] = s, down, up
    return before
