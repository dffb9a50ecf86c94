"""Follow every link inside the built pages, anchors and pictures too: ``python docs/_ext/links.py docs/_build/html``.

Sphinx checks the references that it makes; raw links, includes, cards and the theme's own are checked here, where a reader meets
them. It also looks for what would be loaded from elsewhere, since the pages work offline, and for pictures without words.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# what a page loads, which must not come from another place; what it points to may
LOADED = {"link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src", "object": "data"}


class Page(HTMLParser):
    """What a page has for others to point at, where it points itself, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.wordless: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.targets.append(found["href"])
        if tag in LOADED and LOADED[tag] in found and found.get("rel") not in ("canonical", "search", "next", "prev", "index"):
            self.loaded.append(found[LOADED[tag]])
        # no words at all; empty ones say that a picture only adorns the title beside it
        if tag == "img" and "alt" not in found:
            self.wordless.append(found.get("src", ""))


def faults(folder: Path) -> list[str]:
    """Return a line for each link that leads nowhere, thing loaded from elsewhere, and picture without words."""
    built = sorted(path for path in folder.rglob("*.html") if "_static" not in path.parts)  # there lie templates of the theme
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in built}
    found = []
    for path, page in pages.items():
        at = path.relative_to(folder.resolve())
        for target in [*page.targets, *page.loaded]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if aim.is_dir():
                aim /= "index.html"
            if not aim.exists():
                found.append(f"{at}: {target} is not there")
            elif aim in pages and unquote(parts.fragment) not in pages[aim].anchors:
                found.append(f"{at}: {target} has no such place")
        found += [f"{at}: {source} is loaded from elsewhere" for source in page.loaded if re.match(r"(https?:)?//", source)]
        found += [f"{at}: the picture {source} has no words" for source in page.wordless]
    return found


if __name__ == "__main__":
    lines = faults(Path(sys.argv[1]))
    print("\n".join([*lines, f"{len(lines)} faults"]))
    sys.exit(bool(lines))
