"""Hazards in discrete time: the probability to leave in the next period, given that one is still there."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit._kernels import hazard as _k
from crmkit.errors import ConvergenceWarning, FitError
from crmkit.survival import _covariates, _times
from crmkit.survival._climb import climb, standardised
from crmkit.survival._effects import Effects
from crmkit.survival._periods import Periods, periods_of

__all__ = ["HazardModel", "fit_hazard"]

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

LINKS = ("logit", "cloglog")
FAR = 15.0  # range of a term's log effect beyond which it tells events and others apart
FLAT = 1e-4  # smallest curvature per event at which nothing is suspected


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class HazardModel(Effects):
    """A fitted model of the probability to leave in each period.

    Attributes
    ----------
    columns : mapping of str to str
        The columns it was fitted on: ``duration``, ``event``, and ``entry``, ``weight`` where given.
    features : tuple of str
        The columns the hazard depends on.
    terms : tuple of str
        What has a coefficient: a feature of numbers itself, or "feature=category".
    categories : mapping of str to tuple of str
        The values seen of each feature of text; the first is the reference, which has no coefficient.
    dropped : tuple of str
        Features left out because every row had the same value.
    coefficients : array
        Change of the log odds of leaving in a period (of the log hazard with "cloglog") per unit of each term, or against the
        reference.
    covariance : array
        Covariance of the coefficients.
    means : array
        Mean of each term over rows: the baseline is the hazard there.
    ranges : mapping of str to (float, float)
        Smallest and largest value of each feature of numbers among the rows fitted on.
    penalty : float
        Of half the sum of squared coefficients per standard deviation, against the log-likelihood.
    log_likelihood, null_log_likelihood : float
        At the estimate, without the penalty, and where no term matters.
    n, n_events : float
        Rows, and those that ended in the event; sums of weights where there were any.
    converged : bool
        Whether the slope of the log-likelihood per event and standard deviation is below 1e-6.
    iterations : int
        Steps it took.
    link : str
        "logit" or "cloglog".
    width : float
        Length of a period in the unit of the durations.
    stretch_end : array
        Last period of each stretch of periods that share one baseline.
    stretch_hazard : array
        Probability to leave in a period of each stretch, at the means.
    """

    TITLE: ClassVar[str] = "Hazard per period"

    link: str
    width: float
    stretch_end: Longs
    stretch_hazard: Floats

    @property
    def _ratio(self) -> str:
        return "odds_ratio" if self.link == "logit" else "hazard_ratio"

    @property
    def observed_until(self) -> float:
        """The longest time observed: beyond it the hazard is not known."""
        return float(self.stretch_end[-1]) * self.width

    def survival(self, t: Any, values: Mapping[str, Any], *, survived: Any = 0.0) -> Any:
        """Give the probability to last beyond t, having lasted beyond an earlier time.

        Parameters
        ----------
        t : float or array
            Time since the start, in the unit of the durations, not beyond the longest that was observed.
        values : mapping of str to number, str or array
            Every feature of the model.
        survived : float or array, default 0
            Time since the start that the customer is known to have lasted.

        Returns
        -------
        float or ndarray
            Between 0 and 1. Inside a period the hazard is taken to be even.
        """
        late, early = self._checked(t, survived, self.observed_until)
        ratio = np.asarray(self.log_ratio(values))
        shape = np.broadcast(late, early, ratio).shape
        wide = [np.broadcast_to(part, shape).ravel() for part in (late, early, ratio)]
        per_stretch = self._log_stays(wide[2])
        out = np.exp(self._sums(wide[0], per_stretch) - self._sums(wide[1], per_stretch))
        return float(out[0]) if shape == () else out.reshape(shape)

    def _log_stays(self, log_ratio: Floats) -> Floats:
        """Log probability to stay through one period of each stretch, row by row."""
        h = self.stretch_hazard
        if self.link == "cloglog":
            return np.log1p(-h) * np.exp(log_ratio)[:, None]
        eta = np.log(h) - np.log1p(-h) + log_ratio[:, None]
        return np.asarray(-np.logaddexp(0.0, eta), np.float64)

    def _sums(self, time: Floats, log_stays: Floats) -> Floats:
        """Log probability to last beyond a time, row by row."""
        at = time / self.width
        out = np.zeros(at.size)
        first = 0.0
        for q, last in enumerate(self.stretch_end.tolist()):
            out += np.clip(at - first, 0.0, last - first) * log_stays[:, q]
            first = last
        return out

    def __repr__(self) -> str:
        return "\n".join(self._shown(f"{self.link}, periods of {self.width:g} up to {self.stretch_end[-1]}"))


def fit_hazard(
    frame: Any,
    /,
    *,
    duration: str = "duration",
    event: str = "event",
    features: Any = None,
    entry: str | None = None,
    weight: str | None = None,
    reference: Mapping[str, str] | None = None,
    width: float = 1.0,
    link: str = "logit",
    stretches: int = 12,
    penalty: float = 0.0,
) -> HazardModel:
    r"""Learn how probable it is to leave in the next period, by how long one has been there and by what is known.

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
        Columns the hazard may depend on: numbers, flags, text. Default: all columns without another part in the call; outside
        pandas without the first, which holds ids.
    entry : str, optional
        Column with the time at which a row came under observation, if not from the start: where a period begins.
    weight : str, optional
        Column with how many rows each stands for, above 0.
    reference : mapping of str to str, optional
        Of features of text, the category that others are compared with. Default: the first in sorted order.
    width : float, default 1
        Length of a period in the unit of `duration`: 1 for months where durations are in months.
    link : {"logit", "cloglog"}, default "logit"
        Whether terms multiply the odds of leaving in a period, or the hazard in continuous time, which does not depend on
        `width` and is that of `fit_cox`.
    stretches : int, default 12
        Most stretches of periods with a baseline of their own, 1 to 1,000; they are cut so that each has about as many events.
    penalty : float, default 0
        Of half the sum of squared coefficients (per standard deviation of numbers; of categories as they are).

    Returns
    -------
    HazardModel
        Frozen; it holds coefficients, covariance and baseline, and no rows.

    Raises
    ------
    ColumnError
        A column is missing, or no feature is left.
    DataError
        A value is missing or infinite, a duration negative, an event neither 0 nor 1, or at time 0, an entry not before its
        duration or inside a period.
    FitError
        There is no event, or everybody left at once; terms cannot be told apart; or terms tell events and others apart, so that
        their coefficients are infinite: the message names them, and `penalty` keeps them finite.
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
    The hazard of period k is :math:`h_k(x) = g(\alpha_{s(k)} + \beta' (x - \bar x))` with one level per stretch s and the
    logistic or complementary log-log g; a row that was at risk in periods a to b has the likelihood
    :math:`\prod_{k=a}^{b} (1 - h_k)`, with the last factor :math:`h_b` if it ended in the event. This is the regression of
    `hazard_panel`'s event on period and features, without its rows: one pass over rows times stretches.

    References
    ----------
    Prentice and Gloeckler (1978), Regression analysis of grouped survival data with application to breast cancer data,
    Biometrics 34(1).
    Allison (1982), Discrete-time methods for the analysis of event histories, Sociological Methodology 13.

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
    >>> model = survival.fit_hazard(contracts, duration="months", event="left", stretches=2)
    >>> round(model.survival(12, {"plan": "year"}, survived=6), 3)
    0.7
    """
    _options.choice("link", link, LINKS)
    length = _options.number("width", width, low=0.0, ends=False)
    most = _options.whole("stretches", stretches, low=1, high=1000)
    strength = _options.number("penalty", penalty, low=0.0)
    table = _frame.read(frame)
    parts = {"duration": duration, "event": event, "entry": entry, "weight": weight}
    columns = {part: name for part, name in parts.items() if name is not None}
    lives = _times.read(table, duration=duration, event=event, by=None, entry=entry)
    weights = np.ones(lives.duration.size)
    if weight is not None:
        weights = _frame.numbers(table, weight, keyword="weight", positive=True)
    chosen = _frame.chosen_features(
        table, features, list(columns.values()), first_is_id=table.kind != "pandas", purpose="for the hazard to depend on"
    )
    read = _covariates.read(table, chosen, reference)
    periods = periods_of(lives, length, duration, entry)
    covariates, dropped = _covariates.constant_left_out(read, stacklevel=2)
    cut = _stretches(periods, weights, most, event)
    standard = standardised(covariates.matrix, None if weight is None else weights)
    n_events = float(weights @ lives.event)
    ridge = _covariates.ridge(covariates, standard.scales, strength)
    search = _Search(standard.X, periods, _frame.readonly(weights), cut, link == "logit", ridge)
    p, n_stretches = ridge.size, cut.size - 1
    start = search.levels(n_stretches + p)
    null, slopes, information = search.at(start)
    if strength == 0.0:
        flat = _covariates.dependent(_after(information, n_stretches), covariates.terms, n_events)
        if flat:
            msg = (
                f"the data cannot tell what each of these does: {flat}; they follow from each other, or are the same wherever"
                " somebody was at risk. Leave one out, or pass penalty=1.0"
            )
            raise FitError(msg)
    top = climb(search.at, start, (null, slopes, information))
    beta = top.theta[n_stretches:]
    if strength == 0.0:
        _refuse_separated(_after(top.information, n_stretches), beta, standard.X, covariates.terms, n_events)
    slope = float(np.abs(top.gradient).max()) / n_events
    if slope > 1e-6:
        msg = (
            f"the fit stopped after {top.iterations} steps with a slope of {slope:.2g} per event; the model says converged=False."
            " Look for a few extreme values, or pass penalty=1.0"
        )
        warnings.warn(msg, ConvergenceWarning, stacklevel=2)
    covariance = np.linalg.inv(top.information)[n_stretches:, n_stretches:]
    levels = top.theta[:n_stretches]
    hazard = 1.0 / (1.0 + np.exp(-levels)) if link == "logit" else -np.expm1(-np.exp(levels))
    return HazardModel(
        columns=columns,
        features=covariates.features,
        terms=covariates.terms,
        categories=dict(covariates.categories),
        dropped=dropped,
        coefficients=beta / standard.scales,
        covariance=covariance / standard.scales[:, None] / standard.scales,
        means=standard.means,
        ranges=covariates.ranges(),
        penalty=strength,
        log_likelihood=top.value + 0.5 * float(ridge @ beta**2),
        null_log_likelihood=null,
        n=float(weights.sum()),
        n_events=n_events,
        converged=slope <= 1e-6,
        iterations=top.iterations,
        link=link,
        width=length,
        stretch_end=cut[1:],
        stretch_hazard=hazard,
    )


def _stretches(periods: Periods, weight: Floats, most: int, event: str) -> Longs:
    """Cut the periods into stretches with about as many events each; in each somebody left and somebody stayed."""
    last = int(periods.ended.max())
    at_risk, events = np.zeros(last), np.zeros(last)
    _k.stretches(periods.begun, periods.ended, periods.event, _frame.readonly(weight), last, at_risk, events)
    total = float(events.sum())
    if total == 0.0:
        msg = f"no row ended in the event (column {event!r} is 0 throughout): nothing tells who leaves sooner; observe longer"
        raise FitError(msg)
    if (at_risk - events).sum() <= 1e-9 * at_risk.sum():
        msg = "everybody left in the first period seen: there is nothing to tell apart; pass a shorter width="
        raise FitError(msg)
    ends: list[int] = []
    left, stayed, aim = 0.0, 0.0, total / most
    for k in range(last):
        left += events[k]
        stayed += at_risk[k] - events[k]
        if left >= aim * (1.0 - 1e-9) and stayed > 1e-9 * at_risk[k]:
            ends.append(k + 1)
            left, stayed = 0.0, 0.0
    # the rest belongs to the stretch before it
    if ends:
        ends[-1] = last
    else:
        ends = [last]
    return _frame.readonly(np.array([0, *ends], np.int64))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """The search for the maximum, in standardised terms."""

    X: Floats
    periods: Periods
    weight: Floats
    cut: Longs
    logit: bool
    ridge: Floats

    def at(self, theta: Floats) -> tuple[float, Floats, Floats]:
        """Penalised log-likelihood, its gradient and minus its Hessian."""
        gradient, information = np.empty(theta.size), np.empty((theta.size, theta.size))
        value = _k.likelihood(
            self.X, self.periods.begun, self.periods.ended, self.periods.event, self.weight, self.cut,
            _frame.readonly(theta), self.logit, gradient, information,
        )  # fmt: skip
        beta = theta[theta.size - self.ridge.size :]
        gradient[theta.size - self.ridge.size :] -= self.ridge * beta
        return value - 0.5 * float(self.ridge @ beta**2), gradient, information + np.diag(_padded(self.ridge, theta.size))

    def levels(self, size: int) -> Floats:
        """Give the level of each stretch where no term matters, the best there."""
        last = int(self.cut[-1])
        at_risk, events = np.zeros(last), np.zeros(last)
        _k.stretches(self.periods.begun, self.periods.ended, self.periods.event, self.weight, last, at_risk, events)
        h = np.add.reduceat(events, self.cut[:-1]) / np.add.reduceat(at_risk, self.cut[:-1])
        level = np.log(h / (1.0 - h)) if self.logit else np.log(-np.log1p(-h))
        return np.append(level, np.zeros(size - level.size))


def _padded(ridge: Floats, size: int) -> Floats:
    return np.append(np.zeros(size - ridge.size), ridge)


def _after(information: Floats, first: int) -> Floats:
    """Information about the coefficients once the levels are estimated too."""
    levels, cross = np.diag(information)[:first], information[:first, first:]
    return np.asarray(information[first:, first:] - cross.T @ (cross / levels[:, None]), np.float64)


def _refuse_separated(information: Floats, beta: Floats, X: Floats, terms: tuple[str, ...], n_events: float) -> None:
    """Refuse a likelihood that rises for ever, and name the terms along which it does."""
    curvature, directions = np.linalg.eigh(information)
    if curvature[0] > FLAT * n_events:
        return
    effect = X @ (directions[:, 0] * float(directions[:, 0] @ beta))
    if effect.max() - effect.min() < FAR:
        return
    share = np.abs(directions[:, 0]) / np.abs(directions[:, 0]).max()
    named = ", ".join(repr(term) for term, part in zip(terms, share, strict=True) if part > 0.05)
    msg = (
        f"{named}: who left and who stayed can be told apart without error, so the likelihood rises for ever and coefficients are"
        " infinite. Pass penalty=1.0, which keeps them finite; or leave the term out, or merge categories in one of which nobody,"
        " or everybody, left"
    )
    raise FitError(msg)
