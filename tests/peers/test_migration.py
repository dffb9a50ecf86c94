"""What the pages on coming from another library say of it; run by ``nox -s peers``, in whose environment they work."""

import importlib
import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmkit import basket, clv, dedupe, errors, recommend, survival

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
# ours and theirs, in the order of the page
BLOCK = re.compile(r"^```(?:python|\{code-block\} python\n:caption: With [^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

# their own calls of pandas and numpy are dated, and what they could not learn they say in warnings
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def names_of(library):
    """Run the page on coming from `library`, and return what it defined."""
    pytest.importorskip(library, reason=f"{library} works in the environment of `nox -s peers`", exc_type=ImportError)
    page = HOWTO / f"from_{library}.md"
    text, names = page.read_text(encoding="utf-8"), {}
    assert ":caption: With " in text
    for block in BLOCK.findall(text):
        exec(compile(block, page.name, "exec"), names)
    return names


# ── lifetimes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def lifetimes():
    return names_of("lifetimes")


def test_lifetimes_expects_the_same_purchases(lifetimes):
    np.testing.assert_allclose(lifetimes["purchases"], lifetimes["their_purchases"], rtol=1e-4)


def test_lifetimes_refuses_months_and_takes_thirty_days_for_one(lifetimes):
    from lifetimes.utils import _customer_lifetime_value as value

    with pytest.raises(errors.CrmkitError, match="M"):
        clv.summarize(lifetimes["lines"], unit="M")

    class OneADay:
        def predict(self, t, *history):
            return pd.Series([float(t)])

    one = pd.Series([1.0])
    assert value(OneADay(), one, one, one, one, time=12, discount_rate=0.0, freq="D").iloc[0] == 360


def test_lifetimes_fits_a_mean_spend_that_crmkit_refuses(lifetimes):
    from lifetimes import GammaGammaFitter

    heavy = pd.DataFrame({"frequency": np.ones(500), "monetary_value": np.exp(np.random.default_rng(0).normal(3, 2.5, 500))})
    fitted = GammaGammaFitter().fit(heavy["frequency"], heavy["monetary_value"])
    assert fitted.params_["q"] < 1
    assert fitted.conditional_expected_average_profit(pd.Series([0]), pd.Series([0.0])).iloc[0] < 0
    with pytest.raises(errors.CrmkitError):
        clv.expected_spend(clv.fit_gamma_gamma(heavy), heavy.assign(frequency=0.0, monetary_value=0.0))
    with pytest.raises(errors.DataError, match="monetary_value"):
        clv.fit_gamma_gamma(heavy.assign(monetary_value=-3.0))


# ── mlxtend ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def mlxtend():
    return names_of("mlxtend")


def test_mlxtend_finds_the_same_sets_and_rules(mlxtend):
    theirs = {tuple(sorted(items)): support for items, support in mlxtend["theirs"][["itemsets", "support"]].to_numpy()}
    assert theirs == pytest.approx(dict(zip(mlxtend["sets"]["items"], mlxtend["sets"]["support"], strict=True)))
    assert len(mlxtend["rules"]) == len(mlxtend["their_rules"]) > 0
    assert (mlxtend["their_rules"]["representativity"] == 1).all()


def test_mlxtend_names_the_maximal_sets(mlxtend):
    from mlxtend.frequent_patterns import fpmax

    theirs = fpmax(mlxtend["table"], min_support=0.2, use_colnames=True)["itemsets"]
    ours = mlxtend["sets"].loc[mlxtend["sets"]["maximal"], "items"]
    assert {tuple(sorted(items)) for items in theirs} == set(ours)


def test_mlxtend_certainty_has_no_lower_end_here_or_there(mlxtend):
    ours = basket.rules(mlxtend["sets"], min_confidence=0.0, measures=["certainty"])
    theirs = mlxtend["association_rules"](mlxtend["theirs"], metric="confidence", min_threshold=0.0)
    assert ours["certainty"].min() == pytest.approx(theirs["certainty"].min())
    assert ours["certainty"].min() < -1
    assert ours["zhang"].min() >= -1


def test_mlxtend_raises_where_nothing_is_frequent_enough(mlxtend):
    none = mlxtend["fpgrowth"](mlxtend["table"], min_support=1.0, use_colnames=True)
    with pytest.raises(ValueError, match="empty"):
        mlxtend["association_rules"](none, min_threshold=0.5)
    ours = basket.frequent_itemsets(mlxtend["lines"], min_support=1.0, customer="basket", item="item", time=None, amount=None)
    assert len(ours) == len(basket.rules(ours, min_confidence=0.5)) == 0


# ── implicit ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def implicit():
    return names_of("implicit")


def test_implicit_gives_the_same_lists_of_neighbours(implicit):
    ours = implicit["lists"].pivot_table(index="customer_id", columns="rank", values="item_id", aggfunc="first", observed=True)
    assert len(ours) == 300
    assert (ours.to_numpy() == implicit["their_items"]).all()
    scores = implicit["lists"].pivot_table(index="customer_id", columns="rank", values="score", observed=True)
    np.testing.assert_allclose(scores, implicit["their_scores"], rtol=1e-5)


def test_implicit_reaches_the_same_loss(implicit):
    theirs = implicit["loss"](implicit["theirs"].user_factors, implicit["theirs"].item_factors)
    ours = implicit["loss"](implicit["same"].customer_factors, implicit["same"].item_factors)
    assert ours == pytest.approx(theirs, rel=1e-3)


def test_implicit_alpha_is_the_weight_of_what_was_not_bought(implicit):
    seen, bought, alpha = implicit["seen"], implicit["bought"], 5.0
    peer = implicit["AlternatingLeastSquares"](
        factors=8, regularization=0.05, alpha=alpha, iterations=200, num_threads=1, random_state=0
    )
    peer.fit(bought, show_progress=False)
    options = {"factors": 8, "weighting": "replaced", "penalty_exponent": 0.0, "unobserved_weight": 1 / alpha, "sweeps": 200}
    scale = recommend.fit_als(seen, **options).penalty_scale / 0.004
    ours = recommend.fit_als(seen, **options, penalty=0.05 / alpha / scale)
    weights = alpha * bought.toarray()

    def loss(customer_factors, item_factors):
        misses = (weights > 0) - customer_factors @ item_factors.T
        squares = (customer_factors**2).sum() + (item_factors**2).sum()
        return (np.where(weights > 0, weights, 1.0) * misses**2).sum() + 0.05 * squares

    assert alpha * ours.loss[-1] == pytest.approx(loss(ours.customer_factors, ours.item_factors), rel=1e-3)
    assert loss(ours.customer_factors, ours.item_factors) == pytest.approx(loss(peer.user_factors, peer.item_factors), rel=2e-3)


def test_implicit_without_weights_is_a_shrunk_singular_value_decomposition(implicit):
    ones = implicit["bought"].copy()
    ones.data[:] = 1
    peer = implicit["AlternatingLeastSquares"](
        factors=8, regularization=0.05, iterations=30, use_cg=False, num_threads=1, random_state=0
    )
    peer.fit(ones, show_progress=False)
    left, values, right = np.linalg.svd(ones.toarray(), full_matrices=False)
    shrunk = (left[:, :8] * (values[:8] - 0.05)) @ right[:8]
    np.testing.assert_allclose(peer.user_factors @ peer.item_factors.T, shrunk, atol=0.01)


def test_implicit_bm25_is_close_and_not_the_same(implicit):
    module = importlib.import_module("implicit.nearest_neighbours")
    peer = module.BM25Recommender(K=21, num_threads=1)
    peer.fit(implicit["bought"], show_progress=False)
    rows, _ = peer.recommend(np.arange(300), implicit["bought"], N=5)
    ours = recommend.top_items(recommend.fit_item_knn(implicit["seen"], k=20, measure="bm25"), k=5)
    ours = ours.groupby("customer_id", observed=True)["item_id"].agg(set)
    theirs = [set(row) for row in implicit["items"].cat.categories.to_numpy()[rows]]
    shared = np.mean([len(a & b) / 5 for a, b in zip(ours, theirs, strict=True)])
    assert 0.75 < shared < 1


def test_implicit_fills_lists_up_takes_any_row_and_starts_anew(implicit):
    from scipy.sparse import csr_matrix

    tiny = csr_matrix(np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1]], np.float32))
    peer = implicit["CosineRecommender"](K=4, num_threads=1)
    peer.fit(tiny, show_progress=False)
    rows, scores = peer.recommend(1, tiny[1], N=4)
    assert 0 in rows[scores == 0]  # which the customer has
    frame = pd.DataFrame({"customer_id": [0, 0, 1, 2, 2], "item_id": [0, 1, 0, 2, 3]})
    model = recommend.fit_item_knn(recommend.interactions(frame, time=None, amount=None))
    assert recommend.top_items(model, [1], k=4)["item_id"].tolist() == [1]

    als, bought = implicit["AlternatingLeastSquares"], implicit["bought"]
    rows, scores = implicit["theirs"].recommend(0, csr_matrix((1, bought.shape[1]), dtype=np.float32), N=5, recalculate_user=True)
    assert rows.size == 5
    assert (scores == 0).all()
    rows, _ = implicit["theirs"].recommend(0, bought[1], N=5)
    assert rows.size == 5
    turned, again = als(factors=8, num_threads=1), als(factors=8, num_threads=1)
    turned.fit(bought.T.tocsr(), show_progress=False)
    assert turned.user_factors.shape[0] == bought.shape[1]
    again.fit(bought, show_progress=False)
    other = als(factors=8, num_threads=1)
    other.fit(bought, show_progress=False)
    assert not np.allclose(again.user_factors, other.user_factors)


# ── lifelines ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def lifelines():
    return names_of("lifelines")


@pytest.fixture(scope="module")
def rossi(lifelines):
    from lifelines.datasets import load_rossi

    return load_rossi()


NAMES = {"duration": "week", "event": "arrest"}


def test_lifelines_fits_the_same_model_and_asks_the_same_customers(lifelines):
    ours = dict(zip(lifelines["model"].terms, lifelines["model"].coefficients, strict=True))
    theirs = lifelines["theirs"].params_
    for term, coefficient in ours.items():
        assert coefficient == pytest.approx(theirs[term.replace("=", "_")], rel=1e-6)
    last = lifelines["their_curve"].survival_function_.iloc[-1, 0]
    assert lifelines["curve"]["survival"].iloc[-1] == pytest.approx(last)
    stays = lifelines["their_survival"].iloc[0][lifelines["leaving"].index]
    assert np.abs(1 - lifelines["leaving"] - stays).max() < 0.05
    # a straight line from one time of the data to the next, as the page says
    baseline, now = lifelines["model"].baseline(), lifelines["now"]
    times = np.unique(lifelines["table"]["days"])
    steps = np.append(0.0, baseline["cumulative_hazard"])[np.searchsorted(baseline["time"], times, side="right")]
    ahead, so_far = (np.interp(now["days"] + shift, times, steps) for shift in (90, 0))
    columns = {name: now[name].to_numpy() for name in ("plan", "payment")}
    lines = np.exp(-(ahead - so_far) * np.exp(lifelines["model"].log_ratio(columns)))
    np.testing.assert_allclose(lines, stays, rtol=1e-6)


def test_lifelines_baseline_and_penalty_are_as_the_page_says(lifelines, rossi):
    from lifelines import CoxPHFitter

    theirs, ours = CoxPHFitter().fit(rossi, "week", "arrest"), survival.fit_cox(rossi, **NAMES)
    assert theirs.baseline_survival_.iloc[-1, 0] == pytest.approx(0.7600, abs=5e-5)
    assert ours.baseline()["survival"].iloc[-1] == pytest.approx(0.7593, abs=6e-5)
    theirs = CoxPHFitter(penalizer=0.1).fit(rossi, "week", "arrest").params_
    np.testing.assert_allclose(survival.fit_cox(rossi, penalty=0.1 * len(rossi), **NAMES).coefficients, theirs, rtol=0.02)
    assert len(rossi) == 432


def test_lifelines_goes_on_beyond_the_last_time(lifelines, rossi):
    from lifelines import CoxPHFitter

    theirs = CoxPHFitter().fit(rossi, "week", "arrest")
    later = theirs.predict_survival_function(rossi.head(1), times=[52, 500]).iloc[:, 0]
    assert later.loc[52] == later.loc[500]
    assert theirs.predict_survival_function(rossi.head(1), times=[10], conditional_after=[52]).iloc[0, 0] == 1
    assert np.isinf(theirs.predict_median(rossi.head(1)))
    assert theirs.predict_expectation(rossi.head(1)).iloc[0] < 52
    with pytest.raises(errors.DataError, match="beyond the longest time observed"):
        survival.predict(survival.fit_cox(rossi, **NAMES), rossi.assign(week=52), horizon=10)


def test_lifelines_takes_what_crmkit_refuses(lifelines, rossi):
    from lifelines import CoxPHFitter, KaplanMeierFitter

    twice, before = rossi.assign(arrest=2 * rossi["arrest"]), rossi.assign(week=rossi["week"] - 10)
    for frame, message in ((twice, "neither 0 nor 1"), (before, "negative")):
        assert np.isfinite(CoxPHFitter().fit(frame, "week", "arrest").params_).all()
        with pytest.raises(errors.DataError, match=message):
            survival.fit_cox(frame, **NAMES)
    assert KaplanMeierFitter().fit(rossi["week"]).survival_function_.iloc[-1, 0] == 0
    with pytest.raises(errors.ColumnError):
        survival.curve(rossi[["week"]], duration="week")
    apart = pd.DataFrame({"week": range(1, 11), "arrest": [1] * 5 + [0] * 5, "x": [1] * 5 + [0] * 5})
    assert 15 < CoxPHFitter().fit(apart, "week", "arrest").params_["x"] < 25
    with pytest.raises(errors.FitError, match="'x'"):
        survival.fit_cox(apart, **NAMES)


# ── splink ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def splink():
    return names_of("splink")


def test_splink_finds_about_as_many_people(splink):
    ours, theirs = splink["people"].clusters.nunique(), splink["their_people"]
    assert abs(ours - theirs) < 0.05 * theirs
    assert {"match_weight", "match_probability", "gamma_email"} <= set(splink["predictions"].as_pandas_dataframe())


def test_splink_numbers_levels_alike(splink):
    theirs = splink["predictions"].as_pandas_dataframe()
    theirs = theirs[["unique_id_l", "unique_id_r", "gamma_last_name", "gamma_first_name"]]
    pairs = theirs.rename(columns={"unique_id_l": "left", "unique_id_r": "right"})[["left", "right"]]
    fields = dict.fromkeys(("first_name", "last_name"), splink["name"])
    # values as splink reads them: as they stand
    clean = splink["records"].map(lambda value: value.strip().lower() if isinstance(value, str) else None)
    ours = dedupe.compare_pairs(clean, pairs, fields=fields)
    for name in fields:
        same = ours[name].to_numpy() == theirs[f"gamma_{name}"].to_numpy()
        assert same.mean() > 0.95


def test_splink_takes_repeated_ids_empty_strings_and_models_without_training(splink):
    linker, backend, settings = splink["Linker"], splink["DuckDBAPI"], splink["settings"]
    records = splink["records"].rename_axis("unique_id").reset_index()
    repeated = records.copy()
    repeated.loc[1, "unique_id"] = repeated.loc[0, "unique_id"]
    assert len(linker(backend().register(repeated), settings).inference.predict().as_pandas_dataframe()) > 0
    with pytest.raises(errors.DataError):
        dedupe.deduplicate(repeated, splink["fields"], splink["rules"], id="unique_id")

    untrained = linker(backend().register(records), settings).inference.predict().as_pandas_dataframe()
    assert untrained["match_probability"].max() > 0.99

    few = records.head(4).copy()
    few["email"], few["last_name"], few["first_name"] = ["", "", "b@x.org", "c@x.org"], list("abcd"), list("efgh")
    pairs = linker(backend().register(few), settings).inference.predict().as_pandas_dataframe()
    assert pairs["gamma_email"].tolist() == [3]
    few["email"] = ["a@x.org", "A@x.org", "b@x.org", "c@x.org"]
    assert len(linker(backend().register(few), settings).inference.predict().as_pandas_dataframe()) == 0
    assert len(dedupe.candidate_pairs(few, blocking=["email"], fields={"email": "email"}, id="unique_id")) == 1
