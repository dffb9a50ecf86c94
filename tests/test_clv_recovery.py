"""Every model finds the truth of simulated customers: 95 % intervals cover at their level, by an exact binomial test."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crmkit import clv
from crmkit._kernels import bg_nbd as kernel
from crmkit.errors import DataWarning

COMPILED = hasattr(kernel.log_likelihood, "py_func")
HISTORY = ["frequency", "recency", "T"]


def purchases(rng, T, rate, p=None, leaves=None, k=1, early=False):
    """Histories from the story: gaps are Erlang-k, customers leave after a purchase with chance `p`, or at the time `leaves`."""
    n = T.size
    x, last, now, logs = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    end = T if leaves is None else np.minimum(T, leaves)
    here = np.flatnonzero(rng.random(n) >= p) if early else np.arange(n)
    while here.size:
        gap = rng.gamma(k, size=here.size) / rate[here]
        now[here] += gap
        made = now[here] <= end[here]
        here, gap = here[made], gap[made]
        x[here] += 1
        last[here] = now[here]
        logs[here] += np.log(gap)
        if p is not None:
            here = here[rng.random(here.size) >= p[here]]
    return pd.DataFrame({"frequency": x, "recency": last, "T": T, "log_gaps": logs})


def bg_nbd(rng, n, r, alpha, a, b, **story):
    return purchases(rng, rng.uniform(30, 78, n), rng.gamma(r, size=n) / alpha, p=rng.beta(a, b, n), **story)


def pareto_nbd(rng, n, r, alpha, s, beta):
    leaves = rng.exponential(size=n) * beta / rng.gamma(s, size=n)
    return purchases(rng, rng.uniform(30, 78, n), rng.gamma(r, size=n) / alpha, leaves=leaves)


def bg_bb(rng, n, alpha, beta, gamma, delta):
    takes, leaves = rng.beta(alpha, beta, n), rng.beta(gamma, delta, n)
    x, last, here = np.zeros(n), np.zeros(n), np.ones(n, bool)
    for k in range(1, 13):
        here &= rng.random(n) >= leaves
        taken = here & (rng.random(n) < takes)
        x, last = x + taken, np.where(taken, k, last)
    return pd.DataFrame({"frequency": x, "recency": last, "T": 12})


def gamma_gamma(rng, n, p, q, v):
    x, nu = rng.geometric(0.25, n), rng.gamma(q, size=n) / v
    owner = np.repeat(np.arange(n), x)
    z = rng.gamma(p, size=owner.size) / nu[owner]
    total, logs = np.bincount(owner, z), np.bincount(owner, np.log(z))
    return pd.DataFrame({"frequency": x, "monetary_value": total / x, "log_spend": logs})


def contracts(rng, n, alpha, beta, c=1.0):
    chance, age, lost = rng.beta(alpha, beta, n), np.full(n, 8), np.zeros(n, bool)
    for t in range(1, 9):
        new = ~lost & (rng.random(n) > (1.0 - chance) ** (t**c - (t - 1) ** c))
        age[new], lost[new] = t, True
    return pd.DataFrame({"age": age, "lost": lost})


def with_traits(rng, n, r, alpha, s, beta, vip, old):
    traits = pd.DataFrame({"vip": rng.integers(0, 2, n), "old": rng.integers(0, 2, n)})
    rate = rng.gamma(r, size=n) / (alpha * np.exp(-vip * traits["vip"].to_numpy()))
    leaves = rng.exponential(size=n) * beta * np.exp(-old * traits["old"].to_numpy()) / rng.gamma(s, size=n)
    return pd.concat([purchases(rng, rng.uniform(30, 78, n), rate, leaves=leaves), traits], axis=1)


# model -> customers, simulator, fit, truth
STUDIES = {
    "bg_nbd": (1500, bg_nbd, clv.fit_bg_nbd, {"r": 0.8, "alpha": 6.0, "a": 0.8, "b": 2.5}),
    "mbg_nbd": (
        5000,
        lambda *given: bg_nbd(*given, early=True),
        clv.fit_mbg_nbd,
        {"r": 0.8, "alpha": 6.0, "a": 0.8, "b": 2.5},
    ),
    "bg_cnbd": (
        1000,
        lambda *given: bg_nbd(*given, k=3, early=True),
        lambda table: clv.fit_bg_cnbd(table, k=3),
        {"r": 1.2, "alpha": 3.0, "a": 0.8, "b": 2.5},
    ),
    "pareto_nbd": (2500, pareto_nbd, clv.fit_pareto_nbd, {"r": 0.8, "alpha": 5.0, "s": 0.9, "beta": 14.0}),
    "bg_bb": (1500, bg_bb, clv.fit_bg_bb, {"alpha": 1.2, "beta": 0.75, "gamma": 0.66, "delta": 2.8}),
    "gamma_gamma": (1500, gamma_gamma, clv.fit_gamma_gamma, {"p": 6.0, "q": 4.0, "v": 15.0}),
    "gamma_gamma_of_means": (
        4000,
        lambda *given: gamma_gamma(*given).drop(columns="log_spend"),
        clv.fit_gamma_gamma,
        {"p": 6.0, "q": 4.0, "v": 15.0},
    ),
    "sbg": (1000, contracts, clv.fit_sbg, {"alpha": 0.8, "beta": 2.0}),
    "bdw": (2500, contracts, clv.fit_bdw, {"alpha": 0.8, "beta": 2.0, "c": 1.4}),
    "pareto_nbd_with_traits": (
        2500,
        with_traits,
        lambda table: clv.fit_pareto_nbd(table, covariates={"alpha": ["vip"], "beta": ["old"]}),
        {"r": 0.8, "alpha": 5.0, "s": 0.9, "beta": 14.0, "vip on alpha": 0.5, "old on beta": 0.6},
    ),
}
PARAMETERS = sum(len(truth) for *_, truth in STUDIES.values())


def covered(name, n_sets, customers):
    """How many of the 95 % intervals hold the truth: of the logs of parameters, and of coefficients as they are."""
    _, simulate, fit, truth = STUDIES[name]
    rng = np.random.default_rng(20_240)
    inside = dict.fromkeys(truth, 0)
    for _ in range(n_sets):
        with warnings.catch_warnings():
            # a set in which one customer stands out is a set like the others
            warnings.simplefilter("ignore", DataWarning)
            model = fit(simulate(rng, customers, *truth.values()))
        assert model.converged
        for parameter, value in truth.items():
            error = model.standard_errors[parameter]
            if " on " in parameter:
                column, scaled = parameter.split(" on ")
                inside[parameter] += abs(model.coefficients[scaled][column] - value) < 1.959964 * error
            else:
                estimate = getattr(model, parameter)
                inside[parameter] += abs(math.log(estimate / value)) < 1.959964 * error / estimate
    return inside


@pytest.mark.recovery
@pytest.mark.parametrize("name", STUDIES)
def test_intervals_cover_over_a_thousand_sets(name):
    """Exact binomial test of each parameter at 1 % over all of them together."""
    inside = covered(name, 1000, STUDIES[name][0])
    print(f"\n{name}: " + ", ".join(f"{parameter} {count / 10:.1f} %" for parameter, count in inside.items()))
    p_values = {parameter: stats.binomtest(count, 1000, 0.95).pvalue for parameter, count in inside.items()}
    assert min(p_values.values()) > 0.01 / PARAMETERS, (inside, p_values)


@pytest.mark.parametrize("name", STUDIES)
def test_intervals_cover_over_a_few_sets(name):
    n_sets = 25 if COMPILED else 1
    inside = covered(name, n_sets, STUDIES[name][0] // (1 if COMPILED else 20))
    if COMPILED:
        assert min(inside.values()) >= 18  # 1 in 10,000 each at the nominal rate
