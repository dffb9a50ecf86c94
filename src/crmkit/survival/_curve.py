"""How many are still there after a time, with those who are still there when the data end counted for what they are."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from crmkit import _frame, _options
from crmkit._kernels import survival as _k
from crmkit.errors import DataWarning
from crmkit.intervals._one import wilson_ends
from crmkit.results import critical_value
from crmkit.survival import _times
from crmkit.survival._times import Floats, Group

__all__ = ["curve"]

METHODS = ("kaplan_meier", "nelson_aalen")


def curve(
    frame: Any,
    /,
    *,
    duration: str = "duration",
    event: str = "event",
    by: str | None = None,
    entry: str | None = None,
    method: str = "kaplan_meier",
    level: float = 0.95,
) -> Any:
    r"""Give the share still there after each time, where some are only known to have been there until the data end.

    Parameters
    ----------
    frame : DataFrame
        One row per customer or contract.
    duration : str, default "duration"
        Column with the time to the event, or to when observation ended: zero or more, in any unit.
    event : str, default "event"
        Column that says whether it ended in the event (1, True) or was still going on when last seen (0, False).
    by : str, optional
        Column of groups; each gets a curve of its own.
    entry : str, optional
        Column with the time at which a row came under observation, on the clock of `duration`, if not from the start: contracts
        older than the data, for instance. It must lie before `duration`.
    method : {"kaplan_meier", "nelson_aalen"}, default "kaplan_meier"
        Whether to estimate the share that remains, or the cumulative hazard.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1; they hold at each time by itself, not for the whole curve.

    Returns
    -------
    DataFrame
        One row per group and time at which a row ended, ascending: `time`, `survival` (share that lasts beyond it), `ci_low`,
        `ci_high`, `at_risk` (under observation just before), `events`, `censored`; behind the group, if any. With Nelson-Aalen,
        `cumulative_hazard` in place of `survival`. Between two times a curve stays as it is; before the first it is 1 (the hazard
        0), and after the last time nothing is known, unless it is 0.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        A duration is missing, infinite or negative, an event is neither 0 nor 1, an entry does not lie before its duration, a
        group is missing, or there are no rows.
    OptionError
        `method` is none of those known, or `level` is not between 0 and 1.

    Notes
    -----
    Kaplan-Meier: :math:`S(t) = \prod_{t_i \le t} (1 - d_i/n_i)` with :math:`d_i` events among :math:`n_i` at risk; a row that is
    censored at a time counts as at risk at it. With Greenwood's :math:`V = \sum d_i / (n_i (n_i - d_i))` the interval is
    :math:`S^{\exp(\pm z \sqrt V / \log S)}`, on the scale of :math:`\log(-\log S)`. Where no event was seen yet it says nothing:
    the lower end is then Wilson's for as many survivors as were at risk. Where nobody is left, the upper end is that of the
    time before.

    Nelson-Aalen: :math:`H(t) = \sum_{t_i \le t} \sum_{k < d_i} 1/(n_i - k)`, events at the same time taken one after the other,
    as they come on a finer clock; its variance is the sum of the squares, and the interval is on the log scale. Before the first
    event, the upper end is minus the logarithm of the lower end of Kaplan-Meier.

    With `entry`, few may be at risk early on; where all of them have the event, the curve drops to 0 although others come later,
    and a warning says so.

    References
    ----------
    Kaplan and Meier (1958), Nonparametric estimation from incomplete observations, JASA 53(282).
    Kalbfleisch and Prentice (2002), The Statistical Analysis of Failure Time Data, 2nd ed., Wiley.
    Aalen (1978), Nonparametric inference for a family of counting processes, Annals of Statistics 6(4).
    Fleming and Harrington (1984), Nonparametric estimation of the survival distribution in censored data, Communications in
    Statistics: Theory and Methods 13(20).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import survival
    >>> contracts = pd.DataFrame({"months": [1, 2, 2, 3, 5, 5], "left": [1, 1, 0, 1, 0, 0]})
    >>> survival.curve(contracts, duration="months", event="left")[["time", "survival", "at_risk", "events"]]
       time  survival  at_risk  events
    0   1.0  0.833333        6       1
    1   2.0  0.666667        5       1
    2   3.0  0.444444        3       1
    3   5.0  0.444444        2       0
    """
    _options.choice("method", method, METHODS)
    z = critical_value(level)
    lives = _times.read(frame, duration=duration, event=event, by=by, entry=entry)
    counted = [group for group, _, _ in _times.groups(lives)]
    if lives.entry is not None:
        _warn_of_early_zero(counted)
    estimate = _kaplan_meier if method == "kaplan_meier" else _nelson_aalen
    parts = [estimate(group, z) for group in counted]
    keys: dict[str, Any] = {}
    if lives.by is not None and by is not None:
        keys[by] = _frame.Labelled(lives.by.labels, np.repeat(np.arange(len(counted)), [group.time.size for group in counted]))
    columns: dict[str, Any] = {"time": np.concatenate([group.time for group in counted])}
    names = ("survival" if method == "kaplan_meier" else "cumulative_hazard", "ci_low", "ci_high")
    columns |= {name: np.concatenate(part) for name, part in zip(names, zip(*parts, strict=True), strict=True)}
    for name in ("at_risk", "events", "censored"):
        columns[name] = np.concatenate([getattr(group, name) for group in counted])
    return _frame.table(columns, keys=keys, kind=lives.kind)


def _kaplan_meier(group: Group, z: float) -> tuple[Floats, Floats, Floats]:
    """Survival with its interval on the scale of log(−log S)."""
    n, d = group.at_risk.astype(np.float64), group.events.astype(np.float64)
    survival = np.cumprod((n - d) / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.cumsum(d / (n * (n - d)))
        log = np.log(survival)
        margin = z * np.sqrt(variance) / log
        # log S is below 0, and so is the margin
        low: Floats = np.exp(log * np.exp(-margin))
        high: Floats = np.exp(log * np.exp(margin))
    before = survival == 1.0
    low[before], high[before] = _none_yet(n, z)[before], 1.0
    gone = survival == 0.0
    low[gone] = 0.0
    if gone.any():
        first = int(gone.argmax())
        high[gone] = high[first - 1] if first else 1.0
    return np.asarray(survival), low, high


def _nelson_aalen(group: Group, z: float) -> tuple[Floats, Floats, Floats]:
    """Cumulative hazard with its interval on the log scale."""
    hazard, variance = _k.cumulative_hazard(group.at_risk, group.events)
    none = hazard == 0.0
    factor = np.exp(z * np.sqrt(variance) / np.where(none, 1.0, hazard))
    upper = -np.log(_none_yet(group.at_risk.astype(np.float64), z))
    return hazard, hazard / factor, np.where(none, upper, hazard * factor)


def _none_yet(n: Floats, z: float) -> Floats:
    """Lower end of the share of survivors where all of those at risk survived; the fewest so far tell least."""
    fewest = np.minimum.accumulate(n)
    return wilson_ends(fewest, fewest, z)[0]


def _warn_of_early_zero(counted: list[Group]) -> None:
    """Warn where a curve is 0 before the last rows came under observation."""
    early = [group for group in counted if (group.at_risk == group.events)[:-1].any()]
    if early:
        which = "the curve" if len(counted) == 1 else f"the curve of {len(early):,} of {len(counted):,} groups"
        warnings.warn(
            f"{which} drops to 0 while others come under observation later: for a time, all who were at risk had the event, and"
            " they were few. Start the clock later, such as with rows that lasted until more are at risk. Silence with"
            " warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=3,
        )
