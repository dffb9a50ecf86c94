"""Two tables of records: which of the one are which of the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._kernels import clusters as _c
from crmkit.dedupe import _score
from crmkit.dedupe._deduplicate import LEAST_PROBABILITY, check_choices, pairs_frame, report_of
from crmkit.dedupe._levels import checked
from crmkit.dedupe._quality import Quality, quality_of, threshold_for
from crmkit.dedupe._records import prepare
from crmkit.dedupe._train import MAX_PAIRS, Setting, train
from crmkit.dedupe.fields import check_columns
from crmkit.dedupe.model import FellegiSunter, as_probability
from crmkit.errors import OptionError
from crmkit.results import Frozen

TIES = ("first", "drop")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Linkage(Frozen):
    """Which records of two tables are one person. It prints counts, never a record.

    Attributes
    ----------
    links : DataFrame
        The pairs taken, best first: ``left`` and ``right`` (record ids of either table), ``match_weight`` (bits),
        ``probability``.
    pairs : DataFrame
        The pairs compared that reach `min_probability`, with the same columns.
    model : FellegiSunter
        What was learned.
    quality : Quality
        Estimated precision, recall and blocking recall of the pairs above the threshold, before any are left out.
    report : mapping
        Counts: rows, pairs per rule, comparisons, links and more.
    """

    links: Any
    pairs: Any
    model: FellegiSunter
    quality: Quality
    report: Mapping[str, Any]

    def __repr__(self) -> str:
        shown = ("rows", "comparisons", "links", "links_taken", "converged")
        lines = ["Linkage", *(f"  {name:<15}  {self.report[name]}" for name in shown)]
        return "\n".join([*lines, *(f"  {line}" for line in self.quality.lines())])


def link(
    left: Any,
    right: Any,
    /,
    *,
    fields: Mapping[Any, Any],
    blocking: Sequence[str | Sequence[str]] | None = None,
    threshold: float = 0.95,
    id: str | None = None,  # noqa: A002
    one_to_one: bool = False,
    ties: str = "first",
    within: Sequence[str] = (),
    target_precision: float | None = None,
    labels: Any = None,
    term_frequency: Sequence[str] | None = None,
    min_probability: float = LEAST_PROBABILITY,
    max_pairs: int = MAX_PAIRS,
    max_block: int | None = None,
    rng: Any = 0,
    n_threads: int | None = None,
) -> Linkage:
    """Find the records of one table that are the same person as a record of another, without labels.

    Parameters
    ----------
    left, right : DataFrame
        One row per record, both with the columns of `fields`.
    fields : mapping of str to str or list
        What each column to compare holds, as in `deduplicate`.
    blocking : list of str or tuple of str, optional
        Which pairs to compare, as in `candidate_pairs`; by default chosen from the data.
    threshold : float, default 0.95
        Least probability, between 0 and 1, at which a pair is linked.
    id : str, optional
        Column of ids, unique in each table; by default the index of a pandas frame, else the row number.
    one_to_one : bool, default False
        Take each record of either table at most once, the best pairs first.
    ties : str, default "first"
        With `one_to_one`, of two equally good pairs that exclude each other take the one whose records come first in order
        (``"first"``), or neither (``"drop"``).
    within : list of str, optional
        ``"left"`` or ``"right"``: tables whose own records are compared with each other too while learning and blocking. Links
        are of one record of each table all the same.
    target_precision : float, optional
        Instead of `threshold`: the lowest threshold at which the expected precision of the links is this or more.
    labels : DataFrame, optional
        Pairs that somebody judged, as in `fit_fellegi_sunter`.
    term_frequency : list of str, optional
        Fields whose rare values count for more, as in `fit_fellegi_sunter`.
    min_probability : float, default 0.001
        Least probability of a pair in `pairs`; 0 keeps all that were compared.
    max_pairs, max_block : int
        Most pairs to make, about 50 bytes each in memory, and most records in one block, as in `candidate_pairs`.
    rng : int, Generator or None, default 0
        Seed of the random pairs behind u.
    n_threads : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    Linkage
        `links`, `pairs`, `model`, `quality` and `report`.

    Raises
    ------
    ColumnError
        A column is not in both frames.
    DataError
        Ids are missing or not unique, or the frames are of two kinds.
    OptionError
        An option is not one of those accepted.
    LimitError
        The rules would make more than `max_pairs` pairs.

    Examples
    --------
    >>> from crmkit import datasets, dedupe
    >>> contacts = datasets.make_records(n_records=2000)
    >>> shop, service = contacts.records.iloc[:1000], contacts.records.iloc[1000:]
    >>> found = dedupe.link(shop, service, fields=contacts.fields, one_to_one=True)
    >>> bool(found.links["left"].is_unique and found.links["right"].is_unique)
    True
    """
    wanted = checked(fields)
    check_columns([_frame.read(left), _frame.read(right)], wanted)
    setting = Setting.of(wanted, blocking, max_pairs, max_block, term_frequency)
    check_choices(threshold, target_precision, min_probability)
    _options.choice("ties", ties, TIES)
    if isinstance(within, str):
        within = (within,)
    inside = {_options.choice("within", side, ("left", "right")) for side in within}
    same_kind(left, right)
    prepared = prepare([left, right], setting.wanted, id, within=("left" in inside, "right" in inside), n_threads=n_threads)
    trained = train(prepared, setting, labels=labels, rng=_options.generator(rng), n_threads=n_threads)
    weights, _ = _score.pair_weights(trained.model, prepared, trained.compared, n_threads=n_threads)
    sides = prepared.sides.of_row
    rows = trained.compared.left, trained.compared.right
    across = np.flatnonzero(sides[rows[0]] != sides[rows[1]])
    turned = sides[rows[0][across]] > sides[rows[1][across]]
    a = np.where(turned, rows[1][across], rows[0][across])
    b = np.where(turned, rows[0][across], rows[1][across])
    probability = as_probability(weights)
    threshold = threshold_for(probability[across], target_precision) if target_precision is not None else float(threshold)

    linked = np.flatnonzero(probability[across] >= threshold)
    linked = linked[np.lexsort((b[linked], a[linked], -weights[across][linked]))]
    if one_to_one:
        linked = linked[_exclusive(a[linked], b[linked], weights[across][linked], prepared.n, ties)]
    chosen = weights[across][linked]
    of_clusters = ("links_not_followed", "clusters", "duplicates", "largest_cluster")
    counted = {"links": int((probability[across] >= threshold).sum()), **dict.fromkeys(of_clusters, 0)}
    report = dict(report_of(prepared, trained, probability, threshold, counted))
    for name in of_clusters:
        del report[name]
    return Linkage(
        links=pairs_frame(prepared, a[linked], b[linked], chosen, as_probability(chosen), 0.0),
        pairs=pairs_frame(prepared, a, b, weights[across], probability[across], min_probability),
        model=trained.model,
        quality=quality_of(trained.model, prepared, trained, probability, threshold),
        report=MappingProxyType({**report, "links_taken": int(linked.size)}),
    )


def same_kind(first: Any, second: Any) -> None:
    """Refuse two frames of different libraries: their ids could not be told apart from each other."""
    kinds = _frame.read(first).kind, _frame.read(second).kind
    if kinds[0] != kinds[1]:
        msg = f"one frame is {kinds[0]}, the other {kinds[1]}; pass two of one kind"
        raise OptionError(msg)


def _exclusive(
    left: npt.NDArray[np.int32], right: npt.NDArray[np.int32], weights: npt.NDArray[np.float64], n: int, ties: str
) -> npt.NDArray[np.bool_]:
    """Flag the pairs that are taken when the best comes first and each record is taken once."""
    return _c.exclusive(n, _frame.readonly(left), _frame.readonly(right), _frame.readonly(weights), ties == "drop")
