"""Is there anything to rank by, and which score ranks best? Areas, tests, calibration and paired differences."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from crmkit import _frame, _options
from crmkit.errors import DataError, OptionError
from crmkit.results import Frozen, confidence_level, critical_value, in_percent
from crmkit.uplift._data import (
    Bools,
    Floats,
    binary_arm,
    columns_of,
    effect_scores,
    known_propensity,
    percent,
    shares_of,
    within_range,
)
from crmkit.uplift._ranking import order_of, rate

__all__ = ["Evaluation", "evaluate", "numbers_or_flags", "permuted", "slope_of", "verdict"]

MOST_DRAWS = 200_000_000  # rows times permutations; beyond, the normal limit of the permutations is as good
DEPTHS = (0.1, 0.2, 0.3, 0.5)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evaluation(Frozen):
    """What scores are worth on rows they have not seen.

    Attributes
    ----------
    table : DataFrame
        One row per score: ``qini`` and ``autoc`` with ``_low``, ``_high`` and ``_se``; ``p_value`` of the permutation test that
        the effect does not vary along the score; ``slope`` of the effects on the predictions with its interval (1: right size, 0:
        noise; NaN where all scores are equal); and per depth ``effect_at_10%`` and so on, the effect among the top of the
        ranking.
    differences : DataFrame or None
        The first score less each other one: ``qini`` difference with its paired interval and p-value.
    calibration : DataFrame
        Per score and tenth of the ranking: mean prediction, and the effect seen there with its interval.
    effect, effect_low, effect_high : float
        The effect of treating everybody.
    level : float
        Confidence level.
    n : int
        Customers.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from crmkit import uplift
    >>> rng = np.random.default_rng(1)
    >>> taste, treated = rng.normal(size=4000), rng.integers(0, 2, 4000)
    >>> bought = rng.random(4000) < 0.2 + 0.1 * treated * (taste > 0)
    >>> frame = pd.DataFrame({"bought": bought, "mail": treated, "taste": taste, "noise": rng.normal(size=4000)})
    >>> found = uplift.evaluate(frame, outcome="bought", treatment="mail", score=["taste", "noise"])
    >>> found.sentences[1]
    'noise: no heterogeneity along this score is detectable (p = 0.41): treat everybody or nobody.'
    """

    table: Any
    differences: Any
    calibration: Any
    effect: float
    effect_low: float
    effect_high: float
    level: float
    n: int

    @property
    def sentences(self) -> list[str]:
        """Return one sentence per score."""
        frame = _frame.read(self.table)
        score, value, low, high, p = (
            _frame.as_pandas(frame.column(name), frame.kind).tolist()
            for name in ("score", "qini", "qini_low", "qini_high", "p_value")
        )
        return [verdict(*row) for row in zip(score, value, low, high, p, strict=True)]

    def __str__(self) -> str:
        whole = f"{in_percent(self.level)} interval {self.effect_low:.4g} to {self.effect_high:.4g}, n={self.n:,}"
        return "\n".join([f"Treating everybody changes the outcome by {self.effect:.4g} ({whole}).", *self.sentences])

    def __repr__(self) -> str:
        return str(self)


def verdict(score: str, value: float, low: float, high: float, p_value: float, alpha: float = 0.05) -> str:
    """Say whether a ranking finds differences in effect."""
    if p_value >= alpha or value <= 0.0:
        if p_value < alpha:
            return f"{score}: ranks the wrong way round (Qini {value:.3g}, {low:.3g} to {high:.3g}, p = {p_value:.2g})."
        return f"{score}: no heterogeneity along this score is detectable (p = {p_value:.2g}): treat everybody or nobody."
    return f"{score}: puts customers with larger effects first (Qini {value:.3g}, {low:.3g} to {high:.3g}, p = {p_value:.2g})."


def evaluate(
    frame: Any,
    /,
    *,
    outcome: str,
    treatment: str,
    score: str | Sequence[str],
    control: Any = None,
    arm: Any = None,
    propensity: Any = None,
    outcome_control: str | None = None,
    outcome_treated: str | None = None,
    at: Sequence[float] = DEPTHS,
    bins: int = 10,
    permutations: int = 999,
    level: float = 0.95,
    rng: Any = 0,
) -> Evaluation:
    r"""Tell how well scores rank customers by effect, whether there is any difference in effect to find, and which score is best.

    Parameters
    ----------
    frame : DataFrame
        One row per customer of an experiment, with scores made without these rows (see `cross_fitted`).
    outcome : str
        Column of the outcome: 0 and 1, or any number.
    treatment : str
        Column of the arms.
    score : str or list of str
        Columns to rank by, highest first; the first is compared with each other one.
    control, arm : optional
        The arm that got nothing, as in `fit`, and the arm to look at where there are several.
    propensity : str or float, optional
        The chance of treatment, as a column or a number; default the share treated.
    outcome_control, outcome_treated : str, optional
        Columns with the outcome expected without and with treatment, predicted without these rows (`cross_fitted` gives them):
        they take noise out of everything below.
    at : list of float, default (0.1, 0.2, 0.3, 0.5)
        Shares of the ranking for which the effect is told.
    bins : int, default 10
        Parts of the ranking in ``calibration``.
    permutations : int, default 999
        Random orders that the ranking is compared with.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    rng : int, Generator or None, default 0
        Seed of the permutations.

    Returns
    -------
    Evaluation
        Tables and sentences.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A value is missing or infinite, there are not two arms of two rows or more, or a propensity is too near 0 or 1.
    OptionError
        An option is not usable.

    Notes
    -----
    Areas are those of `qini`, and so are intervals: too narrow for arms of fewer than thirty. The permutation test deals the
    scores out anew and compares the area over its standard error; where that would take too long its normal limit is used. The
    slope is that of the single effect scores on the predictions, with a heteroskedastic standard error. Scores that were fitted
    on the rows they are evaluated on look good whatever they are worth.

    References
    ----------
    Yadlowsky, Fleming, Shah, Brunskill & Wager (2025), Evaluating treatment prioritization rules via rank-weighted average
    treatment effects, JASA 120(549).
    Chung & Romano (2013), Exact and asymptotically robust permutation tests, Annals of Statistics 41(2).
    Chernozhukov, Demirer, Duflo & Fernández-Val (2018), Generic machine learning inference on heterogeneous treatment effects in
    randomized experiments, NBER 24678.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from crmkit import uplift
    >>> rng = np.random.default_rng(1)
    >>> taste, treated = rng.normal(size=4000), rng.integers(0, 2, 4000)
    >>> bought = rng.random(4000) < 0.2 + 0.1 * treated * (taste > 0)
    >>> frame = pd.DataFrame({"bought": bought, "mail": treated, "taste": taste})
    >>> uplift.evaluate(frame, outcome="bought", treatment="mail", score="taste").table["p_value"].item() < 0.01
    True
    """
    level = confidence_level(level)
    depths = shares_of("at", at, ends=False)
    bins = _options.whole("bins", bins, low=2)
    permutations = _options.whole("permutations", permutations, low=99)
    generator = _options.generator(rng)
    read = _frame.read(frame)
    rows, treated = binary_arm(read, treatment, control, arm)
    names = columns_of("score", score)
    y = numbers_or_flags(read, outcome, "outcome")[rows]
    gamma = _gammas(read, y, treated, rows, propensity, outcome_control, outcome_treated)
    scores = {name: _frame.numbers(read, name, keyword="score")[rows] for name in names}
    z = critical_value(level)
    table = [_row(name, values, gamma, z, depths, permutations, generator) for name, values in scores.items()]
    centre, margin = float(gamma.mean()), z * float(gamma.std(ddof=1) / np.sqrt(gamma.size))
    parts = [_calibration(name, values, gamma, bins, z) for name, values in scores.items()]
    return Evaluation(
        _frame.table({key: [row[key] for row in table] for key in table[0]}, kind=read.kind),
        _differences(names, scores, gamma, z, read.kind) if len(names) > 1 else None,
        _frame.table({key: np.concatenate([part[key] for part in parts]) for key in parts[0]}, kind=read.kind),
        centre,
        centre - margin,
        centre + margin,
        level,
        int(gamma.size),
    )


def numbers_or_flags(frame: _frame.Frame, column: str, keyword: str) -> Floats:
    """Read an outcome: true or false, or numbers."""
    native = frame.column(column, keyword=keyword)
    kind = str(getattr(native, "dtype", getattr(native, "type", ""))).lower()
    if "bool" in kind:
        return _frame.flags(frame, column, keyword=keyword).astype(np.float64)
    return within_range(_frame.numbers(frame, column, keyword=keyword), column)


def _gammas(
    frame: _frame.Frame,
    y: Floats,
    treated: Bools,
    rows: Bools,
    propensity: Any,
    outcome_control: str | None,
    outcome_treated: str | None,
) -> Floats:
    if (outcome_control is None) != (outcome_treated is None):
        msg = "outcome_control= and outcome_treated= belong together: both, or neither"
        raise OptionError(msg)
    if y.size < 4 or not treated.any() or treated.all():
        msg = f"{y.size} rows, {int(treated.sum())} of them treated: an effect needs customers of both arms"
        raise DataError(msg)
    chance = known_propensity(frame, propensity, treated, rows)
    if outcome_control is None:
        return effect_scores(y, treated, chance)
    mu = [
        _frame.numbers(frame, name, keyword=keyword)[rows]
        for name, keyword in ((outcome_control, "outcome_control"), (str(outcome_treated), "outcome_treated"))
    ]
    return effect_scores(y, treated, chance, *mu)


def _row(
    name: str,
    values: Floats,
    gamma: Floats,
    z: float,
    depths: Sequence[float],
    permutations: int,
    generator: np.random.Generator,
) -> dict[str, Any]:
    row: dict[str, Any] = {"score": name}
    order = order_of(values)
    for weighting in ("qini", "autoc"):
        found = rate(order, gamma, weighting)
        row |= {
            weighting: found.value,
            f"{weighting}_low": found.value - z * found.se,
            f"{weighting}_high": found.value + z * found.se,
            f"{weighting}_se": found.se,
        }
    row["p_value"] = permuted(values, gamma, permutations, generator)
    slope, se = slope_of(values, gamma)
    row |= {"slope": slope, "slope_low": slope - z * se, "slope_high": slope + z * se}
    for depth in depths:
        row[f"effect_at_{percent(depth)}"] = _at(values, gamma, depth)
    return row


def slope_of(values: Floats, gamma: Floats) -> tuple[float, float]:
    """Return the slope of the effects on the predictions and its heteroskedastic standard error; NaN where all predict alike."""
    lowest, highest = float(values.min()), float(values.max())
    # in units of their spread, whose square neither overflows nor vanishes
    unit = highest / 2.0 - lowest / 2.0
    if unit <= 1e-12 * max(abs(lowest), abs(highest)):
        return float("nan"), float("nan")
    centred = (values - lowest / 2.0 - highest / 2.0) / unit
    centred = centred - centred.mean()
    spread = float(centred @ centred)
    slope = float(centred @ gamma) / spread
    residual = gamma - gamma.mean() - slope * centred
    return slope / unit, float(np.sqrt(((centred * residual) ** 2).sum())) / spread / unit


def permuted(values: Floats, gamma: Floats, permutations: int, generator: np.random.Generator) -> float:
    """Return how often a ranking at random looks as good or better, or as bad or worse: a two-sided p-value.

    The area is taken over its standard error in each order: where outcomes vary more among some customers than among others, the
    area alone would find differences in effect that are not there (Chung & Romano).
    """
    n = values.size
    # the weights of the ranks are those of the scores; only who has which is dealt out anew
    weight = _weights(values)
    centred = gamma - gamma.mean()
    largest = float(np.abs(centred).max(initial=0.0))
    if largest == 0.0:
        return 1.0
    centred = centred / largest
    weight2 = weight * weight

    def studentised(dealt: Floats) -> float:
        # not by BLAS, whose threads cost more here than they save, and change the last bits
        se = float(np.sqrt(np.einsum("i,i,i->", weight2, dealt, dealt)))
        return abs(float(np.einsum("i,i->", weight, dealt))) / se if se > 0.0 else 0.0

    observed = studentised(centred)
    if n * permutations > MOST_DRAWS:
        from scipy.special import ndtr

        return float(2.0 * ndtr(-observed))
    drawn = np.array([studentised(generator.permutation(centred)) for _ in range(permutations)])
    return (1.0 + float((drawn >= observed * (1.0 - 1e-12)).sum())) / (permutations + 1.0)


def _weights(values: Floats) -> Floats:
    """Return half less the share of customers who score as high or higher, ties at their middle."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values, method="average") / values.size - (values.size + 1.0) / (2.0 * values.size))


def _at(values: Floats, gamma: Floats, depth: float) -> float:
    """Return the mean effect among the top, of a tie cut through as much as fits."""
    order = np.argsort(-values, kind="stable")
    wanted = depth * values.size
    last = values[order[min(int(np.ceil(wanted)) - 1, values.size - 1)]]
    above, tied = values > last, values == last
    part = (wanted - above.sum()) / tied.sum()
    return float((gamma[above].sum() + part * gamma[tied].sum()) / wanted)


def _calibration(name: str, values: Floats, gamma: Floats, bins: int, z: float) -> dict[str, Any]:
    """Return the effect seen in each part of the ranking; equal scores stay together."""
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    part = np.searchsorted(edges, values, side="left")
    found, part = np.unique(part, return_inverse=True)
    n = np.bincount(part).astype(np.float64)
    mean = np.bincount(part, weights=gamma) / n
    # one customer alone says nothing about the spread: the whole of them does
    alone = float(gamma.std(ddof=1))
    spread = np.bincount(part, weights=(gamma - mean[part]) ** 2)
    se = np.where(n > 1.0, np.sqrt(np.divide(spread, n * np.maximum(n - 1.0, 1.0))), alone)
    order = slice(None, None, -1)  # the top of the ranking first
    return {
        "score": np.full(found.size, name, dtype=object),
        "part": np.arange(1, found.size + 1),
        "n": n[order].astype(np.int64),
        "predicted": (np.bincount(part, weights=values) / n)[order],
        "effect": mean[order],
        "ci_low": (mean - z * se)[order],
        "ci_high": (mean + z * se)[order],
    }


def _differences(names: list[str], scores: dict[str, Floats], gamma: Floats, z: float, kind: str) -> Any:
    from scipy.special import ndtr

    first = rate(order_of(scores[names[0]]), gamma, "qini")
    rows: dict[str, list[Any]] = {key: [] for key in ("first", "second", "qini", "ci_low", "ci_high", "se", "p_value")}
    n = gamma.size
    for name in names[1:]:
        other = rate(order_of(scores[name]), gamma, "qini")
        value = first.value - other.value
        se = float(np.sqrt(((first.influence - other.influence) ** 2).sum() / (n * (n - 1.0))))
        p = float(2.0 * ndtr(-abs(value) / se)) if se > 0.0 else 1.0
        for key, item in zip(rows, (names[0], name, value, value - z * se, value + z * se, se, p), strict=True):
            rows[key].append(item)
    return _frame.table(rows, kind=kind)
