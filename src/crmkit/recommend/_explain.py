"""Why an item is recommended: a score taken apart into what the customer bought."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.errors import DataError, FitError, OptionError
from crmkit.recommend import _policy
from crmkit.recommend._interactions import Interactions, Rows
from crmkit.recommend._top_items import best_lists, recommender
from crmkit.recommend.als import Als
from crmkit.recommend.ease import Ease
from crmkit.recommend.item_knn import ItemKnn
from crmkit.recommend.popularity import Frequency

__all__ = ["explain"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]


def explain(model: Any, customer: Any, items: Any = None, /, *, k: int = 3, history: Any = None) -> Any:
    r"""Say why a customer is recommended an item: how much of its score comes from which of their purchases.

    Parameters
    ----------
    model : ItemKnn, Ease, Als or Frequency
        A fitted recommender.
    customer : id
        One customer.
    items : list or column of ids, optional
        Items to explain, each once; by default the `k` best ones for the customer.
    k : int, default 3
        Number of items where none are named.
    history : EventLog, DataFrame or Interactions, optional
        Purchases of the customer, as in `recommend.top_items`.

    Returns
    -------
    DataFrame
        For ItemKnn, Ease and Als one row per item and purchase that speaks for or against it: item_id, because_id (what was
        bought), weight (of that purchase), contribution, and score, the sum of the item's contributions. The strongest comes
        first. An item that nothing speaks for has no row.

        For Frequency one row per item: item_id, weight (of the customer's own purchases of it), popularity (its share of the
        customers), score (their sum), days_since (from their last purchase of it to the last event of the log) and usual_gap
        (mean days between their purchases of it). The last two are missing where the log has no times, where the customer
        never bought the item, and usual_gap where they bought it once.

    Raises
    ------
    DataError
        The customer has no history, or an item was never bought before the fit.
    FitError
        The model cannot take its scores apart.
    OptionError
        An argument is outside what is accepted.

    Notes
    -----
    The contribution of a purchase j of weight :math:`w_{uj}` to item i is :math:`w_{uj} s_{ji}` with the similarity of an
    ItemKnn, and :math:`w_{uj} B_{ji}` with the weights of EASE: they sum to the score. For ALS it is

    .. math:: w_{uj}\; y_i^\top W_u\, y_j, \qquad W_u = \Bigl(w_0 Y^\top Y + \sum_j v_{uj}\, y_j y_j^\top
              + \lambda_u I\Bigr)^{-1},

    with the factors, weights and penalties of `recommend.fit_als`, and :math:`v_{uj} = w_{uj}` ("added") or
    :math:`w_{uj} - w_0` ("replaced"); they sum to the score in single precision. What speaks against an item has a negative
    contribution.

    References
    ----------
    Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback datasets, ICDM, section 5.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import recommend
    >>> lines = pd.DataFrame({"basket": [1, 1, 2, 2, 3, 3, 3], "item": ["milk", "eggs", "milk", "tea", "milk", "eggs", "tea"]})
    >>> seen = recommend.interactions(lines, customer="basket", item="item", time=None, amount=None)
    >>> recommend.explain(recommend.fit_item_knn(seen), 1)
      item_id because_id  weight  contribution     score
    0     tea       milk     1.0      0.816497  1.316497
    1     tea       eggs     1.0      0.500000  1.316497
    """
    model = recommender(model)
    if not isinstance(model, (ItemKnn, Ease, Als, Frequency)):
        able = "ItemKnn, Ease, Als and Frequency explain theirs"
        msg = f"the scores of {type(model).__name__} do not come from single purchases; {able}"
        raise FitError(msg)
    seen = model.interactions
    k = min(_options.whole("k", k, low=1), len(seen.items))
    past = None if history is None else _policy.folded_in(history, seen)
    who = _policy.asked(_single(customer), seen, past)
    start, end = who.rows.start[who.row[0]], who.rows.start[who.row[0] + 1]
    if not who.known[0] or start == end:
        msg = "the customer has no history the model knows: popularity answers for them; pass their purchases as history="
        raise DataError(msg)
    code, item_ids = _items(items, model, who, k)
    bought, weight = who.rows.index[start:end], who.rows.value[start:end].astype(np.float64)
    if isinstance(model, Frequency):
        return _habits(model, who, past, code, item_ids)

    shares = _shares(model, bought, weight, code)
    place, because = np.nonzero(shares)
    contribution = shares[place, because]
    # the strongest first, of equals the more popular purchase
    order = np.lexsort((seen.rank[bought[because]], -np.abs(contribution), place))
    place, because, contribution = place[order], because[order], contribution[order]
    return _frame.table(
        {
            "item_id": _frame.Labelled(item_ids.labels, item_ids.codes[place]),
            "because_id": _frame.Labelled(seen.items, bought[because]),
            "weight": weight[because],
            "contribution": contribution,
            "score": shares.sum(axis=1)[place],
        },
        kind=seen.items.kind,
    )


def _single(customer: Any) -> Any:
    """Put one id where a column of ids is read."""
    several = not isinstance(customer, (str, bytes, tuple)) and hasattr(customer, "__len__")
    if several or _frame.is_frame(customer):
        msg = "customer is one id: explain answers for one customer at a time"
        raise OptionError(msg)
    return [customer]


def _items(items: Any, model: Any, who: _policy.Asked, k: int) -> tuple[Codes, _frame.Ids]:
    """Return the codes of the items to explain: those named, or the best ones."""
    seen = who.seen
    if items is None:
        excluded = _policy.excluded_from("nothing" if isinstance(model, Frequency) else "bought", who)
        favourites, popularity = model.popular
        nothing = np.zeros(len(seen.items), np.bool_)
        lists = best_lists(model, who, excluded, k, nothing, None, favourites, popularity, 1)
        if lists.popular.any():
            msg = "none of the customer's purchases speaks for another item: popularity answers for them"
            raise DataError(msg)
        return lists.item, _frame.Ids(lists.item, seen.items)
    asked = _frame.listed(items, seen.items, keyword="items")
    code = seen.items.codes_of(asked.labels.values, what="item")[asked.codes].astype(np.int32)
    if code.size and code.min() < 0:
        count, place = _frame.first_place(code < 0)
        msg = f"items: {count:,} of {code.size:,} were never bought before the fit, the first at place {place}; leave them out"
        raise DataError(msg)
    return code, asked


def _shares(model: ItemKnn | Ease | Als, bought: Codes, weight: Floats, code: Codes) -> Floats:
    """Return what each purchase contributes to the score of each item: items x purchases."""
    if isinstance(model, Ease):
        return np.asarray(model.weights[bought][:, code].T.astype(np.float64) * weight)
    if isinstance(model, Als):
        items = model.item_factors.astype(np.float64)
        mine = items[bought]
        one = Rows(np.array([0, bought.size]), bought, weight.astype(np.float32))
        inner = model.gram[: model.factors, : model.factors] + mine.T @ (mine * (weight - model.removed)[:, None])
        inner = inner + np.eye(model.factors) * model.penalties(one)[0]
        return np.asarray(items[code] @ np.linalg.solve(inner, mine.T) * weight)
    near, shares = model.neighbours, np.zeros((code.size, bought.size))
    place_of = np.full(len(model.interactions.items), -1, np.int64)
    place_of[code] = np.arange(code.size)
    for b, j in enumerate(bought.tolist()):
        row = slice(near.start[j], near.start[j + 1])
        place = place_of[near.index[row]]
        shares[place[place >= 0], b] = weight[b] * near.value[row][place >= 0].astype(np.float64)
    return shares


def _habits(model: Frequency, who: _policy.Asked, past: Interactions | None, code: Codes, item_ids: _frame.Ids) -> Any:
    """Say how often, how long ago and how regularly the customer bought each item themselves."""
    seen, row = who.seen, int(who.row[0])
    known, offset = (past, row - len(seen.by_customer)) if past is not None and row >= len(seen.by_customer) else (seen, row)
    place = slice(known.by_customer.start[offset], known.by_customer.start[offset + 1])
    weight, since, gap = np.zeros(len(seen.items)), np.full(len(seen.items), np.nan), np.full(len(seen.items), np.nan)
    bought = known.by_customer.index[place]
    weight[bought] = known.by_customer.value[place]
    if known.age is not None and known.gap is not None:
        since[bought] = known.age[place]
        between = known.gap[place].astype(np.float64)
        gap[bought] = np.where(between > 0.0, between, np.nan)
    return _frame.table(
        {
            "item_id": _frame.Labelled(item_ids.labels, item_ids.codes),
            "weight": weight[code],
            "popularity": model.share[code],
            "score": weight[code] + model.share[code],
            "days_since": since[code],
            "usual_gap": gap[code],
        },
        kind=seen.items.kind,
    )
