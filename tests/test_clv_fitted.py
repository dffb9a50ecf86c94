"""What every fitted model carries: covariances of its log parameters, and errors that agree with them."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx, warns

from crmkit import clv
from crmkit.clv._newton import Optimum
from crmkit.errors import DataWarning
from crmkit.results import Model
from naive import clv as naive


def customers(n=150, seed=5):
    rng = np.random.default_rng(seed)
    rows = naive.simulate_bg_nbd(rng, 0.9, 6.0, 0.9, 2.5, rng.integers(20, 60, n).astype(float))
    table = pd.DataFrame(rows, columns=["frequency", "recency", "T"])
    rate = rng.gamma(4.0, 1.0 / 15.0, n)
    spent = [rng.gamma(6.0, 1.0 / nu, int(x)).mean() if x else 0.0 for nu, x in zip(rate, table["frequency"], strict=True)]
    return table.assign(monetary_value=spent)


def opportunities(seed=6):
    rng = np.random.default_rng(seed)
    rows = naive.simulate_bg_bb(rng, 1.2, 0.75, 0.66, 2.8, np.full(300, 6))
    return pd.DataFrame(rows, columns=["frequency", "recency", "T", "after"])


def contracts():
    return pd.DataFrame({"age": [1, 2, 3, 4, 5, 5], "lost": [1, 1, 1, 1, 1, 0], "n": [131, 126, 90, 60, 51, 542]})


FITS = {
    "bg_nbd": lambda **options: clv.fit_bg_nbd(customers(), **options),
    "mbg_nbd": lambda **options: clv.fit_mbg_nbd(customers(), **options),
    "pareto_nbd": lambda **options: clv.fit_pareto_nbd(customers(), **options),
    "bg_bb": lambda **options: clv.fit_bg_bb(opportunities(), **options),
    "gamma_gamma": lambda **options: clv.fit_gamma_gamma(customers(), **options),
    "sbg": lambda **options: clv.fit_sbg(contracts(), weight="n", **options),
    "bdw": lambda **options: clv.fit_bdw(contracts(), weight="n", **options),
}


@pytest.mark.parametrize("name", FITS)
def test_errors_are_the_roots_of_the_variances_and_survive_json(name):
    model = FITS[name]()
    covariance = np.array(model.covariance)
    assert covariance.shape == (len(model.PARAMETERS), len(model.PARAMETERS))
    assert (covariance == covariance.T).all()
    assert np.linalg.eigvalsh(covariance).min() > 0.0
    for j, parameter in enumerate(model.PARAMETERS):
        expected = getattr(model, parameter) * math.sqrt(covariance[j, j])
        assert model.standard_errors[parameter] == approx(expected, rel=1e-14)
    again = Model.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert again.covariance == model.covariance


def test_the_covariance_is_the_inverse_of_the_information():
    information = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 2.0]])
    found = Optimum(np.zeros(3), 0.0, np.zeros(3), -information, 1, True).covariance
    assert found == approx(np.linalg.inv(information), rel=1e-12)


def test_a_free_direction_has_infinite_variances_and_survives_json():
    flat = np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 4.0]])  # the first two grow together for free
    found = Optimum(np.zeros(3), 0.0, np.zeros(3), -flat, 1, True).covariance
    assert found.tolist() == [[math.inf, 0.0, 0.0], [0.0, math.inf, 0.0], [0.0, 0.0, 0.25]]
    buyers = [(3, 18.0, 20.0), (5, 29.0, 30.0), (2, 24.0, 25.0), (0, 0.0, 22.0), (9, 30.0, 30.0), (4, 27, 28)]
    with warns(DataWarning, match="boundary"):
        model = clv.fit_bg_nbd(pd.DataFrame(buyers, columns=["frequency", "recency", "T"]))
    assert model.covariance[2][2] == math.inf
    assert Model.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False))).covariance == model.covariance
