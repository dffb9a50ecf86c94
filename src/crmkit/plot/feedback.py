"""Pictures of what customers say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame
from crmkit.plot import _canvas
from crmkit.results import in_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmkit.feedback import Change, Drivers, Trend
    from crmkit.results import Estimate

__all__ = ["feedback_change", "feedback_distribution", "feedback_drivers", "feedback_nps", "feedback_trend"]


def feedback_nps(table: Any, /, *, overall: Estimate | None = None, ax: Axes | None = None) -> Axes:
    """Show the Net Promoter Score of each group with its interval and the number of answers behind it.

    Parameters
    ----------
    table : DataFrame
        One row per group, as ``feedback.nps(..., by=...)`` returns it.
    overall : Estimate, optional
        The score of all groups together, drawn as a line.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Scores on the scale −100 to 100, one group per line.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A number is missing or infinite.

    Examples
    --------
    >>> from crmkit import datasets, feedback, plot
    >>> answers = datasets.make_survey().survey
    >>> plot.feedback_nps(feedback.nps(answers, by="segment")).get_xlabel()
    'Net Promoter Score, with 95 % interval'
    """
    frame = _frame.read(table)
    value, low, high = (_frame.numbers(frame, name) for name in ("value", "ci_low", "ci_high"))
    n, level = _frame.numbers(frame, "n"), _frame.numbers(frame, "level")
    ax = _canvas.axes(ax)
    place = np.arange(value.size)
    if overall is not None:
        ax.axvline(overall.value, color=_canvas.MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        ax.annotate(
            f"all: {overall.value:.0f}", (overall.value, 1), (0, 4), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", color=_canvas.INK, size="small",
        )  # fmt: skip
    ax.hlines(place, low, high, color=_canvas.MAIN, linewidth=2.4)
    ax.plot(value, place, "o", color=_canvas.MAIN, markersize=7)
    labels = [f"{name}\nn = {count:,.0f}" for name, count in zip(_canvas.names_of(table), n, strict=True)]
    ax.set_yticks(place, labels)
    ax.set_ylim(value.size - 0.5, -0.5)
    ax.set_xlim(max(-104.0, low.min(initial=0.0) - 8.0), min(104.0, high.max(initial=0.0) + 8.0))
    ax.axvline(0, color="#c5ccd3", linewidth=1, zorder=0.9)
    around = f", with {in_percent(float(level[0]))} interval".replace("%", " %") if level.size else ""
    ax.set_xlabel(f"Net Promoter Score{around}")
    _canvas.plain(ax, grid="x")
    return ax


def feedback_distribution(
    answers: Any,
    /,
    *,
    score: str = "score",
    scale: tuple[int, int] = (0, 10),
    detractors_to: int = 6,
    promoters_from: int = 9,
    ax: Axes | None = None,
) -> Axes:
    """Show how often each answer was given, in the three groups that the score is made of.

    Parameters
    ----------
    answers : DataFrame
        One answer per row, as numbers.
    score : str, default "score"
        Column of the answers.
    scale : (int, int), default (0, 10)
        Lowest and highest possible answer.
    detractors_to, promoters_from : int, default 6 and 9
        Highest answer of a detractor and lowest of a promoter.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Shares of all answers, one bar for each answer on the scale.

    Raises
    ------
    ColumnError
        `score` is not a column.
    DataError
        An answer is missing, not whole or off the scale.
    OptionError
        The scale or a threshold is not usable.

    Examples
    --------
    >>> from crmkit import datasets, plot
    >>> plot.feedback_distribution(datasets.make_survey().survey).get_ylabel()
    'share of answers'
    """
    from crmkit import feedback

    whole = feedback.nps(answers, score=score, scale=scale, detractors_to=detractors_to, promoters_from=promoters_from)
    given = _frame.numbers(_frame.read(answers), score).astype(np.int64)
    steps = np.arange(scale[0], scale[1] + 1)
    share = np.bincount(given - scale[0], minlength=steps.size) / given.size
    ax = _canvas.axes(ax)
    groups = (
        ("detractors", steps <= detractors_to, whole.detractors, _canvas.ACCENT),
        ("passives", (steps > detractors_to) & (steps < promoters_from), whole.passives, "#c5ccd3"),
        ("promoters", steps >= promoters_from, whole.promoters, _canvas.MAIN),
    )
    for name, inside, count, color in groups:
        ax.bar(steps[inside], share[inside], width=0.82, color=color, label=f"{name} {count / given.size:.0%}")
    ax.set_xticks(steps)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set_xlabel(f"answer; score {whole.value:.0f} ({whole.ci_low:.0f} to {whole.ci_high:.0f}), n = {given.size:,}")
    ax.set_ylabel("share of answers")
    ax.legend(frameon=False, loc="upper left")
    _canvas.plain(ax, grid="y")
    return ax


def feedback_trend(trend: Trend, /, *, ax: Axes | None = None) -> Axes:
    """Show a score over time with its intervals, its centre and its control limits.

    Parameters
    ----------
    trend : Trend
        As ``feedback.trend`` returns it.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Scores on the scale −100 to 100 over time; values outside the limits are marked.

    Raises
    ------
    ColumnError
        A column of the table is missing.

    Examples
    --------
    >>> from crmkit import datasets, feedback, plot
    >>> answers = datasets.make_survey(waves=6).survey
    >>> plot.feedback_trend(feedback.trend(answers)).get_ylabel()
    'Net Promoter Score, with 95 % interval'
    """
    table = _frame.read(trend.table)
    answered = _frame.numbers(table, "n") > 0
    value, low, high, limit_low, limit_high = (
        _frame.numbers(table, name, ignore=~answered)[answered]
        for name in ("value", "ci_low", "ci_high", "limit_low", "limit_high")
    )
    outside = _frame.flags(table, "outside")[answered]
    moments = _frame.times(table, "period")
    when = moments.wall.astype(f"datetime64[{moments.clock.unit}]")[answered]
    ax = _canvas.axes(ax)
    ax.fill_between(when, limit_low, limit_high, color="#e3e7eb", step="mid", linewidth=0, label="control limits")
    ax.axhline(trend.centre, color=_canvas.MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    ax.vlines(when, low, high, color=_canvas.MAIN, linewidth=1.6)
    ax.plot(when, value, "o-", color=_canvas.MAIN, markersize=5, linewidth=1.2)
    if outside.any():
        ax.plot(when[outside], value[outside], "o", color=_canvas.ACCENT, markersize=9, label="outside")
    n = int(_frame.numbers(table, "answers").sum())
    windows = "" if trend.window == 1 else f", windows of {trend.window}"
    each = {"D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}.get(trend.period, trend.period)
    ax.set_xlabel(f"{trend.slope.value:+.2g} points per {each} (p = {trend.p_value:.2g}), n = {n:,}{windows}")
    ax.set_ylabel(f"Net Promoter Score, with {in_percent(trend.slope.level)} interval".replace("%", " %"))
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
    ax.figure.autofmt_xdate()
    _canvas.plain(ax, grid="y")
    return ax


def feedback_change(change: Change, /, *, ax: Axes | None = None) -> Axes:
    """Show how a change adds up: the part within each group, the change of mix, the total.

    Parameters
    ----------
    change : Change
        As ``feedback.decompose_change`` returns it.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        A waterfall of points: each bar starts where the one above it ends.

    Raises
    ------
    ColumnError
        A column of the table is missing.

    Examples
    --------
    >>> from crmkit import datasets, feedback, plot
    >>> waves = [feedback.nps(datasets.make_survey(rng=seed).survey, by="segment") for seed in (1, 2)]
    >>> plot.feedback_change(feedback.decompose_change(*waves)).get_xlabel()
    'points, with 95 % interval of mix and total'
    """
    table = _frame.read(change.table)
    within = _frame.numbers(table, "within")
    groups = [_canvas.literal(label) for label in _frame.ids(table, "group").labels.as_index()]
    order = _frame.ids(table, "group").codes
    names = [f"within {groups[code]}" for code in order] + ["mix", "total"]
    steps = np.append(within, [change.mix.value, change.total.value])
    starts = np.append(0.0, np.cumsum(steps[:-1]))
    starts[-1] = 0.0  # the total stands on zero
    ax = _canvas.axes(ax)
    place = np.arange(steps.size)
    colors = [_canvas.MAIN if step >= 0 else _canvas.ACCENT for step in steps[:-1]] + [_canvas.MUTED]
    ax.barh(place, steps, left=starts, color=colors, height=0.62)
    for row, part in ((steps.size - 2, change.mix), (steps.size - 1, change.total)):
        ax.hlines(row, starts[row] + part.ci_low, starts[row] + part.ci_high, color=_canvas.INK, linewidth=1.2)
    for row, step in enumerate(steps):
        _canvas.note(ax, f"{step:+.1f}", (max(starts[row], starts[row] + step), row), (6, 9))
    ax.axvline(0, color="#c5ccd3", linewidth=1, zorder=0.9)
    ax.set_yticks(place, names)
    ax.set_ylim(steps.size - 0.5, -0.7)
    ax.set_xlabel(f"points, with {in_percent(change.total.level)} interval of mix and total".replace("%", " %"))
    _canvas.plain(ax, grid="x")
    return ax


def feedback_drivers(drivers: Drivers, /, *, ax: Axes | None = None) -> Axes:
    """Show how much of the outcome each driver explains, with its interval, the strongest first.

    Parameters
    ----------
    drivers : Drivers
        As ``feedback.key_drivers`` returns it.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Parts of R², one line per driver; a sign beside each tells the direction.

    Raises
    ------
    ColumnError
        A column of the table is missing.

    Examples
    --------
    >>> from crmkit import datasets, feedback, plot
    >>> answers = datasets.make_survey(drivers={"service": 0.6, "price": 0.3}).survey
    >>> found = feedback.key_drivers(answers, drivers=["service", "price"], replicates=100)
    >>> len(plot.feedback_drivers(found).get_yticklabels())
    2
    """
    table = _frame.read(drivers.table)
    importance, low, high, correlation = (
        _frame.numbers(table, name) for name in ("importance", "ci_low", "ci_high", "correlation")
    )
    encoded = _frame.ids(table, "driver")
    names = [_canvas.literal(label) for label in encoded.labels.as_index()]
    order = np.argsort(-importance, kind="stable")
    ax = _canvas.axes(ax)
    place = np.arange(order.size)
    ax.hlines(place, low[order], high[order], color=_canvas.MAIN, linewidth=2.4)
    ax.plot(importance[order], place, "o", color=_canvas.MAIN, markersize=7)
    ax.set_yticks(place, [f"{names[encoded.codes[i]]} ({'+' if correlation[i] >= 0 else '−'})" for i in order])
    ax.set_ylim(order.size - 0.5, -0.5)
    ax.set_xlim(left=min(0.0, float(low.min(initial=0.0))))
    ax.set_xlabel(
        f"part of R² = {drivers.r_squared:.2f}, with {in_percent(drivers.level)} interval; n = {drivers.n:,}".replace("%", " %")
    )
    _canvas.plain(ax, grid="x")
    return ax
