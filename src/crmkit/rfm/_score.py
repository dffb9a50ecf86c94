"""Where the measures are cut, and the scores that follow: cut points are a value, kept and applied again."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit._kernels import rfm as _k
from crmkit.errors import DataError, DataWarning, OptionError
from crmkit.results import Model
from crmkit.rfm._summary import MEASURES

__all__ = ["Thresholds", "score", "thresholds"]

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

METHODS = ("quantile", "r", "rank", "nested", "fixed")
ROWS = 1 << 17  # in one piece of work


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Thresholds(Model):
    """Cut points of the three measures, to be applied to the same customers or to others; holds no customer.

    Attributes
    ----------
    recency_days : array
        Cut points in days, ascending, `bins` − 1 of them.
    frequency : array
        Cut points in orders, ascending; for ``method="nested"`` one row per score of recency.
    monetary : array
        Cut points in the currency of the amounts, ascending; for ``method="nested"`` by scores of recency and of frequency.
    bins : int
        Number of scores.
    method : str
        How the cut points were found. A value equal to a cut point is scored with the smaller values, except for
        ``method="r"``, which scores it with the larger.
    n : int
        Customers the cut points come from; 0 where they were given.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("method", "bins", "recency_days", "frequency", "monetary")
    TITLE: ClassVar[str] = "RFM thresholds"

    recency_days: Floats
    frequency: Floats
    monetary: Floats
    bins: int
    method: str
    n: int

    def __post_init__(self) -> None:
        """Check what a file may have brought."""
        super(Thresholds, self).__post_init__()
        _options.choice("method", self.method, METHODS)
        bins = _options.whole("bins", self.bins, low=2, high=9)
        shapes = ((bins - 1,), (bins, bins - 1), (bins, bins, bins - 1)) if self.method == "nested" else ((bins - 1,),) * 3
        for measure, shape in zip(MEASURES.values(), shapes, strict=True):
            cuts = np.asarray(getattr(self, measure), dtype=np.float64)
            # minus infinity is a cut below everybody: ranks can leave the lowest score to nobody
            if (
                cuts.shape != shape
                or np.isnan(cuts).any()
                or (cuts == np.inf).any()
                or not (cuts[..., 1:] >= cuts[..., :-1]).all()
            ):
                msg = f"thresholds of {measure!r} must be ascending numbers of shape {shape} for bins={bins}, got {cuts.tolist()}"
                raise OptionError(msg)

    def scores(self, recency_days: Any, frequency: Any, monetary: Any) -> tuple[Longs, Longs, Longs]:
        """Return the scores r, f and m of arrays of the three measures, or of single numbers."""
        arrays = np.broadcast_arrays(*(np.asarray(values, np.float64) for values in (recency_days, frequency, monetary)))
        for measure, values in zip(MEASURES.values(), arrays, strict=True):
            if not np.isfinite(values).all():
                msg = f"{measure} is missing or infinite in {int((~np.isfinite(values)).sum()):,} places"
                raise DataError(msg)
        shape, n = arrays[0].shape, arrays[0].size
        recency, orders, amounts = (_frame.readonly(values.reshape(-1)) for values in arrays)
        r_cuts, f_cuts, m_cuts = (_frame.readonly(table) for table in self._tables())
        r, f, m = (np.empty(n, np.int64) for _ in MEASURES)

        def work(piece: tuple[int, int]) -> None:
            closed_left = self.method == "r"
            _k.score(recency, orders, amounts, r_cuts, f_cuts, m_cuts, self.bins, closed_left, *piece, r, f, m)

        _threads.run(work, _threads.chunks(n, ROWS))
        return r.reshape(shape), f.reshape(shape), m.reshape(shape)

    def _tables(self) -> tuple[Floats, Floats, Floats]:
        """Cut points by the scores that come before: one row where they do not matter."""
        r, f, m = (np.asarray(getattr(self, measure), np.float64) for measure in MEASURES.values())
        return r, f.reshape(-1, self.bins - 1), m.reshape((1, 1, -1) if m.ndim == 1 else m.shape)


def thresholds(summary: Any, /, *, bins: int = 5, method: str = "quantile", cuts: Mapping[str, Any] | None = None) -> Thresholds:
    r"""Find where recency, frequency and monetary value are cut into scores, to be kept and applied to others.

    Parameters
    ----------
    summary : DataFrame
        One row per customer with ``recency_days``, ``frequency`` and ``monetary``, as `summarize` returns them.
    bins : int, default 5
        Number of scores, 2 to 9.
    method : {"quantile", "r", "rank", "nested", "fixed"}, default "quantile"
        Quantiles of each measure; the rule of R's package rfm; ranks; quantiles of frequency within scores of recency, and
        of monetary value within both; or the given `cuts`.
    cuts : mapping, optional
        With ``method="fixed"``: ascending cut points per measure, ``{"recency_days": [...], "frequency": [...],
        "monetary": [...]}``, `bins` − 1 each.

    Returns
    -------
    Thresholds
        The cut points, frozen; ``to_dict`` and ``from_dict`` carry them through JSON.

    Raises
    ------
    ColumnError
        A measure is missing.
    DataError
        A measure is missing, infinite or, for recency and frequency, negative in some row; or there is no row.
    OptionError
        `bins`, `method` or `cuts` is not usable.

    Warns
    -----
    DataWarning
        Many customers share a value, so that thresholds coincide and some scores are given to nobody.

    Notes
    -----
    *quantile*: the cut points :math:`q_1 \le \dots \le q_{b-1}` are the quantiles at :math:`i/b` (linear interpolation,
    Hyndman and Fan's type 7). The score is one more than the number of cut points below the value; for recency, where few
    days are good, `bins` less the number below. They scale with the unit of the amounts, so that scores do not depend on it.

    *r*: the same quantiles plus one, and the score is one more than the number of cut points not above the value. Since a
    cent is no euro, scores change with the unit of the amounts: this is for agreement with results from R.

    *rank*: with :math:`l` customers below a value and :math:`e` at it, :math:`\lfloor b\,(l + e/2)/n \rfloor` cut points are
    below the value: who shares a value stands in the middle of those who do. A large tie is scored in the middle, where
    quantiles score it lowest.

    *nested*: quantiles of recency; of frequency among customers of one score of recency; of monetary value among those of
    one score of both. Scores of frequency then compare customers who were last seen at about the same time. Where nobody
    has a combination, the cut points of the next larger group are kept.

    Ties: equal values get equal scores by every method, and more is never scored lower (nested: among the customers who are
    compared). No score is split by chance or by the order of rows, so that bins differ in size where values are shared.

    References
    ----------
    Hyndman and Fan (1996), Sample quantiles in statistical packages, The American Statistician 50(4).

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> summary = pd.DataFrame(
    ...     {"recency_days": [1, 20, 40, 90], "frequency": [9, 5, 3, 1], "monetary": [500.0, 80.0, 120.0, 30.0]}
    ... )
    >>> crm.rfm.thresholds(summary, bins=2)
    RFM thresholds
      method        quantile
      bins          2
      recency_days  [30.]
      frequency     [4.]
      monetary      [100.]
      n 4
    """
    return _thresholds(_read(_frame.read(summary)), bins, method, cuts, stacklevel=3)


def score(
    summary: Any, /, *, bins: int = 5, method: str = "quantile", thresholds: Thresholds | Mapping[str, Any] | None = None
) -> Any:
    r"""Score each customer from 1 to `bins` on recency, frequency and monetary value; high is good on all three.

    Parameters
    ----------
    summary : DataFrame
        One row per customer with ``recency_days``, ``frequency`` and ``monetary``, as `summarize` returns them.
    bins : int, default 5
        Number of scores, 2 to 9.
    method : {"quantile", "r", "rank", "nested", "fixed"}, default "quantile"
        How each measure is cut, as in `thresholds`.
    thresholds : Thresholds or mapping, optional
        Cut points found before, which bring their own `bins` and method; or ascending cut points per measure,
        ``{"recency_days": [...], "frequency": [...], "monetary": [...]}``, `bins` − 1 each. Default: those of these customers.

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
    The cut points of the default are the quantiles at :math:`i/b` (linear interpolation, Hyndman and Fan's type 7).
    Intervals are closed on the right: the score is one more than the number of cut points below the value, and for recency,
    where few days are good, `bins` less the number below. Equal values get equal scores; more is never scored lower. The
    scores do not depend on the unit of the amounts. `thresholds` says how the other methods differ.

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
    frame = _frame.read(summary)
    columns = _read(frame)
    if isinstance(thresholds, Thresholds):
        _agree(thresholds, bins, method)
    else:
        if thresholds is not None:
            if method not in ("quantile", "fixed"):
                msg = f"thresholds are given, so that method={method!r} has nothing to find; drop one of the two"
                raise OptionError(msg)
            method = "fixed"
        thresholds = _thresholds(columns, bins, method, thresholds, stacklevel=3)
    r, f, m = thresholds.scores(*columns)
    digits = [str(code) for code in range(111, 1000)]
    words = _frame.ids(_frame.table({"rfm": digits}, kind=frame.kind), "rfm").labels
    rfm = _frame.Labelled(words, (100 * r + 10 * f + m - 111).astype(np.int32))
    return _frame.rows_like(frame, {"r": r, "f": f, "m": m, "rfm": rfm}, used=tuple(MEASURES.values()))


def _read(frame: _frame.Frame) -> list[Floats]:
    if len(frame) == 0:
        msg = "there are no customers to score: the frame has no rows"
        raise DataError(msg)
    return [_frame.numbers(frame, measure, nonnegative=measure != "monetary") for measure in MEASURES.values()]


def _agree(thresholds: Thresholds, bins: int, method: str) -> None:
    """Refuse options that the given thresholds contradict; the defaults contradict nothing."""
    if bins not in (5, thresholds.bins) or method not in ("quantile", thresholds.method):
        msg = (
            f"bins={bins!r} and method={method!r}, but the thresholds have bins={thresholds.bins} and"
            f" method={thresholds.method!r}; they bring their own: drop these arguments"
        )
        raise OptionError(msg)


def _thresholds(columns: list[Floats], bins: int, method: str, cuts: Any, *, stacklevel: int) -> Thresholds:
    bins = _options.whole("bins", bins, low=2, high=9)
    _options.choice("method", method, METHODS)
    if (cuts is None) == (method == "fixed"):
        msg = 'method="fixed" needs the cut points, and no other method takes any'
        raise OptionError(msg)
    if cuts is not None:
        return _given(cuts, bins)
    n = columns[0].size
    if method == "nested":
        found = _nested(columns, bins)
    elif method == "rank":
        found = [_rank_cuts(values, bins) for values in columns]
    else:
        found = _threads.run(lambda values: _quantiles(values, bins), columns)
        if method == "r":
            found = [cuts + 1.0 for cuts in found]
    r_cuts, f_cuts, m_cuts = found
    result = Thresholds(r_cuts, f_cuts, m_cuts, bins=bins, method=method, n=n)
    _warn_of_empty_scores(result, columns, stacklevel=stacklevel + 1)
    return result


def _given(cuts: Any, bins: int) -> Thresholds:
    if not isinstance(cuts, Mapping):
        msg = f"thresholds is a {type(cuts).__name__}; pass what `thresholds` returns, or a mapping of cut points per measure"
        raise OptionError(msg)
    columns = []
    for measure in MEASURES.values():
        if measure not in cuts:
            msg = f"thresholds has no {measure!r}; it names {sorted(map(str, cuts))}"
            raise OptionError(msg)
        try:
            column = np.asarray(cuts[measure], dtype=np.float64)
        except (TypeError, ValueError):
            column = np.empty(0)
        if column.shape != (bins - 1,) or not np.isfinite(column).all() or (np.diff(column) < 0).any():
            msg = f"thresholds[{measure!r}] must be {bins - 1} ascending finite numbers for bins={bins}, got {cuts[measure]!r}"
            raise OptionError(msg)
        columns.append(column)
    r_cuts, f_cuts, m_cuts = columns
    return Thresholds(r_cuts, f_cuts, m_cuts, bins=bins, method="fixed", n=0)


def _quantiles(values: Floats, bins: int) -> Floats:
    """Quantiles at 1/bins, 2/bins … of type 7; a quantile that is one of the values is that value to the bit."""
    # whole numbers say which values a quantile lies between: 0.6 × 5 in floating point may be just below 3
    places = [divmod(i * (values.size - 1), bins) for i in range(1, bins)]
    wanted = sorted({place for place, _ in places} | {min(place + 1, values.size - 1) for place, _ in places})
    ranked = np.partition(values, wanted)
    cuts = []
    for place, rest in places:
        low = float(ranked[place])
        high = float(ranked[place + 1]) if rest else low
        cuts.append(min(low + (high - low) * (rest / bins), high))
    return np.array(cuts)


def _rank_cuts(values: Floats, bins: int) -> Floats:
    """Cut point i is the largest value whose middle rank lies in the lowest i of `bins` equal parts."""
    distinct, count = np.unique(values, return_counts=True)
    # twice the rank of the middle, in whole numbers
    below = bins * (2 * np.cumsum(count) - count) // (2 * values.size)
    last = np.searchsorted(below, np.arange(1, bins), side="left") - 1
    return np.where(last >= 0, distinct[last], -np.inf)


def _nested(columns: list[Floats], bins: int) -> list[Floats]:
    recency, frequency, monetary = columns
    r_cuts = _quantiles(recency, bins)
    f_cuts, m_cuts = np.empty((bins, bins - 1)), np.empty((bins, bins, bins - 1))
    r = bins - np.searchsorted(r_cuts, recency, side="left")
    for i, mine in enumerate(_groups(r - 1, bins)):
        f_cuts[i] = _quantiles(frequency[mine] if mine.size else frequency, bins)
        amounts = monetary[mine] if mine.size else monetary
        f = np.searchsorted(f_cuts[i], frequency[mine], side="left")
        for j, of_both in enumerate(_groups(f, bins)):
            m_cuts[i, j] = _quantiles(amounts[of_both] if of_both.size else amounts, bins)
    return [r_cuts, f_cuts, m_cuts]


def _groups(codes: npt.NDArray[np.integer[Any]], n: int) -> list[npt.NDArray[np.intp]]:
    """Return the positions of each code 0 … n − 1."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.searchsorted(codes[order], np.arange(1, n)))


def _warn_of_empty_scores(thresholds: Thresholds, columns: list[Floats], *, stacklevel: int) -> None:
    bins, n = thresholds.bins, columns[0].size
    scores = thresholds.scores(*columns)
    reason = "customers share values" if n >= bins else f"there are only {n} customers"
    for measure, given in zip(MEASURES.values(), scores, strict=True):
        if thresholds.method == "nested" and measure != "recency_days":
            continue
        empty = np.flatnonzero(np.bincount(given, minlength=bins + 1)[1:] == 0) + 1
        if empty.size:
            _warn(f"{measure}: nobody is scored {empty.tolist()} because {reason} and thresholds coincide", stacklevel + 1)
    if thresholds.method == "nested":
        digits = np.ravel_multi_index(tuple(score - 1 for score in scores), (bins,) * 3)
        empty_cells = int((np.bincount(digits, minlength=bins**3) == 0).sum())
        if empty_cells:
            _warn(f"{empty_cells} of the {bins**3} combinations of scores are given to nobody because {reason}", stacklevel + 1)


def _warn(what: str, stacklevel: int) -> None:
    warnings.warn(
        f"{what}; the order is kept. Use fewer bins, or pass thresholds."
        " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
        DataWarning,
        stacklevel=stacklevel + 1,
    )
