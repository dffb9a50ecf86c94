"""What BG/NBD and MBG/NBD share: customers leave right after a purchase, each with a probability of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from crmkit._kernels import bg_future as _future
from crmkit._kernels import bg_nbd as _k
from crmkit._kernels.futures import AT_A_PURCHASE
from crmkit.clv._fit import FAR, fit_purchases, gamma_moments, share_gone
from crmkit.clv._purchase import Past, PoissonModel
from crmkit.clv._rows import Histories

__all__ = ["Geometric", "fit_geometric", "named", "starts"]

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Geometric(PoissonModel):
    """A model whose customers leave after a purchase with a probability that is Beta(a, b) over customers."""

    PARAMETERS: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    SCALED: ClassVar[Mapping[str, float]] = MappingProxyType({"alpha": 1.0})
    SIGNS: ClassVar[Mapping[str, float]] = MappingProxyType({"alpha": -1.0, "a": 1.0, "b": 1.0})
    _CHARACTERS: ClassVar[Mapping[str, tuple[str, str]]] = MappingProxyType(
        {"purchase_rate": ("r", "alpha"), "dropout": ("a", "b")}
    )
    # how often a customer may have left before the first repeat purchase
    EARLY: ClassVar[float] = 0.0

    a: float
    b: float

    def _alive(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        out = np.empty(x.size)
        _k.p_alive(self.r, self.alpha, self.a, self.b, self.EARLY, 1.0, x, t_x, T, out)
        return out

    def _stays(self, t: Floats, past: Past, out: Floats) -> None:
        _future.if_alive(1, self.r, self.alpha, self.a, self.b, self.EARLY, t, past.x, past.T, out)

    def _purchases(self, t: Floats, past: Past, out: Floats) -> None:
        _future.if_alive(0, self.r, self.alpha, self.a, self.b, self.EARLY, t, past.x, past.T, out)

    def _discounted(self, rate: float, t: Floats, past: Past, out: Floats) -> None:
        _future.discounted(rate, self.r, self.alpha, self.a, self.b, self.EARLY, t, past.x, past.T, out)

    def _count_probabilities(self, t: Floats, past: Past, out: Floats) -> None:
        _future.count_probabilities(self.r, self.alpha, self.a, self.b, self.EARLY, t, past.x, past.T, out)

    def _future(self, x: Floats, t_x: Floats, T: Floats) -> tuple[int, Floats]:
        self._same_for_all()
        rows = (self.r + x, self.alpha + T, self.a, self.b + x + self.EARLY, 1.0, T - t_x)
        return AT_A_PURCHASE, np.array(np.broadcast_arrays(*rows))


Kind = TypeVar("Kind", bound=Geometric)


def fit_geometric(
    kind: type[Kind], summary: Any, *, weight: str | None, unit: Any, penalty: float, robust: bool, covariates: Any
) -> Kind:
    """Fit a model of this family by maximum likelihood."""

    def likelihood(r: float, alpha: float, a: float, b: float, *rows: Any) -> tuple[float, Floats, Floats]:
        return _k.log_likelihood(r, alpha, a, b, kind.EARLY, 1.0, *rows)

    return fit_purchases(
        kind,
        summary,
        weight=weight,
        unit=unit,
        penalty=penalty,
        robust=robust,
        covariates=covariates,
        likelihood=likelihood,
        starts=starts,
        named=named,
    )


def starts(rows: Histories, n: float) -> list[Floats]:
    """Return where to begin: moments of the counts, and the share that seems gone; and all parameters alike."""
    r, alpha = gamma_moments(rows, n)
    dropout = share_gone(rows)
    return [np.log(np.array([r, alpha, 3.0 * dropout, 3.0 * (1.0 - dropout)])), np.zeros(4)]


def named(theta: Floats) -> list[str]:
    """Say in words which ridges and boundaries the logs of the parameters lie on."""
    r, alpha, a, b = theta
    share = a - np.logaddexp(a, b)  # ln of the mean dropout probability a / (a + b)
    kept = b - np.logaddexp(a, b)
    found = []
    if share < -FAR:
        found.append("boundary: a / (a + b) tends to 0, nobody is seen to drop out; a and b are not identified")
    elif kept < -FAR:
        found.append("boundary: a / (a + b) tends to 1, every repeat purchase looks like the last; a and b are not identified")
    elif min(a, b) > FAR:
        found.append("ridge: a and b grow together, all customers drop out alike; only a / (a + b) is identified")
    elif max(a, b) < -FAR:
        found.append("ridge: a and b shrink together, customers leave at once or never; only a / (a + b) is identified")
    if min(r, alpha) > FAR:
        found.append("ridge: r and alpha grow together, all customers buy at one rate; only r / alpha is identified")
    elif r < -FAR:
        found.append("boundary: r tends to 0, nearly nobody buys again; r and alpha are not identified")
    return found
