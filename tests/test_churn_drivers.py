"""What a model goes by, customer by customer and by shuffling; and how the rows of now differ from those of before."""

import numpy as np
import pandas as pd
import pytest

from crmkit import churn, metrics
from crmkit.errors import ColumnError, DataError, DataWarning, FitError, OptionError


def customers(n=600, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "tenure": rng.normal(30 + shift, 10, n),
            "spend": rng.gamma(2.0, 30.0, n),
            "noise": rng.normal(size=n),
            "plan": rng.choice(["basic", "plus", "pro"], n),
        },
        index=pd.Index([f"id{k}" for k in range(n)], name="customer_id"),
    )
    log_odds = -0.12 * (frame["tenure"] - 30) + 1.2 * (frame["plan"] == "basic") - 0.8
    frame["churned"] = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    return frame


@pytest.fixture(scope="module")
def line():
    return churn.fit(customers(), model="logistic")


@pytest.fixture(scope="module")
def trees():
    return churn.fit(customers(), model="boosting")


# ── contributions ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", [{}, {"calibration": "sigmoid"}, {"base_rate": 0.05}])
def test_contributions_sum_to_the_log_odds_of_the_prediction(options):
    frame = customers()
    frame.iloc[:50, 3] = None
    frame.iloc[40:80, 0] = np.nan
    model = churn.fit(frame, model="logistic", **options)
    found = churn.drivers(model, frame, per="customer")
    assert found.columns.tolist() == ["baseline", "tenure", "spend", "noise", "plan", "log_odds"]
    assert found.index.equals(frame.index)
    p = churn.predict(model, frame)
    np.testing.assert_allclose(found["log_odds"], np.log(p / (1 - p)), atol=1e-9)
    np.testing.assert_allclose(found.drop(columns="log_odds").sum(axis=1), found["log_odds"], atol=1e-12)
    assert (found["baseline"] == found["baseline"].iloc[0]).all()


def test_a_number_at_its_mean_and_a_new_category_add_nothing(line):
    row = customers().head(1).assign(tenure=line.means[line.terms.index("tenure")], plan="gold")
    with pytest.warns(DataWarning):
        found = churn.drivers(line, row, per="customer").iloc[0]
    assert found["tenure"] == pytest.approx(0, abs=1e-12)
    assert found["plan"] == 0


def test_a_boosting_has_no_contributions_and_says_so(trees):
    with pytest.raises(FitError, match="per='feature'"):
        churn.drivers(trees, customers(), per="customer")


def test_other_frames_keep_their_id(line):
    pl = pytest.importorskip("polars")
    frame = pl.from_pandas(customers().reset_index())
    found = churn.drivers(line, frame, per="customer")
    assert found.columns[0] == "customer_id"
    assert churn.drivers(line, frame)["feature"].to_list()[0] in ("tenure", "plan")


# ── shuffling ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["line", "trees"])
def test_what_matters_is_lost_and_noise_is_not(kind, request):
    model, later = request.getfixturevalue(kind), customers(seed=1)
    found = churn.drivers(model, later).set_index("feature")
    assert set(found.index[:2]) == {"tenure", "plan"}
    assert (found.loc[["tenure", "plan"], "ci_low"] > 0).all()
    assert (found.loc[["tenure", "plan"], "profit"] > 0).all()
    assert found.loc["noise", "ci_low"] < 0.01
    assert found["share"].sum() == pytest.approx(1)
    assert (found["ci_low"] <= found["log_loss"]).all()


def test_loss_and_profit_are_those_of_shuffled_columns(trees):
    later = customers(seed=1)
    found = churn.drivers(
        trees, later, groups="none", permutations=1, rng=7, value=150, offer_cost=12, contact_cost=2, accept=0.4
    )
    y = later["churned"].to_numpy()

    def judge(frame):
        p = churn.predict(trees, frame).to_numpy()
        contacted = p > (12 + 2) / (0.4 * (150 - 12) + 12)
        earned = np.mean(contacted * np.where(y, 0.4 * (150 - 12) - 2, -(12 + 2)))
        return -np.mean(np.where(y, np.log(p), np.log1p(-p))), earned

    rng = np.random.default_rng(7)
    loss, earned = judge(later)
    for name in ("tenure", "spend", "noise", "plan"):
        order = np.argsort(rng.random(len(later)), kind="stable")
        worse, less = judge(later.assign(**{name: later[name].to_numpy()[order]}))
        row = found[found["feature"] == name].iloc[0]
        assert row["log_loss"] == pytest.approx(worse - loss, abs=1e-12)
        assert row["profit"] == pytest.approx(earned - less, abs=1e-12)


def test_a_duplicated_feature_keeps_its_share():
    frame, later = customers(), customers(seed=1)
    once = churn.drivers(churn.fit(frame, model="boosting"), later).set_index("feature")["share"]

    def doubled(table):
        return table.assign(months=table["tenure"] / 12, tariff=table["plan"].map({"basic": "b", "plus": "p", "pro": "q"}))

    model = churn.fit(doubled(frame), model="boosting")
    twice = churn.drivers(model, doubled(later))
    members = twice.set_index("feature")["features"]
    assert members["tenure …"] == "tenure, months"
    assert members["plan …"] == "plan, tariff"
    shares = twice.set_index("feature")["share"]
    assert shares["tenure …"] == pytest.approx(once["tenure"], abs=0.05)
    assert shares["plan …"] == pytest.approx(once["plan"], abs=0.05)
    named = churn.drivers(model, doubled(later), groups={"loyalty": ["tenure", "months"], "tariffs": ["plan", "tariff"]})
    assert set(named["feature"]) == {"loyalty", "tariffs", "spend", "noise"}
    alone = churn.drivers(model, doubled(later), groups="none").set_index("feature")["log_loss"]
    # one by one, one of them takes it all, and the other does not seem to matter
    assert min(alone["tenure"], alone["months"]) < 0.05 * named.set_index("feature")["log_loss"]["loyalty"]


def test_rows_are_shuffled_within_their_cutoff_and_known_cutoffs_are_warned_of():
    parts = []
    for month in (1, 5, 9):
        cutoff = pd.Timestamp(2024, month, 1)
        part = customers(seed=month).reset_index(drop=True)
        # a feature that tells the cutoffs apart and nothing else
        parts.append(part.assign(cutoff=cutoff, label_end=cutoff + pd.Timedelta(days=90), month=month))
    frame = pd.concat(parts).reset_index(drop=True)
    model = churn.fit(frame[frame["month"] < 9].set_index("noise"), model="logistic")
    later = churn.drivers(model, frame[frame["month"] == 9].set_index("noise"))
    assert later.set_index("feature").loc["month", "log_loss"] == 0
    with pytest.warns(DataWarning, match="cutoffs that the model was fitted on"):
        both = churn.drivers(model, frame.set_index("noise"))
    assert both.set_index("feature").loc["month", "log_loss"] == 0


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"per": "row"}, OptionError, "per"),
        ({"groups": "all"}, OptionError, "groups"),
        ({"groups": ["tenure"]}, OptionError, "a mapping of names"),
        ({"groups": {"a": ["tenure"], "b": ["tenure"]}}, OptionError, r"\['tenure'\] more than once"),
        ({"groups": {"a": ["tenur"]}}, ColumnError, "Did you mean 'tenure'"),
        ({"permutations": 0}, OptionError, "permutations"),
        ({"accept": 2}, OptionError, "accept"),
        ({"level": 95}, OptionError, "level"),
    ],
)
def test_options_are_checked(line, options, error, words):
    with pytest.raises(error, match=words):
        churn.drivers(line, customers(), **options)


def test_the_model_comes_first_and_the_label_is_needed(line):
    with pytest.raises(OptionError, match=r"takes a model of churn\.fit"):
        churn.drivers(customers(), line)
    with pytest.raises(ColumnError, match="no column 'churned'"):
        churn.drivers(line, customers().drop(columns="churned"))


# ── drift ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def psi(before, after):
    n, m, k = sum(before), sum(after), sum(a + b > 0 for a, b in zip(before, after, strict=True))
    shares = [((a + 0.5) / (n + 0.5 * k), (b + 0.5) / (m + 0.5 * k)) for a, b in zip(before, after, strict=True) if a + b > 0]
    return sum((b - a) * np.log(b / a) for a, b in shares)


def test_the_index_is_that_of_counts_in_bins(line):
    before, after = customers(), customers(seed=2, shift=5)
    found = churn.drift(line, before, after, bins=5).features.set_index("feature")
    assert found.index[0] == "tenure"
    edges = np.quantile(before["tenure"], [0.2, 0.4, 0.6, 0.8])
    counts = [np.bincount(np.searchsorted(edges, f["tenure"], side="right"), minlength=5) for f in (before, after)]
    assert found.loc["tenure", "psi"] == pytest.approx(psi(*counts))
    plans = [f["plan"].value_counts().reindex(["basic", "plus", "pro"]).tolist() for f in (before, after)]
    assert found.loc["plan", "psi"] == pytest.approx(psi(*plans))
    assert found.loc["tenure", "psi_by_chance"] == pytest.approx(4 * (1 / 600 + 1 / 600))
    assert (found.drop("tenure")["psi"] < 0.05).all()


def test_nothing_changed_is_nothing_found_and_a_change_is(line, trees):
    for model in (line, trees):
        calm = churn.drift(model, customers(), customers(seed=3))
        assert calm.adversarial.ci_low < 0.5 < calm.adversarial.ci_high
        assert calm.score_psi < 0.1
        moved = churn.drift(model, customers(), customers(seed=3, shift=12))
        assert moved.adversarial.ci_low > 0.6
        assert moved.score_psi > 0.25
        assert "Told from before with AUC" in repr(moved)


def test_what_is_missing_and_what_is_new_is_counted(line):
    after = customers(seed=4)
    after.iloc[:60, after.columns.get_loc("spend")] = np.nan
    after.iloc[100:160, after.columns.get_loc("plan")] = "gold"
    found = churn.drift(line, customers(), after)
    features = found.features.set_index("feature")
    assert features.loc["spend", ["missing_before", "missing_after"]].tolist() == [0.0, 0.1]
    assert features.loc["plan", "unseen"] == 0.1
    assert found.unscored == 60
    assert "60 rows lack a feature" in repr(found)
    assert found.decay["rows"].tolist() == [540]


def test_how_a_model_ages_is_measured_cutoff_by_cutoff():
    parts = []
    for k, month in enumerate((1, 4, 7, 10)):
        cutoff = pd.Timestamp(2024, month, 1)
        parts.append(customers(seed=k).assign(cutoff=cutoff, label_end=cutoff + pd.Timedelta(days=90)))
    model = churn.fit(pd.concat(parts[:2]), model="logistic")
    later = pd.concat(parts[2:])
    found = churn.drift(model, parts[0], later).decay
    assert found["cutoff"].tolist() == [pd.Timestamp("2024-07-01"), pd.Timestamp("2024-10-01")]
    assert found["age_days"].tolist() == [91, 183]
    for row, part in zip(found.itertuples(), parts[2:], strict=True):
        p, y = churn.predict(model, part).to_numpy(), part["churned"].to_numpy()
        area = metrics.auc(y, p)
        assert (row.auc, row.auc_low, row.auc_high) == (area.value, area.ci_low, area.ci_high)
        assert row.brier == pytest.approx(metrics.brier(y, p).value)
        assert (row.observed, row.predicted) == (pytest.approx(y.mean()), pytest.approx(p.mean()))
        assert row.log_loss == pytest.approx(-np.mean(np.where(y, np.log(p), np.log1p(-p))))
    assert churn.drift(model, parts[0], later.drop(columns="churned")).decay is None
    with pytest.warns(DataWarning, match="2 of 2 cutoffs have one label only"):
        one = churn.drift(model, parts[0], later.assign(churned=False)).decay
    assert one["auc"].isna().all()


def test_what_cannot_be_compared_is_refused(line):
    frame = customers()
    with pytest.raises(OptionError, match=r"takes a model of churn\.fit, then two frames"):
        churn.drift(frame, frame, frame)
    with pytest.raises(DataError, match="after has 20 rows; at least 50"):
        churn.drift(line, frame, frame.head(20))
    with pytest.raises(ColumnError, match="no column 'spend'"):
        churn.drift(line, frame, frame.drop(columns="spend"))
    with pytest.raises(OptionError, match="bins"):
        churn.drift(line, frame, frame, bins=1)
