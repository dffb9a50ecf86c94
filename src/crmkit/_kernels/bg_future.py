"""BG/NBD and MBG/NBD on arrays: what is to come of customers who are alive at T.

Given that, the rate is Gamma(m, alpha + T) with m = r + x and the dropout Beta(a, late) with late = b + x + early, independent of
each other: all predictions are means over these two, and with tau = t / (alpha + T) the purchases that would be made in
(T, T + t] if nobody left are negative binomial (m, tau). Symbols are those of `_kernels.bg_nbd`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.counts import negative_binomial
from crmkit._kernels.quadrature import GAUSS_NODES as _GAUSS_NODES
from crmkit._kernels.quadrature import GAUSS_WEIGHTS as _GAUSS_WEIGHTS

__all__ = ["count_probabilities", "discounted", "if_alive"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Nodes on each side of the mode; the widest case met (tiny a, horizon 1e12) needs about 250.
_NODES = 2048
# Terms of the sums over counts; where they do not suffice, the quadrature takes over.
_TERMS = 601
# Steps of z = tau / (1 + tau), for each of which the number of terms is prepared.
_STEPS = 64


@kernel
def _bought(m: float, z: float) -> float:
    """1 - (1 + z)^-m to about 1e-14, several times faster than by log1p and expm1: this is the inner loop of predictions."""
    if z < 0.02:
        tail = 1.0 / 6.0 - z * (1.0 / 7.0 - z * (1.0 / 8.0 - z * (1.0 / 9.0)))
        y = m * z * (1.0 - z * (0.5 - z * (1.0 / 3.0 - z * (0.25 - z * (0.2 - z * tail)))))
    else:
        y = m * math.log(1.0 + z)
    if y < 0.05:
        tail = 1.0 / 120.0 - y * (1.0 / 720.0 - y * (1.0 / 5040.0))
        return y * (1.0 - y * (0.5 - y * (1.0 / 6.0 - y * (1.0 / 24.0 - y * tail))))
    return 1.0 - math.exp(-y)


@kernel
def _damping(s: float, frequency: float) -> float:
    """How ln |G(s + i f) / G(s)| falls with f, for f >= 6: the frequencies in the log of a Gamma(s) variable."""
    size = 0.5 * math.log1p((s / frequency) ** 2) + math.log(frequency)
    if s < 8.0:
        return (s - 0.5) * size - frequency * math.atan(frequency / s) - s + 0.91893853320467274 - math.lgamma(s)
    return 0.5 * (s - 0.5) * math.log1p((frequency / s) ** 2) - frequency * math.atan(frequency / s)


@kernel
def _step(a: float, late: float, digits: float) -> float:
    """The widest grid on which the trapezoid rule errs by e^-digits of the whole weight, for logit(p), p ~ Beta(a, late).

    Its relative error is the weight's Fourier transform at 2 pi / step.
    """
    frequency = 10.0
    while _damping(a, frequency) + _damping(late, frequency) > -digits:
        frequency *= 1.05
    return 2.0 * math.pi / frequency


@kernel
def _series(rate: float) -> float:
    """The sum of e^(-rate k) over k = 1, 2, ..."""
    return 1.0 / math.expm1(rate) if rate < 700.0 else 0.0


@kernel
def _integrand(sort: int, m: float, tau: float, p: float) -> float:
    if sort == 0:
        return _bought(m, p * tau) / p
    return math.exp(-m * math.log1p(p * tau))


@kernel
def _mean_over_dropout(
    sort: int, m: float, tau: float, a: float, late: float, step: float, filled: Integers, left: Floats, right: Floats
) -> float:
    """E[(1 - (1 + p tau)^-m) / p] (`sort` 0) or E[(1 + p tau)^-m] (`sort` 1) over p ~ Beta(a, late), by the trapezoid rule.

    In y = logit(p) weight and integrand are analytic for |Im y| < pi whatever the parameters, so the plain rule converges
    geometrically. Beyond the last node on either side the terms are a geometric series, which is summed: that is what makes
    a -> 0 and b -> 0 exact. Rows of `left` and `right` keep p, weight and odds of the nodes met so far.
    """
    rate = a + late
    mode, odds = a / rate, a / late
    total: float = _integrand(sort, m, tau, mode)
    mass: float = 1.0

    # towards p = 1: the integrand falls to its value there
    j = 0
    while True:
        if j >= _NODES:
            return math.nan
        if j == filled[1]:
            d = (j + 1) * step
            grown = mode * math.expm1(d)
            right[0, j] = mode * math.exp(d) / (1.0 + grown)
            right[1, j] = math.exp(rate * (mode * d - math.log1p(grown)))
            right[2, j] = odds * math.exp(d)
            filled[1] += 1
        p, w = right[0, j], right[1, j]
        term = w * _integrand(sort, m, tau, p)
        total += term
        mass += w
        if rate + m < 1e-15 * right[2, j]:
            rest = _series(late * step)
            total += term * rest
            mass += w * rest
            break
        if w < 1e-16 * mass and term < 1e-16 * total:
            break
        j += 1

    # towards p = 0: the integrand rises to its value there
    j = 0
    while True:
        if j >= _NODES:
            return math.nan
        if j == filled[0]:
            d = -(j + 1) * step
            grown = mode * math.expm1(d)
            left[0, j] = mode * math.exp(d) / (1.0 + grown)
            left[1, j] = math.exp(rate * (mode * d - math.log1p(grown)))
            left[2, j] = odds * math.exp(d)
            filled[0] += 1
        p, w, e = left[0, j], left[1, j], left[2, j]
        term = w * _integrand(sort, m, tau, p)
        total += term
        mass += w
        if rate * e < 1e-5 and m * tau * e < 1e-5:
            # weight and integrand, the latter f (1 + c1 p + c2 p^2), to second order in e; the third is below rounding
            f, c1, c2 = 1.0, -m * tau, 0.5 * m * (m + 1.0) * tau * tau
            if sort == 0:
                f, c1, c2 = m * tau, -0.5 * (m + 1.0) * tau, (m + 1.0) * (m + 2.0) * tau * tau / 6.0
            amplitude = w * math.exp(rate * math.log1p(e))
            half = 0.5 * rate * (rate + 1.0)
            rest0, rest1, rest2 = _series(a * step), _series((a + 1.0) * step), _series((a + 2.0) * step)
            mass += amplitude * (rest0 - e * (rate * rest1 - e * half * rest2))
            total += amplitude * f * (rest0 + e * ((c1 - rate) * rest1 + e * (c2 - c1 - rate * c1 + half) * rest2))
            break
        if w < 1e-16 * mass and term < 1e-16 * total:
            break
        j += 1
    return total / mass


@kernel
def _by_counts(m: float, tau: float, ratio: Floats, value: Floats) -> float:
    """The mean of value[k] over k ~ NB(m, tau), a sum of positive terms, or -1 where it takes too many of them."""
    z = tau / (1.0 + tau)
    chance = math.exp(-m * math.log1p(tau))
    total: float = chance * value[0]
    for block in range(1, _TERMS - 7, 8):
        term = 0.0
        for k in range(block, block + 8):
            chance *= z * ratio[k]
            term = chance * value[k]
            total += term
        # from here on the chances fall by at least this factor, while the values grow by less than (k + 1) / k
        falling = z * (1.0 + max(m - 1.0, 0.0) / (block + 8.0)) * (1.0 + 1.0 / (block + 7.0))
        if falling < 1.0 and term * falling < 1e-17 * total * (1.0 - falling):
            return total
    return -1.0


@kernel
def _fill(m: float, a: float, late: float, ratio: Floats, kept: Floats, bought: Floats) -> None:
    """Prepare sums over counts: of k purchases that would be made, `bought` are expected before leaving, `kept` is P(stays)."""
    kept[0], bought[0] = 1.0, 0.0
    for k in range(1, _TERMS):
        ratio[k] = (m + (k - 1.0)) / k
        kept[k] = kept[k - 1] * ((late + (k - 1.0)) / (a + late + (k - 1.0)))
        bought[k] = bought[k - 1] + kept[k - 1]


@kernel
def _powers(m: float, ratio: Floats, value: Floats, coefficient: Floats, needed: Integers) -> None:
    """Prepare the same mean as a polynomial in z = tau / (1 + tau): its coefficients, and how many of them z needs.

    ``needed[j]`` is for z up to (j + 1) / size, 0 where the sum is too long or its coefficients too large for the machine.
    """
    chance, usable = 1.0, 0
    for k in range(_TERMS):
        if k > 0:
            chance *= ratio[k]
        if chance > 1e250:
            break
        coefficient[k] = chance * value[k]
        usable = k + 1
    n = needed.size
    for j in range(n):
        needed[j] = 0
        z, power, total = (j + 1.0) / n, 1.0, coefficient[0]
        for k in range(1, usable):
            power *= z
            term = coefficient[k] * power
            total += term
            falling = z * (1.0 + max(m - 1.0, 0.0) / (k + 1.0)) * (1.0 + 1.0 / k)
            if falling < 1.0 and term * falling < 1e-17 * total * (1.0 - falling):
                needed[j] = k + 1
                break
        if needed[j] == 0:
            needed[j:] = 0
            break


@kernel
def _polynomial(coefficient: Floats, size: int, z: float) -> float:
    """The sum of coefficient[k] z^k over k < size, by four chains of Horner's rule that do not wait for each other."""
    rounds = (size + 3) // 4
    square = z * z
    fourth = square * square
    p0, p1, p2, p3 = 0.0, 0.0, 0.0, 0.0
    for i in range(rounds - 1, -1, -1):
        k = 4 * i
        p0 = p0 * fourth + coefficient[k]
        p1 = p1 * fourth + coefficient[k + 1]
        p2 = p2 * fourth + coefficient[k + 2]
        p3 = p3 * fourth + coefficient[k + 3]
    return (p0 + z * p1) + square * (p2 + z * p3)


@kernel
def _over_counts(m: float, tau: float, ratio: Floats, value: Floats, coefficient: Floats, needed: Integers) -> float:
    """The mean of value[k] over k ~ NB(m, tau), by the polynomial where it will do, or -1 where it takes too many terms."""
    z = tau / (1.0 + tau)
    size = needed[min(int(z * needed.size), needed.size - 1)]
    if size > 0:
        # the quicker of the two logs will do where its rounding is not multiplied by much
        none = m * math.log(1.0 + tau) if m < 64.0 else m * math.log1p(tau)
        return math.exp(-none) * _polynomial(coefficient, size, z)
    return _by_counts(m, tau, ratio, value)


@kernel
def _countable(m: float, tau: float) -> bool:
    """Whether the sum over counts is short, and its first term not too small for the machine."""
    return m * tau <= 100.0 and tau <= 9.0


@kernel
def if_alive(
    sort: int, r: float, alpha: float, a: float, b: float, early: float, t: Floats, x: Floats, T: Floats, out: Floats
) -> None:
    """Write, for a customer alive at T: purchases to expect in (T, T + t] (`sort` 0) or P(alive at T + t) (`sort` 1).

    Equal x should follow each other. Ordinary horizons are a mean over how many purchases would be made if nobody left; long
    horizons and very frequent buyers are a mean over the dropout probability. Both are sums of positive terms: no pole at
    a = 1, no difference of large 2F1 as in the closed form.
    """
    left, right, filled = np.empty((3, _NODES)), np.empty((3, _NODES)), np.zeros(2, np.int64)
    ratio, kept, bought = np.empty(_TERMS), np.empty(_TERMS), np.empty(_TERMS)
    coefficient, needed = np.zeros(_TERMS + 3), np.zeros(_STEPS, np.int64)
    now, late, step, counted = -1.0, 0.0, 0.0, False
    for i in range(out.size):
        if x[i] != now:
            now, late, step, counted = x[i], b + (x[i] + early), 0.0, False
        m, tau, found = r + now, t[i] / (alpha + T[i]), -1.0
        if _countable(m, tau):
            if not counted:
                _fill(m, a, late, ratio, kept, bought)
                _powers(m, ratio, bought if sort == 0 else kept, coefficient, needed)
                counted = True
            found = _over_counts(m, tau, ratio, bought if sort == 0 else kept, coefficient, needed)
        if found < 0.0:
            if step == 0.0:
                # the chance to stay may be small against 1, a number of purchases is not small against that of one
                step = _step(a, late, 38.0 if sort == 0 else 55.0)
                filled[:] = 0
            found = _mean_over_dropout(sort, m, tau, a, late, step, filled, left, right)
        out[i] = found


@kernel
def discounted(
    rate: float, r: float, alpha: float, a: float, b: float, early: float, t: Floats, x: Floats, T: Floats, out: Floats
) -> None:
    """Write the purchases to expect in (T, T + t] of a customer alive at T, one at T + u counted as e^(-rate u).

    That is the integral over u of e^(-rate u) times the density of purchases, m / A E[(1 + p u / A)^-(m + 1)] with A = alpha +
    T, by Gauss-Legendre rules on panels that grow with A + u, the distance to the density's singularity. `t` may be infinite
    where `rate` is positive.
    """
    left, right, filled = np.empty((3, _NODES)), np.empty((3, _NODES)), np.zeros(2, np.int64)
    ratio, kept, bought = np.empty(_TERMS), np.empty(_TERMS), np.empty(_TERMS)
    coefficient, needed = np.zeros(_TERMS + 3), np.zeros(_STEPS, np.int64)
    now, late, step, counted = -1.0, 0.0, 0.0, False
    for i in range(out.size):
        if x[i] != now:
            now, late, step, counted = x[i], b + (x[i] + early), 0.0, False
        m, A = r + now + 1.0, alpha + T[i]
        # the density starts to fall at the rate `steep` and ends as the power `tail`
        steep, tail = m * (a / (a + late)) / A, min(a, m)
        total, u = 0.0, 0.0
        while u < t[i]:
            width = min(t[i] - u, 2.0 * (A + u), 10.0 / steep + 10.0 * u / tail)
            if rate > 0.0:
                width = min(width, 10.0 / rate)
            part, edge = 0.0, 0.0
            for g in range(_GAUSS_NODES.size):
                v = u + width * _GAUSS_NODES[g]
                tau, density = v / A, -1.0
                if _countable(m, tau):
                    if not counted:
                        _fill(m, a, late, ratio, kept, bought)
                        _powers(m, ratio, kept, coefficient, needed)
                        counted = True
                    density = _over_counts(m, tau, ratio, kept, coefficient, needed)
                if density < 0.0:
                    if step == 0.0:
                        step = _step(a, late, 40.0)
                        filled[:] = 0
                    density = _mean_over_dropout(1, m, tau, a, late, step, filled, left, right)
                edge = density * math.exp(-rate * v)
                part += _GAUSS_WEIGHTS[g] * edge
            total += part * width
            u += width
            if rate > 0.0 and edge < 1e-17 * total * rate:
                break
        out[i] = total * ((r + now) / A)


@kernel
def count_probabilities(
    r: float, alpha: float, a: float, b: float, early: float, t: Floats, x: Floats, T: Floats, out: Floats
) -> None:
    """Write the chances of 0, 1, ... purchases in (T, T + t] for a customer alive at T, the last column: of more than that."""
    n = out.shape[1] - 2
    made, kept = np.empty(n + 2), np.ones(n + 1)
    for i in range(out.shape[0]):
        late = b + (x[i] + early)
        # purchases if nobody left
        negative_binomial(r + x[i], t[i] / (alpha + T[i]), made)
        for k in range(n):
            kept[k + 1] = kept[k] * ((late + k) / (a + late + k))
        # more than n are made where more than n would be and none of the first n was the last
        beyond = made[n + 1]
        out[i, n + 1] = kept[n] * beyond
        for k in range(n, 0, -1):
            beyond += made[k]
            # all of k purchases are survived, or the k-th is the last one that is made
            out[i, k] = kept[k] * made[k] + kept[k - 1] * (a / (a + late + (k - 1.0))) * beyond
        out[i, 0] = made[0]
