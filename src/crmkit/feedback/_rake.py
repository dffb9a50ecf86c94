"""Weights that make the answers look like the customer base: by one table of cells, or by several margins."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.errors import ConvergenceWarning, DataError, OptionError
from crmkit.feedback import _weights
from crmkit.feedback._weights import Weights

__all__ = ["poststratify", "rake"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

SAME_TOTAL = 1e-6  # shares and totals are often rounded


def rake(
    frame: Any,
    /,
    *,
    margins: Any,
    weight: str | None = None,
    bounds: tuple[float, float] | None = None,
    max_iterations: int = 1000,
    tolerance: float = 1e-9,
) -> Weights:
    r"""Weigh answers so that several margins at once are those of the customer base: rim weighting.

    Parameters
    ----------
    frame : DataFrame
        One answer per row.
    margins : mapping of column to mapping of label to number
        What is known of the customer base: for each column the share or the number of customers with each label. Every label in
        the data needs one.
    weight : str, optional
        Column of the weights to start from, such as one over the probability of having been asked. Default: all alike.
    bounds : (float, float), optional
        Smallest and largest factor on those weights, 1 being the average, such as (0.3, 3). Narrow bounds can make the margins
        impossible to meet: the result then says so.
    max_iterations : int, default 1000
        Most rounds over the margins.
    tolerance : float, default 1e-9
        Largest gap between a weighted and a wanted margin, as a share of the total.

    Returns
    -------
    Weights
        One weight per row and the report. They add up to the numbers in `margins`, or to the weights at the start where those
        are shares.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        A label of the data has no number, a label with a number has no answer, a number is negative or missing, or the margins
        have different totals.
    OptionError
        `bounds`, `max_iterations` or `tolerance` is not usable.

    Warns
    -----
    ConvergenceWarning
        The margins are not met after `max_iterations` rounds.

    Notes
    -----
    Iterative proportional fitting: each margin in turn is scaled to what is wanted, until none changes any more. Rows with the
    same labels share their factor, so the work is on the distinct combinations of labels. Passed to `nps`, the weights also say
    which margins are known: standard errors are those of what the margins leave unexplained, usually smaller.

    References
    ----------
    Deming and Stephan (1940), On a least squares adjustment of a sampled frequency table when the expected marginal totals are
    known, Annals of Mathematical Statistics 11(4).
    Deville, Särndal and Sautory (1993), Generalized raking procedures in survey sampling, JASA 88(423).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import feedback
    >>> answers = pd.DataFrame({"score": [10, 9, 3, 8], "shop": list("aabb"), "new": ["y", "n", "y", "n"]})
    >>> weights = feedback.rake(answers, margins={"shop": {"a": 0.25, "b": 0.75}, "new": {"y": 0.5, "n": 0.5}})
    >>> weights.values.tolist()
    [0.5, 0.5, 1.5, 1.5]
    >>> feedback.nps(answers, weight=weights).value
    -12.5
    """
    read = _frame.read(frame)
    if not isinstance(margins, Mapping) or not margins:
        msg = "margins= maps columns to the wanted shares or numbers of their labels, at least one column"
        raise OptionError(msg)
    limits = _checked_bounds(bounds)
    max_iterations = _options.whole("max_iterations", max_iterations, low=1)
    tolerance = _options.number("tolerance", tolerance, low=0.0, ends=False)
    base = np.ones(len(read)) if weight is None else _weights.checked(read, weight)
    cells, targets = [], []
    for column, wanted in margins.items():
        ids = _frame.ids(read, column, keyword="margins")
        cells.append(ids.codes.astype(np.int64))
        targets.append(_target(column, ids, wanted, base))
    if len(read) == 0:
        msg = "there are no answers, so nothing is weighed"
        raise DataError(msg)
    total = _common_total(list(margins), targets, float(base.sum()))
    return _fit(read, base, cells, [t * (total / t.sum()) for t in targets], limits, max_iterations, tolerance, list(margins))


def poststratify(
    frame: Any,
    /,
    *,
    by: str | Sequence[str],
    targets: Any,
    weight: str | None = None,
) -> Weights:
    r"""Weigh answers so that every group is as large a part of the whole as it is of the customer base.

    Parameters
    ----------
    frame : DataFrame
        One answer per row.
    by : str or list of str
        Columns of groups.
    targets : mapping of label to number
        Share or number of customers of each group; with several columns labels are tuples. Every group in the data needs one.
    weight : str, optional
        Column of the weights to start from. Default: all alike.

    Returns
    -------
    Weights
        One weight per row and the report.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        A group of the data has no number, a group with a number has no answer, or a number is negative or missing.
    OptionError
        `targets` is not a mapping.

    Notes
    -----
    Weights in group :math:`g` are multiplied by :math:`N_g / \sum_{i \in g} w_i`. Passed to `nps`, the standard error is that of
    a stratified sample: differences between groups no longer count.

    References
    ----------
    Holt and Smith (1979), Post stratification, JRSS A 142(1).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import feedback
    >>> answers = pd.DataFrame({"score": [10, 9, 3, 8, 2], "shop": list("aabbb")})
    >>> weights = feedback.poststratify(answers, by="shop", targets={"a": 800, "b": 1200})
    >>> weights.values.tolist()
    [400.0, 400.0, 400.0, 400.0, 400.0]
    """
    read = _frame.read(frame)
    if not isinstance(targets, Mapping) or not targets:
        msg = "targets= maps the labels of groups to their shares or numbers, at least one"
        raise OptionError(msg)
    base = np.ones(len(read)) if weight is None else _weights.checked(read, weight)
    if len(read) == 0:
        msg = "there are no answers, so nothing is weighed"
        raise DataError(msg)
    names = [by] if isinstance(by, str) else list(by)
    groups = _frame.groups(read, by)
    if len(names) == 1:
        ids = _frame.Ids(groups.codes.astype(np.int32), groups.columns[0][1])
        wanted = _target(names[0], ids, targets, base)
    else:
        wanted = _tuple_target(groups, targets)
    cells = [groups.codes]
    total = _common_total([", ".join(names)], [wanted], float(base.sum()))
    return _fit(read, base, cells, [wanted * (total / wanted.sum())], (0.0, np.inf), 2, 1e-9, names)


def _target(column: str, ids: _frame.Ids, wanted: Any, base: Floats) -> Floats:
    """Wanted number for each label in the data."""
    if not isinstance(wanted, Mapping) or not wanted:
        msg = f"column {column!r}: the wanted shares are a mapping of label to share or number"
        raise OptionError(msg)
    numbers = [_number(column, label, value) for label, value in wanted.items()]
    codes = ids.labels.codes_of(list(wanted), what=f"wanted {column!r}")
    for code, label, number in zip(codes, wanted, numbers, strict=True):
        if code < 0 and number > 0.0:
            msg = f"column {column!r}: {number:g} wanted with label {label!r}, but no answer has it; join it with another label"
            raise DataError(msg)
    target = np.full(len(ids.labels), -1.0)
    target[codes[codes >= 0]] = np.array(numbers)[codes >= 0]
    unknown = target[ids.codes] < 0.0
    if unknown.any():
        count, row = _frame.first_place(unknown)
        msg = f"column {column!r}: {count:,} answers with a label that has no wanted share, the first in row {row}"
        raise DataError(msg)
    there = np.bincount(ids.codes, base, len(ids.labels))
    if ((there <= 0.0) & (target > 0.0)).any():
        msg = f"column {column!r}: all answers with some label weigh zero at the start, so they cannot be given a share"
        raise DataError(msg)
    if target.sum() <= 0.0:
        msg = f"column {column!r}: no wanted share is above zero"
        raise DataError(msg)
    return target


def _tuple_target(groups: _frame.Groups, targets: Mapping[Any, float]) -> Floats:
    labels = list(zip(*([*labels.as_index()[codes]] for _, labels, codes in groups.columns), strict=True))
    known = {label: place for place, label in enumerate(labels)}
    columns = [name for name, _, _ in groups.columns]
    target = np.full(len(labels), -1.0)
    for label, value in targets.items():
        number = _number(str(columns), label, value)
        key = tuple(label) if isinstance(label, (tuple, list)) else label
        if key in known:
            target[known[key]] = number
        elif number > 0.0:
            msg = (
                f"columns {columns}: {number:g} wanted with labels {label!r}, but no answer has them; join it with another group"
            )
            raise DataError(msg)
    unknown = target[groups.codes] < 0.0
    if unknown.any():
        count, row = _frame.first_place(unknown)
        msg = f"columns {columns}: {count:,} answers with labels that have no wanted share, the first in row {row}"
        raise DataError(msg)
    if target.sum() <= 0.0:
        msg = f"columns {columns}: no wanted share is above zero"
        raise DataError(msg)
    return target


def _number(column: str, label: Any, value: Any) -> float:
    try:
        return _options.number("share", value, low=0.0)
    except OptionError as error:
        msg = f"column {column!r}: the wanted share of {label!r} is {value!r}, not a number of zero or more"
        raise DataError(msg) from error


def _common_total(names: list[str], targets: list[Floats], size: float) -> float:
    """Total that all margins have; that of the weights at the start where they are shares."""
    totals = [float(t.sum()) for t in targets]
    if max(totals) - min(totals) > SAME_TOTAL * max(totals):
        told = ", ".join(f"{name!r} {total:g}" for name, total in zip(names, totals, strict=True))
        msg = f"the margins add up to different totals: {told}; they are of one population"
        raise DataError(msg)
    return size if abs(totals[0] - 1.0) <= SAME_TOTAL else totals[0]


def _checked_bounds(bounds: Any) -> tuple[float, float]:
    if bounds is None:
        return 0.0, np.inf
    try:
        low, high = (_options.number("bounds", value, low=0.0) for value in bounds)
    except (TypeError, ValueError) as error:
        msg = f"bounds={bounds!r} is not the smallest and the largest factor, such as (0.3, 3)"
        raise OptionError(msg) from error
    if not low < 1.0 < high:
        msg = f"bounds={bounds!r}: the average factor, 1, must lie between them"
        raise OptionError(msg)
    return low, high


def _fit(
    frame: _frame.Frame,
    base: Floats,
    cells: list[Codes],
    targets: list[Floats],
    limits: tuple[float, float],
    max_iterations: int,
    tolerance: float,
    used: list[str],
) -> Weights:
    # one factor for each combination of labels that occurs
    combined = cells[0]
    for codes in cells[1:]:
        combined = np.unique(combined * (int(codes.max()) + 1) + codes, return_inverse=True)[1].ravel()
    size = np.bincount(combined, base)
    first = np.full(size.size, combined.size, np.int64)
    np.minimum.at(first, combined, np.arange(combined.size))
    margins = [codes[first] for codes in cells]
    total = float(targets[0].sum())
    average = total / float(base.sum())
    factor = np.full(size.size, average)
    low, high = limits[0] * average, limits[1] * average
    gap, rounds, converged = np.inf, 0, False
    while rounds < max_iterations and not converged:
        rounds += 1
        for codes, target in zip(margins, targets, strict=True):
            now = np.bincount(codes, size * factor, target.size)
            factor = factor * np.where(now > 0.0, target / np.where(now > 0.0, now, 1.0), 1.0)[codes]
        factor = np.clip(factor, low, high)
        gap = max(
            float(np.abs(np.bincount(codes, size * factor, target.size) - target).max()) / total
            for codes, target in zip(margins, targets, strict=True)
        )
        converged = gap <= tolerance
    if not converged:
        msg = (
            f"the margins are not met after {rounds:,} rounds: the largest gap is {gap:.2g} of the total, so weighted shares"
            " are off by as much; widen bounds=, join rare labels, or silence this with warnings.simplefilter('ignore',"
            " crmkit.errors.ConvergenceWarning)"
        )
        warnings.warn(msg, ConvergenceWarning, stacklevel=3)
    w = factor[combined] * base
    effective = _weights.kish(w)
    return Weights(
        _frame.series_like(frame, "weight", w, used=used),
        converged,
        rounds,
        gap,
        effective,
        w.size / effective,
        float(w.min()),
        float(w.max()),
        float(w.sum()),
        _frame.readonly(w),
        tuple(cells),
    )
