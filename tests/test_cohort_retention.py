"""Cohort tables against the published one, against dictionaries, and against themselves in parts."""

import datetime as dt
import os
import warnings
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

import crmkit as crm
from crmkit.errors import ColumnError, DataError, DataWarning, LimitError, OptionError
from naive import cohort as naive

# statistics of many samples: compiled loops only
compiled_only = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="minutes without compiled kernels")
DAY0 = dt.date(2023, 11, 20)


def frame(rows):
    return pd.DataFrame(
        {
            "customer_id": [row[0] for row in rows],
            "timestamp": pd.to_datetime([row[1] for row in rows]) + pd.to_timedelta(np.arange(len(rows)) % 24, unit="h"),
            "amount": [float(row[2]) if len(row) > 2 else 1.0 for row in rows],
        }
    )


days = st.integers(0, 130).map(lambda n: DAY0 + dt.timedelta(days=n))
histories = st.lists(st.tuples(st.integers(0, 6), days), min_size=1, max_size=30)
periods = st.sampled_from(["D", "W", "M", "Q", "Y"])


def counts(table):
    columns = zip(table["cohort"], table["period"], table["n"], table["active"], table["mature"], strict=True)
    return {(cohort.date(), int(age)): (int(n), int(active), bool(mature)) for cohort, age, n, active, mature in columns}


def quietly(function, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return function(*args, **options)


# ── published ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def retail(data_file):
    rows = pd.read_parquet(data_file("online_retail_ii_invoices.parquet"))
    rows = rows[rows["timestamp"] >= "2010-12-01"]
    return rows.assign(amount=rows["gross"] - rows["refund"])


def test_the_published_table_counts_every_row_as_activity(retail):
    table = crm.cohort.retention(retail, activity="events", refunds="subtract")
    wide = crm.cohort.triangle(table, value="active", mature=False)
    first = [948, 362, 317, 367, 341, 376, 360, 336, 336, 374, 354, 474, 260]
    second = [421, 101, 119, 102, 138, 126, 110, 108, 131, 146, 155, 63]
    assert wide.iloc[0].drop("n").tolist() == first
    assert wide.iloc[1].drop("n").dropna().tolist() == second
    assert wide["n"].tolist() == [948, 421, 380, 440, 299, 279, 235, 191, 167, 298, 352, 321, 41]
    assert wide[0].tolist() == wide["n"].tolist()
    assert [str(day.date()) for day in wide.index[[0, -1]]] == ["2010-12-01", "2011-12-01"]


def test_purchases_alone_are_the_default_and_give_another_table(retail):
    table = crm.cohort.retention(retail, refunds="subtract")
    assert table["n"].iloc[0] == 880
    dropped = crm.cohort.retention(retail, refunds="drop")
    # an order that a refund takes back in full is a purchase if refunds are left out
    assert dropped["n"].iloc[0] == 885


def test_the_month_in_progress_is_not_mature_and_not_averaged(retail):
    table = crm.cohort.retention(retail, refunds="drop")
    ends = table["cohort"].dt.to_period("M") + table["period"]
    assert (table["mature"] == (ends < pd.Period("2011-12", "M"))).all()
    average = crm.cohort.average(table)
    assert average["cohorts"].tolist() == list(range(12, 0, -1))
    over = table[table["mature"]].groupby("period")[["n", "active"]].sum()
    np.testing.assert_array_equal(average[["n", "active"]], over)
    np.testing.assert_allclose(average["value"], over["active"] / over["n"], rtol=1e-15)
    assert crm.cohort.retention(retail, refunds="drop", as_of="2011-12-31")["mature"].all()


# ── by definition ────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(histories, periods, st.integers(0, 140), st.sampled_from(["classic", "unbounded", "bracket"]))
@settings(max_examples=150, deadline=None)
def test_the_table_is_that_of_the_definition(rows, period, seen, method):
    as_of = max(DAY0 + dt.timedelta(days=seen), min(day for _, day in rows))
    brackets = [(0, 0), (1, 2), (4, 7)] if method == "bracket" else None
    known = [row for row in rows if row[1] <= as_of]
    expected = naive.retention(known, period=period, as_of=as_of, method=method, brackets=brackets)
    table = crm.cohort.retention(frame(rows), period=period, as_of=as_of, method=method, brackets=brackets)
    assert counts(table) == expected
    # rows that need no sorting are counted as they are, a log as it is sorted
    log = crm.events(frame(rows))
    of_log = crm.cohort.retention(log, period=period, as_of=as_of, method=method, brackets=brackets)
    pd.testing.assert_frame_equal(of_log, table)
    low, high = crm.intervals.wilson(table["active"].to_numpy(), table["n"].to_numpy())
    np.testing.assert_array_equal(table["ci_low"], low)
    np.testing.assert_array_equal(table["ci_high"], high)
    np.testing.assert_array_equal(table["value"], table["active"] / table["n"])


@given(histories, periods, st.dictionaries(st.integers(0, 9), days, min_size=1))
@settings(max_examples=60, deadline=None)
def test_who_is_followed_from_another_day_counts_with_purchases_or_without(rows, period, extra):
    since = {**{customer: DAY0 for customer, _ in rows}, **extra}
    as_of = max(*(day for _, day in rows), min(since.values()), DAY0 + dt.timedelta(days=60))  # somebody is followed by then
    expected = naive.retention(rows, period=period, as_of=as_of, since=since)
    dates = pd.Series({customer: pd.Timestamp(day) for customer, day in since.items()})
    for given_as in (dates, dates.to_dict(), pl.DataFrame({"id": list(since), "day": list(since.values())})):
        table = crm.cohort.retention(frame(rows), period=period, since=given_as, as_of=as_of)
        assert counts(table) == expected
    for method in ("classic", "unbounded"):
        of_rows, of_log = (
            crm.cohort.retention(given, period=period, since=dates, as_of=as_of, method=method)
            for given in (frame(rows), crm.events(frame(rows)))
        )
        pd.testing.assert_frame_equal(of_rows, of_log)


@given(histories, periods, st.dictionaries(st.integers(0, 9), days))
@settings(max_examples=60, deadline=None)
def test_who_is_followed_from_the_middle_of_a_period_counts_with_all_of_it(rows, period, extra):
    since = {customer: DAY0 + dt.timedelta(days=17) for customer, _ in rows} | extra
    as_of = max(*(day for _, day in rows), *since.values(), DAY0 + dt.timedelta(days=60))
    dates = pd.Series({customer: pd.Timestamp(day) for customer, day in since.items()})
    for method in ("classic", "unbounded"):
        expected = naive.retention(rows, period=period, as_of=as_of, since=since, method=method)
        for bought in (frame(rows), crm.events(frame(rows))):
            assert counts(crm.cohort.retention(bought, period=period, since=dates, as_of=as_of, method=method)) == expected


def test_revenue_before_the_day_from_which_a_customer_is_followed_stays_in_its_period():
    bought = pd.DataFrame(
        {
            "customer_id": [1, 1, 2, 2],
            "timestamp": pd.to_datetime(["2024-01-05", "2024-03-02", "2024-01-25", "2024-06-03"]),
            "amount": [10.0, 20.0, 30.0, 40.0],
        }
    )
    since = {1: "2024-01-20", 2: "2024-01-22"}
    table = crm.cohort.retention(bought, since=since, measure="net_revenue")
    assert table["revenue"].tolist() == [40.0, 0.0, 20.0, 0.0, 0.0, 40.0]
    assert table["active"].tolist() == [2, 0, 1, 0, 0, 1]


@pytest.mark.parametrize("filler", [pd.Timestamp.min + pd.Timedelta(1), pd.Timestamp.max])
def test_a_period_that_nanoseconds_cannot_count_to_the_end_is_still_one(filler):
    other = filler + (pd.Timedelta(days=700) if filler.year < 1700 else pd.Timedelta(days=-700))
    moments = pd.DatetimeIndex([filler, other]).as_unit("ns").sort_values()
    bought = pd.DataFrame({"customer_id": 1, "timestamp": moments, "amount": [1.0, 4.0]})
    for given_as in (bought, crm.events(bought)):
        assert crm.cohort.retention(given_as, period="Y")["active"].tolist() == [1, 0, 1]
    everybody = pd.concat([bought, bought.assign(customer_id=2)])
    assert crm.cohort.retention(everybody, period="Y", measure="net_revenue")["revenue"].tolist() == [2.0, 0.0, 8.0]


histories_with_amounts = st.lists(st.tuples(st.integers(0, 6), days, st.integers(0, 50)), min_size=1, max_size=30)
revenues = st.sampled_from(["net_revenue", "gross_revenue", "cumulative_revenue"])


@given(histories_with_amounts, st.sampled_from(["W", "M", "Q"]), revenues)
@settings(max_examples=100, deadline=None)
def test_revenue_and_its_standard_error_are_those_of_the_definition(rows, period, measure):
    as_of = max(day for _, day, _ in rows)
    expected = naive.revenue(rows, period=period, as_of=as_of, measure=measure)
    table = quietly(crm.cohort.retention, frame(rows), period=period, measure=measure)
    assert len(table) == len(expected)
    for row in table.itertuples():
        value, variance = expected[row.cohort.date(), row.period]
        np.testing.assert_allclose(row.value, np.nan if value is None else float(value), rtol=1e-12)
        np.testing.assert_allclose(row.se, np.nan if variance is None else float(variance) ** 0.5, rtol=1e-6, atol=1e-6)
        if variance is not None:
            margin = 1.959963984540054 * row.se
            high = min(row.value + margin, 1.0) if measure == "gross_revenue" else row.value + margin
            np.testing.assert_allclose([row.ci_low, row.ci_high], [max(row.value - margin, 0), high], rtol=1e-12, atol=1e-12)


@given(histories_with_amounts, st.sampled_from(["W", "M"]), st.sampled_from(["customers", "net_revenue", "cumulative_revenue"]))
@settings(max_examples=60, deadline=None)
def test_two_halves_of_the_customers_add_up_to_the_whole(rows, period, measure):
    as_of = max(day for _, day, _ in rows)
    options = {"period": period, "measure": measure, "as_of": as_of}
    whole = quietly(crm.cohort.retention, frame(rows), **options)
    halves = [[row for row in rows if row[0] % 2 == half] for half in (0, 1)]
    parts = [quietly(crm.cohort.retention, frame(half), **options) for half in halves if half]
    sums = ["n", "active"] if measure == "customers" else ["n", "active", "revenue", "base"]
    added = pd.concat(parts).groupby(["cohort", "period"])[sums].sum()
    pd.testing.assert_frame_equal(added, whole.set_index(["cohort", "period"])[sums])
    # and the halves are what by= makes of the whole
    half = pd.Series({customer: f"half {customer % 2}" for customer, _, _ in rows})
    split = quietly(crm.cohort.retention, frame(rows), by=half, **options)
    for name, part in zip(sorted(set(half)), parts, strict=True):
        mine = split[split["by"] == name].drop(columns="by").reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, part, check_dtype=False)


@given(histories_with_amounts, st.sampled_from(["W", "M"]), st.sampled_from(["customers", "net_revenue"]))
@settings(max_examples=60, deadline=None)
def test_attributes_as_cohorts_pool_what_is_mature(rows, period, measure):
    half = pd.Series({customer: f"half {customer % 2}" for customer, _, _ in rows})
    options = {"period": period, "measure": measure, "as_of": max(day for _, day, _ in rows) + dt.timedelta(days=40)}
    pooled = quietly(crm.cohort.retention, frame(rows), cohort=half, **options)
    average = quietly(crm.cohort.average, quietly(crm.cohort.retention, frame(rows), by=half, **options))
    assert pooled["mature"].all()
    shared = [name for name in average if name in pooled]
    assert pooled["cohort"].tolist() == average["by"].tolist()
    pd.testing.assert_frame_equal(pooled[shared], average[shared], check_dtype=False, rtol=1e-9)


def test_the_order_of_rows_and_the_number_of_threads_do_not_matter(monkeypatch):
    rng = np.random.default_rng(4)
    rows = [(int(c), DAY0 + dt.timedelta(days=int(d)), int(a)) for c, d, a in rng.integers(0, [40, 200, 90], (400, 3))]
    monkeypatch.setattr("crmkit.cohort._activity.CUSTOMERS", 7)
    tables = []
    for threads in ("1", "3"):
        monkeypatch.setenv("CRMKIT_NUM_THREADS", threads)
        tables += [crm.cohort.retention(frame(rows), measure="net_revenue", period="Q")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


# ── calendars, clocks, refunds ───────────────────────────────────────────────────────────────────────────────────────────


def test_weeks_start_on_monday():
    table = crm.cohort.retention(frame([(1, "2024-03-03"), (1, "2024-03-04"), (2, "2024-03-04")]), period="W")
    assert [str(day.date()) for day in table["cohort"]] == ["2024-02-26", "2024-02-26", "2024-03-04"]
    assert table["active"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("period", ["D", "W", "M", "Q", "Y"])
def test_labels_are_the_first_days_of_periods_before_1970_too(period):
    for day in ("1968-02-29", "1969-12-31", "1970-01-01", "1999-12-31", "2024-12-30"):
        table = crm.cohort.retention(frame([(1, day)]), period=period)
        expected = pd.Timestamp(naive.period_of(dt.date.fromisoformat(day), period))
        assert table["cohort"].tolist() == [expected]


def test_cohorts_follow_the_wall_clock_of_the_zone():
    moment = pd.Timestamp("2024-01-31 23:30", tz="UTC")
    for zone, cohort in (("UTC", "2024-01-01"), ("Asia/Tokyo", "2024-02-01"), ("America/New_York", "2024-01-01")):
        orders = pd.DataFrame({"customer_id": [1], "timestamp": [moment.tz_convert(zone)], "amount": [1.0]})
        assert str(crm.cohort.retention(orders)["cohort"][0].date()) == cohort
    # 2024-03-30 23:30Z and 2024-04-01 00:30Z: in Paris the 31st and the 1st, and the clocks change in between
    times = pd.to_datetime(["2024-03-30 23:30", "2024-04-01 00:30"], utc=True).tz_convert("Europe/Paris")
    orders = pd.DataFrame({"customer_id": [1, 1], "timestamp": times, "amount": [1.0, 1.0]})
    table = crm.cohort.retention(orders, period="D")
    assert table["period"].tolist() == [0, 1]
    assert table["active"].tolist() == [1, 1]


def test_a_clock_that_shows_yesterday_again_loses_nobody():
    # Newfoundland's clocks went back at 00:01, so that one minute of the 28th came before the last hour of the 27th
    times = pd.to_datetime(["2001-10-28 02:30:30", "2001-10-28 02:40:00"], utc=True).tz_convert("America/St_Johns")
    assert list(times.day) == [28, 27]
    orders = pd.DataFrame({"customer_id": [1, 1], "timestamp": times, "amount": [1.0, 2.0]})
    for data, options in ((orders, {}), (crm.events(orders), {}), (orders, {"measure": "cumulative_revenue"})):
        table = quietly(crm.cohort.retention, data, period="D", as_of="2001-10-28", **options)
        assert [str(day.date()) for day in table["cohort"]] == ["2001-10-27"] * 2
        assert table["active"].tolist() == [1, 1]
    assert table["value"].tolist() == [2.0, 3.0]


def test_refunds_are_no_activity_and_come_off_the_order_they_are_of():
    rows = frame(
        [(1, "2024-01-05", 10), (1, "2024-02-05", 8), (2, "2024-01-06", 5), (1, "2024-03-05", -3), (2, "2024-03-06", -5)]
    )
    rows["order"] = [1, 2, 3, 2, 3]
    table = crm.cohort.retention(rows, refunds="subtract", order="order")
    assert table["n"].tolist() == [1, 1, 1]  # customer 2 gave everything back
    assert table["active"].tolist() == [1, 1, 0]
    everything = crm.cohort.retention(rows, refunds="subtract", order="order", activity="events")
    assert everything["n"].tolist() == [2, 2, 2]
    assert everything["active"].tolist() == [2, 1, 2]
    net = quietly(crm.cohort.retention, rows, refunds="subtract", order="order", measure="net_revenue")
    assert net["value"].tolist() == [1.0, 0.5, 0.0]
    # before the refund it was not known
    then = crm.cohort.retention(rows, refunds="subtract", order="order", measure="net_revenue", as_of="2024-02-29")
    assert then["value"].tolist() == [1.0, 8 / 15]


def test_a_cohort_that_nobody_returns_of_is_counted_at_zero():
    table = crm.cohort.retention(frame([(1, "2024-01-05"), (2, "2024-02-05"), (2, "2024-03-31")]))
    average = crm.cohort.average(table)
    assert average["value"].tolist() == [1.0, 0.5, 0.0]
    assert average["n"].tolist() == [2, 2, 1]


# ── intervals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("n", [5, 20, 100])
def test_the_intervals_cover_by_enumeration(n):
    rows = [(customer, "2024-01-10") for customer in range(n)]
    found = {}
    for active in range(n + 1):
        back = [(customer, "2024-02-29") for customer in range(active)]
        row = crm.cohort.retention(frame(rows + back), as_of="2024-02-29").iloc[1]
        assert row["active"] == active
        found[active] = row["ci_low"], row["ci_high"]
    share = np.linspace(0.02, 0.98, 97)
    coverage = sum(binom.pmf(active, n, share) * ((low <= share) & (share <= high)) for active, (low, high) in found.items())
    # Wilson's interval covers at its level on average, and nowhere far from the ends by much less
    assert abs(coverage.mean() - 0.95) < 0.015
    assert coverage.min() > 0.83
    assert coverage[(share > 0.2) & (share < 0.8)].min() > 0.89


@compiled_only
@pytest.mark.parametrize(("measure", "truth"), [("net_revenue", 0.6 * 20 / 30), ("cumulative_revenue", 30 + 0.6 * 20)])
def test_intervals_of_revenue_cover_at_their_level(measure, truth):
    rng = np.random.default_rng(8)
    n, samples = 300, 1000
    # many cohorts at once: one per month, followed for one month
    months = pd.Timestamp("1900-01-01") + pd.DateOffset(months=1) * np.arange(2 * samples)
    frames = []
    for sample in range(samples):
        who = np.arange(n) + n * sample
        back = rng.random(n) < 0.6
        frames += [
            pd.DataFrame({"customer_id": who, "timestamp": months[2 * sample], "amount": rng.gamma(4.0, 7.5, n)}),
            pd.DataFrame(
                {"customer_id": who[back], "timestamp": months[2 * sample + 1], "amount": rng.gamma(4.0, 5.0, back.sum())}
            ),
        ]
    orders = pd.concat(frames)
    covered = []
    for some in np.array_split(np.arange(samples), 20):
        mine = orders[(orders["customer_id"] // n >= some[0]) & (orders["customer_id"] // n <= some[-1])]
        table = crm.cohort.retention(mine, measure=measure)
        rows = table[table["period"] == 1]
        covered += ((rows["ci_low"] <= truth) & (truth <= rows["ci_high"])).tolist()
    assert len(covered) == samples
    assert 0.93 <= np.mean(covered) <= 0.97


# ── frames, views, options ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_frames_give_the_same_tables(kind):
    rows = frame([("ann", "2024-01-05", 3), ("bob", "2024-02-05", 4), ("ann", "2024-02-07", 5), ("bob", "2024-03-31", 2)])
    other = pl.from_pandas(rows) if kind == "polars" else pa.Table.from_pandas(rows)
    ids, segment = ["ann", "bob"], ["old", "new"]
    by = pl.DataFrame({"id": ids, "s": segment}) if kind == "polars" else pa.table({"id": ids, "s": segment})
    for options in ({}, {"measure": "net_revenue"}, {"method": "bracket", "brackets": [(0, 1)]}, {"by": True}, {"cohort": True}):
        there = {name: by if value is True else value for name, value in options.items()}
        here = {name: pd.Series(segment, index=ids) if value is True else value for name, value in options.items()}
        found, expected = (quietly(crm.cohort.retention, f, **o) for f, o in ((other, there), (rows, here)))
        assert type(found) is type(other)
        pd.testing.assert_frame_equal(found.to_pandas(), expected, check_dtype=False, check_categorical=False)
        if "cohort" in options:
            continue
        for view in (crm.cohort.average, crm.cohort.triangle):
            wide, as_expected = quietly(view, found).to_pandas(), quietly(view, expected)
            if view is crm.cohort.triangle:
                as_expected = as_expected.reset_index().rename(columns=str)
            pd.testing.assert_frame_equal(wide, as_expected, check_dtype=False, check_categorical=False)


def test_the_triangle_leaves_open_what_is_not_over():
    table = crm.cohort.retention(frame([(1, "2024-01-05"), (2, "2024-02-05"), (1, "2024-03-15")]))
    assert crm.cohort.triangle(table)[1].isna().tolist() == [False, True]
    assert crm.cohort.triangle(table, value="active", mature=False)[1].tolist() == [0.0, 0.0]
    by = crm.cohort.triangle(crm.cohort.retention(frame([(1, "2024-01-05")]), by={1: "x"}, as_of="2024-01-31"))
    assert by.index.names == ["by", "cohort"]
    with pytest.raises(DataError, match="one cohort and period"):
        crm.cohort.triangle(pd.concat([table, table]))
    with pytest.raises(ColumnError, match="mature"):
        crm.cohort.triangle(table, value="mature")
    with pytest.raises(ColumnError, match="cohort"):
        crm.cohort.triangle(table.drop(columns="cohort"))
    with pytest.raises(OptionError, match="mature"):
        crm.cohort.triangle(table, mature=2)


def test_an_average_needs_a_period_that_is_over():
    table = crm.cohort.retention(frame([(1, "2024-01-05")]))
    with pytest.raises(DataError, match="no cell of the table is mature"):
        crm.cohort.average(table)
    with pytest.raises(DataError, match="'n': 1 not positive"):
        crm.cohort.average(table.assign(n=0, mature=True))
    with pytest.raises(DataError, match="no period of any customer is over"):
        crm.cohort.retention(frame([(1, "2024-01-05")]), cohort={1: "x"})


def test_one_customer_has_no_interval_of_revenue_and_that_is_said():
    rows = frame([(1, "2024-01-05", 2), (1, "2024-02-05", 3), (2, "2024-02-06", 0), (2, "2024-03-31", 4)])
    with pytest.warns(DataWarning, match="4 cells have no interval or no value"):
        table = crm.cohort.retention(rows, measure="net_revenue")
    assert table["value"].isna().tolist() == [False, False, False, True, True]
    with pytest.warns(DataWarning, match="periods have no interval"):
        average = crm.cohort.average(table)
    np.testing.assert_allclose(average["value"], [1.0, 7 / 2, 0.0])


def test_a_cohort_of_one_varies_as_the_others_in_the_average():
    rows = [(c, "2024-01-05", 10) for c in range(4)] + [(c, "2024-02-05", 4 * c) for c in range(4)]
    rows += [(9, "2024-02-09", 10), (9, "2024-03-31", 5)]
    table = quietly(crm.cohort.retention, frame(rows), measure="net_revenue")
    average = crm.cohort.average(table)
    four = np.array([0, 4, 8, 12.0])
    variance = 4 / 3 * ((four - 6) ** 2).sum() * 5 / 4  # of the sum, one customer more
    assert average["value"][1] == pytest.approx((24 + 5) / 50)
    assert average["se"][1] == pytest.approx(variance**0.5 / 50)


def test_attributes_must_be_there_once_for_everybody():
    rows = frame([(1, "2024-01-05"), (2, "2024-02-05")])
    with pytest.raises(DataError, match="by: 1 of 2 customers have no value"):
        crm.cohort.retention(rows, by={1: "x"})
    with pytest.raises(DataError, match="by: 1 customers have a missing value, the first in row 1"):
        crm.cohort.retention(rows, by={1: "x", 2: None})
    with pytest.raises(DataError, match="by: 1 customers are there more than once"):
        crm.cohort.retention(rows, by=pd.Series(["x", "y", "z"], index=[1, 1, 2]))
    with pytest.raises(DataError, match="since: it has no rows"):
        crm.cohort.retention(rows, since={})
    with pytest.raises(DataError, match="since: nobody starts by 2024-02-05"):
        crm.cohort.retention(rows, since={1: "2025-01-01", 2: "2025-01-01"})
    with pytest.raises(OptionError, match="cohort: a frame has two columns"):
        crm.cohort.retention(rows, cohort=rows)
    with pytest.raises(OptionError, match=r"by= takes one value per customer.*got list"):
        crm.cohort.retention(rows, by=["x", "y"])
    assert crm.cohort.retention(rows, by={1: "x", 2: "y", 3: "z"})["by"].tolist() == ["x", "x", "y"]


@pytest.mark.parametrize(
    "bad",
    [
        {"period": "ME"},
        {"method": "rolling"},
        {"activity": "refunds"},
        {"measure": "profit"},
        {"level": 95},
        {"brackets": [(0, 1)]},
        {"method": "bracket"},
        {"method": "bracket", "brackets": [(3, 1)]},
        {"method": "bracket", "brackets": [(0, 2), (2, 3)]},
        {"method": "bracket", "brackets": "13"},
        {"method": "unbounded", "measure": "net_revenue"},
        {"activity": "events", "measure": "net_revenue"},
        {"as_of": 20240101},
    ],
    ids=str,
)
def test_options_are_checked(bad):
    with pytest.raises(OptionError):
        crm.cohort.retention(frame([(1, "2024-01-05")]), **bad)


def test_what_cannot_be_answered_is_refused():
    one = frame([(1, "2024-01-05", 2)])
    with pytest.raises(DataError, match="as_of=2023-12-31 lies before the first event"):
        crm.cohort.retention(one, as_of="2023-12-31")
    with pytest.raises(DataError, match="nobody bought anything by 2024-01-05"):
        crm.cohort.retention(one.assign(amount=-2.0), refunds="subtract")
    with pytest.raises(ColumnError, match="amount"):
        crm.cohort.retention(one.drop(columns="amount"), amount=None, measure="net_revenue")
    long_ago = pd.Series(np.array(["0001-01-01"], "datetime64[s]"), index=[1])
    with pytest.raises(LimitError, match=r"correct or drop the dates far off"):
        crm.cohort.retention(one, since=long_ago, as_of="2200-01-01")
    many = frame([(c, DAY0 + dt.timedelta(days=3 * c)) for c in range(2500)])
    with pytest.raises(LimitError, match=r"more than 20,000,000; use longer periods"):
        crm.cohort.retention(many, period="D", by={c: c for c in range(2500)}, as_of="2055-01-01")


def test_a_single_purchase_is_a_cohort_of_one():
    table = crm.cohort.retention(frame([(1, "2024-01-31")]))
    assert counts(table) == {(dt.date(2024, 1, 1), 0): (1, 1, True)}


def test_every_method_and_period_agree_on_period_zero():
    rows = frame([(c, DAY0 + dt.timedelta(days=7 * c + 30 * k)) for c, k in product(range(5), range(3))])
    for period, method in product("DWMQY", ("classic", "unbounded")):
        table = crm.cohort.retention(rows, period=period, method=method)
        assert (table.loc[table["period"] == 0, "value"] == 1).all()
