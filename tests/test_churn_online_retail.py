"""On the invoices of a real wholesaler: the default call against what costs nothing, and a feature that knows the answer."""

import pandas as pd
import pytest

import crmkit as crm
from crmkit import churn, clv, metrics, rfm

EARLIER, LAST = ["2010-12-01", "2011-03-01", "2011-06-01"], "2011-09-01"


@pytest.fixture(scope="module")
def invoices(data_file):
    raw = pd.read_parquet(data_file("online_retail_ii_invoices.parquet"))
    return raw.assign(amount=raw["gross"] - raw["refund"].abs())[["customer_id", "timestamp", "amount"]]


def held_out(invoices):
    """Labels of the last cutoff, and each score of it: of the default call, of recency alone, of BG/NBD."""
    log = crm.events(invoices, refunds="subtract")
    options = {"horizon": "90D", "eligible_within": "365D"}
    past, later = churn.panel(log, cutoffs=EARLIER, **options), churn.panel(log, cutoffs=[LAST], **options)
    summary = clv.summarize(log.until(LAST), unit="W", end="2011-08-31")
    alive = clv.p_alive(clv.fit_bg_nbd(summary), summary)
    scores = {
        "model": churn.predict(churn.fit(past), later).to_numpy(),
        "recency": later["recency_days"].to_numpy(),
        "bg_nbd": 1 - alive.loc[later.index.get_level_values(0)].to_numpy(),
    }
    return later["churned"].to_numpy(), scores


def assert_the_model_is_worth_it(y, scores):
    for baseline in ("recency", "bg_nbd"):
        gain = metrics.difference(y, scores["model"], scores[baseline], metric="average_precision")
        assert gain.ci_low > 0, (baseline, gain)


@pytest.mark.filterwarnings("ignore::crmkit.errors.ConvergenceWarning")
def test_the_default_call_beats_recency_and_p_alive_on_half_of_the_customers(invoices):
    assert_the_model_is_worth_it(*held_out(invoices[invoices["customer_id"] % 2 == 0]))


@pytest.mark.recovery
def test_the_default_call_beats_recency_and_p_alive(invoices):
    y, scores = held_out(invoices)
    assert y.size == 4317
    assert y.mean() == pytest.approx(0.504, abs=0.0005)
    assert_the_model_is_worth_it(y, scores)
    found = {name: metrics.average_precision(y, score).value for name, score in scores.items()}
    assert found["model"] == pytest.approx(0.747, abs=0.01)
    assert found["recency"] == pytest.approx(0.679, abs=0.001)
    assert found["bg_nbd"] == pytest.approx(0.572, abs=0.005)


def test_a_feature_of_the_end_of_the_log_shines_where_it_was_made_and_fails_at_the_next_cutoff(invoices):
    log = crm.events(invoices, refunds="subtract")
    options = {"eligible_within": "365D", "horizon": "90D"}
    june, september = (churn.panel(log, cutoffs=[cutoff], **options) for cutoff in ("2011-06-03", "2011-09-01"))

    def silence(known, cutoff):
        """Days since the last purchase, on the day of the last event in the file."""
        return rfm.summarize(known)[["recency_days"]].rename(columns={"recency_days": "silence"})

    # the file of 1 September, when the label of 3 June was known
    file = silence(log.until("2011-09-01"), None)["silence"]
    ids = june.index.get_level_values(0)
    features = [name for name in june.columns if name not in ("label_end", "churned", "recency_days", "overdue_ratio")]
    leaky = churn.fit(june.assign(silence=file.loc[ids].to_numpy()), features=[*features, "silence"], model="boosting")
    honest = churn.fit(june, features=[*features, "recency_days"], model="boosting")
    assert leaky.metrics["auc"] > 0.99 > honest.metrics["auc"]

    y = september["churned"].to_numpy()
    there = churn.predict(honest, september)
    fooled = churn.predict(leaky, september.assign(silence=september["recency_days"]))
    lost = metrics.difference(y, there.to_numpy(), fooled.to_numpy())
    assert lost.ci_low > 0.05

    # and the audit would have said so
    found = churn.audit(silence, log, cutoffs=["2011-06-03"])
    assert found["leaks"].all()
    assert found["changed"].iloc[0] > 0.99 * found["customers"].iloc[0]
