"""Who was in which arm: arms, the control, segments and clusters of one experiment, read and checked once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.errors import DataError, OptionError

__all__ = ["Trial", "known_ids", "names_of", "planned_shares", "read_trial"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One row per unit: its arm, and where they were named its segment and its cluster."""

    frame: _frame.Frame
    arm: str
    labels: _frame.Labels
    codes: Codes
    control: int
    segments: _frame.Groups | None
    cluster: Codes | None

    @property
    def names(self) -> list[str]:
        """Return what the arms are called."""
        return [str(label) for label in self.labels.as_index()]

    @property
    def cells(self) -> Codes:
        """Return the number of each row's cell: its segment, then its arm."""
        return self.codes if self.segments is None else self.segments.codes * len(self.labels) + self.codes

    @property
    def n_segments(self) -> int:
        """Return how many segments there are: one where none were asked for."""
        return 1 if self.segments is None else len(self.segments)

    def units(self) -> Codes:
        """Return how many units were assigned to each arm: clusters where whole clusters were, else rows."""
        n = len(self.labels)
        if self.cluster is None:
            return np.bincount(self.codes, minlength=n)
        return np.bincount(np.unique(self.cluster * n + self.codes) % n, minlength=n)


def read_trial(
    data: Any, *, arm: str, control: Any = None, by: str | Sequence[str] | None = None, cluster: str | None = None
) -> Trial:
    """Read the arms and what else divides the rows."""
    frame = _frame.read(data)
    arms = _frame.arms(frame, arm)
    segments = None if by is None else _frame.groups(frame, by)
    clusters = None
    if cluster is not None:
        clusters = known_ids(frame, cluster, "cluster").codes.astype(np.int64)
        _refuse_mixed(clusters, arms.codes, cluster, arm)
    return Trial(frame, arm, arms.labels, arms.codes, arms.control(control), segments, clusters)


def known_ids(frame: _frame.Frame, column: Any, keyword: str) -> _frame.Ids:
    """Encode a column in which nothing may be missing."""
    found = _frame.ids(frame, column, keyword=keyword, missing="drop")
    if (found.codes < 0).any():
        count, row = _frame.first_place(found.codes < 0)
        msg = f"column {column!r}: {count:,} missing, the first in row {row}; fill them or leave these rows out"
        raise DataError(msg)
    return found


def names_of(columns: str | Sequence[str], keyword: str) -> list[str]:
    """Return one or several column names as a list."""
    single = isinstance(columns, str) or not isinstance(columns, Iterable)
    names: list[Any] = [columns] if single else list(columns)
    if None in names:
        names = []
    if not names or len(set(names)) < len(names):
        msg = f"{keyword}={columns!r}: name at least one column, each of them once"
        raise OptionError(msg)
    return names


def planned_shares(labels: _frame.Labels, expected: Mapping[Any, float] | Sequence[float] | None) -> Floats:
    """Return the share of units that each arm was to have."""
    n = len(labels)
    if expected is None:
        return np.full(n, 1.0 / n)
    if isinstance(expected, Mapping):
        keys = list(expected)
        codes = labels.codes_of(keys, what="arm") if keys else np.empty(0, np.int32)
        if len(keys) != n or sorted(codes.tolist()) != list(range(n)):
            arms = [str(label) for label in labels.as_index()]
            msg = f"expected= names {[str(key) for key in keys]}, the arms are {arms}; give every arm its share"
            raise OptionError(msg)
        given = np.empty(n)
        given[codes] = _shares(list(expected.values()))
    else:
        given = _shares(expected)
        if given.size != n:
            msg = f"expected= has {given.size} shares for {n} arms; give every arm its share, in sorted order or by name"
            raise OptionError(msg)
    given = np.ldexp(given, -int(np.frexp(given.max())[1]))  # a power of two: the sum neither overflows nor loses a bit
    return np.asarray(given / given.sum())


def _shares(values: Any) -> Floats:
    try:
        shares = np.asarray(list(values), dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"expected={values!r} is not a share for each arm"
        raise OptionError(msg) from error
    if shares.ndim != 1 or not (np.isfinite(shares) & (shares > 0.0)).all():
        msg = f"expected={values!r}: shares are positive numbers, such as 0.5 and 0.5, or 9 and 1"
        raise OptionError(msg)
    return shares


def _refuse_mixed(clusters: Codes, codes: npt.NDArray[Any], cluster: str, arm: str) -> None:
    """Refuse clusters that are in more than one arm: a cluster is what was assigned."""
    first = np.empty(int(clusters.max()) + 1, np.int64)
    first[clusters[::-1]] = codes[::-1]
    mixed = first[clusters] != codes
    if mixed.any():
        count, row = _frame.first_place(mixed)
        msg = (
            f"column {cluster!r}: {count:,} rows are in another arm of {arm!r} than the first of their cluster, the first in row"
            f" {row}; clusters are assigned as a whole: drop those that were not, or leave cluster= out"
        )
        raise DataError(msg)
