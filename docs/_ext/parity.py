"""The parity page: published figures, computed again while the pages are built, beside what other libraries said of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from crmkit._verify import Check, exact, published

PEERS = Path(__file__).with_name("parity.json")

TEXT = """\
# Published figures, computed again

Every number here was computed, none was copied from an earlier page. *crmkit* is what came out while these pages were built,
on the machine that built them; `python -m crmkit verify` makes the first table on yours. *Peers* is what other libraries
said when asked the same: `python docs/_ext/parity_peers.py` asks them again. A figure agrees if it rounds to what was printed.
Asked were {asked}.

{verdict}

## Figures of the literature

{published}

## Values known to 50 digits

Computed once from their definitions with 80 digits (`tests/naive/exact.py`), at published parameters and in corners where
floats lose them. *Off by* is the error as a share of the value; 2e-16 is the last digit of a float.

{exact}

## Fits, curves and counts beside other libraries

On the data sets of the literature, which crmkit does not bring along: both columns were recorded together, in one
environment. CDNOW is the tenth of its customers that the papers use (2,357, in exact days divided by 7), donations the
11,104 supporters of the BG/BB paper, groceries the 9,835 baskets of R's arules, "ten customers" those of the EMPC above.

{recorded}

## Where a peer says something else

{differences}

lifetimes starts its search for the Pareto/NBD at random numbers and stops early: the last digits change from call to call.

What the libraries take for granted and crmkit refuses, and the other way round, is on the pages about coming from them:
[lifetimes](../howto/from_lifetimes.md), [lifelines](../howto/from_lifelines.md), [implicit](../howto/from_implicit.md),
[mlxtend](../howto/from_mlxtend.md), [splink](../howto/from_splink.md). Records linked beside splink:
[How records are linked](record_linkage.md). String measures are compared with rapidfuzz on a million pairs, to the last bit
(`tests/peers/test_rapidfuzz.py`).
"""


def agrees(printed: str, value: float) -> bool:
    """Whether a value rounds to the figure as it was printed."""
    return Check("", "", printed, value).agrees


def off_by(digits: str, value: float | None) -> str:
    """Return the error as a share of the value known to 50 digits."""
    if value is None:
        return "no number"
    error = Check("", "", digits, value).difference
    return f"{abs(error / float(digits)):.0e}" if error and math.isfinite(error) else "0"


def shown(value: float, like: str = "") -> str:
    """Write a value with some digits more than the figure it is held against, whole numbers as such."""
    if value == int(value) and "." not in like and abs(value) >= 1:
        return f"{value:.0f}"
    digits = len(like.partition(".")[2])
    return f"{value:.{digits + (3 if digits < 6 else 1)}f}" if like else f"{value:.8g}"


def name_of(figure: dict[str, Any]) -> str:
    """Return who was asked, and in which version."""
    return f"{figure['peer']} {figure['version']}"


def page() -> str:
    """Compute what can be computed here, and write the page."""
    recorded = json.loads(PEERS.read_text(encoding="utf-8"))
    found, corners = list(published.checks()), list(exact.checks())
    said = by_quantity(recorded["published"])
    others = [
        f"- {check.quantity}: {name_of(figure)} says {shown(figure['value'], check.published)}, published is {check.published}"
        for check in found
        for figure in said.get(check.quantity, [])
        if not agrees(check.published, figure["value"])
    ]
    others += [
        f"- {row['quantity']}: {name_of(row)} says {shown(row['value'], row['published'])}, crmkit "
        f"{shown(row['crmkit'], row['published'])}, published is {row['published']}"
        for row in recorded["recorded"]
        if row["published"] and not agrees(row["published"], row["value"])
    ]
    others += [
        f"- {figure['quantity']}: {name_of(figure)} returns no number" for figure in recorded["exact"] if figure["value"] is None
    ]
    held = [row for row in recorded["recorded"] if row["published"]]
    missed = [check.quantity for check in [*found, *corners] if not check.agrees]
    missed += [row["quantity"] for row in held if not agrees(row["published"], row["crmkit"])]
    counted = f"{len(found) + len(held)} published figures and {len(corners)} values known to 50 digits"
    verdict = f"{counted}; not as they should be: " + (", ".join(missed) if missed else "none") + "."
    everyone = [*recorded["published"], *recorded["exact"], *recorded["recorded"]]
    return TEXT.format(
        asked=", ".join(sorted({name_of(figure) for figure in everyone})),
        verdict=verdict,
        published=table_of_published(found, said),
        exact=table_of_corners(corners, by_quantity(recorded["exact"])),
        recorded=table_of_recorded(recorded["recorded"]),
        differences="\n".join(others) if others else "Nowhere on this page.",
    )


def by_quantity(figures: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    said: dict[str, list[dict[str, Any]]] = {}
    for figure in figures:
        said.setdefault(figure["quantity"], []).append(figure)
    return said


def table_of_corners(found: list[Check], said: dict[str, list[dict[str, Any]]]) -> str:
    lines = ["| quantity | value | crmkit, off by | peers, off by |", "| --- | ---: | ---: | --- |"]
    for check in found:
        here = off_by(check.published, check.here)
        peers = [f"{figure['peer']} {off_by(check.published, figure['value'])}" for figure in said.get(check.quantity, [])]
        lines.append(f"| {check.quantity} | {check.shown} | {here if check.agrees else f'**{here}**'} | {', '.join(peers)} |")
    return "\n".join(lines)


def table_of_published(found: list[Check], said: dict[str, list[dict[str, Any]]]) -> str:
    lines = ["| quantity | source | published | crmkit | peers |", "| --- | --- | ---: | ---: | --- |"]
    for check in found:
        peers = [f"{figure['peer']} {shown(figure['value'], check.published)}" for figure in said.get(check.quantity, [])]
        here = shown(check.here, check.published)
        here = here if check.agrees else f"**{here}**"
        lines.append(f"| {check.quantity} | {check.source} | {check.published} | {here} | {', '.join(peers)} |")
    return "\n".join(lines)


def table_of_recorded(rows: list[dict[str, Any]]) -> str:
    lines = ["| quantity | source | published | crmkit | peer |", "| --- | --- | ---: | ---: | --- |"]
    for row in rows:
        ours, theirs = (shown(row[side], row["published"]) for side in ("crmkit", "value"))
        lines.append(f"| {row['quantity']} | {row['source']} | {row['published']} | {ours} | {row['peer']} {theirs} |")
    return "\n".join(lines)


def write(path: Path) -> None:
    """Write the page; one that has not changed is left alone, so that Sphinx need not read it again."""
    text = page()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
