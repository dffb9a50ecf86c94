"""Neighbours and factors beside implicit, EASE beside irspack; run by ``nox -s peers``, in whose environment they work."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("implicit", reason="implicit works in the environment of `nox -s peers`", exc_type=ImportError)

from scipy.sparse import csr_matrix

from crmkit import recommend
from crmkit.recommend import als

# their own calls of numpy and scipy are dated
pytestmark = pytest.mark.filterwarnings("ignore")
N_CUSTOMERS, N_ITEMS = 60, 40


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    dense = rng.poisson(1.5, (N_CUSTOMERS, N_ITEMS)) * (rng.random((N_CUSTOMERS, N_ITEMS)) < rng.beta(1, 5, N_ITEMS) + 0.05)
    dense[np.arange(N_CUSTOMERS), rng.integers(0, N_ITEMS, N_CUSTOMERS)] += 1
    dense[rng.integers(0, N_CUSTOMERS, N_ITEMS), np.arange(N_ITEMS)] += 1
    return dense


@pytest.fixture(scope="module")
def seen(counts):
    customer, item = np.nonzero(counts)
    lines = np.repeat(np.arange(customer.size), counts[customer, item])
    frame = pd.DataFrame({"customer_id": customer[lines], "item_id": item[lines]})
    return recommend.interactions(frame, time=None, amount=None)


def test_cosine_neighbours_are_those_of_implicit(counts, seen):
    from implicit.nearest_neighbours import CosineRecommender

    peer = CosineRecommender(K=N_ITEMS, num_threads=1)
    peer.fit(csr_matrix(counts, dtype=np.float32), show_progress=False)
    theirs = peer.similarity.toarray()
    np.fill_diagonal(theirs, 0.0)
    near = recommend.fit_item_knn(seen, k=N_ITEMS).neighbours
    ours = np.zeros((N_ITEMS, N_ITEMS))
    ours[np.repeat(np.arange(N_ITEMS), np.diff(near.start)), near.index] = near.value
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_customers_are_solved_as_by_implicit(counts, seen):
    from implicit.als import AlternatingLeastSquares

    peer = AlternatingLeastSquares(factors=16, regularization=0.5, iterations=5, use_cg=False, num_threads=1, random_state=0)
    peer.fit(csr_matrix(counts, dtype=np.float32), show_progress=False)
    theirs = peer.recalculate_user(np.arange(N_CUSTOMERS), csr_matrix(counts, dtype=np.float32))
    items = np.ascontiguousarray(peer.item_factors)
    penalties = np.full(N_CUSTOMERS, 0.5, np.float32)
    whole = items.T.astype(float) @ items
    start = np.zeros((N_CUSTOMERS, 16), np.float32)
    ours, _ = als.solved(seen.by_customer, items, start, whole, penalties, 1.0, 16, 200, 1e-12, 1)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_weights_of_ease_are_those_of_irspack(counts, seen):
    irspack = pytest.importorskip("irspack", exc_type=ImportError)
    peer = irspack.DenseSLIMRecommender(csr_matrix(counts, dtype=np.float64), reg=7.0)
    peer.learn()
    np.testing.assert_allclose(recommend.fit_ease(seen, penalty=7.0).weights, peer.W, atol=1e-6)
