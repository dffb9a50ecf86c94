"""The panel: what was known of each customer at each cutoff, and what the window after it brought."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from crmkit import _events, _options, _threads
from crmkit._frame import Labelled, Labels, readonly
from crmkit._kernels import panel as _k
from crmkit.churn import _contracts, _own
from crmkit.churn._bounds import Bounds, finished, lengths_of, make_bounds
from crmkit.churn._keyed import as_frame
from crmkit.churn._known import View, known
from crmkit.errors import DataError, LimitError, OptionError

if TYPE_CHECKING:
    from crmkit._events import ColumnNames, EventLog

__all__ = ["panel"]

Floats = npt.NDArray[np.float64]
Ticks = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CUSTOMERS = 1 << 15  # in one piece of work
NO_FLOATS = readonly(np.empty(0, np.float64))
UNFINISHED = ("error", "drop")
MOST_ROWS = 100_000_000  # customers times cutoffs
MOST_KINDS = 50


def panel(
    log: Any,
    /,
    *,
    cutoffs: Any,
    horizon: Any = "90D",
    windows: Any = ("30D", "90D", "365D"),
    eligible_within: Any = None,
    unfinished: str = "error",
    features: Any = None,
    start: str | None = None,
    end: str | None = None,
    returned: str = "churned",
    carry: Any = (),
    as_of: Any = None,
    **columns: Unpack[ColumnNames],
) -> Any:
    r"""Describe each customer as known at each cutoff, and say whether they then stopped buying, or left.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`. With `start` and `end`, a frame of contracts, one row
        each, in which a customer may have several.
    cutoffs : sequence of date-like
        The moments to stand at. A date is its first moment on the wall clock of the log.
    horizon : str or None, default "90D"
        Length of the window after the cutoff in which a customer without a purchase, or whose contract ends, counts as
        churned. None gives features only, as for the customers of today.
    windows : sequence of str, default ("30D", "90D", "365D")
        Lengths of the windows before the cutoff in which orders and amounts are summed.
    eligible_within : str, optional
        Purchases: only customers who bought so shortly before the cutoff, such as "180D". Default: all former buyers, most of
        whom have long gone where the log is long.
    unfinished : {"error", "drop"}, default "error"
        What to do with cutoffs whose label window is not over when the data end: refuse them, or leave them out and say how
        many.
    features : callable or list of callables, optional
        Purchases: features of your own, each a function of a log and a cutoff that returns a frame of one row per customer
        (indexed by id in pandas, elsewhere the ids first). It is given ``log.until(cutoff)``, in which there is no future to
        look at; `audit` shows whether it would have.
    start, end : str, optional
        Contracts: columns of their first moment, and of the first moment without (missing: it runs on).
    returned : {"churned", "stayed"}, default "churned"
        Contracts: what a customer is whose cover ended in the window, and who was back under contract when it ended.
    carry : sequence of str, optional
        Contracts: columns, such as the plan or the price, taken over from the contract in force that began last.
    as_of : date-like, optional
        Contracts: the last day that is known, included. Default: the last date in either column, so give it where contracts
        end in the future.
    **columns
        Column keywords of `crmkit.events`, where a frame is given; ``customer`` alone for contracts. With ``kind``, events of
        each kind are counted.

    Returns
    -------
    DataFrame
        One row per customer and cutoff, by customer, then cutoff: the index in pandas, elsewhere the first two columns. For
        purchases, customers with at least one before the cutoff (within `eligible_within`):

        - ``recency_days``, ``tenure_days``: from the last and the first purchase to the cutoff, in days of 24 hours;
        - ``mean_gap_days``, ``gap_sd_days``: mean (``tenure_days / orders_total``) and standard deviation of the gaps;
        - ``overdue_ratio``: ``recency_days / mean_gap_days``;
        - ``orders_30d``, …, ``orders_total``: orders in each window and in all;
        - ``amount_30d``, …, ``amount_total``, ``mean_amount_30d``, …: their amounts and means (0 where there is no order), in
          the currency of the log (absent if the log has no amounts);
        - ``trend_30d_90d``, …: orders per day in a window over those in the next longer one (0 where that is empty);
        - ``login_events_30d``, …: events of each kind, where the log knows kinds;
        - what `features` return.

        For contracts, customers with one in force at the cutoff: ``tenure_days`` (since their first), ``spell_days`` (since
        their cover last began), ``contract_days`` (since the contract in force began), ``contracts``, ``in_force`` (how many
        so far, and at once), ``lapses`` (how often the cover had ended and they came back), ``uncovered_days``, and `carry`.

        Then ``label_end``: where the window after the cutoff ends, and ``churned`` (both absent with ``horizon=None``). In
        pandas ``attrs`` names the horizon, the end of the data, and who is in the panel.

    Raises
    ------
    ColumnError
        A column is missing, or the log was built without times.
    DataError
        The data cannot be read, nobody is eligible at a cutoff, or the window after it is not over when the data end:
        customers who would still have bought would count as churned. Or a feature of your own lacks customers.
    OptionError
        A cutoff is not a date or is given twice, a length of time is none, or options contradict each other.
    LimitError
        The log has more than 50 kinds of events, or there would be more than 100 million rows of customers and cutoffs: a row
        takes 8 bytes for each feature, twice while at work.

    Warns
    -----
    DataWarning
        With ``unfinished="drop"``: how many cutoffs were left out.

    Notes
    -----
    Features are functions of the events at t < cutoff alone, the label of those in [cutoff, cutoff + horizon): an event
    exactly at the cutoff counts in the label only, and ``panel(log, cutoffs=[c], horizon=None)`` equals
    ``panel(log.until(c), cutoffs=[c], horizon=None)``. A refund, or a further line of an order, that comes after the cutoff
    is not yet known to the features; the label is taken as known when its window ends.

    Windows are [cutoff − length, cutoff). Whole days move the date and keep the time on the wall clock of the log's zone, so
    that a day of 23 or 25 hours is a day; other lengths are elapsed time. Bounds are compared with events in UTC.

    The data are taken to be complete to the end of the calendar day of the last event, and a window must end by then.

    Of the gaps between purchases, the open one since the last purchase is counted as one: n orders make n gaps over the
    tenure. The measures are then defined for a single purchase (``overdue_ratio`` is 1) and for several at one moment, and
    the ratio, between 0 and the number of orders, is on one scale for those who buy often and those who seldom do.

    Who had not yet bought by the cutoff has no row. Who bought long ago has one, unless `eligible_within` leaves them out:
    ranking those who are long gone apart from the rest is easy, and makes any model look good.

    A contract is in force at the cutoff if it began before it and ends at it or later; when it will end is not known to the
    features. The cover ends where no contract goes on: one that begins no later than the last one ends renews it.

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
    customer_id                        ann                  bob
    cutoff                      2024-01-31           2024-01-31
    recency_days                      30.0                 20.0
    tenure_days                       30.0                 20.0
    mean_gap_days                     30.0                 20.0
    gap_sd_days                        0.0                  0.0
    overdue_ratio                      1.0                  1.0
    orders_15d                           0                    0
    orders_total                         1                    1
    amount_15d                         0.0                  0.0
    amount_total                      20.0                 35.0
    mean_amount_15d                    0.0                  0.0
    mean_amount_total                 20.0                 35.0
    label_end          2024-03-31 00:00:00  2024-03-31 00:00:00
    churned                          False                 True
    >>> contracts = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "ann"],
    ...         "start": pd.to_datetime(["2024-01-01", "2024-01-10", "2024-03-01"]),
    ...         "end": pd.to_datetime(["2024-03-01", "2024-02-20", None]),
    ...     }
    ... )
    >>> labelled = churn.panel(contracts, cutoffs=["2024-02-01"], horizon="60D", start="start", end="end", as_of="2024-04-30")
    >>> labelled["churned"].droplevel("cutoff")
    customer_id
    ann    False
    bob     True
    Name: churned, dtype: bool
    """
    _options.choice("unfinished", unfinished, UNFINISHED)
    ahead = None if horizon is None else _options.days("horizon", horizon)
    if start is not None or end is not None:
        if eligible_within is not None or features is not None:
            msg = "eligible_within= and features= are for purchases: contracts say themselves who is a customer; use carry="
            raise OptionError(msg)
        return _contracts.panel_of_contracts(
            log, cutoffs, horizon, ahead, start, end, returned=returned, carry=carry, as_of=as_of, unfinished=unfinished,
            columns=columns,
        )  # fmt: skip
    if as_of is not None or returned != "churned" or len(carry):
        msg = "as_of=, returned= and carry= are for contracts, with start= and end=; for purchases pass log.until(as_of)"
        raise OptionError(msg)
    lengths = lengths_of(windows)
    within = None if eligible_within is None else _options.days("eligible_within", eligible_within)
    log = _events.as_log(log, **columns)
    log.require("time")
    bounds = make_bounds(log.clock, cutoffs, lengths, ahead, within)
    if bounds.cutoffs.size * log.n_customers > MOST_ROWS:
        msg = (
            f"{bounds.cutoffs.size:,} cutoffs of {log.n_customers:,} customers are more than {MOST_ROWS:,} rows; take fewer"
            " cutoffs, or a part of the customers at a time"
        )
        raise LimitError(msg)
    day = log.clock.ticks_per_day
    # a day later may be beyond what the clock counts
    tomorrow = log.clock.stamp(min((int(log.lines.time.max()) // day + 1) * day, int(np.iinfo(np.int64).max)))
    bounds = finished(
        bounds,
        log.clock.instant(tomorrow),
        horizon=horizon,
        unfinished=unfinished,
        shown=f"the log ends {log.span.end}",
        stacklevel=3,
    )

    views = known(log, bounds.cutoffs, bounds.cutoff_stamps)
    eligible = _eligible(log, bounds, views, eligible_within)
    per_customer = eligible.sum(axis=1)
    first_row = readonly(np.cumsum(per_customer) - per_customer)
    measures = _describe(log, bounds, views, lengths, eligible, first_row)
    customer, cutoff = np.nonzero(eligible)
    if log.kinds is not None:
        measures |= _kinds(log, bounds, lengths, eligible, first_row)
    if features is not None:
        measures |= _own.describe(log, features, bounds, customer, cutoff, taken=[*measures, "label_end", "churned"])
    if bounds.ends is not None:
        measures["label_end"] = Labelled(Labels(bounds.end_stamps, "pandas"), cutoff)
        measures["churned"] = ~_bought(log, bounds, bounds.ends, eligible, first_row)
    return as_frame(
        measures,
        log.labels,
        str(log.columns["customer"]),
        bounds,
        customer,
        cutoff,
        horizon=None if horizon is None else str(horizon),
        log_end=str(log.span.end),
        eligible="ever bought before the cutoff"
        if eligible_within is None
        else f"bought within {eligible_within} before the cutoff",
    )


# ── purchases ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _eligible(log: EventLog, bounds: Bounds, views: list[View], within: Any) -> Bools:
    """Say who has a row at which cutoff."""
    eligible = np.zeros((log.n_customers, bounds.cutoffs.size), np.bool_)

    def mark(view: View, piece: tuple[int, int]) -> None:
        start, instant = view.orders.start, view.orders.instant
        _k.eligibility(start, instant, view.customer_of, bounds.cutoffs, bounds.since, view.mine, *piece, eligible)

    for view in views:
        _threads.run(partial(mark, view), _threads.chunks(view.customer_of.size, CUSTOMERS))
    empty = np.flatnonzero(~eligible.any(axis=0))
    if empty.size:
        lately = "" if within is None else f" and within {within} of it"
        msg = (
            f"no purchase lies before cutoff {bounds.cutoff_stamps[int(empty[0])]}{lately}; the log runs from {log.span.start}"
            f" to {log.span.end}: take later cutoffs"
        )
        raise DataError(msg)
    return readonly(eligible)


def _describe(
    log: EventLog, bounds: Bounds, views: list[View], lengths: dict[str, float], eligible: Bools, first_row: Ticks
) -> dict[str, Any]:
    n = int(eligible.sum())
    has_amount = log.orders.amount is not None
    recency, tenure, gap_sd = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    orders = np.empty((len(lengths) + 1, n), np.int64)
    amounts = np.empty((len(lengths) + 1, n if has_amount else 0), np.float64)

    def describe(view: View, piece: tuple[int, int]) -> None:
        had = view.orders
        _k.features(
            had.start, had.instant, NO_FLOATS if had.amount is None else had.amount, view.customer_of,
            bounds.cutoffs, bounds.window_starts, view.mine, eligible, first_row, *piece, recency, tenure, gap_sd, orders,
            amounts,
        )  # fmt: skip

    for view in views:
        _threads.run(partial(describe, view), _threads.chunks(view.customer_of.size, CUSTOMERS))
    day, counted = log.clock.ticks_per_day, orders[-1]
    measures: dict[str, Any] = {
        "recency_days": recency / day,
        "tenure_days": tenure / day,
        "mean_gap_days": tenure / day / counted,
        "gap_sd_days": gap_sd / day,
        # in this order a single purchase, whose recency is its tenure, gives exactly 1
        "overdue_ratio": recency / tenure * counted,
    }
    names = [*lengths, "total"]
    measures |= {f"orders_{name}": orders[w] for w, name in enumerate(names)}
    if has_amount:
        measures |= {f"amount_{name}": amounts[w] for w, name in enumerate(names)}
        measures |= {f"mean_amount_{name}": amounts[w] / np.maximum(orders[w], 1) for w, name in enumerate(names)}
    rising = sorted(lengths, key=lengths.__getitem__)
    for short, long in itertools.pairwise(rising):
        inside, around = orders[names.index(short)], orders[names.index(long)]
        measures[f"trend_{short}_{long}"] = inside * (lengths[long] / lengths[short]) / np.maximum(around, 1)
    return measures


def _kinds(log: EventLog, bounds: Bounds, lengths: dict[str, float], eligible: Bools, first_row: Ticks) -> dict[str, Any]:
    """Count the events of each kind."""
    if log.kinds is None or log.lines.kind is None:
        return {}
    if len(log.kinds) > MOST_KINDS:
        msg = f"the log has {len(log.kinds):,} kinds of events, more than the {MOST_KINDS} that get columns; group them first"
        raise LimitError(msg)
    lines, kind = log.lines, log.lines.kind
    counts = np.zeros((len(log.kinds), len(lengths) + 1, int(eligible.sum())), np.int64)

    def count(piece: tuple[int, int]) -> None:
        _k.kinds(lines.start, lines.instant, kind, bounds.cutoffs, bounds.window_starts, eligible, first_row, *piece, counts)

    _threads.run(count, _threads.chunks(log.n_customers, CUSTOMERS))
    names = [str(name) for name in log.kinds.as_index()]
    return {
        f"{name}_events_{window}": counts[k, w] for k, name in enumerate(names) for w, window in enumerate([*lengths, "total"])
    }


def _bought(log: EventLog, bounds: Bounds, ends: Ticks, eligible: Bools, first_row: Ticks) -> Bools:
    bought = np.zeros(int(eligible.sum()), np.bool_)

    def label(view: View, piece: tuple[int, int]) -> None:
        had = view.orders
        _k.bought_between(
            had.start, had.instant, view.customer_of, bounds.cutoffs, ends, view.mine, eligible, first_row, *piece, bought
        )

    for view in known(log, ends, bounds.end_stamps):
        _threads.run(partial(label, view), _threads.chunks(view.customer_of.size, CUSTOMERS))
    return bought
