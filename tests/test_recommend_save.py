"""Recommenders as files and pickles: the same answers to the bit, ids as they were, nothing writable, nothing run."""

from __future__ import annotations

import io
import json
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from test_recommend_items import seen, simulated

from crmkit import recommend
from crmkit.errors import DataError, OptionError

FITS = {
    "als": lambda table: recommend.fit_als(table, factors=3, sweeps=12, unobserved_weight=0.3),
    "ease": lambda table: recommend.fit_ease(table, penalty=2.0),
    "frequency": lambda table: recommend.fit_frequency(table, within="60D"),
    "item_knn": lambda table: recommend.fit_item_knn(table, k=4, measure="bm25"),
    "popularity": lambda table: recommend.fit_popularity(table, within="60D"),
    "user_knn": lambda table: recommend.fit_user_knn(table, k=4),
}
FRAME = simulated()


def written(model, tmp_path):
    recommend.save(model, tmp_path / "model.npz")
    return recommend.load(tmp_path / "model.npz")


def arrays_of(value):
    """Every array in a model, however deep."""
    if isinstance(value, np.ndarray):
        yield value
    for name in getattr(value, "__dataclass_fields__", ()):
        yield from arrays_of(getattr(value, name))


@pytest.mark.parametrize("way", ["file", "pickle"])
@pytest.mark.parametrize("name", sorted(FITS))
def test_what_comes_back_recommends_the_same_and_is_read_only(name, way, tmp_path):
    model = FITS[name](seen(FRAME, time="timestamp", half_life="40D"))
    again = written(model, tmp_path) if way == "file" else pickle.loads(pickle.dumps(model))
    assert type(again) is type(model)
    assert repr(again) == repr(model)
    old, new = list(arrays_of(model)), list(arrays_of(again))
    assert len(old) == len(new) > 4
    for one, other in zip(old, new, strict=True):
        assert not one.flags.writeable
        assert not other.flags.writeable
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    later = simulated(seed=5)
    for options in ({}, {"exclude": "nothing"}, {"exclude": "30D"}, {"history": later}, {"customers": [3, 999]}):
        pd.testing.assert_frame_equal(
            recommend.top_items(again, **options), recommend.top_items(model, **options), check_exact=True
        )


@pytest.mark.parametrize(
    "ids",
    ["int16", "Int64", "int64[pyarrow]", "object", "str", "string", "category", "ordered", "days", "zoned", "float64", "bool"],
)
def test_ids_of_pandas_come_back_as_they_were(ids, tmp_path):
    frame = FRAME[["basket", "item"]]
    convert = {
        "category": lambda s: s.astype(pd.CategoricalDtype(sorted(set(s)))),
        "ordered": lambda s: s.astype(pd.CategoricalDtype(sorted(set(s), reverse=True), ordered=True)),
        "days": lambda s: pd.Timestamp("2024-01-01") + pd.to_timedelta(s, unit="D"),
        "zoned": lambda s: pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.to_timedelta(s, unit="D"),
        "float64": lambda s: s + 0.5,
        "bool": lambda s: s > 10,
    }
    text = ids in ("object", "str", "string", "category", "ordered")
    column = "item" if text else "basket"
    frame = frame.assign(**{column: convert.get(ids, lambda s: s.astype(ids))(frame[column])})
    model = FITS["item_knn"](seen(frame))
    got, want = (recommend.top_items(one, exclude="nothing") for one in (written(model, tmp_path), model))
    pd.testing.assert_frame_equal(got, want, check_exact=True)


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
@pytest.mark.parametrize("ids", ["plain", "dates", "times", "categories", "enum"])
def test_ids_of_other_frames_come_back_as_they_were(kind, ids, tmp_path):
    frame = pl.from_pandas(FRAME[["basket", "item"]])
    days = pl.date(2024, 1, 1) + pl.duration(days=pl.col("basket"))
    if ids == "dates":
        frame = frame.with_columns(basket=days.cast(pl.Date))
    if ids == "times":
        frame = frame.with_columns(basket=days.cast(pl.Datetime("us")).dt.replace_time_zone("Europe/Berlin"))
    if ids == "categories":
        frame = frame.with_columns(pl.col("item").cast(pl.Categorical))
    if ids == "enum":
        frame = frame.with_columns(pl.col("item").cast(pl.Enum(sorted(set(frame["item"])))))
    data = frame.to_arrow() if kind == "pyarrow" else frame
    model = FITS["item_knn"](seen(data))
    got, want = (recommend.top_items(one) for one in (written(model, tmp_path), model))
    assert type(got) is type(want)
    assert got.equals(want)
    assert isinstance(got, pa.Table if kind == "pyarrow" else pl.DataFrame)


def test_interactions_and_ratings_come_back(tmp_path):
    table = seen(FRAME, time="timestamp", half_life="40D")
    again = written(table, tmp_path)
    assert (again.end, again.last, dict(again.columns)) == (table.end, table.last, dict(table.columns))
    np.testing.assert_array_equal(FITS["als"](again).item_table, FITS["als"](table).item_table)
    rated = FRAME.assign(rating=np.arange(len(FRAME)) % 5 + 1.0)
    model = recommend.fit_ratings(rated, customer="basket", item="item", factors=4)
    pd.testing.assert_series_equal(
        recommend.predict_ratings(written(model, tmp_path), rated), recommend.predict_ratings(model, rated), check_exact=True
    )


def test_ids_that_json_would_change_are_refused(tmp_path):
    frame = FRAME.assign(basket=[("shop", int(basket)) for basket in FRAME["basket"]])
    with pytest.raises(DataError, match="ids of type tuple"):
        recommend.save(FITS["item_knn"](seen(frame)), tmp_path / "model.npz")


def test_what_is_no_model_and_what_is_no_file_of_one_are_refused(tmp_path):
    with pytest.raises(OptionError, match="got DataFrame"):
        recommend.save(FRAME, tmp_path / "model.npz")
    path = tmp_path / "model.npz"
    for content in (b"", b"text", b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"none that recommend\.save wrote"):
            recommend.load(path)
    np.savez(path, a=np.ones(3))
    with pytest.raises(DataError, match=r"none that recommend\.save wrote"):
        recommend.load(path)
    np.save(path.with_suffix(".npy"), np.ones(3))
    with pytest.raises(DataError, match=r"none that recommend\.save wrote"):
        recommend.load(path.with_suffix(".npy"))
    for header in ({"type": "Nothing"}, {"type": "Popularity", "schema": 1, "fields": {}}, [1]):
        np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8))
        with pytest.raises(DataError, match=r"none that recommend\.save wrote"):
            recommend.load(path)
    np.savez(path, header=np.frombuffer(json.dumps({"type": "Als", "schema": 99, "fields": {}}).encode(), np.uint8))
    with pytest.raises(DataError, match="schema 99"):
        recommend.load(path)


def test_nothing_is_ever_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("unpickled",)

    buffer = io.BytesIO()
    np.savez(buffer, header=np.array([Trap()], dtype=object))
    (tmp_path / "model.npz").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"none that recommend\.save wrote"):
        recommend.load(tmp_path / "model.npz")
