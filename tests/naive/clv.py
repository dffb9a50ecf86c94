"""Purchase and spend models by the slow road: textbook formulas in 50 digits, integrals by quadrature, dictionaries."""

import math

import mpmath as mp
import numpy as np
from scipy import special


def exact(*values):
    return [mp.mpf(float(value)) for value in values]


def mbg_nbd_log_likelihood(r, alpha, a, b, x, t_x, T):
    """The first purchase may be the last one, too: Batislam, Denizel & Filiztekin (2007)."""
    with mp.workdps(60):
        r, alpha, a, b, x, t_x, T = exact(r, alpha, a, b, x, t_x, T)
        alive = mp.beta(a, b + x + 1) / mp.beta(a, b) / (alpha + T) ** (r + x)
        gone = mp.beta(a + 1, b + x) / mp.beta(a, b) / (alpha + t_x) ** (r + x)
        return mp.log((alive + gone) * mp.gamma(r + x) / mp.gamma(r) * alpha**r)


def mbg_nbd_p_alive(r, alpha, a, b, x, t_x, T):
    with mp.workdps(60):
        r, alpha, a, b, x, t_x, T = exact(r, alpha, a, b, x, t_x, T)
        return 1 / (1 + a / (b + x) * ((alpha + T) / (alpha + t_x)) ** (r + x))


# Of a customer alive at T: the rate is Gamma(m, A), the dropout Beta(a, late); u is the time after T.


def geometric_stays(m, A, a, late, u):
    """P(alive at T + u)."""
    with mp.workdps(50):
        m, A, a, late, u = exact(m, A, a, late, u)
        return mp.hyp2f1(m, a, a + late, -u / A)


def geometric_purchases(m, A, a, late, t, rate=0.0):
    """Expected purchases by T + t, each worth e^(-rate u): the integral of their density, 2F1 and all."""
    with mp.workdps(30):
        m, A, a, late, rate = exact(m, A, a, late, rate)
        t = mp.inf if t == float("inf") else mp.mpf(float(t))
        end = min(t, 120 / rate) if rate else t
        points = [mp.mpf(0), *(A * mp.mpf(2) ** k for k in range(-6, 60)), end]
        points = sorted(point for point in points if point <= end)
        density = lambda u: mp.exp(-rate * u) * mp.hyp2f1(m + 1, a, a + late, -u / A)  # noqa: E731
        return m / A * mp.quad(density, points)


def geometric_counts(n, m, A, a, late, t):
    """P(0 ... n purchases in (T, T + t]) and of more: the last of them is or is not the last one ever."""
    with mp.workdps(60):
        m, A, a, late, t = exact(m, A, a, late, t)

        def made(k):  # if nobody left
            return mp.rf(m, k) / mp.factorial(k) * (A / (A + t)) ** m * (t / (A + t)) ** k

        chances = [made(0)]
        for k in range(1, n + 1):
            stays, leaves = mp.beta(a, late + k) / mp.beta(a, late), mp.beta(a + 1, late + k - 1) / mp.beta(a, late)
            chances.append(stays * made(k) + leaves * (1 - mp.fsum(made(j) for j in range(k))))
        return [*chances, 1 - mp.fsum(chances)]


def bg_nbd_log_likelihood(r, alpha, a, b, x, t_x, T):
    """Equation 6 of Fader, Hardie & Lee (2005), gamma functions and all."""
    with mp.workdps(60):
        r, alpha, a, b, x, t_x, T = exact(r, alpha, a, b, x, t_x, T)
        alive = mp.beta(a, b + x) / mp.beta(a, b) * mp.gamma(r + x) * alpha**r / (mp.gamma(r) * (alpha + T) ** (r + x))
        gone = mp.mpf(0)
        if x > 0:
            gone = mp.beta(a + 1, b + x - 1) / mp.beta(a, b) * mp.gamma(r + x) * alpha**r
            gone /= mp.gamma(r) * (alpha + t_x) ** (r + x)
        return mp.log(alive + gone)


def bg_nbd_p_alive(r, alpha, a, b, x, t_x, T):
    with mp.workdps(60):
        r, alpha, a, b, x, t_x, T = exact(r, alpha, a, b, x, t_x, T)
        return mp.mpf(1) if x == 0 else 1 / (1 + a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x))


def bg_nbd_purchases_if_alive(r, alpha, a, b, t, x, T):
    """Purchases to expect of a customer alive at T: equation 10, whose pole at a = 1 is stepped around in the 40th digit."""
    with mp.workdps(120):
        r, alpha, a, b, t, x, T = exact(r, alpha, a, b, t, x, T)
        a = a + mp.mpf(10) ** -40 if a == 1 else a
        hyper = mp.hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + T + t))
        return (a + b + x - 1) / (a - 1) * (1 - ((alpha + T) / (alpha + T + t)) ** (r + x) * hyper)


def bg_nbd_purchases_by_quadrature(r, alpha, a, b, t, x, T):
    """The same as a mean over dropout probabilities, for counts whose 2F1 is out of reach."""
    with mp.workdps(30):
        r, alpha, a, b, t, x, T = exact(r, alpha, a, b, t, x, T)
        m, tau, late = r + x, t / (alpha + T), b + x

        def weight(s):  # s = ln(p late), in which the density falls off on both sides; its constants cancel
            return mp.exp(a * s) * (1 - mp.exp(s) / late) ** (late - 1)

        def purchases(s):
            p = mp.exp(s) / late
            return -mp.expm1(-m * mp.log1p(p * tau)) / p

        points = [-60 / a, -20 / a, -5 / a, -1, 0, 1, 2, mp.log(10 * a + 60)]
        return mp.quad(lambda s: weight(s) * purchases(s), points) / mp.quad(weight, points)


def pareto_nbd_parts(r, alpha, s, beta, x, t_x, T, digits=80):
    """The two ways to the data, alive at T and gone before, without their common factor: two 2F1 and their difference."""
    with mp.workdps(digits):
        r, alpha, s, beta, x, t_x, T = exact(r, alpha, s, beta, x, t_x, T)
        m = r + x
        alive = (alpha + T) ** -m * (beta + T) ** -s
        high, low, other = (alpha, beta, s + 1) if alpha >= beta else (beta, alpha, m)

        def part(t):
            return mp.hyp2f1(m + s, other, m + s + 1, (high - low) / (high + t)) * (high + t) ** -(m + s)

        return alive, s / (m + s) * (part(t_x) - part(T))


def pareto_nbd_log_likelihood(r, alpha, s, beta, x, t_x, T, digits=80):
    with mp.workdps(digits):
        both = mp.fsum(pareto_nbd_parts(r, alpha, s, beta, x, t_x, T, digits))
        r, alpha, s, beta, x = exact(r, alpha, s, beta, x)
        return mp.loggamma(r + x) - mp.loggamma(r) + r * mp.log(alpha) + s * mp.log(beta) + mp.log(both)


def pareto_nbd_p_alive(r, alpha, s, beta, x, t_x, T, digits=80):
    with mp.workdps(digits):
        alive, gone = pareto_nbd_parts(r, alpha, s, beta, x, t_x, T, digits)
        return alive / (alive + gone)


# Of a customer alive at T: the rate is Gamma(m, A), the rate of leaving Gamma(s, B).


def pareto_purchases(m, A, s, B, t, rate=0.0):
    """Expected purchases by T + t, each worth e^(-rate u)."""
    with mp.workdps(30):
        m, A, s, B, rate = exact(m, A, s, B, rate)
        if rate == 0:
            t = mp.mpf(float(t))
            return m / A * (B * mp.log1p(t / B) if s == 1 else (B - B**s * (B + t) ** (1 - s)) / (s - 1))
        if t == float("inf"):
            return m / A * B * mp.hyperu(1, 2 - s, rate * B)
        return m / A * mp.quad(lambda u: mp.exp(-rate * u) * (1 + u / B) ** -s, mp.linspace(0, mp.mpf(float(t)), 9))


def pareto_counts(n, m, A, s, B, t):
    """P(0 ... n purchases in (T, T + t]) and of more: a mean over when the customer leaves."""
    with mp.workdps(30):
        m, A, s, B, t = exact(m, A, s, B, t)

        def made(k, u):
            return mp.rf(m, k) / mp.factorial(k) * (A / (A + u)) ** m * (u / (A + u)) ** k

        def leaves(u):
            return s / B * (1 + u / B) ** (-s - 1)

        points = mp.linspace(0, t, 17)
        chances = []
        for k in range(n + 1):
            gone = mp.quad(lambda u, k=k: leaves(u) * made(k, u), points)
            chances.append((1 + t / B) ** -s * made(k, t) + gone)
        return [*chances, 1 - mp.fsum(chances)]


def pareto_again(m, A, s, B):
    """P(a purchase comes before leaving)."""
    with mp.workdps(40):
        m, A, s, B = exact(m, A, s, B)
        # in ln u: the integral may live on hundreds of powers of ten
        end = 100 / (m + s) + 100
        density = lambda y: mp.exp(y - (m + 1) * mp.log1p(mp.exp(y) / A) - s * mp.log1p(mp.exp(y) / B))  # noqa: E731
        return m / A * mp.quad(density, mp.linspace(-100, end, 81))


def bg_bb_ways(alpha, beta, gamma, delta, x, t_x, n):
    """Chances of the ways to the data: gone before opportunity t_x + 1, ..., n; the last one: still there at n."""
    with mp.workdps(50):
        alpha, beta, gamma, delta = exact(alpha, beta, gamma, delta)
        ways = []
        for i in range(t_x, n + 1):
            taken = mp.beta(alpha + x, beta + i - x) / mp.beta(alpha, beta)
            ways.append(taken * mp.beta(gamma + (i < n), delta + i) / mp.beta(gamma, delta))
        return ways


def bg_bb_future(alpha, beta, gamma, delta, x, n, horizon):
    """Of a customer alive at n: P(alive), expected purchases and P(0, 1, ... purchases) over the next opportunities."""
    with mp.workdps(50):
        alpha, beta, gamma, delta = exact(alpha, beta, gamma, delta)
        a, b, late = alpha + x, beta + n - x, delta + n
        alive = [mp.beta(gamma, late + k) / mp.beta(gamma, late) for k in range(horizon + 1)]
        chances = []
        for k in range(horizon + 1):
            total = mp.mpf(0)
            for j in range(k, horizon + 1):  # opportunities met
                met = alive[j] if j == horizon else alive[j] - alive[j + 1]
                total += met * mp.binomial(j, k) * mp.beta(a + k, b + j - k) / mp.beta(a, b)
            chances.append(total)
        return alive, a / (a + b) * mp.fsum(alive[1:]), chances


def gamma_gamma_log_likelihood(p, q, v, x, z):
    with mp.workdps(60):
        p, q, v, x, z = exact(p, q, v, x, z)
        density = mp.gamma(p * x + q) / (mp.gamma(p * x) * mp.gamma(q))
        return mp.log(density * v**q * z ** (p * x - 1) * x ** (p * x) / (v + x * z) ** (p * x + q))


def summary(purchases, end):
    """Frequency, recency, T and monetary value in days, from (customer, date, amount) one at a time."""
    days = {}
    for customer, date, amount in purchases:
        if date <= end:
            spent = days.setdefault(customer, {})
            spent[date] = spent.get(date, 0.0) + amount
    result = {}
    for customer, spent in days.items():
        dates = sorted(spent)
        repeat = [spent[date] for date in dates[1:]]
        mean = sum(repeat) / len(repeat) if repeat else 0.0
        result[customer] = (len(repeat), (dates[-1] - dates[0]).days, (end - dates[0]).days, mean, spent[dates[0]])
    return result


def holdout(purchases, after, end):
    """Purchase days after one day up to another, and mean spend of such a day, per customer who has any."""
    days = {}
    for customer, date, amount in purchases:
        if after < date <= end:
            spent = days.setdefault(customer, {})
            spent[date] = spent.get(date, 0.0) + amount
    return {customer: (len(spent), sum(spent.values()) / len(spent)) for customer, spent in days.items()}


def simulate_bg_nbd(rng, r, alpha, a, b, T, early=False, later=0.0):
    """Purchase histories of one customer per element of T, straight from the story of the model, and purchases `later`."""
    rows = []
    for end in T:
        rate, leave = rng.gamma(r) / alpha, rng.beta(a, b)
        x, last, now, after = 0, 0.0, 0.0, 0
        gone = early and rng.random() < leave
        while not gone:
            now += rng.exponential(1 / rate) if rate > 0 else end + later + 1
            if now > end + later:
                break
            if now > end:
                after += 1
            else:
                x, last = x + 1, now
            gone = rng.random() < leave
        rows.append((x, last, end, after) if later else (x, last, end))
    return rows


def simulate_pareto_nbd(rng, r, alpha, s, beta, T, later=0.0):
    """Purchase histories of one customer per element of T, straight from the story of the model, and purchases `later`."""
    rows = []
    for end in T:
        rate, leaves = rng.gamma(r) / alpha, rng.exponential() * beta / rng.gamma(s)
        x, last, now, after = 0, 0.0, 0.0, 0
        while True:
            now += rng.exponential(1 / rate) if rate > 0 else end + later + 1
            if now > min(end + later, leaves):
                break
            if now > end:
                after += 1
            else:
                x, last = x + 1, now
        rows.append((x, last, end, after) if later else (x, last, end))
    return rows


def simulate_bg_bb(rng, alpha, beta, gamma, delta, n, later=0):
    """Opportunities taken by one customer per element of n, straight from the story of the model."""
    rows = []
    for end in n:
        takes, leaves = rng.beta(alpha, beta), rng.beta(gamma, delta)
        x, last, after = 0, 0, 0
        for k in range(1, end + later + 1):
            if rng.random() < leaves:
                break
            if rng.random() < takes:
                if k > end:
                    after += 1
                else:
                    x, last = x + 1, k
        rows.append((x, last, end, after))
    return rows


# Regular buyers: every k-th event is a purchase. Integrals over the rate, where the kernels sum over events.


def _rates(m, A):
    """A fine grid of rates and their Gamma(m, A) density, equally spaced in logs, where the plain rule is exact."""
    logs = np.linspace(np.log(m / A) - 14 / np.sqrt(m) - 30 / m, np.log(m / A) + 14 / np.sqrt(m) + 3, 6001)
    logs = logs[logs > -600]
    density = m * (logs + np.log(A)) - A * np.exp(logs) - special.gammaln(m)
    return np.exp(logs), np.exp(density) * (logs[1] - logs[0])


def cnbd_ways(r, alpha, a, b, early, k, x, t_x, T):
    """The two ways to the data, alive at T and gone before, without what the gaps add, and the log of their common factor."""
    m = r + k * x
    rate, mass = _rates(m, alpha + t_x)
    alive = (mass * special.gammaincc(k, rate * (T - t_x))).sum()
    gone = special.beta(a + 1, b + x + early - 1) / special.beta(a, b + x + early) if x + early > 0 else 0.0
    common = special.gammaln(m) - special.gammaln(r) + r * np.log(alpha) - m * np.log(alpha + t_x)
    return alive, gone, common + special.betaln(a, b + x + early) - special.betaln(a, b)


def cnbd_future(n, r, alpha, a, b, early, k, t, x, t_x, T):
    """Of a customer alive at T: expected purchases in (T, T + t], P(alive at T + t), P(0, 1, ... n purchases)."""
    late = b + x + early
    rate, mass = _rates(r + k * x, alpha + T)
    # j events since the last purchase, each k-th after it is a purchase: at least q of them, if nobody left
    since = [mass * (rate * (T - t_x)) ** j / special.factorial(j) for j in range(k)]
    levels = [1.0]
    while levels[-1] > 1e-18 or len(levels) <= n + 1:
        q = len(levels)
        levels.append(sum((w * special.gammainc(q * k - j, rate * t)).sum() for j, w in enumerate(since)) / np.sum(since))
    levels = np.array([*levels, 0.0])
    kept = np.exp(special.betaln(a, late + np.arange(levels.size)) - special.betaln(a, late))
    would = levels[:-1] - levels[1:]
    made = [would[0], *(kept[q] * would[q] + (kept[q - 1] - kept[q]) * levels[q] for q in range(1, n + 1))]
    return (kept[:-1] * levels[1:]).sum(), (kept[:-1] * would).sum(), made


def simulate_cnbd(rng, r, alpha, a, b, k, T, early=True, later=0.0):
    """Histories of regular buyers, one per element of T: with the sum of the logs of their gaps, and purchases `later`."""
    rows = []
    for end in T:
        rate, leave = rng.gamma(r) / alpha, rng.beta(a, b)
        x, last, now, logs, after = 0, 0.0, 0.0, 0.0, 0
        gone = early and rng.random() < leave
        while not gone:
            gap = rng.gamma(k) / rate if rate > 0 else end + later + 1
            now += gap
            if now > end + later:
                break
            if now > end:
                after += 1
            else:
                x, last, logs = x + 1, now, logs + math.log(gap)
            gone = rng.random() < leave
        rows.append((x, last, end, logs, after))
    return rows
