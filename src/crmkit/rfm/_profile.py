"""What the segments are: their size, their worth, their habits, and who moved from one to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, intervals
from crmkit.errors import DataError, LimitError, OptionError
from crmkit.results import confidence_level
from crmkit.rfm._summary import MEASURES

__all__ = ["profile", "transitions"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

STATISTICS = ("median", "mean", "sum", "mode")
ABSENT = "(absent)"  # the segment of who is not there at a date
MOST_SEGMENTS = 1000
OWN = ("segment", "customers", "share", "orders", "revenue", "revenue_share", *MEASURES.values())


def profile(segments: Any, summary: Any, /, *, columns: Sequence[Any] | Mapping[Any, str] = ()) -> Any:
    """Describe each segment: how many customers, how much of the revenue, and what its middle customer is like.

    Parameters
    ----------
    segments : Series or DataFrame
        The segment of each customer, as `segment` returns it, or any other grouping.
    summary : DataFrame
        The same customers in the same order with ``recency_days``, ``frequency`` and the total ``monetary``, as `summarize`
        returns them, and further columns of customers, if any.
    columns : sequence of str, or mapping of str to str, optional
        Further columns of `summary` to describe: a list for medians, or column -> "median", "mean", "sum" or "mode", where
        the mode gives two columns: the commonest value (the first in order, if several are), and ``<column>_share``, its
        share of the segment.

    Returns
    -------
    DataFrame
        One row per segment that has customers, in the order of the categories, indexed by segment in pandas: ``customers``,
        ``share`` (of them all), ``orders``, ``revenue``, ``revenue_share``; the medians ``recency_days``, ``frequency`` and
        ``monetary``; then the further columns.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        The two are not the same customers in the same order, a value is missing, or the revenue is not above zero.
    OptionError
        A statistic is not one of those named, or a column has the name of one of the result's.

    Examples
    --------
    >>> import crmkit as crm
    >>> from crmkit import datasets
    >>> shop = datasets.make_transactions(n_customers=200)
    >>> summary = crm.rfm.summarize(shop.transactions, order="order_id")
    >>> names = crm.rfm.segment(crm.rfm.score(summary, bins=2), {"Best": ((2, 2), (2, 2), (1, 2)), "Rest": ((1, 2),) * 3})
    >>> bool(crm.rfm.profile(names, summary)["customers"].sum() == len(summary))
    True
    """
    wanted = dict(columns) if isinstance(columns, Mapping) else dict.fromkeys(columns, "median")
    for name, statistic in wanted.items():
        _options.choice(f"columns[{name!r}]", statistic, STATISTICS)
        if name in OWN:
            msg = f"columns: {name!r} is in the result already"
            raise OptionError(msg)
    frame = _frame.read(summary)
    groups = _aligned(segments, frame)
    recency, orders = (_frame.numbers(frame, MEASURES[letter], nonnegative=True) for letter in "rf")
    amounts = _frame.numbers(frame, MEASURES["m"])
    total = amounts.sum()
    if not total > 0:
        msg = f"column 'monetary' adds up to {total:g}: shares of it are undefined"
        raise DataError(msg)
    order = np.argsort(groups.codes, kind="stable")
    edges = np.searchsorted(groups.codes[order], np.arange(1, len(groups.labels)))
    members = np.split(order, edges)
    customers = np.array([mine.size for mine in members])
    revenue = np.array([amounts[mine].sum() for mine in members])
    described: dict[Any, Any] = {
        "customers": customers,
        "share": customers / customers.sum(),
        "orders": np.array([orders[mine].sum() for mine in members]),
        "revenue": revenue,
        "revenue_share": revenue / total,
    }
    for measure, values in zip(MEASURES.values(), (recency, orders, amounts), strict=True):
        described[measure] = np.array([np.median(values[mine]) for mine in members])
    for name, statistic in wanted.items():
        if statistic == "mode":
            known = _frame.ids(frame, name)
            counts = [np.bincount(known.codes[mine], minlength=len(known.labels)) for mine in members]
            described[name] = _frame.Labelled(known.labels, np.array([count.argmax() for count in counts], np.int32))
            described[f"{name}_share"] = np.array([count.max() / count.sum() for count in counts])
        else:
            numbers = _frame.numbers(frame, name)
            described[name] = np.array([getattr(np, statistic)(numbers[mine]) for mine in members])
    return _frame.per_label(groups.labels, np.arange(len(groups.labels)), described, name="segment")


def transitions(before: Any, after: Any, /, *, level: float = 0.95) -> Any:
    r"""Tell who moved: how many of each segment at one date are in each segment at a later one.

    Parameters
    ----------
    before : Series or DataFrame
        The segment of each customer at the earlier date: a Series indexed by customer id; elsewhere than in pandas a frame
        of id and ``segment``, as `segment` returns it.
    after : Series or DataFrame
        The segment of each customer at the later date, in the same form; customers may differ.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        One row per pair of segments: ``before``, ``after``, ``n`` (customers in the first), ``moved`` (of these, in the
        second), ``value`` (their share), ``ci_low``, ``ci_high``. Who is in one of the two only is in the segment
        "(absent)" of the other. A segment without customers before has no rows.

    Raises
    ------
    ColumnError
        There is no column ``segment``.
    DataError
        A customer is there twice, or has no segment.
    LimitError
        There are more than 1,000 segments: the table has a row for every two of them.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    Both dates should be scored with the same cut points (``score(summary, thresholds=...)``): with their own quantiles at
    each date, a customer can move because others did. Each share has Wilson's interval by itself; they are not simultaneous.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158).

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> spring = pd.Series(["Loyal", "Loyal", "New"], index=["ann", "bob", "cid"])
    >>> summer = pd.Series(["Loyal", "Lost", "Loyal", "New"], index=["ann", "bob", "cid", "dee"])
    >>> moved = crm.rfm.transitions(spring, summer)
    >>> moved.loc[moved["moved"] > 0, ["before", "after", "n", "moved", "value"]].reset_index(drop=True)
         before  after  n  moved  value
    0     Loyal  Loyal  2      1    0.5
    1     Loyal   Lost  2      1    0.5
    2       New  Loyal  1      1    1.0
    3  (absent)    New  1      1    1.0
    """
    level = confidence_level(level)
    first, second = _by_customer(before, "before"), _by_customer(after, "after")
    _, of_first, of_second = first.ids.labels.merge(second.ids.labels)
    n_ids = int(max(of_first.max(), of_second.max())) + 1
    names = [str(name) for name in first.segments.labels.as_index()]
    names += [name for name in map(str, second.segments.labels.as_index()) if name not in names]
    if len(names) > MOST_SEGMENTS:
        msg = f"column 'segment' has {len(names):,} labels, more than {MOST_SEGMENTS:,}, each of which would meet each other"
        raise LimitError(msg)
    if ABSENT in names:
        msg = f"a segment is called {ABSENT!r}, which here means: not there at this date; rename it"
        raise DataError(msg)
    names.append(ABSENT)
    states = np.full((2, n_ids), len(names) - 1)
    for state, side, merged in zip(states, (first, second), (of_first, of_second), strict=True):
        place = np.array([names.index(str(name)) for name in side.segments.labels.as_index()])
        state[merged[side.ids.codes]] = place[side.segments.codes]
    counts = np.bincount(states[0] * len(names) + states[1], minlength=len(names) ** 2).reshape(len(names), len(names))
    there = np.flatnonzero(counts.sum(axis=1))
    # nobody goes from absent to absent, and no column says nothing
    arrived = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    arrived = arrived if counts[:, -1].any() else arrived[arrived < len(names) - 1]
    start, end = (place.ravel() for place in np.meshgrid(there, arrived, indexing="ij"))
    kept = (start != len(names) - 1) | (end != len(names) - 1)
    start, end = start[kept], end[kept]
    n, moved = counts.sum(axis=1)[start], counts[start, end]
    low, high = intervals.wilson(moved, n, level)
    table = {
        "before": _frame.Categories(start, names),
        "after": _frame.Categories(end, names),
        "n": n,
        "moved": moved,
        "value": moved / n,
        "ci_low": low,
        "ci_high": high,
    }
    return _frame.table(table, kind=first.kind)


class _Side:
    """Customers and segments at one date."""

    __slots__ = ("ids", "kind", "segments")

    def __init__(self, ids: _frame.Ids, segments: _frame.Ids, kind: str) -> None:
        self.ids, self.segments, self.kind = ids, segments, kind


def _by_customer(given: Any, keyword: str) -> _Side:
    if _frame.is_frame(given):
        frame = _frame.read(given)
        segments = _segments(frame)
        others = [name for name in frame.columns if name != "segment"]
        if others and _frame.is_numbered(frame):
            msg = (
                f"{keyword}: the index of the frame numbers its rows, and says nothing of customers; set it first, as with"
                f" .set_index({others[0]!r})"
            )
            raise DataError(msg)
        if frame.kind == "pandas":
            ids = _frame.ids(_frame.table({"id": frame.native.index.array}), "id")
        elif others:
            ids = _frame.ids(frame, others[0])
        else:
            msg = f"{keyword}: the frame has no column of customer ids"
            raise DataError(msg)
        kind = frame.kind
    elif hasattr(given, "index") and hasattr(given, "array"):
        ids = _frame.ids(_frame.table({"id": given.index.array}), "id")
        segments = _segments(_frame.read(given.to_frame("segment")))
        kind = "pandas"
    else:
        msg = f"{keyword} is a {type(given).__name__}; pass the segments of customers as `rfm.segment` returns them"
        raise DataError(msg)
    if ids.codes.size == 0:
        msg = f"{keyword}: there are no customers"
        raise DataError(msg)
    again = int((np.bincount(ids.codes) > 1).sum())
    if again:
        msg = f"{keyword}: {again:,} customers are there more than once; each has one segment at one date"
        raise DataError(msg)
    return _Side(ids, segments, kind)


def _segments(frame: _frame.Frame) -> _frame.Ids:
    return _frame.ids(frame, "segment")


def _aligned(segments: Any, frame: _frame.Frame) -> _frame.Ids:
    """Read the segment of each row of `frame`, whose customers must be the same in the same order."""
    if _frame.is_frame(segments):
        table = _frame.read(segments)
        index = table.native.index if table.kind == "pandas" else None
    elif hasattr(segments, "to_frame") and hasattr(segments, "index"):
        table, index = _frame.read(segments.to_frame("segment")), segments.index
    else:
        table, index = _frame.read(_frame.table({"segment": np.asarray(segments)})), None
    groups = _segments(table)
    if groups.codes.size != len(frame):
        msg = f"segments has {groups.codes.size:,} rows and summary {len(frame):,}; pass the same customers"
        raise DataError(msg)
    if len(frame) == 0:
        msg = "there are no customers to describe: the frame has no rows"
        raise DataError(msg)
    others: Sequence[Any]
    if index is not None and frame.kind == "pandas":
        same = bool(index.equals(frame.native.index))
    else:
        others = [name for name in table.columns if name != "segment" and name in frame.columns]
        same = not others or _same_ids(_frame.ids(table, others[0]), _frame.ids(frame, others[0]))
    if not same:
        msg = "segments and summary have different ids, or the same in another order; bring them into one order first"
        raise DataError(msg)
    return groups


def _same_ids(one: _frame.Ids, other: _frame.Ids) -> bool:
    # codes alone are places among the ids of their own frame
    return bool((other.labels.codes_of(one.labels.values, what="customer")[one.codes] == other.codes).all())
