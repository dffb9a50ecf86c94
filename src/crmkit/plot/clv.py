"""Pictures of customer value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, _options
from crmkit.errors import DataError, OptionError
from crmkit.plot import _canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["clv_calibration", "clv_tracking", "clv_value", "clv_value_histogram"]

STYLES: Any = ("-", "--", ":", "-.")  # of models, which share one colour


def clv_value(value: Any, /, *, truth: Any = None, ax: Axes | None = None) -> Axes:
    """Show how unequally expected value is spread: which share of it the best customers hold.

    Parameters
    ----------
    value : Series or array
        Expected value of each customer, zero or more.
    truth : Series or array, optional
        The true value of the same customers, where it is known; they are ranked by `value` all the same.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Share of the total value (%) against share of the customers (%), the best first.

    Raises
    ------
    DataError
        A value is missing, infinite or negative, or all are zero.

    Examples
    --------
    >>> from crmkit import plot
    >>> plot.clv_value([10.0, 5.0, 1.0, 0.0]).get_ylabel()
    'share of the total value (%)'
    """
    values = _canvas.values_of(value, "value")
    if values.size == 0 or values.min() < 0 or values.max() <= 0:
        msg = f"value: expected amounts of zero or more, some of them above zero, got {values.size:,} rows"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    order = np.argsort(-values, kind="stable")
    share = 100.0 * np.arange(values.size + 1) / values.size
    curve = np.concatenate([[0.0], 100.0 * np.cumsum(values[order]) / values.sum()])
    ax.plot([0, 100], [0, 100], color=_canvas.MUTED, linewidth=1, linestyle=(0, (2, 3)), label="all customers alike")
    ax.plot(share, curve, color=_canvas.MAIN, linewidth=2.2, label=f"expected value (n = {values.size:,})")
    if truth is not None:
        real = _canvas.values_of(truth, "truth")
        if real.size != values.size or real.sum() <= 0:
            msg = f"truth has {real.size:,} rows with a total of {real.sum():g}; pass the same {values.size:,} customers"
            raise DataError(msg)
        true_curve = np.concatenate([[0.0], 100.0 * np.cumsum(real[order]) / real.sum()])
        ax.plot(share, true_curve, color=_canvas.ACCENT, linewidth=2.2, linestyle="--", label="true value, same order")
    for mark in (10, 20):
        height = float(np.interp(mark, share, curve))
        ax.plot([mark], [height], marker="o", color=_canvas.MAIN, markersize=5)
        _canvas.note(ax, f"best {mark} %: {height:.0f} %", (mark, height), (8, -9))
    ax.set_xlabel("share of the customers, most valuable first (%)")
    ax.set_ylabel("share of the total value (%)")
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 101)
    ax.legend(frameon=False, loc="lower right")
    _canvas.plain(ax, grid="both")
    return ax


def clv_value_histogram(value: Any, /, *, bins: int = 30, ax: Axes | None = None) -> Axes:
    """Show how expected value is spread: how many customers are worth how much, on a logarithmic scale.

    Parameters
    ----------
    value : Series or array
        Expected value of each customer, zero or more.
    bins : int, default 30
        Number of bars, 5 to 200.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Customers by value, with median and mean marked; how many are worth nothing stands in the label.

    Raises
    ------
    DataError
        A value is missing, infinite or negative, or all are zero.
    OptionError
        `bins` is not usable.

    Examples
    --------
    >>> from crmkit import plot
    >>> plot.clv_value_histogram([10.0, 5.0, 1.0, 0.0]).get_ylabel()
    'customers'
    """
    bars = _options.whole("bins", bins, low=5, high=200)
    values = _canvas.values_of(value, "value")
    if values.size == 0 or values.min() < 0 or values.max() <= 0:
        msg = f"value: expected amounts of zero or more, some of them above zero, got {values.size:,} rows"
        raise DataError(msg)
    worth = values[values > 0.0]
    # amounts too small to see share the first bar
    low, high = max(float(worth.min()), float(worth.max()) * 1e-6), float(worth.max())
    edges = np.geomspace(low, high if high > low else 2.0 * low, bars + 1)
    counts, _ = np.histogram(np.clip(worth, low, edges[-1]), edges)
    ax = _canvas.axes(ax)
    ax.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=_canvas.MAIN, edgecolor="white", linewidth=0.5)
    ax.set_xscale("log")
    top = float(counts.max())
    for mark, name, height in ((float(np.median(values)), "median", 1.12), (float(values.mean()), "mean", 1.04)):
        if mark >= low:
            ax.plot([mark, mark], [0, height * top], color=_canvas.ACCENT, linewidth=1.5)
            _canvas.note(ax, f"{name} {mark:,.4g}", (mark, height * top), (5, 0))
    nothing = values.size - worth.size
    without = f"; {nothing:,} more are worth nothing" if nothing else ""
    ax.set_xlabel(f"expected value of a customer (n = {worth.size:,}{without})")
    ax.set_ylabel("customers")
    ax.set_ylim(0, 1.2 * top)
    _canvas.plain(ax, grid="y")
    return ax


def clv_tracking(table: Any, /, *, cumulative: bool = False, ax: Axes | None = None) -> Axes:
    """Show whether a cohort bought as models expected, period by period, before and after the end of calibration.

    Parameters
    ----------
    table : DataFrame
        As `clv.tracking` returns it.
    cumulative : bool, default False
        Purchases so far instead of those of each period.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Repeat purchases, made and expected, by period; a line marks the end of calibration.

    Raises
    ------
    ColumnError
        A column of the table is missing.
    DataError
        The table is empty.

    Examples
    --------
    >>> from crmkit import clv, datasets, plot
    >>> orders = datasets.make_transactions(n_customers=200).transactions
    >>> model = clv.fit_bg_nbd(clv.summarize(orders, end="2024-01-01"))
    >>> weeks = clv.tracking(model, orders, calibration_end="2024-01-01")
    >>> plot.clv_tracking(weeks, cumulative=True).get_ylabel()
    'repeat purchases so far'
    """
    frame = _frame.read(table)
    if len(frame) == 0:
        msg = "the table has no periods"
        raise DataError(msg)
    models = _frame.ids(frame, "model")
    period = _frame.numbers(frame, "period", whole=True)
    part = "cumulative_" if cumulative else ""
    actual, expected = _frame.numbers(frame, f"{part}actual"), _frame.numbers(frame, f"{part}expected")
    holdout = _frame.flags(frame, "holdout")
    total = _frame.numbers(frame, "actual")
    names = [_canvas.literal(label) for label in models.labels.as_index()]
    # in the order in which the models stand in the table
    order = np.unique(models.codes, return_index=True)[1].argsort()
    ax = _canvas.axes(ax)
    one = models.codes == models.codes[0]
    ax.plot(period[one], actual[one], color=_canvas.ACCENT, linewidth=2.2, label=f"happened (n = {total[one].sum():,.0f})")
    for place, code in enumerate(order):
        rows = models.codes == code
        style = STYLES[place % len(STYLES)]
        ax.plot(period[rows], expected[rows], color=_canvas.MAIN, linewidth=1.8, linestyle=style, label=f"{names[code]} expects")
    top = float(max(actual.max(), expected.max(), 1e-9))
    if holdout.any() and not holdout.all():
        border = float(period[~holdout].max()) + 0.5
        ax.axvline(border, color=_canvas.MUTED, linewidth=1, linestyle=(0, (2, 3)))
        _canvas.note(ax, "end of calibration", (border, 1.04 * top), (5, 0))
    ax.set_xlabel("period, from the first purchase of the cohort")
    ax.set_ylabel("repeat purchases so far" if cumulative else "repeat purchases")
    ax.set_ylim(0, 1.09 * top)
    ax.legend(frameon=False, loc="lower right" if cumulative else "best")
    _canvas.plain(ax, grid="y")
    return ax


def clv_calibration(expected: Any, actual: Any = None, /, *, groups: int = 10, ax: Axes | None = None) -> Axes:
    """Show whether customers bought as often as expected, from those expected to buy least to those expected to buy most.

    Parameters
    ----------
    expected : Series, array or DataFrame
        Purchases expected of each customer in a period; or, alone, a table of groups: ``by_frequency`` or ``by_decile`` of what
        `clv.evaluate` returns.
    actual : Series or array, optional
        The purchases the same customers made in it.
    groups : int, default 10
        Number of groups of nearly equal size, 2 to 100, fewer where there are fewer customers. A table has its own.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Mean expected and mean actual purchases per customer, group by group.

    Raises
    ------
    ColumnError
        A column of the table is missing.
    DataError
        A number is missing or infinite, or the two have different numbers of customers.
    OptionError
        `groups` is not usable, or there are neither actual purchases nor a table of groups.

    Examples
    --------
    >>> from crmkit import plot
    >>> plot.clv_calibration([0.1, 0.2, 1.0, 2.0], [0, 1, 1, 2], groups=2).get_ylabel()
    'purchases per customer'
    """
    groups = _options.whole("groups", groups, low=2, high=100)
    if actual is None:
        return _by_group(expected, ax)
    predicted, real = _canvas.values_of(expected, "expected"), _canvas.values_of(actual, "actual")
    if predicted.size == 0 or predicted.size != real.size:
        msg = f"expected has {predicted.size:,} rows and actual {real.size:,}; pass the same customers, at least one"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    pieces = np.array_split(np.argsort(predicted, kind="stable"), min(groups, predicted.size))
    place = np.arange(1, len(pieces) + 1)
    happened = [real[piece].mean() for piece in pieces]
    foreseen = [predicted[piece].mean() for piece in pieces]
    ax.bar(place, happened, width=0.7, color=_canvas.ACCENT, label="happened")
    ax.plot(place, foreseen, color=_canvas.MAIN, marker="o", markersize=5, linewidth=1.8, label="expected")
    ax.set_xticks(place)
    ax.set_xlabel(f"groups of customers, least to most expected (n = {predicted.size:,})")
    ax.set_ylabel("purchases per customer")
    ax.legend(frameon=False, loc="upper left")
    _canvas.plain(ax, grid="y")
    return ax


def _by_group(table: Any, ax: Axes | None) -> Axes:
    """Draw a table of groups: expected and actual purchases per customer, with the number of customers of each."""
    if not _frame.is_frame(table):
        msg = "expected purchases need the actual ones beside them; or pass the by_frequency or by_decile of clv.evaluate"
        raise OptionError(msg)
    frame = _frame.read(table)
    if len(frame) == 0:
        msg = "the table has no groups"
        raise DataError(msg)
    numbers, n = _frame.numbers(frame, frame.columns[0]), _frame.numbers(frame, "n")
    foreseen, happened = _frame.numbers(frame, "expected"), _frame.numbers(frame, "actual")
    by_frequency = frame.columns[0] == "frequency"
    words = [f"{number:.0f}" for number in numbers]
    if by_frequency and numbers[-1] == 7.0:
        words[-1] = "7+"
    ax = _canvas.axes(ax)
    place = np.arange(numbers.size)
    ax.bar(place, happened, width=0.7, color=_canvas.ACCENT, label="happened")
    ax.plot(place, foreseen, color=_canvas.MAIN, marker="o", markersize=5, linewidth=1.8, label="expected")
    ax.set_xticks(place, [f"{word}\n{count:,.0f}" for word, count in zip(words, n, strict=True)])
    what = "repeat purchases in the calibration" if by_frequency else "groups of customers, least to most expected"
    ax.set_xlabel(f"{what}; below: customers (n = {n.sum():,.0f})")
    ax.set_ylabel("purchases per customer in the holdout")
    ax.legend(frameon=False, loc="upper left")
    _canvas.plain(ax, grid="y")
    return ax
