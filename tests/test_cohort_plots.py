"""Pictures of segments and cohorts: they draw what the tables say, with units and numbers of cases."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

import crmkit as crm
from crmkit import datasets, plot
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError

figures = pytest.importorskip("matplotlib.figure")
pytestmark = pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")


@pytest.fixture
def ax():
    return figures.Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def shop():
    lines = datasets.make_transactions(n_customers=300, weeks=80).transactions
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        summary = crm.rfm.summarize(lines, order="order_id")
        scores = crm.rfm.score(summary)
    return lines, summary, scores, crm.rfm.segment(scores)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_the_map_counts_every_customer(shop, ax):
    _, _, scores, _ = shop
    assert plot.rfm_map(scores, ax=ax) is ax
    counted = [int(words.split("\n")[-1].replace(",", "")) for words in texts(ax)]
    assert sum(counted) == len(scores)
    assert f"n = {len(scores)}" in ax.get_xlabel()
    mixed = plot.rfm_map(scores, segments=crm.rfm.SEGMENTS_R, ax=ax)
    assert any("(+" in words for words in texts(mixed))


@pytest.mark.parametrize("measure", ["monetary", "frequency", "recency_days"])
def test_the_heatmap_holds_means(shop, ax, measure):
    _, summary, scores, _ = shop
    plot.rfm_heatmap(scores, summary, measure=measure, ax=ax)
    best = summary[(scores["r"] == 5) & (scores["f"] == 5)]
    assert f"{best[measure].mean():,.0f}\nn = {len(best)}" in texts(ax)
    with pytest.raises(DataError, match="pass the same customers"):
        plot.rfm_heatmap(scores, summary.iloc[1:], ax=ax)
    with pytest.raises(OptionError, match="measure"):
        plot.rfm_heatmap(scores, summary, measure="profit", ax=ax)
    with pytest.raises(DataError, match="no rows"):
        plot.rfm_heatmap(scores.iloc[:0], summary.iloc[:0], ax=ax)


@pytest.mark.parametrize("measure", ["monetary", "frequency", "recency_days"])
def test_the_distributions_name_the_numbers_of_customers(shop, ax, measure):
    _, summary, _, segments = shop
    plot.rfm_distributions(segments, summary, measure=measure, ax=ax)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    counts = segments.value_counts()
    assert labels == [f"{name}\nn = {counts[name]:,}" for name in segments.cat.categories if counts[name]]
    with pytest.raises(DataError, match="pass the same customers"):
        plot.rfm_distributions(segments, summary.iloc[1:], ax=ax)


def test_the_transition_matrix_holds_shares_and_customers(ax):
    before, after = pd.Series(["A", "A", "A", "B$"]), pd.Series(["A", "B$", "B$", "B$"])
    plot.rfm_transitions(crm.rfm.transitions(before, after), ax=ax)
    assert texts(ax) == ["33 %\n1", "67 %\n2", "0", "100 %\n1"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A\nn = 3", "B\\$\nn = 1"]
    with pytest.raises(DataError, match="no rows"):
        plot.rfm_transitions(crm.rfm.transitions(before, after).iloc[:0], ax=ax)


def test_the_lorenz_curve_says_what_the_best_hold(shop, ax):
    found = crm.rfm.concentration(shop[0], order="order_id", top=0.2)
    plot.rfm_lorenz(found, ax=ax)
    assert f"best 20 %: {100 * found.top_share.value:.0f} %" in texts(ax)[0]
    assert f"Gini {found.gini.value:.2f}" in ax.get_title()


@pytest.mark.parametrize("measure", ["customers", "net_revenue", "gross_revenue", "cumulative_revenue"])
def test_the_triangle_is_written_out_and_unfinished_periods_are_hatched(shop, ax, measure):
    table = crm.cohort.retention(shop[0], period="Q", order="order_id", measure=measure)
    plot.cohort_heatmap(table, ax=ax)
    percent = 1 if measure == "cumulative_revenue" else 100
    assert texts(ax) == [f"{percent * value:,.0f}" for value in table["value"]]
    assert len(ax.patches) == (~table["mature"]).sum() > 0
    names = [label.get_text() for label in ax.get_yticklabels()]
    sizes = table.groupby("cohort")["n"].first()
    assert names == [f"{day.date()}  n = {n:,}" for day, n in sizes.items()]


def test_heatmaps_draw_one_group_and_only_cohorts(shop, ax):
    table = crm.cohort.retention(shop[0], period="Q", order="order_id")
    plot.cohort_heatmap(pl.from_pandas(table), ax=ax)
    half = pd.Series(dict.fromkeys(shop[1].index, "x"))
    with pytest.raises(DataError, match="one by one"):
        plot.cohort_heatmap(crm.cohort.retention(shop[0], period="Q", order="order_id", by=half), ax=ax)
    with pytest.raises(DataError, match="no cells"):
        plot.cohort_heatmap(table.iloc[:0], ax=ax)
    with pytest.raises(ColumnError, match="cohort"):
        plot.cohort_heatmap(table.drop(columns="cohort"), ax=ax)


def test_the_curves_are_averages_of_what_is_over(shop, ax):
    table = crm.cohort.retention(shop[0], period="Q", order="order_id")
    plot.cohort_retention(table, ax=ax)
    average = crm.cohort.average(table)
    drawn = ax.get_lines()[-1]
    np.testing.assert_allclose(drawn.get_ydata(), 100 * average["value"])
    assert f"n = {average['n'].max():,}" in ax.get_legend().get_texts()[0].get_text()
    assert ax.get_ylabel() == "customers active (%), with 95 % interval"


def test_groups_are_lines_of_their_own(shop, ax):
    half = pd.Series({customer: "odd" if place % 2 else "even" for place, customer in enumerate(shop[1].index)})
    options = {"period": "Q", "order": "order_id", "by": half, "measure": "cumulative_revenue"}
    plot.cohort_retention(crm.cohort.retention(shop[0], **options), level=0.8, ax=ax)
    assert [text.get_text().split(" (")[0] for text in ax.get_legend().get_texts()] == ["even", "odd"]
    assert ax.get_ylabel() == "revenue so far per customer, with 80 % interval"
