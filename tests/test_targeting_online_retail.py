"""The measured tables of the page on honest evaluation, on Online Retail II: this test fails if they no longer hold.

Trees differ a little from one scikit-learn to the next, so that figures may move in the second digit.
"""

import re
import warnings
from pathlib import Path

import numba
import pandas as pd
import pytest
from pytest import approx

import crmkit as crm
from crmkit.errors import CrmkitWarning

PAGE = (Path(__file__).parents[1] / "docs" / "explanation" / "churn_evaluation.md").read_text(encoding="utf-8")
WINDOW = {"horizon": "90D", "eligible_within": "365D"}

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="kernels run as plain Python")


def rows(header):
    """The rows of the table that starts with `header`, as lists of words and numbers."""
    table = PAGE[PAGE.index(header) :].split("\n\n")[0].splitlines()[2:]
    return {cells[0]: [float(x.replace("−", "-")) for x in cells[1:]] for cells in (split(line) for line in table)}


def split(line):
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    return [cells[0], *re.findall(r"[−-]?\d*\.\d+", " ".join(cells[1:]))]


@pytest.fixture(scope="module")
def log(data_file):
    invoices = pd.read_parquet(data_file("online_retail_ii_invoices.parquet"))
    bought = invoices[invoices["gross"] > 0]
    return crm.events(bought.assign(amount=(bought["gross"] - bought["refund"]).clip(lower=0)))


@pytest.fixture(scope="module")
def later(log):
    return crm.churn.panel(log, cutoffs=["2011-09-01"], **WINDOW)


def quietly(function, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CrmkitWarning)
        return function(*args, **options)


def test_the_default_call_beats_recency_and_the_probability_of_being_alive(log, later):
    past = crm.churn.panel(log, cutoffs=["2010-12-01", "2011-03-01", "2011-06-01"], **WINDOW)
    p = crm.churn.predict(quietly(crm.churn.fit, past), later).to_numpy()
    churned = later["churned"].to_numpy()
    known = crm.clv.summarize(log.until("2011-09-01"), end="2011-08-31")
    customers = later.index.get_level_values("customer_id")
    scores = {"the default call": p, "days since the last purchase": later["recency_days"].to_numpy()}
    for name, fit in (("1 − p_alive, BG/NBD", crm.clv.fit_bg_nbd), ("1 − p_alive, Pareto/NBD", crm.clv.fit_pareto_nbd)):
        alive = quietly(crm.clv.p_alive, quietly(fit, known), known)
        scores[name] = 1.0 - alive.reindex(customers).to_numpy()
    printed = rows("| scores | average precision |")
    assert set(printed) == set(scores)
    for name, score in scores.items():
        precision = crm.metrics.average_precision(churned, score)
        assert [precision.value, precision.ci_low, precision.ci_high] == approx(printed[name][:3], abs=0.015)
        if name != "the default call":
            gap = crm.metrics.difference(churned, p, score, metric="average_precision")
            assert [gap.value, gap.ci_low, gap.ci_high] == approx(printed[name][3:], abs=0.015)
            assert gap.ci_low > 0


def test_a_recency_of_the_day_the_file_was_written_shines_and_fails(log, later):
    def last_seen(panel, known):
        table = panel.droplevel("cutoff").drop(columns="label_end")
        seen = crm.rfm.summarize(log.until(known), as_of=known)["recency_days"]
        return table, table.assign(days_since_last=seen.reindex(table.index))

    then = crm.churn.panel(log, cutoffs=["2011-06-03"], **WINDOW)
    printed = rows("| recency | AUC, cross-validated |")
    found = {}
    for name, first, second in zip(printed, last_seen(then, "2011-09-01"), last_seen(later, "2011-09-01"), strict=True):
        model = quietly(crm.churn.fit, first, model="boosting")
        after = crm.metrics.auc(second["churned"], crm.churn.predict(model, second)).value
        found[name] = [model.metrics["auc"], after]
        assert found[name] == approx(printed[name], abs=0.015)
    honest, leaky = found.values()
    assert leaky[0] > 0.99
    assert leaky[1] < honest[1] - 0.05
