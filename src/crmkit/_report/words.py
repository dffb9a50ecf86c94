"""Numbers as a reader meets them, and the frame that every part of the report is set in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from crmkit._report.page import Column, Markup, element, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "INTERVAL",
    "PERCENT",
    "canvas",
    "code",
    "count",
    "facts_table",
    "money",
    "note",
    "number",
    "of_all",
    "p_value",
    "people",
    "percent",
    "section",
    "signed",
    "span",
    "truth",
]

PERCENT = "\u00a0%"
INTERVAL = f"95{PERCENT} interval"


def section(name: str, title: str, reading: str, *pieces: Any, limits: str = "") -> Markup:
    """Build a part: what it says in a sentence, the evidence, and what it does not say."""
    closing = [element("p", element("strong", "What this does not mean. "), limits, class_="limits")] if limits else []
    return element("section", element("h2", title), element("p", reading, class_="reading"), *pieces, *closing, id=name)


def note(words: str) -> Markup:
    """Set off what is lacking or went wrong."""
    return element("p", words, class_="note")


def truth(*children: Any) -> Markup:
    """Set off what only a simulation knows."""
    return element("p", element("strong", "The truth. "), *children, class_="truth")


def code(lines: str) -> Markup:
    """Show lines of code that scroll by themselves."""
    return element("pre", element("code", lines), class_="scroll", role="region", aria_label="Code", tabindex="0")


def facts_table(caption: str, rows: list[tuple[str, Any]]) -> Markup:
    """Build a table of names and short answers."""
    return table(caption, [Column("", "fact"), Column("", "fact")], rows)


def canvas(height: float, width: float = 4.9) -> Figure:
    """Return an empty picture with one pair of axes."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        from crmkit.errors import MissingExtraError

        msg = "the report draws its pictures with matplotlib, which is not installed: python -m pip install matplotlib"
        raise MissingExtraError(msg) from error
    picture = Figure(figsize=(width, height), layout="constrained")
    picture.subplots()
    return picture


def count(value: float) -> str:
    """Write a whole number."""
    return f"{value:,.0f}"


def people(value: float, what: str = "customer") -> str:
    """Write how many there are of something."""
    return f"{value:,.0f} {what}" + ("" if round(value) == 1 else "s")


def money(value: float) -> str:
    """Write an amount: with cents below a thousand."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"


def number(value: float, digits: int = 3) -> str:
    """Write a number with so many significant digits, or say that it has no end."""
    if not math.isfinite(value):
        return "not known" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value and abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}".replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


def percent(share: float) -> str:
    """Write a share: one decimal where a whole percent says little."""
    if 0 < share < 0.0005:
        return f"< 0.1{PERCENT}"
    if 0.9995 <= share < 1:
        return f"> 99.9{PERCENT}"
    return (
        f"{100 * share:.1f}{PERCENT}".replace("-", "−")
        if 0 < abs(share) < 0.1 or 0.99 < share < 1
        else f"{100 * share:.0f}{PERCENT}".replace("-", "−")
    )


def p_value(p: float) -> str:
    """Write a p-value, with its sign."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def of_all(part: float, whole: float) -> str:
    """Write a part as a share of a whole that may be nothing."""
    return percent(part / whole) if whole > 0 else "–"


def signed(value: float, digits: int = 1) -> str:
    """Write a number with its sign, 0 without; a dash where there is none."""
    if value != value:
        return "–"
    text = f"{value:+,.{digits}f}".replace("-", "−")
    return text[1:] if float(text[1:].replace(",", "")) == 0.0 else text


def span(estimate: Any, write: Any = None) -> str:
    """Write both ends of an interval."""
    written = write or (lambda value: signed(value, 0))
    return f"{written(estimate.ci_low)} to {written(estimate.ci_high)}"


def off(expected: float, happened: float) -> str:
    """Write by how much an expectation missed."""
    if happened == 0:
        return "none happened"
    share = expected / happened - 1.0
    return f"{abs(100 * share):.1f}{PERCENT} too {'many' if share > 0 else 'few'} expected"
