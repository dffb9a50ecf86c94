"""Ids of two files that mean the same customers, one as numbers and one as text."""

from __future__ import annotations

from typing import Any

__all__ = ["comparable"]


def comparable(ids: Any, others: Any) -> Any:
    """Return `ids` as text or as numbers, as `others` are."""
    if hasattr(ids, "categories"):
        ids = ids.categories.take(ids.codes)
    if ids.dtype.kind in "iu" and others.dtype.kind not in "iuf":
        return ids.astype(str)
    if ids.dtype.kind not in "iufM" and others.dtype.kind in "iu":
        import pandas as pd

        return pd.Index(pd.to_numeric(ids, errors="coerce"))
    return ids
