"""Gamma-Gamma on arrays: the log-likelihood of mean spends with its exact derivatives.

Symbols are those of Fader & Hardie's note 025: a customer's x purchases are Gamma(p, nu), nu is Gamma(q, v) over
customers, z is the mean of the x amounts.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.special import (
    digamma_difference,
    log_gamma_difference,
    trigamma,
    trigamma_difference,
)

__all__ = ["log_likelihood"]

Floats = npt.NDArray[np.float64]


@kernel
def log_likelihood(
    p: float, q: float, v: float, x: Floats, z: Floats, spread: Floats, weight: Floats, scores: Floats
) -> tuple[float, Floats, Floats]:
    """Weighted log-likelihood, its gradient and its Hessian in (ln p, ln q, ln v); rows' own to `scores`, where it has rows.

    `spread` is how far the mean of the logs of the x amounts lies below the log of their mean, times x: with it the likelihood
    is that of every amount, which tells p apart; empty, it is that of the mean alone.
    """
    value = 0.0
    g0, g1, g2 = 0.0, 0.0, 0.0
    h00, h01, h02, h11, h12, h22 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    ln_gamma_q, ln_gamma_p = math.lgamma(q), math.lgamma(p)
    for i in range(x.size):
        w, shape, spent = weight[i], p * x[i], x[i] * z[i]
        rate = spent + v
        # ln of the two shares of the posterior rate, each from its own small side
        seen, prior = -math.log1p(v / spent), -math.log1p(spent / v)
        value += w * (log_gamma_difference(shape, q) - ln_gamma_q + q * prior + shape * seen - math.log(z[i]))
        d0 = shape * (digamma_difference(shape, q) + seen)
        d1 = q * (digamma_difference(q, shape) + prior)
        d2 = (q * spent - shape * v) / rate
        bend = shape * shape * trigamma_difference(shape, q)
        if spread.size:
            # the x amounts given their mean
            slope = x[i] * (digamma_difference(p, shape - p) - math.log(x[i])) - spread[i]
            value += w * (math.lgamma(shape) - shape * math.log(x[i]) - x[i] * ln_gamma_p)
            value -= w * ((p - 1.0) * spread[i] + (x[i] - 1.0) * math.log(z[i]))
            d0 += p * slope
            bend += p * p * x[i] * (x[i] * trigamma(shape) - trigamma(p))
        if scores.shape[0] > 0:
            scores[i, 0], scores[i, 1], scores[i, 2] = d0, d1, d2
        g0 += w * d0
        g1 += w * d1
        g2 += w * d2
        h00 += w * (bend + d0)
        h01 += w * shape * q * trigamma(shape + q)
        h02 -= w * shape * (v / rate)
        h11 += w * (q * q * trigamma_difference(q, shape) + d1)
        h12 += w * q * (spent / rate)
        h22 -= w * (shape + q) * (v / rate) * (spent / rate)
    return value, np.array([g0, g1, g2]), np.array([[h00, h01, h02], [h01, h11, h12], [h02, h12, h22]])
