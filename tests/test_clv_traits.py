"""Intervals, simulations, equity and evaluations of models with covariates: each kind of customer has its own model."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises

from crmkit import clv
from crmkit._kernels import futures as _k
from crmkit.clv._draws import models_around
from crmkit.errors import ColumnError, DataWarning, FitError

PLAIN = not hasattr(_k.counts, "py_func")


def fitted(kind, **parameters):
    given = {
        "log_likelihood": 0.0, "standard_errors": {}, "n": 1.0, "converged": True, "unit": "W",
        "columns": ("frequency", "recency", "T"), "gradient_norm": 0.0, "condition": 1.0, "diagnosis": "well identified",
    }  # fmt: skip
    return kind(**{**given, **parameters})


MODEL = fitted(clv.BgNbd, r=0.8, alpha=6.0, a=0.9, b=2.5, coefficients={"alpha": {"web": 0.7}})
PARETO = fitted(clv.ParetoNbd, r=0.8, alpha=6.0, s=0.7, beta=12.0, coefficients={"alpha": {"web": 0.7, "age": 0.1}})
SPEND = clv.GammaGamma(
    p=6.25, q=5.0, v=20.0, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, columns=(), gradient_norm=0.0,
    condition=1.0, diagnosis="given",
)  # fmt: skip


@pytest.fixture
def table():
    rows = [(0, 0.0, 39.0), (1, 3.0, 38.0), (7, 35.0, 38.0), (2, 10.0, 20.0)] * 3
    frame = pd.DataFrame(rows, columns=["frequency", "recency", "T"])
    return frame.assign(
        unit="W", web=[0, 1, 1, 0, 1, 0] * 2, age=[0.0, 1.0, 2.0] * 4, holdout_frequency=[0, 1, 4, 1] * 3, holdout_T=26.0,
        monetary_value=np.where(frame["frequency"] > 0, 30.0, 0.0), segment=list("ab") * 6,
    )  # fmt: skip


@pytest.mark.parametrize("model", [MODEL, PARETO], ids=["BG/NBD", "Pareto/NBD"])
def test_every_kind_of_customer_has_the_interval_of_its_own_model(model, table):
    ask = {"horizon": 26, "level": 0.8, "draws": 199, "spend": SPEND}
    found = clv.prediction_interval(model, table, **ask)
    traits = sorted({column for own in model.coefficients.values() for column in own})
    total = 0.0
    for values, rows in table.groupby(traits):
        plain = model.of(dict(zip(traits, values, strict=True)))
        own = clv.prediction_interval(plain, rows, **ask)
        assert own.customers.to_numpy() == approx(found.customers.loc[rows.index].to_numpy(), rel=1e-12)
        total += own.purchases.value
    assert found.purchases.value == approx(total)
    mixed = table.sample(frac=1, random_state=1)
    again = clv.prediction_interval(model, mixed, **ask, n_threads=2)
    assert again.customers.loc[table.index].equals(found.customers)
    assert again.purchases == found.purchases


def test_coefficients_are_drawn_with_the_parameters():
    size = 5
    covariance = 0.01 * np.eye(size) + 0.004 * (np.ones((size, size)) - np.eye(size))
    model = dataclasses.replace(MODEL, covariance=tuple(map(tuple, covariance.tolist())))
    drawn, note = models_around(model, 3000, np.random.default_rng(0))
    theta = np.array([[*np.log([getattr(m, name) for name in m.PARAMETERS]), m.coefficients["alpha"]["web"]] for m in drawn])
    assert np.cov(theta.T) == approx(covariance, abs=2e-3)
    assert theta[:, -1].mean() == approx(0.7, abs=0.01)
    assert note == ""
    free = covariance.copy()
    free[4, :] = free[:, 4] = 0.0
    free[4, 4] = np.inf
    _, note = models_around(dataclasses.replace(MODEL, covariance=tuple(map(tuple, free.tolist()))), 10, np.random.default_rng(0))
    assert "web on alpha stay where they are" in note


def test_evaluations_ask_every_kind_its_own_model(table):
    found = clv.evaluate(MODEL, table, draws=99)
    parts = [clv.evaluate(MODEL.of({"web": web}), rows, draws=99) for web, rows in table.groupby("web")]
    assert found.log_score.value == approx(np.mean([part.log_score.value for part in parts]))
    assert found.expected == approx(sum(part.expected for part in parts))
    assert found.coverage.value == approx(np.mean([part.coverage.value for part in parts]))
    compared = clv.compare(MODEL, table)
    assert compared["log_score"].iloc[0] == approx(found.log_score.value)


def test_equity_and_simulations_know_the_kinds(table):
    whole = clv.equity(MODEL, SPEND, table, horizon="1Y", draws=99)
    parts = [clv.equity(MODEL.of({"web": web}), SPEND, rows, horizon="1Y", draws=99) for web, rows in table.groupby("web")]
    assert whole.value == approx(sum(part.value for part in parts))
    assert abs(whole.se**2 - sum(part.se**2 for part in parts)) < 0.6 * whole.se**2
    by = clv.equity(MODEL, SPEND, table, horizon="1Y", draws=99, by="segment")
    assert by["value"].sum() == approx(whole.value)
    many = pd.concat([table] * 60, ignore_index=True)
    told = clv.simulate(MODEL, many, horizon=26)
    expected = clv.expected_purchases(MODEL, many, horizon=26)
    for web in (0, 1):
        gap = (told.truth["purchases"] - expected)[many["web"] == web]
        assert abs(gap.mean()) < 4.5 * gap.std() / np.sqrt(len(gap))
    alone = clv.simulate(MODEL.of({"web": 1}), horizon=26, n_customers=5)
    assert len(alone.truth) == 5


@pytest.mark.skipif(PLAIN, reason="hundreds of customers need compiled kernels")
def test_a_fit_with_traits_has_intervals():
    n = 300
    parts = [
        clv.simulate(plain, horizon="52W", n_customers=n, joining="26W", rng=web).transactions.assign(
            customer_id=lambda frame, web=web: frame["customer_id"] + str(web)
        )
        for web, plain in enumerate([MODEL.of({"web": 0}), MODEL.of({"web": 1})])
    ]
    summary = clv.summarize(pd.concat(parts), amount=None, end="2024-12-29")
    summary["web"] = summary.index.str[-1].astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = clv.fit_bg_nbd(summary, covariates={"alpha": ["web"]})
    found = clv.prediction_interval(model, summary, horizon="26W", draws=199)
    assert found.purchases.ci_low < found.purchases.value < found.purchases.ci_high
    assert found.note == ""


def test_what_needs_traits(table):
    with raises(ColumnError, match="web"):
        clv.prediction_interval(MODEL, table.drop(columns="web"), horizon=26)
    with raises(FitError, match="has covariates"):
        clv.simulate(MODEL, horizon=26)
