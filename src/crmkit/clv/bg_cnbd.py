"""(M)BG/CNBD-k: as the (M)BG/NBD, for customers who buy more regularly than at random."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._kernels import bg_cnbd as _k
from crmkit._kernels import bg_nbd as _base
from crmkit._kernels.futures import AT_A_PURCHASE
from crmkit.clv._fit import Table, finished, log_likelihood_of, search
from crmkit.clv._fitted import Solution
from crmkit.clv._geometric import Geometric, named, starts
from crmkit.clv._purchase import Past
from crmkit.clv._rows import read_weight, refuse

__all__ = ["BgCnbd", "fit_bg_cnbd"]

Floats = npt.NDArray[np.float64]

MOST = 12  # the most regular buyers that are tried
GAPS = "log_gaps"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class BgCnbd(Geometric):
    """A fitted (M)BG/CNBD-k model.

    Attributes
    ----------
    r, alpha : float
        Rates of the events of which every k-th is a purchase are Gamma(r, alpha) over customers; alpha is in `unit`, the mean
        rate of purchases is r / (k alpha).
    a, b : float
        Dropout probabilities after each purchase are Beta(a, b) over customers.
    k : int
        Regularity: gaps between purchases are Erlang-k; 1 is as random as a Poisson process, more is more regular.
    modified : bool
        Whether the very first purchase may be the last one (MBG/CNBD-k) or not (BG/CNBD-k).
    profile : tuple
        Log-likelihoods at the best parameters for k = 1, 2, ..., 12; empty where k was given.
    log_likelihood : float
        At the estimate, without the penalty.
    standard_errors : mapping
        From the observed information, or the sandwich, at this k; infinite where the data carry none.
    covariance : tuple of tuple
        Covariances of the logs of r, alpha, a and b; the errors are its roots times the parameters.
    robust : bool
        Whether they are the sandwich's.
    n : float
        Customers, or the sum of their weights.
    converged : bool
        Whether the gradient per customer is below 1e-8.
    coefficients : mapping
        Empty: this model takes no covariates.
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
    What a customer will do depends on that customer's history alone, exactly: of one alive at T, 0 ... k - 1 events have been
    made since the last purchase, with known chances, and sums over the events to come give every expectation. Such sums hold up
    to 20 million events, t / (alpha + T) of about half a million; beyond, an answer is refused.

    References
    ----------
    Platzer & Reutterer (2016), Ticking away the moments: timing regularity helps to better predict customer activity,
    Marketing Science 35(5), 779-799.
    Reutterer, Platzer & Schroeder (2021), Leveraging purchase regularity for predicting customer behavior the easy way,
    International Journal of Research in Marketing 38(1), 194-215.
    """

    TITLE: ClassVar[str] = "(M)BG/CNBD-k"
    WAITS: ClassVar[bool] = True

    k: int
    modified: bool
    profile: tuple[float, ...]

    def _alive(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        out = np.empty(x.size)
        _base.p_alive(*self._dropout(), float(self.k), x, t_x, T, out)
        return out

    def _stays(self, t: Floats, past: Past, out: Floats) -> None:
        _k.if_alive(1, *self._dropout(), self.k, t, *past, out)

    def _purchases(self, t: Floats, past: Past, out: Floats) -> None:
        _k.if_alive(0, *self._dropout(), self.k, t, *past, out)

    def _discounted(self, rate: float, t: Floats, past: Past, out: Floats) -> None:
        _k.discounted(rate, *self._dropout(), self.k, t, *past, out)

    def _count_probabilities(self, t: Floats, past: Past, out: Floats) -> None:
        _k.count_probabilities(*self._dropout(), self.k, t, *past, out)

    def _wait(self, level: Floats, past: Past) -> Floats:
        out = np.empty(level.size)
        _k.wait(self.r, self.alpha, self.k, level, *past, out)
        return out

    def _future(self, x: Floats, t_x: Floats, T: Floats) -> tuple[int, Floats]:
        r, alpha, a, b, early = self._dropout()
        rows = (r + self.k * x, alpha + T, a, b + x + early, float(self.k), T - t_x)
        return AT_A_PURCHASE, np.array(np.broadcast_arrays(*rows))

    def _dropout(self) -> tuple[float, float, float, float, float]:
        return self.r, self.alpha, self.a, self.b, 1.0 if self.modified else 0.0


def fit_bg_cnbd(
    summary: Any,
    /,
    *,
    k: int | None = None,
    modified: bool = True,
    weight: str | None = None,
    unit: Any = None,
    penalty: float = 0.0,
    robust: bool = False,
) -> BgCnbd:
    r"""Fit the MBG/CNBD-k or BG/CNBD-k model: how often and how regularly customers buy, and when they stop.

    Parameters
    ----------
    summary : DataFrame
        One row per customer with `frequency` (repeat purchases), `recency` (first purchase to last) and `T` (first purchase to
        the end), as `clv.summarize` gives them; its column `unit`, if any, is kept. A column `log_gaps`, the sum of the logs of
        the times between purchases (``clv.summarize(..., logs=True)``), tells the regularity much better: it is used where it
        is.
    k : int, optional
        Regularity, 1 to 12. Default: the one with the highest likelihood.
    modified : bool, default True
        Whether the very first purchase may be the last one, too (MBG/CNBD-k).
    weight : str, optional
        Column with the number of customers that a row stands for (`clv.compress`).
    unit : str or float, optional
        Unit of `recency` and `T` where the table has no column `unit`: "D", "W", "Y" or a number of days.
    penalty : float, default 0.0
        Strength of a normal prior on the log parameters (see Notes); 0 is maximum likelihood.
    robust : bool, default False
        Standard errors from the sandwich of information and scores, which hold where customers do not vary as the model says,
        instead of from the information alone.

    Returns
    -------
    BgCnbd
        Estimates with standard errors, convergence and identification, and the likelihood of each k.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history: 0 <= recency <= T, frequency whole, recency 0 exactly where frequency is 0, `log_gaps` no
        more than equal gaps give.
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
    With m = r + k x and :math:`S = \sum_{j<k} \frac{(m)_j}{j!}\left(\frac{T-t_x}{\alpha+T}\right)^j`, and e = 1 in the modified
    model, else 0, the likelihood of a customer is

    .. math:: g\,\frac{\Gamma(m)\,\alpha^r}{\Gamma(r)\,(\alpha+T)^m}\,\frac{B(a, b+x+e)}{B(a,b)}
       \left[S + \frac{a}{b+x+e-1}\left(\frac{\alpha+T}{\alpha+t_x}\right)^m\right],

    the last term where x + e > 0. With the gaps known, :math:`\ln g = (k-1)` `log_gaps` :math:`- x\ln\Gamma(k)`; without, it is
    that of the last purchase alone, :math:`(k-1)x\ln t_x - \ln\Gamma(kx) + \ln\Gamma(x)`; both are 0 for k = 1, the (M)BG/NBD.
    The rest is as in `fit_bg_nbd`; the standard errors take k as known.

    References
    ----------
    Platzer & Reutterer (2016), Ticking away the moments: timing regularity helps to better predict customer activity,
    Marketing Science 35(5), 779-799.
    Reutterer, Platzer & Schroeder (2021), Leveraging purchase regularity for predicting customer behavior the easy way,
    International Journal of Research in Marketing 38(1), 194-215.

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
    >>> model = clv.fit_bg_cnbd(customers, k=2, penalty=0.1)
    >>> clv.expected_purchases(model, customers, horizon="26W").round(1).tolist()
    [0.0, 0.1, 0.1, 0.0, 0.8, 0.1, 1.9, 2.5]
    """
    strength = _options.number("penalty", penalty, low=0.0)
    tried = range(1, MOST + 1) if k is None else (_options.whole("k", k, low=1, high=MOST),)
    table = Table.read(BgCnbd, summary, weight=weight, unit=unit)
    early = 1.0 if modified else 0.0
    found: dict[int, tuple[float, Solution]] = {}
    gaps, begin = _read_gaps(table, weight), starts(table.rows, table.n)
    for each in tried:

        def likelihood(r: float, alpha: float, a: float, b: float, *rows: Any, each: int = each) -> Any:
            return _base.log_likelihood(r, alpha, a, b, early, float(each), *rows)

        # k events per purchase: the rate of events is k times as high
        here = [start - math.log(each) * np.array([0.0, 1.0, 0.0, 0.0]) for start in begin]
        solution = search(likelihood, table, here, strength=strength, robust=robust)
        value = log_likelihood_of(table, solution, strength=strength) + _of_gaps(table, gaps, each)
        found[each] = (value, solution)
    best = max(found, key=lambda each: found[each][0])
    value, solution = found[best]
    return finished(
        BgCnbd,
        table,
        solution,
        named,
        log_likelihood=value,
        k=best,
        modified=bool(modified),
        profile=tuple(found[each][0] for each in found) if k is None else (),
    )


def _of_gaps(table: Table, gaps: float | None, k: int) -> float:
    """Return ln g over all customers, in the table's unit of search: what regularity adds, whatever the parameters."""
    rows = table.rows
    x = rows.counts[rows.which]
    if gaps is not None:
        events = float(rows.weight @ x)
        return (k - 1) * (gaps - events * math.log(table.scale)) - math.lgamma(k) * events
    of_count = np.array([math.lgamma(count) - math.lgamma(k * count) if count else 0.0 for count in rows.counts])
    last = np.log(rows.t_x, where=rows.t_x > 0.0, out=np.zeros(rows.t_x.size))
    return float(rows.weight @ ((k - 1) * x * last + of_count[rows.which]))


def _read_gaps(table: Table, weight: str | None) -> float | None:
    """Read the sum of the logs of all gaps, where the table has them."""
    if GAPS not in table.frame.columns:
        return None
    x, t_x, _ = table.given
    gaps = _frame.numbers(table.frame, GAPS)
    bought = np.maximum(x, 1.0)
    equal = x * np.log(np.where(x > 0.0, t_x, 1.0) / bought)
    refuse(
        (gaps > equal + 1e-9 * bought) | ((x == 0.0) & (gaps != 0.0)),
        f"{GAPS!r} is more than gaps between purchases can give",
        "it is the sum of the natural logs of the times between purchases, in the unit of recency",
        gaps,
    )
    w = read_weight(table.frame, weight)
    return float(gaps.sum() if w is None else gaps @ w)
