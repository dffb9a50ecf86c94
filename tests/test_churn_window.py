"""How long a silence must last: Kaplan and Meier on gaps, the open one censored, customers as clusters."""

import itertools

import numpy as np
import pandas as pd
import pytest

from crmkit import churn
from crmkit.errors import DataError, OptionError


def purchases(n=400, seed=0, stay=0.9, mean=20.0, days=600):
    """Exponential gaps; after each purchase a customer leaves with probability 1 - stay."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(n):
        day = rng.uniform(0, days / 2)
        while day < days:
            rows.append((customer, day))
            if rng.random() > stay:
                break
            day += rng.exponential(mean)
    frame = pd.DataFrame(rows, columns=["customer_id", "day"])
    frame["timestamp"] = pd.Timestamp("2024-01-01") + pd.to_timedelta((frame["day"] * 24).round(), unit="h")
    return frame[["customer_id", "timestamp"]]


def gaps(frame):
    """Length in days, whether it closed, and whose it is, in the plainest way."""
    end = frame["timestamp"].max()
    rows = []
    for customer, own in frame.groupby("customer_id"):
        times = sorted(own["timestamp"].unique())
        rows += [((b - a) / pd.Timedelta(days=1), True, customer) for a, b in itertools.pairwise(times)]
        rows.append(((end - times[-1]) / pd.Timedelta(days=1), False, customer))
    return pd.DataFrame(rows, columns=["length", "closed", "customer"])


def returning(found, w, fewest=50):
    """Share that comes back after `w` days, and the variance of the log of the rest by dropping customers one by one."""
    length, closed, customer = (found[name].to_numpy() for name in ("length", "closed", "customer"))
    times = [t for t in np.unique(length[closed]) if t > w and (length >= t).sum() >= fewest]

    def log_share(weight):
        return sum(np.log(1 - weight[closed & (length == t)].sum() / weight[length >= t].sum()) for t in times)

    step = 1e-5
    influence = [
        log_share(np.where(customer == who, 1 + step, 1.0)) - log_share(np.where(customer == who, 1 - step, 1.0))
        for who in np.unique(customer)
    ]
    return log_share(np.ones(length.size)), np.square(influence).sum() / (2 * step) ** 2


def test_the_curve_is_kaplan_and_meiers_and_its_spread_that_of_dropping_customers():
    frame = purchases(n=25, seed=3, days=200)
    found = churn.suggest_window(frame, amount=None)
    slow = gaps(frame)
    table = found.table.set_index("days")
    for w in (0, 7):
        log_share, variance = returning(slow, w)
        assert table.loc[w, "p_return"] == pytest.approx(1 - np.exp(log_share), abs=1e-12)
        assert table.loc[w, "silent"] == (slow["length"] > w).sum()
        wide = np.exp(1.959963984540054 * np.sqrt(variance) / -log_share)
        assert table.loc[w, "ci_low"] == pytest.approx(1 - np.exp(log_share / wide), abs=1e-7)
        assert table.loc[w, "ci_high"] == pytest.approx(1 - np.exp(log_share * wide), abs=1e-7)
    assert found.n_gaps == len(slow)
    assert found.n_customers == 25


def test_the_window_is_the_shortest_after_which_few_come_back():
    found = churn.suggest_window(purchases(), amount=None)
    table = found.table.set_index("days")
    w = int(found.window.removesuffix("D"))
    assert table.loc[w, "p_return"] <= 0.05 < table.loc[w - 1, "p_return"]
    assert found.p_return.value == table.loc[w, "p_return"]
    assert found.p_return.ci_low <= found.p_return.value <= found.p_return.ci_high
    # of exponential gaps with mean 20 after which 9 of 10 stay, the truth is known
    truth = 0.9 * np.exp(-w / 20) / (0.9 * np.exp(-w / 20) + 0.1)
    assert found.p_return.ci_low <= truth <= found.p_return.ci_high
    assert churn.suggest_window(purchases(), amount=None, at_most=0.3).p_return.value <= 0.3
    assert found.window in repr(found)


def test_the_open_gap_counts():
    frame = purchases()
    closed = gaps(frame)
    naive = np.quantile(closed["length"][closed["closed"]], 0.95)
    # the quantile of closed gaps is where 5 % of those who came back had not yet; far more of the silent come back there
    found = churn.suggest_window(frame, amount=None)
    assert found.window is not None
    table = found.table.set_index("days")["p_return"]
    assert table.loc[int(naive)] != pytest.approx(0.05, abs=0.02)


def test_a_window_that_does_not_exist_is_said_so():
    # everybody buys every 30 days, or misses one turn or two, and always comes back
    rng = np.random.default_rng(0)
    days = [np.cumsum(rng.choice([30, 60, 90], 40)) for _ in range(60)]
    frame = pd.DataFrame({"customer_id": np.repeat(np.arange(60), 40), "day": np.concatenate(days)})
    frame["timestamp"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["day"], unit="D")
    frame = frame[frame["day"] < 720]
    found = churn.suggest_window(frame[["customer_id", "timestamp"]], amount=None)
    assert found.window is None
    assert found.p_return is None
    assert found.table["days"].max() <= found.observed_days / 2
    assert found.table["p_return"].min() > 0.05
    assert "no window" in repr(found)


@pytest.mark.recovery
def test_the_interval_covers_at_its_level():
    truth = 0.9 * np.exp(-60 / 20) / (0.9 * np.exp(-60 / 20) + 0.1)
    covered = []
    for seed in range(300):
        table = churn.suggest_window(purchases(n=150, seed=seed, days=500), amount=None).table.set_index("days")
        covered.append(table.loc[60, "ci_low"] <= truth <= table.loc[60, "ci_high"])
    assert 0.92 <= np.mean(covered) <= 0.98


def test_order_of_rows_and_other_frames_change_nothing():
    frame = purchases(n=100, seed=5)
    found = churn.suggest_window(frame, amount=None)
    again = churn.suggest_window(frame.sample(frac=1.0, random_state=1), amount=None)
    pd.testing.assert_frame_equal(found.table, again.table)
    pl = pytest.importorskip("polars")
    other = churn.suggest_window(pl.from_pandas(frame), amount=None)
    assert isinstance(other.table, pl.DataFrame)
    assert other.window == found.window


def test_too_little_to_tell_is_refused():
    frame = purchases(n=5, seed=1)
    with pytest.raises(DataError, match="at least 50 gaps"):
        churn.suggest_window(frame.head(20), amount=None)
    once = pd.DataFrame({"customer_id": range(80), "timestamp": pd.Timestamp("2024-01-01")})
    with pytest.raises(DataError, match="nobody ever bought twice"):
        churn.suggest_window(once, amount=None)
    with pytest.raises(OptionError, match="at_most"):
        churn.suggest_window(frame, amount=None, at_most=5)
