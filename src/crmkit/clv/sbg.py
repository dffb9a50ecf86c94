"""sBG: how long contracts are renewed, when customers differ in their chance to leave at a renewal."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from crmkit.clv._contracts import ContractModel, fit_contracts

__all__ = ["Sbg", "fit_sbg"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sbg(ContractModel):
    """A fitted shifted beta-geometric model.

    Attributes
    ----------
    alpha, beta : float
        Chances to leave at a renewal are Beta(alpha, beta) over customers.
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
    Fader & Hardie (2007), How to project customer retention, Journal of Interactive Marketing 21(1), 76-90.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    TITLE: ClassVar[str] = "sBG"


def fit_sbg(contracts: Any, /, *, age: str = "age", lost: str = "lost", weight: str | None = None, robust: bool = False) -> Sbg:
    r"""Fit the shifted beta-geometric model: how retention rises because those likely to leave leave first.

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
    Sbg
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
    :math:`S(t) = B(\alpha, \beta + t) / B(\alpha, \beta)`, maximised by Newton steps in log parameters with exact derivatives.

    References
    ----------
    Fader & Hardie (2007), How to project customer retention, Journal of Interactive Marketing 21(1), 76-90.
    Fader & Hardie (2010), Customer-base valuation in a contractual setting, Marketing Science 29(1), 85-93.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> cohort = pd.DataFrame({"age": [1, 2, 3, 4, 4], "lost": [1, 1, 1, 1, 0], "contracts": [131, 126, 90, 60, 593]})
    >>> model = clv.fit_sbg(cohort, weight="contracts")
    >>> model.retention([1, 2, 3, 4]).round(2).tolist()
    [0.86, 0.87, 0.88, 0.89]
    """
    return fit_contracts(Sbg, contracts, age=age, lost=lost, weight=weight, robust=robust)
