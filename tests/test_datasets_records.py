"""Simulated contacts are what they say they are."""

import os

import numpy as np
import pytest

from crmkit import datasets, dedupe
from crmkit.errors import OptionError

# a tenth where kernels are plain Python
N = 500 if os.environ.get("NUMBA_DISABLE_JIT") == "1" else 5000


def test_the_truth_is_as_asked():
    contacts = datasets.make_records(n_records=N, duplicates=0.3, rng=1)
    records = contacts.records
    assert len(records) == len(contacts.truth) == len(contacts.households) == N
    assert contacts.truth.nunique() == round(0.7 * N)
    assert records.index.equals(contacts.truth.index)
    assert set(contacts.fields) < set(records.columns)
    assert contacts.truth.groupby(contacts.truth).size().max() > 2
    assert (contacts.households.groupby(contacts.truth).nunique() == 1).all()
    assert contacts.households.nunique() < 0.8 * contacts.truth.nunique()
    assert f"{N:,} records of" in repr(contacts)


def test_gaps_and_errors_follow_their_dials():
    clean = datasets.make_records(n_records=N, errors=0, missing=0, moves=0, marriages=0, households=0, rng=2)
    assert not clean.records.isna().any().any()
    same = clean.records["last_name"].groupby(clean.truth.to_numpy()).nunique()
    assert (same == 1).all()
    assert clean.records["email"].groupby(clean.truth.to_numpy()).first().is_unique
    dirty = datasets.make_records(n_records=N, errors=3, missing=2, rng=2)
    assert dirty.records["phone"].isna().mean() == pytest.approx(0.6, abs=0.08)
    names = dirty.records["last_name"].dropna().str.lower()
    assert names.groupby(dirty.truth[names.index].to_numpy()).nunique().max() > 1


def test_names_are_as_unequal_as_in_life():
    shares = datasets.make_records(n_records=N, errors=0, rng=3).records["last_name"].value_counts(normalize=True)
    assert 0.003 < shares.iloc[0] < 0.02
    assert (shares * N <= 2).sum() > 0.4 * len(shares)


def test_the_same_seed_gives_the_same_bits():
    one, two, other = (datasets.make_records(n_records=300, rng=seed) for seed in (4, 4, 5))
    assert one.records.equals(two.records)
    assert one.truth.equals(two.truth)
    assert not one.records.equals(other.records)
    assert len(datasets.make_records(n_records=1).records) == 1
    assert datasets.make_records(n_records=10, duplicates=0.0).truth.is_unique


@pytest.mark.parametrize("options", [{"n_records": 0}, {"duplicates": 1.0}, {"errors": -1}, {"missing": 9}, {"households": 1}])
def test_dials_have_ends(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        datasets.make_records(**options)


@pytest.mark.skipif(N < 5000, reason="mixtures take minutes without compiled kernels")
def test_order_and_threads_change_no_bit_of_the_people_found(monkeypatch):
    contacts = datasets.make_records(n_records=600, rng=6)
    found = dedupe.deduplicate(contacts.records, contacts.fields, n_threads=1)
    for module in ("pairs", "_patterns", "_score"):
        monkeypatch.setattr(f"crmkit.dedupe.{module}.PIECE", 97)
    again = dedupe.deduplicate(contacts.records.sample(frac=1, random_state=1), contacts.fields, n_threads=2)
    assert again.model.to_dict() == found.model.to_dict()
    assert again.pairs.equals(found.pairs)
    assert again.clusters.reindex(found.clusters.index).equals(found.clusters)
    assert np.array_equal(again.sizes.to_numpy(), found.sizes.to_numpy())
    assert repr(again.quality) == repr(found.quality)
