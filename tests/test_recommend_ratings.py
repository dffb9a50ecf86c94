"""Ratings: biases by the slow road, tastes recovered from simulated ratings, published errors, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from crmkit import recommend
from crmkit.errors import ColumnError, DataError, FitError, OptionError

QUICK = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"


def rated(n=400, n_customers=25, n_items=12, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"customer_id": rng.integers(0, n_customers, n), "item_id": rng.integers(0, n_items, n)})
    return frame.assign(rating=rng.integers(1, 6, n).astype(float))


def simulated(n_customers=300, n_items=120, share=0.25, noise=0.5, seed=0):
    """Ratings with known biases and two tastes; what is left is noise."""
    rng = np.random.default_rng(seed)
    u, i = np.nonzero(rng.random((n_customers, n_items)) < share)
    p, q = rng.normal(0, 0.8, (n_customers, 2)), rng.normal(0, 0.8, (n_items, 2))
    bias_u, bias_i = rng.normal(0, 0.4, n_customers), rng.normal(0, 0.6, n_items)
    rating = 3.5 + bias_u[u] + bias_i[i] + (p[u] * q[i]).sum(axis=1) + rng.normal(0, noise, u.size)
    frame = pd.DataFrame({"customer_id": u, "item_id": i, "rating": rating})
    held = rng.random(u.size) < 0.2
    return frame[~held], frame[held]


def rmse(model, frame):
    return float(np.sqrt(np.mean((recommend.predict_ratings(model, frame) - frame["rating"]) ** 2)))


def test_the_baseline_is_the_ridge_regression_on_who_and_what():
    frame = rated()
    model = recommend.fit_ratings(frame, method="baseline")
    u, i = np.eye(25)[frame["customer_id"]], np.eye(12)[frame["item_id"]]
    x = np.hstack([u, i])
    penalty = np.diag(np.repeat([15.0, 10.0], [25, 12]))
    exact = np.linalg.solve(x.T @ x + penalty, x.T @ (frame["rating"] - frame["rating"].mean()))
    np.testing.assert_allclose(np.concatenate([model.customer_bias, model.item_bias]), exact, atol=1e-8)
    left = frame["rating"] - recommend.predict_ratings(model, frame)
    assert model.rmse == pytest.approx(np.sqrt(np.mean(left**2)))
    assert "method     baseline" in repr(model)


def test_one_sweep_is_a_step_at_every_rating():
    frame = rated(n=30, n_customers=4, n_items=3).drop_duplicates(["customer_id", "item_id"])
    model = recommend.fit_ratings(frame, factors=2, sweeps=1, rate=0.1, penalty=0.3, rng=5)
    rng = np.random.default_rng(5)
    p, q = rng.normal(0, 0.1, (frame["customer_id"].nunique(), 2)), rng.normal(0, 0.1, (frame["item_id"].nunique(), 2))
    bias_u, bias_i = np.zeros(len(p)), np.zeros(len(q))
    ordered = frame.sort_values(["customer_id", "item_id"]).to_numpy()
    customers, items = np.unique(ordered[:, 0]), np.unique(ordered[:, 1])
    for step in rng.permutation(len(ordered)):
        u, i = np.searchsorted(customers, ordered[step, 0]), np.searchsorted(items, ordered[step, 1])
        error = ordered[step, 2] - (frame["rating"].mean() + bias_u[u] + bias_i[i] + p[u] @ q[i])
        bias_u[u] += 0.1 * (error - 0.3 * bias_u[u])
        bias_i[i] += 0.1 * (error - 0.3 * bias_i[i])
        p[u], q[i] = p[u] + 0.1 * (error * q[i] - 0.3 * p[u]), q[i] + 0.1 * (error * p[u] - 0.3 * q[i])
    np.testing.assert_allclose(model.customer_factors, p, rtol=1e-9)
    np.testing.assert_allclose(model.item_factors, q, rtol=1e-9)
    np.testing.assert_allclose(model.customer_bias, bias_u, rtol=1e-9)


@pytest.mark.skipif(QUICK, reason="millions of steps are too many without compilation")
def test_tastes_are_found_where_there_are_some():
    train, test = simulated()
    spread = float(test["rating"].std())
    baseline = rmse(recommend.fit_ratings(train, method="baseline"), test)
    svd = rmse(recommend.fit_ratings(train, factors=4, sweeps=100, rate=0.01, penalty=0.05), test)
    assert spread > 1.2 > 1.1 > baseline
    assert svd < 0.62  # the noise alone is 0.5


def test_neither_the_order_nor_the_kind_of_rows_matters():
    frame = rated()
    model = recommend.fit_ratings(frame, factors=3, sweeps=3)
    expected = recommend.predict_ratings(model, frame)
    mixed = recommend.fit_ratings(frame.sample(frac=1, random_state=2), factors=3, sweeps=3)
    np.testing.assert_array_equal(mixed.item_factors, model.item_factors)
    pd.testing.assert_series_equal(recommend.predict_ratings(mixed, frame.iloc[::-1]), expected.iloc[::-1])
    polars = pl.from_pandas(frame)
    got = recommend.predict_ratings(recommend.fit_ratings(polars, factors=3, sweeps=3), polars)
    assert got.columns == ["customer_id", "rating"]
    np.testing.assert_array_equal(got["rating"], expected)


def test_who_and_what_is_new_is_average():
    frame = rated()
    model = recommend.fit_ratings(frame, factors=3, sweeps=3)
    asked = pd.DataFrame({"customer_id": [1, 99, 1, 99], "item_id": [2, 2, 88, 88]}, index=[4, 4, 2, 1])
    got = recommend.predict_ratings(model, asked)
    assert got.index.tolist() == [4, 4, 2, 1]
    assert got.iloc[1] == pytest.approx(model.mean + model.item_bias[2])
    assert got.iloc[2] == pytest.approx(model.mean + model.customer_bias[1])
    assert got.iloc[3] == pytest.approx(model.mean)
    assert got.between(1.0, 5.0).all()


def test_a_single_rating_is_what_is_expected_of_all():
    frame = pd.DataFrame({"customer_id": ["x"], "item_id": ["y"], "rating": [4]})
    for method in ("svd", "baseline"):
        assert recommend.predict_ratings(recommend.fit_ratings(frame, method=method), frame).tolist() == [4.0]


def test_what_cannot_be_learned_is_refused():
    frame = rated()
    for options in ({"method": "als"}, {"factors": 0}, {"sweeps": 0}, {"rate": 0}, {"penalty": -1}, {"rng": "x"}):
        with pytest.raises(OptionError, match=next(iter(options))):
            recommend.fit_ratings(frame, **options)
    with pytest.raises(ColumnError, match="stars"):
        recommend.fit_ratings(frame, rating="stars")
    with pytest.raises(DataError, match="holds no rating"):
        recommend.fit_ratings(frame.iloc[:0])
    with np.errstate(all="ignore"), pytest.raises(FitError, match="errors grow without end"):
        recommend.fit_ratings(frame.assign(rating=frame["rating"] * 1e6), rate=5.0)
    with pytest.raises(OptionError, match=r"expected what recommend\.fit_ratings returns"):
        recommend.predict_ratings(frame, frame)
    model = recommend.fit_ratings(frame, method="baseline")
    with pytest.raises(ColumnError, match="item_id"):
        recommend.predict_ratings(model, frame[["customer_id"]])
    with pytest.raises(DataError, match="the customer ids are text"):
        recommend.predict_ratings(model, frame.astype({"customer_id": str}))


@pytest.mark.skipif(QUICK, reason="hundreds of millions of steps are too many without compilation")
def test_movielens_100k_has_the_published_errors():
    """Five folds, defaults: RMSE and MAE .944, .748 of the baseline and .934, .737 of the SVD in other hands."""
    folder = Path(os.environ.get("CRMKIT_DATA", Path(__file__).parent.parent / ".." / "shared" / "data"))
    file = next((path for path in (folder / "ml-100k" / "u.data", folder / "u.data") if path.exists()), None)
    if file is None:
        pytest.skip(f"u.data of MovieLens 100K is not in {folder}; its licence lets nobody else supply it")
    frame = pd.read_csv(file, sep="\t", names=["customer_id", "item_id", "rating", "timestamp"])
    fold = np.empty(len(frame), np.int64)
    fold[np.random.RandomState(0).permutation(len(frame))] = np.arange(len(frame)) * 5 // len(frame)
    for method, expected in (("baseline", (0.944, 0.748)), ("svd", (0.934, 0.737))):
        errors = []
        for held in range(5):
            test = frame[fold == held]
            model = recommend.fit_ratings(frame[fold != held], method=method)
            left = recommend.predict_ratings(model, test) - test["rating"]
            errors.append((np.sqrt(np.mean(left**2)), np.mean(np.abs(left))))
        assert np.mean(errors, axis=0) == pytest.approx(expected, abs=0.003)
