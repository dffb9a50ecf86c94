"""What every simulator needs: a source of randomness, and names that sort like their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from crmkit.errors import OptionError

__all__ = ["generator", "names"]


def generator(rng: Any) -> np.random.Generator:
    """Return the Generator that a seed stands for, or the one that was passed."""
    if isinstance(rng, (bool, float, str)):
        msg = f"rng={rng!r} is not a seed (a whole number of zero or more), a numpy Generator or None"
        raise OptionError(msg)
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        msg = f"rng={rng!r} is not a seed (a whole number of zero or more), a numpy Generator or None"
        raise OptionError(msg) from error


def names(letter: str, n: int, *, digits: int) -> np.ndarray[Any, Any]:
    """Name things C00001, C00002 …, with more digits where there are more of them."""
    digits = max(digits, len(str(n)))
    return np.array([f"{letter}{number:0{digits}d}" for number in range(1, n + 1)], dtype=object)
