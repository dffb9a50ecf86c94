"""Baskets with habits and tastes, and the true chance of every item to be bought next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.datasets._names import names
from crmkit.errors import DataError, OptionError
from crmkit.results import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Purchases", "make_interactions"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SECONDS_PER_DAY = 86_400
FLAT = 2.0  # places by which the popularity of the first items is levelled
EVEN = 4.0  # how alike the customers' habits are: parameters of their Beta distribution add up to it


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Purchases(Shown):
    """Simulated order lines and the truth behind them; made by `datasets.make_interactions`.

    Attributes
    ----------
    lines : DataFrame
        One row per order and item, by time: ``customer_id``, ``timestamp``, ``order_id``, ``item_id``, ``quantity``, ``amount``.
    customers : DataFrame
        One row per customer, indexed by ``customer_id``: ``orders`` (expected number of further orders in the same time),
        ``habit`` (probability of an item to be one bought before) and one column per taste, ``taste_0`` and so on, which sum
        to 1.
    items : DataFrame
        One row per item, indexed by ``item_id``: ``popularity`` (share of the first purchases of all), ``taste``, ``price``.
    parameters : mapping of str to value
        What they were drawn from.
    """

    lines: pd.DataFrame
    customers: pd.DataFrame
    items: pd.DataFrame
    parameters: Mapping[str, Any]

    def chances(self, customer: Any) -> pd.Series:
        """Return the true probability of every item to be the next one that a customer takes, the most likely first.

        No recommender can order them better.
        """
        if customer not in self.customers.index:
            msg = "the customer is not among those simulated"
            raise DataError(msg)
        row = self.customers.loc[customer]
        mine = self.lines[self.lines["customer_id"] == customer]
        bought = mine.groupby("item_id")["quantity"].sum().reindex(self.items.index, fill_value=0)
        new = _preferences(self.items, row, self.parameters["focus"])
        chance = row["habit"] * bought / bought.sum() + (1.0 - row["habit"]) * new
        found: pd.Series = chance.rename("probability").sort_values(ascending=False, kind="stable")
        return found

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        orders = self.lines["order_id"].nunique()
        return f"Purchases: {len(self.customers):,} customers, {orders:,} orders, {len(self.lines):,} lines\n  {given}"


def make_interactions(
    *,
    n_customers: int = 1000,
    n_items: int = 300,
    days: float = 365,
    start: Any = "2023-01-02",
    orders: float = 8.0,
    items_per_order: float = 4.0,
    habit: float = 0.4,
    tail: float = 0.7,
    n_tastes: int = 8,
    focus: float = 0.9,
    rng: Any = 0,
) -> Purchases:
    r"""Simulate what customers put into their baskets: habits, tastes, a long tail, and the true chances of what comes next.

    Parameters
    ----------
    n_customers : int, default 1000
        Customers, each with at least one order.
    n_items : int, default 300
        Items of the catalogue, not all of which need be bought.
    days : float, default 365
        Length of the observation.
    start : date-like, default "2023-01-02"
        First moment of the observation.
    orders : float, default 8.0
        Mean number of orders of a customer after the first.
    items_per_order : float, default 4.0
        Mean number of items taken in an order, at least 1; one taken twice is one line of quantity 2.
    habit : float, default 0.4
        Mean share of items that a customer has bought in an earlier order, from 0 to below 1.
    tail : float, default 0.7
        How fast popularity falls with the place of an item: 0 is as popular as any other.
    n_tastes : int, default 8
        Tastes, to each of which an equal part of the items appeals.
    focus : float, default 0.9
        How far customers follow their tastes, from 0 (all want the same) to 1 (nothing else).
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.

    Returns
    -------
    Purchases
        `lines`, the truth about `customers` and `items`, `parameters`, and the true `chances` of a customer's next item.

    Raises
    ------
    OptionError
        A parameter is out of its range.

    Notes
    -----
    Popularity is :math:`p_i \propto (r_i + 2)^{-\text{tail}}` with the place :math:`r_i` of the item, tastes are drawn from a
    Dirichlet distribution with parameters 1/3, habits from a Beta distribution with the mean `habit`, numbers of further orders
    from a Gamma mixture (shape 2) of Poisson distributions, their times uniformly.

    An item taken is, with probability :math:`h_u`, that of an earlier order of the customer, picked among all that they took:
    what was bought often is bought more often. Else it is drawn from :math:`(1 - f)\, p_i + f \sum_t \theta_{ut}\, p_i [t_i = t]
    / P_t`, with the focus f, the customer's tastes :math:`\theta_u`, and the popularity :math:`P_t` of all items of a taste. So
    the chance of the next item is known for every customer at the end.

    References
    ----------
    Pitman (2006), Combinatorial Stochastic Processes, chapter 3 (urns that fill with what is drawn).

    Examples
    --------
    >>> from crmkit import datasets
    >>> shop = datasets.make_interactions(n_customers=50, n_items=40)
    >>> shop.lines.columns.tolist()
    ['customer_id', 'timestamp', 'order_id', 'item_id', 'quantity', 'amount']
    >>> shop.chances("C00001").index[0] in set(shop.items.index)
    True
    """
    n_customers = _options.whole("n_customers", n_customers, low=1)
    n_items = _options.whole("n_items", n_items, low=1)
    n_tastes = _options.whole("n_tastes", n_tastes, low=1)
    given = {
        "days": _options.number("days", days, low=0.0, ends=False),
        "orders": _options.number("orders", orders, low=0.0),
        "items_per_order": _options.number("items_per_order", items_per_order, low=1.0),
        "habit": _options.number("habit", habit, low=0.0, high=1.0),
        "tail": _options.number("tail", tail, low=0.0),
        "focus": _options.number("focus", focus, low=0.0, high=1.0),
    }
    if given["habit"] == 1.0:
        msg = "habit=1 leaves nothing to be bought first; it must be below 1"
        raise OptionError(msg)
    if n_tastes > n_items:
        msg = f"n_tastes={n_tastes} are more than n_items={n_items}: some would have no item"
        raise OptionError(msg)
    first_second = _frame.Clock("s", None).moment(start, keyword="start")
    random = _options.generator(rng)

    level = (random.permutation(n_items) + 1.0 + FLAT) ** -given["tail"]
    popularity = np.asarray(level / level.sum(), np.float64)
    item_id, taste = names("I", n_items, digits=4), random.permutation(np.arange(n_items) % n_tastes)
    price = np.maximum(np.rint(100.0 * random.lognormal(2.0, 0.6, n_items)), 1.0) / 100.0
    items = _frame.table({"item_id": item_id, "popularity": popularity, "taste": taste, "price": price}).set_index("item_id")
    mix = np.maximum(random.standard_gamma(1.0 / 3.0, (n_customers, n_tastes)), np.finfo(float).tiny)
    mix /= mix.sum(axis=1, keepdims=True)
    mean = given["habit"]
    own = random.beta(EVEN * mean, EVEN * (1.0 - mean), n_customers) if mean > 0.0 else np.zeros(n_customers)
    further = random.gamma(2.0, given["orders"] / 2.0, n_customers)

    n_orders = 1 + random.poisson(further)
    customer = np.repeat(np.arange(n_customers), n_orders)
    moment = random.uniform(0.0, given["days"], customer.size)
    by_time = np.lexsort((moment, customer))
    customer, moment = customer[by_time], moment[by_time]
    taken = 1 + random.poisson(given["items_per_order"] - 1.0, customer.size)
    order = np.repeat(np.arange(customer.size), taken)
    item = _taken(random, customer, order, own, mix, popularity, taste, given["focus"])

    pairs, quantity = np.unique(order * n_items + item, return_counts=True)
    order, item = np.divmod(pairs, n_items)
    seconds = first_second + np.floor(moment * SECONDS_PER_DAY).astype(np.int64)
    # order numbers and rows follow time
    by_second = np.lexsort((customer, seconds))
    number = np.empty(customer.size, np.int64)
    number[by_second] = np.arange(customer.size)
    row = np.lexsort((item, number[order]))
    order, item, quantity = order[row], item[row], quantity[row]
    customer_id = names("C", n_customers, digits=5)
    lines = _frame.table(
        {
            "customer_id": customer_id[customer[order]],
            "timestamp": seconds[order].view("datetime64[s]"),
            "order_id": names("O", customer.size, digits=6)[number[order]],
            "item_id": item_id[item],
            "quantity": quantity,
            "amount": np.rint(100.0 * price[item] * quantity) / 100.0,
        }
    )
    tastes = {f"taste_{t}": np.ascontiguousarray(mix[:, t]) for t in range(n_tastes)}
    customers = _frame.table({"customer_id": customer_id, "orders": further, "habit": own, **tastes}).set_index("customer_id")
    parameters = {"n_customers": n_customers, "n_items": n_items, "start": str(start), "n_tastes": n_tastes, **given}
    return Purchases(lines, customers, items, MappingProxyType(parameters))


def _taken(
    random: np.random.Generator,
    customer: Integers,
    order: Integers,
    habit: Floats,
    mix: Floats,
    popularity: Floats,
    taste: Integers,
    focus: float,
) -> Integers:
    """Return what is taken, order by order, the orders of a customer in the order of their times."""
    n, who = order.size, customer[order]
    # new items: a taste if one is followed, then an item by its popularity among those
    follows = random.random(n) < focus
    wanted = (random.random(n)[:, None] > np.cumsum(mix, axis=1)[who]).sum(axis=1)
    wanted = np.minimum(wanted, mix.shape[1] - 1)
    item = _drawn(random, n, popularity)
    for t in range(mix.shape[1]):
        mine, all_of_taste = np.flatnonzero(follows & (wanted == t)), np.flatnonzero(taste == t)
        item[mine] = all_of_taste[_drawn(random, mine.size, popularity[all_of_taste])]
    # old items: what a place in an earlier order holds, which may itself be old
    first_of_customer = np.searchsorted(who, who)
    first_of_order = np.searchsorted(order, order)
    earlier = first_of_order - first_of_customer
    again = (random.random(n) < habit[who]) & (earlier > 0)
    place = first_of_customer + np.floor(random.random(n) * earlier).astype(np.int64)
    source = np.where(again, np.minimum(place, np.maximum(first_of_order - 1, 0)), np.arange(n))
    while (source != source[source]).any():
        source = source[source]
    return np.asarray(item[source], np.int64)


def _drawn(random: np.random.Generator, n: int, weight: Floats) -> Integers:
    cumulative = np.cumsum(weight)
    place = np.searchsorted(cumulative, random.random(n) * cumulative[-1], side="right")
    return np.asarray(np.minimum(place, weight.size - 1), np.int64)


def _preferences(items: pd.DataFrame, row: pd.Series, focus: float) -> pd.Series:
    """Return the probability of each item to be a customer's next new one."""
    popularity, taste = items["popularity"], items["taste"]
    liked = taste.map(lambda t: row[f"taste_{t}"]).astype(float)
    within = popularity / popularity.groupby(taste).transform("sum")
    found: pd.Series = (1.0 - focus) * popularity + focus * liked * within
    return found
