"""What every model fitted by maximum likelihood carries: its estimates, how sure they are, and how the search ended."""

from __future__ import annotations

import dataclasses
import math
import sys
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit.clv._newton import Optimum, maximise
from crmkit.errors import ConvergenceWarning, DataWarning
from crmkit.results import Model

__all__ = ["FAR", "FittedModel", "Solution", "estimates", "nowhere", "solve", "warn_of"]

Floats = npt.NDArray[np.float64]
# (logs of the parameters, weights, rows' gradients to write or none) -> log-likelihood, gradient, Hessian
Derivatives = Callable[[Floats, Floats, Floats], tuple[float, Floats, Floats]]

FAR = 7.0  # a log parameter this far out (a factor of 1,100) has left the range that customers can tell apart
LOOSE = 2.0  # standard error of a log parameter from which the data say next to nothing about it
HEAVY = 3.0  # standard errors: one of a hundred customers or more does not move estimates so far unless unlike all others


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class FittedModel(Model):
    """A model that was fitted by maximum likelihood in the logs of its parameters."""

    SCHEMA: ClassVar[int] = 2
    # the power of the unit of time or money in which a parameter is measured: 1 for a length of time, -1 for a rate
    SCALED: ClassVar[Mapping[str, float]] = MappingProxyType({})

    log_likelihood: float
    standard_errors: Mapping[str, float]
    covariance: tuple[tuple[float, ...], ...] = ()
    robust: bool = False
    n: float
    converged: bool
    columns: tuple[str, ...]
    gradient_norm: float
    condition: float
    influence: float = 0.0
    diagnosis: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Where the search ended, how sure the estimates are, and the row they lean on most: `rival` is without one of it."""

    optimum: Optimum
    covariance: Floats
    robust: bool
    n: float
    influence: float
    row: int
    rival: Floats

    def mapped(self, onto: Callable[[Floats], Floats], slope: Floats) -> Solution:
        """Return the same in other parameters: `onto` maps them, `slope` is its Jacobian at the summit."""
        known = np.where(np.isinf(self.covariance), 0.0, self.covariance)
        covariance = slope @ known @ slope.T
        free = (slope[:, np.isinf(np.diagonal(self.covariance))] != 0.0).any(axis=1)
        covariance[free, :] = covariance[:, free] = 0.0
        covariance[free, free] = math.inf
        optimum = dataclasses.replace(self.optimum, theta=onto(self.optimum.theta))
        return dataclasses.replace(self, optimum=optimum, covariance=covariance, rival=onto(self.rival))

    def looseness(self, names: tuple[str, ...]) -> str:
        """Say which parameters are as good as free, or nothing where none is."""
        curvature, direction = self.optimum.flattest
        error = 1.0 / math.sqrt(curvature) if curvature > 0.0 else math.inf
        if error < LOOSE:
            return ""
        free = ", ".join(name for name, part in zip(names, direction, strict=True) if abs(part) > 0.3)
        return f"weakly identified: the log-likelihood is flat along {free} (standard error {error:.1f} in logs)"


def solve(derivatives: Derivatives, starts: list[Floats], weight: Floats, *, robust: bool) -> Solution:
    """Climb to the highest summit, and look at what it rests on."""
    n, size = float(weight.sum()), starts[0].size
    unwanted = np.empty((0, size))
    optimum = maximise(lambda theta: derivatives(theta, weight, unwanted), starts, n=n)
    scores = np.empty((weight.size, size))
    derivatives(optimum.theta, weight, scores)
    covariance = optimum.covariance
    known = np.where(np.isinf(covariance), 0.0, covariance)

    # leaving a customer out moves the estimates by about their score over the information
    single = np.minimum(weight, 1.0)
    moves = single * np.sqrt(np.einsum("ij,jk,ik->i", scores, known, scores))
    row = int(moves.argmax())
    influence, rival = float(moves[row]), optimum.theta - single[row] * (known @ scores[row])
    if influence > 1.0 and weight.size > 1:
        # a large move is not linear: climb without that customer, from the summit with them, and see how far down that is
        rest = weight.copy()
        rest[row] -= single[row]
        without = maximise(lambda theta: derivatives(theta, rest, unwanted), [optimum.theta], n=n - float(single[row]))
        drop = optimum.value - derivatives(without.theta, weight, unwanted)[0]
        if without.converged and 0.0 <= drop < math.inf:
            influence, rival = math.sqrt(2.0 * drop), without.theta

    if robust:
        # customers vary as they do, not as the model says: bread of information, meat of scores
        meat = known @ (scores.T @ (scores * weight[:, None])) @ known
        covariance = np.where(np.isinf(covariance), covariance, 0.5 * (meat + meat.T))
    return Solution(optimum, covariance, robust, n, influence, row, rival)


def nowhere(size: int) -> tuple[float, Floats, Floats]:
    """Return what a search sees where the machine has no numbers."""
    return -math.inf, np.full(size, math.nan), np.full((size, size), math.nan)


def estimates(kind: type[FittedModel], found: Solution, *, scale: float = 1.0, extra: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the fields that every fitted model has; `scale` is the unit of time or money the search was made in.

    `extra` are the names of what was searched for beside the logs of the parameters.
    """
    size = len(kind.PARAMETERS)
    values = np.exp(found.optimum.theta[:size]) * [scale ** kind.SCALED.get(name, 0.0) for name in kind.PARAMETERS]
    errors = np.sqrt(np.diagonal(found.covariance)) * np.concatenate([values, np.ones(len(extra))])
    return {
        **{name: float(value) for name, value in zip(kind.PARAMETERS, values, strict=True)},
        "standard_errors": {name: float(error) for name, error in zip((*kind.PARAMETERS, *extra), errors, strict=True)},
        "covariance": tuple(tuple(row) for row in found.covariance.tolist()),
        "robust": found.robust,
        "n": found.n,
        "converged": found.optimum.converged,
        "gradient_norm": float(np.linalg.norm(found.optimum.gradient)) / found.n,
        "condition": found.optimum.condition,
        "influence": found.influence,
    }


def warn_of(
    model: FittedModel,
    found: Solution,
    *,
    cure: str,
    holds: str,
    loud: tuple[str, ...] = ("heavy", "ridge", "boundary"),
    place: Callable[[int], str] | None = None,
) -> None:
    """Warn of a search that stopped short, of what is not identified, and of one customer who decides.

    `holds` says what remains true where the diagnosis starts with one of `loud`, `place` where the user finds a distinct row.
    """
    level, silence = _callers_level(), "filter crmkit.errors.DataWarning to silence this"
    if not model.converged:
        msg = (
            f"the {model.TITLE} fit stopped after {found.optimum.iterations} steps with a gradient of {model.gradient_norm:.2g}"
            f" per observation ({model.diagnosis}); the estimates may be off: {cure}"
        )
        warnings.warn(msg, ConvergenceWarning, stacklevel=level)
    elif model.diagnosis.startswith(loud):
        warnings.warn(f"{model.TITLE}: {model.diagnosis}. {holds}; {silence}", DataWarning, stacklevel=level)
    if place is not None and model.influence >= HEAVY:
        size = len(model.PARAMETERS)
        ratio = (found.rival - found.optimum.theta)[:size]
        at = int(np.abs(ratio / np.sqrt(np.diagonal(found.covariance)[:size])).argmax())
        value = getattr(model, model.PARAMETERS[at])
        msg = (
            f"{model.TITLE}: {place(found.row)} alone moves the estimates by {model.influence:.1f} standard errors: without it"
            f" {model.PARAMETERS[at]} would be {value * math.exp(ratio[at]):.4g} instead of {value:.4g}. See whether it is one"
            f" person (no reseller, shared account or test id), and fit without it if not; {silence}"
        )
        warnings.warn(msg, DataWarning, stacklevel=level)


def _callers_level() -> int:
    """Return the `stacklevel` at which a warning of the calling function shows the line of the user."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("crmkit."):
        level, frame = level + 1, frame.f_back
    return level
