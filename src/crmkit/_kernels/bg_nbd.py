"""BG/NBD on arrays: the log-likelihood with its exact derivatives, P(alive), and expected purchases.

Symbols are those of Fader, Hardie & Lee (2005): x repeat purchases, the last at t_x, observed for T; purchase rates are
Gamma(r, alpha) over customers, dropout probabilities after each purchase Beta(a, b).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.special import (
    digamma_difference,
    expit,
    log1pexp,
    log_gamma_difference,
    trigamma_difference,
)

__all__ = ["expected_purchases", "log_likelihood", "p_alive"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Nodes on each side of the mode; the widest case met (tiny a, horizon 1e12) needs about 250.
_NODES = 2048


@kernel
def log_likelihood(
    r: float, alpha: float, a: float, b: float, counts: Floats, which: Integers, t_x: Floats, T: Floats, weight: Floats
) -> tuple[float, Floats, Floats]:
    """Weighted log-likelihood, its gradient and its Hessian in (ln r, ln alpha, ln a, ln b).

    Row i has ``counts[which[i]]`` repeat purchases: the gamma functions are met once per distinct count, not per row.
    """
    k = counts.size
    # value and derivatives of ln G(r+x) - ln G(r) + ln B(a, b+x) - ln B(a, b): all that depends on x alone
    constant, slope = np.empty(k), np.empty((k, 3))
    bend_r, bend_aa, bend_bb = np.empty(k), np.empty(k), np.empty(k)
    for j in range(k):
        x = counts[j]
        constant[j] = log_gamma_difference(r, x) + log_gamma_difference(b, x) - log_gamma_difference(a + b, x)
        psi_ab = digamma_difference(a + b, x)
        slope[j, 0] = digamma_difference(r, x)
        slope[j, 1] = -psi_ab
        slope[j, 2] = digamma_difference(b, x) - psi_ab
        bend_r[j] = trigamma_difference(r, x)
        bend_aa[j] = -trigamma_difference(a + b, x)
        bend_bb[j] = trigamma_difference(b, x) + bend_aa[j]

    value = 0.0
    g0, g1, g2, g3 = 0.0, 0.0, 0.0, 0.0
    h00, h01, h02, h03, h11, h12, h13, h22, h23, h33 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(which.size):
        j, w = which[i], weight[i]
        x = counts[j]
        end, last = alpha + T[i], alpha + t_x[i]
        grown = math.log1p(T[i] / alpha)

        f = constant[j] - r * grown - x * math.log(end)
        d0 = r * (slope[j, 0] - grown)
        # r and alpha may both be huge: nothing here subtracts two large numbers
        d1 = r * (T[i] / end) - x * (alpha / end)
        d2 = a * slope[j, 1]
        d3 = b * slope[j, 2]
        e00 = r * r * bend_r[j] + d0
        e01 = r * (T[i] / end)
        e11 = -(r + x) * (alpha / end) * (T[i] / end)
        e22 = a * a * bend_aa[j] + d2
        e23 = a * b * bend_aa[j]
        e33 = b * b * bend_bb[j] + d3
        if x > 0.0:
            # the customer may have dropped out right after the last purchase: odds e^z
            silence = T[i] - t_x[i]
            decay = math.log1p(silence / last)
            before = b + x - 1.0
            z = math.log(a) - math.log(before) + (r + x) * decay
            gone = expit(z)
            f += log1pexp(z)
            shrink = -(alpha / end) * (silence / last)
            z0, z1, z3 = r * decay, (r + x) * shrink, -b / before
            z01 = r * shrink
            z11 = z1 - z1 * (alpha / end + alpha / last)
            z33 = -(b / before) * ((x - 1.0) / before)
            spread = gone * expit(-z)
            d0 += gone * z0
            d1 += gone * z1
            d2 += gone
            d3 += gone * z3
            e00 += gone * z0 + spread * z0 * z0
            e01 += gone * z01 + spread * z0 * z1
            h02 += w * spread * z0
            h03 += w * spread * z0 * z3
            e11 += gone * z11 + spread * z1 * z1
            h12 += w * spread * z1
            h13 += w * spread * z1 * z3
            e22 += spread
            e23 += spread * z3
            e33 += gone * z33 + spread * z3 * z3
        value += w * f
        g0 += w * d0
        g1 += w * d1
        g2 += w * d2
        g3 += w * d3
        h00 += w * e00
        h01 += w * e01
        h11 += w * e11
        h22 += w * e22
        h23 += w * e23
        h33 += w * e33

    gradient = np.array([g0, g1, g2, g3])
    hessian = np.array([[h00, h01, h02, h03], [h01, h11, h12, h13], [h02, h12, h22, h23], [h03, h13, h23, h33]])
    return value, gradient, hessian


@kernel
def p_alive(r: float, alpha: float, a: float, b: float, x: Floats, t_x: Floats, T: Floats, out: Floats) -> None:
    """Write P(still a customer at T); who never came back cannot have dropped out in this model."""
    for i in range(out.size):
        if x[i] > 0.0:
            decay = math.log1p((T[i] - t_x[i]) / (alpha + t_x[i]))
            out[i] = expit(math.log(b + x[i] - 1.0) - math.log(a) - (r + x[i]) * decay)
        else:
            out[i] = 1.0


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
def _step(a: float, late: float) -> float:
    """The widest grid on which the trapezoid rule is exact to rounding for logit(p), p ~ Beta(a, late).

    Its relative error is the weight's Fourier transform at 2 pi / step.
    """
    frequency = 10.0
    while _damping(a, frequency) + _damping(late, frequency) > -38.0:
        frequency *= 1.05
    return 2.0 * math.pi / frequency


@kernel
def _series(rate: float) -> float:
    """The sum of e^(-rate k) over k = 1, 2, ..."""
    return 1.0 / math.expm1(rate) if rate < 700.0 else 0.0


@kernel
def expected_purchases(
    r: float, alpha: float, a: float, b: float, t: Floats, x: Floats, T: Floats, order: Integers, out: Floats
) -> None:
    """Write the expected purchases in (T, T + t] of a customer alive at T; `order` visits equal x together.

    With m = r + x and tau = t / (alpha + T) it is E[(1 - (1 + p tau)^-m) / p] over p ~ Beta(a, b + x): positive, without the
    pole at a = 1 of the closed form and its differences of large 2F1. In y = logit(p) weight and integrand are analytic for
    |Im y| < pi whatever the parameters, so the plain trapezoid rule converges geometrically. Beyond the last node on
    either side the terms are a geometric series, which is summed: that is what makes a -> 0 and b -> 0 exact.
    """
    p_left, w_left, odds_left = np.empty(_NODES), np.empty(_NODES), np.empty(_NODES)
    p_right, w_right, odds_right = np.empty(_NODES), np.empty(_NODES), np.empty(_NODES)
    n_left, n_right = 0, 0
    now = -1.0
    late, total_rate, mode, odds, step = 0.0, 0.0, 0.0, 0.0, 0.0
    rest0, rest1, rest2 = 0.0, 0.0, 0.0
    for position in range(order.size):
        i = order[position]
        if x[i] != now:
            now = x[i]
            late = b + now
            mode, odds = a / (a + late), a / late
            step = _step(a, late)
            n_left, n_right = 0, 0
            total_rate = a + late
            rest0, rest1, rest2 = _series(a * step), _series((a + 1.0) * step), _series((a + 2.0) * step)
        m = r + now
        tau = t[i] / (alpha + T[i])
        if tau == 0.0:
            out[i] = 0.0
            continue
        total, mass = _bought(m, mode * tau) / mode, 1.0

        # towards p = 1: the integrand falls to its value there
        j = 0
        while True:
            if j >= _NODES:
                total = math.nan
                break
            if j == n_right:
                d = (j + 1) * step
                grown = mode * math.expm1(d)
                p_right[j] = mode * math.exp(d) / (1.0 + grown)
                odds_right[j] = odds * math.exp(d)
                w_right[j] = math.exp(total_rate * (mode * d - math.log1p(grown)))
                n_right += 1
            w = w_right[j]
            term = w * _bought(m, p_right[j] * tau) / p_right[j]
            total += term
            mass += w
            if total_rate + m < 1e-15 * odds_right[j]:
                rest = _series(late * step)
                total += term * rest
                mass += w * rest
                break
            if w < 1e-16 * mass:
                break
            j += 1

        # towards p = 0: the integrand rises to m tau
        j = 0
        while True:
            if j >= _NODES:
                total = math.nan
                break
            if j == n_left:
                d = -(j + 1) * step
                grown = mode * math.expm1(d)
                p_left[j] = mode * math.exp(d) / (1.0 + grown)
                odds_left[j] = odds * math.exp(d)
                w_left[j] = math.exp(total_rate * (mode * d - math.log1p(grown)))
                n_left += 1
            w = w_left[j]
            term = w * _bought(m, p_left[j] * tau) / p_left[j]
            total += term
            mass += w
            e = odds_left[j]
            if total_rate * e < 1e-5 and m * tau * e < 1e-5:
                # weight and integrand to second order in e; the third is below rounding
                amplitude = w * math.exp(total_rate * math.log1p(e))
                c1 = 0.5 * (m + 1.0) * tau
                c2 = (m + 1.0) * (m + 2.0) * tau * tau / 6.0 + c1 + total_rate * (c1 + 0.5 * (total_rate + 1.0))
                half = 0.5 * total_rate * (total_rate + 1.0)
                mass += amplitude * (rest0 - e * (total_rate * rest1 - e * half * rest2))
                total += amplitude * m * tau * (rest0 - e * ((total_rate + c1) * rest1 - e * c2 * rest2))
                break
            if w < 1e-16 * mass and term < 1e-16 * total:
                break
            j += 1
        out[i] = total / mass
