"""Reference values of the purchase models in many digits, over the corners of their parameters: writes clv_accuracy.csv.

    python tests/naive/clv_accuracy.py

Nothing here is taken from the package: closed forms where there is one, else the trapezoid rule over the log odds of the dropout
probability, or quadrature over the time of leaving, in 22 to 60 digits.
"""

import csv
import itertools
import random
from pathlib import Path

import mpmath as mp

FILE = Path(__file__).with_name("clv_accuracy.csv")
COLUMNS = (
    "model",
    "p1",
    "p2",
    "p3",
    "p4",
    "x",
    "t_x",
    "T",
    "t",
    "rate",
    "log_likelihood",
    "size",
    "p_alive",
    "purchases",
    "endless",
)


def over_dropout(f, a, late):
    """E[f(p)] over p ~ Beta(a, late): the plain rule in y = ln(p / (1 - p)), where it converges geometrically."""
    center = mp.log(a / late)
    h = mp.mpf(1) / 4 if a < 5 else mp.mpf(1) / 8
    total, mass = mp.mpf(0), mp.mpf(0)
    for direction in (1, -1):
        k = 0 if direction == 1 else 1
        while True:
            y = center + direction * k * h
            # p^a (1 - p)^late, relative to the center; 1 - p has its own exponential
            p, q = 1 / (1 + mp.exp(-y)), 1 / (1 + mp.exp(y))
            w = mp.exp(a * (mp.log(p) - mp.log(a / (a + late))) + late * (mp.log(q) - mp.log(late / (a + late))))
            term = w * f(p)
            total, mass = total + term, mass + w
            if w < mass * mp.mpf(10) ** -17 and abs(term) < abs(total) * mp.mpf(10) ** -17:
                break
            k += 1
    return total / mass


def exponential_integral(n, z):
    """e^z E_n(z): by its continued fraction where that is quick."""
    if z < 2 and n < 15:
        return mp.exp(z) * mp.expint(n, z)
    fraction = mp.mpf(0)
    for k in range(30 if z > 7 or n > 100 else 60 if n > 15 else 250, 0, -1):
        fraction = k * (n + k - 1) / (z + n + 2 * k - fraction)
    return 1 / (z + n - fraction)


def geometric(r, alpha, a, b, early, x, t_x, T, t, rate):
    with mp.workdps(60):
        r, alpha, a, b, x, t_x, T, t, rate = map(mp.mpf, (r, alpha, a, b, x, t_x, T, t, rate))
        m, A, late = r + x, alpha + T, b + x + early
        terms = [mp.loggamma(m) - mp.loggamma(r), r * mp.log(alpha), -m * mp.log(A)]
        terms += [mp.loggamma(late) - mp.loggamma(b), mp.loggamma(a + b) - mp.loggamma(a + late)]
        odds = a / (late - 1) * (A / (alpha + t_x)) ** m if x + early > 0 else mp.mpf(0)
        terms.append(mp.log1p(odds))
        alive = 1 / (1 + odds)
    with mp.workdps(22):
        tau = t / A
        purchases = over_dropout(lambda p: -mp.expm1(-m * mp.log1p(p * tau)) / p, a, late)
        endless = over_dropout(lambda p: m / p * exponential_integral(m + 1, rate * A / p), a, late)
    return mp.fsum(terms), max(map(abs, terms)), alive, alive * purchases, alive * endless


def pareto(r, alpha, s, beta, x, t_x, T, t, rate):
    with mp.workdps(40):
        r, alpha, s, beta, x, t_x, T, t, rate = map(mp.mpf, (r, alpha, s, beta, x, t_x, T, t, rate))
        m, A, B = r + x, alpha + T, beta + T
        odds = mp.mpf(0)
        if t_x < T:
            # over the time of leaving, on pieces that grow from the last purchase on
            def left(u):
                return mp.exp(m * mp.log(A / (alpha + u)) + (s + 1) * mp.log(B / (beta + u)))

            width = 1 / (m / (alpha + t_x) + (s + 1) / (beta + t_x)) * 4
            points = [t_x]
            while points[-1] + width < T:
                points.append(points[-1] + width)
                width *= mp.mpf("1.6")
            points.append(T)
            odds = s / B * mp.fsum(mp.quad(left, pair, maxdegree=5) for pair in itertools.pairwise(points))
        terms = [mp.loggamma(m) - mp.loggamma(r), r * mp.log(alpha), -m * mp.log(A), s * mp.log(beta / B), mp.log1p(odds)]
        alive = 1 / (1 + odds)
        purchases = m / A * (B * mp.log1p(t / B) if s == 1 else B * -mp.expm1((1 - s) * mp.log1p(t / B)) / (s - 1))
        endless = m / A * B * exponential_integral(s, rate * B)
    return mp.fsum(terms), max(map(abs, terms)), alive, alive * purchases, alive * endless


def cases():
    """Corners first, then points between them; the same ones every time."""
    rng = random.Random(7)
    counts = [0, 1, 7, 300, 20_000]
    times = [(5.0, 1e-9), (40.0, 0.0), (40.0, 3.0), (1e4, 1e-9), (1e4, 2500.0), (0.01, 1e-9), (1000.0, 400.0)]
    scales = [1e-4, 0.3, 10.0, 1e4, 1e8]
    horizons = [1e-6, 1.0, 52.0, 1e4]
    for model in ("pareto", "bg", "mbg"):
        for _ in range(80 if model == "pareto" else 40):
            T, silence = rng.choice(times)
            x = rng.choice(counts)
            t_x = 0.0 if x == 0 else T - silence
            r, t, rate = rng.choice([0.05, 0.6, 1.0, 25.0]), rng.choice(horizons), rng.choice([1e-4, 2e-3, 0.1])
            third = rng.choice([0.3, 1.0, 1.0, 6.0])
            fourth = rng.choice(scales) if model == "pareto" else rng.choice([0.4, 3.0, 80.0])
            yield model, r, rng.choice(scales), third, fourth, x, t_x, T, t, rate


def main():
    with FILE.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        for model, *numbers in cases():
            if model == "pareto":
                found = pareto(*numbers)
            else:
                *parameters, x, t_x, T, t, rate = numbers
                found = geometric(*parameters, 1 if model == "mbg" else 0, x, t_x, T, t, rate)
            out.writerow([model, *map(repr, numbers), *(mp.nstr(value, 20) for value in found)])
            file.flush()


if __name__ == "__main__":
    main()
