"""Qini: how much of the effect a ranking puts first, with its error, and the same number under each library's name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from crmkit import _frame
from crmkit.errors import DataError
from crmkit.results import Estimate, Frozen, confidence_level
from crmkit.uplift._data import Bools, Floats, column_of, effect_scores, known_propensity
from crmkit.uplift._ranking import Order, Ranking, order_of, rank, rank_few, rate

__all__ = ["Qini", "named_areas", "qini"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Qini(Frozen):
    """How well a score ranks by effect.

    Attributes
    ----------
    qini : Estimate
        Effect gained per customer by treating from the top of the ranking rather than at random, averaged over all shares
        treated. 0 for a ranking at random, in units of the outcome.
    autoc : Estimate
        Mean over all shares of how much larger the effect is among the treated top than over all: it looks at the top.
    effect : Estimate
        The effect of treating everybody, per customer.
    named : mapping
        The area under each library's name (see Notes of `qini`).
    curve : DataFrame
        Down to each distinct score: ``share`` of the customers, ``treated``, ``control``, ``qini`` (incremental responses among
        the treated) and ``gain`` (the same for everybody down to there).

    Examples
    --------
    >>> from crmkit import uplift
    >>> found = uplift.qini([1, 0, 0, 1, 0, 0, 1, 0], [4, 4, 3, 3, 2, 2, 1, 1], [1, 0, 1, 0, 1, 0, 1, 0])
    >>> found.curve["qini"].tolist()
    [0.0, 1.0, 0.0, 0.0, 1.0]
    """

    qini: Estimate
    autoc: Estimate
    effect: Estimate
    named: Mapping[str, float]
    curve: Any

    def __str__(self) -> str:
        return f"Qini {self.qini}\nAUTOC {self.autoc}\neffect of treating everybody {self.effect}"


def qini(y: Any, score: Any, treatment: Any, /, *, propensity: float | None = None, level: float = 0.95) -> Qini:
    r"""Tell how much of a campaign's effect a score puts first, with its standard error, whatever the order of ties.

    Parameters
    ----------
    y : Series, array or list
        Outcome per customer: 0 and 1, or any number such as spend.
    score : Series, array or list
        Predicted effect of the same customers, or anything else to rank by, highest first.
    treatment : Series, array or list
        Whether each customer was treated: True and False, or 1 and 0.
    propensity : float, optional
        The chance of treatment by design; default the share treated.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    Qini
        Areas with their intervals, the area under the name of each library, and the curve.

    Raises
    ------
    DataError
        A value is missing, infinite or of the wrong kind, lengths or indexes differ, or one arm is empty.
    OptionError
        An option is not usable.

    Notes
    -----
    With unbiased scores of the single effects :math:`\Gamma_i = \frac{t_i - e}{e (1 - e)} (y_i - c)` and :math:`G_i` the share of
    customers who score as high or higher, ``qini`` is the mean of :math:`\Gamma_i (1/2 - G_i)` and ``autoc`` that of
    :math:`\Gamma_i (-\ln G_i - 1)`: rank-weighted average treatment effects, whose standard errors come from the influence of
    each customer, the ranks included. Customers with equal scores share the mean of their weights.

    With the curve :math:`Q(k) = Y_t(k) - Y_c(k) N_t(k) / N_c(k)` down to rank :math:`k` and its chord to :math:`Q(N)`, the area
    between them is ``named["area"]``, and with :math:`U(k) = (Y_t(k)/N_t(k) - Y_c(k)/N_c(k))\, k`:

    - ``sklift_qini_auc``: the area over that of the best possible order, treated responders first and control responders last;
      ``sklift_qini_auc_no_negative``: over that of an order without harm. For outcomes of 0 and 1 only.
    - ``sklift_uplift_auc``: the same of :math:`U`, over its best order.
    - ``causalml_qini``: area / ((N + 1) \|Q(N)\|). ``causalml_auuc``: mean of :math:`U` over all ranks, over \|U(N)\|.

    A name whose divisor is exactly zero is NaN. They differ by constants that depend on the data and not on the score, so on one
    data set they rank scores alike (Q and U separately). causalml draws a line through the first ranks, where an arm is still
    empty; scikit-uplift counts that arm as zero.

    References
    ----------
    Radcliffe (2007), Using control groups to target on predicted lift, Direct Marketing Analytics Journal 1(3).
    Yadlowsky, Fleming, Shah, Brunskill & Wager (2025), Evaluating treatment prioritization rules via rank-weighted average
    treatment effects, JASA 120(549).
    Devriendt, Guns & Verbeke (2020), Learning to rank for uplift modeling, IEEE TKDE 34(10).

    Examples
    --------
    >>> import numpy as np
    >>> from crmkit import uplift
    >>> rng = np.random.default_rng(1)
    >>> taste, treated = rng.normal(size=4000), rng.integers(0, 2, 4000)
    >>> bought = rng.random(4000) < 0.2 + 0.1 * treated * (taste > 0)
    >>> found = uplift.qini(bought, taste, treated)
    >>> found.qini.ci_low > 0
    True
    """
    level = confidence_level(level)
    outcome, scores, treated = read_columns(y, score, treatment)
    everyone = np.ones(outcome.size, np.bool_)
    chance = known_propensity(_frame.read(_frame.table({"y": outcome})), propensity, treated, everyone)
    gamma = effect_scores(outcome, treated, chance)
    order = order_of(scores)
    ranking = rank(order, outcome, treated)
    return Qini(
        area_estimate(order, gamma, "qini", level),
        area_estimate(order, gamma, "autoc", level),
        mean_estimate(gamma, level),
        named_areas(ranking, outcome, treated),
        _curve(ranking),
    )


def area_estimate(order: Order, gamma: Floats, weighting: str, level: float) -> Estimate:
    """Return a rank-weighted average effect with its interval."""
    found = rate(order, gamma, weighting)
    return Estimate.normal(found.value, found.se, n=gamma.size, level=level, method="influence")


def mean_estimate(gamma: Floats, level: float) -> Estimate:
    """Return the mean effect with its interval."""
    n = gamma.size
    se = float(gamma.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    return Estimate.normal(float(gamma.mean()), se, n=n, level=level, method="influence")


def read_columns(y: Any, score: Any, treatment: Any) -> tuple[Floats, Floats, Bools]:
    """Read three columns of the same rows."""
    outcome = _numbers_or_flags(y, "y")
    if outcome.size < 2:
        msg = f"y has {outcome.size} rows; a ranking needs customers of both arms"
        raise DataError(msg)
    scores = _frame.numbers(column_of(score, "score"), "score")
    treated = _frame.flags(column_of(treatment, "treatment"), "treatment")
    for name, values, native in (("score", scores, score), ("treatment", treated, treatment)):
        if values.size != outcome.size:
            msg = f"y has {outcome.size:,} rows and {name} {values.size:,}: they must be of the same rows in the same order"
            raise DataError(msg)
        one: Any = getattr(y, "index", None)
        two: Any = getattr(native, "index", None)
        if hasattr(one, "equals") and hasattr(two, "equals") and not one.equals(two):
            msg = f"y and {name} have different indexes: align them first, as with {name}.reindex(y.index), or pass arrays"
            raise DataError(msg)
    return outcome, scores, treated


def _numbers_or_flags(values: Any, name: str) -> Floats:
    frame = column_of(values, name)
    flagged = "bool" in str(getattr(frame.column(name), "dtype", getattr(frame.column(name), "type", ""))).lower()
    return _frame.flags(frame, name).astype(np.float64) if flagged else _frame.numbers(frame, name)


def named_areas(ranking: Ranking, y: Floats, treated: Bools) -> dict[str, float]:
    """Return the areas as other libraries scale them."""
    found = {"area": _between(ranking.rows, _qini_curve(ranking))}
    n, last = ranking.n, _qini_curve(ranking)[-1]
    binary = bool(((y == 0.0) | (y == 1.0)).all())
    uplift_curve = _uplift_curve(ranking)
    if binary:
        benefit, gain = _best_orders(y, treated)
        best = rank_few(benefit, y, treated)
        found["sklift_qini_auc"] = _ratio(found["area"], _between(best.rows, _qini_curve(best)))
        x = np.array([last, n])
        found["sklift_qini_auc_no_negative"] = _ratio(found["area"], _between(x, np.array([last, last])))
        best = rank_few(gain, y, treated)
        found["sklift_uplift_auc"] = _ratio(_between(ranking.rows, uplift_curve), _between(best.rows, _uplift_curve(best)))
    # through the first ranks, where an arm is still empty, a line is drawn
    both = (ranking.treated > 0) & (ranking.control > 0)
    at = np.append(0, ranking.rows[both])
    line = np.interp(ranking.rows, at, np.append(0.0, _qini_curve(ranking)[both]))
    found["causalml_qini"] = _ratio(_between(ranking.rows, line), (n + 1.0) * abs(last))
    lift = np.interp(ranking.rows, at, np.append(0.0, (uplift_curve / ranking.rows)[both]))
    found["causalml_auuc"] = _ratio(_summed(ranking.rows, lift * ranking.rows), (n + 1.0) * abs(uplift_curve[-1]))
    return found


def _best_orders(y: Floats, treated: Bools) -> tuple[Floats, Floats]:
    """Return the scores of the best possible orders that scikit-uplift divides by: for Qini, and for the uplift curve."""
    benefit = np.where(treated, y, -y)
    control_responders = (~treated & (y == 1.0)).sum()
    treated_others = (treated & (y == 0.0)).sum()
    second = y if control_responders > treated_others else treated
    return benefit, 2.0 * (y == treated) + second


def _qini_curve(ranking: Ranking) -> Floats:
    control = ranking.control
    share = np.divide(ranking.treated, control, out=np.zeros(control.size), where=control > 0)
    return np.asarray(ranking.y_treated - ranking.y_control * share)


def _uplift_curve(ranking: Ranking) -> Floats:
    control = ranking.control
    up = np.divide(ranking.y_treated, ranking.treated, out=np.zeros(control.size), where=ranking.treated > 0)
    down = np.divide(ranking.y_control, control, out=np.zeros(control.size), where=control > 0)
    return np.asarray((up - down) * ranking.rows)


def _between(x: Any, values: Floats) -> float:
    """Return the area between a curve from the origin and the chord to its end."""
    x, values = np.append(0.0, x), np.append(0.0, values)
    return float(np.trapezoid(values, x) - x[-1] * values[-1] / 2.0)


def _summed(x: Any, values: Floats) -> float:
    """Return the sum of a curve over all ranks, straight between the distinct scores."""
    x, values = np.append(0.0, x), np.append(0.0, values)
    return float(np.trapezoid(values, x) + values[-1] / 2.0)


def _ratio(top: float, bottom: float) -> float:
    # an effect of exactly zero has no share that could come first
    return top / bottom if bottom != 0.0 else float("nan")


def _curve(ranking: Ranking) -> Any:
    return _frame.table(
        {
            "share": np.append(0.0, ranking.rows / ranking.n),
            "treated": np.append(0, ranking.treated),
            "control": np.append(0, ranking.control),
            "qini": np.append(0.0, _qini_curve(ranking)),
            "gain": np.append(0.0, _uplift_curve(ranking)),
        }
    )
