"""Ask other libraries for the figures of the parity page, in the environment of ``nox -s peers``, and keep what they say.

``python docs/_ext/parity_peers.py FOLDER`` writes docs/_ext/parity.json. FOLDER holds groceries.csv.gz (as in R's arules, one row
per item, columns basket_id and item) and hillstrom.csv.gz (the MineThatData e-mail challenge); other data come with the peers.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crmkit import basket, clv, metrics, recommend, survival, uplift
from crmkit._verify import exact
from crmkit._verify import published as verify

FILE = Path(__file__).with_name("parity.json")
# peer, quantity of `crmkit verify`, value
Figure = tuple[str, str, float]
# how peers are asked for a kind of quantity: what its name says in, who answers what out
Answer = tuple[str, float]
Ask = Callable[..., Iterator[Answer]]
# quantity, source, published figure (or ""), value of crmkit, peer, its value
Row = tuple[str, str, str, float, str, float]

TREATED = pd.DataFrame({"duration": verify.REMISSION, "event": verify.RELAPSED}, dtype=float)
PLACEBO = pd.DataFrame({"duration": verify.PLACEBO, "event": 1}, dtype=float)


def main(folder: Path) -> None:
    """Ask all, write the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their own calls of numpy and pandas are dated
        figures = [figure(*found) for found in published()]
        corners = [figure(*found) for found in in_corners()]
        rows = [
            {
                "quantity": quantity,
                "source": source,
                "published": figure,
                "crmkit": float(ours),
                "peer": peer,
                "version": version(peer),
                "value": float(theirs),
            }
            for quantity, source, figure, ours, peer, theirs in [*on_their_data(), *on_files(folder)]
        ]
    FILE.write_text(json.dumps({"published": figures, "exact": corners, "recorded": rows}, indent=1) + "\n", encoding="utf-8")


def figure(peer: str, quantity: str, value: float) -> dict[str, Any]:
    # JSON has no word for what is no number
    return {"peer": peer, "version": version(peer), "quantity": quantity, "value": float(value) if np.isfinite(value) else None}


def version(peer: str) -> str:
    return importlib.metadata.version(peer)


# ── the quantities of `crmkit verify` ─────────────────────────────────────────────────────────────────────────────────────


def published() -> Iterator[Figure]:
    """Every quantity of `crmkit verify` that a peer has a function for."""
    ways = {re.compile(pattern): ask for pattern, ask in {**purchases(), **shares(), **strings()}.items()}
    for quantity in [check.quantity for check in verify.checks()]:
        for pattern, ask in ways.items():
            if match := pattern.fullmatch(quantity):
                yield from ((peer, quantity, value) for peer, value in ask(*match.groups()))
    yield from lifetimes_of_patients()
    yield from tests()


def purchases() -> dict[str, Ask]:
    """Purchase models at the parameters of the papers: what a quantity is called, and how lifetimes is asked for it."""
    from lifetimes import BetaGeoFitter, ParetoNBDFitter

    paper, exact, pareto = BetaGeoFitter(), BetaGeoFitter(), ParetoNBDFitter()
    paper.params_ = pd.Series({"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426})
    exact.params_ = pd.Series({"r": 0.2425945, "alpha": 4.4136019, "a": 0.7929199, "b": 2.4258954})
    pareto.params_ = pd.Series({"r": 0.55, "alpha": 10.56, "s": 0.61, "beta": 11.64})
    best = (26, 30.857142857, 31)

    def ahead(model: Any, t: float, *history: float) -> Iterator[Answer]:
        yield "lifetimes", one(model.conditional_expected_number_of_purchases_up_to_time(t, *history))

    def new(model: Any, t: str) -> Iterator[Answer]:
        yield "lifetimes", one(model.expected_number_of_purchases_up_to_time(int(t)))

    def chance(t: str, n: str) -> Iterator[Answer]:
        yield "lifetimes", one(paper.probability_of_n_purchases_up_to_time(int(t), int(n)))

    return {
        r"BG/NBD, purchases of \(2, 30.43, 38.86\) in 39 weeks": lambda: ahead(paper, 39, 2, 30.43, 38.86),
        r"BG/NBD, purchases of customer 1516 in 52 weeks": lambda: ahead(exact, 52, *best),
        r"BG/NBD, P\(alive\) of customer 1516": lambda: iter([("lifetimes", one(exact.conditional_probability_alive(*best)))]),
        r"BG/NBD, purchases in 52 weeks of (\d+) by week 20, silent to week 39": lambda x: ahead(exact, 52, int(x), 20, 39),
        r"BG/NBD, P\(none in (\d+) weeks\) of a new customer": lambda t: chance(t, "0"),
        r"BG/NBD, P\((\d+) purchases in 30 weeks\)": lambda n: chance("30", n),
        r"BG/NBD, purchases of a new customer in (\d+) weeks": lambda t: new(exact, t),
        r"Pareto/NBD, purchases of a new customer in (\d+) weeks": lambda t: new(pareto, t),
    }


def shares() -> dict[str, Ask]:
    """Intervals of one share."""
    from scipy import stats

    methods: dict[str, Any] = {"Wilson": "wilson", "Wilson with continuity": "wilsoncc", "Clopper-Pearson": "exact"}

    def ends(name: str, x: str, n: str, end: str) -> Iterator[Answer]:
        found = stats.binomtest(int(x), int(n)).proportion_ci(method=methods[name])
        yield "scipy", found.low if end == "lower" else found.high

    return {rf"({'|'.join(methods)}), (\d+) of (\d+), (lower|upper) end": ends}


def strings() -> dict[str, Ask]:
    """Names compared."""
    import jellyfish  # type: ignore[import-not-found]
    from rapidfuzz.distance import JaroWinkler, Levenshtein

    def alike(left: str, right: str) -> Iterator[Answer]:
        yield "rapidfuzz", JaroWinkler.similarity(left, right)
        yield "jellyfish", jellyfish.jaro_winkler_similarity(left, right)

    def edits(left: str, right: str) -> Iterator[Answer]:
        yield "rapidfuzz", Levenshtein.distance(left, right)
        yield "jellyfish", jellyfish.levenshtein_distance(left, right)

    return {r"Jaro-Winkler, (\w+) and (\w+)": alike, r"edits from (\w+) to (\w+)": edits}


def lifetimes_of_patients() -> Iterator[Figure]:
    from lifelines import CoxPHFitter, KaplanMeierFitter
    from lifelines.statistics import logrank_test

    curve = KaplanMeierFitter().fit(TREATED["duration"], TREATED["event"])
    for week in (6, 10, 23):
        yield "lifelines", f"Kaplan-Meier, remission beyond week {week} under 6-MP", float(curve.predict(week))
    test = logrank_test(TREATED["duration"], PLACEBO["duration"], TREATED["event"], PLACEBO["event"])
    yield "lifelines", "log-rank chi-square, 6-MP and placebo", test.test_statistic
    trial = pd.concat([TREATED.assign(placebo=0.0), PLACEBO.assign(placebo=1.0)], ignore_index=True)
    model = CoxPHFitter().fit(trial, "duration", "event")
    yield "lifelines", "Cox, Efron ties, coefficient of placebo", model.params_["placebo"]


def tests() -> Iterator[Figure]:
    from scipy import stats

    surest = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    adjusted = stats.false_discovery_control([*surest, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0])
    yield "scipy", "findings among 15 at a false discovery rate of 5 %", float((adjusted <= 0.05).sum())
    yield "scipy", "sample ratio, chi-square", stats.chisquare([821_588, 815_482]).statistic


# ── the values known to 50 digits ─────────────────────────────────────────────────────────────────────────────────────────


def in_corners() -> Iterator[Figure]:
    """Purchases and probabilities at published parameters and where floats lose them."""
    from lifetimes import BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter

    cases = (
        ("BG/NBD", BetaGeoFitter, ("r", "alpha", "a", "b"), exact.BG),
        ("MBG/NBD", ModifiedBetaGeoFitter, ("r", "alpha", "a", "b"), exact.BG),
        ("Pareto/NBD", ParetoNBDFitter, ("r", "alpha", "s", "beta"), exact.PARETO),
    )
    for name, kind, parameters, corners in cases:
        for corner, values in corners.items():
            model = kind()
            model.params_ = pd.Series(dict(zip(parameters, values[:4], strict=True)))
            history, t = [np.array([value], float) for value in values[4:7]], values[7]
            yield "lifetimes", f"{name} P(alive), {corner}", one(model.conditional_probability_alive(*history))
            ahead = model.conditional_expected_number_of_purchases_up_to_time(t, *history)
            yield "lifetimes", f"{name} purchases to come, {corner}", one(ahead)


# ── more, on data that the peers bring, or that lie in a folder ───────────────────────────────────────────────────────────


def on_their_data() -> Iterator[Row]:
    """Fits and curves on the data sets of lifetimes and lifelines, and rankings."""
    yield from fits()
    yield from curves()
    yield from rankings()
    yield from neighbours()


def fits() -> Iterator[Row]:
    from lifetimes import BetaGeoBetaBinomFitter, BetaGeoFitter, GammaGammaFitter, ModifiedBetaGeoFitter, ParetoNBDFitter
    from lifetimes.datasets import load_donations

    # from the purchases, since the summary that lifetimes brings has weeks of two decimals: with those beta is 11.668
    np.random.seed(0)  # noqa: NPY002 - ParetoNBDFitter starts at random numbers
    cdnow = clv.summarize(cdnow_lines(), unit="W", end="1997-09-30")
    history = cdnow["frequency"], cdnow["recency"], cdnow["T"]
    cases = (
        ("BG/NBD", "Fader, Hardie & Lee (2005)", clv.fit_bg_nbd(cdnow), BetaGeoFitter().fit(*history),
         {"r": "0.243", "alpha": "4.414", "a": "0.793", "b": "2.426"}),
        ("MBG/NBD", "lifetimes, its tests", clv.fit_mbg_nbd(cdnow), ModifiedBetaGeoFitter().fit(*history),
         {"r": "0.525", "alpha": "6.183", "a": "0.891", "b": "1.614"}),
        ("Pareto/NBD", "Fader, Hardie & Lee (2005)", clv.fit_pareto_nbd(cdnow), ParetoNBDFitter().fit(*history),
         {"r": "0.553", "alpha": "10.578", "s": "0.606", "beta": "11.669"}),
    )  # fmt: skip
    for name, source, ours, theirs, figures in cases:
        for parameter, figure in figures.items():
            value, other = getattr(ours, parameter), theirs.params_[parameter]
            yield f"{name} on CDNOW, {parameter}", source, figure, value, "lifetimes", other
    money = cdnow[cdnow["frequency"] > 0]
    spend = clv.fit_gamma_gamma(money)
    theirs = GammaGammaFitter().fit(money["frequency"], money["monetary_value"])
    for parameter, figure in (("p", "6.25"), ("q", "3.74"), ("v", "15.44")):
        source = "Fader & Hardie (2013)"
        yield (
            f"Gamma-Gamma on CDNOW, {parameter}",
            source,
            figure,
            getattr(spend, parameter),
            "lifetimes",
            theirs.params_[parameter],
        )
    donations = load_donations()
    giving = donations.rename(columns={"periods": "T"})
    model = clv.fit_bg_bb(giving, weight="weights")
    theirs = BetaGeoBetaBinomFitter().fit(
        donations["frequency"], donations["recency"], donations["periods"], donations["weights"]
    )
    for parameter, figure in (("alpha", "1.204"), ("beta", "0.750"), ("gamma", "0.657"), ("delta", "2.783")):
        source = "Fader, Hardie & Shang (2010)"
        yield (
            f"BG/BB on donations, {parameter}",
            source,
            figure,
            getattr(model, parameter),
            "lifetimes",
            theirs.params_[parameter],
        )


def cdnow_lines() -> pd.DataFrame:
    """Read the tenth of CDNOW that the literature uses, up to the end of its calibration period."""
    [path] = [file for file in importlib.metadata.files("lifetimes") or [] if file.name == "CDNOW_sample.txt"]
    names = ["customer_id", "sample_id", "date", "cds", "amount"]
    lines = pd.read_csv(str(path.locate()), sep=r"\s+", header=None, names=names)
    lines["timestamp"] = pd.to_datetime(lines["date"].astype(str), format="%Y%m%d")
    return lines.loc[lines["timestamp"] <= "1997-09-30", ["customer_id", "timestamp", "amount"]]


def curves() -> Iterator[Row]:
    from lifelines import CoxPHFitter, KaplanMeierFitter
    from lifelines.datasets import load_rossi, load_waltons
    from lifelines.statistics import logrank_test

    rossi = load_rossi()
    ours, theirs = survival.fit_cox(rossi, duration="week", event="arrest"), CoxPHFitter().fit(rossi, "week", "arrest")
    for term in ("fin", "age", "prio"):
        value = ours.coefficients[list(ours.terms).index(term)]
        yield f"Cox on recidivism (rossi), coefficient of {term}", "", "", value, "lifelines", theirs.params_[term]
    yield "Cox on recidivism (rossi), concordance", "", "", ours.concordance, "lifelines", theirs.concordance_index_
    mice = load_waltons().rename(columns={"T": "duration", "E": "event"})
    curve = survival.curve(mice)
    fitted = KaplanMeierFitter().fit(mice["duration"], mice["event"])
    for day in (20, 56):
        value = curve.loc[curve["time"] <= day, "survival"].iloc[-1]
        yield f"Kaplan-Meier on waltons, beyond day {day}", "", "", value, "lifelines", float(fitted.predict(day))
    first = mice["group"] == "control"
    test = logrank_test(*(mice.loc[part, column] for column in ("duration", "event") for part in (first, ~first)))
    yield "log-rank chi-square on waltons", "", "", survival.logrank(mice, by="group").statistic, "lifelines", test.test_statistic


def rankings() -> Iterator[Row]:
    from sklearn import metrics as theirs

    peer, ten = "scikit-learn", "of ten customers"
    yield f"AUC {ten}", "", "", metrics.auc(verify.Y, verify.P).value, peer, theirs.roc_auc_score(verify.Y, verify.P)
    value = theirs.average_precision_score(verify.Y, verify.P)
    yield f"average precision {ten}", "", "", metrics.average_precision(verify.Y, verify.P).value, peer, value
    yield f"Brier score {ten}", "", "", metrics.brier(verify.Y, verify.P).value, peer, theirs.brier_score_loss(verify.Y, verify.P)


def neighbours() -> Iterator[Row]:
    import irspack
    from implicit.nearest_neighbours import CosineRecommender
    from scipy.sparse import csr_matrix

    from crmkit import datasets

    lines = datasets.make_interactions(n_customers=300, n_items=120).lines
    customers, items = lines["customer_id"].astype("category"), lines["item_id"].astype("category")
    bought = csr_matrix((np.ones(len(lines), np.float32), (customers.cat.codes, items.cat.codes)))
    bought.sum_duplicates()
    peer = CosineRecommender(K=21, num_threads=1)
    peer.fit(bought, show_progress=False)
    model = recommend.fit_item_knn(recommend.interactions(lines, order="order_id"), k=20)
    near = recommend.similar_items(model, k=1)
    best = near.loc[near["similarity"].idxmax()]
    code = items.cat.categories.get_loc(best["item_id"])
    ids, scores = peer.similar_items(code, N=2)
    if items.cat.categories[ids[1]] != best["similar_id"]:
        raise ValueError(best)
    quantity = f"cosine of {best['item_id']} and {best['similar_id']}, make_interactions(n_customers=300, n_items=120)"
    yield quantity, "", "", best["similarity"], "implicit", scores[1]
    ease = recommend.fit_ease(recommend.interactions(lines, order="order_id"), penalty=200)
    linear = irspack.DenseSLIMRecommender(bought.astype(np.float64), reg=200.0)
    linear.learn()
    pair = code, items.cat.categories.get_loc(best["similar_id"])
    quantity = f"EASE with a penalty of 200, weight of {best['item_id']} for {best['similar_id']}, the same purchases"
    yield quantity, "", "", float(ease.weights[pair]), "irspack", linear.W[pair]


def on_files(folder: Path) -> Iterator[Row]:
    """Baskets and an e-mail experiment."""
    from mlxtend.frequent_patterns import association_rules, fpgrowth
    from sklift import metrics as sklift

    groceries = pd.read_csv(folder / "groceries.csv.gz")
    wide = pd.crosstab(groceries["basket_id"], groceries["item"]) > 0
    columns: dict[str, Any] = {"customer": "basket_id", "item": "item", "time": None, "amount": None}
    for support, rules in ((0.001, "5668"), (0.01, "")):
        ours = basket.frequent_itemsets(groceries, min_support=support, **columns)
        theirs = fpgrowth(wide, min_support=support, use_colnames=True)
        yield f"groceries, sets in {100 * support} % of baskets", "", "", len(ours), "mlxtend", len(theirs)
        found = basket.rules(ours, min_confidence=0.5, max_consequent=1)
        others = association_rules(theirs, metric="confidence", min_threshold=0.5)
        single = int((others["consequents"].map(len) == 1).sum())
        quantity = f"groceries, rules with one consequent, support {100 * support} %, confidence 50 %"
        yield quantity, "Hahsler & Chelluboina, arulesViz" if rules else "", rules, len(found), "mlxtend", single
    mails = pd.read_csv(folder / "hillstrom.csv.gz")
    women = mails[mails["segment"] != "Mens E-Mail"]
    given = (
        women["visit"].to_numpy(),
        women["history"].to_numpy(),
        women["segment"].str.startswith("Women").astype(int).to_numpy(),
    )
    named = uplift.qini(*given).named
    quantity = "Hillstrom, women's e-mail by past spend, Qini coefficient as sklift defines it"
    yield quantity, "", "", named["sklift_qini_auc"], "scikit-uplift", sklift.qini_auc_score(*given)


def one(value: Any) -> float:
    return float(np.asarray(value, dtype=np.float64).ravel()[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
