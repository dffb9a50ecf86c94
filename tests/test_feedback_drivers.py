"""Parts of R² against published values, their definition, and what must not matter."""

import numpy as np
import pandas as pd
import pytest

import naive.drivers as naive
from crmkit._kernels import drivers as kernel
from crmkit.errors import DataError, LimitError, OptionError
from crmkit.feedback import key_drivers


def simulated(n=300, p=4, seed=0):
    random = np.random.default_rng(seed)
    common = random.normal(size=(n, 1))
    x = random.normal(size=(n, p)) + common
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(p)])
    return frame.assign(score=x @ np.arange(p) + random.normal(size=n))


def importances(frame, **options):
    names = [name for name in frame if name != options.get("outcome", "score")]
    found = key_drivers(frame, drivers=names, replicates=100, **options)
    return found.table["importance"].to_numpy(), found


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        # relaimpo's documentation example
        ("lmg", [0.057091, 0.171173, 0.260135, 0.105570, 0.112766]),
        ("relative_weights", [0.048417, 0.154708, 0.271964, 0.114680, 0.116966]),
    ],
)
def test_the_swiss_provinces_agree_with_published_values(method, parts, data_file):
    frame = pd.read_csv(data_file("swiss.csv")).drop(columns="rownames")
    found, whole = importances(frame, outcome="Fertility", method=method)
    assert found == pytest.approx(parts, abs=6e-7)
    assert whole.r_squared == pytest.approx(0.706735, abs=5e-7)


@pytest.mark.parametrize(
    ("measure", "parts", "total"),
    [
        ("score", [0.231695, 0.190232, 0.097384, 0.095893], 0.615204),
        ("nps", [0.188471, 0.150452, 0.082456, 0.075309], 0.496689),
    ],
)
def test_a_survey_agrees_with_worked_values(measure, parts, total, data_file):
    frame = pd.read_csv(data_file("nps_testdata.csv.gz")).iloc[:, :5]
    found, whole = importances(frame, outcome="REC", measure=measure)
    assert found == pytest.approx(parts, abs=6e-7)
    assert whole.r_squared == pytest.approx(total, abs=6e-7)


@pytest.mark.parametrize("p", [1, 2, 4])
def test_it_is_the_mean_gain_over_all_orders(p):
    frame = simulated(p=p)
    found, whole = importances(frame)
    x, y = frame.drop(columns="score").to_numpy(), frame["score"].to_numpy()
    assert found == pytest.approx(naive.lmg(x, y), abs=1e-12)
    assert whole.r_squared == pytest.approx(naive.r_squared(x, y))


@pytest.mark.parametrize("method", ["lmg", "relative_weights"])
def test_parts_add_up_follow_their_column_and_forget_units(method):
    frame = simulated()
    found, whole = importances(frame, method=method)
    assert found.sum() == pytest.approx(whole.r_squared)
    assert (found >= 0).all()
    backwards, _ = importances(frame[frame.columns[::-1]], method=method)
    assert backwards[::-1] == pytest.approx(found)
    scaled, _ = importances(frame * [3, 0.1, -2, 1, 5] + 7, method=method)
    assert scaled == pytest.approx(found)
    assert whole.table["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize("method", ["lmg", "relative_weights"])
def test_drivers_that_do_not_go_together_have_their_own_r_squared(method):
    x = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T.repeat(5, axis=0)
    y = x @ [3.0, 2.0, 1.0] + np.tile([1.0, -1.0], 20)
    frame = pd.DataFrame(x, columns=list("abc")).assign(score=y)
    found, _ = importances(frame, method=method)
    assert found == pytest.approx([np.corrcoef(x[:, i], y)[0, 1] ** 2 for i in range(3)])


@pytest.mark.parametrize("method", ["lmg", "relative_weights"])
def test_a_driver_there_twice_shares_its_part(method):
    frame = simulated(p=2)
    found, whole = importances(frame.assign(again=frame["x1"]), method=method)
    assert found[1] == pytest.approx(found[2], rel=1e-6)
    assert whole.r_squared == pytest.approx(importances(frame)[1].r_squared)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    truth, inside = None, []
    for seed in range(60):
        frame = simulated(n=200, p=2, seed=seed + 1)
        table = key_drivers(frame, drivers=["x0", "x1"], replicates=200, level=0.9).table
        if truth is None:
            truth = importances(simulated(n=200_000, p=2))[0]
        inside.append((table["ci_low"] <= truth) & (truth <= table["ci_high"]))
    assert 0.80 <= np.mean(inside) <= 0.98


def test_many_rows_that_repeat_are_resampled_as_counts():
    random = np.random.default_rng(3)
    x = random.integers(1, 6, (6000, 2))
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(score=x.sum(axis=1) + random.integers(0, 3, 6000))
    whole = key_drivers(frame, drivers=["a", "b"], replicates=100)
    half = key_drivers(frame.iloc[:5000], drivers=["a", "b"], replicates=100)
    assert whole.table["importance"].to_numpy() == pytest.approx(half.table["importance"].to_numpy(), abs=0.02)
    width = (whole.table["ci_high"] - whole.table["ci_low"]).to_numpy()
    assert width == pytest.approx((half.table["ci_high"] - half.table["ci_low"]).to_numpy(), rel=0.5)


def test_the_kernel_leaves_its_input_alone():
    correlation = np.ascontiguousarray(np.corrcoef(simulated().to_numpy().T))
    correlation.flags.writeable = False
    out = np.empty(4)
    assert kernel.lmg(correlation, out) == pytest.approx(out.sum())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"drivers": []}, OptionError, "at least one column"),
        ({"drivers": "x0"}, OptionError, "not a list"),
        ({"drivers": ["x0", "x0"]}, OptionError, "each of them once"),
        ({"drivers": ["score"]}, OptionError, "not the outcome"),
        ({"drivers": ["x0"], "method": "shapley"}, OptionError, "method='shapley'"),
        ({"drivers": ["x0"], "measure": "csat"}, OptionError, "measure='csat'"),
        ({"drivers": ["x0"], "replicates": 5}, OptionError, "replicates=5"),
        ({"drivers": [f"d{i}" for i in range(21)]}, LimitError, "relative_weights"),
        ({"drivers": ["x0", "flat"]}, DataError, "'flat': all values are 1"),
        ({"drivers": ["x0"], "measure": "nps"}, DataError, "'score'.*off the scale"),
    ],
)
def test_what_cannot_be_divided_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        key_drivers(simulated().assign(flat=1.0), **options)
    with pytest.raises(DataError, match="3 answers are too few for 2 drivers"):
        key_drivers(simulated().iloc[:3], drivers=["x0", "x1"])
