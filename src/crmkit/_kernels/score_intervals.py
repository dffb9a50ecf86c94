"""Lower ends of score intervals: roots of statistics that fall as the difference grows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Floats = npt.NDArray[np.float64]

# every fourth step halves a bracket on [-1, 1]: sixty of them leave it as narrow as floats are apart
MOST_STEPS = 240


@kernel
def tango_low(b: Floats, c: Floats, n: Floats, z: Floats, low: Floats) -> None:
    """Lower ends for (b - c)/n of paired counts, which need not be whole."""
    for i in range(b.size):
        low[i] = _tango_low(b[i], c[i], n[i], z[i])


@kernel
def miettinen_nurminen_low(x1: Floats, n1: Floats, x2: Floats, n2: Floats, z: float, small_sample: bool, low: Floats) -> None:
    """Lower ends for x1/n1 - x2/n2 of independent counts."""
    for i in range(x1.size):
        low[i] = _mn_low(x1[i], n1[i], x2[i], n2[i], z, small_sample)


@kernel
def _tango_low(b: float, c: float, n: float, z: float) -> float:
    at = (b - c) / n
    # the statistic falls from above z at -1 to 0 at the observed difference
    left, right = -1.0, at
    f_left, f_right = _tango_gap(b, c, n, left, z), _tango_gap(b, c, n, right, z)
    if f_left <= 0.0:
        return -1.0
    side = 0
    for step in range(MOST_STEPS):
        # false position with Illinois' halving of the value that stays: both ends come in. Where the variance vanishes at the
        # observed difference, so does the gap there, although it is negative before: then, and every fourth step, halve
        guess = right - f_right * (right - left) / (f_right - f_left)
        if step % 4 == 3 or not (left < guess < right):
            guess = 0.5 * (left + right)
        value = _tango_gap(b, c, n, guess, z)
        if value > 0.0:
            left, f_left = guess, value
            if side == 1:
                f_right *= 0.5
            side = 1
        else:
            right, f_right = guess, value
            if side == -1:
                f_left *= 0.5
            side = -1
        if right - left <= 1e-15:
            break
    return right


@kernel
def _tango_gap(b: float, c: float, n: float, delta: float, z: float) -> float:
    """Score less critical value, multiplied by the standard deviation: no division by zero at the ends."""
    linear = -b - c + (2.0 * n - b + c) * delta
    constant = -c * delta * (1.0 - delta)
    root = np.sqrt(max(linear * linear - 8.0 * n * constant, 0.0))
    # of the two forms of the root, the one that does not subtract like from like
    q = -2.0 * constant / (root + linear) if linear > 0.0 else (root - linear) / (4.0 * n)
    variance = n * (2.0 * q + delta * (1.0 - delta))
    return float(b - c - n * delta - z * np.sqrt(max(variance, 0.0)))


@kernel
def _mn_low(x1: float, n1: float, x2: float, n2: float, z: float, small_sample: bool) -> float:
    at = x1 / n1 - x2 / n2
    left, right = -1.0, at
    f_left = _mn_gap(x1, n1, x2, n2, left, z, small_sample)
    f_right = _mn_gap(x1, n1, x2, n2, right, z, small_sample)
    if f_left <= 0.0:
        return -1.0
    side = 0
    for step in range(MOST_STEPS):
        # false position with Illinois' halving of the value that stays: both ends come in. Where the variance vanishes at the
        # observed difference, so does the gap there, although it is negative before: then, and every fourth step, halve
        guess = right - f_right * (right - left) / (f_right - f_left)
        if step % 4 == 3 or not (left < guess < right):
            guess = 0.5 * (left + right)
        value = _mn_gap(x1, n1, x2, n2, guess, z, small_sample)
        if value > 0.0:
            left, f_left = guess, value
            if side == 1:
                f_right *= 0.5
            side = 1
        else:
            right, f_right = guess, value
            if side == -1:
                f_left *= 0.5
            side = -1
        if right - left <= 1e-15:
            break
    return right


@kernel
def _mn_gap(x1: float, n1: float, x2: float, n2: float, delta: float, z: float, small_sample: bool) -> float:
    total, x = n1 + n2, x1 + x2
    l3 = total
    l2 = (n1 + 2.0 * n2) * delta - total - x
    l1 = (n2 * delta - total - 2.0 * x2) * delta + x
    l0 = x2 * delta * (1.0 - delta)
    third = l2 / (3.0 * l3)
    q = third * third * third - l1 * l2 / (6.0 * l3 * l3) + l0 / (2.0 * l3)
    p = np.sqrt(max(third * third - l1 / (3.0 * l3), 0.0))
    if q < 0.0:
        p = -p
    cosine = q / (p * p * p) if p != 0.0 else 0.0
    angle = (np.pi + np.arccos(min(max(cosine, -1.0), 1.0))) / 3.0
    p2 = 2.0 * p * np.cos(angle) - third
    # rounding may leave the range that both shares have in common
    least, most = max(0.0, -delta), min(1.0, 1.0 - delta)
    p2 = min(max(p2, least), most)
    p1 = p2 + delta
    variance = p1 * (1.0 - p1) / n1 + p2 * (1.0 - p2) / n2
    if small_sample:
        variance *= total / (total - 1.0)
    return float(x1 / n1 - x2 / n2 - delta - z * np.sqrt(max(variance, 0.0)))
