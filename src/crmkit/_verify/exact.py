"""Values known to 50 digits, at published parameters and in the corners where floats lose them.

`tests/naive/exact.py` computes each from its definition alone, by closed forms, finite sums or the root of its equation.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from crmkit import _frame
from crmkit._verify._check import Check
from crmkit._verify.digits import DIGITS
from crmkit._verify.published import PLACEBO, RELAPSED, REMISSION, P, Y

__all__ = ["checks"]

# the inputs of the quantities in `digits`, in the order of its names
BG = {
    "published parameters": (0.243, 4.414, 0.793, 2.426, 2, 30.43, 38.86, 39.0),
    "20,000 purchases": (0.6, 1e-4, 0.3, 3.0, 20_000, 9_999.5, 10_000.0, 52.0),
    "hardly any purchases": (0.05, 1e8, 6.0, 0.4, 0, 0.0, 40.0, 1e4),
    "silent for long": (25.0, 0.3, 6.0, 80.0, 7, 1_000.0, 1_400.0, 1.0),
    "a nanosecond of silence": (0.6, 10.0, 0.3, 0.4, 300, 4.999999999, 5.0, 1e-6),
}
PARETO = {
    "published parameters": (0.553, 10.578, 0.606, 11.669, 2, 30.43, 38.86, 39.0, 2e-3),
    "300 purchases": (0.6, 10.0, 1.5, 1e4, 300, 37.0, 40.0, 52.0, 1e-4),
    "nobody bought again": (0.05, 0.3, 0.3, 1e-4, 0, 0.0, 40.0, 52.0, 0.1),
    "alpha below beta": (1.5, 0.3, 6.5, 10.0, 7, 600.0, 1_000.0, 1.0, 2e-3),
}
BG_BB = {
    "published parameters": (1.204, 0.750, 0.657, 2.783, 4, 5, 6, 10),
    "200 opportunities": (0.3, 1e3, 0.05, 40.0, 3, 60, 200, 50),
}
CONTRACTS = {"high end": (0.668, 3.806), "nearly all alike": (1e4, 3e4), "nearly all or nothing": (1e-3, 2e-3)}
ARMS = ((1.0, 2.0, 4.0, 8.0, 3.0, 5.0, 2.0, 6.0, 4.0, 5.0), (21.0, 24.0, 20.0, 26.0, 29.0, 23.0, 22.0, 27.0))
GIVEN: dict[str, Any] = {
    "log_likelihood": 0.0, "standard_errors": {}, "n": 1.0, "converged": True, "columns": (), "gradient_norm": 0.0,
    "condition": 1.0, "diagnosis": "given",
}  # fmt: skip

Found = Iterator[tuple[str, float]]
WITHIN = 1e-11  # of 16 digits, what sums whose terms cancel in part leave
LOOSER = {
    # terms of size 1 cancel to 1e-9
    "MBG/NBD log-likelihood, hardly any purchases": 1e-6,
    "Pocock's bound of two looks": 1e-9,  # sought to that
}


def checks() -> Iterator[Check]:
    """Compute every value again, topic by topic."""
    topics = (_purchases, _opportunities, _contracts, _special, _intervals, _experiments, _survival, _metrics, _others)
    for quantity, here in itertools.chain.from_iterable(topic() for topic in topics):
        yield Check(quantity, "50 digits", DIGITS[quantity], here, LOOSER.get(quantity, WITHIN))


def _rows(x: float, t_x: float, T: float) -> tuple[Any, ...]:
    """One customer as the likelihoods of the kernels read histories."""
    counts, last, end = (np.array([float(value)]) for value in (x, t_x, T))
    return counts, np.zeros(1, np.int64), last, end, np.ones(1), np.empty((0, 4))


def _purchases() -> Found:
    from crmkit import clv
    from crmkit._kernels import bg_nbd, pareto_nbd

    for name, (r, alpha, a, b, x, t_x, T, t) in BG.items():
        for title, kind, early in (("BG/NBD", clv.BgNbd, 0.0), ("MBG/NBD", clv.MbgNbd, 1.0)):
            model = kind(r=r, alpha=alpha, a=a, b=b, unit="W", **GIVEN)
            yield (
                f"{title} log-likelihood, {name}",
                float(bg_nbd.log_likelihood(r, alpha, a, b, early, 1.0, *_rows(x, t_x, T))[0]),
            )
            yield f"{title} P(alive), {name}", model.p_alive(x, t_x, T)
            yield f"{title} purchases to come, {name}", model.expected_purchases(t, x, t_x, T)
    for name, (r, alpha, s, beta, x, t_x, T, t, rate) in PARETO.items():
        pareto = clv.ParetoNbd(r=r, alpha=alpha, s=s, beta=beta, unit="W", **GIVEN)
        yield f"Pareto/NBD log-likelihood, {name}", float(pareto_nbd.log_likelihood(r, alpha, s, beta, *_rows(x, t_x, T))[0])
        yield f"Pareto/NBD P(alive), {name}", pareto.p_alive(x, t_x, T)
        yield f"Pareto/NBD purchases to come, {name}", pareto.expected_purchases(t, x, t_x, T)
        yield f"Pareto/NBD discounted purchases for ever, {name}", pareto.discounted_purchases(rate, x, t_x, T)


def _opportunities() -> Found:
    from crmkit import clv
    from crmkit._kernels import bg_bb

    for name, (alpha, beta, gamma, delta, x, t_x, n, t) in BG_BB.items():
        model = clv.BgBb(alpha=alpha, beta=beta, gamma=gamma, delta=delta, unit="Y", **GIVEN)
        yield f"BG/BB log-likelihood, {name}", float(bg_bb.log_likelihood(alpha, beta, gamma, delta, *_rows(x, t_x, n))[0])
        yield f"BG/BB P(alive), {name}", model.p_alive(x, t_x, n)
        yield f"BG/BB purchases to come, {name}", model.expected_purchases(t, x, t_x, n)


def _contracts() -> Found:
    from crmkit import clv

    given = GIVEN | {"covariance": (), "robust": False, "influence": 0.0}
    for name, (alpha, beta) in CONTRACTS.items():
        model = clv.Sbg(alpha=alpha, beta=beta, **given)
        yield f"sBG still there after 7, {name}", model.survival(7)
        yield f"sBG discounted renewals after 2, {name}", model.discounted_renewals(2, discount=0.1)
    yield "BdW still there after 12", clv.Bdw(alpha=0.2593, beta=1.7226, c=1.5844, **given).survival(12)
    spend = {name: value for name, value in GIVEN.items() if name != "columns"} | {"columns": ("frequency", "monetary_value")}
    yield "Gamma-Gamma expected spend of (3, 24.66)", clv.GammaGamma(p=6.25, q=3.74, v=15.44, **spend).expected_spend(3, 24.66)


def _special() -> Found:
    from crmkit._kernels import special

    for y in (1e-8, 0.5, 1e8):
        yield f"digamma of {y:g}", special.digamma(y)
        yield f"trigamma of {y:g}", special.trigamma(y)
    for y, d in ((1e-8, 1e-3), (1e8, 1e-3), (0.243, 20_000.0)):
        yield f"ln G({y:g} + {d:g}) - ln G({y:g})", special.log_gamma_difference(y, d)
        yield f"digamma({y:g} + {d:g}) - digamma({y:g})", special.digamma_difference(y, d)


def _intervals() -> Found:
    from crmkit import intervals

    def ends(function: Any, *counts: int, **options: float) -> tuple[float, float]:
        low, high = function(*counts, **options)
        return float(low), float(high)

    for x, n in ((81, 263), (0, 10**9), (10**12 - 1, 10**12)):
        low, high = ends(intervals.wilson, x, n)
        if x:
            yield f"Wilson, {x:,} of {n:,}, lower end", low
        yield f"Wilson, {x:,} of {n:,}, upper end", high
    yield "Wilson, 15 of 148 at a level of 1 - 1e-9, upper end", ends(intervals.wilson, 15, 148, level=1 - 1e-9)[1]
    low, high = ends(intervals.clopper_pearson, 81, 263)
    yield "Clopper-Pearson, 81 of 263, lower end", low
    yield "Clopper-Pearson, 81 of 263, upper end", high
    yield "Clopper-Pearson, 1 of 1,000,000,000, lower end", ends(intervals.clopper_pearson, 1, 10**9)[0]
    yield "Jeffreys, 81 of 263, upper end", ends(intervals.jeffreys, 81, 263)[1]
    yield "Newcombe, 56 of 70 less 48 of 80, lower end", ends(intervals.newcombe, 56, 70, 48, 80)[0]
    yield "Miettinen-Nurminen, 56 of 70 less 48 of 80, upper end", ends(intervals.miettinen_nurminen, 56, 70, 48, 80)[1]
    yield "Tango, 9 up and 3 down of 32, lower end", ends(intervals.tango, 9, 3, 32)[0]
    yield "Tango, 16 up and 8 down of 86, upper end", ends(intervals.tango, 16, 8, 86)[1]


def _experiments() -> Found:
    from crmkit import experiment

    ratio = experiment.sample_ratio({"control": 821_588, "treatment": 815_482})
    yield "sample ratio of 821,588 and 815,482, p-value", ratio.p_value
    arm = np.repeat(["control", "offer"], [len(values) for values in ARMS])
    found = experiment.compare_means(_frame.table({"arm": arm, "spend": np.concatenate(ARMS)}), outcome="spend").table.iloc[0]
    yield "Welch's t, standard error", float(found["se"])
    yield "Welch's t, p-value", float(found["p_value"])
    yield "Pocock's bound of two looks", float(experiment.boundaries(2, design="pocock")["bound"].iloc[0])


def _survival() -> Found:
    from crmkit import survival

    trial = _frame.table(
        {
            "duration": np.array([*REMISSION, *PLACEBO], float),
            "event": np.array([*RELAPSED, *(1,) * len(PLACEBO)]),
            "placebo": np.array([0] * len(REMISSION) + [1] * len(PLACEBO)),
        }
    )
    last = survival.curve(trial[trial["placebo"] == 0]).iloc[-1]
    yield "Kaplan-Meier, remission to the end", float(last["survival"])
    yield "Kaplan-Meier, remission to the end, lower end", float(last["ci_low"])
    yield "Kaplan-Meier, remission to the end, upper end", float(last["ci_high"])
    test = survival.logrank(trial, by="placebo")
    yield "log-rank statistic, 6-MP and placebo", test.statistic
    yield "log-rank p-value, 6-MP and placebo", test.p_value
    model = survival.fit_cox(trial, features=["placebo"])
    yield "Cox, Efron ties, coefficient of placebo", float(model.coefficients[0])
    yield "Cox, Efron ties, log-likelihood", model.log_likelihood


def _metrics() -> Found:
    from crmkit import metrics

    yield "AUC of ten customers", metrics.auc(Y, P).value
    yield "Brier score of ten customers", metrics.brier(Y, P).value
    yield "EMPC of ten customers", metrics.empc(Y, P).value


def _others() -> Found:
    from crmkit import feedback, targeting
    from crmkit._kernels import hypergeometric

    both, x, y = (np.array([count], np.int64) for count in (50, 100, 80))
    yield "rule of 50 baskets where 0.8 are expected, Fisher's p-value", float(hypergeometric.upper_tails(both, x, y, 10_000)[0])
    yield "value of a customer kept with 80 % a year", targeting.retention_value(retention=0.8, annual_discount=0.1).value
    scores = np.repeat([0, 8, 10], [362, 176, 462])
    yield "NPS of 362, 176 and 462, Wald, lower end", feedback.nps(scores, method="wald").ci_low
