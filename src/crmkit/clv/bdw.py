"""BdW: how long contracts are renewed, when customers differ, and their chance to leave also changes with age."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from crmkit.clv._contracts import ContractModel, fit_contracts

__all__ = ["Bdw", "fit_bdw"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bdw(ContractModel):
    """A fitted beta discrete Weibull model.

    Attributes
    ----------
    alpha, beta : float
        Chances to leave at the first renewal are Beta(alpha, beta) over customers.
    c : float
        How a customer's own chance to leave changes with age: it falls below 1, rises above; 1 is the sBG.
    log_likelihood : float
        At the estimate.
    standard_errors : mapping
        From the observed information, or the sandwich; infinite where the data carry none.
    covariance : tuple of tuple
        Covariances of the logs of the parameters, in the order above; the errors are its roots times the parameters.
    robust : bool
        Whether they are the sandwich's.
    n : float
        Contracts, or the sum of their weights.
    converged : bool
        Whether the gradient per contract is below 1e-8.
    columns : tuple
        The columns it was fitted on.
    gradient_norm : float
        Length of the gradient per contract, in log parameters.
    condition : float
        Largest over smallest curvature in log parameters: beyond about 1e6 some combination of parameters is free.
    influence : float
        How many standard errors the most influential contract alone moves the estimates.
    diagnosis : str
        "well identified", or in words what the data do not determine.

    References
    ----------
    Fader, Hardie, Liu, Davin & Steenburgh (2018), "How to project customer retention" revisited: the role of duration
    dependence, Journal of Interactive Marketing 43, 1-16.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("alpha", "beta", "c")
    TITLE: ClassVar[str] = "BdW"

    c: float

    def _power(self) -> float:
        return self.c


def fit_bdw(contracts: Any, /, *, age: str = "age", lost: str = "lost", weight: str | None = None, robust: bool = False) -> Bdw:
    r"""Fit the beta discrete Weibull model: how retention changes with who is left, and with age itself.

    Parameters
    ----------
    contracts : DataFrame
        One row per contract, or per group of equal ones. Cohorts of different age are pooled.
    age : str, default "age"
        Column of whole numbers: for a lost contract the renewal at which it ended (1 is the first), for the others the renewals
        made so far.
    lost : str, default "lost"
        Column that is true, or 1, where the contract ended.
    weight : str, optional
        Column with the number of contracts that a row stands for.
    robust : bool, default False
        Standard errors from the sandwich of information and scores, which hold where contracts do not vary as the model says,
        instead of from the information alone.

    Returns
    -------
    Bdw
        Estimates with standard errors; its methods give survival, retention and discounted renewals.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        An age is not a whole number, or a contract was lost at age 0.
    FitError
        No contract was lost.

    Warns
    -----
    DataWarning
        The likelihood has no interior maximum, or is flat; `diagnosis` names what is not determined.
    ConvergenceWarning
        The search stopped short; the model says ``converged=False``.

    Notes
    -----
    :math:`S(t) = B(\alpha, \beta + t^c) / B(\alpha, \beta)`, maximised by Newton steps in log parameters with exact derivatives.

    References
    ----------
    Fader, Hardie, Liu, Davin & Steenburgh (2018), "How to project customer retention" revisited: the role of duration
    dependence, Journal of Interactive Marketing 43, 1-16.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> cohort = pd.DataFrame({"age": [1, 2, 3, 4, 4], "lost": [1, 1, 1, 1, 0], "contracts": [131, 126, 90, 60, 593]})
    >>> model = clv.fit_bdw(cohort, weight="contracts")
    >>> model.retention([1, 2, 3, 4]).round(2).tolist()
    [0.87, 0.85, 0.88, 0.91]
    """
    return fit_contracts(Bdw, contracts, age=age, lost=lost, weight=weight, robust=robust)
