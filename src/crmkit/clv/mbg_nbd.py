"""MBG/NBD: as the BG/NBD, but the very first purchase may be the last one, too."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from crmkit.clv._geometric import Geometric, fit_geometric

__all__ = ["MbgNbd", "fit_mbg_nbd"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class MbgNbd(Geometric):
    """A fitted MBG/NBD model.

    Attributes
    ----------
    r, alpha : float
        Purchase rates are Gamma(r, alpha) over customers; alpha is in `unit`, the mean rate is r / alpha.
    a, b : float
        Dropout probabilities after each purchase, the first included, are Beta(a, b) over customers.
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
        The unit of time of recency, T and alpha.
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
    Customers who never came back may have left at once: their P(alive) is below 1, unlike in the BG/NBD. What is to come is
    computed as there.

    References
    ----------
    Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base analysis, IJRM
    24(3), 201-209.
    """

    TITLE: ClassVar[str] = "MBG/NBD"
    EARLY: ClassVar[float] = 1.0


def fit_mbg_nbd(
    summary: Any,
    /,
    *,
    weight: str | None = None,
    unit: Any = None,
    penalty: float = 0.0,
    robust: bool = False,
    covariates: Any = None,
) -> MbgNbd:
    r"""Fit the MBG/NBD model: how often customers buy, and how likely each purchase, the first included, is their last.

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
        Columns of numbers that do not change with time: a list acts on alpha, a and b, a mapping names the columns of each, such
        as ``{"alpha": ["age"], "a": ["vip"]}``. A factor of k levels is k - 1 columns of 0 and 1.

    Returns
    -------
    MbgNbd
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
    Maximises :math:`\sum_i w_i \ell_i - \text{penalty} \sum_j (\ln\theta_j)^2` over r, alpha (in units of the mean T), a and b,
    by Newton steps in log parameters with exact derivatives, over distinct rows. A penalty of 0.1 is a prior with standard
    deviation 2.2 on each log parameter: it fades as customers are added, and gives small samples a finite answer; standard errors
    are then those of the posterior.

    Covariates z scale a customer's parameters, :math:`\alpha_i = \alpha\,e^{-\gamma_1' z_i}`, :math:`a_i = a\,e^{\gamma_2' z_i}`
    and :math:`b_i = b\,e^{\gamma_3' z_i}`: a positive coefficient on alpha buys more often. They enter as they are: alpha, a and
    b are those of a customer whose covariates are all 0. While searching, and to the penalty, they have mean 0 and spread 1. The
    cost follows the number of distinct combinations.

    References
    ----------
    Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base analysis, IJRM
    24(3), 201-209.
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
    >>> model = clv.fit_mbg_nbd(customers, penalty=0.1)
    >>> model.converged
    True
    """
    return fit_geometric(MbgNbd, summary, weight=weight, unit=unit, penalty=penalty, robust=robust, covariates=covariates)
