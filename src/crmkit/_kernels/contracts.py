"""Contracts that may be ended at each renewal, on arrays: the log-likelihood with its exact derivatives, survival, renewals.

S(t) = B(alpha, beta + t^c) / B(alpha, beta): the shifted beta-geometric for c = 1, the beta discrete Weibull otherwise.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.special import digamma_difference, log_gamma_difference, trigamma, trigamma_difference

__all__ = ["discounted_renewals", "log_likelihood", "log_survival"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


# f(beta + u) - f(beta) - f(alpha + beta + u) + f(alpha + beta), taken in the shorter of the two directions first


@kernel
def _log_survival(alpha: float, beta: float, u: float) -> float:
    if alpha < u:
        return log_gamma_difference(beta, alpha) - log_gamma_difference(beta + u, alpha)
    return log_gamma_difference(beta, u) - log_gamma_difference(alpha + beta, u)


@kernel
def _digamma_cross(alpha: float, beta: float, u: float) -> float:
    if alpha < u:
        return digamma_difference(beta, alpha) - digamma_difference(beta + u, alpha)
    return digamma_difference(beta, u) - digamma_difference(alpha + beta, u)


@kernel
def _trigamma_cross(alpha: float, beta: float, u: float) -> float:
    if alpha < u:
        return trigamma_difference(beta, alpha) - trigamma_difference(beta + u, alpha)
    return trigamma_difference(beta, u) - trigamma_difference(alpha + beta, u)


@kernel
def log_survival(alpha: float, beta: float, c: float, t: Floats, out: Floats) -> None:
    """Write ln P(still under contract after t renewals)."""
    for i in range(out.size):
        out[i] = _log_survival(alpha, beta, t[i] ** c)


@kernel
def _derivatives(alpha: float, beta: float, c: float, t: float, first: Floats, second: npt.NDArray[np.float64]) -> float:
    """Return ln S(t); write its derivatives in (ln alpha, ln beta, ln c)."""
    u = t**c
    both = alpha + beta
    psi, bend = digamma_difference(both, u), trigamma_difference(both, u)
    first[0] = -alpha * psi
    first[1] = beta * _digamma_cross(alpha, beta, u)
    second[0, 0] = -alpha * alpha * bend + first[0]
    second[0, 1] = -alpha * beta * bend
    second[1, 1] = beta * beta * _trigamma_cross(alpha, beta, u) + first[1]
    # through u = t^c: the first renewal has u = 1 whatever c
    grown = c * math.log(t) if t > 1.0 else 0.0
    slope = -digamma_difference(beta + u, alpha)
    u_c = u * grown
    first[2] = slope * u_c
    second[0, 2] = -alpha * trigamma(both + u) * u_c
    second[1, 2] = -beta * trigamma_difference(beta + u, alpha) * u_c
    second[2, 2] = -trigamma_difference(beta + u, alpha) * u_c * u_c + slope * u_c * (1.0 + grown)
    return _log_survival(alpha, beta, u)


@kernel
def log_likelihood(
    alpha: float, beta: float, c: float, age: Floats, lost: Flags, weight: Floats, scores: Floats
) -> tuple[float, Floats, Floats]:
    """Weighted log-likelihood, its gradient and its Hessian in (ln alpha, ln beta, ln c).

    A lost contract ended at renewal `age`, after age - 1 of them; the others have been renewed `age` times. Row i's own gradient
    goes to ``scores[i]``, where it has rows.
    """
    value, gradient, hessian = 0.0, np.zeros(3), np.zeros((3, 3))
    f0, f1, h0, h1 = np.zeros(3), np.zeros(3), np.zeros((3, 3)), np.zeros((3, 3))
    for i in range(age.size):
        w = weight[i]
        last = age[i] - 1.0 if lost[i] else age[i]
        f0[:], h0[:, :], before = 0.0, 0.0, 0.0
        if last > 0.0:
            before = _derivatives(alpha, beta, c, last, f0, h0)
        value += w * before
        for j in range(3):
            gradient[j] += w * f0[j]
            if scores.shape[0] > 0:
                scores[i, j] = f0[j]
            for k in range(j, 3):
                hessian[j, k] += w * h0[j, k]
        if lost[i]:
            # and not renewed: ln(1 - e^z), z the log of the retention rate
            _derivatives(alpha, beta, c, age[i], f1, h1)
            step = age[i] ** c - last**c
            z = _log_survival(alpha, beta + last**c, step)
            # of ln(1 - e^z): the odds of renewal, negated
            odds = 1.0 / math.expm1(-z)
            value += w * math.log(-math.expm1(z))
            for j in range(3):
                gradient[j] -= w * odds * (f1[j] - f0[j])
                if scores.shape[0] > 0:
                    scores[i, j] -= odds * (f1[j] - f0[j])
                for k in range(j, 3):
                    hessian[j, k] -= w * odds * ((h1[j, k] - h0[j, k]) + (1.0 + odds) * (f1[j] - f0[j]) * (f1[k] - f0[k]))
    for j in range(3):
        for k in range(j):
            hessian[j, k] = hessian[k, j]
    return value, gradient, hessian


@kernel
def discounted_renewals(alpha: float, beta: float, c: float, discount: float, n: Floats, out: Floats) -> None:
    """Write the sum of P(renewal n + k | n - 1 renewals) / (1 + discount)^k over k = 0, 1, ..."""
    for i in range(out.size):
        base = _log_survival(alpha, beta, (n[i] - 1.0) ** c)
        total, k = 0.0, 0.0
        while True:
            term = math.exp(_log_survival(alpha, beta, (n[i] + k) ** c) - base - k * math.log1p(discount))
            total += term
            k += 1.0
            # all that follows is less than a geometric series; beyond the numbers of the machine there is nothing to add
            if not term >= 1e-16 * total * discount / (1.0 + discount):
                break
        out[i] = total
