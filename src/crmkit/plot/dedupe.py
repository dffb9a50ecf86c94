"""Pictures of linkage: what evidence weighs, why two records are one, how sure links are, how large people's clusters are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, _options
from crmkit.dedupe import FellegiSunter
from crmkit.errors import DataError
from crmkit.plot import _canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["dedupe_clusters", "dedupe_scores", "dedupe_waterfall", "dedupe_weights"]


def dedupe_weights(model: Any, /, *, ax: Axes | None = None) -> Axes:
    """Show how many bits of evidence each level of agreement of each field is, for a match or against it.

    Parameters
    ----------
    model : FellegiSunter
        From `crmkit.dedupe.fit_fellegi_sunter`, or the `model` of a result.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        A bar per level: log2(m / u) in bits, against two strangers.

    Raises
    ------
    DataError
        `model` is not a `FellegiSunter`.

    Examples
    --------
    >>> from crmkit import datasets, dedupe, plot
    >>> contacts = datasets.make_records(n_records=2000)
    >>> model = dedupe.fit_fellegi_sunter(contacts.records, fields=contacts.fields)
    >>> plot.dedupe_weights(model).get_xlabel()
    'evidence for a match, against two strangers (bits)'
    """
    if not isinstance(model, FellegiSunter):
        msg = f"expected a FellegiSunter, got {type(model).__name__}"
        raise DataError(msg)
    ax, new = _canvas.axes(ax), ax is None
    names, bits, rows, row = [], [], [], 0.0
    for field, levels in model.levels.items():
        words = [*(_said(level) for level in levels), "no agreement"]
        for place, word in enumerate(words):
            level = len(levels) - place
            bits.append(float(np.log2(model.m[field][level]) - np.log2(model.u[field][level])))
            names.append(f"{_canvas.literal(field)}: {word}" if place == 0 else word)
            rows.append(row)
            row += 1.0
        row += 0.6
    colours = [_canvas.MAIN if amount >= 0 else _canvas.ACCENT for amount in bits]
    ax.barh(rows, bits, height=0.8, color=colours)
    ax.axvline(0.0, color=_canvas.INK, linewidth=0.8)
    ax.set_yticks(rows, names, fontsize="small")
    _tall_enough(ax, row, new=new)
    ax.invert_yaxis()
    ax.set_xlabel("evidence for a match, against two strangers (bits)")
    ax.set_title(f"learned from {model.n:,} pairs", fontsize="medium", loc="left", color=_canvas.INK)
    _canvas.plain(ax, grid="x")
    return ax


def dedupe_waterfall(explanation: Any, /, *, ax: Axes | None = None) -> Axes:
    """Show why two records are taken for one person, or not: term by term up to the match weight.

    Parameters
    ----------
    explanation : DataFrame
        What `crmkit.dedupe.explain_pair` returns: ``term``, ``level``, ``bits``, ``total``.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        A step per term, and the match weight with its probability.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        Bits are missing or infinite, or there are none.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import plot
    >>> why = pd.DataFrame(
    ...     {"term": ["prior", "name"], "level": ["all pairs", "exact"], "bits": [-10.0, 14.0], "total": [-10.0, 4.0]}
    ... )
    >>> plot.dedupe_waterfall(why).get_xlabel()
    'log2 odds of a match (bits)'
    """
    frame = _frame.read(explanation)
    bits = _frame.numbers(frame, "bits")
    if bits.size == 0:
        msg = "the explanation has no terms"
        raise DataError(msg)
    terms, levels = (_texts(frame, name) for name in ("term", "level"))
    ax, new = _canvas.axes(ax), ax is None
    total = np.cumsum(bits)
    rows = np.arange(bits.size + 1)
    starts = np.concatenate([[0.0], total[:-1]])
    colours = [_canvas.MUTED] + [_canvas.MAIN if amount >= 0 else _canvas.ACCENT for amount in bits[1:]]
    ax.barh(rows[:-1], bits, left=starts, height=0.7, color=colours)
    ax.barh(rows[-1:], total[-1:], height=0.7, color=_canvas.INK)
    for row, (end, amount) in enumerate(zip(total, bits, strict=True)):
        ax.plot([end, end], [row - 0.35, row + 1.35], color=_canvas.MUTED, linewidth=0.8)
        _canvas.note(ax, f"{amount:+.1f}", (max(end, end - amount), row), (4, 0))
    weight = float(total[-1])
    _canvas.note(ax, f"{weight:+.1f}, probability {_probable(weight)}", (max(weight, 0.0), bits.size), (4, 0))
    words = [
        f"{_canvas.literal(term)} ({_canvas.literal(level)})" if level else _canvas.literal(term)
        for term, level in zip(terms, levels, strict=True)
    ]
    ax.set_yticks(rows, [*words, "match weight"], fontsize="small")
    _tall_enough(ax, rows.size, new=new)
    ax.axvline(0.0, color=_canvas.INK, linewidth=0.8)
    ax.margins(x=0.22)
    ax.invert_yaxis()
    ax.set_xlabel("log2 odds of a match (bits)")
    _canvas.plain(ax, grid="x")
    return ax


def dedupe_scores(pairs: Any, /, *, threshold: float | None = 0.95, bins: int = 60, ax: Axes | None = None) -> Axes:
    """Show how the match weights of pairs are spread, and which of them the threshold links.

    Parameters
    ----------
    pairs : DataFrame
        Scored pairs, with ``match_weight``.
    threshold : float or None, default 0.95
        Probability at which pairs are linked, between 0 and 1; None draws no line.
    bins : int, default 60
        Number of bars, 5 to 500.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Number of pairs (on a log scale) by match weight in bits.

    Raises
    ------
    ColumnError
        There is no column ``match_weight``.
    DataError
        A match weight is missing or infinite, or there are none.
    OptionError
        `threshold` or `bins` is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import plot
    >>> plot.dedupe_scores(pd.DataFrame({"match_weight": [-3.0, 1.0, 8.0, 9.0]})).get_ylabel()
    'pairs'
    """
    bins = _options.whole("bins", bins, low=5, high=500)
    weights = _frame.numbers(pairs, "match_weight")
    if weights.size == 0:
        msg = "there are no pairs to show"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    edges = np.linspace(weights.min() - 0.5, weights.max() + 0.5, bins + 1).tolist()
    cut = None
    if threshold is not None:
        share = _options.number("threshold", threshold, low=0.0, high=1.0, ends=False)
        cut = float(np.log2(share / (1.0 - share)))
    linked = weights >= (np.inf if cut is None else cut)
    ax.hist(weights[~linked], edges, color=_canvas.MUTED, label=f"not linked (n = {int((~linked).sum()):,})")
    if linked.any():
        ax.hist(weights[linked], edges, color=_canvas.MAIN, label=f"linked (n = {int(linked.sum()):,})")
    if cut is not None:
        ax.axvline(cut, color=_canvas.ACCENT, linewidth=1.8, label=f"threshold: probability {threshold:g}, {cut:.1f} bits")
    ax.set_yscale("symlog", linthresh=1.0)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("match weight (bits)")
    ax.set_ylabel("pairs")
    ax.legend(frameon=False, fontsize="small")
    _canvas.plain(ax, grid="y")
    return ax


def dedupe_clusters(sizes: Any, /, *, ax: Axes | None = None) -> Axes:
    """Show how many people have two records, three, and so on: long tails are worth a look.

    Parameters
    ----------
    sizes : DataFrame
        One row per cluster, with ``size``: the `sizes` of a result.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Number of clusters (on a log scale) by number of records.

    Raises
    ------
    ColumnError
        There is no column ``size``.
    DataError
        A size is no whole number above zero, or there are none.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import plot
    >>> plot.dedupe_clusters(pd.DataFrame({"size": [4, 2, 2, 2]})).get_xlabel()
    'records of one person'
    """
    size = _frame.numbers(sizes, "size", positive=True, whole=True).astype(np.int64)
    if size.size == 0:
        msg = "there are no clusters to show"
        raise DataError(msg)
    ax = _canvas.axes(ax)
    values, counts = np.unique(size, return_counts=True)
    ax.bar(values, counts, width=0.8, color=_canvas.MAIN)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if len(values) <= 15:
            ax.annotate(f"{count:,}", (value, count), (0, 2), textcoords="offset points", ha="center", fontsize="small")
    ax.set_yscale("symlog", linthresh=1.0)
    ax.set_ylim(0, counts.max() * 2.0)
    if values.max() <= 20:
        ax.set_xticks(range(int(values.min()), int(values.max()) + 1))
    ax.set_xlabel("records of one person")
    ax.set_ylabel(f"people with two records or more (n = {size.size:,})" if size.min() > 1 else f"people (n = {size.size:,})")
    _canvas.plain(ax, grid="y")
    return ax


def _tall_enough(ax: Axes, rows: float, *, new: bool) -> None:
    """Give a figure of our own the height that the labels of its rows need."""
    figure = ax.get_figure()
    if new and figure is not None:
        figure.set_size_inches(7.0, max(4.8, 1.0 + 0.19 * rows))  # type: ignore[union-attr]


def _probable(weight: float) -> str:
    """Write a probability from its log2 odds; one that is nearly certain is not 1."""
    probability = 1.0 / (1.0 + 2.0 ** -float(np.clip(weight, -1000, 1000)))
    if probability > 0.9999:
        return "> 0.9999"
    return "< 0.0001" if probability < 0.0001 else f"{probability:.4f}"


def _said(level: Any) -> str:
    return str(level) if isinstance(level, str) else f"{level[0]} {level[1]}"


def _texts(frame: _frame.Frame, name: str) -> list[str]:
    column = frame.column(name)
    listed = column.to_pylist() if hasattr(column, "to_pylist") else list(column)
    return ["" if value is None or value != value else str(value) for value in listed]
