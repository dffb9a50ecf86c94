"""A few hidden tastes per customer, fitted to what was bought and what was not: matrix factorisation by least squares."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _options, _threads
from crmkit._frame import readonly
from crmkit._kernels import als as _k
from crmkit.errors import ConvergenceWarning, FitError, LimitError
from crmkit.recommend._interactions import Interactions, Rows, checked
from crmkit.recommend._model import Fitted, picked

__all__ = ["Als", "fit_als"]

PIECE = 64  # rows of one piece of work
LANES = 16  # factors are padded with zeros to a multiple of what a vector instruction takes
WIDEST = 128  # factors changed at once, unless said otherwise
BLOCK = 64  # factors changed at once where there are more
SPREAD = 0.1  # standard deviation of the products at the start
MOST_FACTORS = 4096
MOST_NUMBERS = 1_000_000_000
SETTLED = 1e-2  # share of the loss that the last sweep may still have saved
FOLD_STEPS, FOLD_TOLERANCE = 200, 1e-10  # of squared gradients: solved to single precision

Table = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float64]


def fit_als(
    interactions: Interactions,
    /,
    *,
    factors: int = 64,
    sweeps: int = 15,
    unobserved_weight: float = 1.0,
    penalty: float = 0.004,
    penalty_exponent: float = 1.0,
    weighting: str = "added",
    block: int | None = None,
    steps: int = 3,
    rng: Any = 0,
    n_threads: int | None = None,
) -> Als:
    r"""Learn a few hidden tastes of every customer, and what each item has of them, from what was bought and what was not.

    Parameters
    ----------
    interactions : Interactions
        What `recommend.interactions` returned; made with ``weight="once"``, every pair counts the same.
    factors : int, default 64
        Number of tastes.
    sweeps : int, default 15
        How often all customers and then all items are fitted anew.
    unobserved_weight : float, default 1.0
        Weight of a pair that did not occur, :math:`w_0` below, above 0. Less of it suits catalogues of which everybody sees
        little.
    penalty : float, default 0.004
        Penalty on squared factors, above 0, in units of the weights of a customer's or an item's pairs.
    penalty_exponent : float, default 1.0
        How far the penalty grows with these weights, from 0 (the same for all) to 1 (in proportion). Whatever it is, the mean
        penalty is the same.
    weighting : {"added", "replaced"}, default "added"
        What a pair that occurred weighs: its own weight and :math:`w_0` ("added"), or its own weight alone ("replaced").
    block : int, optional
        Factors changed at once, of which `factors` should be a multiple. By default all of them up to 128, else 64.
    steps : int, default 3
        Conjugate gradient steps of each customer and item in each sweep.
    rng : int, Generator or None, default 0
        Seed of the random factors to start from.
    n_threads : int, optional
        Threads to use; by default all cores this process may use. The answer does not depend on it.

    Returns
    -------
    Als
        The frozen model; it keeps the interactions.

    Raises
    ------
    OptionError
        An argument is outside what is accepted, or `interactions` is no result of `recommend.interactions`.
    FitError
        Factors grow beyond single precision, for weights or options of extreme size.
    LimitError
        `factors` times the customers and items are more than 1,000 million numbers, 4 GB.

    Warns
    -----
    ConvergenceWarning
        The last sweep still lowered the loss by more than a hundredth; the model says ``converged=False``.

    Notes
    -----
    Minimises, over the factors :math:`x_u` of customers and :math:`y_i` of items, with weights :math:`c_{ui}` of the pairs S
    that occurred,

    .. math:: \sum_{(u,i) \in S} c_{ui} (1 - x_u^\top y_i)^2 + w_0 \sum_{u, i} (x_u^\top y_i)^2
              + \sum_u \lambda_u \lVert x_u \rVert^2 + \sum_i \lambda_i \lVert y_i \rVert^2,

    where the second sum runs over all pairs ("added"), or over those that did not occur ("replaced"), and
    :math:`\lambda_u = s \lambda (\sum_i c_{ui} + w_0 m)^\nu` with m items, and likewise for items with n customers; the
    constant s keeps the sum of all penalties at what it is for :math:`\nu = 1`, so that values of the penalty can be compared
    over exponents. A penalty that grows with what it is weighed against suits many factors as well as few.

    Each step is a ridge regression of one side on the other, solved by conjugate gradients from the last factors on. With a
    `block`, some factors at a time are fitted to what the others leave, which costs less where there are hundreds. With
    "replaced", where all weights equal :math:`w_0`, the regressions of a side share one matrix, and are solved together.
    ``model.loss`` has the loss after every sweep.

    The default weight and penalty are those that found most of what customers of Online Retail II bought later or was held out
    (recall@20), among those that do so within 0.01 for 32, 64 and 128 factors alike, there and on simulated purchases. Less
    penalty can find more with many factors, where there are data to choose it on.

    The score of an item is :math:`x_u^\top y_i`: about 0 for what a customer would not buy, about 1 for what they would; it is
    no probability, and can be negative. All items are ranked. Customers in a `history` are fitted to it with the items as they
    are, just as those of the fit are at its end: the same purchases give the same scores.

    References
    ----------
    Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback datasets, ICDM.
    Takács, Pilászy and Tikk (2011), Applications of the conjugate gradient method for implicit feedback collaborative
    filtering, RecSys.
    Rendle, Krichene, Zhang and Koren (2022), Revisiting the performance of iALS on item recommendation benchmarks, RecSys.
    Rendle, Krichene, Zhang and Koren (2021), iALS++: speeding up matrix factorization with subspace optimization.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import recommend
    >>> baskets = pd.DataFrame({"basket": [1, 1, 2, 2, 3, 3], "item": ["milk", "eggs", "milk", "eggs", "milk", "tea"]})
    >>> seen = recommend.interactions(baskets, customer="basket", item="item", time=None, amount=None)
    >>> model = recommend.fit_als(seen, factors=2, sweeps=30, unobserved_weight=0.1)
    >>> recommend.top_items(model, [3])[["customer_id", "item_id", "rank", "source"]]
       customer_id item_id  rank source
    0            3    eggs     1    als
    """
    seen = checked(interactions)
    d = _options.whole("factors", factors, low=1, high=MOST_FACTORS)
    rows = len(seen.customers) + len(seen.items)
    if rows * d > MOST_NUMBERS:
        msg = f"{d:,} factors of {rows:,} customers and items are more than {MOST_NUMBERS:,} numbers; take fewer factors"
        raise LimitError(msg)
    n_sweeps = _options.whole("sweeps", sweeps, low=1)
    n_steps = _options.whole("steps", steps, low=1)
    w0 = _options.number("unobserved_weight", unobserved_weight, low=0.0, ends=False)
    strength = _options.number("penalty", penalty, low=0.0, ends=False)
    exponent = _options.number("penalty_exponent", penalty_exponent, low=0.0, high=1.0)
    replaced = _options.choice("weighting", weighting, ("added", "replaced")) == "replaced"
    at_once = (d if d <= WIDEST else BLOCK) if block is None else _options.whole("block", block, low=1, high=d)
    # zeros fill the last block up, and every block to whole vectors
    at_once = -(-at_once // LANES) * LANES
    width = -(-d // at_once) * at_once
    n, m = len(seen.customers), len(seen.items)
    bought_by, bought = mass(seen.by_customer) + w0 * m, mass(seen.by_item) + w0 * n
    scale = strength * (bought_by.sum() + bought.sum()) / ((bought_by**exponent).sum() + (bought**exponent).sum())
    of_customers, of_items = (scale * bought_by**exponent).astype(np.float32), (scale * bought**exponent).astype(np.float32)
    removed = w0 if replaced else 0.0
    alike = replaced and bool((seen.by_customer.value == np.float32(w0)).all())

    def improved(rows: Rows, other: Table, mine: Table, penalties: Table) -> tuple[Table, float]:
        whole = w0 * gram(other, n_threads)
        if alike:
            return together(rows, other, whole, penalties, n_threads)
        return solved(rows, other, mine, whole, penalties, removed, at_once, n_steps, 0.0, n_threads)

    items = np.zeros((m, width), np.float32)
    items[:, :d] = _options.generator(rng).standard_normal((m, d), np.float32) * (SPREAD / np.sqrt(d))
    customers = np.zeros((n, width), np.float32)
    loss: list[float] = []
    for _ in range(n_sweeps):
        customers, _lost = improved(seen.by_customer, readonly(items), readonly(customers), of_customers)
        items, lost = improved(seen.by_item, readonly(customers), readonly(items), of_items)
        loss.append(lost + float(np.einsum("uf,uf->u", customers, customers).astype(np.float64) @ of_customers))
    if not (np.isfinite(loss[-1]) and np.isfinite(items).all()):
        msg = (
            f"the factors have no end in single precision with unobserved_weight={w0:g} and penalty={strength:g}; weigh"
            " interactions more alike, or choose milder options"
        )
        raise FitError(msg)
    converged = n_sweeps > 1 and loss[-2] - loss[-1] <= SETTLED * loss[-2]
    if not converged:
        fell = f"lowered the loss by {(loss[-2] - loss[-1]) / loss[-2]:.2%}" if n_sweeps > 1 else "is the only one"
        msg = f"the last of {n_sweeps} sweeps {fell}: the factors have not settled; raise sweeps"
        warnings.warn(msg, ConvergenceWarning, stacklevel=2)
    whole = w0 * gram(readonly(items), n_threads)
    model = Als(
        interactions=seen,
        factors=d,
        unobserved_weight=w0,
        penalty=strength,
        penalty_exponent=exponent,
        penalty_scale=float(scale),
        weighting=weighting,
        loss=tuple(loss),
        converged=converged,
        customer_table=customers,
        item_table=items,
        by_factor=by_factor(items, seen.order),
        gram=whole,
    )
    # as customers in a history are: from nothing, to the end
    return dataclasses.replace(model, customer_table=model.folded_in(seen.by_customer, n_threads))


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Als(Fitted):
    """Hidden tastes of customers and items; made by `fit_als`, never changed.

    Attributes
    ----------
    interactions : Interactions
        The purchases it was fitted to, which it recommends from and leaves out.
    factors : int
        Number of tastes.
    unobserved_weight : float
        Weight of a pair that did not occur.
    penalty, penalty_exponent, penalty_scale : float
        The penalty asked for, and its exponent; the penalty of a customer is the scale times their weight to the exponent.
    weighting : str
        What a pair that occurred weighs.
    loss : tuple of float
        What is minimised, after each sweep.
    converged : bool
        Whether the last sweep lowered the loss by less than a hundredth.
    customer_table, item_table : ndarray of float32
        Factors by customer and by item, filled up with zeros.
    by_factor : ndarray of float32
        Items by factor, the most popular first, filled up with zeros.
    gram : ndarray of float64
        Sum of the outer products of the items' factors, times the weight of what did not occur.
    SOURCE : str
        What the column source of `recommend.top_items` calls it.
    """

    SOURCE: ClassVar[str] = "als"

    interactions: Interactions
    factors: int
    unobserved_weight: float
    penalty: float
    penalty_exponent: float
    penalty_scale: float
    weighting: str
    loss: tuple[float, ...]
    converged: bool
    customer_table: Table
    item_table: Table
    by_factor: Table
    gram: Weights

    @property
    def customer_factors(self) -> Table:
        """Factors of each customer."""
        return self.customer_table[:, : self.factors]

    @property
    def item_factors(self) -> Table:
        """Factors of each item."""
        return self.item_table[:, : self.factors]

    def folded_in(self, history: Rows, n_threads: int | None = 1) -> Table:
        """Return the factors of customers with this history, with the items as they are; the columns are those of the tables."""
        start = np.zeros((len(history), self.item_table.shape[1]), np.float32)
        penalties = self.penalties(history).astype(np.float32)
        found, _ = solved(
            history,
            self.item_table,
            start,
            self.gram,
            penalties,
            self.removed,
            self.item_table.shape[1],
            FOLD_STEPS,
            FOLD_TOLERANCE,
            n_threads,
        )
        return readonly(found)

    def penalties(self, history: Rows) -> Weights:
        """Return the penalty of customers with this history."""
        weighed = mass(history) + self.unobserved_weight * len(self.interactions.items)
        return np.asarray(self.penalty_scale * weighed**self.penalty_exponent)

    @property
    def removed(self) -> float:
        """What squares of pairs that occurred weigh less than the pairs do."""
        return self.unobserved_weight if self.weighting == "replaced" else 0.0

    def factors_of(self, history: Rows, customers: npt.NDArray[np.int32]) -> Table:
        """Return the factors of `customers`, rows of `history`, the first of which are the customers of the fit."""
        fitted = customers < self.customer_table.shape[0]
        if fitted.all():
            return readonly(self.customer_table[customers])
        found = np.empty((customers.size, self.customer_table.shape[1]), np.float32)
        found[fitted] = self.customer_table[customers[fitted]]
        found[~fitted] = self.folded_in(picked(history, customers[~fitted]))
        return readonly(found)

    def top(
        self, history: Rows, excluded: Rows, k: int, customers: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Return the `k` best items of `customers`, rows of `history`, as (start, item, score), best first."""
        return _k.top_factors(
            self.factors_of(history, customers),
            self.by_factor,
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
                "Als",
                f"  factors            {self.factors}",
                f"  unobserved_weight  {self.unobserved_weight:g}",
                f"  penalty            {self.penalty:g}, exponent {self.penalty_exponent:g}",
                f"  weighting          {self.weighting}",
                f"  loss               {self.loss[-1]:.6g} after {len(self.loss)} sweeps, converged {self.converged}",
                f"  items              {len(self.interactions.items):,}",
                f"  customers          {len(self.interactions.customers):,}",
            ]
        )


def mass(rows: Rows) -> Weights:
    """Sum the weights of each row, one after the other: the same purchases give the same bits wherever they stand."""
    owner = np.repeat(np.arange(len(rows)), np.diff(rows.start))
    return np.asarray(np.bincount(owner, weights=rows.value, minlength=len(rows)), np.float64)


def gram(table: Table, n_threads: int | None) -> Weights:
    """Sum the outer products of the rows of a table."""
    pieces = _threads.chunks(table.shape[0], 16 * PIECE)
    parts = _threads.run(lambda piece: _k.gram(table, *piece), pieces, n_threads=n_threads)
    total = np.zeros((table.shape[1], table.shape[1]))
    for part in parts:
        total += part
    return total


def solved(
    rows: Rows,
    other: Table,
    mine: Table,
    whole: Weights,
    penalties: Table,
    removed: float,
    block: int,
    steps: int,
    tolerance: float,
    n_threads: int | None,
) -> tuple[Table, float]:
    """Improve the factors of all rows, and return them with their part of the loss."""
    out, single = np.empty(mine.shape, np.float32), readonly(whole.astype(np.float32))
    mine, penalties = readonly(mine), readonly(penalties)

    def improve(piece: tuple[int, int]) -> float:
        return _k.solve(
            rows.start, rows.index, rows.value, other, mine, single, penalties, removed, block, steps, tolerance, *piece, out
        )

    return out, float(sum(_threads.run(improve, _threads.chunks(len(rows), PIECE), n_threads=n_threads)))


def together(rows: Rows, other: Table, whole: Weights, penalties: Table, n_threads: int | None) -> tuple[Table, float]:
    """Solve all rows at once, where their matrices differ by a multiple of the identity alone."""
    right = np.empty((len(rows), other.shape[1]))
    pieces = _threads.chunks(len(rows), PIECE)
    _threads.run(lambda piece: _k.sums(rows.start, rows.index, rows.value, other, *piece, right), pieces, n_threads=n_threads)
    values, vectors = np.linalg.eigh(whole)
    found = (right @ vectors) / (np.maximum(values, 0.0) + penalties[:, None].astype(np.float64)) @ vectors.T
    return found.astype(np.float32), float(rows.value.sum(dtype=np.float64) - (right * found).sum())


def by_factor(items: Table, order: npt.NDArray[np.int32]) -> Table:
    """Turn the items' factors around, the most popular items first, and fill up with zeros."""
    out = np.zeros((items.shape[1], -(-items.shape[0] // LANES) * LANES), np.float32)
    out[:, : items.shape[0]] = items[order].T
    return out
