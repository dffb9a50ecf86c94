"""Pictures of recommendations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, recommend
from crmkit.errors import DataError, OptionError
from crmkit.plot import _canvas
from crmkit.results import in_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["recommend_coverage", "recommend_metrics", "recommend_neighbours"]

COLOURS = (_canvas.MAIN, _canvas.ACCENT, "#4f9d69", "#8e5ea2", "#b0413e", "#5d6d7e")
PARTS = {"all": "all items", "repeat": "items bought before", "new": "items never bought before"}


def recommend_metrics(evaluation: Any, /, *, metric: str = "recall", items: str = "all", ax: Axes | None = None) -> Axes:
    """Show how well each model foresaw purchases, by the length of its lists, with intervals.

    Parameters
    ----------
    evaluation : Evaluation
        What `recommend.evaluate` returned, best for several k.
    metric : str, default "recall"
        Metric to show.
    items : {"all", "repeat", "new"}, default "all"
        Which purchases were to be foreseen.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        The mean over customers against k, one line per model.

    Raises
    ------
    OptionError
        `metric` or `items` was not evaluated, or `evaluation` is something else.

    Examples
    --------
    >>> from crmkit import datasets, plot, recommend
    >>> shop = datasets.make_interactions(n_customers=100)
    >>> split = recommend.split_by_time(shop.lines, when="2023-10-01", order="order_id")
    >>> model = recommend.fit_frequency(recommend.interactions(split.train))
    >>> plot.recommend_metrics(recommend.evaluate(model, split, k=[5, 10])).get_ylabel()
    'recall, all items, with 95 % interval'
    """
    if not isinstance(evaluation, recommend.Evaluation):
        msg = f"expected what recommend.evaluate returns, got {type(evaluation).__name__}"
        raise OptionError(msg)
    frame = _frame.read(evaluation.metrics)
    model, part, name = (_frame.text(frame, column) for column in ("model", "items", "metric"))
    _options.choice("metric", metric, name.values)
    _options.choice("items", items, part.values)
    wanted = (name.codes == name.values.index(metric)) & (part.codes == part.values.index(items))
    k, value, low, high, n = (_frame.numbers(frame, column)[wanted] for column in ("k", "value", "ci_low", "ci_high", "n"))
    ax = _canvas.axes(ax)
    models = model.codes[wanted]
    shown = [code for code in range(len(model.values)) if (models == code).any()]
    for place, code in enumerate(shown):
        mine = models == code
        # a little apart, so that intervals do not hide each other
        at = k[mine] * (1.0 + 0.02 * (place - (len(shown) - 1) / 2.0))
        colour = COLOURS[place % len(COLOURS)]
        ax.vlines(at, low[mine], high[mine], color=colour, linewidth=1.4, alpha=0.7)
        ax.plot(at, value[mine], color=colour, marker="o", markersize=5, linewidth=1.8, label=_canvas.literal(model.values[code]))
    ax.set_xticks(np.unique(k), [f"{int(one)}" for one in np.unique(k)])
    ax.set_xlabel(f"length of the list (n = {n.max():,.0f} customers)" if n.size else "length of the list")
    ax.set_ylabel(f"{metric.replace('_', ' ')}, {PARTS[items]}, with {in_percent(evaluation.level)} interval".replace("%", " %"))
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    _canvas.plain(ax, grid="y")
    return ax


def recommend_coverage(lists: Any, interactions: Any, /, *, ax: Axes | None = None) -> Axes:
    """Show how far down the long tail recommendations reach, beside the purchases themselves.

    Parameters
    ----------
    lists : DataFrame or mapping
        What `recommend.top_items` returned, or several of its results by name.
    interactions : Interactions
        The purchases, which tell popular items from rare ones.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Share of all recommendations (%) that go to the most popular items, against their share of the catalogue (%).

    Raises
    ------
    ColumnError
        A frame has no column item_id.
    DataError
        A frame has no rows, or items that are not in the interactions.
    OptionError
        `interactions` is something else.

    Examples
    --------
    >>> from crmkit import datasets, plot, recommend
    >>> seen = recommend.interactions(datasets.make_interactions(n_customers=100).lines)
    >>> lists = recommend.top_items(recommend.fit_item_knn(seen))
    >>> plot.recommend_coverage(lists, seen).get_ylabel()
    'share of recommendations (%)'
    """
    if not isinstance(interactions, recommend.Interactions):
        msg = f"expected what recommend.interactions returns, got {type(interactions).__name__}"
        raise OptionError(msg)
    named = dict(lists) if isinstance(lists, Mapping) else {"recommendations": lists}
    n_items = len(interactions.items)
    share = 100.0 * np.arange(n_items + 1) / n_items
    ax = _canvas.axes(ax)

    def curve(times: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        return np.concatenate([[0.0], 100.0 * np.cumsum(times[interactions.order]) / times.sum()])

    ax.plot([0, 100], [0, 100], color=_canvas.MUTED, linewidth=1, linestyle=(0, (2, 3)), label="all items alike")
    bought = np.bincount(interactions.by_customer.index, interactions.by_customer.value, minlength=n_items)
    ax.plot(share, curve(bought), color=_canvas.INK, linewidth=1.4, linestyle="--", label="purchases")
    for place, (name, table) in enumerate(named.items()):
        found = _frame.ids(_frame.read(table), "item_id")
        code = interactions.items.codes_of(found.labels.values, what="item")[found.codes]
        if code.size == 0 or (code < 0).any():
            what = "no rows" if code.size == 0 else f"{int((code < 0).sum()):,} rows with items that are not in the interactions"
            msg = f"{name}: {what}; pass what recommend.top_items returned, and the interactions of its model"
            raise DataError(msg)
        times = np.bincount(code, minlength=n_items)
        label = f"{_canvas.literal(name)} ({np.count_nonzero(times) / n_items:.0%} of items)".replace("%", " %")
        ax.plot(share, curve(times), color=COLOURS[place % len(COLOURS)], linewidth=2.2, label=label)
    ax.set_xlabel(f"share of the catalogue, most bought first (%), n = {n_items:,} items")
    ax.set_ylabel("share of recommendations (%)")
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 101)
    ax.legend(frameon=False, loc="lower right")
    _canvas.plain(ax, grid="both")
    return ax


def recommend_neighbours(model: Any, item: Any, /, *, k: int = 8, ax: Axes | None = None) -> Axes:
    """Show the items most like one item, and which of them are like each other.

    Parameters
    ----------
    model : ItemKnn, Ease or Als
        A fitted recommender that compares items.
    item : id
        The item in the middle.
    k : int, default 8
        Most items around it, up to 30.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        The item and those around it, the nearer the more similar; lines join those of which one is among the `k` most like the
        other.

    Raises
    ------
    DataError
        The item was never bought before the fit, or is like no other.
    FitError
        The model does not compare items.
    OptionError
        An argument is outside what is accepted.

    Examples
    --------
    >>> from crmkit import datasets, plot, recommend
    >>> seen = recommend.interactions(datasets.make_interactions(n_customers=100).lines)
    >>> len(plot.recommend_neighbours(recommend.fit_item_knn(seen), "I0001", k=5).texts)
    6
    """
    k = _options.whole("k", k, low=1, high=30)
    near = _frame.read(recommend.similar_items(model, [item], k=k))
    if len(near) == 0:
        msg = "the item is like no other: no customer bought it with something else"
        raise DataError(msg)
    around = _frame.ids(near, "similar_id")
    likeness = _frame.numbers(near, "similarity")
    names = [_canvas.literal(label) for label in around.labels.take(around.codes)]
    native = around.labels.take(around.codes)
    links = _frame.read(recommend.similar_items(model, native, k=k))
    places = {label: place for place, label in enumerate(around.labels.as_index())}
    one = _frame.ids(links, "item_id").labels.as_index().take(_frame.ids(links, "item_id").codes)
    other = _frame.ids(links, "similar_id").labels.as_index().take(_frame.ids(links, "similar_id").codes)
    of_label = {int(code): place for place, code in enumerate(around.codes)}
    pairs = {(of_label[places[a]], of_label[places[b]]) for a, b in zip(one, other, strict=True) if a in places and b in places}

    angle = np.pi / 2 - 2.0 * np.pi * np.arange(len(names)) / len(names)
    lowest, highest = float(likeness.min()), float(likeness.max())
    # the most similar at 0.55 of the way, the least at the rim
    radius = 1.0 - 0.45 * ((likeness - lowest) / (highest - lowest) if highest > lowest else np.ones(likeness.size))
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    ax = _canvas.axes(ax)
    for a, b in pairs:
        ax.plot([x[a], x[b]], [y[a], y[b]], color="#d5dbe1", linewidth=1.0, zorder=1)
    for a in range(len(names)):
        ax.plot([0.0, x[a]], [0.0, y[a]], color=_canvas.MAIN, linewidth=1.0 + 2.0 * (1.0 - radius[a]), alpha=0.55, zorder=2)
    ax.scatter(x, y, s=60, color=_canvas.MAIN, zorder=3)
    ax.scatter([0.0], [0.0], s=130, color=_canvas.ACCENT, zorder=4)
    middle = ax.annotate(_canvas.literal(item), (0.0, 0.0), (0, -11), textcoords="offset points", ha="center", va="top", zorder=5)
    middle.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0})
    for name, value, px, py, turn in zip(names, likeness, x, y, angle, strict=True):
        side = "left" if np.cos(turn) > 0.2 else "right" if np.cos(turn) < -0.2 else "center"
        shift = (8 * np.sign(np.cos(turn)) if side != "center" else 0, 10 * np.sin(turn))
        ax.annotate(
            f"{name}\n{value:.3g}",
            (px, py),
            shift,
            textcoords="offset points",
            ha=side,
            va="bottom" if np.sin(turn) > 0.2 else "top" if np.sin(turn) < -0.2 else "center",
            size="small",
            color=_canvas.INK,
        )
    ax.set_xlim(-1.45, 1.45)
    ax.set_ylim(-1.3, 1.3)
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_title(f"most like {_canvas.literal(item)}, with similarity", size="medium", color=_canvas.INK)
    return ax
