"""One figure: what it should be, what it is here, and whether that is the same."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

__all__ = ["Check"]


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One figure: where it is from, as it was printed, and what comes out here.

    A printed figure is agreed with if it is what the figure here rounds to. One known to 50 digits carries how far off, as a
    share of it, floats may be: what they can say after the steps it takes.
    """

    quantity: str
    source: str
    published: str
    here: float
    within: float | None = None

    @property
    def difference(self) -> float:
        """Return by how much they differ, all digits of the published figure counted."""
        return float(Fraction(self.here) - Fraction(self.published)) if math.isfinite(self.here) else math.nan

    @property
    def agrees(self) -> bool:
        """Whether the figure here is the published one."""
        if self.within is not None:
            return abs(self.difference) <= self.within * abs(float(self.published))
        digits = len(self.published.partition(".")[2])
        return abs(self.difference) <= 0.5 * 10.0**-digits * (1.0 + 1e-6)

    @property
    def shown(self) -> str:
        """Return the published figure as wide as a table has room for."""
        return self.published if self.within is None else f"{float(self.published):.15g}"

    @property
    def shown_here(self) -> str:
        """Return the figure here with some digits more, or as many."""
        return f"{self.here:.15g}" if self.within is not None else f"{self.here:.{len(self.published.partition('.')[2]) + 3}f}"
