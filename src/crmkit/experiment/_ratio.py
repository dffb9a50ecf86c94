"""Were the arms as large as planned? The first question about any experiment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crmkit import _frame, _options
from crmkit.errors import DataError
from crmkit.experiment._trial import Trial, planned_shares
from crmkit.results import Frozen

__all__ = ["SampleRatio", "ratio_of", "sample_ratio"]


MOST = 10**15  # units, beyond which counts are no longer exact


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class SampleRatio(Frozen):
    """Whether units fell into the arms as planned.

    Attributes
    ----------
    p_value : float
        Probability of counts as far from the plan, had the assignment followed it.
    statistic : float
        Pearson's chi-square.
    df : int
        Degrees of freedom: arms less one.
    counts : mapping
        Units in each arm.
    expected : mapping
        Units each arm was to have.
    alarm : float
        The p-value from which on the plan is doubted.
    passed : bool
        Whether `p_value` is at least `alarm`.

    Examples
    --------
    >>> from crmkit import experiment
    >>> experiment.sample_ratio({"gate_30": 44_700, "gate_40": 45_489}).passed
    False
    """

    p_value: float
    statistic: float
    df: int
    counts: Mapping[str, int]
    expected: Mapping[str, float]
    alarm: float
    passed: bool

    def __str__(self) -> str:
        found = ", ".join(f"{name} {count:,} ({self.expected[name]:,.0f} planned)" for name, count in self.counts.items())
        test = f"chi-square {self.statistic:.4g}, p = {self.p_value:.3g}"
        if self.passed:
            return f"Sample ratio as planned: {found}; {test}."
        return (
            f"SAMPLE RATIO NOT AS PLANNED: {found}; {test}. Somewhere between assignment and this table units were lost or"
            " counted twice; find out where before reading any effect."
        )


def sample_ratio(
    data: Any, /, *, arm: str = "arm", expected: Mapping[Any, float] | Sequence[float] | None = None, alarm: float = 0.01
) -> SampleRatio:
    r"""Tell whether units fell into the arms as planned; where they did not, no effect can be trusted.

    Parameters
    ----------
    data : DataFrame or mapping
        One row per unit with the column `arm`; or the number of units by arm.
    arm : str, default "arm"
        Column of the arms.
    expected : mapping or list of float, optional
        Planned share of each arm, by name or in sorted order, on any scale; default equal shares.
    alarm : float, default 0.01
        The p-value below which the plan is doubted. It is stricter than the usual 0.05 because the check is made in every
        experiment.

    Returns
    -------
    SampleRatio
        With its verdict in ``passed``; it prints as a sentence.

    Raises
    ------
    ColumnError
        There is no such column.
    DataError
        There are fewer than two arms, or units without one.
    OptionError
        `expected` does not fit the arms, or `alarm` is no probability.

    Notes
    -----
    :math:`\chi^2 = \sum_j (n_j - N s_j)^2 / (N s_j)` with :math:`k - 1` degrees of freedom.

    References
    ----------
    Fabijan, Gupchup, Gupta, Omhover, Qin, Vermeer & Dmitriev (2019), Diagnosing sample ratio mismatch in online controlled
    experiments, KDD.

    Examples
    --------
    >>> from crmkit import experiment
    >>> check = experiment.sample_ratio({"control": 821_588, "treatment": 815_482})
    >>> round(check.statistic, 2), check.passed
    (22.77, False)
    """
    alarm = _options.number("alarm", alarm, low=0.0, high=1.0)
    if not isinstance(data, Mapping):
        arms = _frame.arms(data, arm)
        return _checked(arms.labels, np.bincount(arms.codes), expected, alarm)
    if len(data) < 2:
        msg = f"{len(data)} arms: an experiment compares two or more"
        raise DataError(msg)
    counts = np.array(
        [_options.whole(f"units of {name!r}", count, low=0, high=MOST) for name, count in data.items()], dtype=np.int64
    )
    labels = _frame.ids(_frame.table({"arm": list(data)}), "arm").labels
    order = labels.codes_of(list(data), what="arm")
    by_arm = np.empty(counts.size, np.int64)
    by_arm[order] = counts
    return _checked(labels, by_arm, expected, alarm)


def ratio_of(trial: Trial, expected: Any, alarm: float = 0.01) -> SampleRatio:
    """Check the units of an experiment that was read already."""
    return _checked(trial.labels, trial.units(), expected, alarm)


def _checked(labels: _frame.Labels, counts: Any, expected: Any, alarm: float) -> SampleRatio:
    from scipy.special import chdtrc

    total = float(counts.sum())
    planned = total * planned_shares(labels, expected)
    if total == 0.0:
        msg = "no units in any arm"
        raise DataError(msg)
    statistic = float(((counts - planned) ** 2 / planned).sum())
    df = counts.size - 1
    p_value = float(chdtrc(df, statistic))
    names = [str(label) for label in labels.as_index()]
    return SampleRatio(
        p_value,
        statistic,
        df,
        {name: int(count) for name, count in zip(names, counts, strict=True)},
        {name: float(share) for name, share in zip(names, planned, strict=True)},
        alarm,
        p_value >= alarm,
    )
