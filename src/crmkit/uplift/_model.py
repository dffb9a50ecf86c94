"""The fitted uplift model: what it learnt, whether there was anything to learn, and no rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from crmkit.results import Model
from crmkit.uplift._data import Floats
from crmkit.uplift._learners import Learnt, learnt_from

__all__ = ["ArmReport", "UpliftModel"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class UpliftModel(Model):
    """A fitted uplift model.

    Attributes
    ----------
    outcome, treatment : str
        Columns it was fitted on.
    control : object
        The arm that got nothing.
    arms : tuple
        The other arms.
    learner, base : str
        How the effect was learnt, and from what kind of model.
    features : tuple
        Columns it reads.
    categories : mapping
        Categories of each feature that has them.
    missing : tuple
        Features that were missing in some rows of the fit.
    shares : mapping
        How rows were spread over the categories, for customers with a new one.
    ranges : mapping
        Smallest and largest value of each feature of numbers among the rows fitted on.
    learnt : tuple
        One learner per arm.
    effect, effect_se : tuple
        Effect of treating everybody, per arm, with its standard error.
    qini, qini_se, p_value, slope : tuple
        Per arm, on rows each model had not seen: how well the predictions rank by effect, the test that they do not, and the
        slope of the effect on the predictions.
    shrinkage : tuple
        Factor that predictions are drawn towards the mean effect by: the slope, between 0 and 1.
    n : int
        Customers.
    diagnosis : str
        Empty, or in words for which arms no difference in effect was found.
    """

    TITLE: ClassVar[str] = "Uplift model"
    PARAMETERS: ClassVar[tuple[str, ...]] = (
        "learner", "base", "arms", "effect", "effect_se", "qini", "qini_se", "p_value", "slope",
    )  # fmt: skip

    outcome: str
    treatment: str
    control: Any
    arms: tuple[Any, ...]
    learner: str
    base: str
    features: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]
    shares: Mapping[str, Floats]
    ranges: Mapping[str, Any]
    learnt: tuple[Any, ...]
    effect: tuple[float, ...]
    effect_se: tuple[float, ...]
    qini: tuple[float, ...]
    qini_se: tuple[float, ...]
    p_value: tuple[float, ...]
    slope: tuple[float, ...]
    shrinkage: tuple[float, ...]
    n: int
    diagnosis: str

    def __post_init__(self) -> None:
        """Rebuild the learners that came as plain values, and make everything read-only."""
        revived = tuple(part if isinstance(part, Learnt) else _revived(part) for part in self.learnt)
        object.__setattr__(self, "learnt", revived)
        Model.__post_init__(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values that survive JSON; trees go through skops, never through pickle."""
        plain = Model.to_dict(dataclasses.replace(self, learnt=()))
        plain["learnt"] = [
            {"learner": part.learner, "share": part.share, "parts": [inner.to_dict() for inner in part.parts]}
            for part in self.learnt
        ]
        return plain

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Return below and above which numbers a linear model is far from what it has seen; trees answer as at the end.

        Returns
        -------
        dict
            Low and high of each feature of numbers: the range fitted on, and its width to either side.
        """
        if self.base != "linear":
            return {}
        return {name: (2.0 * low - high, 2.0 * high - low) for name, (low, high) in self.ranges.items()}

    def effects(self, X: Floats) -> Floats:
        """Give the effect of each arm (columns) on each row of a matrix of terms, drawn towards the mean effect.

        Parameters
        ----------
        X : array
            One row per customer, one column per term.

        Returns
        -------
        array
            One row per customer, one column per arm.
        """
        columns = [part.effect(X) for part in self.learnt]
        drawn = [
            mean + factor * (values - mean)
            for values, mean, factor in zip(columns, self.effect, self.shrinkage, strict=True)
        ]  # fmt: skip
        return np.column_stack(drawn)


@dataclasses.dataclass(frozen=True, slots=True)
class ArmReport:
    """What one arm showed on rows its learner had not seen."""

    effect: float
    effect_se: float
    qini: float
    qini_se: float
    p_value: float
    slope: float


def _revived(part: Any) -> Learnt:
    return Learnt(str(part["learner"]), tuple(learnt_from(inner) for inner in part["parts"]), float(part["share"]))
