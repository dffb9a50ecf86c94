"""Pictures of churn and campaigns: they show the numbers they were given, in Axes of one's own too."""

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib import pyplot
from pytest import approx, raises

from crmkit import churn, datasets, metrics, plot, targeting
from crmkit.errors import ColumnError, DataError, OptionError


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    pyplot.close("all")


def scored(seed=0, n=800):
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 3, n)
    return (rng.random(n) < p).astype(int), p


def words(ax):
    return " ".join(text.get_text() for text in ax.texts)


def test_calibration_shows_the_bins():
    found = metrics.calibration(*scored())
    ax = plot.churn_calibration(found)
    drawn = {line.get_label(): line for line in ax.lines}["as it came to pass"]
    assert drawn.get_ydata() == approx(100 * found.table["observed"].to_numpy())
    assert "n = 800" in words(ax)
    assert "slope" in words(ax)
    one = plot.churn_calibration(metrics.calibration([0, 1, 0, 0], [0.2] * 4))
    assert "slope" not in words(one)
    own = pyplot.subplots()[1]
    assert plot.churn_calibration(found, ax=own) is own


@pytest.mark.parametrize("measure", ["gain", "lift"])
def test_gains_show_the_measure_with_its_band(measure):
    y, p = scored()
    table = metrics.gains(y, p)
    ax = plot.churn_gains(table, baseline=metrics.gains(y, np.round(p, 1)), measure=measure)
    drawn = {line.get_label(): line for line in ax.lines}
    factor = 100 if measure == "gain" else 1
    assert drawn["scores"].get_ydata()[-10:] == approx(factor * table[measure].to_numpy())
    assert {"baseline", "taken by chance"} <= set(drawn)
    assert len(ax.collections) == 2
    assert f"n = 800, {y.sum()} churned" in ax.get_xlabel()


def test_gains_of_other_frames_and_in_any_order():
    y, p = scored()
    table = metrics.gains(pl.Series(y), pl.Series(p), at=[0.5, 0.1])
    ax = plot.churn_gains(table)
    assert ax.lines[1].get_xdata().tolist() == approx([0, 10, 50])


def test_the_profit_curve_shows_both_curves_and_the_chosen_point():
    y, p = scored()
    curve = targeting.profit_curve(y, p)
    ax = plot.targeting_profit(curve, currency="$")
    drawn = {line.get_label(): line for line in ax.lines}
    assert drawn["as it came to pass"].get_ydata() == approx(curve.table["realised"].to_numpy())
    assert drawn["as the probabilities foretold"].get_ydata() == approx(curve.table["expected"].to_numpy())
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert points[0].get_xydata()[0] == approx([100 * curve.chosen.share, curve.chosen.value])
    assert r"\$" in ax.get_ylabel()
    assert "everybody" in words(ax)
    poor = plot.targeting_profit(targeting.profit_curve(y, p, value=40))
    assert "over contacting nobody" in words(poor)


def test_the_window_shows_the_curve_and_the_length_chosen():
    orders = datasets.make_transactions(n_customers=200).transactions
    for at_most in (0.6, 0.001):
        found = churn.suggest_window(orders, order="order_id", at_most=at_most)
        ax = plot.churn_window(found)
        assert ax.lines[0].get_ydata() == approx(100 * found.table["p_return"].to_numpy())
        assert len(ax.lines) == (2 if found.window is None else 4)
        assert ("every silence" in words(ax)) == (found.window is None)
        assert f"n = {found.n_gaps:,} gaps" in ax.get_xlabel()


def test_drivers_show_what_is_lost_the_most_first():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"visits": rng.normal(size=600), "age$": rng.normal(size=600), "noise": rng.normal(size=600)})
    frame["churned"] = rng.random(600) < 1 / (1 + np.exp(-2 * frame["visits"] - 0.7 * frame["age$"]))
    model = churn.fit(frame[:300], model="logistic")
    table = churn.drivers(model, frame[300:])
    ax = plot.churn_drivers(table)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["visits", r"age\$", "noise"]
    assert [bar.get_width() for bar in ax.patches] == approx(table["log_loss"].tolist())
    few = plot.churn_drivers(table.sample(frac=1, random_state=1), measure="profit", top=2)
    assert [bar.get_width() for bar in few.patches] == approx(sorted(table["profit"], reverse=True)[:2])
    assert "1 more" in few.get_xlabel()
    with raises(DataError, match="no rows"):
        plot.churn_drivers(table.iloc[:0])
    with raises(OptionError, match="measure"):
        plot.churn_drivers(table, measure="auc")


@pytest.mark.parametrize("measure", ["value", "churned"])
def test_a_replay_shows_each_policy_at_each_cutoff(measure):
    orders = datasets.make_transactions(n_customers=200).transactions
    policies = {"one$": lambda past: past.customers[:30], "two": lambda past: past.customers[10:50]}
    replay = targeting.backtest(orders, policies, cutoffs=["2024-03-01", "2024-06-01"], measure=measure)
    ax = plot.targeting_backtest(replay, currency="€")
    drawn = {line.get_label(): line for line in ax.lines}
    factor = 100 if measure == "churned" else 1
    assert drawn["two"].get_ydata() == approx(factor * replay.table["value"][2:4].to_numpy())
    assert list(drawn) == [r"one\$", "two", "everybody"]
    assert ("€" in ax.get_ylabel()) == (measure == "value")
    assert "30 to 40 of" in ax.get_xticklabels()[0].get_text()
    everybody = targeting.backtest(orders, lambda past: past.customers, cutoffs=["2024-03-01"])
    assert "all of" in plot.targeting_backtest(everybody).get_xticklabels()[0].get_text()


def test_what_is_no_result_is_refused():
    for function in (plot.churn_calibration, plot.churn_window, plot.targeting_backtest, plot.targeting_profit):
        with raises(DataError, match="expected what"):
            function(pd.DataFrame({"a": [1]}))
    with raises(DataError, match="at least two shares"):
        plot.targeting_profit(targeting.profit_curve(*scored(), at=0.5))
    with raises(ColumnError, match="share"):
        plot.churn_gains(pd.DataFrame({"a": [1]}))
    with raises(OptionError, match="measure"):
        plot.churn_gains(metrics.gains(*scored()), measure="precision")
    with raises(DataError, match="no rows"):
        plot.churn_gains(metrics.gains(*scored()).iloc[:0])
