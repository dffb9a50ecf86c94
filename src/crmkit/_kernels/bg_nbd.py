"""BG/NBD and MBG/NBD on arrays: the log-likelihood with its exact derivatives, and P(alive).

Symbols are those of Fader, Hardie & Lee (2005): x repeat purchases, the last at t_x, observed for T; purchase rates are
Gamma(r, alpha) over customers, dropout probabilities after each purchase Beta(a, b). `early` is how often a customer may have
left before the first repeat purchase: 0 in the BG/NBD, 1 in the MBG/NBD, where the very first purchase may be the last. A
purchase is every `each`-th event of the Poisson process: 1 in these two, k in the (M)BG/CNBD-k.
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

__all__ = ["log_likelihood", "p_alive"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@kernel
def _waiting(
    each: float, r: float, m: float, alpha: float, silence: float, T: float
) -> tuple[float, float, float, float, float, float]:
    """Log of P(fewer than `each` events in the silence) over P(none), and its derivatives in ln r and ln alpha.

    With y = silence / (alpha + T) the ratio is the sum of (m)_j / j! y^j over j < each, all positive.
    """
    end = alpha + T
    kept, passed = alpha / end, T / end
    term, slope, bend = 1.0, 0.0, 0.0
    total, f0, f1, f00, f01, f11 = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    j = 0.0
    while j + 1.0 < each:
        slope += 1.0 / (m + j)
        bend -= 1.0 / (m + j) / (m + j)
        j += 1.0
        term *= (m + (j - 1.0)) * (silence / end) / j
        d0, d1 = r * slope, -j * kept
        total += term
        f0 += term * d0
        f1 += term * d1
        f00 += term * (d0 + r * r * bend + d0 * d0)
        f01 += term * d0 * d1
        f11 += term * (d1 * passed + d1 * d1)
    f0, f1 = f0 / total, f1 / total
    return math.log(total), f0, f1, f00 / total - f0 * f0, f01 / total - f0 * f1, f11 / total - f1 * f1


@kernel
def log_likelihood(
    r: float,
    alpha: float,
    a: float,
    b: float,
    early: float,
    each: float,
    counts: Floats,
    which: Integers,
    t_x: Floats,
    T: Floats,
    weight: Floats,
    scores: Floats,
) -> tuple[float, Floats, Floats]:
    """Weighted log-likelihood, its gradient and its Hessian in (ln r, ln alpha, ln a, ln b).

    Row i has ``counts[which[i]]`` repeat purchases: the gamma functions are met once per distinct count, not per row. What
    a regular buyer's gaps add whatever the parameters is left out. Row i's
    own gradient goes to ``scores[i]``, where it has rows.
    """
    wanted = scores.shape[0] > 0
    k = counts.size
    # value and derivatives of ln G(r+x) - ln G(r) + ln B(a, late) - ln B(a, b): all that depends on x alone
    constant, slope = np.empty(k), np.empty((k, 3))
    bend_r, bend_aa, bend_bb = np.empty(k), np.empty(k), np.empty(k)
    for j in range(k):
        x = counts[j]
        stayed = x + early
        constant[j] = log_gamma_difference(r, each * x) + log_gamma_difference(b, stayed) - log_gamma_difference(a + b, stayed)
        psi_ab = digamma_difference(a + b, stayed)
        slope[j, 0] = digamma_difference(r, each * x)
        slope[j, 1] = -psi_ab
        slope[j, 2] = digamma_difference(b, stayed) - psi_ab
        bend_r[j] = trigamma_difference(r, each * x)
        bend_aa[j] = -trigamma_difference(a + b, stayed)
        bend_bb[j] = trigamma_difference(b, stayed) + bend_aa[j]

    value = 0.0
    g0, g1, g2, g3 = 0.0, 0.0, 0.0, 0.0
    h00, h01, h02, h03, h11, h12, h13, h22, h23, h33 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(which.size):
        j, w = which[i], weight[i]
        x, m = counts[j], r + each * counts[j]
        end, last = alpha + T[i], alpha + t_x[i]
        grown = math.log1p(T[i] / alpha)

        f = constant[j] - r * grown - (m - r) * math.log(end)
        d0 = r * (slope[j, 0] - grown)
        # r and alpha may both be huge: nothing here subtracts two large numbers
        d1 = r * (T[i] / end) - (m - r) * (alpha / end)
        d2 = a * slope[j, 1]
        d3 = b * slope[j, 2]
        e00 = r * r * bend_r[j] + d0
        e01 = r * (T[i] / end)
        e11 = -m * (alpha / end) * (T[i] / end)
        e22 = a * a * bend_aa[j] + d2
        e23 = a * b * bend_aa[j]
        e33 = b * b * bend_bb[j] + d3
        silence = T[i] - t_x[i]
        waits, w0, w1, w00, w01, w11 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        if each > 1.0 and silence > 0.0:
            waits, w0, w1, w00, w01, w11 = _waiting(each, r, m, alpha, silence, T[i])
            f += waits
            d0 += w0
            d1 += w1
            e00 += w00
            e01 += w01
            e11 += w11
        if x + early > 0.0:
            # the customer may have dropped out right after the last purchase: odds e^z
            decay = math.log1p(silence / last)
            before = b + (x + early - 1.0)
            z = math.log(a) - math.log(before) + m * decay - waits
            gone = expit(z)
            f += log1pexp(z)
            shrink = -(alpha / end) * (silence / last)
            z0, z1, z3 = r * decay - w0, m * shrink - w1, -b / before
            z00, z01 = r * decay - w00, r * shrink - w01
            z11 = m * shrink * (1.0 - alpha / end - alpha / last) - w11
            z33 = -(b / before) * ((x + early - 1.0) / before)
            spread = gone * expit(-z)
            d0 += gone * z0
            d1 += gone * z1
            d2 += gone
            d3 += gone * z3
            e00 += gone * z00 + spread * z0 * z0
            e01 += gone * z01 + spread * z0 * z1
            h02 += w * spread * z0
            h03 += w * spread * z0 * z3
            e11 += gone * z11 + spread * z1 * z1
            h12 += w * spread * z1
            h13 += w * spread * z1 * z3
            e22 += spread
            e23 += spread * z3
            e33 += gone * z33 + spread * z3 * z3
        if wanted:
            scores[i, 0], scores[i, 1], scores[i, 2], scores[i, 3] = d0, d1, d2, d3
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
def p_alive(
    r: float,
    alpha: float,
    a: float,
    b: float,
    early: float,
    each: float,
    x: Floats,
    t_x: Floats,
    T: Floats,
    out: Floats,
) -> None:
    """Write P(still a customer at T); before the first chance to leave nobody can have left."""
    for i in range(out.size):
        chances = x[i] + early
        if chances > 0.0:
            silence, m = T[i] - t_x[i], r + each * x[i]
            waits = 0.0
            if each > 1.0:
                waits = _waiting(each, r, m, alpha, silence, T[i])[0]
            out[i] = expit(math.log(b + (chances - 1.0)) - math.log(a) - m * math.log1p(silence / (alpha + t_x[i])) + waits)
        else:
            out[i] = 1.0
