"""Pictures of how long customers stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.errors import DataError
from crmkit.plot import _canvas
from crmkit.results import in_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["survival_curve", "survival_hazard_ratios"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

COLORS = (_canvas.MAIN, _canvas.ACCENT, "#5b8c5a", "#8e5572", "#6b7785", "#b5a642")
STYLES = ("-", "--", "-.", ":", (0, (6, 2, 1, 2)), (0, (1, 1)))
MEASURES = {"survival": "still there (%)", "incidence": "left by cause (%)", "cumulative_hazard": "cumulative hazard"}
TABLE, LINE = -46, 13  # points from the axis to the table below it, and from line to line
MOMENTS = 7  # times at which the table counts who is at risk


def survival_curve(
    curve: Any, /, *, time_label: str = "time", at_risk: bool = True, truth: Any = None, ax: Axes | None = None
) -> Axes:
    """Show how many are still there after each time, with intervals and the number at risk below.

    Parameters
    ----------
    curve : DataFrame
        As ``survival.curve`` returns it: one curve, or one per group (at most 6), or shares that have left by cause.
    time_label : str, default "time"
        What the horizontal axis says, such as "months since the start".
    at_risk : bool, default True
        Whether to write below the picture how many are at risk at a few times.
    truth : callable, optional
        The true share at a time, where it is known: a function of an array of times.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        One step curve per group with its band.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        The table is no curve, is empty, or has more than 6 groups.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import plot, survival
    >>> contracts = pd.DataFrame({"duration": [1, 2, 2, 3, 5, 5], "event": [1, 1, 0, 1, 0, 0]})
    >>> plot.survival_curve(survival.curve(contracts), time_label="months").get_ylabel()
    'still there (%)'
    """
    frame = _frame.read(curve)
    measure = next((name for name in MEASURES if name in frame.columns), None)
    if measure is None:
        msg = f"the table has {frame.columns}; survival_curve draws what survival.curve returns"
        raise DataError(msg)
    time, value, low, high, risk = (_frame.numbers(frame, name) for name in ("time", measure, "ci_low", "ci_high", "at_risk"))
    groups = _groups(frame)
    if time.size == 0 or len(groups) > len(COLORS):
        msg = f"there are {len(groups)} groups; survival_curve draws one to {len(COLORS)}: pick some, such as curve.query(...)"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    percent = 1.0 if measure == "cumulative_hazard" else 100.0
    start = 1.0 if measure == "survival" else 0.0
    last = float(time.max())
    customers = _customers(frame, groups, measure)
    for place, (name, rows) in enumerate(groups):
        color, style = COLORS[place], STYLES[place]
        n = customers[place]
        # from the start to where the last was seen
        t = np.concatenate([[0.0], time[rows]])
        line, lower, upper = (percent * np.append(start, column[rows]) for column in (value, low, high))
        label = f"{name} (n = {n:,})" if name else f"n = {n:,}"
        ax.fill_between(t, lower, upper, step="post", color=color, alpha=0.16, linewidth=0)
        ax.step(t, line, where="post", color=color, linestyle=style, linewidth=2.0, label=label)
    if truth is not None:
        grid = np.linspace(0.0, last, 200)
        ax.plot(grid, percent * np.asarray(truth(grid)), color=_canvas.INK, linewidth=1.2, linestyle=(0, (2, 2)), label="truth")
    ax.set_xlim(0.0, last * 1.02)
    if measure == "survival":
        ax.set_ylim(0.0, 102.0)
    else:
        ax.set_ylim(bottom=0.0)
    ax.set_xlabel(_canvas.literal(time_label))
    ax.set_ylabel(MEASURES[measure])
    if len(groups) > 1 or truth is not None or not at_risk:
        ax.legend(frameon=False, loc="best")
    _canvas.plain(ax, grid="both")
    if at_risk:
        # all causes have the same customers at risk
        alike = measure == "incidence" and frame.columns.index("time") == 1
        _write_at_risk(ax, [("", groups[0][1])] if alike else groups, time, risk, last)
    return ax


def survival_hazard_ratios(model: Any, /, *, level: float = 0.95, ax: Axes | None = None) -> Axes:
    """Show how much each term raises or lowers the hazard, with intervals.

    Parameters
    ----------
    model : CoxModel, HazardModel or DataFrame
        A fitted model, or the table that its ``effects()`` returns, some rows of it if you like.
    level : float, default 0.95
        Confidence level of the intervals of a model; a table has its own.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        One term per line, on a logarithmic scale; 1 is no difference.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        The table has no rows, or a ratio is not above 0.
    OptionError
        `level` is not between 0 and 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import plot, survival
    >>> contracts = pd.DataFrame({"duration": [1, 2, 2, 3, 5, 5], "event": [1, 1, 0, 1, 0, 0], "age": [30, 25, 41, 38, 52, 36]})
    >>> plot.survival_hazard_ratios(survival.fit_cox(contracts)).get_xlabel()
    'hazard ratio, with 95 % interval'
    """
    is_table = _frame.is_frame(model)
    frame = _frame.read(model if is_table else model.effects(level=level))
    name = "odds_ratio" if "odds_ratio" in frame.columns else "hazard_ratio"
    ratio, low, high = (_frame.numbers(frame, column, positive=True) for column in (name, "ci_low", "ci_high"))
    if ratio.size == 0:
        msg = "the table has no rows: there is no term to draw"
        raise DataError(msg)
    text = _frame.text(frame, "term")
    labels = [_canvas.literal(text.values[code]) for code in text.codes]
    ax = _canvas.axes(ax)
    place = np.arange(ratio.size)
    ax.axvline(1.0, color=_canvas.MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    ax.hlines(place, low, high, color=_canvas.MAIN, linewidth=2.4)
    ax.plot(ratio, place, "o", color=_canvas.MAIN, markersize=7)
    ax.set_xscale("log")
    # room on both sides of 1, and round numbers without exponents
    reach = max(float(high.max()), 1.0 / float(low.min()), 1.3) ** 1.08
    ax.set_xlim(min(float(low.min()), 1.0) / reach**0.08, max(float(high.max()), 1.0) * reach**0.16)
    ticks = _ticks(*ax.get_xlim())
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set_yticks(place, labels)
    ax.set_ylim(ratio.size - 0.5, -0.5)
    for row, at in enumerate(ratio):
        _canvas.note(ax, f"{at:.2f}", (float(high[row]), row), (6, 0))
    words = name.replace("_", " ")
    shown = "with intervals" if is_table else f"with {in_percent(level)} interval".replace("%", " %")
    ax.set_xlabel(f"{words}, {shown}")
    if not is_table:
        ax.set_title(f"n = {model.n:,g}, {model.n_events:,g} of them left", loc="left", fontsize="small", color=_canvas.INK)
    _canvas.plain(ax, grid="x")
    return ax


def _groups(frame: _frame.Frame) -> list[tuple[str, Rows]]:
    """Name and rows of each curve of a table: the columns before the time tell them apart."""
    n = len(frame)
    found: list[tuple[str, Rows]] = [("", np.arange(n))]
    for column in frame.columns[: frame.columns.index("time")]:
        ids = _frame.ids(frame, column)
        names = [_canvas.literal(label) for label in ids.labels.as_index()]
        split = [(f"{name}, {names[code]}" if name else names[code], rows[ids.codes[rows] == code])
                 for name, rows in found for code in range(len(names))]  # fmt: skip
        found = [(name, rows) for name, rows in split if rows.size]
    return found


def _customers(frame: _frame.Frame, groups: list[tuple[str, Rows]], measure: str) -> list[int]:
    """Count the customers behind each curve, who all end once: those who came late were never at risk all at one time."""
    events, censored = (_frame.numbers(frame, name) for name in ("events", "censored"))
    by = np.zeros(len(frame), np.int64)
    for column in frame.columns[: frame.columns.index("time") - (measure == "incidence")]:
        codes = _frame.ids(frame, column).codes
        by = by * (int(codes.max()) + 1) + codes
    found = []
    for _, rows in groups:
        together = by == by[rows[0]]
        # censored rows stand beside every cause
        found.append(int(events[together].sum() + censored[rows].sum()))
    return found


def _write_at_risk(ax: Axes, groups: list[tuple[str, Rows]], time: Floats, risk: Floats, last: float) -> None:
    """Count below the axis who is under observation just before a few round times."""
    from matplotlib.ticker import MaxNLocator

    moments = [
        tick for tick in MaxNLocator(MOMENTS, steps=[1, 2, 2.5, 3, 5, 6, 10]).tick_values(0.0, last) if 0.0 <= tick <= last
    ]
    ax.set_xticks(moments)
    # below the label of the axis, in points, whatever the size of the picture
    options: dict[str, Any] = {
        "xycoords": ax.get_xaxis_transform(), "textcoords": "offset points", "fontsize": "small", "va": "center",
        "annotation_clip": False,
    }  # fmt: skip
    ax.annotate("at risk", (0.0, 0.0), (-4, TABLE), ha="left", color=_canvas.MUTED, **options)
    for place, (name, rows) in enumerate(groups):
        below = TABLE - LINE * (place + 1)
        color = COLORS[place] if len(groups) > 1 else _canvas.INK
        for moment in moments:
            later = time[rows] >= moment
            n = int(risk[rows][later.argmax()]) if later.any() else 0
            ax.annotate(f"{n:,}", (moment, 0.0), (0, below), ha="center", color=color, **options)
        if name:
            ax.annotate(name, (0.0, 0.0), (-20, below), ha="right", color=color, **options)


def _ticks(low: float, high: float) -> list[float]:
    """Round ratios inside the limits, few enough to be read."""
    span = np.log10(high / low)
    steps = (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0) if span < 0.7 else (1.0, 2.0, 5.0) if span < 3.0 else (1.0,)
    powers = range(int(np.floor(np.log10(low))) - 1, int(np.ceil(np.log10(high))) + 1)
    found = {round(step * 10.0**power, 12) for power in powers for step in steps}
    if span < 0.7:
        found |= {0.8, 0.9, 1.1}
    return sorted(tick for tick in found if low <= tick <= high)
