"""The steps one by one: pairs, comparisons, weights and their reasons, clusters, golden records, links, stable ids."""

from __future__ import annotations

import itertools
import os
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from crmkit import datasets, dedupe
from crmkit.errors import ColumnError, CrmkitError, DataError, DataWarning, LimitError, OptionError

CONTACTS = datasets.make_records(n_records=900, rng=5)
RECORDS, FIELDS = CONTACTS.records, CONTACTS.fields
compiled = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="mixtures take minutes without compiled kernels")


@pytest.fixture(scope="module")
def found():
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        pytest.skip("mixtures take minutes without compiled kernels")
    return dedupe.deduplicate(RECORDS, FIELDS)


def sets(pairs):
    return {frozenset(pair) for pair in zip(pairs["left"], pairs["right"], strict=True)}


# ── candidate pairs ──────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = pd.DataFrame(
    {
        "name": ["Ann Lee", "Anne Lee", "Bob Ray", "ann  LEE", None, "Bobby Rey"],
        "mail": ["ann@x.org", "ann@y.org", "bob@x.org", "", "ann@x.org", "b.ray@x.org"],
        "born": ["1980-02-03", "1980-05-05", "1975-12-24", "1980-02-03", None, "1975-01-01"],
    },
    index=list("abcdef"),
)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("name", {"ad"}),
        ("mail", {"ae"}),
        ("prefix(name, 3)", {"ab", "ad", "bd", "cf"}),
        ("suffix(name, 3)", {"ab", "ad", "bd"}),
        ("initial(name)", {"ab", "ad", "bd", "cf"}),
        ("first_word(name)", {"ad"}),
        ("last_word(name)", {"ab", "ad", "bd"}),
        ("soundex(name)", {"ab", "ad", "bd", "cf"}),
        ("nysiis(name)", {"ad"}),
        ("year(born)", {"ab", "ad", "bd", "cf"}),
        ("domain(mail)", {"ac", "ae", "af", "ce", "cf", "ef"}),
        ("local_part(mail)", {"ab", "ae", "be"}),
        ("digits(born, 2)", {"ad"}),
        (("year(born)", "first_word(name)"), {"ad"}),
        ("neighbours(name, 1)", {"ad", "bd", "bc", "cf"}),
        ("minhash(name, 2)", {"ab", "ad", "bd"}),
    ],
)
def test_a_rule_takes_of_a_column_what_it_says(rule, expected):
    made = dedupe.candidate_pairs(NAMES, blocking=[rule])
    assert {"".join(sorted(pair)) for pair in sets(made)} == expected


def test_rules_are_joined_and_pairs_come_once_with_the_first_rule():
    made = dedupe.candidate_pairs(RECORDS, blocking=["email", ("last_name", "year(date_of_birth)"), "neighbours(street, 2)"])
    assert len(sets(made)) == len(made)
    alone = [sets(dedupe.candidate_pairs(RECORDS, blocking=[rule])) for rule in ("email", ("last_name", "year(date_of_birth)"))]
    assert sets(made[made["rule"] == "email"]) == alone[0]
    assert sets(made[made["rule"] == "last_name + year(date_of_birth)"]) == alone[1] - alone[0]


def test_pairs_of_two_tables_are_of_one_record_each():
    made = dedupe.candidate_pairs(NAMES.iloc[:3], other=NAMES.iloc[2:], blocking=["prefix(name, 3)"])
    assert set(zip(made["left"], made["right"], strict=True)) == {("a", "d"), ("b", "d"), ("c", "c"), ("c", "f")}


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "pyarrow"])
def test_every_frame_gives_the_same_pairs(make):
    plain = RECORDS.reset_index().drop(columns="updated")
    options = {"blocking": ["email", "phone"], "id": "record_id"}
    expected, made = dedupe.candidate_pairs(plain, **options), dedupe.candidate_pairs(make(plain), **options)
    assert isinstance(made, type(make(plain)))
    assert sets(made.to_pandas()) == sets(expected)
    levels = dedupe.compare_pairs(make(plain), made, fields={"email": "email", "city": "text"}, id="record_id").to_pandas()
    assert (
        levels["email"].tolist()
        == dedupe.compare_pairs(plain, expected, fields={"email": "email"}, id="record_id")["email"].tolist()
    )


def test_one_value_in_most_rows_is_refused_before_pairs_are_made():
    forms = RECORDS.assign(form=np.where(np.arange(len(RECORDS)) % 25 < 23, "gmbh", RECORDS.index))
    with pytest.raises(LimitError, match=r"rule 'form' makes .*: its largest block holds 828 of 900 records \(92.0%\)") as caught:
        dedupe.candidate_pairs(forms, blocking=["email", "form"], max_pairs=200_000)
    assert "gmbh" not in str(caught.value)
    with pytest.raises(LimitError, match=r"'form' has a block of 828 .* more than max_block=100"):
        dedupe.candidate_pairs(forms, blocking=["form"], max_block=100)
    with pytest.raises(LimitError, match=r"'neighbours\(city, 900\)' .* every record meets the next 900"):
        dedupe.candidate_pairs(forms, blocking=["neighbours(city, 900)"], max_pairs=1000)
    assert len(dedupe.candidate_pairs(forms, blocking=["form"], max_pairs=400_000)) == 828 * 827 // 2


@pytest.mark.parametrize(
    ("rule", "error", "words"),
    [
        ("prefix(name)", OptionError, "takes a whole number"),
        ("soundex(name, 3)", OptionError, "takes no number"),
        ("upper(name)", OptionError, "'upper' is not one of"),
        ("prefix(nmae, 2)", ColumnError, "Did you mean 'name'"),
        (("name", "neighbours(born, 3)"), OptionError, "rules of their own"),
        ("nmae", ColumnError, "Did you mean 'name'"),
    ],
)
def test_rules_that_cannot_be_are_refused(rule, error, words):
    with pytest.raises(error, match=words):
        dedupe.candidate_pairs(NAMES, blocking=[rule])


# ── comparisons ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def levels(a, b, spec, **columns):
    records = pd.DataFrame({"x": [a, b], **columns})
    return int(dedupe.compare_pairs(records, pd.DataFrame({"left": [0], "right": [1]}), fields={"x": spec})["x"].iloc[0])


@pytest.mark.parametrize(
    ("a", "b", "spec", "expected"),
    [
        ("Martha", "MARTHA ", "name", 3),
        ("Martha", "Marhta", "name", 2),
        ("Duane", "Dwayne", ["exact", ("jaro_winkler", 0.85), ("jaro_winkler", 0.83)], 1),
        ("Martha", "Bob", "name", 0),
        ("Martha", None, "name", -1),
        ("Martha", "n/a", "name", -1),
        ("", None, "name", -1),
        ("123456", "123465", ["exact", ("osa", 1)], 1),
        ("123456", "123465", ["exact", ("levenshtein", 1)], 0),
        ("1980-02-03", "3.2.1980", "date", 2),
        ("1980-02-03", "1980-02-04", "date", 1),
        ("1980-02-03", "1980-03-02", ["exact", "swapped"], 1),
        ("1980-02-03", "1980-03-01", ["exact", ("days", 30)], 1),
        ("1980-02-03", "1980-03-10", ["exact", ("days", 30)], 0),
        ("1980-02-03", "soon", ["exact", ("days", 30)], 0),
        ("ann@x.org", "ann@y.org", "email", 3),
        ("100", "100.0", "number", 2) if False else ("100", "100.0", ["exact", ("difference", 1)], 1),
        ("100", "100.9", ["exact", ("difference", 1)], 1),
        ("100", "99.5", "number", 2),
        ("100", "91", "number", 1),
        ("100", "80", "number", 0),
        ("red;blue", "BLUE; red", "set", 2),
        ("red;blue", "blue;green", "set", 1),
        ("red;blue", "green", "set", 0),
        ("52.52,13.405", "52.5201,13.405", "geo", 3),
        ("52.52,13.405", "48.137,11.575", "geo", 0),
        ("0,0", "0,0", "geo", -1),
    ],
)
def test_levels(a, b, spec, expected):
    if spec == ["exact", ("difference", 1)] and b == "100.0":
        spec, expected = "number", 3
    assert levels(a, b, spec) == expected
    assert levels(b, a, spec) == expected


def test_columns_the_other_way_round_are_a_level_of_their_own():
    fields = {"first": ["exact", ("reversed", "last"), ("jaro_winkler", 0.9)], "last": "name"}
    people = pd.DataFrame({"first": ["Ann", "lee", "Ann", None], "last": ["Lee", "ANN", "Ann", "Ann"]})
    pairs = pd.DataFrame({"left": [0, 0, 0], "right": [1, 2, 3]})
    assert dedupe.compare_pairs(people, pairs, fields=fields)["first"].tolist() == [2, 3, -1]


def test_two_columns_make_a_place():
    cities = pd.DataFrame({"lat": [52.52, 52.53, 48.14, None], "lon": [13.405, 13.41, 11.58, 11.58]})
    pairs = pd.DataFrame({"left": [0, 0, 0], "right": [1, 2, 3]})
    made = dedupe.compare_pairs(cities, pairs, fields={("lat", "lon"): ["exact", ("km", 2), ("km", 600)]})
    assert made["lat, lon"].tolist() == [2, 1, -1]


def test_pairs_of_unknown_records_or_of_one_with_itself_are_refused():
    for pairs, words in (({"left": ["a"], "right": ["z"]}, "'right': 1 ids"), ({"left": ["a"], "right": ["a"]}, "itself")):
        with pytest.raises(DataError, match=words):
            dedupe.compare_pairs(NAMES, pd.DataFrame(pairs), fields={"name": "name"})


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_steps_composed_are_the_one_call(found):
    model = dedupe.fit_fellegi_sunter(RECORDS, fields=FIELDS)
    assert model.to_dict() == found.model.to_dict()
    blocking = [tuple(parts) for parts in model.rules.values()]
    pairs = dedupe.candidate_pairs(RECORDS, blocking=blocking, fields=FIELDS)
    scored = dedupe.score_pairs(model, RECORDS, pairs)
    assert len(pairs) == found.report["pairs"] > found.report["comparisons"]
    assert scored["probability"].sum() == pytest.approx(found.report["estimated_matches"])
    clusters = dedupe.cluster_pairs(scored, RECORDS).clusters
    assert dedupe.evaluate_clusters(clusters, found.clusters).exact.value == 1.0


@pytest.mark.parametrize("calibrated", [False, True])
def test_the_reasons_sum_to_the_weight(found, calibrated):
    model = found.model
    if calibrated:
        model = dedupe.fit_fellegi_sunter(RECORDS, fields=FIELDS, labels=judged(found))
        assert model.calibration != (0.0, 1.0)
    scored = dedupe.score_pairs(model, RECORDS, found.pairs)
    for _, pair in pd.concat([scored.head(4), scored.tail(4)]).iterrows():
        why = dedupe.explain_pair(model, RECORDS, pair["left"], pair["right"])
        assert why["bits"].sum() == pytest.approx(pair["match_weight"], abs=1e-9)
        assert why["total"].iloc[-1] == pytest.approx(pair["match_weight"], abs=1e-9)
        assert why["term"].tolist()[: 1 + len(FIELDS)] == ["prior", *FIELDS]
    other = dedupe.explain_pair(model, RECORDS, RECORDS.index[0], RECORDS.index[1])
    assert np.isfinite(other["bits"]).all()


def judged(found, n=200):
    pairs = dedupe.uncertain_pairs(found.pairs, n=n)
    truth = CONTACTS.truth
    return pairs.assign(match=(truth[pairs["left"]].to_numpy() == truth[pairs["right"]].to_numpy()).astype(int))


def test_labels_pull_the_probabilities_to_what_they_say(found):
    labels = judged(found, 100)
    kept = labels[labels["match"] == 0]
    hostile = pd.concat([kept, labels[labels["match"] == 1].head(12)])
    model = dedupe.fit_fellegi_sunter(RECORDS, fields=FIELDS, labels=hostile)
    before = found.pairs.set_index(["left", "right"])["probability"]
    after = dedupe.score_pairs(model, RECORDS, kept)["probability"]
    assert after.mean() < before.loc[list(zip(kept["left"], kept["right"], strict=True))].mean()
    with pytest.raises(DataError, match="pairs are there again"):
        dedupe.fit_fellegi_sunter(RECORDS, fields=FIELDS, labels=pd.concat([labels, labels.head(2)]))
    with pytest.raises(DataError, match="'match'"):
        dedupe.fit_fellegi_sunter(RECORDS, fields=FIELDS, labels=labels.assign(match=2))


def test_rare_values_weigh_more_within_floor_and_cap(found):
    assert found.model.term_frequency == ("first_name", "last_name", "city")
    capped = dedupe.fit_fellegi_sunter(RECORDS, fields=FIELDS, term_frequency=["last_name"], term_frequency_cap=1.5)
    rarity = []
    for _, pair in found.pairs.head(15).iterrows():
        why = dedupe.explain_pair(capped, RECORDS, pair["left"], pair["right"]).set_index("term")
        if "rarity of last_name" in why.index:
            rarity.append((why.loc["rarity of last_name", "bits"], RECORDS.loc[pair["left"], "last_name"].lower()))
    counts = RECORDS["last_name"].str.lower().value_counts()
    assert max(bits for bits, _ in rarity) <= 1.5 + 1e-9
    assert {bits > 0 for bits, name in rarity if counts[name] <= 2} <= {True}
    none = dedupe.fit_fellegi_sunter(RECORDS, fields=FIELDS, term_frequency=[])
    assert none.term_frequency == ()
    with pytest.raises(OptionError, match="term_frequency="):
        dedupe.fit_fellegi_sunter(RECORDS, fields=FIELDS, term_frequency=["name"])


def test_uncertain_pairs_are_those_near_the_threshold(found):
    pairs = dedupe.uncertain_pairs(found.pairs, n=5, threshold=0.5)
    far = found.pairs[~found.pairs.index.isin(pairs.index)]
    assert pairs["match_weight"].abs().max() <= far["match_weight"].abs().min()


def test_a_gap_never_scores_above_agreement(found):
    """Blank one field after another in records that agree, with rarity and all classes in force."""
    pairs = found.pairs.head(3)
    columns = list(FIELDS)
    for _, pair in pairs.iterrows():
        equal = RECORDS.copy()
        equal.loc[pair["left"], columns] = equal.loc[pair["right"], columns]
        both = pd.DataFrame({"left": [pair["left"]], "right": [pair["right"]]})
        agreed = dedupe.score_pairs(found.model, equal, both)["match_weight"].iloc[0]
        for column in columns:
            gap = equal.copy()
            gap.loc[pair["left"], column] = None
            assert dedupe.score_pairs(found.model, gap, both)["match_weight"].iloc[0] <= agreed + 1e-6, column


# ── clusters ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

CHAIN = pd.DataFrame({"left": [0, 1, 2, 3, 0], "right": [1, 2, 3, 4, 2], "probability": [0.99, 0.98, 0.96, 0.999, 0.3]})


@pytest.mark.parametrize(
    ("method", "expected"),
    [("connected", "00000"), ("best_link", "00011"), ("complete", "00122"), ("average", "00011")],
)
def test_a_chain_is_cut_as_the_method_says(method, expected):
    clusters = dedupe.cluster_pairs(CHAIN, method=method).clusters
    assert "".join(map(str, clusters)) in (expected, "00011" if method == "complete" else expected)


def slow_clusters(n, pairs, threshold, method, apart):
    known = {frozenset((a, b)): p for a, b, p in pairs}
    clusters = {i: {i} for i in range(n)}
    for a, b, p in sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1])):
        if p < threshold or clusters[a] is clusters[b]:
            continue
        between = [frozenset((i, j)) for i in clusters[a] for j in clusters[b]]
        values = [known.get(pair, 0.0) for pair in between]
        good = {"connected": True, "complete": min(values) >= threshold, "average": np.mean(values) >= 0.5 - 1e-12}[method]
        if good and not any(pair in apart for pair in between):
            merged = clusters[a] | clusters[b]
            clusters.update(dict.fromkeys(merged, merged))
    return {frozenset(cluster) for cluster in clusters.values()}


@pytest.mark.parametrize("method", ["connected", "complete", "average"])
@pytest.mark.parametrize("veto", [False, True])
def test_links_are_followed_as_defined(method, veto):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        n = 9
        every = np.array(list(itertools.combinations(range(n), 2)))
        some = every[rng.random(len(every)) < 0.4]
        p = rng.choice([0.2, 0.6, 0.95, 0.97, 0.99], len(some))
        records = pd.DataFrame({"a": rng.choice(["p", "q", ""], n), "b": rng.choice(["u", "v"], n)})
        apart = {
            frozenset((i, j))
            for i, j in every.tolist()
            if veto and records["a"][i] != records["a"][j] and records["b"][i] != records["b"][j] and records["a"][[i, j]].all()
        }
        pairs = pd.DataFrame({"left": some[:, 0], "right": some[:, 1], "probability": p})
        options = {"veto": [("a", "b")]} if veto else {}
        clusters = dedupe.cluster_pairs(pairs, records, method=method, **options).clusters
        expected = slow_clusters(n, list(zip(*some.T.tolist(), p.tolist(), strict=True)), 0.95, method, apart)
        assert {frozenset(rows) for rows in clusters.groupby(clusters).groups.values()} == expected


def test_giants_are_told_never_cut():
    n = 150
    chain = pd.DataFrame({"left": range(n - 1), "right": range(1, n), "probability": 0.96})
    with pytest.warns(DataWarning, match="largest cluster holds 150 records"):
        found = dedupe.cluster_pairs(chain)
    assert (found.clusters == 0).all()
    top = found.sizes.iloc[0]
    assert (top["size"], top["links"]) == (n, n - 1)
    assert top["density"] == pytest.approx(2 / n)
    assert top["weakest"] == 0.96
    assert "150" in repr(found)


def test_father_and_son_are_kept_apart_by_a_veto():
    rows = [("John Hill", "12 Oak Lane", "0301234567", born) for born in ("1950-01-01", "1980-05-05", "1950-01-01")]
    family = pd.DataFrame(rows, columns=["name", "street", "phone", "born"])
    pairs = pd.DataFrame({"left": [0, 0, 1], "right": [1, 2, 2], "probability": [0.97, 0.99, 0.98]})
    assert dedupe.cluster_pairs(pairs, family).clusters.tolist() == [0, 0, 0]
    assert dedupe.cluster_pairs(pairs, family, veto=["born"]).clusters.tolist() == [0, 1, 0]


# ── the people of simulated records ──────────────────────────────────────────────────────────────────────────────────────


def test_households_are_told_from_people(found):
    quality = dedupe.evaluate_clusters(found.clusters, CONTACTS.truth)
    assert quality.precision.value > 0.97  # seen: 0.99
    assert quality.recall.value > 0.9  # seen: 0.95
    assert found.model.related["date_of_birth"][-1] < 0.01 < 0.5 < found.model.related["street"][-1]
    homes = dedupe.deduplicate(RECORDS, FIELDS, household=["last_name", "street", "postcode"]).households
    together = dedupe.evaluate_clusters(homes, CONTACTS.households)
    assert together.precision.value > 0.9
    assert homes.nunique() < found.clusters.nunique()
    people = pd.Series(homes.to_numpy()).groupby(found.clusters.to_numpy()).nunique()
    assert people.max() <= 1  # nobody lives in two


def test_a_result_tells_how_good_it_is(found):
    truth = CONTACTS.truth
    every = dedupe.evaluate_clusters(
        found.clusters,
        truth,
        pairs=dedupe.candidate_pairs(RECORDS, blocking=list(found.model.rules.values()), fields=FIELDS),
    )
    right = truth[found.pairs["left"]].to_numpy() == truth[found.pairs["right"]].to_numpy()
    linked = (found.pairs["probability"] >= 0.95).to_numpy()
    assert found.quality.precision.value == pytest.approx(right[linked].mean(), abs=0.05)
    assert found.quality.recall.value == pytest.approx(right[linked].sum() / right.sum(), abs=0.05)
    assert found.quality.blocking_recall.value == pytest.approx(every.blocking_recall.value, abs=0.05)
    for name in ("precision", "recall", "blocking_recall"):
        estimate = getattr(found.quality, name)
        assert 0 <= estimate.ci_low <= estimate.value <= estimate.ci_high <= 1
    assert found.quality.diagnosis == ""
    assert "precision" in repr(found)
    undated = dedupe.deduplicate(RECORDS, {name: kind for name, kind in FIELDS.items() if kind != "date"})
    assert "cannot be told for certain: no field is a date of birth" in undated.quality.diagnosis


def test_a_threshold_may_follow_from_a_target(found):
    strict = dedupe.deduplicate(RECORDS, FIELDS, target_precision=0.999)
    loose = dedupe.deduplicate(RECORDS, FIELDS, target_precision=0.9)
    assert strict.quality.precision.value >= 0.999
    assert 0.9 <= loose.quality.precision.value < strict.quality.precision.value
    assert loose.report["threshold"] < found.report["threshold"]
    assert loose.quality.recall.value > strict.quality.recall.value


def test_no_matches_at_all_are_no_matches():
    rng = np.random.default_rng(0)
    strangers = pd.DataFrame(
        {
            "name": [f"{a}{b}" for a, b in itertools.product("abcdefghij", "klmnopqrst")],
            "born": (np.datetime64("1940-01-01") + rng.integers(0, 20_000, 100)).astype(str),
            "city": rng.choice(["Bonn", "Oslo"], 100),
        }
    )
    found = dedupe.deduplicate(strangers, {"name": "name", "born": "date", "city": "text"})
    assert found.clusters.nunique() == 100
    assert "too few" in found.quality.diagnosis


@compiled
@pytest.mark.parametrize("make", [lambda frame: frame, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "pyarrow"])
def test_links_between_two_tables(make):
    plain = RECORDS.reset_index().drop(columns="updated")
    left, right = plain.iloc[:400], plain.iloc[400:]
    found = dedupe.link(make(left), make(right), fields=FIELDS, id="record_id")
    links = found.links if isinstance(found.links, pd.DataFrame) else found.links.to_pandas()
    assert set(links["left"]) <= set(left["record_id"])
    assert set(links["right"]) <= set(right["record_id"])
    truth = CONTACTS.truth
    right_ones = truth[links["left"]].to_numpy() == truth[links["right"]].to_numpy()
    assert right_ones.mean() > 0.95
    possible = truth[:400].rename("p").reset_index().merge(truth[400:].rename("p").reset_index(), on="p")
    assert right_ones.sum() / len(possible) > 0.8
    assert found.report["links"] == len(links)
    assert "Linkage" in repr(found)


@compiled
def test_one_to_one_takes_every_record_once():
    first, second = RECORDS.iloc[:400], RECORDS.iloc[400:]
    free = dedupe.link(first, second, fields=FIELDS)
    found = dedupe.link(first, second, fields=FIELDS, one_to_one=True)
    assert not free.links["left"].is_unique or not free.links["right"].is_unique
    assert found.links["left"].is_unique
    assert found.links["right"].is_unique
    assert sets(found.links) <= sets(free.links)
    twins = pd.concat([second, second.set_axis([f"{name}x" for name in second.index])])
    dropped = dedupe.link(first, twins, fields=FIELDS, one_to_one=True, ties="drop")
    kept = dedupe.link(first, twins, fields=FIELDS, one_to_one=True)
    assert len(dropped.links) < len(kept.links)
    inside = dedupe.link(first, second, fields=FIELDS, within=["left"])
    assert inside.report["possible_pairs"] == 400 * 500 + 400 * 399 // 2


@compiled
def test_new_records_get_the_ids_of_their_people():
    old, new = RECORDS.iloc[:700], RECORDS.iloc[700:]
    before = dedupe.deduplicate(old, FIELDS)
    given = dedupe.assign_ids(new, old, before.clusters, model=before.model)
    assert (
        given.known[~before.clusters.isin(given.merges["merged"])]
        == before.clusters[~before.clusters.isin(given.merges["merged"])]
    ).all()
    assert (given.merges["cluster"] < given.merges["merged"]).all()
    assert given.report["merges"] == len(given.merges)
    everyone = pd.concat([given.known, given.clusters])
    quality = dedupe.evaluate_clusters(everyone, CONTACTS.truth.loc[everyone.index])
    assert quality.f1.value > 0.9
    one = dedupe.assign_ids(new.iloc[[3]], old, before.clusters.sample(frac=1, random_state=1), model=before.model)
    assert one.clusters.iloc[0] == given.clusters.iloc[3] or one.clusters.iloc[0] == before.clusters.max() + 1
    learned = dedupe.assign_ids(new, old, before.clusters, fields=FIELDS)
    assert learned.report["new_records"] == 200
    with pytest.raises(OptionError, match="pass fields="):
        dedupe.assign_ids(new, old, before.clusters)
    with pytest.raises(DataError, match="records have none"):
        dedupe.assign_ids(new, old, before.clusters.iloc[:-1], model=before.model)


@compiled
def test_a_number_is_never_given_to_two_people_day_after_day(found):
    days = [RECORDS.iloc[:600], *(RECORDS.iloc[start : start + 60] for start in range(600, 900, 60))]
    clusters = dedupe.deduplicate(days[0], FIELDS).clusters
    known, following, given = days[0], None, set(clusters)
    for day in days[1:]:
        today = dedupe.assign_ids(day, known, clusters, model=found.model, next_id=following)
        new = set(today.clusters) - set(clusters)
        assert not new & given  # not even that of somebody who was merged away
        given |= new
        assert min(new, default=10**9) >= (following or 0)
        known, clusters, following = pd.concat([known, day]), pd.concat([today.known, today.clusters]), today.report["next_id"]
    together = dedupe.evaluate_clusters(clusters, CONTACTS.truth, replicates=20)
    assert together.f1.value > 0.93
    with pytest.raises(OptionError, match="next_id="):
        dedupe.assign_ids(RECORDS.iloc[:0], known, clusters, model=found.model, next_id=3)


@compiled
def test_the_number_of_a_person_merged_away_stays_free():
    old = RECORDS.iloc[:40]
    model = dedupe.fit_fellegi_sunter(RECORDS, fields=FIELDS)
    people = np.arange(40)
    twin = old.iloc[[39]].set_axis(["twin"])
    before = dedupe.assign_ids(twin, pd.concat([old, old.iloc[[39]].set_axis(["again"])]), [*people, 40], model=model)
    assert before.merges.to_dict("list") == {"cluster": [39], "merged": [40]}
    assert before.report["next_id"] == 41
    stranger = RECORDS.iloc[[100]]
    known = pd.concat([old, twin])
    after = dedupe.assign_ids(stranger, known, [*people, 39], model=model, next_id=before.report["next_id"])
    assert after.clusters.iloc[0] in (41, *people)


@compiled
def test_a_new_record_between_two_people_makes_them_one():
    old = pd.DataFrame(
        {
            "name": ["Ann Leonard", "Annabel Leonard", "Bob Ray"],
            "mail": ["ann@x.org", "abl@y.org", "bob@z.org"],
            "phone": ["0301112222", "0401112222", "050"],
        }
    )
    model = dedupe.fit_fellegi_sunter(RECORDS, fields={"first_name": "name", "email": "email", "phone": "phone"})
    renamed = old.rename(columns={"name": "first_name", "mail": "email"})
    new = pd.DataFrame({"first_name": ["Ann Leonard"], "email": ["ann@x.org"], "phone": ["0401112222"]}, index=[9])
    extra = pd.concat([renamed, RECORDS[["first_name", "email", "phone"]].iloc[:50].set_axis(range(100, 150))])
    given = dedupe.assign_ids(new, extra, np.arange(len(extra)) + 10, model=model, threshold=0.0001)
    assert given.clusters.iloc[0] == 10
    assert given.merges.to_dict("list") == {"cluster": [10], "merged": [11]}
    assert given.known.iloc[:3].tolist() == [10, 10, 12]


# ── golden records ───────────────────────────────────────────────────────────────────────────────────────────────────────

PEOPLE = pd.DataFrame(
    {
        "name": ["Ann Lee", "Ann Lee", "Anne Lee-Ray", "Bob"],
        "street": ["1 High St", None, "2 Low Rd", "n/a"],
        "city": ["Bonn", "Oslo", "Rome", None],
        "seen": pd.to_datetime(["2024-01-01", "2024-03-01", "2024-02-01", "2024-01-01"]),
        "system": ["shop", "crm", "crm", "shop"],
    },
    index=list("wxyz"),
)
CLUSTERS = pd.Series([5, 5, 5, 8], index=list("wxyz"))


@pytest.mark.parametrize(
    ("rule", "name", "city"),
    [
        ("most_frequent", "Ann Lee", "Oslo"),
        ("most_recent", "Ann Lee", "Oslo"),
        ("longest", "Anne Lee-Ray", "Oslo"),
        ("source", "Ann Lee", "Oslo"),
    ],
)
def test_the_value_that_survives(rule, name, city):
    golden = dedupe.golden_records(PEOPLE, CLUSTERS, default=rule, updated="seen", source="system", priority=["crm", "shop"])
    assert golden.records.index.tolist() == [5, 8]
    assert golden.records.loc[5, ["name", "city"]].tolist() == [name, city]
    assert golden.records.loc[8, "name"] == "Bob"
    taken = golden.provenance.loc[5, "city"]
    assert PEOPLE.loc[taken, "city"] == city
    assert golden.report["disagreements"]["city"] == 1


def test_a_group_comes_from_one_record():
    golden = dedupe.golden_records(PEOPLE, CLUSTERS, groups=[("street", "city")], updated="seen")
    assert golden.records.loc[5, ["street", "city"]].tolist() == ["2 Low Rd", "Rome"]  # the newer of those that have both
    assert golden.provenance.loc[5, "street"] == golden.provenance.loc[5, "city"] == "y"


def test_golden_records_of_golden_records_are_themselves(found):
    golden = dedupe.golden_records(RECORDS, found.clusters, updated="updated", groups=[("street", "postcode", "city")])
    again = dedupe.golden_records(
        golden.records, golden.records.index.to_numpy(), updated="updated", groups=[("street", "postcode", "city")]
    )
    pd.testing.assert_frame_equal(again.records, golden.records)
    shuffled = RECORDS.sample(frac=1, random_state=2)
    pd.testing.assert_frame_equal(
        dedupe.golden_records(shuffled, found.clusters, updated="updated", groups=[("street", "postcode", "city")]).records,
        golden.records,
    )


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "pyarrow"])
def test_golden_records_of_other_frames(make):
    frame = PEOPLE.reset_index(names="id").drop(columns="seen")
    golden = dedupe.golden_records(make(frame), [5, 5, 5, 8], id="id")
    assert isinstance(golden.records, type(make(frame)))
    assert golden.records.to_pandas()["name"].tolist() == ["Ann Lee", "Bob"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"default": "newest"}, "default='newest'"),
        ({"rules": {"city": "best"}}, "rules"),
        ({"default": "most_recent"}, "needs updated="),
        ({"default": "source"}, "needs source="),
        ({"groups": ["street"]}, "list of tuples"),
        ({"groups": [("street", "city"), ("city",)]}, "two groups"),
    ],
)
def test_rules_of_survival_are_checked(options, words):
    with pytest.raises(OptionError, match=words):
        dedupe.golden_records(PEOPLE, CLUSTERS, **options)


# ── against the truth ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_measures_by_their_definitions():
    rng = np.random.default_rng(2)
    truth, clusters = rng.integers(0, 12, 40), rng.integers(0, 15, 40)
    pairs = list(itertools.combinations(range(40), 2))
    same, joined = ([values[i] == values[j] for i, j in pairs] for values in (truth, clusters))
    both = sum(a and b for a, b in zip(same, joined, strict=True))
    of = [(set(np.flatnonzero(truth == truth[i])), set(np.flatnonzero(clusters == clusters[i]))) for i in range(40)]
    found = dedupe.evaluate_clusters(clusters, truth, replicates=50)
    assert found.precision.value == pytest.approx(both / sum(joined))
    assert found.recall.value == pytest.approx(both / sum(same))
    assert found.bcubed_precision.value == pytest.approx(np.mean([len(t & c) / len(c) for t, c in of]))
    assert found.bcubed_recall.value == pytest.approx(np.mean([len(t & c) / len(t) for t, c in of]))
    assert found.exact.value == pytest.approx(
        np.mean([set(np.flatnonzero(truth == p)) in [c for _, c in of] for p in set(truth)])
    )
    met = pd.DataFrame([pair for pair in pairs if pair[0] % 3], columns=["left", "right"])
    blocked = dedupe.evaluate_clusters(clusters, truth, pairs=met, replicates=50)
    assert blocked.blocking_recall.value == pytest.approx(
        sum(s for s, (i, _) in zip(same, pairs, strict=True) if i % 3) / sum(same)
    )
    assert blocked.reduction == pytest.approx(1 - len(met) / len(pairs))


def test_samples_of_people_are_drawn_a_few_at_a_time(monkeypatch):
    rng = np.random.default_rng(4)
    truth, clusters = rng.integers(0, 60, 150), rng.integers(0, 70, 150)
    pairs = pd.DataFrame({"left": range(140), "right": range(1, 141)})
    at_once = dedupe.evaluate_clusters(clusters, truth, pairs=pairs)
    monkeypatch.setattr("crmkit.dedupe._evaluate.AT_ONCE", 200)
    a_few = dedupe.evaluate_clusters(clusters, truth, pairs=pairs)
    for name in ("precision", "recall", "bcubed_f1", "exact", "blocking_recall"):
        one, other = getattr(at_once, name), getattr(a_few, name)
        assert (one.value, one.ci_low, one.ci_high) == pytest.approx((other.value, other.ci_low, other.ci_high), rel=1e-9)


def test_clusters_and_truth_are_aligned_by_id(found):
    shuffled = CONTACTS.truth.sample(frac=1, random_state=3)
    one, two = (dedupe.evaluate_clusters(found.clusters, truth, replicates=20) for truth in (CONTACTS.truth, shuffled))
    assert one.f1.value == two.f1.value
    with pytest.raises(DataError, match="not of the same records"):
        dedupe.evaluate_clusters(found.clusters, CONTACTS.truth.set_axis(range(900)))
    with pytest.raises(DataError, match="rows"):
        dedupe.evaluate_clusters([1, 2], [1])
    perfect = dedupe.evaluate_clusters([0, 1, 2], list("abc"))
    assert (perfect.precision.value, perfect.recall.value, perfect.exact.value) == (1.0, 1.0, 1.0)


# ── silence ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_result_and_no_error_shows_a_personal_value(found):
    values = {str(v) for c in FIELDS for v in RECORDS[c].dropna() if len(str(v)) > 3 and not str(v)[-1].isdigit()} | set(
        RECORDS.index
    )
    old, new = RECORDS.iloc[:700], RECORDS.iloc[700:]
    golden = dedupe.golden_records(RECORDS, found.clusters)
    results = [
        found,
        found.quality,
        golden,
        dedupe.cluster_pairs(found.pairs),
        dedupe.link(old, new, fields=FIELDS),
        dedupe.assign_ids(new, old, np.arange(700), model=found.model),
        dedupe.evaluate_clusters(found.clusters, CONTACTS.truth, replicates=20),
        CONTACTS,
    ]
    shown = [repr(result) for result in results] + [str(found.model.to_dict())]
    why = dedupe.explain_pair(found.model, RECORDS, *found.pairs.iloc[0][["left", "right"]])
    shown.append(str(why.to_dict()))
    wrong = [
        lambda: dedupe.candidate_pairs(RECORDS, blocking=["city"], max_pairs=10),
        lambda: dedupe.candidate_pairs(RECORDS, blocking=["city"], max_block=3),
        lambda: dedupe.cluster_pairs(found.pairs, RECORDS.iloc[:10]),
        lambda: dedupe.deduplicate(pd.concat([RECORDS, RECORDS]), FIELDS),
        lambda: dedupe.assign_ids(new, old, ["x"] * 700, model=found.model),
        lambda: dedupe.golden_records(RECORDS, found.clusters.iloc[:5]),
        lambda: dedupe.score_pairs(found.model, RECORDS.iloc[:5], found.pairs),
    ]
    for call in wrong:
        with pytest.raises(CrmkitError) as caught:
            call()
        shown.append(str(caught.value))
    assert not [value for value in values for text in shown if re.search(rf"\b{re.escape(value)}\b", text)]
