"""Whether a model is worth it: its forecasts against what happened, beside forecasts that need no model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.clv._draws import Kinds, Ranks, total
from crmkit.clv._holdout import RIVALS, Holdout, log_scores
from crmkit.clv._intervals import drawn_futures
from crmkit.clv._purchase import PurchaseModel
from crmkit.errors import OptionError
from crmkit.results import Estimate, Shown, confidence_level, in_percent

__all__ = ["Evaluation", "compare", "evaluate"]

Floats = npt.NDArray[np.float64]

_MOST = 7  # purchases from which on customers are one group
_BINS = 10  # of the probability integral transform


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Evaluation(Shown):
    """How a model's forecasts of a holdout compare with what happened.

    Attributes
    ----------
    log_score : Estimate
        Mean log of the probability given to the purchases that were made; higher is better, 0 is the best there is.
    mae : Estimate
        Mean absolute difference of expected and actual purchases.
    rmse : Estimate
        Root of the mean squared difference.
    bias : Estimate
        Mean of expected minus actual purchases: above 0 the model expects too much.
    skill : Estimate
        Share of the mean squared difference of the best forecast without a model that the model saves: 1 is all, 0 or less is a
        model that is not worth it; minus infinity where that forecast was right about everybody.
    rival : str
        The forecast without a model that `skill` is measured against (see `compare`).
    expected, actual : float
        Purchases of all customers together.
    n : int
        Customers.
    horizon : float
        Length of the holdout in the model's unit.
    interval : Estimate or None
        Prediction interval of the purchases of all customers together, at the level of `coverage_level`; None with ``draws=0``.
    coverage : Estimate or None
        Share of customers whose purchases lay within their own prediction interval; counts being whole numbers, a right model
        covers more than `coverage_level`.
    coverage_level : float
        Level of the prediction intervals.
    pit_p_value : float
        Kolmogorov-Smirnov test of the randomised probability integral transform: small where the forecast distributions are not
        those of what happened. With many customers every model shows.
    pit : DataFrame
        The transform by tenths: ``low``, ``high``, ``n`` and ``share``. A right model has a tenth in each; more at both ends are
        distributions too narrow, more in the middle too wide.
    by_frequency : DataFrame
        Mean expected and actual purchases of customers with the same `frequency` in the calibration, and the coverage of their
        intervals; 7 stands for 7 and more.
    by_decile : DataFrame
        The same for ten groups of customers, from those expected to buy least to those expected to buy most.
    """

    log_score: Estimate
    mae: Estimate
    rmse: Estimate
    bias: Estimate
    skill: Estimate
    rival: str
    expected: float
    actual: float
    n: int
    horizon: float
    interval: Estimate | None
    coverage: Estimate | None
    coverage_level: float
    pit_p_value: float
    pit: Any
    by_frequency: Any
    by_decile: Any

    def __repr__(self) -> str:
        lines = [f"{self.n:,} customers over {self.horizon:g}: {self.expected:,.1f} purchases expected, {self.actual:,.0f} made"]
        lines += [f"  {name:<9}  {getattr(self, name)}" for name in ("log_score", "mae", "rmse", "bias", "skill")]
        if self.interval is not None:
            ends = f"{self.interval.ci_low:,.6g} to {self.interval.ci_high:,.6g}"
            lines.append(f"  {in_percent(self.coverage_level)} prediction interval of the total: {ends}")
            lines.append(f"  {in_percent(self.coverage_level)} prediction intervals of customers held in {self.coverage:.1%}")
        if self.skill.ci_low > 0.0:
            verdict = "better than"
        else:
            verdict = "not worth it, next to" if self.skill.value <= 0.0 else "not surely better than"
        return "\n".join([*lines, f"  {verdict} {self.rival!r}, which needs no model"])


def evaluate(
    model: Any,
    known: Any,
    /,
    *,
    level: float = 0.95,
    coverage_level: float = 0.80,
    draws: int = 1000,
    rng: Any = 0,
    n_threads: int | None = None,
) -> Evaluation:
    r"""Tell how well a model fitted on the calibration period foresaw the holdout.

    Parameters
    ----------
    model : Model
        A purchase model, fitted on the calibration columns of `known`.
    known : DataFrame
        One row per customer as ``clv.split(...).known`` gives them: `frequency`, `recency` and `T`, and `holdout_frequency` and
        `holdout_T`, the same for all; `previous_frequency`, where it is there, is the base of a forecast without a model.
    level : float, default 0.95
        Confidence level of the intervals of scores and errors, between 0 and 1.
    coverage_level : float, default 0.80
        Level of the prediction intervals that are checked, between 0 and 1.
    draws : int, default 1000
        Draws behind the prediction intervals; 0 leaves them out.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.
    n_threads : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    Evaluation
        Log score, mean absolute error, root mean squared error, bias and skill with their intervals over customers; the actual
        coverage of prediction intervals; expected and actual purchases by frequency and by decile.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, is in another unit than the model, holdouts differ in length, or there is one customer.
    OptionError
        `model` is no purchase model, or an option is not usable.

    Notes
    -----
    Intervals are normal, from the spread over customers; that of the root mean squared error by the delta method, that of the
    coverage by Wilson's. A probability too small for the machine counts as :math:`e^{-745}`. The error of one customer is mostly
    chance: compare models with `compare`, on the same customers, not with zero.

    The randomised transform of a customer who bought y times is :math:`F(y - 1) + U (F(y) - F(y - 1))` with U uniform: uniform
    itself if F is the distribution that y came from. It takes the parameters as known.

    References
    ----------
    Czado, Gneiting & Held (2009), Predictive model assessment for count data, Biometrics 65(4), 1254-1261.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> known = pd.DataFrame(
    ...     {
    ...         "frequency": [0, 0, 0, 1, 1, 2, 3, 5],
    ...         "recency": [0.0, 0, 0, 4, 20, 9, 30, 22],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28],
    ...         "holdout_frequency": [0, 0, 1, 0, 1, 0, 2, 3],
    ...         "holdout_T": 26.0,
    ...     }
    ... )
    >>> found = clv.evaluate(clv.fit_bg_nbd(known, penalty=0.1), known)
    >>> found.n, found.actual
    (8, 7.0)
    """
    confidence_level(level)
    number = _options.whole("draws", draws, low=0)
    ranks = Ranks.of(number, coverage_level) if number else None
    random = _options.generator(rng)
    data = Holdout.read(known, [model])
    expected = data.expected(model, n_threads)
    fewer, exactly = data.chances(model)
    gap = expected - data.actual
    squared = _mean(gap**2, level)
    rmse = math.sqrt(squared.value)
    rival, best = min(((name, forecast) for name, (forecast, _) in data.naive().items()), key=lambda pair: _error(pair[1], data))
    groups = np.minimum(data.x, _MOST).astype(np.int64)
    order = np.argsort(expected, kind="stable")
    deciles = np.empty(gap.size, np.int64)
    for tenth, rows in enumerate(np.array_split(order, min(10, gap.size)), start=1):
        deciles[rows] = tenth
    interval, coverage, inside = None, None, None
    if ranks is not None:
        kinds = Kinds.of(model, data.frame)
        history = (kinds.group, data.x, data.t_x, data.T)
        found = drawn_futures(model, None, kinds, history, data.horizon, ranks, random, n_threads)
        inside = ((found.low <= data.actual) & (data.actual <= found.high)).astype(np.float64)
        interval = total(math.fsum(expected), found.totals, ranks, n=gap.size)
        coverage = _share(inside, level)
    # in an order that does not follow the rows
    order = np.lexsort((data.actual, data.T, data.t_x, data.x))
    pit = fewer[order] + random.random(gap.size) * exactly[order]
    return Evaluation(
        log_score=_mean(log_scores(exactly), level),
        mae=_mean(np.abs(gap), level),
        rmse=Estimate.normal(
            rmse,
            squared.se / (2.0 * rmse) if rmse > 0.0 else 0.0,
            n=gap.size,
            level=level,
            method="delta",
            bounds=(0.0, math.inf),
        ),
        bias=_mean(gap, level),
        skill=_skill(expected, best, data.actual, level),
        rival=rival,
        expected=float(expected.sum()),
        actual=float(data.actual.sum()),
        n=gap.size,
        horizon=data.horizon,
        interval=interval,
        coverage=coverage,
        coverage_level=confidence_level(coverage_level),
        pit_p_value=_uniformity(pit),
        pit=_tenths(pit, data.kind),
        by_frequency=data.grouped("frequency", groups, expected, inside),
        by_decile=data.grouped("decile", deciles, expected, inside),
    )


def compare(models: Any, known: Any, /, *, n_threads: int | None = None) -> Any:
    """Tell which of several models foresaw the holdout best, and whether any is worth more than a forecast without a model.

    Parameters
    ----------
    models : model, sequence of models or mapping of str to model
        Purchase models, fitted on the calibration columns of `known`; a mapping gives them names.
    known : DataFrame
        One row per customer as ``clv.split(...).known`` gives them: `frequency`, `recency`, `T`, `holdout_frequency`, `holdout_T`
        and, for the last of the forecasts without a model, `previous_frequency`.
    n_threads : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    DataFrame
        One row per forecast, models first: `model`; `log_score` and `log_score_se` (missing for forecasts of a number alone,
        which give no probabilities); `mae`, `mae_se`, `rmse`, `bias`, `bias_se` per customer; `expected` and `actual` in total;
        `skill` and `skill_se`, the share of the mean squared error of the best forecast without a model that is saved: a model
        whose skill is not above 0 by two standard errors is not worth it.
        The forecasts without a model: all customers go on at the mean rate of all (its log score is that of a negative binomial
        with the spread of the past, the same for all); each at the own rate so far; and, where `previous_frequency` is there,
        each buys as much as in the period of the same length before.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A row is no purchase history, is in another unit than a model, holdouts differ in length, or there is one customer.
    OptionError
        `models` are no purchase models, or two have one name.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import clv
    >>> known = pd.DataFrame(
    ...     {
    ...         "frequency": [0, 0, 0, 1, 1, 2, 3, 5],
    ...         "recency": [0.0, 0, 0, 4, 20, 9, 30, 22],
    ...         "T": [39.0, 30, 35, 38, 33, 39, 31, 28],
    ...         "holdout_frequency": [0, 0, 1, 0, 1, 0, 2, 3],
    ...         "holdout_T": 26.0,
    ...     }
    ... )
    >>> models = [clv.fit_bg_nbd(known, penalty=0.1), clv.fit_pareto_nbd(known, penalty=0.1)]
    >>> clv.compare(models, known)["model"].tolist()
    ['BG/NBD', 'Pareto/NBD', 'all at the mean rate', 'each at the own rate']
    """
    named = model_names(models)
    data = Holdout.read(known, list(named.values()))
    forecasts: dict[str, tuple[Floats, Floats | None]] = {}
    for name, model in named.items():
        forecasts[name] = data.expected(model, n_threads), log_scores(data.chances(model)[1])
    naive = data.naive()
    best = min((forecast for forecast, _ in naive.values()), key=lambda forecast: _error(forecast, data))
    forecasts |= naive
    rows: dict[str, list[float]] = {name: [] for name in _COLUMNS}
    for expected, scores in forecasts.values():
        gap = expected - data.actual
        score = None if scores is None else _mean(scores, 0.95)
        absolute, bias = _mean(np.abs(gap), 0.95), _mean(gap, 0.95)
        skill = _skill(expected, best, data.actual, 0.95)
        found = (
            math.nan if score is None else score.value,
            math.nan if score is None else score.se,
            absolute.value,
            absolute.se,
            math.sqrt(float((gap**2).mean())),
            bias.value,
            bias.se,
            float(expected.sum()),
            float(data.actual.sum()),
            skill.value,
            skill.se,
        )
        for column, value in zip(rows.values(), found, strict=True):
            column.append(value)
    table = {name: np.array(column) for name, column in rows.items()}
    return _frame.table({"model": np.array(list(forecasts), dtype=object), **table}, kind=data.kind)


_COLUMNS = (
    "log_score",
    "log_score_se",
    "mae",
    "mae_se",
    "rmse",
    "bias",
    "bias_se",
    "expected",
    "actual",
    "skill",
    "skill_se",
)


def model_names(models: Any) -> dict[str, Any]:
    """Return one or several models by name: the names given, else what they are called."""
    if isinstance(models, Mapping):
        return {str(name): model for name, model in models.items()}
    listed = [models] if isinstance(models, PurchaseModel) else list(models)
    titles = [str(getattr(model, "TITLE", type(model).__name__)) for model in listed]
    named = dict(zip(titles, listed, strict=True))
    if len(named) < len(listed) or set(named) & set(RIVALS):
        msg = f"the models are named {titles}; pass a mapping that gives each a name of its own"
        raise OptionError(msg)
    return named


def _error(forecast: Floats, data: Holdout) -> float:
    return float(((forecast - data.actual) ** 2).mean())


def _skill(expected: Floats, best: Floats, actual: Floats, level: float) -> Estimate:
    """Return the share of the squared error of the best rival that a forecast saves, over the same customers."""
    own, other = (expected - actual) ** 2, (best - actual) ** 2
    scale = float(other.mean())
    if scale == 0.0:  # the rival knew it all: nothing is left to save
        return Estimate(0.0 if not own.any() else -math.inf, -math.inf, 0.0, 0.0, own.size, level, "delta")
    ratio = float(own.mean()) / scale
    influence = (own - ratio * other) / scale
    se = float(influence.std(ddof=1)) / math.sqrt(own.size) if own.size > 1 else 0.0
    return Estimate.normal(1.0 - ratio, se, n=own.size, level=level, method="delta")


def _share(inside: Floats, level: float) -> Estimate:
    from crmkit import intervals

    low, high = intervals.wilson(inside.sum(), inside.size, level=level)
    share = float(inside.mean())
    return Estimate(share, float(low), float(high), math.sqrt(share * (1.0 - share) / inside.size), inside.size, level, "wilson")


def _mean(values: Floats, level: float) -> Estimate:
    se = float(values.std(ddof=1)) / math.sqrt(values.size) if values.size > 1 else 0.0
    return Estimate.normal(float(values.mean()), se, n=values.size, level=level, method="normal")


def _uniformity(pit: Floats) -> float:
    from scipy import stats

    return float(stats.kstest(pit, "uniform").pvalue)


def _tenths(pit: Floats, kind: str) -> Any:
    counts = np.bincount(np.minimum((pit * _BINS).astype(np.int64), _BINS - 1), minlength=_BINS)
    edges = np.arange(_BINS + 1) / _BINS
    return _frame.table({"low": edges[:-1], "high": edges[1:], "n": counts, "share": counts / pit.size}, kind=kind)
