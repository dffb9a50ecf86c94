"""What customers say: the Net Promoter Score, by groups and segments, what moved it, and what goes with it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame, feedback
from crmkit._report.asked import Lacking, attempt, quietly
from crmkit._report.ids import comparable
from crmkit._report.page import Column, element, figure, table
from crmkit._report.words import (
    INTERVAL,
    PERCENT,
    canvas,
    count,
    note,
    p_value,
    people,
    percent,
    section,
    signed,
    span,
    truth,
)

if TYPE_CHECKING:
    import pandas as pd

    from crmkit._report.asked import Asked, Survey
    from crmkit._report.page import Markup

__all__ = ["Answers", "check", "code", "find", "tell"]

FEW = 30  # answers below which a group's interval says more than its score


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Scores overall and by group, and what moved them from one wave to the next."""

    overall: feedback.Score
    by_column: pd.DataFrame | None
    alike: feedback.Homogeneity | Lacking | None  # whether these groups have one score
    by_segment: pd.DataFrame | None
    n_unmatched: int
    waves: pd.DataFrame | None
    last_two: tuple[Any, Any] | None
    moved: feedback.Difference | Lacking | None
    change: feedback.Change | Lacking | None
    drivers: feedback.Drivers | Lacking | None


def check(survey: Survey) -> feedback.Score:
    """Score the survey as a whole, which refuses by name what is no answer."""
    overall: feedback.Score = feedback.nps(survey.answers, score=survey.score, weight=survey.weight)
    return overall


def find(asked: Asked, found: dict[str, Any]) -> Answers:
    """Score the survey overall, by its own columns, and by the segment of the customers who answered."""
    survey = asked.survey
    assert survey is not None
    frame, score, weight = survey.answers, survey.score, survey.weight
    by_column, alike = None, None
    if survey.by is not None:
        by_column = feedback.nps(frame, score=score, by=survey.by, weight=weight)
        alike = attempt(feedback.nps_homogeneity, frame, by=survey.by, score=score, weight=weight)
    waves, last_two, moved, change = None, None, None, None
    if survey.wave is not None:
        waves = feedback.nps(frame, score=score, by=survey.wave, weight=weight)
        if len(waves) > 1:
            last_two = (waves.index[-2], waves.index[-1])
            before, after = (frame[(frame[survey.wave] == wave).to_numpy(dtype=bool, na_value=False)] for wave in last_two)
            moved = attempt(feedback.nps_difference, after, before, score=score, weight=weight)
            if survey.by is not None:
                change = quietly(_decompose, before, after, survey)
    drivers = None
    if survey.drivers:
        rated = frame.dropna(subset=list(survey.drivers))
        drivers = attempt(feedback.key_drivers, rated, drivers=list(survey.drivers), outcome=score)
    by_segment, n_unmatched = _by_segment(asked, found.get("segments"), found.get("contacts"))
    return Answers(check(survey), by_column, alike, by_segment, n_unmatched, waves, last_two, moved, change, drivers)


def _decompose(before: Any, after: Any, survey: Survey) -> feedback.Change:
    tables = [feedback.nps(frame, score=survey.score, by=survey.by, weight=survey.weight) for frame in (before, after)]
    if survey.weight is None:
        return feedback.decompose_change(*tables)
    # the mix is that of the weighted answers
    for place, frame in enumerate((before, after)):
        weight = frame.groupby(survey.by)[survey.weight].sum()
        tables[place] = tables[place].assign(weight=weight.reindex(tables[place].index).to_numpy())
    return feedback.decompose_change(*tables, share="weight")


def _by_segment(asked: Asked, segments: Any, persons: Any) -> tuple[Any, int]:
    survey = asked.survey
    assert survey is not None
    customer = asked.as_given.columns["customer"]
    if segments is None or customer not in survey.answers.columns:
        return None, 0
    ids = _frame.ids(survey.answers, customer, missing="drop")
    given = asked.as_given.labels.as_index()
    place = given.get_indexer(comparable(ids.labels.as_index(), given))
    if persons is not None:
        # the customer who stands for the person
        place = np.where(place < 0, -1, np.append(persons.person, -1)[place])
    names = np.append(segments.summary.index.get_indexer(given), -1)[place]
    names = np.append(names, -1)[ids.codes]
    matched = names >= 0
    if not matched.any():
        return None, int((~matched).sum())
    columns: dict[str, Any] = {
        "segment": segments.of_customer.iloc[names[matched]].array,
        "score": _frame.numbers(survey.answers, survey.score)[matched],
    }
    if survey.weight is not None:
        columns["weight"] = _frame.numbers(survey.answers, survey.weight)[matched]
    weight = None if survey.weight is None else "weight"
    return feedback.nps(_frame.table(columns), by="segment", weight=weight), int((~matched).sum())


def tell(found: Answers, asked: Asked) -> Markup:
    """Say what customers say, how sure that is, and what moved it."""
    overall, survey = found.overall, asked.survey
    assert survey is not None
    weighted = f" Answers count by {survey.weight!r}: as sure as {count(overall.n)} alike would be." if survey.weight else ""
    reading = (
        f"The Net Promoter Score is {signed(overall.value)}, with a 95{PERCENT} interval from {span(overall)}:"
        f" {people(overall.promoters or 0, 'promoter')} (9 or 10), {people(overall.passives or 0, 'passive')} and"
        f" {people(overall.detractors or 0, 'detractor')} (0 to 6) among {people(overall.answers, 'answer')}.{weighted}"
    )
    pieces: list[Any] = []
    if asked.truth is not None and asked.truth.store is not None:
        true = asked.truth.store.parameters["nps"]
        inside = overall.ci_low <= true <= overall.ci_high
        pieces.append(
            truth(
                f"The true score of all customers is {signed(true)}, in every wave: {'inside' if inside else 'outside'} the"
                " interval."
            )
        )
    groups = [
        (found.by_segment, "Segment", "by RFM segment of the customer", "answers-by-segment"),
        (found.by_column, str(survey.by), f"by {survey.by}, a column of the survey", "answers-by-column"),
    ]
    for rows, what, words, name in groups:
        if rows is not None:
            pieces += [element("h3", f"The score {words}"), *_groups(rows, what, words, name, overall)]
    if isinstance(found.alike, feedback.Homogeneity):
        verdict = "differ beyond chance" if found.alike.p_value < 0.05 else "are not told apart"
        pieces.append(element("p", f"Taken together, the scores by {survey.by} {verdict} ({p_value(found.alike.p_value)})."))
    if found.n_unmatched:
        lost = f"{count(found.n_unmatched)} answers come from nobody with a purchase in this file: they count in no segment."
        pieces.append(element("p", lost))
    if found.waves is not None:
        pieces += _waves(found, survey)
    if found.drivers is not None:
        pieces += _drivers(found.drivers)
    limits = (
        "The score speaks for those who answered; who does not answer may think otherwise. Intervals that overlap much are no"
        " evidence of a difference, and of many groups some differ by chance. What goes with the score need not be its cause."
    )
    if any(rows is not None and (rows["n"] < FEW).any() for rows, *_ in groups):
        limits += f" Groups with fewer than {FEW} answers say little: read the interval, not the score."
    return section("feedback", "What they say", reading, *pieces, limits=limits)


def _groups(rows: Any, what: str, words: str, name: str, overall: Any) -> list[Any]:
    from crmkit import plot

    picture = canvas(0.5 * len(rows) + 0.9)
    plot.feedback_nps(rows, overall=overall, ax=picture.axes[0])
    told, body = [], []
    row: Any
    for row in rows.itertuples():
        interval = f"{signed(row.ci_low)} to {signed(row.ci_high)}"
        told.append(f"{row.Index}: {signed(row.value)} ({interval})")
        counts = [count(each) for each in (row.answers, row.promoters, row.passives, row.detractors)]
        body.append((row.Index, signed(row.value), interval, *counts))
    caption = f"Score {words}, with 95{PERCENT} intervals; the dashed line is all answers."
    titles = [*map(Column, ("Score", INTERVAL, "Answers", "Promoters", "Passives", "Detractors"))]
    return [
        figure(picture, name, caption, "; ".join(told)),
        table(f"Net Promoter Score {words}", [Column(what, "label"), *titles], body),
    ]


def _waves(found: Answers, survey: Survey) -> list[Any]:
    from crmkit import plot

    assert found.waves is not None
    pieces: list[Any] = [
        element("h3", "What moved it"),
        *_groups(found.waves, str(survey.wave), f"by {survey.wave}", "waves", found.overall),
    ]
    if found.last_two is None:
        return [*pieces, element("p", "There is one wave: nothing has moved yet.")]
    first, second = found.last_two
    if isinstance(found.moved, Lacking):
        pieces.append(note(f"The change cannot be tested: {found.moved.reason}."))
    elif found.moved is not None:
        moved = found.moved
        sure = "more than chance explains" if moved.p_value < 0.05 else "no more than chance explains"
        pieces.append(
            element(
                "p",
                f"From {survey.wave} {first} to {second} the score changed by {signed(moved.value)} points (95{PERCENT} interval"
                f" {span(moved, signed)}; {p_value(moved.p_value)}): {sure}.",
            )
        )
    if isinstance(found.change, Lacking):
        pieces.append(note(f"What moved it cannot be told: {found.change.reason}."))
    elif found.change is not None:
        change = found.change
        words = (
            f"Of it {signed(change.within.value)} points ({span(change.within, signed)}) come from the groups of"
            f" {survey.by!r} answering"
            f" differently, {signed(change.mix.value)} ({span(change.mix, signed)}) from other shares of them answering."
        )
        picture = canvas(0.5 * len(change.table) + 1.4)
        plot.feedback_change(change, ax=picture.axes[0])
        rows = [
            (
                str(row["group"]),
                percent(row["share_before"]),
                percent(row["share_after"]),
                signed(row["value_before"]),
                signed(row["value_after"]),
                signed(row["within"]),
                signed(row["mix"]),
            )
            for _, row in change.table.iterrows()
        ]
        titles = ("Share before", "Share after", "Score before", "Score after", "By answers", "By shares")
        pieces += [
            element("p", words),
            figure(picture, "change", f"The change from {first} to {second}, in parts.", f"Chart of parts. {words}"),
            table("Where the change comes from, in points", [Column(str(survey.by), "label"), *map(Column, titles)], rows),
        ]
    return pieces


def _drivers(found: feedback.Drivers | Lacking) -> list[Any]:
    from crmkit import plot

    heading = element("h3", "What goes with it")
    if isinstance(found, Lacking):
        return [heading, note(f"The drivers cannot be weighed: {found.reason}.")]
    rows = found.table.sort_values("importance", ascending=False, kind="stable")
    words = (
        f"Together they explain {percent(found.r_squared)} of the differences in the score among {people(found.n, 'answer')};"
        f" {rows['driver'].iloc[0]!r} most, {percent(rows['share'].iloc[0])} of that."
    )
    picture = canvas(0.5 * len(rows) + 1.0)
    plot.feedback_drivers(found, ax=picture.axes[0])
    body = [
        (
            str(row["driver"]),
            percent(row["importance"]),
            f"{percent(row['ci_low'])} to {percent(row['ci_high'])}",
            percent(row["share"]),
            f"{row['correlation']:+.2f}".replace("-", "−"),
        )
        for _, row in rows.iterrows()
    ]
    titles = ("Explains of the score", INTERVAL, "of what all explain", "Correlation")
    return [
        heading,
        element("p", words),
        figure(picture, "drivers", "How much of the score each driver explains.", f"Bar chart. {words}"),
        table("Drivers of the score", [Column("Driver", "label"), *map(Column, titles)], body),
    ]


def code(found: Answers, asked: Asked) -> str:
    """Return the lines that score the survey."""
    survey = asked.survey
    assert survey is not None
    options = f"score={survey.score!r}" + (f", weight={survey.weight!r}" if survey.weight else "")
    lines = [f"crm.feedback.nps(survey, {options})"]
    if survey.by is not None:
        lines.append(f"crm.feedback.nps(survey, {options}, by={survey.by!r})")
    if found.last_two is not None:
        before, after = (getattr(wave, "item", lambda wave=wave: wave)() for wave in found.last_two)
        picks = [f"survey[survey[{survey.wave!r}] == {wave!r}]" for wave in (after, before)]
        lines.append(f"crm.feedback.nps_difference({', '.join(picks)}, {options})")
    if isinstance(found.drivers, feedback.Drivers):
        rated = f"survey.dropna(subset={list(survey.drivers)!r})"
        lines.append(f"crm.feedback.key_drivers({rated}, drivers={list(survey.drivers)!r}, outcome={survey.score!r})")
    return "\n".join(lines)
