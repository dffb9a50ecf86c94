"""Every public result prints in a few lines and shows in a notebook: escaped, without scripts, without anybody's data."""

import functools
import html.parser
import inspect
import types

import numpy as np
import pandas as pd
import pytest

import crmkit as crm
from crmkit.results import Estimate, html_table

# a few rows fit no model well, which is not what is tested here
pytestmark = pytest.mark.filterwarnings("ignore::crmkit.errors.CrmkitWarning")

SECRET = "zz<b>&secret"  # in every id, name and answer


def named(ids):
    return np.array([f"{SECRET}{i}" for i in ids], dtype=object)


@functools.cache
def lines():
    rng = np.random.default_rng(3)
    n = 240
    return pd.DataFrame(
        {
            "customer_id": named(rng.integers(0, 40, n)),
            "timestamp": pd.Timestamp("2023-01-01") + pd.to_timedelta(np.sort(rng.choice(500 * 24, n, replace=False)), unit="h"),
            "amount": rng.integers(1, 90, n).astype(float),
            "item_id": [f"i{i}" for i in rng.integers(0, 12, n)],
        }
    )


@functools.cache
def log():
    return crm.events(lines())


@functools.cache
def summary():
    return crm.clv.summarize(log())


@functools.cache
def seen():
    return crm.recommend.interactions(log())


@functools.cache
def buying():
    return crm.clv.fit_bg_nbd(summary())


@functools.cache
def contracts():
    rng = np.random.default_rng(9)
    ends = rng.geometric(rng.beta(1.0, 3.0, 200))
    watched = rng.integers(3, 9, 200)
    return pd.DataFrame({"age": np.minimum(ends, watched), "lost": (ends <= watched).astype(int)})


@functools.cache
def opportunities():
    rng = np.random.default_rng(5)
    taken = rng.random((40, 8)) < 0.4
    last = np.where(taken.any(axis=1), 8 - taken[:, ::-1].argmax(axis=1), 0)
    return pd.DataFrame({"frequency": taken.sum(axis=1), "recency": last, "T": 8}, index=named(range(40)))


@functools.cache
def records():
    return crm.datasets.make_records(n_records=200, rng=1)


@functools.cache
def deduplicated():
    return crm.dedupe.deduplicate(records().records, fields=records().fields)


@functools.cache
def panel():
    return crm.churn.panel(log(), cutoffs=["2023-08-01", "2023-10-01", "2023-12-01"])


@functools.cache
def leaving():
    return crm.churn.fit(panel(), model="logistic")


@functools.cache
def campaign():
    return crm.datasets.make_experiment(n_customers=400)


@functools.cache
def scored():
    rng = np.random.default_rng(5)
    p = rng.random(120).round(2)
    y = (rng.random(120) < p).astype(int)
    return pd.DataFrame({"y": y, "p": p, "value": rng.gamma(2, 20, 120)}, index=named(range(120)))


@functools.cache
def survey():
    return crm.datasets.make_survey(named(range(300)), response_rate=0.9, drivers={"service": 0.5, "price": 0.3}, waves=3).survey


@functools.cache
def lives():
    rng = np.random.default_rng(6)
    plan = np.array(list("abc") * 40)
    return pd.DataFrame(
        {"duration": rng.integers(1, 12, 120), "event": rng.integers(0, 2, 120), "age": rng.integers(20, 60, 120), "plan": plan},
        index=named(range(120)),
    )


@functools.cache
def parts():
    return crm.recommend.split_last(lines())


@functools.cache
def rates():
    return pd.DataFrame({"value": [60.0, 20.0], "n": [500, 500], "se": [3.0, 4.0]}, index=["shop", "online"])


def shares():
    return dict.fromkeys(survey()["segment"].unique(), 1.0)


@functools.cache
def mailing():
    rng = np.random.default_rng(4)
    mail, taste = np.arange(160) % 2, rng.normal(5.0, 1.0, 160).round(3)
    spend = (taste + mail * (taste > 5) * 3 + rng.random(160)).round(3)
    frame = pd.DataFrame({"mail": mail, "taste": taste, "spend": spend, "guess": rng.normal(5.0, 1.0, 160).round(3)})
    return frame.set_axis(named(range(160)))


MAKERS = {
    "Customers": lambda: crm.customers(log(), level=None, churn_horizon=None),
    "EventLog": log,
    "churn.ChurnModel": leaving,
    "churn.Drift": lambda: crm.churn.drift(leaving(), panel(), panel().iloc[::2]),
    "churn.Window": lambda: crm.churn.suggest_window(log(), at_most=0.3),
    "clv.Bdw": lambda: crm.clv.fit_bdw(contracts()),
    "clv.BgBb": lambda: crm.clv.fit_bg_bb(opportunities()),
    "clv.BgCnbd": lambda: crm.clv.fit_bg_cnbd(crm.clv.summarize(log(), logs=True)),
    "clv.BgNbd": buying,
    "clv.Evaluation": lambda: crm.clv.evaluate(crm.clv.fit_bg_nbd(known()), known(), draws=100),
    "clv.GammaGamma": lambda: crm.clv.fit_gamma_gamma(summary()),
    "clv.MbgNbd": lambda: crm.clv.fit_mbg_nbd(summary()),
    "clv.ParetoNbd": lambda: crm.clv.fit_pareto_nbd(summary()),
    "clv.PredictionInterval": lambda: crm.clv.prediction_interval(buying(), summary(), horizon="10W", draws=100),
    "clv.Sbg": lambda: crm.clv.fit_sbg(contracts()),
    "clv.Simulation": lambda: crm.clv.simulate(buying(), n_customers=20, horizon=20),
    "clv.Split": lambda: crm.clv.split(log(), calibration_end="2023-10-01"),
    "datasets.Experiment": campaign,
    "datasets.Purchases": lambda: crm.datasets.make_interactions(n_customers=60),
    "datasets.Records": records,
    "datasets.Store": lambda: crm.datasets.make_store(n_customers=60),
    "datasets.Subscriptions": lambda: crm.datasets.make_subscriptions(n_customers=60),
    "datasets.Survey": lambda: crm.datasets.make_survey(named(range(60))),
    "datasets.Transactions": lambda: crm.datasets.make_transactions(n_customers=60),
    "dedupe.Assignment": lambda: crm.dedupe.assign_ids(
        records().records.iloc[100:],
        records().records.iloc[:100],
        deduplicated().clusters.iloc[:100],
        fields=records().fields,
        model=deduplicated().model,
    ),
    "dedupe.ClusterEvaluation": lambda: crm.dedupe.evaluate_clusters(deduplicated().clusters, records().truth),
    "dedupe.Clusters": lambda: crm.dedupe.cluster_pairs(deduplicated().pairs, threshold=0.9),
    "dedupe.Deduplication": deduplicated,
    "dedupe.FellegiSunter": lambda: deduplicated().model,
    "dedupe.Golden": lambda: crm.dedupe.golden_records(records().records, deduplicated().clusters),
    "dedupe.Linkage": lambda: crm.dedupe.link(
        records().records.iloc[:100], records().records.iloc[100:], fields=records().fields
    ),
    "dedupe.Quality": lambda: deduplicated().quality,
    "experiment.Comparison": lambda: crm.experiment.compare_rates(campaign().customers, outcome="visited"),
    "experiment.Cuped": lambda: crm.experiment.cuped(
        campaign().customers, outcome="spend", covariate=campaign().customers.columns[2]
    ),
    "experiment.Power": lambda: crm.experiment.power(baseline=0.2, effect=0.05, power=0.8),
    "experiment.SampleRatio": lambda: crm.experiment.sample_ratio({"a": 500, "b": 520}),
    "feedback.Change": lambda: crm.feedback.decompose_change(rates(), rates().assign(n=[200, 300])),
    "feedback.Difference": lambda: crm.feedback.nps_difference([10] * 20 + [3] * 10, [10] * 25 + [2] * 20),
    "feedback.Drivers": lambda: crm.feedback.key_drivers(survey(), outcome="score", drivers=["service", "price"]),
    "feedback.EarnedGrowth": lambda: crm.feedback.earned_growth(prior=100, returning=92, referred=13),
    "feedback.Homogeneity": lambda: crm.feedback.nps_homogeneity(survey(), by="segment"),
    "feedback.Satisfaction": lambda: crm.feedback.csat([5, 4, 4, 3, 5, 1]),
    "feedback.Score": lambda: crm.feedback.nps(survey()),
    "feedback.Trend": lambda: crm.feedback.trend(survey(), time="timestamp"),
    "feedback.Weights": lambda: crm.feedback.rake(survey(), margins={"segment": shares()}),
    "metrics.Brier": lambda: crm.metrics.brier(scored()["y"], scored()["p"]),
    "metrics.Calibration": lambda: crm.metrics.calibration(scored()["y"], scored()["p"]),
    "metrics.Difference": lambda: crm.metrics.difference(scored()["y"], scored()["p"], scored()["p"].round(1)),
    "metrics.Profit": lambda: crm.metrics.empc(scored()["y"], scored()["p"]),
    "metrics.RankingReport": lambda: crm.metrics.ranking_report(scored()["y"], scored()["p"]),
    "recommend.Als": lambda: crm.recommend.fit_als(seen(), factors=4, sweeps=2),
    "recommend.Ease": lambda: crm.recommend.fit_ease(seen()),
    "recommend.Evaluation": lambda: crm.recommend.evaluate(
        crm.recommend.fit_popularity(crm.recommend.interactions(parts().train)), parts().test
    ),
    "recommend.Frequency": lambda: crm.recommend.fit_frequency(seen()),
    "recommend.Interactions": seen,
    "recommend.ItemKnn": lambda: crm.recommend.fit_item_knn(seen()),
    "recommend.Popularity": lambda: crm.recommend.fit_popularity(seen()),
    "recommend.Ratings": lambda: crm.recommend.fit_ratings(
        lines().drop_duplicates(["customer_id", "item_id"]).assign(rating=3.0), sweeps=2
    ),
    "recommend.Split": parts,
    "recommend.UserKnn": lambda: crm.recommend.fit_user_knn(seen()),
    "results.Estimate": lambda: Estimate.normal(0.25, 0.05, n=75, level=0.95, method="wald"),
    "rfm.Clustering": lambda: crm.rfm.cluster(crm.rfm.summarize(log()), k=3),
    "rfm.Concentration": lambda: crm.rfm.concentration(log()),
    "rfm.KMeans": lambda: crm.rfm.cluster(crm.rfm.summarize(log()), k=3).model,
    "rfm.Thresholds": lambda: crm.rfm.thresholds(crm.rfm.summarize(log())),
    "survival.CoxModel": lambda: crm.survival.fit_cox(lives(), features=["age", "plan"]),
    "survival.HazardModel": lambda: crm.survival.fit_hazard(lives(), features=["age", "plan"]),
    "survival.LogRank": lambda: crm.survival.logrank(lives(), by="plan"),
    "targeting.Backtest": lambda: crm.targeting.backtest(
        log(), lambda past: crm.rfm.summarize(past).index[:5], cutoffs=["2023-10-01"]
    ),
    "targeting.Campaign": lambda: crm.targeting.profit_curve(scored()["y"], scored()["p"]).best,
    "targeting.Choice": lambda: crm.targeting.choose(scored()["p"], value=60, cost=2),
    "targeting.ProfitCurve": lambda: crm.targeting.profit_curve(scored()["y"], scored()["p"]),
    "targeting.RetentionValue": lambda: crm.targeting.retention_value(retention=0.8, margin=100),
    "uplift.Evaluation": lambda: crm.uplift.evaluate(
        mailing(), outcome="spend", treatment="mail", score="guess", permutations=99
    ),
    "uplift.Qini": lambda: crm.uplift.qini(mailing()["spend"], mailing()["guess"], mailing()["mail"]),
    "uplift.UpliftModel": lambda: crm.uplift.fit(
        mailing(), treatment="mail", outcome="spend", features=["taste"], base="linear", folds=2
    ),
}


@functools.cache
def known():
    return crm.clv.split(log(), calibration_end="2023-10-01").known


def classes():
    """Every public class whose instances a function returns."""
    found = {}
    for top in set(crm.__all__) - {"__version__", "errors"}:
        thing = getattr(crm, top)
        if isinstance(thing, types.ModuleType):
            found |= {f"{top}.{name}": getattr(thing, name) for name in thing.__all__ if inspect.isclass(getattr(thing, name))}
        elif inspect.isclass(thing):
            found[top] = thing
    del found["results.Model"]  # a base
    return found


def test_every_public_result_is_looked_at():
    assert set(classes()) == set(MAKERS)


class Page(html.parser.HTMLParser):
    """Balanced tags, and no others than those of plain tables and text."""

    PLAIN = frozenset(("div", "p", "b", "pre", "table", "caption", "thead", "tbody", "tr", "th", "td", "style"))

    def __init__(self, text):
        super().__init__()
        self.open, self.tables = [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        assert tag in self.PLAIN, tag
        assert not [name for name, _ in attributes if name.startswith("on")]
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append(0)
        if tag in ("td", "th"):
            self.tables[-1][-1] += 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_result_shows_itself_as_text_and_in_a_notebook(name):
    result = MAKERS[name]()
    assert type(result) is classes()[name]
    for text in (repr(result), str(result)):
        assert text.strip()
        assert SECRET not in text
        assert len(text.splitlines()) < 60
        assert "<crmkit" not in text, "an object without words"
        assert "array(" not in text
    if isinstance(result, tuple):  # its tables are shown one by one
        return
    page = result._repr_html_()
    assert SECRET not in page
    assert "zz&lt;b&gt;" not in page
    for table in Page(page).tables:
        assert len(set(table)) == 1, "a table without gaps"


def test_a_table_of_anything_is_escaped_and_has_headed_rows_and_columns():
    page = html_table([("<i>x</i>", 0.123456789), ("b & c", None)], head=("name", "<value>"), caption="a < b", notes=["n > 1"])
    assert "<i>" not in page
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert "b &amp; c" in page
    assert "0.123457" in page
    assert page.count('<th scope="col"') == page.count('<th scope="row"') == 2
    assert "<p>n &gt; 1</p>" in page
    assert "a &lt; b</b></caption>" in page
    assert len(Page(page).tables) == 1


def test_a_model_shows_its_parameters_as_a_table_with_what_it_prints():
    page = buying()._repr_html_()
    for name in buying().PARAMETERS:
        assert f">{name}</th>" in page
        assert f">{getattr(buying(), name):.6g}</td>" in page
    assert "standard error" in page
    assert html.escape(buying().diagnosis) in page
    assert "standard error" not in crm.rfm.thresholds(crm.rfm.summarize(log()))._repr_html_()


def test_numbers_of_several_arms_are_shown_like_any_others():
    text = repr(MAKERS["uplift.UpliftModel"]())
    effect = MAKERS["uplift.UpliftModel"]().effect[0]
    assert f"  effect     {effect:.6g}\n" in text
    assert "(" not in text


def test_an_estimate_shows_its_interval_and_what_its_kind_adds():
    page = crm.feedback.nps([10, 9, 3])._repr_html_()
    assert "95 % interval" in page
    assert ">promoters</th>" in page
    assert "<td style" in page


def test_tables_of_a_result_are_shown_as_tables():
    found = MAKERS["feedback.Drivers"]()
    assert found.table._repr_html_() in found._repr_html_()
    assert "<p><b>2 drivers" in found._repr_html_()


def test_names_a_user_chose_are_escaped():
    frame = lives().assign(**{"<script>x</script>": lives()["age"]})
    model = crm.survival.fit_cox(frame, features=["<script>x</script>"])
    assert "<script>" in repr(model)
    assert "<script>" not in model._repr_html_()
