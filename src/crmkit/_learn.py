"""Learning a probability from a table: columns to numbers, one calibrated model, and scores on rows it has not seen."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._frame import as_pandas, rows_are
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError

__all__ = [
    "Logistic",
    "Table",
    "cross_validate",
    "fit_logistic",
    "later_folds",
    "read_as",
    "read_features",
    "read_label",
    "stratified_folds",
]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Fold = tuple[Rows, Rows]  # rows to learn from, rows to test on

PENALTY = 1.0  # of half the squared coefficients, against the sum of the log-likelihood
GRADIENT = 1e-9  # largest slope of the mean penalised log-likelihood at which the fit may stop
SLACK = 1e-6  # and at which it has still converged
FOLDS = 5
MOST_CATEGORIES = 100
NUMBERS_AS_TEXT = 20  # distinct values from which text that reads as numbers is taken for numbers stored as text


# ── columns to numbers ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Features as read: a column of numbers each, or codes into its categories (-1: none of them)."""

    columns: Mapping[str, npt.NDArray[Any]]
    categories: Mapping[str, tuple[str, ...]]
    n: int

    def without(self, names: Sequence[str]) -> Table:
        """Return the table without some of its features."""
        kept = {name: values for name, values in self.columns.items() if name not in names}
        return Table(kept, {name: seen for name, seen in self.categories.items() if name in kept}, self.n)

    def constant(self) -> list[str]:
        """Return the features that are the same in every row."""
        return [name for name, values in self.columns.items() if values.size and values.min() == values.max()]

    def terms(self) -> list[str]:
        """Name the columns of the matrix: the feature itself, or feature=category."""
        return [
            term
            for name in self.columns
            for term in ([f"{name}={value}" for value in self.categories[name]] if name in self.categories else [name])
        ]

    def matrix(self) -> tuple[Floats, Bools]:
        """Return one column per term, and which of them are indicators of a category."""
        indicator = np.array(
            [name in self.categories for name in self.columns for _ in self.categories.get(name, ("",))], np.bool_
        )
        X = np.empty((self.n, indicator.size), np.float64, order="F")
        at = 0
        for name, values in self.columns.items():
            if name not in self.categories:
                X[:, at] = values
                at += 1
                continue
            for code in range(len(self.categories[name])):
                X[:, at] = values == code
                at += 1
        return X, indicator


def read_features(frame: Any, names: Sequence[Any]) -> Table:
    """Read features to learn from: numbers and flags as they are, text as categories; nothing may be missing."""
    frame = _frame.read(frame)
    columns: dict[str, npt.NDArray[Any]] = {}
    categories: dict[str, tuple[str, ...]] = {}
    for name in names:
        if _is_number(frame, name):
            columns[name] = _number(frame, name)
            continue
        text = _frame.text(frame, name)
        _refuse_numbers_as_text(text, name)
        _refuse_missing(text.codes < 0, name)
        if len(text.values) > MOST_CATEGORIES:
            msg = (
                f"column {name!r} has {len(text.values):,} distinct values, more than {MOST_CATEGORIES}: ids and free text are"
                " no features; leave it out with features=[...], or group its values"
            )
            raise DataError(msg)
        # sorted, so that the model does not depend on which value comes first
        order = sorted(range(len(text.values)), key=text.values.__getitem__)
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        columns[name] = rank[text.codes]
        categories[name] = tuple(text.values[place] for place in order)
    return Table(columns, categories, len(frame))


def read_label(frame: Any, name: str) -> Bools:
    """Read what is to be predicted: true or false, 1 or 0, in every row."""
    frame = _frame.read(frame)
    series = as_pandas(frame.column(name, keyword="label"), frame.kind)
    missing = series.isna().to_numpy(dtype=np.bool_)
    if missing.any():
        count, row = _frame.first_place(missing)
        msg = f"column {name!r}: {count:,} missing, the first in row {row}; what came to pass must be known to learn from it"
        raise DataError(msg)
    if series.dtype.kind in "mM" or not _is_number(frame, name):
        msg = f"column {name!r} holds {series.dtype}, not 0 and 1; recode it, such as frame[{name!r}] == 'Yes'"
        raise DataError(msg)
    return _frame.flags(frame, name)


def read_as(frame: Any, names: Sequence[str], categories: Mapping[str, tuple[str, ...]]) -> Table:
    """Read the features of a fitted model; a category it has not seen gets code -1 and a warning."""
    frame = _frame.read(frame)
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in names:
        if name not in categories:
            if not _is_number(frame, name):
                msg = f"column {name!r} holds text, but the model was fitted on numbers; convert it as for the fit"
                raise DataError(msg)
            columns[name] = _number(frame, name)
            continue
        text = _frame.text(frame, name)
        _refuse_missing(text.codes < 0, name)
        known = {value: code for code, value in enumerate(categories[name])}
        code_of = np.array([known.get(value, -1) for value in text.values], np.int32)
        columns[name] = code_of[text.codes] if code_of.size else np.empty(0, np.int32)
        warn_of_unseen(columns[name] < 0, name, stacklevel=3)
    return Table(columns, categories, len(frame))


def warn_of_unseen(unseen: Bools, name: str, *, stacklevel: int) -> None:
    """Warn where a category was not there to learn from."""
    if not unseen.any():
        return
    count, row = _frame.first_place(unseen)
    warnings.warn(
        f"column {name!r}: {count:,} of {unseen.size:,} rows hold a category the model has not seen, the first in row {row};"
        " they are scored as if it had no effect, the mean of the categories seen. Fit again on newer rows to use it."
        " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
        DataWarning,
        stacklevel=stacklevel + 1,
    )


def _is_number(frame: _frame.Frame, name: Any) -> bool:
    """Whether the column is numbers or flags (else text), by how it is stored."""
    series = as_pandas(frame.column(name), frame.kind)
    kind = series.dtype.kind
    if kind in "mM":
        msg = f"column {name!r} holds {series.dtype}; turn it into a number, such as days up to the cutoff"
        raise DataError(msg)
    if hasattr(series, "cat"):
        return False
    if kind in "biufc":
        return True
    # objects: Decimals and mixtures of int and float are numbers, and so are numbers among text once they are put right
    present = series[~series.isna().to_numpy(dtype=np.bool_)]
    return any(hasattr(value, "__float__") and not isinstance(value, (bool, np.bool_)) for value in present)


def _number(frame: _frame.Frame, name: Any) -> Floats:
    series = as_pandas(frame.column(name), frame.kind)
    if series.dtype.kind != "b":
        return _frame.numbers(frame, name)
    _refuse_missing(series.isna().to_numpy(dtype=np.bool_), name)
    return _frame.flags(frame, name).astype(np.float64)


def _refuse_missing(missing: Bools, name: Any) -> None:
    if missing.any():
        count, row = _frame.first_place(missing)
        msg = f"column {name!r}: {count:,} missing, the first in row {row}; fill them with a value of their own, or drop the rows"
        raise DataError(msg)


def _refuse_numbers_as_text(text: _frame.Text, name: Any) -> None:
    if len(text.values) <= NUMBERS_AS_TEXT:
        return
    reads = np.array([_reads_as_number(value) for value in text.values] + [False], np.bool_)
    if reads.sum() < len(text.values) / 2:
        return
    odd = ~reads[text.codes]
    rest = f"; {rows_are(int(odd.sum()))} blank or no number, the first row {odd.argmax()}" if odd.any() else ""
    msg = (
        f"column {name!r} holds numbers stored as text{rest}. Convert it, as with pandas.to_numeric(column, errors='coerce'),"
        " and fill what is then missing; if its values are names, make it categorical under few names"
    )
    raise DataError(msg)


def _reads_as_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


# ── logistic regression ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Logistic:
    """Coefficients of the terms after (x - means) / scales, and of the intercept."""

    intercept: float
    coefficients: Floats
    means: Floats
    scales: Floats
    log_likelihood: float
    converged: bool

    def log_odds(self, X: Floats) -> Floats:
        """Give the log odds of each row of a matrix of terms."""
        # term by term: the same sum for a row alone and among others, which a matrix product does not promise
        out = np.full(X.shape[0], self.intercept)
        for t in range(X.shape[1]):
            out += self.coefficients[t] * ((X[:, t] - self.means[t]) / self.scales[t])
        return out


def fit_logistic(X: Floats, indicator: Bools, y: Bools) -> Logistic:
    """Fit by penalised maximum likelihood: numbers standardised, indicators as they are, the intercept free."""
    from sklearn.linear_model import LogisticRegression

    means, scales = np.zeros(X.shape[1]), np.ones(X.shape[1])
    for t in np.flatnonzero(~indicator):
        # in units of the largest value, whose square cannot overflow
        largest = float(np.abs(X[:, t]).max())
        if X[:, t].min() < X[:, t].max():
            unit = X[:, t] / largest
            means[t], scales[t] = unit.mean() * largest, unit.std() * largest
        else:
            means[t] = X[0, t]
    Z = (X - means) / scales
    model = LogisticRegression(C=1.0 / PENALTY, solver="newton-cholesky", tol=GRADIENT, max_iter=100)
    model.fit(Z, y)
    intercept, beta = float(model.intercept_[0]), np.asarray(model.coef_[0], np.float64)
    log_odds = Z @ beta + intercept
    residual = probability(log_odds) - y
    slopes = np.append(Z.T @ residual + PENALTY * beta, residual.sum()) / y.size
    return Logistic(
        intercept=intercept,
        coefficients=beta,
        means=means,
        scales=scales,
        log_likelihood=-float(_losses(y, log_odds).sum()),
        converged=bool(np.abs(slopes).max() <= SLACK),
    )


def probability(log_odds: Floats) -> Floats:
    """Turn log odds into probabilities, however large they are."""
    return np.exp(-np.logaddexp(0.0, -log_odds))


def _losses(y: Bools, log_odds: Floats) -> Floats:
    return np.logaddexp(0.0, log_odds) - y * log_odds


# ── scores on unseen rows ────────────────────────────────────────────────────────────────────────────────────────────────


def content_order(X: Floats, y: Bools) -> Rows:
    """Return an order of the rows that depends on what they hold, not on where they stand."""
    return np.lexsort([*X.T, y])


def stratified_folds(y: Bools, n_folds: int = FOLDS) -> list[Fold]:
    """Deal the rows of either class out to the folds at random, always the same for the same order of rows."""
    rng = np.random.default_rng(0)
    fold = np.empty(y.size, np.int64)
    dealt = 0
    for value in (False, True):
        rows = rng.permutation(np.flatnonzero(y == value))
        fold[rows] = (dealt + np.arange(rows.size)) % n_folds
        dealt += rows.size
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)]


def later_folds(cutoff: npt.NDArray[np.int64], label_end: npt.NDArray[np.int64]) -> list[Fold]:
    """Test on each cutoff what could be learnt by then: rows whose label window had ended."""
    folds = [(np.flatnonzero(label_end <= moment), np.flatnonzero(cutoff == moment)) for moment in np.unique(cutoff)]
    return [(past, now) for past, now in folds if past.size]


def cross_validate(X: Floats, indicator: Bools, y: Bools, folds: Sequence[Fold]) -> dict[str, float]:
    """Score a logistic model on the folds, beside the base rate of what it learnt from: means and spreads over folds.

    Folds where either part holds one class only are left out; "folds" says how many were scored.
    """
    scored = []
    for past, now in folds:
        if y[past].all() or not y[past].any() or y[now].all() or not y[now].any():
            continue
        log_odds = fit_logistic(X[past], indicator, y[past]).log_odds(X[now])
        rate = float(y[past].mean())
        scored.append(
            {
                "auc": _auc(y[now], log_odds),
                **_proper_scores("", y[now], log_odds),
                **_proper_scores("base_", y[now], np.full(now.size, math.log(rate / (1.0 - rate)))),
            }
        )
    out: dict[str, float] = {"folds": len(scored), "base_rate": float(y.mean())}
    for name in scored[0] if scored else ():
        values = np.array([scores[name] for scores in scored])
        out[name] = float(values.mean())
        if values.size > 1 and not name.startswith("base_"):
            out[f"{name}_sd"] = float(values.std(ddof=1))
    return out


def _proper_scores(prefix: str, y: Bools, log_odds: Floats) -> dict[str, float]:
    return {
        f"{prefix}log_loss": float(_losses(y, log_odds).mean()),
        f"{prefix}brier": float(np.square(probability(log_odds) - y).mean()),
    }


def _auc(y: Bools, score: Floats) -> float:
    """Share of pairs of one row of either class that the score orders rightly, ties by half."""
    from scipy.stats import rankdata

    n_true = int(y.sum())
    ranks = float(rankdata(score)[y].sum())
    return (ranks - n_true * (n_true + 1) / 2) / (n_true * (y.size - n_true))


# ── which columns ────────────────────────────────────────────────────────────────────────────────────────────────────────


def chosen_features(frame: _frame.Frame, features: Any, left_out: Sequence[str], *, first_is_id: bool) -> list[str]:
    """Return the features asked for, or all columns but those left out and an id in the first column."""
    if features is None:
        names = frame.columns[1:] if first_is_id else frame.columns
        found = [name for name in names if name not in left_out]
    else:
        found = [features] if isinstance(features, str) else list(features)
        twice = sorted({str(name) for name in found if found.count(name) > 1})
        if twice:
            msg = f"features names {twice} more than once"
            raise OptionError(msg)
        for name in found:
            if name in left_out:
                msg = f"features names {name!r}, which is known only with the label; leave it out"
                raise OptionError(msg)
    if not found:
        msg = f"there is nothing to learn from: the frame has {frame.columns}, of which none is a feature"
        raise ColumnError(msg)
    return found
