"""Compiling ahead: every kernel that the public functions call, by calling them on a few rows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["warmup"]


def warmup() -> float:
    """Compile every kernel now, so that the first call of a function is as fast as the next.

    Kernels are compiled when they are first called, and kept on disk next to the package, or in ``NUMBA_CACHE_DIR``. Run this
    once where an image is built, as the user that will run it::

        RUN python -m pip install crmkit && python -c "import crmkit; crmkit.warmup()"

    Where no folder can be written, kernels are kept for the life of the process: call it when a service starts, before it
    forks its workers.

    Returns
    -------
    float
        Seconds it took: a minute or two on the first call, some seconds where all is compiled already.

    Notes
    -----
    The functions are run on a shop of a few customers, once for each kind of id that is read in a way of its own. Nothing is
    kept but what is compiled. Optional libraries that are not installed are left out.

    Examples
    --------
    >>> import crmkit as crm
    >>> seconds = crm.warmup()
    >>> seconds > 0
    True
    """
    import warnings

    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few rows fit no model well
        for work in (
            _purchases,
            _cohorts,
            _values,
            _recommendations,
            _baskets,
            _duplicates,
            _churn,
            _answers,
            _measures,
            _effects,
        ):
            work()
    return time.perf_counter() - started


def _purchases() -> None:
    """Read purchases in every form that has a way of its own, and go from them to segments and values."""
    import numpy as np

    from crmkit import _events, clv, rfm

    lines = _lines()
    numbered = lines.assign(
        customer_id=lines["customer_id"].str[1:].astype("int64"),  # close together: numbered by a table
        order_id=lines["order_id"].str[1:].astype("int64") * 10**9,  # far apart: hashed
        item_id=lines["item_id"].astype("category"),
        quantity=1.0,
    )
    gaps = numbered.assign(
        **{name: numbered[name].astype("Int64").where(numbered.index > 0) for name in ("customer_id", "order_id")}
    )
    zoned = numbered.assign(timestamp=numbered["timestamp"].dt.tz_localize("UTC"))
    back = lines.assign(amount=np.where(np.arange(len(lines)) % 7 == 6, -lines["amount"], lines["amount"]))
    logs = [
        _events.events(lines, order="order_id"),
        _events.events(lines.iloc[::-1]),
        _events.events(numbered, order="order_id", quantity="quantity", kind="item_id"),
        _events.events(gaps, order="order_id", missing="drop"),
        _events.events(zoned, order="order_id"),
        _events.events(zoned),
        _events.events(back, order="order_id", refunds="subtract"),
        _events.events(back, refunds="subtract"),
    ]
    for log in logs:
        middle = log.span.start + (log.span.end - log.span.start) / 2
        log.until(middle)
        log.between(middle, log.span.end)
        rfm.segment(rfm.score(rfm.summarize(log)))
        clv.summarize(log)
    logs[0].append(lines)
    clv.summarize(_events.events(lines, amount=None))
    summary = clv.summarize(logs[0])
    buying = clv.fit_bg_nbd(clv.compress(summary), weight="weight", penalty=0.1)
    clv.p_alive(buying, summary)
    clv.expected_purchases(buying, summary, horizon="39W")
    clv.expected_spend(clv.fit_gamma_gamma(summary), summary)


def _cohorts() -> None:
    from crmkit import cohort, rfm

    lines = _lines()
    rfm.concentration(lines, order="order_id")
    for measure in ("customers", "net_revenue"):
        cohort.retention(lines, measure=measure)
    for method in ("classic", "unbounded"):
        cohort.retention(lines, order="order_id", method=method)
    cohort.churn_rate(lines, inactivity="90D", order="order_id")


def _values() -> None:
    import pandas as pd

    from crmkit import clv

    summary = clv.summarize(_lines(), order="order_id")
    spend = clv.fit_gamma_gamma(summary)
    for fit in (clv.fit_mbg_nbd, clv.fit_pareto_nbd):
        model = fit(summary)
        clv.purchase_distribution(model, summary, horizon="9W", up_to=2)
        clv.next_purchase(model, summary)
        clv.lifetime_value(model, spend, summary)
        clv.lifetime_value(model, spend, summary, horizon="52W")
        clv.prediction_interval(model, summary, horizon="9W", draws=39)
    clv.prediction_interval(model, summary, horizon="9W", draws=39, spend=spend)
    clv.equity(model, spend, summary, horizon="9W", draws=39)
    clv.simulate(model, summary, horizon="9W")
    known = clv.split(_lines(), calibration_end="2023-12-31", order="order_id").known
    clv.evaluate(model, known, draws=39)
    givers = pd.DataFrame({"frequency": [0, 1, 2, 3, 0, 2], "recency": [0, 2, 4, 6, 0, 5], "T": [6] * 6})
    clv.expected_purchases(clv.fit_bg_bb(givers), givers, horizon=5)
    contracts = pd.DataFrame({"age": [1, 2, 3, 4, 4, 2, 1, 3], "lost": [1, 1, 1, 0, 0, 1, 1, 0]})
    for fit_contracts in (clv.fit_sbg, clv.fit_bdw):
        fit_contracts(contracts)


def _recommendations() -> None:
    from crmkit import recommend

    found = recommend.interactions(_lines())
    recommend.top_items(recommend.fit_item_knn(found, shrinkage=1.0), k=2)
    for measure in ("bm25", "tfidf", "jaccard", "lift", "conditional"):
        recommend.fit_item_knn(found, measure=measure)
    for fit in (recommend.fit_popularity, recommend.fit_frequency, recommend.fit_ease, recommend.fit_als, recommend.fit_user_knn):
        recommend.top_items(fit(found), k=2)
    # without times or amounts, and for customers who are new to the model
    found = recommend.interactions(_lines(), time=None, amount=None)
    model = recommend.fit_item_knn(found)
    recommend.top_items(model, k=2, exclude="nothing")
    # lists under rules, items alike, and how good lists are
    recommend.top_items(model, k=2, allow=found.items.values[:5], diversity=0.3)
    for fit in (recommend.fit_ease, recommend.fit_als):
        recommend.similar_items(fit(found), k=2)
    recommend.evaluate(model, found, k=2, replicates=100)


def _baskets() -> None:
    from crmkit import basket

    sets = basket.frequent_itemsets(_lines(), customer="order_id", time=None, amount=None, min_support=0.02)
    basket.rules(sets, min_confidence=0.1)


def _duplicates() -> None:
    import pandas as pd

    from crmkit import dedupe

    people = pd.DataFrame(
        {
            "name": ["Ann Lee", "Anne Lee", "Bob Ray", "Cy Poe", "Di Fox", "Ed Orr"],
            "email": ["ann@x.org", "ann@x.org", "bob@x.org", "cy@y.net", "di@y.net", "ed@z.com"],
            "born": ["1980-02-03", "1980-02-03", "1975-12-24", "1990-06-01", "1966-01-30", ""],
        }
    )
    dedupe.deduplicate(people, fields={"name": "name", "email": "email", "born": "date"}, threshold=0.5)
    dedupe.jaro_winkler(people["name"], people["email"])
    dedupe.levenshtein(people["name"], people["email"])


def _churn() -> None:
    from crmkit import churn, targeting

    churn.panel(_lines(), cutoffs=["2023-09-01"], horizon="60D", order="order_id")
    churn.suggest_window(_lines(), order="order_id")
    targeting.choose([0.9, 0.4, 0.6], value=[90.0, 80.0, 70.0], cost=5.0, budget=12.0)


def _answers() -> None:
    from crmkit import datasets, feedback

    answers = datasets.make_survey(n_customers=50, drivers={"service": 0.5, "price": 0.2}).survey
    feedback.key_drivers(answers, drivers=["service", "price"], replicates=100)
    feedback.nps(answers, by="segment")
    feedback.nps(answers, by="segment", method="score")


def _measures() -> None:
    import pandas as pd

    from crmkit import metrics, survival

    happened, forecast = [0, 1, 0, 1, 1, 0, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.7, 0.5, 0.2, 0.9]
    metrics.ranking_report(happened, forecast, baseline=forecast[::-1])
    metrics.empc(happened, forecast)
    times = pd.DataFrame({"duration": [1.5, 2.0, 2.5, 3.0, 4.5, 5.0], "event": [1, 0, 1, 1, 0, 1], "group": list("ababab")})
    for method in ("kaplan_meier", "nelson_aalen"):
        survival.curve(times, method=method)
    survival.logrank(times)
    contracts = times.assign(entry=0.0, age=[30, 52, 41, 25, 38, 47])
    model = survival.fit_cox(contracts, features=["age"], penalty=1.0)
    survival.predict(model, contracts, horizon=1, survived=0)
    survival.fit_cox(contracts, features=["age"], entry="entry", penalty=1.0, robust=True)
    survival.fit_hazard(contracts, features=["age"], penalty=1.0)
    survival.hazard_panel(contracts, features=["age"])
    survival.curve(times, cause="group")
    survival.curve(times.assign(duration=[1, 2, 3, 4, 5, 6]))


def _effects() -> None:
    import numpy as np
    import pandas as pd

    from crmkit import uplift

    rng = np.random.default_rng(0)
    units = pd.DataFrame({"mail": rng.integers(0, 2, 60), "bought": rng.integers(0, 2, 60), "score": rng.random(60)})
    uplift.evaluate(units, outcome="bought", treatment="mail", score="score", permutations=99)


def _lines() -> pd.DataFrame:
    from crmkit import datasets

    return datasets.make_transactions(n_customers=40, n_items=10, weeks=60, acquisition_weeks=30).transactions
