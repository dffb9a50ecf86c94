"""Satisfaction and effort against worked values and their definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import feedback, intervals
from crmkit.errors import DataError, DataWarning, OptionError

WORKED = [1] * 5 + [2] * 10 + [3] * 25 + [4] * 90 + [5] * 70


def test_satisfaction_agrees_with_the_worked_example():
    found = feedback.csat(WORKED)
    assert found.value == 0.8
    assert (found.ci_low, found.ci_high) == pytest.approx((0.739145, 0.849548), abs=5e-7)
    assert found.mean == 4.05
    assert found.mean_se * np.sqrt(200) == pytest.approx(0.949742, abs=5e-7)
    assert (found.mean_ci_low, found.mean_ci_high) == pytest.approx((3.917569, 4.182431), abs=5e-7)
    assert found.index == pytest.approx(100 * 3.05 / 4)
    assert (found.n, found.answers, found.method, found.reason) == (200, 200, "wilson", "")


@pytest.mark.parametrize(
    ("method", "ends"),
    # Newcombe (1998), table I, 81 of 263
    [("wald", (0.2522, 0.3638)), ("wilson", (0.2553, 0.3662)), ("clopper_pearson", (0.2527, 0.3676))],
)
def test_top_boxes_give_the_published_ends(method, ends):
    found = feedback.top_box([2] * 81 + [1] * 182, scale=(1, 2), method=method)
    assert (found.ci_low, found.ci_high) == pytest.approx(ends, abs=5e-5)


@pytest.mark.parametrize("method", ["wilson", "clopper_pearson", "jeffreys", "agresti_coull"])
def test_intervals_are_those_of_the_counts(method):
    found = feedback.csat(WORKED, method=method, level=0.9)
    assert (found.ci_low, found.ci_high) == pytest.approx(getattr(intervals, method)(160, 200, level=0.9))


def test_boxes_by_group_are_those_of_the_group_alone():
    frame = pd.DataFrame({"score": WORKED, "shop": ["a", "b", "b", "c"] * 50})
    table = feedback.csat(frame, by="shop")
    for shop, row in table.iterrows():
        assert row.to_dict() == feedback.csat(frame.loc[frame["shop"] == shop, "score"]).to_dict()


@given(st.lists(st.integers(1, 7), min_size=2, max_size=40))
def test_effort_is_ease_read_backwards(answers):
    flipped = [8 - answer for answer in answers]
    for measure in ("top_box", "net"):
        ease = feedback.ces(answers, scale=(1, 7), direction="ease", measure=measure)
        effort = feedback.ces(flipped, scale=(1, 7), direction="effort", measure=measure)
        assert (ease.value, ease.ci_low, ease.ci_high) == (effort.value, effort.ci_low, effort.ci_high)
    ease = feedback.ces(answers, scale=(1, 7), direction="ease")
    effort = feedback.ces(flipped, scale=(1, 7), direction="effort")
    assert ease.value == pytest.approx(8 - effort.value)
    assert ease.ci_low == pytest.approx(8 - effort.ci_high)
    index = feedback.ces(answers, scale=(1, 7), direction="ease", measure="top_box").index
    assert feedback.ces(flipped, scale=(1, 7), direction="effort", measure="top_box").index == pytest.approx(index)


def test_effort_scores_are_mean_top_box_and_net():
    answers = [7, 6, 5, 5, 3, 7, 6, 1]
    assert feedback.ces(answers, scale=(1, 7), direction="ease").value == 5
    assert feedback.ces(answers, scale=(1, 7), direction="ease", measure="top_box").value == 6 / 8
    assert feedback.ces(answers, scale=(1, 7), direction="ease", measure="net").value == 100 * (4 - 1) / 8
    assert feedback.ces([1, 2, 5], scale=(1, 5), direction="effort", measure="top_box").value == pytest.approx(2 / 3)
    frame = pd.DataFrame({"score": answers, "shop": list("aabbaabb")})
    table = feedback.ces(frame, by="shop", scale=(1, 7), direction="ease", min_n=1)
    assert table["value"].tolist() == [5.75, 4.25]


def test_direction_and_scale_of_effort_must_be_said():
    with pytest.raises(TypeError, match="direction"):
        feedback.ces([1, 2], scale=(1, 7))
    with pytest.raises(TypeError, match="scale"):
        feedback.ces([1, 2], direction="ease")
    with pytest.raises(OptionError, match="direction='high'"):
        feedback.ces([1, 2], scale=(1, 7), direction="high")
    with pytest.raises(OptionError, match="top=4"):
        feedback.ces([1, 2], scale=(1, 7), direction="ease", measure="net", top=4)


def test_weights_of_one_equal_no_weights():
    frame = pd.DataFrame({"score": WORKED, "one": 1.0})
    plain, weighted = feedback.csat(frame), feedback.csat(frame, weight="one")
    for name, value in plain.to_dict().items():
        assert weighted.to_dict()[name] == (pytest.approx(value, rel=1e-12) if isinstance(value, float | int) else value)


def test_single_answers_and_small_groups_say_why_numbers_are_missing():
    with pytest.warns(DataWarning, match="1 times a single answer has no interval of its mean"):
        one = feedback.csat([4])
    assert one.reason == "one answer: no interval of the mean"
    assert one.value == 1.0
    assert np.isnan(one.mean_se)
    with pytest.raises(DataError, match="one answer: no interval"):
        feedback.ces([4], scale=(1, 7), direction="ease")
    frame = pd.DataFrame({"score": [5, 4, 4, 1, 2, 3], "shop": list("aaabbc")})
    table = feedback.csat(frame, by="shop", min_n=3)
    assert table["reason"].tolist() == ["", "fewer than 3 answers", "fewer than 3 answers"]
    assert table["answers"].tolist() == [3, 2, 1]
    assert table["value"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"scale": (1, 4)}, DataError, r"off the scale 1 to 4, the first in row 130 \(5\)"),
        ({"scale": (5, 1)}, OptionError, "lowest answer comes first"),
        ({"scale": 5}, OptionError, "scale=5"),
        ({"scale": (1, 2, 3)}, OptionError, "scale="),
        ({"top": 5}, OptionError, "top=5"),
        ({"method": "exact"}, OptionError, "method='exact'"),
        ({"min_n": -1}, OptionError, "min_n=-1"),
    ],
)
def test_wrong_options_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        feedback.csat(WORKED, **options)
