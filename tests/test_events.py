"""The event log: what it keeps, in what order, what refunds do, and that the past does not know the future."""

import copy
import datetime as dt
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit as crm
import naive.events
from crmkit.errors import ColumnError, DataError, OptionError

DAY = pd.Timestamp("2024-03-01")

rows_of_events = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 6),
        st.sampled_from([-20.0, -10.0, -5.0, 0.0, 5.0, 10.0, 20.0]),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=25,
)


def frame_of(rows, *, with_orders):
    data = {
        "customer_id": [row[0] for row in rows],
        "timestamp": [DAY + pd.Timedelta(days=row[1]) for row in rows],
        "amount": [row[2] for row in rows],
    }
    return pd.DataFrame({**data, "order_id": [row[3] for row in rows]} if with_orders else data)


def purchases(log):
    """The log's orders as (customer -> [(days since DAY, amount)])."""
    start, out = log.orders.start, {}
    base = log.clock.moment(DAY)
    for code, customer in enumerate(log.labels.as_index()):
        part = slice(start[code], start[code + 1])
        days = (log.orders.time[part] - base) // log.clock.ticks_per_day
        out[customer] = list(zip(days.tolist(), log.orders.amount[part].tolist(), strict=True))
    return out


def same(first, second):
    """Two logs hold the same, to the bit."""
    assert list(first.labels.as_index()) == list(second.labels.as_index())
    for group, names in (
        ("lines", ("start", "time", "instant", "amount", "order", "item")),
        ("orders", ("start", "time", "instant", "amount")),
    ):
        for name in names:
            a, b = getattr(getattr(first, group), name), getattr(getattr(second, group), name)
            assert (a is None) == (b is None), name
            if a is not None:
                np.testing.assert_array_equal(a, b, err_msg=f"{group}.{name}")
    assert dict(first.dropped) == dict(second.dropped)


@given(rows_of_events)
@settings(max_examples=150, deadline=None)
def test_orders_and_refunds_follow_the_definition(rows):
    log = crm.events(frame_of(rows, with_orders=True), order="order_id", refunds="subtract")
    expected, short = naive.events.orders(rows)
    assert purchases(log) == expected
    assert log.dropped.get("amount of refunds that came off no purchase", 0.0) == pytest.approx(short)


@given(rows_of_events)
@settings(max_examples=150, deadline=None)
def test_without_order_ids_the_rows_of_one_moment_are_one_order(rows):
    log = crm.events(frame_of(rows, with_orders=False), refunds="subtract")
    expected, _ = naive.events.orders([(c, t, a, t) for c, t, a, _ in rows], named=False)
    assert purchases(log) == expected


@given(rows_of_events, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_order_of_the_rows_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    one, two = (crm.events(frame_of(r, with_orders=True), order="order_id", refunds="subtract") for r in (rows, shuffled))
    np.testing.assert_array_equal(one.orders.time, two.orders.time)
    np.testing.assert_allclose(one.orders.amount, two.orders.amount)


@given(rows_of_events, st.integers(1, 6))
@settings(max_examples=80, deadline=None)
def test_the_past_is_the_log_of_the_rows_before(rows, day):
    before = [row for row in rows if row[1] < day]
    cut = DAY + pd.Timedelta(days=day)
    log = crm.events(frame_of(rows, with_orders=True), order="order_id", refunds="subtract")
    if not before:
        with pytest.raises(DataError, match="no event lies before"):
            log.until(cut)
        return
    same(log.until(cut), crm.events(frame_of(before, with_orders=True), order="order_id", refunds="subtract"))


@given(rows_of_events, rows_of_events)
@settings(max_examples=80, deadline=None)
def test_appending_equals_encoding_everything_again(old, new):
    first, second = frame_of(old, with_orders=True), frame_of(new, with_orders=True)
    whole = crm.events(pd.concat([first, second], ignore_index=True), order="order_id", refunds="subtract")
    same(crm.events(first, order="order_id", refunds="subtract").append(second), whole)


def test_appending_across_units_and_item_ids():
    old = pd.DataFrame(
        {"customer_id": [2, 1], "timestamp": pd.to_datetime(["2024-01-02", "2024-01-01"]).as_unit("s"), "amount": 1.0}
    )
    old["item_id"] = ["x", "y"]
    new = pd.DataFrame(
        {
            "customer_id": [3, 1],
            "timestamp": pd.DatetimeIndex([pd.Timestamp("2024-01-03"), pd.Timestamp("2024-01-01 12:00:00.5")]).as_unit("ns"),
            "amount": 2.0,
        }
    )
    new["item_id"] = ["a", "y"]
    same(crm.events(old).append(new), crm.events(pd.concat([old.assign(timestamp=old["timestamp"].dt.as_unit("ns")), new])))


def test_appending_another_zone_or_id_type_is_refused():
    log = crm.events(pd.DataFrame({"customer_id": [1], "timestamp": [DAY], "amount": [1.0]}))
    with pytest.raises(DataError, match="zone"):
        log.append(pd.DataFrame({"customer_id": [1], "timestamp": [DAY.tz_localize("UTC")], "amount": [1.0]}))
    with pytest.raises(DataError, match="ids are"):
        log.append(pd.DataFrame({"customer_id": ["1"], "timestamp": [DAY], "amount": [1.0]}))


def test_a_later_refund_is_unknown_to_the_past():
    frame = pd.DataFrame({"customer_id": 1, "timestamp": [DAY, DAY + pd.Timedelta(days=5)], "amount": [30.0, -30.0]})
    log = crm.events(frame, refunds="subtract")
    assert log.orders.amount.size == 0
    assert log.until("2024-03-06").orders.amount.tolist() == [30.0]


def test_a_moment_belongs_to_what_follows_it():
    frame = pd.DataFrame({"customer_id": 1, "timestamp": [DAY, DAY + pd.Timedelta(days=1)], "amount": [1.0, 2.0]})
    log = crm.events(frame)
    assert log.until("2024-03-02").orders.amount.tolist() == [1.0]
    assert log.between("2024-03-02", "2024-03-03").orders.amount.tolist() == [2.0]
    with pytest.raises(OptionError, match="not before"):
        log.between("2024-03-03", "2024-03-03")


def test_a_refund_of_an_order_before_a_window_takes_nothing_off_those_in_it():
    rows = [("A", "2024-01-10", 50.0), ("B", "2024-02-05", 40.0), ("A", "2024-02-06", -50.0), ("B", "2024-02-07", -10.0)]
    frame = pd.DataFrame(rows, columns=["order", "timestamp", "amount"]).assign(customer_id=1)
    frame["timestamp"] = pd.to_datetime(frame["timestamp"])
    log = crm.events(frame, order="order", refunds="subtract")
    assert log.between("2024-02-01", "2024-03-01").orders.amount.tolist() == [30.0]
    assert log.between("2024-01-01", "2024-03-01").orders.amount.tolist() == [30.0]


def test_a_refund_that_names_its_order_goes_no_further():
    frame = pd.DataFrame(
        {"customer_id": 1, "timestamp": pd.date_range(DAY, periods=3), "amount": [100.0, 30.0, -50.0], "order_id": [1, 2, 2]}
    )
    log = crm.events(frame, order="order_id", refunds="subtract")
    assert log.orders.amount.tolist() == [100.0]
    assert log.dropped["amount of refunds that came off no purchase"] == 20.0
    # without ids it is taken from the latest purchases, one after another
    assert crm.events(frame, refunds="subtract").orders.amount.tolist() == [80.0]


def test_cents_that_cancel_leave_no_purchase():
    frame = pd.DataFrame({"customer_id": 1, "timestamp": [DAY] * 4, "amount": [0.1, 0.2, -0.3, 0.0], "order_id": [1, 1, 1, 2]})
    log = crm.events(frame, order="order_id", refunds="subtract")
    assert log.orders.amount.tolist() == [0.0]  # the free order stands, the refunded one does not
    assert log.dropped["orders refunded in full"] == 1


def test_refunds_are_refused_by_default_with_their_place():
    frame = pd.DataFrame({"customer_id": 1, "timestamp": [DAY] * 3, "amount": [1.0, -2.0, -3.0]})
    with pytest.raises(DataError, match=r"'amount'.*2 negative.*row 1 \(-2\).*refunds="):
        crm.events(frame)
    log = crm.events(frame, refunds="drop")
    assert log.orders.amount.tolist() == [1.0]
    assert dict(log.dropped) == {"refund rows dropped": 2}


def test_an_order_id_of_two_customers_makes_two_orders_and_is_reported():
    frame = pd.DataFrame(
        {"customer_id": ["a", "b", "a"], "timestamp": [DAY] * 3, "amount": [1.0, 2.0, 4.0], "order_id": [7, 7, 7]}
    )
    log = crm.events(frame, order="order_id")
    assert purchases(log) == {"a": [(0, 5.0)], "b": [(0, 2.0)]}
    assert log.dropped["order ids used by several customers, kept apart"] == 1


def test_missing_ids_are_refused_or_dropped_with_their_count():
    frame = pd.DataFrame(
        {"customer_id": ["a", None, "b", None], "timestamp": [DAY, pd.NaT, DAY, DAY], "amount": [1.0, np.nan, 2.0, -5.0]}
    )
    with pytest.raises(DataError, match=r"'customer_id': 2 missing ids, the first in row 1.*missing=\"drop\""):
        crm.events(frame)
    log = crm.events(frame, missing="drop")  # what a dropped row holds does not matter
    assert log.orders.amount.tolist() == [1.0, 2.0]
    assert dict(log.dropped) == {"rows without an id": 2}
    with pytest.raises(DataError, match="no row is left"):
        crm.events(frame.iloc[[1, 3]], missing="drop")


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", "Asia/Kolkata"])
def test_days_follow_the_wall_clock_of_the_zone(zone):
    utc = pd.to_datetime(["2024-03-30 23:30", "2024-03-31 22:30"]).tz_localize("UTC")
    frame = pd.DataFrame({"customer_id": 1, "timestamp": utc.tz_convert(zone), "amount": 1.0})
    log = crm.events(frame)
    local = frame["timestamp"].dt.tz_localize(None)
    days = (log.orders.time // log.clock.ticks_per_day).tolist()
    assert days == [(day - dt.date(1970, 1, 1)).days for day in local.dt.date]
    assert np.diff(log.orders.instant)[0] / log.clock.ticks_per_day == pytest.approx(23 / 24)
    assert log.span.end == frame["timestamp"].iloc[1]


def test_the_hour_that_occurs_twice_keeps_its_order():
    utc = pd.to_datetime(["2024-10-27 00:45", "2024-10-27 01:15"]).tz_localize("UTC")  # 02:45, then 02:15 on the clock
    frame = pd.DataFrame({"customer_id": 1, "timestamp": utc.tz_convert("Europe/Paris"), "amount": [1.0, 2.0]})
    assert crm.events(frame.iloc[::-1]).orders.amount.tolist() == [1.0, 2.0]


def test_moments_with_and_without_a_zone_do_not_mix():
    log = crm.events(pd.DataFrame({"customer_id": 1, "timestamp": [DAY, DAY + pd.Timedelta(days=1)], "amount": 1.0}))
    with pytest.raises(OptionError, match="has a time zone"):
        log.until(pd.Timestamp("2024-03-02", tz="UTC"))
    aware = crm.events(
        pd.DataFrame({"customer_id": 1, "timestamp": pd.date_range(DAY, periods=2, tz="Asia/Tokyo"), "amount": 1.0})
    )
    assert len(aware.until("2024-03-02")) == len(aware.until(pd.Timestamp("2024-03-01 15:00", tz="UTC"))) == 1


@pytest.mark.parametrize("bad", [5, "yesterday", None, pd.NaT, True], ids=str)
def test_a_cut_that_is_no_date_is_refused(bad):
    log = crm.events(pd.DataFrame({"customer_id": 1, "timestamp": [DAY], "amount": [1.0]}))
    with pytest.raises(OptionError, match="when="):
        log.until(bad)


def test_baskets_need_neither_time_nor_amount():
    log = crm.events(
        pd.DataFrame({"basket": [1, 1, 2], "item": ["a", "b", "a"]}), customer="basket", item="item", time=None, amount=None
    )
    assert log.orders.start.tolist() == [0, 1, 2]
    assert log.lines.item.tolist() == [0, 1, 0]
    with pytest.raises(ColumnError, match="no time"):
        _ = log.span


def test_ids_come_back_with_the_type_they_had():
    times = pd.Series([DAY, DAY])
    for ids in (
        pd.Series([7, 3], dtype="int8"),
        pd.Series([2**63, 1], dtype="uint64"),
        pd.Series([-5, 10**15]),
        pd.Series(["ä", "b"]),
        pd.Series(["b", "a"], dtype=pd.ArrowDtype(pa.string())),
        pd.Series([3, 1], dtype="Int32"),
        pd.Series(pd.Categorical(["y", "x"], categories=["y", "unused", "x"])),
        pd.Series([dt.date(2024, 1, 1), dt.date(2023, 1, 1)]),
        pd.Series(pd.to_datetime(["2024-01-01", "2023-01-01"])),
        pd.Series([(1, "a"), (0, "b")]),
        pd.Series([1.5, -2.5]),
        pd.Series([True, False]),
        pd.Series(["x", 1], dtype=object),
    ):
        log = crm.events(pd.DataFrame({"customer_id": ids, "timestamp": times, "amount": 1.0}))
        assert log.customers.dtype == ids.dtype
        assert set(log.customers) == set(ids)
        if not isinstance(ids.dtype, pd.CategoricalDtype) and ids.iloc[0] != "x":
            assert list(log.customers) == sorted(ids)


def test_every_kind_of_frame_gives_the_same_log():
    frame = pd.DataFrame({"customer_id": ["b", "a", "b"], "timestamp": pd.date_range(DAY, periods=3), "amount": [1.0, 2.0, 3.0]})
    expected = crm.events(frame)
    for other in (
        pl.from_pandas(frame),
        pa.Table.from_pandas(frame),
        frame.convert_dtypes(dtype_backend="pyarrow"),
        frame.convert_dtypes(),
    ):
        log = crm.events(other)
        assert [str(c) for c in log.labels.as_index()] == ["a", "b"]
        np.testing.assert_array_equal(log.orders.amount, expected.orders.amount)
        np.testing.assert_array_equal(log.orders.time, expected.orders.time)
    with pytest.raises(DataError, match="lazy"):
        crm.events(pl.from_pandas(frame).lazy())
    with pytest.raises(DataError, match="expected a pandas"):
        crm.events([1, 2, 3])


def test_large_logs_take_the_threaded_roads_and_agree_with_pandas(monkeypatch, many):
    rng = np.random.default_rng(5)
    n = 3 * many
    frame = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 10**12, n // 8)[rng.integers(0, n // 8, n)],
            "timestamp": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**6, n), unit="s"),
            "amount": rng.integers(1, 1000, n).astype(float),
        }
    )
    texts = frame.assign(
        customer_id=pd.array(frame["customer_id"].astype(str) + "@example.org", dtype=pd.ArrowDtype(pa.string()))
    )
    for part in (frame, texts):
        grouped = part.groupby(["customer_id", "timestamp"], sort=True)["amount"].sum()
        logs = {}
        for threads in ("1", "2"):
            monkeypatch.setenv("CRMKIT_NUM_THREADS", threads)
            logs[threads] = crm.events(part)
        same(logs["1"], logs["2"])
        np.testing.assert_array_equal(logs["1"].orders.amount, grouped.to_numpy())
        assert list(logs["1"].customers) == list(grouped.index.get_level_values(0).unique())


def test_a_log_shows_itself_without_naming_anyone():
    log = crm.events(pd.DataFrame({"customer_id": ["secret"], "timestamp": [DAY], "amount": [1.0]}))
    assert "secret" not in repr(log)
    assert repr(log).startswith("EventLog: 1 events, 1 purchases, 1 customers")


def test_a_log_knows_its_columns():
    log = crm.events(pd.DataFrame({"customer_id": [1], "timestamp": [DAY], "amount": [1.0]}))
    with pytest.raises(OptionError, match="knows its columns"):
        crm.rfm.summarize(log, customer="customer_id")
    with pytest.raises(ColumnError, match="no amount"):
        crm.rfm.summarize(crm.events(pd.DataFrame({"customer_id": [1], "timestamp": [DAY]}), amount=None))


# ── what a log must survive ──────────────────────────────────────────────────────────────────────────────────────────────


def test_appending_keeps_what_is_unknown_unknown():
    frame = pd.DataFrame(
        {"customer_id": [1, 2], "timestamp": [DAY, DAY], "amount": 1.0, "kind": [None, "web"]},
    )
    log = crm.events(frame, kind="kind", missing="drop").append(frame.assign(kind=["shop", None]))
    assert [None if code < 0 else log.kinds.as_index()[code] for code in log.lines.kind] == [None, "shop", "web", None]
    unknown = crm.events(frame.assign(kind=pd.Series([None, None], dtype=frame["kind"].dtype)), kind="kind", missing="drop")
    assert unknown.append(frame).lines.kind.tolist() == [-1, -1, -1, 0]


@pytest.mark.parametrize("refunds", ["subtract", "drop"])
@pytest.mark.parametrize("order", ["order_id", None])
def test_appending_equals_encoding_again_whatever_is_left_out(refunds, order):
    rng = np.random.default_rng(11)

    def some(n):
        gaps = {name: rng.integers(0, 4, n) for name in ("customer_id", "order_id", "item_id", "kind")}
        columns = {name: pd.array(codes, dtype="Int64") for name, codes in gaps.items()}
        for column in columns.values():
            column[rng.random(n) < 0.15] = pd.NA
        amount = rng.choice([-10.0, -5.0, 0.0, 5.0, 20.0], n)
        return pd.DataFrame({**columns, "timestamp": DAY + pd.to_timedelta(rng.integers(0, 4, n), unit="D"), "amount": amount})

    options = {"refunds": refunds, "missing": "drop", "order": order, "kind": "kind"}
    for _ in range(25):
        first, second = some(8), some(4)
        try:
            log, whole = crm.events(first, **options), crm.events(pd.concat([first, second], ignore_index=True), **options)
        except DataError:
            continue  # nothing left
        appended = log.append(second)
        same(appended, whole)
        for name in ("items", "kinds", "order_labels"):
            labels = [getattr(each, name) for each in (appended, whole)]
            assert labels[0] is labels[1] is None or list(labels[0].as_index()) == list(labels[1].as_index())
        np.testing.assert_array_equal(appended.lines.kind, whole.lines.kind)


def test_appending_nothing_but_rows_without_ids_counts_them():
    frame = pd.DataFrame({"customer_id": ["a", None], "timestamp": [DAY, pd.NaT], "amount": [1.0, np.nan]})
    log = crm.events(frame, missing="drop").append(frame.iloc[[1]])
    assert log.dropped["rows without an id"] == 2
    assert len(log) == 1


def test_dropped_refunds_take_their_items_with_them_and_stay_counted():
    frame = pd.DataFrame(
        {"customer_id": 1, "timestamp": pd.date_range(DAY, periods=3), "amount": [1.0, -1.0, 2.0], "item_id": ["x", "only", "y"]}
    )
    log = crm.events(frame, refunds="drop")
    assert list(log.items.as_index()) == ["x", "y"]
    assert log.until("2024-03-03").dropped == {"refund rows dropped": 1}
    assert log.append(frame).dropped == {"refund rows dropped": 2}


def test_a_refused_refund_is_placed_in_the_new_frame():
    frame = pd.DataFrame({"customer_id": 1, "timestamp": pd.date_range(DAY, periods=3), "amount": [1.0, 2.0, 3.0]})
    with pytest.raises(DataError, match=r"1 negative, the first in row 1 \(-5\)"):
        crm.events(frame).append(frame.assign(amount=[1.0, -5.0, 3.0]))


def test_a_unit_that_cannot_count_to_a_time_is_refused():
    far = pd.DataFrame({"customer_id": [1], "timestamp": pd.DatetimeIndex(np.array(["0900-01-01"], "M8[s]")), "amount": [1.0]})
    near = far.assign(timestamp=pd.DatetimeIndex(["2024-01-01"]).as_unit("ns"))
    for log, new in ((far, near), (near, far)):
        with pytest.raises(DataError, match="ns cannot count to"):
            crm.events(log).append(new)
    assert len(crm.events(far).append(near.assign(timestamp=near["timestamp"].dt.as_unit("s")))) == 2


def test_amounts_whose_sum_is_infinite_are_refused():
    frame = pd.DataFrame({"customer_id": 1, "timestamp": DAY, "amount": [1e308, 1e308]})
    with pytest.raises(DataError, match=r"'amount'.*1e\+308 add up"):
        crm.events(frame)
    assert crm.events(frame.iloc[:1]).orders.amount.tolist() == [1e308]


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_a_log_travels_and_stays_what_it_is(zone):
    frame = pd.DataFrame({"customer_id": ["a", "b", "a"], "timestamp": pd.date_range(DAY, periods=3, tz=zone), "amount": 1.0})
    log = crm.events(frame)
    other = pickle.loads(pickle.dumps(log))
    same(other, log)
    assert repr(other) == repr(log)
    assert (other.lines.time is other.lines.instant) == (zone is None)
    assert not any(array.flags.writeable for array in (other.lines.time, other.lines.amount, other.orders.start))
    assert other.columns == log.columns
    assert copy.deepcopy(log) is log
    same(other.append(frame), log.append(frame))


def test_whole_numbers_of_another_width_and_text_in_objects_are_appended():
    frame = pd.DataFrame({"customer_id": np.array([1, 300]), "timestamp": [DAY, DAY], "amount": 1.0})
    narrow = frame.assign(customer_id=np.array([2, 1], dtype="int8"))
    log = crm.events(narrow).append(frame)
    assert list(log.customers) == [1, 2, 300]
    assert log.customers.dtype == np.int64
    text = frame.assign(customer_id=pd.Series(["b", "a"], dtype=object))
    stored = frame.assign(customer_id=pd.Series(["c", "a"], dtype="string[python]"))
    assert list(crm.events(text).append(stored).customers) == ["a", "b", "c"]


@pytest.mark.parametrize("when", ["now", "today", "10:30", "March", "06/07/2024", "2024Q2", ""])
def test_a_cut_that_could_mean_two_things_is_refused(when):
    log = crm.events(pd.DataFrame({"customer_id": 1, "timestamp": [DAY], "amount": [1.0]}))
    with pytest.raises(OptionError, match="ISO 8601"):
        log.until(when)


def test_a_cut_at_the_end_of_time():
    for unit, known in (("s", True), ("us", True), ("ns", False)):
        times = pd.DatetimeIndex(["2024-03-01"]).as_unit(unit)
        log = crm.events(pd.DataFrame({"customer_id": 1, "timestamp": times, "amount": [1.0]}))
        if known:
            assert len(log.until("9999-12-31")) == 1
            with pytest.raises(DataError, match="no event"):
                log.until("0001-01-01")
        else:
            with pytest.raises(OptionError, match="the log counts time in ns, from 1677"):
                log.until("9999-12-31")
    aware = crm.events(pd.DataFrame({"customer_id": 1, "timestamp": times.tz_localize("Asia/Tokyo"), "amount": [1.0]}))
    with pytest.raises(OptionError):
        aware.until(pd.Timestamp.min)


def test_skipped_and_repeated_hours_as_cuts():
    utc = pd.date_range("2024-10-26 23:00", periods=4, freq="h", tz="UTC")  # 01:00, 02:00, 02:00 again, 03:00 in Paris
    log = crm.events(pd.DataFrame({"customer_id": 1, "timestamp": utc.tz_convert("Europe/Paris"), "amount": 1.0}))
    assert [len(log.until(f"2024-10-27 0{hour}:30")) for hour in (1, 2, 3)] == [1, 2, 4]
    utc = pd.date_range("2024-03-31 00:00", periods=2, freq="h", tz="UTC")  # 01:00, 03:00 in Paris
    log = crm.events(pd.DataFrame({"customer_id": 1, "timestamp": utc.tz_convert("Europe/Paris"), "amount": 1.0}))
    assert len(log.until("2024-03-31 02:30")) == 1
