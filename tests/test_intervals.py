"""Intervals from counts against published values and the equation that defines them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import intervals
from crmkit.errors import DataError, FitError, OptionError


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


# ── one share ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    # Newcombe (1998), table I
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_clopper_pearson_gives_the_published_ends(x, n, low, high):
    assert intervals.clopper_pearson(x, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_with_continuity_gives_the_published_ends():
    low, high = intervals.wilson(15, 148, continuity=True)
    assert (low, high) == pytest.approx((0.0598, 0.1644), abs=6e-5)


def binomial_tail(x, n, p, *, upper):
    from math import comb

    ks = range(x, n + 1) if upper else range(x + 1)
    return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in ks)


@pytest.mark.parametrize(("x", "n"), [(1, 10), (5, 9), (17, 30)])
def test_clopper_pearson_leaves_exactly_the_tails_out(x, n):
    low, high = intervals.clopper_pearson(x, n, level=0.9)
    assert binomial_tail(x, n, low, upper=True) == pytest.approx(0.05)
    assert binomial_tail(x, n, high, upper=False) == pytest.approx(0.05)


ONE_SHARE = [
    intervals.wilson,
    intervals.clopper_pearson,
    intervals.jeffreys,
    intervals.agresti_coull,
    lambda x, n, level=0.95: intervals.wilson(x, n, level=level, continuity=True),
]


@pytest.mark.parametrize("method", ONE_SHARE)
@given(counts=st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), level=st.floats(0.5, 0.9999))
def test_an_interval_of_one_share_is_in_range_and_mirrors(method, counts, level):
    x, n = counts
    low, high = method(x, n, level=level)
    assert 0 <= low <= high <= 1
    assert low <= x / n * (1 + 1e-9) + 1e-15
    assert high >= x / n * (1 - 1e-9)
    other_low, other_high = method(n - x, n, level=level)
    assert (low, high) == pytest.approx((1 - other_high, 1 - other_low), abs=1e-12)


@pytest.mark.parametrize("method", ONE_SHARE)
def test_methods_for_one_share_broadcast_and_refuse(method):
    low, high = method(np.array([[1], [2]]), np.array([[10, 20, 30]]))
    assert low.shape == high.shape == (2, 3)
    assert (low[1, 2], high[1, 2]) == pytest.approx(method(2, 30), abs=1e-15)
    with pytest.raises(DataError, match="larger than n"):
        method(3, 2)
    with pytest.raises(OptionError, match="level="):
        method(1, 2, level=95)


def test_jeffreys_is_the_posterior_of_its_prior():
    mpmath = pytest.importorskip("mpmath")
    low, high = intervals.jeffreys(7, 20)
    assert float(mpmath.betainc(7.5, 13.5, 0, low, regularized=True)) == pytest.approx(0.025)
    assert float(mpmath.betainc(7.5, 13.5, high, 1, regularized=True)) == pytest.approx(0.025)
    assert intervals.jeffreys(0, 20)[0] == 0.0
    assert intervals.jeffreys(20, 20)[1] == 1.0


def test_agresti_coull_holds_the_wilson_interval():
    for x in range(51):
        low, high = intervals.agresti_coull(x, 50)
        inner_low, inner_high = intervals.wilson(x, 50)
        assert low <= inner_low + 1e-15
        assert inner_high <= high + 1e-15


# ── two independent shares ───────────────────────────────────────────────────────────────────────────────────────────────

TWO_SHARES = {
    # Newcombe (1998), 56/70 and 48/80
    "newcombe": (intervals.newcombe, (0.0524, 0.3339)),
    "miettinen_nurminen": (intervals.miettinen_nurminen, (0.0528, 0.3382)),
    "mee": (lambda *x, **kw: intervals.miettinen_nurminen(*x, small_sample=False, **kw), (0.0533, 0.3377)),
    "agresti_caffo": (intervals.agresti_caffo, (0.0525, 0.3358)),
    "wald": (lambda *x, **kw: intervals.agresti_caffo(*x, pseudo=0, **kw), (0.0575, 0.3425)),
}
every_two = pytest.mark.parametrize("name", sorted(TWO_SHARES))


@every_two
def test_two_shares_give_the_published_ends(name):
    method, ends = TWO_SHARES[name]
    assert method(56, 70, 48, 80) == pytest.approx(ends, abs=5e-5)


two_counts = st.tuples(st.integers(1, 3000), st.integers(1, 3000)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


@every_two
@given(counts=two_counts, level=st.floats(0.5, 0.999))
def test_groups_that_change_places_give_the_mirror_image_exactly(name, counts, level):
    method = TWO_SHARES[name][0]
    x1, n1, x2, n2 = counts
    low, high = method(x1, n1, x2, n2, level=level)
    assert method(x2, n2, x1, n1, level=level) == (-high, -low)
    assert -1 <= low <= high <= 1
    if name != "agresti_caffo":  # its centre is drawn towards none, at low levels past the difference itself
        assert low <= x1 / n1 - x2 / n2 + 1e-12
        assert high >= x1 / n1 - x2 / n2 - 1e-12


def test_the_score_interval_is_not_the_asymmetric_one():
    # a score interval in circulation (statsmodels 0.15.0, method="score") puts the successes of one group where the cubic has
    # its size: it gives (.0526, .3440) here, and (-.3429, -.0527) with the groups exchanged, which is no mirror image
    low, high = intervals.miettinen_nurminen(56, 70, 48, 80)
    assert high == pytest.approx(0.33817, abs=5e-6)
    assert abs(high - 0.3440) > 5e-3
    assert intervals.miettinen_nurminen(48, 80, 56, 70) == (-high, -low)


@given(counts=two_counts)
def test_miettinen_nurminen_ends_solve_their_equation(counts):
    x1, n1, x2, n2 = counts
    low, high = intervals.miettinen_nurminen(x1, n1, x2, n2)
    for delta in (low, high):
        if not -0.999 < delta < 0.999 or x1 / n1 == x2 / n2:
            continue
        # the most likely shares at this difference, by golden section on the log likelihood
        a, b = max(0.0, -delta), min(1.0, 1.0 - delta)

        def minus_log_likelihood(p2, delta=delta):
            terms = ((x1, p2 + delta), (n1 - x1, 1 - p2 - delta), (x2, p2), (n2 - x2, 1 - p2))
            return -sum(k * np.log(max(p, 1e-300)) for k, p in terms if k)

        left, right = a, b
        for _ in range(200):
            one, two = left + 0.382 * (right - left), left + 0.618 * (right - left)
            left, right = (left, two) if minus_log_likelihood(one) < minus_log_likelihood(two) else (one, right)
        p2 = (left + right) / 2
        p1 = p2 + delta
        variance = (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * (n1 + n2) / (n1 + n2 - 1)
        if variance > 1e-8:
            assert abs(x1 / n1 - x2 / n2 - delta) / np.sqrt(variance) == pytest.approx(1.959964, rel=1e-3)


def test_two_shares_broadcast_and_refuse():
    for method, _ in TWO_SHARES.values():
        low, _high = method([1, 2], 10, [[3], [4], [5]], 12)
        assert low.shape == (3, 2)
        with pytest.raises(DataError, match="x2=13 is larger than n2"):
            method(1, 10, 13, 12)
        with pytest.raises(DataError, match="n1=0 is zero"):
            method(0, 0, 1, 12)
        with pytest.raises(DataError, match="do not go together"):
            method([1, 2], 10, [1, 2, 3], 12)
    with pytest.raises(OptionError, match="pseudo=-1"):
        intervals.agresti_caffo(1, 2, 1, 2, pseudo=-1)


# ── paired: promoters less detractors ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("b", "c", "n", "level", "ends"),
    [
        (9, 3, 32, 0.95, (-0.027, 0.390)),  # Tango (1998), table VII
        (0, 1, 44, 0.90, (-0.096, 0.037)),  # Tango (1998), table V
        (16, 8, 86, 0.95, (-0.020, 0.207)),  # Agresti and Min (2005)
        (1, 7, 21, 0.95, (-0.517, -0.026)),  # Fagerland and others (2014)
        (3, 1, 14, 0.95, (-0.1670, 0.4327)),  # Tang and others (2010)
        (25, 2, 102, 0.95, (0.139, 0.321)),  # Chang and others (2024)
    ],
)
def test_tango_gives_the_published_ends(b, c, n, level, ends):
    digits = 5e-5 if n == 14 else 5e-4
    assert intervals.tango(b, c, n, level=level) == pytest.approx(ends, abs=digits)


@pytest.mark.parametrize(
    ("b", "c", "n", "ends"),
    [
        (40, 20, 160, (0.030865, 0.218064)),
        (462, 362, 1000, (0.043822, 0.155495)),
        (9, 2, 11, (0.04604, 0.89726)),
        (10, 0, 10, (0.4449, 1.0)),
        (0, 0, 10, (-0.2775, 0.2775)),
        (5, 5, 10, (-0.5268, 0.5268)),
    ],
)
def test_tango_agrees_with_worked_values(b, c, n, ends):
    assert intervals.tango(b, c, n) == pytest.approx(ends, abs=5e-7 if n in (160, 1000) else 5e-5)


def test_the_plain_intervals_of_agresti_and_min_and_others():
    assert intervals.adjusted_wald(40, 20, 160, pseudo=(0.5, 1, 0.5)) == pytest.approx((0.030896, 0.216017), abs=5e-7)
    assert intervals.adjusted_wald(462, 362, 1000) == pytest.approx((0.043897, 0.155505), abs=5e-7)
    z2 = 1.959963984540054**2
    assert intervals.adjusted_wald(462, 362, 1000, pseudo=[z2 / 3] * 3) == pytest.approx((0.043823, 0.155411), abs=5e-7)
    assert intervals.adjusted_wald(462, 362, 1000, pseudo=(0, 0, 0)) == pytest.approx((0.0440809, 0.1559191), abs=5e-8)


@pytest.mark.parametrize(("prior", "ends"), [(1.0, (0.0436, 0.1553)), (0.5, (0.0439, 0.1555))])
def test_the_posterior_agrees_with_simulated_values(prior, ends):
    # the values come from random numbers: good to two units of their last digit
    assert intervals.dirichlet(462, 362, 1000, prior=prior) == pytest.approx(ends, abs=2e-4)


@pytest.mark.parametrize(("b", "c", "n"), [(9, 3, 32), (0, 1, 44), (0, 0, 10), (10, 0, 10), (3, 4, 8)])
@pytest.mark.parametrize("prior", [1.0, 0.5])
def test_the_posterior_leaves_as_much_out_on_either_side(b, c, n, prior):
    low, high = intervals.dirichlet(b, c, n, level=0.9, prior=prior)
    drawn = np.random.default_rng(5).dirichlet([b + prior, n - b - c + prior, c + prior], size=200_000)
    difference = drawn[:, 0] - drawn[:, 2]
    assert (difference < low).mean() == pytest.approx(0.05, abs=0.003)
    assert (difference > high).mean() == pytest.approx(0.05, abs=0.003)


PAIRED = {"tango": intervals.tango, "adjusted_wald": intervals.adjusted_wald, "dirichlet": intervals.dirichlet}
paired_counts = st.integers(1, 400).flatmap(
    lambda n: st.integers(0, n).flatmap(lambda b: st.tuples(st.just(b), st.integers(0, n - b), st.just(n)))
)


@pytest.mark.parametrize("name", sorted(PAIRED))
@given(counts=paired_counts)
def test_ups_and_downs_that_change_places_give_the_mirror_image_exactly(name, counts):
    b, c, n = counts
    low, high = PAIRED[name](b, c, n)
    assert PAIRED[name](c, b, n) == (-high, -low)
    assert -1 <= low < high <= 1
    if name == "tango":
        assert low <= (b - c) / n <= high


@given(counts=paired_counts, level=st.floats(0.5, 0.999))
def test_tango_ends_solve_their_equation(counts, level):
    from statistics import NormalDist

    b, c, n = counts
    z = NormalDist().inv_cdf((1 + level) / 2)
    for delta in intervals.tango(b, c, n, level=level):
        if -1 < delta < 1:
            linear = -b - c + (2 * n - b + c) * delta
            q = (np.sqrt(linear**2 + 8 * n * c * delta * (1 - delta)) - linear) / (4 * n)
            spread = z * np.sqrt(max(n * (2 * q + delta * (1 - delta)), 0.0))
            assert abs(b - c - n * delta) == pytest.approx(spread, abs=1e-6 * n)


@pytest.mark.parametrize("name", sorted(PAIRED))
def test_paired_counts_broadcast_and_refuse(name):
    method = PAIRED[name]
    low, high = method([1, 2], [[3], [4]], 10)
    assert low.shape == (2, 2)
    assert (low[1, 0], high[1, 0]) == method(1, 4, 10)
    assert method([], [], [])[0].size == 0
    with pytest.raises(DataError, match=r"b \+ c=11 is larger than n"):
        method(5, 6, 10)
    with pytest.raises(DataError, match="n=0 is zero"):
        method(0, 0, 0)
    for wrong in ((1, 2), (1, 2, -1), "abc", 3, (1, 2, np.nan)):
        with pytest.raises(OptionError, match="pseudo="):
            intervals.adjusted_wald(1, 1, 3, pseudo=wrong)
    with pytest.raises(OptionError, match="prior=0"):
        intervals.dirichlet(1, 1, 3, prior=0)


# ── many shares at once ──────────────────────────────────────────────────────────────────────────────────────────────────

SEVEN = [56, 72, 73, 59, 62, 87, 58]


def test_goodman_agrees_with_worked_values():
    low, high = intervals.goodman([362, 176, 462])
    assert low == pytest.approx([0.32650, 0.14904, 0.42458], abs=5e-6)
    assert high == pytest.approx([0.39907, 0.20665, 0.49985], abs=5e-6)
    low, high = intervals.goodman(SEVEN)
    assert (low[0], high[0]) == pytest.approx((0.0852, 0.1663), abs=5e-5)


def test_sison_glaz_agrees_with_the_published_first_cell():
    low, high = intervals.sison_glaz(SEVEN)
    assert (low[0], high[0]) == pytest.approx((0.0792, 0.1644), abs=5e-5)


@pytest.mark.parametrize("method", [intervals.goodman, intervals.sison_glaz])
def test_simultaneous_intervals_hold_the_shares_and_follow_the_categories(method):
    for given_counts in (SEVEN, [3, 1, 0], [50, 0], [1, 1], [100_000, 3, 900], [1, 0]):
        counts = np.array(given_counts)
        low, high = method(counts)
        share = counts / counts.sum()
        assert ((low <= share + 1e-12) & (share <= high + 1e-12) & (low >= 0) & (high <= 1)).all()
        other_low, other_high = method(counts[::-1])
        assert other_low[::-1] == pytest.approx(low, abs=1e-9)
        assert other_high[::-1] == pytest.approx(high, abs=1e-9)
    low, _ = method([SEVEN, SEVEN[::-1]])
    assert low.shape == (2, 7)
    assert low[0] == pytest.approx(method(SEVEN)[0])
    with pytest.raises(DataError, match="at least two categories"):
        method(5)
    with pytest.raises(DataError, match="at least two categories"):
        method([5])
    with pytest.raises(DataError, match="zero"):
        method([0, 0])


def test_simultaneous_intervals_hold_together_at_their_level():
    share = np.full(7, 1 / 7)
    drawn = np.random.default_rng(8).multinomial(200, share, size=1000)
    for method, low_band in ((intervals.goodman, 0.94), (intervals.sison_glaz, 0.90)):
        low, high = method(drawn)
        together = ((low <= share) & (share <= high)).all(axis=1).mean()
        assert low_band <= together <= 0.985


# ── many tests at once ───────────────────────────────────────────────────────────────────────────────────────────────────

# Benjamini and Hochberg (1995), section 3.2
BH = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]


@pytest.mark.parametrize(("method", "rejected"), [("bh", 4), ("bonferroni", 3), ("holm", 3)])
def test_the_published_example_rejects_as_many(method, rejected):
    assert (intervals.adjust_pvalues(BH, method=method) <= 0.05).sum() == rejected


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=30), random=st.randoms())
def test_adjusted_p_values_follow_their_tests_and_are_ordered_by_strictness(p, random):
    holm, bh, bonferroni = (intervals.adjust_pvalues(p, method=m) for m in ("holm", "bh", "bonferroni"))
    assert (np.array(p) <= bh + 1e-12).all()
    assert (bh <= holm + 1e-12).all()
    assert (holm <= bonferroni + 1e-12).all()
    assert (bonferroni <= 1).all()
    order = list(range(len(p)))
    random.shuffle(order)
    assert intervals.adjust_pvalues([p[i] for i in order]) == pytest.approx(holm[order])


@pytest.mark.parametrize("wrong", [[0.5, np.nan], [1.2], [-0.1], ["a"], 0.5, [[0.5]]])
def test_wrong_p_values_are_refused(wrong):
    with pytest.raises(DataError, match="p_values"):
        intervals.adjust_pvalues(wrong)


def test_no_p_values_and_unknown_methods():
    assert intervals.adjust_pvalues([]).size == 0
    with pytest.raises(OptionError, match="method='fdr'"):
        intervals.adjust_pvalues([0.5], method="fdr")


# ── the bootstrap ────────────────────────────────────────────────────────────────────────────────────────────────────────


def nps_of(c):
    return (c[..., 2] - c[..., 0]) / c.sum(axis=-1)


def test_resampled_counts_have_the_distribution_of_resampled_rows():
    values = np.repeat([-1.0, 0.0, 1.0], [362, 176, 462])
    low, high = intervals.bootstrap([362, 176, 462], nps_of, counts=True, replicates=20_000)
    assert (low, high) == pytest.approx((0.0440809, 0.1559191), abs=2e-3)
    assert intervals.bootstrap(values, replicates=20_000) == pytest.approx((low, high), abs=2e-3)
    assert intervals.bootstrap(values, np.mean, replicates=2000) == pytest.approx((low, high), abs=6e-3)


def test_a_mean_of_many_distinct_values_is_resampled_by_rows():
    values = np.random.default_rng(2).normal(size=5000)
    assert np.mean(intervals.bootstrap(values, replicates=200)) == pytest.approx(values.mean(), abs=0.01)


def test_rows_of_counts_do_not_depend_on_each_other():
    rows = [[3, 4, 5], [30, 4, 5], [3, 4, 5]]
    low, high = intervals.bootstrap(rows, nps_of, counts=True)
    assert (low[0], high[0]) == (low[2], high[2]) == intervals.bootstrap([3, 4, 5], nps_of, counts=True)
    generator = np.random.default_rng(1)
    assert intervals.bootstrap(rows, nps_of, counts=True, rng=generator)[0].shape == (3,)
    assert intervals.bootstrap([1, 2, 3], rng=None) != intervals.bootstrap([1, 2, 30], rng=None)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: intervals.bootstrap([]), DataError, "at least one"),
        (lambda: intervals.bootstrap([1.0, np.nan]), DataError, "missing"),
        (lambda: intervals.bootstrap(["a"]), DataError, "not numbers"),
        (lambda: intervals.bootstrap([1], "median"), OptionError, "statistic='median'"),
        (lambda: intervals.bootstrap([1, 2], counts=True), OptionError, "a function of counts"),
        (lambda: intervals.bootstrap([0, 0], nps_of, counts=True), DataError, "zero"),
        (lambda: intervals.bootstrap(3, nps_of, counts=True), DataError, "last axis"),
        (lambda: intervals.bootstrap([1, 2], replicates=10), OptionError, "replicates=10"),
        (lambda: intervals.bootstrap([1, 2], rng="x"), OptionError, "rng='x'"),
        (lambda: intervals.bootstrap([1, 2], lambda v: np.nan), FitError, "not finite in 2,000 of 2,000"),
    ],
)
def test_what_cannot_be_resampled_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
