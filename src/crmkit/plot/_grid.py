"""Tables as coloured cells with their numbers written in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit.plot import _canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["cells"]

LIGHT, DARK = (0.957, 0.969, 0.980), (0.106, 0.310, 0.447)


def cells(
    ax: Axes,
    values: npt.NDArray[np.float64],
    words: Sequence[Sequence[str]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    highest: float | None = None,
    doubtful: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Colour each cell by its value, from zero on, and write its words; missing cells stay white, doubtful ones are hatched."""
    from matplotlib.colors import LinearSegmentedColormap

    known = np.isfinite(values)
    top = highest if highest is not None else float(values[known].max(initial=0.0))
    shade = np.where(known, values / top if top > 0 else 0.0, np.nan)
    colours: Any = LinearSegmentedColormap.from_list("crmkit", [LIGHT, DARK])
    ax.imshow(np.ma.masked_invalid(shade), cmap=colours, vmin=0.0, vmax=1.0, aspect="auto")
    for (i, j), value in np.ndenumerate(shade):
        if not np.isfinite(value):
            continue
        # on either side of this shade the other one is harder to read: both have a contrast of 4.5 and more
        colour = "white" if value > 0.744 else "black"
        written = ax.text(j, i, words[i][j], ha="center", va="center", size="small", color=colour)
        if doubtful is not None and doubtful[i, j]:
            # no hatching through the number
            written.set_bbox({"boxstyle": "round,pad=0.2", "facecolor": colours(value), "edgecolor": "none"})
            edge = "#e8eef3" if value > 0.2 else "#aab4be"
            ax.add_patch(_hatched((j - 0.5, i - 0.5), edge))
    ax.set_xticks(np.arange(len(columns)), columns)
    ax.set_yticks(np.arange(len(rows)), rows)
    ax.tick_params(colors=_canvas.INK, length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _hatched(corner: tuple[float, float], edge: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, fill=False, hatch="////", edgecolor=edge, linewidth=0)
