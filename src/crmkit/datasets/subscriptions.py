"""Contracts that end for two reasons, what their holders do meanwhile, and every customer's true hazards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.datasets._names import names
from crmkit.errors import OptionError
from crmkit.results import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Subscriptions", "make_subscriptions"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SECONDS_PER_DAY = 86_400
MONTH = 365.25 / 12  # days
#: Plan -> share of the contracts, price per month, ratio of the hazard to leave to that of the first plan.
PLANS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {"monthly": (0.5, 15.0, 1.0), "yearly": (0.35, 12.0, 0.45), "two years": (0.15, 10.0, 0.2)}
)
#: Payment -> share of the contracts, hazard per year that a payment fails for good.
PAYMENTS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"card": (0.55, 0.12), "direct debit": (0.35, 0.03), "invoice": (0.10, 0.20)}
)
GAP_DAYS = 60.0  # mean time away of those who come back
SURELY_GONE = 40.0  # cumulative hazard that one in 10¹⁷ survives


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Subscriptions(Shown):
    """Simulated contracts, payments and use, and what is true of the customers.

    Attributes
    ----------
    contracts : DataFrame
        One row per contract, by start: ``contract_id``, ``customer_id``, ``start``, ``end`` (missing while it runs), ``plan``,
        ``price`` (per month), ``payment``, ``reason`` ("voluntary", "involuntary", or missing while it runs).
    events : DataFrame
        One row per event, by time: ``customer_id``, ``timestamp``, ``kind`` ("payment", "use", "support"), ``amount`` (the
        price of a payment, else 0).
    truth : DataFrame
        One row per contract, indexed by ``contract_id``: ``customer_id``, ``engagement`` (standard normal), ``risk`` (ratio of
        the hazard to leave to that of a customer with the first plan, mean engagement and no frailty), ``frailty`` (its part
        that nothing seen explains), ``failure_rate`` (hazard per day that a payment fails for good), ``duration`` (days seen),
        ``ended``, and for contracts that run ``p_voluntary`` and ``p_involuntary``: the true probabilities to end for either
        reason within `horizon_days` after the observation (0 for those that have ended).
    parameters : mapping of str to value
        What the contracts were drawn from.

    Examples
    --------
    >>> from crmkit import datasets
    >>> base = datasets.make_subscriptions(n_customers=500)
    >>> base
    Subscriptions: 500 customers, 522 contracts, 290 of them running at the end, 36,465 events
    """

    contracts: pd.DataFrame
    events: pd.DataFrame
    truth: pd.DataFrame
    parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        running = int((~self.truth["ended"]).sum())
        return (
            f"Subscriptions: {self.truth['customer_id'].nunique():,} customers, {len(self.contracts):,} contracts, {running:,} of"
            f" them running at the end, {len(self.events):,} events"
        )


def make_subscriptions(
    *,
    n_customers: int = 1000,
    days: float = 730,
    start: Any = "2023-01-01",
    plans: Mapping[str, tuple[float, float, float]] = PLANS,
    payments: Mapping[str, tuple[float, float]] = PAYMENTS,
    scale: float = 500.0,
    shape: float = 0.8,
    engagement: float = -0.6,
    frailty: float = 0.3,
    uses_per_week: float = 1.5,
    rejoin: float = 0.1,
    horizon_days: float = 90,
    rng: Any = 0,
) -> Subscriptions:
    r"""Simulate a subscription business: who signs, uses, pays, leaves by choice or by a failed payment, and comes back.

    Parameters
    ----------
    n_customers : int, default 1000
        Customers, each with at least one contract.
    days : float, default 730
        Length of the observation; first contracts start evenly over it.
    start : date-like, default "2023-01-01"
        First moment of the observation.
    plans : mapping of str to three numbers, optional
        Plan -> share of the contracts, price per month, and ratio of the hazard to leave to that of the first plan.
    payments : mapping of str to two numbers, optional
        Way of payment -> share of the contracts, and hazard per year that a payment fails for good.
    scale, shape : float, default 500.0 and 0.8
        Of the Weibull distribution, in days, of the time to leave by choice at risk 1; a `shape` below 1 means that the hazard
        falls with age.
    engagement : float, default -0.6
        Effect of one standard deviation of engagement on the logarithm of the hazard to leave; those engaged use more.
    frailty : float, default 0.3
        Standard deviation of what else moves the logarithm of the hazard, seen in nothing.
    uses_per_week : float, default 1.5
        Mean uses per week at mean engagement.
    rejoin : float, default 0.1
        Probability that a customer who left comes back with a new contract, after 60 days on average, if there is time.
    horizon_days : float, default 90
        Days after the end of the observation over which ``p_voluntary`` and ``p_involuntary`` look.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.

    Returns
    -------
    Subscriptions
        `contracts`, `events`, `truth` and `parameters`.

    Raises
    ------
    OptionError
        A parameter is out of its range, or shares do not add up to 1.

    Notes
    -----
    At age :math:`t` days the hazard to leave by choice is :math:`\lambda(t) = \rho\,(k / s)(t / s)^{k-1}` with risk
    :math:`\rho = \text{plan ratio} \cdot \exp(\beta z + \sigma u)`, engagement :math:`z` and frailty :math:`u` standard normal;
    the hazard of a failed payment is constant. Whichever comes first ends the contract. Hazards are proportional, so that a
    Cox model of plan, payment and engagement with ``frailty=0`` has the logarithms of the ratios and `engagement` for its
    coefficients. Uses are Poisson with rates proportional to :math:`\exp(0.5 z - 0.125)`, calls for support to its inverse.
    Payments fall due every twelfth of a year. A new contract is drawn like a first one, the engagement is kept.

    Examples
    --------
    >>> from crmkit import datasets
    >>> base = datasets.make_subscriptions(n_customers=50)
    >>> base.contracts.columns.tolist()
    ['contract_id', 'customer_id', 'start', 'end', 'plan', 'price', 'payment', 'reason']
    >>> bool((base.truth["p_voluntary"] + base.truth["p_involuntary"] <= 1).all())
    True
    """
    n_customers = _options.whole("n_customers", n_customers, low=1)
    positive = {"days": days, "scale": scale, "shape": shape, "horizon_days": horizon_days}
    given = {name: _options.number(name, value, low=0.0, ends=False) for name, value in positive.items()}
    given["engagement"] = _options.number("engagement", engagement, low=-10.0, high=10.0)
    given["frailty"] = _options.number("frailty", frailty, low=0.0, high=10.0)
    given["uses_per_week"] = _options.number("uses_per_week", uses_per_week, low=0.0)
    given["rejoin"] = _options.number("rejoin", rejoin, low=0.0, high=1.0)
    plan_names, plan_terms = _table("plans", plans, 3)
    payment_names, payment_terms = _table("payments", payments, 2)
    first_second = _frame.Clock("s", None).moment(start, keyword="start")
    random = _options.generator(rng)

    z = random.standard_normal(n_customers)
    drawn: list[_Contracts] = []
    customer, begin = np.arange(n_customers), random.uniform(0.0, given["days"], n_customers)
    while customer.size:
        some = _contracts(random, customer, begin, z[customer], plan_terms, payment_terms, given)
        drawn.append(some)
        # who has left may come back, after a while, with a new contract
        back = some.ended & (random.random(customer.size) < given["rejoin"])
        begin = (some.begin + some.duration + random.exponential(GAP_DAYS, customer.size))[back]
        customer = customer[back][begin < given["days"]]
        begin = begin[begin < given["days"]]
    joined = {field.name: np.concatenate([getattr(one, field.name) for one in drawn]) for field in dataclasses.fields(_Contracts)}
    order = np.lexsort((joined["customer"], joined["begin"]))
    found = _Contracts(**{name: values[order] for name, values in joined.items()})

    n = found.customer.size
    customer_ids, contract_ids = names("C", n_customers, digits=5), names("S", n, digits=6)
    starts = first_second + np.floor(found.begin * SECONDS_PER_DAY).astype(np.int64)
    # a contract lasts at least a second: ages and durations are above zero everywhere
    ends = np.maximum(first_second + np.floor((found.begin + found.duration) * SECONDS_PER_DAY).astype(np.int64), starts + 1)
    shown = np.where(found.ended, ends, np.iinfo(np.int64).min)
    reason = np.where(found.voluntary, "voluntary", "involuntary").astype(object)
    reason[~found.ended] = None
    contracts = _frame.table(
        {
            "contract_id": contract_ids,
            "customer_id": customer_ids[found.customer],
            "start": starts.view("datetime64[s]"),
            "end": shown.view("datetime64[s]"),
            "plan": np.array(plan_names, dtype=object)[found.plan],
            "price": plan_terms[found.plan, 1],
            "payment": np.array(payment_names, dtype=object)[found.payment],
            "reason": reason,
        }
    )
    last = first_second + int(np.floor(given["days"] * SECONDS_PER_DAY))
    events = _events(random, found, starts, np.where(found.ended, ends, last), customer_ids, plan_terms, z, given)
    voluntary, involuntary = _probabilities(found, given)
    truth = _frame.table(
        {
            "contract_id": contract_ids,
            "customer_id": customer_ids[found.customer],
            "engagement": z[found.customer],
            "risk": found.risk,
            "frailty": found.frailty,
            "failure_rate": found.failure,
            "duration": found.duration,
            "ended": found.ended,
            "p_voluntary": voluntary,
            "p_involuntary": involuntary,
        }
    ).set_index("contract_id")
    parameters = {
        "n_customers": n_customers,
        "start": str(start),
        "plans": MappingProxyType({name: tuple(row) for name, row in zip(plan_names, plan_terms.tolist(), strict=True)}),
        "payments": MappingProxyType({name: tuple(row) for name, row in zip(payment_names, payment_terms.tolist(), strict=True)}),
        **given,
    }
    return Subscriptions(contracts, events, truth, MappingProxyType(parameters))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Contracts:
    """Contracts as drawn: times in days from the start of the observation."""

    customer: Integers
    begin: Floats
    duration: Floats  # seen
    ended: Bools
    voluntary: Bools
    plan: Integers
    payment: Integers
    risk: Floats
    frailty: Floats
    failure: Floats  # hazard per day


def _contracts(
    random: np.random.Generator,
    customer: Integers,
    begin: Floats,
    z: Floats,
    plans: Floats,
    payments: Floats,
    given: Mapping[str, float],
) -> _Contracts:
    n = customer.size
    plan = random.choice(len(plans), n, p=plans[:, 0])
    payment = random.choice(len(payments), n, p=payments[:, 0])
    frailty = np.exp(given["frailty"] * random.standard_normal(n))
    risk = plans[plan, 2] * np.exp(given["engagement"] * z) * frailty
    failure = payments[payment, 1] / 365.25
    leaves = given["scale"] * (random.standard_exponential(n) / risk) ** (1.0 / given["shape"])
    with np.errstate(divide="ignore"):  # payments that never fail
        fails = random.standard_exponential(n) / failure
    ends = np.minimum(leaves, fails)
    seen = given["days"] - begin
    ended = ends < seen
    return _Contracts(
        customer, begin, np.minimum(ends, seen), ended, ended & (leaves <= fails), plan, payment, risk, frailty, failure
    )


def _events(
    random: np.random.Generator,
    found: _Contracts,
    starts: Integers,
    ends: Integers,
    customer_ids: Any,
    plans: Floats,
    z: Floats,
    given: Mapping[str, float],
) -> Any:
    """Draw payments, uses and calls for support, between the start and the end of each contract."""
    seconds = (ends - starts).astype(np.float64)
    month = MONTH * SECONDS_PER_DAY
    due = np.floor((seconds - 1.0) / month).astype(np.int64) + 1  # the first at the start
    contract = np.repeat(np.arange(due.size), due)
    number = np.arange(contract.size) - np.repeat(np.cumsum(due) - due, due)
    parts = [(contract, starts[contract] + np.floor(number * month).astype(np.int64), 0)]
    lively = np.exp(0.5 * z[found.customer] - 0.125)
    for code, rate in ((1, given["uses_per_week"] * lively), (2, 0.1 * given["uses_per_week"] / lively)):
        count = random.poisson(rate * seconds / (7 * SECONDS_PER_DAY))
        who = np.repeat(np.arange(count.size), count)
        parts.append((who, starts[who] + np.floor(random.random(who.size) * seconds[who]).astype(np.int64), code))
    contract, time = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    kind = np.repeat([code for *_, code in parts], [part[0].size for part in parts])
    order = np.lexsort((kind, found.customer[contract], time))
    contract, time, kind = contract[order], time[order], kind[order]
    return _frame.table(
        {
            "customer_id": _frame.Labelled(_labels(customer_ids), found.customer[contract]),
            "timestamp": time.view("datetime64[s]"),
            "kind": _frame.Labelled(_labels(np.array(["payment", "use", "support"], dtype=object)), kind),
            "amount": np.where(kind == 0, plans[found.plan[contract], 1], 0.0),
        }
    )


def _labels(values: Any) -> _frame.Labels:
    """Keep a short list of text as the frame does: millions of rows are then taken from it, and not read one by one."""
    return _frame.Labels(_frame.table({"values": values}).set_index("values").index, "pandas")


def _probabilities(found: _Contracts, given: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Give the true probabilities to end for either reason in the days to come, of the contracts that run."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    running = np.flatnonzero(~found.ended)
    age, risk, failure = found.duration[running], found.risk[running], found.failure[running]
    k, s = given["shape"], given["scale"]
    voluntary, involuntary = np.zeros(found.ended.size), np.zeros(found.ended.size)
    total = np.zeros(running.size)
    already = (age / s) ** k
    ahead = risk * (((age + given["horizon_days"]) / s) ** k - already)  # cumulative hazard to leave
    # over the cumulative hazard u(t) = ρ ((t / s)^k − (age / s)^k), as far as anybody stays, in parts that grow from 0 on
    low = np.zeros(running.size)
    for share in 4.0 ** np.arange(-10.0, 1.0):
        high = share * np.minimum(ahead, SURELY_GONE)
        for node, weight in zip(nodes, weights, strict=True):
            u = low + 0.5 * (node + 1.0) * (high - low)
            later = s * (already + u / risk) ** (1.0 / k) - age
            total += 0.5 * weight * (high - low) * np.exp(-u - failure * later)
        low = high
    voluntary[running] = total
    involuntary[running] = np.maximum(-np.expm1(-ahead - failure * given["horizon_days"]) - total, 0.0)
    return voluntary, involuntary


def _table(keyword: str, given: Mapping[str, Any], size: int) -> tuple[list[str], Floats]:
    """Check shares, which add up to 1, and what goes with them."""
    try:
        rows = np.array([[float(value) for value in row] for row in given.values()])
    except (AttributeError, TypeError, ValueError):
        rows = np.empty((0, 0))
    if rows.ndim != 2 or rows.shape[0] < 1 or rows.shape[1] != size or not (np.isfinite(rows).all() and (rows >= 0.0).all()):
        msg = f"{keyword}={given!r} is not a mapping of names to {size} numbers of zero or more, the first a share"
        raise OptionError(msg)
    if abs(rows[:, 0].sum() - 1.0) > 1e-9 or (size == 3 and (rows[:, 2] == 0.0).any()):
        msg = f"{keyword}={given!r}: the shares must add up to 1, and ratios of hazards be above 0"
        raise OptionError(msg)
    return [str(name) for name in given], rows
