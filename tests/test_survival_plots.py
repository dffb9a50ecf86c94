"""Pictures of how long customers stay: they draw what the tables say, with units and numbers of cases."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from crmkit import plot, survival
from crmkit.errors import ColumnError, DataError

figures = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def ax():
    return figures.Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def contracts():
    rng = np.random.default_rng(3)
    life, seen = rng.exponential(20, 150), rng.uniform(1, 36, 150)
    frame = pd.DataFrame({"duration": np.ceil(np.minimum(life, seen)), "event": life <= seen, "age": rng.integers(20, 60, 150)})
    return frame.assign(plan=["month", "year", "two$"] * 50, cause=["card", "notice"] * 75)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_a_curve_starts_at_all_and_follows_its_table(contracts, ax):
    curve = survival.curve(contracts)
    assert plot.survival_curve(curve, time_label="months", ax=ax) is ax
    line = ax.get_lines()[0]
    np.testing.assert_allclose(line.get_ydata(), [100.0, *(100 * curve["survival"])])
    np.testing.assert_allclose(line.get_xdata(), [0.0, *curve["time"]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("months", "still there (%)")
    assert texts(ax)[:2] == ["at risk", "150"]
    assert ax.get_legend() is None
    # who is at risk at a time is who was seen to it or longer
    moment = ax.get_xticks()[1]
    assert texts(ax)[2] == str((contracts["duration"] >= moment).sum())


def test_groups_are_told_apart_and_counted(contracts, ax):
    plot.survival_curve(survival.curve(contracts, by="plan"), truth=lambda t: np.exp(-t / 20), ax=ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["month (n = 50)", "two\\$ (n = 50)", "year (n = 50)", "truth"]
    assert texts(ax).count("50") == 3
    assert {"month", "year", "two\\$"} <= set(texts(ax))
    ax.figure.canvas.draw()


def test_other_measures_have_names_of_their_own(contracts, ax):
    plot.survival_curve(survival.curve(contracts, cause="cause"), ax=ax)
    assert ax.get_ylabel() == "left by cause (%)"
    assert texts(ax).count("150") == 1
    other = figures.Figure().subplots()
    plot.survival_curve(survival.curve(pl.from_pandas(contracts), method="nelson_aalen"), at_risk=False, ax=other)
    assert other.get_ylabel() == "cumulative hazard"
    assert texts(other) == []
    both = figures.Figure().subplots()
    plot.survival_curve(survival.curve(contracts[contracts["plan"] != "year"], by="plan", cause="cause"), ax=both)
    assert both.get_legend().get_texts()[0].get_text().startswith("month, card")


def test_effects_stand_at_their_ratios(contracts, ax):
    model = survival.fit_cox(contracts, features=["age", "plan"])
    assert plot.survival_hazard_ratios(model, level=0.9, ax=ax) is ax
    assert ax.get_xlabel() == "hazard ratio, with 90 % interval"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["age", "plan=two\\$", "plan=year"]
    assert texts(ax) == [f"{np.exp(value):.2f}" for value in model.coefficients]
    assert ax.get_title(loc="left").startswith("n = 150, ")
    low, high = ax.get_xlim()
    table = model.effects(level=0.9)
    assert low < min(table["ci_low"].min(), 1.0) < max(table["ci_high"].max(), 1.0) < high
    other = figures.Figure().subplots()
    plot.survival_hazard_ratios(survival.fit_hazard(contracts, features=["age"]).effects(), ax=other)
    assert other.get_xlabel() == "odds ratio, with intervals"
    ax.figure.canvas.draw()


def test_what_cannot_be_drawn_is_refused(contracts, ax):
    with pytest.raises(DataError, match=r"draws what survival\.curve returns"):
        plot.survival_curve(contracts, ax=ax)
    with pytest.raises(DataError, match="7 groups"):
        plot.survival_curve(survival.curve(contracts.assign(g=contracts.index % 7), by="g"), ax=ax)
    table = survival.fit_cox(contracts, features=["age"]).effects()
    with pytest.raises(DataError, match="no term"):
        plot.survival_hazard_ratios(table.iloc[:0], ax=ax)
    with pytest.raises(ColumnError, match="ci_low"):
        plot.survival_hazard_ratios(table.drop(columns="ci_low"), ax=ax)
