"""A user's file as the frame the report needs: the named columns, ids as they are spelled, amounts put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmkit import _frame
from crmkit._report import written
from crmkit.errors import ColumnError, CrmkitError, DataError, OptionError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Layout", "Named", "read_all", "read_purchases", "read_survey"]

TEXT = (".csv", ".tsv", ".txt")
PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst")
PARQUET = (".parquet", ".pq")
UTF_8 = "utf-8"
USUAL_ITEM = "item_id"
# what stands for nothing in a column of numbers or times; among ids, each of these may be somebody's
NOTHING = [
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "NaT"),
    *("1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """How a text file is written."""

    separator: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    thousands: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """The columns of a purchase file; an amount is a column, or quantity × price, less refunds in a column of their own."""

    customer: str
    time: str
    amount: str | None
    order: str | None = None
    item: str | None = None
    price: str | None = None
    quantity: str | None = None
    less: str | None = None


def read_purchases(
    path: Path, named: Named, layout: Layout, *, time_format: str | None = None, zone: str | None = None
) -> tuple[pd.DataFrame, str]:
    """Return the columns the report needs, and the name of the one with the amounts."""
    # items have a usual name, as `crmkit.events` has it
    usual = [USUAL_ITEM] if named.item is None else []
    ids = [name for name in (named.customer, named.order, named.item, *usual) if name is not None]
    numbers = [name for name in (named.amount, named.price, named.quantity, named.less) if name is not None]
    wanted = {f"--{option}": name for option, name in dataclasses.asdict(named).items() if name is not None}
    frame = _read(path, wanted, layout, ids=ids, times=[named.time], numbers=numbers, optional=usual)
    frame = frame.assign(**{named.time: written.times(frame[named.time], named.time, time_format, zone)})
    if len(numbers) == 1 and named.amount is not None:
        return frame, named.amount

    # a column that holds no numbers is refused by name; missing ones pass, where their rows may be left out
    for name in numbers:
        if frame[name].dtype.kind not in "iuf":
            _frame.numbers(frame, name)
    amount, title = _amount(frame, named)
    if title in frame.columns:
        msg = f"the file has a column {title!r} already; rename it"
        raise DataError(msg)
    return frame.assign(**{title: amount}), title


def read_survey(
    path: Path, wanted: dict[str, str], customer: str, layout: Layout, *, numbers: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the answers, with the customer column where the file has it; `wanted` has columns by the option that names them."""
    return _read(path, wanted, layout, ids=[customer], numbers=numbers, optional=[customer])


def read_all(
    path: Path,
    layout: Layout,
    *,
    wanted: dict[str, str] | None = None,
    numbers: Sequence[str] = (),
    as_written: bool = True,
) -> pd.DataFrame:
    """Return a whole file, the columns of `wanted` there for sure; values as they are written or as pandas takes them."""
    return _read(path, wanted or {}, layout, ids=[], numbers=numbers, everything="as written" if as_written else "as read")


def _amount(frame: pd.DataFrame, named: Named) -> tuple[Any, str]:
    if named.quantity is not None and named.price is not None:
        # whole columns at once, in floats: a product of small integers may not fit their type
        quantity, price = (frame[name].astype("float64") for name in (named.quantity, named.price))
        both = ((quantity < 0) & (price < 0)).to_numpy(dtype=bool)
        if both.any():
            count, row = _frame.first_place(both)
            msg = (
                f"columns {named.quantity!r} and {named.price!r}: {count:,} with both negative, the first in row {row}; their"
                " product would be a purchase. Where it is a refund, write the price without its minus, else both without"
            )
            raise DataError(msg)
        amount = quantity * price
        title = f"{named.quantity} × {named.price}"
    else:
        assert named.amount is not None
        amount, title = frame[named.amount].astype("float64"), named.amount
    if named.less is not None:
        less = frame[named.less]
        if (less < 0).any():
            count, row = _frame.first_place((less < 0).to_numpy(dtype=bool, na_value=False))
            msg = f"column {named.less!r}: {count:,} negative, the first in row {row}; --less takes refunds as positive numbers"
            raise DataError(msg)
        amount, title = amount - less.astype("float64"), f"{title} − {named.less}"
    return amount, title


def _read(
    path: Path,
    wanted: dict[str, str],
    layout: Layout,
    *,
    ids: Sequence[str],
    times: Sequence[str] = (),
    numbers: Sequence[str] = (),
    optional: Sequence[str] = (),
    everything: str = "",
) -> pd.DataFrame:
    """Read the wanted columns of a file, after a look at its heading alone."""
    import pandas as pd

    if not path.exists():
        msg = f"{path}: no such file"
        raise DataError(msg)
    if path.is_dir():
        msg = f"{path} is a folder, not a file"
        raise DataError(msg)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] in PACKED else (suffixes or [""])[-1]
    if kind not in TEXT + PARQUET:
        msg = f"{path}: expected a CSV ({', '.join(TEXT)}, packed or not) or parquet file"
        raise DataError(msg)
    told = [name for name, value in dataclasses.asdict(layout).items() if value is not None]
    if kind in PARQUET and told:
        msg = f"--{told[0]} says how text is written, and {path} is a parquet file, which says so itself; leave it out"
        raise OptionError(msg)
    separator = layout.separator or ("\t" if kind == ".tsv" else ",")
    try:
        found = _parquet_columns(path) if kind in PARQUET else _text_columns(path, separator, layout)
        if kind in TEXT and len(found) == 1 and separator not in found[0]:
            for other, name in ((";", "';'"), ("\t", "$'\\t'"), ("|", "'|'"), (",", "','")):
                if other in found[0]:
                    msg = f"{path}: its heading is the one column {found[0][:60]!r}; to part it, pass --separator {name}"
                    raise DataError(msg)
        for option, name in wanted.items():
            if name not in found:
                raise _no_column(path, option, name, found)
        columns = list(dict.fromkeys([*wanted.values(), *(name for name in optional if name in found)]))
        for name in columns:
            if found.count(name) > 1:
                msg = f"{path} has {found.count(name)} columns {name!r}; rename those that are not meant"
                raise ColumnError(msg)
        if kind in PARQUET:
            return _read_parquet(path, [] if everything else columns)
        if everything == "as written":
            return pd.read_csv(
                path, sep=separator, encoding=layout.encoding or UTF_8, dtype="string", na_values=[""], keep_default_na=False
            )
        return _read_text(path, found if everything else columns, ids, times, numbers, separator, layout)
    except CrmkitError:
        raise
    except UnicodeDecodeError as error:
        msg = f"{path} is not written in {layout.encoding or UTF_8} (byte {error.start:,}); pass --encoding, such as --encoding"
        msg += " latin-1"
        raise DataError(msg) from error
    except (OSError, ValueError, LookupError, ImportError) as error:
        # pandas and pyarrow raise one of these for what they cannot read
        msg = f"{path} cannot be read: {' '.join(str(error).split())}"
        raise DataError(msg) from error


def _no_column(path: Path, option: str, name: str, found: list[str]) -> ColumnError:
    plain = str(ColumnError.missing(name, found)).replace("the frame has", f"{path.name} has")
    return ColumnError(f"{plain} Say which it is with {option}.")


def _text_columns(path: Path, separator: str, layout: Layout) -> list[str]:
    import pandas as pd

    # the heading as a row: as a heading, pandas renames what is there twice. What has no name it calls so
    heading = pd.read_csv(
        path, sep=separator, encoding=layout.encoding or UTF_8, header=None, nrows=1, dtype="string", keep_default_na=False
    )
    return [str(name) or f"Unnamed: {place}" for place, name in enumerate(heading.iloc[0])]


def _parquet_columns(path: Path) -> list[str]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        from crmkit.errors import MissingExtraError

        msg = "parquet files are read with pyarrow, which is not installed: python -m pip install pyarrow"
        raise MissingExtraError(msg) from error
    return [str(name) for name in parquet.read_schema(path).names]


def _read_parquet(path: Path, columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.read_parquet(path, columns=columns or None)
    # a column that pandas made its index is one of the file's all the same
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    frame = frame.reset_index(level=named) if named else frame
    return frame.reset_index(drop=True)[columns or list(frame.columns)]


def _read_text(
    path: Path,
    columns: list[str],
    ids: Sequence[str],
    times: Sequence[str],
    numbers: Sequence[str],
    separator: str,
    layout: Layout,
) -> pd.DataFrame:
    import pandas as pd

    # ids and times as they are written: "007" is not 7, and only the log decides what is a date. All columns are read: with
    # some alone, pandas drops surplus fields without a word, and an unquoted "5,70" would be 5
    as_text: Any = dict.fromkeys((*ids, *times), "string")
    nothing: Any = {name: [""] if name in ids else NOTHING for name in columns}
    frame = pd.read_csv(
        path,
        sep=separator,
        encoding=layout.encoding or UTF_8,
        dtype=as_text,
        decimal=layout.decimal or ".",
        na_values=nothing,
        keep_default_na=False,
        low_memory=False,
    )
    if not isinstance(frame.index, pd.RangeIndex):
        msg = f"{path}: rows have more fields than the heading has columns; quote fields that hold {separator!r}"
        raise DataError(msg)
    frame = frame[columns]
    # where all of a column reads as numbers, pandas has read it
    text = [name for name in numbers if name not in (*ids, *times) and frame[name].dtype.kind not in "iufb"]
    return frame.assign(**{name: written.numbers(frame[name], name, layout.decimal, layout.thousands) for name in text})
