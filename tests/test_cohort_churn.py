"""Churn and growth accounting against sets of customers, for purchases and for contracts."""

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit as crm
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError
from naive import cohort as naive

DAY0 = dt.date(2023, 12, 20)
LENGTH = {"D": 1, "W": 7, "M": 31, "Q": 92, "Y": 366}
COUNTS = ["n", "retained", "churned", "new", "resurrected", "active"]

days = st.integers(0, 200).map(lambda n: DAY0 + dt.timedelta(days=n))
histories = st.lists(st.tuples(st.integers(0, 6), days), min_size=1, max_size=30)


def quietly(function, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return function(*args, **options)


def orders(rows):
    return pd.DataFrame({"customer_id": [row[0] for row in rows], "timestamp": pd.to_datetime([row[1] for row in rows])})


def contracts(rows):
    return pd.DataFrame(
        {
            "customer_id": [row[0] for row in rows],
            "start": pd.to_datetime([row[1] for row in rows]),
            "end": pd.to_datetime([row[2] for row in rows]),
        }
    )


def check(table, expected):
    found = [{name: int(row[name]) for name in COUNTS} for _, row in table.iterrows()]
    assert found == expected
    rates = table[table["n"] > 0]
    np.testing.assert_array_equal(rates["value"], rates["churned"] / rates["n"])
    low, high = crm.intervals.wilson(rates["churned"].to_numpy(), rates["n"].to_numpy())
    np.testing.assert_array_equal(rates[["ci_low", "ci_high"]], np.column_stack([low, high]))
    assert table.loc[table["n"] == 0, "value"].isna().all()


@given(histories, st.sampled_from("DWMQ"), st.sampled_from([None, 0, 1, 45]))
@settings(max_examples=150, deadline=None)
def test_purchases_by_definition(rows, period, extra):
    as_of = max(day for _, day in rows) + dt.timedelta(days=LENGTH[period])
    periods = naive.calendar(min(day for _, day in rows), as_of, period)
    closes = [naive.following(start, period) - dt.timedelta(days=1) for start in periods]
    window = None if extra is None else LENGTH[period] + extra

    def is_active(customer):
        mine = [day for who, day in rows if who == customer]
        if window is None:
            return lambda close, start: any(start <= day <= close for day in mine)
        return lambda close, start: any(day <= close and (close - day).days < window for day in mine)

    expected = naive.growth({customer: is_active(customer) for customer, _ in rows}, periods, closes)
    inactivity = None if window is None else f"{window}D"
    table = quietly(crm.cohort.churn_rate, orders(rows), period=period, inactivity=inactivity, as_of=as_of, amount=None)
    check(table, expected)
    assert [day.date() for day in table["period"]] == periods[1:]
    assert table["mature"].tolist() == [close <= as_of for close in closes[1:]]


terms = st.tuples(st.integers(0, 6), days, st.one_of(st.none(), st.integers(0, 90)))


@given(st.lists(terms, min_size=1, max_size=20), st.sampled_from("WMQ"))
@settings(max_examples=150, deadline=None)
def test_contracts_by_definition(rows, period):
    rows = [(who, day, None if length is None else day + dt.timedelta(days=length)) for who, day, length in rows]
    as_of = max(max(day, end or day) for _, day, end in rows) + dt.timedelta(days=LENGTH[period])
    periods = naive.calendar(min(day for _, day, _ in rows), as_of, period)
    closes = [naive.following(start, period) - dt.timedelta(days=1) for start in periods]

    def is_active(customer):
        mine = [(day, end) for who, day, end in rows if who == customer]
        known = [(day, None if end is None or end > as_of else end) for day, end in mine]
        return lambda close, start: any(day <= close and (end is None or end > close) for day, end in known)

    expected = naive.growth({row[0]: is_active(row[0]) for row in rows}, periods, closes)
    table = quietly(crm.cohort.churn_rate, contracts(rows), start="start", end="end", period=period, as_of=as_of)
    check(table, expected)
    brief = [
        sum(start <= day <= close and end is not None and end <= close for _, day, end in rows)
        for start, close in zip(periods, closes, strict=True)
    ]
    assert table["brief"].tolist() == brief[1:]


@given(histories, st.sampled_from("WM"))
@settings(max_examples=60, deadline=None)
def test_growth_is_accounted_for_and_halves_add_up(rows, period):
    as_of = max(day for _, day in rows) + dt.timedelta(days=70)
    options = {"period": period, "inactivity": "60D", "as_of": as_of, "amount": None}
    whole = quietly(crm.cohort.churn_rate, orders(rows), **options)
    assert (whole["n"] == whole["retained"] + whole["churned"]).all()
    assert (whole["active"] == whole["retained"] + whole["new"] + whole["resurrected"]).all()
    assert whole["active"].tolist()[:-1] == whole["n"].tolist()[1:]
    half = {customer: customer % 2 for customer, _ in rows}
    split = quietly(crm.cohort.churn_rate, orders(rows), by=half, **options)
    pd.testing.assert_frame_equal(split.groupby("period")[COUNTS].sum(), whole.set_index("period")[COUNTS])


def test_a_window_has_its_last_day():
    rows = [(1, "2024-01-01"), (2, "2024-03-31")]
    # bought on 1 January: a customer for 60 days through 29 February, for 59 through the 28th
    for window, lost_in in (("60D", "2024-03-01"), ("59D", "2024-02-01")):
        table = quietly(crm.cohort.churn_rate, orders(rows), inactivity=window, amount=None)
        lost = table.loc[table["churned"] > 0, "period"]
        assert [str(day.date()) for day in lost] == [lost_in]


def test_a_contract_cancelled_on_the_last_day_of_a_month_is_lost_in_it():
    rows = [(1, "2024-01-01", "2024-03-31"), (2, "2024-01-01", "2024-04-01"), (3, "2024-01-01", None)]
    table = crm.cohort.churn_rate(contracts(rows), start="start", end="end", as_of="2024-04-30")
    assert table["churned"].tolist() == [0, 1, 1]
    # a renewal without a gap is no churn
    renewed = crm.cohort.churn_rate(contracts([*rows, (1, "2024-03-31", None)]), start="start", end="end", as_of="2024-04-30")
    assert renewed["churned"].tolist() == [0, 0, 1]


def test_what_is_to_end_later_runs_on():
    rows = [(1, "2024-01-01", "2025-01-01"), (2, "2024-02-10", None)]
    table = crm.cohort.churn_rate(contracts(rows), start="start", end="end", as_of="2024-02-15")
    assert table[["n", "churned", "active", "mature"]].to_numpy().tolist() == [[1, 0, 2, False]]
    running = crm.cohort.churn_rate(contracts([(1, "2024-01-01", None), (2, "2024-02-01", None)]), start="start", end="end")
    assert running["active"].tolist() == [2]


def test_a_period_without_customers_at_its_start_has_no_rate_and_that_is_said():
    rows = [(1, "2024-01-01"), (1, "2024-04-05")]
    with pytest.warns(DataWarning, match="2 of 3 periods start without customers"):
        table = crm.cohort.churn_rate(orders(rows), amount=None)
    assert table["value"].isna().tolist() == [False, True, True]
    assert table["resurrected"].tolist() == [0, 0, 1]


def test_purchases_follow_the_wall_clock():
    moments = pd.to_datetime(["2024-01-31 23:30", "2024-02-10 00:00"], utc=True)
    for zone, n in (("UTC", 2), ("Asia/Tokyo", 1)):
        frame = pd.DataFrame({"customer_id": [1, 1], "timestamp": moments.tz_convert(zone)})
        if n == 2:
            assert crm.cohort.churn_rate(frame, amount=None)["retained"].tolist() == [1]
        else:
            with pytest.raises(DataError, match="one period"):
                crm.cohort.churn_rate(frame, amount=None)


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_frames_give_the_same_tables(kind):
    rows = contracts([("a", "2024-01-05", "2024-02-07"), ("b", "2024-02-05", None), ("a", "2024-03-31", None)])
    other = pl.from_pandas(rows) if kind == "polars" else pa.Table.from_pandas(rows)
    options = {"start": "start", "end": "end", "by": {"a": "x", "b": "y"}, "as_of": "2024-03-31"}
    found, expected = (quietly(crm.cohort.churn_rate, frame, **options) for frame in (other, rows))
    assert type(found) is type(other)
    pd.testing.assert_frame_equal(found.to_pandas(), expected, check_dtype=False)


def test_options_and_data_are_checked():
    buys = orders([(1, "2024-01-05"), (1, "2024-02-05")])
    terms = contracts([(1, "2024-01-05", "2024-02-05"), (2, "2024-01-05", None)])
    for bad in ({"period": "month"}, {"level": 2}, {"inactivity": "30D"}, {"inactivity": 90}, {"inactivity": "36.5D"}):
        with pytest.raises(OptionError):
            crm.cohort.churn_rate(buys, amount=None, **bad)
    for bad in ({"end": None}, {"inactivity": "90D"}, {"amount": None}):
        with pytest.raises(OptionError):
            crm.cohort.churn_rate(terms, **{"start": "start", "end": "end", **bad})
    with pytest.raises(DataError, match=r"'end': 1 before 'start', the first in row 0"):
        crm.cohort.churn_rate(terms.assign(start=pd.to_datetime(["2024-03-01", "2024-01-05"])), start="start", end="end")
    with pytest.raises(DataError, match=r"'start': 1 missing times, the first in row 1"):
        crm.cohort.churn_rate(terms.assign(start=pd.to_datetime(["2024-01-01", None])), start="start", end="end")
    with pytest.raises(ColumnError, match="'stop'"):
        crm.cohort.churn_rate(terms, start="start", end="stop")
    with pytest.raises(DataError, match="no contract has started by 2023-12-31"):
        crm.cohort.churn_rate(terms, start="start", end="end", as_of="2023-12-31")
    with pytest.raises(DataError, match="no rows"):
        crm.cohort.churn_rate(terms.iloc[:0], start="start", end="end")
    with pytest.raises(DataError, match="nobody bought anything"):
        crm.cohort.churn_rate(buys.assign(amount=-1.0), refunds="subtract")
    with pytest.raises(DataError, match="by: 1 of 1 customers"):
        crm.cohort.churn_rate(buys, amount=None, by={2: "x"})
