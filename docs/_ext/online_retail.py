"""Write the page that compares recommenders on a real shop: ``python docs/_ext/online_retail.py FILE``.

FILE is the table of order lines of Online Retail II, 2009-12 to 2010-12 (UCI Machine Learning Repository, CC BY 4.0), as parquet
with the columns InvoiceNo, StockCode, Quantity, InvoiceDate, UnitPrice and CustomerID. It is no part of the project.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from crmkit import recommend

PAGE = Path(__file__).parents[1] / "explanation" / "recommenders_compared.md"
SHOWN = (("recall_min", 20), ("ndcg", 10), ("hit_rate", 10))
PARTS = {"all": "all items", "repeat": "bought before", "new": "never bought before"}

TEXT = """\
# Recommenders compared on a real shop

Which model foresees best what customers buy next? This page was written by
`python docs/_ext/online_retail.py online_retail_ii_lines_2009_2010.parquet`, from the order lines of a British
wholesaler of gifts (Online Retail II, UCI Machine Learning Repository): positive quantities and prices, known customers,
stock codes that begin with five digits. Models learn from what was bought before {when}
({customers:,} customers, {items:,} items, {pairs:,} pairs) and foresee November: {n:,} customers bought in both, {repeats}
of their pairs of customer and item are repeats. Another {strangers:,} customers were new in November, and are in no row but
those of the last table.

Every model has its defaults, or what is named. Each number is a mean over customers, with its 95 % interval: recall@20 divides by
min(20, n) (`recall_min`), NDCG@10 cuts the ideal list at min(10, n). "Bought before" counts repeats alone, on the same lists as
"all items"; "never bought before" is from lists without what the customer had.

{tables}

## What it says

- On all items the models that count what the customer bought before are the best: `fit_frequency`, which does nothing else, and
  `fit_user_knn`, which adds what customers alike buy, foresee more than any model that does not know repeats as such. With the
  items popular within 30 days to fill up with, the count is better still: recall@20 is {gain} above that of EASE.
- On items the customer never bought the order is turned around: there a count knows nothing, and EASE leads.
- So the two questions want two lists: "what will they need again" from `fit_frequency`, "what might they like" from `fit_ease`,
  `fit_als` or `fit_item_knn`. A single score for both hides which of them a model answers.

## Where a customer is not known

{strangers:,} customers of November had never bought before. Whatever the model, popularity answers for them, and it is worth
saying which. With every customer of November counted (``customers="all"``), all items:

{cold}
"""


def main(file: str) -> None:
    """Fit, evaluate, write the page."""
    lines = pd.read_parquet(file)
    sold = lines["CustomerID"].notna() & (lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)
    lines = lines[sold & lines["StockCode"].str.match(r"^\d{5}")].astype({"CustomerID": "int64"})
    when = "2010-11-01"
    columns = {"customer": "CustomerID", "time": "InvoiceDate", "item": "StockCode", "order": "InvoiceNo"}
    split = recommend.split_by_time(lines, when=when, horizon="30D", amount=None, **columns)
    seen, once = recommend.interactions(split.train), recommend.interactions(split.train, weight="once")
    faded = recommend.interactions(split.train, half_life="90D")
    models = {
        "`fit_frequency`": recommend.fit_frequency(seen),
        '`fit_frequency`, `within="30D"`': recommend.fit_frequency(seen, within="30D"),
        "`fit_user_knn`": recommend.fit_user_knn(seen),
        "`fit_user_knn`, half-life 90 days": recommend.fit_user_knn(faded),
        "`fit_als`": recommend.fit_als(seen),
        '`fit_als`, `weight="once"`': recommend.fit_als(once),
        '`fit_ease`, penalty 100, `weight="once"`': recommend.fit_ease(once, penalty=100.0),
        '`fit_item_knn`, `measure="bm25"`, k 100': recommend.fit_item_knn(seen, k=100, measure="bm25"),
        "`fit_item_knn`, k 100": recommend.fit_item_knn(seen, k=100),
        '`fit_popularity`, `within="30D"`': recommend.fit_popularity(seen, within="30D"),
        "`fit_popularity`": recommend.fit_popularity(seen),
    }
    found = recommend.evaluate(models, split, k=[10, 20])
    rows = _indexed(found)
    recall = _rows(rows, "all", "recall_min", 20)["value"]
    some = ["`fit_popularity`", '`fit_popularity`, `within="30D"`', "`fit_frequency`", '`fit_frequency`, `within="30D"`']
    cold = recommend.evaluate({name: models[name] for name in some}, split, k=[10, 20], items="all", customers="all")
    pairs = {part: float(n) for part, n in _pairs(seen, split.test).items()}
    text = TEXT.format(
        when=when,
        customers=len(seen.customers),
        items=len(seen.items),
        pairs=seen.by_customer.index.size,
        n=int(_rows(rows, "all", "ndcg", 10)["n"].iloc[0]),
        repeats=f"{pairs['repeat'] / pairs['all']:.0%}".replace("%", " %"),
        strangers=found.left_out["customers without a history"],
        tables="\n\n".join(f"**{PARTS[part].capitalize()}**\n\n{_table(rows, part, list(models))}" for part in PARTS),
        gain=f"{recall[some[3]] / recall[list(models)[6]] - 1:.0%}".replace("%", " %"),
        cold=_table(_indexed(cold), "all", some),
    )
    PAGE.write_text(text, encoding="utf-8")


def _pairs(seen: recommend.Interactions, test: Any) -> dict[str, int]:
    """Count the pairs of known customers in the test, and those that had occurred before."""
    later = recommend.interactions(test)

    def pairs(table: recommend.Interactions) -> set[tuple[Any, Any]]:
        rows, customers, items = table.by_customer, table.customers.values.tolist(), table.items.values.tolist()
        return {
            (customers[who], items[item])
            for who in range(len(rows))
            for item in rows.index[rows.start[who] : rows.start[who + 1]].tolist()
        }

    known, before = set(seen.customers.values.tolist()), pairs(seen)
    asked = {pair for pair in pairs(later) if pair[0] in known}
    return {"all": len(asked), "repeat": len(asked & before)}


def _table(rows: pd.DataFrame, part: str, models: list[str]) -> str:
    names = {"recall_min": "recall", "ndcg": "NDCG", "hit_rate": "hit rate"}
    lines = [
        "| model | " + " | ".join(f"{names[metric]}@{k}" for metric, k in SHOWN) + " |",
        "| --- " + "| ---: " * len(SHOWN) + "|",
    ]
    best = {(metric, k): float(_rows(rows, part, metric, k)["value"].max()) for metric, k in SHOWN}
    for model in models:
        cells = []
        for metric, k in SHOWN:
            row = _rows(rows, part, metric, k).loc[model]
            shown = f"{row['value']:.3f}"
            shown = f"**{shown}**" if row["value"] == best[metric, k] else shown
            cells.append(f"{shown} ({row['ci_low']:.3f} to {row['ci_high']:.3f})")
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _indexed(found: recommend.Evaluation) -> pd.DataFrame:
    names = ["items", "metric", "k", "model"]
    table: pd.DataFrame = found.metrics.astype(dict.fromkeys(["items", "metric", "model"], str)).set_index(names).sort_index()
    return table


def _rows(rows: pd.DataFrame, *key: Any) -> Any:
    return rows.loc[key]


if __name__ == "__main__":
    main(sys.argv[1])
