"""Which records are worth comparing: the rules of a call, their pairs counted before any is made, then made in a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _threads
from crmkit._kernels import blocking as _k
from crmkit.dedupe._rules import Blocks, Part, Rule, Sides, columns_of, keys_of, lay_out, name_of
from crmkit.dedupe.fields import Field
from crmkit.errors import LimitError, OptionError

Codes = npt.NDArray[np.int32]

PAIRS_PER_RECORD = 10  # a default rule makes at most this many
ALL_PAIRS_PER_RECORD = 20  # all default rules together make at most this many
COLUMNS_PER_RULE = 3
FIELDS_TO_JUDGE = 2  # outside the rule: how often one field agrees cannot tell matches from non-matches
PIECE = 1 << 20  # pairs of one piece of work; a piece has whole rows, so it may be larger
AT_ONCE = 8  # pieces made before the first of them is used
BYTES_PER_PAIR = 50  # two row numbers, a pattern, a weight and a probability, and what arrays in the making add


def default_blocks(
    fields: Sequence[Field], sides: Sides, max_pairs: int, first: npt.NDArray[np.bool_] | None = None
) -> tuple[list[Blocks], list[Rule]]:
    """Choose rules from the data: rare agreements alone, common ones combined; return also what stays too common.

    A column whose equality makes at most ten pairs per record is a rule of its own. The others are combined in twos,
    and twos that are still too common in threes. The cheapest rules are taken first, to twenty pairs per record in all.
    Where `first` is given, other rows are not compared, nor counted as records.
    """
    n = fields[0].codes.size if first is None else int(first.sum())
    widest = min(COLUMNS_PER_RULE, len(fields) - FIELDS_TO_JUDGE)
    budget = min(ALL_PAIRS_PER_RECORD * n, max_pairs)
    by_column = {field.column: field for field in fields}
    chosen: list[Rule] = []
    left_out: list[Rule] = []
    candidates: list[Rule] = [(Part(field.column),) for field in fields]
    for size in range(1, widest + 1):
        counted = []
        for rule in candidates:
            keys, n_keys = keys_of(rule, by_column, first)
            counted.append((int(sides.pairs(keys, n_keys)[1].sum()), rule))
        common: set[Rule] = set()
        # among equals the order of the columns in the caller's mapping decides: sorting is stable
        for n_pairs, rule in sorted(counted, key=lambda pair: pair[0]):
            if n_pairs <= min(PAIRS_PER_RECORD * n, budget):
                if n_pairs:
                    chosen.append(rule)
                    budget -= n_pairs
            else:
                common.add(rule)
        candidates = [
            rule
            for rule in combinations((Part(column) for column in by_column), size + 1)
            if size < widest and all(part in common for part in combinations(rule, size))
        ]
        left_out += [rule for rule in sorted(common, key=name_of) if not any(set(rule) < set(wider) for wider in candidates)]
    return [blocks for rule in chosen for blocks in lay_out(rule, by_column, sides, first)], left_out


def given_blocks(
    rules: Sequence[Rule],
    known: dict[str, Field],
    compared: Sequence[str] | None,
    sides: Sides,
    first: npt.NDArray[np.bool_] | None = None,
) -> list[Blocks]:
    """Lay out the caller's rules; of the compared fields at least two must be outside each."""
    answer = []
    for rule in rules:
        if compared is not None:
            judging = [column for column in compared if column not in columns_of(rule)]
            if len(judging) < FIELDS_TO_JUDGE:
                msg = (
                    f"the blocking rule {name_of(rule)!r} leaves {judging} to judge its pairs by; at least two "
                    "of fields= must be outside a rule: add a field, or take a column out of the rule"
                )
                raise OptionError(msg)
        answer += lay_out(rule, known, sides, first)
    return answer


def pairs_per_rule(blocks: Sequence[Blocks]) -> dict[str, int]:
    """Count the pairs each rule makes; bands of one rule are summed."""
    answer: dict[str, int] = {}
    for block in blocks:
        answer[block.name] = answer.get(block.name, 0) + block.n_pairs
    return answer


def check_limit(blocks: Sequence[Blocks], n: int, max_pairs: int, max_block: int | None = None) -> None:
    """Refuse before any pair is made: name the rule and the share of its worst block, never the value that fills it."""
    for block in blocks:
        if max_block is not None and block.window == 0 and block.largest > max_block:
            msg = (
                f"the blocking rule {block.name!r} has a block of {block.largest:,} of {n:,} records "
                f"({block.largest / n:.1%}), more than max_block={max_block:,}. {_worst(block, n)}, or raise max_block"
            )
            raise LimitError(msg)
    total = sum(block.n_pairs for block in blocks)
    if total > max_pairs:
        worst = max(blocks, key=lambda block: block.n_pairs)
        msg = (
            f"blocking would make {total:,} pairs, more than max_pairs={max_pairs:,}. The rule {worst.name!r} makes "
            f"{worst.n_pairs:,}: {_worst(worst, n)}, or raise max_pairs (about {BYTES_PER_PAIR} bytes each)"
        )
        raise LimitError(msg)


def _worst(block: Blocks, n: int) -> str:
    """Say how unequal the blocks of a rule are, and what to do."""
    if block.window:
        return f"every record meets the next {block.window:,}. Take a smaller window"
    sizes = np.sort(np.bincount(block.keys[block.keys >= 0]))[::-1][:3].tolist()
    shown = ", ".join(f"{size:,}" for size in sizes)
    return (
        f"its largest block holds {block.largest:,} of {n:,} records ({block.largest / n:.1%}), which is "
        f"{block.largest_pairs / max(block.n_pairs, 1):.1%} of its pairs (the largest blocks: {shown}). Blank that value if it "
        "is a placeholder, add a column to the rule"
    )


def stream(blocks: Sequence[Blocks], sides: Sides, *, n_threads: int | None = None) -> Iterator[tuple[int, Codes, Codes]]:
    """Make every pair once, smaller row first, a piece at a time: number of the blocks, left rows, right rows."""
    if not blocks:
        return
    keys = _frame.readonly(np.stack([block.keys for block in blocks]))
    windows = _frame.readonly(np.array([block.window for block in blocks], dtype=np.int32))

    def work(piece: tuple[int, int, int, int]) -> tuple[Codes, Codes]:
        number, start, stop, size = piece
        block = blocks[number]
        return _k.pairs_in_blocks(keys, windows, number, block.order, block.ends, sides.of_row, sides.allowed, start, stop, size)

    pieces = [piece for number, block in enumerate(blocks) for piece in _pieces(number, block)]
    for first in range(0, len(pieces), AT_ONCE):
        some = pieces[first : first + AT_ONCE]
        for (number, *_), (left, right) in zip(some, _threads.run(work, some, n_threads=n_threads), strict=True):
            yield number, _frame.readonly(left), _frame.readonly(right)


def _pieces(number: int, block: Blocks) -> list[tuple[int, int, int, int]]:
    """Cut a rule's rows where the running number of pairs passes a multiple of the piece size."""
    if not block.n_pairs:
        return []
    made = np.concatenate([[0], np.cumsum(block.ends.astype(np.int64) - np.arange(block.ends.size) - 1)])
    cuts = np.unique(np.searchsorted(made, np.arange(0, int(made[-1]), PIECE)))
    places = [*cuts.tolist(), block.ends.size]
    return [(number, start, stop, int(made[stop] - made[start])) for start, stop in pairwise(places) if stop > start]
