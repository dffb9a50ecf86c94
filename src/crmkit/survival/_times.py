"""How long and whether it ended, as columns come in; and per group, what happened at each distinct time."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import ranking
from crmkit.errors import DataError

__all__ = ["Group", "Lives", "groups", "read"]

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# whole times up to so many per row are counted rather than sorted
CELLS_PER_ROW = 4
CELLS = 1 << 16


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """One row per spell: from `entry` (None: from the start) to `duration`, and whether it ended in the event."""

    duration: Floats
    event: Bools
    entry: Floats | None
    by: _frame.Ids | None
    kind: str


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


def read(frame: Any, *, duration: str, event: str, by: str | None, entry: str | None) -> Lives:
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
    return Lives(lasted, happened, begun, None if by is None else _frame.ids(frame, by, keyword="by"), frame.kind)


def groups(lives: Lives) -> list[tuple[Group, Floats | None, int]]:
    """Count events per distinct time of each group, with its ascending entries and its size."""
    if lives.by is None:
        return [_count(lives.duration, lives.event, lives.entry)]
    order = np.argsort(lives.by.codes, kind="stable")
    ends = np.cumsum(np.bincount(lives.by.codes, minlength=len(lives.by.labels)))[:-1]
    return [
        _count(lives.duration[rows], lives.event[rows], None if lives.entry is None else lives.entry[rows])
        for rows in np.split(order, ends)
    ]


def _count(duration: Floats, event: Bools, entry: Floats | None) -> tuple[Group, Floats | None, int]:
    n = duration.size
    longest = float(duration.max())
    time: Floats
    events: Longs
    censored: Longs
    if longest <= max(CELLS_PER_ROW * n, CELLS) and (duration == np.floor(duration)).all():
        cell = duration.astype(np.int64)
        ended = np.bincount(cell)
        happened = np.bincount(cell[event], minlength=ended.size)
        used = np.flatnonzero(ended)
        time, events, censored = (
            used.astype(np.float64),
            happened[used].astype(np.int64),
            (ended - happened)[used].astype(np.int64),
        )
    else:
        score, ones, zeros = ranking.merge(np.sort(duration[event]), np.sort(duration[~event]))
        time, events, censored = score[::-1].copy(), ones[::-1].copy(), zeros[::-1].copy()
    begun = None if entry is None else np.sort(entry)
    # at risk at a time: entered before it, and not ended before it
    entered = np.full(time.size, n) if begun is None else np.searchsorted(begun, time)
    before = np.cumsum(events + censored) - events - censored
    return Group(time, entered - before, events, censored), begun, n
