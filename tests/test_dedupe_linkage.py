"""Blocking joins, mixture fits and components against their definitions, and the fit against known parameters."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit._kernels import linkage as _k
from crmkit.dedupe import FellegiSunter, pairs
from crmkit.dedupe.model import Made, collapse, fit_patterns
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
@pytest.mark.parametrize("start", [{}, {"agreement": 0.6, "prior": 0.1}], ids=["default start", "other start"])
def test_known_parameters_are_recovered(learn_u, start):
    u = None if learn_u else [np.array([1 - share, share]) for share in (0.1, 0.025, 0.2)]
    model = fit(u, **start)
    assert model.converged
    assert model.prior == pytest.approx(0.5, rel=0.01)
    assert [model.m[name][1] for name in "abc"] == pytest.approx([0.7, 0.9, 0.95], abs=0.01)
    assert [model.u[name][1] for name in "abc"] == pytest.approx([0.1, 0.025, 0.2], abs=0.01)
    assert model.probability(PATTERNS) == pytest.approx(POSTERIORS, rel=0.01)


def test_starting_points_agree():
    first, second = fit(None), fit(None, agreement=0.6, prior=0.9)
    assert first.prior == pytest.approx(second.prior, rel=1e-5)
    assert first.log_likelihood == pytest.approx(second.log_likelihood, rel=1e-10)


def test_matches_are_the_class_that_agrees_more():
    swapped = fit(None, agreement=0.1)
    assert all(swapped.m[name][1] > swapped.u[name][1] for name in "abc")
    assert swapped.probability(PATTERNS) == pytest.approx(POSTERIORS, rel=0.01)


def test_a_fit_cut_short_says_so():
    with pytest.warns(ConvergenceWarning, match="stopped after 2 steps"):
        model = fit(None, max_iterations=2)
    assert not model.converged
    assert model.iterations == 2


def test_no_step_makes_the_fit_worse():
    u = [np.array([1 - share, share]) for share in (0.1, 0.025, 0.2)]
    found = []
    for steps in (1, 2, 4, 8, 16):
        with pytest.warns(ConvergenceWarning):
            model = fit(u, max_iterations=steps, agreement=0.6, prior=0.1)
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


def blocked():
    """Fit the known patterns as the pairs of two rules, one on the first column and one on the others."""
    chance = [np.array([1 - share, share]) for share in (0.1, 0.025, 0.2)]
    rules = {"a": Made(("a",), PATTERNS[:, 0] == 1), "b + c": Made(("b", "c"), PATTERNS[:, 1:].all(axis=1))}
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
    rules = {"a": Made(("a",), np.array([True, True]))}
    with pytest.warns(ConvergenceWarning), pytest.warns(DataWarning, match="could not be told apart"):
        fit_patterns(
            patterns,
            np.array([500.0, 9500.0]),
            kinds={"a": "id", "b": "id"},
            levels={"a": ("exact",), "b": ("exact",)},
            u=[np.array([0.9, 0.1]), np.array([0.01, 0.99])],
            rules=rules,
            agreement=0.05,
            prior=0.05,
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


@settings(deadline=None)  # the first example compiles
@given(
    keys=st.integers(1, 12).flatmap(
        lambda n: st.lists(st.lists(st.integers(-1, 3), min_size=n, max_size=n), min_size=1, max_size=4)
    )
)
def test_pairs_are_made_once_and_all_of_them(keys):
    blocks = []
    for number, rule in enumerate(keys):
        codes = np.array(rule, dtype=np.int32)
        blocks.append(pairs.block((str(number),), [SimpleNamespace(codes=codes, n_values=4)]))
    left, right, added = pairs.emit(blocks, n_threads=1)
    made = list(zip(left.tolist(), right.tolist(), strict=True))
    assert len(made) == len(set(made)) == sum(added)
    assert set(made) == naive.pairs_in_blocks(keys)
    for rule, laid_out in zip(keys, blocks, strict=True):
        assert laid_out.n_pairs == len(naive.pairs_in_blocks([rule]))


@settings(deadline=None)  # the first example compiles
@given(rows=st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), min_size=1, max_size=12))
def test_a_rule_of_two_columns_needs_both(rows):
    first, second = (np.array(column, dtype=np.int32) for column in zip(*rows, strict=True))
    laid_out = pairs.block(("a", "b"), [SimpleNamespace(codes=first, n_values=3), SimpleNamespace(codes=second, n_values=3)])
    joint = [-1 if min(row) < 0 else 10 * row[0] + row[1] for row in rows]
    left, right, _ = pairs.emit([laid_out])
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == naive.pairs_in_blocks([joint])
    assert left.size == laid_out.n_pairs


def test_pieces_join_to_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    blocks = [
        pairs.block((str(rule),), [SimpleNamespace(codes=rng.integers(-1, 6, 60).astype(np.int32), n_values=6)])
        for rule in range(2)
    ]
    whole = pairs.emit(blocks, n_threads=1)
    monkeypatch.setattr(pairs, "PIECE", 7)
    cut = pairs.emit(blocks, n_threads=2)
    assert (cut[0] == whole[0]).all()
    assert (cut[1] == whole[1]).all()
    assert cut[2] == whole[2]


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


def test_patterns_beyond_one_machine_word_are_still_told_apart():
    rng = np.random.default_rng(0)
    columns = [rng.integers(-1, 3, 200).astype(np.int8) for _ in range(40)]
    patterns = collapse(columns, [3] * 40)
    assert (patterns.levels[patterns.of_pair] == np.stack(columns, axis=1)).all()
    assert patterns.counts.sum() == 200
    assert len(np.unique(patterns.levels, axis=0)) == patterns.counts.size


@pytest.mark.parametrize("blocking", ["email", [], [()], [("a", "a")], [3], {"a"}, [["a", 3]]])
def test_rules_of_another_shape_are_refused(blocking):
    with pytest.raises(OptionError, match="blocking= is a list of rules"):
        pairs.checked_rules(blocking)
