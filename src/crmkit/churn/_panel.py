"""The panel: what was known of each customer at each cutoff, and whether they bought in the window after it."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options, _threads
from crmkit._frame import Labelled, Labels, readonly
from crmkit._kernels import panel as _k
from crmkit.errors import DataError, OptionError

if TYPE_CHECKING:
    from crmkit._events import ColumnNames, EventLog, Orders

__all__ = ["panel"]

Floats = npt.NDArray[np.float64]
Ticks = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CUSTOMERS = 1 << 15  # in one piece of work
NO_FLOATS = readonly(np.empty(0, np.float64))
NO_TICKS = readonly(np.empty(0, np.int64))


def panel(
    log: Any,
    /,
    *,
    cutoffs: Any,
    horizon: Any = "90D",
    windows: Any = ("30D", "90D", "365D"),
    **columns: Unpack[ColumnNames],
) -> Any:
    """Describe each customer as known at each cutoff, and say whether they then stopped buying.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`.
    cutoffs : sequence of date-like
        The moments to stand at. A date is its first moment on the wall clock of the log.
    horizon : str or None, default "90D"
        Length of the window after the cutoff in which a customer without a purchase counts as churned. None gives
        features only, as for the customers of today.
    windows : sequence of str, default ("30D", "90D", "365D")
        Lengths of the windows before the cutoff in which orders and amounts are summed.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    DataFrame
        One row per customer and cutoff with at least one purchase before it, by customer, then cutoff: the index in
        pandas, elsewhere the first two columns.

        - ``recency_days``, ``tenure_days``: from the last and the first purchase to the cutoff, in days of 24 hours;
        - ``mean_gap_days``: ``tenure_days / orders_total``;
        - ``overdue_ratio``: ``recency_days / mean_gap_days``;
        - ``orders_30d``, …, ``orders_total``: orders in each window and in all;
        - ``amount_30d``, …, ``amount_total``: their amounts, in the currency of the log (absent if the log has no amounts);
        - ``label_end``: where the window after the cutoff ends; ``churned``: True if no purchase lies in it (both absent
          with ``horizon=None``).

        In pandas ``attrs`` names the horizon and the end of the log.

    Raises
    ------
    ColumnError
        A column is missing, or the log was built without times.
    DataError
        The events cannot be read, no purchase lies before a cutoff, or the window after it is not over when the log ends:
        customers who would still have bought would count as churned.
    OptionError
        A cutoff is not a date or is given twice, or a length of time is none.

    Notes
    -----
    Features are functions of the events at t < cutoff alone, the label of those in [cutoff, cutoff + horizon): an event
    exactly at the cutoff counts in the label only, and ``panel(log, cutoffs=[c], horizon=None)`` equals
    ``panel(log.until(c), cutoffs=[c], horizon=None)``. A refund, or a further line of an order, that comes after the cutoff
    is not yet known to the features; the label is taken as known when its window ends.

    Windows are [cutoff − length, cutoff). Whole days move the date and keep the time on the wall clock of the log's zone, so
    that a day of 23 or 25 hours is a day; other lengths are elapsed time. Bounds are compared with events in UTC.

    The log is taken to be complete to the end of the calendar day of its last event, and a window must end by then.

    Of the gaps between purchases, the open one since the last purchase is counted as one: n orders make n gaps over the
    tenure. Both measures are then defined for a single purchase (``overdue_ratio`` is 1) and for several at one moment, and
    the ratio, between 0 and the number of orders, is on one scale for those who buy often and those who seldom do.

    Who had not yet bought by the cutoff has no row. Who bought long ago has one: rates of churn are those of all former
    buyers, lapsed ones included.

    References
    ----------
    Neslin, Gupta, Kamakura, Lu and Mason (2006), Defection detection: measuring and understanding the predictive accuracy
    of customer churn models, Journal of Marketing Research 43(2).

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> from crmkit import churn
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "ann", "cid"],
    ...         "timestamp": pd.to_datetime(["2024-01-01", "2024-01-11", "2024-01-31", "2024-03-31"]),
    ...         "amount": [20.0, 35.0, 15.0, 10.0],
    ...     }
    ... )
    >>> churn.panel(orders, cutoffs=["2024-01-31"], horizon="60D", windows=["15D"]).T
    customer_id                     ann                  bob
    cutoff                   2024-01-31           2024-01-31
    recency_days                   30.0                 20.0
    tenure_days                    30.0                 20.0
    mean_gap_days                  30.0                 20.0
    overdue_ratio                   1.0                  1.0
    orders_15d                        0                    0
    amount_15d                      0.0                  0.0
    orders_total                      1                    1
    amount_total                   20.0                 35.0
    label_end       2024-03-31 00:00:00  2024-03-31 00:00:00
    churned                       False                 True
    """
    lengths = _lengths(windows)
    ahead = None if horizon is None else _options.days("horizon", horizon)
    log = _events.as_log(log, **columns)
    name = str(log.columns["customer"])
    log.require("time")
    bounds = _bounds(log, cutoffs, lengths, ahead)
    ends = bounds.ends
    if ends is not None:
        _refuse_unfinished(log, bounds, ends, horizon)

    views = _known(log, bounds.cutoffs, bounds.cutoff_stamps)
    eligible = np.zeros((log.n_customers, bounds.cutoffs.size), np.bool_)
    for view in views:
        has_orders = np.flatnonzero(np.diff(view.orders.start))
        first_order = view.orders.instant[view.orders.start[has_orders]]
        for j in np.flatnonzero(view.mine):
            eligible[view.customer_of[has_orders], j] = first_order < bounds.cutoffs[j]
    _refuse_empty(log, bounds, eligible)
    eligible = readonly(eligible)

    per_customer = eligible.sum(axis=1)
    first_row = readonly(np.cumsum(per_customer) - per_customer)
    n = int(per_customer.sum())
    has_amount = log.orders.amount is not None
    recency, tenure = np.empty(n, np.int64), np.empty(n, np.int64)
    orders = np.empty((len(lengths) + 1, n), np.int64)
    amounts = np.empty((len(lengths) + 1, n if has_amount else 0), np.float64)

    def describe(view: _View, piece: tuple[int, int]) -> None:
        known = view.orders
        _k.features(
            known.start, known.instant, NO_FLOATS if known.amount is None else known.amount, view.customer_of,
            bounds.cutoffs, bounds.window_starts, view.mine, eligible, first_row, *piece, recency, tenure, orders, amounts,
        )  # fmt: skip

    for view in views:
        _threads.run(partial(describe, view), _threads.chunks(view.customer_of.size, CUSTOMERS))
    measures = _measures(log, recency, tenure, orders, amounts if has_amount else None, list(lengths))
    customer, cutoff = np.nonzero(eligible)
    if ends is not None:
        bought = np.zeros(n, np.bool_)

        def label(view: _View, piece: tuple[int, int]) -> None:
            known = view.orders
            _k.bought_between(
                known.start, known.instant, view.customer_of, bounds.cutoffs, ends, view.mine, eligible, first_row,
                *piece, bought,
            )  # fmt: skip

        for view in _known(log, ends, bounds.end_stamps):
            _threads.run(partial(label, view), _threads.chunks(view.customer_of.size, CUSTOMERS))
        measures["label_end"] = Labelled(Labels(bounds.end_stamps, "pandas"), cutoff)
        measures["churned"] = ~bought
    # two keys and no index outside pandas: the table is built flat, and indexed where there is one
    found = {"cutoff": Labelled(Labels(bounds.cutoff_stamps, "pandas"), cutoff), **measures}
    out = _frame.table(found, keys={name: Labelled(log.labels, customer)}, kind=log.labels.kind)
    if log.labels.kind == "pandas":
        out = out.set_index([name, "cutoff"])
        out.attrs.update({"horizon": None if horizon is None else str(horizon), "log_end": str(log.span.end)})
    return out


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Bounds:
    """Cutoffs in ascending order with the bounds of their windows, as UTC ticks and as Timestamps of the log's zone."""

    cutoffs: Ticks
    window_starts: Ticks  # cutoffs × windows
    ends: Ticks | None
    cutoff_stamps: Any  # pandas DatetimeIndex
    end_stamps: Any


def _bounds(log: EventLog, cutoffs: Any, lengths: dict[str, float], ahead: float | None) -> _Bounds:
    given = _several(cutoffs)
    by_instant = {log.clock.instant(cutoff, keyword="cutoffs"): cutoff for cutoff in given}
    if not by_instant:
        msg = "cutoffs is empty: name at least one moment, such as cutoffs=[log.span.end]"
        raise OptionError(msg)
    if len(by_instant) < len(given):
        msg = f"cutoffs names one moment twice: {len(given)} are given, {len(by_instant)} are distinct"
        raise OptionError(msg)
    instants = np.array(sorted(by_instant), np.int64)
    walls = [log.clock.moment(by_instant[int(instant)], keyword="cutoffs") for instant in instants]

    def shifted(days: float) -> Ticks:
        pairs = zip(walls, instants, strict=True)
        return np.array([_shift(log, wall, int(instant), days) for wall, instant in pairs], np.int64)

    starts = np.empty((instants.size, len(lengths)), np.int64)
    for w, days in enumerate(lengths.values()):
        starts[:, w] = shifted(-days)
    ends = None if ahead is None else readonly(shifted(ahead))
    return _Bounds(
        cutoffs=readonly(instants),
        window_starts=readonly(starts),
        ends=ends,
        cutoff_stamps=_stamps(log, instants),
        end_stamps=None if ends is None else _stamps(log, ends),
    )


def _shift(log: EventLog, wall: int, instant: int, days: float) -> int:
    if days == np.floor(days):
        return log.clock.instant(log.clock.stamp(wall + int(days) * log.clock.ticks_per_day))
    return instant + round(days * log.clock.ticks_per_day)


def _stamps(log: EventLog, instants: Ticks) -> Any:
    """Show UTC ticks as a DatetimeIndex in the zone of the log."""
    index = _frame.table({"t": instants.view(f"datetime64[{log.clock.unit}]")}).set_index("t").index
    return index if log.clock.zone is None else index.tz_localize("UTC").tz_convert(log.clock.zone)


def _lengths(windows: Any) -> dict[str, float]:
    """Days of each window by the name its columns carry."""
    given = _several(windows)
    found = {}
    for window in given:
        days = _options.days("windows", window)
        found[re.sub(r"\s+", "", window).lower() if isinstance(window, str) else f"{days:g}d"] = days
    if len(set(found.values())) < len(given):
        msg = f"windows={windows!r} names one length twice"
        raise OptionError(msg)
    return found


def _several(values: Any) -> list[Any]:
    return [values] if isinstance(values, str) or not hasattr(values, "__iter__") else list(values)


def _refuse_unfinished(log: EventLog, bounds: _Bounds, ends: Ticks, horizon: Any) -> None:
    """Refuse labels that look beyond the day of the last event: silence there is not yet churn."""
    day = log.clock.ticks_per_day
    tomorrow = log.clock.stamp((int(log.lines.time.max()) // day + 1) * day)
    late = np.flatnonzero(ends > log.clock.instant(tomorrow))
    if late.size == 0:
        return
    first = int(late[0])
    msg = (
        f"cutoff {bounds.cutoff_stamps[first]}: its label window of {horizon} ends {bounds.end_stamps[first]}, but the log ends"
        f" {log.span.end}, so customers who are yet to buy would count as churned"
        f"{f' ({late.size} cutoffs are affected)' if late.size > 1 else ''};"
        " take an earlier cutoff or a shorter horizon, or horizon=None for features only"
    )
    raise DataError(msg)


def _refuse_empty(log: EventLog, bounds: _Bounds, eligible: Bools) -> None:
    empty = np.flatnonzero(~eligible.any(axis=0))
    if empty.size:
        msg = (
            f"no purchase lies before cutoff {bounds.cutoff_stamps[int(empty[0])]}; the log runs from {log.span.start}"
            f" to {log.span.end}: take later cutoffs"
        )
        raise DataError(msg)


# ── what was known when ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _View:
    """The orders as known at the moments flagged in `mine`, and the customers of the whole log they belong to."""

    orders: Orders
    customer_of: Ticks
    mine: Bools


def _known(log: EventLog, moments: Ticks, stamps: Any) -> list[_View]:
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
    views = [_View(orders, everyone, readonly(as_it_is))] if as_it_is.any() else []
    first_event = lines.instant[lines.start[:-1]]
    for j in np.flatnonzero(~as_it_is):
        here = np.zeros(moments.size, np.bool_)
        here[j] = True
        present = np.flatnonzero(first_event < moments[j])
        if present.size:
            views.append(_View(log.until(stamps[j]).orders, readonly(present), readonly(here)))
    return views


def _measures(
    log: EventLog, recency: Ticks, tenure: Ticks, orders: Ticks, amounts: Floats | None, names: list[str]
) -> dict[str, Any]:
    day = log.clock.ticks_per_day
    counted = orders[-1]
    measures: dict[str, Any] = {
        "recency_days": recency / day,
        "tenure_days": tenure / day,
        "mean_gap_days": tenure / day / counted,
        # in this order a single purchase, whose recency is its tenure, gives exactly 1
        "overdue_ratio": recency / tenure * counted,
    }
    for w, name in enumerate([*names, "total"]):
        measures[f"orders_{name}"] = orders[w]
        if amounts is not None:
            measures[f"amount_{name}"] = amounts[w]
    return measures
