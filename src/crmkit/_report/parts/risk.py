"""Who may leave: a model tried on a later time, what acting on it would have earned, and whom to contact within a budget."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from crmkit import churn, metrics, targeting
from crmkit._report.asked import Lacking, attempt, days_of
from crmkit._report.page import Column, element, figure, table
from crmkit._report.words import (
    INTERVAL,
    PERCENT,
    canvas,
    count,
    facts_table,
    money,
    note,
    number,
    people,
    percent,
    section,
    signed,
    span,
    truth,
)
from crmkit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from crmkit._report.asked import Asked
    from crmkit._report.page import Markup

__all__ = ["Risk", "code", "find", "tell"]

LISTED = 25
SHORTEST, LONGEST = 14, 180  # days of silence that count as churn, where the log suggests no length or cannot say
USUAL = 90
AT_MOST = 0.10  # of those called churned who may come back
CUTOFFS = 4
NAMES = {
    "auc": "AUC",
    "gini": "Gini",
    "average_precision": "Average precision",
    "ks": "Kolmogorov-Smirnov",
    "brier": "Brier score",
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Risk:
    """The model on trial, what it would have earned, and the choice for today."""

    window: churn.Window | Lacking
    days: int
    past: tuple[str, ...]  # cutoffs learnt from in the trial
    trial: str  # the later cutoff
    ranked: metrics.RankingReport
    foretold: float  # mean probability in the trial
    curve: targeting.ProfitCurve | Lacking
    model: churn.ChurnModel
    today: str
    table: pd.DataFrame  # today's customers: probability, value, recency
    choice: targeting.Choice


def find(asked: Asked, _: dict[str, Any]) -> Risk:
    """Learn from earlier cutoffs, try it on a later one, learn again from all of them, and choose for today.

    Raises
    ------
    DataError
        The log is too short, or all customers did the same.
    """
    log, costs = asked.log, asked.costs
    first, last = days_of(log)
    window = attempt(churn.suggest_window, log, at_most=AT_MOST)
    suggested = None if isinstance(window, Lacking) or window.window is None else int(window.window.removesuffix("D"))
    longest = min(LONGEST, (last - first + 1) // 5)
    days = min(max(suggested or USUAL, SHORTEST), longest)
    if days < SHORTEST:
        msg = f"the log spans {last - first + 1} days; a trial on a later time needs at least {5 * SHORTEST}"
        raise DataError(msg)
    # the data end with the day of the last event; the first cutoff has as long a past as its future
    places = [last + 1 - step * days for step in range(CUTOFFS, 0, -1) if last + 1 - step * days >= first + days]
    *past, trial = (log.clock.date(day) for day in places)
    today = log.clock.date(last + 1)
    options: Any = {"eligible_within": f"{2 * days}D"}
    known = churn.panel(log, cutoffs=past, horizon=f"{days}D", **options)
    later = churn.panel(log, cutoffs=[trial], horizon=f"{days}D", **options)
    forecast = churn.predict(churn.fit(known), later)
    ranked = metrics.ranking_report(later["churned"], forecast, baseline=later["recency_days"])
    terms: Any = {"offer_cost": costs.offer_cost, "accept": costs.accept}
    curve = attempt(
        targeting.profit_curve,
        later["churned"],
        forecast,
        value=_worth(later, costs.margin),
        contact_cost=costs.contact_cost,
        **terms,
    )
    model = churn.fit(churn.panel(log, cutoffs=[*past, trial], horizon=f"{days}D", **options))
    now = churn.panel(log, cutoffs=[today], horizon=None, **options)
    p, worth = churn.predict(model, now), _worth(now, costs.margin)
    choice = targeting.choose(p, value=worth, cost=costs.contact_cost, budget=costs.budget, **terms)
    rows = now[["recency_days", "orders_total"]].assign(
        p=p, value=worth, contact=choice.customers["contact"], profit=choice.customers["expected_profit"]
    )
    rows = rows.droplevel("cutoff")
    if asked.truth is not None:
        silence = asked.truth.of_customer.assign(silence=asked.truth.silence(days / 7))["silence"]
        rows = rows.assign(true_p=silence.reindex(rows.index))
    return Risk(window, days, tuple(past), trial, ranked, float(forecast.mean()), curve, model, today, rows, choice)


def _worth(panel: pd.DataFrame, margin: float) -> Any:
    """Value a customer who stays by the margin on what they bought in the year before."""
    return margin * panel["amount_365d"]


def tell(found: Risk, asked: Asked) -> Markup:
    """Say how well leaving can be foreseen, what that earns, and whom to contact."""
    from crmkit import plot

    ranked, days, costs = found.ranked, found.days, asked.costs
    measured = ranked.metrics.set_index("metric")
    auc = measured.loc["auc"]
    reading = (
        f"Of the customers who had bought within {2 * days} days before {found.trial}, {percent(ranked.base_rate.value)}"
        " bought nothing"
        f" in the {days} days after it. A model fitted on what was known before ranks them with an AUC of {auc['value']:.2f}"
        f" (95{PERCENT} interval {auc['ci_low']:.2f} to {auc['ci_high']:.2f}; 0.5 is chance)."
    )
    compared = ranked.comparison.set_index("metric").loc["auc"]
    better = "better than" if compared["ci_low"] > 0 else ("worse than" if compared["ci_high"] < 0 else "not told apart from")
    against = (
        f"That is {better} the days since the last purchase alone: AUC {compared['baseline']:.2f}, a difference of"
        f" {signed(compared['difference'], 2)} ({signed(compared['ci_low'], 2)} to {signed(compared['ci_high'], 2)})."
    )
    body = [
        (
            NAMES.get(str(name), str(name)),
            number(row["value"]),
            f"{number(row['ci_low'])} to {number(row['ci_high'])}",
            number(row["without_scores"]),
        )
        for name, row in measured.iterrows()
    ]
    titles = [Column("Measure", "label"), Column("Value"), Column(INTERVAL), Column("Without scores")]
    pieces: list[Any] = [element("p", against), _silence(found)]
    pieces.append(table(f"The trial: {people(ranked.n)}, from {found.trial} on", titles, body))
    if ranked.calibration is not None:
        picture = canvas(3.4)
        plot.churn_calibration(ranked.calibration, ax=picture.axes[0])
        words = f"{percent(found.foretold)} were foretold to leave, {percent(ranked.base_rate.value)} did."
        pieces.append(
            figure(
                picture,
                "risk-calibration",
                "Whether the probabilities held in the trial.",
                f"Chart of the share that left by probability of leaving. {words}",
            )
        )
        held = ranked.base_rate.ci_low <= found.foretold <= ranked.base_rate.ci_high
        pieces.append(element("p", words))
        if not held:
            pieces.append(
                note("That is off by more than chance: times have changed. Trust the order of the list more than its profits.")
            )
    pieces += _profit(found, asked)
    pieces += _targets(found, asked)
    limits = (
        f"Buying nothing for {days} days is not leaving for good: some will come back by themselves. Whom the model expects"
        " to leave"
        " is not whom a contact would keep; only an experiment tells that. The share kept, the margin and the costs above are"
        f" assumptions ({percent(costs.accept)}, {percent(costs.margin)}, {money(costs.contact_cost)} a contact"
        f"{f', {money(costs.offer_cost)} an offer' if costs.offer_cost else ''}): pass yours."
    )
    return section("risk", "Who may leave", reading, *pieces, limits=limits)


def _silence(found: Risk) -> Markup:
    window = found.window
    if isinstance(window, Lacking):
        return element("p", f"{found.days} days of silence count as leaving; the log cannot suggest a length: {window.reason}.")
    if window.window is None or window.p_return is None:
        words = (
            f"After every silence that can be judged more than {percent(window.at_most)} come back, so no length is safe to call"
            f" leaving; {found.days} days are taken."
        )
    else:
        words = (
            f"After a silence of {window.window.removesuffix('D')} days {percent(window.p_return.value)} come back"
            f" ({span(window.p_return, percent)}), the first length with at most {percent(window.at_most)};"
            f" {'it is' if window.window == f'{found.days}D' else f'{found.days} days are'} taken here, which leaves room"
            " in the log"
            " for a trial."
        )
    return element("p", words)


def _profit(found: Risk, asked: Asked) -> list[Any]:
    from crmkit import plot

    if isinstance(found.curve, Lacking):
        return [note(f"What a campaign would have earned cannot be said: {found.curve.reason}.")]
    curve, costs = found.curve, asked.costs
    chosen = curve.chosen
    total = chosen.value * curve.n
    words = (
        f"Had all {people(chosen.customers)} with an expected profit above zero been contacted on {found.trial}, that would have"
        f" earned {money(total)} (95{PERCENT} interval {money(chosen.ci_low * curve.n)} to {money(chosen.ci_high * curve.n)}),"
        f" {signed(chosen.advantage * curve.n, 0)} against the better of contacting everybody and nobody"
        f" ({signed(chosen.advantage_low * curve.n, 0)} to {signed(chosen.advantage_high * curve.n, 0)})."
    )
    terms = (
        f"A customer who stays is worth the margin, {percent(costs.margin)}, on what they bought in the year before;"
        f" {percent(costs.accept)} of those who would leave are taken to stay when contacted."
    )
    picture = canvas(3.6, width=6.0)
    plot.targeting_profit(curve, ax=picture.axes[0])
    return [
        element("h3", "What acting on it would have earned"),
        element("p", words),
        element("p", terms),
        figure(picture, "profit", "Profit by the share of customers contacted, on the trial.", f"Line chart. {words}"),
    ]


def _targets(found: Risk, asked: Asked) -> list[Any]:
    choice, costs, rows = found.choice, asked.costs, found.table
    limit = "without a limit" if costs.budget is None else f"within a budget of {money(costs.budget)}"
    facts: list[tuple[str, Any]] = [
        ("Customers to choose from", count(choice.n)),
        ("To be contacted", f"{count(choice.contacted)}, {limit}"),
        ("Expected cost", money(choice.expected_cost)),
        ("Expected profit", money(choice.expected_profit)),
        *([("Without a limit", money(choice.unlimited_profit))] if costs.budget is not None else []),
        ("If everybody were contacted", money(choice.everybody_profit)),
    ]
    pieces: list[Any] = [element("h3", "Whom to contact today"), facts_table(f"The choice as of {found.today}", facts)]
    if asked.truth is not None:
        error = (rows["p"] - rows["true_p"]).abs().mean()
        pieces.append(
            truth(
                f"The true chance of buying nothing in the next {found.days} days is {percent(rows['true_p'].mean())} on"
                " average, the"
                f" model says {percent(rows['p'].mean())}; customer by customer they are {100 * error:.0f} points apart on"
                " average, and order"
                f" the customers alike with a rank correlation of {rows['p'].corr(rows['true_p'], method='spearman'):.2f}."
            )
        )
    listed = rows[rows["contact"]].sort_values("profit", ascending=False, kind="stable").head(LISTED)
    if listed.empty:
        return [*pieces, element("p", "No customer is expected to earn more than the contact costs.")]
    body = [
        (
            place,
            label,
            percent(row["p"]),
            *((percent(row["true_p"]),) if asked.truth is not None else ()),
            f"{row['recency_days']:,.0f}",
            count(row["orders_total"]),
            money(row["value"]),
            money(row["profit"]),
        )
        for place, (label, row) in enumerate(listed.iterrows(), start=1)
    ]
    titles = [Column("Rank"), Column("Customer", "label"), Column("P(leaves)")]
    titles += [Column("True")] if asked.truth is not None else []
    titles += [*map(Column, ("Days since last", "Orders", "Worth if kept", "Expected profit"))]
    more = f", of {count(choice.contacted)}" if choice.contacted > len(listed) else ""
    return [*pieces, table(f"The {people(len(listed))} to contact first{more}", titles, body)]


def code(found: Risk, asked: Asked) -> str:
    """Return the lines that find the risks and the list."""
    costs, days = asked.costs, found.days
    panel = f"horizon='{days}D', eligible_within='{2 * days}D'"
    terms = f"offer_cost={costs.offer_cost!r}, accept={costs.accept!r}"
    return (
        f"past = crm.churn.panel(log, cutoffs={list(found.past)!r}, {panel})\n"
        f"later = crm.churn.panel(log, cutoffs=[{found.trial!r}], {panel})\n"
        "forecast = crm.churn.predict(crm.churn.fit(past), later)\n"
        "crm.metrics.ranking_report(later['churned'], forecast, baseline=later['recency_days'])\n"
        f"curve = crm.targeting.profit_curve(later['churned'], forecast, value={costs.margin!r} * later['amount_365d'],"
        f" contact_cost={costs.contact_cost!r}, {terms})\n"
        f"leaving = crm.churn.fit(crm.churn.panel(log, cutoffs={[*found.past, found.trial]!r}, {panel}))\n"
        f"today = crm.churn.panel(log, cutoffs=[{found.today!r}], horizon=None, eligible_within='{2 * days}D')\n"
        f"calls = crm.targeting.choose(crm.churn.predict(leaving, today), value={costs.margin!r} * today['amount_365d'],"
        f" cost={costs.contact_cost!r}, budget={costs.budget!r}, {terms})"
    )
