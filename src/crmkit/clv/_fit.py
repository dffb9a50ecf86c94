"""One way to fit a model of repeat purchases: read, collapse, rescale time, climb, say what was not identified."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.clv._covariates import Traits, read_traits, search_with
from crmkit.clv._fitted import FAR, Solution, estimates, nowhere, solve, warn_of
from crmkit.clv._purchase import PurchaseModel
from crmkit.clv._rows import COLUMNS, Histories, read_histories, read_unit, read_weight
from crmkit.errors import DataError, FitError

__all__ = ["FAR", "Table", "finished", "fit_purchases", "gamma_moments", "log_likelihood_of", "search", "share_gone"]

Floats = npt.NDArray[np.float64]
Kind = TypeVar("Kind", bound=PurchaseModel)
# (parameters, counts, which, t_x, T, weight, rows' gradients or none) -> log-likelihood, gradient, Hessian in log parameters
Likelihood = Callable[..., tuple[float, Floats, Floats]]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A customer table, read and checked: as it was, and as distinct rows, with time in units of `scale`."""

    frame: Any
    given: tuple[Floats, Floats, Floats]
    rows: Histories
    n: float
    scale: float
    unit: str | None

    @classmethod
    def read(
        cls,
        kind: type[PurchaseModel],
        summary: Any,
        *,
        weight: str | None,
        unit: Any,
        check: Callable[[Floats, Floats, Floats], None] | None = None,
    ) -> Table:
        """Read a table, or say why nothing can be fitted to it."""
        frame = _frame.read(summary)
        x, t_x, T = read_histories(frame)
        if check is not None:
            check(x, t_x, T)
        found_unit = read_unit(frame, unit)
        rows = Histories.collapse(x, t_x, T, read_weight(frame, weight))
        if x.size == 0:
            msg = "the table has no rows: nothing to fit"
            raise DataError(msg)
        if rows.counts[-1] == 0.0:
            msg = (
                f"{kind.TITLE} is not identified: none of the {x.size:,} rows has a repeat purchase, so neither purchase rates"
                " nor dropout can be told; observe longer, or pool with an earlier cohort"
            )
            raise FitError(msg)
        n = float(rows.weight.sum())
        # time is measured in mean T while searching, so that the unit changes rates and nothing else
        scale = float(rows.weight @ rows.T) / n if kind.SCALED else 1.0
        scaled = dataclasses.replace(rows, t_x=rows.t_x / scale, T=rows.T / scale)
        return cls(frame, (x, t_x, T), scaled, n, scale, found_unit)

    def place(self, row: int) -> str:
        """Say where the user finds a distinct row: its first position."""
        x, t_x, T = self.given
        bought = self.rows.counts[self.rows.which[row]]
        same = (x == bought) & (t_x / self.scale == self.rows.t_x[row]) & (T / self.scale == self.rows.T[row])
        return f"the customer in row {int(same.argmax())} ({bought:,.0f} repeat purchases)"


def search(likelihood: Likelihood, table: Table, starts: list[Floats], *, strength: float, robust: bool) -> Solution:
    """Maximise a log-likelihood in the logs of its parameters, less `strength` times their squares."""
    rows = table.rows

    def derivatives(theta: Floats, weight: Floats, scores: Floats) -> tuple[float, Floats, Floats]:
        if np.abs(theta).max() > 100.0:  # beyond the range of the exponential's cubes
            return nowhere(theta.size)
        value, gradient, hessian = likelihood(*np.exp(theta), rows.counts, rows.which, rows.t_x, rows.T, weight, scores)
        return (
            value - strength * float(theta @ theta),
            gradient - 2.0 * strength * theta,
            hessian - 2.0 * strength * np.eye(theta.size),
        )

    return solve(derivatives, starts, rows.weight, robust=robust)


def log_likelihood_of(table: Table, found: Solution, *, strength: float) -> float:
    """Return the log-likelihood in the table's own unit of time, without the penalty."""
    theta, rows = found.optimum.theta, table.rows
    # the density of x events in other units of time
    events = float(rows.weight @ rows.counts[rows.which])
    return found.optimum.value + strength * float(theta @ theta) - events * math.log(table.scale)


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
    covariates: Any = None,
) -> Kind:
    """Fit `kind` to a customer table; `named` says in words which ridges and boundaries a flat optimum lies on."""
    strength = _options.number("penalty", penalty, low=0.0)
    table = Table.read(kind, summary, weight=weight, unit=unit, check=check)
    begin = starts(table.rows, table.n)
    traits = read_traits(kind, table.frame, covariates, table.given, weight, table.scale)
    if traits is None:
        found = search(likelihood, table, begin, strength=strength, robust=robust)
    else:
        found = search_with(kind, likelihood, traits, begin, strength=strength, robust=robust)
    value = log_likelihood_of(table, found, strength=strength)
    return finished(kind, table, found, named, log_likelihood=value, traits=traits)


def finished(
    kind: type[Kind],
    table: Table,
    found: Solution,
    named: Callable[[Floats], list[str]],
    *,
    traits: Traits | None = None,
    **more: Any,
) -> Kind:
    """Build the model that was found, and warn of what its user should know; `more` are fields of its own."""
    size, extra = len(kind.PARAMETERS), () if traits is None else traits.names
    loose = found.looseness((*kind.PARAMETERS, *extra))
    diagnosis = "; ".join(named(found.optimum.theta[:size]) or [loose]) if loose else "well identified"
    columns: tuple[str, ...] = COLUMNS
    place = table.place
    if traits is not None:
        back, origin = traits.back, traits.origin
        found = found.mapped(lambda theta: back @ theta, back)
        effects = found.optimum.theta[size:].tolist()
        names = dict.fromkeys(parameter for parameter, _ in traits.terms)
        more["coefficients"] = {
            name: {column: effect for (own, column), effect in zip(traits.terms, effects, strict=True) if own == name}
            for name in names
        }
        columns = (*COLUMNS, *dict.fromkeys(column for _, column in traits.terms))

        def place(row: int) -> str:
            return f"the customer in row {int(origin[row])}"

    model = kind(
        **estimates(kind, found, scale=table.scale, extra=extra), unit=table.unit, columns=columns, diagnosis=diagnosis, **more
    )
    warn_of(
        model,
        found,
        cure="try penalty=0.1, and look for outlying rows",
        holds="Predictions near the data hold; the single parameters mean nothing. penalty=0.1 gives a finite answer",
        place=place,
    )
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
