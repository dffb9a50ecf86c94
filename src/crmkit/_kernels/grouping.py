"""Bringing the rows of one customer together, in time order.

Rows are first dealt into buckets of neighbouring labels, so few that each bucket is written as a stream and so many that
all later work on a bucket stays in the cache. Within a bucket rows are counted into their labels and sorted by time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

SMALL = 16  # runs of this length are sorted by insertion, longer ones by merging


@kernel
def count_buckets(codes: Codes, shift: int, start: int, stop: int, counts: Longs) -> None:
    """Count the rows ``start:stop`` of each bucket, a bucket being 2**shift labels; code -1 belongs to none."""
    for i in range(start, stop):
        if codes[i] >= 0:
            counts[codes[i] >> shift] += 1


@kernel
def deal(codes: Codes, shift: int, start: int, stop: int, slots: Longs, values: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Write the values of the rows ``start:stop`` into the buckets, from each bucket's slot on, in row order."""
    cursor = slots.copy()
    for i in range(start, stop):
        if codes[i] >= 0:
            bucket = codes[i] >> shift
            out[cursor[bucket]] = values[i]
            cursor[bucket] += 1


@kernel
def gather(values: npt.NDArray[Any], places: Codes, start: int, stop: int, out: npt.NDArray[Any]) -> None:
    """``out[start:stop] = values[places[start:stop]]``."""
    for k in range(start, stop):
        out[k] = values[places[k]]


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
def sort_buckets(
    codes: Codes,
    time: Longs,
    bucket_start: Longs,
    shift: int,
    first_bucket: int,
    last_bucket: int,
    start: Longs,
    sorted_time: Longs,
    places: Codes,
) -> None:
    """Sort the rows of each bucket by label and time; equal times keep their order.

    `codes` and `time` are in bucket order. Writes where each label starts, the sorted times, and where each sorted row
    stood in bucket order.
    """
    n_labels = start.size - 1
    cursor = np.empty(1 << shift, np.int64)
    times_left, places_left = np.empty(0, np.int64), np.empty(0, np.int32)
    for bucket in range(first_bucket, last_bucket):
        first_label, last_label = bucket << shift, min((bucket + 1) << shift, n_labels)
        begin, end = bucket_start[bucket], bucket_start[bucket + 1]
        cursor[:] = 0
        for i in range(begin, end):
            cursor[codes[i] - first_label] += 1
        offset, longest = begin, 0
        for label in range(first_label, last_label):
            n = cursor[label - first_label]
            start[label] = cursor[label - first_label] = offset
            offset, longest = offset + n, max(longest, n)
        for i in range(begin, end):
            k = cursor[codes[i] - first_label]
            sorted_time[k], places[k] = time[i], i
            cursor[codes[i] - first_label] = k + 1
        if longest > times_left.size:
            times_left, places_left = np.empty(longest, np.int64), np.empty(longest, np.int32)
        for label in range(first_label, last_label):
            low = start[label]
            high = cursor[label - first_label]
            for run in range(low, high, SMALL):
                sort_run(sorted_time, places, run, min(run + SMALL, high))
            width = SMALL
            while width < high - low:
                for left in range(low, high - width, 2 * width):
                    middle = left + width
                    if sorted_time[middle - 1] > sorted_time[middle]:
                        merge_runs(sorted_time, places, left, middle, min(middle + width, high), times_left, places_left)
                width *= 2
