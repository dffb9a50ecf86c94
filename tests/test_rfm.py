"""Recency, frequency and monetary value against pandas; scores by their definition; segments by their boxes."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit as crm
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError

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


# ── scores ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

summaries = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 8), st.sampled_from([0.0, 0.5, 1.0, 2.5, 10.0, 99.0])), min_size=1, max_size=40
).map(lambda rows: pd.DataFrame(rows, columns=["recency_days", "frequency", "monetary"]))


@given(summaries, st.integers(2, 9))
@settings(max_examples=100, deadline=None)
def test_the_score_is_one_more_than_the_quantiles_below(summary, bins):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        scores = crm.rfm.score(summary, bins=bins)
    for letter, measure in crm.rfm.MEASURES.items():
        cuts = [np.quantile(summary[measure], k / bins) for k in range(1, bins)]
        below = [sum(cut < value for cut in cuts) for value in summary[measure]]
        expected = [bins - b if letter == "r" else b + 1 for b in below]
        assert scores[letter].tolist() == expected
    assert scores["rfm"].tolist() == [f"{r}{f}{m}" for r, f, m in zip(scores["r"], scores["f"], scores["m"], strict=True)]


@given(summaries, st.sampled_from([0.001, 0.01, 7.0, 1000.0]))
@settings(max_examples=60, deadline=None)
def test_scores_do_not_depend_on_the_currency_and_more_is_never_lower(summary, rate):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        scores = crm.rfm.score(summary)
        exchanged = crm.rfm.score(summary.assign(monetary=summary["monetary"] * 2.0 ** round(np.log2(rate))))
    pd.testing.assert_frame_equal(scores, exchanged)
    for letter, measure in crm.rfm.MEASURES.items():
        ordered = scores[letter].iloc[np.argsort(summary[measure], kind="stable")].to_numpy()
        assert (np.diff(ordered) * (-1 if letter == "r" else 1) >= 0).all()


def test_given_thresholds_apply_to_new_customers():
    summary = pd.DataFrame({"recency_days": [10, 11], "frequency": [2, 3], "monetary": [5.0, 5.1]})
    thresholds = {"recency_days": [10], "frequency": [2], "monetary": [5.0]}
    assert crm.rfm.score(summary, bins=2, thresholds=thresholds)["rfm"].tolist() == ["211", "122"]
    for bad in ({"recency_days": [1]}, {**thresholds, "monetary": [2, 1]}, {**thresholds, "monetary": [np.nan]}):
        with pytest.raises(OptionError, match="thresholds"):
            crm.rfm.score(summary, bins=2, thresholds=bad)


def test_scores_that_nobody_gets_are_told():
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
    for boxes in ({}, {"x": ((1, 5), (1, 5))}, {"x": ((5, 1), (1, 5), (1, 5))}, {"x": "555"}):
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
