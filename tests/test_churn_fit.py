"""The default call: which model is chosen and why, probabilities that hold, and columns as they come in real files."""

import json
import subprocess
import sys
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import RepeatedStratifiedKFold

from crmkit import _learn, churn, metrics
from crmkit._learn._calibrate import choose_calibration, fit_calibration
from crmkit.errors import DataError, DataWarning, FitError, MissingExtraError, OptionError
from crmkit.results import Model


def wavy(n=1500, seed=0, missing=0.0):
    """Churn that no line can follow: high at both ends of the tenure, and where a plan is unknown."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "tenure": rng.uniform(-3, 3, n),
            "spend": rng.gamma(2.0, 30.0, n).round(2),
            "plan": rng.choice(["basic", "plus", "pro"], n, p=[0.5, 0.3, 0.2]).astype(object),
        },
        index=pd.Index([f"id{k}" for k in range(n)], name="customer_id"),
    )
    log_odds = np.abs(frame["tenure"]) * 2 - 4 + 1.0 * (frame["plan"] == "basic")
    if missing:
        gone = rng.random(n) < missing
        frame.loc[gone, "plan"] = None
        log_odds = log_odds + 3.0 * gone
    frame["churned"] = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    return frame


@pytest.fixture(scope="module")
def bent():
    """A frame with missing plans, and the boosting that was fitted on it."""
    frame = wavy(missing=0.15)
    return frame, churn.fit(frame, model="boosting")


@pytest.fixture(scope="module")
def telco(data_file):
    raw = pd.read_csv(data_file("telco_ibm.csv.gz")).set_index("customerID")
    return raw.assign(TotalCharges=pd.to_numeric(raw["TotalCharges"], errors="coerce"), Churn=raw["Churn"] == "Yes")


@pytest.fixture(scope="module")
def mlc(data_file):
    raw = pd.read_csv(data_file("mlc_churn.csv.gz"))
    return raw.assign(churn=raw["churn"] == "yes")


# ── which model ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_kind_with_the_least_loss_on_rows_left_out_or_a_blend_is_chosen():
    model = churn.fit(wavy(900))
    assert set(model.candidates) == {"logistic", "boosting", "large_boosting", "blend"}
    best = min(model.candidates, key=lambda name: model.candidates[name]["log_loss"])
    assert model.kind in (best, "blend")  # a blend that is no worse beyond doubt is preferred
    assert model.kind != "logistic"
    assert model.metrics["log_loss"] == pytest.approx(model.candidates[model.kind]["log_loss"])
    assert "tried logistic" in repr(model)


def test_where_a_line_is_the_truth_a_line_is_chosen():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1200, 3))
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(churned=rng.random(1200) < 1 / (1 + np.exp(-x @ [1.0, -0.5, 0.2])))
    assert churn.fit(frame).kind == "logistic"


def test_few_rows_are_left_to_the_logistic_regression():
    frame = wavy(600)
    few = pd.concat([frame[frame["churned"]].head(150), frame[~frame["churned"]]])
    assert set(churn.fit(few).candidates) == {"logistic"}


def test_a_boosting_by_name_is_scored_as_by_hand():
    frame = wavy(500)
    model = churn.fit(frame, model="boosting", calibration="none")
    X, _ = _learn.read_features(frame, ["tenure", "spend", "plan"]).matrix()
    order = _learn.content_order(X, frame["churned"].to_numpy())
    y = frame["churned"].to_numpy()[order]
    found = []
    seed = int(np.random.default_rng(0).integers(2**31))
    for past, now in _learn.stratified_folds(y, rng=np.random.default_rng(seed)):
        by_then = churn.fit(frame.iloc[order[past]], model="boosting", calibration="none")
        found.append(metrics.auc(y[now], churn.predict(by_then, frame.iloc[order[now]]).to_numpy()).value)
    assert model.metrics["auc"] == pytest.approx(np.mean(found), abs=1e-12)


def test_cutoffs_are_tested_on_what_was_known_by_then():
    rng = np.random.default_rng(2)
    parts = []
    for month, n in ((1, 400), (4, 300), (7, 500)):  # unequal snapshots
        part = wavy(n, seed=month).reset_index(drop=True)
        cutoff = pd.Timestamp(2024, month, 1)
        parts.append(part.assign(cutoff=cutoff, label_end=cutoff + pd.Timedelta(days=90), id=rng.permutation(n)))
    frame = pd.concat(parts).set_index("id")
    model = churn.fit(frame, model="boosting", calibration="none")
    assert model.validation == "later cutoffs from earlier ones"
    assert model.cutoffs == tuple(str(pd.Timestamp(2024, month, 1)) for month in (1, 4, 7))
    found = []
    for test in ("2024-04-01", "2024-07-01"):
        past, now = frame[frame["label_end"] <= test], frame[frame["cutoff"] == test]
        assert len(past) == {"2024-04-01": 400, "2024-07-01": 700}[test]
        by_then = churn.fit(past.drop(columns=["cutoff", "label_end"]), model="boosting", calibration="none")
        found.append(metrics.brier(now["churned"].to_numpy(), churn.predict(by_then, now).to_numpy()).value)
    assert model.metrics["brier"] == pytest.approx(np.mean(found), abs=1e-12)


def published(frame, label):
    """The default call on the splits of the published baselines: mean AUC, Brier score and EMPC over ten folds."""
    y = frame[label].to_numpy()
    found = []
    for past, now in RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=42).split(frame, y):
        p = churn.predict(churn.fit(frame.iloc[past], label=label), frame.iloc[now]).to_numpy()
        found.append([metric(y[now], p).value for metric in (metrics.auc, metrics.brier, metrics.empc)])
    return np.mean(found, axis=0)


@pytest.mark.recovery
def test_telco_by_the_default_call(telco):
    auc, brier, empc = published(telco, "Churn")
    assert auc >= 0.848
    assert brier <= 0.1345
    assert empc >= 10.38


@pytest.mark.recovery
def test_mlc_churn_by_the_default_call(mlc):
    auc, brier, _ = published(mlc, "churn")
    assert auc >= 0.92
    assert brier <= 0.0350


def test_telco_by_its_own_count(telco):
    model = churn.fit(telco, label="Churn", model="boosting")
    assert model.metrics["auc"] >= 0.846
    assert model.metrics["brier"] <= 0.1355
    assert model.missing == {"TotalCharges": pytest.approx(11 / 7043)}


# ── probabilities that hold ──────────────────────────────────────────────────────────────────────────────────────────────


def scored(n, stretch, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(-1, 1, n)
    return stretch * z, rng.random(n) < 1 / (1 + np.exp(-z))


def test_scores_that_hold_are_left_alone_and_others_are_put_right():
    rng = np.random.default_rng(0)
    honest = [scored(800, 1.0, seed) for seed in range(4)]
    stretched = [scored(800, 2.5, seed) for seed in range(4)]
    for in_time in (False, True):
        options = {"in_time": in_time, "rng": rng}
        assert choose_calibration(honest, _learn.METHODS, **options)[0].method == "none"
        found, folds = choose_calibration(stretched, _learn.METHODS, **options)
        assert found.method == "sigmoid"
        assert found.slope == pytest.approx(1 / 2.5, abs=0.05)
        # the first of folds in time has nothing earlier to be calibrated by
        assert np.array_equal(folds[0], stretched[0][0]) == in_time
    one, _ = choose_calibration(stretched[:1], _learn.METHODS, in_time=True, rng=rng)
    assert one.method == "sigmoid"


def test_a_bend_takes_a_staircase_and_enough_rows():
    rng = np.random.default_rng(1)
    z = rng.normal(0, 2, 12_000)
    y = rng.random(12_000) < np.where(z > 0, 0.6, 0.1)
    folds = [(z[k::4], y[k::4]) for k in range(4)]
    found, _ = choose_calibration(folds, _learn.METHODS, in_time=False, rng=rng)
    assert found.method == "isotonic"
    p = _learn.probability(found(np.array([-3.0, -1.0, 1.0, 3.0])))
    np.testing.assert_allclose(p, [0.1, 0.1, 0.6, 0.6], atol=0.06)
    few = [(z[k:800:4], y[k:800:4]) for k in range(4)]
    assert choose_calibration(few, _learn.METHODS, in_time=False, rng=rng)[0].method != "isotonic"


def test_a_staircase_is_never_certain_and_never_falls():
    found = fit_calibration("isotonic", np.arange(20.0), np.arange(20) >= 10)
    p = _learn.probability(found(np.linspace(-5, 25, 200)))
    assert (np.diff(p) >= 0).all()
    assert 0 < p.min() < p.max() < 1


@pytest.mark.parametrize("y", [np.zeros(20, bool), np.arange(20) >= 10, np.arange(20) < 10])
def test_scores_that_separate_or_mislead_have_no_line(y):
    assert fit_calibration("sigmoid", np.arange(20.0), y).method == "none"


def test_the_line_is_the_most_likely_one():
    z, y = scored(500, 1.7, 3)
    found = fit_calibration("sigmoid", z, y)
    residual = y - _learn.probability(found(z))
    assert residual.sum() == pytest.approx(0, abs=1e-6)
    assert (residual * z).sum() == pytest.approx(0, abs=1e-6)


def test_a_sample_drawn_by_label_gives_the_probabilities_of_the_population():
    frame = wavy(6000)
    rare = frame[~frame["churned"] | (np.arange(6000) % 5 == 0)]  # 14 % churn
    rate = rare["churned"].mean()
    rng = np.random.default_rng(0)
    ones, zeros = rare[rare["churned"]], rare[~rare["churned"]]
    balanced = pd.concat([ones, zeros.iloc[rng.choice(len(zeros), len(ones), replace=False)]])
    biased = churn.fit(balanced, model="boosting")
    model = churn.fit(balanced, model="boosting", base_rate=rate)
    whole = churn.fit(rare, model="boosting")
    new = wavy(6000, seed=9)
    new = new[~new["churned"] | (np.arange(6000) % 5 == 0)]
    assert churn.predict(biased, new).mean() > 1.5 * new["churned"].mean()
    assert churn.predict(model, new).mean() == pytest.approx(new["churned"].mean(), rel=0.1)
    # and it scores itself as in the population
    assert model.metrics["base_rate"] == rate
    assert model.metrics["brier"] == pytest.approx(whole.metrics["brier"], rel=0.15)
    assert model.offset == pytest.approx(np.log(rate / (1 - rate)))
    with pytest.raises(OptionError, match="base_rate"):
        churn.fit(balanced, base_rate=1.0)


def earned(y, p):
    """Profit per customer of contacting those above the threshold for probabilities that hold."""
    contacted = p > 11 / (0.3 * 190 + 10)
    return np.mean(contacted * np.where(y, 0.3 * 190 - 1, -11))


def test_the_plain_threshold_earns_what_the_best_one_would(telco):
    rng = np.random.default_rng(0)
    past, now = telco[rng.permutation(len(telco)) % 3 > 0], None
    now = telco.drop(past.index)
    y = now["Churn"].to_numpy()
    p = churn.predict(churn.fit(past, label="Churn", model="boosting"), now).to_numpy()
    assert earned(y, p) >= 0.985 * metrics.mpc(y, p).value
    ones, zeros = past[past["Churn"]], past[~past["Churn"]]
    balanced = pd.concat([ones, zeros.iloc[rng.choice(len(zeros), len(ones), replace=False)]])
    plain = churn.predict(churn.fit(balanced, label="Churn", model="boosting"), now).to_numpy()
    put_right = churn.fit(balanced, label="Churn", model="boosting", base_rate=past["Churn"].mean())
    p = churn.predict(put_right, now).to_numpy()
    assert earned(y, p) >= 0.98 * metrics.mpc(y, p).value
    assert earned(y, p) > earned(y, plain)


def test_a_rare_class_never_gets_a_probability_of_nothing():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=2000), "churned": np.arange(2000) < 6})
    for model in ("auto", "boosting"):
        p = churn.predict(churn.fit(frame, model=model), frame)
        assert p.between(1e-9, 1 - 1e-9).all()
        assert p.mean() == pytest.approx(0.003, rel=0.5)
    with pytest.raises(FitError, match="at least 5"):
        churn.fit(frame.assign(churned=np.arange(2000) < 4))


# ── columns as they come ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_missing_is_learnt_from(bent):
    frame, model = bent
    assert model.missing == {"plan": pytest.approx(frame["plan"].isna().mean())}
    row = {"tenure": 0.0, "spend": 50.0}
    assert model.probability({**row, "plan": None}) > 2 * model.probability({**row, "plan": "pro"})
    line = churn.fit(frame, model="logistic")
    assert "plan missing" in line.terms
    assert line.coefficients[line.terms.index("plan missing")] > 0.5


def test_a_new_category_is_no_missing_one(bent):
    frame, model = bent
    row = {"tenure": 0.0, "spend": 50.0}
    seen = {plan: model.probability({**row, "plan": plan}) for plan in ("basic", "plus", "pro")}
    shares = frame["plan"].value_counts(normalize=True)
    with pytest.warns(DataWarning, match=r"1 of 1 rows \(100.0%\) hold a category the model has not seen"):
        new = model.probability({**row, "plan": "platinum"})
    assert new == pytest.approx(sum(shares[plan] * p for plan, p in seen.items()), rel=1e-9)
    assert new < 0.7 * model.probability({**row, "plan": None})
    rows = frame.head(4).assign(plan=["platinum", "pro", None, "gold"])
    with pytest.warns(DataWarning, match=r"2 of 4 rows \(50.0%\)"):
        p = churn.predict(model, rows)
    assert p.iloc[1] == churn.predict(model, frame.head(4).assign(plan="pro")).iloc[1]
    assert p.iloc[2] == churn.predict(model, frame.head(4).assign(plan=None)).iloc[2]


def test_several_new_categories_are_averaged_together():
    rng = np.random.default_rng(4)
    many = [f"v{k:02d}" for k in range(40)]
    frame = pd.DataFrame({"a": rng.choice(many, 1500), "b": rng.choice(many, 1500), "c": rng.choice(["x", "y"], 1500)})
    frame["churned"] = rng.random(1500) < 0.2 + 0.4 * (frame["c"] == "x")
    model = churn.fit(frame, model="boosting")
    with pytest.warns(DataWarning):
        both = model.probability({"a": "new", "b": "new", "c": "x"})
    seen = churn.predict(model, frame[frame["c"] == "x"]).mean()
    assert both == pytest.approx(seen, abs=0.05)


def test_missing_numbers_and_flags():
    frame = wavy(400).astype({"tenure": object})
    frame["often"] = pd.array(np.arange(400) % 3 == 0, dtype="boolean")
    frame.iloc[:40, frame.columns.get_loc("often")] = pd.NA
    frame.iloc[20:90, frame.columns.get_loc("tenure")] = None
    frame["spend"] = [None if k % 7 == 0 else Decimal(str(v)) for k, v in enumerate(frame["spend"])]
    model = churn.fit(frame, model="logistic")
    assert set(model.missing) == {"often", "tenure", "spend"}
    assert {"often missing", "tenure missing", "spend missing"} <= set(model.terms)
    p = churn.predict(model, frame)
    assert p.between(0, 1).all()
    for k in (0, 30, 50):
        row = {name: None if pd.isna(frame[name].iloc[k]) else frame[name].iloc[k] for name in model.features}
        assert model.probability(row) == pytest.approx(p.iloc[k], abs=1e-15)


@pytest.mark.parametrize("model", ["logistic", "boosting"])
def test_however_columns_are_stored_the_answer_is_the_same(model):
    frame = wavy(300, missing=0.1)
    expected = churn.predict(churn.fit(frame, model=model), frame).to_numpy()
    numpy_nullable, arrow = frame.convert_dtypes(), frame.convert_dtypes(dtype_backend="pyarrow")
    for other in (numpy_nullable, arrow, frame.astype({"plan": "category"})):
        np.testing.assert_array_equal(churn.predict(churn.fit(other, model=model), other).to_numpy(), expected)


def test_numbers_where_categories_were_learnt_are_refused_unless_these_read_as_numbers():
    frame = wavy(300)
    model = churn.fit(frame)
    with pytest.raises(DataError, match=r"'plan' holds numbers, but the model was fitted on the categories \['basic'"):
        churn.predict(model, frame.assign(plan=1.0))
    with pytest.raises(DataError, match="'plan' is a number"):
        model.probability({"tenure": 1.0, "spend": 2.0, "plan": 3})
    coded = frame.assign(plan=frame["plan"].map({"basic": "1", "plus": "2", "pro": "3"}))
    model = churn.fit(coded)
    expected = churn.predict(model, coded)
    for stored in (int, float, "Int64"):
        pd.testing.assert_series_equal(churn.predict(model, coded.assign(plan=coded["plan"].astype(stored))), expected)
    assert model.probability({"tenure": 1.0, "spend": 2.0, "plan": 3.0}) == model.probability(
        {"tenure": 1.0, "spend": 2.0, "plan": "3"}
    )


# ── the model by itself ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_boosting_survives_json_without_pickle(bent, monkeypatch):
    import pickle

    frame, model = bent
    expected = churn.predict(model, frame)
    for name in ("loads", "load", "dumps", "Unpickler"):
        monkeypatch.setattr(pickle, name, None)
    text = json.dumps(model.to_dict())
    revived = Model.from_dict(json.loads(text))
    assert isinstance(revived, churn.ChurnModel)
    pd.testing.assert_series_equal(churn.predict(revived, frame), expected, check_exact=True)
    assert dict(revived.metrics) == dict(model.metrics)


def test_nothing_but_a_boosting_is_read_from_a_file(bent):
    import base64

    from skops import io

    _, model = bent
    written = model.to_dict()
    written["estimators"]["boosting"]["__skops__"] = base64.b64encode(io.dumps({"call": np.random.default_rng})).decode()
    with pytest.raises(DataError, match="not written by crmkit"):
        Model.from_dict(written)


def test_without_skops_a_boosting_says_what_to_install(bent, monkeypatch):
    _, model = bent
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'crmkit\[models\]'"):
        model.to_dict()


def test_the_model_holds_no_rows(bent):
    frame, model = bent
    assert len(json.dumps(model.to_dict())) < 400_000
    large = churn.fit(pd.concat([frame] * 4), model="boosting")
    assert len(json.dumps(large.to_dict())) < 2 * len(json.dumps(model.to_dict()))


def test_a_boosting_has_no_coefficients_and_says_so(bent):
    _, model = bent
    assert (model.intercept, model.terms, model.coefficients.size) == (None, (), 0)
    with pytest.raises(FitError, match="model='logistic'"):
        model.logistic()


def test_the_order_of_rows_changes_nothing():
    frame = wavy(400)
    one, two = (churn.fit(each, model="large_boosting") for each in (frame, frame.sample(frac=1.0, random_state=1)))
    np.testing.assert_array_equal(churn.predict(one, frame).to_numpy(), churn.predict(two, frame).to_numpy())
    assert dict(one.metrics) == dict(two.metrics)
    assert one.candidates["large_boosting"]["trees"] % 40 == 0


def test_the_number_of_threads_changes_nothing(monkeypatch):
    from crmkit._learn._boosting import SMALL, fit_boosting

    monkeypatch.setattr("crmkit._learn._boosting.ROWS_FOR_THREADS", 10)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 4)), rng.random(300) < 0.4
    options = {"iterations": 10, "seed": 0}
    one, two = (fit_boosting(X, y, np.ones(4, bool), SMALL, **options, n_threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one.log_odds(X), two.log_odds(X))


def test_more_rows_than_the_choice_takes_are_drawn(monkeypatch):
    frame = wavy(900)
    monkeypatch.setattr("crmkit.churn._fit.CHOICE_ROWS", 400)
    model = churn.fit(frame, model="logistic")
    again = churn.fit(frame, model="logistic", rng=1)
    assert model.n == again.n == 900
    np.testing.assert_array_equal(model.coefficients, again.coefficients)
    assert model.metrics["auc"] != again.metrics["auc"]


def test_the_state_of_the_process_is_as_before():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def state():
        pools = threadpoolctl.threadpool_info()
        return sorted((pool["filepath"], pool["num_threads"]) for pool in pools), warnings.filters[:]

    churn.fit(wavy(300), model="boosting")  # loads the libraries
    before = state()
    churn.predict(churn.fit(wavy(300), model="boosting"), wavy(300))
    assert state() == before


def test_importing_and_predicting_by_logistic_regression_loads_no_scikit_learn():
    code = "import sys, crmkit; crmkit.churn.fit; sys.exit('sklearn' in sys.modules or 'threadpoolctl' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("option", "value"), [("model", "forest"), ("calibration", "beta"), ("base_rate", 0), ("rng", "x")])
def test_options_are_checked(option, value):
    with pytest.raises(OptionError, match=option):
        churn.fit(wavy(100), **{option: value})


def test_one_calibration_may_be_asked_for():
    frame = wavy(600)
    for kind in ("boosting", "logistic"):
        for method in ("none", "sigmoid", "isotonic"):
            # a staircase would break the sum of contributions of a logistic regression
            expected = "none" if (kind, method) == ("logistic", "isotonic") else method
            assert churn.fit(frame, model=kind, calibration=method).calibration["method"] == expected
