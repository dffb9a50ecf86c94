"""A randomised campaign in which the true effect on every customer is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, _options
from crmkit.datasets._names import names
from crmkit.errors import OptionError
from crmkit.results import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ARMS", "Experiment", "Plan", "draw_campaign", "make_experiment", "planned"]

#: Arm -> what it adds to the log odds of a visit: for everybody, and per unit of how much a customer is moved by offers.
ARMS: Mapping[str, tuple[float, float]] = MappingProxyType({"letter": (0.10, 0.05), "voucher": (0.25, 0.45)})
CHANNELS = ("app", "shop", "web")
REGIONS = ("east", "north", "south", "west")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Experiment(Shown):
    """A simulated campaign with what it changed.

    Attributes
    ----------
    customers : DataFrame
        One row per customer: ``customer_id``; known before the campaign ``recency_days``, ``orders``, ``spend_before``,
        ``newsletter``, ``channel``, ``region``; ``arm``; and afterwards ``visited`` (0 or 1) and ``spend``.
    truth : DataFrame
        On the index of the customers' rows, per arm other than "control": the true effect on the probability of a visit,
        ``visited_<arm>``, and on expected spend, ``spend_<arm>``; ``visited_control`` and ``spend_control`` are the levels
        without a campaign.
    parameters : mapping of str to value
        What it was drawn from.
    """

    customers: pd.DataFrame
    truth: pd.DataFrame
    parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        shares = self.customers["arm"].value_counts().sort_index()
        arms = ", ".join(f"{arm} {count:,}" for arm, count in shares.items())
        return f"Experiment: {len(self.customers):,} customers ({arms})"


def make_experiment(
    *,
    n_customers: int = 20_000,
    arms: Mapping[str, tuple[float, float]] = ARMS,
    shares: Mapping[str, float] | None = None,
    visits: float = 0.15,
    spend: float = 40.0,
    rng: Any = 0,
) -> Experiment:
    """Simulate a randomised campaign: who was sent what, who came, what they spent, and what each would have done otherwise.

    Parameters
    ----------
    n_customers : int, default 20000
        Customers, 10 or more.
    arms : mapping of str to two floats, optional
        Arm -> what it adds to the log odds of a visit: for everybody, and per unit of how much offers move a customer (standard
        normal over customers; newsletter readers and app users are moved more, and frequent buyers less). (0, 0) does nothing,
        the second 0 does the same for all. "control" is always there.
    shares : mapping of str to float, optional
        Share of the customers in each arm, "control" included; default the same for all.
    visits : float, default 0.15
        Mean probability of a visit without a campaign, roughly.
    spend : float, default 40.0
        Mean spend of a visit.
    rng : int, Generator or None, default 0
        Seed, or a Generator; the same seed gives the same bits.

    Returns
    -------
    Experiment
        The customers, and the true effects.

    Raises
    ------
    OptionError
        An argument is not usable.

    Notes
    -----
    Customers who come often without a campaign are not those whom it moves: ranking by who will come, or by who is lost, finds
    other customers than ranking by effect. Spend before the campaign is correlated with spend after it (`experiment.cuped`).

    Examples
    --------
    >>> from crmkit import datasets, experiment
    >>> campaign = datasets.make_experiment(n_customers=3000)
    >>> found = experiment.compare_rates(campaign.customers, outcome="visited")
    >>> found.table["arm"].tolist()
    ['letter', 'voucher']
    """
    n = _options.whole("n_customers", n_customers, low=10)
    generator = _options.generator(rng)
    plan = planned(arms, shares, visits, spend)
    taste = generator.gamma(2.0, 0.5, n)  # how often they buy anyway
    orders = generator.poisson(4.0 * taste) + 1
    recency = np.ceil(generator.exponential(120.0 / (0.3 + taste), n)).astype(np.int64)
    purse = generator.lognormal(-0.08, 0.4, n)  # what they spend, beside the mean: about 1
    before = np.round(orders * plan.spend * purse * generator.lognormal(-0.02, 0.2, n), 2)
    columns, truth = draw_campaign(generator, plan, recency, orders, before, purse)
    customers = _frame.table({"customer_id": names("C", n, digits=5), **columns})
    parameters = {"n_customers": n, "arms": plan.arms, "shares": plan.shares, "visits": plan.visits, "spend": plan.spend}
    return Experiment(customers, _frame.table(truth), MappingProxyType(parameters))


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """A campaign as it was asked for, checked."""

    arms: Mapping[str, tuple[float, float]]
    shares: Mapping[str, float]  # the control first
    visits: float
    spend: float


def planned(arms: Any, shares: Any, visits: Any, spend: Any) -> Plan:
    """Check what a campaign is to be drawn from."""
    effects = _effects(arms)
    return Plan(
        effects,
        _shares(shares, effects),
        _options.number("visits", visits, low=0.0, high=1.0, ends=False),
        _options.number("spend", spend, low=0.0, ends=False),
    )


def draw_campaign(
    generator: np.random.Generator, plan: Plan, recency: Any, orders: Any, before: Any, purse: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw arms and outcomes of customers with such a past; return their columns, and the true effects."""
    n = orders.size
    newsletter = generator.random(n) < 0.4
    channel = generator.choice(len(CHANNELS), n, p=[0.3, 0.3, 0.4])
    region = generator.choice(len(REGIONS), n)
    moved = 0.9 * (newsletter - 0.4) + 0.8 * ((channel == 0) - 0.3) - 0.5 * (np.log1p(orders) - 1.5) + generator.normal(0, 0.5, n)
    moved = moved / moved.std()
    base = np.log(plan.visits / (1.0 - plan.visits)) + 0.8 * (np.log1p(orders) - 1.5) - 0.003 * (recency - 120)
    base += 0.2 * (channel == 1)

    names_of_arms = list(plan.shares)
    arm = generator.choice(len(names_of_arms), n, p=list(plan.shares.values()))
    chance = {"control": _odds(base)} | {name: _odds(base + a + b * moved) for name, (a, b) in plan.arms.items()}
    expected = np.column_stack([chance[name] for name in names_of_arms])
    visited = generator.random(n) < expected[np.arange(n), arm]
    paid = np.where(visited, np.round(plan.spend * purse * generator.lognormal(-0.125, 0.5, n), 2), 0.0)
    columns = {
        "recency_days": recency,
        "orders": orders,
        "spend_before": before,
        "newsletter": newsletter.astype(np.int64),
        "channel": np.array(CHANNELS, dtype=object)[channel],
        "region": np.array(REGIONS, dtype=object)[region],
        "arm": np.array(names_of_arms, dtype=object)[arm],
        "visited": visited.astype(np.int64),
        "spend": paid,
    }
    truth = {"visited_control": chance["control"], "spend_control": chance["control"] * plan.spend * purse}
    for name in plan.arms:
        truth[f"visited_{name}"] = chance[name] - chance["control"]
        truth[f"spend_{name}"] = (chance[name] - chance["control"]) * plan.spend * purse
    return columns, truth


def _odds(log_odds: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-log_odds))


def _effects(arms: Any) -> dict[str, tuple[float, float]]:
    if not isinstance(arms, Mapping) or not arms or "control" in arms:
        msg = f"arms={arms!r} is not a mapping of one or more arms beside the control to two numbers, such as {dict(ARMS)}"
        raise OptionError(msg)
    found = {}
    for name, pair in arms.items():
        if not isinstance(name, str) or not isinstance(pair, (tuple, list)) or len(pair) != 2:
            msg = f"arms[{name!r}]={pair!r} is not a pair of numbers: for everybody, and per unit of how much offers move"
            raise OptionError(msg)
        found[name] = (
            _options.number(f"arms[{name!r}][0]", pair[0], low=-10.0, high=10.0),
            _options.number(f"arms[{name!r}][1]", pair[1], low=-10.0, high=10.0),
        )
    return found


def _shares(shares: Any, effects: Mapping[str, Any]) -> dict[str, float]:
    arms = ["control", *effects]
    if shares is None:
        return dict.fromkeys(arms, 1.0 / len(arms))
    if not isinstance(shares, Mapping) or sorted(map(str, shares)) != sorted(arms):
        msg = f"shares={shares!r} does not give each of {arms} its share"
        raise OptionError(msg)
    found = [_options.number(f"shares[{name!r}]", shares[name], low=0.0, ends=False) for name in arms]
    return {name: share / sum(found) for name, share in zip(arms, found, strict=True)}
