"""Labels: pairs that somebody judged, read from a frame, counted, and used to calibrate the match weight."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.dedupe import _score
from crmkit.dedupe._patterns import Compared, Outside
from crmkit.dedupe._records import Prepared
from crmkit.dedupe._rules import Blocks
from crmkit.dedupe.model import FellegiSunter
from crmkit.errors import DataError

ENOUGH = 10  # labels of either kind that a curve is fitted to
RIDGE = 1.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Judged:
    """Labelled pairs as rows, and whether each is a match."""

    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    match: npt.NDArray[np.bool_]


def read(labels: Any, prepared: Prepared) -> Judged:
    """Read ``left``, ``right`` and ``match``; no pair twice, none of a record with itself."""
    frame = _frame.read(labels)
    left, right = rows_of_pairs(frame, prepared)
    match = _frame.flags(frame, "match")
    low, high = np.minimum(left, right), np.maximum(left, right)
    keys = low.astype(np.int64) * prepared.n + high
    first = np.zeros(keys.size, dtype=np.bool_)
    first[np.unique(keys, return_index=True)[1]] = True
    if not first.all():
        count, row = _frame.first_place(~first)
        msg = f"labels: {count:,} pairs are there again, the first in row {row}; keep one label for each pair"
        raise DataError(msg)
    return Judged(_frame.readonly(low), _frame.readonly(high), match)


def rows_of_pairs(frame: _frame.Frame, prepared: Prepared) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the rows of the ids in columns ``left`` and ``right``, which must differ."""
    sides = (0, len(prepared.ids) - 1)
    left, right = (
        prepared.rows_of(frame.column(name, keyword="pairs"), side, name)
        for name, side in zip(("left", "right"), sides, strict=True)
    )
    same = left == right
    if same.any():
        count, row = _frame.first_place(same)
        msg = f"{count:,} pairs are of a record with itself, the first in row {row}; drop them"
        raise DataError(msg)
    return left, right


def per_pattern(
    judged: Judged, prepared: Prepared, blocks: Sequence[Blocks], compared: Compared
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Count labelled matches and others by the pattern of agreement they have among the pairs compared.

    Which pairs get a label may follow from their pattern, as that of uncertain ones does; inside a pattern it teaches the truth.
    """
    left, right = _first_of_copies(judged, prepared)
    columns = [field.compare(left, right) for field in prepared.fields]
    columns += Outside(blocks, [field.column for field in prepared.fields]).flags(left, right)
    number = {row.tobytes(): place for place, row in enumerate(compared.patterns.levels)}
    place = np.array([number.get(row.tobytes(), -1) for row in np.stack(columns, axis=1)], dtype=np.int64)
    known, counts = place >= 0, compared.patterns.counts
    matches, others = (
        np.bincount(place[known & side], minlength=counts.size).astype(np.float64) for side in (judged.match, ~judged.match)
    )
    # no more of a pattern can be known than there are
    matches = np.minimum(matches, counts)
    return matches, np.minimum(others, counts - matches)


def _first_of_copies(judged: Judged, prepared: Prepared) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the rows of the labelled pairs, of records that are alike the first: blocks hold only these."""
    if prepared.copies is None:
        return judged.left, judged.right
    left, right = (_frame.readonly(prepared.copies.of[rows]) for rows in (judged.left, judged.right))
    return left, right


def calibrated(model: FellegiSunter, judged: Judged, prepared: Prepared, blocks: Sequence[Blocks]) -> FellegiSunter:
    """Fit the logistic curve from the sum of evidence to the labels, where there are enough of both kinds."""
    if min(int(judged.match.sum()), int((~judged.match).sum())) < ENOUGH:
        return model
    left, right = _first_of_copies(judged, prepared)
    bits = _score.weigh(model, prepared, blocks, left, right).weights
    intercept, slope = logistic(bits * np.log(2.0), judged.match.astype(np.float64))
    return dataclasses.replace(model, calibration=(float(intercept / np.log(2.0)), float(slope)))


def logistic(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Fit log odds a + b x by Newton steps, drawn towards a = 0 and b = 1; b stays above zero."""
    x = x.clip(-40.0, 40.0)
    theta = np.array([0.0, 1.0])
    prior = np.array([0.0, 1.0])
    design = np.stack([np.ones_like(x), x], axis=1)
    strength = RIDGE * np.array([0.1, 1.0])
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-(design @ theta).clip(-500, 500)))
        gradient = design.T @ (y - p) - strength * (theta - prior)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(strength)
        step = np.linalg.solve(hessian, gradient)
        theta = theta + step.clip(-1.0, 1.0)
        if np.abs(step).max() < 1e-10:
            break
    return float(theta[0]), float(max(theta[1], 0.01))
