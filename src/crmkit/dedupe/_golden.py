"""One record per person: which value survives in each field, and which record it came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.dedupe import _normal
from crmkit.dedupe._align import cluster_codes
from crmkit.dedupe._records import record_ids
from crmkit.errors import OptionError
from crmkit.results import Frozen

RULES = ("most_frequent", "most_recent", "longest", "source")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Golden(Frozen):
    """One record per person, and where every value came from. It prints counts, never a record.

    Attributes
    ----------
    records : DataFrame
        One row per cluster, indexed by cluster in pandas (elsewhere the first column): the columns of the records.
    provenance : DataFrame
        The same rows and columns: the id of the record each value was taken from.
    report : mapping
        Counts: records, clusters, and how often records of one cluster disagreed in each column.
    """

    records: Any
    provenance: Any
    report: Mapping[str, Any]

    def __repr__(self) -> str:
        lines = [f"  {name:<12}  {value}" for name, value in self.report.items() if not isinstance(value, Mapping)]
        return "\n".join(["Golden", *lines])


def golden_records(
    records: Any,
    clusters: Any,
    /,
    *,
    rules: Mapping[str, str] | None = None,
    default: str = "most_frequent",
    groups: Sequence[Sequence[str]] = (),
    updated: str | None = None,
    source: str | None = None,
    priority: Sequence[Any] = (),
    id: str | None = None,  # noqa: A002
) -> Golden:
    """Make one record of all records of a person: the best value of every field, and where it came from.

    Parameters
    ----------
    records : DataFrame
        One row per record.
    clusters : Series, DataFrame or array
        The cluster of every record: by record id where it has ids, as `deduplicate` returns it, else in the order of the
        records.
    rules : mapping of str to str, optional
        Which value of a column survives: ``"most_frequent"``, ``"most_recent"`` (by `updated`), ``"longest"``, or ``"source"``
        (by `priority`).
    default : str, default "most_frequent"
        The rule of all other columns.
    groups : list of tuple of str, optional
        Columns whose values are always taken from one record, such as ``[("street", "postcode", "city")]``: of the records with
        most of them filled, by the rule of the first.
    updated : str, optional
        Column of times or numbers, the later the more recent.
    source : str, optional
        Column that says which system a record is from.
    priority : list, optional
        Sources, the most trusted first; others come after them.
    id : str, optional
        Column of unique record ids; by default the index of a pandas frame, which must be unique, else the row number.

    Returns
    -------
    Golden
        `records`, `provenance` and `report`. A value that is missing, blank or a placeholder never wins over one that is none.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        Ids are missing or not unique, or a record has no cluster.
    OptionError
        A rule is not one of those accepted, or lacks the column it needs.

    Notes
    -----
    Ties go to the more recent record (with `updated`), the more trusted source (with `priority`), the longer value, the value
    that comes first in sorted order, and the record whose id does. Values are compared without regard to case and blanks. Golden
    records of golden records are themselves.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import dedupe
    >>> people = pd.DataFrame(
    ...     {"name": ["Ann Lee", "Ann Lee", "A. Lee", "Bob"], "city": ["Bonn", None, "Oslo", "Rome"], "seen": [1, 2, 3, 1]}
    ... )
    >>> golden = dedupe.golden_records(people, [0, 0, 0, 1], rules={"city": "most_recent"}, updated="seen")
    >>> golden.records[["name", "city"]].values.tolist()
    [['Ann Lee', 'Oslo'], ['Bob', 'Rome']]
    >>> golden.provenance["city"].tolist()
    [2, 3]
    """
    frame = _frame.read(records)
    ids = record_ids(frame, id)
    of = cluster_codes(clusters, frame, ids, id)
    rules, groups = _checked(frame, rules, default, groups, updated, source, priority)
    n, n_clusters = len(frame), len(of.labels)
    facts = _Facts(
        cluster=of.codes,
        recent=np.zeros(n) if updated is None else _when(frame, updated),
        trust=np.zeros(n) if source is None else -_rank(frame, source, priority),
        ids=ids.codes,
    )
    columns = [column for column in frame.columns if column != id]
    chosen: dict[Any, npt.NDArray[np.int64]] = {}
    disagree: dict[str, int] = {}
    for column in columns:
        codes, lengths = _values(frame, column)
        disagree[column] = _disagreements(of.codes, codes, n_clusters)
        if any(column in group for group in groups):
            continue
        chosen[column] = facts.best(codes, lengths, rules.get(column, default), (codes >= 0).astype(np.int64), n_clusters)
    for group in groups:
        parts = [_values(frame, column) for column in group]
        filled = np.sum([codes >= 0 for codes, _ in parts], axis=0).astype(np.int64)
        joined = np.unique(np.stack([codes for codes, _ in parts], axis=1), axis=0, return_inverse=True)[1].ravel()
        joined = np.where(filled > 0, joined, -1).astype(np.int32)
        lengths = np.sum([lengths for _, lengths in parts], axis=0)
        rows = facts.best(joined, lengths, rules.get(group[0], default), filled, n_clusters)
        chosen.update(dict.fromkeys(group, rows))
    keys = _frame.Labelled(of.labels, np.arange(n_clusters, dtype=np.int32))
    values = {column: _taken(frame, column, chosen[column]) for column in columns}
    origin = {column: _frame.Labelled(ids.labels, ids.codes[chosen[column]]) for column in columns}
    name = "cluster" if "cluster" not in columns else "golden_cluster"
    report = {"records": n, "clusters": n_clusters, "disagreements": MappingProxyType(disagree)}
    return Golden(
        records=_indexed(frame.kind, name, keys, values),
        provenance=_indexed(frame.kind, name, keys, origin),
        report=MappingProxyType(report),
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Facts:
    """What ties are broken by, per record."""

    cluster: npt.NDArray[np.int32]
    recent: npt.NDArray[np.float64]
    trust: npt.NDArray[np.float64]
    ids: npt.NDArray[np.int32]

    def best(
        self,
        codes: npt.NDArray[np.integer[Any]],
        lengths: npt.NDArray[np.int64],
        rule: str,
        filled: npt.NDArray[np.int64],
        n: int,
    ) -> npt.NDArray[np.int64]:
        """Return for each cluster the row whose value survives."""
        there = codes >= 0
        keys = self.cluster.astype(np.int64) * (int(codes.max(initial=0)) + 2) + codes + 1
        _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
        often = np.where(there, counts[inverse.ravel()], 0)
        first = {"most_frequent": often, "most_recent": self.recent, "longest": lengths, "source": self.trust}[rule]
        # the last key sorts first; the smallest of everything wins, hence the signs
        order = np.lexsort((self.ids, codes, -lengths, -self.trust, -self.recent, -first, -filled, self.cluster))
        rows = np.empty(n, dtype=np.int64)
        heads = np.flatnonzero(np.diff(self.cluster[order], prepend=-1))
        rows[self.cluster[order][heads]] = order[heads]
        return rows


def _checked(
    frame: _frame.Frame, rules: Any, default: Any, groups: Any, updated: Any, source: Any, priority: Any
) -> tuple[dict[str, str], list[tuple[str, ...]]]:
    _options.choice("default", default, RULES)
    rules = dict(rules or {})
    for column, rule in rules.items():
        frame.column(column, keyword="rules")
        _options.choice(f"rules[{column!r}]", rule, RULES)
    if isinstance(groups, str) or any(isinstance(group, str) for group in groups):
        msg = "groups= is a list of tuples of columns that are taken from one record, such as [('street', 'postcode')]"
        raise OptionError(msg)
    listed = [tuple(group) for group in groups]
    members = [column for group in listed for column in group]
    for column in members:
        frame.column(column, keyword="groups")
    if len(set(members)) < len(members) or any(not group for group in listed):
        msg = "groups=: a column is in two groups, or a group is empty"
        raise OptionError(msg)
    used = {default, *rules.values()}
    if "most_recent" in used and updated is None:
        msg = "the rule 'most_recent' needs updated=, the column that says when a record was changed"
        raise OptionError(msg)
    if "source" in used and (source is None or not len(priority)):
        msg = "the rule 'source' needs source=, the column that says where a record is from, and priority=, the sources in order"
        raise OptionError(msg)
    return rules, listed


def _values(frame: _frame.Frame, column: Any) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return a code per row for the values of a column, -1 for nothing, and their lengths; codes ascend with the values."""
    text = _frame.text(frame, column)
    normal = [_normal.plain(value) for value in text.values]
    known = sorted(set(normal) - {""})
    number = {value: code for code, value in enumerate(known)} | {"": -1}
    table = np.array([*(number[value] for value in normal), -1], dtype=np.int32)
    size = np.array([*(len(value) if kept else 0 for value, kept in zip(text.values, normal, strict=True)), 0], dtype=np.int64)
    return table[text.codes], size[text.codes]


def _when(frame: _frame.Frame, column: str) -> npt.NDArray[np.float64]:
    """Rank a column of times or numbers, a missing one before all others."""
    ids = _frame.ids(frame, column, keyword="updated", missing="drop")
    return ids.codes.astype(np.float64)


def _rank(frame: _frame.Frame, column: str, priority: Sequence[Any]) -> npt.NDArray[np.float64]:
    ids = _frame.ids(frame, column, keyword="source", missing="drop")
    order = {str(value): place for place, value in enumerate(priority)}
    rank = np.array([*(order.get(str(value), len(order)) for value in ids.labels.as_index()), len(order)], dtype=np.float64)
    return rank[ids.codes]


def _disagreements(cluster: npt.NDArray[np.int32], codes: npt.NDArray[np.int32], n: int) -> int:
    """Count the clusters that hold two different values."""
    there = codes >= 0
    low, high = np.full(n, np.iinfo(np.int32).max), np.full(n, -1)
    np.minimum.at(low, cluster[there], codes[there])
    np.maximum.at(high, cluster[there], codes[there])
    return int((high > low).sum())


def _taken(frame: _frame.Frame, column: Any, rows: npt.NDArray[np.int64]) -> Any:
    values = frame.column(column)
    if frame.kind == "pandas":
        return values.array.take(rows)
    return values.gather(rows) if frame.kind == "polars" else values.take(rows)


def _indexed(kind: str, name: str, keys: Any, columns: dict[Any, Any]) -> Any:
    table = _frame.table(columns, keys={name: keys}, kind=kind)
    return table.set_index(name) if kind == "pandas" else table
