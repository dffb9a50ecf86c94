"""Which records are worth comparing: pairs that share a block, counted before any of them is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _threads
from crmkit._kernels import linkage as _k
from crmkit.dedupe.fields import Field, encode_field
from crmkit.errors import LimitError, OptionError

Rule = tuple[str, ...]

PAIRS_PER_RECORD = 10  # a default rule makes at most this many
ALL_PAIRS_PER_RECORD = 20  # all default rules together make at most this many
COLUMNS_PER_RULE = 3
FIELDS_TO_JUDGE = 2  # outside the rule: how often one field agrees cannot tell matches from non-matches
PIECE = 1 << 20  # pairs of one piece of work; a piece has whole rows, so it may be larger
BYTES_PER_PAIR = 60  # row numbers, pattern, weight and probability, and the ids of the result


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Blocks:
    """One rule laid out: the block of every row, the rows by block, where each row's block ends, and the pairs."""

    rule: Rule
    keys: npt.NDArray[np.int32]
    order: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    n_pairs: int
    largest: int

    @property
    def name(self) -> str:
        """The columns of the rule as people would write them."""
        return " + ".join(repr(name) if " + " in str(name) else str(name) for name in self.rule)


def block(rule: Rule, columns: Sequence[Field]) -> Blocks:
    """Lay out the rows that have every column of `rule`, by equal values of all of them."""
    n = columns[0].codes.size
    keys = columns[0].codes.astype(np.int64)
    for column in columns[1:]:
        keys = np.where((keys >= 0) & (column.codes >= 0), keys * (column.n_values + 1) + column.codes, -1)
        # dense again, so that the next product stays far below 2**63
        values, inverse = np.unique(keys, return_inverse=True)
        keys = inverse.astype(np.int64) - (1 if values.size and values[0] < 0 else 0)
    dense = keys.astype(np.int32)
    order = np.argsort(dense, kind="stable").astype(np.int32)
    order = order[np.count_nonzero(dense < 0) :]
    sizes = np.bincount(dense[order]).astype(np.int64)
    ends = np.repeat(np.cumsum(sizes), sizes).astype(np.int32)
    return Blocks(
        rule=rule,
        keys=dense,
        order=_frame.readonly(order),
        ends=_frame.readonly(ends),
        n_pairs=int((sizes * (sizes - 1) // 2).sum()) if n else 0,
        largest=int(sizes.max()) if sizes.size else 0,
    )


def default_blocks(fields: Sequence[Field], max_pairs: int) -> tuple[list[Blocks], list[Rule]]:
    """Choose rules from the data: rare agreements alone, common ones combined; return also what stays too common.

    A column whose equality makes at most ten pairs per record is a rule of its own. The others are combined in twos,
    and twos that are still too common in threes. The cheapest rules are taken first, to twenty pairs per record in all.
    """
    n = fields[0].codes.size
    widest = min(COLUMNS_PER_RULE, len(fields) - FIELDS_TO_JUDGE)
    budget = min(ALL_PAIRS_PER_RECORD * n, max_pairs)
    by_column = {field.column: field for field in fields}
    chosen: list[Blocks] = []
    left_out: list[Rule] = []
    candidates: list[Rule] = [(field.column,) for field in fields]
    for size in range(1, widest + 1):
        laid_out = [block(rule, [by_column[column] for column in rule]) for rule in candidates]
        # among equals the order of the columns in the caller's mapping decides: sorting is stable
        common: set[Rule] = set()
        for blocks in sorted(laid_out, key=lambda blocks: blocks.n_pairs):
            if blocks.n_pairs <= min(PAIRS_PER_RECORD * n, budget):
                if blocks.n_pairs:
                    chosen.append(blocks)
                    budget -= blocks.n_pairs
            else:
                common.add(blocks.rule)
        candidates = [
            rule
            for rule in combinations(by_column, size + 1)
            if size < widest and all(part in common for part in combinations(rule, size))
        ]
        left_out += [rule for rule in sorted(common) if not any(set(rule) < set(wider) for wider in candidates)]
    return chosen, left_out


def given_blocks(frame: Any, blocking: Any, fields: Sequence[Field], order: npt.NDArray[np.int64]) -> list[Blocks]:
    """Lay out the caller's rules; a column that is not compared is read as text."""
    known = {field.column: field for field in fields}
    compared = set(known)
    answer = []
    for rule in checked_rules(blocking):
        if len(compared - set(rule)) < FIELDS_TO_JUDGE:
            msg = (
                f"the blocking rule {rule!r} leaves {sorted(compared - set(rule))} to judge its pairs by; at least two "
                "of fields= must be outside a rule: add a field, or take a column out of the rule"
            )
            raise OptionError(msg)
        for column in rule:
            if column not in known:
                known[column] = encode_field(frame, column, "text", ("exact",), keyword="blocking").reordered(order)
        answer.append(block(rule, [known[column] for column in rule]))
    return answer


def checked_rules(blocking: Any) -> list[Rule]:
    """Return the rules as tuples of column names, or say what a rule is."""
    msg = (
        "blocking= is a list of rules joined by OR, each a column or a tuple of columns that must be equal, such as "
        "['email', ('name', 'city')]"
    )
    if isinstance(blocking, str) or not isinstance(blocking, Sequence) or not blocking:
        raise OptionError(msg)
    rules: list[Rule] = []
    for given in blocking:
        rule = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Sequence) else ()
        if not rule or not all(isinstance(column, str) for column in rule) or len(set(rule)) < len(rule):
            raise OptionError(msg)
        if set(rule) not in map(set, rules):
            rules.append(rule)
    return rules


def check_limit(blocks: Sequence[Blocks], n: int, max_pairs: int) -> None:
    """Refuse before any pair is made: name the rule and the share of its worst block, never the value that fills it."""
    total = sum(rule.n_pairs for rule in blocks)
    if total <= max_pairs:
        return
    worst = max(blocks, key=lambda rule: rule.n_pairs)
    in_worst = worst.largest * (worst.largest - 1) // 2
    msg = (
        f"blocking would make {total:,} pairs, more than max_pairs={max_pairs:,}. The rule {worst.rule!r} makes "
        f"{worst.n_pairs:,}: its largest block holds {worst.largest:,} of {n:,} records ({worst.largest / n:.1%}), "
        f"which is {in_worst / worst.n_pairs:.1%} of its pairs. Blank that value if it is a placeholder, add a column to the "
        f"rule, or raise max_pairs (about {BYTES_PER_PAIR} bytes each)"
    )
    raise LimitError(msg)


def emit(
    blocks: Sequence[Blocks], *, n_threads: int | None = None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], list[int]]:
    """Make every pair once, smaller row first; return also how many each rule added to those before it."""
    if not blocks:
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32), []
    keys = _frame.readonly(np.stack([rule.keys for rule in blocks]))

    def work(piece: tuple[int, int, int, int]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        number, start, stop, size = piece
        rule = blocks[number]
        return _k.pairs_in_blocks(keys, number, rule.order, rule.ends, start, stop, size)

    pieces = [piece for number, rule in enumerate(blocks) for piece in _pieces(number, rule)]
    made = _threads.run(work, pieces, n_threads=n_threads)
    added = [0] * len(blocks)
    for (number, *_), (left, _right) in zip(pieces, made, strict=True):
        added[number] += left.size
    if not made:
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32), added
    return np.concatenate([left for left, _ in made]), np.concatenate([right for _, right in made]), added


def _pieces(number: int, rule: Blocks) -> list[tuple[int, int, int, int]]:
    """Cut a rule's rows where the running number of pairs passes a multiple of the piece size."""
    made = np.concatenate([[0], np.cumsum(rule.ends.astype(np.int64) - np.arange(rule.ends.size) - 1)])
    cuts = np.unique(np.searchsorted(made, np.arange(0, int(made[-1]), PIECE)))
    places = [*cuts.tolist(), rule.ends.size] if rule.n_pairs else []
    return [(number, start, stop, int(made[stop] - made[start])) for start, stop in pairwise(places) if stop > start]
