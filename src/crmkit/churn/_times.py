"""When the rows of a panel were taken, and when their labels were known."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._frame import Clock
from crmkit.errors import DataError

__all__ = ["CUTOFF", "LABEL_END", "Times", "read_times"]

Ticks = npt.NDArray[np.int64]

CUTOFF, LABEL_END = "cutoff", "label_end"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Times:
    """When each row's features were taken and its label known, in ticks of one unit."""

    cutoff: Ticks
    label_end: Ticks
    wall: Ticks  # the cutoff, as the clock of the place shows it
    clock: Clock
    shown: tuple[str, ...]

    def rows(self, places: npt.NDArray[np.int64]) -> Times:
        """Return some of the rows."""
        return Times(self.cutoff[places], self.label_end[places], self.wall[places], self.clock, self.shown)


def read_times(table: _frame.Frame, cutoff: str | None) -> Times | None:
    """Read cutoff and label_end of a panel, from its columns or its index; None where there are none."""
    levels = table.native.index.to_frame(index=False) if table.kind == "pandas" else None
    inside = levels is not None and (cutoff or CUTOFF) in levels.columns and (cutoff or CUTOFF) not in table.columns
    if cutoff is None and not (LABEL_END in table.columns and (inside or CUTOFF in table.columns)):
        return None
    taken = _frame.times(levels if inside else table, cutoff or CUTOFF, keyword="cutoff")
    known = _frame.times(table, LABEL_END)
    if (taken.clock.zone is None) != (known.clock.zone is None):
        msg = f"{cutoff or CUTOFF!r} and {LABEL_END!r}: one has a time zone, the other has none; give both the same"
        raise DataError(msg)
    day = max(taken.clock.ticks_per_day, known.clock.ticks_per_day)
    moments = taken.instant * (day // taken.clock.ticks_per_day)
    ends = known.instant * (day // known.clock.ticks_per_day)
    if (ends < moments).any():
        count, row = _frame.first_place(ends < moments)
        msg = f"column {LABEL_END!r}: {count:,} before the cutoff, the first in row {row}; a label window follows its cutoff"
        raise DataError(msg)
    fine = max(taken.clock, known.clock, key=lambda clock: clock.ticks_per_day)
    wall = taken.wall * (day // taken.clock.ticks_per_day)
    return Times(moments, ends, wall, fine, tuple(str(taken.clock.stamp(int(tick))) for tick in np.unique(taken.wall)))
