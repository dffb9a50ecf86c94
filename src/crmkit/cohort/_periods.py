"""Calendar periods of the wall clock, numbered; and the day up to which everything is known."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.errors import DataError, LimitError, OptionError

if TYPE_CHECKING:
    from crmkit._events import EventLog

__all__ = ["PERIODS", "Calendar", "known_until", "last_known_day"]

Days = npt.NDArray[np.int64]

PERIODS = ("D", "W", "M", "Q", "Y")
MONTHS = {"M": 1, "Q": 3, "Y": 12}
MOST_DAYS = 400_000  # 1,100 years: beyond, a date is a slip


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """The periods from the one that holds `first_day` to the one that holds `last_day`, counted from 0; days count from 1970."""

    period: str
    first_day: int
    last_day: int

    @classmethod
    def spanning(cls, period: str, first_day: int, last_day: int) -> Calendar:
        """Check that the span is one that can be."""
        _options.choice("period", period, PERIODS)
        if last_day - first_day > MOST_DAYS:
            msg = (
                f"the days from {np.datetime64(first_day, 'D')} to {np.datetime64(last_day, 'D')} are more than {MOST_DAYS:,};"
                " correct or drop the dates far off"
            )
            raise LimitError(msg)
        return cls(period, first_day, last_day)

    def number(self, day: Any) -> Any:
        """Which period a day is in."""
        return self._absolute(np.asarray(day)) - self._absolute(np.asarray(self.first_day))

    @property
    def n(self) -> int:
        """How many periods there are."""
        return int(self.number(self.last_day)) + 1

    @property
    def of_day(self) -> npt.NDArray[np.int32]:
        """The period of every day from `first_day` on."""
        days: npt.NDArray[np.int32] = _frame.readonly(self.number(np.arange(self.first_day, self.last_day + 1)).astype(np.int32))
        return days

    def opening(self, number: Any) -> Any:
        """Return the first day of a period; of the one after the last, too."""
        absolute = np.asarray(number, np.int64) + self._absolute(np.asarray(self.first_day))
        if self.period == "D":
            return absolute
        if self.period == "W":
            return absolute * 7 - 3
        months = (absolute * MONTHS[self.period]).astype("datetime64[M]")
        return months.astype("datetime64[D]").astype(np.int64)

    @property
    def edges(self) -> Days:
        """The first days of all periods, and that of the next one."""
        days: Days = self.opening(np.arange(self.n + 1))
        return days

    def closes_reached(self, inactivity: Any) -> npt.NDArray[np.int32]:
        """Return, for every day, the last period at whose close a purchase of that day is not yet `inactivity` ago."""
        window = _options.days("inactivity", inactivity)
        longest = int(np.diff(self.edges).max())
        if window != np.floor(window) or window < longest:
            msg = f"inactivity={inactivity!r} must be whole days, and at least the {longest} of the longest period here"
            raise OptionError(msg)
        through = np.arange(self.first_day, self.last_day + 1) + int(window) - 1
        reached = np.searchsorted(self.edges[1:] - 1, through, side="right") - 1
        periods: npt.NDArray[np.int32] = _frame.readonly(reached.astype(np.int32))
        return periods

    def labels(self, number: Any) -> _frame.Moments:
        """Show periods by their first day."""
        return _frame.Moments(self.opening(number) * 86_400, _frame.Clock("s", None))

    def _absolute(self, day: npt.NDArray[Any]) -> Any:
        if self.period == "D":
            return day.astype(np.int64)
        if self.period == "W":  # 1970 began on a Thursday
            return (day.astype(np.int64) + 3) // 7
        return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) // MONTHS[self.period]


def last_known_day(clock: _frame.Clock, as_of: Any, earliest: int, latest: int) -> int:
    """Return the day of `as_of`, by default that of the last event; `earliest` and `latest` are days of events."""
    if as_of is None:
        return latest
    day = clock.day(as_of, keyword="as_of")
    if day < earliest:
        msg = f"as_of={clock.date(day)} lies before the first event, which is on {clock.date(earliest)}"
        raise DataError(msg)
    return day


def known_until(log: EventLog, as_of: Any) -> tuple[EventLog, int]:
    """Return the log as it was known at the end of day `as_of`, and that day; the default is the day of the last event."""
    per_day = log.clock.ticks_per_day
    earliest, latest = int(log.lines.time.min()) // per_day, int(log.lines.time.max()) // per_day
    day = last_known_day(log.clock, as_of, earliest, latest)
    return (log.until(log.clock.date(day + 1)) if day < latest else log), day
