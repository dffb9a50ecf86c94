"""What everybody buys and what each customer buys again: counted by hand, ties included."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import recommend
from crmkit.errors import ColumnError, DataError, OptionError
from naive import recommend as naive

START = pd.Timestamp("2024-01-01")
lines = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 60)), min_size=1, max_size=40)


def frame_of(rows):
    days = pd.to_timedelta([day for _, _, day in rows], unit="D")
    return pd.DataFrame({"customer_id": [c for c, _, _ in rows], "item_id": [i for _, i, _ in rows], "timestamp": START + days})


def seen(frame, **options):
    return recommend.interactions(frame, amount=None, **options)


def table(frame, half_life=None):
    """Customers, items, weights, days since the last purchase of each pair (infinite: never)."""
    customers, row = np.unique(frame["customer_id"], return_inverse=True)
    items, column = np.unique(frame["item_id"], return_inverse=True)
    age = ((frame["timestamp"].max() - frame["timestamp"]) / pd.Timedelta("1D")).to_numpy()
    weight = np.ones(len(frame)) if half_life is None else 0.5 ** (age / half_life)
    last = np.full((len(customers), len(items)), np.inf)
    np.minimum.at(last, (row, column), age)
    return customers, items, naive.table(row, column, weight, *last.shape), last


def lists(top):
    return {
        customer: list(zip(rows["item_id"].tolist(), rows["score"].tolist(), strict=True))
        for customer, rows in top.groupby("customer_id", sort=False)
    }


@given(rows=lines, within=st.sampled_from([None, "1D", "10D", "30D"]), k=st.integers(1, 10), bought=st.booleans())
def test_popularity_counts_the_customers_of_the_time_asked_for(rows, within, k, bought):
    frame = frame_of(rows)
    customers, items, weights, last = table(frame)
    counts = (last < (np.inf if within is None else float(within[:-1]))).sum(axis=0)
    buyers = (weights > 0).sum(axis=0)
    model = recommend.fit_popularity(seen(frame), within=within)
    got = lists(recommend.top_items(model, k=k, exclude="bought" if bought else "nothing"))
    for customer, row in zip(customers, weights, strict=True):
        order = [item for item in naive.popular(counts, buyers) if not (bought and row[item])][:k]
        assert got.get(customer, []) == [(items[item], counts[item]) for item in order]
    # nobody has met customer 99: they get what everybody gets
    new = lists(recommend.top_items(model, [99], k=k))[99]
    assert new == [(items[item], counts[item]) for item in naive.popular(counts, buyers)[:k]]


@given(
    rows=lines,
    within=st.sampled_from([None, "10D"]),
    half_life=st.sampled_from([None, 20.0]),
    k=st.integers(1, 10),
    bought=st.booleans(),
)
def test_frequency_lists_own_purchases_and_then_what_others_buy(rows, within, half_life, k, bought):
    frame = frame_of(rows)
    customers, items, weights, last = table(frame, half_life)
    buyers = (weights > 0).sum(axis=0)
    counts = buyers if within is None else (last < 10).sum(axis=0)
    share = counts / (len(customers) + 1)
    model = recommend.fit_frequency(seen(frame, half_life=half_life), within=within)
    got = lists(recommend.top_items(model, k=k, exclude="bought" if bought else "nothing"))
    for customer, row in zip(customers, weights, strict=True):
        expected = naive.frequent(row, share, buyers, k, set(np.flatnonzero(row)) if bought else ())
        found = got.get(customer, [])
        if half_life is None:
            assert found == [(items[item], score) for item, score in expected]
        else:  # sums of fractions may differ in the last digit, and turn a tie
            np.testing.assert_allclose([score for _, score in found], [score for _, score in expected], rtol=1e-6)


def test_of_items_bought_equally_often_the_more_popular_one_comes_first():
    frame = frame_of([(1, 7, 0), (1, 3, 9), (1, 3, 1), (1, 5, 2), (2, 7, 3), (3, 7, 4), (3, 1, 50)])
    top = recommend.top_items(recommend.fit_frequency(seen(frame)), [1], exclude="nothing")
    assert top["item_id"].tolist() == [3, 7, 5, 1]
    assert top["score"].tolist() == [2.25, 1.75, 1.25, 0.25]
    assert set(top["source"]) == {"frequency"}
    # by what was bought of late: item 1 alone
    late = recommend.top_items(recommend.fit_frequency(seen(frame), within="5D"), [1, 99], exclude="nothing")
    assert late["item_id"].tolist()[:4] == [3, 7, 5, 1]
    assert late["score"].tolist()[:4] == [2.0, 1.0, 1.0, 0.25]
    unknown = late[late["customer_id"] == 99]
    assert unknown["source"].unique().tolist() == ["popularity"]
    assert (unknown["item_id"].iloc[0], unknown["score"].iloc[0]) == (1, 0.25)


def test_weights_add_up_where_asked():
    frame = frame_of([(1, 1, 0), (1, 1, 0), (1, 1, 10), (2, 2, 10), (3, 2, 10)])
    for half_life, expected in ((None, [(1, 3.0), (2, 2.0)]), ("10D", [(1, 2.0), (2, 2.0)])):
        model = recommend.fit_popularity(seen(frame, half_life=half_life), count="weight")
        got = lists(recommend.top_items(model, [9]))[9]
        # of equal scores, the item of more customers
        assert got == sorted(expected, key=lambda pair: (-pair[1], -pair[0]))


@pytest.mark.parametrize("fit", [recommend.fit_popularity, recommend.fit_frequency])
def test_neither_rows_nor_threads_nor_history_matter(fit):
    rng = np.random.default_rng(4)
    frame = frame_of(list(zip(rng.integers(0, 20, 150), rng.integers(0, 12, 150), rng.integers(0, 90, 150), strict=True)))
    model = fit(seen(frame, half_life="30D"), within="30D")
    expected = recommend.top_items(model, exclude="nothing")
    again = fit(seen(frame.sample(frac=1, random_state=1), half_life="30D"), within="30D")
    pd.testing.assert_frame_equal(recommend.top_items(again, exclude="nothing", n_threads=2), expected)
    pd.testing.assert_frame_equal(recommend.top_items(model, exclude="nothing", history=frame), expected)


def test_what_cannot_be_counted_is_refused():
    frame = frame_of([(1, 1, 0), (2, 1, 1)])
    timeless = recommend.interactions(frame.drop(columns="timestamp"), time=None, amount=None)
    for fit in (recommend.fit_popularity, recommend.fit_frequency):
        with pytest.raises(ColumnError, match="needs the times of purchases"):
            fit(timeless, within="30D")
        with pytest.raises(OptionError, match="within='1M'"):
            fit(seen(frame), within="1M")
        with pytest.raises(OptionError, match=r"expected what recommend\.interactions returns"):
            fit(frame)
        assert "customers  2" in repr(fit(seen(frame), within="30D"))
    with pytest.raises(OptionError, match="count='lines'"):
        recommend.fit_popularity(seen(frame), count="lines")
    with pytest.raises(OptionError, match="within='30D' counts customers"):
        recommend.fit_popularity(seen(frame), count="weight", within="30D")
    with pytest.raises(DataError, match="ids"):
        recommend.top_items(recommend.fit_popularity(seen(frame)), ["x"])


def test_nothing_is_younger_than_the_end_where_clocks_show_an_hour_twice():
    utc = pd.DatetimeIndex(["2024-10-27 00:50", "2024-10-27 01:10"]).tz_localize("UTC")
    frame = pd.DataFrame({"customer_id": 1, "item_id": ["tea", "milk"], "timestamp": utc.tz_convert("Europe/Paris")})
    assert frame["timestamp"].dt.strftime("%H:%M").tolist() == ["02:50", "02:10"]
    found = seen(frame, half_life="1D")
    assert found.by_customer.value.tolist() == [1.0, 1.0]
    assert found.age.tolist() == [0.0, 0.0]
