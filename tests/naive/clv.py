"""Purchase and spend models by the slow road: textbook formulas in 50 digits, integrals by quadrature, dictionaries."""

import mpmath as mp


def exact(*values):
    return [mp.mpf(float(value)) for value in values]


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
        result[customer] = (len(repeat), (dates[-1] - dates[0]).days, (end - dates[0]).days, mean)
    return result


def simulate_bg_nbd(rng, r, alpha, a, b, T):
    """Purchase histories of one customer per element of T, straight from the story of the model."""
    rows = []
    for end in T:
        rate, leave = rng.gamma(r) / alpha, rng.beta(a, b)
        x, last = 0, 0.0
        while True:
            now = last + rng.exponential(1 / rate) if rate > 0 else end + 1
            if now > end:
                break
            x, last = x + 1, now
            if rng.random() < leave:
                break
        rows.append((x, last, end))
    return rows
