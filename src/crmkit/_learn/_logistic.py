"""Logistic regression by penalised maximum likelihood: fit with scikit-learn, kept as plain numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

__all__ = ["PENALTY", "Logistic", "fit_logistic", "losses", "probability"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

PENALTY = 1.0  # of half the squared coefficients, against the sum of the log-likelihood
GRADIENT = 1e-9  # largest slope of the mean penalised log-likelihood at which the fit may stop
SLACK = 1e-6  # and at which it has still converged


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Logistic:
    """Coefficients of the terms after (x - means) / scales, and of the intercept; a missing number counts as its mean."""

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
            out += self.contribution(X, t)
        return out

    def contribution(self, X: Floats, t: int) -> Floats:
        """Give what one term adds to the log odds of each row."""
        out: Floats = self.coefficients[t] * ((X[:, t] - self.means[t]) / self.scales[t])
        out[np.isnan(out)] = 0.0
        return out


def fit_logistic(X: Floats, indicator: Bools, y: Bools) -> Logistic:
    """Fit by penalised maximum likelihood: numbers standardised, indicators as they are, the intercept free."""
    from sklearn.linear_model import LogisticRegression

    means, scales = np.zeros(X.shape[1]), np.ones(X.shape[1])
    for t in np.flatnonzero(~indicator):
        known = X[:, t][~np.isnan(X[:, t])]
        if known.size == 0:
            continue
        # in units of the largest value, whose square cannot overflow
        largest = float(np.abs(known).max())
        if known.min() < known.max():
            unit = known / largest
            means[t], scales[t] = unit.mean() * largest, unit.std() * largest
        else:
            means[t] = known[0]
    Z = (X - means) / scales
    Z[np.isnan(Z)] = 0.0
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
        log_likelihood=-float(losses(y, log_odds).sum()),
        converged=bool(np.abs(slopes).max() <= SLACK),
    )


def probability(log_odds: Floats) -> Floats:
    """Turn log odds into probabilities, however large they are."""
    return np.exp(-np.logaddexp(0.0, -log_odds))


def losses(y: Bools, log_odds: Floats) -> Floats:
    """Return the negative log-likelihood of each row."""
    return np.logaddexp(0.0, log_odds) - y * log_odds
