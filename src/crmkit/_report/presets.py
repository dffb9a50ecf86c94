"""Usual exports as purchases: what their columns mean, which rows are no purchases, how they write numbers and times."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit import _frame
from crmkit.errors import ColumnError, DataError, OptionError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "PRESETS", "Prepared", "prepare"]

# how `crmkit.events` reads what is returned
COLUMNS = {"customer": "customer_id", "time": "timestamp", "amount": "amount", "order": "order_id", "item": "item_id"}

SHOPIFY_PAID = ("paid", "partially_paid", "partially_refunded", "refunded")
STRIPE_PAID = ("paid", "succeeded", "refunded", "partial refund", "partially refunded")
YES = ("true", "yes", "y", "1", "x", "ja", "wahr")
CREDIT = ("creditmemo", "creditnote", "credit", "gutschrift", "rechnungskorrektur", "stornorechnung", "storno")
ERP: dict[str, tuple[str, ...]] = {
    "customer": (
        "CustomerNo",
        "Customer No.",
        "Customer",
        "CustomerId",
        "Sell-to Customer No.",
        "Kundennummer",
        "KundenNr",
        "Kunde",
        "Debitor",
    ),
    "order": ("InvoiceNo", "Invoice", "DocumentNo", "Document No.", "Rechnungsnummer", "RechnungsNr", "Belegnummer", "BelegNr"),
    "time": (
        "PostingDate",
        "Posting Date",
        "InvoiceDate",
        "DocumentDate",
        "Buchungsdatum",
        "Rechnungsdatum",
        "Belegdatum",
        "Datum",
    ),
    "item": ("ItemNo", "Item No.", "Item", "StockCode", "ProductNo", "Artikelnummer", "ArtikelNr", "Artikel"),
    "amount": ("LineAmount", "Line Amount", "Amount", "NetAmount", "Betrag", "Zeilenbetrag", "Nettobetrag", "Umsatz"),
    "quantity": ("Quantity", "Qty", "Menge", "Anzahl"),
    "price": ("UnitPrice", "Unit Price", "Price", "Einzelpreis", "Stückpreis", "VK-Preis", "Preis"),
    "credit": ("CreditMemo", "Credit Memo", "CreditNote", "DocumentType", "Document Type", "Gutschrift", "Belegart"),
    "currency": ("CurrencyCode", "Currency Code", "Currency", "Währungscode", "Währung", "Waehrung"),
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The purchases of an export, under the usual names, and what was left out or changed: words and a number."""

    frame: pd.DataFrame
    notes: tuple[tuple[str, int], ...]


def prepare(
    export: pd.DataFrame, preset: str, *, currency: str | None = None, zone: str | None = None, time_format: str | None = None
) -> Prepared:
    """Return the purchases that an export holds.

    Raises
    ------
    ColumnError
        A column that exports of this kind have is not there.
    DataError
        There are several currencies and none is chosen, or a number or a time cannot be read.
    OptionError
        `preset` is none of those that are known.
    """
    if preset not in PRESETS:
        raise OptionError.choice("preset", preset, tuple(PRESETS))
    if len(export) == 0:
        msg = "the frame has no rows"
        raise DataError(msg)
    reader = _Reader(export, preset, currency, zone, time_format)
    return Prepared(PRESETS[preset](reader), tuple(reader.notes))


# ── the exports ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _shopify(read: _Reader) -> pd.DataFrame:
    """Orders: one row per line; what concerns the whole order stands in its first row alone."""
    order = read.text("Name")
    read.decimal_sign("Lineitem quantity", "Lineitem price", "Subtotal", "Refunded Amount")
    first = {"by": order, "first": True}
    keep = read.currency("Currency", **first)
    keep &= read.not_among("Financial Status", SHOPIFY_PAID, "orders not paid", per=order)
    keep &= read.empty("Cancelled at", "orders cancelled", per=order, among=keep)
    quantity, price = read.numbers("Lineitem quantity"), read.numbers("Lineitem price")
    gross = quantity * price - read.numbers("Lineitem discount", optional=True)
    # what an order comes to, discounts taken off, is spread over its lines by their prices
    codes = _frame.ids(_frame.table({"order": order}), "order").codes
    share = _shares(gross, codes)
    subtotal, refunded = (read.whole_order(name, codes, optional=True) for name in ("Subtotal", "Refunded Amount"))
    amount = gross if subtotal is None else share * subtotal
    sku, name = read.text("Lineitem sku", optional=True), read.text("Lineitem name")
    columns = {
        "customer_id": read.of_order(read.text("Email"), codes, lower=True),
        "timestamp": read.times(read.of_order(read.text("Created at"), codes)),
        "amount": amount,
        "order_id": order,
        "item_id": np.where(sku == "", name, sku),
    }
    return _with_refunds(read, columns, None if refunded is None else share * refunded, keep)


def _stripe(read: _Reader) -> pd.DataFrame:
    """Charges: one row each, failed ones too; what was refunded stands beside the amount."""
    read.decimal_sign("Amount", "Amount Refunded")
    keep = read.currency("Currency")
    keep &= read.not_among("Status", STRIPE_PAID, "charges that failed or are not paid")
    captured = read.text("Captured", optional=True)
    not_captured = keep & (captured != "") & ~np.isin(_lower(captured), YES)
    read.note("charges not captured", int(not_captured.sum()))
    keep &= ~not_captured
    customer, email = read.text("Customer ID", optional=True), read.text("Customer Email", optional=True)
    created = next(
        (name for name in ("Created date (UTC)", "Created (UTC)", "Created date", "Created") if read.has(name)), "Created (UTC)"
    )
    columns = {
        "customer_id": np.where(customer == "", _lower(email), customer),
        "timestamp": read.times(read.text(created), utc="utc" in created.lower()),
        "amount": read.numbers("Amount"),
        "order_id": read.text("id"),
    }
    return _with_refunds(read, columns, read.numbers("Amount Refunded", optional=True), keep)


def _erp(read: _Reader) -> pd.DataFrame:
    """Invoice lines of an ERP system, under their English or German names; credit memos are refunds."""
    names = {what: read.alias(aliases) for what, aliases in ERP.items()}
    read.require(names, "customer", "order", "time")
    if names["amount"] is None:
        read.require(names, "quantity", "price")
    read.decimal_sign(*(names[what] for what in ("amount", "quantity", "price")))
    keep = np.ones(read.n, dtype=bool) if names["currency"] is None else read.currency(names["currency"])
    if names["amount"] is not None:
        amount = read.numbers(names["amount"])
    else:
        quantity, price = read.numbers(names["quantity"]), read.numbers(names["price"])
        both = (quantity < 0) & (price < 0)
        if both.any():
            count, row = _frame.first_place(both)
            msg = f"{count:,} rows have a negative quantity and a negative price, the first in row {row};"
            msg += " their product would be a purchase"
            raise DataError(msg)
        amount = quantity * price
    if names["credit"] is not None:
        said = _lower(read.text(names["credit"]))
        plain = np.array([re.sub(r"[^a-zäöüß]", "", word) for word in said], dtype=object)
        credit = np.isin(said, YES) | np.isin(plain, CREDIT)
        read.note("lines of credit memos, taken as refunds", int((credit & keep).sum()))
        amount = np.where(credit, -np.abs(amount), amount)
    columns = {
        "customer_id": read.text(names["customer"]),
        "timestamp": read.times(read.text(names["time"])),
        "amount": amount,
        "order_id": read.text(names["order"]),
    }
    if names["item"] is not None:
        item = read.text(names["item"])
        comment = keep & (item == "") & (amount == 0)
        read.note("lines of text, without item and amount", int(comment.sum()))
        keep &= ~comment
        columns["item_id"] = np.where(item == "", "(no item)", item)
    return _with_refunds(read, columns, None, keep)


PRESETS: dict[str, Callable[[_Reader], pd.DataFrame]] = {"shopify": _shopify, "stripe": _stripe, "erp": _erp}


def _with_refunds(read: _Reader, columns: dict[str, Any], refunded: Any, keep: Any) -> pd.DataFrame:
    """Return the rows to keep, and below them what was refunded of them, dated as they are: the export knows no better."""
    import pandas as pd

    if not keep.any():
        said = "; ".join(f"{words}: {number:,}" for words, number in read.notes)
        msg = f"no purchase is left of {read.n:,} rows ({said})"
        raise DataError(msg)
    frame: pd.DataFrame = pd.DataFrame(columns)[keep]
    for name in ("customer_id", "order_id"):
        written = frame[name].astype("string")
        frame[name] = written.mask(written == "")
    if refunded is None:
        plain: pd.DataFrame = frame.reset_index(drop=True)
        return plain
    back = refunded[keep]
    read.note("refunds, dated as their orders for want of a date", int((back > 0).sum()))
    both: pd.DataFrame = pd.concat([frame, frame.assign(amount=-back)[back > 0]], ignore_index=True)
    return both


def _shares(gross: Any, codes: Any) -> Any:
    """Return what part of its order each line is; lines for nothing share alike."""
    total, lines = np.bincount(codes, gross)[codes], np.bincount(codes)[codes]
    return np.divide(gross, total, out=1.0 / lines, where=total > 0)


def _lower(text: Any) -> Any:
    return np.array([word.lower() for word in text], dtype=object)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Reader:
    """Columns of an export as text, numbers and times, and what is to be said of its rows."""

    def __init__(
        self, export: pd.DataFrame, preset: str, currency: str | None, zone: str | None, time_format: str | None
    ) -> None:
        self.export, self.preset, self.n = export, preset, len(export)
        self.chosen, self.zone, self.time_format = currency, zone, time_format
        self.notes: list[tuple[str, int]] = []
        self.comma = False

    def note(self, words: str, number: int) -> None:
        if number:
            self.notes.append((words, number))

    def has(self, name: str) -> bool:
        return name in self.export.columns

    def alias(self, aliases: tuple[str, ...]) -> str | None:
        """Return the first column called one of these, whatever its case, spaces and stops."""

        def plain(name: object) -> str:
            return re.sub(r"[\W_]", "", str(name).lower())

        found = {plain(name): str(name) for name in reversed(list(self.export.columns))}
        return next((found[plain(name)] for name in aliases if plain(name) in found), None)

    def require(self, names: dict[str, str | None], *wanted: str) -> None:
        for what in wanted:
            if names[what] is None:
                msg = f"no column of the {what}; exports of preset {self.preset!r} call it one of {list(ERP[what])}, this one has"
                msg += f" {[str(name) for name in self.export.columns]}"
                raise ColumnError(msg)

    def text(self, name: str | None, *, optional: bool = False) -> Any:
        """Return a column as text without spaces around it, empty where there is nothing."""
        if name is None or (optional and not self.has(name)):
            return np.full(self.n, "", dtype=object)
        if not self.has(name):
            words = str(ColumnError.missing(name, [str(column) for column in self.export.columns]))
            msg = f"{words} Preset {self.preset!r} needs it"
            raise ColumnError(msg)
        column = self.export[name]
        if column.dtype.kind == "f":  # whole numbers with gaps, as pandas reads them
            column = column.astype("Int64") if (column.dropna() % 1 == 0).all() else column
        return np.array([word.strip() for word in column.astype("string").fillna("")], dtype=object)

    def decimal_sign(self, *names: str | None) -> None:
        """Find out whether the file writes its decimals behind a comma: one number that can only be read so tells."""
        point = False
        for name in names:
            for word in self.text(name, optional=True):
                self.comma |= bool(re.fullmatch(r"-?[\d.]*,(\d{1,2}|\d{4,})", word))
                point |= bool(re.fullmatch(r"-?[\d,]*\.(\d{1,2}|\d{4,})", word))
        if self.comma and point:
            msg = "some numbers have a decimal comma, others a decimal point; write them in one way"
            raise DataError(msg)

    def numbers(self, name: str | None, *, optional: bool = False) -> Any:
        """Return a column as numbers, 0 where there is nothing in a column that need not be there."""
        assert name is not None
        if optional and not self.has(name):
            return np.zeros(self.n)
        if self.has(name) and self.export[name].dtype.kind in "iuf":
            values = self.export[name].to_numpy(dtype=np.float64, na_value=np.nan)
            return np.nan_to_num(values) if optional else values
        group, sign = (".", ",") if self.comma else (",", ".")
        written = re.compile(rf"[-+]?(\d+|\d{{1,3}}(\{group}\d{{3}})+)(\{sign}\d+)?|[-+]?\{sign}\d+")
        values = np.full(self.n, 0.0 if optional else np.nan)
        for row, word in enumerate(self.text(name)):
            if word and written.fullmatch(word) is None:
                msg = f"column {name!r}: row {row} holds {word!r}, which is no number; write plain numbers, such as 1000.50"
                raise DataError(msg)
            if word:
                values[row] = float(word.replace(group, "").replace(sign, "."))
        return values

    def of_order(self, text: Any, codes: Any, *, lower: bool = False) -> Any:
        """Return for each row the first text that its order has."""
        words = np.full(int(codes.max()) + 1, "", dtype=object)
        for code, word in zip(codes, text, strict=True):
            if word and not words[code]:
                words[code] = word.lower() if lower else word
        return words[codes]

    def whole_order(self, name: str, codes: Any, *, optional: bool) -> Any:
        """Return for each row the number that its order has, or None without the column."""
        if optional and not self.has(name):
            return None
        return np.bincount(codes, self.numbers(name, optional=True))[codes]

    def not_among(self, name: str, accepted: tuple[str, ...], words: str, *, per: Any = None) -> Any:
        """Return the rows with an accepted status, and note how many others there are."""
        status = self.text(name)
        if per is not None:
            codes = _frame.ids(_frame.table({"order": per}), "order").codes
            status = self.of_order(status, codes)
        good = np.isin(_lower(status), accepted)
        self.note(words, len(set(per[~good])) if per is not None else int((~good).sum()))
        return good

    def empty(self, name: str, words: str, *, per: Any, among: Any) -> Any:
        """Return the rows whose order has nothing there, and note how many others there are."""
        codes = _frame.ids(_frame.table({"order": per}), "order").codes
        good = self.of_order(self.text(name, optional=True), codes) == ""
        self.note(words, len(set(per[among & ~good])))
        return good

    def currency(self, name: str, *, by: Any = None, first: bool = False) -> Any:
        """Return the rows in the chosen currency, which must be chosen where there are several."""
        said = self.text(name, optional=True)
        if first:
            said = self.of_order(said, _frame.ids(_frame.table({"order": by}), "order").codes)
        said = np.array([word.upper() for word in said], dtype=object)
        found = {str(word): int(n) for word, n in zip(*np.unique(said[said != ""].astype(str), return_counts=True), strict=True)}
        if self.chosen is None:
            if len(found) > 1:
                counts = ", ".join(f"{word} ({n:,} rows)" for word, n in found.items())
                most = max(found, key=lambda word: found[word])
                msg = (
                    f"column {name!r}: amounts in {len(found)} currencies, {counts}; choose one with currency=, such as {most!r}"
                )
                raise DataError(msg)
            return np.ones(self.n, dtype=bool)
        if self.chosen.upper() not in found:
            msg = f"column {name!r}: no amount is in {self.chosen!r}; there are {sorted(found)}"
            raise DataError(msg)
        good = said == self.chosen.upper()
        self.note("rows in other currencies", int((~good).sum()))
        return good

    def times(self, text: Any, *, utc: bool = False) -> Any:
        """Return moments: with offsets or in UTC on the clock of `zone`, where it is given, else as they are written."""
        import pandas as pd

        series = pd.Series(text, dtype="string").replace("", pd.NA)
        some = series.dropna()
        # pandas reads ISO 8601 with or without a space before the offset
        offset = some.str.extract(r"\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(UTC|Z|[+-]\d{2}:?\d{2})$")[0]
        german = bool(len(some)) and bool(some.str.match(r"\d{1,2}\.\d{1,2}\.\d{4}").all())
        style = self.time_format or (None if not german else ("%d.%m.%Y %H:%M" if some.str.contains(":").any() else "%d.%m.%Y"))
        zoned = bool(len(some)) and bool(offset.notna().all())
        try:
            moments = pd.to_datetime(series, format=style or "ISO8601", utc=zoned or utc)
        except (ValueError, TypeError) as error:
            msg = "the times are not written in one way that can be read; say how, such as time_format='%m/%d/%Y %H:%M'"
            raise DataError(msg) from error
        if zoned or utc:
            kinds = sorted(set(offset.dropna()))
            if self.zone is not None:
                moments = moments.dt.tz_convert(self.zone)
            elif len(kinds) > 1:
                self.note(
                    f"offsets in the times ({', '.join(kinds[:4])}): days are those of UTC, unless zone= names a clock",
                    len(kinds),
                )
            elif len(kinds) == 1 and kinds[0] not in ("UTC", "Z"):
                moments = moments.dt.tz_convert(pd.Timestamp(f"2024-01-01T00:00{kinds[0]}").tz)
        elif self.zone is not None:
            msg = f"zone={self.zone!r}: the times say neither an offset nor UTC, so they cannot be moved to another clock"
            raise OptionError(msg)
        return moments
