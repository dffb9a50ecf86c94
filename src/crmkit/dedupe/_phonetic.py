"""Codes of how names sound: names that are spelt differently and spoken alike get one code."""

from __future__ import annotations

import unicodedata

__all__ = ["nysiis_code", "soundex_code"]

SOUNDS = {
    letter: digit for digit, letters in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), start=1) for letter in letters
}
VOWELS = "AEIOU"


def letters_of(value: str) -> str:
    """Return the letters A to Z of a name, without accents."""
    bare = unicodedata.normalize("NFKD", value).upper()
    return "".join(letter for letter in bare if "A" <= letter <= "Z")


def soundex_code(value: str) -> str:
    """American Soundex: the first letter and three digits; h and w do not part equal sounds, vowels do."""
    name = letters_of(value)
    if not name:
        return ""
    code, last = name[0], SOUNDS.get(name[0].lower())
    for letter in name[1:].lower():
        sound = SOUNDS.get(letter)
        if sound is not None and sound != last:
            code += str(sound)
        if letter not in "hw":
            last = sound
    return (code + "000")[:4]


def nysiis_code(value: str) -> str:
    """Code of the New York State Identification and Intelligence System, in full length."""
    name = letters_of(value)
    if not name:
        return ""
    for start, other in (("MAC", "MCC"), ("KN", "N"), ("K", "C"), ("PH", "FF"), ("PF", "FF"), ("SCH", "SSS")):
        if name.startswith(start):
            name = other + name[len(start) :]
            break
    if name.endswith(("EE", "IE")):
        name = name[:-2] + "Y"
    elif name.endswith(("DT", "RT", "RD", "NT", "ND")):
        name = name[:-2] + "D"

    code = [name[0]]
    i = 1
    while i < len(name):
        letter = name[i]
        sound, step = letter, 1
        if name.startswith("EV", i):
            sound, step = "AF", 2
        elif letter in VOWELS:
            sound = "A"
        elif letter in "QZM":
            sound = {"Q": "G", "Z": "S", "M": "N"}[letter]
        elif name.startswith("KN", i):
            sound, step = "N", 2
        elif letter == "K":
            sound = "C"
        elif name.startswith("SCH", i):
            sound, step = "SSS", 3
        elif name.startswith("PH", i):
            sound, step = "FF", 2
        elif letter == "H" and (name[i - 1] not in VOWELS or name[i + 1 : i + 2] not in tuple(VOWELS)):
            # silent, at the end too: the sound before it goes on
            sound = "A" if name[i - 1] in VOWELS else name[i - 1]
        elif letter == "W" and name[i - 1] in VOWELS:
            sound = "A"
        for one in sound:
            if one != code[-1]:
                code.append(one)
        i += step

    if len(code) > 1 and code[-1] == "S":
        code.pop()
    if len(code) > 2 and code[-2:] == ["A", "Y"]:
        code[-2:] = ["Y"]
    if len(code) > 1 and code[-1] == "A":
        code.pop()
    return "".join(code)
