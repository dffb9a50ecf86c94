"""Learn whom a campaign changes: fit, predict, and scores for the very rows of the fit that no model has seen."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from crmkit import _frame, _learn, _options
from crmkit.errors import DataError, DataWarning, FitError, OptionError
from crmkit.uplift._data import Bools, Floats, effect_scores, known_propensity, refuse_huge
from crmkit.uplift._evaluate import numbers_or_flags, permuted, slope_of
from crmkit.uplift._learners import BASES, LEARNERS, Task, folds_of, learn, outcome_model
from crmkit.uplift._model import ArmReport, UpliftModel
from crmkit.uplift._ranking import order_of, rate

__all__ = ["cross_fitted", "fit", "predict"]

LEAST_ROWS = 50  # of either arm
ALPHA = 0.05
COMBINATIONS = 256  # of categories over which a row with new ones is averaged


def fit(
    frame: Any,
    /,
    *,
    treatment: str,
    outcome: str,
    features: Sequence[str] | None = None,
    learner: str = "x",
    base: str = "boosting",
    control: Any = None,
    propensity: Any = None,
    folds: int = 5,
    rng: int = 0,
) -> UpliftModel:
    r"""Learn how much a campaign changes each customer's outcome, and say whether there is any difference to be found.

    Parameters
    ----------
    frame : DataFrame
        One row per customer of an experiment, with features that were known before it. In polars and pyarrow the first column
        is the id unless `features` names it.
    treatment : str
        Column of the arms; two or more.
    outcome : str
        Column of the outcome: 0 and 1, or any number such as spend.
    features : list of str, optional
        Columns to learn from; default all others.
    learner : {"x", "t", "dr", "transformed"}, default "x"
        The X-learner, two separate models, the doubly robust learner, or one model of the transformed outcome (see Notes).
    base : {"boosting", "linear"}, default "boosting"
        What they are made of: small boosted trees of scikit-learn, or logistic regression and ridge.
    control : optional
        The arm that got nothing; default the one that is 0, False, "control" or "holdout".
    propensity : str, float or "estimate", optional
        The chance of treatment among the control and an arm: a column, a number, or estimated from the features (for data that
        were not randomised: nothing can put right what the features do not hold). Default the share treated.
    folds : int, default 5
        Parts of the rows that are predicted by models fitted on the others, to see what the model is worth.
    rng : int, default 0
        Seed of the folds.

    Returns
    -------
    UpliftModel
        It reads its own verdict: effects, how well unseen rows were ranked, and in ``diagnosis`` whether nothing was found.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A value cannot be used, an arm has fewer than 50 rows, or the estimated chance of treatment is too near 0 or 1.
    FitError
        The outcome is the same in all rows.
    OptionError
        An option is not usable.

    Warns
    -----
    DataWarning
        No difference in effect was found between customers for some arm: the model then predicts nearly the same for all.

    Notes
    -----
    With :math:`\mu_1, \mu_0` fitted in either arm: "t" is :math:`\mu_1 - \mu_0`. "x" fits what the treated gained,
    :math:`y - \mu_0`, and what the others missed, :math:`\mu_1 - y`, and weighs the two models by the other arm's share. "dr"
    fits
    :math:`\mu_1 - \mu_0 + \frac{t (y - \mu_1)}{e} - \frac{(1-t)(y - \mu_0)}{1 - e}` with cross-fitted :math:`\mu`; "transformed"
    fits the same without :math:`\mu`. Predictions are drawn towards the effect on everybody by the slope of the effect on the
    predictions of unseen rows, held between 0 and 1: their differences have the size that was seen, not that of the noise.

    References
    ----------
    Künzel, Sekhon, Bickel & Yu (2019), Metalearners for estimating heterogeneous treatment effects, PNAS 116(10).
    Kennedy (2023), Towards optimal doubly robust estimation of heterogeneous causal effects, EJS 17(2).
    Jaskowski & Jaroszewicz (2012), Uplift modeling for clinical trial data, ICML workshop.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from crmkit import uplift
    >>> rng = np.random.default_rng(1)
    >>> taste, treated = rng.normal(size=4000), rng.integers(0, 2, 4000)
    >>> bought = rng.random(4000) < 0.2 + 0.2 * treated * (taste > 0)
    >>> frame = pd.DataFrame({"bought": bought, "mail": treated, "taste": taste})
    >>> model = uplift.fit(frame, treatment="mail", outcome="bought", base="linear")
    >>> model.p_value[0] < 0.01
    True
    """
    learner = _options.choice("learner", learner, LEARNERS)
    base = _options.choice("base", base, BASES)
    folds = _options.whole("folds", folds, low=2, high=50)
    seed = _options.whole("rng", rng, low=0)
    rows = _Rows.read(frame, treatment, outcome, features, control, propensity)
    learnt, reports = [], []
    for task, _ in rows.tasks(base, seed):
        reports.append(_report(task, *_unseen(task, learner, folds), seed))
        learnt.append(learn(task, learner))
    model = UpliftModel(
        outcome=outcome,
        treatment=treatment,
        control=rows.control,
        arms=rows.others,
        learner=learner,
        base=base,
        features=tuple(rows.table.columns),
        categories=rows.table.categories,
        missing=rows.table.missing,
        shares=rows.table.shares(),
        ranges=rows.table.ranges(),
        learnt=tuple(learnt),
        **{name: tuple(getattr(report, name) for report in reports) for name in ArmReport.__dataclass_fields__},
        shrinkage=tuple(min(max(report.slope, 0.0), 1.0) for report in reports),
        n=rows.table.n,
        diagnosis=_diagnosis(rows.others, reports),
    )
    if model.diagnosis:
        warnings.warn(
            f"{model.diagnosis}. Its predictions hardly differ between customers. Silence with"
            " warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=2,
        )
    return model


def predict(model: Any, frame: Any, /) -> Any:
    """Tell how much each arm would change each customer's outcome.

    Parameters
    ----------
    model : UpliftModel
        A fitted model.
    frame : DataFrame
        One row per customer with the model's features.

    Returns
    -------
    Series or DataFrame
        ``uplift``, in units of the outcome (a difference of probabilities for outcomes of 0 and 1), on the rows of `frame`; with
        several arms one column per arm, named like it.

    Raises
    ------
    ColumnError
        A feature is missing from the frame.
    DataError
        A value is missing where none was in the fit, or is of another kind.

    Warns
    -----
    DataWarning
        A category was not there in the fit: such rows get the mean over those that were. Or a linear model is asked
        about a number that lies further outside the range fitted on than that range is wide.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from crmkit import uplift
    >>> rng = np.random.default_rng(1)
    >>> taste, treated = rng.normal(size=4000), rng.integers(0, 2, 4000)
    >>> bought = rng.random(4000) < 0.2 + 0.2 * treated * (taste > 0)
    >>> frame = pd.DataFrame({"bought": bought, "mail": treated, "taste": taste})
    >>> model = uplift.fit(frame, treatment="mail", outcome="bought", base="linear")
    >>> bool(uplift.predict(model, pd.DataFrame({"taste": [-1.0, 1.0]})).diff().iloc[1] > 0)
    True
    """
    if not isinstance(model, UpliftModel):
        msg = f"{type(model).__name__} is no uplift model; fit one with uplift.fit"
        raise FitError(msg)
    read = _frame.read(frame)
    table = _learn.read_as(read, model.features, model.categories, model.missing, model.bounds())
    refuse_huge(table.columns)
    effects = _averaged(model, table)
    if len(model.arms) == 1:
        return _frame.series_like(read, "uplift", effects[:, 0], used=model.features)
    columns = {str(arm): effects[:, place] for place, arm in enumerate(model.arms)}
    return _frame.rows_like(read, columns, used=model.features)


def cross_fitted(
    frame: Any,
    /,
    *,
    treatment: str,
    outcome: str,
    features: Sequence[str] | None = None,
    learner: str = "x",
    base: str = "boosting",
    control: Any = None,
    arm: Any = None,
    propensity: Any = None,
    folds: int = 5,
    rng: int = 0,
) -> Any:
    """Predict every row of an experiment by models that have not seen it: what `evaluate` and `policy_value` need.

    Parameters
    ----------
    frame : DataFrame
        One row per customer of an experiment, as in `fit`.
    treatment, outcome : str
        Columns of the arms and of the outcome.
    features : list of str, optional
        Columns to learn from; default all others.
    learner : {"x", "t", "dr", "transformed"}, default "x"
        How the effect is learnt, as in `fit`.
    base : {"boosting", "linear"}, default "boosting"
        What it is learnt from.
    control : optional
        The arm that got nothing.
    arm : optional
        The arm to predict for, where there are several beside the control.
    propensity : str, float or "estimate", optional
        The chance of treatment, as in `fit`.
    folds : int, default 5
        Parts of the rows, each predicted by models fitted on the others.
    rng : int, default 0
        Seed of the folds.

    Returns
    -------
    DataFrame
        On the rows of `frame`: ``uplift``; ``outcome_control`` and ``outcome_treated``, the outcomes expected without and with
        treatment; ``propensity``. Rows of other arms are predicted by a model that has not seen them either.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A value cannot be used, or an arm has fewer than 50 rows.
    OptionError
        An option is not usable, or there are several arms and none is chosen.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from crmkit import uplift
    >>> rng = np.random.default_rng(1)
    >>> taste, treated = rng.normal(size=4000), rng.integers(0, 2, 4000)
    >>> bought = rng.random(4000) < 0.2 + 0.2 * treated * (taste > 0)
    >>> frame = pd.DataFrame({"bought": bought, "mail": treated, "taste": taste})
    >>> scores = uplift.cross_fitted(frame, treatment="mail", outcome="bought", base="linear")
    >>> found = uplift.evaluate(frame.join(scores), outcome="bought", treatment="mail", score="uplift")
    >>> found.table["p_value"].item() < 0.01
    True
    """
    learner = _options.choice("learner", learner, LEARNERS)
    base = _options.choice("base", base, BASES)
    folds = _options.whole("folds", folds, low=2, high=50)
    seed = _options.whole("rng", rng, low=0)
    rows = _Rows.read(frame, treatment, outcome, features, control, propensity)
    if arm is None and len(rows.others) > 1:
        msg = f"column {treatment!r} has the arms {[str(name) for name in rows.others]}; choose one with arm="
        raise OptionError(msg)
    arm = rows.others[0] if arm is None else arm
    if arm not in rows.others:
        msg = f"arm={arm!r} is not one of {[str(name) for name in rows.others]}"
        raise OptionError(msg)
    task, places = rows.tasks(base, seed)[rows.others.index(arm)]
    found = np.empty((rows.table.n, 4))
    uplift, mu0, mu1 = _unseen(task, learner, folds)
    found[places] = np.column_stack([uplift, mu0, mu1, task.chance])
    rest = np.setdiff1d(np.arange(rows.table.n), places)
    if rest.size:
        X = rows.X[rest]
        means = [outcome_model(task, part).mean(X) for part in (~task.treated, task.treated)]
        found[rest] = np.column_stack([learn(task, learner).effect(X), *means, np.full(rest.size, task.chance.mean())])
    names = ("uplift", "outcome_control", "outcome_treated", "propensity")
    used = [treatment, outcome, *rows.table.columns]
    return _frame.rows_like(rows.frame, {name: found[:, k].copy() for k, name in enumerate(names)}, used=used)


class _Rows:
    """Features, outcome and arms of an experiment, read once for all arms."""

    def __init__(self, frame: _frame.Frame, table: _learn.Table, y: Floats, codes: Any, names: list[Any], base: int) -> None:
        self.frame, self.table, self.y, self.codes, self.names = frame, table, y, codes, names
        self.base_code = base
        self.control = names[base]
        self.others = tuple(name for code, name in enumerate(names) if code != base)
        self.X, self.indicator = table.matrix()
        self.columns = _learn.tree_columns(table)
        self.propensity: Any = None

    @classmethod
    def read(
        cls, frame: Any, treatment: str, outcome: str, features: Sequence[str] | None, control: Any, propensity: Any
    ) -> _Rows:
        read = _frame.read(frame)
        arms = _frame.arms(read, treatment, keyword="treatment")
        base = arms.control(control)
        y = numbers_or_flags(read, outcome, "outcome")
        left_out = [treatment, outcome]
        if isinstance(propensity, str) and propensity != "estimate":
            left_out.append(propensity)
        names = _frame.chosen_features(read, features, left_out, first_is_id=read.kind != "pandas")
        table = _learn.read_features(read, names)
        refuse_huge(table.columns)
        table = table.without(table.constant())
        if not table.columns:
            msg = f"every feature of {names} is the same in all rows; there is nothing to learn from"
            raise DataError(msg)
        if y.min() == y.max():
            msg = f"column {outcome!r} is {y[0]:g} in all {y.size:,} rows, so that no effect can be seen"
            raise FitError(msg)
        counts = np.bincount(arms.codes, minlength=len(arms.names))
        if counts.min() < LEAST_ROWS:
            few = [str(name) for name, count in zip(arms.names, counts, strict=True) if count < LEAST_ROWS]
            msg = f"column {treatment!r}: fewer than {LEAST_ROWS} rows in {few}; too few to learn a difference of effects from"
            raise DataError(msg)
        rows = cls(read, table, y, arms.codes, arms.names, base)
        rows.propensity = propensity
        return rows

    def tasks(self, base: str, seed: int) -> list[tuple[Task, Any]]:
        """Return one task per arm beside the control, with the places of its rows; in an order that depends on what rows hold."""
        binary = bool(((self.y == 0.0) | (self.y == 1.0)).all())
        found = []
        for code in range(len(self.names)):
            if code == self.base_code:
                continue
            places = np.flatnonzero((self.codes == self.base_code) | (self.codes == code))
            places = places[np.lexsort([*self.X[places].T, self.y[places], self.codes[places]])]
            treated = self.codes[places] == code
            part = (self.X[places], self.indicator, self.columns, self.y[places], treated)
            task = Task(*part, self._chance(places, treated), binary, base, seed)
            found.append((task, places))
        return found

    def _chance(self, places: Any, treated: Bools) -> Floats:
        if self.propensity != "estimate":
            inside = np.isin(np.arange(self.y.size), places)
            given = known_propensity(self.frame, self.propensity, treated, inside)
            # read in the order of the rows, wanted in the order of the task
            back = np.empty(self.y.size, np.int64)
            back[np.flatnonzero(inside)] = np.arange(places.size)
            return np.asarray(given[back[places]])
        chance = np.empty(places.size)
        X = self.X[places]
        for past, now in _learn.stratified_folds(treated, rng=np.random.default_rng(0)):
            chance[now] = _learn.probability(_learn.fit_logistic(X[past], self.indicator, treated[past]).log_odds(X[now]))
        if chance.min() < 0.01 or chance.max() > 0.99:
            count = int(((chance < 0.01) | (chance > 0.99)).sum())
            msg = (
                f"the features tell the arms apart in {count:,} rows (a chance of treatment below 1% or above 99%), so that"
                " nobody like them is in the other arm; leave those customers out"
            )
            raise DataError(msg)
        return chance


def _unseen(task: Task, learner: str, folds: int) -> tuple[Floats, Floats, Floats]:
    """Predict effect and both outcomes of every row by models fitted on the other folds."""
    effect, mu0, mu1 = np.empty(task.y.size), np.empty(task.y.size), np.empty(task.y.size)
    for past, now in folds_of(task, folds, task.seed):
        part, X = task.at(past), task.X[now]
        effect[now] = learn(part, learner).effect(X)
        mu1[now], mu0[now] = (outcome_model(part, rows).mean(X) for rows in (part.treated, ~part.treated))
    return effect, mu0, mu1


def _report(task: Task, effect: Floats, mu0: Floats, mu1: Floats, seed: int) -> ArmReport:
    gamma = effect_scores(task.y, task.treated, task.chance, mu0, mu1)
    ranked = rate(order_of(effect), gamma, "qini")
    p_value = permuted(effect, gamma, 999, np.random.default_rng(seed))
    se = float(gamma.std(ddof=1) / np.sqrt(gamma.size))
    return ArmReport(float(gamma.mean()), se, ranked.value, ranked.se, p_value, float(np.nan_to_num(slope_of(effect, gamma)[0])))


def _diagnosis(arms: Sequence[Any], reports: Sequence[ArmReport]) -> str:
    nothing = [str(arm) for arm, report in zip(arms, reports, strict=True) if report.p_value >= ALPHA or report.qini <= 0.0]
    if not nothing:
        return ""
    where = "" if len(arms) == 1 else f" of {', '.join(nothing)}"
    found = f"no difference in the effect{where} between customers is detectable along its predictions"
    return f"{found}: treat everybody or nobody, or rank by another score"


def _averaged(model: UpliftModel, table: _learn.Table) -> Floats:
    """Give the effects, for rows with categories that were not there in the fit as the mean over those that were."""
    out = model.effects(table.matrix()[0])
    new = {name: table.columns[name] == _learn.UNSEEN for name in table.categories}
    pattern = np.column_stack([*new.values(), np.zeros(table.n, np.bool_)])
    for kind in np.unique(pattern[pattern.any(axis=1)], axis=0):
        rows = np.flatnonzero((pattern == kind).all(axis=1))
        names = [name for name, is_new in zip(new, kind[:-1], strict=True) if is_new]
        part = table.rows(rows)
        mean = np.zeros((rows.size, len(model.arms)))
        for codes, weight in _combinations([np.asarray(model.shares[name]) for name in names]):
            columns = {**part.columns, **{n: np.full(rows.size, c, np.int32) for n, c in zip(names, codes, strict=True)}}
            mean += weight * model.effects(_learn.Table(columns, table.categories, table.missing, rows.size).matrix()[0])
        out[rows] = mean
    return out


def _combinations(shares: list[Floats]) -> list[tuple[tuple[int, ...], float]]:
    """Return combinations of categories with their weights: all of them where they are few, else a fixed sample."""
    if np.prod([float(share.size) for share in shares]) <= COMBINATIONS:
        every = itertools.product(*(range(share.size) for share in shares))
        return [(codes, float(np.prod([share[c] for share, c in zip(shares, codes, strict=True)]))) for codes in every]
    generator = np.random.default_rng(0)
    drawn = [generator.choice(share.size, COMBINATIONS, p=share) for share in shares]
    return [(tuple(int(column[i]) for column in drawn), 1.0 / COMBINATIONS) for i in range(COMBINATIONS)]
