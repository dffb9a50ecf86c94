"""Pictures of experiments: effects with their intervals, and looks before the end with their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame
from crmkit.errors import DataError
from crmkit.experiment import Comparison
from crmkit.plot import _canvas
from crmkit.results import in_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["experiment_effects", "experiment_looks"]

MOST = 40  # lines that can still be read


def experiment_effects(comparison: Any, /, *, relative: bool = False, ax: Axes | None = None) -> Axes:
    """Show the effect of every arm, outcome and segment with its interval, beside no effect.

    Parameters
    ----------
    comparison : Comparison
        As `crmkit.experiment.compare_rates`, `compare_means` and `cuped` return it.
    relative : bool, default False
        Show the relative lift (%) instead of the difference.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        One line per row of the table, the first on top; rows whose interval leaves zero out are dark, and those without one are
        said to have none. A sample ratio that failed is said above.

    Raises
    ------
    DataError
        It is no comparison, has no finite effect, or more than 40 rows.

    Examples
    --------
    >>> from crmkit import datasets, experiment, plot
    >>> campaign = datasets.make_experiment(n_customers=2000)
    >>> found = experiment.compare_rates(campaign.customers, outcome="visited")
    >>> plot.experiment_effects(found).get_xlabel()
    'difference from control (points)'
    """
    if not isinstance(comparison, Comparison):
        msg = f"expected what compare_rates or compare_means returns, got {type(comparison).__name__}"
        raise DataError(msg)
    frame = _frame.read(comparison.table)
    names = ("lift", "lift_low", "lift_high") if relative else ("value", "ci_low", "ci_high")
    value, low, high = (_frame.as_pandas(frame.column(name), frame.kind).to_numpy(dtype=np.float64) for name in names)
    known = np.isfinite(value) & np.isfinite(low) & np.isfinite(high)
    if not known.any() or value.size > MOST:
        msg = (
            f"{int(known.sum())} of {value.size} rows have a finite interval; a picture holds up to {MOST}, one of them at least"
        )
        raise DataError(msg)
    shares = set(_frame.as_pandas(frame.column("scale"), frame.kind)) == {"rate"}
    factor = 100.0 if relative or shares else 1.0
    value, low, high = factor * value, factor * low, factor * high
    ax = _canvas.axes(ax)
    height = np.arange(value.size)[::-1]
    clear = known & ((low > 0.0) | (high < 0.0))
    ax.axvline(0.0, color=_canvas.INK, linewidth=0.9)
    for which, colour, words in (
        (clear, _canvas.MAIN, "interval leaves zero out"),
        (known & ~clear, _canvas.MUTED, "holds zero"),
    ):
        if which.any():
            ax.hlines(height[which], low[which], high[which], color=colour, linewidth=2.2)
            ax.plot(value[which], height[which], "o", color=colour, markersize=6, label=words)
    for row in height[~known]:
        _canvas.note(ax, "no bounds: see the table's note", (0.0, float(row)), (4, 0))
    ax.set_yticks(height, _lines(frame))
    ax.set_ylim(-0.7, value.size - 0.3)
    unit = " (%)" if relative else " (points)" if shares else ""
    ax.set_xlabel(f"{'lift over' if relative else 'difference from'} {_canvas.literal(comparison.control)}{unit}")
    _canvas.plain(ax, grid="x")
    n = sum(comparison.sample_ratio.counts.values())
    warning = (
        "" if comparison.sample_ratio.passed else f"\nsample ratio not as planned (p = {comparison.sample_ratio.p_value:.2g})"
    )
    ax.set_title(f"{in_percent(comparison.level)} intervals, n = {n:,}{warning}", loc="left", size="small", color=_canvas.INK)
    ax.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.1, fontsize="small")
    return ax


def experiment_looks(looks: Any, /, *, ax: Axes | None = None) -> Axes:
    """Show the test statistic at each look between its bounds.

    Parameters
    ----------
    looks : DataFrame
        As `crmkit.experiment.sequential` returns it.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        z against the look; what lies between the bounds decides nothing.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        There is no look.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import experiment, plot
    >>> path = experiment.sequential(pd.DataFrame({"value": [0.9, 0.8, 0.7], "se": [0.4, 0.28, 0.23]}), planned=5)
    >>> plot.experiment_looks(path).get_xlabel()
    'look'
    """
    frame = _frame.read(looks)
    look, z, bound = (_frame.numbers(frame, name) for name in ("look", "z", "bound"))
    if z.size == 0:
        msg = "the table has no rows: there was no look yet"
        raise DataError(msg)
    decision = _frame.as_pandas(frame.column("decision"), frame.kind).tolist()
    ax = _canvas.axes(ax)
    ax.fill_between(look, -bound, bound, color=_canvas.MUTED, alpha=0.14, linewidth=0)
    for side in (-1.0, 1.0):
        ax.plot(look, side * bound, color=_canvas.MUTED, linewidth=1.4, label="bound" if side > 0 else None)
    ax.axhline(0.0, color=_canvas.INK, linewidth=0.9)
    ax.plot(look, z, color=_canvas.MAIN, linewidth=2.2, marker="o", markersize=5 if z.size <= 30 else 0, label="statistic")
    decided = [place for place, word in enumerate(decision) if word in ("higher", "lower")]
    if decided:
        at = decided[0]
        ax.plot([look[at]], [z[at]], "o", color=_canvas.ACCENT, markersize=9, zorder=4)
        above = 12 if z[at] > 0 else -18
        ax.annotate(
            f"decided: {decision[at]}",
            (look[at], z[at]),
            (0, above),
            textcoords="offset points",
            ha="right",
            size="small",
            color=_canvas.INK,
        )
    ax.set_xlabel("look")
    ax.set_ylabel("z: effect over its standard error")
    if z.size <= 15:
        ax.set_xticks(look)
    top = 1.15 * max(float(np.abs(z).max()), float(bound.max()))
    ax.set_ylim(-top, top)
    _canvas.plain(ax, grid="y")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
    return ax


def _lines(frame: _frame.Frame) -> list[str]:
    """Name every row by what varies in the table."""
    parts = []
    for name in frame.columns[: frame.columns.index("control")]:
        values = [str(value) for value in _frame.as_pandas(frame.column(name), frame.kind)]
        if len(set(values)) > 1 or name == "arm":
            parts.append(values)
    return [_canvas.literal(", ".join(row)) for row in zip(*parts, strict=True)]
