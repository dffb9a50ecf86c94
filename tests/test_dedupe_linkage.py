"""Blocking joins, mixture fits and components against their definitions, and the fit against known parameters."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit._kernels import linkage as _k
from crmkit.dedupe import FellegiSunter, _patterns, _rules, fit_fellegi_sunter, pairs
from crmkit.dedupe._fit import fit_patterns
from crmkit.dedupe._patterns import Made
from crmkit.dedupe._rules import Part, Sides
from crmkit.errors import ConvergenceWarning, DataError, DataWarning, OptionError
from naive import linkage as naive

# 4,000 pairs with exact counts for prior 0.5, m = (0.7, 0.9, 0.95), u = (0.1, 0.025, 0.2)
PATTERNS = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], dtype=np.int8)
COUNTS = np.array([1407, 408, 63, 522, 163, 172, 67, 1198], dtype=np.float64)
POSTERIORS = [
    0.0021321962,
    0.1397058824,
    0.4285714286,
    0.9827586207,
    0.0429447853,
    0.7732558140,
    0.9402985075,
    0.9991652755,
]
KINDS = {"a": "category", "b": "category", "c": "category"}
LEVELS = dict.fromkeys(KINDS, ("exact",))


def fit(u, **start):
    return fit_patterns(PATTERNS, COUNTS, kinds=KINDS, levels=LEVELS, u=u, **start)


@pytest.mark.parametrize("learn_u", [False, True], ids=["u known", "u learned"])
@pytest.mark.parametrize("start", [{}, {"start": (0.6, 0.1)}], ids=["default start", "other start"])
def test_known_parameters_are_recovered(learn_u, start):
    u = None if learn_u else [np.array([1 - share, share]) for share in (0.1, 0.025, 0.2)]
    model = fit(u, **start)
    assert model.converged
    assert model.prior == pytest.approx(0.5, rel=0.01)
    assert [model.m[name][1] for name in "abc"] == pytest.approx([0.7, 0.9, 0.95], abs=0.01)
    assert [model.u[name][1] for name in "abc"] == pytest.approx([0.1, 0.025, 0.2], abs=0.01)
    assert model.probability(PATTERNS) == pytest.approx(POSTERIORS, rel=0.01)


def test_starting_points_agree():
    first, second = fit(None), fit(None, start=(0.6, 0.9))
    assert first.prior == pytest.approx(second.prior, rel=1e-5)
    assert first.log_likelihood == pytest.approx(second.log_likelihood, rel=1e-10)


def test_matches_are_the_class_that_agrees_more():
    swapped = fit(None, start=(0.1, 0.5))
    assert all(swapped.m[name][1] > swapped.u[name][1] for name in "abc")
    assert swapped.probability(PATTERNS) == pytest.approx(POSTERIORS, rel=0.01)


def test_a_fit_cut_short_says_so():
    with pytest.warns(ConvergenceWarning, match="stopped after 2 steps"):
        model = fit(None, max_iterations=2)
    assert not model.converged
    assert model.iterations == 2


def by_class():
    """How many of the pairs with each pattern are matches, and how many are not."""
    answer = []
    for shares in ((0.7, 0.9, 0.95), (0.1, 0.025, 0.2)):
        agree = np.where(PATTERNS == 1, shares, 1 - np.array(shares))
        answer.append(2000 * agree.prod(axis=1))
    return answer


@pytest.mark.parametrize("kept", ["all", "those that look like no match", "a tenth"])
def test_labels_of_any_patterns_teach_the_truth(kept):
    """Pairs are picked for labelling by how they look; that must not make matches look like those."""
    matches, others = by_class()
    weight = {"all": np.ones(8), "those that look like no match": PATTERNS.sum(axis=1) <= 1, "a tenth": np.full(8, 0.1)}[kept]
    counts = matches + others
    model = fit_patterns(PATTERNS, counts, kinds=KINDS, levels=LEVELS, u=None, judged=(weight * matches, weight * others))
    assert model.prior == pytest.approx(0.5, abs=0.002)
    assert [model.m[name][1] for name in "abc"] == pytest.approx([0.7, 0.9, 0.95], abs=0.003)
    assert [model.u[name][1] for name in "abc"] == pytest.approx([0.1, 0.025, 0.2], abs=0.003)


def test_no_step_makes_the_fit_worse():
    u = [np.array([1 - share, share]) for share in (0.1, 0.025, 0.2)]
    found = []
    for steps in (1, 2, 4, 8, 16):
        with pytest.warns(ConvergenceWarning):
            model = fit(u, max_iterations=steps, start=(0.6, 0.1))
        # what the fit maximises has one pseudo-match per field, and half a match and half a non-match, besides the data
        extra = [0.9 * np.log(model.m[name][1]) + 0.1 * np.log(model.m[name][0]) for name in "abc"]
        found.append(model.log_likelihood + sum(extra) + 0.5 * np.log(model.prior) + 0.5 * np.log(1 - model.prior))
    assert found == sorted(found)


def test_weight_is_the_sum_of_the_evidence_and_missing_is_silent():
    model = fit(None)
    rows = np.array([[1, 0, 1], [-1, 1, 0], [-1, -1, -1]])
    m, u = [model.m[name] for name in "abc"], [model.u[name] for name in "abc"]
    assert model.match_weight(rows) == pytest.approx([naive.match_weight(row, m, u, model.prior) for row in rows])
    assert model.probability(rows)[2] == pytest.approx(model.prior)
    with pytest.raises(DataError, match="one column for each of"):
        model.match_weight(rows[:, :2])
    with pytest.raises(DataError, match="'b' must lie between -1 and 1"):
        model.match_weight([[0, 2, 0]])


def made(columns, patterns):
    return Made(columns, columns, (), patterns)


def blocked():
    """Fit the known patterns as the pairs of two rules, one on the first column and one on the others."""
    chance = [np.array([1 - share, share]) for share in (0.1, 0.025, 0.2)]
    rules = {"a": made(("a",), PATTERNS[:, 0] == 1), "b + c": made(("b", "c"), PATTERNS[:, 1:].all(axis=1))}
    return fit(chance, rules=rules, total=10_000.0)


@pytest.mark.parametrize("model", [fit(None), blocked()], ids=["all pairs", "blocked"])
def test_a_model_survives_json(model):
    again = FellegiSunter.from_dict(json.loads(json.dumps(model.to_dict())))
    assert again.to_dict() == model.to_dict()
    assert (again.match_weight(PATTERNS) == model.match_weight(PATTERNS)).all()
    assert "prior" in repr(model)


def test_a_pair_takes_the_largest_weight_of_the_rules_that_made_it():
    model = blocked()
    rows = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 1], [1, -1, -1], [0, 0, 1]])

    def under(row, rule):
        outside = [column for column in "abc" if column not in model.rules[rule]]
        levels = [row["abc".index(column)] for column in outside]
        m, u = [model.m[column] for column in outside], [model.rule_u[rule][column] for column in outside]
        return naive.match_weight(levels, m, u, model.rule_prior[rule])

    by_chance = naive.match_weight(rows[4], list(model.m.values()), list(model.u.values()), model.prior)
    expected = [
        under(rows[0], "a"),
        under(rows[1], "b + c"),
        max(under(rows[2], "a"), under(rows[2], "b + c")),
        under(rows[3], "a"),
        by_chance,
    ]
    assert model.match_weight(rows) == pytest.approx(expected)


def test_a_rule_teaches_nothing_about_its_own_columns():
    model = blocked()
    assert list(model.rule_u["a"]) == ["b", "c"]
    assert list(model.rule_u["b + c"]) == ["a"]
    # of the pairs that agree on a, 0.7 * 2,000 are matches and 0.1 * 2,000 are not
    assert model.rule_prior["a"] == pytest.approx(0.875, abs=0.005)
    assert [model.m[column][1] for column in "bc"] == pytest.approx([0.9, 0.95], abs=0.005)


def test_the_pairs_of_a_rule_on_other_columns_must_be_named():
    model = dataclasses.replace(blocked(), rules={"a": ("a",), "b + c": ("city",)})
    with pytest.raises(DataError, match="which are not compared"):
        model.match_weight(PATTERNS)


def test_matches_that_agree_less_than_others_are_reported():
    patterns = np.array([[1, 0], [1, 1]], dtype=np.int8)
    rules = {"a": made(("a",), np.array([True, True]))}
    with pytest.warns(ConvergenceWarning), pytest.warns(DataWarning, match="could not be told apart"):
        fit_patterns(
            patterns,
            np.array([500.0, 9500.0]),
            kinds={"a": "id", "b": "id"},
            levels={"a": ("exact",), "b": ("exact",)},
            u=[np.array([0.9, 0.1]), np.array([0.01, 0.99])],
            rules=rules,
            start=(0.05, 0.05),
            max_iterations=1,
        )


def test_agreement_is_never_weaker_evidence_than_silence():
    # the field agrees less often among the likely matches than by chance
    counts = np.array([100.0, 5.0, 900.0, 10.0])
    patterns = np.array([[1, 0], [0, 1], [0, 0], [1, 1]], dtype=np.int8)[:, ::-1].copy()
    model = fit_patterns(
        patterns,
        counts,
        kinds={"a": "id", "b": "id"},
        levels={"a": ("exact",), "b": ("exact",)},
        u=[np.array([0.3, 0.7]), np.array([0.9, 0.1])],
    )
    assert model.m["a"][1] >= model.u["a"][1]
    assert sum(model.m["a"]) == pytest.approx(1.0)


def laid_out(codes, sides, window=0):
    field = SimpleNamespace(codes=np.array(codes, dtype=np.int32), n_values=4, values=list("abcd"))
    rule = (Part("x", "neighbours", window),) if window else (Part("x"),)
    return _rules.lay_out(rule, {"x": field}, sides)[0]


def made_pairs(blocks, sides, **options):
    rows = [(left, right) for _, left, right in pairs.stream(blocks, sides, **options)]
    return [pair for left, right in rows for pair in zip(left.tolist(), right.tolist(), strict=True)]


@settings(deadline=None)  # the first example compiles
@given(
    keys=st.integers(1, 12).flatmap(
        lambda n: st.lists(st.lists(st.integers(-1, 3), min_size=n, max_size=n), min_size=1, max_size=4)
    ),
    window=st.integers(0, 3),
    second=st.integers(0, 5),
)
def test_pairs_are_made_once_and_all_of_them(keys, window, second):
    n = len(keys[0])
    other = min(second, n - 1)
    sides = Sides.of(n - other, other or None)
    side = sides.of_row.tolist()
    blocks = [laid_out(rule, sides, window if number == 1 else 0) for number, rule in enumerate(keys)]
    windows = {1: window} if window else {}
    expected = {pair for pair in naive.pairs_of_rules(keys, windows) if not other or side[pair[0]] != side[pair[1]]}
    found = made_pairs(blocks, sides, n_threads=1)
    assert len(found) == len(set(found))
    assert set(found) == expected
    for number, (rule, block) in enumerate(zip(keys, blocks, strict=True)):
        alone = naive.pairs_of_rules([rule], {0: windows[number]} if number in windows else {})
        assert block.n_pairs == sum(not other or side[a] != side[b] for a, b in alone)


@settings(deadline=None)  # the first example compiles
@given(rows=st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), min_size=1, max_size=12))
def test_a_rule_of_two_columns_needs_both(rows):
    fields = {
        name: SimpleNamespace(codes=np.array(column, dtype=np.int32), n_values=3)
        for name, column in zip("ab", zip(*rows, strict=True), strict=True)
    }
    sides = Sides.of(len(rows))
    (block,) = _rules.lay_out((Part("a"), Part("b")), fields, sides)
    joint = [-1 if min(row) < 0 else 10 * row[0] + row[1] for row in rows]
    found = made_pairs([block], sides)
    assert set(found) == naive.pairs_in_blocks([joint])
    assert len(found) == block.n_pairs


def test_pieces_join_to_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    sides = Sides.of(60)
    blocks = [laid_out(rng.integers(-1, 4, 60), sides) for rule in range(2)]
    whole = made_pairs(blocks, sides, n_threads=1)
    monkeypatch.setattr(pairs, "PIECE", 7)
    assert made_pairs(blocks, sides, n_threads=2) == whole


@settings(deadline=None)  # the first example compiles
@given(
    graph=st.integers(1, 12).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=15))
    )
)
def test_components_are_numbered_by_their_smallest_member(graph):
    n, edges = graph
    left = np.array([a for a, _ in edges], dtype=np.int32)
    right = np.array([b for _, b in edges], dtype=np.int32)
    assert _k.components(n, left, right).tolist() == naive.components(n, edges)


@pytest.mark.parametrize("width", [3, 20, 40], ids=["counted in a table", "sorted", "beyond one machine word"])
def test_patterns_are_told_apart(width):
    rng = np.random.default_rng(0)
    codes = [rng.integers(-1, 3, 200).astype(np.int8) for _ in range(width)]
    fields = [
        SimpleNamespace(column=str(k), levels=(0,) * 3, n_values=4, compare=lambda a, b, k=k: codes[k]) for k in range(width)
    ]
    rows = np.arange(200, dtype=np.int32)
    patterns = _patterns.compare(fields, [], Sides.of(200), given=(rows, rows)).patterns
    assert (patterns.levels[patterns.of_pair] == np.stack(codes, axis=1)).all()
    assert patterns.counts.sum() == 200
    assert len(np.unique(patterns.levels, axis=0)) == patterns.counts.size


@pytest.mark.parametrize("blocking", ["email", [], [()], [("email", "email")], [3], {"email"}, [["email", 3]]])
def test_rules_of_another_shape_are_refused(blocking):
    with pytest.raises(OptionError, match="blocking= is a list of rules"):
        _rules.parsed(blocking, ["email"])


def test_levels_of_pairs_alone_are_enough():
    table = pd.DataFrame(PATTERNS, columns=list("abc")).assign(count=COUNTS)
    model = fit_fellegi_sunter(table, weight="count")
    again = fit_fellegi_sunter(table, weight="count", start=(0.6, 0.1))
    assert model.prior == pytest.approx(0.5, rel=0.01)
    assert again.prior == pytest.approx(model.prior, rel=1e-5)
    assert model.probability(PATTERNS) == pytest.approx(POSTERIORS, rel=0.01)
    spread = table.loc[table.index.repeat(table["count"].astype(int))].drop(columns="count")
    assert fit_fellegi_sunter(spread).m["a"] == pytest.approx(model.m["a"])
    with pytest.raises(DataError, match="three or more"):
        fit_fellegi_sunter(table[["a", "b"]])
    with pytest.raises(DataError, match="'a': 8 levels below -1"):
        fit_fellegi_sunter(table.assign(a=-2), weight="count")
    with pytest.raises(OptionError, match="start="):
        fit_fellegi_sunter(table, weight="count", start=0.5)


def simulated(rng, shares, n):
    """Pairs of one block: agreement on name, born, street, town, phone for matches, movers, kin and strangers."""
    agree = np.array(
        [[0.9, 0.95, 0.9, 0.97, 0.8], [0.9, 0.95, 0.01, 0.1, 0.5], [0.03, 0.01, 0.95, 0.97, 0.6], [0.03, 0.01, 0.01, 0.1, 0.01]]
    )
    classes = rng.choice(4, n, p=shares)
    return classes, (rng.random((n, 5)) < agree[classes]).astype(np.int8)


def test_people_who_live_together_and_people_who_moved_are_told_apart():
    rng = np.random.default_rng(3)
    names = ["name", "born", "street", "town", "phone"]
    kinds = dict(zip(names, ["name", "date", "address", "text", "phone"], strict=True))
    classes, levels = simulated(rng, [0.25, 0.05, 0.3, 0.4], 40_000)
    patterns, of_pair, counts = np.unique(levels, axis=0, return_inverse=True, return_counts=True)
    chance = [np.array([1 - share, share]) for share in (0.03, 0.01, 0.01, 0.1, 0.01)]
    everything = {"rule": Made(("email",), ("email",), (), np.ones(len(patterns), dtype=np.bool_), own_u=True)}
    options = {"kinds": kinds, "levels": dict.fromkeys(names, ("exact",)), "u": chance, "rules": everything}
    model = fit_patterns(patterns, counts.astype(float), **options)
    assert model.rule_prior["rule"] == pytest.approx(0.3, abs=0.01)
    assert model.rule_moved["rule"] == pytest.approx(0.05, abs=0.01)
    assert model.rule_related["rule"] == pytest.approx(0.3, abs=0.01)
    assert model.related["street"][1] == pytest.approx(0.95, abs=0.02)
    assert model.related["born"][1] == pytest.approx(0.01, abs=1e-6)
    assert model.moved["name"] == model.m["name"]
    found = model.match_weight(patterns, made_by={"rule": np.ones(len(patterns), dtype=np.bool_)})[of_pair.ravel()]
    probability = 1 / (1 + np.exp2(-found))
    assert probability.sum() == pytest.approx((classes < 2).sum(), rel=0.02)
    # without the two classes, people who live together pass for matches
    blurred = fit_patterns(patterns, counts.astype(float), **options, related=False)
    assert not blurred.related
    assert blurred.rule_prior["rule"] > 0.4


def test_classes_that_are_not_there_are_not_found():
    rng = np.random.default_rng(4)
    names = ["name", "born", "street", "town", "phone"]
    _, levels = simulated(rng, [0.3, 0.0, 0.0, 0.7], 20_000)
    patterns, counts = np.unique(levels, axis=0, return_counts=True)
    model = fit_patterns(
        patterns,
        counts.astype(float),
        kinds=dict(zip(names, ["name", "date", "address", "text", "phone"], strict=True)),
        levels=dict.fromkeys(names, ("exact",)),
        u=[np.array([1 - share, share]) for share in (0.03, 0.01, 0.01, 0.1, 0.01)],
        rules={"rule": Made(("email",), ("email",), (), np.ones(len(patterns), dtype=np.bool_), own_u=True)},
    )
    assert not model.related
    assert not model.moved
    assert model.rule_prior["rule"] == pytest.approx(0.3, abs=0.01)
