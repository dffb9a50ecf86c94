"""A curve in one number: when half have left, and how long they last on average up to a time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.errors import ColumnError, DataError, DataWarning
from crmkit.intervals._one import wilson_ends
from crmkit.results import critical_value

__all__ = ["quantile", "restricted_mean"]

Floats = npt.NDArray[np.float64]


def quantile(curve: Any, /, *, q: float = 0.5) -> Any:
    r"""Tell by when a share of customers has left, such as half of them.

    Parameters
    ----------
    curve : DataFrame
        As `curve` returns it, by Kaplan-Meier.
    q : float, default 0.5
        Share that has left, between 0 and 1; 0.5 is the median.

    Returns
    -------
    DataFrame
        One row per group of the curve: `q`, `value` (the first time at which the share is reached), `ci_low`, `ci_high`; behind
        the group, if any. Infinite where the curve does not get there: more than 1 - q still stay at its end.

    Raises
    ------
    ColumnError
        `curve` has no column `survival` with an interval.
    DataError
        A number is missing, or the times of a group do not ascend.
    OptionError
        `q` is not between 0 and 1.

    Warns
    -----
    DataWarning
        A curve does not get there.

    Notes
    -----
    The value is the smallest t with :math:`S(t) \le 1 - q`; its interval holds the times at which the interval of the curve
    holds 1 - q, so its level is that of the curve.

    References
    ----------
    Brookmeyer and Crowley (1982), A confidence interval for the median survival time, Biometrics 38(1).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import survival
    >>> contracts = pd.DataFrame({"months": [1, 2, 2, 3, 5, 5], "left": [1, 1, 0, 1, 0, 0]})
    >>> survival.quantile(survival.curve(contracts, duration="months", event="left"))
         q  value  ci_low  ci_high
    0  0.5    3.0     1.0      inf
    """
    rest = 1.0 - _options.number("q", q, low=0.0, high=1.0, ends=False)
    frame = _frame.read(curve)
    time, share, low, high = _read(frame, "time", "survival", "ci_low", "ci_high")
    groups = _groups(frame, time)
    # the last digits of a product of shares are rounding
    limit = rest * (1.0 + 1e-12)
    found = [[_first(time[g], values[g] <= limit) for g in groups] for values in (share, low, high)]
    if np.isinf(found[0]).any():
        which = "the curve does" if len(groups) == 1 else f"{int(np.isinf(found[0]).sum()):,} of {len(groups):,} groups do"
        warnings.warn(
            f"{which} not come down to {rest:g} while observed, so the time is infinite in the result: pass a smaller q=, or use"
            " restricted_mean. Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=2,
        )
    columns = {"q": np.full(len(groups), float(q)), "value": np.array(found[0]), "ci_low": np.array(found[1])}
    columns["ci_high"] = np.array(found[2])
    return _frame.table(columns, keys=_keys(frame, groups), kind=frame.kind)


def restricted_mean(curve: Any, /, *, horizon: float | None = None, level: float = 0.95) -> Any:
    r"""Tell how long customers last on average, counted up to a time.

    Parameters
    ----------
    curve : DataFrame
        As `curve` returns it, by Kaplan-Meier.
    horizon : float, optional
        Time up to which is counted, in the unit of the durations, above 0. Default: the last time that every group was observed
        to, so that groups can be compared.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    DataFrame
        One row per group of the curve: `horizon`, `value` (mean time up to it), `ci_low`, `ci_high`, `se`; behind the group,
        if any.

    Raises
    ------
    ColumnError
        `curve` has no column `survival`, `at_risk` or `events`.
    DataError
        `horizon` passes the last time of a group, a number is missing, or the times of a group do not ascend.
    OptionError
        `horizon` is not above 0, or `level` not between 0 and 1.

    Notes
    -----
    The mean of :math:`\min(T, h)` is the area under the curve up to h; its variance is
    :math:`\sum_i \big(\int_{t_i}^h S\big)^2 d_i / (n_i (n_i - d_i))`. Where nobody left by then, that is zero: the lower end is
    then h times Wilson's for as many survivors as were at risk. Unlike the median it always exists; unlike the mean it
    needs nothing beyond what was observed.

    References
    ----------
    Irwin (1949), The standard error of an estimate of expectation of life, Journal of Hygiene 47(2).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import survival
    >>> contracts = pd.DataFrame({"months": [1, 2, 2, 3, 5, 5], "left": [1, 1, 0, 1, 0, 0]})
    >>> survival.restricted_mean(survival.curve(contracts, duration="months", event="left"), horizon=4)[["value", "se"]].round(3)
       value     se
    0  2.944  0.470
    """
    z = critical_value(level)
    end = None if horizon is None else _options.number("horizon", horizon, low=0.0, ends=False)
    frame = _frame.read(curve)
    time, share, at_risk, events = _read(frame, "time", "survival", "at_risk", "events")
    groups = _groups(frame, time)
    # a curve that has come down to 0 stays there
    known = [np.inf if share[g][-1] == 0.0 else time[g][-1] for g in groups]
    if end is None:
        end = min([*known, max(time[g][-1] for g in groups)])
        if end == 0.0:
            msg = "all times are 0, so there is nothing to average over"
            raise DataError(msg)
    if end > min(known):
        msg = f"horizon={end:g} passes {min(known):g}, the last time of a group; nothing is known beyond: pass at most that"
        raise DataError(msg)
    values, errors, none = np.empty(len(groups)), np.empty(len(groups)), np.full(len(groups), np.inf)
    for place, g in enumerate(groups):
        inside = time[g] < end
        t, s, n, d = (column[g][inside] for column in (time, share, at_risk, events))
        area = np.diff(np.concatenate([[0.0], t, [end]])) * np.append(1.0, s)
        values[place] = area.sum()
        # the area behind each time; where nobody is left it is 0
        behind = np.cumsum(area[::-1])[::-1][1:]
        left = n - d
        rate = np.divide(d, n * left, out=np.zeros(n.size), where=left > 0.0)
        errors[place] = np.sqrt((behind**2 * rate).sum())
        if not d.any():
            # nobody left up to then: as sure as so many survivors make it
            fewest = at_risk[g][: t.size + 1].min()
            none[place] = end * float(wilson_ends(fewest, fewest, z)[0])
    columns = {
        "horizon": np.full(len(groups), end),
        "value": values,
        "ci_low": np.minimum(np.maximum(values - z * errors, 0.0), none),
        "ci_high": np.minimum(values + z * errors, end),
        "se": errors,
    }
    return _frame.table(columns, keys=_keys(frame, groups), kind=frame.kind)


def _read(frame: _frame.Frame, *names: str) -> list[Floats]:
    if "survival" not in frame.columns:
        msg = f"no column 'survival'; the table has {frame.columns}. Pass what curve(...) returns by Kaplan-Meier without cause="
        raise ColumnError(msg)
    columns = [_frame.numbers(frame, name, nonnegative=True) for name in names]
    if columns[0].size == 0:
        msg = "the curve has no rows"
        raise DataError(msg)
    share = columns[1]
    if (share > 1.0).any():
        count, row = _frame.first_place(share > 1.0)
        msg = f"column 'survival': {count:,} above 1, the first in row {row} ({share[row]:g}); pass what curve(...) returns"
        raise DataError(msg)
    return columns


def _groups(frame: _frame.Frame, time: Floats) -> list[npt.NDArray[np.int64]]:
    """Rows of each group, in the order they come."""
    found = [np.arange(len(frame))]
    if frame.columns[0] != "time":
        codes = _frame.ids(frame, frame.columns[0]).codes
        _, first = np.unique(codes, return_index=True)
        found = [np.flatnonzero(codes == codes[row]) for row in np.sort(first)]
    if any((np.diff(time[rows]) <= 0.0).any() for rows in found):
        msg = "column 'time': the times of a group do not ascend; pass the table as curve(...) returned it"
        raise DataError(msg)
    return found


def _keys(frame: _frame.Frame, groups: list[npt.NDArray[np.int64]]) -> dict[Any, Any]:
    if frame.columns[0] == "time":
        return {}
    ids = _frame.ids(frame, frame.columns[0])
    return {frame.columns[0]: _frame.Labelled(ids.labels, ids.codes[[rows[0] for rows in groups]])}


def _first(time: Floats, reached: npt.NDArray[np.bool_]) -> float:
    return float(time[reached.argmax()]) if reached.any() else float("inf")
