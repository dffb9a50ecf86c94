"""Customer equity: what the purchases still to come of all customers are worth, and of each segment of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit._kernels import futures as _k
from crmkit.clv._ask import capability, discounting, of_rows, same_unit
from crmkit.clv._draws import Kinds, Ranks, models_around, total, warn_of, with_a_process
from crmkit.clv._rows import read_histories
from crmkit.clv.bg_bb import BgBb
from crmkit.clv.gamma_gamma import GammaGamma, read_spends
from crmkit.errors import DataError, FitError, LimitError
from crmkit.results import Model

__all__ = ["equity"]

Floats = npt.NDArray[np.float64]

_PIECES = 32  # of the draws: each is simulated for all customers at once
_TOTALS = 50_000_000  # totals of segments held at once
_FAINT = 0.05  # what a purchase counts for where an endless simulation stops drawing


def equity(
    model: Model,
    spend: Model,
    summary: Any,
    /,
    *,
    by: str | Sequence[str] | None = None,
    horizon: Any = None,
    annual_discount: float = 0.10,
    margin: float = 1.0,
    level: float = 0.95,
    draws: int = 1000,
    rng: Any = 0,
    n_threads: int | None = None,
) -> Any:
    r"""Tell what the customer base is still worth, in total or by segment, and how sure that is.

    Parameters
    ----------
    model : Model
        A fitted purchase model that knows its unit of time.
    spend : GammaGamma
        A fitted spend model.
    summary : DataFrame
        One row per customer with `frequency`, `recency` and `T` in the model's unit, and `monetary_value`.
    by : str or list of str, optional
        Columns of segments: one value each.
    horizon : float or str, optional
        How far to look beyond `T`: a number in the model's unit, or a duration such as "90D", "52W" or "3Y". Default: without
        end, which needs a positive discount.
    annual_discount : float, default 0.10
        Yearly rate at which money to come is discounted to `T`.
    margin : float, default 1.0
        Share of the amounts that is profit.
    level : float, default 0.95
        Level of the intervals, between 0 and 1.
    draws : int, default 1000
        Simulated futures of the whole base.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.
    n_threads : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    Estimate or DataFrame
        The sum of the residual lifetime values, with the interval in which that sum will fall. With `by` one row per segment,
        indexed by it in pandas: ``value``, ``ci_low``, ``ci_high``, ``se`` (standard deviation of the draws), ``n`` (customers),
        ``level``, ``method``, and ``share`` of the whole.

    Raises
    ------
    FitError
        A model cannot answer, does not know its unit, or the expected spend is infinite (see `expected_spend`).
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, is in another unit than the model, or has no segment; or there are no customers.
    LimitError
        There are too many segments for as many draws.
    OptionError
        `horizon`, `annual_discount`, `margin`, `level` or `draws` is not usable.

    Warns
    -----
    DataWarning
        The data do not identify all parameters; the draws then stay near the estimate.

    Notes
    -----
    The value is the sum of `lifetime_value`'s column ``residual``. For the interval, parameters of both models are drawn as
    `prediction_interval` draws them, and the purchases and amounts of every customer with them, each discounted to `T`. An
    endless future is drawn until a purchase counts for a twentieth, and what lies beyond is added as it is to be expected of
    who is then still there. Customers still to be won are not in it.
    The time it takes grows with the purchases to come: `draws` and `horizon` limit it.

    References
    ----------
    Rust, Lemon & Zeithaml (2004), Return on marketing: using customer equity to focus marketing strategy, Journal of Marketing
    68(1), 109-127.

    Examples
    --------
    >>> from crmkit import clv, datasets
    >>> shop = datasets.make_transactions(n_customers=300)
    >>> customers = clv.summarize(shop.transactions, order="order_id")
    >>> model, spend = clv.fit_bg_nbd(customers), clv.fit_gamma_gamma(customers)
    >>> base = clv.equity(model, spend, customers, horizon="1Y", draws=200)
    >>> base.ci_low < base.value < base.ci_high
    True
    >>> customers["often"] = customers["frequency"] > 2
    >>> parts = clv.equity(model, spend, customers, by="often", horizon="1Y", draws=200)
    >>> round(float(parts["value"].sum() / base.value), 6)
    1.0
    """
    buying = with_a_process(model, "equity")
    capability(spend, "expected_spend")
    if not isinstance(spend, GammaGamma):
        msg = f"{type(spend).__name__} does not say how amounts come about; clv.fit_gamma_gamma does"
        raise FitError(msg)
    share = _options.number("margin", margin, low=0.0)
    ranks = Ranks.of(draws, level)
    random = _options.generator(rng)
    rate, ahead = discounting(buying, annual_discount, horizon)
    frame = _frame.read(summary)
    same_unit(buying, frame)
    x, t_x, T = read_histories(frame)
    count, mean = read_spends(frame)
    if x.size == 0:
        msg = "the table has no rows: no customers, no equity"
        raise DataError(msg)
    groups = None if by is None else _frame.groups(frame, by)
    n_groups = 1 if groups is None else len(groups)
    if n_groups * ranks.draws > _TOTALS:
        msg = (
            f"{n_groups:,} segments of {ranks.draws:,} draws each are {n_groups * ranks.draws:,} totals, more than {_TOTALS:,};"
            " take fewer draws, or fewer segments"
        )
        raise LimitError(msg)
    to_come = of_rows(buying, "discounted_purchases", frame)(rate, x, t_x, T, t=ahead, n_threads=n_threads)
    worth = share * np.asarray(to_come) * spend.expected_spend(count, mean)

    endless = math.isinf(ahead)
    end = -math.log(_FAINT) / rate if endless else ahead
    end = math.ceil(end) if isinstance(buying, BgBb) else end
    drawn, note = models_around(buying, ranks.draws, random)
    drawn_spend, spend_note = models_around(spend, ranks.draws, random)
    seed = random.integers(0, 2**64, dtype=np.uint64)
    # customers in an order of their own, so that chances do not follow the order of the rows
    kinds = Kinds.of(buying, frame)
    order = np.lexsort((mean, T, t_x, x, kinds.group) if groups is None else (groups.codes, mean, T, t_x, x, kinds.group))
    kind_of = kinds.group[order]
    x, t_x, T = (_frame.readonly(column[order]) for column in (x, t_x, T))
    bought = np.where(count > 0.0, count * mean, 0.0)[order]
    segment = np.zeros(x.size, np.int64) if groups is None else np.ascontiguousarray(groups.codes[order])
    totals = np.zeros((ranks.draws, n_groups))

    def work(piece: tuple[int, int]) -> None:
        for d in range(*piece):
            kind, numbers, alive = kinds.future(drawn[d], kind_of, x, t_x, T)
            p, q, v = drawn_spend[d].p, drawn_spend[d].q, drawn_spend[d].v
            _k.discounted_totals(kind, numbers, alive, segment, end, endless, rate, p, q + p * x, v + bought, seed, d, totals[d])

    _threads.run(work, _threads.chunks(ranks.draws, -(-ranks.draws // _PIECES)), n_threads=n_threads)
    totals *= share
    warn_of([note, spend_note])
    if groups is None:
        return total(math.fsum(worth), totals[:, 0], ranks, n=x.size)
    value = np.bincount(groups.codes, weights=worth, minlength=n_groups)
    low, high = ranks.bounds(totals)
    return groups.table(
        {
            "value": value,
            "ci_low": low,
            "ci_high": high,
            "se": totals.std(axis=0, ddof=1) if ranks.draws > 1 else np.zeros(n_groups),
            "n": np.bincount(groups.codes, minlength=n_groups),
            "level": np.full(n_groups, ranks.level),
            "method": np.array(["parameters and purchases drawn"] * n_groups, dtype=object),
            "share": value / value.sum() if value.sum() > 0.0 else np.zeros(n_groups),
        }
    )
