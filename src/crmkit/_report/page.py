"""HTML that is safe by construction: text is escaped unless it was made here."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Column", "Markup", "document", "element", "figure", "join", "svg", "table"]


# what no page may hold, and no screen can show: controls, halves of a character, and what is no character at all
UNSHOWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def showable(text: str) -> str:
    """Put the sign for an unreadable character in place of what cannot be shown."""
    return UNSHOWABLE.sub("\ufffd", text)


def escaped(text: object) -> str:
    """Return what text is in HTML."""
    return html.escape(showable(str(text)))


class Markup(str):
    """HTML made by the functions here; any other string is text, and is escaped before it goes into a page."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """Title of a table's column and what its cells are: "number", "label" (kept on one line), "words" or a short "fact"."""

    title: str
    kind: str = "number"


def element(tag: str, /, *children: Any, **attributes: str) -> Markup:
    """Build an element; ``class_`` stands for class, other underscores for hyphens."""
    given = "".join(f' {name.rstrip("_").replace("_", "-")}="{escaped(value)}"' for name, value in attributes.items())
    return Markup(f"<{tag}{given}>{join(children)}</{tag}>")


def join(children: Iterable[Any]) -> Markup:
    """Put pieces one behind the other."""
    return Markup("".join(child if isinstance(child, Markup) else escaped(child) for child in children))


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> Markup:
    """Build a table that scrolls sideways by itself on a narrow screen; the first cell of a row is its heading."""
    titles = [element("th", column.title, scope="col", class_=column.kind) for column in columns]
    head = [element("thead", element("tr", *titles))] if any(column.title for column in columns) else []
    body = [
        element(
            "tr",
            *(
                element("th" if place == 0 else "td", cell, **_cell(place, column))
                for place, (column, cell) in enumerate(zip(columns, row, strict=True))
            ),
        )
        for row in rows
    ]
    content = element("table", element("caption", caption), *head, element("tbody", *body))
    # a region that scrolls must be reachable by keyboard
    facts = any(column.kind == "fact" for column in columns)
    return element("div", content, class_="scroll facts" if facts else "scroll", role="region", aria_label=caption, tabindex="0")


def _cell(place: int, column: Column) -> dict[str, str]:
    return {"class_": column.kind, "scope": "row"} if place == 0 else {"class_": column.kind}


def figure(picture: Figure, name: str, caption: str, description: str) -> Markup:
    """Show a picture with what it says in words, for those who do not see it."""
    # words of one size in all pictures; a wide one scrolls on a narrow screen, so that they stay readable
    shown = element("div", svg(picture, name, description), class_="picture", tabindex="0", role="region", aria_label=caption)
    return element("figure", shown, element("figcaption", caption))


def svg(picture: Figure, name: str, description: str) -> Markup:
    """Turn a matplotlib figure into inline SVG: the same bytes each time, with ids that no other picture has."""
    import io
    import warnings

    out = io.StringIO()
    with warnings.catch_warnings():
        # a script that the font lacks: the table beside the picture has the names
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        picture.savefig(
            out, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    text = showable(out.getvalue())
    text = text[text.index("<svg") :]
    # matplotlib draws some ids at random, and uses the same ones in every figure
    new = {old: f"{name}-{number}" for number, old in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', text)))}
    text = re.sub(r'(\bid="|href="#|url\(#)([^")]+)', lambda match: match[1] + new.get(match[2], match[2]), text)
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    opening, rest = text.split(">", 1)
    width = picture.get_figwidth()
    size = f"max-width:{6.8 * width:.1f}rem" + (f";min-width:{4.2 * width:.1f}rem" if width > 5.0 else "")
    box = re.search(r'viewBox="[^"]+"', opening)
    assert box is not None
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box[0]} role="img" style="{size}"'
        f' aria-label="{escaped(description)}">{rest.strip()}'
    )


def document(title: str, body: Markup) -> str:
    """Build the whole page: style and pictures are in it, nothing is loaded from elsewhere."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


STYLE = """
:root {
  color-scheme: light;
  --ink: #1f2933; --muted: #52606d; --line: #d9e0e6; --main: #1b4f72; --soft: #f3f6f9; --warm: #fdf3e3;
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; color: var(--ink); background: #fff;
  font: 1rem/1.6 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: 1rem; padding: .5rem 1rem; background: #fff; z-index: 2; }
header, main, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { margin: 0; overflow-wrap: anywhere; font-size: clamp(1.7rem, 5vw, 2.4rem); line-height: 1.2; letter-spacing: -.01em; }
.lead { margin: .4rem 0 0; color: var(--muted); }
h2 { margin: 0 0 .6rem; font-size: 1.45rem; line-height: 1.3; color: var(--main); }
h3 { margin: 2rem 0 .4rem; font-size: 1.08rem; }
p { margin: .6rem 0; max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--main); }
a:focus-visible, .scroll:focus-visible, .picture:focus-visible { outline: 3px solid #e08a1e; outline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: 1.4rem 0 0; padding: 0; list-style: none; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.2rem, 1fr)); gap: .75rem; margin: 1.6rem 0 0; }
.tiles div { padding: .8rem 1rem; background: var(--soft); border-radius: .5rem; }
.tiles dt { color: var(--muted); font-size: .85rem; line-height: 1.35; }
.tiles dd { margin: .15rem 0 0; font-size: 1.35rem; font-weight: 650; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tiles dd small { display: block; font-size: .8rem; font-weight: 400; color: var(--muted); }
section { margin: 2.4rem 0; padding-top: 1.8rem; border-top: 1px solid var(--line); }
.reading { font-size: 1.08rem; }
.limits { padding: .7rem 1rem; background: var(--soft); border-left: 4px solid var(--main); border-radius: 0 .4rem .4rem 0; }
.truth { padding: .7rem 1rem; background: #eef7ee; border-left: 4px solid #2e7d32; border-radius: 0 .4rem .4rem 0; }
.note { padding: .7rem 1rem; background: var(--warm); border-left: 4px solid #b45f06; border-radius: 0 .4rem .4rem 0; }
/* a shadow at the side to which a table goes on */
.scroll {
  margin: 1.2rem 0; overflow-x: auto;
  background:
    linear-gradient(to right, #fff 30%, #fff0) left / 2.5rem 100% no-repeat local,
    linear-gradient(to left, #fff 30%, #fff0) right / 2.5rem 100% no-repeat local,
    linear-gradient(to right, #0003, #0000) left / .7rem 100% no-repeat scroll,
    linear-gradient(to left, #0003, #0000) right / .7rem 100% no-repeat scroll;
}
table { border-collapse: collapse; min-width: min(100%, 38rem); font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { padding: 0 0 .5rem; text-align: left; color: var(--muted); font-size: .9rem; }
th, td {
  padding: .38rem .6rem; border-bottom: 1px solid var(--line);
  text-align: right; vertical-align: baseline; white-space: nowrap;
}
thead th {
  border-bottom: 2px solid var(--main); color: var(--main);
  font-weight: 600; vertical-align: bottom; white-space: normal;
}
thead th.number { min-width: 4.4rem; }
tbody th { font-weight: 600; }
thead th.label, thead th.words { text-align: left; }
tbody tr:hover { background: #1b4f7212; }
.label, .words, .fact { text-align: left; }
.facts { max-width: 38rem; }
.fact { white-space: normal; overflow-wrap: break-word; }
td.words { white-space: normal; min-width: 9.5rem; overflow-wrap: anywhere; }
figure { margin: 1.4rem 0; }
figure svg { display: block; width: 100%; height: auto; }
.picture { overflow-x: auto; }
figcaption { margin-top: .3rem; color: var(--muted); font-size: .9rem; }
ul { padding-left: 1.2rem; }
pre { padding: .8rem 1rem; font-size: .82rem; line-height: 1.5; border: 1px solid var(--line); border-radius: .4rem; }
summary { cursor: pointer; color: var(--main); font-weight: 600; }
footer { padding-bottom: 3rem; color: var(--muted); font-size: .9rem; }
@media (max-width: 30rem) {
  header, main, footer { padding-left: 1rem; padding-right: 1rem; }
  .scroll:not(.facts) tbody th { position: sticky; left: 0; background: #fff; }
}
@media print {
  nav, .skip { display: none; }
  figure, tr, .tiles div, .limits, .note, .truth { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  .scroll, .picture { overflow: visible; background: none; }
  th, td { white-space: normal; padding: .25rem .35rem; font-size: .74rem; }
  thead th.number, td.words { min-width: 0; }
  table { width: 100%; }
  pre { white-space: pre-wrap; }
}
"""
