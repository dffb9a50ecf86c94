"""What customers are likely to be worth: which model foresees best, how sure the total is, and who is at the top."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import clv
from crmkit._report.asked import Lacking, attempt, draws_for, quietly
from crmkit._report.page import Column, element, figure, table
from crmkit._report.parts import holdout
from crmkit._report.words import (
    INTERVAL,
    PERCENT,
    canvas,
    count,
    money,
    note,
    off,
    people,
    percent,
    section,
    span,
    truth,
)

if TYPE_CHECKING:
    import pandas as pd

    from crmkit._report.asked import Asked
    from crmkit._report.page import Markup
    from crmkit.results import Estimate

__all__ = ["Value", "code", "find", "tell"]

TOP = 20
SOUND = "well identified"  # what a model says of itself where the data determine its parameters


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Value:
    """Expected purchases, spend and value of each customer; `spend` says why where no spend model could be fitted."""

    name: str
    buying: Any
    spend: clv.GammaGamma | Lacking
    n_free: int  # customers whose repeat purchases were all free
    table: pd.DataFrame
    purchases: Estimate
    value: Estimate | None
    weeks: float
    draws: int
    equity: pd.DataFrame | None
    held: holdout.Holdout | Lacking


def find(asked: Asked, found: dict[str, Any]) -> Value:
    """Choose a model by what it foresaw of a holdout, fit it to all there is, and rank the customers.

    Raises
    ------
    FitError
        The purchases do not determine a model.
    """
    summary = clv.summarize(asked.log, unit="W")
    fitted = _sound({name: quietly(fit, summary) for name, fit in holdout.MODELS.items()})
    held = attempt(holdout.find, asked.log, list(fitted))
    name = next(iter(fitted), "BG/NBD") if isinstance(held, Lacking) else held.chosen
    buying = fitted[name] if name in fitted else clv.fit_bg_nbd(summary)
    # the spend model knows positive amounts only: repeat purchases for nothing say nothing about it
    free = (summary["frequency"] > 0) & (summary["monetary_value"] <= 0)
    spend = attempt(clv.fit_gamma_gamma, summary.assign(frequency=summary["frequency"].where(~free, 0)))
    if isinstance(spend, clv.GammaGamma) and not np.isfinite(spend.population_mean):
        spend = Lacking("the mean spend over customers has no end: a few amounts dominate all others")
    draws = draws_for(len(summary))
    known = isinstance(spend, clv.GammaGamma)
    if known:
        # customers with free repeat purchases alone are taken to spend what all spend: their own mean then says nothing else
        summary = summary.assign(monetary_value=summary["monetary_value"].where(~free, spend.population_mean))
    interval = clv.prediction_interval(buying, summary, horizon=asked.horizon, spend=spend if known else None, draws=draws)
    rows = summary.assign(p_alive=clv.p_alive(buying, summary), **interval.customers)
    equity = None
    if known:
        options: Any = {"horizon": asked.horizon, "annual_discount": asked.annual_discount, "margin": asked.costs.margin}
        worth = clv.lifetime_value(buying, spend, summary, **options)
        rows = rows.assign(spend=clv.expected_spend(spend, summary), residual=worth["residual"])
        segments = found.get("segments")
        if segments is not None:
            names = segments.of_customer.reindex(rows.index).astype(str)
            told = quietly(clv.equity, buying, spend, summary.assign(segment=names), by="segment", draws=draws, **options)
            equity = None if isinstance(told, Lacking) else told
    weeks = float(interval.horizon)
    if asked.truth is not None:
        purchases = asked.truth.purchases(weeks)
        true = asked.truth.of_customer.assign(true_purchases=purchases).reindex(rows.index)
        rows = rows.assign(
            true_purchases=true["true_purchases"],
            true_value=true["true_purchases"] * true["expected_spend"],
            true_alive=true["alive"],
            true_share=true["share"],
        )
    return Value(name, buying, spend, int(free.sum()), rows, interval.purchases, interval.value, weeks, draws, equity, held)


def _sound(models: dict[str, Any]) -> dict[str, Any]:
    """Keep the models whose search ended, and of these those that the data determine, where there are any."""
    ended = {name: model for name, model in models.items() if not isinstance(model, Lacking) and model.converged}
    return {name: model for name, model in ended.items() if model.diagnosis == SOUND} or ended


def tell(found: Value, asked: Asked) -> Markup:
    """Say what customers are likely to be worth, and how far that can be trusted."""
    from crmkit import plot

    rows, weeks = found.table, f"{found.weeks:.0f} weeks"
    pieces: list[Any] = []
    bought = found.purchases
    if found.value is not None:
        total = rows["value"].sum()
        tenth = max(1, round(0.1 * len(rows)))
        best = np.sort(rows["value"].to_numpy())[::-1][:tenth].sum()
        reading = (
            f"In the next {weeks} these customers are expected to spend {money(found.value.value)} (95{PERCENT} interval"
            f" {span(found.value, money)}) in {count(bought.value)} purchases ({span(bought, count)}); the best tenth of them"
            f" {percent(best / total)} of it."
        )
        picture = canvas(3.6)
        plot.clv_value(rows["value"], truth=rows["true_value"] if asked.truth is not None else None, ax=picture.axes[0])
        alt = f"Line chart. The best tenth of the customers hold {percent(best / total)} of the expected value."
        pieces.append(figure(picture, "value", "How expected value is spread over customers.", alt))
    else:
        assert isinstance(found.spend, Lacking)
        reading = (
            f"In the next {weeks} these customers are expected to make {count(bought.value)} purchases (95{PERCENT} interval"
            f" {span(bought, count)}). They are ranked by purchases, because spend could not be modelled."
        )
        pieces.append(note(f"{found.spend.reason}."))
    if asked.truth is not None:
        pieces.append(_beside_the_truth(found))
    pieces.append(_most_valuable(found, asked))
    if found.equity is not None:
        pieces += _equity(found, asked)
    pieces += [element("h3", "Would it have been right?"), *holdout.tell(found.held), *_fit(found)]
    limits = (
        "An expectation, not a promise: single customers buy more or less than expected by chance, and often by much, as their"
        " intervals say. Purchases on one day are one purchase. The models hold rates and spend to stay as they are: seasons,"
        " campaigns and price changes are not in them, and new customers are not counted."
    )
    if found.n_free:
        limits += f" {people(found.n_free)} with free repeat purchases alone: the average customer's spend is assumed."
    return section("value", "What they are likely to be worth", reading, *pieces, limits=limits)


def _most_valuable(found: Value, asked: Asked) -> Markup:
    rows, weeks = found.table, f"{found.weeks:.0f} weeks"
    measure = "purchases" if found.value is None else "value"
    order = np.argsort(-rows[measure].to_numpy(), kind="stable")[:TOP]
    # one column, one number of digits
    amount = "{:,.2f}".format if rows[measure].iloc[order].max() < 100 else "{:,.0f}".format

    def both(row: Any, name: str, write: Any) -> str:
        return f"{write(row[f'{name}_low'])} to {write(row[f'{name}_high'])}"

    columns: list[tuple[str, Any]] = [
        ("Repeat purchases", lambda row: count(row["frequency"])),
        ("Weeks since last", lambda row: f"{row['T'] - row['recency']:,.1f}"),
        ("P(still a customer)", lambda row: percent(row["p_alive"])),
        (f"Expected purchases, {weeks}", lambda row: f"{row['purchases']:,.1f}"),
        (INTERVAL, lambda row: both(row, "purchases", count)),
    ]
    if found.value is not None:
        columns += [
            ("Expected per purchase", lambda row: money(row["spend"])),
            (f"Expected value, {weeks}", lambda row: amount(row["value"])),
            (INTERVAL, lambda row: both(row, "value", amount)),
        ]
    if asked.truth is not None:
        columns.append(
            ("True expected purchases", lambda row: f"{row['true_purchases']:,.1f}")
            if found.value is None
            else ("True expected value", lambda row: amount(row["true_value"]))
        )
    body = [
        (place, label, *(write(row) for _, write in columns))
        for place, (label, row) in enumerate(rows.iloc[order].iterrows(), start=1)
    ]
    titles = [Column("Rank"), Column("Customer", "label"), *(Column(name) for name, _ in columns)]
    return table(f"The {min(TOP, len(rows))} most valuable customers", titles, body)


def _equity(found: Value, asked: Asked) -> list[Any]:
    assert found.equity is not None
    costs = asked.costs
    words = (
        f"What the purchases to come of each segment are worth today: {percent(costs.margin)} of their amount is taken as margin,"
        f" and what comes later counts less by {percent(asked.annual_discount)} a year."
    )
    body = [
        (str(row["segment"]), count(row["n"]), money(row["value"]), f"{money(row['ci_low'])} to {money(row['ci_high'])}")
        for _, row in found.equity.reset_index().sort_values("value", ascending=False, kind="stable").iterrows()
    ]
    titles = [Column("Segment", "label"), Column("Customers"), Column("Value"), Column(INTERVAL)]
    return [
        element("h3", "By segment, as margin"),
        element("p", words),
        table("Discounted margin to come by segment", titles, body),
    ]


def _beside_the_truth(found: Value) -> Markup:
    rows = found.table
    share = rows["true_share"]
    expected, true = rows["purchases"].sum(), (rows["true_purchases"] * share).sum()
    low, high = found.purchases.ci_low, found.purchases.ci_high
    words = (
        f"These purchases are simulated: {count(expected)} are expected, and {count(true)} follow from the true rates"
        f" ({off(expected, true)}; {'inside' if low <= true <= high else 'outside'} the interval)."
        f" {percent(rows['p_alive'].mean())}"
        f" are taken to be still customers, {percent((rows['true_alive'] * share).sum() / share.sum())} truly are."
    )
    if found.value is not None:
        tenth = max(1, round(0.1 * len(rows)))
        best = rows["value"].nlargest(tenth).index
        value = rows["true_value"] * share
        words += f" The tenth ranked best by the model truly holds {percent(value.loc[best].sum() / value.sum())} of the value."
    words += " A true value of 0 is a customer who has left, which no purchase file shows."
    return truth(words)


def _fit(found: Value) -> list[Any]:
    """Say whether the searches ended well and whether the data say what the models ask."""
    model = found.buying
    health = "The search converged." if model.converged else "The search stopped short: take these numbers with care."
    pieces: list[Any] = [
        element("p", f"The fit of purchases, {model.TITLE} on all {count(model.n)} customers: {model.diagnosis}. {health}")
    ]
    if not isinstance(found.spend, Lacking):
        short = "" if found.spend.converged else " The search stopped short."
        pieces.append(
            element(
                "p",
                f"The fit of spend, Gamma-Gamma on {count(found.spend.n)} customers who came back:"
                f" {found.spend.diagnosis}.{short}",
            )
        )
    return pieces


def code(found: Value, asked: Asked) -> str:
    """Return the lines that rank the customers."""
    lines = [
        "buying = crm.clv.summarize(log, unit='W')",
        f"model = crm.clv.{holdout.MODELS[found.name].__name__}(buying)",
    ]
    spend = ""
    if found.value is not None:
        if found.n_free:
            lines += [
                "free = (buying['frequency'] > 0) & (buying['monetary_value'] <= 0)",
                "spend = crm.clv.fit_gamma_gamma(buying.assign(frequency=buying['frequency'].where(~free, 0)))",
                "buying = buying.assign(monetary_value=buying['monetary_value'].where(~free, spend.population_mean))",
            ]
        else:
            lines.append("spend = crm.clv.fit_gamma_gamma(buying)")
        spend = "spend=spend, "
    lines.append(f"value = crm.clv.prediction_interval(model, buying, horizon={asked.horizon!r}, {spend}draws={found.draws})")
    if found.value is not None:
        lines.append(
            f"crm.clv.lifetime_value(model, spend, buying, horizon={asked.horizon!r},"
            f" annual_discount={asked.annual_discount!r}, margin={asked.costs.margin!r})"
        )
    return "\n".join(lines + ([] if isinstance(found.held, Lacking) else [holdout.code(found.held)]))
