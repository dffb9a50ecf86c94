"""How long a silence must last before it means that a customer is gone."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options
from crmkit._frame import readonly
from crmkit._kernels import gaps as _k
from crmkit.errors import DataError
from crmkit.intervals._one import wilson_ends
from crmkit.results import Estimate, Shown, confidence_level, critical_value

if TYPE_CHECKING:
    from crmkit._events import ColumnNames

__all__ = ["Window", "suggest_window"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FEWEST = 50  # gaps at least so long, where the curve is read to its end
MOST_ROWS = 400  # of the table


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Window(Shown):
    """The shortest silence after which few come back, and how many come back after any other.

    Attributes
    ----------
    window : str or None
        Its length as other functions take it, such as "87D"; None where more come back after every silence that can be
        judged.
    p_return : Estimate or None
        Share of customers silent for that long who come back all the same.
    at_most : float
        The share that was asked for.
    observed_days : float
        The longest silence that is followed: at least 50 gaps lasted as long. Who comes back later is not counted, and
        windows of up to half of it are judged.
    n_gaps, n_customers : int
        Gaps, the open ones included, and customers.
    table : DataFrame
        The false-churn curve: ``days`` of silence, ``silent`` (gaps that lasted longer), ``p_return``, ``ci_low``,
        ``ci_high``.

    Examples
    --------
    >>> import crmkit as crm
    >>> orders = crm.datasets.make_transactions(n_customers=300, rng=1).transactions
    >>> found = crm.churn.suggest_window(orders, order="order_id", at_most=0.3)
    >>> found.p_return.value <= found.at_most
    True
    """

    window: str | None
    p_return: Estimate | None
    at_most: float
    observed_days: float
    n_gaps: int
    n_customers: int
    table: Any

    def __repr__(self) -> str:
        lines = [
            f"Window from {self.n_gaps:,} gaps of {self.n_customers:,} customers, silences of up to {self.observed_days:g} days"
        ]
        if self.window is None:
            lines.append(f"  no window: after every silence more than {self.at_most:.0%} come back")
        else:
            lines.append(f"  {self.window}: of those silent for longer come back {self.p_return}")
        return "\n".join(lines)


def suggest_window(log: Any, /, *, at_most: float = 0.05, level: float = 0.95, **columns: Unpack[ColumnNames]) -> Window:
    r"""Suggest after how long a silence a customer should count as churned, so that few of them come back.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`.
    at_most : float, default 0.05
        Share of those called churned who may come back, above 0 and below 1.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    **columns
        Column keywords of `crmkit.events`, where a frame is given; ``amount=None`` where there are no amounts.

    Returns
    -------
    Window
        The shortest `window` of whole days, and the curve for all others.

    Raises
    ------
    ColumnError
        A column is missing, or the log was built without times.
    DataError
        The events cannot be read, fewer than 50 gaps are known, or nobody ever came back.
    OptionError
        `at_most` or `level` is not between 0 and 1.

    Notes
    -----
    The silence that still goes on when the log ends is a gap too, of which only the least length is known. With :math:`d_t`
    gaps that ended at length :math:`t` of the :math:`n_t` at least as long, the share that comes back after a silence of
    :math:`w` is that of Kaplan and Meier from :math:`w` on,

    .. math:: 1 - \prod_{w < t \le \tau} (1 - d_t / n_t) ,

    where :math:`\tau` is the longest silence that at least 50 gaps reached; windows of up to :math:`\tau / 2` are judged, so
    that there is as much time again to come back in. Taking the quantile of the closed gaps instead
    overlooks all who have not come back yet, and comes out too short. Intervals count the gaps of one customer as one
    observation (infinitesimal jackknife), and are symmetric on the scale of the log of the log.

    Silence is judged alike for those who buy every week and those who buy once a year; a model by `fit` tells them apart.

    References
    ----------
    Kaplan and Meier (1958), Nonparametric estimation from incomplete observations, JASA 53(282).

    Examples
    --------
    >>> import crmkit as crm
    >>> orders = crm.datasets.make_transactions(n_customers=300, rng=1).transactions
    >>> found = crm.churn.suggest_window(orders, order="order_id", at_most=0.2)
    >>> found.table.columns.tolist()
    ['days', 'silent', 'p_return', 'ci_low', 'ci_high']
    """
    at_most = _options.number("at_most", at_most, low=0.0, high=1.0, ends=False)
    level = confidence_level(level)
    log = _events.as_log(log, **columns)
    log.require("time")
    lengths, closed, customer = _gaps(log.orders.start, log.orders.instant, int(log.lines.instant.max()))
    if lengths.size < FEWEST or not closed.any():
        came = "nobody ever bought twice" if not closed.any() else f"there are {lengths.size:,} gaps between purchases"
        msg = f"{came}: at least {FEWEST} gaps, some of them closed, are needed to tell how long a silence lasts"
        raise DataError(msg)
    day = log.clock.ticks_per_day
    curve = _Curve.of(lengths, closed, customer, log.n_customers, day)
    # later on, too little is left of what can be seen for anybody to come back in
    days = np.arange(curve.observed // (2 * day) + 1)
    p, low, high, silent = curve.at(days, level)
    few = np.flatnonzero(p <= at_most)
    # a window has a day at least, where one can be judged
    found = max(int(few[0]), min(1, days.size - 1)) if few.size else None
    estimate = None
    if found is not None:
        se = float((high[found] - low[found]) / (2.0 * critical_value(level)))
        estimate = Estimate(
            float(p[found]), float(low[found]), float(high[found]), se, int(silent[found]), level, "clustered log-log"
        )
    shown = np.unique(np.linspace(0, days.size - 1, min(days.size, MOST_ROWS)).round().astype(np.int64))
    shown = np.union1d(shown, [] if found is None else [found]).astype(np.int64)
    table = {"days": days[shown], "silent": silent[shown], "p_return": p[shown], "ci_low": low[shown], "ci_high": high[shown]}
    return Window(
        window=None if found is None else f"{max(found, 1)}D",
        p_return=estimate,
        at_most=at_most,
        observed_days=curve.observed / day,
        n_gaps=lengths.size,
        n_customers=int((np.diff(log.orders.start) > 0).sum()),
        table=_frame.table(table, kind=log.labels.kind),
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """Lengths at which gaps closed, and the log share of silences from there on that never end, with its variance."""

    day: int
    times: Integers
    log_share: Floats
    variance: Floats
    ascending: Integers  # all gaps
    observed: int  # the longest that enough of them reached

    @classmethod
    def of(cls, lengths: Integers, closed: Any, customer: Any, n_customers: int, day: int) -> _Curve:
        order = np.argsort(lengths, kind="stable")
        ascending = lengths[order]
        times, events = np.unique(lengths[closed], return_counts=True)
        at_risk = lengths.size - np.searchsorted(ascending, times, side="left")
        # in the far tail a handful of gaps would decide everything
        kept = (at_risk >= FEWEST) & (events < at_risk)
        if not kept.any():
            msg = f"no gap closed after a length that at least {FEWEST} others reached: the log is too short to tell"
            raise DataError(msg)
        times, events, at_risk = times[kept], events[kept], at_risk[kept]
        beyond = ascending > times[-1]
        cut, open_now = np.where(beyond, times[-1], ascending), closed[order] & ~beyond
        log_share, variance = _k.lasting(
            readonly(times),
            readonly(events.astype(np.int64)),
            readonly(at_risk.astype(np.int64)),
            readonly(cut[::-1]),
            readonly(open_now[::-1]),
            readonly(customer[order][::-1]),
            n_customers,
        )
        return cls(day, times, log_share, variance, ascending, int(ascending[-FEWEST]))

    def at(self, days: Integers, level: float) -> tuple[Floats, Floats, Floats, Integers]:
        """Give the share that comes back after so many days of silence, its interval, and how many gaps lasted longer."""
        silent = self.ascending.size - np.searchsorted(self.ascending, days * self.day, side="right")
        place = np.searchsorted(self.times, days * self.day, side="right")
        some = place < self.times.size
        # after the last return, nobody comes back: as sure as so many silences make it
        p, low = np.zeros(days.size), np.zeros(days.size)
        high = wilson_ends(np.zeros(days.size), np.maximum(silent, 1).astype(np.float64), critical_value(level))[1]
        log_share = self.log_share[place[some]]
        wide = np.exp(critical_value(level) * np.sqrt(self.variance[place[some]]) / -log_share)
        p[some] = -np.expm1(log_share)
        low[some], high[some] = -np.expm1(log_share / wide), -np.expm1(log_share * wide)
        return p, low, high, silent


def _gaps(start: Integers, instant: Integers, end: int) -> tuple[Integers, Any, Any]:
    """Return the gap after each order: to the next, or the open one to the end of the log."""
    lengths = np.empty(instant.size, np.int64)
    lengths[:-1] = np.diff(instant)
    last = start[1:][np.diff(start) > 0] - 1
    lengths[last] = end - instant[last]
    closed = np.ones(instant.size, np.bool_)
    closed[last] = False
    customer = np.repeat(np.arange(start.size - 1, dtype=np.int32), np.diff(start))
    return lengths, closed, customer
