"""Other views of a cohort table: the average curve over cohorts, and the wide triangle."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from crmkit import _frame, _options
from crmkit.cohort._cells import Cells, pooled, written
from crmkit.errors import ColumnError, DataError, DataWarning
from crmkit.results import confidence_level

__all__ = ["average", "triangle"]


def average(table: Any, /, *, level: float = 0.95) -> Any:
    r"""Average the cohorts of a table, period by period, each weighted by its size and none counted before its period is over.

    Parameters
    ----------
    table : DataFrame
        As `retention` returns it.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        One row per period (and ``by``, where the table has it) that is over for at least one cohort: ``period``, ``n`` and
        ``active`` (sums over these cohorts), ``value``, ``ci_low``, ``ci_high``, ``cohorts`` (how many). Revenue keeps its
        columns.

    Raises
    ------
    ColumnError
        A column of the table is missing.
    DataError
        A count is missing or not whole, or no cell is mature.
    OptionError
        `level` is not between 0 and 1.

    Warns
    -----
    DataWarning
        All cohorts of a period have one customer: its revenue has no interval.

    Notes
    -----
    The average of a period is :math:`\sum_c a_c / \sum_c n_c` over the mature cohorts, with Wilson's interval; cohorts where
    nobody was active count with their size. For revenue it is :math:`\sum_c r_c / \sum_c b_c`, and cohorts are strata:
    :math:`\mathrm{se}^2 = \sum_c (b_c\,\mathrm{se}_c)^2 / (\sum_c b_c)^2`, where a cohort of one customer is taken to vary as
    the customers of the others do. Later periods rest on fewer and older cohorts: ``cohorts`` and ``n`` say on how many.

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "ann", "cid", "dee", "cid"],
    ...         "timestamp": pd.to_datetime(["2024-01-05", "2024-01-07", "2024-02-01", "2024-02-03", "2024-02-09", "2024-03-31"]),
    ...     }
    ... )
    >>> crm.cohort.average(crm.cohort.retention(orders, amount=None))[["period", "n", "active", "value", "cohorts"]]
       period  n  active  value  cohorts
    0       0  4       4    1.0        2
    1       1  4       2    0.5        2
    2       2  2       0    0.0        1
    """
    level = confidence_level(level)
    frame = _frame.read(table)
    mature = _frame.flags(frame, "mature")
    if not mature.any():
        msg = "no cell of the table is mature: no period of any cohort is over; give a later as_of, or a shorter period"
        raise DataError(msg)

    def whole(name: str) -> Any:
        return _frame.numbers(frame, name, nonnegative=True, whole=True).astype(np.int64)

    n = whole("n")
    if (n < 1).any():
        count, row = _frame.first_place(n < 1)
        msg = f"column 'n': {count:,} not positive, the first in row {row}; a cohort has customers"
        raise DataError(msg)
    by = _frame.ids(frame, "by") if "by" in frame.columns else None
    nobody = np.zeros(len(frame), np.int64)
    measure = "customers"
    revenue = base = variation = None
    if "revenue" in frame.columns:
        measure = _measure(frame)
        revenue, base = (_frame.numbers(frame, name) for name in ("revenue", "base"))
        known = (n > 1) & (base > 0)
        se = _frame.numbers(frame, "se", nonnegative=True, ignore=~known)
        variation = np.where(known, (se * base) ** 2 * (n - 1) / n, 0.0)
    cells = Cells(
        group=nobody if by is None else by.codes.astype(np.int64),
        cohort=nobody,
        first=whole("period"),
        last=whole("last_period") if "last_period" in frame.columns else None,
        n=n,
        active=whole("active"),
        mature=mature,
        revenue=revenue,
        base=base,
        variation=variation,
        cohorts=nobody + 1,
    )
    cells = pooled(cells.where(mature))
    names = {} if by is None else {"by": _frame.Labelled(by.labels, cells.group)}
    result, holes = written(cells, names, level=level, measure=measure, kind=frame.kind, pool=True)
    if holes:
        warnings.warn(
            f"{holes:,} periods have no interval or no value: no cohort has more than one customer, or none has revenue in"
            " period 0. They hold missing values. Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=2,
        )
    return result


def triangle(table: Any, /, *, value: str = "value", mature: bool = True) -> Any:
    """Lay a cohort table out wide: a row per cohort, a column per period, what has not happened yet left open.

    Parameters
    ----------
    table : DataFrame
        As `retention` returns it.
    value : str, default "value"
        The column to lay out, such as ``"active"`` or ``"ci_low"``.
    mature : bool, default True
        Leave cells open whose period is not over.

    Returns
    -------
    DataFrame
        ``cohort`` (the index in pandas, after ``by`` where the table has it), ``n``, and a column per period, named by its
        number (elsewhere than in pandas as text). Open cells are missing.

    Raises
    ------
    ColumnError
        A column of the table is missing.
    DataError
        A number is missing or not whole, or two cells have one cohort and period.

    Examples
    --------
    >>> import pandas as pd
    >>> import crmkit as crm
    >>> orders = pd.DataFrame(
    ...     {
    ...         "customer_id": ["ann", "bob", "ann", "cid", "ann"],
    ...         "timestamp": pd.to_datetime(["2024-01-05", "2024-01-07", "2024-02-01", "2024-02-03", "2024-03-15"]),
    ...     }
    ... )
    >>> table = crm.cohort.retention(orders, amount=None)
    >>> crm.cohort.triangle(table, value="active", mature=False)
                n    0    1    2
    cohort
    2024-01-01  2  2.0  1.0  1.0
    2024-02-01  1  1.0  0.0  NaN
    """
    frame = _frame.read(table)
    if "cohort" not in frame.columns:
        raise ColumnError.missing("cohort", frame.columns)
    if value in ("cohort", "by", "period", "mature"):
        raise ColumnError.missing(value, ["value", "active", "ci_low", "ci_high"], keyword="value")
    over = _frame.flags(frame, "mature")
    shown = over if _is_true(mature) else np.ones(len(frame), np.bool_)
    age = _frame.numbers(frame, "period", nonnegative=True, whole=True).astype(np.int64)
    n = _frame.numbers(frame, "n", nonnegative=True, whole=True).astype(np.int64)
    # cells that the table itself leaves missing stay so
    gone = _missing(frame, value)
    numbers = np.where(gone, np.nan, _frame.numbers(frame, value, ignore=gone))
    cohort = _frame.ids(frame, "cohort")
    by = _frame.ids(frame, "by") if "by" in frame.columns else None
    key = cohort.codes.astype(np.int64) + (0 if by is None else by.codes.astype(np.int64) * len(cohort.labels))
    found, first, row = np.unique(key, return_index=True, return_inverse=True)
    ages = np.unique(age)
    column = np.searchsorted(ages, age)
    if np.unique(row * ages.size + column).size < row.size:
        msg = "two rows of the table have one cohort and period; lay out one table at a time"
        raise DataError(msg)
    wide = np.full((found.size, ages.size), np.nan)
    wide[row[shown], column[shown]] = numbers[shown]
    columns: dict[Any, Any] = {} if by is None else {"by": _frame.Labelled(by.labels, by.codes[first])}
    columns |= {"cohort": _frame.Labelled(cohort.labels, cohort.codes[first]), "n": n[first]}
    pandas = frame.kind == "pandas"
    columns |= {int(name) if pandas else str(name): wide[:, i].copy() for i, name in enumerate(ages)}
    result = _frame.table(columns, kind=frame.kind)
    return result.set_index(["by", "cohort"] if by is not None else "cohort") if pandas else result


def _missing(frame: _frame.Frame, column: str) -> Any:
    return _frame.ids(frame, column, missing="drop").codes < 0


def _is_true(flag: object) -> bool:
    return _options.choice("mature", str(flag), ("True", "False")) == "True"


def _measure(frame: _frame.Frame) -> str:
    found = _frame.text(frame, "measure").values
    if len(found) != 1:
        msg = f"column 'measure' holds {sorted(found)}; average one measure at a time"
        raise DataError(msg)
    return found[0]
