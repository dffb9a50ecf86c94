"""Pictures of experiments and uplift: what they show is what the results say."""

import numpy as np
import pandas as pd
import pytest

from crmkit import datasets, experiment, plot, uplift
from crmkit.errors import DataError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
CAMPAIGN = datasets.make_experiment(n_customers=3000)
FRAME = CAMPAIGN.customers.assign(score=CAMPAIGN.truth["visited_voucher"])


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def test_effects_stand_where_the_table_has_them():
    found = experiment.compare_rates(FRAME, outcome="visited", by="channel")
    ax = plot.experiment_effects(found)
    drawn = sorted(x for line in ax.lines for x in line.get_xdata() if line.get_marker() == "o")
    assert drawn == pytest.approx(sorted(100 * found.table["value"]))
    assert next(label.get_text() for label in ax.get_yticklabels()) == "app, letter"
    assert plot.experiment_effects(found, relative=True).get_xlabel() == "lift over control (%)"


def test_a_failed_sample_ratio_is_written_above():
    some = FRAME[~((FRAME["arm"] == "voucher") & (FRAME.index % 4 == 0))]
    title = plot.experiment_effects(experiment.compare_rates(some, outcome="visited")).get_title(loc="left")
    assert "sample ratio not as planned" in title


def test_looks_show_their_bounds_and_the_decision():
    path = experiment.sequential(pd.DataFrame({"value": [0.9, 0.8, 0.7], "se": [0.4, 0.28, 0.23]}), planned=5)
    ax = plot.experiment_looks(path)
    line = next(line for line in ax.lines if line.get_label() == "statistic")
    assert line.get_ydata() == pytest.approx(path["z"].to_numpy())
    assert any("decided: higher" in text.get_text() for text in ax.texts)
    plot.experiment_looks(path.assign(decision="continue"), ax=matplotlib.pyplot.subplots()[1])


def test_qini_ends_at_the_effect_on_everybody():
    part = FRAME[FRAME["arm"] != "letter"]
    found = uplift.qini(part["visited"], part["score"], part["arm"] == "voucher")
    line = next(line for line in plot.uplift_qini(found).lines if line.get_label() == "highest score first")
    assert line.get_ydata()[-1] == pytest.approx(1000 * found.effect.value)


def test_policies_and_calibration_are_drawn():
    options = {"treatment": "arm", "arm": "voucher"}
    table = uplift.policy_value(FRAME, outcome="spend", score="score", cost=1.0, **options)
    line = next(line for line in plot.uplift_policy(table, unit="EUR").lines if line.get_label() == "highest score first")
    assert np.sort(line.get_ydata()) == pytest.approx(np.sort(table["over_none"]))
    rule = uplift.policy_value(FRAME.assign(all=True), outcome="spend", policy="all", **options)
    plot.uplift_policy(rule, ax=matplotlib.pyplot.subplots()[1])
    found = uplift.evaluate(FRAME, outcome="visited", score="score", **options)
    ax = plot.uplift_calibration(found, ax=matplotlib.pyplot.subplots()[1])
    seen = next(line for line in ax.lines if line.get_marker() == "o")
    assert seen.get_ydata() == pytest.approx(found.calibration["effect"].to_numpy())


@pytest.mark.parametrize("picture", [plot.experiment_effects, plot.uplift_qini, plot.uplift_calibration])
def test_what_is_no_result_is_refused(picture):
    with pytest.raises(DataError, match="expected what"):
        picture(FRAME)
