"""What a customer is worth over a life of renewals, and what keeping more of them would add."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from crmkit import _options
from crmkit.errors import OptionError
from crmkit.results import Estimate, Frozen

__all__ = ["RetentionValue", "retention_value"]

FIRST = ("now", "later")
MOST_PERIODS = 100_000


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class RetentionValue(Frozen):
    """What a customer is worth, what it is made of, and what a change would add.

    Attributes
    ----------
    value : float
        Expected discounted margin of a customer: `margin` × `multiple`.
    ci_low, ci_high : float or None
        Ends of its interval, where `retention` came with one.
    multiple : float
        What one unit of margin per period is worth: `lifetime` × `discount_factor`.
    lifetime : float
        Expected number of margins, neither grown nor discounted.
    discount_factor : float
        What waiting for them leaves of them, growth of the margin included; 1 if money later is as good as money now.
    elasticity : mapping of str to float
        Percent that the value changes by if ``retention``, ``churn`` (one less retention), ``margin`` or ``discount`` (the
        annual rate) rises by one percent of itself.
    value_after : float
        The value after the change asked for; `value` if there was none.
    change, relative_change : float
        `value_after` less `value`, and as a share of `value`. The change is what may be spent on it at most, per customer.
    decomposition : mapping of str to float
        The change by what caused it: ``retention``, ``margin``, ``discount``; they add up to `change`.
    longer_life, discounted_away : float
        What raising retention alone would bring if money later were as good as money now, and what waiting takes of it; the two
        add up to its effect.
    parameters : mapping of str to value
        What it was computed from.

    Examples
    --------
    >>> from crmkit import targeting
    >>> worth = targeting.retention_value(retention=0.8, margin=100, annual_discount=0.10)
    >>> round(worth.value, 2), round(worth.lifetime, 2), round(worth.discount_factor, 3)
    (266.67, 4.0, 0.667)
    """

    value: float
    ci_low: float | None
    ci_high: float | None
    multiple: float
    lifetime: float
    discount_factor: float
    elasticity: Mapping[str, float]
    value_after: float
    change: float
    relative_change: float
    decomposition: Mapping[str, float]
    longer_life: float
    discounted_away: float
    parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        around = "" if self.ci_low is None else f" ({self.ci_low:,.6g} to {self.ci_high:,.6g})"
        margin = self.parameters["margin"]
        lines = [
            f"Value of a customer {self.value:,.6g}{around}: margin {margin:,.6g} × {self.lifetime:.4g} margins expected"
            f" × {self.discount_factor:.4g} left by discounting",
            "  one percent more of   " + ", ".join(f"{name} {by:+.3g} %" for name, by in self.elasticity.items()),
        ]
        if self.value_after != self.value:
            parts = ", ".join(f"{name} {part:+,.6g}" for name, part in self.decomposition.items() if part)
            lines.append(
                f"  after the change {self.value_after:,.6g}: {self.change:+,.6g} ({self.relative_change:+.1%}) from {parts}"
            )
            if self.longer_life:
                lines.append(
                    f"  of retention: longer lives {self.longer_life:+,.6g}, discounted away {self.discounted_away:+,.6g}"
                )
        return "\n".join(lines)


def retention_value(
    *,
    retention: float | Estimate,
    margin: float = 1.0,
    annual_discount: float = 0.10,
    to_retention: float | None = None,
    to_margin: float | None = None,
    to_discount: float | None = None,
    periods_per_year: float = 1.0,
    margin_growth: float = 0.0,
    horizon: int | None = None,
    first_margin: str = "later",
) -> RetentionValue:
    r"""Tell what a customer is worth at a constant rate of retention, and what raising it would add.

    Parameters
    ----------
    retention : float or Estimate
        Share of the customers who stay from one period to the next, above 0 and up to 1; an Estimate brings its interval.
    margin : float, default 1
        Margin per customer and period.
    annual_discount : float, default 0.10
        Rate per year at which later money is worth less.
    to_retention, to_margin, to_discount : float, optional
        What retention, margin and annual discount change to. Default: no change.
    periods_per_year : float, default 1
        How often a year customers renew: 12 for months.
    margin_growth : float, default 0
        Growth of the margin of those who stay, per period.
    horizon : int, optional
        Periods to look ahead. Default: without end.
    first_margin : {"later", "now"}, default "later"
        Whether the first margin comes after one period, from those who stayed (the customers of today, who have paid), or now,
        from all (new customers).

    Returns
    -------
    RetentionValue
        Value, its factors, elasticities, and the change with its parts.

    Raises
    ------
    OptionError
        An option is out of its range, or the sum has no end: retention, with growth, outweighs the discount.

    Notes
    -----
    With retention :math:`r`, margin :math:`m`, growth :math:`g` and discount per period :math:`i = (1 + a)^{1/n} - 1`, of those
    who have paid for the present period and without end, as in Gupta and Lehmann (2003),

    .. math:: V = m \sum_{t \ge 1} \frac{r^t (1 + g)^{t-1}}{(1 + i)^t} = m\,\frac{r}{1 + i - r(1 + g)},

    and with a margin now, :math:`V = m\,(1 + i)/(1 + i - r(1 + g))`. A horizon of H periods takes H margins. The elasticity
    to retention is :math:`(1 + i)/(1 + i - r(1 + g))` in the first form and one less in the second; to margin it is 1 in both.

    Changes of several things at once are shared out by their mean effect over all orders in which they could come (Shapley);
    the parts add up exactly.

    The arithmetic takes all customers to be alike. Where they are not, those who leave soon leave first, retention rises with
    age, and the mean rate makes a base look worth less than it is (Fader and Hardie 2010): then fit `crmkit.clv.fit_sbg`. And
    it says what higher retention is worth, not that an effort will raise it.

    References
    ----------
    Gupta and Lehmann (2003), Customers as assets, Journal of Interactive Marketing 17(1).
    Gupta, Lehmann and Stuart (2004), Valuing customers, Journal of Marketing Research 41(1).
    Fader and Hardie (2010), Customer-base valuation in a contractual setting: the perils of ignoring heterogeneity, Marketing
    Science 29(1).

    Examples
    --------
    >>> from crmkit import targeting
    >>> better = targeting.retention_value(retention=0.80, to_retention=0.85, margin=100)
    >>> print(f"{better.value:.1f} {better.change:+.1f} {better.relative_change:+.1%}")
    266.7 +73.3 +27.5%
    >>> round(better.longer_life, 1), round(better.discounted_away, 1)
    (166.7, -93.3)
    """
    _options.choice("first_margin", first_margin, FIRST)
    _options.number("periods_per_year", periods_per_year, low=0.0, ends=False)
    growth = _options.number("margin_growth", margin_growth, low=-1.0, ends=False)
    periods = None if horizon is None else _options.whole("horizon", horizon, low=1, high=MOST_PERIODS)
    around = retention if isinstance(retention, Estimate) else None
    before = {
        "retention": _rate("retention", retention if around is None else around.value, periods),
        "margin": _options.number("margin", margin, low=0.0, ends=False),
        "discount": _options.number("annual_discount", annual_discount, low=0.0),
    }
    after = {
        "retention": before["retention"] if to_retention is None else _rate("to_retention", to_retention, periods),
        "margin": before["margin"] if to_margin is None else _options.number("to_margin", to_margin, low=0.0, ends=False),
        "discount": before["discount"] if to_discount is None else _options.number("to_discount", to_discount, low=0.0),
    }

    def multiple(rate: float, annual: float) -> tuple[float, float]:
        return _multiple(rate, math.expm1(math.log1p(annual) / periods_per_year), growth, periods, first_margin)

    def value(at: Mapping[str, float]) -> float:
        return at["margin"] * multiple(at["retention"], at["discount"])[0]

    def lifetime(rate: float) -> float:
        return _multiple(rate, 0.0, 0.0, periods, first_margin)[0]

    r, annual = before["retention"], before["discount"]
    per_margin, slope = multiple(r, annual)
    was, becomes = value(before), value(after)
    low, high = (
        (None, None)
        if around is None
        else (before["margin"] * multiple(min(max(end, 0.0), 1.0), annual)[0] for end in (around.ci_low, around.ci_high))
    )
    longer = before["margin"] * (lifetime(after["retention"]) - lifetime(r))
    return RetentionValue(
        value=was,
        ci_low=low,
        ci_high=high,
        multiple=per_margin,
        lifetime=lifetime(r),
        discount_factor=per_margin / lifetime(r),
        elasticity=MappingProxyType(
            {
                "retention": slope,
                "churn": -slope * (1.0 - r) / r,
                "margin": 1.0,
                # by way of the discount per period, which the multiple holds beside retention in one ratio
                "discount": -slope * annual / ((1.0 + annual) * periods_per_year),
            }
        ),
        value_after=becomes,
        change=becomes - was,
        relative_change=(becomes - was) / was,
        decomposition=MappingProxyType(_shared_out(before, after, value)),
        longer_life=longer,
        discounted_away=value({**before, "retention": after["retention"]}) - was - longer,
        parameters=MappingProxyType(
            {
                **before,
                "to_retention": to_retention,
                "to_margin": to_margin,
                "to_discount": to_discount,
                "periods_per_year": float(periods_per_year),
                "margin_growth": growth,
                "horizon": periods,
                "first_margin": first_margin,
            }
        ),
    )


def _rate(keyword: str, given: object, periods: int | None) -> float:
    rate = _options.number(keyword, given, low=0.0, high=1.0)
    if rate == 0.0 or (rate == 1.0 and periods is None):
        why = "nobody stays, so there is nothing to value" if rate == 0.0 else "nobody ever leaves: give a horizon"
        msg = f"{keyword}={given!r}: {why}"
        raise OptionError(msg)
    return rate


def _multiple(rate: float, discount: float, growth: float, periods: int | None, first: str) -> tuple[float, float]:
    """Worth of one unit of margin per period, and by how many percent it rises if `rate` rises by one percent of itself."""
    ratio = rate * (1.0 + growth) / (1.0 + discount)
    if periods is None:
        if ratio >= 1.0:
            msg = (
                f"retention {rate:g} with growth {growth:g} outweighs the discount of {discount:g} per period: the sum has no"
                " end; give a horizon"
            )
            raise OptionError(msg)
        total, slope = 1.0 / (1.0 - ratio), ratio / (1.0 - ratio)
    else:
        terms = ratio ** np.arange(periods)
        total = float(terms.sum())
        slope = float(np.arange(periods) @ terms) / total
    return (total, slope) if first == "now" else (total * ratio / (1.0 + growth), slope + 1.0)


def _shared_out(
    before: Mapping[str, float], after: Mapping[str, float], value: Callable[[Mapping[str, float]], float]
) -> dict[str, float]:
    """Share the change of the value out over what changed: the mean over the orders in which it could have."""
    names = list(before)
    orders = list(itertools.permutations(names))
    parts = dict.fromkeys(names, 0.0)
    for order in orders:
        at = dict(before)
        for name in order:
            was = value(at)
            at[name] = after[name]
            parts[name] += (value(at) - was) / len(orders)
    return parts
