"""A linear model of every item by all others, solved in closed form: hard to beat where the catalogue is moderate."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _options, _threads
from crmkit._frame import readonly
from crmkit._kernels import ease as _k
from crmkit.errors import FitError, LimitError
from crmkit.recommend._interactions import Interactions, Rows, checked
from crmkit.recommend._model import Fitted

__all__ = ["Ease", "fit_ease"]

PIECE = 64  # items of one piece of work
BYTES = 8 + 4  # of one cell: the products in double precision, the weights in single


def fit_ease(
    interactions: Interactions,
    /,
    *,
    penalty: float = 200.0,
    max_gb: float = 8.0,
    n_threads: int | None = None,
) -> Ease:
    r"""Learn how much each item says about every other one, all of them together, from what was bought by the same customers.

    Parameters
    ----------
    interactions : Interactions
        What `recommend.interactions` returned; made with ``weight="once"``, every pair counts the same.
    penalty : float, default 200.0
        Penalty on squared weights, above 0: more of it trusts chance less. In the scale of customers (for pairs that count
        1); good values lie between 50 and 1,000 and grow with the number of customers.
    max_gb : float, default 8.0
        Most memory to use, in units of 10⁹ bytes: 12 bytes for every pair of items.
    n_threads : int, optional
        Threads to use; by default all cores this process may use. The answer does not depend on it.

    Returns
    -------
    Ease
        The frozen model; it keeps the interactions, and a table of items × items.

    Raises
    ------
    OptionError
        An argument is outside what is accepted, or `interactions` is no result of `recommend.interactions`.
    LimitError
        The catalogue is too large for `max_gb`.
    FitError
        The equations cannot be solved in double precision, for weights of extremely different sizes.

    Notes
    -----
    With X the table of customers × items, B minimises :math:`\lVert X - XB \rVert^2 + \lambda \lVert B \rVert^2` subject to
    :math:`B_{jj} = 0`, so that no item explains itself. With :math:`P = (X^\top X + \lambda I)^{-1}`,

    .. math:: B_{ij} = -P_{ij} / P_{jj} \quad (i \neq j).

    A customer's score for item j is :math:`\sum_i x_{ui} B_{ij}`; items whose score is not above zero are not recommended.
    Unlike item by item similarities, the weights know what the other items have explained already.

    Time grows with the third power of the number of items: seconds for some thousands, minutes for 20,000. The last digits
    depend on the linear algebra library numpy and scipy were built with, and on how many threads it is told to use.

    References
    ----------
    Steck (2019), Embarrassingly shallow autoencoders for sparse data, WWW.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import recommend
    >>> baskets = pd.DataFrame({"basket": [1, 1, 2, 2, 3, 3], "item": ["milk", "eggs", "milk", "eggs", "milk", "tea"]})
    >>> seen = recommend.interactions(baskets, customer="basket", item="item", time=None, amount=None)
    >>> recommend.top_items(recommend.fit_ease(seen, penalty=1.0), [1, 3])
       customer_id item_id  rank     score source
    0            1     tea     1  0.125000   ease
    1            3    eggs     1  0.285714   ease
    """
    from scipy.linalg import lapack

    seen = checked(interactions)
    penalty = _options.number("penalty", penalty, low=0.0, ends=False)
    limit = _options.number("max_gb", max_gb, low=0.0, ends=False)
    n = len(seen.items)
    if n * n * BYTES > limit * 1e9:
        msg = (
            f"{n:,} items take {n * n * BYTES / 1e9:,.1f} GB, the limit is max_gb={limit:g}; fit_item_knn needs no table of"
            " items x items, or leave out items that few customers bought"
        )
        raise LimitError(msg)
    items, customers = seen.by_item, seen.by_customer
    products = np.empty((n, n))
    pieces = _threads.chunks(n, PIECE)

    def multiply(piece: tuple[int, int]) -> None:
        _k.gram(
            items.start, items.index, items.value, customers.start, customers.index, customers.value, penalty, *piece, products
        )

    _threads.run(multiply, pieces, n_threads=n_threads)
    # the table is symmetric, so that its transpose is what Fortran calls the same table: solved where it stands
    factor, failed = lapack.dpotrf(products.T, lower=0, overwrite_a=1, clean=0)
    inverse, singular = (factor, 0) if failed else lapack.dpotri(factor, lower=0, overwrite_c=1)
    if failed or singular:
        msg = (
            f"the equations are singular in double precision with penalty={penalty:g}; raise it, or weigh interactions more alike"
        )
        raise FitError(msg)
    # Fortran's upper triangle is the lower one here
    solved, weights = readonly(inverse.T), np.empty((n, n), np.float32)
    _threads.run(lambda piece: _k.from_inverse(solved, *piece, weights), pieces, n_threads=n_threads)
    return Ease(interactions=seen, penalty=penalty, weights=readonly(weights))


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ease(Fitted):
    """How much every item says about every other one; made by `fit_ease`, never changed.

    Attributes
    ----------
    interactions : Interactions
        The purchases it was fitted to, which it recommends from and leaves out.
    penalty : float
        Penalty on squared weights.
    weights : ndarray of float32
        What having bought the item of the row says about the item of the column.
    SOURCE : str
        What the column source of `recommend.top_items` calls it.
    """

    SOURCE: ClassVar[str] = "ease"

    interactions: Interactions
    penalty: float
    weights: npt.NDArray[np.float32]

    def top(
        self, history: Rows, excluded: Rows, k: int, customers: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Return the `k` best items of `customers`, rows of `history`, as (start, item, score), best first."""
        return _k.top_dense(
            history.start,
            history.index,
            history.value,
            self.weights,
            self.interactions.rank,
            self.interactions.order,
            excluded.start,
            excluded.index,
            k,
            customers,
        )

    def __repr__(self) -> str:
        return "\n".join(
            [
                "Ease",
                f"  penalty    {self.penalty:g}",
                f"  items      {len(self.interactions.items):,}",
                f"  customers  {len(self.interactions.customers):,}",
            ]
        )
