"""Whether the world has moved on since a model was fitted: its features, its scores, and how well it still does."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _learn, _options, metrics
from crmkit._learn import MISSING, UNSEEN, Matrix, Table
from crmkit.churn._model import ChurnModel
from crmkit.churn._times import Times, read_times
from crmkit.errors import DataError, DataWarning, OptionError
from crmkit.results import Estimate, Model, Shown, confidence_level

__all__ = ["Drift", "drift"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MOST_ROWS = 20_000  # of either frame, from which they are told apart
FEWEST = 50  # rows of either frame


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Drift(Shown):
    """How rows of now differ from rows of before, and what that did to a model.

    Attributes
    ----------
    features : DataFrame
        One row per feature, the most changed first: ``feature``, ``psi`` (population stability index), ``psi_by_chance``
        (what it would be without any change), ``missing_before``, ``missing_after``, ``unseen`` (share of rows now whose
        category the model has not seen).
    score_psi : float
        The same of the predicted probabilities.
    adversarial : Estimate
        How well rows of now are told from rows of before by all features together: an AUC on rows left out, ½ if nothing
        has changed.
    decay : DataFrame or None
        Where the label is known now, one row per cutoff: ``cutoff``, ``age_days`` (since the last cutoff fitted on),
        ``rows``, ``observed`` and ``predicted`` (share of churners), ``auc``, ``auc_low``, ``auc_high``,
        ``average_precision``, ``brier``, ``log_loss``. Without cutoffs there is one row, and no age; where all labels are the
        same, measures that need both are missing.
    unscored : int
        Rows now that the model cannot score, since they lack a feature that was never missing in the fit.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import churn
    >>> past = pd.DataFrame({"visits": [9, 8, 7, 9, 6, 5, 2, 1, 0, 1, 3, 4] * 5, "churned": ([0] * 6 + [1] * 6) * 5})
    >>> found = churn.drift(churn.fit(past), past, past.assign(visits=past["visits"] + 3))
    >>> found.adversarial.ci_low > 0.5
    True
    """

    features: Any
    score_psi: float
    adversarial: Estimate
    decay: Any
    unscored: int

    def __repr__(self) -> str:
        parts = [f"Told from before with AUC {self.adversarial}; PSI of the scores {self.score_psi:.3f}", str(self.features)]
        if self.unscored:
            parts.append(f"{self.unscored:,} rows lack a feature that was never missing in the fit, and have no score")
        if self.decay is not None:
            parts.append(str(self.decay))
        return "\n\n".join(parts)


def drift(model: Model, before: Any, after: Any, /, *, bins: int = 10, level: float = 0.95, rng: Any = 0) -> Drift:
    r"""Compare rows of now with rows of before: feature by feature, all together, and by how well the model still does.

    Parameters
    ----------
    model : ChurnModel
        As `fit` returns it.
    before : DataFrame
        Features of the model at the time, such as the rows it was fitted on.
    after : DataFrame
        The same columns later. With the model's label, and cutoffs where there are several, also how its scores age.
    bins : int, default 10
        Into how many bins, 2 to 1,000, of equally many rows of before numbers are sorted.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    rng : int, Generator or None, default 0
        Draws 20,000 rows of either frame where there are more, and deals them into folds.

    Returns
    -------
    Drift
        `features`, `score_psi`, `adversarial`, `decay` and `unscored`.

    Raises
    ------
    ColumnError
        A feature is missing.
    DataError
        A value cannot be read, or a frame has fewer than 50 rows.
    OptionError
        `model` is not a model of `fit`, or `bins` or `level` is outside what it may be.

    Warns
    -----
    DataWarning
        All labels of a cutoff are the same.

    Notes
    -----
    With shares :math:`a_k` before and :math:`b_k` after in bin :math:`k`, the index is :math:`\sum_k (b_k - a_k)
    \log(b_k / a_k)`; half a row is added to each bin, so that none is empty. Missing values and new categories have bins of
    their own. Without any change its mean is about :math:`(K - 1)(1/n + 1/m)`; the usual marks are 0.1 and 0.25.

    A change of features need not hurt a model, and a model can go wrong without one: `decay` is the proof.

    References
    ----------
    Yurdakul and Naranjo (2020), Statistical properties of the population stability index, Journal of Risk Model Validation
    14(4).
    Risselada, Verhoef and Bijmolt (2010), Staying power of churn prediction models, Journal of Interactive Marketing 24(3).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import churn
    >>> past = pd.DataFrame({"visits": [9, 8, 7, 9, 6, 5, 2, 1, 0, 1, 3, 4] * 5, "churned": ([0] * 6 + [1] * 6) * 5})
    >>> found = churn.drift(churn.fit(past), past, past)
    >>> found.features["psi"].round(3).tolist(), found.score_psi
    ([0.0], 0.0)
    """
    if not isinstance(model, ChurnModel):
        msg = f"churn.drift takes a model of churn.fit, then two frames; got {type(model).__name__}"
        raise OptionError(msg)
    _options.whole("bins", bins, low=2, high=1000)
    level = confidence_level(level)
    random = _options.generator(rng)
    frames = [_frame.read(frame) for frame in (before, after)]
    old, new = (_learn.read_as(frame, model.features, model.categories, model.features, {}, quiet=True) for frame in frames)
    for name, table in (("before", old), ("after", new)):
        if table.n < FEWEST:
            msg = f"{name} has {table.n:,} rows; at least {FEWEST} are needed to compare"
            raise DataError(msg)
    kept_old, kept_new = _scored(model, old), _scored(model, new)
    was = _learn.probability(model.log_odds_of(_plain(model, old.rows(kept_old))))
    now = _learn.probability(model.log_odds_of(_plain(model, new.rows(kept_new))))
    return Drift(
        features=_frame.table(_features(model, old, new, bins), kind=frames[1].kind),
        score_psi=_psi(*_binned(was, now, bins))[0],
        adversarial=_told_apart(old, new, level, random),
        decay=_decay(model, frames[1], kept_new, now, level),
        unscored=new.n - kept_new.size,
    )


def _features(model: ChurnModel, old: Table, new: Table, bins: int) -> dict[str, Any]:
    names = list(model.features)
    found = []
    for name in names:
        was, now = old.columns[name], new.columns[name]
        if name in model.categories:
            edges = len(model.categories[name]) + 2
            one, two = (np.bincount(codes - UNSEEN, minlength=edges) for codes in (was, now))
            gone, unseen = [float((codes == MISSING).mean()) for codes in (was, now)], float((now == UNSEEN).mean())
        else:
            one, two = _binned(was, now, bins)
            gone, unseen = [float(np.isnan(values).mean()) for values in (was, now)], 0.0
        found.append((*_psi(one, two), *gone, unseen))
    values = np.array(found)
    order = np.argsort(-values[:, 0], kind="stable")
    columns: dict[str, Any] = {"feature": np.array(names, object)[order]}
    for k, name in enumerate(("psi", "psi_by_chance", "missing_before", "missing_after", "unseen")):
        columns[name] = values[order, k]
    return columns


def _binned(was: Floats, now: Floats, bins: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Count rows in bins of equally many rows of before; one more bin is for what is missing."""
    known = was[~np.isnan(was)]
    edges = np.unique(np.quantile(known, np.arange(1, bins) / bins)) if known.size else np.empty(0)
    counted = []
    for values in (was, now):
        place = np.where(np.isnan(values), edges.size + 1, np.searchsorted(edges, values, side="right"))
        counted.append(np.bincount(place, minlength=edges.size + 2))
    return counted[0], counted[1]


def _psi(one: npt.NDArray[np.int64], two: npt.NDArray[np.int64]) -> tuple[float, float]:
    used = (one + two) > 0
    n, m, k = int(one.sum()), int(two.sum()), int(used.sum())
    a, b = (one[used] + 0.5) / (n + 0.5 * k), (two[used] + 0.5) / (m + 0.5 * k)
    return float(((b - a) * np.log(b / a)).sum()), (k - 1) * (1.0 / n + 1.0 / m)


def _told_apart(old: Table, new: Table, level: float, random: np.random.Generator) -> Estimate:
    """Fit a model that tells which frame a row is from, and say how well it does on rows left out."""
    parts = [
        table if table.n <= MOST_ROWS else table.rows(np.sort(random.choice(table.n, MOST_ROWS, replace=False)))
        for table in (old, new)
    ]
    columns = {name: np.concatenate([parts[0].columns[name], parts[1].columns[name]]) for name in old.columns}
    gone = tuple(
        name for name, values in columns.items() if (values == MISSING if name in old.categories else np.isnan(values)).any()
    )
    both = Table(columns, old.categories, gone, parts[0].n + parts[1].n)
    is_new = np.arange(both.n) >= parts[0].n
    X, indicator = both.matrix()
    order = _learn.content_order(X, is_new)
    rows = Matrix(np.asfortranarray(X[order]), indicator, _learn.tree_columns(both), is_new[order])
    seed = int(random.integers(2**31))
    folds = _learn.stratified_folds(rows.y, rng=np.random.default_rng(seed))
    kind = "boosting" if min(parts[0].n, parts[1].n) >= 200 else "logistic"
    score = np.empty(both.n)
    for past, now in folds:
        part = Matrix(rows.X[past], indicator, rows.tree_columns, rows.y[past])
        fitted = _learn.fit_kind(kind, part, iterations=150, seed=seed, n_threads=None)
        score[now] = fitted.log_odds(rows.X[now])
    return metrics.auc(rows.y, score, level=level)


def _scored(model: ChurnModel, table: Table) -> npt.NDArray[np.int64]:
    """Return the rows that the model can score."""
    lacks = np.zeros(table.n, np.bool_)
    for name in model.features:
        if name not in model.missing:
            values = table.columns[name]
            lacks |= values == MISSING if name in model.categories else np.isnan(values)
    return np.flatnonzero(~lacks)


def _plain(model: ChurnModel, table: Table) -> Table:
    return Table(table.columns, table.categories, tuple(name for name in model.features if name in model.missing), table.n)


def _decay(model: ChurnModel, frame: _frame.Frame, kept: npt.NDArray[np.int64], p: Floats, level: float) -> Any:
    """Score every cutoff of the rows now by itself."""
    if model.label not in frame.columns or kept.size == 0:
        return None
    y = _learn.read_label(frame, model.label)[kept]
    times = read_times(frame, None)
    moments = np.zeros(kept.size, np.int64) if times is None else times.cutoff[kept]
    rows: dict[str, list[float]] = {}
    for moment in np.unique(moments):
        here = moments == moment
        found: dict[str, float] = {
            **_age(model, times, int(moment)),
            "rows": float(here.sum()),
            "observed": float(y[here].mean()),
            "predicted": float(p[here].mean()),
        }
        both = bool(y[here].any() and not y[here].all())
        area = metrics.auc(y[here], p[here], level=level) if both else None
        found["auc"], found["auc_low"], found["auc_high"] = (
            (area.value, area.ci_low, area.ci_high) if area else (np.nan, np.nan, np.nan)
        )
        found["average_precision"] = metrics.average_precision(y[here], p[here]).value if both else np.nan
        found["brier"] = float(np.square(p[here] - y[here]).mean())
        held = np.clip(p[here], 1e-15, 1.0 - 1e-15)
        found["log_loss"] = float(-np.where(y[here], np.log(held), np.log1p(-held)).mean())
        for name, value in found.items():
            rows.setdefault(name, []).append(value)
    lonely = int(np.isnan(rows["auc"]).sum())
    if lonely:
        warnings.warn(
            f"{lonely} of {len(rows['auc'])} cutoffs have one label only: their AUC and average precision are missing."
            " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=3,
        )
    columns: dict[str, Any] = {}
    if times is not None:
        columns["cutoff"] = _frame.Moments(np.unique(moments), times.clock)
    columns |= {name: np.array(values, np.int64 if name == "rows" else np.float64) for name, values in rows.items()}
    return _frame.table(columns, kind=frame.kind)


def _age(model: ChurnModel, times: Times | None, moment: int) -> dict[str, float]:
    """Give the days from the last cutoff fitted on to this one, on the wall clock, where both are known."""
    if times is None or not model.cutoffs:
        return {}
    last = times.clock.moment(model.cutoffs[-1])
    wall = int(times.wall[times.cutoff == moment][0])
    return {"age_days": (wall - last) / times.clock.ticks_per_day}
