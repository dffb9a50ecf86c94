"""What the pictures share: where they are drawn, their colours, and how results are read for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame
from crmkit.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ACCENT", "INK", "MAIN", "MUTED", "PAPER", "axes", "literal", "names_of", "note", "plain", "values_of"]

# told apart by people who do not tell colours apart, and in print: one is dark, one is light
MAIN, ACCENT = "#1b4f72", "#e08a1e"
INK, MUTED = "#1f2933", "#6b7785"
# behind words that a line may cross
PAPER = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}


def axes(ax: Axes | None) -> Axes:
    """Return the Axes to draw on: those given, else those of a new figure."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        msg = "pictures are drawn with matplotlib, which is not installed: python -m pip install matplotlib"
        raise MissingExtraError(msg) from error
    return pyplot.subplots(layout="constrained")[1]


def plain(ax: Axes, *, grid: str) -> None:
    """Leave the frame away and draw thin grid lines behind the data."""
    for side in ("top", "right", "left" if grid == "x" else "bottom"):
        ax.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        ax.spines[side].set_color("#c5ccd3")
    ax.tick_params(colors=INK, length=0)
    ax.grid(axis=grid, color="#e3e7eb", linewidth=0.8)  # type: ignore[arg-type]
    ax.set_axisbelow(True)


def note(ax: Axes, words: str, at: tuple[float, float], offset: tuple[float, float]) -> None:
    """Write beside a point, in small letters."""
    ax.annotate(words, at, offset, textcoords="offset points", va="center", size="small", color=INK, bbox=PAPER)


def names_of(table: Any) -> list[str]:
    """Return what the rows of a result are called: the index in pandas, elsewhere the first column."""
    frame = _frame.read(table)
    labels = table.index if frame.kind == "pandas" else _frame.ids(frame, frame.columns[0]).labels.as_index()
    return [literal(label) for label in labels]


def literal(label: Any) -> str:
    """Return a label as it is to be read: between two dollar signs matplotlib would see a formula."""
    return str(label).replace("$", r"\$")


def values_of(series: Any, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Read the numbers of a Series, an array or, elsewhere than in pandas, a result's column `name`."""
    if not _frame.is_frame(series):
        series = _frame.table({name: series.array if hasattr(series, "array") else np.asarray(series)})
    return _frame.numbers(series, name)
