"""What is bought together: pairs of items, tested against chance with all pairs that were looked at."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import basket
from crmkit._report.asked import Lacking
from crmkit._report.page import Column, element, figure, table
from crmkit._report.words import INTERVAL, canvas, count, p_value, people, percent, section, truth
from crmkit.errors import LimitError

if TYPE_CHECKING:
    import pandas as pd

    from crmkit._report.asked import Asked
    from crmkit._report.page import Markup

__all__ = ["Baskets", "code", "find", "tell"]

LISTED = 15
LEAST = 10  # baskets that must hold a pair
LEAST_SHARE = 0.002
MOST = 200_000  # pairs
ALPHA = 0.05


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Baskets:
    """Pairs of items in at least a share of the orders, and how sure each rule is."""

    min_support: float
    orders: int
    pairs: int
    rules: pd.DataFrame  # of each pair the surer direction
    significant: int


def find(asked: Asked, _: dict[str, Any]) -> Baskets | Lacking:
    """Look at all pairs of items that enough orders hold."""
    log = asked.log
    if log.items is None:
        return Lacking("the log has no items: name their column with item=")
    orders = log.orders.time.size
    support = max(LEAST_SHARE, LEAST / orders)
    sets = None
    while sets is None:
        try:
            sets = basket.frequent_itemsets(log, min_support=min(support, 1.0), max_len=2, max_rows=MOST)
        except LimitError:
            support *= 2.0
    if not (sets["items"].map(len) == 2).any():
        return Lacking(f"no two items are together in {max(LEAST, int(np.ceil(support * orders)))} of {count(orders)} orders")
    # all pairs are tested, and the p-values answer for all of them
    rules = basket.rules(sets, min_confidence=0.0, adjust="holm")
    pair = [
        tuple(sorted((left[0], right[0]), key=str)) for left, right in zip(rules["antecedent"], rules["consequent"], strict=True)
    ]
    rules = rules.assign(pair=pair).sort_values(["confidence", "lift"], ascending=False, kind="stable")
    rules = rules.drop_duplicates("pair").sort_values(["p_value", "lift"], ascending=[True, False], kind="stable")
    # rarer together than by chance is not "bought together"
    rules = rules[rules["lift"] > 1.0].drop(columns="pair").reset_index(drop=True)
    return Baskets(support, orders, len(set(pair)), rules, int((rules["p_value"] < ALPHA).sum()))


def tell(found: Baskets, asked: Asked) -> Markup:
    """Say which items go together beyond chance."""
    from crmkit import plot

    rules = found.rules
    reading = (
        f"{people(found.pairs, 'pair')} of items are together in at least {percent(found.min_support)} of the"
        f" {count(found.orders)} orders; {count(found.significant)} of them more often than chance explains, with all pairs"
        " accounted for."
    )
    pieces: list[Any] = []
    if len(rules):
        picture = canvas(3.6)
        plot.basket_rules(rules.head(500), ax=picture.axes[0])
        body = [
            (
                str(row["antecedent"][0]),
                str(row["consequent"][0]),
                percent(row["confidence"]),
                f"{row['lift']:.2f}",
                f"{row['ci_low']:.2f} to {row['ci_high']:.2f}",
                percent(row["support"]),
                p_value(row["p_value"]).removeprefix("p = ").removeprefix("p "),
            )
            for _, row in rules.head(LISTED).iterrows()
        ]
        titles = ("Share of these orders", "Times as often as by chance (lift)", INTERVAL, "Share of all orders", "p, adjusted")
        pieces += [
            figure(
                picture, "baskets", "Pairs of items: how often, how sure, how much more than chance.", f"Scatter chart. {reading}"
            ),
            table(
                f"The {min(LISTED, len(rules))} surest of them: who buys the first buys the second",
                [Column("Who buys", "label"), Column("also buys", "label"), *map(Column, titles)],
                body,
            ),
        ]
    else:
        pieces.append(element("p", "No pair is together more often than by chance."))
    if asked.truth is not None and asked.truth.store is not None:
        pieces.append(
            truth(
                "Items of an order are drawn one by one in this store: none calls for another. What goes together beyond"
                " chance are the"
                " favourites of the same customers."
            )
        )
    return section(
        "baskets",
        "What is bought together",
        reading,
        *pieces,
        limits="Together is not because of: a habit, a bundle or a season put items into one order as well. p-values are"
        f" for all {people(found.pairs, 'pair')} tested here; the pairs below the least share were not looked at.",
    )


def code(found: Baskets, _: Asked) -> str:
    """Return the lines that find the pairs."""
    return (
        f"pairs = crm.basket.frequent_itemsets(log, min_support={found.min_support!r}, max_len=2)\n"
        "crm.basket.rules(pairs, min_confidence=0.0, adjust='holm')"
    )
