"""What a field of a record is: its distinct values in normal form, and on which level two of them agree."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import agreement as _a
from crmkit._kernels import strings as _k
from crmkit.dedupe import _normal
from crmkit.dedupe._levels import REVERSED, STRINGS, WORDS, Level, name_of
from crmkit.dedupe.strings import Encoded, edits, encode, similarities
from crmkit.errors import OptionError

MISSING = -1
LARGER_IS_CLOSER = frozenset(("jaro_winkler", "date_parts", "overlap", "jaccard"))
SEPARATORS = re.compile(r"[;,|]")
THREE_PARTS = re.compile(r"(\d{1,4})[-/. ](\d{1,2})[-/. ](\d{1,4})(?:[t ].*)?")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Field:
    """One column, encoded: a code per row into its distinct values, -1 where there is none.

    `extra` holds what the levels measure by, a row per value; for ``("reversed", other)`` the code, among the values of this
    column, of what `other` holds in each record.
    """

    column: Any
    kind: str
    levels: tuple[Level, ...]
    codes: npt.NDArray[np.int32]
    values: Sequence[str]
    strings: Encoded | None
    extra: Mapping[str, npt.NDArray[Any]]

    def __repr__(self) -> str:
        return f"Field({self.column!r}, {self.codes.size:,} rows, {len(self.values):,} distinct)"

    @property
    def n_values(self) -> int:
        """How many distinct values there are."""
        return len(self.values)

    def reordered(self, order: npt.NDArray[np.int64]) -> Field:
        """Return the field with its rows in another order."""
        rows = {name: _frame.readonly(table[order]) for name, table in self.extra.items() if name.startswith(REVERSED)}
        return dataclasses.replace(self, codes=_frame.readonly(self.codes[order]), extra={**self.extra, **rows})

    def compare(self, left: npt.NDArray[np.int32], right: npt.NDArray[np.int32]) -> npt.NDArray[np.int8]:
        """Return the level of each pair of rows: -1 missing, 0 no agreement, up to ``len(levels)`` for the best."""
        answer = _a.same(self.codes, left, right, len(self.levels))
        if len(self.levels) == 1:
            return answer
        open_ = np.flatnonzero(answer == 0)
        rows = left[open_], right[open_]
        a, b = self.codes[rows[0]], self.codes[rows[1]]
        measured: dict[str, npt.NDArray[Any]] = {}
        for rank, level in enumerate(self.levels[1:], start=1):
            name = name_of(level)
            key = REVERSED + str(level[1]) if name == REVERSED else name
            if key not in measured:
                measured[key] = self._measure(key, a, b, rows)
            if name in WORDS or name == REVERSED:
                holds = measured[key] > 0
            else:
                cut = level[1]
                holds = measured[key] >= cut if name in LARGER_IS_CLOSER else measured[key] <= cut
            answer[open_[holds]] = len(self.levels) - rank
            if rank + 1 < len(self.levels):
                rest = ~holds
                open_, a, b, rows = open_[rest], a[rest], b[rest], (rows[0][rest], rows[1][rest])
                measured = {key: values[rest] for key, values in measured.items()}
        return answer

    def _measure(self, name: str, a: npt.NDArray[np.int32], b: npt.NDArray[np.int32], rows: Any) -> Any:
        a, b = _frame.readonly(a), _frame.readonly(b)
        if name in STRINGS:
            strings = self.strings
            assert strings is not None
            if name == "jaro_winkler":
                # what stays below the lowest cut need not be known exactly
                lowest = min(float(level[1]) for level in self.levels if name_of(level) == name)
                return similarities(strings, a, b, lowest)
            most = max(int(level[1]) for level in self.levels if name_of(level) == name)
            return edits(strings, a, b, _k.levenshtein if name == "levenshtein" else _k.osa, min(most, 2**31))
        if name.startswith(REVERSED):
            other = self.extra[name]
            left, right = rows
            return (other[left] == b) & (other[right] == a)
        table = self.extra[name]
        if name == "local_part":
            return (table[a] == table[b]) & (table[a] >= 0)
        if name == "date_parts":
            both = (table[a] >= 0) & (table[b] >= 0)
            return ((table[a] == table[b]) & both).sum(axis=1)
        if name == "swapped":
            first, second = table[a], table[b]
            turned = (first[:, 0] == second[:, 0]) & (first[:, 1] == second[:, 2]) & (first[:, 2] == second[:, 1])
            return turned & (first[:, 1] >= 0)
        if name in ("days", "difference"):
            return _far(np.abs(table[a] - table[b]))
        if name == "percent":
            larger = np.maximum(np.abs(table[a]), np.abs(table[b]))
            return _far(100.0 * np.abs(table[a] - table[b]) / np.where(larger > 0, larger, 1.0))
        if name == "km":
            return _far(kilometres(table[a], table[b]))
        overlap = _a.common_tokens(self.extra["tokens"], self.extra["token_offsets"], a, b)
        if name == "overlap":
            return overlap
        size = np.diff(self.extra["token_offsets"])
        return overlap / np.maximum(size[a] + size[b] - overlap, 1)

    def equal_pairs(self, codes: npt.NDArray[np.int32]) -> dict[int, float]:
        """Count the pairs of values that reach each leading level which is the equality of a key: exact, not sampled."""
        answer = {}
        for rank, level in enumerate(self.levels):
            if level == "local_part":
                # a value without a local part equals only itself
                parts = self.extra["local_part"][codes]
                codes = np.where(parts >= 0, parts, len(self.values) + codes)
            elif level != "exact":
                break
            counts = np.bincount(codes).astype(np.float64)
            answer[len(self.levels) - rank] = float((counts * (counts - 1.0) / 2.0).sum())
        return answer


def _far(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where a value could not be read as what it should be, nothing is near."""
    return np.where(np.isnan(distance), np.inf, distance)


def kilometres(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Great-circle distance of points (latitude, longitude) in degrees, by the haversine on the mean radius of the earth."""
    (phi, lam), (phi2, lam2) = np.radians(a).T, np.radians(b).T
    half = np.sin((phi2 - phi) / 2) ** 2 + np.cos(phi) * np.cos(phi2) * np.sin((lam2 - lam) / 2) ** 2
    answer: npt.NDArray[np.float64] = 2 * 6371.0088 * np.arcsin(np.sqrt(half.clip(0.0, 1.0)))
    return answer


def encode_field(
    frames: Sequence[_frame.Frame], column: Any, kind: str, levels: tuple[Level, ...], *, keyword: str = "fields"
) -> Field:
    """Read `column` of one or two frames, bring its distinct values into their normal form, and number those."""
    raw, codes = _read(frames, column, keyword)
    form = _normal.FORMS.get(kind, _normal.plain)
    if kind == "date":
        form = partial(_normal.date, day_first=_normal.day_first_of(raw))
    elif kind == "geo":
        form = _point
    normal = list(map(form, raw))
    distinct = dict.fromkeys(normal)
    distinct.pop("", None)
    values = list(distinct)
    number = dict(zip(values, range(len(values)), strict=True))
    number[""] = MISSING
    # the last place takes the code -1 of a missing value
    table = np.append(np.fromiter(map(number.__getitem__, normal), dtype=np.int32, count=len(normal)), np.int32(MISSING))
    names = {name_of(level) for level in levels}
    extra = _extra(values, names)
    for other in [level[1] for level in levels if name_of(level) == REVERSED]:
        others, other_codes = _read(frames, other, keyword)
        unknown = -2  # never the code of a value, nor that of none
        crossed = np.array([*(number.get(form(value), unknown) for value in others), unknown], dtype=np.int32)
        extra[REVERSED + str(other)] = np.where(crossed == MISSING, np.int32(unknown), crossed)[other_codes]
    return Field(
        column=column if isinstance(column, str) else _named(column),
        kind=kind,
        levels=levels,
        codes=_frame.readonly(table[codes]),
        values=values,
        strings=encode(values) if names & STRINGS else None,
        extra={name: _frame.readonly(array) for name, array in extra.items()},
    )


def _named(column: Any) -> Any:
    return ", ".join(map(str, column)) if isinstance(column, tuple) else column


def _read(frames: Sequence[_frame.Frame], column: Any, keyword: str) -> tuple[Sequence[str], npt.NDArray[np.int32]]:
    """Return the distinct texts of a column over all frames, and the code of every row."""
    if isinstance(column, tuple):
        return _pairs_of(frames, column, keyword)
    texts = [_texts(frame, column, keyword) for frame in frames]
    if len(texts) == 1:
        return texts[0]
    every = {value: code for code, value in enumerate(sorted(set().union(*(values for values, _ in texts))))}
    codes = [np.array([*(every[value] for value in values), MISSING], dtype=np.int32)[rows] for values, rows in texts]
    return list(every), np.concatenate(codes)


def _texts(frame: _frame.Frame, column: Any, keyword: str) -> tuple[Sequence[str], npt.NDArray[np.int32]]:
    """Read a column as text; one that holds strings is spared the look at every value, blanks fall to the normal form."""
    encoded = _frame.ids(frame, column, keyword=keyword, missing="drop")
    index = encoded.labels.as_index()
    if index.dtype.kind == "O" or len(index) == 0:
        values = np.asarray(index, dtype=object).tolist()
        if all(type(value) is str for value in values):
            return values, encoded.codes
    text = _frame.text(frame, column, keyword=keyword)
    return text.values, text.codes


def _pairs_of(frames: Sequence[_frame.Frame], columns: tuple[Any, ...], keyword: str) -> tuple[Sequence[str], Any]:
    """Read two columns as one: a value where both are there."""
    (first, a), (second, b) = (_read(frames, column, keyword) for column in columns)
    both = np.where((a >= 0) & (b >= 0), a.astype(np.int64) * (len(second) + 1) + b, MISSING)
    found, codes = np.unique(both, return_inverse=True)
    gone = int(found.size > 0 and found[0] < 0)
    values = [f"{first[code // (len(second) + 1)]},{second[code % (len(second) + 1)]}" for code in found[gone:].tolist()]
    return values, codes.astype(np.int32) - np.int32(gone)


def _point(value: str) -> str:
    """Return latitude and longitude in degrees; nothing where the value is no point of the earth, nor 0, 0."""
    parts = value.strip(" ()[]").replace(";", ",").split(",")
    try:
        latitude, longitude = (float(part) for part in parts)
    except ValueError:
        return ""
    there = abs(latitude) <= 90.0 and abs(longitude) <= 180.0 and (latitude, longitude) != (0.0, 0.0)
    return f"{latitude!r},{longitude!r}" if there else ""


def _extra(values: Sequence[str], names: set[str]) -> dict[str, npt.NDArray[Any]]:
    """Lay out, for every value, what the levels measure."""
    extra: dict[str, npt.NDArray[Any]] = {}
    if "local_part" in names:
        parts = [value.rpartition("@")[0] for value in values]
        number = dict(zip(dict.fromkeys(parts), range(len(parts)), strict=False))
        number[""] = MISSING
        extra["local_part"] = np.fromiter(map(number.__getitem__, parts), dtype=np.int32, count=len(parts))
    if names & {"date_parts", "swapped"}:
        extra["date_parts"] = extra["swapped"] = date_parts(values)
    if "days" in names:
        iso = [value if _normal.is_date(value) else "NaT" for value in values]
        days = np.array(iso, dtype="datetime64[D]")
        extra["days"] = np.where(np.isnat(days), np.nan, days.astype(np.int64).astype(np.float64))
    if names & {"difference", "percent"}:
        extra["difference"] = extra["percent"] = np.array([_float(value) for value in values], dtype=np.float64)
    if "km" in names:
        points = [[float(part) for part in value.split(",")] for value in values]
        extra["km"] = np.array(points, dtype=np.float64).reshape(-1, 2)
    if names & {"overlap", "jaccard"}:
        tokens = [sorted({part.strip() for part in SEPARATORS.split(value)} - {""}) for value in values]
        known = {token: code for code, token in enumerate(sorted(set().union(*tokens)))}
        extra["tokens"] = np.array([known[token] for row in tokens for token in row], dtype=np.int32)
        extra["token_offsets"] = np.cumsum([0, *map(len, tokens)]).astype(np.int64)
        extra["overlap"] = extra["jaccard"] = extra["token_offsets"]
    return extra


def _float(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return float("nan")


def date_parts(values: Sequence[str]) -> npt.NDArray[np.int32]:
    """Return the three numbers of a date in the order written; -1 where it has another form."""
    answer = np.full((len(values), 3), MISSING, dtype=np.int32)
    for place, value in enumerate(values):
        if len(value) == 10 and value[4] == value[7] == "-" and value.replace("-", "").isdecimal():
            answer[place] = int(value[:4]), int(value[5:7]), int(value[8:])
            continue
        parts = _normal.YEAR_FIRST.fullmatch(value) or THREE_PARTS.fullmatch(value)
        if parts:
            answer[place] = [int(part) for part in parts.groups()]
    return answer


def check_columns(frames: Sequence[_frame.Frame], wanted: Mapping[Any, Any]) -> None:
    """Refuse columns of `fields` that are not there, and a field that a tuple of columns and a column both name."""
    for frame in frames:
        for column, (_, levels) in wanted.items():
            used = column if isinstance(column, tuple) else (column,)
            for name in (*used, *(level[1] for level in levels if name_of(level) == REVERSED)):
                frame.column(name, keyword="fields")
    if len({_named(column) for column in wanted}) < len(wanted):
        msg = "fields= names two fields alike"
        raise OptionError(msg)
