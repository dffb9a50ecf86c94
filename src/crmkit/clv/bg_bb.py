"""BG/BB: customers who may buy once at each of a number of opportunities, and silently leave between two of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit._kernels import bg_bb as _k
from crmkit._kernels.futures import AT_OPPORTUNITIES
from crmkit.clv._fit import FAR, fit_purchases
from crmkit.clv._purchase import Past, PurchaseModel
from crmkit.clv._rows import Histories, refuse
from crmkit.errors import LimitError, OptionError

__all__ = ["BgBb", "fit_bg_bb"]

Floats = npt.NDArray[np.float64]
_MOST = 100_000  # opportunities: tables and sums are as long


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class BgBb(PurchaseModel):
    """A fitted BG/BB model. Time is counted in opportunities to buy: T and horizons are whole numbers of them.

    Attributes
    ----------
    alpha, beta : float
        Chances to take an opportunity are Beta(alpha, beta) over customers.
    gamma, delta : float
        Chances to leave before an opportunity are Beta(gamma, delta) over customers.
    log_likelihood : float
        At the estimate, without the penalty.
    standard_errors : mapping
        From the observed information, or the sandwich; infinite where the data carry none.
    covariance : tuple of tuple
        Covariances of the logs of the parameters, in the order above; the errors are its roots times the parameters.
    robust : bool
        Whether they are the sandwich's.
    n : float
        Customers, or the sum of their weights.
    converged : bool
        Whether the gradient per customer is below 1e-8.
    coefficients : mapping
        Empty: this model takes no covariates.
    unit : str or None
        The time from one opportunity to the next.
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
    P(alive) is that at the last opportunity, T, and 1 for whoever took it; the paper's tables are of the next one,
    ``p_alive(x, t_x, T, 1)``.

    References
    ----------
    Fader, Hardie & Shang (2010), Customer-base analysis in a discrete-time noncontractual setting, Marketing Science 29(6),
    1086-1108.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("alpha", "beta", "gamma", "delta")
    TITLE: ClassVar[str] = "BG/BB"
    _CHARACTERS: ClassVar[Mapping[str, tuple[str, str]]] = MappingProxyType(
        {"purchase_chance": ("alpha", "beta"), "leaving_chance": ("gamma", "delta")}
    )

    alpha: float
    beta: float
    gamma: float
    delta: float

    def _read(
        self, t: Any, x: Any, t_x: Any, T: Any, *, endless: bool = False
    ) -> tuple[bool, tuple[int, ...], tuple[Floats, Floats, Floats, Floats]]:
        single, shape, (ahead, counts, last, end) = PurchaseModel._read(self, t, x, t_x, T, endless=endless)
        check_opportunities(counts, last, end)
        if (ahead != np.floor(ahead)).any():
            msg = "the horizon of a BG/BB model is a whole number of opportunities"
            raise OptionError(msg)
        return single, shape, (ahead, counts, last, end)

    def _alive(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        out = np.empty(x.size)
        _k.p_alive(self.alpha, self.beta, self.gamma, self.delta, x, t_x, T, out)
        return out

    def _stays(self, t: Floats, past: Past, out: Floats) -> None:
        _k.stays(self.gamma, self.delta, t, past.T, out)

    def _purchases(self, t: Floats, past: Past, out: Floats) -> None:
        _k.discounted(0.0, self.alpha, self.beta, self.gamma, self.delta, t, past.x, past.T, out)

    def _discounted(self, rate: float, t: Floats, past: Past, out: Floats) -> None:
        _k.discounted(rate, self.alpha, self.beta, self.gamma, self.delta, t, past.x, past.T, out)

    def _count_probabilities(self, t: Floats, past: Past, out: Floats) -> None:
        _k.count_probabilities(self.alpha, self.beta, self.gamma, self.delta, t, past.x, past.T, out)

    def _future(self, x: Floats, t_x: Floats, T: Floats) -> tuple[int, Floats]:
        rows = (self.alpha + x, self.beta + T - x, self.gamma, self.delta + T, 1.0, T - t_x)
        return AT_OPPORTUNITIES, np.array(np.broadcast_arrays(*rows))


def fit_bg_bb(
    summary: Any, /, *, weight: str | None = None, unit: Any = None, penalty: float = 0.0, robust: bool = False
) -> BgBb:
    r"""Fit the BG/BB model: how often customers take an opportunity to buy, and how likely they leave before the next.

    Parameters
    ----------
    summary : DataFrame
        One row per customer with whole numbers: `T` (opportunities since the first purchase), `frequency` (how many of them were
        taken) and `recency` (which was the last one taken, 0 if none).
    weight : str, optional
        Column with the number of customers that a row stands for.
    unit : str or float, optional
        Time from one opportunity to the next, where the table has no column `unit`: "D", "W", "Y" or a number of days.
        Horizons as durations and annual discounts need it.
    penalty : float, default 0.0
        Strength of a normal prior on the log parameters (see Notes); 0 is maximum likelihood.
    robust : bool, default False
        Standard errors from the sandwich of information and scores, which hold where customers do not vary as the model says,
        instead of from the information alone.

    Returns
    -------
    BgBb
        Estimates with standard errors, convergence and identification.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A row is no history: whole numbers with 0 <= frequency <= recency <= T, recency 0 exactly where frequency is 0.
    FitError
        Nobody came back: neither the chances to buy nor those to leave are identified.
    LimitError
        A row has more than 100,000 opportunities: time and memory grow with the largest number of them.

    Warns
    -----
    DataWarning
        The likelihood has no interior maximum, or is flat: `diagnosis` names what is not determined; or one customer alone
        moves the estimates by three standard errors.
    ConvergenceWarning
        The search stopped short; the model says ``converged=False``.

    Notes
    -----
    Maximises :math:`\sum_i w_i \ell_i - \text{penalty} \sum_j (\ln\theta_j)^2` by Newton steps in log parameters with exact
    derivatives, over distinct rows. Customers may have been observed for different T.

    References
    ----------
    Fader, Hardie & Shang (2010), Customer-base analysis in a discrete-time noncontractual setting, Marketing Science 29(6),
    1086-1108.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> donors = pd.DataFrame(
    ...     {"frequency": [0, 1, 2, 3, 6, 1, 0], "recency": [0, 1, 4, 6, 6, 6, 0], "T": 6, "donors": [40, 12, 9, 11, 15, 6, 2]}
    ... )
    >>> model = clv.fit_bg_bb(donors, weight="donors", unit="Y", penalty=0.1)
    >>> clv.expected_purchases(model, donors, horizon=3).round(1).tolist()
    [0.1, 0.1, 0.8, 1.4, 2.7, 0.6, 0.1]
    """
    return fit_purchases(
        BgBb,
        summary,
        weight=weight,
        unit=unit,
        penalty=penalty,
        robust=robust,
        likelihood=_k.log_likelihood,
        starts=_starts,
        named=_named,
        check=check_opportunities,
    )


def check_opportunities(x: Floats, t_x: Floats, T: Floats) -> None:
    """Refuse what cannot be a number of opportunities."""
    for name, values in (("recency", t_x), ("T", T)):
        refuse(values != np.floor(values), f"{name!r} is not whole", "it counts opportunities to buy", values)
    if T.size and T.max() > _MOST:
        msg = f"'T' has as many as {T.max():,.0f} opportunities, more than {_MOST:,}; is the unit right?"
        raise LimitError(msg)
    refuse(x > t_x, "'frequency' exceeds 'recency'", "at most one purchase counts per opportunity", x, t_x)


def _starts(rows: Histories, _: float) -> list[Floats]:
    taken = float(rows.weight @ rows.counts[rows.which]) / max(float(rows.weight @ rows.T), 1.0)
    return [np.log(np.array([2.0 * taken, 2.0 * (1.0 - taken) + 0.01, 0.5, 2.0])), np.zeros(4)]


def _named(theta: Floats) -> list[str]:
    found = []
    for what, one, other, first, second in (
        ("buy", "alpha", "beta", theta[0], theta[1]),
        ("leave", "gamma", "delta", theta[2], theta[3]),
    ):
        both = np.logaddexp(first, second)
        share = f"{one} / ({one} + {other})"
        if first - both < -FAR:
            found.append(f"boundary: {share} tends to 0, nobody seems to {what}; {one} and {other} are not identified")
        elif second - both < -FAR:
            found.append(f"boundary: {share} tends to 1, all seem to {what} always; {one} and {other} are not identified")
        elif min(first, second) > FAR:
            found.append(f"ridge: {one} and {other} grow together, all {what} alike; only {share} is identified")
        elif max(first, second) < -FAR:
            found.append(f"ridge: {one} and {other} shrink together, all {what} always or never; only {share} is identified")
    return found
