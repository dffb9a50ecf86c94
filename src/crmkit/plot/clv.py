"""Pictures of customer value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _options
from crmkit.errors import DataError
from crmkit.plot import _canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["clv_calibration", "clv_value"]


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


def clv_calibration(expected: Any, actual: Any, /, *, groups: int = 10, ax: Axes | None = None) -> Axes:
    """Show whether customers bought as often as expected, from those expected to buy least to those expected to buy most.

    Parameters
    ----------
    expected : Series or array
        Purchases expected of each customer in a period.
    actual : Series or array
        The purchases the same customers made in it.
    groups : int, default 10
        Number of groups of nearly equal size, 2 to 100, fewer where there are fewer customers.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Mean expected and mean actual purchases per customer, group by group.

    Raises
    ------
    DataError
        A number is missing or infinite, or the two have different numbers of customers.
    OptionError
        `groups` is not usable.

    Examples
    --------
    >>> from crmkit import plot
    >>> plot.clv_calibration([0.1, 0.2, 1.0, 2.0], [0, 1, 1, 2], groups=2).get_ylabel()
    'purchases per customer'
    """
    groups = _options.whole("groups", groups, low=2, high=100)
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
