"""Scoring customers with purchase models, and fitting Pareto/NBD."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases.bg_nbd import simulate
from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "Customer value: scores, and the Pareto/NBD fit"
ABOUT = """\
Simulated customers on whole days, as data have them. With BG/NBD: the probability to be alive, expected purchases in the next
39 weeks, and the value of the purchases of the next year, discounted by 10 % a year (lifetimes: by month). The Pareto/NBD fit
takes the first 5,000 customers. Prediction intervals are of the next 39 weeks, from 1,000 draws, for the first 100,000 customers;
lifetimes has none."""

SIZES: dict[str, dict[str, int]] = {"100,000 customers": {"customers": 100_000}, "1,000,000 customers": {"customers": 1_000_000}}
SMALL = {"customers": 1_000}
BG: Any = {"r": 0.25, "alpha": 4.5, "a": 0.8, "b": 2.5}
SPEND: Any = {"p": 6.25, "q": 3.74, "v": 15.44}
PARETO = 5_000
INTERVALS = 100_000
# variances of ln r, ln alpha, ln a, ln b: about those of a fit to 20,000 customers
COVARIANCE = tuple(tuple(float(v) for v in row) for row in np.diag([0.0003, 0.0008, 0.006, 0.009]))


def write(folder: Path, *, customers: int) -> int:
    """Write the summary in weeks, with spend; return the bytes of its columns."""
    import pandas as pd

    rng = np.random.default_rng(7)
    frame = pd.DataFrame(simulate(customers, rng))
    frame["monetary_value"] = np.where(frame["frequency"] > 0, np.round(rng.gamma(6.0, 5.0, customers), 2) + 0.01, 0.0)
    frame["first_value"] = np.round(rng.gamma(6.0, 5.0, customers), 2)
    frame.to_parquet(folder / "summary.parquet", index=False)
    return int(frame.memory_usage(index=False).sum())


def crmkit(folder: Path) -> dict[str, Call]:
    """Time crmkit."""
    import pandas as pd

    from crmkit import clv

    summary = pd.read_parquet(folder / "summary.parquet")
    rest: Any = {
        "log_likelihood": 0.0,
        "standard_errors": {},
        "n": 1.0,
        "converged": True,
        "gradient_norm": 0.0,
        "condition": 1.0,
    }
    model = clv.BgNbd(**BG, **rest, covariance=COVARIANCE, unit="W", columns=("frequency", "recency", "T"), diagnosis="given")
    spend = clv.GammaGamma(**SPEND, **rest, columns=("frequency", "monetary_value"), diagnosis="given")
    return {
        "p_alive": lambda: clv.p_alive(model, summary),
        "expected_purchases": lambda: clv.expected_purchases(model, summary, horizon="39W"),
        "lifetime_value": lambda: clv.lifetime_value(model, spend, summary, horizon="52W"),
        "fit_pareto_nbd": lambda: clv.fit_pareto_nbd(summary.head(PARETO), penalty=1e-3),
        "prediction_interval": lambda: clv.prediction_interval(model, summary.head(INTERVALS), horizon="39W", level=0.8),
    }


def lifetimes(folder: Path) -> dict[str, Call]:
    """Time lifetimes."""
    import pandas as pd
    from lifetimes import BetaGeoFitter, GammaGammaFitter, ParetoNBDFitter

    summary = pd.read_parquet(folder / "summary.parquet")
    columns = [summary[name] for name in ("frequency", "recency", "T")]
    model, spend = BetaGeoFitter(), GammaGammaFitter()
    model.params_, spend.params_ = pd.Series(BG), pd.Series(SPEND)
    model.predict = model.conditional_expected_number_of_purchases_up_to_time
    return {
        "p_alive": lambda: model.conditional_probability_alive(*columns),
        "expected_purchases": lambda: model.conditional_expected_number_of_purchases_up_to_time(39, *columns),
        "lifetime_value": lambda: spend.customer_lifetime_value(
            model, *columns, summary["monetary_value"], time=12, discount_rate=0.00797, freq="W"
        ),
        "fit_pareto_nbd": lambda: ParetoNBDFitter(penalizer_coef=1e-3).fit(*[column.head(PARETO) for column in columns]),
    }


LIBRARIES = {"crmkit": (OURS, crmkit), "lifetimes": (PEERS, lifetimes)}


def aims(size: str) -> list[Aim]:
    """Compare step by step."""
    limits = {"p_alive": None, "expected_purchases": 0.2, "lifetime_value": 0.1, "fit_pareto_nbd": 1 / 30}
    return [Aim(f"{step}: crmkit / lifetimes", ("crmkit", step), ("lifetimes", step), limit) for step, limit in limits.items()]
