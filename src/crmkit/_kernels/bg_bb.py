"""BG/BB on arrays: the log-likelihood with its exact derivatives, P(alive), and what is to come.

Symbols are those of Fader, Hardie & Shang (2010): of n opportunities x were taken, the last of them t_x; the chances to take one
are Beta(alpha, beta) over customers, the chances to leave before one Beta(gamma, delta). Given that a customer is alive at n they
are Beta(alpha + x, beta + n - x) and Beta(gamma, delta + n), independent of each other. All sums are of positive terms.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.special import digamma_difference, log_gamma_difference, trigamma_difference

__all__ = ["count_probabilities", "discounted", "log_likelihood", "p_alive", "stays"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@kernel
def _table(y: float, size: int) -> Floats:
    """Rows ln G(y + k) - ln G(y) and its first and second derivative in y, for k = 0, 1, ..., size - 1."""
    out = np.empty((3, size))
    for k in range(size):
        out[0, k] = log_gamma_difference(y, float(k))
        out[1, k] = digamma_difference(y, float(k))
        out[2, k] = trigamma_difference(y, float(k))
    return out


@kernel
def log_likelihood(
    alpha: float,
    beta: float,
    gamma: float,
    delta: float,
    counts: Floats,
    which: Integers,
    t_x: Floats,
    T: Floats,
    weight: Floats,
    scores: Floats,
) -> tuple[float, Floats, Floats]:
    """Weighted log-likelihood, its gradient and its Hessian in (ln alpha, ln beta, ln gamma, ln delta).

    Row i's own gradient goes to ``scores[i]``, where it has rows.
    """
    size = 1
    for i in range(which.size):
        size = max(size, int(T[i]) + 1)
    ta, tb, tab = _table(alpha, size), _table(beta, size), _table(alpha + beta, size)
    td, tgd = _table(delta, size), _table(gamma + delta, size)

    value, gradient, hessian = 0.0, np.zeros(4), np.zeros((4, 4))
    g, first = np.empty(4), np.empty(4)
    h, second = np.empty((4, 4)), np.empty((4, 4))
    for i in range(which.size):
        x, last, n, w = int(counts[which[i]]), int(t_x[i]), int(T[i]), weight[i]
        # the ways to the data: gone before opportunity last + 1, ..., n, or (k = n) still there
        top = -math.inf
        total = 0.0
        first[:], second[:, :] = 0.0, 0.0
        for k in range(last, n + 1):
            y, both = k - x, gamma + delta + k
            size_k = ta[0, x] + tb[0, y] - tab[0, k] + td[0, k] - tgd[0, k]
            g[0] = alpha * (ta[1, x] - tab[1, k])
            g[1] = beta * (tb[1, y] - tab[1, k])
            g[2] = -gamma * tgd[1, k]
            g[3] = delta * (td[1, k] - tgd[1, k])
            h[:, :] = 0.0
            h[0, 0] = alpha * alpha * (ta[2, x] - tab[2, k]) + g[0]
            h[0, 1] = -alpha * beta * tab[2, k]
            h[1, 1] = beta * beta * (tb[2, y] - tab[2, k]) + g[1]
            h[2, 2] = -gamma * gamma * tgd[2, k] + g[2]
            h[2, 3] = -gamma * delta * tgd[2, k]
            h[3, 3] = delta * delta * (td[2, k] - tgd[2, k]) + g[3]
            if k < n:
                size_k += math.log(gamma / both)
                g[2] += (delta + k) / both
                g[3] -= delta / both
                h[2, 2] -= (gamma / both) * ((delta + k) / both)
                h[2, 3] += (gamma / both) * (delta / both)
                h[3, 3] -= (delta / both) * ((gamma + k) / both)
            if size_k > top:
                shrink = math.exp(top - size_k)
                total *= shrink
                for j in range(4):
                    first[j] *= shrink
                    for q in range(j, 4):
                        second[j, q] *= shrink
                top = size_k
            mass = math.exp(size_k - top)
            total += mass
            for j in range(4):
                first[j] += mass * g[j]
                for q in range(j, 4):
                    second[j, q] += mass * (h[j, q] + g[j] * g[q])
        value += w * (top + math.log(total))
        for j in range(4):
            first[j] /= total
        for j in range(4):
            gradient[j] += w * first[j]
            if scores.shape[0] > 0:
                scores[i, j] = first[j]
            for q in range(j, 4):
                hessian[j, q] += w * (second[j, q] / total - first[j] * first[q])
    for j in range(4):
        for q in range(j):
            hessian[j, q] = hessian[q, j]
    return value, gradient, hessian


@kernel
def p_alive(alpha: float, beta: float, gamma: float, delta: float, x: Floats, t_x: Floats, T: Floats, out: Floats) -> None:
    """Write P(still a customer at opportunity T): 1 for whoever took it."""
    for i in range(out.size):
        # the ways gone, against the one still there, from the last opportunity backwards
        odds, ratio = 0.0, 1.0
        k = T[i] - 1.0
        while k >= t_x[i]:
            # B(alpha + x, beta + k - x) B(gamma + 1, delta + k) over the same with k + 1 and B(gamma, delta + k + 1)
            ratio *= (alpha + beta + k) / (beta + k - x[i]) * ((gamma + delta + k) / (delta + k))
            odds += ratio * (gamma / (gamma + delta + k))
            k -= 1.0
        out[i] = 1.0 / (1.0 + odds)


@kernel
def stays(gamma: float, delta: float, t: Floats, T: Floats, out: Floats) -> None:
    """Write P(alive at opportunity T + t) of a customer alive at T."""
    for i in range(out.size):
        late = delta + T[i]
        out[i] = math.exp(log_gamma_difference(late, t[i]) - log_gamma_difference(gamma + late, t[i]))


@kernel
def discounted(
    rate: float,
    alpha: float,
    beta: float,
    gamma: float,
    delta: float,
    t: Floats,
    x: Floats,
    T: Floats,
    out: Floats,
) -> None:
    """Write the purchases to expect at opportunities T + 1, ..., T + t of a customer alive at T, the k-th times e^(-rate k)."""
    for i in range(out.size):
        late, k = delta + T[i], 0.0
        kept, total, factor = 1.0, 0.0, math.exp(-rate)
        while k < t[i]:
            kept *= (late + k) / (gamma + late + k) * factor
            total += kept
            k += 1.0
            # all that follows is less than a geometric series
            if rate > 0.0 and kept < 1e-17 * total * -math.expm1(-rate):
                break
        out[i] = total * ((alpha + x[i]) / (alpha + beta + T[i]))


@kernel
def count_probabilities(
    alpha: float, beta: float, gamma: float, delta: float, t: Floats, x: Floats, T: Floats, out: Floats
) -> None:
    """Write the chances of 0, 1, ... purchases at the next t opportunities for a customer alive at T, then of more."""
    n = out.shape[1] - 2
    for i in range(out.shape[0]):
        a, b, late, end = alpha + x[i], beta + T[i] - x[i], delta + T[i], int(t[i])
        # taken[k]: P(k of j opportunities are taken), beta-binomial, for j = 0, 1, ...; the last entry: more than n are
        taken = np.zeros(n + 2)
        taken[0] = 1.0
        kept = 1.0
        out[i, :] = 0.0
        for j in range(end + 1):
            leaves = gamma / (gamma + late + j) if j < end else 1.0
            for k in range(n + 2):
                out[i, k] += kept * leaves * taken[k]
            kept *= (late + j) / (gamma + late + j)
            # opportunity j + 1 is taken with probability (a + k) / (a + b + j) by whoever took k so far
            taken[n + 1] += taken[n] * (a + n) / (a + b + j)
            for k in range(n, 0, -1):
                taken[k] = taken[k] * (b + j - k) / (a + b + j) + taken[k - 1] * (a + (k - 1.0)) / (a + b + j)
            taken[0] *= (b + j) / (a + b + j)
