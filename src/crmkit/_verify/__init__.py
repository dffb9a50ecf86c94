"""Figures of the literature, and values known to 50 digits, computed again on this machine: what they should be, and are."""

from __future__ import annotations

from collections.abc import Iterator

from crmkit._verify import exact, published
from crmkit._verify._check import Check

__all__ = ["Check", "checks", "table_of"]


def checks() -> Iterator[Check]:
    """Compute every figure again: those that were published, then those of 50 digits."""
    yield from published.checks()
    yield from exact.checks()


def table_of(found: list[Check]) -> str:
    """Write the checks as a table of plain text."""
    head = ("quantity", "source", "published", "here", "difference", "")
    rows = [
        (c.quantity, c.source, c.shown, c.shown_here, f"{c.difference:+.1e}", "" if c.agrees else "NOT AS PUBLISHED")
        for c in found
    ]
    widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]
    right = {2, 3, 4}
    lines = [
        "  ".join(
            cell.rjust(width) if k in right else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, *rows]
    ]
    missed = sum(not c.agrees for c in found)
    return "\n".join([*(line.rstrip() for line in lines), "", f"{len(found)} figures, {missed} of them not as published"])
