"""The report: its numbers are those of the functions, its page stands alone, and bad files get one clear line."""

import html.parser
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from crmkit import __main__ as command
from crmkit import __version__, _kernels, clv, datasets, events, feedback, plot, rfm
from crmkit._report import report
from crmkit._report.page import Column, Markup, element, join, table
from crmkit._warmup import warmup
from crmkit.errors import ColumnError, CrmkitError, DataError, OptionError

matplotlib = pytest.importorskip("matplotlib")
# few customers determine little, which the functions say, and which is not what is tested here
pytestmark = pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")


CUSTOMERS = 120
compiled_only = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="large data: compiled loops only")


@pytest.fixture(scope="module")
def shop():
    return datasets.make_transactions(n_customers=CUSTOMERS, rng=5)


@pytest.fixture(scope="module")
def survey(shop):
    return datasets.make_survey(shop.truth.index, response_rate=0.6, rng=7).survey


@pytest.fixture(scope="module")
def log(shop):
    return events(shop.transactions, order="order_id")


@pytest.fixture(scope="module")
def page(log, shop, survey):
    return report(log, survey=survey, by="segment", truth=shop.truth)


class Page(html.parser.HTMLParser):
    """Balanced tags, ids, links and tables of a page."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.targets, self.tables, self.tags = [], [], [], [], []
        self.text = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        self.targets += [given[name] for name in ("href", "xlink:href", "src") if name in given]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style",):
            self.text.append(data)
        if any(tag in ("td", "th") for tag in self.open):
            self.tables[-1][-1][-1] += data


def test_the_page_stands_alone_and_is_well_formed(page):
    read = Page(page.html)
    assert len(read.ids) == len(set(read.ids))
    assert all(target.startswith("#") and target[1:] in read.ids for target in read.targets)
    tags = [tag for tag, _ in read.tags]
    assert not {"script", "link", "img", "iframe"} & set(tags)
    assert "url(http" not in page.html
    assert "@import" not in page.html
    addresses = set(re.findall(r'"(https?://[^"]+)"', page.html))
    assert all(address.startswith("http://www.w3.org/") for address in addresses)


def test_the_page_can_be_read_without_eyes_or_mouse(page):
    read = Page(page.html)
    assert ("html", {"lang": "en"}) in read.tags
    pictures = [given for tag, given in read.tags if tag == "svg"]
    assert len(pictures) == 5
    assert all(given["role"] == "img" and len(given["aria-label"]) > 20 for given in pictures)
    regions = [given for _, given in read.tags if "scroll" in given.get("class", "").split()]
    assert len(regions) == len(read.tables)
    assert all(given["tabindex"] == "0" and given["aria-label"] for given in regions)
    assert [tag for tag, _ in read.tags].count("caption") == len(read.tables)
    assert [tag for tag, _ in read.tags].count("h1") == 1


def test_the_same_log_gives_the_same_bytes_and_changes_nothing_in_the_process(log, shop, survey, page):
    settings, filters = dict(matplotlib.rcParams), list(warnings.filters)
    again = report(log, survey=survey, by="segment", truth=shop.truth)
    assert again.html == page.html
    assert dict(matplotlib.rcParams) == settings
    assert warnings.filters == filters


def table_with(page, caption_start):
    read = Page(page.html)
    captions = re.findall(r"<caption>(.*?)</caption>", page.html)
    return next(rows for caption, rows in zip(captions, read.tables, strict=True) if caption.startswith(caption_start))


def test_the_ranking_is_that_of_the_functions(page, log):
    summary = clv.summarize(log, unit="W")
    buying, spend = clv.fit_bg_nbd(summary), clv.fit_gamma_gamma(summary)
    purchases = clv.expected_purchases(buying, summary, horizon="52W")
    value = (purchases * clv.expected_spend(spend, summary)).sort_values(ascending=False, kind="stable")
    rows = table_with(page, "The 20 most valuable")[1:]
    assert [row[1] for row in rows] == value.index[:20].tolist()
    assert [row[0] for row in rows] == [str(rank) for rank in range(1, 21)]
    assert rows[0][6] == f"{purchases[value.index[0]]:,.1f}"
    assert rows[0][8].replace(",", "") == f"{value.iloc[0]:.0f}"
    assert f"{purchases.sum():,.0f}" in page.html


def test_the_truth_is_that_of_the_simulation(page, shop):
    rows = table_with(page, "The 20 most valuable")[1:]
    known = shop.truth.loc[rows[0][1]]
    # the mean of a purchase process that stops, by drawing it: 52 weeks, leaving after each purchase with probability p
    random = np.random.default_rng(0)
    counts = []
    for _ in range(4000):
        time, count = random.exponential(1 / known["purchase_rate"]), 0
        while time < 52:
            count += 1
            if random.random() < known["dropout"]:
                break
            time += random.exponential(1 / known["purchase_rate"])
        counts.append(count)
    expected = known["alive"] * np.mean(counts) * known["expected_spend"]
    assert float(rows[0][9].replace(",", "")) == pytest.approx(expected, rel=0.1)


def test_segments_are_those_of_the_functions_and_add_up(page, log):
    summary = rfm.summarize(log)
    counts = rfm.segment(rfm.score(summary)).value_counts()
    rows = table_with(page, "Segments by recency")[1:]
    assert {row[0]: int(row[2]) for row in rows} == {name: count for name, count in counts.items() if count}
    assert sum(int(row[4].replace(",", "").split(".")[0]) for row in rows) == pytest.approx(
        summary["monetary"].sum(), abs=len(rows)
    )


def test_scores_are_those_of_the_functions(page, survey, log):
    overall = feedback.nps(survey)
    assert f"is {overall.value:+.1f}".replace("-", "−") in page.html
    rows = table_with(page, "Net Promoter Score by segment, a column")[1:]
    by = feedback.nps(survey, by="segment")
    assert [row[0] for row in rows] == by.index.tolist()
    assert [int(row[3]) for row in rows] == by["n"].tolist()
    assert [row[1].replace("−", "-") for row in rows] == [f"{value:+.1f}" for value in by["value"]]
    segments = rfm.segment(rfm.score(rfm.summarize(log)))
    joined = feedback.nps(survey.assign(segment=segments.reindex(survey["customer_id"]).to_numpy()), by="segment")
    rows = table_with(page, "Net Promoter Score by RFM segment")[1:]
    assert {row[0]: int(row[3]) for row in rows} == joined["n"].to_dict()


def test_the_holdout_forecasts_from_the_past_alone(page, shop, log):
    words = re.search(r"With the purchases before ([\d-]+) alone, the model expected ([\d,]+) purchase days of the ([\d,]+) "
                      r"customers known by then in the (\d+) days that followed; there were ([\d,]+)", page.html)  # fmt: skip
    cut, expected, known, days, happened = (word.replace(",", "") for word in words.groups())
    lines = shop.transactions
    past = lines[lines["timestamp"] < cut]
    assert int(known) == past["customer_id"].nunique()
    later = lines[(lines["timestamp"] >= cut) & lines["customer_id"].isin(past["customer_id"])]
    pairs = pd.DataFrame({"customer": later["customer_id"], "day": later["timestamp"].dt.normalize()})
    assert int(happened) == len(pairs.drop_duplicates())
    last = lines["timestamp"].max().normalize()
    assert pd.Timestamp(cut) + pd.Timedelta(days=int(days)) == last + pd.Timedelta(days=1)
    summary = clv.summarize(past, order="order_id", end=pd.Timestamp(cut) - pd.Timedelta(days=1))
    forecast = clv.expected_purchases(clv.fit_bg_nbd(summary), summary, horizon=f"{days}D").sum()
    assert int(expected) == pytest.approx(forecast, abs=0.51)


def test_the_page_says_how_it_was_made(page):
    assert f'<td class="fact">{__version__}</td>' in page.html
    assert page.as_of in page.html
    assert "BG/NBD alpha" in page.html
    assert "adjusted_wald" in page.html


def test_other_frames_and_categories_give_the_same_page(shop, survey):
    plain = report(shop.transactions, survey=survey, order="order_id").html
    lines = {name: shop.transactions[name].tolist() for name in shop.transactions}
    told = {name: survey[name].tolist() for name in survey}
    for build in (pl.DataFrame, pa.table):
        assert report(build(lines), survey=build(told), order="order_id").html == plain
    categories = sorted({*shop.transactions["customer_id"], "never"})
    by_code = shop.transactions.assign(customer_id=pd.Categorical(shop.transactions["customer_id"], categories=categories))
    told_by_code = survey.assign(customer_id=survey["customer_id"].astype("category"))
    assert report(by_code, survey=told_by_code, order="order_id").html == plain


def test_ids_of_survey_and_purchases_meet_as_numbers_and_as_text(shop, survey):
    numbered = shop.transactions.assign(customer_id=shop.transactions["customer_id"].str[1:].astype(int))
    told = survey.assign(customer_id=survey["customer_id"].str[1:].astype(int))
    as_numbers = report(numbered, survey=told, order="order_id").html
    assert "Net Promoter Score by RFM segment" in as_numbers
    text = told.assign(customer_id=told["customer_id"].astype(str))
    assert report(numbered, survey=text, order="order_id").html == as_numbers
    words = numbered.assign(customer_id=numbered["customer_id"].astype(str))
    assert "Net Promoter Score by RFM segment" in report(words, survey=told, order="order_id").html


def test_answers_of_strangers_count_overall_and_in_no_segment(log):
    told = pd.DataFrame({"customer_id": ["C00001", "stranger", None], "score": [10, 0, 10]})
    text = report(log, survey=told).html
    assert "2 answers come from nobody with a purchase" in text
    assert "+33.3" in text
    only_strangers = report(log, survey=told.iloc[1:]).html
    assert "by RFM segment" not in only_strangers
    assert "by RFM segment" not in report(log, survey=told[["score"]]).html


NASTY = "<script>alert('&')</script>"


def test_everything_from_the_file_is_escaped(shop):
    lines = shop.transactions.rename(columns={"customer_id": NASTY}).assign(**{NASTY: shop.transactions["customer_id"] + NASTY})
    told = pd.DataFrame({NASTY: lines[NASTY].unique()[:40], "score": [10, 3] * 20, "<b>": ["<i>x</i>", '"y"'] * 20})
    text = report(lines, customer=NASTY, order="order_id", survey=told, by="<b>", title=NASTY).html
    assert "<script" not in text
    assert "<i>x" not in text
    assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in text
    Page(text)


def test_groups_may_be_called_anything(log):
    # a formula to matplotlib, half a formula, a script its font lacks, and what XML reserves
    names = [r"$\frac{a}$", "US$", r"\$5", "顧客", "a & <b>"]
    told = pd.DataFrame({"score": [9] * 5, "who": names})
    text = report(log, survey=told, by="who").html
    Page(text)
    assert [row[0] for row in Page(text).tables[-3][1:]] == sorted(names)


def test_what_no_screen_can_show_does_not_reach_the_page(shop, tmp_path):
    strange = [chr(code) for code in (0x00, 0x07, 0x0B, 0x1B, 0x7F, 0x85, 0x9F, 0xFFFE)]
    lines = shop.transactions.assign(customer_id=shop.transactions["customer_id"] + "\x07")
    told = pd.DataFrame(
        {"score": [9] * len(strange), "\x01who": [f"{character}{place}" for place, character in enumerate(strange)]}
    )
    page = report(lines, order="order_id", survey=told, by="\x01who", title="a\x02\ud800")
    for text in (page.html, page._repr_html_(), page.save(tmp_path / "r.html").read_text(encoding="utf-8")):
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", text)
    assert {f"\ufffd{place}" for place in range(len(strange))} <= {row[0] for row in Page(page.html).tables[-3]}
    assert re.search(r'<td class="label">C\d+\ufffd</td>', page.html)


def test_markup_is_escaped_once():
    assert element("p", "a < b", element("b", "&")) == "<p>a &lt; b<b>&amp;</b></p>"
    assert isinstance(join(["x"]), Markup)
    assert element("a", "x", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;">x</a>'
    assert "<thead>" not in table("c", [Column(""), Column("")], [("a", "b")])


def orders(rows):
    return pd.DataFrame(rows, columns=["customer_id", "timestamp", "amount"]).astype({"timestamp": "datetime64[s]"})


ONCE = orders([(f"c{i}", f"2024-{1 + i % 6:02d}-{1 + i:02d}", 10.0 + i) for i in range(20)])


def test_customers_who_never_came_back_give_no_ranking_but_a_page():
    page = report(ONCE)
    assert "No ranking: the purchases do not determine a model." in page.html
    assert "none of the 20 rows has a repeat purchase" in page.html
    assert "Purchases expected" not in page.html
    assert any("nobody is scored" in note for note in page.notes)
    Page(page.html)


def test_equal_spends_are_ranked_by_purchases(shop):
    days = shop.transactions.assign(timestamp=shop.transactions["timestamp"].dt.normalize(), amount=5.0)
    page = report(days.drop_duplicates(["customer_id", "timestamp"]), truth=shop.truth)
    assert "ranked by purchases, because spend could not be modelled" in page.html
    assert "all mean spends are equal" in page.html
    assert "True expected purchases" in page.html
    Page(page.html)


def test_free_purchases_count_and_are_said(shop):
    lines = shop.transactions.drop_duplicates("order_id").copy()
    customer = lines["customer_id"].value_counts().index[0]
    lines.loc[lines["customer_id"] == customer, "amount"] = 0.0
    page = report(lines)
    assert "1 customer with free repeat purchases alone" in page.html
    assert "purchases have an amount of zero" in page.html


def test_nothing_but_free_purchases_still_gives_a_page(shop):
    page = report(shop.transactions.assign(amount=0.0), order="order_id")
    assert "brought – of the revenue" in page.html


def test_a_short_log_holds_nothing_out(shop):
    start = shop.transactions["timestamp"].min()
    early = shop.transactions[shop.transactions["timestamp"] < start + pd.Timedelta(days=50)]
    assert "No purchases were held out: the log spans" in report(early, order="order_id").html


def test_refunds_and_missing_ids_are_counted(shop):
    lines = shop.transactions.copy()
    lines.loc[lines.index[-3:], "amount"] *= -1
    lines.loc[lines.index[:2], "customer_id"] = None
    page = report(lines, missing="drop", refunds="subtract")
    rows = dict(table_with(page, "What did not become"))
    assert rows["Rows without an id"] == "2"
    assert rows["Refund rows subtracted"] == "3"
    facts = dict(table_with(page, "The events"))
    assert facts["Rows read"] == f"{len(lines):,}"
    assert facts["Rows used"] == f"{len(lines) - 2:,}"
    dropped = report(lines, missing="drop", refunds="drop")
    assert dict(table_with(dropped, "The events"))["Rows read"] == f"{len(lines):,}"


def test_zones_and_single_customers_work(shop):
    zoned = shop.transactions.assign(
        timestamp=shop.transactions["timestamp"].dt.tz_localize("Europe/Berlin", ambiguous=True, nonexistent="shift_forward")
    )
    assert "Europe/Berlin" in report(zoned, order="order_id").html
    one = orders([("a", f"2024-01-{day:02d}", 5.0) for day in range(1, 30)])
    with warnings.catch_warnings(record=True):
        Page(report(one).html)


def test_what_cannot_be_reported_is_refused_by_name(log, shop):
    with pytest.raises(ColumnError, match="has no amount"):
        report(shop.transactions, amount=None)
    with pytest.raises(DataError, match=rf"truth: {CUSTOMERS - 1} customers of the log are not in it"):
        report(log, truth=shop.truth.iloc[:1])
    with pytest.raises(DataError, match="off the scale"):
        report(log, survey=pd.DataFrame({"score": [11]}))
    with pytest.raises(ColumnError, match="no column 'score'"):
        report(log, survey=pd.DataFrame({"points": [1]}))
    for title in (" ", "", 5, None):
        with pytest.raises(OptionError, match=re.escape(f"title={title!r} is not the name of a report")):
            report(log, title=title)


def test_a_report_saves_itself_and_shows_itself_in_a_notebook(page, tmp_path):
    where = page.save(tmp_path / "r.html")
    assert where.read_text(encoding="utf-8") == page.html
    shown = page._repr_html_()
    assert shown.startswith("<iframe")
    Page(shown)
    assert "as of 2024-" in repr(page)


def without(monkeypatch, *names):
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def test_a_missing_matplotlib_is_named_with_its_command(monkeypatch, log, capsys):
    without(monkeypatch, "matplotlib", "matplotlib.figure", "matplotlib.pyplot")
    with pytest.raises(CrmkitError, match=r"python -m pip install matplotlib"):
        report(log)
    with pytest.raises(ImportError, match=r"python -m pip install matplotlib"):
        plot.clv_value([1.0])
    assert command.main(["report"]) == 2
    assert one_line(capsys.readouterr().err).endswith("python -m pip install matplotlib")


# ── the command line ─────────────────────────────────────────────────────────────────────────────────────────────────────


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


def test_without_a_file_a_shop_is_simulated(folder, capsys):
    assert command.main(["report"]) == 0
    text = (folder / "crmkit-report.html").read_text(encoding="utf-8")
    assert "a simulated shop" in text
    assert "True expected value" in text
    assert "Net Promoter Score by segment, a column of the survey" in text
    printed = capsys.readouterr().out
    for word in ("simulated", "1,000 customers", "looks back from 2024-12-29", "crmkit-report.html"):
        assert word in printed


def test_the_module_runs_as_a_command(folder):
    root = str(Path(command.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": root, "PYTHONWARNINGS": "error"}
    env.pop("NUMBA_DISABLE_JIT", None)
    done = subprocess.run(
        [sys.executable, "-m", "crmkit", "report", "no.csv"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert one_line(done.stderr) == "crmkit: error: no.csv: no such file"


def test_a_csv_gives_the_page_of_its_frame(csv, folder, shop, capsys):
    assert command.main(["report", csv, "--order", "order_id", "--item", "item_id", "--output", "out.html"]) == 0
    text = (folder / "out.html").read_text(encoding="utf-8")
    assert text == report(shop.transactions, order="order_id", item="item_id", title="Customer report: orders.csv").html
    assert f"{len(shop.transactions):,} rows" in capsys.readouterr().out


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
    assert "column 'customer_id': 2 rows hold 'NA', read as one id" in told.err
    assert "1 rows hold 'null'" in told.err
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


def test_a_heading_that_is_there_twice_elsewhere_does_not_matter(folder):
    rows = "x,x,,x.1,customer_id,timestamp,amount\n1,2,3,9,a,2024-01-01,1\n1,2,4,8,a,2024-03-01,2\n"
    (folder / "o.csv").write_text(rows, encoding="utf-8-sig")
    assert command.main(["report", "o.csv"]) == 0
    assert "3.00" in Path("crmkit-report.html").read_text(encoding="utf-8")
    assert command.main(["report", "o.csv", "--amount", "x.1"]) == 0
    assert "17.00" in Path("crmkit-report.html").read_text(encoding="utf-8")


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


def test_a_parquet_of_numbered_days_is_read_where_it_is_told(folder, capsys):
    frame = pd.DataFrame({"customer_id": [1, 1, 2], "timestamp": [20240105, 20240301, 20240201], "amount": [1.0, 2.0, 3.0]})
    frame.to_parquet("o.parquet")
    assert command.main(["report", "o.parquet"]) == 2
    assert '--time-format "%Y%m%d"' in one_line(capsys.readouterr().err)
    assert command.main(["report", "o.parquet", "--time-format", "%Y%m%d"]) == 0


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


BAD_FILES = {
    "empty.csv": "",
    "heading.csv": "customer_id,timestamp,amount\n",
    "semicolon.csv": "customer_id;timestamp;amount\na;2024-01-01;5\n",
    "columns.csv": "customer,when,amount\na,2024-01-01,5\n",
    "text.csv": 'customer_id,timestamp,amount\na,2024-01-01,"1,000 EUR"\n',
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
        ("text.csv", "write plain numbers, such as 1000.50"),
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
        ("negative.csv --score s", "--score and --by describe a survey"),
        ("negative.csv --refunds drop --survey absent.csv", "absent.csv: no such file"),
        ("negative.csv --refunds drop --survey gap.csv", "no column 'score'"),
        ("negative.csv --refunds drop --survey less.csv --score back", "off the scale 0 to 10"),
        ("--customer c", "--customer describes a file of purchases; name it first"),
        ("--time-format x", "--time-format describes a file"),
    ],
)
def test_bad_files_and_options_get_one_line_and_exit_2(arguments, words, folder, capsys):
    for name, content in BAD_FILES.items():
        (folder / name).write_text(content)
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


def test_bytes_that_are_not_utf8_are_read_where_it_is_told(folder, capsys):
    (folder / "o.csv").write_bytes("customer_id,timestamp,amount\nJosé,2024-01-01,5\nJosé,2024-02-01,6\n".encode("latin-1"))
    assert command.main(["report", "o.csv"]) == 2
    assert "--encoding latin-1" in one_line(capsys.readouterr().err)
    assert command.main(["report", "o.csv", "--encoding", "latin-1"]) == 0
    assert "José" in (folder / "crmkit-report.html").read_text(encoding="utf-8")


def test_a_missing_pyarrow_is_named_with_its_command(folder, monkeypatch, capsys):
    (folder / "o.parquet").write_text("")
    without(monkeypatch, "pyarrow", "pyarrow.parquet")
    assert command.main(["report", "o.parquet"]) == 2
    assert one_line(capsys.readouterr().err).endswith("python -m pip install pyarrow")


# ── real files ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@compiled_only
def test_cdnow_is_reported(data_file, folder, capsys):
    assert command.main(["report", str(data_file("cdnow_master.csv.gz")), "--time", "date"]) == 0
    printed = capsys.readouterr().out
    assert "69,659 rows" in printed
    # 67,591 customer-days: the file has no order ids
    assert "67,591 purchases of 23,570 customers" in printed
    assert "1997-01-01 00:00:00 to 1998-06-30 00:00:00" in printed


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


@compiled_only
def test_null_ids_are_refused_with_their_count_and_left_out_on_request(data_file, folder, capsys):
    path = data_file("online_retail_ii_lines_2009_2010.parquet")
    options = ["--customer", "CustomerID", "--time", "InvoiceDate", "--order", "InvoiceNo", "--item", "StockCode"]
    options += ["--price", "UnitPrice", "--quantity", "Quantity", "--refunds", "subtract"]
    assert command.main(["report", str(path), *options]) == 2
    assert "107,927 missing ids, the first in row 263; name them, or pass --missing drop" in one_line(capsys.readouterr().err)
    assert command.main(["report", str(path), *options, "--missing", "drop"]) == 0
    assert "rows without an id: 107,927" in capsys.readouterr().out


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def axes():
    figure = matplotlib.figure.Figure()
    return figure.subplots()


def test_segments_are_drawn_with_their_numbers(log, axes):
    summary = rfm.summarize(log)
    segments = rfm.segment(rfm.score(summary))
    assert plot.rfm_segments(segments, summary, ax=axes) is axes
    assert f"n = {CUSTOMERS}" in axes.get_legend().get_texts()[0].get_text()
    widths = [bar.get_width() for bar in axes.containers[0]]
    assert sum(widths) == pytest.approx(100)
    with pytest.raises(DataError, match=rf"segments has {CUSTOMERS} rows and summary 3"):
        plot.rfm_segments(segments, summary.iloc[:3], ax=axes)


def test_pictures_take_polars_too(axes):
    summary = pl.DataFrame({"customer_id": ["a", "b"], "recency_days": [1, 5], "frequency": [3, 1], "monetary": [9.0, 1.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segments = rfm.segment(rfm.score(summary))
    plot.rfm_segments(segments, summary, ax=axes)
    told = feedback.nps(pl.DataFrame({"shop": ["b", "a"], "score": [9, 1]}), by="shop")
    drawn = plot.feedback_nps(told, ax=axes)
    assert [label.get_text() for label in drawn.get_yticklabels()] == ["a\nn = 1", "b\nn = 1"]


def test_intervals_are_drawn_on_their_scale(survey, axes):
    told = feedback.nps(survey, by="segment", level=0.9)
    plot.feedback_nps(told, overall=feedback.nps(survey), ax=axes)
    assert axes.get_xlabel() == "Net Promoter Score, with 90 % interval"
    low, high = axes.get_xlim()
    assert low < told["ci_low"].min()
    assert high > told["ci_high"].max()


def test_the_curve_of_value_is_the_share_of_the_best(axes):
    plot.clv_value([1.0, 0.0, 3.0, 0.0], truth=[0.0, 0.0, 2.0, 2.0], ax=axes)
    curve = next(line for line in axes.get_lines() if "expected" in str(line.get_label()))
    assert curve.get_ydata().tolist() == [0, 75, 100, 100, 100]
    true = next(line for line in axes.get_lines() if "true" in str(line.get_label()))
    assert true.get_ydata().tolist() == [0, 50, 50, 50, 100]
    for bad in ([], [0.0], [-1.0, 2.0]):
        with pytest.raises(DataError):
            plot.clv_value(bad, ax=axes)
    with pytest.raises(DataError, match="truth has 1 rows"):
        plot.clv_value([1.0, 2.0], truth=[1.0], ax=axes)


def test_calibration_is_drawn_group_by_group(axes):
    plot.clv_calibration(pd.Series([3.0, 1.0, 2.0, 4.0]), np.array([2, 1, 1, 6]), groups=2, ax=axes)
    assert [bar.get_height() for bar in axes.containers[0]] == [1.0, 4.0]
    assert axes.get_lines()[0].get_ydata().tolist() == [1.5, 3.5]
    with pytest.raises(DataError, match="same customers"):
        plot.clv_calibration([1.0], [1, 2], ax=axes)
    with pytest.raises(OptionError, match="groups=1"):
        plot.clv_calibration([1.0], [1], groups=1, ax=axes)


def test_without_axes_a_figure_is_made():
    from matplotlib import pyplot

    backend = matplotlib.get_backend()
    pyplot.switch_backend("agg")
    try:
        drawn = plot.clv_value([2.0, 1.0])
        assert drawn.get_xlabel().startswith("share of the customers")
    finally:
        pyplot.close("all")
        pyplot.switch_backend(backend)


# ── compiling ahead ──────────────────────────────────────────────────────────────────────────────────────────────────────


def compiled():
    found = {}
    for module in pkgutil.iter_modules(_kernels.__path__):
        names = vars(importlib.import_module(f"crmkit._kernels.{module.name}"))
        found |= {
            f"{module.name}.{name}": list(thing.signatures) for name, thing in names.items() if hasattr(thing, "signatures")
        }
    return found


def test_after_a_warmup_the_report_compiles_nothing(shop, survey):
    assert warmup() > 0
    before = compiled()
    lines = shop.transactions
    report(lines, order="order_id", item="item_id", survey=survey, by="segment", truth=shop.truth)
    numbered = lines.assign(customer_id=lines["customer_id"].str[1:].astype(int))
    report(numbered.iloc[::-1])
    report(pl.DataFrame({name: numbered[name].to_list() for name in numbered}), survey=survey)
    assert compiled() == before
