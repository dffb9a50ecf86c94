"""The customer table: every column is what the function it names computes, and what is not there is said."""

import dataclasses
import os
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import crmkit as crm
from crmkit.errors import ColumnError, CrmkitWarning, DataError, DataWarning, OptionError

# few customers determine little and share scores, which the functions say, and which is not what is tested here
pytestmark = pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")

END = "2024-12-28"
compiled = os.environ.get("NUMBA_DISABLE_JIT") != "1"
LEVEL = 0.95 if compiled else None  # a thousand futures of everybody take compiled loops


@pytest.fixture(scope="module")
def store():
    return crm.datasets.make_store(n_customers=150, rng=4)


@pytest.fixture(scope="module")
def frames(store):
    return {
        name: getattr(store, name).reset_index().assign(customer_id=lambda f: f["contact_id"].map(store.people))
        for name in ("orders", "survey", "contacts")
    }


@pytest.fixture(scope="module")
def log(frames):
    return crm.events(frames["orders"], order="order_id", refunds="subtract")


@pytest.fixture(scope="module")
def found(log, frames):
    return crm.customers(log, survey=frames["survey"], contacts=frames["contacts"], level=LEVEL)


def same(column, expected):
    """Equal to the bit, on the same customers in the same order."""
    pd.testing.assert_series_equal(column, expected, check_names=False, check_exact=True, check_index_type=False)


# ── every column is what its function says ───────────────────────────────────────────────────────────────────────────────


def test_orders_are_those_of_the_log(found, log, frames):
    assert found.table.index.tolist() == list(log.customers)
    same(found.table["orders"], crm.rfm.summarize(log)["frequency"])
    same(found.table["recency_days"], crm.rfm.summarize(log)["recency_days"])
    same(found.table["revenue"], crm.rfm.summarize(log)["monetary"])
    lines = frames["orders"]
    refunds = -lines["amount"].clip(upper=0).groupby(lines["customer_id"]).sum().reindex(found.table.index)
    np.testing.assert_allclose(found.table["refunds"], refunds, rtol=1e-12)


def test_first_and_last_orders_are_moments_of_purchases_not_of_refunds(found, frames):
    lines = frames["orders"]
    # of an order that was sent back in full nothing remains
    left = lines.groupby("order_id").agg(total=("amount", "sum"), when=("timestamp", "min"), who=("customer_id", "first"))
    kept = left[left["total"] > 1e-9].groupby("who")["when"]
    assert (found.table["first_order"] == kept.min().reindex(found.table.index)).all()
    assert (found.table["last_order"] == kept.max().reindex(found.table.index)).all()


def test_scores_and_segments_are_those_of_rfm(found, log):
    scores = crm.rfm.score(crm.rfm.summarize(log))
    for name in "rfm":
        same(found.table[name], scores[name])
    same(found.table["segment"], crm.rfm.segment(scores))


@pytest.mark.parametrize("period", ["W", "M", "Q", "Y"])
def test_cohorts_have_the_sizes_that_retention_gives_them(log, period):
    table = crm.customers(log, period=period, churn_horizon=None, level=None).table
    sizes = crm.cohort.retention(log, period=period).drop_duplicates("cohort").set_index("cohort")["n"]
    assert table["cohort"].value_counts().sort_index().to_dict() == sizes[sizes > 0].to_dict()


def test_expectations_are_those_of_the_models(found, log):
    summary = crm.clv.summarize(log, unit="W")
    buying, spend = crm.clv.fit_bg_nbd(summary), crm.clv.fit_gamma_gamma(summary)
    same(found.table["p_alive"], crm.clv.p_alive(buying, summary))
    same(found.table["expected_purchases"], crm.clv.expected_purchases(buying, summary, horizon="52W"))
    same(found.table["expected_spend"], crm.clv.expected_spend(spend, summary))
    value = crm.clv.lifetime_value(buying, spend, summary)
    for name in ("current", "residual", "total"):
        same(found.table[f"value_{name}"], value[name])
    assert found.models["purchases"].to_dict() == buying.to_dict()


@pytest.mark.skipif(not compiled, reason="many draws: compiled loops only")
def test_intervals_are_those_of_the_prediction(found, log):
    summary = crm.clv.summarize(log, unit="W")
    buying, spend = crm.clv.fit_bg_nbd(summary), crm.clv.fit_gamma_gamma(summary)
    told = crm.clv.prediction_interval(buying, summary, horizon="52W", spend=spend).customers
    for measure, name in (("purchases", "purchases"), ("value", "revenue")):
        same(found.table[f"{name}_low"], told[f"{measure}_low"])
        same(found.table[f"{name}_high"], told[f"{measure}_high"])
    same(found.table["expected_revenue"], told["value"])


def test_value_takes_its_horizon_margin_and_discount(log):
    table = crm.customers(log, value_horizon="2Y", margin=0.4, annual_discount=0.0, level=None, churn_horizon=None).table
    summary = crm.clv.summarize(log, unit="W")
    models = crm.clv.fit_bg_nbd(summary), crm.clv.fit_gamma_gamma(summary)
    value = crm.clv.lifetime_value(*models, summary, horizon="2Y", margin=0.4, annual_discount=0.0)
    same(table["value_residual"], value["residual"])
    same(table["value_current"], value["current"])


def test_churn_is_that_of_a_panel_of_past_cutoffs(found, log):
    tomorrow = pd.Timestamp(END) + pd.Timedelta("1D")
    cutoffs = [tomorrow - pd.Timedelta(days=90 * k) for k in (3, 2, 1)]
    model = crm.churn.fit(crm.churn.panel(log, cutoffs=cutoffs, horizon="90D"))
    today = crm.churn.panel(log, cutoffs=[tomorrow], horizon=None)
    same(found.table["churn_probability"], crm.churn.predict(model, today).droplevel("cutoff"))


def test_the_next_item_is_the_first_of_the_top_items(found, log):
    model = crm.recommend.fit_item_knn(crm.recommend.interactions(log))
    best = crm.recommend.top_items(model, list(found.table.index), k=1).set_index("customer_id")
    same(found.table["next_item"], best["item_id"])
    assert (found.table["next_item_source"].astype(str) == best["source"].astype(str)).all()


def test_the_last_answer_is_the_latest(found, frames):
    answers = frames["survey"][frames["survey"]["customer_id"].isin(found.table.index)]
    last = answers.sort_values("timestamp").groupby("customer_id")["score"].last().reindex(found.table.index)
    np.testing.assert_array_equal(found.table["last_score"], last)
    count = answers["customer_id"].value_counts().reindex(found.table.index, fill_value=0)
    same(found.table["answers"].astype("int64"), count.astype("int64"))
    score = crm.feedback.nps(answers, customer="customer_id", time="timestamp", repeats="latest")
    kinds = found.table["last_answer"].value_counts()
    assert 100 * (kinds["promoter"] - kinds["detractor"]) / (len(last) - kinds["no answer"]) == pytest.approx(score.value)
    assert found.table["last_score"].isna().sum() == kinds["no answer"] == (count == 0).sum() > 0


def test_contact_records_are_counted(found, store):
    assert (found.table["contact_records"] == store.truth["records"].reindex(found.table.index)).all()


# ── what the columns are ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_column_has_a_unit_a_source_and_a_meaning(found):
    assert found.columns["column"].tolist() == found.table.columns.tolist()
    assert not (found.columns == "").any(axis=None)
    for source in found.columns["source"]:
        for name in source.split(", "):
            topic, _, function = name.partition(".")
            known = getattr(getattr(crm, topic), function, None) if function else getattr(crm, topic, None)
            assert callable(known) or name in ("survey", "contacts"), name
    assert found.as_of == END == found.table.attrs["as_of"]


def test_it_prints_columns_and_no_customers(found):
    text, page = repr(found), found._repr_html_()
    for column in found.table:
        assert column in text
        assert column in page
    for customer in found.table.index[:20]:
        assert str(customer) not in text
        assert str(customer) not in page
    assert page.count("<caption") == 1
    assert page.count('scope="col"') == 4
    assert "<script" not in page


def test_it_says_how_well_its_models_are_determined(found):
    for shown in (repr(found), found._repr_html_()):
        assert f"model of purchases: BG/NBD, {found.models['purchases'].diagnosis}" in shown
        assert "model of next item: ItemKnn" in shown
    halted = dataclasses.replace(
        found, models={"purchases": dataclasses.replace(found.models["purchases"], converged=False, diagnosis="")}
    )
    assert "model of purchases: BG/NBD, not converged" in repr(halted)


def test_it_travels(found):
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(again.table, found.table)
    assert dict(again.left_out) == dict(found.left_out)


# ── other frames, other logs ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_frames_hold_the_same_table_with_the_ids_first(found, frames, kind):
    def other(frame):
        plain = frame[["customer_id", *frame.columns.intersection(["timestamp", "order_id", "item_id", "amount", "score"])]]
        return pl.from_pandas(plain) if kind == "polars" else pa.Table.from_pandas(plain, preserve_index=False)

    given = {name: other(frame) for name, frame in frames.items()}
    told = crm.customers(
        given["orders"], order="order_id", refunds="subtract", survey=given["survey"], contacts=given["contacts"], level=LEVEL
    )
    assert type(told.table) is type(told.columns) is type(given["orders"])
    table = told.table.to_pandas().set_index("customer_id")
    assert table.index.tolist() == found.table.index.tolist()
    assert table.columns.tolist() == found.table.columns.tolist()
    for name, column in found.table.items():
        if pd.api.types.is_numeric_dtype(column):
            # polars counts time in finer ticks: gaps between them round otherwise
            np.testing.assert_allclose(table[name].to_numpy(dtype=float), column, rtol=1e-9, err_msg=name)
        else:
            assert table[name].astype(str).tolist() == column.astype(str).tolist() or (table[name] == column).all(), name
    assert "p_alive" in repr(told)


def test_ids_keep_their_type_and_zones_their_clock(frames):
    lines = frames["orders"].assign(
        customer_id=frames["orders"]["customer_id"].astype("category"),
        timestamp=frames["orders"]["timestamp"].dt.tz_localize("Europe/Lisbon", ambiguous=True, nonexistent="shift_forward"),
    )
    table = crm.customers(lines, order="order_id", refunds="drop", level=None, churn_horizon=None).table
    assert isinstance(table.index.dtype, pd.CategoricalDtype)
    assert str(table["first_order"].dt.tz) == "Europe/Lisbon"
    assert "refunds" not in table


def test_what_comes_later_is_not_in_an_earlier_table(log, frames):
    earlier = frames["orders"][frames["orders"]["timestamp"] < "2024-03-01"]
    options = {"level": None, "rng": 0}
    then = crm.customers(log.until("2024-03-01"), **options)
    cut = crm.customers(earlier, order="order_id", refunds="subtract", **options)
    pd.testing.assert_frame_equal(then.table, cut.table)
    assert then.as_of <= "2024-02-29"


def test_who_only_sent_back_has_no_row(frames):
    back = pd.DataFrame({"customer_id": ["zz"], "timestamp": [pd.Timestamp("2024-05-01")], "amount": [-5.0]})
    lines = pd.concat([frames["orders"].drop(columns=["item_id", "contact_id", "order_id"]), back], ignore_index=True)
    table = crm.customers(lines, refunds="subtract", level=None, churn_horizon=None).table
    assert "zz" not in table.index
    assert table.index.equals(crm.rfm.summarize(lines, refunds="subtract").index)
    with pytest.raises(DataError, match="no purchase"):
        crm.customers(back, refunds="subtract")


def test_the_customers_need_not_be_the_first_in_the_log(log):
    """Refunds of customers without a row do not slip to their neighbours."""
    lines = pd.DataFrame(
        {
            "customer_id": ["a", "b", "b", "c", "c", "d"],
            "timestamp": pd.date_range("2024-01-01", periods=6),
            "amount": [-3.0, 10.0, -4.0, 7.0, 5.0, -1.0],
        }
    )
    table = crm.customers(lines, refunds="subtract", level=None, churn_horizon=None).table
    assert table.index.tolist() == ["b", "c"]
    assert table["refunds"].tolist() == [4.0, 0.0]
    assert table["revenue"].tolist() == [6.0, 12.0]


# ── what is left out, and how it is said ─────────────────────────────────────────────────────────────────────────────────


def test_without_amounts_and_items_their_parts_are_left_out_in_words_without_a_warning(frames):
    lines = frames["orders"][frames["orders"]["amount"] > 0].drop(columns=["amount", "item_id"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", CrmkitWarning)
        told = crm.customers(lines, order="order_id", amount=None, level=LEVEL)
    assert set(told.left_out) == {"revenue and segments", "spend", "value", "next item"}
    assert "no amount" in told.left_out["spend"]
    assert "no item" in told.left_out["next item"]
    assert {"orders", "p_alive", "expected_purchases", "churn_probability"} <= set(told.table)
    assert not {"revenue", "r", "segment", "expected_spend", "value_total", "next_item"} & set(told.table)
    assert "left out: next item" in repr(told)


def test_too_few_purchases_leave_models_out_with_a_warning_and_nothing_missing():
    few = pd.DataFrame(
        {"customer_id": ["a", "b", "c"], "timestamp": pd.date_range("2024-01-01", periods=3), "amount": [5.0, 6.0, 7.0]}
    )
    with pytest.warns(DataWarning, match="do not determine .*churn.*left_out"):
        told = crm.customers(few)
    assert {"purchases to come", "spend", "value", "churn"} <= set(told.left_out)
    assert "3 days" in told.left_out["churn"]
    assert not told.table.isna().any(axis=None)
    assert told.table["orders"].tolist() == [1, 1, 1]


def test_nobody_without_an_answer_is_left_without_a_word(found):
    silent = found.table[found.table["last_score"].isna()]
    assert (silent["last_answer"] == "no answer").all()
    assert not found.table.drop(columns="last_score").isna().any(axis=None)


def test_free_repeat_purchases_say_nothing_about_spend(frames):
    lines = frames["orders"][frames["orders"]["amount"] > 0]
    free = lines["customer_id"].iloc[0]
    mine = lines["customer_id"] == free
    first = lines.loc[mine, "timestamp"].min()
    lines = lines.assign(amount=lines["amount"].where(~mine | (lines["timestamp"] == first), 0.0))
    assert mine.sum() > 1
    told = crm.customers(lines, order="order_id", churn_horizon=None, level=LEVEL)
    row = told.table.loc[free]
    assert row["expected_spend"] == pytest.approx(crm.clv.expected_spend(told.models["spend"]))
    assert row["value_current"] == pytest.approx(lines.loc[mine, "amount"].sum())
    assert row["value_total"] == row["value_current"] + row["value_residual"]


def test_who_has_every_item_gets_one_again():
    lines = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", "b", "b", "c"],
            "timestamp": pd.date_range("2024-01-01", periods=6, freq="7D"),
            "item_id": ["tea", "milk", "tea", "tea", "milk", "tea"],
        }
    )
    table = crm.customers(lines, amount=None, level=None, churn_horizon=None).table
    assert table["next_item_source"].tolist() == ["bought before", "bought before", "item_knn"]
    assert table.loc["c", "next_item"] == "milk"


def test_strangers_are_counted_not_added(log, frames):
    extra = pd.concat([frames["contacts"], frames["contacts"].iloc[:3].assign(customer_id="nobody")])
    with pytest.warns(DataWarning, match=r"4 of [\d,]+ contact records belong to nobody who bought"):
        told = crm.customers(log, contacts=extra, level=None, churn_horizon=None)
    assert "nobody" not in told.table.index


def test_broken_surveys_and_contacts_are_refused_not_left_out(log, frames):
    quick = {"level": None, "churn_horizon": None}
    survey = frames["survey"]
    with pytest.raises(DataError, match="answered before"):
        crm.customers(log, survey=survey, survey_time=None, **quick)
    with pytest.raises(ColumnError, match="when"):
        crm.customers(log, survey=survey, survey_time="when", **quick)
    with pytest.raises(DataError, match=r"score.*off the scale"):
        crm.customers(log, survey=survey.assign(score=11), **quick)
    with pytest.raises(ColumnError, match="customer_id"):
        crm.customers(log, survey=survey.drop(columns="customer_id"), **quick)
    with pytest.raises(ColumnError, match="customer_id"):
        crm.customers(log, contacts=frames["contacts"].drop(columns="customer_id"), **quick)
    with pytest.raises(DataError, match="convert them to one type"):
        crm.customers(log, contacts=frames["contacts"].assign(customer_id=range(len(frames["contacts"]))), **quick)
    once = survey.drop_duplicates("customer_id").drop(columns="timestamp")
    assert crm.customers(log, survey=once, **quick).table["answers"].max() == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"horizon": "1M"}, "horizon"),
        ({"horizon": None}, "horizon"),
        ({"value_horizon": 52}, "value_horizon"),
        ({"churn_horizon": "soon"}, "churn_horizon"),
        ({"annual_discount": -0.1}, "annual_discount"),
        ({"annual_discount": 0.0}, "annual_discount"),
        ({"margin": "half"}, "margin"),
        ({"level": 95}, "level"),
        ({"period": "H"}, "period"),
        ({"rng": "seed"}, "rng"),
        ({"customer": "contact_id"}, "drop"),
    ],
)
def test_unusable_options_are_named_before_anything_is_computed(log, options, named):
    with pytest.raises(OptionError, match=re.escape(named)):
        crm.customers(log, **options)


def test_a_log_without_times_or_with_a_column_in_the_way_is_refused(frames):
    lines = frames["orders"]
    with pytest.raises(ColumnError, match="no time"):
        crm.customers(crm.events(lines, time=None, refunds="drop"))
    with pytest.raises(OptionError, match=r"'segment'.*rename"):
        crm.customers(
            lines.rename(columns={"customer_id": "segment"}), customer="segment", refunds="drop", level=None, churn_horizon=None
        )


@pytest.mark.skipif(not compiled, reason="large data: compiled loops only")
def test_a_wholesalers_invoices_make_a_table_without_gaps(data_file):
    raw = pd.read_parquet(data_file("online_retail_ii_invoices.parquet"))
    lines = raw.assign(amount=raw["gross"] - raw["refund"].abs())[["customer_id", "timestamp", "amount"]]
    log = crm.events(lines, refunds="subtract")
    told = crm.customers(log, level=None, churn_horizon=None)
    assert told.table.index.tolist() == list(log.customers)
    assert set(told.left_out) == {"next item"}
    numbers = told.table.select_dtypes("number").to_numpy(dtype=float)
    assert np.isfinite(numbers).all()
    assert told.table["revenue"].sum() == pytest.approx(log.orders.amount.sum())
    # what was asked back came off purchases, or off nothing, which the log reports
    unmatched = log.dropped["amount of refunds that came off no purchase"]
    gross = lines.loc[lines["amount"] > 0, "amount"].sum()
    refunded = -lines["amount"].clip(upper=0).sum()
    assert told.table["revenue"].sum() == pytest.approx(gross - (refunded - unmatched))
