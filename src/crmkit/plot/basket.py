"""Pictures of market baskets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, _options
from crmkit.errors import DataError
from crmkit.plot import _canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["basket_rules"]


def basket_rules(rules: Any, /, *, named: int = 5, ax: Axes | None = None) -> Axes:
    """Show all rules at once: how often, how surely, and how much more than by chance.

    Parameters
    ----------
    rules : DataFrame
        As `basket.rules` returns it.
    named : int, default 5
        Number of rules, those with the highest lift, to write out.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Confidence (%) against support (%, on a logarithmic scale), shaded by lift.

    Raises
    ------
    ColumnError
        A column of the table is missing.
    DataError
        There is no rule.
    OptionError
        `named` is no whole number of zero or more.

    Examples
    --------
    >>> from crmkit import basket, datasets, plot
    >>> lines = datasets.make_interactions(n_customers=200).lines
    >>> sets = basket.frequent_itemsets(lines, min_support=0.002, order="order_id")
    >>> plot.basket_rules(basket.rules(sets, min_confidence=0.1)).get_ylabel()
    'confidence (%)'
    """
    count = _options.whole("named", named, low=0)
    frame = _frame.read(rules)
    support, confidence, lift = (_frame.numbers(frame, name) for name in ("support", "confidence", "lift"))
    sides = [_sets(frame, name) for name in ("antecedent", "consequent")]
    if support.size == 0:
        msg = "the table has no rules; lower min_confidence, or min_support of the itemsets"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    from matplotlib import ticker

    # the strongest on top
    order = np.argsort(lift, kind="stable")
    points = ax.scatter(
        100.0 * support[order],
        100.0 * confidence[order],
        c=lift[order],
        cmap="viridis_r",
        s=26,
        alpha=0.85,
        linewidths=0.3,
        edgecolors="white",
    )
    bar = ax.figure.colorbar(points, ax=ax, label="lift (1: as by chance)")
    bar.outline.set_visible(False)
    words = []
    for number, place in enumerate(order[::-1][:count].tolist(), 1):
        at = (100.0 * support[place], 100.0 * confidence[place])
        ax.annotate(
            str(number),
            at,
            (6, 6),
            textcoords="offset points",
            size="small",
            color=_canvas.INK,
            weight="bold",
            bbox=_canvas.PAPER,
        )
        left, right = (" + ".join(_canvas.literal(item) for item in side[place]) for side in sides)
        words.append(f"{number}  {left} → {right} ({lift[place]:.1f})")
    if words:
        ax.set_title("\n".join(words), size="small", color=_canvas.INK, loc="left")
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(ticker.NullLocator())
    ax.set_xlabel(f"support (% of baskets), n = {support.size:,} rules")
    ax.set_ylabel("confidence (%)")
    ax.set_ylim(0, min(101.0, 112.0 * float(confidence.max())))
    _canvas.plain(ax, grid="both")
    return ax


def _sets(frame: _frame.Frame, name: str) -> list[Any]:
    column = frame.column(name)
    return list(column.to_pylist() if frame.kind == "pyarrow" else column)
