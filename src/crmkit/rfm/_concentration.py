"""How much of the revenue comes from how few customers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from crmkit import _frame, _options
from crmkit._kernels import rfm as _k
from crmkit.errors import DataError
from crmkit.results import Estimate, Shown, confidence_level
from crmkit.rfm._summary import summarize

if TYPE_CHECKING:
    from crmkit._events import ColumnNames

__all__ = ["Concentration", "concentration"]

POINTS = 100  # of the curve


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Concentration(Shown):
    """How unequally revenue is spread over customers; holds no customer.

    Attributes
    ----------
    gini : Estimate
        Gini coefficient: 0 if all customers are worth the same, near 1 if one holds everything.
    top_share : Estimate
        Share of the revenue that the best `top` of the customers hold.
    top : float
        The share of the customers that counts as the best.
    lorenz : DataFrame
        The curve in 101 points: ``customers`` (share of them, the least first) and ``revenue`` (the share they hold).
    """

    gini: Estimate
    top_share: Estimate
    top: float
    lorenz: Any

    def __repr__(self) -> str:
        return f"Concentration of revenue\n  Gini           {self.gini}\n  best {self.top:.4g}{'':<6} {self.top_share}"


def concentration(
    log: Any, /, *, as_of: Any = None, top: float = 0.1, level: float = 0.95, **columns: Unpack[ColumnNames]
) -> Concentration:
    r"""Measure how concentrated revenue is: the Lorenz curve, the Gini coefficient, and the share of the best customers.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`.
    as_of : date-like, optional
        The last day that is counted, included. Default: the day of the log's last event.
    top : float, default 0.1
        Share of the customers that counts as the best: 0.1 for the top decile. Between 0 and 1.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    Concentration
        ``gini`` and ``top_share`` with jackknife intervals, and the curve ``lorenz``.

    Raises
    ------
    ColumnError
        A column is missing, or the log was built without times or amounts.
    DataError
        The events cannot be read, or fewer than three customers have spent anything: the intervals are then undefined.
    OptionError
        An option is out of range.

    Notes
    -----
    With amounts ascending, :math:`G = \sum_i (2i - n - 1)\,x_i \,/\, (n \sum_i x_i)`. The best :math:`tn` customers count one
    of them in part where that is not whole. The intervals are normal, from leaving out one customer at a time, cut off at 0
    and 1. They hold for tails that are not too heavy: where a handful of customers make the sum, they are too short.

    References
    ----------
    Yitzhaki (1991), Calculating jackknife variance estimators for parameters of the Gini method, JBES 9(2).

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "cid", "dee"],
    ...         "timestamp": pd.to_datetime(["2024-01-05", "2024-01-07", "2024-02-01", "2024-02-03"]),
    ...         "amount": [10.0, 10.0, 20.0, 60.0],
    ...     }
    ... )
    >>> found = crm.rfm.concentration(orders, top=0.25)
    >>> found.gini.value, found.top_share.value
    (0.4, 0.6)
    """
    level = confidence_level(level)
    top = _options.number("top", top, low=0, high=1, ends=False)
    summary = summarize(log, as_of=as_of, **columns)
    amounts = np.sort(_frame.numbers(summary, "monetary"))
    n = amounts.size
    spenders = int((amounts > 0).sum())
    if spenders < 3:
        msg = f"{spenders} of {n:,} customers have spent anything; how unequal they are takes at least three"
        raise DataError(msg)
    values, without = np.empty(2), np.empty((n, 2))
    _k.concentration(_frame.readonly(amounts), top, values, without)
    se = np.sqrt((n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    gini, top_share = (
        Estimate.normal(float(value), float(error), n=n, level=level, method="jackknife", bounds=(0.0, 1.0))
        for value, error in zip(values, se, strict=True)
    )
    share = np.linspace(0.0, 1.0, POINTS + 1)
    curve = np.interp(share * n, np.arange(n + 1), np.concatenate([[0.0], np.cumsum(amounts)])) / amounts.sum()
    curve[-1] = 1.0
    kind = _frame.read(summary).kind
    return Concentration(gini, top_share, top, _frame.table({"customers": share, "revenue": curve}, kind=kind))
