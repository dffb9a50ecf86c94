"""Many tests at once: p-values that keep their promise together."""

from __future__ import annotations

from typing import Any

import numpy as np

from crmkit import _options
from crmkit.errors import DataError
from crmkit.intervals import _counts

__all__ = ["adjust_pvalues"]


def adjust_pvalues(p_values: Any, /, *, method: str = "holm") -> Any:
    r"""Adjust p-values for having been looked at together: compare the results with the usual 0.05.

    Parameters
    ----------
    p_values : array of float
        One-dimensional, each from 0 to 1.
    method : {"holm", "bh", "bonferroni"}, default "holm"
        Holm and Bonferroni bound the probability of any false finding, Holm with more power; Benjamini and Hochberg's "bh"
        bounds the expected share of false ones among the findings.

    Returns
    -------
    array of float
        Adjusted p-values in the same order, at most 1.

    Raises
    ------
    DataError
        A p-value is missing or not from 0 to 1, or they are not one-dimensional.
    OptionError
        `method` is unknown.

    Notes
    -----
    With p-values ascending, Holm: :math:`\max_{j \le i} \min(1, (m - j + 1) p_j)`; Benjamini and Hochberg:
    :math:`\min_{j \ge i} m p_j / j`.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2).
    Benjamini and Hochberg (1995), Controlling the false discovery rate, JRSS B 57(1).

    Examples
    --------
    >>> from crmkit import intervals
    >>> intervals.adjust_pvalues([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    >>> intervals.adjust_pvalues([0.01, 0.04, 0.03], method="bh")
    array([0.03, 0.04, 0.04])
    """
    method = _options.choice("method", method, ("holm", "bh", "bonferroni"))
    try:
        p = np.array(p_values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = "p_values holds values that are not numbers"
        raise DataError(msg) from error
    if p.ndim != 1:
        msg = f"p_values has shape {p.shape}: pass one list of them"
        raise DataError(msg)
    _counts.refuse(~((p >= 0.0) & (p <= 1.0)), p, "p_values", "not from 0 to 1", "leave tests without a result out")
    m = p.size
    if method == "bonferroni" or m == 0:
        return np.minimum(p * m, 1.0)
    order = np.argsort(p, kind="stable")
    if method == "holm":
        ascending = np.maximum.accumulate(np.minimum(p[order] * np.arange(m, 0, -1), 1.0))
    else:
        ascending = np.minimum.accumulate((p[order] * m / np.arange(1, m + 1))[::-1])[::-1]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(ascending, 1.0)
    return adjusted
