"""Newton's method for the models of the hazard: exact derivatives, standardised columns, steps that must gain."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from crmkit._kernels import cox as _k

__all__ = ["FAR", "Standard", "Summit", "climb", "standardised"]

Floats = npt.NDArray[np.float64]
Derivatives = Callable[[Floats], tuple[float, Floats, Floats]]  # value, gradient, minus the Hessian

GAIN = 1e-9  # a step that promises less than this, in units of the log-likelihood, is the last
STEPS = 60
FAR = 30.0  # log ratio of a standard deviation at which the search gives up


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Standard:
    """Columns less their means, in standard deviations."""

    X: Floats
    means: Floats
    scales: Floats


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Summit:
    """Where the search ended, with the derivatives there."""

    theta: Floats
    value: float
    gradient: Floats
    information: Floats
    iterations: int


def standardised(X: Floats, weight: Floats | None, order: npt.NDArray[np.int64] | None = None) -> Standard:
    """Centre and scale the columns of `X`, and bring its rows into an order; `weight` is of the rows as they stand."""
    n, p = X.shape
    total = float(n) if weight is None else float(weight.sum())
    columns = np.ascontiguousarray(X.T)
    means, scales = np.empty(p), np.empty(p)
    for k, column in enumerate(columns):
        # in units of the largest value, whose square cannot overflow
        largest = max(float(column.max()), -float(column.min()))
        unit = column / largest
        middle = float(unit.sum() if weight is None else weight @ unit) / total
        unit -= middle
        np.square(unit, out=unit)
        spread = math.sqrt(float(unit.sum() if weight is None else weight @ unit) / total)
        means[k], scales[k] = middle * largest, spread * largest
    out = np.empty((n, p))
    _k.standardise(columns, means, scales, out)
    if order is not None:
        out = np.take(out, order, axis=0)
    out.flags.writeable = False
    return Standard(out, means, scales)


def climb(at: Derivatives, theta: Floats, found_there: tuple[float, Floats, Floats]) -> Summit:
    """Climb from a point, whose derivatives are known, until a step promises nothing; one that does not gain is halved."""
    value, gradient, information = found_there
    done = 0
    while done < STEPS:
        step = _step(information, gradient)
        promise = 0.5 * float(gradient @ step)
        scale, found = 1.0, False
        for _ in range(30):
            trial = theta + scale * step
            there = at(trial)
            sound = math.isfinite(there[0]) and bool(np.isfinite(there[1]).all() and np.isfinite(there[2]).all())
            # a gain below the rounding of the sum cannot be measured
            if sound and there[0] >= value - 1e-12 * abs(value):
                found = True
                break
            scale *= 0.5
        if not found:
            break
        theta = trial
        value, gradient, information = there
        done += 1
        if promise <= GAIN or np.abs(theta).max() > FAR:
            break
    return Summit(theta, value, gradient, information, done)


def _step(information: Floats, gradient: Floats) -> Floats:
    """Newton's step; where the likelihood is flat, a step along what is not."""
    try:
        factor = np.linalg.cholesky(information)
        step = np.linalg.solve(factor.T, np.linalg.solve(factor, gradient))
    except np.linalg.LinAlgError:
        step = np.linalg.pinv(information, rcond=1e-12, hermitian=True) @ gradient
    return np.asarray(step, np.float64)
