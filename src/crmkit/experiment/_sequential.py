"""Looking before the end: boundaries that keep the promised error however often one looks."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.errors import DataError, OptionError

__all__ = ["boundaries", "sequential"]

Floats = npt.NDArray[np.float64]

DESIGNS = ("obrien_fleming", "pocock", "spend_obrien_fleming", "spend_pocock")
METHODS = (*DESIGNS, "always_valid")
POINTS = 201  # of the grid that the statistic's density is carried on from look to look, at least
MOST_POINTS = 2001
NEAREST = 1e-4  # looks nearer than this in information would need a finer grid
LEAST_ALPHA = 1e-12
MOST_LOOKS = 200


def boundaries(looks: int | Sequence[float], /, *, design: str = "obrien_fleming", alpha: float = 0.05) -> Any:
    r"""Tell how large the test statistic must be at each of several planned looks, for one error level over all of them.

    Parameters
    ----------
    looks : int or list of float
        The number of looks, equally spaced; or the share of the final information (units, usually) at each, ascending to 1.
    design : {"obrien_fleming", "pocock", "spend_obrien_fleming", "spend_pocock"}, default "obrien_fleming"
        O'Brien and Fleming's bounds are hard to cross early and cost next to nothing at the end; Pocock's are the same at every
        look. The "spend" forms spend the error by Lan and DeMets, so that looks may come when they come.
    alpha : float, default 0.05
        Two-sided error over all looks, 1e-12 or more.

    Returns
    -------
    DataFrame
        ``look`` (from 1), ``fraction`` of information, ``bound`` for \|z\|, ``alpha`` (the two-sided level of that look alone)
        and ``spent`` (the error spent so far).

    Raises
    ------
    OptionError
        Fractions do not ascend to 1, two are nearer than 0.0001, there are more than 200, or an option is not usable.

    Notes
    -----
    The density of the statistic among the paths that have not crossed is carried from look to look by numerical integration
    (Armitage, McPherson & Rowe), and the bounds are solved for to ten digits. O'Brien-Fleming bounds are
    :math:`c / \sqrt{t_k}`, Pocock's :math:`c`. The spending functions are
    :math:`4 - 4\Phi(z_{1-\alpha/4}/\sqrt{t})` (half of it on either side) and :math:`\alpha \ln(1 + (e - 1)t)`.

    References
    ----------
    Armitage, McPherson & Rowe (1969), Repeated significance tests on accumulating data, JRSS A 132(2).
    Lan & DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70(3).
    Jennison & Turnbull (2000), Group Sequential Methods with Applications to Clinical Trials, chapters 2 and 7.

    Examples
    --------
    >>> from crmkit import experiment
    >>> experiment.boundaries(5)["bound"].round(3).tolist()
    [4.562, 3.226, 2.634, 2.281, 2.04]
    >>> experiment.boundaries(5, design="pocock")["bound"].round(3).tolist()
    [2.413, 2.413, 2.413, 2.413, 2.413]
    """
    design = _options.choice("design", design, DESIGNS)
    alpha = _options.number("alpha", alpha, low=LEAST_ALPHA, high=0.999)
    fractions = _fractions(looks)
    bounds = _bounds(fractions, design, alpha)
    spent = _crossed(fractions, bounds)
    return _frame.table(
        {
            "look": np.arange(1, fractions.size + 1),
            "fraction": fractions,
            "bound": bounds,
            "alpha": _tail(bounds),
            "spent": np.cumsum(spent),
        }
    )


def sequential(
    looks: Any,
    /,
    *,
    value: str = "value",
    se: str = "se",
    method: str = "obrien_fleming",
    planned: int | Sequence[float] | None = None,
    final_se: float | None = None,
    effect: float | None = None,
    alpha: float = 0.05,
) -> Any:
    r"""Read an experiment while it runs: interval and decision at each look, valid although one looked before.

    Parameters
    ----------
    looks : DataFrame
        One row per look, in order, each on all the data so far.
    value : str, default "value"
        Column of the estimated effect (as the tables of `compare_rates` and `compare_means` have it).
    se : str, default "se"
        Column of its standard error.
    method : {"obrien_fleming", "pocock", "spend_obrien_fleming", "spend_pocock", "always_valid"}, default "obrien_fleming"
        The first four are planned looks (see `boundaries`). "always_valid" needs no plan: it holds at every moment, at the price
        of a wider interval.
    planned : int or list of float, optional
        The planned looks as in `boundaries`; default: the rows are all of them. Bounds are those of the plan: where the
        information (:math:`1/se^2`) grew otherwise, a "spend" design holds the error and the others do not quite. The "spend"
        designs take the fractions of the looks so far from `final_se`.
    final_se : float, optional
        Standard error that the last planned look will have, for the "spend" designs: information is :math:`1/se^2`.
    effect : float, optional
        For "always_valid": the size of effect the experiment was made for; the interval is narrowest for about that.
    alpha : float, default 0.05
        Two-sided error over all looks; intervals have the level 1 − alpha together.

    Returns
    -------
    DataFrame
        ``look``, ``fraction``, ``value``, ``se``, ``z``, ``bound`` for \|z\|, ``ci_low``, ``ci_high`` (repeated confidence
        intervals) and ``decision``: "continue", "higher", "lower", or at the last planned look "no difference found". After the
        first look that decides, further rows say "decided". NaN ``fraction`` where there is no plan.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        An estimate is missing, a standard error is not positive, or information falls from one look to the next.
    OptionError
        More looks were made than planned, `effect` or `final_se` is missing, or an option is not usable.

    Notes
    -----
    "always_valid" is the normal mixture sequential test: with mixture spread :math:`\tau` equal to `effect`, the interval is
    :math:`\hat\theta \pm s \sqrt{\frac{s^2 + \tau^2}{\tau^2}\left(2\ln\frac1\alpha + \ln\frac{s^2 + \tau^2}{s^2}\right)}`, which
    contains the truth at all times together with probability :math:`1 - \alpha` or more.

    References
    ----------
    Robbins (1970), Statistical methods related to the law of the iterated logarithm, Annals of Mathematical Statistics 41(5).
    Johari, Koomen, Pekelis & Walsh (2022), Always valid inference: continuous monitoring of A/B tests, Operations Research 70(3).
    Jennison & Turnbull (1989), Interim analyses: the repeated confidence interval approach, JRSS B 51(3).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import experiment
    >>> path = pd.DataFrame({"value": [0.9, 0.8, 0.7], "se": [0.4, 0.28, 0.23]})
    >>> experiment.sequential(path, planned=5)["decision"].tolist()
    ['continue', 'continue', 'higher']
    """
    method = _options.choice("method", method, METHODS)
    alpha = _options.number("alpha", alpha, low=LEAST_ALPHA, high=0.999)
    frame = _frame.read(looks)
    estimate = _frame.numbers(frame, value, keyword="value")
    error = _frame.numbers(frame, se, keyword="se", positive=True)
    if estimate.size == 0:
        msg = "the table has no rows: there was no look yet"
        raise DataError(msg)
    grown = np.diff(error) > 1e-9 * error[:-1]
    if grown.any():
        row = int(np.flatnonzero(grown)[0]) + 1
        msg = f"column {se!r}: it grows from row {row - 1} to row {row}; looks are in order, each on all the data so far"
        raise DataError(msg)
    z = estimate / error
    if method == "always_valid":
        bound = _mixture(error, effect, alpha)
        fraction, last = np.full(z.size, np.nan), False
    else:
        fraction, bound, last = _planned(error, method, planned, final_se, alpha)
    return _frame.table(
        {
            "look": np.arange(1, z.size + 1),
            "fraction": fraction,
            "value": estimate,
            "se": error,
            "z": z,
            "bound": bound,
            "ci_low": estimate - bound * error,
            "ci_high": estimate + bound * error,
            "decision": _decisions(z, bound, last=last),
        },
        kind=frame.kind,
    )


def _mixture(error: Floats, effect: float | None, alpha: float) -> Floats:
    if effect is None:
        msg = 'method="always_valid" needs effect=, the size of effect that the experiment was made for'
        raise OptionError(msg)
    spread = _options.number("effect", effect, low=0.0, ends=False) / error  # in standard errors
    if spread.min() < 1e-9 or spread.max() > 1e9:
        msg = f"effect={effect!r} is beyond all proportion to the standard errors, which go from {error[-1]:g} to {error[0]:g}"
        raise OptionError(msg)
    spread = spread**2
    bound: Floats = np.sqrt((1.0 + 1.0 / spread) * (2.0 * math.log(1.0 / alpha) + np.log1p(spread)))
    return bound


def _planned(
    error: Floats, method: str, planned: int | Sequence[float] | None, final_se: float | None, alpha: float
) -> tuple[Floats, Floats, bool]:
    """Return fraction and bound of each look made, and whether the last of them is the last planned."""
    made = error.size
    if method.startswith("spend") and planned is None:
        if final_se is None:
            msg = f'method="{method}" needs final_se=, the standard error at the planned end, or planned='
            raise OptionError(msg)
        final = _options.number("final_se", final_se, low=0.0, ends=False)
        fraction = np.minimum((final / error) ** 2, 1.0)
        if _too_near(fraction):
            msg = "two looks have the same information, or nearly so (or come after the planned end); leave one of them out"
            raise DataError(msg)
        return fraction, _bounds(fraction, method, alpha), bool(fraction[-1] == 1.0)
    fractions = _fractions(made if planned is None else planned)
    if fractions.size < made:
        msg = f"{made} looks were made but {fractions.size} planned: what was not planned has no bound"
        raise OptionError(msg)
    return fractions[:made], _bounds(fractions, method, alpha)[:made], made == fractions.size


def _decisions(z: Floats, bound: Floats, *, last: bool) -> list[str]:
    decisions: list[str] = []
    for statistic, limit in zip(z, bound, strict=True):
        if any(decision in ("higher", "lower", "decided") for decision in decisions):
            decisions.append("decided")
        elif abs(statistic) >= limit:
            decisions.append("higher" if statistic > 0 else "lower")
        else:
            decisions.append("continue")
    if last and decisions[-1] == "continue":
        decisions[-1] = "no difference found"
    return decisions


def _fractions(looks: int | Sequence[float]) -> Floats:
    if isinstance(looks, (int, np.integer)) and not isinstance(looks, bool):
        count = _options.whole("looks", looks, low=1, high=MOST_LOOKS)
        return np.arange(1, count + 1) / count
    try:
        fractions = np.array(looks, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"looks={looks!r} is neither a number of looks nor a list of fractions"
        raise OptionError(msg) from error
    ascending = fractions.ndim == 1 and 0 < fractions.size <= MOST_LOOKS and bool((np.diff(fractions) > 0.0).all())
    if not ascending or not (fractions[0] > 0.0 and abs(fractions[-1] - 1.0) < 1e-9):
        msg = f"looks={looks!r}: fractions of the final information ascend from above 0 to 1, {MOST_LOOKS} of them at most"
        raise OptionError(msg)
    fractions[-1] = 1.0
    if _too_near(fractions):
        msg = f"looks={looks!r}: two looks are nearer than {NEAREST:g} of the information; leave one of them out"
        raise OptionError(msg)
    return fractions


def _too_near(fractions: Floats) -> bool:
    return bool((np.diff(fractions) < NEAREST * (1.0 - 1e-9)).any())


def _bounds(fractions: Floats, design: str, alpha: float) -> Floats:
    """Return the bound of each look."""
    from scipy.special import ndtri

    if design in ("pocock", "obrien_fleming"):
        shape = np.ones(fractions.size) if design == "pocock" else 1.0 / np.sqrt(fractions)
        # one look alone errs less than all together, and they not more than in sum
        low, high = (-float(ndtri(alpha / sides)) for sides in (2.0, 2.0 * fractions.size))
        constant = _root(lambda c: float(_crossed(fractions, c * shape).sum()) - alpha, max(low - 1e-3, 1e-6), high + 1e-3)
        return constant * shape
    spent = np.diff(np.append(0.0, _spending(fractions, design, alpha)))
    bounds = np.empty(fractions.size)
    inside = START
    for k in range(fractions.size):
        # a look that may spend next to nothing cannot be crossed: 12 is beyond 1e-32
        bounds[k] = 12.0
        if spent[k] > 1e-30:
            bounds[k] = _root(functools.partial(_overspent, inside, float(fractions[k]), float(spent[k])), 1e-9, 12.0)
        inside = inside.onward(fractions, k, float(bounds[k]))
    return bounds


def _overspent(inside: _Inside, fraction: float, wanted: float, bound: float) -> float:
    """Return by how much the next look spends more than wanted if its bound is `bound`."""
    return inside.crossing(fraction, bound) - wanted


def _spending(fractions: Floats, design: str, alpha: float) -> Floats:
    from scipy.special import ndtr, ndtri

    if design == "spend_pocock":
        return np.asarray(alpha * np.log1p((math.e - 1.0) * fractions))
    return np.asarray(4.0 * ndtr(ndtri(alpha / 4.0) / np.sqrt(fractions)))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Inside:
    """Where the paths are that have not crossed yet, were there no effect: points of the score, and their probability.

    The score is a Brownian motion seen at the fractions; its density inside the bounds is carried on Gauss-Legendre points.
    """

    points: Floats
    density: Floats  # times the weight of each point
    fraction: float

    def crossing(self, fraction: float, bound: float) -> float:
        """Return the probability of crossing first at a look with this bound."""
        from scipy.special import ndtr

        step, edge = math.sqrt(fraction - self.fraction), bound * math.sqrt(fraction)
        return float(self.density @ (ndtr((self.points - edge) / step) + ndtr((-edge - self.points) / step)))

    def onward(self, fractions: Floats, k: int, bound: float) -> _Inside:
        """Return those that are still inside after look `k`."""
        fraction = float(fractions[k])
        step, edge = math.sqrt(fraction - self.fraction), bound * math.sqrt(fraction)
        ahead = math.sqrt(fractions[k + 1] - fraction) if k + 1 < fractions.size else step
        # the grid is finer than what is to be summed on it: this look's normal curve times that of the next
        nodes, weights = _legendre(min(max(POINTS, math.ceil(6.3 * edge / min(step, ahead))), MOST_POINTS))
        points = edge * nodes
        gap = (points[:, None] - self.points[None, :]) / step
        density = edge * weights * (np.exp(-0.5 * gap * gap) @ self.density) / (step * math.sqrt(2.0 * math.pi))
        return _Inside(points, density, fraction)


START = _Inside(np.zeros(1), np.ones(1), 0.0)  # all at zero before the first look


def _crossed(fractions: Floats, bounds: Floats) -> Floats:
    """Return the probability of crossing first at each look where there is no effect."""
    spent, inside = np.empty(fractions.size), START
    for k in range(fractions.size):
        spent[k] = inside.crossing(float(fractions[k]), float(bounds[k]))
        if k + 1 < fractions.size:
            inside = inside.onward(fractions, k, float(bounds[k]))
    return spent


@functools.cache
def _legendre(size: int) -> tuple[Floats, Floats]:
    from scipy.special import roots_legendre

    nodes, weights = roots_legendre(size)
    return _frame.readonly(nodes), _frame.readonly(weights)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function is zero."""
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=1e-12, rtol=1e-12))


def _tail(bounds: Floats) -> Floats:
    from scipy.special import ndtr

    tail: Floats = 2.0 * ndtr(-bounds)
    return tail
