"""Random numbers for simulations in kernels: streams named by a seed and places, so that nothing depends on who comes first.

A stream is one 64-bit state in an array of one element; its numbers are those of SplitMix64 (Steele, Lea & Flood 2014).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["beta", "exponential", "gamma", "log_gamma_variate", "normal", "open_stream", "uniform"]

State = npt.NDArray[np.uint64]


@kernel
def _mixed(z: np.uint64) -> np.uint64:
    z = np.uint64(z)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def open_stream(seed: np.uint64, place: int, copy: int, draw: int, state: State) -> None:
    """Start the stream that belongs to a seed and three numbers."""
    word = _mixed(np.uint64(seed) ^ (np.uint64(place) * np.uint64(0x9E3779B97F4A7C15)))
    word = _mixed(word + np.uint64(copy) * np.uint64(0xD1B54A32D192ED03))
    state[0] = _mixed(word + np.uint64(draw) * np.uint64(0x8CB92BA72F3D8DD7))


@kernel
def uniform(state: State) -> float:
    """Draw from (0, 1), both ends excluded."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    return (np.float64(_mixed(state[0]) >> np.uint64(12)) + 0.5) * 2.220446049250313e-16


@kernel
def exponential(state: State) -> float:
    """Draw from the exponential distribution of mean 1."""
    return -math.log(uniform(state))


@kernel
def normal(state: State) -> float:
    """Draw from the standard normal distribution, by the polar method."""
    while True:
        u, v = 2.0 * uniform(state) - 1.0, 2.0 * uniform(state) - 1.0
        s = u * u + v * v
        if 0.0 < s < 1.0:
            return u * math.sqrt(-2.0 * math.log(s) / s)


@kernel
def _gamma_from_one(shape: float, state: State) -> float:
    """Draw from Gamma(shape), shape >= 1, by squeezing (Marsaglia & Tsang 2000)."""
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        z = normal(state)
        v = 1.0 + c * z
        if v <= 0.0:
            continue
        v = v * v * v
        u = uniform(state)
        if u < 1.0 - 0.0331 * z * z * z * z or math.log(u) < 0.5 * z * z + d * (1.0 - v + math.log(v)):
            return d * v


@kernel
def log_gamma_variate(shape: float, state: State) -> float:
    """Draw the log of a Gamma(shape): for small shapes the variate itself is too small for the machine."""
    if shape >= 1.0:
        return math.log(_gamma_from_one(shape, state))
    return math.log(_gamma_from_one(shape + 1.0, state)) + math.log(uniform(state)) / shape


@kernel
def gamma(shape: float, state: State) -> float:
    """Draw from Gamma(shape), of scale 1; 0 where it is too small for the machine."""
    if shape >= 1.0:
        return _gamma_from_one(shape, state)
    return math.exp(log_gamma_variate(shape, state))


@kernel
def beta(a: float, b: float, state: State) -> float:
    """Draw from Beta(a, b)."""
    gap = log_gamma_variate(b, state) - log_gamma_variate(a, state)
    if gap > 700.0:
        return 0.0
    return 1.0 / (1.0 + math.exp(gap))
