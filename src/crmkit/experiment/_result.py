"""What a comparison of arms returns: a table, and the same in sentences, the sample ratio first."""

from __future__ import annotations

import dataclasses
import html
import math
from typing import Any

from crmkit import _frame
from crmkit.experiment._ratio import SampleRatio
from crmkit.results import Frozen, in_percent

__all__ = ["Comparison"]

SHOWN = 20  # sentences printed; the table has all


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(Frozen):
    """Arms beside the control: a table, and the same in sentences.

    Attributes
    ----------
    table : DataFrame
        One row per segment, outcome and arm other than the control.
    sample_ratio : SampleRatio
        Whether the arms are as large as planned: read it first.
    control : str
        The arm that the others are compared with.
    level : float
        Confidence level of the intervals.
    method : str
        How interval and test were made.
    adjust : str
        How p-values were adjusted for their number.
    heterogeneity : DataFrame or None
        With segments: a test that an arm's effect is the same in all of them, by outcome and arm: Cochran's weighted squares,
        with Welch's correction for errors that are estimates. It takes segments as independent, which those are not that share
        clusters.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import experiment
    >>> visits = pd.DataFrame({"arm": ["control", "mail"] * 50, "visit": [0, 0, 0, 1, 0, 1, 1, 0, 0, 1] * 10})
    >>> print(experiment.compare_rates(visits, outcome="visit"))
    Sample ratio as planned: control 50 (50 planned), mail 50 (50 planned); chi-square 0, p = 1.
    visit, mail against control: 60.0% against 20.0%, a difference of +40.0 points (95% interval +21.0 to +55.2), p = 4.5e-05.
    """

    table: Any
    sample_ratio: SampleRatio
    control: str
    level: float
    method: str
    adjust: str
    heterogeneity: Any

    @property
    def sentences(self) -> list[str]:
        """Return one sentence per row of the table."""
        rows = _rows(self.table)
        return [_sentence(row, self.level, many=len(rows) > 1) for row in rows]

    def __str__(self) -> str:
        sentences = self.sentences
        more = [f"... and {len(sentences) - SHOWN:,} more in the table"] if len(sentences) > SHOWN else []
        return "\n".join([self._drawn(), *sentences[:SHOWN], *more])

    def _drawn(self) -> str:
        """Say whether the arms are as planned; groups before and after were never planned, and are only counted."""
        if self.method != "changes":
            return str(self.sample_ratio)
        groups = ", ".join(f"{name} {count:,}" for name, count in self.sample_ratio.counts.items())
        return f"Groups as they were found, not drawn at random: {groups}."

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        shown = getattr(self.table, "_repr_html_", None)
        return f"<pre>{html.escape(str(self))}</pre>{shown() if shown else ''}"


def _rows(table: Any) -> list[dict[str, Any]]:
    frame = _frame.read(table)
    columns = {name: _frame.as_pandas(frame.column(name), frame.kind).tolist() for name in frame.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _sentence(row: dict[str, Any], level: float, *, many: bool) -> str:
    before = list(row)[: list(row).index("outcome")]
    where = "".join(f" in {name} {row[name]}" for name in before)
    subject = f"{row['outcome']}{where}, {row['arm']} against {row['control']}"
    if not math.isfinite(row["value"]):
        return f"{subject}: {row['note']}."
    share = str(row["scale"]) == "rate"
    text = f"{subject}: {_level(row['mean'], share=share)} against {_level(row['mean_control'], share=share)}, a difference of"
    text += f" {_change(row['value'], share=share)}"
    if math.isfinite(row["ci_low"]) and math.isfinite(row["ci_high"]):
        low, high = (_change(row[end], share=share, unit=False) for end in ("ci_low", "ci_high"))
        text += f" ({in_percent(level)} interval {low} to {high})"
    if math.isfinite(row["p_value"]):
        text += f", p = {row['p_value']:.2g}"
        text += f" ({row['p_adjusted']:.2g} adjusted for looking at all)" if many else ""
    return f"{text}{'; ' + row['note'] if row['note'] else ''}."


def _level(value: float, *, share: bool) -> str:
    return f"{value:.1%}" if share else f"{value:.4g}"


def _change(value: float, *, share: bool, unit: bool = True) -> str:
    return f"{100 * value:+.1f}{' points' if unit else ''}" if share else f"{value:+.4g}"
