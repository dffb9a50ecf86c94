"""Names of simulated things, which sort like their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["names"]


def names(letter: str, n: int, *, digits: int) -> np.ndarray[Any, Any]:
    """Name things C00001, C00002 …, with more digits where there are more of them."""
    digits = max(digits, len(str(n)))
    return np.array([f"{letter}{number:0{digits}d}" for number in range(1, n + 1)], dtype=object)
