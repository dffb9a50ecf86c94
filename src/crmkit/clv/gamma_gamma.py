"""Gamma-Gamma: what a customer's purchases are worth, from the mean of those seen."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import gamma_gamma as _k
from crmkit.clv._fitted import FAR, FittedModel, Solution, estimates, nowhere, solve, warn_of
from crmkit.clv._rows import as_float_arrays, read_weight
from crmkit.errors import DataError, FitError

__all__ = ["GammaGamma", "fit_gamma_gamma", "read_spends"]

Floats = npt.NDArray[np.float64]

COLUMNS = ("frequency", "monetary_value")


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
        Of the mean spends, at the estimate.
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
        How many standard errors the most influential customer alone moves the estimates: 2 and more is warned of.
    diagnosis : str
        "well identified", or in words what the data do not determine or what is infinite.

    References
    ----------
    Fader & Hardie (2013), The Gamma-Gamma model of monetary value, note 025 (brucehardie.com/notes/025).
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("p", "q", "v")
    TITLE: ClassVar[str] = "Gamma-Gamma"
    CAPABILITIES: ClassVar[tuple[str, ...]] = ("expected_spend",)
    SCALED: ClassVar[tuple[str, ...]] = ("v",)

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


def fit_gamma_gamma(summary: Any, /, *, weight: str | None = None, robust: bool = False) -> GammaGamma:
    r"""Fit the Gamma-Gamma model: how mean spend differs between customers, and how far a customer's own mean is to be trusted.

    Parameters
    ----------
    summary : DataFrame
        One row per customer with `frequency` (repeat purchases) and `monetary_value` (their mean amount), as `clv.summarize`
        gives them. Rows with frequency 0 have no repeat spend and are left out.
    weight : str, optional
        Column with the number of customers that a row stands for.
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
    population mean.
    Spend is taken to be independent of how often a customer buys.

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
    x, z = read_spends(frame)
    w = read_weight(frame, weight)
    repeat = x > 0.0
    x, z, w = x[repeat], z[repeat], np.ones(int(repeat.sum())) if w is None else w[repeat]
    if x.size < 2 or np.ptp(z) == 0.0:
        what = "all mean spends are equal" if x.size > 1 else f"{x.size} rows have repeat purchases"
        msg = f"Gamma-Gamma is not identified: {what}; it needs repeat customers who spend differently"
        raise FitError(msg)
    order = np.lexsort((w, z, x))
    x, z, w = np.ascontiguousarray(x[order]), z[order], np.ascontiguousarray(w[order])
    # amounts are measured in their mean while searching, so that the currency changes v and nothing else
    n = float(w.sum())
    scale = float(w @ z) / n
    found = _search(x, np.ascontiguousarray(z / scale), w, robust=robust)
    model = GammaGamma(
        **estimates(GammaGamma, found, scale=scale),
        log_likelihood=found.optimum.value - n * math.log(scale),
        columns=COLUMNS,
        diagnosis=_diagnosis(found),
    )
    rows = np.flatnonzero(repeat)[order]
    warn_of(
        model,
        found,
        cure="look for outlying amounts",
        holds="Expected spend stays usable, or is refused where it is infinite; single parameters on a ridge mean nothing",
        place=lambda row: f"the customer in row {rows[row]}",
    )
    return model


def read_spends(summary: Any) -> tuple[Floats, Floats]:
    """Read repeat purchases and their mean amounts, or say which rows have no usable mean."""
    frame = _frame.read(summary)
    x = _frame.numbers(frame, COLUMNS[0], nonnegative=True, whole=True)
    z = _frame.numbers(frame, COLUMNS[1])
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


def _search(x: Floats, z: Floats, w: Floats, *, robust: bool) -> Solution:
    def derivatives(theta: Floats, weight: Floats, scores: Floats) -> tuple[float, Floats, Floats]:
        if np.abs(theta).max() > 100.0:  # beyond the range of the exponential's cubes
            return nowhere(3)
        p, q, v = np.exp(theta)
        return _k.log_likelihood(p, q, v, x, z, weight, scores)

    # mean spend is 1: each start has p v / (q - 1) = 1, the first with the spread that most shops show
    return solve(derivatives, [np.log([4.0, 4.0, 0.75]), np.log([1.0, 2.0, 1.0])], w, robust=robust)


def _diagnosis(found: Solution) -> str:
    """Say in words what is infinite, and which parameters the likelihood leaves open."""
    p, q, v = found.optimum.theta
    words = []
    if q <= 0.0:
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
