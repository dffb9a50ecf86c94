"""Contact records with duplicates: households, typing errors, moves, marriages and gaps, and the truth about who is who."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.datasets import _people
from crmkit.datasets._names import names
from crmkit.results import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Records", "make_records"]

Words = npt.NDArray[np.object_]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FIELDS = MappingProxyType(
    {
        "first_name": "name",
        "last_name": "name",
        "date_of_birth": "date",
        "email": "email",
        "phone": "phone",
        "street": "address",
        "postcode": "id",
        "city": "text",
    }
)
# how often a field is empty where `missing` is 1
_COLUMNS = tuple(FIELDS)
GAPS = dict(zip(_COLUMNS, (0.01, 0.005, 0.25, 0.2, 0.3, 0.1, 0.08, 0.06), strict=True))
# how often a further record has a slip in a field where `errors` is 1
SLIPS = dict(zip(_COLUMNS, (0.08, 0.08, 0.04, 0.05, 0.05, 0.08, 0.03, 0.03), strict=True))
FIRST_RECORD = 0.25  # the first record of a person has this share of the errors of the others
ZONES = 40  # postcodes of one town
LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Records(Shown):
    """Simulated contact records and what is true of them. It prints counts, never a record.

    Attributes
    ----------
    records : DataFrame
        One row per record, indexed by ``record_id``: ``first_name``, ``last_name``, ``date_of_birth``, ``email``,
        ``phone``, ``street``, ``postcode``, ``city``, ``updated``.
    truth : Series
        The person behind every record, by ``record_id``.
    households : Series
        The household of that person, by ``record_id``.
    fields : mapping of str to str
        What each column holds, as `crmkit.dedupe.deduplicate` takes it.
    parameters : mapping of str to value
        What the records were drawn with.
    """

    records: pd.DataFrame
    truth: pd.Series[Any]
    households: pd.Series[Any]
    fields: Mapping[str, str]
    parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"Records: {len(self.records):,} records of {self.truth.nunique():,} people\n  {given}"


def make_records(
    *,
    n_records: int = 1000,
    duplicates: float = 0.2,
    errors: float = 1.0,
    missing: float = 1.0,
    households: float = 0.35,
    moves: float = 0.12,
    marriages: float = 0.03,
    start: Any = "2020-01-01",
    rng: Any = 0,
) -> Records:
    """Simulate contact records, some of them of one person, with the truth about who is who.

    Parameters
    ----------
    n_records : int, default 1000
        Records in all, of all people.
    duplicates : float, default 0.2
        Share of the records that are a further record of somebody, from 0 to 0.9. Most people with several records have
        two, a few have many.
    errors : float, default 1.0
        How many typing errors: at 1 about three in ten further records have one, 0 is none, 3 many. Nicknames, swapped days
        and months, and capital letters follow it.
    missing : float, default 1.0
        How many gaps: at 1 every third phone number and every fifth e-mail address is empty, 0 is none, at most 3.
    households : float, default 0.35
        Share of people who live with the one before them: the same address, mostly the same surname, often the same phone,
        sometimes the same e-mail address.
    moves : float, default 0.12
        Share of further records with another address, half of them with another phone.
    marriages : float, default 0.03
        Share of further records with another surname.
    start : date-like, default "2020-01-01"
        The column ``updated`` counts from here, over three years.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.

    Returns
    -------
    Records
        `records`, `truth`, `households`, `fields` and `parameters`.

    Raises
    ------
    OptionError
        A parameter is out of its range.

    Notes
    -----
    Names, towns and streets are as unequal as in life: the most common surname is that of one person in 140, most surnames
    are those of a few. Two in three e-mail addresses are made of the name, so that namesakes have similar ones.

    Examples
    --------
    >>> from crmkit import datasets
    >>> contacts = datasets.make_records(n_records=500, duplicates=0.1)
    >>> len(contacts.records), contacts.truth.nunique()
    (500, 450)
    """
    n = _options.whole("n_records", n_records, low=1)
    parameters = {
        "n_records": n,
        "duplicates": _options.number("duplicates", duplicates, low=0.0, high=0.9),
        "errors": _options.number("errors", errors, low=0.0, high=5.0),
        "missing": _options.number("missing", missing, low=0.0, high=3.0),
        "households": _options.number("households", households, low=0.0, high=0.95),
        "moves": _options.number("moves", moves, low=0.0, high=1.0),
        "marriages": _options.number("marriages", marriages, low=0.0, high=1.0),
    }
    draw = _options.generator(rng)
    n_people = max(n - round(n * parameters["duplicates"]), 1)
    people, home = _draw_people(draw, n_people, parameters["households"])

    # a further record is of anybody, or, one time in four, of somebody who has further records already
    again = draw.integers(0, n_people, n - n_people)
    if again.size > 1:
        popular = draw.random(again.size) < 0.25
        again = np.where(popular, again[draw.integers(0, again.size, again.size)], again)
    who = np.concatenate([np.arange(n_people), again])
    columns = {name: values[who] for name, values in people.items()}
    later = np.arange(n) >= n_people
    _change(draw, columns, later, parameters)
    _err(draw, columns, later, parameters["errors"])
    for name, share in GAPS.items():
        columns[name][draw.random(n) < min(share * parameters["missing"], 0.95)] = None

    order = draw.permutation(n)
    day = np.where(later, 365, 0) + draw.integers(0, 730, n)
    updated = (np.datetime64(start, "D") + day[order]).astype("datetime64[us]")
    table = {name: columns[name][order] for name in FIELDS} | {"updated": updated}
    ids = names("R", n, digits=4)
    records = _frame.table({"record_id": ids, **table}).set_index("record_id")
    person = names("P", n_people, digits=4)
    truth = _frame.series_like(records, "person", person[who[order]])
    lives = _frame.series_like(records, "household", names("H", int(home.max()) + 1, digits=4)[home[who[order]]])
    return Records(records, truth, lives, FIELDS, MappingProxyType(parameters))


def _draw_people(draw: np.random.Generator, n: int, together: float) -> tuple[dict[str, Words], Integers]:
    """Draw people, who live in households; return their columns, and the household of each."""
    alone = draw.random(n) >= together
    alone[0] = True
    home = np.cumsum(alone) - 1
    head = np.flatnonzero(alone)[home]
    like_head = draw.random((4, n)) < np.array([[0.85], [1.0], [0.4], [0.06]])  # surname, address, phone, e-mail

    female = draw.random(n) < 0.5
    given = np.where(
        female,
        _people.FEMALE[_people.zipf(draw, n, _people.FEMALE.size, flat=12.0)],
        _people.MALE[_people.zipf(draw, n, _people.MALE.size, flat=8.0)],
    )
    family = _people.SURNAMES[_people.zipf(draw, n, _people.SURNAMES.size, flat=20.0)]
    family = np.where(like_head[0], family[head], family)
    born = np.datetime64("1935-01-01") + (26_000 * draw.beta(1.6, 1.2, n)).astype(np.int64)
    street, postcode, city = (column[head] for column in _addresses(draw, n))
    phone = _phones(draw, n)
    phone = np.where(like_head[2], phone[head], phone)
    email = _emails(draw, given, family, born)
    email = np.where(like_head[3], email[head], email)
    return {
        "first_name": given,
        "last_name": family,
        "date_of_birth": born.astype(str).astype(object),
        "email": email,
        "phone": phone,
        "street": street,
        "postcode": postcode,
        "city": city,
    }, home


def _addresses(draw: np.random.Generator, n: int) -> tuple[Words, Words, Words]:
    town = _people.zipf(draw, n, _people.CITIES.size, flat=6.0)
    road = _people.zipf(draw, n, _people.STREETS.size, flat=30.0)
    number = 1 + (draw.exponential(45.0, n)).astype(np.int64)
    zone = 10_000 + town * ZONES * 2 + (road * 31 + town) % ZONES  # a street lies in one zone of its town
    street = [f"{house} {name}" for house, name in zip(number.tolist(), _people.STREETS[road].tolist(), strict=True)]
    return np.array(street, dtype=object), _listed(map(str, zone.tolist())), _people.CITIES[town]


def _phones(draw: np.random.Generator, n: int) -> Words:
    return _listed([f"0{number}" for number in draw.integers(200_000_000, 1_000_000_000, n).tolist()])


def _emails(draw: np.random.Generator, given: Words, family: Words, born: Any) -> Words:
    """Two in three addresses are made of the name; one that is taken gets a number."""
    n = given.size
    style, digits = draw.integers(0, 9, n).tolist(), draw.integers(10, 10_000, n).tolist()
    provider = np.array(_people.PROVIDERS, dtype=object)[_people.zipf(draw, n, len(_people.PROVIDERS), flat=0.8)]
    handle = _people.SURNAMES[draw.integers(0, _people.SURNAMES.size, n)]
    year = born.astype("datetime64[Y]").astype(int) + 1970
    taken: dict[str, int] = {}
    answer = []
    for a, b, y, s, d, h, at in zip(given, family, year.tolist(), style, digits, handle, provider, strict=True):
        if s < 2:
            local = f"{a}.{b}"
        elif s == 2:
            local = f"{a[0]}{b}{d}"
        elif s == 3:
            local = f"{a}{b}{y % 100:02}"
        elif s == 4:
            local = f"{a}.{b}{d % 100}"
        elif s == 5:
            local = f"{b}.{a}"
        else:
            local = f"{h}{d}"
        address = f"{local}@{at}"
        count = taken.get(address, 0)
        taken[address] = count + 1
        answer.append(f"{local}{count + 1}@{at}" if count else address)
    return _listed(answer)


def _change(draw: np.random.Generator, columns: dict[str, Words], later: Flags, parameters: Mapping[str, Any]) -> None:
    """Let people move, marry and change their e-mail address between their records."""
    n = later.size
    moved = np.flatnonzero(later & (draw.random(n) < parameters["moves"]))
    for name, values in zip(("street", "postcode", "city"), _addresses(draw, moved.size), strict=True):
        columns[name][moved] = values
    new_phone = np.flatnonzero(later & (draw.random(n) < 0.05))
    new_phone = np.union1d(new_phone, moved[draw.random(moved.size) < 0.5])
    columns["phone"][new_phone] = _phones(draw, new_phone.size)
    married = np.flatnonzero(later & (draw.random(n) < parameters["marriages"]))
    columns["last_name"][married] = _people.SURNAMES[_people.zipf(draw, married.size, _people.SURNAMES.size, flat=20.0)]
    new_email = np.union1d(np.flatnonzero(later & (draw.random(n) < 0.12)), married[draw.random(married.size) < 0.5])
    born = np.array(columns["date_of_birth"][new_email], dtype="datetime64[D]")
    columns["email"][new_email] = _emails(draw, columns["first_name"][new_email], columns["last_name"][new_email], born)


def _err(draw: np.random.Generator, columns: dict[str, Words], later: Flags, errors: float) -> None:
    """Let the people who type the records in make mistakes."""
    n = later.size
    rate = np.where(later, errors, errors * FIRST_RECORD)

    def some(share: float) -> Integers:
        return np.flatnonzero(draw.random(n) < np.minimum(share * rate, 0.9))

    called = some(0.10)
    columns["first_name"][called] = _listed([_people.NICKNAMES.get(name, name) for name in columns["first_name"][called]])
    swapped = some(0.01)
    first = columns["first_name"][swapped].copy()
    columns["first_name"][swapped], columns["last_name"][swapped] = columns["last_name"][swapped], first
    turned = some(0.02)
    columns["date_of_birth"][turned] = _listed(
        [f"{d[:5]}{d[8:]}-{d[5:7]}" if d[8:] <= "12" else d for d in columns["date_of_birth"][turned]]
    )
    for name, share in SLIPS.items():
        rows = some(share)
        columns[name][rows] = _typos(
            draw, columns[name][rows], DIGITS if name in ("date_of_birth", "phone", "postcode") else LETTERS
        )
    loud = some(0.05)
    for name in ("first_name", "last_name", "street", "city"):
        columns[name][loud] = _listed([value.upper() for value in columns[name][loud]])
    written = some(0.3)
    columns["phone"][written] = _listed([f"({p[:4]}) {p[4:7]}-{p[7:]}" for p in columns["phone"][written]])


def _typos(draw: np.random.Generator, values: Words, alphabet: str) -> Words:
    """Put one slip into each value: a character too many, too few, wrong, or two exchanged; digits are never lost."""
    kinds, where = draw.integers(0, 4, values.size), draw.random(values.size)
    letters = draw.integers(0, len(alphabet), values.size)
    answer = []
    for value, kind, place, letter in zip(values, kinds.tolist(), where.tolist(), letters.tolist(), strict=True):
        at, new = int(place * len(value)), alphabet[letter]
        if alphabet is DIGITS:
            kind = 2 + kind % 2  # noqa: PLW2901
            spots = [i for i, c in enumerate(value) if c.isdigit()]
            at = spots[int(place * len(spots))] if spots else at
        if kind == 0:
            answer.append(value[:at] + new + value[at:])
        elif kind == 1 and len(value) > 2:
            answer.append(value[:at] + value[at + 1 :])
        elif kind == 3 and at + 1 < len(value) and value[at + 1] != "-":
            answer.append(value[:at] + value[at + 1] + value[at] + value[at + 2 :])
        else:
            answer.append(value[:at] + new + value[at + 1 :])
    return _listed(answer)


def _listed(values: Any) -> Words:
    listed = list(values)
    answer = np.empty(len(listed), dtype=object)
    answer[:] = listed
    return answer
