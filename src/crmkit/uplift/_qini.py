"""Qini: how much of the effect a ranking puts first, with its error, and the same number under each library's name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from crmkit import _frame
from crmkit.errors import DataError
from crmkit.results import Estimate, Frozen, confidence_level
from crmkit.uplift._data import Bools, Floats, column_of, effect_scores, known_propensity, within_range
from crmkit.uplift._ranking import Areas, Longs, Ranking, order_of, rank, rank_cells, rate_in_order

__all__ = ["Qini", "named_areas", "qini"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
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
        A value is missing, infinite or of the wrong kind, lengths or indexes differ, or an arm has fewer than two rows.
    OptionError
        An option is not usable.

    Notes
    -----
    With unbiased scores of the single effects :math:`\Gamma_i = \frac{t_i - e}{e (1 - e)} (y_i - c)` and :math:`G_i` the share of
    customers who score as high or higher, ``qini`` is the mean of :math:`\Gamma_i (1/2 - G_i)` and ``autoc`` that of
    :math:`\Gamma_i (-\ln G_i - 1)`: rank-weighted average treatment effects, whose standard errors come from the influence of
    each customer, the ranks included. Customers with equal scores share the mean of their weights. Intervals are normal: with 8
    customers in the smaller arm one of 95 % for the effect holds in 90 % of samples, with 4 in 85 %, with 30 in 94 %.

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
    areas = ranking.areas()
    falling = gamma[order.places]
    return Qini(
        area_estimate(order.ends, falling, "qini", level),
        area_estimate(order.ends, falling, "autoc", level),
        mean_estimate(gamma, level),
        named_areas(ranking, areas, outcome, treated),
        _curve(ranking, areas),
    )


def area_estimate(ends: Longs, gamma: Floats, weighting: str, level: float) -> Estimate:
    """Return a rank-weighted average effect with its interval; rows are in falling order."""
    found = rate_in_order(ends, gamma, weighting)
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
    return _frame.flags(frame, name).astype(np.float64) if flagged else within_range(_frame.numbers(frame, name), name)


def named_areas(ranking: Ranking, areas: Areas, y: Floats, treated: Bools) -> dict[str, float]:
    """Return the areas as other libraries scale them."""
    found = {"area": areas.qini_area}
    n, last = float(ranking.rows[-1]), float(areas.qini[-1])
    if ((y == 0.0) | (y == 1.0)).all():
        # treated responders first and control responders last
        best = rank_cells((0.0, -1.0, 0.0, 1.0), y, treated).areas()
        found["sklift_qini_auc"] = _ratio(areas.qini_area, best.qini_area)
        # without harm the curve rises one for one to its end, and stays there
        found["sklift_qini_auc_no_negative"] = _ratio(areas.qini_area, last * (n - last) / 2.0)
        # responders of the treatment and the silent control first; of the rest, those in the smaller of the two groups last
        ahead = (~treated & (y == 1.0)).sum() > (treated & (y == 0.0)).sum()
        best = rank_cells((2.0, 1.0, 0.0, 3.0) if ahead else (2.0, 0.0, 1.0, 3.0), y, treated).areas()
        found["sklift_uplift_auc"] = _ratio(areas.gain_area, best.gain_area)
    found["causalml_qini"] = _ratio(areas.qini_line, (n + 1.0) * abs(last))
    found["causalml_auuc"] = _ratio(areas.gain_sum, (n + 1.0) * abs(float(areas.gain[-1])))
    return found


def _ratio(top: float, bottom: float) -> float:
    # an effect of exactly zero has no share that could come first
    return top / bottom if bottom != 0.0 else float("nan")


def _curve(ranking: Ranking, areas: Areas) -> Any:
    def from_zero(values: Any) -> Any:
        out = np.empty(values.size + 1, values.dtype)
        out[0], out[1:] = 0, values
        return out

    return _frame.table(
        {
            "share": from_zero(ranking.rows / ranking.rows[-1]),
            "treated": from_zero(ranking.treated),
            "control": from_zero(ranking.rows - ranking.treated),
            "qini": from_zero(areas.qini),
            "gain": from_zero(areas.gain),
        }
    )
