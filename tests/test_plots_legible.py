"""Words in pictures can be read: legends beside the data, nothing struck through, the number of cases with its unit."""

import numpy as np
import pandas as pd
import pytest

import crmkit as crm
from crmkit import plot

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
# a few rows fit no model well, which is not what is tested here
pytestmark = pytest.mark.filterwarnings("ignore::crmkit.errors.CrmkitWarning")


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def box(ax, artist):
    """The place of an artist in the picture, in pixels."""
    ax.figure.canvas.draw()
    return artist.get_window_extent(ax.figure.canvas.get_renderer())


@pytest.fixture(scope="module")
def lines():
    return crm.datasets.make_transactions(n_customers=300, weeks=104).transactions


def test_the_legend_of_a_backtest_is_not_among_its_points(lines):
    log = crm.events(lines, order="order_id")
    policies = {
        "best": lambda past: crm.rfm.summarize(past)["monetary"].nlargest(20).index,
        "latest": lambda past: crm.rfm.summarize(past)["recency_days"].nsmallest(20).index,
    }
    replay = crm.targeting.backtest(log, policies, cutoffs=["2024-04-01", "2024-08-01"], measure="churned")
    ax = plot.targeting_backtest(replay)
    assert box(ax, ax.get_legend()).y0 >= box(ax, ax.patch).y1
    assert "90D" in ax.get_xlabel()


def test_the_legend_of_a_trend_is_not_among_its_points():
    answers = crm.datasets.make_survey(n_customers=800, waves=6, drift=2.5).survey
    ax = plot.feedback_trend(crm.feedback.trend(answers))
    assert box(ax, ax.get_legend()).y0 >= box(ax, ax.patch).y1
    assert "points per month" in ax.get_xlabel()


def test_no_hatching_goes_through_the_number_of_a_cell(lines):
    table = crm.cohort.retention(lines, period="Q", order="order_id")
    ax = plot.cohort_heatmap(table)
    backed = [text for text in ax.texts if text.get_bbox_patch() is not None]
    assert len(backed) == (~table["mature"]).sum() > 0


def test_rules_fill_the_picture_and_their_numbers_stand_on_paper():
    baskets = crm.datasets.make_interactions(n_customers=200).lines
    rules = crm.basket.rules(crm.basket.frequent_itemsets(baskets, min_support=0.002, order="order_id"), min_confidence=0.1)
    ax = plot.basket_rules(rules)
    top = 100 * rules["confidence"].max()
    assert top < ax.get_ylim()[1] <= max(101.0, 1.2 * top)
    assert all(text.get_bbox_patch() is not None for text in ax.texts)
    assert f"n = {len(rules):,} rules" in ax.get_xlabel()


@pytest.mark.parametrize("n", [1, 2])
def test_certain_rules_are_inside_the_picture(n):
    rules = pd.DataFrame(
        {
            "antecedent": [("a",)] * n,
            "consequent": [("b",)] * n,
            "support": [0.5] * n,
            "confidence": np.ones(n),
            "lift": np.full(n, 1.5),
        }
    )
    assert plot.basket_rules(rules).get_ylim() == (0, 101)


def test_words_that_a_line_may_cross_stand_on_paper(lines):
    y, p = np.tile([0, 1, 0, 1, 1], 20), np.tile([0.1, 0.9, 0.2, 0.8, 0.4], 20)
    curve = plot.targeting_profit(crm.targeting.profit_curve(y, p))
    assert any("chosen" in text.get_text() and text.get_bbox_patch() is not None for text in curve.texts)
    lorenz = plot.rfm_lorenz(crm.rfm.concentration(lines, order="order_id"), ax=matplotlib.pyplot.subplots()[1])
    assert lorenz.texts[0].get_bbox_patch() is not None
    area = crm.uplift.qini(y, p, np.arange(100) % 2)
    qini = plot.uplift_qini(area, ax=matplotlib.pyplot.subplots()[1])
    assert any("Qini" in text.get_text() and text.get_bbox_patch() is not None for text in qini.texts)
