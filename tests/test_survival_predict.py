"""The probability to leave in the time ahead: conditional on the time lasted so far, from curves and from models."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest

from crmkit import survival
from crmkit.errors import ColumnError, DataError, DataWarning, FitError, OptionError


def contracts(n=200, seed=1):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"spend": rng.normal(0, 1, n), "plan": rng.choice(["month", "year"], n)})
    life = rng.weibull(0.7, n) * 12 * np.exp(0.8 * (frame["plan"] == "year") - 0.3 * frame["spend"])
    seen = rng.uniform(1, 36, n)
    return frame.assign(months=np.ceil(np.minimum(life, seen)), left=life <= seen, id=[f"c{i}" for i in range(n)])


NAMES = {"duration": "months", "event": "left"}
FEATURES = ["spend", "plan"]


@pytest.fixture(scope="module")
def frame():
    return contracts()


@pytest.fixture(scope="module")
def models(frame):
    return {
        "cox": survival.fit_cox(frame, features=FEATURES, **NAMES),
        "strata": survival.fit_cox(frame, features=["spend"], strata="plan", **NAMES),
        "hazard": survival.fit_hazard(frame, features=FEATURES, **NAMES),
        "curve": survival.curve(frame, **NAMES),
        "by": survival.curve(frame, by="plan", **NAMES),
    }


def share(curve, time):
    steps = curve.loc[curve["time"] <= time, "survival"]
    return 1.0 if steps.empty else float(steps.iloc[-1])


def one_by_one(model, frame, horizon, survived):
    """Each customer by the model's own survival function."""
    out = []
    for row, lasted in zip(frame.to_dict("records"), survived, strict=True):
        if isinstance(model, pd.DataFrame):
            part = model[model["plan"] == row["plan"]] if "plan" in model else model
            stays = share(part, lasted + horizon) / share(part, lasted)
        else:
            values = {name: row[name] for name in model.features}
            extra = {"stratum": row["plan"]} if getattr(model, "strata", ("",)) != ("",) else {}
            stays = model.survival(lasted + horizon, values, survived=lasted, **extra)
        out.append(1 - stays)
    return out


@pytest.mark.parametrize("kind", ["cox", "strata", "hazard", "curve", "by"])
def test_it_is_conditional_on_the_time_lasted_so_far(models, frame, kind):
    active = frame[~frame["left"] & (frame["months"] < 20)].set_index("id")
    survived = {"survived": "months"} if kind in ("curve", "by") else {}
    p = survival.predict(models[kind], active, horizon=3, **survived)
    assert p.name == "event_probability"
    assert p.index.equals(active.index)
    np.testing.assert_allclose(p, one_by_one(models[kind], active, 3, active["months"]), atol=1e-12)
    new = survival.predict(models[kind], active, horizon=3, survived=0)
    np.testing.assert_allclose(new, one_by_one(models[kind], active, 3, [0] * len(active)), atol=1e-12)
    # who stays long is likely to stay on
    assert p.mean() < new.mean()


@pytest.mark.parametrize("kind", ["cox", "strata", "hazard", "curve", "by"])
def test_several_horizons_are_columns_and_survival_is_the_rest(models, frame, kind):
    new = frame.head(20)
    table = survival.predict(models[kind], new, horizon=[1, 6, 12.5], survived=0)
    assert table.columns.tolist() == ["event_1", "event_6", "event_12.5"]
    assert (table.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    stays = survival.predict(models[kind], new, horizon=[1, 6, 12.5], survived=0, quantity="survival")
    assert stays.columns.tolist() == ["survival_1", "survival_6", "survival_12.5"]
    np.testing.assert_allclose(table.to_numpy() + stays.to_numpy(), 1.0)
    single = survival.predict(models[kind], new, horizon=6, survived=0)
    np.testing.assert_array_equal(single, table["event_6"])


def test_steps_multiply(models, frame):
    """To last 6 and then 6 more is to last 12."""
    new = frame.head(30)
    for kind in ("cox", "hazard", "curve"):
        first = survival.predict(models[kind], new, horizon=6, survived=0, quantity="survival")
        then = survival.predict(models[kind], new, horizon=6, survived=6, quantity="survival")
        both = survival.predict(models[kind], new, horizon=12, survived=0, quantity="survival")
        np.testing.assert_allclose(first * then, both, rtol=1e-12)


def test_pieces_and_threads_change_nothing(models, frame, monkeypatch):
    from crmkit.survival import _predict

    for kind in ("cox", "strata", "hazard", "by"):
        whole = survival.predict(models[kind], frame, horizon=[1, 2], survived=1)
        monkeypatch.setattr(_predict, "PIECE", 17)
        for threads in (1, 2):
            pieces = survival.predict(models[kind], frame, horizon=[1, 2], survived=1, n_threads=threads)
            pd.testing.assert_frame_equal(pieces, whole, check_exact=True)
        monkeypatch.undo()


def test_small_probabilities_keep_their_digits():
    n = 1000
    frame = pd.DataFrame({"x": np.arange(n) % 2, "duration": np.arange(n) + 1.0, "event": 0})
    frame.loc[[10, 501], "event"] = 1
    model = survival.fit_cox(frame, penalty=1.0)
    p = survival.predict(model, frame.head(2), horizon=20, survived=0)
    hazard = model.baseline()["cumulative_hazard"].iloc[0]
    expected = -np.expm1(-hazard * np.exp(model.log_ratio({"x": [0, 1]})))
    np.testing.assert_allclose(p, expected, rtol=1e-14)


def test_beyond_the_data_nothing_is_known(models, frame):
    longest = frame["months"].max()
    for kind in ("cox", "hazard", "curve"):
        with pytest.raises(DataError, match=r"look beyond the longest time observed, the first in row 0 \(0 plus 500"):
            survival.predict(models[kind], frame, horizon=500, survived=0)
        with pytest.warns(DataWarning, match="counted up to there only"):
            held = survival.predict(models[kind], frame, horizon=500, survived=0, beyond="hold")
        np.testing.assert_allclose(held, survival.predict(models[kind], frame, horizon=longest, survived=0))
        with pytest.raises(DataError, match="longer than anybody observed, the first in row 0"):
            survival.predict(models[kind], frame, horizon=1, survived=float(longest + 1))


def test_where_nobody_is_left_what_follows_is_known():
    curve = survival.curve(pd.DataFrame({"duration": [1, 2, 3], "event": 1}))
    frame = pd.DataFrame({"duration": [0.0, 1.0, 2.5]})
    assert survival.predict(curve, frame, horizon=50).tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(DataError, match=r"nobody was left, the first in row 1 \(3\)"):
        survival.predict(curve, frame.assign(duration=[0, 3, 1]), horizon=1)


def test_what_the_model_does_not_know_is_named(models, frame):
    odd = frame.head(3).assign(plan=["month", "week", "year"])
    with pytest.raises(DataError, match="'plan': 1 missing or of a stratum the model does not know, the first in row 1"):
        survival.predict(models["strata"], odd, horizon=1, survived=0)
    with pytest.raises(DataError, match="of a group the model does not know"):
        survival.predict(models["by"], odd, horizon=1, survived=0)
    for kind in ("cox", "hazard"):
        with pytest.warns(DataWarning, match="'plan': 1 of 3 rows .* hold a category"):
            p = survival.predict(models[kind], odd, horizon=5, survived=0)
        same = frame.head(2).assign(spend=odd["spend"].iloc[1], plan=["month", "year"])
        ends = sorted(survival.predict(models[kind], same, horizon=5, survived=0))
        assert ends[0] < p.iloc[1] < ends[1]


def test_bad_calls_are_named(models, frame):
    with pytest.raises(FitError, match="got dict"):
        survival.predict({}, frame, horizon=1)
    with pytest.raises(FitError, match="'time' and 'survival'"):
        survival.predict(survival.curve(frame, method="nelson_aalen", **NAMES), frame, horizon=1, survived=0)
    with pytest.raises(OptionError, match="have no unit"):
        survival.predict(models["cox"], frame, horizon="90D")
    for wrong in (0, -1, math.inf, [], [1, 1], True):
        with pytest.raises(OptionError, match="horizon"):
            survival.predict(models["cox"], frame, horizon=wrong)
    with pytest.raises(OptionError, match="quantity"):
        survival.predict(models["cox"], frame, horizon=1, quantity="hazard")
    with pytest.raises(OptionError, match="beyond"):
        survival.predict(models["cox"], frame, horizon=1, beyond="extrapolate")
    with pytest.raises(OptionError, match="survived"):
        survival.predict(models["cox"], frame, horizon=1, survived=-1)
    with pytest.raises(ColumnError, match="tenure"):
        survival.predict(models["cox"], frame, horizon=1, survived="tenure")
    with pytest.raises(ColumnError, match="'months'"):
        survival.predict(models["cox"], frame.drop(columns="months"), horizon=1)
    with pytest.raises(DataError, match="holds text, but the model was fitted on numbers"):
        survival.predict(models["cox"], frame.assign(spend="x"), horizon=1, survived=0)
    with pytest.raises(DataError, match="do not ascend"):
        survival.predict(models["curve"].iloc[::-1], frame, horizon=1, survived=0)


def test_frames_of_any_kind_come_back_as_they_went_in(models, frame):
    columns = ["id", "spend", "plan", "months"]
    other = survival.predict(models["cox"], pl.from_pandas(frame[columns]), horizon=1, survived=0)
    assert other.columns == ["id", "event_probability"]
    np.testing.assert_array_equal(other["event_probability"], survival.predict(models["cox"], frame, horizon=1, survived=0))
    curve = survival.curve(pl.from_pandas(frame[[*columns, "left"]]), by="plan", **NAMES)
    by = survival.predict(curve, frame, horizon=1, survived=0)
    np.testing.assert_allclose(by, survival.predict(models["by"], frame, horizon=1, survived=0))
