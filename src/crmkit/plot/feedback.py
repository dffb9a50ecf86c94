"""Pictures of what customers say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame
from crmkit.plot import _canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmkit.results import Estimate

__all__ = ["feedback_nps"]


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
    ax.set_xlabel(f"Net Promoter Score, with {level[0]:.0%} interval".replace("%", " %") if level.size else "Net Promoter Score")
    _canvas.plain(ax, grid="x")
    return ax
