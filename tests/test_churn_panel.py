"""The panel against the definition, order by order; nothing after a cutoff can be seen from before it."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from crmkit import churn, rfm
from crmkit._events import events
from crmkit.errors import ColumnError, DataError, OptionError
from naive import panel as naive

WINDOWS = ("30D", "90D", "36h")


def random_orders(seed, *, n=160, customers=12, zone=None, grain="h"):
    """Orders with many ties, some of them on the hour of a cutoff or a change of clocks."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2024-01-01")
    hours = rng.integers(0, 300 * 24, n) if grain == "h" else 24 * rng.integers(0, 300, n)
    time = pd.Series(start + pd.to_timedelta(hours, unit="h"))
    time.iloc[:6] = pd.to_datetime(
        ["2024-03-31 00:00", "2024-06-29 00:00", "2024-03-01 00:00", "2024-10-27 00:00", "2024-03-30 12:00", "2024-10-28 00:00"]
    )
    if zone is not None:
        time = time.dt.tz_localize("UTC").dt.tz_convert(zone)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{k}" for k in rng.integers(0, customers, n)],
            "timestamp": time,
            "amount": rng.integers(0, 50, n) / 4,
        }
    )
    # rows of a customer at one moment are one order
    return frame.groupby(["customer_id", "timestamp"], as_index=False)["amount"].sum()


def expected(orders, cutoffs, horizon, windows):
    zone = orders["timestamp"].dt.tz
    moments = [pd.Timestamp(cutoff) for cutoff in cutoffs]
    moments = [m.tz_localize(zone) if zone is not None and m.tz is None else m for m in moments]
    rows = naive.panel(orders, moments, None if horizon is None else pd.Timedelta(horizon), windows)
    return pd.DataFrame(rows).set_index(["customer_id", "cutoff"])


# ── the definition ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("zone", [None, "Europe/London", "America/New_York"])
@pytest.mark.parametrize("seed", range(3))
def test_the_panel_is_what_looking_at_every_order_gives(seed, zone):
    orders = random_orders(seed, zone=zone)
    cutoffs = ["2024-06-29", "2024-03-31", "2024-03-01 00:00", "2024-07-15 13:30"]
    found = churn.panel(orders, cutoffs=cutoffs, horizon="90D", windows=WINDOWS)
    wanted = expected(orders, cutoffs, "90D", WINDOWS)
    assert found.index.equals(wanted.index)
    assert_frame_equal(found, wanted, rtol=1e-13, check_exact=False)


@pytest.mark.parametrize("horizon", ["90D", "36h", None])
def test_label_windows_cross_a_change_of_clocks_by_the_date(horizon):
    orders = random_orders(7, zone="Europe/London", n=400)
    cutoffs = ["2024-03-30", "2024-03-30 12:00"]
    windows = ("30D", "1D", "25h", "1h")
    found = churn.panel(orders, cutoffs=cutoffs, horizon=horizon, windows=windows)
    assert_frame_equal(found, expected(orders, cutoffs, horizon, windows), rtol=1e-13)


def test_cutoffs_in_the_hour_that_the_clock_goes_through_twice():
    utc = pd.to_datetime(["2024-09-27 00:20", "2024-09-27 00:40", "2024-10-27 00:15", "2024-10-27 01:00", "2024-12-01 00:00"])
    orders = pd.DataFrame(
        {"customer_id": "a", "timestamp": utc.tz_localize("UTC").tz_convert("Europe/London"), "amount": [1.0, 2, 4, 8, 16]}
    )
    # 01:50 by summer time, then 01:10 by winter time: thirty days before, the second is the earlier one
    cutoffs = [pd.Timestamp(t, tz="UTC").tz_convert("Europe/London") for t in ("2024-10-27 00:50", "2024-10-27 01:10")]
    found = churn.panel(orders, cutoffs=cutoffs, horizon="7D", windows=("30D",))
    assert found["amount_30d"].tolist() == [4.0, 15.0]
    assert_frame_equal(found, expected(orders, cutoffs, "7D", ("30D",)), rtol=1e-13)


def test_an_event_exactly_at_the_cutoff_counts_in_the_label_only():
    at = pd.Timestamp("2024-03-01")
    orders = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "c", "end"],
            "timestamp": [at - pd.Timedelta(days=1), at, at, at - pd.Timedelta("1us"), at + pd.Timedelta(days=40)],
            "amount": [10.0, 44.0, 5.0, 3.0, 1.0],
        }
    )
    found = churn.panel(orders, cutoffs=[at], horizon="30D").droplevel("cutoff")
    assert found.index.tolist() == ["a", "c"]
    assert found["amount_total"].tolist() == [10.0, 3.0]
    assert found["churned"].tolist() == [False, True]


def test_an_event_exactly_at_the_end_of_the_window_is_outside_it():
    at = pd.Timestamp("2024-03-01")
    orders = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "b"],
            "timestamp": [at - pd.Timedelta(days=30), at + pd.Timedelta(days=30), at - pd.Timedelta("30D1us"), at],
            "amount": 1.0,
        }
    )
    found = churn.panel(orders, cutoffs=[at], horizon="30D", windows=("30D",)).droplevel("cutoff")
    assert found["churned"].to_dict() == {"a": True, "b": False}
    assert found["orders_30d"].to_dict() == {"a": 1, "b": 0}


def test_cdnow_at_one_cutoff(cdnow_sample):
    orders = cdnow_sample
    found = churn.panel(orders, cutoffs=["1998-01-01"], horizon="180D")
    merged = orders.groupby(["customer_id", "timestamp"], as_index=False)["amount"].sum()
    past, later = merged[merged.timestamp < "1998-01-01"], merged[merged.timestamp >= "1998-01-01"]
    later = later[later.timestamp < pd.Timestamp("1998-01-01") + pd.Timedelta(days=180)]
    by_customer = past.groupby("customer_id")
    assert len(found) == 2357
    found = found.droplevel("cutoff")
    assert (found["churned"] == ~found.index.isin(later["customer_id"])).all()
    assert (found["orders_total"] == by_customer.size()).all()
    np.testing.assert_allclose(found["amount_total"], by_customer["amount"].sum(), rtol=1e-12)
    last_90 = past[past.timestamp >= pd.Timestamp("1998-01-01") - pd.Timedelta(days=90)].groupby("customer_id").size()
    assert (found["orders_90d"] == last_90.reindex(found.index, fill_value=0)).all()
    assert (found["recency_days"] == (pd.Timestamp("1998-01-01") - by_customer["timestamp"].max()).dt.days).all()


def test_on_whole_days_the_totals_are_those_of_rfm():
    orders = random_orders(3, grain="D")
    log = events(orders)
    found = churn.panel(log, cutoffs=["2024-05-01"], horizon=None).droplevel("cutoff")
    summary = rfm.summarize(log.until("2024-05-01"), as_of="2024-05-01")
    assert found.index.equals(summary.index)
    assert (found["recency_days"] == summary["recency_days"]).all()
    assert (found["orders_total"] == summary["frequency"]).all()
    assert (found["amount_total"] == summary["monetary"]).all()


def test_a_single_purchase_is_not_overdue_and_nothing_is_missing():
    orders = pd.DataFrame(
        {
            "customer_id": ["one", "same", "same"],
            "timestamp": pd.to_datetime(["2024-01-01 03:00", "2024-01-02 10:00", "2024-01-02 10:00"]),
            "amount": [1.0, 2.0, 3.0],
            "order": ["o1", "o2", "o3"],
        }
    )
    found = churn.panel(orders, order="order", cutoffs=["2024-01-02 10:30"], horizon=None).droplevel("cutoff")
    assert found.loc["one", "overdue_ratio"] == 1.0
    assert found.loc["same", "overdue_ratio"] == 2.0
    assert found["orders_total"].tolist() == [1, 2]
    assert np.isfinite(found.to_numpy(dtype=float)).all()


# ── nothing leaks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def assert_no_leak(log, cutoffs):
    together = churn.panel(log, cutoffs=cutoffs, horizon=None)
    for cutoff in cutoffs:
        alone = churn.panel(log, cutoffs=[cutoff], horizon=None)
        past = churn.panel(log.until(cutoff), cutoffs=[cutoff], horizon=None)
        assert_frame_equal(alone, past, check_exact=True)
        moment = alone.index.get_level_values("cutoff")[0]
        slice_ = together[together.index.get_level_values("cutoff") == moment]
        assert slice_.equals(alone)


@pytest.mark.parametrize("zone", [None, "Europe/London"])
@pytest.mark.parametrize("seed", range(3))
def test_deleting_the_future_changes_no_feature(seed, zone):
    assert_no_leak(events(random_orders(seed, zone=zone)), ["2024-03-31", "2024-06-29 07:00", "2024-09-01"])


@pytest.mark.parametrize("zone", [None, "Europe/London"])
@pytest.mark.parametrize("seed", range(3))
def test_deleting_the_future_changes_no_feature_where_refunds_and_split_orders_look_back(seed, zone):
    orders = random_orders(seed, zone=zone)
    rng = np.random.default_rng(seed)
    orders["order"] = np.arange(len(orders))
    back = orders.sample(40, random_state=seed)
    refunds = back.assign(
        amount=-back["amount"] * rng.choice([0.5, 1.0, 2.0], len(back)),
        timestamp=back["timestamp"] + pd.to_timedelta(rng.integers(1, 60, len(back)), unit="D"),
    )
    more = orders.sample(20, random_state=seed + 1)
    more = more.assign(timestamp=more["timestamp"] + pd.Timedelta(days=20), amount=9.0)
    for rows in ([orders, refunds], [orders, more], [orders, refunds, more]):
        log = events(pd.concat(rows), order="order", refunds="subtract")
        assert_no_leak(log, ["2024-03-31", "2024-06-29 07:00", "2024-09-01"])


def test_deleting_the_future_changes_no_feature_on_real_invoices(data_file):
    raw = pd.read_parquet(data_file("online_retail_ii_invoices.parquet"))
    some = raw[raw["customer_id"] % 8 == 0]
    log = events(some.assign(amount=some["gross"] - some["refund"].abs()), refunds="subtract")
    assert log.dropped["refund rows subtracted"] > 500
    assert_no_leak(log, ["2010-06-01", "2011-01-01", "2011-09-10"])


def test_a_refund_after_the_cutoff_is_not_known_to_the_features_and_one_after_the_window_not_to_the_label():
    orders = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "b", "c", "c", "c", "end"],
            "timestamp": pd.to_datetime(
                ["2024-01-10", "2024-02-10", "2024-01-10", "2024-01-20", "2024-01-10", "2024-02-05", "2024-05-05", "2024-06-01"]
            ),
            "amount": [10.0, -10.0, 10.0, -10.0, 7.0, 8.0, -8.0, 1.0],
        }
    )
    found = churn.panel(orders, refunds="subtract", cutoffs=["2024-02-01"], horizon="60D").droplevel("cutoff")
    # a's purchase still stood; b's had been taken back; c bought in the window, whatever came of it later
    assert found["amount_total"].to_dict() == {"a": 10.0, "c": 7.0}
    assert found["churned"].to_dict() == {"a": True, "c": False}


def test_labels_do_not_change_as_the_log_grows():
    orders = random_orders(5)
    refunds = orders.sample(40, random_state=1)
    refunds = refunds.assign(amount=-refunds["amount"], timestamp=refunds["timestamp"] + pd.Timedelta(days=25))
    log = events(pd.concat([orders, refunds]), refunds="subtract")
    now = churn.panel(log, cutoffs=["2024-04-01"], horizon="60D")
    then = churn.panel(log.until("2024-06-01"), cutoffs=["2024-04-01"], horizon="60D")
    assert_frame_equal(now, then, check_exact=True)


# ── what must be refused ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_label_window_that_outlasts_the_log_is_refused():
    orders = random_orders(0)  # the last event is on some day of October
    last_day = orders["timestamp"].max().normalize()
    fits = last_day + pd.Timedelta(days=1) - pd.Timedelta(days=90)
    churn.panel(orders, cutoffs=[fits], horizon="90D")
    with pytest.raises(DataError, match=r"cutoff 2024-.*label window of 90D ends.*the log ends 2024.*horizon=None"):
        churn.panel(orders, cutoffs=[fits + pd.Timedelta(hours=1)], horizon="90D")
    with pytest.raises(DataError, match="2 cutoffs are affected"):
        churn.panel(orders, cutoffs=["2024-02-01", "2024-10-01", "2024-10-02"], horizon="90D")


def test_a_cutoff_with_no_purchase_before_it_is_refused():
    with pytest.raises(DataError, match=r"no purchase lies before cutoff 2023-01-01.*later cutoffs"):
        churn.panel(random_orders(0), cutoffs=["2024-06-01", "2023-01-01"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cutoffs": []}, "cutoffs is empty"),
        ({"cutoffs": ["2024-06-01", pd.Timestamp("2024-06-01")]}, "one moment twice"),
        ({"cutoffs": [20240601]}, "is a number"),
        ({"cutoffs": ["soon"]}, "not a date"),
        ({"horizon": 90}, "not a length of time"),
        ({"horizon": "90"}, "not a length of time"),
        ({"horizon": "-3D"}, "not a length of time"),
        ({"horizon": "3M"}, "months differ"),
        ({"windows": ("30D", "30 D")}, "one length twice"),
        ({"windows": (30,)}, "not a length of time"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options, words):
    with pytest.raises(OptionError, match=words):
        churn.panel(random_orders(0), **{"cutoffs": ["2024-06-01"], **options})


def test_a_log_needs_times_and_a_name_of_its_own_for_the_customer():
    orders = random_orders(0)
    with pytest.raises(ColumnError, match="no time"):
        churn.panel(orders, time=None, cutoffs=["2024-06-01"])
    with pytest.raises(OptionError, match="rename it"):
        churn.panel(orders.rename(columns={"customer_id": "churned"}), customer="churned", cutoffs=["2024-06-01"])


# ── what must not matter ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_threads_and_the_order_of_rows_change_nothing(monkeypatch):
    monkeypatch.setattr("crmkit.churn._panel.CUSTOMERS", 3)
    orders = random_orders(2)
    monkeypatch.setenv("CRMKIT_NUM_THREADS", "1")
    one = churn.panel(orders, cutoffs=["2024-03-31", "2024-06-29"])
    monkeypatch.setenv("CRMKIT_NUM_THREADS", "2")
    two = churn.panel(orders.sample(frac=1.0, random_state=0), cutoffs=["2024-06-29", "2024-03-31"])
    assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize("zone", [None, "Europe/London"])
@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_frames_carry_both_keys_first(kind, zone):
    orders = random_orders(1, zone=zone)
    if kind == "polars":
        native = pytest.importorskip("polars").from_pandas(orders)
    else:
        native = pytest.importorskip("pyarrow").Table.from_pandas(orders)
    wanted = churn.panel(orders, cutoffs=["2024-03-31", "2024-06-29"])
    found = churn.panel(native, cutoffs=["2024-03-31", "2024-06-29"])
    assert type(found) is type(native)
    back = found.to_pandas()
    assert back.columns.tolist() == ["customer_id", "cutoff", *wanted.columns]
    assert_frame_equal(back.set_index(["customer_id", "cutoff"]), wanted, check_dtype=False, check_index_type=False)


def test_the_id_keeps_its_type_and_a_log_without_amounts_has_none():
    orders = random_orders(1)
    orders["customer_id"] = pd.Categorical(orders["customer_id"], categories=[f"c{k}" for k in range(30)])
    found = churn.panel(orders, amount=None, cutoffs="2024-06-29")
    assert found.index.levels[0].dtype == "category"
    assert not [column for column in found.columns if column.startswith("amount")]
    last = str(orders["timestamp"].max())
    assert found.attrs == {"horizon": "90D", "log_end": last, "eligible": "ever bought before the cutoff"}


def test_one_order_is_enough_for_features_and_all_may_have_churned():
    orders = pd.DataFrame({"customer_id": [7], "timestamp": [pd.Timestamp("2024-01-01")], "amount": [5.0]})
    assert len(churn.panel(orders, cutoffs=["2024-01-02"], horizon=None)) == 1
    two = pd.concat([orders, orders.assign(customer_id=8, timestamp=pd.Timestamp("2024-06-01"))])
    assert churn.panel(two, cutoffs=["2024-01-02"])["churned"].all()


def test_the_labels_are_those_that_polars_finds():
    pl = pytest.importorskip("polars")
    orders = random_orders(4, n=800, customers=60)
    cutoffs = [pd.Timestamp(f"2024-0{month}-01") for month in (3, 4, 5, 6)]
    found = churn.panel(orders, cutoffs=cutoffs, horizon="90D")["churned"]
    frame, time = pl.from_pandas(orders), pl.col("timestamp")
    for cutoff in cutoffs:
        here = pl.lit(cutoff.to_pydatetime())
        known = frame.filter(time < here).select(pl.col("customer_id").unique())
        back = frame.filter((time >= here) & (time < here + pl.duration(days=90))).select(pl.col("customer_id").unique())
        expected = known.with_columns(churned=~pl.col("customer_id").is_in(back["customer_id"].implode()))
        assert found.xs(cutoff, level="cutoff").to_dict() == dict(expected.iter_rows())
