"""Bringing the rows of one customer together, in time order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

SMALL = 24  # below this, insertion beats merging


@kernel
def count_codes(codes: Codes, n_labels: int) -> Longs:
    """Offsets of each label's rows once they are grouped; rows with code -1 belong to no label."""
    start = np.zeros(n_labels + 1, np.int64)
    for i in range(codes.size):
        if codes[i] >= 0:
            start[codes[i] + 1] += 1
    for label in range(n_labels):
        start[label + 1] += start[label]
    return start


@kernel
def place_rows(codes: Codes, start: Longs, first_label: int, last_label: int, rows: Codes) -> None:
    """Write the row numbers of the labels ``first_label:last_label`` into their slots, in row order."""
    cursor = start[first_label:last_label].copy()
    for i in range(codes.size):
        label = codes[i]
        if first_label <= label < last_label:
            rows[cursor[label - first_label]] = i
            cursor[label - first_label] += 1


@kernel
def gather(values: npt.NDArray[Any], rows: Codes, start: int, stop: int, out: npt.NDArray[Any]) -> None:
    """``out[start:stop] = values[rows[start:stop]]``."""
    for k in range(start, stop):
        out[k] = values[rows[k]]


@kernel
def sort_groups(time: Longs, rows: Codes, start: Longs, first_label: int, last_label: int) -> None:
    """Sort each label's slice of `time` (and `rows` along) ascending; equal times keep their order."""
    for label in range(first_label, last_label):
        begin, end = start[label], start[label + 1]
        if end - begin <= SMALL:
            for k in range(begin + 1, end):
                moment, row = time[k], rows[k]
                j = k
                while j > begin and time[j - 1] > moment:
                    time[j], rows[j] = time[j - 1], rows[j - 1]
                    j -= 1
                time[j], rows[j] = moment, row
        else:
            in_order = True
            for k in range(begin + 1, end):
                if time[k - 1] > time[k]:
                    in_order = False
                    break
            if not in_order:
                order = np.argsort(time[begin:end], kind="mergesort")
                time[begin:end] = time[begin:end][order]
                rows[begin:end] = rows[begin:end][order]


@kernel
def is_ascending(values: Longs) -> bool:
    """Whether values never fall from one row to the next."""
    for i in range(1, values.size):
        if values[i - 1] > values[i]:
            return False
    return True
