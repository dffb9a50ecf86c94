"""Strings are measured as the literature and the common tools measure them, to the last bit."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit import dedupe
from crmkit._kernels import strings as _k
from crmkit.dedupe import strings
from crmkit.errors import DataError
from naive import strings as naive

# Jaro-Winkler (p = 0.1, at most 4 characters, only above Jaro 0.7) and Levenshtein of the pairs in Winkler (1994), table 2.1
WINKLER = """
SHACKLEFORD SHACKELFORD .982 2 | DUNNINGHAM CUNNIGHAM .896 2 | NICHLESON NICHULSON .956 2 | JONES JOHNSON .832 4
MASSEY MASSIE .933 2 | ABROMS ABRAMS .922 1 | HARDIN MARTINEZ .722 4 | ITMAN SMITH .467 5 | JERALDINE GERALDINE .926 1
MARHTA MARTHA .961 2 | MICHELLE MICHAEL .921 3 | JULIES JULIUS .933 1 | TANYA TONYA .880 1 | DWAYNE DUANE .840 2
SEAN SUSAN .805 2 | JON JOHN .933 1 | JON JAN .800 1 | DIXON DICKSONX .813 4 | BROOKHAVEN BRROKHAVEN .947 1
DECATUR DECATIR .943 1 | FITZRUREITER FITZENREITER .913 2 | HIGBEE HIGHEE .922 1 | LACURA LOCURA .900 1
IOWA IONA .867 1 | 1ST IST .778 1
"""
PUBLISHED = [tuple(row.split()) for row in WINKLER.replace("\n", "|").split("|") if row.strip()]

text = st.text(alphabet=st.sampled_from("abcé漢😀"), max_size=12)
long_text = st.text(alphabet=st.sampled_from("ab"), min_size=50, max_size=140)


def test_published_pairs():
    left, right, similarity, edits = zip(*PUBLISHED, strict=True)
    assert dedupe.jaro_winkler(left, right) == pytest.approx(np.array(similarity, dtype=float), abs=5e-4)
    assert dedupe.levenshtein(left, right).tolist() == [float(edit) for edit in edits]


@pytest.mark.parametrize(
    ("s", "t", "expected"),
    [
        ("", "", 1.0),
        ("", "foo", 0.0),
        ("0", "00", 0.85),
        ("a", "a", 1.0),
        ("a", "b", 0.0),
        ("0" * 64, "0" * 65, 0.996923),
        ("0" * 63, "0" * 65, 0.993846),
        ("000000001", "0000010", 0.926984),
        ("aaaa", "aaaaa", 0.96),
        ("William", "Williams", 0.975),
        ("012345", "0123456", 0.971),
        ("a1bc", "a1be", 0.883),
        ("abcd", "dcba", 0.5),
    ],
)
def test_edge_cases(s, t, expected):
    assert dedupe.jaro_winkler([s], [t])[0] == pytest.approx(expected, abs=5e-4)


def text_pairs(n):
    """Reproducible pairs: near copies and strangers, several alphabets, some longer than 64 characters."""
    state = 12345

    def draw(below):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % below

    alphabets = ["ab", "abcdefghijklmnopqrstuvwxyz", "aàâäéèêëßłøñçüö", "0123456789", "漢字仮名交じり文", "a😀b🎉c"]
    pairs = []
    for _ in range(n):
        letters = alphabets[draw(len(alphabets))]
        longest = (6, 12, 30, 66, 150)[draw(5)]
        s = "".join(letters[draw(len(letters))] for _ in range(draw(longest)))
        if draw(3):
            t = list(s)
            for _ in range(draw(5)):
                place = draw(len(t) + 1)
                edit = draw(4)
                if edit == 0 or not t:
                    t.insert(place, letters[draw(len(letters))])
                elif edit == 1:
                    t[place % len(t)] = letters[draw(len(letters))]
                elif edit == 2:
                    del t[place % len(t)]
                else:
                    a, b = place % len(t), (place + 1) % len(t)
                    t[a], t[b] = t[b], t[a]
            pairs.append((s, "".join(t)))
        else:
            pairs.append((s, "".join(letters[draw(len(letters))] for _ in range(draw(longest)))))
    return pairs


def test_every_bit_is_rapidfuzz_s():
    # digests of what rapidfuzz 3.14.6 answers for these pairs, as little-endian float64 and int64
    left, right = zip(*text_pairs(1500), strict=True)
    similarity = dedupe.jaro_winkler(left, right).astype("<f8").tobytes()
    assert hashlib.sha256(similarity).hexdigest() == "b27ceaa33058f50ba9b98861749660c7fb620535acbc736ab7356c65791a24a6"
    edits = dedupe.levenshtein(left, right).astype("<i8").tobytes()
    assert hashlib.sha256(edits).hexdigest() == "198f9e41c93b05027110cbc5bed2a6bafc115dfce4165a60a66d41eb8ac4f29a"


@settings(deadline=None)  # the first example compiles
@given(s=text, t=text)
def test_short_strings_follow_the_definition(s, t):
    assert dedupe.jaro_winkler([s], [t])[0] == pytest.approx(naive.jaro_winkler(s, t), abs=1e-15)
    assert dedupe.levenshtein([s], [t])[0] == naive.levenshtein(s, t)


@settings(deadline=None)  # the first example compiles
@given(s=long_text, t=long_text)
def test_long_strings_follow_the_definition(s, t):
    assert dedupe.jaro_winkler([s], [t])[0] == pytest.approx(naive.jaro_winkler(s, t), abs=1e-15)


@pytest.mark.parametrize("length", [62, 63, 64, 65, 130])
def test_edits_are_counted_on_both_sides_of_a_machine_word(length):
    s, t = "ab" * (length // 2) + "a" * (length % 2), "b" + "ab" * (length // 2)
    assert dedupe.levenshtein([s], [t])[0] == naive.levenshtein(s, t)


@settings(deadline=None)  # the first example compiles
@given(s=text, t=text)
def test_similarity_is_symmetric_and_one_only_for_equal_strings(s, t):
    there, back = dedupe.jaro_winkler([s], [t])[0], dedupe.jaro_winkler([t], [s])[0]
    assert there == back
    assert 0.0 <= there <= 1.0
    assert (there == 1.0) == (s == t)


def test_a_series_comes_back_with_its_index_and_what_is_missing_stays_missing():
    left = pd.Series(["Ann", None, "Bob", ""], index=[3, 1, 4, 2])
    right = pd.Series(["Anne", "Cy", np.nan, ""], index=[3, 1, 4, 2], dtype=object)
    answer = dedupe.jaro_winkler(left, right)
    assert answer.index.tolist() == [3, 1, 4, 2]
    assert answer.isna().tolist() == [False, True, True, False]
    assert answer[2] == 1.0

    nullable = pd.Series(["Ann", pd.NA], dtype="string")
    assert dedupe.levenshtein(nullable, nullable).isna().tolist() == [False, True]

    polars = dedupe.jaro_winkler(pl.Series("name", ["Ann", None]), pl.Series(["Ann", "Bob"]))
    assert polars.to_list() == [1.0, None]


def test_values_of_other_rows_are_never_compared():
    left, right = pd.Series(["Ann", "Bob"]), pd.Series(["Ann", "Bob"], index=[1, 0])
    with pytest.raises(DataError, match="different indexes"):
        dedupe.jaro_winkler(left, right)
    with pytest.raises(DataError, match="left has 2 values, right has 1"):
        dedupe.jaro_winkler(["Ann", "Bob"], ["Ann"])


def test_what_is_not_text_is_refused_without_showing_it():
    with pytest.raises(DataError, match="right holds a int in row 1") as caught:
        dedupe.jaro_winkler(["Ann", "Bob"], ["Ann", 4711])
    assert "4711" not in str(caught.value)
    with pytest.raises(DataError, match="left is a single value"):
        dedupe.levenshtein("Ann", ["Ann"])


def test_nothing_gives_nothing():
    assert dedupe.jaro_winkler([], []).size == 0


@settings(deadline=None)  # the first example compiles
@given(s=text, t=text)
def test_exchanged_neighbours_are_one_edit(s, t):
    assert dedupe.osa([s], [t])[0] == naive.osa(s, t) <= dedupe.levenshtein([s], [t])[0]


@settings(deadline=None, max_examples=25)
@given(s=long_text, t=long_text)
def test_exchanged_neighbours_in_long_strings(s, t):
    assert dedupe.osa([s, s[:60]], [t, t]).tolist() == [naive.osa(s, t), naive.osa(s[:60], t)]


def test_restricted_exchange_is_no_damerau():
    assert dedupe.osa(["CA", "fuor", "jellyifhs", "abcd"], ["ABC", "four", "jellyfish", "acb"]).tolist() == [3, 1, 2, 2]


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(text, text), min_size=1, max_size=8), cut=st.sampled_from([0.5, 0.7, 0.88, 0.95]))
def test_a_cut_never_loses_what_reaches_it(pairs, cut):
    encoded = strings.encode([value for pair in pairs for value in pair])
    left = np.arange(0, 2 * len(pairs), 2, dtype=np.int32)
    right = left + np.int32(1)
    left.flags.writeable = right.flags.writeable = False
    whole, cut_off = strings.similarities(encoded, left, right), strings.similarities(encoded, left, right, cut)
    assert (cut_off[whole >= cut] == whole[whole >= cut]).all()
    assert (cut_off[whole < cut] < cut).all()


@settings(deadline=None)
@given(
    pairs=st.lists(st.tuples(st.text("abc", max_size=90), st.text("abc", max_size=90)), min_size=1, max_size=6),
    most=st.integers(0, 12),
)
def test_a_bound_on_edits_never_changes_what_is_below_it(pairs, most):
    # strings that differ a little, long and short
    pairs = [*pairs, *((s, s[: len(s) // 2] + t[:2] + s[len(s) // 2 + 1 :]) for s, t in pairs)]
    encoded = strings.encode([value for pair in pairs for value in pair])
    left = np.arange(0, 2 * len(pairs), 2, dtype=np.int32)
    right = left + np.int32(1)
    left.flags.writeable = right.flags.writeable = False
    for kernel in (_k.levenshtein, _k.osa):
        exact = strings.edits(encoded, left, right, kernel)
        bounded = strings.edits(encoded, left, right, kernel, most)
        assert (np.where(exact <= most, bounded == exact, bounded > most)).all()


def test_long_texts_are_compared_in_time_that_grows_with_them():
    """A hundred thousand characters each: in squares of that the pairs below would take minutes."""
    size = 100_000 if os.environ.get("NUMBA_DISABLE_JIT") != "1" else 3_000
    texts = ["ab" * (size // 2), "ba" * (size // 2), "x" * size, "x" * (size - 1) + "y"]
    found = dedupe.jaro_winkler([texts[0], texts[2], texts[0]], [texts[1], texts[3], texts[2]])
    # a is first in the one and b in the other: all but one character each has its like one place away
    assert found[1] == pytest.approx(1.0, abs=1e-3)
    assert found[2] == 0.0
    assert 0.8 < found[0] < 0.84
