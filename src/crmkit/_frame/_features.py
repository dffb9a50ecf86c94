"""Columns as features of a model: which are asked for, which hold numbers, and what of them no model has seen."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit._frame._read import Frame, as_pandas, first_place
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError

FAR = 3.0  # log odds, or log hazard, that a feature may add beyond either end of its range: a factor of twenty
SILENCE = " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning)."


def chosen_features(
    frame: Frame,
    features: Any,
    left_out: Sequence[Any],
    *,
    first_is_id: bool,
    part: str = "has another part in this call",
    purpose: str = "to learn from",
) -> list[Any]:
    """Return the features asked for, or every column but those left out and an id in the first column."""
    if features is None:
        names = frame.columns[1:] if first_is_id else frame.columns
        found = [name for name in names if name not in left_out]
    else:
        found = [features] if isinstance(features, str) else list(features)
        twice = sorted({str(name) for name in found if found.count(name) > 1})
        if twice:
            msg = f"features names {twice} more than once"
            raise OptionError(msg)
        for name in found:
            if name in left_out:
                msg = f"features names {name!r}, which {part}; leave it out"
                raise OptionError(msg)
    if not found:
        msg = f"there is nothing {purpose}: the frame has {frame.columns}, of which none is a feature"
        raise ColumnError(msg)
    return found


def holds_numbers(frame: Frame, name: Any) -> bool:
    """Whether the column is numbers or flags (else text), by how it is stored."""
    series = as_pandas(frame.column(name), frame.kind)
    kind = series.dtype.kind
    if kind in "mM":
        msg = f"column {name!r} holds {series.dtype}; turn it into a number, such as days since a date, or up to the cutoff"
        raise DataError(msg)
    if hasattr(series, "cat"):
        return False
    if kind in "biufc":
        return True
    # objects: Decimals and mixtures of int and float are numbers, and so are numbers among text once they are put right
    present = series[~series.isna().to_numpy(dtype=np.bool_)]
    return any(hasattr(value, "__float__") and not isinstance(value, (bool, np.bool_)) for value in present)


def reads_as_number(value: str) -> bool:
    """Whether text is a finite number written out."""
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def range_of(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the smallest and the largest number; NaN is missing, and a column of nothing else has no range."""
    known = values[~np.isnan(values)]
    return (float(known.min()), float(known.max())) if known.size else (math.nan, math.nan)


def far_bounds(ranges: Mapping[str, Sequence[float]], slopes: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Return below and above which values an answer rests on the formula more than on the data.

    `slopes` tell by how much a unit of each feature moves the log odds, or the log hazard.
    """
    found = {}
    for name, (low, high) in ranges.items():
        slope = abs(slopes.get(name, 0.0))
        # a range of the largest floats, or a slope of next to nothing, reaches to infinity: nothing is far then
        with np.errstate(over="ignore", divide="ignore"):
            reach = np.float64(FAR) / slope
            found[name] = (float(low - reach), float(high + reach))
    return found


def warn_of_far(values: npt.NDArray[np.float64], bounds: Mapping[str, Sequence[float]], name: str, *, stacklevel: int) -> None:
    """Warn of numbers beyond what `far_bounds` found, or a caller takes for far."""
    low, high = bounds.get(name, (-math.inf, math.inf))
    far = (values < low) | (values > high)
    if far.any():
        count, row = first_place(far)
        warnings.warn(
            f"column {name!r}: {count:,} of {far.size:,} rows ({count / far.size:.1%}) lie so far outside the range the model was"
            f" fitted on (below {low:.4g} or above {high:.4g}), the first in row {row} ({values[row]:g}), that what it says of"
            " them is its formula carried on, not anything seen: check the unit, or fit on rows like these." + SILENCE,
            DataWarning,
            stacklevel=stacklevel + 1,
        )


def warn_of_unseen(unseen: npt.NDArray[np.bool_], name: str, *, taken_for: str, stacklevel: int) -> None:
    """Warn where a category was not there to learn from."""
    if unseen.any():
        count, row = first_place(unseen)
        warnings.warn(
            f"column {name!r}: {count:,} of {unseen.size:,} rows ({count / unseen.size:.1%}) hold a category the model has not"
            f" seen, the first in row {row}; they are {taken_for}. Fit again on newer rows to use it." + SILENCE,
            DataWarning,
            stacklevel=stacklevel + 1,
        )
