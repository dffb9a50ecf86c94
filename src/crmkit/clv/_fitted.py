"""What every model fitted by maximum likelihood carries: its estimates, how sure they are, and how the search ended."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit.clv._newton import Optimum
from crmkit.results import Model

__all__ = ["FAR", "LOOSE", "FittedModel", "estimates", "looseness"]

Floats = npt.NDArray[np.float64]

FAR = 7.0  # a log parameter this far out (a factor of 1,100) has left the range that customers can tell apart
LOOSE = 2.0  # standard error of a log parameter from which the data say next to nothing about it


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class FittedModel(Model):
    """A model that was fitted by maximum likelihood in the logs of its parameters."""

    SCHEMA: ClassVar[int] = 2
    # parameters in units of time or money
    SCALED: ClassVar[tuple[str, ...]] = ()

    log_likelihood: float
    standard_errors: Mapping[str, float]
    covariance: tuple[tuple[float, ...], ...] = ()
    n: float
    converged: bool
    columns: tuple[str, ...]
    gradient_norm: float
    condition: float
    diagnosis: str


def estimates(kind: type[FittedModel], optimum: Optimum, *, n: float, scale: float = 1.0) -> dict[str, Any]:
    """Return the fields that every fitted model has, from where the search ended; `scale` is the unit it was made in."""
    values = np.exp(optimum.theta) * [scale if name in kind.SCALED else 1.0 for name in kind.PARAMETERS]
    covariance = optimum.covariance
    errors = np.sqrt(np.diagonal(covariance)) * values
    return {
        **{name: float(value) for name, value in zip(kind.PARAMETERS, values, strict=True)},
        "standard_errors": {name: float(error) for name, error in zip(kind.PARAMETERS, errors, strict=True)},
        "covariance": tuple(tuple(row) for row in covariance.tolist()),
        "n": n,
        "converged": optimum.converged,
        "gradient_norm": float(np.linalg.norm(optimum.gradient)) / n,
        "condition": optimum.condition,
    }


def looseness(kind: type[FittedModel], optimum: Optimum) -> tuple[bool, str]:
    """Tell whether some direction is as good as free, and how to say so where no ridge or boundary has a name of its own."""
    curvature, direction = optimum.flattest
    error = 1.0 / math.sqrt(curvature) if curvature > 0.0 else math.inf
    names = [name for name, part in zip(kind.PARAMETERS, direction, strict=True) if abs(part) > 0.3]
    return (
        error >= LOOSE,
        f"weakly identified: the log-likelihood is flat along {', '.join(names)} (standard error {error:.1f} in logs)",
    )
