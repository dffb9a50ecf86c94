"""Net Promoter Score: promoters less detractors, with an interval that holds in small samples too."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _options
from crmkit.errors import DataWarning, OptionError
from crmkit.feedback import _answers, _design
from crmkit.feedback._weights import Weights
from crmkit.intervals import _paired, _resample
from crmkit.results import Estimate, confidence_level, critical_value

__all__ = ["Score", "nps"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

SCALE = 100.0
METHODS = ("adjusted_wald", "wald", "score", "t", "dirichlet", "bootstrap")
PSEUDO = (0.75, 1.5, 0.75)
# highest answer of a detractor and lowest of a promoter, where a scale has a usual reading
USUAL = {(0, 10): (6, 9), (1, 10): (6, 9), (1, 5): (3, 5)}


@dataclasses.dataclass(frozen=True, slots=True)
class Score(Estimate):
    """A score from −100 to 100 with its interval and the answers behind it.

    Attributes
    ----------
    value : float
        Share of promoters less that of detractors, times 100.
    ci_low, ci_high : float
        Ends of the interval at `level`, on the scale.
    se : float
        Standard error that the interval is made of.
    n : int or float
        Answers; the effective number where they are weighted, stratified or clustered.
    level : float
        Confidence level of the interval.
    method : str
        How the interval was made.
    promoters, passives, detractors : int or None
        Answers of each kind, unweighted; None where they are too few to be shown.
    answers : int
        How many answers there are.
    asked : int or None
        Rows with and without an answer, where ``missing="drop"`` tells them apart.
    clipped : bool
        Whether an end lay beyond the scale and was cut off there: a sign that the method does not suit so few answers.
    reason : str
        Why there is no number, where there is none; else empty.

    Examples
    --------
    >>> from crmkit import feedback
    >>> score = feedback.nps([10] * 9 + [2] * 2, method="wald")
    >>> print(f"{score.ci_low:.1f} to {score.ci_high:.1f}, clipped: {score.clipped}")
    18.1 to 100.0, clipped: True
    """

    promoters: int | None
    passives: int | None
    detractors: int | None
    answers: int
    asked: int | None
    clipped: bool
    reason: str

    # slots and super() without arguments do not go together in a dataclass that is built anew
    def __str__(self) -> str:
        return self.reason or Estimate.__str__(self)

    @property
    def response_rate(self) -> float | None:
        """Answers for each person asked, where that is known."""
        return None if self.asked is None else self.answers / self.asked


def nps(
    scores_or_frame: Any,
    /,
    *,
    score: str = "score",
    by: str | Sequence[str] | None = None,
    weight: str | Weights | None = None,
    level: float = 0.95,
    method: str = "adjusted_wald",
    scale: tuple[int, int] = (0, 10),
    detractors_to: int | None = None,
    promoters_from: int | None = None,
    pseudo: Sequence[float] = PSEUDO,
    prior: float = 1.0,
    strata: str | None = None,
    cluster: str | None = None,
    customer: str | None = None,
    time: str | None = None,
    repeats: str = "error",
    missing: str = "error",
    min_n: int = 0,
    population: int | None = None,
    replicates: int = 2000,
    rng: Any = 0,
) -> Any:
    r"""Give the Net Promoter Score with its interval: the share of 9 and 10 less the share of 0 to 6, times 100.

    Parameters
    ----------
    scores_or_frame : Series, array, list or DataFrame
        One answer per row: whole numbers on the scale, or labels that begin with one ("10 - Extremely likely").
    score : str, default "score"
        Column of the answers, where a frame is given.
    by : str or list of str, optional
        Columns of groups: one score each.
    weight : str or Weights, optional
        Column of weights, or what `rake` and `poststratify` return for the same rows.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.
    method : {"adjusted_wald", "wald", "score", "t", "dirichlet", "bootstrap"}, default "adjusted_wald"
        How the interval is made (see Notes).
    scale : (int, int), default (0, 10)
        Lowest and highest possible answer. An answer off the scale is refused, never recoded: a 0 on a scale from 1 to 10 is a
        mistake in the data. Scores of different scales cannot be compared.
    detractors_to, promoters_from : int, optional
        Highest answer of a detractor and lowest of a promoter. Default: 6 and 9 on scales to 10, 3 and 5 on 1 to 5; other
        scales have no usual reading, so there both are needed.
    pseudo : three floats, default (0.75, 1.5, 0.75)
        Promoters, passives and detractors that "adjusted_wald" adds.
    prior : float, default 1
        Parameter of the prior of "dirichlet"; ½ is that of Jeffreys.
    strata, cluster : str, optional
        Columns of the strata and of the clusters that answers were sampled in.
    customer : str, optional
        Column of the persons who answer, so that none counts twice in a group.
    time : str, optional
        Column of the moments of the answers, for ``repeats="latest"``.
    repeats : {"error", "latest", "cluster"}, default "error"
        With `customer`: refuse a second answer of a person, keep the latest, or keep all and take persons for clusters.
    missing : {"error", "drop"}, default "error"
        Refuse rows without an answer, or take them for persons who were asked and did not answer: the result then tells how many
        were asked.
    min_n : int, default 0
        Where there are fewer answers, nothing but their number is shown. If that hides one group alone, the smallest of the
        others is hidden too, since the total would give it away.
    population : int, optional
        Size of the finite population sampled from, without `by`: a survey of half of all customers is surer than its size says.
        Not for "bootstrap".
    replicates : int, default 2000
        Resamples of "bootstrap", 100 to 1,000,000.
    rng : int, Generator or None, default 0
        Seed of "bootstrap".

    Returns
    -------
    Score or DataFrame
        From −100 to 100. With `by` one row per group, in the order of the labels and indexed by them in pandas: ``value``,
        ``ci_low``, ``ci_high``, ``se``, ``n``, ``level``, ``method``, the counts ``promoters``, ``passives``, ``detractors``
        and ``answers``, ``clipped`` and ``reason``; with ``missing="drop"`` also ``asked`` and ``response_rate``. Hidden
        numbers are NaN, and ``reason`` says why. Unused categories have no row.

    Raises
    ------
    ColumnError
        A named column is not in the frame.
    DataError
        An answer is missing, not a whole number or off the scale, a group has no label, a person answers twice, a weight is
        negative, or there is no answer.
    OptionError
        An option is not usable, or names a column although there is no frame.

    Notes
    -----
    An answer counts 1, 0 or −1, so with shares :math:`p` and :math:`d` the score is :math:`p - d` with variance
    :math:`(p + d - (p - d)^2)/n`. That is the normal interval ("wald"): too narrow in small samples, of no width where all
    answer alike, and off the scale at times. "adjusted_wald" adds ¾ of a promoter, 1½ passives and ¾ of a detractor first:
    over all populations it covers about 95 % from ten answers on. The score itself is that of the answers, so that after two
    or three of them it can lie outside. "score" inverts the score test of Tango, since promoters less detractors is a
    difference of paired shares; "t" is the t interval of the mean; "dirichlet" the Bayesian interval under a uniform prior;
    "bootstrap" resamples the counts, which is exact whatever their number.

    With weights :math:`w` the score is :math:`\theta = \sum wz / \sum w` and its linearised variance
    :math:`\frac{n}{n-1} \sum (w (z - \theta))^2 / (\sum w)^2`, summed by cluster within strata where they are named. "t" uses
    it as it is. The other methods are given as many answers as would have that variance without weights, shrunk for the few
    degrees of freedom of few clusters, as Korn and Graubard do. Weights of `rake` and `poststratify` take the variance of what
    the margins leave unexplained. Without strata each group is a sample of its own; with them, or with such weights, a part of
    the whole.

    References
    ----------
    Rocks (2016), Interval estimation for the "Net Promoter Score", The American Statistician 70(4).
    Agresti and Min (2005), Simple improved confidence intervals for comparing matched proportions, Statistics in Medicine 24(5).
    Tango (1998), Equivalence test and confidence interval for the difference in proportions for the paired-sample design,
    Statistics in Medicine 17(8).
    Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive counts estimated from
    survey data, Survey Methodology 24(2).

    Examples
    --------
    >>> from crmkit import feedback
    >>> score = feedback.nps([10, 9, 9, 8, 7, 10, 3, 9])
    >>> score.value
    50.0
    >>> print(f"{score.ci_low:.0f} to {score.ci_high:.0f}")
    -7 to 80

    >>> import pandas as pd
    >>> survey = pd.DataFrame({"shop": ["east", "west", "east", "west"], "score": [10, 6, 9, 8]})
    >>> feedback.nps(survey, by="shop")[["value", "n", "promoters", "detractors"]]
          value  n  promoters  detractors
    shop
    east  100.0  2          2           0
    west  -50.0  2          0           1

    Labels are read by their numbers, and a group too small to be shown keeps its size:

    >>> feedback.nps(["10 - Extremely likely", "7", "0 - Not at all"]).value
    0.0
    >>> feedback.nps(survey, by="shop", min_n=5)[["value", "answers", "reason"]]
          value  answers               reason
    shop
    east    NaN        2  fewer than 5 answers
    west    NaN        2  fewer than 5 answers
    """
    how = Interval(method, level, pseudo, prior, replicates, rng)
    bounds = checked_scale(scale, detractors_to, promoters_from)
    min_n = _options.whole("min_n", min_n, low=0)
    answers = _answers.read(
        scores_or_frame, score=score, by=by, scale=bounds[0], weight=weight, missing=missing, customer=customer, time=time,
        repeats=repeats, strata=strata, cluster=cluster,
    )  # fmt: skip
    z = worth(answers.scores, bounds)
    if population is not None:
        if by is not None:
            msg = "population= is the size of one population; leave by= out, or call once for each group"
            raise OptionError(msg)
        population = _options.whole("population", population, low=answers.scores.size)
    return net_result(answers, z, how, min_n, population)


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """How an interval is to be made; checked when it is built."""

    method: str
    level: float
    pseudo: Any
    prior: float
    replicates: int
    rng: Any

    def __post_init__(self) -> None:
        """Check every option, used or not."""
        _options.choice("method", self.method, METHODS)
        object.__setattr__(self, "level", confidence_level(self.level))
        object.__setattr__(self, "pseudo", _paired.pseudo_counts(self.pseudo))
        _options.number("prior", self.prior, low=0.0, ends=False)
        _options.whole("replicates", self.replicates, low=100, high=1_000_000)
        _options.generator(self.rng)


def checked_scale(scale: Any, to: int | None, start: int | None) -> tuple[tuple[int, int], int, int]:
    """Return the scale, the highest answer of a detractor and the lowest of a promoter."""
    low, high = _answers.checked_scale(scale)
    usual = USUAL.get((low, high))
    if usual is None and (to is None or start is None):
        msg = (
            f"scale={scale!r} has no usual reading: say which answers are detractors' and promoters' with detractors_to= and"
            " promoters_from="
        )
        raise OptionError(msg)
    to = usual[0] if to is None and usual else _options.whole("detractors_to", to, low=low, high=high - 1)
    start = usual[1] if start is None and usual else _options.whole("promoters_from", start, low=to + 1, high=high)
    if start <= to:
        msg = f"promoters_from={start} is not above detractors_to={to}"
        raise OptionError(msg)
    return (low, high), to, start


def worth(scores: Codes, bounds: tuple[tuple[int, int], int, int]) -> npt.NDArray[np.int8]:
    """Return what each answer counts: 1, 0 or −1."""
    (low, high), to, start = bounds
    steps = np.arange(low, high + 1)
    table = ((steps >= start).astype(np.int8) - (steps <= to).astype(np.int8)).astype(np.int8)
    return np.asarray(table[scores - low])


def count(z: npt.NDArray[np.int8], group: Codes, n_groups: int) -> Codes:
    """Detractors, passives and promoters of each group."""
    return np.bincount(group * 3 + (z + np.int8(1)), minlength=3 * n_groups).reshape(n_groups, 3)


def net_result(answers: _answers.Answers, z: npt.NDArray[np.int8], how: Interval, min_n: int, population: int | None) -> Any:
    """Put score, interval and counts together, for one group or many."""
    counts = count(z, answers.group, answers.n_groups)
    n = counts.sum(axis=1)
    effective, df = n.astype(np.float64), np.maximum(n - 1.0, 0.0)
    shares, weighing = counts / np.maximum(n, 1)[:, None], n
    if answers.design is not None:
        if how.method == "bootstrap":
            msg = 'method="bootstrap" resamples answers that count alike; with weight=, strata= or cluster= choose another method'
            raise OptionError(msg)
        effective, df, shares, weighing = _weighted(answers, z, how)
    shown = effective
    if population is not None:
        if how.method == "bootstrap":
            msg = 'method="bootstrap" resamples an endless population; with population= choose another method'
            raise OptionError(msg)
        effective = effective / max(1.0 - n[0] / population, 1e-12)
    down, up = shares[:, 0] * effective, shares[:, 2] * effective
    if answers.design is None and population is None:
        down, up = counts[:, 0].astype(np.float64), counts[:, 2].astype(np.float64)
    hidden, reasons = hide(n, min_n)
    value = shares[:, 2] - shares[:, 0]
    there = n > 0
    low, high, se = (np.full(n.size, np.nan) for _ in range(3))
    low[there], high[there], se[there] = net_ends(
        up[there], down[there], effective[there], how, weighing[there], df[there], counts[there]
    )
    clipped = (low < -1.0) | (high > 1.0)
    low, high = SCALE * np.maximum(low, -1.0), SCALE * np.minimum(high, 1.0)
    value, se = SCALE * value, SCALE * se
    alone = there & ~np.isfinite(se)
    for g in np.flatnonzero(alone & ~hidden):
        reasons[g] = "one answer: no standard error"
    warn_single(int((alone & ~hidden).sum()), "standard error")
    se[~np.isfinite(se)] = np.nan
    for column in (value, low, high, se):
        column[hidden] = np.nan
    clipped &= ~hidden
    counted: dict[str, Any] = {
        name: np.where(hidden, np.nan, counts[:, i]) if hidden.any() else counts[:, i].copy()
        for name, i in (("promoters", 2), ("passives", 1), ("detractors", 0))
    }
    size: Any = n if answers.design is None else np.where(there, shown, 0.0)
    if answers.groups is None:
        kinds = {name: None if hidden[0] else int(column[0]) for name, column in counted.items()}
        asked = None if answers.asked is None else int(answers.asked[0])
        return Score(
            float(value[0]), float(low[0]), float(high[0]), float(se[0]), size[0].item(), how.level, how.method,
            **kinds, answers=int(n[0]), asked=asked, clipped=bool(clipped[0]), reason=reasons[0],
        )  # fmt: skip
    columns: dict[str, Any] = {
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "se": se,
        "n": size,
        "level": np.full(n.size, how.level),
        "method": [how.method] * n.size,
        **counted,
        "answers": n,
        "clipped": clipped,
        "reason": reasons,
    }
    if answers.asked is not None:
        columns |= {"asked": answers.asked, "response_rate": n / answers.asked}
    return answers.groups.table(columns)


def net_ends(
    up: Floats, down: Floats, of: Floats, how: Interval, n: Codes, df: Floats, counts: Codes
) -> tuple[Floats, Floats, Floats]:
    """Return ends, not yet cut off, and standard error of (up − down)/of, with `n` answers and `df` degrees of freedom."""
    z = critical_value(how.level)
    pseudo = how.pseudo if how.method == "adjusted_wald" else (0.0, 0.0, 0.0)
    centre, se = _paired.adjusted_moments(up, down, of, pseudo)
    if how.method == "score":
        low, high = _paired.tango_ends(up, down, of, z)
        return low, high, se
    if how.method == "dirichlet":
        low, high = _paired.dirichlet_ends(up, down, of, how.level, how.prior)
        total = of + 3.0 * how.prior
        p, d = (up + how.prior) / total, (down + how.prior) / total
        return low, high, np.sqrt((p + d - (p - d) ** 2) / (total + 1.0))  # of the posterior
    if how.method == "bootstrap":
        low, high = _resample.counts_ends(
            counts.astype(np.float64), lambda c: (c[..., 2] - c[..., 0]) / c.sum(axis=-1), how.replicates, how.level, how.rng
        )
        return low, high, se
    if how.method == "t":
        from scipy.special import stdtrit

        # one answer shows no spread: nothing is excluded
        se = np.where(n > 1, se * np.sqrt(n / np.maximum(n - 1.0, 1.0)), np.inf)
        margin = np.where(df > 0, stdtrit(np.maximum(df, 1.0), (1.0 + how.level) / 2.0), 1.0) * se
        return centre - margin, centre + margin, se
    return centre - z * se, centre + z * se, se


def _weighted(answers: _answers.Answers, z: npt.NDArray[np.int8], how: Interval) -> tuple[Floats, Floats, Floats, Codes]:
    """Effective answers, degrees of freedom and weighted shares of each group; and how many answers weigh anything."""
    assert answers.design is not None
    worths = z.astype(np.float64)
    found = _design.means(worths, answers.group, answers.n_groups, answers.design)
    total = np.bincount(answers.group * 3 + (z + 1), answers.design.weight, 3 * answers.n_groups).reshape(-1, 3)
    shares = total / np.where(total.sum(axis=1) > 0, total.sum(axis=1), 1.0)[:, None]
    # the t interval has its own place for the degrees of freedom
    effective = found.n_effective if how.method == "t" else _design.shrunk(found, answers.design, how.level)
    return effective, found.df, shares, found.weighing


def effective_counts(answers: _answers.Answers, z: npt.NDArray[np.int8], how: Interval) -> tuple[Floats, Floats, Floats, Any]:
    """Return promoters, detractors and answers of each group, as many as count; and the number to be shown."""
    counts = count(z, answers.group, answers.n_groups)
    if answers.design is None:
        n = counts.sum(axis=1)
        return counts[:, 2].astype(np.float64), counts[:, 0].astype(np.float64), n.astype(np.float64), n
    effective, _, shares, _ = _weighted(answers, z, how)
    return shares[:, 2] * effective, shares[:, 0] * effective, effective, effective


def hide(n: Codes, min_n: int) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Which groups are not shown, and why."""
    hidden = n < max(min_n, 1)
    reasons = [""] * n.size
    for g in np.flatnonzero(hidden):
        reasons[g] = "no answers" if n[g] == 0 else f"fewer than {min_n} answers"
    # a group without answers hides nothing, and protects nobody
    if (hidden & (n > 0)).sum() == 1 and not hidden.all():
        least = int(np.where(hidden, np.iinfo(np.int64).max, n).argmin())
        hidden[least] = True
        reasons[least] = "hidden lest the total give the other hidden group away"
    return hidden, reasons


def warn_single(groups: int, what: str) -> None:
    """Say that single answers have no spread."""
    if groups:
        msg = (
            f"{groups:,} times a single answer has no {what}, which is NaN in the result; leave such groups out, hide them with"
            " min_n=2, or silence this with warnings.simplefilter('ignore', crmkit.errors.DataWarning)"
        )
        warnings.warn(msg, DataWarning, stacklevel=4)
