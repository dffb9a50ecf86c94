"""The kernels below the recommenders against the definition on a dense table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from crmkit._kernels import item_knn, sparse, top_k
from naive import recommend as naive

N_CUSTOMERS, N_ITEMS = 6, 7
# the first example waits for the compiler
unhurried = settings(deadline=None)
tables = arrays.arrays(np.int64, (N_CUSTOMERS, N_ITEMS), elements=st.integers(0, 3))


def read_only(array):
    array.flags.writeable = False
    return array


def compressed(dense):
    """Rows and columns of a dense table in the form that kernels take, by the slow road."""
    start = np.concatenate([[0], np.count_nonzero(dense, axis=1).cumsum()]).astype(np.int64)
    index = np.nonzero(dense)[1].astype(np.int32)
    return read_only(start), read_only(index), read_only(dense[dense != 0].astype(np.float32))


def ranking(dense):
    buyers = np.count_nonzero(dense, axis=0)
    order = np.lexsort((np.arange(buyers.size), -buyers)).astype(np.int32)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size, dtype=np.int32)
    return read_only(rank), read_only(order)


def nearest_items(dense, k, shrinkage=0.0, pieces=((0, N_ITEMS),)):
    by_item, by_customer = compressed(dense.T.copy()), compressed(dense)
    rank, order = ranking(dense)
    squares = sparse.squared_norms(by_item[0], by_item[2])
    found = []
    for first, last in pieces:
        start, item, similarity = item_knn.neighbours(*by_item, *by_customer, squares, rank, order, k, shrinkage, 0, first, last)
        found += [
            list(zip(item[a:b].tolist(), similarity[a:b].astype(float).tolist(), strict=True))
            for a, b in itertools.pairwise(start)
        ]
    return found


def as_rows(nearest):
    start = np.concatenate([[0], np.cumsum([len(row) for row in nearest])]).astype(np.int64)
    item = np.array([item for row in nearest for item, _ in row], np.int32)
    return start, item, np.array([value for row in nearest for _, value in row], np.float32)


@unhurried
@given(
    entries=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(1, 9)), max_size=40),
)
def test_entries_of_one_cell_are_summed_and_rows_are_sorted(entries):
    row, column, value = (np.array([entry[i] for entry in entries], np.int64) for i in range(3))
    start, index, summed = sparse.from_coordinates(
        read_only(row.astype(np.int32)), read_only(column.astype(np.int32)), read_only(value.astype(float)), 5, 6
    )
    expected = compressed(naive.table(row, column, value, 5, 6))
    for got, want in zip((start, index, summed), expected, strict=True):
        np.testing.assert_array_equal(got, want)
    counted = sparse.from_coordinates(
        read_only(row.astype(np.int32)), read_only(column.astype(np.int32)), read_only(np.empty(0)), 5, 6
    )
    np.testing.assert_array_equal(counted[2], compressed(naive.table(row, column, np.ones(len(row)), 5, 6))[2])


@unhurried
@given(dense=tables)
def test_turning_a_table_around_keeps_its_entries_in_order(dense):
    for got, want in zip(sparse.transpose(*compressed(dense), N_ITEMS), compressed(dense.T.copy()), strict=True):
        np.testing.assert_array_equal(got, want)


@unhurried
@given(
    scores=st.lists(st.integers(0, 5), max_size=30),
    k=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_k_best_do_not_depend_on_the_order_of_the_offers(scores, k, seed):
    best, ranks, size = np.empty(k), np.empty(k, np.int32), 0
    for rank in np.random.default_rng(seed).permutation(len(scores)):
        size = top_k.offer(best, ranks, size, float(scores[rank]), int(rank))
    top_k.best_first(best, ranks, size)
    expected = sorted(range(len(scores)), key=lambda rank: (-scores[rank], rank))[:k]
    assert ranks[:size].tolist() == expected
    assert best[:size].tolist() == [scores[rank] for rank in expected]


@unhurried
@given(dense=tables, k=st.integers(1, N_ITEMS + 2), shrinkage=st.sampled_from([0.0, 1.5]))
def test_neighbours_are_the_most_similar_items_ties_by_buyers_then_position(dense, k, shrinkage):
    expected = naive.neighbours(dense.astype(float), k, shrinkage)
    assert nearest_items(dense, k, shrinkage) == expected
    assert nearest_items(dense, k, shrinkage, pieces=[(0, 2), (2, 3), (3, N_ITEMS)]) == expected


@pytest.mark.parametrize("shrinkage", [0.0, 2.0])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5], ids=["thin", "mixed", "full"])
def test_thin_and_full_rows_are_selected_alike(share, shrinkage):
    rng = np.random.default_rng(0)
    dense = rng.integers(1, 4, (25, 30)) * (rng.random((25, 30)) < share)
    assert nearest_items(dense, 4, shrinkage, pieces=[(0, 30)]) == naive.neighbours(dense.astype(float), 4, shrinkage)


def test_a_similarity_below_float32_is_no_neighbour():
    tiny = np.finfo(np.float32).tiny
    dense = np.array([[1.0, tiny, 0.0], [1.0, 0.0, tiny], [0.0, 1.0, 1.0]], np.float32)
    found = nearest_items(dense, 2, pieces=[(0, 3)])
    assert [item for item, _ in found[1]] == [2, 0]  # 1.2e-38 / sqrt(2) is a denormal number still
    dense[0, 0] = dense[1, 0] = tiny
    dense[0, 1] = dense[1, 2] = tiny
    dense = np.vstack([dense, [[1.0, 0.0, 0.0]]]).astype(np.float32)
    found = nearest_items(dense, 2, pieces=[(0, 3)])
    assert found[0] == []
    assert [item for item, _ in found[1]] == [2]


@unhurried
@given(dense=tables, k=st.integers(1, N_ITEMS), n_neighbours=st.integers(1, N_ITEMS), exclude=st.booleans())
def test_scores_are_the_weighted_similarities_of_what_was_bought(dense, k, n_neighbours, exclude):
    dense = dense[:, dense.any(axis=0)]  # a table has no item that nobody bought
    weights = dense.astype(float)
    nearest = naive.neighbours(weights, n_neighbours)
    rank, order = ranking(dense)
    bought = compressed(dense)
    excluded = bought[:2] if exclude else (np.zeros(N_CUSTOMERS + 1, np.int64), np.empty(0, np.int32))
    asked = np.array([3, 0, 5, 1], np.int32)
    start, item, score = item_knn.top_neighbours(*bought, *as_rows(nearest), rank, order, *excluded, k, asked)
    popular_start, popular = item_knn.most_popular(order, *excluded, k, asked)
    for c, customer in enumerate(asked):
        found = slice(start[c], start[c + 1])
        got = [(int(i), float(s), "item_knn") for i, s in zip(item[found], score[found], strict=True)]
        fallback = popular[popular_start[c] : popular_start[c + 1]]
        if not got:
            got = [(int(i), float(np.count_nonzero(dense[:, i])), "popularity") for i in fallback]
        assert got == naive.top_items(weights, weights[customer], k, n_neighbours, exclude=exclude, nearest=nearest)


def test_somebody_unknown_gets_the_most_popular_items():
    order = np.array([2, 0, 1], np.int32)
    nothing = np.zeros(1, np.int64), np.empty(0, np.int32)
    start, item = item_knn.most_popular(order, *nothing, 10, np.array([-1, -1], np.int32))
    assert start.tolist() == [0, 3, 6]
    assert item.tolist() == [2, 0, 1, 2, 0, 1]
