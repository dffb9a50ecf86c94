"""The moments of a panel: cutoffs, where the windows before them start, and where those after them end."""

from __future__ import annotations

import dataclasses
import re
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._frame import Clock, readonly
from crmkit.errors import DataError, DataWarning, OptionError

__all__ = ["Bounds", "finished", "lengths_of", "make_bounds", "several", "shift", "stamps"]

Ticks = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Cutoffs in ascending order with the bounds of their windows, as UTC ticks and as Timestamps of the clock's zone."""

    cutoffs: Ticks
    window_starts: Ticks  # cutoffs × windows
    since: Ticks  # an order no older than this makes a customer eligible
    ends: Ticks | None
    cutoff_stamps: Any  # pandas DatetimeIndex
    end_stamps: Any

    def some(self, kept: npt.NDArray[np.intp]) -> Bounds:
        """Return some of the cutoffs."""
        return Bounds(
            cutoffs=readonly(self.cutoffs[kept]),
            window_starts=readonly(self.window_starts[kept]),
            since=readonly(self.since[kept]),
            ends=None if self.ends is None else readonly(self.ends[kept]),
            cutoff_stamps=self.cutoff_stamps[kept],
            end_stamps=None if self.end_stamps is None else self.end_stamps[kept],
        )


def make_bounds(
    clock: Clock, cutoffs: Any, lengths: dict[str, float], ahead: float | None, within: float | None = None
) -> Bounds:
    """Read the cutoffs, and count `lengths` days back from each and `ahead` days on."""
    given = several(cutoffs)
    by_instant = {clock.instant(cutoff, keyword="cutoffs"): cutoff for cutoff in given}
    if not by_instant:
        msg = "cutoffs is empty: name at least one moment, such as cutoffs=[log.span.end]"
        raise OptionError(msg)
    if len(by_instant) < len(given):
        msg = f"cutoffs names one moment twice: {len(given)} are given, {len(by_instant)} are distinct"
        raise OptionError(msg)
    instants = np.array(sorted(by_instant), np.int64)
    walls = [clock.moment(by_instant[int(instant)], keyword="cutoffs") for instant in instants]

    def shifted(days: float) -> Ticks:
        pairs = zip(walls, instants, strict=True)
        return np.array([shift(clock, wall, int(instant), days) for wall, instant in pairs], np.int64)

    starts = np.empty((instants.size, len(lengths)), np.int64)
    for w, days in enumerate(lengths.values()):
        starts[:, w] = shifted(-days)
    ends = None if ahead is None else readonly(shifted(ahead))
    return Bounds(
        cutoffs=readonly(instants),
        window_starts=readonly(starts),
        since=readonly(np.full(instants.size, np.iinfo(np.int64).min) if within is None else shifted(-within)),
        ends=ends,
        cutoff_stamps=stamps(clock, instants),
        end_stamps=None if ends is None else stamps(clock, ends),
    )


def finished(bounds: Bounds, known_until: int, *, horizon: Any, unfinished: str, shown: str, stacklevel: int) -> Bounds:
    """Refuse label windows that end after the last moment known, or leave their cutoffs out and say how many."""
    if bounds.ends is None:
        return bounds
    late = np.flatnonzero(bounds.ends > known_until)
    if late.size == 0:
        return bounds
    first = int(late[0])
    where = (
        f"its label window of {horizon} ends {bounds.end_stamps[first]}, but {shown}, so customers who are yet to be seen"
        " would be labelled by silence"
    )
    if unfinished == "error" or late.size == bounds.cutoffs.size:
        several_words = f" ({late.size} cutoffs are affected)" if late.size > 1 else ""
        msg = (
            f"cutoff {bounds.cutoff_stamps[first]}: {where}{several_words}; take an earlier cutoff or a shorter horizon,"
            " or horizon=None for features only"
        )
        raise DataError(msg)
    warnings.warn(
        f"{late.size} of {bounds.cutoffs.size} cutoffs left out, the first {bounds.cutoff_stamps[first]}: {where}."
        " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
        DataWarning,
        stacklevel=stacklevel,
    )
    return bounds.some(np.flatnonzero(bounds.ends <= known_until))


def shift(clock: Clock, wall: int, instant: int, days: float) -> int:
    """Move a moment: whole days move the date on the wall clock, other lengths are elapsed time."""
    if days == np.floor(days):
        return clock.instant(clock.stamp(wall + int(days) * clock.ticks_per_day))
    return instant + round(days * clock.ticks_per_day)


def stamps(clock: Clock, instants: Ticks) -> Any:
    """Show UTC ticks as a DatetimeIndex in the zone of the clock."""
    index = _frame.table({"t": instants.view(f"datetime64[{clock.unit}]")}).set_index("t").index
    return index if clock.zone is None else index.tz_localize("UTC").tz_convert(clock.zone)


def lengths_of(windows: Any) -> dict[str, float]:
    """Days of each window by the name its columns carry."""
    given = several(windows)
    found = {}
    for window in given:
        days = _options.days("windows", window)
        found[re.sub(r"\s+", "", window).lower() if isinstance(window, str) else f"{days:g}d"] = days
    if len(set(found.values())) < len(given):
        msg = f"windows={windows!r} names one length twice"
        raise OptionError(msg)
    return found


def several(values: Any) -> list[Any]:
    """Return a list of one, or of several."""
    return [values] if isinstance(values, str) or not hasattr(values, "__iter__") else list(values)
