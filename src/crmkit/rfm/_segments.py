"""Names for combinations of scores."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from crmkit import _frame
from crmkit.errors import DataError, DataWarning, OptionError
from crmkit.rfm._summary import MEASURES

__all__ = ["OTHERS", "SEGMENTS", "SEGMENTS_R", "segment"]

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

#: The segment of those whose scores are in no box.
OTHERS = "Others"

#: Segments on five bins: name -> ranges of the r, f and m scores, both ends included. Every pair of r and f is in exactly one.
SEGMENTS: Mapping[str, Box] = MappingProxyType(
    {
        "Champions": ((5, 5), (4, 5), (1, 5)),
        "Loyal Customers": ((3, 4), (4, 5), (1, 5)),
        "Potential Loyalists": ((4, 5), (2, 3), (1, 5)),
        "New Customers": ((5, 5), (1, 1), (1, 5)),
        "Promising": ((4, 4), (1, 1), (1, 5)),
        "Need Attention": ((3, 3), (3, 3), (1, 5)),
        "About To Sleep": ((3, 3), (1, 2), (1, 5)),
        "Can't Lose Them": ((1, 2), (5, 5), (1, 5)),
        "At Risk": ((1, 2), (3, 4), (1, 5)),
        "Hibernating": ((1, 2), (1, 2), (1, 5)),
    }
)

#: The ranges in the documentation of R's package rfm, on five bins. They overlap: the first match wins.
SEGMENTS_R: Mapping[str, Box] = MappingProxyType(
    {
        "Champions": ((5, 5), (5, 5), (5, 5)),
        "Potential Loyalist": ((3, 5), (3, 5), (2, 5)),
        "Loyal Customers": ((2, 4), (2, 4), (2, 4)),
        "Promising": ((3, 4), (1, 3), (3, 5)),
        "New Customers": ((4, 5), (1, 3), (1, 5)),
        "Can't Lose Them": ((1, 2), (3, 4), (4, 5)),
        "At Risk": ((1, 2), (2, 5), (4, 5)),
        "Need Attention": ((1, 3), (3, 5), (3, 5)),
        "About To Sleep": ((2, 3), (1, 3), (1, 4)),
        "Lost": ((1, 1), (1, 5), (1, 5)),
    }
)


def segment(scores: Any, /, segments: Mapping[str, Box] = SEGMENTS, *, strict: bool = False) -> Any:
    """Name the segment each customer's scores fall into.

    Parameters
    ----------
    scores : DataFrame
        One row per customer with whole ``r``, ``f`` and ``m``, as `score` returns them.
    segments : mapping of str to box, default SEGMENTS
        Name -> ``((r_low, r_high), (f_low, f_high), (m_low, m_high))``, both ends included. The first match wins, who
        matches none is in "Others". `SEGMENTS_R` holds the ranges that R's package rfm documents.
    strict : bool, default False
        Refuse a map in which two boxes overlap, or which leaves a combination of scores to "Others".

    Returns
    -------
    Series
        The segment of each row, categorical, with all segments as categories ("Others" last). Elsewhere than in pandas a
        frame of the id and ``segment``.

    Raises
    ------
    ColumnError
        A score is missing.
    DataError
        A score is not a whole number, or lies above every box: the map was made for fewer bins.
    OptionError
        A box is not three pairs of low ≤ high from 1 on; or, with `strict`, boxes overlap or leave gaps.

    Warns
    -----
    DataWarning
        A box lies wholly behind earlier ones, so that nobody can be in its segment.

    Notes
    -----
    The default map is drawn on five bins and reads recency against frequency; every pair falls into exactly one segment.

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> scores = pd.DataFrame({"r": [5, 1], "f": [5, 5], "m": [5, 3]}, index=["ann", "bob"])
    >>> crm.rfm.segment(scores).tolist()
    ['Champions', "Can't Lose Them"]
    >>> own = {"Active": ((3, 5), (1, 5), (1, 5)), "Lapsed": ((1, 2), (1, 5), (1, 5))}
    >>> crm.rfm.segment(scores, own, strict=True).tolist()
    ['Active', 'Lapsed']
    """
    boxes = {name: _checked_box(name, box) for name, box in segments.items()}
    if not boxes:
        msg = "segments is empty: give at least one name and its box"
        raise OptionError(msg)
    highest = np.max(list(boxes.values()), axis=(0, 2))
    names = [*(name for name in boxes if name != OTHERS), OTHERS]
    map_ = _cells(boxes, names, highest, strict=strict)
    frame = _frame.read(scores)
    values = [_frame.numbers(frame, letter, whole=True) for letter in MEASURES]
    for letter, column, top in zip(MEASURES, values, highest, strict=True):
        if (column > top).any():
            count, row = _frame.first_place(column > top)
            msg = (
                f"column {letter!r}: {count:,} above {top}, the highest score any segment names, the first in row {row}"
                f" ({column[row]:g}); score with fewer bins, or give a map for these"
            )
            raise DataError(msg)
        if (column < 1).any():
            count, row = _frame.first_place(column < 1)
            msg = f"column {letter!r}: {count:,} below 1, the first in row {row} ({column[row]:g}); scores start at 1"
            raise DataError(msg)
    r, f, m = (column.astype(np.intp) - 1 for column in values)
    return _frame.series_like(frame, "segment", _frame.Categories(map_[r, f, m], names), used=tuple(MEASURES))


def _cells(boxes: Mapping[str, list[tuple[int, int]]], names: list[str], highest: Any, *, strict: bool) -> Any:
    """Return the segment of every combination of scores, as its place in `names`; warn of boxes nobody can reach."""
    cells = np.full(tuple(highest), -1, np.intp)
    hidden = []
    for name, box in boxes.items():
        part = cells[tuple(slice(low - 1, high) for low, high in box)]
        taken = part >= 0
        if strict and taken.any():
            place = [low + int(at) for (low, _), at in zip(box, np.argwhere(taken)[0], strict=True)]
            other = names[part[tuple(np.argwhere(taken)[0])]]
            msg = (
                f"segments {other!r} and {name!r} overlap in {int((part == names.index(other)).sum())} combinations of scores,"
                f" the first r={place[0]}, f={place[1]}, m={place[2]}; draw them apart, or drop strict=True to let the first win"
            )
            raise OptionError(msg)
        if taken.all():
            hidden.append(name)
        part[~taken] = names.index(name)
    if strict and (cells < 0).any():
        gap = np.argwhere(cells < 0)[0] + 1
        msg = (
            f"the segments leave {int((cells < 0).sum())} of {cells.size} combinations of scores to {OTHERS!r}, the first"
            f" r={gap[0]}, f={gap[1]}, m={gap[2]}; name them, or drop strict=True"
        )
        raise OptionError(msg)
    if hidden:
        warnings.warn(
            f"nobody can be in {hidden}: earlier segments take all of their scores, and the first match wins. Put narrow"
            " boxes before wide ones. Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=3,
        )
    cells[cells < 0] = names.index(OTHERS)
    return cells


def _checked_box(name: str, box: Any) -> list[tuple[int, int]]:
    try:
        checked = [(int(low), int(high)) for low, high in box]
        whole = all(end == int(end) for end in itertools.chain.from_iterable(box))
    except (TypeError, ValueError):
        checked, whole = [], False
    if len(checked) != len(MEASURES) or not whole or any(not 1 <= low <= high <= 9 for low, high in checked):
        msg = f"segment {name!r}: {box!r} is not ((r_low, r_high), (f_low, f_high), (m_low, m_high)) with 1 <= low <= high <= 9"
        raise OptionError(msg)
    return checked
