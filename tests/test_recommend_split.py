"""Splits: nothing is lost, nothing is on both sides, and what leaks is told."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

import crmkit as crm
from crmkit import recommend
from crmkit.errors import ColumnError, DataError, OptionError

COLUMNS = {"customer": "who", "time": "when", "item": "what", "amount": None}


def simulated(n_customers=30, n_orders=200, seed=0, zone=None):
    rng = np.random.default_rng(seed)
    order = np.repeat(np.arange(n_orders), rng.integers(1, 5, n_orders))
    moment = pd.Timestamp("2024-01-01", tz=zone) + pd.to_timedelta(np.sort(rng.integers(0, 300 * 24, n_orders)), unit="h")
    frame = pd.DataFrame({"order": order, "who": rng.integers(0, n_customers, n_orders)[order], "when": moment[order]})
    return frame.assign(what=[f"i{item:02d}" for item in rng.integers(0, 15, len(frame))])


def rows_of(log, frame):
    """The events of a log as a sorted list of tuples of the frame's columns."""
    customer = np.repeat(np.arange(log.n_customers), np.diff(log.lines.start))
    who = log.labels.values[customer]
    what = log.items.values[log.lines.item]
    return sorted(zip(who, pd.to_datetime(log.lines.instant, unit=log.clock.unit), what, strict=True))


def rows(frame):
    when = frame["when"] if frame["when"].dt.tz is None else frame["when"].dt.tz_convert("UTC").dt.tz_localize(None)
    return sorted(zip(frame["who"], when, frame["what"], strict=True))


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_a_moment_parts_past_and_future(zone):
    frame = simulated(zone=zone)
    split = recommend.split_by_time(frame, when="2024-07-01", horizon="30D", **COLUMNS)
    start = pd.Timestamp("2024-07-01", tz=zone)
    later = (frame["when"] >= start) & (frame["when"] < start + pd.Timedelta("30D"))
    assert rows_of(split.train, frame) == rows(frame[frame["when"] < start])
    assert rows_of(split.test, frame) == rows(frame[later])
    assert split.history is None
    assert split.train.span.end < split.test.span.start
    assert split.leakage["test events not after training"] == 0.0
    both = set(frame.loc[frame["when"] < start, "who"]) & set(frame.loc[later, "who"])
    assert split.leakage["customers in both"] == len(both)
    assert split.leakage["new customers"] == frame.loc[later, "who"].nunique() - len(both)
    whole = recommend.split_by_time(crm.events(frame, **COLUMNS), when="2024-07-01")
    assert rows_of(whole.test, frame) == rows(frame[frame["when"] >= start])
    assert "customers in both" in repr(split)


@pytest.mark.parametrize("when", ["2024-03-20", "2024-10-20"])
def test_whole_days_of_a_test_end_by_the_wall_clock(when):
    # clocks change in between: thirty times 24 hours end at one in the morning, or at eleven the evening before
    midnight = pd.Timestamp(when) + pd.Timedelta(days=30)
    before, after = midnight - pd.Timedelta(minutes=30), midnight + pd.Timedelta(minutes=30)
    moments = pd.to_datetime([pd.Timestamp("2024-01-05"), before, after, midnight.normalize() + pd.Timedelta(days=90)])
    moments = moments.tz_localize("Europe/Paris")
    lines = pd.DataFrame({"who": 1, "when": moments, "what": list("abcd")})
    assert recommend.split_by_time(lines, when=when, horizon="30D", **COLUMNS).test.items.values.tolist() == ["b"]
    # so they do where the log ends within that hour
    assert recommend.split_by_time(lines[:3], when=when, horizon="30D", **COLUMNS).test.items.values.tolist() == ["b"]
    assert len(recommend.split_by_time(lines, when=when, horizon="5000Y", **COLUMNS).test) == 3


def test_the_origin_rolls():
    frame = simulated()
    starts = pd.date_range("2024-04-01", periods=4, freq="30D")
    splits = [recommend.split_by_time(frame, when=start, horizon="30D", **COLUMNS) for start in starts]
    tests = [row for split in splits for row in rows_of(split.test, frame)]
    end = starts[-1] + pd.Timedelta("30D")
    assert sorted(tests) == rows(frame[(frame["when"] >= starts[0]) & (frame["when"] < end)])


@pytest.mark.parametrize("n", [1, 2])
def test_the_last_orders_are_those_of_the_definition(n):
    frame = simulated()
    split = recommend.split_last(frame, n=n, order="order", **COLUMNS)
    orders = frame.drop_duplicates("order").sort_values(["who", "when", "order"])
    place = orders.groupby("who").cumcount(ascending=False)
    size = orders.groupby("who")["order"].transform("size")
    held = set(orders.loc[(place < n) & (size > n), "order"])
    assert rows_of(split.test, frame) == rows(frame[frame["order"].isin(held)])
    assert rows_of(split.train, frame) == rows(frame[~frame["order"].isin(held)])
    last = frame.loc[~frame["order"].isin(held), "when"].max()
    inside = frame.loc[frame["order"].isin(held), "when"] <= last
    assert split.leakage["test events not after training"] == pytest.approx(inside.mean())
    assert split.leakage["new customers"] == 0


def test_orders_of_one_moment_stay_together():
    frame = pd.DataFrame({"who": [1, 1, 1, 2, 2], "order": [1, 2, 3, 4, 5], "what": list("abcde")})
    frame["when"] = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-02-01", "2024-01-01", "2024-01-01"])
    split = recommend.split_last(frame, order="order", **COLUMNS)
    assert [row[2] for row in rows_of(split.test, frame)] == ["b", "c"]
    assert [row[2] for row in rows_of(split.train, frame)] == ["a", "d", "e"]  # 2 has one moment: nothing could be learned


def test_a_refund_of_an_order_of_the_past_takes_nothing_off_the_test():
    days = pd.to_datetime(["2024-01-10", "2024-02-05", "2024-02-06"])
    lines = pd.DataFrame(
        {"who": 1, "order": ["A", "B", "A"], "when": days, "what": ["x", "y", "x"], "paid": [100.0, 80.0, -80.0]}
    )
    columns = {**COLUMNS, "amount": "paid", "order": "order", "refunds": "subtract"}
    for split in (recommend.split_by_time(lines, when="2024-02-01", **columns), recommend.split_last(lines, **columns)):
        assert split.test.orders.amount.tolist() == [80.0]
        assert split.train.orders.amount.tolist() == [100.0]
    # a refund of the test's own order is one
    lines["order"] = ["A", "B", "B"]
    assert recommend.split_by_time(lines, when="2024-02-01", **columns).test.orders.amount.size == 0


def test_refunds_go_by_their_time():
    frame = pd.DataFrame({"who": [1] * 5, "order": [1, 2, 1, 3, 3], "what": ["a", "b", "a", "c", "c"]})
    frame["when"] = pd.to_datetime(["2024-01-01", "2024-01-05", "2024-01-06", "2024-02-01", "2024-02-05"])
    frame["paid"] = [5.0, 6.0, -5.0, 7.0, -1.0]
    split = recommend.split_last(frame, order="order", **{**COLUMNS, "amount": "paid"}, refunds="subtract")
    assert rows_of(split.train, frame) == rows(frame.iloc[:3])
    assert rows_of(split.test, frame) == rows(frame.iloc[3:])
    # order 1 was taken back in full
    assert recommend.interactions(split.train).items.values.tolist() == ["b"]


@pytest.mark.parametrize("hold", ["last", 0.2, 0.5])
def test_customers_are_kept_apart(hold):
    frame = simulated()
    split = recommend.split_customers(frame, share=0.3, hold=hold, order="order", **COLUMNS)
    train, test, history = (set(log.labels.values) for log in (split.train, split.test, split.history))
    assert not train & test
    assert test == history
    assert len(train) == 30 - 9
    assert rows_of(split.train, frame) == rows(frame[frame["who"].isin(train)])
    both = rows_of(split.test, frame) + rows_of(split.history, frame)
    assert sorted(both) == rows(frame[frame["who"].isin(test)])
    assert split.leakage["customers in both"] == 0
    pairs = frame[frame["who"].isin(test)].groupby("who")["what"].nunique()
    if hold == "last":
        for who in test:
            ended = max(when for one, when, _ in rows_of(split.history, frame) if one == who)
            assert ended < min(when for one, when, _ in rows_of(split.test, frame) if one == who)
    else:
        held = pd.DataFrame(rows_of(split.test, frame)).groupby(0)[2].nunique()
        assert held.to_dict() == np.floor(hold * pairs).astype(int).to_dict()
        known = pd.DataFrame(rows_of(split.history, frame)).groupby(0)[2].nunique()
        assert (known + held).to_dict() == pairs.to_dict()  # an item is on one side
    again = recommend.split_customers(frame, share=0.3, hold=hold, order="order", **COLUMNS)
    assert rows_of(again.test, frame) == rows_of(split.test, frame)
    other = recommend.split_customers(frame, share=0.3, hold=hold, order="order", rng=1, **COLUMNS)
    assert rows_of(other.test, frame) != rows_of(split.test, frame)


def test_customers_without_times_are_split_too():
    frame = simulated().drop(columns="when")
    split = recommend.split_customers(frame, hold=0.5, customer="who", item="what", time=None, amount=None)
    assert list(split.leakage) == ["customers in both", "new customers"]
    assert split.history is not None


def test_the_order_of_rows_does_not_matter():
    frame = simulated()
    mixed = frame.sample(frac=1, random_state=3)
    for cut in (
        lambda f: recommend.split_by_time(f, when="2024-07-01", **COLUMNS),
        lambda f: recommend.split_last(f, order="order", **COLUMNS),
        lambda f: recommend.split_customers(f, hold=0.3, **COLUMNS),
    ):
        one, other = cut(frame), cut(mixed)
        assert rows_of(one.test, frame) == rows_of(other.test, frame)
        assert rows_of(one.train, frame) == rows_of(other.train, frame)


def test_a_split_pickles():
    split = recommend.split_last(simulated(), order="order", **COLUMNS)
    again = pickle.loads(pickle.dumps(split))
    assert dict(again.leakage) == dict(split.leakage)
    assert len(again.train) == len(split.train)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda f: recommend.split_by_time(f, when="2023-01-01", **COLUMNS), DataError, "before 2023-01-01"),
        (lambda f: recommend.split_by_time(f, when="2025-01-01", **COLUMNS), DataError, "at or after 2025-01-01"),
        (lambda f: recommend.split_by_time(f, when="soon", **COLUMNS), OptionError, "when='soon'"),
        (lambda f: recommend.split_by_time(f, when="2024-07-01", horizon="1M", **COLUMNS), OptionError, "horizon='1M'"),
        (lambda f: recommend.split_by_time(f, when="2024-07-01", **{**COLUMNS, "time": None}), ColumnError, "time"),
        (lambda f: recommend.split_by_time(f, when="2024-07-01", **{**COLUMNS, "item": "no"}), ColumnError, "no"),
        (lambda f: recommend.split_last(f, n=0, **COLUMNS), OptionError, "n=0"),
        (lambda f: recommend.split_last(f, n=1000, **COLUMNS), DataError, "no customer has more than 1,000 orders"),
        (lambda f: recommend.split_last(crm.events(f, **COLUMNS), item="what"), OptionError, "log knows its columns"),
        (lambda f: recommend.split_customers(f, share=0.0, **COLUMNS), OptionError, "share=0"),
        (lambda f: recommend.split_customers(f, share=0.001, **COLUMNS), DataError, "nobody on one side"),
        (lambda f: recommend.split_customers(f, hold="first", **COLUMNS), OptionError, "hold='first'"),
        (lambda f: recommend.split_customers(f, hold=1.0, **COLUMNS), OptionError, r"hold=1\.0"),
        (lambda f: recommend.split_customers(f, hold=0.01, **COLUMNS), DataError, "enough to foresee"),
        (lambda f: recommend.split_customers(f, rng="x", **COLUMNS), OptionError, "rng='x'"),
    ],
    ids=str,
)
def test_what_cannot_be_split_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call(simulated())
