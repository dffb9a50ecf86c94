"""One call that trains everything: blocks, compares, counts chance, runs the EM algorithm, and takes labels in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.dedupe import _fit, _labels, _rules
from crmkit.dedupe import pairs as _pairs
from crmkit.dedupe._levels import checked, said
from crmkit.dedupe._patterns import Compared, compare
from crmkit.dedupe._records import Prepared, prepare
from crmkit.dedupe._rules import Blocks
from crmkit.dedupe.fields import check_columns
from crmkit.dedupe.model import FellegiSunter
from crmkit.errors import DataError, OptionError

RARE_KINDS = ("name", "text")
FLOOR = 1e-5
CAP = 6.0
MAX_PAIRS = 20_000_000


def fit_fellegi_sunter(
    records: Any,
    /,
    *,
    fields: Mapping[Any, Any] | None = None,
    blocking: Sequence[str | Sequence[str]] | None = None,
    labels: Any = None,
    term_frequency: Sequence[str] | None = None,
    term_frequency_floor: float = FLOOR,
    term_frequency_cap: float = CAP,
    weight: str | None = None,
    start: tuple[float, float] | None = None,
    id: str | None = None,  # noqa: A002
    max_pairs: int = MAX_PAIRS,
    max_block: int | None = None,
    rng: Any = 0,
    n_threads: int | None = None,
) -> FellegiSunter:
    r"""Learn how much evidence each level of agreement is: one call trains everything, with labels or without.

    Parameters
    ----------
    records : DataFrame
        One row per record; or, without `fields`, one row per pair: columns of level numbers as `compare_pairs` returns them
        (columns ``left`` and ``right`` are left aside), of pairs from all pairs or a random sample of them.
    fields : mapping of str to str or list, optional
        What each column holds, as in `deduplicate`.
    blocking : list of str or tuple of str, optional
        The rules whose pairs teach, as in `candidate_pairs`; by default chosen from the data.
    labels : DataFrame, optional
        Pairs that somebody judged: ``left``, ``right`` (record ids) and ``match`` (0 or 1). Where rules make them, the EM
        algorithm takes them for what they are; ten or more of either kind also calibrate the match weight by a logistic curve.
    term_frequency : list of str, optional
        Fields whose full agreement is worth more where the value is rare: by default those of kind name and text; ``[]`` for
        none.
    term_frequency_floor : float, default 1e-5
        Share of the records below which a value counts as no rarer, from 0 (excluded) to 1.
    term_frequency_cap : float, default 6.0
        Most bits that the rarity of one value adds or takes.
    weight : str, optional
        Without `fields`: column that says how often each row of levels occurs.
    start : tuple of float, optional
        Where the search starts: agreement of matches on the best level, and share of matches; both between 0 and 1.
    id : str, optional
        Column of unique record ids, as in `deduplicate`.
    max_pairs, max_block : int
        Most pairs to make, about 50 bytes each in memory, and most records in one block, as in `candidate_pairs`.
    rng : int, Generator or None, default 0
        Seed of the random pairs behind u, used where there are more than a million pairs.
    n_threads : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    FellegiSunter
        m, u, shares of matches, convergence, lack of fit.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        Ids or labels are missing, repeated or unknown, or levels are no whole numbers from -1.
    OptionError
        A kind, level, rule or number is not one of those accepted.
    LimitError
        The rules would make more than `max_pairs` pairs, or a block of more than `max_block` records.

    Notes
    -----
    For level g of field f, :math:`m_{fg}` is its probability among matches, :math:`u_{fg}` among non-matches, and
    :math:`\log_2(m_{fg}/u_{fg})` its evidence in bits. Equality by chance is counted exactly, :math:`u = \sum_v f_v^2` over the
    frequencies of values; fuzzier levels come from random pairs. Each rule is a mixture of matches and non-matches with its own
    share :math:`\lambda` and, where three fields are outside it, its own u, which starts from chance and keeps the weight of a
    hundred pairs; m is one for all rules, and a rule's own columns are left out. No probability reaches 0: half a pair or one is
    added to each. Matches are the class that agrees more.
    For a value with share :math:`f_v`, full agreement is worth :math:`\log_2(u / \max(f_v, \mathrm{floor}))` bits more.

    References
    ----------
    Fellegi and Sunter (1969), A theory for record linkage, JASA 64. Winkler (1988), Using the EM algorithm for weight
    computation in the Fellegi-Sunter model. Enamorado, Fifield and Imai (2019), Using a probabilistic model to assist
    merging of large-scale administrative records, APSR 113(2).

    Examples
    --------
    >>> from crmkit import datasets, dedupe
    >>> contacts = datasets.make_records(n_records=2000)
    >>> model = dedupe.fit_fellegi_sunter(contacts.records, fields=contacts.fields)
    >>> model.converged, model.m["email"][-1] > model.u["email"][-1]
    (True, True)
    """
    if fields is None:
        return _from_levels(records, weight, start)
    if start is not None:
        start = _checked_start(start)
    wanted = checked(fields)
    check_columns([_frame.read(records)], wanted)
    setting = Setting.of(wanted, blocking, max_pairs, max_block, term_frequency, term_frequency_floor, term_frequency_cap)
    prepared = prepared_for(records, setting, id, n_threads=n_threads)
    return train(prepared, setting, labels=labels, start=start, rng=_options.generator(rng), n_threads=n_threads).model


def named(wanted: Mapping[Any, Any]) -> list[str]:
    """Name the fields, one of two columns by both."""
    return [", ".join(column) if isinstance(column, tuple) else column for column in wanted]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What a call asked for, checked."""

    wanted: dict[Any, Any]
    blocking: Any
    max_pairs: int
    max_block: int | None
    term_frequency: tuple[str, ...]
    floor: float
    cap: float

    @classmethod
    def of(
        cls,
        wanted: dict[Any, Any],
        blocking: Any,
        max_pairs: Any,
        max_block: Any = None,
        term_frequency: Any = None,
        floor: Any = FLOOR,
        cap: Any = CAP,
    ) -> Setting:
        """Check the numbers and names."""
        names = named(wanted)
        kinds = [kind for kind, _ in wanted.values()]
        if blocking is None and len(wanted) < 1 + _pairs.FIELDS_TO_JUDGE:
            msg = (
                f"fields= names {len(wanted)}: one chooses the pairs and at least two others must judge them. Name three or "
                "more, or choose pairs by other columns with blocking="
            )
            raise OptionError(msg)
        if term_frequency is None:
            rare = tuple(name for name, kind in zip(names, kinds, strict=True) if kind in RARE_KINDS)
        else:
            if isinstance(term_frequency, str):
                term_frequency = [term_frequency]
            rare = tuple(_options.choice("term_frequency", name, names) for name in term_frequency)
        return cls(
            wanted=wanted,
            blocking=blocking,
            max_pairs=_options.whole("max_pairs", max_pairs, low=1),
            max_block=None if max_block is None else _options.whole("max_block", max_block, low=2),
            term_frequency=rare,
            floor=_options.number("term_frequency_floor", floor, low=1e-12, high=1.0),
            cap=_options.number("term_frequency_cap", cap, low=0.0, high=100.0),
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trained:
    """A model, with the pairs it learned from."""

    model: FellegiSunter
    compared: Compared
    blocks: list[Blocks]
    left_out: list[str]


def blocks_of(prepared: Prepared, setting: Setting) -> tuple[list[Blocks], list[str]]:
    """Lay out the rules of the call, or those that suit the data, inside the limits."""
    fields, sides = prepared.fields, prepared.sides
    first = None if prepared.copies is None else prepared.copies.first
    left_out: list[str] = []
    if setting.blocking is None:
        blocks, rules = _pairs.default_blocks(fields, sides, setting.max_pairs, first)
        left_out = [_rules.name_of(rule) for rule in rules]
    else:
        for frame in prepared.frames:
            wanted_rules = _rules.parsed(setting.blocking, [*frame.columns, *(field.column for field in fields)])
        known = _rules.with_columns(wanted_rules, [*prepared.beside, *fields], prepared.frames, prepared.order)
        blocks = _pairs.given_blocks(wanted_rules, known, [field.column for field in fields], sides, first)
    _pairs.check_limit(blocks, prepared.n, setting.max_pairs, setting.max_block)
    return blocks, left_out


def prepared_for(
    records: Any, setting: Setting, id_column: str | None, *, also: Sequence[str] = (), n_threads: int | None = None
) -> Prepared:
    """Read one table of records, and say which are alike in the fields, the columns of the rules, and `also`."""
    frame = _frame.read(records)
    names = named(setting.wanted)
    rules = [] if setting.blocking is None else _rules.parsed(setting.blocking, [*frame.columns, *names])
    columns = dict.fromkeys([*(part.column for rule in rules for part in rule), *also])
    beside = [column for column in columns if column not in names]
    return prepare([records], setting.wanted, id_column, beside=beside, collapse=True, n_threads=n_threads)


def train(
    prepared: Prepared,
    setting: Setting,
    *,
    labels: Any = None,
    start: tuple[float, float] | None = None,
    rng: np.random.Generator,
    n_threads: int | None = None,
) -> Trained:
    """Block, compare and learn."""
    fields = prepared.fields
    blocks, left_out = blocks_of(prepared, setting)
    judged = None if labels is None else _labels.read(labels, prepared)
    compared = compare(fields, blocks, prepared.sides, n_threads=n_threads, copies=prepared.copies, teachers=prepared.teachers)
    rows = None if prepared.teachers is None else np.flatnonzero(prepared.teachers).astype(np.int32)
    model = _fit.fit_patterns(
        compared.agreement(len(fields)),
        compared.patterns.counts,
        kinds={field.column: field.kind for field in fields},
        levels={field.column: field.levels for field in fields},
        u=_fit.chance_agreement(fields, rng, rows=rows, n_threads=n_threads),
        rules=compared.rules,
        total=float(prepared.sides.total(rows)),
        judged=None if judged is None else _labels.per_pattern(judged, prepared, blocks, compared),
        start=start,
    )
    model = dataclasses.replace(
        model, term_frequency=setting.term_frequency, term_frequency_floor=setting.floor, term_frequency_cap=setting.cap
    )
    if judged is not None:
        model = _labels.calibrated(model, judged, prepared, blocks)
    return Trained(model, compared, blocks, left_out)


def _checked_start(start: Any) -> tuple[float, float]:
    if not isinstance(start, Sequence) or len(start) != 2:
        msg = f"start={start!r} is not a pair of numbers: agreement of matches, and share of matches"
        raise OptionError(msg)
    agreement, share = (_options.number("start", value, low=0.0, high=1.0, ends=False) for value in start)
    return agreement, share


def _from_levels(table: Any, weight: str | None, start: Any) -> FellegiSunter:
    """Learn everything, u too, from the levels of pairs."""
    frame = _frame.read(table)
    names = [name for name in frame.columns if name not in ("left", "right", weight)]
    if len(names) < _pairs.FIELDS_TO_JUDGE + 1:
        msg = f"the table of levels has the fields {names}; matches and non-matches are told apart by three or more"
        raise DataError(msg)
    counts = np.ones(len(frame)) if weight is None else _frame.numbers(frame, weight, keyword="weight", nonnegative=True)
    columns = []
    for name in names:
        values = _frame.numbers(frame, name, whole=True)
        bad = (values < -1) | (values > 100)
        if bad.any():
            count, row = _frame.first_place(bad)
            msg = f"column {name!r}: {count:,} levels below -1 or above 100, the first in row {row} ({values[row]:g})"
            raise DataError(msg)
        columns.append(values.astype(np.int8))
    if not len(frame) or not counts.sum():
        msg = "the table of levels has no pairs to learn from"
        raise DataError(msg)
    levels = np.stack(columns, axis=1)
    patterns, of_row = np.unique(levels, axis=0, return_inverse=True)
    ranks = {
        name: ("exact", *((f"level {g}") for g in range(max(int(column.max()), 1) - 1, 0, -1)))
        for name, column in zip(names, columns, strict=True)
    }
    return _fit.fit_patterns(
        np.ascontiguousarray(patterns),
        np.bincount(of_row.ravel(), weights=counts, minlength=len(patterns)).astype(np.float64),
        kinds=dict.fromkeys(names, "levels"),
        levels=ranks,
        u=None,
        start=None if start is None else _checked_start(start),
    )


def levels_table(model: FellegiSunter) -> list[tuple[str, int, str, float, float, float]]:
    """List field, level number, what it is, m, u and bits, best level first."""
    rows = []
    for field, levels in model.levels.items():
        words = [*map(said, levels), "no agreement"]
        for place, word in enumerate(words):
            level = len(levels) - place
            m, u = model.m[field][level], model.u[field][level]
            rows.append((field, level, word, m, u, float(np.log2(m) - np.log2(u))))
    return rows


Floats = npt.NDArray[np.float64]
