"""``python -m crmkit report``: a customer report from a purchase file. ``python -m crmkit verify``: published figures anew."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from crmkit import __version__
from crmkit.errors import CrmkitError, DataError, OptionError

if TYPE_CHECKING:
    from crmkit._events import EventLog
    from crmkit._report import Report

COLUMNS = ("customer", "time", "amount", "order", "item", "price", "quantity", "less")
# what the functions call an option, and what it is called here
WORDS = (
    (r"before the call", "in the file"),
    (r"convert it first \(pandas\.to_numeric.*\)", "write plain numbers, such as 1000.50"),
    (r'pass (\w+)="(\w+)"', r"pass --\1 \2"),
    (r'(?<![\w.])(refunds|missing)="(\w+)"', r"--\1 \2"),
    (r"Name it with (\w+)=\.", r"Name it with --\1."),
    (r"convert it (first, such as )?with pandas\.to_datetime\(.*", 'say how it is written, such as --time-format "%%d.%%m.%%Y"'),
    (r"convert it first, such as pandas\.to_datetime\(.*", 'say how it is written, such as --time-format "%%Y%%m%%d"'),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # one line: what is wrong and where to read on
        self.exit(2, f"crmkit: error: {message}; {self.prog} --help lists the options\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    given = _parser().parse_args(arguments)
    try:
        return _verify() if given.command == "verify" else _report(given)
    except (CrmkitError, OSError) as error:
        print(f"crmkit: error: {_sentence(error)}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m crmkit", description="Customer analytics on purchase files.")
    parser.add_argument("--version", action="version", version=f"crmkit {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="report|verify")
    commands.add_parser(
        "verify",
        help="compute published figures again on this machine",
        description="Compute figures of the literature again and say where they differ; the status is 1 if one does.",
    )
    report = commands.add_parser(
        "report",
        help="write a customer report as one HTML file",
        description="Write a customer report as one self-contained HTML file: segments, expected value, and the Net Promoter"
        " Score where there is a survey. Without a file, purchases are simulated.",
    )
    report.add_argument("file", nargs="?", type=Path, help="purchases, CSV or parquet; without it a shop is simulated")
    report.add_argument("--output", type=Path, default=Path("crmkit-report.html"), metavar="HTML", help="default: %(default)s")
    names = report.add_argument_group("columns of the file")
    names.add_argument("--customer", metavar="COL", help="customer ids (default: customer_id)")
    names.add_argument("--time", metavar="COL", help="dates or times, ISO 8601 where they are text (default: timestamp)")
    names.add_argument("--amount", metavar="COL", help="amounts in one currency (default: amount)")
    names.add_argument("--order", metavar="COL", help="order ids: rows with one id are one purchase")
    names.add_argument("--item", metavar="COL", help="item ids")
    names.add_argument("--price", metavar="COL", help="with --quantity, in place of --amount: the amount is their product")
    names.add_argument("--quantity", metavar="COL", help="with --price")
    names.add_argument("--less", metavar="COL", help="taken off the amount: refunds in a column of their own")
    rows = report.add_argument_group("rows")
    rows.add_argument("--missing", choices=("error", "drop"), help="rows without an id (default: error)")
    rows.add_argument("--refunds", choices=("error", "subtract", "drop"), help="negative amounts (default: error)")
    form = report.add_argument_group("how the file is written")
    form.add_argument("--time-format", metavar="FORMAT", help='such as "%%d/%%m/%%Y %%H:%%M", where times are not ISO 8601')
    form.add_argument("--separator", metavar="CHAR", help="between columns of a CSV file (default: a comma)")
    form.add_argument("--encoding", metavar="NAME", help="of a CSV file (default: utf-8)")
    survey = report.add_argument_group("survey")
    survey.add_argument("--survey", type=Path, metavar="FILE", help="answers from 0 to 10, CSV or parquet")
    survey.add_argument("--score", metavar="COL", help="the answers (default: score)")
    survey.add_argument("--by", metavar="COL", help="also give the score by this column of the survey")
    return parser


def _report(given: argparse.Namespace) -> int:
    _check(given)
    _check_output(given.output, [path for path in (given.file, given.survey) if path is not None])
    log, report = _simulated() if given.file is None else _from_file(given)
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    target = report.save(given.output)
    dropped = "; ".join(f"{reason}: {number:,.10g}" for reason, number in log.dropped.items())
    print(f"used     {len(log):,} events, {log.orders.time.size:,} purchases of {len(log.customers):,} customers")
    print(f"dropped  {dropped or 'nothing'}")
    print(f"span     {log.span.start} to {log.span.end}; the report looks back from {report.as_of}")
    print(f"written  {target} ({target.stat().st_size / 1024:,.0f} kB)")
    return 0


def _verify() -> int:
    from crmkit._report import verify

    found = list(verify.checks())
    print(verify.table_of(found))
    return 0 if all(check.agrees for check in found) else 1


def _check(given: argparse.Namespace) -> None:
    """Refuse options that do not go together, before any work is done."""
    if given.file is None:
        others = ("missing", "refunds", "time_format", "separator", "encoding", "survey", "score", "by")
        stray = [name for name in (*COLUMNS, *others) if getattr(given, name) is not None]
        if stray:
            msg = f"--{stray[0].replace('_', '-')} describes a file of purchases; name it first: python -m crmkit report FILE …"
            raise OptionError(msg)
    if (given.price is None) != (given.quantity is None):
        msg = "--price and --quantity go together: the amount is their product"
        raise OptionError(msg)
    if given.price is not None and given.amount is not None:
        msg = "--amount and --price with --quantity say the same in two ways; pass one of them"
        raise OptionError(msg)
    if given.survey is None and (given.score is not None or given.by is not None):
        msg = "--score and --by describe a survey; name its file with --survey"
        raise OptionError(msg)
    # pandas would take anything longer for a regular expression, and read the file another, slower way
    if given.separator is not None and len(given.separator.encode(errors="replace")) != 1:
        msg = f"--separator {given.separator!r} is not one plain character, such as ';', '|' or, for a tab, $'\\t'"
        raise OptionError(msg)


def _check_output(path: Path, inputs: Sequence[Path]) -> None:
    """Refuse an output that cannot be written, or that is one of the files to be read."""
    folder = path.parent
    if path.is_dir():
        msg = f"--output {path} is a folder; name a file in it"
        raise OptionError(msg)
    if not folder.is_dir():
        msg = f"--output {path}: there is no folder {folder}"
        raise OptionError(msg)
    target = Path(os.path.realpath(path))
    existed = target.exists()
    for read in inputs:
        # links, too: the page would be written over what they point to
        if target == Path(os.path.realpath(read)) or (existed and read.exists() and target.samefile(read)):
            msg = f"--output {path} is the file to be read, and would be overwritten; name another"
            raise OptionError(msg)
    if existed and not target.is_file():  # a device or a pipe: opening it may do something
        return
    try:
        # permissions, quotas and mounts say no in many ways: only trying tells
        target.open("ab").close()
    except OSError as error:
        msg = f"--output {path} cannot be written: {error.strerror or error}"
        raise OptionError(msg) from error
    if not existed:
        target.unlink()


def _simulated() -> tuple[EventLog, Report]:
    from crmkit import _events, _report, datasets

    shop = datasets.make_transactions()
    told = datasets.make_survey(shop.truth.index)
    print(
        f"read     {len(shop.transactions):,} simulated order lines, {len(told.survey):,} answers; --help says how to pass yours"
    )
    log = _events.events(shop.transactions, order="order_id", item="item_id")
    report = _report.report(log, survey=told.survey, by="segment", truth=shop.truth, title="Customer report: a simulated shop")
    return log, report


def _from_file(given: argparse.Namespace) -> tuple[EventLog, Report]:
    from crmkit import _events, _report
    from crmkit._report import files

    layout = files.Layout(given.separator, given.encoding or "utf-8")
    amount = given.amount or ("amount" if given.price is None else None)
    named = files.Named(
        customer=given.customer or "customer_id",
        time=given.time or "timestamp",
        amount=amount,
        order=given.order,
        item=given.item,
        price=given.price,
        quantity=given.quantity,
        less=given.less,
    )
    frame, amount_column = files.read_purchases(given.file, named, layout, time_format=given.time_format)
    print(f"read     {given.file}: {len(frame):,} rows")
    log = _events.events(
        frame,
        customer=named.customer,
        time=named.time,
        amount=amount_column,
        order=named.order,
        item=named.item,
        refunds=given.refunds or "error",
        missing=given.missing or "error",
    )
    for column, word, count in files.words_for_nothing(frame, [named.customer, named.order, named.item]):
        # an id that reads "NA" may be somebody's; where a program wrote it for a missing one, strangers become one customer
        print(
            f"note: column {column!r}: {count:,} rows hold {word!r}, read as one id; empty the field if it means none",
            file=sys.stderr,
        )
    survey: Any = None
    score = given.score or "score"
    if given.survey is not None:
        survey = files.read_survey(given.survey, score, given.by, named.customer, layout)
        n_rows, told = len(survey), survey.dropna(subset=[score] if given.by is None else [score, given.by])
        if given.missing != "drop" and len(told) < n_rows:
            msg = (
                f"{given.survey}: {n_rows - len(told):,} rows without an answer or a group; pass --missing drop to leave them out"
            )
            raise DataError(msg)
        survey = told
        left_out = f", {n_rows - len(survey):,} left out for want of an answer or a group" if len(survey) < n_rows else ""
        print(f"read     {given.survey}: {n_rows:,} rows{left_out}")
    title = f"Customer report: {given.file.name}"
    return log, _report.report(log, survey=survey, score=score, by=given.by, title=title)


def _sentence(error: BaseException) -> str:
    """Put an error into one line, in the words of the command line."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, CrmkitError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(str(error).split())
    for pattern, words in WORDS:
        text = re.sub(pattern, words.replace("%%", "%"), text)
    return text


if __name__ == "__main__":
    sys.exit(main())
