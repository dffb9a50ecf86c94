"""The report: its numbers are those of the functions, its page stands alone, and bad files get one clear line."""

import html
import html.parser
import os
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
from crmkit import __version__, clv, datasets, events, feedback, plot, rfm
from crmkit._report import asked, build, report
from crmkit._report.page import Column, Markup, element, join, table
from crmkit.errors import ColumnError, CrmkitError, DataError, OptionError

matplotlib = pytest.importorskip("matplotlib")
# few customers determine little, which the functions say, and which is not what is tested here
pytestmark = pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")


PLAIN = os.environ.get("NUMBA_DISABLE_JIT") == "1"
CUSTOMERS = 40 if PLAIN else 120
compiled_only = pytest.mark.skipif(PLAIN, reason="many draws: compiled loops only")


@pytest.fixture(scope="module", autouse=True)
def _few_draws():
    with pytest.MonkeyPatch.context() as patch:
        if PLAIN:
            patch.setattr(asked, "MOST_DRAWS", 39)
        yield


@pytest.fixture(scope="module")
def shop():
    return datasets.make_transactions(n_customers=CUSTOMERS, rng=5)


@pytest.fixture(scope="module")
def survey(shop):
    return datasets.make_survey(shop.truth.index, response_rate=0.6, rng=7).survey


@pytest.fixture(scope="module")
def log(shop):
    return events(shop.transactions, order="order_id")


@pytest.fixture
def short(monkeypatch):
    """The report without the parts that cost most, for tests of what goes into a page, not of what is found."""
    monkeypatch.setattr(build, "PARTS", [part for part in build.PARTS if part.name in ("data", "segments", "feedback")])


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
    # pictures of cells are in the page as data
    links = [target for target in read.targets if not target.startswith("data:image/png;base64,")]
    assert all(target.startswith("#") and target[1:] in read.ids for target in links)
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
    assert len(pictures) == (10 if PLAIN else 11)  # few orders hold no pair of items often enough
    assert all(given["role"] == "img" and len(given["aria-label"]) > 20 for given in pictures)
    regions = [given for _, given in read.tags if {"scroll", "picture"} & set(given.get("class", "").split())]
    assert len(regions) == len(read.tables) + len(pictures) + 1  # the code
    assert all(given["tabindex"] == "0" and given["aria-label"] for given in regions)
    assert [tag for tag, _ in read.tags].count("caption") == len(read.tables)
    assert [tag for tag, _ in read.tags].count("h1") == 1


@compiled_only
def test_the_same_log_gives_the_same_bytes_and_changes_nothing_in_the_process(log, shop, survey, page):
    settings, filters = dict(matplotlib.rcParams), list(warnings.filters)
    again = report(log, survey=survey, by="segment", truth=shop.truth)
    assert again.html == page.html
    assert dict(matplotlib.rcParams) == settings
    assert warnings.filters == filters


def table_with(page, caption_start):
    return table_in(page.html, caption_start)


def table_in(text, caption_start):
    read = Page(text)
    captions = re.findall(r"<caption>(.*?)</caption>", text)
    return next(rows for caption, rows in zip(captions, read.tables, strict=True) if caption.startswith(caption_start))


@compiled_only
def test_the_ranking_is_that_of_the_functions(page, log):
    summary = clv.summarize(log, unit="W")
    buying, spend = clv.fit_bg_nbd(summary), clv.fit_gamma_gamma(summary)
    purchases = clv.expected_purchases(buying, summary, horizon="52W")
    value = (purchases * clv.expected_spend(spend, summary)).sort_values(ascending=False, kind="stable")
    rows = table_with(page, "The 20 most valuable")[1:]
    assert [row[1] for row in rows] == value.index[:20].tolist()
    assert [row[0] for row in rows] == [str(rank) for rank in range(1, 21)]
    assert rows[0][5] == f"{purchases[value.index[0]]:,.1f}"
    assert rows[0][8].replace(",", "") == f"{value.iloc[0]:.0f}"
    interval = clv.prediction_interval(buying, summary, horizon="52W", spend=spend)
    assert f"{interval.purchases.value:,.0f} purchases ({interval.purchases.ci_low:,.0f} to" in page.html
    best = interval.customers.loc[value.index[0]]
    assert rows[0][6] == f"{best['purchases_low']:.0f} to {best['purchases_high']:.0f}"
    assert rows[0][9] == f"{best['value_low']:,.0f} to {best['value_high']:,.0f}"


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
    assert float(rows[0][10].replace(",", "")) == pytest.approx(expected, rel=0.1)


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
    assert [row[1].replace("−", "-") for row in rows] == [f"{value:+.1f}" if round(value, 1) else "0.0" for value in by["value"]]
    segments = rfm.segment(rfm.score(rfm.summarize(log)))
    joined = feedback.nps(survey.assign(segment=segments.reindex(survey["customer_id"]).to_numpy()), by="segment")
    rows = table_with(page, "Net Promoter Score by RFM segment")[1:]
    assert {row[0]: int(row[3]) for row in rows} == joined["n"].to_dict()


@compiled_only
def test_the_holdout_forecasts_from_the_past_alone(page, shop, log):
    words = re.search(
        r"With the purchases up to ([\d-]+) alone, BG/NBD expected ([\d,]+) purchase days of the ([\d,]+) "
        r"customers known by then in the (\d+) days that followed, .*?; there were ([\d,]+)",
        page.html,
    )
    eve, expected, known, days, happened = (word.replace(",", "") for word in words.groups())
    cut = str(pd.Timestamp(eve) + pd.Timedelta(days=1))
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


@pytest.mark.usefixtures("short")
def test_other_frames_and_categories_give_the_same_page(shop, survey):
    plain = report(shop.transactions, survey=survey, order="order_id").html
    lines = {name: shop.transactions[name].tolist() for name in shop.transactions}
    told = {name: survey[name].tolist() for name in survey}
    for make in (pl.DataFrame, pa.table):
        assert report(make(lines), survey=make(told), order="order_id").html == plain
    categories = sorted({*shop.transactions["customer_id"], "never"})
    by_code = shop.transactions.assign(customer_id=pd.Categorical(shop.transactions["customer_id"], categories=categories))
    told_by_code = survey.assign(customer_id=survey["customer_id"].astype("category"))
    assert report(by_code, survey=told_by_code, order="order_id").html == plain


@pytest.mark.usefixtures("short")
def test_ids_of_survey_and_purchases_meet_as_numbers_and_as_text(shop, survey):
    numbered = shop.transactions.assign(customer_id=shop.transactions["customer_id"].str[1:].astype(int))
    told = survey.assign(customer_id=survey["customer_id"].str[1:].astype(int))
    as_numbers = report(numbered, survey=told, order="order_id").html
    assert "Net Promoter Score by RFM segment" in as_numbers
    text = told.assign(customer_id=told["customer_id"].astype(str))
    assert report(numbered, survey=text, order="order_id").html == as_numbers
    words = numbered.assign(customer_id=numbered["customer_id"].astype(str))
    assert "Net Promoter Score by RFM segment" in report(words, survey=told, order="order_id").html


@pytest.mark.usefixtures("short")
def test_answers_of_strangers_count_overall_and_in_no_segment(log):
    told = pd.DataFrame({"customer_id": ["C00001", "stranger", None], "score": [10, 0, 10]})
    text = report(log, survey=told).html
    assert "2 answers come from nobody with a purchase" in text
    assert "+33.3" in text
    only_strangers = report(log, survey=told.iloc[1:]).html
    assert "by RFM segment" not in only_strangers
    assert "by RFM segment" not in report(log, survey=told[["score"]]).html


NASTY = "<script>alert('&')</script>"


@compiled_only
def test_everything_from_the_file_is_escaped(shop):
    lines = shop.transactions.rename(columns={"customer_id": NASTY}).assign(**{NASTY: shop.transactions["customer_id"] + NASTY})
    told = pd.DataFrame({NASTY: lines[NASTY].unique()[:40], "score": [10, 3] * 20, "<b>": ["<i>x</i>", '"y"'] * 20})
    text = report(lines, customer=NASTY, order="order_id", survey=told, by="<b>", title=NASTY).html
    assert "<script" not in text
    assert "<i>x" not in text
    assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in text
    Page(text)


@pytest.mark.usefixtures("short")
def test_groups_may_be_called_anything(log):
    # a formula to matplotlib, half a formula, a script its font lacks, and what XML reserves
    names = [r"$\frac{a}$", "US$", r"\$5", "顧客", "a & <b>"]
    told = pd.DataFrame({"score": [9] * 5, "who": names})
    text = report(log, survey=told, by="who").html
    Page(text)
    assert [row[0] for row in table_in(text, "Net Promoter Score by who")[1:]] == sorted(names)


@compiled_only
def test_what_no_screen_can_show_does_not_reach_the_page(shop, tmp_path):
    strange = [chr(code) for code in (0x00, 0x07, 0x0B, 0x1B, 0x7F, 0x85, 0x9F, 0xFFFE)]
    lines = shop.transactions.assign(customer_id=shop.transactions["customer_id"] + "\x07")
    told = pd.DataFrame(
        {"score": [9] * len(strange), "\x01who": [f"{character}{place}" for place, character in enumerate(strange)]}
    )
    page = report(lines, order="order_id", survey=told, by="\x01who", title="a\x02\ud800")
    for text in (page.html, page._repr_html_(), page.save(tmp_path / "r.html").read_text(encoding="utf-8")):
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", text)
    groups = table_with(page, "Net Promoter Score by \ufffdwho")
    assert {f"\ufffd{place}" for place in range(len(strange))} <= {row[0] for row in groups}
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
    assert "This cannot be told from these data." in page.html
    assert "none of the 20 rows has a repeat purchase" in page.lacking["value"]
    assert {"value", "risk", "next", "baskets"} <= set(page.lacking)
    assert all(reason in html.unescape(page.html) for reason in page.lacking.values())
    assert "to come" not in re.findall(r"<dl.*?</dl>", page.html)[0]
    assert any("nobody is scored" in note for note in page.notes)
    Page(page.html)


@compiled_only
def test_equal_spends_are_ranked_by_purchases(shop):
    days = shop.transactions.assign(timestamp=shop.transactions["timestamp"].dt.normalize(), amount=5.0)
    page = report(days.drop_duplicates(["customer_id", "timestamp"]), truth=shop.truth)
    assert "ranked by purchases, because spend could not be modelled" in page.html
    assert "all mean spends are equal" in page.html
    assert "True expected purchases" in page.html
    Page(page.html)


@compiled_only
def test_free_purchases_count_and_are_said(shop):
    lines = shop.transactions.drop_duplicates("order_id").copy()
    customer = lines["customer_id"].value_counts().index[0]
    lines.loc[lines["customer_id"] == customer, "amount"] = 0.0
    page = report(lines)
    assert "1 customer with free repeat purchases alone" in page.html
    assert re.search(r"\d+ purchases for nothing; they count", page.html)


@pytest.mark.usefixtures("short")
def test_nothing_but_free_purchases_still_gives_a_page(shop):
    page = report(shop.transactions.assign(amount=0.0), order="order_id")
    assert "brought – of the revenue" in page.html


@compiled_only
def test_a_short_log_holds_nothing_out(shop):
    start = shop.transactions["timestamp"].min()
    early = shop.transactions[shop.transactions["timestamp"] < start + pd.Timedelta(days=50)]
    assert "No purchases were held out: the log spans" in report(early, order="order_id").html


@pytest.mark.usefixtures("short")
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


@pytest.mark.usefixtures("short")
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
    assert capsys.readouterr().err.splitlines()[-1].endswith("python -m pip install matplotlib")


# ── compiling ahead ──────────────────────────────────────────────────────────────────────────────────────────────────────

# in a process of its own: here other tests have compiled kernels already
AFTER_A_WARMUP = """
import importlib, pkgutil, warnings
import crmkit as crm
from crmkit import _kernels

def compiled():
    modules = [importlib.import_module(f"crmkit._kernels.{module.name}") for module in pkgutil.iter_modules(_kernels.__path__)]
    return {
        (module.__name__, name, str(signature))
        for module in modules
        for name, thing in vars(module).items()
        for signature in getattr(thing, "signatures", ())
    }

warnings.simplefilter("ignore")
store = crm.datasets.make_store(n_customers=200, rng=3)
crm.warmup()
before = compiled()
common = {"survey": store.survey, "by": "segment", "wave": "wave", "weight": "weight", "drivers": ["service", "price"]}
common |= {"experiment": store.experiment, "outcome": ["visited", "spend"], "before": "spend_before", "features": ["orders"]}
columns = {"customer": "contact_id", "order": "order_id", "refunds": "subtract"}
crm.report(store.orders, **columns, **common, contacts=store.contacts, fields=store.fields, truth=store, budget=40)
numbered = store.orders.assign(contact_id=store.orders["contact_id"].str[1:].astype(int))
crm.report(numbered[numbered["amount"] > 0].iloc[::-1], customer="contact_id")
print(*sorted(compiled() - before), sep="\\n")
"""


@compiled_only
def test_after_a_warmup_the_report_compiles_nothing():
    environment = {**os.environ, "PYTHONPATH": str(Path(command.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", AFTER_A_WARMUP], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
