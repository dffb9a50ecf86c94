"""Evidence summed: the match weight of pairs, one function for tables, waterfalls and clusters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit.dedupe import _rules
from crmkit.dedupe import pairs as _pairs
from crmkit.dedupe._levels import Level
from crmkit.dedupe._patterns import Compared, Patterns, compare
from crmkit.dedupe._records import Prepared
from crmkit.dedupe._rules import Blocks
from crmkit.dedupe.fields import Field
from crmkit.dedupe.model import FellegiSunter

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Weighed:
    """Match weights of pairs, and the rule each was judged under (-1: none made it)."""

    weights: Floats
    rule: npt.NDArray[np.int64]
    compared: Compared


def weigh(model: FellegiSunter, prepared: Prepared, blocks: Sequence[Blocks], left: Codes, right: Codes) -> Weighed:
    """Compare given pairs of rows and sum their evidence."""
    compared = compare(prepared.fields, blocks, prepared.sides, given=(left, right), n_threads=1)
    weights, rule = pair_weights(model, prepared.fields, compared)
    return Weighed(weights, rule, compared)


def pair_weights(model: FellegiSunter, fields: Sequence[Field], compared: Compared) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return match weight and rule of every pair: its pattern's evidence, and how rare its values are."""
    patterns = compared.patterns
    made_by = {rule: made.patterns for rule, made in compared.rules.items()}
    evidence = model.best_rule(compared.agreement(len(fields)), made_by)
    rarities = rarity(model, fields, compared.left, patterns, evidence.silent)
    if not rarities:
        return model.calibrated(evidence.weight()[patterns.of_pair]), evidence.rule[patterns.of_pair]
    match, moved, kin, other = (
        part[patterns.of_pair] for part in (evidence.match, evidence.moved, evidence.related, evidence.other)
    )
    for field, bits in rarities:
        other -= bits
        kin += shared_rarity(model, model.related, field, bits)
        moved += shared_rarity(model, model.moved, field, bits)
    weights = np.logaddexp2(match, moved) - np.logaddexp2(kin, other)
    return model.calibrated(weights), evidence.rule[patterns.of_pair]


def rarity(
    model: FellegiSunter, fields: Sequence[Field], left: Codes, patterns: Patterns, silent: npt.NDArray[np.bool_]
) -> list[tuple[Field, Floats]]:
    """Return by how many bits full agreement is rarer among strangers than on average, for every field that counts it.

    Where agreement itself is silent, so is the value.
    """
    answer = []
    for position, field in enumerate(fields):
        if field.column in model.term_frequency:
            full = ((patterns.levels[:, position] == len(field.levels)) & ~silent[:, position])[patterns.of_pair]
            answer.append((field, np.where(full, value_bits(model, field)[field.codes[left]], 0.0)))
    return answer


def shared_rarity(model: FellegiSunter, known: Mapping[str, tuple[float, ...]], field: Field, bits: Floats) -> Floats | float:
    """Return how many bits rarity adds in a class of pairs that share a value, or else agree on it as strangers do."""
    if not known:
        return 0.0
    chance, agree = model.u[field.column][-1], known[field.column][-1]
    shared = max((agree - chance) / (1.0 - chance), 0.0)
    by_chance = (1.0 - shared) * chance
    answer: Floats = np.log2(shared + by_chance * np.exp2(-bits)) - np.log2(shared + by_chance)
    return answer


def value_bits(model: FellegiSunter, field: Field) -> Floats:
    """Return log2(u / f) of every value, f its share of the records, not below the floor; cut at the cap."""
    counts = np.bincount(field.codes[field.codes >= 0], minlength=field.n_values).astype(np.float64)
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
