"""Pairs compared: the level of every field, collapsed to the distinct patterns of agreement."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _threads
from crmkit._kernels import blocking as _k
from crmkit.dedupe import pairs as _pairs
from crmkit.dedupe._copies import Copies
from crmkit.dedupe._rules import Blocks, Rule, Sides, columns_of, name_of
from crmkit.dedupe.fields import Field
from crmkit.errors import DataWarning

Codes = npt.NDArray[np.int32]

PIECE = 1 << 18  # pairs compared by one piece of work
HIGHEST_CODE = 2.0**62
DENSE = 1 << 22  # codes of patterns below this are counted in a table
FIELDS_FOR_OWN_U = 3


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Patterns:
    """Distinct rows of level numbers, how many pairs have each, and the pattern of every pair."""

    levels: npt.NDArray[np.int8]
    counts: npt.NDArray[np.float64]
    of_pair: Codes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Made:
    """What one blocking rule made: its parts, which patterns are among its pairs, and whether it learns its own u.

    `columns` are equal in every pair of the rule and no evidence there; `touched` are those it takes something of: they teach
    nothing about m.
    """

    parts: tuple[str, ...]
    columns: tuple[str, ...]
    touched: tuple[str, ...]
    patterns: npt.NDArray[np.bool_]
    own_u: bool = False


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Compared:
    """All pairs of a call, their patterns, and what each rule made.

    Among records that are alike only the first is compared: `times` then says how many pairs of records each pair stands for,
    `taught` how many of these are learned from, and the last pairs are of a row with itself, for those among its copies.
    """

    left: Codes
    right: Codes
    patterns: Patterns
    rules: dict[str, Made]
    added: dict[str, int]
    times: npt.NDArray[Any] | None = None
    taught: npt.NDArray[Any] | None = None

    def agreement(self, n_fields: int) -> npt.NDArray[np.int8]:
        """Return the levels of the patterns without the columns that only say which rule made them."""
        return self.patterns.levels[:, :n_fields]

    def total(self, values: npt.NDArray[Any]) -> float:
        """Sum a value of each pair over the pairs of records."""
        if self.times is None:
            return float(values.sum())
        pieces = _threads.chunks(values.size, PIECE)
        return float(sum(float(values[start:stop] @ self.times[start:stop]) for start, stop in pieces))


class Outside:
    """Rules whose pairs cannot be told by the levels of the compared fields, with their blocks."""

    def __init__(self, blocks: Sequence[Blocks], compared: Sequence[str]) -> None:
        self.rules: dict[Rule, list[Blocks]] = {}
        for block in blocks:
            if any(part.function or part.column not in compared for part in block.rule):
                self.rules.setdefault(block.rule, []).append(block)

    def flags(self, left: Codes, right: Codes) -> list[npt.NDArray[np.int8]]:
        """Return for every such rule whether it made each pair."""
        answer = []
        for blocks in self.rules.values():
            made = np.zeros(left.size, dtype=np.int8)
            for block in blocks:
                _k.in_block(block.keys, block.window, left, right, made)
            answer.append(made)
        return answer


def compare(
    fields: Sequence[Field],
    blocks: Sequence[Blocks],
    sides: Sides,
    *,
    n_threads: int | None = None,
    given: tuple[Codes, Codes] | None = None,
    copies: Copies | None = None,
    teachers: npt.NDArray[np.bool_] | None = None,
) -> Compared:
    """Make the pairs of all rules, or take those given, compare them, and say which patterns each rule made.

    With `copies` the blocks hold the first rows only, and each of those that is in some block also meets its own copies. Patterns
    are counted among `teachers`, by default all.
    """
    outside = Outside(blocks, [field.column for field in fields])
    sizes = [*(len(field.levels) + 1 for field in fields), *([2] * len(outside.rules))]
    added: dict[str, int] = {block.name: 0 for block in blocks}
    lefts, rights = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    codes: list[npt.NDArray[Any]] = [np.empty(0, np.int64)]

    def coded(pair: tuple[Codes, Codes]) -> npt.NDArray[Any]:
        left, right = pair
        columns = [field.compare(left, right) for field in fields] + outside.flags(left, right)
        return np.stack(columns, axis=1) if wide else _coded(columns, sizes)

    made: Iterable[tuple[int, Codes, Codes]] = [(-1, *given)] if given is not None else []
    if given is None:
        made = _pairs.stream(blocks, sides, n_threads=n_threads)
        if copies is not None and blocks:
            own = _frame.readonly(copies.own(np.logical_or.reduce([block.keys >= 0 for block in blocks]), sides))
            made = chain(made, [(-1, own, own)])
    width = float(np.prod([float(size + 1) for size in sizes]))
    small, wide = width <= DENSE, width > HIGHEST_CODE
    for number, left, right in made:
        if number >= 0:
            added[blocks[number].name] += left.size
        pieces = [
            (_frame.readonly(left[start:stop]), _frame.readonly(right[start:stop]))
            for start, stop in _threads.chunks(left.size, PIECE)
        ]
        lefts.append(left)
        rights.append(right)
        codes += [piece.astype(np.int32) if small else piece for piece in _threads.run(coded, pieces, n_threads=n_threads)]
    if small:
        codes[0] = codes[0].astype(np.int32)
    elif wide:
        codes[0] = np.empty((0, len(sizes)), dtype=np.int8)
    left, right = np.concatenate(lefts), np.concatenate(rights)
    times = None if copies is None else copies.pairs(left, right)
    taught: npt.NDArray[Any] | None = times
    if teachers is not None:
        taught = teachers[left] & teachers[right] if copies is None else copies.pairs(left, right, teachers)
    patterns = _collapsed(np.concatenate(codes), sizes, int(width) if small else 0, taught)
    return Compared(left, right, patterns, _what_rules_made(fields, blocks, outside, patterns), added, times, taught)


def _coded(columns: Sequence[npt.NDArray[np.int8]], sizes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Write the levels of each pair as one number."""
    code = np.zeros(columns[0].size, dtype=np.int64)
    for column, size in zip(columns, sizes, strict=True):
        code *= size + 1
        code += column
        code += 1
    return code


def _collapsed(codes: npt.NDArray[Any], sizes: Sequence[int], width: int, times: npt.NDArray[Any] | None = None) -> Patterns:
    """Find the distinct patterns, and count the pairs of each; a pair counts `times` over."""
    counts: npt.NDArray[Any]
    if codes.ndim == 2:  # no machine word holds a pattern
        levels, inverse = np.unique(codes, axis=0, return_inverse=True)
        of_pair = inverse.ravel().astype(np.int32)
        counts = np.bincount(of_pair, weights=times, minlength=len(levels))
        return Patterns(np.ascontiguousarray(levels), counts.astype(np.float64), of_pair)
    if width:
        seen = np.zeros(width)
        for start, stop in _threads.chunks(codes.size, PIECE):
            # sums of whole numbers are exact, in whatever order
            some = slice(start, stop)
            seen += np.bincount(codes[some], weights=None if times is None else times[some], minlength=width)
        found = np.flatnonzero(seen)
        number = np.zeros(width, dtype=np.int32)
        number[found] = np.arange(found.size, dtype=np.int32)
        of_pair, counts = number[codes], seen[found]
    else:
        found, inverse = np.unique(codes, return_inverse=True)
        of_pair = inverse.astype(np.int32)
        counts = np.bincount(of_pair, weights=times, minlength=found.size)
    levels = np.empty((found.size, len(sizes)), dtype=np.int8)
    rest = found.astype(np.int64)
    for place in range(len(sizes) - 1, -1, -1):
        levels[:, place] = rest % (sizes[place] + 1) - 1
        rest //= sizes[place] + 1
    return Patterns(levels, counts.astype(np.float64), of_pair)


def _what_rules_made(fields: Sequence[Field], blocks: Sequence[Blocks], outside: Outside, patterns: Patterns) -> dict[str, Made]:
    names = [field.column for field in fields]
    best = {field.column: len(field.levels) for field in fields}
    distinct = list(dict.fromkeys(block.rule for block in blocks))
    # a field of one value judges nothing
    judges = {rule: {f.column for f in fields if f.n_values > 1} - set(columns_of(rule)) for rule in distinct}
    # two classes are identified by three fields; where those have taught m, two are enough
    taught = set().union(*(judging for judging in judges.values() if len(judging) >= FIELDS_FOR_OWN_U))
    rules = {}
    flags = list(outside.rules)
    for rule in distinct:
        if rule in outside.rules:
            made = patterns.levels[:, len(fields) + flags.index(rule)] == 1
        else:
            used = [names.index(part.column) for part in rule]
            made = (patterns.levels[:, used] == [best[part.column] for part in rule]).all(axis=1)
        if not made.any():
            continue
        judging = judges[rule]
        if len(judging) < _pairs.FIELDS_TO_JUDGE:
            msg = (
                f"the pairs made by the rule {columns_of(rule)!r} are judged by {sorted(judging)} only, since the other fields "
                "have no two different values: their probabilities rest on assumptions. Compare more fields; "
                "warnings.simplefilter silences this"
            )
            warnings.warn(msg, DataWarning, stacklevel=5)
        rules[name_of(rule)] = Made(
            parts=tuple(map(str, rule)),
            columns=columns_of(rule),
            touched=tuple(part.column for part in rule if part.function),
            patterns=made,
            own_u=len(judging) >= _pairs.FIELDS_TO_JUDGE and judging <= taught,
        )
    return rules
