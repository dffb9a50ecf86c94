"""Pictures of feedback: what they show is what the results say."""

import numpy as np
import pandas as pd
import pytest

from crmkit import datasets, feedback, plot

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
SURVEY = datasets.make_survey(n_customers=2000, waves=5, drivers={"service": 0.6, "price": 0.3, "waiting": -0.2}).survey


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def test_bars_are_the_shares_of_the_answers():
    ax = plot.feedback_distribution(SURVEY)
    heights = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in ax.patches}
    assert sum(heights.values()) == pytest.approx(1)
    assert heights[10] == pytest.approx((SURVEY["score"] == 10).mean())
    assert f"n = {len(SURVEY):,}" in ax.get_xlabel()
    assert [text.get_text().split()[0] for text in ax.get_legend().get_texts()] == ["detractors", "passives", "promoters"]


def test_a_trend_shows_its_values_and_marks_those_outside():
    scores = SURVEY["score"].where(SURVEY["wave"] < 5, 10)
    found = feedback.trend(SURVEY.assign(score=scores))
    ax = plot.feedback_trend(found)
    line = next(line for line in ax.lines if len(line.get_ydata()) == 5)
    assert line.get_ydata() == pytest.approx(found.table["value"].to_numpy())
    assert "outside" in [text.get_text() for text in ax.get_legend().get_texts()]
    gap = feedback.trend(SURVEY[SURVEY["wave"] != 3], window=1)
    assert gap.table["value"].isna().sum() == 1
    plot.feedback_trend(gap, ax=matplotlib.pyplot.subplots()[1])


def test_the_waterfall_ends_at_the_total():
    waves = [feedback.nps(SURVEY[SURVEY["wave"] == wave], by="segment") for wave in (1, 5)]
    change = feedback.decompose_change(*waves)
    bars = plot.feedback_change(change).patches
    assert len(bars) == 5
    last_part = bars[-2]
    assert last_part.get_x() + last_part.get_width() == pytest.approx(change.total.value)
    assert bars[-1].get_x() == 0
    assert bars[-1].get_width() == pytest.approx(change.total.value)


def test_drivers_stand_in_order_with_their_sign():
    found = feedback.key_drivers(SURVEY, drivers=["waiting", "price", "service"], replicates=100)
    ax = plot.feedback_drivers(found)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["service (+)", "price (+)", "waiting (−)"]
    values = np.sort(found.table["importance"])[::-1]
    assert next(iter(ax.lines)).get_xdata() == pytest.approx(values)


def test_other_frames_draw_the_same():
    polars = pytest.importorskip("polars")
    other = feedback.trend(polars.from_pandas(SURVEY[["score", "timestamp"]]))
    plot.feedback_trend(other)
    frame = pd.DataFrame({"score": [1, 5, 5], "g": [1, 1, 2]})
    plot.feedback_distribution(frame, scale=(1, 5), detractors_to=3, promoters_from=5)
