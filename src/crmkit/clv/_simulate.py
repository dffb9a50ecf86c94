"""Customers who do what a model says: new ones from their first purchase on, or given ones from the end of observation on."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit._kernels import futures as _k
from crmkit.clv._ask import capability, same_unit
from crmkit.clv._draws import Kinds, with_a_process
from crmkit.clv._purchase import PurchaseModel
from crmkit.clv._rows import COLUMNS, read_histories
from crmkit.clv._units import days_in, horizon_in
from crmkit.clv.gamma_gamma import COLUMNS as SPEND_COLUMNS
from crmkit.clv.gamma_gamma import GammaGamma, read_spends
from crmkit.errors import DataError, FitError, LimitError, OptionError
from crmkit.results import Model, Shown

__all__ = ["Simulation", "simulate"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_CUSTOMERS = 1 << 14  # in one piece of work
_EVENTS = 100_000_000  # purchases, or customers, of one simulation: about 60 bytes each while at work
_NONE = np.empty(0, np.int64)
_NO_TIMES = np.empty(0)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Simulation(Shown):
    """Simulated purchases and what is true of the customers who made them.

    Attributes
    ----------
    transactions : DataFrame
        One row per purchase, by time: ``customer_id``; ``time``, in the model's unit, since the start of the simulation;
        ``timestamp``, where the model knows its unit and the start is known; ``amount``, with a spend model.
    truth : DataFrame
        One row per customer: what the model draws for each of them, ``purchase_rate`` (purchases per unit of time while a
        customer) and ``dropout`` (probability to leave after a purchase) or ``leaving_rate`` (per unit of time), for BG/BB
        ``purchase_chance`` and ``leaving_chance`` per opportunity; ``joined``, the time of the first purchase of a new
        customer; ``alive_before`` and ``alive``, whether still a customer at the start (of a new one: after the first purchase)
        and at the end; ``purchases``, the first of a new customer not counted; ``expected_spend``, the mean amount of the
        customer's purchases, with a spend model.
    """

    transactions: Any
    truth: Any

    def __repr__(self) -> str:
        return f"Simulation: {len(self.truth):,} customers, {len(self.transactions):,} purchases"


def simulate(
    model: Model,
    summary: Any = None,
    /,
    *,
    horizon: Any,
    n_customers: int = 1000,
    joining: Any = 0.0,
    spend: Model | None = None,
    start: Any = None,
    rng: Any = 0,
    n_threads: int | None = None,
) -> Simulation:
    r"""Let customers buy as the model says: new ones, or those given from the end of their observation on.

    Parameters
    ----------
    model : Model
        A fitted purchase model.
    summary : DataFrame, optional
        Customers to go on with: `frequency`, `recency` and `T` in the model's unit, one row per customer, with `spend` also
        `monetary_value`; in pandas their ids are the index, elsewhere the first column. Without it: new customers.
    horizon : float or str
        How long to simulate: a number in the model's unit, or a duration such as "90D", "39W" or "1Y".
    n_customers : int, default 1000
        Number of new customers.
    joining : float or str, default 0.0
        First purchases of new customers are spread evenly over this long from the start, at most `horizon`.
    spend : GammaGamma, optional
        A fitted spend model: purchases get amounts.
    start : date-like, optional
        Moment at which the simulation starts. Default: the day after the last one observed where `summary` says it
        (``attrs["end"]`` in pandas), and 2024-01-01 for new customers.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.
    n_threads : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    Simulation
        ``transactions``, which `crmkit.events` reads where they have times and amounts, and ``truth``.

    Raises
    ------
    FitError
        The model does not say when customers buy, or does not know its unit although `start` is given.
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, is in another unit than the model, or an id is there twice.
    LimitError
        There would be more than 100 million purchases or customers; each takes about 60 bytes while at work.
    OptionError
        `horizon`, `joining`, `n_customers` or `start` is not usable.

    Notes
    -----
    A given customer is still one with the probability P(alive), and has the rate, the dropout and the spend that are likely given
    the history; those who have left buy nothing. Parameters are taken as they are: `prediction_interval` draws them, too.
    Each customer has a stream of random numbers of its own: the first customers are the same whatever the number of them.

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
    >>> shop = clv.simulate(model, horizon="1Y", n_customers=50, joining="26W")
    >>> shop.transactions.columns.tolist()
    ['customer_id', 'time', 'timestamp']
    >>> len(clv.summarize(shop.transactions, amount=None, end="2024-12-31"))
    50
    >>> later = clv.simulate(model, customers, horizon="1Y")
    >>> bool(later.truth["alive_before"].sum() >= later.truth["alive"].sum())
    True
    """
    buying = with_a_process(model, "simulate")
    if spend is not None:
        capability(spend, "expected_spend")
    ahead = horizon_in(horizon, buying.unit)
    random = _options.generator(rng)
    first_moment = _start(buying, summary, start)
    if summary is None:
        n = _options.whole("n_customers", n_customers, low=1)
        if n > _EVENTS:
            msg = f"n_customers={n:,} is more than {_EVENTS:,}; simulate fewer at a time, each with another rng="
            raise LimitError(msg)
        spread = _joining(joining, buying, ahead)
        history, count, mean = (np.zeros(n), np.zeros(n), np.zeros(n)), np.zeros(n), np.zeros(n)
        width = max(5, len(str(n)))
        names = np.array([f"C{number:0{width}d}" for number in range(1, n + 1)], dtype=object)
        ids = _frame.ids(_frame.table({"customer_id": names}), "customer_id")
        buying._same_for_all()
        kinds, kind = Kinds(({},), np.zeros(n, np.int64)), "pandas"
    else:
        frame = _frame.read(summary)
        same_unit(buying, frame)
        history = read_histories(frame)
        n, spread, kind = history[0].size, 0.0, frame.kind
        count, mean = read_spends(frame) if spend is not None else (np.zeros(n), np.zeros(n))
        ids, kinds = _ids(frame), Kinds.of(buying, frame)
    plain = buying if summary is None or not buying.coefficients else buying.of(kinds.traits[0])
    plain._read(ahead, *history)  # the checks of the model's own histories and horizons
    # in the order of the ids: the story of a customer does not follow the order of the rows
    place = ids.codes.astype(np.int64)
    sequence = np.argsort(place)
    x, t_x, T, count, mean = (_frame.readonly(column[sequence]) for column in (*history, count, mean))
    seed = random.integers(0, 2**64, dtype=np.uint64)
    joined = random.uniform(0.0, spread, n) if spread > 0.0 else np.zeros(n)
    future = kinds.future(buying, kinds.group[sequence], x, t_x, T)
    told = _told(*future, ahead - joined, seed, n_threads)

    customer = np.repeat(np.arange(n), told.bought)
    time = joined[customer] + told.time
    if summary is None:
        customer, time = np.concatenate([np.arange(n), customer]), np.concatenate([joined, time])
    order = np.lexsort((customer, time))
    customer, time = customer[order], time[order]
    columns: dict[str, Any] = {"time": time}
    if first_moment is not None:
        per_unit = days_in(str(buying.unit)) * _frame.Clock("us", None).ticks_per_day
        ticks = first_moment + np.floor(time * per_unit).astype(np.int64)
        columns["timestamp"] = _frame.Moments(ticks, _frame.Clock("us", None))
    rate, leaving = buying._CHARACTERS
    truth: dict[str, Any] = {rate: told.rate, leaving: told.leaving}
    if summary is None:
        truth["joined"] = joined
    truth |= {"alive_before": told.here, "alive": told.stays, "purchases": told.bought}
    if isinstance(spend, GammaGamma):
        scale = random.gamma(spend.q + spend.p * count) / (spend.v + np.where(count > 0.0, count * mean, 0.0))
        columns["amount"] = random.gamma(spend.p, 1.0, customer.size) / scale[customer]
        truth["expected_spend"] = spend.p / scale
    truth = {name: values[place] for name, values in truth.items()}
    keys = {"customer_id": _frame.Labelled(ids.labels, customer.astype(np.int32))}
    return Simulation(
        transactions=_frame.table(columns, keys=keys, kind=kind),
        truth=_frame.per_label(ids.labels, place, truth, name="customer_id"),
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """What simulated customers are like, and their purchases one customer after the other."""

    bought: Integers
    rate: Floats
    leaving: Floats
    here: npt.NDArray[np.bool_]
    stays: npt.NDArray[np.bool_]
    time: Floats


def _told(kind: int, numbers: Floats, alive: Floats, horizon: Floats, seed: np.uint64, n_threads: int | None) -> _Told:
    n = alive.size
    bought, rate, leaving = np.zeros(n, np.int64), np.zeros(n), np.zeros(n)
    here, stays = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    pieces = _threads.chunks(n, _CUSTOMERS)

    def tell(piece: tuple[int, int], offset: Integers, time: Floats) -> None:
        _k.histories(kind, numbers, alive, horizon, seed, *piece, bought, rate, leaving, here, stays, offset, time)

    _threads.run(lambda piece: tell(piece, _NONE, _NO_TIMES), pieces, n_threads=n_threads)
    events = int(bought.sum())
    if events > _EVENTS:
        msg = f"the simulation has {events:,} purchases, more than {_EVENTS:,}; simulate fewer customers, or a shorter time"
        raise LimitError(msg)
    time, offset = np.empty(events), np.cumsum(bought) - bought
    if events:
        _threads.run(lambda piece: tell(piece, offset, time), pieces, n_threads=n_threads)
    return _Told(bought, rate / numbers[4], leaving, here, stays, time)


def _joining(joining: Any, model: PurchaseModel, ahead: float) -> float:
    try:
        spread = horizon_in(joining, model.unit)
    except OptionError as error:
        raise OptionError(str(error).replace("horizon=", "joining=", 1)) from error
    if spread > ahead:
        msg = f"joining={joining!r} is longer than the horizon: nobody can join after the end"
        raise OptionError(msg)
    if spread > 0.0 and model._future(*np.zeros((3, 1)))[0] == _k.AT_OPPORTUNITIES:
        msg = (
            f"joining={joining!r}: customers of a {model.TITLE} model all meet the same opportunities, and join before the first"
        )
        raise OptionError(msg)
    return spread


def _start(model: PurchaseModel, summary: Any, start: Any) -> int | None:
    """Return the moment the simulation starts, or None where it is not known."""
    if model.unit is None:
        if start is not None:
            msg = (
                f"start={start!r} needs a model that knows its unit of time: fit it on the table of clv.summarize, or with unit="
            )
            raise FitError(msg)
        return None
    clock = _frame.Clock("us", None)
    if start is not None:
        return clock.moment(start, keyword="start")
    if summary is None:
        return clock.moment("2024-01-01")
    last_day = getattr(summary, "attrs", {}).get("end")
    try:
        return clock.moment(dt.date.fromisoformat(str(last_day)) + dt.timedelta(days=1))
    except (TypeError, ValueError):
        return None


def _ids(frame: Any) -> Any:
    """Read the ids of a customer table: the index in pandas, else the first column, or the row numbers."""
    if frame.kind == "pandas":
        table, column = _frame.table({"customer_id": frame.native.index}), "customer_id"
    elif frame.columns[0] in (*COLUMNS, *SPEND_COLUMNS, "unit"):
        table, column = _frame.table({"customer_id": np.arange(len(frame))}, kind=frame.kind), "customer_id"
    else:
        table, column = frame, frame.columns[0]
    ids = _frame.ids(table, column)
    if len(ids.labels) < ids.codes.size:
        where = "the index" if frame.kind == "pandas" else f"column {column!r}"
        msg = f"{where} holds {ids.codes.size - len(ids.labels):,} customers twice; pass one row for each"
        raise DataError(msg)
    return ids
