"""A past to learn from and a future to be judged by, cut so that nothing of the one is in the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Unpack, cast

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options
from crmkit.errors import DataError, OptionError
from crmkit.results import Frozen

__all__ = ["Split", "split_by_time", "split_customers", "split_last"]

Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Split(Frozen):
    """Purchases to learn from, and those to foresee; made by the splits of `recommend`, never changed.

    Attributes
    ----------
    train : EventLog
        What models are fitted to.
    test : EventLog
        What they are to foresee.
    history : EventLog or None
        What is known of the test customers beside `train`: None unless they are not in it.
    leakage : mapping of str to number
        How far the one side knows the other: see `recommend.split_by_time`.
    """

    train: _events.EventLog
    test: _events.EventLog
    history: _events.EventLog | None
    leakage: Mapping[str, float]

    def __repr__(self) -> str:
        parts = {"train": self.train, "history": self.history, "test": self.test}
        lines = [
            f"  {name:<8} {len(log):,} events, {log.n_customers:,} customers"
            + ("" if log.columns.get("time") is None else f", {log.span.start} to {log.span.end}")
            for name, log in parts.items()
            if log is not None
        ]
        return "\n".join(["Split", *lines, *(f"  {what}: {number:,.6g}" for what, number in self.leakage.items())])


def split_by_time(log: Any, /, *, when: Any, horizon: str | None = None, **columns: Unpack[_events.ColumnNames]) -> Split:
    """Learn from what was bought before a moment, and foresee what came after: the split that is honest.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases with items and times: a log, or a frame, which the column keywords describe.
    when : date-like
        First moment of the test; a date is its first moment.
    horizon : str, optional
        Length of the test, such as "30D"; by default all that follows. Whole days end at the same time of the wall clock.
    **columns
        Where `log` is a frame: its columns and what to do with refunds and missing ids, as in `crmkit.events`.

    Returns
    -------
    Split
        `train`, `test`, and `leakage`: the share of test events at or before the last training event ("test events not after
        training"), the customers on both sides ("customers in both"), and those in the test alone ("new customers").

    Raises
    ------
    ColumnError
        A column is not in the frame, or the log holds no items or no times.
    DataError
        Nothing lies before, or nothing after `when`.
    OptionError
        `when` is no date, `horizon` no length of time, or a log comes with column keywords.

    Notes
    -----
    No training event lies at or after `when`, and every test event does, so that no test event is "not after training". For a
    rolling origin call it with one moment after another. Refunds count on their own side alone; one that names an order of the
    other side takes nothing off.

    Examples
    --------
    >>> from crmkit import datasets, recommend
    >>> shop = datasets.make_transactions(n_customers=200)
    >>> split = recommend.split_by_time(shop.transactions, when="2024-06-01", horizon="90D")
    >>> bool(split.train.span.end < split.test.span.start)
    True
    >>> split.leakage["test events not after training"]
    0.0
    """
    log = _read(log, columns)
    log.require("item", "time")
    train = log.until(when)
    start = log.clock.instant(when, keyword="when")
    instant = log.lines.instant
    inside = instant >= start
    words = f"at or after {when}"
    if horizon is not None:
        days, per_day = _options.days("horizon", horizon), log.clock.ticks_per_day
        end = start + round(days * per_day)
        if days == int(days) and end < int(instant.max()) + per_day:  # whole days keep the time on the wall clock
            end = log.clock.instant(log.clock.stamp(log.clock.moment(when, keyword="when") + int(days) * per_day))
        inside &= instant < end
        words += f" within {horizon}"
    return _split(train, log._side(inside, words), None)


def split_last(log: Any, /, *, n: int = 1, **columns: Unpack[_events.ColumnNames]) -> Split:
    """Foresee the last orders of every customer from those before: the next-basket question.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases with items and times: a log, or a frame, which the column keywords describe.
    n : int, default 1
        Orders of each customer to foresee. Customers with no more than these stay in the training whole.
    **columns
        Where `log` is a frame: its columns and what to do with refunds and missing ids, as in `crmkit.events`.

    Returns
    -------
    Split
        `train`, `test`, and `leakage` as `recommend.split_by_time` has it.

    Raises
    ------
    ColumnError
        A column is not in the frame, or the log holds no items or no times.
    DataError
        No customer has more than `n` orders.
    OptionError
        `n` is no whole number of at least 1, or a log comes with column keywords.

    Notes
    -----
    Each customer's own test comes after their own training, but customers do not end together: what others bought later is in
    the training. The share of test events "not after training" says how much of the test was foreseen with knowledge of the
    future; where seasons and assortments change, `recommend.split_by_time` is the honest split. Orders of one moment that are
    cut by it go to the test together; refunds go by their time.

    Examples
    --------
    >>> from crmkit import datasets, recommend
    >>> shop = datasets.make_transactions(n_customers=200)
    >>> split = recommend.split_last(shop.transactions, order="order_id")
    >>> split.leakage["new customers"]
    0
    """
    log = _read(log, columns)
    log.require("item", "time")
    last = _last_orders(log, _options.whole("n", n, low=1))
    if not last.any():
        msg = f"no customer has more than {n:,} orders, so that none of them can be foreseen"
        raise DataError(msg)
    return _split(log._side(~last, "in the training"), log._side(last, "in the test"), None)


def split_customers(
    log: Any,
    /,
    *,
    share: float = 0.2,
    hold: float | str = "last",
    rng: Any = 0,
    **columns: Unpack[_events.ColumnNames],
) -> Split:
    """Foresee purchases of customers no model has met, from a part of what they bought: strong generalisation.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases with items: a log, or a frame, which the column keywords describe.
    share : float, default 0.2
        Share of customers that are kept from the training.
    hold : {"last"} or float, default "last"
        What to foresee of them: their last order, or a random share of the items they bought, between 0 and 1, rounded down.
        Of whom it would leave nothing on one side are in neither.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.
    **columns
        Where `log` is a frame: its columns and what to do with refunds and missing ids, as in `crmkit.events`.

    Returns
    -------
    Split
        `train`, `test`, the `history` of the test customers, to be passed to `recommend.top_items`, and `leakage` as
        `recommend.split_by_time` has it: no customer is in both.

    Raises
    ------
    ColumnError
        A column is not in the frame, or the log holds no items, or no times with ``hold="last"``.
    DataError
        No customer is left for the training, or none with something to foresee.
    OptionError
        An argument is outside what is accepted, or a log comes with column keywords.

    References
    ----------
    Liang, Krishnan, Hoffman and Jebara (2018), Variational autoencoders for collaborative filtering, WWW.

    Examples
    --------
    >>> from crmkit import datasets, recommend
    >>> shop = datasets.make_transactions(n_customers=200)
    >>> split = recommend.split_customers(shop.transactions, order="order_id", share=0.25)
    >>> split.leakage["customers in both"]
    0
    """
    log = _read(log, columns)
    share = _options.number("share", share, low=0.0, high=1.0, ends=False)
    part = None
    if not (isinstance(hold, str) and hold == "last"):
        if isinstance(hold, str):
            msg = f'hold={hold!r} is neither "last" nor a share between 0 and 1'
            raise OptionError(msg)
        part = _options.number("hold", hold, low=0.0, high=1.0, ends=False)
    log.require("item", *(["time"] if part is None else []))
    random = _options.generator(rng)
    kept_out = np.zeros(log.n_customers, np.bool_)
    kept_out[random.permutation(log.n_customers)[: round(share * log.n_customers)]] = True
    if kept_out.all() or not kept_out.any():
        msg = f"share={share:g} of {log.n_customers:,} customers leaves nobody on one side"
        raise DataError(msg)
    customer = _customers(log)
    held = _last_orders(log, 1) if part is None else _held_items(log, part, random)
    both = np.zeros(log.n_customers, np.bool_)
    both[customer[held]] = True
    apart = kept_out[customer] & both[customer]
    if not apart.any():
        msg = f"none of the {int(kept_out.sum()):,} customers kept from the training has bought enough to foresee a part of it"
        raise DataError(msg)
    train = log._select(~kept_out[customer], "in the training")
    return _split(train, log._side(apart & held, "in the test"), log._side(apart & ~held, "in the history"))


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read(log: Any, columns: Mapping[str, Any]) -> _events.EventLog:
    named = columns if isinstance(log, _events.EventLog) else {"item": "item_id", **columns}
    return _events.as_log(log, **cast(_events.ColumnNames, named))


def _customers(log: _events.EventLog) -> npt.NDArray[np.int32]:
    return np.repeat(np.arange(log.n_customers, dtype=np.int32), np.diff(log.lines.start))


def _last_orders(log: _events.EventLog, n: int) -> Bools:
    """Return the events from the moment of each customer's last `n` orders on, of those with more orders."""
    orders, lines = log.orders, log.lines
    size = np.diff(orders.start)
    cut = np.full(log.n_customers, np.iinfo(np.int64).max)
    enough = size > n
    cut[enough] = orders.instant[orders.start[1:][enough] - n]
    # orders of one moment cannot be told apart: where all earlier ones fall on it, nothing would be left to learn from
    first = np.full(log.n_customers, np.iinfo(np.int64).max)
    first[size > 0] = orders.instant[orders.start[:-1][size > 0]]
    cut[first == cut] = np.iinfo(np.int64).max
    bought = lines.order >= 0
    # lines of an order go with it, at whatever moment they were written down
    moment = lines.instant.copy()
    moment[bought] = orders.instant[lines.order[bought]]
    return np.asarray(moment >= cut[_customers(log)])


def _held_items(log: _events.EventLog, part: float, random: np.random.Generator) -> Bools:
    """Return the events of a random part of the items of each customer."""
    lines, n_items = log.lines, len(cast(_frame.Labels, log.items))
    item = cast("npt.NDArray[np.int32]", lines.item)
    pair = _customers(log).astype(np.int64) * n_items + item
    bought = lines.order >= 0
    pairs = np.unique(pair[bought])
    owner = pairs // n_items
    n = np.bincount(owner, minlength=log.n_customers)
    place = np.empty(pairs.size, np.int64)
    shuffled = np.lexsort((random.random(pairs.size), owner))
    place[shuffled] = np.arange(pairs.size) - np.repeat(np.cumsum(n) - n, n)
    held = pairs[place < np.floor(part * n)[owner]]
    return np.asarray(np.isin(pair, held))


def _split(train: _events.EventLog, test: _events.EventLog, history: _events.EventLog | None) -> Split:
    shared = int(np.count_nonzero(train.labels.codes_of(test.labels.values) >= 0))
    leakage: dict[str, float] = {}
    if train.columns.get("time") is not None:
        leakage["test events not after training"] = float((test.lines.instant <= train.lines.instant.max()).mean())
    leakage |= {"customers in both": shared, "new customers": test.n_customers - shared}
    return Split(train, test, history, MappingProxyType(leakage))
