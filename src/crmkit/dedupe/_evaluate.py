"""Clusters against the truth: pairs, records and whole people, each with an interval over people."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, _threads
from crmkit.dedupe._align import encoded
from crmkit.errors import DataError
from crmkit.results import Estimate, Frozen, confidence_level

Floats = npt.NDArray[np.float64]
AT_ONCE = 1 << 22  # people drawn, over the samples drawn together
MEASURES = ("precision", "recall", "f1", "bcubed_precision", "bcubed_recall", "bcubed_f1", "exact")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ClusterEvaluation(Frozen):
    """How right clusters are, by pairs of records, by records, and by whole people.

    Attributes
    ----------
    precision, recall, f1 : Estimate
        Of pairs of records: the share of pairs in one cluster that are one person, the share of pairs of one person that are
        in one cluster, and their harmonic mean.
    bcubed_precision, bcubed_recall, bcubed_f1 : Estimate
        The same record by record: of a record's cluster how much is its person, of its person how much is in its cluster,
        averaged over records.
    exact : Estimate
        Share of people whose records are exactly one cluster.
    blocking_recall : Estimate or None
        Share of the pairs of one person that are among the pairs given.
    reduction : float or None
        Share of all pairs of records that were not compared.
    n_records, n_people, n_clusters : int
        How many there are.
    """

    precision: Estimate
    recall: Estimate
    f1: Estimate
    bcubed_precision: Estimate
    bcubed_recall: Estimate
    bcubed_f1: Estimate
    exact: Estimate
    blocking_recall: Estimate | None
    reduction: float | None
    n_records: int
    n_people: int
    n_clusters: int

    def __repr__(self) -> str:
        shown = [(name, getattr(self, name)) for name in (*MEASURES, "blocking_recall")]
        lines = [
            f"  {name:<16}  {value.value:.4f} ({value.ci_low:.4f} to {value.ci_high:.4f})"
            for name, value in shown
            if value is not None
        ]
        counts = f"  {self.n_records:,} records, {self.n_people:,} people, {self.n_clusters:,} clusters"
        return "\n".join(["ClusterEvaluation", *lines, counts])


def evaluate_clusters(
    clusters: Any,
    truth: Any,
    /,
    *,
    pairs: Any = None,
    level: float = 0.95,
    replicates: int = 200,
    rng: Any = 0,
) -> ClusterEvaluation:
    r"""Measure how right clusters are where the people are known.

    Parameters
    ----------
    clusters : Series, DataFrame or array
        The cluster of every record, as `deduplicate` returns it.
    truth : Series, DataFrame or array
        The person of every record: by record id where both are pandas Series, else in the same order.
    pairs : DataFrame, optional
        The pairs that were compared, ``left`` and ``right`` in the ids of `truth`'s index (elsewhere row numbers), as
        `candidate_pairs` returns them: what the rules missed is then told too.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    replicates : int, default 200
        Samples of people behind the intervals.
    rng : int, Generator or None, default 0
        Seed of the samples.

    Returns
    -------
    ClusterEvaluation
        Precision, recall and F1 of pairs and of records, people found exactly, blocking recall.

    Raises
    ------
    DataError
        The two are not of the same records, or one is missing.
    OptionError
        `level`, `replicates` or `rng` is not usable.

    Notes
    -----
    Where :math:`n_{ij}` records of person i are in cluster j, precision is
    :math:`\sum \binom{n_{ij}}2 / \sum_j \binom{n_j}2`, recall :math:`\sum \binom{n_{ij}}2 / \sum_i \binom{n_i}2`; for records
    (B-cubed) precision is :math:`\sum n_{ij}^2 / n_j / n` and recall :math:`\sum n_{ij}^2 / n_i / n`. Without any pair in a
    cluster precision is 1, without any person of two records recall is. Intervals come from resampling people, since records of
    one person stand or fall together; a cluster's wrong pairs count for its people in proportion to their records.

    References
    ----------
    Bagga and Baldwin (1998), Entity-based cross-document coreferencing using the vector space model, COLING-ACL.

    Examples
    --------
    >>> from crmkit import dedupe
    >>> found = dedupe.evaluate_clusters([0, 0, 1, 1, 2], ["a", "a", "b", "c", "c"])
    >>> found.precision.value, found.recall.value, round(found.bcubed_f1.value, 3)
    (0.5, 0.5, 0.8)
    """
    level = confidence_level(level)
    replicates = _options.whole("replicates", replicates, low=20)
    draw = _options.generator(rng)
    series = all(hasattr(side, "iloc") and not _frame.is_frame(side) for side in (clusters, truth))
    if series and not clusters.index.equals(truth.index):
        if not truth.index.is_unique or not clusters.index.is_unique or set(clusters.index) != set(truth.index):
            msg = "clusters and truth are not of the same records: their indexes differ; align them first"
            raise DataError(msg)
        clusters = clusters.reindex(truth.index)
    found, real = encoded(clusters, "clusters"), encoded(truth, "truth")
    n = found.codes.size
    if n != real.codes.size or n == 0:
        msg = f"clusters has {n:,} rows, truth {real.codes.size:,}; pass the same records, one at least"
        raise DataError(msg)
    people, table = len(real.labels), _parts(found.codes, real.codes, len(found.labels), len(real.labels))
    met, reduction = (None, None) if pairs is None else _met(pairs, truth, real)
    if met is not None:
        table = np.column_stack([table, met])
    sums = _resampled(table, replicates, draw)
    point, drawn = _measures(table.sum(axis=0)[None], np.array([float(people)]))[0], _measures(sums, np.full(replicates, people))
    answer = {name: _estimate(point[k], drawn[:, k], people, level) for k, name in enumerate(MEASURES)}
    blocking = None
    if met is not None:
        shares = [_share(one[:, -1], one[:, 2]) for one in (table.sum(axis=0)[None], sums)]
        blocking = _estimate(float(shares[0][0]), shares[1], people, level)
    return ClusterEvaluation(
        **answer, blocking_recall=blocking, reduction=reduction, n_records=n, n_people=people, n_clusters=len(found.labels)
    )


def _parts(found: Any, real: Any, n_found: int, n_real: int) -> Floats:
    """Return per person: pairs right, pairs claimed, pairs there, sums of B-cubed precision and recall, exact, records."""
    keys, counts = np.unique(real.astype(np.int64) * n_found + found, return_counts=True)
    person, cluster = keys // n_found, keys % n_found
    sizes, claims = np.bincount(real, minlength=n_real).astype(float), np.bincount(found, minlength=n_found).astype(float)
    cell = counts.astype(np.float64)
    right = cell * (cell - 1) / 2
    claimed = cell / claims[cluster] * (claims[cluster] * (claims[cluster] - 1) / 2)
    alone = (cell == sizes[person]) & (cell == claims[cluster])

    def per_person(values: Floats) -> Floats:
        summed: Floats = np.bincount(person, weights=values, minlength=n_real).astype(np.float64)
        return summed

    return np.stack(
        [
            per_person(right),
            per_person(claimed),
            sizes * (sizes - 1) / 2,
            per_person(cell**2 / claims[cluster]),
            per_person(cell**2 / sizes[person]),
            per_person(alone.astype(np.float64)),
            sizes,
        ],
        axis=1,
    )


def _resampled(parts: Floats, replicates: int, draw: np.random.Generator) -> Floats:
    """Return the sums of `parts` over as many people drawn with replacement, a row per sample; a few samples at a time."""
    people = len(parts)
    share = np.full(people, 1.0 / people)
    answer = [
        draw.multinomial(people, share, stop - start).astype(np.float64) @ parts
        for start, stop in _threads.chunks(replicates, max(AT_ONCE // people, 1))
    ]
    return np.concatenate(answer)


def _share(part: Floats, whole: Floats) -> Floats:
    answer: Floats = np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 1.0)
    return answer


def _measures(sums: Floats, people: npt.NDArray[Any]) -> Floats:
    """Return the measures for every row of sums of parts."""
    right, claimed, there, b_precision, b_recall, exact, records = sums.T[:7]
    precision, recall = _share(right, claimed), _share(right, there)
    b_precision, b_recall = b_precision / records, b_recall / records
    return np.stack(
        [precision, recall, _mean(precision, recall), b_precision, b_recall, _mean(b_precision, b_recall), exact / people], axis=1
    )


def _mean(a: Floats, b: Floats) -> Floats:
    answer: Floats = np.where(a + b > 0, 2 * a * b / np.where(a + b > 0, a + b, 1.0), 0.0)
    return answer


def _estimate(value: float, drawn: Floats, n: int, level: float) -> Estimate:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(
        float(value), float(min(low, value)), float(max(high, value)), float(drawn.std()), n, level, "bootstrap over people"
    )


def _met(pairs: Any, truth: Any, real: _frame.Ids) -> tuple[Floats, float]:
    """Return how many pairs of each person are among those given, and the share of all pairs that are not."""
    frame = _frame.read(pairs)
    n = real.codes.size
    if hasattr(truth, "iloc") and not _frame.is_frame(truth):
        index = _frame.encode(truth.index.to_series(), "pandas", "truth")
        if len(index.labels) < n:
            msg = "truth: its index repeats a record id; pairs cannot be told apart"
            raise DataError(msg)
        row_of = np.empty(n, dtype=np.int64)
        row_of[index.codes] = np.arange(n)
        rows = []
        for name in ("left", "right"):
            codes = index.labels.codes_of(frame.column(name), what=name) if len(frame) else np.empty(0, np.int32)
            if (codes < 0).any():
                count, row = _frame.first_place(codes < 0)
                msg = f"column {name!r}: {count:,} ids are not in truth, the first in row {row}"
                raise DataError(msg)
            rows.append(row_of[codes])
    else:
        rows = [_frame.numbers(frame, name, nonnegative=True, whole=True).astype(np.int64) for name in ("left", "right")]
        if len(frame) and max(int(side.max()) for side in rows) >= n:
            msg = f"pairs: a row number is {n:,} or more, but there are {n:,} records"
            raise DataError(msg)
    low, high = np.minimum(*rows), np.maximum(*rows)
    keys = np.unique(low * n + high)
    low, high = keys // n, keys % n
    same = real.codes[low] == real.codes[high]
    met = np.bincount(real.codes[low[same]], minlength=len(real.labels)).astype(np.float64)
    possible = n * (n - 1) / 2
    return met, 1.0 - keys.size / possible if possible else 0.0
