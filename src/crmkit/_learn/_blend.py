"""Several models in one: a weighted sum of their log odds, the weights found on rows that none of them has seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crmkit._learn._logistic import losses, probability

__all__ = ["blend", "fit_blend"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def fit_blend(log_odds: Floats, y: Bools) -> Floats:
    """Return an intercept, then a weight of zero or more for each column of log odds, by maximum likelihood."""
    from scipy.optimize import minimize

    n, k = log_odds.shape

    def objective(beta: Floats) -> tuple[float, Floats]:
        fitted = beta[0] + log_odds @ beta[1:]
        residual = probability(fitted) - y
        # a trifle of a penalty: weights of models that say the same are shared out
        loss = float(losses(y, fitted).sum()) + 0.5 * float(beta[1:] @ beta[1:])
        return loss / n, np.append(residual.sum(), residual @ log_odds + beta[1:]) / n

    start = np.append(0.0, np.full(k, 1.0 / k))
    bounds = [(None, None), *([(0.0, None)] * k)]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-8})
    return np.asarray(found.x, np.float64)


def blend(folds: Sequence[tuple[Floats, Bools]], *, in_time: bool, rng: np.random.Generator) -> tuple[Floats, list[Floats]]:
    """Return the weights found on all folds, and the log odds of each fold by the weights of the others, or of the earlier.

    `folds` are log odds, a column per model, and labels of the rows left out.
    """
    weights = fit_blend(np.concatenate([scores for scores, _ in folds]), np.concatenate([y for _, y in folds]))
    found = []
    for k, (scores, y) in enumerate(folds):
        others = [fold for j, fold in enumerate(folds) if (j < k if in_time else j != k)]
        if others:
            beta = fit_blend(np.concatenate([one for one, _ in others]), np.concatenate([labels for _, labels in others]))
            found.append(beta[0] + scores @ beta[1:])
        elif len(folds) == 1:
            # nothing later to test on: either half of the rows is weighted by the other
            half = np.zeros(y.size, np.bool_)
            half[rng.permutation(y.size)[: y.size // 2]] = True
            out = np.empty(y.size)
            for here in (half, ~half):
                beta = fit_blend(scores[~here], y[~here])
                out[here] = beta[0] + scores[here] @ beta[1:]
            found.append(out)
        else:
            found.append(scores.mean(axis=1))
    return weights, found
