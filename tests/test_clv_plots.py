"""Pictures of purchase models and of their tests: they draw what tables and models say, with units and numbers of cases."""

import dataclasses

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pytest import approx, raises

from crmkit import clv, datasets, plot
from crmkit.errors import ColumnError, DataError, FitError, OptionError

figures = pytest.importorskip("matplotlib.figure")


def fitted(kind, **parameters):
    given = {
        "log_likelihood": 0.0, "standard_errors": {}, "n": 321.0, "converged": True, "unit": "W",
        "columns": ("frequency", "recency", "T"), "gradient_norm": 0.0, "condition": 1.0, "diagnosis": "given",
    }  # fmt: skip
    return kind(**{**given, **parameters})


COVARIANCE = tuple(map(tuple, (0.01 * np.eye(4)).tolist()))
BG = fitted(clv.BgNbd, r=0.8, alpha=6.0, a=0.9, b=2.5, covariance=COVARIANCE)
PARETO = fitted(clv.ParetoNbd, r=0.8, alpha=6.0, s=0.7, beta=12.0)
BB = fitted(clv.BgBb, alpha=1.2, beta=0.75, gamma=0.66, delta=2.8)
AGES = pd.DataFrame({"age": [1, 2, 3, 4, 4], "lost": [1, 1, 1, 1, 0], "n": [131, 126, 90, 60, 593]})
SBG = clv.fit_sbg(AGES, weight="n")
every_model = pytest.mark.parametrize("model", [BG, PARETO, BB], ids=["BG/NBD", "Pareto/NBD", "BG/BB"])


@pytest.fixture
def ax():
    return figures.Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def orders():
    return datasets.make_transactions(n_customers=200).transactions


@pytest.fixture(scope="module")
def weeks(orders):
    models = {"first": BG, "second": PARETO}
    return clv.tracking(models, orders, order="order_id", calibration_end="2023-12-31", period="28D")


def shown(ax):
    """The shades of a heatmap, and where they lie."""
    image = ax.images[0]
    return np.asarray(image.get_array()), image.get_extent()


@pytest.mark.parametrize("cumulative", [False, True])
def test_tracking_draws_every_model_beside_what_happened(weeks, ax, cumulative):
    plot.clv_tracking(weeks, cumulative=cumulative, ax=ax)
    part = "cumulative_" if cumulative else ""
    happened, first, second = ax.lines[:3]
    rows = weeks[weeks["model"] == "first"]
    assert happened.get_ydata().tolist() == rows[f"{part}actual"].tolist()
    assert first.get_ydata().tolist() == rows[f"{part}expected"].tolist()
    assert second.get_ydata().tolist() == weeks.loc[weeks["model"] == "second", f"{part}expected"].tolist()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        f"happened (n = {rows['actual'].sum():,})", "first expects", "second expects",
    ]  # fmt: skip
    border = rows.loc[~rows["holdout"], "period"].max() + 0.5
    assert ax.lines[3].get_xdata()[0] == border
    other = plot.clv_tracking(pl.from_pandas(weeks), cumulative=cumulative, ax=figures.Figure().subplots())
    assert other.lines[2].get_ydata().tolist() == second.get_ydata().tolist()


def test_what_cannot_be_tracked(weeks, ax):
    with raises(DataError, match="no periods"):
        plot.clv_tracking(weeks.iloc[:0], ax=ax)
    with raises(ColumnError, match="expected"):
        plot.clv_tracking(weeks.drop(columns="expected"), ax=ax)
    # without a holdout there is no border
    plot.clv_tracking(weeks[~weeks["holdout"]], ax=ax)
    assert not ax.texts


def test_calibration_is_drawn_by_the_groups_of_an_evaluation(ax):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 12, 300)
    known = pd.DataFrame({"frequency": x, "recency": np.where(x > 0, 20.0, 0.0), "T": 30.0, "holdout_frequency": x // 2})
    found = clv.evaluate(BG, known.assign(holdout_T=26.0), draws=0)
    plot.clv_calibration(found.by_frequency, ax=ax)
    assert [bar.get_height() for bar in ax.patches] == approx(found.by_frequency["actual"].tolist())
    assert ax.lines[0].get_ydata().tolist() == approx(found.by_frequency["expected"].tolist())
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels[0] == f"0\n{(x == 0).sum()}"
    assert labels[-1] == f"7+\n{(x >= 7).sum()}"
    assert "n = 300" in ax.get_xlabel()
    tenths = plot.clv_calibration(found.by_decile, ax=figures.Figure().subplots())
    assert "least to most" in tenths.get_xlabel()
    with raises(OptionError, match="by_frequency"):
        plot.clv_calibration([1.0, 2.0])
    with raises(DataError, match="no groups"):
        plot.clv_calibration(found.by_frequency.iloc[:0])
    with raises(ColumnError, match="actual"):
        plot.clv_calibration(found.by_frequency.drop(columns="actual"))


@every_model
def test_heatmaps_hold_what_the_model_says(model, ax):
    plot.clv_p_alive(model, T=8, most=6, ax=ax)
    values, (left, right, bottom, top) = shown(ax)
    assert (left, right) == (0.5, 6.5)
    assert (bottom, top) == approx((0.5, 8.5) if model is BB else (0.0, 8.0))
    row = 5 if model is BB else 90
    t_x = 6.0 if model is BB else 90.5 / 120 * 8.0
    assert values[row, 2] == approx(100 * model.p_alive(3, t_x, 8.0))
    assert f"{100 * model.p_alive(0, 0.0, 8.0):.0f} %" in ax.get_title()
    assert ("opportunities" if model is BB else "weeks") in ax.get_xlabel()
    other = plot.clv_expectation(model, T=8, horizon=4, most=6, ax=figures.Figure().subplots())
    values, _ = shown(other)
    assert values[row, 2] == approx(model.expected_purchases(4.0, 3, t_x, 8.0))
    assert f"{model.expected_purchases(4.0, 0, 0.0, 8.0):.2g}" in other.get_title()
    if model is BB:  # no more purchases than opportunities until the last
        assert np.ma.getmaskarray(other.images[0].get_array())[0].tolist() == [False, *[True] * 5]


def test_a_heatmap_needs_time_and_a_model(ax):
    with raises(OptionError, match="T='soon'"):
        plot.clv_p_alive(BG, T="soon", ax=ax)
    with raises(OptionError, match="no history to show"):
        plot.clv_p_alive(BG, T=0, ax=ax)
    with raises(OptionError, match="most"):
        plot.clv_p_alive(BG, T=8, most=0, ax=ax)
    with raises(FitError, match="Sbg has no picture"):
        plot.clv_expectation(SBG, T=8, horizon=4, ax=ax)
    assert "39 weeks" in plot.clv_p_alive(BG, T="273D", ax=ax).get_xlabel()


@pytest.mark.parametrize(
    ("model", "of", "mean", "half"),
    [
        (BG, "purchase_rate", 0.8 / 6, None),
        (BG, "dropout", 0.9 / 3.4, None),
        (PARETO, "leaving_rate", 0.7 / 12, None),
        (BB, "purchase_chance", 1.2 / 1.95, None),
        (BB, "leaving_chance", 0.66 / 3.46, None),
    ],
)
def test_heterogeneity_is_the_share_with_at_most_a_rate(model, of, mean, half, ax):
    from scipy import stats

    plot.clv_heterogeneity(model, of=of, ax=ax)
    at, share = ax.lines[0].get_data()
    exact = {
        "purchase_rate": stats.gamma(0.8, scale=1 / 6),
        "dropout": stats.beta(0.9, 2.5),
        "leaving_rate": stats.gamma(0.7, scale=1 / 12),
        "purchase_chance": stats.beta(1.2, 0.75),
        "leaving_chance": stats.beta(0.66, 2.8),
    }[of]
    assert share == approx(100 * exact.cdf(at), abs=1e-9)
    assert ax.lines[1].get_xdata()[0] == approx(mean)
    assert "n = 321" in ax.get_legend().get_texts()[-1].get_text()
    assert bool(ax.collections) == bool(model.covariance)  # a band where the fit knows its errors


def test_a_model_differs_in_what_it_says_not_in_what_its_parameters_are_called(ax):
    class Ageing(clv.ParetoNbd):
        _CHARACTERS = {"purchase_rate": ("r", "alpha"), "ageing": ("s", "beta")}  # noqa: RUF012

    other = Ageing(**{field.name: getattr(PARETO, field.name) for field in dataclasses.fields(PARETO)})
    with raises(OptionError, match="of='leaving_rate'"):
        plot.clv_heterogeneity(other, of="leaving_rate", ax=ax)
    assert "ageing" in clv.simulate(other, horizon=10, n_customers=3).truth


def test_what_a_model_does_not_differ_in(ax):
    with raises(OptionError, match="of='leaving_rate'"):
        plot.clv_heterogeneity(BG, of="leaving_rate", ax=ax)
    with raises(OptionError, match="level"):
        plot.clv_heterogeneity(BG, level=95, ax=ax)


def test_values_are_counted_in_bars(ax):
    value = np.concatenate([np.random.default_rng(2).lognormal(3, 1, 500), [0.0, 0.0]])
    plot.clv_value_histogram(pd.Series(value), ax=ax)
    assert sum(bar.get_height() for bar in ax.patches) == 500
    assert "n = 500; 2 more are worth nothing" in ax.get_xlabel()
    assert [text.get_text() for text in ax.texts] == [f"median {np.median(value):,.4g}", f"mean {value.mean():,.4g}"]
    plot.clv_value_histogram([2.0, 2.0], ax=figures.Figure().subplots())
    with raises(DataError, match="value"):
        plot.clv_value_histogram([0.0], ax=ax)
    with raises(OptionError, match="bins"):
        plot.clv_value_histogram([1.0], bins=1, ax=ax)


def test_tracking_counts_the_days_of_the_wall_clock_where_it_shows_yesterday_once_more():
    # at one minute past midnight clocks went back to 23:01 of the day before
    utc = pd.DatetimeIndex(["2010-11-05 12:00", "2010-11-07 02:30:30", "2010-11-07 03:00", "2010-11-07 09:00"]).tz_localize("UTC")
    orders = pd.DataFrame(
        {"customer_id": [0, 1, 1, 1], "timestamp": utc.tz_convert("America/St_Johns"), "amount": [1.0, 2, 4, 8]}
    )
    model = clv.fit_bg_nbd(clv.summarize(datasets.make_transactions(n_customers=300).transactions, order="order_id", unit="D"))
    table = clv.tracking(model, orders, calibration_end="2010-11-06", period="1D")
    # the second customer joined on the 6th and came back on the 7th
    assert table["actual"].tolist() == [0.0, 0.0, 1.0]
