"""Chances of counts, with all digits of the small ones."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["negative_binomial"]

Floats = npt.NDArray[np.float64]

FAR = 1e4  # some forty times as many terms: more digits than the difference to 1 has are not worth millions of them


@kernel
def negative_binomial(m: float, tau: float, out: Floats) -> None:
    """Write P(K = 0), P(K = 1), ... of K ~ NB(m, tau), a Poisson count of mean Gamma(m) tau; the last entry: of all beyond."""
    n = out.size - 2
    z = tau / (1.0 + tau)
    size = -m * math.log1p(tau)
    if size > -600.0:
        chance = math.exp(size)
        for k in range(n + 1):
            out[k] = chance
            chance *= z * ((m + k) / (k + 1.0))
    else:
        # in logs while the first terms are too small for the machine
        chance = 0.0
        for k in range(n + 2):
            chance = math.exp(size)
            if k <= n:
                out[k] = chance
            size += math.log((m + k) / (k + 1.0) * z)
    # what is beyond: summed on where the terms fall, and fall within sight; else what the others leave
    beyond = 0.0
    if n + 1.0 > (m - 1.0) * tau and tau < FAR:
        at = n + 1.0
        while chance > 1e-17 * beyond:
            beyond += chance
            chance *= (m + at) / (at + 1.0) * z
            at += 1.0
    else:
        for j in range(n + 1):
            beyond += out[j]
        beyond = max(1.0 - beyond, 0.0)
    out[n + 1] = beyond
