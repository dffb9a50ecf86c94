"""Targeting the slow way: every choice of offers tried, every share of customers summed up."""

import itertools

import numpy as np


def best_choice(gain, cost, budget, capacity):
    """The largest total gain over all ways to give each customer one offer or none, within budget and capacity."""
    n, k = gain.shape
    best = 0.0
    for offers in itertools.product(range(-1, k), repeat=n):
        picked = [(i, o) for i, o in enumerate(offers) if o >= 0]
        if len(picked) <= capacity and sum(cost[i, o] for i, o in picked) <= budget * (1 + 1e-12):
            best = max(best, sum(gain[i, o] for i, o in picked))
    return best


def best_offers(gain, cost, price):
    """For each customer the offer with the largest gain less its cost at a price, and that."""
    found = []
    for gains, costs in zip(gain, cost, strict=True):
        options = [(-(g - price * c), c, k) for k, (g, c) in enumerate(zip(gains, costs, strict=True)) if g - price * c > 0]
        found.append((min(options)[2], -min(options)[0]) if options else (-1, 0.0))
    return found


def dearest(gain, cost):
    ratios = [g / c for g, c in zip(gain.ravel(), cost.ravel(), strict=True) if c > 0 and g > 0]
    return max(ratios, default=0.0)


def upgrades(gain, cost, offer, price, room, may_add):
    """For each customer the affordable offer that gains most over the present one, less its cost at a price."""
    found = []
    for gains, costs, now in zip(gain, cost, offer, strict=True):
        had, paid = (gains[now], costs[now]) if now >= 0 else (0.0, 0.0)
        options = [
            (g - had - price * (c - paid), -k)
            for k, (g, c) in enumerate(zip(gains, costs, strict=True))
            if g > had and c - paid <= room and (now >= 0 or may_add)
        ]
        found.append((-max(options)[1], max(options)[0]) if options else (-1, -np.inf))
    return found


def profit_at(y, order_key, profit, contacted):
    """Total profit of contacting so many of the highest scores, averaged over the orders of ties."""
    left, total = contacted, 0.0
    for key in sorted(set(order_key), reverse=True):
        group = [profit[i] for i in range(len(y)) if order_key[i] == key]
        part = min(left / len(group), 1.0)
        total += part * sum(group)
        left -= part * len(group)
        if left <= 0:
            break
    return total
