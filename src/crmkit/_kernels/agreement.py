"""Pairs of records on arrays: where they hold the same value, and how many words two values share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crmkit._jit import kernel

__all__ = ["common_tokens", "same"]


@kernel
def same(codes: NDArray[np.int32], left: NDArray[np.int32], right: NDArray[np.int32], best: int) -> NDArray[np.int8]:
    """Level `best` for pairs of rows with one code, 0 for different ones, -1 where a code is missing."""
    out = np.empty(left.size, dtype=np.int8)
    for k in range(left.size):
        a, b = codes[left[k]], codes[right[k]]
        out[k] = -1 if a < 0 or b < 0 else (best if a == b else 0)
    return out


@kernel
def common_tokens(
    tokens: NDArray[np.int32], offsets: NDArray[np.int64], a: NDArray[np.int32], b: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Count the tokens two values share; the tokens of a value ascend and are there once."""
    out = np.zeros(a.size, dtype=np.int64)
    for k in range(a.size):
        i, j = offsets[a[k]], offsets[b[k]]
        while i < offsets[a[k] + 1] and j < offsets[b[k] + 1]:
            if tokens[i] == tokens[j]:
                out[k] += 1
                i += 1
                j += 1
            elif tokens[i] < tokens[j]:
                i += 1
            else:
                j += 1
    return out
