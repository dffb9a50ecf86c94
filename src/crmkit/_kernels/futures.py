"""What customers do after T, drawn at random: counts at once, or purchase by purchase.

The future of a customer alive at T is told by six numbers (the rows of `numbers`, a column for each customer) and a kind:

    kind             0 shape     1 scale      2, 3 leaving              4 phases  5 silence
    AT_A_PURCHASE    m           A            dropout ~ Beta(a, late)   k         T - t_x
    IN_TIME          m           A            rate ~ Gamma(s, B)        1         T - t_x
    AT_OPPORTUNITIES alpha + x   beta + T-x   gamma, delta + T          1         T - t_x

Purchase rates are Gamma(m, A), with m counted at the last purchase; every k-th event of that rate is a purchase, and those since
the last purchase are not seen. In the third kind there is one opportunity per unit of time, taken with a chance Beta(0, 1), and
one of leaving before each of them that is Beta(2, 3). A customer not alive at T left between t_x and T.

Counts are drawn by inversion, from the four uniform numbers that are passed in: alive, how many, leaving, phase.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel
from crmkit._kernels.chance import State, beta, exponential, gamma, normal, open_stream, uniform

__all__ = ["AT_A_PURCHASE", "AT_OPPORTUNITIES", "IN_TIME", "count_one", "counts", "discounted_totals", "histories", "spends"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

AT_A_PURCHASE, IN_TIME, AT_OPPORTUNITIES = 0, 1, 2
_MANY = 20_000.0  # expected events from which on they are not counted one by one
_COMMON = 1 << 60  # in place of a history's number: chances that all histories share


# ── counts, by inversion ─────────────────────────────────────────────────────────────────────────────────────────────────


@kernel
def _negative_binomial_from_its_mode(m: float, tau: float, u: float) -> int:
    """Invert NB(m, tau) where P(0) is too small for the machine: outwards from the mode."""
    z = tau / (1.0 + tau)
    mode = max(math.floor((m - 1.0) * tau), 0.0)
    top = math.exp(math.lgamma(m + mode) - math.lgamma(m) - math.lgamma(mode + 1.0) - m * math.log1p(tau) + mode * math.log(z))
    low, high = mode, mode
    below, above, reached = top, top, top
    while reached < u:
        # what is left on either side is too small to matter
        if below + above < 1e-18:
            break
        below = below * (low / (z * (m + low - 1.0))) if low > 0.0 else 0.0
        if below > 0.0:
            low -= 1.0
            reached += below
            if reached >= u:
                return int(low)
        above *= z * ((m + high) / (high + 1.0))
        high += 1.0
        reached += above
    return int(min(high, 2e9))


@kernel
def _many_purchases(m: float, tau: float, a: float, late: float, k: int, phase: int, u: float, v: float) -> int:
    """Do as `_purchases` where tens of thousands are to be expected: by rate and dropout, from a stream that u and v name."""
    state = np.empty(1, np.uint64)
    open_stream(np.uint64(u * 9007199254740992.0), int(v * 9007199254740992.0), 0, 0, state)
    mean = gamma(m, state) * tau
    if mean < 600.0:
        events, chance = 0, math.exp(-mean)
        reached, w = chance, uniform(state)
        while reached < w and events < 2000:
            events += 1
            chance *= mean / events
            reached += chance
    else:  # a Poisson count this large is normal to four digits, against which its gamma mean varies far more
        events = int(min(max(math.floor(mean + math.sqrt(mean) * normal(state) + 0.5), 0.0), 2e9))
    made = (events + phase) // k
    if a > 0.0:
        dropout = beta(a, late, state)
        if 0.0 < dropout < 1.0:
            made = int(min(float(made), 1.0 + math.floor(math.log(uniform(state)) / math.log1p(-dropout))))
        elif dropout >= 1.0:
            made = min(made, 1)
    return made


@kernel
def _purchases(m: float, A: float, a: float, late: float, k: int, phase: int, t: float, u: float, v: float) -> int:
    """How many purchases in t: every k-th event of the rate, until the customer leaves (a > 0) after one of them."""
    tau = t / A
    if m * tau > _MANY:
        return _many_purchases(m, tau, a, late, k, phase, u, v)
    size = -m * math.log1p(tau)
    n, stay = 0, 1.0
    if size < -600.0:
        made = (_negative_binomial_from_its_mode(m, tau, u) + phase) // k
        if a > 0.0:
            while n < made:
                n += 1
                stay *= (late + n - 1.0) / (a + late + n - 1.0)
                if stay <= v:
                    break
            return n
        return made
    z = tau / (1.0 + tau)
    chance = math.exp(size)
    reached, events, mean = chance, 0, m * tau
    while reached < u:
        phase += 1
        if phase == k:
            phase = 0
            n += 1
            if a > 0.0:
                stay *= (late + n - 1.0) / (a + late + n - 1.0)
                if stay <= v:
                    break
        chance *= z * ((m + events) / (events + 1.0))
        events += 1
        reached += chance
        # rounding may keep the sum below a u next to 1
        if chance < 1e-18 and events > mean:
            break
    return n


@kernel
def _phase_now(m: float, A: float, k: int, silence: float, u: float) -> int:
    """How many unseen events lie between the last purchase and T, of a customer alive at T: 0 ... k - 1."""
    # chances as (m)_j / j! (silence / A)^j
    total, chance = 0.0, 1.0
    for j in range(k):
        total += chance
        chance *= (m + j) / (j + 1.0) * (silence / A)
    reached, chance = 0.0, 1.0
    for j in range(k - 1):
        reached += chance
        if reached >= u * total:
            return j
        chance *= (m + j) / (j + 1.0) * (silence / A)
    return k - 1


@kernel
def _taken(alpha: float, beta_: float, gamma_: float, delta: float, t: float, u: float, v: float) -> int:
    """How many of the next t opportunities are taken."""
    stay, open_ = 1.0, 0.0
    while open_ < t:
        stay *= (delta + open_) / (gamma_ + delta + open_)
        if stay <= v:
            break
        open_ += 1.0
    # beta-binomial, by inversion
    size = math.lgamma(beta_ + open_) - math.lgamma(beta_) + math.lgamma(alpha + beta_) - math.lgamma(alpha + beta_ + open_)
    at, chance = 0.0, math.exp(size)
    reached = chance
    while reached < u and at < open_:
        chance *= (open_ - at) * (alpha + at) / ((at + 1.0) * (beta_ + open_ - at - 1.0))
        at += 1.0
        reached += chance
    return int(at)


@kernel
def count_one(kind: int, numbers: Floats, i: int, t: float, u: float, v: float, w: float) -> int:
    """How many purchases a customer alive at T makes in the next t: the number that these chances lead to."""
    first, second, third, fourth = numbers[0, i], numbers[1, i], numbers[2, i], numbers[3, i]
    if t <= 0.0:
        return 0
    if kind == AT_OPPORTUNITIES:
        return _taken(first, second, third, fourth, t, u, v)
    if kind == IN_TIME:
        # the time left is Lomax; -expm1 keeps the digits where it is short
        growth = -math.log(v) / third
        left = fourth * math.expm1(growth) if growth < 700.0 else math.inf
        return _purchases(first, second, 0.0, 0.0, 1, 0, min(t, left), u, v)
    k = int(numbers[4, i])
    phase = _phase_now(first, second, k, numbers[5, i], w) if k > 1 else 0
    return _purchases(first + phase, second, third, fourth, k, phase, t, u, v)


@kernel
def counts(
    kind: int,
    numbers: Floats,
    alive: Floats,
    copies: Integers,
    t: float,
    chances: Floats,
    seed: np.uint64,
    draw: int,
    offset: int,
    out: Counts,
) -> int:
    """Write how many purchases each history leads to, all from the same four `chances`; return those of all customers.

    The total is of customers who are independent of each other: `copies` of each history, with chances of their own. The stream
    of each is named by its history's number (counted from `offset`), which copy it is, and the draw.
    """
    state = np.empty(1, np.uint64)
    total = 0
    for i in range(alive.size):
        out[i] = 0
        if chances[0] < alive[i]:
            out[i] = count_one(kind, numbers, i, t, chances[1], chances[2], chances[3])
        for copy in range(copies[i]):
            open_stream(seed, offset + i, copy, draw, state)
            if uniform(state) < alive[i]:
                u, v = uniform(state), uniform(state)
                total += count_one(kind, numbers, i, t, u, v, uniform(state))
    return total


@kernel
def spends(
    kind: int,
    numbers: Floats,
    alive: Floats,
    copies: Integers,
    t: float,
    chances: Floats,
    p: float,
    shape: Floats,
    scale: Floats,
    seed: np.uint64,
    draw: int,
    offset: int,
    out: Counts,
    value: Floats,
) -> tuple[int, float]:
    """Do as `counts`, and write what the purchases are worth: each is Gamma(p, nu), with nu from Gamma(shape, scale)."""
    state = np.empty(1, np.uint64)
    total, worth = 0, 0.0
    for i in range(alive.size):
        out[i], value[i] = 0, 0.0
        if chances[0] < alive[i]:
            out[i] = count_one(kind, numbers, i, t, chances[1], chances[2], chances[3])
            if out[i] > 0:
                open_stream(seed, _COMMON, 0, draw, state)
                value[i] = gamma(p * out[i], state) / gamma(shape[i], state) * scale[i]
        for copy in range(copies[i]):
            open_stream(seed, offset + i, copy, draw, state)
            if uniform(state) < alive[i]:
                u, v = uniform(state), uniform(state)
                n = count_one(kind, numbers, i, t, u, v, uniform(state))
                if n > 0:
                    total += n
                    worth += gamma(p * n, state) / gamma(shape[i], state) * scale[i]
    return total, worth


# ── purchase by purchase ─────────────────────────────────────────────────────────────────────────────────────────────────


@kernel
def _left_in_between(m: float, one: float, s: float, other: float, silence: float, state: State) -> float:
    """When a customer left in a silence: by the density (one + v)^-m (other + v)^-(s+1) on (0, silence), by rejection."""
    steep = m / one > (s + 1.0) / other
    while True:
        # from the steeper of the two factors, accepted by the other
        power, near = (m - 1.0, one) if steep else (s, other)
        span = math.log1p(silence / near)
        u = uniform(state)
        if abs(power) * span < 1e-9:
            v = near * math.expm1(u * span)
        else:
            v = near * math.expm1(-math.log1p(u * math.expm1(-power * span)) / power)
        rest = -(s + 1.0) * math.log1p(v / other) if steep else -m * math.log1p(v / one)
        if math.log(uniform(state)) < rest:
            return min(v, silence)


@kernel
def _left_at_opportunity(first: float, second: float, third: float, fourth: float, silence: float, state: State) -> float:
    """How many opportunities of a silence a customer who has left saw: 0 ... silence - 1."""
    # B(first, b + j) B(third + 1, d + j), relative to j = 0
    b, d = second - silence, fourth - silence
    total, chance, j = 0.0, 1.0, 0.0
    while j < silence:
        total += chance
        chance *= (b + j) / (first + b + j) * ((d + j) / (third + 1.0 + d + j))
        j += 1.0
    u, reached, chance, j = uniform(state) * total, 0.0, 1.0, 0.0
    while j < silence - 1.0:
        reached += chance
        if reached >= u:
            return j
        chance *= (b + j) / (first + b + j) * ((d + j) / (third + 1.0 + d + j))
        j += 1.0
    return silence - 1.0


@kernel
def _character(kind: int, numbers: Floats, i: int, alive: bool, state: State) -> tuple[float, float, int]:
    """Draw the purchase rate or chance, the chance or rate of leaving, and the phase at T, given the history."""
    first, second, third, fourth = numbers[0, i], numbers[1, i], numbers[2, i], numbers[3, i]
    k, silence = int(numbers[4, i]), numbers[5, i]
    if kind == AT_OPPORTUNITIES:
        if alive:
            return beta(first, second, state), beta(third, fourth, state), 0
        seen = _left_at_opportunity(first, second, third, fourth, silence, state)
        return beta(first, second - silence + seen, state), beta(third + 1.0, fourth - silence + seen, state), 0
    if kind == IN_TIME:
        if alive:
            return gamma(first, state) / second, gamma(third, state) / fourth, 0
        one, other = second - silence, fourth - silence
        v = _left_in_between(first, one, third, other, silence, state)
        return gamma(first, state) / (one + v), gamma(third + 1.0, state) / (other + v), 0
    if alive:
        phase = _phase_now(first, second, k, silence, uniform(state)) if k > 1 else 0
        return gamma(first + phase, state) / second, beta(third, fourth, state), phase
    return gamma(first, state) / (second - silence), beta(third + 1.0, fourth - 1.0, state), 0


@kernel
def _next(kind: int, rate: float, leaving: float, missing: int, end: float, t: float, state: State) -> float:
    """When the next purchase after t is made, infinite if none before `end`; `missing` events of the rate lead to it."""
    if kind == AT_OPPORTUNITIES:
        t = math.floor(t) + 1.0
        while t <= end:
            if uniform(state) < leaving:
                return -1.0
            if uniform(state) < rate:
                return t
            t += 1.0
        return math.inf
    if rate <= 0.0:
        return math.inf
    for _ in range(missing):
        t += exponential(state) / rate
    return t if t <= end else math.inf


@kernel
def histories(
    kind: int,
    numbers: Floats,
    alive: Floats,
    horizon: Floats,
    seed: np.uint64,
    start: int,
    stop: int,
    bought: Integers,
    rate: Floats,
    leaving: Floats,
    here: Flags,
    stays: Flags,
    offset: Integers,
    time: Floats,
) -> None:
    """Follow the customers start:stop after T for `horizon`, purchase by purchase: the same story every time it is told.

    Without places (`offset` empty) the purchases are counted into `bought`, with what is true of each customer: rate, leaving,
    whether still there at T (`here`) and at the end (`stays`). With them, the times after T are written from there on.
    """
    state = np.empty(1, np.uint64)
    for i in range(start, stop):
        open_stream(seed, i, 0, 0, state)
        is_here = uniform(state) < alive[i]
        buying, going, phase = _character(kind, numbers, i, is_here, state)
        end, k, t, n = horizon[i], int(numbers[4, i]), 0.0, 0
        stay = is_here
        if kind == IN_TIME and is_here:
            left = exponential(state) / going if going > 0.0 else math.inf
            stay = left > end
            end = min(end, left)
        while is_here:
            t = _next(kind, buying, going, k - phase, end, t, state)
            if t < 0.0:
                stay = False
            if t < 0.0 or t == math.inf:
                break
            if offset.size:
                time[offset[i] + n] = t
            phase = 0
            n += 1
            if kind == AT_A_PURCHASE and uniform(state) < going:
                stay = False
                break
        if not offset.size:
            bought[i], rate[i], leaving[i], here[i], stays[i] = n, buying, going, is_here, stay


@kernel
def _rest(kind: int, rate: float, leaving: float, k: int, discount: float) -> float:
    """Discounted purchases to expect from now on without end, of a customer who is there and whose character is known."""
    if kind == AT_OPPORTUNITIES:
        stays = (1.0 - leaving) * math.exp(-discount)
        return rate * stays / (1.0 - stays)
    if kind == IN_TIME:
        return rate / (discount + leaving)
    return rate / (k * discount + rate * leaving)


@kernel
def discounted_totals(
    kind: int,
    numbers: Floats,
    alive: Floats,
    group: Integers,
    horizon: float,
    endless: bool,
    discount: float,
    p: float,
    shape: Floats,
    scale: Floats,
    seed: np.uint64,
    draw: int,
    total: Floats,
) -> None:
    """Add to the total of each customer's group what the purchases after T are worth at T, one draw for each customer.

    If the future is `endless`, purchases beyond `horizon` are not drawn, but what is to be expected of them is added.
    """
    state = np.empty(1, np.uint64)
    for i in range(alive.size):
        open_stream(seed, i, 0, draw, state)
        if uniform(state) >= alive[i]:
            continue
        buying, going, phase = _character(kind, numbers, i, True, state)
        end, k, t, worth = horizon, int(numbers[4, i]), 0.0, 0.0
        if kind == IN_TIME and going > 0.0:
            end = min(end, exponential(state) / going)
        stays = end == horizon
        while True:
            t = _next(kind, buying, going, k - phase, end, t, state)
            if t < 0.0:
                stays = False
            if t < 0.0 or t == math.inf:
                break
            worth += math.exp(-discount * t) * gamma(p, state)
            phase = 0
            if kind == AT_A_PURCHASE and uniform(state) < going:
                stays = False
                break
        if endless and stays:
            worth += math.exp(-discount * horizon) * p * _rest(kind, buying, going, k, discount)
        if worth > 0.0:
            total[group[i]] += worth / gamma(shape[i], state) * scale[i]
