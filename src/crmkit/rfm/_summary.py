"""Recency, frequency and monetary value: when customers last bought, how often, for how much, and what to call them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options
from crmkit.errors import DataError, OptionError

if TYPE_CHECKING:
    from crmkit._events import ColumnNames

__all__ = ["SEGMENTS", "score", "segment", "summarize"]

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

MEASURES = {"r": "recency_days", "f": "frequency", "m": "monetary"}
OTHERS = "Others"
CUSTOMERS = 1 << 16  # in one piece of work

#: Segments on five bins: name -> ranges of the r, f and m scores, both ends included. Every pair of r and f is in exactly one.
SEGMENTS: Mapping[str, Box] = MappingProxyType(
    {
        "Champions": ((5, 5), (4, 5), (1, 5)),
        "Loyal Customers": ((3, 4), (4, 5), (1, 5)),
        "Potential Loyalists": ((4, 5), (2, 3), (1, 5)),
        "New Customers": ((5, 5), (1, 1), (1, 5)),
        "Promising": ((4, 4), (1, 1), (1, 5)),
        "Need Attention": ((3, 3), (3, 3), (1, 5)),
        "About To Sleep": ((3, 3), (1, 2), (1, 5)),
        "Can't Lose Them": ((1, 2), (5, 5), (1, 5)),
        "At Risk": ((1, 2), (3, 4), (1, 5)),
        "Hibernating": ((1, 2), (1, 2), (1, 5)),
    }
)


def summarize(log: Any, /, *, as_of: Any = None, monetary: str = "total", **columns: Unpack[ColumnNames]) -> Any:
    """Tell for each customer how recently, how often and for how much they bought.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`.
    as_of : date-like, optional
        The day to look back from, included: later purchases are not seen, and customers who had not bought by then are
        absent. Default: the day of the log's last event.
    monetary : {"total", "mean"}, default "total"
        The sum of a customer's orders, or their mean.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    DataFrame
        One row per customer with at least one purchase, in the order of the ids, indexed by id in pandas:
        ``recency_days`` (whole days from the last order to `as_of`, by dates), ``frequency`` (orders), ``monetary``
        (in the currency of the amounts, refunds taken off). In pandas ``attrs["as_of"]`` names the day.

    Raises
    ------
    ColumnError
        A column is missing, or the log was built without times or amounts.
    DataError
        The events cannot be read, or no purchase lies on or before `as_of`.
    OptionError
        `as_of` is not a date, or `monetary` not one of its values.

    Notes
    -----
    Days are calendar days of the wall clock of the column's zone: an order at 23:59 is one day before one at 00:01.

    References
    ----------
    Hughes (1994), Strategic Database Marketing.

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "ann"],
    ...         "timestamp": pd.to_datetime(["2024-01-05", "2024-01-07", "2024-02-01"]),
    ...         "amount": [20.0, 35.0, 15.0],
    ...     }
    ... )
    >>> crm.rfm.summarize(orders, as_of="2024-02-10")
                 recency_days  frequency  monetary
    customer_id
    ann                     9          2      35.0
    bob                    34          1      35.0
    """
    from crmkit import _threads
    from crmkit._kernels import rfm as _k

    _options.choice("monetary", monetary, ("total", "mean"))
    log = _events.as_log(log, **columns)
    log.require("time", "amount")
    orders, clock = log.orders, log.clock
    moment = int(log.lines.time.max()) if as_of is None else clock.moment(as_of, keyword="as_of")
    last_day = moment // clock.ticks_per_day

    recency = np.empty(log.n_customers, np.int64)
    frequency = np.empty(log.n_customers, np.int64)
    total = np.empty(log.n_customers, np.float64)
    _threads.run(
        lambda piece: _k.summarize(
            orders.start, orders.time, orders.amount, clock.ticks_per_day, last_day, *piece, recency, frequency, total
        ),
        _threads.chunks(log.n_customers, CUSTOMERS),
    )
    bought = np.flatnonzero(frequency)
    if bought.size == 0:
        msg = f"no purchase lies on or before {clock.date(last_day)}"
        raise DataError(msg)
    if bought.size < log.n_customers:
        recency, frequency, total = recency[bought], frequency[bought], total[bought]
    measures = {
        "recency_days": recency,
        "frequency": frequency,
        "monetary": total if monetary == "total" else total / frequency,
    }
    attrs = {"as_of": clock.date(last_day)}
    return _frame.per_label(log.labels, bought, measures, name=str(log.columns["customer"]), attrs=attrs)


def score(summary: Any, /, *, bins: int = 5, method: str = "quantile", thresholds: Mapping[str, Any] | None = None) -> Any:
    r"""Score each customer from 1 to `bins` on recency, frequency and monetary value; high is good on all three.

    Parameters
    ----------
    summary : DataFrame
        One row per customer with ``recency_days``, ``frequency`` and ``monetary``, as `summarize` returns them.
    bins : int, default 5
        Number of scores, 2 to 9.
    method : {"quantile"}, default "quantile"
        Cut each measure at its own quantiles.
    thresholds : mapping, optional
        Ascending cut points per measure, ``{"recency_days": [...], "frequency": [...], "monetary": [...]}``, `bins` − 1
        each, to be used in place of the quantiles of these customers.

    Returns
    -------
    DataFrame
        The same rows: ``r``, ``f``, ``m`` (1 … `bins`) and ``rfm``, their digits as text ("545").

    Raises
    ------
    ColumnError
        A measure is missing.
    DataError
        A measure is missing, infinite or, for recency and frequency, negative in some row; or there is no row.
    OptionError
        `bins`, `method` or `thresholds` is not usable.

    Warns
    -----
    DataWarning
        Many customers share a value, so that thresholds coincide and some scores are given to nobody.

    Notes
    -----
    The cut points :math:`q_1 \le \dots \le q_{b-1}` are the quantiles at :math:`i/b` (linear interpolation, Hyndman and
    Fan's type 7). Intervals are closed on the right: the score is one more than the number of cut points below the value, and
    for recency, where few days are good, `bins` less the number below. Equal values get equal scores; more is never scored
    lower. The scores do not depend on the unit of the amounts.

    References
    ----------
    Hyndman and Fan (1996), Sample quantiles in statistical packages, The American Statistician 50(4).

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> summary = pd.DataFrame(
    ...     {"recency_days": [1, 20, 40, 90], "frequency": [9, 5, 3, 1], "monetary": [500.0, 80.0, 120.0, 30.0]},
    ...     index=pd.Index(["ann", "bob", "cid", "dee"], name="customer_id"),
    ... )
    >>> crm.rfm.score(summary, bins=2)
                 r  f  m  rfm
    customer_id
    ann          2  2  2  222
    bob          2  2  1  221
    cid          1  1  2  112
    dee          1  1  1  111
    """
    bins = _options.whole("bins", bins, low=2, high=9)
    _options.choice("method", method, ("quantile",))
    frame = _frame.read(summary)
    if len(frame) == 0:
        msg = "there are no customers to score: the frame has no rows"
        raise DataError(msg)
    columns = {letter: _frame.numbers(frame, measure, nonnegative=measure != "monetary") for letter, measure in MEASURES.items()}
    scores: dict[str, npt.NDArray[np.int64]] = {}
    for letter, values in columns.items():
        cuts = _cuts(values, bins, MEASURES[letter], thresholds)
        below = np.searchsorted(cuts, values, side="left")
        scores[letter] = bins - below if letter == "r" else below + 1
    digits = 100 * scores["r"] + 10 * scores["f"] + scores["m"]
    words = np.array([str(code) for code in range(1000)])
    return _frame.rows_like(frame, {**scores, "rfm": words[digits].tolist()}, used=tuple(MEASURES.values()))


def segment(scores: Any, /, segments: Mapping[str, Box] = SEGMENTS) -> Any:
    """Name the segment each customer's scores fall into.

    Parameters
    ----------
    scores : DataFrame
        One row per customer with whole ``r``, ``f`` and ``m``, as `score` returns them.
    segments : mapping of str to box, default SEGMENTS
        Name -> ``((r_low, r_high), (f_low, f_high), (m_low, m_high))``, both ends included. The first match wins, who
        matches none is in "Others".

    Returns
    -------
    Series
        The segment of each row, categorical, with all segments as categories ("Others" last). Elsewhere than in pandas a
        frame of the id and ``segment``.

    Raises
    ------
    ColumnError
        A score is missing.
    DataError
        A score is not a whole number, or lies above every box: the map was made for fewer bins.
    OptionError
        A box is not three pairs of low ≤ high.

    Notes
    -----
    The default map is drawn on five bins and reads recency against frequency; every pair falls into exactly one segment.

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> scores = pd.DataFrame({"r": [5, 1], "f": [5, 5], "m": [5, 3]}, index=["ann", "bob"])
    >>> crm.rfm.segment(scores).tolist()
    ['Champions', "Can't Lose Them"]
    """
    boxes = [_checked_box(name, box) for name, box in segments.items()]
    if not boxes:
        msg = "segments is empty: give at least one name and its box"
        raise OptionError(msg)
    frame = _frame.read(scores)
    values = [_frame.numbers(frame, letter, whole=True) for letter in MEASURES]
    for letter, column, highest in zip(MEASURES, values, np.max(boxes, axis=(0, 2)), strict=True):
        if (column > highest).any():
            count, row = _frame.first_place(column > highest)
            msg = (
                f"column {letter!r}: {count:,} above {highest}, the highest score any segment names, the first in row {row}"
                f" ({column[row]:g}); score with fewer bins, or give a map for these"
            )
            raise DataError(msg)
        if (column < 1).any():
            count, row = _frame.first_place(column < 1)
            msg = f"column {letter!r}: {count:,} below 1, the first in row {row} ({column[row]:g}); scores start at 1"
            raise DataError(msg)
    names = [*(name for name in segments if name != OTHERS), OTHERS]
    codes = np.full(len(frame), names.index(OTHERS))
    # backwards, so that the first match is written last
    for name, box in reversed(list(zip(segments, boxes, strict=True))):
        inside = np.ones(len(frame), np.bool_)
        for column, (low, high) in zip(values, box, strict=True):
            inside &= (column >= low) & (column <= high)
        codes[inside] = names.index(name)
    return _frame.series_like(frame, "segment", _frame.Categories(codes, names), used=tuple(MEASURES))


def _cuts(
    values: npt.NDArray[np.float64], bins: int, measure: str, thresholds: Mapping[str, Any] | None
) -> npt.NDArray[np.float64]:
    if thresholds is None:
        cuts = np.quantile(values, np.arange(1, bins) / bins)
        _warn_of_empty_scores(values, cuts, bins, measure)
        return cuts
    if measure not in thresholds:
        msg = f"thresholds has no {measure!r}; it names {sorted(thresholds)}"
        raise OptionError(msg)
    cuts = np.asarray(thresholds[measure], dtype=np.float64)
    if cuts.shape != (bins - 1,) or not np.isfinite(cuts).all() or (np.diff(cuts) < 0).any():
        msg = f"thresholds[{measure!r}] must be {bins - 1} ascending finite numbers for bins={bins}, got {thresholds[measure]!r}"
        raise OptionError(msg)
    return cuts


def _warn_of_empty_scores(values: npt.NDArray[np.float64], cuts: npt.NDArray[np.float64], bins: int, measure: str) -> None:
    import warnings

    from crmkit.errors import DataWarning

    given = np.bincount(np.searchsorted(cuts, values, side="left"), minlength=bins)
    empty = np.flatnonzero(given == 0)
    if empty.size == 0:
        return
    scores = [int(bins - place) if measure == "recency_days" else int(place + 1) for place in empty]
    reason = "customers share values" if values.size >= bins else f"there are only {values.size} customers"
    warnings.warn(
        f"{measure}: nobody is scored {sorted(scores)} because {reason} and thresholds coincide; the order is kept."
        f" Use fewer bins, or pass thresholds. Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
        DataWarning,
        stacklevel=4,
    )


def _checked_box(name: str, box: Any) -> list[tuple[int, int]]:
    try:
        checked = [(int(low), int(high)) for low, high in box]
    except (TypeError, ValueError):
        checked = []
    if len(checked) != len(MEASURES) or any(low > high for low, high in checked):
        msg = f"segment {name!r}: {box!r} is not ((r_low, r_high), (f_low, f_high), (m_low, m_high)) with low <= high"
        raise OptionError(msg)
    return checked
