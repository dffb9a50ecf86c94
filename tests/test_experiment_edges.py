"""Experiments at the edges: constant outcomes, sizes no machine number likes, few units, plans beyond reason."""

import math

import numpy as np
import pandas as pd
import pytest

from crmkit import experiment
from crmkit.errors import DataError, OptionError

COLUMNS = ["value", "se", "ci_low", "ci_high", "p_value", "lift", "lift_low", "lift_high"]


def spend(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"arm": rng.integers(0, 2, n), "spend": rng.gamma(1.0, 1.0, n), "orders": rng.poisson(2.0, n) + 1.0})


# ── means ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("n", "m", "same"), [(3, 7, 0.1), (100, 1003, 0.1), (10, 17, 0.7), (5, 5, -1e9 / 3)])
def test_what_rounding_leaves_of_equal_values_is_no_spread(n, m, same):
    frame = pd.DataFrame({"arm": [0] * n + [1] * m, "spend": same})
    row = experiment.compare_means(frame, outcome="spend").table.iloc[0]
    assert row["note"] == "no spread in either arm, so there is no test"
    assert math.isnan(row["p_value"])


def test_a_ratio_that_is_the_same_in_every_row_has_no_test():
    frame = spend().assign(spend=lambda f: f["orders"] * 0.1)
    row = experiment.compare_means(frame, outcome="spend", denominator="orders").table.iloc[0]
    assert row["note"] == "no spread in either arm, so there is no test"


@pytest.mark.parametrize("unit", [1e-300, 1e-155, 1e-80, 1e80, 1e155, 1e300])
def test_the_unit_of_money_changes_nothing_however_large(unit):
    frame = spend()
    here = experiment.compare_means(frame, outcome="spend").table[COLUMNS].iloc[0]
    there = experiment.compare_means(frame.assign(spend=frame["spend"] * unit), outcome="spend").table[COLUMNS].iloc[0]
    assert (there[COLUMNS[:4]] / unit).tolist() == pytest.approx(here[COLUMNS[:4]].tolist(), rel=1e-9)
    assert there[COLUMNS[4:]].tolist() == pytest.approx(here[COLUMNS[4:]].tolist(), rel=1e-9)


def test_the_unit_of_the_denominator_changes_nothing_either():
    frame = spend()
    here, there = (
        experiment.compare_means(frame.assign(orders=frame["orders"] * unit), outcome="spend", denominator="orders").table.iloc[0]
        for unit in (1.0, 1e200)
    )
    assert there["p_value"] == pytest.approx(here["p_value"], rel=1e-9)
    assert there["lift_low"] == pytest.approx(here["lift_low"], rel=1e-9)


# ── segments ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("kind", "per"), [("rate", 20), ("mean", 5)])
def test_small_segments_do_not_look_different_when_they_are_not(kind, per):
    rng = np.random.default_rng(1)
    k, runs, wrong = 30, 60, 0
    arm, segment = np.tile(np.repeat([0, 1], per), k), np.repeat(np.arange(k), 2 * per)
    for _ in range(runs):
        y = rng.random(arm.size) < 0.1 if kind == "rate" else rng.normal(size=arm.size)
        frame = pd.DataFrame({"arm": arm, "segment": segment, "y": y})
        compare = experiment.compare_rates if kind == "rate" else experiment.compare_means
        wrong += compare(frame, outcome="y", by="segment").heterogeneity["p_value"].iloc[0] < 0.05
    # weights taken for known make it a third of the runs for means
    assert wrong / runs < 0.13


def test_two_segments_are_compared_by_welchs_test():
    from scipy import stats

    frame = spend(24, seed=3).assign(segment=np.repeat(["a", "b"], 12), arm=np.tile([0, 1], 12))
    # without spread in the control, the effects are two means that differ by constants
    frame.loc[frame["arm"] == 0, "spend"] = 0.0
    found = experiment.compare_means(frame, outcome="spend", by="segment").heterogeneity.iloc[0]
    one, two = (part["spend"] for _, part in frame[frame["arm"] == 1].groupby("segment"))
    assert found["p_value"] == pytest.approx(stats.ttest_ind(one, two, equal_var=False).pvalue, rel=1e-9)


# ── difference in differences ────────────────────────────────────────────────────────────────────────────────────────────


def two_periods(first, second):
    rng = np.random.default_rng(2)
    arm = np.tile([0, 1], 20)
    parts = [(first, 10.0 + rng.normal(size=40)), (second, 12.0 + 3.0 * arm + rng.normal(size=40))]
    rows = [pd.DataFrame({"shop": np.arange(40), "arm": arm, "time": name, "sales": y}) for name, y in parts]
    return pd.concat(rows, ignore_index=True)


@pytest.mark.parametrize(
    "names", [("before", "after"), ("Pre", "Post"), ("pre", "campaign"), ("a", "after"), (1, 2), ("w01", "w02")]
)
@pytest.mark.parametrize("unit", [None, "shop"])
def test_before_is_before_whatever_the_alphabet_says(names, unit):
    found = experiment.difference_in_differences(two_periods(*names), outcome="sales", period="time", unit=unit)
    assert found.table["value"].iloc[0] == pytest.approx(3.0, abs=1.5)


def test_the_period_before_may_be_named():
    frame = two_periods("winter", "summer")
    found = experiment.difference_in_differences(frame, outcome="sales", period="time", before="winter")
    assert found.table["value"].iloc[0] == pytest.approx(3.0, abs=1.5)
    with pytest.raises(OptionError, match="not one of the periods"):
        experiment.difference_in_differences(frame, outcome="sales", period="time", before="spring")


def test_rows_of_both_periods_are_counted_as_they_are():
    row = experiment.difference_in_differences(two_periods(1, 2), outcome="sales", period="time").table.iloc[0]
    assert (row["n"], row["n_control"]) == (40, 40)


# ── what cannot be, and what is beyond reason ────────────────────────────────────────────────────────────────────────────


def test_columns_may_be_numbers_but_not_nothing():
    frame = spend().rename(columns={"spend": 3})
    assert experiment.compare_means(frame, outcome=3).table["outcome"].tolist() == [3]
    with pytest.raises(OptionError, match="at least one column"):
        experiment.compare_means(frame, outcome=None)


def test_shares_and_counts_of_any_size():
    found = experiment.sample_ratio({"a": 3, "b": 5}, expected=[1e308, 1e308])
    assert found.expected == {"a": 4.0, "b": 4.0}
    with pytest.raises(OptionError, match="whole number"):
        experiment.sample_ratio({"a": 2**62, "b": 2**62})


def test_covariates_are_not_so_many_that_they_explain_noise():
    rng = np.random.default_rng(0)
    frame = spend(22).join(pd.DataFrame(rng.normal(size=(22, 19))).add_prefix("c"))
    with pytest.raises(DataError, match="22 rows are too few to take 19 covariates out"):
        experiment.cuped(frame, outcome="spend", covariate=[f"c{i}" for i in range(19)])


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_cuped_in_any_unit(unit):
    frame = spend().assign(before=lambda f: f["spend"] + f["orders"])
    here = experiment.cuped(frame, outcome="spend", covariate="before")
    there = experiment.cuped(frame * [1, unit, 1, unit], outcome="spend", covariate="before")
    assert there.variance_ratio == pytest.approx(here.variance_ratio, rel=1e-9)
    assert there.table["p_value"].iloc[0] == pytest.approx(here.table["p_value"].iloc[0], rel=1e-9)
    assert there.theta["before"] == pytest.approx(here.theta["before"], rel=1e-9)


def test_what_is_explained_wholly_has_no_test():
    frame = spend().assign(before=lambda f: 3.0 * f["spend"])
    row = experiment.cuped(frame, outcome="spend", covariate="before").table.iloc[0]
    assert row["note"] == "no spread in either arm, so there is no test"


@pytest.mark.parametrize(
    "options",
    [
        {"sd": 1, "effect": 1e-200, "power": 0.8},
        {"sd": 1, "effect": 0.1, "power": 0.8, "ratio": 1e-320},
        {"sd": 1e308, "n": 10, "power": 0.8},
        {"baseline": 0.5, "effect": 1e-160, "power": 0.8, "method": "arcsine"},
        {"sd": 1, "n": 10**400, "power": 0.8},
    ],
)
def test_plans_beyond_reason_are_refused_in_words(options):
    with pytest.raises(OptionError):
        experiment.power(**options)


def test_plans_at_the_edge_still_print():
    assert experiment.power(sd=1, effect=1e100, power=0.8).n_total == 4
    assert str(experiment.power(sd=1, effect=1e100, power=0.8)).startswith("2 in the control")
    strict = experiment.power(sd=1, effect=0.1, power=0.8, alpha=1e-300)
    assert experiment.power(sd=1, effect=0.1, n=strict.n_control, alpha=1e-300).power == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize(
    ("looks", "design"), [([0.5, 0.5001, 1.0], "spend_pocock"), (60, "spend_obrien_fleming"), (20, "obrien_fleming")]
)
def test_bounds_do_not_depend_on_the_grid(looks, design, monkeypatch):
    from crmkit.experiment import _sequential

    here = experiment.boundaries(looks, design=design)["bound"].to_numpy()
    monkeypatch.setattr(_sequential, "POINTS", 301)
    there = experiment.boundaries(looks, design=design)["bound"].to_numpy()
    assert here == pytest.approx(there, abs=1e-8)


def test_two_looks_at_nearly_the_same_data():
    # the second look of nearly the same data adds nothing: the bounds are those of the other two
    near, apart = (experiment.boundaries(looks, design="pocock")["bound"].iloc[-1] for looks in ([0.5, 0.5001, 1.0], 2))
    assert apart < near < apart + 0.02
    with pytest.raises(OptionError, match="nearer than"):
        experiment.boundaries([0.5, 0.500001, 1.0])


@pytest.mark.parametrize("design", ["pocock", "obrien_fleming", "spend_pocock", "spend_obrien_fleming"])
@pytest.mark.parametrize("alpha", [1e-12, 0.2, 0.999])
def test_bounds_spend_what_they_are_given(design, alpha):
    table = experiment.boundaries([0.1, 0.35, 1.0], design=design, alpha=alpha)
    assert table["spent"].iloc[-1] == pytest.approx(alpha, rel=1e-6)
    one = experiment.boundaries(1, design=design, alpha=0.05)
    assert one["bound"].tolist() == pytest.approx([1.959963985], abs=1e-8)


def test_an_effect_beyond_all_proportion_has_no_always_valid_interval():
    path = pd.DataFrame({"value": [0.1], "se": [0.1]})
    with pytest.raises(OptionError, match="beyond all proportion"):
        experiment.sequential(path, method="always_valid", effect=1e-200)


def test_a_missing_arm_is_told_with_a_cure_that_exists():
    frame = spend().assign(arm=lambda f: f["arm"].where(f.index != 5))
    with pytest.raises(DataError, match="1 missing, the first in row 5; leave rows out"):
        experiment.compare_means(frame, outcome="spend")


def test_a_missing_cluster_or_period_is_told_likewise():
    frame = spend().assign(shop=lambda f: (f.index // 2 * 2 + f["arm"]).where(f.index != 7), month=np.nan)
    with pytest.raises(DataError, match="'shop': 1 missing, the first in row 7; fill them or leave"):
        experiment.compare_means(frame, outcome="spend", cluster="shop")
    with pytest.raises(DataError, match="'month': 200 missing"):
        experiment.difference_in_differences(frame, outcome="spend", period="month")
