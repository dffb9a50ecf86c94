"""How well recommendations foresaw what was bought: repeat and new items apart, with intervals, model against model."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Unpack, cast

import numpy as np
import numpy.typing as npt

from crmkit import _events, _frame, _options, _threads
from crmkit._kernels import evaluation as _k
from crmkit._kernels import sparse as _sparse
from crmkit.errors import DataError, DataWarning, OptionError
from crmkit.recommend import _policy
from crmkit.recommend._interactions import Interactions, Rows, from_log
from crmkit.recommend._split import Split
from crmkit.recommend._top_items import Lists, best_lists, recommender
from crmkit.results import Frozen, confidence_level

__all__ = ["Evaluation", "evaluate"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

PARTS = ("all", "repeat", "new")
METRICS = (*_k.METRICS, "novelty", "diversity")
PIECE = 2048  # customers of one piece of work
DRAWN = 1 << 24  # numbers drawn at once


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evaluation(Frozen):
    """How lists of recommendations met what was bought; made by `recommend.evaluate`.

    Attributes
    ----------
    metrics : DataFrame
        One row per model, items ("all", "repeat", "new"), k and metric: value (the mean over customers), ci_low, ci_high and n,
        the customers it is the mean of.
    differences : DataFrame
        The same rows for every model but the first: its mean minus that of the first model, on the same customers.
    catalogue : DataFrame
        What the lists of a model look like together: one row per model, items ("all", "new") and k, with coverage (share of
        the catalogue that is on a list), gini (0 if all items are listed equally often, near 1 if a few are all there is) and
        n, the number of lists. They describe these lists and have no interval.
    level : float
        Confidence level of the intervals.
    left_out : mapping of str to int
        Test customers and purchases that were not evaluated, and why.
    """

    metrics: Any
    differences: Any
    catalogue: Any
    level: float
    left_out: Mapping[str, int]
    _values: Mapping[tuple[str, str, int], tuple[npt.NDArray[np.int64], Floats]]
    _who: _frame.Ids

    def customers(self, *, model: str | None = None, items: str = "all", k: int | None = None) -> Any:
        """Return the metrics of every customer: one row each, one column per metric.

        By default those of the first model at the smallest k. Novelty and diversity are missing where a list has too few
        items to have any.
        """
        keys = list(self._values)
        name = keys[0][0] if model is None else model
        depth = keys[0][2] if k is None else k
        if (name, items, depth) not in self._values:
            known = "; ".join(
                f"{label}={sorted({key[place] for key in keys})}" for place, label in enumerate(("model", "items", "k"))
            )
            msg = f"nothing was evaluated for model={name!r}, items={items!r}, k={depth!r}; there are {known}"
            raise OptionError(msg)
        places, values = self._values[name, items, depth]
        columns = {metric: values[:, place] for place, metric in enumerate(METRICS)}
        return _frame.per_label(self._who.labels, self._who.codes[places], columns, name="customer_id")

    def __repr__(self) -> str:
        lines = [f"Evaluation of {len({key[0] for key in self._values})} models"]
        lines += [f"  {why}: {count:,}" for why, count in self.left_out.items()]
        return "\n".join([*lines, str(self.metrics)])


def evaluate(
    models: Any,
    test: Any,
    /,
    *,
    k: int | Sequence[int] = 10,
    items: Sequence[str] = PARTS,
    customers: str = "known",
    unknown_items: str = "leave_out",
    history: Any = None,
    level: float = 0.95,
    replicates: int = 1000,
    rng: Any = 0,
    n_threads: int | None = None,
    **columns: Unpack[_events.ColumnNames],
) -> Evaluation:
    r"""Tell how well models foresaw what customers bought next: repeat purchases and new items apart.

    Parameters
    ----------
    models : recommender or mapping
        One fitted model, or several by name; the first is what the others are compared with.
    test : Split, EventLog or DataFrame
        What was bought after the fit: a split of `recommend`, whose training the models must have been fitted to, or a log or
        frame, which the column keywords describe.
    k : int or list of int, default 10
        Lengths of the lists to look at.
    items : list of {"all", "repeat", "new"}, default all three
        What to foresee. "all": everything that was bought in the test, from lists that leave out nothing. "repeat": what the
        customer had bought before, from the same lists. "new": what they had not, from lists without what they had.
    customers : {"known", "all"}, default "known"
        Whether to leave out customers without a history, or to count how popularity serves them.
    unknown_items : {"leave_out", "count"}, default "leave_out"
        What to do with test purchases of items that no model knows: leave them out, or count them as missed.
    history : EventLog, DataFrame or Interactions, optional
        Purchases to recommend from, as in `recommend.top_items`; by default the history of the split.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    replicates : int, default 1000
        Resamples of customers behind the intervals, 100 to 1,000,000.
    rng : int, Generator or None, default 0
        Seed; None for fresh entropy.
    n_threads : int, optional
        Threads to use; by default all cores this process may use. The answer does not depend on it.
    **columns
        Where `test` is a frame: its columns and what to do with refunds and missing ids, as in `crmkit.events`; by default
        those of the interactions of the first model.

    Returns
    -------
    Evaluation
        Means with intervals, differences from the first model, what the lists look like together, and every customer's values.

    Raises
    ------
    ColumnError
        A column is not in the frame, or the log holds no items.
    DataError
        Nobody is left to evaluate, a model has seen what comes after the training of the split, or names are told apart by
        type alone.
    OptionError
        An argument is outside what is accepted.

    Warns
    -----
    DataWarning
        What is to be foreseen was bought by one customer alone: the means have no interval, and hold missing values there.

    Notes
    -----
    For one customer with n items to foresee, h of them among the first k of the list, at ranks r:

    - precision: h / k, however short the list; recall: h / n; recall_min: h / min(k, n), which 1 can be reached in;
    - ndcg: :math:`\sum_r 1 / \log_2(r + 1)`, divided by its value for the first min(k, n) ranks; ndcg_full: for all n;
    - map: the sum of the precisions at the ranks of the hits, divided by min(k, n); map_full: by n;
    - mrr: one over the rank of the first hit, 0 without; hit_rate: whether there is a hit;
    - novelty: the mean of :math:`-\log_2` of the share of customers who had bought the item; diversity: one minus the mean
      Jaccard similarity of the customers of two items of the list.

    Others mean recall_min by precision or recall, or ndcg_full by NDCG: compare numbers of one definition. Every item is
    ranked; metrics on a sample of items are not those of the whole and may turn the order of models around.

    Customers without an item to foresee are in no mean. Items that no model knows cannot be foreseen; `left_out` says how many
    purchases of such items there were, unless they count. Intervals are percentiles over resampled customers, the same for all
    models, so that differences are paired.

    References
    ----------
    Järvelin and Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques, ACM TOIS 20(4).
    Krichene and Rendle (2020), On sampled metrics for item recommendation, KDD.
    Li, Jullien, Ariannezhad and de Rijke (2023), A next basket recommendation reality check, ACM TOIS 41(4).
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    Examples
    --------
    >>> from crmkit import datasets, recommend
    >>> shop = datasets.make_transactions(n_customers=300)
    >>> split = recommend.split_by_time(shop.transactions, when="2024-06-01")
    >>> seen = recommend.interactions(split.train)
    >>> models = {"popular": recommend.fit_popularity(seen), "frequent": recommend.fit_frequency(seen)}
    >>> result = recommend.evaluate(models, split, k=5)
    >>> recall = result.metrics.query("metric == 'recall' and items == 'all'").set_index("model")["value"]
    >>> bool(recall["frequent"] > recall["popular"])
    True
    """
    named = _named(models)
    ks = np.unique([_options.whole("k", one, low=1) for one in ([k] if np.ndim(k) == 0 else list(cast("Sequence[int]", k)))])
    if ks.size == 0:
        msg = "k= is an empty list; name the lengths of the lists to look at"
        raise OptionError(msg)
    parts = _parts(items)
    missed = _options.choice("unknown_items", unknown_items, ("leave_out", "count")) == "count"
    everybody = _options.choice("customers", customers, ("known", "all")) == "all"
    level = confidence_level(level)
    replicates = _options.whole("replicates", replicates, low=100, high=1_000_000)
    random = _options.generator(rng)
    if isinstance(test, Split):
        _refuse_leaks(named, test)
        history = test.history if history is None else history
        test = test.test
    first = next(iter(named.values())).interactions
    truth = _truth(test, first, columns)
    past = {name: None if history is None else _policy.folded_in(history, model.interactions) for name, model in named.items()}

    known = _known(named, past, truth)
    left_out = {"customers without a history": 0 if everybody else int(np.count_nonzero(~known))}
    rows = np.flatnonzero(known | everybody)
    foreseeable = np.zeros(len(truth.items), np.bool_)
    for model in named.values():
        foreseeable |= model.interactions.items.codes_of(truth.items.values, what="item") >= 0
    bought = _bought(named, past, truth)
    customer, item = _policy.owners(truth.by_customer), truth.by_customer.index
    asked = np.isin(customer, rows)
    foreseeable |= missed
    left_out["purchases of items nobody had bought"] = int(np.count_nonzero(asked & ~foreseeable[item]))
    keep = asked & foreseeable[item]
    targets = {
        "all": keep,
        "repeat": keep & bought,
        "new": keep & ~bought,
    }
    if not keep.any():
        why = "; ".join(f"{reason}: {count:,}" for reason, count in left_out.items() if count)
        msg = f"no purchase of the test can be evaluated ({why}); the test may be of other customers or other items than the fit"
        raise DataError(msg)

    who = _frame.Ids(rows.astype(np.int32), truth.customers)
    values: dict[tuple[str, str, int], tuple[npt.NDArray[np.int64], Floats]] = {}
    catalogue: dict[str, list[Any]] = {name: [] for name in ("model", "items", "k", "coverage", "gini", "n")}
    wanted = {part: _rows(customer[targets[part]], item[targets[part]], rows, truth) for part in parts}
    for name, model in named.items():
        code = truth.items.codes_of(model.interactions.items.values, what="item")
        lists, looks = {}, {}
        for kind in dict.fromkeys("new" if part == "new" else "all" for part in parts):
            lists[kind] = _lists(model, past[name], who, kind, int(ks[-1]), n_threads)
            looks[kind] = _looks(lists[kind], model.interactions, ks)
        for part in parts:
            kind = "new" if part == "new" else "all"
            marks = _marks(lists[kind], code, wanted[part], ks, len(truth.items), n_threads)
            there = np.flatnonzero(np.diff(wanted[part].start))
            for place, depth in enumerate(ks.tolist()):
                values[name, part, depth] = there, np.concatenate([marks[there, place], looks[kind][there, place]], axis=1)
        for kind, found in lists.items():
            for depth in ks.tolist():
                covered, gini = _spread(found, depth, len(model.interactions.items))
                for column, entry in zip(catalogue, (name, kind, depth, covered, gini, found.start.size - 1), strict=True):
                    catalogue[column].append(entry)

    kind_of_frame = first.customers.kind
    metrics, differences = _tables(values, list(named), level, replicates, random, kind_of_frame)
    alone = sum(places.size == 1 for places, _ in values.values())
    if alone:
        warnings.warn(
            f"{alone} of {len(values)} lists of items to foresee are those of one customer: their means have no interval, and"
            " hold missing values there. Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=2,
        )
    catalogue_table = _frame.table(catalogue, kind=kind_of_frame)
    return Evaluation(metrics, differences, catalogue_table, level, MappingProxyType(left_out), MappingProxyType(values), who)


# ── what is asked ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _named(models: Any) -> dict[str, Any]:
    if not isinstance(models, Mapping):
        models = {recommender(models).SOURCE: models}
    named = {str(name): recommender(model) for name, model in models.items()}
    if len(named) < len(models) or not named:
        msg = "models= holds no model" if not named else "models= has two names that read alike"
        raise (OptionError if not named else DataError)(msg)
    return named


def _parts(items: Any) -> tuple[str, ...]:
    wanted = [items] if isinstance(items, str) else list(items)
    for part in wanted:
        _options.choice("items", part, PARTS)
    if not wanted:
        msg = f"items= is empty; name some of {PARTS}"
        raise OptionError(msg)
    return tuple(part for part in PARTS if part in wanted)


def _refuse_leaks(named: Mapping[str, Any], split: Split) -> None:
    """Refuse a model that knows what comes after the training, or customers who were kept from it."""
    for name, model in named.items():
        seen = model.interactions
        if seen.last is not None and split.train.columns.get("time") is not None and seen.last > split.train.span.end:
            msg = (
                f"{name} was fitted to events up to {seen.last}, the training of the split ends {split.train.span.end}: it has"
                " seen the test; fit it to recommend.interactions(split.train)"
            )
            raise DataError(msg)
        if split.history is not None and (seen.customers.codes_of(split.history.labels.values) >= 0).any():
            msg = f"{name} was fitted to customers whom the split kept from the training; fit it to interactions(split.train)"
            raise DataError(msg)


def _truth(test: Any, first: Interactions, columns: Mapping[str, Any]) -> Interactions:
    if isinstance(test, Interactions):
        return test
    if not isinstance(test, _events.EventLog) and not columns:
        columns = first.columns
    named = columns if isinstance(test, _events.EventLog) else {"item": "item_id", **columns}
    return from_log(_events.as_log(test, **cast(_events.ColumnNames, named)), None, None, None)


def _known(named: Mapping[str, Any], past: Mapping[str, Interactions | None], truth: Interactions) -> npt.NDArray[np.bool_]:
    """Return which customers of the test have a history with every model."""
    known = np.ones(len(truth.customers), np.bool_)
    for name, model in named.items():
        mine = model.interactions.customers.codes_of(truth.customers.values, what="customer") >= 0
        later = past[name]
        if later is not None:
            code = later.customers.codes_of(truth.customers.values)
            mine |= (code >= 0) & (np.diff(later.by_customer.start)[code] > 0)
        known &= mine
    return known


def _bought(named: Mapping[str, Any], past: Mapping[str, Interactions | None], truth: Interactions) -> npt.NDArray[np.bool_]:
    """Return which pairs of the test were bought before, in what any of the models was fitted to or in the history."""
    customer, item = _policy.owners(truth.by_customer).astype(np.int64), truth.by_customer.index
    n_items = len(truth.items)
    before = np.zeros(item.size, np.bool_)
    done: set[int] = set()  # models are often fitted to one table
    for name, model in named.items():
        for table in (model.interactions, past[name]):
            if table is None or id(table) in done:
                continue
            done.add(id(table))
            of_customer = truth.customers.codes_of(table.customers.values, what="customer")
            of_item = truth.items.codes_of(model.interactions.items.values, what="item")
            who, what = of_customer[_policy.owners(table.by_customer)], of_item[table.by_customer.index]
            both = (who >= 0) & (what >= 0)
            before |= np.isin(customer * n_items + item, who[both].astype(np.int64) * n_items + what[both])
    return before


def _rows(customer: Codes, item: Codes, rows: npt.NDArray[np.intp], truth: Interactions) -> Rows:
    """Return what is to be foreseen, one row per customer evaluated."""
    place = np.full(len(truth.customers), -1, np.int32)
    place[rows] = np.arange(rows.size, dtype=np.int32)
    start, index, value = _sparse.from_coordinates(
        _frame.readonly(place[customer]), _frame.readonly(item), _frame.readonly(np.ones(item.size)), rows.size, len(truth.items)
    )
    return Rows(start, index, value.astype(np.float32))


# ── what the lists are ────────────────────────────────────────────────────────────────────────────────────────────────


def _lists(model: Any, past: Interactions | None, who: _frame.Ids, kind: str, k: int, n_threads: int | None) -> Lists:
    seen = model.interactions
    wanted = _policy.asked(who.labels.take(who.codes), seen, past)
    excluded = _policy.excluded_from("bought" if kind == "new" else "nothing", wanted)
    nothing = np.zeros(len(seen.items), np.bool_)
    favourites, popularity = model.popular
    return best_lists(model, wanted, excluded, min(k, len(seen.items)), nothing, None, favourites, popularity, n_threads)


def _marks(lists: Lists, code: Codes, wanted: Rows, ks: npt.NDArray[Any], n_items: int, n_threads: int | None) -> Floats:
    out = np.empty((len(wanted), ks.size, len(_k.METRICS)))
    start, item, ks = _frame.readonly(lists.start), _frame.readonly(code[lists.item]), _frame.readonly(ks.astype(np.int64))

    def mark(piece: tuple[int, int]) -> None:
        _k.marks(start, item, wanted.start, wanted.index, n_items, ks, *piece, out)

    _threads.run(mark, _threads.chunks(len(wanted), PIECE), n_threads=n_threads)
    return out


def _looks(lists: Lists, seen: Interactions, ks: npt.NDArray[Any]) -> Floats:
    """Return novelty and diversity of every list at each of `ks`, not a number where it has no item, or no pair."""
    n = np.diff(lists.start)
    owner = np.repeat(np.arange(n.size), n)
    rank = np.arange(owner.size) - np.repeat(lists.start[:-1], n)
    surprise = np.log2(len(seen.customers) / seen.buyers)[lists.item]
    start, item = _frame.readonly(lists.start), _frame.readonly(lists.item)
    columns = (seen.by_item.start, seen.by_item.index, seen.by_customer.start, seen.by_customer.index)
    apart = _k.unlikeness(start, item, *columns, _frame.readonly(ks.astype(np.int64)))
    out = np.full((n.size, ks.size, 2), np.nan)
    for q, k in enumerate(ks.tolist()):
        inside, held = rank < k, np.minimum(n, k)
        total = np.bincount(owner[inside], surprise[inside], minlength=n.size)
        np.divide(total, held, out=out[:, q, 0], where=held > 0)
        pairs = held * (held - 1) // 2
        np.divide(apart[:, q], pairs, out=out[:, q, 1], where=pairs > 0)
    return out


def _spread(lists: Lists, k: int, n_items: int) -> tuple[float, float]:
    """Return the share of items on a list, and how unequally often they are on lists."""
    rank = np.arange(lists.item.size) - np.repeat(lists.start[:-1], np.diff(lists.start))
    times = np.sort(np.bincount(lists.item[rank < k], minlength=n_items)).astype(np.float64)
    total = times.sum()
    if total == 0:
        return 0.0, 0.0
    place = 2.0 * np.arange(1, n_items + 1) - n_items - 1
    return float(np.count_nonzero(times) / n_items), float((place * times).sum() / (n_items * total))


# ── how sure it is ────────────────────────────────────────────────────────────────────────────────────────────────────


def _tables(
    values: Mapping[tuple[str, str, int], tuple[npt.NDArray[np.int64], Floats]],
    names: list[str],
    level: float,
    replicates: int,
    random: np.random.Generator,
    kind: str,
) -> tuple[Any, Any]:
    """Return means, and differences from the first model, with percentile intervals over the same resampled customers."""
    keys = ("model", "items", "k", "metric", "value", "ci_low", "ci_high", "n")
    means: dict[str, list[Any]] = {key: [] for key in keys}
    apart: dict[str, list[Any]] = {key: [] for key in keys}
    seed = random.integers(2**63)
    ends = [50.0 * (1.0 - level), 50.0 * (1.0 + level)]
    found: dict[str, tuple[Floats, Floats, Floats]] = {}
    for part in dict.fromkeys(key[1] for key in values):
        ks = list(dict.fromkeys(key[2] for key in values if key[1] == part))
        stacked = np.concatenate([values[name, part, k][1] for name in names for k in ks], axis=1)
        if stacked.shape[0] == 0:
            continue
        found[part] = _resampled(stacked, replicates, np.random.default_rng(seed))
    for name in names:
        for part, (mean, n, drawn) in found.items():
            ks = list(dict.fromkeys(key[2] for key in values if key[1] == part))
            wide = len(METRICS)
            for depth, k in enumerate(ks):
                for place, metric in enumerate(METRICS):
                    column = (names.index(name) * len(ks) + depth) * wide + place
                    base = depth * wide + place
                    if n[column] == 0:
                        continue
                    low, high = np.percentile(drawn[:, column], ends) if n[column] > 1 else (np.nan, np.nan)
                    row = (name, part, k, metric, mean[column], low, high, int(n[column]))
                    for key, entry in zip(keys, row, strict=True):
                        means[key].append(entry)
                    if name != names[0] and n[base] > 0:
                        both = drawn[:, column] - drawn[:, base]
                        low, high = np.percentile(both, ends) if min(n[column], n[base]) > 1 else (np.nan, np.nan)
                        row = (name, part, k, metric, mean[column] - mean[base], low, high, int(min(n[column], n[base])))
                        for key, entry in zip(keys, row, strict=True):
                            apart[key].append(entry)
    return _frame.table(_typed(means), kind=kind), _frame.table(_typed(apart), kind=kind)


def _typed(columns: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Give columns their types, which an empty list does not have."""
    out: dict[str, Any] = {}
    for name, entries in columns.items():
        if name in ("model", "items", "metric"):
            known = list(dict.fromkeys(entries))
            out[name] = _frame.Categories(np.array([known.index(entry) for entry in entries], np.int32), known)
        else:
            out[name] = np.array(entries, np.int64 if name in ("k", "n") else np.float64)
    return out


def _resampled(values: Floats, replicates: int, random: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Return the mean of each column, how many customers have it, and its means over resampled customers."""
    n = values.shape[0]
    there = ~np.isnan(values)
    filled = np.where(there, values, 0.0)
    everywhere = bool(there.all())
    count = there.sum(axis=0).astype(np.float64)
    mean = filled.sum(axis=0) / np.maximum(count, 1.0)
    drawn = np.empty((replicates, values.shape[1]))
    at_once = max(1, DRAWN // n)
    for begin in range(0, replicates, at_once):
        size = min(at_once, replicates - begin)
        picked = random.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        times = np.bincount(picked.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        over = np.float64(n) if everywhere else times @ there
        # a resample without a single customer who has it says nothing against the mean
        drawn[begin : begin + size] = np.divide(times @ filled, over, out=np.tile(mean, (size, 1)), where=over > 0)
    return mean, count, drawn
