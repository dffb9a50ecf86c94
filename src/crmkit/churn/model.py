"""Fit the probability of churn on any table of features and labels, and predict it on another."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _learn
from crmkit._learn import Fold, Logistic, Table
from crmkit.errors import ColumnError, ConvergenceWarning, DataError, DataWarning, FitError, OptionError
from crmkit.results import Model

__all__ = ["ChurnModel", "fit", "predict"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ticks = npt.NDArray[np.int64]

FEWEST = 5  # rows of either class: one for each fold
CUTOFF, LABEL_END = "cutoff", "label_end"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ChurnModel(Model):
    """A fitted model of the probability of churn.

    Attributes
    ----------
    label : str
        The column it was fitted to predict.
    features : tuple of str
        The columns it reads.
    terms : tuple of str
        What has a coefficient: a feature of numbers itself, or "feature=category".
    intercept : float
        Log odds of a row at the means of its numbers, without the effects of its categories.
    coefficients : array
        Change in log odds per standard deviation of a number, or in a category.
    means, scales : array
        What is taken from and divides each term: mean and standard deviation of a number, 0 and 1 for a category.
    categories : mapping of str to tuple of str
        The values seen of each feature of text.
    dropped : tuple of str
        Features left out because every row had the same value.
    cutoffs : tuple of str
        The cutoffs of the rows it was fitted on, where there were any.
    penalty : float
        Of half the sum of squared coefficients, against the log-likelihood.
    log_likelihood : float
        At the estimate, without the penalty.
    n, n_churned : int
        Rows, and those labelled 1.
    converged : bool
        Whether the gradient of the mean penalised log-likelihood is below 1e-6.
    validation : str
        How the metrics were found.
    metrics : mapping of str to float
        On rows not fitted on, means over folds: ``auc``, ``log_loss``, ``brier``, with ``_sd`` their standard deviations over
        folds; ``base_log_loss`` and ``base_brier`` of the base rate as everybody's probability; ``base_rate``; ``folds``.
    """

    TITLE: ClassVar[str] = "Churn, logistic regression"

    label: str
    features: tuple[str, ...]
    terms: tuple[str, ...]
    intercept: float
    coefficients: Floats
    means: Floats
    scales: Floats
    categories: Mapping[str, tuple[str, ...]]
    dropped: tuple[str, ...]
    cutoffs: tuple[str, ...]
    penalty: float
    log_likelihood: float
    n: int
    n_churned: int
    converged: bool
    validation: str
    metrics: Mapping[str, float]

    def probability(self, values: Mapping[str, Any]) -> Any:
        """Give the probability of churn of one customer, or of many.

        Parameters
        ----------
        values : mapping of str to number, str or array
            Every feature of the model, as single values or as arrays of one length.

        Returns
        -------
        float or ndarray
            Between 0 and 1. A category the model has not seen adds nothing, and is warned of.
        """
        columns: dict[str, npt.NDArray[Any]] = {}
        for name in self.features:
            if name not in values:
                raise ColumnError.missing(name, values)
            given = np.atleast_1d(np.asarray(values[name], dtype=object if name in self.categories else np.float64))
            if name in self.categories:
                known = {value: code for code, value in enumerate(self.categories[name])}
                columns[name] = np.array([known.get(str(value), -1) for value in given], np.int32)
                _learn.warn_of_unseen(columns[name] < 0, name, stacklevel=3)
            elif not np.isfinite(given).all():
                count, row = _frame.first_place(~np.isfinite(given))
                msg = f"feature {name!r}: {count:,} missing or infinite, the first in place {row}; fill or drop them"
                raise DataError(msg)
            else:
                columns[name] = given
        sizes = {column.size for column in columns.values()} - {1}
        if len(sizes) > 1:
            msg = f"the features have different lengths: {sorted(sizes)}"
            raise DataError(msg)
        n = sizes.pop() if sizes else 1
        wide = {name: np.broadcast_to(column, (n,)) for name, column in columns.items()}
        out = self._of(Table(wide, self.categories, n))
        single = all(np.ndim(values[name]) == 0 for name in self.features)
        return float(out[0]) if single else out

    def _of(self, table: Table) -> Floats:
        X, _ = table.matrix()
        fitted = Logistic(self.intercept, self.coefficients, self.means, self.scales, self.log_likelihood, self.converged)
        return _learn.probability(fitted.log_odds(X))

    def __repr__(self) -> str:
        width = max(len(term) for term in self.terms)
        lines = [f"{self.TITLE}: {self.label!r}", f"  {'':<{width}}  log odds per sd, or in the category"]
        lines += [f"  {term:<{width}}  {value:+.4f}" for term, value in zip(self.terms, self.coefficients, strict=True)]
        lines.append(f"  {'intercept':<{width}}  {self.intercept:+.4f}")
        lines.append(f"  n {self.n:,}, of which labelled 1: {self.n_churned:,}; converged {self.converged}")
        scores = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        lines.append(f"  {self.validation}: {scores}")
        return "\n".join(lines)


def fit(frame: Any, /, *, label: str = "churned", features: Any = None, cutoff: str | None = None) -> ChurnModel:
    r"""Learn how the probability of churn depends on what is known of a customer.

    Parameters
    ----------
    frame : DataFrame
        One row per customer, or per customer and cutoff as `panel` returns them.
    label : str, default "churned"
        Column that says what came to pass: true or false, or 1 and 0.
    features : sequence of str, optional
        Columns to learn from: numbers, flags, text. Default: all columns but the label, the cutoff and ``label_end``, and,
        where ids are no index (other frames than pandas, or a panel after ``reset_index``), the first, which holds them.
    cutoff : str, optional
        Column, or index level, of the moments the features were taken at; the frame then has ``label_end`` too. Default:
        ``cutoff``, in a frame that has both.

    Returns
    -------
    ChurnModel
        Frozen; it holds coefficients and scores, and no rows.

    Raises
    ------
    ColumnError
        A column is missing, or no feature is left.
    DataError
        A value is missing or infinite, the label is not 0 or 1, or a column of text is dates, ids or numbers in disguise.
    FitError
        Fewer than 5 rows of either label, or all features are constant.
    OptionError
        `features` names the label, or a column twice.

    Warns
    -----
    DataWarning
        Constant features were left out; or no cutoff lies after the label window of an earlier one, so that there are no
        metrics.
    ConvergenceWarning
        The fit stopped early.

    Notes
    -----
    Logistic regression by penalised maximum likelihood,

    .. math:: \max_\beta \sum_i \log P(y_i \mid x_i) - \tfrac12 \lVert\beta\rVert^2 .

    Numbers and flags are standardised, so their units do not matter. Each value of a text column has a coefficient of its
    own, the penalty makes those of one column sum to zero. The intercept is not penalised: the mean probability over the
    rows fitted on is the share that churned. No class is weighted, which would distort probabilities.

    Metrics are found on rows left out of the fit. With several cutoffs, each is predicted from the rows whose label window
    had ended by then (expanding and purged). Otherwise, 5 folds with the shares of both labels kept. The rows are first
    put in an order that depends on what they hold, so that the order they come in changes nothing.

    References
    ----------
    le Cessie and van Houwelingen (1992), Ridge estimators in logistic regression, Applied Statistics 41(1).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import churn
    >>> customers = pd.DataFrame(
    ...     {
    ...         "tenure": [1, 2, 3, 5, 8, 30, 4, 40, 35, 50, 45, 60],
    ...         "plan": ["month", "month", "year", "month", "month", "year", "month", "year", "month", "year", "year", "year"],
    ...         "churned": [1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0],
    ...     }
    ... )
    >>> model = churn.fit(customers)
    >>> model.terms
    ('tenure', 'plan=month', 'plan=year')
    >>> round(model.probability({"tenure": 2, "plan": "month"}), 2)
    0.81
    """
    table = _frame.read(frame)
    if len(table) == 0:
        msg = "the frame has no rows"
        raise DataError(msg)
    times = _read_times(table, cutoff)
    left_out = [label, *((CUTOFF if cutoff is None else cutoff, LABEL_END) if times else ())]
    # outside pandas, and where a panel's index was turned into columns, the id comes first
    flat = table.kind != "pandas" or (times is not None and table.columns[1:2] == [cutoff or CUTOFF])
    names = _learn.chosen_features(table, features, left_out, first_is_id=flat)
    churned = _learn.read_label(table, label)
    _refuse_few(churned, label)
    read = _learn.read_features(table, names)
    dropped = read.constant()
    if dropped:
        if len(dropped) == len(names):
            msg = f"every feature has one value only in all rows: {dropped}"
            raise FitError(msg)
        warnings.warn(
            f"features left out because every row has the same value: {dropped}; name the others with features= to say so"
            " yourself. Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=2,
        )
        read = read.without(dropped)
    X, indicator = read.matrix()
    order = _learn.content_order(X, churned)
    X, y = X[order], churned[order]
    fitted = _learn.fit_logistic(X, indicator, y)
    if not fitted.converged:
        warnings.warn(
            "the fit stopped before the slope of the likelihood was zero; the model says converged=False. Look for features"
            " on wildly different scales or a few extreme values.",
            ConvergenceWarning,
            stacklevel=2,
        )
    validation, folds = _folds(y, None if times is None else (times.cutoff[order], times.label_end[order]))
    metrics = _learn.cross_validate(X, indicator, y, folds)
    if metrics["folds"] == 0:
        validation = "not validated"
        warnings.warn(
            "no cutoff lies after the label window of an earlier one, so nothing is left to test on and the model has no"
            " metrics; add a cutoff one horizon later."
            " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=2,
        )
    return ChurnModel(
        label=label,
        features=tuple(read.columns),
        terms=tuple(read.terms()),
        intercept=fitted.intercept,
        coefficients=fitted.coefficients,
        means=fitted.means,
        scales=fitted.scales,
        categories=dict(read.categories),
        dropped=tuple(dropped),
        cutoffs=() if times is None else times.shown,
        penalty=_learn.PENALTY,
        log_likelihood=fitted.log_likelihood,
        n=int(y.size),
        n_churned=int(y.sum()),
        converged=fitted.converged,
        validation=validation,
        metrics=metrics,
    )


def predict(model: Model, frame: Any, /) -> Any:
    """Give each row its probability of churn.

    Parameters
    ----------
    model : ChurnModel
        As `fit` returns it.
    frame : DataFrame
        The features of the model, one row per customer; other columns are not read.

    Returns
    -------
    Series
        ``churn_probability`` between 0 and 1, with the index of the frame. Elsewhere than in pandas a frame of the id and
        ``churn_probability``.

    Raises
    ------
    ColumnError
        A feature is missing.
    DataError
        A value is missing or infinite, or of another kind than in the fit.
    OptionError
        `model` is not a model of `fit`.

    Warns
    -----
    DataWarning
        Some rows hold a category that was not there to learn from; it is taken to have no effect.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import churn
    >>> past = pd.DataFrame({"visits": [9, 8, 7, 9, 6, 5, 2, 1, 0, 1, 3, 4], "churned": [0] * 6 + [1] * 6})
    >>> model = churn.fit(past)
    >>> churn.predict(model, pd.DataFrame({"visits": [8, 0]}, index=["ann", "bob"])).round(2)
    ann    0.14
    bob    0.92
    Name: churn_probability, dtype: float64
    """
    if not isinstance(model, ChurnModel):
        msg = f"churn.predict takes a model of churn.fit, then the frame; got {type(model).__name__}"
        raise OptionError(msg)
    read = _frame.read(frame)
    table = _learn.read_as(read, model.features, model.categories)
    return _frame.series_like(read, "churn_probability", model._of(table), used=model.features)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Times:
    """When each row's features were taken and its label known, in ticks of one unit."""

    cutoff: Ticks
    label_end: Ticks
    shown: tuple[str, ...]


def _read_times(table: _frame.Frame, cutoff: str | None) -> _Times | None:
    levels = table.native.index.to_frame(index=False) if table.kind == "pandas" else None
    inside = levels is not None and (cutoff or CUTOFF) in levels.columns and (cutoff or CUTOFF) not in table.columns
    if cutoff is None and not (LABEL_END in table.columns and (inside or CUTOFF in table.columns)):
        return None
    taken = _frame.times(levels if inside else table, cutoff or CUTOFF, keyword="cutoff")
    known = _frame.times(table, LABEL_END)
    if (taken.clock.zone is None) != (known.clock.zone is None):
        msg = f"{cutoff or CUTOFF!r} and {LABEL_END!r}: one has a time zone, the other has none; give both the same"
        raise DataError(msg)
    day = max(taken.clock.ticks_per_day, known.clock.ticks_per_day)
    moments = taken.instant * (day // taken.clock.ticks_per_day)
    ends = known.instant * (day // known.clock.ticks_per_day)
    if (ends < moments).any():
        count, row = _frame.first_place(ends < moments)
        msg = f"column {LABEL_END!r}: {count:,} before the cutoff, the first in row {row}; a label window follows its cutoff"
        raise DataError(msg)
    return _Times(moments, ends, tuple(str(taken.clock.stamp(int(tick))) for tick in np.unique(taken.wall)))


def _refuse_few(churned: Bools, label: str) -> None:
    n_true = int(churned.sum())
    n_false = churned.size - n_true
    if min(n_true, n_false) == 0:
        msg = f"all {churned.size:,} rows have {label!r} {int(n_true > 0)}: there is nothing to tell apart"
        raise FitError(msg)
    if min(n_true, n_false) < FEWEST:
        msg = (
            f"{n_true:,} rows have {label!r} 1 and {n_false:,} have 0; at least {FEWEST} of either are needed, and a"
            " trustworthy model needs ten or more for every feature"
        )
        raise FitError(msg)


def _folds(y: Bools, times: tuple[Ticks, Ticks] | None) -> tuple[str, list[Fold]]:
    if times is None or (times[0] == times[0][0]).all():
        return "stratified folds", _learn.stratified_folds(y)
    return "later cutoffs from earlier ones", _learn.later_folds(*times)
