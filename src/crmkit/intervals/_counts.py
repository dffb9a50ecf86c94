"""Counts as they come in: whole, finite, of shapes that go together; ends as they go out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit.errors import DataError

__all__ = ["Floats", "out", "paired", "refuse", "shares", "together", "whole"]

Floats = npt.NDArray[np.float64]


LARGEST = 2.0**53  # whole numbers are exact in floats up to here


def shares(successes: Any, n: Any, names: tuple[str, str] = ("successes", "n")) -> tuple[Floats, Floats]:
    """Check that `successes` out of `n` is possible everywhere, and give both one shape."""
    x, of = together({names[0]: whole(successes, names[0]), names[1]: whole(n, names[1])})
    _refuse_empty(of, names[1])
    refuse(x > of, x, names[0], f"larger than {names[1]}", f"count {names[0]} among the {names[1]} alone")
    return x, of


def paired(b: Any, c: Any, n: Any) -> tuple[Floats, Floats, Floats]:
    """Check that `b` and `c` are parts of `n` that do not overlap, and give all one shape."""
    up, down, of = together({"b": whole(b, "b"), "c": whole(c, "c"), "n": whole(n, "n")})
    _refuse_empty(of, "n")
    refuse(up + down > of, up + down, "b + c", "larger than n", "both are counted among the n")
    return up, down, of


def together(arrays: dict[str, Floats]) -> list[Floats]:
    """Broadcast, or say which shapes do not go together."""
    try:
        return [np.asarray(array) for array in np.broadcast_arrays(*arrays.values())]
    except ValueError as error:
        told = ", ".join(f"{name} has shape {array.shape}" for name, array in arrays.items())
        msg = f"{told}: they do not go together"
        raise DataError(msg) from error


def whole(values: Any, name: str) -> Floats:
    """Read counts: finite, whole, zero or more."""
    array = np.asarray(values)
    if array.dtype == object:  # nullable integers and None arrive as objects
        try:
            array = np.array([np.nan if value is None else float(value) for value in array.ravel()]).reshape(array.shape)
        except (TypeError, ValueError, OverflowError) as error:
            msg = f"{name} holds values that are not counts"
            raise DataError(msg) from error
    if array.dtype.kind not in "iuf":
        msg = f"{name} holds {array.dtype}, not counts; pass whole numbers"
        raise DataError(msg)
    counts = array.astype(np.float64)
    refuse(~np.isfinite(counts), counts, name, "missing or infinite", "leave these out")
    refuse(counts < 0, counts, name, "negative", "a count is zero or more")
    refuse(counts != np.floor(counts), counts, name, "not whole", "pass counts, not shares")
    refuse(counts > LARGEST, counts, name, f"above {LARGEST:,.0f}", "floats count no further, and no interval is left of so many")
    return counts


def refuse(bad: npt.NDArray[np.bool_], values: Floats, name: str, what: str, cure: str) -> None:
    """Raise where anything is flagged, with its value or, among many, its number and first place."""
    if not np.any(bad):
        return
    flat = np.ravel(bad)
    place = int(flat.argmax())
    value = np.ravel(values)[place]
    msg = (
        f"{name}={value:g} is {what}; {cure}"
        if flat.size == 1
        else f"{name}: {int(flat.sum()):,} {what}, the first at position {place} ({value:g}); {cure}"
    )
    raise DataError(msg)


def out(low: Floats, high: Floats) -> tuple[Any, Any]:
    """Return floats for single counts, arrays for arrays."""
    return (float(low), float(high)) if low.ndim == 0 else (low, high)


def _refuse_empty(of: Floats, name: str) -> None:
    refuse(of == 0, of, name, "zero", "without an observation there is no share: leave these out")
