"""BG/NBD: how often customers buy while they stay, and after which purchase they silently leave."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit._kernels import bg_nbd as _k
from crmkit.clv._newton import Optimum, maximise
from crmkit.clv._rows import (
    COLUMNS,
    Histories,
    as_float_arrays,
    check_histories,
    read_histories,
    read_unit,
    read_weight,
)
from crmkit.errors import ConvergenceWarning, DataError, DataWarning, FitError, OptionError
from crmkit.results import Model

__all__ = ["BgNbd", "fit_bg_nbd"]

Floats = npt.NDArray[np.float64]

_CHUNK = 16_384
_FAR = 7.0  # a log parameter this far out (a factor of 1,100) has left the range that customers can tell apart
_LOOSE = 2.0  # standard error of a log parameter from which the data say next to nothing about it


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class BgNbd(Model):
    """A fitted BG/NBD model.

    Attributes
    ----------
    r, alpha : float
        Purchase rates are Gamma(r, alpha) over customers; alpha is in `unit`, the mean rate is r / alpha.
    a, b : float
        Dropout probabilities after each purchase are Beta(a, b) over customers.
    log_likelihood : float
        At the estimate, without the penalty.
    standard_errors : mapping
        From the observed information; infinite where the data carry none.
    n : float
        Customers, or the sum of their weights.
    converged : bool
        Whether the gradient per customer is below 1e-8.
    unit : str or None
        The unit of time of recency, T and alpha.
    columns : tuple
        The columns it was fitted on.
    gradient_norm : float
        Length of the gradient per customer, in log parameters.
    condition : float
        Largest over smallest curvature in log parameters: beyond about 1e6 some combination of parameters is free.
    diagnosis : str
        "well identified", or in words what the data do not determine.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2), 275-284.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    TITLE: ClassVar[str] = "BG/NBD"
    CAPABILITIES: ClassVar[tuple[str, ...]] = ("p_alive", "expected_purchases")

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    standard_errors: Mapping[str, float]
    n: float
    converged: bool
    unit: str | None
    columns: tuple[str, ...]
    gradient_norm: float
    condition: float
    diagnosis: str

    def p_alive(self, x: Any, t_x: Any, T: Any) -> Any:
        """Give the probability that a customer with this history has not dropped out by T.

        Parameters
        ----------
        x : int or array
            Repeat purchases.
        t_x, T : float or array
            Time of the last purchase and of the end of observation, both since the first purchase, in `unit`.

        Returns
        -------
        float or ndarray
            Between 0 and 1; 1 for x = 0, because in this model nobody leaves before a repeat purchase.
        """
        single, shape, (counts, last, end) = as_float_arrays(x, t_x, T)
        check_histories(counts, last, end)
        out = np.empty(counts.size)
        _k.p_alive(self.r, self.alpha, self.a, self.b, counts, last, end, out)
        return float(out[0]) if single else out.reshape(shape)

    def expected_purchases(self, t: Any, x: Any = None, t_x: Any = None, T: Any = None, *, n_threads: int | None = None) -> Any:
        r"""Give the purchases to expect in the next `t` after T, or in the first `t` of a new customer.

        Parameters
        ----------
        t : float or array
            Length of the horizon, in `unit`.
        x, t_x, T : number or array, optional
            The history, as in `p_alive`. Without them: a customer who has just made the first purchase.
        n_threads : int, optional
            Threads; the answer does not depend on it.

        Returns
        -------
        float or ndarray
            Expected number of purchases.

        Notes
        -----
        P(alive) times :math:`E[(1 - (1 + p\tau)^{-(r+x)})/p]` over p ~ Beta(a, b + x), :math:`\tau = t/(\alpha + T)`: the
        paper's closed form before its integral is written as a difference of hypergeometric functions, which loses all
        digits near a = 1 and for frequent buyers.
        """
        given = [value is not None for value in (x, t_x, T)]
        if any(given) and not all(given):
            msg = "expected_purchases needs x, t_x and T together, or none of them for a new customer"
            raise OptionError(msg)
        new = not any(given)
        single, shape, (ahead, counts, last, end) = as_float_arrays(t, *((0.0, 0.0, 0.0) if new else (x, t_x, T)))
        check_histories(counts, last, end)
        if not (np.isfinite(ahead) & (ahead >= 0.0)).all():
            msg = "the horizon t must be a finite number of zero or more"
            raise OptionError(msg)
        out, alive = np.empty(counts.size), np.empty(counts.size)
        order = np.argsort(counts, kind="stable")

        def work(piece: tuple[int, int]) -> None:
            _k.expected_purchases(self.r, self.alpha, self.a, self.b, ahead, counts, end, order[piece[0] : piece[1]], out)

        _threads.run(work, _threads.chunks(counts.size, _CHUNK), n_threads=n_threads)
        _k.p_alive(self.r, self.alpha, self.a, self.b, counts, last, end, alive)
        out *= alive
        if not np.isfinite(out).all():
            msg = f"expected purchases are beyond the numbers of the machine at these parameters ({self.diagnosis})"
            raise FitError(msg)
        return float(out[0]) if single else out.reshape(shape)


def fit_bg_nbd(summary: Any, /, *, weight: str | None = None, unit: Any = None, penalty: float = 0.0) -> BgNbd:
    r"""Fit the BG/NBD model: how often customers buy, and how likely each purchase is their last.

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

    Returns
    -------
    BgNbd
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
        The likelihood has no interior maximum, or is flat; `diagnosis` names what is not determined.
    ConvergenceWarning
        The search stopped short; the model says ``converged=False``.

    Notes
    -----
    Maximises :math:`\sum_i w_i \ell_i - \text{penalty} \sum_j (\ln\theta_j)^2` over r, alpha (in units of the mean T), a and b,
    by Newton steps in log parameters with exact derivatives, over distinct rows. A penalty of 0.1 is a prior with standard
    deviation 2.2 on each log parameter: it fades as customers are added, and gives small samples a finite answer; standard errors
    are then those of the posterior.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2), 275-284.
    Hardie, note 027 (brucehardie.com/notes/027), for the form of the likelihood that does not overflow.

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
    >>> model = clv.fit_bg_nbd(customers, penalty=0.1)
    >>> model.converged
    True
    """
    strength = _options.number("penalty", penalty, low=0.0)
    frame = _frame.read(summary)
    x, t_x, T = read_histories(frame)
    found = read_unit(frame, unit)
    if x.size == 0:
        msg = "the table has no rows: nothing to fit"
        raise DataError(msg)
    rows = Histories.collapse(x, t_x, T, read_weight(frame, weight))
    if rows.counts[-1] == 0.0:
        msg = (
            f"BG/NBD is not identified: none of the {x.size:,} rows has a repeat purchase, so neither purchase rates nor"
            " dropout can be told; observe longer, or pool with an earlier cohort"
        )
        raise FitError(msg)
    n = float(rows.weight.sum())
    # time is measured in mean T while searching, so that the unit changes rates and nothing else
    scale = float(rows.weight @ rows.T) / n
    rows = dataclasses.replace(rows, t_x=rows.t_x / scale, T=rows.T / scale)
    optimum = _search(rows, n, strength)

    theta = np.exp(optimum.theta)
    values = theta * np.array([1.0, scale, 1.0, 1.0])
    errors = optimum.standard_errors * values
    x_total = float(rows.weight @ rows.counts[rows.which])
    model = BgNbd(
        r=float(values[0]),
        alpha=float(values[1]),
        a=float(values[2]),
        b=float(values[3]),
        # the density of x events in other units of time
        log_likelihood=optimum.value + strength * float(optimum.theta @ optimum.theta) - x_total * math.log(scale),
        standard_errors={name: float(error) for name, error in zip(BgNbd.PARAMETERS, errors, strict=True)},
        n=n,
        converged=optimum.converged,
        unit=found,
        columns=COLUMNS,
        gradient_norm=float(np.linalg.norm(optimum.gradient)) / n,
        condition=optimum.condition,
        diagnosis=_diagnosis(optimum),
    )
    _warn(model, optimum)
    return model


def _search(rows: Histories, n: float, penalty: float) -> Optimum:
    def derivatives(theta: Floats) -> tuple[float, Floats, Floats]:
        if np.abs(theta).max() > 100.0:  # beyond the range of the exponential's cubes
            return -math.inf, np.full(4, math.nan), np.full((4, 4), math.nan)
        r, alpha, a, b = np.exp(theta)
        value, gradient, hessian = _k.log_likelihood(r, alpha, a, b, rows.counts, rows.which, rows.t_x, rows.T, rows.weight)
        return value - penalty * float(theta @ theta), gradient - 2.0 * penalty * theta, hessian - 2.0 * penalty * np.eye(4)

    return maximise(derivatives, [_moments(rows, n), np.zeros(4)], n=n)


def _moments(rows: Histories, n: float) -> Floats:
    """Start where NBD moments and the share of customers who fell silent early point to."""
    x, w = rows.counts[rows.which], rows.weight
    rate = float(w @ x) / n  # mean T is 1
    expected = rate * rows.T
    excess = float(w @ ((x - expected) ** 2 - expected)) / float(w @ expected**2)
    r = min(max(1.0 / excess if excess > 0.0 else 20.0, 0.05), 20.0)
    # silent for three of one's own mean gaps: most of those have left
    gone = (x > 0.0) & (rows.T - rows.t_x > 3.0 * rows.t_x / np.maximum(x, 1.0))
    dropout = min(max(float(w @ gone) / float(w @ x), 0.02), 0.9)
    start: Floats = np.log(np.array([r, r / rate, 3.0 * dropout, 3.0 * (1.0 - dropout)]))
    return start


def _diagnosis(optimum: Optimum) -> str:
    """Say in words which parameters the likelihood leaves open."""
    curvature, direction = optimum.flattest
    loose = 1.0 / math.sqrt(curvature) if curvature > 0.0 else math.inf
    if loose < _LOOSE:
        return "well identified"
    r, alpha, a, b = optimum.theta
    share = a - np.logaddexp(a, b)  # ln of the mean dropout probability a / (a + b)
    kept = b - np.logaddexp(a, b)
    found = []
    if share < -_FAR:
        found.append("boundary: a / (a + b) tends to 0, nobody is seen to drop out; a and b are not identified")
    elif kept < -_FAR:
        found.append("boundary: a / (a + b) tends to 1, every repeat purchase looks like the last; a and b are not identified")
    elif min(a, b) > _FAR:
        found.append("ridge: a and b grow together, all customers drop out alike; only a / (a + b) is identified")
    elif max(a, b) < -_FAR:
        found.append("ridge: a and b shrink together, customers leave at once or never; only a / (a + b) is identified")
    if min(r, alpha) > _FAR:
        found.append("ridge: r and alpha grow together, all customers buy at one rate; only r / alpha is identified")
    elif r < -_FAR:
        found.append("boundary: r tends to 0, nearly nobody buys again; r and alpha are not identified")
    if not found:
        names = [name for name, part in zip(BgNbd.PARAMETERS, direction, strict=True) if abs(part) > 0.3]
        found.append(
            f"weakly identified: the log-likelihood is flat along {', '.join(names)} (standard error {loose:.1f} in logs)"
        )
    return "; ".join(found)


def _warn(model: BgNbd, optimum: Optimum) -> None:
    if not model.converged:
        msg = (
            f"the BG/NBD fit stopped after {optimum.iterations} steps with a gradient of {model.gradient_norm:.2g} per customer"
            f" ({model.diagnosis}); the estimates may be off: try penalty=0.1, and look for outlying rows"
        )
        warnings.warn(msg, ConvergenceWarning, stacklevel=3)
    elif model.diagnosis.startswith(("ridge", "boundary")):
        msg = (
            f"BG/NBD: {model.diagnosis}. Predictions near the data hold; the single parameters mean nothing. penalty=0.1 gives a"
            " finite answer; filter crmkit.errors.DataWarning to silence this"
        )
        warnings.warn(msg, DataWarning, stacklevel=3)
