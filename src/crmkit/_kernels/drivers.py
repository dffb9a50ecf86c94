"""What every subset of drivers explains, and each driver's fair part of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Floats = npt.NDArray[np.float64]

# a driver of which others leave less than this explains nothing of its own
COLLINEAR = 1e-10


@kernel
def lmg(correlation: Floats, out: Floats) -> float:
    """Mean gain in R² of each driver over all orders of entry; the outcome is the last row. Returns the full R².

    Subsets are walked depth first: each is its predecessor, swept once more.
    """
    p = out.size
    r2 = np.zeros(1 << p)
    swept = np.empty((p + 1, p + 1, p + 1))
    swept[0] = correlation
    mask = np.zeros(p + 1, np.int64)
    following = np.zeros(p + 1, np.int64)
    depth = 0
    while depth >= 0:
        j = following[depth]
        if j >= p:
            depth -= 1
            continue
        following[depth] = j + 1
        here = swept[depth]
        pivot = here[j, j]
        bigger = mask[depth] | (1 << j)
        inner = swept[depth + 1]
        if pivot > COLLINEAR:
            r2[bigger] = r2[mask[depth]] + here[j, p] * here[j, p] / pivot
            for k in range(j + 1, p + 1):
                factor = here[k, j] / pivot
                for m in range(j + 1, p + 1):
                    inner[k, m] = here[k, m] - factor * here[j, m]
        else:
            r2[bigger] = r2[mask[depth]]
            for k in range(j + 1, p + 1):
                for m in range(j + 1, p + 1):
                    inner[k, m] = here[k, m]
        depth += 1
        mask[depth] = bigger
        following[depth] = j + 1

    # weight of a subset of size s: s! (p - s - 1)! / p!
    weight = np.empty(p)
    weight[0] = 1.0 / p
    for s in range(1, p):
        weight[s] = weight[s - 1] * s / (p - s)
    out[:] = 0.0
    for subset in range(1 << p):
        size, rest = 0, subset
        while rest:
            rest &= rest - 1
            size += 1
        for j in range(p):
            if not subset & (1 << j):
                out[j] += weight[size] * (r2[subset | (1 << j)] - r2[subset])
    return float(r2[(1 << p) - 1])
