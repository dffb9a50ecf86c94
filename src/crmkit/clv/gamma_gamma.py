"""Gamma-Gamma: what a customer's purchases are worth, from the mean of those seen."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import gamma_gamma as _k
from crmkit.clv._fitted import FAR, FittedModel, Solution, estimates, nowhere, solve, warn_of
from crmkit.clv._rows import as_float_arrays, read_weight, refuse
from crmkit.errors import DataError, FitError

__all__ = ["GammaGamma", "fit_gamma_gamma", "read_spends"]

Floats = npt.NDArray[np.float64]

COLUMNS = ("frequency", "monetary_value")
LOGS = "log_spend"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class GammaGamma(FittedModel):
    """A fitted Gamma-Gamma model of spend.

    Attributes
    ----------
    p : float
        Shape of a customer's purchase amounts, which are Gamma(p, nu).
    q, v : float
        The rates nu are Gamma(q, v) over customers; v is in the currency of the amounts.
    log_likelihood : float
        Of the mean spends, or of every amount where `columns` has `log_spend`, at the estimate.
    standard_errors : mapping
        From the observed information, or the sandwich; infinite where the data carry none.
    covariance : tuple of tuple
        Covariances of the logs of the parameters, in the order above; the errors are its roots times the parameters.
    robust : bool
        Whether they are the sandwich's.
    n : float
        Customers with repeat purchases, or the sum of their weights.
    converged : bool
        Whether the gradient per customer is below 1e-8.
    columns : tuple
        The columns it was fitted on.
    gradient_norm : float
        Length of the gradient per customer, in log parameters.
    condition : float
        Largest over smallest curvature in log parameters.
    influence : float
        How many standard errors the most influential customer alone moves the estimates; 2 is common for the few with many
        repeats, who tell p.
    diagnosis : str
        "well identified", or in words what the data do not determine or what is infinite.

    References
    ----------
    Fader & Hardie (2013), The Gamma-Gamma model of monetary value, note 025 (brucehardie.com/notes/025).
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("p", "q", "v")
    TITLE: ClassVar[str] = "Gamma-Gamma"
    CAPABILITIES: ClassVar[tuple[str, ...]] = ("expected_spend",)
    SCALED: ClassVar[Mapping[str, float]] = MappingProxyType({"v": 1.0})

    p: float
    q: float
    v: float

    @property
    def population_mean(self) -> float:
        """Mean spend over all customers, p v / (q - 1); infinite where q <= 1."""
        return self.p * self.v / (self.q - 1.0) if self.q > 1.0 else math.inf

    def expected_spend(self, x: Any = 0, z: Any = 0.0) -> Any:
        """Give the mean spend per purchase to expect of a customer with x repeat purchases of mean z.

        Parameters
        ----------
        x : int or array, default 0
            Repeat purchases.
        z : float or array, default 0.0
            Their mean amount; ignored where x is 0.

        Returns
        -------
        float or ndarray
            :math:`p (v + x z) / (p x + q - 1)`: between the customer's own mean and the population's.
        """
        single, shape, (count, mean) = as_float_arrays(x, z)
        check_spends(count, mean)
        heavy = self.p * count + self.q <= 1.0
        if heavy.any():
            msg = (
                f"the expected spend is infinite for {int(heavy.sum()):,} of {count.size:,} customers: q ="
                f" {self.q:.4g} makes the tail of spend too heavy for a mean where there are too few repeat purchases;"
                " score customers with more of them, or cap the extreme amounts and fit again"
            )
            raise FitError(msg)
        out = self.p * (self.v + count * np.where(count > 0.0, mean, 0.0)) / (self.p * count + (self.q - 1.0))
        return float(out[0]) if single else out.reshape(shape)


def fit_gamma_gamma(summary: Any, /, *, weight: str | None = None, finite_mean: bool = False, robust: bool = False) -> GammaGamma:
    r"""Fit the Gamma-Gamma model: how mean spend differs between customers, and how far a customer's own mean is to be trusted.

    Parameters
    ----------
    summary : DataFrame
        One row per customer with `frequency` (repeat purchases) and `monetary_value` (their mean amount), as `clv.summarize`
        gives them. Rows with frequency 0 have no repeat spend and are left out. A column `log_spend`, the sum of the logs of the
        repeat amounts (``clv.summarize(..., logs=True)``), is used where it is: see Notes.
    weight : str, optional
        Column with the number of customers that a row stands for.
    finite_mean : bool, default False
        Keep q above 1, so that the population has a mean; where the data want q below, it ends on that boundary and says so.
    robust : bool, default False
        Standard errors from the sandwich of information and scores, which hold where customers do not vary as the model says,
        instead of from the information alone.

    Returns
    -------
    GammaGamma
        Estimates with standard errors, convergence and identification.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A mean spend of a repeat customer is zero or negative, or a frequency is not a whole number.
    FitError
        Fewer than two customers have repeat purchases, or all spend the same: nothing tells the parameters apart.

    Warns
    -----
    DataWarning
        The mean spend of the population is infinite (q <= 1), or the likelihood has no interior maximum.
    ConvergenceWarning
        The search stopped short; the model says ``converged=False``.

    Notes
    -----
    The likelihood is that of the mean :math:`\bar z` of x amounts,
    :math:`\frac{\Gamma(px+q)}{\Gamma(px)\Gamma(q)} \frac{v^q\, \bar z^{px-1} x^{px}}{(v + x \bar z)^{px+q}}`, maximised by
    Newton steps in log parameters with exact derivatives. p and v trade off along a ridge: judge q and p v / (q - 1), the
    population mean. With `log_spend` it is the likelihood of every amount,
    :math:`\prod_i z_i^{p-1}\, \frac{\Gamma(px+q)}{\Gamma(p)^x\Gamma(q)} \frac{v^q}{(v + x \bar z)^{px+q}}`: how amounts differ
    within a customer tells p, and the ridge is gone. Spend is taken to be independent of how often a customer buys.

    References
    ----------
    Fader & Hardie (2013), The Gamma-Gamma model of monetary value, note 025 (brucehardie.com/notes/025).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> customers = pd.DataFrame(
    ...     {
    ...         "frequency": [2, 1, 0, 4, 3, 1, 5, 2, 1, 6],
    ...         "monetary_value": [20.0, 35.0, 0.0, 12.0, 60.0, 18.0, 30.0, 44.0, 9.0, 25.0],
    ...     }
    ... )
    >>> clv.fit_gamma_gamma(customers).converged
    True
    """
    frame = _frame.read(summary)
    frame_x, frame_z = read_spends(frame)
    w = read_weight(frame, weight)
    repeat = frame_x > 0.0
    x, z, w = frame_x[repeat], frame_z[repeat], np.ones(int(repeat.sum())) if w is None else w[repeat]
    if x.size < 2 or np.ptp(z) == 0.0:
        what = "all mean spends are equal" if x.size > 1 else f"{x.size} rows have repeat purchases"
        msg = f"Gamma-Gamma is not identified: {what}; it needs repeat customers who spend differently"
        raise FitError(msg)
    spread = _read_spread(frame, frame_x, frame_z)[repeat] if LOGS in frame.columns else np.empty(0)
    order = np.lexsort((w, z, x))
    x, z, w, spread = (np.ascontiguousarray(values[order]) if values.size else values for values in (x, z, w, spread))
    # amounts are measured in their mean while searching, so that the currency changes v and nothing else
    n = float(w.sum())
    scale = float(w @ z) / n
    found = _search(x, z / scale, spread, w, finite_mean=finite_mean, robust=robust)
    model = GammaGamma(
        **estimates(GammaGamma, found, scale=scale),
        log_likelihood=found.optimum.value - (float(w @ x) if spread.size else n) * math.log(scale),
        columns=(*COLUMNS, LOGS) if spread.size else COLUMNS,
        diagnosis=_diagnosis(found, finite_mean=finite_mean),
    )
    warn_of(
        model,
        found,
        cure="look for outlying amounts",
        holds="Expected spend stays usable, or is refused where it is infinite; single parameters on a ridge mean nothing",
    )
    return model


def read_spends(summary: Any) -> tuple[Floats, Floats]:
    """Read repeat purchases and their mean amounts, or say which rows have no usable mean."""
    frame = _frame.read(summary)
    x = _frame.numbers(frame, COLUMNS[0], nonnegative=True, whole=True)
    z = _frame.numbers(frame, COLUMNS[1], moderate=True)
    check_spends(x, z)
    return x, z


def check_spends(x: Floats, z: Floats) -> None:
    """Refuse counts that are no counts, and repeat customers without a positive mean spend."""
    bad = ~(x >= 0.0) | (x != np.floor(x)) | ~np.isfinite(x)
    if bad.any():
        msg = f"'frequency' is no count in {int(bad.sum()):,} rows, the first is row {int(bad.argmax())} ({x[bad.argmax()]:g})"
        raise DataError(msg)
    bad = (x > 0.0) & ~((z > 0.0) & np.isfinite(z))
    if bad.any():
        count, row = int(bad.sum()), int(bad.argmax())
        msg = (
            f"'monetary_value' is not positive in {count:,} row{'s' if count > 1 else ''} with repeat purchases, the first is"
            f" row {row} ({z[row]:g}): the Gamma-Gamma model knows positive spend only. Drop these rows, leave free orders"
            ' out of the events, or settle refunds with crm.events(..., refunds="subtract")'
        )
        raise DataError(msg)


def _read_spread(summary: Any, x: Floats, z: Floats) -> Floats:
    """Read how far the logs of each customer's amounts lie, in sum, below the log of their mean."""
    logs = _frame.numbers(summary, LOGS)
    spread = x * np.log(np.where(x > 0.0, z, 1.0)) - logs
    refuse(
        (spread < -1e-9 * np.maximum(x, 1.0)) & (x > 0.0),
        f"{LOGS!r} is more than amounts with this mean can give",
        "it is the sum of the natural logs of the repeat amounts",
        logs,
    )
    return np.maximum(spread, 0.0)


def _search(x: Floats, z: Floats, spread: Floats, w: Floats, *, finite_mean: bool, robust: bool) -> Solution:
    # the search is in ln p, ln q, ln v, or, for a finite mean, with ln (q - 1) in the middle
    offset = 1.0 if finite_mean else 0.0

    def derivatives(theta: Floats, weight: Floats, scores: Floats) -> tuple[float, Floats, Floats]:
        if np.abs(theta).max() > 100.0:  # beyond the range of the exponential's cubes
            return nowhere(3)
        p, q, v = np.exp(theta) + np.array([0.0, offset, 0.0])
        value, gradient, hessian = _k.log_likelihood(p, q, v, x, z, spread, weight, scores)
        if finite_mean:
            share = np.array([1.0, (q - 1.0) / q, 1.0])
            hessian = hessian * np.outer(share, share)
            hessian[1, 1] += gradient[1] * share[1] * (1.0 - share[1])
            gradient = gradient * share
            scores *= share
        return value, gradient, hessian

    # mean spend is 1: each start has p v / (q - 1) = 1, the first with the spread that most shops show
    starts = [np.log([4.0, 4.0 - offset, 0.75]), np.log([1.0, 2.0 - offset, 1.0])]
    found = solve(derivatives, starts, w, robust=robust)
    if not finite_mean:
        return found
    q = np.exp(found.optimum.theta[1]) + 1.0
    return found.mapped(
        lambda theta: np.array([theta[0], np.log1p(np.exp(theta[1])), theta[2]]), np.diag([1.0, 1.0 - 1.0 / q, 1.0])
    )


def _diagnosis(found: Solution, *, finite_mean: bool) -> str:
    """Say in words what is infinite, and which parameters the likelihood leaves open."""
    p, q, v = found.optimum.theta
    words = []
    if finite_mean and q < 1e-3:
        words.append("boundary: q tends to 1, without finite_mean the mean spend of the population would be infinite")
    elif q <= 0.0:
        words.append(f"heavy tail: q = {math.exp(q):.4g} is at most 1, the mean spend of the population is infinite")
    loose = found.looseness(GammaGamma.PARAMETERS)
    if loose:
        if p > FAR and q > FAR:
            words.append("ridge: p and q grow together, everybody spends the same; only the mean p v / (q - 1) is identified")
        elif p > FAR and v < -FAR:
            words.append("ridge: p grows as v shrinks, a customer spends the same each time; only q and p v are identified")
        elif q > FAR and v > FAR:
            words.append("ridge: q and v grow together, customers hardly differ; only p and v / q are identified")
        elif p < -FAR:
            words.append("boundary: p tends to 0, a mean spend tells nothing about the next; p and v are not identified")
        else:
            words.append(loose)
    return "; ".join(words) or "well identified"
