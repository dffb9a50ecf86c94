"""Recency, frequency and monetary value against pandas; scores by their definition; segments by their boxes."""

import json
import pickle
import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit as crm
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError
from naive import rfm as naive

pytestmark = pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")


def by_pandas(orders, as_of):
    """One group-by over days and orders."""
    day = orders["timestamp"].dt.normalize()
    seen = orders[day <= as_of].groupby(["customer_id", "timestamp"], as_index=False)["amount"].sum()
    grouped = seen.groupby("customer_id")
    return pd.DataFrame(
        {
            "recency_days": (as_of - grouped["timestamp"].max().dt.normalize()).dt.days,
            "frequency": grouped.size(),
            "monetary": grouped["amount"].sum(),
        }
    )


@pytest.mark.parametrize("as_of", [None, "1997-09-30", "1997-01-01"], ids=["end", "calibration", "first_day"])
def test_cdnow_equals_a_group_by(cdnow_sample, as_of):
    moment = pd.Timestamp(as_of) if as_of else cdnow_sample["timestamp"].max()
    summary = crm.rfm.summarize(cdnow_sample, as_of=as_of)
    expected = by_pandas(cdnow_sample, moment)
    np.testing.assert_allclose(summary["monetary"], expected["monetary"], rtol=1e-12)
    pd.testing.assert_frame_equal(summary, expected, check_exact=False, rtol=1e-12)
    assert summary.attrs["as_of"] == f"{moment:%Y-%m-%d}"


def test_summary_of_a_log_and_of_its_frame_are_one(cdnow_sample):
    pd.testing.assert_frame_equal(crm.rfm.summarize(crm.events(cdnow_sample)), crm.rfm.summarize(cdnow_sample))


def test_monetary_can_be_the_mean_order(cdnow_sample):
    total, mean = (crm.rfm.summarize(cdnow_sample, monetary=which) for which in ("total", "mean"))
    np.testing.assert_allclose(mean["monetary"] * mean["frequency"], total["monetary"])


def test_recency_counts_calendar_days_of_the_zone():
    late = pd.Timestamp("2024-03-30 23:30", tz="UTC")  # the 31st in Paris, where the clocks change that night
    orders = pd.DataFrame({"customer_id": [1], "timestamp": [late.tz_convert("Europe/Paris")], "amount": [1.0]})
    assert crm.rfm.summarize(orders, as_of="2024-04-01")["recency_days"].tolist() == [1]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_last_moment_of_a_day_is_that_day_whatever_the_log_counts_in(unit):
    orders = pd.DataFrame(
        {
            "customer_id": [1, 2],
            "timestamp": pd.to_datetime(["2024-03-31 12:00", "2024-04-01 00:00"]).as_unit(unit),
            "amount": [1.0, 2.0],
        }
    )
    close = pd.Timestamp("2024-03-31 23:59:59.999999999")  # as pd.Period("2024-03").end_time is
    summary = crm.rfm.summarize(orders, as_of=close)
    assert (summary.attrs["as_of"], summary.index.tolist(), summary["recency_days"].tolist()) == ("2024-03-31", [1], [0])
    table = crm.clv.summarize(orders, end=close)
    assert (table.attrs["end"], table.index.tolist(), table["T"].tolist()) == ("2024-03-31", [1], [0.0])
    assert crm.cohort.retention(orders, as_of=close)["n"].tolist() == [1]
    # a cutoff is a moment: everything of that day comes before it
    assert crm.events(orders).until(close).customers.tolist() == [1]


@pytest.mark.parametrize("part", ["1997-09", "1997", np.datetime64("1997-09")])
def test_a_month_is_no_day(part, cdnow_sample):
    for call in (
        lambda: crm.rfm.summarize(cdnow_sample, as_of=part),
        lambda: crm.clv.summarize(cdnow_sample, end=part),
        lambda: crm.cohort.retention(cdnow_sample, as_of=part),
    ):
        with pytest.raises(OptionError, match="names no day"):
            call()


def test_a_day_before_the_first_purchase_is_refused(cdnow_sample):
    with pytest.raises(DataError, match="no purchase lies on or before 1996-12-31"):
        crm.rfm.summarize(cdnow_sample, as_of="1996-12-31")


def test_refunded_customers_are_absent():
    orders = pd.DataFrame(
        {
            "customer_id": [1, 1, 2],
            "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-02"]),
            "amount": [5.0, -5.0, 1.0],
        }
    )
    assert crm.rfm.summarize(orders, refunds="subtract").index.tolist() == [2]


def test_clocks_that_show_yesterday_once_more_lose_nobody():
    # at one minute past midnight clocks went back to 23:01 of the day before
    utc = pd.DatetimeIndex(["2010-11-05 12:00", "2010-11-07 02:30:30", "2010-11-07 03:00", "2010-11-07 09:00"]).tz_localize("UTC")
    orders = pd.DataFrame(
        {"customer_id": [0, 1, 1, 1], "timestamp": utc.tz_convert("America/St_Johns"), "amount": [1.0, 2, 4, 8]}
    )
    assert orders["timestamp"].dt.day.tolist() == [5, 7, 6, 7]
    assert crm.rfm.summarize(orders, as_of="2010-11-06").to_numpy().tolist() == [[1, 1, 1], [0, 1, 4]]
    assert crm.rfm.summarize(orders).to_numpy().tolist() == [[2, 1, 1], [0, 3, 14]]
    table = crm.clv.summarize(orders, unit="D", logs=True)
    assert table.loc[1, ["frequency", "recency", "T", "monetary_value", "first_value"]].tolist() == [1, 1, 1, 10, 4]
    assert table.loc[1, ["log_gaps", "log_spend"]].tolist() == [0.0, np.log(10.0)]
    known = crm.clv.split(orders, calibration_end="2010-11-06", unit="D").known
    assert known.loc[1, ["frequency", "T", "holdout_frequency", "holdout_monetary_value"]].tolist() == [0, 0, 1, 10]


def test_what_comes_after_the_day_is_not_known():
    lines = pd.DataFrame(
        {
            "customer_id": [1, 1, 1, 2, 2],
            "timestamp": [
                pd.Timestamp(day) for day in ("2024-01-05", "2024-01-15", "2024-02-03", "2024-01-31 23:59", "2024-02-01 00:01")
            ],
            "amount": [10.0, 20.0, -20.0, 5.0, 7.0],
            "order": ["a", "b", "b", "c", "c"],
        }
    )
    for order in (None, "order"):
        log = crm.events(lines, order=order, refunds="subtract")
        found = crm.rfm.summarize(log, as_of="2024-01-31")
        assert found.to_numpy().tolist() == [[16, 2, 30.0], [0, 1, 5.0]]
        pd.testing.assert_frame_equal(found, crm.rfm.summarize(log.until("2024-02-01"), as_of="2024-01-31"))
        assert crm.rfm.summarize(log)["monetary"].tolist() == [10.0, 12.0]
    lazy = crm.rfm.summarize(pl.from_pandas(lines).lazy(), as_of="2024-01-31", order="order", refunds="subtract")
    assert lazy.collect().sort("customer_id")["monetary"].to_list() == [30.0, 5.0]
    with pytest.raises(DataError, match="no purchase lies on or before 2024-01-04"):
        crm.rfm.summarize(log, as_of="2024-01-04")


# ── scores ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

summaries = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 8), st.sampled_from([0.0, 0.5, 1.0, 2.5, 10.0, 99.0])), min_size=1, max_size=40
).map(lambda rows: pd.DataFrame(rows, columns=["recency_days", "frequency", "monetary"]))


METHODS = ("quantile", "r", "rank", "nested")


def quietly(function, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return function(*args, **options)


@given(summaries, st.integers(2, 9), st.sampled_from(METHODS))
@settings(max_examples=100, deadline=None)
def test_scores_are_those_of_the_definition(summary, bins, method):
    scores = quietly(crm.rfm.score, summary, bins=bins, method=method)
    columns = [[Fraction(value) for value in summary[measure].tolist()] for measure in crm.rfm.MEASURES.values()]
    expected = naive.score(*columns, bins=bins, method=method)
    assert list(zip(scores["r"], scores["f"], scores["m"], strict=True)) == expected
    assert scores["rfm"].tolist() == [f"{r}{f}{m}" for r, f, m in expected]


@given(summaries, st.integers(2, 9), st.sampled_from(METHODS))
@settings(max_examples=60, deadline=None)
def test_thresholds_through_json_score_the_same_customers_alike(summary, bins, method):
    kept = quietly(crm.rfm.thresholds, summary, bins=bins, method=method)
    again = crm.rfm.Thresholds.from_dict(json.loads(json.dumps(kept.to_dict())))
    assert repr(again) == repr(kept)
    direct = quietly(crm.rfm.score, summary, bins=bins, method=method)
    for thresholds in (kept, again, pickle.loads(pickle.dumps(kept))):
        pd.testing.assert_frame_equal(crm.rfm.score(summary, thresholds=thresholds), direct)
    # one customer of a service, without a frame
    row = summary.iloc[0]
    assert [int(s) for s in again.scores(*row)] == direct.iloc[0][["r", "f", "m"]].tolist()


@given(summaries, st.floats(1e-6, 1e6))
@settings(max_examples=100, deadline=None)
def test_thresholds_follow_the_unit_of_the_currency_and_scores_do_not_see_it(summary, rate):
    exchanged = summary.assign(monetary=summary["monetary"] * rate)
    before, after = (quietly(crm.rfm.thresholds, frame) for frame in (summary, exchanged))
    np.testing.assert_allclose(after.monetary, before.monetary * rate, rtol=1e-12)
    np.testing.assert_array_equal(after.recency_days, before.recency_days)
    pd.testing.assert_frame_equal(quietly(crm.rfm.score, summary), quietly(crm.rfm.score, exchanged))


def test_the_rule_of_r_sees_the_unit_of_the_currency():
    summary = pd.DataFrame({"recency_days": range(10), "frequency": range(10), "monetary": np.arange(10) / 1000.0})
    assert set(quietly(crm.rfm.score, summary, method="r")["m"]) == {1}
    assert set(quietly(crm.rfm.score, summary)["m"]) == {1, 2, 3, 4, 5}


@given(summaries, st.sampled_from(METHODS), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_equal_values_get_equal_scores_in_any_order_of_rows(summary, method, random):
    scores = quietly(crm.rfm.score, summary, method=method)
    order = list(range(len(summary)))
    random.shuffle(order)
    shuffled = quietly(crm.rfm.score, summary.iloc[order], method=method)
    pd.testing.assert_frame_equal(shuffled, scores.iloc[order])
    if method == "nested":
        return
    for letter, measure in crm.rfm.MEASURES.items():
        assert (scores[letter].groupby(summary[measure]).agg(np.ptp) == 0).all()
        ordered = scores[letter].iloc[np.argsort(summary[measure], kind="stable")].to_numpy()
        assert (np.diff(ordered) * (-1 if letter == "r" else 1) >= 0).all()


@given(summaries)
@settings(max_examples=60, deadline=None)
def test_nested_more_is_never_lower_among_the_customers_compared(summary):
    scores = quietly(crm.rfm.score, summary, method="nested").join(summary)
    for groups, letter in ((["r"], "f"), (["r", "f"], "m")):
        for _, group in scores.groupby(groups):
            ordered = group.sort_values(crm.rfm.MEASURES[letter], kind="stable")[letter].to_numpy()
            assert (np.diff(ordered) >= 0).all()


def test_large_ties_are_scored_lowest_by_quantiles_and_in_the_middle_by_ranks():
    summary = pd.DataFrame({"recency_days": range(100), "frequency": [1] * 80 + [2] * 20, "monetary": np.arange(100.0)})
    assert quietly(crm.rfm.score, summary)["f"].tolist() == [1] * 80 + [5] * 20
    assert quietly(crm.rfm.score, summary, method="rank")["f"].tolist() == [3] * 80 + [5] * 20


def test_the_documented_example_of_r_comes_out(data_file):
    orders = pd.read_csv(data_file("rfm_data_orders.csv.gz")).rename_axis("row").reset_index()
    names = {"customer": "customer_id", "time": "order_date", "amount": "revenue", "order": "row"}
    summary = crm.rfm.summarize(orders, as_of="2006-12-31", **names)
    assert len(summary) == 995
    thresholds = crm.rfm.thresholds(summary, method="r")
    np.testing.assert_allclose(thresholds.recency_days, [115, 181, 297.4, 482], rtol=1e-12)
    np.testing.assert_array_equal(thresholds.frequency, [4, 5, 6, 8])
    np.testing.assert_allclose(thresholds.monetary, [255.8, 382, 506.4, 666], rtol=1e-12)
    scores = crm.rfm.score(summary, method="r")
    printed = {
        "Abbey O'Reilly": (205, 6, 472, "343"),
        "Add Senger": (140, 3, 340, "412"),
        "Aden Lesch": (194, 4, 405, "323"),
        "Aden Murphy": (98, 7, 596, "544"),
        "Admiral Senger": (132, 5, 448, "433"),
    }
    for name, row in printed.items():
        assert (*summary.loc[name], scores.loc[name, "rfm"]) == row
    segments = crm.rfm.segment(scores, crm.rfm.SEGMENTS_R)
    found = summary.groupby(segments, observed=True).agg(
        customers=("frequency", "size"), orders=("frequency", "sum"), revenue=("monetary", "sum")
    )
    assert {name: tuple(row) for name, row in found.iterrows()} == {
        "Champions": (35, 316, 31646),
        "Potential Loyalist": (342, 2211, 204856),
        "Loyal Customers": (170, 799, 76562),
        "Promising": (9, 28, 4249),
        "New Customers": (104, 329, 28837),
        "Can't Lose Them": (47, 274, 32446),
        "At Risk": (28, 216, 22227),
        "Need Attention": (10, 57, 4562),
        "About To Sleep": (102, 283, 23449),
        "Lost": (148, 393, 35324),
    }


def test_given_thresholds_apply_to_new_customers():
    summary = pd.DataFrame({"recency_days": [10, 11], "frequency": [2, 3], "monetary": [5.0, 5.1]})
    thresholds = {"recency_days": [10], "frequency": [2], "monetary": [5.0]}
    assert crm.rfm.score(summary, bins=2, thresholds=thresholds)["rfm"].tolist() == ["211", "122"]
    for bad in ({"recency_days": [1]}, {**thresholds, "monetary": [2, 1]}, {**thresholds, "monetary": [np.nan]}):
        with pytest.raises(OptionError, match="thresholds"):
            crm.rfm.score(summary, bins=2, thresholds=bad)


def test_thresholds_and_options_that_contradict_each_other_are_refused():
    summary = pd.DataFrame({"recency_days": [1, 2], "frequency": [1, 2], "monetary": [1.0, 2.0]})
    kept = crm.rfm.thresholds(summary, bins=2)
    assert crm.rfm.score(summary, bins=2, thresholds=kept)["rfm"].tolist() == ["211", "122"]
    for options in ({"bins": 3}, {"method": "rank"}):
        with pytest.raises(OptionError, match="drop these arguments"):
            crm.rfm.score(summary, thresholds=kept, **options)
    with pytest.raises(OptionError, match="nothing to find"):
        crm.rfm.score(summary, method="rank", thresholds={})
    for options in ({"method": "fixed"}, {"cuts": {}}):
        with pytest.raises(OptionError, match="needs the cut points"):
            crm.rfm.thresholds(summary, **options)
    with pytest.raises(OptionError, match="a list"):
        crm.rfm.score(summary, thresholds=[1, 2])
    fixed = {"recency_days": [1], "frequency": [1], "monetary": [1.0]}
    assert crm.rfm.thresholds(summary, bins=2, method="fixed", cuts=fixed).scores(2, 2, 2) == (1, 2, 2)
    with pytest.raises(DataError, match="frequency is missing or infinite in 1 places"):
        kept.scores(1, np.nan, 2)
    with pytest.raises(OptionError, match="must be ascending"):
        crm.rfm.Thresholds.from_dict({**kept.to_dict(), "bins": 3})


def test_scores_that_nobody_gets_are_told():
    few = pd.DataFrame({"recency_days": [1, 2], "frequency": [1, 2], "monetary": [1.0, 2.0]})
    with pytest.warns(DataWarning, match="because there are only 2 customers"):
        crm.rfm.score(few)
    with pytest.warns(DataWarning, match="of the 8 combinations of scores are given to nobody"):
        crm.rfm.score(few, bins=2, method="nested")
    summary = pd.DataFrame({"recency_days": range(100), "frequency": [1] * 90 + [5] * 10, "monetary": np.arange(100.0)})
    with pytest.warns(DataWarning, match=r"frequency: nobody is scored \[2, 3, 4\] because customers share values"):
        scores = crm.rfm.score(summary)
    assert scores["f"].tolist() == [1] * 90 + [5] * 10


@pytest.mark.parametrize("bad", [{"bins": 1}, {"bins": 10}, {"bins": 5.0}, {"bins": True}, {"method": "guess"}], ids=str)
def test_options_are_checked(bad):
    with pytest.raises(OptionError, match=next(iter(bad))):
        crm.rfm.score(pd.DataFrame({"recency_days": [1], "frequency": [1], "monetary": [1.0]}), **bad)
    with pytest.raises(OptionError, match="monetary"):
        crm.rfm.summarize(pd.DataFrame(), monetary="median")


# ── segments ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def every_score():
    return pd.DataFrame([(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)], columns=["r", "f", "m"])


def test_every_customer_is_in_exactly_one_box_of_the_default_map():
    scores = every_score()
    inside = sum(
        np.logical_and.reduce([scores[letter].between(*box) for letter, box in zip("rfm", boxes, strict=True)])
        for boxes in crm.rfm.SEGMENTS.values()
    )
    assert (inside == 1).all()
    assert "Others" not in set(crm.rfm.segment(scores))


def test_the_first_match_wins_and_the_rest_are_others():
    boxes = {"Top": ((5, 5), (1, 5), (1, 5)), "Good": ((4, 5), (4, 5), (1, 5))}
    scores = pd.DataFrame({"r": [5, 4, 1], "f": [5, 4, 5], "m": [1, 1, 1]}, index=["a", "b", "c"])
    named = crm.rfm.segment(scores, boxes)
    assert named.to_dict() == {"a": "Top", "b": "Good", "c": "Others"}
    assert named.name == "segment"
    assert list(named.cat.categories) == ["Top", "Good", "Others"]


def test_a_map_of_ones_own_is_checked():
    scores = every_score()
    crm.rfm.segment(scores, strict=True)
    with pytest.raises(
        OptionError, match=r"'Champions' and 'Potential Loyalist' overlap in 1 combinations of scores, the first r=5, f=5, m=5"
    ):
        crm.rfm.segment(scores, crm.rfm.SEGMENTS_R, strict=True)
    gap = {"Top": ((5, 5), (1, 5), (1, 5)), "Rest": ((1, 3), (1, 5), (1, 5))}
    with pytest.raises(OptionError, match=r"leave 25 of 125 combinations of scores to 'Others', the first r=4, f=1, m=1"):
        crm.rfm.segment(scores, gap, strict=True)
    with pytest.warns(DataWarning, match=r"nobody can be in \['Best'\]"):
        crm.rfm.segment(scores, {"All": ((1, 5),) * 3, "Best": ((5, 5),) * 3})
    own = crm.rfm.segment(scores, {"Others": ((5, 5),) * 3, "Rest": ((1, 5),) * 3}, strict=False)
    assert own.value_counts().to_dict() == {"Rest": 124, "Others": 1}


def test_maps_and_scores_that_do_not_fit_are_refused():
    scores = pd.DataFrame({"r": [5, 7], "f": [5, 1], "m": [1, 1]})
    with pytest.raises(DataError, match=r"'r': 1 above 5.*row 1 \(7\)"):
        crm.rfm.segment(scores)
    with pytest.raises(DataError, match="below 1"):
        crm.rfm.segment(scores.assign(r=0))
    with pytest.raises(DataError, match="not whole"):
        crm.rfm.segment(scores.assign(r=1.5))
    with pytest.raises(ColumnError, match="'m'"):
        crm.rfm.segment(scores[["r", "f"]])
    for boxes in ({}, {"x": ((1, 5), (1, 5))}, {"x": ((5, 1), (1, 5), (1, 5))}, {"x": "555"}, {"x": ((1.5, 2), (1, 5), (1, 5))}):
        with pytest.raises(OptionError, match="segment"):
            crm.rfm.segment(scores, boxes)


def test_polars_in_polars_out():
    orders = pl.DataFrame(
        {"customer_id": ["b", "a"], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-03"]), "amount": [1.0, 2.0]}
    )
    summary = crm.rfm.summarize(orders)
    assert summary.columns == ["customer_id", "recency_days", "frequency", "monetary"]
    scores = crm.rfm.score(summary)
    assert scores.columns == ["customer_id", "r", "f", "m", "rfm"]
    assert crm.rfm.segment(scores).columns == ["customer_id", "segment"]
