"""Gradient-boosted trees of scikit-learn: a small regularised one, and a larger one stopped by rows it has not seen."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import zipfile
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _threads
from crmkit._learn._calibrate import fit_calibration
from crmkit._learn._columns import UNSEEN, Table
from crmkit._learn._logistic import losses, probability
from crmkit.errors import DataError, MissingExtraError

__all__ = ["LARGE", "SMALL", "Boosting", "fit_boosting", "grow", "looked_at", "pack", "tree_columns", "unpack"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SMALL = MappingProxyType(
    {"learning_rate": 0.05, "max_iter": 150, "max_leaf_nodes": 8, "min_samples_leaf": 40, "l2_regularization": 1.0}
)
LARGE = MappingProxyType(
    {"learning_rate": 0.05, "max_iter": 600, "max_leaf_nodes": 31, "min_samples_leaf": 10, "l2_regularization": 1.0}
)
STEP = 40  # trees between two looks at the rows left out
PATIENCE = 2  # looks without a gain after which no more trees are added
ROWS_FOR_THREADS = 100_000  # below, OpenMP threads wait for each other longer than they work
COMBINATIONS = 256  # of categories over which the score of a row with new ones is averaged
TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Boosting:
    """A fitted boosting, and the terms of the matrix that it reads."""

    estimator: Any
    columns: Bools

    def log_odds(self, X: Floats) -> Floats:
        """Give the log odds of each row of a matrix of terms."""
        if X.shape[0] == 0:
            return np.empty(0)
        with openmp_threads(X.shape[0]):
            return np.asarray(self.estimator.decision_function(X[:, self.columns]), np.float64)

    def log_odds_of(self, table: Table, shares: dict[str, Floats]) -> Floats:
        """Give the log odds of each row; one with new categories gets the mean probability over those seen in the fit."""
        out = self.log_odds(table.matrix()[0])
        new = {name: table.columns[name] == UNSEEN for name in table.categories}
        new = {name: rows for name, rows in new.items() if rows.any()}
        if not new:
            return out
        # rows by which of their features are new
        pattern = np.column_stack(list(new.values()))
        kinds, which = np.unique(pattern, axis=0, return_inverse=True)
        which = which.reshape(-1)
        for k, kind in enumerate(kinds):
            if not kind.any():
                continue
            rows = np.flatnonzero(which == k)
            names = [name for name, is_new in zip(new, kind, strict=True) if is_new]
            mean = np.zeros(rows.size)
            for codes, weight in _combinations([shares[name] for name in names]):
                columns = {name: values[rows] for name, values in table.columns.items()}
                for name, code in zip(names, codes, strict=True):
                    columns[name] = np.full(rows.size, code, np.int32)
                filled = Table(columns, table.categories, table.missing, rows.size)
                mean += weight * probability(self.log_odds(filled.matrix()[0]))
            mean = np.clip(mean, 1e-12, 1.0 - 1e-12)
            out[rows] = np.log(mean) - np.log1p(-mean)
        return out


def tree_columns(table: Table) -> Bools:
    """Return which terms trees read: they find missing numbers by themselves, and of two categories one is enough."""
    kept = []
    for name, term in table.terms():
        if name not in table.categories:
            kept.append(term == name)
        else:
            seen = table.categories[name]
            kept.append(len(seen) != 2 or name in table.missing or term != f"{name}={seen[0]}")
    return np.array(kept, np.bool_)


def fit_boosting(
    X: Floats, y: Bools, columns: Bools, settings: Any, *, iterations: int, seed: int, n_threads: int | None
) -> Boosting:
    """Fit so many trees on all rows."""
    estimator = _estimator({**settings, "max_iter": iterations}, seed)
    with openmp_threads(X.shape[0], n_threads):
        estimator.fit(X[:, columns], y)
    return Boosting(estimator, columns)


def grow(
    X: Floats, y: Bools, columns: Bools, now: Floats, settings: Any, *, known: Bools, seed: int, n_threads: int | None
) -> Floats:
    """Add trees until the rows `now`, left out of the fit, gain no more; return their log odds at each look.

    More trees go on telling rows apart after their log odds have become too extreme, which calibration puts right: the gain
    is that of the log odds on the best line.
    """
    estimator = _estimator({**settings, "max_iter": STEP, "warm_start": True}, seed)
    past, now = X[:, columns], now[:, columns]
    found: list[Floats] = []
    best, since = np.inf, 0
    with openmp_threads(past.shape[0], n_threads):
        for trees in range(STEP, int(settings["max_iter"]) + 1, STEP):
            estimator.set_params(max_iter=trees)
            estimator.fit(past, y)
            found.append(estimator.decision_function(now))
            loss = looked_at(known, found[-1])
            best, since = (loss, 0) if loss < best else (best, since + 1)
            if since >= PATIENCE:
                break
    return np.asarray(found, np.float64)


def looked_at(known: Bools, log_odds: Floats) -> float:
    """Return the mean loss on the best line through the log odds."""
    return float(losses(known, fit_calibration("sigmoid", log_odds, known)(log_odds)).mean())


@contextlib.contextmanager
def openmp_threads(n_rows: int, n_threads: int | None = None) -> Iterator[None]:
    """Let OpenMP use as many threads as the rows are worth, for this call in this thread, and then as many as before."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    wanted = _threads.count(n_threads) if n_rows >= ROWS_FOR_THREADS else 1
    with ThreadpoolController().limit(limits=wanted, user_api="openmp"):
        yield


def pack(estimator: Any) -> str:
    """Write an estimator as text by way of skops."""
    skops = _skops()
    data: bytes = skops.dumps(estimator, compression=zipfile.ZIP_DEFLATED)
    return base64.b64encode(data).decode("ascii")


def unpack(text: str) -> Any:
    """Read an estimator that `pack` wrote; nothing but what a boosting is made of is built, and nothing is unpickled."""
    skops = _skops()
    data = base64.b64decode(text)
    strange = sorted(set(skops.get_untrusted_types(data=data)) - set(TRUSTED))
    if strange:
        msg = f"the model holds {strange}, which no boosting does; it was not written by crmkit, and is not loaded"
        raise DataError(msg)
    return skops.loads(data, trusted=list(TRUSTED))


def _skops() -> Any:
    try:
        from skops import io
    except ImportError as error:
        msg = "saving a boosting needs skops: python -m pip install 'crmkit[models]'"
        raise MissingExtraError(msg) from error
    return io


def _estimator(settings: Any, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(**settings, early_stopping=False, categorical_features=None, random_state=seed)


def _combinations(shares: list[Floats]) -> list[tuple[tuple[int, ...], float]]:
    """Return combinations of categories with their weights: all of them where they are few, else a fixed sample."""
    if np.prod([float(share.size) for share in shares]) <= COMBINATIONS:
        found: list[tuple[tuple[int, ...], float]] = [((), 1.0)]
        for share in shares:
            found = [((*codes, code), weight * float(w)) for codes, weight in found for code, w in enumerate(share) if w > 0]
        return found
    rng = np.random.default_rng(0)
    drawn = [rng.choice(share.size, COMBINATIONS, p=share) for share in shares]
    return [(tuple(int(column[i]) for column in drawn), 1.0 / COMBINATIONS) for i in range(COMBINATIONS)]
