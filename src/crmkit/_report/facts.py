"""The numbers of the report, before they are put into words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, clv, feedback, rfm
from crmkit.errors import CrmkitError, DataError, FitError
from crmkit.results import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from crmkit._events import EventLog

__all__ = ["Answers", "Holdout", "Segments", "Value", "answers", "in_pandas", "segments", "value"]

Floats = npt.NDArray[np.float64]

HORIZON = "52W"
HORIZON_WEEKS = 52.0
SHORTEST = 56  # days of purchases from which a quarter is worth holding out


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Customers by segment: `table` has one row per segment that has customers."""

    summary: pd.DataFrame
    of_customer: pd.Series
    table: pd.DataFrame
    empty: list[str]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Holdout:
    """The last days held out: purchase days that earlier ones let us expect of each customer, and those that came."""

    first_day: str
    days: int
    expected: Floats
    actual: Floats


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Value:
    """Expected purchases, spend and value of each customer; `spend` is None where no spend model could be fitted."""

    buying: clv.BgNbd
    spend: clv.GammaGamma | None
    spend_reason: str
    n_free: int  # customers whose repeat purchases were all free
    table: pd.DataFrame
    holdout: Holdout | None
    holdout_reason: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Scores overall and by group."""

    overall: Estimate
    counts: tuple[int, int, int]  # promoters, passives, detractors
    by: str | None
    by_column: pd.DataFrame | None
    by_segment: pd.DataFrame | None
    n_unmatched: int


def in_pandas(log: EventLog) -> EventLog:
    """Return the log with its customers as a plain pandas index, so that every table of the report is indexed by them."""
    index: Any = log.labels.as_index()
    if hasattr(index, "categories"):
        index = index.categories.take(index.codes)
    return dataclasses.replace(log, labels=_frame.Labels(index, "pandas"))


def segments(log: EventLog) -> Segments:
    """Score and segment the customers, and add up what each segment holds."""
    summary = rfm.summarize(log)
    of_customer = rfm.segment(rfm.score(summary))
    codes = of_customer.cat.codes.to_numpy()
    names = list(of_customer.cat.categories)
    groups = {names[code]: summary.loc[codes == code] for code in np.unique(codes)}
    table = _frame.table(
        {
            "segment": list(groups),
            "customers": [len(group) for group in groups.values()],
            "revenue": [group["monetary"].sum() for group in groups.values()],
            "recency_days": [group["recency_days"].median() for group in groups.values()],
            "frequency": [group["frequency"].mean() for group in groups.values()],
            "monetary": [group["monetary"].mean() for group in groups.values()],
        }
    )
    empty = [name for name in names if name not in groups and name != rfm.OTHERS]
    return Segments(summary, of_customer, table.set_index("segment"), empty)


def value(log: EventLog, truth: pd.DataFrame | None) -> Value:
    """Fit purchases and spend, rank the customers, and try the forecast on the last quarter of the log.

    Raises
    ------
    FitError
        The purchases do not determine a model.
    """
    summary = clv.summarize(log, unit="W")
    buying = clv.fit_bg_nbd(summary)
    columns = {
        "p_alive": clv.p_alive(buying, summary),
        "purchases": clv.expected_purchases(buying, summary, horizon=HORIZON),
    }
    # the spend model knows positive amounts only: repeat purchases for nothing say nothing about it
    free = (summary["frequency"] > 0) & (summary["monetary_value"] <= 0)
    paid = summary.assign(frequency=summary["frequency"].where(~free, 0))
    spend, spend_reason = None, ""
    try:
        spend = clv.fit_gamma_gamma(paid)
        columns["spend"] = clv.expected_spend(spend, paid)
        columns["value"] = columns["purchases"] * columns["spend"]
    except CrmkitError as error:
        spend, spend_reason = None, str(error)
        columns.pop("spend", None)
    table = summary.assign(**columns)
    if truth is not None:
        table = table.assign(**_true_value(truth, table))
    holdout, holdout_reason = _holdout(log)
    return Value(buying, spend, spend_reason, int(free.sum()), table, holdout, holdout_reason)


def _true_value(truth: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
    """Work out the expected purchases and value of customers whose rates are known."""
    place = truth.index.get_indexer(table.index)
    if (place < 0).any():
        msg = f"truth: {int((place < 0).sum()):,} customers of the log are not in it; pass the truth of the same simulation"
        raise DataError(msg)
    known = truth.iloc[place]
    rate, dropout = known["purchase_rate"].to_numpy(), known["dropout"].to_numpy()
    # a customer who stays buys at `rate`; leaving after each purchase with probability p makes it (1 - exp(-rate p t)) / p
    exponent = rate * dropout * HORIZON_WEEKS
    ratio = np.divide(-np.expm1(-exponent), exponent, out=np.ones_like(exponent), where=exponent > 0)
    purchases = known["alive"].to_numpy() * rate * HORIZON_WEEKS * ratio
    return {"true_purchases": purchases, "true_value": purchases * known["expected_spend"].to_numpy()}


def _holdout(log: EventLog) -> tuple[Holdout | None, str]:
    """Forecast the last quarter from what came before it."""
    clock = log.clock
    first, last = (int(moment) // clock.ticks_per_day for moment in (log.lines.time.min(), log.lines.time.max()))
    if last - first < SHORTEST:
        return None, f"the log spans {last - first + 1} days; below {SHORTEST} there is no quarter worth holding out"
    days = (last - first + 1) // 4
    cut, end = (f"{clock.stamp(day * clock.ticks_per_day):%Y-%m-%d}" for day in (last - days + 1, last + 1))
    eve = f"{clock.stamp((last - days) * clock.ticks_per_day):%Y-%m-%d}"
    try:
        past = clv.summarize(log.until(cut), unit="W", end=eve)
        expected = clv.expected_purchases(clv.fit_bg_nbd(past), past, horizon=f"{days}D")
    except (FitError, DataError) as error:
        return None, str(error)
    try:
        future = clv.summarize(log.between(cut, end), unit="W")
    except DataError:  # nothing but refunds
        actual = np.zeros(len(past))
    else:
        place = future.index.get_indexer(past.index)
        actual = np.where(place >= 0, future["frequency"].to_numpy(dtype=np.float64)[place] + 1.0, 0.0)
    return Holdout(cut, days, expected.to_numpy(), actual), ""


def answers(survey: Any, *, score: str, by: str | None, customer: str, found: Segments) -> Answers:
    """Score the survey: overall, by a column of its own, and by the segment of the customers who answered."""
    frame = _frame.read(survey)
    named = dict.fromkeys(name for name in (score, by, customer) if name is not None and name in frame.columns)
    plain = _plain(frame, list(named))
    overall = feedback.nps(plain, score=score)
    scores = _frame.numbers(plain, score)
    counts = (int((scores >= 9).sum()), int(((scores >= 7) & (scores < 9)).sum()), int((scores < 7).sum()))
    by_column = None if by is None else feedback.nps(plain, score=score, by=by)
    by_segment, n_unmatched = None, 0
    if customer in frame.columns:
        ids = _frame.ids(plain, customer, missing="drop")
        place = found.summary.index.get_indexer(_comparable(ids.labels.as_index(), found.summary.index))
        place = np.append(place, -1)[ids.codes]
        matched = place >= 0
        n_unmatched = int((~matched).sum())
        if matched.any():
            of_answer = found.of_customer.iloc[place[matched]]
            by_segment = feedback.nps(_frame.table({"segment": of_answer.array, "score": scores[matched]}), by="segment")
    return Answers(overall, counts, by, by_column, by_segment, n_unmatched)


def _plain(frame: _frame.Frame, columns: list[str]) -> Any:
    """Return the columns as a pandas frame, whatever they came in."""
    if frame.kind == "pandas":
        return frame.native[columns]
    listed = {name: getattr(frame.column(name), "to_pylist" if frame.kind == "pyarrow" else "to_list")() for name in columns}
    return _frame.table(listed)


def _comparable(ids: Any, others: Any) -> Any:
    """Read ids as text where one of the two files has them as numbers and the other as text."""
    if hasattr(ids, "categories"):
        ids = ids.categories.take(ids.codes)
    if ids.dtype.kind in "iu" and others.dtype.kind not in "iuf":
        return ids.astype(str)
    if ids.dtype.kind not in "iufM" and others.dtype.kind in "iu":
        import pandas as pd

        return pd.Index(pd.to_numeric(ids, errors="coerce"))
    return ids
