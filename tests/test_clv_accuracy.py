"""Accuracy: the purchase models against values in many digits (naive/clv_accuracy.py), corner by corner."""

import csv
import math
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from pytest import approx

from crmkit import clv
from crmkit._kernels import bg_future, bg_nbd, pareto_nbd

FILE = Path(__file__).parent / "naive" / "clv_accuracy.csv"
with FILE.open() as file:
    ROWS = [{name: value if name == "model" else float(value) for name, value in row.items()} for row in csv.DictReader(file)]
KINDS = {"bg": clv.BgNbd, "mbg": clv.MbgNbd, "pareto": clv.ParetoNbd}
COMPILED = hasattr(bg_nbd.log_likelihood, "py_func")
# uncompiled, the endless horizons take minutes
SOME = ROWS if COMPILED else ROWS[::9]


def model_of(row):
    kind = KINDS[row["model"]]
    parameters = dict(zip(kind.PARAMETERS, (row[name] for name in ("p1", "p2", "p3", "p4")), strict=True))
    return kind(
        **parameters, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, unit="W", columns=(), gradient_norm=0.0,
        condition=1.0, diagnosis="given",
    )  # fmt: skip


def test_the_grid_has_the_corners():
    assert {row["model"] for row in ROWS} == set(KINDS)
    for name, values in (("x", (0, 20_000)), ("p2", (1e-4, 1e8)), ("t", (1e-6, 1e4)), ("p3", (1.0,))):
        for value in values:
            assert sum(row[name] == value for row in ROWS) > 5, (name, value)
    assert min(row["T"] - row["t_x"] for row in ROWS if row["T"] > row["t_x"]) < 2e-9


@pytest.mark.parametrize("at", range(len(SOME)))
def test_ten_digits(at):
    """Log-likelihoods to 1e-10 of their largest term; the rest to 1e-10 relative, where a number of that size exists."""
    row = SOME[at]
    model, history = model_of(row), (row["x"], row["t_x"], row["T"])
    numbers = [np.array([value]) for value in history]
    rows = (numbers[0], np.zeros(1, np.int64), *numbers[1:], np.ones(1), np.empty((0, 4)))
    parameters = [row[name] for name in ("p1", "p2", "p3", "p4")]
    if row["model"] == "pareto":
        found = pareto_nbd.log_likelihood(*parameters, *rows)[0]
    else:
        found = bg_nbd.log_likelihood(*parameters, float(row["model"] == "mbg"), 1.0, *rows)[0]
    assert found == approx(row["log_likelihood"], rel=1e-10, abs=1e-10 * row["size"])
    # P(alive) is 1 / (1 + odds): the log of the odds is right to 1e-10 of its own largest term
    tolerance = 1e-10 + 1e-15 * row["size"]
    assert model.p_alive(*history) == approx(row["p_alive"], rel=tolerance, abs=1e-300)
    assert model.expected_purchases(row["t"], *history) == approx(row["purchases"], rel=tolerance, abs=1e-300)
    if math.isfinite(row["endless"]):
        assert model.discounted_purchases(row["rate"], *history) == approx(row["endless"], rel=tolerance, abs=1e-300)


# ── pieces of the kernels whose mistakes the models would hide ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("m", [0.3, 1.0, 7.5])
@mp.workdps(40)
def test_what_a_rate_buys_has_its_digits(m):
    for z in [*np.geomspace(1e-09, 50.0, 60).tolist(), 0.0199, 0.0201]:
        exact = 1 - (1 + mp.mpf(z)) ** (-mp.mpf(m))
        assert bg_future._bought(m, z) == approx(float(exact), rel=2e-14, abs=0.0)


@pytest.mark.parametrize(("a", "late"), [(1e-6, 3.0), (0.01, 0.5), (0.5, 1e-4), (0.8, 2.4), (30.0, 4.0)])
@pytest.mark.parametrize(("m", "tau"), [(0.3, 1e-3), (4.0, 2.0), (12.0, 300.0)])
@mp.workdps(40)
def test_the_mean_over_dropout_has_its_digits(a, late, m, tau):
    nodes, filled = np.empty((3, 2048)), np.zeros(2, np.int64)
    step = bg_future._step(a, late, 55.0)
    found = bg_future._mean_over_dropout(1, m, tau, a, late, step, filled, nodes, nodes.copy())
    # both parameters as the doubles they are
    exact = mp.hyp2f1(m, a, mp.mpf(a) + mp.mpf(late), -tau)
    assert found == approx(float(exact), rel=2e-13, abs=0.0)


@pytest.mark.parametrize("s", [0.01, 0.7, 3.0, 7.9, 8.1, 60.0])
@mp.workdps(40)
def test_the_grid_of_the_quadrature_stands_on_the_digits_of_gamma(s):
    for frequency in (10.0, 25.0, 80.0):
        exact = mp.log(abs(mp.gamma(mp.mpc(s, frequency)) / mp.gamma(s)))
        assert bg_future._damping(s, frequency) == approx(float(exact), abs=0.05, rel=0.02)
