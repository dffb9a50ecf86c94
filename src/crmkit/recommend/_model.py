"""What all fitted recommenders have in common."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.recommend._interactions import Interactions, Rows
from crmkit.results import Frozen

__all__ = ["Fitted", "picked"]


class Fitted(Frozen):
    """Base of the fitted recommenders: the purchases they know, what is popular there, and arrays nobody can write to."""

    __slots__ = ()
    SOURCE: ClassVar[str] = ""
    interactions: Interactions

    def __post_init__(self) -> None:
        """Make arrays read-only, so that a shared model cannot drift."""
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, field.name, _frame.readonly(value))

    @property
    def popular(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
        """The items from the most popular, and the number of customers who bought each of them."""
        return self.interactions.order, self.interactions.buyers


def picked(rows: Rows, which: npt.NDArray[np.int32]) -> Rows:
    """Return some rows of a table, in the order asked."""
    size = np.diff(rows.start)[which]
    start = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    place = np.arange(start[-1]) + np.repeat(rows.start[which] - start[:-1], size)
    # tables of what is left out have no values
    return Rows(start, rows.index[place], rows.value[place] if rows.value.size else rows.value)
