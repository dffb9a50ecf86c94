"""Pictures of models of churn: whether their probabilities hold, and what they catch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, _options
from crmkit.errors import DataError
from crmkit.metrics import Calibration
from crmkit.plot import _canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["churn_calibration", "churn_gains"]


def churn_calibration(calibration: Any, /, *, ax: Axes | None = None) -> Axes:
    """Show whether probabilities came true: what happened against what was foretold, bin by bin.

    Parameters
    ----------
    calibration : Calibration
        As `crmkit.metrics.calibration` returns it.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Observed share with its interval against mean probability, both in %; on the dotted line they agree.

    Raises
    ------
    DataError
        `calibration` is not one.

    Examples
    --------
    >>> from crmkit import metrics, plot
    >>> found = metrics.calibration([0, 1, 0, 1], [0.2, 0.2, 0.6, 0.6], bins=2)
    >>> plot.churn_calibration(found).get_ylabel()
    'churned (%)'
    """
    if not isinstance(calibration, Calibration):
        msg = f"expected what metrics.calibration returns, not a {type(calibration).__name__}"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    table = calibration.table
    predicted, observed, low, high = (
        100.0 * _frame.numbers(table, name) for name in ("predicted", "observed", "ci_low", "ci_high")
    )
    top = min(100.0, 1.08 * float(max(high.max(), predicted.max())))
    ax.plot([0, top], [0, top], color=_canvas.MUTED, linewidth=1, linestyle=(0, (2, 3)), label="as foretold")
    ax.vlines(predicted, low, high, color=_canvas.ACCENT, linewidth=2.2)
    ax.plot(predicted, observed, color=_canvas.MAIN, marker="o", markersize=6, linewidth=1.4, label="as it came to pass")
    words = [
        f"n = {calibration.n:,}",
        f"mean distance {100 * calibration.ece:.1f} points, {100 * calibration.ece_by_chance:.1f} by chance",
    ]
    if calibration.slope is not None:
        words.append(f"slope {calibration.slope.value:.2f} ({calibration.slope.ci_low:.2f} to {calibration.slope.ci_high:.2f})")
    ax.text(0.03, 0.97, "\n".join(words), transform=ax.transAxes, va="top", size="small", color=_canvas.INK)
    ax.set_xlim(0, top)
    ax.set_ylim(0, top)
    ax.set_xlabel("probability of churn, mean of the bin (%)")
    ax.set_ylabel("churned (%)")
    ax.legend(frameon=False, loc="lower right")
    _canvas.plain(ax, grid="both")
    return ax


def churn_gains(gains: Any, /, *, baseline: Any = None, measure: str = "gain", ax: Axes | None = None) -> Axes:
    """Show how many of the churners are caught by contacting those with the highest scores.

    Parameters
    ----------
    gains : DataFrame
        As `crmkit.metrics.gains` returns it.
    baseline : DataFrame, optional
        The same of other scores of the same customers, such as the days since the last purchase.
    measure : {"gain", "lift"}, default "gain"
        Share of all churners that is caught, or how many times as many as among customers taken by chance.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        The measure, with its interval as a band, against the share of the customers contacted (%).

    Raises
    ------
    ColumnError
        `gains` or `baseline` is not a table of gains.
    DataError
        A number is missing.
    OptionError
        `measure` is none of those known.

    Examples
    --------
    >>> from crmkit import metrics, plot
    >>> table = metrics.gains([1, 1, 0, 1, 0, 0, 0, 0, 0, 0], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    >>> plot.churn_gains(table).get_ylabel()
    'share of all churners caught (%)'
    """
    _options.choice("measure", measure, ("gain", "lift"))
    read = [(_columns(gains, measure), _canvas.MAIN, "-", "scores")]
    if baseline is not None:
        read.append((_columns(baseline, measure), _canvas.ACCENT, "--", "baseline"))
    ax = _canvas.axes(ax)
    n = float(read[0][0]["rows"][-1] / read[0][0]["share"][-1])
    caught, gain = float(read[0][0]["hits"][-1]), float(read[0][0]["gain"][-1])
    churned = f", {caught / gain:,.0f} churned" if gain > 0.0 else ""
    chance = ([0, 100], [0, 100]) if measure == "gain" else ([0, 100], [1, 1])
    ax.plot(*chance, color=_canvas.MUTED, linewidth=1, linestyle=(0, (2, 3)), label="taken by chance")
    for columns, colour, style, name in read:
        share, factor = 100.0 * columns["share"], 100.0 if measure == "gain" else 1.0
        middle, low, high = (factor * columns[f"{measure}{end}"] for end in ("", "_low", "_high"))
        if measure == "gain":
            share, middle, low, high = (np.append(0.0, values) for values in (share, middle, low, high))
        ax.fill_between(share, low, high, color=colour, alpha=0.16, linewidth=0)
        size = 4 if share.size <= 12 else 0
        ax.plot(share, middle, color=colour, linewidth=2.2, linestyle=style, marker="o", markersize=size, label=name)
    ax.set_xlabel(f"share contacted, highest scores first (%, n = {n:,.0f}{churned})")
    ax.set_ylabel("share of all churners caught (%)" if measure == "gain" else "churners, times as many as by chance")
    ax.set_xlim(0, 101)
    ax.set_ylim(bottom=0, top=101 if measure == "gain" else None)
    ax.legend(frameon=False, loc="lower right" if measure == "gain" else "upper right")
    _canvas.plain(ax, grid="both")
    return ax


def _columns(table: Any, measure: str) -> dict[str, Any]:
    """Read a table of gains, smallest share first."""
    names = ["share", "rows", "hits", "gain", measure, f"{measure}_low", f"{measure}_high"]
    columns = {name: _frame.numbers(table, name) for name in names}
    if columns["share"].size == 0:
        msg = "the table of gains has no rows"
        raise DataError(msg)
    order = np.argsort(columns["share"], kind="stable")
    return {name: values[order] for name, values in columns.items()}
