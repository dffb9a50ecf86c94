"""A table of one row per customer and cutoff, as the frame's own kind shows two keys."""

from __future__ import annotations

from typing import Any

from crmkit import _frame
from crmkit._frame import Labelled, Labels
from crmkit.churn._bounds import Bounds

__all__ = ["as_frame"]


def as_frame(
    measures: dict[str, Any], labels: Labels, name: str, bounds: Bounds, customer: Any, cutoff: Any, **attributes: Any
) -> Any:
    """Put the measures behind the two keys: an index in pandas, columns elsewhere."""
    moments = Labels(bounds.cutoff_stamps, "pandas")
    if labels.kind != "pandas":
        # two keys and no index: the table is flat
        found = {"cutoff": Labelled(moments, cutoff), **measures}
        return _frame.table(found, keys={name: Labelled(labels, customer)}, kind=labels.kind)
    first = {name: Labelled(labels, customer[:1])}
    index = _frame.table({"cutoff": Labelled(moments, cutoff[:1])}, keys=first).set_index([name, "cutoff"]).index
    _frame.table(dict.fromkeys(measures, customer[:0]), keys={name: customer[:0]})  # refuses a key named like a measure
    out = _frame.table(measures)
    # the codes are there: to look for the ids again would take longer than all the rest
    out.index = type(index)(
        levels=[labels.as_index(), bounds.cutoff_stamps], codes=[customer, cutoff], names=[name, "cutoff"], verify_integrity=False
    )
    out.attrs.update(attributes)
    return out
