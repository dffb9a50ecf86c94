"""What customers alike buy, added to what each customer buys again."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _options
from crmkit._kernels import user_knn as _k
from crmkit.recommend._interactions import SMALLEST, Interactions, Rows, checked
from crmkit.recommend._model import Fitted, picked

__all__ = ["UserKnn", "fit_user_knn"]


def fit_user_knn(
    interactions: Interactions,
    /,
    *,
    k: int = 300,
    asymmetry: float = 0.5,
    locality: float = 3.0,
) -> UserKnn:
    r"""Let customers who bought the same items recommend to each other, and to themselves what they buy often.

    Parameters
    ----------
    interactions : Interactions
        What `recommend.interactions` returned. With a half-life, what customers bought of late counts for more.
    k : int, default 300
        Most customers who recommend to one.
    asymmetry : float, default 0.5
        From 0, where customers who bought little are the nearest, to 1, where those who bought much are; in between, 0.5 is the
        cosine of the sets of items.
    locality : float, default 3.0
        Power to which similarities count, above 0: more of it listens to the nearest alone, and to the customer most of all.

    Returns
    -------
    UserKnn
        The frozen model; it keeps the interactions. Neighbours are found when items are asked for.

    Raises
    ------
    OptionError
        An argument is outside what is accepted, or `interactions` is no result of `recommend.interactions`.

    Notes
    -----
    With :math:`p_{ui} = w_{ui} / \max_j w_{uj}` the weight of an item beside that of what the customer buys most, the score of
    item i for customer u is

    .. math:: p_{ui} + \sum_{v \in N(u)} s_{uv}^q \, p_{vi}, \qquad s_{uv} = \frac{n_{uv}}{n_u^{\alpha} \, n_v^{1 - \alpha}},

    over the `k` most similar customers N(u), where :math:`n_{uv}` is the number of items both bought, α is `asymmetry` and q is
    `locality`. It is the sum over all customers of the paper, the customer included, who is most similar to themselves; a basket
    is an order line here, and recency a half-life. Customers who bought exactly the same items are no neighbours: they have
    nothing to add. Of equally similar customers the lower id comes first; of equal scores the item with more buyers, then the
    lower id. Ask for repeat purchases with ``top_items(model, exclude="nothing")``.

    Time grows with the sum over the items of the squared number of their customers; memory never does.

    References
    ----------
    Faggioli, Polato and Aiolli (2020), Recency aware collaborative filtering for next basket recommendation, UMAP.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import recommend
    >>> baskets = pd.DataFrame({"basket": [1, 1, 2, 2, 3, 3], "item": ["milk", "eggs", "milk", "eggs", "milk", "tea"]})
    >>> seen = recommend.interactions(baskets, customer="basket", item="item", time=None, amount=None)
    >>> recommend.top_items(recommend.fit_user_knn(seen), [3], exclude="nothing")
       customer_id item_id  rank  score    source
    0            3    milk     1   1.25  user_knn
    1            3     tea     2   1.00  user_knn
    2            3    eggs     3   0.25  user_knn
    """
    seen = checked(interactions)
    return UserKnn(
        interactions=seen,
        k=_options.whole("k", k, low=1),
        asymmetry=_options.number("asymmetry", asymmetry, low=0.0, high=1.0),
        locality=_options.number("locality", locality, low=0.0, ends=False),
        shares=shares(seen.by_customer),
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class UserKnn(Fitted):
    """Customers who recommend to those like them; made by `fit_user_knn`, never changed.

    Attributes
    ----------
    interactions : Interactions
        The purchases it was fitted to, which it recommends from and leaves out.
    k : int
        Customers asked for.
    asymmetry, locality : float
        How similarity is measured, and the power to which it counts.
    shares : ndarray of float32
        Weight of each pair of the interactions beside that of what the customer buys most.
    SOURCE : str
        What the column source of `recommend.top_items` calls it.
    """

    SOURCE: ClassVar[str] = "user_knn"

    interactions: Interactions
    k: int
    asymmetry: float
    locality: float
    shares: npt.NDArray[np.float32]

    def top(
        self, history: Rows, excluded: Rows, k: int, customers: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Return the `k` best items of `customers`, rows of `history`, as (start, item, score), best first."""
        seen = self.interactions
        own = picked(history, customers)
        out = picked(Rows(excluded.start, excluded.index, np.empty(0, np.float32)), customers)
        return _k.top_alike(
            own.start,
            own.index,
            shares(own),
            seen.by_item.start,
            seen.by_item.index,
            seen.by_customer.start,
            seen.by_customer.index,
            self.shares,
            self.asymmetry,
            self.locality,
            min(self.k, len(seen.customers)),
            seen.rank,
            seen.order,
            out.start,
            out.index,
            k,
            np.arange(customers.size, dtype=np.int32),
        )

    def __repr__(self) -> str:
        return "\n".join(
            [
                "UserKnn",
                f"  k          {self.k}",
                f"  asymmetry  {self.asymmetry:g}",
                f"  locality   {self.locality:g}",
                f"  items      {len(self.interactions.items):,}",
                f"  customers  {len(self.interactions.customers):,}",
            ]
        )


def shares(rows: Rows) -> npt.NDArray[np.float32]:
    """Divide the weights of each row by the largest of them."""
    size = np.diff(rows.start)
    largest = np.ones(len(rows), np.float32)
    filled = size > 0
    if rows.index.size:
        largest[filled] = np.maximum.reduceat(rows.value, rows.start[:-1][filled])
    found: npt.NDArray[np.float32] = np.maximum(rows.value / np.repeat(largest, size), np.float32(SMALLEST))
    found.flags.writeable = False
    return found
