"""The churn model: the likelihood's own maximum, honest scores, and predictions that need nothing but the model."""

import json
import subprocess
import sys
from decimal import Decimal

import mpmath
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_series_equal

from crmkit import _learn, churn
from crmkit.errors import ColumnError, ConvergenceWarning, DataError, DataWarning, FitError, OptionError
from crmkit.results import Model


def customers(n=300, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "tenure": rng.integers(0, 60, n),
            "spend": rng.gamma(2.0, 30.0, n).round(2),
            "plan": rng.choice(["basic", "plus", "pro"], n, p=[0.5, 0.3, 0.2]),
            "paperless": rng.random(n) < 0.6,
        },
        index=pd.Index([f"id{k}" for k in range(n)], name="customer_id"),
    )
    log_odds = 0.8 - 0.05 * frame["tenure"] + 0.6 * (frame["plan"] == "basic") - 0.3 * frame["paperless"]
    frame["churned"] = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    return frame


@pytest.fixture(scope="module")
def telco(data_file):
    raw = pd.read_csv(data_file("telco_ibm.csv.gz"))
    return raw.assign(Churn=raw["Churn"] == "Yes")


@pytest.fixture(scope="module")
def telco_cleaned(telco):
    # the 11 blanks are customers in their first month, who have not been charged yet
    frame = telco.assign(TotalCharges=pd.to_numeric(telco["TotalCharges"], errors="coerce").fillna(0.0))
    frame = frame.set_index("customerID")
    return frame.astype(dict.fromkeys(frame.select_dtypes(["object", "string"]), "category"))


# ── the maximum ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_coefficients_are_the_maximum_found_with_fifty_digits():
    x = [1, 2, 3, 5, 8, 30, 4, 40, 35, 50, 45, 60]
    y = [1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0]
    model = churn.fit(pd.DataFrame({"x": x, "churned": y}))
    with mpmath.workdps(50):
        values = [mpmath.mpf(value) for value in x]
        mean = mpmath.fsum(values) / len(x)
        sd = mpmath.sqrt(mpmath.fsum((value - mean) ** 2 for value in values) / len(x))
        z = [(value - mean) / sd for value in values]

        def slope(a, b):
            residuals = [yi - 1 / (1 + mpmath.exp(-a - b * zi)) for zi, yi in zip(z, y, strict=True)]
            return [mpmath.fsum(residuals), mpmath.fsum(r * zi for r, zi in zip(residuals, z, strict=True)) - b]

        a, b = mpmath.findroot(slope, (0, -1))
        assert abs(model.intercept - a) < 1e-8
        assert abs(model.coefficients[0] - b) < 1e-8
        assert abs(model.means[0] - mean) < 1e-13
        assert abs(model.scales[0] - sd) < 1e-13
        ll = mpmath.fsum(yi * (a + b * zi) - mpmath.log(1 + mpmath.exp(a + b * zi)) for zi, yi in zip(z, y, strict=True))
        assert abs(model.log_likelihood - ll) < 1e-9


def test_the_slope_of_the_penalised_likelihood_is_zero():
    frame = customers()
    model = churn.fit(frame)
    X = pd.get_dummies(frame[["tenure", "spend", "plan", "paperless"]], columns=["plan"], dtype=float)
    X = X.rename(columns=lambda name: name.replace("plan_", "plan="))[list(model.terms)].to_numpy(dtype=float)
    Z = (X - model.means) / model.scales
    y = frame["churned"].to_numpy()
    residual = y - 1 / (1 + np.exp(-(model.intercept + Z @ model.coefficients)))
    np.testing.assert_allclose(Z.T @ residual - model.penalty * model.coefficients, 0, atol=1e-6)
    assert residual.sum() == pytest.approx(0, abs=1e-6)
    assert model.converged


def test_probabilities_average_to_the_base_rate_and_categories_to_nothing():
    frame = customers()
    model = churn.fit(frame)
    assert churn.predict(model, frame).mean() == pytest.approx(frame["churned"].mean(), abs=1e-9)
    plans = [value for term, value in zip(model.terms, model.coefficients, strict=True) if term.startswith("plan=")]
    assert sum(plans) == pytest.approx(0, abs=1e-6)


def test_telco_out_of_fold(telco_cleaned):
    model = churn.fit(telco_cleaned, label="Churn", model="logistic")
    # the same model of scikit-learn: .8449 over ten folds, with a standard deviation of .013 between them
    assert model.metrics["auc"] == pytest.approx(0.8449, abs=0.002)
    assert model.metrics["auc_sd"] == pytest.approx(0.013, abs=0.006)
    assert model.metrics["brier"] == pytest.approx(0.1357, abs=0.001)
    assert model.metrics["log_loss"] == pytest.approx(0.4182, abs=0.003)
    assert model.metrics["base_rate"] == pytest.approx(1869 / 7043)
    assert model.validation == "stratified folds"


def test_telco_on_the_folds_of_scikit_learn(telco_cleaned):
    sklearn_folds = pytest.importorskip("sklearn.model_selection").StratifiedKFold(5, shuffle=True, random_state=42)
    frame = telco_cleaned
    y = frame["Churn"].to_numpy()
    scores = []
    for past, now in sklearn_folds.split(frame, y):
        model = churn.fit(frame.iloc[past], label="Churn", model="logistic")
        scores.append(_learn.auc(y[now], churn.predict(model, frame.iloc[now]).to_numpy()))
    assert np.mean(scores) == pytest.approx(0.845, abs=0.0015)


# ── scores on rows not fitted on ─────────────────────────────────────────────────────────────────────────────────────────


def test_auc_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    y, score = rng.random(60) < 0.3, rng.integers(0, 8, 60).astype(float)
    pairs = [(a > b) + 0.5 * (a == b) for a in score[y] for b in score[~y]]
    assert _learn.auc(y, score) == pytest.approx(np.mean(pairs))


def test_stratified_folds_part_the_rows_and_keep_the_shares():
    y = np.arange(103) < 23
    folds = _learn.stratified_folds(y)
    assert sorted(np.concatenate([now for _, now in folds])) == list(range(103))
    for past, now in folds:
        assert not set(past) & set(now)
        assert past.size + now.size == 103
        assert y[now].sum() in (4, 5)
        assert now.size in (20, 21)


def test_later_cutoffs_are_predicted_only_from_labels_known_by_then():
    cutoff = np.array([0, 0, 30, 60, 60, 90])
    label_end = cutoff + 60
    folds = [(past.tolist(), now.tolist()) for past, now in _learn.later_folds(cutoff, label_end)]
    assert folds == [([0, 1], [3, 4]), ([0, 1, 2], [5])]


def test_a_fold_with_one_class_is_not_scored_and_a_feature_may_be_constant_in_another():
    X = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 4.0], [1.0, 2.0], [1.0, 5.0]])
    y = np.array([False, True, False, True, True, False])
    rows = _learn.Matrix(X, np.zeros(2, bool), np.ones(2, bool), y)
    one_class, constant = (np.array([0, 2]), np.array([4, 5])), (np.arange(4), np.array([4, 5]))

    def scores(folds):
        options = {"methods": ("none",), "in_time": False, "base_rate": None, "seed": 0, "n_threads": 1}
        return _learn.choose(rows, folds, ("logistic",), **options).metrics

    assert scores([one_class]) == {"folds": 0, "base_rate": 0.5}
    assert scores([one_class, constant])["folds"] == 1
    assert scores([one_class, constant])["base_log_loss"] == pytest.approx(np.log(2))
    assert _learn.fit_logistic(X[:4], np.zeros(2, bool), y[:4]).coefficients[0] == 0


WINDOWS = ("30D", "90D")


def panel_frame(n_customers=300, cutoffs=("2024-04-01", "2024-07-01", "2024-10-01"), horizon="90D"):
    rng = np.random.default_rng(1)
    rate = rng.gamma(1.0, 0.02, n_customers)
    rows = [
        (customer, day)
        for customer in range(n_customers)
        for day in np.unique(rng.integers(0, 400, 1 + rng.poisson(rate[customer] * 400)))
    ]
    orders = pd.DataFrame(rows, columns=["customer_id", "day"])
    orders["timestamp"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(orders["day"], unit="D")
    orders["amount"] = rng.gamma(2.0, 10.0, len(orders)).round(2)
    # windows no longer than the log at the first cutoff
    return orders, churn.panel(orders, cutoffs=list(cutoffs), horizon=horizon, windows=WINDOWS)


# a customer of the second quarter bought more often than anybody in the first
@pytest.mark.filterwarnings("ignore:column 'orders_90d'.* far outside:crmkit.errors.DataWarning")
def test_a_panel_of_several_cutoffs_is_scored_on_the_later_ones_as_by_hand():
    _, panel = panel_frame()
    # few features: what is nearly constant at the first cutoff would say nothing of later ones
    options = {"model": "logistic", "calibration": "none", "features": ["recency_days", "overdue_ratio", "orders_90d"]}
    model = churn.fit(panel, **options)
    assert model.cutoffs == ("2024-04-01 00:00:00", "2024-07-01 00:00:00", "2024-10-01 00:00:00")
    assert "label_end" not in model.features
    assert model.validation == "later cutoffs from earlier ones"
    assert model.metrics["folds"] == 2
    moment = panel.index.get_level_values("cutoff")
    aucs, briers = [], []
    for test in ("2024-07-01", "2024-10-01"):
        now = panel[moment == test]
        by_then = churn.fit(panel[panel["label_end"] <= test], **options)
        p = churn.predict(by_then, now)
        aucs.append(_learn.auc(now["churned"].to_numpy(), p.to_numpy()))
        briers.append(((p - now["churned"]) ** 2).mean())
    assert model.metrics["auc"] == pytest.approx(np.mean(aucs), abs=1e-9)
    assert model.metrics["brier"] == pytest.approx(np.mean(briers), abs=1e-9)
    assert model.metrics["auc"] > 0.7
    assert model.metrics["log_loss"] < model.metrics["base_log_loss"]


def test_overlapping_label_windows_leave_nothing_to_test_on_and_it_is_said():
    _, panel = panel_frame(cutoffs=("2024-06-01", "2024-07-01"))
    with pytest.warns(DataWarning, match="nothing is left to test on"):
        model = churn.fit(panel, model="logistic")
    assert model.validation == "not validated"
    assert set(model.metrics) == {"folds", "base_rate"}


def test_one_cutoff_is_scored_on_stratified_folds():
    _, panel = panel_frame(cutoffs=("2024-06-01",))
    assert churn.fit(panel, model="logistic").metrics["folds"] == 5


def test_the_panel_fits_the_same_flat_and_in_other_frames():
    orders, panel = panel_frame()
    model = churn.fit(panel, model="logistic")
    pl = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    other = churn.panel(
        pl.from_pandas(orders[["customer_id", "timestamp", "amount"]]), cutoffs=list(model.cutoffs), windows=WINDOWS
    )
    for same in (panel.reset_index(), other, other.to_arrow()):
        again = churn.fit(same, model="logistic")
        assert again.features == model.features
        assert again.to_dict() == model.to_dict()
    named = panel.reset_index().rename(columns={"cutoff": "as_of"})
    assert churn.fit(named.set_index("customer_id"), cutoff="as_of", model="logistic").to_dict() == model.to_dict()
    found = churn.predict(model, other)
    assert found.columns == ["customer_id", "churn_probability"]
    np.testing.assert_array_equal(found["churn_probability"].to_numpy(), churn.predict(model, panel).to_numpy())


# ── what must not matter ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_order_of_the_rows_changes_nothing_to_the_bit():
    frame = customers()
    shuffled = frame.sample(frac=1.0, random_state=3)
    one, two = churn.fit(frame), churn.fit(shuffled)
    assert one.to_dict() == two.to_dict()
    assert_series_equal(churn.predict(one, frame)[shuffled.index], churn.predict(one, shuffled), check_exact=True)


def test_the_unit_of_a_feature_changes_no_prediction():
    frame = customers()
    scaled = frame.assign(spend=frame["spend"] * 1e9, tenure=frame["tenure"] / 365.25)
    one = churn.predict(churn.fit(frame), frame)
    two = churn.predict(churn.fit(scaled), scaled)
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_scales_of_any_size_are_finite():
    frame = customers().assign(huge=lambda f: f["spend"] * 1e300, tiny=lambda f: f["spend"] * 1e-290)
    p = churn.predict(churn.fit(frame), frame)
    assert np.isfinite(p).all()


def test_threads_change_nothing(monkeypatch):
    orders, _ = panel_frame()
    models = []
    for threads in ("1", "2"):
        monkeypatch.setenv("CRMKIT_NUM_THREADS", threads)
        models.append(churn.fit(churn.panel(orders, cutoffs=["2024-06-01"]), model="logistic").to_dict())
    assert models[0] == models[1]


def test_however_the_columns_are_stored_the_model_is_the_same():
    frame = customers(120)
    model = churn.fit(frame).to_dict()
    stored = {
        "nullable": frame.convert_dtypes(),
        "category": frame.astype({"plan": pd.CategoricalDtype(["unused", "pro", "plus", "basic"])}),
        "objects": frame.astype({"plan": object, "tenure": object, "churned": object}).assign(
            churned=frame["churned"].astype(int)
        ),
        "decimal": frame.assign(spend=[Decimal(str(value)) for value in frame["spend"]]),
    }
    if pytest.importorskip("pyarrow"):
        stored["arrow"] = frame.convert_dtypes(dtype_backend="pyarrow")
    for name, other in stored.items():
        assert churn.fit(other).to_dict() == model, name
        np.testing.assert_array_equal(
            churn.predict(churn.fit(other), other).to_numpy(), churn.predict(churn.fit(frame), frame).to_numpy()
        )


def test_inputs_are_not_changed():
    frame = customers()
    before = frame.copy()
    churn.predict(churn.fit(frame), frame)
    pd.testing.assert_frame_equal(frame, before)


# ── the model by itself ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_survives_json():
    frame = customers()
    model = churn.fit(frame)
    revived = Model.from_dict(json.loads(json.dumps(model.to_dict())))
    assert isinstance(revived, churn.ChurnModel)
    assert revived.to_dict() == model.to_dict()
    expected = churn.predict(model, frame)
    assert_series_equal(churn.predict(revived, frame), expected, check_exact=True)


def test_one_customer_scores_without_a_frame_as_in_it():
    frame = customers()
    model = churn.fit(frame)
    expected = churn.predict(model, frame)
    assert expected.index.equals(frame.index)
    row = frame.iloc[5]
    assert model.probability(dict(row)) == expected.iloc[5]
    many = model.probability({name: frame[name].to_numpy() for name in model.features})
    np.testing.assert_array_equal(many, expected.to_numpy())
    broadcast = model.probability({"tenure": [1, 20], "spend": 10.0, "plan": "pro", "paperless": True})
    assert broadcast.shape == (2,)
    assert broadcast[0] > broadcast[1]


def test_prediction_needs_no_scikit_learn():
    model = json.dumps(churn.fit(customers()).to_dict())
    code = (
        "import json, sys; from crmkit import churn; from crmkit.results import Model;"
        "m = Model.from_dict(json.loads(sys.stdin.read()));"
        "m.probability({'tenure': 3, 'spend': 9.5, 'plan': 'pro', 'paperless': True});"
        "sys.exit('sklearn' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], input=model, text=True, check=True)


def test_it_prints_its_terms_and_scores():
    text = repr(churn.fit(customers()))
    for words in ("plan=basic", "tenure", "intercept", "auc", "base_rate", "n 300", "stratified folds"):
        assert words in text


def test_it_is_frozen():
    model = churn.fit(customers())
    with pytest.raises(ValueError, match="read-only"):
        model.coefficients[0] = 1.0
    with pytest.raises(TypeError):
        model.metrics["auc"] = 1.0
    with pytest.raises(AttributeError):
        model.intercept = 0.0


def test_a_category_not_seen_has_no_effect_and_is_reported():
    frame = customers()
    model = churn.fit(frame)
    new = frame.head(3).assign(plan=["pro", "platinum", "platinum"])
    with pytest.warns(DataWarning, match=r"'plan': 2 of 3 rows.*first in row 1") as caught:
        p = churn.predict(model, new)
    assert [said.filename for said in caught if said.category is DataWarning] == [__file__]
    tenure, spend, paperless = (model.terms.index(name) for name in ("tenure", "spend", "paperless"))
    log_odds = model.intercept
    for term, value in ((tenure, new["tenure"]), (spend, new["spend"]), (paperless, new["paperless"])):
        log_odds += model.coefficients[term] * (float(value.iloc[1]) - model.means[term]) / model.scales[term]
    assert p.iloc[1] == pytest.approx(1 / (1 + np.exp(-log_odds)))
    with pytest.warns(DataWarning, match="1 of 1 rows"):
        model.probability({"tenure": 3, "spend": 9.5, "plan": "platinum", "paperless": True})


def test_predictions_on_no_rows_and_on_one():
    frame = customers()
    model = churn.fit(frame)
    assert churn.predict(model, frame.head(0)).shape == (0,)
    assert churn.predict(model, frame.head(1)).iloc[0] == churn.predict(model, frame).iloc[0]


def test_extreme_rows_stay_within_zero_and_one():
    model = churn.fit(customers())
    with pytest.warns(DataWarning, match=r"'tenure': 2 of 2 rows .*far outside.*in row 0 \(1e\+08\).*check the unit"):
        p = model.probability({"tenure": [1e8, -1e8], "spend": 1.0, "plan": "pro", "paperless": True})
    assert p.tolist() == [0.0, 1.0]


def test_numbers_count_as_far_where_the_line_moves_the_odds_twentyfold():
    frame = customers()
    model = churn.fit(frame, model="logistic")
    assert model.ranges["tenure"] == (frame["tenure"].min(), frame["tenure"].max())
    low, high = model.bounds()["tenure"]
    slope = model.coefficients[model.terms.index("tenure")] / model.scales[model.terms.index("tenure")]
    assert abs(slope) * (high - frame["tenure"].max()) == pytest.approx(3.0)
    assert abs(slope) * (frame["tenure"].min() - low) == pytest.approx(3.0)
    near = frame.head(2).assign(tenure=[low, high])
    churn.predict(model, near)
    with pytest.warns(DataWarning, match=r"'tenure': 1 of 2 rows \(50.0%\).*the first in row 1"):
        churn.predict(model, near.assign(tenure=[low, high * 1.001]))
    again = type(model).from_dict(json.loads(json.dumps(model.to_dict())))
    assert again.bounds() == model.bounds()


def test_a_feature_without_weight_is_far_nowhere():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"noise": np.tile([0.0, 1.0], 100), "visits": rng.integers(0, 9, 200)})
    frame["churned"] = np.repeat([True, False], 100)
    model = churn.fit(frame, model="logistic")
    # the same in either class, so that its slope is that of rounding
    low, high = model.bounds()["noise"]
    assert low < -100.0
    assert high > 100.0


# ── what must be refused ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_missing_value_is_refused_with_its_place_where_the_fit_has_met_none():
    frame = customers()
    model = churn.fit(frame)
    for column, value in (("spend", np.nan), ("plan", None), ("plan", "  ")):
        bad = frame.copy()
        bad.iloc[[4, 9], bad.columns.get_loc(column)] = value
        with pytest.raises(DataError, match=rf"'{column}': 2 missing, the first in row 4.*not learnt: fill"):
            churn.predict(model, bad)
    flagged = frame.astype({"paperless": "boolean"})
    flagged.iloc[2, flagged.columns.get_loc("paperless")] = pd.NA
    with pytest.raises(DataError, match="'paperless': 1 missing, the first in row 2"):
        churn.predict(model, flagged)
    with pytest.raises(DataError, match=r"'spend': 1 infinite.*row 0"):
        churn.fit(frame.assign(spend=np.where(np.arange(len(frame)) == 0, np.inf, 1.0)))
    with pytest.raises(DataError, match="'spend': 1 missing, the first in place 1"):
        model.probability({"tenure": [1, 2], "spend": [1.0, np.nan], "plan": "pro", "paperless": True})
    with pytest.raises(DataError, match="'spend': 1 infinite, the first in place 1"):
        model.probability({"tenure": [1, 2], "spend": [1.0, np.inf], "plan": "pro", "paperless": True})


def test_a_missing_feature_names_what_is_there():
    frame = customers()
    model = churn.fit(frame)
    with pytest.raises(ColumnError, match=r"no column 'spend'.*Did you mean 'spent'"):
        churn.predict(model, frame.rename(columns={"spend": "spent"}))
    with pytest.raises(ColumnError, match="no column 'plan'"):
        model.probability({"tenure": 1, "spend": 1.0, "paperless": False})
    with pytest.raises(ColumnError, match="no column 'churned'"):
        churn.fit(frame.drop(columns="churned"))
    with pytest.raises(ColumnError, match="nothing to learn from"):
        churn.fit(frame[["churned"]])
    with pytest.raises(DataError, match="'tenure' holds text, but the model was fitted on numbers"):
        churn.predict(model, frame.assign(tenure="many"))
    with pytest.raises(DataError, match="different lengths"):
        model.probability({"tenure": [1, 2], "spend": [1.0, 2.0, 3.0], "plan": "pro", "paperless": False})


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_is_refused(value):
    with pytest.raises(FitError, match=rf"all 300 rows have 'churned' {value}"):
        churn.fit(customers().assign(churned=value))


def test_a_handful_of_churners_is_refused():
    frame = customers().assign(churned=np.arange(300) < 4)
    with pytest.raises(FitError, match="4 rows have 'churned' 1 and 296 have 0; at least 5"):
        churn.fit(frame)
    assert churn.fit(customers().assign(churned=np.arange(300) < 5)).metrics["folds"] == 5


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (lambda f: np.where(f["churned"], "Yes", "No"), "not 0 and 1; recode it"),
        (lambda f: np.where(f["churned"], 1, -1), "neither 0 nor 1"),
        (lambda f: np.where(f["churned"], 1.0, np.nan), "missing, the first in row"),
        (lambda f: pd.Timestamp("2024-01-01"), "not 0 and 1; recode it"),
    ],
    ids=["text", "signs", "missing", "dates"],
)
def test_a_label_that_is_not_0_or_1_is_refused(label, words):
    frame = customers()
    with pytest.raises(DataError, match=words):
        churn.fit(frame.assign(churned=label(frame)))


def test_no_rows_and_one_row_are_refused():
    with pytest.raises(DataError, match="no rows"):
        churn.fit(customers().head(0))
    with pytest.raises(FitError, match="all 1 rows"):
        churn.fit(customers().head(1))


def test_constant_features_are_left_out_with_a_word():
    frame = customers()
    with pytest.warns(DataWarning, match=r"same value: \['country', 'version'\]"):
        model = churn.fit(frame.assign(country="UK", version=0.1))
    assert model.dropped == ("country", "version")
    assert churn.predict(model, frame).equals(churn.predict(churn.fit(frame), frame))
    with pytest.raises(FitError, match="every feature has one value"):
        churn.fit(frame.assign(country="UK"), features=["country"])


def test_text_that_is_no_category_is_refused(telco):
    raw = telco.head(600)
    with pytest.raises(DataError, match=r"'customerID' has 600 distinct values.*features="):
        churn.fit(raw, label="Churn")
    with pytest.raises(DataError, match=r"'TotalCharges' holds numbers stored as text; 1 row is blank.*row 488.*to_numeric"):
        churn.fit(raw.drop(columns="customerID"), label="Churn")


def test_numbers_among_text_are_refused():
    frame = customers()
    mixed = frame["tenure"].astype(object)
    mixed.iloc[7] = "n/a"
    with pytest.raises(DataError, match="'tenure': 1 not numbers, the first in row 7"):
        churn.fit(frame.assign(tenure=mixed))


def test_dates_are_no_features():
    with pytest.raises(DataError, match=r"'joined' holds datetime64.*up to the cutoff"):
        churn.fit(customers().assign(joined=pd.Timestamp("2024-01-01")))


@pytest.mark.parametrize(
    ("features", "words"),
    [(["tenure", "churned"], "known only with the label"), (["tenure", "tenure"], "more than once")],
)
def test_features_that_cannot_be_meant_are_refused(features, words):
    with pytest.raises(OptionError, match=words):
        churn.fit(customers(), features=features)


def test_features_may_be_named():
    model = churn.fit(customers(), features=["spend", "plan"])
    assert model.features == ("spend", "plan")
    assert churn.fit(customers(), features="tenure").terms == ("tenure",)


def test_cutoffs_need_the_ends_of_their_label_windows():
    frame = customers().assign(at=pd.Timestamp("2024-01-01"))
    with pytest.raises(ColumnError, match="no column 'label_end'"):
        churn.fit(frame, cutoff="at")
    with pytest.raises(ColumnError, match="no column 'since'"):
        churn.fit(frame, cutoff="since")
    with pytest.raises(DataError, match="300 before the cutoff, the first in row 0"):
        churn.fit(frame.assign(label_end=pd.Timestamp("2023-01-01")), cutoff="at")
    with pytest.raises(DataError, match="one has a time zone"):
        churn.fit(frame.assign(label_end=pd.Timestamp("2024-03-01", tz="UTC")), cutoff="at")


def test_predict_takes_the_model_first():
    with pytest.raises(OptionError, match=r"takes a model of churn\.fit, then the frame; got DataFrame"):
        churn.predict(customers(), churn.fit(customers()))


def test_a_fit_that_stops_early_says_so(monkeypatch):
    monkeypatch.setattr("crmkit._learn._logistic.SLACK", -1.0)
    with pytest.warns(ConvergenceWarning, match="converged=False"):
        assert not churn.fit(customers()).converged
