"""What holds for all fitted models: another unit of time changes rates and nothing else, and JSON brings back the same model."""

import functools
import json
import typing
import warnings

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from crmkit import clv
from crmkit._kernels import futures as _k
from crmkit.clv._purchase import PoissonModel, PurchaseModel
from crmkit.errors import DataWarning

PLAIN = not hasattr(_k.counts, "py_func")
OPTIONS = {"fit_bg_cnbd": {"k": 2}}


def fit_functions():
    """Find every fit of a model in continuous time by what it returns: a new one is tested here without being listed."""
    found = {name: getattr(clv, name) for name in clv.__all__ if name.startswith("fit_")}
    kinds = {name: typing.get_type_hints(fit)["return"] for name, fit in found.items()}
    return {
        kind.TITLE: functools.partial(found[name], **OPTIONS.get(name, {}))
        for name, kind in kinds.items()
        if issubclass(kind, PoissonModel)
    }


FITS = fit_functions()
every_fit = pytest.mark.parametrize("fit", FITS.values(), ids=FITS)


@pytest.fixture(scope="module")
def weeks():
    truth = clv.ParetoNbd(
        r=0.9, alpha=5.0, s=0.8, beta=15.0, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, unit="W",
        columns=(), gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip
    spend = clv.GammaGamma(
        p=6.25, q=3.74, v=15.44, log_likelihood=0.0, standard_errors={}, n=1.0, converged=True, columns=(),
        gradient_norm=0.0, condition=1.0, diagnosis="given",
    )  # fmt: skip
    n = 150 if PLAIN else 800
    shop = clv.simulate(truth, horizon="52W", joining="26W", n_customers=n, spend=spend)
    return clv.summarize(shop.transactions, end="2024-12-30")


def draws_futures(model):
    return type(model)._future is not PurchaseModel._future


def answers(model, spend, table):
    """Everything that can be asked about the rows of a table, by name."""
    found = {
        "p_alive": clv.p_alive(model, table),
        "p_alive later": clv.p_alive(model, table, horizon="30D"),
        "expected": clv.expected_purchases(model, table, horizon="39W"),
        "expected of a new customer": pd.Series(clv.expected_purchases(model, horizon="1Y")),
        "again": clv.next_purchase(model, table)["p_again"],
        "discounted": clv.discounted_purchases(model, table),
        "discounted for a year": clv.discounted_purchases(model, table, horizon="1Y"),
        "value": clv.lifetime_value(model, spend, table, margin=0.3)["total"],
    }
    chances = clv.purchase_distribution(model, table, horizon="26W", up_to=3)
    return {**found, **{name: chances[name] for name in chances}}


def test_the_models_are_found():
    assert {"BG/NBD", "MBG/NBD", "(M)BG/CNBD-k", "Pareto/NBD"} <= set(FITS)


@every_fit
def test_the_unit_changes_rates_and_nothing_else(fit, weeks):
    days = weeks.assign(recency=7 * weeks["recency"], T=7 * weeks["T"], unit="D")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        one, two, spend = fit(weeks), fit(days), clv.fit_gamma_gamma(weeks)
    assert two.alpha == approx(7 * one.alpha, rel=1e-9)
    assert two.r == approx(one.r, rel=1e-9)
    for name, error in one.standard_errors.items():
        assert two.standard_errors[name] == approx(7 ** one.SCALED.get(name, 0) * error, rel=1e-7)
    table = weeks.head(60)
    same = answers(two, spend, days.head(60))
    for name, values in answers(one, spend, table).items():
        assert same[name].to_numpy() == approx(values.to_numpy(), rel=1e-9, abs=1e-13), name
    due = [clv.next_purchase(model, rows)["q50"].to_numpy() for model, rows in ((one, table), (two, days.head(60)))]
    assert due[1] == approx(7 * due[0], rel=1e-9)


@every_fit
def test_a_model_comes_back_from_json_as_it_went(fit, weeks):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model, spend = fit(weeks), clv.fit_gamma_gamma(weeks)
    again = type(model).from_dict(json.loads(json.dumps(model.to_dict())))
    spend_again = clv.GammaGamma.from_dict(json.loads(json.dumps(spend.to_dict())))
    assert again.to_dict() == model.to_dict()
    table = weeks.head(60)
    found = answers(again, spend_again, table)
    for name, values in answers(model, spend, table).items():
        assert (found[name].to_numpy() == values.to_numpy()).all(), name
    if not draws_futures(model):
        return
    ask = {"horizon": "26W", "draws": 39, "level": 0.8}
    one, two = (clv.prediction_interval(m, table, spend=s, **ask) for m, s in ((model, spend), (again, spend_again)))
    assert one.customers.equals(two.customers)
    assert one.purchases == two.purchases


def test_opportunities_and_contracts_come_back_from_json(weeks):
    givers = pd.DataFrame(
        {"frequency": [0, 1, 2, 3, 6, 1, 0], "recency": [0, 1, 4, 6, 6, 6, 0], "T": 6, "n": [40, 12, 9, 11, 15, 6, 2]}
    )
    model = clv.fit_bg_bb(givers, weight="n", unit="Y", penalty=0.1)
    again = clv.BgBb.from_dict(json.loads(json.dumps(model.to_dict())))
    assert (clv.p_alive(model, givers) == clv.p_alive(again, givers)).all()
    contracts = pd.DataFrame({"age": [1, 2, 3, 4, 4], "lost": [1, 1, 1, 1, 0], "n": [131, 126, 90, 60, 593]})
    for fit in (clv.fit_sbg, clv.fit_bdw):
        contract = fit(contracts, weight="n")
        back = type(contract).from_dict(json.loads(json.dumps(contract.to_dict())))
        assert back.to_dict() == contract.to_dict()


@every_fit
def test_regular_and_random_buyers_are_simulated_alike_by_counts_and_paths(fit, weeks):
    """Intervals draw counts at once, simulations purchase by purchase: both expect what the model does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = fit(weeks)
        if not draws_futures(model):
            pytest.skip(f"futures of a {model.TITLE} cannot be drawn")
        table = pd.concat([weeks.head(40)] * (3 if PLAIN else 100), ignore_index=True)
        expected = clv.expected_purchases(model, table, horizon="26W").sum()
        told = clv.simulate(model, table, horizon="26W").truth
        known = type(model).from_dict({**model.to_dict(), "covariance": ()})
        drawn = clv.prediction_interval(known, table, horizon="26W", draws=39)
    assert abs(told["purchases"].sum() - expected) < 4.5 * drawn.purchases.se
    assert drawn.purchases.ci_low - drawn.purchases.se < expected < drawn.purchases.ci_high + drawn.purchases.se
    assert np.isfinite(told.iloc[:, 0]).all()
