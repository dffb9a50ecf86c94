"""Records that are alike are compared once and change nothing else; what is certain is certain whatever the model says."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from crmkit import datasets, dedupe
from crmkit._kernels import clusters as _c
from crmkit.dedupe import _copies
from crmkit.errors import ColumnError, DataWarning, LimitError, OptionError

CONTACTS = datasets.make_records(n_records=600, rng=5)
FIELDS = CONTACTS.fields
RULES = ["email", "phone", ("last_name", "date_of_birth"), ("first_name", "last_name"), ("soundex(last_name)", "postcode")]
compiled = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="mixtures take minutes without compiled kernels")


def with_copies(seed=0):
    """Records with whole copies of some, and some with a first name and a surname only, three times each."""
    rng = np.random.default_rng(seed)
    records = CONTACTS.records.drop(columns="updated")
    copies = records.iloc[rng.integers(0, 600, 400)].set_axis([f"copy {k}" for k in range(400)])
    bare = records.iloc[rng.integers(0, 600, 20)].copy()
    bare.loc[:, [column for column in FIELDS if column not in ("first_name", "last_name")]] = None
    bare = pd.concat([bare] * 3).set_axis([f"bare {k}" for k in range(60)])
    return pd.concat([records, copies, bare]).sample(frac=1, random_state=seed)


def one_by_one(monkeypatch, *call, **options):
    """Compare every record, also those that are alike."""
    with monkeypatch.context() as patch:
        patch.setattr(_copies, "find", lambda *_: None)
        return dedupe.deduplicate(*call, **options)


@compiled
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "complete"},
        {"method": "average"},
        {"method": "best_link"},
        {"veto": [("first_name", "date_of_birth")]},
        {"same": ["phone"], "veto": ["first_name"]},
        {"same": ["phone"], "method": "average"},
        {"target_precision": 0.999},
    ],
    ids=str,
)
def test_nothing_but_the_work_depends_on_comparing_copies_once(monkeypatch, options):
    records = with_copies()
    found = dedupe.deduplicate(records, FIELDS, RULES, **options)
    every = one_by_one(monkeypatch, records, FIELDS, RULES, **options)
    assert found.clusters.equals(every.clusters)
    assert found.model.to_dict() == every.model.to_dict()
    assert found.sizes.equals(every.sizes)
    for name in ("precision", "recall", "blocking_recall"):
        assert getattr(found.quality, name).value == pytest.approx(getattr(every.quality, name).value, abs=1e-12)
    for name in ("links", "clusters", "pairs", "links_not_followed"):
        assert found.report[name] == every.report[name]
    assert found.report["estimated_matches"] == pytest.approx(every.report["estimated_matches"], rel=1e-12)
    assert found.report["copies"] >= 400
    assert found.report["comparisons"] < 0.5 * every.report["comparisons"]


@compiled
def test_the_pairs_listed_make_the_same_clusters(monkeypatch):
    records = with_copies(1)
    found = dedupe.deduplicate(records, FIELDS, RULES)
    again = dedupe.cluster_pairs(found.pairs, records).clusters
    assert dedupe.evaluate_clusters(again, found.clusters, replicates=20).exact.value == 1.0
    every = one_by_one(monkeypatch, records, FIELDS, RULES)
    assert found.pairs.equals(every.pairs)
    scored = dedupe.score_pairs(found.model, records, found.pairs)
    assert (scored["match_weight"] == found.pairs["match_weight"]).all()
    most = sum(found.report["pairs_per_rule"].values())
    with pytest.warns(DataWarning, match=r"pairs to list, more than max_pairs=.*once, beside the first"):
        short = dedupe.deduplicate(records, FIELDS, RULES, max_pairs=most)
    assert short.clusters.equals(found.clusters)
    assert len(short.pairs) < len(found.pairs)
    assert set(short.pairs[["left", "right"]].agg(tuple, axis=1)) <= set(found.pairs[["left", "right"]].agg(tuple, axis=1))
    again = dedupe.cluster_pairs(short.pairs, records).clusters
    assert dedupe.evaluate_clusters(again, found.clusters, replicates=20).exact.value == 1.0


@compiled
def test_order_and_threads_do_not_matter_among_copies(monkeypatch):
    records = with_copies()
    one = dedupe.deduplicate(records, FIELDS, RULES, same=["phone"], n_threads=1)
    monkeypatch.setattr("crmkit.dedupe.pairs.PIECE", 50)
    monkeypatch.setattr("crmkit.dedupe._patterns.PIECE", 50)
    two = dedupe.deduplicate(records.sample(frac=1, random_state=7), FIELDS, RULES, same=["phone"], n_threads=2)
    assert one.model.to_dict() == two.model.to_dict()
    assert one.pairs.equals(two.pairs)
    assert one.clusters.equals(two.clusters.reindex(one.clusters.index))


@compiled
def test_a_record_exported_a_thousand_times_teaches_nothing_about_others():
    records = CONTACTS.records.drop(columns="updated")
    flood = pd.concat([records, records.iloc[[7] * 2000].set_axis([f"again {k}" for k in range(2000)])])
    few = pd.concat([records, records.iloc[[7] * 9].set_axis([f"again {k}" for k in range(9)])])
    found, expected = dedupe.deduplicate(flood, FIELDS, max_cluster=5000), dedupe.deduplicate(few, FIELDS)
    assert found.model.m == expected.model.m
    assert found.model.rule_u == expected.model.rule_u
    assert found.clusters[records.index].equals(expected.clusters[records.index])
    assert len(set(found.clusters[[f"again {k}" for k in range(2000)]])) == 1
    assert found.report["comparisons"] == expected.report["comparisons"]
    assert found.report["pairs"] > 2000 * 1999 / 2
    # rarity is counted alike wherever it is told
    scored = dedupe.score_pairs(found.model, flood, found.pairs.head(50))
    assert (scored["match_weight"] == found.pairs["match_weight"].head(50)).all()
    linked = dedupe.link(flood, records.set_axis([f"other {k}" for k in range(600)]), fields=FIELDS)
    assert linked.links["left"].nunique() >= 2500


def test_copies_need_no_room_among_the_pairs_allowed():
    rng = np.random.default_rng(1)
    people = pd.DataFrame(
        {
            "name": [f"name {k}" for k in range(100)],
            "born": (np.datetime64("1940-01-01") + rng.integers(0, 20_000, 100)).astype(str),
            "city": [f"city {k}" for k in rng.integers(0, 30, 100)],
        }
    )
    fields = {"name": "name", "born": "date", "city": "text"}
    many = pd.concat([people, people.iloc[[3] * 400]], ignore_index=True)
    with pytest.warns(DataWarning, match="80,200 pairs to list, more than max_pairs=50"):
        found = dedupe.deduplicate(many, fields, ["name"], max_pairs=50, max_cluster=1000, min_probability=0)
    assert found.report["comparisons"] == 0
    assert found.report["pairs"] == 401 * 400 / 2
    assert len(set(found.clusters[[3, *range(100, 500)]])) == 1
    assert found.clusters.nunique() == 100
    with pytest.raises(LimitError):
        dedupe.candidate_pairs(many, blocking=["name"], max_pairs=50)


def spread_by_definition(of, left, right, p, threshold):
    """Clusters of all rows when every pair of rows stands for all pairs of the records behind it."""
    n = len(of)
    label = list(range(n))
    known = {frozenset(pair): value for *pair, value in zip(left, right, p, strict=True)}
    for i in range(n):
        for j in range(i):
            if known.get(frozenset((of[i], of[j])), 0.0) >= threshold:
                old, new = label[i], label[j]
                label = [new if value == old else value for value in label]
    return {frozenset(k for k in range(n) if label[k] == value) for value in label}


@pytest.mark.parametrize("seed", range(20))
def test_what_copies_are_linked_with(seed):
    rng = np.random.default_rng(seed)
    first = np.append(True, rng.random(9) < 0.5)
    starts = np.flatnonzero(first)
    of = starts[np.cumsum(first) - 1].astype(np.int32)
    times = np.zeros(10, dtype=np.int64)
    times[starts] = np.diff(np.append(starts, 10))
    pairs = [(a, b) for a in starts.tolist() for b in starts.tolist() if a < b and rng.random() < 0.4]
    pairs += [(a, a) for a in starts.tolist() if times[a] > 1 and rng.random() < 0.8]
    left, right = (np.array(rows, dtype=np.int32) for rows in zip(*(pairs or [(0, 0)]), strict=True))
    p = rng.choice([0.5, 0.99], left.size)
    number, a, b = _copies.Copies(first, of, times).spread(left, right, p, 0.95)
    made = dedupe.cluster_pairs(
        pd.DataFrame({"left": a, "right": b, "probability": p[number]}), pd.DataFrame({"x": range(10)})
    ).clusters
    expected = spread_by_definition(of.tolist(), left.tolist(), right.tolist(), p.tolist(), 0.95)
    assert {frozenset(rows) for rows in made.groupby(made).groups.values()} == expected


# ── what is certain ──────────────────────────────────────────────────────────────────────────────────────────────────────


def family(n=40):
    """People with a tax number of their own, some with a second record that has nothing else in common."""
    rng = np.random.default_rng(3)
    rows = [
        {"name": f"name {k}", "born": f"19{k % 60 + 30}-0{k % 9 + 1}-11", "mail": f"m{k}@x.org", "tax": f"T{k}"} for k in range(n)
    ]
    rows += [{"name": f"other {k}", "born": f"18{k + 10}-01-02", "mail": f"o{k}@y.net", "tax": f" t{k}"} for k in range(5)]
    records = pd.DataFrame(rows)
    records["noise"] = rng.integers(0, 9, len(records)).astype(str)
    return records


KINDS = {"name": "name", "born": "date", "mail": "email"}


def test_records_of_one_number_are_one_person_compared_or_not():
    records = family()
    plain = dedupe.deduplicate(records, KINDS)
    found = dedupe.deduplicate(records, KINDS, same=["tax"])
    assert plain.clusters.nunique() == 45
    assert found.clusters.nunique() == 40
    assert (found.clusters[:5].to_numpy() == found.clusters[40:].to_numpy()).all()
    assert found.model.to_dict() == plain.model.to_dict()
    vetoed = dedupe.deduplicate(records, KINDS, same=["tax"], veto=["born"])
    assert vetoed.clusters.nunique() == 45
    for method in ("complete", "average", "best_link"):
        assert dedupe.deduplicate(records, KINDS, same=["tax"], method=method).clusters.nunique() == 40


@compiled
def test_what_is_certain_is_told_beside_what_is_probable():
    records = CONTACTS.records.drop(columns="updated")
    plain = dedupe.deduplicate(records, FIELDS, RULES)
    found = dedupe.deduplicate(records, FIELDS, RULES, same=["email"], veto=[("first_name", "date_of_birth")])
    assert list(found.pairs.columns) == ["left", "right", "match_weight", "probability", "decided"]
    codes = {column: dedupe.compare_pairs(records, found.pairs, fields={column: kind}) for column, kind in FIELDS.items()}
    equal = (codes["email"]["email"] == len(found.model.levels["email"])).to_numpy()
    away = (codes["first_name"]["first_name"].isin([0, 1, 2]) & codes["date_of_birth"]["date_of_birth"].isin([0, 1])).to_numpy()
    expected = np.where(away, "apart", np.where(equal, "same", "by the model"))
    assert found.pairs["decided"].tolist() == expected.tolist()
    joined = found.clusters[found.pairs["left"]].to_numpy() == found.clusters[found.pairs["right"]].to_numpy()
    # a third record may part two that are equal
    assert joined[expected == "same"].mean() > 0.97
    assert not joined[expected == "apart"].any()
    free = dedupe.deduplicate(records, FIELDS, RULES, same=["email"])
    ends = [free.clusters[free.pairs[side]].to_numpy() for side in ("left", "right")]
    assert (ends[0] == ends[1])[free.pairs["decided"] == "same"].all()
    assert found.report["certain_same"] >= (expected == "same").sum()
    assert "certain_same" not in plain.report
    kept = found.pairs.set_index(["left", "right"])["match_weight"]
    assert (plain.pairs.set_index(["left", "right"])["match_weight"].reindex(kept.index).dropna() == kept.dropna()).all()


def test_a_veto_reads_a_field_in_its_normal_form():
    records = family()
    twice = records.head(4).assign(born=["11.01.1930", "11.02.1931", "11.03.1932", "11.04.1933"])
    both = pd.concat([records, twice], ignore_index=True)
    found = dedupe.deduplicate(both, KINDS, same=["tax"], veto=["born"])
    assert (found.clusters[:4].to_numpy() == found.clusters[45:].to_numpy()).all()


def test_a_veto_parts_records_that_one_number_joins():
    """Three records of one number, two of them born on one day: those two stay together, whatever stands first."""
    for days in ("abb", "bab", "bba"):
        records = pd.DataFrame(
            {
                "name": ["ann lee", "bob ray", "cy poe"],
                "mail": ["a@x.org", "b@x.org", "c@x.org"],
                "city": ["oslo", "bonn", "rome"],
                "born": list(days),
                "tax": "7",
            }
        )
        kinds = {"name": "name", "mail": "email", "city": "text"}
        found = dedupe.deduplicate(records, kinds, same=["tax"], veto=["born"])
        assert found.clusters.groupby(records["born"]).nunique().tolist() == [1, 1]
        assert found.clusters.nunique() == 2


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"same": "tax"}, OptionError, "same= is a list of rules"),
        ({"same": ["taxx"]}, ColumnError, r"same=.*Did you mean 'tax'|'taxx'"),
        ({"same": ["neighbours(tax, 2)"]}, OptionError, "no equality"),
        ({"same": [("tax", 3)]}, OptionError, "same= is a list of rules"),
        ({"veto": ["taxx"]}, ColumnError, "taxx"),
        ({"veto": "tax"}, OptionError, "veto= is a list"),
    ],
)
def test_rules_that_make_nothing_certain_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        dedupe.deduplicate(family(), KINDS, **options)


@pytest.mark.parametrize("seed", range(15))
def test_vetoed_pairs_by_definition(seed):
    rng = np.random.default_rng(seed)
    codes, of = rng.integers(-1, 3, (3, 8)).astype(np.int32), np.array([0, 0, 1], dtype=np.int32)
    left, right = (rows.astype(np.int32) for rows in np.triu_indices(8, 1))
    found = _c.vetoed_pairs(left, right, codes, of)

    def apart(row, i, j):
        return min(codes[row, i], codes[row, j]) >= 0 and codes[row, i] != codes[row, j]

    expected = [(apart(0, i, j) and apart(1, i, j)) or apart(2, i, j) for i, j in zip(left.tolist(), right.tolist(), strict=True)]
    assert found.tolist() == expected
