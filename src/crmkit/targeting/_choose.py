"""Whom to contact, and with which offer, where money or hands are short."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._frame import Categories, readonly
from crmkit._kernels import knapsack as _k
from crmkit.errors import DataError, OptionError
from crmkit.results import Shown
from crmkit.targeting import _customers
from crmkit.targeting._customers import LARGEST, Column

__all__ = ["Choice", "choose"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

TERMS = ("cost", "offer_cost", "accept", "value")
NOBODY = "none"
STEPS = 200  # halvings; floats run out of digits long before
SWAPS = 20  # at most: each gains less than the one before
FEW = 100_000  # customers; among more of them, the best swap is a drop in the ocean
NOTHING = 1e-12  # of a profit: no reason to swap
ROUNDING = 1e-12  # of the budget: what sums of costs may be off by


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Choice(Shown):
    """Who is contacted, and what that is expected to earn and cost.

    Attributes
    ----------
    customers : DataFrame
        One row per customer, in the order they came: `contact` (whether they are), `offer` (which, with several; "none"),
        `expected_profit` and `expected_cost` (0 for those left alone).
    offers : DataFrame
        One row per `offer`: `customers`, `expected_profit`, `expected_cost`.
    n, contacted : int
        Customers, and those contacted.
    expected_profit, expected_cost : float
        Of all of them. The profit is what is left after the cost.
    budget, capacity : float or None, int or None
        The limits that were given.
    budget_price : float
        What one more unit of money would add to the profit, near enough: 0 if there is enough of it.
    capacity_price : float
        What one more contact would add: 0 if there are enough.
    upper_bound : float
        No choice within the limits is expected to earn more.
    gap : float
        `upper_bound` less `expected_profit`: what a cleverer choice could add at the very most.
    unlimited_profit : float
        Without limits.
    everybody_profit : float
        Of contacting everybody, each with the best of the offers, whatever it costs.

    Examples
    --------
    >>> from crmkit import targeting
    >>> choice = targeting.choose([0.9, 0.5, 0.1], value=[100.0, 400.0, 50.0], cost=5.0, budget=10)
    >>> choice.contacted, choice.expected_profit
    (2, 77.0)
    """

    customers: Any
    offers: Any
    n: int
    contacted: int
    expected_profit: float
    expected_cost: float
    budget: float | None
    capacity: int | None
    budget_price: float
    capacity_price: float
    upper_bound: float
    gap: float
    unlimited_profit: float
    everybody_profit: float
    _ids: Any

    @property
    def ids(self) -> Any:
        """The ids of those contacted, in the order they came; their positions, where the probabilities were an array."""
        return self._ids

    def __repr__(self) -> str:
        lines = [
            f"Choice: {self.contacted:,} of {self.n:,} customers contacted, expected profit {self.expected_profit:,.2f} after"
            f" costs of {self.expected_cost:,.2f}"
        ]
        if self.budget is not None:
            lines.append(f"  budget {self.budget:,.2f}; one more unit of it would add {self.budget_price:.3g}")
        if self.capacity is not None:
            lines.append(f"  capacity {self.capacity:,}; one more contact would add {self.capacity_price:.3g}")
        lines.append(f"  at most {self.gap:,.2f} below the best choice within the limits")
        lines.append(f"  contacting everybody {self.everybody_profit:,.2f}, nobody 0, no limits {self.unlimited_profit:,.2f}")
        if len(_frame.read(self.offers)) > 1:
            lines += ["  " + line for line in str(self.offers).splitlines()]
        return "\n".join(lines)


def choose(
    p: Any,
    /,
    *,
    value: Any,
    cost: Any,
    offer_cost: Any = 0.0,
    accept: Any = 0.3,
    budget: float | None = None,
    capacity: int | None = None,
    offers: Mapping[str, Mapping[str, Any]] | None = None,
) -> Choice:
    r"""Choose whom to contact, and with which offer, for the largest expected profit within a budget or capacity.

    Parameters
    ----------
    p : Series, DataFrame, array or list
        Probability of churn of each customer, from 0 to 1, indexed by id, or by id and ``cutoff`` as `crmkit.churn.predict`
        returns it; elsewhere than in pandas a frame of the id and the probability. With ``accept=1`` and no offer cost it may
        be the effect of the contact on staying, from −1 to 1, as `crmkit.uplift.predict` gives it.
    value : float, Series, DataFrame, mapping, array or list
        What a customer who stays is worth: one number, or one for each customer. A Series, a mapping or a frame is looked up
        by id; customers who are not in `p` are left alone. An array or a list is taken in the order of `p`.
    cost : float, Series, DataFrame, mapping, array or list
        Cost of contacting a customer, in the currency of `value`.
    offer_cost : float, Series, DataFrame, mapping, array or list, default 0
        Cost of the offer, for those who take it: churners who stay for it, and customers who would have stayed anyway.
    accept : float, Series, DataFrame, mapping, array or list, default 0.3
        Share of churners that the offer keeps, from 0 to 1.
    budget : float, optional
        What the contacts and the offers taken may be expected to cost in all. Default: no limit.
    capacity : int, optional
        How many customers can be contacted. Default: no limit.
    offers : mapping of str to mapping, optional
        Several offers, of which each customer gets at most one: name -> those of ``cost``, ``offer_cost``, ``accept`` and
        ``value`` in which it differs from the arguments above.

    Returns
    -------
    Choice
        The customers with their offers, totals, prices of the limits, and how far from the best choice this can be.

    Raises
    ------
    DataError
        A number is missing, infinite or out of its range, a customer is there twice, or one in `p` has no value or cost.
    OptionError
        An option is out of its range, or an offer has a term that is none.

    Notes
    -----
    An offer with share accepting :math:`\gamma`, offer cost :math:`d` and contact cost :math:`f` is expected to earn
    :math:`p\,[\gamma (V - d) - f] - (1 - p)(d + f)` and to cost :math:`f + d\,(p \gamma + 1 - p)`, as in `profit_curve`. Nobody
    is contacted who is not expected to earn more than nothing.

    This is a multiple-choice knapsack. At a price of money :math:`\lambda` each customer has one best offer, that with the
    largest profit less :math:`\lambda` times its cost, and the best customers fill the capacity. The total, with
    :math:`\lambda` times the budget, is an upper bound for every choice; it is smallest at the :math:`\lambda` where the money
    just suffices, found by bisection. What is left is then given to whoever gains most from it, in the place of another where
    need be. `gap` is the distance of the result from the bound, and with many customers a small part of one of them. Without
    a budget the choice is the best.

    Equal customers are taken in the order of their ids, so that the order of the rows does not matter.

    Those with the highest expected profit are in part those whose probability errs on the high side, so that they will earn
    somewhat less than expected; leaving a random part of the list alone tells how much they do earn.

    References
    ----------
    Sinha and Zoltners (1979), The multiple-choice knapsack problem, Operations Research 27(3).
    Everett (1963), Generalized Lagrange multiplier method for solving problems of optimum allocation of resources, Operations
    Research 11(3).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import targeting
    >>> p = pd.Series({"ann": 0.9, "bob": 0.2, "cid": 0.6})
    >>> value = pd.Series({"bob": 900.0, "cid": 200.0, "ann": 50.0, "dan": 700.0})
    >>> targeting.choose(p, value=value, cost=5.0, capacity=2).customers
         contact  expected_profit  expected_cost
    ann    False              0.0            0.0
    bob     True             49.0            5.0
    cid     True             31.0            5.0
    """
    budget = None if budget is None else _options.number("budget", budget, low=0.0, high=LARGEST)
    capacity = None if capacity is None else _options.whole("capacity", capacity, low=0)
    names, terms = _terms(offers, {"cost": cost, "offer_cost": offer_cost, "accept": accept, "value": value})
    customers = _customers.read(p, "p")
    if customers.n == 0:
        msg = "p has no customers, so there is nobody to choose from"
        raise DataError(msg)
    gain, spent = _economics(customers, terms)
    order = customers.ordered()
    gain, spent = readonly(gain[order]), readonly(spent[order])
    found = _solve(gain, spent, math.inf if budget is None else budget, customers.n if capacity is None else capacity)
    offer = np.empty(customers.n, np.int32)
    offer[order] = found.offer
    place = np.empty(customers.n, np.int64)
    place[order] = np.arange(customers.n)
    profit, outlay = _taken(gain, found.offer), _taken(spent, found.offer)
    columns: dict[str, Any] = {"contact": offer >= 0}
    if offers is not None:
        columns["offer"] = Categories(offer + 1, [NOBODY, *names])
    columns |= {"expected_profit": profit[place], "expected_cost": outlay[place]}
    totals = {
        "offer": names,
        "customers": [int((found.offer == k).sum()) for k in range(len(names))],
        "expected_profit": [float(profit[found.offer == k].sum()) for k in range(len(names))],
        "expected_cost": [float(outlay[found.offer == k].sum()) for k in range(len(names))],
    }
    best = gain.max(axis=1)
    return Choice(
        customers=customers.rows(columns),
        offers=_frame.table(totals, kind=customers.kind),
        n=customers.n,
        contacted=int((offer >= 0).sum()),
        expected_profit=float(profit.sum()),
        expected_cost=float(outlay.sum()),
        budget=budget,
        capacity=capacity,
        budget_price=found.price,
        capacity_price=found.place_price,
        upper_bound=found.bound,
        gap=max(found.bound - float(profit.sum()), 0.0),
        unlimited_profit=float(np.maximum(best, 0.0).sum()),
        everybody_profit=float(best.sum()),
        _ids=customers.listed(offer >= 0),
    )


def _terms(offers: Any, common: Mapping[str, Any]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of the offers and the terms of each."""
    if offers is None:
        return ["contact"], [dict(common)]
    if not isinstance(offers, Mapping) or not offers or not all(isinstance(own, Mapping) for own in offers.values()):
        msg = 'offers= is a mapping of names to terms, such as {"call": {"cost": 5}, "voucher": {"cost": 1, "offer_cost": 20}}'
        raise OptionError(msg)
    if NOBODY in offers:
        msg = f"an offer is named {NOBODY!r}, which stands for no offer: rename it"
        raise OptionError(msg)
    for name, own in offers.items():
        for term in own:
            _options.choice(f"a term of offer {name!r}", term, TERMS)
    return [str(name) for name in offers], [{**common, **own} for own in offers.values()]


def _economics(customers: Column, terms: list[dict[str, Any]]) -> tuple[Floats, Floats]:
    """Compute expected profit and expected cost of every customer with every offer."""
    plain = all(isinstance(own[name], (int, float)) for own in terms for name in ("accept", "offer_cost"))
    effect = plain and all(own["accept"] == 1 and own["offer_cost"] == 0 for own in terms)
    low = -1.0 if effect else 0.0
    outside = (customers.values < low) | (customers.values > 1.0)
    if outside.any():
        count, row = _frame.first_place(outside)
        more = "" if effect else "; effects of a contact (uplift), which may be negative, need accept=1 and no offer_cost"
        msg = f"p: {count:,} not from {low:g} to 1, the first in row {row} ({customers.values[row]:g}){more}"
        raise DataError(msg)
    gain, spent = np.empty((customers.n, len(terms))), np.empty((customers.n, len(terms)))
    known: dict[int, Floats] = {}  # a column that several offers share is read once
    chance = customers.values

    def read(name: str, given: Any, low: float, high: float) -> Floats:
        if isinstance(given, (int, float, np.number)):
            return _customers.for_each(customers, given, name, low=low, high=high)
        if id(given) not in known:
            known[id(given)] = _customers.for_each(customers, given, name, low=low, high=high)
        return known[id(given)]

    for k, own in enumerate(terms):
        worth = read("value", own["value"], -LARGEST, LARGEST)
        gamma = read("accept", own["accept"], 0.0, 1.0)
        d, f = read("offer_cost", own["offer_cost"], 0.0, LARGEST), read("cost", own["cost"], 0.0, LARGEST)
        spent[:, k] = f + d * (chance * gamma + 1.0 - chance)
        gain[:, k] = chance * gamma * worth - spent[:, k]
    return gain, spent


# ── the knapsack ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _At:
    """The best choice at one price of money."""

    price: float
    offer: Codes  # -1: left alone
    cost: float
    bound: float
    place_price: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Found:
    offer: Codes
    price: float
    place_price: float
    bound: float


def _solve(gain: Floats, cost: Floats, budget: float, capacity: int) -> _Found:
    allowed = budget * (1.0 + ROUNDING)
    free = _at(gain, cost, 0.0, budget, capacity)
    if free.cost <= allowed:
        return _Found(free.offer, 0.0, free.place_price, free.bound)
    # the choice at `low` costs too much, that at `high` does not: the price of the money there is lies between
    low, high = free, _at(gain, cost, float(np.nextafter(_k.dearest(gain, cost), np.inf)), budget, capacity)
    for _ in range(STEPS):
        price = 0.5 * (low.price + high.price)
        if not low.price < price < high.price:
            break
        middle = _at(gain, cost, price, budget, capacity)
        if middle.cost <= allowed:
            high = middle
        else:
            low = middle
    offer = _filled(gain, cost, low, high, allowed, capacity)
    tight = min(low, high, key=lambda side: side.bound)
    return _Found(offer, high.price, tight.place_price, tight.bound)


def _at(gain: Floats, cost: Floats, price: float, budget: float, capacity: int) -> _At:
    offer, worth, spent = np.empty(len(gain), np.int32), np.empty(len(gain)), np.empty(len(gain))
    _k.best_offers(gain, cost, price, offer, worth, spent)
    wanted = int((offer >= 0).sum())
    place_price = 0.0
    if wanted > capacity:
        # the last who gets a place, and the first who does not; of equals, the first by id
        order = np.partition(worth, [worth.size - capacity - 1, max(worth.size - capacity, 0)][: 2 if capacity else 1])
        place_price = float(order[worth.size - capacity - 1])
        last = float(order[worth.size - capacity]) if capacity else np.inf
        keep = worth > last
        equal = np.flatnonzero(worth == last)
        keep[equal[: capacity - int(keep.sum())]] = True
        offer[~keep] = -1
        worth[~keep] = spent[~keep] = 0.0
    bound = float(worth.sum()) + (price * budget if price > 0.0 else 0.0)
    return _At(price, offer, float(spent.sum()), bound, place_price)


def _filled(gain: Floats, cost: Floats, low: _At, high: _At, allowed: float, capacity: int) -> Codes:
    """Spend what the choice at the higher price leaves: first on those who are worth as much as they cost, then on anybody."""
    offer = high.offer.copy()
    room = allowed - high.cost
    changed = np.flatnonzero(low.offer != high.offer)
    if changed.size:
        adds, drops = changed[high.offer[changed] < 0], changed[low.offer[changed] < 0]
        moves = changed[(high.offer[changed] >= 0) & (low.offer[changed] >= 0)]
        # where every place is taken, who comes in takes the place of one who goes
        pairs = min(adds.size, drops.size)
        steps = np.concatenate(
            [_taken(cost, low.offer)[moves] - _taken(cost, high.offer)[moves],
             _taken(cost, low.offer)[adds[:pairs]] - _taken(cost, high.offer)[drops[:pairs]],
             _taken(cost, low.offer)[adds[pairs:]]]
        )  # fmt: skip
        into = np.concatenate([moves, adds])
        out_of = np.concatenate([np.full(moves.size, -1), drops[:pairs], np.full(adds.size - pairs, -1)])
        grows = np.arange(steps.size) >= moves.size + pairs
        taken = np.zeros(steps.size, np.bool_)
        places = capacity - int((offer >= 0).sum())
        room = _k.fill(np.arange(steps.size), steps, room, places, grows, taken)
        offer[out_of[taken & (out_of >= 0)]] = -1
        offer[into[taken]] = low.offer[into[taken]]
    places = capacity - int((offer >= 0).sum())
    better, rise = np.empty(offer.size, np.int32), np.empty(offer.size)
    _k.upgrades(gain, cost, offer, high.price, room, places > 0, better, rise)
    rows = np.flatnonzero(better >= 0)
    rows = rows[np.argsort(-rise[rows], kind="stable")]
    steps = np.zeros(offer.size)
    steps[rows] = cost[rows, better[rows]] - _taken(cost, offer)[rows]
    taken = np.zeros(offer.size, np.bool_)
    room = _k.fill(rows, steps, room, places, offer < 0, taken)
    offer[taken] = better[taken]
    return _swapped(gain, cost, offer, room)


def _swapped(gain: Floats, cost: Floats, offer: Codes, room: float) -> Codes:
    """Spend what is left on better customers in the place of others, the best swap first."""
    for _ in range(SWAPS if offer.size <= FEW else 0):
        there, out = np.flatnonzero(offer >= 0), np.flatnonzero(offer < 0)
        if there.size == 0 or out.size == 0:
            break
        paid, earned = cost[there, offer[there]], gain[there, offer[there]]
        # who goes must cost at least so much, and of those earns the least
        dearest_first = np.argsort(-paid, kind="stable")
        least = np.minimum.accumulate(earned[dearest_first])
        enough = np.searchsorted(-paid[dearest_first], room - cost[out], side="right") - 1
        rise = np.where(enough >= 0, gain[out] - least[np.maximum(enough, 0)], -np.inf)
        best, with_offer = np.unravel_index(int(rise.argmax()), rise.shape)
        if rise[best, with_offer] <= NOTHING * (1.0 + abs(gain[out[best], with_offer])):
            break
        goes = there[dearest_first[int(earned[dearest_first][: enough[best, with_offer] + 1].argmin())]]
        room += cost[goes, offer[goes]] - cost[out[best], with_offer]
        offer[goes], offer[out[best]] = -1, with_offer
    return offer


def _taken(values: Floats, offer: Codes) -> Floats:
    """Return the number of each customer's offer, 0 without one."""
    picked: Floats = values[np.arange(offer.size), np.maximum(offer, 0)]
    return np.where(offer >= 0, picked, 0.0)
