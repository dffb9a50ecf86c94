"""What customers did after a model was fitted, beside what it and simpler rules expected of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from crmkit import _frame
from crmkit.clv._ask import of_rows
from crmkit.clv._draws import Kinds
from crmkit.clv._purchase import PurchaseModel
from crmkit.clv._rows import check_histories, read_histories, read_unit
from crmkit.errors import DataError, OptionError

__all__ = ["RIVALS", "Holdout", "log_scores"]

Floats = npt.NDArray[np.float64]

RIVALS = ("all at the mean rate", "each at the own rate", "as much as last period")
_CELLS = 4_000_000  # probabilities held at once
_LEAST = 5e-324  # a probability too small for the machine


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Holdout:
    """The calibration histories and the purchases that followed."""

    x: Floats
    t_x: Floats
    T: Floats
    actual: Floats
    previous: Floats | None
    horizon: float
    kind: str
    frame: Any

    @classmethod
    def read(cls, known: Any, models: list[Any]) -> Holdout:
        """Read the table of ``clv.split(...).known``, and refuse what is no purchase model of its unit."""
        frame = _frame.read(known)
        x, t_x, T = read_histories(frame)
        actual = _frame.numbers(frame, "holdout_frequency", nonnegative=True, whole=True)
        lengths = _frame.numbers(frame, "holdout_T", positive=True, moderate=True)
        if x.size == 0:
            msg = "the table has no rows: nothing to evaluate"
            raise DataError(msg)
        if x.size == 1:
            msg = "the table has one row: how far errors differ between customers, and so how sure their mean is, takes two"
            raise DataError(msg)
        if lengths.min() != lengths.max():
            msg = (
                f"column 'holdout_T' ranges from {lengths.min():g} to {lengths.max():g}; the holdout is one period, the same for"
                " all customers: clv.split gives it"
            )
            raise DataError(msg)
        unit = read_unit(frame)
        for model in models:
            if not isinstance(model, PurchaseModel):
                msg = f"expected fitted purchase models, such as clv.fit_bg_nbd returns, got {type(model).__name__}"
                raise OptionError(msg)
            if None not in (unit, model.unit) and unit != model.unit:
                msg = (
                    f"column 'unit' says {unit!r}, the {model.TITLE} model was fitted in {model.unit!r}; split with"
                    f" unit={model.unit!r}"
                )
                raise DataError(msg)
        previous = None
        if "previous_frequency" in frame.columns:
            previous = _frame.numbers(frame, "previous_frequency", nonnegative=True, whole=True)
        check_histories(x, t_x, T)
        return cls(x, t_x, T, actual, previous, float(lengths[0]), frame.kind, frame)

    def expected(self, model: PurchaseModel, n_threads: int | None) -> Floats:
        """Return the purchases that a model expects of each customer."""
        answer = of_rows(model, "expected_purchases", self.frame)
        return np.asarray(answer(self.horizon, self.x, self.t_x, self.T, n_threads=n_threads))

    def chances(self, model: PurchaseModel) -> tuple[Floats, Floats]:
        """Return, for each customer, the probability of fewer purchases than were made, and of exactly as many."""
        fewer, exactly = np.empty(self.actual.size), np.empty(self.actual.size)
        kinds = Kinds.of(model, self.frame)
        for plain, at in kinds.plain(model, kinds.group):
            own = np.arange(self.actual.size)[at]
            order = own[np.argsort(self.actual[own], kind="stable")]
            done = 0
            while done < order.size:
                # few purchases first: the table of probabilities is as wide as the largest number in it
                rows = order[done : done + max(_CELLS // 16, 1)]
                rows = rows[: max(int(_CELLS / (self.actual[rows[-1]] + 2.0)), 1)]
                made = self.actual[rows].astype(np.int64)
                found = plain.purchase_distribution(int(made[-1]), self.horizon, self.x[rows], self.t_x[rows], self.T[rows])
                place = np.arange(rows.size)
                exactly[rows] = found[place, made]
                below = np.cumsum(found, axis=1)
                fewer[rows] = np.where(made > 0, below[place, np.maximum(made - 1, 0)], 0.0)
                done += rows.size
        return fewer, exactly

    def naive(self) -> dict[str, tuple[Floats, Floats | None]]:
        """Return the forecasts that need no model, and the log scores of the one that has any.

        Where a customer has no past, the forecast is that of all customers.
        """
        watched = float(self.T.sum())
        rate = float(self.x.sum()) / watched if watched > 0.0 else 0.0
        mean = rate * self.horizon
        own = np.divide(self.x * self.horizon, self.T, out=np.full(self.x.size, mean), where=self.T > 0.0)
        found: dict[str, tuple[Floats, Floats | None]] = {
            RIVALS[0]: (np.full(self.x.size, mean), self._blind(rate)),
            RIVALS[1]: (own, None),
        }
        if self.previous is not None:
            found[RIVALS[2]] = (self.previous, None)
        return found

    def _blind(self, rate: float) -> Floats:
        """Log chances of the purchases made if all customers are alike: the negative binomial with the spread of the past."""
        expected, n = rate * self.T, self.actual
        mean = rate * self.horizon
        if mean <= 0.0:
            return np.where(n > 0.0, np.log(_LEAST), 0.0)
        excess = float(((self.x - expected) ** 2 - expected).sum()) / float((expected**2).sum())
        r = min(max(1.0 / excess, 1e-3) if excess > 0.0 else 1e6, 1e6)
        p: Floats = gammaln(r + n) - gammaln(r) - gammaln(n + 1.0) - r * np.log1p(mean / r) - n * np.log1p(r / mean)
        return p

    def grouped(self, name: str, groups: npt.NDArray[np.int64], expected: Floats, inside: Floats | None) -> Any:
        """Return mean expected and actual purchases of each group, and how often the intervals held them."""
        numbers, which = np.unique(groups, return_inverse=True)
        n = np.bincount(which)
        # a border between groups may run through customers of whom the same is expected: they count alike
        _, alike = np.unique(expected, return_inverse=True)

        def mean(values: Floats) -> Floats:
            shared = np.bincount(alike, weights=values) / np.bincount(alike)
            found: Floats = np.bincount(which, weights=shared[alike]) / n
            return found

        columns = {name: numbers, "n": n, "expected": mean(expected), "actual": mean(self.actual)}
        if inside is not None:
            columns["coverage"] = mean(inside)
        return _frame.table(columns, kind=self.kind)


def log_scores(exactly: Floats) -> Floats:
    """Return the logs of the chances of what happened; one too small for the machine counts as the smallest there is."""
    found: Floats = np.log(np.maximum(exactly, _LEAST))
    return found
