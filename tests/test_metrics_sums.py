"""Sums behind the measures, each beside its definition: a changed sign or factor in one of them shows."""

import numpy as np
import pytest

from crmkit import metrics

RNG = np.random.default_rng(5)
P = RNG.random(120).round(2)
Y = (RNG.random(120) < P).astype(int)
OTHER = RNG.random(120).round(1)


def test_calibration_in_the_large_has_the_error_of_a_mean():
    found = metrics.calibration(Y, P).in_the_large
    apart = Y - P
    assert found.value == pytest.approx(apart.mean(), abs=1e-15)
    assert found.se == pytest.approx(apart.std() / np.sqrt(Y.size), rel=1e-12)
    assert found.ci_high == pytest.approx(apart.mean() + 1.959963984540054 * found.se, rel=1e-12)


def test_calibration_in_the_large_covers_at_its_level():
    hits = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        p = rng.beta(2, 5, 200)
        found = metrics.calibration((rng.random(200) < p).astype(int), p, bins=2).in_the_large
        hits += found.ci_low <= 0.0 <= found.ci_high
    assert 930 <= hits <= 970


def test_bins_hold_as_many_rows_each():
    p = (np.arange(60) + 0.5) / 60
    table = metrics.calibration(np.arange(60) % 2, p, bins=5).table
    assert table["rows"].tolist() == [12] * 5
    assert table["predicted"].to_numpy() == pytest.approx(p.reshape(5, 12).mean(axis=1))
    assert table["p_low"].to_numpy() == pytest.approx(p[::12])
    assert table["p_high"].to_numpy() == pytest.approx(p[11::12])


def test_the_error_of_the_slope_is_that_of_the_information():
    found = metrics.calibration(Y, np.clip(P, 0.01, 0.99))
    x = np.log(np.clip(P, 0.01, 0.99) / (1 - np.clip(P, 0.01, 0.99)))
    share = 1 / (1 + np.exp(-(found.intercept.value + found.slope.value * x)))
    weight = share * (1 - share)
    information = np.array([[weight.sum(), (weight * x).sum()], [(weight * x).sum(), (weight * x * x).sum()]])
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    assert (found.intercept.se, found.slope.se) == pytest.approx(tuple(errors), rel=1e-6)


def influences(score):
    """What average precision does when each row weighs a little more, by its definition."""

    def weighted(w):
        order = np.argsort(-score, kind="stable")
        total, caught, value, k = 0.0, 0.0, 0.0, 0
        while k < score.size:
            same = order[k:][score[order[k:]] == score[order[k]]]
            ones = (w[same] * Y[same]).sum()
            total, caught = total + w[same].sum(), caught + ones
            value += ones * caught / total
            k += same.size
        return value / (w * Y).sum()

    each, step = np.ones(score.size), 1e-5
    here = weighted(each)
    return here, np.array([(weighted(each + step * row) - here) / step for row in np.eye(score.size)])


def test_the_error_of_average_precision_is_that_of_its_influences():
    value, moves = influences(P)
    found = metrics.average_precision(Y, P)
    assert found.value == pytest.approx(value, rel=1e-12)
    assert found.se == pytest.approx(np.sqrt((moves**2).sum()), rel=1e-4)


def test_the_error_of_a_difference_of_average_precisions_is_that_of_both():
    (one, first), (two, second) = influences(P), influences(OTHER)
    found = metrics.difference(Y, P, OTHER, metric="average_precision")
    assert found.value == pytest.approx(one - two, rel=1e-9)
    assert found.se == pytest.approx(np.sqrt(((first - second) ** 2).sum()), rel=1e-4)


def test_scores_that_every_row_tells_apart_are_as_certain_as_the_rarer_kind_is_many():
    y = np.array([0, 0, *[1] * 8])
    found = metrics.difference(y, y, 1 - y)
    assert found.value == 1.0
    # two zeros: two trials of which none went the other way
    assert found.ci_low == pytest.approx(2 / (2 + 1.959963984540054**2) * 2 - 1, rel=1e-9)
