"""The bootstrap: what a statistic would have been in other samples like this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _options
from crmkit.errors import DataError, FitError, LimitError, OptionError
from crmkit.intervals import _counts
from crmkit.intervals._counts import Floats
from crmkit.results import confidence_level

__all__ = ["bootstrap"]

Statistic = Callable[[npt.NDArray[Any]], Any]
FEW = 4096  # distinct values up to which a mean is resampled as counts of them
MOST_REPLICATES = 1_000_000
MOST_DRAWN = 100_000_000  # numbers held at once
AT_ONCE = 1 << 22  # numbers drawn at once


def bootstrap(
    data: Any,
    statistic: str | Statistic = "mean",
    /,
    *,
    counts: bool = False,
    replicates: int = 2000,
    level: float = 0.95,
    rng: Any = 0,
) -> tuple[Any, Any]:
    r"""Give the percentile bootstrap interval of any statistic, from values or from counts of categories.

    Parameters
    ----------
    data : array
        Values in one dimension; with `counts`, how many are in each category along the last axis, of one sample or of many.
    statistic : "mean" or callable, default "mean"
        A callable gets one resample of the values and returns a number. With `counts` it gets an array whose last axis is the
        categories, for all replicates at once, and returns the statistic without that axis; "mean" then has no meaning.
    counts : bool, default False
        Whether `data` are counts. Resamples are then multinomial draws: exactly the distribution of resampled rows, at a cost
        that does not depend on how many there are.
    replicates : int, default 2000
        Resamples, 100 to 1,000,000.
    level : float, default 0.95
        Confidence level of the interval, between 0 and 1.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy. Every row of counts is resampled from the same seed, so that a sample has the same
        interval whichever others are in the call.

    Returns
    -------
    tuple of two floats or two arrays
        Lower and upper end; arrays for several samples. Both are the statistic itself where all values are alike, or there is
        one only: resamples of it show no other.

    Raises
    ------
    DataError
        There is nothing to resample, a value is missing or infinite, or a count is not one.
    FitError
        The statistic of a resample is not a finite number.
    LimitError
        Resampled counts would be more than 100 million numbers, 0.8 GB: `replicates` times the categories.
    OptionError
        `statistic`, `replicates`, `level` or `rng` is not usable.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    Examples
    --------
    >>> from crmkit import intervals
    >>> low, high = intervals.bootstrap([3, 1, 4, 1, 5, 9, 2, 6])
    >>> bool(low < 3.875 < high)
    True

    The score of a million answers is as quickly resampled as that of ten:

    >>> import numpy as np
    >>> def score(c):
    ...     return 100 * (c[..., 2] - c[..., 0]) / c.sum(axis=-1)
    >>> low, high = intervals.bootstrap([362_000, 176_000, 462_000], score, counts=True)
    >>> round(low, 1), round(high, 1)
    (9.8, 10.2)
    """
    replicates = _options.whole("replicates", replicates, low=100, high=MOST_REPLICATES)
    level = confidence_level(level)
    if not (callable(statistic) or statistic == "mean") or (counts and not callable(statistic)):
        accepted = "a function of counts" if counts else '"mean" or a function of values'
        msg = f"statistic={statistic!r} is not {accepted}"
        raise OptionError(msg)
    if counts:
        rows = _counts.whole(data, "counts")
        if rows.ndim == 0 or rows.shape[-1] < 1:
            msg = f"counts has shape {rows.shape}: pass the counts of the categories along the last axis"
            raise DataError(msg)
        if replicates * rows.shape[-1] > MOST_DRAWN:
            msg = (
                f"{replicates:,} resamples of {rows.shape[-1]:,} categories are more than {MOST_DRAWN:,} numbers; take fewer"
                " replicates, or join rare categories"
            )
            raise LimitError(msg)
        total = rows.sum(axis=-1)
        _counts.refuse(total == 0, total, "the sum of counts", "zero", "there is nothing to resample: leave these out")
        assert callable(statistic)
        return _counts.out(*counts_ends(rows, statistic, replicates, level, rng))

    values = _values(data)
    random = _options.generator(rng)
    if callable(statistic):
        found = np.array([float(statistic(values[random.integers(0, values.size, values.size)])) for _ in range(replicates)])
    else:
        found = _means(values, replicates, random)
    low, high = _percentiles(found, level)
    return float(low), float(high)


def counts_ends(rows: Floats, statistic: Statistic, replicates: int, level: float, rng: Any) -> tuple[Floats, Floats]:
    """Interval of each row of counts, once for each distinct one."""
    flat = rows.reshape(-1, rows.shape[-1]).astype(np.int64)
    distinct, of_row = np.unique(flat, axis=0, return_inverse=True)
    seed = rng
    if rng is None or isinstance(rng, np.random.Generator):
        # one seed for all rows: drawn, so that a generator moves on and None stays fresh
        seed = int(_options.generator(rng).integers(0, 2**63))
    low, high = np.empty(len(distinct)), np.empty(len(distinct))
    for i, row in enumerate(distinct):
        draws = _options.generator(seed).multinomial(int(row.sum()), row / row.sum(), size=replicates)
        found = np.asarray(statistic(draws), dtype=np.float64)
        if found.shape != (replicates,):
            msg = (
                f"statistic={statistic!r} gives shape {found.shape} for counts of shape {draws.shape}, not one number for each"
                " resample: categories are along the last axis, as in c[..., 0] and c.sum(axis=-1)"
            )
            raise OptionError(msg)
        low[i], high[i] = _percentiles(found, level)
    of_row = np.ravel(of_row)
    return low[of_row].reshape(rows.shape[:-1]), high[of_row].reshape(rows.shape[:-1])


def _values(data: Any) -> Floats:
    try:
        values = np.array(data, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = "data holds values that are not numbers"
        raise DataError(msg) from error
    if values.ndim != 1 or values.size == 0:
        msg = f"data has shape {values.shape}: pass one list of values, at least one"
        raise DataError(msg)
    _counts.refuse(~np.isfinite(values), values, "data", "missing or infinite", "leave these out")
    return values


def _means(values: Floats, replicates: int, random: np.random.Generator) -> Floats:
    distinct, times = np.unique(values, return_counts=True)
    if distinct.size <= FEW:
        at_once = max(1, AT_ONCE // distinct.size)
        parts = [
            random.multinomial(values.size, times / values.size, size=min(at_once, replicates - start)) @ distinct
            for start in range(0, replicates, at_once)
        ]
        return np.concatenate(parts) / values.size
    return np.array([values[random.integers(0, values.size, values.size)].mean() for _ in range(replicates)])


def _percentiles(found: Floats, level: float) -> tuple[float, float]:
    if not np.isfinite(found).all():
        msg = f"the statistic is not finite in {int((~np.isfinite(found)).sum()):,} of {found.size:,} resamples"
        raise FitError(msg)
    low, high = np.quantile(found, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
