"""Pictures of what a purchase model says: of which customers, and how they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _options
from crmkit.clv._draws import models_around, with_a_process
from crmkit.clv._units import horizon_in
from crmkit.clv.bg_bb import BgBb
from crmkit.errors import OptionError
from crmkit.plot import _canvas
from crmkit.plot._grid import DARK, LIGHT
from crmkit.results import in_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["clv_expectation", "clv_heterogeneity", "clv_p_alive"]

Floats = npt.NDArray[np.float64]

_ROWS = 120  # of a heatmap, where time is continuous
_LINES = [10.0, 25.0, 50.0, 75.0, 90.0]  # of equal P(alive), in percent
_DRAWS = 200  # models behind the band of a curve
_UNITS = {"D": "days", "W": "weeks", "Y": "years", None: "units of time"}
_KINDS = {
    "purchase_rate": ("purchases per {unit} while a customer", "gamma"),
    "dropout": ("probability to leave after a purchase", "beta"),
    "leaving_rate": ("rate of leaving, per {unit}", "gamma"),
    "purchase_chance": ("probability to take an opportunity", "beta"),
    "leaving_chance": ("probability to leave before an opportunity", "beta"),
}


def clv_p_alive(model: Any, /, *, T: Any, most: int = 12, ax: Axes | None = None) -> Axes:
    """Show which customers are still there: the probability by how often and how lately they bought.

    Parameters
    ----------
    model : Model
        A fitted purchase model.
    T : float or str
        How long the customers have been observed: a number in the model's unit, or a duration such as "52W".
    most : int, default 12
        Largest number of repeat purchases shown, 1 to 200.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        P(alive) as shades (%), by repeat purchases and time of the last one; lines join equal probabilities. Customers without
        repeat purchases have no last one: their probability stands in the title.

    Raises
    ------
    FitError
        The model does not say when customers leave.
    OptionError
        `T` or `most` is not usable.

    Examples
    --------
    >>> from crmkit import clv, datasets, plot
    >>> model = clv.fit_bg_nbd(clv.summarize(datasets.make_transactions(n_customers=200).transactions))
    >>> plot.clv_p_alive(model, T="52W").get_xlabel()
    'repeat purchases in 52 weeks'
    """
    known, x, t_x, end = _histories(model, T, most)

    def percent(x: Floats, t_x: Floats) -> Floats:
        found: Floats = 100.0 * known.p_alive(x, t_x, end)
        return found

    ax = _shades(ax, known, x, t_x, end, percent, top=100.0, label="P(alive) (%)")
    ax.set_title(
        f"{known.TITLE}: P(alive); without repeat purchases {100.0 * known.p_alive(0, 0.0, end):.0f} %",
        size="medium",
        color=_canvas.INK,
    )
    return ax


def clv_expectation(model: Any, /, *, T: Any, horizon: Any, most: int = 12, ax: Axes | None = None) -> Axes:
    """Show who will buy how often: expected purchases by how often and how lately customers bought.

    Parameters
    ----------
    model : Model
        A fitted purchase model.
    T : float or str
        How long the customers have been observed: a number in the model's unit, or a duration such as "52W".
    horizon : float or str
        How far to look ahead.
    most : int, default 12
        Largest number of repeat purchases shown, 1 to 200.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Expected purchases as shades, by repeat purchases and time of the last one; lines join equal expectations. That of
        customers without repeat purchases stands in the title.

    Raises
    ------
    FitError
        The model does not count purchases.
    OptionError
        `T`, `horizon` or `most` is not usable.

    Examples
    --------
    >>> from crmkit import clv, datasets, plot
    >>> model = clv.fit_bg_nbd(clv.summarize(datasets.make_transactions(n_customers=200).transactions))
    >>> plot.clv_expectation(model, T="52W", horizon="26W").get_ylabel()
    'weeks from the first purchase to the last'
    """
    known, x, t_x, end = _histories(model, T, most)
    ahead = horizon_in(horizon, known.unit)
    unit = "opportunities" if known.TITLE == BgBb.TITLE else _UNITS.get(known.unit, f"times {known.unit}")
    label = f"expected purchases in the next {ahead:g} {unit}"
    ax = _shades(ax, known, x, t_x, end, lambda x, t_x: known.expected_purchases(ahead, x, t_x, end), top=None, label=label)
    ax.set_title(
        f"{known.TITLE}: without repeat purchases {known.expected_purchases(ahead, 0, 0.0, end):.2g}",
        size="medium",
        color=_canvas.INK,
    )
    return ax


def clv_heterogeneity(model: Any, /, *, of: str | None = None, level: float = 0.95, ax: Axes | None = None) -> Axes:
    """Show how customers differ: which share of them buys, or leaves, at most at which rate.

    Parameters
    ----------
    model : Model
        A fitted purchase model.
    of : str, optional
        "purchase_rate" (the default) and "dropout"; for Pareto/NBD "purchase_rate" and "leaving_rate"; for BG/BB
        "purchase_chance" and "leaving_chance".
    level : float, default 0.95
        Level of the band, from parameters drawn around the estimate.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Share of the customers (%) with at most that rate, with the mean marked. A curve of shares stays finite where a density
        would not: at a rate of zero most of these models have an infinite one.

    Raises
    ------
    FitError
        The model does not say how customers differ.
    OptionError
        `of` is not one of the model's distributions, or `level` is not usable.

    Examples
    --------
    >>> from crmkit import clv, datasets, plot
    >>> model = clv.fit_bg_nbd(clv.summarize(datasets.make_transactions(n_customers=200).transactions))
    >>> plot.clv_heterogeneity(model, of="dropout").get_xlabel()
    'probability to leave after a purchase'
    """
    known = with_a_process(model, "distribution of rates")
    within = _options.number("level", level, low=0.0, high=1.0, ends=False)
    names = [name for name in known._CHARACTERS if name in _KINDS]
    chosen = _options.choice("of", names[0] if of is None else of, names)
    (words, shape), (first, second) = _KINDS[chosen], known._CHARACTERS[chosen]
    unit = _UNITS.get(known.unit, f"times {known.unit}")
    per = float(getattr(known, "k", 1)) if chosen == "purchase_rate" else 1.0
    grid, mean = _grid_of(shape, float(getattr(known, first)), float(getattr(known, second)), per)
    drawn, _ = models_around(known, _DRAWS, np.random.default_rng(0))
    curves = np.array([_shares(shape, float(getattr(m, first)), float(getattr(m, second)), grid * per) for m in drawn])
    low, high = np.quantile(curves, [(1.0 - within) / 2.0, (1.0 + within) / 2.0], axis=0)

    ax = _canvas.axes(ax)
    if known.covariance:
        band = f"{in_percent(within)} of the models around the estimate"
        ax.fill_between(grid, low, high, color=_canvas.MAIN, alpha=0.18, linewidth=0, label=band)
    curve = _shares(shape, float(getattr(known, first)), float(getattr(known, second)), grid * per)
    ax.plot(grid, curve, color=_canvas.MAIN, linewidth=2.2, label=f"{known.TITLE} (n = {known.n:,.0f})")
    height = float(np.interp(mean, grid, curve))
    ax.plot([mean], [height], marker="o", color=_canvas.ACCENT, markersize=6)
    _canvas.note(ax, f"mean {mean:.3g}: {height:.0f} % have less", (mean, height), (8, -10))
    ax.set_xlabel(words.format(unit=unit.removesuffix("s") if known.unit in ("D", "W", "Y") else unit))
    ax.set_ylabel("share of the customers (%)")
    ax.set_xlim(0, float(grid[-1]))
    ax.set_ylim(0, 101)
    ax.legend(frameon=False, loc="lower right")
    _canvas.plain(ax, grid="both")
    return ax


def _histories(model: Any, T: Any, most: int) -> tuple[Any, Floats, Floats, float]:
    """Return the possible histories: repeat purchases across, times of the last one upwards."""
    known = with_a_process(model, "picture of histories")
    try:
        end = horizon_in(T, known.unit)
    except OptionError as error:
        raise OptionError(str(error).replace("horizon=", "T=", 1)) from error
    if end <= 0.0:
        msg = f"T={T!r}: customers who have not been observed have no history to show"
        raise OptionError(msg)
    x = np.arange(1.0, _options.whole("most", most, low=1, high=200) + 1.0)
    if known.TITLE == BgBb.TITLE:  # whole opportunities
        end = float(np.floor(end))
        return known, x[x <= end], np.arange(1.0, end + 1.0), end
    return known, x, (np.arange(_ROWS) + 0.5) / _ROWS * end, end


def _shades(
    ax: Axes | None, model: Any, x: Floats, t_x: Floats, end: float, answer: Any, *, top: float | None, label: str
) -> Axes:
    """Colour the possible histories by the answer, and join equal answers by lines."""
    from matplotlib.colors import LinearSegmentedColormap

    across, up = np.meshgrid(x, t_x)
    possible = across <= up if model.TITLE == BgBb.TITLE else np.ones(across.shape, np.bool_)
    values = np.full(across.shape, np.nan)
    values[possible] = answer(across[possible], up[possible])
    ax = _canvas.axes(ax)
    colours: Any = LinearSegmentedColormap.from_list("crmkit", [LIGHT, DARK])
    step = t_x[1] - t_x[0] if t_x.size > 1 else 1.0
    extent = (x[0] - 0.5, x[-1] + 0.5, t_x[0] - step / 2, t_x[-1] + step / 2)
    highest = float(np.nanmax(values)) if top is None else top
    shown = ax.imshow(
        np.ma.masked_invalid(values),
        origin="lower",
        interpolation="nearest",
        aspect="auto",
        extent=extent,
        cmap=colours,
        vmin=0.0,
        vmax=max(highest, 1e-300),
    )
    if top is not None and t_x.size > 2 and x.size > 1:
        lines = ax.contour(x, t_x, values, levels=_LINES, colors=_canvas.ACCENT, linewidths=1.2)
        ax.clabel(lines, fmt="%.0f %%", fontsize="small")
    bar: Any = ax.figure.colorbar(shown, ax=ax)
    bar.set_label(label, color=_canvas.INK)
    bar.outline.set_visible(False)
    unit = "opportunities" if model.TITLE == BgBb.TITLE else _UNITS.get(model.unit, f"times {model.unit}")
    ax.set_xlabel(f"repeat purchases in {end:g} {unit}")
    ax.set_ylabel(f"{unit} from the first purchase to the last")
    if x.size <= 15:
        ax.set_xticks(x)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(colors=_canvas.INK, length=0)
    return ax


def _grid_of(shape: str, first: float, second: float, per: float) -> tuple[Floats, float]:
    """Return the rates to draw at, and their mean."""
    from scipy import stats

    if shape == "beta":
        return np.linspace(0.0, 1.0, 401), first / (first + second)
    last = float(stats.gamma(first, scale=1.0 / second).ppf(0.995)) / per
    return last * np.linspace(0.0, 1.0, 401) ** 2, first / second / per


def _shares(shape: str, first: float, second: float, at: Floats) -> Floats:
    from scipy import special

    found = special.gammainc(first, second * at) if shape == "gamma" else special.betainc(first, second, at)
    return 100.0 * np.asarray(found, dtype=np.float64)
