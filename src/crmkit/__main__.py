"""``python -m crmkit report``: a customer report from a purchase file. ``python -m crmkit verify``: published figures anew."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from crmkit import __version__
from crmkit._report import command
from crmkit.errors import CrmkitError

# what the functions call an option, and what it is called here
WORDS = (
    (r"before the call", "in the file"),
    (r"with currency=", "with --currency"),
    (r"unless zone= names", "unless --zone names"),
    (r"say how, such as time_format='([^']+)'", r'say how, such as --time-format "\1"'),
    (r"convert it first \(pandas\.to_numeric.*\)", "write plain numbers, such as 1000.50"),
    (r'pass (\w+)="(\w+)"', r"pass --\1 \2"),
    (r'(?<![\w.])(refunds|missing)="(\w+)"', r"--\1 \2"),
    (r"Name it with (\w+)=\.", r"Name it with --\1."),
    (r"convert it with pandas\.to_datetime\(column, utc=True\).*", "pass --zone, such as --zone Europe/Berlin, for one clock"),
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
        return _verify() if given.command == "verify" else command.run(given)
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
    command.add_options(report)
    return parser


def _verify() -> int:
    from crmkit import _verify as verify

    found = list(verify.checks())
    print(verify.table_of(found))
    return 0 if all(check.agrees for check in found) else 1


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
