"""Gamma-family functions against 50 digits."""

import mpmath as mp
import pytest
from pytest import approx

from crmkit._kernels import special

SMALL_TO_LARGE = [1e-8, 1e-3, 0.3, 1.0, 2.5, 9.99, 10.0, 17.3, 1e3, 1e8, 1e12]
STEPS = [0.0, 0.5, 1.0, 3.0, 100.0, 20_000.0, 1e7]


def derivative(order, y):
    return mp.loggamma(y) if order == 0 else mp.polygamma(order - 1, y)


@pytest.mark.parametrize("y", SMALL_TO_LARGE)
def test_digamma_and_trigamma(y):
    with mp.workdps(50):
        assert special.digamma(y) == approx(float(mp.digamma(y)), rel=1e-14)
        assert special.trigamma(y) == approx(float(mp.polygamma(1, y)), rel=1e-14)


def test_digamma_at_its_root_is_exact_in_absolute_terms():
    with mp.workdps(50):
        assert special.digamma(1.4616321449683623) == approx(float(mp.digamma(mp.mpf(1.4616321449683623))), abs=2e-15)


@pytest.mark.parametrize("d", STEPS)
@pytest.mark.parametrize("y", SMALL_TO_LARGE)
def test_differences_keep_their_digits_where_the_terms_are_huge(y, d):
    functions = [special.log_gamma_difference, special.digamma_difference, special.trigamma_difference]
    with mp.workdps(60):
        for order, function in enumerate(functions):
            expected = derivative(order, mp.mpf(y) + mp.mpf(d)) - derivative(order, mp.mpf(y))
            # ln G(2) - ln G(1) is 0: near there the error is an absolute one
            assert function(y, d) == approx(float(expected), rel=2e-14, abs=1e-15 if y < 3.0 else 0.0)


@pytest.mark.parametrize("z", [-745.0, -40.0, -1.0, 0.0, 1e-9, 1.0, 36.0, 700.0, 1e6])
def test_logistic_functions_at_any_size(z):
    with mp.workdps(400):
        assert special.log1pexp(z) == approx(float(mp.log1p(mp.exp(z))), rel=1e-15)
        assert special.expit(z) == approx(float(1 / (1 + mp.exp(-mp.mpf(z)))), rel=1e-14)
