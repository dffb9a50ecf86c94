"""Customers who started in one period, and how many of them, or how much of their revenue, each later period sees again."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit._kernels import cohort as _k
from crmkit._lazy_events import refuse_keywords
from crmkit.cohort._activity import CUSTOMERS, Activity, Grid, LogActivity, activity_of, added
from crmkit.cohort._cells import Cells, pooled, written
from crmkit.cohort._lazy import retention_lazily
from crmkit.cohort._people import read_attribute
from crmkit.cohort._periods import Calendar
from crmkit.errors import DataError, DataWarning, LimitError, OptionError
from crmkit.results import confidence_level

if TYPE_CHECKING:
    from crmkit._events import ColumnNames

__all__ = ["retention"]

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

METHODS = ("classic", "unbounded", "bracket")
ACTIVITIES = ("purchases", "events")
MEASURES = ("customers", "net_revenue", "gross_revenue", "cumulative_revenue")
MODES = {"net_revenue": 0, "gross_revenue": 1, "cumulative_revenue": 2}
MOST_CELLS = 20_000_000
LARGEST = 1e75


def retention(
    log: Any,
    /,
    *,
    period: str = "M",
    method: str = "classic",
    brackets: Sequence[tuple[int, int]] | None = None,
    activity: str = "purchases",
    measure: str = "customers",
    since: Any = None,
    cohort: Any = None,
    by: Any = None,
    as_of: Any = None,
    level: float = 0.95,
    **columns: Unpack[ColumnNames],
) -> Any:
    r"""Tell what share of the customers who started in a period were active again in each period after it.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`. Amounts are needed for revenue alone: without
        them pass ``amount=None``. A lazy frame of polars, DuckDB or Spark is counted by its engine, and the table is lazy too.
    period : {"D", "W", "M", "Q", "Y"}, default "M"
        Calendar days, weeks from Monday on, months, quarters or years, by the wall clock of the column's zone.
    method : {"classic", "unbounded", "bracket"}, default "classic"
        Active in that very period; in that period or any later one; or at least once in the periods of a bracket.
    brackets : sequence of pairs, optional
        With ``method="bracket"``: first and last period of each bracket, both included, such as ``[(1, 3), (4, 12)]``.
    activity : {"purchases", "events"}, default "purchases"
        What makes a customer active, and what the first of is the start: a purchase; or every row of the log, refunds and
        what they took back included.
    measure : {"customers", "net_revenue", "gross_revenue", "cumulative_revenue"}, default "customers"
        What is measured of a cohort: the share of its customers who are active; its revenue as a share of that in period
        0, with or without what customers spend beyond their own period 0; or its revenue so far per customer, in the
        currency of the amounts.
    since : Series, mapping or DataFrame, optional
        Date from which each customer is followed, such as that of signing up: a Series indexed by customer id, or a frame
        of ids and dates. Everybody in it is followed, with purchases or without. Default: the first purchase.
    cohort : Series, mapping or DataFrame, optional
        An attribute of each customer, in the same form: its values are the cohorts, in place of the period of the start.
        Each period then pools the customers for whom it is over.
    by : Series, mapping or DataFrame, optional
        An attribute of each customer, in the same form, within whose values the table is made.
    as_of : date-like, optional
        The last day that is known, included: nothing later is seen. Default: the day of the log's last event.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    DataFrame
        One row per cohort and period that has begun: ``cohort`` (first day of the period), ``period`` (0, 1, …), ``n``
        (customers of the cohort), ``active`` (of these), ``value`` (the measure), ``ci_low``, ``ci_high`` (its interval),
        ``mature`` (whether the period is over; a cell that is not will still grow). With `by`, the first column is
        ``by``; with brackets, ``last_period`` follows ``period``; with revenue, ``revenue`` and ``base``, whose quotient
        is ``value``, precede it, ``se`` is its standard error, and ``measure`` says what it is. In pandas ``attrs`` holds the
        settings.

    Raises
    ------
    ColumnError
        A column is missing, or the log was built without times or, for revenue, amounts.
    DataError
        The events cannot be read, nobody did anything by `as_of`, or a customer lacks an attribute.
    LimitError
        The table would have more than 20 million cells.
    OptionError
        An option is not one of its values, or two of them contradict each other.

    Warns
    -----
    DataWarning
        Revenue of a cohort of one customer has no interval, revenue retention of a cohort without revenue in period 0 is
        undefined: these cells hold missing values.

    Notes
    -----
    The customers of a cohort are those whose first activity, or `since`, falls in its period; what they did in earlier periods
    does not count. Cohorts without a customer have no rows. A cell without activity is 0, with its interval; a period that has
    not begun has no cell.

    Shares of customers carry Wilson's interval. With revenue :math:`x` of a customer in period 0 and :math:`y` in a later
    one, net retention is :math:`R = \sum y / \sum x`, gross retention the same with :math:`\min(y, x)` for :math:`y`, and
    :math:`\mathrm{se}^2 = \frac{n}{n-1} \sum (y - R x)^2 / (\sum x)^2`, from which a normal interval is made, cut off at 0
    (and at 1 for gross retention). Amounts are those of the purchases, refunds taken off. A refund that comes after `as_of`
    is not known yet.

    In the last periods unbounded retention must fall to the classic one, since nobody has yet been seen later.

    Lazy frames give the same table, and errors with counts, not places: one query checks them at once, all else runs when the
    answer is asked for. There ``refunds="subtract"`` needs ``order=``.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158).
    Cochran (1977), Sampling Techniques, 3rd ed., chapter 6.

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "ann", "cid", "ann"],
    ...         "timestamp": pd.to_datetime(["2024-01-05", "2024-01-07", "2024-02-01", "2024-02-03", "2024-03-31"]),
    ...     }
    ... )
    >>> table = crm.cohort.retention(orders, amount=None)
    >>> table[["cohort", "period", "n", "active", "value", "mature"]]
          cohort  period  n  active  value  mature
    0 2024-01-01       0  2       2    1.0    True
    1 2024-01-01       1  2       1    0.5    True
    2 2024-01-01       2  2       1    0.5    True
    3 2024-02-01       0  1       1    1.0    True
    4 2024-02-01       1  1       0    0.0    True
    """
    _options.choice("method", method, METHODS)
    _options.choice("activity", activity, ACTIVITIES)
    _options.choice("measure", measure, MEASURES)
    level = confidence_level(level)
    money = measure != "customers"
    spans = _checked_brackets(brackets, method)
    if money and (method != "classic" or activity != "purchases"):
        msg = f"measure={measure!r} is that of purchases in each period: it takes no other method and no other activity"
        raise OptionError(msg)
    if _frame.is_lazy(log):
        refuse_keywords("cohort.retention", {"since": since, "cohort": cohort, "by": by})
        if money:
            msg = f"measure={measure!r} of a lazy frame is not counted by its engine: collect the frame first"
            raise OptionError(msg)
        return retention_lazily(log, period, method, spans, activity, as_of, level, MOST_CELLS, columns)
    done = activity_of(log, activity, as_of, columns, amounts=money)
    people = _people(done, since, cohort, by)
    # from the first day of a period on: who is followed from its middle may have bought earlier in it
    start = Calendar.spanning(period, int(people.day.min()), done.last_day).opening(0)
    calendar = Calendar.spanning(period, int(start), done.last_day)
    cells = _cells(done, people, calendar, method, spans, measure)
    if cohort is not None:
        cells = pooled(cells.where(cells.mature))
        if cells.n.size == 0:
            msg = (
                f"no period of any customer is over on {done.clock.date(done.last_day)}; give a later as_of, or a shorter period"
            )
            raise DataError(msg)
    names: dict[str, Any] = {}
    if people.by is not None:
        names["by"] = _frame.Labelled(people.by, cells.group % len(people.by))
    if people.cohort is not None:
        names["cohort"] = _frame.Labelled(people.cohort, cells.group // people.n_by)
    else:
        names["cohort"] = calendar.labels(cells.cohort)
    table, holes = written(cells, names, level=level, measure=measure, kind=done.labels.kind)
    if holes:
        warnings.warn(
            f"{holes:,} cells have no interval or no value: a cohort of one customer says nothing about how much customers"
            " differ, one without revenue in period 0 has nothing to retain. They hold missing values. Use longer periods."
            " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=2,
        )
    if done.labels.kind == "pandas":
        table.attrs.update(
            period=period,
            method=method,
            activity=activity,
            measure=measure,
            as_of=done.clock.date(done.last_day),
            level=level,
        )
    return table


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _People:
    """The customers to follow: their place in the log (-1: none), the day they start, and the group they are in."""

    customer: Integers
    day: Integers
    group: Integers  # place of `cohort` times number of `by`, plus place of `by`
    cohort: _frame.Labels | None
    by: _frame.Labels | None

    @property
    def n_by(self) -> int:
        return 1 if self.by is None else len(self.by)


def _people(done: Activity, since: Any, cohort: Any, by: Any) -> _People:
    customer, day = done.starts()
    ids: Any = done.labels.as_index()
    if since is None:
        if customer.size == 0:
            msg = f"nobody bought anything by {done.clock.date(done.last_day)}: there is no cohort"
            raise DataError(msg)
        ids = ids.take(customer)
    else:
        starts = read_attribute(since, "since")
        starts.rows_of(ids.take(customer))
        customer = done.labels.codes_of(starts.ids.labels.as_index(), what="customer").astype(np.int64)
        day = np.empty(customer.size, np.int64)
        day[starts.ids.codes] = starts.days()
        here = np.flatnonzero(day <= done.last_day)
        if here.size == 0:
            msg = f"since: nobody starts by {done.clock.date(done.last_day)}, the last day that is known"
            raise DataError(msg)
        customer, day, ids = customer[here], day[here], starts.ids.labels.as_index().take(here)
    group = np.zeros(customer.size, np.int64)
    labels: list[_frame.Labels | None] = []
    for keyword, given in (("cohort", cohort), ("by", by)):
        if given is None:
            labels.append(None)
            continue
        attribute = read_attribute(given, keyword)
        values = attribute.groups()
        codes, names = values.labels.used(_frame.readonly(values.codes[attribute.rows_of(ids)]))
        group = group * len(names) + codes
        labels.append(names)
    return _People(customer, day, group, *labels)


def _checked_brackets(brackets: Any, method: str) -> list[tuple[int, int]] | None:
    if (brackets is not None) != (method == "bracket"):
        msg = 'brackets= and method="bracket" go together'
        raise OptionError(msg)
    if brackets is None:
        return None
    checked: list[tuple[int, int]] = []
    try:
        checked = [(_options.whole("brackets", low, low=0), _options.whole("brackets", high, low=0)) for low, high in brackets]
    except (TypeError, ValueError):
        checked = []
    edges = [edge for bracket in checked for edge in bracket]
    in_order = all(low <= high for low, high in checked)
    if not checked or not in_order or any(a >= b for a, b in zip(edges[1::2], edges[2::2], strict=False)):
        msg = f"brackets={brackets!r} is not a list of (first, last) periods, ascending and apart, such as [(1, 3), (4, 12)]"
        raise OptionError(msg)
    return checked


def _cells(
    done: Activity,
    people: _People,
    calendar: Calendar,
    method: str,
    spans: list[tuple[int, int]] | None,
    measure: str,
) -> Cells:
    """Count and add up, one row per group and cohort, one column per period of age or bracket."""
    n_periods = calendar.n
    origin = calendar.number(people.day)
    key = people.group * n_periods + origin
    found = np.unique(key)
    row: Integers = _frame.readonly(np.searchsorted(found, key))
    group, cohort = found // n_periods, found % n_periods
    slots = [(age, age) for age in range(n_periods)] if spans is None else [span for span in spans if span[0] < n_periods]
    if found.size * max(len(slots), 1) > MOST_CELLS:
        msg = (
            f"the table would have {found.size:,} × {len(slots):,} cells, more than {MOST_CELLS:,}; use longer periods, or"
            " fewer groups"
        )
        raise LimitError(msg)
    first_slot = np.array([low for low, _ in slots], np.int64)
    last_slot = np.array([high for _, high in slots], np.int64)
    slot_of_age = np.full(n_periods, -1, np.int32)
    for place, (low, high) in enumerate(slots):
        slot_of_age[low : high + 1] = place
    grid = Grid(
        calendar,
        (found.size, len(slots)),
        _frame.readonly(people.customer),
        _frame.readonly(origin),
        row,
        _frame.readonly(slot_of_age),
    )
    n = np.bincount(row, minlength=found.size)
    base = revenue = variation = None
    if isinstance(done, LogActivity) and measure != "customers":
        active, sums = _revenue(done, grid, MODES[measure])
        base, revenue, variation = _of_revenue(n, measure, *sums)
    elif method == "unbounded":
        # active at an age or later
        active = np.cumsum(done.last_active(grid)[:, ::-1], axis=1)[:, ::-1]
    else:
        active = done.active(grid)
    begun = cohort[:, None] + first_slot < n_periods
    # a period is over if the next one begins by the day after the last that is known
    over = calendar.opening(cohort[:, None] + last_slot + 1) <= calendar.last_day + 1
    at, slot = np.nonzero(begun)
    return Cells(
        group=group[at],
        cohort=cohort[at],
        first=first_slot[slot],
        last=None if spans is None else last_slot[slot],
        n=n[at],
        active=active[at, slot],
        mature=over[at, slot],
        revenue=None if revenue is None else revenue[at, slot],
        base=None if base is None else base[at, slot],
        variation=None if variation is None else variation[at, slot],
        cohorts=np.ones(at.size, np.int64),
    )


def _revenue(done: LogActivity, grid: Grid, mode: int) -> tuple[Integers, list[Floats]]:
    n_rows = grid.shape[0]
    largest = float(np.abs(done.amount).max(initial=0.0))
    if largest > LARGEST:
        msg = f"amounts reach {largest:g}, too large to be squared for the intervals; look for a filler, or a wrong unit"
        raise DataError(msg)

    def work(piece: Any) -> Any:
        sums: Any = [np.zeros(shape) for shape in (n_rows, n_rows, grid.shape, grid.shape, grid.shape)]
        active = np.zeros(grid.shape, np.int64)
        arguments: Any = (done.start, done.time, done.amount, *done.of(grid), mode, *piece, active, *sums)
        _k.add_revenue(*arguments)
        return active, *sums

    tables = [added(list(parts)) for parts in zip(*_threads.run(work, _threads.chunks(grid.row.size, CUSTOMERS)), strict=True)]
    return tables[0], tables[1:]


def _of_revenue(
    n: Integers, measure: str, base: Floats, base_squared: Floats, revenue: Floats, squared: Floats, crossed: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return base, revenue, and the sum of squares of what revenue differs from its ratio to the base, customer by customer."""
    if measure == "cumulative_revenue":
        revenue, squared = np.cumsum(revenue, axis=1), np.cumsum(squared, axis=1)
        each = np.broadcast_to(n[:, None].astype(np.float64), revenue.shape)
        variation = squared - revenue**2 / each
    else:
        each = np.broadcast_to(base[:, None], revenue.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(each > 0, revenue / each, 0.0)
        variation = squared - 2.0 * ratio * crossed + ratio**2 * base_squared[:, None]
        variation[:, 0] = 0.0  # period 0 is its own base
        variation[base <= 0] = 0.0
    # where all customers are alike, rounding is all that is left
    return each, revenue, np.maximum(variation, 0.0)
