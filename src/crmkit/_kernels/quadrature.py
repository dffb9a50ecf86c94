"""Integrals of falling functions, by Gauss-Legendre rules on panels that grow with the distance to the singularities."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["GAUSS_NODES", "GAUSS_WEIGHTS", "panel_width", "power_integral"]

Floats = npt.NDArray[np.float64]


def _gauss_legendre(n: int) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return 0.5 * (nodes + 1.0), 0.5 * weights


# On [0, 1]: exact to rounding for functions whose nearest singularity is a third of the panel away, or that fall by e^12.
GAUSS_NODES, GAUSS_WEIGHTS = _gauss_legendre(16)


@kernel
def panel_width(rate: float, m: float, A: float, s: float, B: float, w: float) -> float:
    """How far from w the rule is exact for e^(-rate w) (1 + w/A)^-m (1 + w/B)^-s."""
    steep = rate + m / (A + w) + s / (B + w)
    return min(2.0 * (min(A, B) + w), 10.0 / steep)


@kernel
def power_integral(rate: float, m: float, A: float, s: float, B: float, end: float) -> float:
    """The integral of e^(-rate w) (1 + w/A)^-m (1 + w/B)^-s over w from 0 to `end`, which may be infinite if it converges."""
    total, w = 0.0, 0.0
    while w < end:
        width = min(end - w, panel_width(rate, m, A, s, B, w))
        part, edge = 0.0, 0.0
        for g in range(GAUSS_NODES.size):
            v = w + width * GAUSS_NODES[g]
            edge = math.exp(-rate * v - m * math.log1p(v / A) - s * math.log1p(v / B))
            part += GAUSS_WEIGHTS[g] * edge
        total += part * width
        w += width
        # what is left falls at least as fast as the exponential, or as a power
        left = edge * (end - w)
        if rate > 0.0:
            left = min(left, edge / rate)
        if m + s > 1.0:
            left = min(left, edge * (max(A, B) + w) / (m + s - 1.0))
        if left < 1e-17 * total:
            break
        if w > 1e17 * max(A, B) and end == math.inf and rate == 0.0:
            # a pure power from here on
            last = math.exp(-m * math.log1p(w / A) - s * math.log1p(w / B))
            return total + last * w / (m + s - 1.0)
    return total
