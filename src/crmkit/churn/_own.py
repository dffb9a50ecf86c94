"""Features of the user's own: functions of a log in which the future has been deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._frame import Labels
from crmkit.churn._bounds import Bounds
from crmkit.errors import ColumnError, DataError, OptionError

if TYPE_CHECKING:
    from crmkit._events import EventLog

__all__ = ["answers", "describe", "functions"]

Values = dict[str, npt.NDArray[Any]]


def functions(features: Any) -> list[Any]:
    """Return the functions as a list."""
    listed = [features] if callable(features) else list(features) if isinstance(features, (list, tuple)) else None
    if not listed or not all(callable(each) for each in listed):
        msg = "features= is a function of a log and a cutoff, or a list of such functions"
        raise OptionError(msg)
    return listed


def describe(log: EventLog, features: Any, bounds: Bounds, customer: Any, cutoff: Any, *, taken: list[str]) -> Values:
    """Ask each function at each cutoff, and bring its answers into the order of the rows."""
    found: Values = {}
    for function in functions(features):
        here: Values = {}
        for j, stamp in enumerate(bounds.cutoff_stamps):
            rows = np.flatnonzero(cutoff == j)
            there, values = answers(function, log.until(stamp), stamp, log.labels)
            absent = ~there[customer[rows]]
            if absent.any():
                msg = (
                    f"features: {_name(function)} returned no row for {int(absent.sum()):,} of {rows.size:,} customers at cutoff"
                    f" {stamp}; return one for each customer of the log it is given"
                )
                raise DataError(msg)
            if here and set(here) != set(values):
                msg = f"features: {_name(function)} returned columns {list(values)} at cutoff {stamp}, but {list(here)} before"
                raise DataError(msg)
            for name, column in values.items():
                if name in taken or (name in found and name not in here):
                    msg = f"features: {_name(function)} returned {name!r}, which the panel has already; rename it"
                    raise ColumnError(msg)
                kind = object if column.dtype == object else np.float64
                whole = here.setdefault(name, np.empty(customer.size, kind))
                if (whole.dtype == object) != (column.dtype == object):
                    msg = f"features: column {name!r} of {_name(function)} is text at one cutoff and numbers at another"
                    raise DataError(msg)
                whole[rows] = column[customer[rows]]
        found |= here
    return found


def answers(function: Any, log: EventLog, stamp: Any, labels: Labels) -> tuple[npt.NDArray[np.bool_], Values]:
    """Call a function, and return which of `labels` it knows, and its columns by label: numbers, else text."""
    answer = function(log, stamp)
    if hasattr(answer, "to_frame") and not _frame.is_frame(answer):
        if getattr(answer, "name", None) is None and hasattr(answer, "rename"):
            answer = answer.rename(_name(function))
        answer = answer.to_frame()
    if not _frame.is_frame(answer):
        msg = f"features: {_name(function)} returned a {type(answer).__name__}, not a frame of one row per customer"
        raise DataError(msg)
    frame = _frame.read(answer)
    if frame.kind == "pandas":
        index = frame.native.index
        ids = index.get_level_values(0) if getattr(index, "nlevels", 1) > 1 else index
        names = list(frame.columns)
    else:
        # a panel has two keys
        ids, names = frame.column(frame.columns[0]), [name for name in frame.columns[1:] if name != "cutoff"]
    if not names:
        msg = f"features: {_name(function)} returned no column"
        raise DataError(msg)
    codes = labels.codes_of(ids, what="features'")
    inside = codes >= 0
    if np.bincount(codes[inside], minlength=1).max(initial=0) > 1:
        msg = f"features: {_name(function)} returned more than one row for a customer"
        raise DataError(msg)
    there = np.zeros(len(labels), np.bool_)
    there[codes[inside]] = True
    values = {}
    for name in names:
        column = _column(frame, name)
        whole = np.full(len(labels), None if column.dtype == object else np.nan, column.dtype)
        whole[codes[inside]] = column[inside]
        values[str(name)] = whole
    return there, values


def _column(frame: _frame.Frame, name: Any) -> npt.NDArray[Any]:
    series = _frame.as_pandas(frame.column(name), frame.kind)
    gone = series.isna().to_numpy(dtype=np.bool_)
    if series.dtype.kind in "iuf":
        return np.where(gone, np.nan, _frame.numbers(frame, name, ignore=gone) if gone.any() else _frame.numbers(frame, name))
    if series.dtype.kind == "b" and not gone.any():
        return _frame.flags(frame, name).astype(np.float64)
    text = _frame.text(frame, name)
    return np.array([*text.values, None], object)[text.codes]


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
