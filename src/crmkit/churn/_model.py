"""A fitted model of churn: what it learnt, how it scored on rows it had not seen, and probabilities from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _learn
from crmkit._learn import MISSING, UNSEEN, Boosting, Calibration, Logistic, Table
from crmkit.errors import ColumnError, DataError, FitError, OptionError
from crmkit.results import Model

__all__ = ["ChurnModel", "predict"]

Floats = npt.NDArray[np.float64]

PACKED = "__skops__"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ChurnModel(Model):
    """A fitted model of the probability of churn.

    Attributes
    ----------
    label : str
        The column it was fitted to predict.
    kind : str
        Which of the candidates it is: "logistic", "boosting", "large_boosting", or "blend" of several.
    features : tuple of str
        The columns it reads.
    categories : mapping of str to tuple of str
        The values seen of each feature of text.
    shares : mapping of str to array
        How the rows that had one were spread over them.
    missing : mapping of str to float
        Share of rows without a value, of the features that lacked some: only these may lack it in a prediction.
    ranges : mapping of str to (float, float)
        Smallest and largest value of each feature of numbers among the rows fitted on.
    dropped : tuple of str
        Features left out because every row had the same value.
    cutoffs : tuple of str
        The cutoffs of the rows it was fitted on, where there were any.
    terms : tuple of str
        What has a coefficient in a logistic regression, by itself or in a blend: a feature of numbers itself,
        "feature=category", "feature missing". Empty in a boosting, as are the next four.
    intercept : float or None
        Log odds of a row at the means of its numbers, without the effects of its categories.
    coefficients : array
        Change in log odds per standard deviation of a number, or in a category.
    means, scales : array
        What is taken from and divides each term: mean and standard deviation of a number, 0 and 1 for a category.
    penalty : float or None
        Of half the sum of squared coefficients, against the log-likelihood.
    estimators : mapping of str to object
        The fitted boostings of scikit-learn by kind; none in a logistic regression.
    weights : mapping of str to float
        Of the log odds of each kind in a blend, and its intercept; else empty.
    calibration : mapping of str to str, float or array
        ``method``, and what defines it: "none"; "sigmoid" with ``intercept`` and ``slope``, a line on the log odds;
        "isotonic" with knots ``at`` and ``value``.
    base_rate : float or None
        The share of churners in the population, where it was given; the log odds are moved by `offset` towards it.
    offset : float
        Log odds of `base_rate` less those of the share in the rows, else 0.
    log_likelihood : float or None
        Of a logistic regression at its estimate, without the penalty, before calibration.
    n, n_churned : int
        Rows, and those labelled 1.
    converged : bool
        Whether the gradient of the mean penalised log-likelihood is below 1e-6; a boosting always is.
    validation : str
        How the metrics were found.
    metrics : mapping of str to float
        On rows not fitted on, means over folds: ``auc``, ``log_loss``, ``brier``, with ``_sd`` their standard deviations over
        folds; ``base_log_loss`` and ``base_brier`` of the base rate as everybody's probability; ``base_rate``; ``folds``.
    candidates : mapping of str to mapping
        ``log_loss``, ``brier`` and ``auc`` of each kind that was tried, found in the same way, and its number of ``trees``.
    """

    TITLE: ClassVar[str] = "Churn"

    label: str
    kind: str
    features: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    shares: Mapping[str, Floats]
    missing: Mapping[str, float]
    ranges: Mapping[str, Any]
    dropped: tuple[str, ...]
    cutoffs: tuple[str, ...]
    terms: tuple[str, ...]
    intercept: float | None
    coefficients: Floats
    means: Floats
    scales: Floats
    penalty: float | None
    estimators: Mapping[str, Any]
    weights: Mapping[str, float]
    calibration: Mapping[str, Any]
    base_rate: float | None
    offset: float
    log_likelihood: float | None
    n: int
    n_churned: int
    converged: bool
    validation: str
    metrics: Mapping[str, float]
    candidates: Mapping[str, Mapping[str, float]]

    def __post_init__(self) -> None:
        """Make arrays and mappings read-only, and rebuild boostings that came as text."""
        rebuilt = {
            name: _learn.unpack(each[PACKED]) if isinstance(each, Mapping) else each for name, each in self.estimators.items()
        }
        object.__setattr__(self, "estimators", rebuilt)
        Model.__post_init__(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values that survive JSON; a boosting goes through skops, never through pickle."""
        plain = Model.to_dict(dataclasses.replace(self, estimators={}))
        plain["estimators"] = {name: {PACKED: _learn.pack(each)} for name, each in self.estimators.items()}
        return plain

    def probability(self, values: Mapping[str, Any]) -> Any:
        """Give the probability of churn of one customer, or of many.

        Parameters
        ----------
        values : mapping of str to number, str or array
            Every feature of the model, as single values or as arrays of one length. None and NaN are missing, which is
            allowed where the fit has met it.

        Returns
        -------
        float or ndarray
            Between 0 and 1. A category the model has not seen counts as the mean over those it has, and is warned of, as are
            numbers beyond `bounds`.
        """
        columns = {name: self._column(name, values) for name in self.features}
        sizes = {column.size for column in columns.values()} - {1}
        if len(sizes) > 1:
            msg = f"the features have different lengths: {sorted(sizes)}"
            raise DataError(msg)
        n = sizes.pop() if sizes else 1
        wide = {name: np.broadcast_to(column, (n,)) for name, column in columns.items()}
        out = self._of(Table(wide, self.categories, tuple(self.missing), n))
        single = all(np.ndim(values[name]) == 0 for name in self.features)
        return float(out[0]) if single else out

    def _column(self, name: str, values: Mapping[str, Any]) -> npt.NDArray[Any]:
        if name not in values:
            raise ColumnError.missing(name, values)
        given = np.atleast_1d(np.asarray(values[name], dtype=object))
        if name in self.categories:
            seen = self.categories[name]
            known = {value: code for code, value in enumerate(seen)}
            if any(_is_number(value) for value in given) and not all(_frame.reads_as_number(value) for value in seen):
                msg = f"feature {name!r} is a number, but the model was fitted on the categories {list(seen[:5])}"
                raise DataError(msg)
            codes = [MISSING if _is_missing(value) else known.get(_shown(value), UNSEEN) for value in given]
            column: npt.NDArray[Any] = np.array(codes, np.int32)
            _frame.warn_of_unseen(column == UNSEEN, name, taken_for=_learn.MEAN_OF_SEEN, stacklevel=4)
            gone = column == MISSING
        else:
            try:
                column = np.array([np.nan if value is None else value for value in given], np.float64)
            except (TypeError, ValueError) as error:
                msg = f"feature {name!r} is no number, but the model was fitted on numbers; convert it as for the fit"
                raise DataError(msg) from error
            infinite = np.isinf(column)
            if infinite.any():
                count, place = _frame.first_place(infinite)
                msg = f"feature {name!r}: {count:,} infinite, the first in place {place}; replace or drop them"
                raise DataError(msg)
            _frame.warn_of_far(column, self.bounds(), name, stacklevel=4)
            gone = np.isnan(column)
        if name not in self.missing:
            _learn.refuse_missing(gone, name, place="place")
        return column

    def _of(self, table: Table) -> Floats:
        """Give the probability of each row of a table as read."""
        return _learn.probability(self.log_odds_of(table))

    def log_odds_of(self, table: Table) -> Floats:
        """Give the log odds of churn of each row of a table as `crmkit._learn` reads it."""
        return Calibration.of(self.calibration)(self._raw(table)) + self.offset

    def _raw(self, table: Table) -> Floats:
        """Give the log odds before calibration."""
        parts: dict[str, Floats] = {}
        if self.intercept is not None:
            parts["logistic"] = self.logistic().log_odds(table.matrix()[0])
        for name, estimator in self.estimators.items():
            parts[name] = Boosting(estimator, _learn.tree_columns(table)).log_odds_of(table, dict(self.shares))
        if self.kind != _learn.BLEND:
            return parts[self.kind]
        out = np.full(table.n, self.weights["intercept"])
        for name, log_odds in parts.items():
            out += self.weights[name] * log_odds
        return out

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Return below and above which numbers a prediction is the line carried on, not anything seen.

        Returns
        -------
        dict
            Low and high of each feature of numbers: beyond them, a logistic regression, alone or in a blend, moves the odds by
            more than a factor of twenty from where they are at the end of the range fitted on.
        """
        weight = self.weights.get("logistic", 1.0)
        terms = zip(self.terms, self.coefficients, self.scales, strict=True)
        slopes = {term: weight * coefficient / scale for term, coefficient, scale in terms}
        return _frame.far_bounds(self.ranges, slopes)

    def logistic(self) -> Logistic:
        """Return the logistic regression by itself, before calibration."""
        if self.intercept is None or self.log_likelihood is None:
            msg = f"a model of kind {self.kind!r} has no coefficients; fit with model='logistic' for them"
            raise FitError(msg)
        return Logistic(self.intercept, self.coefficients, self.means, self.scales, self.log_likelihood, self.converged)

    def __repr__(self) -> str:
        lines = [f"{self.TITLE}, {self.kind.replace('_', ' ')}: {self.label!r}"]
        if self.kind == "logistic":
            width = max(len(term) for term in self.terms)
            lines.append(f"  {'':<{width}}  log odds per sd, or in the category")
            lines += [f"  {term:<{width}}  {value:+.4f}" for term, value in zip(self.terms, self.coefficients, strict=True)]
            lines.append(f"  {'intercept':<{width}}  {self.intercept:+.4f}")
        else:
            lines.append(f"  {len(self.features)} features: {', '.join(self.features)}")
        lines.append(f"  n {self.n:,}, of which labelled 1: {self.n_churned:,}; converged {self.converged}")
        lines.append(f"  calibration {self.calibration['method']}")
        if self.weights:
            lines.append(f"  weights {', '.join(f'{name} {value:.3g}' for name, value in self.weights.items())}")
        scores = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        lines.append(f"  {self.validation}: {scores}")
        for name, found in self.candidates.items():
            lines.append(f"  tried {name}: {', '.join(f'{key} {value:.4g}' for key, value in found.items())}")
        return "\n".join(lines)


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
        A value is infinite, of another kind than in the fit, or missing where it never was in the fit.
    OptionError
        `model` is not a model of `fit`.

    Warns
    -----
    DataWarning
        Some rows hold a category that was not there to learn from. Such a row gets the mean over the categories seen: of the
        log odds in a logistic regression, of the probabilities, weighted by how common they were, in a boosting. It is never
        taken for a row whose category is missing. Or some numbers lie so far outside the range fitted on that a
        logistic regression, which carries its line on, moves their odds twentyfold (`ChurnModel.bounds`). A boosting answers as
        at the end of the range.

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
    table = _learn.read_as(read, model.features, model.categories, tuple(model.missing), model.bounds())
    return _frame.series_like(read, "churn_probability", model._of(table), used=model.features)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool) and not _is_missing(value)


def _is_missing(value: object) -> bool:
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _shown(value: object) -> str:
    if isinstance(value, (float, np.floating)) and value == np.floor(value):
        return str(int(value))
    return str(value)
