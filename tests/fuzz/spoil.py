"""Frames and values as files and databases hand them over: every way of being wrong that was thought of, drawn by hypothesis.

A spoiling is a name and the numbers it needs, so that a failure prints as what was done: [("cell", "amount", 3, inf)].
"""

import datetime as dt
import decimal
import fractions
import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import strategies as st

HUGE = 10**400
NUMBERS = [
    *(0, -0.0, 1, -1, 2, 3, 7, 100, 0.5, 0.1, 1 / 3, 1e-9, 1e-300, 5e-324, 1 - 2**-53, 1 + 2**-52, 1e6, 1e9, 1e15, 1e18),
    *(2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 1e100, 1e154, 1e155, 1e300, 1.7976931348623157e308, HUGE),
    *(math.nan, math.inf, -math.inf, None, pd.NA, pd.NaT, True, "1", "1,5", "", "x", 1j, 1 + 0j, b"1", (1,), [1]),
    *(decimal.Decimal("0.1"), decimal.Decimal("NaN"), decimal.Decimal("sNaN"), decimal.Decimal("Infinity")),
    *(decimal.Decimal("1e999"), fractions.Fraction(1, 3), np.float32(0.1), np.float16(1e4), np.int8(-128), np.uint64(2**64 - 1)),
    *(np.timedelta64(1, "D"), np.datetime64("2024-01-01"), dt.timedelta(1), pd.Timestamp(0)),
]
IDS = [
    *("", " ", "a", "A", "0", "007", "nan", "NaN", "None", "\x00", "a\x00b", "\ud800", "é", "e\u0301", "😀", "\u202eabc", "ß"),
    *("x" * 5000, "\n", "'; drop table", "%s{}", "=1+1", b"a", b"\xff", 0, 1, 1.0, True, False, -1, 2**63, 2**64, HUGE, 0.5),
    *(math.nan, math.inf, -math.inf, -0.0, None, pd.NA, pd.NaT, (1, 2), (), frozenset({1}), [1], {"a": 1}, 1j, range(3)),
    *(decimal.Decimal(1), decimal.Decimal("NaN"), decimal.Decimal("sNaN"), fractions.Fraction(1, 2), dt.date(2024, 1, 1)),
    *(
        pd.Timestamp("2024-01-01", tz="UTC"),
        pd.Timestamp("2024-01-01"),
        np.datetime64("NaT"),
        pd.Interval(0, 1),
        pd.Period("2024"),
    ),
    *(np.float32(1), np.int8(1), np.str_("a"), dt.timedelta(1), Ellipsis, object, pd.Period("2024")),
]
TIMES = [
    *(None, pd.NaT, pd.NA, math.nan, "", "now", "today", "2024", "2024-02-30", "2024-01-01", "2024-01-01T24:00", "01/02/2024"),
    *("2024-01-01T00:00Z", "2024-01-01 00:00+05:30", "2024-W01-1", "0001-01-01", "9999-12-31T23:59:59.999999999", "-1", "1e9"),
    *(dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.datetime(2024, 3, 31, 2, 30), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
    *(
        pd.Timestamp.min,
        pd.Timestamp.max,
        pd.Timestamp(0),
        pd.Timestamp("2024-10-27 01:30", tz="UTC").tz_convert("Europe/Berlin"),
    ),
    *(np.datetime64("9999-12-31", "s"), np.datetime64("-5000-01-01", "s"), np.datetime64("NaT"), np.datetime64("2024", "Y")),
    *(0, 1, 2**63 - 1, 1.5, True, b"2024-01-01", (2024, 1, 1), dt.time(1), dt.timedelta(1), pd.Period("2024-01")),
]
DTYPES = [
    *("int8", "int16", "int64", "uint8", "uint64", "float16", "float32", "bool", "complex128", "object", "str", "string"),
    *(
        "category",
        "Int64",
        "UInt8",
        "Float32",
        "boolean",
        "string[pyarrow]",
        "double[pyarrow]",
        "int64[pyarrow]",
        "float[pyarrow]",
    ),
    *("bool[pyarrow]", "null[pyarrow]", "timedelta64[ns]", "datetime64[s]", "datetime64[ns, UTC]", "timestamp[us][pyarrow]"),
    *(
        "Sparse[float]",
        "period[D]",
        "halffloat[pyarrow]",
        "float[pyarrow]",
        "large_string[pyarrow]",
        "date32[pyarrow]",
        "duration[s][pyarrow]",
    ),
]
UNITS = ["s", "ms", "us", "ns"]
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "+14:00", "-12:00"]
INDEXES = ["same", "text", "nan", "times", "multi", "named", "tuples", "float"]
POOLS = {"number": NUMBERS, "id": IDS, "time": TIMES}
places = st.integers(0, 400)


def columns_of(case):
    """Each column of a case's frame, and what it is made of."""
    named = [(c, "time") for c in case.times] + [(c, "id") for c in case.ids] + [(c, "number") for c in case.numbers]
    known = {c for c, _ in named}
    return named + [(c, "id") for c in case.frame().columns if c not in known]


@st.composite
def spoilings(draw, case):
    """One to three things that happen to a frame."""
    columns = columns_of(case)
    done = []
    for _ in range(draw(st.integers(1, 3))):
        column, role = draw(st.sampled_from(columns))
        # mostly values of the column's own kind; now and then those of another
        pool = POOLS[draw(st.sampled_from([role] * 4 + sorted(POOLS)))]
        value = st.integers(0, len(pool) - 1).map(lambda k, pool=pool: pool[k])
        done.append(
            draw(
                st.one_of(
                    st.tuples(st.just("cell"), st.just(column), places, value),
                    st.tuples(st.just("cell"), st.just(column), places, value),
                    st.tuples(st.just("all"), st.just(column), value),
                    st.tuples(st.just("half"), st.just(column), value),
                    st.tuples(st.just("scale"), st.just(column), st.sampled_from([1e-300, 1e-30, 1e-6, -1.0, 1e6, 1e15, 1e300])),
                    st.tuples(st.just("shift"), st.just(column), st.sampled_from([-1e9, -1.0, 1e-9, 0.5, 1e9, 1e15])),
                    st.tuples(st.just("dtype"), st.just(column), st.sampled_from(DTYPES)),
                    st.tuples(st.just("clock"), st.just(column), st.sampled_from(UNITS), st.sampled_from([None, *ZONES])),
                    st.tuples(st.just("draw"), st.just(column), st.integers(1, 4), places),
                    st.tuples(st.just("head"), st.sampled_from([0, 1, 2, 3, 4, 5, 8, 13])),
                    st.tuples(st.just("repeat"), st.integers(2, 4)),
                    st.tuples(st.just("reverse")),
                    st.tuples(
                        st.just("index"), st.sampled_from(["same", "text", "nan", "times", "multi", "named", "tuples", "float"])
                    ),
                    st.tuples(st.just("more"), st.sampled_from(["objects", "missing", "number", "tuple", "twin"])),
                    st.tuples(st.just("strided")),
                    st.tuples(st.just("kind"), st.sampled_from(["polars", "pyarrow", "numpy_nullable", "arrow", "rechunked"])),
                )
            )
        )
    done = [one for one in done if one[0] != "kind" or "pyarrow" in case.kinds]
    # another kind of frame is what happens last
    return sorted(done, key=lambda one: one[0] == "kind")


def spoiled(frame, done):
    """The frame after all of it; None if that is no frame that could be."""
    for name, *rest in done:
        try:
            frame = globals()[f"_{name}"](frame, *rest)
        except Exception:  # what pandas, polars or Arrow cannot build, no user holds
            return None
    return frame


def _column(frame, column, values):
    # a copy of its own: a Series of objects stays one
    changed = frame.copy()
    changed[column] = values
    return changed


def _objects(frame, column):
    values = np.empty(len(frame), dtype=object)
    values[:] = list(frame[column])
    return values


def _typed(frame, values):
    """What pandas makes of a list: numbers where all are numbers, as it would from a file."""
    return pd.Series(list(values), index=frame.index, dtype=object).infer_objects()


def _cell(frame, column, place, value):
    values = _objects(frame, column)
    if len(values):
        values[place % len(values)] = value
    return _column(frame, column, _typed(frame, values))


def _all(frame, column, value):
    return _column(frame, column, _typed(frame, [value] * len(frame)))


def _half(frame, column, value):
    values = _objects(frame, column)
    for k in range(0, len(values), 2):
        values[k] = value
    return _column(frame, column, _typed(frame, values))


def _scale(frame, column, by):
    return _column(frame, column, frame[column].astype(float) * by)


def _shift(frame, column, by):
    return _column(frame, column, frame[column].astype(float) + by)


def _dtype(frame, column, dtype):
    return _column(frame, column, frame[column].astype(dtype))


def _clock(frame, column, unit, zone):
    values = frame[column].astype(f"datetime64[{unit}]")
    if zone is not None:
        values = values.dt.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    return _column(frame, column, values)


def _draw(frame, column, distinct, seed):
    """Only a few of the column's own values are left."""
    some = _objects(frame, column)[np.random.default_rng(seed).integers(0, len(frame), distinct)]
    return _column(frame, column, _typed(frame, [some[k % distinct] for k in range(len(frame))]))


def _head(frame, n):
    return frame.iloc[:n]


def _repeat(frame, times):
    return pd.concat([frame] * times)


def _reverse(frame):
    return frame.iloc[::-1]


def _index(frame, kind):
    n = len(frame)
    index = {
        "same": lambda: pd.Index([0] * n),
        "text": lambda: pd.Index([f"r{k}" for k in range(n)]),
        "nan": lambda: pd.Index([math.nan] * n),
        "times": lambda: pd.date_range("2024-01-01", periods=n, tz="Europe/Berlin"),
        "multi": lambda: pd.MultiIndex.from_arrays([range(n), ["a"] * n], names=["x", None]),
        "named": lambda: pd.RangeIndex(5, 5 + 3 * n, 3, name=frame.columns[0]),
        "tuples": lambda: pd.Index([(k, k) for k in range(n)], tupleize_cols=False),
        "float": lambda: pd.Index(np.arange(n) + 0.5),
    }[kind]()
    return frame.set_axis(index)


def _more(frame, kind):
    extra = {
        "objects": ("strange", [object()] * len(frame)),
        "missing": ("nothing", [None] * len(frame)),
        "number": (7, [1.0] * len(frame)),
        "tuple": (("a", 1), ["x"] * len(frame)),
        "twin": ("unit", ["W"] * len(frame)),
    }[kind]
    changed = frame.copy()
    changed[extra[0]] = pd.Series(extra[1], index=changed.index, dtype=object)
    return changed


def _strided(frame):
    return pd.concat([frame, frame]).iloc[::2].head(len(frame))


def _kind(frame, kind):
    if kind == "polars":
        return pl.from_pandas(frame)
    if kind == "pyarrow":
        return pa.Table.from_pandas(frame, preserve_index=False)
    if kind == "rechunked":
        table = pa.Table.from_pandas(frame, preserve_index=False)
        return pa.concat_tables([table.slice(0, 1), table.slice(1, 0), table.slice(1)])
    return frame.convert_dtypes(dtype_backend="pyarrow" if kind == "arrow" else kind)
