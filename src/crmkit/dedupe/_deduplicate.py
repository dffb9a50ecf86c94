"""One record per person: block, compare, learn, score and cluster in one call."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._kernels import linkage as _k
from crmkit.dedupe import _certain, _cluster, _score
from crmkit.dedupe import pairs as _pairs
from crmkit.dedupe._copies import Copies
from crmkit.dedupe._levels import checked
from crmkit.dedupe._patterns import Compared
from crmkit.dedupe._quality import Quality, quality_of, threshold_for
from crmkit.dedupe._records import Prepared, per_record
from crmkit.dedupe._steps import ids_of_pairs
from crmkit.dedupe._train import MAX_PAIRS, Setting, Trained, named, prepared_for, train
from crmkit.dedupe.fields import check_columns, encode_field
from crmkit.dedupe.model import FellegiSunter, as_probability
from crmkit.errors import DataWarning, OptionError
from crmkit.results import Frozen

Codes = npt.NDArray[np.int32]
LEAST_PROBABILITY = 0.001


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Deduplication(Frozen):
    """Which records are one person, by which pairs, under which model. It prints counts, never a record.

    Attributes
    ----------
    clusters : Series
        Cluster number of every record, in the order of the records and indexed by record id (elsewhere than in pandas:
        a frame of id and cluster). Records of one cluster are one person.
    pairs : DataFrame
        The pairs compared that reach `min_probability`, best first: `left` and `right` (record ids), `match_weight` (log2
        odds, in bits), `probability`; with `same` or `veto` also `decided`, by the model or by one of these. Of records that are
        alike in everything compared, the pairs are listed too, unless all pairs were more than `max_pairs`: then, with a warning,
        each is listed once beside the first of them, which stands for all.
    sizes : DataFrame
        One row per cluster of two records or more, the largest first, as in `Clusters`.
    model : FellegiSunter
        What was learned.
    quality : Quality
        Estimated precision, recall and blocking recall with intervals, and in words where they cannot be told.
    households : Series or None
        Household number of every record, where `household` was given.
    report : mapping
        Counts: rows, copies of another row, pairs per rule, comparisons, the pairs of records these stand for, estimated matches
        and links (of records), clusters, largest cluster and more.
    """

    clusters: Any
    pairs: Any
    sizes: Any
    model: FellegiSunter
    quality: Quality
    households: Any
    report: Mapping[str, Any]

    def __repr__(self) -> str:
        shown = ("rows", "comparisons", "links", "clusters", "duplicates", "largest_cluster", "converged")
        lines = ["Deduplication", *(f"  {name:<15}  {self.report[name]}" for name in shown)]
        return "\n".join([*lines, *(f"  {line}" for line in self.quality.lines())])


def deduplicate(
    records: Any,
    /,
    fields: Mapping[Any, Any],
    blocking: Sequence[str | Sequence[str]] | None = None,
    threshold: float = 0.95,
    *,
    id: str | None = None,  # noqa: A002
    target_precision: float | None = None,
    method: str = "connected",
    same: Sequence[str | Sequence[str]] = (),
    veto: Sequence[str | Sequence[str]] = (),
    household: Sequence[str] | None = None,
    labels: Any = None,
    term_frequency: Sequence[str] | None = None,
    min_probability: float = LEAST_PROBABILITY,
    max_pairs: int = MAX_PAIRS,
    max_block: int | None = None,
    max_cluster: int = _cluster.LARGE,
    rng: Any = 0,
    n_threads: int | None = None,
) -> Deduplication:
    r"""Find the records that are the same person, without labels.

    Parameters
    ----------
    records : DataFrame
        One row per record.
    fields : mapping of str to str or list
        What each column to compare holds, three columns or more: ``"name"``, ``"text"``, ``"address"``, ``"date"``,
        ``"email"``, ``"phone"``, ``"id"`` (a number or code that identifies), ``"category"``, ``"number"``, ``"set"`` (words
        between ``;``) or ``"geo"`` (two columns as the key, ``("lat", "lon")``, in degrees); or its levels of agreement, best
        first, such as ``["exact", ("jaro_winkler", 0.9)]`` (also ``("levenshtein", edits)``, ``("osa", edits)``,
        ``("date_parts", 2)``, ``("days", most)``, ``"swapped"``, ``"local_part"``, ``("difference", most)``,
        ``("percent", most)``, ``("km", most)``, ``("overlap", words)``, ``("jaccard", share)``, ``("reversed", other column)``).
        ``("date", [levels])`` keeps the kind: its normal form, and what is known of it (dates of birth and names are a person's
        own, rare names count for more). A list alone is taken for text, unless a level tells its kind.
        Values are brought into a normal form: case, white space, titles, punctuation, forms of characters and of dates do not
        matter; an empty or blank value or a placeholder ("n/a", 1900-01-01) is missing.
    blocking : list of str or tuple of str, optional
        Which pairs to compare: those equal on all columns of at least one rule, as in `candidate_pairs`; a rule must leave two
        fields to judge its pairs. By default the rules follow from the data: each field alone if its equality makes at most ten
        pairs per record, combinations of two or three of the other fields under the same bound; twenty pairs per record in
        all.
    threshold : float, default 0.95
        Least probability, between 0 and 1, at which a pair is linked.
    id : str, optional
        Column of unique record ids; by default the index of a pandas frame, which must be unique, else the row number.
    target_precision : float, optional
        Instead of `threshold`: the lowest threshold at which the expected precision of the links is this or more.
    method : str, default "connected"
        How links become clusters: ``"connected"``, ``"best_link"``, ``"complete"`` or ``"average"``, as in `cluster_pairs`.
    same : list of str or tuple of str, optional
        What makes two records certainly one person: rules as in `blocking` (``["tax_id", ("email", "date_of_birth")]``). Records
        equal by one of them are linked, whatever else differs and whether or not they were compared.
    veto : list of str or tuple of str, optional
        What makes them certainly two: records that differ in a column (of a tuple: in all of its columns), both values there,
        are never put into one cluster. A veto is stronger than `same`. A column of `fields` counts in its normal form.
    household : list of str, optional
        Columns that people of one household share, such as ``["last_name", "street", "postcode"]``: `households` then joins
        people with a record each that are equal on all of them.
    labels : DataFrame, optional
        Pairs that somebody judged, as in `fit_fellegi_sunter`.
    term_frequency : list of str, optional
        Fields whose rare values count for more, as in `fit_fellegi_sunter`.
    min_probability : float, default 0.001
        Least probability of a pair in `pairs`; 0 keeps all that were compared.
    max_pairs : int, default 20,000,000
        Most pairs to make, summed over rules; about 50 bytes each at the peak. Known and checked before any is made.
    max_block : int, optional
        Most records in one block.
    max_cluster : int, default 100
        A cluster with more records is warned of.
    rng : int, Generator or None, default 0
        Seed of the random pairs behind u; only used where there are more than a million pairs.
    n_threads : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    Deduplication
        `clusters`, `pairs`, `sizes`, `model`, `quality`, `households` and `report`. Cluster numbers follow the content of the
        records, not their order.

    Raises
    ------
    ColumnError
        A column of `fields`, `blocking`, `veto`, `household` or `id` is not in the frame.
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
    share of matches among the rule's pairs, plus what rare values add. Missing values add nothing; of several rules the largest
    weight counts. m, one for all rules, and u and :math:`\lambda` of each rule come from the EM algorithm over patterns of
    agreement (see `fit_fellegi_sunter`). A u per rule keeps dependent fields honest: e-mails made of names are alike among people
    of one name, and are no evidence there. Inside a rule, fields count as independent given match or non-match.
    Records that are alike in all fields and columns of rules are compared once, and count as often as they are there in all
    that is estimated; but no more than ten of them are learned from, for a record exported a thousand times says no more about
    people than one. The model is learned without `same` and `veto`; they decide links and clusters, and what is told of these.
    The steps are those of `candidate_pairs`, `compare_pairs`, `fit_fellegi_sunter`, `score_pairs` and `cluster_pairs`.

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
    wanted = checked(fields)
    check_columns([_frame.read(records)], wanted)
    setting = Setting.of(wanted, blocking, max_pairs, max_block, term_frequency)
    check_choices(threshold, target_precision, min_probability)
    _options.choice("method", method, _cluster.METHODS)
    max_cluster = _options.whole("max_cluster", max_cluster, low=1)
    frame = _frame.read(records)
    certain = _certain.rules_of(same, [*frame.columns, *named(wanted)]), _certain.vetoes_of(veto, frame)
    also = [*(part.column for rule in certain[0] for part in rule), *(column for columns in certain[1] for column in columns)]
    prepared = prepared_for(records, setting, id, also=also, n_threads=n_threads)
    frame, ids, n = prepared.frames[0], prepared.ids[0], prepared.n
    sure = _certain.certain(prepared, *certain)
    trained = train(prepared, setting, labels=labels, rng=_options.generator(rng), n_threads=n_threads)
    model, compared = trained.model, trained.compared

    weights, _ = _score.pair_weights(model, prepared, compared, n_threads=n_threads)
    by_model = as_probability(weights)
    settled = sure.settled(compared.left, compared.right) if sure.anything else None
    probability = by_model if settled is None else _certain.probability_of(by_model, settled)
    threshold = float(threshold)
    if target_precision is not None:
        threshold = threshold_for(probability, target_precision, compared.times)
    # of what is no link, only the mean over the pairs between clusters takes notice
    cut = 0.0 if method == "average" else threshold
    pair, left, right, node = _pairs_of_records(prepared.copies, compared, probability, threshold, cut)
    number = _cluster.clustered(
        n, left, right, probability[pair], threshold, method, sure.vetoes, sure.veto_of, sure=sure.links(), node=node
    )
    sizes, counted = _cluster.described(number, compared.left, compared.right, probability, threshold, compared.times)
    _cluster.warn_of_giants(counted, max_cluster)
    of_row = np.empty(n, dtype=np.int64)
    of_row[prepared.order] = number
    return Deduplication(
        clusters=per_record(frame, id, ids, "cluster", of_row),
        pairs=_listed(prepared, compared, weights, by_model, settled, threshold, min_probability, setting.max_pairs),
        sizes=_frame.table(sizes, kind=frame.kind),
        model=model,
        quality=quality_of(model, prepared, trained, probability, threshold, by_model),
        households=None if household is None else _households(prepared, household, of_row),
        report=report_of(prepared, trained, probability, threshold, counted, settled),
    )


def check_choices(threshold: Any, target_precision: Any, min_probability: Any) -> None:
    """Refuse what is no probability."""
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float, np.floating)) or not 0.0 < threshold < 1.0:
        msg = f"threshold={threshold!r} is not a probability strictly between 0 and 1"
        raise OptionError(msg)
    if target_precision is not None:
        _options.number("target_precision", target_precision, low=0.0, high=1.0, ends=False)
    _options.number("min_probability", min_probability, low=0.0, high=1.0)


def report_of(
    prepared: Prepared,
    trained: Trained,
    probability: npt.NDArray[np.float64],
    threshold: float,
    counted: Mapping[str, Any],
    settled: npt.NDArray[np.int8] | None = None,
) -> Mapping[str, Any]:
    """Count what a call did."""
    fields, compared, model = prepared.fields, trained.compared, trained.model
    n, copies = prepared.n, prepared.copies
    own = 0 if copies is None else int((compared.left == compared.right).sum())
    certain = {}
    if settled is not None:
        certain = {
            f"certain_{_certain.WORDS[kind]}": int(compared.total(settled == kind)) for kind in (_certain.SAME, _certain.APART)
        }
    return MappingProxyType(
        {
            "rows": n,
            "missing": {field.column: int((field.codes < 0).sum()) for field in fields},
            "rows_without_any_value": int(np.logical_and.reduce([field.codes < 0 for field in fields]).sum()) if n else 0,
            "possible_pairs": prepared.sides.total(),
            "pairs_per_rule": _pairs.pairs_per_rule(trained.blocks),
            "new_pairs_per_rule": dict(compared.added),
            "rules_left_out": tuple(trained.left_out),
            "copies": 0 if copies is None else n - int(copies.first.sum()),
            "comparisons": int(compared.left.size) - own,
            "pairs": compared.left.size if compared.times is None else int(compared.times.sum()),
            "patterns": int(compared.patterns.counts.size),
            "iterations": model.iterations,
            "converged": model.converged,
            "estimated_matches": compared.total(probability),
            **certain,
            "threshold": float(threshold),
            **{name: counted[name] for name in ("links", "links_not_followed", "clusters", "duplicates", "largest_cluster")},
        }
    )


def pairs_frame(
    prepared: Prepared,
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64],
    probability: npt.NDArray[np.float64],
    least: float = 0.0,
    settled: npt.NDArray[np.int8] | None = None,
) -> Any:
    """Return the pairs of at least some probability, best first; ties by the content of the records."""
    kept = np.flatnonzero(probability >= least)
    kept = kept[np.lexsort((right[kept], left[kept], -weights[kept]))]
    return _frame.table(
        {
            **ids_of_pairs(prepared, left[kept], right[kept]),
            "match_weight": weights[kept],
            "probability": probability[kept],
            **({} if settled is None else {"decided": _frame.Categories(settled[kept].astype(np.int32), list(_certain.WORDS))}),
        },
        kind=prepared.frames[0].kind,
    )


def _listed(
    prepared: Prepared,
    compared: Compared,
    weights: npt.NDArray[np.float64],
    probability: npt.NDArray[np.float64],
    settled: npt.NDArray[np.int8] | None,
    threshold: float,
    least: float,
    most: int,
) -> Any:
    """Return the pairs of records of at least some probability, and those that are certainly one person."""
    enough = probability >= least if settled is None else (probability >= least) | (settled == _certain.SAME)
    copies, times, kept = prepared.copies, compared.times, np.flatnonzero(enough)
    left, right = compared.left[kept], compared.right[kept]
    if copies is not None and times is not None:
        if int(times[kept].sum()) <= most:
            number, left, right = copies.every(left, right)
        else:
            sure = probability[kept] if settled is None else _certain.probability_of(probability[kept], settled[kept])
            number, left, right = copies.spread(left, right, sure, threshold)
            msg = (
                f"with records that are alike there are {int(times[kept].sum()):,} pairs to list, more than max_pairs={most:,}: "
                "`pairs` has such records once, beside the first; clusters and estimates are complete. Drop records that are "
                "there very often, or raise max_pairs; warnings.simplefilter silences this"
            )
            warnings.warn(msg, DataWarning, stacklevel=3)
        kept = kept[number]
    certain = None if settled is None else settled[kept]
    return pairs_frame(prepared, left, right, weights[kept], probability[kept], settled=certain)


def _pairs_of_records(
    copies: Copies | None, compared: Compared, probability: npt.NDArray[np.float64], threshold: float, least: float
) -> tuple[Any, Codes, Codes, Codes | None]:
    """Return pairs enough to be followed: number of the comparison, two rows, and the row that every row is one with."""
    if copies is None:
        return slice(None), compared.left, compared.right, None
    one = compared.left[(compared.left == compared.right) & (probability >= threshold)]
    joined = np.zeros(copies.of.size, dtype=np.bool_)
    joined[one] = True
    node = np.where(joined[copies.of], copies.of, np.arange(copies.of.size, dtype=np.int32))
    kept = np.flatnonzero(probability >= least)
    number, left, right = copies.spread(compared.left[kept], compared.right[kept], probability[kept], threshold)
    return kept[number], left, right, node


def _households(prepared: Prepared, columns: Sequence[str], person: npt.NDArray[np.int64]) -> Any:
    """Join the people who have records that are equal on all columns; one with a gap in them joins by the person only."""
    if isinstance(columns, str) or not len(columns):
        msg = "household= is a list of columns that a household shares, such as ['last_name', 'street']"
        raise OptionError(msg)
    known = {field.column: field.kind for field in prepared.fields}
    key = np.zeros(prepared.n, dtype=np.int64)
    for column in columns:
        field = encode_field(prepared.frames, column, known.get(column, "text"), ("exact",), keyword="household")
        key = np.where((key >= 0) & (field.codes >= 0), key * (field.n_values + 1) + field.codes, -1)
        key = np.unique(key, return_inverse=True)[1].astype(np.int64) - int((key < 0).any())
    there = np.flatnonzero(key >= 0)
    # people first, households behind them: one graph of both
    n_people = int(person.max(initial=-1)) + 1
    joined = _k.components(
        n_people + int(key.max(initial=-1)) + 1,
        _frame.readonly(person[there].astype(np.int32)),
        _frame.readonly((n_people + key[there]).astype(np.int32)),
    )
    # people stand before addresses, so their numbers have no gaps
    return per_record(prepared.frames[0], prepared.id, prepared.ids[0], "household", joined[person].astype(np.int64))
