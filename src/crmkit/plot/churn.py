"""Pictures of churn: after which silence it begins, whether probabilities hold, and what they catch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, _options
from crmkit.churn import Window
from crmkit.errors import DataError
from crmkit.metrics import Calibration
from crmkit.plot import _canvas
from crmkit.results import in_percent

DRIVERS = {  # measure -> columns of its interval, label
    "log_loss": ("ci_low", "ci_high", "log loss added where the feature is shuffled"),
    "profit": ("profit_low", "profit_high", "profit per customer lost where the feature is shuffled"),
}

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["churn_calibration", "churn_drivers", "churn_gains", "churn_window"]


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
        f"n = {calibration.n:,}, {in_percent(calibration.in_the_large.level)} intervals",
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


def churn_drivers(drivers: Any, /, *, measure: str = "log_loss", top: int = 12, ax: Axes | None = None) -> Axes:
    """Show what a model goes by: how much worse it is without each feature.

    Parameters
    ----------
    drivers : DataFrame
        As `crmkit.churn.drivers` returns it, per feature.
    measure : {"log_loss", "profit"}, default "log_loss"
        What is lost.
    top : int, default 12
        How many features to show, those with the greatest loss first.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        What is lost without each feature, with its interval.

    Raises
    ------
    ColumnError
        `drivers` is not a table of drivers per feature.
    DataError
        The table has no rows, or a number is missing.
    OptionError
        `measure` or `top` is not usable.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import plot
    >>> table = pd.DataFrame(
    ...     {"feature": ["visits", "age"], "log_loss": [0.2, 0.0], "ci_low": [0.1, -0.01], "ci_high": [0.3, 0.01]}
    ... )
    >>> [label.get_text() for label in plot.churn_drivers(table).get_yticklabels()]
    ['visits', 'age']
    """
    _options.choice("measure", measure, DRIVERS)
    top = _options.whole("top", top, low=1)
    low_name, high_name, label = DRIVERS[measure]
    names = _frame.text(drivers, "feature")
    lost, low, high = (_frame.numbers(drivers, name) for name in (measure, low_name, high_name))
    if lost.size == 0:
        msg = "the table of drivers has no rows"
        raise DataError(msg)
    shown = np.argsort(-lost, kind="stable")[:top]
    ax = _canvas.axes(ax)
    place = np.arange(shown.size)
    ax.axvline(0.0, color=_canvas.INK, linewidth=0.9)
    ax.barh(place, lost[shown], height=0.62, color=_canvas.MAIN)
    ax.hlines(place, low[shown], high[shown], color=_canvas.ACCENT, linewidth=2)
    ax.set_yticks(place, [_canvas.literal(names.values[names.codes[row]]) for row in shown])
    ax.invert_yaxis()
    left_out = f" ({lost.size - shown.size} more add less)" if shown.size < lost.size else ""
    ax.set_xlabel(f"{label}{left_out}")
    _canvas.plain(ax, grid="x")
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


def churn_window(window: Any, /, *, ax: Axes | None = None) -> Axes:
    """Show how many customers come back after a silence, by its length, and which length was chosen.

    Parameters
    ----------
    window : Window
        As `crmkit.churn.suggest_window` returns it.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Share of the customers silent for so long who come back all the same (%), with its interval, against the days of silence.

    Raises
    ------
    DataError
        `window` is not one.

    Examples
    --------
    >>> from crmkit import churn, datasets, plot
    >>> orders = datasets.make_transactions(n_customers=300).transactions
    >>> plot.churn_window(churn.suggest_window(orders, order="order_id")).get_ylabel()
    'of those silent for longer, come back (%)'
    """
    if not isinstance(window, Window):
        msg = f"expected what churn.suggest_window returns, not a {type(window).__name__}"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    days, share, low, high = (_frame.numbers(window.table, name) for name in ("days", "p_return", "ci_low", "ci_high"))
    share, low, high = 100.0 * share, 100.0 * low, 100.0 * high
    ax.fill_between(days, low, high, color=_canvas.MAIN, alpha=0.16, linewidth=0, step="post")
    ax.step(days, share, where="post", color=_canvas.MAIN, linewidth=2.2)
    most = 100.0 * window.at_most
    ax.axhline(most, color=_canvas.MUTED, linewidth=1, linestyle=(0, (2, 3)))
    if window.window is None or window.p_return is None:
        words = f"after every silence more than {most:g} % come back"
    else:
        at = float(window.window.removesuffix("D"))
        back = window.p_return
        ax.axvline(at, color=_canvas.ACCENT, linewidth=1.4)
        ax.plot([at], [100.0 * back.value], marker="o", color=_canvas.ACCENT, markersize=7)
        words = (
            f"{at:g} days of silence:\n{100 * back.value:.1f} % come back"
            f"\n({in_percent(back.level)}: {100 * back.ci_low:.1f} to {100 * back.ci_high:.1f} %),"
            f"\nasked for: at most {most:g} %"
        )
    ax.text(0.97, 0.96, words, transform=ax.transAxes, ha="right", va="top", color=_canvas.INK)
    ax.set_xlim(0, float(days.max()))
    ax.set_ylim(0, 101)
    ax.set_xlabel(f"days of silence (n = {window.n_gaps:,} gaps of {window.n_customers:,} customers)")
    ax.set_ylabel("of those silent for longer, come back (%)")
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
