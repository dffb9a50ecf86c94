"""The levels on which two values of a field may agree: what is accepted, and what each kind of field has by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crmkit.errors import OptionError

Level = str | tuple[str, float | str]

# best first; a pair has the first level that holds. The Jaro-Winkler cuts are those of Enamorado, Fifield & Imai (2019)
KINDS: Mapping[str, tuple[Level, ...]] = {
    "name": ("exact", ("jaro_winkler", 0.92), ("jaro_winkler", 0.88)),
    "text": ("exact", ("jaro_winkler", 0.92), ("jaro_winkler", 0.88)),
    "address": ("exact", ("jaro_winkler", 0.95), ("jaro_winkler", 0.88)),
    "date": ("exact", ("date_parts", 2)),
    "email": ("exact", "local_part", ("jaro_winkler", 0.92), ("jaro_winkler", 0.88)),
    "phone": ("exact", ("levenshtein", 1), ("levenshtein", 2)),
    "id": ("exact", ("levenshtein", 1), ("levenshtein", 2)),
    "category": ("exact",),
    "number": ("exact", ("percent", 1.0), ("percent", 10.0)),
    "geo": ("exact", ("km", 0.2), ("km", 2.0), ("km", 20.0)),
    "set": ("exact", ("jaccard", 0.5), ("overlap", 1.0)),
}
WORDS = ("exact", "local_part", "swapped")
STRINGS = frozenset(("jaro_winkler", "levenshtein", "osa"))
# what a number of each level may be, and whether less of it is stricter
MEASURES: Mapping[str, tuple[float, float, bool]] = {
    "jaro_winkler": (0.0, 1.0, False),
    "levenshtein": (1.0, 1e9, True),
    "osa": (1.0, 1e9, True),
    "date_parts": (1.0, 2.0, False),
    "days": (1.0, 1e9, True),
    "difference": (0.0, 1e300, True),
    "percent": (0.0, 100.0, True),
    "km": (0.0, 20_100.0, True),
    "overlap": (1.0, 1e6, False),
    "jaccard": (0.0, 1.0, False),
}
WHOLE = frozenset(("levenshtein", "osa", "date_parts", "overlap"))
REVERSED = "reversed"
EXPECTED = (
    "a list, best first, that starts with 'exact' and goes on with 'local_part', 'swapped' (day and month), "
    "('jaro_winkler', least similarity between 0 and 1), ('levenshtein', most edits), ('osa', most edits), "
    "('date_parts', 1 or 2 equal), ('days', most apart), ('difference', most), ('percent', most), ('km', most), "
    "('overlap', least words in common), ('jaccard', least share in common), ('reversed', the other column)"
)


def checked(fields: Any) -> dict[Any, tuple[str, tuple[Level, ...]]]:
    """Return kind and levels of every field the caller named, or say what is accepted."""
    if not isinstance(fields, Mapping) or not fields:
        msg = f"fields={{column: kind}} names the columns to compare; kinds are {sorted(KINDS)}"
        raise OptionError(msg)
    answer: dict[Any, tuple[str, tuple[Level, ...]]] = {}
    for column, given in fields.items():
        if isinstance(given, str):
            if given not in KINDS:
                keyword = f"fields[{column!r}]"
                raise OptionError.choice(keyword, given, KINDS)
            answer[column] = (given, KINDS[given])
        elif isinstance(given, tuple) and len(given) == 2 and given[0] in KINDS and isinstance(given[1], list):
            answer[column] = (given[0], levels_of(column, given[1]))
        else:
            levels = levels_of(column, given)
            answer[column] = (kind_of(levels), levels)
        if isinstance(column, tuple) != (isinstance(column, tuple) and len(column) == 2 and answer[column][0] == "geo"):
            msg = f"fields[{column!r}]: only kind 'geo' takes two columns, (latitude, longitude)"
            raise OptionError(msg)
    return answer


def kind_of(levels: Sequence[Level]) -> str:
    """Return the kind whose normal form the levels need."""
    names = {name_of(level) for level in levels}
    for kind, telling in (
        ("geo", {"km"}),
        ("date", {"date_parts", "days", "swapped"}),
        ("number", {"difference", "percent"}),
        ("set", {"overlap", "jaccard"}),
        ("email", {"local_part"}),
    ):
        if names & telling:
            return kind
    return "text"


def name_of(level: Level) -> str:
    """Return what a level measures."""
    return level if isinstance(level, str) else level[0]


def said(level: Level) -> str:
    """Write a level as people read it."""
    if isinstance(level, str):
        return level
    return f"{level[0]} {level[1]:g}" if isinstance(level[1], float) else f"{level[0]} {level[1]}"


def levels_of(column: Any, given: Any) -> tuple[Level, ...]:
    """Return the levels the caller wrote down, or say what is wrong with them."""
    expected = f"levels of {column!r}: {EXPECTED}"
    if not isinstance(given, Sequence) or isinstance(given, str) or not given or given[0] != "exact" or len(given) > 100:
        raise OptionError(expected)
    levels: list[Level] = []
    last: dict[str, float] = {}
    for level in given:
        if isinstance(level, str):
            if level not in WORDS or level in levels:
                raise OptionError(expected)
            levels.append(level)
            continue
        if not isinstance(level, Sequence) or len(level) != 2 or not isinstance(level[0], str):
            raise OptionError(expected)
        name, cut = level
        if name == REVERSED and isinstance(cut, str) and cut != column:
            levels.append((name, cut))
            continue
        if name not in MEASURES or isinstance(cut, (bool, str)) or not isinstance(cut, (int, float, np.number)):
            raise OptionError(expected)
        low, high, less = MEASURES[name]
        cut = float(cut)
        inside = 0 < cut < 1 if name in ("jaro_winkler", "jaccard") else low <= cut <= high
        if not inside or (name in WHOLE and cut != int(cut)):
            raise OptionError(expected)
        stricter = last.get(name)
        if stricter is not None and (cut <= stricter if less else cut >= stricter):
            msg = f"levels of {column!r}: no pair can reach {name!r} {cut:g}, since the first level that holds is taken"
            raise OptionError(msg)
        last[name] = cut
        levels.append((name, cut))
    return tuple(levels)
