"""Features as they come in: columns to numbers and categories, with what is missing and what is new told apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._frame import as_pandas, rows_are
from crmkit.errors import DataError

__all__ = [
    "MISSING",
    "UNSEEN",
    "Table",
    "read_as",
    "read_features",
    "read_label",
    "refuse_missing",
]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

MISSING, UNSEEN = -1, -2  # codes of a category that is absent, or was not there to learn from
MOST_CATEGORIES = 100
MEAN_OF_SEEN = "scored as the mean over the categories seen"
NUMBERS_AS_TEXT = 20  # distinct values from which text that reads as numbers is taken for numbers stored as text


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Features as read: a column of numbers each (NaN: missing), or codes into its categories (MISSING, UNSEEN)."""

    columns: Mapping[str, npt.NDArray[Any]]
    categories: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]  # features whose absence was met in the fit, and is a term of its own
    n: int

    def without(self, names: Collection[str]) -> Table:
        """Return the table without some of its features."""
        kept = {name: values for name, values in self.columns.items() if name not in names}
        categories = {name: seen for name, seen in self.categories.items() if name in kept}
        return Table(kept, categories, tuple(name for name in self.missing if name in kept), self.n)

    def rows(self, places: npt.NDArray[np.int64]) -> Table:
        """Return some of the rows."""
        taken = {name: values[places] for name, values in self.columns.items()}
        return Table(taken, self.categories, self.missing, places.size)

    def constant(self) -> list[str]:
        """Return the features that are the same in every row."""
        return [name for name, values in self.columns.items() if values.size and _same(values)]

    def terms(self) -> list[tuple[str, str]]:
        """Name the columns of the matrix as (feature, term): the feature itself, feature=category, or "feature missing"."""
        found = []
        for name in self.columns:
            found += [(name, f"{name}={value}") for value in self.categories[name]] if name in self.categories else [(name, name)]
            if name in self.missing:
                found.append((name, f"{name} missing"))
        return found

    def matrix(self) -> tuple[Floats, Bools]:
        """Return one column per term (NaN where a number is missing), and which of them are indicators."""
        terms = self.terms()
        indicator = np.array([name in self.categories or term != name for name, term in terms], np.bool_)
        X = np.empty((self.n, len(terms)), np.float64, order="F")
        at = 0
        for name, values in self.columns.items():
            if name not in self.categories:
                X[:, at] = values
                at += 1
                absent = np.isnan(values) if name in self.missing else None
            else:
                for code in range(len(self.categories[name])):
                    X[:, at] = values == code
                    at += 1
                absent = values == MISSING if name in self.missing else None
            if absent is not None:
                X[:, at] = absent
                at += 1
        return X, indicator

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return the smallest and the largest value of each feature of numbers."""
        return {name: _frame.range_of(values) for name, values in self.columns.items() if name not in self.categories}

    def shares(self) -> dict[str, Floats]:
        """Return how the rows that have a category are spread over those seen."""
        found = {}
        for name, seen in self.categories.items():
            codes = self.columns[name]
            counts = np.bincount(codes[codes >= 0], minlength=len(seen)).astype(np.float64)
            found[name] = counts / max(counts.sum(), 1.0)
        return found

    def shares_missing(self) -> dict[str, float]:
        """Return the share of rows in which each feature is missing, of those where it ever is."""
        gone = {name: _absent(self.columns[name], name in self.categories) for name in self.missing}
        return {name: float(absent.mean()) for name, absent in gone.items()}


def read_features(frame: Any, names: Sequence[Any]) -> Table:
    """Read features to learn from: numbers and flags as they are, text as categories; what is missing is kept as that."""
    frame = _frame.read(frame)
    columns: dict[str, npt.NDArray[Any]] = {}
    categories: dict[str, tuple[str, ...]] = {}
    for name in names:
        if _frame.holds_numbers(frame, name):
            columns[name] = _number(frame, name)
            continue
        text = _frame.text(frame, name)
        _refuse_numbers_as_text(text, name)
        if len(text.values) > MOST_CATEGORIES:
            msg = (
                f"column {name!r} has {len(text.values):,} distinct values, more than {MOST_CATEGORIES}: ids and free text are"
                " no features; leave it out with features=[...], or group its values"
            )
            raise DataError(msg)
        # sorted, so that the model does not depend on which value comes first
        order = sorted(range(len(text.values)), key=text.values.__getitem__)
        rank = np.full(len(order) + 1, MISSING, np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        columns[name] = rank[text.codes]
        categories[name] = tuple(text.values[place] for place in order)
    missing = tuple(name for name, values in columns.items() if _absent(values, name in categories).any())
    return Table(columns, categories, missing, len(frame))


def read_label(frame: Any, name: str) -> Bools:
    """Read what is to be predicted: true or false, 1 or 0, in every row."""
    frame = _frame.read(frame)
    series = as_pandas(frame.column(name, keyword="label"), frame.kind)
    missing = series.isna().to_numpy(dtype=np.bool_)
    if missing.any():
        count, row = _frame.first_place(missing)
        msg = f"column {name!r}: {count:,} missing, the first in row {row}; what came to pass must be known to learn from it"
        raise DataError(msg)
    if series.dtype.kind in "mM" or not _frame.holds_numbers(frame, name):
        msg = f"column {name!r} holds {series.dtype}, not 0 and 1; recode it, such as frame[{name!r}] == 'Yes'"
        raise DataError(msg)
    return _frame.flags(frame, name)


def read_as(
    frame: Any,
    names: Sequence[str],
    categories: Mapping[str, tuple[str, ...]],
    missing: Collection[str],
    bounds: Mapping[str, Sequence[float]],
    *,
    quiet: bool = False,
) -> Table:
    """Read the features of a fitted model; a category it has not seen gets the code UNSEEN.

    Such categories, and numbers beyond `bounds`, are warned of.
    """
    frame = _frame.read(frame)
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in names:
        number = _frame.holds_numbers(frame, name)
        if name not in categories:
            if not number:
                msg = f"column {name!r} holds text, but the model was fitted on numbers; convert it as for the fit"
                raise DataError(msg)
            columns[name] = _number(frame, name)
            if not quiet:
                _frame.warn_of_far(columns[name], bounds, name, stacklevel=3)
        else:
            if number and not all(_frame.reads_as_number(value) for value in categories[name]):
                msg = (
                    f"column {name!r} holds numbers, but the model was fitted on the categories"
                    f" {list(categories[name][:5])}; recode it as for the fit"
                )
                raise DataError(msg)
            text = _frame.text(frame, name)
            known = {value: code for code, value in enumerate(categories[name])}
            code_of = np.array([*(known.get(value, UNSEEN) for value in text.values), MISSING], np.int32)
            columns[name] = code_of[text.codes]
            if not quiet:
                _frame.warn_of_unseen(columns[name] == UNSEEN, name, taken_for=MEAN_OF_SEEN, stacklevel=3)
        if name not in missing:
            refuse_missing(_absent(columns[name], name in categories), name)
    return Table(columns, categories, tuple(name for name in names if name in missing), len(frame))


def refuse_missing(missing: Bools, name: Any, *, place: str = "row") -> None:
    """Refuse what is missing where the fit has seen no such row."""
    if missing.any():
        count, row = _frame.first_place(missing)
        msg = (
            f"column {name!r}: {count:,} missing, the first in {place} {row}; no row was without it in the fit, so that what its"
            " absence means was not learnt: fill it, or fit again on rows like these"
        )
        raise DataError(msg)


def _same(values: npt.NDArray[Any]) -> bool:
    if values.dtype.kind == "f":
        gone = np.isnan(values)
        if gone.any():
            return bool(gone.all())
    return bool(values.min() == values.max())


def _absent(values: npt.NDArray[Any], category: bool) -> Bools:  # noqa: FBT001
    return np.asarray(values == MISSING if category else np.isnan(values))


def _number(frame: _frame.Frame, name: Any) -> Floats:
    """Read numbers or flags, NaN where there is none."""
    series = as_pandas(frame.column(name), frame.kind)
    kind = series.dtype.kind
    if kind in "bf":
        # pandas tells NaN from NA in some of its types; here both are missing
        values: Floats = series.to_numpy(dtype=np.float64, na_value=np.nan)
        gone = np.isnan(values)
    else:
        gone = series.isna().to_numpy(dtype=np.bool_)
    if kind == "b":
        return values
    if not gone.any():
        return _frame.numbers(frame, name)
    return np.where(gone, np.nan, _frame.numbers(frame, name, ignore=gone))


def _refuse_numbers_as_text(text: _frame.Text, name: Any) -> None:
    if len(text.values) <= NUMBERS_AS_TEXT:
        return
    reads = np.array([_frame.reads_as_number(value) for value in text.values] + [False], np.bool_)
    if reads.sum() < len(text.values) / 2:
        return
    odd = ~reads[text.codes]
    rest = f"; {rows_are(int(odd.sum()))} blank or no number, the first row {odd.argmax()}" if odd.any() else ""
    msg = (
        f"column {name!r} holds numbers stored as text{rest}. Convert it, as with pandas.to_numeric(column, errors='coerce'),"
        " which leaves those missing; if its values are names, make it categorical under few names"
    )
    raise DataError(msg)
