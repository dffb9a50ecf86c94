"""Which parts of the experience go with the score, and how much of it each explains."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._kernels import drivers as _k
from crmkit.errors import DataError, LimitError, OptionError
from crmkit.feedback import _answers
from crmkit.feedback._nps import checked_scale, worth
from crmkit.results import Shown, confidence_level

__all__ = ["Drivers", "key_drivers"]

Floats = npt.NDArray[np.float64]

MOST_DRIVERS = 20
MOST_SUBSETS = 1 << 30
MANY_ROWS = 5_000


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Drivers(Shown):
    """How much of the differences in an outcome each driver explains.

    Attributes
    ----------
    table : DataFrame
        One row per driver, in the order given: ``driver``, ``importance`` (its part of R²), ``ci_low``, ``ci_high``, ``share``
        (its part of what all explain) and ``correlation`` with the outcome, which has the sign.
    r_squared : float
        What all drivers explain together: the sum of the importances.
    n : int
        Answers.
    level : float
        Confidence level of the intervals.
    method : str
        How R² was divided.

    Examples
    --------
    >>> from crmkit import datasets, feedback
    >>> answers = datasets.make_survey(n_customers=3000).survey
    >>> found = feedback.key_drivers(answers.assign(noise=range(len(answers))), drivers=["noise"])
    >>> found.r_squared < 0.01
    True
    """

    TABLES: ClassVar[tuple[str, ...]] = ("table",)

    table: Any
    r_squared: float
    n: int
    level: float
    method: str

    def __str__(self) -> str:
        return f"{len(self.table)} drivers explain {self.r_squared:.1%} of the outcome ({self.method}, n={self.n:,})"


def key_drivers(
    frame: Any,
    /,
    *,
    drivers: Sequence[str],
    outcome: str = "score",
    measure: str = "score",
    method: str = "lmg",
    scale: tuple[int, int] = (0, 10),
    detractors_to: int | None = None,
    promoters_from: int | None = None,
    level: float = 0.95,
    replicates: int = 500,
    rng: Any = 0,
) -> Drivers:
    r"""Rank the parts of the experience by how much of the score they explain, fairly where they go together.

    Parameters
    ----------
    frame : DataFrame
        One answer per row, nothing missing in the columns used.
    drivers : list of str
        Columns of numbers, such as ratings of price, quality and service; at most twenty for "lmg".
    outcome : str, default "score"
        Column to be explained.
    measure : {"score", "nps"}, default "score"
        Explain the outcome as it is, any number; or whether it is a promoter's (1), a passive's (0) or a detractor's (−1).
    method : {"lmg", "relative_weights"}, default "lmg"
        How R² is divided (see Notes).
    scale : (int, int), default (0, 10)
        Lowest and highest possible answer, for ``measure="nps"``.
    detractors_to, promoters_from : int, optional
        Highest answer of a detractor and lowest of a promoter, as in `nps`.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    replicates : int, default 500
        Bootstrap resamples behind the intervals, 100 to 1,000,000.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.

    Returns
    -------
    Drivers
        The table and the R² that it divides.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        A number is missing, a column does not vary, or there are too few answers for so many drivers.
    LimitError
        "lmg" would walk too many subsets; "relative_weights" has no such limit.
    OptionError
        An option is not usable.

    Notes
    -----
    "lmg" (Lindeman, Merenda and Gold) is a driver's gain in R² averaged over all orders of entry, its Shapley value. Johnson's
    relative weights go by way of the orthogonal variables nearest to the drivers; they are close to it and cost next to nothing.
    Both add up to R². Regression coefficients do not: ratings go together, so one takes what belongs to another.

    Importance is association, not effect: a driver that explains much need not move the score when it is improved.

    References
    ----------
    Lindeman, Merenda and Gold (1980), Introduction to Bivariate and Multivariate Analysis.
    Grömping (2006), Relative importance for linear regression in R: the package relaimpo, JSS 17(1).
    Johnson (2000), A heuristic method for estimating the relative weight of predictor variables in multiple regression,
    Multivariate Behavioral Research 35(1).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from crmkit import feedback
    >>> rng = np.random.default_rng(0)
    >>> service, price = rng.normal(size=(2, 500))
    >>> answers = pd.DataFrame({"service": service, "price": price, "score": 2 * service + price + rng.normal(size=500)})
    >>> feedback.key_drivers(answers, drivers=["service", "price"]).table[["driver", "importance"]].round(2)
        driver  importance
    0  service        0.69
    1    price        0.14
    """
    _options.choice("measure", measure, ("score", "nps"))
    _options.choice("method", method, ("lmg", "relative_weights"))
    level = confidence_level(level)
    replicates = _options.whole("replicates", replicates, low=100, high=1_000_000)
    random = _options.generator(rng)
    read = _frame.read(frame)
    if isinstance(drivers, (str, bytes)) or not isinstance(drivers, Sequence):
        msg = f"drivers={drivers!r} is not a list of columns"
        raise OptionError(msg)
    names = list(drivers)
    if not names or len(set(names)) < len(names) or outcome in names:
        msg = f"drivers={names!r}: name at least one column, each of them once, and not the outcome"
        raise OptionError(msg)
    p = len(names)
    if method == "lmg" and (p > MOST_DRIVERS or replicates << p > MOST_SUBSETS):
        msg = (
            f"{p} drivers have {1 << p:,} subsets, times {replicates:,} resamples: more than {MOST_SUBSETS:,}; use"
            ' method="relative_weights", fewer drivers or fewer replicates'
        )
        raise LimitError(msg)
    if measure == "nps":
        bounds = checked_scale(scale, detractors_to, promoters_from)
        y = worth(_answers.read(read, score=outcome, by=None, scale=bounds[0]).scores, bounds).astype(np.float64)
    else:
        y = _frame.numbers(read, outcome, keyword="outcome", moderate=True)
    columns = [_frame.numbers(read, name, keyword="drivers", moderate=True) for name in names]
    if y.size < p + 2:
        msg = f"{y.size:,} answers are too few for {p} drivers"
        raise DataError(msg)
    data = np.column_stack([*columns, y])
    for name, column in zip([*names, outcome], data.T, strict=True):
        if column.min() == column.max():
            msg = f"column {name!r}: all values are {column[0]:g}; what does not vary explains nothing"
            raise DataError(msg)
    data = (data - data.mean(axis=0)) / data.std(axis=0)
    times = np.ones(len(data))
    if len(data) > MANY_ROWS:
        # ratings repeat: a resample is then a draw of how often each distinct row comes
        data, repeated = np.unique(data, axis=0, return_counts=True)
        times = repeated.astype(np.float64)
    divide = _lmg if method == "lmg" else _relative_weights
    correlation = _correlation(data, times)
    importance = divide(correlation)
    chances = times / times.sum()
    drawn = np.array(
        [divide(_correlation(data, random.multinomial(y.size, chances).astype(np.float64))) for _ in range(replicates)]
    )
    low, high = np.quantile(drawn, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    total = float(importance.sum())
    table = _frame.table(
        {
            "driver": names,
            "importance": importance,
            "ci_low": low,
            "ci_high": high,
            "share": importance / total if total > 0.0 else np.zeros(p),
            "correlation": correlation[:p, p].copy(),
        },
        kind=read.kind,
    )
    return Drivers(table, total, int(y.size), level, method)


def _correlation(data: Floats, times: Floats) -> Floats:
    """Correlations of rows that come so often; a column that a resample leaves constant goes with nothing."""
    n = times.sum()
    centred = data - (times @ data) / n
    moments = (centred * times[:, None]).T @ centred / n
    spread = np.sqrt(np.maximum(np.diag(moments), 0.0))
    constant = spread < 1e-12
    spread[constant] = 1.0
    found = moments / np.outer(spread, spread)
    found[constant] = 0.0
    found[:, constant] = 0.0
    found[np.diag_indices_from(found)] = 1.0
    return np.ascontiguousarray(found)


def _lmg(correlation: Floats) -> Floats:
    out = np.empty(correlation.shape[0] - 1)
    _k.lmg(correlation, out)
    return out


def _relative_weights(correlation: Floats) -> Floats:
    values, vectors = np.linalg.eigh(correlation[:-1, :-1])
    # drivers that repeat others leave directions without variance: nothing is explained along them
    root = np.sqrt(np.maximum(values, 0.0))
    inverse = np.where(root > 1e-5, 1.0 / np.where(root > 1e-5, root, 1.0), 0.0)
    nearest = vectors * root @ vectors.T
    slopes = vectors * inverse @ vectors.T @ correlation[:-1, -1]
    return np.asarray((nearest**2) @ (slopes**2))
