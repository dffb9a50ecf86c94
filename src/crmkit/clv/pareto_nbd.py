"""Pareto/NBD: how often customers buy while they stay, and how soon they silently leave, whether or not they buy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit._kernels import pareto_nbd as _k
from crmkit._kernels.futures import IN_TIME
from crmkit.clv._fit import FAR, fit_purchases, gamma_moments
from crmkit.clv._purchase import Past, PoissonModel
from crmkit.clv._rows import Histories

__all__ = ["ParetoNbd", "fit_pareto_nbd"]

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ParetoNbd(PoissonModel):
    """A fitted Pareto/NBD model.

    Attributes
    ----------
    r, alpha : float
        Purchase rates are Gamma(r, alpha) over customers; alpha is in `unit`, the mean rate is r / alpha.
    s, beta : float
        Rates of leaving are Gamma(s, beta) over customers; beta is in `unit`, the mean rate is s / beta.
    log_likelihood : float
        At the estimate, without the penalty.
    standard_errors : mapping
        From the observed information, or the sandwich; infinite where the data carry none.
    covariance : tuple of tuple
        Covariances of the logs of the parameters, in the order above, then of any coefficients: the errors are its
        roots, times the parameters.
    robust : bool
        Whether they are the sandwich's.
    n : float
        Customers, or the sum of their weights.
    converged : bool
        Whether the gradient per customer is below 1e-8.
    coefficients : mapping
        For each parameter that covariates scale, their coefficients; empty without covariates.
    unit : str or None
        The unit of time of recency, T, alpha and beta.
    columns : tuple
        The columns it was fitted on.
    gradient_norm : float
        Length of the gradient per customer, in log parameters.
    condition : float
        Largest over smallest curvature in log parameters: beyond about 1e6 some combination of parameters is free.
    influence : float
        How many standard errors the most influential customer alone moves the estimates: 3 and more is warned of.
    diagnosis : str
        "well identified", or in words what the data do not determine.

    Notes
    -----
    Where the textbook has differences of hypergeometric functions there is one integral of a positive function, by
    Gauss-Legendre rules on panels that grow with time: no digits are lost where T - t_x is small, or where alpha and beta are
    orders of magnitude apart.

    References
    ----------
    Schmittlein, Morrison & Colombo (1987), Counting your customers: who are they and what will they do next? Management
    Science 33(1), 1-24.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("r", "alpha", "s", "beta")
    TITLE: ClassVar[str] = "Pareto/NBD"
    SCALED: ClassVar[Mapping[str, float]] = MappingProxyType({"alpha": 1.0, "beta": 1.0})
    SIGNS: ClassVar[Mapping[str, float]] = MappingProxyType({"alpha": -1.0, "beta": -1.0})
    _CHARACTERS: ClassVar[Mapping[str, tuple[str, str]]] = MappingProxyType(
        {"purchase_rate": ("r", "alpha"), "leaving_rate": ("s", "beta")}
    )

    s: float
    beta: float

    def _alive(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        out = np.empty(x.size)
        _k.p_alive(self.r, self.alpha, self.s, self.beta, x, t_x, T, out)
        return out

    def _stays(self, t: Floats, past: Past, out: Floats) -> None:
        _k.stays(self.s, self.beta, t, past.T, out)

    def _purchases(self, t: Floats, past: Past, out: Floats) -> None:
        _k.expected_purchases(self.r, self.alpha, self.s, self.beta, t, past.x, past.T, out)

    def _discounted(self, rate: float, t: Floats, past: Past, out: Floats) -> None:
        _k.discounted(rate, self.r, self.alpha, self.s, self.beta, t, past.x, past.T, out)

    def _count_probabilities(self, t: Floats, past: Past, out: Floats) -> None:
        _k.count_probabilities(self.r, self.alpha, self.s, self.beta, t, past.x, past.T, out)

    def _again(self, past: Past) -> Floats:
        out = np.empty(past.x.size)
        _k.again(self.r, self.alpha, self.s, self.beta, past.x, past.T, out)
        return out

    def _future(self, x: Floats, t_x: Floats, T: Floats) -> tuple[int, Floats]:
        self._same_for_all()
        rows = (self.r + x, self.alpha + T, self.s, self.beta + T, 1.0, T - t_x)
        return IN_TIME, np.array(np.broadcast_arrays(*rows))


def fit_pareto_nbd(
    summary: Any,
    /,
    *,
    weight: str | None = None,
    unit: Any = None,
    penalty: float = 0.0,
    robust: bool = False,
    covariates: Any = None,
) -> ParetoNbd:
    r"""Fit the Pareto/NBD model: how often customers buy, and how soon they leave.

    Parameters
    ----------
    summary : DataFrame
        One row per customer with `frequency` (repeat purchases), `recency` (first purchase to last) and `T` (first purchase to
        the end), as `clv.summarize` gives them; its column `unit`, if any, is kept.
    weight : str, optional
        Column with the number of customers that a row stands for (`clv.compress`).
    unit : str or float, optional
        Unit of `recency` and `T` where the table has no column `unit`: "D", "W", "Y" or a number of days.
    penalty : float, default 0.0
        Strength of a normal prior on the log parameters (see Notes); 0 is maximum likelihood.
    robust : bool, default False
        Standard errors from the sandwich of information and scores, which hold where customers do not vary as the model says,
        instead of from the information alone.
    covariates : list or mapping, optional
        Columns of numbers that do not change with time: a list acts on alpha and beta, a mapping names the columns of each, such
        as ``{"alpha": ["age"], "beta": ["vip"]}``. A factor of k levels is k - 1 columns of 0 and 1.

    Returns
    -------
    ParetoNbd
        Estimates with standard errors, convergence and identification.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history: 0 <= recency <= T, frequency whole, recency 0 exactly where frequency is 0.
    FitError
        Nobody came back: without a repeat purchase neither the rates nor the dropout are identified.

    Warns
    -----
    DataWarning
        The likelihood has no interior maximum, or is flat: `diagnosis` names what is not determined; or one customer alone
        moves the estimates by three standard errors.
    ConvergenceWarning
        The search stopped short; the model says ``converged=False``.

    Notes
    -----
    Maximises :math:`\sum_i w_i \ell_i - \text{penalty} \sum_j (\ln\theta_j)^2` over r, alpha, s and beta (alpha and beta in
    units of the mean T), by Newton steps in log parameters over distinct rows. With
    :math:`R = \frac{s}{\beta+T}\int_{t_x}^{T} \left(\frac{\alpha+T}{\alpha+u}\right)^{r+x}
    \left(\frac{\beta+T}{\beta+u}\right)^{s+1} du`, the odds of having left,

    .. math:: \ell = \ln\frac{\Gamma(r+x)}{\Gamma(r)} + r\ln\frac{\alpha}{\alpha+T} - x\ln(\alpha+T)
       + s\ln\frac{\beta}{\beta+T} + \ln(1 + R),

    differentiated under the integral. A penalty of 0.1 is a prior with standard deviation 2.2 on each log parameter: it fades
    as customers are added, and gives small samples a finite answer; standard errors are then those of the posterior.

    Covariates z scale a customer's parameters, :math:`\alpha_i = \alpha\,e^{-\gamma_1' z_i}` and
    :math:`\beta_i = \beta\,e^{-\gamma_2' z_i}`: positive coefficients buy more often, and leave sooner. They enter as they
    are: alpha and beta are those of a customer whose covariates are all 0. While searching, and to the penalty, they have mean 0
    and spread 1. The cost follows the number of distinct combinations.

    References
    ----------
    Schmittlein, Morrison & Colombo (1987), Counting your customers: who are they and what will they do next? Management
    Science 33(1), 1-24.
    Fader & Hardie (2005), A note on deriving the Pareto/NBD model and related expressions (brucehardie.com/notes/009).
    Fader & Hardie (2007), Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD models
    (brucehardie.com/notes/019).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> customers = pd.DataFrame(
    ...     {
    ...         "frequency": [0, 0, 0, 1, 1, 2, 3, 5],
    ...         "recency": [0.0, 0, 0, 4, 20, 9, 30, 22],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28],
    ...         "unit": "W",
    ...     }
    ... )
    >>> model = clv.fit_pareto_nbd(customers, penalty=0.1)
    >>> model.converged
    True
    """
    return fit_purchases(
        ParetoNbd,
        summary,
        weight=weight,
        unit=unit,
        penalty=penalty,
        robust=robust,
        covariates=covariates,
        likelihood=_k.log_likelihood,
        starts=_starts,
        named=_named,
    )


def _starts(rows: Histories, n: float) -> list[Floats]:
    r, alpha = gamma_moments(rows, n)
    # half of the customers leave within a mean T; and, should that lead nowhere, all parameters alike
    return [np.log(np.array([r, alpha, 1.0, 1.0])), np.zeros(4), np.log(np.array([r, alpha, 0.1, 1.0]))]


def _named(theta: Floats) -> list[str]:
    r, alpha, s, beta = theta
    found = []
    if s - beta < -FAR:
        found.append("boundary: s / beta tends to 0, nobody is seen to leave; s and beta are not identified")
    elif min(s, beta) > FAR:
        found.append("ridge: s and beta grow together, all customers leave at one rate; only s / beta is identified")
    elif beta < -FAR:
        found.append("boundary: beta tends to 0, customers leave at once or never; s and beta are not identified")
    if min(r, alpha) > FAR:
        found.append("ridge: r and alpha grow together, all customers buy at one rate; only r / alpha is identified")
    elif r < -FAR:
        found.append("boundary: r tends to 0, nearly nobody buys again; r and alpha are not identified")
    return found
