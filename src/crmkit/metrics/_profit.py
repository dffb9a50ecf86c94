"""What a ranking is worth to a retention campaign: the profit of contacting the right share, exactly."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from crmkit import _options
from crmkit._kernels import ranking as _k
from crmkit.errors import OptionError
from crmkit.metrics import _ranked
from crmkit.metrics._ranked import Floats, Ranked
from crmkit.results import Estimate, confidence_level

__all__ = ["Profit", "empc", "mpc"]


@dataclasses.dataclass(frozen=True, slots=True)
class Profit(Estimate):
    """Profit per customer of contacting those with the highest scores, and how many these are.

    Attributes
    ----------
    value : float
        Profit per customer of the base, in the currency of `value` and the costs.
    ci_low, ci_high : float
        Ends of the interval at `level`.
    se : float
        Standard error.
    n : int or float
        Customers.
    level : float
        Confidence level of the interval.
    method : str
        How the interval was computed.
    fraction : float
        Share of the customers to contact, from the top.
    without_scores : float
        Profit per customer of the better of contacting nobody and contacting everybody: what scores have to beat. `empc` takes
        the better of the two at each share that accepts, as it does for scores.

    Examples
    --------
    >>> from crmkit import metrics
    >>> profit = metrics.mpc([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8])
    >>> profit.value, profit.fraction, profit.without_scores
    (28.0, 0.5, 22.5)
    """

    fraction: float
    without_scores: float


def empc(
    y: Any,
    p: Any,
    /,
    *,
    accept: tuple[float, float] = (6, 14),
    value: float = 200,
    offer_cost: float = 10,
    contact_cost: float = 1,
    level: float = 0.95,
) -> Profit:
    r"""Give the expected maximum profit of a retention campaign, where the share that accepts the offer is uncertain.

    Parameters
    ----------
    y : Series, array or list
        Whether the customer churned, per row: 1 or 0, True or False.
    p : Series, array or list
        Score of the same customers in the same order, high for likely churners; any finite numbers.
    accept : pair of float, default (6, 14)
        Parameters of the beta distribution of the share of churners that the offer keeps; its mean is 0.3 by default.
    value : float, default 200
        What a customer who stays is worth.
    offer_cost : float, default 10
        Cost of the offer, for those who take it: churners who stay for it, and customers who would have stayed anyway.
    contact_cost : float, default 1
        Cost of contacting a customer.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Profit
        Profit per customer, with the `fraction` to contact on average and the profit `without_scores`.

    Raises
    ------
    DataError
        A value is missing or infinite, a label is neither 0 nor 1, lengths or indexes differ, or there is one row only.
    OptionError
        `accept` is not two numbers above 0, `value` is not above 0, a cost is below 0, or `level` is not between 0 and 1.

    Notes
    -----
    Contacting a churner earns :math:`\gamma(V - d) - f`, another customer costs :math:`d + f`, with :math:`\gamma \sim
    \mathrm{Beta}(\alpha, \beta)`, value :math:`V` and costs :math:`d`, :math:`f`. For each :math:`\gamma` the best set of
    highest scores ends at a corner of the convex hull of the ROC curve, so the expectation of the largest profit is a finite
    sum of incomplete beta functions: nothing is integrated numerically. Where the offer costs as much as the customer is
    worth, it never pays, and the profit is 0. The interval takes the best sets as given: near an optimum the profit is flat.

    References
    ----------
    Verbraken, Verbeke and Baesens (2013), A novel profit maximizing metric for measuring classification performance of
    customer churn prediction models, IEEE TKDE 25(5).

    Examples
    --------
    >>> from crmkit import metrics
    >>> profit = metrics.empc([0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9])
    >>> round(profit.value, 6), round(profit.fraction, 6)
    (23.875593, 0.87437)
    """
    level = confidence_level(level)
    listed: Any = accept
    if not isinstance(listed, (tuple, list)) or len(listed) != 2:
        msg = f"accept={accept!r} is not a pair (alpha, beta) of a beta distribution; for one fixed share use mpc"
        raise OptionError(msg)
    alpha, beta = (_options.number("accept", part, low=0.0, ends=False) for part in listed)
    worth, d, f = _economics(value, offer_cost, contact_cost)
    happened, scores = _ranked.read(y, p)
    return empc_of(_ranked.rank(happened, scores), alpha, beta, worth, d, f, level)


def mpc(
    y: Any,
    p: Any,
    /,
    *,
    accept: float = 0.3,
    value: float = 200,
    offer_cost: float = 10,
    contact_cost: float = 1,
    level: float = 0.95,
) -> Profit:
    r"""Give the maximum profit of a retention campaign, where the share that accepts the offer is known.

    Parameters
    ----------
    y : Series, array or list
        Whether the customer churned, per row: 1 or 0, True or False.
    p : Series, array or list
        Score of the same customers in the same order, high for likely churners; any finite numbers.
    accept : float, default 0.3
        Share of churners that the offer keeps, from 0 to 1.
    value : float, default 200
        What a customer who stays is worth.
    offer_cost : float, default 10
        Cost of the offer, for those who take it: churners who stay for it, and customers who would have stayed anyway.
    contact_cost : float, default 1
        Cost of contacting a customer.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Profit
        Profit per customer, with the `fraction` to contact (the smallest where several are best) and the profit
        `without_scores`.

    Raises
    ------
    DataError
        A value is missing or infinite, a label is neither 0 nor 1, lengths or indexes differ, or there is one row only.
    OptionError
        `accept` is not a number from 0 to 1, `value` is not above 0, a cost is below 0, or `level` is not between 0 and 1.

    Notes
    -----
    The largest, over all scores to stop at, of :math:`[(\gamma(V-d) - f)\,T - (d+f)\,F]/n` with :math:`T` churners and
    :math:`F` others contacted of :math:`n`. The best place is chosen on the same customers, so the profit is a little too
    high for small samples.

    References
    ----------
    Verbraken, Verbeke and Baesens (2013), A novel profit maximizing metric for measuring classification performance of
    customer churn prediction models, IEEE TKDE 25(5).

    Examples
    --------
    >>> from crmkit import metrics
    >>> profit = metrics.mpc([0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9])
    >>> profit.value, profit.fraction
    (23.875, 0.875)
    """
    level = confidence_level(level)
    gamma = _options.number("accept", accept, low=0.0, high=1.0)
    worth, d, f = _economics(value, offer_cost, contact_cost)
    happened, scores = _ranked.read(y, p)
    return mpc_of(_ranked.rank(happened, scores), gamma, worth, d, f, level)


# ── read off one ranking ─────────────────────────────────────────────────────────────────────────────────────────────────


def empc_of(ranked: Ranked, alpha: float, beta: float, worth: float, d: float, f: float, level: float) -> Profit:
    """Sum the profit of every corner of the hull over the shares for which it is the best place to stop."""
    from scipy.special import betainc

    def expected(ones: Floats, zeros: Floats) -> tuple[Floats, Floats, Floats]:
        """Return what a row of either class brings in each segment, and the probability that the segment is contacted."""
        # share from which on it pays to go on through a segment; it rises from segment to segment
        with np.errstate(divide="ignore", invalid="ignore"):
            pays = (zeros * (d + f) + ones * f) / (ones * (worth - d))
        pays = np.clip(np.where((ones > 0) & (worth > d), pays, 1.0), 0.0, 1.0)
        reached = 1.0 - betainc(alpha, beta, pays)
        kept = alpha / (alpha + beta) * (1.0 - betainc(alpha + 1.0, beta, pays))  # share kept, where it is contacted
        return (worth - d) * kept - f * reached, -(d + f) * reached, reached

    ones, zeros = _segments(ranked)
    # without scores everybody is one segment
    from_one, from_zero, _ = expected(np.array([float(ranked.ones)]), np.array([float(ranked.zeros)]))
    without = float(ranked.ones * from_one[0] + ranked.zeros * from_zero[0]) / ranked.n
    return _profit(ranked, ones, zeros, *expected(ones, zeros), without, level)


def mpc_of(ranked: Ranked, gamma: float, worth: float, d: float, f: float, level: float) -> Profit:
    """Contact every segment of the hull that pays."""
    ones, zeros = _segments(ranked)
    gain = gamma * (worth - d) - f
    reached = (ones * gain - zeros * (d + f) > 0.0).astype(np.float64)
    everybody = (gain * ranked.ones - (d + f) * ranked.zeros) / ranked.n
    return _profit(ranked, ones, zeros, reached * gain, -(d + f) * reached, reached, everybody, level)


def _segments(ranked: Ranked) -> tuple[Floats, Floats]:
    """Rows of either class in each segment of the convex hull of the ROC curve, best first."""
    ones, zeros = _k.segments(ranked.t, ranked.f, _k.hull(ranked.t, ranked.f))
    return ones.astype(np.float64), zeros.astype(np.float64)


def _profit(
    ranked: Ranked,
    ones: Floats,
    zeros: Floats,
    from_one: Floats,
    from_zero: Floats,
    reached: Floats,
    without: float,
    level: float,
) -> Profit:
    """Add up what a row of either class brings in each segment."""
    n = ranked.n
    _ranked.several(n)
    value = float(ones @ from_one + zeros @ from_zero) / n
    spread = float(ones @ np.square(from_one - value) + zeros @ np.square(from_zero - value)) / n
    around = Estimate.normal(value, math.sqrt(spread / n), n=n, level=level, method="wald")
    fraction = float((ones + zeros) @ reached) / n
    return Profit(value, around.ci_low, around.ci_high, around.se, n, level, "wald", fraction, max(without, 0.0))


def _economics(value: object, offer_cost: object, contact_cost: object) -> tuple[float, float, float]:
    return (
        _options.number("value", value, low=0.0, ends=False),
        _options.number("offer_cost", offer_cost, low=0.0),
        _options.number("contact_cost", contact_cost, low=0.0),
    )
