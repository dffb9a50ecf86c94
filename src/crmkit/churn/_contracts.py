"""The panel of contracts: each has a first moment and a first moment without, and says itself who is a customer."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit._frame import Clock, Labelled, Labels, readonly
from crmkit._kernels import panel as _k
from crmkit.churn._bounds import finished, make_bounds, several
from crmkit.churn._keyed import as_frame
from crmkit.errors import DataError, OptionError

__all__ = ["panel_of_contracts"]

Ticks = npt.NDArray[np.int64]

RETURNED = ("churned", "stayed")
NEVER = np.iinfo(np.int64).max
NO_TICKS = readonly(np.empty(0, np.int64))
CUSTOMERS = 1 << 15  # in one piece of work


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Contracts:
    """Contracts customer by customer, by first moment within each, in UTC ticks."""

    labels: Labels
    clock: Clock
    start: Ticks
    begins: Ticks
    ends: Ticks  # NEVER where it runs on
    carried: dict[str, Any]  # a column each, as numbers or as labelled codes
    known_until: int
    shown: str


def panel_of_contracts(
    data: Any,
    cutoffs: Any,
    horizon: Any,
    ahead: float | None,
    start: str | None,
    end: str | None,
    *,
    returned: str,
    carry: Any,
    as_of: Any,
    unfinished: str,
    columns: Any,
) -> Any:
    """Describe each customer under contract at each cutoff, and say whether their cover then ended."""
    _options.choice("returned", returned, RETURNED)
    had = _read(data, start, end, several(carry), as_of, columns)
    bounds = make_bounds(had.clock, cutoffs, {}, ahead)
    bounds = finished(bounds, had.known_until, horizon=horizon, unfinished=unfinished, shown=had.shown, stacklevel=4)
    n_customers = len(had.labels)
    eligible = np.zeros((n_customers, bounds.cutoffs.size), np.bool_)
    _threads.run(
        lambda piece: _k.in_force(had.start, had.begins, had.ends, bounds.cutoffs, *piece, eligible),
        _threads.chunks(n_customers, CUSTOMERS),
    )
    empty = np.flatnonzero(~eligible.any(axis=0))
    if empty.size:
        msg = f"no contract is in force at cutoff {bounds.cutoff_stamps[int(empty[0])]}; {had.shown}"
        raise DataError(msg)
    eligible = readonly(eligible)
    per_customer = eligible.sum(axis=1)
    first_row = readonly(np.cumsum(per_customer) - per_customer)
    n = int(per_customer.sum())
    tenure, spell, contract, number, running, lapses, uncovered, latest = (np.empty(n, np.int64) for _ in range(8))
    lapsed, gone = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    ends = NO_TICKS if bounds.ends is None else bounds.ends
    _threads.run(
        lambda piece: _k.contracts(
            had.start, had.begins, had.ends, bounds.cutoffs, ends, eligible, first_row, *piece,
            tenure, spell, contract, number, running, lapses, uncovered, latest, lapsed, gone,
        ),
        _threads.chunks(n_customers, CUSTOMERS),
    )  # fmt: skip
    day = had.clock.ticks_per_day
    customer, cutoff = np.nonzero(eligible)
    measures: dict[str, Any] = {
        "tenure_days": tenure / day,
        "spell_days": spell / day,
        "contract_days": contract / day,
        "contracts": number,
        "in_force": running,
        "lapses": lapses,
        "uncovered_days": uncovered / day,
    }
    for name, column in had.carried.items():
        if name in (*measures, "label_end", "churned", "cutoff"):
            msg = f"carry={name!r} is named like a column of the panel; rename it"
            raise OptionError(msg)
        measures[name] = Labelled(column.labels, column.codes[latest]) if isinstance(column, Labelled) else column[latest]
    if bounds.ends is not None:
        measures["label_end"] = Labelled(Labels(bounds.end_stamps, "pandas"), cutoff)
        measures["churned"] = lapsed if returned == "churned" else gone
    return as_frame(
        measures,
        had.labels,
        str(columns.get("customer", "customer_id")),
        bounds,
        customer,
        cutoff,
        horizon=None if horizon is None else str(horizon),
        log_end=had.shown,
        eligible="had a contract in force at the cutoff",
    )


def _read(data: Any, start: str | None, end: str | None, carry: list[Any], as_of: Any, columns: Any) -> _Contracts:
    if start is None or end is None:
        msg = "contracts have both start= and end=, the columns of their dates (an end may be missing in a row)"
        raise OptionError(msg)
    if set(columns) - {"customer"}:
        msg = f"contracts take customer=, start= and end=; drop {sorted(set(columns) - {'customer'})}"
        raise OptionError(msg)
    frame = _frame.read(data)
    if len(frame) == 0:
        msg = "the frame has no rows"
        raise DataError(msg)
    ids = _frame.ids(frame, columns.get("customer", "customer_id"), keyword="customer")
    starts = _frame.times(frame, start, keyword="start")
    running = _frame.ids(frame, end, keyword="end", missing="drop").codes < 0
    begins, clock = starts.instant, starts.clock
    if running.all():
        ends = np.full(len(frame), NEVER)
    else:
        read = _frame.times(frame, end, keyword="end", ignore=running)
        if read.clock.zone != clock.zone:
            msg = f"{start!r} is in zone {clock.zone}, {end!r} in {read.clock.zone}; give both the same"
            raise DataError(msg)
        fine = max(clock, read.clock, key=lambda each: each.ticks_per_day)
        begins = _scaled(begins, clock, fine, start)
        ends = np.where(running, NEVER, _scaled(np.where(running, 0, read.instant), read.clock, fine, end))
        clock = fine
    wrong = ends < begins
    if wrong.any():
        count, row = _frame.first_place(wrong)
        msg = f"column {end!r}: {count:,} before {start!r}, the first in row {row}; a contract ends when it starts or later"
        raise DataError(msg)
    last = int(max(begins.max(), ends[~running].max(initial=begins.max())))
    # the day of the last date, or the day named, is known to its end
    day = clock.day(clock.in_zone(last) if as_of is None else as_of, keyword="as_of")
    known_until = clock.instant(clock.stamp((day + 1) * clock.ticks_per_day))
    known = np.flatnonzero(begins < known_until)
    if known.size == 0:
        msg = f"no contract has started by {clock.date(day)}"
        raise DataError(msg)
    carried = {str(name): _attribute(frame, name) for name in carry}
    codes, labels = ids.labels.used(readonly(ids.codes[known]))
    # by what is known when a contract begins: of two that begin at once, the one in force last is told by its attributes
    keys = [_key(column)[known] for column in carried.values()]
    order = known[np.lexsort((*keys, begins[known], codes))]
    ends = np.where(ends >= known_until, NEVER, ends)
    return _Contracts(
        labels=labels,
        clock=clock,
        start=readonly(np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(labels)))])),
        begins=readonly(begins[order]),
        ends=readonly(ends[order]),
        carried={
            name: Labelled(column.labels, column.codes[order]) if isinstance(column, Labelled) else column[order]
            for name, column in carried.items()
        },
        known_until=known_until,
        shown=f"contracts are known to {clock.date(day)}",
    )


def _attribute(frame: _frame.Frame, name: Any) -> Any:
    """Read a column to carry over: numbers, or anything that can be an id."""
    series = _frame.as_pandas(frame.column(name, keyword="carry"), frame.kind)
    if series.dtype.kind in "iuf":
        return _frame.numbers(frame, name, keyword="carry")
    found = _frame.ids(frame, name, keyword="carry")
    return Labelled(found.labels, found.codes)


def _key(column: Any) -> npt.NDArray[Any]:
    return np.asarray(column.codes if isinstance(column, Labelled) else column)


def _scaled(ticks: Ticks, clock: Clock, fine: Clock, column: str) -> Ticks:
    scale = fine.ticks_per_day // clock.ticks_per_day
    if scale > 1 and ticks.size and int(np.abs(ticks).max()) > NEVER // scale:
        msg = f"column {column!r} has times that {fine.unit} cannot count to; look for a filler"
        raise DataError(msg)
    return ticks * scale
