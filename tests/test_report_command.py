"""The command line of the report: files as they come, options that fit together, one clear line where they do not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crmkit import __main__ as command
from crmkit import __version__, datasets
from crmkit._report import build, files, report
from crmkit._report import command as report_command

matplotlib = pytest.importorskip("matplotlib")
# few customers determine little, which the functions say, and which is not what is tested here
pytestmark = pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")

compiled_only = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="large data: compiled loops only")


@pytest.fixture(scope="module")
def shop():
    return datasets.make_transactions(n_customers=60, rng=5)


@pytest.fixture(scope="module")
def survey(shop):
    return datasets.make_survey(shop.truth.index, response_rate=0.6, rng=7).survey


@pytest.fixture
def short(monkeypatch):
    """The report without the parts that cost most: what is read from a file shows in the others."""
    monkeypatch.setattr(
        build, "PARTS", [part for part in build.PARTS if part.name in ("data", "segments", "feedback", "experiment")]
    )


def orders(rows):
    return pd.DataFrame(rows, columns=["customer_id", "timestamp", "amount"]).astype({"timestamp": "datetime64[s]"})


def one_line(text):
    assert text.count("\n") == 1, text
    assert text.startswith("crmkit: error: "), text
    return text.strip()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def csv(folder, shop):
    shop.transactions.to_csv("orders.csv", index=False)
    return "orders.csv"


@compiled_only
def test_without_a_file_a_store_is_simulated(folder, monkeypatch, capsys):
    monkeypatch.setattr(datasets, "make_store", lambda make=datasets.make_store: make(n_customers=200))
    assert command.main(["report", "--contact-cost", "2"]) == 0
    text = (folder / "crmkit-report.html").read_text(encoding="utf-8")
    assert "a simulated store" in text
    assert text.count("The truth.") >= 8
    assert "This cannot be told" not in text
    assert "Net Promoter Score by segment, a column of the survey" in text
    assert "2.00 a contact" in text
    printed = capsys.readouterr()
    for word in ("simulated", "looks back from 2024-12-", "crmkit-report.html"):
        assert word in printed.out
    # a line for each part that is done
    assert sum(line.startswith("done") for line in printed.err.splitlines()) == 10


def test_the_module_runs_as_a_command(folder):
    root = str(Path(command.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": root, "PYTHONWARNINGS": "error"}
    env.pop("NUMBA_DISABLE_JIT", None)
    done = subprocess.run(
        [sys.executable, "-m", "crmkit", "report", "no.csv"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert one_line(done.stderr) == "crmkit: error: no.csv: no such file"


@pytest.mark.usefixtures("short")
def test_a_csv_gives_the_page_of_its_frame(csv, folder, shop, capsys):
    assert command.main(["report", csv, "--order", "order_id", "--item", "item_id", "--output", "out.html"]) == 0
    text = (folder / "out.html").read_text(encoding="utf-8")
    assert text == report(shop.transactions, order="order_id", item="item_id", title="Customer report: orders.csv").html
    assert f"{len(shop.transactions):,} rows" in capsys.readouterr().out


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", ["o.csv.gz", "o.tsv", "o.parquet"])
def test_other_files_give_the_same_numbers(name, folder, shop):
    lines = shop.transactions
    if name.endswith(".parquet"):
        lines.to_parquet(name)
    else:
        lines.to_csv(name, index=False, sep="\t" if name.endswith(".tsv") else ",")
    assert command.main(["report", name, "--order", "order_id"]) == 0
    found = (folder / "crmkit-report.html").read_text(encoding="utf-8")
    assert found.replace(name, "") == report(shop.transactions, order="order_id", title="Customer report: ").html


@pytest.mark.usefixtures("short")
def test_price_times_quantity_less_refunds_is_the_amount(folder, shop):
    lines = shop.transactions
    split = lines.assign(price=lines["amount"] / 2 + 0.5, n=2, back=1.0)
    split.drop(columns="amount").to_csv("o.csv", index=False)
    options = ["--price", "price", "--quantity", "n", "--less", "back", "--refunds", "subtract"]
    assert command.main(["report", "o.csv", "--order", "order_id", *options]) == 0
    found = (folder / "crmkit-report.html").read_text(encoding="utf-8")
    assert "n × price − back" in found
    assert f"total {lines['amount'].sum():,.0f}" in found or f"{lines['amount'].sum():,.0f}" in found


def test_small_integers_do_not_overflow_in_the_product(folder):
    rows = orders([("a", "2024-01-01", 1.0), ("a", "2024-02-01", 1.0), ("b", "2024-01-01", 2.0)])
    rows.assign(n=np.int8([100, 100, 100]), price=np.int8([100, 100, 100])).to_parquet("o.parquet")
    assert command.main(["report", "o.parquet", "--price", "price", "--quantity", "n"]) == 0
    assert "30,000" in (folder / "crmkit-report.html").read_text(encoding="utf-8")


def test_ids_keep_their_spelling_and_dates_their_digits(folder):
    (folder / "o.csv").write_text("c,day,amount\n007,20240105,5\n7,20240106,6\n007,20240302,7\n1e5,20240303,8\n")
    assert command.main(["report", "o.csv", "--customer", "c", "--time", "day"]) == 0
    found = (folder / "crmkit-report.html").read_text(encoding="utf-8")
    assert "3 customers over 59 days" in found
    for name in ("007", "7", "1e5"):
        assert f'<td class="label">{name}</td>' in found


def test_ids_that_read_like_nothing_are_somebodys(folder, capsys):
    rows = "NA,2024-01-01,1\nNone,2024-01-02,2\nnull,2024-01-03,3\nnan,2024-01-04,4\nNA,2024-03-01,5\n"
    (folder / "o.csv").write_text(f"customer_id,timestamp,amount\n{rows}")
    (folder / "s.csv").write_text("customer_id,score\nNA,9\nnull,3\n,5\n")
    assert command.main(["report", "o.csv", "--survey", "s.csv"]) == 0
    told = capsys.readouterr()
    assert "5 purchases of 4 customers" in told.out
    # whether it is somebody's or a word for nobody, only the reader knows: it is said
    assert "column 'customer_id': 'NA' stands in 2 rows, read as one id" in told.err
    assert "'null' stands in 1 row" in told.err
    found = (folder / "crmkit-report.html").read_text(encoding="utf-8")
    assert "1 answers come from nobody with a purchase" in found
    for name in ("NA", "None", "null", "nan"):
        assert f'<td class="label">{name}</td>' in found
    # an empty field is nobody's, quoted or not, and an amount or a time "NA" is none
    (folder / "o.csv").write_text(f'customer_id,timestamp,amount\n{rows},2024-01-01,5\n"",2024-01-01,5\n')
    assert command.main(["report", "o.csv"]) == 2
    assert "2 missing ids, the first in row 5" in one_line(capsys.readouterr().err)
    (folder / "o.csv").write_text("customer_id,timestamp,amount\nNA,2024-01-01,NA\nb,2024-01-01,5\n")
    assert command.main(["report", "o.csv"]) == 2
    assert "column 'amount': 1 missing, the first in row 0" in one_line(capsys.readouterr().err)
    (folder / "o.csv").write_text("customer_id,timestamp,amount\nNA,NA,4\nb,2024-01-01,5\n")
    assert command.main(["report", "o.csv"]) == 2
    assert "1 missing times, the first in row 0" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("heading", ["customer_id,timestamp,amount,{}", "{},customer_id,timestamp,amount"])
def test_a_heading_that_is_there_twice_is_refused_where_it_is_wanted(heading, folder, capsys):
    rows = "\na,2024-01-01,1,2\n" if heading.endswith("{}") else "\n2,a,2024-01-01,1\n"
    for name in ("customer_id", "timestamp", "amount"):
        (folder / "o.csv").write_text(heading.format(name) + rows, encoding="utf-8-sig")
        assert command.main(["report", "o.csv"]) == 2
        assert f"o.csv has 2 columns {name!r}; rename those that are not meant" in one_line(capsys.readouterr().err)


@pytest.mark.usefixtures("short")
def test_a_heading_that_is_there_twice_elsewhere_does_not_matter(folder):
    rows = "x,x,,x.1,customer_id,timestamp,amount\n1,2,3,9,a,2024-01-01,1\n1,2,4,8,a,2024-03-01,2\n"
    (folder / "o.csv").write_text(rows, encoding="utf-8-sig")
    assert command.main(["report", "o.csv"]) == 0
    assert "3.00" in Path("crmkit-report.html").read_text(encoding="utf-8")
    assert command.main(["report", "o.csv", "--amount", "x.1"]) == 0
    assert "17.00" in Path("crmkit-report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("short")
def test_a_survey_or_parquet_with_a_column_twice_is_refused(csv, folder, capsys):
    (folder / "s.csv").write_text("customer_id,score,score\na,1,9\n")
    assert command.main(["report", csv, "--order", "order_id", "--survey", "s.csv"]) == 2
    assert "s.csv has 2 columns 'score'" in one_line(capsys.readouterr().err)
    (folder / "s.csv").write_text("customer_id,score,customer_id\na,9,b\n")
    assert command.main(["report", csv, "--order", "order_id", "--survey", "s.csv"]) == 2
    assert "s.csv has 2 columns 'customer_id'" in one_line(capsys.readouterr().err)
    from pyarrow import parquet

    names = ["customer_id", "timestamp", "amount", "amount"]
    parquet.write_table(
        pa.table([pa.array(["a"]), pa.array(["2024-01-01"]), pa.array([1.0]), pa.array([2.0])], names=names), "o.pq"
    )
    assert command.main(["report", "o.pq"]) == 2
    assert "o.pq has 2 columns 'amount'" in one_line(capsys.readouterr().err)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("output", ["orders.csv", "./orders.csv", "link.html", "twin.html", "told.csv"])
def test_the_page_is_not_written_over_what_it_is_made_from(output, csv, folder, survey, capsys):
    survey.to_csv("told.csv", index=False)
    (folder / "link.html").symlink_to(csv)
    (folder / "twin.html").hardlink_to(csv)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert command.main(["report", csv, "--order", "order_id", "--survey", "told.csv", "--output", output]) == 2
    printed = capsys.readouterr()
    assert f"--output {Path(output)} is the file to be read, and would be overwritten" in one_line(printed.err)
    assert printed.out == ""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_output_that_cannot_be_written_is_refused_before_the_work(csv, folder, monkeypatch, capsys):
    def denied(path, mode="r", *arguments, **others):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    assert command.main(["report", csv, "--order", "order_id"]) == 2
    printed = capsys.readouterr()
    assert one_line(printed.err).endswith("--output crmkit-report.html cannot be written: Permission denied")
    assert printed.out == ""


def test_trying_the_output_leaves_nothing_behind_and_harms_nothing(folder, capsys):
    (folder / "page.html").write_text("yesterday's")
    (folder / "dangling.html").symlink_to("target.html")
    for output in ("page.html", "dangling.html", "new.html", os.devnull):
        assert command.main(["report", "absent.csv", "--output", output]) == 2
        assert "absent.csv: no such file" in one_line(capsys.readouterr().err)
    assert sorted(path.name for path in folder.iterdir()) == ["dangling.html", "page.html"]
    assert (folder / "page.html").read_text() == "yesterday's"


def test_two_minus_signs_are_no_purchase(folder, capsys):
    rows = "a,2024-01-01,2,3\nb,2024-01-02,-1,4\nb,2024-01-03,-2,-5\nb,2024-02-03,,-5\na,2024-02-03,-1,-1\n"
    (folder / "o.csv").write_text(f"customer_id,timestamp,n,price\n{rows}")
    options = ["report", "o.csv", "--quantity", "n", "--price", "price", "--refunds", "subtract"]
    assert command.main(options) == 2
    assert "columns 'n' and 'price': 2 with both negative, the first in row 2; their product would be a purchase. Where it" in (
        one_line(capsys.readouterr().err)
    )


def test_other_spellings_of_dates_are_read_where_they_are_told(folder, capsys):
    (folder / "o.csv").write_text("customer_id,timestamp,amount\na,05/01/2024 08:26,5\na,06/02/2024 09:00,6\n")
    assert command.main(["report", "o.csv"]) == 2
    assert "say how it is written, such as --time-format" in one_line(capsys.readouterr().err)
    assert command.main(["report", "o.csv", "--time-format", "%d/%m/%Y %H:%M"]) == 0
    assert "2024-01-05 to 2024-02-06" in (folder / "crmkit-report.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert command.main(["report", "o.csv", "--time-format", "%Y-%m"]) == 2
    assert "2 not written as '%Y-%m', the first in row 0" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (["16.02.2024", "03.05.2024"], '--time-format "%d.%m.%Y", which fits all rows'),
        (["02/16/2024 14:48", "05/03/2024 09:10"], '--time-format "%m/%d/%Y %H:%M", which fits all rows'),
        (["02/06/2024", "05/03/2024"], '--time-format "%d/%m/%Y" or "%m/%d/%Y", which fit all rows: days or months may come'),
    ],
)
def test_the_spelling_of_dates_is_named_that_fits_all_of_them(dates, said, folder, capsys):
    (folder / "o.csv").write_text("customer_id,timestamp,amount\n" + "".join(f"a,{date},5\n" for date in dates))
    assert command.main(["report", "o.csv"]) == 2
    assert said in one_line(capsys.readouterr().err)


# the same two amounts and days, as different shops write them
SPELLINGS = {
    "plain": ("a,2024-01-05,1234.5\nb,2024-01-06,16.58\n", ""),
    "comma": ('a,2024-01-05,"1234,50"\nb,2024-01-06,"16,58"\n', "--decimal ,"),
    "German": ('a,05.01.2024,"1.234,50"\nb,06.01.2024,"16,58"\n', "--decimal , --thousands . --time-format %d.%m.%Y"),
    "American": ('a,01/05/2024,"$1,234.50"\nb,01/06/2024,$16.58\n', "--thousands , --time-format %m/%d/%Y"),
    "Swiss": ("a,2024-01-05,CHF 1'234.50\nb,2024-01-06,CHF 16.58\n", "--thousands '"),
    "after": ('a,2024-01-05,"1234,50 €"\nb,2024-01-06,"16,58 €"\n', "--decimal ,"),
    "price": ('a,2024-01-05,"1.234,50",1\nb,2024-01-06,"8,29",2\n', "--decimal , --thousands . --price amount --quantity n"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_numbers_are_read_as_they_are_told_to_be_written(name, folder):
    rows, options = SPELLINGS[name]
    (folder / "o.csv").write_text("customer_id,timestamp,amount" + ",n" * (name == "price") + "\n" + rows, encoding="utf-8")
    given = command._parser().parse_args(["report", "o.csv", *options.split()])
    layout = files.Layout(given.separator, given.encoding, given.decimal, given.thousands)
    frame, amount = files.read_purchases(
        Path("o.csv"), report_command._columns(given), layout, time_format=given.time_format, zone=given.zone
    )
    assert frame[amount].tolist() == [1234.5, 16.58]
    assert pd.to_datetime(frame["timestamp"]).dt.day.tolist() == [5, 6]


@pytest.mark.usefixtures("short")
def test_decimal_commas_are_read_in_surveys_and_experiments_too(folder, capsys):
    (folder / "o.csv").write_text('customer_id,timestamp,amount\na,2024-01-05,"1.234,50"\nb,2024-01-06,"16,58"\n')
    (folder / "s.csv").write_text('score,w\n9,"1.000,5"\n3,"999,5"\n10,"1.000,0"\n')
    units = "".join(f'{"ab"[row % 2]},"{1 + row % 2}.00{row % 8 // 2},5"\n' for row in range(40))
    (folder / "t.csv").write_text("arm,spend\n" + units)
    signs = ["--decimal", ",", "--thousands", "."]
    others = ["--survey", "s.csv", "--weight", "w", "--experiment", "t.csv", "--outcome", "spend", "--control", "a"]
    assert command.main(["report", "o.csv", *signs, *others]) == 0
    found = (folder / "crmkit-report.html").read_text(encoding="utf-8")
    assert "1,251" in found  # both amounts
    assert "2,002" in found  # the mean of 2,000.5 to 2,003.5, in arm b


def test_offsets_are_put_on_the_clock_that_zone_names(folder):
    rows = "a,2024-03-30T23:30:00Z,5\nb,2024-03-31T10:00:00+02:00,6\n"
    (folder / "o.csv").write_text("customer_id,timestamp,amount\n" + rows)
    named = files.Named("customer_id", "timestamp", "amount")
    frame, _ = files.read_purchases(Path("o.csv"), named, files.Layout(), zone="Europe/Berlin")
    assert [str(moment) for moment in frame["timestamp"]] == ["2024-03-31 00:30:00+01:00", "2024-03-31 10:00:00+02:00"]
    frame.to_parquet("o.parquet")
    moved, _ = files.read_purchases(Path("o.parquet"), named, files.Layout(), zone="UTC")
    assert [str(moment) for moment in moved["timestamp"]] == ["2024-03-30 23:30:00+00:00", "2024-03-31 08:00:00+00:00"]


def test_a_parquet_of_numbered_days_is_read_where_it_is_told(folder, capsys):
    frame = pd.DataFrame({"customer_id": [1, 1, 2], "timestamp": [20240105, 20240301, 20240201], "amount": [1.0, 2.0, 3.0]})
    frame.to_parquet("o.parquet")
    assert command.main(["report", "o.parquet"]) == 2
    assert '--time-format "%Y%m%d"' in one_line(capsys.readouterr().err)
    assert command.main(["report", "o.parquet", "--time-format", "%Y%m%d"]) == 0


@pytest.mark.usefixtures("short")
def test_surveys_are_joined_and_missing_answers_left_out_on_request(csv, folder, survey, capsys):
    told = survey.assign(score=survey["score"].astype("Int64").where(survey.index != 3)).rename(columns={"score": "answer"})
    told.to_csv("survey.csv", index=False)
    options = ["report", csv, "--order", "order_id", "--survey", "survey.csv", "--score", "answer", "--by", "segment"]
    assert command.main(options) == 2
    assert "1 rows without an answer or a group; pass --missing drop" in one_line(capsys.readouterr().err)
    assert command.main([*options, "--missing", "drop"]) == 0
    assert "1 left out for want of an answer" in capsys.readouterr().out
    found = (folder / "crmkit-report.html").read_text(encoding="utf-8")
    assert "Net Promoter Score by RFM segment" in found
    assert "by segment, a column of the survey" in found


@pytest.mark.usefixtures("short")
def test_a_parquet_whose_index_is_the_customer_is_read(folder, shop):
    shop.transactions.set_index("customer_id").to_parquet("o.parquet")
    assert command.main(["report", "o.parquet", "--order", "order_id"]) == 0
    found = (folder / "crmkit-report.html").read_text(encoding="utf-8")
    assert found == report(shop.transactions, order="order_id", title="Customer report: o.parquet").html


@pytest.mark.parametrize("option", [("--separator", ";"), ("--encoding", "latin-1"), ("--decimal", ","), ("--thousands", ",")])
def test_what_says_how_text_is_written_is_refused_for_parquet(option, folder, shop, capsys):
    shop.transactions.to_parquet("o.parquet")
    assert command.main(["report", "o.parquet", *option]) == 2
    assert f"{option[0]} says how text is written, and o.parquet is a parquet file" in one_line(capsys.readouterr().err)


@compiled_only
def test_contacts_and_an_experiment_are_read_from_files(folder, monkeypatch, capsys):
    monkeypatch.setattr(build, "PARTS", [part for part in build.PARTS if part.name in ("data", "contacts", "experiment")])
    store = datasets.make_store(n_customers=60)
    store.orders.to_csv("orders.csv", index=False)
    store.contacts.to_csv("contacts.csv")
    store.experiment.to_parquet("trial.parquet")
    options = ["--customer", "contact_id", "--order", "order_id", "--refunds", "subtract", "--contacts", "contacts.csv"]
    options += ["--experiment", "trial.parquet", "--outcome", "visited,spend", "--before", "spend_before"]
    assert command.main(["report", "orders.csv", *options]) == 0
    told = capsys.readouterr()
    assert "contacts.csv: 75 contact records" in told.out
    found = (folder / "crmkit-report.html").read_text(encoding="utf-8")
    assert "75 contact records are" in found
    assert "What the arms changed" in found
    fields = ",".join(f"{name}={kind}" for name, kind in store.fields.items())
    assert command.main(["report", "orders.csv", *options, "--fields", fields]) == 0
    assert (folder / "crmkit-report.html").read_text(encoding="utf-8") == found
    # the ids may be called otherwise, and must be there
    store.contacts.rename_axis("record").to_csv("contacts.csv")
    assert command.main(["report", "orders.csv", *options]) == 2
    assert "no column 'contact_id'" in capsys.readouterr().err
    assert command.main(["report", "orders.csv", *options, "--contact", "record"]) == 0
    assert (folder / "crmkit-report.html").read_text(encoding="utf-8") == found


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--wave w", "--wave describes a survey; name its file with --survey"),
        ("--fields a=name", "--fields describes contacts; name its file with --contacts"),
        ("--outcome y --before x", "--outcome and --before describe an experiment; name its file with --experiment"),
        ("--experiment t.csv", "--experiment needs --outcome"),
        ("--contacts o.csv --fields name", "--fields 'name' is not written as COL=KIND,COL=KIND"),
        ("--margin 3", "margin=3.0"),
    ],
)
def test_options_of_other_files_are_checked(options, words, folder, capsys):
    (folder / "o.csv").write_text("customer_id,timestamp,amount\na,2024-01-01,5\na,2024-01-02,5\n")
    assert command.main(["report", "o.csv", *options.split()]) == 2
    assert words in one_line(capsys.readouterr().err)


BAD_FILES = {
    "empty.csv": "",
    "heading.csv": "customer_id,timestamp,amount\n",
    "semicolon.csv": "customer_id;timestamp;amount\na;2024-01-01;5\n",
    "columns.csv": "customer,when,amount\na,2024-01-01,5\n",
    "text.csv": 'customer_id,timestamp,amount\na,2024-01-01,"1,000 EUR"\n',
    "currencies.csv": "customer_id,timestamp,amount\na,2024-01-01,$5\na,2024-01-01,€5\n",
    "words.csv": "customer_id,timestamp,amount\na,2024-01-01,5\na,2024-01-01,much\n",
    "european.csv": 'customer_id,timestamp,amount\na,2024-01-01,"1.000,50"\na,2024-01-02,"7,5"\n',
    "grouped.csv": 'customer_id,timestamp,amount\na,2024-01-01,"1.000,50"\na,2024-01-02,16.58\n',
    "offsets.csv": "customer_id,timestamp,amount\na,2024-03-30T10:00+01:00,5\na,2024-03-31T10:00+02:00,5\n",
    "dates.csv": "customer_id,timestamp,amount\na,yesterday,5\n",
    "negative.csv": "customer_id,timestamp,amount\na,2024-01-01,5\na,2024-01-02,-5\n",
    "missing.csv": "customer_id,timestamp,amount\n,2024-01-01,5\na,2024-01-02,5\n",
    "gap.csv": "customer_id,timestamp,amount\na,2024-01-01,\na,2024-01-02,5\n",
    "late.csv": "customer_id,timestamp,amount\na,,5\na,2024-01-02,5\n",
    "ragged.csv": "customer_id,timestamp,amount\na,2024-01-01,5\na,2024-01-02,5,7,8\n",
    "comma.csv": "customer_id,timestamp,amount\na,2024-01-01,5,70\na,2024-01-02,6,70\n",
    "less.csv": "customer_id,timestamp,amount,back\na,2024-01-01,5,-1\n",
    "no.parquet": "not parquet",
    "sheet.xlsx": "not a table",
}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("absent.csv", "absent.csv: no such file"),
        (".", "is a folder"),
        ("empty.csv", "empty.csv cannot be read: No columns to parse"),
        ("heading.csv", "the frame has no rows"),
        ("semicolon.csv", "--separator ';'"),
        ("columns.csv", "no column 'customer_id'; columns.csv has ['customer', 'when', 'amount']. Did you mean 'customer'?"),
        ("columns.csv --customer customer", "no column 'timestamp'"),
        ("text.csv", """('1,000 EUR'); pass --decimal "," or --thousands ",", whichever is meant"""),
        ("currencies.csv", "write one currency in every row or in none ($, €), and plain numbers, such as 1000.50"),
        ("words.csv", "column 'amount': 1 not numbers, the first in row 1 ('much'); write plain numbers, such as 1000.50"),
        ("european.csv", """2 not numbers, the first in row 0 ('1.000,50'); pass --decimal "," --thousands ".\""""),
        ("european.csv --decimal ,", "1 not numbers, the first in row 0 ('1.000,50')"),
        ("european.csv --thousands .", "--thousands '.' is the decimal sign, too; pass --decimal ','"),
        ("european.csv --thousands , --decimal ,", "--decimal and --thousands are both ','"),
        ("european.csv --decimal 5", "--decimal '5' is not one sign"),
        ("european.csv --decimal=", "--decimal '' is not one sign"),
        ("european.csv --preset erp --decimal ,", "--decimal is told from the file itself by --preset erp"),
        # a point that groups nothing: pandas would take it out, and 16.58 would be 1658
        ("grouped.csv --decimal , --thousands .", "1 not numbers, the first in row 1 ('16.58')"),
        ("offsets.csv", "column 'timestamp' mixes time zones, or times with and without one; pass --zone, such as --zone"),
        ("offsets.csv --zone Mars/Base", "--zone 'Mars/Base': there is no such time zone"),
        ("negative.csv --zone UTC", "2 times say neither an offset nor UTC, the first in row 0; --zone UTC moves only"),
        ("dates.csv", "column 'timestamp': 1 not dates in ISO 8601"),
        (
            "negative.csv",
            "1 negative, the first in row 1 (-5); pass --refunds subtract to take refunds off purchases, or --refunds drop",
        ),
        ("missing.csv", "1 missing ids, the first in row 0; name them, or pass --missing drop"),
        ("gap.csv", "column 'amount': 1 missing, the first in row 0; fill or drop them in the file"),
        ("late.csv", "1 missing times, the first in row 0; drop these rows in the file"),
        ("ragged.csv", "ragged.csv cannot be read: Error tokenizing data"),
        ("comma.csv", "rows have more fields than the heading has columns"),
        ("less.csv --less back", "column 'back': 1 negative, the first in row 0"),
        ("less.csv --less gone", "no column 'gone'"),
        ("text.csv --less amount", "column 'amount'"),
        ("no.parquet", "no.parquet cannot be read"),
        ("sheet.xlsx", "expected a CSV"),
        ("gap.csv --encoding klingon", "unknown encoding"),
        ("negative.csv --output absent/r.html", "there is no folder absent"),
        ("negative.csv --output .", "is a folder"),
        ("negative.csv --separator ;;", "--separator ';;' is not one plain character, such as ';', '|' or, for a tab, $'\\t'"),
        ("negative.csv --separator §", "--separator '§' is not one plain character"),
        ("negative.csv --separator=", "--separator '' is not one plain character"),
        ("negative.csv --price amount", "--price and --quantity go together"),
        ("negative.csv --price amount --quantity amount --amount amount", "say the same in two ways"),
        ("negative.csv --score s", "--score describes a survey"),
        ("negative.csv --refunds drop --survey absent.csv", "absent.csv: no such file"),
        ("negative.csv --refunds drop --survey gap.csv", "no column 'score'"),
        ("negative.csv --refunds drop --survey less.csv --score back", "off the scale 0 to 10"),
        ("--customer c", "--customer describes a file of purchases; name it first"),
        ("--time-format x", "--time-format describes a file"),
    ],
)
def test_bad_files_and_options_get_one_line_and_exit_2(arguments, words, folder, capsys):
    for name, content in BAD_FILES.items():
        (folder / name).write_text(content, encoding="utf-8")
    assert command.main(["report", *arguments.split()]) == 2
    assert words in one_line(capsys.readouterr().err)
    assert not (folder / "crmkit-report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("report x.csv --refunds maybe", "argument --refunds: invalid choice: 'maybe'"),
        ("report x.csv --colour", "unrecognized arguments: --colour"),
        ("", "the following arguments are required: report"),
        ("rapport", "invalid choice: 'rapport'"),
    ],
)
def test_options_that_do_not_exist_get_one_line_and_exit_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments.split())
    assert stopped.value.code == 2
    assert words in one_line(capsys.readouterr().err)


def test_help_and_version_are_there(capsys):
    for arguments, words in (["--version"], __version__), (["report", "--help"], "--refunds"):
        with pytest.raises(SystemExit) as stopped:
            command.main(arguments)
        assert stopped.value.code == 0
        assert words in capsys.readouterr().out


@pytest.mark.usefixtures("short")
def test_bytes_that_are_not_utf8_are_read_where_it_is_told(folder, capsys):
    (folder / "o.csv").write_bytes("customer_id,timestamp,amount\nJosé,2024-01-01,5\nJosé,2024-02-01,6\n".encode("latin-1"))
    assert command.main(["report", "o.csv"]) == 2
    assert "--encoding latin-1" in one_line(capsys.readouterr().err)
    assert command.main(["report", "o.csv", "--encoding", "latin-1"]) == 0
    assert "1 customer over" in (folder / "crmkit-report.html").read_text(encoding="utf-8")


def without(monkeypatch, *names):
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def test_a_missing_pyarrow_is_named_with_its_command(folder, monkeypatch, capsys):
    (folder / "o.parquet").write_text("")
    without(monkeypatch, "pyarrow", "pyarrow.parquet")
    assert command.main(["report", "o.parquet"]) == 2
    assert one_line(capsys.readouterr().err).endswith("python -m pip install pyarrow")


# ── real files ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("short")
@compiled_only
def test_cdnow_is_reported(data_file, folder, capsys):
    assert command.main(["report", str(data_file("cdnow_master.csv.gz")), "--time", "date"]) == 0
    printed = capsys.readouterr().out
    assert "69,659 rows" in printed
    # 67,591 customer-days: the file has no order ids
    assert "67,591 purchases of 23,570 customers" in printed
    assert "1997-01-01 00:00:00 to 1998-06-30 00:00:00" in printed


@pytest.mark.usefixtures("short")
@compiled_only
def test_refund_only_rows_are_no_purchases(data_file, folder, capsys):
    path = data_file("online_retail_ii_invoices.parquet")
    rows = pd.read_parquet(path)
    net = rows["gross"] - rows["refund"]
    options = ["--amount", "gross", "--less", "refund", "--refunds", "subtract"]
    assert command.main(["report", str(path), *options]) == 0
    printed = capsys.readouterr().out
    assert f"refund rows subtracted: {int((net < 0).sum()):,}" in printed
    purchases, refunded = (
        int(re.search(words, printed)[1].replace(",", "")) for words in (r"([\d,]+) purchases of", r"in full: ([\d,]+)")
    )
    assert purchases + refunded == int((net >= 0).sum())
    assert ((rows["gross"] == 0) & (rows["refund"] > 0)).sum() == 7777


@pytest.mark.usefixtures("short")
@compiled_only
def test_null_ids_are_refused_with_their_count_and_left_out_on_request(data_file, folder, capsys):
    path = data_file("online_retail_ii_lines_2009_2010.parquet")
    options = ["--customer", "CustomerID", "--time", "InvoiceDate", "--order", "InvoiceNo", "--item", "StockCode"]
    options += ["--price", "UnitPrice", "--quantity", "Quantity", "--refunds", "subtract"]
    assert command.main(["report", str(path), *options]) == 2
    assert "107,927 missing ids, the first in row 263; name them, or pass --missing drop" in one_line(capsys.readouterr().err)
    assert command.main(["report", str(path), *options, "--missing", "drop"]) == 0
    assert "rows without an id: 107,927" in capsys.readouterr().out
