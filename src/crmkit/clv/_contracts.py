"""What the models of contracts share: reading ages and losses, fitting, survival and retention."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._kernels import contracts as _k
from crmkit.clv._fitted import FAR, FittedModel, estimates, nowhere, solve, warn_of
from crmkit.clv._rows import as_float_arrays, read_weight, refuse
from crmkit.errors import DataError, FitError, OptionError
from crmkit.results import critical_value

__all__ = ["ContractModel", "fit_contracts"]

Floats = npt.NDArray[np.float64]

_MOST = 1e9  # renewals: beyond, retention cannot be told from 1, nor its interval from its rounding


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ContractModel(FittedModel):
    """A fitted model of how long contracts are renewed."""

    alpha: float
    beta: float

    def survival(self, t: Any, renewed: Any = 0) -> Any:
        """Give the probability that a contract is still there after t more renewals.

        Parameters
        ----------
        t : int or array
            Renewals to come.
        renewed : int or array, default 0
            Renewals made so far.

        Returns
        -------
        float or ndarray
            Between 0 and 1.
        """
        single, shape, (ahead, so_far) = _renewals(t, renewed)
        late, early = np.empty(ahead.size), np.empty(ahead.size)
        _k.log_survival(self.alpha, self.beta, self._power(), _frame.readonly(so_far + ahead), late)
        _k.log_survival(self.alpha, self.beta, self._power(), so_far, early)
        return self._shaped(np.exp(late - early), single, shape)

    def retention(self, t: Any) -> Any:
        """Give the share of those at renewal t who renew.

        Parameters
        ----------
        t : int or array
            Which renewal: 1 is the first.

        Returns
        -------
        float or ndarray
            Between 0 and 1; it rises with t where customers differ, because those likely to leave leave first.
        """
        single, shape, (at,) = _renewals(t, low=1.0)
        out = self.survival(np.ones(at.size), at - 1.0)
        return float(out[0]) if single else out.reshape(shape)

    def discounted_renewals(self, n: Any, *, discount: float) -> Any:
        r"""Give the renewals to expect of a contract whose n-th renewal is due now, later ones counting for less.

        Parameters
        ----------
        n : int or array
            Which renewal is due: 1 for a contract in its first period.
        discount : float
            Above 0: a renewal k periods from now counts :math:`(1 + d)^{-k}`; per period, not per year.

        Returns
        -------
        float or ndarray
            Discounted expected residual lifetime (DERL) in periods.
        """
        rate = _options.number("discount", discount, low=0.0, ends=False)
        single, shape, (due,) = _renewals(n, low=1.0)
        out = np.empty(due.size)
        _k.discounted_renewals(self.alpha, self.beta, self._power(), rate, due, out)
        return self._shaped(out, single, shape)

    def survival_interval(self, t: Any, renewed: Any = 0, *, level: float = 0.95) -> tuple[Any, Any]:
        """Give the interval of `survival` that the standard errors leave, by the delta method in log odds.

        Parameters
        ----------
        t : int or array
            Renewals to come.
        renewed : int or array, default 0
            Renewals made so far.
        level : float, default 0.95
            Confidence level, between 0 and 1.

        Returns
        -------
        tuple
            Its low and high ends, numbers or arrays.

        Raises
        ------
        FitError
            The model has no covariance, or is not identified: then there is no interval.
        """
        return self._interval(lambda model: model.survival(t, renewed), level, bounded=True)

    def retention_interval(self, t: Any, *, level: float = 0.95) -> tuple[Any, Any]:
        """Give the interval of `retention` that the standard errors leave, by the delta method in log odds.

        Parameters
        ----------
        t : int or array
            Which renewal: 1 is the first.
        level : float, default 0.95
            Confidence level, between 0 and 1.

        Returns
        -------
        tuple
            Its low and high ends, numbers or arrays.

        Raises
        ------
        FitError
            The model has no covariance, or is not identified: then there is no interval.
        """
        return self._interval(lambda model: model.retention(t), level, bounded=True)

    def discounted_renewals_interval(self, n: Any, *, discount: float, level: float = 0.95) -> tuple[Any, Any]:
        """Give the interval of `discounted_renewals` that the standard errors leave, by the delta method in logs.

        Parameters
        ----------
        n : int or array
            Which renewal is due: 1 for a contract in its first period.
        discount : float
            Above 0, per period, as in `discounted_renewals`.
        level : float, default 0.95
            Confidence level, between 0 and 1.

        Returns
        -------
        tuple
            Its low and high ends, numbers or arrays.

        Raises
        ------
        FitError
            The model has no covariance, or is not identified: then there is no interval.
        """
        return self._interval(lambda model: model.discounted_renewals(n, discount=discount), level, bounded=False)

    def _interval(self, answer: Callable[[ContractModel], Any], level: float, *, bounded: bool) -> tuple[Any, Any]:
        """Move the logs of the parameters a little each way; the answer is on the log odds scale, or that of logs."""
        covariance = np.array(self.covariance)
        if covariance.size == 0 or not np.isfinite(covariance).all():
            msg = f"no interval: the parameters of this {self.TITLE} have no standard errors ({self.diagnosis})"
            raise FitError(msg)
        margin = critical_value(level)

        def onto(value: Any) -> Floats:
            out: Floats = np.log(value) - (np.log1p(-np.asarray(value)) if bounded else 0.0)
            return out

        with np.errstate(divide="ignore", invalid="ignore"):  # survival of 0 renewals is 1, with an interval of no length
            here, slopes = onto(answer(self)), []
            for name in self.PARAMETERS:
                value = getattr(self, name)
                up, down = (answer(dataclasses.replace(self, **{name: value * math.exp(h)})) for h in (1e-5, -1e-5))
                slopes.append((onto(up) - onto(down)) / 2e-5)
            slope = np.array(slopes)
            spread = margin * np.sqrt(np.einsum("i...,ij,j...->...", slope, covariance, slope))
            ends = [here - spread, here + spread]
        if bounded:
            ends = [np.where(np.isfinite(here), 1.0 / (1.0 + np.exp(-end)), answer(self)) for end in ends]
        else:
            ends = [np.exp(end) for end in ends]
        low, high = (float(end) if np.ndim(end) == 0 else end for end in ends)
        return low, high

    def _shaped(self, out: Floats, single: object, shape: tuple[int, ...]) -> Any:
        if not np.isfinite(out).all():
            msg = f"the answer is beyond the numbers of the machine at these parameters and ages ({self.diagnosis})"
            raise FitError(msg)
        return float(out[0]) if single else out.reshape(shape)

    def _power(self) -> float:
        return 1.0


Kind = TypeVar("Kind", bound=ContractModel)


def fit_contracts(kind: type[Kind], contracts: Any, *, age: str, lost: str, weight: str | None, robust: bool) -> Kind:
    """Fit a model of this family by maximum likelihood over distinct rows."""
    frame = _frame.read(contracts)
    ages = _frame.numbers(frame, age, keyword="age", nonnegative=True, whole=True)
    gone = _frame.flags(frame, lost, keyword="lost")
    if ages.size == 0:
        msg = "the table has no rows: nothing to fit"
        raise DataError(msg)
    refuse(gone & (ages == 0.0), f"column {age!r} is 0 although the contract was lost", "the first renewal is number 1", ages)
    given = read_weight(frame, weight)
    weights = np.ones(ages.size) if given is None else given
    # equal rows together, in the order of their weights: the last bit must not follow the order of the rows
    order = np.lexsort((weights, gone, ages))
    code = 2.0 * ages[order] + gone[order]
    starts_of = np.flatnonzero(np.diff(code, prepend=-1.0))
    rows = order[starts_of]
    seen = (ages[rows], gone[rows])
    if not gone.any():
        msg = f"{kind.TITLE} is not identified: none of the {ages.size:,} rows was lost; observe longer"
        raise FitError(msg)
    size = len(kind.PARAMETERS)

    def derivatives(theta: Floats, totals: Floats, scores: Floats) -> tuple[float, Floats, Floats]:
        if np.abs(theta).max() > 60.0 or (size == 3 and theta[2] > 4.0):  # ages to a power that no machine holds
            return nowhere(size)
        alpha, beta, c = (*np.exp(theta), 1.0)[:3]
        of_rows = np.empty((scores.shape[0], 3))
        value, gradient, hessian = _k.log_likelihood(alpha, beta, c, *seen, totals, of_rows)
        scores[:, :] = of_rows[:, :size]
        return value, gradient[:size], hessian[:size, :size]

    starts = [np.zeros(size), np.log(np.array([0.5, 2.0, 1.0][:size]))]
    found = solve(derivatives, starts, np.add.reduceat(weights[order], starts_of), robust=robust)
    loose = found.looseness(kind.PARAMETERS)
    model = kind(
        **estimates(kind, found),
        log_likelihood=found.optimum.value,
        columns=(age, lost),
        diagnosis=(_named(found.optimum.theta) or loose) if loose else "well identified",
    )
    warn_of(
        model,
        found,
        cure="look for outlying rows",
        holds="Survival within the ages observed holds; the single parameters, and what lies beyond, are not known",
        loud=("ridge", "boundary", "weakly"),
    )
    return model


def _named(theta: Floats) -> str:
    alpha, beta = theta[0], theta[1]
    both = np.logaddexp(alpha, beta)
    if beta - both < -FAR:
        return "boundary: beta / (alpha + beta) tends to 0, nobody seems to renew; alpha and beta are not identified"
    if alpha - both < -FAR and min(alpha, beta) < FAR:
        return "boundary: alpha / (alpha + beta) tends to 0, nearly all renew; alpha and beta are not identified"
    if min(alpha, beta) > FAR:
        return "ridge: alpha and beta grow together, all contracts are alike; only their ratio is identified"
    if max(alpha, beta) < -FAR:
        return "ridge: alpha and beta shrink together, contracts end at once or never; only their ratio is identified"
    return ""


def _renewals(*values: Any, low: float = 0.0) -> tuple[bool, tuple[int, ...], list[Floats]]:
    single, shape, arrays = as_float_arrays(*values)
    for array in arrays:
        if not ((array >= low) & (array <= _MOST) & (array == np.floor(array))).all():
            msg = f"renewals are counted in whole numbers from {low:g} to {_MOST:,.0f}"
            raise OptionError(msg)
    return single, shape, arrays
