"""Inputs that used to give a wrong number without a word: each is now right, refused by name, or said."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from crmkit import churn, datasets, experiment, feedback, intervals, metrics, plot, survival, targeting, uplift
from crmkit.errors import DataError, DataWarning, OptionError
from crmkit.results import Estimate

# ── what is printed ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_level_is_not_rounded_to_certainty():
    shown = Estimate.normal(0.5, 0.1, n=10, level=0.995, method="wald")
    assert "(99.5% wald interval" in str(shown)
    assert "99.5 % interval" in shown._repr_html_()
    assert "(95% wald interval" in str(Estimate.normal(0.5, 0.1, n=10, level=0.95, method="wald"))


# ── intervals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "statistic",
    [lambda c: (c[2] - c[0]) / c.sum(), lambda c: c.sum(), lambda c: c[..., :2]],
    ids=["places", "total", "columns"],
)
def test_a_statistic_of_counts_that_mixes_resamples_is_refused(statistic):
    with pytest.raises(OptionError, match=r"statistic=.* shape .*last axis"):
        intervals.bootstrap([300, 200, 500], statistic, counts=True)


# ── feedback ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def weighted(scores, weights):
    return pd.DataFrame({"score": scores, "w": np.asarray(weights, float)})


def test_answers_that_weigh_nothing_change_no_interval():
    some = weighted([10, 9, 3, 8, 10, 2], [1, 2, 1, 1, 3, 1])
    more = pd.concat([some, weighted([0, 10, 5], [0, 0, 0])])
    for method in ("adjusted_wald", "t", "score"):
        one, two = (feedback.nps(frame, weight="w", method=method) for frame in (some, more))
        assert (two.se, two.ci_low, two.ci_high) == approx((one.se, one.ci_low, one.ci_high))
    one, two = (feedback.csat(frame.assign(score=frame["score"] // 2 + 0), scale=(0, 5), weight="w") for frame in (some, more))
    assert (two.mean_se, two.mean_ci_low) == approx((one.mean_se, one.mean_ci_low))


def test_one_answer_with_a_weight_has_no_interval_of_its_mean():
    frame = weighted([5, 3], [1, 0])
    with pytest.warns(DataWarning, match="single answer"):
        found = feedback.csat(frame, weight="w")
    assert math.isnan(found.mean_se)
    assert math.isnan(found.mean_ci_low)
    assert "one answer" in found.reason
    with pytest.warns(DataWarning, match="single answer"):
        score = feedback.nps(frame, weight="w", method="t")
    assert (score.ci_low, score.ci_high) == (-100.0, 100.0)


def test_clusters_without_answers_are_units_of_no_stratum():
    rng = np.random.default_rng(0)
    cluster = np.arange(400) // 5
    score = rng.integers(0, 11, 400).astype(float)
    score[(cluster >= 45) & (cluster < 70)] = np.nan
    frame = pd.DataFrame({"score": score, "region": np.repeat(["a", "b"], 200), "shop": cluster})
    with_gaps = feedback.nps(frame, strata="region", cluster="shop", missing="drop")
    without = feedback.nps(frame.dropna(), strata="region", cluster="shop")
    assert (with_gaps.se, with_gaps.n) == approx((without.se, without.n))


def test_a_bootstrap_does_not_leave_a_finite_population_out():
    with pytest.raises(OptionError, match=r"bootstrap.*population="):
        feedback.nps([10] * 30 + [2] * 10, method="bootstrap", population=41)


def test_an_empty_group_does_not_give_a_hidden_one_away():
    frame = pd.DataFrame(
        {"score": [10.0] * 9 + [2.0] * 3 + [np.nan] * 4 + [9.0] * 7, "shop": list("a" * 9 + "b" * 3 + "c" * 4 + "d" * 7)}
    )
    found = feedback.nps(frame, by="shop", min_n=5, missing="drop")
    assert found["value"].isna().to_dict() == {"a": False, "b": True, "c": True, "d": True}


def test_weights_for_nobody_are_refused():
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["u", "v"]})
    with pytest.raises(DataError, match="no wanted share is above zero"):
        feedback.poststratify(frame, by=["a", "b"], targets={("x", "u"): 0, ("y", "v"): 0})


def test_a_group_with_a_share_of_zero_keeps_the_error_of_its_rate():
    before = pd.DataFrame({"value": [60.0, 20.0], "n": [500, 500], "se": [3.0, 40.0], "share": [1.0, 0.0]}, index=["a", "b"])
    after = pd.DataFrame({"value": [62.0, 22.0], "n": [300, 700], "se": [4.0, 3.0], "share": [0.5, 0.5]}, index=["a", "b"])
    change = feedback.decompose_change(before, after, share="share")
    # within = 0.75 (a after − a before) + 0.25 (b after − b before), of four independent rates
    assert change.within.se == approx(math.sqrt(0.75**2 * (3**2 + 4**2) + 0.25**2 * (40**2 + 3**2)))


def test_a_group_that_was_not_there_has_no_rate_there():
    before = pd.DataFrame({"value": [60.0, 20.0], "n": [50, 50], "se": [3.0, 4.0]}, index=["a", "gone"])
    after = pd.DataFrame({"value": [62.0, 10.0], "n": [50, 50], "se": [3.0, 4.0]}, index=["a", "new"])
    change = feedback.decompose_change(before, after)
    table = change.table.set_index("group")
    assert table["value_before"].isna().to_dict() == {"a": False, "gone": False, "new": True}
    assert table["note"].to_dict() == {"a": "", "gone": "not there after", "new": "not there before"}
    assert table["value_after"].isna().to_dict() == {"a": False, "gone": True, "new": False}
    assert change.total.value == approx(change.within.value + change.mix.value)


def test_the_p_value_of_a_steep_trend_is_small_but_not_zero():
    scores = [0] * 300 + [10] * 300 + [0] * 150 + [10] * 450
    days = pd.to_datetime(["2024-01-05"] * 600 + ["2024-02-05"] * 600)
    found = feedback.trend(pd.DataFrame({"score": scores, "timestamp": days}))
    assert 8.5 < found.z < 12.0
    assert found.p_value == approx(math.erfc(found.z / math.sqrt(2.0)), rel=1e-12)
    assert found.p_value > 0.0


def shops(rng, spread=2.0):
    """Answers of two groups in each of 40 shops, which differ much more than the groups in them do."""
    shop = np.repeat(np.arange(40), 20)
    score = np.clip(np.round(8 + rng.normal(0, spread, 40)[shop] + rng.normal(0, 1.5, 800)), 0, 10).astype(int)
    return pd.DataFrame({"score": score, "group": np.tile(np.repeat(["a", "b"], 10), 40), "shop": shop})


@pytest.mark.parametrize("method", ["adjusted_wald", "wald", "score"])
def test_groups_that_share_clusters_are_not_taken_for_independent(method):
    found = [
        feedback.nps_difference(shops(np.random.default_rng(seed)), by="group", cluster="shop", method=method).iloc[0]
        for seed in range(60)
    ]
    spread = np.std([row["value"] for row in found])
    assert 0.8 < np.mean([row["se"] for row in found]) / spread < 1.25
    assert np.mean([row["ci_low"] <= 0.0 <= row["ci_high"] for row in found]) >= 0.85


def test_the_correlation_of_groups_is_that_of_a_survey_variance():
    """Linearised by hand: the difference of two domain means has the variance of the totals of their residuals by cluster."""
    frame = shops(np.random.default_rng(1)).assign(region=lambda f: f["shop"] % 3)
    frame["w"] = np.random.default_rng(2).uniform(0.5, 2.0, len(frame))
    found = feedback.nps_difference(
        frame, by="group", weight="w", strata="region", cluster="shop", method="wald", level=0.95
    ).iloc[0]
    z = np.where(frame["score"] >= 9, 1.0, np.where(frame["score"] <= 6, -1.0, 0.0))
    u = np.zeros(len(frame))
    for name, sign in (("a", 1.0), ("b", -1.0)):
        here = (frame["group"] == name).to_numpy()
        w = frame["w"].to_numpy() * here
        u += sign * w * (z - (w @ z) / w.sum()) / w.sum()
    by_shop = frame.assign(u=u).groupby(["region", "shop"])["u"].sum()
    variance = sum(len(part) / (len(part) - 1) * ((part - part.mean()) ** 2).sum() for _, part in by_shop.groupby("region"))
    # the intervals of `nps` widen each error for its few clusters, alike here
    widened = [
        feedback.nps(frame[frame["group"] == name], weight="w", strata="region", cluster="shop", method="wald") for name in "ab"
    ]
    plain = [
        feedback.nps(frame[frame["group"] == name], weight="w", strata="region", cluster="shop", method="t") for name in "ab"
    ]
    factor = np.mean([one.se / two.se for one, two in zip(widened, plain, strict=True)])
    assert found["se"] / factor == approx(100.0 * math.sqrt(variance), rel=0.01)


def test_clusters_of_one_name_in_two_frames_are_said():
    one, two = (shops(np.random.default_rng(seed)) for seed in (1, 2))
    with pytest.warns(DataWarning, match=r"'shop': 40 clusters are in both"):
        feedback.nps_difference(one, two, cluster="shop")


@pytest.mark.parametrize("label", ["1e1", "0-6 detractor", "9 – 10", "9.5"])
def test_a_label_of_no_single_answer_is_not_read_by_its_first_digit(label):
    with pytest.raises(DataError, match="not beginning with a number"):
        feedback.nps([label, "10 - Extremely likely"])


# ── metrics ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ones", [5, 17, 50])
def test_scores_without_information_do_not_beat_contacting_everybody_or_nobody(ones):
    found = metrics.empc([1] * ones + [0] * (100 - ones), [0.5] * 100)
    assert found.value == approx(found.without_scores, abs=1e-9)


def test_a_difference_that_every_row_shows_alike_is_not_certain():
    few, more = (metrics.difference([0] * n + [1] * n, range(2 * n), [0] * 2 * n) for n in (2, 20))
    # of all orders of 2 and 2 rows, one in three separates them one way or the other
    assert few.p_value > 0.1
    assert few.ci_low < 0.0 < few.value == few.ci_high == 0.5
    assert 0.0 < more.p_value < 1e-4
    assert 0.0 < more.ci_low < 0.5
    mirrored = metrics.difference([0, 0, 1, 1], [0] * 4, range(4))
    assert (mirrored.value, mirrored.ci_low, mirrored.ci_high) == (-few.value, -few.ci_high, -few.ci_low)
    squared = metrics.difference([0, 1], [0.0, 1.0], [0.5, 0.5], metric="brier")
    assert squared.p_value > 0.1


def test_the_interval_of_a_difference_without_spread_ends_at_zero_at_its_p_value():
    found = metrics.difference([0] * 6 + [1] * 6, range(12), [0] * 12)
    again = metrics.difference([0] * 6 + [1] * 6, range(12), [0] * 12, level=1.0 - found.p_value)
    assert again.ci_low == approx(0.0, abs=1e-12)


def test_a_perfect_distance_of_two_classes_is_not_certain():
    table = metrics.ranking_report([0, 0, 1, 1], [1, 2, 3, 4]).metrics.set_index("metric")
    assert table.loc["ks", "value"] == 1.0 == table.loc["ks", "ci_high"]
    assert table.loc["ks", "ci_low"] == approx(intervals.newcombe(2, 2, 0, 2)[0])


def test_probabilities_are_not_called_wrong_because_nothing_rare_happened():
    rng = np.random.default_rng(0)
    p = np.full(60, 0.02)
    inside = [
        found.ci_low <= 0.0 <= found.ci_high
        for found in (metrics.calibration(rng.random(60) < p, p).in_the_large for _ in range(300))
    ]
    assert np.mean(inside) > 0.93
    none = metrics.calibration([0] * 10, [0.1] * 10).in_the_large
    assert (none.value, none.method) == (approx(-0.1), "wilson")
    assert none.ci_low < none.value + 1e-12 < 0.0 < none.ci_high


@pytest.mark.parametrize("measure", [metrics.brier, metrics.calibration, metrics.mpc, metrics.empc], ids=lambda f: f.__name__)
def test_one_row_has_no_interval_without_width(measure):
    with pytest.raises(DataError, match="one row"):
        measure([1], [0.3])


# ── experiments ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_differences_of_shares_of_few_clusters_stay_differences_of_shares():
    frame = pd.DataFrame(
        {"arm": ["control"] * 4 + ["mail"] * 4, "shop": [0, 0, 1, 1, 2, 2, 3, 3], "bought": [0, 0, 1, 0, 1, 1, 0, 1]}
    )
    row = experiment.compare_rates(frame, outcome="bought", cluster="shop").table.iloc[0]
    assert (row["ci_low"], row["ci_high"]) == (-1.0, 1.0)
    many = pd.DataFrame({"arm": ["control"] * 40 + ["mail"] * 40, "shop": np.repeat(range(8), 10), "bought": 0})
    many["bought"] = ([1] * 4 + [0] * 6) * 3 + [1] * 6 + [0] * 4 + ([1] + [0] * 9) * 3 + [1] * 9 + [0]
    row = experiment.compare_rates(many, outcome="bought", cluster="shop").table.iloc[0]
    assert row["lift_low"] == -1.0


def test_of_two_arms_called_a_control_neither_is_taken():
    frame = pd.DataFrame({"arm": ["control", "holdout", "mail"] * 4, "spend": range(12)})
    with pytest.raises(OptionError, match="Name it with control="):
        experiment.compare_means(frame, outcome="spend")
    assert experiment.compare_means(frame, outcome="spend", control="holdout").control == "holdout"


# ── uplift ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_arm_of_one_row_is_refused():
    with pytest.raises(DataError, match="an arm of one row"):
        uplift.qini([1, 0], [2, 1], [1, 0])
    with pytest.raises(DataError, match="an arm of one row"):
        uplift.qini([1, 0, 0, 1, 0], [2, 1, 3, 4, 5], [1, 0, 0, 0, 0])
    frame = pd.DataFrame({"y": [1, 0, 1, 0], "mail": [1, 0, 0, 0], "keen": [1, 0, 1, 0], "score": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(DataError, match="an arm of one row"):
        uplift.policy_value(frame, outcome="y", treatment="mail", policy="keen")
    with pytest.raises(DataError, match="an arm of one row"):
        uplift.evaluate(frame, outcome="y", treatment="mail", score="score")


# ── survival ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mean_life_of_survivors_alone_is_not_certain():
    lives = pd.DataFrame({"duration": [5] * 10 + [9] * 10, "event": [0] * 10 + [1] * 10})
    row = survival.restricted_mean(survival.curve(lives), horizon=4).iloc[0]
    assert (row["value"], row["ci_high"]) == (4.0, 4.0)
    assert row["ci_low"] == approx(4.0 * intervals.wilson(20, 20)[0])
    later = survival.restricted_mean(survival.curve(lives), horizon=8).iloc[0]
    assert later["ci_low"] == approx(8.0 * intervals.wilson(10, 10)[0])


# ── targeting, churn ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_policies_whose_customers_all_did_alike_do_not_differ_for_certain():
    """Two customers who came back and two who did not: as likely as one in three, whoever they are."""
    first = pd.DataFrame({"customer_id": range(40), "timestamp": "2024-01-05", "amount": 10.0})
    again = first.iloc[:5].assign(timestamp="2024-03-10")
    log = pd.concat([first, again, pd.DataFrame({"customer_id": [99], "timestamp": "2024-12-31", "amount": 1.0})])
    log["timestamp"] = pd.to_datetime(log["timestamp"])
    policies = {"came": lambda past: [0, 1], "gone": lambda past: [10, 11], "all came": lambda past: [0, 1, 2, 3, 4]}
    replay = targeting.backtest(log, policies, cutoffs=["2024-02-01"], measure="churned", audit=False)
    found = replay.differences.set_index(["policy", "against"]).loc[("came", "gone")]
    assert (found["value"], found["ci_low"]) == (-1.0, -1.0)
    assert found["ci_high"] > 0.0
    assert found["p_value"] > 0.1


def test_one_row_has_nothing_to_shuffle_it_with():
    past = pd.DataFrame({"visits": [9, 8, 7, 9, 6, 5, 2, 1, 0, 1, 3, 4], "churned": [0] * 6 + [1] * 6})
    with pytest.raises(DataError, match="too few rows, 1: there is nothing to shuffle"):
        churn.drivers(churn.fit(past), past.iloc[:1])


def test_one_customer_has_no_profit_with_an_interval():
    with pytest.raises(DataError, match="one row"):
        targeting.profit_curve([1], [0.5])


def test_the_window_and_what_is_said_of_it_are_of_one_length():
    log = datasets.make_transactions(n_customers=300, rng=1).transactions
    found = churn.suggest_window(log, order="order_id", at_most=0.95)
    table = found.table.set_index("days")
    assert found.window == "1D"
    assert found.p_return.value == table.loc[1, "p_return"]


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ax():
    figure = pytest.importorskip("matplotlib.figure")
    return figure.Figure().subplots()


def test_a_picture_of_customers_who_came_late_counts_all_of_them(ax):
    entry = np.arange(0.0, 100.0)
    late = pd.DataFrame({"entry": entry, "duration": entry + 10.5, "event": 1, "why": ["price", "moved"] * 50})
    plot.survival_curve(survival.curve(late, entry="entry"), at_risk=False, ax=ax)
    assert ax.get_legend().get_texts()[0].get_text() == "n = 100"
    by = late.assign(plan=["a"] * 30 + ["b"] * 70, event=[1, 1, 0, 1, 1] * 20)
    plot.survival_curve(survival.curve(by, entry="entry", by="plan", cause="why"), ax=ax)
    assert [text.get_text().partition(" (")[2] for text in ax.get_legend().get_texts()[1:]] == ["n = 30)"] * 2 + ["n = 70)"] * 2


def test_a_picture_says_where_there_is_no_interval(ax):
    visits = pd.DataFrame({"arm": ["control"] * 20 + ["mail"] * 20, "a": [0] * 20 + [1, 0] * 10, "b": [0, 1] * 20})
    found = experiment.compare_rates(visits, outcome=["a", "b"])
    plot.experiment_effects(found, relative=True, ax=ax)
    assert [text.get_text() for text in ax.texts] == ["no bounds: see the table's note"]


@pytest.mark.parametrize("level", [0.995, 0.95])
def test_a_picture_does_not_round_its_level(ax, level):
    survey = pd.DataFrame({"score": [10, 9, 3, 8, 2, 1, 9, 7], "shop": list("aaabbbcc")})
    plot.feedback_nps(feedback.nps(survey, by="shop", level=level), ax=ax)
    assert ax.get_xlabel() == f"Net Promoter Score, with {100 * level:g} % interval"


def test_a_picture_with_intervals_of_another_level_says_which(ax):
    rng = np.random.default_rng(0)
    p = rng.beta(1, 4, 400)
    y = rng.random(400) < p
    plot.targeting_profit(targeting.profit_curve(y, p, level=0.995), ax=ax)
    plot.churn_calibration(metrics.calibration(y, p, level=0.9), ax=ax)
    words = " ".join(text.get_text() for text in ax.texts)
    assert "(99.5%: " in words
    assert "90% intervals" in words
