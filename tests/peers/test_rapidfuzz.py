"""String measures beside rapidfuzz, sounds of names beside jellyfish; run by ``nox -s peers``, in whose environment it works."""

import re

import numpy as np
import pytest

pytest.importorskip("rapidfuzz", reason="rapidfuzz works in the environment of `nox -s peers`", exc_type=ImportError)
pytest.importorskip("jellyfish", reason="jellyfish works in the environment of `nox -s peers`", exc_type=ImportError)

import jellyfish
from rapidfuzz.distance import OSA, JaroWinkler, Levenshtein
from rapidfuzz.process import cpdist

from crmkit import datasets, dedupe
from crmkit._frame import readonly
from crmkit.dedupe.strings import encode, similarities

PAIRS = 250_000  # of each of four sorts
LETTERS = np.array([ord(letter) for letter in "abcdefghijklmnopqrstuvwxyz"], dtype="<u4")
# two bytes and four, accents on their own, and more characters than a byte numbers
EVERYWHERE = np.concatenate(
    [
        np.arange(*block, dtype="<u4")
        for block in ((0x20, 0x7F), (0xC0, 0x250), (0x300, 0x310), (0x4E00, 0x4F00), (0x1F600, 0x1F640))
    ]
)


def texts(points, lengths):
    """Cut rows of code points to their lengths."""
    return ["".join(map(chr, row[:n])) for row, n in zip(points.tolist(), lengths.tolist(), strict=True)]


def strangers(rng, alphabet, longest, *, shortest=0):
    """Two columns of random strings."""
    sides = []
    for _ in range(2):
        lengths = rng.integers(shortest, longest + 1, PAIRS)
        sides.append(texts(rng.choice(alphabet, (PAIRS, longest)), lengths))
    return sides


def relatives(rng, alphabet, longest):
    """Random strings, and each of them again with slips: letters replaced, two neighbours exchanged, one left out."""
    left = rng.choice(alphabet, (PAIRS, longest))
    lengths = rng.integers(0, longest + 1, PAIRS)
    right = np.where(rng.random(left.shape) < 0.08, rng.choice(alphabet, left.shape), left)
    rows = np.arange(PAIRS)
    place = rng.integers(0, longest - 1, PAIRS)
    right[rows, place], right[rows, place + 1] = right[rows, place + 1], right[rows, place]
    gone = rng.integers(0, 2 * longest, PAIRS)
    moved = np.where(np.arange(longest) >= gone[:, None], np.roll(right, -1, axis=1), right)
    return [texts(left, lengths), texts(moved, np.maximum(lengths - (gone < lengths), 0))]


SORTS = {
    "names": lambda rng: strangers(rng, LETTERS, 14),
    "slips": lambda rng: relatives(rng, LETTERS, 24),
    "everywhere": lambda rng: relatives(rng, EVERYWHERE, 20),
    # around the widths at which one machine word, and then two, are full
    "long": lambda rng: strangers(rng, LETTERS[:3], 140, shortest=55),
}


@pytest.fixture(scope="module", params=SORTS, ids=str)
def pairs(request):
    left, right = SORTS[request.param](np.random.default_rng(len(request.param)))
    assert any(len(value) > 64 for value in left) == (request.param == "long")
    return left, right


def test_jaro_winkler_is_theirs_to_the_last_bit(pairs):
    theirs = cpdist(*pairs, scorer=JaroWinkler.similarity, dtype=np.float64, workers=1)
    np.testing.assert_array_equal(dedupe.jaro_winkler(*pairs), theirs)


def test_what_a_cut_drops_lies_below_it(pairs):
    strings = encode([*pairs[0], *pairs[1]])
    rows = np.arange(PAIRS, dtype=np.int32)
    left, right = readonly(rows), readonly(rows + np.int32(PAIRS))
    full = similarities(strings, left, right)
    for cut in (0.7, 0.88, 0.92):
        kept = similarities(strings, left, right, cut)
        np.testing.assert_array_equal(kept[full >= cut], full[full >= cut])
        assert (kept[full < cut] < cut).all()


@pytest.mark.parametrize(("ours", "theirs"), [(dedupe.levenshtein, Levenshtein), (dedupe.osa, OSA)], ids=["levenshtein", "osa"])
def test_edits_are_theirs(pairs, ours, theirs):
    expected = cpdist(*pairs, scorer=theirs.distance, dtype=np.int64, workers=1)
    np.testing.assert_array_equal(ours(*pairs), expected)


@pytest.fixture(scope="module")
def names():
    """Names as people have them, and random words: what no name does, a code must still bear."""
    rng = np.random.default_rng(0)
    records = datasets.make_records(n_records=20_000).records
    known = {str(name) for column in ("first_name", "last_name") for name in records[column].dropna()}
    words = texts(rng.choice(LETTERS, (50_000, 10)), rng.integers(1, 11, 50_000))
    return sorted({*known, *words})


def test_soundex_is_theirs(names):
    assert dedupe.soundex(names).tolist() == [jellyfish.soundex(name) for name in names]


def test_nysiis_is_theirs_where_they_keep_the_rules(names):
    # jellyfish writes the vowel before a W as it was spelt (BROWN: BRAON), adds the letters of EV and SCH all or none, and cuts
    # a code of AY alone to Y; Taft's rules make A of such a W, and add each letter that differs from the last
    plain = [name for name in names if not re.search("[aeiou]w|ev|sch", name, re.IGNORECASE)]
    assert len(plain) > 0.9 * len(names)
    ours = dedupe.nysiis(plain).tolist()
    theirs = [jellyfish.nysiis(name) for name in plain]
    assert [code for code in ours if code != "AY"] == [code for code, mine in zip(theirs, ours, strict=True) if mine != "AY"]
    assert dedupe.nysiis(["BROWN", "ANDREW", "HANNAH"]).tolist() == ["BRAN", "ANDR", "HAN"]
