"""A log that grows day by day equals, to the bit, the log of all its rows."""

import dataclasses

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit as crm

DAY = pd.Timestamp("2024-03-01")


def identical(grown, whole):
    """Every array, every label, every count, of one type and one value."""
    for part in ("lines", "orders"):
        for field in dataclasses.fields(getattr(whole, part)):
            a, b = (getattr(getattr(log, part), field.name) for log in (grown, whole))
            assert (a is None) == (b is None), field.name
            if b is not None:
                assert a.dtype == b.dtype, field.name
                assert not a.flags.writeable
                np.testing.assert_array_equal(
                    a.view(np.int64) if a.dtype == float else a, b.view(np.int64) if b.dtype == float else b
                )
    for name in ("labels", "items", "order_labels", "kinds"):
        a, b = getattr(grown, name), getattr(whole, name)
        assert (a is None) == (b is None), name
        if b is not None:
            assert a.kind == b.kind
            assert list(a.as_index()) == list(b.as_index()), name
            assert a.as_index().dtype == b.as_index().dtype, name
    assert list(grown.dropped.items()) == list(whole.dropped.items())
    assert grown.clock == whole.clock


def rows(draw, size, first_day):
    """Rows over few ids, so that customers, items and orders come back, and orders are shared by customers."""
    n = draw(st.integers(1, size))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    width = draw(st.sampled_from([3, 30]))
    return pd.DataFrame(
        {
            "customer_id": rng.integers(0, width, n),
            "timestamp": (DAY + pd.to_timedelta(rng.integers(first_day * 24, (first_day + 8) * 24, n), unit="h")).as_unit("us"),
            "amount": rng.choice([-7.0, 0.0, 0.1, 5.0, 7.0, 20.0], n, p=[0.1, 0.1, 0.2, 0.2, 0.2, 0.2]),
            "order_id": rng.integers(0, 3 * width, n),
            "item_id": rng.integers(0, 9, n),
            "kind": rng.integers(0, 3, n),
            "quantity": rng.integers(1, 4, n).astype(float),
        }
    )


@st.composite
def days(draw):
    """An old file and two new ones: a day later, the same days, or days before the first."""
    return [rows(draw, 60, 0)] + [rows(draw, 12, draw(st.sampled_from([8, 0, -9]))) for _ in range(2)]


def as_text(frame):
    """Ids as text of several lengths, some the beginning of others, some not of ASCII."""
    words = ["", "a", "ab", "abc", "b", "é", "éa", "Ω", "customer", "customer-", "customer-1"]
    ids = {
        name: frame[name].map(lambda i: f"{words[i % len(words)]}{i // len(words) or ''}") for name in ("customer_id", "order_id")
    }
    return frame.assign(**ids)


def as_categories(frame):
    kinds = pd.CategoricalDtype(range(30, -1, -1))
    return frame.assign(customer_id=frame["customer_id"].astype(kinds))


def with_gaps(frame):
    gone = frame["quantity"].eq(3.0) & (frame["amount"] > 5)
    ids = frame[["customer_id", "item_id", "kind"]].astype("Int64")
    return frame.assign(**ids.mask(gone))


def in_zone(frame):
    return frame.assign(timestamp=frame["timestamp"].dt.tz_localize("UTC").dt.tz_convert("Europe/Paris"))


FORMS = {"numbers": lambda frame: frame, "text": as_text, "categories": as_categories, "gaps": with_gaps, "zone": in_zone}
KINDS = {
    "pandas": lambda frame: frame,
    "polars": lambda frame: pl.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}
OPTIONS = {
    "orders": {"order": "order_id", "refunds": "subtract", "kind": "kind", "quantity": "quantity"},
    "moments": {"refunds": "subtract", "item": None},
    "drop": {"order": "order_id", "refunds": "drop"},
    "plain": {"amount": None, "kind": "kind"},
    "named": {"amount": None, "order": "order_id"},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("form", FORMS)
@given(frames=days())
@settings(max_examples=25, deadline=None)
def test_a_log_that_grew_is_the_log_of_all_rows(form, options, frames):
    frames = [FORMS[form](frame) for frame in frames]
    missing = {"missing": "drop"} if form == "gaps" else {}
    try:
        grown = crm.events(frames[0], **OPTIONS[options], **missing)
    except crm.errors.DataError:
        return  # nothing is left of the first file
    for number, new in enumerate(frames[1:], start=2):
        grown = grown.append(new)
        identical(grown, crm.events(pd.concat(frames[:number], ignore_index=True), **OPTIONS[options], **missing))


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
@given(frames=days(), text=st.booleans())
@settings(max_examples=25, deadline=None)
def test_other_frames_grow_the_same_way(kind, frames, text):
    frames = [as_text(frame) if text else frame for frame in frames]
    bring, options = KINDS[kind], OPTIONS["orders"]
    grown = crm.events(bring(frames[0]), **options)
    for new in frames[1:]:
        grown = grown.append(bring(new))
    identical(grown, crm.events(bring(pd.concat(frames, ignore_index=True)), **options))


@pytest.mark.skipif(int(pd.__version__.split(".")[0]) < 3, reason="pandas 2 keeps text as objects, whose labels are hashed anew")
def test_new_ids_are_found_by_a_search_among_the_old(monkeypatch):
    """Neither old ids nor old rows are gone through again: that is what makes a day cheap."""
    frame = as_text(rows_of(5_000))
    log = crm.events(frame, order="order_id", refunds="subtract")
    from crmkit import _append
    from crmkit._frame import _ids

    seen = []
    monkeypatch.setattr(
        _ids,
        "encode",
        lambda native, kind, column="id", encode=_ids.encode: seen.append(len(native)) or encode(native, kind, column),
    )
    monkeypatch.setattr(_append, "joined", None)
    log.append(as_text(rows_of(40)))
    assert seen
    assert max(seen) == 40


def rows_of(n):
    rng = np.random.default_rng(n)
    return pd.DataFrame(
        {
            "customer_id": rng.integers(0, 300, n),
            "timestamp": DAY + pd.to_timedelta(rng.integers(0, 10_000, n), unit="min"),
            "amount": rng.choice([5.0, 7.0, -2.0], n),
            "order_id": rng.integers(0, 2 * n, n),
            "item_id": rng.integers(0, 50, n),
        }
    )
