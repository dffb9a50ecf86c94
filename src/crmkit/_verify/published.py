"""Figures that were printed, from inputs that were printed with them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from crmkit import _frame
from crmkit._verify._check import Check

__all__ = ["checks"]

HIGH_END = (869, 743, 653, 593, 551, 517, 491)  # of 1,000 customers, still there after one to seven years
REGULAR = (631, 468, 382, 326, 289, 262, 241)
REMISSION = (6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35)  # weeks under 6-MP
RELAPSED = (1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0)
PLACEBO = (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)  # all of them relapsed
Y = (1, 1, 0, 0, 0, 1, 1, 1, 1, 0)
WINKLER = (
    ("SHACKLEFORD", "SHACKELFORD", "0.982", "2"),
    ("DUNNINGHAM", "CUNNIGHAM", "0.896", "2"),
    ("NICHLESON", "NICHULSON", "0.956", "2"),
    ("JONES", "JOHNSON", "0.832", "4"),
    ("MASSEY", "MASSIE", "0.933", "2"),
    ("HARDIN", "MARTINEZ", "0.722", "4"),
    ("ITMAN", "SMITH", "0.467", "5"),
    ("MARTHA", "MARHTA", "0.961", "2"),
    ("MICHELLE", "MICHAEL", "0.921", "3"),
    ("DWAYNE", "DUANE", "0.840", "2"),
    ("JON", "JAN", "0.800", "1"),
    ("DIXON", "DICKSONX", "0.813", "4"),
    ("FITZRUREITER", "FITZENREITER", "0.913", "2"),
)
SOUNDEX = "Washington:W252 Lee:L000 Gutierrez:G362 Pfister:P236 Jackson:J250 Tymczak:T522 Ashcroft:A261"
NYSIIS = "Worthy:WARTY Ogata:OGAT Catherine:CATARAN Katherine:CATARAN Jonathan:JANATAN John:JAN Jessica:JASAC MacArthur:MCARTAR"
P = (0.6125478, 0.3642710, 0.4321361, 0.1402911, 0.3848959, 0.2444155, 0.9706413, 0.8901728, 0.7817814, 0.8687518)


def checks() -> Iterator[Check]:
    """Compute every figure again, topic by topic."""
    for topic in (_lifetime_value, _contracts, _survival, _churn, _intervals, _feedback, _experiments, _strings):
        yield from topic()


def _lifetime_value() -> Iterator[Check]:
    from crmkit import clv

    columns = ("frequency", "recency", "T")
    given: dict[str, Any] = {
        "log_likelihood": 0.0, "standard_errors": {}, "n": 1.0, "converged": True, "unit": "W", "columns": columns,
        "gradient_norm": 0.0, "condition": 1.0, "diagnosis": "given",
    }  # fmt: skip

    def histories(*rows: tuple[float, float, float]) -> Any:
        return _frame.table({name: np.array(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)})

    paper = "Fader, Hardie & Lee (2005)"
    bg = clv.BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, **given)
    yield Check(
        "BG/NBD, purchases of (2, 30.43, 38.86) in 39 weeks",
        paper,
        "1.226",
        _one(clv.expected_purchases(bg, histories((2, 30.43, 38.86)), horizon=39)),
    )
    exact = clv.BgNbd(r=0.2425945, alpha=4.4136019, a=0.7929199, b=2.4258954, **given)
    best = histories((26, 30.857142857, 31))
    yield Check(
        "BG/NBD, purchases of customer 1516 in 52 weeks", "BTYD", "25.76", _one(clv.expected_purchases(exact, best, horizon=52))
    )
    yield Check("BG/NBD, P(alive) of customer 1516", "BTYD", "0.96885", _one(clv.p_alive(exact, best)))
    yield Check(
        "BG/NBD, P(none in 39 weeks) of a new customer",
        "lifetimes",
        "0.573786",
        _first(clv.purchase_distribution(bg, horizon=39)),
    )

    for x, published in ((10, "0.34748"), (15, "0.042837"), (20, "0.004159"), (25, "0.000358")):
        at = float(exact.expected_purchases(52, x, 20, 39))
        yield Check(f"BG/NBD, purchases in 52 weeks of {x} by week 20, silent to week 39", "BTYD", published, at)
    chances = np.asarray(bg.purchase_distribution(20, 30))
    for x, published in ((11, "0.0019995214"), (15, "0.0007023638"), (20, "0.000222226")):
        yield Check(f"BG/NBD, P({x} purchases in 30 weeks)", "lifetimes", published, float(chances[x]))
    yield Check("BG/NBD, purchases of a new customer in 52 weeks", "BTYD", "1.4440", float(exact.expected_purchases(52)))

    pareto = clv.ParetoNbd(r=0.55, alpha=10.56, s=0.61, beta=11.64, **given)
    weekly = ("0.05077821", "0.09916088", "0.14542507", "0.18979930", "0.23247466", "0.27361274", "0.31335159", "0.35181024")
    for week, published in enumerate((*weekly, "0.38909211"), start=1):
        yield Check(
            f"Pareto/NBD, purchases of a new customer in {week} weeks",
            "BTYD",
            published,
            float(clv.expected_purchases(pareto, horizon=week)),
        )
    cdnow = clv.ParetoNbd(r=0.5629966, alpha=12.5590370, s=0.4081095, beta=10.5148048, **given)
    rate = math.expm1(0.0027 * 365.25 / 7)  # 0.0027 per week, continuously
    for x, last, published in (
        *((7, 35, "1.8642"), (7, 50, "9.5181"), (7, 70, "17.5248"), (7, 77, "18.4273"), (1, 35, "2.4693"), (1, 70, "3.6711")),
        *((3, 35, "3.8449"), (15, 35, "0.0496"), (15, 70, "35.0696")),
    ):
        value = clv.discounted_purchases(cdnow, histories((x, last, 77.86)), annual_discount=rate)
        yield Check(
            f"Pareto/NBD, discounted purchases still to come of ({x}, {last}, 77.86)",
            "Fader, Hardie & Lee (2005b)",
            published,
            _one(value),
        )


def _contracts() -> Iterator[Check]:
    from crmkit import clv

    def cohort(left: tuple[int, ...]) -> Any:
        lost = -np.diff((1000, *left))
        years = len(left)
        return _frame.table(
            {
                "age": np.append(np.arange(1, years + 1), years),
                "lost": np.append(np.ones(years, int), 0),
                "n": np.append(lost, left[-1]),
            }
        )

    paper = "Fader & Hardie (2007)"
    for name, left, published in (
        ("high end", HIGH_END, ("0.668", "3.806", "-1611.2")),
        ("regular", REGULAR, ("0.704", "1.182", "-1680.3")),
    ):
        model = clv.fit_sbg(cohort(left), weight="n")
        for quantity, figure, here in zip(
            ("alpha", "beta", "log-likelihood"), published, (model.alpha, model.beta, model.log_likelihood), strict=True
        ):
            yield Check(f"shifted beta-geometric, {name}, {quantity}", paper, figure, here)
    renewing = clv.fit_sbg(cohort(HIGH_END), weight="n")
    for year, figure in enumerate(("46.0", "43.6", "41.4", "39.5", "37.8"), start=8):
        share = 100.0 * float(renewing.survival(year))
        yield Check(f"shifted beta-geometric, high end, % left after {year} years", paper, figure, share)
    weibull = clv.fit_bdw(cohort(HIGH_END[:4]), weight="n")
    for name, figure, here in zip("abc", ("0.2593", "1.7226", "1.5844"), _parameters(weibull), strict=True):
        yield Check(f"beta-discrete-Weibull, high end, four years, {name}", "Fader et al. (2018)", figure, here)


def _survival() -> Iterator[Check]:
    from crmkit import survival

    trial = _frame.table(
        {
            "duration": np.array([*REMISSION, *PLACEBO], float),
            "event": np.array([*RELAPSED, *(1,) * len(PLACEBO)]),
            "placebo": np.array([0] * len(REMISSION) + [1] * len(PLACEBO)),
        }
    )
    treated = trial[trial["placebo"] == 0]
    curve = survival.curve(treated, duration="duration", event="event")
    for week, published in ((6, "0.857"), (10, "0.753"), (23, "0.448")):
        at = curve[curve["time"] <= week].iloc[-1]
        yield Check(
            f"Kaplan-Meier, remission beyond week {week} under 6-MP", "Freireich et al. (1963)", published, float(at["survival"])
        )
    test = survival.logrank(trial, duration="duration", event="event", by="placebo")
    yield Check("log-rank chi-square, 6-MP and placebo", "Kalbfleisch & Prentice", "16.79", test.statistic)
    model = survival.fit_cox(trial, duration="duration", event="event", features=["placebo"])
    yield Check("Cox, Efron ties, coefficient of placebo", "Therneau & Grambsch", "1.572", float(model.coefficients[0]))


def _churn() -> Iterator[Check]:
    from crmkit import metrics

    for name, y, p, published, share in (
        ("ten customers", Y, P, "30.3003222630", "0.8996551652"),
        ("eight customers", (0, 1) * 4, (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9), "23.8755934183", "0.8743700763"),
        ("scores the wrong way round", (0, 1) * 10, (1, 0) * 10, "22.50079122445", "0.9991601019"),
    ):
        found = metrics.empc(y, p)
        yield Check(f"EMPC, {name}", "Verbraken et al. (2013)", published, found.value)
        yield Check(f"EMPC, {name}, share to target", "Verbraken et al. (2013)", share, found.fraction)


def _intervals() -> Iterator[Check]:
    from crmkit import intervals

    for name, function, figures in (
        ("Newcombe", intervals.newcombe, ("0.0524", "0.3339")),
        ("Miettinen-Nurminen", intervals.miettinen_nurminen, ("0.0528", "0.3382")),
    ):
        for end, figure, here in zip(("lower", "upper"), figures, function(56, 70, 48, 80), strict=True):
            yield Check(f"{name}, 56 of 70 less 48 of 80, {end} end", "Newcombe (1998)", figure, float(here))
    for end, figure, here in zip(("lower", "upper"), ("0.2553", "0.3662"), intervals.wilson(81, 263), strict=True):
        yield Check(f"Wilson, 81 of 263, {end} end", "Newcombe (1998b)", figure, float(here))
    for name, single, x, n, figures in (
        ("Wilson", intervals.wilson, 15, 148, ("0.0624", "0.1605")),
        ("Wilson", intervals.wilson, 0, 20, ("0.0000", "0.1611")),
        ("Wilson", intervals.wilson, 1, 29, ("0.0061", "0.1718")),
        ("Clopper-Pearson", intervals.clopper_pearson, 81, 263, ("0.2527", "0.3676")),
        ("Clopper-Pearson", intervals.clopper_pearson, 15, 148, ("0.0578", "0.1617")),
        ("Clopper-Pearson", intervals.clopper_pearson, 0, 20, ("0.0000", "0.1684")),
        ("Clopper-Pearson", intervals.clopper_pearson, 1, 29, ("0.0009", "0.1776")),
    ):
        for end, figure, here in zip(("lower", "upper"), figures, single(x, n), strict=True):
            yield Check(f"{name}, {x} of {n}, {end} end", "Newcombe (1998b)", figure, float(here))
    for end, figure, here in zip(
        ("lower", "upper"), ("0.0598", "0.1644"), intervals.wilson(15, 148, continuity=True), strict=True
    ):
        yield Check(f"Wilson with continuity, 15 of 148, {end} end", "Newcombe (1998b)", figure, float(here))
    for up, down, n, source, figures in (
        (9, 3, 32, "Tango (1998)", ("-0.027", "0.390")),
        (16, 8, 86, "Agresti & Min (2005)", ("-0.020", "0.207")),
        (1, 7, 21, "Fagerland et al. (2014)", ("-0.517", "-0.026")),
        (3, 1, 14, "Tang et al. (2010)", ("-0.1670", "0.4327")),
        (25, 2, 102, "Chang (2024)", ("0.139", "0.321")),
    ):
        for end, figure, here in zip(("lower", "upper"), figures, intervals.tango(up, down, n), strict=True):
            yield Check(f"Tango, {up} up and {down} down of {n}, {end} end", source, figure, float(here))
    seven = [56, 72, 73, 59, 62, 87, 58]
    for name, together, figures in (
        ("Goodman", intervals.goodman, ("0.0852", "0.1663")),
        ("Sison-Glaz", intervals.sison_glaz, ("0.0792", "0.1644")),
    ):
        for end, figure, here in zip(("lower", "upper"), figures, together(seven), strict=True):
            yield Check(f"{name}, first of seven shares, {end} end", "Sison & Glaz (1995)", figure, float(here[0]))
    adjusted = intervals.adjust_pvalues(
        [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0],
        method="bh",
    )
    yield Check(
        "findings among 15 at a false discovery rate of 5 %", "Benjamini & Hochberg (1995)", "4", float((adjusted <= 0.05).sum())
    )


def _feedback() -> Iterator[Check]:
    from crmkit import feedback

    for counts, published in (((1, 2, 3), "33.333"), ((2, 2, 1), "-20.000"), ((10, 20, 70), "60.000")):
        answers = np.repeat([3, 8, 10], counts)
        yield Check(f"NPS of {counts}", "its definition", published, feedback.nps(answers).value)
    three = feedback.nps(np.repeat([3, 8, 10], (1, 2, 3)), method="wald")
    yield Check("NPS of (1, 2, 3), standard error", "R package NPS", "30.4", three.se)
    for variance, figures in ((2 / 3, (1022, 254)), (0.814, (1248, 310)), (1.0, (1534, 382))):
        for margin, figure in zip((5.0, 10.0), figures, strict=True):
            needed = feedback.nps_sample_size(margin=margin, variance=variance)
            yield Check(f"answers for ±{margin:g} points, variance {variance:.3g}", "MeasuringU", str(figure), float(needed))
    growth = feedback.earned_growth(prior=100, returning=92, referred=13)
    yield Check("earned growth of 92 kept and 13 referred, of 100", "Reichheld et al. (2021)", "0.05", growth.value)
    scores = np.repeat([10, 8, 3], [184, 83, 240])
    others = np.repeat([10, 8, 3], [99, 50, 110])
    found = feedback.nps_difference(others, scores, method="wald")
    yield Check("NPS of two regions, difference", "R package NPS", "6.7983", found.value)
    yield Check("NPS of two regions, z", "R package NPS", "0.98805", found.z)


def _experiments() -> Iterator[Check]:
    from crmkit import experiment

    ratio = experiment.sample_ratio({"control": 821_588, "treatment": 815_482})
    yield Check("sample ratio, chi-square", "Kohavi, Tang & Xu (2020)", "22.77", ratio.statistic)
    plan = experiment.power(baseline=0.2, effect=0.05, power=0.8, method="baseline")
    yield Check("sample size, 20 % to 25 %", "Evan Miller's calculator", "1030", plan.exact)
    for design, figure in (("pocock", "2.413"), ("obrien_fleming", "2.040")):
        bounds = experiment.boundaries(5, design=design)["bound"]
        yield Check(f"bound of the last of five looks, {design}", "Jennison & Turnbull (2000)", figure, float(bounds.iloc[-1]))


def _strings() -> Iterator[Check]:
    from crmkit import dedupe

    for left, right, jaro, edits in WINKLER:
        yield Check(f"Jaro-Winkler, {left} and {right}", "Winkler (1994)", jaro, float(dedupe.jaro_winkler([left], [right])[0]))
        yield Check(f"edits from {left} to {right}", "rapidfuzz", edits, float(dedupe.levenshtein([left], [right])[0]))
    for name, code, pairs in (("Soundex", dedupe.soundex, SOUNDEX), ("NYSIIS", dedupe.nysiis, NYSIIS)):
        names, codes = zip(*(pair.split(":") for pair in pairs.split()), strict=True)
        right = sum(found == wanted for found, wanted in zip(code(list(names)), codes, strict=True))
        yield Check(f"{name}, codes as published of {len(names)}", "jellyfish", str(len(names)), float(right))


def _one(column: Any) -> float:
    return float(np.asarray(column, dtype=np.float64)[0])


def _first(chances: Any) -> float:
    return float(next(iter(chances.values())))


def _parameters(model: Any) -> list[float]:
    return [float(getattr(model, name)) for name in model.PARAMETERS]
