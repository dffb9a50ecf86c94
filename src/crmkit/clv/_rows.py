"""The customer table of the purchase models: frequency, recency, T and their unit, read once and checked once."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import histories as _k
from crmkit.clv._units import unit_name
from crmkit.errors import DataError, OptionError

__all__ = ["Histories", "as_float_arrays", "check_histories", "read_histories", "read_unit", "read_weight", "refuse"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
COLUMNS = ("frequency", "recency", "T")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """Distinct histories, ascending: ``counts[which]`` purchases, the last at `t_x`, observed for `T`, `weight` times."""

    counts: Floats
    which: Integers
    t_x: Floats
    T: Floats
    weight: Floats

    @classmethod
    def collapse(cls, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> Histories:
        """Sort equal rows together: a fit costs what the distinct rows cost, and does not see their order."""
        if weight is None:
            # whole numbers add up to the same in any order: sort the distinct rows alone
            first, which = np.empty(x.size, np.int64), np.empty(x.size, np.int64)
            u, v, w = (_frame.readonly(values.view(np.int64)) for values in (x, t_x, T))
            first = first[: _k.distinct(u, v, w, first, which)]
            weight = np.bincount(which, minlength=first.size).astype(np.float64)
            x, t_x, T = x[first], t_x[first], T[first]
        # equal rows are put in the order of their weights, or the last bit of a total would follow the order of the rows
        order = np.lexsort((weight, T, t_x, x))
        x, t_x, T = x[order], t_x[order], T[order]
        new = np.ones(x.size, dtype=np.bool_)
        new[1:] = (x[1:] != x[:-1]) | (t_x[1:] != t_x[:-1]) | (T[1:] != T[:-1])
        starts = np.flatnonzero(new)
        total = np.add.reduceat(weight[order], starts)
        counts, which = np.unique(x[starts], return_inverse=True)
        return cls(counts, which.astype(np.int64), t_x[starts], T[starts], total)


def read_histories(summary: Any) -> tuple[Floats, Floats, Floats]:
    """Read the three columns of a customer table, or say which rows cannot be a purchase history."""
    frame = _frame.read(summary)
    x = _frame.numbers(frame, COLUMNS[0], nonnegative=True, whole=True)
    t_x = _frame.numbers(frame, COLUMNS[1], nonnegative=True, moderate=True)
    T = _frame.numbers(frame, COLUMNS[2], nonnegative=True, moderate=True)
    check_histories(x, t_x, T)
    return x, t_x, T


def check_histories(x: Floats, t_x: Floats, T: Floats) -> None:
    """Refuse rows that no customer can have."""
    if _k.are_possible(x, t_x, T):
        return
    for name, values in zip(COLUMNS, (x, t_x, T), strict=True):
        refuse(~((values >= 0.0) & (values < np.inf)), f"{name!r} is negative or not finite", "correct or drop them", values)
    refuse(x != np.floor(x), "'frequency' is not whole", "it counts repeat purchases, not a rate", x)
    refuse(t_x > T, "'recency' exceeds 'T'", "both are measured from the first purchase, in one unit", t_x, T)
    refuse(
        (x > 0.0) & (t_x == 0.0),
        "'recency' is 0 although there are repeat purchases",
        "recency is the time from the first purchase to the last, not from the last to the end; merge purchases of one day",
        x,
    )
    refuse(
        (x == 0.0) & (t_x > 0.0),
        "'recency' is above 0 although there is no repeat purchase",
        "recency is the time from the first purchase to the last, 0 for a single purchase; frequency counts repeats only",
        t_x,
    )


def read_unit(summary: Any, unit: Any = None) -> str | None:
    """Return the unit of time of a customer table: its constant column `unit`, else what the caller says, else None."""
    stated = None if unit is None else unit_name(unit)
    frame = _frame.read(summary)
    if "unit" not in frame.columns:
        return stated
    values = _frame.text(frame, "unit").values
    if len(frame) == 0:
        return stated
    if len(values) != 1:
        msg = f"column 'unit' must hold one unit of time in all rows, found {sorted(values)}; fit each unit by itself, or convert"
        raise DataError(msg)
    try:
        found = unit_name(float(values[0]) if values[0].replace(".", "", 1).isdecimal() else values[0])
    except OptionError as error:
        msg = f"column 'unit': {error}"
        raise DataError(msg) from None
    if stated is not None and stated != found:
        msg = f"unit={unit!r}, but the column 'unit' says {found!r}; drop one of the two"
        raise DataError(msg)
    return found


def read_weight(summary: Any, weight: str | None) -> Floats | None:
    """Read how many customers each row stands for."""
    return None if weight is None else _frame.numbers(summary, weight, keyword="weight", positive=True, moderate=True)


def as_float_arrays(*values: Any) -> tuple[bool, tuple[int, ...], list[Floats]]:
    """Broadcast numbers and arrays to flat float64 arrays; say whether all were single numbers, and the common shape."""
    if all(type(value) in (float, int) for value in values):  # one customer, in a service that counts microseconds
        return True, (), [_frame.readonly(np.array([value], dtype=np.float64)) for value in values]
    try:
        arrays = np.broadcast_arrays(*[np.asarray(value, dtype=np.float64) for value in values])
    except (TypeError, ValueError) as error:
        msg = f"expected numbers, or arrays of numbers of one shape ({error})"
        raise DataError(msg) from error
    shape = arrays[0].shape
    return shape == (), shape, [_frame.readonly(np.ascontiguousarray(array).reshape(-1)) for array in arrays]


def refuse(bad: npt.NDArray[np.bool_], what: str, cure: str, *shown: Floats) -> None:
    """Raise a DataError that says how many rows are bad, where the first is, its values, and what to do."""
    if bad.any():
        count, row = int(bad.sum()), int(bad.argmax())
        numbers = " > ".join(f"{values[row]:g}" for values in shown)
        msg = f"{what} in {count:,} row{'s' if count > 1 else ''}, the first is row {row} ({numbers}); {cure}"
        raise DataError(msg)
