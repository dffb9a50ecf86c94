"""Evidence summed: the match weight of pairs, one function for tables, waterfalls and clusters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _threads
from crmkit._kernels import linkage as _k
from crmkit.dedupe import _rules
from crmkit.dedupe import pairs as _pairs
from crmkit.dedupe._levels import Level
from crmkit.dedupe._patterns import Compared, compare
from crmkit.dedupe._records import Prepared
from crmkit.dedupe._rules import Blocks
from crmkit.dedupe.fields import Field
from crmkit.dedupe.model import FellegiSunter

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
PIECE = 1 << 18  # pairs of one piece of work


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Weighed:
    """Match weights of pairs, and the rule each pattern was judged under (-1: none made it)."""

    weights: Floats
    rule: npt.NDArray[np.int64]
    compared: Compared


def weigh(model: FellegiSunter, prepared: Prepared, blocks: Sequence[Blocks], left: Codes, right: Codes) -> Weighed:
    """Compare given pairs of rows and sum their evidence."""
    compared = compare(prepared.fields, blocks, prepared.sides, given=(left, right), n_threads=1)
    weights, rule = pair_weights(model, prepared, compared, n_threads=1)
    return Weighed(weights, rule, compared)


def pair_weights(
    model: FellegiSunter, prepared: Prepared, compared: Compared, *, n_threads: int | None = None
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the match weight of every pair, of its pattern and the rarity of its values; and the rule of every pattern."""
    fields, patterns = prepared.fields, compared.patterns
    made_by = {rule: made.patterns for rule, made in compared.rules.items()}
    evidence = model.best_rule(compared.agreement(len(fields)), made_by)
    counted = [place for place, field in enumerate(fields) if field.column in model.term_frequency]
    tables = [rarity(model, fields[place], prepared.teachers) for place in counted]
    starts = np.cumsum([0, *(table.shape[1] for table in tables)])[:-1].astype(np.int64)
    best = [len(fields[place].levels) for place in counted]
    # where agreement itself is silent, so is the value
    full = (patterns.levels[:, counted] == best) & ~evidence.silent[:, counted]
    parts = _frame.readonly(np.stack([evidence.match, evidence.moved, evidence.related, evidence.other]))
    given = _frame.readonly(full), _frame.readonly(np.concatenate([np.zeros((3, 0)), *tables], axis=1)), _frame.readonly(starts)

    def work(piece: tuple[int, int]) -> Floats:
        rows = slice(*piece)
        left = compared.left[rows]
        values = np.stack([fields[place].codes[left] for place in counted]) if counted else np.zeros((0, left.size), np.int32)
        return _k.sum_evidence(_frame.readonly(patterns.of_pair[rows]), parts, given[0], _frame.readonly(values), *given[1:])

    pieces = _threads.run(work, _threads.chunks(compared.left.size, PIECE), n_threads=n_threads)
    weights = np.concatenate([np.empty(0), *pieces])
    return model.calibrated(weights), evidence.rule


def rarity(model: FellegiSunter, field: Field, counted: npt.NDArray[np.bool_] | None = None) -> Floats:
    """Return for every value the bits that full agreement on it adds in the classes that are no plain match."""
    bits = value_bits(model, field, counted)
    moved, kin = (np.broadcast_to(shared_rarity(model, known, field, bits), bits.shape) for known in (model.moved, model.related))
    return np.stack([moved, kin, -bits])


def shared_rarity(model: FellegiSunter, known: Mapping[str, tuple[float, ...]], field: Field, bits: Floats) -> Floats | float:
    """Return how many bits rarity adds in a class of pairs that share a value, or else agree on it as strangers do."""
    if not known:
        return 0.0
    chance, agree = model.u[field.column][-1], known[field.column][-1]
    shared = max((agree - chance) / (1.0 - chance), 0.0)
    by_chance = (1.0 - shared) * chance
    answer: Floats = np.log2(shared + by_chance * np.exp2(-bits)) - np.log2(shared + by_chance)
    return answer


def value_bits(model: FellegiSunter, field: Field, counted: npt.NDArray[np.bool_] | None = None) -> Floats:
    """Return log2(u / f) of every value, f its share of the records, not below the floor; cut at the cap."""
    there = field.codes >= 0 if counted is None else (field.codes >= 0) & counted
    counts = np.bincount(field.codes[there], minlength=field.n_values).astype(np.float64)
    share = counts / max(counts.sum(), 1.0)
    chance = max(float((share**2).sum()), 1e-300)
    with np.errstate(divide="ignore"):
        bits = np.log2(chance) - np.log2(np.maximum(share, model.term_frequency_floor))
    return np.append(bits.clip(-model.term_frequency_cap, model.term_frequency_cap), 0.0)


def blocks_of(model: FellegiSunter, prepared: Prepared) -> list[Blocks]:
    """Lay out the rules of a model on these records, so that it is known which of them make a pair."""
    if not model.rules:
        return []
    columns = [*prepared.frames[0].columns, *(field.column for field in prepared.fields)]
    rules = _rules.parsed([*model.rules.values()], columns)
    known = _rules.with_columns(rules, prepared.fields, prepared.frames, prepared.order)
    return _pairs.given_blocks(rules, known, None, prepared.sides)


def wanted(model: FellegiSunter) -> dict[Any, tuple[str, tuple[Level, ...]]]:
    """Return the fields of a model as `prepare` takes them."""
    return {_column(name, model.kinds[name]): (model.kinds[name], levels) for name, levels in model.levels.items()}


def _column(name: str, kind: str) -> Any:
    parts = name.split(", ")
    return tuple(parts) if kind == "geo" and len(parts) == 2 else name
