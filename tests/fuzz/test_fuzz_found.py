"""What the fuzz found, in the smallest form: each was an error of another library, a warning or a wrong number once."""

import decimal
import math

import numpy as np
import pandas as pd
import pytest
from test_bad_input import CASES, answer, quietly

import crmkit as crm
from crmkit.errors import CrmkitError, DataError, LimitError

SIGNAL = decimal.Decimal("sNaN")


def spoilt(name, column, value, place=0):
    frame = CASES[name].frame()
    values = frame[column].astype(object).copy()
    values.iloc[place] = value
    return frame.assign(**{column: values.infer_objects()})


@pytest.mark.parametrize(
    ("name", "column"),
    [("events", "timestamp"), ("events", "customer_id"), ("survival.logrank", "plan"), ("clv.fit_sbg", "lost")],
    ids=str,
)
def test_a_decimal_that_raises_when_looked_at_is_missing(name, column):
    with pytest.raises(DataError, match=rf"'{column}': 1 missing.*row 0"):
        CASES[name].call(spoilt(name, column, SIGNAL))


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("clv.evaluate", "holdout_T", 1e300),
        ("clv.evaluate", "frequency", 1.7e308),
        ("clv.compress", "frequency", 1e300),
        ("clv.fit_sbg", "age", 1e300),
        ("clv.lifetime_value", "first_value", 1e300),
        ("clv.lifetime_value", "monetary_value", 1e300),
        ("clv.fit_pareto_nbd", "frequency", 1e300),
        ("feedback.decompose_change", "se", 1e300),
    ],
    ids=str,
)
def test_numbers_whose_squares_are_infinite_are_named(name, column, value):
    with pytest.raises(DataError, match=rf"'{column}': 1 beyond .*row 0"):
        CASES[name].call(spoilt(name, column, value))


@pytest.mark.parametrize("name", ["cohort.retention", "targeting.backtest"])
def test_revenue_whose_square_is_infinite_is_refused(name):
    frame = CASES[name].frame()
    with pytest.raises(DataError, match="amounts reach"):
        CASES[name].call(frame.assign(amount=frame["amount"] * 1e300))


def test_features_whose_squares_are_infinite_are_refused():
    for name in ("uplift.fit", "uplift.predict", "uplift.cross_fitted"):
        with pytest.raises(DataError, match=r"'taste': 1 beyond 1e\+100, the first in row 3"):
            quietly(CASES[name].call, spoilt(name, "taste", 1e300, place=3))


def test_shares_above_1_are_no_survival():
    for name in ("survival.quantile", "survival.restricted_mean"):
        with pytest.raises(DataError, match="'survival': 1 above 1, the first in row 2"):
            CASES[name].call(spoilt(name, "survival", 1.5, place=2))


def test_simultaneous_intervals_of_counts_beyond_their_digits_are_refused():
    with pytest.raises(DataError, match=r"2 above 1,000,000.*goodman"):
        crm.intervals.sison_glaz([10**9, 10**9, 10**5])
    shares = np.array([56, 72, 73, 59, 62, 87, 58])
    some, many = (np.ptp(crm.intervals.sison_glaz(shares * k), axis=0)[0] * math.sqrt(k) for k in (1_000, 10_000))
    assert many == pytest.approx(some, rel=1e-3)


def test_the_upper_end_of_next_to_nothing_keeps_its_digits():
    assert crm.intervals.wilson(0, 10**9)[1] == pytest.approx(3.8414588059373186547e-9, rel=1e-14)


def test_a_likelihood_beyond_the_machine_is_refused_where_it_starts():
    for name in ("clv.fit_bdw", "clv.fit_bg_nbd"):
        column = CASES[name].numbers[0]
        frame = CASES[name].frame()
        frame[column] = frame[column] * 1e15
        try:
            answer(CASES[name], frame)
        except CrmkitError:
            continue


def test_infinite_numbers_in_a_text_column_are_text():
    records = pd.DataFrame({"name": [-math.inf, "anna", 2.0, math.inf]}, index=list("abcd"))
    assert len(crm.dedupe.golden_records(records, np.zeros(4, int)).records) == 1


def test_a_table_of_probabilities_beyond_the_limit_is_refused_before_it_is_made():
    with pytest.raises(LimitError, match="more than 500,000,000"):
        CASES["clv.compare"].call(spoilt("clv.compare", "holdout_frequency", 1e9))


def test_days_before_the_year_1_have_dates():
    frame = CASES["clv.summarize"].frame()
    found = CASES["clv.summarize"].call(frame.assign(timestamp=np.datetime64("-0001-01-01", "s")))
    assert (found["frequency"] == 0).all()


def test_more_baskets_than_can_be_counted_are_refused():
    frame = CASES["basket.rules"].frame()
    with pytest.raises(DataError, match="baskets, more than"):
        CASES["basket.rules"].call(frame.assign(support=frame["support"] * 1e-30))


def test_ids_that_no_file_can_hold_come_back_or_are_refused_by_name():
    """Half of a pair of code units: Python has such text, UTF-8 does not."""
    for name in ("churn.panel", "rfm.summarize", "clv.summarize", "cohort.retention", "recommend.interactions"):
        frame = CASES[name].frame()
        ids = [f"{chr(0xD800)}{value}" for value in frame["customer_id"]]
        try:
            quietly(CASES[name].call, frame.assign(customer_id=pd.Series(ids, dtype=object)))
        except CrmkitError:
            continue


def test_the_last_moment_of_the_clock_is_a_moment():
    frame = CASES["churn.audit"].frame()
    frame["timestamp"] = frame["timestamp"].astype("datetime64[ns]")
    frame.loc[::2, "timestamp"] = pd.Timestamp.max
    for name in ("churn.audit", "churn.panel", "rfm.summarize", "clv.summarize"):
        try:
            answer(CASES[name], frame)
        except CrmkitError:
            continue
