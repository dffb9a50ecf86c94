"""Did the campaign work: shares and means of every arm beside the control's, with intervals, tests and relative lift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, intervals
from crmkit.errors import OptionError
from crmkit.experiment import _cells
from crmkit.experiment._cells import Cells, cells_of
from crmkit.experiment._ratio import ratio_of
from crmkit.experiment._result import Comparison
from crmkit.experiment._sameness import sameness
from crmkit.experiment._trial import Trial, names_of, read_trial
from crmkit.results import confidence_level, critical_value

__all__ = ["compare_means", "compare_rates", "compared", "quantile_limits", "welch"]

Floats = npt.NDArray[np.float64]
Columns = dict[str, Any]

RATES = {"newcombe": intervals.newcombe, "miettinen_nurminen": intervals.miettinen_nurminen, "wald": None}
ADJUST = ("holm", "bh", "bonferroni", "none")


def compare_rates(
    data: Any,
    /,
    *,
    outcome: str | Sequence[str],
    arm: str = "arm",
    control: Any = None,
    by: str | Sequence[str] | None = None,
    cluster: str | None = None,
    level: float = 0.95,
    method: str = "newcombe",
    adjust: str = "holm",
    expected: Mapping[Any, float] | Sequence[float] | None = None,
) -> Comparison:
    r"""Tell by how much each arm's share of successes differs from the control's, absolutely and relatively.

    Parameters
    ----------
    data : DataFrame
        One row per unit that was assigned to an arm.
    outcome : str or list of str
        Columns of successes: booleans, or 0 and 1.
    arm : str, default "arm"
        Column of the arms.
    control : optional
        The arm that the others are compared with; default an arm called "control" or "holdout", or the one that is 0 or False.
    by : str or list of str, optional
        Columns of segments: the arms are compared in each.
    cluster : str, optional
        Column of what was assigned as a whole (households, shops), where that is more than one row.
    level : float, default 0.95
        Confidence level of each interval, between 0 and 1.
    method : {"newcombe", "miettinen_nurminen", "wald"}, default "newcombe"
        The interval of the difference; with `cluster` it is that of the cluster means whatever is asked for.
    adjust : {"holm", "bh", "bonferroni", "none"}, default "holm"
        How ``p_adjusted`` answers for the number of rows (see `crmkit.intervals.adjust_pvalues`).
    expected : mapping or list of float, optional
        Planned shares of the arms, as in `sample_ratio`.

    Returns
    -------
    Comparison
        Its ``table`` has a row per segment, outcome and arm: ``outcome``, ``arm``, ``control``, ``n``, ``n_control``, ``mean``,
        ``mean_control``, ``value`` (the difference), ``ci_low``, ``ci_high``, ``se``, ``statistic``, ``p_value``, ``p_adjusted``,
        ``lift`` (relative), ``lift_low``, ``lift_high``, ``level``, ``method``, ``scale``, ``note``. What cannot be computed
        is NaN, and ``note`` says why.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        An outcome is neither 0 nor 1, an arm is missing, there are fewer than two arms, or a cluster is in two of them.
    OptionError
        An option is not usable, or the control is not named and cannot be told.

    Notes
    -----
    The test is the score test, :math:`z = (p_1 - p_0) / \sqrt{\bar p (1 - \bar p)(1/n_1 + 1/n_0)}`. The relative lift
    :math:`p_1/p_0 - 1` has the MOVER-R interval made of Wilson's intervals of the two shares; it is unbounded above where the
    control has no success. With clusters, shares are ratios of cluster sums with the delta method's standard error, and test and
    interval are Welch's over clusters, cut off at −1 and 1. A segment in which the effect is significant and one in which it
    is not need not differ: ``heterogeneity`` tests that.

    References
    ----------
    Agresti & Caffo (2000), Simple and effective confidence intervals for proportions and differences of proportions, The American
    Statistician 54(4).
    Newcombe (1998), Interval estimation for the difference between independent proportions, Statistics in Medicine 17(8).
    Donner & Zou (2012), Closed-form confidence intervals for functions of the normal mean and standard deviation, Statistical
    Methods in Medical Research 21(4).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import experiment
    >>> visits = pd.DataFrame({"arm": ["control", "mail"] * 50, "visit": [0, 0, 0, 1, 0, 1, 1, 0, 0, 1] * 10})
    >>> found = experiment.compare_rates(visits, outcome="visit")
    >>> found.table[["arm", "value", "ci_low", "ci_high"]].round(3)
        arm  value  ci_low  ci_high
    0  mail    0.4    0.21    0.552
    """
    method = _options.choice("method", method, RATES)
    level = confidence_level(level)
    trial = read_trial(data, arm=arm, control=control, by=by, cluster=cluster)
    outcomes = names_of(outcome, "outcome")
    results = {}
    for name in outcomes:
        cells = cells_of(trial, _frame.flags(trial.frame, name, keyword="outcome").astype(np.float64), None)
        if cluster is None:
            results[name] = _shares(cells, trial.control, level, method)
        else:
            results[name] = _of_shares(welch(cells, trial.control, level))
    made = "cluster" if cluster is not None else method
    return compared(trial, results, level=level, adjust=adjust, expected=expected, method=made, scale="rate")


def compare_means(
    data: Any,
    /,
    *,
    outcome: str | Sequence[str],
    denominator: str | None = None,
    arm: str = "arm",
    control: Any = None,
    by: str | Sequence[str] | None = None,
    cluster: str | None = None,
    winsorize: float | Sequence[float] | None = None,
    level: float = 0.95,
    adjust: str = "holm",
    expected: Mapping[Any, float] | Sequence[float] | None = None,
) -> Comparison:
    r"""Tell by how much each arm's mean (spend, orders, or a ratio of sums) differs from the control's.

    Parameters
    ----------
    data : DataFrame
        One row per unit that was assigned to an arm.
    outcome : str or list of str
        Columns of numbers.
    denominator : str, optional
        Column that the outcomes are divided by, sum by sum: revenue per order, clicks per view. Default: per row.
    arm : str, default "arm"
        Column of the arms.
    control : optional
        The arm that the others are compared with; default an arm called "control" or "holdout", or the one that is 0 or False.
    by : str or list of str, optional
        Columns of segments: the arms are compared in each.
    cluster : str, optional
        Column of what was assigned as a whole (households, shops), where that is more than one row.
    winsorize : float or (float, float), optional
        Values beyond this quantile of all arms together are taken as that quantile: 0.999 tames the largest, (0.001, 0.999)
        both ends. It changes the question from the mean to the mean without the tail; ``note`` counts the values.
    level : float, default 0.95
        Confidence level of each interval, between 0 and 1.
    adjust : {"holm", "bh", "bonferroni", "none"}, default "holm"
        How ``p_adjusted`` answers for the number of rows (see `crmkit.intervals.adjust_pvalues`).
    expected : mapping or list of float, optional
        Planned shares of the arms, as in `sample_ratio`.

    Returns
    -------
    Comparison
        With the table of `compare_rates`.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        An outcome is missing or infinite, a denominator negative, an arm is missing, there are fewer than two arms, or a cluster
        is in two of them.
    OptionError
        An option is not usable, or the control is not named and cannot be told.

    Notes
    -----
    Welch's test and interval: the variances of the arms may differ. Ratios of sums and clusters have the delta method's standard
    error: with :math:`R = \sum y / \sum x` and :math:`d_i = y_i - R x_i` over the units that were assigned, the variance is
    :math:`\frac{n}{n-1} \sum d_i^2 / (\sum x)^2`. The relative lift :math:`m_1/m_0 - 1` has Fieller's interval, which is
    unbounded where the control's mean is not told apart from zero.

    References
    ----------
    Welch (1947), The generalization of "Student's" problem when several different population variances are involved, Biometrika
    34(1-2).
    Welch (1951), On the comparison of several mean values: an alternative approach, Biometrika 38(3-4), for ``heterogeneity``.
    Deng, Knoblich & Lu (2018), Applying the delta method in metric analytics, KDD.
    Fieller (1954), Some problems in interval estimation, JRSS B 16(2).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import experiment
    >>> orders = pd.DataFrame({"arm": [0, 1] * 4, "spend": [3.0, 5, 1, 4, 0, 9, 2, 6]})
    >>> found = experiment.compare_means(orders, outcome="spend")
    >>> found.table[["mean", "mean_control", "value", "p_value"]].round(3)
       mean  mean_control  value  p_value
    0   6.0           1.5    4.5    0.016
    """
    level = confidence_level(level)
    trial = read_trial(data, arm=arm, control=control, by=by, cluster=cluster)
    outcomes = names_of(outcome, "outcome")
    if denominator is not None and denominator in outcomes:
        msg = f"denominator={denominator!r} is an outcome as well; divide one by the other"
        raise OptionError(msg)
    limits = quantile_limits(winsorize)
    bottom = None if denominator is None else _frame.numbers(trial.frame, denominator, keyword="denominator", nonnegative=True)
    results = {}
    for name in outcomes:
        values, note = _tamed(_frame.numbers(trial.frame, name, keyword="outcome"), limits)
        results[name] = welch(cells_of(trial, values, bottom), trial.control, level, note)
    return compared(trial, results, level=level, adjust=adjust, expected=expected, method="welch", scale="mean")


def welch(cells: Cells, control: int, level: float, note: str = "") -> Columns:
    """Compare means that have standard errors, each with its own number of units."""
    mean, base = cells.mean, cells.mean[:, [control]]
    se, n = cells.se, cells.n
    spread = np.hypot(se, se[:, [control]])
    df = _cells.welch_df(se, n, se[:, [control]], n[:, [control]])
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = (mean - base) / spread
        reach = _cells.student_ends(df, level)
        p_value = _cells.two_sided(statistic, df)
    margin, around = reach * se, reach * se[:, [control]]
    with np.errstate(invalid="ignore"):
        lift_low, lift_high = _cells.mover_ratio(mean, mean - margin, mean + margin, base, base - around, base + around)
    tested = np.isfinite(statistic)
    lift = _lift(mean, base, lift_low, lift_high, tested)
    return {
        **_beside(cells, control),
        "ci_low": np.where(tested, mean - base - reach * spread, np.nan),
        "ci_high": np.where(tested, mean - base + reach * spread, np.nan),
        "se": spread,
        "weighed_by": spread,
        "df": np.broadcast_to(df, spread.shape),
        "statistic": np.where(tested, statistic, np.nan),
        "p_value": np.where(tested, p_value, np.nan),
        **lift,
        "note": _notes(cells, control, tested, lift, note),
    }


def compared(
    trial: Trial, results: Mapping[str, Columns], *, level: float, adjust: str, expected: Any, method: str, scale: str
) -> Comparison:
    """Write the cells of every outcome as one table, arms beside the control."""
    adjust = _options.choice("adjust", adjust, ADJUST)
    others = [code for code in range(len(trial.labels)) if code != trial.control]
    n_outcomes, shape = len(results), (trial.n_segments, len(results), len(others))
    segment, which, other = (part.ravel() for part in np.indices(shape))
    arms = np.asarray(others)[other]
    columns: Columns = {
        name: np.stack([found[name][:, others] for found in results.values()], axis=1).ravel()
        for name in next(iter(results.values()))
    }
    notes = columns.pop("note").tolist()
    tested = np.isfinite(columns["p_value"])
    adjusted = columns["p_value"].copy()
    if adjust != "none":
        adjusted[tested] = intervals.adjust_pvalues(adjusted[tested], method=adjust)
    names = list(results)
    keys: Columns = {}
    if trial.segments is not None:
        keys = {name: _frame.Labelled(labels, codes[segment]) for name, labels, codes in trial.segments.columns}
    control = np.full(arms.size, trial.control)
    table = _frame.table(
        {
            "outcome": [names[i] for i in which],
            "arm": _frame.Labelled(trial.labels, arms),
            "control": _frame.Labelled(trial.labels, control),
            **{name: columns[name] for name in ("n", "n_control", "mean", "mean_control", "value", "ci_low", "ci_high", "se")},
            "statistic": columns["statistic"],
            "p_value": columns["p_value"],
            "p_adjusted": adjusted,
            **{name: columns[name] for name in ("lift", "lift_low", "lift_high")},
            "level": np.full(arms.size, level),
            "method": [method] * arms.size,
            "scale": [scale] * arms.size,
            "note": notes,
        },
        keys=keys,
        kind=trial.frame.kind,
    )
    parted = None
    if trial.n_segments > 1:
        per_arm = (trial.n_segments, n_outcomes * len(others))
        parted = sameness(trial, names, others, *(columns[name].reshape(per_arm) for name in ("value", "weighed_by", "df")))
    ratio = ratio_of(trial, expected)
    return Comparison(table, ratio, trial.names[trial.control], level, method, adjust, parted)


def quantile_limits(winsorize: float | Sequence[float] | None) -> tuple[float, float]:
    """Return the quantiles that values are held between."""
    if winsorize is None:
        return 0.0, 1.0
    ends = (0.0, winsorize) if not isinstance(winsorize, Sequence) else tuple(winsorize)
    if len(ends) != 2:
        msg = f"winsorize={winsorize!r} is not an upper quantile such as 0.999, nor a pair such as (0.001, 0.999)"
        raise OptionError(msg)
    low, high = (_options.number("winsorize", end, low=0.0, high=1.0) for end in ends)
    if low >= 0.5 or high <= 0.5:
        msg = f"winsorize={winsorize!r}: the lower quantile is below 0.5 and the upper above, such as 0.999 or (0.001, 0.999)"
        raise OptionError(msg)
    return low, high


def _tamed(values: Floats, limits: tuple[float, float]) -> tuple[Floats, str]:
    """Hold values between two quantiles of all arms, and say how many were moved."""
    if limits == (0.0, 1.0) or values.size == 0:
        return values, ""
    low, high = np.quantile(values, limits)
    held = np.clip(values, low, high)
    moved = int((held != values).sum())
    return held, f"{moved:,} values beyond {low:.6g} and {high:.6g} were taken as these" if moved else ""


def _shares(cells: Cells, control: int, level: float, method: str) -> Columns:
    """Compare shares of independent units by the score test."""
    x, n = cells.top, cells.n
    x0, n0 = (np.broadcast_to(part[:, [control]], x.shape) for part in (x, n))
    known = (n > 0) & (n0 > 0)
    # empty cells take part as one failure, and are blanked afterwards
    x, n, x0, n0 = np.where(known, x, 0.0), np.where(known, n, 1.0), np.where(known, x0, 0.0), np.where(known, n0, 1.0)
    p, p0, pooled = x / n, x0 / n0, (x + x0) / (n + n0)
    se = np.sqrt(p * (1.0 - p) / n + p0 * (1.0 - p0) / n0)
    null = np.sqrt(pooled * (1.0 - pooled) * (1.0 / n + 1.0 / n0))
    statistic = np.divide(p - p0, null, out=np.zeros_like(p), where=null > 0.0)
    interval = RATES[method]
    if interval is None:
        margin = critical_value(level) * se
        low, high = np.maximum(p - p0 - margin, -1.0), np.minimum(p - p0 + margin, 1.0)
    else:
        low, high = (np.asarray(end).reshape(p.shape) for end in interval(x, n, x0, n0, level=level))
    (low1, high1), (low0, high0) = intervals.wilson(x, n, level=level), intervals.wilson(x0, n0, level=level)
    lift_low, lift_high = _cells.mover_ratio(p, np.asarray(low1), np.asarray(high1), p0, np.asarray(low0), np.asarray(high0))
    lift_low = np.maximum(lift_low, 0.0)
    columns = {
        "ci_low": low,
        "ci_high": high,
        "se": se,
        # one success and one failure more in each arm: a share of few units must not look certain (Agresti & Caffo)
        "weighed_by": np.hypot(_sure_se(x, n), _sure_se(x0, n0)),
        "df": np.full(se.shape, np.inf),
        "statistic": statistic,
        "p_value": _cells.two_sided(statistic),
        **_lift(p, p0, lift_low, lift_high, known),
    }
    blanked = {name: np.where(known, values, np.nan) for name, values in columns.items()}
    return {**_beside(cells, control), **blanked, "note": _notes(cells, control, known, blanked, "")}


def _of_shares(columns: Columns) -> Columns:
    """Cut intervals off where shares end: few clusters have wide ones."""
    ends = {"ci_low": np.maximum(columns["ci_low"], -1.0), "ci_high": np.minimum(columns["ci_high"], 1.0)}
    # a share cannot fall by more than all of it
    low = np.where(np.isfinite(columns["lift_low"]), np.maximum(columns["lift_low"], -1.0), columns["lift_low"])
    return columns | ends | {"lift_low": low}


def _beside(cells: Cells, control: int) -> Columns:
    mean, n = cells.mean, cells.n if cells.shown is None else cells.shown
    base = np.broadcast_to(mean[:, [control]], mean.shape)
    return {
        "n": n.astype(np.int64),
        "n_control": np.broadcast_to(n[:, [control]], n.shape).astype(np.int64),
        "mean": mean,
        "mean_control": base,
        "value": mean - base,
    }


def _lift(mean: Floats, base: Floats, low: Floats, high: Floats, known: npt.NDArray[np.bool_]) -> Columns:
    """Return the relative lift; a control of zero has none, and its interval no upper end."""
    ratio = _cells.divided(mean, np.broadcast_to(base, mean.shape))
    return {
        "lift": np.where(known, ratio - 1.0, np.nan),
        "lift_low": np.where(known, low - 1.0, np.nan),
        "lift_high": np.where(known, high - 1.0, np.nan),
    }


def _notes(cells: Cells, control: int, tested: npt.NDArray[np.bool_], lift: Columns, note: str) -> npt.NDArray[Any]:
    """Say of each cell why something is missing beside it, if anything is."""
    n, n0 = cells.n, np.broadcast_to(cells.n[:, [control]], cells.n.shape)
    notes = np.full(n.shape, note, dtype=object)
    unbounded = tested & ~(np.isfinite(lift["lift_low"]) & np.isfinite(lift["lift_high"]))
    notes[unbounded] = "; ".join(filter(None, (note, "the control is not told apart from zero: the relative lift has no bounds")))
    reasons = (
        (n == n, "no spread in either arm, so there is no test"),
        ((n < 2) | (n0 < 2), "fewer than two units in an arm"),
        ((cells.bottom == 0) | (cells.bottom[:, [control]] == 0), "the denominator sums to zero in an arm"),
        (n0 == 0, "nobody in the control"),
        (n == 0, "nobody in the arm"),
    )
    for where, reason in reasons:
        notes[where & ~tested] = reason
    return notes


def _sure_se(x: Floats, n: Floats) -> Floats:
    share = (x + 1.0) / (n + 2.0)
    return np.asarray(np.sqrt(share * (1.0 - share) / (n + 2.0)))
