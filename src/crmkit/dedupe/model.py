"""The Fellegi-Sunter model: how much evidence each level of agreement is, learned without labels."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _threads
from crmkit._kernels import linkage as _k
from crmkit.dedupe.fields import Field, Level
from crmkit.errors import ConvergenceWarning, DataError
from crmkit.results import Model

Table = npt.NDArray[np.float64]

RANDOM_PAIRS = 1_000_000
PSEUDO_MATCHES = 1.0
AGREEMENT_OF_MATCHES = 0.9  # where m starts, and the mean of its one pseudo-match
TOLERANCE = 1e-8
MAX_ITERATIONS = 5_000
HIGHEST_PATTERN = 2**62


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class FellegiSunter(Model):
    """Evidence in bits for each level of each field, and the share of matches; holds no value of any record.

    Attributes
    ----------
    kinds : mapping of str to str
        The kind of each field.
    levels : mapping of str to tuple
        The levels of each field, best first. Level numbers count from the other end: 0 is no agreement,
        ``len(levels[field])`` is the best, -1 is missing.
    m, u : mapping of str to tuple of float
        Probability of each level number among matches and among non-matches.
    prior : float
        Share of matches among all pairs of records, before any field is looked at.
    n : int
        Pairs compared.
    log_likelihood : float
        Of the compared pairs, the others counting as non-matches by definition.
    converged : bool
        Whether the last step changed no parameter by more than the tolerance.
    iterations : int
        Steps taken.
    change : float
        Largest change of a parameter in the last step; of `prior`, relative.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("prior", "iterations", "change")
    TITLE: ClassVar[str] = "Fellegi-Sunter record linkage"

    kinds: Mapping[str, str]
    levels: Mapping[str, tuple[Level, ...]]
    m: Mapping[str, tuple[float, ...]]
    u: Mapping[str, tuple[float, ...]]
    prior: float
    n: int
    log_likelihood: float
    converged: bool
    iterations: int
    change: float

    def match_weight(self, levels: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return log2 odds of a match for rows of level numbers, one column per field in the order of `m`.

        It is the log2 odds of `prior` plus log2(m / u) of every field's level; a missing level (-1) adds nothing.
        """
        table = np.asarray(levels)
        if table.ndim != 2 or table.shape[1] != len(self.m) or not np.issubdtype(table.dtype, np.integer):
            msg = f"levels must be a table of integers with one column for each of {list(self.m)}"
            raise DataError(msg)
        weight = np.full(table.shape[0], np.log2(self.prior) - np.log2(1.0 - self.prior))
        for position, field in enumerate(self.m):
            column = table[:, position]
            bits = np.log2(np.asarray(self.m[field])) - np.log2(np.asarray(self.u[field]))
            if column.size and (column.min() < -1 or column.max() >= bits.size):
                msg = f"levels of {field!r} must lie between -1 and {bits.size - 1}"
                raise DataError(msg)
            weight += np.append(bits, 0.0)[column]
        return weight

    def probability(self, levels: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probability that pairs with these level numbers are matches."""
        return as_probability(self.match_weight(levels))


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


def fit_patterns(
    patterns: npt.NDArray[np.int8],
    counts: npt.NDArray[np.float64],
    *,
    kinds: Mapping[str, str],
    levels: Mapping[str, tuple[Level, ...]],
    u: Sequence[npt.NDArray[np.float64]] | None,
    total: float | None = None,
    usable: npt.NDArray[np.bool_] | None = None,
    agreement: float = AGREEMENT_OF_MATCHES,
    prior: float | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> FellegiSunter:
    """Learn m and the share of matches (and u where it is not given) from weighted patterns of agreement.

    `total` counts all pairs, `usable` says from which patterns each field may learn its m; `agreement` and `prior` are
    where the search starts.
    """
    names = list(levels)
    sizes = np.array([len(levels[name]) + 1 for name in names], dtype=np.int64)
    width = int(sizes.max())
    m_start, u_start = np.full((len(names), width), 0.5), np.full((len(names), width), 0.5)
    pseudo = np.zeros((len(names), width))
    for f, size in enumerate(sizes):
        m_start[f, :size] = (1.0 - agreement) / (size - 1)
        m_start[f, size - 1] = agreement
        pseudo[f, :size] = PSEUDO_MATCHES * (1.0 - AGREEMENT_OF_MATCHES) / (size - 1)
        pseudo[f, size - 1] = PSEUDO_MATCHES * AGREEMENT_OF_MATCHES
        if u is None:
            u_start[f, :size] = agreement / (size - 1)
            u_start[f, size - 1] = 1.0 - agreement
        else:
            u_start[f, :size] = u[f]
    pairs = float(counts.sum()) if total is None else total
    start = prior if prior is not None else 0.5 if total is None else _first_prior(patterns, counts, sizes, pairs)
    patterns, counts = _frame.readonly(patterns), _frame.readonly(counts)
    usable = _frame.readonly(np.ones(patterns.shape, dtype=np.bool_) if usable is None else usable)

    def search(m: Table, u_table: Table, share: float) -> tuple[Table, Table, float, float, float, int]:
        return _k.expectation_maximisation(
            patterns, counts, usable, pairs, sizes, m, u_table, share, pseudo, u is None, TOLERANCE, max_iterations
        )

    m, u_fitted, share, likelihood, change, steps = search(m_start, u_start, start)
    best = np.arange(len(names)), sizes - 1
    if u is None and np.log(m[best] / u_fitted[best]).sum() < 0:
        # two classes have no names of their own: matches are the one that agrees more, and theirs are the pseudo-matches
        m, u_fitted, share, likelihood, change, steps = search(u_fitted, m, 1.0 - share)
    converged = change <= TOLERANCE
    if not converged:
        msg = (
            f"the linkage model stopped after {steps} steps while a parameter still moved by {change:.2g}: "
            "probabilities may be off. Compare other fields or block less tightly; warnings.simplefilter silences this"
        )
        warnings.warn(msg, ConvergenceWarning, stacklevel=3)
    return FellegiSunter(
        kinds=dict(kinds),
        levels=dict(levels),
        m={name: tuple(m[f, : sizes[f]].tolist()) for f, name in enumerate(names)},
        u={name: tuple(u_fitted[f, : sizes[f]].tolist()) for f, name in enumerate(names)},
        prior=float(share),
        n=int(counts.sum()),
        log_likelihood=float(likelihood),
        converged=bool(converged),
        iterations=int(steps),
        change=float(change),
    )


def _first_prior(
    patterns: npt.NDArray[np.int8], counts: npt.NDArray[np.float64], sizes: npt.NDArray[np.int64], total: float
) -> float:
    """Start from the share of pairs that agree best on most of what both records have."""
    there = (patterns >= 0).sum(axis=1)
    best = (patterns == (sizes - 1)[None, :]).sum(axis=1)
    return float((counts[2 * best > there].sum() + 0.5) / (total + 1.0))
