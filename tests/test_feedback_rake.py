"""Weighting to the customer base: margins that hold, errors that know it, and the report when they cannot."""

import numpy as np
import pandas as pd
import pytest

from crmkit.errors import ColumnError, ConvergenceWarning, DataError, OptionError
from crmkit.feedback import Weights, csat, effective_n, nps, poststratify, rake


def survey(n=600, seed=0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"shop": random.choice(list("abc"), n, p=[0.6, 0.3, 0.1]), "new": random.random(n) < 0.3})
    up = 0.2 + 0.3 * (frame["shop"] == "b") + 0.3 * frame["new"]
    return frame.assign(score=np.where(random.random(n) < up, 10, 4))


MARGINS = {"shop": {"a": 0.2, "b": 0.3, "c": 0.5}, "new": {True: 0.5, False: 0.5}}


def test_margins_hold_after_raking():
    frame = survey()
    found = rake(frame, margins=MARGINS)
    assert found.converged
    assert found.total == pytest.approx(600)
    for column, wanted in MARGINS.items():
        shares = found.values.groupby(frame[column]).sum() / found.total
        assert shares.to_dict() == pytest.approx(wanted, abs=1e-8)
    assert found.values.index.equals(frame.index)
    assert found.effective_n == pytest.approx(effective_n(found.values))
    assert effective_n(found) == found.effective_n
    assert "margins met" in repr(found)


def test_raking_keeps_the_odds_ratios_of_the_start():
    frame = survey()
    frame["w"] = np.random.default_rng(4).random(600) + 0.5
    found = rake(frame, margins={"shop": {"a": 300, "b": 500, "c": 200}, "new": {True: 400, False: 600}}, weight="w")
    assert found.total == pytest.approx(1000)
    table = found.values.groupby([frame["shop"], frame["new"]]).sum()
    start = frame["w"].groupby([frame["shop"], frame["new"]]).sum()

    def odds(t):
        return (t["a", True] * t["b", False]) / (t["a", False] * t["b", True])

    assert odds(table) == pytest.approx(odds(start))


def test_raking_does_not_depend_on_rows_or_kind():
    import polars as pl

    frame = survey()
    found = rake(frame, margins=MARGINS)
    order = np.random.default_rng(1).permutation(600)
    assert rake(frame.iloc[order], margins=MARGINS).values.to_numpy() == pytest.approx(found.values.to_numpy()[order])
    elsewhere = rake(pl.from_pandas(frame), margins=MARGINS)
    assert elsewhere.values["weight"].to_numpy() == pytest.approx(found.values.to_numpy())
    assert nps(pl.from_pandas(frame), weight=elsewhere).se == pytest.approx(nps(frame, weight=found).se)


def test_bounds_hold_and_margins_that_cannot_be_met_are_told():
    frame = survey()
    wide = rake(frame, margins=MARGINS, bounds=(0.1, 10))
    assert wide.converged
    with pytest.warns(ConvergenceWarning, match="not met after 50 rounds"):
        narrow = rake(frame, margins=MARGINS, bounds=(0.8, 1.2), max_iterations=50)
    assert not narrow.converged
    assert narrow.largest_gap > 0.01
    assert 0.8 <= narrow.lowest <= narrow.highest <= 1.2
    assert "NOT met" in repr(narrow)


def test_one_margin_is_post_stratification():
    frame = survey()
    one = rake(frame, margins={"shop": MARGINS["shop"]})
    two = poststratify(frame, by="shop", targets=MARGINS["shop"])
    assert one.values.to_numpy() == pytest.approx(two.values.to_numpy())
    cells = frame.groupby(["shop", "new"]).size()
    both = poststratify(frame, by=["shop", "new"], targets=dict.fromkeys(cells.index, 100))
    assert both.total == pytest.approx(600)
    assert both.values.groupby([frame["shop"], frame["new"]]).sum().to_numpy() == pytest.approx([100] * 6)


def test_regions_weighted_alike_agree_with_worked_values(data_file):
    frame = pd.read_csv(data_file("nps_testdata.csv.gz"))
    weights = poststratify(frame, by="Region", targets=dict.fromkeys(["NAM", "EMEA", "APAC", "LATAM"], 0.25))
    found = nps(frame, score="REC", weight=weights, method="wald")
    assert found.value == pytest.approx(9.84167, abs=5e-6)
    assert found.se == pytest.approx(3.41556, abs=5e-6)
    # the same weights as a plain column forget that the regions' sizes are known
    plain = nps(frame.assign(w=weights.values), score="REC", weight="w", method="wald")
    assert plain.value == pytest.approx(found.value)
    assert plain.se > found.se


def test_the_calibrated_error_is_that_of_residuals():
    frame = survey()
    weights = rake(frame, margins=MARGINS)
    w = weights.values.to_numpy()
    z = np.where(frame["score"] == 10, 1.0, -1.0)
    off = z - w @ z / w.sum()
    x = pd.get_dummies(frame[["shop", "new"]], columns=["shop", "new"], dtype=float).to_numpy()
    root = np.sqrt(w)
    residual = off - x @ np.linalg.lstsq(x * root[:, None], off * root, rcond=None)[0]
    expected = np.sqrt(600 / 599 * ((w * residual) ** 2).sum()) / w.sum()
    assert nps(frame, weight=weights, method="t").se == pytest.approx(100 * expected)


def test_calibrated_intervals_cover_at_their_level():
    # the population: 20 % a, 30 % b, 50 % c, half of all new, independent of the shop
    share = {"a": 0.2, "b": 0.3, "c": 0.5}
    truth = 100 * (2 * sum(s * (0.2 + 0.3 * (shop == "b") + 0.15) for shop, s in share.items()) - 1)
    covered, plain = [], []
    for seed in range(300):
        frame = survey(300, seed)
        weights = rake(frame, margins=MARGINS)
        found = nps(frame, weight=weights)
        covered.append(found.ci_low <= truth <= found.ci_high)
        unweighted = nps(frame)
        plain.append(unweighted.ci_low <= truth <= unweighted.ci_high)
    assert 0.91 <= np.mean(covered) <= 0.985
    assert np.mean(plain) < np.mean(covered)


def test_groups_of_a_weighted_sample_and_other_measures():
    frame = survey()
    weights = rake(frame, margins=MARGINS)
    table = nps(frame, by="shop", weight=weights)
    alone = nps(frame.assign(w=weights.values), by="shop", weight="w")
    np.testing.assert_allclose(table["value"], alone["value"])
    assert csat(frame, scale=(0, 10), weight=weights).value == pytest.approx((nps(frame, weight=weights).value / 100 + 1) / 2)
    with pytest.raises(DataError, match="600 weights, the frame 599 rows"):
        nps(frame.iloc[1:], weight=weights)
    assert isinstance(weights, Weights)


@pytest.mark.parametrize(
    ("margins", "error", "words"),
    [
        ({}, OptionError, "at least one column"),
        ({"shop": {}}, OptionError, "mapping of label"),
        ({"shop": {"a": 0.5, "b": 0.5}}, DataError, r"'shop': \d+ answers with a label that has no wanted share"),
        ({"shop": {"a": 0.2, "b": 0.3, "c": 0.4, "d": 0.1}}, DataError, "with label 'd', but no answer has it"),
        ({"shop": {"a": -1, "b": 1, "c": 1}}, DataError, "'a' is -1"),
        ({"shop": {"a": "x", "b": 1, "c": 1}}, DataError, "'a' is 'x'"),
        ({"shop": {"a": 0, "b": 0, "c": 0}}, DataError, "no wanted share is above zero"),
        ({"shop": {"a": 1, "b": 1, "c": 1}, "new": {True: 1, False: 1}}, DataError, "different totals: 'shop' 3, 'new' 2"),
        ({"store": {"a": 1}}, ColumnError, "no column 'store'"),
    ],
)
def test_margins_that_do_not_fit_are_refused(margins, error, words):
    with pytest.raises(error, match=words):
        rake(survey(), margins=margins)


def test_a_wanted_share_of_zero_needs_no_answers_and_silences_a_label():
    frame = survey()
    found = rake(frame, margins={"shop": {"a": 0.5, "b": 0.5, "c": 0.0, "d": 0.0}})
    assert found.values[frame["shop"] == "c"].sum() == 0


@pytest.mark.parametrize("bounds", [(1.1, 2), (0.5, 0.9), 3, (1, 2, 3), (-1, 2)])
def test_bounds_must_hold_the_average(bounds):
    with pytest.raises(OptionError, match="bounds="):
        rake(survey(), margins=MARGINS, bounds=bounds)


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(OptionError, match="targets="):
        poststratify(survey(), by="shop", targets=3)
    with pytest.raises(DataError, match="no answer has them"):
        poststratify(survey(), by=["shop", "new"], targets={("z", True): 1})
    with pytest.raises(DataError, match="labels that have no wanted share"):
        poststratify(survey(), by=["shop", "new"], targets={("a", True): 1})
    with pytest.raises(DataError, match="no answers"):
        poststratify(survey().iloc[:0], by="shop", targets={"a": 1})
    with pytest.raises(DataError, match="no answer"):
        rake(survey().iloc[:0], margins=MARGINS)


@pytest.mark.parametrize("weights", [[], [0, 0], [-1, 2], [np.nan], "abc", 3, {"a": 1}, [[1.0]]])
def test_weights_that_are_none_have_no_effective_size(weights):
    with pytest.raises(DataError):
        effective_n(weights)
