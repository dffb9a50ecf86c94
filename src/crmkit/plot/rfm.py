"""Pictures of segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame
from crmkit.errors import DataError
from crmkit.plot import _canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["rfm_segments"]


def rfm_segments(segments: Any, summary: Any, /, *, ax: Axes | None = None) -> Axes:
    """Show how many of the customers, and how much of the revenue, each segment holds.

    Parameters
    ----------
    segments : Series or DataFrame
        The segment of each customer, as `rfm.segment` returns it.
    summary : DataFrame
        The same customers in the same order with their ``monetary``, as `rfm.summarize` returns it.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        One pair of bars per segment that has customers: share of customers above, share of revenue below.

    Raises
    ------
    ColumnError
        `summary` has no column ``monetary``, or `segments` none called ``segment``.
    DataError
        The two have different numbers of rows.

    Examples
    --------
    >>> import crmkit as crm
    >>> shop = crm.datasets.make_transactions()
    >>> summary = crm.rfm.summarize(shop.transactions, order="order_id")
    >>> segments = crm.rfm.segment(crm.rfm.score(summary))
    >>> crm.plot.rfm_segments(segments, summary).get_xlabel()
    'share of the total (%)'
    """
    frame = _frame.read(segments if _frame.is_frame(segments) else segments.to_frame("segment"))
    ids = _frame.ids(frame, "segment")
    monetary = _frame.numbers(summary, "monetary")
    if monetary.size != ids.codes.size:
        msg = f"segments has {ids.codes.size:,} rows and summary {monetary.size:,}; pass the same customers"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    names = [_canvas.literal(label) for label in ids.labels.as_index()]
    customers = np.bincount(ids.codes, minlength=len(names))
    revenue = np.bincount(ids.codes, weights=monetary, minlength=len(names))
    total = revenue.sum()
    place = np.arange(len(names))
    people_share = 100.0 * customers / customers.sum()
    money_share = 100.0 * revenue / total if total > 0 else np.zeros(len(names))
    ax.barh(place - 0.2, people_share, height=0.38, color=_canvas.MAIN, label=f"customers (n = {customers.sum():,})")
    ax.barh(place + 0.2, money_share, height=0.38, color=_canvas.ACCENT, label=f"revenue (total {total:,.0f})")
    for at, people, money, count, amount in zip(place, people_share, money_share, customers, revenue, strict=True):
        _canvas.note(ax, f"{count:,}", (people, at - 0.2), (3, 0))
        _canvas.note(ax, f"{amount:,.0f}", (money, at + 0.2), (3, 0))
    ax.set_yticks(place, names)
    ax.invert_yaxis()
    ax.set_xlabel("share of the total (%)")
    ax.margins(x=0.16)
    ax.set_xlim(left=0)
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2)
    _canvas.plain(ax, grid="x")
    return ax
