"""Sets of items that are bought together often."""

from __future__ import annotations

from typing import Any, Unpack, cast

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options, _threads
from crmkit._kernels import eclat as _k
from crmkit._kernels import itemsets as _table
from crmkit._kernels import sparse as _sparse
from crmkit.basket._sets import Sets, looked_up, tuples
from crmkit.errors import DataError, LimitError

__all__ = ["frequent_itemsets"]

PIECE = 16  # first items of one piece of work


def frequent_itemsets(
    log: Any,
    /,
    *,
    min_support: float,
    max_len: int | None = None,
    max_rows: int = 1_000_000,
    n_threads: int | None = None,
    **columns: Unpack[_events.ColumnNames],
) -> Any:
    r"""Find the sets of items that at least a given share of all baskets holds: what is bought together.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases, one row per item bought: a log with items, or a frame, which the column keywords describe. A basket is
        an order.
    min_support : float
        Smallest share of baskets that hold the whole set, above 0 and at most 1.
    max_len : int, optional
        Most items in a set; by default any number.
    max_rows : int, default 1,000,000
        Most sets to return. Their number can grow exponentially as `min_support` falls: more are an error. A set takes
        about 100 bytes, and its items 4 each; at most 100 million.
    n_threads : int, optional
        Threads to use; by default all cores this process may use. The answer does not depend on it.
    **columns
        Where `log` is a frame: its columns and what to do with refunds and missing ids, as in `crmkit.events`. The item
        column is "item_id" unless `item` names another. Where a file knows baskets only, name them as `customer`, with
        ``time=None`` and ``amount=None``.

    Returns
    -------
    DataFrame
        One row per set: items (a tuple in pandas, a list elsewhere, of plain Python values in the order of the ids),
        support (share of baskets), count (baskets), closed (no larger set of the result is in as many baskets), and
        maximal (no larger set of the result at all). Small sets first, then by falling count, then in the order of their
        items. Without any set that is frequent enough the frame has no rows.

    Raises
    ------
    ColumnError
        A column is not in the frame, or the log holds no items.
    DataError
        No purchase is left, or the values of a column cannot be used.
    OptionError
        An argument is outside what is accepted, or a log comes with column keywords.
    LimitError
        More than `max_rows` sets are frequent.

    Notes
    -----
    An item counts once per basket, however many of it were bought; refunds and orders refunded in full are no baskets. With
    n baskets a set is frequent if :math:`\mathrm{count} / n \ge` `min_support`.

    All subsets of a frequent set are frequent, which is what `basket.rules` builds on. The closed sets hold all the
    information: the count of any frequent set is the largest count of a closed set that contains it. With `max_len` both
    flags speak of sets up to that length.

    Depth-first search over vertical bit sets; for each first item, rarest first, the baskets that hold it are numbered anew,
    so that memory is never items times baskets.

    References
    ----------
    Zaki (2000), Scalable algorithms for association mining, IEEE Transactions on Knowledge and Data Engineering 12(3).
    Pasquier, Bastide, Taouil and Lakhal (1999), Discovering frequent closed itemsets for association rules, ICDT.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import basket
    >>> lines = pd.DataFrame({"basket": [1, 1, 1, 2, 2, 3], "item": ["milk", "eggs", "tea", "milk", "eggs", "milk"]})
    >>> basket.frequent_itemsets(lines, min_support=0.5, customer="basket", item="item", time=None, amount=None)
              items   support  count  closed  maximal
    0       (milk,)  1.000000      3    True    False
    1       (eggs,)  0.666667      2   False    False
    2  (eggs, milk)  0.666667      2    True     True
    """
    share = _options.number("min_support", min_support, low=0.0, high=1.0)
    if share == 0.0:
        share = _options.number("min_support", min_support, low=0.0, high=1.0, ends=False)
    longest = np.iinfo(np.int32).max if max_len is None else _options.whole("max_len", max_len, low=1)
    most = _options.whole("max_rows", max_rows, low=1, high=100_000_000)
    log = _events.as_log(log, **(columns if isinstance(log, _events.EventLog) else {"item": "item_id", **columns}))
    log.require("item")
    sets, n_baskets = mined(log, share, longest, most, n_threads)

    word, slot = looked_up(sets)
    closed, maximal = _table.largest(sets.start, sets.item, sets.count, word, slot)
    alphabetical = sets.alphabetical()
    order = alphabetical[np.lexsort((-sets.count[alphabetical], sets.size[alphabetical]))]
    return table_of(
        {"items": (sets, order)},
        {
            "support": sets.count[order] / n_baskets,
            "count": sets.count[order],
            "closed": closed[order],
            "maximal": maximal[order],
        },
        cast(_frame.Labels, log.items).kind,
    )


def mined(log: _events.EventLog, share: float, longest: int, most: int, n_threads: int | None) -> tuple[Sets, int]:
    """Return the frequent sets, in no order that matters, and the number of baskets."""
    bought = np.flatnonzero(log.lines.order >= 0)
    if bought.size == 0:
        msg = f"none of the {len(log):,} rows is a purchase: there are no baskets"
        raise DataError(msg)
    items = cast(_frame.Labels, log.items)
    order, item = log.lines.order[bought], cast("npt.NDArray[np.int32]", log.lines.item)[bought]
    start, index, _ = _sparse.from_coordinates(
        _frame.readonly(order), _frame.readonly(item), _frame.readonly(np.ones(bought.size)), log.orders.time.size, len(items)
    )
    n_baskets = int(np.count_nonzero(np.diff(start)))
    # the least count whose share is large enough, by the same division a reader would do
    counts = np.bincount(index, minlength=len(items))
    frequent = np.flatnonzero(counts / n_baskets >= share).astype(np.int32)
    least = int(np.ceil(share * n_baskets))
    while least > 1 and (least - 1) / n_baskets >= share:
        least -= 1
    while least / n_baskets < share:
        least += 1

    code = frequent[np.argsort(counts[frequent], kind="stable")]
    rank = np.full(len(items), -1, np.int32)
    rank[code] = np.arange(code.size, dtype=np.int32)
    basket = np.repeat(np.arange(start.size - 1, dtype=np.int32), np.diff(start))
    kept = rank[index] >= 0
    start, index, _ = _sparse.from_coordinates(
        _frame.readonly(basket[kept]),
        _frame.readonly(rank[index[kept]]),
        _frame.readonly(np.ones(int(kept.sum()))),
        start.size - 1,
        code.size,
    )
    start, index = _frame.readonly(start), _frame.readonly(index)
    item_start, item_basket, item_place = (_frame.readonly(part) for part in _k.standing(start, index, code.size))
    code = _frame.readonly(code)

    pieces = _threads.chunks(code.size, PIECE)
    found = np.zeros(len(pieces), np.int64)
    parts = _threads.run(
        lambda p: _k.mine(start, index, item_start, item_basket, item_place, code, least, longest, most, *pieces[p], p, found),
        range(len(pieces)),
        n_threads=n_threads,
    )
    if found.sum() > most:
        msg = (
            f"more than {most:,} sets are in at least {least:,} of {n_baskets:,} baskets;"
            f" raise min_support={share:g}, set max_len=, or raise max_rows="
        )
        raise LimitError(msg)
    sizes = np.concatenate([np.diff(part[0]) for part in parts] or [np.empty(0, np.int64)])
    sets = Sets(
        items,
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([part[1] for part in parts] or [np.empty(0, np.int32)]),
        np.concatenate([part[2] for part in parts] or [np.empty(0, np.int64)]),
    )
    return sets, n_baskets


def table_of(sets: dict[str, tuple[Sets, Any]], columns: dict[str, Any], kind: str) -> Any:
    """Build a frame with columns of sets in front; one without rows has the types it would have with them."""
    n = next(iter(columns.values())).size
    if n or kind == "pandas":
        return _frame.table({**{name: tuples(*of, kind) for name, of in sets.items()}, **columns}, kind=kind)
    # a list column learns its type from its values: one row, taken away again
    labels = next(iter(sets.values()))[0].labels
    one = Sets(labels, np.array([0, 1]), np.array([0], np.int32), np.array([1]))
    shown = {name: tuples(one, np.array([0]), kind) for name in sets}
    return _frame.table({**shown, **{name: np.ones(1, values.dtype) for name, values in columns.items()}}, kind=kind)[:0]
