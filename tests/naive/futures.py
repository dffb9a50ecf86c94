"""Random streams in Python's own integers, and customers followed purchase by purchase with numpy's generator."""

import numpy as np

MASK = (1 << 64) - 1


def mixed(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def stream(seed, place, copy, draw):
    """The uniform numbers of a stream, one after the other."""
    word = mixed(seed ^ ((place * 0x9E3779B97F4A7C15) & MASK))
    word = mixed((word + copy * 0xD1B54A32D192ED03) & MASK)
    state = mixed((word + draw * 0x8CB92BA72F3D8DD7) & MASK)
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        yield ((mixed(state) >> 12) + 0.5) / 2**52


def negative_binomial_inverse(m, tau, u):
    """The smallest n with P(N <= n) >= u, by adding up."""
    z, chance = tau / (1 + tau), (1 + tau) ** -m
    n, reached = 0, chance
    while reached < u:
        chance *= z * (m + n) / (n + 1)
        n += 1
        reached += chance
    return n


def geometric_future(m, A, a, late, k, silence, t, random):
    """Purchases in t of a customer alive now: event by event, every k-th is a purchase."""
    weights = [1.0]
    for j in range(k - 1):
        weights.append(weights[-1] * (m + j) / (j + 1) * silence / A)
    phase = random.choice(k, p=np.array(weights) / sum(weights))
    rate, dropout = random.gamma(m + phase) / A, random.beta(a, late)
    clock, n = 0.0, 0
    while True:
        clock += random.exponential() / rate
        if clock > t:
            return n
        phase += 1
        if phase == k:
            phase, n = 0, n + 1
            if random.random() < dropout:
                return n
