"""Fit the probability of churn on any table of features and labels."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _learn, _options
from crmkit._learn import Boosting, Choice, Logistic, Matrix, Table
from crmkit.churn._model import ChurnModel
from crmkit.churn._times import CUTOFF, LABEL_END, Times, read_times
from crmkit.errors import ConvergenceWarning, DataError, DataWarning, FitError

__all__ = ["fit"]

Bools = npt.NDArray[np.bool_]

FEWEST = 5  # rows of either class: one for each fold
FEWEST_FOR_TREES = 200  # rows of either class below which trees are not tried: they would learn noise
CHOICE_ROWS = 100_000  # rows on which candidates are compared, drawn at random from more


def fit(
    frame: Any,
    /,
    *,
    label: str = "churned",
    features: Any = None,
    cutoff: str | None = None,
    model: str = "auto",
    calibration: str = "auto",
    base_rate: float | None = None,
    rng: Any = 0,
    n_threads: int | None = None,
) -> ChurnModel:
    r"""Learn how the probability of churn depends on what is known of a customer.

    Parameters
    ----------
    frame : DataFrame
        One row per customer, or per customer and cutoff as `panel` returns them.
    label : str, default "churned"
        Column that says what came to pass: true or false, or 1 and 0.
    features : sequence of str, optional
        Columns to learn from: numbers, flags, text; some values may be missing. Default: all columns but the label, the
        cutoff and ``label_end``, and, where ids are no index (other frames than pandas, or a panel after ``reset_index``),
        the first, which holds them.
    cutoff : str, optional
        Column, or index level, of the moments the features were taken at; the frame then has ``label_end`` too. Default:
        ``cutoff``, in a frame that has both.
    model : {"auto", "logistic", "boosting", "large_boosting"}, default "auto"
        What to fit: a logistic regression, a small regularised gradient boosting, or a larger one that stops adding trees
        when rows left out gain no more. By default the one with the least log loss on rows left out, or a blend of them
        unless that is worse beyond doubt (two standard errors); with fewer than 200 rows of either label, or nothing to test
        on, the logistic regression.
    calibration : {"auto", "none", "sigmoid", "isotonic"}, default "auto"
        How scores are turned into probabilities that hold. By default whatever helps on rows that neither the model nor the
        calibration has seen, by more than chance explains; isotonic from 1,000 rows of either label on, and for boostings.
    base_rate : float, optional
        The share of churners in the population, where the rows were drawn by label (such as all churners and as many others).
        Probabilities, log loss and Brier score are then those of the population. No other weighting is needed.
    rng : int, Generator or None, default 0
        Deals rows into folds, where there are no cutoffs, and draws them, where there are more than 100,000.
    n_threads : int, optional
        Threads of a boosting on 100,000 rows or more. Default: the cores this process may use. It changes no result.

    Returns
    -------
    ChurnModel
        Frozen; it holds what was learnt and how it scored, and no rows.

    Raises
    ------
    ColumnError
        A column is missing, or no feature is left.
    DataError
        A value is infinite, the label is not 0 or 1, or a column of text is dates, ids or numbers in disguise.
    FitError
        Fewer than 5 rows of either label, or all features are constant.
    OptionError
        `features` names the label, or a column twice, or an option is none of its values.

    Warns
    -----
    DataWarning
        Constant features were left out; or no cutoff lies after the label window of an earlier one, so that there are no
        metrics.
    ConvergenceWarning
        The fit stopped early.

    Notes
    -----
    Logistic regression by penalised maximum likelihood,

    .. math:: \max_\beta \sum_i \log P(y_i \mid x_i) - \tfrac12 \lVert\beta\rVert^2 .

    Numbers and flags are standardised, so their units do not matter. Each value of a text column has a coefficient of its
    own, the penalty makes those of one column sum to zero. The intercept is not penalised: the mean probability over the
    rows fitted on is the share that churned. Where values are missing, that is a term of its own. No class is weighted,
    which would distort probabilities.

    The boostings are those of scikit-learn on the same terms, numbers left as they are: 150 trees of 8 leaves with at least
    40 rows each, or as many trees of 31 leaves with at least 10 rows as the folds ask for, both at learning rate 0.05.

    Candidates are compared on rows left out of the fit. With several cutoffs, each is predicted from the rows whose label
    window had ended by then (expanding and purged). Otherwise, 5 folds with the shares of both labels kept. Each is judged
    as it would be used: calibrated, each fold by the others, or by the earlier ones. A blend is the sum of their log odds,
    with weights of zero or more that maximise the likelihood of the other folds; a logistic regression, which can be read,
    is given up for one only where that gains more than chance explains. The metrics are those of the one chosen;
    choosing makes them too good by a trifle. The model is then fitted on all rows. They are first put in an order that
    depends on what they hold, so that the order they come in changes nothing.

    With `base_rate` :math:`\pi` and the share :math:`\bar y` in the rows, the log odds are moved by
    :math:`\mathrm{logit}\,\pi - \mathrm{logit}\,\bar y`.

    References
    ----------
    le Cessie and van Houwelingen (1992), Ridge estimators in logistic regression, Applied Statistics 41(1).
    Friedman (2001), Greedy function approximation: a gradient boosting machine, Annals of Statistics 29(5).
    Platt (1999), Probabilistic outputs for support vector machines, Advances in Large Margin Classifiers.
    Breiman (1996), Stacked regressions, Machine Learning 24(1).
    King and Zeng (2001), Logistic regression in rare events data, Political Analysis 9(2).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import churn
    >>> customers = pd.DataFrame(
    ...     {
    ...         "tenure": [1, 2, 3, 5, 8, 30, 4, 40, 35, 50, 45, 60],
    ...         "plan": ["month", "month", "year", "month", "month", "year", "month", "year", "month", "year", "year", "year"],
    ...         "churned": [1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0],
    ...     }
    ... )
    >>> model = churn.fit(customers)
    >>> model.kind, model.terms
    ('logistic', ('tenure', 'plan=month', 'plan=year'))
    >>> round(model.probability({"tenure": 2, "plan": "month"}), 2)
    0.81
    """
    _options.choice("model", model, ("auto", *_learn.KINDS))
    _options.choice("calibration", calibration, ("auto", *_learn.METHODS))
    if base_rate is not None:
        base_rate = _options.number("base_rate", base_rate, low=0.0, high=1.0, ends=False)
    random = _options.generator(rng)
    table = _frame.read(frame)
    if len(table) == 0:
        msg = "the frame has no rows"
        raise DataError(msg)
    times = read_times(table, cutoff)
    left_out = [label, *((CUTOFF if cutoff is None else cutoff, LABEL_END) if times else ())]
    # outside pandas, and where a panel's index was turned into columns, the id comes first
    flat = table.kind != "pandas" or (times is not None and table.columns[1:2] == [cutoff or CUTOFF])
    names = _frame.chosen_features(table, features, left_out, first_is_id=flat, part="is known only with the label")
    churned = _learn.read_label(table, label)
    _refuse_few(churned, label)
    read, dropped = _without_constants(_learn.read_features(table, names))
    rows = _in_content_order(read, churned, times)
    several = rows.times is not None and bool((rows.times.cutoff != rows.times.cutoff[0]).any())
    seed = int(random.integers(2**31))
    sample = rows
    if rows.matrix.y.size > CHOICE_ROWS:
        sample = rows.some(np.sort(random.choice(rows.matrix.y.size, CHOICE_ROWS, replace=False)))
    chosen = _learn.choose(
        sample.matrix,
        _learn.later_folds(sample.times.cutoff, sample.times.label_end)
        if several and sample.times is not None
        else _learn.stratified_folds(sample.matrix.y, rng=np.random.default_rng(seed)),
        _candidates(model, churned),
        methods=_learn.METHODS if calibration == "auto" else (calibration,),
        in_time=several,
        base_rate=base_rate,
        seed=seed,
        n_threads=n_threads,
    )
    if chosen.metrics["folds"] == 0:
        _warn_of_no_test()
        validation = "not validated"
    else:
        validation = "later cutoffs from earlier ones" if several else "stratified folds"
    fitted = {
        kind: _learn.fit_kind(kind, rows.matrix, iterations=trees, seed=seed, n_threads=n_threads)
        for kind, trees in chosen.trees.items()
    }
    if any(isinstance(each, Logistic) and not each.converged for each in fitted.values()):
        warnings.warn(
            "the fit stopped before the slope of the likelihood was zero; the model says converged=False. Look for features"
            " on wildly different scales or a few extreme values.",
            ConvergenceWarning,
            stacklevel=2,
        )
    share = float(churned.mean())
    offset = 0.0 if base_rate is None else _logit(base_rate) - _logit(share)
    return _model(read, fitted, chosen, label, dropped, times, base_rate, offset, validation, churned)


def _model(
    read: Table,
    fitted: Mapping[str, Logistic | Boosting],
    chosen: Choice,
    label: str,
    dropped: tuple[str, ...],
    times: Times | None,
    base_rate: float | None,
    offset: float,
    validation: str,
    churned: Bools,
) -> ChurnModel:
    logistic = next((each for each in fitted.values() if isinstance(each, Logistic)), None)
    nothing = np.empty(0)
    return ChurnModel(
        label=label,
        kind=chosen.kind,
        features=tuple(read.columns),
        categories=dict(read.categories),
        shares=read.shares(),
        missing=read.shares_missing(),
        ranges=read.ranges(),
        dropped=dropped,
        cutoffs=() if times is None else times.shown,
        terms=tuple(term for _, term in read.terms()) if logistic else (),
        intercept=logistic.intercept if logistic else None,
        coefficients=logistic.coefficients if logistic else nothing,
        means=logistic.means if logistic else nothing,
        scales=logistic.scales if logistic else nothing,
        penalty=_learn.PENALTY if logistic else None,
        estimators={kind: each.estimator for kind, each in fitted.items() if isinstance(each, Boosting)},
        weights=chosen.weights,
        calibration=chosen.calibration.to_fields(),
        base_rate=base_rate,
        offset=offset,
        log_likelihood=logistic.log_likelihood if logistic else None,
        n=int(churned.size),
        n_churned=int(churned.sum()),
        converged=logistic.converged if logistic else True,
        validation=validation,
        metrics=chosen.metrics,
        candidates=chosen.candidates,
    )


def _candidates(model: str, churned: Bools) -> tuple[str, ...]:
    if model != "auto":
        return (model,)
    rarer = min(int(churned.sum()), int(churned.size - churned.sum()))
    return _learn.KINDS if rarer >= FEWEST_FOR_TREES else ("logistic",)


def _without_constants(read: Table) -> tuple[Table, tuple[str, ...]]:
    dropped = read.constant()
    if not dropped:
        return read, ()
    if len(dropped) == len(read.columns):
        msg = f"every feature has one value only in all rows: {dropped}"
        raise FitError(msg)
    warnings.warn(
        f"features left out because every row has the same value: {dropped}; name the others with features= to say so"
        " yourself. Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
        DataWarning,
        stacklevel=3,
    )
    return read.without(dropped), tuple(dropped)


def _warn_of_no_test() -> None:
    warnings.warn(
        "no cutoff lies after the label window of an earlier one, so nothing is left to test on: the model has no metrics,"
        " and candidates could not be compared; add a cutoff one horizon later."
        " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
        DataWarning,
        stacklevel=3,
    )


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    matrix: Matrix
    times: Times | None

    def some(self, places: npt.NDArray[np.int64]) -> _Rows:
        m = self.matrix
        taken = Matrix(np.asfortranarray(m.X[places]), m.indicator, m.tree_columns, m.y[places])
        return _Rows(taken, None if self.times is None else self.times.rows(places))


def _in_content_order(read: Table, churned: Bools, times: Times | None) -> _Rows:
    X, indicator = read.matrix()
    rows = _Rows(Matrix(X, indicator, _learn.tree_columns(read), churned), times)
    return rows.some(_learn.content_order(X, churned))


def _refuse_few(churned: Bools, label: str) -> None:
    n_true = int(churned.sum())
    n_false = churned.size - n_true
    if min(n_true, n_false) == 0:
        msg = f"all {churned.size:,} rows have {label!r} {int(n_true > 0)}: there is nothing to tell apart"
        raise FitError(msg)
    if min(n_true, n_false) < FEWEST:
        msg = (
            f"{n_true:,} rows have {label!r} 1 and {n_false:,} have 0; at least {FEWEST} of either are needed, and a"
            " trustworthy model needs ten or more for every feature"
        )
        raise FitError(msg)


def _logit(share: float) -> float:
    return math.log(share / (1.0 - share))
