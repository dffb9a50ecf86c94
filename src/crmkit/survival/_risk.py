"""Who is at risk when: rows sorted so that risk sets are running sums."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import concordance as _pairs
from crmkit.survival._times import Lives

__all__ = ["RiskSets", "concordance", "risk_sets"]

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NO_ROWS = _frame.readonly(np.empty(0, np.int64))
NO_TIMES = _frame.readonly(np.empty(0))
FEW = 1 << 16  # so many distinct keys are sorted by counting


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RiskSets:
    """Rows by stratum, in it the longest time first; one group per distinct time of a stratum."""

    order: Longs  # rows as they came, in this order
    event: Bools
    weight: Floats
    entry: Floats  # empty: everybody was there from the start
    leaving: Longs  # rows of each stratum by entry, the latest first
    group: Longs  # where each group begins, and the end
    time: Floats  # of each group
    first_row: Longs  # of the stratum of each group
    last_row: Longs
    stratum: Longs  # code of each group
    happened: Floats  # weight of the events of each group

    @property
    def n_events(self) -> float:
        """Weight of all events."""
        return float(self.happened.sum())

    def group_of_row(self) -> Longs:
        """Group of each sorted row."""
        return np.repeat(np.arange(self.time.size), np.diff(self.group))

    def kaplan_meier(self) -> Floats:
        """Survival just before the time of each group, all strata together."""
        if self.stratum[-1] == 0:
            time, place = self.time[::-1], np.arange(self.time.size)[::-1]
        else:
            time, place = np.unique(self.time, return_inverse=True)
        starts = self.group[:-1]
        ended = np.bincount(place, np.add.reduceat(self.weight, starts), time.size)
        events = np.bincount(place, self.happened, time.size)
        total = float(self.weight.sum())
        entered = np.full(time.size, total)
        if self.entry.size:
            order = np.argsort(self.entry, kind="stable")
            sums = np.append(0.0, np.cumsum(self.weight[order]))
            entered = sums[np.searchsorted(self.entry[order], time)]
        at_risk = entered - np.append(0.0, np.cumsum(ended)[:-1])
        # rounding of weighted sums may leave a trace less than the events
        at_risk = np.maximum(at_risk, events)
        stays = np.cumprod(1.0 - np.divide(events, at_risk, out=np.zeros(time.size), where=at_risk > 0.0))
        return np.append(1.0, stays[:-1])[place]


def risk_sets(lives: Lives, weight: Floats | None, stratum: npt.NDArray[np.integer] | None) -> RiskSets:
    """Sort rows for running sums over those at risk."""
    n = lives.duration.size
    order = _longest_first(lives.duration, stratum)
    duration, event = lives.duration[order], lives.event[order]
    which = np.zeros(n, np.int64) if stratum is None else stratum[order].astype(np.int64)
    new = np.append(True, duration[1:] != duration[:-1])
    fresh = np.append(True, which[1:] != which[:-1])
    starts = np.flatnonzero(new | fresh)
    group = np.append(starts, n)
    weights = np.ones(n) if weight is None else weight[order]
    begins = np.append(np.flatnonzero(fresh), n)
    of_group = np.searchsorted(begins, starts, side="right") - 1
    entry, leaving = NO_TIMES, NO_ROWS
    if lives.entry is not None:
        entry = lives.entry[order]
        leaving = np.lexsort((-entry, which)).astype(np.int64)
    return RiskSets(
        order=order,
        event=_frame.readonly(event),
        weight=_frame.readonly(weights),
        entry=_frame.readonly(entry),
        leaving=_frame.readonly(leaving),
        group=_frame.readonly(group.astype(np.int64)),
        time=_frame.readonly(duration[starts]),
        first_row=_frame.readonly(begins[of_group].astype(np.int64)),
        last_row=_frame.readonly(begins[of_group + 1].astype(np.int64)),
        stratum=_frame.readonly(which[starts]),
        happened=_frame.readonly(np.add.reduceat(weights * event, starts)),
    )


def _longest_first(duration: Floats, stratum: npt.NDArray[np.integer] | None) -> Longs:
    longest = float(duration.max())
    strata = 1 if stratum is None else int(stratum.max()) + 1
    if (longest + 1.0) * strata <= FEW and (duration == np.floor(duration)).all():
        # whole times, such as months: keys of 16 bits are sorted in linear time
        key = (longest - duration).astype(np.uint16)
        if stratum is not None:
            key += (stratum * (int(longest) + 1)).astype(np.uint16)
        return np.argsort(key, kind="stable")
    if stratum is None:
        return np.argsort(-duration, kind="stable")
    return np.lexsort((-duration, stratum))


def concordance(sets: RiskSets, score: Floats) -> tuple[float, float]:
    """Share of pairs in which the row with the higher score ended first, ties by half, and its standard error.

    A pair counts if both are of one stratum and the one that had its event first is known, the other being under observation
    then. The standard error is that of the infinitesimal jackknife. Without any pair both are NaN.
    """
    groups = sets.group_of_row()
    score = _frame.readonly(score)
    agree, pairs = np.zeros(score.size), np.zeros(score.size)
    begins, which = np.unique(sets.first_row, return_index=True)
    for first, last in zip(begins.tolist(), sets.last_row[which].tolist(), strict=True):
        rows = slice(first, last)
        # times of the stratum in ascending order
        place = groups[last - 1] - groups[rows]
        ended = 2 * place + ~sets.event[rows]
        begun = NO_ROWS
        if sets.entry.size:
            ascending = sets.time[groups[first] : groups[last - 1] + 1][::-1]
            known = np.searchsorted(ascending, sets.entry[rows], side="right") - 1
            begun = np.where(known < 0, -1, 2 * known + 1)
        _pairs.pairs(
            score[rows],
            np.argsort(score[rows]),  # equal scores are taken together, in any order
            _frame.readonly(ended.astype(np.int64)),
            _frame.readonly(begun.astype(np.int64)) if begun.size else NO_ROWS,
            sets.weight[rows],
            agree[rows],
            pairs[rows],
        )
    # every pair was met from both of its rows
    total = 0.5 * float(sets.weight @ pairs)
    if total <= 0.0:
        return float("nan"), float("nan")
    share = 0.5 * float(sets.weight @ agree) / total
    influence = (agree - share * pairs) / total
    return share, float(np.sqrt(sets.weight @ influence**2))
