"""Simulated data: the same bits for the same seed, and truths that the data bear out."""

import numpy as np
import pandas as pd
import pytest

from crmkit import clv, datasets, feedback
from crmkit.errors import DataError, OptionError


@pytest.fixture(scope="module")
def shop():
    return datasets.make_transactions(n_customers=4000, rng=1)


def test_the_same_seed_gives_the_same_bits():
    first, again, other = (datasets.make_transactions(n_customers=60, rng=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first.transactions, again.transactions)
    pd.testing.assert_frame_equal(first.truth, again.truth)
    assert not first.truth["purchase_rate"].equals(other.truth["purchase_rate"])
    by_generator = datasets.make_transactions(n_customers=60, rng=np.random.default_rng(0))
    pd.testing.assert_frame_equal(by_generator.transactions, first.transactions)


def test_fresh_entropy_differs_from_call_to_call():
    one, two = (datasets.make_transactions(n_customers=5, rng=None) for _ in range(2))
    assert not one.truth.equals(two.truth)


def test_lines_are_ordered_by_time_and_orders_belong_to_one_customer_at_one_time(shop):
    lines = shop.transactions
    assert list(lines.columns) == ["customer_id", "timestamp", "order_id", "item_id", "amount"]
    assert lines["timestamp"].is_monotonic_increasing
    assert lines["order_id"].is_monotonic_increasing
    assert len(lines[["order_id", "customer_id", "timestamp"]].drop_duplicates()) == lines["order_id"].nunique()
    assert not lines.duplicated(["order_id", "item_id"]).any()
    assert set(lines["customer_id"]) == set(shop.truth.index)
    assert lines["customer_id"].iloc[0].startswith("C0")


def test_everything_happens_within_the_observation(shop):
    times = shop.transactions["timestamp"]
    start, end = pd.Timestamp("2023-01-02"), pd.Timestamp("2023-01-02") + pd.Timedelta(weeks=104)
    assert start <= times.min()
    assert times.max() < end
    assert shop.transactions.groupby("customer_id")["timestamp"].min().max() < start + pd.Timedelta(weeks=78)


def test_amounts_are_whole_cents_and_never_negative(shop):
    cents = 100 * shop.transactions["amount"]
    assert (cents >= 0).all()
    assert np.allclose(cents, cents.round(), atol=1e-6)
    assert (shop.transactions.groupby("order_id")["amount"].sum() > 0).all()


def exact_histories(shop):
    """Counts and times of orders without merging days, in weeks."""
    orders = shop.transactions.groupby("order_id", sort=False)[["customer_id", "timestamp", "amount"]].agg(
        {"customer_id": "first", "timestamp": "first", "amount": "sum"}
    )
    times = orders.groupby("customer_id")["timestamp"]
    end = pd.Timestamp("2023-01-02") + pd.Timedelta(weeks=104)
    week = pd.Timedelta(weeks=1)
    repeat = orders["timestamp"] > times.transform("min").where(times.transform("size") > 0)
    return pd.DataFrame(
        {
            "frequency": times.size() - 1,
            "recency": (times.max() - times.min()) / week,
            "T": (end - times.min()) / week,
            "monetary_value": orders[repeat].groupby("customer_id")["amount"].mean(),
            "unit": "W",
        }
    ).fillna({"monetary_value": 0.0})


def test_the_fit_finds_the_parameters_the_customers_were_drawn_from(shop):
    histories = exact_histories(shop)
    buying, spend = clv.fit_bg_nbd(histories), clv.fit_gamma_gamma(histories)
    for model in (buying, spend):
        for name, error in model.standard_errors.items():
            assert abs(getattr(model, name) - shop.parameters[name]) < 3.5 * error, name


def test_merging_days_costs_little(shop):
    buying = clv.fit_bg_nbd(clv.summarize(shop.transactions, order="order_id", unit="W", end="2024-12-29"))
    assert buying.r / buying.alpha == pytest.approx(0.1, rel=0.08)
    assert buying.a / (buying.a + buying.b) == pytest.approx(0.25, rel=0.1)


def test_the_truth_is_the_truth_of_each_customer(shop):
    truth, histories = shop.truth, exact_histories(shop)
    assert truth["purchase_rate"].mean() == pytest.approx(0.1, rel=0.1)
    assert truth["dropout"].mean() == pytest.approx(0.25, rel=0.05)
    assert truth["expected_spend"].mean() == pytest.approx(30, rel=0.1)
    # no repeat purchase: no chance to leave; and the model's P(alive) is right on average
    assert truth.loc[histories["frequency"] == 0, "alive"].all()
    alive = clv.p_alive(clv.fit_bg_nbd(histories), histories)
    repeaters = histories["frequency"] > 0
    assert alive[repeaters].mean() == pytest.approx(truth.loc[repeaters, "alive"].mean(), abs=0.03)
    # who buys often shows in the data who they are
    often = histories["frequency"] >= 10
    error = histories.loc[often, "monetary_value"] / truth.loc[often, "expected_spend"] - 1
    assert abs(error.mean()) < 0.02
    assert error.std() < 0.2


def test_few_items_sell_much_and_customers_come_back_to_theirs(shop):
    lines = shop.transactions
    sold = lines["item_id"].value_counts()
    assert sold.head(20).sum() / sold.sum() > 0.3
    assert lines.groupby("order_id").size().mean() == pytest.approx(2.4, abs=0.2)
    per_customer = lines.groupby("customer_id")["item_id"]
    many = per_customer.size() >= 20
    distinct = (per_customer.nunique() / per_customer.size())[many].mean()
    without_habit = datasets.make_transactions(n_customers=4000, habit=0.0, rng=1).transactions
    shuffled = without_habit.groupby("customer_id")["item_id"]
    assert distinct < 0.7 * (shuffled.nunique() / shuffled.size())[shuffled.size() >= 20].mean()


def test_small_shops_work():
    tiny = datasets.make_transactions(n_customers=1, n_items=1, weeks=1, acquisition_weeks=1, lines_per_order=1)
    assert tiny.transactions["item_id"].tolist() == ["I0001"] * len(tiny.transactions)
    assert "1 customers" in repr(tiny)
    assert tiny.parameters["alpha"] == 8.0
    many = datasets.make_transactions(n_customers=3, rng=3).parameters
    with pytest.raises(TypeError):
        many["r"] = 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_customers": 0}, "n_customers=0"),
        ({"n_customers": 2.5}, "n_customers=2.5"),
        ({"r": 0}, "r=0 is not a number above 0"),
        ({"alpha": float("nan")}, "alpha=nan"),
        ({"q": 1}, "q=1 is not a number above 1"),
        ({"habit": 1.5}, "habit=1.5"),
        ({"lines_per_order": 0.5}, "lines_per_order=0.5"),
        ({"acquisition_weeks": 200}, "more than weeks"),
        ({"start": "soon"}, "start='soon'"),
        ({"start": 5}, "start=5"),
        ({"rng": -1}, "rng=-1"),
        ({"rng": "a"}, "rng='a'"),
        ({"rng": 1.5}, "rng=1.5"),
    ],
)
def test_parameters_out_of_range_are_refused(options, words):
    with pytest.raises(OptionError, match=words):
        datasets.make_transactions(**{"n_customers": 3, **options})


def test_a_survey_bears_out_its_truth():
    answers = datasets.make_survey(n_customers=60_000, rng=4)
    found = feedback.nps(answers.survey, by="segment", level=0.999)
    truth = answers.truth.loc[found.index]
    assert ((found["ci_low"] <= truth["nps"]) & (truth["nps"] <= found["ci_high"])).all()
    overall = feedback.nps(answers.survey, level=0.999)
    assert overall.ci_low <= answers.parameters["nps"] <= overall.ci_high
    assert len(answers.survey) == pytest.approx(18_000, rel=0.03)
    for name in ("promoters", "passives", "detractors"):
        assert found[name].to_numpy() / found["n"].to_numpy() == pytest.approx(truth[name].to_numpy(), abs=0.03)
    assert sorted(answers.survey["score"].unique()) == list(range(11))


def test_a_survey_asks_the_customers_it_is_given():
    shop = datasets.make_transactions(n_customers=200)
    answers = datasets.make_survey(shop.truth.index, response_rate=1.0)
    assert answers.survey["customer_id"].tolist() == shop.truth.index.tolist()
    assert "200 answers of 200 customers in 3 segments" in repr(answers)
    numbers = datasets.make_survey([7, 9, 11], response_rate=1.0).survey
    assert numbers["customer_id"].tolist() == [7, 9, 11]


def test_a_survey_is_the_same_for_the_same_seed_and_never_empty():
    one, two = (datasets.make_survey(n_customers=100) for _ in range(2))
    pd.testing.assert_frame_equal(one.survey, two.survey)
    assert len(datasets.make_survey(n_customers=2, response_rate=1e-9).survey) == 1
    only = datasets.make_survey(n_customers=50, segments={"all": (1, 0, 0)}, response_rate=1)
    assert feedback.nps(only.survey).value == 100


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"segments": {}}, "segments is empty"),
        ({"segments": {"a": (0.5, 0.5)}}, "three shares"),
        ({"segments": {"a": (0.5, 0.5, 0.5)}}, "add up to 1"),
        ({"segments": {"a": (1.5, -0.5, 0.0)}}, "zero or more"),
        ({"response_rate": 0}, "no answer"),
        ({"response_rate": 2}, "response_rate=2"),
        ({"n_customers": 0}, "n_customers=0"),
    ],
)
def test_surveys_that_cannot_be_are_refused(options, words):
    with pytest.raises(OptionError, match=words):
        datasets.make_survey(**options)


def test_customers_are_asked_once():
    with pytest.raises(DataError, match="customers: 1 ids are there before, the first at position 2"):
        datasets.make_survey(["a", "b", "a"])
    with pytest.raises(DataError, match="nobody is asked"):
        datasets.make_survey([])
