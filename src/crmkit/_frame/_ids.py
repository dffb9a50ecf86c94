"""Ids of any hashable type as the integers 0, 1, 2 …, and back with the type they had."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmkit import _threads
from crmkit._frame._numbers import readonly
from crmkit._frame._read import first_place, read
from crmkit._kernels import encode as _k
from crmkit._kernels import splice as _splice
from crmkit.errors import DataError, LimitError, OptionError

Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

PIECE = 1 << 20  # rows of one piece of work
PARTS = 16  # tables that share the keys out; few keys need one only
MANY = 100_000
BITS_PER_ROW = 32  # integers this spread out are still ranked by a bitmap over their range
WHOLE_FLOATS = {2: 2.0**11, 4: 2.0**24, 8: 2.0**53}  # from here on floats of so many bytes skip whole numbers
CUTS_AT_NUL = pd.__version__.startswith("2.")  # pandas 2 takes "a" and "a\0" for the same text

NO_BOOLS = readonly(np.empty(0, np.bool_))
NO_OFFSETS = readonly(np.empty(0, np.int64))
NO_BYTES = readonly(np.empty(0, np.uint8))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Distinct ids in order: ascending where they sort, in category order for categories, else as they first appear."""

    values: Any  # a pandas Index, a polars Series or a pyarrow Array, as the ids came
    kind: str

    def __len__(self) -> int:
        return len(self.values)

    def take(self, codes: npt.NDArray[np.integer[Any]]) -> Any:
        """Return the ids that `codes` stand for, as a native column (pandas: an Index)."""
        if self.kind == "polars":
            return self.values.gather(codes)
        return self.values.take(codes)

    def as_index(self) -> pd.Index:
        """Show the ids as a pandas Index."""
        if isinstance(self.values, pd.Index):
            return self.values
        index: pd.Index[Any] = pd.Index(self.values.to_pandas())
        return index

    def used(self, codes: Codes) -> tuple[Codes, Labels]:
        """Leave out the labels that no code stands for, and close the gaps this makes in the codes; -1 stays."""
        present = np.zeros(len(self) + 1, np.bool_)  # the last place takes code -1
        present[codes] = True
        kept = np.flatnonzero(present[:-1])
        if kept.size == len(self):
            return readonly(codes), self
        rank = np.cumsum(present, dtype=np.int32) - np.int32(1)
        rank[-1] = -1
        return readonly(rank[codes]), Labels(self.take(kept), self.kind)

    def codes_of(self, values: Any, *, what: str = "") -> Codes:
        """Return the code of every id in `values`, -1 for one that is not among the labels.

        Text asked of numbers, or numbers of text, would make every id unknown without a word: it is refused.
        """
        listed = values if isinstance(values, pd.Index) else _listed(values)
        wanted = listed if isinstance(listed, pd.Index) else _as_index(listed, getattr(listed, "dtype", None))
        index = self.as_index()
        if isinstance(index, pd.CategoricalIndex):
            index = pd.Index(index.categories.take(index.codes))
        if isinstance(wanted, pd.CategoricalIndex):
            wanted = wanted.astype(wanted.categories.dtype)
        if {index.dtype.kind, wanted.dtype.kind} in ({"i", "u"}, {"i", "f"}, {"u", "f"}):
            # compared as floats, neighbours above 2**53 would be taken for each other
            exact, asked_for = index.astype(object), wanted.astype(object)
            codes = exact.get_indexer(asked_for).astype(np.int32)
        else:
            codes = index.get_indexer(wanted).astype(np.int32)
        if codes.size and len(index) and (codes < 0).all():
            asked, known = _sort_of(wanted[0]), {_sort_of(label) for label in index}
            if asked not in known:
                msg = f"the {what} ids are {asked}, those known here {' and '.join(sorted(known))}; convert them to one type"
                raise DataError(msg.replace("  ", " "))
        return readonly(codes)

    def merge(self, other: Labels) -> tuple[Labels, Codes, Codes]:
        """Unite two sets of labels; return them with the new code of each old label of either side."""
        place = _places(self, other)
        if place is not None:
            return _united(self, other, *place)
        both = encode(_concatenated(self, other), self.kind)
        return both.labels, both.codes[: len(self)], both.codes[len(self) :]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """A column of ids: `codes` per row (-1 for missing), `labels` they stand for."""

    codes: Codes
    labels: Labels


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Codes to be written out as the ids they stand for."""

    labels: Labels
    codes: npt.NDArray[np.integer[Any]]


def ids(frame: Any, column: Any, *, keyword: str | None = None, missing: str = "error") -> Ids:
    """Encode the ids in `column`; ``missing="drop"`` leaves code -1 where there is none."""
    frame = read(frame)
    try:
        encoded = encode(frame.column(column, keyword=keyword), frame.kind, column)
    except UnicodeEncodeError as error:
        msg = (
            f"column {column!r} holds text that is no Unicode (a lone surrogate is left of a wrong decoding); read the file anew"
        )
        raise DataError(msg) from error
    except NotImplementedError as error:
        msg = f"column {column!r} is of a type that cannot hold ids here ({error}); cast it to text or whole numbers"
        raise DataError(msg) from error
    if missing == "error" and encoded.codes.size and encoded.codes.min() < 0:
        count, row = first_place(encoded.codes < 0)
        msg = f'column {column!r}: {count:,} missing ids, the first in row {row}; name them, or pass missing="drop"'
        raise DataError(msg)
    return encoded


def encode(native: Any, kind: str, column: Any = "id") -> Ids:
    """Encode a native column of ids by the cheapest exact road its type allows."""
    if len(native) > np.iinfo(np.int32).max:
        msg = f"column {column!r} has {len(native):,} rows; one log holds at most {np.iinfo(np.int32).max:,}"
        raise LimitError(msg)
    if kind == "pandas":
        if str(native.dtype).startswith("dictionary"):
            array = _distinct_dictionary(_combined(native.array.__arrow_array__()))
            native = pd.Series(pd.arrays.ArrowExtensionArray(array))
        codes, firsts = _encode_pandas(native, column)
        labels = _as_index(native.array.take(firsts), native.dtype)
    elif kind == "polars":
        codes, firsts = _encode_polars(native, column)
        labels = native.gather(firsts)
    else:
        native, stored = _distinct_dictionary(_combined(native)), native.type
        codes, firsts = _encode_arrow(native, column)
        labels = native.take(firsts)
        if str(stored) == "string":  # large strings where there was more than 2 GB of them
            labels = labels.cast(stored)
    return Ids(readonly(codes), Labels(labels, kind))


# ── one road per storage: each returns codes, and for each code the row where its id first stands ────────────────────────


def _encode_pandas(series: pd.Series, column: Any) -> tuple[Codes, Rows]:
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _encode_categories(np.asarray(series.cat.codes), len(dtype.categories))
    if isinstance(dtype, pd.ArrowDtype) or (isinstance(dtype, pd.StringDtype) and dtype.storage == "pyarrow"):
        return _encode_arrow(_combined(series.array.__arrow_array__()), column)
    if isinstance(dtype, pd.SparseDtype):
        return _encode_pandas(pd.Series(np.asarray(series.array)), column)
    if pd.api.types.is_integer_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        if isinstance(dtype, np.dtype):
            return _encode_integers(series.to_numpy(), NO_BOOLS)
        valid = series.notna().to_numpy(dtype=np.bool_)
        return _encode_integers(series.to_numpy(dtype=getattr(dtype, "numpy_dtype", np.int64), na_value=0), valid)
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        return _encode_floats(series, series.to_numpy(), column)
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":
        ticks = series.to_numpy().view(np.int64)
        return _encode_integers(ticks, ticks != np.iinfo(np.int64).min)
    return _encode_hashables(series, column)


def _encode_polars(series: Any, column: Any) -> tuple[Codes, Rows]:
    import polars as pl

    dtype = series.dtype
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        physical = series.to_physical()
        return _encode_integers(physical.fill_null(0).to_numpy(), _valid_polars(series))
    if dtype.is_integer() or dtype in (pl.Boolean, pl.Date, pl.Datetime, pl.Duration):
        physical = series if dtype.is_integer() else series.to_physical()
        filled = physical.fill_null(0) if series.null_count() else physical
        return _encode_integers(filled.to_numpy(), _valid_polars(series))
    if dtype.is_float():
        return _encode_floats(series.to_pandas(), series.to_numpy(), column)
    if dtype == pl.String:
        try:
            return _encode_arrow(series.to_arrow(), column)
        except ImportError:  # polars without pyarrow
            pass
    return _encode_hashables(pd.Series(series.to_list(), dtype=object), column)


def _encode_arrow(array: Any, column: Any) -> tuple[Codes, Rows]:
    import pyarrow as pa

    kind = array.type
    if pa.types.is_dictionary(kind):
        valid = _valid_arrow(array)
        indices = array.indices.fill_null(0) if array.indices.null_count else array.indices
        codes, firsts = _encode_integers(indices.to_numpy(zero_copy_only=False), valid)
        return codes, firsts
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _encode_strings(array)
    if pa.types.is_integer(kind):
        valid = _valid_arrow(array)
        return _encode_integers((array.fill_null(0) if array.null_count else array).to_numpy(zero_copy_only=False), valid)
    if pa.types.is_floating(kind):
        values = array.to_numpy(zero_copy_only=False)
        return _encode_floats(pd.Series(values), values, column)
    return _encode_hashables(array.to_pandas(), column)


def _encode_categories(category_codes: npt.NDArray[np.integer[Any]], n_categories: int) -> tuple[Codes, Rows]:
    """Use category codes as they are, closing the gaps that unused categories leave."""
    codes: Codes = category_codes.astype(np.int32, copy=False)
    firsts = _first_rows(codes, n_categories)
    used = firsts >= 0
    if used.all():
        return codes, firsts
    rank = np.cumsum(used, dtype=np.int32) - np.int32(1)
    # code -1 reads the last place
    return np.append(rank, np.int32(-1))[codes], firsts[used]


def _encode_floats(series: pd.Series, values: npt.NDArray[np.floating[Any]], column: Any) -> tuple[Codes, Rows]:
    """Ids that a missing value has turned into floats are integers still; others are hashed."""
    valid = ~np.isnan(values)
    whole = np.where(valid, values, 0.0).astype(np.float64, copy=False)
    if np.isinf(whole).any():
        count, row = first_place(np.isinf(whole))
        msg = f"column {column!r}: {count:,} infinite ids, the first in row {row}; an id must be a value"
        raise DataError(msg)
    beyond = np.abs(whole) >= WHOLE_FLOATS.get(values.dtype.itemsize, 2.0**53)
    if beyond.any():
        count, row = first_place(beyond)
        msg = (
            f"column {column!r}: {count:,} ids too large for {values.dtype}, which rounds several of them to one, the first in"
            f" row {row}; read the column as whole numbers (Int64) or as text"
        )
        raise DataError(msg)
    if (whole == np.floor(whole)).all():
        return _encode_integers(whole.astype(np.int64), NO_BOOLS if valid.all() else valid)
    return _encode_hashables(series, column)


def _encode_integers(values: npt.NDArray[Any], valid: Bools) -> tuple[Codes, Rows]:
    """Encode integers in ascending order: by a bitmap over their range where it is short, else by hashing."""
    if valid.size and valid.all():
        valid = NO_BOOLS
    if values.dtype == np.uint64:
        # the same order in signed integers
        values = (values ^ np.uint64(1 << 63)).view(np.int64)
    values = readonly(values.astype(np.int64, copy=False))
    valid = readonly(valid)
    there = values[valid] if valid.size else values
    if there.size == 0:
        return np.full(values.size, -1, np.int32), np.empty(0, np.int64)
    lowest = int(there.min())
    width = int(there.max()) - lowest + 1
    codes = np.empty(values.size, np.int32)
    if width <= max(BITS_PER_ROW * values.size, 1024):
        bits = np.zeros(width // 64 + 1, np.uint64)
        _k.mark_present(values, valid, lowest, bits)
        bits, before = readonly(bits), np.empty(bits.size, np.int32)
        n = _k.count_before(bits, before)
        before = readonly(before)
        pieces = _threads.chunks(values.size, PIECE)
        _threads.run(lambda piece: _k.look_up(values, valid, lowest, bits, before, *piece, codes), pieces)
        return codes, _first_rows(codes, n)

    keys = np.empty(values.size, np.uint64)
    _threads.run(lambda piece: _k.mix_integers(values, *piece, keys), _threads.chunks(values.size, PIECE))
    firsts, starts, shift = _encode_keys(keys, valid, NO_OFFSETS, NO_BYTES, codes)
    order = np.argsort(values[firsts], kind="stable")
    _rank(codes, keys, valid, shift, starts, order)
    return codes, firsts[order]


def _encode_strings(array: Any) -> tuple[Codes, Rows]:
    """Encode strings in the order of their code points, from the bytes that Arrow keeps them in."""
    size = len(array)
    if size == 0:
        return np.empty(0, np.int32), np.empty(0, np.int64)
    offsets, data = _bytes_of(array)
    valid = readonly(_valid_arrow(array))

    keys = np.empty(size, np.uint64)
    _threads.run(lambda piece: _k.hash_strings(offsets, data, valid, *piece, keys), _threads.chunks(size, PIECE))
    codes = np.empty(size, np.int32)
    firsts, starts, shift = _encode_keys(keys, valid, offsets, data, codes)
    order = _sort_strings(offsets, data, firsts)
    _rank(codes, keys, valid, shift, starts, order)
    return codes, firsts[order]


def _bytes_of(array: Any) -> tuple[Rows, npt.NDArray[np.uint8]]:
    """Return where each string of a pyarrow array begins and ends, and the bytes of all."""
    import pyarrow as pa

    offset_type = np.dtype(np.int64 if pa.types.is_large_string(array.type) else np.int32)
    _, offset_buffer, data_buffer = array.buffers()
    raw_offsets = np.frombuffer(offset_buffer, offset_type, count=array.offset + len(array) + 1)[array.offset :]
    offsets: Rows = readonly(raw_offsets.astype(np.int64, copy=False))
    return offsets, NO_BYTES if data_buffer is None else readonly(np.frombuffer(data_buffer, np.uint8))


def _encode_hashables(series: pd.Series, column: Any) -> tuple[Codes, Rows]:
    """Anything Python can hash, sorted where it sorts."""
    try:
        long_codes, uniques = _factorize(series)
    except TypeError as error:
        msg = f"column {column!r} holds values that cannot be ids ({error})"
        raise DataError(msg) from error
    codes: Codes = long_codes.astype(np.int32)
    firsts = _first_rows(codes, len(uniques))
    values = np.asarray(uniques, dtype=object) if series.dtype == object else uniques
    try:
        order = np.argsort(values, kind="stable") if isinstance(values, np.ndarray) else values.argsort()
    except TypeError:  # numbers among strings: no order but that of appearance
        return codes, firsts
    rank = np.empty(order.size + 1, np.int32)
    rank[order] = np.arange(order.size, dtype=np.int32)
    rank[-1] = -1
    return rank[codes], firsts[order]


def _factorize(series: pd.Series) -> tuple[npt.NDArray[np.int64], Any]:
    codes, uniques = pd.factorize(series, use_na_sentinel=True)
    if CUTS_AT_NUL and pd.api.types.infer_dtype(uniques, skipna=True) == "string":
        there, values = codes >= 0, series.to_numpy(dtype=object)
        if (np.asarray(uniques, dtype=object)[codes[there]] != values[there]).any():
            known: dict[str, int] = {}
            codes[there] = [known.setdefault(value, len(known)) for value in values[there]]
            uniques = series.iloc[_first_rows(codes.astype(np.int32), len(known))].array
    return codes, uniques


# ── shared pieces ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _encode_keys(
    keys: npt.NDArray[np.uint64], valid: Bools, offsets: Rows, data: npt.NDArray[np.uint8], codes: Codes
) -> tuple[Rows, Rows, int]:
    """Count the distinct keys through, part by part; return their first rows, where each part starts among them, the shift."""
    parts = PARTS if keys.size > MANY else 1
    shift = 64 - (parts.bit_length() - 1)
    keys = readonly(keys)
    firsts = _threads.run(lambda part: _k.encode_part(keys, valid, offsets, data, part, shift, codes), range(parts))
    starts = np.concatenate([[0], np.cumsum([rows.size for rows in firsts])]).astype(np.int64)
    return np.concatenate(firsts), starts, shift


def _rank(codes: Codes, keys: npt.NDArray[np.uint64], valid: Bools, shift: int, starts: Rows, order: Rows) -> None:
    rank = np.empty(order.size, np.int32)
    rank[order] = np.arange(order.size, dtype=np.int32)
    rank, keys, starts = readonly(rank), readonly(keys), readonly(starts)
    pieces = _threads.chunks(codes.size, PIECE)
    _threads.run(lambda piece: _k.recode(codes, keys, valid, shift, starts, rank, *piece), pieces)


def _sort_strings(offsets: Rows, data: npt.NDArray[np.uint8], firsts: Rows) -> Rows:
    """Order distinct strings by their bytes: eight at a time behind the prefix all share, only where the last eight tied."""
    n = firsts.size
    if n <= 1:
        return np.arange(n)
    firsts = readonly(firsts)
    lengths = offsets[firsts + 1] - offsets[firsts]
    depth = int(_k.common_prefix(offsets, data, firsts))
    deepest = int(lengths.max())
    keys = _k.eight_bytes(offsets, data, firsts, depth)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    group = np.cumsum(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    while True:
        depth += 8
        same = np.concatenate([[False], group[1:] == group[:-1]])
        tied = np.flatnonzero(same | np.concatenate([same[1:], [False]]))
        if tied.size == 0:
            return order
        rows = order[tied]
        if depth >= deepest:
            # only NUL bytes at the end tell these apart: the shorter string comes first
            order[tied] = rows[np.lexsort((lengths[rows], group[tied]))]
            return order
        keys = _k.eight_bytes(offsets, data, readonly(firsts[rows]), depth)
        inner = np.lexsort((keys, group[tied]))
        order[tied] = rows[inner]
        keys, outer = keys[inner], group[tied][inner]
        new = np.concatenate([[True], (keys[1:] != keys[:-1]) | (outer[1:] != outer[:-1])])
        # ties that remain keep one number; it only has to differ from its neighbours'
        group = group.astype(np.int64) * (tied.size + 1)
        group[tied] += np.cumsum(new)
        group = np.cumsum(np.concatenate([[True], group[1:] != group[:-1]]))


def _first_rows(codes: Codes, n: int) -> Rows:
    """Return the first row of every code."""
    firsts = np.empty(n, np.int64)
    _k.first_rows(readonly(codes), firsts)
    return firsts


def _sort_of(value: object) -> str:
    """Say in a word what kind of id `value` is."""
    if isinstance(value, str):
        return "text"
    return "numbers" if isinstance(value, Number) else f"{type(value).__name__} values"


def _as_index(values: Any, dtype: Any) -> pd.Index:
    # of objects, pandas would guess that they are strings, times or the levels of a MultiIndex
    objects = pd.api.types.is_object_dtype(dtype)
    index: pd.Index[Any] = pd.Index(np.asarray(values), dtype=object, tupleize_cols=False) if objects else pd.Index(values)
    return index


def _combined(array: Any) -> Any:
    import pyarrow as pa

    if not isinstance(array, pa.ChunkedArray):
        return array
    if pa.types.is_string(array.type) and array.nbytes > np.iinfo(np.int32).max:
        array = array.cast(pa.large_string())
    return array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)


def _distinct_dictionary(array: Any) -> Any:
    """Encode a dictionary anew that holds a value twice, or null: its indices are no ids."""
    import pyarrow as pa

    if not pa.types.is_dictionary(array.type):
        return array
    values = array.dictionary
    if values.null_count == 0 and len(values.unique()) == len(values):
        return array
    return array.dictionary_decode().dictionary_encode()


def _valid_arrow(array: Any) -> Bools:
    return array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else NO_BOOLS


def _valid_polars(series: Any) -> Bools:
    return series.is_not_null().to_numpy() if series.null_count() else NO_BOOLS


def _listed(values: Any) -> Any:
    """Turn a list of ids or a native column into what pandas indexes; tuples stay single ids."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        msg = "ids are passed as a list or a column, not as a single value"
        raise OptionError(msg)
    if hasattr(values, "to_pandas"):
        return values.to_pandas()
    if isinstance(values, (pd.Series, pd.api.extensions.ExtensionArray, np.ndarray)):
        return values
    listed = list(values)
    if any(isinstance(value, tuple) for value in listed):
        out = np.empty(len(listed), dtype=object)
        out[:] = listed
        return out
    return listed


def _united_exactly(first: pd.Index, second: pd.Index) -> bool:
    """Whether pandas puts two types of column below each other without rounding: whole numbers of a kind, text and objects."""
    if isinstance(first.dtype, np.dtype) and isinstance(second.dtype, np.dtype) and first.dtype.kind == second.dtype.kind:
        return first.dtype.kind in "iu"
    return all(side.dtype == object or isinstance(side.dtype, pd.StringDtype) for side in (first, second))


def _places(left: Labels, right: Labels) -> tuple[Rows, Bools] | None:
    """Find where each right label stands among the left ones, and whether it is there; None where they are not simply sorted.

    Whole numbers and text of one type are: few new labels then cost a search each, and not the hashing of all.
    """
    if left.kind != right.kind or len(left) == 0 or len(right) == 0:
        return None
    known, asked = (_sorted_values(labels) for labels in (left, right))
    if known is None or asked is None or known[0] != asked[0]:
        return None
    if len(known) == 2:
        place = np.searchsorted(known[1], asked[1])
        return place, known[1][np.minimum(place, len(left) - 1)] == asked[1]
    place, found = np.empty(len(right), np.int64), np.empty(len(right), np.bool_)
    arguments: Any = (*known[1:], *asked[1:], place, found)
    _splice.search_strings(*arguments)
    return place, found


def _sorted_values(labels: Labels) -> tuple[Any, ...] | None:
    """Return the type of labels that are whole numbers with these, and of text with its offsets and bytes; None for others."""
    values = labels.values
    if labels.kind == "pandas":
        if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iu":
            return str(values.dtype), values.to_numpy()
        if not (isinstance(values.dtype, pd.StringDtype) and values.dtype.storage == "pyarrow"):
            return None
        array = _combined(values.array.__arrow_array__())
    elif labels.kind == "polars":
        if values.dtype.is_integer():
            return str(values.dtype), values.to_numpy()
        if str(values.dtype) != "String":
            return None
        array = values.to_arrow()
    else:
        array = _combined(values)
        if str(array.type).startswith(("int", "uint")):
            return str(array.type), array.to_numpy(zero_copy_only=False)
    if str(array.type) not in ("string", "large_string"):
        return None
    return str(values.type if labels.kind == "pyarrow" else values.dtype), *_bytes_of(array)


def _united(left: Labels, right: Labels, place: Rows, found: Bools) -> tuple[Labels, Codes, Codes]:
    """Put the right labels that are new between the left ones."""
    old: Codes = np.arange(len(left), dtype=np.int32)
    if found.all():
        return left, old, place.astype(np.int32)
    new = np.flatnonzero(~found)
    # a label is moved up by every new one in front of it
    of_left = (old + np.cumsum(np.bincount(place[new], minlength=len(left)))[: len(left)]).astype(np.int32)
    of_right = np.empty(len(right), np.int32)
    of_right[found] = of_left[place[found]]
    of_right[new] = place[new] + np.arange(new.size)
    order = np.empty(len(left) + new.size, np.int64)
    order[of_left] = old
    order[of_right[new]] = len(left) + new
    both = _concatenated(left, right)
    if left.kind == "pandas":
        return Labels(_as_index(both.array.take(order), both.dtype), left.kind), of_left, of_right
    taken = both.gather(order) if left.kind == "polars" else _combined(both.take(order))
    return Labels(taken, left.kind), of_left, of_right


def _concatenated(left: Labels, right: Labels) -> Any:
    if left.kind != right.kind:
        msg = f"the new events are a {right.kind} frame, the log holds {left.kind} ids; convert one of them"
        raise DataError(msg)
    if left.kind == "pandas":
        first, second = left.values, right.values
        if isinstance(first, pd.CategoricalIndex) and isinstance(second, pd.CategoricalIndex):
            united = pd.api.types.union_categoricals([first, second]) if first.dtype != second.dtype else None
            return pd.Series(united if united is not None else first.append(second))
        if first.dtype != second.dtype and not _united_exactly(first, second):
            msg = f"the new ids are {second.dtype}, the log's are {first.dtype}; convert the new ones"
            raise DataError(msg)
        if first.dtype == object or second.dtype == object:
            return pd.Series(np.concatenate([np.asarray(side, dtype=object) for side in (first, second)]), dtype=object)
        return pd.Series(first.append(second))
    if left.kind == "polars":
        if left.values.dtype != right.values.dtype:
            msg = f"the new ids are {right.values.dtype}, the log's are {left.values.dtype}; convert the new ones"
            raise DataError(msg)
        import polars as pl

        return pl.concat([left.values, right.values])
    import pyarrow as pa

    if left.values.type != right.values.type:
        msg = f"the new ids are {right.values.type}, the log's are {left.values.type}; convert the new ones"
        raise DataError(msg)
    return pa.chunked_array([left.values, right.values])
