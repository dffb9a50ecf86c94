"""What a campaign earns by how many customers it contacts: as the probabilities foresee it, and as it came to pass."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.errors import DataError, OptionError
from crmkit.metrics import _ranked
from crmkit.results import Estimate, Shown, confidence_level, critical_value
from crmkit.targeting import _customers
from crmkit.targeting._customers import LARGEST

__all__ = ["Campaign", "ProfitCurve", "mean_accepted", "profit_curve"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SHARES = tuple(round(0.01 * k, 2) for k in range(101))
LEAST = 1e-100  # that a customer can be worth, where it is one number for all
NOTHING = 1e-12  # of the money at stake: what sums in another order may differ by


@dataclasses.dataclass(frozen=True, slots=True)
class Campaign(Estimate):
    """Profit per customer of contacting a share of them, and what it has over contacting nobody or everybody.

    Attributes
    ----------
    value : float
        Profit per customer of the base, as it came to pass, in the currency of `value` and the costs.
    ci_low, ci_high : float
        Ends of the interval at `level`.
    se : float
        Standard error.
    n : int or float
        Customers of the base.
    level : float
        Confidence level of the intervals.
    method : str
        How they were computed.
    share : float
        Share of the customers that is contacted.
    customers : int
        How many these are.
    expected : float
        Profit per customer of the base that the probabilities foresaw.
    advantage : float
        `value` less the better of contacting nobody and contacting everybody: what the scores are good for.
    advantage_low, advantage_high : float
        Ends of its interval; the better of the two is taken as given.

    Examples
    --------
    >>> from crmkit import targeting
    >>> curve = targeting.profit_curve([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8])
    >>> curve.chosen.value, curve.chosen.share, curve.chosen.advantage
    (25.25, 0.75, 2.75)
    """

    share: float
    customers: int
    expected: float
    advantage: float
    advantage_low: float
    advantage_high: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ProfitCurve(Shown):
    """Profit by the share of customers contacted, the best first.

    Attributes
    ----------
    table : DataFrame
        One row per share asked for: `share`, `customers` (not rounded), `marginal` (expected profit of the last customer
        contacted; of the first at share 0), `expected`, `realised` (both per customer of the base), `ci_low`, `ci_high`
        (of `realised`), `advantage` (`realised` less the better of contacting nobody and contacting everybody).
    chosen : Campaign
        Contacting those with an expected profit above zero. Nobody looked at what came to pass, so its interval can be trusted.
    best : Campaign
        The best share in hindsight, the smallest where several are: a bound, chosen on the customers it is measured on.
    as_good : tuple of float
        Least and largest share whose profit is not beyond chance below the best, at `level`.
    everybody : Estimate
        Profit per customer of contacting all of them; contacting nobody earns 0.
    accept : float
        Share of the churners contacted that is taken to stay.
    n : int
        Customers.

    Examples
    --------
    >>> from crmkit import targeting
    >>> curve = targeting.profit_curve([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], at=[0, 0.5, 1])
    >>> curve.table[["share", "expected", "realised"]]
       share  expected  realised
    0    0.0     0.000       0.0
    1    0.5    22.975      28.0
    2    1.0    22.500      22.5
    """

    table: Any
    chosen: Campaign
    best: Campaign
    as_good: tuple[float, float]
    everybody: Estimate
    accept: float
    n: int

    def __repr__(self) -> str:
        lines = [f"Profit per customer of {self.n:,}, if {self.accept:.0%} of the churners contacted stay"]
        for name, point in (("by the probabilities", self.chosen), ("best in hindsight", self.best)):
            lines.append(
                f"  {name:<20} {point.value:10.4g} ({point.ci_low:.4g} to {point.ci_high:.4g}), contacting {point.share:.1%};"
                f" {point.advantage:+.4g} over nobody or everybody ({point.advantage_low:.4g} to {point.advantage_high:.4g})"
            )
        around = self.everybody
        lines.append(f"  {'everybody':<20} {around.value:10.4g} ({around.ci_low:.4g} to {around.ci_high:.4g})")
        lines.append(
            f"  shares from {self.as_good[0]:.1%} to {self.as_good[1]:.1%} are as good as the best, as far as can be told"
        )
        return "\n".join(lines)


def profit_curve(
    y: Any,
    p: Any,
    /,
    *,
    value: Any = 200,
    offer_cost: Any = 10,
    contact_cost: Any = 1,
    accept: float | tuple[float, float] = 0.3,
    at: float | Sequence[float] = SHARES,
    level: float = 0.95,
) -> ProfitCurve:
    r"""Tell what a retention campaign would have earned, by the share of the customers it contacts.

    Parameters
    ----------
    y : Series, array or list
        Whether the customer churned, per row: 1 or 0, True or False. Take customers the model was not fitted on.
    p : Series, array or list
        Probability of churn of the same customers in the same order, from 0 to 1.
    value : float, Series, mapping, array or list, default 200
        What a customer who stays is worth: one number, or one for each customer. Where `y` is a Series indexed by id, or by id
        and ``cutoff``, a Series or a mapping is looked up by id, and may hold others too; an array or a list is taken in the
        same order.
    offer_cost : float, Series, mapping, array or list, default 10
        Cost of the offer, for those who take it: churners who stay for it, and customers who would have stayed anyway.
    contact_cost : float, Series, mapping, array or list, default 1
        Cost of contacting a customer.
    accept : float or pair of float, default 0.3
        Share of churners that the offer keeps, from 0 to 1; a pair (alpha, beta) of a beta distribution stands for its mean.
    at : float or sequence of float, default 0, 0.01, … 1
        Shares of the customers to show in the table, from 0 to 1.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    ProfitCurve
        The table, the share that the probabilities choose, the best in hindsight, and what contacting everybody earns.

    Raises
    ------
    DataError
        A value is missing or infinite, a label is neither 0 nor 1, a probability lies outside 0 to 1, lengths or indexes
        differ, there is one customer only, or a customer has no value.
    OptionError
        `value` is a number not above 0, a cost is below 0, or `accept`, `at` or `level` is out of its range.

    Notes
    -----
    Contacting a churner earns :math:`\gamma(V - d) - f`, another customer costs :math:`d + f`, with the share that accepts
    :math:`\gamma`, value :math:`V`, offer cost :math:`d` and contact cost :math:`f`. Expected is the same with :math:`p`:

    .. math:: e = p\,[\gamma(V - d) - f] - (1 - p)(d + f),

    which is above zero where :math:`p > (d + f) / (\gamma(V - d) + d)`: the rule of `chosen`. It needs calibrated
    probabilities; where `expected` and `realised` part, they are not. Customers are contacted in the order of :math:`e`; with
    one value and one cost for all that is the order of :math:`p`, and the best of the curve is `crmkit.metrics.mpc`. A profit
    at an uncertain share that accepts is that at its mean, while `crmkit.metrics.empc` adapts the campaign to it, and is
    never less.

    Customers with equal scores are contacted in part: the profit is then the expectation over the orders in which they could
    stand. Intervals are normal, from the spread of the profits of single customers; that of `advantage` is paired.

    Profits are as realised as `accept` is right: the log says who left, not who would have stayed for an offer.

    References
    ----------
    Verbraken, Verbeke and Baesens (2013), A novel profit maximizing metric for measuring classification performance of
    customer churn prediction models, IEEE TKDE 25(5).
    Lemmens and Gupta (2020), Managing churn to maximize profits, Marketing Science 39(5).

    Examples
    --------
    >>> import numpy as np
    >>> from crmkit import targeting
    >>> rng = np.random.default_rng(0)
    >>> p = rng.beta(1, 4, 5_000)
    >>> churned = rng.random(5_000) < p
    >>> curve = targeting.profit_curve(churned, p)
    >>> round(curve.chosen.value, 2), round(curve.best.value, 2), round(curve.everybody.value, 2)
    (4.84, 4.92, 1.65)
    >>> curve.chosen.advantage_low > 0
    True
    """
    level = confidence_level(level)
    gamma = mean_accepted(accept)
    shares = _shares(at)
    happened, chance = _ranked.read(y, p, probability=True)
    _ranked.several(happened.size)
    worth = _per_customer(y, value, happened.size, name="value")
    d = _per_customer(y, offer_cost, happened.size, name="offer_cost", cost=True)
    f = _per_customer(y, contact_cost, happened.size, name="contact_cost", cost=True)
    churner, other = gamma * (worth - d) - f, -(d + f)
    foreseen = chance * churner + (1.0 - chance) * other
    if churner.size == 1 and other.size == 1:
        groups = _of_classes(happened, chance, float(churner[0]), float(other[0]))
    else:
        groups = _of_rows(foreseen, np.where(happened, churner, other))
    return _curve(groups, shares, gamma, level, _ranked.kind_of(y))


def mean_accepted(accept: Any) -> float:
    """Share that accepts: a number from 0 to 1, or the mean of a beta distribution."""
    if isinstance(accept, (tuple, list)):
        if len(accept) != 2:
            msg = f"accept={accept!r} is neither a share from 0 to 1 nor a pair (alpha, beta) of a beta distribution"
            raise OptionError(msg)
        alpha, beta = (_options.number("accept", part, low=0.0, ends=False) for part in accept)
        return alpha / (alpha + beta)
    return _options.number("accept", accept, low=0.0, high=1.0)


# ── customers who stand alike, the most promising first ──────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Customers with equal scores: how many, what is expected of each, what they brought in all, and its squares."""

    rows: Floats
    marginal: Floats
    expected: Floats
    realised: Floats
    squares: Floats


def _of_classes(happened: Bools, chance: Floats, churner: float, other: float) -> _Groups:
    """Rank by probability where all customers are worth the same: two kinds of profit, so that counts are enough."""
    ranked = _ranked.rank(happened, chance)
    t, f, p = ranked.t.astype(np.float64), ranked.f.astype(np.float64), ranked.score
    marginal = p * churner + (1.0 - p) * other
    return _Groups(t + f, marginal, (t + f) * marginal, t * churner + f * other, t * churner**2 + f * other**2)


def _of_rows(foreseen: Floats, realised: Floats) -> _Groups:
    """Rank by expected profit."""
    # the second key makes sums the same whatever the order of the rows
    order = np.lexsort((realised, -foreseen))
    foreseen, realised = foreseen[order], realised[order]
    first = np.flatnonzero(np.append(True, foreseen[1:] != foreseen[:-1]))
    rows = np.diff(np.append(first, foreseen.size)).astype(np.float64)
    brought, squares = (np.add.reduceat(values, first) for values in (realised, np.square(realised)))
    return _Groups(rows, foreseen[first], rows * foreseen[first], brought, squares)


def _curve(groups: _Groups, shares: Floats, gamma: float, level: float, kind: str) -> ProfitCurve:
    n = int(groups.rows.sum())
    # sums down to the end of each group, from nobody on
    rows, expected, realised, squares = (
        np.append(0.0, np.cumsum(values)) for values in (groups.rows, groups.expected, groups.realised, groups.squares)
    )
    at_stake = math.sqrt(n * squares[-1]) * NOTHING
    best = int(np.argmax(realised >= realised.max() - at_stake))
    pays = np.flatnonzero(groups.marginal > 0.0)
    chosen = int(pays[-1]) + 1 if pays.size else 0
    z = critical_value(level)

    def spread(total: Any, square: Any) -> Any:
        """Return the standard error of a mean over all customers, from sums over those who count."""
        return np.sqrt(np.maximum(square / n - np.square(total / n), 0.0) / n)

    def campaign(place: int) -> Campaign:
        around = Estimate.normal(
            realised[place] / n, float(spread(realised[place], squares[place])), n=n, level=level, method="wald"
        )
        gap, se = around.value, around.se
        if realised[-1] > 0.0:  # against contacting everybody, all that differs is those left out
            left_out = realised[place] - realised[-1]
            gap, se = left_out / n, float(spread(left_out, squares[-1] - squares[place]))
        return Campaign(
            around.value, around.ci_low, around.ci_high, around.se, n, level, "wald",
            share=float(rows[place]) / n, customers=int(rows[place]), expected=float(expected[place]) / n,
            advantage=float(gap), advantage_low=float(gap - z * se), advantage_high=float(gap + z * se),
        )  # fmt: skip

    contacted = shares * n
    shown = np.interp(contacted, rows, realised)
    se = spread(shown, np.interp(contacted, rows, squares))
    last = np.minimum(np.searchsorted(rows, contacted, side="left"), groups.rows.size)
    table = _frame.table(
        {
            "share": shares,
            "customers": contacted,
            "marginal": groups.marginal[np.maximum(last - 1, 0)],
            "expected": np.interp(contacted, rows, expected) / n,
            "realised": shown / n,
            "ci_low": shown / n - z * se,
            "ci_high": shown / n + z * se,
            "advantage": (shown - max(float(realised[-1]), 0.0)) / n,
        },
        kind=kind,
    )
    everybody = Estimate.normal(realised[-1] / n, float(spread(realised[-1], squares[-1])), n=n, level=level, method="wald")
    return ProfitCurve(table, campaign(chosen), campaign(best), _as_good(rows, realised, squares, best, z), everybody, gamma, n)


def _as_good(rows: Floats, realised: Floats, squares: Floats, best: int, z: float) -> tuple[float, float]:
    """Compare every share with the best: all that differs is the customers in between."""
    n = rows[-1]
    lost = (realised[best] - realised) / n
    between = np.abs(squares[best] - squares) / n
    # right beside the best, chance alone makes a few customers in a row look beyond it: the ends count, not the first to fall
    as_good = np.flatnonzero(lost <= z * np.sqrt(np.maximum(between - np.square(lost), 0.0) / n))
    return float(rows[as_good[0]] / n), float(rows[as_good[-1]] / n)


def _per_customer(y: Any, given: Any, n: int, *, name: str, cost: bool = False) -> Floats:
    """One number for all, or one for each row of `y`."""
    if isinstance(given, (int, float, np.number)):
        return np.array([_options.number(name, given, low=0.0 if cost else LEAST, high=LARGEST)])
    values = _named(y, given, name)
    if values is None:
        values = _ranked.read_scores(y, given, n, name=name, probability=False)
    # a single customer may be worth nothing, or less; a cost below zero is a slip of the sign
    outside = (np.abs(values) > LARGEST) | (cost & (values < 0.0))
    if outside.any():
        count, row = _frame.first_place(outside)
        what = "negative" if values[row] < 0.0 else "too large"
        msg = (
            f"{name}: {count:,} {what}, the first in row {row} ({values[row]:g}); costs are zero or more, and 1e100 is no amount"
        )
        raise DataError(msg)
    return values


def _named(y: Any, given: Any, name: str) -> Floats | None:
    """Look numbers up by the ids in the index of `y`; None where one of the two has no ids."""
    index, own = getattr(y, "index", None), getattr(given, "index", None)
    by_name = isinstance(given, Mapping) or (own is not None and not callable(own))
    if index is None or callable(index) or not by_name or index.equals(own):
        return None
    return _customers.looked_up(index, given, name, "y")


def _shares(at: float | Sequence[float]) -> Floats:
    listed: Any = [at] if isinstance(at, (int, float)) else list(at)
    if not listed:
        msg = "at= is empty; name shares of the customers, such as at=[0.1, 0.2]"
        raise OptionError(msg)
    return np.array([_options.number("at", share, low=0.0, high=1.0) for share in listed])
