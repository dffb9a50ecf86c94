"""The Fellegi-Sunter model: how much evidence each level of agreement is, learned without labels."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _threads
from crmkit._kernels import linkage as _k
from crmkit.dedupe.fields import Field, Level
from crmkit.errors import ConvergenceWarning, DataError, DataWarning
from crmkit.results import Model

Table = npt.NDArray[np.float64]

RANDOM_PAIRS = 1_000_000
PSEUDO_MATCHES = 1.0
PSEUDO_NON_MATCHES = 100.0  # fewer non-matches than this say little about a block
AGREEMENT_OF_MATCHES = 0.9  # where m starts, and the mean of its one pseudo-match
FIXED = 1e15  # so many pseudo-pairs that no data move them
FIELDS_FOR_OWN_U = 3
TOLERANCE = 1e-7
MAX_ITERATIONS = 5_000
HIGHEST_PATTERN = 2**62


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class FellegiSunter(Model):
    """Evidence for each level of agreement of each field, and the share of matches; holds no value of any record.

    Attributes
    ----------
    kinds : mapping of str to str
        The kind of each field.
    levels : mapping of str to tuple
        The levels of each field, best first. Level numbers count from the other end: 0 is no agreement,
        ``len(levels[field])`` is the best, -1 is missing.
    m : mapping of str to tuple of float
        Probability of each level number among matches.
    u : mapping of str to tuple of float
        Probability of each level number between two records taken at random.
    prior : float
        Share of matches among all pairs of records, before any field is looked at.
    rules : mapping of str to tuple of str
        The blocking rules by name, with their columns.
    rule_prior : mapping of str to float
        Share of matches among the pairs a rule makes.
    rule_u : mapping of str to mapping
        For each rule and each field outside it, probability of each level number among the rule's non-matches.
    n : int
        Pairs compared.
    log_likelihood : float
        Sum over rules of the log-likelihood of the rule's pairs.
    converged : bool
        Whether the last step changed no probability by more than the tolerance.
    iterations : int
        Steps taken.
    change : float
        Largest change of a probability in the last step.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("prior", "iterations", "change")
    TITLE: ClassVar[str] = "Fellegi-Sunter record linkage"

    kinds: Mapping[str, str]
    levels: Mapping[str, tuple[Level, ...]]
    m: Mapping[str, tuple[float, ...]]
    u: Mapping[str, tuple[float, ...]]
    prior: float
    rules: Mapping[str, tuple[str, ...]]
    rule_prior: Mapping[str, float]
    rule_u: Mapping[str, Mapping[str, tuple[float, ...]]]
    n: int
    log_likelihood: float
    converged: bool
    iterations: int
    change: float

    def match_weight(
        self, levels: npt.ArrayLike, *, made_by: Mapping[str, npt.NDArray[np.bool_]] | None = None
    ) -> npt.NDArray[np.float64]:
        """Return log2 odds of a match for rows of level numbers, one column per field in the order of `m`.

        Under a rule it is the log2 odds of the rule's share of matches plus log2(m / u) of every field outside the rule;
        a missing level (-1) adds nothing. A pair that several rules make takes the largest; a pair that none makes
        takes `prior` and `u`. `made_by` says which rows each rule made, needed only for rules on columns that are not
        compared; the others are read off the levels.
        """
        table = np.asarray(levels)
        if table.ndim != 2 or table.shape[1] != len(self.m) or not np.issubdtype(table.dtype, np.integer):
            msg = f"levels must be a table of integers with one column for each of {list(self.m)}"
            raise DataError(msg)
        for position, (field, known) in enumerate(self.levels.items()):
            column = table[:, position]
            if column.size and (column.min() < -1 or column.max() > len(known)):
                msg = f"levels of {field!r} must lie between -1 and {len(known)}"
                raise DataError(msg)
        weight = np.full(table.shape[0], -np.inf)
        for rule, columns in self.rules.items():
            made = self._made(table, rule, columns) if made_by is None else made_by[rule]
            under_rule = self._evidence(table[made], self.rule_prior[rule], self.rule_u[rule])
            weight[made] = np.maximum(weight[made], under_rule)
        unmade = np.isneginf(weight)
        weight[unmade] = self._evidence(table[unmade], self.prior, self.u)
        return weight

    def probability(self, levels: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probability that pairs with these level numbers are matches."""
        return as_probability(self.match_weight(levels))

    def _made(self, table: npt.NDArray[Any], rule: str, columns: tuple[str, ...]) -> npt.NDArray[np.bool_]:
        """Read off the levels which rows agree fully on all columns of a rule."""
        fields = list(self.m)
        unknown = sorted(set(columns) - set(fields))
        if unknown:
            msg = f"the rule {rule!r} uses {unknown}, which are not compared: say with made_by which rows it made"
            raise DataError(msg)
        best = [len(self.levels[column]) for column in columns]
        made: npt.NDArray[np.bool_] = (table[:, [fields.index(column) for column in columns]] == best).all(axis=1)
        return made

    def _evidence(
        self, table: npt.NDArray[np.integer], prior: float, u: Mapping[str, tuple[float, ...]]
    ) -> npt.NDArray[np.float64]:
        weight = np.full(table.shape[0], np.log2(prior) - np.log2(1.0 - prior))
        for position, field in enumerate(self.m):
            if field in u:
                bits = np.log2(np.asarray(self.m[field])) - np.log2(np.asarray(u[field]))
                # level -1 takes the last place
                weight += np.append(bits, 0.0)[table[:, position]]
        return weight


def as_probability(weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turn log2 odds into probabilities."""
    probability: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp2(-weight.clip(-1000.0, 1000.0)))
    return probability


def chance_agreement(
    fields: Sequence[Field], rng: np.random.Generator, *, n_threads: int | None = None
) -> list[npt.NDArray[np.float64]]:
    """Estimate for each field how often two records agree on each level by chance: u.

    Equality is counted over all pairs of records exactly, from how often each value occurs. Fuzzy levels come from all
    pairs where those are at most a million, else from a million random ones. Half a pair is added to every level.
    """
    rows = [np.flatnonzero(field.codes >= 0).astype(np.int32) for field in fields]
    drawn = [_some_pairs(there, rng) for there in rows]

    def work(position: int) -> npt.NDArray[np.float64]:
        field, n, (left, right) = fields[position], rows[position].size, drawn[position]
        size = len(field.levels) + 1
        # cumulated from the best level down: the share of pairs that reach a level or a better one
        reached = np.cumsum(np.bincount(field.compare(left, right), minlength=size)[::-1] + 0.5)
        share = reached / (left.size + 0.5 * size)
        pairs = n * (n - 1) / 2.0
        for level, equal in field.equal_pairs().items():
            rank = size - 1 - level
            share[rank] = (equal + 0.5 * (rank + 1)) / (pairs + 0.5 * size)
        exact = np.diff(share, prepend=0.0)
        # a sampled level may fall below the exact one before it by chance
        exact = np.maximum(exact, 0.5 / (pairs + 0.5 * size))[::-1]
        return np.ascontiguousarray(exact / exact.sum())

    return _threads.run(work, range(len(fields)), n_threads=n_threads)


def _some_pairs(rows: npt.NDArray[np.int32], rng: np.random.Generator) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    n = rows.size
    if n < 2:
        return rows[:0], rows[:0]
    if n * (n - 1) // 2 <= RANDOM_PAIRS:
        first, second = np.triu_indices(n, k=1)
    else:
        first = rng.integers(0, n, RANDOM_PAIRS)
        second = (first + rng.integers(1, n, RANDOM_PAIRS)) % n
    return _frame.readonly(rows[first]), _frame.readonly(rows[second])


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Patterns:
    """Distinct rows of level numbers, how many pairs have each, and the pattern of every pair."""

    levels: npt.NDArray[np.int8]
    counts: npt.NDArray[np.float64]
    of_pair: npt.NDArray[np.int32]


def collapse(columns: Sequence[npt.NDArray[np.int8]], sizes: Sequence[int]) -> Patterns:
    """Find the distinct patterns of agreement: a fit then costs what the patterns cost, not the pairs."""
    n = columns[0].size
    code, width = np.zeros(n, dtype=np.int64), 1
    for column, size in zip(columns, sizes, strict=True):
        if width > HIGHEST_PATTERN // (size + 1):
            values, inverse = np.unique(code, return_inverse=True)
            code, width = inverse.astype(np.int64), values.size
        code = code * (size + 1) + (column + 1)
        width *= size + 1
    _, first, of_pair, counts = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    levels = np.stack([column[first] for column in columns], axis=1)
    return Patterns(np.ascontiguousarray(levels), counts.astype(np.float64), of_pair.astype(np.int32))


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Made:
    """What one blocking rule made: its columns, which patterns are among its pairs, and whether it learns its own u."""

    columns: tuple[str, ...]
    patterns: npt.NDArray[np.bool_]
    own_u: bool = False


def fit_patterns(
    patterns: npt.NDArray[np.int8],
    counts: npt.NDArray[np.float64],
    *,
    kinds: Mapping[str, str],
    levels: Mapping[str, tuple[Level, ...]],
    u: Sequence[Table] | None,
    rules: Mapping[str, Made] | None = None,
    total: float | None = None,
    agreement: float = AGREEMENT_OF_MATCHES,
    prior: float | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> FellegiSunter:
    """Learn m and the share of matches from weighted patterns of agreement.

    Without `rules` the patterns are of all pairs; u is as given, or learned where it is None. With `rules` the patterns
    are of the pairs that the rules made, of `total` pairs in all. Non-matches inside a block are not like pairs taken
    at random: people of one name have like e-mail addresses. So each rule gets a share of matches of its own and, where
    it asks for one, a u, with a hundred pairs' worth of `u` added; m is one for all, and a rule teaches nothing about
    its own columns. `agreement` and `prior` are where the search starts.
    """
    names = list(levels)
    sizes = np.array([len(levels[name]) + 1 for name in names], dtype=np.int64)
    width = int(sizes.max())
    blocks = list(rules.values()) if rules else [Made((), np.ones(counts.size, dtype=np.bool_))] * (rules is None)
    rows = [np.flatnonzero(made.patterns) for made in blocks]
    used = np.array([[name not in made.columns for name in names] for made in blocks], dtype=np.bool_)

    m_start, m_pseudo, chance = (np.full((len(names), width), fill) for fill in (0.5, 0.0, 0.5))
    for f, size in enumerate(sizes):
        m_start[f, :size] = _top_heavy(size, agreement)
        m_pseudo[f, :size] = PSEUDO_MATCHES * _top_heavy(size, AGREEMENT_OF_MATCHES)
        chance[f, :size] = _top_heavy(size, 1.0 - agreement) if u is None else u[f]
    u_start = np.repeat(chance[None], len(blocks), axis=0)
    weight = [0.0 if rules is None else PSEUDO_NON_MATCHES if made.own_u else FIXED for made in blocks]
    u_pseudo = u_start * np.array(weight)[:, None, None]
    learn_u = rules is not None or u is None

    start = [_first_share(patterns[made], counts[made], sizes, usable) for made, usable in zip(rows, used, strict=True)]
    which = np.concatenate([np.empty(0, dtype=np.int64), *rows])
    stacked, weights = _frame.readonly(patterns[which]), _frame.readonly(counts[which])
    block = _frame.readonly(np.repeat(np.arange(len(blocks)), [made.size for made in rows]))
    how = (_frame.readonly(used.reshape(len(blocks), len(names))), sizes)

    def search(m: Table, u_table: Table, share: Table) -> tuple[Table, Table, Table, float, float, int]:
        return _k.expectation_maximisation(
            stacked, weights, block, *how, m, u_table, share, m_pseudo, u_pseudo, learn_u, TOLERANCE, max_iterations
        )

    shares = np.array(start if prior is None else [prior] * len(blocks), dtype=np.float64)
    m, by_block, shares, likelihood, change, steps = search(m_start, u_start, shares)
    best = (np.arange(len(names)), sizes - 1)
    if rules is None and u is None and np.log(m[best] / by_block[0][best]).sum() < 0:
        # two classes have no names of their own: matches are the one that agrees more, theirs are the pseudo-matches
        m, by_block, shares, likelihood, change, steps = search(by_block[0], m[None], 1.0 - shares)
    if rules is None:
        chance = by_block[0]
    _warn(names, best, m, by_block, used, steps, change)

    # noise may leave a field that says nothing with a best level below chance: it is then silent
    for u_table in (chance, *by_block):
        for field in np.flatnonzero(u_table[best] > m[best]).tolist():
            top = int(sizes[field]) - 1
            u_table[field, :top] *= (1.0 - m[field, top]) / (1.0 - u_table[field, top])
            u_table[field, top] = m[field, top]
    model = FellegiSunter(
        kinds=dict(kinds),
        levels=dict(levels),
        m=_by_field(names, sizes, m),
        u=_by_field(names, sizes, chance),
        prior=float(shares[0]) if rules is None else 0.5,
        rules={rule: made.columns for rule, made in (rules or {}).items()},
        rule_prior=dict(zip(rules or {}, shares.tolist(), strict=False)),
        rule_u={
            rule: {name: shares for name, shares in _by_field(names, sizes, table).items() if name not in made.columns}
            for (rule, made), table in zip((rules or {}).items(), by_block, strict=False)
        },
        n=int(counts.sum()),
        log_likelihood=float(likelihood),
        converged=bool(change <= TOLERANCE),
        iterations=int(steps),
        change=float(change),
    )
    if rules is None:
        return model
    found = counts @ as_probability(model.match_weight(patterns, made_by={rule: made.patterns for rule, made in rules.items()}))
    share = (found + 0.5) / ((counts.sum() if total is None else total) + 1.0)
    return dataclasses.replace(model, prior=float(share))


def _top_heavy(size: int, top: float) -> Table:
    """Return `top` for the best level and equal parts of the rest for the others."""
    return np.append(np.full(size - 1, (1.0 - top) / (size - 1)), top)


def _by_field(names: Sequence[str], sizes: npt.NDArray[np.int64], table: Table) -> dict[str, tuple[float, ...]]:
    return {name: tuple(table[f, : sizes[f]].tolist()) for f, name in enumerate(names)}


def _first_share(
    patterns: npt.NDArray[np.int8], counts: Table, sizes: npt.NDArray[np.int64], used: npt.NDArray[np.bool_]
) -> float:
    """Start from the share of pairs that agree best on most of what both records have."""
    there = ((patterns >= 0) & used).sum(axis=1)
    best = ((patterns == (sizes - 1)[None, :]) & used).sum(axis=1)
    return float((counts[2 * best > there].sum() + 0.5) / (counts.sum() + 1.0))


def _warn(
    names: Sequence[str],
    best: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    m: Table,
    by_block: Table,
    used: npt.NDArray[np.bool_],
    steps: int,
    change: float,
) -> None:
    """Say where the fit stopped short, or where what it calls matches agree less than what it calls non-matches."""
    if change > TOLERANCE:
        msg = (
            f"the linkage model stopped after {steps} steps while a probability still moved by {change:.2g}: match "
            "probabilities may be off. Compare other fields or block less tightly; warnings.simplefilter silences this"
        )
        warnings.warn(msg, ConvergenceWarning, stacklevel=4)
    evidence = np.array(
        [np.where(use, np.log(m[best] / table[best]), 0.0).sum() for use, table in zip(used, by_block, strict=True)]
    )
    against = int((evidence < -np.log(2.0)).sum())
    if against:
        msg = (
            f"under {against} of {evidence.size} blocking rules, full agreement on {list(names)} would speak against a "
            "match: matches and non-matches could not be told apart there. Compare more fields, or drop the rule; "
            "warnings.simplefilter silences this"
        )
        warnings.warn(msg, DataWarning, stacklevel=4)
