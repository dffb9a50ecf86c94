"""Maximise a smooth likelihood in a handful of parameters, from exact derivatives, the same way every time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from crmkit.errors import FitError

__all__ = ["Optimum", "maximise"]

Floats = npt.NDArray[np.float64]
Derivatives = Callable[[Floats], tuple[float, Floats, Floats]]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """Where the search ended, with the derivatives there."""

    theta: Floats
    value: float
    gradient: Floats
    hessian: Floats
    iterations: int
    converged: bool

    @property
    def flattest(self) -> tuple[float, Floats]:
        """The smallest curvature of the likelihood and the direction (of unit length) it belongs to."""
        curvatures, directions = np.linalg.eigh(-self.hessian)
        return float(curvatures[0]), directions[:, 0]

    @property
    def condition(self) -> float:
        """Largest over smallest curvature; infinite where the likelihood is flat to rounding."""
        curvatures = np.linalg.eigvalsh(-self.hessian)
        return float(curvatures[-1] / curvatures[0]) if curvatures[0] > 0.0 else math.inf

    @property
    def covariance(self) -> Floats:
        """Covariances of theta from the observed information.

        Where a direction carries none, the variances of the parameters it moves are infinite and their covariances 0.
        """
        curvatures, directions = np.linalg.eigh(-self.hessian)
        # a curvature below the rounding of the largest one is noise, whatever its sign
        known = curvatures > 1e-14 * max(float(curvatures[-1]), 0.0)
        found: Floats = (directions[:, known] / curvatures[known]) @ directions[:, known].T
        free = (directions[:, ~known] ** 2 > 1e-12).any(axis=1)
        found[free, :] = found[:, free] = 0.0
        found[free, free] = math.inf
        return 0.5 * (found + found.T)


def maximise(
    derivatives: Derivatives, starts: Iterable[Floats], *, n: float, tolerance: float = 1e-8, steps: int = 200
) -> Optimum:
    """Climb from each start until the gradient per observation is below `tolerance`; return the highest summit.

    Later starts are tried only while none has led to a well-curved summit, and no two to the same height. A start where the
    machine has no number for the likelihood is passed over.
    """
    best: Optimum | None = None
    for start in starts:
        if not _sound(derivatives(start)):
            continue
        found = _climb(derivatives, start, n, tolerance, steps)
        if best is not None and best.converged and found.converged and abs(found.value - best.value) < 1e-9 * n:
            break
        if best is None or (found.converged, found.value) > (best.converged, best.value + 1e-9 * n):
            best = found
        if best.converged and best.flattest[0] > 1e-6 * n:
            break
    if best is None:
        msg = (
            "the likelihood of these rows is beyond the numbers of the machine wherever the search could start; look for"
            " fillers, or a wrong unit, in the counts and times"
        )
        raise FitError(msg)
    return best


def _sound(found: tuple[float, Floats, Floats]) -> bool:
    value, gradient, hessian = found
    return math.isfinite(value) and bool(np.isfinite(gradient).all() and np.isfinite(hessian).all())


def _climb(derivatives: Derivatives, start: Floats, n: float, tolerance: float, steps: int) -> Optimum:
    theta = np.array(start, dtype=np.float64)
    value, gradient, hessian = derivatives(theta)
    radius, done = 1.0, 0
    while done < steps:
        norm = float(np.linalg.norm(gradient)) / n
        step, predicted = _step(gradient, hessian, radius)
        trial = theta + step
        trial_value, trial_gradient, trial_hessian = derivatives(trial)
        finite = _sound((trial_value, trial_gradient, trial_hessian))
        trial_norm = float(np.linalg.norm(trial_gradient)) / n
        # a gain below the rounding of the sum cannot be measured; there a smaller gradient is the better witness
        if predicted <= 1e-13 * abs(value):
            ratio = 1.0 if finite and trial_norm < norm else -1.0
        else:
            ratio = (trial_value - value) / predicted if finite else -1.0
        length = float(np.linalg.norm(step))
        if ratio < 0.25:
            radius = 0.25 * length
        elif ratio > 0.75 and length > 0.99 * radius:
            radius = min(2.0 * radius, 4.0)
        improved = ratio > 1e-4
        if improved:
            theta, value, gradient, hessian = trial, trial_value, trial_gradient, trial_hessian
        done += 1
        # stop one step after the criterion is met: the last Newton step squares the error for the price of one evaluation
        if norm <= tolerance or radius < 1e-12:
            break
    converged = float(np.linalg.norm(gradient)) / n <= tolerance
    return Optimum(theta, value, gradient, hessian, done, converged)


def _step(gradient: Floats, hessian: Floats, radius: float) -> tuple[Floats, float]:
    """Find the step that gains most within `radius` by the quadratic model, and that gain."""
    curvatures, directions = np.linalg.eigh(-hessian)
    slopes = directions.T @ gradient
    scale = max(float(np.abs(curvatures).max()), 1e-300)
    shift = max(0.0, 1e-14 * scale - float(curvatures[0]))

    def length(extra: float) -> float:
        return float(np.linalg.norm(slopes / (curvatures + shift + extra)))

    extra = 0.0
    if length(0.0) > radius:
        low, high = 0.0, float(np.linalg.norm(slopes)) / radius + scale
        for _ in range(60):
            extra = 0.5 * (low + high)
            reached = length(extra)
            if abs(reached - radius) < 1e-3 * radius:
                break
            low, high = (extra, high) if reached > radius else (low, extra)
    along = slopes / (curvatures + shift + extra)
    return directions @ along, float(slopes @ along - 0.5 * (curvatures * along) @ along)
