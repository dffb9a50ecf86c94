"""Everything one ranking tells, from one sort, beside what it has to beat."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from crmkit import _frame, _options
from crmkit.intervals._one import wilson_ends
from crmkit.metrics import _probabilities, _ranked, _ranks
from crmkit.metrics._probabilities import Calibration
from crmkit.metrics._ranked import Bools, Floats, Ranked
from crmkit.results import Estimate, Shown, confidence_level, critical_value

__all__ = ["RankingReport", "ranking_report"]

DEPTHS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class RankingReport(Shown):
    """How good a column of scores is, beside the base rate and, if asked for, another column.

    Attributes
    ----------
    n : int
        Rows.
    positives : int
        Rows where it happened.
    base_rate : Estimate
        Their share, with Wilson's interval.
    metrics : DataFrame
        One row per `metric` (auc, gini, average_precision, ks, and brier for probabilities): `value`, `ci_low`, `ci_high`, and
        `without_scores`, what a constant score gets.
    gains : DataFrame
        What is caught at each depth, as `gains` gives it.
    calibration : Calibration or None
        Whether the probabilities hold; None for scores that are none.
    comparison : DataFrame or None
        With a baseline, one row per `metric`: `value`, `baseline`, `difference`, `ci_low`, `ci_high`, `p_value`.

    Examples
    --------
    >>> from crmkit import metrics
    >>> report = metrics.ranking_report([0, 0, 1, 0, 1, 1], [1, 2, 2, 4, 7, 9])
    >>> report.metrics["metric"].tolist()
    ['auc', 'gini', 'average_precision', 'ks']
    """

    n: int
    positives: int
    base_rate: Estimate
    metrics: Any
    gains: Any
    calibration: Calibration | None
    comparison: Any

    def __repr__(self) -> str:
        parts = [f"Ranking of {self.n:,} rows, {self.base_rate.value:.2%} of them 1", str(self.metrics), str(self.gains)]
        if self.calibration is not None:
            parts.append(str(self.calibration.table))
        if self.comparison is not None:
            parts.append(str(self.comparison))
        return "\n\n".join(parts)


def ranking_report(
    y: Any,
    p: Any,
    /,
    *,
    baseline: Any = None,
    at: float | Sequence[float] = DEPTHS,
    bins: int = 10,
    probabilities: bool | None = None,
    level: float = 0.95,
) -> RankingReport:
    r"""Measure a column of scores in every usual way at once, beside the base rate and another column of scores.

    Parameters
    ----------
    y : Series, array or list
        What came to pass, per row: 1 or 0, True or False.
    p : Series, array or list
        Score or probability of the same rows in the same order, high where it is expected to happen.
    baseline : Series, array or list, optional
        A score to compare with on the same rows, such as the days since the last purchase.
    at : float or sequence of float, default 0.01, 0.05, 0.1, 0.2, 0.3, 0.5
        Depths of the table of gains: shares of the rows from the top.
    bins : int, default 10
        Bins of the calibration table.
    probabilities : bool, optional
        Whether `p` are probabilities, so that Brier score and calibration mean something. By default they are if all lie from 0
        to 1.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    RankingReport
        `metrics`, `gains`, `calibration`, `comparison` and the `base_rate`.

    Raises
    ------
    DataError
        A value is missing or infinite, a label is neither 0 nor 1, lengths or indexes differ, all labels are the same, or
        `probabilities` is True and a score lies outside 0 to 1.
    OptionError
        `at`, `bins`, `probabilities` or `level` is outside what it may be.

    Notes
    -----
    All is read off one sort, by distinct scores, so that ties and the order of the rows change nothing. The Kolmogorov-Smirnov
    statistic is the largest distance between the two classes' shares above a score; its interval, Newcombe's, takes the score
    at which it is found as given, and the statistic is too large by chance on few rows. See `auc`, `average_precision`,
    `gains`, `brier`, `calibration` and `difference` for the rest.

    Examples
    --------
    >>> import numpy as np
    >>> from crmkit import metrics
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(2000)
    >>> report = metrics.ranking_report(rng.random(2000) < p, p, baseline=p + rng.normal(size=2000))
    >>> report.metrics[["metric", "value", "without_scores"]].round(2)
                  metric  value  without_scores
    0                auc   0.84            0.50
    1               gini   0.68            0.00
    2  average_precision   0.85            0.50
    3                 ks   0.51            0.00
    4              brier   0.16            0.25
    """
    level = confidence_level(level)
    depths = _ranks.depths_of(at)
    _options.whole("bins", bins, low=1)
    if probabilities is not None:
        _options.choice("probabilities", str(probabilities), ("True", "False"))
    happened, scores = _ranked.read(y, p, probability=probabilities is True)
    other = None if baseline is None else _ranked.read_scores(y, baseline, happened.size, name="baseline", probability=False)
    _ranked.both_classes(happened)
    ranked, kind = _ranked.rank(happened, scores), _ranked.kind_of(y)
    if probabilities is None:
        probabilities = _all_probabilities(scores)
    return RankingReport(
        n=ranked.n,
        positives=ranked.ones,
        base_rate=_base_rate(ranked, level),
        metrics=_frame.table(_metrics(ranked, probabilities, level), kind=kind),
        gains=_ranks.gains_of(ranked, depths, level, kind=kind),
        calibration=_probabilities.calibration_of(ranked, bins, level, kind=kind) if probabilities else None,
        comparison=None if other is None else _frame.table(_comparison(happened, scores, other, probabilities, level), kind=kind),
    )


def _metrics(ranked: Ranked, probabilities: bool, level: float) -> dict[str, Any]:  # noqa: FBT001
    areas = _ranks.Areas.of(ranked)
    area = _ranks.auc_of(ranked, level, areas)
    low, high = 2.0 * area.ci_low - 1.0, 2.0 * area.ci_high - 1.0
    gini = Estimate(2.0 * area.value - 1.0, low, high, 2.0 * area.se, area.n, level, area.method)
    found = {
        "auc": (area, 0.5),
        "gini": (gini, 0.0),
        "average_precision": (_ranks.average_precision_of(ranked, level, areas), ranked.rate),
        "ks": (_ranks.ks(ranked, level, areas)[0], 0.0),
    }
    if probabilities:
        found["brier"] = (_probabilities.brier_of(ranked, level), ranked.rate * (1.0 - ranked.rate))
    estimates = [estimate for estimate, _ in found.values()]
    return {
        "metric": list(found),
        "value": np.array([estimate.value for estimate in estimates]),
        "ci_low": np.array([estimate.ci_low for estimate in estimates]),
        "ci_high": np.array([estimate.ci_high for estimate in estimates]),
        "without_scores": np.array([reference for _, reference in found.values()]),
    }


def _comparison(happened: Bools, scores: Floats, other: Floats, probabilities: bool, level: float) -> dict[str, Any]:  # noqa: FBT001
    names = ["auc", "average_precision"]
    if probabilities and _all_probabilities(other):
        names.append("brier")
    found = [_ranks.difference_of(happened, scores, other, name, level) for name in names]
    return {
        "metric": names,
        "value": np.array([each.first for each in found]),
        "baseline": np.array([each.second for each in found]),
        "difference": np.array([each.value for each in found]),
        "ci_low": np.array([each.ci_low for each in found]),
        "ci_high": np.array([each.ci_high for each in found]),
        "p_value": np.array([each.p_value for each in found]),
    }


def _base_rate(ranked: Ranked, level: float) -> Estimate:
    rate = ranked.rate
    low, high = wilson_ends(np.array(float(ranked.ones)), np.array(float(ranked.n)), critical_value(level))
    return Estimate(rate, float(low), float(high), (rate * (1.0 - rate) / ranked.n) ** 0.5, ranked.n, level, "wilson")


def _all_probabilities(scores: Floats) -> bool:
    return bool(scores.min() >= 0.0 and scores.max() <= 1.0)
