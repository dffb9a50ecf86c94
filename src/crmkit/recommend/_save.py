"""Fitted recommenders as files: arrays in npz, everything else as JSON in it, nothing that would have to be unpickled."""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from crmkit import _frame
from crmkit.errors import DataError, OptionError
from crmkit.recommend._interactions import Interactions, Rows
from crmkit.recommend._model import Fitted
from crmkit.recommend.als import Als
from crmkit.recommend.ease import Ease
from crmkit.recommend.item_knn import ItemKnn
from crmkit.recommend.popularity import Frequency, Popularity
from crmkit.recommend.ratings import Ratings
from crmkit.recommend.user_knn import UserKnn

__all__ = ["load", "save"]

SCHEMA = 1
MODELS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Als, Ease, Frequency, Interactions, ItemKnn, Popularity, Ratings, UserKnn)
}
HEADER = "header"


def save(model: Fitted | Interactions | Ratings, path: str | os.PathLike[str], /) -> None:
    """Write a fitted recommender, with the purchases it knows, to a file that `load` reads.

    Parameters
    ----------
    model : Als, Ease, Frequency, Interactions, ItemKnn, Popularity, Ratings or UserKnn
        What a function of `recommend` returned.
    path : str or path
        Where to write; by custom it ends in ".npz". What is there is replaced.

    Raises
    ------
    DataError
        Ids are neither text, numbers, dates nor categories of these.
    OptionError
        `model` is something else.

    Notes
    -----
    The file is what numpy calls npz, a zip of plain arrays; ids and settings are JSON in its member "header". Reading it runs
    no code from it. It holds what customers bought: guard it as you guard the purchases.

    Examples
    --------
    >>> import pandas as pd, tempfile, pathlib
    >>> from crmkit import recommend
    >>> baskets = pd.DataFrame({"basket": [1, 1, 2, 2, 3, 3], "item": ["milk", "eggs", "milk", "eggs", "milk", "tea"]})
    >>> seen = recommend.interactions(baskets, customer="basket", item="item", time=None, amount=None)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.npz"
    ...     recommend.save(recommend.fit_item_knn(seen), path)
    ...     again = recommend.load(path)
    >>> recommend.top_items(again, [1])
       customer_id item_id  rank    score    source
    0            1     tea     1  0.57735  item_knn
    """
    name = type(model).__name__
    if MODELS.get(name) is not type(model):
        msg = f"expected a fitted recommender, ratings or interactions, got {name}"
        raise OptionError(msg)
    arrays: dict[str, Any] = {}
    header = {"type": name, "schema": SCHEMA, "fields": _fields(model, "", arrays)}
    arrays[HEADER] = np.frombuffer(json.dumps(header, ensure_ascii=True).encode(), np.uint8)
    with Path(path).open("wb") as file:  # numpy adds an ending to names, but not to files
        np.savez(file, **arrays)


def load(path: str | os.PathLike[str], /) -> Any:
    """Read the recommender that `save` wrote: it gives the same recommendations, to the bit.

    Parameters
    ----------
    path : str or path
        Where it is.

    Returns
    -------
    Als, Ease, Frequency, Interactions, ItemKnn, Popularity, Ratings or UserKnn
        The frozen model, with ids of the types they had.

    Raises
    ------
    DataError
        The file is none that `save` wrote, or it is damaged.

    Examples
    --------
    >>> import pandas as pd, tempfile, pathlib
    >>> from crmkit import recommend
    >>> baskets = pd.DataFrame({"basket": [1, 1, 2], "item": ["milk", "eggs", "milk"]})
    >>> seen = recommend.interactions(baskets, customer="basket", item="item", time=None, amount=None)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     recommend.save(seen, pathlib.Path(folder) / "seen.npz")
    ...     recommend.load(pathlib.Path(folder) / "seen.npz")
    Interactions
      customers  2
      items      2
      pairs      3 (75.0 % of all)
      weight     order lines
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as found:
            header = json.loads(found[HEADER].tobytes())
            kind = MODELS[header["type"]]
            if header["schema"] != SCHEMA:
                msg = f"the file was written with schema {header['schema']!r}; this crmkit reads schema {SCHEMA}"
                raise DataError(msg)
            return _made(kind, header["fields"], "", found)
    except (KeyError, TypeError, ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        msg = f"the file is none that recommend.save wrote, or it is damaged ({type(error).__name__})"
        raise DataError(msg) from error


def _fields(value: Any, path: str, arrays: dict[str, Any]) -> dict[str, Any]:
    return {field.name: _plain(getattr(value, field.name), f"{path}{field.name}", arrays) for field in dataclasses.fields(value)}


def _plain(value: Any, path: str, arrays: dict[str, Any]) -> Any:
    """Put arrays aside, and turn the rest into values for JSON; what is no plain value says what it is."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {"is": "array"}
    if isinstance(value, _frame.Labels):
        return {"is": "labels", "value": _frame.labels_to_plain(value)}
    if isinstance(value, (Rows, Interactions)):
        return {"is": type(value).__name__, "value": _fields(value, f"{path}.", arrays)}
    if isinstance(value, Mapping):
        return {"is": "mapping", "value": dict(value)}
    if isinstance(value, tuple):
        return {"is": "tuple", "value": list(value)}
    if hasattr(value, "isoformat"):
        return {"is": "moment", "value": _frame.moment_to_plain(value)}
    return value.item() if isinstance(value, np.generic) else value


def _made(kind: type[Any], fields: dict[str, Any], path: str, arrays: Any) -> Any:
    return kind(**{name: _revived(value, f"{path}{name}", arrays) for name, value in fields.items()})


def _revived(value: Any, path: str, arrays: Any) -> Any:
    if not isinstance(value, dict):
        return value
    held: Any = value.get("value")
    if value["is"] == "array":
        return _frame.readonly(arrays[path])
    if value["is"] == "labels":
        return _frame.labels_from_plain(held)
    if value["is"] == "mapping":
        return MappingProxyType(dict(held))
    if value["is"] == "tuple":
        return tuple(held)
    if value["is"] == "moment":
        return _frame.moment_from_plain(held)
    return _made({"Rows": Rows, "Interactions": Interactions}[value["is"]], held, f"{path}.", arrays)
