"""Weights of answers: what `rake` and `poststratify` return and the other functions take."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.errors import DataError
from crmkit.results import Shown

__all__ = ["Weights", "effective_n"]

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Weights(Shown):
    """Weights that make a sample look like its population, and how they were found.

    Pass it as ``weight=`` to `nps` and its like, with the same rows: standard errors then know that the margins hold exactly.

    Attributes
    ----------
    values : Series or DataFrame
        One weight per row of the sample; elsewhere than in pandas a frame.
    converged : bool
        Whether all margins are met to the tolerance.
    iterations : int
        Rounds over the margins.
    largest_gap : float
        Largest difference between a weighted and a wanted count, as a share of the total.
    effective_n : float
        Size of a simple random sample that would be as informative, by the spread of the weights alone.
    design_effect : float
        Rows for each row of that sample.
    lowest, highest : float
        Smallest and largest weight.
    total : float
        Sum of the weights.
    """

    values: Any
    converged: bool
    iterations: int
    largest_gap: float
    effective_n: float
    design_effect: float
    lowest: float
    highest: float
    total: float
    _weights: Floats
    _cells: tuple[npt.NDArray[np.int64], ...]

    def __repr__(self) -> str:
        state = "met" if self.converged else "NOT met"
        return (
            f"Weights of {self._weights.size:,} answers: margins {state} after {self.iterations} rounds (largest gap"
            f" {self.largest_gap:.2g}), {self.lowest:.4g} to {self.highest:.4g}, effective n {self.effective_n:,.1f}"
        )


def effective_n(weights: Any, /) -> float:
    r"""Give the size of a simple random sample as informative as a weighted one: how much weighting costs.

    Parameters
    ----------
    weights : Weights, Series or array
        One weight per answer, zero or more, not all zero.

    Returns
    -------
    float
        Kish's effective sample size.

    Raises
    ------
    DataError
        A weight is missing, infinite or negative, or all are zero.

    Notes
    -----
    :math:`(\sum w)^2 / \sum w^2`: the number of answers where all weigh the same.

    References
    ----------
    Kish (1965), Survey Sampling, section 11.7.

    Examples
    --------
    >>> from crmkit import feedback
    >>> round(feedback.effective_n([1, 2, 1, 1, 3, 1, 2, 1, 1, 2]), 4)
    8.3333
    """
    if isinstance(weights, Weights):
        return weights.effective_n
    if _frame.is_frame(weights) or isinstance(weights, (str, bytes, dict)) or np.ndim(weights) != 1:
        msg = f"expected one column of weights, got {type(weights).__module__}.{type(weights).__name__}"
        raise DataError(msg)
    column = weights.array if hasattr(weights, "array") else np.asarray(weights)
    return kish(checked(_frame.read(_frame.table({"weight": column})), "weight"))


def checked(frame: Any, weight: Any) -> Floats:
    """Read a column of weights: zero or more, not all zero."""
    values = _frame.numbers(frame, weight, keyword="weight", nonnegative=True, moderate=True)
    if values.size == 0 or not values.any():
        msg = f"column {weight!r}: no weight is above zero, so nothing is weighed"
        raise DataError(msg)
    return values


def kish(weights: Floats) -> float:
    """Effective sample size by the spread of the weights."""
    scaled = weights / weights.max()  # squares of huge or tiny weights stay in range
    return float(scaled.sum() ** 2 / (scaled * scaled).sum())
