"""Traits of customers that do not change: they scale the parameters of a purchase model, each by a factor of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.clv._fitted import Solution, nowhere, solve
from crmkit.clv._purchase import PurchaseModel
from crmkit.clv._rows import read_weight
from crmkit.errors import DataError, OptionError

__all__ = ["Grouped", "Traits", "read_traits", "search_with"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """Which column scales which parameter, and the table's rows as groups of customers with equal traits.

    Rows are sorted by group; `groups` has each group's traits in mean 0 and spread 1, `back` leads from the coefficients of those
    to the ones of the columns as they are.
    """

    terms: tuple[tuple[str, str], ...]
    sizes: tuple[float, ...]
    groups: Floats
    start: Integers
    x: Floats
    t_x: Floats
    T: Floats
    weight: Floats
    origin: Integers
    back: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """What the coefficients are called among the standard errors: "age on alpha"."""
        return tuple(f"{column} on {parameter}" for parameter, column in self.terms)


def terms_of(kind: type[PurchaseModel], covariates: Any) -> tuple[tuple[str, str], ...]:
    """Return (parameter, column) pairs: a list of columns acts on every parameter that can be scaled."""
    scalable = tuple(kind.SIGNS)
    if isinstance(covariates, Mapping):
        for parameter in covariates:
            if parameter not in scalable:
                raise OptionError.choice("covariates", parameter, scalable)
        given = covariates
    elif isinstance(covariates, str) or not isinstance(covariates, Iterable):
        msg = f"covariates={covariates!r} is neither a list of columns nor a mapping from parameters to such lists"
        raise OptionError(msg)
    else:
        columns = list(covariates)
        given = dict.fromkeys(scalable, columns)
    terms = tuple((parameter, column) for parameter in scalable for column in _listed(given.get(parameter, ())))
    if len(set(terms)) < len(terms):
        msg = f"covariates={covariates!r} names a column twice"
        raise OptionError(msg)
    return terms


def _listed(columns: Any) -> list[str]:
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        msg = f"covariates: {columns!r} is not a list of columns"
        raise OptionError(msg)
    return list(columns)


def read_traits(
    kind: type[PurchaseModel], frame: Any, covariates: Any, given: tuple[Floats, Floats, Floats], weight: str | None, scale: float
) -> Traits | None:
    """Read the covariates of a table; None where none are named."""
    terms = () if covariates is None else terms_of(kind, covariates)
    if not terms:
        return None
    columns = list(dict.fromkeys(column for _, column in terms))
    w = read_weight(frame, weight)
    w = np.ones(given[0].size) if w is None else w
    values = np.column_stack([_frame.numbers(frame, column, keyword="covariates", moderate=True) for column in columns])
    mean = w @ values / w.sum()
    spread = np.sqrt(w @ (values - mean) ** 2 / w.sum())
    for column, size, width in zip(columns, np.abs(mean), spread, strict=True):
        if width <= 1e-12 * max(size, 1e-300):
            msg = (
                f"covariate {column!r} is the same in all rows: its effect cannot be told from the parameters themselves; drop it"
            )
            raise DataError(msg)

    distinct, group = np.unique(values, axis=0, return_inverse=True)
    group = group.reshape(-1).astype(np.int64)
    x, t_x, T = given[0], given[1] / scale, given[2] / scale
    order = np.lexsort((w, T, t_x, x, group))
    rows = np.column_stack([group[order], x[order], t_x[order], T[order]])
    new = np.ones(order.size, dtype=np.bool_)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    first = np.flatnonzero(new)
    rows, weights = rows[first], np.add.reduceat(w[order], first)
    place = [columns.index(column) for _, column in terms]
    sizes = tuple(kind.SIGNS[parameter] for parameter, _ in terms)

    # ln parameter = intercept + sign * coefficient * (z - mean) / spread
    P = len(kind.PARAMETERS)
    back = np.eye(P + len(terms))
    for j, ((parameter, _), at, sign) in enumerate(zip(terms, place, sizes, strict=True)):
        back[P + j, P + j] = 1.0 / spread[at]
        back[kind.PARAMETERS.index(parameter), P + j] = -sign * mean[at] / spread[at]
    return Traits(
        terms,
        sizes,
        ((distinct - mean) / spread)[:, place],
        np.searchsorted(rows[:, 0], np.arange(distinct.shape[0] + 1)).astype(np.int64),
        np.ascontiguousarray(rows[:, 1]),
        np.ascontiguousarray(rows[:, 2]),
        np.ascontiguousarray(rows[:, 3]),
        weights,
        order[first],
        back,
    )


def search_with(
    kind: type[PurchaseModel],
    likelihood: Callable[..., tuple[float, Floats, Floats]],
    traits: Traits,
    starts: list[Floats],
    *,
    strength: float,
    robust: bool,
) -> Solution:
    """Maximise over parameters and coefficients: each group has the likelihood of the plain model at its own parameters."""
    P, size = len(kind.PARAMETERS), len(kind.PARAMETERS) + len(traits.terms)
    # each group's logs of the parameters are linear in what is searched for
    onto = np.zeros((traits.groups.shape[0], P, size))
    onto[:, np.arange(P), np.arange(P)] = 1.0
    for j, ((parameter, _), sign) in enumerate(zip(traits.terms, traits.sizes, strict=True)):
        onto[:, kind.PARAMETERS.index(parameter), P + j] = sign * traits.groups[:, j]
    parts = [slice(low, high) for low, high in zip(traits.start[:-1], traits.start[1:], strict=True)]
    counted = [tuple(np.unique(traits.x[part], return_inverse=True)) for part in parts]
    unwanted = np.empty((0, P))

    def derivatives(theta: Floats, weight: Floats, scores: Floats) -> tuple[float, Floats, Floats]:
        logs = onto @ theta
        if np.abs(logs).max() > 100.0:
            return nowhere(size)
        values, gradients, hessians = np.empty(len(parts)), np.empty((len(parts), P)), np.empty((len(parts), P, P))
        for g, (part, (counts, which)) in enumerate(zip(parts, counted, strict=True)):
            own = np.empty((which.size, P)) if scores.size else unwanted
            values[g], gradients[g], hessians[g] = likelihood(
                *np.exp(logs[g]), counts, which, traits.t_x[part], traits.T[part], weight[part], own
            )
            if scores.size:
                scores[part] = own @ onto[g]
        gradient = np.einsum("gp,gps->s", gradients, onto) - 2.0 * strength * theta
        hessian = np.einsum("gps,gpq,gqt->st", onto, hessians, onto, optimize=True) - 2.0 * strength * np.eye(size)
        return float(values.sum()) - strength * float(theta @ theta), gradient, hessian

    none = np.zeros(len(traits.terms))
    return solve(derivatives, [np.concatenate([start, none]) for start in starts], traits.weight, robust=robust)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """A model with covariates, asked about the rows of a table: each group of equal traits is answered by its own plain model."""

    model: PurchaseModel
    kinds: tuple[PurchaseModel, ...]
    group: Integers

    @classmethod
    def on(cls, model: PurchaseModel, frame: Any) -> Grouped:
        """Read the model's covariates from a table."""
        columns = list(dict.fromkeys(column for own in model.coefficients.values() for column in own))
        values = np.column_stack([_frame.numbers(frame, column, moderate=True) for column in columns])
        distinct, group = np.unique(values, axis=0, return_inverse=True)
        kinds = tuple(model.of(dict(zip(columns, row, strict=True))) for row in distinct.tolist())
        return cls(model, kinds, group.reshape(-1).astype(np.int64))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def answer(*arrays: Any, **more: Any) -> Any:
            fixed = {key: value for key, value in more.items() if key == "n_threads"}
            rows = {key: self._rows(value) for key, value in more.items() if key != "n_threads"}
            given: list[Any] = [self._rows(array) for array in arrays]
            if name in ("purchase_distribution", "discounted_purchases"):
                given[0] = arrays[0]  # the largest count, the rate: one for all
            order = np.argsort(self.group, kind="stable")
            ends = np.searchsorted(self.group[order], np.arange(len(self.kinds) + 1))
            parts = []
            for kind, low, high in zip(self.kinds, ends[:-1], ends[1:], strict=True):
                at = order[low:high]
                some = [value[at] if isinstance(value, np.ndarray) else value for value in given]
                parts.append(getattr(kind, name)(*some, **{key: value[at] for key, value in rows.items()}, **fixed))
            if not parts:
                return np.empty(0)
            out = np.concatenate(parts)
            out[order] = out.copy()
            return out

        return answer

    def _rows(self, value: Any) -> Floats:
        return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), self.group.shape))
