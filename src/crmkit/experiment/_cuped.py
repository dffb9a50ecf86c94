"""CUPED: the same comparison with less noise, by taking out what was known before the experiment began."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.errors import DataError, OptionError
from crmkit.experiment._cells import cells_of, in_units
from crmkit.experiment._compare import compared, welch
from crmkit.experiment._result import Comparison
from crmkit.experiment._trial import Trial, names_of, read_trial
from crmkit.results import confidence_level

__all__ = ["Cuped", "cuped"]

Floats = npt.NDArray[np.float64]

LEAST = 5  # rows per covariate


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cuped(Comparison):
    """A comparison of adjusted outcomes, with what the adjustment took out.

    Attributes
    ----------
    table, sample_ratio, control, level, method, adjust, heterogeneity
        As in `Comparison`; the means are those of the adjusted outcome.
    theta : mapping
        What one unit of each covariate took off the outcome.
    variance_ratio : float
        Variance of the adjusted outcome over that of the raw one, row by row: an experiment needs this share of the customers
        (with clusters compare the standard errors instead).
    balance : mapping
        Per covariate the smallest p-value, over the arms, of a difference from the control: a small one means that it was not
        measured before the assignment, or that the assignment failed.
    adjusted : Series or DataFrame
        The adjusted outcome, on the rows that came in.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from crmkit import experiment
    >>> rng = np.random.default_rng(0)
    >>> before = rng.normal(100, 20, 2000)
    >>> arm = rng.integers(0, 2, 2000)
    >>> spend = pd.DataFrame({"arm": arm, "before": before, "after": before + 2 * arm + rng.normal(0, 5, 2000)})
    >>> found = experiment.cuped(spend, outcome="after", covariate="before")
    >>> found.variance_ratio < 0.1
    True
    """

    theta: Mapping[str, float]
    variance_ratio: float
    balance: Mapping[str, float]
    adjusted: Any

    def __str__(self) -> str:
        told = f"CUPED left {self.variance_ratio:.1%} of the variance"
        worst = min(self.balance.values())
        if worst < 0.01 / len(self.balance):
            name = min(self.balance, key=lambda key: self.balance[key])
            told += (
                f"; {name!r} differs between the arms (p = {worst:.2g}): was it measured before the assignment? If not, the"
                " adjustment takes part of the effect away"
            )
        return f"{told}.\n{Comparison.__str__(self)}"


def cuped(
    data: Any,
    /,
    *,
    outcome: str,
    covariate: str | Sequence[str],
    arm: str = "arm",
    control: Any = None,
    by: str | Sequence[str] | None = None,
    cluster: str | None = None,
    level: float = 0.95,
    adjust: str = "holm",
    expected: Mapping[Any, float] | Sequence[float] | None = None,
) -> Cuped:
    r"""Compare means after taking out what customers did before: the same effect with a smaller interval.

    Parameters
    ----------
    data : DataFrame
        One row per unit that was assigned to an arm.
    outcome : str
        Column of numbers, measured after the assignment.
    covariate : str or list of str
        Columns of numbers measured before it, best of all the outcome itself in the time before. Give new customers, who have
        none, a constant and a second column that marks them.
    arm : str, default "arm"
        Column of the arms.
    control : optional
        The arm that the others are compared with; default an arm called "control" or "holdout", or the one that is 0 or False.
    by : str or list of str, optional
        Columns of segments: the arms are compared in each; the adjustment is one for all.
    cluster : str, optional
        Column of what was assigned as a whole (households, shops), where that is more than one row.
    level : float, default 0.95
        Confidence level of each interval, between 0 and 1.
    adjust : {"holm", "bh", "bonferroni", "none"}, default "holm"
        How ``p_adjusted`` answers for the number of rows (see `crmkit.intervals.adjust_pvalues`).
    expected : mapping or list of float, optional
        Planned shares of the arms, as in `sample_ratio`.

    Returns
    -------
    Cuped
        A `Comparison` with the adjustment's coefficients, the share of variance that is left, and the adjusted outcome.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A number is missing or infinite, the covariates are constant or combinations of each other, or there are fewer than five
        rows per covariate, whose slopes would follow the noise and make the errors too small.
    OptionError
        The outcome is its own covariate, or an option is not usable.

    Notes
    -----
    :math:`\tilde y_i = y_i - \theta^\top (x_i - \bar x)` with :math:`\theta` the least-squares slope over all arms. The expected
    difference of the arms stays what it was, since assignment is independent of what came before; the variance falls to
    :math:`1 - R^2` of it. Where :math:`R^2` is near zero nothing is gained, and the result says so.

    References
    ----------
    Deng, Xu, Kohavi & Walker (2013), Improving the sensitivity of online controlled experiments by utilizing pre-experiment data,
    WSDM.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import experiment
    >>> spend = pd.DataFrame({"arm": [0, 1] * 4, "before": [3, 4, 1, 2, 0, 5, 2, 3], "after": [3.0, 6, 1, 4, 0, 7, 2, 5]})
    >>> found = experiment.cuped(spend, outcome="after", covariate="before")
    >>> round(found.theta["before"], 3), round(found.variance_ratio, 3)
    (1.444, 0.106)
    """
    level = confidence_level(level)
    names = names_of(covariate, "covariate")
    if outcome in names:
        msg = f"outcome={outcome!r} is also a covariate; a covariate is measured before the assignment"
        raise OptionError(msg)
    trial = read_trial(data, arm=arm, control=control, by=by, cluster=cluster)
    y = _frame.numbers(trial.frame, outcome, keyword="outcome")
    covariates = {name: _frame.numbers(trial.frame, name, keyword="covariate") for name in names}
    theta, adjusted = _adjusted(y, covariates)
    found = compared(
        trial,
        {outcome: welch(cells_of(trial, adjusted, None), trial.control, level)},
        level=level,
        adjust=adjust,
        expected=expected,
        method="cuped",
        scale="mean",
    )
    fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return Cuped(
        **fields,
        theta=dict(zip(names, theta.tolist(), strict=True)),
        variance_ratio=_variance_ratio(adjusted, y),
        balance={name: _balance(trial, values) for name, values in covariates.items()},
        adjusted=_frame.series_like(trial.frame, outcome, adjusted, used=[outcome, *names, arm]),
    )


def _adjusted(y: Floats, covariates: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Return the slopes and the outcome without what they explain."""
    if y.size < LEAST * len(covariates):
        msg = f"{y.size} rows are too few to take {len(covariates)} covariates out; give {LEAST} rows or more for each"
        raise DataError(msg)
    unit = in_units(y)[1]
    y = y / unit
    centred = np.column_stack([values - values.mean() for values in covariates.values()])
    size = np.abs(centred).max(axis=0)
    spread = size * np.sqrt(((centred / np.where(size > 0.0, size, 1.0)) ** 2).mean(axis=0))
    for name, values, width in zip(covariates, covariates.values(), spread, strict=True):
        if width <= 1e-12 * np.abs(values).max():
            msg = f"column {name!r} is the same in all {y.size:,} rows, so it explains nothing; leave it out"
            raise DataError(msg)
    scaled = centred / spread
    slopes, _, rank, _ = np.linalg.lstsq(scaled, y - y.mean(), rcond=1e-9)
    if rank < len(covariates):
        msg = f"the covariates {list(covariates)} are combinations of each other; leave one of them out"
        raise DataError(msg)
    left = y - scaled @ slopes
    if float(left.var()) <= 1e-24 * float(y.var()):
        left = np.full(y.size, y.mean())  # all is explained: what rounding leaves is no spread
    return slopes / spread * unit, left * unit


def _variance_ratio(adjusted: Floats, y: Floats) -> float:
    unit = in_units(y)[1]
    variance = float((y / unit).var())
    return float((adjusted / unit).var()) / variance if variance > 0.0 else 1.0


def _balance(trial: Trial, values: Floats) -> float:
    """Return the smallest p-value of a difference between an arm and the control."""
    whole = dataclasses.replace(trial, segments=None)
    p_values = welch(cells_of(whole, values, None), trial.control, 0.95)["p_value"][0]
    others = np.delete(p_values, trial.control)
    known = others[np.isfinite(others)]
    return min(1.0, float(known.min()) * known.size) if known.size else math.nan
