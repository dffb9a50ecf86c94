"""Whether a model is worth it: its forecasts against what happened, beside forecasts that need no model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.clv._purchase import PurchaseModel
from crmkit.clv._rows import check_histories, read_histories, read_unit
from crmkit.errors import DataError, OptionError
from crmkit.results import Estimate, confidence_level

__all__ = ["Evaluation", "compare", "evaluate"]

Floats = npt.NDArray[np.float64]

_CELLS = 4_000_000  # probabilities held at once
_MOST = 7  # purchases from which on customers are one group
_RIVALS = ("all at the mean rate", "each at the own rate", "as much as last period")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How a model's forecasts of a holdout compare with what happened.

    Attributes
    ----------
    log_score : Estimate
        Mean log of the probability given to the purchases that were made; higher is better, 0 is the best there is.
    mae : Estimate
        Mean absolute difference of expected and actual purchases.
    rmse : Estimate
        Root of the mean squared difference.
    bias : Estimate
        Mean of expected minus actual purchases: above 0 the model expects too much.
    expected, actual : float
        Purchases of all customers together.
    n : int
        Customers.
    horizon : float
        Length of the holdout in the model's unit.
    by_frequency : DataFrame
        Mean expected and actual purchases of customers with the same `frequency` in the calibration; 7 stands for 7 and more.
    by_decile : DataFrame
        The same for ten groups of customers, from those expected to buy least to those expected to buy most.
    """

    log_score: Estimate
    mae: Estimate
    rmse: Estimate
    bias: Estimate
    expected: float
    actual: float
    n: int
    horizon: float
    by_frequency: Any
    by_decile: Any

    def __repr__(self) -> str:
        lines = [f"{self.n:,} customers over {self.horizon:g}: {self.expected:,.1f} purchases expected, {self.actual:,.0f} made"]
        lines += [f"  {name:<9}  {getattr(self, name)}" for name in ("log_score", "mae", "rmse", "bias")]
        return "\n".join(lines)


def evaluate(model: Any, known: Any, /, *, level: float = 0.95, n_threads: int | None = None) -> Evaluation:
    r"""Tell how well a model fitted on the calibration period foresaw the holdout.

    Parameters
    ----------
    model : BgNbd, MbgNbd, ParetoNbd or BgBb
        A purchase model, fitted on the calibration columns of `known`.
    known : DataFrame
        One row per customer as ``clv.split(...).known`` gives them: `frequency`, `recency` and `T`, and `holdout_frequency` and
        `holdout_T`, the same for all.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    n_threads : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    Evaluation
        Log score, mean absolute error, root mean squared error and bias with their intervals over customers; expected and actual
        purchases by frequency and by decile.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, is in another unit than the model, or holdouts differ in length.
    OptionError
        `model` is no purchase model, or `level` is not between 0 and 1.

    Notes
    -----
    Intervals are normal, from the spread over customers; that of the root mean squared error by the delta method. A probability
    too small for the machine counts as :math:`e^{-745}`. The error of one customer is mostly chance: compare models with
    `compare`, on the same customers, not with zero.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> known = pd.DataFrame(
    ...     {
    ...         "frequency": [0, 0, 0, 1, 1, 2, 3, 5],
    ...         "recency": [0.0, 0, 0, 4, 20, 9, 30, 22],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28],
    ...         "holdout_frequency": [0, 0, 1, 0, 1, 0, 2, 3],
    ...         "holdout_T": 26.0,
    ...     }
    ... )
    >>> found = clv.evaluate(clv.fit_bg_nbd(known, penalty=0.1), known)
    >>> found.n, found.actual
    (8, 7.0)
    """
    confidence_level(level)
    data = _Holdout.read(known, [model])
    expected, log_scores = data.foresee(model, n_threads)
    gap = expected - data.actual
    squared = _mean(gap**2, level)
    rmse = math.sqrt(squared.value)
    groups = np.minimum(data.x, _MOST).astype(np.int64)
    order = np.argsort(expected, kind="stable")
    deciles = np.empty(gap.size, np.int64)
    for number, rows in enumerate(np.array_split(order, min(10, gap.size)), start=1):
        deciles[rows] = number
    return Evaluation(
        log_score=_mean(log_scores, level),
        mae=_mean(np.abs(gap), level),
        rmse=Estimate.normal(
            rmse,
            squared.se / (2.0 * rmse) if rmse > 0.0 else 0.0,
            n=gap.size,
            level=level,
            method="delta",
            bounds=(0.0, math.inf),
        ),
        bias=_mean(gap, level),
        expected=float(expected.sum()),
        actual=float(data.actual.sum()),
        n=gap.size,
        horizon=data.horizon,
        by_frequency=data.grouped("frequency", groups, expected),
        by_decile=data.grouped("decile", deciles, expected),
    )


def compare(models: Any, known: Any, /, *, n_threads: int | None = None) -> Any:
    """Tell which of several models foresaw the holdout best, and whether any is worth more than a forecast without a model.

    Parameters
    ----------
    models : model, sequence of models or mapping of str to model
        Purchase models, fitted on the calibration columns of `known`; a mapping gives them names.
    known : DataFrame
        One row per customer as ``clv.split(...).known`` gives them: `frequency`, `recency`, `T`, `holdout_frequency`, `holdout_T`
        and, for the last of the forecasts without a model, `previous_frequency`.
    n_threads : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    DataFrame
        One row per forecast, models first: `model`; `log_score` and `log_score_se` (missing for forecasts of a number alone,
        which give no probabilities); `mae`, `mae_se`, `rmse`, `bias`, `bias_se` per customer; `expected` and `actual` in total.
        The forecasts without a model: all customers go on at the mean rate of all; each at the own rate so far; and, where
        `previous_frequency` is there, each buys as much as in the period of the same length before.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, is in another unit than a model, or holdouts differ in length.
    OptionError
        `models` are no purchase models, or two have one name.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> known = pd.DataFrame(
    ...     {
    ...         "frequency": [0, 0, 0, 1, 1, 2, 3, 5],
    ...         "recency": [0.0, 0, 0, 4, 20, 9, 30, 22],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28],
    ...         "holdout_frequency": [0, 0, 1, 0, 1, 0, 2, 3],
    ...         "holdout_T": 26.0,
    ...     }
    ... )
    >>> models = [clv.fit_bg_nbd(known, penalty=0.1), clv.fit_pareto_nbd(known, penalty=0.1)]
    >>> clv.compare(models, known)["model"].tolist()
    ['BG/NBD', 'Pareto/NBD', 'all at the mean rate', 'each at the own rate']
    """
    named = _named(models)
    data = _Holdout.read(known, list(named.values()))
    forecasts: dict[str, tuple[Floats, Floats | None]] = {name: data.foresee(model, n_threads) for name, model in named.items()}
    forecasts |= {name: (expected, None) for name, expected in data.naive().items()}
    rows: dict[str, list[float]] = {
        name: [] for name in ("log_score", "log_score_se", "mae", "mae_se", "rmse", "bias", "bias_se", "expected", "actual")
    }
    for expected, log_scores in forecasts.values():
        gap = expected - data.actual
        score = None if log_scores is None else _mean(log_scores, 0.95)
        absolute, bias = _mean(np.abs(gap), 0.95), _mean(gap, 0.95)
        found = (
            math.nan if score is None else score.value,
            math.nan if score is None else score.se,
            absolute.value,
            absolute.se,
            math.sqrt(float((gap**2).mean())),
            bias.value,
            bias.se,
            float(expected.sum()),
            float(data.actual.sum()),
        )
        for column, value in zip(rows.values(), found, strict=True):
            column.append(value)
    table = {name: np.array(column) for name, column in rows.items()}
    return _frame.table({"model": np.array(list(forecasts), dtype=object), **table}, kind=data.kind)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Holdout:
    """The calibration histories and the purchases that followed."""

    x: Floats
    t_x: Floats
    T: Floats
    actual: Floats
    previous: Floats | None
    horizon: float
    kind: str

    @classmethod
    def read(cls, known: Any, models: list[Any]) -> _Holdout:
        frame = _frame.read(known)
        x, t_x, T = read_histories(frame)
        actual = _frame.numbers(frame, "holdout_frequency", nonnegative=True, whole=True)
        lengths = _frame.numbers(frame, "holdout_T", positive=True)
        if x.size == 0:
            msg = "the table has no rows: nothing to evaluate"
            raise DataError(msg)
        if lengths.min() != lengths.max():
            msg = (
                f"column 'holdout_T' ranges from {lengths.min():g} to {lengths.max():g}; the holdout is one period, the same for"
                " all customers: clv.split gives it"
            )
            raise DataError(msg)
        unit = read_unit(frame)
        for model in models:
            if not isinstance(model, PurchaseModel):
                msg = f"expected fitted purchase models, such as clv.fit_bg_nbd returns, got {type(model).__name__}"
                raise OptionError(msg)
            if None not in (unit, model.unit) and unit != model.unit:
                msg = (
                    f"column 'unit' says {unit!r}, the {model.TITLE} model was fitted in {model.unit!r}; split with"
                    f" unit={model.unit!r}"
                )
                raise DataError(msg)
        previous = None
        if "previous_frequency" in frame.columns:
            previous = _frame.numbers(frame, "previous_frequency", nonnegative=True, whole=True)
        check_histories(x, t_x, T)
        return cls(x, t_x, T, actual, previous, float(lengths[0]), frame.kind)

    def foresee(self, model: PurchaseModel, n_threads: int | None) -> tuple[Floats, Floats]:
        """Return expected purchases, and the log of the probability of those made."""
        expected = model.expected_purchases(self.horizon, self.x, self.t_x, self.T, n_threads=n_threads)
        log_scores = np.empty(self.actual.size)
        order = np.argsort(self.actual, kind="stable")
        at = 0
        while at < order.size:
            # few purchases first: the table of probabilities is as wide as the largest number in it
            rows = order[at : at + max(_CELLS // 16, 1)]
            rows = rows[: max(int(_CELLS / (self.actual[rows[-1]] + 2.0)), 1)]
            most = int(self.actual[rows[-1]])
            chances = model.purchase_distribution(most, self.horizon, self.x[rows], self.t_x[rows], self.T[rows])
            hit = chances[np.arange(rows.size), self.actual[rows].astype(np.int64)]
            log_scores[rows] = np.log(np.maximum(hit, 5e-324))
            at += rows.size
        return np.asarray(expected), log_scores

    def naive(self) -> dict[str, Floats]:
        """Return the forecasts that need no model; where a customer has no past, that of all customers."""
        watched = float(self.T.sum())
        mean = float(self.x.sum()) / watched * self.horizon if watched > 0.0 else 0.0
        own = np.divide(self.x * self.horizon, self.T, out=np.full(self.x.size, mean), where=self.T > 0.0)
        found = {_RIVALS[0]: np.full(self.x.size, mean), _RIVALS[1]: own}
        if self.previous is not None:
            found[_RIVALS[2]] = self.previous
        return found

    def grouped(self, name: str, groups: npt.NDArray[np.int64], expected: Floats) -> Any:
        """Return mean expected and actual purchases of each group."""
        numbers, which = np.unique(groups, return_inverse=True)
        n = np.bincount(which)
        columns = {
            name: numbers,
            "n": n,
            "expected": np.bincount(which, weights=expected) / n,
            "actual": np.bincount(which, weights=self.actual) / n,
        }
        return _frame.table(columns, kind=self.kind)


def _named(models: Any) -> dict[str, Any]:
    if isinstance(models, Mapping):
        return {str(name): model for name, model in models.items()}
    listed = [models] if isinstance(models, PurchaseModel) else list(models)
    titles = [str(getattr(model, "TITLE", type(model).__name__)) for model in listed]
    named = dict(zip(titles, listed, strict=True))
    if len(named) < len(listed) or set(named) & set(_RIVALS):
        msg = f"the models are named {titles}; pass a mapping that gives each a name of its own"
        raise OptionError(msg)
    return named


def _mean(values: Floats, level: float) -> Estimate:
    se = float(values.std(ddof=1)) / math.sqrt(values.size) if values.size > 1 else 0.0
    return Estimate.normal(float(values.mean()), se, n=values.size, level=level, method="normal")
