"""How long and whether it ended, as columns come in; and per group, what happened at each distinct time."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _threads
from crmkit._kernels import survival as _k
from crmkit.errors import DataError

__all__ = ["Group", "Lives", "count", "groups", "parts", "read"]

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# whole times up to so many per row are counted rather than sorted
CELLS_PER_ROW = 4
CELLS = 1 << 16
MANY = 100_000  # rows from which events and censored are sorted side by side


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """One row per spell: from `entry` (None: from the start) to `duration`, and whether it ended in the event."""

    duration: Floats
    event: Bools
    entry: Floats | None
    by: _frame.Ids | None
    kind: str
    weight: Longs | None = None  # how many such rows each stands for (None: one)
    cause: Longs | None = None  # code of what ended it, -1 where nothing did

    def rows(self, chosen: npt.NDArray[np.int64]) -> Lives:
        """Return some of the rows, without their groups."""
        return Lives(
            self.duration[chosen],
            self.event[chosen],
            None if self.entry is None else self.entry[chosen],
            None,
            self.kind,
            None if self.weight is None else self.weight[chosen],
            None if self.cause is None else self.cause[chosen],
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Group:
    """What happened at each distinct time, ascending: how many were at risk, how many had the event, how many were censored."""

    time: Floats
    at_risk: Longs
    events: Longs
    censored: Longs

    def risk_and_events(self, moments: Floats, entry: Floats | None, n: int) -> tuple[Floats, Floats]:
        """Count who is at risk and who has the event at other moments."""
        ended = np.append(0, np.cumsum(self.events + self.censored))[np.searchsorted(self.time, moments)]
        begun = np.full(moments.size, n) if entry is None else np.searchsorted(entry, moments)
        place = np.minimum(np.searchsorted(self.time, moments), self.time.size - 1)
        happened = np.where(self.time[place] == moments, self.events[place], 0)
        return (begun - ended).astype(np.float64), happened.astype(np.float64)

    def events_of(self, lives: Lives, cause: int) -> Longs:
        """Count the events of one cause at each time; `lives` are the rows of this group."""
        assert lives.cause is not None
        rows = lives.cause == cause
        weight = None if lives.weight is None else lives.weight[rows]
        place = np.searchsorted(self.time, lives.duration[rows])
        return np.bincount(place, weight, self.time.size).astype(np.int64)


def read(
    frame: Any,
    *,
    duration: str,
    event: str,
    by: str | None,
    entry: str | None,
    weight: str | None = None,
) -> Lives:
    """Read and check the columns of `frame`."""
    frame = _frame.read(frame)
    lasted = _frame.numbers(frame, duration, keyword="duration", nonnegative=True)
    happened = _frame.flags(frame, event, keyword="event")
    if lasted.size == 0:
        msg = "the frame has no rows, so there is nothing to estimate"
        raise DataError(msg)
    begun = None if entry is None else _frame.numbers(frame, entry, keyword="entry", nonnegative=True)
    if begun is not None and (begun >= lasted).any():
        count, row = _frame.first_place(begun >= lasted)
        msg = (
            f"column {entry!r}: {count:,} not before {duration!r}, the first in row {row} ({begun[row]:g} and {lasted[row]:g});"
            " such a row is never under observation: drop it, or count both from the same start"
        )
        raise DataError(msg)
    counts = None
    if weight is not None:
        counts = _frame.numbers(frame, weight, keyword="weight", positive=True, whole=True).astype(np.int64)
    return Lives(lasted, happened, begun, None if by is None else _frame.ids(frame, by, keyword="by"), frame.kind, counts)


def groups(lives: Lives) -> list[tuple[Group, Floats | None, int]]:
    """Count events per distinct time of each group, with its ascending entries and its size."""
    return [count(part) for part in parts(lives)]


def parts(lives: Lives) -> list[Lives]:
    """Split rows by group."""
    if lives.by is None:
        return [lives]
    order = np.argsort(lives.by.codes, kind="stable")
    ends = np.cumsum(np.bincount(lives.by.codes, minlength=len(lives.by.labels)))[:-1]
    return [lives.rows(rows) for rows in np.split(order, ends)]


def count(lives: Lives) -> tuple[Group, Floats | None, int]:
    """Count events per distinct time, with the ascending entries and the number of rows."""
    weight = lives.weight
    n = lives.duration.size if weight is None else int(weight.sum())
    time, events, censored = _whole(lives) or _exact(lives)
    # at risk at a time: entered before it, and not ended before it
    ended = events + censored
    before = np.cumsum(ended)
    before -= ended
    if lives.entry is None:
        return Group(time, n - before, events, censored), None, n
    order = np.argsort(lives.entry, kind="stable")
    begun = lives.entry[order]
    entered = np.searchsorted(begun, time)
    if weight is not None:
        entered = np.append(0, np.cumsum(weight[order]))[entered]
    return Group(time, entered - before, events, censored), begun, n


def _whole(lives: Lives) -> tuple[Floats, Longs, Longs] | None:
    """Count at whole times, where all are and there is room for them."""
    longest = float(lives.duration.max())
    if longest > max(CELLS_PER_ROW * lives.duration.size, CELLS):
        return None
    cells = int(longest) + 1
    if lives.weight is None:
        events, censored = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
        if not _k.tally(_frame.readonly(lives.duration), _frame.readonly(lives.event), events, censored):
            return None
    else:
        cell = lives.duration.astype(np.int64)
        if (cell != lives.duration).any():
            return None
        events = np.bincount(cell, lives.weight * lives.event, cells).astype(np.int64)
        censored = np.bincount(cell, lives.weight, cells).astype(np.int64) - events
    used = np.flatnonzero(events + censored)
    return used.astype(np.float64), events[used], censored[used]


def _exact(lives: Lives) -> tuple[Floats, Longs, Longs]:
    """Count at times of any kind, by sorting."""
    duration, event = lives.duration, lives.event
    if lives.weight is None:
        both = _threads.run(np.sort, [duration[event], duration[~event]], n_threads=None if duration.size >= MANY else 1)
        return _k.ascending(*both)
    time, place = np.unique(duration + 0.0, return_inverse=True)
    events, censored = (np.bincount(place, lives.weight * rows, time.size).astype(np.int64) for rows in (event, ~event))
    return time, events, censored
