"""How well scores rank: areas under curves with their intervals, and what two rankings differ by."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from crmkit import _frame, _options
from crmkit._kernels import ranking as _k
from crmkit.errors import DataError, OptionError
from crmkit.intervals import newcombe
from crmkit.intervals._one import wilson_ends
from crmkit.metrics import _ranked
from crmkit.metrics._ranked import Bools, Floats, Longs, Ranked
from crmkit.results import Estimate, confidence_level, critical_value

__all__ = ["Difference", "auc", "average_precision", "difference", "gains", "ks"]

DEPTHS = tuple(round(0.1 * k, 1) for k in range(1, 11))
METRICS = ("auc", "average_precision", "brier")


def auc(y: Any, p: Any, /, *, level: float = 0.95) -> Estimate:
    r"""Give the area under the ROC curve: how often a row where it happened outranks one where it did not.

    Parameters
    ----------
    y : Series, array or list
        What came to pass, per row: 1 or 0, True or False.
    p : Series, array or list
        Score of the same rows in the same order, high where it is expected to happen; any finite numbers.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimate
        From 0 to 1, ½ for scores without information, with the interval of DeLong; `n` counts the rows. The Gini coefficient
        of credit scoring is ``2 * auc - 1``.

    Raises
    ------
    DataError
        A value is missing or infinite, a label is neither 0 nor 1, lengths or indexes differ, or all labels are the same.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    A pair with equal scores counts one half, so the order of the rows never matters. With the placements
    :math:`V_i` of the :math:`m` rows of class 1 among the :math:`n` of class 0, and :math:`W_j` the other way round,
    :math:`\mathrm{var} = s_V^2/m + s_W^2/n`; the interval is taken on the scale of :math:`\log(A/(1-A))`, so that it stays
    within 0 and 1 and covers near them too. Where this variance says nothing, because the classes are perfectly separated or
    one of them is a single row, it is the score interval of Newcombe (method "newcombe"), which depends on the counts alone.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves, Biometrics 44(3).
    Newcombe (2006), Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2, Statistics
    in Medicine 25(4).
    Pepe (2003), The Statistical Evaluation of Medical Tests for Classification and Prediction, Oxford.

    Examples
    --------
    >>> from crmkit import metrics
    >>> area = metrics.auc([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.2, 0.4, 0.7, 0.9])
    >>> round(area.value, 4), round(area.ci_low, 4), round(area.ci_high, 4)
    (0.8333, 0.2485, 0.9869)
    """
    level = confidence_level(level)
    happened, scores = _ranked.read(y, p)
    _ranked.both_classes(happened)
    return auc_of(_ranked.rank(happened, scores), level)


def average_precision(y: Any, p: Any, /, *, level: float = 0.95) -> Estimate:
    r"""Give the average precision: among the rows down to each hit, the share of hits, averaged over the hits.

    Parameters
    ----------
    y : Series, array or list
        What came to pass, per row: 1 or 0, True or False.
    p : Series, array or list
        Score of the same rows in the same order, high where it is expected to happen; any finite numbers.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimate
        From 0 to 1; scores without information give about the share of ones, which is what to compare it with.

    Raises
    ------
    DataError
        A value is missing or infinite, a label is neither 0 nor 1, lengths or indexes differ, or all labels are the same.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    :math:`\sum_g (t_g / m)\, T_g / (T_g + F_g)` over the distinct scores :math:`g`, with :math:`t_g` ones at the score and
    :math:`T_g, F_g` ones and zeros down to it: rows with equal scores are taken together, so that their order does not
    matter. The standard error follows from the influence of each row on the sum, its share of ones included; the interval is
    taken on the scale of the log odds. Where every one stands above every zero the value is 1 and no spread is seen: the lower
    end is then Wilson's for as many trials without a failure as there are ones (method "wilson").

    References
    ----------
    Boyd, Eng and Page (2013), Area under the precision-recall curve: point estimates and confidence intervals, ECML PKDD.

    Examples
    --------
    >>> from crmkit import metrics
    >>> precision = metrics.average_precision([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.2, 0.4, 0.7, 0.9])
    >>> round(precision.value, 4)
    0.8667
    """
    level = confidence_level(level)
    happened, scores = _ranked.read(y, p)
    _ranked.both_classes(happened)
    return average_precision_of(_ranked.rank(happened, scores), level)


@dataclasses.dataclass(frozen=True, slots=True)
class Difference(Estimate):
    """How much better one column of scores is than another on the same rows.

    Attributes
    ----------
    value : float
        Metric of the first less that of the second.
    ci_low, ci_high : float
        Ends of the interval at `level`.
    se : float
        Standard error of the difference; what the two have in common on the same rows is taken into account.
    n : int or float
        Rows.
    level : float
        Confidence level of the interval.
    method : str
        How the interval was computed.
    p_value : float
        Two-sided, of there being no difference.
    first, second : float
        The metric of either column.

    Examples
    --------
    >>> from crmkit import metrics
    >>> y = [0, 0, 1, 0, 1, 1, 0, 1]
    >>> metrics.difference(y, [1, 2, 3, 4, 5, 6, 7, 8], [1, 3, 2, 4, 5, 7, 8, 6]).first
    0.75
    """

    p_value: float
    first: float
    second: float


def difference(y: Any, p: Any, baseline: Any, /, *, metric: str = "auc", level: float = 0.95) -> Difference:
    r"""Say whether one column of scores is better than another on the same rows, or only luckier.

    Parameters
    ----------
    y : Series, array or list
        What came to pass, per row: 1 or 0, True or False.
    p : Series, array or list
        Score of the same rows in the same order, high where it is expected to happen.
    baseline : Series, array or list
        The score to compare with, such as the days since the last purchase.
    metric : {"auc", "average_precision", "brier"}, default "auc"
        What to compare; "brier" takes probabilities, and there less is better.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Difference
        Metric of `p` less that of `baseline`, with interval and p-value; `first` and `second` are the two metrics.

    Raises
    ------
    DataError
        A value is missing or infinite, a label is neither 0 nor 1, lengths or indexes differ, all labels are the same, or
        `metric` is "brier" and a score lies outside 0 to 1.
    OptionError
        `metric` is none of those known, or `level` is not between 0 and 1.

    Notes
    -----
    Each row moves either metric by a certain amount, its influence; the difference of the two is averaged over the rows, and
    its spread gives the standard error. For the AUC this is the comparison of DeLong, DeLong and Clarke-Pearson. Rows are
    taken to be independent of each other; for several rows of one customer the interval is too narrow. Where every row shows
    the same difference there is no spread to see: interval and p-value are then those of a sign that came out alike in as
    many trials as there are rows, for the AUC of the rarer kind (method "wilson").

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves, Biometrics 44(3).

    Examples
    --------
    >>> import numpy as np
    >>> from crmkit import metrics
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=500)
    >>> y = rng.random(500) < 1 / (1 + np.exp(-truth))
    >>> better = metrics.difference(y, truth, truth + rng.normal(size=500))
    >>> better.ci_low > 0
    True
    """
    _options.choice("metric", metric, METRICS)
    level = confidence_level(level)
    happened, scores = _ranked.read(y, p, probability=metric == "brier")
    other = _ranked.read_scores(y, baseline, happened.size, name="baseline", probability=metric == "brier")
    _ranked.both_classes(happened)
    return difference_of(happened, scores, other, metric, level)


def gains(y: Any, p: Any, /, *, at: float | Sequence[float] = DEPTHS, level: float = 0.95) -> Any:
    r"""Tell what is caught by taking the highest scores only: how many hits, which share of all, how much more than by chance.

    Parameters
    ----------
    y : Series, array or list
        What came to pass, per row: 1 or 0, True or False.
    p : Series, array or list
        Score of the same rows in the same order, high where it is expected to happen; any finite numbers.
    at : float or sequence of float, default 0.1, 0.2, … 1.0
        Shares of the rows to take from the top, above 0 and up to 1.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        One row per depth: `share` (of the rows), `rows` (how many these are, not rounded), `hits` (ones among them), `rate`
        (hits per row), `gain` (share of all ones that is caught), `gain_low`, `gain_high`, `lift` (rate over that of all
        rows), `lift_low`, `lift_high`.

    Raises
    ------
    DataError
        A value is missing or infinite, a label is neither 0 nor 1, lengths or indexes differ, or all labels are the same.
    OptionError
        A depth is not above 0 and at most 1, or `level` is not between 0 and 1.

    Notes
    -----
    Where a depth falls among rows with equal scores, they count in part: hits are then the expectation over all orders in
    which they could stand. Intervals are Wilson's for the share of ones above the score that the depth leads to, taken as
    given; lift is :math:`\text{gain}/\text{share}`, and so are its ends.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158).

    Examples
    --------
    >>> from crmkit import metrics
    >>> y = [1, 1, 0, 1, 0, 0, 0, 0, 0, 0]
    >>> metrics.gains(y, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], at=[0.2, 0.5])[["share", "hits", "gain", "lift"]]
       share  hits      gain      lift
    0    0.2   2.0  0.666667  3.333333
    1    0.5   3.0  1.000000  2.000000
    """
    level = confidence_level(level)
    depths = depths_of(at)
    happened, scores = _ranked.read(y, p)
    _ranked.both_classes(happened)
    return gains_of(_ranked.rank(happened, scores), depths, level, kind=_ranked.kind_of(y))


# ── read off one ranking ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True)
class Areas:
    """What two passes over a ranking give: the areas with the spread of what rows add to them, and Kolmogorov and Smirnov's."""

    auc: float
    ones: float  # sums of squared distances of the placements from the area
    zeros: float
    precision: float
    influence: float  # sum of squares
    distance: float
    caught: float  # shares of either class above the score of the largest distance
    lost: float

    @classmethod
    def of(cls, ranked: Ranked) -> Areas:
        return cls(*_k.areas(ranked.t, ranked.f))


def auc_of(ranked: Ranked, level: float, areas: Areas | None = None) -> Estimate:
    """Area under the ROC curve with DeLong's interval on the scale of the log odds."""
    m, n = ranked.ones, ranked.zeros
    areas = areas or Areas.of(ranked)
    if min(m, n) == 1 or areas.auc in (0.0, 1.0):
        return _newcombe(areas.auc, m, n, level)
    se = math.sqrt(areas.ones / (m - 1) / m + areas.zeros / (n - 1) / n)
    return on_log_odds(areas.auc, se, ranked.n, level, "delong")


def average_precision_of(ranked: Ranked, level: float, areas: Areas | None = None) -> Estimate:
    """Average precision with the interval that the influence of the rows gives."""
    areas = areas or Areas.of(ranked)
    if areas.influence == 0.0:  # every hit above every other row: as certain as so many trials without a failure, and no more
        m = np.array(float(ranked.ones))
        return Estimate(1.0, float(wilson_ends(m, m, critical_value(level))[0]), 1.0, 0.0, ranked.n, level, "wilson")
    return on_log_odds(areas.precision, math.sqrt(areas.influence) / ranked.n, ranked.n, level, "influence")


def ks(ranked: Ranked, level: float, areas: Areas | None = None) -> tuple[Estimate, float]:
    """Return the largest distance between the two classes' shares above a score, and the share of all rows above it."""
    m, n = ranked.ones, ranked.zeros
    areas = areas or Areas.of(ranked)
    one, zero = areas.caught, areas.lost
    se = math.sqrt(one * (1.0 - one) / m + zero * (1.0 - zero) / n)
    depth = (one * m + zero * n) / ranked.n
    # two independent shares: Newcombe's interval has a width where both are 0 or 1
    low, high = newcombe(round(one * m), m, round(zero * n), n, level=level)
    if zero > one:
        low, high = -high, -low
    value = areas.distance
    return Estimate(value, min(max(low, 0.0), value), max(high, value), se, ranked.n, level, "newcombe"), depth


def gains_of(ranked: Ranked, depths: Floats, level: float, *, kind: str = "pandas") -> Any:
    """Return the table of gains at `depths`."""
    m, n = ranked.ones, ranked.n
    rows = depths * n
    below = np.cumsum(ranked.t + ranked.f)
    # linear between the ends of the groups: ties count in part
    hits = np.interp(rows, np.append(0.0, below), np.append(0.0, np.cumsum(ranked.t)))
    low, high = wilson_ends(hits, np.full(hits.size, float(m)), critical_value(level))
    columns = {
        "share": depths,
        "rows": rows,
        "hits": hits,
        "rate": hits / rows,
        "gain": hits / m,
        "gain_low": low,
        "gain_high": high,
        "lift": hits / m / depths,
        "lift_low": low / depths,
        "lift_high": high / depths,
    }
    return _frame.table(columns, kind=kind)


def depths_of(at: float | Sequence[float]) -> Floats:
    """Check the depths asked for."""
    listed: Any = [at] if isinstance(at, (int, float)) else list(at)
    if not listed:
        msg = "at= is empty; name shares of the rows, such as at=[0.05, 0.1]"
        raise OptionError(msg)
    depths = np.array([_options.number("at", depth, low=0.0, high=1.0) for depth in listed])
    if (depths == 0).any():
        msg = "at=0 takes no row at all; name shares above 0"
        raise OptionError(msg)
    return depths


def difference_of(happened: Bools, scores: Floats, other: Floats, metric: str, level: float) -> Difference:
    """Compare two columns of scores by the influence of each row on the metric of either."""
    first, one = _influence(happened, scores, metric)
    second, two = _influence(happened, other, metric)
    gap = one - two
    if metric == "auc":
        classes = (gap[happened], gap[~happened])
        if min(part.size for part in classes) == 1:
            msg = "y has a single row of one kind, which shows no spread: the AUCs of two scores cannot be compared on it"
            raise DataError(msg)
        variance = sum(float(np.var(part, ddof=1)) / part.size for part in classes)
    else:
        variance = float(np.var(gap)) / gap.size
    se = math.sqrt(variance)
    value = first - second
    if se == 0.0 and value != 0.0:
        return _as_many_trials(value, first, second, happened, metric, level)
    between = Estimate.normal(value, se, n=happened.size, level=level, method="delong" if metric == "auc" else "influence")
    # without any spread, scores that do as well are alike
    p_value = math.erfc(abs(value) / se / math.sqrt(2.0)) if se > 0.0 else 1.0
    return Difference(value, between.ci_low, between.ci_high, se, happened.size, level, between.method, p_value, first, second)


def _as_many_trials(value: float, first: float, second: float, happened: Bools, metric: str, level: float) -> Difference:
    """Difference that every row shows alike: as certain as so many trials of which none went the other way, and no more."""
    ones, n = int(happened.sum()), happened.size
    trials = min(ones, n - ones) if metric == "auc" else n
    count = np.array(float(trials))
    far = value * (2.0 * float(wilson_ends(count, count, critical_value(level))[0]) - 1.0)
    # at this p-value the interval ends at zero
    p_value = math.erfc(math.sqrt(trials / 2.0))
    return Difference(value, min(far, value), max(far, value), 0.0, n, level, "wilson", p_value, first, second)


def _influence(happened: Bools, scores: Floats, metric: str) -> tuple[float, Floats]:
    """Return the metric, and per row what it adds."""
    if metric == "brier":
        loss = np.square(scores - happened)
        return float(loss.mean()), loss
    ranked = _ranked.rank(happened, scores)
    if metric == "auc":
        of_ones, of_zeros = _k.placements(ranked.t, ranked.f)
        value = float(ranked.t @ of_ones) / ranked.ones
    else:
        value, of_ones, of_zeros = _k.precision_influence(ranked.t, ranked.f)
    group: Longs = ranked.score.size - 1 - np.searchsorted(ranked.score[::-1], scores)
    return value, np.where(happened, of_ones[group], of_zeros[group])


def on_log_odds(value: float, se: float, n: int, level: float, method: str) -> Estimate:
    """Build the interval that is symmetric on the scale of the log odds."""
    margin = critical_value(level) * se / (value * (1.0 - value))
    odds = math.log(value / (1.0 - value))
    low, high = (1.0 / (1.0 + math.exp(-min(max(end, -700.0), 700.0))) for end in (odds - margin, odds + margin))
    # there and back rounds: without any spread the ends are the value itself
    return Estimate(value, min(low, value), max(high, value), se, n, level, method)


def _newcombe(value: float, m: int, n: int, level: float) -> Estimate:
    """Score interval of an AUC whose variance is a function of itself and the two counts."""
    z = critical_value(level)
    mean = (m + n) / 2.0 - 1.0

    def variance(area: float) -> float:
        return area * (1.0 - area) * (1.0 + mean * (1.0 - area) / (2.0 - area) + mean * area / (1.0 + area)) / (m * n)

    def end(far: float) -> float:
        near = value
        for _ in range(200):
            middle = (near + far) / 2.0
            if (middle - value) ** 2 <= z * z * variance(middle):
                near = middle
            else:
                far = middle
        return near

    low = end(0.0) if value > 0.0 else 0.0
    high = end(1.0) if value < 1.0 else 1.0
    return Estimate(value, low, high, math.sqrt(max(variance(value), 0.0)), m + n, level, "newcombe")
