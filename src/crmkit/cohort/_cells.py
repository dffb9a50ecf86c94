"""Cells of a cohort table: pooled over cohorts, with their intervals, as a frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, intervals
from crmkit.results import critical_value

__all__ = ["Cells", "pooled", "written"]

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Columns of one length, one cell per row; revenue tables have a base and a variation, brackets a last period."""

    group: Integers
    cohort: Integers
    first: Integers
    last: Integers | None
    n: Integers
    active: Integers
    mature: npt.NDArray[np.bool_]
    revenue: Floats | None
    base: Floats | None
    variation: Floats | None  # sum over customers of (revenue - ratio × base)²
    cohorts: Integers

    def where(self, kept: npt.NDArray[np.bool_]) -> Cells:
        """Return some of the cells."""
        columns: dict[str, Any] = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        chosen: dict[str, Any] = {name: None if column is None else column[kept] for name, column in columns.items()}
        return Cells(**chosen)


def pooled(cells: Cells) -> Cells:
    """Add up the cells of one group and period: cohorts are strata, each differing from its own ratio."""
    order = np.lexsort((cells.first, cells.group))
    change = np.zeros(order.size, np.bool_)
    for key in (cells.first, cells.group):
        ranked = key[order]
        change[1:] |= ranked[1:] != ranked[:-1]
    starts = np.flatnonzero(change) if order.size == 0 else np.concatenate([[0], np.flatnonzero(change)])
    head = order[starts]

    def total(column: Any) -> Any:
        return None if column is None else np.add.reduceat(column[order], starts) if order.size else column[:0]

    variation = cells.variation
    if variation is not None:
        # se² base² = n / (n - 1) × variation in each cohort; a cohort of one is taken to vary as the customers of the others
        spread = np.where(cells.n > 1, variation * cells.n / np.maximum(cells.n - 1, 1), 0.0)
        several = np.where(cells.n > 1, cells.n, 0)
        n, known = total(cells.n), total(several)
        with np.errstate(divide="ignore", invalid="ignore"):
            squares = total(spread) * n / known
        # written back in the form of one cohort of n, from which the interval is made
        variation = np.where(known > 0, squares * (n - 1) / n, np.nan)
    return Cells(
        group=cells.group[head],
        cohort=cells.cohort[head],
        first=cells.first[head],
        last=None if cells.last is None else cells.last[head],
        n=total(cells.n),
        active=total(cells.active),
        mature=cells.mature[head],
        revenue=total(cells.revenue),
        base=total(cells.base),
        variation=variation,
        cohorts=total(cells.cohorts),
    )


def written(
    cells: Cells, names: Mapping[str, Any], *, level: float, measure: str, kind: str, pool: bool = False
) -> tuple[Any, int]:
    """Write the cells as a frame, and say in how many of them something is missing."""
    columns: dict[str, Any] = {**names, "period": cells.first}
    if cells.last is not None:
        columns["last_period"] = cells.last
    columns |= {"n": cells.n, "active": cells.active}
    holes = 0
    if cells.revenue is None or cells.base is None or cells.variation is None:
        low, high = intervals.wilson(cells.active, cells.n, level)
        columns |= {"value": cells.active / cells.n, "ci_low": low, "ci_high": high}
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(cells.base > 0, cells.revenue / cells.base, np.nan)
            se = np.sqrt(cells.variation * cells.n / np.maximum(cells.n - 1, 1)) / cells.base
        certain = (measure != "cumulative_revenue") & (cells.first == 0)
        se = np.where(((cells.n > 1) | certain) & (cells.base > 0), se, np.nan)
        margin = critical_value(level) * se
        high = value + margin
        columns |= {
            "revenue": cells.revenue,
            "base": cells.base,
            "value": value,
            "ci_low": np.maximum(value - margin, 0.0),
            "ci_high": np.minimum(high, 1.0) if measure == "gross_revenue" else high,
            "se": se,
        }
        holes = int((~np.isfinite(se)).sum())
    columns["cohorts" if pool else "mature"] = cells.cohorts if pool else cells.mature
    if measure != "customers":
        columns["measure"] = _frame.Categories(np.zeros(cells.n.size, np.int32), (measure,))
    return _frame.table(columns, kind=kind), holes
