"""From linked pairs to people: connected components, or clusters that hold together better, with vetoes and a report."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._kernels import clusters as _c
from crmkit._kernels import linkage as _k
from crmkit.dedupe._certain import vetoes_of
from crmkit.dedupe._records import per_record, record_ids
from crmkit.dedupe.fields import encode_field
from crmkit.errors import DataError, DataWarning, OptionError
from crmkit.results import Frozen

Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

METHODS = ("connected", "best_link", "complete", "average")
LARGE = 100  # records of one person from which a look is asked for


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Clusters(Frozen):
    """Which records are one person, and how well each person's records hold together. It prints counts, never a record.

    Attributes
    ----------
    clusters : Series
        Cluster number of every record, from 0, by record id (elsewhere than in pandas: a frame of id and cluster).
    sizes : DataFrame
        One row per cluster of two records or more, the largest first: ``cluster``, ``size``, ``links``, ``density`` (share of its
        pairs that are links) and ``weakest`` (lowest probability among its links). A large cluster of low density is a chain.
    report : mapping
        Counts: records, links, links not followed, clusters, duplicates, largest cluster.
    """

    clusters: Any
    sizes: Any
    report: Mapping[str, Any]

    def __repr__(self) -> str:
        return "\n".join(["Clusters", *(f"  {name:<18}  {value}" for name, value in self.report.items())])


def cluster_pairs(
    pairs: Any,
    records: Any = None,
    /,
    *,
    threshold: float = 0.95,
    method: str = "connected",
    veto: Sequence[str | Sequence[str]] = (),
    id: str | None = None,  # noqa: A002
    max_cluster: int = LARGE,
) -> Clusters:
    """Gather scored pairs into people: records joined by links of enough probability.

    Parameters
    ----------
    pairs : DataFrame
        ``left``, ``right`` (record ids) and ``probability``, as `score_pairs` returns them.
    records : DataFrame, optional
        All records, so that those without a link are clusters of one. By default the records of `pairs` are all there are.
    threshold : float, default 0.95
        Least probability, between 0 and 1, at which a pair is linked.
    method : str, default "connected"
        ``"connected"``: all records that links join. ``"best_link"``: of the links only those that are the best of one of their
        records. ``"complete"``: links are taken best first, and join two clusters only if every pair between them is a link.
        ``"average"``: likewise, if the mean probability of the pairs between them, those never compared counting 0, is at least a
        half.
    veto : list of str or tuple of str, optional
        Columns of `records` that tell people apart: two records that differ in a column (of a tuple: in all of its columns),
        both values there, are never put into one cluster, whatever links them. Links are then taken best first.
    id : str, optional
        Column of unique record ids in `records`; by default the index of a pandas frame, else the row number.
    max_cluster : int, default 100
        A cluster with more records is warned of. It is never cut, nor the threshold changed, without being asked.

    Returns
    -------
    Clusters
        `clusters`, `sizes` and `report`. Of equally good links the one whose ids come first is taken first.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        Ids are missing or unknown, or a probability is not between 0 and 1.
    OptionError
        An option is not one of those accepted.

    Warns
    -----
    DataWarning
        A cluster has more than `max_cluster` records.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import dedupe
    >>> pairs = pd.DataFrame({"left": [1, 2, 4], "right": [2, 3, 5], "probability": [0.99, 0.96, 0.2]})
    >>> dedupe.cluster_pairs(pairs).clusters.tolist()
    [0, 0, 0, 1, 2]
    >>> dedupe.cluster_pairs(pairs, method="complete").clusters.tolist()
    [0, 0, 1, 2, 3]
    """
    threshold = _options.number("threshold", threshold, low=0.0, high=1.0, ends=False)
    _options.choice("method", method, METHODS)
    max_cluster = _options.whole("max_cluster", max_cluster, low=1)
    frame = _frame.read(pairs)
    probability = _frame.numbers(frame, "probability", nonnegative=True)
    if probability.size and probability.max() > 1.0:
        count, row = _frame.first_place(probability > 1.0)
        msg = f"column 'probability': {count:,} above 1, the first in row {row} ({probability[row]:g})"
        raise DataError(msg)
    if records is None:
        if len(veto):
            msg = "veto= names columns of the records: pass them as second argument"
            raise OptionError(msg)
        left_ids, right_ids = (_frame.ids(frame, name) for name in ("left", "right"))
        labels, left_codes, right_codes = left_ids.labels.merge(right_ids.labels)
        rows = [left_codes[left_ids.codes], right_codes[right_ids.codes]]
        n = len(labels)
    else:
        table = _frame.read(records)
        ids = record_ids(table, id)
        rows = []
        for name in ("left", "right"):
            codes = ids.labels.codes_of(frame.column(name), what=name) if len(frame) else np.empty(0, np.int32)
            if (codes < 0).any():
                count, row = _frame.first_place(codes < 0)
                msg = f"column {name!r}: {count:,} ids are not among the records, the first in row {row}"
                raise DataError(msg)
            rows.append(codes)
        n = len(ids.labels)
    if (rows[0] == rows[1]).any():
        count, row = _frame.first_place(rows[0] == rows[1])
        msg = f"{count:,} pairs are of a record with itself, the first in row {row}; drop them"
        raise DataError(msg)
    vetoes, veto_of = np.empty((0, n), np.int32), np.empty(0, np.int32)
    if records is not None:
        vetoes, veto_of = veto_codes([table], veto, ids.codes)
    left, right = np.minimum(*rows), np.maximum(*rows)
    number = clustered(n, left, right, probability, threshold, method, vetoes, veto_of)
    sizes, report = described(number, left, right, probability, threshold)
    warn_of_giants(report, max_cluster)
    kind = frame.kind
    if records is None:
        codes = np.arange(n, dtype=np.int32)
        native = _frame.per_label(labels, codes, {"cluster": number.astype(np.int64)}, name="id")
        clusters = native["cluster"] if kind == "pandas" else native
    else:
        clusters = per_record(table, id, ids, "cluster", number.astype(np.int64)[ids.codes])
    return Clusters(clusters, _frame.table(sizes, kind=kind), MappingProxyType(report))


def clustered(
    n: int,
    left: Codes,
    right: Codes,
    probability: Floats,
    threshold: float,
    method: str,
    vetoes: Codes,
    veto_of: Codes,
    *,
    sure: tuple[Codes, Codes] | None = None,
    node: Codes | None = None,
) -> Codes:
    """Return the clusters of rows 0 to n, numbered in the order of their smallest row; ties between links go by their rows.

    Links that are `sure` come first, and only a veto keeps them from being followed. Rows with one `node` are one from the start.
    """
    one, two = (np.empty(0, np.int32), np.empty(0, np.int32)) if sure is None else sure
    if node is not None:
        left, right, one, two = (node[rows] for rows in (left, right, one, two))
        if method != "best_link":  # there a record whose best is a copy of its own has no other best
            between = left != right
            left, right, probability = left[between], right[between], probability[between]
    alike = np.empty(0, np.int32) if node is None else np.flatnonzero(node != np.arange(n)).astype(np.int32)
    its_node = alike if node is None else node[alike]
    linked = np.flatnonzero(probability >= threshold)
    if method == "connected" and not veto_of.size:
        ends = np.concatenate([one, its_node, left[linked]]), np.concatenate([two, alike, right[linked]])
        return _k.components(n, *map(_frame.readonly, ends))
    size = np.ones(n, dtype=np.int64) if node is None else np.bincount(node, minlength=n).astype(np.int64)
    order = linked[np.lexsort((right[linked], left[linked], -probability[linked]))]
    first, second = left[order], right[order]
    if method == "best_link":
        keep = _c.best_links(n, _frame.readonly(first), _frame.readonly(second))
        first, second = first[keep], second[keep]
    starts, partners, known = _neighbours(n, left, right, probability, method)
    root = _c.join_links(
        n,
        _frame.readonly(np.concatenate([one, first])),
        _frame.readonly(np.concatenate([two, second])),
        one.size + first.size,
        one.size,
        starts,
        partners,
        known,
        _frame.readonly(size),
        threshold,
        {"complete": _c.COMPLETE, "average": _c.AVERAGE}.get(method, _c.CONNECTED),
        _frame.readonly(vetoes),
        _frame.readonly(veto_of),
    )
    nodes = np.arange(n, dtype=np.int32)
    ends = np.concatenate([root, its_node]), np.concatenate([nodes, alike])
    return _k.components(n, *map(_frame.readonly, ends))


def _neighbours(n: int, left: Codes, right: Codes, probability: Floats, method: str) -> tuple[Any, Any, Any]:
    if method not in ("complete", "average"):
        return (_frame.readonly(np.zeros(n + 1, np.int64)), _frame.readonly(np.empty(0, np.int32)), _frame.readonly(np.empty(0)))
    one, two = np.concatenate([left, right]), np.concatenate([right, left])
    both = np.concatenate([probability, probability])
    order = np.lexsort((-both, two, one))
    starts = np.concatenate([[0], np.cumsum(np.bincount(one, minlength=n))]).astype(np.int64)
    return _frame.readonly(starts), _frame.readonly(two[order]), _frame.readonly(both[order])


def veto_codes(frames: Sequence[_frame.Frame], veto: Any, place: npt.NDArray[Any]) -> tuple[Codes, Codes]:
    """Return a row of codes per veto column, a code per node, and which veto each row is of."""
    rows, of = [], []
    for number, columns in enumerate(vetoes_of(veto, frames[0])):
        for column in columns:
            codes = encode_field(frames, column, "text", ("exact",), keyword="veto").codes
            by_node = np.full(place.size, -1, dtype=np.int32)
            by_node[place] = codes
            rows.append(by_node)
            of.append(number)
    table = np.stack(rows) if rows else np.empty((0, place.size), np.int32)
    return np.ascontiguousarray(table), np.array(of, dtype=np.int32)


def described(
    number: Codes,
    left: Codes,
    right: Codes,
    probability: Floats,
    threshold: float,
    times: npt.NDArray[np.int64] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return one row per cluster of two or more, the largest first, and the counts; a pair counts `times` over."""
    size = np.bincount(number) if number.size else np.empty(0, np.int64)
    link = probability >= threshold
    inside = link & (number[left] == number[right])
    of_link = number[left[inside]]
    links = np.bincount(of_link, weights=None if times is None else times[inside], minlength=size.size)
    every, followed = (int(rows.sum() if times is None else times[rows].sum()) for rows in (link, inside))
    weakest = np.full(size.size, 1.0)
    np.minimum.at(weakest, of_link, probability[inside])
    several = np.flatnonzero(size > 1)
    several = several[np.argsort(-size[several], kind="stable")]
    possible = size[several] * (size[several] - 1) / 2.0
    table = {
        "cluster": several.astype(np.int64),
        "size": size[several].astype(np.int64),
        "links": links[several].astype(np.int64),
        "density": links[several] / np.where(possible > 0, possible, 1.0),
        "weakest": weakest[several],
    }
    report = {
        "records": int(number.size),
        "links": every,
        "links_not_followed": every - followed,
        "clusters": int(size.size),
        "duplicates": int(number.size - size.size),
        "largest_cluster": int(size.max()) if size.size else 0,
    }
    return table, report


def warn_of_giants(report: Mapping[str, Any], max_cluster: int, stacklevel: int = 3) -> None:
    """Say where a cluster is too large to be believed; it is left as it is."""
    if report["largest_cluster"] > max_cluster:
        msg = (
            f"the largest cluster holds {report['largest_cluster']:,} records, more than max_cluster={max_cluster:,}: a chain "
            "of links, or a placeholder taken for a value. Look at `sizes` (low density, weak links); method='complete', a veto "
            "or a higher threshold cut it; warnings.simplefilter silences this"
        )
        warnings.warn(msg, DataWarning, stacklevel=stacklevel)
