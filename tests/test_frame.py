"""The edge: every type of column becomes the right array, or a named error with its place."""

import datetime as dt
import zoneinfo
from decimal import Decimal

import dateutil.tz
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit import _frame
from crmkit.errors import ColumnError, DataError, OptionError

ARROW = pd.ArrowDtype(pa.string())
texts = st.lists(
    st.one_of(st.none(), st.text(max_size=12), st.sampled_from(["", "a\x00", "a", "customer-0001", "customer-0002"])), max_size=40
)


def check_codes(values, encoded, missing):
    """Codes number the sorted distinct values; -1 stands for missing."""
    distinct = sorted({value for value, gone in zip(values, missing, strict=True) if not gone})
    expected = [-1 if gone else distinct.index(value) for value, gone in zip(values, missing, strict=True)]
    assert encoded.codes.tolist() == expected
    assert encoded.codes.dtype == np.int32
    assert [str(label) for label in encoded.labels.as_index()] == [str(value) for value in distinct]


@given(texts)
@settings(max_examples=200, deadline=None)
def test_strings_are_numbered_in_code_point_order(values):
    gone = [value is None for value in values]
    for column in (
        pd.Series(values, dtype=ARROW),
        pd.Series(values, dtype="string[pyarrow]"),
        pd.Series(values, dtype=object),
        pd.Series(pd.array(values, dtype="string[python]")),
    ):
        check_codes(values, _frame.ids(pd.DataFrame({"id": column}), "id", missing="drop"), gone)
    check_codes(values, _frame.ids(pl.DataFrame({"id": pl.Series(values, dtype=pl.String)}), "id", missing="drop"), gone)
    check_codes(values, _frame.ids(pa.table({"id": pa.array(values, pa.string())}).slice(0), "id", missing="drop"), gone)
    chunked = pa.chunked_array([pa.array(values[:3], pa.large_string()), pa.array(values[3:], pa.large_string())])
    check_codes(values, _frame.ids(pa.table({"id": chunked}), "id", missing="drop"), gone)


@given(st.lists(st.one_of(st.integers(-3, 9), st.integers(-(2**63), 2**63 - 1)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_integers_are_numbered_in_order_near_and_far(values):
    gone = [False] * len(values)
    check_codes(values, _frame.ids(pd.DataFrame({"id": pd.Series(values, dtype="int64")}), "id"), gone)
    check_codes(values, _frame.ids(pl.DataFrame({"id": pl.Series(values, dtype=pl.Int64)}), "id"), gone)
    nullable = pd.Series([*values, None], dtype="Int64")
    check_codes([*values, None], _frame.ids(pd.DataFrame({"id": nullable}), "id", missing="drop"), [*gone, True])


def test_a_slice_of_an_arrow_column_is_read_where_it_starts():
    column = pa.array(["zz", "b", "a", "b", None]).slice(1)
    check_codes(["b", "a", "b", None], _frame.ids(pa.table({"id": column}), "id", missing="drop"), [False] * 3 + [True])


def test_strings_that_share_long_prefixes_are_sorted_to_the_end():
    values = [f"{'x' * 30}{n:03d}" for n in (5, 2, 9)] + ["x" * 30, "x" * 30 + "\x00", "x" * 38 + "a", "x" * 38 + "b", "x" * 46]
    check_codes(values, _frame.ids(pd.DataFrame({"id": pd.Series(values, dtype=ARROW)}), "id"), [False] * len(values))


def test_many_keys_share_the_tables_out(many):
    rng = np.random.default_rng(3)
    n = many * 3 // 2
    far = rng.integers(-(2**62), 2**62, n // 5)[rng.integers(0, n // 5, n)]
    encoded = _frame.ids(pd.DataFrame({"id": far}), "id")
    labels, codes = np.unique(far, return_inverse=True)
    np.testing.assert_array_equal(encoded.codes, codes)
    np.testing.assert_array_equal(encoded.labels.values, labels)
    names = pd.Series([f"person{n}@example.org" for n in far], dtype=ARROW)
    encoded = _frame.ids(pd.DataFrame({"id": names}), "id")
    labels, codes = np.unique(names.to_numpy(dtype=str), return_inverse=True)
    np.testing.assert_array_equal(encoded.codes, codes)
    assert list(encoded.labels.values) == list(labels)


def test_ids_that_a_missing_value_made_floats_are_integers():
    encoded = _frame.ids(pd.DataFrame({"id": [17850.0, np.nan, 3.0]}), "id", missing="drop")
    assert encoded.codes.tolist() == [1, -1, 0]
    assert encoded.labels.values.dtype == float
    with pytest.raises(DataError, match="1 infinite"):
        _frame.ids(pd.DataFrame({"id": [1.0, np.inf]}), "id")


def test_category_codes_are_used_as_they_are():
    categories = pd.Categorical(["u", "v", "u", None], categories=["w", "v", "z", "u"])
    encoded = _frame.ids(pd.DataFrame({"id": categories}), "id", missing="drop")
    assert encoded.codes.tolist() == [1, 0, 1, -1]
    assert list(encoded.labels.values) == ["v", "u"]
    assert encoded.labels.values.dtype == categories.dtype
    enum = pl.DataFrame({"id": pl.Series(["u", "v", "u"], dtype=pl.Enum(["w", "v", "z", "u"]))})
    assert _frame.ids(enum, "id").codes.tolist() == [1, 0, 1]
    dictionary = pa.table({"id": pa.array(["u", None, "v"]).dictionary_encode()})
    assert _frame.ids(dictionary, "id", missing="drop").codes.tolist() == [0, -1, 1]


def test_values_that_cannot_be_ids_are_refused():
    with pytest.raises(DataError, match="cannot be ids"):
        _frame.ids(pd.DataFrame({"id": [[1], [2]]}), "id")


@pytest.mark.parametrize("ids", [["b", "a", "c"], [30, 10, 20], [(1, "x"), (0, "y"), (2, "z")]], ids=["text", "whole", "tuples"])
def test_codes_of_finds_known_ids_and_says_which_are_not(ids):
    column = pd.Series(np.empty(3, dtype=object)) if isinstance(ids[0], tuple) else pd.Series(ids)
    column[:] = ids
    labels = _frame.ids(pd.DataFrame({"id": column}), "id").labels
    unknown = {str: "?", int: 99, tuple: (9, "?")}[type(ids[0])]
    assert labels.codes_of([ids[1], unknown, ids[0]]).tolist() == [0, -1, sorted(ids).index(ids[0])]
    with pytest.raises(OptionError, match="list"):
        labels.codes_of("b")


def test_codes_of_reads_categories_and_native_columns():
    labels = _frame.ids(pd.DataFrame({"id": pd.Categorical(["b", "a"])}), "id").labels
    assert labels.codes_of(pd.Index(pd.Categorical(["a", "x"]))).tolist() == [0, -1]
    assert labels.codes_of(pl.Series(["b", "q"])).tolist() == [1, -1]


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1.0, 2.0]),
        pd.Series([1, 2], dtype="int8"),
        pd.Series([1, 2], dtype="Int64"),
        pd.Series([1, 2], dtype="Float32"),
        pd.Series([1.0, 2.0], dtype=pd.ArrowDtype(pa.float64())),
        pd.Series([Decimal(1), Decimal(2)]),
        pd.Series([Decimal(1), Decimal(2)], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
        pd.Series([1, 2.0], dtype=object),
        pd.Series(pd.Categorical([1, 2])),
    ],
    ids=["float", "int8", "Int64", "Float32", "arrow", "decimal", "arrow_decimal", "object", "category"],
)
def test_numbers_come_as_one_layout(column):
    values = _frame.numbers(pd.DataFrame({"x": column}), "x")
    assert values.tolist() == [1.0, 2.0]
    assert values.dtype == np.float64
    assert values.flags.c_contiguous
    assert not values.flags.writeable


@pytest.mark.parametrize(
    ("column", "options", "message"),
    [
        ([1.0, np.nan, np.nan], {}, r"'x': 2 missing, the first in row 1"),
        ([1.0, np.inf], {}, r"'x': 1 infinite, the first in row 1 \(inf\)"),
        ([0.0, -2.0], {"nonnegative": True}, r"'x': 1 negative, the first in row 1 \(-2\)"),
        ([0.0, 2.0], {"positive": True}, r"'x': 1 not positive, the first in row 0 \(0\)"),
        ([1.0, 1.5], {"whole": True}, r"'x': 1 not whole, the first in row 1 \(1.5\)"),
        (["1", "2"], {}, r"'x'.*not numbers"),
        ([1, "2", None], {}, r"'x': 1 not numbers, the first in row 1 \(a str\)"),
        ([True, False], {}, r"'x' holds bool, not numbers"),
        ([1j, 2j], {}, r"'x' holds complex128, not numbers"),
        (pd.Series([1, None], dtype="Int64"), {}, r"'x': 1 missing, the first in row 1"),
        (pd.Categorical([1, None]), {}, r"'x': 1 missing"),
        (pd.to_datetime(["2024-01-01"]), {}, r"'x' holds datetime64"),
    ],
    ids=["nan", "inf", "negative", "zero", "fraction", "text", "mixed", "bool", "complex", "NA", "category_gap", "date"],
)
def test_what_is_no_usable_number_is_refused_with_its_place(column, options, message):
    with pytest.raises(DataError, match=message):
        _frame.numbers(pd.DataFrame({"x": column}), "x", **options)


def test_ignored_rows_may_hold_anything():
    values = _frame.numbers(pd.DataFrame({"x": [1.0, np.nan]}), "x", ignore=np.array([False, True]))
    assert values.tolist() == [1.0, 0.0]


def test_flags():
    frame = pd.DataFrame({"b": [True, False], "n": [1, 0], "bad": [0, 2]})
    assert _frame.flags(frame, "b").tolist() == _frame.flags(frame, "n").tolist() == [True, False]
    with pytest.raises(DataError, match="1 neither 0 nor 1, the first in row 1"):
        _frame.flags(frame, "bad")


def test_columns_are_found_once():
    frame = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["amount", "twice", "twice"])
    with pytest.raises(ColumnError, match=r"no column 'amuont'.*Did you mean 'amount'\?.*amount="):
        _frame.numbers(frame, "amuont", keyword="amount")
    with pytest.raises(ColumnError, match="2 times"):
        _frame.numbers(frame, "twice")
    with pytest.raises(KeyError):
        _frame.numbers(frame, None, keyword="amount")


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

STAMPS = pd.to_datetime(["2024-01-01 10:00", "2024-07-01 10:00"])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(STAMPS.as_unit("s")),
        pd.Series(STAMPS.as_unit("ns")),
        pd.Series(STAMPS).astype(pd.ArrowDtype(pa.timestamp("us"))),
        pd.Series(["2024-01-01 10:00", "2024-07-01T10:00:00"]),
        pd.Series([dt.datetime(2024, 1, 1, 10), dt.datetime(2024, 7, 1, 10)], dtype=object),
        pd.Series(pd.Categorical(STAMPS)),
        pd.Series(STAMPS).tolist(),
    ],
    ids=["s", "ns", "arrow", "iso_text", "objects", "category", "list"],
)
def test_moments_of_every_storage(column):
    times = _frame.times(pd.DataFrame({"t": column}), "t")
    assert [times.clock.stamp(ticks) for ticks in times.wall] == list(STAMPS)
    assert times.wall is times.instant
    assert not times.wall.flags.writeable


def test_dates_of_every_storage():
    for column in (
        pd.Series([dt.date(1969, 12, 31)]),
        pd.Series([dt.date(1969, 12, 31)], dtype=pd.ArrowDtype(pa.date32())),
        pd.Series(["1969-12-31"]),
    ):
        times = _frame.times(pd.DataFrame({"t": column}), "t")
        assert times.wall[0] // times.clock.ticks_per_day == -1
    assert _frame.times(pl.DataFrame({"t": [dt.date(1969, 12, 31)]}), "t").wall[0] < 0


@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars", "pyarrow"])
def test_zones_keep_the_wall_clock_and_the_instant(kind):
    aware = pd.Series(STAMPS.tz_localize("Europe/Paris"))
    frame = {
        "pandas": lambda: pd.DataFrame({"t": aware}),
        "arrow": lambda: pd.DataFrame({"t": aware.astype(pd.ArrowDtype(pa.timestamp("us", "Europe/Paris")))}),
        "polars": lambda: pl.DataFrame({"t": pl.Series(list(STAMPS)).dt.replace_time_zone("Europe/Paris")}),
        "pyarrow": lambda: pa.table({"t": pa.array(aware)}),
    }[kind]()
    times = _frame.times(frame, "t")
    assert [times.clock.in_zone(ticks).tz_localize(None) for ticks in times.instant] == list(STAMPS)
    assert ((times.wall - times.instant) * 24 // times.clock.ticks_per_day).tolist() == [1, 2]
    assert times.clock.zone == "Europe/Paris"


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.Series([*STAMPS, pd.NaT]), r"'t': 1 missing times, the first in row 2"),
        (pd.Series(["2024-01-01", "01/02/2024"]), r"'t': 1 not dates in ISO 8601.*row 1 \('01/02/2024'\)"),
        (pd.Series([20240101]), r"'t' holds int64, not times.*%Y%m%d"),
        (pd.Series([1.5, "x"], dtype=object), r"'t': 1 neither dates nor text, the first in row 0 \(a float\)"),
        (pd.Series(["2024-01-01T00:00+01:00", "2024-01-01T00:00+02:00"]), r"'t' mixes time zones"),
        (
            pd.Series([pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-01", tz="Asia/Tokyo")], dtype=object),
            "mixes time zones",
        ),
        (pd.Series([pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01", tz="Asia/Tokyo")], dtype=object), "mixes time zones"),
    ],
    ids=["NaT", "slashes", "integers", "floats", "offsets", "zones", "half_aware"],
)
def test_what_is_no_usable_time_is_refused_with_its_place(column, message):
    with pytest.raises(DataError, match=message):
        _frame.times(pd.DataFrame({"t": column}), "t")


# ── text and results ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_text_treats_blanks_as_missing_and_never_shows_itself():
    text = _frame.text(pd.DataFrame({"name": ["Ann", " ", None, "", "Ann"]}), "name")
    assert [text.values[code] if code >= 0 else None for code in text.codes] == ["Ann", None, None, None, "Ann"]
    assert "Ann" not in repr(text)
    postcode = _frame.text(pd.DataFrame({"p": [2000.0, np.nan]}), "p")
    assert postcode.values == ("2000",)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_results_are_frames_of_the_kind_that_came(kind):
    frame = {
        "pandas": pd.DataFrame({"id": ["b", "a"], "x": [1.0, 2.0]}, index=[7, 7]),
        "polars": pl.DataFrame({"id": ["b", "a"], "x": [1.0, 2.0]}),
        "pyarrow": pa.table({"id": ["b", "a"], "x": [1.0, 2.0]}),
    }[kind]
    ids = _frame.ids(frame, "id")
    same_rows = _frame.rows_like(frame, {"y": np.array([3, 4])})
    one = _frame.series_like(frame, "s", _frame.Categories(np.array([1, 0]), ["low", "high"]))
    per_id = _frame.per_label(ids.labels, np.array([0, 1]), {"n": np.array([5, 6])}, name="id", attrs={"as_of": "x"})
    long = _frame.table({"id": _frame.Labelled(ids.labels, np.array([1, 1, 0])), "k": np.arange(3)}, kind=kind)
    if kind == "pandas":
        assert same_rows.index.tolist() == [7, 7]
        assert one.tolist() == ["high", "low"]
        assert one.index.tolist() == [7, 7]
        assert per_id.index.tolist() == ["a", "b"]
        assert per_id.attrs == {"as_of": "x"}
        assert long["id"].tolist() == ["b", "b", "a"]
    else:
        names, columns = ("column_names", "to_pylist") if kind == "pyarrow" else ("columns", "to_list")
        assert list(getattr(same_rows, names)) == ["id", "y"]
        assert [str(v) for v in getattr(one["s"], columns)()] == ["high", "low"]
        assert getattr(per_id["id"], columns)() == ["a", "b"]
        assert getattr(long["id"], columns)() == ["b", "b", "a"]
        without_id = _frame.rows_like(frame, {"y": np.array([3, 4])}, used=("id",))
        assert list(getattr(without_id, names)) == ["y"]
    assert _frame.is_frame(frame)
    assert not _frame.is_frame([1])


# ── storage that hides something ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_dictionary_that_holds_a_value_twice_or_null_is_read_by_value():
    twice = pa.DictionaryArray.from_arrays(pa.array([1, 0, 2, 3]), pa.array(["a", "a", None, "b"]))
    for frame in (pa.table({"id": twice}), pd.DataFrame({"id": pd.Series(pd.arrays.ArrowExtensionArray(twice))})):
        encoded = _frame.ids(frame, "id", missing="drop")
        assert encoded.codes.tolist() == [0, 0, -1, 1]
        assert list(encoded.labels.as_index()) == ["a", "b"]
        with pytest.raises(DataError, match="1 missing ids, the first in row 2"):
            _frame.ids(frame, "id")


def test_text_is_told_apart_behind_a_nul_byte():
    for dtype in (object, "string[python]"):
        check_codes(
            ["a\x00b", "a", "a\x00c", None],
            _frame.ids(pd.DataFrame({"id": pd.Series(["a\x00b", "a", "a\x00c", None], dtype=dtype)}), "id", missing="drop"),
            [False, False, False, True],
        )


def test_strings_of_one_hash_are_told_apart():
    # the hash takes eight bytes at a time: for a first word of one's choice, the second can be chosen to meet another string's
    mask = (1 << 64) - 1

    def mixed(key):
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            key = ((key ^ (key >> 33)) * factor) & mask
        return key ^ (key >> 33)

    def state(word):
        return (mixed((0xCBF29CE484222325 ^ 16) ^ word) + 0x9E3779B97F4A7C15) & mask

    def word(text):
        return int.from_bytes(text.encode(), "little")

    target = state(word("customer")) ^ word("00000001")
    met = ["customer00000001"]
    for number in range(3000):
        second = (target ^ state(word(f"{number:08d}"))).to_bytes(8, "little")
        if all(byte < 128 for byte in second):
            met.append(f"{number:08d}" + second.decode())
    assert len(met) > 5
    values = met * 2
    check_codes(values, _frame.ids(pd.DataFrame({"id": pd.Series(values, dtype=ARROW)}), "id"), [False] * len(values))


def test_ids_that_floats_have_rounded_are_refused():
    for values in (np.array([2.0**53 + 2, 1.0]), np.array([2**24 + 2, 1], dtype=np.float32), np.array([1e300, 0.5])):
        with pytest.raises(DataError, match=r"1 ids too large for float.*row 0"):
            _frame.ids(pd.DataFrame({"id": values}), "id")
    assert len(_frame.ids(pd.DataFrame({"id": [2.0**53 - 1, 1.0]}), "id").labels) == 2


@pytest.mark.parametrize(
    ("column", "codes"),
    [
        (pd.array([True, None, False], dtype="boolean"), [1, -1, 0]),
        (pd.arrays.SparseArray([5, 0, 5]), [1, 0, 1]),
        (pd.Series(["b", None, "a"], dtype=pd.ArrowDtype(pa.string_view())), [1, -1, 0]),
        (pd.Series(pd.arrays.ArrowExtensionArray(pa.RunEndEncodedArray.from_arrays([2, 3], ["b", "a"]))), [1, 1, 0]),
    ],
    ids=["boolean", "sparse", "string_view", "run_end"],
)
def test_rarer_storages_of_ids(column, codes):
    assert _frame.ids(pd.DataFrame({"id": column}), "id", missing="drop").codes.tolist() == codes


def test_objects_stay_objects():
    for values in (["b", "a"], [pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-01")], [(1, "x"), (0,)], [2, 1]):
        column = pd.Series(np.empty(2, dtype=object))
        column[:] = values
        column = column.astype(object)
        labels = _frame.ids(pd.DataFrame({"id": column}), "id").labels
        assert labels.values.dtype == object
        assert list(labels.as_index()) == sorted(values)
        assert list(labels.merge(labels)[0].values) == sorted(values)


def test_known_ids_are_found_exactly():
    labels = _frame.ids(pd.DataFrame({"id": [2**53, 2**53 + 1, 5]}), "id").labels
    assert labels.codes_of([float(2**53), 5.0, 5.5, np.nan]).tolist() == [1, 0, -1, -1]
    assert labels.codes_of(pd.Series([2**53 + 1], dtype="uint64")).tolist() == [2]


def test_a_name_is_no_list():
    with pytest.raises(ColumnError):
        _frame.ids(pd.DataFrame({"id": [1]}), np.array(["id", "id"]))


def test_what_looks_like_a_number_and_is_none():
    for value, message in (
        (np.complex64(1 + 2j), "1 not numbers"),
        (np.timedelta64(1, "D"), "1 not numbers"),
        (10**400, "1 infinite"),
        (Decimal("sNaN"), "1 missing"),
    ):
        with pytest.raises(DataError, match=message):
            _frame.numbers(pd.DataFrame({"x": pd.Series([value], dtype=object)}), "x")
    with pytest.raises(DataError, match="Int128"):
        _frame.numbers(pl.DataFrame({"x": pl.Series([2**100], dtype=pl.Int128)}), "x")
    values = _frame.numbers(pd.DataFrame({"x": pd.Series(["?", 2], dtype=object)}), "x", ignore=np.array([True, False]))
    assert values.tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (dateutil.tz.gettz("Europe/Paris"), "Europe/Paris"),
        (dateutil.tz.tzutc(), "UTC"),
        (dateutil.tz.tzoffset(None, -5400), "-01:30"),
        (dt.timezone(dt.timedelta(hours=-5), "CET"), "-05:00"),
        (zoneinfo.ZoneInfo("Asia/Kathmandu"), "Asia/Kathmandu"),
    ],
    ids=str,
)
def test_zones_of_every_maker_have_a_name(zone, name):
    times = _frame.times(pd.DataFrame({"t": pd.Series(STAMPS.tz_localize("UTC").tz_convert(zone))}), "t")
    assert times.clock.zone == name
    assert [times.clock.stamp(ticks) for ticks in times.instant] == list(STAMPS)
    offsets = [stamp.to_pydatetime().replace(tzinfo=dt.UTC).astimezone(zone).utcoffset() for stamp in STAMPS]
    assert [times.clock.in_zone(ticks).utcoffset() for ticks in times.instant] == offsets
    assert [times.clock.stamp(ticks) for ticks in times.wall] == [at + by for at, by in zip(STAMPS, offsets, strict=True)]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.Series(["2024-01-01", "now"]), "1 not dates in ISO 8601.*row 1"),
        (pd.Series(["2024-01-01T10:00+01", "2024-01-01T10:00+02"]), "mixes time zones"),
        (pd.Series(pd.Categorical([1, None])), "not times"),
        (
            pd.Series([pd.Timestamp.max]).dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo").astype("datetime64[ns, Asia/Tokyo]"),
            "zone",
        ),
        (pd.Series(STAMPS.tz_localize(dt.timezone(dt.timedelta(seconds=1172)))), "no zone is known as"),
    ],
    ids=["now", "hours_of_offset", "numbers_in_categories", "end_of_time", "odd_seconds"],
)
def test_times_that_would_be_something_else_are_refused(column, message):
    with pytest.raises(DataError, match=message):
        _frame.times(pd.DataFrame({"t": column}), "t")


def test_zones_arrow_does_not_know_are_refused():
    times = pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("s", "Nowhere/Zone"))
    with pytest.raises(DataError, match="no zone is known"):
        _frame.times(pa.table({"t": times}), "t")


def test_an_offset_without_a_name_is_told_in_utc_by_polars():
    moments = _frame.Moments(np.array([0]), _frame.Clock("us", "+05:30"))
    assert _frame.table({"t": moments}, kind="polars")["t"].dtype.time_zone == "UTC"
    assert str(_frame.table({"t": moments})["t"].iloc[0]) == "1970-01-01 05:30:00+05:30"


def test_bytes_are_no_text():
    with pytest.raises(DataError, match="holds bytes"):
        _frame.text(pd.DataFrame({"name": [b"ann", None]}), "name")


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_no_column_of_a_result_takes_the_place_of_the_id(kind):
    labels = _frame.ids({"polars": pl.DataFrame, "pyarrow": pa.table}[kind]({"n": ["a", "b"]}), "n").labels
    with pytest.raises(OptionError, match="'n' is named like a column"):
        _frame.per_label(labels, np.array([0, 1]), {"n": np.array([5, 6])}, name="n")
    both = _frame.table({"x": np.array([1])}, keys={"n": np.array([2])}, kind=kind)
    assert list(both.column_names if kind == "pyarrow" else both.columns) == ["n", "x"]
