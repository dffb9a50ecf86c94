"""T-, X-, DR- and transformed-outcome learners on scikit-learn's trees or on linear models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from crmkit import _learn
from crmkit._learn._boosting import openmp_threads
from crmkit.uplift._data import Bools, Floats, effect_scores

__all__ = ["BASES", "LEARNERS", "Learnt", "Linear", "Trees", "learn", "learnt_from", "outcome_model"]

LEARNERS = ("x", "t", "dr", "transformed")
BASES = ("boosting", "linear")
# few, shallow, slow trees: effects are small beside what outcomes vary by anyway
SETTINGS = MappingProxyType(
    {"learning_rate": 0.05, "max_iter": 60, "max_leaf_nodes": 8, "min_samples_leaf": 100, "l2_regularization": 1.0}
)
RIDGE = 1.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """Boosted trees that give a mean, or the probability of an outcome of 0 and 1."""

    estimator: Any
    columns: Bools

    def mean(self, X: Floats) -> Floats:
        """Give the expected outcome of each row of a matrix of terms."""
        with openmp_threads(X.shape[0]):
            taken = X[:, self.columns]
            if hasattr(self.estimator, "predict_proba"):
                return np.asarray(self.estimator.predict_proba(taken)[:, 1], np.float64)
            return np.asarray(self.estimator.predict(taken), np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return the trees by way of skops."""
        return {"packed": _learn.pack(self.estimator), "columns": self.columns.tolist()}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A linear mean, or a logistic probability, of standardised terms; a missing number counts as its mean."""

    intercept: float
    coefficients: Floats
    means: Floats
    scales: Floats
    logistic: bool

    def mean(self, X: Floats) -> Floats:
        """Give the expected outcome of each row of a matrix of terms."""
        Z = (X - self.means) / self.scales
        Z[np.isnan(Z)] = 0.0
        value = self.intercept + Z @ self.coefficients
        return _learn.probability(value) if self.logistic else np.asarray(value)

    def to_dict(self) -> dict[str, Any]:
        """Return the coefficients as plain numbers."""
        return {
            "intercept": self.intercept,
            "coefficients": self.coefficients.tolist(),
            "means": self.means.tolist(),
            "scales": self.scales.tolist(),
            "logistic": self.logistic,
        }


def learnt_from(data: Mapping[str, Any]) -> Trees | Linear:
    """Rebuild what `to_dict` wrote; nothing is unpickled."""
    if "packed" in data:
        return Trees(_learn.unpack(data["packed"]), np.array(data["columns"], np.bool_))
    arrays = {name: np.array(data[name], np.float64) for name in ("coefficients", "means", "scales")}
    return Linear(float(data["intercept"]), logistic=bool(data["logistic"]), **arrays)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """Parts whose combination is the effect."""

    learner: str
    parts: tuple[Any, ...]
    share: float  # treated, which weighs the two halves of the X-learner

    def effect(self, X: Floats) -> Floats:
        """Give the expected effect on each row of a matrix of terms."""
        if X.shape[0] == 0:
            return np.empty(0)
        if self.learner == "t":
            treated, control = self.parts
            return np.asarray(treated.mean(X) - control.mean(X))
        if self.learner == "x":
            of_treated, of_control = self.parts
            return np.asarray((1.0 - self.share) * of_treated.mean(X) + self.share * of_control.mean(X))
        return np.asarray(self.parts[0].mean(X))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Rows to learn from."""

    X: Floats
    indicator: Bools
    columns: Bools  # the terms that trees read
    y: Floats
    treated: Bools
    chance: Floats
    binary: bool
    base: str
    seed: int

    def at(self, rows: Any) -> Task:
        """Return the task on some of the rows."""
        part = {name: getattr(self, name)[rows] for name in ("X", "y", "treated", "chance")}
        return dataclasses.replace(self, **part)


def learn(task: Task, learner: str, n_folds: int = 3) -> Learnt:
    """Fit one learner of the effect."""
    share = float(task.treated.mean())
    if learner == "transformed":
        return Learnt(learner, (_mean_model(task, task.X, effect_scores(task.y, task.treated, task.chance)),), share)
    if learner == "dr":
        mu0, mu1 = _crossed(task, n_folds)
        gamma = effect_scores(task.y, task.treated, task.chance, mu0, mu1)
        return Learnt(learner, (_mean_model(task, task.X, gamma),), share)
    treated, control = outcome_model(task, task.treated), outcome_model(task, ~task.treated)
    if learner == "t":
        return Learnt(learner, (treated, control), share)
    hit = task.treated
    lifted = task.y[hit] - control.mean(task.X[hit])
    missed = treated.mean(task.X[~hit]) - task.y[~hit]
    parts = (_mean_model(task, task.X[hit], lifted), _mean_model(task, task.X[~hit], missed))
    return Learnt(learner, parts, share)


def outcome_model(task: Task, rows: Bools) -> Trees | Linear:
    """Fit the outcome of some of the rows."""
    X, y = task.X[rows], task.y[rows]
    if not task.binary or y.min() == y.max():
        return _mean_model(task, X, y)
    if task.base == "linear":
        found = _learn.fit_logistic(X, task.indicator, y == 1.0)
        return Linear(found.intercept, found.coefficients, found.means, found.scales, logistic=True)
    from sklearn.ensemble import HistGradientBoostingClassifier

    return _trees(HistGradientBoostingClassifier, task, X, y == 1.0)


def _mean_model(task: Task, X: Floats, y: Floats) -> Trees | Linear:
    if task.base == "linear":
        return _ridge(X, task.indicator, y)
    from sklearn.ensemble import HistGradientBoostingRegressor

    return _trees(HistGradientBoostingRegressor, task, X, y)


def _trees(kind: Any, task: Task, X: Floats, y: Any) -> Trees:
    estimator = kind(**SETTINGS, early_stopping=False, categorical_features=None, random_state=task.seed)
    with openmp_threads(X.shape[0]):
        estimator.fit(X[:, task.columns], y)
    return Trees(estimator, task.columns)


def _ridge(X: Floats, indicator: Bools, y: Floats) -> Linear:
    """Fit a mean by penalised least squares: numbers standardised, indicators as they are, the intercept free."""
    known = np.where(np.isnan(X), 0.0, 1.0)
    n = np.maximum(known.sum(axis=0), 1.0)
    means = np.where(indicator, 0.0, np.nansum(X, axis=0) / n)
    spread = np.sqrt(np.nansum((X - means) ** 2, axis=0) / n)
    scales = np.where(indicator | (spread == 0.0), 1.0, spread)
    Z = (X - means) / scales
    Z[np.isnan(Z)] = 0.0
    centre, level = Z.mean(axis=0), float(y.mean())
    Z = Z - centre
    beta = np.linalg.solve(Z.T @ Z + RIDGE * np.eye(Z.shape[1]), Z.T @ (y - level))
    return Linear(level - float(centre @ beta), beta, means, scales, logistic=False)


def _crossed(task: Task, n_folds: int) -> tuple[Floats, Floats]:
    """Predict both outcomes of every row from models that have not seen it."""
    mu0, mu1 = np.empty(task.y.size), np.empty(task.y.size)
    for past, now in folds_of(task, n_folds, task.seed + 1):
        part = task.at(past)
        mu0[now] = outcome_model(part, ~part.treated).mean(task.X[now])
        mu1[now] = outcome_model(part, part.treated).mean(task.X[now])
    return mu0, mu1


def folds_of(task: Task, n_folds: int, seed: int) -> list[_learn.Fold]:
    """Deal the rows of either arm out to folds at random."""
    return _learn.stratified_folds(task.treated, n_folds, rng=np.random.default_rng(seed))
