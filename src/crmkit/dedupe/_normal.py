"""Values in their normal form: what is a matter of taste or of typing is taken away, and what says nothing is missing."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

__all__ = ["FORMS", "address", "date", "day_first_of", "email", "name", "phone", "plain"]

# letters that no decomposition turns into a base letter and a mark
LETTERS = str.maketrans(
    {
        **dict(zip("łøđðħıŋ", "loddhin", strict=True)),
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        **dict.fromkeys("\u2019\u0060\u00b4", "'"),
        **dict.fromkeys("\u2010\u2013", "-"),
    }
)
_NOTHING = """n/a,n.a.,n.a,na,none,null,nil,nan,unknown,unk,unbekannt,inconnu,desconocido,missing,undefined,not available,
not-available,not applicable,not-applicable,not known,not given,not provided,no data,no name,noname,keine angabe,k.a.,anonymous,
anonym,test,tester,dummy,tbd,tba,xx,xxx,xxxx,asdf,asdfasdf,-,--,---,.,..,...,?,??,???,*,**,***,/,//,#"""
NOTHING = frozenset(_NOTHING.replace("\n", "").split(","))
_TITLES = "mr mrs ms miss mx dr prof professor sir dame rev revd herr frau hr fr dipl ing mag mme mlle sr sra srta"
TITLES = frozenset(_TITLES.split())
_SUFFIXES = "jr junior snr senior ii iii iv phd md esq mba bsc msc"
SUFFIXES = frozenset(_SUFFIXES.split())
NICKNAMES: Mapping[str, str] = {
    nick: full
    for full, nicks in {
        "abigail": "abby", "alexander": "alex sasha", "alexandra": "lexi", "andrew": "andy drew", "anthony": "tony",
        "barbara": "barb babs", "benjamin": "ben benny", "catherine": "cathy", "charles": "charlie chuck", "christine": "chrissy",
        "christopher": "chris kit", "cynthia": "cindy", "daniel": "dan danny", "david": "dave davey", "deborah": "deb debbie",
        "donald": "don donnie", "dorothy": "dot dottie", "edward": "ed eddie ted teddy",
        "elizabeth": "liz beth betty lizzie eliza",
        "francis": "frank", "frederick": "fred freddie", "gerald": "gerry", "gregory": "greg", "henry": "hank harry",
        "isabella": "bella izzy", "jacob": "jake", "james": "jim jimmy jamie", "jeffrey": "jeff", "jennifer": "jen jenny",
        "jessica": "jess jessie", "john": "jack johnny", "jonathan": "jon jonny", "joseph": "joe joey", "joshua": "josh",
        "judith": "judy", "katherine": "kate kathy katie", "kenneth": "ken kenny", "kimberly": "kim", "lawrence": "larry",
        "leonard": "len lenny", "margaret": "maggie meg peggy", "matthew": "matt", "michael": "mike mick mickey",
        "nathan": "nate", "nicholas": "nick nicky", "pamela": "pam", "patricia": "patty tricia", "patrick": "paddy",
        "peter": "pete", "philip": "phil", "raymond": "ray", "rebecca": "becky becca", "richard": "rick dick richie ricky",
        "robert": "bob bobby rob robbie bert", "ronald": "ron ronnie", "samuel": "sammy", "stephanie": "steph",
        "stephen": "steve", "steven": "stevie", "susan": "sue susie", "theodore": "theo", "theresa": "terri tess",
        "thomas": "tom tommy", "timothy": "tim timmy", "victoria": "vicky tori", "vincent": "vince", "walter": "walt",
        "william": "bill billy will willy liam", "zachary": "zach zack",
    }.items()
    for nick in nicks.split()
}  # fmt: skip
STREETS: Mapping[str, str] = {
    "st": "street", "str": "street", "rd": "road", "ave": "avenue", "av": "avenue", "blvd": "boulevard", "dr": "drive",
    "ln": "lane", "ct": "court", "cl": "close", "pl": "place", "sq": "square", "hwy": "highway", "pkwy": "parkway",
    "ter": "terrace", "tce": "terrace", "cres": "crescent", "cct": "circuit", "apt": "apartment", "fl": "floor",
    "n": "north", "s": "south", "e": "east", "w": "west", "no": "", "nr": "", "mt": "mount", "ft": "fort",
    "bd": "boulevard", "bvd": "boulevard", "pde": "parade", "gr": "grove", "gdns": "gardens",
}  # fmt: skip
DOTLESS = frozenset(("gmail.com", "googlemail.com"))
_NOBODY = "test noreply no-reply none no na nomail noemail unknown dummy example null xx xxx xxxx abc"
NOBODY = frozenset(_NOBODY.split())
NOWHERE = ("test.", "example.", "none.", "invalid.")
YEAR_FIRST = re.compile(r"(\d{4})[-/. ]?(\d{2})[-/. ]?(\d{2})(?:[t ].*)?")
LOOSE_YEAR_FIRST = re.compile(r"(\d{4})[-/. ](\d{1,2})[-/. ](\d{1,2})(?:[t ].*)?")
YEAR_LAST = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})[-/. ](\d{4})(?:[t ].*)?")
WORD_DATE = re.compile(r"(?:(\d{1,2})(?:st|nd|rd|th)?[-. ]+)?([a-zäé]{3,})[-., ]+(?:(\d{1,2})(?:st|nd|rd|th)?[-., ]+)?(\d{4})")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
MONTHS = {month: number for number, month in enumerate(_MONTHS.split(), start=1)}
MONTHS |= {"mai": 5, "okt": 10, "dez": 12, "mrz": 3, "mär": 3}
NO_DATES = frozenset(("1900-01-01", "1899-12-31", "1899-12-30", "0001-01-01", "1111-11-11", "9999-12-31", "9999-09-09"))
LEAST_DIGITS = 5
KEEP_DIGITS = str.maketrans({chr(code): None for code in range(128) if not chr(code).isdigit()})
EXTENSION = re.compile(r"(?:ext|extension|x|app|apparat)\.? ?\d+$")


def plain(value: str) -> str:
    """Fold case and compatibility forms, and runs of white space to one space; a placeholder is nothing."""
    if value.isascii():  # nothing to compose, and by far the most values
        value = " ".join(value.lower().split())
    else:
        value = " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold()).split())
    return "" if value in NOTHING else value


def folded(value: str) -> str:
    """Do what `plain` does, and take marks off letters: Müller is muller, Łódź is lodz, Straße is strasse."""
    if value.isascii():
        return " ".join(value.lower().split())
    value = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", value).casefold().translate(LETTERS))
    return " ".join("".join(c for c in value if not unicodedata.combining(c)).translate(LETTERS).split())


def words_of(value: str) -> list[str]:
    """Split into words of letters and digits; an apostrophe joins, any other mark parts."""
    words = value.split()
    if all(map(str.isalnum, words)):
        return words
    return "".join(c if c.isalnum() else "" if c == "'" else " " for c in value.replace(".", " ")).split()


def _unless_nothing(value: str) -> str:
    """Take what is a placeholder without its marks, such as "Test!", for one."""
    return "" if value in NOTHING else value


def name(value: str, *, nicknames: bool = False) -> str:
    """Write a name in small letters without marks, titles and punctuation."""
    value = folded(value)
    if value in NOTHING:
        return ""
    if value.isalpha():
        return NICKNAMES.get(value, value) if nicknames else value
    words = words_of(value)
    kept = [word for word in words if word not in TITLES]
    while len(kept) > 1 and kept[-1] in SUFFIXES:
        kept.pop()
    words = kept or words
    return _unless_nothing(" ".join(NICKNAMES.get(word, word) if nicknames else word for word in words))


def email(value: str) -> str:
    """Write an address in small letters, without the tag behind a plus, without dots where the provider ignores them."""
    if "@" not in value:
        value = unicodedata.normalize("NFKC", value)
        if "@" not in value:
            return plain(value)
    value = value.lower() if value.isascii() else unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())
    if not value.isalnum():  # blanks inside an address are slips
        value = "".join(value.split()).removeprefix("mailto:")
    local, _, domain = value.rpartition("@")
    if "+" in local:
        local = local.partition("+")[0] or local
    if domain in DOTLESS:
        local, domain = local.replace(".", ""), "gmail.com"
    return "" if not local or local in NOBODY or domain.startswith(NOWHERE) else f"{local}@{domain}"


def phone(value: str, *, country: str = "") -> str:
    """Keep the digits; with `country` (its calling code) a national number gets it in place of its leading zero."""
    if not value.isascii():
        value = "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in unicodedata.normalize("NFKC", value))
    value = value.strip()
    if not value.isdigit() and value[-1:].isdigit() and not value[:1].isalpha():
        value = EXTENSION.sub("", value.lower())
    digits = value.translate(KEEP_DIGITS)
    abroad = digits.startswith("00") or value.lstrip("( ").startswith("+")
    if abroad:
        digits = value.replace("(0)", "").translate(KEEP_DIGITS).lstrip("0")
    if len(digits) < LEAST_DIGITS or len(set(digits)) == 1 or digits in "01234567890" or digits in "9876543210":
        return ""
    if country and not abroad:
        digits = country + digits.removeprefix("0") if not (digits.startswith(country) and len(digits) > 10) else digits
    return digits


def address(value: str) -> str:
    """Write an address in small letters without marks and punctuation, its usual abbreviations in full."""
    value = folded(value)
    if value in NOTHING:
        return ""
    words = words_of(value)
    last = len(words) - 1
    answer = []
    for place, word in enumerate(words):
        # "St Mary's Road" is no street; "dr" before a name neither
        name_follows = word in ("st", "dr") and place < min(last, 2) and not words[place + 1].isdigit()
        full = word if name_follows else STREETS.get(word, word)
        if full.endswith("strasse") or (full.endswith("str") and len(full) > 5):
            full = full.removesuffix("asse").removesuffix("str") + "strasse"
        answer.append(full)
    return _unless_nothing(" ".join(word for word in answer if word))


def date(value: str, *, day_first: bool | None = None) -> str:
    """Write a date as yyyy-mm-dd where its form says which number is the day; else as it stands."""
    if not value.isascii() or not value[:1].isdigit() or not value[-1:].isdigit() or len(value.split()) > 1:
        value = plain(value)
    if len(value) == 10 and value[4] == value[7] == "-" and value.isascii() and value.replace("-", "").isdigit():
        return "" if value in NO_DATES or value.endswith("00-00") else value
    parts = YEAR_FIRST.fullmatch(value) or LOOSE_YEAR_FIRST.fullmatch(value.lower())
    if parts:
        year, month, day = parts.groups()
        return _iso(year, month, day)
    value = plain(value)
    parts = YEAR_LAST.fullmatch(value)
    if parts:
        first, mark, second, year = parts.groups()
        a, b = int(first), int(second)
        if a > 12 >= b or (b <= 12 and (mark == "." or day_first is True)):
            return _iso(year, second, first)
        if b > 12 >= a or (a <= 12 and day_first is False):
            return _iso(year, first, second)
        return value
    parts = WORD_DATE.fullmatch(value)
    if parts:
        before, month_word, after, year = parts.groups()
        month_number, chosen = MONTHS.get(month_word[:3]), before or after
        if month_number and chosen:
            return _iso(year, str(month_number), chosen)
    return value


def day_first_of(values: Iterable[str]) -> bool | None:
    """Tell from dates with the year last whether the day comes first: None where none can be told, or they disagree."""
    seen = set()
    for value in values:
        parts = YEAR_LAST.fullmatch(value.strip().lower()) if value[:1].isdigit() else None
        if parts and parts[2] != ".":
            a, b = int(parts[1]), int(parts[3])
            if a > 12 >= b:
                seen.add("day")
            elif b > 12 >= a:
                seen.add("month")
    return seen == {"day"} if len(seen) == 1 else None


def _iso(year: str, month: str, day: str) -> str:
    written = f"{year}-{month:0>2}-{day:0>2}"
    return "" if written in NO_DATES or (int(month) == 0 and int(day) == 0) else written


def is_date(value: str) -> bool:
    """Whether a date in normal form is one of the calendar."""
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        return False
    return len(value) == 10


def number(value: str) -> str:
    """Keep what reads as a number."""
    value = plain(value)
    try:
        return repr(float(value)) if value and abs(float(value)) < float("inf") else ""
    except ValueError:
        return ""


FORMS: Mapping[str, Callable[[str], str]] = {
    "name": name,
    "email": email,
    "phone": phone,
    "address": address,
    "date": date,
    "number": number,
}
