"""How alike two strings are, pair by pair over two columns, and how names sound."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit._kernels import strings as _k
from crmkit.dedupe._phonetic import nysiis_code, soundex_code
from crmkit.errors import DataError

HIGHEST_CODE_POINT = 0x10FFFF


def jaro_winkler(left: Any, right: Any, /) -> Any:
    r"""Measure how alike two columns of strings are, row by row: 1 for equal strings, 0 where nothing is in common.

    Parameters
    ----------
    left, right : Series or sequence of str
        Strings of one length and order; nothing is normalised, so ``"Ann"`` and ``"ann"`` differ.

    Returns
    -------
    Series or ndarray
        Similarities between 0 and 1, as a Series like `left` where it is one, else an array. Missing (nan) where
        either string is missing; the empty string is a string here.

    Raises
    ------
    DataError
        The lengths or the indexes differ, or a value is not a string.

    Notes
    -----
    With :math:`c` characters in common within half the longer length less one, and :math:`t` of them, halved, in
    another order, the Jaro similarity is
    :math:`J = \frac13\left(\frac{c}{|s|} + \frac{c}{|t|} + \frac{c - t}{c}\right)`. Winkler's boost for a common
    prefix of :math:`\ell \le 4` characters, :math:`J + 0.1\,\ell\,(1 - J)`, applies only where :math:`J > 0.7`.

    References
    ----------
    Winkler (1990), String comparator metrics and enhanced decision rules in the Fellegi-Sunter model of record linkage.

    Examples
    --------
    >>> from crmkit import dedupe
    >>> dedupe.jaro_winkler(["MARTHA", "DIXON"], ["MARHTA", "DICKSONX"]).round(3)
    array([0.961, 0.813])
    """
    return _elementwise(left, right, _k.jaro_winkler)


def levenshtein(left: Any, right: Any, /) -> Any:
    """Count the single-character edits between two columns of strings, row by row.

    Parameters
    ----------
    left, right : Series or sequence of str
        Strings of one length and order; nothing is normalised.

    Returns
    -------
    Series or ndarray
        Least number of insertions, deletions and substitutions (floats: missing, nan, where either string is missing),
        as a Series like `left` where it is one, else an array.

    Raises
    ------
    DataError
        The lengths or the indexes differ, or a value is not a string.

    Notes
    -----
    Where the shorter of two strings has more than 63 characters, time grows with the product of the lengths; memory never does.

    References
    ----------
    Hyyro (2003), A bit-vector algorithm for computing Levenshtein and Damerau edit distances.

    Examples
    --------
    >>> from crmkit import dedupe
    >>> dedupe.levenshtein(["kitten"], ["sitting"])
    array([3.])
    """
    return _elementwise(left, right, _k.levenshtein)


def osa(left: Any, right: Any, /) -> Any:
    """Count the single-character edits between two columns of strings, two neighbours exchanged being one edit.

    Parameters
    ----------
    left, right : Series or sequence of str
        Strings of one length and order; nothing is normalised.

    Returns
    -------
    Series or ndarray
        Optimal string alignment distance (floats: missing, nan, where either string is missing), as a Series like `left` where
        it is one, else an array.

    Raises
    ------
    DataError
        The lengths or the indexes differ, or a value is not a string.

    Notes
    -----
    No part of a string is edited twice: "CA" becomes "ABC" in 3 edits, where the distance of Damerau, which may insert between
    exchanged neighbours, is 2.

    References
    ----------
    Hyyro (2003), A bit-vector algorithm for computing Levenshtein and Damerau edit distances.

    Examples
    --------
    >>> from crmkit import dedupe
    >>> dedupe.osa(["MARTHA", "CA"], ["MARHTA", "ABC"])
    array([1., 3.])
    """
    return _elementwise(left, right, _k.osa)


def soundex(values: Any, /) -> Any:
    """Say how names sound: the first letter and three digits, by the American Soundex.

    Parameters
    ----------
    values : Series or sequence of str
        Names; case, marks and everything that is no letter do not matter.

    Returns
    -------
    Series or ndarray
        Codes of four characters, "" where a value has no letter A to Z, None where it is missing.

    Raises
    ------
    DataError
        A value is neither text nor missing.

    References
    ----------
    National Archives (2007), The Soundex indexing system.

    Examples
    --------
    >>> from crmkit import dedupe
    >>> dedupe.soundex(["Robert", "Rupert", "Tymczak"]).tolist()
    ['R163', 'R163', 'T522']
    """
    return _coded(values, soundex_code)


def nysiis(values: Any, /) -> Any:
    """Say how names sound, by the code of the New York State Identification and Intelligence System.

    Parameters
    ----------
    values : Series or sequence of str
        Names; case, marks and everything that is no letter do not matter.

    Returns
    -------
    Series or ndarray
        Codes in full length, "" where a value has no letter A to Z, None where it is missing.

    Raises
    ------
    DataError
        A value is neither text nor missing.

    References
    ----------
    Taft (1970), Name search techniques, New York State Identification and Intelligence System, special report 1.

    Examples
    --------
    >>> from crmkit import dedupe
    >>> dedupe.nysiis(["Catherine", "Katherine", "Jonathan"]).tolist()
    ['CATARAN', 'CATARAN', 'JANATAN']
    """
    return _coded(values, nysiis_code)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Encoded:
    """Strings as one run of dense character codes; string i is ``characters[offsets[i]:offsets[i + 1]]``.

    `masks` has the bit ``code % 64`` of every character of a string: what is in one string only, is in its mask only.
    """

    characters: npt.NDArray[np.uint8] | npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    masks: npt.NDArray[np.uint64]
    alphabet: int


def encode(values: Sequence[str]) -> Encoded:
    """Lay `values` end to end, and number the characters that occur from 0."""
    offsets = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, values), dtype=np.int64, count=len(values)), out=offsets[1:])
    # lone surrogates are no text, yet they occur in broken exports and are characters like others
    points = np.frombuffer("".join(values).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    number = np.zeros(HIGHEST_CODE_POINT + 1, dtype=np.int32)
    number[points] = 1
    alphabet = int(number.sum())
    np.cumsum(number, out=number)
    # an alphabet that fits into bytes is the rule; four times the characters then fit into the cache
    characters = (number[points] - np.int32(1)).astype(np.uint8 if alphabet <= 256 else np.int32)
    characters.flags.writeable = offsets.flags.writeable = False
    masks = _k.character_masks(characters, offsets)
    masks.flags.writeable = False
    return Encoded(characters, offsets, masks, alphabet)


def similarities(strings: Encoded, left: npt.NDArray[np.int32], right: npt.NDArray[np.int32], cut: float = 0.0) -> Any:
    """Jaro-Winkler similarity of pairs of string numbers; what cannot reach `cut` may come out as 0."""
    return _k.jaro_winkler(strings.characters, strings.offsets, strings.masks, strings.alphabet, left, right, cut)


def edits(strings: Encoded, left: npt.NDArray[np.int32], right: npt.NDArray[np.int32], kernel: Any, most: int = -1) -> Any:
    """Edit distance of pairs of string numbers; above `most`, where that is not negative, any number above it."""
    return kernel(strings.characters, strings.offsets, strings.alphabet, left, right, most)


def _elementwise(left: Any, right: Any, kernel: Any) -> Any:
    # an index says which value belongs to which: two that differ are not the same rows
    indexes = [values.index for values in (left, right) if hasattr(values, "iloc")]
    if len(indexes) == 2 and not indexes[0].equals(indexes[1]):
        msg = "left and right have different indexes; align them first (for example left.reindex(right.index))"
        raise DataError(msg)
    s, t = listed(left, "left"), listed(right, "right")
    if len(s) != len(t):
        msg = f"left has {len(s):,} values, right has {len(t):,}; they are compared row by row"
        raise DataError(msg)

    there = np.array([a is not None and b is not None for a, b in zip(s, t, strict=True)], dtype=np.bool_)
    encoded = encode([value or "" for value in (*s, *t)])
    rows = np.arange(len(s), dtype=np.int32)
    rows.flags.writeable = False
    others = rows + np.int32(len(s))
    others.flags.writeable = False
    answer = similarities(encoded, rows, others) if kernel is _k.jaro_winkler else edits(encoded, rows, others, kernel)
    answer = np.where(there, answer, np.nan)
    if hasattr(left, "iloc"):
        return type(left)(answer, index=left.index)
    if type(left).__module__.startswith("polars"):
        return type(left)(left.name, answer, nan_to_null=True)
    return answer


def _coded(values: Any, code: Any) -> Any:
    """Apply `code` to the distinct values."""
    found = listed(values, "values")
    known: dict[str | None, str | None] = {None: None}
    for value in found:
        if value is not None and value not in known:
            known[value] = code(value)
    answer = np.empty(len(found), dtype=object)
    answer[:] = [known[value] for value in found]
    if hasattr(values, "iloc"):
        return type(values)(answer, index=values.index, name=values.name, dtype=object)
    if type(values).__module__.startswith("polars"):
        return type(values)(values.name, answer.tolist())
    return answer


def listed(values: Any, side: str) -> list[str | None]:
    """Return `values` as strings, None where missing."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        msg = f"{side} is a single value; pass a Series or a list of strings"
        raise DataError(msg)
    listed = values.to_pylist() if hasattr(values, "to_pylist") else list(values)
    answer: list[str | None] = []
    for place, value in enumerate(listed):
        if isinstance(value, str):
            answer.append(value)
        elif value is None or str(value) in ("nan", "<NA>", "NaT"):
            answer.append(None)
        else:
            msg = f"{side} holds a {type(value).__name__} in row {place}; convert the column to strings first"
            raise DataError(msg)
    return answer
