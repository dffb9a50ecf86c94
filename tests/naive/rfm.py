"""Scores by their definitions, one customer at a time, in exact fractions; concentration from its definition."""

from fractions import Fraction


def quantile(values, k, bins):
    """Hyndman and Fan's type 7."""
    ranked = sorted(values)
    place = Fraction(k * (len(ranked) - 1), bins)
    low = int(place)
    if place == low:
        return ranked[low]
    # the library rounds to a double; no value lies in between
    return ranked[low] + (ranked[low + 1] - ranked[low]) * (place - low)


def below_by_quantiles(value, values, bins):
    return sum(quantile(values, k, bins) < value for k in range(1, bins))


def below_by_rule_of_r(value, values, bins):
    return sum(quantile(values, k, bins) + 1 <= value for k in range(1, bins))


def below_by_rank(value, values, bins):
    middle = sum(other < value for other in values) + Fraction(sum(other == value for other in values), 2)
    return int(bins * middle / len(values))


def score(recency, frequency, monetary, *, bins, method):
    """Scores (r, f, m) of every customer."""
    rows = list(zip(recency, frequency, monetary, strict=True))
    if method == "nested":
        r = [bins - below_by_quantiles(row[0], recency, bins) for row in rows]
        f = []
        for i, row in enumerate(rows):
            peers = [other[1] for j, other in enumerate(rows) if r[j] == r[i]]
            f.append(1 + below_by_quantiles(row[1], peers, bins))
        m = []
        for i, row in enumerate(rows):
            peers = [other[2] for j, other in enumerate(rows) if (r[j], f[j]) == (r[i], f[i])]
            m.append(1 + below_by_quantiles(row[2], peers, bins))
        return list(zip(r, f, m, strict=True))
    below = {"quantile": below_by_quantiles, "r": below_by_rule_of_r, "rank": below_by_rank}[method]
    return [(bins - below(a, recency, bins), 1 + below(b, frequency, bins), 1 + below(c, monetary, bins)) for a, b, c in rows]


def gini(amounts):
    """Half the relative mean difference."""
    n = len(amounts)
    return sum(abs(a - b) for a in amounts for b in amounts) / (2 * n * sum(amounts))


def top_share(amounts, top):
    """Share of the largest `top` of the amounts, one of them in part."""
    left, held = Fraction(top) * len(amounts), Fraction(0)
    for amount in sorted(amounts, reverse=True):
        held += min(left, 1) * amount
        left -= min(left, 1)
    return held / sum(amounts)


def jackknife(statistic, amounts):
    """Squared standard error from leaving out one at a time."""
    n = len(amounts)
    without = [statistic(amounts[:i] + amounts[i + 1 :]) for i in range(n)]
    mean = sum(without) / n
    return Fraction(n - 1, n) * sum((value - mean) ** 2 for value in without)
