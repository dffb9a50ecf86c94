"""Pictures of cohorts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, cohort
from crmkit.errors import ColumnError, DataError
from crmkit.plot import _canvas, _grid
from crmkit.results import in_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["cohort_heatmap", "cohort_retention"]

TITLES = {
    "customers": "customers active (%)",
    "net_revenue": "net revenue retention (%)",
    "gross_revenue": "gross revenue retention (%)",
    "cumulative_revenue": "revenue so far per customer",
}
COLOURS = (_canvas.MAIN, _canvas.ACCENT, "#4f9d69", "#8e5ea2", "#b0413e", "#5d6d7e")


def cohort_heatmap(table: Any, /, *, ax: Axes | None = None) -> Axes:
    """Show a cohort table as a triangle of shaded cells; those whose period is not over are hatched.

    Parameters
    ----------
    table : DataFrame
        As `cohort.retention` returns it, for one group.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        One row per cohort with its number of customers, one column per period.

    Raises
    ------
    ColumnError
        A column of the table is missing.
    DataError
        The table is empty, or has groups: draw them one by one.

    Examples
    --------
    >>> from crmkit import cohort, datasets, plot
    >>> shop = datasets.make_transactions(n_customers=100)
    >>> plot.cohort_heatmap(cohort.retention(shop.transactions, period="Q")).get_ylabel()
    'cohort (n = customers)'
    """
    frame = _frame.read(table)
    if len(frame) == 0:
        msg = "the table has no cells"
        raise DataError(msg)
    if "by" in frame.columns:
        msg = "the table has groups (by): draw them one by one"
        raise DataError(msg)
    measure = _measure(frame)
    percent = 1.0 if measure == "cumulative_revenue" else 100.0
    values, over = (_wide(table, column) for column in ("value", "mature"))
    names, n, values = values[0], values[1], percent * values[2]
    ax = _canvas.axes(ax)
    ages = sorted({int(age) for age in _frame.numbers(frame, "period")})
    words = [[f"{value:,.0f}" if np.isfinite(value) else "" for value in row] for row in values]
    # period 0 of a share is all of it, and would make the rest pale
    later = values[:, 1:][np.isfinite(values[:, 1:])]
    highest = float(later.max()) if measure != "cumulative_revenue" and later.size and later.max() > 0 else None
    shown = np.minimum(values, highest) if highest is not None else values
    rows = [f"{name}  n = {count:,}" for name, count in zip(names, n, strict=True)]
    _grid.cells(ax, shown, words, rows=rows, columns=[str(age) for age in ages], highest=highest, doubtful=over[2] == 0.0)
    ax.set_xlabel("periods since the start; hatched: the period is not over")
    ax.set_ylabel("cohort (n = customers)")
    ax.set_title(TITLES.get(measure, measure), size="medium", color=_canvas.INK)
    return ax


def cohort_retention(table: Any, /, *, level: float = 0.95, ax: Axes | None = None) -> Axes:
    """Show the average over cohorts, period by period, with its interval, and every cohort behind it.

    Parameters
    ----------
    table : DataFrame
        As `cohort.retention` returns it; with ``by``, one line per group.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        The measure against the period, cells whose period is over alone.

    Raises
    ------
    ColumnError
        A column of the table is missing.
    DataError
        No period of any cohort is over.
    OptionError
        `level` is not between 0 and 1.

    Examples
    --------
    >>> from crmkit import cohort, datasets, plot
    >>> shop = datasets.make_transactions(n_customers=100)
    >>> plot.cohort_retention(cohort.retention(shop.transactions, period="Q")).get_xlabel()
    'periods since the start'
    """
    frame = _frame.read(table)
    measure = _measure(frame)
    percent = 1.0 if measure == "cumulative_revenue" else 100.0
    average = _frame.read(cohort.average(table, level=level))
    period, value, n = (_frame.numbers(average, name) for name in ("period", "value", "n"))
    low, high = (_ends(average, name) for name in ("ci_low", "ci_high"))
    groups = _frame.ids(average, "by") if "by" in average.columns else None
    ax = _canvas.axes(ax)
    if groups is None and "cohort" in frame.columns:
        over = _frame.flags(frame, "mature")
        who, age, each = _frame.ids(frame, "cohort").codes, _frame.numbers(frame, "period"), _ends(frame, "value")
        for code in np.unique(who):
            mine = over & (who == code)
            order = np.argsort(age[mine])
            ax.plot(age[mine][order], percent * each[mine][order], color="#c9d3dc", linewidth=0.9, zorder=1)
    names = [""] if groups is None else [_canvas.literal(label) for label in groups.labels.as_index()]
    for place, name in enumerate(names):
        mine = np.ones(period.size, np.bool_) if groups is None else groups.codes == place
        colour = COLOURS[place % len(COLOURS)]
        ax.fill_between(period[mine], percent * low[mine], percent * high[mine], color=colour, alpha=0.18, linewidth=0)
        label = f"{name or 'average of mature cohorts'} (n = {n[mine].max():,.0f})"
        ax.plot(period[mine], percent * value[mine], color=colour, marker="o", markersize=4, linewidth=2, label=label)
    ax.set_xlabel("periods since the start")
    ax.set_ylabel(f"{TITLES.get(measure, measure)}, with {in_percent(level)} interval".replace("%", " %").replace("( %)", "(%)"))
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    _canvas.plain(ax, grid="y")
    return ax


def _measure(frame: _frame.Frame) -> str:
    return _frame.text(frame, "measure").values[0] if "measure" in frame.columns and len(frame) else "customers"


def _ends(frame: _frame.Frame, name: str) -> Any:
    """Numbers of which some may be missing: a cohort of one has no interval."""
    gone = _frame.ids(frame, name, missing="drop").codes < 0
    return np.where(gone, np.nan, _frame.numbers(frame, name, ignore=gone))


def _wide(table: Any, column: str) -> tuple[list[str], Any, Any]:
    """Names and sizes of the cohorts, and one column of the table as a matrix."""
    frame = _frame.read(table)
    flat = _frame.flags(frame, "mature").astype(np.float64) if column == "mature" else _ends(frame, column)
    if "cohort" not in frame.columns:
        raise ColumnError.missing("cohort", frame.columns)
    cohorts, n = _frame.ids(frame, "cohort"), _frame.numbers(frame, "n")
    age = _frame.numbers(frame, "period")
    ages = np.unique(age)
    wide = np.full((len(cohorts.labels), ages.size), np.nan)
    wide[cohorts.codes, np.searchsorted(ages, age)] = flat
    size = np.zeros(len(cohorts.labels), np.int64)
    np.maximum.at(size, cohorts.codes, n.astype(np.int64))
    names = [str(label)[:10] if hasattr(label, "year") else _canvas.literal(label) for label in cohorts.labels.as_index()]
    return names, size, wide
