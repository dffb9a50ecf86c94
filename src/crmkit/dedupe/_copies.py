"""Records that are alike in everything that is compared: compared once, counted as often as they are there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _threads
from crmkit.dedupe._levels import REVERSED
from crmkit.dedupe._rules import Sides
from crmkit.dedupe.fields import Field

Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
PIECE = 1 << 20  # pairs looked at together
MOST_THAT_TEACH = 10  # copies of one record are one slip of one system: more of them say nothing about people


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Copies:
    """Runs of rows that are alike: the first of each stands for all of them.

    `first` flags the rows that stand for others or themselves, `of` holds for every row the one that stands for it, and `times`
    how many rows it stands for, 0 where another does.
    """

    first: npt.NDArray[np.bool_]
    of: Codes
    times: npt.NDArray[np.int64]

    def pairs(self, left: Codes, right: Codes, among: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[Any]:
        """Count the pairs of records, of those `among` flags, that a pair of rows stands for.

        A row with itself stands for the pairs among its copies.
        """
        times = self.times if among is None else np.bincount(self.of[among], minlength=self.of.size)
        narrow = np.int32 if int(times.max()) ** 2 < 2**31 else np.int64
        answer = np.empty(left.size, dtype=narrow)
        for start, stop in _threads.chunks(left.size, PIECE):  # there may be very many pairs
            some = slice(start, stop)
            a, b = times[left[some]], times[right[some]]
            answer[some] = np.where(left[some] == right[some], a * (a - 1) // 2, a * b)
        return answer

    def own(self, met: npt.NDArray[np.bool_], sides: Sides) -> Codes:
        """Return the rows that meet their own copies: in a block, and of a table that is compared with itself."""
        return np.flatnonzero((self.times > 1) & met & np.diag(sides.allowed)[sides.of_row]).astype(np.int32)

    def every(self, left: Codes, right: Codes) -> tuple[npt.NDArray[np.int64], Codes, Codes]:
        """Return all pairs of records that pairs of rows stand for: number of the pair of rows, and the two rows."""
        across = self.times[left] * self.times[right]
        number = np.repeat(np.arange(left.size), across)
        step = np.arange(number.size) - np.repeat(np.cumsum(across) - across, across)
        wide = self.times[right][number]
        # the copies of a row follow it
        a, b = left[number] + step // wide, right[number] + step % wide
        once = (left[number] != right[number]) | (a < b)
        a, b = a[once].astype(np.int32), b[once].astype(np.int32)
        return number[once], np.minimum(a, b), np.maximum(a, b)

    def spread(
        self, left: Codes, right: Codes, probability: Floats, threshold: float
    ) -> tuple[npt.NDArray[np.int64], Codes, Codes]:
        """Return enough pairs of records to join all that the pairs of rows join: number of the pair, and its two rows.

        Every copy stands beside its first. Copies that are not linked with each other are linked by those whom their first is
        linked with: these links are repeated for each.
        """
        own = left == right
        link = probability >= threshold
        others = np.flatnonzero(~self.first)
        pair_of = np.full(self.first.size, -1, dtype=np.int64)
        pair_of[left[own]] = np.flatnonzero(own)
        beside = others[pair_of[self.of[others]] >= 0]
        plain = np.flatnonzero(~own)
        numbers = [plain, pair_of[self.of[beside]]]
        lefts: list[npt.NDArray[Any]] = [left[plain], self.of[beside]]
        rights: list[npt.NDArray[Any]] = [right[plain], beside]
        apart = self.times > 1
        apart[left[own & link]] = False
        if apart.any():
            joined = plain[link[plain]]
            for rows, partners in ((left, right), (right, left)):
                at = joined[apart[rows[joined]]]
                more = self.times[rows[at]] - 1
                # the copies of a row follow it
                step = np.arange(int(more.sum())) - np.repeat(np.cumsum(more) - more, more) + 1
                numbers.append(np.repeat(at, more))
                lefts.append(np.repeat(rows[at], more) + step)
                rights.append(np.repeat(partners[at], more))
        first, second = (np.concatenate(rows).astype(np.int32) for rows in (lefts, rights))
        return np.concatenate(numbers), np.minimum(first, second), np.maximum(first, second)


def find(fields: Sequence[Field], sides: Sides) -> Copies | None:
    """Find the rows, in the order of their content, that are like the one before; None where none are."""
    n, like = sides.of_row.size, _like_the_last(fields, sides)
    if not like.any():
        return None
    starts = np.flatnonzero(~like)
    times = np.zeros(n, dtype=np.int64)
    times[starts] = np.diff(np.append(starts, n))
    of = starts[np.cumsum(~like) - 1].astype(np.int32)
    return Copies(_frame.readonly(~like), _frame.readonly(of), _frame.readonly(times))


def teachers(fields: Sequence[Field], sides: Sides) -> npt.NDArray[np.bool_] | None:
    """Flag the rows that are learned from: of rows that are alike the first ten; None where those are all."""
    like = _like_the_last(fields, sides)
    rows = np.arange(like.size)
    answer = rows - np.maximum.accumulate(np.where(like, 0, rows)) < MOST_THAT_TEACH
    return None if answer.all() else _frame.readonly(answer)


def _like_the_last(fields: Sequence[Field], sides: Sides) -> npt.NDArray[np.bool_]:
    like = np.zeros(sides.of_row.size, dtype=np.bool_)
    like[1:] = sides.of_row[1:] == sides.of_row[:-1]
    for field in fields:
        for codes in (field.codes, *(table for name, table in field.extra.items() if name.startswith(REVERSED))):
            like[1:] &= codes[1:] == codes[:-1]
    return like
