"""Learning the Fellegi-Sunter model: agreement by chance counted, agreement of matches by the EM algorithm."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _threads
from crmkit._kernels import linkage as _k
from crmkit.dedupe._levels import Level
from crmkit.dedupe._patterns import Made
from crmkit.dedupe.fields import Field
from crmkit.dedupe.model import FellegiSunter
from crmkit.errors import ConvergenceWarning, DataWarning

Table = npt.NDArray[np.float64]

RANDOM_PAIRS = 1_000_000
PSEUDO_MATCHES = 1.0
PSEUDO_NON_MATCHES = 100.0  # fewer non-matches than this say little about a block
AGREEMENT_OF_MATCHES = 0.9  # where m starts, and the mean of its one pseudo-match
KIN_AGREEMENT = {"name": 0.5, "email": 0.1, "phone": 0.5}
OWN_KINDS = ("name", "date")  # what people take along when they move
MATCH, MOVED, KIN, OTHER = range(4)
FIXED = 1e15  # so many pseudo-pairs that no data move them
TOLERANCE = 1e-7
TRIAL = 100  # steps that tell whether a class is there
MAX_ITERATIONS = 5_000


def chance_agreement(
    fields: Sequence[Field], rng: np.random.Generator, *, rows: npt.NDArray[np.int32] | None = None, n_threads: int | None = None
) -> list[npt.NDArray[np.float64]]:
    """Estimate for each field how often two records agree on each level by chance: u.

    Equality is counted over all pairs of records exactly, from how often each value occurs. Fuzzy levels come from all
    pairs where those are at most a million, else from a million random ones. Half a pair is added to every level. `rows` are
    those to count, by default all.
    """
    if rows is None:
        rows = np.arange(fields[0].codes.size if fields else 0, dtype=np.int32)
    drawn = _some_pairs(rows, rng)

    def work(position: int) -> npt.NDArray[np.float64]:
        field = fields[position]
        codes = field.codes[rows]
        codes = codes[codes >= 0]
        n, size = codes.size, len(field.levels) + 1
        levels = field.compare(*drawn)
        # cumulated from the best level down: the share of pairs that reach a level or a better one
        reached = np.cumsum(np.bincount(levels + 1, minlength=size + 1)[1:][::-1] + 0.5)
        share = reached / reached[-1]
        pairs = n * (n - 1) / 2.0
        for level, equal in field.equal_pairs(codes).items():
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
        second = first + rng.integers(1, n, RANDOM_PAIRS)
        second -= n * (second >= n)
    return _frame.readonly(rows[first]), _frame.readonly(rows[second])


def fit_patterns(
    patterns: npt.NDArray[np.int8],
    counts: npt.NDArray[np.float64],
    *,
    kinds: Mapping[str, str],
    levels: Mapping[str, tuple[Level, ...]],
    u: Sequence[Table] | None,
    rules: Mapping[str, Made] | None = None,
    total: float | None = None,
    start: tuple[float, float] | None = None,
    max_iterations: int = MAX_ITERATIONS,
    judged: tuple[Table, Table] | None = None,
    related: bool | None = None,
) -> FellegiSunter:
    """Learn m and the share of matches from weighted patterns of agreement.

    Without `rules` the patterns are of all pairs; u is as given, or learned where it is None. With `rules` the patterns
    are of the pairs that the rules made, of `total` pairs in all. Non-matches inside a block are not like pairs taken
    at random: people of one name have like e-mail addresses. So each rule gets a share of matches of its own and, where
    it asks for one, a u, with a hundred pairs' worth of `u` added; m is one for all, and a rule teaches nothing about
    its own columns. `start` is the agreement of matches and their share where the search starts;
    of `judged` pairs, matches and others per pattern, it is known what they are.

    Among non-matches some are people who live together: they share addresses, and differ in what is a person's own as
    strangers do. `related` says whether they are a class of their own; None leaves it to the likelihood.
    """
    agreement, prior = (AGREEMENT_OF_MATCHES, None) if start is None else start
    names = list(levels)
    sizes = np.array([len(levels[name]) + 1 for name in names], dtype=np.int64)
    width = int(sizes.max())
    blocks = list(rules.values()) if rules else [Made((), (), (), np.ones(counts.size, dtype=np.bool_))] * (rules is None)
    rows = [np.flatnonzero(made.patterns) for made in blocks]
    used = np.array([[name not in made.columns for name in names] for made in blocks], dtype=np.bool_)
    teaches = np.array([[name not in (*made.columns, *made.touched) for name in names] for made in blocks], dtype=np.bool_)

    m_start, m_pseudo, chance = (np.full((len(names), width), fill) for fill in (0.5, 0.0, 0.5))
    for f, size in enumerate(sizes):
        m_start[f, :size] = _top_heavy(size, agreement)
        m_pseudo[f, :size] = PSEUDO_MATCHES * _top_heavy(size, AGREEMENT_OF_MATCHES)
        chance[f, :size] = _top_heavy(size, 1.0 - agreement) if u is None else u[f]
    u_start = np.repeat(chance[None], len(blocks), axis=0)
    weight = [0.0 if rules is None else PSEUDO_NON_MATCHES if made.own_u else FIXED for made in blocks]
    u_pseudo = u_start * np.array(weight)[:, None, None]
    learn_u = rules is not None or u is None

    first = [_first_share(patterns[made], counts[made], sizes, usable) for made, usable in zip(rows, used, strict=True)]
    which = np.concatenate([np.empty(0, dtype=np.int64), *rows])
    stacked, weights = _frame.readonly(patterns[which]), _frame.readonly(counts[which])
    told = np.zeros((2, which.size)) if judged is None else np.stack([side[which] for side in judged])
    told = _frame.readonly(told)
    block = _frame.readonly(np.repeat(np.arange(len(blocks)), [made.size for made in rows]))
    shape = (len(blocks), len(names))
    how = (_frame.readonly(used.reshape(shape)), _frame.readonly(teaches.reshape(shape)), _frame.readonly(sizes))

    # a thousandth of a nat is no evidence for anything; among few pairs the last digits are cheap
    gain = 1e-3 * min(float(counts.sum()) / 1e6, 1.0) ** 2

    def search(
        classes: Sequence[int],
        given: Table,
        u_table: Table,
        share: Table,
        *,
        tied: Sequence[str] = (),
        limit: int = max_iterations,
    ) -> _Found:
        there = np.isin(np.arange(4), classes)
        share = np.where(there, share, 0.0)
        return _Found(
            *_k.expectation_maximisation(
                stacked, weights, told, block, *how[:2], _frame.readonly(np.isin(names, tied)), how[2], _frame.readonly(given),
                u_table, share / share.sum(axis=1, keepdims=True), _frame.readonly(added), u_pseudo, learn_u, there, TOLERANCE,
                gain, limit,
            )
        )  # fmt: skip

    matches = np.array(first if prior is None else [prior] * len(blocks), dtype=np.float64)
    shares = np.stack([0.8 * matches, 0.2 * matches, np.minimum(matches, 1.0 - matches), 1.0 - matches], axis=1)
    two = np.stack([matches, 0.0 * matches, 0.0 * matches, 1.0 - matches], axis=1)
    given, added = np.stack([m_start] * 3), np.stack([m_pseudo, 0.0 * m_pseudo, 0.0 * m_pseudo])
    classes = [MATCH, OTHER]
    best = (np.arange(len(names)), sizes - 1)
    several = bool(rules) and related is not False
    short = min(TRIAL, max_iterations)
    found = search(classes, given, u_start, two, limit=short if several else max_iterations)
    if rules is None and u is None and np.log(found.known[0][best] / found.u[0][best]).sum() < 0:
        # two classes have no names of their own: matches are the one that agrees more, theirs are the pseudo-matches
        found = search(classes, np.stack([found.u[0]] * 3), found.known[:1], two[:, ::-1])
    tied: list[str] = []
    if several:
        # what a class more must gain: as many parameters as it has, each at the price of the data
        price = 0.5 * np.log(max(counts.sum(), 2.0)) * (sizes.sum() - sizes.size + len(blocks))
        pinned: list[str] = []
        for own in _own_fields(names, kinds):
            given[KIN], added[KIN] = _kin_start(names, kinds, sizes, chance, own)
            other = search([MATCH, KIN, OTHER], given, u_start, shares, limit=short)
            if other.likelihood > found.likelihood + (0.0 if KIN in classes else price) or (related and not pinned):
                found, classes, pinned = other, [MATCH, KIN, OTHER], own
        if pinned:
            given[KIN], added[KIN] = _kin_start(names, kinds, sizes, chance, pinned)
        movers = [name for name in names if kinds[name] in OWN_KINDS]
        if 0 < len(movers) < len(names):
            given[MOVED] = _moved_start(names, kinds, sizes, chance)
            added[MOVED] = given[MOVED] * PSEUDO_MATCHES
            other = search([*classes, MOVED], given, u_start, shares, tied=movers, limit=short)
            if other.likelihood > found.likelihood + price:
                found, classes, tied = other, [*classes, MOVED], movers
        # the short trials have told which classes there are; from where they stopped it goes on to the end
        done = found.steps
        found = search(classes, found.known, found.u, found.share, tied=tied)
        found = found._replace(steps=found.steps + done)
    if rules is None:
        chance = found.u[0]
    _warn(names, best, found, used, max_iterations)

    # noise may leave a field that says nothing with a best level below chance: it is then silent
    m, by_block = found.known[0], found.u
    for u_table in (chance, *by_block):
        for field in np.flatnonzero(u_table[best] > m[best]).tolist():
            top = int(sizes[field]) - 1
            u_table[field, :top] *= (1.0 - m[field, top]) / (1.0 - u_table[field, top])
            u_table[field, top] = m[field, top]
    by_rule = dict(zip(rules or {}, found.share, strict=False))
    model = FellegiSunter(
        kinds=dict(kinds),
        levels=dict(levels),
        m=_by_field(names, sizes, m),
        u=_by_field(names, sizes, chance),
        moved=_by_field(names, sizes, np.where(np.isin(names, tied)[:, None], m, found.known[MOVED])) if MOVED in classes else {},
        related=_by_field(names, sizes, found.known[KIN]) if KIN in classes else {},
        prior=float(found.share[0, 0]) if rules is None else 0.5,
        prior_moved=0.0,
        prior_related=0.0,
        rules={rule: made.parts for rule, made in (rules or {}).items()},
        rule_prior={rule: float(parts[MATCH] + parts[MOVED]) for rule, parts in by_rule.items()},
        rule_moved={rule: float(parts[MOVED]) for rule, parts in by_rule.items()} if MOVED in classes else {},
        rule_related={rule: float(parts[KIN]) for rule, parts in by_rule.items()} if KIN in classes else {},
        rule_u={
            rule: {name: shares for name, shares in _by_field(names, sizes, table).items() if name not in made.columns}
            for (rule, made), table in zip((rules or {}).items(), by_block, strict=False)
        },
        term_frequency=(),
        term_frequency_floor=1.0,
        term_frequency_cap=0.0,
        calibration=(0.0, 1.0),
        lack_of_fit=0.0,
        n=int(counts.sum()),
        log_likelihood=float(found.likelihood),
        converged=bool(found.change <= TOLERANCE or found.steps < max_iterations),
        iterations=int(found.steps),
        change=float(found.change),
    )
    if rules is None:
        return model
    made_by = {rule: made.patterns for rule, made in rules.items()}
    model = dataclasses.replace(model, lack_of_fit=_lack_of_fit(model, patterns, counts, rules))
    evidence = model.best_rule(patterns, made_by)
    all_pairs = (counts.sum() if total is None else total) + 1.0
    match, moved, kin = ((float(counts @ part) + 0.5) / all_pairs for part in evidence.shares())
    return dataclasses.replace(
        model,
        prior=match + (moved if MOVED in classes else 0.0),
        prior_moved=moved if MOVED in classes else 0.0,
        prior_related=kin if KIN in classes else 0.0,
    )


def _lack_of_fit(model: FellegiSunter, patterns: npt.NDArray[np.int8], counts: Table, rules: Mapping[str, Made]) -> float:
    """Return the share of pairs that would have to change their pattern to be as fitted, averaged over the pairs of rules."""
    apart, total = 0.0, 0.0
    for rule, made in rules.items():
        names = list(model.m)
        used = [place for place, name in enumerate(names) if name not in made.columns]
        table = patterns[made.patterns].copy()
        table[:, [place for place in range(len(names)) if place not in used]] = -1
        n = counts[made.patterns]
        # what is missing is given: patterns with the same gaps are compared with each other
        gaps = np.unique(table < 0, axis=0, return_inverse=True)[1].ravel()
        shown, where = np.unique(table, axis=0, return_inverse=True)
        observed = np.bincount(where.ravel(), weights=n, minlength=len(shown))
        of_gap = np.zeros(len(shown), dtype=np.int64)
        of_gap[where.ravel()] = gaps
        in_gap = np.bincount(of_gap, weights=observed)[of_gap]
        evidence = model.evidence(shown, rule)
        parts = (evidence.match, evidence.moved, evidence.related, evidence.other)
        expected = in_gap * np.sum([np.exp2(part) for part in parts], axis=0)
        unseen = observed.sum() - expected.sum()
        apart += 0.5 * (float(np.abs(observed - expected).sum()) + max(float(unseen), 0.0))
        total += float(observed.sum())
    return apart / total if total > 0 else 0.0


class _Found(NamedTuple):
    known: Table
    u: Table
    share: Table
    likelihood: float
    change: float
    steps: int


def _own_fields(names: Sequence[str], kinds: Mapping[str, str]) -> list[list[str]]:
    """Return the fields in which people who live together agree no more than strangers: one answer, or several to try.

    Their dates of birth; where there is none, either their first names or the other column of names.
    """
    dates = [name for name in names if kinds[name] == "date"]
    return [dates] if dates else [[name] for name in names if kinds[name] == "name"]


def _kin_start(
    names: Sequence[str], kinds: Mapping[str, str], sizes: npt.NDArray[np.int64], chance: Table, own: Sequence[str]
) -> tuple[Table, Table]:
    """Where the search for people who live together starts, they share addresses, some a phone; and its pseudo-pairs."""
    start = chance.copy()
    for f, name in enumerate(names):
        if name not in own:
            start[f, : sizes[f]] = _top_heavy(int(sizes[f]), KIN_AGREEMENT.get(kinds[name], 0.7))
    return start, start * np.where(np.isin(names, own), FIXED, PSEUDO_MATCHES)[:, None]


def _moved_start(names: Sequence[str], kinds: Mapping[str, str], sizes: npt.NDArray[np.int64], chance: Table) -> Table:
    """Where the search for people who moved starts: addresses agree by chance, phones and e-mail addresses half the time."""
    start = chance.copy()
    for f, name in enumerate(names):
        if kinds[name] in ("phone", "email"):
            start[f, : sizes[f]] = _top_heavy(int(sizes[f]), 0.5)
    return start


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
    found: _Found,
    used: npt.NDArray[np.bool_],
    max_iterations: int,
) -> None:
    """Say where the fit stopped short, or where what it calls matches agree less than what it calls non-matches."""
    m, by_block = found.known[0], found.u
    if found.change > TOLERANCE and found.steps >= max_iterations:
        msg = (
            f"the linkage model stopped after {found.steps} steps while a probability still moved by {found.change:.2g}: match "
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
