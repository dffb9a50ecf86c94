"""Which rows to learn from and which to test on: shares kept, or later moments from earlier ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Fold", "content_order", "later_folds", "stratified_folds"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Fold = tuple[Rows, Rows]  # rows to learn from, rows to test on

FOLDS = 5


def content_order(X: Floats, y: Bools) -> Rows:
    """Return an order of the rows that depends on what they hold, not on where they stand."""
    return np.lexsort([*X.T, y])


def stratified_folds(y: Bools, n_folds: int = FOLDS, *, rng: np.random.Generator | None = None) -> list[Fold]:
    """Deal the rows of either class out to the folds at random, always the same for the same order of rows."""
    rng = np.random.default_rng(0) if rng is None else rng
    fold = np.empty(y.size, np.int64)
    dealt = 0
    for value in (False, True):
        rows = rng.permutation(np.flatnonzero(y == value))
        fold[rows] = (dealt + np.arange(rows.size)) % n_folds
        dealt += rows.size
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)]


def later_folds(cutoff: npt.NDArray[np.int64], label_end: npt.NDArray[np.int64]) -> list[Fold]:
    """Test on each cutoff what could be learnt by then: rows whose label window had ended."""
    folds = [(np.flatnonzero(label_end <= moment), np.flatnonzero(cutoff == moment)) for moment in np.unique(cutoff)]
    return [(past, now) for past, now in folds if past.size]
