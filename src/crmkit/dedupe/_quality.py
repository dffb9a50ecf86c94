"""How good a result is by its own account: precision, recall, what blocking misses, and when that cannot be told."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from crmkit.dedupe import _rules
from crmkit.dedupe.model import FellegiSunter
from crmkit.results import Estimate, Frozen, critical_value

if TYPE_CHECKING:
    from crmkit.dedupe._records import Prepared
    from crmkit.dedupe._train import Trained

Floats = npt.NDArray[np.float64]
LEVEL = 0.95
DRAWS = 40_000
FEW = 20.0
DOUBT = 0.1


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Quality(Frozen):
    """Precision and recall that the model's own probabilities imply.

    Attributes
    ----------
    precision : Estimate
        Share of the links that are matches.
    recall : Estimate
        Share of the matches among the compared pairs that are linked: recall given the blocking.
    blocking_recall : Estimate
        Share of all matches that were compared at all.
    lack_of_fit : float
        How far observed patterns are from fitted ones, from 0 to 1.
    diagnosis : str
        In words, where the estimates are not to be trusted; empty where nothing speaks against them.
    """

    precision: Estimate
    recall: Estimate
    blocking_recall: Estimate
    lack_of_fit: float
    diagnosis: str

    def lines(self) -> list[str]:
        """Return the estimates as lines of text."""
        shown = [
            f"{name:<15}  {value.value:.3f} ({value.ci_low:.3f} to {value.ci_high:.3f})"
            for name, value in (("precision", self.precision), ("recall", self.recall), ("blocking recall", self.blocking_recall))
        ]
        return [*shown, *([self.diagnosis] if self.diagnosis else [])]

    def __repr__(self) -> str:
        return "\n".join(["Quality, estimated", *(f"  {line}" for line in self.lines())])


def threshold_for(probability: Floats, target: float, times: npt.NDArray[np.int64] | None = None) -> float:
    """Return the lowest threshold at which the mean probability of the links reaches `target`; a pair counts `times` over."""
    if times is None:
        ordered = np.sort(probability)[::-1]
        means = np.cumsum(ordered) / np.arange(1, ordered.size + 1)
    else:
        order = np.argsort(-probability, kind="stable")
        ordered = probability[order]
        means = np.cumsum(ordered * times[order]) / np.cumsum(times[order])
    good = np.flatnonzero(means >= target)
    if good.size == 0:
        return float(min(max(target, 1e-9), 1.0 - 1e-9))
    # pairs of one probability stand or fall together
    at = ordered[good[-1]]
    while good.size and means[np.flatnonzero(ordered >= at)[-1]] < target:
        good = good[ordered[good] > at]
        at = ordered[good[-1]] if good.size else 1.0
    return float(np.clip(at, 1e-12, 1.0 - 1e-16))


def quality_of(
    model: FellegiSunter,
    prepared: Prepared,
    trained: Trained,
    probability: Floats,
    threshold: float,
    by_model: Floats | None = None,
) -> Quality:
    """Estimate precision, recall and blocking recall; `by_model` is the probability where none is certain."""
    link = probability >= threshold
    total = trained.compared.total
    n_links, matches, found = int(total(link)), total(probability), total(np.where(link, probability, 0.0))
    doubt = disagreement(model, trained, probability if by_model is None else by_model)
    blocked = caught(model, prepared)
    precision = _share(found, n_links, 0.5 * doubt)
    recall = _share(found, matches, doubt)
    spread = max(doubt, 1.0 - blocked) * 0.5
    return Quality(
        precision=precision,
        recall=recall,
        blocking_recall=_share(blocked * matches, matches, spread),
        lack_of_fit=model.lack_of_fit,
        diagnosis=_diagnosis(model, prepared, doubt, matches),
    )


def _share(part: float, whole: float, doubt: float) -> Estimate:
    """Return part / whole with Wilson's interval, which stands also at 0 and 1, widened by what the model is in doubt of."""
    if whole <= 0:
        return Estimate(1.0, 0.0, 1.0, 0.0, 0, LEVEL, "model")
    share = min(max(part / whole, 0.0), 1.0)
    z = critical_value(LEVEL)
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    margin = z * np.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    low, high = max(min(middle - margin, share) - doubt, 0.0), min(max(middle + margin, share) + doubt, 1.0)
    se = float(np.sqrt(share * (1 - share) / whole + (doubt / z) ** 2))
    return Estimate(share, float(low), float(high), se, whole, LEVEL, "model")


def disagreement(model: FellegiSunter, trained: Trained, probability: Floats) -> float:
    """Return by what share the matches a rule counts by itself differ from those its pairs have in all, averaged over rules.

    Every rule sees other fields. Where fields depend on each other, what the rules say of the same pairs differs.
    """
    patterns = trained.compared.patterns
    taught = trained.compared.taught
    weights = probability if taught is None else probability * taught
    mass = np.bincount(patterns.of_pair, weights=weights, minlength=patterns.counts.size)
    apart, total = 0.0, 0.0
    for rule, made in trained.compared.rules.items():
        here = float(mass[made.patterns].sum())
        by_itself = model.rule_prior[rule] * float(patterns.counts[made.patterns].sum())
        apart += abs(here - by_itself)
        total += max(here, by_itself)
    return apart / total if total > 0 else 0.0


def caught(model: FellegiSunter, prepared: Prepared) -> float:
    """Return the share of matches that some rule puts into one block, were its fields to err as the model says.

    Gaps are as in random pairs of records; what a rule takes of a column counts as equal only where the column is.
    """
    if not model.rules or prepared.n < 2:
        return 1.0
    rng = np.random.default_rng(0)
    known = np.arange(prepared.n) if prepared.teachers is None else np.flatnonzero(prepared.teachers)
    rows = known[rng.integers(0, known.size, (2, DRAWS))]
    moved = rng.random(DRAWS) < model.prior_moved / model.prior
    equal: dict[str, npt.NDArray[np.bool_]] = {}
    for field in prepared.fields:
        there = (field.codes[rows[0]] >= 0) & (field.codes[rows[1]] >= 0)
        agree = np.full(DRAWS, model.m[field.column][-1])
        if model.moved:
            agree[moved] = model.moved[field.column][-1]
        equal[field.column] = there & (rng.random(DRAWS) < agree)
    met = np.zeros(DRAWS, dtype=np.bool_)
    columns = list(equal)
    for parts in model.rules.values():
        rule = _rules.parsed([parts], [*prepared.frames[0].columns, *columns])[0]
        if all(part.column in equal for part in rule):
            met |= np.logical_and.reduce([equal[part.column] for part in rule])
    return float(met.mean())


def _diagnosis(model: FellegiSunter, prepared: Prepared, doubt: float, matches: float) -> str:
    """Say in words where the estimates cannot be trusted."""
    words = []
    if prepared.n and matches < FEW:
        words.append(f"only {matches:.1f} matches are expected: too few to learn how often fields of one person agree")
    if doubt > DOUBT:
        words.append(
            f"the rules differ by {doubt:.0%} on how many matches the same pairs have: fields depend on each other in ways the "
            "model does not know"
        )
    if "date" not in model.kinds.values() and sum(kind in ("name", "text") for kind in model.kinds.values()) > 0:
        words.append(
            "no field is a date of birth: people of one household or family may pass for one person, and precision be lower than "
            "told"
        )
    if not model.converged:
        words.append("the fit stopped before it converged")
    return "" if not words else "cannot be told for certain: " + "; ".join(words)
