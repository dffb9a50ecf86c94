"""Whether probabilities mean what they say: calibration, and the Brier score with its parts."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np

from crmkit import _frame, _options
from crmkit._kernels import ranking as _k
from crmkit.intervals._one import wilson_ends
from crmkit.metrics import _ranked
from crmkit.metrics._ranked import Floats, Longs, Ranked
from crmkit.results import Estimate, Shown, confidence_level, critical_value

__all__ = ["Brier", "Calibration", "brier", "calibration"]

# log odds of 0 and 1 are infinite; such rows count as if they said one in a million
SURE = 1e-6
STEPS = 100
POINTS = 4_096  # to which many rows are merged, for a start


@dataclasses.dataclass(frozen=True, slots=True)
class Brier(Estimate):
    """The mean squared error of probabilities, and what it is made of: ``value = reliability - resolution + uncertainty``.

    Attributes
    ----------
    value : float
        Mean of (p − y)², from 0 (best) to 1.
    ci_low, ci_high : float
        Ends of the interval at `level`.
    se : float
        Standard error.
    n : int or float
        Rows.
    level : float
        Confidence level of the interval.
    method : str
        How the interval was computed.
    reliability : float
        What the best monotone recalibration of the same scores would save: 0 for calibrated probabilities.
    resolution : float
        What those recalibrated scores save over the base rate for everybody: high where they tell rows apart.
    uncertainty : float
        Score of the base rate for everybody, rate × (1 − rate).
    skill : float
        Share of the uncertainty that is explained, 1 − value / uncertainty: 0 is no better than the base rate, below 0 worse. 0
        where all rows are the same, so that there is nothing to explain.

    Examples
    --------
    >>> from crmkit import metrics
    >>> score = metrics.brier([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> round(score.value, 6), round(score.reliability - score.resolution + score.uncertainty, 6)
    (0.158125, 0.158125)
    """

    reliability: float
    resolution: float
    uncertainty: float
    skill: float


def brier(y: Any, p: Any, /, *, level: float = 0.95) -> Brier:
    r"""Give the mean squared error of probabilities, split into being off and telling rows apart.

    Parameters
    ----------
    y : Series, array or list
        What came to pass, per row: 1 or 0, True or False.
    p : Series, array or list
        Probability of the same rows in the same order, from 0 to 1.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Brier
        The score with `reliability`, `resolution`, `uncertainty` and `skill`. Less is better; compare with `uncertainty`,
        which is what the base rate for everybody would score.

    Raises
    ------
    DataError
        A value is missing or outside 0 to 1, a label is neither 0 nor 1, lengths or indexes differ, or there is one row only.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    With :math:`q` the isotonic regression of `y` on `p` and :math:`\bar y` the base rate, reliability is
    :math:`B(p) - B(q)`, resolution :math:`B(\bar y) - B(q)` and uncertainty :math:`B(\bar y) = \bar y (1 - \bar y)`, where
    :math:`B` is the mean squared error. No bins have to be chosen, and neither part is ever negative; on small samples `q`
    follows the data closely and both come out too high. The interval is normal, from the spread of the squared errors: too
    narrow where ones, or zeros, are so few that hardly any are in the rows.

    References
    ----------
    Murphy (1973), A new vector partition of the probability score, Journal of Applied Meteorology 12(4).
    Dimitriadis, Gneiting and Jordan (2021), Stable reliability diagrams for probabilistic classifiers, PNAS 118(8).

    Examples
    --------
    >>> from crmkit import metrics
    >>> score = metrics.brier([0, 0, 1, 1, 0, 1], [0.1, 0.2, 0.2, 0.9, 0.4, 0.7])
    >>> round(score.value, 4), score.uncertainty, round(score.skill, 3)
    (0.1583, 0.25, 0.367)
    """
    level = confidence_level(level)
    happened, scores = _ranked.read(y, p, probability=True)
    return brier_of(_ranked.rank(happened, scores), level)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Calibration(Shown):
    """How probabilities compare with what came to pass.

    Attributes
    ----------
    table : DataFrame
        One row per bin of equally many rows, lowest probabilities first: `rows`, `p_low` and `p_high` (least and largest
        probability), `predicted` (their mean), `observed` (share of ones), `ci_low`, `ci_high` (Wilson, of `observed`).
    ece : float
        Expected calibration error: mean distance of `predicted` and `observed` over the rows. Chance alone keeps it above 0.
    ece_by_chance : float
        What it would be expected to be, by chance alone, if the probabilities were right.
    in_the_large : Estimate
        Share of ones less mean probability: above 0, the probabilities are too low on the whole. Where all rows are the same,
        their spread says nothing: the interval is Wilson's of the share, less the mean probability (method "wilson").
    slope, intercept : Estimate or None
        Of the log odds of `y` on those of `p`: 1 and 0 for calibrated probabilities; a slope below 1 says that they are too
        extreme. None where they do not exist, and `reason` says why.
    reason : str
        Why there is no slope; else empty.
    n : int
        Rows.

    Examples
    --------
    >>> from crmkit import metrics
    >>> found = metrics.calibration([0, 1, 0, 1], [0.2, 0.2, 0.6, 0.6], bins=2)
    >>> round(found.ece, 2), round(found.in_the_large.value, 2)
    (0.2, 0.1)
    """

    TABLES: ClassVar[tuple[str, ...]] = ("table",)

    table: Any
    ece: float
    ece_by_chance: float
    in_the_large: Estimate
    slope: Estimate | None
    intercept: Estimate | None
    reason: str
    n: int

    def __repr__(self) -> str:
        lines = [f"Calibration of {self.n:,} probabilities"]
        lines.append(f"  expected calibration error  {self.ece:.4g}, of which chance alone explains {self.ece_by_chance:.4g}")
        for name, value in (("in the large", self.in_the_large), ("slope", self.slope), ("intercept", self.intercept)):
            lines += [] if value is None else [f"  {name:<26}  {value}"]
        return "\n".join([*lines, f"  {self.reason}"] if self.reason else lines)


def calibration(y: Any, p: Any, /, *, bins: int = 10, level: float = 0.95) -> Calibration:
    r"""Compare probabilities with what came to pass: in bins, on the whole, and by slope and intercept.

    Parameters
    ----------
    y : Series, array or list
        What came to pass, per row: 1 or 0, True or False.
    p : Series, array or list
        Probability of the same rows in the same order, from 0 to 1.
    bins : int, default 10
        Into how many bins of equally many rows to sort them; rows of one probability stay together, so fewer can come out.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    Calibration
        `table`, `ece`, `in_the_large`, `slope` and `intercept`.

    Raises
    ------
    DataError
        A value is missing or outside 0 to 1, a label is neither 0 nor 1, lengths or indexes differ, or there is one row only.
    OptionError
        `bins` is not a whole number of at least 1, or `level` is not between 0 and 1.

    Notes
    -----
    A probability belongs to the bin in which the middle of its rows falls. Slope :math:`b` and intercept :math:`a` maximise
    the likelihood of :math:`\mathrm{logit}\,P(y = 1) = a + b\,\mathrm{logit}\,p`, with normal intervals from the information;
    probabilities of 0 and 1 enter as 10⁻⁶ and 1 − 10⁻⁶. They do not exist where `p` is one number, or separates the classes.

    References
    ----------
    Cox (1958), Two further applications of a model for binary regression, Biometrika 45(3/4).
    Van Calster et al. (2019), Calibration: the Achilles heel of predictive analytics, BMC Medicine 17.

    Examples
    --------
    >>> import numpy as np
    >>> from crmkit import metrics
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(5000)
    >>> found = metrics.calibration(rng.random(5000) < p, p)
    >>> found.slope.ci_low < 1 < found.slope.ci_high
    True
    """
    _options.whole("bins", bins, low=1)
    level = confidence_level(level)
    happened, scores = _ranked.read(y, p, probability=True)
    return calibration_of(_ranked.rank(happened, scores), bins, level, kind=_ranked.kind_of(y))


# ── read off one ranking ─────────────────────────────────────────────────────────────────────────────────────────────────


def brier_of(ranked: Ranked, level: float) -> Brier:
    """Brier score with its parts by isotonic regression, which is the convex hull of the ROC curve."""
    t, f, n = ranked.t, ranked.f, ranked.n
    _ranked.several(n)
    value, spread = _k.squares(ranked.score, t, f)
    ones, zeros = _k.segments(t, f, _k.hull(t, f))
    recalibrated = float(np.sum(ones * (zeros / (ones + zeros)))) / n
    uncertainty = ranked.rate * (1.0 - ranked.rate)
    around = Estimate.normal(value, math.sqrt(spread / n), n=n, level=level, method="wald", bounds=(0.0, 1.0))
    return Brier(
        value,
        around.ci_low,
        around.ci_high,
        around.se,
        n,
        level,
        around.method,
        reliability=max(value - recalibrated, 0.0),
        resolution=max(uncertainty - recalibrated, 0.0),
        uncertainty=uncertainty,
        skill=1.0 - value / uncertainty if uncertainty > 0.0 else 0.0,
    )


def calibration_of(ranked: Ranked, bins: int, level: float, *, kind: str = "pandas") -> Calibration:
    """Calibration of the probabilities behind a ranking."""
    n = ranked.n
    _ranked.several(n)
    counts, sums = np.empty((bins, 2), np.int64), np.empty((bins, 4))
    used = _k.bins(ranked.score, ranked.t, ranked.f, n, bins, counts, sums)
    (in_bin, ones), (total, noise, least, most) = counts[:used].T, sums[:used].T
    # a mean lies within its bin; rounding must not push it out
    predicted = np.clip(total / in_bin, least, most)
    observed = ones / in_bin
    low, high = wilson_ends(ones.astype(np.float64), in_bin.astype(np.float64), critical_value(level))
    table = {
        "rows": in_bin,
        "p_low": least,
        "p_high": most,
        "predicted": predicted,
        "observed": observed,
        "ci_low": low,
        "ci_high": high,
    }
    # half the mean distance of a normal from its mean is √(1 / 2π) of its spread; both sides count
    by_chance = float(np.sqrt(noise).sum()) * math.sqrt(2.0 / math.pi)
    gap = (ranked.ones - float(total.sum())) / n
    x, ones, rows, square = _k.log_odds(ranked.score, ranked.t, ranked.f, SURE, gap)
    line, reason = _recalibrate(x, ones, rows, n, level)
    return Calibration(
        table=_frame.table(table, kind=kind),
        ece=float(in_bin @ np.abs(predicted - observed)) / n,
        ece_by_chance=by_chance / n,
        in_the_large=_in_the_large(ranked, gap, math.sqrt(square) / n, level),
        slope=line[1] if line else None,
        intercept=line[0] if line else None,
        reason=reason,
        n=n,
    )


def _in_the_large(ranked: Ranked, gap: float, se: float, level: float) -> Estimate:
    """Share of ones less mean probability."""
    if 0 < ranked.ones < ranked.n:
        return Estimate.normal(gap, se, n=ranked.n, level=level, method="wald", bounds=(-1.0, 1.0))
    mean = ranked.rate - gap
    ends = wilson_ends(np.array(float(ranked.ones)), np.array(float(ranked.n)), critical_value(level))
    low, high = (float(end) - mean for end in ends)
    return Estimate(gap, min(low, gap), max(high, gap), se, ranked.n, level, "wilson")


def _recalibrate(x: Floats, t: Longs, rows: Longs, n: int, level: float) -> tuple[tuple[Estimate, Estimate] | None, str]:
    """Fit the log odds of what came to pass on those of the probabilities, which ascend."""
    if t.sum() in (0, n):
        return None, f"all {n:,} rows are {int(t.sum() > 0)}"
    with_one, with_zero = np.flatnonzero(t), np.flatnonzero(t < rows)
    if x[0] == x[-1]:
        return None, "every probability is the same"
    if x[with_one[0]] >= x[with_zero[-1]] or x[with_zero[0]] >= x[with_one[-1]]:
        return None, "the probabilities separate ones from zeros, so that no finite slope fits best"
    centre = float(rows @ x) / n
    scale = math.sqrt(float(rows @ np.square(x - centre)) / n)
    z = (x - centre) / scale
    beta = np.array([centre, scale])
    if z.size > 4 * POINTS:
        # a few thousand points lead almost all the way; what is left takes a step or two over all
        beta = _newton(*_k.coarse(z, t, rows, POINTS), n, beta)[0]
    beta, now, reason = _newton(z, t, rows, n, beta)
    if reason:
        return None, reason
    covariance = np.linalg.inv(now[[3, 4, 4, 5]].reshape(2, 2))
    # back from the standardised scale: slope = b / scale, intercept = a − b · centre / scale
    back = np.array([[1.0, -centre / scale], [0.0, 1.0 / scale]])
    values, spread = back @ beta, np.sqrt(np.diag(back @ covariance @ back.T))
    intercept, slope = (
        Estimate.normal(float(value), float(se), n=n, level=level, method="wald")
        for value, se in zip(values, spread, strict=True)
    )
    return (intercept, slope), ""


def _newton(z: Floats, t: Longs, rows: Longs, n: int, beta: Floats) -> tuple[Floats, Floats, str]:
    """Maximise the likelihood of `t` ones among `rows` on a line through z; return also the last sums over the data."""

    def sums(at: Floats) -> Floats:
        out = np.empty(6)
        _k.line(z, t, rows, at[0], at[1], out)
        return out

    # calibrated probabilities are there already; others start from the base rate where that fits better
    now = sums(beta)
    rate = float(t.sum()) / n
    if now[0] > -n * (rate * math.log(rate) + (1.0 - rate) * math.log1p(-rate)):
        beta = np.array([math.log(rate / (1.0 - rate)), 0.0])
        now = sums(beta)
    for _ in range(STEPS):
        step = np.linalg.solve(now[[3, 4, 4, 5]].reshape(2, 2), now[1:3])
        if float(np.abs(step).max()) < 1e-8:  # quadratic: the next step would be of the size of rounding
            return beta + step, now, ""
        length = 1.0
        after = sums(beta + step)
        while after[0] > now[0] + 1e-12 * n and length > 1e-6:
            length /= 2.0
            after = sums(beta + length * step)
        beta, now = beta + length * step, after
    return beta, now, "the search for the slope did not come to an end"
