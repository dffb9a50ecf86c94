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
class Survey:
    """Simulated answers and the scores they come from.

    Attributes
    ----------
    survey : DataFrame
        One row per answer: ``customer_id``, ``segment``, ``score`` (0 to 10).
    truth : DataFrame
        One row per segment, indexed by ``segment``: ``nps`` (−100 to 100) and the shares ``promoters``, ``passives``,
        ``detractors``.
    parameters : mapping of str to value
        What the answers were drawn from; ``nps`` is the true score of all, segments alike in size.
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
    response_rate: float = 0.3,
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
    response_rate : float, default 0.3
        Probability that a customer answers, above 0; the same for all, so that those who answer are like those who do not.
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
    """
    shares = _shares(segments)
    response_rate = _options.number("response_rate", response_rate, low=0.0, high=1.0)
    if response_rate == 0.0:
        msg = "response_rate=0 leaves no answer"
        raise OptionError(msg)
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
    answered = np.flatnonzero(random.random(len(asked)) < response_rate)
    if answered.size == 0:
        # a survey without an answer is of no use to anybody; one of those asked does answer
        answered = random.integers(0, len(asked), 1)
    chances = np.array([_chances(row) for row in shares])
    place = random.random(answered.size)
    score = (place[:, None] >= np.cumsum(chances, axis=1)[segment[answered]][:, :-1]).sum(axis=1)
    survey = _frame.table(
        {
            "customer_id": asked["customer_id"].to_numpy()[answered],
            "segment": np.array(list(segments), dtype=object)[segment[answered]],
            "score": score,
        }
    )
    columns = np.array(shares).T
    truth = _frame.table(
        {
            "segment": list(segments),
            "nps": np.round(100.0 * (columns[0] - columns[2]), 10),
            "promoters": columns[0],
            "passives": columns[1],
            "detractors": columns[2],
        }
    ).set_index("segment")
    parameters = {
        "n_customers": len(asked),
        "response_rate": response_rate,
        "segments": MappingProxyType(dict(zip(segments, shares, strict=True))),
        "nps": float(truth["nps"].mean()),
    }
    return Survey(survey, truth, MappingProxyType(parameters))


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
