"""How many are still there after a time, with those who are still there when the data end counted for what they are."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._kernels import survival as _k
from crmkit.errors import DataError, DataWarning, OptionError
from crmkit.intervals._one import wilson_ends
from crmkit.results import critical_value
from crmkit.survival import _times
from crmkit.survival._times import Floats, Group, Lives

__all__ = ["curve"]

METHODS = ("kaplan_meier", "nelson_aalen")
INTERVALS = ("log_log", "log", "plain")


def curve(
    frame: Any,
    /,
    *,
    duration: str = "duration",
    event: str = "event",
    by: str | None = None,
    entry: str | None = None,
    cause: str | None = None,
    weight: str | None = None,
    method: str = "kaplan_meier",
    interval: str = "log_log",
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
    cause : str, optional
        Column that says which of several things the event was: cancelled or payment failed, say. It is read where `event` is 1;
        elsewhere it may be missing. The result is then the share that has left by each cause.
    weight : str, optional
        Column with how many rows each stands for: whole numbers above 0.
    method : {"kaplan_meier", "nelson_aalen"}, default "kaplan_meier"
        Whether to estimate the share that remains, or the cumulative hazard.
    interval : {"log_log", "log", "plain"}, default "log_log"
        Scale on which the interval of the share is symmetric. "plain" is Greenwood's, cut off at 0 and 1: too narrow where the
        share is near either. The cumulative hazard has "log" and "plain", and takes "log" for the default.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1; they hold at each time by itself, not for the whole curve.

    Returns
    -------
    DataFrame
        One row per group and time at which a row ended, ascending: `time`, `survival` (share that lasts beyond it), `ci_low`,
        `ci_high`, `at_risk` (under observation just before), `events`, `censored`; behind the group, if any. With Nelson-Aalen,
        `cumulative_hazard` in place of `survival`. With `cause`, one row per group, cause and time: `incidence` (share that has
        ended by then and by that cause) in place of `survival`, and `events` of that cause. Between two times a curve stays as
        it is; before the first it is 1 (hazard and incidence 0), and after the last time nothing is known, unless it is 0.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        A duration is missing, infinite or negative, an event is neither 0 nor 1, an entry does not lie before its duration, a
        group is missing, an event has no cause, a weight is no whole number above 0, or there are no rows.
    OptionError
        `method` or `interval` is none of those known, `level` is not between 0 and 1, or `cause` is given with another method.

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

    Aalen-Johansen, with `cause`: :math:`F_k(t) = \sum_{t_i \le t} S(t_{i-1})\, d_{ki}/n_i`, where S is the curve of all causes
    together, so that the shares of all causes and of those who remain add up to 1. One minus a Kaplan-Meier curve that takes
    other causes for censored would tell more: what would happen if nobody could leave otherwise. The variance is the delta
    method's with multinomial events, Greenwood's where there is one cause only; the interval is on the scale of
    :math:`\log(-\log(1 - F))`, or plain.

    With `entry`, few may be at risk early on; where all of them have the event, the curve drops to 0 although others come later,
    and a warning says so.

    References
    ----------
    Kaplan and Meier (1958), Nonparametric estimation from incomplete observations, JASA 53(282).
    Kalbfleisch and Prentice (2002), The Statistical Analysis of Failure Time Data, 2nd ed., Wiley.
    Aalen (1978), Nonparametric inference for a family of counting processes, Annals of Statistics 6(4).
    Aalen and Johansen (1978), An empirical transition matrix for non-homogeneous Markov chains based on censored observations,
    Scandinavian Journal of Statistics 5(3).
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
    _options.choice("interval", interval, INTERVALS)
    z = critical_value(level)
    table = _frame.read(frame)
    lives = _times.read(table, duration=duration, event=event, by=by, entry=entry, weight=weight)
    labels = None
    if cause is not None:
        if method != "kaplan_meier":
            msg = f"cause= gives shares that have left, not method={method!r}; leave one of them out"
            raise OptionError(msg)
        lives, labels = _with_cause(table, lives, cause)
    parts = _times.parts(lives)
    counted = [_times.count(part)[0] for part in parts]
    if lives.entry is not None:
        _warn_of_early_zero(counted)
    keys: dict[str, Any] = {}
    repeats = 1 if labels is None else len(labels)
    if lives.by is not None and by is not None:
        sizes = [repeats * group.time.size for group in counted]
        keys[by] = _frame.Labelled(lives.by.labels, np.repeat(np.arange(len(counted)), sizes))
    if labels is not None and cause is not None:
        codes = [np.repeat(np.arange(repeats), group.time.size) for group in counted]
        keys[cause] = _frame.Labelled(labels, np.concatenate(codes))
        name, estimates, events = "incidence", *_incidences(parts, counted, repeats, z, interval)
    else:
        name = "survival" if method == "kaplan_meier" else "cumulative_hazard"
        estimate = _kaplan_meier if method == "kaplan_meier" else _nelson_aalen
        estimates = [estimate(group, z, interval) for group in counted]
        events = [group.events for group in counted]
    columns: dict[str, Any] = {"time": _joined([group.time for group in counted], repeats)}
    columns |= {
        column: _joined(part) for column, part in zip((name, "ci_low", "ci_high"), zip(*estimates, strict=True), strict=True)
    }
    columns["at_risk"] = _joined([group.at_risk for group in counted], repeats)
    columns["events"] = _joined(events)
    columns["censored"] = _joined([group.censored for group in counted], repeats)
    return _frame.table(columns, keys=keys, kind=lives.kind)


def _joined(parts: Sequence[npt.NDArray[Any]], repeats: int = 1) -> npt.NDArray[Any]:
    """Put the parts of all groups one below the other, each repeated; a single part is long, and is not copied."""
    if len(parts) == 1 and repeats == 1:
        return parts[0]
    return np.concatenate([np.tile(part, repeats) for part in parts])


def _with_cause(table: _frame.Frame, lives: Lives, cause: str) -> tuple[Lives, _frame.Labels]:
    """Read what each event was; what stands beside censored rows does not count."""
    ids = _frame.ids(table, cause, keyword="cause", missing="drop")
    codes = np.where(lives.event, ids.codes, -1).astype(np.int32)
    unknown = lives.event & (codes < 0)
    if unknown.any():
        count, row = _frame.first_place(unknown)
        msg = f"column {cause!r}: {count:,} missing where the event happened, the first in row {row}; name a cause of their own"
        raise DataError(msg)
    if not lives.event.any():
        msg = "no row ended in the event, so there is no cause to tell apart"
        raise DataError(msg)
    used, labels = ids.labels.used(codes)
    return dataclasses.replace(lives, cause=used.astype(np.int64)), labels


def _kaplan_meier(group: Group, z: float, interval: str) -> tuple[Floats, Floats, Floats]:
    """Survival with its interval."""
    survival, low, high = (np.empty(group.time.size) for _ in range(3))
    before = _k.kaplan_meier(group.at_risk, group.events, z, INTERVALS.index(interval), survival, low, high)
    low[:before] = _none_yet(group.at_risk[:before].astype(np.float64), z)
    return survival, low, high


def _share_interval(share: Floats, relative: Floats, n: Floats, z: float, interval: str) -> tuple[Floats, Floats]:
    """Interval of a share that remains, from its standard error over itself."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log = np.log(share)
        low: Floats
        high: Floats
        if interval == "log_log":
            # log S is below 0, and so is the margin
            factor = np.exp(z * relative / log)
            low, high = np.exp(log / factor), np.exp(log * factor)
        elif interval == "log":
            low, high = share * np.exp(-z * relative), np.minimum(share * np.exp(z * relative), 1.0)
        else:
            low, high = np.maximum(share * (1.0 - z * relative), 0.0), np.minimum(share * (1.0 + z * relative), 1.0)
    before = share == 1.0
    # until the first event, which is where the curve begins
    low[before], high[before] = _none_yet(n[before], z), 1.0
    gone = share == 0.0
    low[gone] = 0.0
    if gone.any():
        first = int(gone.argmax())
        high[gone] = high[first - 1] if first else 1.0
    return low, high


def _nelson_aalen(group: Group, z: float, interval: str) -> tuple[Floats, Floats, Floats]:
    """Cumulative hazard with its interval."""
    hazard, variance = _k.cumulative_hazard(group.at_risk, group.events)
    none = hazard == 0.0
    margin = z * np.sqrt(variance)
    factor = np.exp(margin / np.where(none, 1.0, hazard))
    low, high = (np.maximum(hazard - margin, 0.0), hazard + margin) if interval == "plain" else (hazard / factor, hazard * factor)
    high[none] = -np.log(_none_yet(group.at_risk[none].astype(np.float64), z))
    return hazard, low, high


def _incidences(
    parts: list[Lives], counted: list[Group], n_causes: int, z: float, interval: str
) -> tuple[list[tuple[Floats, Floats, Floats]], list[npt.NDArray[np.int64]]]:
    """Incidence of each cause in each group, with its interval."""
    estimates, events = [], []
    for part, group in zip(parts, counted, strict=True):
        n = group.at_risk.astype(np.float64)
        for code in range(n_causes):
            of_cause = group.events_of(part, code)
            share, variance = _k.incidence(group.at_risk, group.events, of_cause)
            # sums of steps can pass 1 by rounding
            share = np.minimum(share, 1.0)
            rest = 1.0 - share
            with np.errstate(divide="ignore", invalid="ignore"):
                low, high = _share_interval(rest, np.sqrt(variance) / rest, n, z, interval)
            estimates.append((share, 1.0 - high, 1.0 - low))
            events.append(of_cause)
    return estimates, events


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
