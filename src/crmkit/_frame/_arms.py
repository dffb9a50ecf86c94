"""The arms of an experiment, and which of them the others are compared with."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit._frame._ids import Labels, ids
from crmkit._frame._read import first_place, read
from crmkit.errors import DataError, OptionError

CONTROLS = ("control", "holdout")
MOST = 50  # more different values than this are ids or numbers


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """The arm of every row, in sorted order of the arms."""

    codes: npt.NDArray[np.int64]
    labels: Labels

    @property
    def names(self) -> list[Any]:
        """Return what the arms are called, as plain values."""
        return [name.item() if isinstance(name, np.generic) else name for name in self.labels.as_index()]

    def control(self, named: Any) -> int:
        """Return the code of the control: the one named, else the one arm that is 0, False, "control" or "holdout"."""
        names = self.names
        if named is not None:
            if named not in names:
                msg = f"control={named!r} is not one of the arms {[str(name) for name in names]}"
                raise OptionError(msg)
            return names.index(named)
        found = [
            code for code, name in enumerate(names) if (name.strip().lower() in CONTROLS if isinstance(name, str) else name == 0)
        ]
        if len(found) == 1:
            return found[0]
        msg = f"which of the arms {[str(name) for name in names]} are the others compared with? Name it with control="
        raise OptionError(msg)


def arms(frame: Any, column: str, *, keyword: str = "arm") -> Arms:
    """Read the arms, of which there must be two or more."""
    found = ids(read(frame), column, keyword=keyword, missing="drop")
    if (found.codes < 0).any():
        count, row = first_place(found.codes < 0)
        msg = (
            f"column {column!r}: {count:,} missing, the first in row {row}; leave rows out that were assigned to no arm, or name"
            " their arm"
        )
        raise DataError(msg)
    codes, labels = found.labels.used(found.codes)
    if len(labels) < 2:
        msg = f"column {column!r} has {len(labels)} arm{'' if len(labels) == 1 else 's'}; an effect is the difference of two"
        raise DataError(msg)
    if len(labels) > MOST:
        msg = f"column {column!r} has {len(labels):,} different values: that is no arm but an id or a number"
        raise DataError(msg)
    return Arms(codes.astype(np.int64), labels)


__all__ = ["Arms", "arms"]
