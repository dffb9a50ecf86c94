"""At most one offer per customer under a budget: the best offer at a price of money, and what still fits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


@kernel
def best_offers(gain: Floats, cost: Floats, price: float, offer: Codes, worth: Floats, spent: Floats) -> None:
    """Write the offer with the largest gain less its cost at `price`, -1 where none is above zero, and its worth and cost.

    Of offers that are worth the same the cheaper one is taken, then the first. `gain` and `cost` are customers × offers.
    """
    for i in range(gain.shape[0]):
        best, value, paid = -1, 0.0, 0.0
        for k in range(gain.shape[1]):
            net = gain[i, k] - price * cost[i, k]
            if net > value or (best >= 0 and net == value and cost[i, k] < paid):
                best, value, paid = k, net, cost[i, k]
        offer[i] = best
        worth[i] = value
        spent[i] = paid


@kernel
def dearest(gain: Floats, cost: Floats) -> float:
    """The price of money from which on no offer that costs anything is worth it."""
    top = 0.0
    for i in range(gain.shape[0]):
        for k in range(gain.shape[1]):
            if cost[i, k] > 0.0 and gain[i, k] > 0.0:
                top = max(top, gain[i, k] / cost[i, k])
    return top


@kernel
def upgrades(
    gain: Floats, cost: Floats, offer: Codes, price: float, room: float, may_add: bool, better: Codes, rise: Floats
) -> None:
    """For each customer the offer that `room` still pays for and that gains most over the present one, less its cost at `price`.

    -1 where none gains; `rise` is that gain less the cost, at most zero but for rounding.
    """
    for i in range(gain.shape[0]):
        better[i], rise[i] = -1, -np.inf
        now = offer[i]
        if now < 0 and not may_add:
            continue
        had = gain[i, now] if now >= 0 else 0.0
        paid = cost[i, now] if now >= 0 else 0.0
        for k in range(gain.shape[1]):
            more = gain[i, k] - had
            dearer = cost[i, k] - paid
            if more > 0.0 and dearer <= room and more - price * dearer > rise[i]:
                better[i], rise[i] = k, more - price * dearer


@kernel
def fill(
    rows: Longs, steps: Floats, room: float, places: int, adds: npt.NDArray[np.bool_], taken: npt.NDArray[np.bool_]
) -> float:
    """Take the steps that fit, in the order given by `rows`, and return the room that is left."""
    for i in rows:
        if steps[i] <= room and (places > 0 or not adds[i]):
            taken[i] = True
            room -= steps[i]
            if adds[i]:
                places -= 1
    return room
