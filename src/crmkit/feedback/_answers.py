"""Answers as surveys hold them: numbers or labels on a declared scale, groups, weights, repeats and people who said nothing."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.errors import DataError, OptionError
from crmkit.feedback import _design
from crmkit.feedback._weights import Weights

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# no part of 9.5 or 1e1, and no range such as "0 - 6", which is several answers
FIRST_NUMBER = re.compile(r"\s*(-?\d+)(?![\d.,]*\d|[eE][+-]?\d|\s*[-–]\s*\d)")
DROP = "drop them before the call"
COUNT_OR_DROP = 'drop them, or count them as persons who did not answer with missing="drop"'


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Checked answers with everything that says what they stand for."""

    scores: Codes  # whole numbers on the scale
    groups: _frame.Groups | None
    group: Codes  # of every answer; zeros without groups
    n_groups: int
    design: _design.Design | None  # None: every answer counts alike and is independent of the others
    asked: Codes | None  # per group, where people who did not answer are in the data
    kind: str


def read(
    data: Any,
    *,
    score: str,
    by: str | Sequence[str] | None,
    scale: tuple[int, int],
    weight: str | Weights | None = None,
    missing: str | None = None,
    customer: str | None = None,
    time: str | None = None,
    repeats: str = "error",
    strata: str | None = None,
    cluster: str | None = None,
) -> Answers:
    """Read and check everything a function on answers takes; `missing` is None where the function has no such option."""
    _options.choice("missing", missing or "error", ("error", "drop"))
    _options.choice("repeats", repeats, ("error", "latest", "cluster"))
    columns = {"by": by, "weight": weight, "customer": customer, "time": time, "strata": strata, "cluster": cluster}
    frame = as_frame(data, score, columns)
    groups = None if by is None else _frame.groups(frame, by)
    answered = np.ones(len(frame), np.bool_)
    if missing == "drop":
        kind = _frame.text if _is_text(frame, score) else partial(_frame.ids, missing="drop")  # blank text is no answer
        answered = kind(frame, score, keyword="score").codes >= 0
    scores = on_scale(read_scores(frame, score, answered, DROP if missing is None else COUNT_OR_DROP), score, scale, answered)
    if not answered.any():
        msg = f"column {score!r}: no answers, so there is no score"
        raise DataError(msg)
    n_groups = 1 if groups is None else len(groups)
    group = np.zeros(len(frame), np.int64) if groups is None else groups.codes
    asked = np.bincount(group, minlength=n_groups) if missing == "drop" else None

    kept = answered
    person = None
    if customer is not None:
        person = _frame.ids(frame, customer, keyword="customer").codes.astype(np.int64)
        kept = _one_each(frame, person, group, answered, customer, time, repeats)
    elif repeats != "error" or time is not None:
        msg = "repeats= and time= say what to do with several answers of one person: name the person's column with customer="
        raise OptionError(msg)
    if repeats == "cluster":
        if cluster is not None:
            msg = 'repeats="cluster" makes the person the cluster; leave cluster= out'
            raise OptionError(msg)
        cluster = customer
    design = _design.read(frame, weight=weight, strata=strata, cluster=cluster, kept=kept)
    return Answers(
        scores if kept.all() else scores[kept],
        groups,
        group if kept.all() else group[kept],
        n_groups,
        design,
        asked,
        frame.kind,
    )


def as_frame(data: Any, score: str, columns: dict[str, Any]) -> _frame.Frame:
    """Read a frame as it is, and a bare column of answers as a frame of that column."""
    if _frame.is_frame(data) or hasattr(data, "collect_schema"):  # a lazy frame gets its own message
        return _frame.read(data)
    for keyword, named in columns.items():
        if isinstance(named, (str, list, tuple)):
            msg = f"{keyword}={named!r} names a column, but the answers are not in a frame; pass the frame that has both"
            raise OptionError(msg)
    if type(data).__module__.split(".")[0] == "pyarrow" and hasattr(data, "to_pandas"):
        data = data.to_pandas()
    if isinstance(data, (str, bytes, dict)) or np.ndim(data) != 1:
        msg = f"expected a column of answers or a frame, got {type(data).__module__}.{type(data).__name__}"
        raise DataError(msg)
    if not hasattr(data, "array"):
        values = np.asarray(data)
        # numpy would turn numbers among text into text without a word
        data = np.array(list(data), dtype=object) if values.dtype.kind in "US" else values
    # a Series keeps its dtype; its index may be anything, the rows count from 0
    return _frame.read(_frame.table({score: data.array if hasattr(data, "array") else data}))


def read_scores(frame: _frame.Frame, score: str, answered: Bools, missing: str) -> Floats:
    """Read answers given as numbers, or as labels that begin with one ("10 - Extremely likely"); -0 for those not given."""
    skip = None if answered.all() else ~answered
    try:
        return _frame.numbers(frame, score, keyword="score", ignore=skip, cure=missing)
    except DataError:
        if not _is_text(frame, score):
            raise
        text = _frame.text(frame, score, keyword="score")
        found = [FIRST_NUMBER.match(value) for value in text.values]
        if text.values and not any(found):
            raise  # text throughout is no scale at all: the first message says so
    numbers = np.array([float(match[1]) if match else np.nan for match in found] + [np.nan])[text.codes]
    for wrong, what in ((text.codes < 0, "missing"), (np.isnan(numbers), "not beginning with a number")):
        if (answered & wrong).any():
            count, row = _frame.first_place(answered & wrong)
            cure = (
                missing if what == "missing" else 'a label is read by its number, one whole number, as in "10 - Extremely likely"'
            )
            msg = f"column {score!r}: {count:,} {what}, the first in row {row}; {cure}"
            raise DataError(msg)
    return np.where(answered, numbers, 0.0)


def on_scale(values: Floats, score: str, scale: tuple[int, int], answered: Bools) -> Codes:
    """Refuse what is off the scale or between its steps."""
    low, high = scale
    off = answered & ((values < low) | (values > high))
    if off.any():
        count, row = _frame.first_place(off)
        msg = (
            f"column {score!r}: {count:,} off the scale {low} to {high}, the first in row {row} ({values[row]:g});"
            " drop them if they code a missing answer, or declare the scale with scale="
        )
        raise DataError(msg)
    part = answered & (values != np.floor(values))
    if part.any():
        count, row = _frame.first_place(part)
        msg = (
            f"column {score!r}: {count:,} not whole, the first in row {row} ({values[row]:g});"
            " pass the single answers, not means of them"
        )
        raise DataError(msg)
    return values.astype(np.int64)


def checked_scale(scale: Any) -> tuple[int, int]:
    """Return the lowest and the highest answer of a scale."""
    try:
        low, high = scale
        low, high = _options.whole("scale", low, low=-1000), _options.whole("scale", high, low=-1000)
    except (TypeError, ValueError) as error:
        msg = f"scale={scale!r} is not the lowest and the highest answer, such as (0, 10)"
        raise OptionError(msg) from error
    if low >= high:
        msg = f"scale={scale!r}: the lowest answer comes first"
        raise OptionError(msg)
    return low, high


def _is_text(frame: _frame.Frame, score: str) -> bool:
    column = frame.column(score)
    kind = str(getattr(column, "dtype", getattr(column, "type", ""))).lower()
    return any(word in kind for word in ("str", "object", "cat", "dict", "enum"))


def _one_each(
    frame: _frame.Frame, person: Codes, group: Codes, answered: Bools, customer: str, time: str | None, repeats: str
) -> Bools:
    """Flag the answers that count: of each person the latest in each group, or all of them."""
    rows = np.flatnonzero(answered)
    key = group * (int(person.max(initial=0)) + 1) + person
    if repeats == "latest":
        if time is None:
            msg = 'repeats="latest" needs to know when an answer was given: name its column with time='
            raise OptionError(msg)
        moment = _frame.times(frame, time, keyword="time", ignore=~answered).instant
        order = rows[np.lexsort((moment[rows], key[rows]))]
        last = np.append(key[order][1:] != key[order][:-1], True) if order.size else np.empty(0, np.bool_)
        same = (key[order][1:] == key[order][:-1]) & (moment[order][1:] == moment[order][:-1]) & last[1:]
        if same.any():
            msg = (
                f"column {time!r}: {int(same.sum()):,} persons have more than one answer at their latest moment, the first in row"
                f" {int(order[1:][same].min())}; keep one of them"
            )
            raise DataError(msg)
        kept = np.zeros(answered.size, np.bool_)
        kept[order[last]] = True
        return kept
    if repeats == "error":
        _, first, times = np.unique(key[rows], return_index=True, return_counts=True)
        if (times > 1).any():
            again = np.ones(rows.size, np.bool_)
            again[first] = False
            msg = (
                f"column {customer!r}: {int(again.sum()):,} answers of persons who answered before, the first in row"
                f' {int(rows[again].min())}; choose repeats="latest" (with time=) or repeats="cluster"'
            )
            raise DataError(msg)
    return answered
