"""Bringing the rows of one customer together, in time order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

SMALL = 16  # runs of this length are sorted by insertion, longer ones by merging


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
def sort_run(time: Longs, rows: Codes, begin: int, end: int) -> None:
    """Sort a short slice by insertion."""
    for k in range(begin + 1, end):
        moment, row = time[k], rows[k]
        j = k
        while j > begin and time[j - 1] > moment:
            time[j], rows[j] = time[j - 1], rows[j - 1]
            j -= 1
        time[j], rows[j] = moment, row


@kernel
def merge_runs(time: Longs, rows: Codes, begin: int, middle: int, end: int, times_left: Longs, rows_left: Codes) -> None:
    """Merge two sorted neighbours in place; only the left one is copied aside. Of equal times, the left ones go first."""
    n = middle - begin
    times_left[:n] = time[begin:middle]
    rows_left[:n] = rows[begin:middle]
    i, j, k = 0, middle, begin
    while i < n:
        if j < end and time[j] < times_left[i]:
            time[k], rows[k] = time[j], rows[j]
            j += 1
        else:
            time[k], rows[k] = times_left[i], rows_left[i]
            i += 1
        k += 1


@kernel
def sort_groups(time: Longs, rows: Codes, start: Longs, first_label: int, last_label: int) -> None:
    """Sort each label's slice of `time` (and `rows` along) ascending; equal times keep their order."""
    longest = 0
    for label in range(first_label, last_label):
        longest = max(longest, start[label + 1] - start[label])
    times_left, rows_left = np.empty(longest, np.int64), np.empty(longest, np.int32)
    for label in range(first_label, last_label):
        begin, end = start[label], start[label + 1]
        for run in range(begin, end, SMALL):
            sort_run(time, rows, run, min(run + SMALL, end))
        width = SMALL
        while width < end - begin:
            for left in range(begin, end - width, 2 * width):
                middle = left + width
                if time[middle - 1] > time[middle]:
                    merge_runs(time, rows, left, middle, min(middle + width, end), times_left, rows_left)
            width *= 2


@kernel
def is_ascending(values: Longs) -> bool:
    """Whether values never fall from one row to the next."""
    for i in range(1, values.size):
        if values[i - 1] > values[i]:
            return False
    return True
