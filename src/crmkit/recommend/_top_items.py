"""The best items for each customer: a long frame of rows that mean something, and nothing padded."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options, _threads
from crmkit._kernels import item_knn as _k
from crmkit._kernels import sparse as _sparse
from crmkit.errors import OptionError
from crmkit.recommend._interactions import Interactions, Rows, from_log, within_limit

__all__ = ["top_items"]

PIECE = 512  # customers of one piece of work
POPULARITY = "popularity"


class Recommender(Protocol):
    """What a model must offer to be asked for the best items."""

    SOURCE: ClassVar[str]

    @property
    def interactions(self) -> Interactions:
        """The purchases it was fitted to."""

    @property
    def popular(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
        """The items from the most popular, and how popular each is: what answers where the model has nothing to say."""

    def top(
        self, history: Rows, excluded: Rows, k: int, customers: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Return (start, item, score) of the `k` best items of `customers`, rows of `history`."""


def top_items(
    model: Recommender,
    /,
    customers: Any = None,
    *,
    k: int = 10,
    exclude: str = "bought",
    history: Any = None,
    n_threads: int | None = None,
) -> Any:
    """List the items each customer is most likely to buy next, best first.

    Parameters
    ----------
    model : Ease, ItemKnn, Frequency or Popularity
        A fitted recommender.
    customers : list or column of ids, optional
        Whom to recommend to, each once; by default everybody in `history`, or else in the interactions of the model.
        Ids the model has never met get the most popular items.
    k : int, default 10
        Most items per customer; there are fewer where the model knows no more.
    exclude : {"bought", "nothing"}, default "bought"
        "bought" leaves out what the customer has bought before.
    history : EventLog, DataFrame or Interactions, optional
        Purchases to recommend from in place of those the model was fitted to, for the customers in it: new customers,
        or the whole story of known ones. What they bought before the fit stays excluded all the same. A frame has the
        columns the interactions were made from. Items the model does not know say nothing.
    n_threads : int, optional
        Threads to use; by default all cores this process may use. The answer does not depend on it.

    Returns
    -------
    DataFrame
        One row per recommendation, customers in the order asked: customer_id and item_id with the types they came
        with, rank (from 1), score, and source. Scores of different sources cannot be compared: source is the name of
        the model, whose scores its function explains, or "popularity", whose score is the number of customers who
        bought the item (for models of popularity and frequency, what they count as popular). A customer nothing can be
        recommended to has no row.

    Raises
    ------
    DataError
        An id in `customers` is missing or there twice, or ids are text where the model knows numbers or the reverse.
    OptionError
        An argument is outside what is accepted.
    LimitError
        `k` times the customers are more than 500 million rows.

    Notes
    -----
    Popularity answers for a customer if the model has not a single item for them: nobody known, or only items without
    neighbours. The two are never mixed in one list. Of equal scores the item with more buyers comes first, then the
    lower id. A customer gets the same list alone as among others.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import recommend
    >>> baskets = pd.DataFrame({"basket": [1, 1, 2, 2, 3, 3], "item": ["milk", "eggs", "milk", "eggs", "milk", "tea"]})
    >>> seen = recommend.interactions(baskets, customer="basket", item="item", time=None, amount=None)
    >>> recommend.top_items(recommend.fit_item_knn(seen), [1, 9], k=2)
       customer_id item_id  rank    score      source
    0            1     tea     1  0.57735    item_knn
    1            9    milk     1  3.00000  popularity
    2            9    eggs     2  2.00000  popularity
    """
    if not isinstance(getattr(model, "interactions", None), Interactions):
        msg = f"expected a fitted recommender, got {type(model).__name__}"
        raise OptionError(msg)
    if exclude not in ("bought", "nothing"):
        raise OptionError.choice("exclude", exclude, ("bought", "nothing"))
    seen = model.interactions
    k = min(_options.whole("k", k, low=1), len(seen.items))
    past = None if history is None else folded_in(history, seen)
    who, row, rows, bought = asked(customers, seen, past)
    within_limit(row.size, k, "customers with up to {} items", "lower k, or ask for some customers at a time")
    nothing = Rows(np.zeros(len(rows) + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
    excluded = bought if exclude == "bought" else nothing

    favourites, popularity = model.popular

    def best(piece: tuple[int, int]) -> tuple[Any, ...]:
        part = row[slice(*piece)]
        known = np.flatnonzero(part >= 0)
        start, item, score = model.top(rows, excluded, k, _frame.readonly(part[known]))
        found = np.zeros(part.size, np.int64)
        found[known] = np.diff(start)
        unserved = np.flatnonzero(found == 0)
        start, popular = _k.most_popular(favourites, excluded.start, excluded.index, k, _frame.readonly(part[unserved]))
        filled = np.zeros(part.size, np.int64)
        filled[unserved] = np.diff(start)
        # each customer has the rows of one source
        source = np.repeat(filled > 0, found + filled)
        items = np.empty(source.size, np.int32)
        scores = np.empty(source.size, np.float64)
        items[~source], items[source] = item, popular
        scores[~source], scores[source] = score, popularity[popular]
        return found + filled, items, scores, source

    parts = _threads.run(best, _threads.chunks(row.size, PIECE), n_threads=n_threads)
    n, item, score, popular = (np.concatenate(column) for column in zip(*parts, strict=True)) if parts else NO_ROWS
    ends = np.cumsum(n)
    names = tuple(dict.fromkeys((model.SOURCE, POPULARITY)))  # popularity itself has one
    return _frame.table(
        {
            "customer_id": _frame.Labelled(who.labels, np.repeat(who.codes, n)),
            "item_id": _frame.Labelled(seen.items, item),
            "rank": np.arange(1, item.size + 1) - np.repeat(ends - n, n),
            "score": score,
            "source": _frame.Categories(popular.astype(np.int8) * (len(names) - 1), names),
        },
        kind=seen.customers.kind,
    )


NO_ROWS = np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float64), np.empty(0, np.bool_)


def folded_in(history: Any, seen: Interactions) -> Interactions:
    """Read new purchases as the old ones were read, in the item codes of the model."""
    if isinstance(history, Interactions):
        past = history
        if (past.weight, past.half_life) != (seen.weight, seen.half_life):
            msg = (
                f"the history weighs purchases by weight={past.weight!r}, half_life={past.half_life!r},"
                f" the model by weight={seen.weight!r}, half_life={seen.half_life!r}; make both alike"
            )
            raise OptionError(msg)
    else:
        columns = cast(_events.ColumnNames, {} if isinstance(history, _events.EventLog) else seen.columns)
        past = from_log(_events.as_log(history, **columns), seen.weight, seen.half_life, seen.end)
    code = seen.items.codes_of(past.items.values, what="item")
    customer = np.repeat(np.arange(len(past.customers), dtype=np.int32), np.diff(past.by_customer.start))
    item = code[past.by_customer.index]
    known = item >= 0
    start, index, value = _sparse.from_coordinates(
        _frame.readonly(customer[known]),
        _frame.readonly(item[known]),
        _frame.readonly(past.by_customer.value[known].astype(np.float64)),
        len(past.customers),
        len(seen.items),
    )
    return dataclasses.replace(past, by_customer=Rows(start, index, value.astype(np.float32)), age=None)


def asked(customers: Any, seen: Interactions, past: Interactions | None) -> tuple[_frame.Ids, npt.NDArray[np.int32], Rows, Rows]:
    """Return who is asked for, the row of each (-1: unknown), the histories in these rows, and all that was bought."""
    if customers is None:
        everybody = seen if past is None else past
        who = _frame.Ids(np.arange(len(everybody.customers), dtype=np.int32), everybody.customers)
    else:
        who = _frame.listed(customers, seen.customers, keyword="customers")
    row = seen.customers.codes_of(who.labels.values, what="customer")[who.codes]
    rows = bought = seen.by_customer
    if past is not None:
        later = past.customers.codes_of(who.labels.values)[who.codes]
        row = np.where(later >= 0, later + np.int32(len(rows)), row)
        rows, bought = stacked(rows, past.by_customer), stacked(bought, bought_ever(seen, past))
    return who, row, rows, bought


def bought_ever(seen: Interactions, past: Interactions) -> Rows:
    """Return what the customers of `past` bought then or before."""
    row = np.full(len(seen.customers), -1, np.int32)
    code = seen.customers.codes_of(past.customers.values, what="customer")
    row[code[code >= 0]] = np.flatnonzero(code >= 0)
    earlier = np.repeat(row, np.diff(seen.by_customer.start))
    both = earlier >= 0
    later = np.repeat(np.arange(len(past.customers), dtype=np.int32), np.diff(past.by_customer.start))
    customer = np.concatenate([later, earlier[both]])
    item = np.concatenate([past.by_customer.index, seen.by_customer.index[both]])
    once = _frame.readonly(np.ones(item.size))
    start, index, _ = _sparse.from_coordinates(
        _frame.readonly(customer), _frame.readonly(item), once, len(past.customers), len(seen.items)
    )
    return Rows(start, index, np.ones(index.size, np.float32))


def stacked(upper: Rows, lower: Rows) -> Rows:
    """Put one table below the other."""
    return Rows(
        np.concatenate([upper.start, lower.start[1:] + upper.start[-1]]),
        np.concatenate([upper.index, lower.index]),
        np.concatenate([upper.value, lower.value]),
    )
