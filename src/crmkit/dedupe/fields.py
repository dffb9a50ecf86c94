"""What a field of a record is: its kind, its normal form, and the levels on which two of its values may agree."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import strings as _k
from crmkit.dedupe.strings import Encoded, encode
from crmkit.errors import OptionError

Level = str | tuple[str, float]

# best first; a pair has the first level that holds. The Jaro-Winkler cuts are those of Enamorado, Fifield & Imai (2019)
KINDS: Mapping[str, tuple[Level, ...]] = {
    "name": ("exact", ("jaro_winkler", 0.92), ("jaro_winkler", 0.88)),
    "text": ("exact", ("jaro_winkler", 0.92), ("jaro_winkler", 0.88)),
    "date": ("exact", ("date_parts", 2)),
    "email": ("exact", "local_part", ("jaro_winkler", 0.92), ("jaro_winkler", 0.88)),
    "phone": ("exact", ("levenshtein", 1), ("levenshtein", 2)),
    "id": ("exact", ("levenshtein", 1), ("levenshtein", 2)),
    "category": ("exact",),
}
MISSING = -1

YEAR_FIRST = re.compile(r"(\d{4})[-/. ]?(\d{2})[-/. ]?(\d{2})(?:[t ].*)?")
THREE_PARTS = re.compile(r"(\d{1,4})[-/. ](\d{1,2})[-/. ](\d{1,4})(?:[t ].*)?")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Field:
    """One column, encoded: a code per row into its distinct values, which ascend; -1 where there is none."""

    column: str
    kind: str
    levels: tuple[Level, ...]
    codes: npt.NDArray[np.int32]
    n_values: int
    strings: Encoded
    local_parts: npt.NDArray[np.int32]
    date_parts: npt.NDArray[np.int32]

    def reordered(self, order: npt.NDArray[np.int64]) -> Field:
        """Return the field with its rows in another order."""
        return dataclasses.replace(self, codes=_frame.readonly(self.codes[order]))

    def compare(self, left: npt.NDArray[np.int32], right: npt.NDArray[np.int32]) -> npt.NDArray[np.int8]:
        """Return the level of each pair of rows: -1 missing, 0 no agreement, up to ``len(levels)`` for the best."""
        a, b = self.codes[left], self.codes[right]
        answer = np.zeros(left.size, dtype=np.int8)
        answer[(a < 0) | (b < 0)] = MISSING
        open_ = np.flatnonzero(answer == 0)
        a, b = a[open_], b[open_]
        measured: dict[str, npt.NDArray[Any]] = {}
        for rank, level in enumerate(self.levels):
            name, cut = (level, 0.0) if isinstance(level, str) else level
            if name not in measured:
                measured[name] = self._measure(name, a, b)
            holds = measured[name] <= cut if name == "levenshtein" else measured[name] >= cut
            if isinstance(level, str):
                holds = measured[name] > 0
            answer[open_[holds]] = len(self.levels) - rank
            rest = ~holds
            open_, a, b = open_[rest], a[rest], b[rest]
            measured = {key: values[rest] for key, values in measured.items()}
        return answer

    def _measure(self, name: str, a: npt.NDArray[np.int32], b: npt.NDArray[np.int32]) -> Any:
        if name == "exact":
            return a == b
        if name == "local_part":
            return (self.local_parts[a] == self.local_parts[b]) & (self.local_parts[a] >= 0)
        if name == "date_parts":
            both = (self.date_parts[a] >= 0) & (self.date_parts[b] >= 0)
            return ((self.date_parts[a] == self.date_parts[b]) & both).sum(axis=1)
        kernel: Any = _k.jaro_winkler if name == "jaro_winkler" else _k.levenshtein
        strings = self.strings
        return kernel(strings.characters, strings.offsets, strings.alphabet, _frame.readonly(a), _frame.readonly(b))

    def equal_pairs(self) -> dict[int, float]:
        """Count the pairs of rows that reach each leading level which is the equality of a key: exact, not sampled."""
        codes = self.codes[self.codes >= 0]
        answer = {}
        for rank, level in enumerate(self.levels):
            if level == "local_part":
                # a value without a local part equals only itself
                parts = self.local_parts[codes]
                codes = np.where(parts >= 0, parts, self.local_parts.size + codes)
            elif level != "exact":
                break
            counts = np.bincount(codes).astype(np.float64)
            answer[len(self.levels) - rank] = float((counts * (counts - 1.0) / 2.0).sum())
        return answer


def checked(fields: Any) -> dict[str, tuple[str, tuple[Level, ...]]]:
    """Return kind and levels of every field the caller named, or say what is accepted."""
    if not isinstance(fields, Mapping) or not fields:
        msg = f"fields={{column: kind}} names the columns to compare; kinds are {sorted(KINDS)}"
        raise OptionError(msg)
    answer = {}
    for column, given in fields.items():
        if isinstance(given, str):
            if given not in KINDS:
                keyword = f"fields[{column!r}]"
                raise OptionError.choice(keyword, given, KINDS)
            answer[column] = (given, KINDS[given])
        else:
            answer[column] = ("text", _checked_levels(column, given))
    return answer


def _checked_levels(column: str, given: Any) -> tuple[Level, ...]:
    expected = (
        f"levels of {column!r}: a list, best first, that starts with 'exact' and goes on with 'local_part', "
        "('jaro_winkler', least similarity between 0 and 1), ('levenshtein', most edits), ('date_parts', 1 or 2 equal)"
    )
    if not isinstance(given, Sequence) or not given or given[0] != "exact" or len(given) > 100:
        raise OptionError(expected)
    levels: list[Level] = []
    last: dict[str, float] = {}
    for level in given:
        if isinstance(level, str):
            if level not in ("exact", "local_part") or level in levels:
                raise OptionError(expected)
            levels.append(level)
            continue
        if not isinstance(level, Sequence) or len(level) != 2 or isinstance(level[1], (bool, str)):
            raise OptionError(expected)
        name, cut = str(level[0]), float(level[1])
        accepted = {"jaro_winkler": 0 < cut < 1, "levenshtein": cut >= 1, "date_parts": cut in (1, 2)}
        if not accepted.get(name, False):
            raise OptionError(expected)
        stricter = last.get(name)
        if stricter is not None and (cut <= stricter if name == "levenshtein" else cut >= stricter):
            msg = f"levels of {column!r}: no pair can reach {name!r} {cut:g}, since the first level that holds is taken"
            raise OptionError(msg)
        last[name] = cut
        levels.append((name, cut))
    return tuple(levels)


def encode_field(frame: Any, column: str, kind: str, levels: tuple[Level, ...], *, keyword: str = "fields") -> Field:
    """Read `column`, bring its distinct values into their normal form, and number those in ascending order."""
    text = _frame.text(frame, column, keyword=keyword)
    normal = [NORMAL_FORM.get(kind, _plain)(value) for value in text.values]
    values = sorted(set(normal) - {""})
    number = {value: code for code, value in enumerate(values)}
    number[""] = MISSING
    # the last place takes the code -1 of a missing value
    table = np.array([*(number[value] for value in normal), MISSING], dtype=np.int32)
    names = {level if isinstance(level, str) else level[0] for level in levels}
    fuzzy = not names.isdisjoint(("jaro_winkler", "levenshtein"))
    return Field(
        column=column,
        kind=kind,
        levels=levels,
        codes=_frame.readonly(table[text.codes]),
        n_values=len(values),
        strings=encode(values if fuzzy else []),
        local_parts=_local_parts(values) if "local_part" in names else np.empty(0, dtype=np.int32),
        date_parts=_date_parts(values) if "date_parts" in names else np.empty((0, 3), dtype=np.int32),
    )


def _plain(value: str) -> str:
    """Fold case and compatibility forms, and runs of white space to one space."""
    if value.isascii():  # nothing to compose, and by far the most values
        return " ".join(value.lower().split())
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold()).split())


def _digits(value: str) -> str:
    """Keep digits only: punctuation and spaces in a phone number are taste."""
    return "".join(str(unicodedata.digit(character)) for character in value if character.isdecimal())


def _date(value: str) -> str:
    """Write year-first dates as yyyy-mm-dd; other forms stay as they are, since day and month cannot be told apart."""
    value = _plain(value)
    parts = YEAR_FIRST.fullmatch(value)
    return "-".join(parts.groups()) if parts else value


NORMAL_FORM: Mapping[str, Callable[[str], str]] = {"phone": _digits, "date": _date}


def _local_parts(values: Sequence[str]) -> npt.NDArray[np.int32]:
    """Return a number for what stands before the @; -1 where there is no @ or nothing before it."""
    parts = [value.rpartition("@")[0] for value in values]
    number = {part: code for code, part in enumerate(sorted(set(parts) - {""}))}
    return np.array([number.get(part, MISSING) for part in parts], dtype=np.int32)


def _date_parts(values: Sequence[str]) -> npt.NDArray[np.int32]:
    """Return the three numbers of a date in the order written; -1 where it has another form."""
    answer = np.full((len(values), 3), MISSING, dtype=np.int32)
    for place, value in enumerate(values):
        parts = YEAR_FIRST.fullmatch(value) or THREE_PARTS.fullmatch(value)
        if parts:
            answer[place] = [int(part) for part in parts.groups()]
    return answer
