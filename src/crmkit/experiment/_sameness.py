"""Whether an arm does the same in all segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.experiment import _cells
from crmkit.experiment._trial import Trial

__all__ = ["sameness"]

Floats = npt.NDArray[np.float64]


def sameness(trial: Trial, names: list[str], others: list[int], value: Floats, se: Floats, within: Floats) -> Any:
    """Test whether an arm's effect is the same in all segments: precision-weighted squares around the common effect.

    The weights are estimates themselves; Welch's correction keeps few units from looking like differences.
    """
    from scipy.special import chdtrc, fdtrc

    known = np.isfinite(value) & (se > 0.0) & (within > 0.0)
    # in units of the largest error, whose square cannot overflow
    unit = np.where(known, se, 0.0).max(axis=0, initial=0.0)
    unit = np.where(unit > 0.0, unit, 1.0)
    value, se = value / unit, np.where(known, se / unit, 1.0)
    weight = np.where(known, 1.0 / se**2, 0.0)
    value = np.where(known, value, 0.0)
    common = _cells.divided((weight * value).sum(axis=0), weight.sum(axis=0))
    statistic = (weight * (value - np.nan_to_num(common)) ** 2).sum(axis=0)
    df = known.sum(axis=0) - 1
    share = _cells.divided(weight, np.broadcast_to(weight.sum(axis=0), weight.shape))
    loose = np.where(known, (1.0 - share) ** 2 / np.where(known, within, 1.0), 0.0).sum(axis=0)
    k = np.maximum(df, 1) + 1.0
    statistic = statistic / (1.0 + 2.0 * (k - 2.0) / (k * k - 1.0) * loose)
    below = (k * k - 1.0) / np.where(loose > 0.0, 3.0 * loose, 1.0)
    p_value = np.where(loose > 0.0, fdtrc(k - 1.0, below, statistic / (k - 1.0)), chdtrc(k - 1.0, statistic))
    p_value = np.where(df > 0, p_value, np.nan)
    which, other = (part.ravel() for part in np.indices((len(names), len(others))))
    return _frame.table(
        {
            "outcome": [names[i] for i in which],
            "arm": _frame.Labelled(trial.labels, np.asarray(others)[other]),
            "statistic": np.where(df > 0, statistic, np.nan),
            "df": np.maximum(df, 0),
            "p_value": p_value,
            "note": ["" if d > 0 else "fewer than two segments have a standard error" for d in df],
        },
        kind=trial.frame.kind,
    )
