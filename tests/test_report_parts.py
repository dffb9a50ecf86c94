"""All parts on one store: every number on the page is that of the function behind it, and what lacks data says so."""

import os
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from test_report import Page, table_with

import crmkit as crm
from crmkit import datasets, events
from crmkit._report import asked, build, report
from crmkit._report.parts import PARTS, health
from crmkit.errors import DataError, OptionError

matplotlib = pytest.importorskip("matplotlib")
pytestmark = pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")

FEATURES = ["recency_days", "orders", "spend_before"]
ORDERS = {"customer": "contact_id", "order": "order_id", "refunds": "subtract"}


# as plain Python a future costs a hundred times as much: few are drawn, and nothing is compared with the functions' own
PLAIN = os.environ.get("NUMBA_DISABLE_JIT") == "1"
compiled_only = pytest.mark.skipif(PLAIN, reason="many draws: compiled loops only")


@pytest.fixture(scope="module", autouse=True)
def _few_draws():
    with pytest.MonkeyPatch.context() as patch:
        if PLAIN:
            patch.setattr(asked, "MOST_DRAWS", 39)
        yield


@pytest.fixture(scope="module")
def store():
    return datasets.make_store(n_customers=60 if PLAIN else 200, rng=3)


def whole(store, **options):
    return report(
        store.orders,
        **ORDERS,
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
        features=FEATURES,
        budget=40.0,
        truth=store,
        **options,
    )


@pytest.fixture(scope="module")
def page(store):
    return whole(store)


@pytest.fixture(scope="module")
def again(page, store):
    """What the lines of code on the page find."""
    if PLAIN:
        pytest.skip("many draws: compiled loops only")
    frames = {"orders": store.orders, "contacts": store.contacts, "survey": store.survey, "experiment": store.experiment}
    lines = page.code.replace("import crmkit as crm\n", "")
    names = dict(frames, crm=crm)
    # a line that is only looked at is kept by its place
    shown = [f"shown[{place}] = {line}" if re.match(r"crm\.", line) else line for place, line in enumerate(lines.splitlines())]
    names["shown"] = {}
    exec("\n".join(shown), names)
    names["told"] = {line: names["shown"][place] for place, line in enumerate(lines.splitlines()) if place in names["shown"]}
    return names


def told(again, start):
    return next(value for line, value in again["told"].items() if line.startswith(start))


def number(text):
    return float(text.replace(",", "").replace("−", "-").replace("\u00a0%", ""))


def test_every_part_is_there_and_says_what_it_does_not_mean(page):
    assert set(page.lacking) <= ({"baskets"} if PLAIN else set())
    ids = Page(page.html).ids
    assert [name for name in ids if name in [part.name for part in PARTS]] == [part.name for part in PARTS]
    assert page.html.count("What this does not mean.") == len(PARTS) - len(page.lacking)
    assert page.html.count("The truth.") >= (5 if PLAIN else 9)
    assert len(page.html) < 3_000_000


def test_the_lines_of_code_find_the_same_log_and_segments(page, again):
    assert len(again["log"]) == len(page.log)
    assert again["log"].customers.tolist() == page.log.customers.tolist()
    assert again["log"].orders.amount.sum() == page.log.orders.amount.sum()
    rows = table_with(page, "Segments by recency")[1:]
    counts = again["segments"].value_counts()
    assert {row[0]: int(row[2]) for row in rows} == {name: count for name, count in counts.items() if count}
    assert f"near 1 if one held all, is {told(again, 'crm.rfm.concentration').gini.value:.2f}" in page.html


def test_persons_are_those_of_the_deduplication(page, again, store):
    people = again["people"]
    changes = {row[0]: row[1:] for row in table_with(page, "What putting records together")[1:]}
    assert changes["Customers"] == [f"{store.orders['contact_id'].nunique():,}", f"{again['log'].n_customers:,}"]
    quality = {row[0]: row[1] for row in table_with(page, "How good the pairs are")[1:]}
    assert number(quality["Recall"]) == pytest.approx(100 * people.quality.recall.value, abs=0.51)
    # nobody buys less for being put together, and a person has the orders of all their ids
    clusters = people.clusters.reindex(store.orders["contact_id"]).to_numpy()
    assert page.log.n_customers == len(np.unique(clusters))


def test_retention_is_that_of_the_cohorts(page, again):
    average = told(again, "crm.cohort.average")
    rows = table_with(page, "Average of all cohorts")[1:]
    assert [int(row[3].replace(",", "")) for row in rows] == average["active"].tolist()
    assert [number(row[1]) for row in rows] == pytest.approx(100 * average["value"], abs=0.51)


def test_the_value_is_that_of_the_model_that_foresaw_most(page, again):
    value, rows = again["value"], table_with(page, "The 20 most valuable")[1:]
    best = value.customers.sort_values("value", ascending=False, kind="stable")
    assert [row[1] for row in rows] == best.index[:20].tolist()
    assert [number(row[5]) for row in rows] == pytest.approx(best["purchases"][:20], abs=0.051)
    assert f"{value.value.value:,.0f} (95" in page.html
    assert f"{value.value.ci_low:,.0f} to {value.value.ci_high:,.0f}) in {value.purchases.value:,.0f} purchases" in page.html
    forecasts = {row[0]: row for row in table_with(page, "Forecasts of the time held out")[1:]}
    checked = again["checked"]
    assert number(forecasts[again["model"].TITLE][4]) == pytest.approx(checked.expected, abs=0.51)
    assert max(number(row[1]) for row in forecasts.values() if row[1] != "–") == pytest.approx(
        checked.log_score.value, abs=0.0006
    )


def test_the_list_to_contact_is_the_choice_within_the_budget(page, again):
    calls = again["calls"]
    facts = dict(table_with(page, "The choice as of"))
    assert number(facts["Expected profit"]) == pytest.approx(calls.expected_profit, rel=1e-2, abs=0.51)
    assert facts["To be contacted"] == f"{calls.contacted}, within a budget of 40.00"
    rows = table_with(page, re.search(r"The \d+ customers? to contact first", page.html)[0])[1:]
    contacted = (
        calls.customers.droplevel("cutoff").query("contact").sort_values("expected_profit", ascending=False, kind="stable")
    )
    assert [row[1] for row in rows] == contacted.index[:25].tolist()
    ranking = told(again, "crm.metrics.ranking_report")
    measures = {row[0]: row for row in table_with(page, "The trial")[1:]}
    auc = ranking.metrics.set_index("metric").loc["auc"]
    assert number(measures["AUC"][1]) == pytest.approx(auc["value"], abs=0.0006)
    assert f"difference of {ranking.comparison.set_index('metric').loc['auc', 'difference']:+.2f}".replace("-", "−") in page.html
    # nothing of the later time was known to the model on trial
    assert again["past"]["label_end"].max() <= again["later"].index.get_level_values("cutoff").min()
    assert f"{again['curve'].chosen.value * again['curve'].n:,.0f}" in page.html.replace(",", ",")


def test_lists_and_pairs_are_those_of_the_functions(page, again):
    metrics = told(again, "crm.recommend.evaluate").query("metric == 'recall' and items == 'all'").set_index("model")
    rows = {row[0].removesuffix(" (best)"): row for row in table_with(page, "How much of what was bought")[1:5]}
    assert number(rows["most bought"][2]) == pytest.approx(100 * metrics.loc["most bought", "value"], abs=0.51)
    best = max(rows.values(), key=lambda row: number(row[2]))
    assert number(best[2]) == pytest.approx(100 * metrics.loc["best", "value"], abs=0.51)
    lists = told(again, "crm.recommend.top_items").set_index("customer_id")["item_id"]
    for customer, items in table_with(page, "What the 10 most valuable")[1:]:
        assert items == ", ".join(lists.loc[customer])
    rules = told(again, "crm.basket.rules")
    assert f"{len(rules) // 2:,} pairs of items are together" in page.html
    sure = (rules["p_value"] < 0.05) & (rules["lift"] > 1)
    assert f"orders; {int(sure.sum()) // 2} of them more often than chance" in page.html


def test_scores_and_effects_are_those_of_the_functions(page, again, store):
    overall = told(again, "crm.feedback.nps(survey, score='score', weight='weight')")
    assert f"is {overall.value:+.1f}, with" in page.html.replace("−", "-")
    rows = table_with(page, "Net Promoter Score by wave")[1:]
    waves = crm.feedback.nps(store.survey, by="wave", weight="weight")
    assert [number(row[1]) for row in rows] == pytest.approx(waves["value"], abs=0.051)
    moved = told(again, "crm.feedback.nps_difference")
    assert f"changed by {moved.value:+.1f} points".replace("-", "−") in page.html
    drivers = told(again, "crm.feedback.key_drivers").table.set_index("driver")["importance"]
    shown = {row[0]: number(row[1]) for row in table_with(page, "Drivers of the score")[1:]}
    assert shown == pytest.approx((100 * drivers).to_dict(), abs=0.51)
    effects = {tuple(row[:3]): row for row in table_with(page, "What the arms changed")[1:]}
    spend = told(again, "crm.experiment.compare_means").table.set_index("arm")
    for arm in ("letter", "voucher"):
        row = effects["spend", arm, "as it is"]
        assert number(row[5]) == pytest.approx(spend.loc[arm, "value"], abs=0.0051)
        assert number(row[8]) == pytest.approx(store.truth[f"spend_{arm}"].mean(), abs=0.0051)
    assert ("visited", "voucher", "after taking out spend_before") in effects


def test_truth_that_is_told_is_that_of_the_store(page, store):
    # those whose records were not all found count in parts, and together once
    known = store.truth.loc[store.people.reindex(page.log.customers).unique()]
    rate, dropout = 52 * known["purchase_rate"], known["dropout"]
    mean = known["alive"] * -np.expm1(-rate * dropout) / dropout
    assert f"are expected, and {mean.sum():,.0f} follow from the true rates" in page.html


@compiled_only
def test_the_same_store_gives_the_same_bytes(store, page):
    assert whole(store).html == page.html


# ── what lacks data ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def only(monkeypatch):
    """Leave out all parts but some."""
    return lambda *names: monkeypatch.setattr(build, "PARTS", [part for part in PARTS if part.name in names])


def test_a_log_without_items_says_what_next_purchases_lack(store, only):
    only("next", "baskets")
    found = report(store.orders.drop(columns="item_id"), **ORDERS)
    assert dict(found.lacking) == dict.fromkeys(("next", "baskets"), "the log has no items: name their column with item=")
    assert found.html.count("This cannot be told from these data.") == 2


def test_contacts_that_are_not_the_customers_of_the_log_are_refused(store, only):
    only("contacts")
    others = store.contacts.set_axis([f"X{place}" for place in range(len(store.contacts))])
    with pytest.raises(DataError, match=r"contacts: none of the \d+ customers of the log is among the \d+ records"):
        report(store.orders, **ORDERS, contacts=others)
    # a customer without a record is a person of their own
    half = report(store.orders, **ORDERS, contacts=store.contacts.iloc[: len(store.contacts) // 2])
    assert "have no record, and are taken for persons of their own" in half.html
    assert half.log.n_customers > 0.75 * len(store.truth)


@compiled_only
def test_contacts_may_have_their_ids_in_a_column_and_be_other_frames(store, only):
    only("contacts")
    plain = report(store.orders, **ORDERS, contacts=store.contacts)
    assert report(store.orders, **ORDERS, contacts=store.contacts.reset_index()).html == plain.html
    named = store.contacts.reset_index(names="record")
    assert report(store.orders, **ORDERS, contacts=named, contact="record").html == plain.html
    listed = {name: named[name].astype(object).where(named[name].notna(), None).tolist() for name in ["record", *store.fields]}
    assert (
        report(store.orders, **ORDERS, contacts=pl.DataFrame(listed), contact="record").log.n_customers == plain.log.n_customers
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"by": "segment"}, "by= describes survey; pass survey="),
        ({"fields": {"a": "name"}}, "fields= describes contacts; pass contacts="),
        ({"outcome": "spend"}, "outcome= describes experiment; pass experiment="),
        ({"experiment": pd.DataFrame({"arm": ["a"]})}, "an experiment needs outcome="),
        ({"contacts": pd.DataFrame({"x": ["a"]})}, "fields= is empty: say what the columns of the contacts hold"),
        ({"margin": 30}, "margin=30"),
        ({"accept": -0.1}, "accept=-0.1"),
        ({"contact_cost": -1}, "contact_cost=-1"),
        ({"budget": "lots"}, "budget='lots'"),
        ({"truth": 5}, "truth is neither a frame indexed by customer nor a simulated store"),
    ],
)
def test_options_that_cannot_be_used_are_refused_by_name(store, options, words, only):
    only("data")
    with pytest.raises(OptionError, match=re.escape(words)):
        report(store.orders, **ORDERS, **options)


def test_progress_is_said_on_standard_error_where_it_is_wanted(store, only, capsys):
    only("data", "cohorts")
    report(store.orders, **ORDERS)
    assert capsys.readouterr().err == ""
    report(store.orders, **ORDERS, progress=True)
    told = capsys.readouterr()
    assert re.fullmatch(r"done     What the data hold \(\d+\.\d s\)\ndone     Who comes back \(\d+\.\d s\)\n", told.err)
    assert told.out == ""


# ── the data ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def lines(rows):
    return pd.DataFrame(rows, columns=["customer_id", "timestamp", "amount"]).astype({"timestamp": "datetime64[s]"})


def looked_at(log, only):
    only("data")
    return {row[0]: row[1:] for row in table_with(report(log), "What was looked at")[1:]}


def test_silences_and_closed_weekdays_are_found(only):
    days = [
        day
        for day in pd.date_range("2024-01-01", "2024-03-31")
        if day.day_of_week != 6 and not "2024-02-05" <= str(day) <= "2024-02-16"
    ]
    found = looked_at(events(lines([(f"c{place % 7}", day, 10.0 + place) for place, day in enumerate(days)])), only)
    verdict, words = found["Gaps"]
    assert verdict == "look"
    assert words == "22 of 90 days have no order; the longest silence is 12 days from 2024-02-04. Never on Sundays."
    assert found["Time zone"][1].startswith("Dates without a time of day")


def test_repeated_lines_and_zero_amounts_are_counted(only):
    rows = [
        ("a", "2024-01-01 10:00", 5.0),
        ("a", "2024-01-01 10:00", 5.0),
        ("a", "2024-01-01 10:00", 6.0),
        ("b", "2024-01-02 09:00", 0.0),
    ]
    found = looked_at(events(lines(rows)), only)
    assert found["Repeated lines"] == ["look", "1 line repeats another to the last detail: they count in amounts twice."]
    assert found["Zero amounts"] == ["look", "1 purchase for nothing; they count."]


def test_amounts_far_above_the_rest_are_told_by_quartiles_of_ratios(only):
    rng = np.random.default_rng(0)
    amounts = np.exp(rng.normal(3, 0.5, 400))
    rows = [
        (f"c{place}", pd.Timestamp("2024-01-01") + pd.Timedelta(hours=7 * place), amount) for place, amount in enumerate(amounts)
    ]
    plain = looked_at(events(lines(rows)), only)
    assert plain["Far-off amounts"][0] == "fine"
    assert "far above the rest" not in plain["Far-off amounts"][1]
    odd = looked_at(events(lines([*rows, ("x", pd.Timestamp("2024-01-09 01:02"), 100 * amounts.max())])), only)
    assert odd["Far-off amounts"][0] == "look"
    assert "1 order above" in odd["Far-off amounts"][1]
    low, high = np.quantile([*amounts, 100 * amounts.max()], [0.25, 0.75])
    assert f"above {high * (high / low) ** 3:,.2f}" in odd["Far-off amounts"][1]


def test_words_for_nothing_among_ids_are_said_with_their_rows():
    rows = [("NA", "2024-01-01", 5.0), ("b", "2024-01-02", 6.0), ("NA", "2024-01-03", 7.0)]
    assert health.words_for_nothing(events(lines(rows))) == [("customer_id", "NA", 2)]
    numbered = lines([(7, "2024-01-01", 5.0), (8, "2024-01-02", 6.0)])
    assert health.words_for_nothing(events(numbered)) == []
