"""Contracts as of a moment: who is under one, what was known of them, and whether their cover then ended."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from crmkit import churn
from crmkit.errors import ColumnError, DataError, DataWarning, OptionError
from naive import panel as naive

CUTOFFS = ["2024-03-01", "2024-06-15", "2024-05-01 12:00"]


def table(seed, n=60, customers=20):
    """Contracts that overlap, touch, lapse and run on; some begin or end at a cutoff."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 30, n) * 7, unit="D")
    end = pd.Series(start + pd.to_timedelta(rng.integers(0, 12, n) * 7, unit="D"))
    end[rng.random(n) < 0.3] = pd.NaT
    frame = pd.DataFrame({"customer_id": [f"c{k:02d}" for k in rng.integers(0, customers, n)], "start": start, "end": end})
    frame.loc[0, ["start", "end"]] = pd.to_datetime(["2024-02-01", "2024-03-01"])
    frame.loc[1, ["start", "end"]] = pd.to_datetime(["2024-03-01", "2024-06-15"])
    return frame


def panel(frame, **options):
    return churn.panel(
        frame, **{"cutoffs": CUTOFFS, "horizon": "60D", "start": "start", "end": "end", "as_of": "2024-12-31", **options}
    )


@pytest.mark.parametrize("returned", ["churned", "stayed"])
@pytest.mark.parametrize("seed", range(4))
def test_the_panel_is_what_looking_at_every_contract_gives(seed, returned):
    frame = table(seed)
    found = panel(frame, returned=returned)
    wanted = pd.DataFrame(naive.contracts(frame, [pd.Timestamp(c) for c in CUTOFFS], "60D", returned))
    assert_frame_equal(found, wanted.set_index(["customer_id", "cutoff"]), check_dtype=False)


def one(start, end, cutoff="2024-03-01", **options):
    frame = pd.DataFrame({"customer_id": "a", "start": pd.to_datetime(start), "end": pd.to_datetime(end)})
    return panel(frame, cutoffs=[cutoff], horizon="30D", **options)


def test_an_end_at_the_cutoff_is_in_the_label_and_not_in_the_features():
    row = one(["2024-01-01"], ["2024-03-01"]).iloc[0]
    assert row["churned"]
    assert (row["in_force"], row["lapses"]) == (1, 0)
    # a contract that begins at the cutoff renews it, and is not yet one of its contracts
    row = one(["2024-01-01", "2024-03-01"], ["2024-03-01", None]).iloc[0]
    assert not row["churned"]
    assert row["contracts"] == 1


def test_an_end_at_the_end_of_the_window_is_outside_it():
    assert not one(["2024-01-01"], ["2024-03-31"]).iloc[0]["churned"]
    assert one(["2024-01-01"], ["2024-03-30"]).iloc[0]["churned"]


def test_who_cancels_and_comes_back_is_what_the_caller_says():
    starts, ends = ["2024-01-01", "2024-03-20"], ["2024-03-10", None]
    assert one(starts, ends, returned="churned").iloc[0]["churned"]
    assert not one(starts, ends, returned="stayed").iloc[0]["churned"]
    # and one cutoff later it is a lapse of the past
    later = one(starts, ends, cutoff="2024-04-01").iloc[0]
    assert (later["lapses"], later["uncovered_days"], later["spell_days"], later["churned"]) == (1, 10.0, 12.0, False)


def test_when_a_contract_will_end_is_not_known_before_it_has():
    known = panel(table(5), horizon=None)
    for cutoff in CUTOFFS:
        past = table(5)
        past = past[past["start"] < cutoff]
        hidden = past.assign(end=past["end"].where(past["end"] < cutoff))
        alone = panel(hidden, horizon=None, cutoffs=[cutoff])
        moment = known.index.get_level_values("cutoff") == pd.Timestamp(cutoff)
        assert_frame_equal(known[moment].reset_index(), alone.reset_index())


def test_the_plan_in_force_is_carried_over():
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b"],
            "start": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-01-15"]),
            "end": pd.to_datetime(["2024-05-01", None, None]),
            "plan": ["basic", "pro", "basic"],
            "price": [10.0, 25.5, 12.0],
        }
    )
    found = panel(frame, cutoffs=["2024-01-20", "2024-04-01"], carry=["plan", "price"])
    assert found["plan"].tolist() == ["basic", "pro", "basic", "basic"]
    assert found["price"].tolist() == [10.0, 25.5, 12.0, 12.0]
    with pytest.raises(OptionError, match="carry='lapses' is named like"):
        panel(frame.assign(lapses=1.0), carry=["lapses"])


def test_the_order_of_rows_changes_nothing():
    frame = table(2).assign(plan=list("abc") * 20)
    shuffled = frame.sample(frac=1.0, random_state=1)
    assert_frame_equal(panel(frame, carry="plan"), panel(shuffled, carry="plan"))


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_frames(kind):
    frame = table(3)
    native = pytest.importorskip("polars").from_pandas(frame)
    native = native if kind == "polars" else native.to_arrow()
    found = panel(native)
    assert type(found) is type(native)
    wanted = panel(frame).reset_index()
    assert_frame_equal(found.to_pandas(), wanted, check_dtype=False)


def test_zones_and_units_are_told_apart():
    frame = table(1)
    zoned = frame.assign(**{name: frame[name].dt.tz_localize("Europe/London") for name in ("start", "end")})
    assert panel(zoned)["churned"].tolist() == panel(frame)["churned"].tolist()
    coarse = frame.assign(start=frame["start"].astype("datetime64[s]"), end=frame["end"].astype("datetime64[ns]"))
    assert_frame_equal(panel(coarse).reset_index(), panel(frame).reset_index(), check_dtype=False)
    with pytest.raises(DataError, match="'start' is in zone Europe/London, 'end' in None"):
        panel(zoned.assign(end=frame["end"]))


def test_a_window_that_is_not_over_is_refused_or_left_out_with_a_count():
    frame = table(0)
    with pytest.raises(DataError, match=r"cutoff 2024-06-15.*contracts are known to 2024-07-01.*labelled by silence"):
        panel(frame, as_of="2024-07-01")
    with pytest.warns(DataWarning, match="1 of 3 cutoffs left out, the first 2024-06-15") as said:
        found = panel(frame, as_of="2024-07-01", unfinished="drop")
    assert [each.filename for each in said if each.category is DataWarning] == [__file__]
    assert found.index.get_level_values("cutoff").unique().tolist() == [pd.Timestamp(c) for c in (CUTOFFS[0], CUTOFFS[2])]


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        ({}, {"end": None}, OptionError, "both start= and end="),
        ({}, {"returned": "back"}, OptionError, "returned"),
        ({}, {"order": "order_id"}, OptionError, "drop \\['order'\\]"),
        ({}, {"eligible_within": "90D"}, OptionError, "for purchases"),
        ({}, {"carry": ["plan"]}, ColumnError, "no column 'plan'"),
        ({}, {"cutoffs": ["2023-01-01"]}, DataError, "no contract is in force at cutoff 2023-01-01"),
        ({}, {"as_of": "2023-01-01"}, DataError, "no contract has started by 2023-01-01"),
        ({"end": pd.Timestamp("2023-01-01")}, {}, DataError, "60 before 'start', the first in row 0"),
        ({"start": pd.NaT}, {}, DataError, "'start': 60 missing times"),
    ],
)
def test_what_cannot_be_meant_is_refused(change, options, error, words):
    with pytest.raises(error, match=words):
        panel(table(0).assign(**change), **options)


def test_the_last_moment_of_a_day_is_still_that_day():
    seconds = table(0).astype({"start": "datetime64[s]", "end": "datetime64[s]"})
    late = panel(seconds, cutoffs=["2024-03-01"], as_of=pd.Period("2024-06-30").end_time)
    assert_frame_equal(late, panel(seconds, cutoffs=["2024-03-01"], as_of="2024-06-30"))
    with pytest.raises(DataError, match="known to 2024-06-30"):
        panel(seconds, cutoffs=["2024-05-03"], as_of=pd.Period("2024-06-30").end_time)


def test_options_of_contracts_are_refused_for_purchases():
    orders = pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-05-01"]), "amount": 1.0})
    with pytest.raises(OptionError, match="are for contracts"):
        churn.panel(orders, cutoffs=["2024-02-01"], as_of="2024-05-01")
    with pytest.raises(DataError, match="no rows"):
        panel(table(0).head(0))


def test_a_model_of_contracts_fits_and_predicts():
    frame = pd.concat([table(seed, n=300, customers=150) for seed in range(2)])
    found = panel(frame, cutoffs=["2024-04-01"])
    model = churn.fit(found)
    assert "spell_days" in model.features
    today = panel(frame, cutoffs=["2024-08-01"], horizon=None)
    # the contracts began in 2024: nobody had half a year behind them when it was fitted
    with pytest.warns(DataWarning, match="far outside the range"):
        assert churn.predict(model, today).between(0, 1).all()
