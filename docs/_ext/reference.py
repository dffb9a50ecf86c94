"""The API reference, written from ``crmkit.__all__``: a public name cannot be missing from it."""

from __future__ import annotations

import inspect
import pprint
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import crmkit


def public() -> dict[str, dict[str, Any]]:
    """Return module name -> public name -> object: crmkit itself first, then every topic by its ``__all__``."""
    top = {name: getattr(crmkit, name) for name in crmkit.__all__ if not name.startswith("__")}
    topics = {name: module for name, module in top.items() if inspect.ismodule(module)}
    own = {name: thing for name, thing in top.items() if name not in topics}
    return {"crmkit": own} | {f"crmkit.{name}": members(module) for name, module in sorted(topics.items())}


def members(module: ModuleType) -> dict[str, Any]:
    return {name: getattr(module, name) for name in module.__all__}


def is_documented_by_docstring(thing: object) -> bool:
    return inspect.isroutine(thing) or inspect.isclass(thing)


def page(module: str, names: dict[str, Any]) -> str:
    """Return the reference page of one module: its docstring, a table of its names, its constants with their values."""
    title = module.removeprefix("crmkit.")
    lines = [title, "=" * len(title), "", f".. automodule:: {module}", "   :no-members:", ""]
    listed = [name for name, thing in names.items() if is_documented_by_docstring(thing)]
    if listed:
        lines += [f".. currentmodule:: {module}", "", ".. autosummary::", "   :toctree: api", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in listed] + [""]
    for name, thing in names.items():
        if not is_documented_by_docstring(thing):
            value = pprint.pformat(dict(thing) if isinstance(thing, Mapping) else thing, sort_dicts=False).splitlines()
            lines += [f".. py:data:: {module}.{name}", "", "   .. code-block:: python", ""]
            lines += [f"      {line}" for line in value] + [""]
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """Return file name -> text, with the index that lists them."""
    written = {f"{module.removeprefix('crmkit.')}.rst": page(module, names) for module, names in public().items()}
    index = ["Reference", "=========", "", "Every public name, by topic.", "", ".. toctree::", "   :maxdepth: 1", ""]
    index += [f"   {name.removesuffix('.rst')}" for name in written]
    return {"index.rst": "\n".join([*index, ""]), **written}


def write(folder: Path) -> None:
    """Write the pages; one that has not changed is left alone, so that Sphinx need not read it again."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for old in folder.glob("*.rst"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
