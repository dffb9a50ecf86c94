"""(M)BG/CNBD-k on arrays: what is to come of regular buyers.

A purchase is every k-th event of a Poisson process, the rest is that of the (M)BG/NBD: rates Gamma(r, alpha), dropout after each
purchase Beta(a, b). Given that a customer is alive at T, j < k events have been made since the last purchase, with chances
as (m)_j / j! (silence / A)^j, where m = r + k x and A = alpha + T; given j too, the rate is Gamma(m + j, A), and the events to
come in (T, T + t] are negative binomial (m + j, tau = t / A). So every answer is a sum over events, exact and of positive terms:
no part of it depends on the other customers.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.quadrature import GAUSS_NODES as _GAUSS_NODES
from crmkit._kernels.quadrature import GAUSS_WEIGHTS as _GAUSS_WEIGHTS
from crmkit._kernels.special import log_gamma_difference

__all__ = ["count_probabilities", "discounted", "if_alive", "wait"]

Floats = npt.NDArray[np.float64]

_TERMS = 20_000_000  # events in one sum; beyond, the answer is not given
PURCHASES, STAYS, DENSITY = 0, 1, 2


@kernel
def _phases(m: float, A: float, silence: float, chances: Floats) -> None:
    """Write the chances of j = 0, 1, ..., k - 1 events since the last purchase."""
    term, total = 1.0, 0.0
    for j in range(chances.size):
        chances[j] = term
        total += term
        term *= (m + j) / (j + 1.0) * (silence / A)
    for j in range(chances.size):
        chances[j] /= total


@kernel
def _lowest(m: float, z: float, mode: float) -> tuple[float, float]:
    """The smallest count worth a term, and its chance relative to that of the mode."""
    n, chance = mode, 1.0
    while n > 0.0 and chance > 1e-290:
        chance *= n / (z * (m + (n - 1.0)))
        n -= 1.0
    return n, chance


@kernel
def _over_events(sort: int, m: float, tau: float, phase: int, k: int, a: float, late: float) -> float:
    """A mean over the events N ~ NB(m, tau) to come, of which the (k - phase)-th is the next purchase.

    Expected purchases (`sort` 0), P(no purchase was the last) (`sort` 1), or that where the next event is a purchase, else 0
    (`sort` 2).
    """
    z = tau / (1.0 + tau)
    mode = math.floor(max((m - 1.0) * tau, 0.0))
    if not mode + 40.0 * (1.0 + tau) < _TERMS:
        return math.nan
    n, chance = _lowest(m, z, mode)
    # purchases among the first n events, how likely all were survived, how many of them are expected to be made
    made, at = divmod(n + phase, k)
    stays = math.exp(log_gamma_difference(late, made) - log_gamma_difference(a + late, made))
    bought = 0.0
    if sort == 0:
        kept, i = 1.0, 0.0
        while i < made:
            bought += kept
            kept *= (late + i) / (a + late + i)
            i += 1.0
    total, mass = 0.0, 0.0
    while True:
        term = chance
        if sort == 0:
            term *= bought
        elif sort == 1:
            term *= stays
        elif at == k - 1.0:
            term *= stays
        else:
            term = 0.0
        total += term
        mass += chance
        if n > mode:
            # the chances fall by at least this factor, purchases grow by less than (n + 2) / (n + 1)
            falling = z * (1.0 + max(m - 1.0, 0.0) / (n + 1.0)) * (1.0 + 1.0 / (n + 1.0))
            rest = chance * falling / (1.0 - falling) if falling < 1.0 else math.inf
            scale = max(bought, 1.0) if sort == 0 else stays
            if rest < 1e-17 * mass and rest * scale < 1e-17 * total:
                break
            if chance < 1e-305:
                break
        chance *= z * ((m + n) / (n + 1.0))
        n += 1.0
        at += 1.0
        if at == k:
            at = 0.0
            bought += stays
            stays *= (late + made) / (a + late + made)
            made += 1.0
    return total / mass


@kernel
def if_alive(
    sort: int,
    r: float,
    alpha: float,
    a: float,
    b: float,
    early: float,
    k: int,
    t: Floats,
    x: Floats,
    t_x: Floats,
    T: Floats,
    out: Floats,
) -> None:
    """Write, for a customer alive at T: purchases to expect in (T, T + t] (`sort` 0) or P(alive at T + t) (`sort` 1)."""
    chances = np.empty(k)
    for i in range(out.size):
        m, A, late = r + k * x[i], alpha + T[i], b + (x[i] + early)
        _phases(m, A, T[i] - t_x[i], chances)
        out[i] = 0.0
        for j in range(k):
            out[i] += chances[j] * _over_events(sort, m + j, t[i] / A, j, k, a, late)


@kernel
def discounted(
    rate: float,
    r: float,
    alpha: float,
    a: float,
    b: float,
    early: float,
    k: int,
    t: Floats,
    x: Floats,
    t_x: Floats,
    T: Floats,
    out: Floats,
) -> None:
    """Write the purchases to expect in (T, T + t] of a customer alive at T, one at T + u counted as e^(-rate u).

    By Gauss-Legendre rules over the density of purchases, on panels that resolve its waves as long as they last: regular buyers
    come in step at first.
    """
    chances = np.empty(k)
    calm = 1.0 - math.cos(2.0 * math.pi / k)
    for i in range(out.size):
        m, A, late = r + k * x[i], alpha + T[i], b + (x[i] + early)
        _phases(m, A, T[i] - t_x[i], chances)
        # the density starts to fall at the rate `steep` and ends as the power `tail`
        steep, tail = m / k * (a / (a + late)) / A, min(a, m)
        total, u = 0.0, 0.0
        while u < t[i]:
            # the nearest singularity is at least half of A + u away
            width = min(t[i] - u, A + u, 10.0 / steep + 10.0 * u / tail)
            if m * math.log1p(u / A * calm) < 40.0:
                width = min(width, 8.0 * (A + u) / m)
            if rate > 0.0:
                width = min(width, 10.0 / rate)
            part, edge = 0.0, 0.0
            for g in range(_GAUSS_NODES.size):
                v = u + width * _GAUSS_NODES[g]
                density = 0.0
                for j in range(k):
                    density += chances[j] * ((m + j) / A) * _over_events(2, m + j + 1.0, v / A, j, k, a, late)
                edge = density * math.exp(-rate * v)
                part += _GAUSS_WEIGHTS[g] * edge
            total += part * width
            u += width
            if not math.isfinite(total) or (rate > 0.0 and edge < 1e-17 * total * rate and u * rate > 1.0):
                break
        out[i] = total


@kernel
def count_probabilities(
    r: float,
    alpha: float,
    a: float,
    b: float,
    early: float,
    k: int,
    t: Floats,
    x: Floats,
    t_x: Floats,
    T: Floats,
    out: Floats,
) -> None:
    """Write the chances of 0, 1, ... purchases in (T, T + t] for a customer alive at T, the last column: of more than that."""
    n = out.shape[1] - 2
    chances, made, of_phase, kept = np.empty(k), np.empty(n + 2), np.empty(n + 2), np.ones(n + 1)
    for i in range(out.shape[0]):
        m, A, late = r + k * x[i], alpha + T[i], b + (x[i] + early)
        _phases(m, A, T[i] - t_x[i], chances)
        made[:] = 0.0
        for j in range(k):
            _would_be_made(m + j, t[i] / A, j, k, of_phase)
            for q in range(n + 2):
                made[q] += chances[j] * of_phase[q]
        for q in range(n):
            kept[q + 1] = kept[q] * ((late + q) / (a + late + q))
        beyond = made[n + 1]
        out[i, n + 1] = kept[n] * beyond
        for q in range(n, 0, -1):
            beyond += made[q]
            # all of q purchases are survived, or the q-th is the last one that is made
            out[i, q] = kept[q] * made[q] + kept[q - 1] * (a / (a + late + (q - 1.0))) * beyond
        out[i, 0] = made[0]


@kernel
def _would_be_made(m: float, tau: float, phase: int, k: int, out: Floats) -> None:
    """Write the chances of 0, 1, ... purchases if nobody left, the last entry: of all beyond."""
    z = tau / (1.0 + tau)
    mode = math.floor(max((m - 1.0) * tau, 0.0))
    n, chance = _lowest(m, z, mode)
    last = out.size - 1
    out[:] = 0.0
    mass = 0.0
    while True:
        out[min(int((n + phase) // k), last)] += chance
        mass += chance
        if n > mode:
            falling = z * (1.0 + max(m - 1.0, 0.0) / (n + 1.0))
            counted = n + phase >= k * last and falling < 1.0 and chance * falling < 1e-18 * out[last] * (1.0 - falling)
            if counted or chance < 1e-305:
                break
        chance *= z * ((m + n) / (n + 1.0))
        n += 1.0
    for q in range(last + 1):
        out[q] /= mass


@kernel
def _silent(m: float, A: float, silence: float, k: int, t: float) -> float:
    """P(no purchase in (T, T + t]) of a customer who stays."""
    y0, y1 = silence / A, (silence + t) / (A + t)
    now, then, at_now, at_then = 1.0, 1.0, 0.0, 0.0
    for j in range(k):
        at_now += now
        at_then += then
        now *= (m + j) / (j + 1.0) * y0
        then *= (m + j) / (j + 1.0) * y1
    return math.exp(-m * math.log1p(t / A)) * (at_then / at_now)


@kernel
def wait(r: float, alpha: float, k: int, level: Floats, x: Floats, t_x: Floats, T: Floats, out: Floats) -> None:
    """Write the time after T by which a customer who stays has bought with probability `level`, by bisection in its log."""
    for i in range(out.size):
        m, A, silence = r + k * x[i], alpha + T[i], T[i] - t_x[i]
        if level[i] <= 0.0:
            out[i] = 0.0
            continue
        low, high = A * 1e-300, A
        while _silent(m, A, silence, k, high) > 1.0 - level[i] and high < 1e300:
            low, high = high, high * 16.0
        if low < A:
            low = high
            while _silent(m, A, silence, k, low) <= 1.0 - level[i] and low > A * 1e-300:
                high, low = low, low / 16.0
        for _ in range(60):
            middle = math.sqrt(low) * math.sqrt(high)
            if _silent(m, A, silence, k, middle) > 1.0 - level[i]:
                low = middle
            else:
                high = middle
        out[i] = high
