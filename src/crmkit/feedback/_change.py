"""Scores over time, why one moved, and growth that customers earned."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.errors import DataError, LimitError, OptionError
from crmkit.feedback import _answers
from crmkit.feedback._nps import PSEUDO, SCALE, Interval, checked_scale, count, net_ends, worth
from crmkit.intervals import _paired
from crmkit.results import Estimate, Shown, confidence_level

__all__ = ["Change", "EarnedGrowth", "Trend", "decompose_change", "earned_growth", "trend"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
DAY = 86_400
MOST_PERIODS = 400_000


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trend(Shown):
    """A score over time: its course, and whether it rises or falls.

    Attributes
    ----------
    table : DataFrame
        One row per period, those without answers included: ``period`` (its first day), ``answers`` in it, ``n`` in its window,
        the window's ``value`` with ``ci_low``, ``ci_high`` and ``se``, the control limits ``limit_low`` and ``limit_high``,
        whether the value lies ``outside`` them, and the ``reason`` where there is no value.
    slope : Estimate
        Points per period.
    z : float
        Test statistic of the slope.
    p_value : float
        Two-sided probability of such a slope, were there none.
    centre : float
        Score of all answers, on which the limits are centred.
    period : str
        Length of a period.
    window : int
        Periods in a window.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import feedback
    >>> months = pd.to_datetime(["2024-01-05", "2024-01-20", "2024-02-03", "2024-02-25", "2024-03-09", "2024-03-11"])
    >>> survey = pd.DataFrame({"score": [3, 8, 7, 9, 9, 10], "day": months})
    >>> feedback.trend(survey, time="day").table["value"].tolist()
    [-50.0, 50.0, 100.0]
    """

    TABLES: ClassVar[tuple[str, ...]] = ("table",)

    table: Any
    slope: Estimate
    z: float
    p_value: float
    centre: float
    period: str
    window: int

    def __str__(self) -> str:
        return f"{self.slope.value:+.3g} points per {self.period}, p={self.p_value:.3g}, around {self.centre:.3g}"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Change(Shown):
    """Why a rate changed: because groups changed, or because their shares did.

    Attributes
    ----------
    total : Estimate
        Rate afterwards less rate before.
    within : Estimate
        Part of it that comes from rates within groups.
    mix : Estimate
        Part of it that comes from groups becoming larger or smaller.
    table : DataFrame
        One row per group, with its label in ``group``: ``share_before``, ``share_after``, ``value_before``, ``value_after``, and
        its parts ``within`` and ``mix``, which add up to those above. A group has no value where it was not there, and ``note``
        says so.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import feedback
    >>> before = pd.DataFrame({"value": [60.0, 20.0], "n": [500, 500], "se": [3.0, 4.0]}, index=["shop", "online"])
    >>> after = pd.DataFrame({"value": [62.0, 22.0], "n": [300, 700], "se": [4.0, 3.0]}, index=["shop", "online"])
    >>> change = feedback.decompose_change(before, after)
    >>> [round(part.value, 6) for part in (change.total, change.within, change.mix)]
    [-6.0, 2.0, -8.0]
    """

    TABLES: ClassVar[tuple[str, ...]] = ("table",)

    total: Estimate
    within: Estimate
    mix: Estimate
    table: Any

    def __str__(self) -> str:
        return f"{self.total.value:+.3g} = within {self.within.value:+.3g} + mix {self.mix.value:+.3g}"


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class EarnedGrowth(Shown):
    """Growth that came from customers who stayed and customers they sent.

    Attributes
    ----------
    value : float
        Earned growth rate: 0.05 is 5 %.
    retention : float
        Net revenue retention: revenue from those who were customers before, over their revenue then.
    earned_new : float
        Revenue from new customers who came by recommendation, over last period's revenue.

    Examples
    --------
    >>> from crmkit import feedback
    >>> f"{feedback.earned_growth(prior=100, returning=92, referred=13).retention:.0%}"
    '92%'
    """

    value: float
    retention: float
    earned_new: float

    def __str__(self) -> str:
        return f"{self.value:+.1%} earned growth: {self.retention:.1%} retained, {self.earned_new:.1%} by recommendation"

    def __float__(self) -> float:
        return self.value

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else str(self)


def trend(
    frame: Any,
    /,
    *,
    time: str = "timestamp",
    score: str = "score",
    period: str = "M",
    window: int = 1,
    level: float = 0.95,
    method: str = "adjusted_wald",
    limits: float = 3.0,
    scale: tuple[int, int] = (0, 10),
    detractors_to: int | None = None,
    promoters_from: int | None = None,
    pseudo: Sequence[float] = PSEUDO,
) -> Trend:
    r"""Follow the Net Promoter Score over time: rolling windows, control limits, and the slope with its test.

    Parameters
    ----------
    frame : DataFrame
        One answer per row.
    time : str, default "timestamp"
        Column of the moments of the answers.
    score : str, default "score"
        Column of the answers.
    period : {"D", "W", "M", "Q", "Y"}, default "M"
        Calendar periods on the clock of the column's zone; weeks start on Monday.
    window : int, default 1
        Periods whose answers are taken together, up to the one they are shown at; fewer at the start.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    method : {"adjusted_wald", "wald", "score"}, default "adjusted_wald"
        How the intervals are made, as in `nps`; the slope weighs periods by the standard errors.
    limits : float, default 3
        Standard errors between the centre and a control limit. At 3, one window in 370 lies outside by chance.
    scale : (int, int), default (0, 10)
        Lowest and highest possible answer.
    detractors_to, promoters_from : int, optional
        Highest answer of a detractor and lowest of a promoter, as in `nps`.
    pseudo : three floats, default (0.75, 1.5, 0.75)
        Promoters, passives and detractors that "adjusted_wald" adds to each window.

    Returns
    -------
    Trend
        The table and the slope.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        Answers or times cannot be used, there are answers in one period only, or all answers of a period are alike and `method`
        is "wald".
    LimitError
        The times span more than 400,000 periods, each of which has its row.
    OptionError
        An option is not usable.

    Notes
    -----
    A window's score is that of its answers together; a mean of monthly scores would give a small month the weight of a large
    one. The slope is the weighted regression of the scores of single periods on time, weights being one over the squared
    standard error. Limits are those of a p-chart: the centre, plus and minus `limits` times :math:`\sqrt{v/n}` with the variance
    :math:`v` of all answers.

    References
    ----------
    Montgomery (2012), Introduction to Statistical Quality Control, seventh edition, chapter 7.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import feedback
    >>> survey = pd.DataFrame({"score": [10, 3, 9, 7, 8, 9, 2, 10], "day": pd.date_range("2024-01-01", periods=8, freq="10D")})
    >>> found = feedback.trend(survey, time="day", window=2)
    >>> found.table[["answers", "n", "value"]].round(1)
       answers  n  value
    0        4  4   25.0
    1        2  6   33.3
    2        2  4   25.0
    """
    _options.choice("period", period, ("D", "W", "M", "Q", "Y"))
    _options.choice("method", method, ("adjusted_wald", "wald", "score"))
    window = _options.whole("window", window, low=1)
    limits = _options.number("limits", limits, low=0.0, ends=False)
    how = Interval(method, level, pseudo, 1.0, 2000, 0)
    bounds = checked_scale(scale, detractors_to, promoters_from)
    read = _frame.read(frame)
    answers = _answers.read(read, score=score, by=None, scale=bounds[0])
    moments = _frame.times(read, time, keyword="time")
    place = _periods(moments.wall // (moments.clock.ticks_per_day // DAY), period)
    start, n_periods = int(place.min()), int(place.max() - place.min()) + 1
    if n_periods > MOST_PERIODS:
        msg = f"column {time!r} spans {n_periods:,} periods, more than {MOST_PERIODS:,}; correct or drop the times far off"
        raise LimitError(msg)
    counts = count(worth(answers.scores, bounds), place - start, n_periods)
    size = counts.sum(axis=1)
    slope, z = _slope(counts, size, how)

    summed = np.cumsum(np.vstack([np.zeros((1, 3), np.int64), counts]), axis=0)
    ends = np.arange(1, n_periods + 1)
    rolled = summed[ends] - summed[np.maximum(ends - window, 0)]
    n = rolled.sum(axis=1)
    there = n > 0
    value, low, high, se = (np.full(n_periods, np.nan) for _ in range(4))
    up, down, of = (rolled[there, 2] * 1.0, rolled[there, 0] * 1.0, n[there] * 1.0)
    value[there] = SCALE * (up - down) / of
    low[there], high[there], se[there] = net_ends(up, down, of, how, n[there], of - 1.0, rolled[there])
    all_counts = counts.sum(axis=0)
    centre = (all_counts[2] - all_counts[0]) / size.sum()
    variance = (all_counts[2] + all_counts[0]) / size.sum() - centre**2
    reach = np.where(there, limits * np.sqrt(variance / np.maximum(n, 1)), np.nan)
    limit_low, limit_high = np.maximum(centre - reach, -1.0), np.minimum(centre + reach, 1.0)
    first_days = _first_days(np.arange(start, start + n_periods), period)
    slack = 1e-9 * SCALE  # a score on its limit is not outside for a rounding error
    table = _frame.table(
        {
            "period": _frame.Moments(first_days * DAY, _frame.Clock("s", None)),
            "answers": size,
            "n": n,
            "value": value,
            "ci_low": SCALE * np.maximum(low, -1.0),
            "ci_high": SCALE * np.minimum(high, 1.0),
            "se": SCALE * se,
            "limit_low": SCALE * limit_low,
            "limit_high": SCALE * limit_high,
            "outside": there & ((value < SCALE * limit_low - slack) | (value > SCALE * limit_high + slack)),
            "reason": ["" if some else "no answers" for some in there],
        },
        kind=read.kind,
    )
    p_value = math.erfc(abs(z) / math.sqrt(2.0))  # with all digits of the small ones
    return Trend(table, slope, z, p_value, float(SCALE * centre), period, window)


def decompose_change(
    before: Any,
    after: Any,
    /,
    *,
    by: str | None = None,
    value: str = "value",
    n: str = "n",
    se: str = "se",
    share: str | None = None,
    level: float = 0.95,
) -> Change:
    r"""Say why a score or any other rate moved: better or worse within groups, or a different mix of them.

    Parameters
    ----------
    before, after : DataFrame
        One row per group, as ``nps(..., by=...)`` and its like return them: a rate, its standard error, and the answers behind
        it.
    by : str, optional
        Column of the groups. Default: the index in pandas, elsewhere the first column.
    value : str, default "value"
        Column of the rate.
    n : str, default "n"
        Column of the numbers behind it.
    se : str, default "se"
        Column of its standard error.
    share : str, optional
        Column of the groups' shares of the whole, where they are not those of `n`: of weighted answers, or of the customer base.
        They are scaled to add up to 1.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    Change
        Total, within and mix, each with its interval, and the table by group.

    Raises
    ------
    ColumnError
        A column is not in a frame.
    DataError
        A number is missing or negative, a group is there twice, or there is no group in both.
    OptionError
        `level` is not between 0 and 1.

    Notes
    -----
    With shares :math:`s` and rates :math:`r` before (0) and after (1), Kitagawa's
    :math:`\sum_g \tfrac{s_{0g} + s_{1g}}{2} (r_{1g} - r_{0g})` is within and
    :math:`\sum_g \tfrac{r_{0g} + r_{1g}}{2} (s_{1g} - s_{0g})` is mix: they add up, and neither period is the base.
    A group that is there in one period only has no rate in the other; its contribution is mix. Intervals are linearised, for
    a random sample in each period; with `share`, shares are taken as known.

    References
    ----------
    Kitagawa (1955), Components of a difference between two rates, JASA 50(272).

    Examples
    --------
    >>> from crmkit import datasets, feedback
    >>> waves = [datasets.make_survey(n_customers=4000, rng=seed).survey for seed in (1, 2)]
    >>> change = feedback.decompose_change(*(feedback.nps(wave, by="segment") for wave in waves))
    >>> round(change.within.value + change.mix.value - change.total.value, 9)
    0.0
    """
    level = confidence_level(level)
    one, two = (_rates(table, by, value, n, se, share) for table in (before, after))
    # groups before, then those that came; the two may be stored in different types of text
    codes1, codes2 = np.arange(one.value.size), one.labels.codes_of(two.labels.as_index(), what="before").astype(np.int64)
    came = np.flatnonzero(codes2 < 0)
    codes2[came] = codes1.size + np.arange(came.size)
    g = codes1.size + came.size

    def spread(values: Floats, codes: Any) -> Floats:
        out = np.full(g, np.nan)
        out[codes] = values
        return out

    r0, r1 = spread(one.value, codes1), spread(two.value, codes2)
    if np.isnan(r0 + r1).all():
        msg = "no group is there both before and after, so nothing can be compared within"
        raise DataError(msg)
    seen0, seen1 = r0, r1
    alone = np.isnan(r0) | np.isnan(r1)
    r0, r1 = np.where(np.isnan(r0), r1, r0), np.where(np.isnan(r1), r0, r1)
    s0, s1 = (np.nan_to_num(spread(side.share, codes)) for side, codes in ((one, codes1), (two, codes2)))
    e0, e1 = (np.nan_to_num(spread(side.error, codes)) for side, codes in ((one, codes1), (two, codes2)))
    shares, rates, moved, shifted = (s0 + s1) / 2.0, (r0 + r1) / 2.0, r1 - r0, s1 - s0
    within, mix = shares * moved, rates * shifted
    # what a share, and what a rate, moves each part by; a rate counts whatever the share of its group on that side
    errors = {"total": 0.0, "within": 0.0, "mix": 0.0}
    for side, s, r, e, sign in ((one, s0, r0, e0, -1.0), (two, s1, r1, e1, 1.0)):
        parts = {
            "total": (sign * r, sign * s),
            "within": (moved / 2.0, np.where(alone, 0.0, sign * shares)),
            # the rate of a group that is alone enters the mix by its whole share
            "mix": (sign * rates, np.where(alone, shifted, shifted / 2.0)),
        }
        for name, (by_share, by_rate) in parts.items():
            if not side.known:
                errors[name] += float((s * (by_share - (s * by_share).sum()) ** 2).sum()) / side.n
            errors[name] += float(np.square(by_rate * e).sum())
    total = float((s1 * r1).sum() - (s0 * r0).sum())
    size = one.n + two.n
    found = {
        name: Estimate.normal(number, math.sqrt(errors[name]), n=size, level=level, method="linearised")
        for name, number in (("total", total), ("within", float(within.sum())), ("mix", float(mix.sum())))
    }
    columns = {
        "group": [*one.labels.as_index(), *two.labels.as_index()[came]],
        "share_before": s0,
        "share_after": s1,
        "value_before": seen0,
        "value_after": seen1,
        "within": within,
        "mix": mix,
        "note": np.select([np.isnan(seen0), np.isnan(seen1)], ["not there before", "not there after"], "").tolist(),
    }
    return Change(**found, table=_frame.table(columns, kind=one.kind))


def earned_growth(*, prior: float, returning: float, referred: float) -> EarnedGrowth:
    r"""Give the earned growth rate: how much of its growth a company owes to customers who stay and recommend it.

    Parameters
    ----------
    prior : float
        Revenue of the period before, above 0.
    returning : float
        Revenue of this period from those who were customers then.
    referred : float
        Revenue of this period from new customers who came by recommendation rather than by advertising.

    Returns
    -------
    EarnedGrowth
        The rate and its two parts, all as shares of `prior`.

    Raises
    ------
    OptionError
        An amount is negative or missing, or `prior` is zero.

    Notes
    -----
    Net revenue retention plus earned new customers less 1. It is an identity of the books: there is no sampling error.

    References
    ----------
    Reichheld, Darnell and Burns (2021), Net Promoter 3.0, Harvard Business Review 99(6).

    Examples
    --------
    >>> from crmkit import feedback
    >>> f"{feedback.earned_growth(prior=100, returning=92, referred=13):+.0%}"
    '+5%'
    """
    prior = _options.number("prior", prior, low=0.0, ends=False)
    returning = _options.number("returning", returning, low=0.0)
    referred = _options.number("referred", referred, low=0.0)
    return EarnedGrowth((returning + referred - prior) / prior, returning / prior, referred / prior)


# ── how it is done ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _periods(seconds: Codes, period: str) -> Codes:
    """Return the number of the calendar period each moment falls into."""
    days = seconds // DAY
    if period == "D":
        return days
    if period == "W":
        return (days + 3) // 7  # 1970 began on a Thursday
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return np.asarray(months // {"M": 1, "Q": 3, "Y": 12}[period])


def _first_days(numbers: Codes, period: str) -> Codes:
    if period == "D":
        return numbers
    if period == "W":
        return numbers * 7 - 3
    months = numbers * {"M": 1, "Q": 3, "Y": 12}[period]
    return np.asarray(months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64))


def _slope(counts: Codes, size: Codes, how: Interval) -> tuple[Estimate, float]:
    """Inverse-variance slope over the periods that have answers."""
    at = np.flatnonzero(size > 0)
    if at.size < 2:
        msg = "all answers are of one period, so there is no trend; choose a shorter period="
        raise DataError(msg)
    added = how.pseudo if how.method == "adjusted_wald" else (0.0, 0.0, 0.0)
    up, down, of = (values[at].astype(np.float64) for values in (counts[:, 2], counts[:, 0], size))
    score, se = _paired.adjusted_moments(up, down, of, added)
    if not (se > 0.0).all():
        msg = f'all answers of a period are alike, so that method="{how.method}" sees no error; use method="adjusted_wald"'
        raise DataError(msg)
    w, x = 1.0 / se**2, at.astype(np.float64)
    x = x - (w * x).sum() / w.sum()
    information = float((w * x * x).sum())
    slope, error = float((w * x * score).sum()) / information, 1.0 / math.sqrt(information)
    found = Estimate.normal(SCALE * slope, SCALE * error, n=int(size.sum()), level=how.level, method=how.method)
    return found, slope / error


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """A rate per group with its standard error and its share."""

    labels: _frame.Labels
    value: Floats
    share: Floats
    error: Floats
    n: float
    known: bool  # whether shares are known, not sampled
    kind: str


def _rates(table: Any, by: str | None, value: str, n: str, se: str, share: str | None) -> Rates:
    frame = _frame.read(table)
    if by is None and frame.kind == "pandas":
        index = table.index.to_flat_index()
        keys, by = _frame.read(_frame.table({"group": index})), "group"
    else:
        keys, by = frame, frame.columns[0] if by is None else by
    if by in (value, n, se, share):
        msg = f"column {by!r} holds numbers; name the column of the groups with by="
        raise OptionError(msg)
    ids = _frame.ids(keys, by, keyword="by")
    if len(ids.labels) < ids.codes.size:
        msg = f"column {by!r}: {ids.codes.size - len(ids.labels):,} groups are there twice; pass one row for each group"
        raise DataError(msg)
    if ids.codes.size == 0:
        msg = "there are no groups, so nothing can be compared"
        raise DataError(msg)
    size = _frame.numbers(frame, n, keyword="n", positive=True, moderate=True)
    part = size if share is None else _frame.numbers(frame, share, keyword="share", nonnegative=True, moderate=True)
    if part.sum() <= 0.0:
        msg = f"column {share!r}: no share is above zero"
        raise DataError(msg)
    rate = _frame.numbers(frame, value, keyword="value", moderate=True)
    error = _frame.numbers(frame, se, keyword="se", nonnegative=True, moderate=True)
    in_order = np.argsort(ids.codes)
    fraction = part / part.sum()
    total = float(size.sum())
    return Rates(ids.labels, rate[in_order], fraction[in_order], error[in_order], total, share is not None, frame.kind)
