"""What is certain whatever the evidence says: records that are one person, and records that are two."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit._kernels import clusters as _c
from crmkit.dedupe import _rules
from crmkit.dedupe._records import Prepared
from crmkit.errors import OptionError

Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
NEITHER, SAME, APART = 0, 1, 2
WORDS = ("by the model", "same", "apart")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Certain:
    """What the rules say of the rows: for each of `same` a block per row, -1 for none; for each column of a veto a code per row.

    `veto_of` numbers the vetoes, a column each.
    """

    same: list[Codes]
    vetoes: Codes
    veto_of: Codes

    @property
    def anything(self) -> bool:
        """Whether there is a rule at all."""
        return bool(self.same) or bool(self.veto_of.size)

    def settled(self, left: Codes, right: Codes) -> npt.NDArray[np.int8]:
        """Say of each pair whether it is certain: a veto is stronger than equality."""
        answer = np.zeros(left.size, dtype=np.int8)
        for keys in self.same:
            answer[(keys[left] == keys[right]) & (keys[left] >= 0)] = SAME
        answer[_c.vetoed_pairs(_frame.readonly(left), _frame.readonly(right), self.vetoes, self.veto_of)] = APART
        return answer

    def links(self) -> tuple[Codes, Codes]:
        """Return links enough to join what the rules of `same` say, each record with the next of its block."""
        lefts, rights = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
        for keys in self.same:
            # records that no veto parts stand beside each other
            order = np.lexsort((*self.vetoes, keys)) if self.veto_of.size else np.argsort(keys, kind="stable")
            order = order[np.count_nonzero(keys < 0) :].astype(np.int32)
            new = np.diff(keys[order], prepend=-1) != 0
            heads = order[np.maximum.accumulate(np.where(new, np.arange(order.size), 0))]
            for before in (np.roll(order, 1), heads):
                lefts.append(np.minimum(before, order)[~new])
                rights.append(np.maximum(before, order)[~new])
        left, right = np.concatenate(lefts), np.concatenate(rights)
        kept = self.settled(left, right) == SAME
        return left[kept], right[kept]


def probability_of(probability: Floats, settled: npt.NDArray[np.int8]) -> Floats:
    """Return the probability of a match where some pairs are certain."""
    return np.where(settled == SAME, 1.0, np.where(settled == APART, 0.0, probability))


def rules_of(same: Any, columns: Sequence[Any]) -> list[_rules.Rule]:
    """Read the rules of `same`."""
    if not isinstance(same, str) and isinstance(same, Sequence) and not same:
        return []
    try:
        rules = _rules.parsed(same, columns, keyword="same")
    except OptionError as error:
        msg = str(error).replace("blocking= is a list of rules", "same= is a list of rules")
        raise OptionError(msg) from None
    for rule in rules:
        if any(part.function in _rules.ALONE for part in rule):
            msg = f"same=: {_rules.name_of(rule)} is no equality, and makes nothing certain"
            raise OptionError(msg)
    return rules


def vetoes_of(veto: Any, frame: _frame.Frame) -> list[tuple[str, ...]]:
    """Read the columns of vetoes, which must be there."""
    if isinstance(veto, str) or not isinstance(veto, Sequence):
        msg = "veto= is a list of columns or tuples of columns that differ between people, such as ['id', ('name', 'born')]"
        raise OptionError(msg)
    listed = [(given,) if isinstance(given, str) else tuple(given) for given in veto]
    for columns in listed:
        if not columns:
            msg = "veto=: a tuple of no columns would keep nobody apart"
            raise OptionError(msg)
        for column in columns:
            frame.column(column, keyword="veto")
    return listed


def certain(prepared: Prepared, same: Sequence[_rules.Rule], veto: Sequence[tuple[str, ...]]) -> Certain:
    """Lay out what is certain on the rows of `prepared`, which has the columns; a compared field in its normal form."""
    known = {field.column: field for field in (*prepared.beside, *prepared.fields)}
    keys = [_frame.readonly(_rules.keys_of(rule, known)[0]) for rule in same]
    rows = [known[column].codes for columns in veto for column in columns]
    of = np.repeat(np.arange(len(veto)), [len(columns) for columns in veto]).astype(np.int32)
    table = np.stack(rows) if rows else np.empty((0, prepared.n), np.int32)
    return Certain(keys, _frame.readonly(np.ascontiguousarray(table)), _frame.readonly(of))
