"""Reference values in 50 digits, from definitions alone: writes src/crmkit/_verify/digits.py.

    python tests/naive/exact.py

Nothing here is taken from the package. Each function computes one quantity with mpmath in 80 digits: closed forms, finite sums,
or the root of the equation that defines it. Doubles that are not exact decimals, such as 0.243, enter as the double they are.
"""

import itertools
from pathlib import Path

import mpmath as mp

FILE = Path(__file__).parents[2] / "src" / "crmkit" / "_verify" / "digits.py"
DIGITS_KEPT = 80  # while computing; 50 are written

# r, alpha, a, b, x, t_x, T, t: printed parameters, then corners
BG = {
    "published parameters": (0.243, 4.414, 0.793, 2.426, 2, 30.43, 38.86, 39.0),
    "20,000 purchases": (0.6, 1e-4, 0.3, 3.0, 20_000, 9_999.5, 10_000.0, 52.0),
    "hardly any purchases": (0.05, 1e8, 6.0, 0.4, 0, 0.0, 40.0, 1e4),
    "silent for long": (25.0, 0.3, 6.0, 80.0, 7, 1_000.0, 1_400.0, 1.0),
    "a nanosecond of silence": (0.6, 10.0, 0.3, 0.4, 300, 4.999999999, 5.0, 1e-6),
}
# r, alpha, s, beta, x, t_x, T, t, rate
PARETO = {
    "published parameters": (0.553, 10.578, 0.606, 11.669, 2, 30.43, 38.86, 39.0, 2e-3),
    "300 purchases": (0.6, 10.0, 1.5, 1e4, 300, 37.0, 40.0, 52.0, 1e-4),
    "nobody bought again": (0.05, 0.3, 0.3, 1e-4, 0, 0.0, 40.0, 52.0, 0.1),
    "alpha below beta": (1.5, 0.3, 6.5, 10.0, 7, 600.0, 1_000.0, 1.0, 2e-3),
}
# alpha, beta, gamma, delta, x, t_x, n, t
BG_BB = {
    "published parameters": (1.204, 0.750, 0.657, 2.783, 4, 5, 6, 10),
    "200 opportunities": (0.3, 1e3, 0.05, 40.0, 3, 60, 200, 50),
}
CONTRACTS = {"high end": (0.668, 3.806), "nearly all alike": (1e4, 3e4), "nearly all or nothing": (1e-3, 2e-3)}
REMISSION = (6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35)
RELAPSED = (1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0)
PLACEBO = (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)
Y = (1, 1, 0, 0, 0, 1, 1, 1, 1, 0)
P = (0.6125478, 0.3642710, 0.4321361, 0.1402911, 0.3848959, 0.2444155, 0.9706413, 0.8901728, 0.7817814, 0.8687518)
ARMS = ((1.0, 2.0, 4.0, 8.0, 3.0, 5.0, 2.0, 6.0, 4.0, 5.0), (21.0, 24.0, 20.0, 26.0, 29.0, 23.0, 22.0, 27.0))


def z(level=0.95):
    return mp.sqrt(2) * mp.erfinv(mp.mpf(level))


def lives():
    return [(t, e, 0) for t, e in zip(REMISSION, RELAPSED, strict=True)] + [(t, 1, 1) for t in PLACEBO]


# ── lifetime value ───────────────────────────────────────────────────────────────────────────────────────────────────────


def bg_nbd(r, alpha, a, b, x, t_x, T, t, early=0):
    """Log-likelihood, P(alive) and purchases to come; `early`: customers may leave after the first purchase, too (MBG)."""
    r, alpha, a, b, t_x, T, t = map(mp.mpf, (r, alpha, a, b, t_x, T, t))
    m, A, late = r + x, alpha + T, b + x + early
    odds = a / (late - 1) * (A / (alpha + t_x)) ** m if x + early > 0 else mp.mpf(0)
    log = mp.loggamma(m) - mp.loggamma(r) + r * mp.log(alpha) - m * mp.log(A)
    log += mp.loggamma(late) - mp.loggamma(b) + mp.loggamma(a + b) - mp.loggamma(a + late) + mp.log1p(odds)
    # E[(1 - (1 + p t / A)^-m) / p] over p ~ Beta(a, late)
    series = mp.hyp2f1(m, late, a + late - 1, t / (A + t))
    purchases = (a + late - 1) / (a - 1) * (1 - (A / (A + t)) ** m * series) / (1 + odds)
    return log, 1 / (1 + odds), purchases


def pareto(r, alpha, s, beta, x, t_x, T, t, rate):
    r, alpha, s, beta, t_x, T, t, rate = map(mp.mpf, (r, alpha, s, beta, t_x, T, t, rate))
    m, A, B = r + x, alpha + T, beta + T
    total, high = m + s, max(alpha, beta)
    shape = s + 1 if alpha >= beta else m

    def part(u):
        return mp.hyp2f1(total, shape, total + 1, abs(alpha - beta) / (high + u)) / (high + u) ** total

    # ∫ over the time of leaving, as Fader and Hardie write it
    left = part(t_x) - part(T)
    alive = 1 / (1 + s / total * A**m * B**s * left)
    log = mp.loggamma(m) - mp.loggamma(r) + r * mp.log(alpha) + s * mp.log(beta) - m * mp.log(A) - s * mp.log(B) - mp.log(alive)
    purchases = m / A * B / (s - 1) * (1 - (B / (B + t)) ** (s - 1)) * alive
    endless = m / A * B**s * rate ** (s - 1) * mp.hyperu(s, s, rate * B) * alive
    return log, alive, purchases, endless


def series(b, c, u):
    """2F1(1, b; c; u), term by term."""
    total = term = mp.mpf(1)
    k = 0
    while abs(term) > abs(total) * mp.mpf(10) ** -85:
        term *= (b + k) / (c + k) * u
        total, k = total + term, k + 1
    return total


def bg_bb(alpha, beta, gamma, delta, x, t_x, n, t):
    alpha, beta, gamma, delta = map(mp.mpf, (alpha, beta, gamma, delta))

    def taken(k):
        return mp.beta(alpha + x, beta + k - x) / mp.beta(alpha, beta)

    stayed = taken(n) * mp.beta(gamma, delta + n) / mp.beta(gamma, delta)
    gone = mp.fsum(taken(k) * mp.beta(gamma + 1, delta + k) / mp.beta(gamma, delta) for k in range(t_x, n))
    alive = stayed / (stayed + gone)
    ahead = mp.fsum(mp.beta(gamma, delta + n + j) / mp.beta(gamma, delta + n) for j in range(1, t + 1))
    return mp.log(stayed + gone), alive, alive * (alpha + x) / (alpha + beta + n) * ahead


def lifetime_value():
    for name, row in BG.items():
        log, alive, purchases = bg_nbd(*row)
        yield f"BG/NBD log-likelihood, {name}", log
        yield f"BG/NBD P(alive), {name}", alive
        yield f"BG/NBD purchases to come, {name}", purchases
        log, alive, purchases = bg_nbd(*row, early=1)
        yield f"MBG/NBD log-likelihood, {name}", log
        yield f"MBG/NBD P(alive), {name}", alive
        yield f"MBG/NBD purchases to come, {name}", purchases
    for name, row in PARETO.items():
        log, alive, purchases, endless = pareto(*row)
        yield f"Pareto/NBD log-likelihood, {name}", log
        yield f"Pareto/NBD P(alive), {name}", alive
        yield f"Pareto/NBD purchases to come, {name}", purchases
        yield f"Pareto/NBD discounted purchases for ever, {name}", endless
    for name, row in BG_BB.items():
        log, alive, purchases = bg_bb(*row)
        yield f"BG/BB log-likelihood, {name}", log
        yield f"BG/BB P(alive), {name}", alive
        yield f"BG/BB purchases to come, {name}", purchases
    for name, parameters in CONTRACTS.items():
        a, b = map(mp.mpf, parameters)
        yield f"sBG still there after 7, {name}", mp.beta(a, b + 7) / mp.beta(a, b)
        # after two renewals: what is still to come, discounted at 10 %
        yield f"sBG discounted renewals after 2, {name}", (b + 1) / (a + b + 1) * series(b + 2, a + b + 2, 1 / (1 + mp.mpf(0.1)))
    a, b, c = mp.mpf(0.2593), mp.mpf(1.7226), mp.mpf(1.5844)
    yield "BdW still there after 12", mp.beta(a, b + mp.mpf(12) ** c) / mp.beta(a, b)
    p, q, v = mp.mpf(6.25), mp.mpf(3.74), mp.mpf(15.44)
    yield "Gamma-Gamma expected spend of (3, 24.66)", p * (v + 3 * mp.mpf(24.66)) / (p * 3 + q - 1)


def special():
    for y in (1e-8, 0.5, 1e8):
        yield f"digamma of {y:g}", mp.digamma(mp.mpf(y))
        yield f"trigamma of {y:g}", mp.psi(1, mp.mpf(y))
    for y, d in ((1e-8, 1e-3), (1e8, 1e-3), (0.243, 20_000.0)):
        y_, d_ = mp.mpf(y), mp.mpf(d)
        yield f"ln G({y:g} + {d:g}) - ln G({y:g})", mp.loggamma(y_ + d_) - mp.loggamma(y_)
        yield f"digamma({y:g} + {d:g}) - digamma({y:g})", mp.digamma(y_ + d_) - mp.digamma(y_)


# ── intervals and tests ──────────────────────────────────────────────────────────────────────────────────────────────────


def wilson(x, n, level=0.95):
    x, n, k = mp.mpf(x), mp.mpf(n), z(level)
    share, spread = x / n, k * mp.sqrt(x * (n - x) / n + k * k / 4)
    return (n * share + k * k / 2 - spread) / (n + k * k), (n * share + k * k / 2 + spread) / (n + k * k)


def between(gap, low, high):
    """The root of a gap that changes its sign once: halves, which cannot fail."""
    low, high = mp.mpf(low), mp.mpf(high)
    rising = gap(high) > 0
    assert (gap(low) > 0) != rising
    for _ in range(190):
        middle = (low + high) / 2
        low, high = (low, middle) if (gap(middle) > 0) == rising else (middle, high)
    return (low + high) / 2


def beta_quantile(a, b, q):
    return between(lambda u: mp.betainc(a, b, 0, u, regularized=True) - q, 0.2, 0.45)


def constrained(x1, n1, x2, n2, delta):
    """Largest likelihood of two shares that differ by delta: the root of its score, between the ends it may have."""
    low, high = max(mp.mpf(0), -delta), min(mp.mpf(1), 1 - delta)

    def score(p2):
        p1 = p2 + delta
        return x1 / p1 - (n1 - x1) / (1 - p1) + x2 / p2 - (n2 - x2) / (1 - p2)

    edge = mp.mpf(10) ** -60
    return between(score, low + edge, high - edge)


def miettinen_nurminen(x1, n1, x2, n2, low, high):
    n = mp.mpf(n1 + n2)

    def gap(delta):
        p2 = constrained(x1, n1, x2, n2, delta)
        p1 = p2 + delta
        variance = (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * n / (n - 1)
        return (mp.mpf(x1) / n1 - mp.mpf(x2) / n2 - delta) ** 2 - z() ** 2 * variance

    return between(gap, low, high)


def tango(b, c, n, low, high):
    b, c, n = mp.mpf(b), mp.mpf(c), mp.mpf(n)

    def gap(delta):
        # the share of those who go down, were the difference delta: the larger root of Tango's quadratic
        k = -b - c + (2 * n - b + c) * delta
        down = (mp.sqrt(k * k + 8 * n * c * delta * (1 - delta)) - k) / (4 * n)
        return (b - c - n * delta) ** 2 - z() ** 2 * n * (2 * down + delta * (1 - delta))

    return between(gap, low, high)


def intervals():
    for x, n in ((81, 263), (0, 10**9), (10**12 - 1, 10**12)):
        low, high = wilson(x, n)
        if x:
            yield f"Wilson, {x:,} of {n:,}, lower end", low
        yield f"Wilson, {x:,} of {n:,}, upper end", high
    yield "Wilson, 15 of 148 at a level of 1 - 1e-9, upper end", wilson(15, 148, 1 - 1e-9)[1]
    tail = (1 - mp.mpf(0.95)) / 2
    yield "Clopper-Pearson, 81 of 263, lower end", beta_quantile(81, 183, tail)
    yield "Clopper-Pearson, 81 of 263, upper end", beta_quantile(82, 182, 1 - tail)
    yield "Clopper-Pearson, 1 of 1,000,000,000, lower end", -mp.expm1(mp.log1p(-tail) / mp.mpf(10) ** 9)
    yield "Jeffreys, 81 of 263, upper end", beta_quantile(mp.mpf(81.5), mp.mpf(182.5), 1 - tail)
    (l1, _), (_, u2) = wilson(56, 70), wilson(48, 80)
    p1, p2 = mp.mpf(56) / 70, mp.mpf(48) / 80
    yield "Newcombe, 56 of 70 less 48 of 80, lower end", p1 - p2 - mp.sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2)
    yield "Miettinen-Nurminen, 56 of 70 less 48 of 80, upper end", miettinen_nurminen(56, 70, 48, 80, 0.2, 0.5)
    yield "Tango, 9 up and 3 down of 32, lower end", tango(9, 3, 32, -0.2, 0.1)
    yield "Tango, 16 up and 8 down of 86, upper end", tango(16, 8, 86, 0.1, 0.4)


def experiments():
    a, b = 821_588, 815_482
    statistic = mp.mpf(a - b) ** 2 / (a + b)
    yield "sample ratio of 821,588 and 815,482, p-value", mp.gammainc(mp.mpf(1) / 2, statistic / 2, mp.inf, regularized=True)
    means = [mp.fsum(arm) / len(arm) for arm in ARMS]
    parts = [
        mp.fsum((value - mean) ** 2 for value in arm) / (len(arm) - 1) / len(arm) for arm, mean in zip(ARMS, means, strict=True)
    ]
    se = mp.sqrt(mp.fsum(parts))
    df = se**4 / mp.fsum(part**2 / (len(arm) - 1) for part, arm in zip(parts, ARMS, strict=True))
    t = (means[1] - means[0]) / se
    yield "Welch's t, standard error", se
    yield "Welch's t, p-value", mp.betainc(df / 2, mp.mpf(1) / 2, 0, df / (df + t * t), regularized=True)

    def crossed(c):
        # |Z1| < c and |Z2| < c at half and all of the information
        def inner(u):
            return (mp.ncdf(mp.sqrt(2) * c - u) - mp.ncdf(-mp.sqrt(2) * c - u)) * mp.npdf(u)

        return mp.quad(inner, mp.linspace(-c, c, 9)) - (1 - mp.mpf(0.05))

    with mp.workdps(60):
        yield "Pocock's bound of two looks", mp.findroot(crossed, 2.178)


def survival():
    at_risk, share, variance = len(REMISSION), mp.mpf(1), mp.mpf(0)
    for week in sorted(set(REMISSION)):
        d = sum(1 for t, e in zip(REMISSION, RELAPSED, strict=True) if t == week and e)
        n = sum(1 for t in REMISSION if t >= week)
        share *= mp.mpf(n - d) / n
        variance += mp.mpf(d) / (n * (n - d))
    assert at_risk == 21
    yield "Kaplan-Meier, remission to the end", share
    log = mp.log(share)
    reach = mp.exp(z() * mp.sqrt(variance) / log)
    yield "Kaplan-Meier, remission to the end, lower end", mp.exp(log / reach)
    yield "Kaplan-Meier, remission to the end, upper end", mp.exp(log * reach)
    rows, observed, expected, spread = lives(), 0, mp.mpf(0), mp.mpf(0)
    for week in sorted({t for t, e, _ in rows if e}):
        n, n1 = sum(t >= week for t, _, _ in rows), sum(t >= week for t, _, g in rows if g)
        d, d1 = sum(t == week and e for t, e, _ in rows), sum(t == week and e for t, e, g in rows if g)
        observed, expected = observed + d1, expected + mp.mpf(d * n1) / n
        if n > 1:
            spread += mp.mpf(d * n1 * (n - n1) * (n - d)) / (n * n * (n - 1))
    statistic = (observed - expected) ** 2 / spread
    yield "log-rank statistic, 6-MP and placebo", statistic
    yield "log-rank p-value, 6-MP and placebo", mp.erfc(mp.sqrt(statistic / 2))

    def efron(beta):
        total = mp.mpf(0)
        for week in sorted({t for t, e, _ in rows if e}):
            gone = [g for t, e, g in rows if t == week and e]
            risk = mp.fsum(mp.exp(beta * g) for t, _, g in rows if t >= week)
            tied = mp.fsum(mp.exp(beta * g) for g in gone)
            total += beta * sum(gone) - mp.fsum(mp.log(risk - mp.mpf(k) / len(gone) * tied) for k in range(len(gone)))
        return total

    with mp.workdps(120):
        beta = mp.findroot(lambda u: mp.diff(efron, u), 1.57)
    yield "Cox, Efron ties, coefficient of placebo", beta
    yield "Cox, Efron ties, log-likelihood", efron(beta)


def metrics():
    n1, n0 = sum(Y), len(Y) - sum(Y)
    wins = sum((p > q) + mp.mpf(p == q) / 2 for y, p in zip(Y, P, strict=True) if y for w, q in zip(Y, P, strict=True) if not w)
    yield "AUC of ten customers", wins / (n1 * n0)
    yield "Brier score of ten customers", mp.fsum((mp.mpf(p) - y) ** 2 for y, p in zip(Y, P, strict=True)) / len(Y)
    # the hull of the ranking, and between its corners the shares of acceptance at which each is best
    corners, hull = [(0, 0)], []
    for _, y in sorted(zip(P, Y, strict=True), reverse=True):
        corners.append((corners[-1][0] + (1 - y), corners[-1][1] + y))
    for point in corners:
        while len(hull) > 1 and (hull[-1][0] - hull[-2][0]) * (point[1] - hull[-2][1]) >= (hull[-1][1] - hull[-2][1]) * (
            point[0] - hull[-2][0]
        ):
            hull.pop()
        hull.append(point)
    value, offer, contact, alpha, beta = 200, 10, 1, 6, 14
    cuts = [mp.mpf(0)]
    for (f0, t0), (f1, t1) in itertools.pairwise(hull):
        df, dt = f1 - f0, t1 - t0
        cut = mp.mpf(df * (offer + contact) + dt * contact) / (dt * (value - offer)) if dt else mp.inf
        cuts.append(min(max(cut, mp.mpf(0)), mp.mpf(1)))
    cuts.append(mp.mpf(1))
    total = mp.mpf(0)
    for (f, t), low, high in zip(hull, cuts[:-1], cuts[1:], strict=True):
        chance = mp.betainc(alpha, beta, low, high, regularized=True)
        accepted = mp.mpf(alpha) / (alpha + beta) * mp.betainc(alpha + 1, beta, low, high, regularized=True)
        total += (value - offer) * t * accepted - (contact * t + (offer + contact) * f) * chance
    yield "EMPC of ten customers", total / len(Y)


def others():
    # of 10,000 baskets, 100 hold one item and 80 the other; 50 hold both
    ways = sum(mp.binomial(100, k) * mp.binomial(9_900, 80 - k) for k in range(50, 81))
    yield "rule of 50 baskets where 0.8 are expected, Fisher's p-value", ways / mp.binomial(10_000, 80)
    yield "value of a customer kept with 80 % a year", mp.mpf(0.8) / (1 + mp.mpf(0.1) - mp.mpf(0.8))
    p, d, n = mp.mpf(462), mp.mpf(362), mp.mpf(1000)
    value = (p - d) / n
    yield "NPS of 362, 176 and 462, Wald, lower end", 100 * (value - z() * mp.sqrt(((p + d) / n - value**2) / n))


def values():
    for topic in (lifetime_value, special, intervals, experiments, survival, metrics, others):
        yield from topic()


def main():
    lines = [
        '"""Reference values in 50 digits, as tests/naive/exact.py computes them: not to be edited by hand."""',
        "",
        "DIGITS = {",
    ]
    lines += [f'    "{name}": "{mp.nstr(value, 50, strip_zeros=False)}",' for name, value in values()]
    FILE.write_text("\n".join([*lines, "}", ""]), encoding="utf-8")


if __name__ == "__main__":
    with mp.workdps(DIGITS_KEPT):
        main()
