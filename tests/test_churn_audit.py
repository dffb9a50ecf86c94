"""Features of one's own: they are given the past alone, and an audit shows which would have looked further."""

import numpy as np
import pandas as pd
import pytest

from crmkit import churn, rfm
from crmkit._events import events
from crmkit.errors import ColumnError, DataError, DataWarning, LimitError, OptionError


def orders(n=300, customers=40, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customer_id": [f"c{k:02d}" for k in rng.integers(0, customers, n)],
            "timestamp": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, n), unit="D"),
            "amount": rng.integers(1, 50, n).astype(float),
            "kind": rng.choice(["call", "visit"], n),
        }
    )


CUTOFFS = ["2024-06-01", "2024-09-01"]


def honest(log, cutoff):
    return rfm.summarize(log.until(cutoff), as_of=cutoff)


def silence(log, cutoff):
    """Counts from the end of the log it is given, as the textbook table of recency does."""
    return rfm.summarize(log)[["recency_days"]].rename(columns={"recency_days": "silence"})


def test_a_feature_that_looks_at_the_end_of_the_log_is_caught():
    found = churn.audit([honest, silence], orders(), cutoffs=CUTOFFS)
    assert found.columns.tolist() == ["cutoff", "feature", "customers", "changed", "largest_change", "leaks"]
    leaks = found.set_index(["cutoff", "feature"])["leaks"]
    for cutoff in pd.to_datetime(CUTOFFS):
        assert leaks.xs(cutoff).to_dict() == {"recency_days": False, "frequency": False, "monetary": False, "silence": True}
    caught = found[found["leaks"]]
    assert (caught["changed"] > 0.9 * caught["customers"]).all()
    assert (caught["largest_change"] > 90).all()


def test_the_panel_itself_passes_the_audit():
    def own(log, cutoff):
        return churn.panel(log, cutoffs=[cutoff], horizon=None).droplevel("cutoff")

    assert not churn.audit(own, orders(), cutoffs=CUTOFFS)["leaks"].any()


def test_in_the_panel_even_a_careless_feature_sees_the_past_only():
    frame = orders()
    found = churn.panel(frame, cutoffs=CUTOFFS, horizon=None, features=silence)
    for cutoff in CUTOFFS:
        past = frame[frame["timestamp"] < cutoff]
        last = past.groupby("customer_id")["timestamp"].max()
        expected = (past["timestamp"].max() - last).dt.days
        here = found.xs(pd.Timestamp(cutoff), level="cutoff")["silence"]
        assert here.to_dict() == expected.to_dict()


def test_features_may_be_numbers_flags_and_text_and_may_be_missing():
    def own(log, cutoff):
        counts = rfm.summarize(log)["frequency"]
        return pd.DataFrame(
            {
                "often": counts > 7,
                "band": np.where(counts > 7, "many", "few"),
                "ratio": counts.where(counts > 3) / 2,
            }
        )

    found = churn.panel(orders(), cutoffs=CUTOFFS, horizon="60D", features=[own])
    assert set(found["band"]) == {"many", "few"}
    assert found["ratio"].isna().any()
    assert (found["often"] == (found["orders_total"] > 7)).all()
    model = churn.fit(found)
    assert "band" in model.features
    assert "ratio" in model.missing


def test_a_series_takes_the_name_of_its_function():
    def weeks(log, cutoff):
        return (rfm.summarize(log)["recency_days"] / 7).rename(None)

    assert "weeks" in churn.panel(orders(), cutoffs=CUTOFFS, horizon=None, features=weeks).columns


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_frames(kind):
    pl = pytest.importorskip("polars")
    native = pl.from_pandas(orders())
    native = native if kind == "polars" else native.to_arrow()
    found = churn.audit(silence_of(kind), native, cutoffs=CUTOFFS)
    assert type(found) is type(native)
    assert found.to_pandas()["leaks"].all()
    panel = churn.panel(native, cutoffs=CUTOFFS, horizon=None, features=silence_of(kind)).to_pandas()
    expected = churn.panel(orders(), cutoffs=CUTOFFS, horizon=None, features=silence)
    assert panel["silence"].tolist() == expected["silence"].tolist()


def silence_of(kind):
    def answer(log, cutoff):
        table = rfm.summarize(log)
        if kind == "polars":
            return table.select("customer_id", silence="recency_days")
        return table.select(["customer_id", "recency_days"]).rename_columns(["customer_id", "silence"])

    return answer


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (3, OptionError, "a function of a log and a cutoff"),
        ([], OptionError, "a function of a log and a cutoff"),
        (lambda log, cutoff: 3, DataError, "returned a int, not a frame"),
        (lambda log, cutoff: rfm.summarize(log)[[]], DataError, "returned no column"),
        (lambda log, cutoff: rfm.summarize(log).iloc[:3], DataError, r"no row for \d+ of \d+ customers at cutoff 2024-06-01"),
        (lambda log, cutoff: pd.concat([rfm.summarize(log)] * 2), DataError, "more than one row for a customer"),
        (lambda log, cutoff: rfm.summarize(log).rename(columns={"monetary": "churned"}), ColumnError, "has already"),
        (lambda log, cutoff: rfm.summarize(log).add_suffix(str(cutoff.month)), DataError, "but .* before"),
    ],
)
def test_a_function_that_answers_otherwise_is_refused(function, error, words):
    with pytest.raises(error, match=words):
        churn.panel(orders(), cutoffs=CUTOFFS, horizon=None, features=function)


# ── who is in the panel, and what else it counts ─────────────────────────────────────────────────────────────────────────


def test_only_those_who_bought_lately_are_eligible():
    frame = orders()
    everyone = churn.panel(frame, cutoffs=CUTOFFS, horizon="60D")
    lately = churn.panel(frame, cutoffs=CUTOFFS, horizon="60D", eligible_within="30D")
    pd.testing.assert_frame_equal(lately, everyone[everyone["recency_days"] <= 30])
    assert lately.attrs["eligible"] == "bought within 30D before the cutoff"
    with pytest.raises(DataError, match="within 1D of it"):
        churn.panel(frame[frame["timestamp"] != "2024-05-31"], cutoffs=CUTOFFS, horizon="60D", eligible_within="1D")


def test_a_purchase_just_as_old_as_allowed_is_eligible():
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "b", "end"],
            "timestamp": pd.to_datetime(["2024-01-31 00:00", "2024-01-30 23:59", "2024-06-01 00:00"]),
            "amount": 1.0,
        }
    )
    found = churn.panel(frame, cutoffs=["2024-03-01"], horizon=None, eligible_within="30D")
    assert found.index.get_level_values(0).tolist() == ["a"]


def test_cutoffs_whose_window_is_not_over_are_left_out_with_a_count():
    frame = orders()
    late = [*CUTOFFS, "2025-01-01", "2025-01-15"]
    with pytest.raises(DataError, match="2 cutoffs are affected"):
        churn.panel(frame, cutoffs=late, horizon="60D")
    with pytest.warns(DataWarning, match="2 of 4 cutoffs left out, the first 2025-01-01") as said:
        found = churn.panel(frame, cutoffs=late, horizon="60D", unfinished="drop")
    assert [each.filename for each in said if each.category is DataWarning] == [__file__]
    pd.testing.assert_frame_equal(found, churn.panel(frame, cutoffs=CUTOFFS, horizon="60D"))
    with pytest.raises(DataError, match="label window"):
        churn.panel(frame, cutoffs=late[2:], horizon="60D", unfinished="drop")


def test_events_of_each_kind_are_counted():
    frame = orders()
    found = churn.panel(frame, cutoffs=CUTOFFS, horizon=None, windows=("30D",), kind="kind")
    for (customer, cutoff), row in found.iterrows():
        own = frame[(frame["customer_id"] == customer) & (frame["timestamp"] < cutoff)]
        for kind in ("call", "visit"):
            those = own[own["kind"] == kind]
            assert row[f"{kind}_events_total"] == len(those)
            assert row[f"{kind}_events_30d"] == (those["timestamp"] >= cutoff - pd.Timedelta(days=30)).sum()
    with pytest.raises(LimitError, match="60 kinds of events"):
        churn.panel(events(frame.assign(kind=np.arange(len(frame)) % 60), kind="kind"), cutoffs=CUTOFFS, horizon=None)


def test_a_silence_across_two_months_is_churn_wherever_the_cutoff_falls():
    frame = pd.DataFrame({"customer_id": "a", "timestamp": pd.to_datetime(["2024-01-01", "2024-02-29"]), "amount": 1.0})
    found = churn.panel(frame, cutoffs=list(pd.date_range("2024-01-02", "2024-01-31")), horizon="30D")["churned"]
    # silent from 1 January to 29 February: no window of 30 days that ends by then holds a purchase
    assert found.droplevel(0).to_dict() == {day: day <= pd.Timestamp("2024-01-30") for day in found.index.levels[1]}
