"""Every public function that takes data × everything that can be wrong with a frame: a right answer or a named error.

The matrix is made from the public names: a function that takes data and has no case here fails the first test.
"""

import contextlib
import dataclasses
import inspect
import types
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import crmkit as crm
from crmkit import _frame
from crmkit.errors import CrmkitError, CrmkitWarning


@dataclasses.dataclass(frozen=True)
class Case:
    """A public function, a frame it answers, and the roles of the frame's columns."""

    call: Callable[[Any], Any]
    frame: Callable[[], pd.DataFrame]
    ids: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()  # columns it answers without
    keyed: bool = False  # the pandas index holds ids, so that a duplicate is an error
    per_row: bool = True  # one answer per row: shuffled rows give shuffled answers
    negative: tuple[str, ...] = ()  # numbers that may be below zero
    exact: float = 1e-9
    kinds: tuple[str, ...] = ("polars", "pyarrow")
    text_is_data: bool = False  # a column of text is a category
    missing_is_data: bool = False  # what a missing value means is learnt
    ordered: bool = False  # the rows are a sequence: out of order they are refused
    none_is_new: bool = False  # no frame at all stands for a new customer


def orders() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 160
    return pd.DataFrame(
        {
            "customer_id": rng.integers(0, 30, n),
            "timestamp": pd.Timestamp("2023-01-01") + pd.to_timedelta(np.sort(rng.choice(400 * 24, n, replace=False)), unit="h"),
            "amount": rng.integers(1, 90, n).astype(float),
            "item_id": rng.integers(0, 12, n),
        }
    )


def monthly() -> pd.DataFrame:
    """Orders of several items each."""
    frame = orders()
    return frame.assign(timestamp=frame["timestamp"].dt.floor("60D"))


def repeating() -> Any:
    return crm.recommend.fit_frequency(crm.recommend.interactions(orders()))


def itemsets() -> pd.DataFrame:
    return crm.basket.frequent_itemsets(monthly(), min_support=0.02)


def quietly(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CrmkitWarning)
        return function(*args, **options)


def summary() -> pd.DataFrame:
    return crm.clv.summarize(orders()).drop(columns="unit").reset_index()


def renewals() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    ends = rng.geometric(rng.beta(1.0, 3.0, 200))
    watched = rng.integers(3, 9, 200)
    return pd.DataFrame({"age": np.minimum(ends, watched), "lost": (ends <= watched).astype(int)})


def known() -> pd.DataFrame:
    table = crm.clv.split(orders(), calibration_end="2023-10-01").known
    return table.drop(columns=["unit", "monetary_value", "first_value", "holdout_monetary_value"]).reset_index()


def opportunities() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    taken = rng.random((40, 8)) < np.minimum(rng.beta(2, 3, 40)[:, None], 0.9)
    taken &= np.arange(8) < rng.integers(2, 9, 40)[:, None]
    last = np.where(taken.any(axis=1), 8 - taken[:, ::-1].argmax(axis=1), 0)
    return pd.DataFrame({"customer_id": range(40), "frequency": taken.sum(axis=1), "recency": last, "T": 8})


def measures() -> pd.DataFrame:
    return crm.rfm.summarize(orders()).reset_index()


def scores() -> pd.DataFrame:
    return quietly(crm.rfm.score, measures())


def survey() -> pd.DataFrame:
    return pd.DataFrame({"score": [0, 3, 6, 7, 8, 9, 9, 10, 10, 10], "segment": list("aabbabbaab")})


def rates() -> pd.DataFrame:
    n = np.arange(20, 26)
    return pd.DataFrame({"segment": list("abcdef"), "value": n - 10.0, "n": n, "se": n / 10.0})


def people() -> pd.DataFrame:
    first = ["anna", "bruno", "clara", "dmitri", "elena", "farid", "greta", "hugo", "ines", "jonas"]
    last = ["abel", "baker", "costa", "diaz", "evans", "fischer", "garcia", "hansen", "ito", "jones"]
    rows = [(f, s, f"19{50 + i}-0{1 + i % 9}-1{i % 10}") for i, f in enumerate(first) for s in last[i % 3 :: 3]]
    rows += [(f[:-1] + "x", s, d) for f, s, d in rows[::4]] + rows[1::5]
    return pd.DataFrame(rows, columns=["given_name", "surname", "born"])


FIELDS = {"given_name": "name", "surname": "name", "born": "date"}


def first_pairs(frame: Any) -> pd.DataFrame:
    """Two pairs of a frame of people, by the names of its rows where it has them."""
    index = frame.index if isinstance(frame, pd.DataFrame) and len(frame) > 5 else range(6)
    return pd.DataFrame({"left": [index[0], index[1]], "right": [index[4], index[5]]})


def two_ids(frame: Any) -> tuple[Any, Any]:
    pairs = first_pairs(frame)
    return pairs["left"].iloc[0], pairs["right"].iloc[0]


def linkage() -> Any:
    if not hasattr(BUYING, "linkage"):
        BUYING.linkage = quietly(crm.dedupe.fit_fellegi_sunter, people(), fields=FIELDS)
    return BUYING.linkage


def scored_pairs() -> pd.DataFrame:
    p = np.array([0.99, 0.97, 0.5, 0.96, 0.02, 0.999])
    ids = {"left": [1, 2, 3, 4, 5, 6], "right": [2, 3, 7, 8, 9, 8]}
    return pd.DataFrame({**ids, "match_weight": np.log2(p / (1 - p)), "probability": p})


def contracts() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    tenure, spend = rng.integers(1, 60, 120), rng.gamma(2.0, 20.0, 120)
    leaves = rng.random(120) < 1 / (1 + np.exp(0.05 * tenure - 1))
    return pd.DataFrame(
        {"customer_id": range(120), "tenure": tenure.astype(float), "spend": spend, "churned": leaves.astype(int)}
    )


def looking_back(log: Any, cutoff: Any) -> Any:
    return crm.churn.panel(log, cutoffs=[cutoff], horizon=None)


def staying() -> Any:
    if not hasattr(BUYING, "churn"):
        BUYING.churn = quietly(crm.churn.fit, contracts(), features=["tenure", "spend"])
    return BUYING.churn


def scored() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    p = rng.random(80).round(2)
    return pd.DataFrame({"y": (rng.random(80) < p).astype(int), "p": p, "q": rng.random(80).round(1)})


def lives() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    return pd.DataFrame(
        {"duration": rng.integers(3, 12, 60), "event": rng.integers(0, 2, 60), "entry": rng.integers(0, 3, 60)}
    ).assign(plan=list("abc") * 20)


def trial() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    arm = np.array(["control", "mail"] * 30)
    before = rng.gamma(2.0, 10.0, 60).round(2)
    return pd.DataFrame({"arm": arm, "won": rng.integers(0, 2, 60), "before": before, "spend": before + rng.integers(1, 9, 60)})


def mailing() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    mail, taste = np.arange(160) % 2, rng.normal(5.0, 1.0, 160).round(3)
    spend = (taste + mail * (taste > 5) * 3 + rng.random(160)).round(3)
    return pd.DataFrame({"mail": mail, "taste": taste, "spend": spend, "guess": rng.normal(5.0, 1.0, 160).round(3)})


def moved() -> Any:
    if not hasattr(BUYING, "uplift"):
        BUYING.uplift = quietly(crm.uplift.fit, mailing(), **MAILING, features=["taste"], base="linear", folds=2)
    return BUYING.uplift


def two_months() -> pd.DataFrame:
    return pd.concat([trial().assign(month=1), trial().assign(month=2, spend=trial()["spend"] + 3)], ignore_index=True)


def aged() -> pd.DataFrame:
    return lives().assign(age=np.random.default_rng(8).integers(20, 60, 60))


def leaving() -> Any:
    if not hasattr(BUYING, "leaving"):
        BUYING.leaving = crm.survival.fit_cox(aged(), features=["age", "plan"])
    return BUYING.leaving


def column(frame: Any, name: str) -> Any:
    return _frame.read(frame).column(name)


BUYING = types.SimpleNamespace()
MAILING = {"treatment": "mail", "outcome": "spend"}


def buying() -> Any:
    if not hasattr(BUYING, "model"):
        BUYING.model = quietly(crm.clv.fit_bg_nbd, summary(), unit="W")
        BUYING.spend = quietly(crm.clv.fit_gamma_gamma, summary())
    return BUYING.model


def spend() -> Any:
    buying()
    return BUYING.spend


LOG = {
    "frame": orders,
    "ids": ("customer_id",),
    "times": ("timestamp",),
    "numbers": ("amount",),
    "optional": ("item_id",),
    "per_row": False,
}
RFT = ("frequency", "recency", "T")
SPEND = ("frequency", "monetary_value")

CASES: dict[str, Case] = {
    "events": Case(crm.events, **LOG),
    "customers": Case(lambda f: crm.customers(f, churn_horizon="60D").table, **LOG),
    "rfm.summarize": Case(crm.rfm.summarize, **LOG),
    "rfm.score": Case(
        crm.rfm.score,
        measures,
        numbers=("recency_days", "frequency", "monetary"),
        negative=("monetary",),
        optional=("customer_id",),
    ),
    "rfm.thresholds": Case(
        crm.rfm.thresholds,
        measures,
        numbers=("recency_days", "frequency", "monetary"),
        negative=("monetary",),
        optional=("customer_id",),
        per_row=False,
    ),
    "rfm.profile": Case(
        lambda f: crm.rfm.profile(["a"] * 30, f),
        measures,
        numbers=("recency_days", "frequency", "monetary"),
        negative=("monetary",),
        optional=("customer_id",),
        per_row=False,
    ),
    "rfm.concentration": Case(crm.rfm.concentration, **LOG),
    "rfm.cluster": Case(
        lambda f: crm.rfm.cluster(f, k=3).model,
        measures,
        numbers=("recency_days", "frequency", "monetary"),
        negative=("monetary",),
        optional=("customer_id",),
        per_row=False,
    ),
    "rfm.segment": Case(crm.rfm.segment, scores, numbers=("r", "f", "m"), optional=("rfm",)),
    "clv.summarize": Case(crm.clv.summarize, **LOG),
    "cohort.retention": Case(lambda f: crm.cohort.retention(f, measure="net_revenue"), **LOG),
    "cohort.churn_rate": Case(crm.cohort.churn_rate, **LOG),
    "cohort.average": Case(
        crm.cohort.average,
        lambda: crm.cohort.retention(orders()),
        numbers=("period", "n", "active"),
        optional=("cohort", "value", "ci_low", "ci_high"),
        per_row=False,
    ),
    "churn.panel": Case(lambda f: crm.churn.panel(f, cutoffs=["2023-08-01", "2023-10-01"]), **LOG),
    "churn.suggest_window": Case(lambda f: crm.churn.suggest_window(f, at_most=0.3), **LOG),
    "churn.audit": Case(lambda f: crm.churn.audit(looking_back, f, cutoffs=["2023-08-01"]), **LOG),
    "churn.fit": Case(
        lambda f: crm.churn.fit(f, features=["tenure", "spend"]),
        contracts,
        numbers=("tenure", "spend"),
        negative=("tenure", "spend"),
        optional=("customer_id",),
        per_row=False,
        exact=1e-6,
        text_is_data=True,
        missing_is_data=True,
    ),
    "churn.drivers": Case(
        lambda f: crm.churn.drivers(staying(), f),
        contracts,
        numbers=("tenure", "spend"),
        negative=("tenure", "spend"),
        optional=("customer_id",),
        per_row=False,
        exact=0.5,  # rows are shuffled by their place
    ),
    "churn.drift": Case(
        lambda f: crm.churn.drift(staying(), contracts(), f),
        contracts,
        numbers=("tenure", "spend"),
        negative=("tenure", "spend"),
        optional=("customer_id", "churned"),
        per_row=False,
        missing_is_data=True,
    ),
    "churn.predict": Case(
        lambda f: crm.churn.predict(staying(), f),
        contracts,
        numbers=("tenure", "spend"),
        negative=("tenure", "spend"),
        optional=("customer_id", "churned"),
    ),
    "clv.split": Case(lambda f: crm.clv.split(f, calibration_end="2023-10-01"), **LOG),
    "clv.compress": Case(
        crm.clv.compress, summary, numbers=RFT, optional=("customer_id", "monetary_value", "first_value"), per_row=False
    ),
    "clv.fit_bg_nbd": Case(
        crm.clv.fit_bg_nbd,
        summary,
        numbers=RFT,
        optional=("customer_id", "monetary_value", "first_value"),
        per_row=False,
        exact=1e-6,
    ),
    "clv.fit_bg_cnbd": Case(
        lambda f: crm.clv.fit_bg_cnbd(f, k=2, penalty=0.01),
        summary,
        numbers=RFT,
        optional=("customer_id", "monetary_value", "first_value"),
        per_row=False,
        exact=1e-6,
    ),
    "clv.fit_mbg_nbd": Case(
        crm.clv.fit_mbg_nbd,
        summary,
        numbers=RFT,
        optional=("customer_id", "monetary_value", "first_value"),
        per_row=False,
        exact=1e-6,
    ),
    "clv.fit_bdw": Case(crm.clv.fit_bdw, renewals, numbers=("age", "lost"), per_row=False, exact=1e-6),
    "clv.fit_sbg": Case(crm.clv.fit_sbg, renewals, numbers=("age", "lost"), per_row=False, exact=1e-6),
    "clv.fit_bg_bb": Case(crm.clv.fit_bg_bb, opportunities, numbers=RFT, optional=("customer_id",), per_row=False, exact=1e-6),
    "clv.fit_pareto_nbd": Case(
        lambda f: crm.clv.fit_pareto_nbd(f, penalty=0.01),
        summary,
        numbers=RFT,
        optional=("customer_id", "monetary_value", "first_value"),
        per_row=False,
        exact=1e-6,
    ),
    "clv.fit_gamma_gamma": Case(
        crm.clv.fit_gamma_gamma,
        summary,
        numbers=SPEND,
        optional=("customer_id", "recency", "T", "first_value"),
        per_row=False,
        exact=1e-6,
    ),
    "score_batches": Case(
        lambda f: next(iter(crm.score_batches(partial(crm.clv.p_alive, buying()), [f]))),
        summary,
        numbers=RFT,
        optional=("customer_id", "monetary_value", "first_value"),
    ),
    "clv.p_alive": Case(
        lambda f: crm.clv.p_alive(buying(), f), summary, numbers=RFT, optional=("customer_id", "monetary_value", "first_value")
    ),
    "clv.expected_purchases": Case(
        lambda f: crm.clv.expected_purchases(buying(), f, horizon=4),
        summary,
        numbers=RFT,
        optional=("customer_id", "monetary_value", "first_value"),
        none_is_new=True,
    ),
    "clv.expected_spend": Case(
        lambda f: crm.clv.expected_spend(spend(), f),
        summary,
        numbers=SPEND,
        optional=("customer_id", "recency", "T", "first_value"),
        none_is_new=True,
    ),
    "clv.purchase_distribution": Case(
        lambda f: crm.clv.purchase_distribution(buying(), f, horizon=4),
        summary,
        numbers=RFT,
        optional=("customer_id", "monetary_value", "first_value"),
        none_is_new=True,
    ),
    "clv.next_purchase": Case(
        lambda f: crm.clv.next_purchase(buying(), f),
        summary,
        numbers=RFT,
        optional=("customer_id", "monetary_value", "first_value"),
        none_is_new=True,
    ),
    "clv.discounted_purchases": Case(
        lambda f: crm.clv.discounted_purchases(buying(), f),
        summary,
        numbers=RFT,
        optional=("customer_id", "monetary_value", "first_value"),
        none_is_new=True,
    ),
    "clv.prediction_interval": Case(
        lambda f: quietly(crm.clv.prediction_interval, buying(), f, horizon=4, draws=60, spend=spend()).customers,
        summary,
        numbers=(*RFT, "monetary_value"),
        optional=("customer_id", "first_value"),
    ),
    "clv.simulate": Case(
        lambda f: crm.clv.simulate(buying(), f, horizon=4).truth,
        summary,
        numbers=RFT,
        optional=("customer_id", "monetary_value", "first_value"),
        keyed=True,
        none_is_new=True,
    ),
    "clv.equity": Case(
        lambda f: quietly(crm.clv.equity, buying(), spend(), f, draws=60, horizon="1Y"),
        summary,
        numbers=(*RFT, "monetary_value"),
        optional=("customer_id", "first_value"),
        per_row=False,
    ),
    "clv.tracking": Case(lambda f, **k: crm.clv.tracking(buying(), f, calibration_end="2023-10-01", **k), **LOG),
    "clv.evaluate": Case(
        lambda f: quietly(crm.clv.evaluate, buying(), f, draws=60),
        known,
        numbers=(*RFT, "holdout_frequency", "holdout_T"),
        optional=("customer_id", "previous_frequency"),
        per_row=False,
    ),
    "clv.compare": Case(
        # forecasts of a number alone have no log score
        lambda f: crm.clv.compare(buying(), f)[["mae", "mae_se", "rmse", "bias", "bias_se", "expected", "actual"]],
        known,
        numbers=(*RFT, "holdout_frequency", "holdout_T", "previous_frequency"),
        optional=("customer_id", "previous_frequency"),
        per_row=False,
        kinds=("polars",),
    ),
    "clv.lifetime_value": Case(
        lambda f: crm.clv.lifetime_value(buying(), spend(), f),
        summary,
        numbers=(*RFT, "monetary_value", "first_value"),
        optional=("customer_id",),
    ),
    "experiment.sample_ratio": Case(
        crm.experiment.sample_ratio, trial, ids=("arm",), optional=("won", "before", "spend"), per_row=False
    ),
    "experiment.compare_rates": Case(
        lambda f: crm.experiment.compare_rates(f, outcome="won"),
        trial,
        ids=("arm",),
        numbers=("won",),
        optional=("before", "spend"),
        per_row=False,
    ),
    "experiment.compare_means": Case(
        lambda f: crm.experiment.compare_means(f, outcome="spend"),
        trial,
        ids=("arm",),
        numbers=("spend",),
        negative=("spend",),
        optional=("before", "won"),
        per_row=False,
    ),
    "experiment.cuped": Case(
        lambda f: crm.experiment.cuped(f, outcome="spend", covariate="before").table,
        trial,
        ids=("arm",),
        numbers=("spend", "before"),
        negative=("spend", "before"),
        optional=("won",),
        per_row=False,
    ),
    "experiment.difference_in_differences": Case(
        lambda f: crm.experiment.difference_in_differences(f, outcome="spend", period="month"),
        two_months,
        ids=("arm",),
        numbers=("spend",),
        negative=("spend",),
        optional=("before", "won"),
        per_row=False,
    ),
    "experiment.sequential": Case(
        crm.experiment.sequential,
        lambda: pd.DataFrame({"value": np.linspace(0.1, 0.4, 8), "se": 1 / np.sqrt(np.arange(1, 9))}),
        numbers=("value", "se"),
        negative=("value",),
        per_row=False,
        ordered=True,
    ),
    "uplift.fit": Case(
        lambda f: crm.uplift.fit(f, **MAILING, features=["taste"], base="linear", folds=2),
        mailing,
        numbers=("spend",),
        negative=("spend",),
        optional=("guess",),
        per_row=False,
        exact=1e-6,
    ),
    "uplift.predict": Case(
        lambda f: crm.uplift.predict(moved(), f),
        mailing,
        numbers=("taste",),
        negative=("taste",),
        optional=("mail", "spend", "guess"),
    ),
    "uplift.cross_fitted": Case(
        lambda f: crm.uplift.cross_fitted(f, **MAILING, features=["taste"], base="linear", folds=2),
        mailing,
        numbers=("spend",),
        negative=("spend",),
        optional=("guess",),
        exact=1e-6,
    ),
    "uplift.evaluate": Case(
        lambda f: crm.uplift.evaluate(f, **MAILING, score=["taste", "guess"]).differences,
        mailing,
        numbers=("spend", "taste", "guess"),
        negative=("spend", "taste", "guess"),
        per_row=False,
    ),
    "uplift.policy_value": Case(
        lambda f: crm.uplift.policy_value(f, **MAILING, score="taste"),
        mailing,
        numbers=("spend", "taste"),
        negative=("spend", "taste"),
        optional=("guess",),
        per_row=False,
    ),
    "uplift.qini": Case(
        lambda f: crm.uplift.qini(column(f, "y"), column(f, "score"), column(f, "treatment")),
        lambda: mailing().rename(columns={"spend": "y", "taste": "score", "mail": "treatment"}),
        numbers=("y", "score", "treatment"),
        negative=("y", "score"),
        optional=("guess",),
        per_row=False,
    ),
    "feedback.nps": Case(
        lambda f: crm.feedback.nps(f, by="segment"), survey, ids=("segment",), numbers=("score",), per_row=False
    ),
    "feedback.csat": Case(
        lambda f: crm.feedback.csat(f, by="segment", scale=(0, 10)),
        survey,
        ids=("segment",),
        numbers=("score",),
        per_row=False,
    ),
    "feedback.ces": Case(
        lambda f: crm.feedback.ces(f, by="segment", scale=(0, 10), direction="ease"),
        survey,
        ids=("segment",),
        numbers=("score",),
        per_row=False,
    ),
    "feedback.top_box": Case(
        lambda f: crm.feedback.top_box(f, scale=(0, 10), top=3), survey, numbers=("score",), optional=("segment",), per_row=False
    ),
    "feedback.nps_difference": Case(
        lambda f: crm.feedback.nps_difference(f, by="segment"),
        survey,
        ids=("segment",),
        numbers=("score",),
        per_row=False,
    ),
    "feedback.nps_homogeneity": Case(
        lambda f: crm.feedback.nps_homogeneity(f, by="segment"),
        survey,
        ids=("segment",),
        numbers=("score",),
        per_row=False,
    ),
    "basket.frequent_itemsets": Case(
        lambda f: crm.basket.frequent_itemsets(f, min_support=0.02),
        monthly,
        ids=("customer_id", "item_id"),
        times=("timestamp",),
        numbers=("amount",),
        per_row=False,
    ),
    "basket.rules": Case(
        lambda f: crm.basket.rules(f, min_confidence=0.05, max_consequent=1),
        itemsets,
        numbers=("support", "count"),
        optional=("closed", "maximal"),
        per_row=False,
    ),
    **{
        f"metrics.{function.__name__}": Case(
            lambda f, function=function: function(column(f, "y"), column(f, "p")),
            scored,
            numbers=("y", "p"),
            negative=() if function in (crm.metrics.brier, crm.metrics.calibration) else ("p",),
            optional=("q",),
            per_row=False,
        )
        for function in (
            crm.metrics.auc,
            crm.metrics.average_precision,
            crm.metrics.brier,
            crm.metrics.calibration,
            crm.metrics.empc,
            crm.metrics.gains,
            crm.metrics.mpc,
        )
    },
    "targeting.profit_curve": Case(
        lambda f: crm.targeting.profit_curve(column(f, "y"), column(f, "p"), value=column(f, "value")),
        lambda: scored().assign(value=np.arange(80) % 7 * 50.0),
        numbers=("y", "p", "value"),
        negative=("value",),
        optional=("q",),
        per_row=False,
    ),
    "targeting.choose": Case(
        lambda f: (
            crm.targeting.choose(column(f, "p"), value=column(f, "value"), cost=column(f, "cost"), budget=20.0).expected_profit
        ),
        lambda: scored().assign(value=np.arange(80) % 7 * 50.0, cost=np.arange(80) % 5 + 1.0),
        numbers=("p", "value", "cost"),
        negative=("value",),
        optional=("y", "q"),
        keyed=True,
        per_row=False,
    ),
    "targeting.backtest": Case(
        lambda f: crm.targeting.backtest(f, lambda past: past.customers, cutoffs=["2023-08-01", "2023-10-01"]),
        **LOG,
    ),
    "metrics.difference": Case(
        lambda f: crm.metrics.difference(column(f, "y"), column(f, "p"), column(f, "q")),
        scored,
        numbers=("y", "p"),
        negative=("p",),
        per_row=False,
    ),
    "metrics.ranking_report": Case(
        lambda f: crm.metrics.ranking_report(column(f, "y"), column(f, "p"), baseline=column(f, "q")),
        scored,
        numbers=("y", "p"),
        negative=("p",),
        per_row=False,
    ),
    "feedback.trend": Case(
        lambda f: crm.feedback.trend(f, period="W"),
        lambda: survey().assign(timestamp=pd.date_range("2024-01-01", periods=10, freq="3D")),
        times=("timestamp",),
        numbers=("score",),
        optional=("segment",),
        per_row=False,
    ),
    "feedback.decompose_change": Case(
        lambda f: crm.feedback.decompose_change(f, rates().assign(value=1.0), by="segment"),
        rates,
        ids=("segment",),
        numbers=("value", "n", "se"),
        negative=("value",),
        per_row=False,
    ),
    "feedback.key_drivers": Case(
        lambda f: crm.feedback.key_drivers(f, drivers=["tenure", "spend"], outcome="churned", replicates=100),
        contracts,
        numbers=("tenure", "spend"),
        negative=("tenure", "spend"),
        optional=("customer_id",),
        per_row=False,
        exact=0.5,  # intervals are of resampled rows, which follow their order
    ),
    "feedback.rake": Case(
        lambda f: crm.feedback.rake(f, margins={"segment": {"a": 0.3, "b": 0.7}}).values,
        survey,
        ids=("segment",),
        optional=("score",),
    ),
    "feedback.poststratify": Case(
        lambda f: crm.feedback.poststratify(f, by="segment", targets={"a": 0.3, "b": 0.7}).values,
        survey,
        ids=("segment",),
        optional=("score",),
    ),
    "recommend.fit_ratings": Case(
        lambda f: crm.recommend.predict_ratings(
            crm.recommend.fit_ratings(f, rating="amount", method="baseline"), orders()[["customer_id", "item_id"]]
        ),
        lambda: orders().drop(columns="timestamp"),
        ids=("customer_id", "item_id"),
        numbers=("amount",),
        negative=("amount",),
        per_row=False,
        kinds=(),
    ),
    "recommend.predict_ratings": Case(
        lambda f: crm.recommend.predict_ratings(crm.recommend.fit_ratings(orders(), rating="amount", method="baseline"), f),
        lambda: orders()[["customer_id", "item_id"]],
        ids=("customer_id", "item_id"),
    ),
    "recommend.interactions": Case(
        crm.recommend.interactions,
        orders,
        ids=("customer_id", "item_id"),
        times=("timestamp",),
        numbers=("amount",),
        per_row=False,
    ),
    **{
        f"recommend.{name}": Case(
            call,
            orders,
            ids=("customer_id", "item_id"),
            times=("timestamp",),
            numbers=("amount",),
            per_row=False,
        )
        for name, call in (
            ("split_by_time", lambda f: crm.recommend.split_by_time(f, when="2023-09-01")),
            ("split_last", crm.recommend.split_last),
            ("split_customers", crm.recommend.split_customers),
            ("evaluate", lambda f: crm.recommend.evaluate(repeating(), f, replicates=100)),
        )
    },
    "dedupe.candidate_pairs": Case(
        lambda f: crm.dedupe.candidate_pairs(f, blocking=["surname", ("born", "prefix(given_name, 2)")]),
        people,
        keyed=True,
        per_row=False,
        kinds=(),
    ),
    "dedupe.compare_pairs": Case(
        lambda f: crm.dedupe.compare_pairs(f, first_pairs(f), fields=FIELDS), people, keyed=True, per_row=False, kinds=()
    ),
    "dedupe.fit_fellegi_sunter": Case(
        lambda f: crm.dedupe.fit_fellegi_sunter(f, fields=FIELDS), people, keyed=True, per_row=False, exact=1e-6, kinds=()
    ),
    "dedupe.score_pairs": Case(
        lambda f: crm.dedupe.score_pairs(linkage(), f, first_pairs(f)), people, keyed=True, per_row=False, kinds=()
    ),
    "dedupe.explain_pair": Case(
        lambda f: crm.dedupe.explain_pair(linkage(), f, *two_ids(f)), people, keyed=True, per_row=False, kinds=()
    ),
    "dedupe.link": Case(
        lambda f: crm.dedupe.link(f, people().set_axis(range(1000, 1000 + len(people()))), fields=FIELDS),
        people,
        keyed=True,
        per_row=False,
        exact=1e-6,
        kinds=(),
    ),
    "dedupe.assign_ids": Case(
        lambda f: crm.dedupe.assign_ids(
            f, people().set_axis(range(1000, 1000 + len(people()))), np.arange(len(people())), model=linkage()
        ),
        people,
        keyed=True,
        per_row=False,
        kinds=(),
    ),
    "dedupe.golden_records": Case(
        lambda f: crm.dedupe.golden_records(f, np.arange(len(f)) // 2 if hasattr(f, "__len__") else [0]),
        people,
        optional=("given_name", "surname", "born"),
        keyed=True,
        per_row=False,
        kinds=(),
    ),
    "dedupe.cluster_pairs": Case(
        crm.dedupe.cluster_pairs,
        scored_pairs,
        ids=("left", "right"),
        numbers=("probability",),
        optional=("match_weight",),
        per_row=False,
        kinds=(),
    ),
    "dedupe.uncertain_pairs": Case(
        lambda f: crm.dedupe.uncertain_pairs(f, n=3),
        scored_pairs,
        numbers=("match_weight",),
        negative=("match_weight",),
        optional=("probability",),
        per_row=False,
    ),
    "dedupe.evaluate_clusters": Case(
        lambda f: crm.dedupe.evaluate_clusters(column(f, "found"), column(f, "real"), replicates=20),
        lambda: pd.DataFrame({"found": [0, 0, 1, 1, 2, 3, 3, 4], "real": [0, 0, 1, 2, 2, 3, 3, 4]}),
        per_row=False,
        exact=0.5,
    ),
    "dedupe.deduplicate": Case(
        lambda f: crm.dedupe.deduplicate(f, fields={"given_name": "name", "surname": "name", "born": "date"}),
        people,
        keyed=True,
        per_row=False,
        exact=1e-6,
        kinds=(),
    ),
    "survival.curve": Case(
        lambda f: crm.survival.curve(f, by="plan", entry="entry"),
        lives,
        ids=("plan",),
        numbers=("duration", "event", "entry"),
        per_row=False,
    ),
    "survival.logrank": Case(
        lambda f: crm.survival.logrank(f, by="plan"),
        lives,
        ids=("plan",),
        numbers=("duration", "event"),
        optional=("entry",),
        per_row=False,
    ),
    "survival.fit_cox": Case(
        lambda f: crm.survival.fit_cox(f, features=["age", "plan"], entry="entry", penalty=1.0),
        aged,
        ids=("plan",),
        numbers=("duration", "event", "entry", "age"),
        negative=("age",),
        per_row=False,
        exact=1e-6,
        text_is_data=True,
    ),
    "survival.fit_hazard": Case(
        lambda f: crm.survival.fit_hazard(f, features=["age", "plan"], entry="entry", penalty=1.0),
        aged,
        ids=("plan",),
        numbers=("duration", "event", "entry", "age"),
        negative=("age",),
        per_row=False,
        exact=1e-6,
        text_is_data=True,
    ),
    "survival.hazard_panel": Case(
        lambda f: crm.survival.hazard_panel(f, features=["age", "plan"], entry="entry", collapse=True),
        aged,
        ids=("plan",),
        numbers=("duration", "event", "entry"),
        optional=(),
        per_row=False,
    ),
    "survival.predict": Case(
        lambda f: crm.survival.predict(leaving(), f, horizon=1, survived="entry"),
        aged,
        ids=("plan",),
        numbers=("entry", "age"),
        negative=("age",),
        optional=("duration", "event"),
        kinds=(),
        text_is_data=True,
    ),
    "survival.quantile": Case(
        crm.survival.quantile,
        lambda: crm.survival.curve(lives().assign(event=1)),
        numbers=("time", "survival", "ci_low", "ci_high"),
        optional=("at_risk", "events", "censored"),
        per_row=False,
        ordered=True,
    ),
    "survival.restricted_mean": Case(
        crm.survival.restricted_mean,
        lambda: crm.survival.curve(lives().assign(event=1)),
        numbers=("time", "survival", "at_risk", "events"),
        optional=("ci_low", "ci_high", "censored"),
        per_row=False,
        ordered=True,
    ),
}
# take no frame: objects of crmkit, arrays or plain values; their own tests feed them bad ones
NO_FRAME = {
    "rfm.transitions",
    "experiment.boundaries",
    "experiment.power",
    "feedback.earned_growth",
    "feedback.effective_n",
    "feedback.nps_power",
    "feedback.nps_sample_size",
    "cohort.triangle",
    "dedupe.jaro_winkler",
    "dedupe.levenshtein",
    "dedupe.normalize_address",
    "dedupe.normalize_date",
    "dedupe.normalize_email",
    "dedupe.normalize_name",
    "dedupe.normalize_phone",
    "dedupe.nysiis",
    "dedupe.osa",
    "dedupe.soundex",
    "recommend.explain",
    "recommend.fit_als",
    "recommend.fit_ease",
    "recommend.fit_frequency",
    "recommend.fit_item_knn",
    "recommend.fit_popularity",
    "recommend.fit_user_knn",
    "recommend.load",
    "recommend.save",
    "recommend.similar_items",
    "recommend.top_items",
    "targeting.retention_value",
    "warmup",
    "report",
}


def test_every_public_function_has_its_row():
    found = set()
    for top in set(crm.__all__) - {"__version__", "errors", "datasets", "plot"}:
        thing = getattr(crm, top)
        if isinstance(thing, types.ModuleType):
            found |= {f"{top}.{name}" for name in thing.__all__ if inspect.isfunction(getattr(thing, name))}
        elif inspect.isfunction(thing):
            found.add(top)
    counts = {name for name in found if name.startswith("intervals.")}  # counts and arrays in, no frame
    assert found - NO_FRAME - counts - set(CASES) == set()
    assert set(CASES) <= found


# ── what can be wrong ────────────────────────────────────────────────────────────────────────────────────────────────────


def answer(case: Case, frame: Any) -> Any:
    """The answer, in which nothing is missing or infinite unless a warning or the result said so."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = case.call(frame)
    # hashes wrap around on purpose; kernels that run as plain Python say so
    said = [w for w in said if "overflow encountered in scalar" not in str(w.message)]
    assert all(issubclass(w.category, CrmkitWarning) for w in said), [str(w.message) for w in said]
    if not said:
        for name, values in numbers_in(result):
            assert np.isfinite(values).all(), f"{name} is not finite and nobody said so"
    return result


def numbers_in(result: Any, name: str = "result") -> Any:
    """Every floating-point array or value in a result, with where it stands."""
    if isinstance(result, pd.DataFrame):
        # a row with a note says itself what is missing in it
        told = result[result["note"] == ""] if "note" in result else result
        for column in told:
            yield from numbers_in(told[column], f"{name}.{column}")
    elif isinstance(result, pd.Series):
        if pd.api.types.is_float_dtype(result.dtype):
            yield name, result.to_numpy(dtype=float)
    elif isinstance(result, (pl.DataFrame, pa.Table)):
        yield from numbers_in(result.to_pandas(), name)
    elif isinstance(result, np.ndarray):
        if result.dtype.kind == "f":
            yield name, result
    elif isinstance(result, float):
        yield name, np.array([result])
    elif isinstance(result, Mapping):
        for key, value in result.items():
            yield from numbers_in(value, f"{name}[{key}]")
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        if getattr(result, "diagnosis", ""):  # the model says in words what is wrong with it
            return
        for field in dataclasses.fields(result):
            yield from numbers_in(getattr(result, field.name), f"{name}.{field.name}")


def same(case: Case, first: Any, second: Any, *, order: Any = None) -> None:
    """Two answers agree; with `order`, the second is of the rows in that order."""
    one, two = dict(numbers_in(first)), dict(numbers_in(second))
    assert set(one) == set(two)
    for name, values in one.items():
        expected = values[order] if order is not None and case.per_row else values
        np.testing.assert_allclose(two[name], expected, rtol=case.exact, atol=case.exact, err_msg=name)


def read_only(frame: pd.DataFrame) -> pd.DataFrame:
    columns = {}
    for name in frame:
        values = frame[name].array.copy()
        if isinstance(values, pd.arrays.NumpyExtensionArray):
            values = values.to_numpy()
            values.flags.writeable = False
        columns[name] = values
    return pd.DataFrame(columns, index=frame.index, copy=False)


def as_categories(frame: pd.DataFrame, ids: tuple[str, ...]) -> pd.DataFrame:
    """Ids as categories in sorted order, some of them unused."""
    changed = {}
    for name in ids:
        values = sorted(set(frame[name]))
        unused = [max(values) + 1] if not isinstance(values[0], str) else ["zzz"]
        changed[name] = pd.Categorical(frame[name], categories=[*values, *unused])
    return frame.assign(**changed)


every_case = pytest.mark.parametrize("name", sorted(CASES))


@pytest.fixture
def case(name):
    return CASES[name]


@every_case
def test_the_frame_itself_is_answered_and_left_alone(case):
    frame = case.frame()
    before = frame.copy(deep=True)
    answer(case, frame)
    pd.testing.assert_frame_equal(frame, before)


@every_case
def test_a_missing_column_is_named(case):
    for column in set(case.frame().columns) - set(case.optional):
        with pytest.raises(CrmkitError, match=column):
            case.call(case.frame().drop(columns=column))
    for column in case.optional:
        answer(case, case.frame().drop(columns=column))


@every_case
def test_a_column_that_is_there_twice_is_named(case):
    frame = case.frame()
    for column in set(frame.columns) - set(case.optional):
        with pytest.raises(CrmkitError, match=column):
            case.call(pd.concat([frame, frame[[column]]], axis=1))


@every_case
def test_missing_values_are_refused_with_their_place(case):
    for column in (*case.ids, *case.times, *case.numbers):
        frame = case.frame()
        values = frame[column].astype(object)
        values.iloc[[3, 5]] = None
        frame[column] = values.astype("float64") if column in case.numbers else values
        if case.missing_is_data:
            answer(case, frame)
            continue
        with pytest.raises(CrmkitError, match=rf"{column}.*\b2\b.*row 3"):
            case.call(frame)


@every_case
def test_infinite_values_are_refused_with_their_place(case):
    for column in case.numbers:
        frame = case.frame().astype({column: float})
        frame.loc[frame.index[4], column] = np.inf
        with pytest.raises(CrmkitError, match=rf"{column}.*\b1\b.*row 4"):
            case.call(frame)


@every_case
def test_negative_values_are_refused_or_allowed_on_purpose(case):
    for column in case.numbers:
        frame = case.frame().astype({column: float})
        frame.loc[frame.index[2], column] = -3.0
        if column in case.negative:
            answer(case, frame)
        else:
            with pytest.raises(CrmkitError, match=rf"{column}.*row 2"):
                case.call(frame)


@every_case
def test_text_where_numbers_belong_is_named(case):
    for column in () if case.text_is_data else case.numbers:
        frame = case.frame()
        frame[column] = ["x"] * len(frame)
        with pytest.raises(CrmkitError, match=column):
            case.call(frame)
    for column in case.times:
        for wrong in (["next week"] * len(case.frame()), np.arange(len(case.frame()))):
            frame = case.frame()
            frame[column] = wrong
            with pytest.raises(CrmkitError, match=column):
                case.call(frame)


@every_case
def test_mixed_time_zones_are_refused(case):
    for column in case.times:
        frame = case.frame()
        zones = ["UTC", "Asia/Tokyo"]
        frame[column] = pd.Series([t.tz_localize(zones[i % 2]) for i, t in enumerate(frame[column])], dtype=object)
        with pytest.raises(CrmkitError, match=rf"{column}.*time zones"):
            case.call(frame)


@every_case
def test_an_empty_frame_is_refused_or_answered(case):
    with contextlib.suppress(CrmkitError):
        answer(case, case.frame().iloc[:0])


@every_case
def test_one_row_is_answered_or_refused_by_name(case):
    with contextlib.suppress(CrmkitError):
        answer(case, case.frame().iloc[:1])


@every_case
def test_a_duplicate_index_is_refused_where_it_holds_ids_and_means_nothing_elsewhere(case):
    frame = case.frame()
    doubled = frame.set_axis([7] * len(frame))
    if case.keyed:
        with pytest.raises(CrmkitError, match="index"):
            case.call(doubled)
    else:
        same(case, answer(case, frame), answer(case, doubled))


@every_case
def test_shuffled_rows_give_the_same_answers(case):
    frame = case.frame()
    order = np.random.default_rng(2).permutation(len(frame))
    shuffled = frame.iloc[order]
    if not case.keyed:
        shuffled = shuffled.reset_index(drop=True)
    if case.ordered:
        with pytest.raises(CrmkitError):
            case.call(shuffled)
        return
    same(case, answer(case, frame), answer(case, shuffled), order=order)


@every_case
def test_read_only_arrays_are_answered(case):
    same(case, answer(case, case.frame()), answer(case, read_only(case.frame())))


@every_case
def test_nullable_and_arrow_columns_give_the_same_answers(case):
    expected = answer(case, case.frame())
    for backend in ("numpy_nullable", "pyarrow"):
        same(case, expected, answer(case, case.frame().convert_dtypes(dtype_backend=backend)))


@every_case
def test_categorical_ids_with_unused_levels_give_the_same_answers(case):
    same(case, answer(case, case.frame()), answer(case, as_categories(case.frame(), case.ids)))


@every_case
def test_other_frames_give_the_same_numbers(case):
    expected = dict(numbers_in(answer(case, case.frame())))
    for kind in case.kinds:
        other = pl.from_pandas(case.frame()) if kind == "polars" else pa.Table.from_pandas(case.frame(), preserve_index=False)
        result = answer(case, other)
        if isinstance(result, (pl.DataFrame, pa.Table)):
            result = result.to_pandas()
        numbers = dict(numbers_in(result))
        for name, values in expected.items():
            # a Series elsewhere is a frame of the id and one column
            found = numbers[name] if name in numbers else list(numbers.values())[-1]
            np.testing.assert_allclose(found, values, rtol=case.exact, err_msg=f"{kind}: {name}")


@every_case
def test_what_is_no_frame_is_refused(case):
    for wrong in (None, 3, "orders.csv", pl.LazyFrame({"a": [1]})):
        if wrong is None and case.none_is_new:
            answer(case, wrong)
            continue
        with pytest.raises(CrmkitError):
            case.call(wrong)
