"""Rows by one or several columns, and results that carry the labels of those columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit._frame._ids import Labelled, Labels, ids
from crmkit._frame._out import per_label, table
from crmkit._frame._read import first_place, read
from crmkit.errors import DataError, OptionError

Codes = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Rows by one or several columns: a code per row, and for each code its label in every column."""

    codes: Codes
    columns: tuple[tuple[str, Labels, Codes], ...]
    kind: str

    def __len__(self) -> int:
        return int(self.columns[0][2].size)

    def table(self, columns: Mapping[str, Any]) -> Any:
        """Return one row per group: indexed by its labels in pandas, elsewhere behind them."""
        if len(self.columns) == 1:
            name, labels, codes = self.columns[0]
            return per_label(labels, codes, columns, name=name)
        keys = {name: Labelled(labels, codes) for name, labels, codes in self.columns}
        whole = table(columns, keys=keys, kind=self.kind)
        return whole.set_index(list(keys)) if self.kind == "pandas" else whole

    def names(self) -> list[str]:
        """Return what the groups are called, for messages and pairs."""
        parts = [np.array([str(value) for value in labels.as_index()], dtype=object)[codes] for _, labels, codes in self.columns]
        return [", ".join(row) for row in zip(*parts, strict=True)]


def groups(frame: Any, by: str | Sequence[str], *, keyword: str = "by") -> Groups:
    """Encode one or several columns of groups; rows without a label are refused."""
    frame = read(frame)
    names = [by] if isinstance(by, str) else list(by)
    if not names or len(set(names)) < len(names):
        msg = f"{keyword}={by!r}: name at least one column, each of them once"
        raise OptionError(msg)
    encoded = []
    for name in names:
        found = ids(frame, name, keyword=keyword, missing="drop")
        if (found.codes < 0).any():
            count, row = first_place(found.codes < 0)
            msg = f"column {name!r}: {count:,} rows without a group, the first in row {row}; drop them, or name a group for them"
            raise DataError(msg)
        encoded.append(found)
    codes = encoded[0].codes.astype(np.int64)
    if len(encoded) == 1:
        labels = encoded[0].labels
        return Groups(codes, ((names[0], labels, np.arange(len(labels))),), frame.kind)
    for part in encoded[1:]:
        codes = codes * len(part.labels) + part.codes
        # closed up at once, so that many columns do not overflow
        codes = np.unique(codes, return_inverse=True)[1].ravel()
    n = int(codes.max(initial=-1)) + 1
    first = np.full(n, codes.size, np.int64)
    np.minimum.at(first, codes, np.arange(codes.size))
    columns = tuple((name, part.labels, part.codes[first].astype(np.int64)) for name, part in zip(names, encoded, strict=True))
    return Groups(codes, columns, frame.kind)


__all__ = ["Groups", "groups"]
