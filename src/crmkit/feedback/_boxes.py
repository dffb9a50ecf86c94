"""Satisfaction and effort: shares of the best answers, means, and best less worst, on any declared scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _options
from crmkit.errors import DataError, OptionError
from crmkit.feedback import _answers, _design
from crmkit.feedback._nps import PSEUDO, Interval, hide, net_result, warn_single
from crmkit.feedback._weights import Weights
from crmkit.intervals import _one
from crmkit.results import Estimate, confidence_level, critical_value

__all__ = ["Satisfaction", "ces", "csat", "top_box"]

Floats = npt.NDArray[np.float64]
METHODS = ("wilson", "clopper_pearson", "jeffreys", "agresti_coull", "wald")


@dataclasses.dataclass(frozen=True, slots=True)
class Satisfaction(Estimate):
    """Share of the best answers and mean of all, each with its interval.

    Attributes
    ----------
    value : float
        Share of answers in the top boxes, from 0 to 1.
    ci_low, ci_high : float
        Ends of its interval at `level`.
    se : float
        Its standard error.
    n : int or float
        Answers; the effective number where they are weighted or clustered.
    level : float
        Confidence level of both intervals.
    method : str
        How the interval of the share was made.
    mean : float
        Mean answer.
    mean_ci_low, mean_ci_high : float
        Ends of the t interval of the mean, cut off at the ends of the scale.
    mean_se : float
        Standard error of the mean.
    index : float
        The mean on a scale from 0 (all gave the worst answer) to 100.
    answers : int
        How many answers there are.
    reason : str
        Why a number is missing, where one is; else empty.

    Examples
    --------
    >>> from crmkit import feedback
    >>> found = feedback.csat([5, 4, 4, 2, 5])
    >>> print(f"{found:.0%}, mean {found.mean:.1f}")
    80%, mean 4.0
    """

    mean: float
    mean_ci_low: float
    mean_ci_high: float
    mean_se: float
    index: float
    answers: int
    reason: str

    # slots and super() without arguments do not go together in a dataclass that is built anew
    def __str__(self) -> str:
        return self.reason if self.value != self.value else Estimate.__str__(self)


def top_box(
    scores_or_frame: Any,
    /,
    *,
    scale: tuple[int, int],
    top: int = 1,
    score: str = "score",
    by: str | Sequence[str] | None = None,
    weight: str | Weights | None = None,
    level: float = 0.95,
    method: str = "wilson",
    strata: str | None = None,
    cluster: str | None = None,
    missing: str = "error",
    min_n: int = 0,
) -> Any:
    """Give the share of the best answers on any scale, with its interval; the mean comes with it.

    Parameters
    ----------
    scores_or_frame : Series, array, list or DataFrame
        One answer per row: whole numbers on the scale, or labels that begin with one.
    scale : (int, int)
        Lowest and highest possible answer, the highest being the best.
    top : int, default 1
        How many of the highest answers count.
    score : str, default "score"
        Column of the answers, where a frame is given.
    by : str or list of str, optional
        Columns of groups: one share each.
    weight : str or Weights, optional
        Column of weights, or what `rake` and `poststratify` return for the same rows.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    method : {"wilson", "clopper_pearson", "jeffreys", "agresti_coull", "wald"}, default "wilson"
        How the interval of the share is made, as in `crmkit.intervals`; "wald" is the plain normal one.
    strata, cluster : str, optional
        Columns of the strata and of the clusters that answers were sampled in.
    missing : {"error", "drop"}, default "error"
        Refuse rows without an answer, or leave them out.
    min_n : int, default 0
        Where there are fewer answers, nothing but their number is shown.

    Returns
    -------
    Satisfaction or DataFrame
        Shares from 0 to 1. With `by` one row per group with the fields of `Satisfaction` as columns; hidden numbers are NaN,
        and ``reason`` says why.

    Raises
    ------
    ColumnError
        A named column is not in the frame.
    DataError
        An answer is missing, not a whole number or off the scale, a group has no label, or there is no answer.
    OptionError
        An option is not usable.

    Notes
    -----
    With weights, strata or clusters the interval is that of as many answers as would have the linearised variance without
    them (see `nps`). The mean has a t interval; a single answer has none, and ``reason`` says so, and where all answer alike it
    has no width. Answers that weigh nothing count among ``answers`` and nowhere else.

    Examples
    --------
    >>> from crmkit import feedback
    >>> f"{feedback.top_box([7, 6, 7, 2, 5, 7], scale=(1, 7), top=2):.0%}"
    '67%'
    """
    method, level = _options.choice("method", method, METHODS), confidence_level(level)
    low, high = _answers.checked_scale(scale)
    top = _options.whole("top", top, low=1, high=high - low)
    min_n = _options.whole("min_n", min_n, low=0)
    answers = _answers.read(
        scores_or_frame, score=score, by=by, scale=(low, high), weight=weight, missing=missing, strata=strata, cluster=cluster
    )
    return _satisfaction(answers, answers.scores > high - top, (low, high), level, method, min_n)


def csat(
    scores_or_frame: Any,
    /,
    *,
    scale: tuple[int, int] = (1, 5),
    top: int = 2,
    score: str = "score",
    by: str | Sequence[str] | None = None,
    weight: str | Weights | None = None,
    level: float = 0.95,
    method: str = "wilson",
    strata: str | None = None,
    cluster: str | None = None,
    missing: str = "error",
    min_n: int = 0,
) -> Any:
    """Give customer satisfaction both ways it is reported: the share of 4 and 5 on a scale from 1 to 5, and the mean.

    Parameters
    ----------
    scores_or_frame : Series, array, list or DataFrame
        One answer per row: whole numbers on the scale, or labels that begin with one.
    scale : (int, int), default (1, 5)
        Lowest and highest possible answer, the highest being the best.
    top : int, default 2
        How many of the highest answers count as satisfied.
    score : str, default "score"
        Column of the answers, where a frame is given.
    by : str or list of str, optional
        Columns of groups: one share each.
    weight : str or Weights, optional
        Column of weights, or what `rake` and `poststratify` return for the same rows.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    method : {"wilson", "clopper_pearson", "jeffreys", "agresti_coull", "wald"}, default "wilson"
        How the interval of the share is made.
    strata, cluster : str, optional
        Columns of the strata and of the clusters that answers were sampled in.
    missing : {"error", "drop"}, default "error"
        Refuse rows without an answer, or leave them out.
    min_n : int, default 0
        Where there are fewer answers, nothing but their number is shown.

    Returns
    -------
    Satisfaction or DataFrame
        Shares from 0 to 1, means on the scale, the index from 0 to 100. With `by` one row per group with the fields of
        `Satisfaction` as columns.

    Raises
    ------
    ColumnError
        A named column is not in the frame.
    DataError
        An answer is missing, not a whole number or off the scale, a group has no label, or there is no answer.
    OptionError
        An option is not usable.

    Notes
    -----
    Vendors differ in what they call CSAT: compare figures only where scale and boxes are the same.

    Examples
    --------
    >>> from crmkit import feedback
    >>> answers = [1] * 5 + [2] * 10 + [3] * 25 + [4] * 90 + [5] * 70
    >>> found = feedback.csat(answers)
    >>> print(f"{found.value:.0%} ({found.ci_low:.0%} to {found.ci_high:.0%}), mean {found.mean:.2f}, index {found.index:.0f}")
    80% (74% to 85%), mean 4.05, index 76
    """
    return top_box(
        scores_or_frame, scale=scale, top=top, score=score, by=by, weight=weight, level=level, method=method, strata=strata,
        cluster=cluster, missing=missing, min_n=min_n,
    )  # fmt: skip


def ces(
    scores_or_frame: Any,
    /,
    *,
    scale: tuple[int, int],
    direction: str,
    measure: str = "mean",
    top: int | None = None,
    score: str = "score",
    by: str | Sequence[str] | None = None,
    weight: str | Weights | None = None,
    level: float = 0.95,
    strata: str | None = None,
    cluster: str | None = None,
    missing: str = "error",
    min_n: int = 0,
) -> Any:
    """Give the Customer Effort Score: how easy we make it, as a mean, a share, or easy less hard.

    Parameters
    ----------
    scores_or_frame : Series, array, list or DataFrame
        One answer per row: whole numbers on the scale, or labels that begin with one.
    scale : (int, int)
        Lowest and highest possible answer. There is no usual one: the first version of the question had (1, 5), the second
        has (1, 7).
    direction : {"ease", "effort"}
        What a high answer says. "How much effort did it take" (first version) is "effort", "the company made it easy" (second
        version) is "ease"; vendors use both, so nobody can guess.
    measure : {"mean", "top_box", "net"}, default "mean"
        The mean as answered; the share of the easiest answers, from 0 to 1; or the share of the easiest less that of the
        hardest, from −100 to 100.
    top : int, optional
        How many answers at an end are easy, and hard. Default: 3 of seven or more, else 2; for "net" always 2.
    score : str, default "score"
        Column of the answers, where a frame is given.
    by : str or list of str, optional
        Columns of groups: one score each.
    weight : str or Weights, optional
        Column of weights, or what `rake` and `poststratify` return for the same rows.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.
    strata, cluster : str, optional
        Columns of the strata and of the clusters that answers were sampled in.
    missing : {"error", "drop"}, default "error"
        Refuse rows without an answer, or leave them out.
    min_n : int, default 0
        Where there are fewer answers, nothing but their number is shown.

    Returns
    -------
    Estimate, Satisfaction, Score or DataFrame
        For "mean" an Estimate on the scale, with its t interval; for "top_box" what `top_box` returns; for "net" what `nps`
        returns, with the easy as promoters. With `by` one row per group.

    Raises
    ------
    ColumnError
        A named column is not in the frame.
    DataError
        An answer is missing, not a whole number or off the scale, a group has no label, or there is no answer; without `by` also
        where a mean has one answer only, or fewer than `min_n`.
    OptionError
        An option is not usable.

    Notes
    -----
    Means stay as they were answered: on an "effort" scale, low is good. "top_box" and "net" count the easy end whichever it is.

    References
    ----------
    Dixon, Freeman and Toman (2010), Stop trying to delight your customers, Harvard Business Review 88(7/8).

    Examples
    --------
    >>> from crmkit import feedback
    >>> answers = [7, 6, 5, 5, 3, 7, 6, 1]
    >>> f"{feedback.ces(answers, scale=(1, 7), direction='ease'):.1f}"
    '5.0'
    >>> f"{feedback.ces(answers, scale=(1, 7), direction='ease', measure='top_box'):.0%}"
    '75%'
    >>> f"{feedback.ces(answers, scale=(1, 7), direction='ease', measure='net'):.1f}"
    '37.5'
    """
    _options.choice("direction", direction, ("ease", "effort"))
    _options.choice("measure", measure, ("mean", "top_box", "net"))
    level = confidence_level(level)
    low, high = _answers.checked_scale(scale)
    steps = high - low + 1
    if top is None:
        top = 2 if measure == "net" or steps < 7 else 3
    if not 1 <= _options.whole("top", top, low=1) <= (steps // 2 if measure == "net" else steps - 1):
        msg = f"top={top} does not fit on a scale of {steps} answers"
        raise OptionError(msg)
    min_n = _options.whole("min_n", min_n, low=0)
    answers = _answers.read(
        scores_or_frame, score=score, by=by, scale=(low, high), weight=weight, missing=missing, strata=strata, cluster=cluster
    )
    first, last = answers.scores < low + top, answers.scores > high - top
    easy, hard = (last, first) if direction == "ease" else (first, last)
    if measure == "net":
        how = Interval("adjusted_wald", level, PSEUDO, 1.0, 2000, 0)
        return net_result(answers, easy.astype(np.int8) - hard.astype(np.int8), how, min_n, None)
    if measure == "top_box":
        return _satisfaction(answers, easy, (low, high), level, "wilson", min_n, flipped=direction == "effort")
    found = _means(answers, answers.scores.astype(np.float64), (low, high), level)
    hidden, reasons = hide(found["answers"], min_n)
    for g in np.flatnonzero(~hidden & (found["weighing"] == 1)):
        reasons[g] = "one answer: no interval"
    if answers.groups is None and reasons[0]:
        # an Estimate has no place for a reason
        msg = f"column {score!r}: {reasons[0]}"
        raise DataError(msg)
    warn_single(int((~hidden & (found["weighing"] == 1)).sum()), "interval of its mean")
    columns: dict[str, Any] = {name: np.where(hidden, np.nan, found[name]) for name in ("value", "ci_low", "ci_high", "se")}
    columns |= {"n": found["n"], "level": np.full(hidden.size, level), "method": ["t"] * hidden.size}
    if answers.groups is None:
        fields = {name: values[0].item() for name, values in columns.items() if name != "method"}
        return Estimate(**fields, method="t")
    return answers.groups.table(columns | {"answers": found["answers"], "reason": reasons})


def _satisfaction(
    answers: _answers.Answers,
    inside: npt.NDArray[np.bool_],
    scale: tuple[int, int],
    level: float,
    method: str,
    min_n: int,
    *,
    flipped: bool = False,
) -> Any:
    """Share of the answers flagged, and mean of all."""
    means = _means(answers, answers.scores.astype(np.float64), scale, level)
    n = means["answers"]
    share = _design.means(
        inside.astype(np.float64), answers.group, answers.n_groups, answers.design or _design.alike(answers.scores.size)
    )
    effective = n.astype(np.float64) if answers.design is None else _design.shrunk(share, answers.design, level)
    x = share.mean * effective if answers.design is not None else np.bincount(answers.group, inside, answers.n_groups)
    there = n > 0
    low, high = np.full(n.size, np.nan), np.full(n.size, np.nan)
    low[there], high[there] = share_ends(x[there], effective[there], method, level)
    hidden, reasons = hide(n, min_n)
    alone = ~hidden & (means["weighing"] == 1)
    for g in np.flatnonzero(alone):
        reasons[g] = "one answer: no interval of the mean"
    warn_single(int(alone.sum()), "interval of its mean")
    ends = (scale[1], scale[0]) if flipped else scale
    numbers = {
        "value": share.mean,
        "ci_low": low,
        "ci_high": high,
        "se": np.sqrt(share.mean * (1.0 - share.mean) / np.where(there, effective, 1.0)),
        "mean": means["value"],
        "mean_ci_low": means["ci_low"],
        "mean_ci_high": means["ci_high"],
        "mean_se": means["se"],
        "index": 100.0 * (means["value"] - ends[0]) / (ends[1] - ends[0]),
    }
    numbers = {name: np.where(hidden, np.nan, values) for name, values in numbers.items()}
    size: Any = n if answers.design is None else effective
    if answers.groups is None:
        fields = {name: float(values[0]) for name, values in numbers.items()}
        return Satisfaction(**fields, n=size[0].item(), level=level, method=method, answers=int(n[0]), reason=reasons[0])
    columns: dict[str, Any] = {name: numbers[name] for name in ("value", "ci_low", "ci_high", "se")}
    columns |= {"n": size, "level": np.full(n.size, level), "method": [method] * n.size}
    columns |= {name: numbers[name] for name in ("mean", "mean_ci_low", "mean_ci_high", "mean_se", "index")}
    return answers.groups.table(columns | {"answers": n, "reason": reasons})


def share_ends(x: Floats, of: Floats, method: str, level: float) -> tuple[Floats, Floats]:
    """Return the ends for the share of counts that need not be whole."""
    z = critical_value(level)
    if method == "wilson":
        return _one.wilson_ends(x, of, z)
    if method == "wald":
        share = x / of
        margin = z * np.sqrt(share * (1.0 - share) / of)
        return np.maximum(share - margin, 0.0), np.minimum(share + margin, 1.0)
    if method == "agresti_coull":
        return _one.agresti_coull_ends(x, of, z)
    ends = _one.clopper_pearson_ends if method == "clopper_pearson" else _one.jeffreys_ends
    return ends(x, of, (1.0 - level) / 2.0)


def _means(answers: _answers.Answers, values: Floats, scale: tuple[int, int], level: float) -> dict[str, Any]:
    """Mean with its t interval, by group; one answer has a mean and no interval."""
    from scipy.special import stdtrit

    found = _design.means(values, answers.group, answers.n_groups, answers.design or _design.alike(answers.scores.size))
    several = found.weighing > 1
    t = np.where(several & (found.df > 0), stdtrit(np.maximum(found.df, 1.0), (1.0 + level) / 2.0), np.nan)
    se = np.where(several, found.se, np.nan)
    mean = np.where(found.n > 0, found.mean, np.nan)
    return {
        "value": mean,
        "ci_low": np.maximum(mean - t * se, scale[0]),
        "ci_high": np.minimum(mean + t * se, scale[1]),
        "se": se,
        "n": found.n if answers.design is None else found.n_effective,
        "answers": found.n,
        "weighing": found.weighing,
    }
