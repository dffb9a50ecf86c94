"""Where record linkage fails in practice, case by case: which tests show that it does not fail here, and those of the rest."""

from __future__ import annotations

import ast
import multiprocessing
import os
import subprocess
import sys
import threading
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmkit import datasets, dedupe
from crmkit.errors import LimitError

compiled = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="mixtures take minutes without compiled kernels")

# what goes wrong elsewhere -> the tests that show it does not here
CASES = {
    "1 one value in most rows makes a block that never ends": [
        "steps.test_one_value_in_most_rows_is_refused_before_pairs_are_made",
        "deduplicate.test_too_many_pairs_are_refused_before_they_are_made",
        "deduplicate.test_a_value_most_rows_share_does_not_flood_the_default_rules",
    ],
    "2 memory runs out": [
        "cases.test_memory_is_what_the_pairs_need",
        "cases.test_what_would_need_too_much_is_refused_before_it_is_taken",
        "linkage.test_pieces_join_to_the_whole",
    ],
    "3 chains of links make giants": [
        "steps.test_giants_are_told_never_cut",
        "steps.test_a_chain_is_cut_as_the_method_says",
        "steps.test_links_are_followed_as_defined",
    ],
    "4 a fit that was cut short calls itself converged": ["linkage.test_a_fit_cut_short_says_so"],
    "5 a probability sticks at zero or is never learned": ["cases.test_no_probability_is_zero_whatever_was_seen"],
    "6 a constant or empty column, or no match at all, breaks the fit": [
        "deduplicate.test_a_constant_column_is_no_evidence",
        "deduplicate.test_missing_values_are_neutral_whatever_they_look_like",
        "steps.test_no_matches_at_all_are_no_matches",
        "deduplicate.test_strangers_stay_strangers",
        "cases.test_columns_without_information_alone_are_no_evidence",
    ],
    "7 what is missing counts for or against": [
        "deduplicate.test_a_gap_never_scores_above_agreement",
        "steps.test_a_gap_never_scores_above_agreement",
        "linkage.test_weight_is_the_sum_of_the_evidence_and_missing_is_silent",
        "deduplicate.test_equal_records_without_any_value_are_not_one_person",
    ],
    "8 the same call gives another answer": [
        "deduplicate.test_the_order_of_the_rows_does_not_matter",
        "deduplicate.test_the_number_of_threads_does_not_matter",
        "deduplicate.test_random_pairs_follow_the_content",
        "copies.test_order_and_threads_do_not_matter_among_copies",
    ],
    "9 ties are broken by chance": [
        "steps.test_one_to_one_takes_every_record_once",
        "cases.test_equally_good_partners_are_chosen_alike_in_any_order",
    ],
    "10 new records do not find their people": [
        "steps.test_new_records_get_the_ids_of_their_people",
        "steps.test_a_new_record_between_two_people_makes_them_one",
    ],
    "11 rare values weigh absurdly much": ["steps.test_rare_values_weigh_more_within_floor_and_cap"],
    "12 fields that depend on each other make sure of what is not": [
        "deduplicate.test_people_of_one_name_with_alike_emails_are_not_one_person",
        "linkage.test_people_who_live_together_and_people_who_moved_are_told_apart",
        "steps.test_a_result_tells_how_good_it_is",
    ],
    "13 nobody knows what was trained by what": [
        "cases.test_one_call_trains_everything_and_says_by_what",
        "linkage.test_a_rule_teaches_nothing_about_its_own_columns",
    ],
    "14 labelling asks at a console": [
        "steps.test_uncertain_pairs_are_those_near_the_threshold",
        "steps.test_labels_pull_the_probabilities_to_what_they_say",
    ],
    "15 processes hang": ["cases.test_no_process_is_started_and_calls_may_overlap"],
    "16 it never ends": [
        "cases.test_work_grows_with_the_records",
        "deduplicate.test_a_value_most_rows_share_does_not_flood_the_default_rules",
    ],
    "17 a string library changes or vanishes": [
        "strings.test_published_pairs",
        "strings.test_edge_cases",
        "normal.test_published_codes",
        "cases.test_no_string_library_is_needed",
    ],
    "18 merged records mix people's fields": [
        "steps.test_the_value_that_survives",
        "steps.test_a_group_comes_from_one_record",
        "steps.test_golden_records_of_golden_records_are_themselves",
    ],
    "19 link types are too coarse": [
        "steps.test_one_to_one_takes_every_record_once",
        "steps.test_pairs_of_two_tables_are_of_one_record_each",
        "cases.test_possible_pairs_are_counted_as_the_tables_are_compared",
    ],
    "20 copies are compared again and again, and what is certain is weighed": [
        "copies.test_nothing_but_the_work_depends_on_comparing_copies_once",
        "copies.test_a_record_exported_a_thousand_times_teaches_nothing_about_others",
        "copies.test_records_of_one_number_are_one_person_compared_or_not",
        "copies.test_what_is_certain_is_told_beside_what_is_probable",
    ],
    "21 the waterfall and the table disagree": [
        "steps.test_the_reasons_sum_to_the_weight",
        "steps.test_steps_composed_are_the_one_call",
    ],
    "22 forms of Unicode are different people": [
        "deduplicate.test_case_blanks_and_forms_of_characters_do_not_matter",
        "normal.test_composed_and_decomposed_letters_are_one",
        "normal.test_names",
    ],
    "23 a cut-off loses what reaches it": ["strings.test_a_cut_never_loses_what_reaches_it"],
    "24 a household becomes one person": [
        "steps.test_father_and_son_are_kept_apart_by_a_veto",
        "steps.test_households_are_told_from_people",
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_its_tests(case):
    for name in CASES[case]:
        file, test = name.split(".")
        tree = ast.parse((Path(__file__).parent / f"test_dedupe_{file}.py").read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


def test_the_cases_are_counted():
    assert [int(case.split()[0]) for case in CASES] == list(range(1, 25))


def strangers(n, cities, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "name": [f"n{k}" for k in rng.integers(0, n, n)],
            "born": (np.datetime64("1940-01-01") + rng.integers(0, 20_000, n)).astype(str),
            "city": [f"c{k}" for k in rng.integers(0, cities, n)],
            "mail": [f"m{k}@x.org" for k in rng.integers(0, n, n)],
        }
    )


KINDS = {"name": "name", "born": "date", "city": "category", "mail": "email"}


@compiled
@pytest.mark.parametrize("copies", [False, True])
def test_memory_is_what_the_pairs_need(copies):
    """Fifty bytes for a pair, besides what pieces of work take whatever their number."""
    made = []
    for n, cities in ((500, 3), (2000, 3), (3000, 3)):
        records = strangers(n, cities)
        records = pd.concat([records, records.head(n // 4)], ignore_index=True) if copies else records
        tracemalloc.start()
        found = dedupe.deduplicate(records, KINDS, ["city"], min_probability=0.5, n_threads=2)
        made.append((found.report["comparisons"], tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    _, few, many = made
    assert many[0] > few[0] + 500_000
    assert many[1] - few[1] < 52 * (many[0] - few[0])
    assert many[1] < 200e6 + 52 * many[0]


@compiled
@pytest.mark.parametrize(
    "call",
    [
        lambda many, few: dedupe.deduplicate(many, KINDS, ["city"]),
        lambda many, few: dedupe.fit_fellegi_sunter(many, fields=KINDS, blocking=["city"]),
        lambda many, few: dedupe.candidate_pairs(many, blocking=["city"]),
        lambda many, few: dedupe.candidate_pairs(many, blocking=["neighbours(name, 900)"], max_pairs=10**6),
        lambda many, few: dedupe.candidate_pairs(many, blocking=["minhash(city, 2)"]),
        lambda many, few: dedupe.link(many, many, fields=KINDS, blocking=["city"]),
        lambda many, few: dedupe.assign_ids(many, few, np.arange(len(few)), fields=KINDS, blocking=["city"]),
    ],
    ids=["deduplicate", "fit", "pairs", "neighbours", "minhash", "link", "assign"],
)
def test_what_would_need_too_much_is_refused_before_it_is_taken(call):
    many, few = strangers(20_000, 1), strangers(50, 1, seed=9)
    with warnings.catch_warnings():  # what is compiled is not what is measured
        warnings.simplefilter("ignore")
        call(few, few.set_axis(range(100, 150)))
    tracemalloc.start()
    with pytest.raises(LimitError, match="max_pairs"):
        call(many, few)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the pairs would take gigabytes
    assert peak < 100e6


def test_no_probability_is_zero_whatever_was_seen():
    """E-mails never equal by chance, a category never different: both have levels that no pair shows."""
    records = strangers(60, 4).assign(mail=[f"only{k}@x.org" for k in range(60)], kind="person")
    model = dedupe.fit_fellegi_sunter(records, fields={**KINDS, "kind": "category"}, blocking=["city", "name"])
    tables = [model.m, model.u, *model.rule_u.values()]
    for table in tables:
        for shares in table.values():
            assert min(shares) > 0
            assert sum(shares) == pytest.approx(1.0)
    assert np.isfinite(model.match_weight([[len(model.levels[field]) for field in model.m], [0] * len(model.m)])).all()


def test_columns_without_information_alone_are_no_evidence():
    empty = pd.DataFrame({"a": [None] * 8, "b": [""] * 8, "c": ["same"] * 8})
    found = dedupe.deduplicate(empty, {"a": "name", "b": "email", "c": "text"})
    assert found.clusters.nunique() == 8
    assert len(found.pairs) == 0


@compiled
def test_equally_good_partners_are_chosen_alike_in_any_order():
    contacts = datasets.make_records(n_records=400, rng=3)
    records = contacts.records.drop(columns="updated")
    left, right = records.iloc[:200], records.iloc[200:]
    twins = pd.concat([right, right.set_axis([f"{name} again" for name in right.index])])
    for ties in ("first", "drop"):
        one = dedupe.link(left, twins, fields=contacts.fields, one_to_one=True, ties=ties)
        mixed = left.sample(frac=1, random_state=1), twins.sample(frac=1, random_state=2)
        two = dedupe.link(*mixed, fields=contacts.fields, one_to_one=True, ties=ties)
        assert one.links.equals(two.links)
        assert len(one.links) > 0 or ties == "drop"


def test_one_call_trains_everything_and_says_by_what():
    records = strangers(120, 5)
    model = dedupe.fit_fellegi_sunter(records, fields=KINDS, blocking=["city", ("name", "born"), "mail"])
    assert list(model.m) == list(model.u) == list(KINDS)
    assert set(model.rule_prior) == set(model.rules)
    for rule, columns in model.rules.items():
        # a rule teaches u of every field outside it, of none inside
        assert set(model.rule_u[rule]) == set(KINDS) - set(columns)
    assert {"converged", "iterations", "change", "lack_of_fit"} <= set(model.to_dict())


def test_no_process_is_started_and_calls_may_overlap(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a process was started")

    for place, name in ((subprocess, "Popen"), (os, "fork"), (multiprocessing.Process, "start")):
        monkeypatch.setattr(place, name, refuse)
    records = strangers(90, 6)
    expected = dedupe.deduplicate(records, KINDS, ["city", "name"], n_threads=2)
    answers = []
    calls = [
        threading.Thread(target=lambda: answers.append(dedupe.deduplicate(records, KINDS, ["city", "name"], n_threads=2)))
        for _ in range(3)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert [answer.clusters.equals(expected.clusters) for answer in answers] == [True] * 3
    assert [answer.model.to_dict() == expected.model.to_dict() for answer in answers] == [True] * 3


@compiled
def test_work_grows_with_the_records():
    """Without a word about rules, the pairs compared are a bounded number per record, at any size."""
    per_record = []
    for n in (1000, 4000, 16_000):
        contacts = datasets.make_records(n_records=n, rng=1)
        found = dedupe.deduplicate(contacts.records, contacts.fields)
        per_record.append(found.report["comparisons"] / n)
    assert max(per_record) <= 20


def test_no_string_library_is_needed():
    code = (
        "import sys\n"
        "for name in ('jellyfish', 'rapidfuzz', 'Levenshtein', 'recordlinkage'):\n"
        "    sys.modules[name] = None\n"
        "from crmkit import dedupe\n"
        "print(dedupe.soundex(['Smith'])[0], float(dedupe.jaro_winkler(['martha'], ['marhta'])[0]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "S530"
    assert float(done.stdout.split()[1]) == pytest.approx(0.961, abs=5e-4)


def test_possible_pairs_are_counted_as_the_tables_are_compared():
    left, right = strangers(30, 3, seed=1), strangers(20, 3, seed=2)
    for within, inside in (((), 0), (("left",), 30 * 29 // 2), (("left", "right"), 30 * 29 // 2 + 20 * 19 // 2)):
        found = dedupe.link(left, right, fields=KINDS, blocking=["city", "name"], within=within)
        assert found.report["possible_pairs"] == 30 * 20 + inside
