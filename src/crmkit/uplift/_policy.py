"""What a rule of whom to treat is worth, beside treating everybody and nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crmkit import _frame, _options
from crmkit.errors import OptionError
from crmkit.results import confidence_level, critical_value
from crmkit.uplift._data import Bools, Floats, binary_arm, columns_of, known_propensity, percent, shares_of
from crmkit.uplift._evaluate import numbers_or_flags

__all__ = ["policy_value"]


def policy_value(
    frame: Any,
    /,
    *,
    outcome: str,
    treatment: str,
    policy: str | Sequence[str] | None = None,
    score: str | None = None,
    at: Sequence[float] | None = None,
    cost: float = 0.0,
    control: Any = None,
    arm: Any = None,
    propensity: Any = None,
    outcome_control: str | None = None,
    outcome_treated: str | None = None,
    level: float = 0.95,
) -> Any:
    r"""Tell what a rule of whom to treat would have earned per customer, beside treating everybody, nobody, or as many at random.

    Parameters
    ----------
    frame : DataFrame
        One row per customer of an experiment that the rule was not made from.
    outcome : str
        Column of the outcome in the units of `cost`: spend, margin, or 0 and 1.
    treatment : str
        Column of the arms.
    policy : str or list of str, optional
        Columns that are true where a rule would treat.
    score : str, optional
        Column to rank by instead: the rules treat the highest-ranked share, for each of `at`. Ties at the cut are treated in
        part, so that the order of the rows does not matter.
    at : list of float, optional
        Shares to treat by `score`; default 0.1, 0.2, ... 0.9.
    cost : float, default 0
        Cost of treating one customer.
    control, arm : optional
        The arm that got nothing, as in `fit`, and the arm to look at where there are several.
    propensity : str or float, optional
        The chance of treatment, as a column or a number; default the share treated.
    outcome_control, outcome_treated : str, optional
        Columns with the outcome expected without and with treatment, predicted without these rows (`cross_fitted` gives them):
        the estimate is then doubly robust, and less noisy.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        One row per rule, "treat none" and "treat all" last: ``policy``, ``share`` treated, ``value`` per customer with
        ``ci_low``, ``ci_high``, ``se``; and its paired differences ``over_none``, ``over_all`` and ``over_random`` (as many
        treated at random), each with ``_low`` and ``_high``; ``n`` customers; ``method``.

    Raises
    ------
    ColumnError
        A column is missing.
    DataError
        A value is missing or infinite, there are not two arms of two rows or more, or a propensity is too near 0 or 1.
    OptionError
        Not one of `policy` and `score` is given, or an option is not usable.

    Notes
    -----
    With :math:`\Gamma^1_i = \mu_1 + \frac{t_i}{e_i} (y_i - \mu_1) - \text{cost}` and
    :math:`\Gamma^0_i = \mu_0 + \frac{1 - t_i}{1 - e_i}(y_i - \mu_0)`, the value of a rule :math:`\pi` is the mean of
    :math:`\pi_i \Gamma^1_i + (1 - \pi_i) \Gamma^0_i`. Without outcome models, :math:`\mu` are the means of the arms (method
    "ipw"), with them it is doubly robust ("dr"). Differences are taken customer by customer, so that what two rules share
    cancels. Intervals are normal: too narrow for arms of fewer than thirty (see `qini`).

    References
    ----------
    Dudík, Langford & Li (2011), Doubly robust policy evaluation and learning, ICML.
    Athey & Wager (2021), Policy learning with observational data, Econometrica 89(1).

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from crmkit import uplift
    >>> rng = np.random.default_rng(1)
    >>> taste, treated = rng.normal(size=4000), rng.integers(0, 2, 4000)
    >>> spend = rng.gamma(1.0, 10.0 + 4.0 * treated * (taste > 0))
    >>> frame = pd.DataFrame({"spend": spend, "mail": treated, "keen": taste > 0})
    >>> found = uplift.policy_value(frame, outcome="spend", treatment="mail", policy="keen", cost=1.0)
    >>> found["policy"].tolist(), bool(found["over_none"][0] > 0)
    (['keen', 'treat none', 'treat all'], True)
    """
    level = confidence_level(level)
    cost = _options.number("cost", cost, low=0.0)
    if (policy is None) == (score is None):
        msg = "give one of policy= (columns of true and false) and score= (a column to rank by)"
        raise OptionError(msg)
    if at is not None and score is None:
        msg = "at= holds shares of a ranking: name its column with score="
        raise OptionError(msg)
    if (outcome_control is None) != (outcome_treated is None):
        msg = "outcome_control= and outcome_treated= belong together: both, or neither"
        raise OptionError(msg)
    read = _frame.read(frame)
    rows, treated = binary_arm(read, treatment, control, arm)
    y = numbers_or_flags(read, outcome, "outcome")[rows]
    chance = known_propensity(read, propensity, treated, rows)
    rules = _rules(read, rows, policy, score, at)
    if outcome_control is None:
        mu0, mu1 = np.full(y.size, y[~treated].mean()), np.full(y.size, y[treated].mean())
    else:
        mu0 = _frame.numbers(read, outcome_control, keyword="outcome_control")[rows]
        mu1 = _frame.numbers(read, outcome_treated, keyword="outcome_treated")[rows]
    with_it = mu1 + np.where(treated, (y - mu1) / chance, 0.0) - cost
    without = mu0 + np.where(treated, 0.0, (y - mu0) / (1.0 - chance))
    rules |= {"treat none": np.zeros(y.size), "treat all": np.ones(y.size)}
    return _table(rules, with_it, without, critical_value(level), "ipw" if outcome_control is None else "dr", read.kind)


def _rules(
    frame: _frame.Frame, rows: Bools, policy: str | Sequence[str] | None, score: str | None, shares: Sequence[float] | None
) -> dict[str, Floats]:
    """Return for each rule how much of every customer it treats: 0, 1, or a part where the cut goes through a tie."""
    if policy is not None:
        names = columns_of("policy", policy)
        if {"treat none", "treat all"} & set(names):
            msg = f'policy={policy!r}: "treat none" and "treat all" are rules of their own; name the column otherwise'
            raise OptionError(msg)
        return {str(name): _frame.flags(frame, name, keyword="policy")[rows].astype(np.float64) for name in names}
    values = _frame.numbers(frame, score, keyword="score")[rows]
    wanted = [k / 10 for k in range(1, 10)] if shares is None else shares_of("at", shares)
    falling = np.sort(values)[::-1]
    rules = {}
    for part in wanted:
        count = part * values.size
        cut = falling[min(max(int(np.ceil(count)) - 1, 0), values.size - 1)]
        above, tied = values > cut, values == cut
        rules[f"top {percent(part)} by {score}"] = above + tied * (count - above.sum()) / tied.sum()
    return rules


def _table(rules: dict[str, Floats], with_it: Floats, without: Floats, z: float, method: str, kind: str) -> Any:
    effect = with_it - without
    n = effect.size
    rows: dict[str, list[Any]] = {"policy": [], "share": []}

    def add(name: str, terms: Floats, ends: tuple[str, str], *, spread: Floats | None = None, error: bool = False) -> None:
        value, se = float(terms.mean()), float((terms if spread is None else spread).std(ddof=1) / np.sqrt(n))
        rows.setdefault(name, []).append(value)
        rows.setdefault(ends[0], []).append(value - z * se)
        rows.setdefault(ends[1], []).append(value + z * se)
        if error:
            rows.setdefault("se", []).append(se)

    for name, chosen in rules.items():
        share = float(chosen.mean())
        rows["policy"].append(name)
        rows["share"].append(share)
        add("value", without + chosen * effect, ("ci_low", "ci_high"), error=True)
        for other, base in (("none", 0.0), ("all", 1.0)):
            add(f"over_{other}", (chosen - base) * effect, (f"over_{other}_low", f"over_{other}_high"))
        # a covariance of rule and effect: the effect on everybody cancels, and so does its noise
        apart = (chosen - share) * (effect - effect.mean())
        add("over_random", (chosen - share) * effect, ("over_random_low", "over_random_high"), spread=apart)
    rows["n"] = [n] * len(rules)
    rows["method"] = [method] * len(rules)
    return _frame.table(rows, kind=kind)
