"""Pictures of campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame
from crmkit.errors import DataError
from crmkit.plot import _canvas
from crmkit.results import in_percent
from crmkit.targeting import Backtest, ProfitCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURES = {
    "value": ("amount spent per customer", 1.0),
    "orders": ("orders per customer", 1.0),
    "churned": ("customers without a purchase (%)", 100.0),
}

__all__ = ["targeting_backtest", "targeting_profit"]


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
        f"\nprofit {chosen.value:,.4g} ({in_percent(chosen.level)}: {chosen.ci_low:,.4g} to {chosen.ci_high:,.4g})"
        f"\n{chosen.advantage:+,.4g} over {better} ({chosen.advantage_low:+,.4g} to {chosen.advantage_high:+,.4g})"
        f"\nif {curve.accept:.0%} of the churners contacted stay"
    )
    ax.text(0.24, 0.08, words, transform=ax.transAxes, va="bottom", size="small", color=_canvas.INK, bbox=_canvas.PAPER)
    ax.set_xlim(0, 101)
    ax.set_xlabel(f"share contacted, most promising first (%, n = {curve.n:,})")
    ax.set_ylabel(f"profit per customer of the base{f' ({_canvas.literal(currency)})' if currency else ''}")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
    _canvas.plain(ax, grid="both")
    return ax


def targeting_backtest(replay: Any, /, *, currency: str = "", ax: Axes | None = None) -> Axes:
    """Show what those whom each policy would have picked went on to do, cutoff by cutoff.

    Parameters
    ----------
    replay : Backtest
        As `crmkit.targeting.backtest` returns it.
    currency : str, optional
        Currency of the amounts, for the axis.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Mean of what was measured after the cutoff, with its interval, for each policy at each cutoff.

    Raises
    ------
    DataError
        `replay` is not what `crmkit.targeting.backtest` returns.

    Examples
    --------
    >>> from crmkit import datasets, plot, rfm, targeting
    >>> log = datasets.make_transactions(n_customers=200).transactions
    >>> def best(past):
    ...     return rfm.summarize(past)["monetary"].nlargest(20).index
    >>> plot.targeting_backtest(targeting.backtest(log, best, cutoffs=["2024-06-01"])).get_ylabel()
    'amount spent per customer'
    """
    if not isinstance(replay, Backtest):
        msg = f"expected what targeting.backtest returns, not a {type(replay).__name__}"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    label, factor = MEASURES[replay.measure]
    table = replay.table
    policy = _frame.text(table, "policy")
    times = _frame.times(table, "cutoff")
    cutoffs = np.unique(times.instant)
    place = np.searchsorted(cutoffs, times.instant)
    mean, low, high = (factor * _frame.numbers(table, name) for name in ("value", "ci_low", "ci_high"))
    names = list(dict.fromkeys(policy.values[code] for code in policy.codes))
    colours = [_canvas.MAIN, _canvas.ACCENT, "#4f8f7b", "#8c5a86", "#a3a3a3"]
    markers = "os^Dv"
    for i, name in enumerate(names):
        mine = np.array([policy.values[code] == name for code in policy.codes])
        last = i == len(names) - 1  # everybody
        colour = _canvas.MUTED if last else colours[i % len(colours)]
        at = place[mine] + (i - 0.5 * (len(names) - 1)) * 0.6 / len(names)
        ax.vlines(at, low[mine], high[mine], color=colour, linewidth=2)
        ax.plot(
            at,
            mean[mine],
            color=colour,
            marker=markers[i % len(markers)],
            linestyle="none",
            markersize=7,
            label=_canvas.literal(name),
        )
    contacted = _frame.numbers(table, "contacted")
    eligible = _frame.numbers(table, "eligible")
    shown = []
    for k, cutoff in enumerate(cutoffs):
        here = place == k
        picked = sorted(
            {int(count) for count, is_all in zip(contacted[here], contacted[here] == eligible[here], strict=True) if not is_all}
        )
        words = " to ".join(f"{count:,}" for count in dict.fromkeys([picked[0], picked[-1]])) if picked else "all"
        shown.append(f"{times.clock.in_zone(int(cutoff)):%Y-%m-%d}\n{words} of {int(eligible[here][0]):,}")
    ax.set_xticks(np.arange(cutoffs.size), shown)
    ax.set_xlim(-0.6, cutoffs.size - 0.4)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(f"cutoff, customers contacted; measured within {replay.horizon} of it, with intervals")
    ax.set_ylabel(f"{label}{f' ({_canvas.literal(currency)})' if currency and replay.measure == 'value' else ''}")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2)
    _canvas.plain(ax, grid="y")
    return ax
