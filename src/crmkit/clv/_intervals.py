"""Between which bounds purchases and their worth will lie: what the fit leaves open, and what chance leaves open."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit._kernels import futures as _k
from crmkit.clv._ask import capability, of_rows, same_unit
from crmkit.clv._draws import Kinds, Ranks, models_around, total, warn_of, with_a_process
from crmkit.clv._purchase import PurchaseModel
from crmkit.clv._rows import COLUMNS, read_histories
from crmkit.clv._units import horizon_in
from crmkit.clv.gamma_gamma import COLUMNS as SPEND_COLUMNS
from crmkit.clv.gamma_gamma import GammaGamma, read_spends
from crmkit.results import Estimate, Model, Shown, in_percent

__all__ = ["PredictionInterval", "prediction_interval"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_CELLS = 2_000_000  # draws of customers held at once, in each thread


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PredictionInterval(Shown):
    """What customers will buy in a period, with the bounds that hold it at a stated level.

    Attributes
    ----------
    customers : DataFrame
        One row per customer: ``purchases`` (expected), ``purchases_low`` and ``purchases_high``; with a spend model also
        ``value`` (expected amount), ``value_low`` and ``value_high``.
    purchases : Estimate
        Purchases of all customers together: expected, and their interval. Its `se` is the standard deviation of the draws.
    value : Estimate or None
        What they are worth together, where a spend model was given.
    level : float
        Level of the intervals.
    horizon : float
        Length of the period in the model's unit.
    draws : int
        Draws behind each interval.
    note : str
        What the draws leave out, in words; empty where nothing.
    """

    customers: Any
    purchases: Estimate
    value: Estimate | None
    level: float
    horizon: float
    draws: int
    note: str

    def __repr__(self) -> str:
        lines = [f"{in_percent(self.level)} prediction intervals over {self.horizon:g}, {self.draws:,} draws"]
        for name in ("purchases", "value"):
            found = getattr(self, name)
            if found is not None:
                ends = f"{found.ci_low:,.6g} to {found.ci_high:,.6g}"
                lines.append(f"  {name:<9}  {found.value:,.6g} expected of {found.n:,} customers together, {ends}")
        return "\n".join([*lines, f"  {self.note}"] if self.note else lines)


def prediction_interval(
    model: Model,
    summary: Any,
    /,
    *,
    horizon: Any,
    level: float = 0.95,
    spend: Model | None = None,
    draws: int = 1000,
    rng: Any = 0,
    n_threads: int | None = None,
) -> PredictionInterval:
    r"""Tell between which bounds the purchases of each customer, and of all together, will lie.

    Parameters
    ----------
    model : Model
        A fitted purchase model.
    summary : DataFrame
        One row per customer with `frequency`, `recency` and `T` in the model's unit, and the model's covariates if it has any;
        with `spend` also `monetary_value`.
    horizon : float or str
        How far to look beyond `T`: a number in the model's unit, or a duration such as "90D", "39W" or "1Y".
    level : float, default 0.95
        Probability with which the purchases of the period are to lie in the interval, between 0 and 1.
    spend : GammaGamma, optional
        A fitted spend model: intervals of the amounts as well.
    draws : int, default 1000
        Simulated futures.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.
    n_threads : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    PredictionInterval
        ``customers``, on the rows of `summary`; ``purchases`` and ``value``, of all together.

    Raises
    ------
    FitError
        The model does not say when customers buy, or the expected spend is infinite.
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, or is in another unit than the model.
    OptionError
        `horizon`, `level` or `draws` is not usable, or there are too few draws for the level.

    Warns
    -----
    DataWarning
        The data do not identify all parameters; `note` says how the draws deal with it.

    Notes
    -----
    Each draw takes parameters from the normal distribution of their logarithms around the estimate, with the covariance of the
    fit (`spend` has its own); with these, each customer is alive or not by P(alive), and buys and leaves by the model's story
    given the history. The bounds are order statistics of the draws, so chosen that the next draw lies between them with
    probability `level` or a little more. Counts are whole numbers: their intervals cover more often than `level`, and
    for most customers of most shops they begin at 0.

    Customers with equal histories have equal intervals, and an interval does not depend on who else is in the table: all share
    the same chances. For the total, customers are independent of each other given the parameters.

    The intervals hold as far as the model does. How often they held in a holdout tells `evaluate`.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> customers = pd.DataFrame(
    ...     {
    ...         "frequency": [0, 0, 0, 1, 1, 2, 3, 5],
    ...         "recency": [0.0, 0, 0, 4, 20, 9, 30, 22],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28],
    ...         "unit": "W",
    ...     }
    ... )
    >>> model = clv.fit_bg_nbd(customers, penalty=0.1)
    >>> found = clv.prediction_interval(model, customers, horizon="26W", level=0.8)
    >>> found.customers.columns.tolist()
    ['purchases', 'purchases_low', 'purchases_high']
    >>> found.purchases.ci_low < found.purchases.value < found.purchases.ci_high
    True
    """
    buying = with_a_process(model, "prediction_interval")
    if spend is not None:
        capability(spend, "expected_spend")
    ranks = Ranks.of(draws, level)
    random = _options.generator(rng)
    ahead = horizon_in(horizon, buying.unit)
    frame = _frame.read(summary)
    same_unit(buying, frame)
    x, t_x, T = read_histories(frame)
    kinds = Kinds.of(buying, frame)
    history: tuple[Any, ...] = (kinds.group, x, t_x, T)
    used: tuple[str, ...] = COLUMNS
    expected = np.asarray(of_rows(buying, "expected_purchases", frame)(ahead, x, t_x, T, n_threads=n_threads))
    columns: dict[str, Any] = {"purchases": expected}
    paying, worth = None, None
    if isinstance(spend, GammaGamma):
        count, mean = read_spends(frame)
        history, used = (*history, np.where(count > 0.0, mean, 0.0)), (*COLUMNS, *SPEND_COLUMNS)
        paying, worth = spend, expected * spend.expected_spend(count, mean)
    found = drawn_futures(buying, paying, kinds, history, ahead, ranks, random, n_threads)
    columns |= {"purchases_low": found.low, "purchases_high": found.high}
    n = expected.size
    value = None
    if worth is not None:
        columns |= {"value": worth, "value_low": found.value_low, "value_high": found.value_high}
        value = total(math.fsum(worth), found.values, ranks, n=n)
    return PredictionInterval(
        customers=_frame.rows_like(frame, columns, used=used),
        purchases=total(math.fsum(expected), found.totals, ranks, n=n),
        value=value,
        level=ranks.level,
        horizon=ahead,
        draws=ranks.draws,
        note=warn_of(found.notes),
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Futures:
    """Simulated futures, reduced: the bounds of each row, and the total of each draw."""

    low: Integers
    high: Integers
    value_low: Floats
    value_high: Floats
    totals: Integers
    values: Floats
    notes: list[str]


def drawn_futures(
    model: PurchaseModel,
    spend: GammaGamma | None,
    kinds: Kinds,
    history: tuple[Any, ...],
    ahead: float,
    ranks: Ranks,
    random: np.random.Generator,
    n_threads: int | None,
) -> Futures:
    """Simulate the next `ahead` of every row, whose history is its kind, x, t_x, T and, with `spend`, the mean amount."""
    draws = ranks.draws
    drawn, note = models_around(model, draws, random)
    drawn_spend, spend_note = models_around(spend, draws, random) if spend is not None else ([], "")
    # each chance is spread evenly over the draws
    order = random.permuted(np.tile(np.arange(draws), (4, 1)), axis=1)
    chances = np.ascontiguousarray((order.T + random.random((draws, 4))) / draws)
    seed = random.integers(0, 2**64, dtype=np.uint64)
    rows, which, copies = _distinct(history)
    n = copies.size
    low, high = np.empty(n, np.int64), np.empty(n, np.int64)
    value_low, value_high = (np.empty(n), np.empty(n)) if spend is not None else (np.empty(0), np.empty(0))

    def work(piece: tuple[int, int]) -> tuple[Integers, Floats]:
        here = slice(*piece)
        group = rows[0][here]
        x, t_x, T = (_frame.readonly(column[here]) for column in rows[1:4])
        times = _frame.readonly(copies[here])
        counts = np.empty((draws, x.size), np.int32)
        values = np.empty((draws, x.size if spend is not None else 0))
        totals, worths = np.zeros(draws, np.int64), np.zeros(draws)
        for d, likely in enumerate(drawn):
            kind, numbers, alive = kinds.future(likely, group, x, t_x, T)
            if spend is None:
                totals[d] = _k.counts(kind, numbers, alive, times, ahead, chances[d], seed, d, piece[0], counts[d])
            else:
                p, q, v = drawn_spend[d].p, drawn_spend[d].q, drawn_spend[d].v
                shape, scale = q + p * x, v + x * rows[4][here]
                totals[d], worths[d] = _k.spends(
                    kind, numbers, alive, times, ahead, chances[d], p, shape, scale, seed, d, piece[0], counts[d], values[d]
                )
        low[here], high[here] = ranks.bounds(counts)
        if spend is not None:
            value_low[here], value_high[here] = ranks.bounds(values)
        return totals, worths

    done = _threads.run(work, _threads.chunks(n, max(_CELLS // draws, 1)), n_threads=n_threads)
    totals, worths = np.zeros(draws, np.int64), np.zeros(draws)
    for some, worth in done:  # in the order of the pieces: sums keep their last bits
        totals += some
        worths += worth
    if spend is not None:
        value_low, value_high = value_low[which], value_high[which]
    return Futures(low[which], high[which], value_low, value_high, totals, worths, [note, spend_note])


def _distinct(history: tuple[Any, ...]) -> tuple[list[Any], Integers, Integers]:
    """Return the distinct rows in ascending order, which of them each row is, and how many rows each of them is."""
    order = np.lexsort(history[::-1])
    columns = [column[order] for column in history]
    new = np.ones(order.size, np.bool_)
    if order.size:
        new[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    number = np.cumsum(new) - 1
    which = np.empty(order.size, np.int64)
    which[order] = number
    return [np.ascontiguousarray(column[new]) for column in columns], which, np.bincount(number, minlength=0)
