"""Whether groups last equally long."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from crmkit import _frame
from crmkit.errors import DataError
from crmkit.results import Shown
from crmkit.survival import _times

__all__ = ["LogRank", "logrank"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class LogRank(Shown):
    """Whether groups differ in how long they last.

    Attributes
    ----------
    statistic : float
        Chi-square statistic.
    degrees_of_freedom : int
        Groups less one, or fewer where some are never at risk beside others.
    p_value : float
        Probability of a statistic this large or larger if all groups had the same hazard.
    groups : DataFrame
        One row per group: its label, `n`, `events` and the events `expected` if all had the same hazard.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import survival
    >>> frame = pd.DataFrame({"duration": [1, 2, 3, 4, 5, 6], "event": 1, "plan": list("aaabbb")})
    >>> round(survival.logrank(frame, by="plan").p_value, 4)
    0.0246
    """

    TABLES: ClassVar[tuple[str, ...]] = ("groups",)

    statistic: float
    degrees_of_freedom: int
    p_value: float
    groups: Any

    def __repr__(self) -> str:
        return f"Log-rank test: chi-square {self.statistic:.5g} on {self.degrees_of_freedom}, p = {self.p_value:.3g}"


def logrank(
    frame: Any, /, *, duration: str = "duration", event: str = "event", by: str = "group", entry: str | None = None
) -> LogRank:
    r"""Test whether groups last equally long, all times counting alike.

    Parameters
    ----------
    frame : DataFrame
        One row per customer or contract.
    duration : str, default "duration"
        Column with the time to the event, or to when observation ended: zero or more, in any unit.
    event : str, default "event"
        Column that says whether it ended in the event (1, True) or was still going on when last seen (0, False).
    by : str, default "group"
        Column of the groups to compare, at least two.
    entry : str, optional
        Column with the time at which a row came under observation, if not from the start.

    Returns
    -------
    LogRank
        `statistic`, `degrees_of_freedom`, `p_value`, and the events that happened and were `expected` per group.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        A duration is missing, infinite or negative, an event is neither 0 nor 1, an entry does not lie before its duration, a
        group is missing, there is one group only, or no event at a time at which two groups are at risk.

    Notes
    -----
    At each time the events are spread over the groups as those at risk are; observed less expected events, with their
    hypergeometric covariance, give the statistic. The test sees best a ratio of hazards that stays the same; curves that cross
    can differ and yet not be told apart by it.

    References
    ----------
    Mantel (1966), Evaluation of survival data and two new rank order statistics arising in its consideration, Cancer
    Chemotherapy Reports 50(3).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import survival
    >>> frame = pd.DataFrame({"duration": [1, 2, 3, 4, 5, 6], "event": 1, "plan": list("aaabbb")})
    >>> survival.logrank(frame, by="plan").groups.round(2)
      plan  n  events  expected
    0    a  3       3      1.15
    1    b  3       3      4.85
    """
    from scipy.special import chdtrc

    lives = _times.read(frame, duration=duration, event=event, by=by, entry=entry)
    counted = _times.groups(lives)
    if lives.by is None or len(counted) < 2:
        msg = f"column {by!r} holds one group only; there is nothing to compare it with"
        raise DataError(msg)
    moments = np.unique(np.concatenate([group.time[group.events > 0] for group, _, _ in counted]))
    pairs = [group.risk_and_events(moments, begun, n) for group, begun, n in counted]
    at_risk, events = np.stack([risk for risk, _ in pairs]), np.stack([happened for _, happened in pairs])
    n, d = at_risk.sum(axis=0), events.sum(axis=0)
    share = at_risk / n
    expected = share @ d
    # at a time with one row at risk there is no spread
    scale = d * (n - d) / np.maximum(n - 1.0, 1.0)
    covariance = np.diag(share @ scale) - (share * scale) @ share.T
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    if rank == 0:
        msg = f"no event happened while two groups of {by!r} were at risk, so they cannot be compared"
        raise DataError(msg)
    excess = events.sum(axis=1) - expected
    statistic = float(excess @ np.linalg.pinv(covariance, hermitian=True) @ excess)
    table = {
        by: _frame.Labelled(lives.by.labels, np.arange(len(counted))),
        "n": np.array([size for _, _, size in counted]),
        "events": events.sum(axis=1).astype(np.int64),
        "expected": expected,
    }
    return LogRank(max(statistic, 0.0), rank, float(chdtrc(rank, max(statistic, 0.0))), _frame.table(table, kind=lives.kind))
