"""The Net Promoter Score against published values, its definition, and all samples there can be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive.nps as naive
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError
from crmkit.feedback import effective_n, nps, nps_difference

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
        expected = {name: value for name, value in alone.to_dict().items() if name != "asked"}
        assert {name: row[name] for name in expected} == expected
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
        ([9.0, float("nan")], """1 missing, the first in row 1; drop them, or .* with missing="drop\""""),
        ([9.0, float("inf")], "1 infinite"),
        (["nine", "ten"], "not numbers"),
        (["9", "ten"], "1 not beginning with a number, the first in row 1"),
        (["9", ""], "1 missing, the first in row 1"),
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
    with pytest.raises(OptionError, match=r"method='jackknife' is not one of"):
        nps([9, 10], method="jackknife")
    with pytest.raises(OptionError, match="level=95"):
        nps([9, 10], level=95)


def test_a_lazy_frame_is_asked_to_be_collected():
    import polars as pl

    with pytest.raises(DataError, match="lazy"):
        nps(pl.LazyFrame({"score": [9]}))


# ── other ways to the interval, other scales, other kinds of samples ─────────────────────────────────────────────────────

METHODS = ["adjusted_wald", "wald", "score", "t", "dirichlet", "bootstrap"]


@pytest.mark.parametrize(
    ("scores", "method", "low", "high", "digits"),
    [
        (THOUSAND, "score", 4.3822, 15.5495, 5e-5),
        (THOUSAND, "dirichlet", 4.36, 15.53, 2e-2),
        (answers(9, 0, 2), "score", 4.604, 89.726, 5e-4),
        (answers(10, 0, 0), "score", 44.49, 100.0, 5e-3),
        (answers(0, 10, 0), "score", -27.75, 27.75, 5e-3),
        (answers(5, 0, 5), "score", -52.68, 52.68, 5e-3),
    ],
)
def test_score_and_posterior_intervals_agree_with_worked_values(scores, method, low, high, digits):
    found = nps(scores, method=method)
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=digits)


@pytest.mark.parametrize("method", METHODS)
@given(counts=st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30)))
def test_every_interval_stays_on_the_scale_and_mirrors(method, counts):
    up, same, down = counts
    if method == "t" and sum(counts) == 1:
        return
    found = nps(answers(up, same, down), method=method, replicates=200)
    mirrored = nps(answers(down, same, up), method=method, replicates=200)
    assert -100 <= found.ci_low <= found.ci_high <= 100
    if method == "bootstrap":  # random draws are no mirror images
        assert (found.ci_low, found.ci_high) == pytest.approx((-mirrored.ci_high, -mirrored.ci_low), abs=45)
    else:
        assert (found.value, found.ci_low, found.ci_high) == (-mirrored.value, -mirrored.ci_high, -mirrored.ci_low)


def test_an_interval_cut_off_at_the_scale_says_so():
    assert nps(answers(9, 0, 2), method="wald").clipped  # 109.222 before
    assert not nps(answers(9, 0, 2)).clipped
    table = nps(pd.DataFrame({"score": answers(9, 0, 2), "shop": ["a"] * 11}), by="shop", method="wald")
    assert table["clipped"].tolist() == [True]


def test_thresholds_are_obeyed_in_the_score_and_in_its_interval():
    # CRAN NPS 1.1 ignores its `breaks`; the example is nps(1:15, breaks 0, 6, 8, 15)
    options = {"scale": (0, 15), "detractors_to": 6, "promoters_from": 9}
    found = nps(list(range(1, 16)), method="wald", **options)
    assert found.value == pytest.approx(100 * 1 / 15)
    assert found.se == pytest.approx(100 * np.sqrt((13 / 15 - 1 / 225) / 15))
    assert (found.promoters, found.passives, found.detractors) == (7, 2, 6)


def test_scales_are_declared_and_never_recoded():
    with pytest.raises(DataError, match="off the scale 1 to 10, the first in row 1 \\(0\\)"):
        nps([5, 0], scale=(1, 10))
    five = nps([1, 2, 3, 4, 5, 5], scale=(1, 5))
    assert (five.promoters, five.passives, five.detractors) == (2, 1, 3)
    with pytest.raises(OptionError, match="no usual reading"):
        nps([1, 2], scale=(1, 7))
    with pytest.raises(OptionError, match="detractors_to=11"):
        nps([1], detractors_to=11)
    with pytest.raises(OptionError, match="promoters_from=5"):
        nps([1], promoters_from=5)


def test_labels_are_read_by_their_numbers():
    labels = ["10 - Extremely likely", "9", " 8", "0 - Not at all likely", "6"]
    for kind in ("object", "category", "string", "str"):
        found = nps(pd.Series(labels, dtype=kind))
        assert (found.promoters, found.passives, found.detractors) == (2, 1, 2)
    with pytest.raises(DataError, match="1 not beginning with a number, the first in row 1"):
        nps(["10 - Extremely likely", "likely"])
    with pytest.raises(DataError, match="off the scale"):
        nps(["10 - Extremely likely", "2023"])
    with pytest.raises(DataError, match="not"):
        nps(["9.5", "9"])


def test_one_answer_has_no_t_interval_and_says_so():
    with pytest.warns(DataWarning, match="1 times a single answer"):
        found = nps([10], method="t")
    assert (found.ci_low, found.ci_high, found.reason) == (-100, 100, "one answer: no standard error")
    assert str(found) == found.reason


def test_the_finite_population_narrows_the_interval():
    # 25.5186 printed for a thousand answers from five thousand
    assert nps(THOUSAND, method="wald", population=5000).se == pytest.approx(2.55186, abs=5e-6)
    everybody = nps(THOUSAND, population=1000)
    assert everybody.ci_high - everybody.ci_low < 1e-3
    with pytest.raises(OptionError, match="population=999"):
        nps(THOUSAND, population=999)
    with pytest.raises(OptionError, match="leave by= out"):
        nps(FRAME, by="shop", population=5000)


TOY = pd.DataFrame({"score": [10, 9, 8, 6, 3, 9, 7, 10, 0, 9], "w": [1.0, 2, 1, 1, 3, 1, 2, 1, 1, 2]})


def test_weights_agree_with_the_worked_example():
    found = nps(TOY, weight="w", method="t")
    assert found.value == pytest.approx(13.3333, abs=5e-5)
    assert found.se == pytest.approx(33.3185, abs=5e-5)
    assert effective_n(TOY["w"]) == pytest.approx(8.3333, abs=5e-5)
    assert nps(TOY).value == pytest.approx(20)
    # the error of a random sample of the effective size, 30.6377, is not that of the weighted one
    naive_se = np.sqrt((1 - 2.6 / 15 - 2 / 15 - (2 / 15) ** 2) / 8.3333)
    assert abs(100 * naive_se - found.se) > 1


@pytest.mark.parametrize("method", ["adjusted_wald", "wald", "score", "t", "dirichlet"])
def test_weights_of_one_equal_no_weights(method):
    frame = pd.DataFrame({"score": THOUSAND, "one": 1.0, "row": range(1000), "all": 1})
    plain = nps(frame, method=method)
    for design in ({"weight": "one"}, {"cluster": "row"}, {"strata": "all"}, {"weight": "one", "strata": "all"}):
        found = nps(frame, method=method, **design)
        ends = (found.value, found.ci_low, found.ci_high, found.se, found.n)
        assert ends == pytest.approx((plain.value, plain.ci_low, plain.ci_high, plain.se, plain.n), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 10), st.floats(0.1, 10)), min_size=2, max_size=30), st.floats(0.01, 100))
def test_the_unit_of_weights_does_not_matter(rows, factor):
    frame = pd.DataFrame(rows, columns=["score", "w"])
    one, two = nps(frame, weight="w"), nps(frame.assign(w=frame["w"] * factor), weight="w")
    assert (one.value, one.ci_low, one.ci_high) == pytest.approx((two.value, two.ci_low, two.ci_high), abs=1e-7)


def test_the_linearised_error_is_that_of_its_definition():
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"score": random.integers(0, 11, 300), "w": random.gamma(2, 1, 300), "h": random.integers(0, 4, 300)})
    frame["c"] = random.integers(0, 12, 300)  # numbers used again in every stratum
    z = np.array([naive.worth(score) for score in frame["score"]])
    theta = (frame["w"] * z).sum() / frame["w"].sum()
    frame["u"] = frame["w"] * (z - theta) / frame["w"].sum()
    variance = 0.0
    for _, stratum in frame.groupby("h"):
        totals = stratum.groupby("c")["u"].sum()
        variance += len(totals) / (len(totals) - 1) * ((totals - totals.mean()) ** 2).sum()
    found = nps(frame, weight="w", strata="h", cluster="c", method="t")
    assert found.se == pytest.approx(100 * np.sqrt(variance))
    clustered = frame.groupby("c")["u"].sum()
    expected = len(clustered) / (len(clustered) - 1) * (clustered**2).sum()
    plain = nps(frame, weight="w", cluster="c", method="t")
    assert plain.se == pytest.approx(100 * np.sqrt(expected))


def test_a_cluster_of_everything_is_refused():
    with pytest.raises(DataError, match="single cluster"):
        nps(TOY.assign(c=1), cluster="c")
    with pytest.raises(DataError, match="single cluster"):
        nps(TOY.assign(c=range(10), h=[0] * 9 + [1]), cluster="c", strata="h")
    with pytest.raises(DataError, match="no weight is above zero"):
        nps(TOY.assign(w=0.0), weight="w")
    with pytest.raises(DataError, match="1 negative"):
        nps(TOY.assign(w=[-1.0] + [1.0] * 9), weight="w")
    with pytest.raises(OptionError, match="resamples answers that count alike"):
        nps(TOY, weight="w", method="bootstrap")


def test_groups_of_several_columns_and_their_kinds():
    import polars as pl

    frame = pd.DataFrame({"score": [10, 3, 9, 8], "shop": list("baba"), "wave": [2, 1, 1, 1]})
    table = nps(frame, by=["shop", "wave"])
    assert table.index.names == ["shop", "wave"]
    assert table["value"].to_dict() == {("a", 1): -50.0, ("b", 1): 100.0, ("b", 2): 100.0}
    elsewhere = nps(pl.DataFrame(frame.to_dict("list")), by=["shop", "wave"])
    assert elsewhere.columns[:2] == ["shop", "wave"]
    assert elsewhere["value"].to_list() == [-50.0, 100.0, 100.0]
    with pytest.raises(OptionError, match="each of them once"):
        nps(frame, by=["shop", "shop"])
    with pytest.raises(OptionError, match="at least one column"):
        nps(frame, by=[])


def test_small_groups_are_hidden_with_their_size_shown():
    frame = pd.DataFrame({"score": [10] * 5 + [3] * 2 + [9] * 7, "shop": ["a"] * 5 + ["b"] * 2 + ["c"] * 7})
    table = nps(frame, by="shop", min_n=4)
    # one hidden group alone could be computed from the total: the next smallest is hidden with it
    assert table["value"].isna().tolist() == [True, True, False]
    assert table["promoters"].isna().tolist() == [True, True, False]
    assert table["answers"].tolist() == [5, 2, 7]
    assert table["reason"].tolist() == ["hidden lest the total give the other hidden group away", "fewer than 4 answers", ""]
    alone = nps([9, 9], min_n=5)
    assert np.isnan(alone.value)
    assert (alone.answers, alone.promoters, alone.reason) == (2, None, "fewer than 5 answers")


def test_people_who_did_not_answer_are_counted():
    frame = pd.DataFrame({"score": [10, np.nan, 9, np.nan, np.nan], "shop": list("aabbc")})
    found = nps(frame, missing="drop")
    assert (found.asked, found.answers, found.response_rate) == (5, 2, 0.4)
    table = nps(frame, by="shop", missing="drop")
    assert table["response_rate"].tolist() == [0.5, 0.5, 0.0]
    assert table["reason"].tolist() == ["", "", "no answers"]
    assert nps(pd.Series(["10 - yes", None, ""]), missing="drop").asked == 3
    assert nps([9]).response_rate is None


def test_a_person_counts_once():
    when = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-01-15", "2024-01-10"])
    frame = pd.DataFrame({"score": [0, 10, 9, 8], "who": ["x", "x", "y", "z"], "when": when, "wave": [1, 2, 1, 1]})
    with pytest.raises(DataError, match="'who': 1 answers of persons who answered before, the first in row 1"):
        nps(frame, customer="who")
    assert nps(frame, customer="who", by="wave").shape[0] == 2  # one answer in each wave is no repeat
    latest = nps(frame, customer="who", time="when", repeats="latest")
    assert (latest.answers, latest.promoters, latest.detractors) == (3, 2, 0)
    clustered = nps(frame, customer="who", repeats="cluster", method="t")
    assert clustered.answers == 4
    with pytest.raises(DataError, match="more than one answer at their latest moment, the first in row 1"):
        nps(frame.assign(when=when[0]), customer="who", time="when", repeats="latest")
    with pytest.raises(OptionError, match="needs to know when"):
        nps(frame, customer="who", repeats="latest")
    with pytest.raises(OptionError, match="name the person's column"):
        nps(frame, repeats="latest")
    with pytest.raises(OptionError, match="leave cluster= out"):
        nps(frame, customer="who", repeats="cluster", cluster="wave")


def test_a_clustered_error_sees_that_copies_are_no_new_persons():
    frame = pd.DataFrame({"score": THOUSAND * 3, "who": list(range(1000)) * 3})
    once, thrice = nps(THOUSAND, method="wald"), nps(frame, customer="who", repeats="cluster", method="t")
    assert nps(frame, method="wald").se < 0.6 * once.se
    assert thrice.se == pytest.approx(once.se, rel=2e-3)


def test_bootstrap_of_groups_does_not_depend_on_the_other_groups():
    frame = pd.DataFrame({"score": THOUSAND, "shop": ["a", "b"] * 500})
    table = nps(frame, by="shop", method="bootstrap")
    alone = nps(frame.loc[frame["shop"] == "b"], method="bootstrap")
    assert table.loc["b", "ci_low"] == alone.ci_low
    assert table.loc["b", "ci_high"] == alone.ci_high


def test_a_promoter_and_a_detractor_are_not_independent():
    # with independent shares of promoters and detractors the covariance is lost and the error too small: 1.603
    found = nps(answers(250, 675, 75), method="wald")
    assert found.se == pytest.approx(1.716, abs=5e-4)
    assert (found.ci_low, found.ci_high) == pytest.approx((14.137, 20.863), abs=5e-4)


def test_missing_answers_are_cured_by_what_the_function_takes():
    # a function without that option does not send its caller there
    wave = pd.DataFrame({"score": [9.0, None, 3.0]})
    with pytest.raises(DataError, match=r"1 missing, the first in row 1; drop them before the call$"):
        nps_difference(wave, wave)


def test_lower_ends_come_first_and_missing_answers_are_never_dropped_in_silence():
    # both are defects of a package in circulation
    found = nps(THOUSAND)
    assert found.ci_low < found.value < found.ci_high
    with pytest.raises(DataError, match="missing"):
        nps([9, None, 3])


def test_the_interval_is_of_some_width_where_all_answer_alike():
    assert nps(answers(10, 0, 0), method="wald").ci_low == 100  # the plain interval is certain after ten answers
    for method in ("adjusted_wald", "score", "dirichlet"):
        assert nps(answers(10, 0, 0), method=method).ci_low < 60


def test_coverage_at_thirty_answers_over_fixed_populations():
    outcomes = np.array(naive.outcomes(30))
    group = np.repeat(np.arange(len(outcomes)), 30)
    scores = np.concatenate([np.repeat([0, 7, 10], outcome) for outcome in outcomes])
    frame = pd.DataFrame({"sample": group, "score": scores})
    log_factorial = np.cumsum(np.log(np.maximum(np.arange(31), 1)))
    coefficients = log_factorial[30] - log_factorial[outcomes].sum(axis=1)
    populations = np.array([[0.3, 0.3, 0.4], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.25, 0.5, 0.25], [0.01, 0.09, 0.90]])
    covered = {}
    for method in ("adjusted_wald", "score", "wald"):
        table = nps(frame, by="sample", method=method)
        low, high = table["ci_low"].to_numpy(), table["ci_high"].to_numpy()
        covered[method] = []
        for shares in populations:
            weights = np.exp(coefficients + outcomes @ np.log(shares))
            truth = 100 * (shares[2] - shares[0])
            covered[method].append(weights[(low <= truth) & (truth <= high)].sum())
    assert min(covered["adjusted_wald"]) >= 0.93
    assert min(covered["score"]) >= 0.93
    # where nearly all are promoters, the plain interval covers .825
    assert covered["wald"][-1] == pytest.approx(0.825, abs=5e-4)
    assert covered["adjusted_wald"][-1] == pytest.approx(0.952, abs=5e-4)
