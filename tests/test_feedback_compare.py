"""Comparisons of scores against worked values, their mirror images, and simulated truth."""

import numba
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import intervals
from crmkit.errors import DataError, LimitError, OptionError
from crmkit.feedback import nps, nps_difference, nps_homogeneity, nps_power, nps_sample_size

# detractors, passives and promoters by region, of a public data set
REGIONS = {"NAM": (184, 83, 240), "EMEA": (99, 50, 110), "APAC": (42, 23, 74), "LATAM": (37, 20, 38)}


def answers(region):
    return np.repeat([3, 8, 10], REGIONS[region])


def frame():
    scores = [answers(region) for region in REGIONS]
    return pd.DataFrame({"region": np.repeat(list(REGIONS), [len(s) for s in scores]), "score": np.concatenate(scores)})


@pytest.mark.parametrize(
    ("method", "se", "z", "p", "low", "high"),
    [
        ("wald", 6.8805, 0.98805, 0.323128, -6.6872, 20.2838),
        ("adjusted_wald", 6.8353, 0.992195, 0.321102, -6.6150, 20.1788),
        ("score", None, None, None, -6.6240, 20.2213),
    ],
)
def test_two_regions_agree_with_worked_values(method, se, z, p, low, high):
    found = nps_difference(answers("NAM"), answers("EMEA"), method=method)
    assert found.value == pytest.approx(6.7983, abs=5e-4)
    assert (found.first, found.second) == pytest.approx((11.0454, 4.2471), abs=5e-5)
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=6e-4)
    if se is not None:
        assert found.se == pytest.approx(se, abs=6e-5)
        assert found.z == pytest.approx(z, abs=6e-6)
        assert found.p_value == pytest.approx(p, abs=6e-7)
    assert found.n == 766


def test_the_sign_of_a_difference_is_kept():
    # R's NPS 2.x puts its interval around the absolute difference
    found = nps_difference(answers("EMEA"), answers("NAM"))
    assert found.value == pytest.approx(-6.7983, abs=5e-4)
    assert found.ci_low < found.value < found.ci_high
    assert found.z < 0


@pytest.mark.parametrize("method", ["adjusted_wald", "wald", "score"])
@given(
    one=st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 40)),
    two=st.tuples(st.integers(0, 40), st.integers(1, 40), st.integers(1, 40)),
)
def test_groups_that_change_places_give_the_mirror_image_exactly(method, one, two):
    first, second = np.repeat([2, 7, 9], one), np.repeat([2, 7, 9], two)
    there, back = nps_difference(first, second, method=method), nps_difference(second, first, method=method)
    assert (there.value, there.ci_low, there.ci_high, there.z) == (-back.value, -back.ci_high, -back.ci_low, -back.z)
    assert there.p_value == back.p_value
    assert -200 <= there.ci_low <= there.ci_high <= 200


@given(
    one=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40)),
    two=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40)),
)
def test_the_score_test_rejects_where_its_interval_leaves_zero_out(one, two):
    first, second = np.repeat([2, 7, 9], one), np.repeat([2, 7, 9], two)
    for level in (0.5, 0.95):
        found = nps_difference(first, second, method="score", level=level)
        if abs(found.p_value - (1 - level)) > 1e-9:
            assert (found.p_value < 1 - level) == (not found.ci_low <= 0 <= found.ci_high)


def paired_table(joint, random, n):
    cells = random.choice(9, size=n, p=np.ravel(joint))
    return np.array([3, 8, 10])[cells // 3], np.array([3, 8, 10])[cells % 3]


JOINT = np.array([[0.20, 0.05, 0.05], [0.04, 0.20, 0.06], [0.03, 0.07, 0.30]])


@pytest.mark.parametrize("method", ["adjusted_wald", "wald", "score"])
def test_paired_answers_use_the_variance_of_the_differences(method):
    first, second = paired_table(JOINT, np.random.default_rng(1), 400)
    z1, z2 = (np.sign(np.where(s >= 9, 1, np.where(s <= 6, -1, 0))) for s in (first, second))
    found = nps_difference(first, second, paired=True, method=method)
    assert found.value == pytest.approx(100 * (z1 - z2).mean())
    if method == "wald":
        assert found.se == pytest.approx(100 * (z1 - z2).std() / 20)
    independent = nps_difference(first, second, method=method)
    assert found.ci_high - found.ci_low < 0.8 * (independent.ci_high - independent.ci_low)
    back = nps_difference(second, first, paired=True, method=method)
    assert (found.value, found.ci_low, found.ci_high) == pytest.approx((-back.value, -back.ci_high, -back.ci_low), abs=1e-12)


compiled_only = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="thousands of intervals take minutes as plain Python")


@compiled_only
@pytest.mark.parametrize(("method", "low", "high"), [("adjusted_wald", 0.935, 0.97), ("score", 0.93, 0.97)])
def test_paired_intervals_cover_at_their_level(method, low, high):
    random, truth, covered = np.random.default_rng(4), 100 * (0.40 - 0.30 - (0.41 - 0.27)), []
    for _ in range(1000):
        found = nps_difference(*paired_table(JOINT, random, 40), paired=True, method=method)
        covered.append(found.ci_low <= truth <= found.ci_high)
    assert low <= np.mean(covered) <= high


@compiled_only
@pytest.mark.parametrize(("method", "low"), [("adjusted_wald", 0.94), ("score", 0.94)])
def test_independent_intervals_cover_at_their_level(method, low):
    random = np.random.default_rng(6)
    for one, two in (((0.2, 0.3, 0.5), (0.3, 0.3, 0.4)), ((0.05, 0.15, 0.8), (0.4, 0.3, 0.3))):
        truth, covered = 100 * (one[2] - one[0] - two[2] + two[0]), []
        for _ in range(600):
            first, second = (random.choice([3, 8, 10], size=20, p=p) for p in (one, two))
            found = nps_difference(first, second, method=method)
            covered.append(found.ci_low <= truth <= found.ci_high)
        assert low - 0.015 <= np.mean(covered) <= 0.985


def test_persons_are_matched_by_their_id_whatever_the_order():
    first = pd.DataFrame({"who": ["a", "b", "c", "d"], "score": [10, 3, 8, 9]})
    second = pd.DataFrame({"who": ["d", "c", "b", "z"], "score": [9, 3, 9, 0]})
    found = nps_difference(first, second, paired=True, customer="who")
    assert found.n == 3
    assert found.value == pytest.approx(nps_difference([3, 8, 9], [9, 3, 9], paired=True).value)
    with pytest.raises(DataError, match="no person is in both"):
        nps_difference(first, second.assign(who=list("wxyz")), paired=True, customer="who")
    with pytest.raises(DataError, match="answered before"):
        nps_difference(first.assign(who="a"), second, paired=True, customer="who")
    with pytest.raises(DataError, match="4 first answers and 3 second"):
        nps_difference(first, second.iloc[:3], paired=True)


def test_every_pair_of_groups_is_compared_and_adjusted():
    table = nps_difference(frame(), by="region")
    assert len(table) == 6
    assert table["first"].tolist()[:3] == ["APAC"] * 3
    pair = table[(table["first"] == "EMEA") & (table["second"] == "NAM")].iloc[0]
    alone = nps_difference(answers("EMEA"), answers("NAM"))
    assert (pair["value"], pair["ci_low"], pair["p_value"]) == (alone.value, alone.ci_low, alone.p_value)
    assert table["p_adjusted"].to_numpy() == pytest.approx(intervals.adjust_pvalues(table["p_value"].to_numpy()))
    assert (pair["n_first"], pair["n_second"]) == (259, 507)
    both = nps_difference(frame().assign(wave=1), by=["region", "wave"], adjust="bh")
    assert both["first"].tolist()[0] == "APAC, 1"


def test_weights_of_one_change_nothing_in_comparisons():
    plain, weighted = nps_difference(frame(), by="region"), nps_difference(frame().assign(w=1), by="region", weight="w")
    np.testing.assert_allclose(plain["ci_low"], weighted["ci_low"])
    np.testing.assert_allclose(plain["p_value"], weighted["p_value"])


def test_four_regions_agree_with_worked_values():
    found = nps_homogeneity(frame(), by="region", method="wald")
    assert found.statistic == pytest.approx(5.110994, abs=5e-7)
    assert (found.df, found.groups, found.n) == (3, 4, 1000)
    assert found.p_value == pytest.approx(0.163848, abs=5e-7)
    assert found.chi_square == pytest.approx(6.663432, abs=5e-7)
    assert found.chi_square_df == 6
    assert found.chi_square_p_value == pytest.approx(0.353097, abs=5e-7)
    adjusted = nps_homogeneity(frame(), by="region")
    assert adjusted.p_value == pytest.approx(found.p_value, abs=0.01)
    shuffled = nps_homogeneity(frame().sample(frac=1, random_state=1), by="region", method="wald")
    assert shuffled.statistic == pytest.approx(found.statistic)


def test_all_alike_is_refused_where_the_error_would_be_zero():
    alike = pd.DataFrame({"score": [10, 10, 10, 3], "g": list("aabb")})
    with pytest.raises(DataError, match="all answer alike"):
        nps_homogeneity(alike, by="g", method="wald")
    with pytest.raises(DataError, match="all answer alike"):
        nps_difference([10, 10], [3, 3], method="wald")
    assert nps_difference([10] * 5, [3] * 5).p_value < 0.01
    assert nps_difference([10], [10], method="score").p_value == 1.0
    assert nps_homogeneity(pd.DataFrame({"score": [10, 9], "g": list("ab")}), by="g").chi_square_p_value == 1.0


@pytest.mark.parametrize(
    ("margin", "variance", "n"),
    # published tables: ±5 and ±10 points at 95 %
    [(5, 2 / 3, 1022), (5, 0.814, 1248), (5, 1, 1534), (10, 2 / 3, 254), (10, 0.814, 310), (10, 1, 382)],
)
def test_sample_sizes_are_the_published_ones(margin, variance, n):
    assert nps_sample_size(margin=margin, variance=variance) == n


def test_other_sample_sizes_agree_with_worked_values():
    assert nps_sample_size(margin=5, method="wald") == 1025
    assert nps_sample_size(difference=10) == 1047
    assert nps_sample_size(difference=10, variance=0.814) == 1278
    assert nps_sample_size(margin=5, population=2000) < 700


@given(n=st.integers(20, 5000), variance=st.floats(0.05, 1), power=st.floats(0.5, 0.99))
def test_power_and_sample_size_are_inverse(n, variance, power):
    difference = 8.0
    size = nps_sample_size(difference=difference, variance=variance, power=power)
    if size > 30:
        assert nps_power(difference=difference, n=size, variance=variance) >= power - 1e-9
        assert nps_power(difference=difference, n=size - 2, variance=variance) < power + 1e-9
    assert nps_power(difference=0, n=n) == pytest.approx(0.05)
    assert nps_power(difference=5, n=n, n_second=n + 10) >= nps_power(difference=5, n=n)
    assert nps_power(difference=-5, n=n) == nps_power(difference=5, n=n)


def test_the_second_share_is_divided_by_its_own_size():
    # a package in circulation divides the second group by the size of the first
    found = nps_difference(answers("NAM"), answers("EMEA"), method="wald")
    assert found.second == pytest.approx(nps(answers("EMEA")).value)
    assert found.se == pytest.approx(np.hypot(nps(answers("NAM"), method="wald").se, nps(answers("EMEA"), method="wald").se))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nps_difference([9]), DataError, "two groups"),
        (lambda: nps_difference(frame(), frame(), by="region"), OptionError, "one of the two"),
        (lambda: nps_difference(frame().iloc[:5], by="region"), DataError, "has 1 group"),
        (lambda: nps_difference([9], [9], method="t"), OptionError, "method='t'"),
        (lambda: nps_difference([9], [9], adjust="none"), OptionError, "adjust='none'"),
        (lambda: nps_difference([9], [9], customer="who"), OptionError, "paired=True"),
        (lambda: nps_difference([9], [9], paired=True, weight="w"), OptionError, "leave by="),
        (lambda: nps_homogeneity(frame().iloc[:5], by="region"), DataError, "1 group; a comparison needs two"),
        (nps_sample_size, OptionError, "one of them"),
        (lambda: nps_sample_size(margin=5, difference=5), OptionError, "one of them"),
        (lambda: nps_sample_size(margin=0), OptionError, "margin=0"),
        (lambda: nps_sample_size(difference=5, population=100), OptionError, "population="),
        (lambda: nps_sample_size(margin=5, variance=1.5), OptionError, "variance=1.5"),
        (lambda: nps_sample_size(difference=5, power=1), OptionError, "power=1"),
        (lambda: nps_power(difference=300, n=5), OptionError, "difference=300"),
        (lambda: nps_power(difference=3, n=0), OptionError, "n=0"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_too_many_pairs_are_refused_before_the_memory_is_taken():
    many = pd.DataFrame({"score": 9, "g": np.arange(3000)})
    with pytest.raises(LimitError, match="4,498,500 pairs"):
        nps_difference(many, by="g")
