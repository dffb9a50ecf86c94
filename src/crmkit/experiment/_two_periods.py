"""Before and after, with a comparison group: what changed beyond what changed anyway."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.errors import DataError, OptionError
from crmkit.experiment import _cells
from crmkit.experiment._cells import Cells, cells_of
from crmkit.experiment._compare import compared, welch
from crmkit.experiment._result import Comparison
from crmkit.experiment._trial import Trial, known_ids, names_of, read_trial
from crmkit.results import confidence_level

__all__ = ["difference_in_differences"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

BEFORE, AFTER = ("before", "pre"), ("after", "post")


def difference_in_differences(
    data: Any,
    /,
    *,
    outcome: str | Sequence[str],
    period: str,
    before: Any = None,
    arm: str = "arm",
    control: Any = None,
    unit: str | None = None,
    level: float = 0.95,
    adjust: str = "holm",
) -> Comparison:
    r"""Tell how much more an arm changed from one period to the next than the comparison group did.

    Parameters
    ----------
    data : DataFrame
        One row per unit and period.
    outcome : str or list of str
        Columns of numbers.
    period : str
        Column with two values.
    before : optional
        The value of `period` that came first; default the one called "before" or "pre", or beside "after" or "post" the other;
        otherwise the first in order.
    arm : str, default "arm"
        Column of the arms.
    control : optional
        The comparison group; default an arm called "control" or "holdout", or the one that is 0 or False.
    unit : str, optional
        Column of the customers, shops or regions that were seen in both periods: each is its own control. Units seen in one
        period only are left out, and ``note`` counts them. Without it, the rows of the two periods are independent samples.
    level : float, default 0.95
        Confidence level of each interval, between 0 and 1.
    adjust : {"holm", "bh", "bonferroni", "none"}, default "holm"
        How ``p_adjusted`` answers for the number of rows.

    Returns
    -------
    Comparison
        With the table of `compare_rates`; ``mean`` and ``mean_control`` are the changes of the two groups. ``n`` counts units, or
        without `unit` the rows of both periods.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        There are not two periods or two arms, a unit is in two arms, or no unit was seen in both periods.
    OptionError
        An option is not usable, or the comparison group is not named and cannot be told.

    Notes
    -----
    :math:`(\bar y_{1,after} - \bar y_{1,before}) - (\bar y_{0,after} - \bar y_{0,before})`. It is the effect of the campaign only
    if both groups would have changed alike without it, which two periods cannot show: look at more of the time before. With
    `unit`, Welch's test on the changes of the units; without, the four means are independent.

    References
    ----------
    Bertrand, Duflo & Mullainathan (2004), How much should we trust differences-in-differences estimates?, Quarterly Journal of
    Economics 119(1).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import experiment
    >>> sales = pd.DataFrame(
    ...     {
    ...         "shop": [1, 2, 3, 4] * 2,
    ...         "arm": ["control", "control", "radio", "radio"] * 2,
    ...         "month": [1] * 4 + [2] * 4,
    ...         "sales": [10.0, 12, 9, 14, 11, 14, 15, 19],
    ...     }
    ... )
    >>> found = experiment.difference_in_differences(sales, outcome="sales", period="month", unit="shop")
    >>> found.table[["mean", "mean_control", "value"]]
       mean  mean_control  value
    0   5.5           1.5    4.0
    """
    level = confidence_level(level)
    outcomes = names_of(outcome, "outcome")
    trial = read_trial(data, arm=arm, control=control, cluster=unit)
    after = _after(trial.frame, period, before)
    results = {}
    for name in outcomes:
        values = _frame.numbers(trial.frame, name, keyword="outcome")
        if trial.cluster is None:
            results[name] = welch(_independent(trial, values, after), trial.control, level)
        else:
            changes, arms, note = _changes(trial, trial.cluster, values, after, str(unit))
            seen = dataclasses.replace(trial, codes=arms, cluster=None)
            results[name] = welch(cells_of(seen, changes, None), trial.control, level, note)
    return compared(trial, results, level=level, adjust=adjust, expected=_as_found(trial), method="changes", scale="mean")


def _after(frame: _frame.Frame, period: str, before: Any) -> npt.NDArray[np.bool_]:
    found = known_ids(frame, period, "period")
    codes, labels = found.labels.used(found.codes)
    if len(labels) != 2:
        msg = f"column {period!r} has {len(labels)} periods; pass the one before and the one after"
        raise DataError(msg)
    names = [name.item() if isinstance(name, np.generic) else name for name in labels.as_index()]
    if before is None:
        return np.asarray(codes != _first(names))
    if before not in names:
        msg = f"before={before!r} is not one of the periods {[str(name) for name in names]}"
        raise OptionError(msg)
    return np.asarray(codes != names.index(before))


def _first(names: list[Any]) -> int:
    """Return which of two periods came first by its name: "after" sorts before "before"."""
    words = [name.strip().lower() if isinstance(name, str) else "" for name in names]
    return int(words[1] in BEFORE or words[0] in AFTER)


def _independent(trial: Trial, values: Floats, after: npt.NDArray[np.bool_]) -> Cells:
    """Return the change of each arm from four independent means."""
    halves = []
    for rows in (~after, after):
        part = dataclasses.replace(trial, codes=trial.codes[rows])
        halves.append(cells_of(part, values[rows], None))
    before, later = halves
    n = np.minimum(before.n, later.n)
    change, se = later.mean - before.mean, np.hypot(before.se, later.se)
    # the change stands for a mean of as many units as give Welch's degrees of freedom
    df = _cells.welch_df(before.se, before.n, later.se, later.n)
    units = np.where(np.isfinite(df), df + 1.0, n)
    return Cells(units, change * units, units, se, before.n + later.n)


def _changes(trial: Trial, unit: Codes, values: Floats, after: npt.NDArray[np.bool_], name: str) -> tuple[Floats, Codes, str]:
    """Return each unit's change, its arm, and how many units were seen in one period only."""
    n = int(unit.max()) + 1
    means: list[Floats] = []
    for rows in (~after, after):
        count: Floats = np.bincount(unit[rows], minlength=n).astype(np.float64)
        total: Floats = np.bincount(unit[rows], weights=values[rows], minlength=n).astype(np.float64)
        means.append(_cells.divided(total, count))
    change = means[1] - means[0]
    known = np.isfinite(change)
    if not known.any():
        msg = f"column {name!r}: none of the {n:,} units is in both periods; leave unit= out if they are different people"
        raise DataError(msg)
    arms = np.empty(n, np.int64)
    arms[unit] = trial.codes
    left = int(n - known.sum())
    return change[known], arms[known], f"{left:,} units in one period only were left out" if left else ""


def _as_found(trial: Trial) -> list[float]:
    """Return the sizes the groups have: groups that were not drawn have no others planned."""
    return [float(count) for count in trial.units()]
