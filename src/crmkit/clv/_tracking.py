"""Repeat purchases of a cohort, period by period: those made, and those a model expects from when customers joined alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options
from crmkit.clv._purchase import PoissonModel
from crmkit.clv._units import days_in
from crmkit.clv.summary import day_of
from crmkit.clv.validate import model_names
from crmkit.errors import DataError, FitError, LimitError, OptionError

if TYPE_CHECKING:
    from crmkit._events import ColumnNames, EventLog

__all__ = ["tracking"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MOST_DAYS = 400_000  # a thousand years
_CELLS = 1_000_000  # expectations asked for at once


def tracking(
    models: Any,
    log: Any,
    /,
    *,
    calibration_end: Any = None,
    end: Any = None,
    period: str = "7D",
    **columns: Unpack[ColumnNames],
) -> Any:
    r"""Tell for each period how many repeat purchases a cohort made, and how many a model expected.

    Parameters
    ----------
    models : model, sequence of models or mapping of str to model
        Purchase models that know their unit of time; a mapping gives them names.
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`, ``amount=None`` where there are no amounts.
    calibration_end : date-like, optional
        Last day that the models were fitted on: customers who joined later are left out, and periods that end later are marked.
        Default: the day of the log's last event.
    end : date-like, optional
        Last day looked at. Default: the day of the log's last event.
    period : str, default "7D"
        Length of a period, in whole days.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    DataFrame
        One row per model and period: ``model``; ``period``, from 1, the first beginning on the day of the first purchase of the
        cohort; ``end``, its last day; ``holdout``, whether that lies after `calibration_end`; ``actual`` and ``expected`` repeat
        purchases in the period, ``cumulative_actual`` and ``cumulative_expected`` until its end. The last period is shorter where
        `end` cuts it.

    Raises
    ------
    ColumnError
        A column is missing, or the log has no times.
    DataError
        Nobody bought by `calibration_end`.
    FitError
        A model does not know its unit of time, or counts opportunities instead of time.
    LimitError
        First purchase and end are more than 400,000 days apart.
    OptionError
        `period`, `calibration_end` or `end` is not usable.

    Notes
    -----
    Purchases of one calendar day are one purchase, and the first of a customer is no repeat. What is expected until the midnight
    that ends a period is :math:`E[X(e)]` of a new customer, summed over customers, with e counted from the midnight that began
    the day they joined: it does not look at what they bought. A model that tracks well can still be wrong about each customer:
    see `evaluate`.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2), 275-284.

    Examples
    --------
    >>> from crmkit import clv, datasets
    >>> shop = datasets.make_transactions(n_customers=200)
    >>> model = clv.fit_bg_nbd(clv.summarize(shop.transactions, end="2024-01-01"))
    >>> weeks = clv.tracking(model, shop.transactions, calibration_end="2024-01-01", period="28D")
    >>> weeks.columns.tolist()[3:]
    ['holdout', 'actual', 'expected', 'cumulative_actual', 'cumulative_expected']
    """
    length = _options.days("period", period)
    if length != int(length):
        msg = f"period={period!r} is not a whole number of days"
        raise OptionError(msg)
    named = model_names(models)
    for model in named.values():
        if not isinstance(model, PoissonModel) or model.unit is None:
            what = "counts opportunities, not time" if hasattr(model, "gamma") else "does not know its unit of time"
            if not isinstance(model, PoissonModel) and not hasattr(model, "gamma"):
                what = "does not count purchases"
            msg = f"{type(model).__name__} {what}: tracking needs purchase models fitted on the table of clv.summarize"
            raise FitError(msg)
    log = _events.as_log(log, **columns)
    log.require("time")
    cut, last = day_of(log, calibration_end, "calibration_end"), day_of(log, end, "end")
    if last < cut:
        cut = last
    joined, repeats = _cohort(log, cut, last)
    origin = int(joined.min()) if joined.size else 0
    if joined.size == 0:
        msg = f"no purchase lies on or before {log.clock.date(cut)}"
        raise DataError(msg)
    whole_days = last - origin + 1
    if whole_days > MOST_DAYS:
        msg = (
            f"the days from {log.clock.date(origin)} to {log.clock.date(last)} are more than {MOST_DAYS:,}; correct or drop the"
            " dates far off"
        )
        raise LimitError(msg)
    ends = np.minimum(np.arange(1, -(-whole_days // int(length)) + 1) * int(length), whole_days)
    actual = np.bincount((repeats - origin) // int(length), minlength=ends.size).astype(np.float64)
    offsets, customers = np.unique(joined - origin, return_counts=True)

    expected = [_expected(model, ends, offsets, customers) for model in named.values()]
    k, days = len(named), log.clock.ticks_per_day
    names = np.repeat(np.array(list(named), dtype=object), ends.size)
    table = {
        "model": names,
        "period": np.tile(np.arange(1, ends.size + 1), k),
        "end": _frame.Moments(np.tile(origin + ends - 1, k) * days, _frame.Clock(log.clock.unit, None)),
        "holdout": np.tile(origin + ends > cut + 1, k),
        "actual": np.tile(actual.astype(np.int64), k),
        "expected": np.concatenate([np.diff(whole, prepend=0.0) for whole in expected]),
        "cumulative_actual": np.tile(np.cumsum(actual).astype(np.int64), k),
        "cumulative_expected": np.concatenate(expected),
    }
    return _frame.table(table, kind=log.labels.kind)


def _cohort(log: EventLog, cut: int, last: int) -> tuple[Integers, Integers]:
    """Return the day each customer of the cohort joined, and the days of all their repeat purchases until `last`."""
    orders = log.orders
    order = _frame.wall_order(orders.start, orders.time, orders.instant, log.clock)
    day = (orders.time if order is None else orders.time[order]) // log.clock.ticks_per_day
    bought = np.diff(orders.start) > 0
    first = orders.start[:-1][bought]
    joined = day[first]
    customer = np.repeat(np.arange(joined.size), np.diff(orders.start)[bought])
    new_day = np.ones(day.size, np.bool_)
    new_day[1:] = (day[1:] != day[:-1]) | (customer[1:] != customer[:-1])
    new_day[first] = False
    seen = new_day & (day <= last) & (joined[customer] <= cut)
    return joined[joined <= cut], day[seen]


def _expected(model: PoissonModel, ends: Integers, offsets: Integers, customers: Integers) -> Floats:
    """Return the repeat purchases to expect of all until each end, from when they joined."""
    unit = days_in(str(model.unit))
    out = np.empty(ends.size)
    step = max(_CELLS // offsets.size, 1)
    for start in range(0, ends.size, step):
        some = slice(start, start + step)
        ages = np.maximum(ends[some][:, None] - offsets, 0) / unit
        out[some] = model.expected_purchases(ages) @ customers.astype(np.float64)
    return out
