"""Purchases as the BG/NBD and Gamma-Gamma models describe them, with items, and the truth about every customer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.datasets._names import names
from crmkit.errors import OptionError
from crmkit.results import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Transactions", "make_transactions"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SECONDS_PER_WEEK = 7 * 86_400
DEPARTMENTS = 8
REPERTOIRE = 6  # items that a customer has a habit of buying
FAITHFUL = 0.7  # share of these from the customer's own department


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transactions(Shown):
    """Simulated purchases and what is true of the customers who made them.

    Attributes
    ----------
    transactions : DataFrame
        One row per order line, by time: ``customer_id``, ``timestamp``, ``order_id``, ``item_id``, ``amount``.
    truth : DataFrame
        One row per customer, indexed by ``customer_id``: ``purchase_rate`` (purchases per week while a customer),
        ``dropout`` (probability of leaving after a repeat purchase), ``alive`` (still a customer at the end),
        ``expected_spend`` (mean amount of an order).
    parameters : mapping of str to value
        What the customers were drawn from.
    """

    transactions: pd.DataFrame
    truth: pd.DataFrame
    parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        orders = self.transactions["order_id"].nunique()
        return f"Transactions: {len(self.truth):,} customers, {orders:,} orders, {len(self.transactions):,} lines\n  {given}"


def make_transactions(
    *,
    n_customers: int = 1000,
    weeks: float = 104,
    acquisition_weeks: float = 78,
    start: Any = "2023-01-02",
    r: float = 0.8,
    alpha: float = 8.0,
    a: float = 0.8,
    b: float = 2.4,
    p: float = 6.0,
    q: float = 4.0,
    v: float = 15.0,
    n_items: int = 200,
    lines_per_order: float = 2.5,
    habit: float = 0.6,
    rng: Any = 0,
) -> Transactions:
    r"""Simulate a shop: who buys, when, what and for how much, with every customer's true rate, dropout and spend.

    Parameters
    ----------
    n_customers : int, default 1000
        Customers, each with at least one order.
    weeks : float, default 104
        Length of the observation.
    acquisition_weeks : float, default 78
        First orders are spread evenly over this many weeks from `start`; at most `weeks`.
    start : date-like, default "2023-01-02"
        First moment of the observation.
    r, alpha : float, default 0.8 and 8.0
        Purchase rates per week are Gamma with shape `r` and rate `alpha`.
    a, b : float, default 0.8 and 2.4
        Dropout probabilities are Beta(`a`, `b`).
    p, q, v : float, default 6.0, 4.0 and 15.0
        Amounts of a customer's orders are Gamma(`p`, ν), with ν from Gamma(`q`, `v`); `q` above 1, so that the mean order of a
        customer, p v / (q − 1) over all of them, is finite.
    n_items : int, default 200
        Items in the shop, a few of them popular, most of them not.
    lines_per_order : float, default 2.5
        Mean number of items drawn for an order, at least 1; an item drawn twice is one line.
    habit : float, default 0.6
        Share of lines taken from the few items that the customer buys again and again.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.

    Returns
    -------
    Transactions
        `transactions`, `truth` and `parameters`.

    Raises
    ------
    OptionError
        A parameter is out of its range.

    Notes
    -----
    A customer's first order is at a uniform time; repeat orders follow as a Poisson process with rate :math:`\lambda`, and
    after each of them the customer leaves for good with probability :math:`p`. A leaver is not seen to leave. Times are cut
    to seconds, amounts rounded to cents; the amount of an order is split over its lines in proportion to fixed prices of the
    items. Rates, dropouts and spend are independent.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2), 275-284.
    Fader & Hardie (2013), The Gamma-Gamma model of monetary value, note 025 (brucehardie.com/notes/025).

    Examples
    --------
    >>> from crmkit import datasets
    >>> shop = datasets.make_transactions(n_customers=50)
    >>> shop.transactions.columns.tolist()
    ['customer_id', 'timestamp', 'order_id', 'item_id', 'amount']
    >>> len(shop.truth)
    50
    """
    n_customers = _options.whole("n_customers", n_customers, low=1)
    n_items = _options.whole("n_items", n_items, low=1)
    positive = {"weeks": weeks, "r": r, "alpha": alpha, "a": a, "b": b, "p": p, "v": v}
    given = {name: _options.number(name, value, low=0.0, ends=False) for name, value in positive.items()}
    given["q"] = _options.number("q", q, low=1.0, ends=False)
    given["lines_per_order"] = _options.number("lines_per_order", lines_per_order, low=1.0)
    given["habit"] = _options.number("habit", habit, low=0.0, high=1.0)
    given["acquisition_weeks"] = _options.number("acquisition_weeks", acquisition_weeks, low=0.0, ends=False)
    if acquisition_weeks > weeks:
        msg = f"acquisition_weeks={acquisition_weeks!r} is more than weeks={weeks!r}: nobody can join after the end"
        raise OptionError(msg)
    first_second = _frame.Clock("s", None).moment(start, keyword="start")
    random = _options.generator(rng)

    rate = random.gamma(given["r"], 1.0 / given["alpha"], n_customers)
    dropout = random.beta(given["a"], given["b"], n_customers)
    spend_rate = random.gamma(given["q"], 1.0 / given["v"], n_customers)
    joined = random.uniform(0.0, given["acquisition_weeks"], n_customers)
    customer, time, alive = _orders(random, rate, dropout, joined, given["weeks"])
    total = random.gamma(given["p"], 1.0, customer.size) / spend_rate[customer]
    cents = np.maximum(np.rint(100.0 * total), 1.0)
    order, item, line_cents = _lines(random, customer, cents, n_items, given["lines_per_order"], given["habit"])

    customer_names = names("C", n_customers, digits=5)
    seconds = first_second + np.floor(time * SECONDS_PER_WEEK).astype(np.int64)
    lines = _frame.table(
        {
            "customer_id": customer_names[customer[order]],
            "timestamp": seconds[order].view("datetime64[s]"),
            "order_id": names("O", customer.size, digits=6)[order],
            "item_id": names("I", n_items, digits=4)[item],
            "amount": line_cents / 100.0,
        }
    )
    truth = _frame.table(
        {
            "customer_id": customer_names,
            "purchase_rate": rate,
            "dropout": dropout,
            "alive": alive,
            "expected_spend": given["p"] / spend_rate,
        }
    ).set_index("customer_id")
    parameters = {"n_customers": n_customers, "start": str(start), "n_items": n_items, **given}
    return Transactions(lines, truth, MappingProxyType(parameters))


def _orders(
    random: np.random.Generator, rate: Floats, dropout: Floats, joined: Floats, end: float
) -> tuple[Integers, Floats, npt.NDArray[np.bool_]]:
    """Return customer and time of every order, by time, and who is still a customer at the end."""
    alive = np.ones(rate.size, np.bool_)
    active, now = np.arange(rate.size), joined
    customers, times = [active], [now]
    while active.size:
        with np.errstate(divide="ignore"):  # a rate that underflows to zero: the next order never comes
            now = now + random.standard_exponential(active.size) / rate[active]
        seen = now < end
        active, now = active[seen], now[seen]
        customers.append(active)
        times.append(now)
        left = random.random(active.size) < dropout[active]
        alive[active[left]] = False
        active, now = active[~left], now[~left]
    customer, time = np.concatenate(customers), np.concatenate(times)
    order = np.lexsort((customer, time))
    return customer[order], time[order], alive


def _lines(
    random: np.random.Generator, customer: Integers, cents: Floats, n_items: int, mean_lines: float, habit: float
) -> tuple[Integers, Integers, Floats]:
    """Return order, item and cents of every line, order by order; the lines of an order add up to it."""
    popularity = random.permutation(1.0 / np.arange(3.0, n_items + 3.0))
    cumulative = np.concatenate([[0.0], np.cumsum(popularity)])
    price = random.lognormal(0.0, 0.6, n_items)

    def draw(low: Any, high: Any, size: Any) -> Integers:
        """Draw items by popularity, between two places of the cumulative popularity."""
        place: Floats = low + (high - low) * random.random(size)
        found: Integers = np.searchsorted(cumulative, place, side="right") - 1
        return np.minimum(found, n_items - 1)

    n_customers = int(customer.max()) + 1
    edges = cumulative[np.linspace(0, n_items, min(DEPARTMENTS, n_items) + 1).astype(np.int64)]
    home = random.integers(0, edges.size - 1, n_customers)
    own = draw(edges[home][:, None], edges[home + 1][:, None], (n_customers, REPERTOIRE))
    any_item = draw(0.0, cumulative[-1], (n_customers, REPERTOIRE))
    repertoire = np.where(random.random(own.shape) < FAITHFUL, own, any_item)

    order = np.repeat(np.arange(customer.size), 1 + random.poisson(mean_lines - 1.0, customer.size))
    favourite = np.cumsum(0.7 ** np.arange(REPERTOIRE))
    slot = np.searchsorted(favourite, favourite[-1] * random.random(order.size), side="right")
    usual = repertoire[customer[order], np.minimum(slot, REPERTOIRE - 1)]
    other = draw(0.0, cumulative[-1], order.size)
    item = np.where(random.random(order.size) < habit, usual, other)
    order, item = np.divmod(np.unique(order * n_items + item), n_items)

    # each line ends where its share of the order ends, rounded: no cent is lost
    first = np.flatnonzero(np.diff(order, prepend=-1))
    running = np.cumsum(price[item])
    before = np.concatenate([[0.0], running])[first]
    last = np.append(first[1:], order.size) - 1
    ends = np.rint(cents[order] * (running - before[order]) / (running[last] - before)[order])
    ends[last] = cents
    line_cents = np.diff(ends, prepend=0.0)
    line_cents[first] = ends[first]
    return order, item, line_cents
