"""What a fit leaves open: models drawn from around it, and the intervals that draws make."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.clv._fitted import FittedModel
from crmkit.clv._purchase import PurchaseModel
from crmkit.errors import DataWarning, FitError, OptionError
from crmkit.results import Estimate, confidence_level

__all__ = ["Kinds", "Ranks", "models_around", "total", "warn_of", "with_a_process"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Kind = TypeVar("Kind", bound=FittedModel)

_WIDEST = 3.0  # standard error of a log parameter (a factor of 20) beyond which draws say nothing about customers


def with_a_process(model: Any, what: str) -> PurchaseModel:
    """Return a model that says how purchases come about, or say that it does not."""
    if isinstance(model, PurchaseModel):
        return model
    if not isinstance(model, FittedModel):
        msg = f"expected a fitted model first, such as clv.fit_bg_nbd returns, got {type(model).__name__}"
        raise OptionError(msg)
    msg = f"{type(model).__name__} has no {what}: it does not say when customers buy. clv.fit_bg_nbd and its like do"
    raise FitError(msg)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """The rows of a table by the traits that a model's covariates scale its parameters with; one kind where it has none."""

    traits: tuple[dict[str, float], ...]
    group: Integers

    @classmethod
    def of(cls, model: PurchaseModel, frame: Any) -> Kinds:
        """Read a model's covariates from a table."""
        columns = list(dict.fromkeys(column for own in model.coefficients.values() for column in own))
        if not columns:
            return cls(({},), np.zeros(len(_frame.read(frame)), np.int64))
        values = np.column_stack([_frame.numbers(frame, column) for column in columns])
        distinct, group = np.unique(values, axis=0, return_inverse=True)
        traits = tuple(dict(zip(columns, row, strict=True)) for row in distinct.tolist())
        return cls(traits, group.reshape(-1).astype(np.int64))

    def plain(self, model: PurchaseModel, group: Integers) -> list[tuple[PurchaseModel, Any]]:
        """Return the plain model of each kind among rows of these groups, with the places of its rows."""
        if not model.coefficients:
            return [(model, slice(None))]
        order = np.argsort(group, kind="stable")
        codes, starts = np.unique(group[order], return_index=True)
        places = np.split(order, starts[1:])
        return [(model.of(self.traits[code]), at) for code, at in zip(codes, places, strict=True)]

    def future(self, model: PurchaseModel, group: Integers, x: Floats, t_x: Floats, T: Floats) -> tuple[int, Floats, Floats]:
        """Return what rows go on by (`_kernels.futures`), and their P(alive)."""
        if not model.coefficients:
            return *model._future(x, t_x, T), model._alive(x, t_x, T)
        kind, numbers, alive = 0, np.empty((6, x.size)), np.empty(x.size)
        for plain, at in self.plain(model, group):
            own = tuple(np.ascontiguousarray(column[at]) for column in (x, t_x, T))
            kind, numbers[:, at] = plain._future(*own)
            alive[at] = plain._alive(*own)
        return kind, numbers, alive


def models_around(model: Kind, draws: int, random: np.random.Generator) -> tuple[list[Kind], str]:
    """Draw models from the normal distribution of the log parameters, and say in words what they leave out.

    Along a direction that the data leave open the normal distribution has no end: parameters without any information stay where
    they are, and along what is nearly free none is drawn far.
    """
    given = np.array(model.covariance, dtype=np.float64)
    if given.size == 0:
        return [model] * draws, "the model carries no covariance: its parameters are taken as known"
    free = ~np.isfinite(np.diagonal(given))
    given[free, :] = given[:, free] = 0.0
    variances, directions = np.linalg.eigh(given)
    wide = bool((variances > _WIDEST**2).any())
    spread = directions * np.sqrt(np.clip(variances, 0.0, _WIDEST**2))
    logs = np.log(np.array([getattr(model, name) for name in model.PARAMETERS]))
    traits: Mapping[str, Mapping[str, float]] = getattr(model, "coefficients", {})
    terms = [(parameter, column) for parameter, own in traits.items() for column in own]
    centre = np.concatenate([logs, [traits[parameter][column] for parameter, column in terms]])
    theta = centre + random.standard_normal((draws, centre.size)) @ spread.T
    drawn = []
    for row in theta.tolist():
        changed: dict[str, Any] = dict(zip(model.PARAMETERS, np.exp(row[: logs.size]).tolist(), strict=True))
        if terms:
            changed["coefficients"] = {parameter: {} for parameter in traits}
            for (parameter, column), value in zip(terms, row[logs.size :], strict=True):
                changed["coefficients"][parameter][column] = value
        drawn.append(dataclasses.replace(model, **changed))
    names = [*model.PARAMETERS, *(f"{column} on {parameter}" for parameter, column in terms)]
    held = [name for name, is_free in zip(names, free, strict=True) if is_free]
    how = [f"{', '.join(held)} stay where they are"] if held else []
    how += [f"along what is nearly free the standard error in logs is taken as {_WIDEST:g}"] if wide else []
    return drawn, f"{model.TITLE}: {model.diagnosis}; in the draws {' and '.join(how)}" if how else ""


def warn_of(notes: list[str]) -> str:
    """Join the notes on the draws, and warn of parameters that the data leave open; called by public functions."""
    for note in notes:
        if "in the draws" in note:
            msg = (
                f"{note}. The intervals hold as far as these parameters do not matter; penalty=0.1 in the fit bounds them; filter"
                " crmkit.errors.DataWarning to silence this"
            )
            warnings.warn(msg, DataWarning, stacklevel=3)
    return "; ".join(note for note in notes if note)


@dataclasses.dataclass(frozen=True, slots=True)
class Ranks:
    """Which of the sorted draws bound an interval: the next number falls between them with probability `level` or more."""

    draws: int
    level: float
    low: int
    high: int

    @classmethod
    def of(cls, draws: Any, level: Any) -> Ranks:
        """Find the ranks, or say that there are too few draws for the level."""
        within = confidence_level(level)
        n = _options.whole("draws", draws, low=1, high=100_000)  # a draw of a fit is a model
        tail = (1.0 - within) / 2.0
        # n draws and the number to come are exchangeable: each of the n + 1 gaps holds it equally often
        low = math.floor((n + 1) * tail + 1e-9) - 1
        if low < 0:
            msg = f"draws={n} are too few for level={within:g}: take at least {math.ceil(1.0 / tail - 1e-9) - 1}"
            raise OptionError(msg)
        return cls(n, within, low, n - 1 - low)

    def bounds(self, draws: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the ends of the interval of each column of `draws`."""
        found = np.partition(np.ascontiguousarray(draws.T), (self.low, self.high), axis=1)
        return found[:, self.low], found[:, self.high]


def total(value: float, draws: npt.NDArray[Any], ranks: Ranks, *, n: int) -> Estimate:
    """Return a total with the interval of its draws."""
    low, high = ranks.bounds(draws[:, None])
    spread = float(draws.std(ddof=1)) if draws.size > 1 else 0.0
    return Estimate(float(value), float(low[0]), float(high[0]), spread, n, ranks.level, "parameters and purchases drawn")
