"""Names, e-mail addresses, phone numbers, addresses and dates in one normal form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from crmkit.dedupe import _normal
from crmkit.dedupe.strings import listed
from crmkit.errors import OptionError

__all__ = ["normalize_address", "normalize_date", "normalize_email", "normalize_name", "normalize_phone"]


def normalize_name(values: Any, /, *, nicknames: bool = False) -> Any:
    """Bring names into one form: small letters without marks, punctuation, titles and suffixes.

    Parameters
    ----------
    values : Series or sequence of str
        Names of people.
    nicknames : bool, default False
        Also write short forms in full: Bob as robert.

    Returns
    -------
    Series or ndarray
        Names in their normal form, as a Series like `values` where it is one, else an array of objects. None where nothing is
        left: missing, "", blanks and placeholders such as "n/a", "unknown" or "test".

    Raises
    ------
    DataError
        A value is neither text nor missing.

    Examples
    --------
    >>> from crmkit import dedupe
    >>> dedupe.normalize_name(["Dr. Łukasz  O'Neill-Groß", "Mr Bob Lee Jr.", "n/a"], nicknames=True).tolist()
    ['lukasz oneill gross', 'robert lee', None]
    """
    return _each(values, lambda value: _normal.name(value, nicknames=bool(nicknames)))


def normalize_email(values: Any, /) -> Any:
    """Bring e-mail addresses into one form, so that addresses of one mailbox are equal.

    Parameters
    ----------
    values : Series or sequence of str
        E-mail addresses.

    Returns
    -------
    Series or ndarray
        Addresses in small letters, without the tag behind a plus, without dots where the provider ignores them (Gmail); None
        where missing or nobody's (test@…, noreply@…). What holds no @ stays as it is.

    Raises
    ------
    DataError
        A value is neither text nor missing.

    Examples
    --------
    >>> from crmkit import dedupe
    >>> dedupe.normalize_email([" Ann.Lee+shop@GoogleMail.com", "noreply@shop.org"]).tolist()
    ['annlee@gmail.com', None]
    """
    return _each(values, _normal.email)


def normalize_phone(values: Any, /, *, country: Any = None) -> Any:
    """Bring phone numbers into one form: digits only.

    Parameters
    ----------
    values : Series or sequence of str
        Phone numbers as they were typed.
    country : str, optional
        Calling code such as ``"44"``, which national numbers get in place of their leading zero. Without it they stay national,
        and do not equal the same number with its code.

    Returns
    -------
    Series or ndarray
        Digits, extensions left out; None where missing, shorter than five digits or a filler such as 0000000.

    Raises
    ------
    DataError
        A value is neither text nor missing.
    OptionError
        `country` is not one to three digits.

    Examples
    --------
    >>> from crmkit import dedupe
    >>> dedupe.normalize_phone(["+44 (0)20 7946-0958", "020 7946 0958 ext. 12", "00000"], country="44").tolist()
    ['442079460958', '442079460958', None]
    """
    if country is not None and not (isinstance(country, str) and country.isdecimal() and 1 <= len(country) <= 3):
        msg = f"country={country!r} is not a calling code of one to three digits, such as '44'"
        raise OptionError(msg)
    return _each(values, lambda value: _normal.phone(value, country=country or ""))


def normalize_address(values: Any, /) -> Any:
    """Bring street addresses into one form: small letters, no marks, the usual abbreviations in full.

    Parameters
    ----------
    values : Series or sequence of str
        Street addresses or parts of them.

    Returns
    -------
    Series or ndarray
        Addresses in their normal form; None where nothing is left.

    Raises
    ------
    DataError
        A value is neither text nor missing.

    Examples
    --------
    >>> from crmkit import dedupe
    >>> dedupe.normalize_address(["12, High St.", "5 St Mary's Rd", "Hauptstr. 7"]).tolist()
    ['12 high street', '5 st marys road', 'hauptstrasse 7']
    """
    return _each(values, _normal.address)


def normalize_date(values: Any, /, *, day_first: Any = None) -> Any:
    """Bring dates of mixed forms into one: yyyy-mm-dd.

    Parameters
    ----------
    values : Series or sequence of str
        Dates as text.
    day_first : bool, optional
        Whether 03/02/1980 is the third of February. By default the other dates decide: where one of them can only be read one
        way, all are; where none tells, such a date stays as it is. Dots always mean day first.

    Returns
    -------
    Series or ndarray
        Dates as yyyy-mm-dd, the text itself where it has no form that is known; None where missing or a placeholder such as
        1900-01-01.

    Raises
    ------
    DataError
        A value is neither text nor missing.
    OptionError
        `day_first` is neither True, False nor None.

    Examples
    --------
    >>> from crmkit import dedupe
    >>> dedupe.normalize_date(["1980-2-3", "24.12.1975", "3 Feb 1980", "01/30/1966", "06/01/1990", "1900-01-01"]).tolist()
    ['1980-02-03', '1975-12-24', '1980-02-03', '1966-01-30', '1990-06-01', None]
    """
    if day_first is not None and not isinstance(day_first, bool):
        msg = f"day_first={day_first!r} is not True, False or None"
        raise OptionError(msg)
    if day_first is None:
        day_first = _normal.day_first_of(value for value in listed(values, "values") if value is not None)
    return _each(values, lambda value: _normal.date(value, day_first=day_first))


def _each(values: Any, form: Callable[[str], str]) -> Any:
    """Apply `form` to the distinct values; what comes out empty is missing."""
    known: dict[str | None, str | None] = {None: None}
    found = listed(values, "values")
    for value in found:
        if value not in known:
            known[value] = (form(value) or None) if value and value.strip() else None
    answer = np.empty(len(found), dtype=object)
    answer[:] = [known[value] for value in found]
    if hasattr(values, "iloc"):
        return type(values)(answer, index=values.index, name=values.name, dtype=object)
    if type(values).__module__.startswith("polars"):
        return type(values)(values.name, answer.tolist())
    return answer
