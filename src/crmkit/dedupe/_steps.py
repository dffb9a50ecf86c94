"""The steps of linkage as functions of frames: which pairs, how alike they are, how much that weighs, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options
from crmkit.dedupe import _labels, _rules, _score
from crmkit.dedupe import pairs as _pairs
from crmkit.dedupe._levels import checked, said
from crmkit.dedupe._patterns import compare
from crmkit.dedupe._records import Prepared, prepare
from crmkit.dedupe._train import MAX_PAIRS
from crmkit.dedupe.model import FellegiSunter, as_probability
from crmkit.errors import DataError, OptionError

Codes = npt.NDArray[np.int32]


def candidate_pairs(
    records: Any,
    /,
    *,
    blocking: Sequence[str | Sequence[str]],
    other: Any = None,
    fields: Mapping[Any, Any] | None = None,
    id: str | None = None,  # noqa: A002
    max_pairs: int = MAX_PAIRS,
    max_block: int | None = None,
    n_threads: int | None = None,
) -> Any:
    """List the pairs of records that are worth comparing: those that some rule puts into one block.

    Parameters
    ----------
    records : DataFrame
        One row per record.
    blocking : list of str or tuple of str
        Rules joined by OR. A rule is a column or a tuple of columns that must be equal; in place of a column stands also what is
        taken of it: ``"prefix(name, 3)"``, ``"suffix(phone, 6)"``, ``"initial(name)"``, ``"first_word(name)"``,
        ``"last_word(name)"``, ``"soundex(name)"``, ``"nysiis(name)"``, ``"year(born)"``, ``"domain(email)"``,
        ``"local_part(email)"``, ``"digits(phone, 6)"`` (the last six). A rule of its own is ``"neighbours(name, 5)"``, the five
        next in sorted order, or ``"minhash(street, 3)"``, texts that share most runs of three characters.
    other : DataFrame, optional
        A second table: pairs are then of one record of each.
    fields : mapping of str to str or list, optional
        What columns hold, as in `deduplicate`: they are then brought into their normal form. Other columns are read as text.
    id : str, optional
        Column of unique record ids; by default the index of a pandas frame, which must be unique, else the row number.
    max_pairs : int, default 20,000,000
        Most pairs to make, summed over rules, about 50 bytes each in memory; known and checked before any is made.
    max_block : int, optional
        Most records in one block.
    n_threads : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    DataFrame
        ``left`` and ``right`` (record ids) and ``rule``, the first rule that makes the pair. Every pair is there once; order
        follows the content of the records.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        Ids are missing or not unique.
    OptionError
        A rule is not one of those accepted.
    LimitError
        The rules would make more than `max_pairs` pairs, or a block of more than `max_block` records: says which rule, and what
        share of the records its worst block holds.

    Notes
    -----
    A missing value is in no block.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import dedupe
    >>> people = pd.DataFrame({"name": ["Ann Lee", "Anne Lee", "Bob Ray", "ann lee"], "city": ["Bonn", "Bonn", "Bonn", None]})
    >>> dedupe.candidate_pairs(people, blocking=["name", ("city", "prefix(name, 3)")])[["left", "right"]].values.tolist()
    [[0, 3], [0, 1]]
    """
    tables = [records] if other is None else [records, other]
    max_pairs = _options.whole("max_pairs", max_pairs, low=1)
    max_block = None if max_block is None else _options.whole("max_block", max_block, low=2)
    first = _frame.read(records)
    rules = _rules.parsed(blocking, first.columns)
    wanted = {} if fields is None else checked(fields)
    for rule in rules:
        for part in rule:
            wanted.setdefault(part.column, ("text", ("exact",)))
    prepared = prepare(tables, wanted, id)
    blocks = _pairs.given_blocks(rules, {field.column: field for field in prepared.fields}, None, prepared.sides)
    _pairs.check_limit(blocks, prepared.n, max_pairs, max_block)
    lefts, rights, made = [np.empty(0, np.int32)], [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    names = list(dict.fromkeys(block.name for block in blocks))
    for number, left, right in _pairs.stream(blocks, prepared.sides, n_threads=n_threads):
        lefts.append(left)
        rights.append(right)
        made.append(np.full(left.size, names.index(blocks[number].name), dtype=np.int32))
    left, right = np.concatenate(lefts), np.concatenate(rights)
    return _frame.table(
        {**ids_of_pairs(prepared, left, right), "rule": _frame.Categories(np.concatenate(made), names)}, kind=first.kind
    )


def compare_pairs(
    records: Any,
    pairs: Any,
    /,
    *,
    fields: Mapping[Any, Any],
    other: Any = None,
    id: str | None = None,  # noqa: A002
    n_threads: int | None = None,
) -> Any:
    """Say how alike the records of each pair are, field by field, as small whole numbers.

    Parameters
    ----------
    records : DataFrame
        One row per record.
    pairs : DataFrame
        ``left`` and ``right``, record ids, as `candidate_pairs` returns them.
    fields : mapping of str to str or list
        What each column to compare holds, or its levels of agreement, best first, as in `deduplicate`.
    other : DataFrame, optional
        A second table, which ``right`` is of.
    id : str, optional
        Column of unique record ids; by default the index of a pandas frame, which must be unique, else the row number.
    n_threads : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    DataFrame
        ``left``, ``right`` and a column per field: the number of levels for the best agreement ("exact"), down to 1 for the
        last that holds, 0 where none does, -1 where either value is missing. Rows as in `pairs`.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        Ids are missing, not unique or unknown, or a pair is of a record with itself.
    OptionError
        A kind or level is not one of those accepted.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import dedupe
    >>> people = pd.DataFrame({"name": ["Martha", "Marhta", "Bob"], "born": ["1980-02-03", "1980-02-04", ""]})
    >>> pairs = pd.DataFrame({"left": [0, 0], "right": [1, 2]})
    >>> dedupe.compare_pairs(people, pairs, fields={"name": "name", "born": "date"})[["name", "born"]].values.tolist()
    [[2, 1], [0, -1]]
    """
    prepared = prepare([records] if other is None else [records, other], checked(fields), id)
    frame = _frame.read(pairs)
    taken = [field.column for field in prepared.fields if field.column in ("left", "right")]
    if taken:
        msg = f"the field {taken[0]!r} is named like a column of the result, which would take its place; rename it"
        raise OptionError(msg)
    left, right = (_frame.readonly(rows) for rows in _labels.rows_of_pairs(frame, prepared))
    compared = compare(prepared.fields, [], prepared.sides, given=(left, right), n_threads=n_threads)
    levels = compared.patterns.levels[compared.patterns.of_pair]
    columns = {field.column: np.ascontiguousarray(levels[:, place]) for place, field in enumerate(prepared.fields)}
    return _frame.table({"left": _copied(frame, "left"), "right": _copied(frame, "right"), **columns}, kind=frame.kind)


def score_pairs(
    model: FellegiSunter,
    records: Any,
    pairs: Any,
    /,
    *,
    other: Any = None,
    id: str | None = None,  # noqa: A002
) -> Any:
    """Give pairs their match weight and probability under a model.

    Parameters
    ----------
    model : FellegiSunter
        From `fit_fellegi_sunter`, or the `model` of a result.
    records : DataFrame
        One row per record, with the columns the model compares and blocks by. How rare values are is counted here: pass all
        records, not only those of the pairs.
    pairs : DataFrame
        ``left`` and ``right``, record ids.
    other : DataFrame, optional
        A second table, which ``right`` is of.
    id : str, optional
        Column of unique record ids; by default the index of a pandas frame, which must be unique, else the row number.

    Returns
    -------
    DataFrame
        ``left``, ``right``, ``match_weight`` (log2 odds, in bits), ``probability``. Rows as in `pairs`.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        Ids are missing, not unique or unknown, or a pair is of a record with itself.
    OptionError
        The model is not a `FellegiSunter` of records.

    Examples
    --------
    >>> from crmkit import datasets, dedupe
    >>> contacts = datasets.make_records(n_records=2000)
    >>> found = dedupe.deduplicate(contacts.records, contacts.fields)
    >>> again = dedupe.score_pairs(found.model, contacts.records, found.pairs.head(3))
    >>> bool((again["match_weight"] == found.pairs["match_weight"].head(3)).all())
    True
    """
    prepared, frame = _ready(model, records, other, id), _frame.read(pairs)
    left, right = (_frame.readonly(rows) for rows in _labels.rows_of_pairs(frame, prepared))
    weights = _score.weigh(model, prepared, _score.blocks_of(model, prepared), left, right).weights
    return _frame.table(
        {
            "left": _copied(frame, "left"),
            "right": _copied(frame, "right"),
            "match_weight": weights,
            "probability": as_probability(weights),
        },
        kind=frame.kind,
    )


def explain_pair(
    model: FellegiSunter,
    records: Any,
    left: Any,
    right: Any,
    /,
    *,
    other: Any = None,
    id: str | None = None,  # noqa: A002
) -> Any:
    """Say why two records are taken for one person, or not: the match weight as a sum of bits, term by term.

    Parameters
    ----------
    model : FellegiSunter
        From `fit_fellegi_sunter`, or the `model` of a result.
    records : DataFrame
        All records, as in `score_pairs`.
    left, right : hashable
        Ids of the two records.
    other : DataFrame, optional
        A second table, which `right` is of.
    id : str, optional
        Column of unique record ids; by default the index of a pandas frame, which must be unique, else the row number.

    Returns
    -------
    DataFrame
        ``term``, ``level``, ``bits``, ``total`` (running sum, the last is the match weight). First the log2 odds of the
        rule the pair is judged under (of all pairs, where no rule makes it), then each field's agreement, then how rare the
        agreeing values are, then what calibration by labels changes. No values of records are in it.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        Ids are missing, not unique or unknown, or both are one.
    OptionError
        The model is not a `FellegiSunter` of records.

    Examples
    --------
    >>> from crmkit import datasets, dedupe
    >>> contacts = datasets.make_records(n_records=2000)
    >>> found = dedupe.deduplicate(contacts.records, contacts.fields)
    >>> best = found.pairs.iloc[0]
    >>> why = dedupe.explain_pair(found.model, contacts.records, best["left"], best["right"])
    >>> bool(abs(why["bits"].sum() - best["match_weight"]) < 1e-9)
    True
    """
    prepared = _ready(model, records, other, id)
    rows = [
        prepared.rows_of([one], side, name) for one, side, name in ((left, 0, "left"), (right, len(prepared.ids) - 1, "right"))
    ]
    if rows[0][0] == rows[1][0]:
        msg = "left and right are one record; pass the ids of two"
        raise DataError(msg)
    a, b = (_frame.readonly(row) for row in rows)
    weighed = _score.weigh(model, prepared, _score.blocks_of(model, prepared), a, b)
    names = list(model.rules)
    rule = names[int(weighed.rule[0])] if weighed.rule[0] >= 0 else None
    table = weighed.compared.agreement(len(prepared.fields))
    own = () if rule is None else tuple(field for field in model.m if field not in model.rule_u[rule])
    # a class more than two makes the evidence of a field depend on the others: each term is what it adds to those above
    parts = [np.cumsum(part[0]) for part in model.terms(table, rule)]
    names_of_terms = ["prior", *(field.column for field in prepared.fields)]
    words = [f"rule {rule}" if rule is not None else "all pairs"]
    for place, field in enumerate(prepared.fields):
        level = int(table[0, place])
        agreed = "missing" if level < 0 else "no agreement" if level == 0 else said(field.levels[len(field.levels) - level])
        words.append("equal by the rule" if field.column in own else agreed)
    match, moved, kin, other = (list(part) for part in parts)
    silent = model.evidence(table, rule).silent[0]
    for place, field in enumerate(prepared.fields):
        if field.column in model.term_frequency and table[0, place] == len(field.levels) and not silent[place]:
            more = _score.rarity(model, field, prepared.teachers)[:, field.codes[a[0]]]
            names_of_terms.append(f"rarity of {field.column}")
            words.append("")
            match.append(match[-1])
            for part, added in zip((moved, kin, other), more.tolist(), strict=True):
                part.append(part[-1] + added)
    running = np.logaddexp2(match, moved) - np.logaddexp2(kin, other)
    bits = np.diff(running, prepend=0.0).tolist()
    if model.calibration != (0.0, 1.0):
        names_of_terms.append("calibration")
        words.append("by labels")
        bits.append(float(weighed.weights[0] - running[-1]))
    lines = list(zip(names_of_terms, words, bits, strict=True))
    terms, levels, amounts = zip(*lines, strict=True)
    return _frame.table(
        {
            "term": np.array(terms, dtype=object),
            "level": np.array(levels, dtype=object),
            "bits": np.array(amounts),
            "total": np.cumsum(amounts),
        },
        kind=prepared.frames[0].kind,
    )


def uncertain_pairs(pairs: Any, /, *, n: int = 20, threshold: float = 0.5) -> Any:
    """Pick the pairs a person should judge: those whose probability is nearest to the threshold.

    Parameters
    ----------
    pairs : DataFrame
        Scored pairs: ``left``, ``right``, ``match_weight``, as `score_pairs` returns them.
    n : int, default 20
        How many pairs.
    threshold : float, default 0.5
        The probability they should be nearest to, between 0 and 1.

    Returns
    -------
    DataFrame
        The pairs with all their columns, the most uncertain first; of equals, in the order of `pairs`. With a column ``match`` of
        0 and 1 added it is what `labels` of `fit_fellegi_sunter` takes.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        A match weight is missing or infinite.
    OptionError
        `n` or `threshold` is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import dedupe
    >>> scored = pd.DataFrame({"left": [1, 2, 3], "right": [4, 5, 6], "match_weight": [9.0, 0.2, -1.0]})
    >>> dedupe.uncertain_pairs(scored, n=2)["left"].tolist()
    [2, 3]
    """
    n = _options.whole("n", n, low=1)
    threshold = _options.number("threshold", threshold, low=0.0, high=1.0, ends=False)
    frame = _frame.read(pairs)
    for name in ("left", "right"):
        frame.column(name)
    weights = _frame.numbers(frame, "match_weight")
    nearest = np.argsort(np.abs(weights - np.log2(threshold / (1.0 - threshold))), kind="stable")[:n]
    return rows_taken(frame, nearest)


def _ready(model: Any, records: Any, other: Any, id_column: str | None) -> Prepared:
    if not isinstance(model, FellegiSunter) or "levels" in model.kinds.values():
        msg = f"expected a FellegiSunter fitted to records, got {type(model).__name__}"
        raise OptionError(msg)
    return prepare([records] if other is None else [records, other], _score.wanted(model), id_column)


def ids_of_pairs(prepared: Prepared, left: Codes, right: Codes) -> dict[str, Any]:
    """Return the ids of pairs, the record of the first table on the left."""
    if len(prepared.frames) == 1:
        one, two = prepared.labelled(left), prepared.labelled(right)
        # the id that comes first on the left
        low, high = np.minimum(one.codes, two.codes), np.maximum(one.codes, two.codes)
        return {"left": _frame.Labelled(one.labels, low), "right": _frame.Labelled(one.labels, high)}
    turned = prepared.sides.of_row[left] > prepared.sides.of_row[right]
    left, right = np.where(turned, right, left), np.where(turned, left, right)
    return {"left": prepared.labelled(left), "right": prepared.labelled(right, 1)}


def rows_taken(frame: _frame.Frame, rows: npt.NDArray[np.integer]) -> Any:
    """Return some rows of a frame, with their index in pandas."""
    if frame.kind == "pandas":
        return frame.native.iloc[rows]
    return frame.native[rows.tolist()] if frame.kind == "polars" else frame.native.take(rows.tolist())


def _copied(frame: _frame.Frame, name: str) -> Any:
    """Return a column as it came, without its index."""
    column = frame.column(name)
    return column.array if frame.kind == "pandas" else column
