"""Moments from a column: whole ticks of its own unit, on the clock of the place and in UTC."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmkit._frame._numbers import readonly
from crmkit._frame._read import as_pandas, first_place, read
from crmkit.errors import DataError, OptionError

TICKS_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
NAT = np.iinfo(np.int64).min
LAST = np.iinfo(np.int64).max
CLOCK_WORDS = ("now", "today")  # pandas reads them as the moment of the call: the same file would not give the same log
OFFSET = re.compile(r"[T ]\d\d.*?(Z|[+-]\d\d(:?\d\d)?)$")  # behind a time of day only: 2024-01-31 ends in no offset
PART_OF_DATE = re.compile(r"\s*\d{4}(-\d\d)?\s*")  # a year or a month: its first day is seldom what is meant

Ticks = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """The unit in which a log counts time, and the zone whose wall clock its days follow (None: times without a zone)."""

    unit: str
    zone: str | None

    @property
    def ticks_per_day(self) -> int:
        """Ticks in 24 hours."""
        return TICKS_PER_DAY[self.unit]

    def stamp(self, wall: int) -> pd.Timestamp:
        """Show a moment of the wall clock, given in ticks, as a Timestamp without a zone."""
        return pd.Timestamp(np.int64(wall).astype(f"datetime64[{self.unit}]"))

    def in_zone(self, instant: int) -> pd.Timestamp:
        """Show a moment in UTC, given in ticks, as a Timestamp in the zone."""
        naive = self.stamp(instant)
        return naive if self.zone is None else naive.tz_localize("UTC").tz_convert(self.zone)

    def date(self, day: int) -> str:
        """Show a day, counted from 1970, as YYYY-MM-DD."""
        return str(np.datetime64(int(day), "D"))

    def moment(self, value: Any, *, keyword: str = "the time") -> int:
        """Read `value` as a moment of the wall clock, in ticks; between two ticks, the later one."""
        return self._ticks(self._read(value, keyword)[0], value, keyword)

    def instant(self, value: Any, *, keyword: str = "the time") -> int:
        """Read `value` as a moment in UTC, in ticks; between two ticks, the later one."""
        return self._ticks(self._read(value, keyword)[1], value, keyword)

    def day(self, value: Any, *, keyword: str = "the time") -> int:
        """Read `value` as a day of the wall clock, counted from 1970: the last moment of a day is still that day."""
        if PART_OF_DATE.fullmatch(str(value)):
            msg = f"{keyword}={value!r} names no day; write the one that is meant, such as the last of the month"
            raise OptionError(msg)
        naive = self._read(value, keyword)[0]
        self._ticks(naive, value, keyword)  # within what the log can count
        # in its own unit: between two ticks of the log it would round up to the next day
        stamp = naive.to_datetime64()
        return int(stamp.astype(np.int64)) // TICKS_PER_DAY[np.datetime_data(stamp.dtype)[0]]

    def _ticks(self, naive: pd.Timestamp, value: Any, keyword: str) -> int:
        stamp = naive.to_datetime64()
        # whole numbers of Python: the year 9999 in nanoseconds is beyond 64 bits
        exact = int(stamp.astype(np.int64)) * self.ticks_per_day
        ticks = -(-exact // TICKS_PER_DAY[np.datetime_data(stamp.dtype)[0]])
        if abs(ticks) > LAST:
            msg = f"{keyword}={value!r}: the log counts time in {self.unit}, from {self.stamp(-LAST)} to {self.stamp(LAST)}"
            raise OptionError(msg)
        return ticks

    def _read(self, value: Any, keyword: str) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Wall-clock and UTC time of `value`, both without a zone."""
        if isinstance(value, (bool, int, float, np.number)):
            msg = f"{keyword}={value!r} is a number; pass a date such as '2011-06-30' or a Timestamp"
            raise OptionError(msg)
        msg = f"{keyword}={value!r} is not a date or time; text is read if it is ISO 8601 (YYYY-MM-DD)"
        try:
            stamp: Any = _iso(value) if isinstance(value, str) else pd.Timestamp(value)
        except (ValueError, TypeError, OverflowError) as error:
            raise OptionError(msg) from error
        if pd.isna(stamp):
            raise OptionError(msg)
        if stamp.tzinfo is not None and self.zone is None:
            msg = f"{keyword}={value!r} has a time zone, the times of the log have none; drop the zone or localise the column"
            raise OptionError(msg)
        if self.zone is None:
            return stamp, stamp
        try:
            if stamp.tzinfo is None:
                # a wall-clock time that occurs twice is the first of the two; one that is skipped is the moment after the gap
                local = stamp.tz_localize(self.zone, ambiguous=True, nonexistent="shift_forward")
            else:
                local = stamp.tz_convert(self.zone)
            return local.tz_localize(None), local.tz_convert("UTC").tz_localize(None)
        except (ValueError, OverflowError) as error:
            msg = f"{keyword}={value!r} is too near the end of time to be told in zone {self.zone}"
            raise OptionError(msg) from error


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Times:
    """A column of moments: `wall` as the clock of the place shows them, `instant` in UTC (the same array without a zone)."""

    wall: Ticks
    instant: Ticks
    clock: Clock


def times(frame: Any, column: Any, *, keyword: str | None = None, ignore: npt.NDArray[np.bool_] | None = None) -> Times:
    """Read `column` as moments, none of them missing, in one zone or none; rows flagged in `ignore` may be missing."""
    frame = read(frame)
    series = as_pandas(frame.column(column, keyword=keyword), frame.kind)
    series = _as_datetimes(series, column)
    unit, zone = _unit_and_zone(series.dtype, column)
    if isinstance(series.dtype, pd.ArrowDtype):
        # NA shows as NaT once the column is numpy's
        try:
            naive = series.astype(f"datetime64[{unit}, {zone}]" if zone else f"datetime64[{unit}]")
        except TypeError as error:
            raise DataError(_unknown_zone(column, zone)) from error
    elif zone is not None and zone != str(series.dtype.tz):
        naive = series.dt.tz_convert(zone)
    else:
        naive = series
    if zone is None:
        wall = instant = naive.to_numpy().astype(f"datetime64[{unit}]", copy=False).view(np.int64)
    else:
        msg = (
            f"column {column!r}: a time so near the end of what {unit} can count that its zone carries it over; look for a filler"
        )
        try:
            wall = naive.dt.tz_localize(None).to_numpy().astype(f"datetime64[{unit}]", copy=False).view(np.int64)
        except (ValueError, OverflowError) as error:
            raise DataError(msg) from error
        utc = naive.dt.tz_convert("UTC").dt.tz_localize(None)
        instant = utc.to_numpy().astype(f"datetime64[{unit}]", copy=False).view(np.int64)
        # pandas 2 lets the wall clock run over the end in silence
        edge = LAST - 2 * TICKS_PER_DAY[unit]
        if wall.size and (instant.max() > edge or instant.min() < -edge):
            apart = np.abs(wall.astype(np.float64) - instant.astype(np.float64))
            if (apart > 2.0 * TICKS_PER_DAY[unit]).any():
                raise DataError(msg)
    if wall.size and wall.min() == NAT:
        gone = wall == NAT if ignore is None else (wall == NAT) & ~ignore
    else:
        gone = np.zeros(1, np.bool_)
    if gone.any():
        count, row = first_place(gone)
        msg = f"column {column!r}: {count:,} missing times, the first in row {row}; drop these rows before the call"
        raise DataError(msg)
    wall = readonly(wall)
    return Times(wall, wall if zone is None else readonly(instant), Clock(unit, zone))


def wall_order(start: Ticks, wall: Ticks, instant: Ticks, clock: Clock) -> npt.NDArray[np.intp] | None:
    """Return the order in which the days of each customer ascend on the wall clock; None where that of time is it already.

    `start` are the offsets of the customers, whose instants ascend. The order is another only where clocks go back across
    midnight and show yesterday once more.
    """
    if wall is instant or wall.size == 0:
        return None
    back = np.flatnonzero(wall[1:] < wall[:-1])
    first_of_customer = np.zeros(wall.size + 1, np.bool_)
    first_of_customer[start] = True
    back = back[~first_of_customer[back + 1]]
    if not (wall[back + 1] // clock.ticks_per_day != wall[back] // clock.ticks_per_day).any():
        return None
    return np.lexsort((wall, np.repeat(np.arange(start.size - 1), np.diff(start))))


def _offset(value: str) -> str:
    found = OFFSET.search(value)
    return "None" if found is None else found[1]


def _iso(value: str) -> Any:
    """Read text as ISO 8601 only: day-first and month-first dates look alike, and a bare hour would be today's."""
    if value in CLOCK_WORDS:
        raise ValueError(value)
    try:
        return pd.to_datetime(value, format="ISO8601")
    except pd.errors.OutOfBoundsDatetime:  # pandas 2 tries nanoseconds alone
        return pd.Timestamp(value)


def _zone_name(zone: dt.tzinfo, column: Any) -> str:
    """Name a zone so that pandas and Arrow find it again: "Europe/Paris", or "+01:00" where it is a fixed offset."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if isinstance(name, str):
        return name
    offset = zone.utcoffset(None)
    if offset is not None and offset % dt.timedelta(minutes=1) == dt.timedelta(0):
        minutes = offset // dt.timedelta(minutes=1)
        return "UTC" if minutes == 0 else f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    # dateutil knows the file it read
    _, found, name = str(getattr(zone, "_filename", "")).rpartition("zoneinfo/")
    if found and name:
        return name
    raise DataError(_unknown_zone(column, zone))


def _unknown_zone(column: Any, zone: Any) -> str:
    return (
        f"column {column!r}: no zone is known as {str(zone)!r}; convert the times first, as with .dt.tz_convert('Europe/Paris')"
    )


def _unit_and_zone(dtype: Any, column: Any) -> tuple[str, str | None]:
    if isinstance(dtype, pd.DatetimeTZDtype):
        return dtype.unit, _zone_name(dtype.tz, column)
    if isinstance(dtype, pd.ArrowDtype):
        return dtype.pyarrow_dtype.unit, dtype.pyarrow_dtype.tz
    return str(np.datetime_data(dtype)[0]), None


def _as_datetimes(series: Any, column: Any) -> Any:
    """Turn dates, Python datetimes and ISO 8601 text into a datetime column; refuse what could be read in two ways."""
    dtype = series.dtype
    if isinstance(dtype, pd.ArrowDtype):
        arrow = str(dtype.pyarrow_dtype)
        if arrow.startswith("timestamp"):
            return series
        if arrow.startswith("date"):
            try:
                return series.astype("datetime64[s]")
            except OverflowError as error:
                msg = f"column {column!r} holds dates beyond the year 9999; look for a filler"
                raise DataError(msg) from error
    if isinstance(dtype, pd.DatetimeTZDtype) or (isinstance(dtype, np.dtype) and dtype.kind == "M"):
        return series
    if isinstance(dtype, pd.CategoricalDtype) and not pd.api.types.is_numeric_dtype(dtype.categories.dtype):
        return _as_datetimes(series.astype(dtype.categories.dtype), column)
    if pd.api.types.is_string_dtype(dtype) or pd.api.types.is_object_dtype(dtype):
        return _parse(series, column)
    msg = (
        f"column {column!r} holds {dtype}, not times; convert it first, such as pandas.to_datetime(column, unit='s')"
        " for seconds since 1970 or format='%Y%m%d' for 20110630"
    )
    raise DataError(msg)


def _parse(series: Any, column: Any) -> Any:
    values = series.astype(object)
    text = values.map(lambda value: isinstance(value, str)).to_numpy(dtype=np.bool_, na_value=False)
    dates = values.map(lambda value: isinstance(value, (dt.date, np.datetime64)) or value is pd.NaT).to_numpy(dtype=np.bool_)
    missing = values.isna().to_numpy(dtype=np.bool_)
    strange = ~(text | dates | missing)
    if strange.any():
        count, row = first_place(strange)
        msg = f"column {column!r}: {count:,} neither dates nor text, the first in row {row} (a {type(values.iloc[row]).__name__})"
        raise DataError(msg)
    mixed = (
        f"column {column!r} mixes time zones, or times with and without one;"
        " convert it with pandas.to_datetime(column, utc=True).dt.tz_convert(your zone)"
    )
    zones = {str(getattr(value, "tzinfo", None)) for value in values[dates & ~missing]}
    zones |= {_offset(value) for value in values[text]}
    if len(zones) > 1:
        raise DataError(mixed)
    try:
        # day-first and month-first dates look alike; only ISO 8601 can be read in one way
        parsed = pd.to_datetime(values, format="ISO8601", errors="coerce")
    except (ValueError, TypeError) as error:
        raise DataError(mixed) from error
    if parsed.dtype == object:  # what pandas 2 makes of several offsets
        raise DataError(mixed)
    unread = (parsed.isna().to_numpy() & ~missing) | values.isin(CLOCK_WORDS).to_numpy()
    if unread.any():
        count, row = first_place(unread)
        msg = (
            f"column {column!r}: {count:,} not dates in ISO 8601 (YYYY-MM-DD), the first in row {row} ({values.iloc[row]!r});"
            " convert it with pandas.to_datetime(column, format=...)"
        )
        raise DataError(msg)
    return parsed
