"""The last quarter of the log held out: which model foresaw it best, and how well."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import clv
from crmkit._report.asked import Lacking, days_of, draws_for, quietly
from crmkit._report.page import Column, element, figure, table
from crmkit._report.words import PERCENT, canvas, count, note, off, percent, signed, span
from crmkit.errors import FitError

if TYPE_CHECKING:
    import pandas as pd

    from crmkit._events import EventLog

__all__ = ["MODELS", "Holdout", "code", "find", "tell"]

MODELS: dict[str, Callable[..., Any]] = {
    "BG/NBD": clv.fit_bg_nbd,
    "MBG/NBD": clv.fit_mbg_nbd,
    "Pareto/NBD": clv.fit_pareto_nbd,
}
SHORTEST = 56  # days of purchases from which a quarter is worth holding out
LEVEL = 0.95


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Holdout:
    """What was known, what the models foresaw, and what came to pass."""

    eve: str  # the last day that was known
    days: int
    known: pd.DataFrame
    chosen: str
    comparison: pd.DataFrame
    evaluation: clv.Evaluation
    draws: int


def find(log: EventLog, names: list[str]) -> Holdout | Lacking:
    """Fit models to what came before the last quarter, and see what they say of it."""
    first, last = days_of(log)
    if last - first < SHORTEST:
        return Lacking(f"the log spans {last - first + 1} days; below {SHORTEST} there is no quarter worth holding out")
    days = (last - first + 1) // 4
    eve, end = log.clock.date(last - days), log.clock.date(last)
    known = clv.split(log, calibration_end=eve, end=end).known
    models = {name: quietly(MODELS[name], known) for name in names or MODELS}
    fitted = {name: model for name, model in models.items() if not isinstance(model, Lacking) and model.converged}
    if not fitted:
        reasons = [model.reason for model in models.values() if isinstance(model, Lacking)]
        raise FitError(reasons[0] if reasons else "no search for a model's parameters ended")
    comparison = clv.compare(fitted, known)
    rows = comparison[comparison["model"].isin(list(fitted))]
    chosen = str(rows["model"].iloc[int(np.argmax(rows["log_score"].to_numpy()))])
    draws = draws_for(len(known))
    evaluation = clv.evaluate(fitted[chosen], known, coverage_level=LEVEL, draws=draws)
    return Holdout(eve, days, known, chosen, comparison, evaluation, draws)


def tell(held: Holdout | Lacking) -> list[Any]:
    """Show the forecast of the last quarter beside what came of it."""
    from crmkit import plot

    if isinstance(held, Lacking):
        return [element("p", f"No purchases were held out: {held.reason}.")]
    told = held.evaluation
    assert told.interval is not None
    assert told.coverage is not None
    inside = told.interval.ci_low <= told.actual <= told.interval.ci_high
    words = (
        f"With the purchases up to {held.eve} alone, {held.chosen} expected {count(told.expected)} purchase days of the"
        f" {count(told.n)} customers known by then in the {held.days} days that followed, with a 95{PERCENT} interval from"
        f" {span(told.interval, count)}; there were {count(told.actual)} ({off(told.expected, told.actual)}), which is"
        f" {'inside' if inside else 'outside'} the interval."
    )
    worth = f"It saves {percent(max(told.skill.value, 0.0))} of the squared error of the best forecast without a model"
    worth += f" (‘{told.rival}’; {span(told.skill, percent)})."
    if told.skill.ci_low <= 0:
        worth = f"It is not told apart from a forecast without a model (‘{told.rival}’): rank customers with care."
    covered = (
        f" The 95{PERCENT} intervals of single customers held {percent(told.coverage.value)} of them"
        " (whole numbers cover more than their level)."
    )
    body = [
        (
            str(row["model"]),
            f"{row['log_score']:.3f}".replace("-", "−") if np.isfinite(row["log_score"]) else "–",
            f"{row['mae']:.3f}",
            signed(row["bias"], 3),
            count(row["expected"]),
            count(row["actual"]),
        )
        for _, row in held.comparison.iterrows()
    ]
    titles = [
        Column("Forecast", "label"),
        *map(Column, ("Log score (high is good)", "Mean error", "Bias", "Expected in all", "Came in all")),
    ]
    picture = canvas(3.4, width=6.0)
    plot.clv_calibration(told.by_decile, ax=picture.axes[0])
    pieces: list[Any] = [
        element("p", words),
        element("p", worth + covered),
        table("Forecasts of the time held out, per customer", titles, body),
        figure(
            picture,
            "calibration",
            f"Purchase days per customer after {held.eve}.",
            f"Bar chart of purchases per customer by tenths of expected purchases. {words}",
        ),
    ]
    if not inside:
        pieces.append(
            note(
                "The forecast missed by more than chance: something changed, such as a season or a campaign. Read totals as"
                " orders"
                " of magnitude."
            )
        )
    return pieces


def code(held: Holdout) -> str:
    """Return the lines that hold out the last quarter."""
    name = MODELS[held.chosen].__name__
    return (
        f"known = crm.clv.split(log, calibration_end={held.eve!r}).known\n"
        f"checked = crm.clv.evaluate(crm.clv.{name}(known), known, coverage_level={LEVEL}, draws={held.draws})"
    )
