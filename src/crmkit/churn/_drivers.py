"""What a model goes by: exactly, customer by customer, or by what is lost where a feature is shuffled."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _learn, _options
from crmkit._learn import Table
from crmkit.churn._model import ChurnModel
from crmkit.churn._times import read_times
from crmkit.errors import ColumnError, DataError, DataWarning, FitError, OptionError
from crmkit.results import Model, confidence_level, critical_value

__all__ = ["drivers"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ALIKE = 0.9  # rank correlation from which on two features say the same
MOST_ROWS = 20_000  # from which correlations are taken


def drivers(
    model: Model,
    frame: Any,
    /,
    *,
    per: str = "feature",
    groups: Any = "alike",
    accept: float = 0.3,
    value: float = 200,
    offer_cost: float = 10,
    contact_cost: float = 1,
    permutations: int = 5,
    level: float = 0.95,
    rng: Any = 0,
) -> Any:
    r"""Show what the model goes by: how much worse it is without each feature, or what each adds for every customer.

    Parameters
    ----------
    model : ChurnModel
        As `fit` returns it.
    frame : DataFrame
        Its features, one row per customer. Per feature also its label, on rows that it was not fitted on, such as a later
        cutoff: on its own rows a model looks surer of its features than it has reason to be.
    per : {"feature", "customer"}, default "feature"
        "feature" shuffles it and measures what is lost, for any model. "customer" gives the exact contributions of each
        feature to the log odds of each customer, which a logistic regression has and a boosting has not.
    groups : {"alike", "none"} or mapping of str to list of str, default "alike"
        Features to shuffle together, by the name of the group. "alike" joins those that say the same: numbers with a rank
        correlation of at least 0.9, categories that determine each other so far. Shuffled one by one each would stand in for
        the others, and none would seem to matter.
    accept : float, default 0.3
        Share of churners that an offer keeps, from 0 to 1, for what is lost in profit.
    value : float, default 200
        What a customer who stays is worth.
    offer_cost : float, default 10
        Cost of the offer, for those who take it: churners who stay for it, and customers who would have stayed anyway.
    contact_cost : float, default 1
        Cost of contacting a customer.
    permutations : int, default 5
        How often each group is shuffled.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    rng : int, Generator or None, default 0
        Shuffles.

    Returns
    -------
    DataFrame
        Per feature, one row per group, the greatest loss first: ``feature`` (or group), ``features`` (what it holds),
        ``log_loss`` (by how much it rises), ``ci_low``, ``ci_high``, ``share`` (of what all groups together lose, 0 for one
        that loses nothing), ``profit`` (per customer, by how much it falls), ``profit_low``, ``profit_high``.

        Per customer, the rows of the frame: ``baseline``, a column per feature, and ``log_odds``, their sum: the log odds of
        the probability that `predict` gives.

    Raises
    ------
    ColumnError
        A feature or the label is missing.
    DataError
        A value cannot be read (see `predict`), or there are fewer than two rows.
    FitError
        Contributions per customer are asked of a boosting.
    OptionError
        `model` is not a model of `fit`, `groups` name a feature twice or one that the model does not read, or another option
        is none of its values.

    Warns
    -----
    DataWarning
        The rows have cutoffs that the model was fitted on.

    Notes
    -----
    The customers contacted are those with :math:`p > (d + f) / (\gamma (V - d) + d)`, the rule for probabilities that hold;
    a churner among them earns :math:`\gamma (V - d) - f`, another customer costs :math:`d + f`. Rows are shuffled within
    their cutoff, a group as a whole. Intervals are normal, from the spread over the rows.

    A number at its mean adds nothing to the log odds, and the contribution of a category is that over the mean of those seen.
    Neither measure says what would happen if a feature were changed: both speak of the model, not of causes.

    References
    ----------
    Breiman (2001), Random forests, Machine Learning 45(1).
    Fisher, Rudin and Dominici (2019), All models are wrong, but many are useful: learning a variable's importance by studying
    an entire class of prediction models simultaneously, JMLR 20(177).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import churn
    >>> past = pd.DataFrame({"visits": [9, 8, 7, 9, 6, 5, 2, 1, 0, 1, 3, 4], "churned": [0] * 6 + [1] * 6})
    >>> model = churn.fit(past)
    >>> churn.drivers(model, pd.DataFrame({"visits": [8, 0]}, index=["ann", "bob"]), per="customer").round(2)
         baseline  visits  log_odds
    ann     -0.02   -1.80     -1.81
    bob     -0.02    2.41      2.39
    """
    if not isinstance(model, ChurnModel):
        msg = f"churn.drivers takes a model of churn.fit, then the frame; got {type(model).__name__}"
        raise OptionError(msg)
    _options.choice("per", per, ("feature", "customer"))
    level = confidence_level(level)
    read = _frame.read(frame)
    table = _learn.read_as(read, model.features, model.categories, tuple(model.missing), model.bounds())
    if per == "customer":
        return _frame.rows_like(read, _contributions(model, table), used=model.features)
    _options.whole("permutations", permutations, low=1)
    gain = _options.number("accept", accept, low=0.0, high=1.0) * (
        _options.number("value", value, low=0.0, ends=False) - _options.number("offer_cost", offer_cost, low=0.0)
    )
    waste = offer_cost + _options.number("contact_cost", contact_cost, low=0.0)
    campaign = _Campaign(gain - contact_cost, waste, gain + offer_cost)
    if model.label not in read.columns:
        raise ColumnError.missing(model.label, read.columns)
    happened = _learn.read_label(read, model.label)
    if happened.size < 2:
        msg = f"too few rows, {happened.size}: there is nothing to shuffle, and no spread around what is lost"
        raise DataError(msg)
    named = _groups(groups, table)
    times = read_times(read, None)
    within = np.zeros(happened.size, np.int64) if times is None else np.unique(times.cutoff, return_inverse=True)[1]
    if times is not None and set(times.shown) & set(model.cutoffs):
        warnings.warn(
            "some rows are of cutoffs that the model was fitted on: what it lost there says more of how it was fitted than of how"
            " it predicts; take a later cutoff. Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=2,
        )
    random = _options.generator(rng)
    loss, earned = campaign.judge(model, table, happened)
    rows: dict[str, list[Any]] = {name: [] for name in ("feature", "features", *COLUMNS)}
    z = critical_value(level)
    for name, members in named.items():
        lost, missed = np.zeros(happened.size), np.zeros(happened.size)
        for _ in range(permutations):
            after, gained = campaign.judge(model, _shuffled(table, members, within, random), happened)
            lost += (after - loss) / permutations
            missed += (earned - gained) / permutations
        found = []
        for each in (lost, missed):
            mean, margin = float(each.mean()), z * float(each.std()) / np.sqrt(each.size)
            found += [mean, mean - margin, mean + margin]
        for key, entry in zip(rows, (name, ", ".join(members), *found[:3], 0.0, *found[3:]), strict=True):
            rows[key].append(entry)
    order = np.argsort(-np.array(rows["log_loss"]), kind="stable")
    columns = {
        name: np.array(entries, object if name in ("feature", "features") else np.float64)[order]
        for name, entries in rows.items()
    }
    worse = np.maximum(columns["log_loss"], 0.0)
    columns["share"] = worse / worse.sum() if worse.sum() > 0 else worse
    return _frame.table(columns, kind=read.kind)


COLUMNS = ("log_loss", "ci_low", "ci_high", "share", "profit", "profit_low", "profit_high")


@dataclasses.dataclass(frozen=True, slots=True)
class _Campaign:
    """What contacting a churner brings, what contacting another costs, and what the threshold divides by."""

    earns: float
    wastes: float
    scale: float

    def judge(self, model: ChurnModel, table: Table, happened: Bools) -> tuple[Floats, Floats]:
        """Return the loss of each row, and what it brings if those above the threshold are contacted."""
        log_odds = model.log_odds_of(table)
        contacted = _learn.probability(log_odds) * self.scale > self.wastes
        return _learn.losses(happened, log_odds), np.where(contacted, np.where(happened, self.earns, -self.wastes), 0.0)


def _contributions(model: ChurnModel, table: Table) -> dict[str, Floats]:
    if model.kind != "logistic":
        msg = (
            f"a model of kind {model.kind!r} has no exact contributions per customer; fit with model='logistic' for them, or ask"
            " per='feature'"
        )
        raise FitError(msg)
    X, _ = table.matrix()
    slope = float(model.calibration.get("slope", 1.0))
    baseline = float(model.calibration.get("intercept", 0.0)) + slope * float(model.intercept or 0.0) + model.offset
    logistic = model.logistic()
    found: dict[str, Floats] = {"baseline": np.full(table.n, baseline)}
    for name in table.columns:
        if name in ("baseline", "log_odds"):
            msg = f"feature {name!r} is named like a column of the result, which would take its place; rename it"
            raise OptionError(msg)
        found[name] = np.zeros(table.n)
    for t, (name, _) in enumerate(table.terms()):
        found[name] += slope * logistic.contribution(X, t)
    found["log_odds"] = np.sum(list(found.values()), axis=0)
    return found


def _shuffled(table: Table, members: list[str], within: npt.NDArray[np.int64], random: np.random.Generator) -> Table:
    """Give each row the values that another row of its cutoff has, of all members alike."""
    # a random order within each cutoff, laid against the order as it stands
    there = np.lexsort((random.random(table.n), within))
    place = np.empty(table.n, np.int64)
    place[np.argsort(within, kind="stable")] = there
    columns = {name: values[place] if name in members else values for name, values in table.columns.items()}
    return Table(columns, table.categories, table.missing, table.n)


def _groups(groups: Any, table: Table) -> dict[str, list[str]]:
    names = list(table.columns)
    if isinstance(groups, str):
        _options.choice("groups", groups, ("alike", "none"))
        return {name: [name] for name in names} if groups == "none" else _alike(table)
    if not isinstance(groups, Mapping):
        msg = 'groups= is "alike", "none", or a mapping of names to lists of features'
        raise OptionError(msg)
    found = {str(group): [members] if isinstance(members, str) else list(members) for group, members in groups.items()}
    listed = [name for members in found.values() for name in members]
    for name in listed:
        if name not in names:
            raise ColumnError.missing(name, names, keyword="groups")
    twice = sorted({name for name in listed if listed.count(name) > 1})
    if twice:
        msg = f"groups names {twice} more than once"
        raise OptionError(msg)
    return {**found, **{name: [name] for name in names if name not in listed}}


def _alike(table: Table) -> dict[str, list[str]]:
    """Join features that say the same, directly or by way of others."""
    names = list(table.columns)
    step = max(1, table.n // MOST_ROWS)
    group = dict(zip(names, range(len(names)), strict=True))
    ranks = {name: _ranks(table.columns[name][::step]) for name in names if name not in table.categories}
    for i, one in enumerate(names):
        for two in names[i + 1 :]:
            if group[one] == group[two] or (one in table.categories) != (two in table.categories):
                continue
            if one in table.categories:
                strength = _cramer(table.columns[one][::step], table.columns[two][::step])
            else:
                strength = abs(float(ranks[one] @ ranks[two]))
            if strength >= ALIKE:
                old, new = group[two], group[one]
                group = {name: new if at == old else at for name, at in group.items()}
    found: dict[str, list[str]] = {}
    for name in names:
        first = next(other for other in names if group[other] == group[name])
        found.setdefault(first, []).append(name)
    return {members[0] if len(members) == 1 else f"{members[0]} …": members for members in found.values()}


def _ranks(values: Floats) -> Floats:
    """Ranks with mean 0 and length 1, missing values in the middle; all 0 where there is one value only."""
    from scipy.stats import rankdata

    known = ~np.isnan(values)
    centred = np.zeros(values.size)
    if known.any():
        ranks = rankdata(values[known])
        centred[known] = ranks - ranks.mean()
    length = float(np.linalg.norm(centred))
    return centred / length if length > 0 else centred


def _cramer(one: npt.NDArray[Any], two: npt.NDArray[Any]) -> float:
    """Cramér's V of two columns of codes."""
    _, a = np.unique(one, return_inverse=True)
    _, b = np.unique(two, return_inverse=True)
    counts = np.zeros((int(a.max(initial=0)) + 1, int(b.max(initial=0)) + 1))
    np.add.at(counts, (a, b), 1.0)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(counts.sum(), 1.0)
    fewest = min(counts.shape) - 1
    if fewest == 0 or counts.sum() == 0:
        return 0.0
    return float(np.sqrt((np.square(counts - expected) / expected).sum() / counts.sum() / fewest))
