"""Intervals from counts against published values and the equation that defines them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import intervals
from crmkit.errors import DataError, OptionError


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    # Newcombe (1998), table I
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_ends(x, n, low, high):
    assert intervals.wilson(x, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_a_worked_top_box():
    assert intervals.wilson(160, 200) == pytest.approx((0.739145, 0.849548), abs=5e-7)


counts = st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
levels = st.floats(0.01, 0.9999)


@given(counts=counts, level=levels)
def test_wilson_is_the_mirror_image_when_failures_are_counted(counts, level):
    x, n = counts
    low, high = intervals.wilson(x, n, level)
    other_low, other_high = intervals.wilson(n - x, n, level)
    assert (low, high) == pytest.approx((1 - other_high, 1 - other_low), abs=1e-15)


@given(counts=counts, level=levels)
def test_wilson_stays_in_range_around_the_share_and_ends_exactly(counts, level):
    x, n = counts
    low, high = intervals.wilson(x, n, level)
    assert 0 <= low <= x / n * (1 + 1e-12)
    assert x / n * (1 - 1e-12) <= high <= 1
    assert low < high
    assert (low == 0.0) == (x == 0)
    if x == n:
        assert high == 1.0


@pytest.mark.parametrize(("x", "n"), [(1, 10**12), (10**6, 10**12), (3, 7), (10**12 - 1, 10**12)])
def test_wilson_ends_solve_their_equation_to_the_last_digits(x, n):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(50):
        z = mpmath.sqrt(2) * mpmath.erfinv(mpmath.mpf(95) / 100)
        root = z * mpmath.sqrt(mpmath.mpf(x) * (n - x) / n + z * z / 4)
        low, high = (x + z * z / 2 - root) / (n + z * z), (x + z * z / 2 + root) / (n + z * z)
        assert intervals.wilson(x, n) == pytest.approx((float(low), float(high)), rel=1e-14)


def test_scalars_give_floats_and_arrays_broadcast():
    assert all(type(end) is float for end in intervals.wilson(np.int64(3), 10))
    low, high = intervals.wilson(pd.Series([1, 2, 3], index=[7, 7, 7]), 10)
    assert low.shape == high.shape == (3,)
    assert (low[1], high[1]) == intervals.wilson(2, 10)
    low, _ = intervals.wilson(np.array([[1], [2]]), np.array([[10, 20, 30]]))
    assert low.shape == (2, 3)
    assert intervals.wilson([], [])[0].size == 0


def test_inputs_are_not_changed():
    x, n = np.array([1.0, 2.0]), np.array([5.0, 5.0])
    x.flags.writeable = n.flags.writeable = False
    intervals.wilson(x, n)
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("x", "n", "words"),
    [
        (1, 0, "n=0 is zero"),
        ([1, 0, 0], [5, 0, 0], r"n: 2 zero, the first at position 1"),
        (6, 5, "successes=6 is larger than n"),
        (-1, 5, "successes=-1 is negative"),
        (0.5, 5, "successes=0.5 is not whole"),
        (np.nan, 5, "successes=nan is missing"),
        (1, np.inf, "n=inf is missing or infinite"),
        ([1, None], 5, "successes: 1 missing"),
        (True, 5, "successes holds bool"),
        ("1", 5, "successes holds"),
        ([object()], 5, "not counts"),
        ([1, 2], [3, 4, 5], "do not go together"),
        (pd.array([1, None], dtype="Int64"), 5, "successes"),
    ],
)
def test_impossible_counts_are_refused_with_their_place(x, n, words):
    with pytest.raises(DataError, match=words):
        intervals.wilson(x, n)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, "0.95", True, float("nan")])
def test_a_level_outside_0_to_1_is_refused(level):
    with pytest.raises(OptionError, match="level="):
        intervals.wilson(1, 2, level)
