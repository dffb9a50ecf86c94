"""Groups of customers that nobody drew: k-means on recency, frequency and monetary value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.errors import DataError
from crmkit.results import Model, Shown
from crmkit.rfm._summary import MEASURES

__all__ = ["Clustering", "KMeans", "cluster"]

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

TRANSFORMS = ("log", "none")
MOST = 8  # clusters tried where k is to be chosen
RESAMPLES = 20
SAMPLE = 2_000  # customers whose distances to one another are looked at
STARTS, STARTS_OF_RESAMPLES = 10, 3
SEEDS = 2**31


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class KMeans(Model):
    """Centres of customers in recency, frequency and monetary value; holds no customer.

    Attributes
    ----------
    k : int
        Number of clusters.
    centers : array
        One row per cluster, in the units of the measures: where its mean lies, transformed back.
    sizes : array
        Customers per cluster.
    transform : str
        What was done to the measures before they were brought to mean 0 and standard deviation 1.
    shift, scale : array
        Mean and standard deviation of each transformed measure.
    silhouette : float
        Mean silhouette: near 1, clusters are far apart; near 0, they touch.
    silhouettes : mapping of str to float
        That of every number of clusters tried.
    stability : float
        Mean adjusted Rand index of the clusters and those of resampled customers: 1, always the same; 0, as good as chance.
    stability_low : float
        The lowest of them.
    n : int
        Customers.
    converged : bool
        Whether the last step moved nobody.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("k", "silhouette", "stability", "stability_low")
    TITLE: ClassVar[str] = "k-means of recency, frequency and monetary value"

    k: int
    centers: Floats
    sizes: Longs
    transform: str
    shift: Floats
    scale: Floats
    silhouette: float
    silhouettes: Mapping[str, float]
    stability: float
    stability_low: float
    n: int
    converged: bool

    def assign(self, recency_days: Any, frequency: Any, monetary: Any) -> Longs:
        """Return the number of the nearest cluster, from 1, of arrays of the three measures."""
        columns = np.broadcast_arrays(*(np.asarray(values, np.float64) for values in (recency_days, frequency, monetary)))
        points = np.stack([values.reshape(-1) for values in columns], axis=1)
        if not np.isfinite(points).all():
            msg = f"a measure is missing or infinite in {int((~np.isfinite(points)).any(axis=1).sum()):,} places"
            raise DataError(msg)
        standard = (_transformed(points, self.transform) - self.shift) / self.scale
        centres = (_transformed(np.asarray(self.centers), self.transform) - self.shift) / self.scale
        return _nearest(standard, centres).reshape(columns[0].shape) + 1


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Clustering(Shown):
    """The cluster of each customer, and the model it comes from.

    Attributes
    ----------
    clusters : Series
        Number of the cluster of each row, from 1; elsewhere than in pandas a frame of the id and ``cluster``.
    model : KMeans
        The centres, and how clear-cut and how stable they are.
    """

    clusters: Any
    model: KMeans

    def __repr__(self) -> str:
        return repr(self.model)


def cluster(summary: Any, /, *, k: int | None = None, transform: str = "log", rng: Any = 0) -> Clustering:
    r"""Group customers who are alike in recency, frequency and monetary value, and say how far the groups can be trusted.

    Parameters
    ----------
    summary : DataFrame
        One row per customer with ``recency_days``, ``frequency`` and ``monetary``, as `summarize` returns them.
    k : int, optional
        Number of clusters, 2 to 50. Default: that of 2 to 8 with the best silhouette.
    transform : {"log", "none"}, default "log"
        The measures are skewed: logarithms keep a few large customers from making the clusters. Negative amounts mirror
        positive ones.
    rng : int, Generator or None, default 0
        Seed of the random starts and resamples; None for fresh entropy.

    Returns
    -------
    Clustering
        ``clusters``, the same rows; and ``model``, which assigns others. Cluster 1 is the one that is worth most per
        customer.

    Raises
    ------
    ColumnError
        A measure is missing.
    DataError
        A measure is missing, infinite or negative, or there are fewer different customers than clusters.
    OptionError
        An option is not usable.

    Notes
    -----
    Each measure becomes :math:`\operatorname{sign}(x)\log(1 + |x|)` and is brought to mean 0 and standard deviation 1;
    k-means then minimises the squared distances to the centres, from ten starts (three when it is repeated). The silhouette
    of a customer is :math:`(b - a) / \max(a, b)` with mean distances :math:`a` within and :math:`b` to the next cluster, here
    averaged over at most 2,000 customers. Stability repeats the clustering on 20 samples of half of the customers and
    compares, over all customers, by the adjusted Rand index: clusters that do not come back are not there.

    References
    ----------
    Rousseeuw (1987), Silhouettes: a graphical aid to the interpretation and validation of cluster analysis, J. Comput. Appl.
    Math. 20. Hubert and Arabie (1985), Comparing partitions, J. Classification 2. Hennig (2007), Cluster-wise assessment of
    cluster stability, Comput. Stat. Data Anal. 52(1).

    Examples
    --------
    >>> import crmkit as crm
    >>> from crmkit import datasets
    >>> shop = datasets.make_transactions(n_customers=200)
    >>> summary = crm.rfm.summarize(shop.transactions, order="order_id")
    >>> found = crm.rfm.cluster(summary, k=3)
    >>> sorted(set(found.clusters))
    [1, 2, 3]
    """
    _options.choice("transform", transform, TRANSFORMS)
    generator = _options.generator(rng)
    if k is not None:
        k = _options.whole("k", k, low=2, high=50)
    frame = _frame.read(summary)
    columns = [_frame.numbers(frame, measure, nonnegative=measure != "monetary") for measure in MEASURES.values()]
    points = np.stack(columns, axis=1)
    # starts and resamples are drawn by place: the places follow the values, not the rows
    order = np.lexsort(points.T)
    points = points[order]
    different = len(np.unique(points, axis=0)) if len(frame) else 0
    if different < (k or 2) or (k is None and different < 3):
        msg = f"there are {different:,} different customers: too few for {k or 'two or more'} clusters"
        raise DataError(msg)
    moved = _transformed(points, transform)
    shift, scale = moved.mean(axis=0), moved.std(axis=0)
    # a measure that is the same for everybody tells nobody apart; its deviation is the rounding of its mean
    scale = np.where(np.ptp(points, axis=0) > 0, scale, 1.0)
    standard = (moved - shift) / scale
    sample = generator.permutation(len(standard))[:SAMPLE]
    tried: dict[int, tuple[float, Longs, Floats, bool]] = {}
    for number in [k] if k is not None else range(2, min(MOST, different - 1) + 1):
        labels, centres, converged = _fit(standard, number, generator)
        tried[number] = (_silhouette(standard[sample], labels[sample]), labels, centres, converged)
    best = max(tried, key=lambda number: tried[number][0])
    silhouette, labels, centres, converged = tried[best]
    stability = _stability(standard, labels, best, generator)
    centers = _back(centres * scale + shift, transform)
    by_worth = np.argsort(-centers[:, 2], kind="stable")
    rank = np.empty(best, np.int64)
    rank[by_worth] = np.arange(best)
    labels = rank[labels]
    of_row = np.empty(labels.size, np.int64)
    of_row[order] = labels + 1
    model = KMeans(
        k=best,
        centers=centers[by_worth],
        sizes=np.bincount(labels, minlength=best),
        transform=transform,
        shift=shift,
        scale=scale,
        silhouette=silhouette,
        silhouettes={str(number): found[0] for number, found in tried.items()},
        stability=float(np.mean(stability)),
        stability_low=float(np.min(stability)),
        n=len(frame),
        converged=converged,
    )
    return Clustering(_frame.series_like(frame, "cluster", of_row, used=tuple(MEASURES.values())), model)


def _transformed(points: Floats, transform: str) -> Floats:
    return np.sign(points) * np.log1p(np.abs(points)) if transform == "log" else points


def _back(points: Floats, transform: str) -> Floats:
    return np.sign(points) * np.expm1(np.abs(points)) if transform == "log" else points


def _nearest(points: Floats, centres: Floats) -> Longs:
    distance = np.empty((len(points), len(centres)))
    for j, centre in enumerate(centres):
        distance[:, j] = ((points - centre) ** 2).sum(axis=1)
    nearest: Longs = distance.argmin(axis=1)
    return nearest


def _fit(points: Floats, k: int, generator: np.random.Generator, starts: int = STARTS) -> tuple[Longs, Floats, bool]:
    """Labels and centres of k-means, finished here: sums over rows in their order do not depend on threads."""
    import sklearn.cluster

    fitted = sklearn.cluster.KMeans(k, n_init=starts, random_state=int(generator.integers(SEEDS))).fit(points)
    labels = _nearest(points, fitted.cluster_centers_)
    centres = fitted.cluster_centers_
    for _ in range(100):
        count = np.bincount(labels, minlength=k)
        sums = np.stack([np.bincount(labels, weights=column, minlength=k) for column in points.T], axis=1)
        centres = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], centres)
        again = _nearest(points, centres)
        if (again == labels).all():
            return labels, centres, True
        labels = again
    return labels, centres, False


def _silhouette(points: Floats, labels: Longs) -> float:
    from sklearn.metrics import silhouette_score

    n_labels = np.unique(labels).size
    return float(silhouette_score(points, labels)) if 1 < n_labels < len(points) else 0.0


def _stability(points: Floats, labels: Longs, k: int, generator: np.random.Generator) -> list[float]:
    from sklearn.metrics import adjusted_rand_score

    found = []
    half = max(len(points) // 2, k)
    for _ in range(RESAMPLES):
        some = np.sort(generator.permutation(len(points))[:half])
        if len(np.unique(points[some], axis=0)) < k:
            found.append(0.0)
            continue
        _, centres, _ = _fit(points[some], k, generator, STARTS_OF_RESAMPLES)
        found.append(float(adjusted_rand_score(labels, _nearest(points, centres))))
    return found
