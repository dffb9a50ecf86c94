"""Columns that a hazard may depend on, as numbers: text becomes one indicator per category but the first, the reference."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._frame import as_pandas
from crmkit.errors import ColumnError, DataError, DataWarning, FitError, OptionError

__all__ = ["Covariates", "categories_of", "constant_left_out", "dependent", "matrix_of", "read", "ridge"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MOST_CATEGORIES = 100
SINGULAR = 1e-9  # smallest curvature of likelihoods per event and standard deviation that is not rounding


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Covariates:
    """One column of `matrix` per term: a feature of numbers, or "feature=category"."""

    matrix: Floats
    features: tuple[str, ...]
    terms: tuple[str, ...]
    feature_of: tuple[str, ...]  # of each term
    indicator: Bools
    categories: Mapping[str, tuple[str, ...]]  # of each feature of text: the reference first

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return the smallest and the largest value of each feature of numbers."""
        columns = zip(self.terms, self.matrix.T, self.indicator, strict=True)
        return {term: _frame.range_of(column) for term, column, indicator in columns if not indicator}

    def without(self, dropped: Sequence[str]) -> Covariates:
        """Return it without some of the features."""
        kept = np.array([name not in dropped for name in self.feature_of], np.bool_)

        def rest(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(name for name, keep in zip(names, kept, strict=True) if keep)

        return Covariates(
            self.matrix[:, kept],
            tuple(name for name in self.features if name not in dropped),
            rest(self.terms),
            rest(self.feature_of),
            self.indicator[kept],
            {name: values for name, values in self.categories.items() if name not in dropped},
        )


def read(frame: _frame.Frame, names: Sequence[Any], reference: Any) -> Covariates:
    """Read features: numbers and flags as they are, text as categories; nothing may be missing."""
    if reference is not None and not isinstance(reference, Mapping):
        msg = f"reference={reference!r} is no mapping of features to categories, such as {{'plan': 'monthly'}}"
        raise OptionError(msg)
    wanted = dict(reference or {})
    columns: list[Floats] = []
    terms: list[str] = []
    feature_of: list[str] = []
    indicator: list[bool] = []
    categories: dict[str, tuple[str, ...]] = {}
    for name in names:
        if _frame.holds_numbers(frame, name):
            columns.append(_number(frame, name))
            terms.append(str(name))
            feature_of.append(str(name))
            indicator.append(False)
            continue
        codes, values = categories_of(frame, name)
        first = wanted.pop(name, values[0])
        if first not in values:
            msg = f"reference={{{name!r}: {first!r}}} is none of the categories of that column: {list(values)}"
            raise OptionError(msg)
        categories[name] = (first, *(value for value in values if value != first))
        for value in categories[name][1:]:
            columns.append((codes == values.index(value)).astype(np.float64))
            terms.append(f"{name}={value}")
            feature_of.append(str(name))
            indicator.append(True)
    if wanted:
        msg = f"reference= names {sorted(map(str, wanted))}, which are no features of text"
        raise OptionError(msg)
    matrix = np.empty((len(frame), len(columns)), order="F")
    for k, column in enumerate(columns):
        matrix[:, k] = column
    features = tuple(str(name) for name in names)
    return Covariates(matrix, features, tuple(terms), tuple(feature_of), np.array(indicator, np.bool_), categories)


def matrix_of(
    source: Any,
    features: Sequence[str],
    terms: Sequence[str],
    categories: Mapping[str, tuple[str, ...]],
    means: Floats,
    bounds: Mapping[str, Sequence[float]],
) -> Floats:
    """Read the terms of a fitted model from a frame, or from a mapping of values; an unseen category is worth the mean."""
    wanted = {term: k for k, term in enumerate(terms)}
    given = {name: _given(source, name, categories.get(name)) for name in features}
    lengths = {column.size for column in given.values()} - {1}
    if len(lengths) > 1:
        msg = f"the features have different lengths: {sorted(lengths)}"
        raise DataError(msg)
    n = lengths.pop() if lengths else 1
    if isinstance(source, _frame.Frame):
        n = len(source)
    X = np.empty((n, len(terms)))
    for name in features:
        if name not in categories:
            if name in wanted:
                _frame.warn_of_far(given[name], bounds, name, stacklevel=4)
                X[:, wanted[name]] = given[name]
            continue
        unseen = given[name] < 0
        for code, value in enumerate(categories[name]):
            k = wanted.get(f"{name}={value}")
            if k is not None:
                X[:, k] = np.where(unseen, means[k], given[name] == code)
    return X


def constant_left_out(read: Covariates, stacklevel: int) -> tuple[Covariates, tuple[str, ...]]:
    """Leave out features that are the same in every row, and say so."""
    varies = {name for name, column in zip(read.feature_of, read.matrix.T, strict=True) if column.min() < column.max()}
    dropped = tuple(name for name in read.features if name not in varies)
    if not dropped:
        return read, ()
    if not varies:
        msg = f"every feature is the same in all rows: {list(dropped)}"
        raise FitError(msg)
    warnings.warn(
        f"features left out because every row has the same value: {list(dropped)}."
        " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
        DataWarning,
        stacklevel=stacklevel + 1,
    )
    return read.without(dropped), dropped


def ridge(read: Covariates, scales: Floats, penalty: float) -> Floats:
    """Penalty of each squared standardised coefficient: numbers per standard deviation, categories as they are."""
    out = np.full(scales.size, penalty)
    out[read.indicator] /= scales[read.indicator] ** 2
    return out


def dependent(information: Floats, terms: Sequence[str], n_events: float) -> list[str]:
    """Name terms that the data cannot tell apart: those of the flattest direction of the likelihood, if it is flat."""
    curvature = np.diag(information)
    flat = curvature <= SINGULAR * n_events
    if flat.any():
        return [term for term, bad in zip(terms, flat, strict=True) if bad]
    scale = np.sqrt(curvature)
    flattest, direction = np.linalg.eigh(information / np.outer(scale, scale))
    if flattest[0] > SINGULAR:
        return []
    return [term for term, part in zip(terms, direction[:, 0], strict=True) if abs(part) > 1e-3]


def _given(source: Any, name: str, categories: tuple[str, ...] | None) -> npt.NDArray[Any]:
    """Read one feature as numbers, or as codes into its categories, -1 for unseen ones."""
    known = {} if categories is None else {value: code for code, value in enumerate(categories)}
    if isinstance(source, _frame.Frame):
        if categories is None:
            if not _frame.holds_numbers(source, name):
                msg = f"column {name!r} holds text, but the model was fitted on numbers; convert it as for the fit"
                raise DataError(msg)
            return _number(source, name)
        text = _frame.text(source, name)
        _refuse_missing(text.codes < 0, name)
        code_of = np.array([*(known.get(value, -1) for value in text.values), -1], np.int64)
        codes: npt.NDArray[np.int64] = code_of[text.codes]
    else:
        if name not in source:
            raise ColumnError.missing(name, source)
        if categories is None:
            values = np.atleast_1d(np.asarray(source[name], np.float64))
            if not np.isfinite(values).all():
                count, row = _frame.first_place(~np.isfinite(values))
                msg = f"feature {name!r}: {count:,} missing or infinite, the first in place {row}; fill or drop them"
                raise DataError(msg)
            return values
        codes = np.array([known.get(str(value), -1) for value in np.atleast_1d(np.asarray(source[name], object))], np.int64)
    unseen = codes < 0
    _frame.warn_of_unseen(unseen, name, taken_for="taken for an average of the rows fitted on", stacklevel=5)
    return codes


def categories_of(
    frame: _frame.Frame, name: Any, *, most: int | None = MOST_CATEGORIES
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Codes into sorted categories, so that a model does not depend on which comes first in the frame."""
    text = _frame.text(frame, name)
    _refuse_missing(text.codes < 0, name)
    if most is not None and len(text.values) > most:
        reads = sum(_frame.reads_as_number(value) for value in text.values) > len(text.values) / 2
        cure = (
            "they look like numbers stored as text: convert them with pandas.to_numeric(column, errors='coerce'), then fill what"
            " is missing"
            if reads
            else "ids and free text are no features: leave it out with features=[...], or group its values"
        )
        msg = f"column {name!r} has {len(text.values):,} distinct values, more than {most}; {cure}"
        raise DataError(msg)
    order = sorted(range(len(text.values)), key=text.values.__getitem__)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[text.codes], tuple(text.values[place] for place in order)


def _number(frame: _frame.Frame, name: Any) -> Floats:
    series = as_pandas(frame.column(name), frame.kind)
    if series.dtype.kind != "b":
        return _frame.numbers(frame, name)
    _refuse_missing(series.isna().to_numpy(dtype=np.bool_), name)
    return _frame.flags(frame, name).astype(np.float64)


def _refuse_missing(missing: Bools, name: Any) -> None:
    if missing.any():
        count, row = _frame.first_place(missing)
        msg = f"column {name!r}: {count:,} missing, the first in row {row}; fill them with a value of their own, or drop the rows"
        raise DataError(msg)
