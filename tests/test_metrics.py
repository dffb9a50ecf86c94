"""Metrics of scores: published numbers, definitions by the slow road, scikit-learn, ties, and what intervals promise."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

import crmkit as crm
from crmkit import metrics
from crmkit.errors import DataError, OptionError
from naive import ranking as naive

PROFLOGIT_Y = [1, 1, 0, 0, 0, 1, 1, 1, 1, 0]
PROFLOGIT_P = [0.6125478, 0.3642710, 0.4321361, 0.1402911, 0.3848959, 0.2444155, 0.9706413, 0.8901728, 0.7817814, 0.8687518]


@st.composite
def labelled_scores(draw, most=40, probability=False, both=True):
    """Labels of either kind and scores, many of them equal."""
    n = draw(st.integers(4, most))
    y = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    if both:
        y[0], y[1] = 0, 1
    levels = draw(st.integers(1, 12))
    p = draw(st.lists(st.integers(0, levels), min_size=n, max_size=n))
    return np.array(y), np.array(p) / (levels if probability else 1.0)


# ── published numbers ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("y", "p", "profit", "fraction"),
    [
        (PROFLOGIT_Y, PROFLOGIT_P, 30.3003222629848, 0.8996551652311633),
        ([0, 1] * 4, [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9], 23.875593418348124, 0.8743700763487141),
        ([0, 1] * 10, [0, 1] * 10, 28.0000000000391, 0.499999999728095),
        ([0, 1] * 10, [1, 0] * 10, 22.5007912244511, 0.9991601018889205),
        ([0, 1] * 10, [0.3] * 20, 22.5007912244511, 0.9991601018889205),
    ],
    ids=["ten", "eight", "perfect", "inverted", "constant"],
)
def test_empc_is_the_published_number(y, p, profit, fraction):
    found = metrics.empc(y, p)
    assert found.value == pytest.approx(profit, abs=1e-9)
    assert found.fraction == pytest.approx(fraction, abs=1e-9)


@pytest.mark.parametrize(
    ("y", "p", "profit", "fraction"),
    [
        ([0, 1] * 4, [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9], 23.875, 0.875),
        ([0, 1] * 10, [0, 1] * 10, 28.0, 0.5),
        ([0, 1] * 10, [1, 0] * 10, 22.5, 1.0),
        ([0, 1] * 10, [0.3] * 20, 22.5, 1.0),
    ],
    ids=["eight", "perfect", "inverted", "constant"],
)
def test_mpc_is_the_published_number(y, p, profit, fraction):
    found = metrics.mpc(y, p)
    assert found.value == pytest.approx(profit, abs=1e-9)
    assert found.fraction == fraction


# ── definitions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(labelled_scores())
def test_auc_counts_pairs_and_its_variance_is_that_of_placements(rows):
    y, p = rows
    found = metrics.auc(y, p)
    assert found.value == pytest.approx(naive.auc(y, p), abs=1e-14)
    assert found.ci_low <= found.value <= found.ci_high
    if found.method == "delong":
        assert found.se == pytest.approx(math.sqrt(naive.delong_variance(y, p)), abs=1e-12)


@given(labelled_scores())
def test_areas_equal_those_of_scikit_learn(rows):
    y, p = rows
    assert metrics.auc(y, p).value == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    assert metrics.average_precision(y, p).value == pytest.approx(average_precision_score(y, p), abs=1e-12)


@given(labelled_scores(most=15))
@settings(max_examples=30)
def test_the_error_of_average_precision_is_what_each_row_adds(rows):
    y, p = rows
    n, step = y.size, 1e-6
    added = []
    for i in range(n):
        more, less = np.ones(n), np.ones(n)
        more[i], less[i] = 1 + step, 1 - step
        added.append(n * (naive.average_precision(y, p, more) - naive.average_precision(y, p, less)) / (2 * step))
    found = metrics.average_precision(y, p)
    assert found.value == pytest.approx(naive.average_precision(y, p))
    assert found.se == pytest.approx(math.sqrt(np.square(added).mean() / n), abs=1e-6)


@given(labelled_scores(most=6), st.integers(1, 4))
@settings(max_examples=25)
def test_hits_are_the_mean_over_all_orders_of_ties(rows, k):
    y, p = rows
    found = metrics.gains(y, p, at=k / y.size)
    assert found["hits"].iloc[0] == pytest.approx(naive.hits_at(list(y), list(p), k))


@given(labelled_scores())
def test_ks_is_the_largest_distance_of_the_distributions(rows):
    table = metrics.ranking_report(*rows).metrics.set_index("metric")
    assert table.loc["ks", "value"] == pytest.approx(naive.ks(*rows), abs=1e-14)
    assert table.loc["gini", "value"] == pytest.approx(2 * naive.auc(*rows) - 1, abs=1e-14)


economics = st.tuples(st.floats(20, 500), st.floats(0, 60), st.floats(0, 20))


@given(labelled_scores(both=False), economics, st.floats(0, 1))
def test_mpc_is_the_best_threshold(rows, costs, gamma):
    worth, d, f = costs
    found = metrics.mpc(*rows, accept=gamma, value=worth, offer_cost=d, contact_cost=f)
    assert found.value == pytest.approx(naive.maximum_profit(*rows, gamma, worth, d, f), abs=1e-9)


@given(labelled_scores(both=False), economics, st.tuples(st.floats(2, 12), st.floats(2, 20)))
@settings(max_examples=25)
def test_empc_is_the_integral_of_the_best_profit(rows, costs, accept):
    worth, d, f = costs
    found = metrics.empc(*rows, accept=accept, value=worth, offer_cost=d, contact_cost=f)
    expected = naive.expected_maximum_profit(*rows, *accept, worth, d, f)
    assert found.value == pytest.approx(expected, rel=1e-4, abs=1e-4)


@given(labelled_scores(both=False), economics, st.tuples(st.floats(0.5, 12), st.floats(0.5, 20)))
def test_knowing_the_share_later_is_worth_something_and_scores_never_lose(rows, costs, accept):
    named = dict(zip(("value", "offer_cost", "contact_cost"), costs, strict=True))
    expected = metrics.empc(*rows, accept=accept, **named)
    known = metrics.mpc(*rows, accept=accept[0] / sum(accept), **named)
    assert expected.value >= known.value - 1e-9
    assert known.value >= known.without_scores - 1e-9 >= -1e-9
    assert known.without_scores - 1e-9 <= expected.without_scores <= expected.value + 1e-9
    assert -1e-12 <= expected.fraction <= 1 + 1e-12


def test_an_offer_dearer_than_the_customer_never_pays():
    for profit in (metrics.empc([0, 1], [0, 1], value=10, offer_cost=20), metrics.mpc([0, 1], [0, 1], value=10, offer_cost=10)):
        assert (profit.value, profit.fraction, profit.without_scores) == (0.0, 0.0, 0.0)


@given(labelled_scores(probability=True, both=False))
def test_the_brier_score_and_its_parts(rows):
    y, p = rows
    found = metrics.brier(y, p)
    best = np.square(naive.isotonic(y, p) - y).mean()
    assert found.value == pytest.approx(brier_score_loss(y, p, pos_label=1), abs=1e-12)
    assert found.reliability == pytest.approx(found.value - best, abs=1e-12)
    assert found.resolution == pytest.approx(y.mean() * (1 - y.mean()) - best, abs=1e-12)
    assert found.value == pytest.approx(found.reliability - found.resolution + found.uncertainty, abs=1e-12)
    assert found.se == pytest.approx(np.square(p - y).std() / math.sqrt(y.size), abs=1e-12)


@given(labelled_scores(probability=True), st.integers(1, 12))
def test_calibration_bins_hold_every_row_once(rows, bins):
    y, p = rows
    found = metrics.calibration(y, p, bins=bins)
    table = found.table
    assert table["rows"].sum() == found.n == y.size
    assert (table["rows"] @ table["observed"]) == pytest.approx(y.sum())
    assert (table["rows"] @ table["predicted"]) == pytest.approx(p.sum())
    assert (table["p_high"].to_numpy()[:-1] < table["p_low"].to_numpy()[1:]).all()
    assert found.ece == pytest.approx((table["rows"] @ (table["predicted"] - table["observed"]).abs()) / y.size)
    assert found.in_the_large.value == pytest.approx(y.mean() - p.mean(), abs=1e-12)
    assert (found.slope is None) == bool(found.reason)


def test_slope_and_intercept_are_those_of_a_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(3)
    x = rng.normal(-1, 1, 800).round(2)
    y = rng.random(800) < 1 / (1 + np.exp(-(0.3 + 0.7 * x)))
    found = metrics.calibration(y, 1 / (1 + np.exp(-x)))
    fit = LogisticRegression(C=np.inf, tol=1e-12, solver="newton-cholesky").fit(x[:, None], y)
    assert found.slope.value == pytest.approx(fit.coef_[0, 0], abs=1e-7)
    assert found.intercept.value == pytest.approx(fit.intercept_[0], abs=1e-7)


@pytest.mark.parametrize(
    ("y", "p", "reason"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.2, 0.9], "separate"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.9], "separate"),
        ([0, 1, 0, 1], [0.5] * 4, "same"),
        ([1, 1], [0.2, 0.3], "all 2 rows are 1"),
    ],
)
def test_a_slope_that_does_not_exist_is_said_so(y, p, reason):
    found = metrics.calibration(y, p)
    assert found.slope is None
    assert found.intercept is None
    assert reason in found.reason


def test_probabilities_of_0_and_1_have_a_slope():
    rng = np.random.default_rng(0)
    p = np.repeat([0.0, 0.3, 0.6, 1.0], 50)
    found = metrics.calibration(rng.random(200) < 0.2 + 0.6 * p, p)
    assert 0 < found.slope.value < 0.5


# ── what must not matter ─────────────────────────────────────────────────────────────────────────────────────────────────


def everything(y, p):
    report = metrics.ranking_report(y, p, baseline=np.round(p, 1))
    numbers = [report.metrics, report.gains, report.calibration.table, report.comparison]
    values = [frame.select_dtypes("number").to_numpy().ravel() for frame in numbers]
    profits = [metrics.empc(y, p), metrics.mpc(y, p)]
    slope = report.calibration.slope
    return np.concatenate(
        [*values, [part for e in profits for part in (e.value, e.se, e.fraction)], [slope.value if slope else 0.0]]
    )


@given(labelled_scores(probability=True), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_the_rows_changes_nothing(rows, random):
    y, p = rows
    order = list(range(y.size))
    random.shuffle(order)
    if min(y.sum(), y.size - y.sum()) > 1:
        np.testing.assert_allclose(everything(y[order], p[order]), everything(y, p), rtol=1e-12, atol=1e-14)


@given(labelled_scores())
def test_a_monotone_change_of_scores_changes_no_rank(rows):
    y, p = rows
    for measure in (metrics.auc, metrics.average_precision, metrics.empc):
        assert measure(y, np.exp(p / 3)) == measure(y, p)


@given(labelled_scores())
def test_reversed_scores_and_labels_mirror_the_auc(rows):
    y, p = rows
    found, reversed_ = metrics.auc(y, p), metrics.auc(1 - y, -p)
    assert reversed_.value == pytest.approx(found.value, abs=1e-14)
    assert metrics.auc(y, -p).value == pytest.approx(1 - found.value, abs=1e-14)


def test_minus_zero_and_zero_are_one_score():
    assert metrics.auc([0, 1], [0.0, -0.0]).value == 0.5


@pytest.mark.parametrize(
    "make", [list, tuple, pd.Series, pl.Series, pa.array, np.array], ids=["list", "tuple", "pandas", "polars", "pyarrow", "numpy"]
)
def test_columns_of_any_kind_give_the_same(make):
    y, p = [0, 1, 0, 1, 1], [0.1, 0.3, 0.3, 0.8, 0.2]
    assert metrics.auc(make(y), make(p)) == metrics.auc(y, p)
    gained = metrics.gains(make(y), make(p), at=0.4)
    assert type(gained).__module__.split(".")[0] == {pl.Series: "polars", pa.array: "pyarrow"}.get(make, "pandas")


def test_nullable_and_boolean_labels_are_labels():
    y = pd.Series([True, False, True], dtype="boolean")
    assert metrics.auc(y, pd.Series([2, 1, 3], dtype="Int64")).value == 1.0
    assert metrics.auc(y.astype("Int64"), [2, 1, 3]).value == 1.0


# ── intervals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def normal_scores(rng, ones, zeros, shift):
    return np.arange(ones + zeros) < ones, np.concatenate([rng.normal(shift, 1, ones), rng.normal(0, 1, zeros)])


def covered_aucs(ones, zeros, shift, sets):
    """Share of sets whose interval holds the true area of two normal distributions."""
    rng = np.random.default_rng(5)
    truth = (1 + math.erf(shift / 2)) / 2
    found = [metrics.auc(*normal_scores(rng, ones, zeros, shift)) for _ in range(sets)]
    return np.mean([e.ci_low <= truth <= e.ci_high for e in found])


@pytest.mark.recovery
@pytest.mark.parametrize(("ones", "zeros", "shift"), [(50, 150, 1.0), (40, 80, 1.8), (300, 700, 0.5), (100, 1900, 1.2)])
def test_the_interval_of_the_auc_covers_at_its_level(ones, zeros, shift):
    assert 0.93 <= covered_aucs(ones, zeros, shift, 1000) <= 0.97


def test_the_interval_of_the_auc_covers_near_its_level_in_a_few_sets():
    assert 0.90 <= covered_aucs(50, 150, 1.0, 100 if plain_python() else 200) <= 0.99


def covered_precisions(sets):
    rng = np.random.default_rng(6)

    def draw(n):
        x = rng.normal(size=n)
        return rng.random(n) < 1 / (1 + np.exp(1.5 - x)), x

    truth = np.mean([average_precision_score(*draw(200_000)) for _ in range(5)])
    found = [metrics.average_precision(*draw(400)) for _ in range(sets)]
    return np.mean([e.ci_low <= truth <= e.ci_high for e in found])


@pytest.mark.recovery
def test_the_interval_of_average_precision_covers_at_its_level():
    assert 0.92 <= covered_precisions(1000) <= 0.975


def test_the_interval_of_average_precision_covers_near_its_level_in_a_few_sets():
    assert 0.89 <= covered_precisions(100 if plain_python() else 200) <= 0.99


def test_two_scores_as_good_as_each_other_differ_by_chance_only():
    rng = np.random.default_rng(7)
    rejected = dict.fromkeys(("auc", "average_precision"), 0)
    sets = 200 if plain_python() else 500
    for _ in range(sets):
        truth = rng.normal(size=200)
        y = rng.random(200) < 1 / (1 + np.exp(-truth))
        for name in rejected:
            noise = rng.normal(size=(2, 200))
            rejected[name] += metrics.difference(y, truth + noise[0], truth + noise[1], metric=name).p_value < 0.05
    assert all(0.02 <= count / sets <= 0.08 for count in rejected.values()), rejected


@given(labelled_scores(), st.integers(0, 100))
def test_a_difference_of_aucs_is_delongs(rows, seed):
    y, p = rows
    q = np.random.default_rng(seed).integers(0, 5, y.size)
    if min(y.sum(), y.size - y.sum()) < 2:
        with pytest.raises(DataError, match="single row"):
            metrics.difference(y, p, q)
        return
    found = metrics.difference(y, p, q)
    assert found.se == pytest.approx(math.sqrt(naive.delong_variance(y, p, q)), abs=1e-12)
    assert found.value == pytest.approx(naive.auc(y, p) - naive.auc(y, q), abs=1e-14)
    assert metrics.difference(y, q, p).value == -found.value


def test_a_score_does_not_differ_from_itself():
    y, p = [0, 1, 0, 1], [0.1, 0.4, 0.5, 0.8]
    for metric in ("auc", "average_precision", "brier"):
        same = metrics.difference(y, p, p, metric=metric)
        assert (same.value, same.se, same.p_value) == (0.0, 0.0, 1.0)


def test_perfect_separation_is_not_certainty():
    area = metrics.auc([0] * 20 + [1] * 10, range(30))
    assert (area.value, area.ci_high, area.method) == (1.0, 1.0, "newcombe")
    assert 0.8 < area.ci_low < 0.95
    worst = metrics.auc([1] * 10 + [0] * 20, range(30))
    assert worst.ci_low == 0.0
    assert worst.ci_high == pytest.approx(1 - area.ci_low)
    precision = metrics.average_precision([0] * 20 + [1] * 10, range(30))
    assert precision.value == 1.0
    assert precision.ci_low == pytest.approx(crm.intervals.wilson(10, 10)[0])


def test_one_row_of_a_kind_has_an_interval_all_the_same():
    area = metrics.auc([0, 0, 1, 0], [1, 2, 3, 4])
    assert 0 < area.ci_low < area.value < area.ci_high < 1


def test_calibrated_probabilities_look_calibrated():
    rng = np.random.default_rng(8)
    inside = np.zeros(2)
    for _ in range(300):
        p = rng.beta(1, 3, 400)
        found = metrics.calibration(rng.random(400) < p, p)
        inside += [found.slope.ci_low <= 1 <= found.slope.ci_high, found.in_the_large.ci_low <= 0 <= found.in_the_large.ci_high]
    assert (inside / 300 > 0.92).all()


def test_the_error_by_chance_is_what_chance_gives():
    rng = np.random.default_rng(9)
    p = rng.beta(1, 3, 2000)
    found = [metrics.calibration(rng.random(2000) < p, p) for _ in range(100)]
    assert np.mean([each.ece for each in found]) == pytest.approx(found[0].ece_by_chance, rel=0.05)


# ── the report ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_report_holds_what_the_functions_say():
    rng = np.random.default_rng(4)
    p = rng.random(300).round(2)
    y = rng.random(300) < p
    q = p + rng.normal(size=300)
    report = metrics.ranking_report(y, p, baseline=q, at=[0.1, 0.2])
    table = report.metrics.set_index("metric")
    for name, estimate in (
        ("auc", metrics.auc(y, p)),
        ("average_precision", metrics.average_precision(y, p)),
        ("brier", metrics.brier(y, p)),
    ):
        assert table.loc[name, ["value", "ci_low", "ci_high"]].tolist() == [estimate.value, estimate.ci_low, estimate.ci_high]
    assert table["without_scores"].tolist() == pytest.approx([0.5, 0.0, y.mean(), 0.0, y.mean() * (1 - y.mean())])
    pd.testing.assert_frame_equal(report.gains, metrics.gains(y, p, at=[0.1, 0.2]))
    pd.testing.assert_frame_equal(report.calibration.table, metrics.calibration(y, p).table)
    against = report.comparison.set_index("metric")
    assert against.index.tolist() == ["auc", "average_precision"]
    assert against.loc["auc", "p_value"] == metrics.difference(y, p, q).p_value
    assert (report.base_rate.ci_low, report.base_rate.ci_high) == crm.intervals.wilson(int(y.sum()), 300)
    assert "300 rows" in repr(report)


def test_scores_that_are_no_probabilities_have_no_calibration():
    report = metrics.ranking_report([0, 1, 0, 1], [1, 5, 2, 4])
    assert report.calibration is None
    assert report.comparison is None
    assert "brier" not in report.metrics["metric"].tolist()
    assert metrics.ranking_report([0, 1, 0, 1], [0.1, 0.5, 0.2, 0.4], probabilities=False).calibration is None
    assert metrics.ranking_report([0, 1, 0, 1], [0.1, 0.5, 0.2, 0.4], baseline=[0.2] * 4).comparison.shape[0] == 3


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: metrics.auc([0, 0, 0], [1, 2, 3]), "all 3 rows are 0"),
        (lambda: metrics.auc([], []), "no rows"),
        (lambda: metrics.auc([0, 1], [1, 2, 3]), "2 rows and p 3"),
        (lambda: metrics.auc([0, 2], [1, 2]), "neither 0 nor 1.*row 1"),
        (lambda: metrics.auc([0, 1], [1, math.nan]), "'p': 1 missing.*row 1"),
        (lambda: metrics.auc([0, 1], np.ones((2, 2))), "2 dimensions"),
        (lambda: metrics.auc(pd.DataFrame({"y": [0, 1]}), [0, 1]), "one column"),
        (lambda: metrics.auc("churned", [0, 1]), "one column: .*a str"),
        (lambda: metrics.auc(pd.Series([0, 1]), pd.Series([1, 2], index=[1, 0])), "different indexes"),
        (lambda: metrics.brier([0, 1], [0.5, 1.5]), "outside 0 to 1.*row 1"),
        (lambda: metrics.ranking_report([0, 1], [0.5, 1.5], probabilities=True), "outside 0 to 1"),
        (lambda: metrics.difference([0, 1], [0.5, 0.5], [0.5, 2], metric="brier"), "'baseline'.*outside"),
    ],
)
def test_bad_data_is_named(call, match):
    with pytest.raises(DataError, match=match):
        call()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: metrics.auc([0, 1], [0, 1], level=95), "level"),
        (lambda: metrics.gains([0, 1], [0, 1], at=0), "at=0"),
        (lambda: metrics.gains([0, 1], [0, 1], at=[]), "at= is empty"),
        (lambda: metrics.gains([0, 1], [0, 1], at=10), "at=10"),
        (lambda: metrics.calibration([0, 1], [0, 1], bins=0), "bins"),
        (lambda: metrics.difference([0, 1], [0, 1], [0, 1], metric="f1"), "metric"),
        (lambda: metrics.empc([0, 1], [0, 1], accept=0.3), "mpc"),
        (lambda: metrics.empc([0, 1], [0, 1], accept=(0, 1)), "accept"),
        (lambda: metrics.empc([0, 1], [0, 1], value=0), "value"),
        (lambda: metrics.mpc([0, 1], [0, 1], accept=1.2), "accept=1.2"),
        (lambda: metrics.mpc([0, 1], [0, 1], contact_cost=-1), "contact_cost"),
        (lambda: metrics.ranking_report([0, 1], [0, 1], probabilities="yes"), "probabilities"),
    ],
)
def test_bad_options_are_named(call, match):
    with pytest.raises(OptionError, match=match):
        call()


def plain_python():
    import numba

    return bool(numba.config.DISABLE_JIT)
