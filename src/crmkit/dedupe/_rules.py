"""Blocking rules: which columns, or what of them, must be equal for two records to be worth comparing."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import blocking as _k
from crmkit.dedupe._phonetic import nysiis_code, soundex_code
from crmkit.dedupe.fields import Field, encode_field
from crmkit.dedupe.strings import encode
from crmkit.errors import ColumnError, OptionError

CALL = re.compile(r"(\w+)\((.*?)(?:,\s*(\d+))?\)")
HASHES, ROWS_PER_BAND = 16, 2
MOST_WINDOW = 1000

# name -> (what it takes of a value, whether it needs a number)
PARTS: dict[str, tuple[Callable[[str, int], str], bool]] = {
    "prefix": (lambda value, k: value[:k] if len(value) >= k else "", True),
    "suffix": (lambda value, k: value[-k:] if len(value) >= k else "", True),
    "initial": (lambda value, _: value[:1], False),
    "first_word": (lambda value, _: value.split(" ", 1)[0], False),
    "last_word": (lambda value, _: value.rsplit(" ", 1)[-1], False),
    "soundex": (lambda value, _: soundex_code(value), False),
    "nysiis": (lambda value, _: nysiis_code(value), False),
    "year": (lambda value, _: value[:4] if value[:4].isdecimal() and len(value) >= 8 else "", False),
    "domain": (lambda value, _: value.rpartition("@")[2] if "@" in value else "", False),
    "local_part": (lambda value, _: value.rpartition("@")[0], False),
    "digits": (lambda value, k: "".join(c for c in value if c.isdecimal())[-k:], True),
}
ALONE = ("neighbours", "minhash")
EXPECTED = (
    "blocking= is a list of rules joined by OR, each a column or a tuple of columns that must be equal, such as "
    "['email', ('name', 'city')]. In place of a column stands also what is taken of it: "
    f"{', '.join(f'{name}(column, k)' if takes else f'{name}(column)' for name, (_, takes) in PARTS.items())}; a rule of its own "
    "is 'neighbours(column, k)', the k next in sorted order, or 'minhash(column, q)', texts that share most runs of q characters"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A column as it stands, or what a function takes of it."""

    column: str
    function: str = ""
    k: int = 0

    def __str__(self) -> str:
        shown = repr(self.column) if " + " in self.column or "," in self.column else self.column
        if not self.function:
            return shown
        return f"{self.function}({shown}, {self.k})" if self.k else f"{self.function}({shown})"


Rule = tuple[Part, ...]


def name_of(rule: Rule) -> str:
    """Write a rule as people would."""
    return " + ".join(map(str, rule))


def columns_of(rule: Rule) -> tuple[str, ...]:
    """Return the columns whose equality the rule demands: they are no evidence among its pairs."""
    return tuple(part.column for part in rule if not part.function)


def parsed(blocking: Any, columns: Sequence[Any], keyword: str = "blocking") -> list[Rule]:
    """Return the rules the caller wrote down, or say what a rule is."""
    if isinstance(blocking, str) or not isinstance(blocking, Sequence) or not blocking:
        raise OptionError(EXPECTED)
    rules: list[Rule] = []
    for given in blocking:
        listed = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Sequence) else ()
        if not listed or not all(isinstance(part, str) for part in listed) or len(set(listed)) < len(listed):
            raise OptionError(EXPECTED)
        rule = tuple(_part(part, columns, keyword) for part in listed)
        if len(rule) > 1 and any(part.function in ALONE for part in rule):
            msg = f"{name_of(rule)}: neighbours and minhash are rules of their own; they cannot be joined with others"
            raise OptionError(msg)
        if set(rule) not in map(set, rules):
            rules.append(rule)
    return rules


def _part(written: str, columns: Sequence[Any], keyword: str) -> Part:
    if written in columns:
        return Part(written)
    bare = written.strip("'\"")
    if bare != written and bare in columns:  # a name in quotes, as a model writes those that could be misread
        return Part(bare)
    call = CALL.fullmatch(written.strip())
    if not call:
        raise ColumnError.missing(written, columns, keyword=keyword)
    function, column, k = call[1], call[2].strip().strip("'\""), int(call[3] or 0)
    if function not in PARTS and function not in ALONE:
        msg = f"{written!r}: {function!r} is not one of {sorted([*PARTS, *ALONE])}"
        raise OptionError(msg)
    if column not in columns:
        raise ColumnError.missing(column, columns, keyword=keyword)
    if function == "minhash":
        k = k or 3
    needs = function in ALONE or PARTS[function][1]
    if needs != (k > 0) or k > MOST_WINDOW:
        takes, shown = ("a whole number from 1 to 1000", ", 3") if needs else ("no number", "")
        msg = f"{written!r}: {function} takes {takes}, as in {function}(column{shown})"
        raise OptionError(msg)
    return Part(column, function, k)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Blocks:
    """One rule laid out (or one band of it): the block of every row, rows by block, where partners end, and the pairs.

    Rows are a pair where their keys differ by at most `window`: 0 is one block.
    """

    rule: Rule
    keys: npt.NDArray[np.int32]
    window: int
    order: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    n_pairs: int
    largest: int  # rows in the largest block
    largest_pairs: int

    @property
    def name(self) -> str:
        """The rule as people would write it."""
        return name_of(self.rule)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sides:
    """Which table every row is from (0 or 1), and which sides are compared: one table is all of side 0 with itself."""

    of_row: npt.NDArray[np.int8]
    allowed: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, n: int, other: int | None = None, *, within: tuple[bool, bool] = (False, False)) -> Sides:
        """Rows 0 to n are of one table, `other` more of a second; `within` says which of two are also compared with itself."""
        side = np.repeat(np.array([0, 1], dtype=np.int8), [n, other or 0])
        alone = other is None
        allowed = np.array([[alone or within[0], True], [True, alone or within[1]]])
        return cls(_frame.readonly(side), _frame.readonly(allowed))

    def reordered(self, order: npt.NDArray[np.int64]) -> Sides:
        """Return the sides of rows in another order."""
        return Sides(_frame.readonly(self.of_row[order]), self.allowed)

    def pairs(self, keys: npt.NDArray[np.int32], n_keys: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Count rows and allowed pairs of each block."""
        shift = keys >= 0
        counts = [np.bincount(keys[shift & (self.of_row == side)], minlength=n_keys).astype(np.int64) for side in (0, 1)]
        pairs = sum(
            (c * (c - 1) // 2 for side, c in enumerate(counts) if self.allowed[side, side]), np.zeros(n_keys, dtype=np.int64)
        )
        return counts[0] + counts[1], pairs + counts[0] * counts[1] * bool(self.allowed[0, 1])

    def total(self, rows: npt.NDArray[np.int32] | None = None) -> int:
        """Count all allowed pairs, of some rows or of all."""
        keys = np.full(self.of_row.size, 0 if rows is None else -1, dtype=np.int32)
        keys[rows if rows is not None else slice(0)] = 0
        return int(self.pairs(keys, 1)[1][0]) if keys.size else 0


def lay_out(rule: Rule, fields: dict[str, Field], sides: Sides, first: npt.NDArray[np.bool_] | None = None) -> list[Blocks]:
    """Lay out the rows by what `rule` demands of them; the bands of a minhash are several blocks that make one rule.

    Where `first` is given, other rows are in no block.
    """
    part = rule[0]
    if part.function == "minhash":
        return [_blocks(rule, _only(first, keys), n_keys, sides) for keys, n_keys in _bands(fields[part.column], part.k)]
    if part.function == "neighbours":
        return [_neighbours(rule, fields[part.column], part.k, sides, first)]
    return [_blocks(rule, *keys_of(rule, fields, first), sides)]


def _only(first: npt.NDArray[np.bool_] | None, keys: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return keys if first is None else np.where(first, keys, keys.dtype.type(-1))


def keys_of(
    rule: Rule, fields: dict[str, Field], first: npt.NDArray[np.bool_] | None = None
) -> tuple[npt.NDArray[np.int32], int]:
    """Return a dense block number for every row, -1 where a part is missing or `first` is not, and how many there are."""
    keys: npt.NDArray[Any] = np.zeros(0)
    n_keys = 0
    for place, part in enumerate(rule):
        codes, n_codes = _part_codes(fields[part.column], part)
        if place == 0:
            keys, n_keys = codes, n_codes
        else:
            joined = _k.join_codes(_frame.readonly(keys.astype(np.int64)), _frame.readonly(codes), max(n_codes, 1))
            keys, n_keys = _k.dense_keys(_frame.readonly(joined))
    return _only(first, keys), n_keys


def _part_codes(field: Field, part: Part) -> tuple[npt.NDArray[np.int32], int]:
    if not part.function:
        return field.codes, field.n_values
    take, _ = PARTS[part.function]
    taken = [take(value, part.k) for value in field.values]
    number = {key: code for code, key in enumerate(dict.fromkeys(key for key in taken if key))}
    table = np.array([*(number.get(key, -1) for key in taken), -1], dtype=np.int32)
    return table[field.codes], len(number)


def _blocks(rule: Rule, keys: npt.NDArray[np.int32], n_keys: int, sides: Sides) -> Blocks:
    keys = _frame.readonly(keys)
    order, ends = _k.block_ends(keys, n_keys)
    rows, pairs = sides.pairs(keys, n_keys)
    worst = int(pairs.argmax()) if pairs.size else 0
    return Blocks(
        rule=rule,
        keys=keys,
        window=0,
        order=_frame.readonly(order),
        ends=_frame.readonly(ends),
        n_pairs=int(pairs.sum()),
        largest=int(rows[worst]) if rows.size else 0,
        largest_pairs=int(pairs[worst]) if rows.size else 0,
    )


def _neighbours(rule: Rule, field: Field, window: int, sides: Sides, first: npt.NDArray[np.bool_] | None) -> Blocks:
    """Give every row its place in the sorted order of values; equal values stand in the order of the rows."""
    rank = np.empty(field.n_values + 1, dtype=np.int64)
    rank[np.array(sorted(range(field.n_values), key=field.values.__getitem__), dtype=np.int64)] = np.arange(field.n_values)
    rank[-1] = -1
    by_value = _only(first, rank[field.codes])
    order = np.argsort(by_value, kind="stable")
    order = order[np.count_nonzero(by_value < 0) :]
    keys = np.full(field.codes.size, -1, dtype=np.int32)
    keys[order] = np.arange(order.size, dtype=np.int32)
    ends = np.minimum(np.arange(order.size) + window + 1, order.size).astype(np.int32)
    rows, ends = _frame.readonly(order.astype(np.int32)), _frame.readonly(ends)
    n_pairs = int(_k.count_window(rows, ends, sides.of_row, sides.allowed))
    most = min(window + 1, order.size)
    return Blocks(rule, _frame.readonly(keys), window, rows, ends, n_pairs, most, min(most * (most - 1) // 2, n_pairs))


def _bands(field: Field, q: int) -> list[tuple[npt.NDArray[np.int32], int]]:
    """Give values numbers by the least hashes of their runs of characters, a few at a time: alike texts meet in some band."""
    strings = encode(field.values)
    points = np.frombuffer("".join(field.values).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int32)
    hashes = _k.min_hashes(_frame.readonly(points), strings.offsets, q, HASHES)
    answer = []
    for first in range(0, HASHES, ROWS_PER_BAND):
        band = hashes[:, first : first + ROWS_PER_BAND].sum(axis=1, dtype=np.uint64) >> np.uint64(1)
        numbers, n_numbers = _k.dense_keys(_frame.readonly(band.astype(np.int64)))
        answer.append((np.append(numbers, np.int32(-1))[field.codes].astype(np.int32), int(n_numbers)))
    return answer


def with_columns(rules: Sequence[Rule], fields: Sequence[Field], frames: Any, order: npt.NDArray[np.int64]) -> dict[str, Field]:
    """Return the fields by name, with those columns that only block read as text."""
    known = {field.column: field for field in fields}
    for rule in rules:
        for part in rule:
            if part.column not in known:
                read = encode_field(frames, part.column, "text", ("exact",), keyword="blocking")
                known[part.column] = read.reordered(order)
    return known
