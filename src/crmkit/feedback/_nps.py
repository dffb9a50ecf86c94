"""Net Promoter Score: promoters less detractors, with an interval that holds in small samples too."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.errors import DataError, OptionError
from crmkit.results import Estimate, confidence_level, critical_value

__all__ = ["nps"]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

HIGHEST = 10
DETRACTOR, PASSIVE, PROMOTER = 0, 1, 2
CLASS = np.array([DETRACTOR] * 7 + [PASSIVE] * 2 + [PROMOTER] * 2, dtype=np.int64)  # of each score from 0 to 10
SCALE = 100.0

# observations added to detractors, passives and promoters before the normal interval is taken
PSEUDO_COUNTS = {"adjusted_wald": (0.75, 1.5, 0.75), "wald": (0.0, 0.0, 0.0)}


def nps(
    scores_or_frame: Any,
    /,
    *,
    score: str = "score",
    by: str | None = None,
    level: float = 0.95,
    method: str = "adjusted_wald",
) -> Any:
    """Give the Net Promoter Score with its interval: the share of 9 and 10 less the share of 0 to 6, times 100.

    Parameters
    ----------
    scores_or_frame : Series, array, list or DataFrame
        One answer per row on the scale 0 to 10, whole numbers, none missing.
    score : str, default "score"
        Column of the answers, where a frame is given.
    by : str, optional
        Column of groups: one score each.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.
    method : {"adjusted_wald", "wald"}, default "adjusted_wald"
        How the interval is made (see Notes).

    Returns
    -------
    Estimate or DataFrame
        From −100 to 100; `se` is the standard error that the interval is made of. With `by` one row per group, in the order
        of the group's labels and indexed by them in pandas: ``value``, ``ci_low``, ``ci_high``, ``se``, ``n``, ``level``,
        ``method`` and the counts ``promoters``, ``passives``, ``detractors``. Unused categories have no row.

    Raises
    ------
    ColumnError
        `score` or `by` is not a column of the frame.
    DataError
        An answer is missing, not a whole number or off the scale, a group has no label, or there is no answer.
    OptionError
        `level` or `method` is not usable, or `by` is given without a frame.

    Notes
    -----
    An answer counts 1, 0 or −1, so with shares :math:`p` and :math:`d` the score is :math:`p - d` with variance
    :math:`(p + d - (p - d)^2)/n`. That normal ("wald") interval is too narrow in small samples, and of no width where all
    answer alike. "adjusted_wald" adds ¾ of a promoter, 1½ passives and ¾ of a detractor first: over all populations it covers
    about 95 % from ten answers on. The score itself is that of the answers. Ends are cut off at the ends of the scale.

    References
    ----------
    Rocks (2016), Interval estimation for the "Net Promoter Score", The American Statistician 70(4).
    Agresti and Min (2005), Simple improved confidence intervals for comparing matched proportions, Statistics in Medicine 24(5).

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
    """
    if method not in PSEUDO_COUNTS:
        raise OptionError.choice("method", method, PSEUDO_COUNTS)
    level = confidence_level(level)
    frame = _as_frame(scores_or_frame, score, by)
    answers = _frame.numbers(frame, score, keyword="score")
    if answers.size == 0:
        msg = f"column {score!r}: no answers, so there is no score"
        raise DataError(msg)
    classes = CLASS[_checked(answers, score)]
    if by is None:
        counts = np.bincount(classes, minlength=3)
        value, low, high, se = _interval(counts.reshape(1, 3), level, method)
        return Estimate(float(value[0]), float(low[0]), float(high[0]), float(se[0]), answers.size, level, method)

    groups = _frame.ids(frame, by, keyword="by", missing="drop")
    if (groups.codes < 0).any():
        count, row = _frame.first_place(groups.codes < 0)
        msg = f"column {by!r}: {count:,} rows without a group, the first in row {row}; drop them, or name a group for them"
        raise DataError(msg)
    n_groups = len(groups.labels)
    counts = np.bincount(groups.codes.astype(np.int64) * 3 + classes, minlength=3 * n_groups).reshape(n_groups, 3)
    value, low, high, se = _interval(counts, level, method)
    columns = {
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "se": se,
        "n": counts.sum(axis=1),
        "level": np.full(n_groups, level),
        "method": [method] * n_groups,
        "promoters": counts[:, PROMOTER].copy(),
        "passives": counts[:, PASSIVE].copy(),
        "detractors": counts[:, DETRACTOR].copy(),
    }
    return _frame.per_label(groups.labels, np.arange(n_groups), columns, name=by)


def _interval(counts: Counts, level: float, method: str) -> tuple[Floats, Floats, Floats, Floats]:
    """Score, interval and standard error of rows of (detractors, passives, promoters), on the usual scale."""
    value = (counts[:, PROMOTER] - counts[:, DETRACTOR]) / counts.sum(axis=1)
    adjusted = counts + np.array(PSEUDO_COUNTS[method])
    n = adjusted.sum(axis=1)
    centre = (adjusted[:, PROMOTER] - adjusted[:, DETRACTOR]) / n
    # from squares, not as p + d - (p - d)²: that difference may fall a rounding below zero
    variance = (
        adjusted[:, PROMOTER] * (1.0 - centre) ** 2
        + adjusted[:, PASSIVE] * centre**2
        + adjusted[:, DETRACTOR] * (1.0 + centre) ** 2
    ) / n
    se = np.sqrt(variance / n)
    margin = critical_value(level) * se
    low, high = np.maximum(centre - margin, -1.0), np.minimum(centre + margin, 1.0)
    return SCALE * value, SCALE * low, SCALE * high, SCALE * se


def _as_frame(data: Any, score: str, by: str | None) -> _frame.Frame:
    """Read a frame as it is, and a bare column of answers as a frame of that column."""
    if _frame.is_frame(data) or hasattr(data, "collect_schema"):  # a lazy frame gets its own message
        return _frame.read(data)
    if by is not None:
        msg = f"by={by!r} names a column, but the answers are not in a frame; pass the frame that has both"
        raise OptionError(msg)
    if type(data).__module__.split(".")[0] == "pyarrow" and hasattr(data, "to_pandas"):
        data = data.to_pandas()
    if isinstance(data, (str, bytes, dict)) or np.ndim(data) != 1:
        msg = f"expected a column of answers or a frame, got {type(data).__module__}.{type(data).__name__}"
        raise DataError(msg)
    # a Series keeps its dtype; its index may be anything, the rows count from 0
    return _frame.read(_frame.table({score: data.array if hasattr(data, "array") else np.asarray(data)}))


def _checked(answers: Floats, score: str) -> Counts:
    off = (answers < 0) | (answers > HIGHEST)
    if off.any():
        count, row = _frame.first_place(off)
        msg = (
            f"column {score!r}: {count:,} off the scale 0 to {HIGHEST}, the first in row {row} ({answers[row]:g});"
            " drop them if they code a missing answer; other scales are no Net Promoter Score"
        )
        raise DataError(msg)
    part = answers != np.floor(answers)
    if part.any():
        count, row = _frame.first_place(part)
        msg = (
            f"column {score!r}: {count:,} not whole, the first in row {row} ({answers[row]:g});"
            " pass the single answers, not means of them"
        )
        raise DataError(msg)
    return answers.astype(np.int64)
