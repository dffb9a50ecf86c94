"""Segments described and followed, against pandas; concentration against its definition; clusters against planted ones."""

import json
import math
import os
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

import crmkit as crm
from crmkit.errors import ColumnError, DataError, OptionError
from naive import rfm as naive

# statistics of many samples: compiled loops only
compiled_only = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="minutes without compiled kernels")

# ── profile ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def customers(n=40, seed=1):
    rng = np.random.default_rng(seed)
    summary = pd.DataFrame(
        {
            "recency_days": rng.integers(0, 300, n),
            "frequency": rng.integers(1, 9, n),
            "monetary": rng.integers(1, 900, n) / 4,
            "age": rng.integers(18, 80, n),
            "channel": rng.choice(["web", "shop", "phone"], n),
        },
        index=pd.Index([f"c{i:03}" for i in range(n)], name="customer_id"),
    )
    names = pd.Categorical(rng.choice(["A", "B", "C"], n), categories=["C", "unused", "A", "B"])
    return pd.Series(names, index=summary.index, name="segment"), summary


def test_a_profile_is_a_group_by():
    segments, summary = customers()
    wanted = {"age": "median", "channel": "mode", "frequency_again": "mean", "spent": "sum"}
    summary = summary.assign(frequency_again=summary["frequency"], spent=summary["monetary"])
    found = crm.rfm.profile(segments, summary, columns=wanted)
    assert found.index.tolist() == ["C", "A", "B"]  # the order of the categories, the empty one left out
    assert found.index.name == "segment"
    for name, group in summary.groupby(segments.astype(str)):
        row = found.loc[name]
        assert row["customers"] == len(group)
        assert row["share"] == approx(len(group) / len(summary))
        assert row["orders"] == group["frequency"].sum()
        assert row["revenue"] == row["spent"] == approx(group["monetary"].sum())
        assert row["revenue_share"] == approx(group["monetary"].sum() / summary["monetary"].sum())
        for measure in ("recency_days", "frequency", "monetary", "age"):
            assert row[measure] == group[measure].median()
        assert row["frequency_again"] == approx(group["frequency"].mean())
        counts = group["channel"].value_counts()
        assert row["channel"] == min(counts.index[counts == counts.max()])
        assert row["channel_share"] == approx(counts.max() / len(group))
    assert found[["share", "revenue_share"]].sum().to_numpy() == approx([1.0, 1.0])


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_profiles_and_transitions_of_other_frames(kind):
    segments, summary = customers()
    both = summary.assign(segment=segments.astype(str)).reset_index()
    other = pl.from_pandas(both) if kind == "polars" else pa.Table.from_pandas(both)
    names = other.select(["customer_id", "segment"])
    found = crm.rfm.profile(names, other, columns={"channel": "mode", "age": "mean"})
    expected = crm.rfm.profile(segments.astype(str), summary, columns={"channel": "mode", "age": "mean"})
    assert type(found) is type(other)
    pd.testing.assert_frame_equal(found.to_pandas().set_index("segment"), expected, check_dtype=False, check_index_type=False)
    moved = crm.rfm.transitions(names, names[:30])
    assert type(moved) is type(other)
    here = crm.rfm.transitions(segments.astype(str), segments.astype(str).iloc[:30])
    for name in ("n", "moved", "value", "ci_low", "ci_high"):
        assert moved[name].to_pylist() if kind == "pyarrow" else moved[name].to_list() == here[name].tolist()
    with pytest.raises(DataError, match="another order"):
        crm.rfm.profile(names[::-1] if kind == "polars" else names.take(list(range(len(names)))[::-1]), other)


def test_other_customers_are_not_described():
    segments, summary = customers()
    with pytest.raises(DataError, match="different ids, or the same in another order"):
        crm.rfm.profile(segments.iloc[::-1], summary)
    with pytest.raises(DataError, match="segments has 39 rows and summary 40"):
        crm.rfm.profile(segments.iloc[1:], summary)
    with pytest.raises(DataError, match="no customers"):
        crm.rfm.profile(segments.iloc[:0], summary.iloc[:0])
    with pytest.raises(DataError, match="adds up to 0"):
        crm.rfm.profile(segments, summary.assign(monetary=0.0))
    with pytest.raises(OptionError, match="columns: 'monetary' is in the result"):
        crm.rfm.profile(segments, summary, columns=["monetary"])
    with pytest.raises(OptionError, match="median"):
        crm.rfm.profile(segments, summary, columns={"age": "max"})
    with pytest.raises(DataError, match="'channel'"):
        crm.rfm.profile(segments, summary, columns=["channel"])
    with pytest.raises(ColumnError, match="'segment'"):
        crm.rfm.profile(summary, summary)
    assert crm.rfm.profile(segments.tolist(), summary)["customers"].sum() == 40


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_as_many_other_customers_are_not_described_either(kind):
    segments, summary = customers()
    others = pd.DataFrame({"customer_id": [f"d{i:03}" for i in range(40)], "segment": segments.astype(str).to_numpy()})
    tables = [others, summary.reset_index()]
    segments, summary = map(pl.from_pandas if kind == "polars" else pa.Table.from_pandas, tables)
    with pytest.raises(DataError, match="different ids, or the same in another order"):
        crm.rfm.profile(segments, summary)


# ── transitions ──────────────────────────────────────────────────────────────────────────────────────────────────────────

states = st.dictionaries(st.integers(0, 12), st.sampled_from(["A", "B", "C"]), min_size=1)


@given(states, states)
@settings(max_examples=80, deadline=None)
def test_transitions_count_every_customer_once(before, after):
    first, second = (pd.Series(side, dtype="str") for side in (before, after))
    table = crm.rfm.transitions(first, second)
    for _, row in table.iterrows():
        mine = [c for c in {*before, *after} if before.get(c, "(absent)") == row["before"]]
        there = [c for c in mine if after.get(c, "(absent)") == row["after"]]
        assert (row["n"], row["moved"]) == (len(mine), len(there))
        assert row["value"] == len(there) / len(mine)
        assert (row["ci_low"], row["ci_high"]) == crm.intervals.wilson(len(there), len(mine))
    assert table["moved"].sum() == len({*before, *after})
    assert not ((table["before"] == "(absent)") & (table["after"] == "(absent)")).any()
    np.testing.assert_allclose(table.groupby("before", observed=True)["value"].sum(), 1.0)


def test_transitions_keep_the_order_of_the_categories():
    kept = pd.CategoricalDtype(["Top", "Low", "Others"])
    before = pd.Series(["Low", "Top", "Low"], index=[1, 2, 3]).astype(kept)
    table = crm.rfm.transitions(before, before[::-1].set_axis([1, 2, 3]))
    assert list(table["before"].cat.categories) == ["Top", "Low", "(absent)"]
    assert table["moved"].tolist() == [1, 0, 0, 2]
    assert crm.rfm.transitions(before.to_frame("segment"), before)["moved"].tolist() == [1, 0, 0, 2]


def test_transitions_refuse_what_they_cannot_follow():
    one = pd.Series(["A", "B"], index=[1, 2])
    with pytest.raises(DataError, match="after: 1 customers are there more than once"):
        crm.rfm.transitions(one, one.set_axis([1, 1]))
    with pytest.raises(DataError, match="'segment': 1 missing"):
        crm.rfm.transitions(one, pd.Series(["A", None], index=[1, 2]))
    with pytest.raises(DataError, match=r"called '\(absent\)'"):
        crm.rfm.transitions(one, pd.Series(["(absent)"], index=[1]))
    with pytest.raises(DataError, match="before is a list"):
        crm.rfm.transitions(["A"], one)
    with pytest.raises(DataError, match="no column of customer ids"):
        crm.rfm.transitions(pl.DataFrame({"segment": ["A"]}), one)
    numbered = pd.DataFrame({"customer_id": [7, 8], "segment": ["A", "B"]})
    with pytest.raises(DataError, match=r"after: the index of the frame numbers its rows.*set_index\('customer_id'\)"):
        crm.rfm.transitions(one, numbered)
    assert crm.rfm.transitions(numbered.set_index("customer_id"), numbered[::-1].set_index("customer_id"))["value"].max() == 1.0
    with pytest.raises(DataError, match="before: there are no customers"):
        crm.rfm.transitions(one.iloc[:0], one)
    with pytest.raises(OptionError, match="level"):
        crm.rfm.transitions(one, one, level=95)


# ── concentration ────────────────────────────────────────────────────────────────────────────────────────────────────────


def spending(amounts):
    return pd.DataFrame({"customer_id": range(len(amounts)), "timestamp": pd.Timestamp("2024-01-01"), "amount": amounts})


amounts_of_some = st.lists(st.integers(0, 60), min_size=3, max_size=14).filter(lambda found: sum(a > 0 for a in found) >= 3)


@given(amounts_of_some, st.sampled_from([Fraction(1, 10), Fraction(1, 4), Fraction(1, 2), Fraction(15, 16)]))
@settings(max_examples=150, deadline=None)
def test_concentration_by_definition(amounts, top):
    found = crm.rfm.concentration(spending([float(a) for a in amounts]), top=float(top))
    exact = [Fraction(a) for a in amounts]
    assert found.gini.value == approx(float(naive.gini(exact)), abs=1e-12)
    assert found.gini.se == approx(float(naive.jackknife(naive.gini, exact)) ** 0.5, abs=1e-9)
    # a tenth in floating point is not quite a tenth
    assert found.top_share.value == approx(float(naive.top_share(exact, top)), abs=1e-9)
    assert found.top_share.se == approx(float(naive.jackknife(lambda x: naive.top_share(x, top), exact)) ** 0.5, abs=1e-7)


@given(amounts_of_some, st.sampled_from([0.01, 2.0, 1000.0]))
@settings(max_examples=40, deadline=None)
def test_concentration_does_not_depend_on_the_currency_and_the_curve_is_convex(amounts, rate):
    found, again = (crm.rfm.concentration(spending(np.array(amounts) * r)) for r in (1.0, rate))
    assert again.gini.value == approx(found.gini.value)
    assert again.top_share.value == approx(found.top_share.value)
    curve = found.lorenz["revenue"].to_numpy()
    assert curve[0] == 0
    assert curve[-1] == 1
    assert (np.diff(curve) >= -1e-12).all()
    assert (np.diff(curve, 2) >= -1e-9).all()


def test_too_few_spenders_are_refused_rather_than_given_a_nan():
    with pytest.raises(DataError, match="2 of 3 customers have spent anything"):
        crm.rfm.concentration(spending([0.0, 1.0, 2.0]))
    for bad in (0, 1, 10):
        with pytest.raises(OptionError, match="top"):
            crm.rfm.concentration(spending([1.0, 1.0, 2.0]), top=bad)
    assert "Gini" in repr(crm.rfm.concentration(spending([1.0, 1.0, 2.0])))


@compiled_only
def test_the_intervals_of_concentration_cover_at_their_level():
    # lognormal amounts: G = erf(sigma / 2), and the best tenth hold Phi(sigma - z), z the quantile of 90 %
    sigma = 0.3
    rng = np.random.default_rng(13)
    gini, share = math.erf(sigma / 2), 0.5 * math.erfc(-(sigma - 1.2815515655446004) / math.sqrt(2))
    covered = np.zeros(2)
    for _ in range(1000):
        found = crm.rfm.concentration(crm.events(spending(rng.lognormal(0.0, sigma, 1000))))
        covered += found.gini.ci_low <= gini <= found.gini.ci_high, found.top_share.ci_low <= share <= found.top_share.ci_high
    assert ((covered >= 930) & (covered <= 970)).all(), covered


# ── clusters ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def planted(n=60):
    rng = np.random.default_rng(3)
    centres = np.array([[5, 40, 4000], [60, 8, 300], [400, 1, 20]])
    points = np.vstack([centre * np.exp(rng.normal(0, 0.12, (n, 3))) for centre in centres])
    points[:, 1] = np.maximum(np.round(points[:, 1]), 1)
    return pd.DataFrame(points, columns=["recency_days", "frequency", "monetary"]), np.repeat([1, 2, 3], n)


def test_planted_clusters_are_found_and_stable():
    summary, truth = planted()
    found = crm.rfm.cluster(summary)
    assert found.model.k == 3
    assert found.clusters.tolist() == truth.tolist()
    assert found.model.stability > 0.99
    assert max(found.model.silhouettes, key=found.model.silhouettes.get) == "3"
    assert found.model.sizes.tolist() == [60, 60, 60]
    assert (np.diff(found.model.centers[:, 2]) < 0).all()
    again = crm.rfm.cluster(summary)
    assert again.model.to_dict() == found.model.to_dict()
    kept = crm.rfm.KMeans.from_dict(json.loads(json.dumps(found.model.to_dict())))
    assert kept.assign(*summary.to_numpy().T).tolist() == truth.tolist()
    assert int(kept.assign(5, 40, 4000)) == 1
    assert "stability" in repr(found)


def test_a_measure_that_was_the_same_for_all_says_little_of_others():
    rng = np.random.default_rng(3)
    days, spent = rng.integers(1, 300, 200), rng.gamma(2.0, 50.0, 200)
    summary = pd.DataFrame({"recency_days": days, "frequency": 7, "monetary": spent})
    model = crm.rfm.cluster(summary, k=3).model
    assert model.scale[1] == 1.0
    assert model.assign(days, 8, spent).tolist() == model.assign(days, 7, spent).tolist()


def test_clusters_of_noise_are_told_by_their_stability():
    rng = np.random.default_rng(5)
    noise = pd.DataFrame(rng.random((150, 3)), columns=["recency_days", "frequency", "monetary"])
    found = crm.rfm.cluster(noise, k=6, transform="none")
    assert found.model.stability < 0.9
    assert found.model.silhouette < 0.4


def test_clusters_refuse_what_they_cannot_do():
    summary, _ = planted(4)
    with pytest.raises(DataError, match="1 different customers"):
        crm.rfm.cluster(pd.concat([summary.iloc[:1]] * 5), k=2)
    with pytest.raises(DataError, match="too few for 20 clusters"):
        crm.rfm.cluster(summary, k=20)
    with pytest.raises(DataError, match="0 different customers"):
        crm.rfm.cluster(summary.iloc[:0])
    for bad in ({"k": 1}, {"k": 2.0}, {"transform": "sqrt"}, {"rng": True}):
        with pytest.raises(OptionError):
            crm.rfm.cluster(summary, **bad)
    model = crm.rfm.cluster(summary.assign(frequency=1.0), k=2).model
    with pytest.raises(DataError, match="missing or infinite in 1 places"):
        model.assign(1, np.nan, 3)
