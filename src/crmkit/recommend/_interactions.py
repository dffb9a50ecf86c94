"""Who bought what, how much of it: the table every recommender learns from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from numbers import Real
from types import MappingProxyType
from typing import Any, Unpack, cast

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options
from crmkit._kernels import frequency as _f
from crmkit._kernels import sparse as _k
from crmkit.errors import DataError, LimitError, OptionError
from crmkit.results import Frozen

__all__ = ["Interactions", "Rows", "interactions"]

SMALLEST = float(np.finfo(np.float32).tiny)
LARGEST = 1e15  # single precision holds squares of it, and sums of those
FAR = 100.0  # halvings that single precision can take back
MOST_ROWS = 500_000_000


def interactions(
    log: Any,
    /,
    *,
    weight: str | None = None,
    half_life: str | float | None = None,
    **columns: Unpack[_events.ColumnNames],
) -> Interactions:
    """Count how often each customer bought each item, recent purchases for more if wanted.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases, one row per item bought: a log with items, or a frame, which the column keywords describe.
    weight : {None, "once", "quantity", "amount"}, default None
        None counts order lines: two lines with one item weigh 2, whatever their amounts or quantities. "once" counts
        the latest of them alone. "quantity" and "amount" add up what was bought, or paid, line by line.
    half_life : str or float, optional
        Age at which a purchase weighs half as much as one made at the last moment of the log: a duration string such as
        "90D", or a number of days. Without it all purchases weigh the same.
    **columns
        Where `log` is a frame: its columns and what to do with refunds and missing ids, as in `crmkit.events`. The item
        column is "item_id" unless `item` names another; ``time=None`` and ``amount=None`` describe purchases without
        them, such as market baskets.

    Returns
    -------
    Interactions
        The frozen table, by customer and by item.

    Raises
    ------
    ColumnError
        A column is not in the frame, the log holds no items, or no times, amounts or quantities although they are asked for.
    DataError
        No purchase is left, or the values of a column cannot be used: a purchase of a negative quantity has no weight.
    OptionError
        `weight` or `half_life` is not one of the accepted values, or a log comes with column keywords.

    Notes
    -----
    A refund is no interaction, nor are the lines of an order refunded in full; one refunded in part is still a
    purchase of every line. Customers and items without an interaction are not in the table.

    With `half_life` h, a purchase of age t weighs :math:`2^{-t/h}` of what it would; weights of one pair add up. They are kept
    in single precision; a weight too small for it, or 0, becomes the smallest one there is, so that what was bought remains
    bought. Amounts are those of the lines, before refunds in part.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import recommend
    >>> baskets = pd.DataFrame({"basket": [1, 1, 2, 2, 2], "item": ["milk", "bread", "milk", "milk", "eggs"]})
    >>> recommend.interactions(baskets, customer="basket", item="item", time=None, amount=None)
    Interactions
      customers  2
      items      3
      pairs      4 (66.7 % of all)
      weight     order lines
    """
    if weight not in (None, "once", "quantity", "amount"):
        raise OptionError.choice("weight", weight, (None, "once", "quantity", "amount"))
    days = half_life_in_days(half_life)
    log = _events.as_log(log, **(columns if isinstance(log, _events.EventLog) else {"item": "item_id", **columns}))
    return from_log(log, weight, days, None)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rows(Frozen):
    """A sparse table: row r holds ``value[start[r]:start[r + 1]]`` at the places `index`."""

    start: npt.NDArray[np.int64]
    index: npt.NDArray[np.int32]
    value: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("start", "index", "value"):
            object.__setattr__(self, name, _frame.readonly(getattr(self, name)))

    def __len__(self) -> int:
        return self.start.size - 1


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Interactions(Frozen):
    """How often each customer bought each item; made by `interactions`, never changed.

    Attributes
    ----------
    customers, items : Labels
        The ids behind the rows of `by_customer` and of `by_item`.
    by_customer, by_item : Rows
        The weights of the pairs that occurred, sorted by customer and item, and by item and customer.
    order : ndarray of int32
        Items by number of customers who bought them, most first, then by id.
    rank : ndarray of int32
        Place of each item in `order`: the rule that breaks ties.
    weight : str or None
        What was counted.
    age : ndarray of float64 or None
        Days from the latest purchase of each pair of `by_customer` to the last one of the log; None without times.
    gap : ndarray of float32 or None
        Mean days between the moments at which each pair of `by_customer` was bought, 0 where it was once; None without times.
    half_life : float or None
        Days after which a purchase weighs half.
    last : Timestamp or None
        The last event of the log, which ages count back from; None without times.
    end : Timestamp or None
        Moment at which a purchase weighs 1: the last one of the log.
    columns : Mapping
        How the purchases were read, in the keywords of `crmkit.events`.
    """

    customers: _frame.Labels
    items: _frame.Labels
    by_customer: Rows
    by_item: Rows
    order: npt.NDArray[np.int32]
    rank: npt.NDArray[np.int32]
    age: npt.NDArray[np.float64] | None
    gap: npt.NDArray[np.float32] | None
    weight: str | None
    half_life: float | None
    last: Any
    end: Any
    columns: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Make arrays read-only."""
        for name in ("order", "rank", "age", "gap"):
            values = getattr(self, name)
            if values is not None:
                object.__setattr__(self, name, _frame.readonly(values))

    @property
    def buyers(self) -> npt.NDArray[np.int64]:
        """Number of customers who bought each item."""
        return np.diff(self.by_item.start)

    def __repr__(self) -> str:
        pairs, cells = self.by_customer.index.size, len(self.customers) * len(self.items)
        counted = "order lines" if self.weight is None else self.weight
        decay = "" if self.half_life is None else f", half of it after {self.half_life:g} days"
        return "\n".join(
            [
                "Interactions",
                f"  customers  {len(self.customers):,}",
                f"  items      {len(self.items):,}",
                f"  pairs      {pairs:,} ({pairs / cells:.1%} of all)".replace("%", " %"),
                f"  weight     {counted}{decay}",
            ]
        )


def half_life_in_days(half_life: Any) -> float | None:
    """Read a duration string or a number of days, which must be positive."""
    if half_life is None:
        return None
    if isinstance(half_life, Real):
        return _options.number("half_life", half_life, low=0, ends=False)
    return _options.days("half_life", half_life)


def from_log(log: _events.EventLog, weight: str | None, half_life: float | None, end: Any) -> Interactions:
    """Sum the lines of `log` by customer and item; ages count back from `end`, by default the last event."""
    log.require("item", *(["time"] if half_life is not None else []))
    bought = log.lines.order >= 0
    n_lines = int(np.count_nonzero(bought))
    if n_lines == 0:
        msg = f"none of the {len(log):,} rows is a purchase: nothing can be learned from refunds alone"
        raise DataError(msg)
    # where every line is one, as is usual, nothing needs to be copied
    lines = slice(None) if n_lines == len(log) else np.flatnonzero(bought)
    customer, customers = log.labels.used(np.repeat(np.arange(log.n_customers, dtype=np.int32), np.diff(log.lines.start))[lines])
    item, items = cast(_frame.Labels, log.items).used(cast("npt.NDArray[np.int32]", log.lines.item)[lines])
    time, of_line, bought_item = _frame.readonly(log.lines.time[lines]), customer, item
    plain = weight is None and half_life is None  # ones, which need not be written out
    value = np.ones(0 if plain else n_lines) if weight in (None, "once") else amounts(log, weight)[lines]
    if half_life is not None:
        own, end = end is None, log.span.end if end is None else end
        halvings = (log.clock.moment(end) - time) / (log.clock.ticks_per_day * half_life)
        if own:  # in the hour that clocks show twice, what came before the end may show a later time
            halvings = np.maximum(halvings, 0.0)
        if halvings.min() < -FAR:
            msg = f"a purchase lies more than {FAR:g} half-lives of {half_life:g} days after {end}; fit anew with it"
            raise DataError(msg)
        value = value * np.exp2(-halvings)
    if half_life is not None or weight in ("quantity", "amount"):
        # sums of fractions depend on the order of their terms, which must not depend on the order of the rows
        ascending = np.lexsort((value, item, customer))
        customer, item, value = customer[ascending], item[ascending], value[ascending]
    if weight == "once":
        customer, item, value = latest(customer, item, value)
    start, index, total = _k.from_coordinates(
        _frame.readonly(customer), _frame.readonly(item), _frame.readonly(value), len(customers), len(items)
    )
    if total.max() > LARGEST:
        msg = f"the weights of one customer and item add up to {total.max():g}, more than 1e15; scale the column down"
        raise DataError(msg)
    del value
    by_customer = Rows(start, index, np.maximum(total, SMALLEST, out=total).astype(np.float32))
    del total
    by_item = Rows(*_k.transpose(by_customer.start, by_customer.index, by_customer.value, len(items)))
    age = gap = last = None
    if log.columns.get("time") is not None:
        last = log.span.end
        rows, columns = _frame.readonly(of_line), _frame.readonly(bought_item)
        latest_of, between = _f.moments(by_customer.start, by_customer.index, rows, columns, time)
        age = _frame.readonly(np.maximum(log.clock.moment(last) - latest_of, 0) / log.clock.ticks_per_day)
        gap = _frame.readonly((between / log.clock.ticks_per_day).astype(np.float32))
    # a stable sort of codes that ascend with the ids
    order = np.argsort(-np.diff(by_item.start), kind="stable").astype(np.int32)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size, dtype=np.int32)
    return Interactions(
        customers=customers,
        items=items,
        by_customer=by_customer,
        by_item=by_item,
        order=_frame.readonly(order),
        rank=_frame.readonly(rank),
        age=age,
        gap=gap,
        weight=weight,
        half_life=half_life,
        last=last,
        end=end,
        columns=MappingProxyType({**log.columns, "refunds": log.refunds, "missing": log.missing}),
    )


def amounts(log: _events.EventLog, weight: str) -> npt.NDArray[np.float64]:
    """Return what each line weighs by its amount or quantity, which must not be negative where it is a purchase."""
    log.require(weight)
    values = cast("npt.NDArray[np.float64]", log.lines.amount if weight == "amount" else log.lines.quantity)
    negative = np.count_nonzero((values < 0) & (log.lines.order >= 0))
    if negative:
        msg = (
            f"column {log.columns.get(weight)!r}: {negative:,} purchases have a negative {weight}; mark them as refunds,"
            " or leave them out"
        )
        raise DataError(msg)
    return values


def latest(
    customer: npt.NDArray[np.int32], item: npt.NDArray[np.int32], value: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Keep the greatest value of every pair."""
    ascending = np.lexsort((value, item, customer))
    customer, item, value = customer[ascending], item[ascending], value[ascending]
    last = np.append((customer[1:] != customer[:-1]) | (item[1:] != item[:-1]), True)
    return customer[last], item[last], value[last]


def checked(given: object) -> Interactions:
    """Return interactions, or say that `given` is something else."""
    if not isinstance(given, Interactions):
        msg = f"expected what recommend.interactions returns, got {type(given).__name__}"
        raise OptionError(msg)
    return given


def within_limit(n: int, each: int, what: str, cure: str) -> None:
    """Refuse results of more rows than a machine of today holds."""
    if n * each > MOST_ROWS:
        msg = f"{n:,} {what.format(each)} are {n * each:,} rows, the limit is {MOST_ROWS:,}; {cure}"
        raise LimitError(msg)
