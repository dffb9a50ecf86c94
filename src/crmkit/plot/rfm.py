"""Pictures of segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, _options, rfm
from crmkit.errors import DataError
from crmkit.plot import _canvas, _grid
from crmkit.results import in_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["rfm_distributions", "rfm_heatmap", "rfm_lorenz", "rfm_map", "rfm_segments", "rfm_transitions"]

UNITS = {"recency_days": "days since the last order", "frequency": "orders", "monetary": "revenue"}


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


def rfm_map(scores: Any, /, *, segments: Any = None, ax: Axes | None = None) -> Axes:
    """Show which segment each pair of recency and frequency scores belongs to, and how many customers are there.

    Parameters
    ----------
    scores : DataFrame
        One row per customer with ``r``, ``f`` and ``m``, as `rfm.score` returns them.
    segments : mapping, optional
        The map of segments. Default: `rfm.SEGMENTS`.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Frequency score against recency score; a cell names its segment, or the commonest of several and how many more, and
        is shaded by its customers.

    Raises
    ------
    ColumnError
        A score is missing.
    DataError
        A score is not a whole number, or there is no row.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import plot
    >>> plot.rfm_map(pd.DataFrame({"r": [5, 1], "f": [5, 1], "m": [5, 1]})).get_xlabel()
    'recency score (5: lately), n = 2 customers'
    """
    named = rfm.segment(scores, rfm.SEGMENTS if segments is None else segments)
    frame = _frame.read(scores)
    r, f, counts = _pairs(frame)
    found = _frame.read(named if _frame.is_frame(named) else named.to_frame("segment"))
    groups = _frame.ids(found, "segment")
    names = [_canvas.literal(name) for name in groups.labels.as_index()]
    words = []
    for i in range(counts.shape[0]):
        line = []
        for j in range(counts.shape[1]):
            here = np.bincount(groups.codes[(r == j + 1) & (f == counts.shape[0] - i)], minlength=len(names))
            others = int((here > 0).sum()) - 1
            name = names[int(here.argmax())].replace(" ", "\n")
            more = f"\n(+{others})" if others > 0 else ""
            line.append(f"{name}{more}\n{int(here.sum()):,}" if here.sum() else "")
        words.append(line)
    ax = _canvas.axes(ax)
    scale = [str(score) for score in range(1, counts.shape[1] + 1)]
    _grid.cells(ax, np.where(counts > 0, counts, np.nan), words, rows=_falling(counts), columns=scale)
    ax.set_xlabel(f"recency score ({counts.shape[1]}: lately), n = {int(counts.sum()):,} customers")
    ax.set_ylabel(f"frequency score ({counts.shape[0]}: often)")
    return ax


def rfm_heatmap(scores: Any, summary: Any, /, *, measure: str = "monetary", ax: Axes | None = None) -> Axes:
    """Show what the customers of each pair of recency and frequency scores are like on average.

    Parameters
    ----------
    scores : DataFrame
        One row per customer with ``r`` and ``f``, as `rfm.score` returns them.
    summary : DataFrame
        The same customers in the same order, as `rfm.summarize` returns them.
    measure : {"monetary", "frequency", "recency_days"}, default "monetary"
        The column whose mean is shown.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Frequency score against recency score; a cell holds the mean and the number of customers.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        The two have different numbers of rows, or a value is missing.
    OptionError
        `measure` is not one of its values.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import plot
    >>> scores = pd.DataFrame({"r": [2, 1], "f": [2, 1]})
    >>> plot.rfm_heatmap(scores, pd.DataFrame({"monetary": [90.0, 10.0]})).get_title()
    'mean revenue (n = customers)'
    """
    _options.choice("measure", measure, UNITS)
    r, f, counts = _pairs(_frame.read(scores))
    values = _frame.numbers(summary, measure)
    if values.size != r.size:
        msg = f"scores has {r.size:,} rows and summary {values.size:,}; pass the same customers"
        raise DataError(msg)
    sums = np.zeros(counts.shape)
    np.add.at(sums, (counts.shape[0] - f, r - 1), values)
    mean = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    words = [
        [f"{m:,.0f}\nn = {int(c):,}" if c else "" for m, c in zip(*row, strict=True)] for row in zip(mean, counts, strict=True)
    ]
    ax = _canvas.axes(ax)
    columns = [str(score) for score in range(1, counts.shape[1] + 1)]
    _grid.cells(ax, np.maximum(mean, 0.0), words, rows=_falling(counts), columns=columns)
    ax.set_xlabel(f"recency score ({counts.shape[1]}: lately)")
    ax.set_ylabel(f"frequency score ({counts.shape[0]}: often)")
    ax.set_title(f"mean {UNITS[measure]} (n = customers)", size="medium", color=_canvas.INK)
    return ax


def rfm_distributions(segments: Any, summary: Any, /, *, measure: str = "monetary", ax: Axes | None = None) -> Axes:
    """Show how one measure is spread within each segment.

    Parameters
    ----------
    segments : Series or DataFrame
        The segment of each customer, as `rfm.segment` returns it.
    summary : DataFrame
        The same customers in the same order, as `rfm.summarize` returns them.
    measure : {"monetary", "frequency", "recency_days"}, default "monetary"
        The column that is shown.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Per segment the median, the middle half (thick) and the middle nine tenths (thin) of its customers.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        The two have different numbers of rows, or a value is missing.
    OptionError
        `measure` is not one of its values.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import plot
    >>> segments = pd.Series(["good", "good", "other"], name="segment")
    >>> plot.rfm_distributions(segments, pd.DataFrame({"monetary": [90.0, 80.0, 10.0]})).get_xlabel()
    'revenue per customer: median, middle half, middle nine tenths'
    """
    _options.choice("measure", measure, UNITS)
    groups = _frame.ids(_frame.read(segments if _frame.is_frame(segments) else segments.to_frame("segment")), "segment")
    values = _frame.numbers(summary, measure)
    if values.size != groups.codes.size or values.size == 0:
        msg = f"segments has {groups.codes.size:,} rows and summary {values.size:,}; pass the same customers, at least one"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    members = [values[groups.codes == place] for place in range(len(groups.labels))]
    ends = np.array([np.quantile(mine, [0.05, 0.25, 0.5, 0.75, 0.95]) for mine in members])
    place = np.arange(len(members))
    ax.hlines(place, ends[:, 0], ends[:, 4], color=_canvas.MAIN, linewidth=1.2)
    ax.hlines(place, ends[:, 1], ends[:, 3], color=_canvas.MAIN, linewidth=7, alpha=0.45)
    ax.plot(ends[:, 2], place, "o", color=_canvas.ACCENT, markersize=6)
    names = [_canvas.literal(label) for label in groups.labels.as_index()]
    ax.set_yticks(place, [f"{name}\nn = {mine.size:,}" for name, mine in zip(names, members, strict=True)])
    ax.invert_yaxis()
    if measure == "monetary" and ends[:, 0].min() > 0:
        ax.set_xscale("log")
    what = UNITS[measure] if measure == "recency_days" else f"{UNITS[measure]} per customer"
    ax.set_xlabel(f"{what}: median, middle half, middle nine tenths")
    _canvas.plain(ax, grid="x")
    return ax


def rfm_transitions(table: Any, /, *, ax: Axes | None = None) -> Axes:
    """Show which share of each segment went where.

    Parameters
    ----------
    table : DataFrame
        As `rfm.transitions` returns it.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        One row per segment before, one column per segment after; a cell holds the share of the row (%) and the customers.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A number is missing, or the table is empty.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import plot, rfm
    >>> moved = rfm.transitions(pd.Series(["A", "B"]), pd.Series(["A", "A"]))
    >>> plot.rfm_transitions(moved).get_xlabel()
    'segment after'
    """
    frame = _frame.read(table)
    before, after = _frame.ids(frame, "before"), _frame.ids(frame, "after")
    share, moved, n = (_frame.numbers(frame, name) for name in ("value", "moved", "n"))
    if share.size == 0:
        msg = "the table has no rows"
        raise DataError(msg)
    shape = (len(before.labels), len(after.labels))
    values = np.full(shape, np.nan)
    values[before.codes, after.codes] = share
    words = [["" for _ in range(shape[1])] for _ in range(shape[0])]
    of = np.zeros(shape[0])
    for i, j, part, count, total in zip(before.codes, after.codes, share, moved, n, strict=True):
        words[i][j] = f"{100 * part:.0f} %\n{int(count):,}" if count else "0"
        of[i] = total
    rows = [f"{_canvas.literal(name)}\nn = {int(count):,}" for name, count in zip(before.labels.as_index(), of, strict=True)]
    ax = _canvas.axes(ax)
    columns = [_canvas.literal(name).replace(" ", "\n") for name in after.labels.as_index()]
    _grid.cells(ax, values, words, rows=rows, columns=columns, highest=1.0)
    ax.set_xlabel("segment after")
    ax.set_ylabel("segment before (n = customers)")
    return ax


def rfm_lorenz(concentration: rfm.Concentration, /, *, ax: Axes | None = None) -> Axes:
    """Show how unequally revenue is spread over customers: the Lorenz curve.

    Parameters
    ----------
    concentration : Concentration
        As `rfm.concentration` returns it.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Share of the revenue (%) against share of the customers (%), the least first.

    Raises
    ------
    DataError
        The curve holds a missing number.

    Examples
    --------
    >>> from crmkit import datasets, plot, rfm
    >>> shop = datasets.make_transactions(n_customers=100)
    >>> plot.rfm_lorenz(rfm.concentration(shop.transactions)).get_ylabel()
    'share of the revenue (%)'
    """
    customers, revenue = (_frame.numbers(concentration.lorenz, name) for name in ("customers", "revenue"))
    gini, best = concentration.gini, concentration.top_share
    ax = _canvas.axes(ax)
    ax.plot([0, 100], [0, 100], color=_canvas.MUTED, linewidth=1, linestyle=(0, (2, 3)), label="all customers alike")
    ax.plot(100 * customers, 100 * revenue, color=_canvas.MAIN, linewidth=2.2, label=f"revenue (n = {gini.n:,.0f} customers)")
    mark = 100 * (1 - concentration.top)
    height = float(np.interp(mark, 100 * customers, 100 * revenue))
    ax.plot([mark], [height], "o", color=_canvas.ACCENT, markersize=6)
    words = (
        f"best {100 * concentration.top:.3g} %: {100 * best.value:.0f} % ({100 * best.ci_low:.0f} to {100 * best.ci_high:.0f})"
    )
    beside = {"textcoords": "offset points", "ha": "right", "size": "small", "color": _canvas.INK, "bbox": _canvas.PAPER}
    ax.annotate(words, (mark, height), (-8, 8), **beside)  # type: ignore[arg-type]
    ax.set_title(
        f"Gini {gini.value:.2f} ({in_percent(gini.level)} interval {gini.ci_low:.2f} to {gini.ci_high:.2f})".replace("%", " %"),
        size="medium",
        color=_canvas.INK,
    )
    ax.set_xlabel("share of the customers, least valuable first (%)")
    ax.set_ylabel("share of the revenue (%)")
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 101)
    ax.legend(frameon=False, loc="upper left")
    _canvas.plain(ax, grid="both")
    return ax


def _pairs(frame: _frame.Frame) -> tuple[Any, Any, Any]:
    """Scores r and f, and the customers of each pair: rows by falling f, columns by rising r."""
    r, f = (_frame.numbers(frame, letter, positive=True, whole=True).astype(np.int64) for letter in "rf")
    if r.size == 0:
        msg = "the scores have no rows"
        raise DataError(msg)
    highest = int(max(r.max(), f.max()))
    counts = np.zeros((highest, highest))
    np.add.at(counts, (highest - f, r - 1), 1)
    return r, f, counts


def _falling(counts: Any) -> list[str]:
    return [str(score) for score in range(counts.shape[0], 0, -1)]
