"""Numbers and times as a text file writes them: read where it is told how, and how they seem to be written where it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crmkit import _frame
from crmkit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["numbers", "times"]

# decimal sign and what groups digits by three, None where nothing does: the options by which a column may be read
NUMBERS = ((",", None), (",", "."), (".", ","), (",", " "), (".", " "), (".", "'"))
DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%Y%m%d")
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p")
CURRENCY = r"[$€£¥₹]|(?<![A-Z])[A-Z]{3}(?![A-Z])"
OFFSET = r"\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:UTC|Z|[+-]\d{2}:?\d{2}|[+-]\d{2})$"


def numbers(values: pd.Series, column: str, decimal: str | None, thousands: str | None) -> Any:
    """Return text as numbers; what is not written as it was told is refused, not guessed at."""
    import pandas as pd

    text = _without_currency(values.astype("string").str.strip())
    # pandas takes every group sign out wherever it stands, and 16.58 would be 1658: here groups have three digits
    unread = (~text.str.fullmatch(_number(decimal or ".", thousands)) & text.notna()).to_numpy(dtype=bool, na_value=False)
    if unread.any():
        count, row = _frame.first_place(unread)
        msg = f"column {column!r}: {count:,} not numbers, the first in row {row} ({values.iloc[row]!r}); {_cure(text.dropna())}"
        raise DataError(msg)
    if thousands is not None:
        text = text.str.replace(thousands, "", regex=False)
    return pd.to_numeric(text.str.replace(decimal or ".", ".", regex=False)).astype("float64")


def times(values: pd.Series, column: str, time_format: str | None, zone: str | None) -> Any:
    """Return times as they were told to be written, and on the clock that `zone` names."""
    import pandas as pd

    if zone is not None and values.dtype.kind == "M":
        return _on_clock(values, column, zone)
    if time_format is None and zone is None:
        _refuse_other_spelling(values, column)
        return values
    if values.dtype.kind in "iuf":
        values = values.astype("Int64").astype("string")
    if zone is not None:
        without = (values.notna() & ~values.astype("string").str.contains(OFFSET)).to_numpy(dtype=bool, na_value=False)
        if without.any():
            raise _without_offset(column, zone, without)
    try:
        moments = pd.to_datetime(values, format=time_format or "ISO8601", errors="coerce", utc=zone is not None)
    except ValueError as error:
        msg = f"--time-format {time_format!r}: {error}"
        raise DataError(msg) from error
    unread = (moments.isna() & values.notna()).to_numpy(dtype=bool)
    if unread.any():
        count, row = _frame.first_place(unread)
        written = "in ISO 8601" if time_format is None else f"as {time_format!r}"
        msg = f"column {column!r}: {count:,} not written {written}, the first in row {row} ({values.iloc[row]!r})"
        raise DataError(msg)
    return moments if zone is None else _on_clock(moments, column, zone)


def _number(decimal: str, thousands: str | None) -> str:
    groups = "" if thousands is None else rf"[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})+|"
    sign = re.escape(decimal)
    return rf"[-+]?(?:(?:{groups}[0-9]+)(?:{sign}[0-9]*)?|{sign}[0-9]+)"


def _cure(text: pd.Series) -> str:
    """Say by which options the whole column could be read, or what stands in their way."""
    fitting = [
        _options(decimal, thousands)
        for decimal, thousands in NUMBERS
        if text.str.fullmatch(_number(decimal, thousands)).all()
        and (thousands is None or text.str.contains(thousands, regex=False).any())
    ]
    if fitting:
        return f"pass {' or '.join(fitting)}" + (", whichever is meant" if len(fitting) > 1 else "")
    marks = list(dict.fromkeys(text.str.extract(f"({CURRENCY})")[0].dropna()))
    if marks:
        return f"write one currency in every row or in none ({', '.join(marks[:4])}), and plain numbers, such as 1000.50"
    return "write plain numbers, such as 1000.50"


def _without_currency(text: pd.Series) -> pd.Series:
    """Take the sign of one currency off, where every amount has it: amounts without it, or with another, are left as they are."""
    mark = text.str.extract(f"({CURRENCY})")[0]
    marks = mark.dropna().unique()
    if len(marks) != 1 or mark[text.notna()].isna().any():
        return text
    sign = re.escape(marks[0])
    bare = text.str.replace(rf"^([-+]?)\s*{sign}\s*", r"\1", regex=True)
    return bare.str.replace(rf"\s*{sign}$", "", regex=True)


def _options(decimal: str, thousands: str | None) -> str:
    given = [f'--decimal "{decimal}"'] if decimal != "." else []
    return " ".join([*given, *([f'--thousands "{thousands}"'] if thousands is not None else [])])


def _refuse_other_spelling(values: pd.Series, column: str) -> None:
    """Refuse text that all fits a spelling other than ISO 8601, and name that; the log says what is wrong with the rest."""
    import pandas as pd

    text = values.dropna()
    if text.empty or not isinstance(text.iloc[0], str):
        return
    if pd.to_datetime(text.iloc[:1], format="ISO8601", errors="coerce", utc=True).notna().all():
        return
    fitting = [f'"{style}"' for style in _styles() if _fits(text.iloc[:1000], style) and _fits(text, style)]
    if fitting:
        row = int(values.notna().to_numpy().argmax())
        both = "which fits all rows" if len(fitting) == 1 else "which fit all rows: days or months may come first"
        msg = (
            f"column {column!r}: {len(text):,} not dates in ISO 8601 (YYYY-MM-DD), the first in row {row} ({text.iloc[0]!r});"
            f" say how it is written, such as --time-format {' or '.join(fitting)}, {both}"
        )
        raise DataError(msg)


def _styles() -> Iterator[str]:
    return (date + clock for clock in CLOCKS for date in DATES)


def _fits(text: pd.Series, style: str) -> bool:
    import pandas as pd

    return bool(pd.to_datetime(text, format=style, errors="coerce").notna().all())


def _on_clock(moments: Any, column: str, zone: str) -> Any:
    import pandas as pd

    if moments.dt.tz is None:
        raise _without_offset(column, zone, moments.notna().to_numpy(dtype=bool))
    try:
        return moments.dt.tz_convert(zone)
    except (KeyError, ValueError, OSError, pd.errors.OutOfBoundsDatetime) as error:
        msg = f"--zone {zone!r}: there is no such time zone; name one such as Europe/Berlin or UTC"
        raise DataError(msg) from error


def _without_offset(column: str, zone: str, without: Any) -> DataError:
    count, row = _frame.first_place(without)
    return DataError(
        f"column {column!r}: {count:,} times say neither an offset nor UTC, the first in row {row}; --zone {zone} moves only"
        " times that do, so leave it out"
    )
