"""One way to fit a model of repeat purchases: read, collapse, rescale time, climb, say what was not identified."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.clv._fitted import FAR, Solution, estimates, nowhere, solve, warn_of
from crmkit.clv._purchase import PurchaseModel
from crmkit.clv._rows import COLUMNS, Histories, read_histories, read_unit, read_weight
from crmkit.errors import DataError, FitError

__all__ = [
    "FAR",
    "diagnosed",
    "fit_purchases",
    "gamma_moments",
    "penalised",
    "refuse_unidentified",
    "share_gone",
    "warn_of_purchases",
]

Floats = npt.NDArray[np.float64]
Kind = TypeVar("Kind", bound=PurchaseModel)
# (parameters, counts, which, t_x, T, weight, rows' gradients or none) -> log-likelihood, gradient, Hessian in log parameters
Likelihood = Callable[..., tuple[float, Floats, Floats]]


def fit_purchases(
    kind: type[Kind],
    summary: Any,
    *,
    weight: str | None,
    unit: Any,
    penalty: float,
    robust: bool,
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
    found_unit = read_unit(frame, unit)
    rows = Histories.collapse(x, t_x, T, read_weight(frame, weight))
    refuse_unidentified(kind, x.size, rows)
    n = float(rows.weight.sum())
    # time is measured in mean T while searching, so that the unit changes rates and nothing else
    scale = float(rows.weight @ rows.T) / n if kind.SCALED else 1.0
    scaled = dataclasses.replace(rows, t_x=rows.t_x / scale, T=rows.T / scale)

    def derivatives(theta: Floats, weights: Floats, scores: Floats) -> tuple[float, Floats, Floats]:
        if np.abs(theta).max() > 100.0:  # beyond the range of the exponential's cubes
            return nowhere(theta.size)
        found = likelihood(*np.exp(theta), scaled.counts, scaled.which, scaled.t_x, scaled.T, weights, scores)
        return penalised(found, theta, strength)

    found = solve(derivatives, starts(scaled, n), rows.weight, robust=robust)
    theta = found.optimum.theta
    x_total = float(rows.weight @ rows.counts[rows.which])
    model = kind(
        **estimates(kind, found, scale=scale),
        # the density of x events in other units of time
        log_likelihood=found.optimum.value + strength * float(theta @ theta) - x_total * math.log(scale),
        unit=found_unit,
        columns=COLUMNS,
        diagnosis=diagnosed(found, kind.PARAMETERS, named),
    )
    warn_of_purchases(model, found, rows, (x, t_x, T))
    return model


def refuse_unidentified(kind: type[PurchaseModel], size: int, rows: Histories) -> None:
    """Refuse a table without rows, and one without a single repeat purchase."""
    if size == 0:
        msg = "the table has no rows: nothing to fit"
        raise DataError(msg)
    if rows.counts[-1] == 0.0:
        msg = (
            f"{kind.TITLE} is not identified: none of the {size:,} rows has a repeat purchase, so neither purchase rates nor"
            " dropout can be told; observe longer, or pool with an earlier cohort"
        )
        raise FitError(msg)


def penalised(found: tuple[float, Floats, Floats], theta: Floats, strength: float) -> tuple[float, Floats, Floats]:
    """Take the penalty, ``strength`` times the squares of `theta`, off a log-likelihood and its derivatives."""
    value, gradient, hessian = found
    return (
        value - strength * float(theta @ theta),
        gradient - 2.0 * strength * theta,
        hessian - 2.0 * strength * np.eye(theta.size),
    )


def diagnosed(found: Solution, names: tuple[str, ...], named: Callable[[Floats], list[str]]) -> str:
    """Say in words which parameters the likelihood leaves open."""
    loose = found.looseness(names)
    return "; ".join(named(found.optimum.theta) or [loose]) if loose else "well identified"


def warn_of_purchases(model: PurchaseModel, found: Solution, rows: Histories, table: tuple[Floats, Floats, Floats]) -> None:
    """Warn as every fit does; the one customer is named by the first position of that history in the user's table."""

    def place(row: int) -> str:
        bought = rows.counts[rows.which[row]]
        same = (table[0] == bought) & (table[1] == rows.t_x[row]) & (table[2] == rows.T[row])
        return f"the customer in row {int(same.argmax())} ({bought:,.0f} repeat purchases)"

    warn_of(
        model,
        found,
        cure="try penalty=0.1, and look for outlying rows",
        holds="Predictions near the data hold; the single parameters mean nothing. penalty=0.1 gives a finite answer",
        place=place,
    )


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
