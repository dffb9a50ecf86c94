"""One retailer, whole: contacts in two systems, orders with refunds, a campaign, a survey, and the truth behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.datasets import experiment as _campaigns
from crmkit.datasets.records import make_records
from crmkit.datasets.survey import make_survey
from crmkit.datasets.transactions import make_transactions
from crmkit.results import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Store", "make_store"]

Integers = npt.NDArray[np.int64]

SYSTEMS = ("shop", "web")
RESPONSE = {"Marketplace": 0.2, "Online": 0.3, "Shop": 0.4}
DRIVERS = {"service": 0.6, "delivery": 0.4, "price": 0.2}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Store(Shown):
    """A simulated retailer; every frame speaks of the same people, and `truth` knows them.

    Attributes
    ----------
    contacts : DataFrame
        One row per contact record, indexed by ``contact_id``: ``system`` ("shop" or "web"), and the columns of `fields`.
        One person may have several records, with errors and gaps.
    fields : mapping of str to str
        What each column of the contacts holds, as `crmkit.dedupe.deduplicate` takes it.
    orders : DataFrame
        One row per order line, by time: ``order_id``, ``contact_id``, ``timestamp``, ``item_id``, ``amount``; negative amounts
        are refunds of lines of the same order.
    survey : DataFrame
        One row per answer: ``contact_id``, ``wave``, ``timestamp``, ``segment``, ``score``, the drivers, and ``weight``, which
        makes segments that answer less often count as much as they should.
    experiment : DataFrame
        One row per person reached by the last campaign: ``contact_id``; what was known before it; ``arm``, ``visited``,
        ``spend``.
    truth : DataFrame
        One row per person: ``purchase_rate`` per week, ``dropout``, ``alive`` at the end, ``expected_spend``, ``segment`` (of
        those who answered), ``records`` (how many contacts), and the effects of the campaign, NaN for those who were not in it.
    people : Series
        The person behind every contact, by ``contact_id``.
    parameters : mapping of str to value
        What it was drawn from; ``nps`` is the true score of the first wave.
    """

    contacts: pd.DataFrame
    fields: Mapping[str, str]
    orders: pd.DataFrame
    survey: pd.DataFrame
    experiment: pd.DataFrame
    truth: pd.DataFrame
    people: pd.Series[Any]
    parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        refunds = int((self.orders["amount"] < 0).sum())
        return (
            f"Store: {len(self.truth):,} people in {len(self.contacts):,} contact records,"
            f" {self.orders['order_id'].nunique():,} orders in {len(self.orders):,} lines ({refunds:,} refunds),"
            f" {len(self.survey):,} answers, {len(self.experiment):,} people in the experiment"
        )


def make_store(
    *,
    n_customers: int = 1000,
    weeks: float = 104,
    duplicates: float = 0.2,
    refunds: float = 0.04,
    start: str = "2023-01-02",
    rng: Any = 0,
) -> Store:
    """Simulate a retailer from end to end: contacts, orders, a survey and a campaign of the same people, with the truth.

    Parameters
    ----------
    n_customers : int, default 1000
        People, 50 or more, each with at least one order.
    weeks : float, default 104
        Length of the observation, 26 or more.
    duplicates : float, default 0.2
        Share of the contact records that are a further record of somebody.
    refunds : float, default 0.04
        Share of order lines that are sent back, some days later.
    start : date-like, default "2023-01-02"
        First moment of the observation.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.

    Returns
    -------
    Store
        Frames that fit together, and the truth.

    Raises
    ------
    OptionError
        A parameter is out of its range.

    Notes
    -----
    Orders follow the story of `make_transactions`, contacts that of `make_records`, answers that of `make_survey` and the
    campaign that of `make_experiment`, whose past is here that of the orders up to four weeks before the end. The campaign's
    visits and spend are not among the orders.

    Examples
    --------
    >>> import crmkit as crm
    >>> store = crm.datasets.make_store(n_customers=200)
    >>> people = crm.dedupe.deduplicate(store.contacts, fields=store.fields)
    >>> orders = store.orders.assign(customer_id=store.orders["contact_id"].map(people.clusters))
    >>> log = crm.events(orders, order="order_id", refunds="subtract")
    >>> log.n_customers > 150
    True
    """
    n = _options.whole("n_customers", n_customers, low=50)
    length = _options.number("weeks", weeks, low=26.0)
    share = _options.number("duplicates", duplicates, low=0.0, high=0.9)
    back = _options.number("refunds", refunds, low=0.0, high=0.5)
    seeds = _options.generator(rng).integers(0, 2**32, 5).tolist()
    draw = np.random.default_rng(seeds[0])
    shop = make_transactions(n_customers=n, weeks=length, acquisition_weeks=0.75 * length, start=start, rng=seeds[1])
    records = make_records(n_records=_records_of(n, share), duplicates=share, start=start, rng=seeds[2])
    lines = shop.transactions
    person = _frame.ids(records.truth.to_frame("person"), "person").codes
    customer = np.searchsorted(np.asarray(shop.truth.index, dtype=object), np.asarray(lines["customer_id"], dtype=object))
    contacts = np.asarray(records.records.index, dtype=object)
    by_person = _Records(person, n)

    order = _frame.ids(lines, "order_id").codes
    first = np.unique(order, return_index=True)[1]
    used = by_person.one_of(draw, customer[first])[order]
    orders = _with_refunds(draw, lines, contacts[used], back)

    answers = make_survey(
        np.arange(n),
        waves=4,
        drivers=DRIVERS,
        response_rate={"Marketplace": 0.2, "Online": 0.3, "Shop": 0.4},
        start=start,
        rng=seeds[3],
    )
    survey, segment = _survey(draw, answers, by_person, contacts)
    campaign, effects = _campaign(np.random.default_rng(seeds[4]), lines, customer, by_person, contacts)

    system = np.array(SYSTEMS, dtype=object)[draw.integers(0, 2, contacts.size)]
    columns: dict[str, Any] = {str(name): records.records[name].array for name in records.records}
    truth: dict[str, Any] = {str(name): shop.truth[name].array for name in shop.truth}
    parameters = {**shop.parameters, "duplicates": share, "refunds": back, "nps": answers.parameters["nps"]}
    return Store(
        _frame.table({"contact_id": contacts, "system": system, **columns}).set_index("contact_id"),
        records.fields,
        orders,
        survey,
        campaign,
        _frame.table(
            {
                "person": np.unique(np.asarray(records.truth, dtype=object)),
                **truth,
                "segment": segment,
                "records": np.bincount(person, minlength=n),
                **effects,
            }
        ).set_index("person"),
        records.truth.rename_axis("contact_id"),
        MappingProxyType(parameters),
    )


class _Records:
    """The contact records of every person."""

    def __init__(self, person: Any, n: int) -> None:
        self.places = np.argsort(person, kind="stable")
        self.count = np.bincount(person, minlength=n)
        self.start = np.cumsum(self.count) - self.count

    def one_of(self, draw: np.random.Generator, who: Any) -> Any:
        """Draw one of the records of each person."""
        return self.places[self.start[who] + (draw.random(who.size) * self.count[who]).astype(np.int64)]


def _records_of(n_people: int, duplicates: float) -> int:
    """Return how many records there are, so that this share of them leaves so many people."""
    n = round(n_people / (1.0 - duplicates))
    while max(n - round(n * duplicates), 1) < n_people:
        n += 1
    while max(n - round(n * duplicates), 1) > n_people:
        n -= 1
    return n


def _with_refunds(draw: np.random.Generator, lines: Any, contact: Any, share: float) -> Any:
    """Return the lines under the contact that ordered, and behind them what was sent back within three weeks."""
    back = np.flatnonzero(draw.random(len(lines)) < share)
    moment = np.asarray(lines["timestamp"]).astype("datetime64[s]")
    later = moment[back] + draw.integers(2 * 86_400, 21 * 86_400, back.size)
    within = later <= moment.max()
    back, later = back[within], later[within]
    rows = np.append(np.arange(len(lines)), back)
    times = np.append(moment, later)
    amount = np.asarray(lines["amount"], dtype=np.float64)
    order = np.argsort(times, kind="stable")
    return _frame.table(
        {
            "order_id": np.asarray(lines["order_id"], dtype=object)[rows][order],
            "contact_id": contact[rows][order],
            "timestamp": times[order],
            "item_id": np.asarray(lines["item_id"], dtype=object)[rows][order],
            "amount": np.append(amount, -amount[back])[order],
        }
    )


def _survey(draw: np.random.Generator, answers: Any, people: _Records, contacts: Any) -> tuple[Any, Any]:
    """Return the answers under contact ids, weighted back to the segments as they are, and every person's segment."""
    table = answers.survey
    asked = answers.truth["customers"].groupby(level="segment").sum()
    given = table["segment"].value_counts()
    weight = (asked / asked.sum()) / (given / given.sum())
    who = np.asarray(table["customer_id"], dtype=np.int64)
    columns = {name: table[name].array for name in table if name not in ("customer_id",)}
    survey = _frame.table(
        {
            "contact_id": contacts[people.one_of(draw, who)],
            **columns,
            "weight": np.asarray(table["segment"].map(weight), dtype=np.float64),
        }
    )
    segment = np.full(people.count.size, None, dtype=object)
    segment[who] = np.asarray(table["segment"], dtype=object)
    return survey, segment


def _campaign(
    draw: np.random.Generator, lines: Any, customer: Any, people: _Records, contacts: Any
) -> tuple[Any, dict[str, Any]]:
    """Draw the campaign of four weeks before the end among those who had bought by then."""
    n = people.count.size
    moment = np.asarray(lines["timestamp"]).astype("datetime64[s]")
    when = moment.max() - np.timedelta64(28, "D")
    past = moment < when
    order = _frame.ids(lines, "order_id").codes
    first = np.unique(order[past], return_index=True)[1]
    orders = np.bincount(customer[past][first], minlength=n)
    spent = np.bincount(customer[past], weights=np.asarray(lines["amount"], dtype=np.float64)[past], minlength=n)
    last = np.full(n, np.iinfo(np.int64).min)
    np.maximum.at(last, customer[past], moment[past].astype(np.int64))
    known = np.flatnonzero(orders > 0)
    recency = np.ceil((when.astype(np.int64) - last[known]) / 86_400).astype(np.int64)
    plan = _campaigns.planned(_campaigns.ARMS, None, 0.15, float(spent[known].sum() / orders[known].sum()))
    purse = np.clip(spent[known] / orders[known] / plan.spend, 0.1, 10.0)
    columns, truth = _campaigns.draw_campaign(draw, plan, recency, orders[known], np.round(spent[known], 2), purse)
    effects = {}
    for name, values in truth.items():
        effects[name] = np.full(n, np.nan)  # those who had not bought by then were not in it
        effects[name][known] = values
    return _frame.table({"contact_id": contacts[people.one_of(draw, known)], **columns}), effects
