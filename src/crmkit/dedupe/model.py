"""The Fellegi-Sunter model: how much evidence each level of agreement is, learned without labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit.dedupe._levels import Level
from crmkit.errors import DataError
from crmkit.results import Model

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evidence:
    """For each pair log2 of how probable it is in each class: a match, a match who moved, people who live together, others.

    `rule` is the number of the rule that says so, -1 for none; `silent` are the fields whose agreement was taken back.
    """

    match: Floats
    moved: Floats
    related: Floats
    other: Floats
    rule: npt.NDArray[np.int64]
    silent: npt.NDArray[np.bool_]

    def weight(self) -> Floats:
        """Return log2 odds of a match."""
        return _odds([self.match, self.moved, self.related, self.other])

    def shares(self) -> tuple[Floats, Floats, Floats]:
        """Return the probabilities of the first three classes."""
        high = np.logaddexp2(np.logaddexp2(self.match, self.moved), np.logaddexp2(self.related, self.other))
        return np.exp2(self.match - high), np.exp2(self.moved - high), np.exp2(self.related - high)

    def put(self, rows: npt.NDArray[np.int64], of: Evidence, taken: npt.NDArray[np.bool_], rule: int) -> None:
        """Write the taken rows of another evidence."""
        for name in ("match", "moved", "related", "other"):
            getattr(self, name)[rows] = getattr(of, name)[taken]
        self.rule[rows] = rule
        self.silent[rows] = of.silent[taken]


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
    moved : mapping of str to tuple of float
        Probability of each level number between records of one person who moved in between; empty where they are no class of
        their own.
    related : mapping of str to tuple of float
        Probability of each level number between two people who live together; empty where they are no class of their own.
    prior : float
        Share of matches among all pairs of records, before any field is looked at.
    prior_moved : float
        Share of matches of people who moved among all pairs; part of `prior`.
    prior_related : float
        Share of pairs of people who live together among all pairs.
    rules : mapping of str to tuple of str
        The blocking rules by name, with what they compare.
    rule_prior : mapping of str to float
        Share of matches among the pairs a rule makes.
    rule_moved : mapping of str to float
        Share of matches of people who moved among the pairs a rule makes; part of `rule_prior`.
    rule_related : mapping of str to float
        Share of pairs of people who live together among the pairs a rule makes.
    rule_u : mapping of str to mapping
        For each rule and each field outside it, probability of each level number among the rule's non-matches.
    term_frequency : tuple of str
        Fields whose full agreement counts for more where the value is rare, and for less where it is common.
    term_frequency_floor : float
        A value counts as no rarer than this share of the records.
    term_frequency_cap : float
        Most bits that the rarity of one value adds or takes.
    calibration : tuple of float
        Intercept and slope, learned from labels, that turn the sum of evidence into the match weight; (0, 1) without labels.
    lack_of_fit : float
        Share of the pairs that would have to change their pattern to be what the model expects (half the sum of differences of
        observed and fitted shares): 0 is a perfect fit.
    n : int
        Pairs compared.
    log_likelihood : float
        Sum over rules of the log-likelihood of the rule's pairs.
    converged : bool
        Whether the last step changed no probability by more than 1e-7, or the log-likelihood by less than a
        thousandth.
    iterations : int
        Steps taken.
    change : float
        Largest change of a probability in the last step.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("prior", "lack_of_fit", "iterations", "change")
    TITLE: ClassVar[str] = "Fellegi-Sunter record linkage"
    SCHEMA: ClassVar[int] = 2

    kinds: Mapping[str, str]
    levels: Mapping[str, tuple[Level, ...]]
    m: Mapping[str, tuple[float, ...]]
    u: Mapping[str, tuple[float, ...]]
    moved: Mapping[str, tuple[float, ...]]
    related: Mapping[str, tuple[float, ...]]
    prior: float
    prior_moved: float
    prior_related: float
    rules: Mapping[str, tuple[str, ...]]
    rule_prior: Mapping[str, float]
    rule_moved: Mapping[str, float]
    rule_related: Mapping[str, float]
    rule_u: Mapping[str, Mapping[str, tuple[float, ...]]]
    term_frequency: tuple[str, ...]
    term_frequency_floor: float
    term_frequency_cap: float
    calibration: tuple[float, float]
    lack_of_fit: float
    n: int
    log_likelihood: float
    converged: bool
    iterations: int
    change: float

    def match_weight(
        self, levels: npt.ArrayLike, *, made_by: Mapping[str, npt.NDArray[np.bool_]] | None = None
    ) -> npt.NDArray[np.float64]:
        """Return log2 odds of a match for rows of level numbers, one column per field in the order of `m`.

        Under a rule they are the odds of the rule's share of matches times m / u of every field outside the rule; where people
        who live together are a class of their own, u is mixed of theirs and of strangers. A missing level (-1) adds nothing. A
        pair that several rules make takes the largest; a pair that none makes takes `prior` and `u`. `made_by` says which rows
        each rule made, needed only for rules on columns that are not compared; the others are read off the levels. How rare the
        values are is not in it.
        """
        return self.calibrated(self.best_rule(self.checked(levels), made_by).weight())

    def calibrated(self, weight: Floats) -> Floats:
        """Return the match weight for a sum of evidence."""
        return self.calibration[0] + self.calibration[1] * weight

    def probability(self, levels: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probability that pairs with these level numbers are matches."""
        return as_probability(self.match_weight(levels))

    def checked(self, levels: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return `levels` as a table of level numbers that the model knows."""
        table = np.asarray(levels)
        if table.ndim != 2 or table.shape[1] != len(self.m) or not np.issubdtype(table.dtype, np.integer):
            msg = f"levels must be a table of integers with one column for each of {list(self.m)}"
            raise DataError(msg)
        for position, (field, known) in enumerate(self.levels.items()):
            column = table[:, position]
            if column.size and (column.min() < -1 or column.max() > len(known)):
                msg = f"levels of {field!r} must lie between -1 and {len(known)}"
                raise DataError(msg)
        return table

    def best_rule(self, table: npt.NDArray[Any], made_by: Mapping[str, npt.NDArray[np.bool_]] | None = None) -> Evidence:
        """Return the evidence of each row under that of the rules which made it where it is largest (rule -1: none did)."""
        n = table.shape[0]
        rules, silent = np.full(n, -1, dtype=np.int64), np.zeros((n, len(self.m)), dtype=np.bool_)
        answer = Evidence(np.empty(n), np.empty(n), np.empty(n), np.empty(n), rules, silent)
        weight = np.full(n, -np.inf)
        for number, rule in enumerate(self.rules):
            made = self._made(table, rule) if made_by is None else made_by.get(rule)
            if made is None or not made.any():
                continue
            rows = np.flatnonzero(made)
            under = self.evidence(table[rows], rule)
            better = under.weight() > weight[rows]
            answer.put(rows[better], under, better, number)
            weight[rows[better]] = under.weight()[better]
        unmade = np.flatnonzero(np.isneginf(weight))
        answer.put(unmade, self.evidence(table[unmade], None), np.ones(unmade.size, dtype=np.bool_), -1)
        return answer

    def evidence(self, table: npt.NDArray[Any], rule: str | None) -> Evidence:
        """Return the evidence of rows under one rule."""
        parts = self.terms(table, rule)
        match, moved, related, other = (part.sum(axis=1) for part in parts)
        u = self.u if rule is None else self.rule_u[rule]
        best = np.array([len(self.levels[field]) if field in u else 127 for field in self.m])
        silent = (table == best) & (parts[0][:, 1:] == 0.0)
        return Evidence(match, moved, related, other, np.full(table.shape[0], -1, dtype=np.int64), silent)

    def terms(self, table: npt.NDArray[Any], rule: str | None) -> list[Floats]:
        """Return log2 of share and probabilities of rows in each class of `Evidence`: the share first, then the fields.

        A column of the rule, or a missing level, is 0.
        """
        if rule is None:
            prior, moved, kin, u = self.prior, self.prior_moved, self.prior_related, self.u
        else:
            moved, kin = self.rule_moved.get(rule, 0.0), self.rule_related.get(rule, 0.0)
            prior, u = self.rule_prior[rule], self.rule_u[rule]
        answer = []
        shares = (prior - moved, moved, kin, max(1.0 - prior - kin, 1e-300))
        for share, known in zip(shares, (self.m, self.moved, self.related, u), strict=True):
            bits = np.zeros((table.shape[0], 1 + len(self.m)))
            with np.errstate(divide="ignore"):
                bits[:, 0] = np.log2(share)
            for position, field in enumerate(self.m):
                if field in u and field in known:
                    # level -1 takes the last place
                    bits[:, 1 + position] = np.append(np.log2(np.asarray(known[field])), 0.0)[table[:, position]]
            answer.append(bits)
        self._silence(table, answer)
        return answer

    def _silence(self, table: npt.NDArray[Any], parts: list[Floats]) -> None:
        """Take back full agreement that would speak against a match, as that of an address does among people who moved."""
        totals = [part.sum(axis=1) for part in parts]
        for position, field in enumerate(self.m):
            agree = table[:, position] == len(self.levels[field])
            without = [total - part[:, 1 + position] for total, part in zip(totals, parts, strict=True)]
            against = agree & (_odds(without) > _odds(totals))
            for total, less, part in zip(totals, without, parts, strict=True):
                total[against] = less[against]
                part[against, 1 + position] = 0.0

    def _made(self, table: npt.NDArray[Any], rule: str) -> npt.NDArray[np.bool_]:
        """Read off the levels which rows agree fully on all columns of a rule."""
        fields = list(self.m)
        columns = self.rules[rule]
        unknown = sorted(set(columns) - set(fields))
        if unknown:
            msg = f"the rule {rule!r} uses {unknown}, which are not compared: say with made_by which rows it made"
            raise DataError(msg)
        best = [len(self.levels[column]) for column in columns]
        made: npt.NDArray[np.bool_] = (table[:, [fields.index(column) for column in columns]] == best).all(axis=1)
        return made


def _odds(parts: list[Floats]) -> Floats:
    """Return log2 odds of the first two classes against the others."""
    answer: Floats = np.logaddexp2(parts[0], parts[1]) - np.logaddexp2(parts[2], parts[3])
    return answer


def as_probability(weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turn log2 odds into probabilities."""
    probability: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp2(-weight.clip(-1000.0, 1000.0)))
    return probability
