"""Items that are bought by the same customers, as a model sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit._kernels import similar as _k
from crmkit.errors import DataError, FitError
from crmkit.recommend._interactions import within_limit
from crmkit.recommend._top_items import recommender
from crmkit.recommend.als import Als
from crmkit.recommend.ease import Ease
from crmkit.recommend.item_knn import ItemKnn

__all__ = ["similar_items"]

PIECE = 64  # items of one piece of work

Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]


def similar_items(model: Any, items: Any = None, /, *, k: int = 10, n_threads: int | None = None) -> Any:
    r"""List the items most like each item: what to show beside it.

    Parameters
    ----------
    model : ItemKnn, Ease or Als
        A fitted recommender that compares items.
    items : list or column of ids, optional
        The items to find others for, each once; by default all.
    k : int, default 10
        Most items for each; an ItemKnn knows no more than it was fitted with.
    n_threads : int, optional
        Threads to use; by default all cores this process may use. The answer does not depend on it.

    Returns
    -------
    DataFrame
        One row per pair, items in the order asked: item_id and similar_id with the types they came with, rank (from 1) and
        similarity. An item that is like no other has no row.

    Raises
    ------
    DataError
        An id in `items` is missing, there twice, or was never bought before the fit.
    FitError
        The model compares customers, or nothing at all.
    OptionError
        An argument is outside what is accepted.
    LimitError
        `k` times the items are more than 500 million rows.

    Notes
    -----
    Similarity is that of `recommend.fit_item_knn`; for EASE the weight :math:`B_{ij}` with which having bought the item speaks
    for the other, above 0 alone; for ALS the cosine of the angle between their factors. Of equally similar items the one with
    more buyers comes first, then the lower id.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import recommend
    >>> baskets = pd.DataFrame({"basket": [1, 1, 2, 2, 3, 3], "item": ["milk", "eggs", "milk", "eggs", "milk", "tea"]})
    >>> seen = recommend.interactions(baskets, customer="basket", item="item", time=None, amount=None)
    >>> recommend.similar_items(recommend.fit_item_knn(seen), ["milk"])
      item_id similar_id  rank  similarity
    0    milk       eggs     1    0.816497
    1    milk        tea     2    0.577350
    """
    model = recommender(model)
    if not isinstance(model, (ItemKnn, Ease, Als)):
        msg = f"{type(model).__name__} does not compare items; fit_item_knn, fit_ease and fit_als do"
        raise FitError(msg)
    seen = model.interactions
    n_items = len(seen.items)
    k = min(_options.whole("k", k, low=1), max(n_items - 1, 1))
    if items is None:
        asked = _frame.Ids(_frame.readonly(np.arange(n_items, dtype=np.int32)), seen.items)
        code = asked.codes
    else:
        asked = _frame.listed(items, seen.items, keyword="items")
        code = seen.items.codes_of(asked.labels.values, what="item")[asked.codes].astype(np.int32)
    if code.size and code.min() < 0:
        count, place = _frame.first_place(code < 0)
        msg = f"items: {count:,} of {code.size:,} were never bought before the fit, the first at place {place}; leave them out"
        raise DataError(msg)
    within_limit(code.size, k, "items with up to {} others", "lower k, or ask for some items at a time")

    def nearest(piece: tuple[int, int]) -> Found:
        part = _frame.readonly(code[slice(*piece)])
        if isinstance(model, Ease):
            return _k.top_of_rows(model.weights, seen.rank, seen.order, k, part)
        if isinstance(model, Als):
            return _k.nearest_vectors(_frame.readonly(model.item_factors), seen.rank, seen.order, k, part)
        near = model.neighbours
        size = np.minimum(np.diff(near.start)[part], k)
        start = np.concatenate([[0], np.cumsum(size)])
        place = np.arange(start[-1]) + np.repeat(near.start[part] - start[:-1], size)
        return start, near.index[place], near.value[place].astype(np.float64)

    parts = _threads.run(nearest, _threads.chunks(code.size, PIECE), n_threads=n_threads)
    n = np.concatenate([np.zeros(0, np.int64), *(np.diff(start) for start, _, _ in parts)])
    similar = np.concatenate([np.zeros(0, np.int32), *(item for _, item, _ in parts)])
    ends = np.cumsum(n)
    return _frame.table(
        {
            "item_id": _frame.Labelled(asked.labels, np.repeat(asked.codes, n)),
            "similar_id": _frame.Labelled(seen.items, similar),
            "rank": np.arange(1, similar.size + 1) - np.repeat(ends - n, n),
            "similarity": np.concatenate([np.zeros(0), *(value for _, _, value in parts)]),
        },
        kind=seen.items.kind,
    )
