"""Scores over time and why they move, against worked values and simulated truth."""

import numpy as np
import pandas as pd
import pytest

from crmkit.errors import DataError, OptionError
from crmkit.feedback import decompose_change, earned_growth, nps, trend


def test_a_year_of_answers_agrees_with_worked_values(data_file):
    frame = pd.read_csv(data_file("nps_testdata.csv.gz"), parse_dates=["date"])
    found = trend(frame, time="date", score="REC", method="wald")
    assert found.slope.value == pytest.approx(-0.84369, abs=1e-5)
    assert found.slope.se == pytest.approx(0.82149, abs=1e-5)
    assert found.z == pytest.approx(-1.02703, abs=1e-5)
    assert found.p_value == pytest.approx(0.30441, abs=5e-6)
    assert found.centre == pytest.approx(10)
    assert found.table["answers"].sum() == 1000
    assert len(found.table) == 12
    adjusted = trend(frame, time="date", score="REC")
    assert adjusted.slope.value == pytest.approx(found.slope.value, rel=0.05)


def dated(days, scores):
    return pd.DataFrame({"timestamp": pd.to_datetime(days, format="ISO8601"), "score": scores})


DAYS = ["2024-01-31 23:59", "2024-02-01", "2024-02-29", "2024-05-01", "2024-05-02", "2024-05-02"]
SCORES = [10, 3, 9, 8, 9, 10]


def test_windows_take_answers_together_and_periods_without_answers_stay():
    found = trend(dated(DAYS, SCORES), window=2)
    table = found.table
    assert table["period"].dt.strftime("%Y-%m-%d").tolist() == [f"2024-0{m}-01" for m in range(1, 6)]
    assert table["answers"].tolist() == [1, 2, 0, 0, 3]
    assert table["n"].tolist() == [1, 3, 2, 0, 3]
    # (10, 3, 9) together: 2 promoters, 1 detractor of 3
    assert table["value"].iloc[[0, 1, 2, 4]].to_numpy() == pytest.approx([100, 100 / 3, 0, 200 / 3])
    assert table["reason"].tolist() == ["", "", "", "no answers", ""]
    assert table["value"].isna().tolist() == [False, False, False, True, False]
    alone = nps([10, 3, 9])
    assert (table["ci_low"][1], table["ci_high"][1]) == pytest.approx((alone.ci_low, alone.ci_high))


@pytest.mark.parametrize(
    ("period", "first"),
    [("D", "2024-01-31"), ("W", "2024-01-29"), ("M", "2024-01-01"), ("Q", "2024-01-01"), ("Y", "2024-01-01")],
)
def test_periods_begin_where_the_calendar_says(period, first):
    frame = dated([*DAYS, "2025-12-31"], [*SCORES, 9])
    table = trend(frame, period=period).table
    assert table["period"].iloc[0] == pd.Timestamp(first)
    assert table["answers"].sum() == 7
    steps = {"D": "D", "W": "W-MON", "M": "MS", "Q": "QS", "Y": "YS"}
    expected = pd.date_range(first, "2025-12-31", freq=steps[period])
    assert table["period"].tolist() == expected.tolist()


def test_the_clock_of_the_zone_decides_the_day():
    frame = dated(["2024-01-31 23:30", "2024-02-10"], [9, 9])
    frame["timestamp"] = frame["timestamp"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    assert trend(frame, period="D").table["period"].iloc[0] == pd.Timestamp("2024-02-01")


def test_row_order_and_frame_kind_do_not_matter():
    import polars as pl

    frame = dated(DAYS, SCORES)
    shuffled = trend(frame.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(shuffled.table, trend(frame).table)
    elsewhere = trend(pl.from_pandas(frame))
    assert isinstance(elsewhere.table, pl.DataFrame)
    assert elsewhere.slope == shuffled.slope


def test_control_limits_hold_a_stable_score_and_see_a_jump():
    random = np.random.default_rng(2)
    days = pd.date_range("2022-01-01", "2023-12-31")
    when = days[random.integers(0, len(days), 24_000)]
    steady = trend(pd.DataFrame({"timestamp": when, "score": random.choice([3, 8, 10], len(when), p=[0.3, 0.3, 0.4])}))
    assert steady.table["outside"].sum() <= 1
    assert steady.p_value > 0.01
    late = when >= "2023-11-01"
    jumped = np.where(late, 10, random.choice([3, 8, 10], len(when), p=[0.3, 0.3, 0.4]))
    table = trend(pd.DataFrame({"timestamp": when, "score": jumped})).table
    assert table["outside"].tolist()[-2:] == [True, True]


def test_the_slope_covers_at_its_level():
    random, covered = np.random.default_rng(5), []
    months = pd.date_range("2023-01-01", periods=12, freq="MS")
    for _ in range(300):
        sizes = random.integers(20, 60, 12)
        up = 0.3 + 0.02 * np.arange(12)
        scores = [random.choice([3, 8, 10], n, p=[0.7 - p, 0.3, p]) for n, p in zip(sizes, up, strict=True)]
        found = trend(pd.DataFrame({"timestamp": np.repeat(months, sizes), "score": np.concatenate(scores)}))
        covered.append(found.slope.ci_low <= 4.0 <= found.slope.ci_high)
    assert 0.91 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"period": "H"}, OptionError, "period='H'"),
        ({"window": 0}, OptionError, "window=0"),
        ({"limits": 0}, OptionError, "limits=0"),
        ({"method": "t"}, OptionError, "method='t'"),
        ({"period": "Y"}, DataError, "one period"),
        ({"method": "wald"}, DataError, "all answers of a period are alike"),
    ],
)
def test_what_cannot_be_followed_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        trend(dated(DAYS, SCORES), **options)


# ── why it moved ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def rates(value, n, se, groups="ab"):
    return pd.DataFrame({"value": value, "n": n, "se": se}, index=list(groups))


def test_the_worked_change_is_plus_two_within_and_minus_eight_by_mix():
    change = decompose_change(rates([60.0, 20.0], [50, 50], [1.0, 1.0]), rates([62.0, 22.0], [30, 70], [1.0, 1.0]))
    parts = (change.total.value, change.within.value, change.mix.value)
    assert parts == pytest.approx((-6, 2, -8))
    assert change.table["within"].sum() == pytest.approx(2)
    assert change.table["mix"].sum() == pytest.approx(-8)
    assert str(change) == "-6 = within +2 + mix -8"


def test_the_total_is_the_change_of_the_whole_score():
    random = np.random.default_rng(7)
    waves = [pd.DataFrame({"score": random.integers(0, 11, 400), "g": random.choice(list("abc"), 400, p=p)}) for p in
             ([0.5, 0.3, 0.2], [0.2, 0.3, 0.5])]  # fmt: skip
    change = decompose_change(*(nps(wave, by="g") for wave in waves))
    assert change.total.value == pytest.approx(nps(waves[1]).value - nps(waves[0]).value)
    assert change.within.value + change.mix.value == pytest.approx(change.total.value)
    back = decompose_change(*(nps(wave, by="g") for wave in waves[::-1]))
    assert (back.within.value, back.mix.value) == pytest.approx((-change.within.value, -change.mix.value))
    assert back.mix.se == pytest.approx(change.mix.se)
    plain = decompose_change(*(nps(wave, by="g", method="wald") for wave in waves))
    alone = [nps(wave, method="wald").se for wave in waves]
    assert plain.total.se == pytest.approx(np.hypot(*alone))


def test_both_parts_cover_at_their_level():
    random, within, mix = np.random.default_rng(8), [], []
    shares, chances = ([0.5, 0.3, 0.2], [0.3, 0.3, 0.4]), ([0.5, 0.4, 0.2], [0.55, 0.3, 0.3])
    truth = [200 * np.array(c) - 100 for c in chances]
    true_within = ((np.array(shares[0]) + shares[1]) / 2 * (truth[1] - truth[0])).sum()
    true_mix = ((truth[0] + truth[1]) / 2 * (np.array(shares[1]) - shares[0])).sum()
    for _ in range(400):
        tables = []
        for share, chance in zip(shares, chances, strict=True):
            group = random.choice(3, 500, p=share)
            up = random.random(500) < np.array(chance)[group]
            tables.append(nps(pd.DataFrame({"score": np.where(up, 10, 0), "g": group}), by="g", method="wald"))
        change = decompose_change(*tables)
        within.append(change.within.ci_low <= true_within <= change.within.ci_high)
        mix.append(change.mix.ci_low <= true_mix <= change.mix.ci_high)
    assert 0.925 <= np.mean(within) <= 0.98
    assert 0.925 <= np.mean(mix) <= 0.98


def test_a_group_that_comes_or_goes_is_mix():
    change = decompose_change(rates([10.0, 50.0], [50, 50], [1, 1]), rates([10.0, 90.0], [50, 50], [1, 1], "ac"))
    assert change.within.value == 0
    assert change.mix.value == pytest.approx(20)
    assert change.table["group"].tolist() == ["a", "b", "c"]
    with pytest.raises(DataError, match="no group is there both"):
        decompose_change(rates([1.0], [5], [1], "a"), rates([1.0], [5], [1], "b"))


def test_known_shares_and_other_frames():
    import polars as pl

    before, after = rates([60.0, 20.0], [50, 50], [1.0, 1.0]), rates([62.0, 22.0], [30, 70], [1.0, 1.0])
    shared = decompose_change(before.assign(s=[1, 3]), after.assign(s=[0.5, 0.5]), share="s")
    assert shared.within.value == pytest.approx(2)
    assert shared.mix.value == pytest.approx((0.25 * 61) - (0.25 * 21))
    assert shared.mix.se < decompose_change(before, after).mix.se
    frames = [pl.from_pandas(table.reset_index(names="g")) for table in (before, after)]
    assert decompose_change(*frames).total == decompose_change(before, after).total
    two = [pd.concat({"x": table}, names=["big", "small"]) for table in (before, after)]
    assert decompose_change(*two).total == decompose_change(before, after).total


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda t: t.assign(n=0), DataError, "'n': 2 not positive"),
        (lambda t: t.assign(se=-1), DataError, "'se': 2 negative"),
        (lambda t: t.assign(value=np.nan), DataError, "'value': 2 missing"),
        (lambda t: t.set_axis(["a", "a"]), DataError, "1 groups are there twice"),
        (lambda t: t.iloc[:0], DataError, "no groups"),
        (lambda t: t.set_axis([1, 2]), DataError, "convert them to one type"),
    ],
)
def test_what_cannot_be_decomposed_is_refused(change, error, words):
    good = rates([60.0, 20.0], [50, 50], [1.0, 1.0])
    with pytest.raises(error, match=words):
        decompose_change(good, change(good))


def test_growth_that_was_earned():
    found = earned_growth(prior=100, returning=92, referred=13)
    assert float(found) == pytest.approx(0.05)
    assert (found.retention, found.earned_new) == (0.92, 0.13)
    with pytest.raises(OptionError, match="prior=0"):
        earned_growth(prior=0, returning=1, referred=1)
    with pytest.raises(OptionError, match="referred=-1"):
        earned_growth(prior=10, returning=1, referred=-1)
