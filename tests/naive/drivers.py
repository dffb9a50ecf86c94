"""The parts of R² from their definition: least squares for every order in which drivers can enter."""

from __future__ import annotations

import itertools

import numpy as np


def r_squared(x, y):
    """R² of the regression of y on the columns of x, with an intercept."""
    if x.shape[1] == 0:
        return 0.0
    design = np.column_stack([np.ones(len(y)), x])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return 1.0 - residual @ residual / ((y - y.mean()) @ (y - y.mean()))


def lmg(x, y):
    """Mean gain in R² of each column over all orders."""
    p = x.shape[1]
    gains = np.zeros(p)
    orders = list(itertools.permutations(range(p)))
    for order in orders:
        before = 0.0
        for i, column in enumerate(order):
            now = r_squared(x[:, list(order[: i + 1])], y)
            gains[column] += now - before
            before = now
    return gains / len(orders)
