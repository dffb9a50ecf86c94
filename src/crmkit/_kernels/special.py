"""Gamma-family functions for one number at a time, and their differences without cancellation.

Likelihoods need ln G(y + d) - ln G(y) and its derivatives, often with y in the millions on a flat ridge. Subtracting two
library values there loses every digit that matters, so the difference itself is expanded.
"""

from __future__ import annotations

import math

from crmkit._jit import kernel

__all__ = [
    "digamma",
    "digamma_difference",
    "expit",
    "log1pexp",
    "log_gamma_difference",
    "trigamma",
    "trigamma_difference",
]

# From here on the asymptotic series below are exact to the last bits; smaller arguments climb there by recurrence.
_FAR = 10.0


@kernel
def log1pexp(z: float) -> float:
    """ln(1 + e^z) without overflow."""
    if z > 0.0:
        return z + math.log1p(math.exp(-z))
    return math.log1p(math.exp(z))


@kernel
def expit(z: float) -> float:
    """1 / (1 + e^-z) without overflow."""
    if z >= 0.0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


@kernel
def _stirling(y: float) -> float:
    """The remainder ln G(y) - (y - 1/2) ln y + y - ln(2 pi)/2, for y >= 10."""
    u = 1.0 / (y * y)
    tail = 1.0 / 1188.0 - u * (691.0 / 360360.0 - u * (1.0 / 156.0))
    return (1.0 / 12.0 - u * (1.0 / 360.0 - u * (1.0 / 1260.0 - u * (1.0 / 1680.0 - u * tail)))) / y


@kernel
def _digamma_tail(y: float) -> float:
    """psi(y) - ln y, for y >= 10."""
    u = 1.0 / (y * y)
    tail = 1.0 / 240.0 - u * (1.0 / 132.0 - u * (691.0 / 32760.0 - u * (1.0 / 12.0)))
    return -0.5 / y - u * (1.0 / 12.0 - u * (1.0 / 120.0 - u * (1.0 / 252.0 - u * tail)))


@kernel
def _trigamma_tail(y: float) -> float:
    """psi'(y) - 1/y, for y >= 10."""
    u = 1.0 / (y * y)
    tail = 1.0 / 30.0 - u * (5.0 / 66.0 - u * (691.0 / 2730.0 - u * (7.0 / 6.0)))
    return 0.5 * u + u * (1.0 / 6.0 - u * (1.0 / 30.0 - u * (1.0 / 42.0 - u * tail))) / y


@kernel
def digamma(y: float) -> float:
    """psi(y) = d/dy ln G(y), for y > 0."""
    below = 0.0
    while y < _FAR:
        below += 1.0 / y
        y += 1.0
    return math.log(y) + _digamma_tail(y) - below


@kernel
def trigamma(y: float) -> float:
    """psi'(y), for y > 0."""
    below = 0.0
    while y < _FAR:
        below += 1.0 / (y * y)
        y += 1.0
    return 1.0 / y + _trigamma_tail(y) + below


@kernel
def log_gamma_difference(y: float, d: float) -> float:
    """The difference ln G(y + d) - ln G(y), for y > 0 and d >= 0."""
    below = 0.0
    while y < _FAR:
        below += math.log1p(d / y)
        y += 1.0
    far = y + d
    return (y - 0.5) * math.log1p(d / y) + d * (math.log(far) - 1.0) + (_stirling(far) - _stirling(y)) - below


@kernel
def digamma_difference(y: float, d: float) -> float:
    """psi(y + d) - psi(y), for y > 0 and d >= 0."""
    below = 0.0
    while y < _FAR:
        below += d / (y * (y + d))
        y += 1.0
    return math.log1p(d / y) + (_digamma_tail(y + d) - _digamma_tail(y)) + below


@kernel
def trigamma_difference(y: float, d: float) -> float:
    """psi'(y + d) - psi'(y), for y > 0 and d >= 0: never positive."""
    below = 0.0
    while y < _FAR:
        below += (d / (y + d)) * ((2.0 * y + d) / (y + d)) / y / y
        y += 1.0
    return -d / (y * (y + d)) + (_trigamma_tail(y + d) - _trigamma_tail(y)) - below
