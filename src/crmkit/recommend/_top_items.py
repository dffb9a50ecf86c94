"""The best items for each customer: a long frame of rows that mean something, and nothing padded."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit._kernels import item_knn as _k
from crmkit._kernels import lists as _l
from crmkit.errors import OptionError
from crmkit.recommend import _policy
from crmkit.recommend._interactions import Interactions, Rows, within_limit
from crmkit.recommend.item_knn import fit_item_knn

__all__ = ["Lists", "Recommender", "best_lists", "recommender", "top_items"]

PIECE = 512  # customers of one piece of work
DENIED = 1 << 22  # items denied to all, times customers of a piece
POOL = 5  # times k: the best items, of which those that go together are chosen
ALIKE = 100  # neighbours of an item that count as like it
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
        """Return (start, item, score) of the `k` best items of `customers`, rows of `history`.

        The first rows of `history` are the customers of the fit, with the purchases of the fit. `excluded` has the same rows.
        """


def top_items(
    model: Recommender,
    /,
    customers: Any = None,
    *,
    k: int = 10,
    exclude: Any = "bought",
    history: Any = None,
    allow: Any = None,
    deny: Any = None,
    categories: Any = None,
    per_category: int | None = None,
    diversity: float = 0.0,
    fallback: Any = None,
    n_threads: int | None = None,
) -> Any:
    r"""List the items each customer is most likely to buy next, best first.

    Parameters
    ----------
    model : Als, Ease, Frequency, ItemKnn, Popularity or UserKnn
        A fitted recommender.
    customers : list or column of ids, optional
        Whom to recommend to, each once; by default everybody in `history`, or else in the interactions of the model.
        Ids the model has never met get the most popular items.
    k : int, default 10
        Most items per customer; there are fewer where the model knows no more.
    exclude : {"bought", "nothing"}, str or DataFrame, default "bought"
        "bought" leaves out what the customer has bought before; "90D" what they bought in the 90 days before the last event
        that is known; "nothing" leaves out nothing, which is what repeat purchases ask for. A frame of customers and items
        leaves out these pairs.
    history : EventLog, DataFrame or Interactions, optional
        Purchases to recommend from in place of those the model was fitted to, for the customers in it: new customers,
        or the whole story of known ones. What they bought before the fit stays excluded all the same. A frame has the
        columns the interactions were made from. Items the model does not know say nothing.
    allow : list or column of item ids, optional
        What may be recommended at all, such as what is in stock.
    deny : list or column of item ids, or DataFrame, optional
        What may not be recommended, to anybody; a frame of customers and items, to whom what.
    categories : mapping, Series or DataFrame, optional
        Category of each item: a mapping from ids, a pandas Series indexed by them, or a frame with the columns item_id and
        category. An item without one is like no other.
    per_category : int, optional
        Most items of one category in a list.
    diversity : float, default 0.0
        From 0 to 1: how far to prefer, to a good item, one that other customers buy than those who buy what is already on
        the list.
    fallback : Popularity, optional
        What answers where the model knows nothing, such as ``fit_popularity(seen, within="30D")``, fitted to the same
        interactions. By default what the model itself counts as popular.
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
    ColumnError
        `exclude` is a length of time and the interactions have no times, or a frame lacks its columns.
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

    Frames of customers and items name their columns as the interactions do, or customer_id and item_id as the result of this
    function does; customers who are not asked for and items nobody bought say nothing.

    With `per_category` an item is passed over once its category is full. With `diversity` :math:`\delta` the list is chosen
    one by one from the 5 `k` best items: the next has the highest
    :math:`(1 - \delta)\, s_i - \delta \max_{j} J_{ij}`, with its score scaled to 0 ... 1 over these items, and the largest
    Jaccard similarity of customers to an item j that is already chosen, counted among the 100 items nearest to j. Rank then
    is the order of the choice, and scores, which stay those of the model, need not fall.

    References
    ----------
    Carbonell and Goldstein (1998), The use of MMR, diversity-based reranking for reordering documents, SIGIR.

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
    model = recommender(model)
    seen = model.interactions
    k = min(_options.whole("k", k, low=1), len(seen.items))
    spread = _options.number("diversity", diversity, low=0.0, high=1.0)
    most = None if per_category is None else _options.whole("per_category", per_category, low=1)
    if (most is None) != (categories is None):
        msg = "categories= says which items are alike, per_category= how many of them a list may have: pass both or neither"
        raise OptionError(msg)
    favourites, popularity = popular_of(model if fallback is None else fallback, seen)
    past = None if history is None else _policy.folded_in(history, seen)
    who = _policy.asked(customers, seen, past)
    within_limit(who.row.size, k, "customers with up to {} items", "lower k, or ask for some customers at a time")

    excluded = _policy.excluded_from(exclude, who)
    denied = np.zeros(len(seen.items), np.bool_)
    if allow is not None:
        denied[:] = True
        denied[_policy.item_codes(allow, seen, "allow")] = False
    if deny is not None and _frame.is_frame(deny):
        excluded = _policy.both(excluded, _policy.table(*_policy.pairs_of(deny, who, "deny"), who))
    elif deny is not None:
        denied[_policy.item_codes(deny, seen, "deny")] = True
    choice = None
    if most is not None or spread > 0.0:
        category, n_categories = (np.full(len(seen.items), -1, np.int32), 0)
        if most is not None:
            category, n_categories = _policy.categorised(categories, seen)
        near = _policy.nothing(len(seen.items))
        if spread > 0.0:
            near = fit_item_knn(seen, k=ALIKE, measure="jaccard", n_threads=n_threads).neighbours
        choice = Choice(_frame.readonly(category), n_categories, most or len(seen.items), near, spread)

    found = best_lists(model, who, excluded, k, denied, choice, favourites, popularity, n_threads)
    names = tuple(dict.fromkeys((model.SOURCE, POPULARITY)))  # popularity itself has one
    return _frame.table(
        {
            "customer_id": _frame.Labelled(who.who.labels, np.repeat(who.who.codes, np.diff(found.start))),
            "item_id": _frame.Labelled(seen.items, found.item),
            "rank": np.arange(1, found.item.size + 1) - np.repeat(found.start[:-1], np.diff(found.start)),
            "score": found.score,
            "source": _frame.Categories(found.popular.astype(np.int8) * (len(names) - 1), names),
        },
        kind=seen.customers.kind,
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """Lists of items with their scores: that of customer c is ``item[start[c]:start[c + 1]]``, best first."""

    start: npt.NDArray[np.int64]
    item: npt.NDArray[np.int32]
    score: npt.NDArray[np.float64]
    popular: npt.NDArray[np.bool_]  # whether popularity answered in place of the model

    def taken(self, places: npt.NDArray[np.int64], start: npt.NDArray[np.int64]) -> Lists:
        """Return the entries at `places`, with the new offsets."""
        return Lists(start, self.item[places], self.score[places], self.popular[places])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Which items of a longer list go together."""

    category: npt.NDArray[np.int32]
    n_categories: int
    most: int
    near: Rows
    diversity: float

    def of(self, lists: Lists, k: int) -> Lists:
        """Choose up to `k` items of each list."""
        columns = (_frame.readonly(lists.start), _frame.readonly(lists.item), _frame.readonly(lists.score))
        near = (self.near.start, self.near.index, self.near.value)
        start, places = _l.chosen(*columns, self.category, self.n_categories, self.most, *near, self.diversity, POOL * k, k)
        return lists.taken(places, start)


def recommender(model: Any) -> Any:
    """Return a fitted recommender, or say that `model` is something else."""
    if not isinstance(getattr(model, "interactions", None), Interactions) or not hasattr(model, "top"):
        msg = f"expected a fitted recommender, got {type(model).__name__}"
        raise OptionError(msg)
    return model


def popular_of(model: Any, seen: Interactions) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
    """Return the items from the most popular, and how popular each is, as `model` counts them."""
    other = recommender(model).interactions
    # a model that was saved and read again has interactions of its own
    if other is not seen and not (len(other.items) == len(seen.items) and other.items.values.equals(seen.items.values)):
        msg = "fallback= was fitted to other interactions than the model; fit both to the same"
        raise OptionError(msg)
    favourites, popularity = model.popular
    return favourites, popularity


def best_lists(
    model: Any,
    who: _policy.Asked,
    excluded: Rows,
    k: int,
    denied: npt.NDArray[np.bool_],
    choice: Choice | None,
    favourites: npt.NDArray[np.int32],
    popularity: npt.NDArray[Any],
    n_threads: int | None,
) -> Lists:
    """Return the list of everybody asked for, in that order; popularity answers where the model has not one item."""
    n_items = len(who.seen.items)
    refused = _frame.readonly(np.flatnonzero(denied).astype(np.int32))
    size = PIECE if refused.size == 0 else max(1, min(PIECE, DENIED // refused.size))

    def found_in(places: npt.NDArray[np.intp], depth: int) -> Lists:
        part, known = who.row[places], who.known[places]
        out = excluded
        if refused.size:
            out = Rows(*_l.barred(excluded.start, excluded.index, refused, _frame.readonly(part)), excluded.value)
        start, item, score = model.top(who.rows, out, depth, _frame.readonly(part[known]))
        n = np.zeros(part.size, np.int64)
        n[known] = np.diff(start)
        unserved = n == 0
        rest = _frame.readonly(part[unserved])
        filled, popular = _k.most_popular(favourites, out.start, out.index, depth, rest)
        n[unserved] = np.diff(filled)
        # each customer has the rows of one source
        source = np.repeat(unserved, n)
        items, scores = np.empty(source.size, np.int32), np.empty(source.size, np.float64)
        items[~source], items[source] = item, popular
        scores[~source], scores[source] = score, popularity[popular]
        return Lists(np.concatenate([[0], np.cumsum(n)]), items, scores, source)

    def best(piece: tuple[int, int]) -> Lists:
        places = np.arange(*piece)
        if choice is None:
            return found_in(places, k)
        depth = min(POOL * k, n_items)
        lists = found_in(places, depth)
        chosen = choice.of(lists, k)
        while depth < n_items:
            # a list may be short because what follows was cut off: those are asked for again, deeper
            short = (np.diff(chosen.start) < k) & (np.diff(lists.start) == depth)
            if not short.any():
                break
            depth = min(4 * depth, n_items)
            deeper = found_in(places[short], depth)
            lists = replaced(lists, short, deeper)
            chosen = replaced(chosen, short, choice.of(deeper, k))
        return chosen

    return joined(_threads.run(best, _threads.chunks(who.row.size, size), n_threads=n_threads))


def joined(parts: list[Lists]) -> Lists:
    """Put lists one behind the other."""
    if not parts:
        return NO_LISTS
    n = np.concatenate([np.diff(part.start) for part in parts])
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("item", "score", "popular")]
    return Lists(np.concatenate([[0], np.cumsum(n)]), *columns)


def replaced(lists: Lists, places: npt.NDArray[np.bool_], by: Lists) -> Lists:
    """Return the lists with those at `places` replaced."""
    n = np.diff(lists.start)
    kept = np.repeat(~places, n)
    n[places] = np.diff(by.start)
    new = np.repeat(places, n)
    columns = []
    for name in ("item", "score", "popular"):
        values = np.empty(new.size, getattr(lists, name).dtype)
        values[~new], values[new] = getattr(lists, name)[kept], getattr(by, name)
        columns.append(values)
    return Lists(np.concatenate([[0], np.cumsum(n)]), *columns)


NO_LISTS = Lists(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float64), np.empty(0, np.bool_))
