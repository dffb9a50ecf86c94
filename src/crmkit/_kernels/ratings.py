"""Ratings as a mean, what customers and items add to it, and products of factors, learned rating by rating."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crmkit._jit import kernel

__all__ = ["descend", "level", "predict"]


@kernel
def level(
    customer: npt.NDArray[np.int32],
    item: npt.NDArray[np.int32],
    rating: npt.NDArray[np.float64],
    mean: float,
    of_customers: float,
    of_items: float,
    sweeps: int,
    customer_bias: npt.NDArray[np.float64],
    item_bias: npt.NDArray[np.float64],
) -> float:
    """Find what items and customers add to the `mean`, held back by penalties, in turns; return the last largest change."""
    n_customer, n_item = np.zeros(customer_bias.size, np.int64), np.zeros(item_bias.size, np.int64)
    for r in range(rating.size):
        n_customer[customer[r]] += 1
        n_item[item[r]] += 1
    customer_sum, item_sum = np.zeros(customer_bias.size, np.float64), np.zeros(item_bias.size, np.float64)
    moved = 0.0
    for _ in range(sweeps):
        moved = 0.0
        item_sum[:] = 0.0
        for r in range(rating.size):
            item_sum[item[r]] += rating[r] - mean - customer_bias[customer[r]]
        for i in range(item_bias.size):
            bias = item_sum[i] / (of_items + n_item[i])
            moved = max(moved, abs(bias - item_bias[i]))
            item_bias[i] = bias
        customer_sum[:] = 0.0
        for r in range(rating.size):
            customer_sum[customer[r]] += rating[r] - mean - item_bias[item[r]]
        for u in range(customer_bias.size):
            bias = customer_sum[u] / (of_customers + n_customer[u])
            moved = max(moved, abs(bias - customer_bias[u]))
            customer_bias[u] = bias
    return moved


@kernel
def descend(
    order: npt.NDArray[np.int64],
    customer: npt.NDArray[np.int32],
    item: npt.NDArray[np.int32],
    rating: npt.NDArray[np.float64],
    mean: float,
    rate: float,
    penalty: float,
    customer_bias: npt.NDArray[np.float64],
    item_bias: npt.NDArray[np.float64],
    customer_factors: npt.NDArray[np.float64],
    item_factors: npt.NDArray[np.float64],
) -> float:
    """Take one step down the gradient at every rating, in the `order` given; return the mean squared error met on the way."""
    squared = 0.0
    for step in range(order.size):
        r = order[step]
        u, i = customer[r], item[r]
        p, q = customer_factors[u], item_factors[i]
        product = 0.0
        for f in range(p.size):
            product += p[f] * q[f]
        error = rating[r] - (mean + customer_bias[u] + item_bias[i] + product)
        squared += error * error
        customer_bias[u] += rate * (error - penalty * customer_bias[u])
        item_bias[i] += rate * (error - penalty * item_bias[i])
        for f in range(p.size):
            old = p[f]
            p[f] += rate * (error * q[f] - penalty * old)
            q[f] += rate * (error * old - penalty * q[f])
    return squared / order.size


@kernel
def predict(
    customer: npt.NDArray[np.int32],
    item: npt.NDArray[np.int32],
    mean: float,
    customer_bias: npt.NDArray[np.float64],
    item_bias: npt.NDArray[np.float64],
    customer_factors: npt.NDArray[np.float64],
    item_factors: npt.NDArray[np.float64],
    low: float,
    high: float,
    out: npt.NDArray[np.float64],
) -> None:
    """Write the rating expected of each pair to `out`, between `low` and `high`; -1 is a customer or an item nobody knows."""
    for r in range(customer.size):
        u, i = customer[r], item[r]
        expected = mean
        if u >= 0:
            expected += customer_bias[u]
        if i >= 0:
            expected += item_bias[i]
        if u >= 0 and i >= 0:
            product = 0.0
            for f in range(customer_factors.shape[1]):
                product += customer_factors[u, f] * item_factors[i, f]
            expected += product
        out[r] = min(max(expected, low), high)
