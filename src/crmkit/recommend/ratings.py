"""Ratings that customers gave: what they would give to other items, from who they are, what it is, and hidden tastes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._kernels import ratings as _k
from crmkit.errors import DataError, FitError, LimitError, OptionError
from crmkit.results import Frozen

__all__ = ["Ratings", "fit_ratings", "predict_ratings"]

OF_CUSTOMERS, OF_ITEMS = 15.0, 10.0  # penalties of the biases, in ratings
LEVELLING = 200  # turns that biases take to settle, at most
STILL = 1e-10  # change of a bias, in spreads of the ratings, that counts as none
SPREAD = 0.1  # standard deviation of the factors at the start
MOST_NUMBERS = 500_000_000  # in all factors: 4 GB

Floats = npt.NDArray[np.float64]


def fit_ratings(
    ratings: Any,
    /,
    *,
    customer: str = "customer_id",
    item: str = "item_id",
    rating: str = "rating",
    method: str = "svd",
    factors: int = 100,
    sweeps: int = 20,
    rate: float = 0.005,
    penalty: float = 0.02,
    rng: Any = 0,
) -> Ratings:
    r"""Learn from ratings what customers would give to items they have not rated.

    Parameters
    ----------
    ratings : DataFrame
        One row per rating; a pair rated more than once counts as often.
    customer, item : str, default "customer_id", "item_id"
        Columns of ids.
    rating : str, default "rating"
        Column of ratings, on any scale of numbers.
    method : {"svd", "baseline"}, default "svd"
        "baseline" knows how generous a customer is and how good an item; "svd" adds hidden tastes.
    factors : int, default 100
        Number of hidden tastes.
    sweeps : int, default 20
        How often to go through the ratings.
    rate : float, default 0.005
        Length of a step along the gradient of one rating, above 0.
    penalty : float, default 0.02
        Penalty on squared biases and factors, per rating; at least 0.
    rng : int, Generator or None, default 0
        Seed of the factors to start from and of the order of the ratings.

    Returns
    -------
    Ratings
        The frozen model; it holds no ratings.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        There is no rating, or the values of a column cannot be used.
    FitError
        The steps are too long: errors grow without end.
    LimitError
        `factors` times the customers and items are more than 500 million numbers, 4 GB.
    OptionError
        An argument is outside what is accepted.

    Notes
    -----
    A rating is expected to be :math:`\mu + b_u + b_i` ("baseline"), or :math:`\mu + b_u + b_i + q_i^\top p_u` ("svd"), with the
    mean rating μ; expectations are cut off at the lowest and the highest rating there is.

    "baseline" minimises :math:`\sum (r_{ui} - \mu - b_u - b_i)^2 + 15 \sum_u b_u^2 + 10 \sum_i b_i^2` by turns. "svd" minimises
    :math:`\sum [(r_{ui} - \hat r_{ui})^2 + \lambda (b_u^2 + b_i^2 + \lVert p_u \rVert^2 + \lVert q_i \rVert^2)]` by stochastic
    gradient descent, over the ratings in a random order that is the same for the same ratings, however their rows are ordered.
    Rates and penalties suit scales such as 1 to 5: bring others to them.

    These models foresee ratings. For what to recommend use purchases: among what customers rate at all, ratings say little
    about what they would choose.

    References
    ----------
    Koren (2010), Factor in the neighbors: scalable and accurate collaborative filtering, ACM TKDD 4(1).
    Funk (2006), Netflix update: try this at home.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import recommend
    >>> given = pd.DataFrame({"customer_id": [1, 1, 2, 2, 3], "item_id": ["a", "b", "a", "b", "a"], "rating": [5, 3, 4, 2, 5]})
    >>> model = recommend.fit_ratings(given, method="baseline")
    >>> recommend.predict_ratings(model, pd.DataFrame({"customer_id": [3, 9], "item_id": ["b", "a"]}))
    0    3.651581
    1    4.000531
    Name: rating, dtype: float64
    """
    method = _options.choice("method", method, ("svd", "baseline"))
    d = _options.whole("factors", factors, low=1) if method == "svd" else 0
    n_sweeps = _options.whole("sweeps", sweeps, low=1)
    step = _options.number("rate", rate, low=0.0, ends=False)
    strength = _options.number("penalty", penalty, low=0.0)
    generator = _options.generator(rng)
    frame = _frame.read(ratings)
    who, what = _frame.ids(frame, customer, keyword="customer"), _frame.ids(frame, item, keyword="item")
    given = _frame.numbers(frame, rating, keyword="rating", moderate=True)
    if given.size == 0:
        msg = f"column {rating!r} holds no rating: there is nothing to learn from"
        raise DataError(msg)
    if (len(who.labels) + len(what.labels)) * d > MOST_NUMBERS:
        msg = (
            f"{d:,} factors of {len(who.labels):,} customers and {len(what.labels):,} items are more than {MOST_NUMBERS:,}"
            " numbers; take fewer factors"
        )
        raise LimitError(msg)
    # whatever the order of the rows
    order = np.lexsort((given, what.codes, who.codes))
    columns = _frame.readonly(who.codes[order]), _frame.readonly(what.codes[order]), _frame.readonly(given[order])
    low, high = float(given.min()), float(given.max())
    mean = float(min(max(columns[2].mean(), low), high))
    bias_u, bias_i = np.zeros(len(who.labels)), np.zeros(len(what.labels))
    p, q = np.zeros((bias_u.size, d)), np.zeros((bias_i.size, d))
    errors: list[float] = []
    if method == "baseline":
        settled = STILL * max(high - low, np.finfo(float).tiny)
        for _ in range(LEVELLING):
            if _k.level(*columns, mean, OF_CUSTOMERS, OF_ITEMS, 1, bias_u, bias_i) <= settled:
                break
    else:
        p[:], q[:] = generator.normal(0.0, SPREAD, p.shape), generator.normal(0.0, SPREAD, q.shape)
        for _ in range(n_sweeps):
            mixed = _frame.readonly(generator.permutation(given.size))
            errors.append(_k.descend(mixed, *columns, mean, step, strength, bias_u, bias_i, p, q))
            if not np.isfinite(errors[-1]):
                msg = f"errors grow without end with rate={step:g} and penalty={strength:g}; lower the rate, or rescale ratings"
                raise FitError(msg)
    model = Ratings(
        customers=who.labels,
        items=what.labels,
        method=method,
        mean=mean,
        low=low,
        high=high,
        customer_bias=bias_u,
        item_bias=bias_i,
        customer_factors=p,
        item_factors=q,
        rmse=0.0,
        n=given.size,
        columns=(customer, item, rating),
    )
    left = columns[2] - model.expected(columns[0], columns[1])
    if not np.isfinite(left).all():
        msg = f"errors grow without end with rate={step:g} and penalty={strength:g}; lower the rate, or rescale ratings"
        raise FitError(msg)
    return dataclasses.replace(model, rmse=float(np.sqrt(np.mean(left**2))))


def predict_ratings(model: Ratings, pairs: Any, /) -> Any:
    """Say what rating to expect of customers for items.

    Parameters
    ----------
    model : Ratings
        What `recommend.fit_ratings` returned.
    pairs : DataFrame
        One row per pair, with the columns of ids the model was fitted on.

    Returns
    -------
    Series
        Expected ratings, with the index of `pairs` in its order; elsewhere a frame with the ids. A customer who is new to the
        model is taken for an average one, and likewise an item.

    Raises
    ------
    ColumnError
        A column of ids is missing.
    DataError
        An id is missing, or ids are text where the model knows numbers or the reverse.
    OptionError
        `model` is no result of `recommend.fit_ratings`.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import recommend
    >>> given = pd.DataFrame({"customer_id": [1, 1, 2, 2], "item_id": ["a", "b", "a", "b"], "rating": [5, 3, 4, 2]})
    >>> model = recommend.fit_ratings(given, method="baseline")
    >>> recommend.predict_ratings(model, given).round(2).tolist()
    [3.73, 3.4, 3.6, 3.27]
    """
    model = _checked(model)
    frame = _frame.read(pairs)
    who, what = (_frame.ids(frame, column) for column in model.columns[:2])
    u = model.customers.codes_of(who.labels.values, what="customer")[who.codes]
    i = model.items.codes_of(what.labels.values, what="item")[what.codes]
    return _frame.series_like(frame, model.columns[2], model.expected(u, i))


def _checked(given: object) -> Ratings:
    if not isinstance(given, Ratings):
        msg = f"expected what recommend.fit_ratings returns, got {type(given).__name__}"
        raise OptionError(msg)
    return given


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ratings(Frozen):
    """What customers would give to items; made by `fit_ratings`, never changed.

    Attributes
    ----------
    customers, items : Labels
        The ids behind the rows of the arrays below.
    method : str
        "svd" or "baseline".
    mean : float
        Mean rating.
    low, high : float
        The lowest and the highest rating there was.
    customer_bias, item_bias : ndarray of float64
        What each customer and each item adds to the mean.
    customer_factors, item_factors : ndarray of float64
        Hidden tastes of each customer, and what each item has of them.
    rmse : float
        Root of the mean squared error on the ratings it was fitted to: expect more on others.
    n : int
        Ratings it was fitted to.
    columns : tuple of str
        The columns of customers, items and ratings.
    """

    customers: _frame.Labels
    items: _frame.Labels
    method: str
    mean: float
    low: float
    high: float
    customer_bias: Floats
    item_bias: Floats
    customer_factors: Floats
    item_factors: Floats
    rmse: float
    n: int
    columns: tuple[str, str, str]

    def __post_init__(self) -> None:
        """Make arrays read-only, so that a shared model cannot drift."""
        for name in ("customer_bias", "item_bias", "customer_factors", "item_factors"):
            object.__setattr__(self, name, _frame.readonly(getattr(self, name)))

    def expected(self, customer: npt.NDArray[np.int32], item: npt.NDArray[np.int32]) -> Floats:
        """Return the ratings expected of pairs of codes, -1 for an unknown customer or item."""
        out = np.empty(customer.size)
        _k.predict(
            _frame.readonly(customer),
            _frame.readonly(item),
            self.mean,
            self.customer_bias,
            self.item_bias,
            self.customer_factors,
            self.item_factors,
            self.low,
            self.high,
            out,
        )
        return out

    def __repr__(self) -> str:
        return "\n".join(
            [
                "Ratings",
                f"  method     {self.method}",
                f"  factors    {self.customer_factors.shape[1]}",
                f"  mean       {self.mean:.6g}",
                f"  rmse       {self.rmse:.6g} on the {self.n:,} ratings of the fit",
                f"  items      {len(self.items):,}",
                f"  customers  {len(self.customers):,}",
            ]
        )
