"""New records beside known people: ids that stay, and a list of the people that turn out to be one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from crmkit import _frame, _options
from crmkit._kernels import linkage as _k
from crmkit.dedupe import _score
from crmkit.dedupe._align import cluster_codes
from crmkit.dedupe._deduplicate import LEAST_PROBABILITY, check_choices
from crmkit.dedupe._levels import checked
from crmkit.dedupe._link import same_kind
from crmkit.dedupe._patterns import compare
from crmkit.dedupe._records import per_record, prepare
from crmkit.dedupe._train import MAX_PAIRS, Setting, blocks_of, train
from crmkit.dedupe.model import FellegiSunter, as_probability
from crmkit.errors import DataError, OptionError
from crmkit.results import Frozen


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Assignment(Frozen):
    """Which person every new record is of. It prints counts, never a record.

    Attributes
    ----------
    clusters : Series
        Cluster number of every new record, by record id (elsewhere than in pandas: a frame of id and cluster): that of a known
        person, or a new one, counted on from the highest known.
    merges : DataFrame
        ``cluster`` and ``merged``: known people that a new record shows to be one; the smaller number stays.
    known : Series
        Cluster number of every known record after the merges.
    pairs : DataFrame
        The pairs compared that reach `min_probability`: ``new``, ``other`` (record ids), ``other_is_new``, ``match_weight``,
        ``probability``, best first.
    model : FellegiSunter
        What the pairs were judged by.
    report : mapping
        Counts.
    """

    clusters: Any
    merges: Any
    known: Any
    pairs: Any
    model: FellegiSunter
    report: Mapping[str, Any]

    def __repr__(self) -> str:
        return "\n".join(["Assignment", *(f"  {name:<15}  {value}" for name, value in self.report.items())])


def assign_ids(
    new: Any,
    known: Any,
    clusters: Any,
    /,
    *,
    fields: Mapping[Any, Any] | None = None,
    model: Any = None,
    blocking: Sequence[str | Sequence[str]] | None = None,
    threshold: float = 0.95,
    id: str | None = None,  # noqa: A002
    next_id: int | None = None,
    min_probability: float = LEAST_PROBABILITY,
    max_pairs: int = MAX_PAIRS,
    max_block: int | None = None,
    rng: Any = 0,
    n_threads: int | None = None,
) -> Assignment:
    """Give new records the ids of the people they are of; known people keep theirs.

    Parameters
    ----------
    new, known : DataFrame
        New records, and those clustered before.
    clusters : Series, DataFrame or array
        Cluster number of every known record, as `deduplicate` returns it.
    fields : mapping of str to str or list, optional
        What each column to compare holds, as in `deduplicate`; not needed with `model`.
    model : FellegiSunter, optional
        The model the known records were clustered by: nothing is then learned anew, and one record can be assigned at once. Its
        rules say which pairs are compared.
    blocking : list of str or tuple of str, optional
        Which pairs to compare, as in `candidate_pairs`; by default those of the model's rules.
    threshold : float, default 0.95
        Least probability, between 0 and 1, at which a pair is linked.
    id : str, optional
        Column of ids, unique in each table; by default the index of a pandas frame, else the row number.
    next_id : int, optional
        Number that the first new person gets, by default one above the highest known. Pass ``report["next_id"]`` of the call
        before: the number of a person that was merged into another is then never given again.
    min_probability : float, default 0.001
        Least probability of a pair in `pairs`.
    max_pairs, max_block : int
        Most pairs to make, about 50 bytes each in memory, and most records in one block, as in `candidate_pairs`.
    rng : int, Generator or None, default 0
        Seed of the random pairs behind u.
    n_threads : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    Assignment
        `clusters`, `merges`, `known`, `pairs`, `model` and `report`.

    Raises
    ------
    ColumnError
        A column is not in both frames.
    DataError
        Ids are missing or not unique, a known record has no cluster, or cluster numbers are no whole numbers from 0.
    OptionError
        An option is not one of those accepted, or neither `fields` nor `model` is given.
    LimitError
        The rules would make more than `max_pairs` pairs.

    Notes
    -----
    New records are compared with known ones and with each other, known ones not again. Without `model` the evidence is learned
    from these pairs alone, so that a handful of new records needs one.

    Examples
    --------
    >>> from crmkit import datasets, dedupe
    >>> contacts = datasets.make_records(n_records=2000)
    >>> old, new = contacts.records.iloc[:1900], contacts.records.iloc[1900:]
    >>> found = dedupe.deduplicate(old, contacts.fields)
    >>> given = dedupe.assign_ids(new, old, found.clusters, model=found.model)
    >>> bool(given.clusters.index.equals(new.index))
    True
    """
    check_choices(threshold, None, min_probability)
    same_kind(new, known)
    if model is None and fields is None:
        msg = "pass fields=, or the model= that the known records were clustered by"
        raise OptionError(msg)
    if model is not None and not isinstance(model, FellegiSunter):
        msg = f"model= is a {type(model).__name__}, not a FellegiSunter"
        raise OptionError(msg)
    wanted = _score.wanted(model) if model is not None else checked(fields)
    rules: Any = blocking
    if blocking is None and model is not None:
        rules = list(model.rules.values()) or None
    setting = Setting.of(wanted, rules, max_pairs, max_block)
    prepared = prepare([known, new], wanted, id, within=(False, True))
    of = cluster_codes(clusters, prepared.frames[0], prepared.ids[0], id)
    numbers = _numbers(of)
    free = int(numbers.max(initial=-1)) + 1
    if next_id is not None:
        free = _options.whole("next_id", next_id, low=free)
    if model is None:
        trained = train(prepared, setting, rng=_options.generator(rng), n_threads=n_threads)
        model, compared = trained.model, trained.compared
    else:
        blocks, _ = blocks_of(prepared, setting)
        compared = compare(prepared.fields, blocks, prepared.sides, n_threads=n_threads)
    weights, _ = _score.pair_weights(model, prepared, compared, n_threads=n_threads)
    probability = as_probability(weights)

    # nodes: the known people in the order of their numbers, then the new records in the order of their content
    people = np.unique(numbers)
    node = np.empty(prepared.n, dtype=np.int32)
    is_new = prepared.sides.of_row == 1
    n_known = len(prepared.frames[0])
    node[prepared.place[:n_known]] = np.searchsorted(people, numbers[of.codes])
    new_rows = np.flatnonzero(is_new)
    node[new_rows] = people.size + np.arange(new_rows.size)
    linked = probability >= float(threshold)
    ends = (_frame.readonly(node[rows[linked]]) for rows in (compared.left, compared.right))
    root = _k.components(people.size + new_rows.size, *ends)
    # components are numbered by their smallest node: a component of known people is named after the smallest
    first = np.full(int(root.max(initial=-1)) + 1, -1, dtype=np.int64)
    first[root[::-1]] = np.arange(root.size)[::-1]
    fresh = first >= people.size
    name = np.empty(first.size, dtype=np.int64)
    name[~fresh] = people[first[~fresh]]
    name[fresh] = free + np.arange(int(fresh.sum()))
    by_node = name[root]
    of_new = np.empty(len(prepared.frames[1]), dtype=np.int64)
    of_new[prepared.order[new_rows] - n_known] = by_node[people.size :]
    moved = np.flatnonzero(by_node[: people.size] != people)
    kind = prepared.frames[0].kind
    report = {
        "new_records": int(new_rows.size),
        "to_known": int((of_new < free).sum()),
        "new_clusters": int(fresh.sum()),
        "merges": int(moved.size),
        "comparisons": int(compared.left.size),
        "next_id": free + int(fresh.sum()),
    }
    return Assignment(
        clusters=per_record(prepared.frames[1], id, prepared.ids[1], "cluster", of_new),
        merges=_frame.table({"cluster": by_node[moved], "merged": people[moved]}, kind=kind),
        known=per_record(prepared.frames[0], id, prepared.ids[0], "cluster", by_node[np.searchsorted(people, numbers[of.codes])]),
        pairs=_pairs(prepared, compared, weights, probability, min_probability),
        model=model,
        report=MappingProxyType(report),
    )


def _numbers(of: _frame.Ids) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the cluster numbers, which must be whole and not negative."""
    values = np.asarray(of.labels.as_index())
    if values.size and (values.dtype.kind not in "iu" or values.min() < 0):
        msg = "clusters: cluster numbers are whole numbers from 0, so that new ones can be counted on"
        raise DataError(msg)
    return values.astype(np.int64)


def _pairs(prepared: Any, compared: Any, weights: Any, probability: Any, least: float) -> Any:
    """Return pairs with a new record on one side."""
    sides = prepared.sides.of_row
    kept = np.flatnonzero(probability >= least)
    kept = kept[np.lexsort((compared.right[kept], compared.left[kept], -weights[kept]))]
    left, right = compared.left[kept], compared.right[kept]
    turned = sides[left] < sides[right]
    left, right = np.where(turned, right, left), np.where(turned, left, right)
    both = sides[right] == 1
    other_ids = prepared.ids[0].labels, prepared.ids[1].labels
    labels, known_codes, new_codes = other_ids[0].merge(other_ids[1])
    codes = np.concatenate([known_codes[prepared.ids[0].codes], new_codes[prepared.ids[1].codes]])
    return _frame.table(
        {
            "new": prepared.labelled(left, 1),
            "other": _frame.Labelled(labels, codes[prepared.order[right]]),
            "other_is_new": both,
            "match_weight": weights[kept],
            "probability": probability[kept],
        },
        kind=prepared.frames[0].kind,
    )
