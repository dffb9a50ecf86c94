"""The Net Promoter Score against published values, its definition, and all samples there can be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive.nps as naive
from crmkit.errors import ColumnError, DataError, OptionError
from crmkit.feedback import nps

PSEUDO = (0.75, 1.5, 0.75)


def answers(promoters, passives, detractors):
    return [10] * promoters + [8] * passives + [2] * detractors


@pytest.mark.parametrize(
    ("scores", "value"),
    [
        ([0, 7, 7, 9, 9, 9], 100 / 3),
        (answers(0, 0, 1), -100),
        (answers(0, 1, 0), 0),
        (answers(1, 0, 0), 100),
        (list(range(1, 11)), -40),
        (answers(70, 10, 20), 50),
        ([1, 7, 7, 8, 9, 10], 100 / 6),
        (answers(462, 176, 362), 10),
        (answers(250, 675, 75), 17.5),
    ],
)
def test_the_score_is_that_of_the_published_examples(scores, value):
    assert nps(scores).value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "se"),
    # standard errors printed for (detractors, passives, promoters) of (1, 2, 3), (1, 0, 1), (0, 1, 1) and (1, 1, 1)
    [
        (answers(3, 2, 1), 30.4),
        (answers(1, 0, 1), 70.7),
        (answers(1, 1, 0), 35.4),
        (answers(1, 1, 1), 47.1),
        (answers(3, 2, 1) * 54, 4.14087),
    ],
)
def test_the_plain_standard_error_is_that_of_the_published_examples(scores, se):
    assert nps(scores, method="wald").se == pytest.approx(se, abs=0.05 if se > 5 else 5e-6)


THOUSAND = answers(462, 176, 362)


@pytest.mark.parametrize(
    ("scores", "level", "low", "high", "digits"),
    [
        (THOUSAND, 0.95, 4.40809, 15.59191, 5e-6),
        # worked with rounded quantiles: good to a unit or two of their last digit
        (THOUSAND, 0.90, 5.30713, 14.69287, 2e-5),
        (THOUSAND, 0.99, 2.65100, 17.34900, 2e-5),
        (answers(9, 0, 2), 0.95, 18.051, 100.0, 5e-4),  # 109.222 before it is cut off at the end of the scale
        (answers(10, 0, 0), 0.95, 100.0, 100.0, 0),
        (answers(5, 0, 5), 0.95, -61.98, 61.98, 5e-3),
        (answers(250, 675, 75), 0.95, 14.137, 20.863, 5e-4),
    ],
)
def test_plain_intervals_agree_with_worked_values(scores, level, low, high, digits):
    found = nps(scores, level=level, method="wald")
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=digits)


@pytest.mark.parametrize(
    ("scores", "low", "high", "digits"),
    [
        (THOUSAND, 4.3897, 15.5505, 5e-5),
        (answers(9, 0, 2), 8.001, 91.999, 5e-4),
        (answers(10, 0, 0), 47.50, 100.0, 5e-3),
        (answers(0, 10, 0), -18.47, 18.47, 5e-3),
        (answers(5, 0, 5), -51.13, 51.13, 5e-3),
    ],
)
def test_adjusted_intervals_agree_with_worked_values(scores, low, high, digits):
    found = nps(scores)
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=digits)
    assert found.method == "adjusted_wald"


def test_the_adjusted_standard_error_and_its_fields():
    found = nps(THOUSAND)
    assert found.se == pytest.approx(2.8472, abs=5e-5)
    assert (found.n, found.level) == (1000, 0.95)
    assert type(found.value) is float


@given(st.lists(st.integers(0, 10), min_size=1, max_size=60), st.randoms())
def test_it_is_the_definition_whatever_the_order(scores, random):
    found = nps(scores)
    assert (found.value, found.ci_low, found.ci_high, found.se) == pytest.approx(naive.nps(scores, PSEUDO), abs=1e-9)
    plain = nps(scores, method="wald")
    assert (plain.value, plain.ci_low, plain.ci_high) == pytest.approx(naive.nps(scores)[:3], abs=1e-6)
    random.shuffle(scores)
    assert nps(scores) == found


@given(st.lists(st.integers(0, 10), min_size=1, max_size=60), st.floats(0.01, 0.999))
def test_the_interval_lies_on_the_scale_and_grows_with_the_level(scores, level):
    found, wider = nps(scores, level=level), nps(scores, level=(1 + level) / 2)
    assert -100 <= wider.ci_low <= found.ci_low <= found.ci_high <= wider.ci_high <= 100


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10)), min_size=1, max_size=60))
def test_a_group_is_what_it_is_alone(rows):
    frame = pd.DataFrame(rows, columns=["shop", "score"])
    table = nps(frame, by="shop", level=0.9)
    assert table.index.tolist() == sorted(set(frame["shop"]))
    for shop, row in table.iterrows():
        alone = nps(frame.loc[frame["shop"] == shop, "score"], level=0.9)
        assert {name: row[name] for name in alone.to_dict()} == alone.to_dict()
        assert row["promoters"] + row["passives"] + row["detractors"] == row["n"]


@pytest.mark.parametrize(("n", "mean", "lowest"), [(10, 0.945, 0.86), (30, 0.945, 0.90), (100, 0.945, 0.925)])
def test_the_default_interval_covers_at_its_level_over_all_samples(n, mean, lowest):
    outcomes = np.array(naive.outcomes(n))  # detractors, passives, promoters
    # every possible sample as a group of its own: one call gives all intervals
    group = np.repeat(np.arange(len(outcomes)), n)
    scores = np.concatenate([np.repeat([0, 7, 10], outcome) for outcome in outcomes])
    table = nps(pd.DataFrame({"sample": group, "score": scores}), by="sample")
    log_factorial = np.cumsum(np.log(np.maximum(np.arange(n + 1), 1)))
    coefficients = log_factorial[n] - log_factorial[outcomes].sum(axis=1)
    covered = []
    for shares in np.random.default_rng(20).dirichlet([1, 1, 1], size=300):
        weights = np.exp(coefficients + outcomes @ np.log(shares))
        assert weights.sum() == pytest.approx(1)
        truth = 100 * (shares[2] - shares[0])
        inside = (table["ci_low"].to_numpy() <= truth) & (truth <= table["ci_high"].to_numpy())
        covered.append(weights[inside].sum())
    assert np.mean(covered) >= mean
    assert min(covered) >= lowest


def test_enumeration_agrees_with_the_multinomial_formula():
    shares = (0.2, 0.3, 0.5)
    assert sum(naive.probability(outcome, shares) for outcome in naive.outcomes(6)) == pytest.approx(1)


FRAME = pd.DataFrame({"shop": ["b", "a", "b", "a"], "score": [10, 3, 9, 8]}, index=[5, 5, 1, 1])


def columns_of():
    import polars as pl
    import pyarrow as pa

    scores = FRAME["score"]
    return {
        "list": scores.tolist(),
        "tuple": tuple(scores),
        "float array": scores.to_numpy(dtype=float),
        "uint8": scores.to_numpy(dtype=np.uint8),
        "Series": scores,
        "nullable": scores.astype("Int64"),
        "arrow": scores.astype("int64[pyarrow]"),
        "categorical": scores.astype("category"),
        "object": scores.astype(object),
        "polars Series": pl.Series(scores.to_numpy()),
        "arrow array": pa.array(scores.to_numpy()),
        "chunked": pa.chunked_array([scores.to_numpy()]),
        "polars frame": pl.DataFrame({"score": scores.to_numpy()}),
        "arrow table": pa.table({"score": scores.to_numpy()}),
    }


@pytest.mark.parametrize("kind", sorted(columns_of()))
def test_any_column_of_answers_gives_the_same(kind):
    assert nps(columns_of()[kind]) == nps(FRAME)


def test_the_kind_of_frame_and_the_labels_come_back():
    import polars as pl
    import pyarrow as pa

    table = nps(FRAME, by="shop")
    assert table.index.name == "shop"
    assert table["value"].tolist() == [-50.0, 100.0]
    assert list(table.columns[:7]) == ["value", "ci_low", "ci_high", "se", "n", "level", "method"]
    plain = {"shop": FRAME["shop"].tolist(), "score": FRAME["score"].tolist()}
    from_polars = nps(pl.DataFrame(plain), by="shop")
    assert isinstance(from_polars, pl.DataFrame)
    assert from_polars["shop"].to_list() == ["a", "b"]
    from_arrow = nps(pa.table(plain), by="shop")
    assert isinstance(from_arrow, pa.Table)
    assert from_arrow["value"].to_pylist() == [-50.0, 100.0]


def test_unused_categories_have_no_row():
    frame = FRAME.assign(shop=pd.Categorical(FRAME["shop"], categories=["z", "b", "a"]))
    assert nps(frame, by="shop").index.tolist() == ["b", "a"]
    numbered = FRAME.assign(shop=[2, 1, 2, 1])
    assert nps(numbered, by="shop").index.tolist() == [1, 2]


def test_the_frame_is_not_changed():
    before = FRAME.copy()
    nps(FRAME, by="shop")
    pd.testing.assert_frame_equal(FRAME, before)


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([9, 11, 99], r"'score': 2 off the scale 0 to 10, the first in row 1 \(11\)"),
        ([9, -1], r"1 off the scale.*row 1 \(-1\)"),
        ([9, 8.5], r"1 not whole, the first in row 1 \(8.5\)"),
        ([9, None], r"1 missing, the first in row 1; .*drop"),
        ([9.0, float("nan")], "1 missing, the first in row 1"),
        ([9.0, float("inf")], "1 infinite"),
        (["9", "10"], "not numbers"),
        ([True, False], "not numbers"),
        ([], "no answers"),
        ("9", "expected a column of answers or a frame"),
        (9, "expected a column"),
        ({"score": [9]}, "expected a column"),
        (np.zeros((2, 2)), "expected a column"),
    ],
)
def test_answers_that_are_none_are_refused_with_their_place(scores, words):
    with pytest.raises(DataError, match=words):
        nps(scores)


def test_groups_without_a_label_are_refused():
    with pytest.raises(DataError, match=r"'shop': 2 rows without a group, the first in row 1; drop them"):
        nps(FRAME.assign(shop=["b", None, "a", None]), by="shop")


def test_wrong_names_and_options_are_refused():
    with pytest.raises(ColumnError, match="Did you mean 'score'"):
        nps(FRAME, score="scores")
    with pytest.raises(ColumnError, match="no column 'store'"):
        nps(FRAME, by="store")
    with pytest.raises(OptionError, match="not in a frame"):
        nps([9, 10], by="shop")
    with pytest.raises(OptionError, match=r"method='bootstrap' is not one of"):
        nps([9, 10], method="bootstrap")
    with pytest.raises(OptionError, match="level=95"):
        nps([9, 10], level=95)


def test_a_lazy_frame_is_asked_to_be_collected():
    import polars as pl

    with pytest.raises(DataError, match="lazy"):
        nps(pl.LazyFrame({"score": [9]}))
