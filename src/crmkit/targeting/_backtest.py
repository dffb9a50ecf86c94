"""A rule of targeting played again on the past: whom it would have picked, and what they went on to do."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options
from crmkit._events import EventLog
from crmkit.errors import CrmkitError, DataError, OptionError
from crmkit.intervals._one import wilson_ends
from crmkit.results import Shown, confidence_level, critical_value
from crmkit.targeting import _customers, _replay
from crmkit.targeting._choose import Choice

if TYPE_CHECKING:
    from crmkit._events import ColumnNames

__all__ = ["Backtest", "backtest"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Policy = Callable[[EventLog], Any]

LARGEST = 1e75
MEASURES = {"value": "amount spent", "orders": "orders", "churned": "share without a purchase"}
EVERYBODY = "everybody"
LIMITS = (
    "Nobody in this log was contacted at random. The figures say what those picked went on to do, not what contacting them"
    " would have changed: a rule that picks people who buy anyway looks good here. Where earlier campaigns followed a similar"
    " rule, their effect is in the figures. To know the effect, contact a random part of those picked and compare."
)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Backtest(Shown):
    """Whom each policy would have picked at past cutoffs, and what they did afterwards.

    Attributes
    ----------
    table : DataFrame
        One row per `policy` and `cutoff`: `eligible` (customers with a purchase by then), `contacted`, `value` (mean over
        those contacted of what was measured after the cutoff), `ci_low`, `ci_high`. The last policy is "everybody".
    overall : DataFrame
        One row per `policy`, all cutoffs together: `cutoffs`, `contacted`, `value`, `ci_low`, `ci_high`. Intervals count a
        customer picked at several cutoffs as one.
    differences : DataFrame
        One row for each two policies, each less every later one: `policy`, `against`, `value`, `ci_low`, `ci_high`, `p_value`,
        all cutoffs together, paired by customer, and `overlap`: the customers both would contact, as a share of those that
        either would.
    measure : str
        What was measured.
    horizon : str
        Over which time after the cutoff.
    audited : tuple of str
        Policies found to give the same answer for customers of other names, at the first cutoff.
    limits : str
        What this log cannot tell.
    n : int
        Pairs of customer and cutoff.
    level : float
        Confidence level of the intervals.

    Examples
    --------
    >>> from crmkit import datasets, rfm, targeting
    >>> log = datasets.make_transactions(n_customers=200).transactions
    >>> def best(past):
    ...     return rfm.summarize(past)["monetary"].nlargest(20).index
    >>> targeting.backtest(log, best, cutoffs=["2024-06-01"]).overall["contacted"].tolist()
    [20, 189]
    """

    table: Any
    overall: Any
    differences: Any
    measure: str
    horizon: str
    audited: tuple[str, ...]
    limits: str
    n: int
    level: float

    def __repr__(self) -> str:
        what = f"Mean {MEASURES[self.measure]} within {self.horizon} of the cutoff, of those each policy would contact"
        return "\n".join([what, str(self.overall), "", "differences, paired", str(self.differences), "", self.limits])


def backtest(
    log: Any,
    policy: Policy | Mapping[str, Policy],
    /,
    *,
    cutoffs: Any,
    horizon: Any = "90D",
    measure: str = "value",
    audit: bool = True,
    level: float = 0.95,
    **columns: Unpack[ColumnNames],
) -> Backtest:
    r"""Play a rule of targeting again at past moments, and tell what those it picks went on to do.

    Parameters
    ----------
    log : EventLog or DataFrame
        Purchases; a frame takes the column keywords of `crmkit.events`.
    policy : callable or mapping of str to callable
        Takes the log as it was known at a cutoff, ``log.until(cutoff)``, and returns whom to contact: ids as a list or a
        column, a Series of flags indexed by id, or a `Choice`. Several policies by name are compared with one another.
    cutoffs : sequence of date-like
        The moments to stand at. A date is its first moment on the wall clock of the log.
    horizon : str, default "90D"
        Length of the time after the cutoff in which to look.
    measure : {"value", "orders", "churned"}, default "value"
        What to look at, per customer: the amount spent, orders, or whether there was no order at all (1) or one (0).
    audit : bool, default True
        Whether to ask each policy a second time at the first cutoff, with other names for the customers (see Notes).
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    **columns
        Column keywords of `crmkit.events`, where a frame is given.

    Returns
    -------
    Backtest
        Per policy and cutoff, overall, and the differences of policies, everybody among them.

    Raises
    ------
    ColumnError
        A column is missing, or the log was built without times, or without amounts where they are measured.
    DataError
        The events cannot be read; a window is not over when the log ends, or nobody had bought before a cutoff; a policy
        contacts fewer than two customers, somebody twice or somebody unknown; or it sees more than it was handed.
    OptionError
        A cutoff is not a date or is given twice, `measure` is none of those known, or an option is out of its range.

    Warns
    -----
    DataWarning
        A policy reads a fitted model, or a frame with times past the cutoff, from outside.

    Notes
    -----
    A policy cannot use what comes after the cutoff in the log it is handed, for it is not there. It can by other ways. If it
    reads another event log that runs past the cutoff, it is refused; models and frames from outside are warned of. And it is
    asked again with the ids of the customers replaced by others in the same order: an answer that changes came from a table
    that knows the customers by name, and is refused. What cannot be found out is a model that was fitted on later events
    and is read in a way that hides it: fit inside the policy.

    Customers are those with a purchase before the cutoff. What is measured are the purchases in [cutoff, cutoff + horizon),
    less refunds of them within it; who does not come back counts with 0. Means over several cutoffs weigh every contact alike.
    Standard errors come from the influence of each customer on a mean, summed over cutoffs; that of a difference is of the
    difference of influences, so that customers picked by both policies do not blur it. Where all those contacted are alike in
    "churned", the interval is Wilson's; in an amount or in orders it has no width, for there is no spread to be seen. Where all
    picked by two policies are alike, and the two differ, p-value and interval of the difference are those of a sign that came
    out alike in as many trials as the smaller of the two has customers.

    The answer describes; it is not the effect of a campaign. Only a comparison with people who were left out at random is.

    Examples
    --------
    >>> from crmkit import datasets, rfm, targeting
    >>> log = datasets.make_transactions(n_customers=400).transactions
    >>> def recent(past):
    ...     return rfm.summarize(past)["recency_days"].nsmallest(50).index
    >>> def spenders(past):
    ...     return rfm.summarize(past)["monetary"].nlargest(50).index
    >>> replay = targeting.backtest(log, {"recent": recent, "spenders": spenders}, cutoffs=["2024-03-01", "2024-06-01"])
    >>> replay.overall[["policy", "contacted", "value"]].round(1)
          policy  contacted  value
    0     recent        100   39.4
    1   spenders        100   29.4
    2  everybody        697   15.1
    """
    _options.choice("measure", measure, MEASURES)
    level = confidence_level(level)
    ahead = _options.days("horizon", horizon)
    policies = _named(policy)
    log = _events.as_log(log, **columns)
    log.require("time", *(("amount",) if measure == "value" else ()))
    moments = _moments(log, cutoffs, ahead)

    names = [*policies, EVERYBODY]
    standing = [_stand(log, policies, moment, measure, audit=audit and i == 0) for i, moment in enumerate(moments)]
    audited = [name for name in policies if name in standing[0].audited]
    z = critical_value(level)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("policy", "cutoff", "eligible", "contacted", "value", "ci_low", "ci_high")
    }
    for name in names:
        for moment, here in zip(moments, standing, strict=True):
            picked = here.picked[name]
            mean, _, low, high = _mean([(here.customer[picked], here.outcome[picked])], measure, z)
            found = (name, moment.shown, here.customer.size, int(picked.sum()), mean, low, high)
            for column, value in zip(rows.values(), found, strict=True):
                column.append(value)

    overall: dict[str, list[Any]] = {name: [] for name in ("policy", "cutoffs", "contacted", "value", "ci_low", "ci_high")}
    influences: dict[str, tuple[float, Floats]] = {}
    for name in names:
        parts = [(here.customer[here.picked[name]], here.outcome[here.picked[name]]) for here in standing]
        mean, influence, low, high = _mean(parts, measure, z, log.n_customers)
        influences[name] = (mean, influence)
        total = (name, len(moments), sum(who.size for who, _ in parts), mean, low, high)
        for column, value in zip(overall.values(), total, strict=True):
            column.append(value)
    kind = log.labels.kind
    times = {"cutoff": _frame.Moments(np.array([m.instant for m in moments] * len(names), np.int64), log.clock)}
    return Backtest(
        table=_frame.table({**rows, **times}, kind=kind),
        overall=_frame.table(overall, kind=kind),
        differences=_frame.table(_differences(names, influences, standing, z), kind=kind),
        measure=measure,
        horizon=str(horizon),
        audited=tuple(audited),
        limits=LIMITS,
        n=sum(here.customer.size for here in standing),
        level=level,
    )


# ── moments ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """A cutoff and the end of the time looked at."""

    instant: int
    end: int
    shown: Any


def _moments(log: EventLog, cutoffs: Any, days: float) -> list[_Moment]:
    given = [cutoffs] if isinstance(cutoffs, str) or not hasattr(cutoffs, "__iter__") else list(cutoffs)
    by_instant = {log.clock.instant(cutoff, keyword="cutoffs"): cutoff for cutoff in given}
    if not by_instant or len(by_instant) < len(given):
        what = "names one moment twice" if given else "is empty"
        msg = f"cutoffs {what}: name different moments of the past, such as cutoffs=['2024-01-01', '2024-04-01']"
        raise OptionError(msg)
    day = log.clock.ticks_per_day
    over = log.clock.instant(log.clock.stamp((int(log.lines.time.max()) // day + 1) * day))
    moments = []
    for instant in sorted(by_instant):
        wall = log.clock.moment(by_instant[instant], keyword="cutoffs")
        if days == math.floor(days):  # whole days keep the time on the wall clock
            end = log.clock.instant(log.clock.stamp(wall + int(days) * day))
        else:
            end = instant + round(days * day)
        shown = log.clock.in_zone(instant)
        if end > over:
            msg = (
                f"cutoff {shown}: the time looked at ends {log.clock.in_zone(end)}, but the log ends {log.span.end}, so that"
                " later purchases would be missed; take an earlier cutoff or a shorter horizon"
            )
            raise DataError(msg)
        moments.append(_Moment(instant, end, shown))
    return moments


# ── standing at one cutoff ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Standing:
    """The customers of a cutoff by their code in the whole log, what they did afterwards, and who is picked by whom."""

    customer: npt.NDArray[np.int64]
    outcome: Floats
    picked: dict[str, Bools]
    audited: list[str]


def _stand(log: EventLog, policies: Mapping[str, Policy], moment: _Moment, measure: str, *, audit: bool) -> _Standing:
    past = log.until(moment.shown)
    eligible = np.diff(past.orders.start) > 0
    if not eligible.any():
        msg = f"no purchase lies before cutoff {moment.shown}; the log runs from {log.span.start} to {log.span.end}"
        raise DataError(msg)
    picked: dict[str, Bools] = {}
    audited = []
    for name, policy in policies.items():
        _replay.refuse_other_logs(policy, name, log, moment.instant)
        picked[name] = _picked(policy, name, past, eligible, moment)
        others = _replay.renamed(past) if audit else None
        if others is not None:
            _refuse_by_name(policy, name, others, eligible, moment, picked[name])
            audited.append(name)
    picked[EVERYBODY] = eligible
    customer = log.labels.codes_of(past.labels.as_index()).astype(np.int64)
    outcome = _afterwards(log, moment, measure)[customer]
    return _Standing(customer[eligible], outcome[eligible], {name: who[eligible] for name, who in picked.items()}, audited)


def _picked(policy: Policy, name: str, past: EventLog, eligible: Bools, moment: _Moment) -> Bools:
    """Ask the policy, and read its answer as flags of the customers of the past."""
    at = f"policy {name!r} at cutoff {moment.shown}"
    codes = past.labels.codes_of(_ids_of(policy(past), at), what=at)
    unknown = (codes < 0) | ~eligible[np.maximum(codes, 0)]
    if unknown.any():
        msg = f"{at} contacts {int(unknown.sum()):,} ids that had not bought by then; it can only know customers of the past"
        raise DataError(msg)
    flags = np.zeros(eligible.size, np.bool_)
    flags[codes] = True
    if int(flags.sum()) < codes.size:
        msg = f"{at} contacts {codes.size - int(flags.sum()):,} customers more than once; return each id once"
        raise DataError(msg)
    if codes.size < 2:
        msg = f"{at} contacts {codes.size} customers; a mean with an interval takes two, so leave this cutoff out"
        raise DataError(msg)
    return flags


def _ids_of(answer: Any, at: str) -> Any:
    """Return the ids in what a policy returned."""
    if isinstance(answer, Choice):
        return answer.ids
    if _frame.is_frame(answer) or isinstance(answer, (str, bytes, Mapping)) or not hasattr(answer, "__iter__"):
        msg = f"{at} returns a {type(answer).__name__}; return ids as a list or a column, a Series of flags by id, or a Choice"
        raise DataError(msg)
    if str(getattr(answer, "dtype", "")).lower() in ("bool", "boolean", "bool[pyarrow]"):
        if not hasattr(answer, "index") or callable(answer.index):
            msg = f"{at} returns flags without ids; return a pandas Series of flags indexed by id, or the ids themselves"
            raise DataError(msg)
        return _customers.read(answer.astype(np.float64)[answer.to_numpy(dtype=np.bool_)], at).listed()
    return list(answer) if isinstance(answer, (set, frozenset)) else answer


def _refuse_by_name(policy: Policy, name: str, others: EventLog, eligible: Bools, moment: _Moment, picked: Bools) -> None:
    msg = (
        f"policy {name!r} answers otherwise when the customers have other names: it looks them up in something beside the log"
        " it is handed, which may know what came later. Use the log alone, or pass audit=False if you are sure"
    )
    try:
        again = _picked(policy, name, others, eligible, moment)
    except (CrmkitError, LookupError, ValueError, TypeError) as error:
        raise DataError(msg) from error
    if not np.array_equal(again, picked):
        raise DataError(msg)


def _afterwards(log: EventLog, moment: _Moment, measure: str) -> Floats:
    """Return what each customer of the log did between the cutoff and the end of the time looked at."""
    out = np.zeros(log.n_customers)
    inside = (log.lines.instant >= moment.instant) & (log.lines.instant < moment.end)
    if inside.any():
        after = log.between(moment.shown, log.clock.in_zone(moment.end))
        orders = np.diff(after.orders.start)
        mine: Floats = orders.astype(np.float64)
        if measure == "value":
            assert after.orders.amount is not None
            spent = after.orders.amount
            largest = float(spent.max(initial=0.0))
            if largest > LARGEST:
                msg = f"amounts reach {largest:g}, too large to be squared for the intervals; look for a filler, or a wrong unit"
                raise DataError(msg)
            mine = np.bincount(np.repeat(np.arange(orders.size), orders), spent, orders.size).astype(np.float64)
        out[log.labels.codes_of(after.labels.as_index())] = mine
    return (out == 0.0).astype(np.float64) if measure == "churned" else out


# ── means and what they differ by ────────────────────────────────────────────────────────────────────────────────────────


def _mean(
    parts: list[tuple[npt.NDArray[np.int64], Floats]], measure: str, z: float, n_customers: int | None = None
) -> tuple[float, Floats, float, float]:
    """Mean over all contacts, the influence of each customer on it, and its interval."""
    who, outcome = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    mean = float(outcome.mean())
    codes = who if n_customers is not None else np.arange(who.size)
    influence = np.bincount(codes, (outcome - mean) / who.size, n_customers or who.size).astype(np.float64)
    clusters = int(np.count_nonzero(np.bincount(who)))
    se = math.sqrt(float(influence @ influence) * clusters / max(clusters - 1, 1))
    if measure == "churned" and se == 0.0:
        count = np.array(float(clusters))
        low, high = (float(end) for end in wilson_ends(count * mean, count, z))
        return mean, influence, low, high
    low, high = mean - z * se, mean + z * se
    return mean, influence, max(low, 0.0), min(high, 1.0) if measure == "churned" else high


def _differences(
    names: list[str], influences: dict[str, tuple[float, Floats]], standing: list[_Standing], z: float
) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {name: [] for name in ("policy", "against", "value", "ci_low", "ci_high", "p_value", "overlap")}
    for i, name in enumerate(names):
        for other in names[i + 1 :]:
            gap = influences[name][0] - influences[other][0]
            apart = influences[name][1] - influences[other][1]
            either = sum(int((here.picked[name] | here.picked[other]).sum()) for here in standing)
            both = sum(int((here.picked[name] & here.picked[other]).sum()) for here in standing)
            who = np.concatenate([here.customer[here.picked[name] | here.picked[other]] for here in standing])
            clusters = int(np.count_nonzero(np.bincount(who)))
            se = math.sqrt(float(apart @ apart) * clusters / max(clusters - 1, 1))
            low, high = gap - z * se, gap + z * se
            chance = math.erfc(abs(gap) / se / math.sqrt(2.0)) if se > 0.0 else 1.0
            if se == 0.0 and gap != 0.0:
                # all those picked by either did alike: as certain as so many trials of which none went the other way
                trials = min(_persons(standing, name), _persons(standing, other))
                far = gap * (2.0 * float(wilson_ends(np.array(trials), np.array(trials), z)[0]) - 1.0)
                low, high, chance = min(far, gap), max(far, gap), math.erfc(math.sqrt(trials / 2.0))
            row = (name, other, gap, low, high, chance, both / either)
            for column, value in zip(found.values(), row, strict=True):
                column.append(value)
    return found


def _persons(standing: list[_Standing], name: str) -> float:
    """Count the customers picked, each once."""
    who = np.concatenate([here.customer[here.picked[name]] for here in standing])
    return float(np.count_nonzero(np.bincount(who)))


def _named(policy: Any) -> dict[str, Policy]:
    policies = dict(policy) if isinstance(policy, Mapping) else {getattr(policy, "__name__", "policy"): policy}
    if not policies or not all(callable(one) for one in policies.values()):
        msg = "policy is a function of the log as it was known, or a mapping of names to such functions"
        raise OptionError(msg)
    if EVERYBODY in policies:
        msg = f"a policy is named {EVERYBODY!r}, which stands for contacting all customers: rename it"
        raise OptionError(msg)
    return {str(name): one for name, one in policies.items()}
