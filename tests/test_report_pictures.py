"""Pictures that the report draws: their numbers are those of the tables, and they take any frame."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from crmkit import datasets, events, feedback, plot, rfm
from crmkit.errors import DataError, OptionError

matplotlib = pytest.importorskip("matplotlib")
pytestmark = pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")

CUSTOMERS = 120


@pytest.fixture(scope="module")
def shop():
    return datasets.make_transactions(n_customers=CUSTOMERS, rng=5)


@pytest.fixture(scope="module")
def survey(shop):
    return datasets.make_survey(shop.truth.index, response_rate=0.6, rng=7).survey


@pytest.fixture(scope="module")
def log(shop):
    return events(shop.transactions, order="order_id")


@pytest.fixture
def axes():
    figure = matplotlib.figure.Figure()
    return figure.subplots()


def test_segments_are_drawn_with_their_numbers(log, axes):
    summary = rfm.summarize(log)
    segments = rfm.segment(rfm.score(summary))
    assert plot.rfm_segments(segments, summary, ax=axes) is axes
    assert f"n = {CUSTOMERS}" in axes.get_legend().get_texts()[0].get_text()
    widths = [bar.get_width() for bar in axes.containers[0]]
    assert sum(widths) == pytest.approx(100)
    with pytest.raises(DataError, match=rf"segments has {CUSTOMERS} rows and summary 3"):
        plot.rfm_segments(segments, summary.iloc[:3], ax=axes)


def test_pictures_take_polars_too(axes):
    summary = pl.DataFrame({"customer_id": ["a", "b"], "recency_days": [1, 5], "frequency": [3, 1], "monetary": [9.0, 1.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segments = rfm.segment(rfm.score(summary))
    plot.rfm_segments(segments, summary, ax=axes)
    told = feedback.nps(pl.DataFrame({"shop": ["b", "a"], "score": [9, 1]}), by="shop")
    drawn = plot.feedback_nps(told, ax=axes)
    assert [label.get_text() for label in drawn.get_yticklabels()] == ["a\nn = 1", "b\nn = 1"]


def test_intervals_are_drawn_on_their_scale(survey, axes):
    told = feedback.nps(survey, by="segment", level=0.9)
    plot.feedback_nps(told, overall=feedback.nps(survey), ax=axes)
    assert axes.get_xlabel() == "Net Promoter Score, with 90 % interval"
    low, high = axes.get_xlim()
    assert low < told["ci_low"].min()
    assert high > told["ci_high"].max()


def test_the_curve_of_value_is_the_share_of_the_best(axes):
    plot.clv_value([1.0, 0.0, 3.0, 0.0], truth=[0.0, 0.0, 2.0, 2.0], ax=axes)
    curve = next(line for line in axes.get_lines() if "expected" in str(line.get_label()))
    assert curve.get_ydata().tolist() == [0, 75, 100, 100, 100]
    true = next(line for line in axes.get_lines() if "true" in str(line.get_label()))
    assert true.get_ydata().tolist() == [0, 50, 50, 50, 100]
    for bad in ([], [0.0], [-1.0, 2.0]):
        with pytest.raises(DataError):
            plot.clv_value(bad, ax=axes)
    with pytest.raises(DataError, match="truth has 1 rows"):
        plot.clv_value([1.0, 2.0], truth=[1.0], ax=axes)


def test_calibration_is_drawn_group_by_group(axes):
    plot.clv_calibration(pd.Series([3.0, 1.0, 2.0, 4.0]), np.array([2, 1, 1, 6]), groups=2, ax=axes)
    assert [bar.get_height() for bar in axes.containers[0]] == [1.0, 4.0]
    assert axes.get_lines()[0].get_ydata().tolist() == [1.5, 3.5]
    with pytest.raises(DataError, match="same customers"):
        plot.clv_calibration([1.0], [1, 2], ax=axes)
    with pytest.raises(OptionError, match="groups=1"):
        plot.clv_calibration([1.0], [1], groups=1, ax=axes)


def test_without_axes_a_figure_is_made():
    from matplotlib import pyplot

    backend = matplotlib.get_backend()
    pyplot.switch_backend("agg")
    try:
        drawn = plot.clv_value([2.0, 1.0])
        assert drawn.get_xlabel().startswith("share of the customers")
    finally:
        pyplot.close("all")
        pyplot.switch_backend(backend)
