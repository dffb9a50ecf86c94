"""What everybody buys, and what each customer buys again: the baselines that every other model has to beat."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _options
from crmkit._frame import readonly
from crmkit._kernels import frequency as _f
from crmkit._kernels import item_knn as _k
from crmkit.errors import ColumnError, OptionError
from crmkit.recommend._interactions import Interactions, Rows, checked
from crmkit.recommend._model import Fitted

__all__ = ["Frequency", "Popularity", "fit_frequency", "fit_popularity"]


def fit_popularity(interactions: Interactions, /, *, count: str = "customers", within: str | None = None) -> Popularity:
    """Count what everybody buys: the same items for all, of all times or of late.

    Parameters
    ----------
    interactions : Interactions
        What `recommend.interactions` returned.
    count : {"customers", "weight"}, default "customers"
        "customers" counts those who bought the item; "weight" adds up the weights of the interactions: order lines, recent
        ones for more if the interactions have a half-life.
    within : str, optional
        Count the customers who bought within this time before the last purchase of the log alone, such as "30D": the last 30
        calendar days where the log has dates.

    Returns
    -------
    Popularity
        The frozen model; it keeps the interactions.

    Raises
    ------
    ColumnError
        `within` needs the times of purchases, and the interactions were made without.
    OptionError
        An argument is outside what is accepted, or `interactions` is no result of `recommend.interactions`.

    Notes
    -----
    Of equally popular items the one that more customers ever bought comes first, then the lower id. Items that nobody bought
    of late come last, with score 0.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import recommend
    >>> baskets = pd.DataFrame({"basket": [1, 1, 2, 2, 3, 3], "item": ["milk", "eggs", "milk", "eggs", "milk", "tea"]})
    >>> seen = recommend.interactions(baskets, customer="basket", item="item", time=None, amount=None)
    >>> recommend.top_items(recommend.fit_popularity(seen), [3], exclude="nothing")
       customer_id item_id  rank  score      source
    0            3    milk     1    3.0  popularity
    1            3    eggs     2    2.0  popularity
    2            3     tea     3    1.0  popularity
    """
    seen = checked(interactions)
    count = _options.choice("count", count, ("customers", "weight"))
    if count == "weight":
        if within is not None:
            msg = f"within={within!r} counts customers; weights fade by the half_life of the interactions"
            raise OptionError(msg)
        score = _summed(seen)
    else:
        score = _buyers(seen, within).astype(np.float64)
    return Popularity(interactions=seen, count=count, within=within, score=readonly(score), order=_by(score, seen))


def fit_frequency(interactions: Interactions, /, *, within: str | None = None) -> Frequency:
    r"""Count what each customer buys again, and what everybody buys where that leaves room.

    Parameters
    ----------
    interactions : Interactions
        What `recommend.interactions` returned. With a half-life, recent purchases count for more.
    within : str, optional
        Take as popular what customers bought within this time before the last purchase of the log, such as "30D"; by default
        what they ever bought.

    Returns
    -------
    Frequency
        The frozen model; it keeps the interactions.

    Raises
    ------
    ColumnError
        `within` needs the times of purchases, and the interactions were made without.
    OptionError
        An argument is outside what is accepted, or `interactions` is no result of `recommend.interactions`.

    Notes
    -----
    The score of item i for customer u is :math:`w_{ui} + n_i / (n + 1)`, with the weight of the interactions, the customers
    :math:`n_i` who bought the item (within the time given) and all n of them. The second term is below 1. Where weights are
    counts it therefore decides between items bought equally often, and lists what the customer has never bought behind all
    that they have. Of equal scores the item that more customers ever bought comes first, then the lower id.

    Ask for repeat purchases with ``top_items(model, exclude="nothing")``: without what customers bought before, what is left
    is popularity. It is hard to beat where customers buy the same again, and knows nothing of what goes with what.

    References
    ----------
    Faggioli, Polato and Aiolli (2020), Recency aware collaborative filtering for next basket recommendation, UMAP.
    Li, Jullien, Ariannezhad and de Rijke (2023), A next basket recommendation reality check, ACM TOIS 41(4).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import recommend
    >>> lines = pd.DataFrame({"basket": [1, 1, 1, 2, 2, 3], "item": ["tea", "tea", "eggs", "milk", "eggs", "milk"]})
    >>> seen = recommend.interactions(lines, customer="basket", item="item", time=None, amount=None)
    >>> recommend.top_items(recommend.fit_frequency(seen), [1], exclude="nothing")
       customer_id item_id  rank  score     source
    0            1     tea     1   2.25  frequency
    1            1    eggs     2   1.50  frequency
    2            1    milk     3   0.50  frequency
    """
    seen = checked(interactions)
    share = _buyers(seen, within) / (len(seen.customers) + 1.0)
    return Frequency(interactions=seen, within=within, share=readonly(share), order=_by(share, seen))


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Popularity(Fitted):
    """How popular every item is; made by `fit_popularity`, never changed.

    Attributes
    ----------
    interactions : Interactions
        The purchases it was fitted to, which it leaves out.
    count : str
        What was counted.
    within : str or None
        The time before the last purchase in which customers were counted.
    score : ndarray of float64
        Popularity of each item.
    order : ndarray of int32
        Items from the most popular.
    SOURCE : str
        What the column source of `recommend.top_items` calls it.
    """

    SOURCE: ClassVar[str] = "popularity"

    interactions: Interactions
    count: str
    within: str | None
    score: npt.NDArray[np.float64]
    order: npt.NDArray[np.int32]

    @property
    def popular(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """The items from the most popular, and how popular each of them is."""
        return self.order, self.score

    def top(
        self, history: Rows, excluded: Rows, k: int, customers: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Return the `k` best items of `customers`, rows of `history`, as (start, item, score), best first."""
        start, item = _k.most_popular(self.order, excluded.start, excluded.index, k, customers)
        del history  # the same items for all
        return start, item, self.score[item]

    def __repr__(self) -> str:
        return "\n".join(
            [
                "Popularity",
                f"  count      {self.count}{'' if self.within is None else f' within {self.within}'}",
                f"  items      {self.score.size:,}, of which {np.count_nonzero(self.score):,} were bought then",
                f"  customers  {len(self.interactions.customers):,}",
            ]
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Frequency(Fitted):
    """What each customer buys again; made by `fit_frequency`, never changed.

    Attributes
    ----------
    interactions : Interactions
        The purchases it was fitted to, which it counts.
    within : str or None
        The time before the last purchase in which what is popular was counted.
    share : ndarray of float64
        Share of the customers who bought each item.
    order : ndarray of int32
        Items from the most popular.
    SOURCE : str
        What the column source of `recommend.top_items` calls it.
    """

    SOURCE: ClassVar[str] = "frequency"

    interactions: Interactions
    within: str | None
    share: npt.NDArray[np.float64]
    order: npt.NDArray[np.int32]

    @property
    def popular(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """The items from the most popular, and the share of customers who bought each of them."""
        return self.order, self.share

    def top(
        self, history: Rows, excluded: Rows, k: int, customers: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Return the `k` best items of `customers`, rows of `history`, as (start, item, score), best first."""
        return _f.top_frequent(
            history.start,
            history.index,
            history.value,
            self.share,
            self.order,
            self.interactions.rank,
            self.interactions.order,
            excluded.start,
            excluded.index,
            k,
            customers,
        )

    def __repr__(self) -> str:
        seen = self.interactions
        return "\n".join(
            [
                "Frequency",
                f"  popular    {'ever' if self.within is None else f'within {self.within}'}",
                f"  items      {len(seen.items):,}",
                f"  customers  {len(seen.customers):,}",
            ]
        )


def _buyers(seen: Interactions, within: str | None) -> npt.NDArray[np.int64]:
    """Count the customers who bought each item, in the time before the last purchase alone if wanted."""
    if within is None:
        return seen.buyers
    days = _options.days("within", within)
    if seen.age is None:
        msg = f"within={within!r} needs the times of purchases; name their column with time= when you make the interactions"
        raise ColumnError(msg)
    return np.bincount(seen.by_customer.index[seen.age < days], minlength=len(seen.items))


def _summed(seen: Interactions) -> npt.NDArray[np.float64]:
    """Add up the weights of each item, in an order that follows from the table."""
    total: npt.NDArray[np.float64] = np.zeros(len(seen.items))
    np.add.at(total, seen.by_customer.index, seen.by_customer.value)
    return total


def _by(score: npt.NDArray[np.float64], seen: Interactions) -> npt.NDArray[np.int32]:
    """Sort the items by falling score, ties by their rank."""
    return readonly(seen.order[np.argsort(-score[seen.order], kind="stable")])
