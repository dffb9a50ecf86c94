"""How many customers an experiment takes, or how small an effect so many can show."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

from crmkit import _options
from crmkit.errors import OptionError
from crmkit.results import Shown

__all__ = ["Power", "power"]

NORMAL = NormalDist()
MOST = 10**15  # units
METHODS = ("unpooled", "pooled", "baseline", "arcsine")


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Power(Shown):
    """The size of an experiment and what it can show.

    Attributes
    ----------
    n_control, n_treatment : int
        Units in the control and in each other arm.
    n_total : int
        Units in all arms.
    effect : float
        The difference of the means or shares.
    power : float
        Probability that the test finds it.
    alpha : float
        Two-sided level of the test, before it is shared out over `comparisons`.
    exact : float
        Units in the control before rounding up.
    method : str
        The convention.

    Examples
    --------
    >>> from crmkit import experiment
    >>> print(experiment.power(baseline=0.2, effect=0.05, power=0.8))
    1,091 in the control and 1,091 in the other arm (2,182 in all) show a difference of 0.05 with probability 80% (unpooled).
    """

    n_control: int
    n_treatment: int
    n_total: int
    effect: float
    power: float
    alpha: float
    exact: float
    method: str

    def __str__(self) -> str:
        arms = round((self.n_total - self.n_control) / self.n_treatment)
        others = "the other arm" if arms == 1 else f"each of the {arms} other arms"
        return (
            f"{self.n_control:,} in the control and {self.n_treatment:,} in {others} ({self.n_total:,} in all) show a difference"
            f" of {self.effect:.4g} with probability {self.power:.0%} ({self.method})."
        )


def power(
    *,
    baseline: float | None = None,
    sd: float | None = None,
    effect: float | None = None,
    n: int | None = None,
    power: float | None = None,
    alpha: float = 0.05,
    ratio: float = 1.0,
    treatments: int = 1,
    comparisons: int | None = None,
    method: str = "unpooled",
    variance_ratio: float = 1.0,
    cluster_size: float = 1.0,
    icc: float = 0.0,
) -> Power:
    r"""Plan an experiment: give two of its size, the effect and the power, and get the third.

    Parameters
    ----------
    baseline : float, optional
        Share of successes in the control, for `compare_rates`.
    sd : float, optional
        Standard deviation of the outcome, for `compare_means`: give one of `baseline` and `sd`.
    effect : float, optional
        Smallest difference worth finding: of shares (0.01 is one point) or of means. Not zero; its sign matters for shares.
    n : int, optional
        Units in the control.
    power : float, optional
        Probability of finding the effect, usually 0.8.
    alpha : float, default 0.05
        Two-sided level of the test.
    ratio : float, default 1.0
        Units in each other arm per unit in the control.
    treatments : int, default 1
        Arms beside the control.
    comparisons : int, optional
        Tests that share `alpha` out (Bonferroni): arms times outcomes. Default `treatments`.
    method : {"unpooled", "pooled", "baseline", "arcsine"}, default "unpooled"
        For shares: which variance the test has where there is no effect (see Notes).
    variance_ratio : float, default 1.0
        Share of the variance that CUPED leaves.
    cluster_size : float, default 1.0
        Units per cluster, where clusters are assigned.
    icc : float, default 0.0
        Correlation of two units of one cluster.

    Returns
    -------
    Power
        Sizes are rounded up, and are two units an arm at least; ``exact`` is the control's before that. An unknown `effect` is
        returned as a rise.

    Raises
    ------
    OptionError
        Not two of `n`, `effect` and `power` are given, not one of `baseline` and `sd`, or a share leaves 0 to 1.

    Notes
    -----
    :math:`n = \left(z_{1-\alpha/2} \sigma_0 + z_{power} \sigma_1\right)^2 / \delta^2` with
    :math:`\sigma_1^2 = p_0(1-p_0) + p_1(1-p_1)/\text{ratio}`. :math:`\sigma_0` is the same for "unpooled"; for "pooled" the
    common share takes the place of both; for "baseline" the control's does, as in Evan Miller's calculator. "arcsine" is Cohen's
    :math:`h`. The far tail of the two-sided test is left out, as all of these do, and so is what `compare_means` loses by
    estimating the standard deviation: add two units an arm, which matters where it is fewer than twenty. Clusters multiply the
    variance by :math:`1 + (m - 1)\rho`.

    References
    ----------
    Fleiss, Levin & Paik (2003), Statistical Methods for Rates and Proportions, 3rd edition, chapter 4.
    Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, 2nd edition, chapter 6.

    Examples
    --------
    >>> from crmkit import experiment
    >>> round(experiment.power(baseline=0.2, effect=0.05, power=0.8, method="baseline").exact, 2)
    1030.22
    >>> experiment.power(sd=10, effect=0.3, power=0.8).n_total
    34884
    >>> round(experiment.power(baseline=0.2, n=1000, power=0.8).effect, 4)
    0.0523
    """
    method = _options.choice("method", method, METHODS)
    alpha = _options.number("alpha", alpha, low=0.0, high=1.0, ends=False)
    ratio = _options.number("ratio", ratio, low=1e-6, high=1e6)
    treatments = _options.whole("treatments", treatments, low=1)
    comparisons = treatments if comparisons is None else _options.whole("comparisons", comparisons, low=1)
    inflation = _options.number("variance_ratio", variance_ratio, low=0.0, ends=False)
    size = _options.number("cluster_size", cluster_size, low=1.0)
    inflation *= 1.0 + (size - 1.0) * _options.number("icc", icc, low=0.0, high=1.0)
    if (baseline is None) == (sd is None):
        msg = "give one of baseline= (a share of successes) and sd= (the standard deviation of a mean's outcome)"
        raise OptionError(msg)
    if sum(value is None for value in (n, effect, power)) != 1:
        msg = "give two of n=, effect= and power=, and the third is found"
        raise OptionError(msg)
    # through the lower tail: 1 - tail loses its digits
    critical = -NORMAL.inv_cdf(alpha / comparisons / 2.0)
    signal = _signal(baseline, sd, ratio, method)

    def reached(units: float, difference: float) -> float:
        """Return the power of so many units."""
        null, true, distance = signal(difference)
        return NORMAL.cdf((distance * math.sqrt(units / inflation) - critical * null) / true)

    if n is not None:
        n = _options.whole("n", n, low=2, high=MOST)
    if effect is not None:
        effect = _checked_effect(effect, baseline)
    if power is not None:
        power = _options.number("power", power, low=alpha / comparisons / 2.0, high=1.0, ends=False)
    if n is None:
        null, true, distance = signal(_given(effect))
        reach = math.sqrt(inflation) * (critical * null + NORMAL.inv_cdf(_given(power)) * true)
        if not 0.0 < reach < math.sqrt(MOST) * distance:
            msg = f"effect={effect!r} is so small that it takes more than 1e15 units"
            raise OptionError(msg)
        exact = (reach / distance) ** 2
        n = max(math.ceil(exact - 1e-9), 2)
    else:
        exact = float(n)
        if effect is None:
            effect = _smallest(lambda difference: reached(exact, difference) - _given(power), baseline, sd)
        else:
            power = reached(exact, effect)
    other = max(math.ceil(exact * ratio - 1e-9), 2)
    return Power(n, other, n + treatments * other, float(_given(effect)), float(_given(power)), alpha, float(exact), method)


def _given(value: Any) -> float:
    assert value is not None
    return float(value)


def _checked_effect(effect: Any, baseline: float | None) -> float:
    value = _options.number("effect", effect, low=-1e150, high=1e150)
    if value == 0.0:
        msg = "effect=0: no experiment finds a difference that is not there"
        raise OptionError(msg)
    if baseline is not None and not 0.0 < baseline + value < 1.0:
        msg = f"baseline={baseline!r} and effect={effect!r} make a share of {baseline + value:g}, which is not between 0 and 1"
        raise OptionError(msg)
    return value


def _signal(baseline: float | None, sd: float | None, ratio: float, method: str) -> Callable[[float], tuple[float, float, float]]:
    """Return the function from an effect to the two standard deviations (without and with it) and the distance tested."""
    if baseline is None:
        spread = _options.number("sd", sd, low=1e-100, high=1e100) * math.sqrt(1.0 + 1.0 / ratio)
        return lambda difference: (spread, spread, abs(difference))
    p0 = _options.number("baseline", baseline, low=0.0, high=1.0, ends=False)

    def shares(difference: float) -> tuple[float, float, float]:
        p1 = p0 + difference
        true = math.sqrt(p0 * (1.0 - p0) + p1 * (1.0 - p1) / ratio)
        if method == "arcsine":
            unit = math.sqrt(1.0 + 1.0 / ratio)
            return unit, unit, abs(2.0 * math.asin(math.sqrt(p1)) - 2.0 * math.asin(math.sqrt(p0)))
        common = {"unpooled": None, "pooled": (p0 + ratio * p1) / (1.0 + ratio), "baseline": p0}[method]
        null = true if common is None else math.sqrt(common * (1.0 - common) * (1.0 + 1.0 / ratio))
        return null, true, abs(difference)

    return shares


def _smallest(short: Callable[[float], float], baseline: float | None, sd: float | None) -> float:
    """Return the smallest rise that is found with the power asked for, by bisection: power grows with the rise."""
    low, high = 0.0, 1.0 - baseline if baseline is not None else 1e9 * _given(sd)
    if short(high * (1.0 - 1e-12)) < 0.0:
        msg = "n= is too small: not even the largest possible effect is found with that power"
        raise OptionError(msg)
    for _ in range(200):
        middle = (low + high) / 2.0
        low, high = (middle, high) if short(middle) < 0.0 else (low, middle)
    return high
