"""What an experiment changed: were its groups drawn as planned, by how much do they differ, and for whom."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, experiment, uplift
from crmkit._report.asked import Lacking, attempt, quietly
from crmkit._report.page import Column, element, figure, table
from crmkit._report.words import INTERVAL, PERCENT, canvas, count, note, number, p_value, percent, section, signed, truth

if TYPE_CHECKING:
    from crmkit._report.asked import Asked, Trial
    from crmkit._report.page import Markup

__all__ = ["Found", "check", "code", "find", "tell"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The comparison of each outcome, adjusted for what was before where that is known, and who gains most."""

    ratio: experiment.SampleRatio
    compared: dict[str, experiment.Comparison]
    adjusted: dict[str, experiment.Cuped | Lacking]
    uplift: dict[str, uplift.Evaluation | Lacking]  # by arm, of the first outcome


def check(trial: Trial) -> dict[str, experiment.Comparison]:
    """Compare the arms by each outcome, which refuses by name what cannot be compared."""
    return {outcome: _compare(trial, outcome) for outcome in trial.outcomes}


def _compare(trial: Trial, outcome: str) -> experiment.Comparison:
    compare = experiment.compare_rates if _is_rate(trial, outcome) else experiment.compare_means
    return compare(trial.units, outcome=outcome, arm=trial.arm, control=trial.control)


def _is_rate(trial: Trial, outcome: str) -> bool:
    return bool(np.isin(_frame.numbers(trial.units, outcome), (0.0, 1.0)).all())


def find(asked: Asked, _: dict[str, Any]) -> Found:
    """Compare the arms, take out what was before, and look for who gains most."""
    trial = asked.trial
    assert trial is not None
    compared = check(trial)
    adjusted = {}
    if trial.before is not None:
        adjusted = {
            outcome: attempt(
                experiment.cuped, trial.units, outcome=outcome, covariate=trial.before, arm=trial.arm, control=trial.control
            )
            for outcome in trial.outcomes
            if outcome != trial.before
        }
    first = compared[trial.outcomes[0]]
    found: dict[str, Any] = {}
    if trial.features:
        for arm in first.table["arm"].drop_duplicates():
            found[str(arm)] = quietly(_for_whom, trial, arm, first.control)
    return Found(first.sample_ratio, compared, adjusted, found)


def _for_whom(trial: Trial, arm: Any, control: Any) -> uplift.Evaluation:
    """Evaluate predictions of the effect on each unit, made without it."""
    expected: Any = {"outcome_control": "outcome_control", "outcome_treated": "outcome_treated"}
    both = trial.units[trial.units[trial.arm].astype(str).isin([str(arm), str(control)])].reset_index(drop=True)
    control = both.loc[both[trial.arm].astype(str) == str(control), trial.arm].iloc[0]
    named: Any = {"treatment": trial.arm, "outcome": trial.outcomes[0], "control": control}
    scores = uplift.cross_fitted(both, features=list(trial.features), base="linear", **named)
    frame = both[[trial.arm, trial.outcomes[0]]].join(scores)
    return uplift.evaluate(frame, score="uplift", **expected, **named)


def tell(found: Found, asked: Asked) -> Markup:
    """Say whether the groups can be compared, by how much they differ, and for whom."""
    from crmkit import plot

    trial, ratio = asked.trial, found.ratio
    assert trial is not None
    sizes = ", ".join(f"{arm} {count(number)}" for arm, number in ratio.counts.items())
    drawn = f"The groups are as large as equal shares would be ({sizes}; {p_value(ratio.p_value)})."
    pieces: list[Any] = []
    if not ratio.passed:
        drawn = f"The groups are not as large as equal shares would be: {sizes}, {p_value(ratio.p_value)}."
        pieces.append(
            note(
                "Unless other shares were planned, something decided who fell into which group: the effects below then"
                " compare different customers."
            )
        )
    first = found.compared[trial.outcomes[0]]
    surest = int(np.argmin(first.table["p_adjusted"].to_numpy()))
    reading = f"{drawn} {first.sentences[surest]}"
    body, outcome = [], ""
    for outcome, comparison in found.compared.items():
        body += _rows(comparison, outcome, "as it is", asked)
        after = found.adjusted.get(outcome)
        if isinstance(after, experiment.Cuped):
            body += _rows(after, outcome, f"after taking out {trial.before}", asked)
    titles = [
        Column("Outcome", "label"),
        Column("Arm", "label"),
        Column("", "words"),
        Column("Mean"),
        Column(f"of {first.control}"),
        Column("Difference"),
        Column(INTERVAL),
        Column("p, adjusted"),
    ]
    if asked.truth is not None and asked.truth.store is not None:
        titles.append(Column("True difference"))
    for outcome, comparison in found.compared.items():
        picture = canvas(0.6 * len(comparison.table) + 1.2)
        plot.experiment_effects(comparison, ax=picture.axes[0])
        words = " ".join(comparison.sentences)
        pieces.append(
            figure(
                picture,
                f"effect-{outcome}",
                f"Difference in {outcome} from {comparison.control}, with intervals.",
                f"Chart of intervals. {words}",
            )
        )
    pieces.append(table("What the arms changed", titles, body))
    pieces += _adjustments(found, trial)
    if found.uplift:
        pieces += _gains(found, trial, asked)
    return section(
        "experiment",
        "What the experiment changed",
        reading,
        *pieces,
        limits="The effect is that on those who took part, at that time. An interval that holds zero does not say that there is"
        " no effect. Stopping when it looks good, or choosing the outcome afterwards, makes the p-values too small; they"
        " answer for the"
        " arms compared by one outcome, not for several outcomes.",
    )


def _rows(comparison: Any, outcome: str, how: str, asked: Asked) -> list[tuple[Any, ...]]:
    rate = (comparison.table["scale"] == "rate").any()
    scale, unit = (100.0, " points") if rate else (1.0, "")
    digits = 1 if rate else 2
    rows = []
    for _, row in comparison.table.iterrows():
        level = [percent(row[name]) if rate else number(row[name]) for name in ("mean", "mean_control")]
        ends = " to ".join(signed(scale * row[name], digits) for name in ("ci_low", "ci_high"))
        told = [
            outcome,
            str(row["arm"]),
            how,
            *level,
            signed(scale * row["value"], digits) + unit,
            ends,
            p_value(row["p_adjusted"]).removeprefix("p = ").removeprefix("p "),
        ]
        if asked.truth is not None and asked.truth.store is not None:
            true = asked.truth.store.truth.get(f"{outcome}_{row['arm']}")
            told.append("–" if true is None else signed(scale * true.mean(), digits))
        rows.append(tuple(told))
    return rows


def _adjustments(found: Found, trial: Trial) -> list[Any]:
    pieces: list[Any] = []
    for outcome, after in found.adjusted.items():
        if isinstance(after, Lacking):
            pieces.append(note(f"{outcome} cannot be adjusted for {trial.before}: {after.reason}."))
            continue
        words = f"Taking out what {trial.before!r} explains leaves {percent(after.variance_ratio)} of the variance of {outcome}"
        words += ", so that the intervals hardly change." if after.variance_ratio > 0.95 else ": the same effect, surer."
        suspicious = [name for name, p in after.balance.items() if p < 0.01]
        if suspicious:
            words += f" But {', '.join(map(str, suspicious))} differed between the arms before: doubt the assignment."
        pieces.append(element("p", words))
    return pieces


def _gains(found: Found, trial: Trial, asked: Asked) -> list[Any]:
    outcome = trial.outcomes[0]
    pieces: list[Any] = [element("h3", "For whom it works")]
    for arm, told in found.uplift.items():
        if isinstance(told, Lacking):
            pieces.append(note(f"{arm}: who gains most cannot be looked for: {told.reason}."))
            continue
        row = told.table.iloc[0]
        certain = row["p_value"] < 0.05
        words = (
            f"{arm}, by {outcome}: ranked by predicted effect (each unit by models that have not seen it), the effect"
            f" {'varies along the ranking' if certain else 'is not seen to vary along the ranking'} ({p_value(row['p_value'])};"
            f" slope {number(row['slope'], 2)}, 95{PERCENT} interval {number(row['slope_low'], 2)} to"
            f" {number(row['slope_high'], 2)}, where 1 is"
            " the right size and 0 noise)."
        )
        words += " Treating those at the top first pays." if certain else " There is no reason here to treat some and not others."
        pieces.append(element("p", words))
        if asked.truth is not None and asked.truth.store is not None:
            true = asked.truth.store.truth.get(f"{outcome}_{arm}")
            if true is not None:
                pieces.append(
                    truth(
                        f"The true effect of {arm} on single customers lies between {number(float(true.quantile(0.1)))} and"
                        f" {number(float(true.quantile(0.9)))} for four fifths of them: it does vary, whether so few units can"
                        " show it or not."
                    )
                )
    return pieces


def code(_: Found, asked: Asked) -> str:
    """Return the lines that compare the arms."""
    trial = asked.trial
    assert trial is not None
    arm = f"arm={trial.arm!r}" + ("" if trial.control is None else f", control={trial.control!r}")
    lines = []
    for outcome in trial.outcomes:
        compare = "compare_rates" if _is_rate(trial, outcome) else "compare_means"
        lines.append(f"crm.experiment.{compare}(experiment, outcome={outcome!r}, {arm})")
        if trial.before is not None and outcome != trial.before:
            lines.append(f"crm.experiment.cuped(experiment, outcome={outcome!r}, covariate={trial.before!r}, {arm})")
    return "\n".join(lines)
