"""Frames that are not collected: every engine gives the answers of the event log, and stays lazy."""

import datetime as dt
import os
import re
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import crmkit as crm
from crmkit.errors import ColumnError, DataError, OptionError

ENGINES = ("polars", "pyarrow", "polars_lazy", "duckdb", "pyspark")
LAZY = ENGINES[2:]


@pytest.fixture(scope="session")
def spark():
    """One Spark session for all tests, with the workers that this Python can start."""
    sql = pytest.importorskip("pyspark.sql")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        sql.SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "Europe/Paris")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture
def make(request):
    """Return a function that brings a pandas frame into an engine."""

    def made(frame, engine):
        if engine == "pandas":
            return frame
        table = pa.Table.from_pandas(frame, preserve_index=False)
        if engine == "pyarrow":
            return table
        if engine.startswith("polars"):
            return pl.from_arrow(table).lazy() if engine == "polars_lazy" else pl.from_arrow(table)
        if engine == "duckdb":
            duckdb = pytest.importorskip("duckdb")
            connection = duckdb.connect()
            connection.execute("SET TimeZone = 'Europe/Paris'")
            return connection.from_arrow(table)
        return request.getfixturevalue("spark").createDataFrame(table)

    return made


def rows(answer):
    """Bring an answer of any engine to pandas, sorted by its first columns."""
    if isinstance(answer, pl.LazyFrame):
        answer = answer.collect()
    if isinstance(answer, pl.DataFrame):
        answer = answer.to_arrow()
    elif hasattr(answer, "toArrow"):
        answer = answer.toArrow()
    elif hasattr(answer, "to_arrow_table"):
        answer = answer.to_arrow_table()
    if isinstance(answer, pa.Table):
        answer = answer.to_pandas()
    elif answer.index.name is not None:
        answer = answer.reset_index()
    keys = [name for name in ("customer_id", "cohort", "period") if name in answer]
    return answer.sort_values(keys, ignore_index=True)


def same(found, expected):
    """All columns, to 1e-12; the kinds of times and texts are those of the engine."""
    found, expected = rows(found), rows(expected)
    assert list(found) == list(expected)
    for name in expected:
        left, right = found[name], expected[name]
        if pd.api.types.is_datetime64_any_dtype(right):
            assert left.astype("datetime64[ns]").tolist() == right.astype("datetime64[ns]").tolist()
        elif pd.api.types.is_float_dtype(right):
            np.testing.assert_allclose(left.to_numpy(float), right.to_numpy(float), rtol=1e-12, atol=0, err_msg=name)
        else:
            assert left.tolist() == right.tolist(), name


def purchases(n=3000, *, refunds=False, zone=None):
    """Several lines to an order, several orders to a day, years apart; some customers on one day alone."""
    rng = np.random.default_rng(3)
    order = rng.integers(0, n // 2, n)
    days = rng.integers(0, 900, n // 2)
    moment = pd.Timestamp("2022-11-20") + pd.to_timedelta(days[order] * 1440 + rng.integers(0, 3000, n), unit="min")
    frame = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 250, n // 2)[order],
            "timestamp": moment.astype("datetime64[us]"),
            "amount": rng.integers(0, 5000, n) / 100,
            "order_id": [f"o{number}" for number in order],
        }
    )
    if refunds:  # none without a purchase of the same order
        back = (rng.random(n) < 0.2) & frame.sort_values("timestamp")["order_id"].duplicated().sort_index().to_numpy()
        frame.loc[back, "amount"] *= -1.0
    if zone is not None:
        frame["timestamp"] = frame["timestamp"].dt.tz_localize("UTC").dt.tz_convert(zone)
    return frame


PLAIN = {}
NO_AMOUNTS = {"amount": None}
ORDERS = {"order": "order_id"}
SUBTRACT = {"order": "order_id", "refunds": "subtract"}
DROP = {"refunds": "drop"}

CALLS = {
    "rfm": (
        crm.rfm.summarize,
        [PLAIN, {"as_of": "2024-02-29", "monetary": "mean"}, ORDERS, {"as_of": "2024-02-29", **SUBTRACT}, DROP],
    ),
    "clv": (
        crm.clv.summarize,
        [PLAIN, NO_AMOUNTS, {"unit": "D", "end": "2024-02-29"}, ORDERS, {"end": "2024-02-29", **SUBTRACT}, DROP, {"unit": 10}],
    ),
    "retention": (
        crm.cohort.retention,
        [
            PLAIN,
            {"period": "W", "as_of": "2023-06-14", **NO_AMOUNTS},
            {"period": "Q", "method": "unbounded", **ORDERS},
            {"method": "bracket", "brackets": [(1, 3), (4, 6)], "level": 0.8},
            {"method": "bracket", "brackets": [(0, 1), (5, 60)]},
            {"activity": "events", "period": "Y", **SUBTRACT},
            {"as_of": "2024-02-10", **SUBTRACT},
            {"activity": "events", **DROP},
            {"period": "D", "as_of": "2022-12-10", **DROP},
        ],
    ),
    "churn_rate": (
        crm.cohort.churn_rate,
        [
            PLAIN,
            {"period": "W", **NO_AMOUNTS},
            {"inactivity": "90D"},
            {"period": "Q", "inactivity": "120D", "as_of": "2024-02-10", "level": 0.8, **SUBTRACT},
            {"period": "D", "inactivity": "30D", "as_of": "2023-02-28", **DROP},
        ],
    ),
}
CASES = [
    pytest.param(function, options, id=f"{name}{number}")
    for name, (function, several) in CALLS.items()
    for number, options in enumerate(several)
]


@pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("function", "options"), CASES)
def test_every_engine_gives_the_same_answers(make, engine, function, options):
    frame = purchases(refunds="refunds" in options)
    found = function(make(frame, engine), **options)
    if engine in LAZY:
        assert type(found) is type(make(frame, engine))
    same(found, function(frame, **options))


@pytest.mark.parametrize("engine", LAZY)
def test_days_follow_the_wall_clock_of_the_zone(make, engine):
    frame = purchases(zone="Europe/Paris")
    there = frame.assign(timestamp=frame["timestamp"].dt.tz_localize(None))
    assert (there["timestamp"].dt.normalize() != purchases()["timestamp"].dt.normalize()).any()
    for function in (crm.rfm.summarize, crm.clv.summarize, crm.cohort.retention):
        same(function(make(frame, engine)), function(frame))
    same(crm.clv.summarize(make(frame, engine), end="2024-02-29"), crm.clv.summarize(there, end="2024-02-29"))


@pytest.mark.parametrize("engine", LAZY)
def test_dates_text_ids_and_rows_without_an_id(make, engine):
    frame = purchases(400)
    dates = frame["timestamp"].dt.date
    names = pd.Series([None if i % 50 == 7 else f"c{i}" for i in frame["customer_id"]], dtype=object)
    frame = frame.assign(timestamp=dates, customer_id=names)
    for function in (crm.rfm.summarize, crm.clv.summarize, crm.cohort.retention):
        same(function(make(frame, engine), missing="drop"), function(frame, missing="drop"))
    with pytest.raises(DataError, match=r"'customer_id': \d+ missing ids; name them"):
        crm.rfm.summarize(make(frame, engine))


@pytest.mark.parametrize("engine", ["polars_lazy", "duckdb"])
def test_ids_may_be_categories(make, engine):
    frame = purchases(400)
    names = frame["customer_id"].map("c{:03d}".format)
    for function in (crm.rfm.summarize, crm.clv.summarize, crm.cohort.retention):
        found = rows(function(make(frame.assign(customer_id=names.astype("category")), engine)))
        found = found.astype({"customer_id": str}) if "customer_id" in found else found
        same(found, function(frame.assign(customer_id=names)))


@pytest.mark.parametrize("engine", LAZY)
def test_columns_keep_the_name_of_the_customer(make, engine):
    frame = purchases(100).rename(columns={"customer_id": "client", "timestamp": "when", "amount": "paid"})
    names = {"customer": "client", "time": "when", "amount": "paid"}
    found = rows(crm.clv.summarize(make(frame, engine), **names))
    assert list(found) == ["client", "frequency", "recency", "T", "monetary_value", "first_value", "unit"]
    clash = purchases(100).rename(columns={"customer_id": "frequency"})
    with pytest.raises(OptionError, match="named like a column of the result"):
        crm.rfm.summarize(make(clash, engine), customer="frequency")


BAD = {
    "missing time": ({"timestamp": [None, "2024-01-02"]}, DataError, r"'timestamp': 1 missing times"),
    "missing amount": ({"amount": [1.0, None]}, DataError, r"'amount': 1 missing; fill or drop"),
    "nan amount": ({"amount": [1.0, np.nan]}, DataError, r"'amount': 1 missing; fill or drop"),
    "infinite amount": ({"amount": [np.inf, 1.0]}, DataError, r"'amount': 1 infinite"),
    "refund": ({"amount": [-2.0, 1.0]}, DataError, r"'amount': 1 negative; pass refunds="),
    "huge": ({"amount": [1.7e308, 1.7e308]}, DataError, r"add up beyond what can be counted"),
    "empty": ({"customer_id": [], "timestamp": [], "amount": []}, DataError, "no rows"),
    "text for times": ({"timestamp": ["2024-01-01", "2024-01-02"]}, DataError, "not times; cast it"),
    "text for amounts": ({"amount": ["1", "2"]}, DataError, "not numbers; cast it"),
    "floats for ids": ({"customer_id": [1.5, 2.5]}, DataError, "cannot be compared exactly"),
    "no column": ({"customer_id": None}, ColumnError, "no column 'customer_id'"),
}


@pytest.mark.parametrize("engine", LAZY)
@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_refused_with_its_count(make, engine, name):
    columns, error, message = BAD[name]
    kinds = {"customer_id": pa.int64(), "timestamp": pa.timestamp("us"), "amount": pa.float64()}
    data = {"customer_id": [1, 2], "timestamp": ["2024-01-01", "2024-01-02"], "amount": [1.0, 2.0], **columns}
    if not name.startswith("text for times"):
        data["timestamp"] = [None if t is None else dt.datetime.fromisoformat(t) for t in data["timestamp"]]
    strange = name.startswith(("text", "floats"))
    table = pa.table(
        {
            key: pa.array(values, None if strange and key in columns else kinds[key])
            for key, values in data.items()
            if values is not None
        }
    )
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    for function in (crm.rfm.summarize, crm.clv.summarize, crm.cohort.retention, crm.cohort.churn_rate):
        with pytest.raises(error, match=message):
            function(make(frame, engine))


@pytest.mark.parametrize("engine", LAZY)
def test_what_is_no_aggregation_is_refused_by_name(make, engine):
    frame = make(purchases(100), engine)
    people = pd.Series(1, index=range(250))
    for function in (crm.rfm.summarize, crm.clv.summarize, crm.cohort.retention, crm.cohort.churn_rate):
        with pytest.raises(OptionError, match=r'refunds="subtract" without order= .* name the column'):
            function(frame, refunds="subtract")
        with pytest.raises(OptionError, match="refunds="):
            function(frame, refunds="ignore")
        with pytest.raises((DataError, OptionError), match=r"before the first event|no purchase lies on or before"):
            function(frame, **{"end" if function is crm.clv.summarize else "as_of": "1999-01-01"})
    with pytest.raises(OptionError, match="logs=: collect"):
        crm.clv.summarize(frame, logs=True)
    for keyword in ("since", "cohort", "by"):
        with pytest.raises(OptionError, match=f"{keyword}=: collect"):
            crm.cohort.retention(frame, **{keyword: people})
    with pytest.raises(OptionError, match="measure='net_revenue'"):
        crm.cohort.retention(frame, measure="net_revenue")
    with pytest.raises(OptionError, match="by=: collect"):
        crm.cohort.churn_rate(frame, by=people)
    with pytest.raises(OptionError, match="start=, end=: collect"):
        crm.cohort.churn_rate(frame, start="timestamp", end="timestamp")
    with pytest.raises(DataError, match=re.escape("collect it first")):
        crm.clv.split(frame, calibration_end="2024-01-01")


@pytest.mark.parametrize("engine", LAZY)
def test_refunds_of_unknown_orders_are_no_aggregation(make, engine):
    frame = purchases(100)
    frame.loc[[3, 4], ["amount", "order_id"]] = [[-1.0, "lost"], [-2.0, "gone"]]
    for function in (crm.rfm.summarize, crm.clv.summarize, crm.cohort.retention, crm.cohort.churn_rate):
        with pytest.raises(DataError, match="2 order ids have refunds and no purchase"):
            function(make(frame, engine), order="order_id", refunds="subtract")


@pytest.mark.parametrize("engine", LAZY)
def test_a_fit_takes_the_distinct_rows_of_an_engine(make, engine):
    frame = crm.datasets.make_transactions(n_customers=400, weeks=52, acquisition_weeks=20, rng=1).transactions.drop(
        columns="order_id", errors="ignore"
    )
    lazy = crm.clv.compress(crm.clv.summarize(make(frame, engine)))
    distinct, every = rows(lazy), crm.clv.compress(crm.clv.summarize(frame))
    order = ["frequency", "recency", "T"]
    pd.testing.assert_frame_equal(distinct.sort_values(order, ignore_index=True), every.astype({"unit": distinct["unit"].dtype}))
    found = crm.clv.fit_bg_nbd(distinct, weight="weight")
    # polars multiplies by the reciprocal of a week: the last bit of a time may differ
    wanted = crm.clv.fit_bg_nbd(crm.clv.summarize(frame))
    for name in ("r", "alpha", "a", "b", "log_likelihood", "n"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-10)
    again = rows(crm.clv.compress(make(distinct, engine), weight="weight"))
    assert again["weight"].sum() == distinct["weight"].sum() == len(crm.clv.summarize(frame))
