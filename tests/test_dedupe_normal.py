"""Values in their normal form, and codes of how names sound."""

from __future__ import annotations

import unicodedata

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import dedupe
from crmkit.errors import DataError, OptionError

EVERY = [
    dedupe.normalize_name,
    dedupe.normalize_email,
    dedupe.normalize_phone,
    dedupe.normalize_address,
    dedupe.normalize_date,
]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Dr. Anna  Müller-Groß", "anna muller gross"),
        ("MARIE-CLAIRE d’Aubigné", "marie claire daubigne"),
        ("Łukasz Øster", "lukasz oster"),
        ("José", "jose"),
        (unicodedata.normalize("NFD", "José"), "jose"),
        ("John Smith Jr.", "john smith"),
        ("Mr", "mr"),  # all that there is
        ("van der Berg", "van der berg"),
        ("李 小龍", "李 小龍"),
        ("n/a", None),
        ("  ", None),
        ("UNKNOWN", None),
        ("***", None),
        (None, None),
        (np.nan, None),
    ],
)
def test_names(given, expected):
    assert dedupe.normalize_name([given])[0] == expected


def test_short_forms_of_names_on_request():
    assert dedupe.normalize_name(["Bob", "Liz Taylor"], nicknames=True).tolist() == ["robert", "elizabeth taylor"]
    assert dedupe.normalize_name(["Bob"]).tolist() == ["bob"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (" Ann@X.org ", "ann@x.org"),
        ("mailto:ann@x.org", "ann@x.org"),
        ("ann+news@x.org", "ann@x.org"),
        ("a.n.n@gmail.com", "ann@gmail.com"),
        ("a.n.n@x.org", "a.n.n@x.org"),
        ("test@shop.org", None),
        ("ann@example.com", None),
        ("noreply@x.org", None),
        ("no mail", "no mail"),
        ("@x.org", None),
        ("", None),
    ],
)
def test_emails(given, expected):
    assert dedupe.normalize_email([given])[0] == expected


@pytest.mark.parametrize(
    ("given", "country", "expected"),
    [
        ("+49 (0)30 1234-567", "49", "49301234567"),
        ("0049 30 1234567", "49", "49301234567"),
        ("030/1234567", "49", "49301234567"),
        ("030 1234567", None, "0301234567"),
        ("030 1234567 ext. 5", None, "0301234567"),
        ("٠٣٠١٢٣٤٥٦٧", None, "0301234567"),
        ("0000000", None, None),
        ("123456789", None, None),
        ("1234", None, None),
        ("call me", None, None),
    ],
)
def test_phones(given, country, expected):
    assert dedupe.normalize_phone([given], country=country)[0] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("12, High St.", "12 high street"),
        ("St John's Rd 5", "st johns road 5"),
        ("Hauptstr. 7", "hauptstrasse 7"),
        ("HAUPTSTRASSE 7", "hauptstrasse 7"),
        ("Hauptstraße 7", "hauptstrasse 7"),
        ("Apt 4b, 9 N Main Ave", "apartment 4b 9 north main avenue"),
        ("-", None),
    ],
)
def test_addresses(given, expected):
    assert dedupe.normalize_address([given])[0] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1980-02-03", "1980-02-03"),
        ("19800203", "1980-02-03"),
        ("1980/2/3", "1980-02-03"),
        ("1980-02-03T00:00:00", "1980-02-03"),
        ("3.2.1980", "1980-02-03"),
        ("24/12/1975", "1975-12-24"),
        ("12/24/1975", "1975-12-24"),
        ("3rd February 1980", "1980-02-03"),
        ("Feb 3, 1980", "1980-02-03"),
        ("3/2/1980", "3/2/1980"),  # nobody can tell
        ("1900-01-01", None),
        ("9999-12-31", None),
        ("soon", "soon"),
    ],
)
def test_dates(given, expected):
    assert dedupe.normalize_date([given])[0] == expected


def test_other_dates_tell_which_number_is_the_day():
    assert dedupe.normalize_date(["3/2/1980", "24/12/1975"])[0] == "1980-02-03"
    assert dedupe.normalize_date(["3/2/1980", "12/24/1975"])[0] == "1980-03-02"
    assert dedupe.normalize_date(["3/2/1980", "12/24/1975", "24/12/1975"])[0] == "3/2/1980"
    assert dedupe.normalize_date(["3/2/1980"], day_first=True)[0] == "1980-02-03"
    assert dedupe.normalize_date(["3/2/1980"], day_first=False)[0] == "1980-03-02"


@pytest.mark.parametrize("normalize", EVERY)
@given(value=st.text(max_size=20))
def test_a_normal_form_is_its_own_normal_form(normalize, value):
    once = normalize([value])[0]
    if once is not None:
        assert normalize([once])[0] in (once, None)


@pytest.mark.parametrize("normalize", [dedupe.normalize_name, dedupe.normalize_address])
@given(value=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0x24F), max_size=12))
def test_composed_and_decomposed_letters_are_one(normalize, value):
    forms = {normalize([unicodedata.normalize(form, value)])[0] for form in ("NFC", "NFD")}
    assert len(forms) == 1


@pytest.mark.parametrize("function", [*EVERY, dedupe.soundex, dedupe.nysiis])
def test_columns_come_back_as_they_came(function):
    series = pd.Series(["12 3456789", None], index=[7, 3], name="x")
    answer = function(series)
    assert answer.index.tolist() == [7, 3]
    assert answer.name == "x"
    assert answer.iloc[1] is None
    assert isinstance(function(pl.Series("x", ["12 3456789", None])), pl.Series)
    with pytest.raises(DataError, match="row 1"):
        function(["a", 3])
    with pytest.raises(DataError, match="single value"):
        function("a")


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (dedupe.normalize_name, "nA\x7f", None),
        (dedupe.normalize_name, "Mr. Test!", None),
        (dedupe.normalize_address, "(unknown)", None),
        (dedupe.normalize_phone, "(0049) 30 1234567", "49301234567"),
        (dedupe.normalize_phone, "(+49) 30 1234567", "49301234567"),
        (dedupe.normalize_phone, "tel 0000 0000 50", None),
        (dedupe.normalize_date, "2024 \n 0131", "2024-01-31"),
    ],
)  # fmt: skip
def test_what_marks_hid_is_seen_at_once(function, value, expected):
    """Found by fuzzing: the normal form of these had another normal form."""
    assert function([value])[0] == expected


def test_options_are_checked():
    with pytest.raises(OptionError, match="country="):
        dedupe.normalize_phone(["1"], country="+49")
    with pytest.raises(OptionError, match="day_first="):
        dedupe.normalize_date(["1"], day_first="yes")


SOUNDEX = """Washington W252, Lee L000, Gutierrez G362, Pfister P236, Jackson J250, Tymczak T522, Ashcroft A261, Caŕteŕ C636"""
NYSIIS = """Worthy WARTY, Ogata OGAT, montgomery MANTGANARY, Catherine CATARAN, Katherine CATARAN, Katerina CATARAN,
Jonathan JANATAN, Johnathan JANATAN, John JAN, Jessica JASAC, MacArthur MCARTAR, Schmittie SNATY, Knaqze NAGS, Hannah HAN,
Sarah SAR, Deborah DABAR"""


@pytest.mark.parametrize(("function", "table"), [(dedupe.soundex, SOUNDEX), (dedupe.nysiis, NYSIIS)], ids=["soundex", "nysiis"])
def test_published_codes(function, table):
    names, codes = zip(*(row.split() for row in table.split(",")), strict=True)
    assert function(names).tolist() == list(codes)
    assert function(["", "123"]).tolist() == ["", ""]
