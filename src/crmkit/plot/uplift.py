"""Pictures of uplift: what a ranking puts first, and what treating its top is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame
from crmkit.errors import DataError
from crmkit.plot import _canvas
from crmkit.results import in_percent
from crmkit.uplift import Evaluation, Qini

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["uplift_calibration", "uplift_policy", "uplift_qini"]

SHOWN = 400  # points that a line needs


def uplift_qini(found: Any, /, *, ax: Axes | None = None) -> Axes:
    """Show how the effect accumulates down a ranking, beside treating at random.

    Parameters
    ----------
    found : Qini
        As `crmkit.uplift.qini` returns it.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Outcome gained, if customers were treated from the top, per 1,000 customers of the base, against the share treated (%).
        The band is what chance alone would do to a ranking at random, at the level of the intervals.

    Raises
    ------
    DataError
        It is not what `uplift.qini` returns.

    Examples
    --------
    >>> from crmkit import plot, uplift
    >>> found = uplift.qini([1, 0, 0, 1, 0, 0, 1, 0], [4, 4, 3, 3, 2, 2, 1, 1], [1, 0, 1, 0, 1, 0, 1, 0])
    >>> plot.uplift_qini(found).get_xlabel()
    'share treated, highest score first (%, n = 8)'
    """
    if not isinstance(found, Qini):
        msg = f"expected what uplift.qini returns, got {type(found).__name__}"
        raise DataError(msg)
    share, gain = (_frame.numbers(found.curve, name) for name in ("share", "gain"))
    n = found.effect.n
    if share.size > SHOWN:
        places = np.unique(np.linspace(0, share.size - 1, SHOWN).astype(int))
        share, gain = share[places], gain[places]
    ax = _canvas.axes(ax)
    scale = 1000.0 / n
    # a ranking at random: a bridge from nothing to the effect on everybody
    spread = scale * n * found.effect.se * np.sqrt(share * (1.0 - share))
    end = gain[-1] * scale
    reach = abs(found.effect.ci_high - found.effect.value) / found.effect.se if found.effect.se > 0 else 0.0
    ax.fill_between(
        100 * share, end * share - reach * spread, end * share + reach * spread, color=_canvas.MUTED, alpha=0.16, linewidth=0
    )
    ax.plot(100 * share, end * share, color=_canvas.MUTED, linewidth=1.2, linestyle=(0, (2, 3)), label="at random, with chance")
    ax.plot(100 * share, scale * gain, color=_canvas.MAIN, linewidth=2.2, label="highest score first")
    ax.axhline(0.0, color=_canvas.INK, linewidth=0.9)
    words = f"Qini {found.qini.value:.3g} ({in_percent(found.qini.level)}: {found.qini.ci_low:.3g} to {found.qini.ci_high:.3g})"
    ax.text(0.98, 0.04, words, transform=ax.transAxes, ha="right", size="small", color=_canvas.INK, bbox=_canvas.PAPER)
    ax.set_xlim(0, 101)
    ax.set_xlabel(f"share treated, highest score first (%, n = {n:,.0f})")
    ax.set_ylabel("outcome gained per 1,000 customers")
    _canvas.plain(ax, grid="y")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
    return ax


def uplift_policy(table: Any, /, *, unit: str = "", ax: Axes | None = None) -> Axes:
    """Show what rules of whom to treat earn over treating nobody, with their intervals.

    Parameters
    ----------
    table : DataFrame
        As `crmkit.uplift.policy_value` returns it.
    unit : str, optional
        Unit of the outcome, for the axis.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Value per customer over treating nobody, against the share treated (%); treating as many at random is the dotted line.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A number is missing or infinite.

    Examples
    --------
    >>> from crmkit import datasets, plot, uplift
    >>> campaign = datasets.make_experiment(n_customers=2000).customers
    >>> table = uplift.policy_value(campaign, outcome="spend", treatment="arm", arm="voucher", score="orders", cost=0.5)
    >>> plot.uplift_policy(table).get_xlabel()
    'share treated (%, n = 1,330)'
    """
    frame = _frame.read(table)
    share, value, low, high = (_frame.numbers(frame, name) for name in ("share", "over_none", "over_none_low", "over_none_high"))
    n = int(_frame.numbers(frame, "n")[0])
    names = [str(name) for name in _frame.as_pandas(frame.column("policy"), frame.kind)]
    order = np.argsort(share, kind="stable")
    ax = _canvas.axes(ax)
    whole = names.index("treat all") if "treat all" in names else int(order[-1])
    ax.plot(
        [0, 100 * share[whole]], [0, value[whole]], color=_canvas.MUTED, linewidth=1.2, linestyle=(0, (2, 3)), label="at random"
    )
    ax.axhline(0.0, color=_canvas.INK, linewidth=0.9)
    ranked = sum(name.startswith("top ") for name in names) >= 2
    if ranked:
        x = 100 * share[order]
        ax.fill_between(x, low[order], high[order], color=_canvas.MAIN, alpha=0.14, linewidth=0)
        ax.plot(x, value[order], color=_canvas.MAIN, linewidth=2.2, marker="o", markersize=4, label="highest score first")
    else:
        ax.vlines(100 * share, low, high, color=_canvas.MAIN, linewidth=2)
        ax.plot(100 * share, value, "o", color=_canvas.MAIN, markersize=6, label="rules")
        for name, x, y in zip(names, 100 * share, value, strict=True):
            _canvas.note(ax, _canvas.literal(name), (float(x), float(y)), (7, 8))
    best = int(np.argmax(value))
    ax.plot(
        [100 * share[best]],
        [value[best]],
        "o",
        color=_canvas.ACCENT,
        markersize=8,
        zorder=4,
        label=f"best: {_canvas.literal(names[best])}",
    )
    ax.set_xlim(-1, 106)
    ax.set_xlabel(f"share treated (%, n = {n:,})")
    ax.set_ylabel(f"value per customer over treating nobody{f' ({_canvas.literal(unit)})' if unit else ''}")
    _canvas.plain(ax, grid="y")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2, fontsize="small")
    return ax


def uplift_calibration(evaluation: Any, /, *, score: str | None = None, ax: Axes | None = None) -> Axes:
    """Show the effect that was seen against the effect that was predicted, part by part of the ranking.

    Parameters
    ----------
    evaluation : Evaluation
        As `crmkit.uplift.evaluate` returns it.
    score : str, optional
        Which score; default the first.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Effect seen with its interval against the mean prediction; on the dotted line predictions have the right size.

    Raises
    ------
    DataError
        It is not what `uplift.evaluate` returns, or has no such score.

    Examples
    --------
    >>> from crmkit import datasets, plot, uplift
    >>> campaign = datasets.make_experiment(n_customers=2000)
    >>> frame = campaign.customers.assign(truth=campaign.truth["visited_voucher"])
    >>> found = uplift.evaluate(frame, outcome="visited", treatment="arm", arm="voucher", score="truth")
    >>> plot.uplift_calibration(found).get_ylabel()
    'effect seen'
    """
    if not isinstance(evaluation, Evaluation):
        msg = f"expected what uplift.evaluate returns, got {type(evaluation).__name__}"
        raise DataError(msg)
    frame = _frame.read(evaluation.calibration)
    names = np.array([str(name) for name in _frame.as_pandas(frame.column("score"), frame.kind)])
    wanted = names[0] if score is None else score
    rows = names == wanted
    if not rows.any():
        msg = f"score={score!r} is not one of {sorted(set(names.tolist()))}"
        raise DataError(msg)
    predicted, effect, low, high = (_frame.numbers(frame, name)[rows] for name in ("predicted", "effect", "ci_low", "ci_high"))
    ax = _canvas.axes(ax)
    ends = [float(predicted.min()), float(predicted.max())]
    ax.plot(ends, ends, color=_canvas.MUTED, linewidth=1.2, linestyle=(0, (2, 3)), label="as predicted")
    ax.axhline(evaluation.effect, color=_canvas.ACCENT, linewidth=1.2, label="effect on everybody")
    ax.vlines(predicted, low, high, color=_canvas.MAIN, linewidth=2)
    ax.plot(predicted, effect, "o", color=_canvas.MAIN, markersize=6, label=f"seen, {in_percent(evaluation.level)} intervals")
    ax.set_xlabel(f"predicted effect, {_canvas.literal(wanted)} (n = {evaluation.n:,})")
    ax.set_ylabel("effect seen")
    _canvas.plain(ax, grid="y")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2, fontsize="small")
    return ax
