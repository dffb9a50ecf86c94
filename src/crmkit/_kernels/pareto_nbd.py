"""Pareto/NBD on arrays: the log-likelihood with its exact derivatives, P(alive), and what is to come.

Symbols are those of Schmittlein, Morrison & Colombo (1987): x repeat purchases, the last at t_x, observed for T; purchase rates
are Gamma(r, alpha) over customers, rates of leaving Gamma(s, beta). With m = r + x the odds of having left by T are

    R = s / (beta + T)  int_{t_x}^{T} ((alpha + T) / (alpha + u))^m ((beta + T) / (beta + u))^(s + 1) du,

an integral of one falling function instead of a difference of two 2F1: nothing cancels where T - t_x is small, nothing
overflows where alpha and beta are far apart, and derivatives are means of derivatives under the integral.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.counts import negative_binomial
from crmkit._kernels.quadrature import GAUSS_NODES as _GAUSS_NODES
from crmkit._kernels.quadrature import GAUSS_WEIGHTS as _GAUSS_WEIGHTS
from crmkit._kernels.quadrature import panel_width, power_integral
from crmkit._kernels.special import (
    digamma_difference,
    expit,
    log1pexp,
    log_gamma_difference,
    trigamma_difference,
)

__all__ = ["again", "count_probabilities", "discounted", "expected_purchases", "log_likelihood", "p_alive", "stays"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@kernel
def _log1p(z: float) -> float:
    """ln(1 + z), by the quicker of the two logs where nothing is lost."""
    return math.log(1.0 + z) if z > 0.01 else math.log1p(z)


@kernel
def log_likelihood(
    r: float,
    alpha: float,
    s: float,
    beta: float,
    counts: Floats,
    which: Integers,
    t_x: Floats,
    T: Floats,
    weight: Floats,
    scores: Floats,
) -> tuple[float, Floats, Floats]:
    """Weighted log-likelihood, its gradient and its Hessian in (ln r, ln alpha, ln s, ln beta).

    Row i has ``counts[which[i]]`` repeat purchases: the gamma functions are met once per distinct count, not per row. Its own
    gradient goes to ``scores[i]``, where it has rows.
    """
    k = counts.size
    # value and derivatives of ln G(r+x) - ln G(r)
    constant, slope, bend = np.empty(k), np.empty(k), np.empty(k)
    for j in range(k):
        constant[j] = log_gamma_difference(r, counts[j])
        slope[j] = digamma_difference(r, counts[j])
        bend[j] = trigamma_difference(r, counts[j])

    value, gradient, hessian = 0.0, np.zeros(4), np.zeros((4, 4))
    first, d = np.empty(4), np.empty(4)
    second, e = np.empty((4, 4)), np.empty((4, 4))
    for i in range(which.size):
        x, w, silence = counts[which[i]], weight[i], T[i] - t_x[i]
        m, end, close = r + x, alpha + T[i], beta + T[i]
        grown, aged = math.log1p(T[i] / alpha), math.log1p(T[i] / beta)
        share, part = T[i] / end, T[i] / close

        f = constant[which[i]] - r * grown - x * math.log(end) - s * aged
        # r and alpha, or s and beta, may both be huge: nothing here subtracts two large numbers
        d[0] = r * (slope[which[i]] - grown)
        d[1] = r * share - x * (alpha / end)
        d[2] = -s * aged
        d[3] = s * part
        e[:, :] = 0.0
        e[0, 0] = r * r * bend[which[i]] + d[0]
        e[0, 1] = r * share
        e[1, 1] = -m * (alpha / end) * share
        e[2, 2] = d[2]
        e[2, 3] = d[3]
        e[3, 3] = -s * (beta / close) * part

        if silence > 0.0:
            # the integral over the time u = t_x + v at which the customer may have left, with its derivatives
            A, B = alpha + t_x[i], beta + t_x[i]
            decay, ageing = math.log1p(silence / A), math.log1p(silence / B)
            total, v = 0.0, 0.0
            bend_a, bend_b, cross_a, cross_b = 0.0, 0.0, 0.0, 0.0
            f0, f1, f2, f3 = 0.0, 0.0, 0.0, 0.0
            s00, s01, s02, s03, s11, s12, s13, s22, s23, s33 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            while v < silence:
                width = min(silence - v, panel_width(0.0, m, A, s + 1.0, B, v))
                edge = 0.0
                for q in range(_GAUSS_NODES.size):
                    late = v + width * _GAUSS_NODES[q]
                    fall_a, fall_b = _log1p(late / A), _log1p(late / B)
                    edge = math.exp(-m * fall_a - (s + 1.0) * fall_b)
                    mass = width * _GAUSS_WEIGHTS[q] * edge
                    u, rest = t_x[i] + late, silence - late
                    slope_a = -(alpha / end) * (rest / (alpha + u))
                    slope_b = -(beta / close) * (rest / (beta + u))
                    g0 = r * (decay - fall_a)
                    g1 = m * slope_a
                    g2 = 1.0 + s * (ageing - fall_b)
                    g3 = (s + 1.0) * slope_b - beta / close
                    total += mass
                    m0, m1, m2, m3 = mass * g0, mass * g1, mass * g2, mass * g3
                    f0, f1, f2, f3 = f0 + m0, f1 + m1, f2 + m2, f3 + m3
                    s00, s01, s02, s03 = s00 + m0 * g0, s01 + m0 * g1, s02 + m0 * g2, s03 + m0 * g3
                    s11, s12, s13 = s11 + m1 * g1, s12 + m1 * g2, s13 + m1 * g3
                    s22, s23, s33 = s22 + m2 * g2, s23 + m2 * g3, s33 + m3 * g3
                    cross_a += mass * slope_a
                    cross_b += mass * slope_b
                    bend_a -= mass * slope_a * (alpha / end * (alpha / (alpha + u)) - share * (u / (alpha + u)))
                    bend_b -= mass * slope_b * (beta / close * (beta / (beta + u)) - part * (u / (beta + u)))
                v += width
                if edge * (silence - v) < 1e-17 * total:
                    break
            z = math.log(s / close) + m * decay + (s + 1.0) * ageing + math.log(total)
            gone = expit(z)
            spread = gone * expit(-z)
            f += log1pexp(z)
            first[0], first[1], first[2], first[3] = f0 / total, f1 / total, f2 / total, f3 / total
            second[0, 0], second[0, 1], second[0, 2], second[0, 3] = s00, s01, s02, s03
            second[1, 1], second[1, 2], second[1, 3] = s11, s12, s13
            second[2, 2], second[2, 3], second[3, 3] = s22, s23, s33
            for j in range(4):
                d[j] += gone * first[j]
                for h in range(j, 4):
                    e[j, h] += gone * (second[j, h] / total - first[j] * first[h]) + spread * first[j] * first[h]
            cross_a, cross_b, bend_a, bend_b = cross_a / total, cross_b / total, bend_a / total, bend_b / total
            e[0, 0] += gone * first[0]
            e[0, 1] += gone * r * cross_a
            e[1, 1] += gone * m * bend_a
            e[2, 2] += gone * (first[2] - 1.0)
            e[2, 3] += gone * s * cross_b
            e[3, 3] += gone * ((s + 1.0) * bend_b - (beta / close) * part)
        value += w * f
        for j in range(4):
            if scores.shape[0] > 0:
                scores[i, j] = d[j]
            gradient[j] += w * d[j]
            for h in range(j, 4):
                hessian[j, h] += w * e[j, h]
    for j in range(4):
        for h in range(j):
            hessian[j, h] = hessian[h, j]
    return value, gradient, hessian


@kernel
def p_alive(r: float, alpha: float, s: float, beta: float, x: Floats, t_x: Floats, T: Floats, out: Floats) -> None:
    """Write P(still a customer at T)."""
    for i in range(out.size):
        m, A, B, silence = r + x[i], alpha + t_x[i], beta + t_x[i], T[i] - t_x[i]
        out[i] = 1.0
        if silence > 0.0:
            z = math.log(s / (beta + T[i])) + m * math.log1p(silence / A) + (s + 1.0) * math.log1p(silence / B)
            out[i] = expit(-z - math.log(power_integral(0.0, m, A, s + 1.0, B, silence)))


@kernel
def stays(s: float, beta: float, t: Floats, T: Floats, out: Floats) -> None:
    """Write P(alive at T + t) of a customer alive at T."""
    for i in range(out.size):
        out[i] = math.exp(-s * math.log1p(t[i] / (beta + T[i])))


@kernel
def expected_purchases(r: float, alpha: float, s: float, beta: float, t: Floats, x: Floats, T: Floats, out: Floats) -> None:
    """Write the purchases to expect in (T, T + t] of a customer alive at T; s = 1 is no special case."""
    for i in range(out.size):
        aged = math.log1p(t[i] / (beta + T[i]))
        power = (1.0 - s) * aged
        grown = math.expm1(power) / power if power != 0.0 else 1.0
        out[i] = (r + x[i]) / (alpha + T[i]) * (beta + T[i]) * aged * grown


@kernel
def discounted(rate: float, r: float, alpha: float, s: float, beta: float, t: Floats, x: Floats, T: Floats, out: Floats) -> None:
    """Write the purchases to expect in (T, T + t] of a customer alive at T, one at T + u counted as e^(-rate u)."""
    for i in range(out.size):
        B = beta + T[i]
        out[i] = (r + x[i]) / (alpha + T[i]) * power_integral(rate, 0.0, B, s, B, t[i])


@kernel
def again(r: float, alpha: float, s: float, beta: float, x: Floats, T: Floats, out: Floats) -> None:
    """Write P(the next purchase comes before the customer leaves) of a customer alive at T."""
    for i in range(out.size):
        A, B = alpha + T[i], beta + T[i]
        out[i] = min((r + x[i]) / A * power_integral(0.0, r + x[i] + 1.0, A, s, B, math.inf), 1.0)


@kernel
def count_probabilities(r: float, alpha: float, s: float, beta: float, t: Floats, x: Floats, T: Floats, out: Floats) -> None:
    """Write the chances of 0, 1, ... purchases in (T, T + t] for a customer alive at T, the last column: of more than that.

    Purchases until leaving at T + u, or until T + t, are negative binomial (m, u / A): a mean over the time of leaving.
    """
    n = out.shape[1] - 2
    chance = np.empty(n + 2)
    for i in range(out.shape[0]):
        m, A, B = r + x[i], alpha + T[i], beta + T[i]
        kept = math.exp(-s * math.log1p(t[i] / B))
        negative_binomial(m, t[i] / A, chance)
        for k in range(n + 2):
            out[i, k] = kept * chance[k]
        # the chance of k purchases peaks in u; panels are a few times as wide as the narrowest peak
        narrow = 3.0 * math.sqrt(1.0 / (n + 1.0) + 1.0 / m)
        least = min(4.0 * A / (m + 1.0), t[i] / (1.0 + n / 20.0))
        u = 0.0
        while u < t[i]:
            width = min(t[i] - u, panel_width(0.0, 0.0, A, s + 1.0, B, u))
            width = min(width, max(least, narrow * u))
            for q in range(_GAUSS_NODES.size):
                v = u + width * _GAUSS_NODES[q]
                mass = width * _GAUSS_WEIGHTS[q] * (s / B) * math.exp(-(s + 1.0) * math.log1p(v / B))
                negative_binomial(m, v / A, chance)
                for k in range(n + 2):
                    out[i, k] += mass * chance[k]
            u += width
