"""Rows of spells as rows of periods, for any learner of probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from crmkit import _frame, _options
from crmkit._kernels import hazard as _k
from crmkit.errors import DataError, LimitError, OptionError
from crmkit.survival import _times
from crmkit.survival._periods import periods_of

__all__ = ["hazard_panel"]

MOST_ROWS = 2**31 - 1


def hazard_panel(
    frame: Any,
    /,
    *,
    duration: str = "duration",
    event: str = "event",
    features: Any = None,
    entry: str | None = None,
    width: float = 1.0,
    customer: str | None = None,
    weight: str | None = None,
    collapse: bool = False,
) -> Any:
    r"""Write each customer out period by period: still there at its begin, and gone by its end or not.

    Parameters
    ----------
    frame : DataFrame
        One row per customer or contract; or several, of which each covers the time from `entry` to `duration` in which the
        features had the values of the row, the last one with the event, if it came.
    duration : str, default "duration"
        Column with the time to the event, or to when observation ended: zero or more, in any unit.
    event : str, default "event"
        Column that says whether it ended in the event (1, True) or was still going on when last seen (0, False).
    features : sequence of str, optional
        Columns to carry along. Default: all columns without another part in the call; outside pandas without the first, which
        holds ids.
    entry : str, optional
        Column with the time at which a row came under observation, if not from the start: where a period begins.
    width : float, default 1
        Length of a period in the unit of `duration`.
    customer : str, optional
        Column of ids to carry along, for folds that keep a customer's rows together.
    weight : str, optional
        Column with how many rows each stands for, above 0.
    collapse : bool, default False
        Whether to give rows that are alike only once, with their number as `weight`.

    Returns
    -------
    DataFrame
        One row per row and period at risk, row by row in order: `period` (1 is the first), `event` (whether it came in this
        period), the features, and `weight` with `weight` or `collapse`; behind the customer, if any. Collapsed rows come by
        period, event and features.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A value is missing or infinite, a duration negative, an event neither 0 nor 1, or at time 0, an entry not before its
        duration or inside a period, or no row saw a period to its end.
    OptionError
        `width` is not above 0, or a column has two parts.
    LimitError
        The panel would have more than 2,147,483,647 rows.

    Notes
    -----
    Period k is the time above :math:`(k - 1) w` up to and including :math:`k w`. An event counts in the period that holds it; a
    row censored inside a period is not at risk in it, for nobody saw how it ended. Any classifier that returns probabilities
    then learns the hazard :math:`P(T \in \text{period } k \mid T \text{ beyond period } k - 1, x)`, and
    :math:`S(k) = \prod_{j \le k} (1 - h_j)`; `fit_hazard` does so without writing the periods out.

    References
    ----------
    Singer and Willett (1993), It's about time: using discrete-time survival analysis to study duration and the timing of
    events, Journal of Educational Statistics 18(2).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import survival
    >>> contracts = pd.DataFrame({"months": [2, 3], "left": [1, 0], "plan": ["month", "year"]})
    >>> survival.hazard_panel(contracts, duration="months", event="left")
       period  event   plan
    0       1      0  month
    1       2      1  month
    2       1      0   year
    3       2      0   year
    4       3      0   year
    """
    length = _options.number("width", width, low=0.0, ends=False)
    table = _frame.read(frame)
    known = [name for name in (duration, event, entry, customer, weight) if name is not None]
    lives = _times.read(table, duration=duration, event=event, by=None, entry=entry)
    names = _carried(table, features, known)
    counts = None if weight is None else _frame.numbers(table, weight, keyword="weight", positive=True)
    periods = periods_of(lives, length, duration, entry)
    total = int(periods.lengths.sum())
    if total == 0:
        msg = f"no row saw a period of {length:g} to its end; pass a shorter width="
        raise DataError(msg)
    if total > MOST_ROWS:
        msg = f"the panel would have {total:,} rows, more than {MOST_ROWS:,}; pass a longer width=, or use fit_hazard"
        raise LimitError(msg)
    row, period, happened = np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total, np.bool_)
    _k.written_out(periods.begun, periods.ended, periods.event, row, period, happened)
    # distinct values once: they come back with the type they had
    carried = {name: _frame.ids(table, name, keyword="features") for name in names}
    who = None if customer is None else _frame.ids(table, customer, keyword="customer")
    number = np.ones(total) if counts is None else counts[row]
    if collapse:
        codes = [ids.codes[row] for ids in ([] if who is None else [who]) + list(carried.values())]
        # by period and event, then by features as they sort
        order = np.lexsort([*reversed(codes), happened, period])
        changed = np.zeros(total, np.bool_)
        changed[0] = True
        for column in (*codes, happened, period):
            changed[1:] |= column[order][1:] != column[order][:-1]
        starts = np.flatnonzero(changed)
        number = np.add.reduceat(number[order], starts)
        kept = order[starts]
        row, period, happened = row[kept], period[kept], happened[kept]
    columns: dict[str, Any] = {"period": period, "event": happened.astype(np.int64)}
    keys = {} if who is None or customer is None else {customer: _frame.Labelled(who.labels, who.codes[row])}
    for name, ids in carried.items():
        _refuse_taken(name, ("period", "event", "weight"))
        columns[name] = _frame.Labelled(ids.labels, ids.codes[row])
    if collapse or counts is not None:
        columns["weight"] = number
    return _frame.table(columns, keys=keys, kind=table.kind)


def _refuse_taken(name: Any, taken: tuple[str, ...]) -> None:
    if name in taken:
        msg = f"features names {name!r}, which the panel gives to a column of its own; rename it"
        raise OptionError(msg)


def _carried(table: _frame.Frame, features: Any, known: list[Any]) -> list[Any]:
    """Return the columns to carry along, of which there need be none."""
    if features is None and len(table.columns) <= len(known):
        return []
    return _frame.chosen_features(
        table, features, known, first_is_id=table.kind != "pandas", purpose="for the hazard to depend on"
    )
