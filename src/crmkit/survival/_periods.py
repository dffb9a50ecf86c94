"""Time in whole periods: in which of them each row was at risk."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.errors import DataError
from crmkit.survival._times import Lives

__all__ = ["Periods", "periods_of"]

Longs = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST = 100_000  # periods; more are a slip of the unit
SLACK = 1e-9  # share of a period that is rounding


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Row by row: at risk in the periods begun + 1 to ended, with the event in the last of them or not."""

    begun: Longs
    ended: Longs
    event: Bools

    @property
    def lengths(self) -> Longs:
        """Periods at risk of each row."""
        return self.ended - self.begun


def periods_of(lives: Lives, width: float, duration: str, entry: str | None) -> Periods:
    """Count periods: an event counts in the period that holds it, a censored row in the periods that it saw to their end."""
    if (lives.event & (lives.duration == 0.0)).any():
        count, row = _frame.first_place(lives.event & (lives.duration == 0.0))
        msg = (
            f"column {duration!r}: {count:,} events at time 0, the first in row {row}; the first period begins after 0: count"
            " from a moment before the event, such as durations + 1"
        )
        raise DataError(msg)
    in_periods = lives.duration / width
    if in_periods.max() > MOST:
        msg = (
            f"column {duration!r} reaches {lives.duration.max():g}, more than {MOST:,} periods of {width:g}; pass a longer width="
        )
        raise DataError(msg)
    nearest = np.round(in_periods)
    whole = np.abs(in_periods - nearest) <= SLACK * np.maximum(nearest, 1.0)
    last = np.where(whole, nearest, np.where(lives.event, np.ceil(in_periods), np.floor(in_periods)))
    begun = np.zeros(lives.duration.size)
    if lives.entry is not None:
        begun = np.round(lives.entry / width)
        inside = np.abs(lives.entry / width - begun) > SLACK * np.maximum(begun, 1.0)
        if inside.any():
            count, row = _frame.first_place(inside)
            msg = (
                f"column {entry!r}: {count:,} inside a period of {width:g}, the first in row {row} ({lives.entry[row]:g});"
                " rows come under observation where a period begins: round them up, or pass another width="
            )
            raise DataError(msg)
    last = np.maximum(last, begun)
    return Periods(_frame.readonly(begun.astype(np.int64)), _frame.readonly(last.astype(np.int64)), _frame.readonly(lives.event))
