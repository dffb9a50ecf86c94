"""Names, streets and towns with the frequencies of real life: a few very common, most of them rare."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CITIES", "FEMALE", "MALE", "NICKNAMES", "PROVIDERS", "STREETS", "SURNAMES", "zipf"]

Words = npt.NDArray[np.object_]

_FEMALE = """mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty margaret sandra ashley
kimberly emily donna michelle carol amanda dorothy melissa deborah stephanie rebecca sharon laura cynthia kathleen amy angela
shirley anna brenda pamela emma nicole helen samantha katherine christine debra rachel carolyn janet catherine maria heather
diane ruth julie olivia joyce virginia victoria kelly lauren christina joan evelyn judith megan andrea cheryl hannah jacqueline
martha gloria teresa ann sara madison frances kathryn janice jean abigail alice julia judy sophia grace denise amber doris
marilyn danielle beverly isabella theresa diana natalie brittany charlotte marie kayla alexis lori"""
_MALE = """james robert john michael david william richard joseph thomas charles christopher daniel matthew anthony mark donald
steven paul andrew joshua kenneth kevin brian george timothy ronald edward jason jeffrey ryan jacob gary nicholas eric jonathan
stephen larry justin scott brandon benjamin samuel gregory frank alexander raymond patrick jack dennis jerry tyler aaron jose
adam nathan henry douglas zachary peter kyle ethan walter noah jeremy christian keith roger terry austin sean gerald carl
dylan harold jordan jesse bryan lawrence arthur gabriel bruce logan billy albert willie alan juan wayne elijah randy roy
vincent ralph eugene russell bobby mason philip louis"""
_SURNAMES = """smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez wilson anderson
thomas taylor moore jackson martin lee perez thompson white harris sanchez clark ramirez lewis robinson walker young allen king
wright scott torres nguyen hill flores green adams nelson baker hall rivera campbell mitchell carter roberts gomez phillips
evans turner diaz parker cruz edwards collins reyes stewart morris morales murphy cook rogers gutierrez ortiz morgan cooper
peterson bailey reed kelly howard ramos kim cox ward richardson watson brooks chavez wood james bennett gray mendoza ruiz
hughes price alvarez castillo sanders patel myers long ross foster jimenez powell jenkins perry russell sullivan bell coleman
butler henderson barnes gonzales fisher vasquez simmons romero jordan patterson alexander hamilton graham reynolds griffin
wallace moreno west cole hayes bryant herrera gibson ellis tran medina aguilar stevens murray ford castro marshall owens
harrison fernandez mcdonald woods washington kennedy wells vargas henry chen freeman webb tucker guzman burns crawford olson
simpson porter hunter gordon mendez silva shaw snyder mason dixon munoz hunt hicks holmes palmer wagner black robertson boyd
rose stone salazar fox warren mills meyer rice schmidt garza daniels ferguson nichols stephens soto weaver ryan gardner payne
grant dunn kelley spencer hawkins arnold pierce hansen peters santos hart bradley knight elliott cunningham duncan armstrong"""
_TOWNS = """ash brad clay dun east fair glen hart iron kings lang mill new oak pine queens red stan thorn up val wal york haver
marl north south west stock whit"""
_ENDS = "bury ton ford ham field wick worth bridge mouth port stead dale"
_TREES = """main church high park mill station school green victoria king queen west east north south spring river lake hill oak
maple cedar elm pine walnut chestnut birch rose garden meadow forest valley mountain sunset washington lincoln franklin jackson
madison jefferson canal market castle abbey chapel court manor grange orchard vicarage cross bridge water"""
_WAYS = ("street", "road", "avenue", "lane", "drive", "close", "way", "place")

NICKNAMES = {
    "robert": "bob", "william": "bill", "richard": "rick", "james": "jim", "john": "jack", "michael": "mike", "thomas": "tom",
    "charles": "charlie", "christopher": "chris", "daniel": "dan", "matthew": "matt", "anthony": "tony", "steven": "steve",
    "andrew": "andy", "joshua": "josh", "kenneth": "ken", "edward": "ted", "timothy": "tim", "benjamin": "ben", "samuel": "sam",
    "gregory": "greg", "alexander": "alex", "elizabeth": "liz", "patricia": "pat", "jennifer": "jen", "susan": "sue",
    "margaret": "peggy", "katherine": "kate", "catherine": "cathy", "rebecca": "becky", "deborah": "debbie", "barbara": "barb",
    "victoria": "vicky", "samantha": "sam", "christine": "chris", "stephanie": "steph", "kimberly": "kim", "amanda": "mandy",
}  # fmt: skip
PROVIDERS = ("gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "aol.com", "gmx.net", "proton.me")


def _invented(starts: str, middles: str, ends: str, n: int) -> list[str]:
    """Make `n` names of syllables, in an order that mixes them."""
    every = [a + b + c for a in starts.split() for b in middles.split() for c in ends.split()]
    return [every[k * 7919 % len(every)] for k in range(min(n, len(every)))]


def _words(known: str, invented: list[str]) -> Words:
    distinct = dict.fromkeys([*known.split(), *invented])
    return np.array(list(distinct), dtype=object)


_rare_first = _invented(
    "ad bel cor del el fi ga he il jo ka li mi na o pe ro se ta vi", "a e i o la ri ne va", "n na ra s lia ko to", 900
)
FEMALE = _words(_FEMALE, _rare_first[::2])
MALE = _words(_MALE, _rare_first[1::2])
SURNAMES = _words(
    _SURNAMES,
    _invented(
        "ab al bar ber bo bran cal car chal da den dor el fal far fin gal gar gol hal har hol ir jar kel ker lan lar lo mal mar "
        "mil mor nar nor ol par pel por quin ral ren ro sal sel sor tal tor ul val ver wal wes yar zel",
        "a e i o an en in on ar er or",
        "ck d dale den dez feld ford ham ira ko l lin low man mer n ner ova r rez s sen ski son ston t ter tti vic well witz",
        20_000,
    ),
)
CITIES = _words("", _invented(_TOWNS, "", _ENDS, 0) + [a + b for b in _ENDS.split() for a in _TOWNS.split()])
STREETS = np.array([f"{tree} {way}" for way in _WAYS for tree in _TREES.split()], dtype=object)


def zipf(rng: np.random.Generator, size: int, n: int, *, flat: float) -> npt.NDArray[np.int64]:
    """Draw `size` ranks below `n` by the law of Zipf and Mandelbrot: rank r as often as 1 / (r + flat)."""
    edges: npt.NDArray[Any] = np.cumsum(1.0 / (np.arange(n) + flat))
    ranks: npt.NDArray[np.int64] = np.searchsorted(edges, rng.random(size) * edges[-1], side="right").clip(max=n - 1)
    return ranks
