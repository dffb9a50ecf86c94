"""One record per person: block, compare, learn, score and cluster in one call."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit._kernels import linkage as _k
from crmkit.dedupe import model as _model
from crmkit.dedupe import pairs as _pairs
from crmkit.dedupe.fields import Field, checked, encode_field
from crmkit.dedupe.model import FellegiSunter
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError
from crmkit.results import Frozen

PIECE = 1 << 18  # pairs compared by one piece of work


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Deduplication(Frozen):
    """Which records are one person, by which pairs, under which model. It prints counts, never a record.

    Attributes
    ----------
    clusters : Series
        Cluster number of every record, in the order of the records and indexed by record id (elsewhere than in pandas:
        a frame of id and cluster). Records of one cluster are one person.
    pairs : DataFrame
        Every pair compared, best first: `left` and `right` (record ids), `match_weight` (log2 odds, in bits),
        `probability`.
    model : FellegiSunter
        What was learned.
    report : mapping
        Counts: rows, pairs per rule, comparisons, estimated matches, clusters, largest cluster and more.
    """

    clusters: Any
    pairs: Any
    model: FellegiSunter
    report: Mapping[str, Any]

    def __repr__(self) -> str:
        shown = ("rows", "comparisons", "links", "clusters", "duplicates", "largest_cluster", "converged")
        return "\n".join(["Deduplication", *(f"  {name:<15}  {self.report[name]}" for name in shown)])


def deduplicate(
    records: Any,
    /,
    fields: Mapping[str, Any],
    blocking: Sequence[str | Sequence[str]] | None = None,
    threshold: float = 0.95,
    *,
    id: str | None = None,  # noqa: A002
    max_pairs: int = 20_000_000,
    rng: Any = 0,
    n_threads: int | None = None,
) -> Deduplication:
    r"""Find the records that are the same person, without labels.

    Parameters
    ----------
    records : DataFrame
        One row per record.
    fields : mapping of str to str or list
        What each column to compare holds, three columns or more: ``"name"``, ``"text"``, ``"date"``, ``"email"``,
        ``"phone"``, ``"id"`` (a number or code that identifies) or ``"category"``; or its levels of agreement, best
        first, such as ``["exact", ("jaro_winkler", 0.9)]`` (also ``("levenshtein", edits)``, ``("date_parts", 2)``,
        ``"local_part"``). Case, white space and compatibility forms of characters never matter; an empty or blank value
        is missing.
    blocking : list of str or tuple of str, optional
        Which pairs to compare: those equal on all columns of at least one rule; a rule must leave two fields to judge
        its pairs. By default the rules follow from the data: each field alone if its equality makes at most ten pairs
        per record, combinations of two or three of the other fields under the same bound; twenty pairs per record in
        all.
    threshold : float, default 0.95
        Least probability, between 0 and 1, at which a pair is linked.
    id : str, optional
        Column of unique record ids; by default the index of a pandas frame, which must be unique, else the row number.
    max_pairs : int, default 20,000,000
        Most pairs to make, summed over rules; about 60 bytes each. Known and checked before any is made.
    rng : int, Generator or None, default 0
        Seed of the random pairs behind u; only used where there are more than a million pairs.
    n_threads : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    Deduplication
        `clusters`, `pairs`, `model` and `report`. Cluster numbers follow the content of the records, not their order.

    Raises
    ------
    ColumnError
        A column of `fields`, `blocking` or `id` is not in the frame.
    DataError
        Ids are missing or not unique.
    OptionError
        A kind, level, rule or number is not one of those accepted, or too few fields are left to judge pairs.
    LimitError
        The rules would make more than `max_pairs` pairs; says which rule and how large its worst block is.

    Notes
    -----
    Under a rule that made the pair, level :math:`g_f` of field :math:`f` is :math:`\log_2 (m_{f g_f} / u_{f g_f})` bits of
    evidence; the match weight is their sum over the fields outside the rule plus the log2 odds of :math:`\lambda`, the
    share of matches among the rule's pairs. Missing values add nothing; of several rules the largest weight counts.
    m, one for all rules, and u and :math:`\lambda` of each rule come from the EM algorithm over patterns of agreement.
    u starts from chance agreement (exact from the frequencies of values, fuzzy levels from random pairs) and keeps
    it with the weight of a hundred pairs, or altogether where no rule leaves three fields to judge its pairs. A u per
    rule keeps dependent fields honest: e-mails made of names are alike among people of one name, and are no evidence
    there. Inside a rule, fields count as independent given match or non-match. Clusters are connected components of
    the linked pairs.

    References
    ----------
    Fellegi and Sunter (1969), A theory for record linkage, JASA 64. Winkler (1988), Using the EM algorithm for weight
    computation in the Fellegi-Sunter model. Enamorado, Fifield and Imai (2019), Using a probabilistic model to assist
    merging of large-scale administrative records, APSR 113(2).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import dedupe
    >>> people = pd.DataFrame(
    ...     {
    ...         "name": ["Ann Lee", "Anne Lee", "Bob Ray", "Cy Poe", "Di Fox", "Ed Orr"],
    ...         "email": ["ann@x.org", "ann@x.org", "bob@x.org", "cy@y.net", "di@y.net", "ed@z.com"],
    ...         "born": ["1980-02-03", "1980-02-03", "1975-12-24", "1990-06-01", "1966-01-30", ""],
    ...     }
    ... )
    >>> found = dedupe.deduplicate(people, fields={"name": "name", "email": "email", "born": "date"}, threshold=0.5)
    >>> bool(found.clusters[0] == found.clusters[1])
    True
    >>> int(found.clusters.nunique())
    5
    """
    frame = _frame.read(records)
    wanted = checked(fields)
    _check_numbers(threshold, max_pairs)
    for column in wanted:
        if column not in frame.columns:
            raise ColumnError.missing(column, frame.columns, keyword="fields")
    if blocking is None and len(wanted) < 1 + _pairs.FIELDS_TO_JUDGE:
        msg = (
            f"fields= names {len(wanted)}: one chooses the pairs and at least two others must judge them. Name three or "
            "more, or choose pairs by other columns with blocking="
        )
        raise OptionError(msg)
    ids = record_ids(frame, id)
    encoded = [encode_field(frame, column, kind, levels) for column, (kind, levels) in wanted.items()]

    # from here on rows stand in the order of their content; what is random or numbered follows that order
    order = np.lexsort((ids.codes, *(field.codes for field in reversed(encoded))))
    ordered = [field.reordered(order) for field in encoded]
    n = len(frame)

    left_out: list[_pairs.Rule] = []
    if blocking is None:
        blocks, left_out = _pairs.default_blocks(ordered, max_pairs)
    else:
        blocks = _pairs.given_blocks(frame, blocking, ordered, order)
    _pairs.check_limit(blocks, n, max_pairs)
    left, right, added = _pairs.emit(blocks, n_threads=n_threads)

    patterns, rules = _patterns(ordered, blocks, left, right, n_threads)
    agreement = patterns.levels[:, : len(ordered)]
    model = _model.fit_patterns(
        agreement,
        patterns.counts,
        kinds={field.column: field.kind for field in ordered},
        levels={field.column: field.levels for field in ordered},
        u=_model.chance_agreement(ordered, _options.generator(rng), n_threads=n_threads),
        rules=rules,
        total=n * (n - 1) / 2.0,
    )

    weights = model.match_weight(agreement, made_by={rule: made.patterns for rule, made in rules.items()})
    probabilities = _model.as_probability(weights)
    linked = (probabilities >= threshold)[patterns.of_pair]
    number = _k.components(n, _frame.readonly(left[linked]), _frame.readonly(right[linked]))
    clusters = np.empty(n, dtype=np.int64)
    clusters[order] = number

    sizes = np.bincount(number, minlength=0)
    report = {
        "rows": n,
        "missing": {field.column: int((field.codes < 0).sum()) for field in ordered},
        "rows_without_any_value": int(np.logical_and.reduce([field.codes < 0 for field in ordered]).sum()) if n else 0,
        "possible_pairs": n * (n - 1) // 2,
        "pairs_per_rule": {rule.name: rule.n_pairs for rule in blocks},
        "new_pairs_per_rule": {rule.name: new for rule, new in zip(blocks, added, strict=True)},
        "rules_left_out": tuple(" + ".join(rule) for rule in left_out),
        "comparisons": int(left.size),
        "patterns": int(patterns.counts.size),
        "iterations": model.iterations,
        "converged": model.converged,
        "estimated_matches": float((patterns.counts * probabilities).sum()),
        "threshold": float(threshold),
        "links": int(linked.sum()),
        "clusters": int(sizes.size),
        "duplicates": int(n - sizes.size),
        "largest_cluster": int(sizes.max()) if n else 0,
    }
    return Deduplication(
        clusters=_clusters_of(frame, id, ids, clusters),
        pairs=_pairs_frame(frame.kind, ids, order, left, right, weights, probabilities, patterns.of_pair),
        model=model,
        report=MappingProxyType(report),
    )


def record_ids(frame: _frame.Frame, column: str | None) -> _frame.Ids:
    """Encode the id of every record, which must be there and unique: a column, the pandas index, or the row number."""
    if column is not None:
        ids, place = _frame.ids(frame, column, keyword="id"), f"column {column!r}"
    elif frame.kind == "pandas":
        ids, place = _frame.encode(frame.native.index.to_series(), "pandas", "index"), "the index"
    else:
        rows = _frame.table({"row": np.arange(len(frame), dtype=np.int64)}, kind=frame.kind)
        ids, place = _frame.ids(rows, "row"), "the row number"
    missing = ids.codes < 0
    if missing.any():
        count, row = _frame.first_place(missing)
        msg = f"{place}: {count:,} missing record ids, the first in row {row}; give every record an id"
        raise DataError(msg)
    if len(ids.labels) < len(frame):
        first = np.zeros(len(frame), dtype=np.bool_)
        first[np.unique(ids.codes, return_index=True)[1]] = True
        count, row = _frame.first_place(~first)
        msg = (
            f"{place}: {count:,} records repeat the id of another, the first in row {row}; number them anew with "
            "reset_index(drop=True), or name a column of unique ids with id="
        )
        raise DataError(msg)
    return ids


def _check_numbers(threshold: Any, max_pairs: Any) -> None:
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float, np.floating)) or not 0.0 < threshold < 1.0:
        msg = f"threshold={threshold!r} is not a probability strictly between 0 and 1"
        raise OptionError(msg)
    if isinstance(max_pairs, bool) or not isinstance(max_pairs, (int, np.integer)) or max_pairs < 1:
        msg = f"max_pairs={max_pairs!r} is not a whole number of at least 1"
        raise OptionError(msg)


def _patterns(
    fields: Sequence[Field],
    blocks: Sequence[_pairs.Blocks],
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    n_threads: int | None,
) -> tuple[_model.Patterns, dict[str, _model.Made]]:
    """Compare the pairs, and say which patterns each rule made."""

    def work(piece: tuple[int, int]) -> list[npt.NDArray[np.int8]]:
        return [field.compare(left[slice(*piece)], right[slice(*piece)]) for field in fields]

    compared = _threads.run(work, _threads.chunks(left.size, PIECE), n_threads=n_threads)
    nothing = np.empty(0, dtype=np.int8)
    columns = [np.concatenate([nothing, *(piece[f] for piece in compared)]) for f in range(len(fields))]
    best = {field.column: len(field.levels) for field in fields}
    # a column that only blocks is not evidence, but which rule made a pair must be told from its pattern
    outside = [rule for rule in blocks if set(rule.rule) - set(best)]
    columns += [((rule.keys[left] >= 0) & (rule.keys[left] == rule.keys[right])).astype(np.int8) for rule in outside]
    patterns = _model.collapse(columns, [*(len(field.levels) + 1 for field in fields), *([2] * len(outside))])

    names = list(best)
    # a field of one value judges nothing
    judges = {b.name: {field.column for field in fields if field.n_values > 1} - set(b.rule) for b in blocks}
    # two classes are identified by three fields; where those have taught m, two are enough
    taught = set().union(*(judging for judging in judges.values() if len(judging) >= _model.FIELDS_FOR_OWN_U))
    rules = {}
    for rule in blocks:
        if rule in outside:
            made = patterns.levels[:, len(fields) + outside.index(rule)] == 1
        else:
            used = [names.index(column) for column in rule.rule]
            made = (patterns.levels[:, used] == [best[column] for column in rule.rule]).all(axis=1)
        if not made.any():
            continue
        judging = judges[rule.name]
        if len(judging) < _pairs.FIELDS_TO_JUDGE:
            msg = (
                f"the pairs made by the rule {rule.rule!r} are judged by {sorted(judging)} only, since the other fields "
                "have no two different values: their probabilities rest on assumptions. Compare more fields; "
                "warnings.simplefilter silences this"
            )
            warnings.warn(msg, DataWarning, stacklevel=3)
        rules[rule.name] = _model.Made(rule.rule, made, own_u=len(judging) >= _pairs.FIELDS_TO_JUDGE and judging <= taught)
    return patterns, rules


def _clusters_of(frame: _frame.Frame, column: str | None, ids: _frame.Ids, clusters: npt.NDArray[np.int64]) -> Any:
    if frame.kind == "pandas" and column is None:
        return _frame.series_like(frame, "cluster", clusters)
    name = column if column is not None else "row"
    per_id = _frame.table({"cluster": clusters}, keys={name: _frame.Labelled(ids.labels, ids.codes)}, kind=frame.kind)
    return per_id.set_index(name)["cluster"] if frame.kind == "pandas" else per_id


def _pairs_frame(
    kind: str,
    ids: _frame.Ids,
    order: npt.NDArray[np.int64],
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64],
    probabilities: npt.NDArray[np.float64],
    of_pair: npt.NDArray[np.int32],
) -> Any:
    # best first; ties by the content of the records, since rows are in its order
    place = np.lexsort((right, left, -weights[of_pair]))
    codes = ids.codes[order]
    return _frame.table(
        {
            "left": _frame.Labelled(ids.labels, codes[left[place]]),
            "right": _frame.Labelled(ids.labels, codes[right[place]]),
            "match_weight": weights[of_pair[place]],
            "probability": probabilities[of_pair[place]],
        },
        kind=kind,
    )
