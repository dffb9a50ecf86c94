"""One way to fit a model of repeat purchases: read, collapse, rescale time, climb, say what was not identified."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.clv._fitted import FAR, estimates, looseness
from crmkit.clv._newton import Optimum, maximise
from crmkit.clv._purchase import PurchaseModel
from crmkit.clv._rows import COLUMNS, Histories, read_histories, read_unit, read_weight
from crmkit.errors import ConvergenceWarning, DataError, DataWarning, FitError

__all__ = ["FAR", "fit_purchases", "gamma_moments", "share_gone"]

Floats = npt.NDArray[np.float64]
Kind = TypeVar("Kind", bound=PurchaseModel)
# (parameters, counts, which, t_x, T, weight) -> log-likelihood, gradient and Hessian in log parameters
Likelihood = Callable[..., tuple[float, Floats, Floats]]


def fit_purchases(
    kind: type[Kind],
    summary: Any,
    *,
    weight: str | None,
    unit: Any,
    penalty: float,
    likelihood: Likelihood,
    starts: Callable[[Histories, float], list[Floats]],
    named: Callable[[Floats], list[str]],
    check: Callable[[Floats, Floats, Floats], None] | None = None,
) -> Kind:
    """Fit `kind` to a customer table; `named` says in words which ridges and boundaries a flat optimum lies on."""
    strength = _options.number("penalty", penalty, low=0.0)
    frame = _frame.read(summary)
    x, t_x, T = read_histories(frame)
    if check is not None:
        check(x, t_x, T)
    found = read_unit(frame, unit)
    if x.size == 0:
        msg = "the table has no rows: nothing to fit"
        raise DataError(msg)
    rows = Histories.collapse(x, t_x, T, read_weight(frame, weight))
    if rows.counts[-1] == 0.0:
        msg = (
            f"{kind.TITLE} is not identified: none of the {x.size:,} rows has a repeat purchase, so neither purchase rates nor"
            " dropout can be told; observe longer, or pool with an earlier cohort"
        )
        raise FitError(msg)
    n = float(rows.weight.sum())
    # time is measured in mean T while searching, so that the unit changes rates and nothing else
    scale = float(rows.weight @ rows.T) / n if kind.SCALED else 1.0
    rows = dataclasses.replace(rows, t_x=rows.t_x / scale, T=rows.T / scale)
    size = len(kind.PARAMETERS)

    def derivatives(theta: Floats) -> tuple[float, Floats, Floats]:
        if np.abs(theta).max() > 100.0:  # beyond the range of the exponential's cubes
            return -math.inf, np.full(size, math.nan), np.full((size, size), math.nan)
        value, gradient, hessian = likelihood(*np.exp(theta), rows.counts, rows.which, rows.t_x, rows.T, rows.weight)
        return value - strength * float(theta @ theta), gradient - 2.0 * strength * theta, hessian - 2.0 * strength * np.eye(size)

    optimum = maximise(derivatives, starts(rows, n), n=n)
    x_total = float(rows.weight @ rows.counts[rows.which])
    model = kind(
        **estimates(kind, optimum, n=n, scale=scale),
        # the density of x events in other units of time
        log_likelihood=optimum.value + strength * float(optimum.theta @ optimum.theta) - x_total * math.log(scale),
        unit=found,
        columns=COLUMNS,
        diagnosis=_diagnosis(kind, optimum, named),
    )
    _warn(model, optimum)
    return model


def gamma_moments(rows: Histories, n: float) -> tuple[float, float]:
    """Return r and alpha, in units of the mean T, from mean and spread of the counts."""
    x, w = rows.counts[rows.which], rows.weight
    rate = float(w @ x) / n
    expected = rate * rows.T
    excess = float(w @ ((x - expected) ** 2 - expected)) / float(w @ expected**2)
    r = min(max(1.0 / excess if excess > 0.0 else 20.0, 0.05), 20.0)
    return r, r / rate


def share_gone(rows: Histories) -> float:
    """Return the share of purchases after which customers fell silent for three of their own mean gaps: most have left."""
    x, w = rows.counts[rows.which], rows.weight
    gone = (x > 0.0) & (rows.T - rows.t_x > 3.0 * rows.t_x / np.maximum(x, 1.0))
    return min(max(float(w @ gone) / float(w @ x), 0.02), 0.9)


def _diagnosis(kind: type[PurchaseModel], optimum: Optimum, named: Callable[[Floats], list[str]]) -> str:
    """Say in words which parameters the likelihood leaves open."""
    loose, words = looseness(kind, optimum)
    return "; ".join(named(optimum.theta) or [words]) if loose else "well identified"


def _warn(model: PurchaseModel, optimum: Optimum) -> None:
    # the line to show is the caller of fit_…, two functions up
    if not model.converged:
        msg = (
            f"the {model.TITLE} fit stopped after {optimum.iterations} steps with a gradient of {model.gradient_norm:.2g} per"
            f" customer ({model.diagnosis}); the estimates may be off: try penalty=0.1, and look for outlying rows"
        )
        warnings.warn(msg, ConvergenceWarning, stacklevel=4)
    elif model.diagnosis.startswith(("ridge", "boundary")):
        msg = (
            f"{model.TITLE}: {model.diagnosis}. Predictions near the data hold; the single parameters mean nothing. penalty=0.1"
            " gives a finite answer; filter crmkit.errors.DataWarning to silence this"
        )
        warnings.warn(msg, DataWarning, stacklevel=4)
