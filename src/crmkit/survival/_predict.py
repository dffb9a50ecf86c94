"""Who leaves next: the probability of the event in the time ahead, given how long each has lasted."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit.errors import DataError, DataWarning, FitError, LimitError, OptionError
from crmkit.survival.cox import CoxModel
from crmkit.survival.hazard import HazardModel

__all__ = ["predict"]

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

PIECE = 1 << 15  # rows of one piece of work
QUANTITIES = ("event", "survival")
BEYOND = ("error", "hold")
MOST_ANSWERS = 500_000_000


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Hazards:
    """Cumulative hazard of each row at any time, and until when it is known."""

    until: Floats
    at: Callable[[Floats, slice], Floats]


def predict(
    model: Any,
    frame: Any,
    /,
    *,
    horizon: Any,
    survived: Any = None,
    quantity: str = "event",
    beyond: str = "error",
    n_threads: int | None = None,
) -> Any:
    r"""Tell how probable it is that each customer leaves in the time ahead, having lasted so far.

    Parameters
    ----------
    model : CoxModel, HazardModel or DataFrame
        As `fit_cox` or `fit_hazard` return it, or the table of `curve`.
    frame : DataFrame
        One row per customer: the features of the model, its strata (or the groups of the curve) and how long each has lasted.
    horizon : float or sequence of float
        How far ahead to look, in the unit of the durations.
    survived : str or float, optional
        Column with the time each is known to have lasted, or one number for all: 0 for customers who start now. Default: the
        column of durations that the model was fitted on, ``duration`` for a curve.
    quantity : {"event", "survival"}, default "event"
        Whether to give the probability of the event within `horizon`, or of none.
    beyond : {"error", "hold"}, default "error"
        What to do where `survived` + `horizon` passes the longest time observed: refuse, or count up to that time only, which
        understates the event, and warn.
    n_threads : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    Series or DataFrame
        ``event_probability`` (``survival_probability``) on the rows of `frame`. For several horizons, one column each, such as
        ``event_3`` and ``event_12``.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A value is missing, infinite or negative; a stratum or group is unknown; a customer has lasted longer than anybody
        observed, or looks ahead beyond that; or lasted beyond a time at which nobody was left.
    FitError
        `model` is none of those known.
    OptionError
        `horizon` is not above 0, or an option is none of those known.
    LimitError
        Rows times horizons are more than 500 million, 4 GB.

    Warns
    -----
    DataWarning
        Some rows hold a category the model has not seen, or a number so far outside the range it was fitted on that the
        hazard moves twentyfold, or are counted up to the longest time observed only.

    Notes
    -----
    :math:`P(T \le t + h \mid T > t) = 1 - S(t + h) / S(t)`, by differences of cumulative hazards, which keep small probabilities
    exact. `survived` = 0 gives :math:`1 - S(h)`, the curve of a new customer: for one who has been there for long it is as a
    rule far too high, since those likely to leave have left. Nothing is extrapolated. Memory grows with rows times
    horizons, 8 bytes each.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import survival
    >>> contracts = pd.DataFrame(
    ...     {
    ...         "months": [1, 2, 2, 3, 5, 6, 8, 9, 12, 12],
    ...         "left": [1, 1, 1, 1, 0, 1, 0, 1, 0, 0],
    ...         "plan": ["month", "month", "year", "month", "year", "month", "month", "year", "year", "year"],
    ...     }
    ... )
    >>> model = survival.fit_cox(contracts, duration="months", event="left")
    >>> active = contracts.query("left == 0 and months < 12")
    >>> survival.predict(model, active, horizon=4).round(3)
    4    0.336
    6    0.816
    Name: event_probability, dtype: float64
    """
    _options.choice("quantity", quantity, QUANTITIES)
    _options.choice("beyond", beyond, BEYOND)
    ahead, single = _horizons(horizon)
    table = _frame.read(frame)
    if len(table) * len(ahead) > MOST_ANSWERS:
        msg = f"{len(table):,} rows of {len(ahead):,} horizons are more than {MOST_ANSWERS:,} answers; ask fewer at a time"
        raise LimitError(msg)
    is_curve = _frame.is_frame(model)
    if is_curve:
        name = "duration"
    elif isinstance(model, (CoxModel, HazardModel)):
        name = model.columns["duration"]
    else:
        msg = f"survival.predict takes a model of fit_cox or fit_hazard, or a table of curve; got {type(model).__name__}"
        raise FitError(msg)
    used: list[Any] = []
    if survived is None or not isinstance(survived, (int, float, np.number)) or isinstance(survived, bool):
        column = name if survived is None else survived
        lasted = _frame.numbers(table, column, keyword="survived", nonnegative=True)
        used.append(column)
    else:
        column = "survived"
        lasted = np.full(len(table), _options.number("survived", survived, low=0.0))
    if isinstance(model, CoxModel):
        hazards = _of_cox(model, table)
        used += [*model.features, *([model.columns["strata"]] if "strata" in model.columns else [])]
    elif isinstance(model, HazardModel):
        hazards = _of_periods(model, table)
        used += model.features
    else:
        hazards, group = _of_curve(model, table)
        used += group
    known = _refuse_beyond(lasted, hazards.until, ahead, column, hold=beyond == "hold")

    def work(piece: tuple[int, int]) -> Floats:
        rows = slice(*piece)
        begin = hazards.at(lasted[rows], rows)
        ends = [hazards.at(np.minimum(lasted[rows] + h, known[rows]), rows) for h in ahead]
        stays = np.column_stack([begin - end for end in ends])
        return np.asarray(-np.expm1(stays) if quantity == "event" else np.exp(stays), np.float64)

    start = hazards.at(lasted, slice(0, len(table)))
    if np.isinf(start).any():
        count, row = _frame.first_place(np.isinf(start))
        msg = (
            f"column {column!r}: {count:,} lasted beyond a time at which nobody was left, the first in row {row}"
            f" ({lasted[row]:g}); the curve says that this cannot be"
        )
        raise DataError(msg)
    pieces = _threads.run(work, _threads.chunks(len(table), PIECE), n_threads=n_threads)
    # −0 where nothing can happen
    out = np.concatenate(pieces) + 0.0 if pieces else np.empty((0, len(ahead)))
    if single:
        return _frame.series_like(table, f"{quantity}_probability", np.ascontiguousarray(out[:, 0]), used=used)
    columns = {f"{quantity}_{h:g}": np.ascontiguousarray(out[:, k]) for k, h in enumerate(ahead)}
    return _frame.rows_like(table, columns, used=used)


def _horizons(horizon: Any) -> tuple[list[float], bool]:
    single = isinstance(horizon, (str, bytes)) or not isinstance(horizon, (Sequence, np.ndarray))
    given = [horizon] if single else list(horizon)
    if isinstance(horizon, str):
        msg = f"horizon={horizon!r}: durations of survival have no unit; pass a number in theirs, such as 3 for months"
        raise OptionError(msg)
    ahead = [_options.number("horizon", h, low=0.0, ends=False) for h in given]
    if not ahead or len(set(ahead)) < len(ahead):
        msg = "horizon= needs a number, or several that differ"
        raise OptionError(msg)
    return ahead, single


def _refuse_beyond(lasted: Floats, until: Floats, ahead: list[float], column: Any, *, hold: bool) -> Floats:
    """Refuse rows about which nothing is known; return the time up to which each is counted."""
    old = lasted > until
    if old.any():
        count, row = _frame.first_place(old)
        msg = (
            f"column {column!r}: {count:,} longer than anybody observed, the first in row {row} ({lasted[row]:g}, observed up to"
            f" {until[row]:g}); leave them out, or fit on data that hold such customers"
        )
        raise DataError(msg)
    # a sum of decimals may pass its end by rounding
    far = lasted + max(ahead, default=0.0) > until * (1.0 + 1e-12)
    if not far.any():
        return until
    count, row = _frame.first_place(far)
    what = (
        f"{count:,} of {lasted.size:,} rows look beyond the longest time observed, the first in row {row} ({lasted[row]:g} plus"
        f" {max(ahead):g}, observed up to {until[row]:g})"
    )
    if not hold:
        msg = f"column {column!r}: {what}; pass a shorter horizon=, or beyond='hold' to count up to there only"
        raise DataError(msg)
    warnings.warn(
        f"{what}; they are counted up to there only, which understates the event."
        " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
        DataWarning,
        stacklevel=3,
    )
    return until


def _of_cox(model: CoxModel, table: _frame.Frame) -> _Hazards:
    codes = np.zeros(len(table), np.int64)
    if "strata" in model.columns:
        codes = _codes(table, model.columns["strata"], model.strata, "stratum")
    ratio = np.exp(model._log_ratio(table))

    def at(time: Floats, rows: slice) -> Floats:
        return model._hazard(time, codes[rows]) * ratio[rows]

    return _Hazards(model.observed_until[codes], at)


def _of_periods(model: HazardModel, table: _frame.Frame) -> _Hazards:
    ratio = model._log_ratio(table)

    def at(time: Floats, rows: slice) -> Floats:
        return -model._sums(time, model._log_stays(ratio[rows]))

    return _Hazards(np.full(len(table), model.observed_until), at)


def _of_curve(curve: Any, table: _frame.Frame) -> tuple[_Hazards, list[Any]]:
    steps = _frame.read(curve)
    if "time" not in steps.columns or "survival" not in steps.columns:
        msg = (
            f"the table has {steps.columns}; predict reads 'time' and 'survival', as curve(...) returns them without cause= and"
            " with method='kaplan_meier'"
        )
        raise FitError(msg)
    time = _frame.numbers(steps, "time", nonnegative=True)
    share = _frame.numbers(steps, "survival", nonnegative=True)
    group = steps.columns[: steps.columns.index("time")]
    where, codes = np.zeros(time.size, np.int64), np.zeros(len(table), np.int64)
    n_groups = 1
    if group:
        text = _frame.text(steps, group[0])
        where = text.codes.astype(np.int64)
        n_groups = len(text.values)
        codes = _codes(table, group[0], text.values, "group")
    with np.errstate(divide="ignore"):
        hazard = -np.log(share)
    curves = [(time[where == code], np.append(0.0, hazard[where == code])) for code in range(n_groups)]
    for times, _ in curves:
        if times.size == 0 or (np.diff(times) <= 0.0).any():
            msg = "the times of the curve do not ascend; pass the table as curve(...) returned it"
            raise DataError(msg)
    # where nobody is left, what follows is known
    until = np.array([math.inf if np.isinf(values[-1]) else times[-1] for times, values in curves])

    def at(moment: Floats, rows: slice) -> Floats:
        out, which = np.empty(moment.size), codes[rows]
        for code, (times, values) in enumerate(curves):
            here = which == code
            out[here] = values[np.searchsorted(times, moment[here], side="right")]
        return out

    return _Hazards(until[codes], at), group


def _codes(table: _frame.Frame, column: Any, known: Sequence[str], what: str) -> Longs:
    """Code of each row's stratum or group; one that has no baseline is refused."""
    text = _frame.text(table, column)
    place = {value: code for code, value in enumerate(known)}
    code_of = np.array([*(place.get(value, -1) for value in text.values), -1], np.int64)
    codes: Longs = code_of[text.codes]
    if (codes < 0).any():
        count, row = _frame.first_place(codes < 0)
        msg = (
            f"column {column!r}: {count:,} missing or of a {what} the model does not know, the first in row {row}; leave them out"
        )
        raise DataError(msg)
    return codes
