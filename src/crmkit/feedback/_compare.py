"""Did the score differ? Two groups, all pairs of many, all at once; and how many answers it takes to see it."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.errors import DataError, DataWarning, LimitError, OptionError
from crmkit.feedback import _answers, _design
from crmkit.feedback._nps import PSEUDO, SCALE, Interval, checked_scale, count, effective_counts, worth
from crmkit.feedback._weights import Weights
from crmkit.intervals import _paired, adjust_pvalues
from crmkit.results import Estimate, Shown, critical_value

__all__ = ["Difference", "Homogeneity", "nps_difference", "nps_homogeneity", "nps_power", "nps_sample_size"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

METHODS = ("adjusted_wald", "wald", "score")
MOST_PAIRS = 2_000_000
NORMAL = NormalDist()


@dataclasses.dataclass(frozen=True, slots=True)
class Difference(Estimate):
    """The first score less the second, with its interval and its test.

    Attributes
    ----------
    value : float
        Difference of the scores, from −200 to 200: positive where the first is higher.
    ci_low, ci_high : float
        Ends of its interval at `level`.
    se : float
        Standard error that interval and test are made of.
    n : int or float
        Answers in both groups; pairs, where they are paired.
    level : float
        Confidence level of the interval.
    method : str
        How interval and test were made.
    z : float
        Test statistic, positive where the first is higher.
    p_value : float
        Two-sided probability of a difference as large, were there none.
    first, second : float
        The two scores.

    Examples
    --------
    >>> from crmkit import feedback
    >>> change = feedback.nps_difference([10, 9, 9, 7, 3], [9, 7, 7, 3, 2])
    >>> print(f"{change.value:.0f}, p = {change.p_value:.2f}")
    60, p = 0.33
    """

    z: float
    p_value: float
    first: float
    second: float

    def __str__(self) -> str:
        return f"{Estimate.__str__(self)[:-1]}, p={self.p_value:.3g})"


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Homogeneity(Shown):
    """Whether several groups have one score, and whether they have one distribution of answers.

    Attributes
    ----------
    statistic : float
        Weighted squared distances of the scores from their common one.
    df : int
        Degrees of freedom: groups less one.
    p_value : float
        Probability of distances as large, had all groups one score.
    value : float
        The common score, each group weighted by its precision.
    chi_square, chi_square_p_value : float
        The usual test of the table of promoters, passives and detractors, unweighted: another question, since distributions can
        differ where scores do not.
    chi_square_df : int
        Its degrees of freedom.
    groups : int
        Number of groups.
    n : int
        Answers in all.
    method : str
        How the standard errors of the scores were made.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import feedback
    >>> survey = pd.DataFrame({"score": [10, 9, 3, 8, 2, 1, 9, 7], "shop": list("aaabbbcc")})
    >>> feedback.nps_homogeneity(survey, by="shop").df
    2
    """

    statistic: float
    df: int
    p_value: float
    value: float
    chi_square: float
    chi_square_df: int
    chi_square_p_value: float
    groups: int
    n: int
    method: str

    def __str__(self) -> str:
        return (
            f"{self.groups} groups, n={self.n:,}: one score for all, {self.value:.4g}?"
            f" Q {self.statistic:.4g} on {self.df}, p={self.p_value:.3g};"
            f" one distribution? chi-square {self.chi_square:.4g} on {self.chi_square_df}, p={self.chi_square_p_value:.3g}"
        )


def nps_difference(
    first: Any,
    second: Any = None,
    /,
    *,
    score: str = "score",
    by: str | Sequence[str] | None = None,
    weight: Any = None,
    paired: bool = False,
    customer: str | None = None,
    level: float = 0.95,
    method: str = "adjusted_wald",
    adjust: str = "holm",
    scale: tuple[int, int] = (0, 10),
    detractors_to: int | None = None,
    promoters_from: int | None = None,
    pseudo: Sequence[float] = PSEUDO,
    strata: str | None = None,
    cluster: str | None = None,
) -> Any:
    r"""Compare Net Promoter Scores: the first less the second, or every pair of groups, with interval and test.

    Parameters
    ----------
    first : Series, array, list or DataFrame
        Answers of the first group; with `by` the answers of all groups.
    second : Series, array, list or DataFrame, optional
        Answers of the second group.
    score : str, default "score"
        Column of the answers, in both frames.
    by : str or list of str, optional
        Columns of groups in one frame: every pair is compared, and p-values are adjusted for that.
    weight : str, optional
        Column of weights.
    paired : bool, default False
        Whether the same persons answered both times: by position, or with `customer` by person.
    customer : str, optional
        Column of the persons in both frames, for `paired`; those in one of them only are left out, and ``n`` tells the rest.
    level : float, default 0.95
        Confidence level of each interval, between 0 and 1.
    method : {"adjusted_wald", "wald", "score"}, default "adjusted_wald"
        How interval and test are made (see Notes).
    adjust : {"holm", "bh", "bonferroni"}, default "holm"
        With `by`: how p-values are adjusted (see `crmkit.intervals.adjust_pvalues`).
    scale : (int, int), default (0, 10)
        Lowest and highest possible answer.
    detractors_to, promoters_from : int, optional
        Highest answer of a detractor and lowest of a promoter, as in `nps`.
    pseudo : three floats, default (0.75, 1.5, 0.75)
        Promoters, passives and detractors that "adjusted_wald" adds to each group.
    strata, cluster : str, optional
        Columns of the strata and of the clusters that answers were sampled in.

    Returns
    -------
    Difference or DataFrame
        From −200 to 200. With `by` one row per pair: ``first``, ``second``, ``value``, ``ci_low``, ``ci_high``, ``se``, ``z``,
        ``p_value``, ``p_adjusted``, ``n_first``, ``n_second``, ``level``, ``method``.

    Raises
    ------
    ColumnError
        A named column is not in a frame.
    DataError
        Answers cannot be used (see `nps`), there are not two groups, paired answers do not match, or all answer alike and
        `method` is "wald".
    LimitError
        There are more than two million pairs.
    OptionError
        An option is not usable.

    Notes
    -----
    "wald" and "adjusted_wald": :math:`\theta_1 - \theta_2 \pm z \sqrt{s_1^2 + s_2^2}` with the standard errors of `nps`. "score"
    combines Tango's interval of each group as MOVER does, with
    :math:`\sqrt{(\theta_1 - l_1)^2 + (u_2 - \theta_2)^2}` below and its mirror image above; its p-value is that at which the
    interval ends at zero. Groups that change places give the mirror image, to the bit. With `by`, groups that share clusters or
    strata move together: the correlation of their scores, linearised as their variances are, is taken off either.

    Paired answers: the variance of the single differences. "adjusted_wald" then adds three pairs, spread over both answers as
    `pseudo` is over one; "score" is MOVER with the correlation of the two answers.

    References
    ----------
    Rocks (2016), Interval estimation for the "Net Promoter Score", The American Statistician 70(4).
    Zou and Donner (2008), Construction of confidence limits about effect measures, Statistics in Medicine 27(10).

    Examples
    --------
    >>> import numpy as np
    >>> from crmkit import feedback
    >>> this_year = np.repeat([10, 8, 3], [240, 83, 184])
    >>> last_year = np.repeat([10, 8, 3], [110, 50, 99])
    >>> change = feedback.nps_difference(this_year, last_year)
    >>> print(f"{change.value:.1f} ({change.ci_low:.1f} to {change.ci_high:.1f}), p = {change.p_value:.2f}")
    6.8 (-6.6 to 20.2), p = 0.32
    """
    _options.choice("method", method, METHODS)
    _options.choice("adjust", adjust, ("holm", "bh", "bonferroni"))
    how = Interval(method, level, pseudo, 1.0, 2000, 0)
    bounds = checked_scale(scale, detractors_to, promoters_from)
    if (second is None) == (by is None):
        msg = "compare two groups of answers, or the groups that by= names in one frame: one of the two"
        raise DataError(msg) if second is None else OptionError(msg)
    if paired:
        if by is not None or weight is not None or strata is not None or cluster is not None:
            msg = "paired=True compares two sets of answers of the same persons; leave by=, weight=, strata= and cluster= out"
            raise OptionError(msg)
        return _paired_difference(*_pairs(first, second, score, customer, bounds), how)
    if customer is not None:
        msg = "customer= matches persons for paired=True"
        raise OptionError(msg)
    if isinstance(weight, Weights):
        msg = "weight= names a column here; put the weights into the frame"
        raise OptionError(msg)

    def side(data: Any, by: Any) -> tuple[_answers.Answers, Counted]:
        answers = _answers.read(data, score=score, by=by, scale=bounds[0], weight=weight, strata=strata, cluster=cluster)
        return answers, _counted(answers, bounds, how)

    if by is None:
        one, two = side(first, None)[1], side(second, None)[1]
        if cluster is not None:
            _warn_of_shared(first, second, cluster)
        found = _differences(one, two, how, np.zeros(1))
        numbers = {name: float(values[0]) for name, values in found.items()}
        total = one.n[0] + two.n[0]
        return Difference(**numbers, n=total.item(), level=how.level, method=method)

    answers, counted = side(first, by)
    groups = answers.groups
    assert groups is not None
    g = len(groups)
    if g < 2:
        msg = f"by={by!r} has {g} group; a comparison needs two"
        raise DataError(msg)
    if g * (g - 1) // 2 > MOST_PAIRS:
        msg = f"{g:,} groups make {g * (g - 1) // 2:,} pairs, more than {MOST_PAIRS:,}; compare each with the whole instead"
        raise LimitError(msg)
    left, right = np.triu_indices(g, 1)
    together = np.zeros(left.size)
    if answers.design is not None:
        z = worth(answers.scores, bounds).astype(np.float64)
        together = _design.correlation(z, answers.group, g, answers.design, left, right)
    found = _differences(counted.at(left), counted.at(right), how, together)
    columns: dict[str, Any]
    if len(groups.columns) == 1:
        _, labels, codes = groups.columns[0]
        columns = {"first": _frame.Labelled(labels, codes[left]), "second": _frame.Labelled(labels, codes[right])}
    else:
        names = groups.names()
        columns = {"first": [names[i] for i in left], "second": [names[i] for i in right]}
    columns |= {name: found[name] for name in ("value", "ci_low", "ci_high", "se", "z", "p_value")}
    columns |= {
        "p_adjusted": adjust_pvalues(found["p_value"], method=adjust),
        "n_first": counted.n[left],
        "n_second": counted.n[right],
        "level": np.full(left.size, how.level),
        "method": [method] * left.size,
    }
    return _frame.table(columns, kind=groups.kind)


def nps_homogeneity(
    frame: Any,
    /,
    *,
    by: str | Sequence[str],
    score: str = "score",
    weight: str | None = None,
    method: str = "adjusted_wald",
    scale: tuple[int, int] = (0, 10),
    detractors_to: int | None = None,
    promoters_from: int | None = None,
    pseudo: Sequence[float] = PSEUDO,
) -> Homogeneity:
    r"""Test whether several groups share one Net Promoter Score: look at this before looking at single pairs.

    Parameters
    ----------
    frame : DataFrame
        One answer per row.
    by : str or list of str
        Columns of groups.
    score : str, default "score"
        Column of the answers.
    weight : str, optional
        Column of weights.
    method : {"adjusted_wald", "wald"}, default "adjusted_wald"
        How the standard errors are made, as in `nps`.
    scale : (int, int), default (0, 10)
        Lowest and highest possible answer.
    detractors_to, promoters_from : int, optional
        Highest answer of a detractor and lowest of a promoter, as in `nps`.
    pseudo : three floats, default (0.75, 1.5, 0.75)
        Promoters, passives and detractors that "adjusted_wald" adds to each group.

    Returns
    -------
    Homogeneity
        The test of the scores, and the usual test of the whole table beside it.

    Raises
    ------
    ColumnError
        A named column is not in the frame.
    DataError
        Answers cannot be used (see `nps`), there is one group only, or a group answers all alike and `method` is "wald".
    OptionError
        An option is not usable.

    Notes
    -----
    :math:`Q = \sum_g (\theta_g - \bar\theta)^2 / s_g^2` with :math:`\bar\theta` weighted by :math:`1/s_g^2`, chi-squared with
    one degree of freedom less than groups.

    References
    ----------
    Cochran (1954), The combination of estimates from different experiments, Biometrics 10(1).

    Examples
    --------
    >>> from crmkit import datasets, feedback
    >>> answers = datasets.make_survey(n_customers=5000).survey
    >>> bool(feedback.nps_homogeneity(answers, by="segment").p_value < 0.001)
    True
    """
    from scipy.special import chdtrc

    _options.choice("method", method, ("adjusted_wald", "wald"))
    how = Interval(method, 0.95, pseudo, 1.0, 2000, 0)
    bounds = checked_scale(scale, detractors_to, promoters_from)
    answers = _answers.read(frame, score=score, by=by, scale=bounds[0], weight=weight)
    if answers.n_groups < 2:
        msg = f"by={by!r} has {answers.n_groups} group; a comparison needs two"
        raise DataError(msg)
    counted = _counted(answers, bounds, how)
    centre, se = _paired.adjusted_moments(counted.up, counted.down, counted.of, _added(how))
    _refuse_alike(se, method)
    precision = 1.0 / se**2
    common = (precision * centre).sum() / precision.sum()
    q, df = float((precision * (centre - common) ** 2).sum()), answers.n_groups - 1
    z = worth(answers.scores, bounds)
    table = count(z, answers.group, answers.n_groups).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    chi, chi_df = float(((table - expected) ** 2 / expected).sum()), df * (table.shape[1] - 1)
    return Homogeneity(
        q, df, float(chdtrc(df, q)), float(SCALE * common), chi, chi_df, float(chdtrc(chi_df, chi)) if chi_df else 1.0,
        answers.n_groups, int(answers.scores.size), method,
    )  # fmt: skip


def nps_sample_size(
    *,
    margin: float | None = None,
    difference: float | None = None,
    power: float = 0.8,
    variance: float = 2.0 / 3.0,
    level: float = 0.95,
    method: str = "adjusted_wald",
    population: int | None = None,
) -> int:
    r"""Give the answers needed for an interval of a wanted half-width, or to see a difference between two groups.

    Parameters
    ----------
    margin : float, optional
        Wanted half-width of the interval of one score, in points of the usual scale: 5 for ±5.
    difference : float, optional
        Difference of two scores to be seen, in points; the answer is then the size of each group.
    power : float, default 0.8
        Probability of seeing that difference.
    variance : float, default 2/3
        Variance of single answers that count 1, 0 and −1: promoters plus detractors less the squared score, all as shares. 2/3
        if all three are equally many; 1, half promoters and half detractors, is the most there can be.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1; the test rejects at one less it.
    method : {"adjusted_wald", "wald"}, default "adjusted_wald"
        The interval to be made of one score: the three answers that the adjusted one adds need not be asked for.
    population : int, optional
        Size of the finite population sampled from, for `margin`.

    Returns
    -------
    int
        Answers; people to be asked are this many divided by the response rate.

    Raises
    ------
    OptionError
        Not exactly one of `margin` and `difference` is given, or an option is out of its range.

    Notes
    -----
    :math:`s^2 z^2 / d^2 - 3` for one score, and :math:`2 s^2 (z_{\alpha/2} + z_\beta)^2 / \Delta^2` for each of two groups.

    References
    ----------
    Sauro and Lewis (2016), Quantifying the User Experience, second edition, chapter 7.

    Examples
    --------
    >>> from crmkit import feedback
    >>> feedback.nps_sample_size(margin=5)
    1022
    >>> feedback.nps_sample_size(difference=10)
    1047
    """
    if (margin is None) == (difference is None):
        msg = "give margin= for the interval of one score, or difference= for a comparison of two: one of them"
        raise OptionError(msg)
    _options.choice("method", method, ("adjusted_wald", "wald"))
    variance = _options.number("variance", variance, low=0.0, high=1.0)
    z = critical_value(level)
    if margin is not None:
        wanted = _options.number("margin", margin, low=0.0, high=SCALE, ends=False) / SCALE
        n = variance * z * z / wanted**2
        if population is not None:
            n = n / (1.0 + n / _options.whole("population", population, low=1))
        return max(1, _up(n - (3.0 if method == "adjusted_wald" else 0.0)))
    if population is not None:
        msg = "population= belongs to margin=: a comparison is not about one finite population"
        raise OptionError(msg)
    wanted = _options.number("difference", difference, low=0.0, high=2.0 * SCALE, ends=False) / SCALE
    power = _options.number("power", power, low=0.0, high=1.0, ends=False)
    return max(1, _up(2.0 * variance * (z + NORMAL.inv_cdf(power)) ** 2 / wanted**2))


def nps_power(
    *, difference: float, n: int, n_second: int | None = None, variance: float = 2.0 / 3.0, level: float = 0.95
) -> float:
    r"""Give the probability that a comparison of two groups sees a true difference of their scores.

    Parameters
    ----------
    difference : float
        True difference in points of the usual scale.
    n : int
        Answers in the first group.
    n_second : int, optional
        Answers in the second group. Default: as many.
    variance : float, default 2/3
        Variance of single answers that count 1, 0 and −1, as in `nps_sample_size`.
    level : float, default 0.95
        One less the level at which the test rejects.

    Returns
    -------
    float
        Probability between 0 and 1; for no difference the level of the test.

    Raises
    ------
    OptionError
        An option is out of its range.

    Notes
    -----
    :math:`\Phi(\Delta/s - z) + \Phi(-\Delta/s - z)` with :math:`s^2 = \sigma^2 (1/n_1 + 1/n_2)`.

    Examples
    --------
    >>> from crmkit import feedback
    >>> round(feedback.nps_power(difference=10, n=1047), 3)
    0.8
    >>> round(feedback.nps_power(difference=10, n=100), 3)
    0.139
    """
    shift = abs(_options.number("difference", difference, low=-2.0 * SCALE, high=2.0 * SCALE)) / SCALE
    n = _options.whole("n", n, low=1)
    other = n if n_second is None else _options.whole("n_second", n_second, low=1)
    variance = _options.number("variance", variance, low=0.0, high=1.0, ends=False) if variance != 1.0 else 1.0
    z, se = critical_value(level), math.sqrt(variance * (1.0 / n + 1.0 / other))
    return NORMAL.cdf(shift / se - z) + NORMAL.cdf(-shift / se - z)


# ── how it is done ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Promoters, detractors and answers of each group, effective where they are weighted; `n` as shown."""

    up: Floats
    down: Floats
    of: Floats
    n: npt.NDArray[Any]

    def at(self, places: npt.NDArray[np.intp]) -> Counted:
        """Return the groups in these places."""
        return Counted(self.up[places], self.down[places], self.of[places], self.n[places])


def _counted(answers: _answers.Answers, bounds: tuple[tuple[int, int], int, int], how: Interval) -> Counted:
    return Counted(*effective_counts(answers, worth(answers.scores, bounds), how))


def _added(how: Interval) -> tuple[float, float, float]:
    added: tuple[float, float, float] = how.pseudo if how.method == "adjusted_wald" else (0.0, 0.0, 0.0)
    return added


def _refuse_alike(se: Floats, method: str) -> None:
    if not (se > 0.0).all():
        msg = f'all answer alike, so that method="{method}" sees no error at all; use method="adjusted_wald"'
        raise DataError(msg)


def _warn_of_shared(first: Any, second: Any, cluster: str) -> None:
    """Say that clusters of one name in two frames are taken for different ones."""
    names = _frame.ids(first, cluster, keyword="cluster").labels
    shared = int((names.codes_of(_frame.ids(second, cluster, keyword="cluster").labels.as_index(), what="second") >= 0).sum())
    if shared:
        msg = (
            f"column {cluster!r}: {shared:,} clusters are in both sets of answers by name, and are taken for different ones; if"
            " they are the same, put all answers into one frame and compare with by=, which takes into account that they move"
            " together. Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning)."
        )
        warnings.warn(msg, DataWarning, stacklevel=3)


def _differences(one: Counted, two: Counted, how: Interval, together: Floats) -> dict[str, Floats]:
    """Differences of scores, pair by pair; `together` is how they are correlated."""
    theta1, theta2 = (one.up - one.down) / one.of, (two.up - two.down) / two.of
    centre1, se1 = _paired.adjusted_moments(one.up, one.down, one.of, _added(how))
    centre2, se2 = _paired.adjusted_moments(two.up, two.down, two.of, _added(how))
    # the squares of like terms first: exchanged groups then give the same bits
    se = np.sqrt(np.maximum((se1**2 + se2**2) - 2.0 * together * (se1 * se2), 0.0))
    if how.method == "score":

        def distances(z: float) -> tuple[Floats, Floats]:
            low1, high1 = _paired.tango_ends(one.up, one.down, one.of, z)
            low2, high2 = _paired.tango_ends(two.up, two.down, two.of, z)
            ends = ((theta1 - low1, high2 - theta2), (high1 - theta1, theta2 - low2))
            below, above = (np.sqrt(np.maximum((a * a + b * b) - 2.0 * together * (a * b), 0.0)) for a, b in ends)
            return below, above

        return _moved(theta1, theta2, se, distances, how)
    _refuse_alike(se, how.method)
    return _normal(theta1, theta2, centre1 - centre2, se, how)


def _normal(theta1: Floats, theta2: Floats, centre: Floats, se: Floats, how: Interval) -> dict[str, Floats]:
    from scipy.special import ndtr

    margin, z = critical_value(how.level) * se, centre / se
    return {
        "value": SCALE * (theta1 - theta2),
        "ci_low": SCALE * np.maximum(centre - margin, -2.0),
        "ci_high": SCALE * np.minimum(centre + margin, 2.0),
        "se": SCALE * se,
        "z": z,
        "p_value": 2.0 * ndtr(-np.abs(z)),
        "first": SCALE * theta1,
        "second": SCALE * theta2,
    }


def _moved(theta1: Floats, theta2: Floats, se: Floats, distances: Any, how: Interval) -> dict[str, Floats]:
    """Combine the distances of the single ends; the test is the level at which the interval ends at zero."""
    from scipy.special import ndtr

    value = theta1 - theta2
    below, above = distances(critical_value(how.level))
    left, right = np.zeros(value.size), np.full(value.size, 40.0)
    # distances grow with z: halve to the z at which they reach the difference; pairs share each z's bracket by bisection
    for _ in range(60):
        middle = 0.5 * (left + right)
        reach = _at_each(distances, middle, value)
        right, left = np.where(reach >= np.abs(value), middle, right), np.where(reach >= np.abs(value), left, middle)
    z = np.where(value == 0.0, 0.0, np.copysign(right, value))
    return {
        "value": SCALE * value,
        "ci_low": SCALE * np.maximum(value - below, -2.0),
        "ci_high": SCALE * np.minimum(value + above, 2.0),
        "se": SCALE * se,
        "z": z,
        "p_value": 2.0 * ndtr(-np.abs(z)),
        "first": SCALE * theta1,
        "second": SCALE * theta2,
    }


def _at_each(distances: Any, z: Floats, value: Floats) -> Floats:
    """Distance from each difference towards zero, at a z of its own."""
    below, above = distances(z)
    return np.asarray(np.where(value > 0.0, below, above))


def _pairs(
    first: Any, second: Any, score: str, customer: str | None, bounds: tuple[tuple[int, int], int, int]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Return what both answers of each person count."""
    one = _answers.read(first, score=score, by=None, scale=bounds[0], customer=customer)
    two = _answers.read(second, score=score, by=None, scale=bounds[0], customer=customer)
    z1, z2 = worth(one.scores, bounds), worth(two.scores, bounds)
    if customer is None:
        if z1.size != z2.size:
            msg = f"{z1.size:,} first answers and {z2.size:,} second ones are no pairs; name the person's column with customer="
            raise DataError(msg)
        return z1, z2
    ids1, ids2 = _frame.ids(first, customer, keyword="customer"), _frame.ids(second, customer, keyword="customer")
    code = ids1.labels.codes_of(ids2.labels.as_index(), what="second")[ids2.codes]
    row = np.empty(len(ids1.labels), np.int64)
    row[ids1.codes] = np.arange(z1.size)
    both = code >= 0
    if not both.any():
        msg = f"column {customer!r}: no person is in both sets of answers, so nothing is paired"
        raise DataError(msg)
    return z1[row[code[both]]], z2[both]


def _paired_difference(z1: npt.NDArray[np.int8], z2: npt.NDArray[np.int8], how: Interval) -> Difference:
    table = np.bincount((z1 + 1).astype(np.int64) * 3 + (z2 + 1), minlength=9).reshape(3, 3).astype(np.float64)
    n, step = table.sum(), np.array([-1.0, 0.0, 1.0])
    theta1, theta2 = float(table.sum(axis=1) @ step / n), float(table.sum(axis=0) @ step / n)
    up, same, down = _added(how)
    spread = np.array([down, same, up])
    if spread.sum() > 0.0:
        table = table + np.outer(spread, spread) / spread.sum()
    total = table.sum()
    gap = np.subtract.outer(step, step)
    centre = float((table * gap).sum() / total)
    se = math.sqrt(float((table * (gap - centre) ** 2).sum()) / total / total)
    arrays = (np.array([theta1]), np.array([theta2]))
    if how.method == "score":
        counts1, counts2 = table.sum(axis=1), table.sum(axis=0)
        of = np.array([n])
        var1, var2 = (float(c @ step**2 / n - (c @ step / n) ** 2) for c in (counts1, counts2))
        covariance = float((table * np.outer(step, step)).sum() / n - theta1 * theta2)
        r = covariance / math.sqrt(var1 * var2) if var1 * var2 > 0.0 else 0.0

        def distances(z: Any) -> tuple[Floats, Floats]:
            low1, high1 = _paired.tango_ends(counts1[2:], counts1[:1], of, z)
            low2, high2 = _paired.tango_ends(counts2[2:], counts2[:1], of, z)
            (a, b), (c, d) = (theta1 - low1, high2 - theta2), (high1 - theta1, theta2 - low2)
            # the squares of like terms first: exchanged groups then give the same bits
            return (
                np.sqrt(np.maximum((a * a + b * b) - 2.0 * r * (a * b), 0.0)),
                np.sqrt(np.maximum((c * c + d * d) - 2.0 * r * (c * d), 0.0)),
            )

        found = _moved(*arrays, np.array([se]), distances, how)
    else:
        _refuse_alike(np.array([se]), how.method)
        found = _normal(*arrays, np.array([centre]), np.array([se]), how)
    return Difference(**{name: float(v[0]) for name, v in found.items()}, n=int(n), level=how.level, method=how.method)


def _up(n: float) -> int:
    """Round up, but not for a rounding error above a whole number."""
    return math.ceil(n - 1e-9)
