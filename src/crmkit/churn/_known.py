"""Orders as they were known at a moment: later refunds and later lines of an order not yet seen."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit._frame import readonly

if TYPE_CHECKING:
    from crmkit._events import EventLog, Orders

__all__ = ["View", "known"]

Ticks = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NO_TICKS = readonly(np.empty(0, np.int64))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class View:
    """The orders as known at the moments flagged in `mine`, and the customers of the whole log they belong to."""

    orders: Orders
    customer_of: Ticks
    mine: Bools


def known(log: EventLog, moments: Ticks, stamps: Any) -> list[View]:
    """Return the orders as known just before each moment: those of the log as it is, unless later rows have changed them.

    A later refund takes from an earlier order, and a later line adds to it. Where such a row exists, the log is cut and its
    orders are made again; elsewhere the orders before the moment are the same in both.
    """
    lines, orders = log.lines, log.orders
    if lines.instant is orders.instant:
        changing, since = NO_TICKS, NO_TICKS
    else:
        order_instant = orders.instant[np.maximum(lines.order, 0)] if orders.instant.size else np.zeros_like(lines.instant)
        rows = np.flatnonzero((lines.order < 0) | (order_instant != lines.instant))
        changing = lines.instant[rows]
        # what a refund takes from may be as old as the log
        since = np.where(lines.order[rows] < 0, np.iinfo(np.int64).min, order_instant[rows])
    everyone = readonly(np.arange(log.n_customers))
    as_it_is = np.array([not ((changing >= moment) & (since < moment)).any() for moment in moments], np.bool_)
    views = [View(orders, everyone, readonly(as_it_is))] if as_it_is.any() else []
    first_event = lines.instant[lines.start[:-1]]
    for j in np.flatnonzero(~as_it_is):
        here = np.zeros(moments.size, np.bool_)
        here[j] = True
        present = np.flatnonzero(first_event < moments[j])
        if present.size:
            views.append(View(log.until(stamps[j]).orders, readonly(present), readonly(here)))
    return views
