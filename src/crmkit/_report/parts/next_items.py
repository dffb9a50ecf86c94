"""What customers will buy next: models tried on a later time, and the lists of the one that foresaw most."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import recommend
from crmkit._report.asked import Lacking, days_of
from crmkit._report.page import Column, element, figure, table
from crmkit._report.words import INTERVAL, PERCENT, canvas, count, people, percent, section, signed, truth
from crmkit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from crmkit._report.asked import Asked
    from crmkit._report.page import Markup

__all__ = ["NextItems", "code", "find", "tell"]

K = 10
SHOWN = 10  # customers whose lists are shown
EACH = 5  # items each
EASE = 3000  # items up to which the full matrix of items is worked out
LONGEST = 90  # days to foresee
# name of a model -> the function that fits it
FITS: dict[str, Any] = {
    "most bought": recommend.fit_popularity,
    "bought again": recommend.fit_frequency,
    "items alike": recommend.fit_item_knn,
    "EASE": recommend.fit_ease,
}
FIRST = "most bought"
KINDS = {"all": "everything", "repeat": "what they had bought before", "new": "what was new to them"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NextItems:
    """How well each model foresaw the last weeks, and lists from all there is."""

    when: str
    result: recommend.Evaluation
    best: dict[str, str]  # by kind of items
    lists: pd.DataFrame
    customers: int
    items: int


def find(asked: Asked, found: dict[str, Any]) -> NextItems | Lacking:
    """Try the models on the last weeks, and make lists with the best.

    Raises
    ------
    DataError
        The log has no items, or too little in it to be foreseen.
    """
    log = asked.log
    if log.items is None:
        return Lacking("the log has no items: name their column with item=")
    if len(log.items) < K:
        return Lacking(f"there are {people(len(log.items), 'different item')}: a list of {K} would hold them all")
    first, last = days_of(log)
    days = min(LONGEST, (last - first + 1) // 4)
    if days < 1:
        msg = "the log spans too few days to hold some of them out"
        raise DataError(msg)
    when = log.clock.date(last + 1 - days)
    split = recommend.split_by_time(log, when=when)
    result = recommend.evaluate(_models(recommend.interactions(split.train)), split, k=K)
    best = {}
    for kind in KINDS:
        rows = result.metrics[(result.metrics["items"] == kind) & (result.metrics["metric"] == "recall")]
        if len(rows):
            best[kind] = str(rows["model"].iloc[int(np.argmax(rows["value"].to_numpy()))])
    seen = recommend.interactions(log)
    lists = recommend.top_items(FITS[best["all"]](seen), _who(asked, found), k=EACH, exclude="nothing")
    return NextItems(when, result, best, lists, log.n_customers, len(log.items))


def _models(seen: recommend.Interactions) -> dict[str, Any]:
    return {name: fit(seen) for name, fit in FITS.items() if name != "EASE" or len(seen.items) <= EASE}


def _who(asked: Asked, found: dict[str, Any]) -> list[Any]:
    """Choose the customers whose lists are shown: the most valuable, else the first."""
    value = found.get("value")
    if value is None:
        return list(asked.log.customers[:SHOWN])
    rows = value.table
    measure = "value" if value.value is not None else "purchases"
    return list(rows.index[np.argsort(-rows[measure].to_numpy(), kind="stable")[:SHOWN]])


def tell(found: NextItems, asked: Asked) -> Markup:
    """Say how much of what was bought the lists held, and show some."""
    from crmkit import plot

    metrics = found.result.metrics
    recall = metrics[metrics["metric"] == "recall"].set_index(["items", "model"])
    rows: list[Any] = []
    for kind, words in KINDS.items():
        if kind not in recall.index.get_level_values(0):
            continue
        for model, row in recall.loc[kind].iterrows():
            marked = " (best)" if found.best.get(kind) == model else ""
            rows.append(
                (
                    f"{model}{marked}",
                    words,
                    percent(row["value"]),
                    f"{percent(row['ci_low'])} to {percent(row['ci_high'])}",
                    _against(found, kind, model),
                    count(row["n"]),
                )
            )
    best = found.best["all"]
    at_best = recall.loc[("all", best)]
    reading = (
        f"A list of {K} items per customer, made with the purchases before {found.when}, would have held"
        f" {percent(at_best['value'])} of what they went on to buy (95{PERCENT} interval {percent(at_best['ci_low'])} to"
        f" {percent(at_best['ci_high'])}): ‘{best}’ foresaw most."
    )
    picture = canvas(3.4)
    plot.recommend_metrics(found.result, ax=picture.axes[0])
    titles = ("Of which", f"Found in {K}", INTERVAL, "More than the most bought", "Customers")
    kinds = [Column("Model", "label"), Column(titles[0], "label"), *map(Column, titles[1:])]
    pieces: list[Any] = [
        figure(picture, "next", f"Share of later purchases found in lists of {K}, by model.", f"Chart of models. {reading}"),
        table("How much of what was bought each model foresaw", kinds, rows),
    ]
    if any(found.result.left_out.values()):
        said = "; ".join(f"{reason}: {count(number)}" for reason, number in found.result.left_out.items() if number)
        pieces.append(element("p", f"Not evaluated: {said}."))
    if asked.truth is not None and asked.truth.store is not None:
        habit = asked.truth.store.parameters["habit"]
        pieces.append(
            truth(
                f"In this store {percent(habit)} of the lines are taken from the few items that a customer buys again and"
                " again, the"
                " rest by popularity alone. The best there is to foresee is what they buy again, and after it what most buy."
            )
        )
    named = found.lists.groupby(found.lists.columns[0], sort=False)["item_id"].agg(lambda items: ", ".join(map(str, items)))
    pieces.append(
        table(
            f"What the {len(named)} most valuable customers are likely to buy next",
            [Column("Customer", "label"), Column("Items, the most likely first", "words")],
            list(named.items()),
        )
    )
    return section(
        "next",
        "What they will buy next",
        reading,
        *pieces,
        limits="Found is not sold: customers may have bought these items without being told of them. Items that nobody had bought"
        " before cannot be foreseen. What sells by itself is seldom what is worth advertising: for that, look at what was new.",
    )


def _against(found: NextItems, kind: str, model: Any) -> str:
    if model == FIRST:
        return "–"
    differences = found.result.differences
    row = differences[
        (differences["metric"] == "recall") & (differences["items"] == kind) & (differences["model"] == model)
    ].iloc[0]
    return f"{signed(100 * row['value'])} ({signed(100 * row['ci_low'])} to {signed(100 * row['ci_high'])})"


def code(found: NextItems, _: Asked) -> str:
    """Return the lines that try the best model and make lists."""
    fit = f"crm.recommend.{FITS[found.best['all']].__name__}"
    return (
        f"split = crm.recommend.split_by_time(log, when={found.when!r})\n"
        "seen = crm.recommend.interactions(split.train)\n"
        f"models = {{'most bought': crm.recommend.fit_popularity(seen), 'best': {fit}(seen)}}\n"
        f"crm.recommend.evaluate(models, split, k={K}).metrics\n"
        f"crm.recommend.top_items({fit}(crm.recommend.interactions(log)), k={EACH}, exclude='nothing')"
    )
