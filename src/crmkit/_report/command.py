"""``python -m crmkit report``: its options, the files they name, and the page that is written."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmkit.errors import DataError, OptionError

if TYPE_CHECKING:
    from crmkit._report.build import Report

__all__ = ["add_options", "run"]

COLUMNS = ("customer", "time", "amount", "order", "item", "price", "quantity", "less")
# options that say more about a file -> the option that names the file
ABOUT = {
    "survey": ("score", "by", "wave", "weight", "drivers"),
    "contacts": ("contact", "fields"),
    "experiment": ("outcome", "arm", "control", "before", "features"),
}
FORM = ("separator", "encoding", "decimal", "thousands")
PRESETS = ("shopify", "stripe", "erp")


def add_options(report: argparse.ArgumentParser) -> None:
    """Name every option of the command."""
    report.add_argument("file", nargs="?", type=Path, help="purchases, CSV or parquet; without it a store is simulated")
    report.add_argument("--output", type=Path, default=Path("crmkit-report.html"), metavar="HTML", help="default: %(default)s")
    names = report.add_argument_group("columns of the file")
    names.add_argument("--preset", choices=PRESETS, help="an export whose columns are known, in place of the options below")
    names.add_argument("--customer", metavar="COL", help="customer ids (default: customer_id)")
    names.add_argument("--time", metavar="COL", help="dates or times, ISO 8601 where they are text (default: timestamp)")
    names.add_argument("--amount", metavar="COL", help="amounts in one currency (default: amount)")
    names.add_argument("--order", metavar="COL", help="order ids: rows with one id are one purchase")
    names.add_argument("--item", metavar="COL", help="item ids (default: item_id, where there is one)")
    names.add_argument("--price", metavar="COL", help="with --quantity, in place of --amount: the amount is their product")
    names.add_argument("--quantity", metavar="COL", help="with --price")
    names.add_argument("--less", metavar="COL", help="taken off the amount: refunds in a column of their own")
    rows = report.add_argument_group("rows")
    rows.add_argument("--missing", choices=("error", "drop"), help="rows without an id (default: error)")
    rows.add_argument("--refunds", choices=("error", "subtract", "drop"), help="negative amounts (default: error)")
    rows.add_argument("--currency", metavar="NAME", help="with --preset: the currency to take of several")
    form = report.add_argument_group("how the file is written")
    form.add_argument("--time-format", metavar="FORMAT", help='such as "%%d/%%m/%%Y %%H:%%M", where times are not ISO 8601')
    form.add_argument("--zone", metavar="NAME", help="the clock for times with offsets, such as Europe/Berlin")
    form.add_argument("--separator", metavar="CHAR", help="between columns of a CSV file (default: a comma)")
    form.add_argument("--decimal", metavar="CHAR", help="before the decimals of numbers in CSV files (default: a point)")
    form.add_argument("--thousands", metavar="CHAR", help="between their groups of three digits (default: none)")
    form.add_argument("--encoding", metavar="NAME", help="of a CSV file (default: utf-8)")
    contacts = report.add_argument_group("contacts")
    contacts.add_argument("--contacts", type=Path, metavar="FILE", help="contact records: those of one person are found")
    contacts.add_argument(
        "--contact", metavar="COL", help="their ids, which are the customers of the purchases (default: --customer)"
    )
    contacts.add_argument("--fields", metavar="COL=KIND,…", help="what their columns hold, such as first_name=name,email=email")
    survey = report.add_argument_group("survey")
    survey.add_argument("--survey", type=Path, metavar="FILE", help="answers from 0 to 10, CSV or parquet")
    survey.add_argument("--score", metavar="COL", help="the answers (default: score)")
    survey.add_argument("--by", metavar="COL", help="also give the score by this column of the survey")
    survey.add_argument("--wave", metavar="COL", help="waves, whose change is explained")
    survey.add_argument("--weight", metavar="COL", help="weights of the answers")
    survey.add_argument("--drivers", metavar="COL,…", help="ratings whose part in the score is told")
    trial = report.add_argument_group("experiment")
    trial.add_argument("--experiment", type=Path, metavar="FILE", help="one row per unit, CSV or parquet")
    trial.add_argument("--outcome", metavar="COL,…", help="what the arms are compared by")
    trial.add_argument("--arm", metavar="COL", help="the arms (default: arm)")
    trial.add_argument("--control", metavar="NAME", help="the arm the others are compared with")
    trial.add_argument("--before", metavar="COL", help="known before: outcomes are adjusted for it")
    trial.add_argument("--features", metavar="COL,…", help="known before: the effect is looked for by them")
    costs = report.add_argument_group("values and costs")
    costs.add_argument("--horizon", metavar="TIME", help="how far ahead customers are valued (default: 52W)")
    costs.add_argument("--annual-discount", type=float, metavar="SHARE", help="per year (default: 0.10)")
    costs.add_argument("--margin", type=float, metavar="SHARE", help="of an amount, that is profit (default: 0.3)")
    costs.add_argument("--contact-cost", type=float, metavar="AMOUNT", help="of contacting a customer (default: 1)")
    costs.add_argument("--offer-cost", type=float, metavar="AMOUNT", help="of an offer that is taken (default: 0)")
    costs.add_argument(
        "--accept", type=float, metavar="SHARE", help="of those about to leave, whom a contact keeps (default: 0.3)"
    )
    costs.add_argument("--budget", type=float, metavar="AMOUNT", help="for contacting customers (default: no limit)")


def run(given: argparse.Namespace) -> int:
    """Read the files, write the page, and say on the console what was done."""
    _check(given)
    files = [path for path in (given.file, given.contacts, given.survey, given.experiment) if path is not None]
    _check_output(given.output, files)
    report = _simulated(given) if given.file is None else _from_files(given)
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    for name, reason in report.lacking.items():
        print(f"note: {name}: {reason}.", file=sys.stderr)
    target = report.save(given.output)
    log = report.log
    dropped = "; ".join(f"{reason}: {number:,.10g}" for reason, number in log.dropped.items())
    print(f"used     {len(log):,} events, {log.orders.time.size:,} purchases of {len(log.customers):,} customers")
    print(f"dropped  {dropped or 'nothing'}")
    print(f"span     {log.span.start} to {log.span.end}; the report looks back from {report.as_of}")
    print(f"written  {target} ({target.stat().st_size / 1024:,.0f} kB)")
    return 0


def _check(given: argparse.Namespace) -> None:
    """Refuse options that do not go together, before any work is done."""
    if given.file is None:
        rows = ("preset", "missing", "refunds", "currency", "time_format", "zone", *FORM)
        stray = _named(given, (*COLUMNS, *rows, *ABOUT, *(name for names in ABOUT.values() for name in names)))
        if stray:
            msg = f"{stray[0]} describes a file of purchases; name it first: python -m crmkit report FILE …"
            raise OptionError(msg)
    if (given.price is None) != (given.quantity is None):
        msg = "--price and --quantity go together: the amount is their product"
        raise OptionError(msg)
    if given.price is not None and given.amount is not None:
        msg = "--amount and --price with --quantity say the same in two ways; pass one of them"
        raise OptionError(msg)
    if given.preset is not None and (stray := _named(given, COLUMNS)):
        msg = f"{stray[0]} names a column, which --preset {given.preset} does; pass one of them"
        raise OptionError(msg)
    if given.preset is not None and (stray := _named(given, ("decimal", "thousands"))):
        msg = f"{stray[0]} is told from the file itself by --preset {given.preset}; leave it out"
        raise OptionError(msg)
    if given.preset is None and (stray := _named(given, ("currency",))):
        msg = f"{stray[0]} reads an export; say which with --preset"
        raise OptionError(msg)
    for what, names in ABOUT.items():
        if getattr(given, what) is None and (stray := _named(given, names)):
            msg = f"{' and '.join(stray)} describe{'s' if len(stray) == 1 else ''} {_article(what)}; name its file with --{what}"
            raise OptionError(msg)
    if given.experiment is not None and given.outcome is None:
        msg = "--experiment needs --outcome, the columns that its arms are compared by"
        raise OptionError(msg)
    # pandas would take anything longer for a regular expression, and read the file another, slower way
    if given.separator is not None and len(given.separator.encode(errors="replace")) != 1:
        msg = f"--separator {given.separator!r} is not one plain character, such as ';', '|' or, for a tab, $'\\t'"
        raise OptionError(msg)
    _check_numbers(given.decimal, given.thousands)


def _check_numbers(decimal: str | None, thousands: str | None) -> None:
    """Refuse signs that are part of a number, or that stand for two things."""
    for option, sign in (("--decimal", decimal), ("--thousands", thousands)):
        if sign is not None and (len(sign) != 1 or sign.isalnum() or sign in "+-"):
            msg = f"{option} {sign!r} is not one sign, such as ',' or '.'"
            raise OptionError(msg)
    if thousands is not None and thousands == (decimal or "."):
        msg = f"--thousands {thousands!r} is the decimal sign, too; pass --decimal ',' where a comma comes before the decimals"
        if decimal is not None:
            msg = f"--decimal and --thousands are both {decimal!r}; leave --thousands out where digits are not grouped"
        raise OptionError(msg)


def _named(given: argparse.Namespace, names: Sequence[str]) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name in names if getattr(given, name) is not None]


def _article(what: str) -> str:
    return {"survey": "a survey", "contacts": "contacts", "experiment": "an experiment"}[what]


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


def _simulated(given: argparse.Namespace) -> Report:
    from crmkit import _report, datasets

    store = datasets.make_store()
    print(
        f"read     a simulated store: {len(store.orders):,} order lines, {len(store.contacts):,} contacts,"
        f" {len(store.survey):,} answers, an experiment on {len(store.experiment):,}; --help says how to pass yours"
    )
    costs = {"budget": 100.0, **_costs(given)}
    return _report.report(
        store.orders,
        customer="contact_id",
        order="order_id",
        refunds="subtract",
        contacts=store.contacts,
        fields=store.fields,
        survey=store.survey,
        by="segment",
        wave="wave",
        weight="weight",
        drivers=["service", "delivery", "price"],
        experiment=store.experiment,
        outcome=["visited", "spend"],
        before="spend_before",
        features=["recency_days", "orders", "spend_before", "newsletter", "channel", "region"],
        truth=store,
        title="Customer report: a simulated store",
        progress=True,
        **costs,
    )


def _costs(given: argparse.Namespace) -> dict[str, Any]:
    names = ("horizon", "annual_discount", "margin", "contact_cost", "offer_cost", "accept", "budget")
    return {name: getattr(given, name) for name in names if getattr(given, name) is not None}


def _from_files(given: argparse.Namespace) -> Report:
    from crmkit import _report
    from crmkit._report import files

    layout = files.Layout(given.separator, given.encoding, given.decimal, given.thousands)
    options: dict[str, Any] = {name: getattr(given, name) for name in ("refunds", "missing") if getattr(given, name) is not None}
    purchases: Any
    if given.preset is not None:
        purchases = files.read_all(given.file, layout)
        customer = "customer_id"
        options |= {"preset": given.preset, "currency": given.currency, "zone": given.zone, "time_format": given.time_format}
    else:
        named = _columns(given)
        purchases, amount = files.read_purchases(given.file, named, layout, time_format=given.time_format, zone=given.zone)
        customer = named.customer
        options |= {"customer": customer, "time": named.time, "amount": amount, "order": named.order, "item": named.item}
        if named.item is None and files.USUAL_ITEM in purchases:
            options["item"] = files.USUAL_ITEM
    print(f"read     {given.file}: {len(purchases):,} rows")
    return _report.report(
        purchases,
        **options,
        **_contacts(given, customer, layout),
        **_survey(given, customer, layout),
        **_experiment(given, layout),
        **_costs(given),
        title=f"Customer report: {given.file.name}",
        progress=True,
    )


def _columns(given: argparse.Namespace) -> Any:
    from crmkit._report import files

    return files.Named(
        customer=given.customer or "customer_id",
        time=given.time or "timestamp",
        amount=given.amount or ("amount" if given.price is None else None),
        order=given.order,
        item=given.item,
        price=given.price,
        quantity=given.quantity,
        less=given.less,
    )


def _contacts(given: argparse.Namespace, customer: str, layout: Any) -> dict[str, Any]:
    from crmkit._report import files

    if given.contacts is None:
        return {}
    fields = None
    if given.fields is not None:
        pairs = [pair.rsplit("=", 1) for pair in given.fields.split(",")]
        if any(len(pair) != 2 for pair in pairs):
            msg = f"--fields {given.fields!r} is not written as COL=KIND,COL=KIND, such as first_name=name,email=email"
            raise OptionError(msg)
        fields = {name.strip(): kind.strip() for name, kind in pairs}
    column = given.contact or customer
    records = files.read_all(given.contacts, layout, wanted={"--contact": column})
    print(f"read     {given.contacts}: {len(records):,} contact records")
    return {"contacts": records, "contact": column, "fields": fields}


def _survey(given: argparse.Namespace, customer: str, layout: Any) -> dict[str, Any]:
    from crmkit._report import files

    if given.survey is None:
        return {}
    score = given.score or "score"
    drivers = _listed(given.drivers)
    asked = {"--score": score, "--by": given.by, "--wave": given.wave, "--weight": given.weight}
    wanted = {option: name for option, name in asked.items() if name is not None}
    numbers = [name for name in (score, given.weight, *drivers) if name is not None]
    wanted_too = {f"--drivers {name}": name for name in drivers}
    answers = files.read_survey(given.survey, wanted | wanted_too, customer, layout, numbers=numbers)
    complete = answers.dropna(subset=list(wanted.values()))
    if given.missing != "drop" and len(complete) < len(answers):
        msg = (
            f"{given.survey}: {len(answers) - len(complete):,} rows without an answer or a group; pass --missing drop to"
            " leave them out"
        )
        raise DataError(msg)
    lost = len(answers) - len(complete)
    left_out = f", {lost:,} left out for want of an answer or a group" if lost else ""
    print(f"read     {given.survey}: {len(answers):,} rows{left_out}")
    return {"survey": complete, "score": score, "by": given.by, "wave": given.wave, "weight": given.weight, "drivers": drivers}


def _experiment(given: argparse.Namespace, layout: Any) -> dict[str, Any]:
    from crmkit._report import files

    if given.experiment is None:
        return {}
    outcome, features, arm = _listed(given.outcome), _listed(given.features), given.arm or "arm"
    wanted = {"--arm": arm} | {f"--outcome {name}": name for name in outcome} | {f"--features {name}": name for name in features}
    wanted |= {"--before": given.before} if given.before is not None else {}
    # outcomes are compared as numbers, yes and no among them; features may be words
    numbers = [name for name in (*outcome, given.before) if name is not None]
    units = files.read_all(given.experiment, layout, wanted=wanted, numbers=numbers, as_written=False)
    print(f"read     {given.experiment}: {len(units):,} rows")
    names = {"arm": arm, "control": given.control, "before": given.before}
    return {"experiment": units, "outcome": outcome, "features": features, **names}


def _listed(names: str | None) -> list[str]:
    return [] if names is None else [name.strip() for name in names.split(",") if name.strip()]
