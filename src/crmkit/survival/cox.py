"""Proportional hazards: how much sooner or later than others a customer leaves, whatever the hazard over time looks like."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._kernels import cox as _k
from crmkit.errors import ConvergenceWarning, FitError, OptionError
from crmkit.survival import _covariates, _times
from crmkit.survival._climb import FAR, Standard, Summit, climb, standardised
from crmkit.survival._effects import Effects
from crmkit.survival._risk import RiskSets, concordance, risk_sets

__all__ = ["CoxModel", "fit_cox"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Longs = npt.NDArray[np.int64]

TIES = ("efron", "breslow")
SIGNS = ((1.0, "highest"), (-1.0, "lowest"))
FLAT = 1e-4  # curvature per event and standard deviation below which the likelihood may have no maximum
NO_TABLE = np.empty((0, 0))


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class CoxModel(Effects):
    """A fitted model of proportional hazards.

    Attributes
    ----------
    columns : mapping of str to str
        The columns it was fitted on: ``duration``, ``event``, and ``entry``, ``strata``, ``cluster``, ``weight`` where given.
    features : tuple of str
        The columns the hazard depends on.
    terms : tuple of str
        What has a coefficient: a feature of numbers itself, or "feature=category".
    categories : mapping of str to tuple of str
        The values seen of each feature of text; the first is the reference, which has no coefficient.
    dropped : tuple of str
        Features left out because every row had the same value.
    coefficients : array
        Change of the log hazard per unit of each term, or against the reference.
    covariance : array
        Covariance of the coefficients, by `errors`.
    errors : str
        What `covariance` stands on: "model", "robust" (each row by itself) or "cluster".
    means : array
        Mean of each term: the baseline is the hazard there.
    ranges : mapping of str to (float, float)
        Smallest and largest value of each feature of numbers among the rows fitted on.
    ties : str
        How events at one time were taken: "efron" or "breslow".
    penalty : float
        Of half the sum of squared coefficients per standard deviation, against the log-likelihood.
    log_likelihood, null_log_likelihood : float
        Partial log-likelihood at the estimate, without the penalty, and where no term matters.
    n, n_events : float
        Rows, and those that ended in the event; sums of weights where there were any.
    converged : bool
        Whether the slope of the log-likelihood per event and standard deviation is below 1e-6.
    iterations : int
        Steps it took.
    strata : tuple of str
        Strata with a baseline of their own; one empty name where there are none.
    baseline_start : array
        Where the baseline of each stratum begins in the next two, and the end.
    baseline_time, baseline_hazard : array
        Times of events, and the cumulative hazard up to and including them at the means.
    observed_until : array
        The longest time observed in each stratum: beyond it the baseline is not known.
    concordance, concordance_se : float
        Share of comparable pairs in which the customer with the higher hazard left first, on the rows fitted on (0.5: no better
        than chance), and its standard error; NaN where no two rows can be compared.
    proportionality : mapping of str to (float, float, float)
        Of each term, and of ``"all"``: chi-square statistic, degrees of freedom and p-value of the hypothesis that its effect
        does not change over time.
    """

    TITLE: ClassVar[str] = "Proportional hazards (Cox)"

    errors: str
    ties: str
    strata: tuple[str, ...]
    baseline_start: Longs
    baseline_time: Floats
    baseline_hazard: Floats
    observed_until: Floats
    concordance: float
    concordance_se: float
    proportionality: Mapping[str, tuple[float, float, float]]

    def baseline(self) -> Any:
        """Return the hazard at the means of all terms.

        Returns
        -------
        DataFrame
            One row per time with an event: `time`, `cumulative_hazard`, `survival`; behind the stratum, if any.
        """
        columns = {
            "time": self.baseline_time.copy(),
            "cumulative_hazard": self.baseline_hazard.copy(),
            "survival": np.exp(-self.baseline_hazard),
        }
        keys = {}
        if "strata" in self.columns:
            keys[self.columns["strata"]] = np.repeat(np.array(self.strata, object), np.diff(self.baseline_start))
        return _frame.table(columns, keys=keys)

    def survival(self, t: Any, values: Mapping[str, Any], *, survived: Any = 0.0, stratum: str | None = None) -> Any:
        """Give the probability to last beyond t, having lasted beyond an earlier time.

        Parameters
        ----------
        t : float or array
            Time since the start, in the unit of the durations, not beyond the longest that was observed.
        values : mapping of str to number, str or array
            Every feature of the model.
        survived : float or array, default 0
            Time since the start that the customer is known to have lasted.
        stratum : str, optional
            Which of `strata`, where there are several.

        Returns
        -------
        float or ndarray
            Between 0 and 1.
        """
        if stratum is None and len(self.strata) > 1:
            msg = f"the model has several baselines: pass stratum=, one of {list(self.strata)}"
            raise OptionError(msg)
        which = 0 if stratum is None else self.strata.index(_options.choice("stratum", stratum, self.strata))
        late, early = self._checked(t, survived, float(self.observed_until[which]))
        codes = np.full(np.broadcast(late, early).shape, which, np.int64)
        hazard = self._hazard(late, codes) - self._hazard(early, codes)
        ratio = np.exp(self.log_ratio(values))
        out = np.exp(-hazard * ratio)
        return float(out) if np.ndim(out) == 0 else out

    def _hazard(self, time: Any, stratum: Longs) -> Floats:
        """Cumulative hazard at the means."""
        wide, which = np.broadcast_arrays(np.asarray(time, np.float64), stratum)
        out = np.zeros(wide.shape)
        for code in range(len(self.strata)):
            here = which == code
            part = slice(self.baseline_start[code], self.baseline_start[code + 1])
            sums = np.append(0.0, self.baseline_hazard[part])
            out[here] = sums[np.searchsorted(self.baseline_time[part], wide[here], side="right")]
        return out

    def __repr__(self) -> str:
        lines = self._shown(f"ties by {self.ties.title()}")
        statistic, df, p = self.proportionality["all"]
        lines.append(
            f"  {self.errors} standard errors; concordance {self.concordance:.4f} (se {self.concordance_se:.4f}); effects the"
            f" same over time: chi-square {statistic:.2f} on {df:.0f}, p {p:.4f}"
        )
        return "\n".join(lines)


def fit_cox(
    frame: Any,
    /,
    *,
    duration: str = "duration",
    event: str = "event",
    features: Any = None,
    entry: str | None = None,
    strata: str | None = None,
    weight: str | None = None,
    reference: Mapping[str, str] | None = None,
    ties: str = "efron",
    penalty: float = 0.0,
    robust: bool = False,
    cluster: str | None = None,
) -> CoxModel:
    r"""Learn how much sooner or later customers leave, by what is known of them.

    Parameters
    ----------
    frame : DataFrame
        One row per customer or contract; or several, of which each covers the time from `entry` to `duration` in which the
        features had the values of the row, the last one with the event, if it came.
    duration : str, default "duration"
        Column with the time to the event, or to when observation ended: zero or more, in any unit.
    event : str, default "event"
        Column that says whether it ended in the event (1, True) or was still going on when last seen (0, False).
    features : sequence of str, optional
        Columns the hazard may depend on: numbers, flags, text. They must be known from the start (or from `entry`). Default: all
        columns without another part in the call; outside pandas without the first, which holds ids.
    entry : str, optional
        Column with the time at which a row came under observation, on the clock of `duration`, if not from the start.
    strata : str, optional
        Column of groups whose hazard over time may differ in shape: each gets a baseline of its own and no coefficient.
    weight : str, optional
        Column with how many rows each stands for, above 0.
    reference : mapping of str to str, optional
        Of features of text, the category that others are compared with. Default: the first in sorted order.
    ties : {"efron", "breslow"}, default "efron"
        How events at the same time are taken: one after the other in unknown order, or each as if the others were still there.
        Breslow's is the default of some other software; with many ties it draws effects towards zero.
    penalty : float, default 0
        Of half the sum of squared coefficients (per standard deviation of numbers; of categories as they are).
    robust : bool, default False
        Whether standard errors should hold where the model does not: Lin and Wei's sandwich, each row by itself.
    cluster : str, optional
        Column of groups of rows that belong together, such as the rows of one customer; the sandwich then sums over them.

    Returns
    -------
    CoxModel
        Frozen; it holds coefficients, covariance, baseline hazards and tests, and no rows.

    Raises
    ------
    ColumnError
        A column is missing, or no feature is left.
    DataError
        A value is missing or infinite, a duration negative, an event neither 0 nor 1, an entry not before its duration.
    FitError
        There is no event; terms cannot be told apart; or a term orders all events, so that its coefficient is infinite: the
        message names it, and `penalty` keeps it finite.
    OptionError
        An option is not usable, or a column has two parts.

    Warns
    -----
    DataWarning
        Constant features were left out.
    ConvergenceWarning
        The search stopped early.

    Notes
    -----
    The hazard is :math:`h(t \mid x) = h_0(t) \exp(\beta' (x - \bar x))`. With :math:`D_t` the :math:`d_t` events at time t and
    :math:`R_t` those at risk, Efron's partial log-likelihood is

    .. math:: \sum_t \Big[ \sum_{i \in D_t} \beta' x_i - \sum_{l=0}^{d_t - 1} \log\Big( \sum_{j \in R_t} e^{\beta' x_j}
              - \tfrac{l}{d_t} \sum_{j \in D_t} e^{\beta' x_j} \Big) \Big] ,

    Breslow's is the same without the part of l. It is maximised by Newton's method from exact derivatives, halving steps that
    do not gain; features are standardised meanwhile. A row with weight 3 counts as three rows, ties included.

    The baseline hazard jumps by the sum of the reciprocals of the same denominators. The test of proportional hazards is
    Grambsch and Therneau's, of scaled Schoenfeld residuals against one minus the Kaplan-Meier curve; a small p-value says
    that an effect changes over time: put that column into `strata`, or cut time. Standard errors under a penalty are from the
    curvature of the penalised likelihood.

    References
    ----------
    Cox (1972), Regression models and life-tables, JRSS B 34(2).
    Efron (1977), The efficiency of Cox's likelihood function for censored data, JASA 72(359).
    Lin and Wei (1989), The robust inference for the Cox proportional hazards model, JASA 84(408).
    Grambsch and Therneau (1994), Proportional hazards tests and diagnostics based on weighted residuals, Biometrika 81(3).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import survival
    >>> contracts = pd.DataFrame(
    ...     {
    ...         "months": [1, 2, 2, 3, 5, 6, 8, 9, 12, 12],
    ...         "left": [1, 1, 1, 1, 0, 1, 0, 1, 0, 0],
    ...         "plan": ["month", "month", "year", "month", "year", "month", "month", "year", "year", "year"],
    ...     }
    ... )
    >>> model = survival.fit_cox(contracts, duration="months", event="left")
    >>> model.terms, model.coefficients.round(4).tolist()
    (('plan=year',), [-1.625])
    """
    _options.choice("ties", ties, TIES)
    strength = _options.number("penalty", penalty, low=0.0)
    table = _frame.read(frame)
    parts = {"duration": duration, "event": event, "entry": entry, "strata": strata, "cluster": cluster, "weight": weight}
    columns = {part: name for part, name in parts.items() if name is not None}
    # rows of one customer may differ in strata, so that a column can be both strata and cluster
    lives = _times.read(table, duration=duration, event=event, by=None, entry=entry)
    weights = None if weight is None else _frame.numbers(table, weight, keyword="weight", positive=True)
    codes, names = _read_strata(table, strata)
    clusters = None if cluster is None else _frame.ids(table, cluster, keyword="cluster").codes
    chosen = _frame.chosen_features(
        table, features, list(columns.values()), first_is_id=table.kind != "pandas", purpose="for the hazard to depend on"
    )
    covariates, dropped = _covariates.constant_left_out(_covariates.read(table, chosen, reference), stacklevel=2)
    sets = risk_sets(lives, weights, codes)
    n_events = sets.n_events
    if n_events == 0.0:
        msg = f"no row ended in the event (column {event!r} is 0 throughout): nothing tells who leaves sooner; observe longer"
        raise FitError(msg)
    standard = standardised(covariates.matrix, weights, sets.order)
    ridge = _covariates.ridge(covariates, standard.scales, strength)
    search = _Search(standard, sets, ties == "efron", ridge, [])
    start = np.zeros(ridge.size)
    null, slopes, information = search.at(start)
    flat = _covariates.dependent(information, covariates.terms, n_events) if strength == 0.0 else []
    if flat:
        msg = (
            f"the data cannot tell what each of these does: {flat}; at all times at which somebody left, they are the same for"
            " all at risk or follow from each other. Leave one out, or pass penalty=1.0"
        )
        raise FitError(msg)
    top = climb(search.at, start, (null, slopes, information))
    if strength == 0.0:
        search.refuse_monotone(top, covariates.terms)
    slope = float(np.abs(top.gradient).max()) / n_events
    if slope > 1e-6:
        msg = (
            f"the fit stopped after {top.iterations} steps with a slope of {slope:.2g} per event; the model says"
            " converged=False. Look for a few extreme values, or pass penalty=1.0"
        )
        warnings.warn(msg, ConvergenceWarning, stacklevel=2)
    known = search.around(
        top, clusters=None if clusters is None else clusters[sets.order], sandwich=robust or cluster is not None
    )
    starts, times, hazards = _baseline(sets, known.hazard, len(names))
    longest = np.zeros(len(names))
    np.maximum.at(longest, sets.stratum, sets.time)
    # row by row: a matrix product may give equal rows scores that differ in the last bit, and ties would be lost
    score = np.empty(sets.order.size)
    _k.fitted(standard.X, _frame.readonly(top.theta), score)
    share, share_se = concordance(sets, score)
    return CoxModel(
        columns=columns,
        features=covariates.features,
        terms=covariates.terms,
        categories=dict(covariates.categories),
        dropped=dropped,
        coefficients=top.theta / standard.scales,
        covariance=known.covariance / standard.scales[:, None] / standard.scales,
        errors="cluster" if cluster is not None else "robust" if robust else "model",
        means=standard.means,
        ranges=covariates.ranges(),
        ties=ties,
        penalty=strength,
        log_likelihood=top.value + 0.5 * float(ridge @ top.theta**2),
        null_log_likelihood=null,
        n=float(sets.weight.sum()),
        n_events=n_events,
        converged=slope <= 1e-6,
        iterations=top.iterations,
        strata=names,
        baseline_start=starts,
        baseline_time=times,
        baseline_hazard=hazards,
        observed_until=longest,
        concordance=share,
        concordance_se=share_se,
        proportionality=search.proportionality(covariates.terms, known),
    )


def _read_strata(table: _frame.Frame, strata: str | None) -> tuple[Longs | None, tuple[str, ...]]:
    if strata is None:
        return None, ("",)
    codes, names = _covariates.categories_of(table, strata, most=None)
    return codes, names


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """The partial likelihood of standardised terms."""

    standard: Standard
    sets: RiskSets
    efron: bool
    ridge: Floats
    last: list[tuple[Floats, _Swept]]  # the latest point with what was found there

    def sweep(self, beta: Floats, information: Floats, drift: Floats = NO_TABLE, tied_drift: Floats = NO_TABLE) -> _Swept:
        s, groups, p = self.sets, self.sets.time.size, beta.size
        gradient, hazard, tied, mean = np.empty(p), np.zeros(groups), np.zeros(groups), np.zeros((groups, p))
        value = _k.sweep(
            self.standard.X, s.weight, s.event, s.group, s.first_row, s.last_row, s.time, s.leaving, s.entry,
            _frame.readonly(beta), self.efron, gradient, information, hazard, tied, mean, drift, tied_drift,
        )  # fmt: skip
        return _Swept(value, gradient, hazard, tied, mean)

    def at(self, beta: Floats) -> tuple[float, Floats, Floats]:
        """Penalised log-likelihood, its gradient and minus its Hessian."""
        information = np.empty((beta.size, beta.size))
        swept = self.sweep(beta, information)
        self.last[:] = [(beta, swept)]
        value = swept.value - 0.5 * float(self.ridge @ beta**2)
        return value, swept.gradient - self.ridge * beta, information + np.diag(self.ridge)

    def refuse_monotone(self, top: Summit, terms: tuple[str, ...]) -> None:
        """Refuse a likelihood that rises for ever, and name the terms along which it does."""
        s, X = self.sets, self.standard.X
        curvature, directions = np.linalg.eigh(top.information)
        if curvature[0] > FLAT * s.n_events and np.abs(top.theta).max() <= FAR:
            return

        def leads(score: Floats) -> bool:
            return bool(_k.leads(_frame.readonly(score), s.event, s.group, s.first_row))

        single = [f"{term!r} ({end})" for k, term in enumerate(terms) for sign, end in SIGNS if leads(sign * X[:, k])]
        if single:
            msg = (
                f"whoever left had the extreme value of all at risk of {', '.join(single)}, each time: the likelihood rises for"
                " ever and the coefficient is infinite. Pass penalty=1.0, which keeps it finite; or leave the term out, or merge"
                " categories in one of which nobody, or everybody, left"
            )
            raise FitError(msg)
        for direction in (top.theta, directions[:, 0], -directions[:, 0]):
            if leads(X @ direction):
                share = np.abs(direction) / np.abs(direction).max()
                named = ", ".join(repr(term) for term, part in zip(terms, share, strict=True) if part > 0.05)
                msg = (
                    f"a combination of {named} orders all events: the likelihood rises for ever and the coefficients are"
                    " infinite. Pass penalty=1.0, which keeps them finite; or leave a term out, or merge rare categories"
                )
                raise FitError(msg)

    def around(self, top: Summit, *, clusters: npt.NDArray[np.int32] | None, sandwich: bool) -> _Around:
        """Find what the estimate implies: hazards per time, means over risk sets, the covariance."""
        s, X, shape = self.sets, self.standard.X, (self.sets.time.size, top.theta.size)
        inverse = np.asarray(np.linalg.inv(top.information), np.float64)
        if not sandwich:
            beta, swept = self.last[0]
            if beta is not top.theta:  # the latest step was not taken
                swept = self.sweep(top.theta, NO_TABLE)
            return _Around(swept.hazard, swept.mean, inverse, inverse)
        drift, tied_drift = np.zeros(shape), np.zeros(shape)
        swept = self.sweep(top.theta, NO_TABLE, drift, tied_drift)
        residuals = np.empty(X.shape)
        _k.score_residuals(
            X, s.event, s.group, s.first_row, s.time, s.entry, _frame.readonly(top.theta), swept.hazard, swept.tied_hazard,
            swept.mean, drift, tied_drift, residuals,
        )  # fmt: skip
        return _Around(swept.hazard, swept.mean, inverse, inverse @ _squares(residuals, s.weight, clusters) @ inverse)

    def proportionality(self, terms: tuple[str, ...], known: _Around) -> dict[str, tuple[float, float, float]]:
        """Test by Grambsch and Therneau's statistic whether the effect of each term, and of all, stays the same over time."""
        from scipy.special import chdtrc

        s = self.sets
        g = 1.0 - s.kaplan_meier()
        g -= float(s.happened @ g) / s.n_events
        spread = float(s.happened @ g**2)
        if spread <= 1e-12 * s.n_events:
            # all events at one time: effects cannot be seen to change
            return {**dict.fromkeys(terms, (0.0, 1.0, 1.0)), "all": (0.0, float(len(terms)), 1.0)}
        seen = (s.weight * s.event * np.repeat(g, np.diff(s.group))) @ self.standard.X
        drift = seen - (s.happened * g) @ known.mean
        effect = known.inverse @ drift
        single = s.n_events * effect**2 / (np.diag(known.inverse) * spread)
        every = s.n_events * float(drift @ effect) / spread
        found = {term: (float(x), 1.0, float(chdtrc(1, x))) for term, x in zip(terms, single, strict=True)}
        return {**found, "all": (every, float(len(terms)), float(chdtrc(len(terms), every)))}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Swept:
    """What one pass over the risk sets finds."""

    value: float
    gradient: Floats
    hazard: Floats
    tied_hazard: Floats
    mean: Floats


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Around:
    """What the estimate implies, in standardised terms."""

    hazard: Floats  # jump of the baseline at each group's time
    mean: Floats  # of the terms over the risk set of each group, averaged over its events
    inverse: Floats  # of the information
    covariance: Floats


def _baseline(sets: RiskSets, hazard: Floats, n_strata: int) -> tuple[Longs, Floats, Floats]:
    """Cumulative hazard of each stratum at the times of its events, ascending; and where each stratum begins."""
    order = np.lexsort((sets.time, sets.stratum))
    order = order[sets.happened[order] > 0.0]
    starts = np.searchsorted(sets.stratum[order], np.arange(n_strata + 1)).astype(np.int64)
    sums = [np.cumsum(hazard[order[a:b]]) for a, b in itertools.pairwise(starts)]
    return starts, sets.time[order], np.concatenate(sums)


def _squares(residuals: Floats, weight: Floats, clusters: npt.NDArray[np.int32] | None) -> Floats:
    """Sum of the outer products of score residuals, each row or each cluster by itself."""
    weighted = residuals * weight[:, None]
    if clusters is None:
        return np.asarray(weighted.T @ residuals)
    sums = np.column_stack([np.bincount(clusters, column) for column in weighted.T])
    return np.asarray(sums.T @ sums)
