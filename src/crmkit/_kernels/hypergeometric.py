"""Tails of the hypergeometric distribution: how surprising an overlap of two sets is."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["upper_tails"]


@kernel
def _log_choose(n: float, k: float) -> float:
    return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)


@kernel
def upper_tails(
    both: npt.NDArray[np.int64], one: npt.NDArray[np.int64], other: npt.NDArray[np.int64], n: int
) -> npt.NDArray[np.float64]:
    """Return the probability that random sets of `one` and `other` of `n` things share `both` of them or more."""
    tails = np.empty(both.size, np.float64)
    for r in range(both.size):
        a, x, y = both[r], one[r], other[r]
        least, most = max(0, x + y - n), min(x, y)
        if a <= least:
            tails[r] = 1.0
            continue
        # the smaller tail is summed outwards, where its terms fall; the other one is the rest
        upper = np.float64(a) * n >= np.float64(x) * y
        k = np.float64(a if upper else a - 1)
        term = math.exp(_log_choose(y, k) + _log_choose(n - y, x - k) - _log_choose(n, x))
        total = term
        while term > 1e-17 * total:
            if upper:
                if k >= most:
                    break
                term *= (x - k) * (y - k) / ((k + 1.0) * (n - x - y + k + 1.0))
                k += 1.0
            else:
                if k <= least:
                    break
                term *= k * (n - x - y + k) / ((x - k + 1.0) * (y - k + 1.0))
                k -= 1.0
            total += term
        tails[r] = min(total, 1.0) if upper else max(1.0 - total, 0.0)
    return tails
