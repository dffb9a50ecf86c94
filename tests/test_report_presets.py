"""Exports of shops, of a payment provider and of an ERP system: which rows are purchases, of whom, when and for how much."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pytest

from crmkit import __main__ as command
from crmkit._report import build, report
from crmkit._report.presets import PRESETS, prepare
from crmkit.errors import ColumnError, DataError, OptionError

matplotlib = pytest.importorskip("matplotlib")
pytestmark = pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")


def text(rows, separator=","):
    """Read a file as the command line does: every field as it is written."""
    return pd.read_csv(io.StringIO(rows), sep=separator, dtype="string", na_values=[""], keep_default_na=False)


# an order of two lines, one with a discount and a part refunded, one cancelled, one that was never paid, one without e-mail
SHOPIFY = """Name,Email,Financial Status,Paid at,Fulfillment Status,Currency,Subtotal,Shipping,Taxes,Total,\
Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Cancelled at,Refunded Amount,Id
#1001,Ann@x.org,paid,2024-03-01 10:33:24 +0100,fulfilled,EUR,40.00,4.90,7.17,44.90,0.00,2024-03-01 10:33:24 +0100,\
2,Tea,10.00,T1,,0.00,1
#1001,Ann@x.org,,,,,,,,,,2024-03-01 10:33:24 +0100,1,Cup,20.00,,,,
#1002,bob@x.org,partially_refunded,2024-07-02 09:00:00 +0200,fulfilled,EUR,45.00,0.00,7.18,45.00,5.00,2024-07-02 09:00:00 +0200,\
1,Pot,50.00,P1,,9.00,2
#1003,ann@x.org,refunded,2024-07-05 08:00:00 +0200,,EUR,20.00,0,0,20.00,0,2024-07-05 08:00:00 +0200,\
1,Cup,20.00,C1,2024-07-06 08:00:00 +0200,20.00,3
#1004,cid@x.org,pending,,,EUR,10.00,0,0,10.00,0,2024-08-01 08:00:00 +0200,1,Tea,10.00,T1,,0.00,4
#1005,,paid,2024-08-02 08:00:00 +0200,,EUR,10.00,0,0,10.00,0,2024-08-02 00:30:00 +0200,1,Tea,10.00,T1,,0.00,5
"""


def test_the_lines_of_a_shop_order_are_one_purchase_of_its_customer():
    found = prepare(text(SHOPIFY), "shopify", zone="Europe/Berlin")
    rows = found.frame
    assert rows["order_id"].tolist() == ["#1001", "#1001", "#1002", "#1005", "#1002"]
    # what an order comes to, shared by the prices of its lines; a discount is off, shipping is none of it
    assert rows["amount"].tolist() == [20.0, 20.0, 45.0, 10.0, -9.0]
    assert rows["customer_id"].isna().tolist() == [False, False, False, True, False]
    assert rows["customer_id"].dropna().tolist() == ["ann@x.org", "ann@x.org", "bob@x.org", "bob@x.org"]
    assert rows["item_id"].tolist() == ["T1", "Cup", "P1", "T1", "P1"]
    assert str(rows["timestamp"].dt.tz) == "Europe/Berlin"
    assert rows["timestamp"].iloc[3] == pd.Timestamp("2024-08-02 00:30", tz="Europe/Berlin")
    assert dict(found.notes) == {
        "orders not paid": 1,
        "orders cancelled": 1,
        "refunds, dated as their orders for want of a date": 1,
    }


def test_times_with_two_offsets_are_those_of_utc_unless_a_clock_is_named():
    found = prepare(text(SHOPIFY), "shopify")
    assert str(found.frame["timestamp"].dt.tz) == "UTC"
    assert any("+0100, +0200" in words and "zone=" in words for words, _ in found.notes)
    winter = "\n".join(line for line in SHOPIFY.splitlines() if "+0200" not in line)
    one = prepare(text(winter), "shopify").frame["timestamp"]
    assert one.iloc[0] == pd.Timestamp("2024-03-01 10:33:24+01:00")
    assert one.iloc[0].hour == 10


def test_several_currencies_are_refused_or_chosen_by_name():
    both = SHOPIFY.replace("fulfilled,EUR,45.00", "fulfilled,USD,45.00")
    with pytest.raises(DataError, match=r"amounts in 2 currencies, EUR \(5 rows\), USD \(1 rows\); choose one with currency="):
        prepare(text(both), "shopify")
    chosen = prepare(text(both), "shopify", currency="usd")
    assert chosen.frame["order_id"].tolist() == ["#1002", "#1002"]
    assert dict(chosen.notes)["rows in other currencies"] == 5
    with pytest.raises(DataError, match=r"no amount is in 'CHF'; there are \['EUR', 'USD'\]"):
        prepare(text(both), "shopify", currency="CHF")


STRIPE = """id,Description,Created date (UTC),Amount,Amount Refunded,Currency,Captured,Fee,Status,Customer ID,Customer Email
ch_1,,2024-01-05 23:30:00,"1,200.50",0.00,eur,true,1.2,Paid,cus_A,ann@x.org
ch_2,,2024-01-09 10:00:00,20.00,5.00,eur,true,1.2,Partial Refund,cus_A,ann@x.org
ch_3,,2024-02-01 10:00:00,30.00,0.00,eur,true,0,Failed,cus_B,bob@x.org
ch_4,,2024-02-02 10:00:00,30.00,30.00,eur,true,1.2,Refunded,,Bob@x.org
ch_5,,2024-02-03 10:00:00,40.00,0.00,eur,false,0,Paid,cus_C,cid@x.org
"""


def test_charges_that_failed_or_were_not_captured_are_left_out_and_counted():
    found = prepare(text(STRIPE), "stripe", zone="Europe/Berlin")
    rows = found.frame
    assert rows["order_id"].tolist() == ["ch_1", "ch_2", "ch_4", "ch_2", "ch_4"]
    assert rows["amount"].tolist() == [1200.5, 20.0, 30.0, -5.0, -30.0]
    assert rows["customer_id"].tolist() == ["cus_A", "cus_A", "bob@x.org", "cus_A", "bob@x.org"]
    assert rows["timestamp"].iloc[0] == pd.Timestamp("2024-01-06 00:30", tz="Europe/Berlin")
    assert dict(found.notes) == {
        "charges that failed or are not paid": 1,
        "charges not captured": 1,
        "refunds, dated as their orders for want of a date": 2,
    }
    older = STRIPE.replace("Created date (UTC)", "Created (UTC)").replace("Customer ID", "Card ID")
    assert prepare(text(older), "stripe").frame["customer_id"].iloc[0] == "ann@x.org"


ENGLISH = """CustomerNo,InvoiceNo,PostingDate,ItemNo,Quantity,UnitPrice,CreditMemo
10001,R1,2024-01-31,A,2,9.50,No
10001,R1,2024-01-31,B,1,100.00,No
00007,R2,2024-02-29,A,1,9.50,No
10001,G1,2024-03-01,A,1,9.50,Yes
10001,R3,2024-03-02,,0,0,No
"""
GERMAN = """Kundennummer;Belegnummer;Buchungsdatum;Artikelnummer;Menge;Einzelpreis;Belegart
10001;R1;31.01.2024;A;2;9,50;Rechnung
10001;R1;31.01.2024;B;1;1.100,00;Rechnung
00007;R2;29.02.2024;A;1;9,50;Rechnung
10001;G1;01.03.2024;A;1;9,50;Gutschrift
"""


def test_erp_lines_are_read_in_english_and_german():
    english, german = prepare(text(ENGLISH), "erp"), prepare(text(GERMAN, ";"), "erp")
    assert english.frame["amount"].tolist() == [19.0, 100.0, 9.5, -9.5]
    assert german.frame["amount"].tolist() == [19.0, 1100.0, 9.5, -9.5]
    for found in (english, german):
        assert found.frame["customer_id"].tolist() == ["10001", "10001", "00007", "10001"]
        assert found.frame["timestamp"].tolist()[:3] == [pd.Timestamp("2024-01-31")] * 2 + [pd.Timestamp("2024-02-29")]
        assert dict(found.notes)["lines of credit memos, taken as refunds"] == 1
    assert dict(english.notes)["lines of text, without item and amount"] == 1


def test_a_frame_of_numbers_is_read_like_the_file():
    typed = pd.read_csv(io.StringIO(ENGLISH), parse_dates=["PostingDate"])
    assert prepare(typed, "erp").frame["amount"].tolist() == [19.0, 100.0, 9.5, -9.5]
    assert prepare(typed, "erp").frame["customer_id"].tolist() == ["10001", "10001", "7", "10001"]


@pytest.mark.parametrize(
    ("rows", "preset", "error", "words"),
    [
        (
            SHOPIFY.replace("Lineitem price", "Price"),
            "shopify",
            ColumnError,
            r"no column 'Lineitem price'.*Preset 'shopify' needs it",
        ),
        (
            ENGLISH.replace("InvoiceNo", "Number"),
            "erp",
            ColumnError,
            r"no column of the order; exports of preset 'erp' call it one of",
        ),
        (ENGLISH.replace("2,9.50", "2,nine"), "erp", DataError, r"column 'UnitPrice': row 0 holds 'nine', which is no number"),
        (
            ENGLISH.replace(",1,9.50,No", ',1,"9,50",No'),
            "erp",
            DataError,
            r"some numbers have a decimal comma, others a decimal point",
        ),
        (ENGLISH.replace("2024-01-31", "01/31/2024"), "erp", DataError, r"not written in one way that can be read; say how"),
        (
            ENGLISH.replace("2,9.50", "-2,-9.50"),
            "erp",
            DataError,
            r"1 rows have a negative quantity and a negative price, the first in row 0",
        ),
        (STRIPE.replace("Paid", "Failed").replace("Refund", "Dispute"), "stripe", DataError, r"no purchase is left of 5 rows"),
        (STRIPE.splitlines()[0] + "\n", "stripe", DataError, r"the frame has no rows"),
        (STRIPE, "paypal", OptionError, r"preset='paypal'"),
    ],
)
def test_what_is_no_such_export_is_refused_by_name(rows, preset, error, words):
    with pytest.raises(error, match=words):
        prepare(text(rows), preset)


def test_another_way_to_write_times_is_read_where_it_is_told():
    american = text(ENGLISH.replace("2024-01-31", "01/31/2024").replace("2024-02-29", "02/29/2024").replace("2024-03-", "03/0"))
    american["PostingDate"] = american["PostingDate"].str.replace(r"03/00?(\d)$", r"03/0\1/2024", regex=True)
    read = prepare(american, "erp", time_format="%m/%d/%Y").frame
    assert read["timestamp"].iloc[2] == pd.Timestamp("2024-02-29")
    with pytest.raises(OptionError, match="neither an offset nor UTC"):
        prepare(text(ENGLISH), "erp", zone="Europe/Berlin")


# ── through the report ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(build, "PARTS", [part for part in build.PARTS if part.name in ("data", "segments")])


@pytest.mark.usefixtures("short")
def test_a_report_reads_an_export_and_says_what_it_left_out():
    page = report(text(STRIPE), preset="stripe")
    assert page.log.refunds == "subtract"
    assert page.log.orders.amount.sum() == pytest.approx(1215.5)
    assert "Charges that failed or are not paid" in page.html
    assert "log = crm.report(orders, preset='stripe').log" in page.code
    polars = pl.DataFrame({name: text(STRIPE)[name].fillna("").tolist() for name in text(STRIPE)})
    assert report(polars, preset="stripe").html == page.html
    dropped = report(text(SHOPIFY), preset="shopify", missing="drop", zone="Europe/Berlin")
    assert dropped.log.n_missing == 1
    with pytest.raises(DataError, match="1 missing ids"):
        report(text(SHOPIFY), preset="shopify")


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"preset": "stripe", "order": "id"}, "pass the frame without order="),
        ({"currency": "EUR"}, "currency=, zone= and time_format= read an export"),
        ({"preset": "amazon"}, "preset='amazon'"),
    ],
)
def test_options_that_do_not_go_with_an_export_are_refused(options, words):
    with pytest.raises(OptionError, match=words):
        report(text(STRIPE), **options)


@pytest.mark.usefixtures("short")
def test_the_command_line_reads_exports(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for preset, rows in {"shopify": SHOPIFY, "stripe": STRIPE, "erp": GERMAN}.items():
        (tmp_path / "export.csv").write_text(rows, encoding="utf-8")
        options = ["--preset", preset, "--missing", "drop"] + (["--separator", ";"] if preset == "erp" else [])
        assert command.main(["report", "export.csv", *options]) == 0
        assert "written" in capsys.readouterr().out
    (tmp_path / "export.csv").write_text(SHOPIFY.replace("EUR,45", "USD,45"), encoding="utf-8")
    assert command.main(["report", "export.csv", "--preset", "shopify", "--missing", "drop"]) == 2
    assert "choose one with --currency, such as 'EUR'" in capsys.readouterr().err
    assert command.main(["report", "export.csv", "--preset", "shopify", "--missing", "drop", "--currency", "USD"]) == 0
    assert command.main(["report", "export.csv", "--preset", "shopify", "--customer", "Email"]) == 2
    assert "--customer names a column, which --preset shopify does" in capsys.readouterr().err
    assert command.main(["report", "export.csv", "--currency", "USD"]) == 2
    assert "--currency reads an export; say which with --preset" in capsys.readouterr().err


def test_every_preset_has_its_option():
    from crmkit._report.command import PRESETS as NAMED

    assert tuple(PRESETS) == NAMED
    assert np.unique(NAMED).size == 3
