"""Policies played again on the past: the arithmetic by the slow road, and every way to peek that can be found out."""

import functools

import numba
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pytest import approx, raises

import crmkit as crm
from crmkit import targeting
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError

SHOP = crm.datasets.make_transactions(n_customers=150, rng=3)
LOG = crm.events(SHOP.transactions, order="order_id")
CUTOFFS = ["2024-02-01", "2024-05-01", "2024-08-01"]
ORDERS = SHOP.transactions.groupby("order_id").agg({"customer_id": "first", "timestamp": "first", "amount": "sum"})
LATER = ORDERS[ORDERS["timestamp"] >= "2024-02-01"].groupby("customer_id")["amount"].sum()
NUMBERED = SHOP.transactions.assign(customer_id=SHOP.transactions["customer_id"].str[1:].astype(int))


def spenders(past, k=30):
    return crm.rfm.summarize(past)["monetary"].nlargest(k).index


def recent(past):
    return crm.rfm.summarize(past)["recency_days"].nsmallest(30).index


def test_values_are_those_of_the_window_by_the_slow_road():
    replay = targeting.backtest(LOG, spenders, cutoffs=CUTOFFS, horizon="60D")
    for i, cutoff in enumerate(pd.to_datetime(CUTOFFS)):
        before = ORDERS[ORDERS["timestamp"] < cutoff]
        after = ORDERS[(ORDERS["timestamp"] >= cutoff) & (ORDERS["timestamp"] < cutoff + pd.Timedelta("60D"))]
        spent = after.groupby("customer_id")["amount"].sum()
        picked = before.groupby("customer_id")["amount"].sum().nlargest(30).index
        values = spent.reindex(picked, fill_value=0.0)
        row = replay.table.iloc[i]
        assert (row["policy"], row["cutoff"], row["eligible"], row["contacted"]) == (
            "spenders", cutoff, before["customer_id"].nunique(), 30,
        )  # fmt: skip
        assert row["value"] == approx(values.mean())
        assert (row["ci_high"] - row["ci_low"]) / 2 == approx(1.959964 * values.std(ddof=1) / np.sqrt(30), rel=1e-5)
        everybody = replay.table.iloc[3 + i]
        known = before["customer_id"].unique()
        assert everybody["value"] == approx(spent.reindex(known, fill_value=0.0).mean())
    assert replay.audited == ("spenders",)
    assert replay.n == replay.table["eligible"][:3].sum()


@pytest.mark.parametrize("measure", ["orders", "churned"])
def test_other_measures(measure):
    replay = targeting.backtest(LOG, recent, cutoffs=["2024-05-01"], measure=measure)
    end = pd.Timestamp("2024-05-01") + pd.Timedelta("90D")
    after = ORDERS[(ORDERS["timestamp"] >= "2024-05-01") & (ORDERS["timestamp"] < end)]
    count = after.groupby("customer_id").size().reindex(recent(LOG.until("2024-05-01")), fill_value=0)
    expected = count.mean() if measure == "orders" else (count == 0).mean()
    assert replay.table["value"].iloc[0] == approx(expected)


def test_overall_means_count_contacts_and_intervals_count_customers():
    policies = {"spenders": spenders, "recent": recent}
    replay = targeting.backtest(LOG, policies, cutoffs=CUTOFFS, horizon="60D")
    parts = replay.table.groupby("policy", sort=False)[["value", "contacted"]].apply(
        lambda rows: np.average(rows["value"], weights=rows["contacted"])
    )
    assert replay.overall["value"].tolist() == approx(parts[replay.overall["policy"]].tolist())
    gap = replay.differences.set_index(["policy", "against"]).loc[("spenders", "recent")]
    assert gap["value"] == approx(parts["spenders"] - parts["recent"])
    # somebody picked three times is not three customers
    single = replay.table[replay.table["policy"] == "spenders"]
    naive = np.sqrt((((single["ci_high"] - single["ci_low"]) / 2) ** 2).sum()) / 3
    row = replay.overall.iloc[0]
    assert (row["ci_high"] - row["ci_low"]) / 2 > naive


def test_a_difference_is_paired_and_a_policy_does_not_differ_from_itself():
    same = targeting.backtest(
        LOG, {"one": spenders, "two": functools.partial(spenders, k=30)}, cutoffs=CUTOFFS[:2]
    ).differences.iloc[0]
    assert (same["value"], same["ci_low"], same["ci_high"], same["p_value"], same["overlap"]) == (0.0, 0.0, 0.0, 1.0, 1.0)
    # nested picks: what they share does not blur the difference
    nested = targeting.backtest(
        LOG, {"few": lambda past: spenders(past, 50), "more": lambda past: spenders(past, 52)}, cutoffs=CUTOFFS
    )
    gap, each = nested.differences.iloc[0], nested.overall
    assert gap["ci_high"] - gap["ci_low"] < 0.4 * (each["ci_high"] - each["ci_low"])[0]
    assert 0.9 < gap["overlap"] < 1.0


def some(k, rng, past):
    return rng.permutation(past.n_customers)[:k]


def test_the_interval_of_a_difference_covers():
    """200 shops of customers alike: two policies that pick by chance differ by chance only."""
    rng = np.random.default_rng(0)
    held = []
    n, shops = (600, 200) if not numba.config.DISABLE_JIT else (200, 40)
    for _ in range(shops):
        frame = pd.DataFrame(
            {
                "customer_id": np.tile(np.arange(n), 2),
                "timestamp": np.repeat(pd.to_datetime(["2024-01-01", "2024-02-10"]), n),
                "amount": np.append(np.ones(n), rng.gamma(2, 10, n)),
            }
        )
        frame = pd.concat([frame, frame[:1].assign(timestamp=pd.Timestamp("2024-03-10"))])
        picks = {"a": functools.partial(some, n // 6, rng), "b": functools.partial(some, n // 4, rng)}
        gap = targeting.backtest(frame, picks, cutoffs=["2024-02-01"], horizon="30D", audit=False).differences.iloc[0]
        held.append(gap["ci_low"] <= 0 <= gap["ci_high"])
    assert 0.9 <= np.mean(held) <= (0.99 if shops > 100 else 1.0)


def test_every_form_of_an_answer():
    ids = list(spenders(LOG.until("2024-05-01")))

    def flags(past):
        return (
            pd.Series(True, index=past.customers)
            .where(pd.Series(past.customers, past.customers).isin(spenders(past)), False)
            .astype(bool)
        )

    def chosen(past):
        value = crm.rfm.summarize(past)["monetary"]
        return targeting.choose(pd.Series(0.5, index=value.index), value=value, cost=0.0, capacity=30)

    forms = {
        "list": lambda past: list(spenders(past)), "set": lambda past: set(spenders(past)), "index": spenders, "flags": flags,
        "array": lambda past: np.array(spenders(past)), "polars": lambda past: pl.Series(list(spenders(past))),
        "choice": chosen, "series": lambda past: pd.Series(spenders(past)), "partial": functools.partial(spenders, k=30),
    }  # fmt: skip
    replay = targeting.backtest(LOG, forms, cutoffs=["2024-05-01"])
    assert len(ids) == 30
    assert len(set(replay.table["value"][:-1])) == 1
    assert set(replay.audited) == set(forms)


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_frames_give_the_same_numbers(kind):
    lines = SHOP.transactions
    other = pl.from_pandas(lines) if kind == "polars" else pa.Table.from_pandas(lines)

    def best(past):
        table = crm.rfm.summarize(past)
        frame = table if isinstance(table, pd.DataFrame) else table.to_pandas().set_index("customer_id")
        return list(frame["monetary"].nlargest(30).index)

    one = targeting.backtest(lines, best, cutoffs=CUTOFFS, order="order_id")
    two = targeting.backtest(other, best, cutoffs=CUTOFFS, order="order_id")
    assert isinstance(two.table, type(other))
    np.testing.assert_allclose(two.table.to_pandas()["value"], one.table["value"])
    assert two.audited == ("best",)


def test_time_zones_and_lengths_below_a_day():
    lines = SHOP.transactions.assign(
        timestamp=SHOP.transactions["timestamp"].dt.tz_localize("Europe/Paris", nonexistent="shift_forward", ambiguous=True)
    )
    zoned = targeting.backtest(lines, spenders, cutoffs=["2024-03-20"], horizon="30D", order="order_id")
    naive = targeting.backtest(LOG, spenders, cutoffs=["2024-03-20"], horizon="30D")
    assert zoned.table["value"].tolist() == approx(naive.table["value"].tolist())
    assert targeting.backtest(LOG, spenders, cutoffs=["2024-03-20"], horizon="36h").table["value"].iloc[0] >= 0


def test_it_says_what_a_log_cannot_tell():
    replay = targeting.backtest(LOG, spenders, cutoffs=["2024-05-01"])
    assert "Nobody in this log was contacted at random" in replay.limits
    assert replay.limits in repr(replay)


# ── peeking ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_log_a_policy_gets_ends_before_the_cutoff():
    seen = []

    def looks(past):
        seen.append(past.span.end)
        return past.customers

    targeting.backtest(LOG, looks, cutoffs=CUTOFFS, audit=False)
    assert all(end < pd.Timestamp(cutoff) for end, cutoff in zip(seen, CUTOFFS, strict=True))


def test_an_honest_policy_answers_as_if_there_were_no_future():
    whole = targeting.backtest(LOG, spenders, cutoffs=CUTOFFS[:1], horizon="60D")
    short = targeting.backtest(LOG.until("2024-04-02"), spenders, cutoffs=CUTOFFS[:1], horizon="60D")
    pd.testing.assert_frame_equal(whole.table, short.table)


def peeks_at_a_log(past):
    return crm.rfm.summarize(LOG)["monetary"].reindex(past.customers).nlargest(30).index


def peeks_by_a_helper(past):
    return peeks_at_a_log(past)


class Peeker:
    def __init__(self, log):
        self.everything = log

    def __call__(self, past):
        return crm.rfm.summarize(self.everything)["monetary"].reindex(past.customers).nlargest(30).index

    def method(self, past):
        return self(past)


def closes_over(log):
    return lambda past: crm.rfm.summarize(log)["monetary"].reindex(past.customers).nlargest(30).index


def with_default(past, everything=LOG):
    return crm.rfm.summarize(everything)["monetary"].reindex(past.customers).nlargest(30).index


@pytest.mark.parametrize(
    "policy",
    [
        peeks_at_a_log, peeks_by_a_helper, Peeker(LOG), Peeker(LOG).method, closes_over(LOG), with_default,
        functools.partial(lambda log, past: log.customers[:30], LOG), closes_over({"all": [LOG]}["all"][0]),
    ],
    ids=["global", "helper", "object", "method", "closure", "default", "partial", "container"],
)  # fmt: skip
def test_a_policy_that_reads_the_whole_log_is_refused(policy):
    with raises(DataError, match="an event log that runs to"):
        targeting.backtest(LOG, policy, cutoffs=CUTOFFS)


def test_a_global_of_the_same_name_as_an_attribute_is_not_read():
    log = LOG

    def takes_logarithms(past, cutoffs=None):
        value = crm.rfm.summarize(past)["monetary"]
        return np.log(value).nlargest(30).index  # np.log is not log

    assert log is LOG
    targeting.backtest(LOG, takes_logarithms, cutoffs=CUTOFFS[:1])


def test_a_log_of_the_past_may_be_read_and_so_may_one_without_times():
    early, timeless = LOG.until("2024-01-01"), crm.events(SHOP.transactions, time=None)
    targeting.backtest(LOG, lambda past: early.customers[: 30 + 0 * len(timeless)], cutoffs=CUTOFFS[:1], audit=False)
    targeting.backtest(LOG, lambda past: early.customers[:30], cutoffs=CUTOFFS[:1], audit=False)


@pytest.mark.parametrize("numbered", [False, True])
def test_a_policy_that_looks_customers_up_elsewhere_is_refused(numbered):
    later = LATER.copy()
    if numbered:
        later.index = later.index.str[1:].astype(int)
    table = later.to_dict()

    def knows_them_by_name(past):
        return sorted(past.customers, key=lambda customer: -table.get(customer, 0.0))[:30]

    lines = NUMBERED if numbered else SHOP.transactions
    with raises(DataError, match="other names"):
        targeting.backtest(lines, knows_them_by_name, cutoffs=CUTOFFS, order="order_id")
    # what the check is for: the peeker would have looked very good
    good = targeting.backtest(
        lines, {"peek": knows_them_by_name, "honest": spenders}, cutoffs=CUTOFFS, order="order_id", audit=False
    )
    assert good.overall["value"][0] > 1.2 * good.overall["value"][1]

    if not numbered:
        known = {customer: table.get(customer, 0.0) for customer in SHOP.truth.index}
        with raises(DataError, match="other names"):  # a lookup that fails is one that knows names
            targeting.backtest(lines, lambda past: [c for c in past.customers if known[c] > 0], cutoffs=CUTOFFS, order="order_id")


def test_models_and_frames_from_outside_are_warned_of():
    summary = crm.clv.summarize(LOG)
    model = crm.clv.fit_bg_nbd(summary)
    lines = SHOP.transactions

    def by_model(past):
        return crm.clv.p_alive(model, crm.clv.summarize(past)).nlargest(30).index

    def by_frame(past):
        return past.customers[: 30 + 0 * len(lines)]

    with pytest.warns(DataWarning, match=r"`model` \(a fitted BgNbd\)"):
        targeting.backtest(LOG, by_model, cutoffs=["2024-08-01"])
    with pytest.warns(DataWarning, match=r"`lines` \(a frame with times past the cutoff\)"):
        targeting.backtest(LOG, by_frame, cutoffs=["2024-08-01"])


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_answers_that_cannot_be_replayed_are_refused():
    bad = {
        "had not bought": lambda past: ["nobody", *past.customers[:3]],
        "more than once": lambda past: [past.customers[0], *past.customers[:3]],
        "contacts 1 customers": lambda past: past.customers[:1],
        "returns a DataFrame": crm.rfm.summarize,
        "returns a int": lambda past: 3,
        "flags without ids": lambda past: np.ones(past.n_customers, bool),
        "ids are numbers": lambda past: [1, 2, 3],
    }
    for words, policy in bad.items():
        with raises(DataError, match=words) as said:
            targeting.backtest(LOG, policy, cutoffs=CUTOFFS, audit=False)
        assert "nobody" not in str(said.value) or words != "had not bought"


def test_windows_must_be_over_and_customers_must_exist():
    with raises(DataError, match="the time looked at ends"):
        targeting.backtest(LOG, spenders, cutoffs=["2024-12-01"])
    with raises(DataError, match=r"no event lies before"):
        targeting.backtest(LOG, spenders, cutoffs=["2022-12-01"])


def test_options_are_checked():
    for wrong, words in (
        ({"cutoffs": []}, "cutoffs is empty"),
        ({"cutoffs": ["2024-05-01", "2024-05-01"]}, "twice"),
        ({"cutoffs": [3]}, "cutoffs"),
        ({"measure": "profit"}, "measure"),
        ({"horizon": "3M"}, "horizon"),
        ({"level": 95}, "level"),
    ):
        with raises(OptionError, match=words):
            targeting.backtest(LOG, spenders, **{"cutoffs": CUTOFFS, **wrong})
    for wrong in (3, {}, {"a": 3}):
        with raises(OptionError, match="policy is a function"):
            targeting.backtest(LOG, wrong, cutoffs=CUTOFFS)
    with raises(OptionError, match="everybody"):
        targeting.backtest(LOG, {"everybody": spenders}, cutoffs=CUTOFFS)
    with raises(ColumnError, match="amount"):
        targeting.backtest(SHOP.transactions, spenders, cutoffs=CUTOFFS, amount=None)
    orders = targeting.backtest(
        SHOP.transactions, lambda past: past.customers[:9], cutoffs=CUTOFFS[0], amount=None, measure="orders", order="order_id"
    )
    assert orders.overall["contacted"].iloc[0] == 9


def test_where_all_come_back_the_interval_is_wilsons():
    days = pd.date_range("2024-01-01", periods=80, freq="D")
    frame = pd.DataFrame({"customer_id": list("abcdefgh") * 80, "timestamp": np.repeat(days, 8), "amount": 1.0})
    churned = targeting.backtest(
        frame, lambda past: ["a", "b", "c", "d"], cutoffs=["2024-02-01"], horizon="30D", measure="churned", audit=False
    )
    row = churned.overall.iloc[0]
    assert (row["value"], row["ci_low"]) == (0.0, 0.0)
    assert row["ci_high"] == approx(crm.intervals.wilson(0, 4)[1])
    quiet = frame[(frame["timestamp"] < "2024-02-01") | (frame["timestamp"] > "2024-03-10")]
    gone = targeting.backtest(
        quiet, lambda past: list("abcd"), cutoffs=["2024-02-01"], horizon="30D", measure="churned", audit=False
    )
    assert gone.overall["value"].tolist() == [1.0, 1.0]


def test_a_variable_without_a_value_yet_and_one_seen_twice_do_no_harm():
    def policy(past):
        return past.customers[:30] if past is not None else never

    tables = [pd.DataFrame({"a": [1], "when": ["2030-01-01"]}), pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])})]

    def reads_harmless_frames(past):
        return past.customers[: 30 + 0 * len(tables) + 0 * len(tables[0])]

    targeting.backtest(LOG, {"one": policy, "two": reads_harmless_frames}, cutoffs=CUTOFFS[:1])
    never = None
    assert never is None


def test_ids_without_another_name_are_not_audited():
    frame = SHOP.transactions.assign(
        customer_id=pd.to_datetime("2020-01-01") + pd.to_timedelta(NUMBERED["customer_id"], unit="D")
    )
    assert targeting.backtest(frame, spenders, cutoffs=CUTOFFS, order="order_id").audited == ()
    far = NUMBERED.assign(customer_id=NUMBERED["customer_id"] + 2**62)
    assert targeting.backtest(far, spenders, cutoffs=CUTOFFS, order="order_id").audited == ()
    category = SHOP.transactions.assign(customer_id=SHOP.transactions["customer_id"].astype("category"))
    assert targeting.backtest(category, spenders, cutoffs=CUTOFFS, order="order_id").audited in ((), ("spenders",))
