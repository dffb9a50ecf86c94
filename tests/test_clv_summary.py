"""From purchases to frequency, recency, T and spend, and to predictions by frame."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, raises

import crmkit as crm
from crmkit import clv
from crmkit.errors import ColumnError, DataError, FitError, OptionError
from naive import clv as naive

DAY = dt.date(2024, 1, 1)


def purchases(*rows):
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "amount"])
    return frame.assign(timestamp=pd.to_datetime(frame["timestamp"]))


ORDERS = purchases(
    ("ann", "2024-01-01 23:59", 20.0),
    ("bob", "2024-01-08 10:00", 35.0),
    ("ann", "2024-01-15 09:00", 15.0),
    ("ann", "2024-01-15 18:00", 10.0),
    ("ann", "2024-02-05 00:01", 25.0),
    ("cid", "2024-02-12 12:00", 0.0),
)


# ── summarize ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_four_of_the_literature():
    table = clv.summarize(ORDERS)
    assert table.columns.tolist() == ["frequency", "recency", "T", "monetary_value", "first_value", "unit"]
    assert table.index.tolist() == ["ann", "bob", "cid"]
    assert table["frequency"].tolist() == [2, 0, 0]  # two orders of one day are one purchase
    assert table["recency"].tolist() == [5.0, 0.0, 0.0]
    assert table["T"].tolist() == [6.0, 5.0, 0.0]
    assert table["monetary_value"].tolist() == [25.0, 0.0, 0.0]
    assert table["first_value"].tolist() == [20.0, 35.0, 0.0]
    assert set(table["unit"]) == {"W"}
    assert table.attrs["end"] == "2024-02-12"


def test_end_is_included_and_later_purchases_do_not_exist():
    table = clv.summarize(ORDERS, end="2024-01-15", unit="D")
    assert table.index.tolist() == ["ann", "bob"]
    assert table["frequency"].tolist() == [1, 0]
    assert table["T"].tolist() == [14.0, 7.0]
    assert table["monetary_value"].tolist() == [25.0, 0.0]
    assert clv.summarize(ORDERS, end="2024-01-14")["frequency"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("unit", "days", "name"), [("D", 1, "D"), ("W", 7, "W"), ("Y", 365.25, "Y"), (10, 10, "10D"), (7, 7, "W")]
)
def test_times_are_exact_fractions_of_the_unit(unit, days, name):
    table = clv.summarize(ORDERS, unit=unit)
    assert table["T"].tolist() == [42 / days, 35 / days, 0.0]
    assert set(table["unit"]) == {name}


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 23), st.integers(0, 5)), min_size=1, max_size=30
    ),
    cut=st.integers(-1, 10),
)
def test_summarize_by_the_slow_road(rows, cut):
    start = pd.Timestamp("1969-12-28")  # days before 1970 are days too
    frame = pd.DataFrame(
        {
            "customer_id": [row[0] for row in rows],
            "timestamp": [start + pd.Timedelta(days=row[1], hours=row[2]) for row in rows],
            "amount": [float(row[3]) for row in rows],
        }
    )
    end = (start + pd.Timedelta(days=cut)).date()
    plain = list(zip(frame["customer_id"], frame["timestamp"].dt.date, frame["amount"], strict=True))
    expected = naive.summary(plain, end)
    if not expected:
        with raises(DataError, match="no purchase lies on or before"):
            clv.summarize(frame, unit="D", end=end)
        return
    table = clv.summarize(frame, unit="D", end=end)
    found = table[["frequency", "recency", "T", "monetary_value", "first_value"]].itertuples()
    assert {row[0]: tuple(row[1:]) for row in found} == {key: approx(value) for key, value in expected.items()}


def test_days_follow_the_wall_clock_of_the_zone():
    """A change to summer time: the same two moments are one day apart on the wall and two in UTC."""
    utc = pd.to_datetime(["2024-03-30 22:30", "2024-03-31 22:30", "2024-04-03 00:00"], utc=True)
    frame = pd.DataFrame({"customer_id": [1, 1, 2], "timestamp": utc, "amount": 1.0})
    paris = frame.assign(timestamp=frame["timestamp"].dt.tz_convert("Europe/Paris"))
    assert clv.summarize(frame, unit="D").loc[1, "recency"] == 1.0
    assert clv.summarize(paris, unit="D").loc[1, "recency"] == 2.0


def test_a_log_and_a_frame_with_column_names_are_the_same():
    renamed = ORDERS.rename(columns={"customer_id": "who", "timestamp": "when", "amount": "paid"})
    names = {"customer": "who", "time": "when", "amount": "paid"}
    by_frame, by_log = clv.summarize(renamed, **names), clv.summarize(crm.events(renamed, **names))
    pd.testing.assert_frame_equal(by_frame, by_log)
    pd.testing.assert_frame_equal(by_frame.rename_axis("customer_id"), clv.summarize(ORDERS))


def test_refunds_are_no_purchases():
    refunded = pd.concat([ORDERS, purchases(("dee", "2024-01-20", -5.0), ("ann", "2024-02-06", -25.0))])
    with raises(DataError, match="negative"):
        clv.summarize(refunded)
    table = clv.summarize(refunded, refunds="subtract", end="2024-02-12")
    assert table.index.tolist() == ["ann", "bob", "cid"]
    assert table.loc["ann", "frequency"] == 1  # the order of February went back in full


def test_without_amounts_there_is_no_spend():
    table = clv.summarize(ORDERS.drop(columns="amount"), amount=None)
    assert not {"monetary_value", "first_value"} & set(table.columns)
    assert table["frequency"].tolist() == [2, 0, 0]


def test_units_grains_and_ends_that_cannot_be_used():
    with raises(OptionError, match=r"unit='M'.*months differ"):
        clv.summarize(ORDERS, unit="M")
    for unit in ("fortnight", "0D", 0, -7, True, np.inf, None):
        with raises(OptionError, match="is not a unit of time"):
            clv.summarize(ORDERS, unit=unit)
    with raises(OptionError, match="grain='W'"):
        clv.summarize(ORDERS, grain="W")
    with raises(OptionError, match="end=20240115"):
        clv.summarize(ORDERS, end=20240115)
    with raises(DataError, match="no purchase lies on or before 2023-12-31"):
        clv.summarize(ORDERS, end="2023-12-31")
    with raises(ColumnError, match="no time"):
        clv.summarize(crm.events(ORDERS, time=None))


# ── split ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_split_loses_nobody():
    known, new = clv.split(ORDERS, calibration_end="2024-01-15", unit="D")
    pd.testing.assert_frame_equal(known[clv.summarize(ORDERS).columns], clv.summarize(ORDERS, end="2024-01-15", unit="D"))
    assert known["holdout_frequency"].tolist() == [1, 0]
    assert known["holdout_monetary_value"].tolist() == [25.0, 0.0]
    assert set(known["holdout_T"]) == {28.0}
    # in the 28 days before: all but the first purchase
    assert known["previous_frequency"].tolist() == [1, 0]
    assert (known.attrs["end"], new.attrs["end"]) == ("2024-01-15", "2024-02-12")
    assert new.index.tolist() == ["cid"]
    assert new.columns.tolist() == clv.summarize(ORDERS).columns.tolist()
    # the report of a quiet holdout has no new customers, and says so by having no rows
    assert len(clv.split(ORDERS, calibration_end="2024-01-15", end="2024-02-11").new) == 0


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=30),
    cut=st.integers(-1, 8),
    length=st.integers(1, 3),
)
def test_split_by_the_slow_road(rows, cut, length):
    start = pd.Timestamp("2024-01-01")
    frame = pd.DataFrame(
        {
            "customer_id": [row[0] for row in rows],
            "timestamp": [start + pd.Timedelta(days=row[1]) for row in rows],
            "amount": [float(row[2]) for row in rows],
        }
    )
    after, end = ((start + pd.Timedelta(days=d)).date() for d in (cut, cut + length))
    plain = list(zip(frame["customer_id"], frame["timestamp"].dt.date, frame["amount"], strict=True))
    before, whole, later = naive.summary(plain, after), naive.summary(plain, end), naive.holdout(plain, after, end)
    if not before:
        with raises(DataError, match="no purchase lies on or before"):
            clv.split(frame, calibration_end=after, end=end)
        return
    known, new = clv.split(frame, calibration_end=after, end=end, unit="D")
    assert set(known.index) == set(before)
    assert set(new.index) == set(whole) - set(before)
    for customer, row in known.iterrows():
        expected = later.get(customer, (0, 0.0))
        assert (row["holdout_frequency"], row["holdout_monetary_value"], row["holdout_T"]) == approx((*expected, length))
        first = min(date for who, date, _ in plain if who == customer)
        window = naive.holdout(plain, max(first, after - dt.timedelta(days=length)), after)
        assert row["previous_frequency"] == window.get(customer, (0, 0.0))[0]


def test_split_of_cdnow_has_the_purchases_of_the_literature(cdnow_sample):
    known, new = clv.split(cdnow_sample, calibration_end="1997-09-30", end="1998-06-30")
    assert (len(known), len(new), known["frequency"].sum(), known["holdout_frequency"].sum()) == (2357, 0, 2457, 1882)
    by_frequency = known.groupby(known["frequency"].clip(upper=7))["holdout_frequency"].mean().tolist()
    assert by_frequency == approx([0.2367, 0.6970, 1.3925, 1.5600, 2.5323, 2.9474, 3.8621, 6.3594], abs=6e-5)
    assert set(known["holdout_T"]) == {39.0}


def test_splits_that_cannot_be_made():
    with raises(OptionError, match=r"leaves no day for the holdout, which ends with 2024-02-12"):
        clv.split(ORDERS, calibration_end="2024-02-12")
    with raises(OptionError, match="calibration_end="):
        clv.split(ORDERS, calibration_end="soon")
    with raises(DataError, match="no purchase lies on or before 2023-12-31"):
        clv.split(ORDERS, calibration_end="2023-12-31")
    known = clv.split(ORDERS.drop(columns="amount"), calibration_end="2024-01-15", amount=None).known
    assert "holdout_monetary_value" not in known.columns


# ── compress ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_compress_counts_equal_histories():
    table = clv.summarize(pd.concat([ORDERS, ORDERS.assign(customer_id=ORDERS["customer_id"] + "2")]))
    small = clv.compress(table)
    assert small[["frequency", "recency", "T", "weight"]].to_numpy().tolist() == [[0, 0, 0, 2], [0, 0, 5, 2], [2, 5, 6, 2]]
    assert set(small["unit"]) == {"W"}
    pd.testing.assert_frame_equal(clv.compress(small, weight="weight"), small)
    assert "unit" not in clv.compress(table.drop(columns="unit")).columns


# ── predictions by frame ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(2)
    rows = naive.simulate_bg_nbd(rng, 0.8, 6.0, 0.9, 2.5, rng.uniform(20, 60, 150))
    frame = pd.DataFrame(rows, columns=["frequency", "recency", "T"]).assign(unit="W")
    frame["monetary_value"] = np.where(frame["frequency"] > 0, rng.gamma(3.0, 10.0, 150), 0.0)
    return frame.set_index(pd.Index(rng.permutation(150), name="customer"))


@pytest.fixture(scope="module")
def buying(table):
    return clv.fit_bg_nbd(table)


def test_predictions_stand_on_the_rows_of_the_table(table, buying):
    spend = clv.fit_gamma_gamma(table)
    for series in (
        clv.p_alive(buying, table),
        clv.expected_purchases(buying, table, horizon=4),
        clv.expected_spend(spend, table),
    ):
        assert series.index.equals(table.index)
        assert (series > 0).all()
    assert clv.p_alive(buying, table).name == "p_alive"


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_frames_get_their_own_kind_back(table, buying, kind):
    module = pytest.importorskip(kind)
    flat = table.reset_index()
    frame = module.from_pandas(flat) if kind == "polars" else module.Table.from_pandas(flat)
    found = clv.expected_purchases(buying, frame, horizon="26W")
    assert type(found) is type(frame)
    columns = found.columns if kind == "polars" else found.column_names
    assert list(columns) == ["customer", "expected_purchases"]
    assert np.asarray(found["expected_purchases"]).tolist() == clv.expected_purchases(buying, flat, horizon="26W").tolist()
    assert clv.fit_bg_nbd(frame).to_dict() == buying.to_dict()
    small = clv.compress(frame)
    assert type(small) is type(frame)
    assert clv.fit_bg_nbd(small, weight="weight").to_dict() == buying.to_dict()


@pytest.mark.parametrize("horizon", ["26W", "182D", 26, 26.0, np.int64(26), "4368h"])
def test_horizons_are_numbers_in_the_unit_of_the_model_or_durations(table, buying, horizon):
    expected = buying.expected_purchases(26.0, *(table[name] for name in ("frequency", "recency", "T")))
    assert clv.expected_purchases(buying, table, horizon=horizon).to_numpy() == approx(expected, rel=1e-15)


def test_a_new_customer_needs_no_table(buying):
    one = clv.expected_purchases(buying, horizon="1Y")
    assert isinstance(one, float)
    assert one == approx(buying.expected_purchases(365.25 / 7, 0, 0, 0), rel=1e-14)


def test_durations_need_a_unit(table):
    bare = clv.fit_bg_nbd(table.drop(columns="unit"))
    assert bare.unit is None
    assert clv.expected_purchases(bare, table, horizon=26).sum() > 0
    with raises(FitError, match="knows its unit of time"):
        clv.expected_purchases(bare, table, horizon="26W")


@pytest.mark.parametrize("horizon", ["6M", "soon", "W", "-3D", -1, True, np.nan, np.inf, None])
def test_horizons_that_are_no_length_of_time(table, buying, horizon):
    with raises(OptionError, match="horizon="):
        clv.expected_purchases(buying, table, horizon=horizon)


def test_a_model_says_what_it_cannot_do(table, buying):
    spend = clv.fit_gamma_gamma(table)
    with raises(FitError, match="GammaGamma has no p_alive; it has expected_spend"):
        clv.p_alive(spend, table)
    with raises(FitError, match="BgNbd has no expected_spend; it has p_alive, expected_purchases"):
        clv.expected_spend(buying, table)
    with raises(OptionError, match="expected a fitted model first"):
        clv.p_alive(table, buying)


def test_a_table_in_another_unit_is_refused(table, buying):
    with raises(DataError, match="says 'D', the model was fitted in 'W'"):
        clv.p_alive(buying, table.assign(unit="D"))


def test_neither_the_table_nor_its_order_is_changed(table, buying):
    before = table.copy(deep=True)
    clv.fit_bg_nbd(table)
    clv.expected_purchases(buying, table, horizon="4W")
    pd.testing.assert_frame_equal(table, before)
