"""Proof that features look at nothing but the past: delete the future, and see whether they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from crmkit import _events, _frame
from crmkit._frame import Labelled, Labels, readonly
from crmkit.churn import _own
from crmkit.churn._bounds import make_bounds

if TYPE_CHECKING:
    from crmkit._events import ColumnNames

__all__ = ["audit"]

TOLERANCE = 1e-9  # relative: sums over other rows may round differently


def audit(features: Any, log: Any, /, *, cutoffs: Any, **columns: Unpack[ColumnNames]) -> Any:
    """Delete the future and say which features change: these have looked at it.

    Parameters
    ----------
    features : callable or list of callables
        Functions of a log and a cutoff that return a frame of one row per customer, as `panel` takes them. All they use of
        the data must come from the log they are given: an audit cannot delete the future of anything else.
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`.
    cutoffs : sequence of date-like
        The moments to stand at: some with much of the log still to come.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    DataFrame
        One row per cutoff and feature: ``cutoff``, ``feature``, ``customers`` (compared: those the function answers without
        the future), ``changed`` (how many of them have another value, or none, where the future is there),
        ``largest_change`` (of numbers, 0 for text) and ``leaks`` (whether any changed).

    Raises
    ------
    ColumnError
        A column is missing, or the log was built without times.
    DataError
        The events cannot be read, no event lies before a cutoff, or a function returns no frame of customers.
    OptionError
        `features` is no function, or a cutoff is not a date or is given twice.

    Notes
    -----
    Each function is called twice at each cutoff: with the whole log, and with ``log.until(cutoff)``. A feature of the past is
    the same in both. `panel` hands out the second only, so that its features cannot leak; the audit shows what would happen
    where the same function is used elsewhere, such as in a pipeline that reads whole tables.

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> from crmkit import churn, rfm
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "ann", "cid"],
    ...         "timestamp": pd.to_datetime(["2024-01-01", "2024-01-11", "2024-01-31", "2024-03-31"]),
    ...         "amount": [20.0, 35.0, 15.0, 10.0],
    ...     }
    ... )
    >>> def silence(log, cutoff):
    ...     return rfm.summarize(log)[["recency_days"]]  # counts from the end of the log it is given, not from the cutoff
    >>> found = churn.audit(silence, orders, cutoffs=["2024-02-15"])
    >>> found[["feature", "customers", "changed", "leaks"]]
            feature  customers  changed  leaks
    0  recency_days          2        2   True
    """
    listed = _own.functions(features)
    log = _events.as_log(log, **columns)
    log.require("time")
    bounds = make_bounds(log.clock, cutoffs, {}, None)
    rows: dict[str, list[Any]] = {name: [] for name in ("cutoff", "feature", "customers", "changed", "largest_change")}
    for j, stamp in enumerate(bounds.cutoff_stamps):
        past = log.until(stamp)
        for function in listed:
            there, alone = _own.answers(function, past, stamp, log.labels)
            still, whole = _own.answers(function, log, stamp, log.labels)
            for name, values in alone.items():
                changed, largest = _changed(values[there], whole.get(name), still[there], there)
                for key, value in zip(rows, (j, name, int(there.sum()), changed, largest), strict=True):
                    rows[key].append(value)
    changed_rows = np.array(rows["changed"], np.int64)
    table: dict[str, Any] = {
        "cutoff": Labelled(Labels(bounds.cutoff_stamps, "pandas"), readonly(np.array(rows["cutoff"], np.int64))),
        "feature": np.array(rows["feature"], object),
        "customers": np.array(rows["customers"], np.int64),
        "changed": changed_rows,
        "largest_change": np.array(rows["largest_change"], np.float64),
        "leaks": changed_rows > 0,
    }
    return _frame.table(table, kind=log.labels.kind)


def _changed(alone: Any, whole: Any, still: Any, there: Any) -> tuple[int, float]:
    """Count the customers whose value is another with the future than without, and how far apart the farthest are."""
    if whole is None or whole.dtype != alone.dtype:
        return int(alone.size), 0.0
    other = whole[there]
    if alone.dtype == object:
        return int((np.array([a != b for a, b in zip(alone, other, strict=True)], np.bool_) | ~still).sum()), 0.0
    both_gone = np.isnan(alone) & np.isnan(other)
    apart = np.abs(alone - other)
    near = apart <= TOLERANCE * np.maximum(np.abs(alone), np.abs(other))
    differs = ~(near | both_gone) | ~still
    largest = apart[differs & np.isfinite(apart)]
    return int(differs.sum()), float(largest.max(initial=0.0))
