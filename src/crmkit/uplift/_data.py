"""The rows of an experiment as uplift needs them: outcome, arm and the chance of being treated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.errors import DataError, OptionError

__all__ = [
    "Bools",
    "Floats",
    "binary_arm",
    "column_of",
    "columns_of",
    "effect_scores",
    "known_propensity",
    "percent",
    "refuse_huge",
    "shares_of",
    "within_range",
]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LARGEST = 1e100
LEAST = 0.01  # a chance of treatment nearer than this to 0 or 1 says next to nothing about the other arm


def binary_arm(frame: _frame.Frame, treatment: str, control: Any, arm: Any) -> tuple[Bools, Bools]:
    """Return which rows are of the control or of the arm asked for, and which of these are treated."""
    arms = _frame.arms(frame, treatment, keyword="treatment")
    base, names = arms.control(control), arms.names
    others = [name for code, name in enumerate(names) if code != base]
    if arm is None and len(others) > 1:
        msg = f"column {treatment!r} has the arms {[str(name) for name in others]} beside the control; choose one with arm="
        raise OptionError(msg)
    arm = others[0] if arm is None else arm
    if arm not in others:
        msg = f"arm={arm!r} is not one of {[str(name) for name in others]}"
        raise OptionError(msg)
    code = names.index(arm)
    rows = (arms.codes == base) | (arms.codes == code)
    return rows, arms.codes[rows] == code


def known_propensity(frame: _frame.Frame, propensity: Any, treated: Bools, rows: Bools) -> Floats:
    """Return the chance of treatment of each row: the share treated, a number, or a column."""
    n, hit = treated.size, int(treated.sum())
    if hit in (0, n):
        msg = "all rows are in one arm; there is no effect to be seen"
        raise DataError(msg)
    if min(hit, n - hit) < 2:
        msg = f"{hit:,} of {n:,} rows are treated: an arm of one row shows no spread, so that no effect has an interval"
        raise DataError(msg)
    if propensity is None:
        return np.full(n, treated.mean())
    if isinstance(propensity, str):
        chance = _frame.numbers(frame, propensity, keyword="propensity")[rows]
        outside = (chance < LEAST) | (chance > 1.0 - LEAST)
        if outside.any():
            count, row = _frame.first_place(outside)
            msg = (
                f"column {propensity!r}: {count:,} not between {LEAST} and {1 - LEAST}, the first in row"
                f" {int(np.flatnonzero(rows)[row])} ({chance[row]:g}); such rows have nobody to be compared with: leave them out"
            )
            raise DataError(msg)
        return chance
    return np.full(n, _options.number("propensity", propensity, low=LEAST, high=1.0 - LEAST))


def effect_scores(y: Floats, treated: Bools, chance: Floats, mu0: Floats | None = None, mu1: Floats | None = None) -> Floats:
    r"""Return per row a number whose expectation is the effect: doubly robust with outcome models, else inverse weighted.

    Without models the outcome is first centred on its overall level, which changes nothing but the noise.
    """
    if mu0 is None or mu1 is None:
        level = chance * y[~treated].mean() + (1.0 - chance) * y[treated].mean()
        return np.asarray((treated - chance) / (chance * (1.0 - chance)) * (y - level))
    residual = np.where(treated, (y - mu1) / chance, -(y - mu0) / (1.0 - chance))
    return np.asarray(mu1 - mu0 + residual)


def column_of(values: Any, name: str) -> _frame.Frame:
    """Put one column, of whatever kind, into a frame where the edge can read it."""
    if _frame.is_frame(values) or isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        msg = f"{name} is one column: a Series, an array or a list with a value per row, not a {type(values).__name__}"
        raise DataError(msg)
    home = type(values).__module__.split(".")[0]
    if home in ("polars", "pyarrow"):
        return _frame.read(_frame.table({name: values}, kind=home))
    column = values if hasattr(values, "dtype") else np.asarray(values)
    if getattr(column, "ndim", 1) != 1:
        msg = f"{name} has {column.ndim} dimensions; pass one value per row"
        raise DataError(msg)
    return _frame.read(_frame.table({name: column if len(column) else np.empty(0)}))


def columns_of(keyword: str, given: Any) -> list[Any]:
    """Return one or several column names as a list."""
    names = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if not names or None in names or len(set(names)) < len(names):
        msg = f"{keyword}={given!r}: name at least one column, each of them once"
        raise OptionError(msg)
    return names


def shares_of(keyword: str, given: Any, *, ends: bool = True) -> list[float]:
    """Return shares of the customers, each of them once."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        msg = f"{keyword}={given!r} is not a list of shares such as [0.1, 0.2]"
        raise OptionError(msg)
    shares = [_options.number(keyword, share, low=0.0, high=1.0, ends=ends) for share in given]
    if len({percent(share) for share in shares}) < max(len(shares), 1):
        msg = f"{keyword}={given!r}: give at least one share, each of them once"
        raise OptionError(msg)
    return shares


def percent(share: float) -> str:
    """Write a share so that no other is written alike: 10%, 12.5%."""
    return f"{100.0 * share:.10g}%"


def refuse_huge(features: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse features whose squares would overflow; missing ones are no numbers and pass."""
    for name, values in features.items():
        huge = np.abs(values) > LARGEST
        if huge.any():
            count, row = _frame.first_place(huge)
            msg = f"column {name!r}: {count:,} beyond {LARGEST:g}, the first in row {row}; look for a filler, or a wrong unit"
            raise DataError(msg)


def within_range(y: Floats, name: str) -> Floats:
    """Refuse outcomes whose squares would overflow, or vanish."""
    largest = float(np.abs(y).max(initial=0.0))
    if largest > LARGEST or 0.0 < largest < 1.0 / LARGEST:
        msg = f"column {name!r} reaches {largest:g}; give it in units in which it lies between {1 / LARGEST:g} and {LARGEST:g}"
        raise DataError(msg)
    return y
