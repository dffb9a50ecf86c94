"""How answers were drawn: weights, strata, clusters, calibration; and the variance of a weighted mean that follows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.errors import DataError, OptionError
from crmkit.feedback import _weights
from crmkit.feedback._weights import Weights

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Per answer: its weight, stratum and cluster (None where there are none), and the cells that weights were fitted to."""

    weight: Floats
    stratum: Codes | None
    cluster: Codes | None
    cells: tuple[Codes, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Means:
    """A weighted mean per group with its linearised standard error."""

    mean: Floats
    variance: Floats  # of the values, by weight
    se: Floats
    df: Floats
    n: Codes
    weighing: Codes  # answers with a weight above zero: the others say nothing about the spread
    n_effective: Floats  # of a simple random sample with the same standard error


def read(frame: _frame.Frame, *, weight: Any, strata: str | None, cluster: str | None, kept: Bools) -> Design | None:
    """Read what is named; None where nothing is."""
    if weight is None and strata is None and cluster is None:
        return None
    cells: tuple[Codes, ...] = ()
    if isinstance(weight, Weights):
        w = weight._weights
        if w.size != len(frame):
            msg = f"weight= has {w.size:,} weights, the frame {len(frame):,} rows; weigh the rows that are analysed"
            raise DataError(msg)
        # margins that hold for all rows do not hold for some of them
        cells = weight._cells if kept.all() else ()
    elif weight is None:
        w = np.ones(len(frame))
    else:
        if not isinstance(weight, str):
            msg = f"weight= is the name of a column or what rake and poststratify return, not {type(weight).__name__}"
            raise OptionError(msg)
        w = _weights.checked(frame, weight)
    stratum = None if strata is None else _frame.ids(frame, strata, keyword="strata").codes.astype(np.int64)
    unit = None if cluster is None else _frame.ids(frame, cluster, keyword="cluster").codes.astype(np.int64)
    if unit is not None and stratum is not None:
        # a cluster number may be used again in another stratum
        unit = np.unique(stratum * (int(unit.max(initial=0)) + 1) + unit, return_inverse=True)[1].ravel()
    if kept.all():
        return Design(w, stratum, unit, cells)
    if unit is not None:
        # clusters that are left out altogether are no units of any stratum
        unit = np.unique(unit[kept], return_inverse=True)[1].ravel()
    return Design(w[kept], None if stratum is None else stratum[kept], unit, tuple(c[kept] for c in cells))


def alike(n: int) -> Design:
    """Return the design of answers that count alike, each drawn by itself."""
    return Design(np.ones(n), None, None, ())


def shrunk(found: Means, design: Design, level: float) -> Floats:
    """Effective answers, fewer where few clusters leave few degrees of freedom."""
    from scipy.special import stdtrit

    if design.stratum is None and design.cluster is None:
        return found.n_effective
    upper = (1.0 + level) / 2.0
    few = stdtrit(np.maximum(found.df, 1.0), upper)
    return np.asarray(found.n_effective * (stdtrit(np.maximum(found.n - 1.0, 1.0), upper) / few) ** 2)


def means(z: Floats, group: Codes, n_groups: int, design: Design) -> Means:
    """Weighted means of `z` by group, linearised: as ratios of totals, over strata and clusters."""
    w = design.weight
    total = np.bincount(group, w, n_groups)
    n = np.bincount(group, minlength=n_groups)
    weighing = np.bincount(group, w > 0.0, n_groups).astype(np.int64)
    if ((total <= 0.0) & (n > 0)).any():
        msg = f"all weights of {int(((total <= 0.0) & (n > 0)).sum()):,} groups are zero: they have no score; leave them out"
        raise DataError(msg)
    safe = np.where(total > 0.0, total, 1.0)
    mean = np.bincount(group, w * z, n_groups) / safe
    off = z - mean[group]
    variance = np.bincount(group, w * off * off, n_groups) / safe
    if design.cells:
        var, df = _calibrated(w, off, group, n_groups, design, safe)
    else:
        var, df = _total_variance(w * off / safe[group], group, n_groups, design)
    kish = total**2 / np.where(n > 0, np.bincount(group, w * w, n_groups), 1.0)
    plain = variance / np.maximum(weighing - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (variance > 0.0) & (var > 0.0) & (weighing > 1)
        n_effective = np.where(spread, weighing * (plain / np.where(var > 0.0, var, 1.0)), kish)
    return Means(mean, variance, np.sqrt(var), df, n, weighing, n_effective)


def correlation(z: Floats, group: Codes, n_groups: int, design: Design, left: Codes, right: Codes) -> Floats:
    """Correlation of the weighted means of two groups, pair by pair: clusters that are in both move both, and so do strata."""
    from scipy.sparse import csr_array

    if design.stratum is None and design.cluster is None:
        return np.zeros(left.size)
    w = design.weight
    total = np.bincount(group, w, n_groups)
    off = z - (np.bincount(group, w * z, n_groups) / total)[group]
    u = w * off / total[group]
    unit = np.arange(u.size) if design.cluster is None else design.cluster
    if design.stratum is None:
        sums = csr_array((u, (unit, group)))
        shared = (sums.T @ sums).toarray()
    else:
        sizes = np.bincount(np.unique(np.column_stack([design.stratum, unit]), axis=0)[:, 0]).astype(np.float64)
        factor = (sizes / np.maximum(sizes - 1.0, 1.0))[design.stratum]
        sums = csr_array((u * np.sqrt(factor), (unit, group)))
        means = csr_array((u * np.sqrt(factor / sizes[design.stratum]), (design.stratum, group)))
        shared = (sums.T @ sums).toarray() - (means.T @ means).toarray()
    spread = np.sqrt(np.maximum(np.diag(shared), 0.0))
    product = spread[left] * spread[right]
    found = np.divide(shared[left, right], product, out=np.zeros(left.size), where=product > 0.0)
    return np.asarray(np.clip(found, -1.0, 1.0))


def _total_variance(u: Floats, group: Codes, n_groups: int, design: Design) -> tuple[Floats, Floats]:
    """Variance of the sum of `u` in each group, and its degrees of freedom."""
    weighs = design.weight > 0.0
    if design.stratum is None and design.cluster is None:
        n = np.bincount(group, weighs, n_groups)
        return np.bincount(group, u * u, n_groups) * n / np.maximum(n - 1.0, 1.0), np.maximum(n - 1.0, 0.0)
    if design.stratum is None:
        # each group is a sample of its own, of the clusters that are in it
        assert design.cluster is not None
        width = int(design.cluster.max(initial=0)) + 1
        pairs, at = np.unique(group[weighs] * width + design.cluster[weighs], return_inverse=True)
        sums, of = np.bincount(np.ravel(at), u[weighs]), pairs // width
        clusters = np.bincount(of, minlength=n_groups)
        _refuse_single(clusters == 1, "a group", "all its answers are one")
        square, plain = np.bincount(of, sums * sums, n_groups), np.bincount(of, sums, n_groups)
        factor = clusters / np.maximum(clusters - 1, 1)
        return np.maximum(square - plain**2 / np.maximum(clusters, 1), 0.0) * factor, np.maximum(clusters - 1.0, 0.0)
    unit = np.arange(u.size) if design.cluster is None else design.cluster
    # strata belong to the whole sample: clusters without an answer in a group count there with a sum of zero
    n_strata = int(design.stratum.max(initial=0)) + 1
    first = np.zeros(int(unit.max(initial=0)) + 1, np.int64)
    first[unit] = design.stratum
    sizes = np.bincount(first, minlength=n_strata)
    used = np.bincount(design.stratum, minlength=n_strata) > 0
    _refuse_single((sizes == 1) & used, "a stratum", "join it with another")
    width = first.size
    pairs, at = np.unique(group * width + unit, return_inverse=True)
    sums = np.bincount(np.ravel(at), u)
    of_group, of_stratum = pairs // width, first[pairs % width]
    place = of_group * n_strata + of_stratum
    square = np.bincount(place, sums * sums, n_groups * n_strata).reshape(n_groups, n_strata)
    plain = np.bincount(place, sums, n_groups * n_strata).reshape(n_groups, n_strata)
    factor = sizes / np.maximum(sizes - 1, 1)
    variance = ((square - plain**2 / np.maximum(sizes, 1)) * factor).sum(axis=1)
    df = float(sizes[used].sum() - used.sum())
    return np.maximum(variance, 0.0), np.full(n_groups, df)


def _calibrated(w: Floats, off: Floats, group: Codes, n_groups: int, design: Design, total: Floats) -> tuple[Floats, Floats]:
    """Variance after calibration: of what the margins, which are known, leave unexplained."""
    starts = np.cumsum([0, *(int(cells.max(initial=0)) + 1 for cells in design.cells)])
    columns = [cells + start for cells, start in zip(design.cells, starts[:-1], strict=True)]
    size = int(starts[-1])
    gram = np.zeros((size, size))
    for one in columns:
        for two in columns:
            gram += np.bincount(one * size + two, w, size * size).reshape(size, size)
    solve = np.linalg.pinv(gram, hermitian=True)
    variance, df = np.empty(n_groups), np.empty(n_groups)
    everyone = np.zeros(off.size, np.int64)
    for g in range(n_groups):
        # a group is a domain of the calibrated sample: everybody outside counts zero
        value = np.where(group == g, off, 0.0)
        slopes = solve @ sum(np.bincount(column, w * value, size) for column in columns)
        residual = value - sum(slopes[column] for column in columns)
        var, degrees = _total_variance(w * residual / total[g], everyone, 1, design)
        variance[g], df[g] = var[0], degrees[0]
    return variance, df


def _refuse_single(single: Bools, where: str, cure: str) -> None:
    if single.any():
        msg = f"{int(single.sum()):,} times {where} has a single cluster, so that its spread cannot be seen; {cure}"
        raise DataError(msg)
