"""Answers to "how likely are you to recommend us", with the true score of every segment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, _options
from crmkit.datasets._names import names
from crmkit.errors import DataError, OptionError
from crmkit.results import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Survey", "make_survey"]

#: Segment -> shares of promoters, passives and detractors.
SEGMENTS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {"Marketplace": (0.25, 0.35, 0.40), "Online": (0.45, 0.30, 0.25), "Shop": (0.60, 0.28, 0.12)}
)
# within promoters 9 and 10, passives 7 and 8, detractors 0 to 6: people avoid the very low answers
WITHIN = ((0.45, 0.55), (0.40, 0.60), (0.06, 0.04, 0.06, 0.10, 0.14, 0.30, 0.30))
FIRST = (9, 7, 0)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Survey(Shown):
    """Simulated answers and the scores they come from.

    Attributes
    ----------
    survey : DataFrame
        One row per answer: ``customer_id``, ``segment``, ``score`` (0 to 10); with several waves ``wave`` (from 1) and
        ``timestamp``; with drivers a column for each, from 1 to 5.
    truth : DataFrame
        One row per segment, indexed by ``segment``: ``nps`` (−100 to 100), the shares ``promoters``, ``passives``,
        ``detractors``, and how many ``customers`` of it were asked. With several waves indexed by ``segment`` and ``wave``.
    parameters : mapping of str to value
        What the answers were drawn from; ``nps`` is the true score of all in the first wave, segments alike in size.
    """

    survey: pd.DataFrame
    truth: pd.DataFrame
    parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        asked, score = self.parameters["n_customers"], self.parameters["nps"]
        return f"Survey: {len(self.survey):,} answers of {asked:,} customers in {len(self.truth)} segments, true score {score:g}"


def make_survey(
    customers: Any = None,
    /,
    *,
    n_customers: int = 1000,
    segments: Mapping[str, tuple[float, float, float]] = SEGMENTS,
    response_rate: float | Mapping[str, float] = 0.3,
    drivers: Mapping[str, float] | None = None,
    waves: int = 1,
    drift: float = 0.0,
    start: str = "2024-01-01",
    rng: Any = 0,
) -> Survey:
    """Simulate a survey: some customers answer from 0 to 10, as their segment is inclined to.

    Parameters
    ----------
    customers : array-like, optional
        Ids of the customers who were asked, such as ``make_transactions().truth.index``. Default: C00001, C00002 …
    n_customers : int, default 1000
        How many were asked, where `customers` are not given.
    segments : mapping of str to three shares, optional
        Segment -> shares of promoters, passives and detractors, which add up to 1. Customers belong to each of them with the
        same probability.
    response_rate : float or mapping of str to float, default 0.3
        Probability that a customer answers, above 0. One for all: those who answer are like those who do not. One for each
        segment: they are not, and only weights make them so.
    drivers : mapping of str to float, optional
        Ratings from 1 to 5 that go with the score, and how closely: the correlation of the rating, before it is rounded, with the
        score, from −1 to 1.
    waves : int, default 1
        How often all customers are asked, a month apart.
    drift : float, default 0
        Points by which the true score of every segment moves from wave to wave: as many points of detractors become promoters.
    start : str, default "2024-01-01"
        First day of the first wave; answers come in within four weeks.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.

    Returns
    -------
    Survey
        `survey`, `truth` and `parameters`.

    Raises
    ------
    DataError
        `customers` is empty or holds an id twice.
    OptionError
        A parameter is out of its range, or the shares of a segment do not add up to 1.

    Examples
    --------
    >>> from crmkit import datasets, feedback
    >>> answers = datasets.make_survey(n_customers=20_000)
    >>> answers.truth["nps"].to_dict()
    {'Marketplace': -15.0, 'Online': 20.0, 'Shop': 48.0}
    >>> found = feedback.nps(answers.survey, by="segment")
    >>> bool((found["ci_low"] < answers.truth["nps"]).all())
    True

    Those who answer need not be like those who do not:

    >>> biased = datasets.make_survey(n_customers=20_000, response_rate={"Marketplace": 0.1, "Online": 0.2, "Shop": 0.6})
    >>> base = biased.truth["customers"]
    >>> weights = feedback.poststratify(biased.survey, by="segment", targets=base.to_dict())
    >>> round(biased.parameters["nps"]), round(feedback.nps(biased.survey).value)
    (18, 34)
    >>> round(feedback.nps(biased.survey, weight=weights).value)
    17
    """
    shares = _shares(segments)
    rates = _rates(response_rate, segments)
    strengths = _strengths(drivers)
    waves = _options.whole("waves", waves, low=1)
    moved = [
        _drifted(row, _options.number("drift", drift, low=-200.0, high=200.0) * wave) for wave in range(waves) for row in shares
    ]
    first_day = _first_day(start)
    ids = names("C", _options.whole("n_customers", n_customers, low=1), digits=5) if customers is None else customers
    asked = _frame.table({"customer_id": np.asarray(ids)})
    if len(asked) == 0:
        msg = "customers is empty: nobody is asked"
        raise DataError(msg)
    twice = asked["customer_id"].duplicated().to_numpy()
    if twice.any():
        count, row = _frame.first_place(twice)
        msg = f"customers: {count:,} ids are there before, the first at position {row}; pass each customer once"
        raise DataError(msg)
    random = _options.generator(rng)
    segment = random.integers(0, len(shares), len(asked))
    parts = [
        _wave(random, segment, rates, np.array([_chances(row) for row in moved[wave * len(shares) : (wave + 1) * len(shares)]]))
        for wave in range(waves)
    ]
    answered = np.concatenate([who for who, _ in parts])
    score = np.concatenate([given for _, given in parts])
    wave = np.repeat(np.arange(1, waves + 1), [who.size for who, _ in parts])
    columns: dict[str, Any] = {
        "customer_id": asked["customer_id"].to_numpy()[answered],
        "segment": np.array(list(segments), dtype=object)[segment[answered]],
        "score": score,
    }
    if waves > 1:
        # twenty-eight days for the answers, the next wave a month after the last
        months = (first_day.astype("datetime64[M]") + (wave - 1)).astype("datetime64[D]")
        day = months + (first_day - first_day.astype("datetime64[M]").astype("datetime64[D]"))
        seconds = random.integers(0, 28 * 86_400, wave.size).astype("timedelta64[s]")
        columns |= {"wave": wave, "timestamp": day.astype("datetime64[s]") + seconds}
    for name, strength in strengths.items():
        columns[name] = _ratings(random, score, strength)

    asked_by_segment = np.bincount(segment, minlength=len(shares))
    truth_columns = np.array(moved).T
    truth = _frame.table(
        {
            "segment": list(segments) * waves,
            "wave": np.repeat(np.arange(1, waves + 1), len(shares)),
            "nps": np.round(100.0 * (truth_columns[0] - truth_columns[2]), 10),
            "promoters": truth_columns[0],
            "passives": truth_columns[1],
            "detractors": truth_columns[2],
            "customers": np.tile(asked_by_segment, waves),
        }
    )
    truth = truth.drop(columns="wave").set_index("segment") if waves == 1 else truth.set_index(["segment", "wave"])
    parameters = {
        "n_customers": len(asked),
        "response_rate": response_rate if not isinstance(response_rate, Mapping) else MappingProxyType(dict(response_rate)),
        "segments": MappingProxyType(dict(zip(segments, shares, strict=True))),
        "nps": float(truth["nps"].iloc[: len(shares)].mean()),
        "drivers": MappingProxyType(strengths),
        "waves": waves,
        "drift": float(drift),
    }
    return Survey(_frame.table(columns), truth, MappingProxyType(parameters))


def _wave(random: np.random.Generator, segment: Any, rates: Any, chances: Any) -> tuple[Any, Any]:
    """Draw who answers, and what."""
    answered = np.flatnonzero(random.random(segment.size) < rates[segment])
    if answered.size == 0:
        # a survey without an answer is of no use to anybody; one of those asked does answer
        answered = random.integers(0, segment.size, 1)
    place = random.random(answered.size)
    return answered, (place[:, None] >= np.cumsum(chances, axis=1)[segment[answered]][:, :-1]).sum(axis=1)


def _ratings(random: np.random.Generator, score: Any, strength: float) -> Any:
    """Draw ratings from 1 to 5 that go with the score as closely as asked for."""
    spread = score.std()
    off = (score - score.mean()) / (spread if spread > 0.0 else 1.0)
    latent = strength * off + np.sqrt(1.0 - strength**2) * random.standard_normal(score.size)
    return np.clip(np.round(3.0 + 1.1 * latent), 1, 5).astype(np.int64)


def _rates(given: float | Mapping[str, float], segments: Mapping[str, Any]) -> Any:
    """Return the response rate of each segment."""
    rates = given if isinstance(given, Mapping) else dict.fromkeys(segments, given)
    if set(rates) != set(segments):
        msg = f"response_rate= has {sorted(rates)}, the segments are {sorted(segments)}: give each of them a rate"
        raise OptionError(msg)
    checked = {name: _options.number("response_rate", rate, low=0.0, high=1.0) for name, rate in rates.items()}
    if min(checked.values()) == 0.0:
        msg = "response_rate=0 leaves no answer"
        raise OptionError(msg)
    return np.array([checked[name] for name in segments])


def _strengths(drivers: Mapping[str, float] | None) -> dict[str, float]:
    taken = {"customer_id", "segment", "score", "wave", "timestamp"} & set(drivers or {})
    if taken:
        msg = f"drivers= has {sorted(taken)}, which are columns already"
        raise OptionError(msg)
    return {name: _options.number("drivers", value, low=-1.0, high=1.0) for name, value in (drivers or {}).items()}


def _drifted(shares: tuple[float, float, float], points: float) -> tuple[float, float, float]:
    """Turn detractors into promoters until the score has moved by so many points."""
    promoters, passives, detractors = shares
    step = points / 200.0
    if not (promoters + step >= -1e-12 and detractors - step >= -1e-12):
        msg = f"drift moves a segment by {points:g} points in all, past what its promoters and detractors allow"
        raise OptionError(msg)
    return max(promoters + step, 0.0), passives, max(detractors - step, 0.0)


def _first_day(start: str) -> Any:
    try:
        return np.datetime64(start, "D")
    except (TypeError, ValueError) as error:
        msg = f"start={start!r} is not a date such as '2024-01-01'"
        raise OptionError(msg) from error


def _shares(segments: Mapping[str, tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    if not segments:
        msg = "segments is empty: give at least one name and its shares of promoters, passives and detractors"
        raise OptionError(msg)
    checked = []
    for name, given in segments.items():
        try:
            promoters, passives, detractors = (float(share) for share in given)
        except (TypeError, ValueError) as error:
            msg = f"segment {name!r}: {given!r} is not three shares of promoters, passives and detractors"
            raise OptionError(msg) from error
        if not (min(promoters, passives, detractors) >= 0.0 and abs(promoters + passives + detractors - 1.0) < 1e-9):
            msg = f"segment {name!r}: the shares {given!r} must be zero or more and add up to 1"
            raise OptionError(msg)
        checked.append((promoters, passives, detractors))
    return checked


def _chances(shares: tuple[float, float, float]) -> list[float]:
    """Probability of each answer from 0 to 10."""
    chances = [0.0] * 11
    for share, within, first in zip(shares, WITHIN, FIRST, strict=True):
        for step, part in enumerate(within):
            chances[first + step] = share * part
    return chances
