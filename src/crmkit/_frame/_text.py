"""Text from a column: distinct strings once, a code per row; nothing, "" and blanks are missing."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit._frame._ids import ids
from crmkit._frame._numbers import readonly
from crmkit._frame._read import read
from crmkit.errors import DataError


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Text:
    """A column of text: `codes` per row (-1 for missing), `values` they stand for."""

    codes: npt.NDArray[np.int32]
    values: tuple[str, ...]

    # texts are names and addresses: they show their number, never themselves
    def __repr__(self) -> str:
        return f"Text({self.codes.size:,} rows, {len(self.values):,} distinct)"


def text(frame: Any, column: Any, *, keyword: str | None = None) -> Text:
    """Read `column` as text, whatever it is stored as; whole numbers lose the decimal point a missing value gave them."""
    encoded = ids(read(frame), column, keyword=keyword, missing="drop")
    known: dict[str, int] = {}
    codes = np.empty(len(encoded.labels) + 1, np.int32)
    codes[-1] = -1
    for old, value in enumerate(encoded.labels.as_index()):
        if isinstance(value, bytes):
            msg = f"column {column!r} holds bytes, not text; decode it first, as with .str.decode('utf-8')"
            raise DataError(msg)
        shown = _shown(value)
        codes[old] = known.setdefault(shown, len(known)) if shown.strip() else -1
    return Text(readonly(codes[encoded.codes]), tuple(known))


def _shown(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and value == np.floor(value) and np.isfinite(value):
        return str(int(value))
    return str(value)
