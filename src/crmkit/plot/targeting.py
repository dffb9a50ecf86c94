"""Pictures of campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame
from crmkit.errors import DataError
from crmkit.plot import _canvas
from crmkit.targeting import ProfitCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["targeting_profit"]


def targeting_profit(curve: Any, /, *, currency: str = "", ax: Axes | None = None) -> Axes:
    """Show what a campaign earns by how many it contacts, and where the probabilities would have it stop.

    Parameters
    ----------
    curve : ProfitCurve
        As `crmkit.targeting.profit_curve` returns it.
    currency : str, optional
        Currency of the amounts, for the axis.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Profit per customer of the base, realised with its interval and expected, against the share contacted (%).

    Raises
    ------
    DataError
        `curve` is not a profit curve, or has fewer than two shares.

    Examples
    --------
    >>> from crmkit import plot, targeting
    >>> curve = targeting.profit_curve([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8])
    >>> plot.targeting_profit(curve).get_ylabel()
    'profit per customer of the base'
    """
    if not isinstance(curve, ProfitCurve) or len(_frame.read(curve.table)) < 2:
        msg = "expected what targeting.profit_curve returns, with at least two shares"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    share, expected, realised, low, high = (
        _frame.numbers(curve.table, name) for name in ("share", "expected", "realised", "ci_low", "ci_high")
    )
    order = np.argsort(share, kind="stable")
    share, expected, realised, low, high = (values[order] for values in (100.0 * share, expected, realised, low, high))
    without = max(curve.everybody.value, 0.0)
    ax.axhline(0.0, color=_canvas.INK, linewidth=0.9)
    if without > 0.0:
        ax.axhline(without, color=_canvas.MUTED, linewidth=1, linestyle=(0, (2, 3)))
        _canvas.note(ax, f"everybody: {without:,.4g}", (100.0 * curve.chosen.share, without), (4, 7))
    ax.fill_between(share, low, high, color=_canvas.MAIN, alpha=0.14, linewidth=0)
    ax.plot(share, realised, color=_canvas.MAIN, linewidth=2.2, label="as it came to pass")
    ax.plot(share, expected, color=_canvas.ACCENT, linewidth=2, linestyle="--", label="as the probabilities foretold")
    chosen = curve.chosen
    ax.plot([100.0 * chosen.share], [chosen.value], marker="o", color=_canvas.MAIN, markersize=8, linestyle="none")
    ax.axvline(100.0 * chosen.share, color=_canvas.MAIN, linewidth=0.9, linestyle=(0, (1, 2)))
    better = "contacting everybody" if without > 0.0 else "contacting nobody"
    words = (
        f"chosen by the probabilities: {chosen.share:.0%}"
        f"\nprofit {chosen.value:,.4g} ({chosen.ci_low:,.4g} to {chosen.ci_high:,.4g})"
        f"\n{chosen.advantage:+,.4g} over {better} ({chosen.advantage_low:+,.4g} to {chosen.advantage_high:+,.4g})"
        f"\nif {curve.accept:.0%} of the churners contacted stay"
    )
    ax.text(0.24, 0.08, words, transform=ax.transAxes, va="bottom", size="small", color=_canvas.INK)
    ax.set_xlim(0, 101)
    ax.set_xlabel(f"share contacted, most promising first (%, n = {curve.n:,})")
    ax.set_ylabel(f"profit per customer of the base{f' ({_canvas.literal(currency)})' if currency else ''}")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
    _canvas.plain(ax, grid="both")
    return ax
